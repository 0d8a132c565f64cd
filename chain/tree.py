"""The state tree: a 16-ary Merkle radix tree over SHA-256(key) (interfaces 5.5, architecture D8).

A leaf stands at the shallowest slot where its prefix is unique, so the root depends on the set of
(key, value) alone and never on the order of the changes.

It is held in memory and derived from the state (ADR 0102). Where more than `PAGE_MAX` leaves are
below a path, a node there names its sixteen children, which have paths of their own; where there
are fewer, it is a page, which holds its leaves, and what stands below it is computed when it is
needed. A leaf is 64 bytes: key hash, then value hash. A path is one number: a 1, and then its
nibbles.
"""

import hashlib
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
# Leaves of a page. More would cost memory moved per change, fewer the memory of sparse nodes: at
# 32 a leaf takes some 110 bytes in all, and a change hashes four or five times below the page.
PAGE_MAX = 32
_SPLICES_MAX = 8  # so many changes of one page are put in one by one; more are merged in one go


class Node(msgspec.Struct, frozen=True, gc=False):
    """What stands at one path: the hashes of its sixteen children, and how many leaves are below.

    `leaves` are all of them in order where they are at most `PAGE_MAX`, else b"".
    """

    hashes: bytes
    count: int
    leaves: bytes


GetNode = Callable[[int], Node | None]

_NOTHING = Node(EMPTY_CHILD * 16, 0, b"")

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
    before = get_node(ROOT)
    after = _change_node(get_node, before, ROOT, 0, sorted_changes, nodes)
    return TreeUpdate(_hash_node(after), nodes)


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


def get_root(get_node: GetNode) -> bytes:
    """Return the state root of a tree."""
    return _hash_node(get_node(ROOT) or _NOTHING)


def prove(get_node: GetNode, key: bytes) -> TreeProof:
    """Return the proof that `key` has the value it has, or that it is absent."""
    key_hash = hashlib.sha256(key).digest()
    steps: list[Step] = []
    path, node = ROOT, get_node(ROOT) or _NOTHING
    while node.count > PAGE_MAX:
        own = _nibble(key_hash, len(steps))
        steps.append(_step(node.hashes, own))
        path = path << 4 | own
        node = get_node(path) or _NOTHING
        if node.count <= 1:
            return TreeProof(tuple(steps), _end(key_hash, node.leaves))
    run, hashes = _split(node.leaves), node.hashes
    while True:
        own = _nibble(key_hash, len(steps))
        run = [leaf for leaf in run if _nibble(leaf, len(steps)) == own]
        steps.append(_step(hashes, own))
        if len(run) <= 1:
            return TreeProof(tuple(steps), _end(key_hash, b"".join(run)))
        hashes = _hash_children(run, len(steps))


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
    before: Node | None,
    path: int,
    depth: int,
    changes: Sequence[_Change],
    nodes: dict[int, Node | None],
) -> Node:
    """Return the node at `path`, which has `depth` nibbles, after the sorted `changes` below it.

    Where it is another one than before, `nodes` tells, and of those below it too.
    """
    if before is None:
        before = _NOTHING
    if before.count > PAGE_MAX:
        after = _change_children(get_node, before, path, depth, changes, nodes)
    elif before.count and len(changes) <= _SPLICES_MAX:
        after = _change_page(before, depth, changes)
        if after.count > PAGE_MAX:
            after = _build_node(_split(after.leaves), path, depth, nodes.__setitem__)
    else:
        merged = {leaf[:HASH_BYTES]: leaf for leaf in _split(before.leaves)}
        merged.update((key_hash, leaf) for _, key_hash, leaf in changes)
        live = sorted(filter(None, merged.values()))
        after = _build_node(live, path, depth, nodes.__setitem__)
    if after.hashes == before.hashes:
        return before
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
        below = path << 4 | own
        old = get_node(below)
        assert old is not None or hashes[32 * own : 32 * own + 32] == EMPTY_CHILD, (
            f"state tree: no node at {below:x}"
        )
        new = _change_node(get_node, old, below, depth + 1, changes[begin:after], nodes)
        if new is not old:
            hashes[32 * own : 32 * own + 32] = _hash_child(new)
            count += new.count - (0 if old is None else old.count)
        begin = after
    if count > PAGE_MAX:
        return Node(bytes(hashes), count, b"")
    leaves = []
    for below in range(path << 4, (path << 4) + 16):
        old = get_node(below)
        child = nodes.pop(below) if below in nodes else old
        if child is not None:
            leaves.append(child.leaves)
        if old is not None:
            nodes[below] = None
    return Node(bytes(hashes), count, b"".join(leaves))


def _change_page(before: Node, depth: int, changes: Sequence[_Change]) -> Node:
    """Return a page at `depth` after a few changes; it may have become too large for one."""
    leaves, hashes = before.leaves, before.hashes
    index, shift = _place(depth)
    for nibbles, key_hash, leaf in changes:
        at, there = _find_leaf(leaves, key_hash)
        leaves = leaves[:at] + leaf + leaves[at + LEAF_BYTES * there :]
        own = nibbles[depth]
        first, last, end = at, at, len(leaves)
        while first and leaves[first - LEAF_BYTES + index] >> shift & 15 == own:
            first -= LEAF_BYTES
        while last < end and leaves[last + index] >> shift & 15 == own:
            last += LEAF_BYTES
        hashed = _hash_run(_split(leaves[first:last]), depth + 1)
        hashes = hashes[: 32 * own] + hashed + hashes[32 * own + 32 :]
    return Node(hashes, len(leaves) // LEAF_BYTES, leaves)


def _find_leaf(leaves: bytes, key_hash: bytes) -> tuple[int, bool]:
    """Return where the leaf of a key stands in a page, or belongs, and whether it is there."""
    at = leaves.find(key_hash)
    while at % LEAF_BYTES and at > 0:  # what a value hash holds is no key hash
        at = leaves.find(key_hash, at + 1)
    if at >= 0:
        return at, True
    low, high = 0, len(leaves) // LEAF_BYTES
    while low < high:
        middle = (low + high) // 2
        if leaves[middle * LEAF_BYTES : middle * LEAF_BYTES + HASH_BYTES] < key_hash:
            low = middle + 1
        else:
            high = middle
    return low * LEAF_BYTES, False


def _build_node(
    leaves: list[bytes], path: int, depth: int, put: Callable[[int, Node], None]
) -> Node:
    """Return the node at `path` over sorted leaves; what stands below it goes to `put`."""
    if len(leaves) <= PAGE_MAX:
        return Node(_hash_children(leaves, depth), len(leaves), b"".join(leaves))
    hashes = [EMPTY_CHILD] * 16
    for own, run in _group(leaves, depth):
        below = path << 4 | own
        node = _build_node(run, below, depth + 1, put)
        put(below, node)
        hashes[own] = _hash_child(node)
    return Node(b"".join(hashes), len(leaves), b"")


def _hash_children(leaves: list[bytes], depth: int) -> bytes:
    """Return the sixteen child hashes of a node at `depth` over sorted leaves."""
    hashes = [EMPTY_CHILD] * 16
    for own, run in _group(leaves, depth):
        hashes[own] = _hash_run(run, depth + 1)
    return b"".join(hashes)


def _hash_run(leaves: list[bytes], depth: int) -> bytes:
    """Return what stands in a slot whose path has `depth` nibbles: nothing, a leaf, or a node."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    if leaves:
        return hashlib.sha256(b"\x01" + _hash_children(leaves, depth)).digest()
    return EMPTY_CHILD


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


def _hash_child(node: Node) -> bytes:
    """Return what stands for a node in the one above: a single leaf stands there itself."""
    if node.count > 1:
        return _hash_node(node)
    return _hash_leaf(node.leaves) if node.count else EMPTY_CHILD


def _hash_node(node: Node) -> bytes:
    """Return the hash of a node; of the root, the state root."""
    return hashlib.sha256(b"\x01" + node.hashes).digest()


def _hash_leaf(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def _step(hashes: bytes, own: int) -> Step:
    """Return what a proof says of one node: all children but the own one."""
    children = [(i, hashes[32 * i : 32 * i + 32]) for i in range(16) if i != own]
    others = [(i, child) for i, child in children if child != EMPTY_CHILD]
    return Step(sum(1 << i for i, _ in others), tuple(child for _, child in others))


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
