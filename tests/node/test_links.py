"""Links over real sockets and TLS on loopback: reliability Z1..Z13, W1..W3, W23, X1."""

import asyncio
import contextlib
import gc
import hashlib
import socket
import ssl
import struct
import warnings
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from chain.codec import Record, decode, encode
from chain.crypto import public_key
from chain.errors import Malformed
from node.addresses import get_network, join_address, split_address
from node.flow import QUEUE_BYTES_MAX
from node.identity import (
    Identity,
    _certificate,
    client_context,
    create_identity,
    issuer_name,
    server_context,
)
from node.link import LIMITS, Limits, Link
from node.links import PeerInfo, PeerLinks, crowded_out
from node.messages import (
    WIRE_VERSION,
    BlockRange,
    BodyAnswer,
    BodyRequest,
    Bye,
    CertificateNote,
    Hello,
    RangeBlock,
    RangeRequest,
    Reason,
    TxBatch,
)
from node.wire import encode_frame

pytestmark = pytest.mark.asyncio

GENESIS = bytes(range(32))
QUICK = Limits(tick_s=0.02, redial_s=0.02, redial_max_s=0.1, backoff_s=0.05, backoff_max_s=0.4)
SLOW_TO_FORGIVE = QUICK._replace(backoff_s=60.0, backoff_max_s=60.0)
NOTE = CertificateNote(b"certificate")
# The largest block of the default parameters: 1 MiB of transactions, 4,000 of them (B7).
FULL_BLOCK = RangeBlock(b"h" * 400, b"i" * 200_000, b"c" * 7_000, (b"t" * 262,) * 4_000)


class Noise:
    """A seeded stream of bytes."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(size)


LISTENING: list["Node"] = []


class Node:
    """A PeerLinks with a recording runtime."""

    def __init__(
        self, name: str, folder: Path, limits: Limits = QUICK, genesis: bytes = GENESIS
    ) -> None:
        self.name = name
        self.folder = folder
        self.limits = limits
        self.genesis = genesis
        seed = hashlib.sha256(name.encode()).digest()
        pem = folder / f"{name}.pem"
        if not pem.exists():
            create_identity(pem, hashlib.sha256(b"transport" + seed).digest())
        transport = public_key(hashlib.sha256(b"transport" + seed).digest())
        self.identity = Identity(transport, pem)
        self.key = public_key(seed)
        self.heard: list[tuple[bytes, Record]] = []
        self.events: list[tuple[bytes, bool]] = []
        self.on_message: Callable[[bytes, Record], None] = lambda _, __: None
        self.starts = 0
        self.address = "127.0.0.1:0"
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        self.error: BaseException | None = None
        self._make()
        self.address = self.links.open(self.address)
        LISTENING.append(self)

    def _make(self) -> None:
        self.starts += 1
        self.links = PeerLinks(
            identity=self.identity,
            info=PeerInfo(self.name, self.key, self.identity.transport_key, self.address),
            genesis_digest=self.genesis,
            node_version="0.1.0",
            height=lambda: 7,
            on_message=self._hear,
            on_link=lambda peer, up: self.events.append((peer, up)),
            randomness=Noise(f"{self.name}{self.starts}"),
            faults_allowed=True,
            limits=self.limits,
        )

    def _hear(self, peer: bytes, message: Record) -> None:
        self.heard.append((peer, message))
        self.on_message(peer, message)

    @property
    def info(self) -> PeerInfo:
        return PeerInfo(self.name, self.key, self.identity.transport_key, self.address)

    async def run(self) -> None:
        self._stopped.clear()
        self._stop.clear()
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self.links.run())
                stop = group.create_task(self._stop.wait())
                await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
                task.cancel()
                stop.cancel()
        except* AssertionError as errors:
            self.error = errors.exceptions[0]
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        self._stop.set()
        await self._stopped.wait()

    def close(self) -> None:
        """Give the port back without ever having run."""
        assert self.links._listener is not None
        self.links._listener.close()

    def again(self) -> None:
        """A restarted process: same keys, same address, nothing remembered."""
        self._make()
        self.links.open(self.address)


@contextlib.asynccontextmanager
async def running(*nodes: Node, mesh: bool = True) -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        for node in nodes:
            if mesh:
                node.links.set_peers([other.info for other in nodes])
            group.create_task(node.run())
        try:
            yield group
        finally:
            for node in nodes:
                await node.stop()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nothing tells us
            await asyncio.sleep(0.005)


def others(node: Node, *nodes: Node) -> tuple[bytes, ...]:
    return tuple(sorted(other.key for other in nodes if other is not node))


def is_full(*nodes: Node) -> bool:
    return all(node.links.peers() == others(node, *nodes) for node in nodes)


def is_settled(*nodes: Node) -> bool:
    """Nodes that started together are linked, and of crossing dials the right one stayed (Z9).

    Before that a frame may go down with the connection that yields; the runtime sends again
    whenever a link comes up (consensus T6).
    """
    keys = {node.key: node.identity.transport_key for node in nodes}
    return is_full(*nodes) and all(
        stats.dialled == (keys[node.key] < keys[stats.key])
        for node in nodes
        for stats in node.links.stats()
    )


@contextlib.asynccontextmanager
async def dialled(
    node: Node, identity: Identity
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A TLS connection to `node`, made by hand by the holder of `identity`."""
    context = client_context(identity, [node.identity.transport_key])
    host, port = split_address(node.address)
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def hello_of(node: Node, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "genesis_digest": GENESIS,
        "wire_versions": (WIRE_VERSION,),
        "node_version": "0.1.0",
        "validator_key": node.key,
        "transport_key": node.identity.transport_key,
        "height": 0,
        "nonce": b"n" * 16,
    }
    return encode_frame(Hello(**{**fields, **changes}))[1]  # type: ignore[arg-type]


async def read_record(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    length, code = struct.unpack(">IB", await reader.readexactly(5))
    return code, await reader.readexactly(length - 1)


async def read_farewell(reader: asyncio.StreamReader) -> Reason:
    """Read up to the bye of the node; after it the connection ends."""
    async with asyncio.timeout(10):
        while True:
            code, record = await read_record(reader)
            if code == 2:
                return decode(Bye, record).reason


class Answerer:
    """A node made by hand that answers every connection with its hello and then listens."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.count = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, peer: Node) -> str:
        context = server_context(self.node.identity, [peer.identity.transport_key])
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        return join_address("127.0.0.1", self.server.sockets[0].getsockname()[1])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        self.writers.append(writer)
        writer.write(hello_of(self.node, nonce=self.count.to_bytes(16, "big")))
        await read_to_end(reader)
        writer.transport.abort()

    async def close(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def read_to_end(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(10):
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the keys are; afterwards nodes that were only names give their ports back."""
    LISTENING.clear()
    yield tmp_path
    for node in LISTENING:
        node.close()


async def test_two_nodes_link_and_speak_both_ways(folder: Path) -> None:
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, bram):
        await until(lambda: is_settled(anna, bram))
        anna.links.send(bram.key, NOTE)
        bram.links.broadcast(TxBatch((b"tx",)))
        await until(lambda: anna.heard and bram.heard)

        assert bram.heard == [(anna.key, NOTE)]
        assert anna.heard == [(bram.key, TxBatch((b"tx",)))]
        stats = anna.links.stats()[0]
        assert (stats.name, stats.is_up, stats.hello_height) == ("bram", True, 7)
        assert stats.bytes_in > 100
        assert stats.bytes_out > 100
        assert stats.rtt_us is not None
    assert anna.events[-1] == (bram.key, False)
    assert anna.error is None


async def test_four_nodes_mesh_with_one_link_a_pair(folder: Path) -> None:
    """Z9: both sides dial; what remains is one connection, and both agree which."""
    nodes = [Node(name, folder) for name in ("anna", "bram", "chaima", "dirk")]
    async with running(*nodes):
        await until(lambda: is_settled(*nodes) and all(len(n.links._links) == 3 for n in nodes))
        for node in nodes:
            node.links.broadcast(NOTE)
        await until(lambda: all(len(node.heard) == 3 for node in nodes))

        for node in nodes:
            ours = {stats.key: stats.dialled for stats in node.links.stats()}
            for other in nodes:
                if other is not node:
                    theirs = {stats.key: stats.dialled for stats in other.links.stats()}
                    assert ours[other.key] != theirs[node.key]


async def test_a_newer_connection_of_one_direction_replaces_the_older(folder: Path) -> None:
    """Z9: the dialler dials only without a link, so its older connection is dead to it."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram))
            await until(anna.links.peers)
            async with dialled(anna, bram.identity) as (newer, also):
                also.write(hello_of(bram, nonce=b"m" * 16))
                assert await read_farewell(reader) is Reason.DUPLICATE
                assert anna.links.peers() == (bram.key,)
                anna.links.send(bram.key, NOTE)
                assert (await read_record(newer))[0] == 1
                assert (await read_record(newer))[1] == encode(NOTE)
    assert anna.events[:3] == [(bram.key, True), (bram.key, False), (bram.key, True)]


async def test_crossing_dials_keep_the_one_of_the_smaller_transport_key(folder: Path) -> None:
    """Z9: a fresh link yields to a connection the other way only if that one is the smaller's."""
    small, large = sorted(
        (Node("anna", folder), Node("bram", folder)), key=lambda node: node.identity.transport_key
    )
    for node, other, refused in ((small, large, True), (large, small, False)):
        answerer = Answerer(other)
        address = await answerer.open(node)

        def is_answered(links: PeerLinks = node.links) -> bool:
            return not links.stats()[0].dialled

        async with running(node, mesh=False):
            node.links.set_peers([other.info._replace(address=address)])
            await until(node.links.peers)  # dialled by node
            async with dialled(node, other.identity) as (reader, writer):
                writer.write(hello_of(other, nonce=b"m" * 16))
                if refused:
                    assert await read_farewell(reader) is Reason.DUPLICATE
                    assert node.links.stats()[0].dialled
                else:
                    await until(is_answered)
                    assert node.links.closed[Reason.DUPLICATE] == 1
        await answerer.close()


async def test_a_link_comes_back_after_a_restart(folder: Path) -> None:
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, bram) as group:
        await until(lambda: is_full(anna, bram))
        await bram.stop()
        await until(lambda: not anna.links.peers())
        bram.again()
        bram.links.set_peers([anna.info])
        group.create_task(bram.run())
        await until(lambda: is_full(anna, bram))
        while not anna.heard:  # as the runtime does: a dial of anna's may cross this one
            bram.links.send(anna.key, NOTE)
            await asyncio.sleep(0.01)

        ups = [up for _, up in anna.events]
        assert ups == [index % 2 == 0 for index in range(len(ups))], "up and down take turns"
        assert len(ups) >= 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"genesis_digest": b"x" * 32}, Reason.CHAIN),
        ({"wire_versions": (WIRE_VERSION + 1,)}, Reason.VERSION),
        ({"validator_key": b"k" * 32}, Reason.IDENTITY),
        ({"transport_key": b"t" * 32}, Reason.IDENTITY),
    ],
)
async def test_a_wrong_hello_is_refused_with_the_reason(
    folder: Path, changes: dict[str, object], reason: Reason
) -> None:
    """W23, Z6."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram, **changes))
            assert await read_farewell(reader) is reason
        assert anna.links.closed[reason] == 1
        assert anna.links.peers() == ()
    assert anna.events == []


async def test_a_hello_with_a_later_wire_version_beside_ours_is_welcome(folder: Path) -> None:
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (_, writer):
            writer.write(hello_of(bram, wire_versions=(WIRE_VERSION, WIRE_VERSION + 1)))
            await until(anna.links.peers)


async def test_two_chains_with_the_same_keys_refuse_each_other(folder: Path) -> None:
    """W23, with the production node at both ends; neither tries again at full speed (Z8)."""
    anna, bram = Node("anna", folder), Node("bram", folder, genesis=b"o" * 32)
    async with running(anna, bram):
        await until(lambda: anna.links.closed[Reason.CHAIN] >= 2)
        assert anna.links.peers() == bram.links.peers() == ()
        assert anna.links.closed.keys() <= {Reason.CHAIN, Reason.LOST}
    assert anna.events == []


async def test_a_replayed_hello_is_refused_and_so_is_our_own(folder: Path) -> None:
    """W23, Z6."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram))
            ours = decode(Hello, (await read_record(reader))[1])
            await until(anna.links.peers)
        await until(lambda: not anna.links.peers())
        for nonce in (b"n" * 16, ours.nonce):
            async with dialled(anna, bram.identity) as (reader, writer):
                writer.write(hello_of(bram, nonce=nonce))
                assert await read_farewell(reader) is Reason.REPLAY


async def test_strangers_fail_in_the_handshake(folder: Path) -> None:
    """Z4, Z5, X1: an unknown key, and no certificate. The client sees it at its first read."""
    anna, bram, mallory = (Node(name, folder) for name in ("anna", "bram", "mallory"))
    host, port = split_address(anna.address)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, mallory.identity) as (reader, _):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname = False
        nobody.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(host, port, ssl=nobody)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        await until(lambda: anna.links.closed[Reason.TLS] == 2)
        assert not anna.links._waiting


async def test_a_stranger_that_a_peer_vouched_for_in_tls_is_not_admitted(folder: Path) -> None:
    """Z4: the anchor of a peer is a certificate authority; the set alone decides."""
    anna, bram, mallory = (Node(name, folder) for name in ("anna", "bram", "mallory"))
    secret = load_pem_private_key(bram.identity.pem.read_bytes(), None)
    holder = load_pem_private_key(mallory.identity.pem.read_bytes(), None)
    assert isinstance(secret, Ed25519PrivateKey)
    assert isinstance(holder, Ed25519PrivateKey)
    subject, issuer = (issuer_name(node.identity.transport_key) for node in (mallory, bram))
    vouched = _certificate(subject, issuer, holder.public_key(), secret, is_anchor=False)
    own = mallory.identity.pem.read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    mallory.identity.pem.write_bytes(own + vouched.public_bytes(Encoding.PEM))
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, mallory.identity) as (reader, writer):
            writer.write(hello_of(bram))
            await read_to_end(reader)
        assert anna.links.closed == {Reason.REMOVED: 1}
        assert anna.links.peers() == ()


async def test_garbage_before_tls_is_closed_and_good_peers_are_not_bothered(folder: Path) -> None:
    anna, bram = Node("anna", folder), Node("bram", folder)
    host, port = split_address(anna.address)
    async with running(anna, bram):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await read_to_end(reader)
        writer.transport.abort()
        await until(lambda: is_full(anna, bram))
        assert anna.links.closed[Reason.TLS] == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xff\xff\xff",  # W1: nothing of the body has come, nor will
        b"\xff\xff\xff\xff\x31",
        struct.pack(">IB", 272 * 1024 + 2, 49),  # cap + 1 of a transaction batch
        struct.pack(">IB", 0, 49),
        struct.pack(">IB", 2, 250) + b"x",  # unknown kind
        struct.pack(">IB", 3, 49) + b"\xc1\xc1",  # no msgpack
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
async def test_garbage_after_the_hello_closes_counts_and_backs_off(
    folder: Path, frame: bytes
) -> None:
    """W1, Z7, Z8: a claimed length is judged before any of its bytes are waited for."""
    anna, bram = Node("anna", folder, SLOW_TO_FORGIVE), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram))
            await until(anna.links.peers)
            writer.write(frame)
            assert await read_farewell(reader) is Reason.MALFORMED
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram, nonce=b"m" * 16))
            assert await read_farewell(reader) is Reason.BACKOFF
        assert anna.links.closed[Reason.MALFORMED] == 1
        assert anna.heard == []


async def test_before_the_hello_only_a_small_hello_is_read(folder: Path) -> None:
    """Z7."""
    anna, bram = Node("anna", folder, QUICK._replace(backoff_s=0.0)), Node("bram", folder)
    too_early = encode_frame(NOTE)[1]
    too_large = struct.pack(">IB", 4 * 1024 + 2, 1)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        for frame in (too_early, too_large):
            async with dialled(anna, bram.identity) as (reader, writer):
                writer.write(frame)
                assert await read_farewell(reader) is Reason.MALFORMED
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram) + too_early)  # right behind the hello is not too early
            await until(lambda: anna.heard)
            writer.write(hello_of(bram, nonce=b"m" * 16))
            assert await read_farewell(reader) is Reason.MALFORMED, "a second hello"
    assert anna.heard == [(bram.key, NOTE)]


async def test_deadlines_close_whoever_stalls(folder: Path) -> None:
    """Z10, W2, W3: no hello; silence; a frame cut in the middle; a frame of one byte at a time."""
    short = QUICK._replace(hello_s=0.1, idle_s=0.4, frame_s=0.5)
    anna, bram = Node("anna", folder, short), Node("bram", folder)

    async def drip(writer: asyncio.StreamWriter) -> None:
        for byte in encode_frame(CertificateNote(b"c" * 1000))[1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)

    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, _):
            assert await read_farewell(reader) is Reason.DEADLINE
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram, nonce=b"1" * 16))
            assert await read_farewell(reader) is Reason.DEADLINE
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram, nonce=b"2" * 16) + encode_frame(NOTE)[1][:9])
            assert await read_farewell(reader) is Reason.DEADLINE
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram, nonce=b"3" * 16))
            async with asyncio.TaskGroup() as group:
                dripping = group.create_task(drip(writer))
                assert await read_farewell(reader) is Reason.DEADLINE
                dripping.cancel()
        assert anna.links.closed[Reason.DEADLINE] == 4
        assert anna.heard == []


async def test_a_handshake_that_never_comes_is_given_up(folder: Path) -> None:
    """Z10: TCP connected, and then nothing."""
    anna = Node("anna", folder, QUICK._replace(handshake_s=0.1))
    async with running(anna):
        reader, writer = await asyncio.open_connection(*split_address(anna.address))
        await read_to_end(reader)
        writer.transport.abort()
        await until(lambda: anna.links.closed[Reason.TLS] == 1)
        assert not anna.links._waiting


async def test_500_half_open_connections_do_not_keep_a_good_peer_out(folder: Path) -> None:
    """Z11, X1: at most 64 wait, the oldest goes first."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    host, port = split_address(anna.address)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        flood = [socket.create_connection((host, port)) for _ in range(500)]
        await until(lambda: anna.links.closed[Reason.CROWD] >= 500 - LIMITS.sockets)
        assert len(anna.links._waiting) <= LIMITS.sockets
        async with dialled(anna, bram.identity) as (_, writer):
            writer.write(hello_of(bram))
            await until(anna.links.peers)
            assert anna.links.peers() == (bram.key,)
        for connection in flood:
            connection.close()


async def test_a_flood_holds_no_more_tls_buffers_than_may_wait(folder: Path) -> None:
    """Z11, X1: asyncio gives each handshake 256 KiB, ended ones included.

    The cycle collector is off: what a flood leaves behind must go at once, not some day.
    """
    anna = Node("anna", folder)
    address = split_address(anna.address)
    async with running(anna, mesh=False):
        gc.collect()
        gc.disable()
        try:
            flood = [socket.create_connection(address) for _ in range(300)]
            await until(lambda: anna.links.closed[Reason.CROWD] >= 300 - LIMITS.sockets)
            await asyncio.sleep(0)
            held = sum(isinstance(one, SSLProtocol) for one in gc.get_objects())
            assert held <= LIMITS.sockets + 4  # and those whose end is being handled
            for connection in flood:
                with contextlib.suppress(OSError):  # most are cut already
                    connection.sendall(b"no TLS at all\n")
            await until(lambda: anna.links.closed[Reason.TLS] >= LIMITS.sockets)
            held = sum(isinstance(one, SSLProtocol) for one in gc.get_objects())
            assert held <= 4
        finally:
            gc.enable()
            for connection in flood:
                connection.close()


async def test_over_quota_frames_are_dropped_and_ten_in_a_minute_end_the_link(
    folder: Path,
) -> None:
    """Z13, consensus B12: an answer nobody asked for is over quota."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    unasked = encode_frame(BodyAnswer(b"b" * 32, b"body"))[1]
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram) + 9 * unasked + encode_frame(NOTE)[1])
            await until(lambda: anna.heard)
            assert anna.heard == [(bram.key, NOTE)]
            assert anna.links.dropped["body_answer", "quota"] == 9
            writer.write(unasked)
            assert await read_farewell(reader) is Reason.FLOOD


async def test_answers_pass_while_their_request_is_open_and_at_most_16_are(folder: Path) -> None:
    """Consensus B7."""
    anna, bram = Node("anna", folder), Node("bram", folder)
    block = BlockRange((FULL_BLOCK,), 9)
    async with running(anna, bram):
        await until(lambda: is_settled(anna, bram))
        bram.on_message = lambda peer, _: bram.links.send(peer, block)
        anna.links.send(bram.key, RangeRequest(1, 9))
        await until(lambda: anna.heard)
        assert anna.heard == [(bram.key, block)]

        bram.on_message = lambda _, __: None
        for number in range(17):
            anna.links.send(bram.key, BodyRequest(bytes([number]) * 32))
        assert anna.links.dropped["body_request", "requests"] == 1
        await until(lambda: len(bram.heard) == 17)


async def test_partition_groups_are_cut_and_heal(folder: Path) -> None:
    """Interfaces 2.5 and 1.7: nodes without a group form one more."""
    nodes = [Node(name, folder) for name in ("anna", "bram", "chaima", "dirk")]
    anna, bram, chaima, dirk = nodes
    async with running(*nodes):
        await until(lambda: is_full(*nodes))
        for node in nodes:
            node.links.set_fault_groups([["anna", "bram"]])
            away = (chaima, dirk) if node in {anna, bram} else (anna, bram)
            assert not set(node.links.peers()) & {other.key for other in away}
        await until(lambda: is_full(anna, bram) and is_full(chaima, dirk))
        for node in nodes:
            node.links.set_fault_groups([])
        await until(lambda: is_full(*nodes))
        assert anna.links.closed[Reason.PARTITION] >= 2


async def test_links_across_a_partition_are_refused(folder: Path) -> None:
    anna, bram = Node("anna", folder), Node("bram", folder)
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        anna.links.set_fault_groups([["anna"], ["bram"]])
        async with dialled(anna, bram.identity) as (reader, writer):
            writer.write(hello_of(bram))
            assert await read_farewell(reader) is Reason.PARTITION


async def test_a_live_chain_has_no_fault_calls(folder: Path) -> None:
    anna = Node("anna", folder)
    anna.links._faults_allowed = False
    with pytest.raises(PermissionError):
        anna.links.set_fault_groups([["anna"], ["bram"]])
    anna.close()


async def test_peers_come_and_go_with_the_set(folder: Path) -> None:
    """Z4: added live, removed live, and the link of a removed one is closed at once."""
    anna, bram, chaima = (Node(name, folder) for name in ("anna", "bram", "chaima"))
    async with running(anna, bram, chaima, mesh=False):
        anna.links.set_peers([bram.info])
        bram.links.set_peers([anna.info])
        chaima.links.set_peers([anna.info])
        await until(lambda: is_full(anna, bram))
        anna.links.set_peers([bram.info, chaima.info, anna.info])
        await until(lambda: anna.links.peers() == others(anna, anna, bram, chaima))

        before = list(anna.events)
        anna.links.set_peers([chaima.info])
        assert anna.links.peers() == (chaima.key,)
        assert anna.events == before, "never from inside a call"
        await until(lambda: (bram.key, False) in anna.events[len(before) :])
        told = [is_up for key, is_up in anna.events[len(before) :] if key == bram.key]
        assert told == [False]  # dials of the new one may still cross, and be told of too
        assert [stats.name for stats in anna.links.stats()] == ["chaima"]
        await until(lambda: not bram.links.peers())


async def test_a_new_transport_key_ends_the_old_ones_link(folder: Path) -> None:
    """X6: rotation; the address may change with it."""
    anna, bram, other = (Node(name, folder) for name in ("anna", "bram", "other"))
    rotated = bram.info._replace(transport_key=other.identity.transport_key, address="")
    async with running(anna, bram):
        await until(lambda: is_full(anna, bram))
        anna.links.set_peers([rotated])
        assert anna.links.peers() == ()
        await until(lambda: anna.events[-1] == (bram.key, False))
        async with dialled(anna, other.identity) as (_, writer):
            writer.write(hello_of(bram, transport_key=other.identity.transport_key))
            await until(anna.links.peers)
            assert anna.links.peers() == (bram.key,)


async def test_an_error_of_the_runtime_ends_the_node(folder: Path) -> None:
    """Consensus C7: never logged and forgotten."""
    anna, bram = Node("anna", folder), Node("bram", folder)

    def fail(_: bytes, __: Record) -> None:
        raise AssertionError("our own bug")

    async with running(anna, bram):
        await until(lambda: is_settled(anna, bram))
        anna.on_message = fail
        bram.links.send(anna.key, NOTE)
        await until(lambda: anna.error is not None)
        await until(lambda: not bram.links.peers())
    assert "our own bug" in repr(anna.error)


async def test_what_the_runtime_finds_malformed_closes_the_link(folder: Path) -> None:
    anna, bram = Node("anna", folder, SLOW_TO_FORGIVE), Node("bram", folder)

    def refuse(_: bytes, __: Record) -> None:
        raise Malformed("no certificate at all")

    async with running(anna, bram):
        await until(lambda: is_settled(anna, bram))
        anna.on_message = refuse
        bram.links.send(anna.key, NOTE)
        await until(lambda: anna.links.closed[Reason.MALFORMED] == 1)
        assert anna.links.peers() == ()
    assert anna.error is None


async def test_a_peer_that_reads_nothing_costs_8_mib_and_then_its_link(folder: Path) -> None:
    """Z10, Z12: the queue is bounded, votes push transactions out, and a stuck queue ends it."""
    endless = 3600.0
    limits = QUICK._replace(queue_s=0.5, rate_factor=1000.0, idle_s=endless, frame_s=endless)
    anna = Node("anna", folder, limits)
    bram = Node("bram", folder)
    batch = TxBatch(tuple(b"t" * 32_000 for _ in range(8)))
    async with running(anna, mesh=False):
        anna.links.set_peers([bram.info._replace(address="")])
        async with dialled(anna, bram.identity) as (_, writer):
            cast("asyncio.Transport", writer.transport).pause_reading()
            writer.write(hello_of(bram))
            await until(anna.links.peers)
            for _ in range(100):
                anna.links.send(bram.key, batch)
                assert anna.links.stats()[0].queue_bytes <= QUEUE_BYTES_MAX
            while not anna.links.closed[Reason.DEADLINE]:  # the kernels' buffers fill first
                anna.links.send(bram.key, batch)
                await asyncio.sleep(0.005)
        assert anna.links.dropped["tx_batch", "queue"] > 0


async def test_an_address_that_cannot_be_reached_is_tried_again(folder: Path) -> None:
    """Z8: and one that is no address at all harms nobody."""
    anna, bram, chaima = (Node(name, folder) for name in ("anna", "bram", "chaima"))
    bram.close()
    async with running(anna, chaima) as group:
        anna.links.set_peers([bram.info, chaima.info._replace(address="nowhere")])
        chaima.links.set_peers([])
        await until(lambda: anna.links._known[bram.key].failures >= 3)
        bram.again()
        bram.links.set_peers([anna.info._replace(address="")])
        group.create_task(bram.run())
        await until(anna.links.peers)
        assert anna.links.peers() == (bram.key,)
        await bram.stop()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:7100", "127.0.0.1", 7100),
        ("[::1]:7100", "::1", 7100),
        ("noord.example:1", "noord.example", 1),
    ],
)
async def test_addresses_are_read_and_written(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":7100", "host:70000", "host:-1", "host:x"])
async def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        split_address(text)


async def test_one_address_is_one_ipv4_or_one_ipv6_network() -> None:
    """Z11: a home has 2^64 IPv6 addresses."""
    assert get_network("192.0.2.7") == get_network("::ffff:192.0.2.7") == "192.0.2.7"
    assert get_network("2001:db8::1") == get_network("2001:db8::ffff:1")
    assert get_network("2001:db8::1") != get_network("2001:db8:0:1::1")
    assert get_network("127.0.0.9") == get_network("::1") == ""


async def test_at_most_four_of_one_address_and_64_of_all_wait(folder: Path) -> None:
    """Z11: the oldest goes first; loopback has no cap of its own."""
    node = Node("anna", folder)
    links = [Link(node.links, dialled=False) for _ in range(64)]
    few = dict.fromkeys(links[:4], "192.0.2.7")
    assert crowded_out(few, "192.0.2.7", LIMITS) == links[:1]
    assert crowded_out(few, "192.0.2.8", LIMITS) == []
    assert crowded_out(dict.fromkeys(links[:63], ""), "", LIMITS) == []
    assert crowded_out(dict.fromkeys(links, ""), "", LIMITS) == links[:1]
    mixed = dict.fromkeys(links[:60], "") | dict.fromkeys(links[60:], "192.0.2.7")
    assert crowded_out(mixed, "192.0.2.7", LIMITS) == links[60:61], "its own oldest makes room"
    node.close()


async def test_no_connection_is_lost_between_the_kernel_and_a_cancelled_accept(
    tmp_path: Path,
) -> None:
    """reliability Z12: whoever arrives in the very turn in which a node stops is closed too."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(12):
            node = Node(f"a{turns}", tmp_path)
            node.links.set_peers([])
            serving = asyncio.get_running_loop().create_task(node.links.run())
            await asyncio.sleep(0.01)
            with socket.create_connection(split_address(node.address)) as client:
                for _ in range(turns):
                    await asyncio.sleep(0)
                serving.cancel()
                await asyncio.wait({serving})
                client.settimeout(5)
                with contextlib.suppress(ConnectionError):
                    assert client.recv(1) == b""
            gc.collect()

    assert [str(one.message) for one in told if one.category is ResourceWarning] == []
