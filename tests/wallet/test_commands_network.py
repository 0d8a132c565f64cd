"""The program against a network of real processes: shapes, money, drafts, exit codes (1.4-1.8)."""

import base64
import json
import os
import shutil
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bank.pain001 import end_to_end_id
from chain.policy import read_policy
from chain.texts import Problem
from cli import wijk
from node.client import Client
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.shapes import SHAPES, check_shape
from tests.wallet.program import IBAN, ask, camt, refused, run
from wallet.contacts import add_contact, load_contacts, save_contacts
from wallet.keystore import load_key, unlock
from wallet.memo import open_memo
from wallet.verify import verify_account, verify_block

OPENING = 1_000_000  # what dev1, and dev5, hold of w1 at genesis: two keys make twice as much
PUBLIC_URL = "https://wijk.example"  # of v2; the others name none


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(4, 4, 6, b"commands", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    settings = Path(made.node("v2").home) / "node.toml"
    told = settings.read_text()
    assert 'public_url = ""' in told
    settings.write_text(told.replace('public_url = ""', f'public_url = "{PUBLIC_URL}"'))
    made.start()
    made.wait_in_sync()
    home = folder / "client"
    contacts = load_contacts(home)
    bakery = load_key(home, "dev5").account
    save_contacts(home, add_contact(contacts, "Bakker Jansen", bakery, at=SEEDED_TIME))
    line = ["pay", "dev2", "1,00", "--from", "dev1", "--yes", "--home", str(home)]
    first = CliRunner().invoke(wijk, line)  # nothing is proven before block 1
    assert first.exit_code == 0, first.stderr
    yield made
    made.stop()


def balance(who: str) -> int:
    return int(ask("account balance", "account", "balance", who)["balance_cents"])


# ------------------------------------------------------------------------------------ money


def test_status_in_both_languages_and_as_object(home: Path) -> None:
    status = ask("status", "status", "--exit-code")

    assert status["validators"]["total"] == 4
    assert status["health"] == "ok"
    assert "4 van 4 nodes" in run("status").stdout
    assert "4 of 4 nodes" in run("status", "--lang", "en").stdout


def test_node_status_asks_the_admin_socket(home: Path, network: Network) -> None:
    node = network.node("v1")
    if len(node.admin) > 100:
        pytest.fail("the folder for tests is too deep for a Unix socket")

    status = ask("node status", "node", "status", "--home", node.home)

    assert status["node"] == "v1"
    assert len(status["peers"]) == 3
    assert "v1: blok" in run("node", "status", "--home", node.home).stdout


def test_a_payment_inside_the_wijk_ends_with_a_verified_receipt(home: Path) -> None:
    before = balance("dev1"), balance("dev5")

    paid = ask("pay", "pay", "Bakker Jansen", "12,50", "--from", "dev1", "--memo", "Brood", "--yes")

    assert (paid["status"], paid["verified"], paid["code"]) == ("final", True, 0)
    assert (paid["to_name"], paid["memo"]) == ("Bakker Jansen", "Brood")
    assert (paid["cross_wijk"], paid["denom"]) == (False, "w1:EUR")
    assert (balance("dev1"), balance("dev5")) == (before[0] - 1250, before[1] + 1250)
    receipt = ask("receipt", "receipt", "verify", str(home / paid["receipt"]))
    assert receipt["ok"] is True
    assert receipt["payment"]["memo_matches"] is True
    assert not list((home / "outbox").iterdir())
    assert "zeker na" in run("status").stdout


def test_a_payment_across_uses_trade_pay_at_par(home: Path) -> None:
    before = balance("dev2")

    paid = ask("pay", "pay", "dev2", "1.00", "--from", "dev1", "--yes")

    assert (paid["cross_wijk"], paid["wijk_from"], paid["wijk_to"]) == (True, "w1", "w2")
    shown = ask("query tx", "query", "tx", paid["tx"], "--prove")
    assert shown["call"]["type"] == "trade.pay"
    assert balance("dev2") == before + 100


def test_paid_is_said_in_words_and_the_next_step_too(home: Path) -> None:
    dutch = run("pay", "Bakker Jansen", "0,10", "--from", "dev1", "--yes")
    english = run("pay", "Bakker Jansen", "0,10", "--from", "dev1", "--yes", "--lang", "en")

    assert dutch.stdout == "Betaald: € 0,10 aan Bakker Jansen.\n"
    assert "U betaalt € 0,10 aan Bakker Jansen (w1)." in dutch.stderr
    assert "Hierna: wijk receipt verify" in dutch.stderr
    assert english.stdout == "Paid: €0.10 to Bakker Jansen.\n"
    assert "Next: wijk receipt verify" in english.stderr


def test_a_dry_run_tells_the_effects_and_sends_nothing(home: Path) -> None:
    before = balance("dev1")

    tried = ask("pay --dry-run", "pay", "dev2", "1,00", "--from", "dev1", "--dry-run")
    told = run("pay", "Bakker Jansen", "100000", "--from", "dev1", "--dry-run", "-o", "json")

    assert tried["allowed"] is True
    assert [effect["change_cents"] for effect in tried["effects"]] == [-100, 100]
    tree = json.loads(told.stdout)
    check_shape(tree, SHAPES["pay --dry-run"])
    assert told.exit_code == 5
    assert tree["problem"]["code"] == "WIJK-2104"
    assert json.loads(told.stderr.splitlines()[-1]) == tree["problem"]
    assert balance("dev1") == before


def test_a_refusal_says_what_would_help(home: Path) -> None:
    problem = refused(2104, "pay", "Bakker Jansen", "100000", "--from", "dev1", "--yes")
    text = run("pay", "Bakker Jansen", "100000", "--from", "dev1", "--yes").stderr

    assert problem["nothing_sent"] is True
    assert problem["params"]["amount_cents"] == 10_000_000
    assert 'Probeer: wijk pay "Bakker Jansen"' in text
    assert not list((home / "outbox").iterdir())


def test_usage_is_refused_before_anything_is_sent(home: Path) -> None:
    refused(1006, "pay", "Bakker", "1", "--from", "dev1", "--yes")
    refused(1003, "pay", "dev2", "1", "--from", "niemand", "--yes")
    refused(1001, "pay", "dev2", "1", "--from", "dev1")  # nobody to ask
    refused(1001, "pay", "dev2", "1", "--from", "dev1", "--yes", "--valid-for", "11m")
    refused(1001, "pay", "dev2", "1", "--from", "dev1", "--yes", "--memo", "x" * 141)
    refused(2109, "pay", "dev1", "1", "--from", "dev1", "--yes")


def test_a_request_can_be_paid_from_its_link(home: Path) -> None:
    asked = ask("request", "request", "2,00", "--to", "dev5", "--memo", "bloemen")
    before = balance("dev5")

    paid = ask("pay", "pay", asked["link"], "--from", "dev1", "--yes")

    assert asked["qr"] == asked["link"]
    assert (paid["amount_cents"], paid["memo"]) == (200, "bloemen")
    assert balance("dev5") == before + 200
    refused(1005, "pay", asked["link"], "3,00", "--from", "dev1", "--yes")


def test_a_request_leads_to_where_people_reach_the_node(home: Path, network: Network) -> None:
    """interfaces 3.7: the link holds `api.public_url`; without one, the address that was asked."""
    words = ("request", "request", "2,00", "--to", "dev5")
    named = ask(*words, "--node", network.node("v2").api)
    unnamed = ask(*words, "--node", network.node("v1").api)

    assert named["link"].startswith(f"{PUBLIC_URL}/p#r=")
    assert unnamed["link"].startswith(f"{network.node('v1').api}/p#r=")


def test_a_receipt_can_go_to_a_file_of_choice(home: Path, tmp_path: Path) -> None:
    paid = ask(
        "pay", "pay", "dev5", "0,20", "--from", "dev1", "--yes", "--receipt", "bon.tlog-proof"
    )

    assert paid["receipt"] == "bon.tlog-proof"
    assert ask("receipt", "receipt", "verify", "bon.tlog-proof")["ok"] is True


def test_accepted_is_not_paid(home: Path) -> None:
    sent = ask("pay", "pay", "dev5", "0,30", "--from", "dev1", "--yes", "--wait", "accepted")

    assert sent["status"] in ("accepted", "final")
    assert ask("tx send", "tx", "wait", sent["tx"])["status"] == "final"


# ---------------------------------------------------------------------------------- reading


def test_history_has_names_and_the_memos_of_this_home(home: Path) -> None:
    """A memo that came in is opened with the payee's key, once its receipt was verified."""
    ask("pay", "pay", "dev5", "0,05", "--from", "dev1", "--yes")
    ask("pay", "pay", "dev2", "0,05", "--from", "dev1", "--yes")
    paid = ask("pay", "pay", "dev1", "3,00", "--from", "dev5", "--memo", "Voor de fiets", "--yes")
    (home / paid["receipt"]).unlink()  # as in another person's home

    page = ask("account history", "account", "history", "dev1", "--limit", "2")
    other = run("account", "history", "dev1", "--with", "dev2", "-o", "json")

    newest = page["items"][0]
    assert (newest["tx"], newest["memo"]) == (paid["tx"], "Voor de fiets")
    assert newest["counterparty_name"] == "Bakker Jansen"
    assert (home / paid["receipt"]).exists()
    assert page["next"] is not None
    more = ask("account history", "account", "history", "dev1", "--after", page["next"])
    assert page["items"][0] not in more["items"]
    assert {item["counterparty_name"] for item in json.loads(other.stdout)["items"]} == {"dev2"}
    assert "Voor de fiets" in run("account", "history", "dev1").stdout


def test_lists_as_lines_and_csv(home: Path) -> None:
    ask("pay", "pay", "dev5", "0,40", "--from", "dev1", "--yes")

    lines = run("account", "history", "dev1", "-o", "jsonl", "--limit", "1").stdout.splitlines()
    table = run("account", "history", "dev1", "-o", "csv", "--limit", "1").stdout_bytes.decode()

    assert len(lines) == 1
    check_shape({"items": [json.loads(lines[0])], "next": None, "as_of_height": 1},
                SHAPES["account history"])  # fmt: skip
    assert table.split("\r\n")[0].startswith("tx,height,index,at,kind,direction,counterparty")
    assert len(table.split("\r\n")) == 3


def test_limits_validators_params_blocks_and_accounts(home: Path) -> None:
    ask("pay", "pay", "dev5", "0,50", "--from", "dev1", "--yes")

    ask("account limits", "account", "limits", "dev1")
    ask("query params", "query", "params")
    assert len(ask("query validators", "query", "validators")["items"]) == 4
    newest = ask("query block", "query", "block", "latest", "--txs", "--prove")
    by_id = ask("query block", "query", "block", newest["block_id"])
    assert by_id["height"] <= newest["height"]
    assert newest["txs"] is not None
    proven = ask("query account", "query", "account", "dev1", "--prove")
    assert proven["proof"] is not None
    board = ask("query account", "query", "account", "board-w1-a", "--prove")
    assert board["kind"] == "board"
    assert "saldo en sleutels bewezen" in run("query", "account", "dev1", "--prove").stdout
    assert "pact_vote_cents = € " in run("query", "params").stdout
    refused(3007, "query", "tx", "ab" * 32)


def test_search_finds_a_block_an_order_and_an_account(home: Path) -> None:
    newest = ask("query block", "query", "block", "latest")
    paid = ask("pay", "pay", "dev5", "0,10", "--from", "dev1", "--yes")
    words = ("1", newest["block_id"], paid["tx"], paid["from"])

    found = [ask("query search", "query", "search", word)["items"] for word in words]

    assert [[item["kind"] for item in items] for items in found] == [
        ["block"],
        ["block"],
        ["tx"],
        ["account"],
    ]
    assert [items[0]["ref"] for items in found] == list(words)
    assert ask("query search", "query", "search", "niets")["items"] == []
    assert "Blok 1" in run("query", "search", "1").stdout
    refused(3009, "query", "search", "x" * 65)
    refused(3007, "query", "block", "999999")


def test_events_come_in_order_and_go_on_after_an_id(home: Path) -> None:
    paid = [
        ask("pay", "pay", "dev5", amount, "--from", "dev1", "--yes") for amount in ("0,60", "0,61")
    ]
    first = json.loads(run("query", "events", "block", "--limit", "1", "--after", "0.0", "-o",
                           "jsonl").stdout)  # fmt: skip
    lines = run("query", "events", "tx", "--limit", "2", "--after", "0.0", "-o", "jsonl").stdout

    assert first["topic"] == "block"
    assert first["height"] == 1
    ids = [tuple(map(int, json.loads(line)["id"].split("."))) for line in lines.splitlines()]
    assert len(ids) == 2
    assert ids == sorted(ids)
    before = f"{paid[0]['height'] - 1}.9999"
    every = run("query", "events", "--limit", "2", "--after", before).stdout
    assert f"Blok {paid[0]['height']}, opdrachten: 1, door v" in every
    assert "coin.transfer € " in every or "trade.pay € " in every
    assert "cents" not in every


def test_nothing_that_a_node_changes_in_a_block_passes_for_proven(
    home: Path, network: Network
) -> None:
    policy = read_policy((home / "policy.json").read_bytes())
    client = Client([network.file.nodes[0].api])
    block = client.block(1, prove=True)
    verify_block(block, "1", policy)
    verify_block(block, block["block_id"], policy)
    with pytest.raises(Problem):
        verify_block(block, "2", policy)
    for name in ("height", "round", "block_id", "parent", "at", "log_size", "log_root",
                 "state_root", "validators_hash", "next_validators_hash"):  # fmt: skip
        with pytest.raises(Problem) as caught:
            verify_block({**block, name: None}, "latest", policy)
        assert caught.value.number == 5001, name


def test_a_node_cannot_prove_another_balance_than_the_own_one(home: Path, network: Network) -> None:
    """A board's money is of class 7: that it has nothing in class 2 is true, and no answer."""
    policy = read_policy((home / "policy.json").read_bytes())
    client = Client([network.file.nodes[0].api])
    account = load_key(home, "dev1").account

    def prove(key: str) -> dict[str, Any]:
        tree: dict[str, Any] = json.loads(client.state_proof(key))
        return tree

    told = client.account(account, prove=True)
    verify_account(told, account, policy, prove)
    [own] = told["balances"]
    lies: list[dict[str, Any]] = [
        {"height": told["height"] - 1},
        {"threshold": 2},
        {"keys": []},
        {"balances": [{**own, "available_cents": own["available_cents"] + 1}]},
        {"proof": prove(f"account/{account}")},
        {"kind": "board", "proof": prove(f"bal/w1:EUR/7/{account}"),
         "balances": [{**own, "available_cents": 0}]},
        {"wijk": "w2", "proof": prove(f"bal/w2:EUR/2/{account}"),
         "balances": [{**own, "denom": "w2:EUR", "available_cents": 0}]},
        {"proof": prove(f"bal/w1:XXX/2/{account}"),
         "balances": [{**own, "denom": "w1:XXX", "available_cents": 0}]},
    ]  # fmt: skip
    for lie in lies:
        with pytest.raises(Problem) as caught:
            verify_account({**told, **lie}, account, policy, prove)
        assert caught.value.number == 5001, lie


def test_a_policy_of_another_chain_proves_nothing(home: Path, tmp_path: Path) -> None:
    """A node cannot talk a client into another chain than the one it trusts."""
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    vector = Path(__file__).parent.parent / "vectors" / "receipt-policy.json"
    (other / "policy.json").write_bytes(vector.read_bytes())
    (other / "config.toml").write_bytes((home / "config.toml").read_bytes())
    account = load_key(home, "dev1").account

    told = run("query", "account", account, "--prove", "--home", str(other), "-o", "json")

    assert told.exit_code == 8
    assert told.stdout == ""


def test_a_first_visit_makes_a_policy_from_genesis(
    home: Path, network: Network, tmp_path: Path
) -> None:
    """interfaces 3.5: on a chain for tests the digest is shown and the policy is made."""
    fresh = tmp_path / "fresh"
    node = network.file.nodes[0].api
    account = load_key(home, "dev1").account

    told = run(
        "query", "account", account, "--prove", "--home", str(fresh), "--node", node, "-o", "json"
    )

    assert told.exit_code == 0
    assert network.file.chain_digest in told.stderr
    assert (fresh / "policy.json").read_bytes() == (home / "policy.json").read_bytes()


def test_a_home_follows_the_chain_and_stops_at_a_fork(home: Path, tmp_path: Path) -> None:
    """consensus S9: two certificates for one height are for people to judge, not for a wallet."""
    own = tmp_path / "own"
    shutil.copytree(home, own)
    ask("pay", "pay", "dev5", "0,70", "--from", "dev1", "--yes", "--home", str(own))
    head = json.loads((own / "light.json").read_text())
    assert head["format"] == "wijk/light/1"
    (own / "forks").mkdir()
    (own / "forks" / "7.json").write_text("{}")

    told = refused(5003, "pay", "dev5", "0,70", "--from", "dev1", "--yes", "--home", str(own))

    assert told["nothing_sent"] is True
    assert str(own / "forks" / "7.json") in told["detail"]
    vectors = Path(__file__).parent.parent / "vectors"
    bill, other = str(vectors / "receipt.tlog-proof"), str(vectors / "receipt-policy.json")
    assert refused(5003, "receipt", "verify", bill, "--home", str(own))["params"]["file"]
    assert run("receipt", "verify", bill, "--home", str(own), "--policy", other).exit_code == 0
    (own / "forks" / "7.json").unlink()
    ask("pay", "pay", "dev5", "0,70", "--from", "dev1", "--yes", "--home", str(own))


# --------------------------------------------------------------------- several people signing


def test_coin_is_issued_for_money_in_the_bank_and_redeemed(
    home: Path, network: Network, tmp_path: Path
) -> None:
    """economy C5, C6, C13: attest with a draft, allow, issue, redeem."""
    info = ask("coin info", "coin", "info", "--wijk", "w1")
    path = tmp_path / "s.xml"
    path.write_text(camt(2 * OPENING, [2500, 2500, 5000], "2026-01-05"))
    two = ("--key", "board-w1-a", "--key", "board-w1-c", "--yes")

    drafted = ask("coin reserve attest", "coin", "reserve", "attest", "s.xml", "--key",
                  "board-w1-a", "--yes", code=11)  # fmt: skip
    assert drafted["signatures"] == {"have": 1, "need": 2}
    refused(2111, "coin", "issue", "50", "--to", "dev1", "--evidence", "s.xml", *two)
    signed = ask("tx draft", "tx", "sign", drafted["draft"], "--key", "board-w1-b", "--yes")
    assert signed["signatures"] == {"have": 2, "need": 2}
    sent = ask("tx send", "tx", "send", drafted["draft"], "--yes")
    assert sent["tx"] == signed["tx"]

    shown = ask("coin reserve show", "coin", "reserve", "show", "--wijk", "w1")
    assert [one["amount_cents"] for one in shown["unmatched"]].count(2500) == 2
    refused(2116, "coin", "issue", "50,00", "--to", "dev1", "--evidence", "s.xml", *two)
    allowed = ask("coin allowance", "coin", "allowance", "100,00", *two)
    assert allowed["allowance_cents"] == 10_000
    refused(1001, "coin", "issue", "25", "--to", "dev1", "--evidence", "s.xml", *two)
    before = balance("dev1")
    fifty = ("coin", "issue", "50,00", "--to", "dev1", "--evidence", "s.xml", *two)
    issued = ask("coin issue", *fifty)
    assert issued["evidence"] == sent["tx"]
    assert issued["supply_cents"] == info["supply_cents"] + 5000
    assert balance("dev1") == before + 5000
    refused(2110, *fifty)

    redeemed = ask("coin redeem", "coin", "redeem", "3,50", "--to-iban", "NL02 ABNA 0123 4567 89",
                   "--from", "dev1", "--yes")  # fmt: skip
    assert redeemed["redemption_id"] == redeemed["tx"]
    assert redeemed["due_on"] is not None
    sealed = Client([network.file.nodes[0].api]).get_bytes(f"/v1/txs/{redeemed['tx']}/sealed")
    opened = open_memo(unlock(load_key(home, "board-w1-a"), "wijk-test", live=False), sealed)
    assert opened is not None
    assert opened.memo == "NL02ABNA0123456789"
    assert ask("coin info", "coin", "info", "--wijk", "w1")["pending_out_cents"] == 350
    refused(1001, "coin", "redeem", "3,50", "--to-iban", "NL03ABNA0123456789", "--from", "dev1",
            "--yes")  # fmt: skip
    _pay_out(home, tmp_path, redeemed)


def _pay_out(home: Path, tmp_path: Path, redeemed: dict[str, Any]) -> None:
    """economy C14, C15: a file that the schema accepts, two signatures, the debit of the bank."""
    two = ("--key", "board-w1-a", "--key", "board-w1-c", "--yes")
    pay = ("coin", "payout", "batch", "--out", "pain.xml", "--iban", IBAN)
    (row,) = ask("coin payout list", "coin", "payout", "list", "--wijk", "w1")["items"]
    assert (row["redemption_id"], row["status"]) == (redeemed["tx"], "open")
    assert row["due_on"] == redeemed["due_on"]
    refused(1001, "coin", "payout", "batch", "--out", "pain.xml", *two)  # whose account pays?
    refused(1001, *pay, "--key", "board-w1-b", "--yes")  # not the treasurer with the boxes

    drafted = ask("coin payout batch", *pay, "--key", "board-w1-a", "--yes", code=11)
    kept = Path(drafted["file"])
    assert (kept.parent, drafted["signatures"]) == (home / "payouts", {"have": 1, "need": 2})
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not (tmp_path / "pain.xml").exists()  # nothing leaves before both have signed (C14)
    ask("tx draft", "tx", "sign", drafted["draft"], "--key", "board-w1-b", "--yes")
    ask("tx send", "tx", "send", drafted["draft"], "--yes")
    out = ask("coin payout batch", *pay, *two)
    assert (out["requests"], out["total_cents"]) == (1, 350)
    assert not kept.exists()
    data = (tmp_path / "pain.xml").read_bytes()
    assert sha256(data).hexdigest() == out["sha256"] == drafted["sha256"]
    name = end_to_end_id(bytes.fromhex(redeemed["tx"]))
    for said in (f"<EndToEndId>{name}<", '<InstdAmt Ccy="EUR">3.50<', "NL02ABNA0123456789"):
        assert said.encode() in data
    (row,) = ask("coin payout list", "coin", "payout", "list", "--wijk", "w1")["items"]
    assert (row["status"], row["file"]) == ("batched", out["sha256"])
    refused(1001, "coin", "payout", "batch", "--out", "more.xml", "--iban", IBAN, *two)

    bank = camt(2 * OPENING + 10_000, [-350], "2026-01-06")
    details = f"<NtryDtls><TxDtls><Refs><EndToEndId>{name}</EndToEndId></Refs></TxDtls></NtryDtls>"
    (tmp_path / "t.xml").write_text(bank.replace("<BkTxCd/>", f"<BkTxCd/>{details}"))
    refused(2009, "coin", "payout", "paid", "t.xml", *two)  # not attested yet
    ask("coin reserve attest", "coin", "reserve", "attest", "t.xml", *two)
    (done,) = ask("coin payout paid", "coin", "payout", "paid", "t.xml", *two)["items"]
    assert (done["status"], done["redemption_id"]) == ("final", redeemed["tx"])
    assert done["amount_cents"] == 350
    assert ask("coin payout list", "coin", "payout", "list", "--wijk", "w1")["items"] == []
    assert ask("coin info", "coin", "info", "--wijk", "w1")["pending_out_cents"] == 0
    refused(1001, "coin", "payout", "paid", "t.xml", *two)  # there is nothing left to book


def test_a_bank_file_that_does_not_add_up_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    right = camt(0, [100], "2026-01-05")
    wrong = right.replace("1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>",
                          "2.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>")  # fmt: skip
    (tmp_path / "s.xml").write_text(wrong)

    problem = refused(1001, "coin", "reserve", "attest", "s.xml", "--key", "board-w1-a", "--yes")

    assert "bank.sum" in problem["detail"]


def test_any_call_can_be_built_signed_apart_and_combined(home: Path, tmp_path: Path) -> None:
    """interfaces 1.6: a payment from the wijk fund has no command of its own."""
    call = {"type": "coin.set_minter", "denom": "w2:EUR", "allowance": 1}
    Path("call.json").write_text(json.dumps(call))

    built = ask("tx draft", "tx", "build", "call.json", "--key", "board-w2-a")
    draft = Path(built["draft"])
    Path("copy.json").write_bytes(draft.read_bytes())
    assert built["signatures"] == {"have": 0, "need": 2}
    ask("tx send", "tx", "send", str(draft), "--yes", code=11)
    waiting = run("tx", "send", str(draft), "--yes")
    assert (waiting.exit_code, "Fout" in waiting.stderr) == (11, False)
    ask("tx draft", "tx", "sign", str(draft), "--key", "board-w2-a", "--yes")
    ask("tx draft", "tx", "sign", "copy.json", "--key", "board-w2-b", "--yes")
    refused(2002, "tx", "sign", "copy.json", "--key", "dev1", "--yes")
    forged = json.loads(Path("copy.json").read_text())
    forged["signatures"][0]["signature"] = base64.b64encode(bytes(64)).decode()
    Path("forged.json").write_text(json.dumps(forged))
    refused(2002, "tx", "sign", "forged.json", "--key", "board-w2-a", "--yes")
    joined = ask("tx draft", "tx", "combine", str(draft), "copy.json")
    decoded = ask("tx show", "tx", "decode", str(draft))
    asked = run("tx", "send", str(draft), "--no-input")
    assert "coin.set_minter" in asked.stderr, "nobody sends what was not shown"
    sent = ask("tx send", "tx", "send", str(draft), "--yes")

    assert joined["tx"] == decoded["tx"] == sent["tx"]
    assert decoded["call"] == call
    assert ask("query tx", "tx", "show", sent["tx"])["call"] == call


def test_a_key_is_added_with_the_proof_that_it_makes_and_then_pays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 4, economy B4: the id stays, and a later key finds the account it is of."""
    made = add_key(home, "tweede", "dev3")

    keys = ask("query account", "query", "account", "dev3")["keys"]

    assert [key["public_key"] for key in keys][1:] == [made]
    account = load_key(home, "dev3").account
    assert ask("pay", "pay", "dev6", "0,01", "--from", "tweede", "--yes")["from"] == account
    phone = new_phone(home, tmp_path, "tweede")  # a home of the new key alone
    monkeypatch.setenv("WIJK_HOME", str(phone))
    bob = load_key(home, "dev6").account
    assert ask("pay", "pay", bob, "0,01", "--yes")["from"] == account


def add_key(home: Path, name: str, owner: str) -> str:
    """Make a key and add it to the account of a person; return its public key."""
    word = str(home / "passphrase")
    made = ask("keys add", "keys", "add", name, "--passphrase-file", word)
    shown = json.loads(run("keys", "show", name, "--proof", owner, "-o", "json").stdout)
    new = {"key": made["public_key"], "holder": "07" * 32, "proof": shown["proof"]}
    call = {"type": "accounts.set_keys", "add": [new], "revoke": [], "guardians": [],
            "threshold": 1}  # fmt: skip
    Path("call.json").write_text(json.dumps(call))
    built = ask("tx draft", "tx", "build", "call.json", "--key", owner)
    ask("tx draft", "tx", "sign", built["draft"], "--key", owner, "--yes")
    ask("tx send", "tx", "send", built["draft"], "--yes")
    return str(made["public_key"])


def new_phone(home: Path, folder: Path, name: str) -> Path:
    """Return a home that has nothing but one key and how to reach the nodes."""
    phone = folder / "phone"
    others = lambda _, names: [one for one in names if one != f"{name}.json"]  # noqa: E731
    shutil.copytree(home / "keys", phone / "keys", ignore=others)
    for file in ("config.toml", "passphrase"):
        shutil.copy(home / file, phone / file)
    config = phone / "config.toml"
    config.write_text(
        "\n".join(line for line in config.read_text().splitlines() if not line.startswith("key "))
    )
    return phone


def test_a_file_with_a_wrong_call_names_the_field(home: Path, tmp_path: Path) -> None:
    Path("call.json").write_text('{"type": "coin.set_minter", "denom": "w2:EUR", "allowance": "1"}')

    problem = refused(1001, "tx", "build", "call.json", "--key", "board-w2-a")

    assert "call.allowance: not a whole number" in problem["detail"]


def test_registrars_admit_and_limit_a_member(home: Path, tmp_path: Path) -> None:
    made = run("keys", "add", "nieuw", "-o", "json")
    key = json.loads(made.stdout)
    two = ("--key", "registrar-w3-a", "--key", "registrar-w3-b", "--yes")
    fields = {"key": key["public_key"], "kind": "PERSON", "area": "WK999902", "year": 2026,
              "flags": ["VOTE"], "limit": 50_000}  # fmt: skip
    Path("member.json").write_text(json.dumps(fields))

    done = ask("tx send", "member", "admit", "member.json", *two)
    refused(2321, "member", "admit", "member.json", *two)

    assert done["status"] == "final"
    assert ask("account limits", "account", "limits", "nieuw")["wallet_cap_cents"] == 50_000


# ------------------------------------------------------------------------- when nodes are away


def pause(network: Network, names: Sequence[str], how: signal.Signals) -> None:
    for name in names:
        pid = network.node(name).pid
        assert pid is not None
        os.kill(pid, how)


def test_without_an_answer_the_outcome_is_unknown_and_found_later(
    home: Path, network: Network
) -> None:
    """interfaces 1.7: exit 7, the same bytes in the outbox, and `tx wait` finishes it."""
    before = balance("dev5")
    pause(network, ["v2", "v3", "v4"], signal.SIGSTOP)
    try:
        lost = ask("pay", "pay", "dev5", "1,00", "--from", "dev1", "--memo", "later", "--yes",
                   "--timeout", "2s", code=7)  # fmt: skip
        assert lost["status"] == "unknown"
        assert [path.stem for path in (home / "outbox").iterdir()] == [lost["tx"]]
        told = run("tx", "wait", lost["tx"], "--node", "http://127.0.0.1:1", "--timeout", "1s")
        assert told.exit_code == 7, "whoever cannot be reached now may have it"
        warned = run("pay", "dev5", "1,00", "--from", "dev1", "--no-input").stderr
        assert f"wijk tx wait {lost['tx']}" in warned
    finally:
        pause(network, ["v2", "v3", "v4"], signal.SIGCONT)

    found = ask("tx send", "tx", "wait", lost["tx"])

    assert found["status"] == "final"
    assert balance("dev5") == before + 100
    assert ask("receipt", "receipt", "verify", lost["tx"])["payment"]["memo"] == "later"
    assert not list((home / "outbox").iterdir())


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def test_what_a_contract_refuses_in_a_block_is_exit_6(home: Path, network: Network) -> None:
    """Two payments that cannot both be: the second stands in a block, and moved nothing."""
    client = Client([network.file.nodes[0].api])
    have = balance("dev6")
    amount = f"{have // 100},{have % 100:02}"
    pause(network, ["v3", "v4"], signal.SIGSTOP)
    results: list[Result] = []
    try:
        threads = [
            threading.Thread(target=lambda: results.append(
                run("pay", "dev2", amount, "--from", "dev6", "--yes", "-o", "json")
            ))
            for _ in range(2)
        ]  # fmt: skip
        for thread in threads:
            thread.start()
            time.sleep(0.4)
        until(lambda: client.status()["mempool"] == 2)
    finally:
        pause(network, ["v3", "v4"], signal.SIGCONT)
    for thread in threads:
        thread.join()

    assert sorted(result.exit_code for result in results) == [0, 6]


def test_without_a_quorum_nothing_is_sent(home: Path, network: Network) -> None:
    client = Client([network.file.nodes[0].api])
    network.set_groups([["v1", "v2"], ["v3", "v4"]])
    try:
        until(lambda: client.status()["health"] != "ok")
        problem = refused(4001, "pay", "dev5", "1,00", "--from", "dev1", "--yes")
        unwell = ask("status", "status", "--exit-code", code=9)
    finally:
        network.set_groups([])
    until(lambda: client.status()["health"] == "ok")

    assert problem["nothing_sent"] is True
    assert unwell["health"] == "down"
    assert not list((home / "outbox").iterdir())


# ------------------------------------------------------------------------------ private chains


def test_where_only_members_may_read_the_wallet_says_who_it_is(
    home: Path, network: Network, tmp_path: Path
) -> None:
    """interfaces 2.3: own accounts are read with a signature, others only paid."""
    alone = tmp_path / "alone"
    shutil.copytree(home, alone, ignore=lambda _, names: {n for n in names if "dev2" in n})
    run("config", "set", "key", "dev1", "--home", str(alone))
    add_key(home, "derde", "dev4")
    phone = new_phone(home, tmp_path, "derde")
    node = ("--node", network.node("v4").api)
    config = Path(network.node("v4").home) / "node.toml"
    config.write_text(config.read_text().replace('privacy = "auto"', 'privacy = "members"'))
    network.restart("v4")
    network.wait_in_sync()
    try:
        refused(3006, "account", "balance", load_key(home, "dev2").account, "--home",
                str(alone), *node)  # fmt: skip
        own = ask("account balance", "account", "balance", "dev1", *node)
        within = ask("pay", "pay", "dev5", "1,00", "--from", "dev1", "--yes", *node)
        across = ask("pay", "pay", "dev2", "1,00", "--from", "dev1", "--memo", "x", "--yes", *node)
        ask("account history", "account", "history", "dev1", *node)
        ask("query tx", "query", "tx", across["tx"], "--prove", "--home", str(alone), *node)
        seat = ask("coin allowance", "coin", "allowance", "1", "--key", "board-w1-b", "--key",
                   "board-w1-c", "--yes", *node)  # fmt: skip
        read_with_a_later_key(phone, home, *node)
        refused(3006, "audit", "verify", "--home", str(alone), *node)
    finally:
        config.write_text(config.read_text().replace('privacy = "members"', 'privacy = "auto"'))
        network.restart("v4")
        network.wait_in_sync()

    assert own["account"] == within["from"]
    assert (within["cross_wijk"], across["cross_wijk"]) == (False, True)
    assert across["wijk_to"] == "w2"
    assert seat["status"] == "final"


def read_with_a_later_key(phone: Path, home: Path, *node: str) -> None:
    """economy B4, B13: a key that an account got later is enough to read it, and keeps its name."""
    on_it = ("--home", str(phone), *node)
    account, bakery = (load_key(home, name).account for name in ("dev4", "dev5"))

    (before,) = ask("keys list", "keys", "list", *on_it)["items"]
    history = ask("account history", "account", "history", *on_it)
    (after,) = ask("keys list", "keys", "list", *on_it)["items"]

    assert (before["account"] == account, after["account"]) == (False, account)
    assert history["items"] == []
    assert ask("account balance", "account", "balance", "derde", *on_it)["account"] == account
    assert ask("keys show", "keys", "show", "derde", "--qr", *on_it)["qr"] == account
    told = refused(1001, "account", "recovery", "set", bakery, "derde", "--yes", *on_it)
    assert "keys show" in told["detail"]
    (phone / "accounts.json").write_text('{"format": "wijk/accounts/1", "accounts": [{}]}')
    refused(1002, "keys", "list", *on_it)
