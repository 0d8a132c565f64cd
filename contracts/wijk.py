"""Wijken: founding, parameters, roles, and what the federation decides (economy E35..E38)."""

from typing import Annotated, Literal

import msgspec

from chain.address import account_id
from chain.codec import Account, Bit, Digest, PublicKey, Record, Signature, Uint, encode
from chain.contract import (
    PERSONS_MIN,
    Call,
    Context,
    Contract,
    Word,
    check_authority,
    get_account,
)
from chain.crypto import is_valid_key, verify
from chain.errors import Code, Malformed, Reject, require
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    BOARD,
    FEDERATION_WIJKEN,
    ISSUERS,
    PARAMS,
    REGISTRY,
    ROLE,
    ROLES,
    SEATS,
    TREASURY,
    VALIDATOR,
    WIJKEN,
    AccountKey,
    AccountRecord,
    RoleVersion,
    Seat,
    Wijk,
    get_role,
    get_sitting,
)
from chain.params import DAY_S, FEDERAL, FEDERATION, WIJK, Number, decode_value, is_within
from chain.state import Keyspace
from chain.text_rules import is_area, is_code, is_name, is_slug, is_symbol
from chain.validators import quorum

CURRENCIES = ("EUR",)  # those whose minor units the books know
FOUNDERS_S = 365 * DAY_S  # economy section 4: founders sit at most a year
NO_END_S = 253_402_300_799
LIFE_S = 30 * DAY_S  # a matter of the federation lapses like a shared decision (economy B6)
EPOCHS_AHEAD = 2  # economy B13: the border of the epoch after next
CALL_BYTES_MAX = 16 * 1024
VALUE_BYTES_MAX = 16 * 1024

OPEN, EXECUTED, REFUSED, REJECTED = "OPEN", "EXECUTED", "REFUSED", "REJECTED"

Text = Annotated[str, msgspec.Meta(max_length=64)]
Word24 = Annotated[str, msgspec.Meta(max_length=24)]
InnerCall = Annotated[bytes, msgspec.Meta(min_length=1, max_length=CALL_BYTES_MAX)]


class FedMatter(Record, frozen=True):
    """`fed/<id>`: a call the boards vote on; `yes` and `no` are wijk ids, `code` a refusal or 0."""

    call: InnerCall
    board: Account
    expires: Uint
    yes: tuple[str, ...]
    no: tuple[str, ...]
    status: str
    code: Uint


FED_MATTERS: Keyspace[FedMatter] = Keyspace("fed", FedMatter, 1)


class Founder(Record, frozen=True):
    """A key of a founding board or registrar, and who keeps it."""

    key: PublicKey
    holder: Digest


class Found(Record, frozen=True, tag="wijk.found"):
    """Found a wijk with its coin, board, registrars and validator (economy E36)."""

    wijk: Text
    place: Word24
    year: Uint
    currency: Word24
    name: Text
    symbol: Text
    plural: Text
    statutes: Digest
    issuer: Word24
    founders: Annotated[tuple[Founder, ...], msgspec.Meta(min_length=3, max_length=7)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=7)]
    registrars: Annotated[tuple[Founder, ...], msgspec.Meta(min_length=2, max_length=5)]
    validator: PublicKey
    proof: Signature


class SetParam(Record, frozen=True, tag="wijk.set_param"):
    """Set a parameter from an epoch on; `value` is the msgpack of what its name asks (B13)."""

    name: Word24
    value: msgspec.Raw
    from_epoch: Uint


class NodeKeys(Record, frozen=True):
    """A node: validator key, transport key, and the proof that binds them (interfaces 4)."""

    key: PublicKey
    transport_key: PublicKey
    proof: Signature


RoleName = Literal[
    "TREASURY",
    "REGISTRY",
    "VALIDATOR",
    "ARBITER",
    "MEASURER",
    "MUNICIPALITY",
    "AUDITOR",
    "ISSUER",
]


class RegisterRole(Record, frozen=True, tag="wijk.register_role"):
    """Name the account that holds a role from an epoch on, until a time."""

    role: RoleName
    account: Account
    from_epoch: Uint
    until: Uint
    node: NodeKeys | None


class FedPropose(Record, frozen=True, tag="wijk.fed_propose"):
    """Put a call that needs the federation to the boards; counts as the first yes."""

    call: InnerCall


class FedEndorse(Record, frozen=True, tag="wijk.fed_endorse"):
    """Vote as a board; at two thirds of the sitting wijken the call runs once (economy E36)."""

    matter: Digest
    yes: Bit


ROLE_WORDS = {
    "VALIDATOR": Word.BOARD23,
    "TREASURY": Word.BOARD,
    "REGISTRY": Word.BOARD,
    "MEASURER": Word.BOARD,
    "ARBITER": Word.EFFECT,
    "AUDITOR": Word.FED,
    "ISSUER": Word.FED,
    "MUNICIPALITY": Word.FED,
}


def key_proof_bytes(chain_digest: bytes, account: bytes, key: bytes) -> bytes:
    """Return what the validator key of a founding signs, with the new board's account."""
    return encode(("wijk.key.1", chain_digest, account, key))


def node_proof_bytes(chain_digest: bytes, key: bytes, transport_key: bytes) -> bytes:
    """Return what a validator key signs to bind its transport key (consensus V5a)."""
    return encode(("wijk.node.1", chain_digest, key, transport_key))


def found(ctx: Context, call: Found) -> None:
    """economy E36. Refuses text, unknown-id, exists, bad-code, bad-currency, no-proof, holders.

    The validator is recorded; it joins the set by the rules of consensus V, with its own call.
    """
    texts = is_slug(call.wijk) and is_name(call.name) and is_name(call.plural)
    require(texts and is_symbol(call.symbol), Code.TX_TEXT)
    require(ISSUERS.get(ctx.state, call.issuer) is not None, Code.TX_UNKNOWN_ID)
    require(WIJKEN.get(ctx.state, call.wijk) is None, Code.WIJK_EXISTS)
    keys = [founder.key for founder in (*call.founders, *call.registrars)]
    board, registrar = account_id(call.founders[0].key), account_id(call.registrars[0].key)
    for account in (board, registrar):
        require(ACCOUNTS.get(ctx.state, account) is None, Code.WIJK_EXISTS)
    require(is_area(call.place) and call.place[:2] == "WK", Code.WIJK_BAD_CODE)
    require(call.currency in CURRENCIES, Code.WIJK_BAD_CURRENCY)
    usable = all(is_valid_key(key) for key in keys) and len(set(keys)) == len(keys)
    proven = is_valid_key(call.validator) and verify(
        call.validator, key_proof_bytes(ctx.chain.digest, board, call.validator), call.proof
    )
    require(usable and proven and call.validator not in keys, Code.WIJK_NO_PROOF)
    _check_founders(call)

    _put_wijk(ctx, call, board)
    _put_shared(ctx, call.wijk, BOARD, board, call.founders, call.threshold)
    _put_shared(ctx, call.wijk, ROLE, registrar, call.registrars, PERSONS_MIN)
    for number, founder in enumerate(call.founders, start=1):
        seat = Seat(founder.key, founder.holder, ctx.time_s, ctx.time_s + FOUNDERS_S, ACTIVE)
        SEATS.put(ctx.state, seat, call.wijk, number)
    node = (call.validator, bytes(32))  # the transport key comes with `register_role`
    for role, account, keys_of_node in (
        (TREASURY, board, None),
        (REGISTRY, registrar, None),
        (VALIDATOR, board, node),
    ):
        version = RoleVersion(ctx.clock.epoch, account, NO_END_S, keys_of_node)
        ROLES.put(ctx.state, (version,), call.wijk, role)
    ctx.emit("wijk.WijkFounded", call.wijk, board)


def set_param(ctx: Context, call: SetParam) -> None:
    """economy B13. Refuses unknown, no-decision, bounds, text, too-soon."""
    if call.name in FEDERAL:
        require(ctx.fed, Code.WIJK_NO_DECISION)
        owner = FEDERATION
    else:
        require(call.name in WIJK, Code.WIJK_UNKNOWN)
        require(ctx.decision is not None, Code.WIJK_NO_DECISION)
        owner = ctx.wijk_id
    _check_value(ctx, call.name, bytes(call.value))
    require(call.from_epoch >= ctx.clock.epoch + EPOCHS_AHEAD, Code.WIJK_TOO_SOON)

    versions = PARAMS.get(ctx.state, owner, call.name) or ()
    kept = tuple(version for version in versions if version[0] < call.from_epoch)
    raw = msgspec.Raw(bytes(call.value))
    PARAMS.put(ctx.state, (*kept, (call.from_epoch, raw)), owner, call.name)
    ctx.emit("wijk.ParamSet", owner, call.name, call.from_epoch)


def register_role(ctx: Context, call: RegisterRole) -> None:
    """economy B5, E38. Refuses role, unknown-account, expired, holders, no-proof, set-change."""
    check_authority(ctx, (ROLE_WORDS[call.role],))
    account = get_account(ctx, call.account)
    require(call.until > ctx.time_s, Code.WIJK_EXPIRED)
    if call.role in (TREASURY, REGISTRY):
        _check_two_persons(ctx, account, call.role)
    node = _check_node(ctx, call)

    owner = FEDERATION if call.role in ("AUDITOR", "ISSUER") else ctx.wijk_id
    versions = ROLES.get(ctx.state, owner, call.role) or ()
    from_epoch = max(call.from_epoch, ctx.clock.epoch + 1)  # never in the middle of an epoch
    kept = tuple(version for version in versions if version.from_epoch < from_epoch)
    version = RoleVersion(from_epoch, call.account, call.until, node)
    ROLES.put(ctx.state, (*kept, version), owner, call.role)
    ctx.emit("wijk.RoleSet", owner, call.role, call.account, from_epoch)


def fed_propose(ctx: Context, call: FedPropose) -> None:
    """economy E36. Refuses malformed, nested, not-federal."""
    inner = _decode(ctx, call.call)
    require(not isinstance(inner, FedPropose | FedEndorse), Code.WIJK_NESTED)
    require(Word.FED in ctx.chain.table.spec(inner).words, Code.WIJK_NOT_FEDERAL)

    matter = ctx.new_id()
    record = FedMatter(call.call, ctx.sender, ctx.time_s + LIFE_S, (ctx.wijk_id,), (), OPEN, 0)
    ctx.emit("wijk.FedProposed", matter)
    FED_MATTERS.put(ctx.state, _settle(ctx, matter, record), matter)


def fed_endorse(ctx: Context, call: FedEndorse) -> None:
    """economy E36. Refuses unknown-id, done, expired, already-voted."""
    record = FED_MATTERS.get(ctx.state, call.matter)
    if record is None:
        raise Reject(Code.TX_UNKNOWN_ID)
    require(record.status == OPEN, Code.WIJK_DONE)
    require(ctx.time_s < record.expires, Code.WIJK_EXPIRED)
    require(ctx.wijk_id not in (*record.yes, *record.no), Code.WIJK_ALREADY_VOTED)

    if call.yes:
        record = msgspec.structs.replace(record, yes=(*record.yes, ctx.wijk_id))
    else:
        record = msgspec.structs.replace(record, no=(*record.no, ctx.wijk_id))
    ctx.emit("wijk.FedEndorsed", call.matter, ctx.wijk_id, call.yes)
    FED_MATTERS.put(ctx.state, _settle(ctx, call.matter, record), call.matter)


def _settle(ctx: Context, matter: bytes, record: FedMatter) -> FedMatter:
    """Run the call at two thirds of the sitting wijken; close a matter that can no longer pass."""
    wijken = FEDERATION_WIJKEN.get(ctx.state) or ()
    needed = quorum(len(wijken))
    if len(record.yes) >= needed:
        refusal = ctx.run(record.call, record.board, (), fed=True)
        ctx.emit("wijk.FedExecuted", matter, 0 if refusal is None else refusal.code.number)
        if refusal is None:
            return msgspec.structs.replace(record, status=EXECUTED)
        return msgspec.structs.replace(record, status=REFUSED, code=refusal.code.number)
    if len(wijken) - len(record.no) < needed:
        return msgspec.structs.replace(record, status=REJECTED)
    return record


def _decode(ctx: Context, call: bytes) -> object:
    try:
        return ctx.chain.table.decode(call)
    except Malformed:
        raise Reject(Code.TX_MALFORMED) from None


def _check_founders(call: Found) -> None:
    """economy B5: different founders, a threshold in reach, registrars on and off the board."""
    founders = {founder.holder for founder in call.founders}
    registrars = {registrar.holder for registrar in call.registrars}
    alone = len(founders) == len(call.founders) and len(registrars) == len(call.registrars)
    require(alone, Code.WIJK_HOLDERS)
    require(PERSONS_MIN <= call.threshold <= len(founders), Code.WIJK_HOLDERS)
    mixed = bool(founders & registrars) and bool(registrars - founders)
    require(mixed, Code.WIJK_HOLDERS)


def _put_wijk(ctx: Context, call: Found, board: bytes) -> None:
    record = Wijk(
        call.place,
        call.year,
        call.currency,
        board,
        call.issuer,
        call.statutes,
        ACTIVE,
        ctx.height,
    )
    WIJKEN.put(ctx.state, record, call.wijk)
    known = FEDERATION_WIJKEN.get(ctx.state) or ()
    FEDERATION_WIJKEN.put(ctx.state, tuple(sorted((*known, call.wijk))))
    brand = (("coin.name", call.name), ("coin.plural", call.plural), ("coin.symbol", call.symbol))
    for name, value in brand:
        raw = msgspec.Raw(encode(value))
        PARAMS.put(ctx.state, ((ctx.clock.epoch, raw),), call.wijk, name)


def _put_shared(
    ctx: Context, wijk: str, kind: str, account: bytes, keys: tuple[Founder, ...], threshold: int
) -> None:
    held = tuple(
        AccountKey(index, founder.key, founder.holder, ctx.height)
        for index, founder in enumerate(keys)
    )
    ACCOUNTS.put(ctx.state, AccountRecord(kind, wijk, ACTIVE, threshold, held, ()), account)


def _check_value(ctx: Context, name: str, raw: bytes) -> None:
    """Refuse a value of another type, out of bounds, or set by genesis for ever."""
    require(len(raw) <= VALUE_BYTES_MAX, Code.WIJK_BOUNDS)
    try:
        value = decode_value(name, raw)
    except Malformed:
        raise Reject(Code.WIJK_BOUNDS) from None
    if name in WIJK:
        rules = {"name": is_name, "symbol": is_symbol, "code": is_code}
        require(isinstance(value, str) and rules[WIJK[name].kind](value), Code.TX_TEXT)
        return
    spec = FEDERAL[name]
    fixed = isinstance(spec, Number) and spec.fixed
    require(not fixed and is_within(name, value, ctx.chain.purpose), Code.WIJK_BOUNDS)


def _check_two_persons(ctx: Context, account: AccountRecord, role: str) -> None:
    """economy B5, C3: two different holders; registrars are on and off the board."""
    holders = {key.holder for key in account.keys}
    two = account.threshold >= PERSONS_MIN and len(holders) >= PERSONS_MIN
    require(two and account.wijk == ctx.wijk_id, Code.WIJK_HOLDERS)
    if role == REGISTRY:
        board = {seat.holder for seat in get_sitting(ctx.state, ctx.wijk_id, ctx.time_s)}
        require(bool(holders & board) and bool(holders - board), Code.WIJK_HOLDERS)


def _check_node(ctx: Context, call: RegisterRole) -> tuple[bytes, bytes] | None:
    """Return the node keys of a VALIDATOR role; only that role has them, and it must (V5a).

    While the set of validators stands as genesis made it, the key of a wijk's node cannot be
    replaced: `set-change`. Its term and its operator's account can.
    """
    if call.role != VALIDATOR:
        require(call.node is None, Code.WIJK_NO_PROOF)
        return None
    node = call.node
    if node is None:
        raise Reject(Code.WIJK_NO_PROOF)
    message = node_proof_bytes(ctx.chain.digest, node.key, node.transport_key)
    proven = is_valid_key(node.key) and is_valid_key(node.transport_key)
    require(proven and verify(node.key, message, node.proof), Code.WIJK_NO_PROOF)
    held = get_role(ctx.state, ctx.wijk_id, VALIDATOR, ctx.clock.epoch, ctx.time_s)
    same = held is not None and held.node == (node.key, node.transport_key)
    require(same, Code.WIJK_SET_CHANGE)
    return node.key, node.transport_key


CONTRACT = Contract(
    "wijk",
    calls=(
        Call(Found, (Word.FED,), found),
        Call(SetParam, (Word.EFFECT, Word.FED), set_param),
        Call(RegisterRole, (Word.BOARD, Word.BOARD23, Word.EFFECT, Word.FED), register_role),
        Call(FedPropose, (Word.BOARD,), fed_propose),
        Call(FedEndorse, (Word.BOARD,), fed_endorse),
    ),
)
