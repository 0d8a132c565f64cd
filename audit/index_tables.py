"""The index as tables: one description for SQLite and PostgreSQL, and what a block puts in them.

Cents and heights are integers, dates and times ISO 8601 text in UTC, ids hex, accounts bech32m. An
index of -1 is the start of a block, height 0 is genesis (economy section 7). Pure: no database.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from audit.export_tables import COLUMNS, get_cells
from audit.rows import Row, make_block_rows, make_genesis_rows
from chain.address import account_text
from chain.books import DEBIT_CLASSES, DUE_FROM, DUE_TO, FUND, MEMBER, PENDING_OUT, POOL
from chain.call_json import call_to_json
from chain.codec import decode
from chain.contract import Table as Contracts
from chain.contract import call_name
from chain.dates import compute_book_date, date_text
from chain.genesis import Genesis
from chain.records import Header, Outcome, Tx

FORMAT = "wijk/index/1"  # in the mark; another form of these tables gets another number
MARK = "index_mark"
INTEGER, TEXT = "INTEGER", "TEXT"
ACCOUNT_BYTES = 20

Cells = tuple[Any, ...]
Rows = dict[str, list[Cells]]  # by table


class Table(msgspec.Struct, frozen=True):
    """A table. `key` are the columns of its primary key; of a sum, the last column is added up."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    is_sum: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(name for name, _ in self.columns)


_POSTING_INTEGERS = ("height", "index", "leg", "cents")

TABLES = (
    Table(  # one row: how far the tables are, written together with what it says
        MARK,
        (
            *(("id", INTEGER), ("format", TEXT), ("chain_id", TEXT), ("chain_digest", TEXT)),
            *(("height", INTEGER), ("block_id", TEXT), ("log_size", INTEGER)),
        ),
        ("id",),
    ),
    Table(
        "blocks",
        (
            *(("height", INTEGER), ("block_id", TEXT), ("parent_id", TEXT), ("time", TEXT)),
            *(("book_date", TEXT), ("creator", TEXT), ("transactions", INTEGER)),
            *(("log_size", INTEGER), ("log_root", TEXT), ("state_root", TEXT)),
        ),
        ("height",),
        (("block_id",),),
    ),
    Table(
        "txs",
        (
            *(("height", INTEGER), ("index", INTEGER), ("tx", TEXT), ("log_index", INTEGER)),
            *(("sender", TEXT), ("type", TEXT), ("code", INTEGER), ("params", TEXT)),
            *(("bytes", INTEGER), ("call", TEXT)),
        ),
        ("height", "index"),
        (("tx",), ("sender", "height"), ("type", "height")),
    ),
    Table(  # the columns of every export (economy X1)
        "postings",
        tuple((name, INTEGER if name in _POSTING_INTEGERS else TEXT) for name in COLUMNS),
        ("height", "index", "leg", "side"),
        (("account", "height"), ("denom", "class", "book_date"), ("policy", "height")),
    ),
    Table(  # `subject`: the first value, which says what it is about
        "notices",
        (
            *(("height", INTEGER), ("index", INTEGER), ("number", INTEGER), ("id", TEXT)),
            *(("name", TEXT), ("subject", TEXT), ("values", TEXT)),
        ),
        ("height", "index", "number"),
        (("subject", "name"), ("name", "height")),
    ),
    Table(  # as in the state: debits add in classes 1, 6F and 9, credits in the others
        "balances",
        (("denom", TEXT), ("class", TEXT), ("account", TEXT), ("cents", INTEGER)),
        ("denom", "class", "account"),
        (("account",),),
        is_sum=True,
    ),
    Table(  # all that ever went from a class (debit) to another (credit)
        "flows",
        (("denom", TEXT), ("debit", TEXT), ("credit", TEXT), ("cents", INTEGER)),
        ("denom", "debit", "credit"),
        is_sum=True,
    ),
)


def make_ddl(integer: str, text: str, suffix: str) -> Iterator[str]:
    """Yield what makes the tables and views, with a dialect's types and end of a table."""
    kinds = {INTEGER: integer, TEXT: text}
    for table in TABLES:
        columns = [f"{quote(name)} {kinds[kind]}" for name, kind in table.columns]
        columns.append(f"PRIMARY KEY ({join(table.key)})")
        yield f"CREATE TABLE {quote(table.name)} ({', '.join(columns)}){suffix}"
        for columns_of in table.indexes:
            name = quote("_".join((table.name, "by", *columns_of)))
            yield f"CREATE INDEX {name} ON {quote(table.name)} ({join(columns_of)})"
    for name, query in VIEWS.items():
        yield f"CREATE VIEW {quote(name)} AS {query}"


def make_drops() -> Iterator[str]:
    """Yield what removes the tables and views, and nothing else."""
    yield from (f"DROP VIEW IF EXISTS {quote(name)}" for name in reversed(VIEWS))
    yield from (f"DROP TABLE IF EXISTS {quote(table.name)}" for table in TABLES)


def make_insert(table: Table) -> str:
    """Return the statement that puts in a row, or adds it to a sum; `?` for each value."""
    insert = (
        f"INSERT INTO {quote(table.name)} ({join(table.names)}) "  # noqa: S608 - names are ours
        f"VALUES ({', '.join('?' * len(table.columns))})"
    )
    if not table.is_sum:
        return insert
    last = quote(table.names[-1])
    added = f"{last} = {quote(table.name)}.{last} + excluded.{last}"
    return f"{insert} ON CONFLICT ({join(table.key)}) DO UPDATE SET {added}"


def quote(name: str) -> str:
    """Return a name of ours as SQL has it, also where it is a word of SQL."""
    return f'"{name}"'


def join(names: Iterable[str]) -> str:
    """Return names as a list of SQL."""
    return ", ".join(map(quote, names))


# --------------------------------------------------------------------------------------- views


def _in(classes: Sequence[str]) -> str:
    return f"({', '.join(map(_text, classes))})"


def _text(klass: str) -> str:
    return f"'{klass}'"


def _sum(condition: str) -> str:
    """Return a sum of cents; both databases would make another type of it."""
    return f"COALESCE(CAST(SUM(CASE WHEN {condition} THEN cents ELSE 0 END) AS BIGINT), 0)"


_OWN = _in((MEMBER, FUND))
_DUE = _in((DUE_FROM, DUE_TO))

VIEWS = {
    # One row per movement of an account's own coin. Who is at the other end of a payment across
    # wijken stands in the next booking (economy T4).
    "history": f"""
        SELECT p."account", p."height", p."index", p."leg", p."tx", p."book_date", p."time",
            p."denom", CASE WHEN p."side" = 'C' THEN 'in' ELSE 'out' END AS "direction",
            CASE WHEN o."class" IN {_DUE} THEN f."account" ELSE o."account" END AS "counterparty",
            p."cents", CAST(SUM(CASE WHEN p."side" = 'C' THEN p."cents" ELSE -p."cents" END) OVER (
                PARTITION BY p."account", p."denom", p."class"
                ORDER BY p."height", p."index", p."leg", p."side" DESC
            ) AS BIGINT) AS "balance_cents", t."type", p."flow", p."policy", p."decision"
        FROM postings p
        JOIN postings o ON o."height" = p."height" AND o."index" = p."index"
            AND o."leg" = p."leg" AND o."side" <> p."side"
        LEFT JOIN postings f ON o."class" IN {_DUE} AND f."height" = p."height"
            AND f."index" = p."index" AND f."leg" = p."leg" + 1 - 2 * (p."leg" % 2)
            AND f."class" IN {_OWN}
        LEFT JOIN txs t ON t."height" = p."height" AND t."index" = p."index"
        WHERE p."class" IN {_OWN}""",  # noqa: S608 - classes are ours
    # The sums of `supply/<denom>` (interfaces 5.5), from flows and balances alone.
    "supply": f"""
        SELECT d."denom",
            {_sum(f"debit = '1' AND credit IN {_OWN}")} AS "issued_cents",
            {_sum("debit = '3' AND credit = '1'")} AS "redeemed_cents",
            {_sum(f"debit = '6F' AND credit IN {_OWN}")} AS "traded_in_cents",
            {_sum(f"debit IN {_OWN} AND credit = '6T'")} AS "traded_out_cents",
            (SELECT {_sum(f"class = '{PENDING_OUT}'")} FROM balances b WHERE b."denom" = d."denom")
                AS "pending_out_cents",
            (SELECT {_sum("class = '1'")} FROM balances b WHERE b."denom" = d."denom")
                AS "reserve_cents",
            (SELECT {_sum("class = '6F'")} FROM balances b WHERE b."denom" = d."denom")
                AS "due_from_cents",
            (SELECT {_sum("class = '6T'")} FROM balances b WHERE b."denom" = d."denom")
                AS "due_to_cents"
        FROM flows d GROUP BY d."denom\"""",  # noqa: S608
    # Per reserve account: what is booked, and what it has to cover, per denomination.
    "reserve": f"""
        SELECT r."denom", r."account" AS "reserve", r."cents" AS "reserve_cents",
            (SELECT {_sum("class IN ('2', '3', '4', '5', '7')")}
                FROM balances b WHERE b."denom" = r."denom") AS "outstanding_cents",
            (SELECT COUNT(*) FROM notices n WHERE n."name" = 'coin.StatementPosted'
                AND n."subject" = r."account") AS "statement_pages",
            (SELECT MAX(n."height") FROM notices n WHERE n."name" = 'coin.StatementPosted'
                AND n."subject" = r."account") AS "attested_height"
        FROM balances r WHERE r."class" = '1'""",  # noqa: S608
    # Money of funders (economy class 4): what went in, what went out, what is there.
    "pools": f"""
        SELECT b."denom", b."account" AS "policy", b."cents" AS "left_cents",
            (SELECT {_sum("side = 'C'")} FROM postings p WHERE p."class" = '{POOL}'
                AND p."account" = b."account" AND p."denom" = b."denom") AS "in_cents",
            (SELECT {_sum("side = 'D'")} FROM postings p WHERE p."class" = '{POOL}'
                AND p."account" = b."account" AND p."denom" = b."denom") AS "out_cents"
        FROM balances b WHERE b."class" = '{POOL}'""",  # noqa: S608
    # Each policy script that was made, and when it began and ended; `made` is its notice.
    "policies": """
        SELECT c."subject" AS "policy", c."id" AS "tx", c."height" AS "made_height",
            (SELECT MIN(n."height") FROM notices n WHERE n."subject" = c."subject"
                AND n."name" = 'policy.PolicyAccepted') AS "accepted_height",
            (SELECT MIN(n."height") FROM notices n WHERE n."subject" = c."subject"
                AND n."name" = 'policy.PolicyClosed') AS "closed_height",
            (SELECT COUNT(*) FROM notices n WHERE n."subject" = c."subject"
                AND n."name" = 'policy.PolicyPaid') AS "payments", c."values" AS "made"
        FROM notices c WHERE c."name" = 'policy.PolicyCreated'""",
}


# ---------------------------------------------------------------------------------------- rows


def make_genesis_cells(genesis: Genesis, date_offset_s: int) -> Rows:
    """Return what genesis puts in the tables: opening balances."""
    date = compute_book_date(genesis.time_ms // 1000, date_offset_s)
    rows = _empty()
    _book(rows, make_genesis_rows(genesis, date))
    return rows


def make_block_cells(
    contracts: Contracts,
    header: Header,
    block_id: bytes,
    txs: Sequence[Tx],
    start: Sequence[Outcome],
    outcomes: Sequence[Outcome],
    book_date: int,
) -> Rows:
    """Return what a decided block puts in the tables; `book_date` is YYYYMMDD."""
    rows = _empty()
    height = header.height
    rows["blocks"].append(
        (
            height,
            block_id.hex(),
            header.parent_id.hex(),
            write_time(header.time_ms),
            date_text(book_date),
            header.creator.hex(),
            len(txs),
            header.log_size,
            header.log_root.hex(),
            header.state_root.hex(),
        )
    )
    first = header.log_size - len(txs)
    for index, (tx, outcome) in enumerate(zip(txs, outcomes, strict=True)):
        rows["txs"].append(
            (
                height,
                index,
                tx.id.hex(),
                first + index,
                account_text(tx.sender),
                call_name(tx.call),
                outcome.code,
                _json(dict(outcome.params)),
                len(tx.raw),
                _json(call_to_json(contracts, tx.call)),
            )
        )
        _tell(rows, height, index, [outcome])
    _tell(rows, height, -1, start)
    for group in make_block_rows(header, start, outcomes, book_date):
        _book(rows, group)
    return rows


def add_up_sums(rows: Rows) -> Rows:
    """Return rows with one row per key in the tables that are sums, sorted; nets of nothing go."""
    for table in TABLES:
        if table.is_sum:
            sums: Counter[Cells] = Counter()
            for *key, cents in rows[table.name]:
                sums[tuple(key)] += cents
            rows[table.name] = [(*key, cents) for key, cents in sorted(sums.items())]
    return rows


def merge(parts: Iterable[Rows]) -> Rows:
    """Return the rows of blocks that are written together, in order."""
    rows = _empty()
    for part in parts:
        for name, cells in part.items():
            rows[name] += cells
    return add_up_sums(rows)


def write_time(time_ms: int) -> str:
    """Return Unix ms as RFC 3339 in UTC with milliseconds (interfaces 0)."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"


def _empty() -> Rows:
    return {table.name: [] for table in TABLES}


def _book(rows: Rows, group: Sequence[Row]) -> None:
    debit: Row | None = None
    for row in group:
        rows["postings"].append(get_cells(row))
        adds = (row.side == "D") == (row.klass in DEBIT_CLASSES)
        cents = row.cents if adds else -row.cents
        rows["balances"].append((row.denom, row.klass, row.account, cents))
        if row.side == "D":
            debit = row
        elif debit is not None:
            rows["flows"].append((row.denom, debit.klass, row.klass, row.cents))
            debit = None


def _tell(rows: Rows, height: int, index: int, outcomes: Iterable[Outcome]) -> None:
    number = 0
    for outcome in outcomes:
        for notice in outcome.notices:
            values = [_value(value) for value in decode(list[Any], notice.values)]
            first = values[0] if values else None
            subject = first if isinstance(first, str) and "\x00" not in first else None
            rows["notices"].append(
                (height, index, number, outcome.tx_id.hex(), notice.name, subject, _json(values))
            )
            number += 1


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return account_text(value) if len(value) == ACCOUNT_BYTES else value.hex()
    return value


def _json(tree: Any) -> str:
    """Return JSON in ASCII: a zero in a text would be refused by PostgreSQL."""
    return json.dumps(tree, separators=(",", ":"))
