"""The state tree in the store: its pages alone. Nodes above them are derived, and kept in memory.

Every block changes most of the upper part of a tree, whose nodes are sixteen hashes each. A store
that held them wrote more for the tree of a large chain than for everything else, at keys all over
the place, which LevelDB then merged again and again. A page is a few leaves (ADR 0102).
"""

from collections.abc import Iterator, Mapping
from itertools import islice

from chain import tree
from node.ports import Change, Store

PAGE = b"q"  # the first byte of a page's key; its path follows as hex text, so in order of paths
STORED_NODE = b"n"  # a version before this stored all nodes, the root among them, under these keys
KEPT_MAX = 100_000  # pages in memory: some 40 MB, and most pages of a chain of 10^5 accounts
_MOVED_PAIRS = 50_000  # in one batch of a move: some 20 MB


class TreePages:
    """Reads the tree of the newest block in a store, and says what to write as blocks change it."""

    def __init__(self, store: Store) -> None:
        """Raise AssertionError where pages are those of no tree. A lost one gives another root."""
        self._store = store
        self._kept: dict[int, tree.Node] = {}
        self._older: dict[int, tree.Node] = {}  # used before those in `kept`
        self._above = tree.derive(_read_pages(store))

    def get(self, path: int) -> tree.Node | None:
        """Return the node at a path, or None."""
        node = self._above.get(path) or self._kept.get(path)
        if node is None:
            node = self._older.pop(path, None)
            if node is None:
                leaves = self._store.get(_key(path))
                if leaves is None:
                    return None
                node = _page(path, leaves)
            self._keep(path, node)
        return node

    def change(self, nodes: Mapping[int, tree.Node | None]) -> list[Change]:
        """Take in the nodes that a block changed, and return what is to be written with it."""
        batch: list[Change] = []
        for path, node in nodes.items():
            was_above = path in self._above
            if node is not None and node.hashes:
                self._above[path] = node
            elif was_above:
                del self._above[path]
            if node is not None and node.leaves:
                self._keep(path, node)
                batch.append((_key(path), node.leaves))
            elif not was_above:  # a page goes; it may never have been written
                self._kept.pop(path, None)
                self._older.pop(path, None)
                batch.append((_key(path), None))
        return batch

    def _keep(self, path: int, node: tree.Node) -> None:
        if len(self._kept) >= KEPT_MAX // 2:
            self._older, self._kept = self._kept, {}
        self._kept[path] = node


def move_tree(store: Store, state: bytes, root: bytes) -> None:
    """Make the pages of a store whose tree a version before wrote, from its state under `state`.

    The old tree goes once the new one has the state root `root`, else AssertionError is raised. Its
    root goes last: what a crash cuts in two begins anew at the next start.
    """
    if store.get(STORED_NODE) is None:
        return
    _remove(store, PAGE)
    pages = TreePages(store)
    at, end = state, state + b"\xff"
    # One scan over all writes would keep SQLite from tidying: its log would grow tenfold.
    while chunk := list(islice(store.scan(at, end), _MOVED_PAIRS)):
        changes = {key[len(state) :]: value for key, value in chunk}
        store.write(pages.change(tree.update(pages.get, changes).nodes))
        at = chunk[-1][0] + b"\0"
    if tree.get_root(pages.get) != root:
        raise AssertionError("state tree: the state is not that of the newest block")
    _remove(store, STORED_NODE)


def _remove(store: Store, prefix: bytes) -> None:
    """Delete all pairs under a prefix, the key that is the prefix itself at the end."""
    end = prefix + b"\xff"
    while keys := [key for key, _ in islice(store.scan(prefix, end, reverse=True), _MOVED_PAIRS)]:
        store.write([(key, None) for key in keys])


def _read_pages(store: Store) -> Iterator[tuple[int, bytes]]:
    for key, leaves in store.scan(PAGE, PAGE + b"\xff"):
        path = find_path(key[len(PAGE) :])
        assert path is not None, f"state tree: a page under {key!r}"
        yield path, leaves


def find_path(text: bytes) -> int | None:
    """Return the path that stands in the key of a page, None where that is no path."""
    try:
        path = int(text, 16)
    except ValueError:
        return None
    return path if path > 0 and b"%x" % path == text else None


def _page(path: int, leaves: bytes) -> tree.Node:
    count, odd = divmod(len(leaves), tree.LEAF_BYTES)
    if odd or not 0 < count <= tree.PAGE_MAX:
        raise AssertionError(f"state tree: the page at {path:x} is damaged")
    return tree.Node(count, b"", leaves)


def _key(path: int) -> bytes:
    return PAGE + b"%x" % path
