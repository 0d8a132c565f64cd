"""Every state a power cut can leave, from a recording of the real calls (reliability Y33).

`RecordingDisk` does what `Disk` does, in one folder, and writes down every call. `crashes` goes
through all prefixes of the recording. Whatever was not synced by then is lost, kept, torn at a
byte, or there as a random choice of its 512-byte sectors. Two profiles say when a name is durable:

    JOURNALLED  syncing a new file makes its name durable (ext4, xfs)
    STRICT      a name is durable after a sync of the folder, and before that any prefix of the
                operations on names may have survived

A file in a folder below has the name `folder/file`, and `sync_folder` then names the folder.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from node.disk import Disk

JOURNALLED = "journalled"
STRICT = "strict"
SECTOR = 512


@dataclass(frozen=True)
class Op:
    """One call: what, on which file (a number that outlives its names), and with what."""

    kind: str  # create, write, cut, sync, rename, remove, sync_folder, mark
    file: int = -1
    at: int = 0
    data: bytes = b""
    names: tuple[str, ...] = ()


@dataclass
class Crash:
    """What lies in the folder after a power cut, and how many marks were set before it."""

    files: dict[str, bytes]
    marks: int
    whole_sectors: bool  # no sector was torn in itself: what a disk promises
    story: str


class RecordingDisk(Disk):
    """The real disk, with a recording of every call."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self._names: dict[str, int] = {}
        self._open: dict[int, int] = {}
        self._count = 0

    def mark(self) -> None:
        """Record that a promise has just been made to the outside."""
        self.ops.append(Op("mark"))

    def adopt(self, path: Path) -> None:
        """Begin with a file that is there and durable already."""
        self._names[path.name] = self._count
        file, self._count = self._count, self._count + 1
        data = path.read_bytes()
        self.ops += [Op("create", file, names=(path.name,)), Op("write", file, 0, data)]
        self.ops += [Op("sync", file), Op("sync_folder")]

    def open(self, path: Path) -> int:
        number = super().open(path)
        self._open[number] = self._names[path.name]
        return number

    def create(self, path: Path) -> int:
        number = super().create(path)
        file, self._count = self._count, self._count + 1
        self._names[path.name] = self._open[number] = file
        self.ops.append(Op("create", file, names=(path.name,)))
        return number

    def write(self, file: int, data: bytes, at: int) -> None:
        super().write(file, data, at)
        self.ops.append(Op("write", self._open[file], at, data))

    def cut(self, file: int, size: int) -> None:
        super().cut(file, size)
        self.ops.append(Op("cut", self._open[file], size))

    def sync(self, file: int) -> None:
        super().sync(file)
        self.ops.append(Op("sync", self._open[file]))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self._names[new.name] = self._names.pop(old.name)
        self.ops.append(Op("rename", names=(old.name, new.name)))

    def remove(self, path: Path) -> None:
        super().remove(path)
        del self._names[path.name]
        self.ops.append(Op("remove", names=(path.name,)))

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self.ops.append(Op("sync_folder"))


class FastDisk(Disk):
    """For looking at rebuilt states: nothing there has to survive anything."""

    def sync(self, file: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


@dataclass
class _Image:
    """A disk between the calls: what is durable, and what is on its way."""

    contents: dict[int, bytes] = field(default_factory=dict)  # durable, by file
    pending: dict[int, list[Op]] = field(default_factory=dict)  # writes and cuts, by file
    names: dict[str, int] = field(default_factory=dict)  # durable
    moves: list[Op] = field(default_factory=list)  # creates, renames, removes on their way

    def apply(self, op: Op, profile: str) -> None:
        if op.kind in ("create", "rename", "remove"):
            self.moves.append(op)
        elif op.kind in ("write", "cut"):
            self.pending.setdefault(op.file, []).append(op)
        elif op.kind == "sync":
            data = self.contents.get(op.file, b"")
            for change in self.pending.pop(op.file, []):
                data = _changed(data, change)
            self.contents[op.file] = data
            made = [i for i, m in enumerate(self.moves) if m.kind == "create" and m.file == op.file]
            if profile == JOURNALLED and made:
                self._settle(made[0] + 1)
        elif op.kind == "sync_folder" and op.names:
            here = [move for move in self.moves if _folder(move) == op.names[0]]
            self.names = _moved(self.names, here)
            self.moves = [move for move in self.moves if move not in here]
        elif op.kind == "sync_folder":
            self._settle(len(self.moves))

    def _settle(self, count: int) -> None:
        self.names = _moved(self.names, self.moves[:count])
        del self.moves[:count]


def crashes(
    ops: list[Op], profile: str, *, every_byte: bool, seed: int = 0, slots_torn: bool = False
) -> Iterator[Crash]:
    """Yield every state in which a power cut within `ops` can leave the folder.

    `slots_torn` tears also writes of at most a sector, every 64 bytes: no disk should.
    """
    chance = random.Random(seed)
    image = _Image()
    marks = 0
    for index, op in enumerate([Op("begin"), *ops]):
        marks += op.kind == "mark"
        image.apply(op, profile)
        for survived in range(len(image.moves) + 1):
            names = _moved(image.names, image.moves[:survived])
            steps = (1, 1) if every_byte else (64 if slots_torn else SECTOR, SECTOR)
            for what, whole, contents in _contents(image, chance, steps):
                files = {name: contents.get(file, b"") for name, file in names.items()}
                story = f"after call {index} ({op.kind}), {survived} names moved, {what}"
                yield Crash(files, marks, whole, story)


def rebuild(crash: Crash, folder: Path) -> None:
    """Put the files of `crash` into `folder`, and nothing else."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in crash.files.items():
        (folder / name).write_bytes(data)


def _contents(
    image: _Image, chance: random.Random, steps: tuple[int, int]
) -> Iterator[tuple[str, bool, dict[int, bytes]]]:
    """Yield (what happened, whether sectors stayed whole, contents) for the unsynced data.

    `steps` says where writes are torn: those of at most a sector, and longer ones.
    """
    yield "unsynced lost", True, image.contents
    for file, changes in image.pending.items():
        data = image.contents.get(file, b"")
        for number, change in enumerate(changes):
            tears = _tears(data, change, chance, steps[len(change.data) > SECTOR])
            for what, whole, torn in tears:
                story = f"file {file} call {number}: {what}"
                yield story, whole, {**image.contents, file: torn}
            data = _changed(data, change)
            yield f"file {file} call {number}: kept", True, {**image.contents, file: data}


def _tears(
    data: bytes, change: Op, chance: random.Random, step: int
) -> Iterator[tuple[str, bool, bytes]]:
    if change.kind != "write":
        return
    size = len(change.data)
    grown = max(len(data), change.at + size)
    yield "size kept, bytes lost", True, data.ljust(grown, b"\0")
    sectors = list(
        range(-change.at % SECTOR, size, SECTOR)
    )  # begin here: on the disk, not in `data`
    for at in sorted({*range(step, size, step), *sectors} - {0}):
        part = Op("write", change.file, change.at, change.data[:at])
        yield f"short at {at}", True, _changed(data, part)  # a size may be anything
        yield f"torn at {at}", at in sectors, _changed(data, part).ljust(grown, b"\0")
    edges = sorted({0, *sectors, size})
    for _ in range(4 if len(edges) > 2 else 0):
        torn = bytearray(data.ljust(grown, b"\0"))
        for begin, end in pairwise(edges):
            if chance.random() < 0.5:
                torn[change.at + begin : change.at + end] = change.data[begin:end]
        yield "some sectors", True, bytes(torn)


def _folder(move: Op) -> str:
    return move.names[0].rpartition("/")[0]


def _changed(data: bytes, change: Op) -> bytes:
    if change.kind == "cut":
        return data[: change.at].ljust(change.at, b"\0")
    padded = data.ljust(change.at, b"\0")
    return padded[: change.at] + change.data + padded[change.at + len(change.data) :]


def _moved(names: dict[str, int], moves: list[Op]) -> dict[str, int]:
    result = names.copy()
    for move in moves:
        if move.kind == "create":
            result[move.names[0]] = move.file
        elif move.kind == "rename":
            result[move.names[1]] = result.pop(move.names[0])
        else:
            del result[move.names[0]]
    return result
