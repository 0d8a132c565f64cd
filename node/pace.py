"""How long a new transaction would wait, and when that is too long (reliability A12, ADR 0056).

A mempool that takes whatever fits makes everybody wait for as long as it takes to empty it. A node
knows how fast blocks empty it, so it turns new work away while the wait is still short.
"""

from collections import deque

WAIT_S_MAX = 4  # at twice the sustainable rate a payment is then final within some 5 s, or refused
BACKLOG_TXS_MIN = 2_000  # always taken: half a full block, which a burst on a quiet chain may be
SPANS_MAX = 8  # the pace is that of the newest blocks
RETRY_S_MAX = 60  # a client is asked to wait no longer than that
PATIENCE_MS = 1_000  # before the first block of a busy time: less than this says nothing


class Pace:
    """Guards what the newest blocks took, as far as something was left for the next one.

    Only those tell: a block that took all there was could perhaps have taken more. The time since
    the newest block counts with nothing taken, so a chain that stands still fills no mempool.
    """

    def __init__(self) -> None:
        self._spans: deque[tuple[int, int]] = deque(maxlen=SPANS_MAX)  # transactions, ms
        self._since_ms: int | None = None  # since when something waits for the next block

    def on_block(self, txs: int, left: int, mono_ms: int) -> None:
        """A block took `txs` and left `left` waiting."""
        if not left:
            self._spans.clear()
        elif self._since_ms is not None:
            self._spans.append((txs, mono_ms - self._since_ms))
        self._since_ms = mono_ms if left else None

    def on_work(self, backlog: int, mono_ms: int) -> int:
        """Somebody brings work: return in how many seconds to come back, 0 where it is taken."""
        if self._since_ms is None:
            self._since_ms = mono_ms
        waited_ms = mono_ms - self._since_ms
        if backlog < BACKLOG_TXS_MIN or (not self._spans and waited_ms < PATIENCE_MS):
            return 0
        txs = sum(txs for txs, _ in self._spans)
        span_ms = waited_ms + sum(span_ms for _, span_ms in self._spans)
        fits = max(BACKLOG_TXS_MIN, txs * WAIT_S_MAX * 1000 // max(1, span_ms))
        if backlog < fits:
            return 0
        # Of a chain that took nothing yet: as long again as it took nothing.
        empty_ms = (backlog - fits) * span_ms // txs if txs else span_ms
        return min(RETRY_S_MAX, 1 + empty_ms // 1000)
