"""The life of a network of real processes, command by command (interfaces 1.7, 1.8, object C)."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chain.texts import exit_code
from cli import wijk
from testnet.create import clear_folder
from testnet.network import Network
from tests.shapes import SHAPES, Maybe, check_shape

NODE = {
    "name": "text",
    "pid": Maybe("int"),
    "state": ("running", "stopped", "killed", "starting", "unreachable"),
    "height": Maybe("int"),
    "round": Maybe("int"),
    "block_id": Maybe("hex"),
    "state_root": Maybe("hex"),
    "log_size": Maybe("int"),
    "log_root": Maybe("hex"),
    "peers": Maybe("int"),
    "mempool": Maybe("int"),
    "rss_mb": Maybe("number"),
    "api": "text",
}
OBJECTS: dict[str, Any] = {
    "start": {
        "dir": "text",
        "started": ["text"],
        "pids": dict.fromkeys(("v1", "v2", "v3", "v4"), "int"),
        "height": "int",
        "ready_ms": "number",
    },
    "stop": {"dir": "text", "stopped": ["text"], "killed": ["text"]},
    "kill": {
        "name": "text",
        "pid": "int",
        "signal": ("SIGKILL",),
        "running": "int",
        "quorum": "int",
    },
    "restart": {
        "name": "text",
        "pid": "int",
        "height": "int",
        "ready_ms": "number",
        "wiped": "bool",
    },
    "partition": {"groups": [["text"]], "quorum": "int", "groups_with_quorum": "int"},
    "heal": {"groups": [["text"]], "height": "int"},
    "status": {
        "dir": "text",
        "chain_id": "text",
        "quorum": "int",
        "running": "int",
        "min_height": Maybe("int"),
        "max_height": Maybe("int"),
        "common_height": Maybe("int"),
        "common_block_id": Maybe("hex"),
        "agree": "bool",
        "groups": [["text"]],
        "nodes": [NODE],
    },
    "reset": {"dir": "text"},
}
ALL = ["v1", "v2", "v3", "v4"]


class Net:
    """`wijk testnet` on one folder, each command as somebody types it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, command: str, *words: str) -> dict[str, Any]:
        told = self.run(command, *words, "-o", "json")
        assert told[0] == 0, told[2]
        tree: dict[str, Any] = json.loads(told[1])
        check_shape(tree, OBJECTS[command], command)
        return tree

    def run(self, command: str, *words: str) -> tuple[int, str, str]:
        line = ["testnet", command, *words, "--dir", str(self.folder)]
        told = CliRunner().invoke(wijk, line)
        return told.exit_code, told.stdout, told.stderr

    def refused(self, said: str, command: str, *words: str) -> None:
        code, out, err = self.run(command, *words, "--lang", "en")
        assert (code, out) == (exit_code(1001), "")
        assert said in err

    def pay(self, code: int = 0) -> dict[str, Any]:
        line = ["pay", "dev2", "1,00", "--from", "dev1", "--yes", "-o", "json"]
        told = CliRunner().invoke(wijk, [*line, "--home", str(self.folder / "client")])
        assert told.exit_code == code, told.stderr
        tree: dict[str, Any] = json.loads(told.stdout) if told.stdout else {}
        return tree

    def explains(self, away: list[str]) -> None:
        """interfaces 10: the cause stands in `status` of v1 within 3 block times (consensus C8)."""
        url = self.row("v1")["api"]
        for lang, missing, making in (
            ("nl", "afwezig: {} sinds ", "in de maak: ronde "),
            ("en", "missing: {} since ", "in the making: round "),
        ):
            said = CliRunner().invoke(wijk, ["status", "--node", url, "--lang", lang]).stdout
            for name in away:
                assert missing.format(name) in said
            assert making in said
            assert "WIJK-4001" in said
        told = CliRunner().invoke(wijk, ["status", "--node", url, "-o", "json"])
        tree = json.loads(told.stdout)
        check_shape(tree, SHAPES["status"])
        assert [item["name"] for item in tree["cause"]["params"]["away"]] == away
        assert tree["consensus"]["proposer"] in ALL

    def settle(self, height: int) -> dict[str, Any]:
        """Wait until every node that runs stands at one height, `height` or a little more.

        A node that was behind is due a block before it votes again (consensus D11).
        """
        deadline = time.monotonic() + 20
        while True:
            status = self("status")
            if status["min_height"] >= height and status["min_height"] == status["max_height"]:
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.05)

    def row(self, name: str) -> dict[str, Any]:
        return next(row for row in self("status")["nodes"] if row["name"] == name)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    for name in [name for name in os.environ if name.startswith("WIJK_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "n"
    words = ["testnet", "create", "--base-port", "0", "--seed", "3", "--dir", str(folder)]
    assert CliRunner().invoke(wijk, words).exit_code == 0
    yield Net(folder)
    if (folder / "testnet.json").exists():
        Network(folder).stop()


def test_a_day_in_the_life_of_a_network(net: Net) -> None:
    # Nothing runs yet.
    status = net("status")
    assert (status["running"], status["min_height"], status["agree"]) == (0, None, True)
    assert [row["state"] for row in status["nodes"]] == ["stopped"] * 4
    silent = {name: value for name, value in status["nodes"][0].items() if value is not None}
    assert set(silent) == {"name", "state", "api"}
    net.refused("v1: stopped", "kill", "v1")
    assert net("stop")["stopped"] == []

    # Start: what runs already is left alone.
    started = net("start", "--detach")
    assert (started["started"], started["height"]) == (ALL, 0)
    again = net.run("start", "--detach", "-o", "json")
    assert json.loads(again[1])["started"] == []
    status = net("status")
    digest = json.loads((net.folder / "testnet.json").read_text())["chain_digest"]
    assert (status["common_height"], status["common_block_id"]) == (0, digest)
    assert None not in status["nodes"][0].values()
    assert {row["peers"] for row in status["nodes"]} == {3}

    # Three of four go on, and the fourth catches up on its data or on none.
    killed = net("kill", "v4")
    assert (killed["running"], killed["quorum"]) == (3, 3)
    assert net.row("v4")["state"] == "killed"
    net.refused("v4: killed", "kill", "v4")
    paid = net.pay()
    assert paid["status"] == "final"
    for words in ((), ("--wipe",)):
        assert net("restart", "v4", *words)["wiped"] is bool(words)
        status = net.settle(paid["height"])
        assert status["agree"]
        assert len({row["state_root"] for row in status["nodes"]}) == 1

    # Two halves agree on nothing, and the cut holds for a node that starts in it.
    net.refused("v9? (v1, v2, v3, v4)", "partition", "v1:v9")
    net.refused("v1 x 2", "partition", "v1:v1,v2")
    net.refused("no groups", "partition", ":")
    cut = net("partition", "v1,v2:v3,v4")
    assert (cut["groups"], cut["groups_with_quorum"]) == ([["v1", "v2"], ["v3", "v4"]], 0)
    net.pay(exit_code(4001))
    assert net("restart", "v1")["height"] >= paid["height"]  # from its own disk
    assert net("status")["groups"] == cut["groups"]
    assert net.row("v1")["peers"] <= 1
    net.pay(exit_code(4001))
    net.explains(["v3", "v4"])
    assert net("heal")["groups"] == [ALL]
    assert net.pay()["status"] == "final"

    # Who is not named stands together; three of four still decide.
    cut = net("partition", "v1")
    assert (cut["groups"], cut["groups_with_quorum"]) == ([["v1"], ["v2", "v3", "v4"]], 1)
    net("heal")

    # Stopped; and back at the beginning with the same keys.
    assert net("stop") == {"dir": str(net.folder), "stopped": ALL, "killed": []}
    assert {row["state"] for row in net("status")["nodes"]} == {"stopped"}
    net("reset")
    assert net("start", "--detach")["height"] == 0
    assert net.pay()["height"] == 1


def test_a_node_that_does_not_answer_is_unreachable_and_stop_kills_it(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testnet.network.STOP_S", 5.0)
    monkeypatch.setattr("testnet.network.ASK_S", 0.5)
    pid = net("start", "--detach")["pids"]["v2"]
    os.kill(pid, signal.SIGSTOP)

    assert net.row("v2")["state"] == "unreachable"
    stopped = net("stop")

    assert (stopped["stopped"], stopped["killed"]) == (["v1", "v3", "v4"], ["v2"])
    assert net.row("v2")["state"] == "killed"


def test_a_node_that_cannot_start_says_why_and_is_not_waited_for(net: Net) -> None:
    (net.folder / "v1" / "node.toml").write_text("[api]\nlisten = 'nowhere'\n")

    code, out, err = net.run("start", "--detach", "--lang", "en")

    assert (code, out) == (exit_code(3001), "")
    assert "v1, http" in err
    assert "api.listen" in err


def test_another_process_with_the_number_of_a_node_is_left_alone(net: Net) -> None:
    """Numbers are used again after a reboot: only the node on that home is stopped."""
    path = net.folder / "testnet.json"
    file = json.loads(path.read_text())
    file["nodes"][0]["pid"] = os.getpid()
    path.write_text(json.dumps(file))

    assert net.row("v1")["state"] == "stopped"
    assert net("stop")["stopped"] == []
    clear_folder(net.folder)  # would stop it first
    assert list(net.folder.iterdir()) == []


def test_no_network_is_wrong_usage(tmp_path: Path) -> None:
    Net(tmp_path).refused("testnet.json: No such file", "status")
    (tmp_path / "testnet.json").write_text("{")
    Net(tmp_path).refused("testnet.json", "stop")


def test_without_a_folder_and_a_demo_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("WIJK_TESTNET", raising=False)
    told = CliRunner().invoke(wijk, ["testnet", "status", "-o", "json"])

    assert told.exit_code == exit_code(1001)
    problem = json.loads(told.stderr)
    check_shape(problem, SHAPES["problem"])
    assert "--dir" in problem["detail"]


@pytest.mark.parametrize(("nodes", "is_told"), [(1, True), (4, False)])
def test_q5_who_tolerates_nobody_is_told_at_the_start_and_in_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: int, is_told: bool
) -> None:
    """consensus Q5: fewer than four validators run, and say what that means."""
    folder = tmp_path / "net"
    words = ["testnet", "create", "--nodes", str(nodes), "--base-port", "0", "--dir", str(folder)]
    assert CliRunner().invoke(wijk, words).exit_code == 0
    network = Network(folder)
    network.start()
    try:
        network.wait_in_sync()
        monkeypatch.setenv("WIJK_HOME", str(folder / "client"))
        said = CliRunner().invoke(wijk, ["status"]).stdout
        in_english = CliRunner().invoke(wijk, ["status", "--lang", "en"]).stdout
    finally:
        network.stop()

    log = (folder / "logs" / "v1.log").read_text()
    assert ("no fault tolerance" in log) is is_told
    assert ("geen fouttolerantie" in said) is is_told
    assert ("no fault tolerance" in in_english) is is_told
