"""A file of 512-byte slots that only grows: what the guard file and the head file have in common.

One slot is one sector, so that a power cut leaves a slot whole or not written. Appending is a write
and an fdatasync, about 200 µs; replacing a whole file costs twice that and is for compaction only.
"""

from pathlib import Path

from node.disk import Disk, StoreFailed

SLOT_BYTES = 512  # the smallest sector of a disk (reliability Y25, Y26)


class SlotFile:
    """An open slot file, held exclusively. After one failed call it does nothing any more (Y24)."""

    def __init__(self, path: Path, disk: Disk, file: int, size: int) -> None:
        self._path = path
        self._disk = disk
        self._file = file
        self._size = size
        self._failed = False

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self._size

    def check_usable(self) -> None:
        """Raise `StoreFailed` when an earlier call failed: what the file holds is unknown."""
        if self._failed:
            raise StoreFailed(f"{self._path}: an earlier write failed; only a new start can tell")

    def read(self) -> bytes:
        """Return what the file holds."""
        self.check_usable()
        return self._disk.read(self._file)

    def append(self, slot: bytes) -> None:
        """Make `slot` durable at the end of the file."""
        assert len(slot) == SLOT_BYTES, f"a slot of {len(slot)} bytes"
        self.check_usable()
        self._failed = True
        self._disk.write(self._file, slot, self._size)
        self._disk.sync(self._file)
        self._size += len(slot)
        self._failed = False

    def cut(self, size: int) -> None:
        """Cut a torn append off, so that the file has `size` bytes."""
        self.check_usable()
        self._failed = True
        self._disk.cut(self._file, size)
        self._disk.sync(self._file)
        self._size = size
        self._failed = False

    def replace(self, data: bytes) -> None:
        """Put a file with the slots `data` in the place of this one (consensus D6).

        The old file counts until the new one is durable, and the lock is held all the time.
        """
        self.check_usable()
        self._failed = True
        file = _write_whole(self._path, data, self._disk)
        self._disk.close(self._file)
        self._file = file
        self._size = len(data)
        self._failed = False

    def close(self) -> None:
        """Release the file and its lock."""
        self._disk.close(self._file)


def create_slot_file(path: Path, data: bytes, disk: Disk) -> SlotFile:
    """Make the file `path`, which must not exist, with the slots `data`, durably and whole.

    A guard of which a power cut left the first slot alone would let its key sign anything.
    """
    if disk.exists(path):
        raise StoreFailed(f"create {path}: File exists")
    return SlotFile(path, disk, _write_whole(path, data, disk), len(data))


def _write_whole(path: Path, data: bytes, disk: Disk) -> int:
    """Write `data` beside `path` and give it that name; return the open, locked file."""
    new = path.with_name(path.name + ".new")
    if disk.exists(new):  # a crash left it half made
        disk.remove(new)
    file = disk.create(new)
    try:
        disk.lock(file, new)
        disk.write(file, data, 0)
        disk.sync(file)
        disk.rename(new, path)
        disk.sync_folder(path.parent)
    except BaseException:
        disk.close(file)
        raise
    return file


def open_slot_file(path: Path, disk: Disk) -> tuple[SlotFile, bytes]:
    """Open and lock the file `path`; return it with its bytes, which are not judged here."""
    file = disk.open(path)
    try:
        disk.lock(file, path)
        data = disk.read(file)
    except BaseException:
        disk.close(file)
        raise
    return SlotFile(path, disk, file, len(data)), data
