"""Transactions that wait for a block: in arrival order, bounded per account and in all (B4).

Holds only what was verified and admitted. A transaction leaves by inclusion or by expiry.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from chain.records import Tx
from consensus.messages import short_ids

MEMPOOL_BYTES_MAX = 64 * 1024 * 1024  # reliability B4: a minute of full blocks
MEMPOOL_TXS_MAX = 100_000
OVERDUE_TXS_MAX = 1_000  # looked at once a block; the oldest come first


class MempoolFull(Exception):
    """No room now: for all (`account` False), or for this sender only. Nothing was kept."""

    def __init__(self, *, account: bool) -> None:
        super().__init__("account" if account else "mempool")
        self.account = account


class Pending(msgspec.Struct, frozen=True, gc=False):
    """A waiting transaction, the keys its signatures were checked with, and when it came.

    That is on the monotonic clock, at which open height, and at which time in s.
    """

    tx: Tx
    keys: tuple[bytes, ...]
    since_ms: int
    since_height: int
    since_s: int

    def is_overdue(self, height: int, time_s: int, heights: int) -> bool:
        """Say whether it waits for `heights` blocks, or for half its life (consensus B6)."""
        half_s = (self.since_s + self.tx.expires) // 2
        return height - self.since_height >= heights or time_s >= half_s


class Mempool:
    """Guards the caps: pending quota per account, total bytes, total count."""

    def __init__(self, account_txs: int, account_bytes: int) -> None:
        self.account_txs = account_txs
        self.account_bytes = account_bytes
        self.bytes = 0
        self._pending: dict[bytes, Pending] = {}
        self._used: dict[bytes, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, tx_id: bytes) -> bool:
        return tx_id in self._pending

    def get(self, tx_id: bytes) -> Pending | None:
        """Return the waiting transaction with that id, or None."""
        return self._pending.get(tx_id)

    def count_of(self, sender: bytes) -> int:
        """Return how many transactions of `sender` wait."""
        return self._used.get(sender, (0, 0))[0]

    def oldest_ms(self) -> int | None:
        """Return since when the oldest transaction waits, or None where none does."""
        return next((pending.since_ms for pending in self._pending.values()), None)

    def overdue(self, height: int, time_s: int, heights: int) -> Iterator[Tx]:
        """Yield what waits too long among the first to have come, in order of arrival (B6)."""
        for pending in islice(self._pending.values(), OVERDUE_TXS_MAX):
            if pending.is_overdue(height, time_s, heights):
                yield pending.tx

    def txs(self) -> Iterator[Tx]:
        """Yield the transactions in order of arrival."""
        for pending in self._pending.values():
            yield pending.tx

    def first(self, most: int, height: int, time_s: int, heights: int) -> Iterator[Tx]:
        """Yield the `most` that came first, and who else is overdue by `heights` (B6)."""
        looked_at = max(most, 2 * OVERDUE_TXS_MAX)  # peers look at theirs, in an order of their own
        for place, pending in enumerate(islice(self._pending.values(), looked_at)):
            if place < most or pending.is_overdue(height, time_s, heights):
                yield pending.tx

    def check_room(self, tx: Tx) -> None:
        """Raise `MempoolFull` where `tx` would pass a cap."""
        size = len(tx.raw)
        if len(self._pending) >= MEMPOOL_TXS_MAX or self.bytes + size > MEMPOOL_BYTES_MAX:
            raise MempoolFull(account=False)
        count, used = self._used.get(tx.sender, (0, 0))
        if count >= self.account_txs or used + size > self.account_bytes:
            raise MempoolFull(account=True)

    def add(self, pending: Pending) -> None:
        """Keep a verified transaction; raise `MempoolFull` where it would pass a cap."""
        tx = pending.tx
        self.check_room(tx)
        count, used = self._used.get(tx.sender, (0, 0))
        self._used[tx.sender] = (count + 1, used + len(tx.raw))
        self.bytes += len(tx.raw)
        self._pending[tx.id] = pending

    def remove(self, tx_ids: Iterable[bytes]) -> None:
        """Forget transactions that were included or can never be."""
        for tx_id in tx_ids:
            pending = self._pending.pop(tx_id, None)
            if pending is None:
                continue
            tx = pending.tx
            self.bytes -= len(tx.raw)
            count, used = self._used[tx.sender]
            if count == 1:
                del self._used[tx.sender]
            else:
                self._used[tx.sender] = (count - 1, used - len(tx.raw))

    def remove_expired(self, time_s: int) -> list[bytes]:
        """Forget what no block at or after `time_s` may hold; return the ids."""
        expired = [tx_id for tx_id, p in self._pending.items() if p.tx.expires <= time_s]
        self.remove(expired)
        return expired

    def by_short_id(self, body_hash: bytes, heard: Iterable[bytes] = ()) -> dict[bytes, bytes]:
        """Return short id -> transaction id of all waiting transactions for one body (B3).

        So it is of the ids in `heard`, which are not here yet. Two transactions that share a short
        id are left out; the full list of ids is then fetched.
        """
        found: dict[bytes, bytes] = {}
        twice = []
        ids = [*self._pending, *heard]
        for tx_id, short in zip(ids, short_ids(body_hash, ids), strict=True):
            if found.setdefault(short, tx_id) != tx_id:
                twice.append(short)
        for short in twice:
            found.pop(short, None)
        return found

    def since(self, age_ms: int, now_ms: int, limit: int) -> list[bytes]:
        """Return at most `limit` ids that wait longer than `age_ms`, oldest first."""
        old: list[bytes] = []
        for tx_id, pending in self._pending.items():
            if len(old) == limit or pending.since_ms > now_ms - age_ms:
                break
            old.append(tx_id)
        return old
