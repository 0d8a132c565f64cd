"""Genesis: a document that people sign off, and the first state that follows (interfaces 3.6).

The chain digest is the SHA-256 of the document's canonical JSON, so any spacing of the same
content gives the same chain. What is refused names the place.
"""

from typing import Annotated, Any

import msgspec

from chain import log, tree
from chain.address import account_id, parse_account
from chain.books import BANK, EXEMPT_150, MODES, get_class
from chain.codec import digest, encode
from chain.contract import Chain, Table, can_keep
from chain.crypto import is_valid_key, sha256, verify
from chain.dates import DAY_S, is_date, to_days
from chain.errors import Malformed
from chain.execute import Base
from chain.issuers import EXEMPT_TOTAL_CENTS, EXEMPT_WALLET_CENTS
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    BALANCES,
    BOARD,
    CAPS,
    DECISIONS,
    FEDERATION_WIJKEN,
    ISSUERS,
    KINDS,
    LEADERS,
    MEMBER_KINDS,
    MEMBERS,
    NO_END_S,
    NO_LIMIT,
    PACTS,
    PARAMS,
    PERSON,
    REGISTRY,
    RESERVES,
    ROLE,
    ROLES,
    SEATS,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    STATEMENTS,
    SUPPLY,
    TREASURY,
    VALIDATOR,
    VALIDATOR_SETS,
    WIJKEN,
    AccountKey,
    AccountRecord,
    Decision,
    Issuer,
    Member,
    Pact,
    Reserve,
    RoleVersion,
    Seat,
    SetMember,
    Statement,
    Supply,
    Wijk,
)
from chain.leaders import start_leaders
from chain.params import FEDERAL, FEDERATION, WIJK, Number, compute_default, is_within
from chain.records import Posting
from chain.state import State
from chain.strict_json import canonical_json, parse_tree
from chain.text_rules import fits
from chain.validators import VALIDATORS_MAX
from chain.voters import set_voters
from chain.window import Window

GENESIS_BYTES_MAX = 16 * 1024 * 1024  # 10,000 accounts take about 4 MiB
BALANCE_MAX = 2**53 - 1
VALIDATORS_LIVE_MIN = 4  # consensus Q5
LAST_CLOCK = (23, 59, 59)
_KIND_OF_WORD = {kind.lower(): kind for kind in KINDS}
FAR_CENTS = 10**13  # economy B8

Slug = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,31}\Z")]
ChainId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{2,31}\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex64 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{128}\Z")]
Cents = Annotated[int, msgspec.Meta(ge=0, le=FAR_CENTS)]
# Shown to people, so nothing that hides or turns what stands beside it: no control characters,
# marks of writing direction, or characters without width (reliability W13).
_HIDDEN = r"\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=rf"\A[^{_HIDDEN}]*\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]


class _Doc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the parts of a genesis document: JSON objects with exactly these fields."""


class CoinDoc(_Doc, frozen=True):
    """The coin of a wijk: its denomination and its brand."""

    denom: Text
    name: Text
    plural: Text
    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=4)]


class WijkDoc(_Doc, frozen=True):
    """A wijk that takes part from the start."""

    slug: Slug
    name: Text
    cbs_code: Annotated[str, msgspec.Meta(pattern=r"\AWK[0-9]{4}[0-9A-Z]{2}\Z")]
    cbs_year: Annotated[int, msgspec.Meta(ge=1990, le=9999)]
    coin: CoinDoc
    issuer: Text
    board: Text
    treasury: Text
    registrar: Text
    budget_cents: Cents


class IssuerDoc(_Doc, frozen=True):
    """Who issues, and under which mode and caps (economy C7)."""

    code: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9_-]{1,24}\Z")]
    mode: Text
    wallet_cap_cents: Cents | None
    total_cap_cents: Cents | None


class ValidatorDoc(_Doc, frozen=True):
    """A validator of Set(1); `proof` shows possession and binds the transport key."""

    name: Slug
    wijk: Slug
    public_key: Hex32
    transport_key: Hex32
    address: Text
    proof: Hex64


class KeyDoc(_Doc, frozen=True):
    """A key of an account and the holder who keeps it."""

    key: Hex32
    holder: Hex32


class AccountDoc(_Doc, frozen=True):
    """An account that exists from the start."""

    id: Text
    wijk: Slug
    kind: Text
    threshold: Annotated[int, msgspec.Meta(ge=1, le=16)]
    keys: Annotated[list[KeyDoc], msgspec.Meta(min_length=1, max_length=16)]
    flags: list[str]
    limit_cents: Cents | None
    balance_cents: Cents


class OpeningDoc(_Doc, frozen=True):
    """The bank statement that backs the opening balances of a wijk."""

    wijk: Slug
    reserve: Hex32
    statement_sha256: Hex32
    closing_on: Day
    closing_cents: Cents


class PactDoc(_Doc, frozen=True):
    """A pact between two wijken: caps_cents[i] is what wijken[i] accepts of the other's coin."""

    wijken: Annotated[list[Slug], msgspec.Meta(min_length=2, max_length=2)]
    mode: Text
    caps_cents: Annotated[list[Cents], msgspec.Meta(min_length=2, max_length=2)]


class GenesisDoc(_Doc, frozen=True):
    """The whole document."""

    format: Annotated[str, msgspec.Meta(pattern=r"\Awijk/genesis/1\Z")]
    chain_id: ChainId
    purpose: Annotated[str, msgspec.Meta(pattern=r"\A(test|demo|live)\Z")]
    genesis_time: Annotated[
        str,
        msgspec.Meta(
            pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z"
        ),
    ]
    federation: Text
    params: dict[str, Any]
    issuers: list[IssuerDoc]
    wijken: Annotated[list[WijkDoc], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]
    validators: Annotated[list[ValidatorDoc], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]
    accounts: list[AccountDoc]
    opening_statements: list[OpeningDoc]
    pacts: list[PactDoc]


class Genesis(msgspec.Struct, frozen=True):
    """A checked document with what follows from it: the digest and the state after height 0."""

    doc: GenesisDoc
    canonical: bytes
    digest: bytes
    time_ms: int
    state: dict[bytes, bytes]
    postings: tuple[Posting, ...]

    def chain(self, table: Table) -> Chain:
        """Return what never changes about the chain."""
        return Chain(self.doc.chain_id, self.digest, self.doc.purpose, table)


def load_genesis(data: bytes) -> Genesis:
    """Return the genesis in `data`, or raise `Malformed` naming the place that is wrong."""
    _check(len(data) <= GENESIS_BYTES_MAX, f"genesis above {GENESIS_BYTES_MAX} bytes")
    document = parse_tree(data)
    try:
        doc = msgspec.convert(document, GenesisDoc, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(f"genesis: {error}") from error
    canonical = canonical_json(document)
    try:
        time_ms = parse_time_ms(doc.genesis_time)
    except Malformed as error:
        raise Malformed(f"genesis_time: {error}") from error
    _check_validators(doc)
    state = State(lambda _key: None)
    postings: list[Posting] = []
    _put_params(state, doc)
    _put_issuers(state, doc)
    _put_wijken(state, doc)
    _put_accounts(state, doc)
    _put_boards(state, doc)
    _put_money(state, doc, postings)
    _put_pacts(state, doc)
    _put_sets(state, doc)
    first = {key: value for key, value in state.changes().items() if value is not None}
    return Genesis(doc, canonical, sha256(canonical), time_ms, first, tuple(postings))


def make_base(genesis: Genesis, read_node: tree.GetNode) -> Base:
    """Return the base that block 1 stands on, held in memory: height 0, no transactions.

    `read_node` reads the tree of the genesis state (`tree.build`), which whoever goes on keeps.

    `parent_id` of block 1 is the genesis digest and the parent time genesis time (consensus M7).
    """
    horizon = genesis.doc.params.get("max_validity_s", compute_default("max_validity_s", "live"))
    assert isinstance(horizon, int)
    return Base(
        height=0,
        block_id=genesis.digest,
        time_ms=genesis.time_ms,
        read=genesis.state.get,
        read_node=read_node,
        frontier=log.EMPTY_FRONTIER,
        window=Window(horizon),
    )


def possession_bytes(chain_id: str, key: bytes, transport_key: bytes) -> bytes:
    """Return what a validator of genesis signs: possession and binding in one (interfaces 3.6)."""
    return b"wijkchain/possess\x00" + chain_id.encode() + b"\x00" + key + transport_key


def founding_decision_id(chain_id: str, slug: str) -> bytes:
    """Return the id of the founding decision of a wijk: the basis of its fund (interfaces 3.6)."""
    return digest(["wijk.founding.1", chain_id, slug])


def parse_time_ms(text: str) -> int:
    """Return Unix ms of RFC 3339 UTC text with milliseconds, or raise `Malformed`."""
    date = int(text[0:4] + text[5:7] + text[8:10])
    clock = (int(text[11:13]), int(text[14:16]), int(text[17:19]))
    exists = is_date(date) and clock <= LAST_CLOCK and max(clock[1:]) <= LAST_CLOCK[1]
    _check(exists, f"{text} is not a time")
    seconds = (clock[0] * 60 + clock[1]) * 60 + clock[2]
    return (to_days(date) * DAY_S + seconds) * 1000 + int(text[20:23])


def _check(condition: bool, text: str) -> None:
    if not condition:
        raise Malformed(text)


def _check_validators(doc: GenesisDoc) -> None:
    _check(
        doc.purpose != "live" or len(doc.validators) >= VALIDATORS_LIVE_MIN,
        "validators: a live chain needs at least 4",
    )
    slugs = [wijk.slug for wijk in doc.wijken]
    names, keys = [], []
    held = {key.key for account in doc.accounts for key in account.keys}
    for place, validator in enumerate(doc.validators):
        where = f"validators[{place}] ({validator.name})"
        key, transport = bytes.fromhex(validator.public_key), bytes.fromhex(validator.transport_key)
        _check(validator.wijk in slugs, f"{where}: no wijk {validator.wijk}")
        _check(is_valid_key(key) and is_valid_key(transport), f"{where}: key not usable")
        proof = bytes.fromhex(validator.proof)
        _check(
            verify(key, possession_bytes(doc.chain_id, key, transport), proof),
            f"{where}: proof of possession does not verify",
        )
        _check(
            validator.public_key not in held and validator.transport_key not in held,
            f"{where}: a key of an account, which is another key (interfaces 4)",
        )
        names.append(validator.name)
        keys += [key, transport]
    _check(len(names) == len(set(names)), "validators: two of one name")
    _check(len(keys) == len(set(keys)), "validators: a key stands twice")


def _put_params(state: State, doc: GenesisDoc) -> None:
    for name in sorted(doc.params):
        value = doc.params[name]
        spec = FEDERAL.get(name)
        _check(spec is not None, f"params.{name[:64]}: no document names this parameter")
        if not isinstance(spec, Number):
            value = _to_table(value)
        within = is_within(name, value, doc.purpose)
        _check(within, f"params.{name}: {str(value)[:64]} is out of bounds")
        if name != "reserves":
            PARAMS.put(state, ((0, msgspec.Raw(encode(value))),), FEDERATION, name)
    _check("reserves" not in doc.params, "params.reserves: follows from opening_statements")
    _check("upgrade" not in doc.params, "params.upgrade: decided by the wijken, never by genesis")


def _to_table(value: Any) -> Any:
    return (
        tuple(tuple(row) if isinstance(row, list) else row for row in value)
        if isinstance(value, list)
        else value
    )


def _put_issuers(state: State, doc: GenesisDoc) -> None:
    for place, issuer in enumerate(doc.issuers):
        _check(issuer.mode in MODES, f"issuers[{place}]: no mode {issuer.mode}")
        _check(ISSUERS.get(state, issuer.code) is None, f"issuers[{place}]: {issuer.code} twice")
        wallet_cap, total_cap = issuer.wallet_cap_cents, issuer.total_cap_cents
        if issuer.mode == EXEMPT_150:  # the law's own caps hold where the document names none
            wallet_cap = EXEMPT_WALLET_CENTS if wallet_cap is None else wallet_cap
            total_cap = EXEMPT_TOTAL_CENTS if total_cap is None else total_cap
            _check(
                wallet_cap <= EXEMPT_WALLET_CENTS and total_cap <= EXEMPT_TOTAL_CENTS,
                f"issuers[{place}] ({issuer.code}): caps above those of EXEMPT_150 (economy C7)",
            )
        ISSUERS.put(state, Issuer(issuer.mode, wallet_cap, total_cap, 0), issuer.code)


def _put_wijken(state: State, doc: GenesisDoc) -> None:
    for place, wijk in enumerate(doc.wijken):
        where = f"wijken[{place}] ({wijk.slug})"
        slug, _, currency = wijk.coin.denom.partition(":")
        _check(slug == wijk.slug and currency == "EUR", f"{where}: denom is {wijk.slug}:EUR")
        _check(ISSUERS.get(state, wijk.issuer) is not None, f"{where}: no issuer {wijk.issuer}")
        _check(WIJKEN.get(state, wijk.slug) is None, f"{where}: slug twice")
        board = _account(wijk.board, where)
        record = Wijk(
            wijk.cbs_code, wijk.cbs_year, currency, board, wijk.issuer, bytes(32), ACTIVE, 0
        )
        WIJKEN.put(state, record, wijk.slug)
        for name, value in (
            ("coin.name", wijk.coin.name),
            ("coin.plural", wijk.coin.plural),
            ("coin.symbol", wijk.coin.symbol),
        ):
            _check(fits(WIJK[name].kind, value), f"{where}: {name} is no text of economy B12")
            PARAMS.put(state, ((0, msgspec.Raw(encode(value))),), wijk.slug, name)
        decision = Decision(
            wijk.slug,
            0,
            "BUDGET",
            (),
            digest([]),
            bytes(32),
            (0, 0),
            (0, 0, 0),
            wijk.budget_cents,
            "EXECUTED",
        )
        DECISIONS.put(state, decision, founding_decision_id(doc.chain_id, wijk.slug))
    FEDERATION_WIJKEN.put(state, tuple(sorted(wijk.slug for wijk in doc.wijken)))


def _account(text: str, where: str) -> bytes:
    try:
        return parse_account(text)
    except Malformed as error:
        raise Malformed(f"{where}: {text[:64]}: {error}") from error


def _put_accounts(state: State, doc: GenesisDoc) -> None:
    seen: dict[str, int] = {}
    for place, account in enumerate(doc.accounts):
        where = f"accounts[{place}]"
        keys = [bytes.fromhex(key.key) for key in account.keys]
        for key in account.keys:
            _check(is_valid_key(bytes.fromhex(key.key)), f"{where}: key {key.key[:16]} not usable")
            _check(key.key not in seen, f"{where}: key of accounts[{seen.get(key.key)}]")
            seen[key.key] = place
        kind = _KIND_OF_WORD.get(account.kind, "")
        _check(kind != "", f"{where}: no kind {account.kind}")
        name = _account(account.id, where)
        _check(name == account_id(keys[0]), f"{where}: id does not match the first key")
        _check(ACCOUNTS.get(state, name) is None, f"{where}: account twice")
        _check(WIJKEN.get(state, account.wijk) is not None, f"{where}: no wijk {account.wijk}")
        holders = {key.holder for key in account.keys}  # one holder counts once (economy B4)
        _check(account.threshold <= len(holders), f"{where}: threshold above the number of holders")
        held = tuple(
            AccountKey(index, key, bytes.fromhex(doc_key.holder), 0)
            for index, (key, doc_key) in enumerate(zip(keys, account.keys, strict=True))
        )
        record = AccountRecord(kind, account.wijk, ACTIVE, account.threshold, held, ())
        ACCOUNTS.put(state, record, name)
        _check(
            set(account.flags) <= {"VOTE", "STAND"}
            and len(account.flags) == len(set(account.flags)),
            f"{where}: flags",
        )
        _check("VOTE" not in account.flags or kind == PERSON, f"{where}: only a person votes")
        _check(not account.flags or kind in MEMBER_KINDS, f"{where}: flags are for members")
        _put_member(state, doc, account, name, kind, where)
    for wijk in doc.wijken:
        voters = [one for one in doc.accounts if one.wijk == wijk.slug and "VOTE" in one.flags]
        set_voters(state, wijk.slug, 0, len(voters))


def _put_member(
    state: State, doc: GenesisDoc, account: AccountDoc, name: bytes, kind: str, where: str
) -> None:
    """Every account is a wallet but for the fund of the wijk (economy C7, `books.get_limit`)."""
    if kind == BOARD:
        _check(account.limit_cents is None, f"{where}: the fund of a wijk has no limit")
        return
    wijk = next(wijk for wijk in doc.wijken if wijk.slug == account.wijk)
    issuer = ISSUERS.get(state, wijk.issuer)
    assert issuer is not None, "the wijk was checked to name one"
    cap = NO_LIMIT if issuer.wallet_cap is None else issuer.wallet_cap
    without_record = kind == ROLE and account.limit_cents is None
    no_limit = cap if without_record else NO_LIMIT
    limit = no_limit if account.limit_cents is None else account.limit_cents
    _check(limit <= cap, f"{where}: limit above the wallet cap of {wijk.issuer}")
    _check(account.balance_cents <= limit, f"{where}: balance above the limit")
    if without_record:
        return
    membership = int(kind in MEMBER_KINDS)
    flags = tuple(flag for flag in ("VOTE", "STAND") if flag in account.flags)
    area = wijk.cbs_code if membership else None
    MEMBERS.put(state, Member(membership, area, flags, limit, 0, 0, 0, 0, 0, None, None, ()), name)


def _put_boards(state: State, doc: GenesisDoc) -> None:
    for place, wijk in enumerate(doc.wijken):
        where = f"wijken[{place}] ({wijk.slug})"
        board = ACCOUNTS.get(state, _account(wijk.board, where))
        if board is None or board.kind != BOARD or board.wijk != wijk.slug:
            raise Malformed(f"{where}: board is not a board account of this wijk")
        for number, key in enumerate(board.keys, start=1):
            SEATS.put(state, Seat(key.key, key.holder, 0, 0, ACTIVE), wijk.slug, number)
        sitting = {key.holder for key in board.keys}
        for role, text in ((TREASURY, wijk.treasury), (REGISTRY, wijk.registrar)):
            holder_id = _account(text, where)
            account = ACCOUNTS.get(state, holder_id)
            if account is None or account.wijk != wijk.slug:
                raise Malformed(f"{where}: {role.lower()} is not an account of this wijk")
            _check(
                can_keep(account, role, sitting),
                f"{where}: {role.lower()} needs two different holders,"
                " registrars one of the board and one who is not (economy B5)",
            )
            ROLES.put(state, (RoleVersion(0, holder_id, NO_END_S, None),), wijk.slug, role)
    boards = {wijk.board for wijk in doc.wijken}
    for place, entry in enumerate(doc.accounts):
        second = _KIND_OF_WORD[entry.kind] == BOARD and entry.id not in boards
        _check(not second, f"accounts[{place}]: {entry.wijk} has another board (economy section 4)")


def _put_money(state: State, doc: GenesisDoc, postings: list[Posting]) -> None:
    sums = {wijk.slug: 0 for wijk in doc.wijken}
    for account in doc.accounts:
        sums[account.wijk] += account.balance_cents
    opened: dict[str, OpeningDoc] = {}
    reserves = []
    for place, opening in enumerate(doc.opening_statements):
        where = f"opening_statements[{place}] ({opening.wijk})"
        _check(opening.wijk in sums, f"{where}: no such wijk")
        _check(opening.wijk not in opened, f"{where}: a second one for this wijk")
        _check(
            all(other.reserve != opening.reserve for other in opened.values()),
            f"{where}: reserve twice",
        )
        date = int(opening.closing_on.replace("-", ""))
        _check(is_date(date), f"{where}: {opening.closing_on} is not a date")
        opened[opening.wijk] = opening
        reserve = bytes.fromhex(opening.reserve)
        reserves.append((reserve, opening.wijk))
        closing = opening.closing_cents
        STATEMENTS.put(
            state,
            Statement(1, 1, closing, closing, 0, 0, bytes.fromhex(opening.statement_sha256), 0, 0),
            reserve,
            date,
        )
        RESERVES.put(state, Reserve(opening.wijk, date, closing, 0, 0, 0, 0), reserve)
    if reserves:
        rows = msgspec.Raw(encode(sorted(reserves)))
        PARAMS.put(state, ((0, rows),), FEDERATION, "reserves")
    for slug, total in sums.items():
        closing = opened[slug].closing_cents if slug in opened else 0
        _check(
            total == closing,
            f"balances of {slug} sum to {total}, the statement closes at {closing}",
        )
        _check(total <= BALANCE_MAX, f"balances of {slug} are too large")
    _put_balances(state, doc, opened, postings)


def _put_balances(
    state: State, doc: GenesisDoc, opened: dict[str, OpeningDoc], postings: list[Posting]
) -> None:
    denoms = {wijk.slug: wijk.coin.denom for wijk in doc.wijken}
    for account in doc.accounts:
        if account.balance_cents == 0:
            continue
        denom, slug, cents = denoms[account.wijk], account.wijk, account.balance_cents
        name = parse_account(account.id)
        record = ACCOUNTS.get(state, name)
        assert record is not None
        BALANCES.put(state, cents, denom, get_class(record), name)
        leg = len(postings) // 2
        reserve = bytes.fromhex(opened[slug].reserve)
        for klass, owner, side in ((BANK, reserve, "D"), (get_class(record), name, "C")):
            postings.append(
                Posting(leg, slug, denom, klass, owner, side, cents, None, None, None, None)
            )
    for place, wijk in enumerate(doc.wijken):
        closing = opened[wijk.slug].closing_cents if wijk.slug in opened else 0
        if closing == 0:
            continue
        reserve = bytes.fromhex(opened[wijk.slug].reserve)
        BALANCES.put(state, closing, denoms[wijk.slug], BANK, reserve)
        SUPPLY.put(state, Supply(closing, 0, 0, 0, 0, closing, 0, 0), denoms[wijk.slug])
        issuer = ISSUERS.get(state, wijk.issuer)
        assert issuer is not None
        total = issuer.outstanding + closing
        _check(
            issuer.total_cap is None or total <= issuer.total_cap,
            f"wijken[{place}]: balances above the cap of issuer {wijk.issuer}",
        )
        ISSUERS.put(state, msgspec.structs.replace(issuer, outstanding=total), wijk.issuer)


def _put_pacts(state: State, doc: GenesisDoc) -> None:
    issuers = {wijk.slug: wijk.issuer for wijk in doc.wijken}
    for place, pact in enumerate(doc.pacts):
        where = f"pacts[{place}]"
        one, other = pact.wijken
        _check(
            one in issuers and other in issuers and one != other,
            f"{where}: two wijken of this chain",
        )
        _check(pact.mode == "PLEDGED", f"{where}: pacts of genesis are PLEDGED")
        _check(issuers[one] == issuers[other], f"{where}: PLEDGED needs one issuer (economy T2)")
        caps = dict(zip(pact.wijken, pact.caps_cents, strict=True))
        a, b = sorted(pact.wijken)
        _check(PACTS.get(state, a, b) is None, f"{where}: a second pact of {a} and {b}")
        PACTS.put(
            state,
            Pact(pact.mode, (), caps[a], caps[b], 0, 0, NO_END_S, 0, ACTIVE),
            a,
            b,
        )
        for creditor, debtor in ((a, b), (b, a)):
            CAPS.put(state, caps[creditor], creditor, debtor)


def _put_sets(state: State, doc: GenesisDoc) -> None:
    members = tuple(
        sorted(
            (
                SetMember(
                    bytes.fromhex(validator.public_key),
                    bytes.fromhex(validator.transport_key),
                    validator.name,
                    validator.wijk,
                )
                for validator in doc.validators
            ),
            key=lambda member: member.key,
        )
    )
    for which in (SET_LAST, SET_NOW, SET_NEXT):
        VALIDATOR_SETS.put(state, members, which)
    LEADERS.put(state, start_leaders([member.key for member in members]))
    for wijk in doc.wijken:
        nodes = [member for member in members if member.wijk == wijk.slug]
        if nodes:
            board = parse_account(wijk.board)
            node = (nodes[0].key, nodes[0].transport_key)
            ROLES.put(state, (RoleVersion(0, board, NO_END_S, node),), wijk.slug, VALIDATOR)
