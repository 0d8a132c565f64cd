"""What may pass a link, how often, and in which order (reliability Z12, Z13, consensus B12).

Both ends count by the same table. The sender spaces its frames to stay inside the quota, so an
honest peer is never dropped for being lively; the receiver allows a longer burst, because frames
that were sent evenly arrive together after a stall. Pure: seconds of one monotonic clock come in
as `now`.
"""

from collections import Counter, deque

from chain.codec import Record
from node.wire import KINDS, Kind, Lane, merge_first

BYTES_PER_S = 5_000_000  # consensus B7: all kinds together, each way
QUEUE_BYTES_MAX = 8 * 1024 * 1024  # reliability Z12: per peer
BURST_OUT_S = 2.0
# A receiver that stood still until just before the idle deadline (Z10: 10 s) finds all that was
# sent meanwhile, and the sender's burst.
BURST_IN_S = 15.0
REQUESTS_OPEN_MAX = 16  # consensus B7: per link, all kinds of request together
REQUEST_OPEN_S = 30.0  # a lost answer frees its place; 1.5 MiB need 0.4 s at 32 Mbit/s
EXCESSES_MAX = 10  # reliability Z13: as many frames over quota in a minute end the link
EXCESS_WINDOW_S = 60.0

_LANES = tuple(
    tuple(kind for kind in KINDS if kind.lane is lane) for lane in sorted(Lane)
)  # kinds in the order they are sent
_ANSWERS = {kind.answers: kind for kind in KINDS if kind.answers is not None}


class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` of them saved."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take `amount` tokens if all of them are there."""
        self._fill(now)
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True

    def spend(self, now: float, amount: float) -> float:
        """Take `amount` tokens, on credit if need be; return the seconds until it is paid."""
        self._fill(now)
        self._tokens -= amount
        return max(0.0, -self._tokens / self._rate)

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return the seconds until `amount` tokens are there."""
        self._fill(now)
        return max(0.0, (amount - self._tokens) / self._rate)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Inflow:
    """The quota of one peer, kept over its reconnects (reliability Z13)."""

    def __init__(self, now: float, *, rate_factor: float = 1.0) -> None:
        self._buckets = _buckets(rate_factor, BURST_IN_S, now)
        rate = BYTES_PER_S * rate_factor
        self._bytes = Bucket(rate, rate * BURST_OUT_S, now)
        self._requests: deque[tuple[float, type[Record]]] = deque()
        self._excesses: deque[float] = deque()

    def ask(self, request: type[Record], now: float) -> bool:
        """Open a place for the answer to `request`; False when 16 requests are open already."""
        self._expire(now)
        if len(self._requests) >= REQUESTS_OPEN_MAX:
            return False
        self._requests.append((now, request))
        return True

    def forget_requests(self) -> None:
        """Close all open requests: they went out on a connection that is gone."""
        self._requests.clear()

    def admit(self, kind: Kind, now: float) -> bool:
        """Say whether this frame is inside the quota, and count it if not."""
        if kind.answers is not None:
            admitted = self._close_request(kind.answers, now)
        else:
            bucket = self._buckets.get(kind.code)
            admitted = bucket is not None and bucket.take(now)
        if not admitted:
            self._excesses.append(now)
        return admitted

    def is_flood(self, now: float) -> bool:
        """Say whether the last minute held as many excesses as end a link."""
        while self._excesses and self._excesses[0] <= now - EXCESS_WINDOW_S:
            self._excesses.popleft()
        return len(self._excesses) >= EXCESSES_MAX

    def spend_bytes(self, size: int, now: float) -> float:
        """Book `size` bytes that came; return for how many seconds nothing more may be read.

        Bytes are throttled, never dropped: the connection's own window slows the peer (B12).
        """
        return self._bytes.spend(now, size)

    def _close_request(self, request: type[Record], now: float) -> bool:
        self._expire(now)
        for place, (_, kind) in enumerate(self._requests):
            if kind is request:
                del self._requests[place]
                return True
        return False

    def _expire(self, now: float) -> None:
        while self._requests and self._requests[0][0] <= now - REQUEST_OPEN_S:
            self._requests.popleft()


class Outflow:
    """The send queue of one connection: bounded, votes first, transactions dropped first (Z12).

    Frames of one kind keep their order; kinds of one lane go in the order of the table. Small
    batches of transactions that wait together leave as one, so that a node that gossips often
    is not slowed by a quota that counts frames.
    """

    def __init__(self, now: float, *, rate_factor: float = 1.0) -> None:
        self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self._queues: dict[int, deque[bytes]] = {kind.code: deque() for kind in KINDS}
        self._buckets = _buckets(rate_factor, BURST_OUT_S, now)
        rate = BYTES_PER_S * rate_factor
        self._bytes = Bucket(rate, rate * BURST_OUT_S, now)

    def put(self, kind: Kind, frame: bytes) -> None:
        """Queue a frame; when the queue is full, drop from the lanes below it, or this frame."""
        queue = self._queues[kind.code]
        if kind.latest_only and queue:
            self.bytes -= len(queue.pop())
        excess = self.bytes + len(frame) - QUEUE_BYTES_MAX
        if excess > 0 and not self._make_room(kind.lane, excess):
            self.dropped[kind.label] += 1
            return
        queue.append(frame)
        self.bytes += len(frame)

    def take(self, bytes_max: int, now: float) -> list[bytes]:
        """Return the frames to write now, the most urgent first: some `bytes_max` bytes."""
        if not self.bytes or self._bytes.wait(now) > 0:
            return []
        taken: list[bytes] = []
        size = 0
        for lane in _LANES:
            for kind in lane:
                queue = self._queues[kind.code]
                if not queue:
                    continue
                bucket = self._buckets.get(kind.code)
                while queue and size < bytes_max and (bucket is None or bucket.take(now)):
                    if kind.merges is None:
                        frame = queue.popleft()
                        size += len(frame)
                    else:
                        frame, merged = merge_first(kind, queue)
                        size += merged
                    taken.append(frame)
            if size >= bytes_max:
                break
        self.bytes -= size
        self._bytes.spend(now, size)
        return taken

    def wait(self, now: float) -> float | None:
        """Return the seconds until a queued frame may go, or None when none is queued."""
        if not self.bytes:
            return None
        soonest = min(
            (bucket.wait(now) if (bucket := self._buckets.get(code)) else 0.0)
            for code, queue in self._queues.items()
            if queue
        )
        return max(soonest, self._bytes.wait(now))

    def _make_room(self, lane: Lane, excess: int) -> bool:
        """Drop the oldest frames of the lanes below `lane`; False, with nothing dropped, if few."""
        below = [kind for other in reversed(_LANES[lane + 1 :]) for kind in other]
        if sum(len(frame) for kind in below for frame in self._queues[kind.code]) < excess:
            return False
        for kind in below:
            queue = self._queues[kind.code]
            while queue and excess > 0:
                size = len(queue.popleft())
                self.bytes -= size
                excess -= size
                self.dropped[kind.label] += 1
        return True


def expects_answer(message: Record) -> bool:
    """Say whether `message` is a request whose answer passes only while it is open."""
    return type(message) in _ANSWERS


def _buckets(rate_factor: float, burst_s: float, now: float) -> dict[int, Bucket]:
    return {
        kind.code: Bucket(rate, max(1.0, rate * burst_s), now)
        for kind in KINDS
        if kind.per_second is not None and (rate := kind.per_second * rate_factor) > 0
    }
