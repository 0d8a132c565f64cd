"""The store's twin in memory, for simulator and tests: the same contract, nothing durable."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from pathlib import Path

from node.ports import Snapshot
from node.store_pairs import Batch, check_batch, check_key, copy_pairs
from node.store_sqlite import create_sqlite


class MemoryStore:
    """An ordered map. Its pairs may be given and outlive it: so it is closed and opened again."""

    def __init__(self, pairs: dict[bytes, bytes] | None = None) -> None:
        self._pairs: dict[bytes, bytes] = {} if pairs is None else pairs
        self._keys = sorted(self._pairs)
        self._open = True

    def get(self, key: bytes) -> bytes | None:
        assert self._open, "store: used after close"
        check_key(key)
        return self._pairs.get(key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        assert self._open, "store: used after close"
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        if reverse:
            keys.reverse()
        yield from [(key, self._pairs[key]) for key in keys]

    def write(self, batch: Batch) -> None:
        assert self._open, "store: used after close"
        check_batch(batch)
        for key, value in batch:
            if value is None:
                if self._pairs.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
            else:
                if key not in self._pairs:
                    insort(self._keys, key)
                self._pairs[key] = value

    def snapshot(self) -> Snapshot:
        assert self._open, "store: used after close"
        return MemoryStore(self._pairs.copy())

    def copy_to(self, folder: Path) -> None:
        """Write the pairs into `folder` as an SQLite store, the kind that every platform reads."""
        assert self._open, "store: used after close"
        target = create_sqlite(folder)
        try:
            copy_pairs(self, target)
        finally:
            target.close()

    def close(self) -> None:
        self._open = False
