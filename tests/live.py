"""Real nodes in one event loop: homes on disk, TLS links on loopback, HTTP, signatures, fsync.

The production composition root runs unchanged; only the signals of the process are left out.
"""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chain.codec import encode
from chain.contract import Chain, Table
from chain.crypto import sha256, sign
from chain.genesis import Genesis
from chain.records import TX_CONTEXT, Envelope, KeySignature, encode_body
from contracts import CONTRACTS
from contracts.coin import Leg, Transfer
from node.client import Client
from node.config import Value, load_config
from node.main import Addresses, serve
from node.setup import init_home
from node.standing import Node
from node.timers import LoopTimers
from tests.federation import account, make_document, make_genesis, seed

R = TypeVar("R")
READY_S = 20.0
FIRST_PORT, PORTS = 20_000, 12_000


class Live:
    """A running node: the object, where it listens, and how it ends."""

    def __init__(self, name: str, home: Path, genesis: Genesis) -> None:
        self.name = name
        self.root = home
        self.genesis = genesis
        self.stop: asyncio.Future[int] | None = None
        self.task: asyncio.Task[int] | None = None
        self.node: Node
        self.at: Addresses

    @property
    def client(self) -> Client:
        """A fresh client of this node alone."""
        return Client([self.at.api], timeout_s=20, lang="en")

    async def start(self) -> None:
        """Open the home and wait until everything listens."""
        home_config = load_config(self.root / "node.toml", {})
        loop = asyncio.get_running_loop()
        self.stop = loop.create_future()
        ready: asyncio.Future[None] = loop.create_future()

        def on_ready(node: Node, at: Addresses) -> None:
            self.node, self.at = node, at
            if not ready.done():
                ready.set_result(None)

        from node.home import Home

        self.task = loop.create_task(
            serve(Home(self.root), home_config, self.genesis, self.stop, on_ready)
        )
        waited: set[asyncio.Future[Any]] = {self.task, ready}
        await asyncio.wait(waited, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            await self.task
        assert ready.done(), f"{self.name} is not ready in time"

    async def end(self) -> int:
        """Stop as on SIGTERM and return the exit code."""
        assert self.stop is not None
        assert self.task is not None
        if not self.stop.done():
            self.stop.set_result(0)
        return await self.task


def get_free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on, and that no connection is given as its own.

    A peer that dials a node which is down may get that node's very port, and the node then cannot
    come back to it; so they lie below those that the system hands out.
    """
    sockets: list[socket.socket] = []
    while len(sockets) < count:
        with suppress(OSError):
            port = FIRST_PORT + secrets.randbelow(PORTS)
            sockets.append(socket.create_server(("127.0.0.1", port)))
    ports = [int(bound.getsockname()[1]) for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def make_live_genesis(count: int, ports: list[int], **options: Any) -> Genesis:
    """Return the genesis of `count` validators that listen on these ports."""
    document = make_document(min(count, 4), validators=count, **options)
    for validator, port in zip(document["validators"], ports, strict=True):
        validator["address"] = f"127.0.0.1:{port}"
    return make_genesis(document)


def make_home(folder: Path, genesis: Genesis, name: str, port: int, **settings: Value) -> Live:
    """Make the home of a validator of genesis."""
    values: dict[str, Value] = {
        "node.storage": "sqlite",
        "p2p.listen": f"127.0.0.1:{port}",
        "api.listen": "127.0.0.1:0",
        "api.rate": "off",
        "metrics.listen": "127.0.0.1:0",
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    init_home(
        folder,
        genesis,
        seed(f"node-{name}"),
        seed(f"transport-{name}"),
        sha256(name.encode())[:16],
        values,
    )
    return Live(name, folder, genesis)


@asynccontextmanager
async def live_network(
    folder: Path, count: int = 1, *, settings: dict[str, Value] | None = None, **options: Any
) -> AsyncIterator[list[Live]]:
    """Run `count` validators; `settings` go into every node.toml, `options` into genesis."""
    ports = get_free_ports(count)
    genesis = make_live_genesis(count, ports, **options)
    nodes = [
        make_home(folder / doc.name, genesis, doc.name, port, **(settings or {}))
        for doc, port in zip(genesis.doc.validators, ports, strict=True)
    ]
    started: list[Live] = []
    try:
        for live in nodes:
            await live.start()
            started.append(live)
        yield nodes
    finally:
        for live in started:
            if live.task is not None and not live.task.done():
                await live.end()


class WallClock:
    """The wall clock of the nodes here, put forward where a test would wait for a calendar.

    Chain time follows it; alarms and timeouts are of the monotonic clock (consensus T3).
    """

    def __init__(self) -> None:
        self._ahead_ns = 0

    def now_s(self) -> float:
        return (time.time_ns() + self._ahead_ns) / 1e9

    def now_ms(self) -> int:
        return (time.time_ns() + self._ahead_ns) // 1_000_000

    def skip(self, seconds: float) -> None:
        """Let that much time be over at once."""
        self._ahead_ns += int(seconds * 1e9)


@contextmanager
def wall_clock() -> Iterator[WallClock]:
    """Give the clock that all nodes read until the end of the block."""
    clock = WallClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoopTimers, "wall_ms", lambda _self: clock.now_ms())
        yield clock


async def ask(function: Callable[..., R], *args: Any, **options: Any) -> R:
    """Call a blocking client from the loop that serves it."""
    return await asyncio.to_thread(function, *args, **options)


async def until(condition: Callable[[], bool], seconds: float = READY_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is a fact, not an event
            await asyncio.sleep(0.01)


class Payer:
    """Signs payments of a test resident, each with a fresh nonce."""

    def __init__(self, genesis: Genesis, name: str) -> None:
        self.chain: Chain = genesis.chain(Table(CONTRACTS))
        self.name = name
        self._count = 0

    def pay(self, to: str, cents: int, *, expires: int) -> bytes:
        """Return the envelope of a payment to another resident of the same wijk."""
        return self.sign(Transfer((Leg(account(to), cents, None, None),), None), expires=expires)

    def sign(self, call: Any, *, expires: int, nonce: bytes | None = None) -> bytes:
        """Return the envelope of a call."""
        self._count += 1
        unique = nonce or sha256(f"{self.name} {self._count}".encode())[:16]
        body = encode_body(self.chain.digest, account(self.name), unique, expires, call)
        signed = KeySignature(0, sign(seed(self.name), TX_CONTEXT + body))
        return encode(Envelope(body, (signed,)))
