"""A disk with a volatile and a durable image: what was not synced may be lost at a crash (J6)."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from node.disk import Busy, Disk, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

SECTOR = 512


class Crashed(BaseException):
    """The process is gone, here and now. No `except` of the program may see it as an error."""


class SimFile:
    """A file: its bytes now, its bytes on the platter, and what is written between the two."""

    def __init__(self) -> None:
        self.now = bytearray()
        self.durable = b""
        self.unsynced: list[tuple[int, bytes | None]] = []  # None: cut to that size
        self.locked = False


def never(_what: str) -> bool:
    """A disk on which nothing fails."""
    return False


class SimDisk(Disk):
    """The Disk of guard and head file in memory.

    `point` is asked at every step of a write; `fails` says whether the next call ends in EIO or
    ENOSPC, with an outcome that nobody knows (reliability Y24).
    """

    def __init__(self, point: Callable[[str], None], fails: Callable[[str], bool] = never) -> None:
        self._point = point
        self._fails = fails
        self.cuts = 0  # torn tails cut off
        self._names: dict[Path, SimFile] = {}
        self._durable_names: dict[Path, SimFile] = {}
        self._open: dict[int, SimFile] = {}
        self._next = 3

    def exists(self, path: Path) -> bool:
        return path in self._names

    def open(self, path: Path) -> int:
        if path not in self._names:
            raise StoreFailed(f"open {path}: no such file")
        self._next += 1
        self._open[self._next] = self._names[path]
        return self._next

    def create(self, path: Path) -> int:
        if path in self._names:
            raise StoreFailed(f"create {path}: exists")
        self._names[path] = SimFile()
        return self.open(path)

    def lock(self, file: int, path: Path) -> None:
        if self._open[file].locked:
            raise Busy(str(path))
        self._open[file].locked = True

    def read(self, file: int) -> bytes:
        return bytes(self._open[file].now)

    def read_at(self, file: int, size: int, at: int) -> bytes:
        return bytes(self._open[file].now[at : at + size])

    def write(self, file: int, data: bytes, at: int) -> None:
        self._point("disk.write")
        opened = self._open[file]
        failed = self._fails("disk.write")
        opened.now[at : at + len(data)] = data
        opened.unsynced.append((at, data))
        if failed:
            raise StoreFailed("write: no space left on device")
        self._point("disk.written")

    def cut(self, file: int, size: int) -> None:
        opened = self._open[file]
        del opened.now[size:]
        opened.unsynced.append((size, None))
        self.cuts += 1

    def sync(self, file: int) -> None:
        self._point("disk.sync")
        opened = self._open[file]
        if self._fails("disk.sync"):
            raise StoreFailed("sync: input/output error")  # each write may be durable or not
        opened.durable = bytes(opened.now)
        opened.unsynced.clear()
        self._point("disk.synced")

    def close(self, file: int) -> None:
        self._open.pop(file).locked = False

    def rename(self, old: Path, new: Path) -> None:
        self._point("disk.rename")
        self._names[new] = self._names.pop(old)

    def remove(self, path: Path) -> None:
        del self._names[path]

    def names(self, folder: Path) -> frozenset[str]:
        return frozenset(path.name for path in self._names if path.parent == folder)

    def sync_folder(self, folder: Path) -> None:
        self._point("disk.sync_folder")
        for path in [path for path in self._durable_names if path.parent == folder]:
            if path not in self._names:
                del self._durable_names[path]
        for path, file in self._names.items():
            if path.parent == folder:
                self._durable_names[path] = file

    def durable(self, path: Path) -> bytes:
        """Return what of `path` a power cut at this moment is sure to leave."""
        file = self._durable_names.get(path)
        return b"" if file is None else file.durable

    def flip(self, path: Path, chance: Random) -> None:
        """Let one bit of a file be another one from now on (reliability J6)."""
        file = self._names[path]
        at, bit = chance.randrange(len(file.now)), 1 << chance.randrange(8)
        file.now[at] ^= bit
        if at < len(file.durable):
            durable = bytearray(file.durable)
            durable[at] ^= bit
            file.durable = bytes(durable)

    def crash(self, chance: Random) -> None:
        """Lose, keep or tear each unsynced write by itself, so also out of order."""
        self._open.clear()
        self._names = dict(self._durable_names)
        for file in self._names.values():
            image = bytearray(file.durable)
            for at, data in file.unsynced:
                fate = chance.randrange(3)
                if fate == 0:
                    continue
                if data is None:
                    del image[at:]
                    continue
                kept = data if fate == 1 else data[: chance.randrange(len(data))]
                image.extend(bytes(max(0, at - len(image))))
                image[at : at + len(kept)] = kept
            file.now = bytearray(image)
            file.durable = bytes(image)
            file.unsynced.clear()
            file.locked = False
