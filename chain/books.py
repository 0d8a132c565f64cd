"""The books: the only way coin moves (economy section 7).

Every movement is one booking with a debit and a credit of the same amount, so economy I1 and
I2 hold by construction; balances and the supply sums follow from it here and nowhere else.
Contracts share the checks of payer and payee, because `coin`, `trade` and later contracts move
coin under the same rules.
"""

import re
from typing import Protocol

import msgspec

from chain.codec import CENTS_MAX, Account, Digest, Record, Uint
from chain.contract import Clock, Context, get_account
from chain.dates import add_banking_days, compute_book_date
from chain.errors import Code, Reject, require
from chain.gifts import note_gift
from chain.keyspaces import (
    ACCOUNTS,
    BALANCES,
    BOARD,
    FREEZES,
    ISSUERS,
    LEFT,
    MEMBERS,
    NO_LIMIT,
    SUPPLY,
    SUSPENDED,
    WIJKEN,
    AccountRecord,
    Freeze,
    Issuer,
    Member,
    Supply,
    Wijk,
)
from chain.records import Posting, Tag
from chain.state import Keyspace, State

BANK, MEMBER, PENDING_OUT, POOL, HELD = "1", "2", "3", "4", "5"
DUE_FROM, DUE_TO, FUND, INCOME, COST = "6F", "6T", "7", "8", "9"
DEBIT_CLASSES = (BANK, DUE_FROM, COST)  # a debit adds to these and lowers the others
OUTSTANDING_CLASSES = (MEMBER, PENDING_OUT, POOL, HELD, FUND)  # economy C2
BALANCE_CENTS_MAX = 2**53 - 1  # economy B8, and what JSON can hold (interfaces 0)
FIN = Tag("FIN", None, None, 0)  # economy C20: moves that are never output

LICENSED, EXEMPT_150, LIMITED_NETWORK = "LICENSED", "EXEMPT_150", "LIMITED_NETWORK"
MODES = (LICENSED, EXEMPT_150, LIMITED_NETWORK)

SALE = "SALE"
FLOWS = (SALE, "WORK", "GRANT", "BENEFIT", "GIFT", "TAX", "SUBSIDY", "FIN")  # economy S1
USES = ("P2", "P3", "P5")
_PRODUCT = re.compile(r"C(0[1-9]|1[0-5])|[A-V]")  # a COICOP division or a NACE section

OPEN, BATCHED, PAID, RETURNED = "OPEN", "BATCHED", "PAID", "RETURNED"


class Redemption(Record, frozen=True):
    """`redeem/<id>`: a redemption under way (economy C13).

    `due` is its last day, YYYYMMDD (C15), or 0 while the account is suspended and the clock
    stands still (C19). `payout` is nil where a wallet limit made the request.
    """

    account: Account
    denom: str
    cents: Uint
    payout: Digest | None
    due: Uint
    batch: Digest | None
    status: str


REDEMPTIONS: Keyspace[Redemption] = Keyspace("redeem", Redemption, 1)
# Last days of an account's unpaid redemptions, for freezes to move: [(due, moved to, count)].
ASKED: Keyspace[tuple[tuple[int, int, int], ...]] = Keyspace(
    "asked", tuple[tuple[Uint, Uint, Uint], ...], 1
)
# Unpaid redemptions per due date, oldest first: [(date, count)], so C15 needs no search.
UNPAID: Keyspace[tuple[tuple[int, int], ...]] = Keyspace("unpaid", tuple[tuple[Uint, Uint], ...], 1)


class Payment(Record, frozen=True):
    """`paid/<transaction>/<leg>`: a payment with a tag, and how much of it was corrected (C18).

    Amounts in cents; `date` is the book date of the payment, `leg` that of its booking.
    """

    payer: Account
    payee: Account
    denom: str
    cents: Uint
    corrected: Uint
    tag: Tag
    date: Uint


PAYMENTS: Keyspace[Payment] = Keyspace("paid", Payment, 2)
# `pooled/<account>`: cents in pools (class 4) that are the account's until they are spent.
POOLED: Keyspace[int] = Keyspace("pooled", Uint, 1)

Place = tuple[str, bytes | str]  # (class, owner), inside one denomination


class Party(msgspec.Struct, frozen=True, gc=False):
    """A payer: the account with its wijk, denomination and the class its own coin stands in."""

    id: bytes
    account: AccountRecord
    wijk: Wijk
    denom: str
    klass: str

    @property
    def place(self) -> Place:
        """Where the coin of this account stands."""
        return (self.klass, self.id)


class Payee(Party, frozen=True):
    """A payee, with what limits it: `limit` in cents, `NO_LIMIT` for none (economy C7, C8)."""

    member: Member | None
    issuer: Issuer
    limit: int


class Running(Protocol):
    """What books: a call that runs, or the start of a block."""

    @property
    def state(self) -> State:
        """The state being written."""

    @property
    def postings(self) -> list[Posting]:
        """What was booked so far."""


class Ending(Running, Protocol):
    """What gives people their own money back: a call that runs, or the start of a block."""

    @property
    def clock(self) -> Clock:
        """Where in the chain this is."""

    @property
    def time_s(self) -> int:
        """Block time, Unix seconds."""

    def emit(self, name: str, *values: int | str | bytes | None) -> None:
        """Report what becomes of the object."""

    def new_id(self) -> bytes:
        """Return the id of the next object that is made."""


_SUPPLY_FIELDS = {
    PENDING_OUT: "pending_out",
    BANK: "reserve",
    DUE_FROM: "due_from",
    DUE_TO: "due_to",
}
_NO_SUPPLY = Supply(0, 0, 0, 0, 0, 0, 0, 0)


def get_supply(state: State, denom: str) -> Supply:
    """Return the supply sums of a denomination."""
    return SUPPLY.get(state, denom) or _NO_SUPPLY


def add_to_supply(ctx: Running, denom: str, **deltas: int) -> None:
    """Add to `issued`, `redeemed`, `traded_in` or `traded_out`; the other sums follow bookings.

    Refuses with `tx.amount` what would pass 2^53 cents.
    """
    supply = get_supply(ctx.state, denom)
    changed = {name: getattr(supply, name) + delta for name, delta in deltas.items()}
    for total in changed.values():
        require(total <= BALANCE_CENTS_MAX, Code.TX_AMOUNT)
    SUPPLY.put(ctx.state, msgspec.structs.replace(supply, **changed), denom)


def check_total_cap(issuer: Issuer, cents: int) -> None:
    """Refuse with `coin.mode-cap` what would pass the cap of the issuer (economy C7, I13)."""
    if issuer.total_cap is not None:
        room = max(0, issuer.total_cap - issuer.outstanding)
        require(cents <= room, Code.COIN_MODE_CAP, remaining_cents=room)


def add_to_outstanding(ctx: Context, issuer_code: str, delta: int) -> None:
    """Change what an issuer has outstanding, in cents."""
    issuer = get_issuer(ctx.state, issuer_code)
    outstanding = issuer.outstanding + delta
    assert outstanding >= 0, f"issuer {issuer_code} has {outstanding} outstanding"
    ISSUERS.put(ctx.state, msgspec.structs.replace(issuer, outstanding=outstanding), issuer_code)


def get_issuer(state: State, code: str) -> Issuer:
    """Return the issuer a wijk names."""
    issuer = ISSUERS.get(state, code)
    assert issuer is not None, "a wijk names an issuer that exists"
    return issuer


def get_class(account: AccountRecord) -> str:
    """Return the class that an account's own coin stands in: 7 for a board, else 2."""
    return FUND if account.kind == BOARD else MEMBER


def get_balance(state: State, denom: str, klass: str, owner: bytes | str) -> int:
    """Return a balance in cents."""
    return BALANCES.get(state, denom, klass, owner) or 0


def get_wallet(state: State, denom: str, klass: str, account: bytes) -> int:
    """Return what an account has, in cents, with what it holds aside and what is in pools of its
    own: a limit covers all of it (economy C7, C8).
    """
    held = get_balance(state, denom, HELD, account)
    return get_balance(state, denom, klass, account) + held + (POOLED.get(state, account) or 0)


def add_to_pooled(state: State, account: bytes, delta: int) -> None:
    """Change what an account has in pools, in cents; done before it is booked back to it (C8)."""
    total = (POOLED.get(state, account) or 0) + delta
    assert total >= 0, f"{account.hex()} has {total} in pools"
    POOLED.put(state, total or None, account)


def get_limit(issuer: Issuer, account: AccountRecord, member: Member | None) -> int:
    """Return what an account may hold, in cents (economy C7, C8).

    The wijk fund is the wijk's own coin and no wallet; every other account is one, a role too.
    """
    limit = NO_LIMIT if member is None else member.limit
    if issuer.wallet_cap is not None and account.kind != BOARD:
        limit = min(limit, issuer.wallet_cap)
    return limit


def book(
    ctx: Running,
    wijk: str,
    denom: str,
    debit: Place,
    credit: Place,
    cents: int,
    *,
    tag: Tag | None = None,
    policy: bytes | None = None,
    decision: bytes | None = None,
    corrects: bytes | None = None,
) -> None:
    """Book `cents` in the `denom` of `wijk`: debit one place, credit another.

    The handler has checked that the money is there; a balance below zero is our own bug. A
    balance that would reach 2^53 cents is refused with `tx.amount`.
    """
    assert cents > 0, "a booking moves something"
    state, postings = ctx.state, ctx.postings
    leg = len(postings) // 2
    for side, (klass, owner) in (("D", debit), ("C", credit)):
        delta = cents if (side == "D") == (klass in DEBIT_CLASSES) else -cents
        balance = (BALANCES.get(state, denom, klass, owner) or 0) + delta
        assert balance >= 0, f"class {klass} of {denom} at {balance}"
        if balance > BALANCE_CENTS_MAX:
            raise Reject(Code.TX_AMOUNT)
        BALANCES.put(state, balance or None, denom, klass, owner)
        if klass in _SUPPLY_FIELDS:
            add_to_supply(ctx, denom, **{_SUPPLY_FIELDS[klass]: delta})
        if isinstance(owner, str):
            owner = owner.encode()  # noqa: PLW2901 - in a posting all owners are bytes
        postings.append(
            Posting(leg, wijk, denom, klass, owner, side, cents, tag, policy, decision, corrects)
        )


def get_payer(ctx: Context) -> Party:
    """Return the sender as a payer."""
    account, wijk = ctx.account, ctx.wijk
    return Party(ctx.sender, account, wijk, wijk.denom(account.wijk), get_class(account))


def get_payee(ctx: Context, account_id: bytes, payer: Party | None = None) -> Payee:
    """Return a payee, or refuse with `tx.unknown-account` one that does not exist or has left.

    A `payer` of the same wijk saves looking the wijk up again.
    """
    account = get_account(ctx, account_id)
    if account.status == LEFT:
        raise Reject(Code.TX_UNKNOWN_ACCOUNT)
    return _make_payee(ctx.state, account_id, account, payer)


def give_back(
    ctx: Ending, debit: Place, account_id: bytes, cents: int, *, policy: bytes | None = None
) -> None:
    """Book own money back to an account, whatever its state; nothing can refuse it (I3, I13).

    What passes its limit is redeemed, also where the account did not ask for that (economy C8).
    """
    account = ACCOUNTS.get(ctx.state, account_id)
    assert account is not None, "an account stays for ever"
    owner = _make_payee(ctx.state, account_id, account, None)
    held = get_wallet(ctx.state, owner.denom, owner.klass, account_id)
    room = cents if owner.limit >= NO_LIMIT else max(0, owner.limit - held)
    book(ctx, account.wijk, owner.denom, debit, owner.place, cents, tag=FIN, policy=policy)
    if cents > room:
        open_redemption(ctx, owner, cents - room, None)


def _make_payee(
    state: State, account_id: bytes, account: AccountRecord, payer: Party | None
) -> Payee:
    if payer is not None and payer.account.wijk == account.wijk:
        wijk, denom = payer.wijk, payer.denom
    else:
        wijk = _get_wijk(state, account.wijk)
        denom = wijk.denom(account.wijk)
    issuer = get_issuer(state, wijk.issuer)
    member = MEMBERS.get(state, account_id)
    limit = get_limit(issuer, account, member)
    return Payee(account_id, account, wijk, denom, get_class(account), member, issuer, limit)


def _get_wijk(state: State, wijk_id: str) -> Wijk:
    wijk = WIJKEN.get(state, wijk_id)
    assert wijk is not None, "an account belongs to a wijk that exists"
    return wijk


def is_known_tag(tag: Tag) -> bool:
    """Say whether economy S1 knows the words of a tag."""
    known = tag.flow in FLOWS and (tag.use is None or (tag.flow == SALE and tag.use in USES))
    return known and (tag.product is None or _PRODUCT.fullmatch(tag.product) is not None)


def check_tag(tag: Tag | None, cents: int) -> None:
    """Refuse a tag that economy S1 does not know with `tx.text`, more VAT than was paid too."""
    if tag is None:
        return
    require(is_known_tag(tag), Code.TX_TEXT)
    require(tag.vat <= cents, Code.TX_AMOUNT, amount_cents=min(tag.vat, CENTS_MAX))


def check_balance(ctx: Context, payer: Party, cents: int) -> None:
    """Refuse with `coin.low-balance` unless `payer` has `cents` (economy I3)."""
    balance = get_balance(ctx.state, payer.denom, payer.klass, payer.id)
    if balance < cents:
        raise Reject(Code.COIN_LOW_BALANCE, balance_cents=balance, amount_cents=cents)


def get_freeze(ctx: Ending, account_id: bytes) -> Freeze | None:
    """Return the freeze in force on an account, or None (economy C19)."""
    freeze = FREEZES.get(ctx.state, account_id)
    return freeze if freeze is not None and ctx.time_s < freeze.until_s else None


def check_not_frozen(ctx: Context, account_id: bytes, account: AccountRecord) -> None:
    """Refuse with `coin.frozen` when nothing may leave the account (economy C19, I12)."""
    if account.status == SUSPENDED:
        raise Reject(Code.COIN_FROZEN)
    freeze = get_freeze(ctx, account_id)
    if freeze is not None:
        raise Reject(Code.COIN_FROZEN, until_at=freeze.until_s)


def check_contracted(payee: Payee) -> None:
    """Refuse a payee that a LIMITED_NETWORK issuer has no contract with (economy C7)."""
    if payee.issuer.mode == LIMITED_NETWORK:
        contracted = payee.member is not None and payee.member.contracted == 1
        require(contracted, Code.COIN_NOT_CONTRACTED)


def check_room(ctx: Context, payee: Payee, cents: int, coming: int = 0) -> int:
    """Return what of `cents` passes the payee's limit and will be redeemed (economy C8).

    `coming` is what earlier legs leave there. What the payee itself holds aside counts: it may
    come back at any time. Without `auto_redeem` there is no excess: the payment is refused with
    `coin.wallet-limit` and the amount still possible.
    """
    if payee.limit >= NO_LIMIT:
        return 0
    held = get_wallet(ctx.state, payee.denom, payee.klass, payee.id) + coming
    room = max(0, payee.limit - held)
    excess = max(0, cents - room)
    if excess and (payee.member is None or not payee.member.auto_redeem):
        raise Reject(Code.COIN_WALLET_LIMIT, remaining_cents=room)
    return excess


def credit_payee(
    ctx: Context,
    debit: Place,
    payee: Payee,
    cents: int,
    excess: int,
    *,
    tag: Tag | None = None,
    policy: bytes | None = None,
    decision: bytes | None = None,
    corrects: bytes | None = None,
) -> None:
    """Book `cents` to a payee, and redeem what `check_room` found to be too much (economy C8)."""
    wijk_id = payee.account.wijk
    book(
        ctx,
        wijk_id,
        payee.denom,
        debit,
        payee.place,
        cents,
        tag=tag,
        policy=policy,
        decision=decision,
        corrects=corrects,
    )
    if debit[0] == MEMBER and isinstance(debit[1], bytes) and corrects is None:
        today = ctx.clock.book_date
        note_gift(ctx.state, payee.denom, payee.id, debit[1], cents, ctx.tx_id, today)
    if excess:
        open_redemption(ctx, payee, excess, None)


def open_redemption(ctx: Ending, party: Party, cents: int, payout: bytes | None) -> bytes:
    """Move coin to class 3 and note the request; return its id (economy C13).

    Frozen accounts may ask too: their clock runs from the end of the freeze (C19), and stands
    still while they are suspended.
    """
    wijk_id = party.account.wijk
    book(ctx, wijk_id, party.denom, party.place, (PENDING_OUT, party.id), cents, tag=FIN)
    due = 0
    if party.account.status != SUSPENDED:
        start = ctx.clock.book_date
        freeze = get_freeze(ctx, party.id)
        if freeze is not None:
            start = compute_book_date(freeze.until_s, ctx.clock.number("date_offset_s"))
        due = add_banking_days(start, ctx.clock.number("redeem_days"))
        _count_asked(ctx, party.denom, party.id, due, 1)
    request = ctx.new_id()
    redemption = Redemption(party.id, party.denom, cents, payout, due, None, OPEN)
    REDEMPTIONS.put(ctx.state, redemption, request)
    ctx.emit("coin.RedeemRequested", request, party.id, cents, due)
    return request


def close_redemption(ctx: Context, request: bytes, redemption: Redemption) -> None:
    """Mark a redemption paid; its clock stops (economy C15)."""
    REDEMPTIONS.put(ctx.state, msgspec.structs.replace(redemption, status=PAID), request)
    if redemption.due:
        _count_asked(ctx, redemption.denom, redemption.account, redemption.due, -1)


def is_overdue(ctx: Context, denom: str) -> bool:
    """Say whether a redemption is past its due date, which blocks minting (economy C15)."""
    unpaid = UNPAID.get(ctx.state, denom) or ()
    return len(unpaid) > 0 and unpaid[0][0] < ctx.clock.book_date


def note_payment(
    ctx: Context, payer: bytes, payee: Payee, cents: int, tag: Tag | None, date: int | None = None
) -> None:
    """Remember the payment that is booked next, if it carries a tag, so it can be corrected (C18).

    Not every payment: state that grows with each of them would outgrow auditors and newcomers.
    One without a tag is undone by paying it back.
    """
    if tag is not None:
        when = ctx.clock.book_date if date is None else date
        record = Payment(payer, payee.id, payee.denom, cents, 0, tag, when)
        PAYMENTS.put(ctx.state, record, ctx.tx_id, len(ctx.postings) // 2)


def move_last_days(
    ctx: Context, account_id: bytes, denom: str, until_s: int, *, earlier: bool = False
) -> None:
    """Put the last days of unpaid redemptions off until after a freeze, or with `earlier` bring
    them forward where it ended before its time (economy C19).

    As for a request made during the freeze, the desk has `redeem_days` banking days from its end.
    """
    end = compute_book_date(until_s, ctx.clock.number("date_offset_s"))
    last = add_banking_days(end, ctx.clock.number("redeem_days"))
    rows = []
    for due, day, count in ASKED.get(ctx.state, account_id) or ():
        moved = min(day, last) if earlier else max(day, last)
        if moved != day:
            _count_unpaid(ctx, denom, day, -count)
            _count_unpaid(ctx, denom, moved, count)
        rows.append((due, moved, count))
    ASKED.put(ctx.state, tuple(rows) or None, account_id)


def _count_asked(ctx: Running, denom: str, account_id: bytes, due: int, delta: int) -> None:
    """Count a redemption due on `due`, or with -1 one that is paid, on the day it counts for."""
    rows = {row[0]: row for row in ASKED.get(ctx.state, account_id) or ()}
    _, day, count = rows.get(due, (due, due, 0))
    assert count + delta >= 0, "a redemption is counted once"
    rows[due] = (due, day, count + delta)
    kept = tuple(rows[one] for one in sorted(rows) if rows[one][2])
    ASKED.put(ctx.state, kept or None, account_id)
    _count_unpaid(ctx, denom, day, delta)


def _count_unpaid(ctx: Running, denom: str, due: int, delta: int) -> None:
    counts = dict(UNPAID.get(ctx.state, denom) or ())
    counts[due] = counts.get(due, 0) + delta
    assert counts[due] >= 0, "a redemption is counted once"
    rows = tuple((date, counts[date]) for date in sorted(counts) if counts[date])
    UNPAID.put(ctx.state, rows or None, denom)
