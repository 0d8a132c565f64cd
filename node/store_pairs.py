"""What every store adapter promises beside the port: which keys it holds, and how it is copied.

A scan sees the store as it was when its first pair was asked for, whatever is written meanwhile.
A store that failed once answers nothing any more (reliability Y24). One thread uses a store.
"""

from collections.abc import Sequence

from node.ports import Change, Snapshot, Store

KEY_BYTES_MAX = 255  # state keys name at most three ids; a bound gives every scan a last key
KEY_END = b"\xff" * (KEY_BYTES_MAX + 1)  # greater than every key
_COPY_BYTES = 4 << 20  # one synced batch of a copy: large enough that syncs do not count

Batch = Sequence[Change]


def check_key(key: bytes) -> None:
    """Assert that `key` is one that a store can hold and a scan can reach."""
    assert 0 < len(key) <= KEY_BYTES_MAX, f"store: a key of {len(key)} bytes"


def check_batch(batch: Batch) -> None:
    """Assert the same of every key in `batch`."""
    for key, _ in batch:
        check_key(key)


def copy_pairs(source: Store | Snapshot, target: Store) -> None:
    """Write every pair of `source`, checked as it is read, into `target`."""
    batch: list[tuple[bytes, bytes | None]] = []
    size = 0
    for key, value in source.scan(b"", KEY_END):
        batch.append((key, value))
        size += len(key) + len(value)
        if size >= _COPY_BYTES:
            target.write(batch)
            batch, size = [], 0
    target.write(batch)
