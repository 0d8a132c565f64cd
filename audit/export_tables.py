"""The posting stream as a table: CSV, JSONL, SQLite, Parquet (economy X1). Cents are integers."""

import csv
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit.rows import Group, Row
from chain.dates import date_text
from chain.texts import Problem

COLUMNS = (
    *("height", "index", "leg", "tx", "book_date", "time", "wijk", "denom", "class", "account"),
    *("side", "cents", "flow", "use", "product", "policy", "decision", "corrects"),
)
# Types of the columns, in SQLite and in Parquet (duckdb's names of them).
_INTEGERS = ("height", "index", "leg", "cents")
_PARQUET = {
    "height": "BIGINT",
    "index": "INTEGER",
    "leg": "INTEGER",
    "cents": "BIGINT",
    "book_date": "DATE",
    "time": "TIMESTAMPTZ",
}


def get_cells(row: Row) -> tuple[Any, ...]:
    """Return the values of a row in the order of `COLUMNS`; dates and times as ISO 8601 text."""
    moment = datetime.fromtimestamp(row.time_s, UTC)
    return (
        *(row.height, row.index, row.leg, row.tx, date_text(row.book_date)),
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        *(row.wijk, row.denom, row.klass, row.account, row.side, row.cents),
        *(row.flow, row.use, row.product, row.policy, row.decision, row.corrects),
    )


class CsvTable:
    """RFC 4180, UTF-8, a header line; what is not there is empty."""

    name = "postings.csv"

    def __init__(self, folder: Path) -> None:
        self._file = (folder / self.name).open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)
        self._rows = 0

    def add(self, group: Group) -> None:
        """Write rows."""
        self._writer.writerows(map(get_cells, group))
        self._rows += len(group)

    def close(self) -> dict[str, int]:
        """No more rows."""
        self._file.close()
        return {self.name: self._rows}


class JsonlTable:
    """One JSON object a line, all columns in each."""

    name = "postings.jsonl"

    def __init__(self, folder: Path) -> None:
        self._file = (folder / self.name).open("x", encoding="utf-8", newline="\n")
        self._rows = 0

    def add(self, group: Group) -> None:
        """Write rows."""
        for row in group:
            tree = dict(zip(COLUMNS, get_cells(row), strict=True))
            self._file.write(json.dumps(tree, separators=(",", ":")) + "\n")
        self._rows += len(group)

    def close(self) -> dict[str, int]:
        """No more rows."""
        self._file.close()
        return {self.name: self._rows}


class SqliteTable:
    """A database with one table, `postings`, keyed by place and side."""

    name = "postings.sqlite"

    def __init__(self, folder: Path) -> None:
        self._base = sqlite3.connect(folder / self.name, isolation_level=None)
        kinds = (f'"{name}" {"INTEGER" if name in _INTEGERS else "TEXT"}' for name in COLUMNS)
        key = 'PRIMARY KEY ("height", "index", "leg", "side")'
        self._base.execute("BEGIN")
        self._base.execute(f"CREATE TABLE postings ({', '.join(kinds)}, {key}) STRICT")
        self._insert = f"INSERT INTO postings VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608

    def add(self, group: Group) -> None:
        """Write rows."""
        self._base.executemany(self._insert, map(get_cells, group))

    def close(self) -> dict[str, int]:
        """No more rows: index them by account, as people ask."""
        (rows,) = self._base.execute("SELECT COUNT(*) FROM postings").fetchone()
        self._base.execute('CREATE INDEX by_account ON postings ("account", "book_date")')
        self._base.execute("COMMIT")
        self._base.close()
        return {self.name: rows}


class ParquetTable:
    """Integers, dates, times in UTC, and strings, in columns: written by duckdb from a CSV."""

    name = "postings.parquet"

    def __init__(self, folder: Path) -> None:
        try:
            import duckdb  # noqa: PLC0415 - 60 MB that only this format needs
        except ImportError as error:
            cause = "Parquet: pip install 'wijkchain[analytics]'"
            raise Problem(1002, errors=[cause]) from error
        self._connect: Callable[[], Any] = duckdb.connect
        self._folder = folder
        self._table = CsvTable(folder)

    def add(self, group: Group) -> None:
        """Write rows."""
        self._table.add(group)

    def close(self) -> dict[str, int]:
        """No more rows: make the file of them."""
        (rows,) = self._table.close().values()
        source, target = self._folder / CsvTable.name, self._folder / self.name
        kinds = ", ".join(f"'{name}': '{_PARQUET.get(name, 'VARCHAR')}'" for name in COLUMNS)
        with self._connect() as base:
            base.execute("SET TimeZone = 'UTC'")
            reading = f"SELECT * FROM read_csv($source, header = true, columns = {{{kinds}}})"  # noqa: S608 - column names are ours
            target_text = str(target).replace("'", "''")  # COPY takes no parameter there
            base.execute(
                f"COPY ({reading}) TO '{target_text}' (FORMAT parquet)", {"source": str(source)}
            )
        source.unlink()
        return {self.name: rows}
