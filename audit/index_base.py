"""The database of an index: SQLite in a file, or PostgreSQL behind an address (interfaces 1.6).

What is written is written in one transaction together with the mark that says how far it is, so a
crash leaves whole blocks. Everything that a database may say wrong is `Problem` 1002.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec

from audit.files import FILE_MODE
from audit.index_tables import (
    FORMAT,
    MARK,
    TABLES,
    VIEWS,
    Cells,
    Rows,
    Table,
    join,
    make_ddl,
    make_drops,
    make_insert,
    quote,
)
from chain.genesis import Genesis
from chain.texts import Problem

SQLITE, POSTGRESQL = "sqlite:///", ("postgresql://", "postgres://")
BUSY_S = 10.0  # how long SQLite waits for a reader or another writer
CONNECT_S = 10
LOCK_WAIT_MS = 60_000  # in PostgreSQL: somebody's long lock is told, not waited for without end


class Mark(msgspec.Struct, frozen=True):
    """How far an index is: the last block in it. `block_id` is hex; of height 0 the digest."""

    chain_id: str
    chain_digest: str
    height: int
    block_id: str
    log_size: int


class Base(Protocol):
    """A database with the tables of an index, or without any yet."""

    @property
    def name(self) -> str:
        """What people may see: never a password."""

    def list_names(self) -> set[str]:
        """Return the names of its tables and views."""

    def run(self, sql: str, cells: Cells = ()) -> list[Cells]:
        """Run one statement, `?` for each value, and return its rows."""

    def get_columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table or view, in order."""

    def create(self) -> None:
        """Make the tables and views."""

    def put(self, table: Table, rows: Sequence[Cells]) -> None:
        """Put rows into a table, or add them to its sums."""

    def transaction(self) -> Any:
        """Return a context: all that is done in it is durable at its end, or nothing."""

    def close(self) -> None:
        """Let go of the database."""


def open_base(url: str, folder: Path, *, only_read: bool = False) -> Base:
    """Open what `url` names; a path that is not absolute is in `folder`. Raise `Problem` 1002.

    `only_read`: a file that is not there is not made.
    """
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        path = folder / url.removeprefix(SQLITE)
        if only_read and not path.exists():
            raise Problem(3007, what=str(path))
        return SqliteBase(path)
    if url.startswith(POSTGRESQL):
        return PostgresBase(url)
    raise Problem(1001, cause=f"{hide_password(url)}: sqlite:///FILE | postgresql://...")


def hide_password(url: str) -> str:
    """Return an address as people may see it: nothing that could be a password."""
    parts = urlsplit(url)
    user, given, place = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}{given}{place}"
    return urlunsplit((parts.scheme, shown, parts.path, "", ""))


class SqliteBase:
    """A file; readers may read while it is written."""

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        with self._telling():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
            self._base = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
        try:
            with self._telling():
                self._base.execute("PRAGMA journal_mode = WAL")
                self._base.execute("PRAGMA synchronous = NORMAL")  # a lost tail is made again
                found = self._base.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise _damaged(self._name, found)
        except BaseException:
            self._base.close()
            raise

    @property
    def name(self) -> str:
        """The path."""
        return self._name

    def list_names(self) -> set[str]:
        """Return the names of tables and views."""
        rows = self.run("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return {name for (name,) in rows}

    def run(self, sql: str, cells: Cells = ()) -> list[Cells]:
        """Run one statement."""
        with self._telling():
            return self._base.execute(sql, cells).fetchall()

    def get_columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table."""
        with self._telling():
            found = self._base.execute(f"SELECT * FROM {quote(table)} LIMIT 0")  # noqa: S608
        return tuple(column[0] for column in found.description)

    def create(self) -> None:
        """Make the tables and views."""
        for statement in make_ddl("INTEGER", "TEXT", " STRICT"):
            self.run(statement)

    def put(self, table: Table, rows: Sequence[Cells]) -> None:
        """Put rows in."""
        with self._telling():
            self._base.executemany(make_insert(table), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # what went wrong is told already
                self._base.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise _damaged(self._name, error) from error


class PostgresBase:
    """A database on a server; its tables are in the schema that the address chooses."""

    def __init__(self, url: str) -> None:
        self._name = hide_password(url)
        try:
            import psycopg  # noqa: PLC0415 - only this database needs it
        except ImportError as error:
            raise Problem(1002, errors=["PostgreSQL: pip install 'wijkchain[pg]'"]) from error
        self._error = psycopg.Error
        with self._telling():
            self._base = psycopg.connect(
                url, autocommit=True, connect_timeout=CONNECT_S, client_encoding="utf8"
            )
        try:
            self.run(f"SET lock_timeout = {LOCK_WAIT_MS}")
            ((encoding,),) = self.run("SHOW server_encoding")
            if encoding != "UTF8":
                raise _damaged(self._name, f"encoding {encoding}: UTF8")
        except BaseException:
            self._base.close()
            raise

    @property
    def name(self) -> str:
        """The address without its password."""
        return self._name

    def list_names(self) -> set[str]:
        """Return the names of tables and views in the schema that is written to."""
        rows = self.run(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        )
        return {name for (name,) in rows}

    def run(self, sql: str, cells: Cells = ()) -> list[Cells]:
        """Run one statement."""
        with self._telling():
            found = self._base.execute(_to_postgres(sql), cells)
            return found.fetchall() if found.description else []

    def get_columns(self, table: str) -> tuple[str, ...]:
        """Return the columns of a table."""
        with self._telling():
            found = self._base.execute(f"SELECT * FROM {quote(table)} LIMIT 0".encode())  # noqa: S608
        return tuple(column.name for column in found.description or ())

    def create(self) -> None:
        """Make the tables and views. Text is in the order of its bytes, as in SQLite."""
        for statement in make_ddl("BIGINT", 'TEXT COLLATE "C"', ""):
            self.run(statement)

    def put(self, table: Table, rows: Sequence[Cells]) -> None:
        """Put rows in; new ones in one stream, sums one by one."""
        with self._telling(), self._base.cursor() as cursor:
            if table.is_sum:
                cursor.executemany(_to_postgres(make_insert(table)), rows)
                return
            copying = f"COPY {quote(table.name)} ({join(table.names)}) FROM STDIN"
            with cursor.copy(copying.encode()) as copy:
                for cells in rows:
                    copy.write_row(cells)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        with self._telling(), self._base.transaction():
            yield

    def close(self) -> None:
        """Close the connection."""
        self._base.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (self._error, UnicodeError) as error:
            raise _damaged(self._name, str(error).strip()) from error


# ------------------------------------------------------------------------------------ the mark


def begin_index(base: Base, genesis: Genesis, opening: Rows) -> Mark:
    """Return how far `base` is; in one without any tables, make them and write genesis.

    Raise `Problem` 1002 where it holds another chain, or tables that are not those of an index.
    """
    names = {table.name for table in TABLES} | VIEWS.keys()
    there = names & base.list_names()
    if not there:
        mark = Mark(genesis.doc.chain_id, genesis.digest.hex(), 0, genesis.digest.hex(), 0)
        with base.transaction():
            base.create()
            cells = (1, FORMAT, mark.chain_id, mark.chain_digest, 0, mark.block_id, 0)
            opening[MARK].append(cells)
            _put(base, opening)
        return mark
    mark = read_mark(base)
    if mark.chain_digest != genesis.digest.hex():
        raise _damaged(
            base.name, f"chain {mark.chain_id} {mark.chain_digest} != {genesis.digest.hex()}"
        )
    return mark


def read_mark(base: Base) -> Mark:
    """Return how far an index is; raise `Problem` 1002 where it is none, or is damaged."""
    there = base.list_names()
    for table in TABLES:
        if table.name not in there:
            raise _damaged(base.name, f"no table {table.name}")
        if base.get_columns(table.name) != table.names:
            raise _damaged(base.name, f"table {table.name} has other columns")
    for view in VIEWS:
        if view not in there:
            raise _damaged(base.name, f"no view {view}")
    rows = base.run(f"SELECT * FROM {MARK}")  # noqa: S608
    if len(rows) != 1 or rows[0][1] != FORMAT:
        raise _damaged(base.name, f"{MARK}: {FORMAT}")
    try:
        mark = msgspec.convert(dict(zip(Mark.__struct_fields__, rows[0][2:], strict=True)), Mark)
    except msgspec.ValidationError as error:
        raise _damaged(base.name, f"{MARK}: {error}") from error
    ((blocks, top),) = base.run("SELECT COUNT(*), MAX(height) FROM blocks")
    newest = base.run("SELECT block_id, log_size FROM blocks WHERE height = ?", (mark.height,))
    ((txs,),) = base.run("SELECT COUNT(*) FROM txs")
    whole = (blocks, top or 0, txs) == (mark.height, mark.height, mark.log_size)
    if not whole or (mark.height and newest != [(mark.block_id, mark.log_size)]):
        raise _damaged(base.name, f"{blocks} blocks, {txs} txs, {MARK} {mark.height}")
    return mark


def write_rows(base: Base, before: Mark, after: Mark, rows: Rows) -> None:
    """Write the blocks above `before` up to `after`, and that they are there, or nothing.

    Raise `Problem` 1002 where the index does not stand at `before` any more.
    """
    with base.transaction():
        moved = base.run(
            f"UPDATE {MARK} SET height = ?, block_id = ?, log_size = ? "  # noqa: S608
            "WHERE height = ? AND block_id = ? RETURNING id",
            (after.height, after.block_id, after.log_size, before.height, before.block_id),
        )
        if len(moved) != 1:
            raise _damaged(base.name, f"{MARK}: {before.height} -> ?")
        _put(base, rows)


def drop_index(base: Base) -> None:
    """Remove the tables of an index, in one transaction; others in the database stay.

    Raise `Problem` 1002 where there is no mark that says that they are an index.
    """
    names = {table.name for table in TABLES} | VIEWS.keys()
    there = names & base.list_names()
    if there and (MARK not in there or base.get_columns(MARK) != TABLES[0].names):
        raise _damaged(base.name, f"no table {MARK}, but {', '.join(sorted(there))}")
    with base.transaction():
        for statement in make_drops():
            base.run(statement)


def _put(base: Base, rows: Rows) -> None:
    for table in TABLES:
        if rows[table.name]:
            base.put(table, rows[table.name])


def _damaged(name: str, why: object) -> Problem:
    return Problem(1002, errors=[f"{name}: {why}"])


def _to_postgres(sql: str) -> bytes:
    """Return a statement of ours with psycopg's sign for a value; none has a % that is not ours."""
    return sql.replace("%", "%%").replace("?", "%s").encode()
