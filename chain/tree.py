"""The state tree: a 16-ary Merkle radix tree over SHA-256(key) (interfaces 5.5, architecture D8).

A leaf stands at the shallowest slot where its prefix is unique, so the root depends on the set of
(key, value) alone and never on the order of the changes.

Where more than `PAGE_MAX` leaves are below a path, the node there names its sixteen children, which
have paths of their own. Where there are fewer, it is a page: its leaves, and whatever hashes stand
below it are computed when they are needed. A leaf is 64 bytes: key hash, then value hash. A path is
one number: a 1, and then its nibbles. How pages are stored, and nodes derived from them when a
store is opened, is decided by the node (ADR 0102).
"""

import hashlib
import itertools
from binascii import hexlify
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

HASH_BYTES = 32
DEPTH_MAX = 64  # nibbles in a key hash
EMPTY_CHILD = bytes(32)
EMPTY_STATE_ROOT = hashlib.sha256(b"\x01" + EMPTY_CHILD * 16).digest()

ROOT = 1  # the path of the root: no nibbles
LEAF_BYTES = 64
# Leaves of a page. It is hashed and written whole with every change, so more would cost time; fewer
# would cost memory, which holds the 512 bytes of every node above the pages. Stores depend on it.
PAGE_MAX = 6


class Node(msgspec.Struct, frozen=True, gc=False):
    """What stands at one path: the number of leaves below, and the leaves or the children.

    `leaves` are all of them, in order, where they are at most `PAGE_MAX`; else `hashes` are those
    of the sixteen children. The other one is b"".
    """

    count: int
    hashes: bytes
    leaves: bytes


GetNode = Callable[[int], Node | None]

_NOTHING = Node(0, b"", b"")

_NIBBLES = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))

_Change = tuple[bytes, bytes, bytes]  # nibbles, key hash, new leaf or b"" to delete


@dataclass(frozen=True, slots=True)
class TreeUpdate:
    """The root after an update, and the nodes to put or to delete (None), by path."""

    root: bytes
    nodes: dict[int, Node | None]


@dataclass(frozen=True, slots=True)
class Step:
    """The other children of one node on the way down: bit i of `mask` is set for child i."""

    mask: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The slot where the way ends holds the key: its value is proven."""


@dataclass(frozen=True, slots=True)
class Empty:
    """The slot where the way ends is empty: the key is absent."""


@dataclass(frozen=True, slots=True)
class Other:
    """The slot where the way ends holds another key with the same prefix: the key is absent."""

    key_hash: bytes
    value_hash: bytes


Terminal = Found | Empty | Other


@dataclass(frozen=True, slots=True)
class TreeProof:
    """The way from the root to the slot of one key, and what stands in that slot."""

    path: tuple[Step, ...]
    terminal: Terminal


def update(get_node: GetNode, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
    """Return the root and the changed nodes after `changes`: key to new value, None deletes.

    `get_node` reads the node at a path, None where there is none. Each touched node is
    read and hashed once, however many of the changes lie below it.
    """
    sha256 = hashlib.sha256
    sorted_changes: list[_Change] = []
    for key, value in changes.items():
        key_hash = sha256(key).digest()
        leaf = b"" if value is None else key_hash + sha256(value).digest()
        nibbles = hexlify(key_hash).translate(_NIBBLES)
        sorted_changes.append((nibbles, key_hash, leaf))
    sorted_changes.sort()
    nodes: dict[int, Node | None] = {}
    before = get_node(ROOT) or _NOTHING
    after = _change_node(get_node, before, ROOT, 0, sorted_changes, nodes)
    return TreeUpdate(_hash_root(after), nodes)


def apply(nodes: dict[int, Node], changed: Mapping[int, Node | None]) -> None:
    """Take what an update changed into the nodes of a tree, by path."""
    for path, node in changed.items():
        if node is None:
            del nodes[path]
        else:
            nodes[path] = node


def build(state: Iterable[tuple[bytes, bytes]]) -> dict[int, Node]:
    """Return all nodes of the tree of a state, by path: pairs of key and value, no key twice."""
    sha256 = hashlib.sha256
    leaves = [sha256(key).digest() + sha256(value).digest() for key, value in state]
    leaves.sort()
    nodes: dict[int, Node] = {}
    if leaves:
        nodes[ROOT] = _build_node(leaves, ROOT, 0, nodes.__setitem__)
    return nodes


def derive(pages: Iterable[tuple[int, bytes]]) -> dict[int, Node]:
    """Return all nodes above the pages of a tree, by path: of each page, in order, path and leaves.

    Raise AssertionError for pages that are those of no tree. Where a page is missing or changed,
    what comes out has another root than the tree had.
    """
    nodes: dict[int, Node] = {}
    open_nodes: list[tuple[int, int, bytearray]] = []  # from the root down to the last page

    def close() -> None:
        path, count, hashes = open_nodes.pop()
        assert count > PAGE_MAX, f"state tree: what is below {path:x} belongs into a page"
        nodes[path] = node = Node(count, bytes(hashes), b"")
        if open_nodes:
            add(path & 15, count, _hash_child(node, len(open_nodes)))

    def add(own: int, count: int, hashed: bytes) -> None:
        path, so_far, hashes = open_nodes[-1]
        hashes[HASH_BYTES * own : HASH_BYTES * own + HASH_BYTES] = hashed
        open_nodes[-1] = path, so_far + count, hashes

    last = 0
    for path, page in pages:
        leaves = _split(page)
        assert _is_page(path, leaves), f"state tree: the page at {path:x} is damaged"
        assert not _is_above(last, path), f"state tree: the page at {path:x} is below another"
        last = path
        depth = (path.bit_length() - 1) // 4
        while open_nodes and not _is_above(open_nodes[-1][0], path):
            close()
        while len(open_nodes) < depth:
            above = path >> 4 * (depth - len(open_nodes))
            open_nodes.append((above, 0, bytearray(EMPTY_CHILD * 16)))
        if open_nodes:
            add(path & 15, len(leaves), _hash_run(leaves, depth))
    while open_nodes:
        close()
    return nodes


def get_root(get_node: GetNode) -> bytes:
    """Return the state root of a tree."""
    return _hash_root(get_node(ROOT) or _NOTHING)


def prove(get_node: GetNode, key: bytes) -> TreeProof:
    """Return the proof that `key` has the value it has, or that it is absent."""
    key_hash = hashlib.sha256(key).digest()
    steps: list[Step] = []
    path, node = ROOT, get_node(ROOT) or _NOTHING
    while node.count > PAGE_MAX:
        own = _nibble(key_hash, len(steps))
        steps.append(_step(node.hashes, own))
        path = path << 4 | own
        node = _read_child(get_node, node.hashes, path)
        if node.count <= 1:
            return TreeProof(tuple(steps), _end(key_hash, node.leaves))
    run = _split(node.leaves)
    while True:
        depth = len(steps)
        own = _nibble(key_hash, depth)
        steps.append(_step(_hash_children(run, depth), own))
        run = [leaf for leaf in run if _nibble(leaf, depth) == own]
        if len(run) <= 1:
            return TreeProof(tuple(steps), _end(key_hash, b"".join(run)))


def verify(root: bytes, key: bytes, value: bytes | None, proof: TreeProof) -> bool:
    """Say whether `proof` shows under `root` that `key` has `value`, or is absent where None."""
    key_hash = hashlib.sha256(key).digest()
    depth = len(proof.path)
    if not 0 < depth <= DEPTH_MAX:
        return False
    terminal = proof.terminal
    if isinstance(terminal, Found):
        if value is None:
            return False
        hashed = _hash_leaf(key_hash + hashlib.sha256(value).digest())
    elif value is not None:
        return False
    elif isinstance(terminal, Empty):
        hashed = EMPTY_CHILD
    else:
        lengths = (len(terminal.key_hash), len(terminal.value_hash))
        if lengths != (HASH_BYTES, HASH_BYTES) or terminal.key_hash == key_hash:
            return False
        if any(_nibble(terminal.key_hash, at) != _nibble(key_hash, at) for at in range(depth)):
            return False
        hashed = _hash_leaf(terminal.key_hash + terminal.value_hash)
    for at in range(depth - 1, -1, -1):
        children = _children(proof.path[at], _nibble(key_hash, at), hashed)
        if children is None:
            return False
        hashed = hashlib.sha256(b"\x01" + b"".join(children)).digest()
    return hashed == root


def _children(step: Step, own: int, hashed: bytes) -> list[bytes] | None:
    """Return the 16 child hashes of a node, or None where `step` is not in its one form."""
    others = [i for i in range(16) if step.mask >> i & 1]
    if step.mask >> 16 or own in others or len(others) != len(step.hashes):
        return None
    children = [EMPTY_CHILD] * 16
    children[own] = hashed
    for i, other in zip(others, step.hashes, strict=True):
        if len(other) != HASH_BYTES or other == EMPTY_CHILD:
            return None
        children[i] = other
    return children


def _change_node(
    get_node: GetNode,
    before: Node,
    path: int,
    depth: int,
    changes: Sequence[_Change],
    nodes: dict[int, Node | None],
) -> Node:
    """Return the node at `path`, which has `depth` nibbles, after the sorted `changes` below it.

    Where it is another one than before, `nodes` tells, and of those below it too.
    """
    if before.count > PAGE_MAX:
        after = _change_children(get_node, before, path, depth, changes, nodes)
        if after is before:
            return before
    else:
        leaves = _change_leaves(before.leaves, changes)
        if leaves == before.leaves:
            return before
        if len(leaves) <= PAGE_MAX * LEAF_BYTES:
            after = Node(len(leaves) // LEAF_BYTES, b"", leaves)
        else:
            after = _build_node(_split(leaves), path, depth, nodes.__setitem__)
    nodes[path] = after if after.count else None
    return after


def _change_children(
    get_node: GetNode,
    before: Node,
    path: int,
    depth: int,
    changes: Sequence[_Change],
    nodes: dict[int, Node | None],
) -> Node:
    """Return a node with more leaves than a page holds, after `changes`: then it may be a page."""
    hashes, count = bytearray(before.hashes), before.count
    end = len(changes)
    begin = 0
    while begin < end:
        own = changes[begin][0][depth]
        after = begin + 1
        while after < end and changes[after][0][depth] == own:
            after += 1
        below, at = path << 4 | own, HASH_BYTES * own
        old = _read_child(get_node, before.hashes, below)
        new = _change_node(get_node, old, below, depth + 1, changes[begin:after], nodes)
        if new is not old:
            hashes[at : at + HASH_BYTES] = _hash_child(new, depth + 1)
            count += new.count - old.count
        begin = after
    if hashes == before.hashes:
        return before
    if count > PAGE_MAX:
        return Node(count, bytes(hashes), b"")
    leaves = []
    for below in range(path << 4, (path << 4) + 16):
        old = _read_child(get_node, before.hashes, below)
        child = nodes.pop(below, old)
        if child is not None:
            leaves.append(child.leaves)
        if old.count:
            nodes[below] = None
    return Node(count, b"", b"".join(leaves))


def _read_child(get_node: GetNode, hashes: bytes, path: int) -> Node:
    """Return the node at `path`, which has to be there where the one above has a hash of it."""
    at = HASH_BYTES * (path & 15)
    if hashes[at : at + HASH_BYTES] == EMPTY_CHILD:
        return _NOTHING
    node = get_node(path)
    assert node is not None, f"state tree: no node at {path:x}"
    return node


def _change_leaves(leaves: bytes, changes: Sequence[_Change]) -> bytes:
    """Return the leaves of a page after `changes`; they may have become too many for one."""
    if len(changes) == 1:
        _, key_hash, leaf = changes[0]
        at = leaves.find(key_hash)
        if at >= 0 and at % LEAF_BYTES == 0:
            return leaves[:at] + leaf + leaves[at + LEAF_BYTES :]
    merged = {leaf[:HASH_BYTES]: leaf for leaf in _split(leaves)}
    merged.update((key_hash, leaf) for _, key_hash, leaf in changes)
    return b"".join(sorted(merged.values()))


def _build_node(
    leaves: list[bytes], path: int, depth: int, put: Callable[[int, Node], None]
) -> Node:
    """Return the node at `path` over sorted leaves; what stands below it goes to `put`."""
    if len(leaves) <= PAGE_MAX:
        return Node(len(leaves), b"", b"".join(leaves))
    hashes = [EMPTY_CHILD] * 16
    for own, run in _group(leaves, depth):
        below = path << 4 | own
        node = _build_node(run, below, depth + 1, put)
        put(below, node)
        hashes[own] = _hash_child(node, depth + 1)
    return Node(len(leaves), b"".join(hashes), b"")


def _hash_children(leaves: list[bytes], depth: int) -> bytes:
    """Return the sixteen child hashes of a node at `depth` over sorted leaves."""
    sha256 = hashlib.sha256
    hashes = [EMPTY_CHILD] * 16
    for own, run in _group(leaves, depth):
        if len(run) == 1:  # as _hash_run, without a call for each leaf
            hashes[own] = sha256(b"\x00" + run[0]).digest()
        else:
            hashes[own] = sha256(b"\x01" + _hash_children(run, depth + 1)).digest()
    return b"".join(hashes)


def _hash_run(leaves: list[bytes], depth: int) -> bytes:
    """Return what stands for leaves at `depth` in the node above: of a single one, that leaf."""
    if len(leaves) == 1:
        return _hash_leaf(leaves[0])
    return hashlib.sha256(b"\x01" + _hash_children(leaves, depth)).digest()


def _group(leaves: list[bytes], depth: int) -> list[tuple[int, list[bytes]]]:
    """Return the sorted leaves that have the same nibble at `depth`, with that nibble."""
    index, shift = _place(depth)
    groups: list[tuple[int, list[bytes]]] = []
    own, run = -1, list[bytes]()
    for leaf in leaves:
        nibble = leaf[index] >> shift & 15
        if nibble == own:
            run.append(leaf)
        else:
            own, run = nibble, [leaf]
            groups.append((own, run))
    return groups


def _hash_child(node: Node, depth: int) -> bytes:
    """Return what stands for a node at `depth` in the one above."""
    if node.hashes:
        return hashlib.sha256(b"\x01" + node.hashes).digest()
    return _hash_run(_split(node.leaves), depth) if node.count else EMPTY_CHILD


def _hash_root(node: Node) -> bytes:
    """Return the state root: the root is hashed as a node however few leaves there are."""
    hashes = node.hashes or _hash_children(_split(node.leaves), 0)
    return hashlib.sha256(b"\x01" + hashes).digest()


def _hash_leaf(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def _step(hashes: bytes, own: int) -> Step:
    """Return what a proof says of one node: all children but the own one."""
    children = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    others = [i for i, child in enumerate(children) if i != own and child != EMPTY_CHILD]
    return Step(sum(1 << i for i in others), tuple(children[i] for i in others))


def _end(key_hash: bytes, leaf: bytes) -> Terminal:
    if not leaf:
        return Empty()
    if leaf[:HASH_BYTES] == key_hash:
        return Found()
    return Other(leaf[:HASH_BYTES], leaf[HASH_BYTES:])


def _split(leaves: bytes) -> list[bytes]:
    return [leaves[at : at + LEAF_BYTES] for at in range(0, len(leaves), LEAF_BYTES)]


def _place(depth: int) -> tuple[int, int]:
    """Return where in a key hash the nibble at `depth` stands: which byte, shifted by how much."""
    return depth >> 1, 0 if depth & 1 else 4


def _nibble(key_hash: bytes, depth: int) -> int:
    index, shift = _place(depth)
    return key_hash[index] >> shift & 15


def _is_page(path: int, leaves: list[bytes]) -> bool:
    """Say whether these can be the leaves of the page at `path`: in order, each key once."""
    bits = path.bit_length() - 1
    if bits % 4 or not 0 <= bits <= 4 * DEPTH_MAX or not 0 < len(leaves) <= PAGE_MAX:
        return False
    own, below = path - (1 << bits), 8 * LEAF_BYTES - bits
    if any(int.from_bytes(leaf, "big") >> below != own for leaf in (leaves[0], leaves[-1])):
        return False
    if len(leaves) == 1:
        return len(leaves[0]) == LEAF_BYTES
    in_order = all(a[:HASH_BYTES] < b[:HASH_BYTES] for a, b in itertools.pairwise(leaves))
    return in_order and len(leaves[-1]) == LEAF_BYTES


def _is_above(path: int, other: int) -> bool:
    """Say whether the node at `path` is above the one at `other`, or the same; 0 is no path."""
    levels = other.bit_length() - path.bit_length()
    return path > 0 and levels >= 0 and other >> levels == path
