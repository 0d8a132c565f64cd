"""The append-only log over all transactions: RFC 6962, SHA-256 (interfaces 5.1, consensus M9).

Node (level, index) is the hash over the leaves [index << level, (index + 1) << level). Only full
nodes are stored; those of the right edge change with every leaf and are computed when asked for.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chain.codec import Digest, Record, Uint, encode

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

GetNode = Callable[[int, int], bytes]
NewNode = tuple[tuple[int, int], bytes]


class Leaf(Record, frozen=True, tag="wijk.leaf.1"):
    """What the log says of one transaction: its id, and 0 or the number of its refusal."""

    tx_id: Digest
    code: Uint


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the size, and the roots of the full subtrees, largest first."""

    size: int
    roots: tuple[bytes, ...]


EMPTY_FRONTIER = Frontier(0, ())


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf that holds `data`."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tx_leaf_hash(tx_id: bytes, code: int) -> bytes:
    """Return the leaf hash of a transaction and its outcome."""
    return leaf_hash(encode(Leaf(tx_id, code)))


def root(frontier: Frontier) -> bytes:
    """Return the root of the log that ends at `frontier`."""
    return _fold(frontier.roots) if frontier.roots else EMPTY_ROOT


def append(frontier: Frontier, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, list[NewNode]]:
    """Return the frontier after `leaf_hashes`, and every node they completed, leaves included.

    Works level by level: `row` holds the new nodes of a level, from number `first` on.
    """
    sha256 = hashlib.sha256
    row = list(leaf_hashes)
    size = frontier.size + len(row)
    waiting = list(frontier.roots)  # the smallest, the next to be paired, is last
    edges: list[bytes] = []
    nodes: list[NewNode] = []
    level, first = 0, frontier.size
    while row or first:
        nodes += [((level, first + i), hashed) for i, hashed in enumerate(row)]
        if first & 1:
            row.insert(0, waiting.pop())
        if len(row) & 1:
            edges.append(row.pop())
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=True)
        ]
        first >>= 1
        level += 1
    assert not waiting, "a frontier has one root for each bit of its size"
    return Frontier(size, tuple(reversed(edges))), nodes


def frontier_at(size: int, get_node: GetNode) -> Frontier:
    """Return the frontier of the first `size` leaves from the stored nodes."""
    roots = tuple(get_node(level, index) for level, index in full_nodes(0, size))
    return Frontier(size, roots)


def inclusion_path(index: int, size: int, get_node: GetNode) -> list[bytes]:
    """Return the path that proves leaf `index` against the root of the first `size` leaves."""
    assert 0 <= index < size, "only a leaf of the log has a path"
    return _climb(0, index, size, get_node)


def consistency_path(from_size: int, to_size: int, get_node: GetNode) -> list[bytes]:
    """Return the path proving that the first `to_size` leaves begin with the first `from_size`.

    An empty log is the beginning of every log: there is nothing to prove (RFC 6962 2.1.2).
    """
    assert 0 < from_size <= to_size, "a proof leads from a log that has leaves to a longer one"
    if from_size == to_size:
        return []
    level = (from_size & -from_size).bit_length() - 1
    index = (from_size >> level) - 1
    start = [get_node(level, index)] if index else []  # index 0: the old root itself, known
    return start + _climb(level, index, to_size, get_node)


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes
) -> bool:
    """Say whether `path` proves leaf hash `leaf` at `index` under the root of `size` leaves."""
    if not 0 <= index < size or not _are_hashes((leaf, root_hash, *path)):
        return False
    at, last, hashed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            hashed = node_hash(sibling, hashed)
            while not at & 1 and at:  # the right edge: levels where this node has no sibling
                at >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and hashed == root_hash


def verify_consistency(
    from_size: int, to_size: int, path: Sequence[bytes], from_root: bytes, to_root: bytes
) -> bool:
    """Say whether `path` proves that the log of `to_size` begins with that of `from_size`.

    A proof from the empty log proves nothing and is refused (reliability W25).
    """
    if not 0 < from_size <= to_size:
        return False
    if from_size == to_size:
        return not path and from_root == to_root
    if not path or not _are_hashes((from_root, to_root, *path)):
        return False
    at, last = from_size - 1, to_size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    rest = list(path)
    start = rest.pop(0) if at else from_root  # at 0: the old log is one full subtree
    old = new = start
    for sibling in rest:
        if last == 0:
            return False
        if at & 1 or at == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and old == from_root and new == to_root


def _climb(level: int, index: int, size: int, get_node: GetNode) -> list[bytes]:
    """Return the siblings from node (level, index) up to the root of `size` leaves."""
    path = []
    last = (size - 1) >> level
    while last:
        if index & 1:
            path.append(get_node(level, index - 1))
        elif index < last:
            path.append(_subtree(level, index + 1, size, get_node))
        index >>= 1
        last >>= 1
        level += 1
    return path


def _subtree(level: int, index: int, size: int, get_node: GetNode) -> bytes:
    """Return the hash of node (level, index), which the right edge of the log may cut short."""
    begin = index << level
    end = min(size, (index + 1) << level)
    return _fold([get_node(*node) for node in full_nodes(begin, end)])


def full_nodes(begin: int, end: int) -> list[tuple[int, int]]:
    """Return the full nodes over the leaves [begin, end), largest first; `begin` is aligned."""
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _fold(roots: Sequence[bytes]) -> bytes:
    hashed = roots[-1]
    for left in reversed(roots[:-1]):
        hashed = node_hash(left, hashed)
    return hashed


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
