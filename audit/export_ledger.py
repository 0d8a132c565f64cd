"""The posting stream as journals of plain-text bookkeeping: hledger and beancount (economy X2, X3).

A debit is above zero, a credit below. Both programs read the balances that are claimed at the end
of each month and of the period, and refuse a journal that does not add up to them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TextIO

from audit.rows import GENESIS_HEIGHT, Group, Row
from chain.books import BANK, COST, DUE_FROM, DUE_TO, FUND, HELD, INCOME, MEMBER, PENDING_OUT, POOL
from chain.dates import date_text, from_days, to_days

Place = tuple[str, str, str]  # denomination, class, account

COMMODITY_CHARS_MAX = 24  # economy X3
_SLUG_KEPT = 15
CLASS_NAMES = {
    BANK: "bank",
    MEMBER: "member",
    PENDING_OUT: "pending out",
    POOL: "pool",
    HELD: "held",
    DUE_FROM: "due from",
    DUE_TO: "due to",
    FUND: "fund",
    INCOME: "income",
    COST: "cost",
}
_ROOTS = {
    **dict.fromkeys((BANK, DUE_FROM), "Assets"),
    **dict.fromkeys((MEMBER, PENDING_OUT, POOL, HELD, DUE_TO, FUND), "Liabilities"),
    INCOME: "Income",
    COST: "Expenses",
}
_TYPES = {"Assets": "A", "Liabilities": "L", "Income": "R", "Expenses": "X"}


class Dialect(Protocol):
    """How a program writes what a journal says. Each call returns text for the file."""

    name: str

    def begin(self, title: str) -> str:
        """What stands at the top."""

    def carry(self, date: int, carried: Mapping[Place, int]) -> str:
        """Balances from before the period."""

    def write(self, group: Group) -> str:
        """A transaction."""

    def claim(self, date: int, balances: Mapping[Place, int]) -> str:
        """What balances have to be at the end of a day."""

    def end(self) -> str:
        """What stands at the bottom."""


class Journal:
    """A journal that claims its balances: of what changed, each month, and of all at the end."""

    def __init__(
        self, folder: Path, dialect: Dialect, title: str, first: int | None, last: int
    ) -> None:
        """`first` and `last` are the dates of the period, YYYYMMDD; None is from genesis."""
        self.name = dialect.name
        self._dialect = dialect
        self._file: TextIO = (folder / self.name).open("x", encoding="utf-8", newline="\n")
        self._first, self._last = first, last
        self._balances: dict[Place, int] = defaultdict(int)
        self._changed: set[Place] = set()
        self._month = 0
        self._rows = 0
        self._file.write(dialect.begin(title))

    def add_earlier(self, group: Group) -> None:
        """Take rows from before the period: they make the opening balances."""
        for row in group:
            self._balances[row.denom, row.klass, row.account] += row.debit_cents

    def add(self, group: Group) -> None:
        """Write a transaction."""
        month = group[0].book_date // 100
        self._carry()
        if self._month and month != self._month:
            self._claim(_get_last_day(self._month), self._changed)
            self._changed.clear()
        self._month = month
        for row in group:
            place = row.denom, row.klass, row.account
            self._balances[place] += row.debit_cents
            self._changed.add(place)
        self._file.write(self._dialect.write(group))
        self._rows += len(group)

    def close(self) -> dict[str, int]:
        """No more rows: claim every balance there is."""
        self._carry()
        self._claim(self._last, self._balances)
        self._file.write(self._dialect.end())
        self._file.close()
        return {self.name: self._rows}

    def _carry(self) -> None:
        """Before the first row, bring over what stood on the accounts before the period.

        An account that was empty by then is none of this period's.
        """
        if self._month or self._first is None:
            return
        carried = {place: cents for place, cents in sorted(self._balances.items()) if cents}
        self._balances = defaultdict(int, carried)
        if not carried:
            return
        self._file.write(self._dialect.carry(self._first, carried))
        self._month = self._first // 100

    def _claim(self, date: int, places: Iterable[Place]) -> None:
        claimed = {place: self._balances[place] for place in sorted(places)}
        if claimed:
            self._file.write(self._dialect.claim(date, claimed))


class Hledger:
    """hledger: accounts `class:name`, the commodity quoted, tags in comments."""

    name = "journal.hledger"

    def __init__(self) -> None:
        self._accounts: dict[str, str] = {}
        self._denoms: set[str] = set()

    def begin(self, title: str) -> str:
        """Say where it comes from."""
        return f"; {title}\n"

    def carry(self, date: int, carried: Mapping[Place, int]) -> str:
        """Write opening balances: per denomination they add up to nothing (economy I2)."""
        lines = [self._line(place, cents, "") for place, cents in carried.items()]
        return f"\n{date_text(date)} * opening balances\n" + "".join(lines)

    def write(self, group: Group) -> str:
        """Write a transaction with its id, and what each booking was for."""
        head = group[0]
        said = "" if head.tx is None else f"  ; tx:{head.tx}"
        lines = [
            self._line(
                (row.denom, row.klass, row.account),
                row.debit_cents,
                "" if row.flow is None else f"  ; flow:{row.flow}",
            )
            for row in group
        ]
        return f"\n{date_text(head.book_date)} * {_describe(head)}{said}\n" + "".join(lines)

    def claim(self, date: int, balances: Mapping[Place, int]) -> str:
        """Write balance assertions, as a transaction that moves nothing."""
        lines = [
            self._line(place, 0, f" = {_quote(place[0])} {_decimal(cents)}")
            for place, cents in balances.items()
        ]
        return f"\n{date_text(date)} * end of the month\n" + "".join(lines)

    def end(self) -> str:
        """Declare all accounts and commodities: `hledger check --strict` asks for them."""
        lines = [f"commodity {_quote(denom)} 1000.00\n" for denom in sorted(self._denoms)]
        lines += [
            f"account {account}  ; type:{kind}\n"
            for account, kind in sorted(self._accounts.items())
        ]
        return "\n" + "".join(lines)

    def _line(self, place: Place, cents: int, said: str) -> str:
        denom, klass, owner = place
        account = f"{klass}:{owner}"
        self._accounts[account] = _TYPES[_ROOTS[klass]]
        self._denoms.add(denom)
        return f"    {account}  {_quote(denom)} {_decimal(cents)}{said}\n"


class Beancount:
    """beancount: roots by class, names that start with a capital, commodities in capitals."""

    name = "books.beancount"

    def __init__(self) -> None:
        self._opened: set[str] = set()

    def begin(self, title: str) -> str:
        """Say where it comes from."""
        return f'option "title" {json.dumps(title)}\n'

    def carry(self, date: int, carried: Mapping[Place, int]) -> str:
        """Write opening balances: per denomination they add up to nothing (economy I2)."""
        return self._entry(date, "opening balances", "", [(p, c, None) for p, c in carried.items()])

    def write(self, group: Group) -> str:
        """Write a transaction with its id, and what each booking was for."""
        head = group[0]
        tx = "" if head.tx is None else f'  tx: "{head.tx}"\n'
        rows = [((row.denom, row.klass, row.account), row.debit_cents, row.flow) for row in group]
        return self._entry(head.book_date, _describe(head), tx, rows)

    def claim(self, date: int, balances: Mapping[Place, int]) -> str:
        """Write balance directives: they hold at the start of a day, so they name the next one."""
        day = date_text(from_days(to_days(date) + 1))
        return "\n" + "".join(
            f"{day} balance {_name_account(place)}  {_decimal(cents)} {name_commodity(place[0])}\n"
            for place, cents in balances.items()
        )

    def end(self) -> str:
        """Nothing more."""
        return ""

    def _entry(
        self, date: int, narration: str, meta: str, rows: Sequence[tuple[Place, int, str | None]]
    ) -> str:
        day = date_text(date)
        opened, lines = "", ""
        for place, cents, flow in rows:
            account = _name_account(place)
            if account not in self._opened:
                self._opened.add(account)
                opened += f"{day} open {account}\n"
            lines += f"  {account}  {_decimal(cents)} {name_commodity(place[0])}\n"
            lines += "" if flow is None else f'    flow: "{flow}"\n'
        return f'\n{opened}{day} * "{narration}"\n{meta}{lines}'


def name_commodity(denom: str) -> str:
    """Return a denomination as beancount takes it: capitals, at most 24 characters.

    A slug that is too long is cut, and four digits of its hash keep it apart from others.
    """
    slug, _, currency = denom.partition(":")
    name = f"{slug.upper()}.{currency}"
    if len(name) <= COMMODITY_CHARS_MAX:
        return name
    told_apart = sha256(slug.encode()).hexdigest()[:4].upper()
    return f"{slug.upper()[:_SLUG_KEPT]}-{told_apart}.{currency}"


def _name_account(place: Place) -> str:
    """Return the account as beancount takes it; capitals keep names as different as they were."""
    _, klass, owner = place
    owner = f"R{owner}" if klass in (BANK, POOL) else owner.capitalize()
    return f"{_ROOTS[klass]}:{klass}-{CLASS_NAMES[klass].title().replace(' ', '')}:{owner}"


def _describe(row: Row) -> str:
    if row.height == GENESIS_HEIGHT:
        return "genesis"
    return f"block {row.height}" + ("" if row.index < 0 else f" transaction {row.index}")


def _quote(denom: str) -> str:
    return f'"{denom}"'


def _decimal(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _get_last_day(month: int) -> int:
    """Return the last date, YYYYMMDD, of a month YYYYMM."""
    year, number = divmod(month, 100)
    following = (year + 1) * 100 + 1 if number == 12 else month + 1  # noqa: PLR2004 - December
    return from_days(to_days(following * 100 + 1) - 1)
