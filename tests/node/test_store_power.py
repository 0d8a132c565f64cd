"""Every state a power cut can leave of a LevelDB, from recordings of its real calls (Y33).

`tests/record_leveldb.py` made them. In one a store is created and lives three times, with three
acked batches in each life. Opening a store again moves its log into a table, begins a new manifest
and log, and renames `CURRENT`: a power cut may fall between any two of these calls too. In the
other a store is compacted while it is open, three times, and its manifest grows.
"""

import json
import random
import shutil
from base64 import b64decode
from collections import Counter
from pathlib import Path

import pytest

from node.disk import StoreDamaged
from node.head_file import HeadVerdict
from node.store import LEVELDB, open_store
from tests.node.power_cut import JOURNALLED, SECTOR, STRICT, Crash, Op, crashes, rebuild
from tests.node.test_store_damage import FAST, dump, model, start, verdict, write_chain

VECTORS = Path(__file__).parent.parent / "vectors"
LIVES = VECTORS / "leveldb-calls.json"
COMPACTIONS = VECTORS / "leveldb-compaction-calls.json"
STATES = 100  # of each profile; all of them were tried by hand


def read_ops(vector: Path) -> list[Op]:
    """Return a recording, with a number for every file that outlives its names."""
    ops: list[Op] = []
    names: dict[str, int] = {}
    sizes: dict[int, int] = {}
    for kind, *words in json.loads(vector.read_text()):
        if kind == "create":
            names[words[0]] = len(sizes)
            sizes[len(sizes)] = 0
            ops.append(Op(kind, names[words[0]], names=(words[0],)))
        elif kind == "write":
            file, data = names[words[0]], b64decode(words[1])
            ops.append(Op(kind, file, sizes[file], data))
            sizes[file] += len(data)
        elif kind == "sync":
            ops.append(Op(kind, names[words[0]]))
        elif kind == "rename":
            names[words[1]] = names.pop(words[0])
            ops.append(Op(kind, names=(words[0], words[1])))
        elif kind == "remove":
            del names[words[0]]
            ops.append(Op(kind, names=(words[0],)))
        else:
            ops.append(Op(kind))
    return ops


def states(vector: Path, profile: str, *, slots_torn: bool = False) -> list[Crash]:
    """Return the states after the first acked block; before it nothing was promised."""
    found = crashes(read_ops(vector), profile, every_byte=False, slots_torn=slots_torn)
    return [crash for crash in found if crash.marks > 1]


def check(crash: Crash, folder: Path) -> None:
    """Start on what is left, with the production recovery: no acked block is missing (J17)."""
    acked = crash.marks - 2  # the first mark is of the creation
    rebuild(crash, folder)
    store = start(folder, LEVELDB, acked)
    head = int(store.get(b"head") or b"-1")
    assert head in (acked, acked + 1), crash.story
    assert dump(store) == model(head + 1), crash.story
    assert verdict(store, acked) is HeadVerdict.OK, crash.story
    write_chain(store, head + 1, head + 2)
    store.close()
    store = open_store(folder, LEVELDB, FAST)
    assert dump(store) == model(head + 2), crash.story
    store.close()


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_a_power_cut_at_any_call_of_leveldb_costs_no_acked_block(
    profile: str, tmp_path: Path
) -> None:
    """Reliability Y33, Y9, Y18, Y22: no human and no peer, whatever became of data and names."""
    found = states(LIVES, profile)
    folder = tmp_path / "store"
    folder.mkdir()
    assert len(found) > 2 * STATES
    for crash in random.Random(profile).sample(found, STATES):
        check(crash, folder)
        assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    ("profile", "reasons"),
    [
        (JOURNALLED, {"", "checksum mismatch"}),
        (STRICT, {"", "checksum mismatch", "1 missing files"}),  # an edit before its table's name
    ],
)
def test_a_power_cut_while_the_manifest_grows_costs_no_acked_block(
    profile: str, reasons: set[str], tmp_path: Path
) -> None:
    """Reliability Y22, Y33, consensus D16, F30: torn at and within its sectors, or kept whole."""
    (manifest,) = [op.file for op in read_ops(COMPACTIONS) if op.names == ("MANIFEST-000002",)][:1]
    found = states(COMPACTIONS, profile, slots_torn=True)
    growing = {  # each once: not every call in between changes what is left
        (crash.marks, tuple(crash.files.items())): crash
        for crash in found
        if f"file {manifest} call" in crash.story
    }
    folder = tmp_path / "store"
    folder.mkdir()
    refused = Counter[str]()
    for crash in growing.values():
        rebuild(crash, folder)
        why = ""
        try:
            open_store(folder, LEVELDB, FAST).close()
        except StoreDamaged as error:
            why = str(error).partition("Corruption: ")[2].partition(";")[0]
        refused[why] += crash.whole_sectors
        check(crash, folder)
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert set(refused) == reasons
    assert all(refused.values()), "a disk that keeps its sectors whole can leave each of them"


def test_without_synced_names_acked_blocks_are_lost(tmp_path: Path) -> None:
    """Reliability Y9, Y18: the enumeration would notice a store that syncs no folder."""
    careless = [op for op in read_ops(LIVES) if op.kind != "sync_folder"]
    folder = tmp_path / "store"
    lost = 0
    for crash in crashes(careless, STRICT, every_byte=False):
        if crash.marks == 5 and ", 0 names" in crash.story:  # blocks were acked, no name is durable
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            with pytest.raises(StoreDamaged):
                check(crash, folder)
            lost += 1
    assert lost > 3


def test_the_recording_has_what_makes_it_worth_replaying() -> None:
    """Three lives: tables are written, manifests replaced, and names synced before every ack.

    Three compactions: logs become tables, and tables become one, after edits that cross sectors.
    """
    ops = read_ops(COMPACTIONS)
    names = {op.file: op.names[0] for op in ops if op.kind == "create"}
    edits = [op for op in ops if op.kind == "write" and names[op.file] == "MANIFEST-000002"][2:]
    assert len(edits) == 5
    assert sum(op.at // SECTOR < (op.at + len(op.data)) // SECTOR for op in edits) == 2
    removed = [op.names[0] for op in ops if op.kind == "remove"]
    assert sum(name.endswith(".log") for name in removed) == 3
    assert sum(name.endswith(".ldb") for name in removed) == 4

    ops = read_ops(LIVES)
    made = [name for op in ops if op.kind == "create" for name in op.names]
    assert sum(name.endswith(".ldb") for name in made) == 2
    assert sum(name.startswith("MANIFEST") for name in made) == 4
    assert sum(op.kind == "mark" for op in ops) == 10
    unsynced = False
    for op in ops:
        if op.kind in ("create", "rename", "remove"):
            unsynced = True
        elif op.kind == "sync_folder":
            unsynced = False
        assert not (op.kind == "mark" and unsynced)
