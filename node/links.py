"""The mesh of links to all peers: the production side of the Links port (reliability Z1..Z13).

Every pair of nodes keeps one link. Both dial, and both judge the other's hello; where two
connections meet, the one dialled by the smaller transport key stays (Z9). Whom the chain names
is admitted, nobody else; `set_peers` changes that live. Callbacks come on the thread of the event
loop, one at a time, and never from inside a call of this class.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from chain.codec import Record
from node.addresses import get_network, join_address, split_address
from node.flow import Inflow, expects_answer
from node.identity import Identity, client_context, server_context
from node.link import LIMITS, Limits, Link
from node.messages import WIRE_VERSION, Hello, Reason
from node.ports import Peer
from node.wire import Kind, encode_frame

NONCES_KEPT = 4_096  # hellos remembered to spot a replay (Z6)
BACKLOG = 512  # connections the kernel holds for us; the cap of Z11 is kept after accepting
FORGIVEN_S = 600.0  # a peer that behaved this long starts again at the shortest back-off
ACCEPT_PAUSE_S = 0.1  # when no file descriptor is left

# What a new attempt cannot mend by itself: wait longer (Z8).
_HARD = frozenset(
    {
        Reason.CHAIN, Reason.VERSION, Reason.IDENTITY, Reason.REPLAY, Reason.REMOVED,
        Reason.MALFORMED, Reason.FLOOD, Reason.BACKOFF,
    }
)  # fmt: skip

Randomness = Callable[[int], bytes]  # as many random bytes as asked: os.urandom, or seeded

_log = logging.getLogger("wijk.links")


class PeerInfo(NamedTuple):
    """A peer as the chain names it (interfaces 3.6). Without `address` it is not dialled."""

    name: str
    key: Peer
    transport_key: bytes
    address: str  # "host:port", "[v6]:port" or ""


class LinkStats(NamedTuple):
    """What there is to tell about one peer (interfaces 6.1). Bytes count over all its links."""

    name: str
    key: Peer
    is_up: bool
    dialled: bool
    bytes_in: int
    bytes_out: int
    queue_bytes: int
    rtt_us: int | None
    node_version: str
    hello_height: int


class _Known:
    """A peer of the set, with or without a link: what outlives a connection."""

    def __init__(self, info: PeerInfo, now: float, rate_factor: float) -> None:
        self.info = info
        self.inflow = Inflow(now, rate_factor=rate_factor)
        self.link: Link | None = None
        self.hello: Hello | None = None
        self.accepted_at = now
        self.reported_up = False
        self.bytes_in = 0
        self.bytes_out = 0
        self.faults = 0  # in a row: how long to stay away
        self.fault_at = now
        self.shunned_until = 0.0  # neither dialled nor let in
        self.failures = 0  # to reach it, in a row
        self.refused = False  # the last failure was a hard one
        self.changed = asyncio.Event()  # something the dialler should look at
        self.dialler: asyncio.Task[None] | None = None


class _Waiting(NamedTuple):
    """A connection that has not been accepted yet."""

    network: str
    socket: socket.socket


class PeerLinks:
    """Authenticated links to all peers. `run` serves until it is cancelled."""

    def __init__(
        self,
        *,
        identity: Identity,
        info: PeerInfo,
        genesis_digest: bytes,
        node_version: str,
        height: Callable[[], int],
        on_message: Callable[[Peer, Record], None],
        on_link: Callable[[Peer, bool], None],
        randomness: Randomness,
        faults_allowed: bool = False,
        limits: Limits = LIMITS,
    ) -> None:
        """`info` is this node's own entry. `on_message` may raise `Malformed` to close the link.

        `on_link` says True, then some day False, for every link; what was queued for an earlier
        link is gone. `faults_allowed`: the chain's purpose is not `live` (interfaces 2.5).
        """
        self.limits = limits
        self.dropped: Counter[tuple[str, str]] = Counter()  # (kind, reason)
        self.closed: Counter[Reason] = Counter()  # connections, refused ones included
        self._identity = identity
        self._info = info
        self._genesis_digest = genesis_digest
        self._node_version = node_version
        self._height = height
        self._on_message = on_message
        self._on_link = on_link
        self._randomness = randomness
        self._faults_allowed = faults_allowed
        self._groups: dict[str, int] = {}
        self._known: dict[Peer, _Known] = {}
        self._by_transport: dict[bytes, _Known] = {}
        self._server_context = server_context(identity, ())
        self._client_context = client_context(identity, ())
        self._links: set[Link] = set()  # all connections with TLS, accepted or not
        self._accepted: dict[Link, _Known] = {}
        self._waiting: dict[Link, _Waiting] = {}  # incoming, not accepted; oldest first
        self._nonces: deque[bytes] = deque()
        self._nonces_seen: set[bytes] = set()
        self._dirty: set[Link] = set()  # links with something new to write
        self._listener: socket.socket | None = None
        self._group: asyncio.TaskGroup | None = None
        self._crashed: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------------ Links port

    def send(self, peer: Peer, message: Record) -> None:
        """Queue `message` for one peer; nothing happens when there is no link to it."""
        known = self._known.get(peer)
        if known is None or known.link is None:
            return
        kind, frame = encode_frame(message)
        if expects_answer(message):
            now = asyncio.get_running_loop().time()
            if not known.inflow.ask(type(message), now):
                self.dropped[kind.label, "requests"] += 1
                return
        self._queue(known.link, kind, frame)

    def broadcast(self, message: Record) -> None:
        """Queue `message` for every linked peer, encoding it once. Requests are for `send`."""
        assert not expects_answer(message)
        kind, frame = encode_frame(message)
        for known in self._known.values():
            if known.link is not None:
                self._queue(known.link, kind, frame)

    def peers(self) -> tuple[Peer, ...]:
        """Return the peers whose link is accepted in both directions, in ascending order."""
        return tuple(sorted(key for key, known in self._known.items() if known.link is not None))

    # ------------------------------------------------------------------------------- operation

    def open(self, listen: str) -> str:
        """Listen on `listen`, "host:port"; return the address with the port that was bound.

        Raise `OSError` when it is taken, `ValueError` when it is no address.
        """
        host, port = split_address(listen)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        return join_address(host, self._listener.getsockname()[1])

    async def run(self) -> None:
        """Serve until cancelled, then close every link.

        An error of the runtime inside a callback ends this with an `ExceptionGroup` holding it.
        """
        assert self._listener is not None, "open() comes first"
        loop = asyncio.get_running_loop()
        self._crashed = loop.create_future()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._fail_on_crash(self._crashed))
                group.create_task(self._accept(self._listener))
                group.create_task(self._watch_deadlines())
                for known in self._known.values():
                    known.dialler = group.create_task(self._keep_dialled(known))
        finally:
            self._group = None
            self._listener.close()
            await self._close_all()

    def set_peers(self, peers: Sequence[PeerInfo]) -> None:
        """Admit exactly these peers (Z4). Links of removed ones are closed at once."""
        now = asyncio.get_running_loop().time()
        infos = {info.key: info for info in peers if info.key != self._info.key}
        for key, known in list(self._known.items()):
            info = infos.get(key)
            if info is None:
                self._remove(known)
            elif info.transport_key != known.info.transport_key:
                self._close_link_of(known, Reason.REMOVED)
        for key, info in infos.items():
            if (met := self._known.get(key)) is not None:
                met.info = info
                continue
            known = self._known[key] = _Known(info, now, self.limits.rate_factor)
            if self._group is not None:
                known.dialler = self._group.create_task(self._keep_dialled(known))
        self._by_transport = {known.info.transport_key: known for known in self._known.values()}
        self._server_context = server_context(self._identity, self._by_transport)
        self._client_context = client_context(self._identity, self._by_transport)

    def set_fault_groups(self, groups: Sequence[Collection[str]]) -> None:
        """Cut the links between nodes of different groups, by name; none at all heals.

        Nodes that are in no group form one more (interfaces 1.7). Raise `PermissionError` where
        faults are not allowed.
        """
        if not self._faults_allowed:
            raise PermissionError("this chain is live: it has no fault calls")
        self._groups = {name: index for index, group in enumerate(groups) for name in group}
        for known in self._known.values():
            if self._is_cut(known):
                self._close_link_of(known, Reason.PARTITION)
            else:
                known.failures = 0
                known.changed.set()

    def stats(self) -> tuple[LinkStats, ...]:
        """Return what there is to tell about every peer of the set, in ascending order of key."""
        return tuple(_stats(self._known[key]) for key in sorted(self._known))

    # -------------------------------------------------------------------------------- dialling

    async def _keep_dialled(self, known: _Known) -> None:
        """Dial whenever there is no link; wait longer after every failure (Z8, Z9)."""
        while True:
            known.changed.clear()
            if not known.info.address or known.link is not None or self._is_cut(known):
                await known.changed.wait()
                continue
            pause = self._pause(known)
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await known.changed.wait()
                    continue
                except TimeoutError:
                    if known.link is not None:
                        continue
            known.failures += 1  # until a link lasts
            await self._dial(known)

    def _pause(self, known: _Known) -> float:
        """Return the seconds until the next attempt, between half and all of the doubled pause."""
        limits = self.limits
        now = asyncio.get_running_loop().time()
        if known.failures == 0:
            pause = 0.0
        elif known.refused:
            pause = min(limits.backoff_max_s, limits.backoff_s * _doubled(known.failures))
        else:
            pause = min(limits.redial_max_s, limits.redial_s * _doubled(known.failures))
        jitter = int.from_bytes(self._randomness(2), "big") / 0xFFFF
        return max(pause * (1 + jitter) / 2, known.shunned_until - now)

    async def _dial(self, known: _Known) -> None:
        """Connect and greet; return when the connection is gone, or could not be made."""
        loop = asyncio.get_running_loop()
        link = Link(self, dialled=True)
        try:
            async with asyncio.timeout(self.limits.connect_s):
                connected = await _connect(loop, *split_address(known.info.address))
            await loop.create_connection(
                lambda: link,
                sock=connected,
                ssl=self._client_context,
                server_hostname="",
                ssl_handshake_timeout=self.limits.handshake_s,
                ssl_shutdown_timeout=self.limits.close_s,
            )
        except (OSError, TimeoutError, ValueError) as error:
            link.abort()
            _log.debug("cannot reach %s: %s", known.info.name, error)
            error.__traceback__ = None  # as in `_shake_hands`
            return
        except asyncio.CancelledError:
            link.abort()
            raise
        await link.gone

    # ------------------------------------------------------------------------------- accepting

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        assert self._group is not None
        while True:
            try:
                accepted, address = listener.accept()
            except BlockingIOError:
                await _wait_for_reading(loop, listener)
                continue
            except OSError as error:
                _log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            accepted.setblocking(False)
            network = get_network(address[0])
            for crowded in crowded_out(
                {link: waiting.network for link, waiting in self._waiting.items()},
                network,
                self.limits,
            ):
                self.closed[Reason.CROWD] += 1
                _cut(self._waiting.pop(crowded).socket)
            link = Link(self, dialled=False)
            self._waiting[link] = _Waiting(network, accepted)
            self._group.create_task(self._shake_hands(accepted, link))
            await asyncio.sleep(0)  # a full backlog is taken one a turn: a flood starves nobody

    async def _shake_hands(self, accepted: socket.socket, link: Link) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: link,
                accepted,
                ssl=self._server_context,
                ssl_handshake_timeout=self.limits.handshake_s,
                ssl_shutdown_timeout=self.limits.close_s,
            )
        except (OSError, TimeoutError) as error:
            if self._waiting.pop(link, None) is not None:  # else it was crowded out
                self.closed[Reason.TLS] += 1
            _log.debug("handshake failed: %s", error)
            error.__traceback__ = None  # else 256 KiB of TLS buffer wait for the cycle collector

    # ---------------------------------------------------------------------- what links report

    def hello(self) -> bytes:
        """Return the frame of a hello with a fresh nonce, which is remembered as seen."""
        nonce = self._randomness(16)
        self._remember(nonce)
        return encode_frame(
            Hello(
                self._genesis_digest,
                (WIRE_VERSION,),
                self._node_version,
                self._info.key,
                self._info.transport_key,
                self._height(),
                nonce,
            )
        )[1]

    def connected(self, link: Link) -> None:
        """Z4: the first filter was TLS; now the set of this moment decides."""
        self._links.add(link)
        if link.transport_key not in self._by_transport:
            self._close(link, Reason.REMOVED, "not in the set")

    def greeted(self, link: Link, hello: Hello) -> None:
        """Z6, W23: judge a hello; accept the link or close it with a reason."""
        known = self._by_transport.get(link.transport_key)
        refusal = self._judge(link, hello, known)
        if refusal is not None:
            if known is not None:
                known.refused = refusal in _HARD
            self._close(link, refusal, "hello refused")
            return
        assert known is not None
        if known.link is not None:
            self._close(known.link, Reason.DUPLICATE, "a better one came")
        self._accept_link(known, link, hello)

    def received(self, link: Link, message: Record) -> None:
        """Hand a message to the runtime, under the peer's validator key."""
        self._on_message(self._accepted[link].info.key, message)

    def exceeded(self, link: Link, kind: Kind, now: float) -> None:
        """Z13: count a frame over quota; ten in a minute end the link."""
        self.dropped[kind.label, "quota"] += 1
        if link.inflow is not None and link.inflow.is_flood(now):
            self.failed(link, Reason.FLOOD, f"too many frames, the last {kind.label}")

    def failed(self, link: Link, reason: Reason, why: str) -> None:
        """Close a link whose peer broke a rule; keep away for a while if it sent bad bytes (Z8)."""
        known = self._by_transport.get(link.transport_key)
        if known is not None and reason in {Reason.MALFORMED, Reason.FLOOD}:
            self._shun(known)
        self._close(link, reason, why)

    def left(self, link: Link, reason: Reason) -> None:
        """Note why the peer closes."""
        known = self._by_transport.get(link.transport_key)
        if known is not None:
            known.refused = reason in _HARD
        self._close(link, reason, "said the peer")

    def lost(self, link: Link) -> None:
        """Forget a connection; if nobody closed it, it broke."""
        self._links.discard(link)
        self._dirty.discard(link)
        self._waiting.pop(link, None)
        known = self._accepted.get(link)
        if known is not None:
            self.closed[Reason.LOST] += 1
            self._detach(known, link)
            _log.info("link to %s broke", known.info.name, extra=_event("link.down", known))

    def crash(self, error: Exception) -> None:
        """End `run` with `error`: it is this program's own (consensus C7)."""
        if self._crashed is not None and not self._crashed.done():
            self._crashed.set_exception(error)

    # ---------------------------------------------------------------------------------- inside

    def _judge(self, link: Link, hello: Hello, known: _Known | None) -> Reason | None:
        now = asyncio.get_running_loop().time()
        if hello.genesis_digest != self._genesis_digest:
            return Reason.CHAIN
        if WIRE_VERSION not in hello.wire_versions:
            return Reason.VERSION
        if known is None or hello.validator_key != known.info.key:
            return Reason.IDENTITY
        if hello.transport_key != link.transport_key:
            return Reason.IDENTITY
        if hello.nonce in self._nonces_seen:
            return Reason.REPLAY
        self._remember(hello.nonce)
        if self._is_cut(known):
            return Reason.PARTITION
        if now < known.shunned_until:
            return Reason.BACKOFF
        if known.link is not None and not self._is_better(link, known, now):
            return Reason.DUPLICATE
        return None

    def _is_better(self, link: Link, known: _Known, now: float) -> bool:
        """Z9: of two connections made at the same time, keep the smaller key's.

        A peer dials only while it has no link. If ours is too old to have crossed with its dial,
        ours is dead to the peer, and the new one counts.
        """
        assert known.link is not None
        limits = self.limits
        if now - known.accepted_at > limits.connect_s + limits.handshake_s + limits.hello_s:
            return True
        smaller_is_ours = self._info.transport_key < link.transport_key
        return link.dialled in {known.link.dialled, smaller_is_ours}

    def _accept_link(self, known: _Known, link: Link, hello: Hello) -> None:
        self._report_down(known)  # of a link whose end was not told yet
        now = asyncio.get_running_loop().time()
        known.inflow.forget_requests()
        link.inflow = known.inflow
        known.link = link
        known.hello = hello
        known.accepted_at = now
        known.refused = False
        known.reported_up = True
        self._accepted[link] = known
        self._waiting.pop(link, None)
        _log.info("linked to %s", known.info.name, extra=_event("link.up", known))
        self._on_link(known.info.key, True)

    def _report_down(self, known: _Known) -> None:
        """Say once that the link is down. Never from inside a call of the runtime's."""
        if known.reported_up:
            known.reported_up = False
            self._on_link(known.info.key, False)

    def _report_if_down(self, known: _Known) -> None:
        if known.link is None:
            try:
                self._report_down(known)
            except Exception as error:  # noqa: BLE001  # else asyncio would log it and go on
                self.crash(error)

    def _close_link_of(self, known: _Known, reason: Reason) -> None:
        if known.link is not None:
            self._close(known.link, reason, "")

    def _close(self, link: Link, reason: Reason, why: str) -> None:
        if link.closing is not None:
            return
        self.closed[reason] += 1
        accepted = self._accepted.get(link)
        if accepted is not None:
            self._detach(accepted, link)
        known = accepted or self._by_transport.get(link.transport_key)
        if known is not None:
            _log.info(
                "link to %s closed: %s %s",
                known.info.name, reason.value, why, extra=_event("link.down", known),
            )  # fmt: skip
        link.close(reason)

    def _detach(self, known: _Known, link: Link) -> None:
        """Take the link of a peer away. The runtime hears of it in the next turn of the loop."""
        loop = asyncio.get_running_loop()
        del self._accepted[link]
        known.link = None
        known.bytes_in += link.bytes_in
        known.bytes_out += link.bytes_out
        for label, count in link.outflow.dropped.items():
            self.dropped[label, "queue"] += count
        if loop.time() - known.accepted_at > self.limits.hello_s:  # else the peer may refuse us
            known.failures = 1
        known.changed.set()
        loop.call_soon(self._report_if_down, known)

    def _shun(self, known: _Known) -> None:
        now = asyncio.get_running_loop().time()
        if now - known.fault_at > FORGIVEN_S:
            known.faults = 0
        known.faults += 1
        known.fault_at = now
        pause = min(self.limits.backoff_max_s, self.limits.backoff_s * _doubled(known.faults))
        known.shunned_until = now + pause

    def _remove(self, known: _Known) -> None:
        self._close_link_of(known, Reason.REMOVED)
        if known.dialler is not None:
            known.dialler.cancel()
        del self._known[known.info.key]

    def _is_cut(self, known: _Known) -> bool:
        return self._groups.get(known.info.name, -1) != self._groups.get(self._info.name, -1)

    def _remember(self, nonce: bytes) -> None:
        self._nonces.append(nonce)
        self._nonces_seen.add(nonce)
        if len(self._nonces) > NONCES_KEPT:
            self._nonces_seen.discard(self._nonces.popleft())

    def _queue(self, link: Link, kind: Kind, frame: bytes) -> None:
        link.send(kind, frame)
        if not self._dirty:  # one flush for all that is sent in this turn of the loop
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.add(link)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for link in dirty:
            link.flush()

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.tick_s)
            now = loop.time()
            for link in tuple(self._links):
                link.check_deadlines(now)

    async def _fail_on_crash(self, crashed: "asyncio.Future[None]") -> None:
        await crashed

    async def _close_all(self) -> None:
        links = tuple(self._links)
        for link in links:
            self._close(link, Reason.STOPPING, "")
        if links:
            await asyncio.wait([link.gone for link in links], timeout=self.limits.close_s)
        for link in tuple(self._links):
            link.abort()
        for link, waiting in self._waiting.items():
            if link not in self._links:  # its handshake had not begun
                waiting.socket.close()
        await asyncio.sleep(0)  # lets the transports close their sockets


def crowded_out(waiting: Mapping[Link, str], network: str, limits: Limits) -> list[Link]:
    """Return who must go before one more connection from `network` may wait (Z11).

    `waiting` gives the networks of those who wait, oldest first. The oldest goes first: a good
    peer needs milliseconds, and a flood would need to fill all places in that time.
    """
    out: list[Link] = []
    if network:  # loopback is exempt: test networks live there
        same = [link for link, other in waiting.items() if other == network]
        out += same[: max(0, len(same) + 1 - limits.sockets_per_address)]
    others = [link for link in waiting if link not in out]
    return out + others[: max(0, len(others) + 1 - limits.sockets)]


async def _wait_for_reading(loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
    """Wait until there is a connection to accept.

    `loop.sock_accept` would lose the connection it has taken when it is cancelled in that turn.
    """
    readable = asyncio.Event()
    loop.add_reader(listener, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(listener)


def _cut(connection: socket.socket) -> None:
    """End a connection whoever owns the socket; its owner sees the end of the stream."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


async def _connect(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """Return a connected socket to the first address of `host` that answers, or raise `OSError`."""
    failure = OSError(f"{host} has no address")
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except asyncio.CancelledError:
            connection.close()
            raise
        else:
            return connection
    raise failure


def _doubled(times: int) -> float:
    """Return 1, 2, 4, ... for 1, 2, 3, ...; far enough for every cap."""
    return float(2 ** min(times - 1, 16))


def _event(name: str, known: _Known) -> dict[str, str]:
    return {"event": name, "peer": known.info.name}


def _stats(known: _Known) -> LinkStats:
    link, hello = known.link, known.hello
    return LinkStats(
        name=known.info.name,
        key=known.info.key,
        is_up=link is not None,
        dialled=link is not None and link.dialled,
        bytes_in=known.bytes_in + (link.bytes_in if link is not None else 0),
        bytes_out=known.bytes_out + (link.bytes_out if link is not None else 0),
        queue_bytes=link.outflow.bytes if link is not None else 0,
        rtt_us=link.rtt_us() if link is not None else None,
        node_version=hello.node_version if hello is not None else "",
        hello_height=hello.height if hello is not None else 0,
    )
