"""`wijk vote`, `value`, `board` and `member status` against a real node (interfaces 1.6, 1.8)."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chain.address import account_text
from chain.crypto import sha256
from chain.texts import Problem
from node.client import Client
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import ask_plain as ask
from tests.wallet.program import run
from wallet.keystore import load_key
from wallet.remote import Remote

STRANGER = account_text(bytes(20))
BOARD = ("--key", "board-w1-a", "--key", "board-w1-b")
VOTE_FIELDS = {
    "id", "wijk", "title", "class", "secret", "state", "opens_at", "closes_at", "ballots",
    "eligible", "my_choice",
}  # fmt: skip
TALLY_FIELDS = {
    "vote", "state", "eligible", "ballots", "counts", "turnout_ppm", "passed", "verified", "ok",
    "tx",
}  # fmt: skip


TEXTS = (  # of a vote that was counted, for people
    ("nl", "stemming", "voor 2, tegen 0, blanco 1; opkomst 3/3"),
    ("en", "vote", "for 2, against 0, blank 1; turnout 3/3"),
)


@pytest.fixture
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One node is enough: what validators agree on is tested elsewhere. Each test has its own."""
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(1, 1, 3, b"votes", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    yield made
    made.stop()


def make_block() -> None:
    """Let time pass on the chain too: the time of a chain is that of its newest block."""
    time.sleep(0.3)
    to = load_key(Path(os.environ["WIJK_HOME"]), "dev2").account
    ask("pay", to, "0,01", "--from", "dev3", "--yes")


def await_end(vote: str) -> dict[str, Any]:
    """Return the tally of a vote once its window is over; the command sends what closes it."""
    deadline = time.monotonic() + 60
    while True:
        found = ask("vote", "tally", vote, "--verify", "--key", "dev1", "--yes")
        if found["state"] != "open":
            return found
        assert time.monotonic() < deadline, found
        make_block()


def carry_out(vote: str) -> dict[str, Any]:
    """Carry a vote out as soon as its delay has passed."""
    deadline = time.monotonic() + 60
    while True:
        told = run("vote", "execute", vote, "--key", "dev2", "--yes", "-o", "json")
        if told.exit_code == 0:
            return dict(json.loads(told.stdout))
        assert "WIJK-2213" in told.stderr, told.stderr
        assert time.monotonic() < deadline
        make_block()


@pytest.mark.usefixtures("home")
def test_a_price_is_proposed_voted_counted_and_carried_out(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way of `value propose`, by the board, and each object of interfaces 1.8."""
    made = ask(
        "value", "propose", "TUIN", "--amount", "15", "--per", "hour", "--closes", "8s", *BOARD,
        "--yes",
    )  # fmt: skip
    vote = made["vote"]
    assert vote == "w1/1"
    assert made["seconders"] == {"have": 0, "need": 0}
    assert {"tx", "title", "body_sha256", "opens_at", "closes_at"} <= set(made)

    shown = ask("vote", "show", vote)
    assert set(shown) >= VOTE_FIELDS | {"body", "options", "rule", "proposer", "actions", "tally"}
    (action,) = shown["actions"]
    assert (action["type"], action["record"]["activity"]) == ("registry.put", "TUIN")
    assert shown["rule"] == {
        "kind": "turnout_biased",
        "quorum_ppm": 100_000,
        "majority_ppm": None,
    }
    (listed,) = ask("vote", "list", "--open")["items"]
    assert set(listed) == VOTE_FIELDS

    for who, choice in (("dev1", "nee"), ("dev1", "ja"), ("dev2", "yes"), ("dev3", "blank")):
        cast = ask("vote", "cast", vote, choice, "--key", who, "--yes")
        assert (cast["vote"], cast["secret"], cast["ballot_hash"]) == (vote, False, None)
    early = run("vote", "execute", vote, "--key", "dev1", "--yes")
    assert "WIJK-2215" in early.stderr

    tally = await_end(vote)
    assert set(tally) == TALLY_FIELDS
    assert tally["counts"] == {"yes": 2, "no": 0, "abstain": 1}
    assert (tally["eligible"], tally["ballots"], tally["turnout_ppm"]) == (3, 3, 1_000_000)
    assert (tally["state"], tally["passed"], tally["verified"], tally["ok"]) == (
        "passed", True, True, True,
    )  # fmt: skip
    with monkeypatch.context() as lie:
        told = Remote.choices

        def hide(remote: Remote, vote_id: str) -> list[dict[str, Any]]:
            return told(remote, vote_id)[1:]

        lie.setattr(Remote, "choices", hide)
        hidden = ask("vote", "tally", vote, "--verify", code=8)
        assert (hidden["verified"], hidden["ok"]) == (False, False)
        lie.setattr(Remote, "choices", lambda *_: [{"account": STRANGER, "choice": "yes"}])
        made_up = run("vote", "tally", vote, "--verify")
        assert "WIJK-5001" in made_up.stderr
    assert ask("value", "list")["items"] == []
    carry_out(vote)

    (price,) = ask("value", "list")["items"]
    assert (price["activity"], price["cents_per_unit"], price["unit"]) == ("TUIN", 1_500, "hour")
    assert ask("value", "show", "TUIN")["vote"] == vote
    assert ask("vote", "show", vote)["state"] == "executed"
    again = run("vote", "execute", vote, "--key", "dev1", "--yes")
    assert "WIJK-2203" in again.stderr
    with closing(Client([network.node("v1").api])) as client:
        assert client.get("/v1/votes", wijk="w1", state="executed")["items"][0]["id"] == vote
        proof = client.get(f"/v1/votes/{vote}", prove="1")["proof"]
        assert proof["key"] == f"decision/{shown['decision']}"
    for lang, head, counts in TEXTS:
        assert head in run("vote", "list", "--lang", lang).stdout.lower()
        assert counts in run("vote", "tally", vote, "--lang", lang).stdout


@pytest.mark.usefixtures("home")
def test_a_member_proposes_and_others_second(network: Network) -> None:
    Path("tekst.md").write_text("Meer bankjes in het park.\n")
    made = ask(
        "vote", "propose", "--title", "Bankjes", "--body", "tekst.md", "--class", "survey",
        "--closes", "1h", "--key", "dev1", "--yes",
    )  # fmt: skip
    vote = made["vote"]
    assert made["body_sha256"] == sha256(b"Bankjes\nMeer bankjes in het park.\n").hex()
    assert made["seconders"] == {"have": 0, "need": 5}
    assert ask("vote", "show", vote)["state"] == "collecting"

    ask("vote", "second", vote, "--key", "dev2", "--yes")

    assert ask("vote", "show", vote)["seconders"] == {"have": 1, "need": 5}
    own = run("vote", "second", vote, "--key", "dev1", "--yes")
    assert "WIJK-2211" in own.stderr
    assert run("vote", "show", "w1").exit_code == 2
    with closing(Client([network.node("v1").api])) as client, pytest.raises(Problem) as problem:
        client.get("/v1/votes/w1/999")
    assert problem.value.number == 3007


@pytest.mark.usefixtures("home")
def test_the_board_pauses_and_releases_a_call(network: Network) -> None:
    name = "coin.hold"
    ask("board", "trip", name, "--for", "1h", "--reason", "STORING", "--key", "board-w1-a", "--yes")
    with closing(Client([network.node("v1").api])) as client:
        (trip,) = client.get("/v1/board/w1")["trips"]
        assert (trip["call"], trip["reason"], trip["by"]) == (name, "STORING", "seat")
        never = run(
            "board", "trip", "governance.cast", "--reason", "NEE", "--key", "board-w1-b", "--yes"
        )
        assert "WIJK-2364" in never.stderr
        ask("board", "reset", name, *BOARD, "--yes")
        assert client.get("/v1/board/w1")["trips"] == []


@pytest.mark.usefixtures("home")
def test_a_recall_is_asked_and_a_seat_stands_aside() -> None:
    asked = ask("board", "recall", "2", "--ground", "GELD", "--key", "dev1", "--yes")
    (recall,) = [one for one in ask("vote", "list")["items"] if one["class"] == "recall"]
    assert recall["secret"] is True
    ask("board", "recuse", recall["id"], "--key", "board-w1-b", "--yes")
    twice = run("board", "recuse", recall["id"], "--seat", "2", *BOARD[:2], "--key", "board-w1-c",
                "--yes")  # fmt: skip
    assert "WIJK-2361" in twice.stderr
    assert asked["status"] == "final"


@pytest.mark.usefixtures("home")
def test_a_member_is_heard_before_it_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("--key", "registrar-w1-a", "--key", "registrar-w1-b")
    ask("member", "status", "dev3", "suspended", "--reason", "BEDRAG", *names, "--yes")

    dev3 = load_key(Path(os.environ["WIJK_HOME"]), "dev3").account
    page = ask("member", "list", "--kind", "person", "--status", "active", "--limit", "2")
    rest = ask("member", "list", "--wijk", "w1", "--limit", "500")["items"]
    assert (len(page["items"]), page["next"] is not None) == (2, True)
    assert len({item["account"] for item in rest}) == len(rest) >= 3
    (own,) = [item for item in rest if item["account"] == dev3]
    assert set(own) == {
        "account", "wijk", "kind", "status", "area", "flags", "limit_cents", "proof",
        "account_proof",
    }  # fmt: skip
    whole = ask("member", "list", "--wijk", "w1", "--prove")["items"]
    assert [item["account"] for item in whole] == [item["account"] for item in rest]
    with monkeypatch.context() as lie:
        lie.setattr(Remote, "all_members", lambda *_: whole[1:])
        assert "WIJK-5001" in run("member", "list", "--wijk", "w1", "--prove").stderr
        lie.setattr(Remote, "all_members", lambda *_: [{**whole[0], "area": "X"}, *whole[1:]])
        assert "WIJK-5001" in run("member", "list", "--wijk", "w1", "--prove").stderr
    assert (own["kind"], own["status"], own["flags"]) == ("person", "active", ["vote", "stand"])
    assert ask("member", "list", "--status", "closed")["items"] == []
    assert "WIJK-3007" in run("member", "list", "--wijk", "nergens").stderr

    again = run("member", "status", "dev3", "suspended", "--reason", "BEDRAG", *names, "--yes")

    assert again.exit_code in (0, 5)
    assert again.exit_code == 0 or "WIJK-2331" in again.stderr


@pytest.mark.usefixtures("home")
def test_usage_of_votes() -> None:
    for words in (
        ("vote", "cast", "w1/1", "misschien"),
        ("value", "propose", "TUIN", "--amount", "1", "--per", "week"),
        ("board", "recall", "0", "--ground", "A"),
    ):
        assert run(*words).exit_code == 2
    assert run("value", "show", "NIETS").exit_code == 12
    for code, line in (
        ("1001", ("vote", "show", "7")),
        ("1001", ("board", "trip", "hold", "--reason", "STORING", "--key", "board-w1-a", "--yes")),
        ("2010", ("value", "propose", "zorg en", "--amount", "1", "--per", "hour")),
        ("3007", ("vote", "propose", "--title", "A", "--body", "nergens.md", "--yes")),
        ("3007", ("board", "recall", "1", "--ground", "geld", "--body", "nergens.md", "--yes")),
    ):
        assert f"WIJK-{code}" in run(*line).stderr, line
    # What only people do is refused at once: a draft that others sign would be refused in the end.
    Path("tekst.md").write_text("Bankjes.\n")
    asked = ("vote", "propose", "--title", "B", "--body", "tekst.md", "--closes", "1h", "--yes")
    ask(*asked, "--key", "dev1")
    ask(*asked, "--class", "statutes", *BOARD)
    for what in (("cast", "w1/1", "ja"), ("second", "w1/1")):
        assert "WIJK-2112" in run("vote", *what, "--key", "board-w1-a", "--yes").stderr
    page = ask("vote", "list", "--limit", "1")
    more = ask("vote", "list", "--limit", "1", "--after", page["next"])
    assert [one["id"] for one in (*page["items"], *more["items"])] == ["w1/2", "w1/1"]
    draft = run("vote", "show", "w1/1", "--lang", "en").stdout
    assert "looks for seconders first" in draft
    assert "election list" in run("vote", "show", "w1/2", "--lang", "en").stdout
    sound = ask("vote", "tally", "w1/2", "--verify")
    assert (sound["verified"], sound["counts"]["yes"]) == (True, 0)
    seats = run("board", "list", "--lang", "en").stdout
    assert "Board of w1: 2 seats sign" in seats
    assert seats.count("seat-") == 3
