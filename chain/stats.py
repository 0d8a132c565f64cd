"""What a payment means for the figures of a wijk: sums per month, and tables (economy S1 to S8).

Sums are kept with each payment, so that closing a month only freezes them (S2). A month is that of
the book date, YYYYMM. Cells of the sums, in cents: P1 output, P2, P3, P5 uses, D1 wages, D21 VAT,
D31 subsidies, TAX; `P6:<wijk>` sold to and `P7:<wijk>` bought from another wijk; and of sales
inside the wijk `S:<product>` as the seller says and `B:<product>` as the buyer says (S8).
"""

from collections.abc import Iterable
from typing import NamedTuple

from chain.books import BALANCE_CENTS_MAX, SALE
from chain.codec import Digest, Record, Uint, digest
from chain.dates import from_days, to_days
from chain.errors import Code, require
from chain.keyspaces import (
    BUSINESS,
    FEDERATION_WIJKEN,
    HOUSEHOLD,
    PERSON,
    AccountRecord,
    Member,
)
from chain.records import Tag
from chain.state import Keyspace, State

POOL_BUYER = "POOL"  # stands in place of a kind: money of a funder pays (S5)
NOT_TOLD = "-"  # a side that names no product
PRIVATE = (PERSON, HOUSEHOLD)
WORK, GIFT, TAX, SUBSIDY = "WORK", "GIFT", "TAX", "SUBSIDY"
INTERMEDIATE, FINAL, INVESTMENT = "P2", "P3", "P5"
PRODUCTS = (
    NOT_TOLD,
    *(f"C{number:02d}" for number in range(1, 16)),
    *"ABCDEFGHIJKLMNOPQRSTUV",
)
TOTALS = ("P1", "P2", "P3", "P5", "D1", "D21", "D31", "TAX")
PARTNERS = ("P6", "P7")
SIDES = ("S", "B")
CLOSING_DAYS = 10  # a month can be closed so many days after its last one
_NO_ROOT = bytes(32)


class Table(Record, frozen=True):
    """A version of `table/<wijk>/<period>`: the cells of a month that are not 0, by name.

    `root` = Digest of ["wijk.table.1", wijk, month, previous, cells]; `previous` is the root of the
    month before, 32 zero bytes where that was not closed: so a table fixes all before it.
    """

    height: Uint
    previous: Digest
    root: Digest
    cells: tuple[tuple[str, int], ...]


SUMS: Keyspace[int] = Keyspace("acc", int, 3)
TABLES: Keyspace[tuple[Table, ...]] = Keyspace("table", tuple[Table, ...], 2)


class Buyer(NamedTuple):
    """Who pays: its wijk, and the kind of its account, or POOL_BUYER."""

    wijk: str
    kind: str


def count_payment(
    state: State,
    book_date: int,
    buyer: Buyer,
    payee: AccountRecord,
    member: Member | None,
    cents: int,
    tag: Tag | None,
) -> None:
    """Add a payment to the sums of the wijken it touches (economy S1 to S5).

    `member` is the payee's; `cents` below zero take a payment back (C18). Moves of a party's own
    coin, of funders and between persons are never output (S3). Refuses with `tx.amount` what no
    sum can hold.
    """
    flow = _resolve_flow(buyer.kind, payee.kind, tag)
    month = book_date // 100
    if flow == SALE:
        _count_sale(state, month, buyer, payee, member, cents, tag)
    elif flow == WORK:
        _add(state, buyer.wijk, month, "D1", cents)
        if buyer.kind != BUSINESS:  # S5: output at cost; of a household, section T
            _add(state, buyer.wijk, month, "P1", cents)
            _add(state, buyer.wijk, month, FINAL, cents)
    elif flow == TAX:
        _add(state, buyer.wijk, month, "TAX", cents)
    elif flow == SUBSIDY:
        _add(state, payee.wijk, month, "D31", cents)


def close_month(state: State, wijk: str, month: int, height: int) -> Table:
    """Freeze the sums of a month and return the table; it is in the state."""
    names = list(TOTALS)
    names += [f"{side}:{product}" for side in SIDES for product in PRODUCTS]
    partners = FEDERATION_WIJKEN.get(state) or ()
    names += [f"{cell}:{partner}" for cell in PARTNERS for partner in partners]
    found = ((name, SUMS.get(state, wijk, month, name) or 0) for name in sorted(names))
    cells = tuple((name, cents) for name, cents in found if cents)
    before = TABLES.get(state, wijk, get_month_before(month))
    previous = before[-1].root if before else _NO_ROOT
    root = digest(["wijk.table.1", wijk, month, previous, cells])
    table = Table(height, previous, root, cells)
    TABLES.put(state, (table,), wijk, month)
    return table


def is_closed(state: State, wijk: str, book_date: int) -> bool:
    """Say whether the month of a book date is closed (economy C18)."""
    return TABLES.get(state, wijk, book_date // 100) is not None


class Figures(NamedTuple):
    """What a table says, in cents (S6 to S8). `discrepancies`: seller - buyer, by product."""

    production: int
    expenditure: int
    wages: int
    surplus: int
    taxes_less_subsidies: int
    discrepancies: dict[str, int]


def compute_figures(cells: Iterable[tuple[str, int]]) -> Figures:
    """Return wijk GDP three ways. Income equals production, because the surplus is its residue."""
    sums = dict(cells)
    total = {name: sums.get(name, 0) for name in TOTALS}
    sold = sum(cents for name, cents in sums.items() if name.startswith("P6:"))
    bought = sum(cents for name, cents in sums.items() if name.startswith("P7:"))
    basic = total["P1"] - total["D21"] + total["D31"]
    production = basic - total["P2"] + total["D21"] - total["D31"]
    expenditure = total["P3"] + total["P5"] + sold - bought
    taxes = total["D21"] + total["TAX"] - total["D31"]
    products = {name[2:] for name in sums if name[:2] in ("S:", "B:")}
    apart = {name: sums.get(f"S:{name}", 0) - sums.get(f"B:{name}", 0) for name in products}
    return Figures(
        production,
        expenditure,
        total["D1"],
        production - total["D1"] - taxes,
        taxes,
        {name: cents for name, cents in sorted(apart.items()) if cents},
    )


def get_month_before(month: int) -> int:
    """Return the month, YYYYMM, before a month."""
    return from_days(to_days(month * 100 + 1) - 1) // 100


def get_closing_day(month: int) -> int:
    """Return the first day, since 1970, on which a month may be closed."""
    year, number = divmod(month, 100)
    following = month + 1 if number < 12 else (year + 1) * 100 + 1  # noqa: PLR2004 - December
    return to_days(following * 100 + 1) - 1 + CLOSING_DAYS


def _resolve_flow(payer: str, payee: str, tag: Tag | None) -> str:
    """economy S1, S3: what was not told is a gift to a person by persons or a pool, else a sale."""
    if tag is not None:
        return tag.flow
    return GIFT if payer in (*PRIVATE, POOL_BUYER) and payee in PRIVATE else SALE


def _count_sale(
    state: State,
    month: int,
    buyer: Buyer,
    payee: AccountRecord,
    member: Member | None,
    cents: int,
    tag: Tag | None,
) -> None:
    """economy S4, S5."""
    seller = payee.wijk
    _add(state, seller, month, "P1", cents)
    if tag is not None and tag.vat:
        _add(state, seller, month, "D21", tag.vat if cents > 0 else -tag.vat)
    use = _resolve_use(buyer.kind, tag)
    _add(state, buyer.wijk, month, use, cents)
    if buyer.wijk == seller:
        made = member.out_product if member is not None else None
        told = tag.product if tag is not None else None
        _add(state, seller, month, f"S:{made or NOT_TOLD}", cents)
        _add(state, seller, month, f"B:{told or NOT_TOLD}", cents)
    else:
        _add(state, seller, month, f"P6:{buyer.wijk}", cents)
        _add(state, buyer.wijk, month, f"P7:{seller}", cents)
    if use == INTERMEDIATE and buyer.kind not in (*PRIVATE, BUSINESS):
        # S5: what an institution uses up is its own output, at cost, and consumed by all.
        _add(state, buyer.wijk, month, "P1", cents)
        _add(state, buyer.wijk, month, FINAL, cents)


def _resolve_use(payer: str, tag: Tag | None) -> str:
    """economy S1, S5: pools buy for residents; a business uses up or invests."""
    if payer == POOL_BUYER:
        return FINAL
    told = None if tag is None else tag.use
    if payer == BUSINESS:
        return INVESTMENT if told == INVESTMENT else INTERMEDIATE
    return told or (FINAL if payer in PRIVATE else INTERMEDIATE)


def _add(state: State, wijk: str, month: int, cell: str, cents: int) -> None:
    total = (SUMS.get(state, wijk, month, cell) or 0) + cents
    require(total <= BALANCE_CENTS_MAX, Code.TX_AMOUNT)  # no sum of the books reaches 2^53 (B8)
    SUMS.put(state, total or None, wijk, month, cell)
