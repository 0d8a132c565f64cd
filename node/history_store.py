"""A second, older state in the same store: how a node that joined by a snapshot fetches its past.

Blocks, outcomes, log and rows of old blocks go to the places where they belong; the state and its
tree, which at those heights were others, go under a prefix of their own. So `ChainStore` executes
the past block by block, one batch each, beside the chain that goes on (ADR 0051). Once it arrives
at the snapshot all of it is the same, and the second state is deleted.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from node.chainstore import ERA, JOINED, OPEN, STATE, TIP, ChainStore, u64
from node.ports import Change, Snapshot, Store
from node.tree_pages import PAGE, STORED_NODE

PAST = b"k"  # before the key of what has another value there
_OTHER_THERE = (STATE, PAGE, STORED_NODE, OPEN, ERA)
_CLEAN_PAIRS = 2_000  # deleted at a time: some 10 ms


class PastStore:
    """The store as the past sees it. It is never closed: it belongs to the other one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key` there."""
        return self._store.get(_place(key))

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs of one kind; a scan never leaves its first byte."""
        if not start.startswith(_OTHER_THERE):
            yield from self._store.scan(start, end, reverse=reverse)
            return
        for key, value in self._store.scan(PAST + start, PAST + end, reverse=reverse):
            yield key[len(PAST) :], value

    def write(self, batch: Sequence[Change]) -> None:
        """Make all of `batch` durable, or none."""
        self._store.write([(_place(key), value) for key, value in batch])

    def snapshot(self) -> Snapshot:
        raise AssertionError("no snapshot is made of the past")

    def copy_to(self, folder: Path) -> None:
        raise AssertionError(f"no copy is made of the past: {folder}")

    def close(self) -> None:
        """Nothing: the store goes on."""


def finish_past(store: ChainStore, past: ChainStore) -> None:
    """Say in one batch that the whole past is here: what the snapshot had to guess goes (V1)."""
    joined = store.joined
    assert joined is not None, "only a node that joined by a snapshot has a second state"
    assert past.tip.block_id == joined.block_id, "the past leads to the snapshot"
    guessed = [ERA + u64(height) for height in (joined.height, joined.height + 1)]
    batch: list[Change] = [(key, None) for key in guessed]
    batch += past.store.scan(ERA, ERA + b"\xff" * 9)
    batch += [(JOINED, None), (_place(TIP), None)]
    store.store.write(batch)
    store.note_whole()


def clean_past(store: Store) -> bool:
    """Delete a part of a second state that nobody needs any more; say whether more is left."""
    batch: list[Change] = []
    for key, _ in store.scan(PAST, bytes([PAST[0] + 1])):
        batch.append((key, None))
        if len(batch) == _CLEAN_PAIRS:
            break
    if batch:
        store.write(batch)
    return len(batch) == _CLEAN_PAIRS


def _place(key: bytes) -> bytes:
    return PAST + key if key == TIP or key.startswith(_OTHER_THERE) else key
