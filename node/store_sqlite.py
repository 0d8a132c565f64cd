"""The store on SQLite, where LevelDB has no wheel (architecture D11, reliability Y31).

SQLite checks no page contents (Y11): every value therefore carries 8 bytes of SHA-256 over key and
value, checked at every read, and the tree of pages is checked when the store is opened. A torn tail
of its log is cut by SQLite itself; what else its log may lose, the head file notices (Y19, Y20).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from node.disk import DISK, Disk, StoreDamaged, StoreFailed
from node.ports import Snapshot
from node.store_pairs import Batch, check_batch, check_key, copy_pairs

FILE = "store.sqlite"
_LOCK = "LOCK"
_CHECK_BYTES = 8
_TABLE = "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT"
_DAMAGE = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_SCHEMA", "SQLITE_FORMAT"}
# A damaged file may have a name that is no text, and Python then fails to tell SQLite's error.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit returns when its log frames are on the disk
    "PRAGMA fullfsync = 1",  # macOS: fsync alone stops at the drive's cache
    "PRAGMA checkpoint_fullfsync = 1",
    "PRAGMA cell_size_check = ON",  # look at a page's cells before walking into them
)


def create_sqlite(folder: Path, disk: Disk = DISK) -> "SqliteStore":
    """Make a new, empty store in the empty `folder` (reliability Y17)."""
    if disk.names(folder):
        raise StoreFailed(f"{folder} is not empty: a new store wants an empty folder")

    def begin(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE)

    return _open(folder, disk, disk.create(folder / _LOCK), "rwc", begin)


def open_sqlite(folder: Path, disk: Disk = DISK) -> "SqliteStore":
    """Open the store in `folder`; raise `StoreDamaged` where anything is missing or wrong.

    Walks all pages, because SQLite answers "absent" for a key that a damaged page hides.
    """
    if not disk.exists(folder / FILE):
        raise StoreDamaged(f"{folder}: the store's file {FILE} is missing")
    path = folder / _LOCK
    lock = disk.open(path) if disk.exists(path) else disk.create(path)
    return _open(folder, disk, lock, "rw", lambda connection: _check_pages(connection, folder))


def _open(
    folder: Path, disk: Disk, lock: int, mode: str, begin: Callable[[sqlite3.Connection], None]
) -> "SqliteStore":
    """Take `lock`, connect, and `begin`; whatever fails, nothing stays open."""
    with ExitStack() as undo:
        undo.callback(disk.close, lock)
        disk.lock(lock, folder / _LOCK)
        try:
            connection = _connect(folder, mode)
            undo.callback(connection.close)
            begin(connection)
        except _ERRORS as error:
            raise _judge(error, folder) from error
        store = SqliteStore(connection, folder, disk, lock)
        undo.pop_all()
        return store


class SqliteStore:
    """An open SQLite file: one connection that writes, and one per view that reads."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, disk: Disk, lock: int) -> None:
        self._connection = connection
        self._folder = folder
        self._disk = disk
        self._lock = lock
        self._views: list[SqliteSnapshot] = []
        self._idle: list[sqlite3.Connection] = []
        self._names: frozenset[str] = frozenset()
        self._open = True
        self._failed = False
        self._sync_names()

    def get(self, key: bytes) -> bytes | None:
        self._check_usable()
        check_key(key)
        return _get(self._connection, self._folder, key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        view = self.snapshot()
        try:
            yield from view.scan(start, end, reverse=reverse)
        finally:
            view.close()

    def write(self, batch: Batch) -> None:
        self._check_usable()
        check_batch(batch)
        if not batch:
            return
        net = dict(batch)  # the last pair of a key wins
        puts = [
            (key, _check(key, value) + value) for key, value in net.items() if value is not None
        ]
        deletes = [(key,) for key, value in net.items() if value is None]
        self._failed = True  # until all of it is known to be durable
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("REPLACE INTO pairs VALUES (?, ?)", puts)
            self._connection.executemany("DELETE FROM pairs WHERE key = ?", deletes)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreFailed(f"{self._folder}: a write failed: {error}") from error
        self._sync_names()
        self._failed = False

    def snapshot(self) -> Snapshot:
        self._check_usable()
        try:
            connection = self._idle.pop() if self._idle else _connect(self._folder, "rw")
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM pairs LIMIT 1").fetchall()  # the view begins here
        except _ERRORS as error:
            raise _judge(error, self._folder) from error
        view = SqliteSnapshot(connection, self._folder, self._release)
        self._views.append(view)
        return view

    def copy_to(self, folder: Path) -> None:
        """Write a consistent copy into the empty `folder`; every pair is checked on the way."""
        view = self.snapshot()
        try:
            target = create_sqlite(folder, self._disk)
            try:
                copy_pairs(view, target)
            finally:
                target.close()
        finally:
            view.close()

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        for view in self._views.copy():
            view.close()
        for connection in [*self._idle, self._connection]:
            connection.close()
        self._disk.close(self._lock)

    def _release(self, view: "SqliteSnapshot", connection: sqlite3.Connection) -> None:
        self._views.remove(view)
        connection.execute("ROLLBACK")
        self._idle.append(connection)

    def _check_usable(self) -> None:
        assert self._open, "store: used after close"
        if self._failed:
            raise StoreFailed(f"{self._folder}: an earlier write failed; only a new start can tell")

    def _sync_names(self) -> None:
        """Make the names in the folder durable if they changed (reliability Y18)."""
        names = self._disk.names(self._folder)
        if names != self._names:
            self._disk.sync_folder(self._folder)
            self._names = names


class SqliteSnapshot:
    """A frozen view of a `SqliteStore`: a connection of its own inside a reading transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        release: "Callable[[SqliteSnapshot, sqlite3.Connection], None]",
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._release = release
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        assert self._open, "snapshot: used after close"
        check_key(key)
        return _get(self._connection, self._folder, key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        assert self._open, "snapshot: used after close"
        order = "DESC" if reverse else "ASC"
        query = f"SELECT key, value FROM pairs WHERE key >= ? AND key < ? ORDER BY key {order}"  # noqa: S608
        last: bytes | None = None
        try:
            for key, stored in self._connection.execute(query, (start, end)):
                value = _checked(self._folder, key, stored)
                if last is not None and (key >= last if reverse else key <= last):
                    raise StoreDamaged(f"{self._folder}: keys out of order at {key.hex()}")
                last = key
                yield key, value
        except _ERRORS as error:
            raise _judge(error, self._folder) from error

    def close(self) -> None:
        if self._open:
            self._open = False
            self._release(self, self._connection)


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(folder / FILE))}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_pages(connection: sqlite3.Connection, folder: Path) -> None:
    """Raise `StoreDamaged` unless the file has our one table and a sound tree of pages."""
    tables = connection.execute("SELECT sql FROM sqlite_schema").fetchall()
    if tables != [(_TABLE,)]:
        raise StoreDamaged(f"{folder}: {FILE} does not hold the store's table")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        raise StoreDamaged(f"{folder}: {FILE} is not in WAL mode")
    answer = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != ("ok",):
        raise StoreDamaged(f"{folder}: {answer[0]}")


def _get(connection: sqlite3.Connection, folder: Path, key: bytes) -> bytes | None:
    try:
        row = connection.execute("SELECT key, value FROM pairs WHERE key = ?", (key,)).fetchone()
    except _ERRORS as error:
        raise _judge(error, folder) from error
    return None if row is None else _checked(folder, row[0], row[1])


def _check(key: bytes, value: bytes) -> bytes:
    return sha256(key + value).digest()[:_CHECK_BYTES]


def _checked(folder: Path, key: object, stored: object) -> bytes:
    """Return the value in `stored`, or raise `StoreDamaged` where its check does not fit."""
    if isinstance(key, bytes) and isinstance(stored, bytes):
        value = stored[_CHECK_BYTES:]
        if stored[:_CHECK_BYTES] == _check(key, value):
            return value
    raise StoreDamaged(f"{folder}: the value of {key!r} does not fit its checksum")


def _judge(error: Exception, folder: Path) -> Exception:
    """Say whether SQLite's `error` means damage, or a disk that does not do its work."""
    if isinstance(error, UnicodeDecodeError):
        return StoreDamaged(f"{folder}: SQLite names what is not there")
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    if name in _DAMAGE or name.startswith("SQLITE_CORRUPT"):
        return StoreDamaged(f"{folder}: {error}")
    return StoreFailed(f"{folder}: {error}")
