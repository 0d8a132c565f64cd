"""The tree in the store: pages are written, what is above them is derived (ADR 0102)."""

from collections.abc import Callable

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
    ((key, leaves),) = pages.change(grown.nodes)
    assert key.startswith(PAGE)
    assert leaves is not None
    assert len(leaves) <= tree.PAGE_MAX * tree.LEAF_BYTES


def test_pages_out_of_memory_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_pages, "KEPT_MAX", 100)
    store, plain = MemoryStore(), tree.build((k, v) for k, v in many(3_000).items() if v)
    pages = TreePages(store)
    store.write(pages.change(plain))
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
    root = tree.get_root(wanted.get)

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
            move_tree(store, STATE, root)
        except Cut:
            assert store.get(STORED_NODE) is not None
            store.left = 1_000
            move_tree(store, STATE, root)
        else:
            assert writes > 10
        assert tree.get_root(TreePages(store).get) == root
        assert stored(store) == {path: node.leaves for path, node in wanted.items() if node.leaves}
        assert list(store.scan(STORED_NODE, STORED_NODE + b"\xff")) == []
        store.left = 0
        move_tree(store, STATE, b"")  # nothing is left to do


def test_a_lost_page_gives_another_root() -> None:
    store = MemoryStore()
    root = apply(store, TreePages(store), many(3_000))
    key, _ = next(iter(store.scan(PAGE, PAGE + b"\xff")))
    store.write([(key, None)])
    assert tree.get_root(TreePages(store).get) != root


def test_an_old_tree_stays_where_the_state_is_not_the_one_it_was_of() -> None:
    """A store that cannot be proved keeps its bytes (reliability W39)."""
    store = MemoryStore()
    store.write([(STORED_NODE, b"root"), (STATE + b"key", b"wrong")])
    with pytest.raises(AssertionError, match="newest block"):
        move_tree(store, STATE, bytes(32))
    assert store.get(STORED_NODE) == b"root"


def test_leaves_that_go_leave_no_page_and_no_needless_delete() -> None:
    store = MemoryStore()
    pages = TreePages(store)
    apply(store, pages, many(3_000))
    before = stored(store)
    grown = tree.update(pages.get, dict.fromkeys(many(2_990)))
    batch = pages.change(grown.nodes)
    store.write(batch)
    deleted = {int(key[1:], 16) for key, leaves in batch if leaves is None}
    assert deleted == before.keys() - stored(store).keys()


Pages = dict[int, bytes]


def split(pages: Pages) -> Pages:
    """The leaves of one page as pages below it: the same root, and no tree."""
    for path, leaves in pages.items():
        if len(leaves) != 128:
            continue
        depth = (path.bit_length() - 1) // 4
        halves = {int(leaf.hex()[depth], 16): leaf for leaf in (leaves[:64], leaves[64:])}
        if len(halves) == 2:
            rest = {other: kept for other, kept in pages.items() if other != path}
            return rest | {path << 4 | own: leaf for own, leaf in halves.items()}
    raise AssertionError("300 keys have such a page")


def page_above(pages: Pages) -> Pages:
    """A leaf once more, at the path of a node above it."""
    path = max(pages)
    return pages | {path >> 4: pages[path][:64]}


def twice(pages: Pages) -> Pages:
    path = next(p for p, x in pages.items() if len(x) == 64)
    return pages | {path: pages[path] * 2}


def out_of_order(pages: Pages) -> Pages:
    path = next(p for p, x in pages.items() if len(x) == 128)
    return pages | {path: pages[path][64:] + pages[path][:64]}


def elsewhere(pages: Pages) -> Pages:
    """A page under the path of another."""
    one, two = [p for p, x in pages.items() if len(x) == 64][:2]
    return pages | {one: pages[two], two: pages[one]}


def deep(pages: Pages) -> Pages:
    path = next(p for p, x in pages.items() if len(x) == 64)
    return pages | {path << 4 * 70: pages[path]}


@pytest.mark.parametrize("forge", [split, page_above, twice, out_of_order, elsewhere, deep])
def test_pages_of_no_tree_are_damage(forge: Callable[[Pages], Pages]) -> None:
    """Some have the right root, and a node that went on from them would leave the chain."""
    store = MemoryStore()
    apply(store, TreePages(store), many(300))
    pages = stored(store)
    store.write([(PAGE + b"%x" % path, None) for path in pages])
    store.write([(PAGE + b"%x" % path, leaves) for path, leaves in forge(pages).items()])
    with pytest.raises(AssertionError, match="state tree"):
        TreePages(store)


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
