"""Mirrors node/manifest.py: what is cut from a manifest, and what is refused (reliability Y22).

The manifests are LevelDB's own. `tests/node/test_store_power.py` rebuilds what power cuts leave.
"""

import json
import shutil
from base64 import b64decode
from collections import Counter
from pathlib import Path

import plyvel
import pytest

from node.disk import StoreDamaged
from node.manifest import (
    BLOCK_BYTES,
    TORN_BYTES_MAX,
    crc32c,
    cut_unfinished_edit,
    read_edit,
    read_records,
)
from node.store import LEVELDB, create_store, open_store, recover_torn_tail
from node.store_pairs import KEY_END
from tests.node.test_store_damage import FAST, dump, model, write_chain
from tests.node.test_store_power import COMPACTIONS

EVERYTHING = KEY_END + b"\xff"


def read_appends() -> list[bytes]:
    """Return what LevelDB appended to its manifest, one record each."""
    calls = json.loads(COMPACTIONS.read_text())
    return [b64decode(call[2]) for call in calls if call[:2] == ["write", "MANIFEST-000002"]]


def manifest_of(folder: Path) -> Path:
    return folder / (folder / "CURRENT").read_text().strip()


def files_of(folder: Path) -> dict[str, bytes]:
    noise = ("LOG", "LOG.old", "LOCK")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in noise}


@pytest.fixture(scope="module", params=[1, 2])
def compacted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of ten blocks as it lies there while it is open.

    After one compaction its last edit replaced a log by a table, after two it merged tables.
    """
    folder = tmp_path_factory.mktemp("live") / "store"
    store = create_store(folder, LEVELDB, FAST)
    for compaction in range(request.param):
        write_chain(store, compaction * 4, compaction * 4 + 4)
        store._database.compact_range(stop=EVERYTHING)  # type: ignore[attr-defined]
    write_chain(store, request.param * 4, 10)
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    store.close()
    return copy


def test_each_prefix_ends_with_its_last_whole_record() -> None:
    """Every byte at which an append can be torn, with nothing or with zeros after it."""
    appends = read_appends()
    data = b"".join(appends)
    ends = [0]
    for append in appends:
        ends.append(ends[-1] + len(append))
    for at in range(len(data) + 1):
        for torn in (data[:at], data[:at].ljust(len(data), b"\0")):  # an edit may end with zeros
            assert read_records(torn).end == max(end for end in ends if torn[:end] == data[:end])
    found = read_records(data)
    assert (found.begin, found.end) == (ends[-2], ends[-1])
    assert found.last == appends[-1][7:]
    assert found.before == appends[-2][7:]


def test_an_edit_says_which_log_is_needed_and_which_tables_are_new() -> None:
    edits = [read_edit(append[7:]) for append in read_appends()]
    assert edits[0] == (None, ())  # the list at the begin of a manifest
    assert [edit.log for edit in edits[1:]] == [3, 4, 6, 6, 9, 9]
    assert [edit.tables for edit in edits[2:]] == [(5,), (7,), (8,), (10,), (11,)]


@pytest.mark.parametrize("edit", [b"\x08", b"\x02", b"\x02\x80", b"\x01\x05abc"])
def test_an_edit_that_cannot_be_read_is_damage(edit: bytes) -> None:
    with pytest.raises(StoreDamaged, match="cannot be read"):
        read_edit(edit)


def test_the_checksum_is_that_of_the_standard() -> None:
    """RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_no_damage_to_a_manifest_costs_a_block_without_a_word(
    compacted: Path, tmp_path: Path
) -> None:
    """Reliability Y22, Y23, Y35: what is mended is whole, even where nobody looks at the head.

    The last edit is synced here, and what it replaced is gone: no flipped bit may take it away.
    """
    whole = manifest_of(compacted).read_bytes()
    folder = tmp_path / "store"
    told = Counter[str]()
    for at in range(0, len(whole), 5):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(compacted, folder)
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        manifest_of(folder).write_bytes(damaged)
        before = files_of(folder)
        try:
            store = recover_torn_tail(folder, LEVELDB, lambda _store: True, FAST)
        except StoreDamaged as error:
            told[str(error).replace("Corruption: ", "").split(": ")[1].split(",")[0]] += 1
            assert files_of(folder) == before
        else:
            assert dump(store) == model(10)
            store.close()
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert told["damaged before its end"] > 5
    assert told["2 missing files; e.g."] + told["its last edit is damaged"] > 20
    assert told.total() == len(range(0, len(whole), 5))


def test_a_lost_table_is_no_unfinished_edit(compacted: Path, tmp_path: Path) -> None:
    """Reliability Y23: what the edit replaced is gone, so the table was there once."""
    folder = tmp_path / "store"
    shutil.copytree(compacted, folder)
    (table,) = folder.glob("*.ldb")
    table.unlink()
    with pytest.raises(StoreDamaged):
        open_store(folder, LEVELDB, FAST)
    with pytest.raises(StoreDamaged, match=r"missing files|what that replaced is gone"):
        recover_torn_tail(folder, LEVELDB, lambda _store: True, FAST)


def test_a_lost_log_is_no_unfinished_edit(compacted: Path, tmp_path: Path) -> None:
    """Reliability Y4: LevelDB would open without the log that the list before names."""
    folder = tmp_path / "store"
    shutil.copytree(compacted, folder)
    path = manifest_of(folder)
    path.write_bytes(path.read_bytes() + bytes([1] * 9))
    cut_unfinished_edit(folder, FAST)
    assert path.read_bytes() == manifest_of(compacted).read_bytes()
    path.write_bytes(path.read_bytes() + bytes([1] * 9))
    (log,) = folder.glob("*.log")
    log.unlink()
    with pytest.raises(StoreDamaged, match="what that replaced is gone"):
        cut_unfinished_edit(folder, FAST)


def test_what_is_longer_than_any_edit_is_no_torn_one(compacted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(compacted, folder)
    path = manifest_of(folder)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(TORN_BYTES_MAX))
    cut_unfinished_edit(folder, FAST)
    assert path.read_bytes() == whole
    path.write_bytes(whole + bytes(TORN_BYTES_MAX + 1))
    with pytest.raises(StoreDamaged, match="before its end"):
        cut_unfinished_edit(folder, FAST)


@pytest.mark.parametrize("damage", ["no CURRENT", "another name", "no manifest"])
def test_a_manifest_that_is_not_found_is_left_to_the_opening(
    damage: str, compacted: Path, tmp_path: Path
) -> None:
    """Reliability Y5, W39: it is damage, never a disk that does not work."""
    folder = tmp_path / "store"
    shutil.copytree(compacted, folder)
    if damage == "no manifest":
        manifest_of(folder).unlink()
    elif damage == "another name":
        (folder / "CURRENT").write_text("../store/MANIFEST-000002\n\n")
    else:
        (folder / "CURRENT").unlink()
    with pytest.raises(StoreDamaged):
        recover_torn_tail(folder, LEVELDB, lambda _store: True, FAST)


def test_an_edit_that_crosses_a_block_is_cut_as_a_whole(tmp_path: Path) -> None:
    """Such an edit has two parts, and each can be lost without the other."""
    folder = tmp_path / "live"
    database = plyvel.DB(str(folder), create_if_missing=True)
    path = manifest_of(folder)
    number = 0
    while len(whole := path.read_bytes()) <= BLOCK_BYTES:
        number += 1
        database.put(b"%d" % number + b"k" * 240, b"")  # keys make an edit long
        database.compact_range(stop=EVERYTHING)
    database.close()
    found = read_records(whole)
    while found.begin > BLOCK_BYTES:
        found = read_records(whole[: found.begin])
    begin, end = found.begin, found.end
    assert begin < BLOCK_BYTES - 7 < BLOCK_BYTES < end
    for at in range(begin + 1, end, 16):
        for torn in (whole[:at], whole[:at].ljust(end, b"\0")):
            is_whole = torn[:end] == whole[:end]  # an edit may end with zeros
            assert read_records(torn).end == (end if is_whole else begin)
    # its first part is lost, its second is there
    late = whole[:begin].ljust(BLOCK_BYTES, b"\0") + whole[BLOCK_BYTES:end]
    assert read_records(late).end == begin
    kept = read_edit(read_records(late).last).log
    path.write_bytes(late)
    (folder / f"{kept:06}.log").touch()
    cut_unfinished_edit(folder, FAST)
    assert path.read_bytes() == whole[:begin]
