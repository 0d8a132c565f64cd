"""The doors to the store of blocks and state: make, open, prove sound, recover, set aside.

Which adapter stands behind the port is decided here and nowhere else (reliability Y14). A start
goes: `open_store`; on `StoreDamaged`, `recover_torn_tail`; on `StoreDamaged` again, `set_aside`,
and everything is fetched from peers (reliability Y22, Y23).
"""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from node.disk import DISK, FOLDER_MODE, Disk, StorageError, StoreDamaged, failing
from node.manifest import cut_unfinished_edit
from node.ports import Store
from node.store_pairs import KEY_END
from node.store_sqlite import FILE as SQLITE_FILE
from node.store_sqlite import create_sqlite, open_sqlite

LEVELDB = "leveldb"
_NO_LEVELDB = "storage: LevelDB needs plyvel, and this Python has none"
_LEVELDB_FILES = ("CURRENT", "MANIFEST-*", "*.ldb", "*.log")
SQLITE = "sqlite"


def choose_kind(setting: str, folder: Path | None = None) -> str:
    """Return `leveldb` or `sqlite` for the setting `auto`, `leveldb` or `sqlite` (interfaces 3.1).

    `auto` is what stands in `folder` already, else LevelDB where this machine has it.
    """
    if setting != "auto":
        assert setting in (LEVELDB, SQLITE), f"storage: {setting}"
        return setting
    if folder is not None and list(folder.glob(f"{SQLITE_FILE}*")):
        return SQLITE  # also where the file itself is lost and only what lies beside it is there
    if folder is not None and any(list(folder.glob(name)) for name in _LEVELDB_FILES):
        return LEVELDB
    return LEVELDB if find_spec("plyvel") else SQLITE


def create_store(folder: Path, kind: str, disk: Disk = DISK) -> Store:
    """Make a new, empty store in `folder`, which is made, or is there and empty.

    For `init`, and for a node that has lost its store and fetches it again (`node/recovery.py`).
    """
    with failing(f"make the folder {folder}"):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    disk.sync_folder(folder.parent)
    if kind == LEVELDB:
        return _create_leveldb(folder, disk)
    return create_sqlite(folder, disk)


def open_store(folder: Path, kind: str, disk: Disk = DISK) -> Store:
    """Open the store in `folder`, finishing a swap that a crash cut in two.

    Raises `StoreDamaged` where anything is missing or wrong, `Busy` where another process has it.
    """
    finish_swap(folder, disk)
    if kind == LEVELDB:
        return _open_leveldb(folder, disk)
    return open_sqlite(folder, disk)


def verify_store(store: Store) -> int:
    """Read every pair with its checksum and return their number, or raise `StoreDamaged` (Y21)."""
    return sum(1 for _ in store.scan(b"", KEY_END))


def recover_torn_tail(
    folder: Path, kind: str, is_sound: Callable[[Store], bool], disk: Disk = DISK
) -> Store:
    """Open a store that a power cut left with half a batch, or half an edit (reliability Y22).

    LevelDB refuses such a store, and dropping what it cannot read could drop anything. So a copy
    loses the unfinished edit of its manifest (ADR 0055), is opened forgivingly and has to prove
    itself: every pair read with its checksum, and `is_sound`, which compares head, links and roots.
    Only then does the copy take the place of the original, which is removed last. A crash at any
    point leaves a state that `open_store` and this function go on from. Raises `StoreDamaged`, with
    the folder untouched, where there is no proof. Needs room on the disk for a second store.
    """
    if kind != LEVELDB:
        raise StoreDamaged(f"{folder}: SQLite cuts a torn tail itself; this damage is another")
    finish_swap(folder, disk)
    mended = _mended(folder)
    with failing(f"copy {folder}"):
        shutil.copytree(folder, mended)
    try:
        cut_unfinished_edit(mended, disk)
        for forgiving in (True, False):  # once it is mended, the strict way has to accept it too
            store = _open_leveldb(mended, disk, forgiving=forgiving)
            try:
                verify_store(store)
                if not is_sound(store):
                    raise StoreDamaged(f"{folder}: more than the last, unfinished batch is missing")
            finally:
                store.close()
    except StoreDamaged:
        disk.remove_folder(mended)
        raise
    for name in sorted(disk.names(mended)):
        file = disk.open(mended / name)
        disk.sync(file)
        disk.close(file)
    disk.sync_folder(mended)
    disk.sync_folder(folder.parent)
    disk.rename(folder, _torn(folder))
    disk.sync_folder(folder.parent)
    return open_store(folder, kind, disk)


def set_aside(folder: Path, disk: Disk = DISK) -> Path:
    """Give a damaged store another name and return it (reliability Y23). Nothing is deleted."""
    number = 1
    while disk.exists(aside := folder.with_name(f"{folder.name}.damaged-{number}")):
        number += 1
    disk.rename(folder, aside)
    disk.sync_folder(folder.parent)
    return aside


def begin_join(folder: Path, kind: str, disk: Disk = DISK) -> Store:
    """Make the store that a snapshot is put into, beside `folder`; a half made one goes."""
    made = _joining(folder)
    if disk.exists(made):
        disk.remove_folder(made)
    return create_store(made, kind, disk)


def keep_join(folder: Path, disk: Disk = DISK) -> None:
    """Let the store of a snapshot, proved and closed, be the one of the next start."""
    made = _joining(folder)
    disk.sync_folder(made)
    disk.rename(made, _joined(folder))
    disk.sync_folder(folder.parent)


def finish_join(folder: Path, disk: Disk = DISK) -> None:
    """Put the store of a snapshot in the place of the one before, wherever a crash cut that in two.

    `joined` is named so once it is proved. The old store, which stood at genesis, goes last.
    """
    joined, replaced = _joined(folder), folder.with_name(folder.name + ".replaced")
    if disk.exists(joined):
        if disk.exists(folder):
            disk.rename(folder, replaced)
            disk.sync_folder(folder.parent)
        disk.rename(joined, folder)
        disk.sync_folder(folder.parent)
    for rest in (replaced, _joining(folder)):
        if disk.exists(rest):
            disk.remove_folder(rest)
            disk.sync_folder(folder.parent)


def finish_swap(folder: Path, disk: Disk) -> None:
    """Go on where a crash left `recover_torn_tail`.

    The original is renamed only after its copy proved sound, so `torn` says that the copy counts.
    Without it, a copy is one that was never proved.
    """
    torn, mended = _torn(folder), _mended(folder)
    if disk.exists(folder) and disk.exists(mended):
        disk.remove_folder(mended)
    if disk.exists(torn):
        if not disk.exists(folder):
            disk.rename(mended, folder)
            disk.sync_folder(folder.parent)
        disk.remove_folder(torn)
        disk.sync_folder(folder.parent)


def _create_leveldb(folder: Path, disk: Disk) -> Store:
    try:
        from node.store_leveldb import create_leveldb  # noqa: PLC0415 - not everywhere installed
    except ImportError as error:
        raise StorageError(_NO_LEVELDB) from error
    return create_leveldb(folder, disk)


def _open_leveldb(folder: Path, disk: Disk, *, forgiving: bool = False) -> Store:
    try:
        from node.store_leveldb import open_leveldb  # noqa: PLC0415 - not everywhere installed
    except ImportError as error:
        raise StorageError(_NO_LEVELDB) from error
    return open_leveldb(folder, disk, forgiving=forgiving)


def _mended(folder: Path) -> Path:
    return folder.with_name(folder.name + ".mended")


def _torn(folder: Path) -> Path:
    return folder.with_name(folder.name + ".torn")


def _joining(folder: Path) -> Path:
    return folder.with_name(folder.name + ".joining")


def _joined(folder: Path) -> Path:
    return folder.with_name(folder.name + ".joined")
