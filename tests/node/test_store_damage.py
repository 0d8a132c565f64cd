"""Mirrors node/store.py: torn tails, flipped bits, failing disks (reliability Y21..24, Y33..36).

The store here holds a small chain: each batch writes a block that names the one before, some state,
and the head. So what is missing shows, as it does in a node.
"""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import plyvel
import pytest

from chain.crypto import sha256
from node.disk import Disk, StorageError, StoreDamaged, StoreFailed
from node.head_file import Head, HeadVerdict, judge_head
from node.ports import Store
from node.store import (
    LEVELDB,
    SQLITE,
    create_store,
    open_store,
    recover_torn_tail,
    set_aside,
    verify_store,
)
from node.store_leveldb import _scan
from node.store_pairs import KEY_END

KINDS = (LEVELDB, SQLITE)
LOG_END = {LEVELDB: ".log", SQLITE: "-wal"}
BODY = 900  # a batch takes two or three sectors of the log
FLIPS = 150  # of each adapter; a thousand and more were tried by hand (reliability U7)


class FastDisk(Disk):
    """For stores that have to survive nothing. The adapters still sync what they write."""

    def sync(self, file: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


FAST = FastDisk()


# ------------------------------------------------------------------------------------ a small chain


def block_of(height: int) -> bytes:
    """Return the block at `height`: the id of the one before, and a body no compression shrinks."""
    chance = random.Random(height)
    before = sha256(block_of(height - 1)) if height else bytes(32)
    return before + chance.randbytes(BODY)


BLOCKS = [block_of(0)]
for _height in range(1, 60):
    BLOCKS.append(sha256(BLOCKS[-1]) + random.Random(_height).randbytes(BODY))


def batch_of(height: int) -> list[tuple[bytes, bytes | None]]:
    name = b"%08d" % height
    return [
        (b"block/" + name, BLOCKS[height]),
        (b"state/%d" % (height % 7), name * 20),
        (b"gone/" + name, b"x"),
        (b"gone/%08d" % (height - 1), None),
        (b"head", name),
    ]


def write_chain(store: Store, first: int, end: int) -> None:
    for height in range(first, end):
        store.write(batch_of(height))


def dump(store: Store) -> dict[bytes, bytes]:
    return dict(store.scan(b"", KEY_END))


def model(end: int) -> dict[bytes, bytes]:
    pairs: dict[bytes, bytes] = {}
    for height in range(end):
        for key, value in batch_of(height):
            if value is None:
                pairs.pop(key, None)
            else:
                pairs[key] = value
    return pairs


def is_sound_from(acked: int) -> Callable[[Store], bool]:
    """Return the check of Y22 for this chain: nothing acked is missing and all of it fits."""

    def is_sound(store: Store) -> bool:
        head = store.get(b"head")
        if head is None or int(head) < acked:
            return False
        return dump(store) == model(int(head) + 1)

    return is_sound


def verdict(store: Store, acked: int) -> HeadVerdict:
    """Ask the head file, which says that `acked` was acked, about `store` (Y20)."""
    heads = tuple(
        Head(h, h, sha256(BLOCKS[h]), bytes(32), bytes(32), bytes(16)) for h in range(acked + 1)
    )
    head = store.get(b"head")
    if head is None:
        return judge_head(0, bytes(32), heads[1:])
    return judge_head(int(head), sha256(store.get(b"block/" + head) or b""), heads)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int, int]]:
    """Return per kind a folder as a power cut finds it, with one batch more than was acked.

    With it the length of its log when the last acked batch, 40, was durable, and after batch 41.
    """
    root = tmp_path_factory.mktemp("live")
    found = {}
    for kind in KINDS:
        folder = root / kind
        store = create_store(folder, kind, FAST)
        write_chain(store, 0, 20)
        store.close()
        store = open_store(folder, kind, FAST)
        write_chain(store, 20, 41)
        lengths = [log_of(folder, kind).stat().st_size]
        write_chain(store, 41, 42)
        lengths.append(log_of(folder, kind).stat().st_size)
        shutil.copytree(folder, root / (kind + ".cut"))
        store.close()
        found[kind] = (root / (kind + ".cut"), *lengths)
    return found  # type: ignore[return-value]


def log_of(folder: Path, kind: str) -> Path:
    (log,) = (path for path in folder.iterdir() if path.name.endswith(LOG_END[kind]))
    return log


def restore(source: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    return folder


def start(folder: Path, kind: str, acked: int) -> Store:
    """Do what a node does at its start (Y17, Y22)."""
    try:
        return open_store(folder, kind, FAST)
    except StoreDamaged:
        return recover_torn_tail(folder, kind, is_sound_from(acked), FAST)


# ---------------------------------------------------------------------------------- Y22: torn tails


def tears(acked: int, end: int, log: bytes) -> Iterator[bytes]:
    """Yield what a power cut may leave of the bytes between `acked` and `end`."""
    chance = random.Random(7)
    for at in range(acked, end, 64):
        yield log[:at]
        yield log[:at].ljust(end, b"\0")
        yield log[:acked] + bytes(at - acked) + log[at:end]
    for _ in range(10):
        torn = bytearray(log[:acked].ljust(end, b"\0"))
        for sector in range(acked // 512, end // 512 + 1):
            if chance.random() < 0.5:
                begin, stop = max(acked, sector * 512), min(end, sector * 512 + 512)
                torn[begin:stop] = log[begin:stop]
        yield bytes(torn)


@pytest.mark.parametrize("kind", KINDS)
def test_a_torn_tail_costs_no_acked_batch(
    kind: str, tmp_path: Path, live: dict[str, tuple[Path, int, int]]
) -> None:
    """Reliability Y8, Y22, Y33: without human and without peers, the last batch whole or not."""
    source, acked, end = live[kind]
    log = log_of(source, kind).read_bytes()
    heads = []
    recovered = 0
    for torn in tears(acked, end, log):
        folder = restore(source, tmp_path / "store")
        log_of(folder, kind).write_bytes(torn)
        try:
            open_store(folder, kind, FAST).close()
        except StoreDamaged:
            recovered += 1
        folder = restore(source, tmp_path / "store")
        log_of(folder, kind).write_bytes(torn)
        store = start(folder, kind, 40)
        heads.append(int(store.get(b"head") or b"-1"))
        assert dump(store) == model(heads[-1] + 1)
        assert verdict(store, 40) is HeadVerdict.OK
        write_chain(store, heads[-1] + 1, 44)
        store.close()
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
        store = open_store(folder, kind, FAST)
        assert dump(store) == model(44)
        store.close()
    assert set(heads) <= {40, 41}
    assert 40 in heads
    assert (recovered > 10) == (kind == LEVELDB)  # SQLite cuts a torn tail itself


@pytest.mark.parametrize("kind", KINDS)
def test_an_untouched_folder_keeps_also_the_batch_that_was_not_acked(
    kind: str, tmp_path: Path, live: dict[str, tuple[Path, int, int]]
) -> None:
    store = start(restore(live[kind][0], tmp_path / "store"), kind, 40)
    assert dump(store) == model(42)
    assert verdict(store, 40) is HeadVerdict.OK
    store.close()


def test_what_cannot_be_proved_is_left_as_it_is(
    tmp_path: Path, live: dict[str, tuple[Path, int, int]]
) -> None:
    """Reliability Y2, Y23: a flipped bit in the log drops acked records; the copy is refused."""
    source, acked, _ = live[LEVELDB]
    for at in range(20, acked, 997):
        folder = restore(source, tmp_path / "store")
        log = log_of(folder, LEVELDB)
        data = bytearray(log.read_bytes())
        data[at] ^= 16
        log.write_bytes(data)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(StoreDamaged):
            open_store(folder, LEVELDB, FAST)
        with pytest.raises(StoreDamaged):
            recover_torn_tail(folder, LEVELDB, is_sound_from(40), FAST)
        after = {path.name: path.read_bytes() for path in folder.iterdir()}
        for name in before.keys() - {"LOG", "LOG.old"}:
            assert after[name] == before[name]
        aside = set_aside(folder, FAST)
        assert aside.name.startswith("store.damaged-")
        assert not folder.exists()


def test_sqlite_has_no_torn_tail_to_recover(
    tmp_path: Path, live: dict[str, tuple[Path, int, int]]
) -> None:
    folder = restore(live[SQLITE][0], tmp_path / "store")
    with pytest.raises(StoreDamaged, match="itself"):
        recover_torn_tail(folder, SQLITE, is_sound_from(40), FAST)


class PowerCut(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


class CutDisk(FastDisk):
    """Loses power before one of its calls."""

    def __init__(self, cut_at: int) -> None:
        self.left = cut_at

    def count(self) -> None:
        if self.left == 0:
            raise PowerCut
        self.left -= 1

    def sync(self, file: int) -> None:
        self.count()

    def sync_folder(self, folder: Path) -> None:
        self.count()

    def rename(self, old: Path, new: Path) -> None:
        self.count()
        super().rename(old, new)

    def remove_folder(self, folder: Path) -> None:
        try:
            self.count()
        except PowerCut:
            for path in sorted(folder.iterdir())[::2]:  # half of it is gone already
                path.unlink()
            raise
        super().remove_folder(folder)


def test_a_recovery_that_is_cut_short_goes_on_at_the_next_start(
    tmp_path: Path, live: dict[str, tuple[Path, int, int]]
) -> None:
    """Reliability Y22: restartable when the crash falls anywhere, also between the two renames."""
    source, acked, end = live[LEVELDB]
    half_way = set()
    finished = False
    cut_at = 0
    while not finished:
        folder = restore(source, tmp_path / "store")
        log = log_of(folder, LEVELDB)
        log.write_bytes(log.read_bytes()[: acked + 200].ljust(end, b"\0"))
        try:
            store = recover_torn_tail(folder, LEVELDB, is_sound_from(40), CutDisk(cut_at))
            finished = True
        except PowerCut:
            half_way.add(frozenset(path.name for path in tmp_path.iterdir()))
            store = start(folder, LEVELDB, 40)
        assert dump(store) == model(41)
        store.close()
        open_store(folder, LEVELDB, FAST).close()
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
        cut_at += 1
    assert cut_at > 10
    assert frozenset({"store.mended", "store.torn"}) in half_way
    assert frozenset({"store", "store.torn"}) in half_way
    assert frozenset({"store", "store.mended"}) in half_way


# ------------------------------------------------------------------------------- Y35, W39: damage


def look(folder: Path, kind: str, acked: int) -> str:
    """Start as a node does and read everything; say `found` or `harmless`, never let a lie pass."""
    try:
        store = open_store(folder, kind, FAST)
    except StorageError:
        return "found"
    try:
        verify_store(store)
        if verdict(store, acked) is not HeadVerdict.OK:
            return "found"
        head = int(store.get(b"head") or b"-1")
        truth = model(head + 1)
        for key, value in truth.items():
            assert store.get(key) == value
        assert dump(store) == truth
        backwards = list(store.scan(b"", KEY_END, reverse=True))
        assert backwards == sorted(truth.items(), reverse=True)
    except StoreDamaged:
        return "found"
    finally:
        store.close()
    return "harmless"


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return per kind a folder, cut while it was in use, with tables or pages on several levels."""
    found = {}
    for kind in KINDS:
        root = tmp_path_factory.mktemp(kind)
        store = create_store(root / "store", kind, FAST)
        for part in range(8):
            write_chain(store, part * 6, part * 6 + 6)
            if part < 6:  # closing and opening moves what is in the log into tables or pages
                store.close()
                store = open_store(root / "store", kind, FAST)
        shutil.copytree(root / "store", root / "cut")
        store.close()
        found[kind] = root / "cut"
    return found


def flip(folder: Path, chance: random.Random) -> str:
    """Flip one bit of the folder, each equally likely; say where."""
    files = sorted(path for path in folder.iterdir() if path.stat().st_size)
    (path,) = chance.choices(files, [file.stat().st_size for file in files])
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{path.name} at {at}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_or_harmless(
    kind: str, tmp_path: Path, wide: dict[str, Path]
) -> None:
    """Reliability Y35, U7: never a wrong value."""
    chance = random.Random(11)
    seen = {"found": 0, "harmless": 0}
    for _ in range(FLIPS):
        folder = restore(wide[kind], tmp_path / "store")
        flip(folder, chance)
        seen[look(folder, kind, 47)] += 1
    assert seen["found"] > FLIPS // 4, seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_in_a_value_is_found_by_the_read_itself(
    kind: str, tmp_path: Path, wide: dict[str, Path]
) -> None:
    """Reliability Y3, Y11, J77: not only by the scan at the start."""
    folder = restore(wide[kind], tmp_path / "store")
    store = open_store(folder, kind, FAST)
    store.close()  # now it is all in tables or pages
    hits = 0
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        at = data.find(BLOCKS[30][100:116])
        if at >= 0:
            data[at] ^= 1
            path.write_bytes(data)
            hits += 1
    assert hits == 1
    store = open_store(folder, kind, FAST)
    assert store.get(b"head") == b"00000047"
    view = store.snapshot()
    for read in (
        lambda: store.get(b"block/00000030"),
        lambda: view.get(b"block/00000030"),
        lambda: list(store.scan(b"block/00000029", b"block/00000031")),
        lambda: list(view.scan(b"block/00000029", b"block/00000031", reverse=True)),
        lambda: verify_store(store),
        lambda: is_sound_from(47)(store),
    ):
        with pytest.raises(StoreDamaged):
            read()
    copy = tmp_path / "copy"
    copy.mkdir()
    with pytest.raises(StoreDamaged):
        store.copy_to(copy)
    view.close()
    store.close()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_that_ends_in_damage_says_so(tmp_path: Path, reverse: bool) -> None:
    """plyvel just ends where damage has nothing after it: the marks around the keys tell."""
    folder = str(tmp_path / "bare")
    bare = plyvel.DB(folder, create_if_missing=True)
    for height in range(20):
        bare.put(b"%08d" % height, BLOCKS[height])
    bare.close()
    plyvel.DB(folder).close()  # moves the log into a table
    (table,) = (tmp_path / "bare").glob("*.ldb")
    data = bytearray(table.read_bytes())
    for block in BLOCKS[:5] if reverse else BLOCKS[15:20]:
        data[data.index(block[100:116])] ^= 1
    table.write_bytes(data)
    bare = plyvel.DB(folder, paranoid_checks=True)
    quiet = list(bare.iterator(start=b"0", verify_checksums=True)) if not reverse else []
    assert len(quiet) < 20
    with pytest.raises(StoreDamaged):
        list(_scan(bare, tmp_path, b"0", KEY_END, reverse=reverse))
    bare.close()
    empty = plyvel.DB(str(tmp_path / "empty"), create_if_missing=True)
    with pytest.raises(StoreDamaged, match="before the end"):
        list(_scan(empty, tmp_path, b"0", KEY_END, reverse=reverse))
    empty.close()


def test_a_page_that_hides_a_row_is_found(tmp_path: Path, wide: dict[str, Path]) -> None:
    """SQLite would answer "absent": no checksum of a value can tell, the walk at the open does."""
    folder = restore(wide[SQLITE], tmp_path / "store")
    open_store(folder, SQLITE, FAST).close()
    whole = (folder / "store.sqlite").read_bytes()
    hidden = 0
    for page in range(4_096, len(whole), 4_096):
        cells = int.from_bytes(whole[page + 3 : page + 5], "big")
        if whole[page] not in (2, 10) or cells == 0:  # neither leaf nor inner page of our table
            continue
        data = bytearray(whole)
        data[page + 3 : page + 5] = (cells - 1).to_bytes(2, "big")
        (folder / "store.sqlite").write_bytes(data)
        with pytest.raises(StoreDamaged):
            open_store(folder, SQLITE, FAST)
        hidden += 1
    assert hidden > 5


def test_missing_files_are_found(tmp_path: Path, wide: dict[str, Path]) -> None:
    """Reliability W39, Y4, Y5: never a new empty chain."""
    for kind in KINDS:
        for name in sorted(path.name for path in wide[kind].iterdir()):
            folder = restore(wide[kind], tmp_path / "store")
            (folder / name).unlink()
            needed = name not in ("LOCK", "LOG", "LOG.old", "store.sqlite-shm")
            assert look(folder, kind, 47) == ("found" if needed else "harmless"), name


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_copy_and_another_chain_are_found(kind: str, tmp_path: Path) -> None:
    """Reliability W39, Y20."""
    store = create_store(tmp_path / "store", kind, FAST)
    write_chain(store, 0, 10)
    (tmp_path / "older").mkdir()
    store.copy_to(tmp_path / "older")
    write_chain(store, 10, 20)
    assert verdict(store, 19) is HeadVerdict.OK
    older = open_store(tmp_path / "older", kind, FAST)
    assert verdict(older, 19) is HeadVerdict.LOST
    older.write([(b"block/00000009", BLOCKS[3])])
    assert verdict(older, 19) is HeadVerdict.FOREIGN
    assert verdict(store, 9) is HeadVerdict.FOREIGN
    older.close()
    store.close()


@pytest.mark.parametrize("name", [b"pairs", b"CREATE TABLE pairs"])
def test_a_name_in_sqlite_that_is_no_text_is_damage(name: bytes, tmp_path: Path) -> None:
    """It comes back inside SQLite's own message, which Python then cannot read."""
    create_store(tmp_path / "store", SQLITE).close()
    path = tmp_path / "store" / "store.sqlite"
    data = path.read_bytes()
    at = data.find(name)
    assert at > 0
    path.write_bytes(data[:at] + b"\xf0" + data[at + 1 :])

    with pytest.raises(StoreDamaged):
        open_store(tmp_path / "store", SQLITE)


def test_an_sqlite_file_with_another_table_is_refused(tmp_path: Path) -> None:
    import sqlite3

    for statement in ("CREATE TABLE more (x)", "DROP TABLE pairs", "PRAGMA journal_mode = DELETE"):
        folder = tmp_path / "store"
        create_store(folder, SQLITE, FAST).close()
        connection = sqlite3.connect(folder / "store.sqlite")
        connection.execute(statement)
        connection.commit()
        connection.close()
        with pytest.raises(StoreDamaged):
            open_store(folder, SQLITE, FAST)
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------- Y36: failing disks

FULL = """
import resource, sys
from pathlib import Path
from node.disk import StoreFailed
from node.store import open_store
store = open_store(Path(sys.argv[1]), sys.argv[2])
store.write([(b"head", b"acked")])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        store.write([(b"more/%04d" % done, bytes(range(256)) * 40), (b"head", b"%d" % done)])
        done += 1
except StoreFailed as error:
    print(done)
for again in (
    lambda: store.get(b"head"),
    lambda: store.write([(b"head", b"again")]),
    lambda: list(store.scan(b"", b"z")),
    lambda: store.snapshot(),
):
    try:
        again()
    except StoreFailed:
        continue
    sys.exit("went on after a failed write")
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_that_fails_ends_the_use_and_costs_nothing_acked(kind: str, tmp_path: Path) -> None:
    """Reliability Y6, Y7, Y24, Y36: a real write that the system refuses half way."""
    folder = tmp_path / "store"
    create_store(folder, kind).close()
    words = [sys.executable, "-c", FULL, str(folder), kind]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    done = int(answer.stdout)
    assert done > 3

    def is_sound(store: Store) -> bool:
        return int(store.get(b"head") or b"-1") >= done - 1

    try:
        store = open_store(folder, kind)
    except StoreDamaged:
        store = recover_torn_tail(folder, kind, is_sound)
    head = int(store.get(b"head") or b"-1")
    assert head in (done - 1, done)  # the outcome of the failed write is unknown
    assert verify_store(store) == head + 2
    store.close()


def test_a_folder_that_cannot_be_used_is_a_failure(tmp_path: Path) -> None:
    for kind in KINDS:
        with pytest.raises(StoreFailed):
            create_store(tmp_path / "absent" / "store", kind)
        (tmp_path / kind).write_text("a file")
        with pytest.raises(StoreFailed):
            create_store(tmp_path / kind, kind)
