"""The replay window and the quotas, derived from the blocks of the last 600 s (consensus B1).

Every node derives the same from the same blocks. Neither stands under the state root. At full
speed the window holds over a million transactions, so of each it keeps two strings and no more:
who used which nonce, and when it expires with its id. (A hash of the first would be 20 bytes
shorter and cost more time than all the rest of the window.)
"""

from collections import Counter, deque
from collections.abc import Sequence

import msgspec

_TIME_BYTES = 8  # Unix seconds, before the id


class Included(msgspec.Struct, frozen=True, gc=False):
    """One included transaction; `expires` is Unix seconds."""

    sender: bytes
    nonce: bytes
    expires: int
    tx_id: bytes


class _Count(msgspec.Struct, gc=False):
    """How many transactions of a sender the window holds."""

    sender: bytes
    txs: int = 0


class Window:
    """What the blocks up to the newest included and has not expired, and how many by whom.

    The counts are of the blocks of the last `horizon_s` seconds.
    """

    def __init__(self, horizon_s: int) -> None:
        self._horizon_s = horizon_s
        self._seen: dict[bytes, bytes] = {}
        self._ends: dict[int, list[bytes]] = {}  # keys by the second in which they expire
        self._counts: dict[bytes, _Count] = {}
        self._blocks: deque[tuple[int, tuple[_Count, ...]]] = deque()  # time, whose each one is

    def add_block(self, time_s: int, included: Sequence[Included]) -> None:
        """Take in the next block and forget what no block after it can need."""
        for end in [end for end in self._ends if end <= time_s]:
            for key in self._ends.pop(end):
                del self._seen[key]
        senders = []
        for item in included:
            key = item.sender + item.nonce
            self._seen[key] = item.expires.to_bytes(_TIME_BYTES, "big") + item.tx_id
            self._ends.setdefault(item.expires, []).append(key)
            count = self._counts.get(item.sender)
            if count is None:
                count = self._counts[item.sender] = _Count(item.sender)
            count.txs += 1
            senders.append(count)
        self._blocks.append((time_s, tuple(senders)))
        while self._blocks and self._blocks[0][0] <= time_s - self._horizon_s:
            for count in self._blocks.popleft()[1]:
                count.txs -= 1
                if not count.txs:
                    del self._counts[count.sender]

    def find(self, sender: bytes, nonce: bytes, time_s: int) -> bytes | None:
        """Return the id of the transaction that used (sender, nonce) and has not expired."""
        found = self._seen.get(sender + nonce)
        if found is None or time_s >= int.from_bytes(found[:_TIME_BYTES], "big"):
            return None
        return found[_TIME_BYTES:]

    def count(self, sender: bytes) -> int:
        """Return how many transactions of `sender` the window holds."""
        count = self._counts.get(sender)
        return 0 if count is None else count.txs

    def stale_counts(self, time_s: int) -> Counter[bytes]:
        """Return what `count` holds too much of for a block at `time_s`: blocks that fell out."""
        stale: Counter[bytes] = Counter()
        for block_time_s, senders in self._blocks:
            if block_time_s > time_s - self._horizon_s:
                break
            stale.update(count.sender for count in senders)
        return stale

    def __len__(self) -> int:
        return len(self._seen)
