"""The bank on the chain: attested statements, and which of their entries may be used (C4, C5).

Two treasurers attest a day of the bank; from then on each of its entries can be used once, for
one thing. That a file came from the bank rests on those two people (economy C22).
"""

from typing import Annotated, Literal

import msgspec

from chain.books import BALANCE_CENTS_MAX, COST, INCOME, get_balance
from chain.codec import Bit, Cents, Digest, Record
from chain.contract import Context
from chain.dates import is_date
from chain.errors import Code, Reject, require
from chain.keyspaces import ENTRIES, RESERVES, STATEMENTS, Entry, Reserve, Statement
from chain.state import Keyspace, State

PAGE_ENTRIES_MAX = 500  # economy section 4: about 27 kB, below the size of a transaction
PAGES_MAX = 1_000  # half a million entries a day: more than any wijk has

CREDIT, DEBIT = "C", "D"

# `booked/<reserve>`: the wijk in whose books the money of a reserve account stands, by its first
# booking and for ever: its own, or a partner that put a deposit there (PREFUND, economy C17).
BOOKED: Keyspace[str] = Keyspace("booked", str, 1)

Date = Annotated[int, msgspec.Meta(ge=19_700_101, le=99_991_231)]
Page = Annotated[int, msgspec.Meta(ge=1, le=PAGES_MAX)]


class StatementEntry(Record, frozen=True):
    """A bank entry as attested: its id (economy C4), days YYYYMMDD, cents, side, reversal."""

    entry_id: Digest
    booking: Date
    value: Date
    cents: Cents
    side: Literal["C", "D"]
    reversal: Bit


class StatementCall(Record, frozen=True, tag="coin.statement"):
    """C5: a page of a bank statement; `page` counts from 1, balances are of the whole day."""

    reserve: Digest
    date: Date
    page: Page
    pages: Page
    opening: Cents
    closing: Cents
    entries: Annotated[tuple[StatementEntry, ...], msgspec.Meta(max_length=PAGE_ENTRIES_MAX)]


def statement(ctx: Context, call: StatementCall) -> None:
    """economy C5. Refuses gap, opening, sum, seen-entry, unknown-reserve.

    Pages come in order. Page 1 sent again before the last one is in starts the day over: what
    the earlier pages said counts no more, so a mistake in one of them can be mended.
    """
    found = RESERVES.get(ctx.state, call.reserve)
    reserve = found or Reserve(ctx.wijk_id, 0, 0, 0, 0, 0, 0)
    before = _get_before(ctx, call, reserve)
    paid_in, paid_out = _get_sums(call, before, reserve)
    _check_unseen(ctx, call)
    pledged = (call.reserve, ctx.wijk_id) in get_pledges(ctx)
    require(pledged and reserve.wijk == ctx.wijk_id, Code.COIN_UNKNOWN_RESERVE)

    if call.page == 1 and reserve.open_date:
        STATEMENTS.delete(ctx.state, call.reserve, reserve.open_date)
    page = msgspec.structs.replace(
        before,
        pages_done=call.page,
        credits=paid_in,
        debits=paid_out,
        id=ctx.tx_id,
        height=ctx.height,
    )
    STATEMENTS.put(ctx.state, page, call.reserve, call.date)
    for line in call.entries:
        entry = Entry(
            call.reserve, call.date, line.cents, line.side, line.reversal, None, page.number
        )
        ENTRIES.put(ctx.state, entry, line.entry_id)
    if call.page < call.pages:
        after = msgspec.structs.replace(reserve, open_date=call.date, begun=page.number)
    else:
        after = Reserve(
            reserve.wijk,
            call.date,
            call.closing,
            0,
            reserve.open_credits + paid_in,
            reserve.open_debits + paid_out,
            page.number,
        )
    RESERVES.put(ctx.state, after, call.reserve)
    ctx.emit("coin.StatementPosted", call.reserve, call.date, call.page, call.pages, call.closing)


def _get_before(ctx: Context, call: StatementCall, reserve: Reserve) -> Statement:
    """Return the statement as it stands before this page, or refuse with gap or opening."""
    exist = is_date(call.date) and all(
        is_date(line.booking) and is_date(line.value) for line in call.entries
    )
    require(exist and call.page <= call.pages, Code.COIN_GAP)
    if call.page == 1:
        require(call.date > reserve.date, Code.COIN_GAP)
        _check_opening(call, reserve.closing)
        number = reserve.begun + 1
        return Statement(call.pages, 0, call.opening, call.closing, 0, 0, ctx.tx_id, 0, number)
    begun = STATEMENTS.get(ctx.state, call.reserve, call.date)
    if begun is None or reserve.open_date != call.date:
        raise Reject(Code.COIN_GAP)
    follows = (call.page, call.pages) == (begun.pages_done + 1, begun.pages)
    require(follows, Code.COIN_GAP)
    _check_opening(call, begun.opening)
    return begun


def _check_opening(call: StatementCall, expected: int) -> None:
    require(
        call.opening == expected,
        Code.COIN_OPENING,
        opening_cents=call.opening,
        expected_cents=expected,
    )


def _get_sums(call: StatementCall, before: Statement, reserve: Reserve) -> tuple[int, int]:
    """Return the credits and debits up to this page, or refuse with sum."""
    paid_in = before.credits + sum(line.cents for line in call.entries if line.side == CREDIT)
    paid_out = before.debits + sum(line.cents for line in call.entries if line.side == DEBIT)
    total = before.opening + paid_in - paid_out
    require(call.closing == before.closing, Code.COIN_SUM)
    if call.page == call.pages:
        require(total == call.closing, Code.COIN_SUM, sum_cents=total)
    # What stays open is kept as a sum, and no sum of the books reaches 2^53 (economy B8).
    require(reserve.open_credits + paid_in <= BALANCE_CENTS_MAX, Code.COIN_SUM)
    require(reserve.open_debits + paid_out <= BALANCE_CENTS_MAX, Code.COIN_SUM)
    return paid_in, paid_out


def _check_unseen(ctx: Context, call: StatementCall) -> None:
    """Refuse an entry that a statement already holds, unless that one was started over (C4).

    Page 1 starts over: what an unfinished statement of this reserve holds may come again.
    """
    seen: set[bytes] = set()
    for line in call.entries:
        entry = ENTRIES.get(ctx.state, line.entry_id)
        holds = entry is not None and _is_held(ctx, entry, call)
        require(not holds and line.entry_id not in seen, Code.COIN_SEEN_ENTRY)
        seen.add(line.entry_id)


def _is_held(ctx: Context, entry: Entry, call: StatementCall) -> bool:
    """Say whether a statement holds `entry` which this page does not start over."""
    held = STATEMENTS.get(ctx.state, entry.reserve, entry.date)
    if held is None or held.number != entry.number:
        return False
    starts_over = call.page == 1 and call.reserve == entry.reserve
    return not (starts_over and held.pages_done < held.pages)


def get_pledges(ctx: Context) -> tuple[tuple[bytes | str, ...], ...]:
    """Return the rows (reserve id, wijk) of the parameter `reserves` (economy C5)."""
    rows = ctx.clock.param("reserves")
    assert isinstance(rows, tuple)
    return rows


def get_attested(ctx: Context, entry_id: bytes, otherwise: Code) -> tuple[Entry, Reserve]:
    """Return an entry in an accepted statement of this wijk, and its reserve, or refuse.

    What comes in or goes out where a deposit of a partner stands is not this wijk's to book.
    """
    found = find_attested(ctx.state, entry_id)
    if found is None or found[1].wijk != ctx.wijk_id:
        raise Reject(otherwise)
    entry = found[0]
    own = BOOKED.get(ctx.state, entry.reserve) in (None, ctx.wijk_id)
    require(own or entry.used_by is not None, otherwise)  # one that is used is refused as such
    return found


def find_attested(state: State, entry_id: bytes) -> tuple[Entry, Reserve] | None:
    """Return an entry in an accepted statement of any wijk, and its reserve, or None."""
    entry = ENTRIES.get(state, entry_id)
    if entry is None:
        return None
    held = STATEMENTS.get(state, entry.reserve, entry.date)
    reserve = RESERVES.get(state, entry.reserve)
    if held is None or held.number != entry.number or reserve is None:
        return None
    return (entry, reserve) if held.pages_done == held.pages else None


def use_entry(ctx: Context, entry_id: bytes, entry: Entry) -> None:
    """Note that this transaction uses an entry, once and for ever; it is open no more (C4)."""
    reserve = RESERVES.get(ctx.state, entry.reserve)
    assert reserve is not None, "an attested entry has a reserve"
    ENTRIES.put(ctx.state, msgspec.structs.replace(entry, used_by=ctx.tx_id), entry_id)
    if entry.side == CREDIT:
        left = msgspec.structs.replace(reserve, open_credits=reserve.open_credits - entry.cents)
    else:
        left = msgspec.structs.replace(reserve, open_debits=reserve.open_debits - entry.cents)
    RESERVES.put(ctx.state, left, entry.reserve)
    BOOKED.put(ctx.state, ctx.wijk_id, entry.reserve)


def check_cents(cents: int, expected: int) -> None:
    """Refuse with `coin.amount` any other amount than that of the entry or the request."""
    require(cents == expected, Code.COIN_AMOUNT, amount_cents=cents, expected_cents=expected)


def is_short(ctx: Context, denom: str) -> bool:
    """Say whether open debits exceed income - cost, the flag SHORT (economy C17, I4)."""
    debits = 0
    for reserve_id, wijk in get_pledges(ctx):
        if wijk == ctx.wijk_id:
            reserve = RESERVES.get(ctx.state, reserve_id)
            debits += reserve.open_debits if reserve is not None else 0
    income = get_balance(ctx.state, denom, INCOME, ctx.wijk_id)
    return debits > income - get_balance(ctx.state, denom, COST, ctx.wijk_id)
