"""The tree in the store: pages are written, what is above them is derived (ADR 0102)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import tree
from node import tree_pages
from node.store_memory import MemoryStore
from node.tree_pages import PAGE, STORED_NODE, TreePages, find_path, move_tree

STATE = b"s"
keys = st.integers(0, 700).map(lambda i: b"key %d" % i)
batches = st.lists(
    st.dictionaries(keys, st.none() | st.binary(max_size=3), max_size=40), max_size=6
)


def many(count: int, mark: bytes = b"") -> dict[bytes, bytes | None]:
    return {b"key %d" % number: mark + b"%d" % number for number in range(count)}


def apply(store: MemoryStore, pages: TreePages, changes: dict[bytes, bytes | None]) -> bytes:
    grown = tree.update(pages.get, changes)
    store.write(pages.change(grown.nodes))
    return grown.root


def stored(store: MemoryStore) -> dict[int, bytes]:
    return {int(key[1:], 16): leaves for key, leaves in store.scan(PAGE, PAGE + b"\xff")}


@given(batches)
def test_a_store_opened_again_gives_the_same_nodes(
    changes: list[dict[bytes, bytes | None]],
) -> None:
    store, plain = MemoryStore(), dict[int, tree.Node]()
    pages = TreePages(store)
    for batch in (many(300), *changes, dict.fromkeys(many(290))):
        grown = tree.update(plain.get, batch)
        tree.apply(plain, grown.nodes)
        assert apply(store, pages, batch) == grown.root
        again = TreePages(store)
        assert {path: again.get(path) for path in plain} == plain
        assert {path: pages.get(path) for path in plain} == plain
        assert tree.get_root(again.get) == grown.root
        assert stored(store) == {path: node.leaves for path, node in plain.items() if node.leaves}


def test_a_change_in_a_large_tree_writes_one_page() -> None:
    store = MemoryStore()
    pages = TreePages(store)
    apply(store, pages, many(20_000))
    grown = tree.update(pages.get, {b"key 17": b"another"})
    ((key, leaves),) = [pair for pair in pages.change(grown.nodes) if pair[1] is not None]
    assert key.startswith(PAGE)
    assert leaves is not None
    assert len(leaves) <= tree.PAGE_MAX * tree.LEAF_BYTES


def test_pages_out_of_memory_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_pages, "KEPT_MAX", 100)
    store, plain = MemoryStore(), tree.build((k, v) for k, v in many(3_000).items() if v)
    pages = TreePages(store)
    store.write(pages.change({**plain}))
    for changes in (many(900, b"a"), many(50, b"b"), many(2_000, b"c")):
        grown = tree.update(plain.get, changes)
        tree.apply(plain, grown.nodes)
        assert apply(store, pages, changes) == grown.root
        assert len(pages._kept) + len(pages._older) <= 100


def test_the_tree_of_a_version_before_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move that was cut in two begins anew: the old root is what is deleted last."""
    monkeypatch.setattr(tree_pages, "_MOVED_PAIRS", 70)
    state = {key: value for key, value in many(500).items() if value is not None}
    old = [(STORED_NODE, b"root"), *((STORED_NODE + bytes([0, i]), b"node") for i in range(200))]
    wanted = tree.build(state.items())

    class Cut(Exception):
        pass

    class CutStore(MemoryStore):
        left = 0

        def write(self, batch: object) -> None:
            if not self.left:
                raise Cut
            self.left -= 1
            super().write(batch)  # type: ignore[arg-type]

    for writes in range(1, 40):
        store = CutStore()
        store.left = 2
        store.write(old)
        store.write([(STATE + key, value) for key, value in state.items()])
        store.left = writes
        try:
            move_tree(store, STATE)
        except Cut:
            assert store.get(STORED_NODE) is not None
            store.left = 1_000
            move_tree(store, STATE)
        else:
            assert writes > 10
        assert tree.get_root(TreePages(store).get) == tree.get_root(wanted.get)
        assert stored(store) == {path: node.leaves for path, node in wanted.items() if node.leaves}
        assert list(store.scan(STORED_NODE, STORED_NODE + b"\xff")) == []
        store.left = 0
        move_tree(store, STATE)  # nothing is left to do


def test_a_lost_page_gives_another_root() -> None:
    store = MemoryStore()
    root = apply(store, TreePages(store), many(3_000))
    key, _ = next(iter(store.scan(PAGE, PAGE + b"\xff")))
    store.write([(key, None)])
    assert tree.get_root(TreePages(store).get) != root


@pytest.mark.parametrize(
    ("key", "leaves"), [(b"1ff", bytes(63)), (b"1ff", bytes(64 * 9)), (b"zz", bytes(64))]
)
def test_a_page_that_is_none_is_damage(key: bytes, leaves: bytes) -> None:
    store = MemoryStore()
    store.write([(PAGE + key, leaves)])
    with pytest.raises(AssertionError, match="state tree"):
        TreePages(store)


@pytest.mark.parametrize("text", [b"", b"0", b"-1", b"01", b"1A", b"1_0", b" 1", b"g"])
def test_text_that_is_no_path(text: bytes) -> None:
    assert find_path(text) is None
    assert find_path(b"1f") == 0x1F
