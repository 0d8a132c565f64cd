"""What the policy scripts are written in: the pool, a payment, counters and refusals (economy P0).

A script is data with a version, and a pure predicate over the pool, the payment, the payee's
record, the token's record, book date and block time. It reads the state and writes nothing; what
it counts is written by the contract once the whole payment stands.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NoReturn

import msgspec

from chain.address import account_text
from chain.codec import Account, Digest, Record, Uint
from chain.errors import Code, Reject
from chain.keyspaces import Member
from chain.money_text import Lang
from chain.state import Keyspace, State

VERSION = 1  # of every script so far: the first field of each
DRAFTS_MAX = 20  # of one funder: each is 15 KB at most, and no board has asked for it yet

DRAFT, ACTIVE, CLOSED = "DRAFT", "ACTIVE", "CLOSED"

MONTH, QUARTER, YEAR, TOTAL = "MONTH", "QUARTER", "YEAR", "TOTAL"

Word24 = Annotated[str, msgspec.Meta(max_length=24)]
Date = Annotated[int, msgspec.Meta(ge=19_700_101, le=99_991_231)]
Of = bytes | str


class Used(Record, frozen=True):
    """`used/<policy>/<what>/<of>`: what was counted in the newest two periods that had any.

    `what` is the name of a counter (`day`, `payee`, `line` ...), `of` whose it is: an account, a
    token, a budget line, or empty for the whole pool. Cents, or seconds for `seconds`.
    """

    period: Uint
    count: Uint
    period_before: Uint
    count_before: Uint


USED: Keyspace[Used] = Keyspace("used", Used, 3)


class Paid(Record, frozen=True, tag="step.paid"):
    """A step or a number that was paid: cents, and the book date."""

    cents: Uint
    date: Uint


class Pledge(Record, frozen=True, tag="step.pledge"):
    """A pledge of P8: its id, whose it is, how many pieces and the cents set aside for them."""

    id: Digest
    buyer: Account
    qty: Uint
    cents: Uint


class Pledges(Record, frozen=True, tag="step.pledges"):
    """How many pledges a collective purchase has, at number 0, how many people made them, and of
    how many pieces.

    The pledges stand at 1 and on; who made one is marked under the counter `buyer`.
    """

    count: Uint
    buyers: Uint
    pieces: Uint


class Escrow(Record, frozen=True, tag="step.escrow"):
    """The one escrow of P7: since when money is in it, when the payee delivered, 0 for not yet,
    whether the payer or an arbiter objected, and who said what the payee is to get, in cents.
    """

    since_s: Uint
    delivered_s: Uint
    disputed: Uint
    said: tuple[tuple[Account, Uint], ...]


Step = Paid | Pledge | Pledges | Escrow
# `step/<policy>/<n>`: n is the step of P6, the number of P12, the pledge of P8, 1 for P7.
STEPS: Keyspace[Step] = Keyspace("step", Step, 2)
# `cited/<policy>/<payment>`: cents that P11 added to a payment; each is cited once.
CITED: Keyspace[int] = Keyspace("cited", Uint, 2)


class TokenRecord(Record, frozen=True):
    """`token/<policy>/<key>`: a benefit token: the period it is for, cents used with it."""

    period: Uint
    used: Uint


TOKENS: Keyspace[TokenRecord] = Keyspace("token", TokenRecord, 2)


class Pool(msgspec.Struct, frozen=True):
    """What a script sees of its policy. Amounts in cents; `since` is the book date of acceptance.

    `wijk` is that of the coin; pools pay accounts of that wijk alone.
    """

    id: bytes
    denom: str
    funder: bytes
    free: int
    pending: int
    since: int

    @property
    def wijk(self) -> str:
        """The wijk whose coin this is (economy B15)."""
        return self.denom.partition(":")[0]

    @property
    def funder_text(self) -> str:
        """The account of the funder as people see it; a wallet shows a name instead."""
        return account_text(self.funder)


class Share(msgspec.Struct, frozen=True):
    """One payee of a payment and its cents; `member` is its record, None where it has none."""

    account: bytes
    wijk: str
    member: Member | None
    cents: int


class Payment(msgspec.Struct, frozen=True):
    """A payment out of a pool: who asks it, what leaves the pool in cents, and who gets it.

    `date` is the book date, `time_s` block time; `line` a budget line; `token` the key that was
    shown and proved; `product` the COICOP division or NACE section of the tag.
    """

    sender: bytes
    sender_wijk: str
    cents: int
    shares: tuple[Share, ...]
    product: str | None
    line: str | None
    token: bytes | None
    date: int
    time_s: int


class Ask(msgspec.Struct, frozen=True):
    """What a call asks of a shape: its fields, and when. `cents` is the amount that it names.

    `step` is the step or number of the call, `qty` the pieces of a pledge, `token` a key that was
    proved, with its record where it is enrolled. `id` is that of the transaction.
    """

    id: bytes
    sender: bytes
    payee: bytes
    cents: int
    date: int
    time_s: int
    step: int | None = None
    ref: bytes | None = None
    qty: int | None = None
    token: bytes | None = None
    token_record: TokenRecord | None = None


class Counter(msgspec.Struct, frozen=True):
    """What one payment adds to one counter of a script."""

    what: str
    of: Of
    period: int
    amount: int


Values = Mapping[str, object]


Write = tuple[Keyspace[Any], Any, tuple[bytes | str | int, ...]]  # a value and where it goes


class Payout(msgspec.Struct, frozen=True):
    """What a shape lets happen: cents from free and from pending money of the pool, and from the
    own coin of `payer`; who gets pending money back; and what it remembers of it.

    `parts` divides the pending cents into bookings, each with a reason of its own. `owners` are
    those whose pending money it was, with their cents, where it was not the funder's. `told` are
    numbers for the shape's sentence. Nothing moves before all guards agree.
    """

    free: int = 0
    pending: int = 0
    own: int = 0
    payer: bytes | None = None
    payee: bytes | None = None
    parts: tuple[int, ...] = ()
    back: tuple[tuple[bytes, int], ...] = ()
    owners: tuple[tuple[bytes, int], ...] = ()
    writes: tuple[Write, ...] = ()
    counters: tuple[Counter, ...] = ()
    told: Values = {}
    done: bool = False

    @property
    def cents(self) -> int:
        """What the payee receives."""
        return self.free + self.pending + self.own


class Draft(msgspec.Struct, frozen=True):
    """What a script is checked against when its policy is created."""

    denom: str
    funder: bytes
    date: int
    state: State


class Guard(msgspec.Struct, frozen=True):
    """A guard: it allows a payment or refuses it, and may count it.

    `clause` names it in refusals; `nl` and `en` are its sentence, whose values `values` gives.
    `end` gives the last book date of the policy, and the policy that inherits its free money.
    """

    id: str
    clause: str
    kind: type
    nl: str
    en: str
    fits: Callable[[Any, Draft], bool]
    judge: Callable[[Any, Pool, Payment, State], None]
    values: Callable[[Any, Pool, State, int, Lang], Values]
    count: Callable[[Any, Pool, Payment, State], Iterable[Counter]] | None = None
    end: Callable[[Any], tuple[int, bytes | None]] | None = None


class Shape(msgspec.Struct, frozen=True):
    """How money leaves a pool: `claim` and `release` say what moves, or refuse; a shape without
    one has no such call. `fund` says what is remembered of a funding that is set aside, and may
    refuse it; without one money is free. `pledged`: anybody funds, not the funder alone.

    `accounts` are those that its values name, `payee` the one that its payments go to where that is
    fixed, `target` one whose payments are noted (P11).
    `forbids` are the clauses that the law does not allow beside it, because coin that people own is
    paid with it (economy P0, G10). `lined`: its payments can name a line of a budget; where they
    cannot, the budget has one line and they fall on that (P9).
    """

    id: str
    clause: str
    kind: type
    nl: str
    en: str
    fits: Callable[[Any, Draft], bool]
    values: Callable[[Any, Pool, State, int, Lang], Values]
    claim: Callable[[Any, Pool, Ask, State], Payout] | None = None
    release: Callable[[Any, Pool, Ask, State], Payout] | None = None
    fund: Callable[[Any, Pool, Ask, State], tuple[Write, ...]] | None = None
    accounts: Callable[[Any], tuple[bytes, ...]] | None = None
    payee: Callable[[Any], bytes] | None = None
    target: Callable[[Any], bytes] | None = None
    forbids: tuple[str, ...] = ()
    pledged: bool = False
    lined: bool = True


def deny(clause: str, **params: int | str) -> NoReturn:
    """Refuse a payment in the name of a clause, with its number (economy P0, interfaces 1.5.1)."""
    refusal = Reject(Code.POLICY_CLAUSE, clause=clause)
    refusal.params.update(params)  # each clause has names of its own (chain/clause_rows.py)
    raise refusal


def is_in_force(token: TokenRecord, date: int) -> bool:
    """Say whether a token may be used on a book date: its period is a month, a year, or 0."""
    return token.period in (0, get_period(date, MONTH), get_period(date, YEAR))


def spend(pool: Pool, ask: Ask, cents: int) -> tuple[Write, ...]:
    """Return what is remembered of `cents` used with the token of a claim, if there is one."""
    token = ask.token_record
    if token is None or ask.token is None:
        return ()
    used = msgspec.structs.replace(token, used=token.used + cents)
    return ((TOKENS, used, (pool.id, ask.token)),)


def get_used(state: State, policy: bytes, what: str, of: Of, period: int) -> int:
    """Return what was counted in a period, one of the newest two."""
    found = USED.get(state, policy, what, of)
    if found is None:
        return 0
    if found.period == period:
        return found.count
    return found.count_before if found.period_before == period else 0


def add_used(state: State, policy: bytes, counter: Counter) -> None:
    """Count in a period; periods never go back, because block time does not."""
    found = USED.get(state, policy, counter.what, counter.of)
    if found is None:
        found = Used(counter.period, 0, 0, 0)
    if found.period != counter.period:
        found = Used(counter.period, 0, found.period, found.count)
    counted = msgspec.structs.replace(found, count=found.count + counter.amount)
    USED.put(state, counted, policy, counter.what, counter.of)


def get_period(date: int, unit: str) -> int:
    """Return the period that a book date lies in: YYYYMM, YYYYQ, YYYY, or 0 for all time."""
    year, month = date // 10_000, date // 100 % 100
    if unit == MONTH:
        return date // 100
    if unit == QUARTER:
        return year * 10 + (month + 2) // 3
    return year if unit == YEAR else 0


def get_period_before(period: int, unit: str) -> int:
    """Return the period just before one of `get_period`."""
    if unit == MONTH:
        return period - 1 if period % 100 > 1 else (period // 100 - 1) * 100 + 12
    if unit == QUARTER:
        return period - 1 if period % 10 > 1 else (period // 10 - 1) * 10 + 4
    return max(0, period - 1)
