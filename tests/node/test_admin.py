"""The admin socket: rights, answers, faults, the log of who called (interfaces 2.5, A10)."""

import asyncio
import http.client
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner

from cli import wijk
from node.home import SOCKET_PATH_MAX, append_line
from tests.live import Live, ask, live_network, until

BALANCES = {"delfshaven/anna": 10_000}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def call(path: str, method: str, route: str, body: Any = None) -> tuple[int, Any]:
    connection = UnixConnection(path)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, route, data)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_network(tmp_path, 1, balances=BALANCES) as nodes:
        yield nodes[0]


@pytest.mark.asyncio
async def test_status_adds_what_only_the_operator_sees(live: Live) -> None:
    code, tree = await ask(call, live.at.admin, "GET", "/admin/v1/status")

    assert code == 200
    assert tree["chain_id"] == "test-chain"
    assert (tree["storage"], tree["signing"], tree["peers"]) == ("sqlite", True, [])
    assert tree["store_bytes"] > 0
    assert tree["disk_free_bytes"] > 0
    assert tree["rss_mb"] > 0
    assert tree["uptime_s"] >= 0


@pytest.mark.asyncio
async def test_config_tells_values_and_where_they_come_from(live: Live) -> None:
    _, tree = await ask(call, live.at.admin, "GET", "/admin/v1/config")

    items = {item["name"]: (item["value"], item["origin"]) for item in tree["items"]}
    assert items["api.rate"] == ("off", "node.toml")
    assert items["admin.socket"][0] == "admin.sock"


@pytest.mark.asyncio
async def test_the_signer_tells_its_watermark_and_no_secret(live: Live) -> None:
    _, tree = await ask(call, live.at.admin, "GET", "/admin/v1/signer")

    assert (tree["mode"], tree["signing"], tree["silence"]) == ("local", True, None)
    assert tree["public_key"] == live.node.own_key.hex()
    assert set(tree) == {"mode", "public_key", "signing", "silence", "guard"}


@pytest.mark.asyncio
async def test_the_log_level_changes_and_nonsense_is_refused(live: Live) -> None:
    logger = logging.getLogger("wijk")
    before = logger.level
    try:
        assert await ask(
            call, live.at.admin, "POST", "/admin/v1/log-level", {"level": "error"}
        ) == (
            200,
            {"level": "error"},
        )
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(before)
    wrong: tuple[Any, ...] = ({"level": "loud"}, {}, {"level": "info", "more": 1}, [], "info")
    for body in wrong:
        code, tree = await ask(call, live.at.admin, "POST", "/admin/v1/log-level", body)
        assert (code, tree["code"]) == (400, "WIJK-3009")


@pytest.mark.asyncio
async def test_shutdown_ends_the_node_with_0(live: Live) -> None:
    code, tree = await ask(call, live.at.admin, "POST", "/admin/v1/shutdown")

    assert (code, tree) == (200, {"status": "stopping"})
    assert live.task is not None
    async with asyncio.timeout(10):
        assert await live.task == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("route", ["mint", "peers/ban", "prune", "reindex", "../v1/status"])
async def test_what_does_not_exist_is_404(live: Live, route: str) -> None:
    code, tree = await ask(call, live.at.admin, "POST", f"/admin/v1/{route}", {})

    assert (code, tree["code"]) == (404, "WIJK-3007")


@pytest.mark.asyncio
async def test_only_owner_and_group_may_connect_and_every_call_is_logged(live: Live) -> None:
    await ask(call, live.at.admin, "GET", "/admin/v1/peers")
    await ask(call, live.at.admin, "POST", "/admin/v1/nothing")

    mode = stat.S_IMODE((await ask(Path(live.at.admin).stat)).st_mode)
    log = live.root / "admin.log"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert mode & 0o007 == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert [line["path"] for line in lines] == ["/admin/v1/peers", "/admin/v1/nothing"]
    assert {(line["pid"], line["uid"]) for line in lines} == {(os.getpid(), os.getuid())}


def test_the_log_of_calls_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody fills the disk of a node by asking; the newest calls are always there."""
    monkeypatch.setattr("node.home.LOG_BYTES_MAX", 100)
    log = tmp_path / "admin.log"

    for number in range(50):
        append_line(log, b"%09d\n" % number)

    kept = (tmp_path / "admin.log.1").read_bytes() + log.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"admin.log", "admin.log.1"}
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 100
    assert [int(line) for line in kept.split()] == list(range(50 - len(kept) // 10, 50))
    assert len(kept) > 100
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.asyncio
async def test_a_long_home_gets_a_short_socket_that_is_reported(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    async with live_network(deep, 1, balances=BALANCES) as nodes:
        path = nodes[0].at.admin
        code, _ = await ask(call, path, "GET", "/admin/v1/peers")

    assert code == 200
    assert len(os.fsencode(path)) <= SOCKET_PATH_MAX


@pytest.mark.asyncio
async def test_faults_cut_links_and_heal_them(tmp_path: Path) -> None:
    balances = {**BALANCES, "noord/bram": 0}
    async with live_network(tmp_path, 2, balances=balances) as nodes:
        await until(lambda: all(live.node.links.peers() for live in nodes))
        names = [[live.name] for live in nodes]

        for live in nodes:
            assert await ask(
                call, live.at.admin, "POST", "/admin/v1/faults", {"groups": names}
            ) == (
                200,
                {"groups": names},
            )
        await until(lambda: not any(live.node.links.peers() for live in nodes))
        cut = await ask(call, nodes[0].at.admin, "GET", "/admin/v1/peers")
        unknown, _ = await ask(
            call, nodes[0].at.admin, "POST", "/admin/v1/faults", {"groups": [["x"]]}
        )
        for live in nodes:
            await ask(call, live.at.admin, "POST", "/admin/v1/faults", {})
        await until(lambda: all(live.node.links.peers() for live in nodes))
        healed = await ask(call, nodes[0].at.admin, "GET", "/admin/v1/peers")

    assert cut == (200, {"items": [], "down": [nodes[1].name]})
    assert unknown == 400
    assert [item["name"] for item in healed[1]["items"]] == [nodes[1].name]


@pytest.mark.asyncio
async def test_a_locked_signer_says_so_and_signs_again_after_a_restart(live: Live) -> None:
    """Interfaces 2.5, 1.6: `wijk signer lock`; the words of `wijk node status` (C8)."""
    words = ["--home", str(live.root), "-o", "text", "--lang", "en"]
    line = ["signer", "lock", "--home", str(live.root), "-o", "json"]
    told = await ask(CliRunner().invoke, wijk, line)
    assert json.loads(told.stdout)["signing"] is False

    status = await ask(CliRunner().invoke, wijk, ["node", "status", *words])
    assert "signs nothing: locked with `wijk signer lock`" in status.stdout
    _, tree = await ask(call, live.at.admin, "GET", "/admin/v1/status")
    assert (tree["signing"], tree["silence"]) == (False, "locked")

    await live.end()
    await live.start()
    _, tree = await ask(call, live.at.admin, "GET", "/admin/v1/status")
    assert (tree["signing"], tree["silence"]) == (True, None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ruin", "silence", "said"),
    [
        ("missing", "barrier", "kijkt toe tot de anderen verder zijn"),
        ("damaged", "guard-damaged", "wijk node rejoin"),
    ],
)
async def test_a_node_without_its_guard_says_why_it_signs_nothing(
    live: Live, ruin: str, silence: str, said: str
) -> None:
    """consensus C8, D8, D10, reliability W40."""
    await live.end()
    guard = live.root / "guard.bin"
    data = bytearray(guard.read_bytes())
    data[100] ^= 1
    if ruin == "missing":
        guard.unlink()
    else:
        guard.write_bytes(data)

    await live.start()

    _, tree = await ask(call, live.at.admin, "GET", "/admin/v1/status")
    assert (tree["signing"], tree["silence"]) == (False, silence)
    words = ["node", "status", "--home", str(live.root), "-o", "text", "--lang", "nl"]
    status = await ask(CliRunner().invoke, wijk, words)
    assert f"tekent niet: {'' if ruin == 'missing' else 'de tekenwacht'}" in status.stdout
    assert said in status.stdout
    if ruin == "damaged":
        _, tree = await ask(call, live.at.admin, "POST", "/admin/v1/signer/lock")
        assert tree["code"] == "WIJK-1010"
