"""The tree in the store: what is derived is what was there, and little is written (ADR 0098)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import tree
from chain.codec import encode
from chain.crypto import sha256
from node.store_memory import MemoryStore
from node.tree_nodes import DERIVED_BELOW, NODE, TreeNodes, write_forms

keys = st.integers(0, 700).map(lambda i: b"key %d" % i)
batches = st.lists(
    st.dictionaries(keys, st.none() | st.binary(max_size=3), max_size=40), max_size=6
)


def many(count: int, mark: bytes = b"") -> dict[bytes, bytes | None]:
    return {b"key %d" % number: mark + b"%d" % number for number in range(count)}


def apply(store: MemoryStore, nodes: TreeNodes, changes: dict[bytes, bytes | None]) -> bytes:
    grown = tree.update(nodes.get, changes)
    store.write(nodes.change(grown.nodes))
    return grown.root


@given(batches)
def test_a_store_opened_again_gives_the_same_nodes(
    changes: list[dict[bytes, bytes | None]],
) -> None:
    store, plain = MemoryStore(), dict[bytes, tree.Slots]()
    nodes = TreeNodes(store)
    for batch in (many(300), *changes):
        grown = tree.update(plain.get, batch)
        for path, slots in grown.nodes.items():
            if slots is None:
                del plain[path]
            else:
                plain[path] = slots
        assert apply(store, nodes, batch) == grown.root
        again = TreeNodes(store)
        assert {path: again.get(path) for path in plain} == plain
        assert tree.update(again.get, {}).root == grown.root
    stored = {key[len(NODE) :]: value for key, value in store.scan(NODE, NODE + b"\xff")}
    assert stored == {path: write_forms(path, slots)[0] for path, slots in plain.items()}


def test_a_change_deep_in_a_large_tree_writes_no_upper_node() -> None:
    store = MemoryStore()
    nodes = TreeNodes(store)
    apply(store, nodes, many(200_000))
    grown = tree.update(nodes.get, {b"key 17": b"another"})
    written = nodes.change(grown.nodes)
    assert len(grown.nodes) >= DERIVED_BELOW + 1
    assert [len(key) - len(NODE) >= DERIVED_BELOW for key, _ in written] == [True] * len(written)


def test_a_store_of_the_version_before_is_read_and_renewed_as_it_changes() -> None:
    """Upper nodes with the hashes of those below them, as they were written before ADR 0098."""
    old, plain = MemoryStore(), tree.update(lambda _path: None, many(3_000)).nodes
    old.write([(NODE + path, encode(slots)) for path, slots in plain.items()])
    nodes = TreeNodes(old)
    assert {path: nodes.get(path) for path in plain} == plain
    root = apply(old, nodes, many(50, b"new "))
    again = TreeNodes(old)
    assert tree.update(again.get, {}).root == root
    for key, value in old.scan(NODE, NODE + b"\xff"):
        slots = again.get(key[len(NODE) :])
        assert slots is not None
        assert value in write_forms(key[len(NODE) :], slots)


def test_a_node_that_is_lost_below_shows_when_the_store_is_opened() -> None:
    store = MemoryStore()
    nodes = TreeNodes(store)
    apply(store, nodes, many(200_000))
    path = bytes(sha256(b"key 17")[i // 2] >> (4, 0)[i % 2] & 15 for i in range(DERIVED_BELOW))
    store.write([(NODE + path, None)])
    with pytest.raises(AssertionError, match=path.hex()):
        TreeNodes(store)


def test_a_node_without_sixteen_slots_is_damage() -> None:
    store = MemoryStore()
    nodes = TreeNodes(store)
    apply(store, nodes, many(200_000))
    key = next(key for key, _ in store.scan(NODE, NODE + b"\xff") if len(key) > DERIVED_BELOW + 1)
    store.write([(key, encode((b"",) * 15))])
    with pytest.raises(AssertionError, match=key[len(NODE) :].hex()):
        nodes.get(key[len(NODE) :])
