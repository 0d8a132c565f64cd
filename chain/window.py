"""The replay window and the quotas, derived from the blocks of the last 600 s (consensus B1).

Every node derives the same from the same blocks. Neither stands under the state root.
"""

from collections import Counter, deque
from collections.abc import Sequence

import msgspec


class Included(msgspec.Struct, frozen=True):
    """What the window remembers of one included transaction; `expires` is Unix seconds."""

    sender: bytes
    nonce: bytes
    expires: int
    tx_id: bytes


class Window:
    """What the blocks of the last `horizon_s` seconds included, up to the newest block."""

    def __init__(self, horizon_s: int) -> None:
        self._horizon_s = horizon_s
        self._seen: dict[bytes, tuple[int, bytes]] = {}
        self._counts: Counter[bytes] = Counter()
        self._blocks: deque[tuple[int, tuple[Included, ...]]] = deque()

    def add_block(self, time_s: int, included: Sequence[Included]) -> None:
        """Take in the next block and forget those that no block after it can need."""
        for item in included:
            self._seen[item.sender + item.nonce] = (item.expires, item.tx_id)
            self._counts[item.sender] += 1
        self._blocks.append((time_s, tuple(included)))
        while self._blocks and self._blocks[0][0] <= time_s - self._horizon_s:
            _, old = self._blocks.popleft()
            for item in old:
                key = item.sender + item.nonce
                if self._seen.get(key, (0, b""))[1] == item.tx_id:
                    del self._seen[key]
                left = self._counts[item.sender] - 1
                if left:
                    self._counts[item.sender] = left
                else:
                    del self._counts[item.sender]

    def find(self, sender: bytes, nonce: bytes, time_s: int) -> bytes | None:
        """Return the id of the transaction that used (sender, nonce) and has not expired."""
        found = self._seen.get(sender + nonce)
        return found[1] if found is not None and time_s < found[0] else None

    def count(self, sender: bytes) -> int:
        """Return how many transactions of `sender` the window holds."""
        return self._counts.get(sender, 0)

    def stale_counts(self, time_s: int) -> Counter[bytes]:
        """Return what `count` holds too much of for a block at `time_s`: blocks that fell out."""
        stale: Counter[bytes] = Counter()
        for block_time_s, included in self._blocks:
            if block_time_s > time_s - self._horizon_s:
                break
            stale.update(item.sender for item in included)
        return stale

    def __len__(self) -> int:
        return len(self._seen)
