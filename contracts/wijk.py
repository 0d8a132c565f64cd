"""Wijken: founding, parameters, roles, nodes, and what the federation decides (economy E35..E40).

A wijk decides on its own brand by vote (`effect`), its board names who holds which role and
which node is its validator, and the boards of two thirds of the wijken decide what concerns all
(`fed`).
"""

from typing import Annotated, Any, Literal

import msgspec

from chain.address import account_id
from chain.codec import Account, Bit, Digest, PublicKey, Record, Signature, Uint, decode, encode
from chain.contract import (
    PERSONS_MIN,
    USUAL_CLASSES,
    Call,
    Context,
    Contract,
    Word,
    can_keep,
    get_account,
)
from chain.crypto import is_valid_key, verify
from chain.errors import Code, Malformed, Reject, require
from chain.issuers import check_issuer, enact_issuers, plan_issuer
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    ARBITER,
    AUDITOR,
    BOARD,
    FEDERATION_ROLES,
    FEDERATION_WIJKEN,
    ISSUER,
    ISSUERS,
    MEASURER,
    MUNICIPALITY,
    NO_END_S,
    PARAMS,
    REGISTRY,
    ROLE,
    ROLES,
    SEAT_TERM_S,
    SEATS,
    SET_NEXT,
    SUPPLY,
    TREASURY,
    VALIDATOR,
    WIJKEN,
    AccountKey,
    AccountRecord,
    RoleVersion,
    Seat,
    SetMember,
    Supply,
    Wijk,
    get_sitting,
    get_version,
)
from chain.params import (
    DAY_S,
    FEDERAL,
    FEDERATION,
    WIJK,
    Number,
    Upgrade,
    Value,
    decode_value,
    get_issuer_field,
    is_plain,
    is_within,
)
from chain.sanctions import lift
from chain.set_change import (
    PLANNED,
    READY,
    READY_S,
    NodeReady,
    SetChange,
    choose_name,
    find_fault,
    get_members,
    is_recent,
    is_under_way,
)
from chain.shared import FED_MATTERS, FedMatter, InnerCall, key_proof_bytes
from chain.text_rules import CBS_YEARS, fits, is_area, is_name, is_slug, is_symbol
from chain.validators import VALIDATORS_MAX, quorum

CURRENCIES = ("EUR",)  # all amounts of this version are euro cents (interfaces 0)
FED_LIFE_S = 30 * DAY_S  # a matter of the federation lapses like a shared decision (economy B6)
EPOCHS_AHEAD = 2  # economy B13: the border of the epoch after next

OPEN, EXECUTED, REFUSED, REJECTED = "OPEN", "EXECUTED", "REFUSED", "REJECTED"

Text = Annotated[str, msgspec.Meta(max_length=64)]
Word24 = Annotated[str, msgspec.Meta(max_length=24)]


class HeldKey(Record, frozen=True):
    """A key of a founding board or registrar, and who keeps it."""

    key: PublicKey
    holder: Digest


class Found(Record, frozen=True, tag="wijk.found"):
    """E36: found a wijk with its coin, board, registrars and validator key.

    `proof` is the validator key's signature over chain, board account and key (interfaces 4).
    """

    wijk_id: Text
    place: Word24
    year: Uint
    currency: Word24
    name: Text
    symbol: Text
    plural: Text
    statutes: Digest
    issuer: Word24
    founder_keys: Annotated[tuple[HeldKey, ...], msgspec.Meta(min_length=3, max_length=7)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=7)]
    registrar_keys: Annotated[tuple[HeldKey, ...], msgspec.Meta(min_length=2, max_length=5)]
    validator: PublicKey
    proof: Signature


class SetParam(Record, frozen=True, tag="wijk.set_param"):
    """B13: set a parameter from an epoch on; the name tells the type of `value`."""

    name: Text
    value: msgspec.Raw
    from_epoch: Uint

    def __post_init__(self) -> None:
        """Refuse on decoding what is no canonical int, text, bytes or table of these."""
        if not is_plain(bytes(self.value)):
            raise ValueError("value is neither a number, a text, bytes nor a list of them")


class NodeKeys(Record, frozen=True):
    """A node: validator key, transport key, and the proof that binds them (consensus V5a)."""

    validator: PublicKey
    transport: PublicKey
    proof: Signature


class RegisterRole(Record, frozen=True, tag="wijk.register_role"):
    """B5, E38: name the account that holds a role from the border of an epoch, until a time."""

    role: Literal[
        "TREASURY",
        "REGISTRY",
        "VALIDATOR",
        "ARBITER",
        "MEASURER",
        "MUNICIPALITY",
        "AUDITOR",
        "ISSUER",
    ]
    account: Account
    from_epoch: Uint
    until: Uint
    node: NodeKeys | None


class Ready(Record, frozen=True, tag="wijk.ready"):
    """E40: the node of a key that is to join has a recent block; `proof` is by that key (V5b)."""

    validator: PublicKey
    transport: PublicKey
    block_id: Digest
    height: Uint
    proof: Signature


class Remove(Record, frozen=True, tag="wijk.remove"):
    """E36: a wijk takes part no longer from the border of an epoch on; its node leaves the set."""

    wijk_id: Text
    from_epoch: Uint


class FedPropose(Record, frozen=True, tag="wijk.fed_propose"):
    """E36: put a call that needs the federation to the boards; to propose is not to endorse."""

    call: InnerCall


class FedEndorse(Record, frozen=True, tag="wijk.fed_endorse"):
    """E36: vote as a board; at two thirds of the wijken the call runs, once."""

    id: Digest
    yes: Bit


ROLE_WORDS = {
    VALIDATOR: Word.BOARD23,
    TREASURY: Word.BOARD,
    REGISTRY: Word.BOARD,
    MEASURER: Word.BOARD,
    ARBITER: Word.EFFECT,
    AUDITOR: Word.FED,
    ISSUER: Word.FED,
    MUNICIPALITY: Word.FED,
}


def get_role_words(call: RegisterRole) -> tuple[Word, ...]:
    """Return the authority word of a role (economy section 4)."""
    return (ROLE_WORDS[call.role],)


def get_param_classes(call: SetParam) -> tuple[str, ...]:
    """Return the classes of decision that set a parameter: statutes need their own (E7, N28).

    Parameters of the federation are set by two thirds of the wijken, not by the vote of one.
    """
    if call.name in FEDERAL or get_issuer_field(call.name) is not None:
        return ()
    return ("STATUTES",) if call.name == "statutes" else USUAL_CLASSES


def node_proof_bytes(chain_digest: bytes, key: bytes, transport_key: bytes) -> bytes:
    """Return what a validator key signs to bind its transport key (consensus V5a)."""
    return encode(["wijk.node.1", chain_digest, key, transport_key])


def ready_proof_bytes(
    chain_digest: bytes, key: bytes, transport_key: bytes, block_id: bytes, height: int
) -> bytes:
    """Return what a node signs to report that it is in sync (interfaces 4, consensus V5b)."""
    return encode(["wijk.ready.1", chain_digest, key, transport_key, block_id, height])


def found(ctx: Context, call: Found) -> None:
    """economy E36. Refuses unknown-id, text, exists, bad-code, bad-currency, no-proof, holders,
    set-change (a hundred wijken is all that one chain takes).

    The validator key is recorded in the role VALIDATOR. It joins no set here: that is a change
    under consensus V3 to V5, asked with `register_role` once the node is in sync.
    """
    require(ISSUERS.get(ctx.state, call.issuer) is not None, Code.TX_UNKNOWN_ID)
    texts = is_name(call.name) and is_name(call.plural) and is_symbol(call.symbol)
    require(texts, Code.TX_TEXT)
    board = account_id(call.founder_keys[0].key)
    registrar = account_id(call.registrar_keys[0].key)
    known = FEDERATION_WIJKEN.get(ctx.state) or ()
    taken = WIJKEN.get(ctx.state, call.wijk_id) is not None
    taken = taken or any(ACCOUNTS.get(ctx.state, name) is not None for name in (board, registrar))
    taken = taken or call.validator in _get_node_keys(ctx, known)
    require(not taken, Code.WIJK_EXISTS)
    place = is_slug(call.wijk_id) and is_area(call.place) and call.year in CBS_YEARS
    require(place, Code.WIJK_BAD_CODE)
    require(call.currency in CURRENCIES, Code.WIJK_BAD_CURRENCY)
    _check_keys(ctx, call, board)
    _check_founders(call)
    require(len(known) < VALIDATORS_MAX, Code.WIJK_SET_CHANGE)

    wijk = Wijk(
        call.place,
        call.year,
        call.currency,
        board,
        call.issuer,
        call.statutes,
        ACTIVE,
        ctx.height,
    )
    WIJKEN.put(ctx.state, wijk, call.wijk_id)
    FEDERATION_WIJKEN.put(ctx.state, tuple(sorted((*known, call.wijk_id))))
    SUPPLY.put(ctx.state, Supply(0, 0, 0, 0, 0, 0, 0, 0), wijk.denom(call.wijk_id))
    for name, value in (
        ("coin.name", call.name),
        ("coin.plural", call.plural),
        ("coin.symbol", call.symbol),
    ):
        version = (ctx.clock.epoch, msgspec.Raw(encode(value)))
        PARAMS.put(ctx.state, (version,), call.wijk_id, name)
    _put_shared(ctx, call.wijk_id, BOARD, board, call.founder_keys, call.threshold)
    _put_shared(ctx, call.wijk_id, ROLE, registrar, call.registrar_keys, PERSONS_MIN)
    until_s = ctx.time_s + SEAT_TERM_S
    for number, founder in enumerate(call.founder_keys, start=1):
        seat = Seat(founder.key, founder.holder, ctx.time_s, until_s, ACTIVE)
        SEATS.put(ctx.state, seat, call.wijk_id, number)
    for role, account, node in (
        (TREASURY, board, None),
        (REGISTRY, registrar, None),
        (VALIDATOR, board, (call.validator, None)),
    ):
        held = RoleVersion(ctx.clock.epoch, account, NO_END_S, node)
        ROLES.put(ctx.state, (held,), call.wijk_id, role)
    ctx.emit("wijk.WijkFounded", call.wijk_id, wijk.denom(call.wijk_id), board, registrar)


def _get_node_keys(ctx: Context, wijken: tuple[str, ...]) -> list[bytes]:
    """Return all keys that nodes have or will have: those of Set(h+2) and of the roles."""
    keys: list[bytes | None] = []
    for member in get_members(ctx.state, SET_NEXT):
        keys += [member.key, member.transport_key]
    for wijk in wijken:
        for version in ROLES.get(ctx.state, wijk, VALIDATOR) or ():
            keys += version.node or ()
    return [key for key in keys if key is not None]


def _check_keys(ctx: Context, call: Found, board: bytes) -> None:
    """Refuse keys nobody can use, and a validator key that did not sign, with no-proof."""
    usable = all(is_valid_key(held.key) for held in (*call.founder_keys, *call.registrar_keys))
    message = key_proof_bytes(ctx.chain.digest, board, call.validator)
    proven = is_valid_key(call.validator) and verify(call.validator, message, call.proof)
    require(usable and proven, Code.WIJK_NO_PROOF)


def _check_founders(call: Found) -> None:
    """economy B5, C3: different keys and holders, a treasury of two, registrars on and off."""
    keys = [held.key for held in (*call.founder_keys, *call.registrar_keys)] + [call.validator]
    founders = {held.holder for held in call.founder_keys}
    registrars = {held.holder for held in call.registrar_keys}
    own = len(set(keys)) == len(keys) and len(founders) == len(call.founder_keys)
    require(own and len(registrars) == len(call.registrar_keys), Code.WIJK_HOLDERS)
    require(PERSONS_MIN <= call.threshold <= len(founders), Code.WIJK_HOLDERS)
    mixed = bool(founders & registrars) and bool(registrars - founders)
    require(mixed, Code.WIJK_HOLDERS)


def _put_shared(
    ctx: Context, wijk: str, kind: str, account: bytes, keys: tuple[HeldKey, ...], threshold: int
) -> None:
    held = tuple(
        AccountKey(index, founder.key, founder.holder, ctx.height)
        for index, founder in enumerate(keys)
    )
    ACCOUNTS.put(ctx.state, AccountRecord(kind, wijk, ACTIVE, threshold, held, ()), account)


def set_param(ctx: Context, call: SetParam) -> None:
    """economy B13. Refuses text, unknown, bounds, too-soon, no-decision.

    The newest word wins: what was decided earlier for the same epoch or a later one is dropped.
    """
    of_issuer = get_issuer_field(call.name) is not None
    federal = call.name in FEDERAL or of_issuer
    require(federal or call.name in WIJK, Code.WIJK_UNKNOWN, name=call.name)
    value = _read_value(call)
    if of_issuer:
        fits_in = is_within(call.name, value, ctx.chain.purpose)
        require(fits_in, Code.WIJK_BOUNDS, name=call.name)
        check_issuer(ctx, call.name, value, call.from_epoch)
    elif federal:
        _check_federal(ctx, call.name, value)
    else:
        kind = WIJK[call.name].kind
        text = isinstance(value, bytes) if kind == "digest" else fits(kind, str(value))
        require(text, Code.TX_TEXT)
    soonest = ctx.clock.epoch + EPOCHS_AHEAD
    require(call.from_epoch >= soonest, Code.WIJK_TOO_SOON, from_epoch=soonest)
    # A wijk decides by vote on what is its own, the federation on what is common.
    require(ctx.fed if federal else ctx.decision is not None, Code.WIJK_NO_DECISION)

    if of_issuer:
        plan_issuer(ctx, call.name, value, call.from_epoch)
    owner = FEDERATION if federal else ctx.wijk_id
    versions = PARAMS.get(ctx.state, owner, call.name) or ()
    kept = tuple(version for version in versions if version[0] < call.from_epoch)
    if call.name == "upgrade":  # it is the height that counts: what was begun stays, a plan goes
        kept = tuple(old for old in versions if _read_upgrade(old[1])[1] <= ctx.height)
    raw = bytes(call.value)
    PARAMS.put(ctx.state, (*kept, (call.from_epoch, msgspec.Raw(raw))), owner, call.name)
    ctx.emit("wijk.ParamSet", owner, call.name, call.from_epoch, raw)


def _read_value(call: SetParam) -> Value:
    try:
        return decode_value(call.name, bytes(call.value))
    except Malformed:
        raise Reject(Code.WIJK_BOUNDS, name=call.name) from None


def _check_federal(ctx: Context, name: str, value: Value) -> None:
    """Refuse with bounds what is out of them, or what genesis fixed for ever.

    A reserve is pledged once, and to a wijk that exists (economy C5).
    """
    spec = FEDERAL[name]
    if isinstance(spec, Number):
        fits_in = not spec.fixed and is_within(name, value, ctx.chain.purpose)
        require(fits_in, Code.WIJK_BOUNDS, name=name, low=spec.low, high=spec.high)
        return
    require(is_within(name, value, ctx.chain.purpose), Code.WIJK_BOUNDS, name=name)
    assert isinstance(value, tuple), "a table is a tuple of rows"
    if isinstance(spec, Upgrade):
        _check_upgrade(ctx, value)
        return
    firsts = [row[0] for row in value]
    require(len(set(firsts)) == len(firsts), Code.WIJK_BOUNDS, name=name)
    if name == "reserves":
        for _, wijk in value:
            known = WIJKEN.get(ctx.state, wijk) is not None
            require(known, Code.WIJK_UNKNOWN, name=str(wijk))


def _read_upgrade(raw: msgspec.Raw) -> tuple[int, int]:
    """Return the protocol version and the first height of a version of `upgrade`."""
    version, height = decode(tuple[Uint, Uint], bytes(raw))
    return version, height


def _check_upgrade(ctx: Context, value: tuple[Any, ...]) -> None:
    """consensus V8: never back, and so far ahead that everybody can mend their node.

    To name the version that is in force calls a planned upgrade off.
    """
    version, height = value
    soonest = ctx.height + ctx.clock.number("upgrade_blocks")
    fits_in = version >= get_version(ctx.state, ctx.height) and height >= soonest
    require(fits_in, Code.WIJK_BOUNDS, name="upgrade", low=soonest)


def register_role(ctx: Context, call: RegisterRole) -> None:
    """economy B5, E38. Refuses unknown-account, holders, no-proof, set-change, expired.

    Roles change at the border of an epoch, so one asked for sooner begins at the next border.
    A VALIDATOR with another `node` plans a change of the validator set for that border.
    """
    account = get_account(ctx, call.account)
    federal = call.role in FEDERATION_ROLES
    # A role of a wijk is for its own accounts: they act in the wijk they belong to (section 4).
    require(federal or account.wijk == ctx.wijk_id, Code.TX_UNKNOWN_ACCOUNT)
    _check_two_persons(ctx, account, call.role)
    owner = FEDERATION if federal else ctx.wijk_id
    versions = ROLES.get(ctx.state, owner, call.role) or ()
    from_epoch = max(call.from_epoch, ctx.clock.epoch + 1)
    node = _get_node(ctx, call, versions, from_epoch)
    starts_s = max(ctx.time_s, from_epoch * ctx.clock.epoch_s)
    require(starts_s < call.until, Code.WIJK_EXPIRED, until_at=call.until)

    kept = tuple(version for version in versions if version.from_epoch < from_epoch)
    version = RoleVersion(from_epoch, call.account, call.until, node)
    ROLES.put(ctx.state, (*kept, version), owner, call.role)
    if call.node is not None:
        lift(ctx.state, call.node.validator, ctx.height)  # consensus E4: it shall vote again
    ctx.emit("wijk.RoleSet", owner, call.role, call.account, from_epoch, call.until)


def _check_two_persons(ctx: Context, account: AccountRecord, role: str) -> None:
    """Refuse with holders a treasury or registry that one person could keep (economy C3, B5)."""
    if role in (TREASURY, REGISTRY):
        board = {seat.holder for seat in get_sitting(ctx.state, ctx.wijk_id, ctx.time_s)}
        require(can_keep(account, role, board), Code.WIJK_HOLDERS)


def _get_node(
    ctx: Context, call: RegisterRole, versions: tuple[RoleVersion, ...], from_epoch: int
) -> tuple[bytes, bytes | None] | None:
    """Return the node keys of this version of a role; only VALIDATOR has any (consensus V5a).

    Without `node` a new operator or term keeps the node. A node of this wijk that is in Set(h+2)
    as it stands changes no set; any other takes the place of the wijk's node there.
    """
    if call.node is None:
        return versions[-1].node if versions else None
    node = call.node
    usable = is_valid_key(node.validator) and is_valid_key(node.transport)
    message = node_proof_bytes(ctx.chain.digest, node.validator, node.transport)
    proven = usable and verify(node.validator, message, node.proof)
    require(proven and call.role == VALIDATOR, Code.WIJK_NO_PROOF)
    members = get_members(ctx.state, SET_NEXT)
    own = [member for member in members if member.wijk == ctx.wijk_id]
    if (node.validator, node.transport) not in [(one.key, one.transport_key) for one in own]:
        known = versions[-1].node if versions else None
        old = [member for member in own if known is not None and member.key == known[0]]
        _check_newcomer(ctx, node, old)
        rest = tuple(member for member in members if member not in old)
        name = old[0].name if old else choose_name(rest, ctx.wijk_id)
        new = SetMember(node.validator, node.transport, name, ctx.wijk_id)
        change = SetChange(from_epoch, tuple(member.key for member in old), (new,), None)
        _plan(ctx, change)
        READY.delete(ctx.state, node.validator)
    return node.validator, node.transport


def _check_newcomer(ctx: Context, node: NodeKeys, old: list[SetMember]) -> None:
    """consensus V3, V5b: keys that nobody else has, of a node that said lately it is in sync.

    A node that only changes its transport key was in sync all the time.
    """
    others = [wijk for wijk in FEDERATION_WIJKEN.get(ctx.state) or () if wijk != ctx.wijk_id]
    taken = set(_get_node_keys(ctx, tuple(others)))
    taken -= {key for member in old for key in (member.key, member.transport_key)}
    named = (node.validator, node.transport)
    is_new = not any(
        key in taken or ACCOUNTS.get(ctx.state, account_id(key)) is not None for key in named
    )
    require(is_new, Code.WIJK_SET_CHANGE, cause="duplicate")
    if node.validator in [member.key for member in old]:
        return
    ready = READY.get(ctx.state, node.validator)
    is_ready = (
        ready is not None
        and ready.transport_key == node.transport
        and ctx.time_s - ready.time_s <= READY_S
    )
    require(is_ready, Code.WIJK_SET_CHANGE, cause="not-ready")


def _plan(ctx: Context, change: SetChange) -> None:
    """Plan a change of the validator set, or refuse it with set-change (consensus V3, V4).

    It may not be far off, because no other is planned meanwhile.
    """
    members = get_members(ctx.state, SET_NEXT)
    far = change.from_epoch > ctx.clock.epoch + EPOCHS_AHEAD
    cause = (
        "pending"
        if is_under_way(ctx.state)
        else "far"
        if far
        else find_fault(members, change.leave, change.join)
    )
    require(cause is None, Code.WIJK_SET_CHANGE, cause=str(cause), n=len(members))
    PLANNED.put(ctx.state, change)
    before, after = len(members), len(members) - len(change.leave) + len(change.join)
    ctx.emit(
        "wijk.SetPlanned",
        ctx.wijk_id if change.removed is None else change.removed,
        change.from_epoch,
        before,
        quorum(before),
        after,
        quorum(after),
    )


def ready(ctx: Context, call: Ready) -> None:
    """consensus V5b, economy E40. Refuses no-proof, not-recent. The newest report counts."""
    usable = is_valid_key(call.validator) and is_valid_key(call.transport)
    message = ready_proof_bytes(
        ctx.chain.digest, call.validator, call.transport, call.block_id, call.height
    )
    proven = usable and verify(call.validator, message, call.proof)
    require(proven, Code.WIJK_NO_PROOF)
    require(is_recent(ctx.state, call.height, call.block_id), Code.WIJK_NOT_RECENT)

    report = NodeReady(call.transport, call.height, ctx.time_s, ctx.sender)
    READY.put(ctx.state, report, call.validator)
    ctx.emit("wijk.ReadyNoted", call.validator, call.transport, call.height)


def remove(ctx: Context, call: Remove) -> None:
    """economy E36, E40. Refuses unknown, done, set-change.

    From the border on the wijk votes on nothing and only redeems and settles; a wijk that is the
    last one stays, since nobody would be left to decide.
    """
    wijk = WIJKEN.get(ctx.state, call.wijk_id)
    if wijk is None:
        raise Reject(Code.WIJK_UNKNOWN, name=call.wijk_id)
    planned = PLANNED.get(ctx.state)
    going = planned is not None and planned.removed == call.wijk_id
    require(wijk.status == ACTIVE and not going, Code.WIJK_DONE)
    require(len(_get_active(ctx)) > 1, Code.WIJK_SET_CHANGE, cause="last")
    from_epoch = max(call.from_epoch, ctx.clock.epoch + 1)
    members = get_members(ctx.state, SET_NEXT)
    leave = tuple(member.key for member in members if member.wijk == call.wijk_id)
    _plan(ctx, SetChange(from_epoch, leave, (), call.wijk_id))
    ctx.emit("wijk.WijkRemoved", call.wijk_id, from_epoch)


def fed_propose(ctx: Context, call: FedPropose) -> None:
    """economy E36. Refuses malformed, role, nested, not-federal."""
    inner = ctx.chain.table.decode_inner(call.call)
    _check_seat(ctx)
    require(not isinstance(inner, FedPropose | FedEndorse), Code.WIJK_NESTED)
    require(_is_federal(ctx, inner), Code.WIJK_NOT_FEDERAL)

    matter = ctx.new_id()
    expires = ctx.time_s + FED_LIFE_S
    record = FedMatter(call.call, ctx.sender, expires, (), (), OPEN, 0)
    FED_MATTERS.put(ctx.state, record, matter)
    ctx.emit("wijk.FedProposed", matter, ctx.wijk_id, expires)


def _is_federal(ctx: Context, inner: Any) -> bool:
    if isinstance(inner, SetParam):
        return inner.name in FEDERAL or get_issuer_field(inner.name) is not None
    return Word.FED in ctx.chain.table.words(inner)


def _check_seat(ctx: Context) -> None:
    """Refuse the board of a wijk that no longer takes part with role."""
    require(ctx.wijk.status == ACTIVE, Code.TX_ROLE, role=Word.FED.value)


def fed_endorse(ctx: Context, call: FedEndorse) -> None:
    """economy E36. Refuses unknown-id, role, done, expired, already-voted.

    The number needed and the votes that count are those of the wijken that take part now.
    """
    record = FED_MATTERS.get(ctx.state, call.id)
    if record is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=call.id.hex())
    _check_seat(ctx)
    require(record.status == OPEN, Code.WIJK_DONE)
    require(ctx.time_s < record.expires, Code.WIJK_EXPIRED, until_at=record.expires)
    require(ctx.wijk_id not in (*record.yes, *record.no), Code.WIJK_ALREADY_VOTED)

    yes = (*record.yes, ctx.wijk_id) if call.yes else record.yes
    no = record.no if call.yes else (*record.no, ctx.wijk_id)
    record = msgspec.structs.replace(record, yes=yes, no=no)
    wijken = _get_active(ctx)
    need = quorum(len(wijken))
    in_favour = sum(wijk in yes for wijk in wijken)
    against = sum(wijk in no for wijk in wijken)
    ctx.emit("wijk.FedEndorsed", call.id, ctx.wijk_id, call.yes, in_favour, need)
    if in_favour >= need:
        _execute(ctx, call.id, record)
    elif len(wijken) - against < need:
        rejected = msgspec.structs.replace(record, call=b"", status=REJECTED)
        FED_MATTERS.put(ctx.state, rejected, call.id)
        ctx.emit("wijk.FedRejected", call.id)
    else:
        FED_MATTERS.put(ctx.state, record, call.id)


def _get_active(ctx: Context) -> list[str]:
    """Return the wijken that take part: W of economy B5 counts those that were not removed."""
    active = []
    for wijk in FEDERATION_WIJKEN.get(ctx.state) or ():
        record = WIJKEN.get(ctx.state, wijk)
        if record is not None and record.status == ACTIVE:
            active.append(wijk)
    return active


def _execute(ctx: Context, matter: bytes, record: FedMatter) -> None:
    """Run the call of a matter once, as if the board sent it that proposed it.

    A refusal writes nothing and closes the matter with its code, as for B6.
    """
    closed = msgspec.structs.replace(record, call=b"", status=EXECUTED)
    FED_MATTERS.put(ctx.state, closed, matter)
    refusal = ctx.run(record.call, record.board, (), fed=True)
    code = 0 if refusal is None else refusal.code.number
    if refusal is not None:
        closed = msgspec.structs.replace(closed, status=REFUSED, code=code)
        FED_MATTERS.put(ctx.state, closed, matter)
    ctx.emit("wijk.FedExecuted", matter, code)


CONTRACT = Contract(
    "wijk",
    calls=(
        Call(Found, (Word.FED,), found),
        Call(SetParam, (Word.EFFECT, Word.FED), set_param, classes=get_param_classes),
        Call(
            RegisterRole,
            (Word.BOARD, Word.BOARD23, Word.EFFECT, Word.FED),
            register_role,
            narrow=get_role_words,
        ),
        Call(Ready, (Word.ANY,), ready, caretaker=True),
        Call(Remove, (Word.FED,), remove),
        Call(FedPropose, (Word.BOARD, Word.EFFECT), fed_propose, winds_up=True),
        Call(
            FedEndorse,
            (Word.BOARD, Word.EFFECT),
            fed_endorse,
            winds_up=True,
            about=lambda call: call.id,
        ),
    ),
    at_start=enact_issuers,
)
