"""Hostile HTTP over raw sockets: 4xx or closed, never 5xx, no banner (reliability W27..W32)."""

import asyncio
import gzip
import json
import random
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from chain.address import account_text
from chain.texts import Problem
from node import api, http_server, streams
from node.api import make_rates
from node.api_load import Load
from node.api_request import Caps, Rates
from node.client import ClientProblem
from node.config import Config, ConfigInvalid
from node.http_server import CONNECTIONS_PER_ADDRESS_MAX, Connections, read_network
from node.standing import Node
from tests.federation import account, make_document, make_genesis
from tests.live import Live, Payer, ask, live_network, until

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 5_000}
ANNA = account_text(account("anna"))
_LEAKS = re.compile(rb"(?i)python|aiohttp|traceback|msgspec|yarl|server:")


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        yield nodes[0]


async def send(live: Live, raw: bytes, seconds: float = 15.0) -> bytes:
    """Send bytes as they are and return all that comes until the node closes."""
    host, port = live.at.api.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(raw)
        async with asyncio.timeout(seconds):
            return await reader.read(1 << 20)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def status_of(answer: bytes) -> int:
    """Return the status of the first answer; 0 where the node just closed."""
    if not answer:
        return 0
    assert re.match(rb"HTTP/[01].[0-9] [0-9]{3} ", answer), answer[:80]
    return int(answer[9:12])


def check_quiet(answer: bytes) -> None:
    assert status_of(answer) < 500, answer[:400]
    assert not _LEAKS.search(answer), answer[:400]


def request(head: str, body: bytes = b"", *, close: bool = True) -> bytes:
    end = "Connection: close\r\n\r\n" if close else "\r\n"
    return f"{head}\r\nHost: x\r\n{end}".encode() + body


GARBAGE = {
    "both lengths": b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Content-Length: 4\r\n\r\nabcd",
    "plus length": b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde",
    "minus length": b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "chunk overflow": b"POST /v1/txs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "ten thousand headers": b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"X-%d: 1\r\n" % i for i in range(10_000))
    + b"\r\n",
    "long header": b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
    "long line": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n",
    "http 0.9": b"GET /v1/status\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 python aiohttp\r\n\r\n",
    "folded header": b"GET /v1/status HTTP/1.1\r\nHost: x\r\nA: 1\r\n b\r\n\r\n",
    "space in name": b"GET /v1/status HTTP/1.1\r\nHost : x\r\n\r\n",
    "bad version": b"GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", GARBAGE)
async def test_what_does_not_parse_is_400_and_closed_without_a_word_of_it(
    live: Live, name: str
) -> None:
    """reliability W27, A7."""
    answer = await send(live, GARBAGE[name])

    assert status_of(answer) in (0, 400), answer[:200]
    check_quiet(answer)
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert json.loads(body)["code"] == "WIJK-3009"
    assert (await ask(live.client.status))["health"] == "ok"


@pytest.mark.asyncio
async def test_random_bytes_never_break_it(live: Live) -> None:
    """reliability U12, W27: seeded noise, with and without a sound beginning."""
    noise = random.Random(7)
    answers = await asyncio.gather(
        *(
            send(
                live,
                (b"GET /v1/status HTTP/1.1\r\n" if turn % 2 else b"")
                + noise.randbytes(noise.randrange(1, 600))
                + b"\r\n\r\n",
            )
            for turn in range(60)
        )
    )

    for answer in answers:
        check_quiet(answer)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("route", "length"), [("/v1/txs", 64 * 1024 + 1), ("/v1/txs:batch", 1024 * 1024 + 1)]
)
async def test_a_body_above_its_cap_is_413(live: Live, route: str, length: int) -> None:
    """reliability W28, A1: told by its length, and found out while reading."""
    head = f"POST {route} HTTP/1.1\r\nContent-Type: application/msgpack\r\n"
    told = await send(live, request(f"{head}Content-Length: {10**10}"))
    chunked = b"%x\r\n" % length + bytes(length) + b"\r\n0\r\n\r\n"
    found = await send(live, request(f"{head}Transfer-Encoding: chunked", chunked))

    assert status_of(told) == status_of(found) == 413
    assert b"WIJK-3010" in told
    assert b"WIJK-3010" in found


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_compressed_body_is_never_inflated(live: Live, encoding: str) -> None:
    """reliability W28."""
    bomb = gzip.compress(bytes(8 * 1024 * 1024))
    head = (
        f"POST /v1/txs HTTP/1.1\r\nContent-Type: application/json\r\n"
        f"Content-Encoding: {encoding}\r\nContent-Length: {len(bomb)}"
    )

    assert status_of(await send(live, request(head, bomb))) == 413


@pytest.mark.asyncio
async def test_a_body_that_comes_too_slowly_is_408(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """reliability A2."""
    monkeypatch.setattr(http_server, "BODY_S", 0.2)
    head = "POST /v1/txs HTTP/1.1\r\nContent-Type: application/msgpack\r\nContent-Length: 100"

    answer = await send(live, request(head, b"only the beginning"))

    assert status_of(answer) == 408
    assert b"WIJK-3011" in answer


@pytest.mark.asyncio
async def test_a_body_that_waited_while_the_node_was_busy_is_read(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """reliability A2: a large block is our time, not the client's; what came meanwhile counts."""
    monkeypatch.setattr(http_server, "BODY_S", 0.2)
    host, port = live.at.api.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "POST /v1/txs HTTP/1.1\r\nContent-Type: application/msgpack\r\nContent-Length: 100"
    try:
        writer.write(request(head, bytes(50)))
        await asyncio.sleep(0.05)
        writer.write(bytes(50))
        time.sleep(0.5)  # noqa: ASYNC251 - the block
        async with asyncio.timeout(10):
            status = status_of(await reader.read(1 << 16))
    finally:
        writer.transport.abort()

    assert status == 400, "the zeros are no transaction, but they were read"


JSON = {
    "brackets": b"[" * 60_000,
    "digits": b'{"envelope":' + b"9" * 60_000 + b"}",
    "nan": b'{"envelope":NaN}',
    "large exponent": b'{"envelope":1e400}',
    "duplicate": b'{"envelope":"","envelope":""}',
    "byte order mark": b'\xef\xbb\xbf{"envelope":""}',
    "utf-16": '{"envelope":""}'.encode("utf-16"),
    "lone surrogate": rb'{"envelope":"\ud800"}',
    "bad utf-8": b'{"envelope":"\xff"}',
    "trailing comma": b'{"envelope":"",}',
    "comment": b'{"envelope":""/**/}',
    "not an object": b'"envelope"',
    "unknown field": b'{"envelope":"","more":1}',
    "no base64": b'{"envelope":"%%%"}',
    "empty": b"",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("route", ["/v1/txs", "/v1/txs:check"])
async def test_bad_json_is_400(live: Live, route: str, name: str) -> None:
    """reliability W29, A5."""
    body = JSON[name]
    head = f"POST {route} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"

    answer = await send(live, request(head, body))

    assert status_of(answer) == 400, answer[:300]
    check_quiet(answer)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "route",
    [
        "/v1/blocks/-1",
        "/v1/blocks/1000000000",
        "/v1/blocks/0x10",
        "/v1/blocks/01",
        "/v1/blocks/%00",
        "/v1/blocks/" + "9" * 19,
        "/v1/blocks/" + "9" * 4000,
        "/v1/blocks/%F0%28%8C%28",
        "/v1/blocks/%ED%A0%80",
        "/v1/accounts/%00",
        "/v1/accounts/wijk1",
        f"/v1/accounts/{ANNA[:-1]}q",
        f"/v1/accounts/{ANNA.upper()}",
        f"/v1/accounts/{ANNA}/history?limit=1000000000000",
        f"/v1/accounts/{ANNA}/history?limit=-1",
        f"/v1/accounts/{ANNA}/history?offset=-1",
        f"/v1/accounts/{ANNA}/history?after=AAAA",
        f"/v1/accounts/{ANNA}/history?after=%ED%A0%80",
        f"/v1/accounts/{ANNA}/history?since=2026-13-45",
        f"/v1/accounts/{ANNA}/history?since=now",
        f"/v1/accounts/{ANNA}/history?with=nobody",
        "/v1/blocks?limit=1&limit=2",
        "/v1/blocks?limit=%D9%A1",
        "/v1/status?x=1",
        "/v1/txs/zz",
        "/v1/txs/" + "A" * 64,
        "/v1/txs/" + "0" * 64,
        "/v1/board/..%2F..%2Fetc",
        "/v1/board/%F0%9F%98%80",
        "/v1/proofs/inclusion",
        "/v1/proofs/inclusion?index=0&size=0",
        "/v1/proofs/inclusion?index=99",
        "/v1/proofs/consistency?from=0&to=0",
        "/v1/proofs/consistency?from=9&to=1",
        "/v1/proofs/state",
        "/v1/proofs/state?key=%ED%A0%80",
        "/v1/proofs/state?key=a&height=99",
        "/v1/receipts/x.tlog-proof",
        "/log/tile/0/../../etc/passwd",
        "/log/tile/9/000",
        "/log/tile/entries/x999/x999/999",
        "/v1/stream?topics=vote",
        "/v1/params?at=99999999999999999999",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//v1/status",
        "/v1/genesis/",
    ],
)
async def test_bad_parameters_and_paths_are_400_or_404(live: Live, route: str) -> None:
    """reliability W30."""
    answer = await send(live, request(f"GET {route} HTTP/1.1"))

    assert status_of(answer) in (400, 404), answer[:300]
    check_quiet(answer)


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "POST"])
async def test_other_methods_are_405_and_say_which_are_allowed(live: Live, method: str) -> None:
    answer = await send(live, request(f"{method} /v1/status HTTP/1.1"))

    assert status_of(answer) == 405
    assert b"Allow: GET,HEAD" in answer.replace(b", ", b",")
    check_quiet(answer)


@pytest.mark.asyncio
async def test_a_stream_has_no_head(live: Live) -> None:
    assert status_of(await send(live, request("HEAD /v1/stream HTTP/1.1"))) == 405
    assert status_of(await send(live, request("HEAD /v1/status HTTP/1.1"))) == 200


@pytest.mark.asyncio
async def test_a_state_changing_route_has_no_get(live: Live) -> None:
    """reliability A8."""
    for route in ("/v1/txs", "/v1/txs:batch", "/v1/txs:check"):
        assert status_of(await send(live, request(f"GET {route} HTTP/1.1"))) == 405


@pytest.mark.asyncio
async def test_headers_of_every_answer(live: Live) -> None:
    answer = await send(live, request("GET /v1/status HTTP/1.1"))

    head = answer.split(b"\r\n\r\n")[0]
    assert b"Wijk-Height: 0" in head
    assert b"Access-Control-Allow-Origin: *" in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"Server:" not in head


@pytest.mark.asyncio
async def test_writing_routes_allow_no_other_origin(live: Live) -> None:
    """reliability A11."""
    head = "POST /v1/txs HTTP/1.1\r\nContent-Type: application/msgpack\r\nContent-Length: 1"

    answer = await send(live, request(head, b"x"))

    assert status_of(answer) == 400
    assert b"Access-Control-Allow-Origin" not in answer


@pytest.mark.asyncio
async def test_html_has_no_script_and_a_strict_policy(live: Live) -> None:
    """reliability A11."""
    answer = await send(live, request("GET /docs HTTP/1.1"))

    assert b"Content-Security-Policy: default-src 'self'; script-src 'self'" in answer
    assert b"<script" not in answer
    assert b"/v1/txs:batch" in answer


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [b"", b"\x90", b"\x91\xc4\x00" * 2, b"\x81\xa1a\x01", b"\xdd\xff\xff\xff\xff", b"\xc4\x01a"],
)
async def test_a_batch_that_is_none_is_400(live: Live, body: bytes) -> None:
    """reliability W5, W7."""
    head = (
        "POST /v1/txs:batch HTTP/1.1\r\nContent-Type: application/msgpack\r\n"
        f"Content-Length: {len(body)}"
    )

    answer = await send(live, request(head, body))

    assert status_of(answer) == 400, answer[:300]
    check_quiet(answer)


# ------------------------------------------------------------------------ rates and caps


def test_under_load_streams_go_first_then_reads_then_transactions() -> None:
    """reliability A13. One late turn, as after a large block, refuses nobody."""
    load = Load()
    refused = []

    load.note(4.0)
    for _ in range(3):
        load.check("stream")
    for _ in range(60):
        load.note(4.0)
        for kind in ("stream", "read", "write"):
            try:
                load.check(kind)
            except Problem as error:
                assert error.number == 3004  # noqa: PT017
                if kind not in refused:
                    refused.append(kind)
    for _ in range(100):
        load.note(0.0)

    assert refused == ["stream", "read", "write"]
    load.check("stream")


def test_a_live_chain_is_never_without_rates_and_its_accounts_are_private() -> None:
    """interfaces 2.1, 2.3."""
    options: dict[str, Any] = {"purpose": "live", "params": {"epoch_s": 86_400}}
    document = make_document(4, validators=4, **options)
    for name in ("quota_person", "quota_business", "quota_role"):
        document["params"].pop(name)
    live_chain = make_genesis(document)
    config = Config({"api.rate": "off", "api.privacy": "auto"}, {})
    node: Any = SimpleNamespace(genesis=live_chain, config=config)

    with pytest.raises(ConfigInvalid):
        make_rates(node)
    assert Node.is_private.fget(node) is True  # type: ignore[attr-defined]
    test_chain: Any = SimpleNamespace(genesis=make_genesis(), config=config)
    assert make_rates(test_chain).limited is False
    assert Node.is_private.fget(test_chain) is False  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_too_many_reads_are_429_and_say_when(tmp_path: Path) -> None:
    """interfaces 2.1, reliability A4."""
    async with live_network(tmp_path, 1, settings={"api__rate": "5/s"}, balances=BALANCES) as nodes:
        client = nodes[0].client
        statuses, waits = [], []
        for _ in range(30):
            try:
                await ask(client.status)
                statuses.append(200)
            except ClientProblem as error:
                statuses.append(error.tree["status"])
                waits.append(error.params["retry_after_s"])
        health = await ask(client.get, "/healthz")
        refused = await send(nodes[0], request("GET /v1/status HTTP/1.1"))

    assert status_of(refused) == 429
    assert b'RateLimit-Policy: "read";q=10;w=2\r\n' in refused
    assert b'RateLimit: "read";r=0;t=1\r\n' in refused
    assert b"Retry-After: 1\r\n" in refused
    assert statuses[:10] == [200] * 10
    assert 429 in statuses
    assert set(waits) == {1}
    assert set(statuses) == {200, 429}
    assert health == {"status": "live"}


def test_buckets_fill_again_and_are_apart() -> None:
    rates = Rates(20)
    for _ in range(40):
        rates.take_read("a", 0.0)
    with pytest.raises(Problem):
        rates.take_read("a", 0.0)
    rates.take_read("b", 0.0)
    rates.take_read("a", 0.06)
    for _ in range(10):
        rates.take_write("a", 0.06)
    with pytest.raises(Problem) as caught:
        rates.take_write("a", 0.06)

    assert caught.value.number == 3004


def forge(live: Live, count: int) -> list[bytes]:
    """Return envelopes that name Anna as their sender and that she has not signed."""
    envelopes = []
    for cents in range(1, count + 1):
        sound = Payer(live.genesis, "anna").pay("bob", cents, expires=int(time.time()) + 300)
        envelopes.append(sound[:-1] + bytes([sound[-1] ^ 1]))
    return envelopes


class FromEverywhere(Rates):
    """The rates of accounts alone, as a flood from many addresses meets them."""

    def take_write(self, who: str | bytes, now: float, count: int = 1) -> None:
        """Let every address through."""


@pytest.mark.asyncio
async def test_forgeries_in_a_name_do_not_use_up_its_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 2.1, reliability A4, X2: an account pays for what was admitted, nothing else."""
    monkeypatch.setattr(api, "make_rates", lambda _node: FromEverywhere(20))
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        live = nodes[0]
        items = await ask(live.client.batch, forge(live, 50))
        for envelope in forge(live, 20):
            with pytest.raises(ClientProblem) as caught:
                await ask(live.client.submit, envelope)
            assert caught.value.number == 2002
        await pay_once(live)

    assert {item["problem"]["code"] for item in items} == {"WIJK-2002"}


@pytest.mark.asyncio
async def test_an_account_above_its_rate_is_429_and_repeats_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 2.1, 2.2: the same bytes give the same answer, whatever the rate says."""
    monkeypatch.setattr(api, "make_rates", lambda _node: FromEverywhere(20))
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        anna, client = Payer(nodes[0].genesis, "anna"), nodes[0].client
        orders = [anna.pay("bob", cents, expires=int(time.time()) + 300) for cents in range(1, 31)]
        await ask(client.submit, orders[0], wait="final")
        await ask(client.batch, orders[:29])

        with pytest.raises(ClientProblem) as single:
            await ask(client.submit, orders[29])
        with pytest.raises(ClientProblem) as batch:
            await ask(client.batch, orders[29:])
        again = await ask(client.submit, orders[0], wait="final")

    assert single.value.number == batch.value.number == 3004
    assert again["replayed"] is True


def test_a_large_batch_is_paid_off_before_the_next() -> None:
    rates = Rates(20)
    rates.take_write("a", 0.0, 1_000)
    with pytest.raises(Problem):
        rates.take_write("a", 400.0)
    rates.take_write("a", 500.0)


def test_connections_are_capped_per_address_off_loopback() -> None:
    """reliability A3."""
    caps = Connections()

    assert all(caps.enter("192.0.2.1") for _ in range(CONNECTIONS_PER_ADDRESS_MAX))
    assert not caps.enter("192.0.2.1")
    assert caps.enter("192.0.2.2")
    assert all(caps.enter("") for _ in range(2 * CONNECTIONS_PER_ADDRESS_MAX))
    caps.leave("192.0.2.1")
    assert caps.enter("192.0.2.1")


@pytest.mark.parametrize(
    ("remote", "network"),
    [
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:2", "2001:db8::/64"),
        (None, ""),
    ],
)
def test_one_address_is_one_ipv4_or_one_ipv6_network(remote: str | None, network: str) -> None:
    """interfaces 2.1: somebody with a /64 has no more turns than anybody else."""
    asked: Any = SimpleNamespace(remote=remote)

    assert read_network(asked) == network


@pytest.mark.asyncio
async def test_a_connection_above_the_cap_is_refused_and_the_others_go_on(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 3)
    host, port = live.at.api.removeprefix("http://").split(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
    await asyncio.sleep(0)

    refused = await send(live, request("GET /healthz HTTP/1.1"))
    reader, writer = held[0]
    writer.write(request("GET /healthz HTTP/1.1"))
    served = await reader.read(1 << 16)

    for _, other in held:
        other.transport.abort()
    assert status_of(refused) in (0, 429)
    if refused:
        head, _, body = refused.partition(b"\r\n\r\n")
        assert b"Content-Type: application/problem+json" in head
        assert b"Retry-After: 5" in head
        assert json.loads(body)["code"] == "WIJK-3004"
    assert status_of(served) == 200


@pytest.mark.asyncio
async def test_a_client_that_reads_nothing_is_cut(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """reliability A3, X2: else a few hundred of them would hold every place for ever."""
    monkeypatch.setattr(http_server, "STUCK_S", 0.2)
    host, port = live.at.api.removeprefix("http://").split(":")

    def count_handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count_handles()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    client.connect((host, int(port)))
    client.sendall(request("GET /openapi.yaml HTTP/1.1", close=False) * 400)  # answers: 15 MB

    await until(lambda: count_handles() == before + 2)
    await until(lambda: count_handles() == before + 1)

    client.close()


@pytest.mark.asyncio
async def test_a_reader_that_is_gone_gives_its_place_back(live: Live) -> None:
    """reliability W32."""
    host, port = live.at.api.removeprefix("http://").split(":")
    opened = []
    for _ in range(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request("GET /v1/stream HTTP/1.1", close=False))
        await reader.readuntil(b"\n\n")
        opened.append(writer)
    assert live.node.stream_clients() == 20

    for writer in opened:
        writer.transport.abort()

    await pay_once(live)
    await until(lambda: live.node.stream_clients() == 0)


async def pay_once(live: Live) -> None:
    envelope = Payer(live.genesis, "anna").pay("bob", 1, expires=int(time.time()) + 300)
    answer = await ask(live.client.submit, envelope, wait="final")
    assert answer["status"] == "final"


def test_the_cap_of_streams_is_429() -> None:
    caps = Caps(2, 1)
    with caps.hold("a", exempt=False):
        with pytest.raises(Problem) as per_address, caps.hold("a", exempt=False):
            pass
        with (
            caps.hold("a", exempt=True),
            pytest.raises(Problem) as total,
            caps.hold("b", exempt=True),
        ):
            pass

    assert per_address.value.number == total.value.number == 3004
    assert caps.total == 0


@pytest.mark.asyncio
async def test_a_live_reader_that_lags_is_told_of_the_gap_and_resumes(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 2.4: nothing is dropped silently."""
    monkeypatch.setattr(streams, "BEHIND_BYTES_MAX", 0)
    host, port = live.at.api.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request("GET /v1/stream?topics=tx HTTP/1.1", close=False))
    await until(lambda: live.node.stream_clients() == 1)
    await asyncio.sleep(0.05)

    await pay_once(live)

    said = await reader.read(1 << 16)
    while not reader.at_eof():
        said += await reader.read(1 << 16)
    writer.transport.abort()
    assert b"event: gap\n" in said
    assert b"event: tx\n" not in said
