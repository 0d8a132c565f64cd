"""`audit reconcile`: the bank's own file against statements, entries and class 1 of a chain (X7).

The file is read with the parser of the treasurers, the chain is executed again. What the two say of
the same bank day has to be equal to the cent; what is attested and not booked yet is an open item.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from bank.camt053 import RESERVE_BYTES, parse
from bank.camt053 import Entry as BankLine
from bank.camt053 import Statement as BankDay
from chain.books import BANK, COST, INCOME, get_balance, get_supply
from chain.codec import decode
from chain.dates import to_days
from chain.errors import Malformed
from chain.keyspaces import (
    BALANCES,
    ENTRIES,
    RESERVES,
    STATEMENTS,
    WIJKEN,
    Entry,
    Reserve,
    Statement,
)
from chain.state import Keyspace, State


class Finding(msgspec.Struct, frozen=True):
    """One difference: `bank` and `chain` are what each says, None where it says nothing.

    `kind` is one of entry, amount, side, reversal, day, opening, closing, gap, books.
    """

    kind: str
    on: int
    entry: bytes | None = None
    bank: int | None = None
    chain: int | None = None
    tx: bytes | None = None


class Item(msgspec.Struct, frozen=True):
    """A bank entry that is attested and in no booking yet, cents; `days` old at the last day."""

    entry: bytes
    cents: int
    side: str
    on: int
    days: int


class Reconciled(msgspec.Struct, frozen=True):
    """What came of it. Amounts in cents.

    `difference` is bank + due from - due to - supply, and `explained` what open items, income and
    cost make of it; None where the chain attests days after the file, so that the two are of
    different moments.
    """

    wijk: str
    statement: bytes
    matched: int
    findings: tuple[Finding, ...]
    open_items: tuple[Item, ...]
    supply: int
    bank: int
    difference: int | None

    @property
    def ok(self) -> bool:
        """Whether bank and chain say the same of every day in the file."""
        return not self.findings


class Books(msgspec.Struct, frozen=True):
    """What a chain says of one reserve account."""

    reserve_id: bytes
    reserve: Reserve
    days: dict[int, Statement]
    entries: dict[bytes, Entry]


def check_files(files: Sequence[bytes]) -> None:
    """Raise `bank.faults.BankFileError` for a bad file, before a chain is executed for it."""
    for data in files:
        parse(data, bytes(RESERVE_BYTES))


def choose_books(
    state: dict[bytes, bytes], files: Sequence[bytes], wijk: str | None
) -> tuple[Books, tuple[BankDay, ...]]:
    """Return the reserve account that the files are of, and the days in them.

    Entry ids are made with the id of the reserve, so only the right one has entries of the file.
    Raise `Malformed` where none of that wijk has, `bank.faults.BankFileError` for a bad file.
    """
    best: tuple[int, Books, tuple[BankDay, ...]] | None = None
    for books in read_books(state):
        if wijk is not None and books.reserve.wijk != wijk:
            continue
        days = tuple(day for data in files for day in parse(data, books.reserve_id))
        known = sum(line.entry_id in books.entries for day in days for line in day.entries)
        if best is None or known > best[0]:
            best = known, books, days
    if best is None or (not best[0] and wijk is None):
        raise Malformed("no reserve account of the chain has an entry of this file")
    _, books, days = best
    if len({day.iban for day in days}) > 1:
        raise Malformed("the files are of more than one account")
    return books, tuple(sorted(days, key=lambda day: day.date))


def reconcile(state: dict[bytes, bytes], books: Books, days: Sequence[BankDay]) -> Reconciled:
    """Compare every bank day; `days` are of one account, in order of date."""
    findings: list[Finding] = []
    matched = 0
    for before, after in pairwise(days):
        if after.opening != before.closing or after.date == before.date:
            findings.append(Finding("gap", after.date, bank=after.opening, chain=before.closing))
    for day in days:
        equal, found = compare_day(books, day)
        matched += equal
        findings += found
    first, last = days[0], days[-1]
    in_file = {day.date for day in days}
    for date in sorted(books.days):
        if first.date <= date <= last.date and date not in in_file:
            said = books.days[date]
            findings.append(Finding("day", date, chain=said.closing, tx=said.id))
    open_items = tuple(find_open(books, last.date))
    read = State(state.get)
    wijk_id = books.reserve.wijk
    wijk = WIJKEN.get(read, wijk_id)
    assert wijk is not None, "a reserve is pledged to a wijk that exists"
    denom = wijk.denom(wijk_id)
    supply = get_supply(read, denom)
    outstanding = supply.issued - supply.redeemed + supply.traded_in - supply.traded_out
    difference: int | None = None
    if books.reserve.date == last.date:
        booked, own = _get_booked(state, books.reserve_id, denom)
        still = sum(item.cents if item.side == "C" else -item.cents for item in open_items)
        if last.closing != booked + still:
            findings.append(Finding("books", last.date, bank=last.closing, chain=booked + still))
        # The wijk's part of this account, and what it has at further ones.
        reserves = last.closing - (booked - own) + supply.reserve - own
        difference = reserves + supply.due_from - supply.due_to - outstanding
        results = get_balance(read, denom, INCOME, wijk_id) - get_balance(
            read, denom, COST, wijk_id
        )
        if difference != still + results:
            findings.append(Finding("books", last.date, bank=difference, chain=still + results))
    statement = books.days.get(last.date)
    return Reconciled(
        wijk_id,
        statement.id if statement is not None else b"",
        matched,
        tuple(findings),
        open_items,
        outstanding,
        last.closing,
        difference,
    )


def _get_booked(state: dict[bytes, bytes], reserve_id: bytes, denom: str) -> tuple[int, int]:
    """Return what stands at a reserve account in class 1, and how much of it in `denom`.

    A deposit at a partner is at an account of the partner, in the books of who put it there (C17).
    """
    rows = _scan(state, BALANCES)
    at = {of: cents for (of, klass, owner), cents in rows if (klass, owner) == (BANK, reserve_id)}
    return sum(at.values()), at.get(denom, 0)


def compare_day(books: Books, day: BankDay) -> tuple[int, list[Finding]]:
    """Return how many entries of a bank day are equal, and what differs."""
    said = books.days.get(day.date)
    if said is None:
        return 0, [Finding("day", day.date, bank=day.closing)]
    found: list[Finding] = []
    if said.opening != day.opening:
        found.append(Finding("opening", day.date, bank=day.opening, chain=said.opening))
    if said.closing != day.closing:
        found.append(Finding("closing", day.date, bank=day.closing, chain=said.closing))
    attested = {
        entry_id: entry
        for entry_id, entry in books.entries.items()
        if entry.date == day.date and entry.number == said.number
    }
    matched = 0
    for line in day.entries:
        differs = _compare_entry(attested.pop(line.entry_id, None), line, day.date)
        matched += not differs
        found += differs
    found += [
        Finding("entry", day.date, entry_id, chain=entry.cents, tx=entry.used_by or said.id)
        for entry_id, entry in attested.items()
    ]
    return matched, found


def _compare_entry(entry: Entry | None, line: BankLine, date: int) -> list[Finding]:
    if entry is None:
        return [Finding("entry", date, line.entry_id, bank=line.cents)]
    found = []
    for kind, differs in (
        ("amount", entry.cents != line.cents),
        ("side", entry.side != line.side),
        ("reversal", bool(entry.reversal) != line.reversal),
    ):
        if differs:
            found.append(Finding(kind, date, line.entry_id, line.cents, entry.cents, entry.used_by))
    return found


def find_open(books: Books, last: int) -> list[Item]:
    """Return what is attested up to `last` and not booked, the oldest first (economy C6, X7)."""
    items = []
    for entry_id, entry in books.entries.items():
        held = books.days.get(entry.date)
        whole = held is not None and held.number == entry.number and held.pages_done == held.pages
        if whole and entry.used_by is None and entry.date <= last:
            age = to_days(last) - to_days(entry.date)
            items.append(Item(entry_id, entry.cents, entry.side, entry.date, age))
    return sorted(items, key=lambda item: (item.on, item.entry))


def read_books(state: dict[bytes, bytes]) -> list[Books]:
    """Return every reserve account of a chain with all that was attested of it."""
    found = {
        reserve_id: Books(reserve_id, reserve, {}, {})
        for (reserve_id,), reserve in _scan(state, RESERVES)
    }
    for (reserve_id, date), statement in _scan(state, STATEMENTS):
        found[reserve_id].days[date] = statement
    for (entry_id,), entry in _scan(state, ENTRIES):
        found[entry.reserve].entries[entry_id] = entry
    return [found[reserve_id] for reserve_id in sorted(found)]


def _scan(state: dict[bytes, bytes], space: Keyspace[Any]) -> list[tuple[list[Any], Any]]:
    rows = []
    for key, value in state.items():
        name, *parts = decode(list[Any], key)
        if name == space.name:
            rows.append((parts, decode(space.kind, value)))
    return rows
