"""Mirrors node/store*.py: one contract for all adapters (reliability Y14), against a plain dict."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node.disk import Busy, Disk, StoreDamaged, StoreFailed
from node.ports import Snapshot, Store
from node.store import (
    LEVELDB,
    SQLITE,
    choose_kind,
    create_store,
    open_store,
    set_aside,
    verify_store,
)
from node.store_memory import MemoryStore
from node.store_pairs import KEY_BYTES_MAX, KEY_END

KINDS = ("memory", LEVELDB, SQLITE)
DISK_KINDS = (LEVELDB, SQLITE)


class Place:
    """Where a store of some kind lives while it is closed: a folder, or the twin's dict."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind = kind
        self.folder = root / "store"
        self.pairs: dict[bytes, bytes] = {}

    def create(self) -> Store:
        return self.open() if self.kind == "memory" else create_store(self.folder, self.kind)

    def open(self) -> Store:
        if self.kind == "memory":
            return MemoryStore(self.pairs)
        return open_store(self.folder, self.kind)

    def open_copy(self, folder: Path) -> Store:
        return open_store(folder, SQLITE if self.kind == "memory" else self.kind)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = place.create()
    yield opened
    opened.close()


def all_pairs(store: Store | Snapshot) -> list[tuple[bytes, bytes]]:
    return list(store.scan(b"", KEY_END))


# ------------------------------------------------------------------------------------ the contract

keys = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b"\x00", b"\xff", b"\xff" * KEY_BYTES_MAX, b"a", b"a\x00", b"ab", b"b"]),
)
values = st.binary(max_size=40) | st.sampled_from([0, 5_000, 70_000])  # a number: so many zeros
batches = st.lists(st.tuples(keys, st.none() | values), max_size=12)


class Contract(RuleBasedStateMachine):
    """Whatever is done to a store, it answers as a dict would."""

    kind = ""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.place = Place(self.kind, self.root)
        self.store = self.place.create()
        self.model: dict[bytes, bytes] = {}
        self.views: list[tuple[Snapshot, dict[bytes, bytes]]] = []
        self.copies = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.root)

    @rule(batch=batches)
    def write(self, batch: list[tuple[bytes, bytes | int | None]]) -> None:
        whole = [(key, bytes(v) if isinstance(v, int) else v) for key, v in batch]
        self.store.write(whole)
        for key, value in whole:
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert self.store.get(key) == self.model.get(key)

    @rule(start=keys | st.just(b""), end=keys | st.just(KEY_END), reverse=st.booleans())
    def scan(self, start: bytes, end: bytes, reverse: bool) -> None:
        expected = sorted((k, v) for k, v in self.model.items() if start <= k < end)
        if reverse:
            expected.reverse()
        assert list(self.store.scan(start, end, reverse=reverse)) == expected

    @rule()
    def snapshot(self) -> None:
        if len(self.views) < 3:
            self.views.append((self.store.snapshot(), self.model.copy()))

    @precondition(lambda self: self.views)
    @rule(key=keys, reverse=st.booleans())
    def read_view(self, key: bytes, reverse: bool) -> None:
        view, model = self.views[0]
        assert view.get(key) == model.get(key)
        expected = sorted(model.items(), reverse=reverse)
        assert list(view.scan(b"", KEY_END, reverse=reverse)) == expected

    @precondition(lambda self: self.views)
    @rule()
    def close_view(self) -> None:
        self.views.pop(0)[0].close()

    @rule()
    def reopen(self) -> None:
        for view, _ in self.views:
            view.close()
        self.views = []
        self.store.close()
        self.store = self.place.open()

    @rule()
    def copy(self) -> None:
        folder = self.root / f"copy{self.copies}"
        folder.mkdir()
        self.copies += 1
        self.store.copy_to(folder)
        copied = self.place.open_copy(folder)
        assert all_pairs(copied) == sorted(self.model.items())
        copied.close()

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "store"):
            assert verify_store(self.store) == len(self.model)


FEW = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _contract_of(kind: str) -> type:
    machine = type(f"ContractOf{kind.title()}", (Contract,), {"kind": kind})
    machine.TestCase.settings = FEW  # type: ignore[attr-defined]
    return machine.TestCase  # type: ignore[attr-defined,no-any-return]


TestMemory = _contract_of("memory")
TestLevelDB = _contract_of(LEVELDB)
TestSqlite = _contract_of(SQLITE)


def test_the_last_pair_of_a_key_wins(store: Store) -> None:
    store.write([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2"), (b"a", b"3")])
    assert all_pairs(store) == [(b"a", b"3"), (b"b", b"2")]


def test_a_scan_sees_the_store_as_it_began(store: Store) -> None:
    store.write([(bytes([i]), b"old") for i in range(1, 200)])
    for reverse in (False, True):
        seen = []
        for key, value in store.scan(b"", KEY_END, reverse=reverse):
            seen.append((key, value))
            store.write([(key, None), (b"\xf0" + key, b"new"), (b"\x00" + key, b"new")])
        assert {value for _, value in seen} == ({b"old"} if not reverse else {b"new"})
        assert len(seen) == (199 if not reverse else 398)


def test_every_range_in_both_directions(store: Store) -> None:
    """plyvel 1.5 leaves out the last key of a reverse walk where it equals the start."""
    keys = [b"a", b"b", b"b\x00", b"c"]
    store.write([(key, key) for key in keys])
    bounds = [b"", b"\x00", b"a", b"a\x00", b"b", b"b\x00", b"b\x01", b"c", b"d", KEY_END]
    view = store.snapshot()
    for start in bounds:
        for end in bounds:
            expected = [key for key in keys if start <= key < end]
            for source in (store, view):
                assert [k for k, _ in source.scan(start, end)] == expected
                backwards = [k for k, _ in source.scan(start, end, reverse=True)]
                assert backwards == expected[::-1]
    view.close()


def test_a_scan_left_half_way_holds_nothing_up(store: Store, place: Place) -> None:
    store.write([(bytes([i]), b"x") for i in range(1, 200)])
    scan = store.scan(b"", KEY_END)
    assert next(scan) == (b"\x01", b"x")
    store.write([(b"\x01", b"y")])
    scan.close()  # type: ignore[attr-defined]
    assert store.get(b"\x01") == b"y"
    store.close()
    again = place.open()
    assert again.get(b"\x01") == b"y"
    again.close()


def test_a_copy_is_of_one_moment_and_wants_an_empty_folder(
    store: Store, place: Place, tmp_path: Path
) -> None:
    store.write([(b"k%05d" % i, bytes(3_000)) for i in range(3_000)])  # more than one batch
    folder = tmp_path / "copy"
    folder.mkdir()
    store.copy_to(folder)
    store.write([(b"k00000", None)])
    copied = place.open_copy(folder)
    assert verify_store(copied) == 3_000
    copied.close()
    with pytest.raises(StoreFailed, match="not empty"):
        store.copy_to(folder)


def test_keys_that_no_scan_could_reach_are_our_own_bug(store: Store) -> None:
    for key in (b"", b"x" * (KEY_BYTES_MAX + 1)):
        with pytest.raises(AssertionError, match="a key of"):
            store.write([(key, b"v")])
        with pytest.raises(AssertionError, match="a key of"):
            store.get(key)
    assert all_pairs(store) == []


def test_a_closed_store_is_not_used(place: Place) -> None:
    store = place.create()
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: store.get(b"a"),
        lambda: list(store.scan(b"", KEY_END)),
        lambda: store.write([(b"a", b"b")]),
        store.snapshot,
    ]
    for use in uses:
        with pytest.raises(AssertionError, match="after close"):
            use()
    store.close()


def test_views_left_open_do_not_keep_a_store_from_closing(place: Place) -> None:
    store = place.create()
    store.write([(b"a", b"1")])
    view = store.snapshot()
    assert view.get(b"a") == b"1"
    store.close()
    again = place.open()
    assert again.get(b"a") == b"1"
    again.close()


# --------------------------------------------------------------------------------- doors and kinds


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_opening_never_makes_a_store(kind: str, tmp_path: Path) -> None:
    """Reliability Y5, Y17, W39: a missing store is damage, and stays missing."""
    for folder in (tmp_path / "absent", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        with pytest.raises(StoreDamaged, match="missing"):
            open_store(folder, kind)
    assert not (tmp_path / "absent").exists()
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_a_new_store_wants_an_empty_folder(kind: str, tmp_path: Path) -> None:
    store = create_store(tmp_path / "store", kind)
    store.write([(b"a", b"1")])
    store.close()
    for again in DISK_KINDS:
        with pytest.raises(StoreFailed, match="not empty"):
            create_store(tmp_path / "store", again)
    store = open_store(tmp_path / "store", kind)
    assert store.get(b"a") == b"1"
    store.close()


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_one_process_has_a_store(kind: str, tmp_path: Path) -> None:
    store = create_store(tmp_path / "store", kind)
    with pytest.raises(Busy, match="in use by another process"):
        open_store(tmp_path / "store", kind)
    store.write([(b"a", b"1")])
    store.close()
    store = open_store(tmp_path / "store", kind)
    assert store.get(b"a") == b"1"
    store.close()


def test_auto_takes_what_is_there_and_else_leveldb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    assert [choose_kind(kind, folder) for kind in DISK_KINDS] == list(DISK_KINDS)
    assert choose_kind("auto", folder) == LEVELDB
    assert choose_kind("auto") == LEVELDB
    monkeypatch.setattr("node.store.find_spec", lambda name: None)
    assert choose_kind("auto", folder) == SQLITE
    create_store(folder, LEVELDB).close()
    assert choose_kind("auto", folder) == LEVELDB
    monkeypatch.undo()
    create_store(tmp_path / "other", SQLITE).close()
    assert choose_kind("auto", tmp_path / "other") == SQLITE
    with pytest.raises(AssertionError):
        choose_kind("rocksdb")


def test_setting_aside_keeps_every_damaged_folder(tmp_path: Path) -> None:
    """Reliability Y23: under a new name, never deleted."""
    folder = tmp_path / "store"
    for number in (1, 2, 3):
        folder.mkdir()
        (folder / "evidence").write_text(str(number))
        assert set_aside(folder) == tmp_path / f"store.damaged-{number}"
        assert not folder.exists()
    kept = [(tmp_path / f"store.damaged-{n}" / "evidence").read_text() for n in (1, 2, 3)]
    assert kept == ["1", "2", "3"]


# ------------------------------------------------------------------------------- names and failure


class CountingDisk(Disk):
    """Remembers which names were durable at each folder sync; fails where told."""

    def __init__(self) -> None:
        self.durable: dict[Path, frozenset[str]] = {}
        self.failing = False

    def sync_folder(self, folder: Path) -> None:
        if self.failing:
            raise StoreFailed("sync failed")
        super().sync_folder(folder)
        self.durable[folder] = self.names(folder)


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_file_names_are_durable_before_a_write_returns(kind: str, tmp_path: Path) -> None:
    """Reliability Y9, Y18: also when a batch begins a new log file or a background job a table."""
    disk = CountingDisk()
    folder = tmp_path / "store"
    store = create_store(folder, kind, disk)
    logs: set[str] = set()
    for number in range(40):
        store.write([(b"%04d" % number, bytes(2_000_000))])  # a log holds 64 MiB
        now = {name for name in disk.names(folder) if name.endswith((".log", "-wal"))}
        assert now
        assert now <= disk.durable[folder]
        logs |= now
    assert len(logs) > 1 or kind == SQLITE
    store.close()


@pytest.mark.parametrize("kind", DISK_KINDS)
def test_a_failed_sync_ends_the_use_of_a_store(kind: str, tmp_path: Path) -> None:
    """Reliability Y24: nothing is answered after it, and the next start decides."""
    disk = CountingDisk()
    store = create_store(tmp_path / "store", kind, disk)
    store.write([(b"a", b"1")])
    disk.failing = True
    (tmp_path / "store" / "new-name").touch()
    with pytest.raises(StoreFailed, match="sync failed"):
        store.write([(b"a", b"2")])
    disk.failing = False
    for use in (
        lambda: store.get(b"a"),
        lambda: store.write([(b"a", b"3")]),
        lambda: list(store.scan(b"", KEY_END)),
        store.snapshot,
    ):
        with pytest.raises(StoreFailed, match="earlier write"):
            use()
    store.close()
    (tmp_path / "store" / "new-name").unlink()
    store = open_store(tmp_path / "store", kind)
    assert store.get(b"a") in (b"1", b"2")
    store.close()
