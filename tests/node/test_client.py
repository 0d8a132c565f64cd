"""The client against nodes that lie, hang up or are not there (interfaces 1.5)."""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chain.codec import encode
from chain.crypto import sha256
from chain.errors import Malformed
from chain.texts import Problem
from node import client as client_module
from node.client import (
    Client,
    ClientProblem,
    Event,
    NoAnswer,
    Sign,
    Unreachable,
    ask_patiently,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Scripted:
    """A server that answers each connection with the next script, and notes what it was sent."""

    def __init__(self, scripts: list[list[bytes]]) -> None:
        self.scripts = scripts
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        for script in self.scripts:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                for answer in script:
                    self.requests.append(read_request(connection))
                    connection.sendall(answer)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def read_request(connection: socket.socket) -> bytes:
    """Read one request whole: what a server leaves unread makes its close a reset."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length: "):
            while len(body) < int(line.split(b": ")[1]):
                body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def server(*scripts: list[bytes]) -> Iterator[Scripted]:
    scripted = Scripted(list(scripts))
    try:
        yield scripted
    finally:
        scripted.close()


def ok(body: bytes) -> bytes:
    return OK % len(body) + body


def get_closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


ENVELOPE = encode([b"body", []])


def test_importing_it_opens_nothing_and_needs_no_server_library() -> None:
    """wallet and audit import it; aiohttp would cost them 200 ms."""
    code = "import sys, node.client; print(*sorted(sys.modules))"

    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"aiohttp", "plyvel", "asyncio", "prometheus_client", "sqlite3"} & set(found)


def test_nobody_there_is_3001_and_nothing_was_sent() -> None:
    with pytest.raises(Unreachable) as asked:
        Client([get_closed_url()]).status()
    with pytest.raises(Unreachable) as posted:
        Client([get_closed_url(), get_closed_url()]).submit(ENVELOPE)

    assert asked.value.number == posted.value.number == 3001
    assert posted.value.nothing_sent is True


def test_a_question_goes_to_the_next_node() -> None:
    with server([ok(b'{"height":7}')]) as second:
        assert Client([get_closed_url(), second.url]).status() == {"height": 7}


def test_a_node_that_does_not_answer_is_asked_last_from_then_on() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as hung,
        server([ok(b'{"height":7}'), ok(b'{"height":8}')]) as second,
    ):
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        client = Client([url, second.url], timeout_s=0.2)

        assert [client.status()["height"] for _ in range(2)] == [7, 8]
        hung.settimeout(0.2)
        hung.accept()[0].close()
        with pytest.raises(TimeoutError):
            hung.accept()  # nobody came a second time
        client.close()


def test_a_transaction_has_the_time_that_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        client = Client([f"http://127.0.0.1:{hung.getsockname()[1]}"])

        with pytest.raises(NoAnswer):
            client.submit(ENVELOPE, wait="final", wait_ms=30_000, timeout_s=0.05)


def test_a_transaction_that_got_no_answer_is_3003_and_goes_to_nobody_else() -> None:
    """interfaces 1.5: sent, outcome unknown; only the same bytes may go again."""
    with server([b""]) as first, server([ok(b"{}")]) as second:
        with pytest.raises(NoAnswer) as caught:
            Client([first.url, second.url]).submit(ENVELOPE)

        assert second.requests == []
    assert caught.value.number == 3003
    assert caught.value.nothing_sent is False
    assert caught.value.tx == sha256(ENVELOPE).hex()


def test_half_an_answer_is_no_answer() -> None:
    half = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"tx"'
    with server([half]) as node, pytest.raises(NoAnswer):
        Client([node.url]).submit(ENVELOPE)


def test_a_connection_is_kept_and_made_anew_when_the_node_closed_it() -> None:
    with server([ok(b'{"a":1}'), ok(b'{"a":2}')], [ok(b'{"a":3}')]) as node:
        client = Client([node.url])

        assert [client.get("/x")["a"] for _ in range(3)] == [1, 2, 3]
        client.close()


def test_a_kept_connection_that_dies_sends_the_same_bytes_once_more() -> None:
    """reliability A8: the same envelope executes at most once."""
    with server([ok(b"{}"), b""], [ok(b'{"status":"final"}')]) as node:
        client = Client([node.url])
        client.get("/x")

        answer = client.submit(ENVELOPE)

        assert answer == {"status": "final"}
        assert node.requests[1].endswith(ENVELOPE)
        assert node.requests[2].endswith(ENVELOPE)
        client.close()


def test_a_node_that_died_with_the_bytes_leaves_the_outcome_unknown() -> None:
    """interfaces 1.5: it took the order and then was gone; nobody may say that nothing was sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    taken = []

    def serve_and_die() -> None:
        connection, _ = listener.accept()
        with connection:
            read_request(connection)
            connection.sendall(ok(b"{}"))
            taken.append(read_request(connection))
            listener.close()

    node = threading.Thread(target=serve_and_die)
    node.start()
    with server([ok(b"{}")]) as second:
        client = Client([url, second.url])
        client.get("/x")
        with pytest.raises(NoAnswer) as caught:
            client.submit(ENVELOPE)
        assert second.requests == []
    node.join()

    assert taken[0].endswith(ENVELOPE)
    assert caught.value.nothing_sent is False
    client.close()


def test_a_stream_that_breaks_does_not_begin_again_at_another_node() -> None:
    """interfaces 2.4: events are told once; the caller knows where to go on."""
    said = b'HTTP/1.1 200 OK\r\n\r\nid: 7.0\nevent: tx\ndata: {"tx":1}\n\n'
    listener = socket.create_server(("127.0.0.1", 0))
    read = threading.Event()

    def say_and_reset() -> None:
        connection, _ = listener.accept()
        read_request(connection)
        connection.sendall(said)
        read.wait(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        listener.close()

    node = threading.Thread(target=say_and_reset)
    node.start()
    with server([ok(b"")]) as second:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        events = Client([url, second.url]).stream("tx")
        assert next(events).id == "7.0"
        read.set()
        assert list(events) == []
        assert second.requests == []
    node.join()


def test_a_refusal_is_a_problem_with_its_object() -> None:
    tree = {"code": "WIJK-2104", "params": {"balance_cents": 1}, "tx": "ab", "nothing_sent": True}
    body = json.dumps(tree).encode()
    head = b"HTTP/1.1 422 Unprocessable Content\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server([head + body]) as node, pytest.raises(ClientProblem) as caught:
        Client([node.url]).submit(ENVELOPE)

    assert (caught.value.number, caught.value.tx) == (2104, "ab")
    assert caught.value.params == {"balance_cents": 1}
    assert caught.value.nothing_sent is True
    assert caught.value.tree["code"] == "WIJK-2104"


def refusal(code: str) -> bytes:
    body = json.dumps({"code": code}).encode()
    return b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def signers(*names: str) -> list[Sign]:
    def sign_as(name: str) -> Sign:
        return lambda _method, _route, _body: {"Who": name}

    return [sign_as(name) for name in names]


def test_who_reads_is_said_when_a_node_asks_and_every_account_of_the_reader_is_tried() -> None:
    """interfaces 2.3: one that may read is kept for the questions that follow."""
    asks, no = refusal("WIJK-3005"), refusal("WIJK-3006")
    with server([asks, no, ok(b"{}"), ok(b"{}"), no, no]) as node:
        client = Client([node.url], make_signs=lambda: signers("anna", "role"))
        client.get("/v1/a")
        client.get("/v1/b")
        with pytest.raises(ClientProblem) as caught:
            client.get("/v1/c")
        client.close()

    assert caught.value.number == 3006
    said = [
        next((line[5:] for line in head.split(b"\r\n") if line.startswith(b"Who: ")), b"")
        for head in node.requests
    ]
    assert said == [b"", b"anna", b"role", b"role", b"role", b"anna"]


def test_signers_are_made_one_by_one_and_only_where_those_before_are_refused() -> None:
    """ADR 0101: to make another one, a node must be asked which accounts a key is of."""
    made: list[str] = []

    def make_signs() -> Iterator[Sign]:
        for name in ("own", "later", "board"):
            made.append(name)
            yield from signers(name)

    asks, no = refusal("WIJK-3005"), refusal("WIJK-3006")
    with server([asks, ok(b"{}"), asks, ok(b"{}"), no, no, asks]) as node:
        client = Client([node.url], make_signs=make_signs)
        client.get("/v1/a")
        first = list(made)
        client.get("/v1/b")
        second = list(made)
        with pytest.raises(ClientProblem) as caught:
            client.get("/v1/c")
        client.close()

    assert caught.value.number == 3006, "it says more than that one is not known"
    assert (first, second, made) == (["own"], ["own", "later"], ["own", "later", "board"])
    assert len(node.requests) == 7


def test_who_has_no_key_hears_that_a_signature_is_wanted() -> None:
    with server([refusal("WIJK-3005")]) as node, pytest.raises(ClientProblem) as caught:
        Client([node.url]).get("/v1/a")

    assert caught.value.number == 3005


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b'{"code":7}', b'{"code":"WIJK-0000"}', b"\xff"]
)
def test_a_refusal_that_is_no_problem_object_promises_nothing(body: bytes) -> None:
    head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server([head + body]) as node, pytest.raises(ClientProblem) as caught:
        Client([node.url]).submit(ENVELOPE)

    assert caught.value.number == 9001
    assert caught.value.nothing_sent is False


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_malformed(body: bytes) -> None:
    with server([ok(body)]) as node, pytest.raises(Malformed):
        Client([node.url]).status()


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_BYTES_MAX", 1_000)
    with server([ok(b"1" * 2_000)]) as node, pytest.raises(Malformed):
        Client([node.url]).status()


def test_bytes_of_a_block_are_checked_for_form() -> None:
    good = encode([b"h", b"b", b"c", [b"e"]])
    with server([ok(good)], [ok(good + b"\x00")]) as node:
        assert Client([node.url]).raw_block(1) == (b"h", b"b", b"c", (b"e",))
        with pytest.raises(Malformed):
            Client([node.url]).raw_block(1)


def test_events_are_read_as_the_text_form_spells_them() -> None:
    said = (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        b': hello\n\nid: 7.0\nevent: tx\ndata: {"tx":1}\n\n:\n\n'
        b'event:health\r\ndata:{"health":"ok"}\r\n\r\nid: 8.0\nevent: block\ndata: {"unfinished'
    )
    with server([said]) as node:
        events = list(Client([node.url]).stream("tx,health", "6.2"))

        assert b"Last-Event-ID: 6.2\r\n" in node.requests[0]
        assert b"GET /v1/stream?topics=tx%2Chealth " in node.requests[0]
    assert events == [Event("7.0", "tx", {"tx": 1}), Event(None, "health", {"health": "ok"})]


def test_a_line_without_end_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "EVENT_BYTES_MAX", 100)
    said = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: " + b"x" * 200 + b"\n\n"
    with server([said]) as node, pytest.raises(Malformed):
        list(Client([node.url]).stream("tx"))


@pytest.mark.parametrize("told", [-5, 0, 7, 10**400, True, "soon", None])
def test_a_node_decides_only_within_bounds_how_long_we_wait(told: Any) -> None:
    """What a node says is from outside: it ends no program and holds up no payment for ever."""
    waits: list[float] = []

    def question() -> None:
        raise Problem(3004, retry_after_s=told)

    with pytest.raises(Problem) as busy:
        ask_patiently(question, waits.append, patience_s=20)

    assert busy.value.number == 3004
    assert sum(waits) == 20
    assert min(waits) > 0
