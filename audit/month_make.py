"""Make a month close of what a chain and the bank's files say (ADR 0099).

Figures are those of the last block of the month; what was attested later of a bank day in the month
is an open item at its end. Bank days are read at the tip, because those of the last days of a month
are attested after it. They never change once they are attested, and come in order (economy C5): so
the bytes are the same however long the chain has become, from the moment that it holds a later bank
day. Until then a day that is attested can change them, and answer an `end`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from audit.month_close import (
    CLASSES,
    FORMAT,
    Account,
    ClassLine,
    Day,
    Finding,
    Growth,
    Head,
    Issuer,
    MonthClose,
    OpenItem,
    Pending,
    Sums,
    Supply,
    add_up_backing,
    digest_of,
    last_day,
    month_text,
    subtract,
)
from audit.month_cuts import Cut, Cuts
from audit.reconcile import Books, compare_day, find_open, read_books
from bank.camt053 import RESERVE_BYTES, parse
from bank.camt053 import Statement as BankDay
from chain.books import BATCHED, DEBIT_CLASSES, OPEN, REDEMPTIONS, Redemption
from chain.checkpoint import read_body, read_note
from chain.codec import decode
from chain.crypto import sha256
from chain.dates import date_text, from_days, is_banking_day, to_days
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.keyspaces import ENTRIES, ISSUERS, SUPPLY, WIJKEN, Entry, Statement, Wijk
from chain.keyspaces import Supply as SupplyRow
from chain.state import State

NOTHING = SupplyRow(0, 0, 0, 0, 0, 0, 0, 0)


class NotOver(Malformed):
    """The chain has no such month, or not the whole of it yet; `nl` says so in Dutch."""

    def __init__(self, nl: str, en: str) -> None:
        super().__init__(en)
        self.nl = nl


class Bank(msgspec.Struct, frozen=True):
    """The bank's files of one reserve account: their SHA-256, and the days in them by date."""

    files: tuple[str, ...]
    days: tuple[BankDay, ...]


def choose_cuts(cuts: Cuts, month: int) -> tuple[Cut, Cut]:
    """Return the chain at the begin and the end of a month; raise `NotOver` where it has none."""
    if month < cuts.first_month:
        began = month_text(cuts.first_month)
        raise NotOver(f"de keten begon in {began}", f"the chain began in {began}")
    begin, end = cuts.get(month_before(month)), cuts.get(month)
    if begin is None or end is None:
        text = month_text(month)
        raise NotOver(
            f"de keten heeft nog geen blok van na {text}",
            f"the chain has no block of after {text} yet",
        )
    return begin, end


def month_before(month: int) -> int:
    """Return the month, YYYYMM, before a month."""
    return from_days(to_days(month * 100 + 1) - 1) // 100


def find_accounts(cuts: Cuts, wijk: str) -> list[Books]:
    """Return the reserve accounts of a wijk, with all that was ever attested of them."""
    return [one for one in read_books(cuts.state) if one.reserve.wijk == wijk]


def sort_files(
    accounts: Sequence[Books], files: Sequence[bytes], currency: str
) -> dict[bytes, Bank]:
    """Return the files by reserve account: entry ids tell of which one they are (economy C4).

    Raise `Malformed` for a file of none of them, `bank.faults.BankFileError` for a bad file.
    """
    read: dict[str, list[tuple[str, bytes]]] = {}
    for data in {sha256(data): data for data in files}.values():
        for iban in {day.iban for day in parse(data, bytes(RESERVE_BYTES), currency)}:
            read.setdefault(iban, []).append((sha256(data).hex(), data))
    found: dict[bytes, Bank] = {}
    for iban, of_account in sorted(read.items()):
        scores = []
        for books in accounts:
            days = [
                day
                for _, data in of_account
                for day in parse(data, books.reserve_id, currency)
                if day.iban == iban
            ]
            known = sum(line.entry_id in books.entries for day in days for line in day.entries)
            equal = sum(
                said is not None and (said.opening, said.closing) == (day.opening, day.closing)
                for day in days
                for said in (books.days.get(day.date),)
            )
            empty = not any(day.entries for day in days)
            scores.append(((known, equal, empty and len(accounts) == 1), books.reserve_id, days))
        score, reserve_id, days = max(scores, key=lambda one: one[:2], default=((0, 0, 0), b"", []))
        if not any(score) or reserve_id in found:
            raise Malformed("a bank file is of no reserve account of this wijk")
        names = tuple(sorted(name for name, _ in of_account))
        found[reserve_id] = Bank(names, tuple(sorted(days, key=lambda day: day.date)))
    return found


def make_close(
    genesis: Genesis,
    cuts: Cuts,
    wijk_id: str,
    month: int,
    bank: Mapping[bytes, Bank] | None,
    previous: MonthClose | None = None,
    replaces: MonthClose | None = None,
) -> MonthClose:
    """Return the close of a month; `bank` None: the chain's side of it alone.

    Raise `NotOver` where the chain has no such month, `Malformed` where it has no such wijk.
    """
    begin, end = choose_cuts(cuts, month)
    state = State(end.state.get)
    wijk = WIJKEN.get(state, wijk_id)
    if wijk is None:
        raise Malformed(f"there was no wijk {wijk_id} in {month_text(month)}")
    if end.note is None:
        text = month_text(month)
        raise NotOver(
            f"de keten had in {text} nog geen blok", f"the chain had no block yet in {text}"
        )
    head = _make_head(end.note)
    denom = wijk.denom(wijk_id)
    classes = _make_classes(begin, end, denom)
    supply = _make_supply(begin, end, denom)
    accounts: list[Account] = []
    findings: list[Finding] = []
    for books in find_accounts(cuts, wijk_id):
        made = _make_account(
            books,
            end,
            month,
            denom,
            None if bank is None else bank.get(books.reserve_id, Bank((), ())),
        )
        if made is not None:
            accounts.append(made[0])
            findings += made[1]
    backing = add_up_backing(accounts, classes, supply.end)
    if backing.difference_cents < 0:
        findings.append(Finding("short", chain_cents=backing.difference_cents))
    growth = None
    if previous is not None:
        size = previous.checkpoint.log_size
        if size > head.log_size:
            raise Malformed("the log was longer at the close before")
        path = cuts.prove_growth(size, head.log_size)
        growth = Growth(size, head.log_size, tuple(one.hex() for one in path))
    return MonthClose(
        FORMAT,
        genesis.doc.chain_id,
        genesis.digest.hex(),
        wijk_id,
        denom,
        month_text(month),
        1 if replaces is None else replaces.version + 1,
        None if replaces is None else digest_of(replaces),
        None if previous is None else digest_of(previous),
        head,
        growth,
        _make_issuer(state, wijk),
        supply,
        classes,
        _make_pending(end, denom),
        tuple(accounts),
        backing,
        "ok",
        tuple(sorted(findings, key=_order)),
    )


def _order(one: Finding) -> tuple[str, ...]:
    return tuple(str(getattr(one, name) or "") for name in ("reserve", "on", "kind", "entry"))


def _make_head(note: str) -> Head:
    said = read_body(read_note(note).body)
    return Head(
        said.height, said.round, said.block_id.hex(), said.log_size, said.log_root.hex(), note
    )


def _make_classes(begin: Cut, end: Cut, denom: str) -> tuple[ClassLine, ...]:
    lines = []
    for klass in CLASSES:
        before, after = (
            [cut.turnover.get((denom, klass, side), 0) for side in "DC"] for cut in (begin, end)
        )
        side = 1 if klass in DEBIT_CLASSES else -1
        opening, closing = (side * (debits - credits_) for debits, credits_ in (before, after))
        debits, credits_ = after[0] - before[0], after[1] - before[1]
        lines.append(ClassLine(klass, opening, debits, credits_, closing))
    return tuple(lines)


def _make_supply(begin: Cut, end: Cut, denom: str) -> Supply:
    first, last = (_make_sums(cut, denom) for cut in (begin, end))
    return Supply(first, subtract(last, first), last)


def _make_sums(cut: Cut, denom: str) -> Sums:
    row = SUPPLY.get(State(cut.state.get), denom) or NOTHING
    outstanding = row.issued - row.redeemed + row.traded_in - row.traded_out
    return Sums(row.issued, row.redeemed, row.traded_in, row.traded_out, outstanding)


def _make_issuer(state: State, wijk: Wijk) -> Issuer:
    issuer = ISSUERS.get(state, wijk.issuer)
    assert issuer is not None, "a wijk names an issuer that exists"
    caps = issuer.wallet_cap, issuer.total_cap
    return Issuer(wijk.issuer, issuer.mode, *caps, issuer.outstanding)


def _make_pending(end: Cut, denom: str) -> tuple[Pending, ...]:
    rows: list[tuple[bytes, Redemption]] = []
    for key, value in end.state.items():
        name, *parts = decode(list[Any], key)
        if name == REDEMPTIONS.name:
            rows.append((parts[0], decode(Redemption, value)))
    return tuple(
        Pending(
            name.hex(), one.cents, date_text(one.due) if one.due else None, one.status == BATCHED
        )
        for name, one in sorted(rows, key=lambda row: row[0])
        if one.denom == denom and one.status in (OPEN, BATCHED)
    )


def _make_account(
    books: Books, end: Cut, month: int, denom: str, bank: Bank | None
) -> tuple[Account, list[Finding]] | None:
    """Return a reserve account at the end of a month, None for one that had not begun."""
    first, last = month * 100 + 1, last_day(month)
    whole = {date: said for date, said in books.days.items() if said.pages_done == said.pages}
    opening = _find_opening(whole, first)
    days = {date: said for date, said in whole.items() if first <= date <= last and said.height}
    booked_at = {of: cents for (of, name), cents in end.bank.items() if name == books.reserve_id}
    if opening is None and not days and not any(booked_at.values()):
        return None
    balance = opening or 0
    lines = Counter(entry.number for entry in books.entries.values())
    shown = [_make_day(date, said, lines[said.number]) for date, said in sorted(days.items())]
    closing = shown[-1].closing_cents if shown else balance
    then = _as_of(books, end)
    open_items = find_open(then, last)
    still = sum(item.cents if item.side == "C" else -item.cents for item in open_items)
    booked = sum(booked_at.values())
    findings: list[Finding] = []
    reserve = books.reserve_id.hex()
    if closing != booked + still:
        on = date_text(last)
        findings.append(Finding("books", reserve, on, None, closing, booked + still))
    matched = 0
    if bank is not None:
        matched, differences, quiet = _compare(books, whole, month, bank, balance)
        findings += differences
        shown = sorted([*shown, *quiet], key=lambda day: day.on)
    items = tuple(
        OpenItem(
            one.entry.hex(), one.cents, "C" if one.side == "C" else "D", date_text(one.on), one.days
        )
        for one in open_items
    )
    files = () if bank is None else bank.files
    account = Account(
        reserve,
        files,
        tuple(shown),
        balance,
        closing,
        matched,
        items,
        still,
        booked,
        booked_at.get(denom, 0),
    )
    return account, findings


def _find_opening(whole: Mapping[int, Statement], first: int) -> int | None:
    """Return the closing balance before a date; genesis may attest one inside the month."""
    before = [date for date, said in whole.items() if date < first or not said.height]
    return whole[max(before)].closing if before else None


def _make_day(date: int, said: Statement, count: int) -> Day:
    return Day(
        date_text(date),
        said.id.hex() if count else None,
        said.opening,
        said.credits,
        said.debits,
        said.closing,
        count,
    )


def _as_of(books: Books, end: Cut) -> Books:
    """Return an account with its entries used or open as they were at the end of the month."""
    entries: dict[bytes, Entry] = {}
    state = State(end.state.get)
    for name, entry in books.entries.items():
        then = ENTRIES.get(state, name)
        used = None if then is None or then.number != entry.number else then.used_by
        entries[name] = msgspec.structs.replace(entry, used_by=used)
    return msgspec.structs.replace(books, entries=entries)


def _compare(
    books: Books, whole: Mapping[int, Statement], month: int, bank: Bank, opening: int
) -> tuple[int, list[Finding], list[Day]]:
    """Return how many entries are equal, what differs, and the quiet days that nobody attested."""
    first, last = month * 100 + 1, last_day(month)
    reserve = books.reserve_id.hex()
    findings: list[Finding] = []
    quiet: list[Day] = []
    matched, balance = 0, opening
    attested = msgspec.structs.replace(books, days=whole)  # half a day is none
    inside = [day for day in bank.days if first <= day.date <= last]
    for day in inside:
        said = whole.get(day.date)
        if said is None and not day.entries and day.opening == day.closing == balance:
            quiet.append(Day(date_text(day.date), None, balance, 0, 0, balance, 0))
            continue
        equal, found = compare_day(attested, day)
        matched += equal if said is not None and said.height else 0
        findings += [
            Finding(
                one.kind,
                reserve,
                date_text(one.on),
                None if one.entry is None else one.entry.hex(),
                one.bank,
                one.chain,
            )
            for one in found
        ]
        if said is not None:
            balance = said.closing
    for before, after in pairwise(bank.days):
        near = first <= before.date <= last or first <= after.date <= last
        joins = after.opening == before.closing and after.date > before.date
        if near and not joins:
            on = date_text(after.date)
            findings.append(Finding("gap", reserve, on, None, after.opening, before.closing))
    in_file = {day.date for day in inside}
    for date, said in whole.items():
        if first <= date <= last and said.height and date not in in_file:
            findings.append(Finding("day", reserve, date_text(date), chain_cents=said.closing))
    if not _is_ended(whole, bank, month):
        closing = inside[-1].closing if inside else balance
        findings.append(Finding("end", reserve, date_text(last), bank_cents=closing))
    return matched, findings, quiet


def _is_ended(whole: Mapping[int, Statement], bank: Bank, month: int) -> bool:
    """Say whether nothing can have happened at the bank after the last day that was seen.

    It is the last banking day of the month, or a later statement opens with its closing balance:
    in the bank's files, or on the chain, where every one has to (economy C5).
    """
    last = last_day(month)
    working = last
    while not is_banking_day(working):
        working = from_days(to_days(working) - 1)
    if any(working <= day.date <= last for day in bank.days) or any(date > last for date in whole):
        return True
    return any(day.date > last for day in bank.days)
