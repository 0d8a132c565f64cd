"""`wijk audit` as it is typed, against a node on a socket or a home on disk (interfaces 1.8)."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli
from audit.node_source import NodeSource
from chain.address import account_text
from chain.checkpoint import read_note
from chain.errors import Malformed
from chain.texts import Problem
from node.client import Client
from tests.audit.made_chain import MadeChain, make_chain, transfer
from tests.audit.small_node import SmallNode, serve
from tests.audit.test_home import make_home
from tests.federation import account, board, make_genesis
from wallet.config import set_value

CHAIN = make_chain(extra=2)
TOP = len(CHAIN.raws)
TX = CHAIN.blocks[3].outcomes[0].tx_id.hex()
REFUSED_TX = CHAIN.blocks[4].outcomes[0].tx_id.hex()


class Run:
    """The program with one home, asking one node."""

    def __init__(self, home: Path, node: SmallNode, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.node = node
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run `wijk audit WORDS`, want an exit code, and return the object on stdout."""
        line = ["audit", *words, "-o", "json", "--home", str(self.home), "--node", self.node.url]
        with pytest.raises(SystemExit) as ended:
            cli.main(line)
        said = self._capsys.readouterr()
        assert ended.value.code == code, said.err
        self.err = said.err
        tree: dict[str, Any] = json.loads(said.out) if said.out else {}
        return tree

    def text(self, *words: str) -> str:
        line = ["audit", *words, "--lang", "en", "--home", str(self.home), "--node", self.node.url]
        with pytest.raises(SystemExit):
            cli.main(line)
        return self._capsys.readouterr().out


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with serve(CHAIN) as node:
        yield Run(tmp_path / "client", node, capsys)


def test_verify_over_http(run: Run) -> None:
    tree = run("verify")

    assert tree["ok"]
    assert (tree["source"], tree["from"], tree["to"], tree["headers"]) == (
        run.node.url,
        1,
        TOP,
        TOP,
    )
    assert (run.home / "policy.json").exists()


def test_verify_tells_a_person_what_was_done(run: Run) -> None:
    said = run.text("verify")

    assert said.startswith("The chain is sound.\n")
    assert f"{TOP} blocks" in said


def test_verify_prints_the_verdict_and_ends_with_8_where_a_block_is_wrong(run: Run) -> None:
    """interfaces 1.3, 1.4: a verdict command prints its object as well."""
    status, body = run.node.answer("/v1/blocks/3?txs=1")
    run.node.lies["/v1/blocks/3"] = status, body[:60] + bytes([body[60] ^ 1]) + body[61:]

    tree = run("verify", code=8)

    assert (tree["ok"], tree["first_bad"], tree["headers"]) == (False, 3, 2)
    assert json.loads(run.err.splitlines()[-1])["code"] == "WIJK-5001"
    assert not (run.home / "policy.json").exists()


def test_verify_names_a_block_that_the_node_does_not_have(run: Run) -> None:
    assert run("verify", "--to", str(TOP + 1), code=8)["first_bad"] == TOP + 1


def test_verify_from_a_height_says_that_the_books_were_not_checked(run: Run) -> None:
    tree = run("verify", "--from", "3")

    assert (tree["ok"], tree["from_genesis"], tree["invariants"]) == (True, False, None)
    assert "the books were not" in run.text("verify", "--from", "3")


def test_verify_of_a_home_needs_no_node(run: Run, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", "sqlite")
    asked = len(run.node.asked)

    tree = run("verify", "--dir", str(home))

    assert tree["ok"]
    assert tree["source"] == str(home)
    assert len(run.node.asked) == asked


def test_verify_of_a_home_whose_store_is_rubbish_is_a_finding(run: Run, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", "sqlite")
    (home / "store" / "store.sqlite").write_bytes(b"rubbish" * 1000)

    tree = run("verify", "--dir", str(home), code=8)

    assert (tree["ok"], tree["first_bad"], tree["chain_digest"]) == (False, 1, None)


def test_verify_of_no_home_is_a_mistake_not_a_finding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert run("verify", "--dir", str(tmp_path / "empty"), code=3) == {}


def test_a_range_that_ends_before_it_begins_is_wrong_usage(run: Run) -> None:
    assert run("verify", "--from", "5", "--to", "4", code=2) == {}


def test_a_node_that_is_not_there_is_no_finding(run: Run) -> None:
    run.node.url = "http://127.0.0.1:9"

    assert run("verify", code=4) == {}


def test_the_verdict_is_of_one_node_and_names_it(run: Run) -> None:
    """Of the nodes in config.toml the first one that answers is asked, for everything."""
    nodes = ["http://127.0.0.1:9", run.node.url, "http://127.0.0.1:7"]
    set_value(run.home, "default", "nodes", nodes)
    told = CliRunner().invoke(cli.wijk, ["audit", "verify", "-o", "json", "--home", str(run.home)])

    tree = json.loads(told.stdout)
    assert (tree["ok"], tree["source"]) == (True, run.node.url)


def test_a_home_that_trusts_another_chain_is_told_what_to_do(run: Run) -> None:
    run("verify")
    run.node.lies["/v1/genesis"] = 200, make_genesis(wijken=4).canonical

    assert run("verify", code=8)["first_bad"] == 0
    assert "--home" in run.err


def test_a_proof_needs_a_policy_first(run: Run) -> None:
    """A proof that is judged by whom the same node names proves nothing (interfaces 3.5)."""
    assert run("proof", "tx", TX, code=3) == {}
    assert "wijk audit verify" in run.err


def test_proof_of_a_transaction(run: Run) -> None:
    run("verify")

    tree = run("proof", "tx", TX)

    assert tree == {
        "kind": "inclusion",
        "file": str(run.home / "receipts" / f"{TX}.tlog-proof"),
        "ok": True,
        "tx": TX,
        "log_index": 3,
        "log_size": CHAIN.base.frontier.size,
        "code": 0,
    }
    assert Path(tree["file"]).read_text().startswith("c2sp.org/tlog-proof@v1\n")


def test_a_refused_transaction_is_in_the_log_too(run: Run) -> None:
    run("verify")

    tree = run("proof", "tx", REFUSED_TX)

    assert tree["ok"]
    assert tree["code"] == 2109


def test_the_receipt_of_another_transaction_proves_nothing(run: Run) -> None:
    run("verify")
    run.node.lies[f"/v1/receipts/{TX}.tlog-proof"] = run.node.answer(
        f"/v1/receipts/{REFUSED_TX}.tlog-proof"
    )

    tree = run("proof", "tx", TX, code=8)

    assert not tree["ok"]
    assert "another transaction" in run.err


def test_a_transaction_that_is_not_there(run: Run) -> None:
    run("verify")

    run("proof", "tx", "00" * 32, code=12)
    run("proof", "tx", "hello", code=2)


def test_proof_of_an_account(run: Run, tmp_path: Path) -> None:
    run("verify")
    name = account_text(account("anna"))
    out = tmp_path / "anna.json"

    tree = run("proof", "account", name, "--out", str(out))

    assert (tree["kind"], tree["ok"], tree["file"]) == ("state", True, str(out))
    assert tree["key"] == f"bal/delfshaven:EUR/2/{name}"
    assert tree["available_cents"] == 10_000 - 1_250 + 300 - 700 - 1 - 2
    assert tree["height"] == TOP


def test_a_board_account_is_a_fund_and_nothing_on_it_is_proven_too(run: Run) -> None:
    """interfaces 1.8: class 7 for a board account; a balance of 0 has no key."""
    run("verify")
    name = account_text(board("noord"))

    tree = run("proof", "account", name)

    assert tree["key"] == f"bal/noord:EUR/7/{name}"
    assert (tree["ok"], tree["value"], tree["available_cents"]) == (True, None, 0)


def test_the_proof_of_another_key_proves_nothing(run: Run) -> None:
    run("verify")
    mine = account_text(account("anna"))
    other = account_text(account("chaima"))
    for key in ("account/{}", "bal/delfshaven:EUR/2/{}"):
        run.node.lies.clear()
        lie = run.node.answer("/v1/proofs/state?key=" + key.format(other).replace("/", "%2F"))
        asked = "/v1/proofs/state?key=" + key.format(mine).replace("/", "%2F").replace(":", "%3A")
        run.node.lies[asked] = lie

        run("proof", "account", mine, code=8)

        assert "another key" in run.err


def test_an_account_that_the_chain_does_not_have(run: Run) -> None:
    run("verify")

    run("proof", "account", account_text(account("nobody")), code=8)
    run("proof", "account", "anna", code=2)


def test_proof_that_nothing_was_rewritten(run: Run, tmp_path: Path) -> None:
    """interfaces 5.4: last year's checkpoint and a proof."""
    kept = keep_checkpoint(tmp_path, run, height=3)

    tree = run("proof", "consistency", "--from", str(kept))

    assert (tree["kind"], tree["ok"]) == ("consistency", True)
    assert (tree["from_size"], tree["to_size"]) == (3, CHAIN.base.frontier.size)
    assert tree["hashes"] > 0
    assert run("proof", "consistency", "--from", "2", "--to", "5")["ok"]


def keep_checkpoint(folder: Path, run: Run, *, height: int) -> Path:
    """Verify, and keep the checkpoint of an earlier block as an auditor would have then."""
    from node.views import checkpoint_text

    run("verify")
    note = checkpoint_text(run.node.store, CHAIN.chain.chain_id, height)
    assert note is not None
    path = folder / f"{height}.ckpt"
    path.write_text(note)
    return path


def other_history(extra: int) -> MadeChain:
    """The same validators, going another way after the same genesis: a fork."""
    chain = make_chain()
    for number in range(extra):
        chain.by_person("anna", transfer("chaima", 4_321 + number))
    return chain


@pytest.mark.parametrize(("extra", "code"), [(1, "5001"), (2, "5003"), (3, "5001")])
def test_a_fork_is_shown_by_a_kept_checkpoint(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: int, code: str
) -> None:
    """A shorter log is no proof of a fork, the same height is, and a longer log is not ours."""
    kept = keep_checkpoint(tmp_path, run, height=TOP)
    with serve(other_history(extra)) as forked:
        fork = Run(run.home, forked, capsys)

        diff = fork("checkpoint", "diff", str(kept), code=8)

    assert diff["ok"] is False
    assert json.loads(fork.err.splitlines()[-1])["code"] == f"WIJK-{code}"
    kept_too = run.home / "forks" / f"{TOP}.ckpt"  # both certificates, and no trust until then
    assert kept_too.exists() is (code == "5003")
    if kept_too.exists():
        assert len(read_note(kept_too.read_text()).lines) >= 3
        for command in (["checkpoint", "get"], ["verify"]):
            assert run(*command, code=8) == {}
            assert str(kept_too) in run.err


def test_a_consistency_proof_between_other_heads_proves_nothing(run: Run, tmp_path: Path) -> None:
    kept = keep_checkpoint(tmp_path, run, height=3)
    size = CHAIN.base.frontier.size
    asked = f"/v1/proofs/consistency?from=3&to={size}"
    run.node.lies[asked] = 200, run.node.consistency(2, size).encode()

    assert not run("proof", "consistency", "--from", str(kept), code=8)["ok"]
    assert "other sizes" in run.err
    run.node.lies[asked] = 200, run.node.consistency(3, size).replace('"from_root":"', "").encode()
    assert not run("proof", "consistency", "--from", str(kept), code=8)["ok"]


def test_checkpoints_are_kept_and_compared(run: Run, tmp_path: Path) -> None:
    run("verify")
    tree = run("checkpoint", "get")

    path = Path(tree["file"])
    assert path == run.home / "checkpoints" / f"{TOP}.ckpt"
    assert len(read_note(path.read_text()).lines) >= 3
    same = run("checkpoint", "diff", str(path))
    assert (same["ok"], same["transactions"]) == (True, 0)
    older = run("checkpoint", "diff", str(keep_checkpoint(tmp_path, run, height=2)))
    assert (older["ok"], older["transactions"]) == (True, CHAIN.base.frontier.size - 2)


def test_a_checkpoint_below_a_quorum_is_not_kept(run: Run) -> None:
    """consensus M15: one vote is no checkpoint."""
    run("verify")
    note = run.node.answer("/log/checkpoint")[1].decode().splitlines(keepends=True)
    run.node.lies["/log/checkpoint"] = 200, "".join(note[:7]).encode()

    run("checkpoint", "get", code=8)

    assert not (run.home / "checkpoints").exists()


def test_an_audit_waits_when_the_node_says_that_it_asks_too_fast(run: Run) -> None:
    """interfaces 2.1: reads are limited per address; an audit asks for every block."""
    waited: list[float] = []
    busy = {"code": "WIJK-3004", "params": {"retry_after_s": 7}}
    run.node.lies["/v1/status"] = 429, json.dumps(busy).encode()

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            run.node.lies.clear()

    with closing(Client([run.node.url])) as client:
        assert NodeSource(client, run.node.url, sleep).read_height() == TOP
        assert waited == [7.0, 7.0, 7.0]
        run.node.lies["/v1/status"] = 429, json.dumps(busy).encode()
        with pytest.raises(Problem):
            NodeSource(client, run.node.url, lambda _seconds: None).read_height()


def test_a_status_without_a_height_is_nonsense(run: Run) -> None:
    run.node.lies["/v1/status"] = 200, b"{}"

    with closing(Client([run.node.url])) as client, pytest.raises(Malformed):
        NodeSource(client, run.node.url).read_height()


def test_an_export_late_in_the_evening_has_the_book_date_of_that_hour(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy B9: book dates run an hour ahead of UTC."""
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC).timestamp()
    monkeypatch.setattr("time.time", lambda: late)

    made = run("export", "--format", "csv", "--out", str(tmp_path / "books"))

    assert made["to_on"] == "2026-12-01"
