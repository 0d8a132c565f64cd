"""The proxies in the way of links: blind to bytes, and able to spoil one direction (J35)."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testnet.bench import plan_bench
from testnet.create import create_network
from testnet.network import Network
from tests.drills.proxy import UNKNOWN, Proxies, Weather

TIMEOUT_S = 20.0


def echo(listener: socket.socket) -> None:
    """Send back what comes, one connection after the other, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                while data := connection.recv(4_096):
                    connection.sendall(data)
            except OSError:
                continue  # the proxy cut it


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """One node that does not run: whoever dials is unknown, and the node itself a fake echo."""
    plan = plan_bench(1, 1, "2026-01-01T00:00:00.000Z")
    return create_network(tmp_path / "n", plan, seed=None, base_port=0, storage="sqlite")


@pytest.fixture
def proxies(network: Network) -> Iterator[Proxies]:
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=echo, args=(listener,))
    thread.start()
    made = Proxies(1)
    made.start({"v1": f"127.0.0.1:{listener.getsockname()[1]}"}, network)
    yield made
    made.stop()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def dial(proxies: Proxies) -> socket.socket:
    host, port = proxies.addresses[0].split(":")
    return socket.create_connection((host, int(port)), TIMEOUT_S)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    return data


def read_end(connection: socket.socket) -> bytes:
    """Return what still comes; a reset is an end too."""
    try:
        return connection.recv(10)
    except ConnectionError:
        return b""


def test_every_byte_arrives_unchanged_and_in_order_also_late_and_lossy(proxies: Proxies) -> None:
    proxies.weather = Weather(delay_s=0.001, jitter_s=0.01, loss=0.05)
    sent = os.urandom(300_000)
    with dial(proxies) as connection:
        thread = threading.Thread(target=connection.sendall, args=(sent,))
        thread.start()
        assert read_exactly(connection, len(sent)) == sent
        thread.join()
    assert proxies.carried >= 2 * len(sent)


def test_a_silent_direction_carries_nothing_and_is_cut_when_the_silence_ends(
    proxies: Proxies,
) -> None:
    with dial(proxies) as connection:
        connection.sendall(b"before")
        assert read_exactly(connection, 6) == b"before"

        proxies.silent = frozenset({("v1", UNKNOWN)})  # what the node says is not heard
        carried = proxies.carried
        connection.sendall(b"lost")
        deadline = time.monotonic() + TIMEOUT_S
        while proxies.carried < carried + 4:  # it did arrive there
            assert time.monotonic() < deadline
            time.sleep(0.001)
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)

        proxies.silent = frozenset()
        connection.settimeout(TIMEOUT_S)
        connection.sendall(b"after")
        assert read_end(connection) == b""
    with dial(proxies) as again:
        again.sendall(b"anew")
        assert read_exactly(again, 4) == b"anew"


def test_the_weather_can_cut_a_path(proxies: Proxies) -> None:
    proxies.weather = Weather(cut=1.0)
    with dial(proxies) as connection:
        connection.sendall(b"x")
        assert read_end(connection) == b""
    assert proxies.cuts == 1


def test_nobody_behind_the_proxy_looks_as_if_nobody_listened(network: Network) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    proxies = Proxies(1)
    proxies.start({"v1": f"127.0.0.1:{free}"}, network)
    try:
        with dial(proxies) as connection:
            assert read_end(connection) == b""
    finally:
        proxies.stop()
