"""XAF 4.0, the audit file of the Dutch tax office: one file per wijk and fiscal year (economy X4).

Ledger accounts are classes, never members; addresses and relations are left out. `linesCount`,
`totalDebit` and `totalCredit` are those of the chain for that wijk and period (economy I16).
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape

import msgspec

from audit.export_ledger import CLASS_NAMES
from audit.rows import GENESIS_HEIGHT, Group, Row
from chain.books import BANK, COST, DUE_FROM, DUE_TO, INCOME
from chain.dates import date_text, from_days, to_days

NAMESPACE = (
    "http://www.odb.belastingdienst.nl/Belastingdienst/BCPP/1.1/structures/XmlauditfileXAF_4.0"
)
ID_CHARS = 32  # of a transaction id in hex: the schema takes 35
# Journals: id -> type and what it holds, in the order of the file.
JOURNALS = {
    "OPEN": ("O", "opening balances of genesis"),
    "BANK": ("B", "movements of the reserve account"),
    "PAY": ("Y", "paid work"),
    "MEMO": ("M", "movements of coin"),
    "CHAIN": ("Z", "what the chain does by itself"),
}


class Company(msgspec.Struct, frozen=True):
    """A wijk as the tax office knows it. `tax_id` comes from the wijk itself; it may be empty."""

    name: str
    currency: str
    tax_id: str


def name_by_id(wijk: str, currency: str) -> Company:
    """Return a wijk that genesis does not know: the names of its brand may change, its id stays."""
    return Company(wijk, currency, "")


class _Year:
    """The books of one wijk in one fiscal year: journals wait in temporary files."""

    def __init__(self, opening: dict[str, int]) -> None:
        self.opening = {account: cents for account, cents in sorted(opening.items()) if cents}
        self.journals: dict[str, IO[str]] = {}
        self.lines = 0
        self.debits = 0
        self.credits = 0


class Xaf:
    """Audit files of all wijken. `made_on`, `first` and `last` are dates, YYYYMMDD."""

    def __init__(
        self,
        folder: Path,
        companies: dict[str, Company],
        software: tuple[str, str],
        period: tuple[int | None, int],
        made_on: int,
        make_company: Callable[[str, str], Company] = name_by_id,
    ) -> None:
        """`companies` are those of genesis; `make_company` gives a wijk that was founded later, by
        its id and currency.
        """
        self._folder = folder
        self._companies = dict(companies)
        self._make_company = make_company
        self._software = software
        self._first, self._last = period
        self._made_on = made_on
        self._balances: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._accounts: dict[str, dict[str, str]] = defaultdict(dict)
        self._years: dict[tuple[str, int], _Year] = {}

    def add_earlier(self, group: Group) -> None:
        """Take rows from before the period: they make the opening balances."""
        for row in group:
            self._meet(row)
            self._balances[row.wijk][self._account(row)] += row.debit_cents

    def add(self, group: Group) -> None:
        """Write a transaction into the file of each wijk that it touches."""
        if self._first is None:
            self._first = group[0].book_date
        for row in group:
            self._meet(row)
        for wijk in dict.fromkeys(row.wijk for row in group):
            self._add(wijk, [row for row in group if row.wijk == wijk])

    def _meet(self, row: Row) -> None:
        """Note a wijk that is new."""
        if row.wijk not in self._companies:
            currency = row.denom.partition(":")[2]
            self._companies[row.wijk] = self._make_company(row.wijk, currency)

    def _add(self, wijk: str, rows: list[Row]) -> None:
        year = self._year(wijk, rows[0].book_date // 10_000)
        journal = _choose_journal(rows)
        if journal not in year.journals:
            year.journals[journal] = tempfile.TemporaryFile(  # noqa: SIM115 - closed when the year is written
                "w+", encoding="utf-8"
            )
        year.journals[journal].write(self._transaction(rows))
        for row in rows:
            self._balances[wijk][self._account(row)] += row.debit_cents
            year.lines += 1
            if row.side == "D":
                year.debits += row.cents
            else:
                year.credits += row.cents

    def _year(self, wijk: str, number: int) -> _Year:
        """Return the open year; a wijk without movements in a year before it has that file too."""
        found = self._years.get((wijk, number))
        if found is None:
            assert self._first is not None, "the first row begins the period"
            for earlier in range(self._first // 10_000, number + 1):
                if (wijk, earlier) not in self._years:
                    found = _Year(dict(self._balances[wijk]))
                    self._years[wijk, earlier] = found
        assert found is not None, "the last of them is the one asked for"
        return found

    def close(self) -> dict[str, int]:
        """No more rows: write the files."""
        files: dict[str, int] = {}
        first = self._last if self._first is None else self._first
        self._first = first
        for wijk in self._companies:
            for number in range(first // 10_000, self._last // 10_000 + 1):
                year = self._year(wijk, number)
                files[self._write(wijk, number, year)] = year.lines
        return files

    def _write(self, wijk: str, number: int, year: _Year) -> str:
        assert self._first is not None, "it was settled before"
        start = max(self._first, number * 10_000 + 101)
        end = min(self._last, number * 10_000 + 1231)
        company = self._companies[wijk]
        name, version = self._software
        path = self._folder / f"xaf-{wijk}-{number}.xml"
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(
                f'<?xml version="1.0" encoding="UTF-8"?>\n<auditfile xmlns="{NAMESPACE}">\n<header>'
                + _leaf("fiscalYear", str(number))
                + _leaf("startDate", date_text(start))
                + _leaf("endDate", date_text(end))
                + _leaf("curCode", company.currency)
                + _leaf("dateCreated", date_text(self._made_on))
                + _leaf("softwareDesc", name)
                + _leaf("softwareVersion", version[:20])
                + "</header>\n<company>"
                + _leaf("companyName", company.name)
                + _leaf("taxRegistrationCountry", "NL")
                + _leaf("taxRegIdent", company.tax_id)
                + self._ledger(wijk)
                + _write_periods(start, end)
                + _write_opening(year)
            )
            file.write(
                "<transactions>"
                + _leaf("linesCount", str(year.lines))
                + _leaf("totalDebit", _decimal(year.debits))
                + _leaf("totalCredit", _decimal(year.credits))
                + "\n"
            )
            for journal, (kind, about) in JOURNALS.items():
                if journal in year.journals:
                    head = _leaf("jrnID", journal) + _leaf("desc", about) + _leaf("jrnTp", kind)
                    file.write(f"<journal>{head}\n")
                    with year.journals[journal] as waiting:
                        waiting.seek(0)
                        for line in waiting:
                            file.write(line)
                    file.write("</journal>\n")
            file.write("</transactions>\n</company>\n</auditfile>\n")
        return path.name

    def _transaction(self, rows: list[Row]) -> str:
        head = rows[0]
        number = f"block-{head.height}" if head.tx is None else head.tx[:ID_CHARS]
        day = date_text(head.book_date)
        lines = [
            "<trLine>"
            + _leaf("nr", str(place))
            + _leaf("accID", self._account(row))
            + _leaf("docRef", number)
            + _leaf("effDate", day)
            + ("" if row.flow is None else _leaf("desc", row.flow))
            + _leaf("amnt", _decimal(row.cents))
            + _leaf("amntTp", row.side)
            + "</trLine>\n"
            for place, row in enumerate(rows, start=1)
        ]
        return (
            "<transaction>"
            + _leaf("nr", number)
            + _leaf("periodNumber", str(head.book_date // 100 % 100))
            + _leaf("trDt", day)
            + "\n"
            + "".join(lines)
            + "</transaction>\n"
        )

    def _account(self, row: Row) -> str:
        """Return the ledger account of a row: its class, and for debts the other wijk."""
        account = row.klass
        about = CLASS_NAMES[row.klass]
        if row.klass in (DUE_FROM, DUE_TO):
            account, about = f"{row.klass}-{row.account}", f"{about} {row.account}"
        self._accounts[row.wijk][account] = about
        return account

    def _ledger(self, wijk: str) -> str:
        accounts = sorted(self._accounts[wijk].items())
        if not accounts:
            return "\n"
        lines = [
            "<ledgerAccount>"
            + _leaf("accID", account)
            + _leaf("accDesc", about)
            + _leaf("accTp", "P" if account in (INCOME, COST) else "B")
            + "</ledgerAccount>\n"
            for account, about in accounts
        ]
        return "\n<generalLedger>\n" + "".join(lines) + "</generalLedger>\n"


def _choose_journal(rows: list[Row]) -> str:
    if rows[0].height == GENESIS_HEIGHT:
        return "OPEN"
    if rows[0].tx is None:
        return "CHAIN"
    if any(row.klass == BANK for row in rows):
        return "BANK"
    return "PAY" if any(row.flow == "WORK" for row in rows) else "MEMO"


def _write_periods(start: int, end: int) -> str:
    periods = []
    for month in range(start // 100, end // 100 + 1):
        first, last = max(start, month * 100 + 1), min(end, _get_last_day(month))
        periods.append(
            "<period>"
            + _leaf("periodNumber", str(month % 100))
            + _leaf("startDatePeriod", date_text(first))
            + _leaf("endDatePeriod", date_text(last))
            + "</period>\n"
        )
    return "<periods>\n" + "".join(periods) + "</periods>\n"


def _write_opening(year: _Year) -> str:
    debits = sum(cents for cents in year.opening.values() if cents > 0)
    credits_ = -sum(cents for cents in year.opening.values() if cents < 0)
    lines = [
        "<obLine>"
        + _leaf("nr", str(number))
        + _leaf("accID", account)
        + _leaf("amnt", _decimal(abs(cents)))
        + _leaf("amntTp", "D" if cents > 0 else "C")
        + "</obLine>\n"
        for number, (account, cents) in enumerate(year.opening.items(), start=1)
    ]
    return (
        "<openingBalance>"
        + _leaf("linesCount", str(len(lines)))
        + _leaf("totalDebit", _decimal(debits))
        + _leaf("totalCredit", _decimal(credits_))
        + "\n"
        + "".join(lines)
        + "</openingBalance>\n"
    )


def _get_last_day(month: int) -> int:
    """Return the last date of a month of one calendar year, YYYYMM."""
    following = month * 100 + 101 if month % 100 < 12 else (month // 100 + 1) * 10_000 + 101  # noqa: PLR2004
    return from_days(to_days(following) - 1)


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _leaf(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>"
