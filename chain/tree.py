"""The state tree: a 16-ary Merkle radix tree over SHA-256(key) (interfaces 5.5, architecture D8).

A leaf stands at the shallowest slot where its prefix is unique, so the root, and every stored
node, depends on the set of (key, value) alone and never on the order of the changes.

A node is 16 slots, each one of three byte strings that length tells apart: empty; 32 bytes, the
hash of a node below; 64 bytes, a leaf: key hash, then value hash. It stands under its path: one
byte per nibble, and b"" for the root. How nodes are stored is not decided here.
"""

import hashlib
from binascii import hexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HASH_BYTES = 32
DEPTH_MAX = 64  # nibbles in a key hash
EMPTY_CHILD = bytes(32)
EMPTY_STATE_ROOT = hashlib.sha256(b"\x01" + EMPTY_CHILD * 16).digest()

Slots = tuple[bytes, ...]
GetNode = Callable[[bytes], Slots | None]

NODE_HASH = 32  # length of a slot that leads to a node
LEAF = 64  # length of a slot that holds a leaf
_ALL_NODES = 16 * NODE_HASH  # length of the slots of a node that leads to nothing else
_NO_SLOTS: Slots = (b"",) * 16
_NIBBLES = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))

_Change = tuple[bytes, bytes, bytes]  # nibbles, key hash, new leaf or b"" to delete


@dataclass(frozen=True, slots=True)
class TreeUpdate:
    """The root after an update, and the nodes to put or to delete (None), by path."""

    root: bytes
    nodes: dict[bytes, Slots | None]


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
        sorted_changes.append((_nibbles(key_hash), key_hash, leaf))
    sorted_changes.sort()
    nodes: dict[bytes, Slots | None] = {}
    before = _slots_at(get_node, b"")
    after = _change_slots(get_node, before, sorted_changes, 0, nodes)
    if after != before:
        nodes[b""] = after if after != _NO_SLOTS else None
    return TreeUpdate(hash_slots(after), nodes)


def prove(get_node: GetNode, key: bytes) -> TreeProof:
    """Return the proof that `key` has the value it has, or that it is absent."""
    key_hash = hashlib.sha256(key).digest()
    nibbles = _nibbles(key_hash)
    path: list[Step] = []
    while True:
        depth = len(path)
        slots = _slots_at(get_node, nibbles[:depth])
        own = nibbles[depth]
        others = [i for i, slot in enumerate(slots) if slot and i != own]
        hashes = tuple(_hash_slot(slots[i]) for i in others)
        path.append(Step(sum(1 << i for i in others), hashes))
        slot = slots[own]
        if len(slot) == NODE_HASH:
            continue
        if not slot:
            return TreeProof(tuple(path), Empty())
        if slot[:HASH_BYTES] == key_hash:
            return TreeProof(tuple(path), Found())
        return TreeProof(tuple(path), Other(slot[:HASH_BYTES], slot[HASH_BYTES:]))


def verify(root: bytes, key: bytes, value: bytes | None, proof: TreeProof) -> bool:
    """Say whether `proof` shows under `root` that `key` has `value`, or is absent where None."""
    key_hash = hashlib.sha256(key).digest()
    nibbles = _nibbles(key_hash)
    depth = len(proof.path)
    if not 0 < depth <= DEPTH_MAX:
        return False
    terminal = proof.terminal
    if isinstance(terminal, Found):
        if value is None:
            return False
        hashed = _hash_slot(key_hash + hashlib.sha256(value).digest())
    elif value is not None:
        return False
    elif isinstance(terminal, Empty):
        hashed = EMPTY_CHILD
    else:
        lengths = (len(terminal.key_hash), len(terminal.value_hash))
        if lengths != (HASH_BYTES, HASH_BYTES) or terminal.key_hash == key_hash:
            return False
        if _nibbles(terminal.key_hash)[:depth] != nibbles[:depth]:
            return False
        hashed = _hash_slot(terminal.key_hash + terminal.value_hash)
    for at in range(depth - 1, -1, -1):
        children = _children(proof.path[at], nibbles[at], hashed)
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


def _change_slots(
    get_node: GetNode,
    before: Slots,
    changes: list[_Change],
    depth: int,
    nodes: dict[bytes, Slots | None],
) -> Slots:
    """Return the slots of a node at `depth` after the sorted `changes`, all below it."""
    slots = list(before)
    end = len(changes)
    begin = 0
    while begin < end:
        own = changes[begin][0][depth]
        after = begin + 1
        while after < end and changes[after][0][depth] == own:
            after += 1
        group = changes[begin:after] if after - begin < end else changes
        slots[own] = _change_slot(get_node, slots[own], group, depth + 1, nodes)
        begin = after
    return tuple(slots)


def _change_slot(
    get_node: GetNode,
    slot: bytes,
    changes: list[_Change],
    depth: int,
    nodes: dict[bytes, Slots | None],
) -> bytes:
    """Return what stands in a slot, whose path has `depth` nibbles, after `changes`."""
    if len(slot) != NODE_HASH:
        if len(changes) == 1 and (not slot or slot[:HASH_BYTES] == changes[0][1]):
            return changes[0][2]
        return _plant(get_node, slot, changes, depth, nodes)
    path = changes[0][0][:depth]
    before = _slots_at(get_node, path)
    after = _change_slots(get_node, before, changes, depth, nodes)
    if after == before:
        return slot
    if after.count(b"") >= 15:  # noqa: PLR2004 - one child left, or none
        last = b"".join(after)
        if len(last) != NODE_HASH:  # a leaf moves up; a node stays where it is
            nodes[path] = None
            return last
    nodes[path] = after
    return hash_slots(after)


def _plant(
    get_node: GetNode,
    slot: bytes,
    changes: list[_Change],
    depth: int,
    nodes: dict[bytes, Slots | None],
) -> bytes:
    """Return what stands in a slot with no node below it yet: a new node where two leaves meet."""
    key_hash = slot[:HASH_BYTES]
    live = [change for change in changes if change[2]]
    if slot and all(change[1] != key_hash for change in changes):
        live.append((_nibbles(key_hash), key_hash, slot))
        live.sort()
    if len(live) <= 1:
        return live[0][2] if live else b""
    slots = _change_slots(get_node, _NO_SLOTS, live, depth, nodes)
    nodes[live[0][0][:depth]] = slots
    return hash_slots(slots)


def _slots_at(get_node: GetNode, path: bytes) -> Slots:
    """Return the slots of the node at `path`; only the root may be missing, when empty."""
    slots = get_node(path)
    if slots is None:
        assert not path, f"state tree: no node stored at {path.hex()}"
        return _NO_SLOTS
    return slots


def hash_slots(slots: Slots) -> bytes:
    """Return the hash of a node, which the slot above it holds; of the root, the state root."""
    sha256 = hashlib.sha256
    joined = b"".join(slots)
    if len(joined) == _ALL_NODES and b"" not in slots:  # sixteen nodes: in the upper part of a tree
        return sha256(b"\x01" + joined).digest()
    children = [  # the same as _hash_slot without sixteen calls; most slots are empty
        EMPTY_CHILD
        if not slot
        else slot
        if len(slot) == NODE_HASH
        else sha256(b"\x00" + slot).digest()
        for slot in slots
    ]
    return sha256(b"\x01" + b"".join(children)).digest()


def _hash_slot(slot: bytes) -> bytes:
    if len(slot) == LEAF:
        return hashlib.sha256(b"\x00" + slot).digest()
    return slot or EMPTY_CHILD


def _nibbles(key_hash: bytes) -> bytes:
    """Return the 64 nibbles of a key hash, high nibble first, one per byte."""
    return hexlify(key_hash).translate(_NIBBLES)
