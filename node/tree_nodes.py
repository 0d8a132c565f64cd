"""The nodes of the state tree in the store; those of its upper part are derived from those below.

Every block changes most of the upper part, so a store that held it wrote each of its nodes anew
with each block, and LevelDB merged them all away again. Here the slot of an upper node that leads
to a node below holds a mark instead of a hash: such a node is written only when another leaf
stands in it. The hashes are computed when the store is opened, and kept in memory (ADR 0098).
"""

import msgspec

from chain.codec import decode, encode
from chain.tree import NODE_HASH, Slots, hash_slots
from node.ports import Change, Store

NODE = b"n"  # the first byte of a node's key; its path follows
# Nodes with shorter paths are derived: 1 + 16 + 256 + 4,096 at most, from 16^4 nodes that a start
# reads in a second. The nodes right below them are kept as bytes: some 40 MB where all are full.
DERIVED_BELOW = 4

_BELOW = b"\x01"  # the slot of a stored upper node that leads to a node
_decode = msgspec.msgpack.Decoder(Slots).decode


class TreeNodes:
    """Reads the tree of the newest block in a store, and says what to write as blocks change it."""

    def __init__(self, store: Store) -> None:
        """Raise `Malformed` or AssertionError where a part of the tree is lost or unreadable."""
        self._store = store
        self._upper: dict[bytes, Slots] = {}
        self._kept: dict[bytes, bytes] = {}
        self._with_hashes: set[bytes] = set()  # upper nodes as a version before this wrote them
        root = store.get(NODE)
        if root is not None:
            self._load(b"", root)

    def get(self, path: bytes) -> Slots | None:
        """Return the node at a nibble path, or None."""
        if len(path) < DERIVED_BELOW:
            return self._upper.get(path)
        stored = self._kept.get(path)
        if stored is None:
            stored = self._store.get(NODE + path)
            if stored is None:
                return None
            if len(path) == DERIVED_BELOW:
                self._kept[path] = stored
        slots = _decode(stored)
        assert len(slots) == 16, f"state tree: the node stored at {path.hex()} is damaged"  # noqa: PLR2004
        return slots

    def change(self, nodes: dict[bytes, Slots | None]) -> list[Change]:
        """Take in the nodes that a block changed, and return what is to be written with it."""
        upper, kept = self._upper, self._kept
        batch: list[Change] = []
        for path, slots in nodes.items():
            if len(path) > DERIVED_BELOW:
                batch.append((NODE + path, None if slots is None else encode(slots)))
            elif len(path) == DERIVED_BELOW:
                if slots is None:
                    kept.pop(path, None)
                    batch.append((NODE + path, None))
                else:
                    kept[path] = stored = encode(slots)
                    batch.append((NODE + path, stored))
            elif slots is None:
                del upper[path]
                self._with_hashes.discard(path)
                batch.append((NODE + path, None))
            else:
                before = upper.get(path)
                if before is None or path in self._with_hashes or _differ(before, slots):
                    self._with_hashes.discard(path)
                    batch.append((NODE + path, encode(_mark(slots))))
                upper[path] = slots
        return batch

    def _load(self, path: bytes, stored: bytes) -> bytes:
        """Return the hash of the node at `path`; with it, all upper nodes from there are known."""
        slots = decode(Slots, stored)
        assert len(slots) == 16, f"state tree: the node at {path.hex()} is damaged"  # noqa: PLR2004
        if len(path) < DERIVED_BELOW:
            if any(len(slot) == NODE_HASH for slot in slots):
                self._with_hashes.add(path)
            slots = tuple(
                self._load_below(path + bytes([nibble]))
                if slot == _BELOW or len(slot) == NODE_HASH
                else slot
                for nibble, slot in enumerate(slots)
            )
            self._upper[path] = slots
        return hash_slots(slots)

    def _load_below(self, path: bytes) -> bytes:
        stored = self._store.get(NODE + path)
        assert stored is not None, f"state tree: no node stored at {path.hex()}"
        return self._load(path, stored)


def write_forms(path: bytes, slots: Slots) -> tuple[bytes, bytes]:
    """Return the bytes that a node is stored as: now, and by a version before this."""
    whole = encode(slots)
    return (whole if len(path) >= DERIVED_BELOW else encode(_mark(slots)), whole)


def _differ(before: Slots, slots: Slots) -> bool:
    """Say whether the two are stored as different bytes: whether `_mark` tells them apart."""
    for old, new in zip(before, slots, strict=True):
        if old is new or len(old) == len(new) == NODE_HASH:  # most slots, by far
            continue
        if old != new:
            return True
    return False


def _mark(slots: Slots) -> Slots:
    return tuple([_BELOW if len(slot) == NODE_HASH else slot for slot in slots])
