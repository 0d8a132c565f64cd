"""TCP connections that share an uplink, for the growth curves: the network without sockets.

One direction of a link is a `Pipe`: the send queue of the node with its quotas (`node/flow.py`),
and behind it a connection with a congestion window. The pipes of a node share its `Uplink`, which
takes some segments of one pipe and then of the next, as a fair queue does. So a vote to 99 peers
waits for 98 others, and nothing is sent faster than the line allows.

Over TCP a lost packet is no lost message. It comes later, by one more round trip if something was
sent behind it, else when the sender's probe timer runs out. All that was sent behind it on this
connection waits for it, and the window shrinks. The way in is not limited: at home it is several
times as wide as the way out.

All times are µs of the world; sizes are bytes, rates bits per second.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from node.flow import Outflow
from node.link import BUFFER_BYTES, WRITE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from node.wire import Kind

US = 1_000_000
SEGMENT_BYTES = 1_448  # of a TCP packet on Ethernet
PACKET_BYTES = 70  # Ethernet, IP and TCP heads with time stamps; an acknowledgement is just that
TLS_BYTES = 22  # head, kind and tag of a TLS 1.3 record
TURN_BYTES = (
    6 * SEGMENT_BYTES
)  # what one pipe sends before the next has its turn: 3 ms at 25 Mbit/s
INITIAL_WINDOW = 10 * SEGMENT_BYTES  # RFC 6928, and again after a rest
WINDOW_MIN, WINDOW_MAX = 2 * SEGMENT_BYTES, 4 * 1024 * 1024
WINDOW_KEPT = 0.7  # after a loss: CUBIC (RFC 9438)
KERNEL_BYTES = 64 * 1024  # what the socket takes on top of the node's own buffer
TIMEOUT_MIN_US = 200_000  # Linux: the least retransmission timeout, and more of it for one packet


class Clock(Protocol):
    """What a pipe asks of the world: the time, and to be called later."""

    now: int

    def at(self, when: int, action: Callable[[], None]) -> None:
        """Let `action` happen at `when`."""


class Uplink:
    """The way out of one node, shared by all its pipes in turn."""

    def __init__(self, clock: Clock, bits_per_s: int) -> None:
        self.bytes = 0  # on the wire so far, heads included
        self.busy_us = 0
        self._clock = clock
        self._bits_per_s = bits_per_s
        self._waiting: deque[Pipe] = deque()
        self._sends = False

    def want(self, pipe: Pipe) -> None:
        """Give `pipe` a turn, if it has none coming."""
        if not pipe.waits:
            pipe.waits = True
            self._waiting.append(pipe)
            if not self._sends:
                self._go_on()

    def _go_on(self) -> None:
        while self._waiting:
            pipe = self._waiting.popleft()
            pipe.waits = False
            size = pipe.sendable(TURN_BYTES)
            if size:
                self._send(pipe, size)
                return
        self._sends = False

    def _send(self, pipe: Pipe, size: int) -> None:
        self._sends = True
        wire = wire_bytes(size)
        took = wire * 8 * US // self._bits_per_s
        self.bytes += wire
        self.busy_us += took

        def sent() -> None:
            pipe.sent(size)
            self.want(pipe)
            self._go_on()

        self._clock.at(self._clock.now + took, sent)


def wire_bytes(size: int) -> int:
    """Return what `size` bytes of frames take on the wire.

    The acknowledgements of as many segments that came in are booked here too: links are alike.
    """
    segments = -(-size // SEGMENT_BYTES)
    return size + TLS_BYTES + (segments + (segments + 1) // 2) * PACKET_BYTES


class Pipe:
    """One direction of a link. `deliver` gets each frame when its last byte arrives."""

    def __init__(
        self,
        clock: Clock,
        uplink: Uplink,
        latency_us: int,
        loss: float,
        chance: Random,
        deliver: Callable[[bytes], None],
    ) -> None:
        self.waits = False  # for its turn
        self.cut = False  # the link is gone
        self.losses = 0
        self._clock = clock
        self._uplink = uplink
        self._latency_us = latency_us
        self._loss = loss
        self._chance = chance
        self._deliver = deliver
        self.outflow = Outflow(clock.now / US)
        self._frames: deque[tuple[int, bytes]] = deque()  # each with the place of its last byte
        self._written = self._sent = self._acked = 0  # bytes since the beginning
        self._acks: deque[tuple[int, int]] = deque()  # when up to where is acknowledged
        self._window = float(INITIAL_WINDOW)
        self._threshold = float(WINDOW_MAX)
        self._sent_at = self._arrives_at = clock.now
        self._wakes_at = 0
        self._flushes_at = 0

    def put(self, kind: Kind, frame: bytes) -> None:
        """Queue a frame; nothing is written before `flush`."""
        self.outflow.put(kind, frame)

    def flush(self) -> None:
        """Write what the quotas and the buffers take, as `Link.flush` does."""
        if self.cut:
            return
        now_s = self._clock.now / US
        self._read_acks()
        while self._written - self._acked < BUFFER_BYTES + KERNEL_BYTES:
            frames = self.outflow.take(WRITE_BYTES, now_s)
            if not frames:
                break
            for frame in frames:
                self._written += len(frame)
                self._frames.append((self._written, frame))
        if self._written > self._sent:
            self._uplink.want(self)
        wait_s = self.outflow.wait(now_s)
        if wait_s is None:
            return
        if self._written - self._acked >= BUFFER_BYTES + KERNEL_BYTES:
            self._wake()
        elif self._flushes_at <= self._clock.now:
            self._flushes_at = self._clock.now + max(1, int(wait_s * US) + 1)
            self._clock.at(self._flushes_at, self.flush)

    def sendable(self, most: int) -> int:
        """Return how many bytes may go in this turn; 0 where the window is full."""
        if self.cut or self._written == self._sent:
            return 0
        self._read_acks()
        if self._clock.now - self._sent_at > self._timeout_us and self._sent == self._acked:
            self._window = min(self._window, float(INITIAL_WINDOW))
        room = int(self._window) - (self._sent - self._acked)
        if room < SEGMENT_BYTES and room < self._written - self._sent:
            self._wake()
            return 0
        return min(most, self._written - self._sent, room)

    def sent(self, size: int) -> None:
        """The last bit of `size` bytes has left; they arrive in order, some time later."""
        if self.cut:
            return
        self._sent += size
        self._sent_at = self._clock.now
        arrives = self._clock.now + self._latency_us + self._compute_delay(size)
        self._arrives_at = max(self._arrives_at, arrives)
        self._acks.append((self._arrives_at + self._latency_us, self._sent))
        upto = self._sent

        def arrive() -> None:
            while self._frames and self._frames[0][0] <= upto:
                _, frame = self._frames.popleft()
                if not self.cut:
                    self._deliver(frame)

        self._clock.at(self._arrives_at, arrive)

    @property
    def _round_trip_us(self) -> int:
        return 2 * self._latency_us

    @property
    def _timeout_us(self) -> int:
        return self._round_trip_us + TIMEOUT_MIN_US

    def _compute_delay(self, size: int) -> int:
        """Return how much later these bytes come because packets of them are lost."""
        if not self._loss:
            return 0
        segments = -(-size // SEGMENT_BYTES)
        lost = [place for place in range(segments) if self._chance.random() < self._loss]
        if not lost:
            return 0
        self.losses += len(lost)
        self._threshold = self._window = max(self._window * WINDOW_KEPT, float(WINDOW_MIN))
        is_last = lost[-1] == segments - 1 and self._sent == self._written
        if not is_last:  # RACK: noticed when something behind it is acknowledged
            delay = self._round_trip_us * 5 // 4
        else:  # a tail loss probe; for one packet alone it waits for a delayed acknowledgement
            delay = 2 * self._round_trip_us + (TIMEOUT_MIN_US if segments == 1 else 0)
        timeout = self._timeout_us
        while self._chance.random() < self._loss:  # the retransmission is lost too
            delay += timeout
            timeout *= 2
        return delay

    def _read_acks(self) -> None:
        now = self._clock.now
        while self._acks and self._acks[0][0] <= now:
            _, upto = self._acks.popleft()
            size, self._acked = upto - self._acked, upto
            grown = size if self._window < self._threshold else SEGMENT_BYTES * size / self._window
            self._window = min(self._window + grown, float(WINDOW_MAX))

    def _wake(self) -> None:
        """Go on when the next bytes are acknowledged."""
        if not self._acks or self._wakes_at > self._clock.now:
            return
        self._wakes_at = self._acks[0][0]
        self._clock.at(self._wakes_at, self.flush)
