"""Record every disk call of a busy node: `python -m tests.powercut.record` (reliability Y33).

`record` runs one under `strace`, which sees the calls of LevelDB and SQLite too, and reads them
back as the calls of `tests/node/power_cut.py`. The node marks its promises with a look for a file
that is not there: a payment that was called final, and each signature that may have left.

Without words it writes a small recording to `tests/vectors/node-calls.json`, for the suite.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from node.disk import DISK
from node.guard_file import GuardFile
from node.home import Home
from tests.node.power_cut import Op
from tests.powercut import busy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consensus.guard import Position

TARGET = Path(__file__).parents[1] / "vectors" / "node-calls.json"
PROMISE = "/no/promise/"
BEGUN = "begun"
CALLS = "openat,write,pwrite64,fdatasync,fsync,rename,unlink,ftruncate"
KEPT = ("guard.bin", "head.bin", "store/")  # what a start reads; settings and keys never change
NOISE = ("LOCK", "LOG", "LOG.old", "store.sqlite-shm")  # hold nothing of the store

_STRING = r'"((?:\\x[0-9a-f]{2})*)"'
_OPEN = re.compile(rf"openat\([^,]*, {_STRING}, (\S+?)(?:, \d+)?\) = (-?\d+)")
_WRITE = re.compile(rf"\bwrite\(\d+<([^>]*)>, {_STRING}, (\d+)\) = (\d+)")
_PWRITE = re.compile(rf"pwrite64\(\d+<([^>]*)>, {_STRING}, (\d+), (\d+)\) = (\d+)")
_SYNC = re.compile(r"(?:fdatasync|fsync)\(\d+<([^>]*)>\) = 0")
_CUT = re.compile(r"ftruncate\(\d+<([^>]*)>, (\d+)\) = 0")
_RENAME = re.compile(rf"rename\({_STRING}, {_STRING}\) = 0")
_UNFINISHED = " <unfinished ...>\n"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_PADDED = re.compile(r"\)\s+= ")
_UNLINK = re.compile(rf"unlink\({_STRING}\) = 0")


def record(kind: str, lives: int, blocks: int) -> list[Op]:
    """Return the calls of a node that is started `lives` times and decides `blocks` each time.

    The files that are there at the beginning come first, as durable; then the mark `BEGUN`.
    """
    if shutil.which("strace") is None:
        sys.exit("strace is not there: it sees the disk calls of the databases")
    with tempfile.TemporaryDirectory(prefix="wijk-record-") as base:
        root, trace = Path(base) / "home", Path(base) / "trace"
        busy.begin(root, kind)
        reader = _Reader(root)
        words = ["strace", "-f", "-y", "-xx", "-s", "10000000", "-o", str(trace)]
        words += ["-e", f"trace={CALLS}", sys.executable, "-m", "tests.powercut.record"]
        subprocess.run([*words, str(root), str(lives), str(blocks)], check=True)
        with trace.open() as lines:
            for line in whole_calls(lines):
                reader.read(line)
    return reader.ops


class _Reader:
    """Guards the names and sizes of the files while the calls are read."""

    def __init__(self, root: Path) -> None:
        self.ops: list[Op] = []
        self._root = str(root)
        self._files: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        self._count = 0
        for path in sorted(one for one in root.rglob("*") if one.is_file()):
            name = self._name(str(path))
            if name is not None:
                self._create(name)
                data = path.read_bytes()
                self._write(name, self._ends[self._files[name]], data)
                self.ops += [Op("sync", self._files[name]), Op("sync_folder")]
        self.ops.append(Op("mark", names=(BEGUN,)))

    def read(self, line: str) -> None:
        """Take in a line of the trace."""
        if found := _OPEN.search(line):
            path, flags = _text(found[1]), found[2]
            name = self._name(path)
            if path.startswith(PROMISE):
                self.ops.append(Op("mark", names=(path.removeprefix(PROMISE),)))
            elif name is not None and int(found[3]) >= 0:
                if name not in self._files:
                    assert "O_CREAT" in flags, f"{name} came from nowhere"
                    self._create(name)
                elif "O_TRUNC" in flags:
                    self._cut(name, 0)
        elif found := _PWRITE.search(line):
            assert found[3] == found[5], "a short write"
            self._write(self._name(_plain(found[1])), int(found[4]), _bytes(found[2]))
        elif found := _WRITE.search(line):
            assert found[3] == found[4], "a short write"
            name = self._name(_plain(found[1]))
            if name is not None:
                self._write(name, self._ends[self._files[name]], _bytes(found[2]))
        elif found := _CUT.search(line):
            name = self._name(_plain(found[1]))
            if name is not None:
                self._cut(name, int(found[2]))
        elif found := _SYNC.search(line):
            self._sync(_plain(found[1]))
        elif found := _RENAME.search(line):
            old, new = self._name(_text(found[1])), self._name(_text(found[2]))
            if old is not None and new is not None:
                self._files[new] = self._files.pop(old)
                self.ops.append(Op("rename", names=(old, new)))
            else:
                assert old is new is None, "a file that came in from outside"
        elif found := _UNLINK.search(line):
            name = self._name(_text(found[1]))
            if name is not None:
                del self._files[name]
                self.ops.append(Op("remove", names=(name,)))
        else:
            is_other = "= -1 " in line or "+++" in line or "---" in line
            assert is_other or self._root not in line, f"a call that is not understood: {line}"

    def _name(self, path: str) -> str | None:
        name = path.removeprefix(self._root + "/")
        if name == path or not name.startswith(KEPT) or Path(name).name in NOISE:
            return None
        return name

    def _create(self, name: str) -> None:
        self._files[name] = self._count
        self._ends[self._count] = 0
        self.ops.append(Op("create", self._count, names=(name,)))
        self._count += 1

    def _write(self, name: str | None, at: int, data: bytes) -> None:
        if name is None:
            return
        file = self._files[name]
        self._ends[file] = max(self._ends[file], at + len(data))
        self.ops.append(Op("write", file, at, data))

    def _cut(self, name: str, size: int) -> None:
        self._ends[self._files[name]] = size
        self.ops.append(Op("cut", self._files[name], size))

    def _sync(self, path: str) -> None:
        name = self._name(path)
        if name is not None:
            self.ops.append(Op("sync", self._files[name]))
        elif path in (self._root, f"{self._root}/store"):
            folder = path.removeprefix(self._root).removeprefix("/")
            self.ops.append(Op("sync_folder", names=(folder,)))


def whole_calls(lines: Iterable[str]) -> Iterator[str]:
    """Join calls that another thread came between; each counts when it ends."""
    begun: dict[str, str] = {}
    for line in lines:
        process, _, call = line.partition(" ")
        if line.endswith(_UNFINISHED):
            begun[process] = line.removesuffix(_UNFINISHED)
        elif found := _RESUMED.match(call.lstrip()):
            yield begun.pop(process) + _PADDED.sub(") = ", call.lstrip()[found.end() :])
        else:
            yield line


def _plain(path: str) -> str:
    return _text(path) if path.startswith("\\x") else path


def _text(escaped: str) -> str:
    return _bytes(escaped).decode(errors="replace")


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def read_recording() -> list[Op]:
    """Return the recording of the suite."""
    return [
        Op(kind, file, at, b64decode(data), tuple(names))
        for kind, file, at, data, names in json.loads(TARGET.read_text())
    ]


def _pack(op: Op) -> list[object]:
    return [op.kind, op.file, op.at, b64encode(op.data).decode(), list(op.names)]


# ---------------------------------------------------------------------------- what is recorded


def main() -> int:
    """Make the recording of the suite; with words, be the node that is recorded."""
    if len(sys.argv) == 1:
        ops = record("leveldb", 2, 3)
        TARGET.write_text("[\n" + ",\n".join(json.dumps(_pack(op)) for op in ops) + "\n]\n")
        print(f"{len(ops)} calls in {TARGET}")
        return 0
    root, lives, blocks = sys.argv[1:]
    number = 0
    with _promising(), busy.compact_often():
        for _ in range(int(lives)):
            node = busy.start(Home(Path(root)), DISK)
            for _ in range(int(blocks)):
                number += 1
                _promise(f"final/{node.pay(number).hex()}")
            node.end()
    return 0


@contextmanager
def _promising() -> Iterator[None]:
    """Mark each signature that is handed out: from then on others may hold it."""
    plain = GuardFile.sign

    def sign(self: GuardFile, at: Position, signed: bytes) -> bytes:
        signature = plain(self, at, signed)
        digest = sha256(signed).hexdigest()
        _promise(f"signed/{at.height}/{at.round}/{int(at.step)}/{digest}")
        return signature

    GuardFile.sign = sign  # type: ignore[method-assign]
    try:
        yield
    finally:
        GuardFile.sign = plain  # type: ignore[method-assign]


def _promise(what: str) -> None:
    try:
        os.close(os.open(PROMISE + what, os.O_RDONLY))
    except OSError:
        return
    raise AssertionError("nobody keeps this file")


if __name__ == "__main__":
    sys.exit(main())
