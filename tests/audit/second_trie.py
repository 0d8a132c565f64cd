"""The state tree once more, from interfaces 5.5 alone: changed leaf by leaf, a root per block."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

EMPTY = bytes(32)


class Trie:
    """Slots hold None, a leaf (key hash, value hash), or a node: [slots, hash or None]."""

    def __init__(self) -> None:
        self.top: list[Any] = [[None] * 16, None]

    def put(self, key: bytes, value: bytes | None) -> None:
        kh = sha256(key).digest()
        path = [nibble for byte in kh for nibble in (byte >> 4, byte & 15)]
        if value is None:
            self._remove(self.top, path, 0, kh)
        else:
            self._insert(self.top, path, 0, (kh, sha256(value).digest()))

    def root(self) -> bytes:
        return self._hash(self.top)

    def _insert(
        self, node: list[Any], path: list[int], depth: int, leaf: tuple[bytes, bytes]
    ) -> None:
        node[1] = None
        here = node[0][path[depth]]
        if here is None or (isinstance(here, tuple) and here[0] == leaf[0]):
            node[0][path[depth]] = leaf
        elif isinstance(here, tuple):
            below: list[Any] = [[None] * 16, None]
            node[0][path[depth]] = below
            other = [nibble for byte in here[0] for nibble in (byte >> 4, byte & 15)]
            self._insert(below, other, depth + 1, here)
            self._insert(below, path, depth + 1, leaf)
        else:
            self._insert(here, path, depth + 1, leaf)

    def _remove(self, node: list[Any], path: list[int], depth: int, kh: bytes) -> None:
        node[1] = None
        here = node[0][path[depth]]
        if isinstance(here, tuple) and here[0] == kh:
            node[0][path[depth]] = None
        elif isinstance(here, list):
            self._remove(here, path, depth + 1, kh)
            left = [slot for slot in here[0] if slot is not None]
            if len(left) == 1 and isinstance(left[0], tuple):  # alone: it moves up
                node[0][path[depth]] = left[0]

    def _hash(self, slot: Any) -> bytes:
        if slot is None:
            return EMPTY
        if isinstance(slot, tuple):
            return sha256(b"\0" + slot[0] + slot[1]).digest()
        if slot[1] is None:
            slot[1] = sha256(b"\1" + b"".join(self._hash(one) for one in slot[0])).digest()
        hashed: bytes = slot[1]
        return hashed
