"""The state keyspaces that more than one contract reads, with their records (economy section 4).

Only its own contract writes a keyspace; genesis fills the first values. State values are
untagged arrays: the keyspace tells their kind (interfaces 5.5).
"""

import msgspec

from chain.codec import Account, Digest, PublicKey, Record, Uint, decode, digest
from chain.leaders import Leaders
from chain.params import FEDERATION, FIRST_VERSION, Value, decode_value
from chain.records import Tag
from chain.state import Keyspace, State

PERSON = "PERSON"
HOUSEHOLD = "HOUSEHOLD"
BUSINESS = "BUSINESS"
INSTITUTION = "INSTITUTION"
ASSOCIATION = "ASSOCIATION"
BOARD = "BOARD"
ROLE = "ROLE"
TEAM = "TEAM"
MEMBER_KINDS = (PERSON, HOUSEHOLD, BUSINESS, INSTITUTION, ASSOCIATION)
KINDS = (*MEMBER_KINDS, BOARD, ROLE, TEAM)

ACTIVE = "ACTIVE"
SUSPENDED = "SUSPENDED"
RESIGNED, RECALLED, ENDED = "RESIGNED", "RECALLED", "ENDED"  # of a seat
REPLACED = "REPLACED"  # of a seat that ended early, once another stands in its place
LEFT = "LEFT"
REMOVED = "REMOVED"  # a wijk that takes part no longer; its coin is wound up (economy E36)

OPEN, POSTED, VOIDED, EXPIRED = "OPEN", "POSTED", "VOIDED", "EXPIRED"  # of a hold (economy C11)

TREASURY = "TREASURY"
REGISTRY = "REGISTRY"
VALIDATOR = "VALIDATOR"
ARBITER = "ARBITER"
MEASURER = "MEASURER"
MUNICIPALITY = "MUNICIPALITY"
AUDITOR = "AUDITOR"
ISSUER = "ISSUER"
WIJK_ROLES = (TREASURY, REGISTRY, VALIDATOR, ARBITER, MEASURER, MUNICIPALITY)
FEDERATION_ROLES = (AUDITOR, ISSUER)

PREFUNDED, PLEDGED = "PREFUNDED", "PLEDGED"  # modes of a pact (economy T2)

NO_LIMIT = 10**13  # economy section 4: a limit of 10^13 cents means none
NO_END_S = 253_402_300_799  # the last second of the year 9999: a term without end
SEAT_TERM_S = 365 * 86_400  # economy section 4: founders sit at most 365 days

Id = bytes


class AccountKey(Record, frozen=True):
    """One active key of an account; `holder` stands for the person who keeps it (economy B4)."""

    index: Uint
    key: PublicKey
    holder: Digest
    added_height: Uint


class AccountRecord(Record, frozen=True):
    """`account/<account>`: the keys are the active ones only, index ascending."""

    kind: str
    wijk: str
    status: str
    threshold: Uint
    keys: tuple[AccountKey, ...]
    guardians: tuple[PublicKey, ...]

    def key_at(self, index: int) -> AccountKey | None:
        """Return the active key with that index, or None."""
        for key in self.keys:
            if key.index == index:
                return key
        return None


class Member(Record, frozen=True):
    """`member/<account>`: limits and, where `membership` is 1, the membership (economy N10, G4).

    Amounts in cents; `nace` and `out_product` are codes or nil; a place is (code, year, until).
    """

    membership: Uint
    area: str | None
    flags: tuple[str, ...]
    limit: Uint
    auto_redeem: Uint
    vol_hour: Uint
    vol_month: Uint
    vol_year: Uint
    contracted: Uint
    nace: str | None
    out_product: str | None
    places: tuple[tuple[str, Uint, Uint | None], ...]


class Wijk(Record, frozen=True):
    """`wijk/<id>`: attributes fixed at founding. Name and symbol are parameters of the wijk."""

    cbs_code: str
    cbs_year: Uint
    currency: str
    board: Account
    issuer: str
    statutes: Digest
    status: str
    founded_height: Uint

    def denom(self, wijk_id: str) -> str:
        """Return the denomination `<wijk id>:<currency>` (economy B15)."""
        return f"{wijk_id}:{self.currency}"


class RoleVersion(Record, frozen=True):
    """One version of `role/<wijk>/<role>`; `node` is (validator key, transport key) or nil.

    A wijk that was founded later names its transport key only when its node joins.
    """

    from_epoch: Uint
    account: Account
    until: Uint
    node: tuple[PublicKey, PublicKey | None] | None


class Seat(Record, frozen=True):
    """`seat/<wijk>/<n>`: a board seat; it sits while from_s <= block time < until_s.

    `status` is ACTIVE, RESIGNED (it sits until `until_s`), RECALLED, REPLACED once the next on the
    list sits for it (E41), or ENDED once its board has handed over. The seats of a new board get
    the numbers after the last one: old and new ones stand beside each other in the overlap (E39).
    """

    key: PublicKey
    holder: Digest
    from_s: Uint
    until_s: Uint
    status: str


class Trip(Record, frozen=True):
    """`trip/<wijk>/<call>`: the call is refused there until `until_s` (economy E42).

    `by` is who began it: SEAT, AUDITOR, BOARD or VOTE. One that ended stays, for what comes next.
    """

    reason: str
    by: str
    since_s: Uint
    until_s: Uint


class Decision(Record, frozen=True):
    """`decision/<id>`: a vote. `window` is (opens, closes), `tally` is (yes, no, blank)."""

    wijk: str
    number: Uint
    klass: str
    actions: tuple[bytes, ...]
    actions_digest: Digest
    text_digest: Digest
    window: tuple[Uint, Uint]
    tally: tuple[Uint, Uint, Uint]
    cents: Uint
    status: str


class Supply(Record, frozen=True):
    """`supply/<denom>`, in cents; the last four are the sums of classes 3, 1, 6F and 6T."""

    issued: Uint
    redeemed: Uint
    traded_in: Uint
    traded_out: Uint
    pending_out: Uint
    reserve: Uint
    due_from: Uint
    due_to: Uint


class Issuer(Record, frozen=True):
    """`issuer/<code>`: the mode and caps of economy C7, and what is outstanding in cents."""

    mode: str
    wallet_cap: Uint | None
    total_cap: Uint | None
    outstanding: Uint


class Statement(Record, frozen=True):
    """`statement/<reserve>/<date>`: a bank day on chain (economy C5), amounts in cents.

    `pages_done` of `pages` are in; `credits` and `debits` are the sums of the pages so far;
    `id` is the transaction of the newest page. `number` counts what was begun for the reserve:
    a first page sent again starts over under a new number, and the old entries count no more.
    """

    pages: Uint
    pages_done: Uint
    opening: Uint
    closing: Uint
    credits: Uint
    debits: Uint
    id: Digest
    height: Uint
    number: Uint


class Reserve(Record, frozen=True):
    """`reserve/<id>`: the wijk a reserve account is pledged to, and its newest statement.

    `date` and `closing` are of the newest complete statement, `open_date` of one whose pages
    are still coming, or 0. `open_credits`, `open_debits`: cents attested and not yet booked.
    `begun` counts the statements begun, those started over included.
    """

    wijk: str
    date: Uint
    closing: Uint
    open_date: Uint
    open_credits: Uint
    open_debits: Uint
    begun: Uint


class Entry(Record, frozen=True):
    """`entry/<entry id>`: a bank entry of a statement; `used_by` is nil while it is open.

    It is attested once the statement of that reserve, date and `number` has all its pages.
    """

    reserve: Digest
    date: Uint
    cents: Uint
    side: str
    reversal: Uint
    used_by: Digest | None
    number: Uint


class Hold(Record, frozen=True):
    """`hold/<id>`: coin of `payer` set aside for `to` until `expires`, Unix seconds (economy C10).

    In class 5 under its payer while OPEN; `posted` is what the payee took of it, in cents.
    """

    payer: Account
    to: Account
    denom: str
    cents: Uint
    expires: Uint
    link: Digest | None
    tag: Tag | None
    status: str
    posted: Uint


class Pact(Record, frozen=True):
    """`pact/<a>/<b>` with a < b: `cap_a` is what a accepts of b's coin, in cents (economy T3)."""

    mode: str
    scope: tuple[str, ...]
    cap_a: Uint
    cap_b: Uint
    places: Uint
    from_s: Uint
    until_s: Uint
    notice_s: Uint
    status: str


class Owed(Record, frozen=True):
    """`owed/<debtor>/<creditor>`, in cents (economy T4, T5)."""

    open: Uint
    due: Uint
    ordered: Uint


class Freeze(Record, frozen=True):
    """`freeze/<account>`: in force until `until_s`; a release ends it earlier (economy C19).

    `since_s` is the block time at which it began, renewals included; `order` what it rests on.
    """

    until_s: Uint
    reason: str
    since_s: Uint
    order: Digest | None


class SetMember(Record, frozen=True):
    """A validator of a set in state: its keys, name and wijk (consensus V1)."""

    key: PublicKey
    transport_key: PublicKey
    name: str
    wijk: str


ACCOUNTS: Keyspace[AccountRecord] = Keyspace("account", AccountRecord, 1)
NEXT_KEY: Keyspace[int] = Keyspace("keys", Uint, 1)  # next key index, once keys have changed (B4)
# `pastkey/<account>/<index>`: a key that is active no more. Whoever checks an old signature (E29)
# finds it here: an account shows its active keys only.
PAST_KEYS: Keyspace[bytes] = Keyspace("pastkey", PublicKey, 2)
MEMBERS: Keyspace[Member] = Keyspace("member", Member, 1)
WIJKEN: Keyspace[Wijk] = Keyspace("wijk", Wijk, 1)
FEDERATION_WIJKEN: Keyspace[tuple[str, ...]] = Keyspace("wijken", tuple[str, ...], 0)
PARAMS: Keyspace[tuple[tuple[int, msgspec.Raw], ...]] = Keyspace(
    "param", tuple[tuple[Uint, msgspec.Raw], ...], 2
)
ROLES: Keyspace[tuple[RoleVersion, ...]] = Keyspace("role", tuple[RoleVersion, ...], 2)
SEATS: Keyspace[Seat] = Keyspace("seat", Seat, 2)
DECISIONS: Keyspace[Decision] = Keyspace("decision", Decision, 1)
TRIPS: Keyspace[Trip] = Keyspace("trip", Trip, 2)  # wijk, call
# `recused/<wijk>/<object>`: seats that take no part in a decision or proposal (economy E3).
RECUSED: Keyspace[tuple[int, ...]] = Keyspace("recused", tuple[Uint, ...], 2)
SPENT: Keyspace[int] = Keyspace("spent", Uint, 1)  # cents paid on a decision so far
BALANCES: Keyspace[int] = Keyspace("bal", Uint, 3)
SUPPLY: Keyspace[Supply] = Keyspace("supply", Supply, 1)
ISSUERS: Keyspace[Issuer] = Keyspace("issuer", Issuer, 1)
MINTERS: Keyspace[int] = Keyspace("minter", Uint, 1)  # cents that may still be minted
STATEMENTS: Keyspace[Statement] = Keyspace("statement", Statement, 2)
RESERVES: Keyspace[Reserve] = Keyspace("reserve", Reserve, 1)
HOLDS: Keyspace[Hold] = Keyspace("hold", Hold, 1)
ENTRIES: Keyspace[Entry] = Keyspace("entry", Entry, 1)
PACTS: Keyspace[Pact] = Keyspace("pact", Pact, 2)
# `pactid/<id>`: the two wijken of a pact by its object id; `taken/<id>`: engagements open under it.
PACT_IDS: Keyspace[tuple[str, str]] = Keyspace("pactid", tuple[str, str], 1)
PLACES_TAKEN: Keyspace[int] = Keyspace("taken", Uint, 1)
CAPS: Keyspace[int] = Keyspace("cap", Uint, 2)  # cents, set by the creditor
OWED: Keyspace[Owed] = Keyspace("owed", Owed, 2)
FREEZES: Keyspace[Freeze] = Keyspace("freeze", Freeze, 1)
FREE_CALLS: Keyspace[tuple[int, int]] = Keyspace("free", tuple[Uint, Uint], 1)
VALIDATOR_SETS: Keyspace[tuple[SetMember, ...]] = Keyspace("set", tuple[SetMember, ...], 1)
LEADERS: Keyspace[Leaders] = Keyspace("leaders", Leaders, 0)
# After block h: Set(h), Set(h+1) and Set(h+2) (consensus V1).
SET_LAST, SET_NOW, SET_NEXT = "last", "now", "next"


def get_param(state: State, wijk: str, name: str, epoch: int) -> Value | None:
    """Return the version of a parameter in force in `epoch`, or None where nobody set it."""
    found: msgspec.Raw | None = None
    for from_epoch, value in PARAMS.get(state, wijk, name) or ():
        if from_epoch <= epoch:
            found = value
    return None if found is None else decode_value(name, bytes(found))


def compute_pact_id(a: str, b: str) -> bytes:
    """Return the id that calls name a pact by; wijken have one pact at most, in either order."""
    return digest(["wijk.pact.1", *sorted((a, b))])


def get_version(state: State, height: int) -> int:
    """Return the protocol version of the block at `height`, as decided so far (consensus V8).

    By height alone, so that everybody knows long before where a node without it has to stop.
    """
    begun = [version for version, first_height in _get_upgrades(state) if first_height <= height]
    return begun[-1] if begun else FIRST_VERSION


def get_planned_upgrade(state: State, height: int) -> tuple[int, int] | None:
    """Return version and first height of an upgrade that comes after `height`, or None."""
    planned = [one for one in _get_upgrades(state) if one[1] > height]
    return planned[-1] if planned and planned[-1][0] != get_version(state, height) else None


def _get_upgrades(state: State) -> list[tuple[int, int]]:
    """Return what was decided, oldest first; the last one may be still to come."""
    versions = PARAMS.get(state, FEDERATION, "upgrade") or ()
    return [decode(tuple[Uint, Uint], bytes(raw)) for _, raw in versions]


def get_role(state: State, wijk: str, role: str, epoch: int, time_s: int) -> RoleVersion | None:
    """Return who holds `role` in `epoch` at `time_s`, or None when nobody does."""
    found: RoleVersion | None = None
    for version in ROLES.get(state, wijk, role) or ():
        if version.from_epoch <= epoch:
            found = version
    return found if found is not None and time_s < found.until else None


def note_past_keys(
    state: State, account_id: bytes, before: tuple[AccountKey, ...], after: tuple[AccountKey, ...]
) -> None:
    """Keep the keys that leave an account, for signatures of before (economy E29)."""
    stays = {key.index for key in after}
    for key in before:
        if key.index not in stays:
            PAST_KEYS.put(state, key.key, account_id, key.index)


def get_seats(state: State, wijk: str) -> tuple[Seat, ...]:
    """Return all seats of a board, seat 1 first, whatever their status."""
    seats: list[Seat] = []
    while (seat := SEATS.get(state, wijk, len(seats) + 1)) is not None:
        seats.append(seat)
    return tuple(seats)


def get_sitting(state: State, wijk: str, time_s: int) -> tuple[Seat, ...]:
    """Return the sitting seats of a wijk's board, seat 1 first; who resigns sits until then."""
    return tuple(
        seat
        for seat in get_seats(state, wijk)
        if seat.status in (ACTIVE, RESIGNED) and seat.from_s <= time_s < seat.until_s
    )


def has_mandate(state: State, wijk: str, time_s: int) -> bool:
    """Say whether more than half of the seats of a board sit; else it is a caretaker (E37).

    Seats of a board that handed over are no part of it any more, nor are those that another has.
    """
    seats = sum(seat.status not in (ENDED, REPLACED) for seat in get_seats(state, wijk))
    return 2 * len(get_sitting(state, wijk, time_s)) > seats


def get_standing(state: State, wijk: str, time_s: int) -> tuple[Seat, ...]:
    """Return the seats that act where a caretaker may: the sitting ones, and without a mandate also
    those whose term is over and that nobody took over (economy E37).
    """
    if has_mandate(state, wijk, time_s):
        return get_sitting(state, wijk, time_s)
    return tuple(
        seat
        for seat in get_seats(state, wijk)
        if seat.from_s <= time_s
        and (seat.status == ACTIVE or (seat.status == RESIGNED and time_s < seat.until_s))
    )
