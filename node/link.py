"""One TLS connection to a peer: frames in, frames out, and its deadlines (reliability Z5..Z12).

A connection proves a transport key, no more. It becomes a link when the hello of the other side
has been judged by the mesh (`node/links.py`), which alone decides to accept and to close.
Everything runs in the callbacks of the event loop: no task per connection and none per frame.
"""

import asyncio
import socket
import ssl
import sys
from typing import NamedTuple, Protocol, cast

from chain.codec import Record, decode
from chain.errors import Malformed
from node.flow import Inflow, Outflow
from node.identity import ALPN, read_transport_key
from node.messages import Bye, Hello, Reason
from node.wire import BYE, HELLO, FrameReader, Kind, decode_record, encode_frame

# One write to the transport: four full TLS records. Small, so that a vote never waits behind
# more than this and the transport's own buffer.
WRITE_BYTES = 64 * 1024
BUFFER_BYTES = 128 * 1024

_TCP_RTT_AT = 68  # tcpi_rtt, u32 in µs, in the struct tcp_info of linux/tcp.h
_TCP_RTT_END = _TCP_RTT_AT + 4


class Limits(NamedTuple):
    """Deadlines in seconds (Z10), caps on sockets (Z11) and pauses (Z8): start values."""

    connect_s: float = 5.0
    handshake_s: float = 5.0
    hello_s: float = 5.0
    idle_s: float = 10.0  # peers send a status every 2 s (consensus T7)
    frame_s: float = 10.0
    queue_s: float = 10.0
    close_s: float = 1.0  # for the farewell to leave
    tick_s: float = 0.25  # how late a deadline may be noticed
    sockets: int = 64
    sockets_per_address: int = 4
    redial_s: float = 0.25  # doubling, while a peer cannot be reached
    redial_max_s: float = 5.0
    backoff_s: float = 1.0  # doubling, after bytes that no honest node sends
    backoff_max_s: float = 60.0
    rate_factor: float = 1.0  # of all quotas of Z13; a bench measures without them


LIMITS = Limits()


class Mesh(Protocol):
    """What a link asks of the mesh that owns it."""

    limits: Limits

    def hello(self) -> bytes:
        """Return the frame of a fresh hello."""

    def connected(self, link: "Link") -> None:
        """TLS is up and the transport key proven."""

    def greeted(self, link: "Link", hello: Hello) -> None:
        """Judge a hello: set `link.inflow` to accept, or close the link."""

    def received(self, link: "Link", message: Record) -> None:
        """Take a typed message of an accepted link; `Malformed` is the peer's fault."""

    def exceeded(self, link: "Link", kind: Kind, now: float) -> None:
        """Note a frame that was dropped, being over quota."""

    def failed(self, link: "Link", reason: Reason, why: str) -> None:
        """Close the link: the peer broke a rule or a deadline."""

    def left(self, link: "Link", reason: Reason) -> None:
        """Close the link: the peer said it is closing it."""

    def lost(self, link: "Link") -> None:
        """Forget the link: its connection is gone."""

    def crash(self, error: Exception) -> None:
        """End the node: an error that is not the peer's fault (consensus C7)."""


class Link(asyncio.Protocol):
    """A connection, from the end of its TLS handshake to its loss.

    `inflow` is the peer's quota; it is None until the mesh has accepted the peer's hello.
    """

    def __init__(self, mesh: Mesh, *, dialled: bool) -> None:
        self.dialled = dialled
        self.transport_key = b""
        self.inflow: Inflow | None = None
        self.closing: Reason | None = None  # why we close it
        self.told: Reason | None = None  # why the peer closes it
        self.bytes_in = 0
        self.bytes_out = 0
        self.frames_in = 0
        self._mesh = mesh
        self._limits = mesh.limits
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.outflow = Outflow(now, rate_factor=self._limits.rate_factor)
        self.gone = self._loop.create_future()
        self._reader = FrameReader()
        self._said_hello = False
        self._transport: asyncio.Transport | None = None
        self._made_at = now
        self._byte_at = now
        self._frame_at: float | None = None  # when the first byte of an incomplete frame came
        self._stuck_at: float | None = None  # since when the transport takes nothing
        self._flush_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------ from above

    def send(self, kind: Kind, frame: bytes) -> None:
        """Queue a frame. Nothing is written before `flush`."""
        self.outflow.put(kind, frame)

    def flush(self) -> None:
        """Write what is queued, in order of urgency, as far as quota and transport allow."""
        if self._transport is None or self.closing is not None:
            return
        now = self._loop.time()
        while self._stuck_at is None and (frames := self.outflow.take(WRITE_BYTES, now)):
            self._write(b"".join(frames))
        if self._stuck_at is None and self._flush_timer is None:
            wait = self.outflow.wait(now)
            if wait is not None:
                self._flush_timer = self._loop.call_later(wait, self._flush_again)

    def close(self, reason: Reason) -> None:
        """Say why and close. What is queued is dropped."""
        if self.closing is not None:
            return
        self.closing = reason
        if self._transport is None:
            return
        if self._stuck_at is not None:
            self._transport.abort()
            return
        if self._said_hello and self.told is None:
            self._write(encode_frame(Bye(reason))[1])
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self.closing = self.closing or Reason.STOPPING
        if self._transport is not None:
            self._transport.abort()

    def check_deadlines(self, now: float) -> None:
        """Z10: a hello, any byte, a whole frame and the own queue must all move in time."""
        limits = self._limits
        if self.closing is not None:
            return
        if self.inflow is None and now - self._made_at > limits.hello_s:
            self._mesh.failed(self, Reason.DEADLINE, "no hello")
        elif self._stuck_at is not None and now - self._stuck_at > limits.queue_s:
            self._mesh.failed(self, Reason.DEADLINE, "it reads nothing")
        elif self._read_timer is not None:
            return  # we are not reading: silence is ours
        elif now - self._byte_at > limits.idle_s:
            self._mesh.failed(self, Reason.DEADLINE, "silence")
        elif self._frame_at is not None and now - self._frame_at > limits.frame_s:
            self._mesh.failed(self, Reason.DEADLINE, "slow frame")

    def rtt_us(self) -> int | None:
        """Return the round-trip time in µs as the kernel smooths it, where it tells."""
        found = self._transport and self._transport.get_extra_info("socket")
        if not found:
            return None
        try:
            info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_RTT_END)
        except OSError:
            return None
        return int.from_bytes(info[_TCP_RTT_AT:_TCP_RTT_END], sys.byteorder) or None

    # ------------------------------------------------------------------------- from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's is one, but does not say so
        self._made_at = self._byte_at = self._loop.time()
        self._transport.set_write_buffer_limits(BUFFER_BYTES)
        if self.closing is not None:  # closed while the handshake ran
            self._transport.abort()
            return
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        try:
            if tls.selected_alpn_protocol() != ALPN:
                raise Malformed("no common protocol")
            self.transport_key = read_transport_key(tls.getpeercert(binary_form=True))
            self._mesh.connected(self)
            if self.closing is None:
                self._write(self._mesh.hello())
                self._said_hello = True
        except Malformed as error:
            self._mesh.failed(self, Reason.TLS, str(error))
        except Exception as error:  # noqa: BLE001  # as below
            self._mesh.crash(error)

    def data_received(self, data: bytes) -> None:
        if self.closing is not None:
            return
        now = self._byte_at = self._loop.time()
        self.bytes_in += len(data)
        try:
            self._take(data, now)
        except Malformed as error:
            self._mesh.failed(self, Reason.MALFORMED, str(error))
        except Exception as error:  # noqa: BLE001  # asyncio would log it and go on: the node must not
            self._mesh.crash(error)

    def pause_writing(self) -> None:
        self._stuck_at = self._loop.time()

    def resume_writing(self) -> None:
        self._stuck_at = None
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # LOST says it
        for timer in (self._flush_timer, self._read_timer):
            if timer is not None:
                timer.cancel()
        self.closing = self.closing or self.told or Reason.LOST
        self._transport = None
        self._mesh.lost(self)
        if not self.gone.done():
            self.gone.set_result(None)

    # ---------------------------------------------------------------------------------- inside

    def _take(self, data: bytes, now: float) -> None:
        frames = self._reader.feed(data)
        self.frames_in += len(frames)
        for kind, record in frames:
            self._handle(kind, record, now)
            if self.closing is not None:
                return
        self._mark(bool(frames), now)
        if self.inflow is None:
            return
        if not self._reader.open:
            self._reader.open = True
            self._take(b"", now)  # what came right behind the hello
        pause = self.inflow.spend_bytes(len(data), now)
        if pause > 0 and self._read_timer is None and self._transport is not None:
            self._transport.pause_reading()
            self._read_timer = self._loop.call_later(pause, self._read_again)

    def _mark(self, completed: bool, now: float) -> None:
        """Note since when a frame is incomplete."""
        if not self._reader.is_inside_frame:
            self._frame_at = None
        elif completed or self._frame_at is None:
            self._frame_at = now

    def _handle(self, kind: Kind, record: bytes, now: float) -> None:
        """Cheap checks first: kind and size are judged, then the quota, then the bytes (Z14)."""
        if self.inflow is None:
            self._mesh.greeted(self, decode(Hello, record))
        elif kind is HELLO:
            raise Malformed("a second hello")
        elif kind is BYE:
            self.told = decode(Bye, record).reason
            self._mesh.left(self, self.told)
        elif self.inflow.admit(kind, now):
            self._mesh.received(self, decode_record(kind, record))
        else:
            self._mesh.exceeded(self, kind, now)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self.bytes_out += len(data)
        self._transport.write(data)

    def _flush_again(self) -> None:
        self._flush_timer = None
        self.flush()

    def _read_again(self) -> None:
        self._read_timer = None
        self._byte_at = self._loop.time()
        if self._frame_at is not None:
            self._frame_at = self._byte_at  # the pause was ours
        if self._transport is not None:
            self._transport.resume_reading()
