"""Record what LevelDB really asks of the disk: `python -m tests.record_leveldb` (reliability Y33).

Needs `strace`. Writes `tests/vectors/leveldb-calls.json`, lives of a store, and
`leveldb-compaction-calls.json`, compactions of one life. `tests/node/test_store_power.py` rebuilds
from them every state that a power cut can leave. Record again when plyvel or LevelDB changes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

from tests.powercut.record import whole_calls

VECTORS = Path(__file__).parent / "vectors"
CALLS = "openat,write,pwrite64,fdatasync,fsync,rename,unlink,ftruncate"
LIVES, BLOCKS = 3, 3  # how often the store is opened, and what each life writes
COMPACTIONS = 3  # one after each BLOCKS blocks
NOISE = ("LOCK", "LOG", "LOG.old")  # hold nothing of the store

_STRING = r'"((?:\\x[0-9a-f]{2})*)"'
_OPEN = re.compile(rf"openat\([^,]*, {_STRING}, (\S+)(?:, \d+)?\) = (-?\d+)")
_WRITE = re.compile(rf"write\(\d+<([^>]*)>, {_STRING}(?:\.\.\.)?, (\d+)\) = (\d+)")
_SYNC = re.compile(r"(?:fdatasync|fsync)\(\d+<([^>]*)>\) = 0")
_RENAME = re.compile(rf"rename\({_STRING}, {_STRING}\) = 0")
_UNLINK = re.compile(rf"unlink\({_STRING}\) = 0")


def main() -> int:
    """Play the part that is recorded, or record both."""
    if len(sys.argv) > 1:
        {"lives": _play_lives, "compactions": _play_compactions}[sys.argv[1]](Path(sys.argv[2]))
        return 0
    _record("lives", VECTORS / "leveldb-calls.json")
    _record("compactions", VECTORS / "leveldb-compaction-calls.json")
    return 0


def _record(part: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as base:
        folder, trace = Path(base) / "store", Path(base) / "trace"
        words = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", str(trace)]
        words += ["-e", f"trace={CALLS}", sys.executable, "-m", "tests.record_leveldb", part]
        subprocess.run([*words, str(folder)], check=True)
        ops = _read(trace.read_text(), folder)
    target.write_text("[\n" + ",\n".join(json.dumps(op) for op in ops) + "\n]\n")
    print(f"{len(ops)} calls in {target}")


def _play_lives(folder: Path) -> None:
    from node.store_leveldb import create_leveldb, open_leveldb
    from tests.node.test_store_damage import write_chain

    folder.mkdir()
    store = create_leveldb(folder)
    _mark()
    for life in range(LIVES):
        for block in range(life * BLOCKS, (life + 1) * BLOCKS):
            write_chain(store, block, block + 1)
            _mark()
        store.close()
        if life + 1 < LIVES:
            store = open_leveldb(folder)


def _play_compactions(folder: Path) -> None:
    from node.store_leveldb import create_leveldb
    from node.store_pairs import KEY_END
    from tests.node.test_store_damage import write_chain

    folder.mkdir()
    store = create_leveldb(folder)
    _mark()
    for compaction in range(COMPACTIONS):
        for block in range(compaction * BLOCKS, (compaction + 1) * BLOCKS):
            write_chain(store, block, block + 1)
            _mark()
        store._database.compact_range(
            stop=KEY_END + b"\xff"
        )  # what a background thread does when there is enough
    store.close()


def _mark() -> None:
    """Leave a promise in the trace: a look for a file that is not there."""
    assert not os.access("/no", os.R_OK)
    try:
        os.close(os.open("/no/promise", os.O_RDONLY))
    except OSError:
        return


def _read(trace: str, folder: Path) -> list[list[str]]:
    """Return the calls on files of `folder`: kind, name, and data or new name."""
    ops: list[list[str]] = []
    for line in whole_calls(trace.splitlines(keepends=True)):
        if found := _OPEN.search(line):
            path, flags, number = _text(found[1]), found[2], int(found[3])
            if path == "/no/promise":
                ops.append(["mark"])
            elif number >= 0 and "O_CREAT" in flags and (name := _name(path, folder)):
                ops.append(["create", name])
        elif found := _WRITE.search(line):
            assert found[3] == found[4], "a short write"
            if name := _name(found[1], folder):
                ops.append(["write", name, b64encode(_bytes(found[2])).decode()])
        elif found := _SYNC.search(line):
            if _plain(found[1]) == str(folder):
                ops.append(["sync_folder"])
            elif name := _name(found[1], folder):
                ops.append(["sync", name])
        elif found := _RENAME.search(line):
            if name := _name(_text(found[1]), folder):
                ops.append(["rename", name, Path(_text(found[2])).name])
        elif (found := _UNLINK.search(line)) and (name := _name(_text(found[1]), folder)):
            ops.append(["remove", name])
        assert "ftruncate" not in line, "a call that is not understood"
    return ops


def _name(path: str, folder: Path) -> str | None:
    plain = Path(_plain(path))
    return plain.name if plain.parent == folder and plain.name not in NOISE else None


def _plain(path: str) -> str:
    return _text(path) if path.startswith("\\x") else path


def _text(escaped: str) -> str:
    return _bytes(escaped).decode()


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


if __name__ == "__main__":
    sys.exit(main())
