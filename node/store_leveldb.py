"""The store on LevelDB (architecture D11, reliability Y14..Y18): the only file that knows plyvel.

LevelDB is safe with exactly these settings and not with its defaults: `paranoid_checks`, or one
flipped bit in the log silently drops records in the middle (Y2); `verify_checksums` in every read,
or a flipped bit comes back as a value (Y3); never `create_if_missing` outside `create_leveldb`, or
a missing CURRENT makes a new empty chain (Y5); never `repair_db` (Y10). And never a plyvel iterator
that is trusted to say why it ended: see `_scan`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import plyvel

from node.disk import DISK, Busy, Disk, StoreDamaged, StoreFailed
from node.ports import Snapshot
from node.store_pairs import KEY_END, Batch, check_batch, check_key, copy_pairs

# None of these touches what is durable when. A full block writes at keys all over the store: what
# holds many blocks merges those that are written again before they are files, and larger files are
# merged with each other less often. Most bytes are hashes and signatures, which no compression
# makes smaller; a filter answers nearly all questions for what is not there (a new transaction)
# without a read. A read sums a whole block of a table (Y3): at 4 KiB, the default, that is a third
# of its time; smaller ones than these make the files larger.
_TUNING = {
    "write_buffer_size": 64 * 1024 * 1024,
    "max_file_size": 8 * 1024 * 1024,
    "block_size": 2 * 1024,
    "compression": None,
    "bloom_filter_bits": 10,
    "lru_cache_size": 32 * 1024 * 1024,
}
# LevelDB calls a missing file, and one of no bytes, an input error; here both are damage.
_LOST = ("No such file or directory", "Invalid argument")
_HELD = "IO error: lock "
_KEY_FIRST = b""
_MARKS = (_KEY_FIRST, KEY_END)  # stand before and after all keys, from the creation on


def create_leveldb(folder: Path, disk: Disk = DISK) -> "LevelStore":
    """Make a new, empty store in the empty `folder` (reliability Y17)."""
    if disk.names(folder):
        raise StoreFailed(f"{folder} is not empty: a new store wants an empty folder")
    with _judging(folder):
        database = plyvel.DB(
            str(folder),
            create_if_missing=True,
            error_if_exists=True,
            paranoid_checks=True,
            **_TUNING,
        )
        try:
            with database.write_batch(sync=True) as writing:
                for mark in _MARKS:
                    writing.put(mark, b"")
        except BaseException:
            database.close()
            raise
    return LevelStore(database, folder, disk)


def open_leveldb(folder: Path, disk: Disk = DISK, *, forgiving: bool = False) -> "LevelStore":
    """Open the store in `folder`; raise `StoreDamaged` where anything is missing or wrong.

    `forgiving` drops what is unreadable at the end of the log, and in the middle. It is for
    copies alone, and what it opens has to be proved sound (reliability Y22).
    """
    if not disk.exists(folder / "CURRENT"):
        raise StoreDamaged(f"{folder}: the store's file CURRENT is missing")
    with _judging(folder):
        database = plyvel.DB(
            str(folder),
            create_if_missing=False,
            error_if_exists=False,
            paranoid_checks=not forgiving,
            **_TUNING,
        )
    return LevelStore(database, folder, disk)


class LevelStore:
    """An open LevelDB. It owns the folder's lock and knows which file names are durable."""

    def __init__(self, database: Any, folder: Path, disk: Disk) -> None:
        self._database = database
        self._folder = folder
        self._disk = disk
        self._names: frozenset[str] = frozenset()
        self._failed = False
        try:
            if any(_get(database, folder, mark) is None for mark in _MARKS):
                raise StoreDamaged(f"{folder}: the store has lost its first entries")
            self._sync_names()
        except BaseException:
            database.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        self._check_usable()
        check_key(key)
        return _get(self._database, self._folder, key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_usable()
        yield from _scan(self._database, self._folder, start, end, reverse=reverse)

    def write(self, batch: Batch) -> None:
        self._check_usable()
        check_batch(batch)
        if not batch:
            return
        writing = self._database.write_batch(sync=True)
        for key, value in batch:
            if value is None:
                writing.delete(key)
            else:
                writing.put(key, value)
        self._failed = True  # until all of it is known to be durable
        try:
            writing.write()
        except plyvel.Error as error:
            raise StoreFailed(f"{self._folder}: a write failed: {_text(error)}") from error
        self._sync_names()
        self._failed = False

    def snapshot(self) -> Snapshot:
        self._check_usable()
        return LevelSnapshot(self._database.snapshot(), self._folder)

    def copy_to(self, folder: Path) -> None:
        """Write a consistent copy into the empty `folder`; every pair is checked on the way."""
        self._check_usable()
        view = self.snapshot()
        try:
            target = create_leveldb(folder, self._disk)
            try:
                copy_pairs(view, target)
            finally:
                target.close()
        finally:
            view.close()

    def close(self) -> None:
        self._database.close()

    def _check_usable(self) -> None:
        assert not self._database.closed, "store: used after close"
        if self._failed:
            raise StoreFailed(f"{self._folder}: an earlier write failed; only a new start can tell")

    def _sync_names(self) -> None:
        """Make the names in the folder durable if they changed (reliability Y9, Y18)."""
        names = self._disk.names(self._folder)
        if names != self._names:
            self._disk.sync_folder(self._folder)
            self._names = names


class LevelSnapshot:
    """A frozen view of a `LevelStore`."""

    def __init__(self, view: Any, folder: Path) -> None:
        self._view = view
        self._folder = folder

    def get(self, key: bytes) -> bytes | None:
        check_key(key)
        return _get(self._view, self._folder, key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        yield from _scan(self._view, self._folder, start, end, reverse=reverse)

    def close(self) -> None:
        self._view.close()


def _get(source: Any, folder: Path, key: bytes) -> bytes | None:
    try:
        value: bytes | None = source.get(key, verify_checksums=True)
    except plyvel.Error as error:
        raise _judge(error, folder) from error
    return value


def _scan(
    source: Any, folder: Path, start: bytes, end: bytes, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    """Walk without a bound in the direction of walking, until the walk is seen to pass the range.

    plyvel hides an error when no entry comes after it: the walk just ends. Between the two marks
    there always comes one, so a walk that ends by itself is one that lost something. (With both
    bounds, plyvel 1.5 also leaves out a last key that equals the start of a reverse walk.)
    """
    assert end <= KEY_END, "store: a scan beyond every key"
    if start >= end:
        return
    bound = {"stop": end} if reverse else {"start": start}
    with _judging(folder):
        pairs = source.iterator(reverse=reverse, verify_checksums=True, **bound)
    try:
        for key, value in pairs:
            if key in _MARKS or not start <= key < end:
                if key == _KEY_FIRST and not reverse:
                    continue
                return
            yield key, value
    except plyvel.Error as error:
        raise _judge(error, folder) from error
    finally:
        pairs.close()
    raise StoreDamaged(f"{folder}: a scan ended before the end of the store")


@contextmanager
def _judging(folder: Path) -> Iterator[None]:
    try:
        yield
    except plyvel.Error as error:
        raise _judge(error, folder) from error


def _judge(error: Exception, folder: Path) -> Exception:
    """Say whether LevelDB's `error` means damage, or a disk that does not do its work."""
    text = _text(error)
    if _HELD in text:
        return Busy(f"{folder} is in use by another process")
    if isinstance(error, plyvel.IOError) and not text.endswith(_LOST):
        return StoreFailed(f"{folder}: {text}")
    return StoreDamaged(f"{folder}: {text}")


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else b""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
