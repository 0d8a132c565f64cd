"""`wijk board` on real processes: a node asks, a board decides (interfaces 1.6, 3.7)."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from chain.crypto import public_key, sign
from chain.errors import Malformed
from chain.join_request import (
    JOIN_BYTES_MAX,
    JoinRequest,
    join_bytes,
    read_join_request,
    write_join_request,
)
from chain.strict_json import parse_json
from cli import wijk
from node.commands_join import base45
from node.setup import load_node_key
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import ask_plain

NOW = "2026-11-26T12:00:00.000Z"
FOUR = {"total": 4, "quorum": 3, "can_lose": 1}
BOARD = ("--key", "board-w1-a", "--key", "board-w1-b")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(4, 4, 2, b"board", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    line = ["pay", "dev2", "1,00", "--from", "dev1", "--yes", "--home"]
    first = CliRunner().invoke(wijk, [*line, str(folder / "client")])
    assert first.exit_code == 0, first.stderr  # nothing is proven, nor reported, before block 1
    yield made
    made.stop()


@pytest.fixture(scope="module")
def listening() -> Iterator[str]:
    """Give an address where somebody listens, as the node that asks would."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def asked(network: Network, listening: str) -> Path:
    """Make a node and let it ask."""
    home, out = network.folder / "new", network.folder / "new.json"
    genesis = str(network.folder / "genesis.json")
    words = ["node", "init", "--wijk", "w1", "--name", "new", "--genesis", genesis, "--yes"]
    made = CliRunner().invoke(wijk, [*words, "--external", listening, "--home", str(home)])
    assert made.exit_code == 0, made.stderr
    url = network.file.nodes[1].api
    words = ["board", "join-request", "--wijk", "w1", "--home", str(home), "--node", url]
    told = CliRunner().invoke(wijk, [*words, "--out", str(out), "--qr", "-o", "json"])
    assert told.exit_code == 0, told.stderr
    tree = json.loads(told.stdout)
    assert (tree["file"], tree["wijk"], tree["name"]) == (str(out), "w1", "new")
    assert tree["qr"] == base45(out.read_bytes())
    return out


def run(*words: str) -> Result:
    return CliRunner().invoke(wijk, ["board", *words])


def ask(*words: str) -> dict[str, Any]:
    return ask_plain("board", *words)


def request_of(path: Path) -> JoinRequest:
    return parse_json(path.read_bytes(), JoinRequest)


def signed(asked: Path, **changes: Any) -> bytes:
    """Return the request with changes, signed by the node that asked."""
    seed = load_node_key(asked.parent / "new" / "keys" / "consensus.json")
    changed = msgspec.structs.replace(request_of(asked), **changes)
    return write_join_request(changed, sign(seed, join_bytes(changed)))


def test_what_happens_when_a_validator_leaves(home: Path) -> None:
    by_name = ask("propose-remove", "v2", "--dry-run")
    by_key = ask("propose-remove", by_name["public_key"], "--dry-run")

    assert by_name == by_key
    assert (by_name["before"], by_name["after"]) == (
        FOUR,
        {"total": 3, "quorum": 2, "can_lose": 1},
    )
    said = run("propose-remove", "v2", "--dry-run", "--lang", "en").stderr
    assert "the chain refuses fewer than four" in said
    assert run("propose-remove", "v9", "--dry-run").exit_code == 12


def test_a_wijk_leaves_when_the_boards_say_so(
    home: Path, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy E36: to propose is not to endorse, and the text tells a board how to do that."""
    monkeypatch.chdir(tmp_path)
    told = run("propose-remove", "v2", *BOARD, "--yes", "--lang", "en")
    assert told.exit_code == 0, told.stderr
    assert "it only redeems and settles" in told.stderr
    assert "then: 3 nodes" in told.stderr
    assert "two thirds of the boards must be in favour" in told.stdout
    (matter,) = set(re.findall(r"[0-9a-f]{64}", told.stdout))

    node = ["--node", network.file.nodes[1].api, "-o", "json"]
    shown = CliRunner().invoke(wijk, ["query", "tx", matter, *node])
    call = json.loads(shown.stdout)["call"]
    assert (call["type"], call["call"]["type"]) == ("wijk.fed_propose", "wijk.remove")
    assert (call["call"]["wijk_id"], call["call"]["from_epoch"]) == ("w2", 0)
    assert f"wijk board endorse {matter}" in told.stderr

    voted = ask("endorse", matter, *BOARD, "--yes")

    assert (voted["state"], voted["in_favour"], voted["need"]) == ("open", ["w1"], 3)
    assert voted["call"]["type"] == "wijk.remove"
    again = run("endorse", matter, "--against", *BOARD, "--yes", "-o", "json")
    assert json.loads(again.stderr.splitlines()[-1])["code"] == "WIJK-2355"


def test_a_proposal_to_leave_that_others_must_sign_is_a_draft(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    told = run("propose-remove", "v2", "--key", "board-w1-a", "--yes", "-o", "json")

    assert told.exit_code == 11, told.stderr
    assert json.loads(told.stdout)["status"] == "draft"


def test_the_board_is_listed(home: Path) -> None:
    assert [one["name"] for one in ask("list")["items"]] == ["v1", "v2", "v3", "v4"]


def test_a_request_that_is_not_right_is_refused(home: Path, asked: Path, tmp_path: Path) -> None:
    ready = request_of(asked).ready
    wrong = {
        "chain": signed(asked, chain_digest="00" * 32),
        "binding": signed(asked, proof="00" * 64),
        "report": signed(asked, ready=msgspec.structs.replace(ready, proof="00" * 64)),
        "unsigned": asked.read_bytes().replace(b'"name":"new"', b'"name":"old"'),
    }
    for name, data in wrong.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(data)
        told = run("propose-add", str(path), "--dry-run", "-o", "json")
        assert told.exit_code in (5, 8), (name, told.stderr)
        assert told.stdout == ""
    assert run("propose-add", str(tmp_path / "none.json"), "--dry-run").exit_code == 12


def test_one_member_of_a_board_is_not_enough(home: Path, asked: Path) -> None:
    told = run("propose-add", str(asked), "--key", "board-w1-a", "--yes", "-o", "json")

    assert told.exit_code == 5
    assert json.loads(told.stderr.splitlines()[-1])["code"] == "WIJK-2002"


def test_the_board_sees_the_quorum_and_lets_the_node_vote(
    home: Path, asked: Path, listening: str, network: Network
) -> None:
    """V, economy E38, E40: what it does to the quorum first; the set changes at the border."""
    tree = ask("propose-add", str(asked), "--dry-run")

    assert (tree["before"], tree["after"]) == (FOUR, FOUR)
    assert (tree["replaces"], tree["wijk"], tree["name"]) == ("v1", "w1", "new")
    assert (tree["address"], tree["reachable"]) == (listening, True)
    assert tree["behind_blocks"] >= 0
    for lang, said in (("nl", "nu: 4 nodes, 3 nodig"), ("en", "now: 4 nodes, 3 needed")):
        assert said in run("propose-add", str(asked), "--dry-run", "--lang", lang).stderr

    tree = ask("propose-add", str(asked), *BOARD, "--yes")

    assert (tree["status"], tree["code"], tree["verified"]) == ("final", 0, True)
    assert (tree["before"], tree["after"]) == (FOUR, FOUR)
    told = CliRunner().invoke(
        wijk, ["query", "tx", tree["tx"], "--node", network.file.nodes[1].api, "-o", "json"]
    )
    call = json.loads(told.stdout)["call"]
    assert (call["type"], call["role"]) == ("wijk.register_role", "VALIDATOR")
    assert call["node"]["validator"] == request_of(asked).public_key


# ------------------------------------------------------------------------------- the file itself


def test_a_request_is_read_as_strictly_as_it_is_written(asked: Path) -> None:
    data = asked.read_bytes()
    assert read_join_request(data, NOW) == request_of(asked)
    stranger = sign(bytes(32), join_bytes(request_of(asked)))
    cases = {
        "it ended at": (data, "2099-01-01T00:00:00.000Z"),
        "more than": (b" " * (JOIN_BYTES_MAX + 1), NOW),
        "not signed by": (write_join_request(request_of(asked), stranger), NOW),
        "format is not": (signed(asked, format="wijk/join-request/2"), NOW),
        "not the name of": (signed(asked, wijk="W 1"), NOW),
        "sound Ed25519 key": (signed(asked, transport_key="00" * 32), NOW),
        "expires_at": (signed(asked, expires_at="tomorrow"), NOW),
        "unknown field": (data.replace(b'{"address"', b'{"a":1,"address"'), NOW),
        "not JSON": (b"{", NOW),
    }
    for why, (bad, now_at) in cases.items():
        with pytest.raises(Malformed, match=why):
            read_join_request(bad, now_at)
    assert public_key(bytes(32)).hex() != request_of(asked).public_key


@pytest.mark.parametrize(
    ("data", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581")]
)
def test_base45_is_that_of_rfc_9285(data: bytes, text: str) -> None:
    assert base45(data) == text
