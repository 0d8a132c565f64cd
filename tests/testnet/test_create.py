"""wijk testnet create: what a network on one machine is made of (interfaces 1.7, 1.8, 3.2)."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.texts import exit_code
from cli import wijk
from tests.shapes import Maybe, check_shape

CREATED = {
    "dir": "text",
    "chain_id": "text",
    "chain_digest": "hex",
    "seed": Maybe("int"),
    "quorum": "int",
    "nodes": [
        {
            "name": "text",
            "wijk": "text",
            "home": "text",
            "p2p": "text",
            "api": "text",
            "metrics": "text",
            "admin": "text",
        }
    ],
    "keys": [{"name": "text", "account": "id", "wijk": "text", "balance_cents": "int"}],
    "client_home": "text",
}


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIJK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WIJK_HOME", str(tmp_path / "nobody"))


def create(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(wijk, ["testnet", "create", "--dir", str(folder), *words])


def created(folder: Path, *words: str) -> dict[str, Any]:
    told = create(folder, *words, "-o", "json")
    assert told.exit_code == 0, told.stderr
    tree: dict[str, Any] = json.loads(told.stdout)
    check_shape(tree, CREATED)
    return tree


def contents(folder: Path) -> dict[str, bytes]:
    """Return the digest of every file but those that tell where and when it was made."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("LOG", "testnet.json")
    }


def test_the_object_and_the_folder_are_those_of_the_document(tmp_path: Path) -> None:
    net = tmp_path / "net"
    tree = created(net, "--nodes", "4", "--accounts", "5", "--seed", "7")

    assert (tree["chain_id"], tree["seed"], tree["quorum"]) == ("testnet", 7, 3)
    assert tree["chain_digest"] == sha256((net / "genesis.json").read_bytes()).hexdigest()
    assert [(node["name"], node["wijk"]) for node in tree["nodes"]] == [
        ("v1", "w1"),
        ("v2", "w2"),
        ("v3", "w3"),
        ("v4", "w4"),
    ]
    second = tree["nodes"][1]
    assert (second["p2p"], second["api"], second["metrics"]) == (
        "127.0.0.1:27110",
        "http://127.0.0.1:27111",
        "http://127.0.0.1:27112",
    )
    assert [(key["name"], key["wijk"], key["balance_cents"]) for key in tree["keys"]] == [
        ("dev1", "w1", 1_000_000),
        ("dev2", "w2", 1_000_000),
        ("dev3", "w3", 1_000_000),
        ("dev4", "w4", 1_000_000),
        ("dev5", "w1", 1_000_000),
    ]
    client = Path(tree["client_home"])
    assert client == net / "client"
    assert (client / "passphrase").read_text() == "wijk-test\n"
    config = (client / "config.toml").read_text()
    assert all(node["api"] in config for node in tree["nodes"])
    names = {path.stem for path in (client / "keys").iterdir()}
    assert names >= {"dev1", "board-w1-a", "board-w1-b", "board-w1-c"}
    assert names >= {"registrar-w4-a", "registrar-w4-b"}
    assert json.loads((client / "policy.json").read_text())["chain_digest"] == tree["chain_digest"]
    for name in ("node.toml", "genesis.json", "keys/consensus.json", "keys/transport.pem"):
        assert (net / "v3" / name).is_file()
    assert 'rate = "off"' in (net / "v3" / "node.toml").read_text()


def test_genesis_is_that_of_the_document(tmp_path: Path) -> None:
    created(tmp_path / "net", "--nodes", "3", "--wijken", "3", "--seed", "7")
    doc = json.loads((tmp_path / "net" / "genesis.json").read_text())

    assert (doc["chain_id"], doc["purpose"]) == ("testnet", "test")
    assert doc["genesis_time"] == "2026-01-01T00:00:00.000Z"
    assert [(w["slug"], w["cbs_code"], w["cbs_year"]) for w in doc["wijken"]] == [
        ("w1", "WK999900", 2026),
        ("w2", "WK999901", 2026),
        ("w3", "WK999902", 2026),
    ]
    params = doc["params"]
    assert {params[f"quota_{kind}"] for kind in ("person", "business", "role")} == {0}
    assert params["recovery_delay_s"] == params["epoch_s"] == params["objection_s"] == 5
    assert {tuple(p["wijken"]): (p["mode"], p["caps_cents"]) for p in doc["pacts"]} == {
        pair: ("PLEDGED", [100_000, 100_000]) for pair in (("w1", "w2"), ("w1", "w3"), ("w2", "w3"))
    }
    accounts = {account["id"]: account for account in doc["accounts"]}
    for area in doc["wijken"]:
        board, registrar = accounts[area["board"]], accounts[area["registrar"]]
        assert area["treasury"] == area["board"]
        assert (board["threshold"], len(board["keys"])) == (2, 3)
        assert (registrar["threshold"], len(registrar["keys"])) == (2, 2)
        seated = {key["holder"] for key in board["keys"]}
        assert [key["holder"] in seated for key in registrar["keys"]] == [True, False]


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    words = ("--nodes", "2", "--base-port", "29300")
    first, second = tmp_path / "one" / "net", tmp_path / "two" / "net"
    one, two = created(first, *words, "--seed", "7"), created(second, *words, "--seed", "7")

    assert contents(first) == contents(second)
    assert one["keys"] == two["keys"]
    third = created(tmp_path / "net", *words, "--seed", "8")
    assert third["chain_digest"] != one["chain_digest"]
    assert third["keys"] != one["keys"]
    free = created(tmp_path / "free", "--nodes", "1", "--base-port", "0")
    assert free["seed"] is None
    assert not free["nodes"][0]["api"].endswith(":27101")


@pytest.mark.parametrize(("nodes", "warned"), [(1, True), (2, True), (3, True), (4, False)])
def test_fewer_than_four_nodes_tolerate_nothing_and_that_is_said(
    tmp_path: Path, nodes: int, warned: bool
) -> None:
    told = create(tmp_path / "net", "--nodes", str(nodes), "--base-port", "0", "--lang", "en")

    assert told.exit_code == 0
    assert ("no fault is tolerated" in told.stderr) is warned


@pytest.mark.parametrize("nodes", ["0", "101", "many"])
def test_a_number_of_nodes_out_of_range_is_wrong_usage(tmp_path: Path, nodes: str) -> None:
    assert create(tmp_path / "net", "--nodes", nodes).exit_code == exit_code(1001)
    assert not (tmp_path / "net").exists()


def test_a_folder_in_use_is_refused_and_force_removes_a_network_alone(tmp_path: Path) -> None:
    net = tmp_path / "net"
    words = ("--nodes", "1", "--base-port", "0", "--seed", "7")
    old = created(net, "--nodes", "2", "--base-port", "0")
    (net / "notes.txt").write_text("mine")

    refused = create(net, *words, "--lang", "en")
    assert refused.exit_code == exit_code(1002)
    assert "is not empty (--force)" in refused.stderr
    assert (net / "v2").is_dir()

    new = created(net, *words, "--force")
    assert new["chain_digest"] != old["chain_digest"]
    assert not (net / "v2").exists()
    assert (net / "notes.txt").read_text() == "mine"


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIJK_TESTNET", str(tmp_path / "net"))
    words = ["testnet", "create", "--nodes", "1", "--base-port", "0"]

    assert CliRunner().invoke(wijk, words).exit_code == 0
    assert (tmp_path / "net" / "testnet.json").is_file()
