"""The listener under the API, on asyncio's event loop and on uvloop (ADR 0070, reliability A12)."""

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop
from aiohttp import web

from node import http_server
from node.http_server import Answer, serve_tcp
from node.main import choose_loop

MakeLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
CROWD = 60
ASK = b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"


async def greet(_request: web.Request) -> web.StreamResponse:
    return Answer(text="hello")


def make_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", greet)
    return app


def dial(address: str, count: int) -> list[socket.socket]:
    """Return connections that the system has taken, and that nobody has accepted yet."""
    host, port = address.removeprefix("http://").split(":")
    return [socket.create_connection((host, int(port)), timeout=10) for _ in range(count)]


async def read_all(connection: socket.socket) -> bytes:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        return await reader.read(1 << 16)
    finally:
        writer.close()


def run(make_loop: MakeLoop, work: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(work())  # type: ignore[arg-type]


def test_a_node_runs_on_uvloop_where_it_is_installed() -> None:
    assert choose_loop() is uvloop.new_event_loop


@pytest.mark.parametrize("make_loop", LOOPS)
def test_all_who_knocked_while_the_loop_was_busy_are_taken_in_one_turn(make_loop: MakeLoop) -> None:
    async def work() -> None:
        serving = await serve_tcp(make_app(), "127.0.0.1:0")
        knocking = dial(serving.address, CROWD)
        for one in knocking:
            one.sendall(ASK)
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(count)

        count()
        answers = await asyncio.gather(*map(read_all, knocking))
        assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
        assert turns < CROWD  # a connection a turn would take that many alone
        await serving.close()

    run(make_loop, work)


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Let the system refuse every further descriptor."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = socket.socket()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare.fileno() + 1, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        spare.close()


@pytest.mark.parametrize("make_loop", LOOPS)
def test_without_descriptors_who_knocks_is_taken_later(
    make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_server, "ACCEPT_AGAIN_S", 0.1)

    async def work() -> None:
        serving = await serve_tcp(make_app(), "127.0.0.1:0")
        (knocking,) = dial(serving.address, 1)
        knocking.sendall(ASK)
        with no_descriptors_left(), caplog.at_level(logging.WARNING, "wijk.http"):
            await asyncio.sleep(0.3)
        assert [record.message for record in caplog.records][:1] == ["http.accept"]
        assert (await read_all(knocking)).startswith(b"HTTP/1.1 200 ")
        await serving.close()

    run(make_loop, work)
