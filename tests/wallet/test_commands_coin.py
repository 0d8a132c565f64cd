"""`wijk coin` and `wijk report close` on a real node: what holders, boards, treasurers do."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from node.client import Client
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import IBAN, ask, camt, refused, run
from wallet.keystore import load_key
from wallet.remote import Remote

OPENING = 10_000_000  # what ten keys hold of w1 at genesis, in the bank too
BOARD = ("--key", "board-w1-a", "--key", "board-w1-b", "--yes")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One node is enough: what validators agree on is tested elsewhere."""
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(1, 1, 10, b"coin", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def begun(network: Network, home: Path) -> None:
    """A chain without a block proves nothing, and any of the tests may come first."""
    with closing(Client([network.file.nodes[0].api])) as client:
        if client.status()["height"] == 0:
            ask("pay", "pay", "dev5", "0,01", "--from", "dev4", "--yes")


def balances(who: str) -> tuple[int, int]:
    """Return what an account can spend, and what it holds aside."""
    found = ask("account balance", "account", "balance", who)
    return found["available_cents"], found["held_cents"]


def set_aside(amount: str, *words: str) -> dict[str, Any]:
    line = ("coin", "hold", amount, "--to", "dev2", "--key", "dev1", "--yes", *words)
    return ask("coin hold", *line)


def attest_next(file: str, movements: list[int]) -> str:
    """Attest the statement of the next day of the bank, and return that day."""
    last = ask("coin reserve show", "coin", "reserve", "show", "--wijk", "w1")["statement"]
    day = date.fromisoformat(last["closing_on"]) + timedelta(days=1)
    Path(file).write_text(camt(last["closing_cents"], movements, str(day)))
    ask("coin reserve attest", "coin", "reserve", "attest", file, *BOARD)
    return str(day)


def unmasked(monkeypatch: pytest.MonkeyPatch, name: str, change: Any, *line: str) -> str:
    """Return what a command calls wrong once a node changes what a question answers."""
    ask_node = getattr(Remote, name)

    def lie(remote: Remote, *words: Any, **asked: Any) -> Any:
        return change(ask_node(remote, *words, **asked))

    with monkeypatch.context() as patch:
        patch.setattr(Remote, name, lie)
        return str(refused(5001, *line, "--prove")["params"]["cause"])


def edit(place: int, **fields: Any) -> Any:
    def change(items: Any) -> Any:
        rows = items["items"] if isinstance(items, dict) else items
        rows[place] |= fields
        return items

    return change


def drop(items: list[Any]) -> list[Any]:
    return items[1:]


# --------------------------------------------------------------------------------------- holds


def test_a_hold_is_taken_in_part_and_the_rest_comes_back(home: Path) -> None:
    """economy C10, C11."""
    before, theirs = balances("dev1"), balances("dev2")

    made = set_aside("8,00", "--for", "1h")
    aside = balances("dev1")
    (row,) = [
        item
        for item in ask("coin holds", "coin", "holds", "dev2", "--state", "open")["items"]
        if item["hold"] == made["hold"]
    ]
    taken = ask("coin post", "coin", "post", made["hold"], "5,00", "--key", "dev2", "--yes")

    assert (made["hold"], made["denom"], made["link"]) == (made["tx"], "w1:EUR", None)
    assert aside == (before[0] - 800, before[1] + 800)
    assert row["expires_at"] == made["expires_at"]
    assert (row["payer"], row["amount_cents"]) == (load_key(home, "dev1").account, 800)
    assert taken["holds"] == [
        {"hold": made["hold"], "amount_cents": 500, "returned_cents": 300},
    ]
    assert balances("dev1") == (before[0] - 500, before[1])
    assert balances("dev2") == (theirs[0] + 500, theirs[1])
    refused(2130, "coin", "post", made["hold"], "--key", "dev2", "--yes")
    refused(2130, "coin", "void", made["hold"], "--key", "dev2", "--yes")


def test_only_the_payee_gives_a_hold_back(home: Path) -> None:
    before = balances("dev1")
    made = set_aside("2,00")
    refused(2112, "coin", "void", made["hold"], "--key", "dev1", "--yes")
    refused(2113, "coin", "post", made["hold"], "2,01", "--key", "dev2", "--yes")

    given = ask("coin void", "coin", "void", made["hold"], "--key", "dev2", "--yes")

    assert given["returned_cents"] == 200
    assert balances("dev1") == before
    shown = ask("coin holds", "coin", "holds", "dev1", "--state", "voided")["items"]
    assert made["hold"] in [item["hold"] for item in shown]


def test_what_a_hold_does_is_said_in_both_languages_before_it_is_signed(home: Path) -> None:
    made = set_aside("1,50")
    line = ("coin", "post", made["hold"], "1,00", "--key", "dev2", "--no-input")

    dutch, english = run(*line), run(*line, "--lang", "en")
    table = run("coin", "holds", "dev2", "--state", "open").stdout

    assert (dutch.exit_code, english.exit_code) == (2, 2)  # nobody answered
    assert "€ 1,00 van dev1 wordt betaald aan dev2; € 0,50 gaat terug." in dutch.stderr
    assert "€1.00 of dev1 is paid to dev2; €0.50 goes back." in english.stderr
    assert f"{made['hold']}  open   € 1,50" in table


def test_an_exchange_is_taken_as_a_whole(home: Path) -> None:
    """economy C12: two holds with the digest of one record, posted in one call."""
    dev1, dev2 = (load_key(home, name).account for name in ("dev1", "dev2"))
    legs = [
        {"payer": dev1, "to": dev2, "denom": "w1:EUR", "cents": 400},
        {"payer": dev2, "to": dev1, "denom": "w1:EUR", "cents": 400},
    ]
    deal = {"legs": legs, "numerator": 1, "denominator": 1, "quoted_at": 1_780_000_000}
    Path("deal.json").write_text(json.dumps(deal))
    before = balances("dev1"), balances("dev2")
    there = ("--exchange", "deal.json", "--yes")

    first = ask("coin hold", "coin", "hold", *there, "--key", "dev1")
    second = ask("coin hold", "coin", "hold", *there, "--key", "dev2")
    refused(1001, "coin", "hold", "4,00", *there, "--key", "dev1")
    refused(1001, "coin", "hold", *there, "--key", "dev3")  # who is no party to it
    refused(2129, "coin", "post", first["hold"], "--key", "dev2", "--yes")
    refused(1001, "coin", "post", first["hold"], *there, "--key", "dev2")
    both = ask("coin post", "coin", "post", second["hold"], "--with", first["hold"], *there,
               "--key", "dev1")  # fmt: skip

    assert first["link"] == second["link"] is not None
    assert [one["hold"] for one in both["holds"]] == [first["hold"], second["hold"]]
    assert (balances("dev1"), balances("dev2")) == before


# -------------------------------------------------------------------------------------- freeze


def test_two_seats_freeze_and_the_board_renews_with_an_order(home: Path) -> None:
    """economy C19: what is frozen pays nobody, and may still redeem."""
    Path("besluit.txt").write_text("besluit 12\n")
    order = sha256(b"besluit 12\n").hexdigest()
    freeze = ("coin", "freeze", "dev3", "--reason", "FRAUD", *BOARD)

    drafted = ask("coin freeze", "coin", "freeze", "dev3", "--reason", "FRAUD", "--for", "1d",
                  "--key", "board-w1-a", "--yes", code=11)  # fmt: skip
    frozen = ask("coin freeze", *freeze, "--for", "30d")
    account = ask("query account", "query", "account", "dev3")
    told = run("query", "account", "dev3", "--lang", "en").stdout
    refused(2102, "pay", "dev1", "1,00", "--from", "dev3", "--yes")
    redeemed = ask("coin redeem", "coin", "redeem", "1,00", "--to-iban", IBAN,
                   "--from", "dev3", "--yes")  # fmt: skip
    without = refused(2140, *freeze, "--for", "30d")
    renewed = ask("coin freeze", *freeze, "--for", "2d", "--order", "besluit.txt")
    released = ask("coin freeze", *freeze, "--off")

    assert drafted["status"] == "draft"
    assert (frozen["on"], frozen["order"]) == (True, None)
    assert "(FRAUD); it can redeem, and appeal" in told
    assert (account["status"], account["freeze"]["reason"]) == ("frozen", "FRAUD")
    assert account["freeze"]["until_at"] == frozen["until_at"]
    assert redeemed["status"] == "final"
    assert redeemed["due_on"] > frozen["until_at"][:10]  # the clock of the payout stands still
    assert without["params"]["reason"] == "coin.no-order"
    assert renewed["order"] == order
    assert (released["on"], released["until_at"]) == (False, None)
    assert ask("query account", "query", "account", "dev3")["freeze"] is None
    refused(2130, *freeze, "--off")
    refused(1001, *freeze)  # neither --for nor --off


def test_who_is_frozen_appeals_and_the_board_answers_c19(home: Path) -> None:
    Path("brief.txt").write_text("Dit was een vergissing.\n")
    Path("antwoord.txt").write_text("U hebt gelijk.\n")
    ask("coin freeze", "coin", "freeze", "dev7", "--reason", "FRAUD", "--for", "1d", *BOARD)
    line = ("coin", "appeal", "brief.txt", "--key", "dev7")
    shown = run(*line, "--no-input", "--lang", "en").stderr

    made = ask("coin appeal", *line, "--yes")
    twice = refused(2240, *line, "--yes")
    (item,) = ask("coin appeals", "coin", "appeals", "--wijk", "w1")["items"]
    told = ask("coin answer", "coin", "answer", made["issue"], "antwoord.txt", *BOARD)
    (after,) = ask("coin appeals", "coin", "appeals")["items"]
    ask("coin freeze", "coin", "freeze", "dev7", "--reason", "CLEARED", "--off", *BOARD)

    assert "This account is frozen until" in shown
    assert "(FRAUD)" in shown
    assert made["text_sha256"] == sha256(b"Dit was een vergissing.\n").hexdigest()
    assert made["due_at"] == item["due_at"]
    assert twice["params"]["reason"] == "governance.duplicate"
    assert (item["id"], item["state"]) == (made["issue"], "open")
    assert (after["state"], after["answer_sha256"]) == ("answered", told["answer_sha256"])
    assert "niet bevroren" in run(*line, "--no-input").stderr
    refused(3007, "coin", "appeal", "geen.txt", "--key", "dev7", "--yes")


# ------------------------------------------------------------------- many legs, funds, approvals


def test_many_are_paid_at_once_or_nobody_is_c9(home: Path) -> None:
    before = [balances(name)[0] for name in ("dev1", "dev2", "dev5")]
    rows = "who;amount;tag;vat\ndev2;1,50;SALE/P3/C01;0,10\ndev5;2;;\n"
    Path("loon.csv").write_text(rows)
    line = ("coin", "transfer", "dev2=1,00", "--file", "loon.csv", "--key", "dev1")
    shown = run(*line, "--no-input").stderr

    made = ask("coin transfer", *line, "--yes")

    assert "€ 4,50 betalen aan 3 ontvangers, allen of niemand:" in shown
    assert "  € 1,50  dev2  SALE/P3/C01" in shown
    assert made["total_cents"] == 450
    assert [leg["amount_cents"] for leg in made["legs"]] == [100, 150, 200]
    after = [balances(name)[0] for name in ("dev1", "dev2", "dev5")]
    assert after == [before[0] - 450, before[1] + 250, before[2] + 200]
    refused(1001, "coin", "transfer", "dev2", "--key", "dev1", "--yes")
    refused(1001, "coin", "transfer", "--key", "dev1", "--yes")
    refused(1001, "coin", "transfer", "dev2=1", "--basis", "founding", "--key", "dev1", "--yes")
    Path("kop.csv").write_text("naam,amount\ndev2,1\n")
    refused(1001, "coin", "transfer", "--file", "kop.csv", "--key", "dev1", "--yes")
    refused(2104, "coin", "transfer", "dev2=1", "dev5=200000", "--key", "dev1", "--yes")
    assert [balances(name)[0] for name in ("dev1", "dev2", "dev5")] == after


def test_seats_approve_a_payment_of_the_fund_in_their_own_time_b6(home: Path) -> None:
    """It is carried out once, by the approval that makes the board; nothing else moves it."""
    fund = load_key(home, "board-w1-a").account
    ask("pay", "pay", fund, "5,00", "--from", "dev4", "--yes")
    line = ("coin", "transfer", "dev2=1,00", "dev5=2,00", "--basis", "founding")
    before = balances("dev5")[0]

    asked = ask("coin transfer --propose", *line, "--propose", "1d", "--key", "board-w1-a",
                "--yes")  # fmt: skip
    waiting = ask("tx proposals", "tx", "proposals", fund, "--state", "open")["items"]
    shown = ask("tx proposal", "tx", "proposal", asked["proposal"])
    refused(2311, "tx", "approve", asked["proposal"], "--key", "board-w1-a", "--yes")
    between = balances("dev5")[0]
    approve = ("tx", "approve", asked["proposal"], "--key", "board-w1-b")
    said = run(*approve, "--no-input").stderr
    done = ask("tx approve", *approve, "--yes")

    assert asked["approvals"] == {"have": 1, "need": 2}
    assert [one["proposal"] for one in waiting] == [asked["proposal"]]
    assert (shown["state"], shown["call"]["type"]) == ("open", "coin.transfer")
    assert "Goedkeuren (1 van 2 keurden goed):" in said
    assert "cents: € 2,00" in said
    assert (between, balances("dev5")[0]) == (before, before + 200)
    assert (done["state"], done["approvals"]) == ("executed", {"have": 2, "need": None})
    refused(2309, *approve, "--yes")  # once
    refused(1001, "coin", "transfer", "dev2=1,00", *BOARD)  # a fund names what it pays on
    over = ask("coin transfer --propose", "coin", "transfer", "dev2=9,00", "--basis", "founding",
               "--propose", "1d", "--key", "board-w1-a", "--yes")  # fmt: skip
    told = run("tx", "approve", over["proposal"], "--key", "board-w1-b", "--yes", "-o", "json")
    assert (told.exit_code, json.loads(told.stdout)["state"]) == (6, "refused")
    assert json.loads(told.stderr.splitlines()[-1])["code"] == "WIJK-2104"


def test_what_waits_for_approval_can_be_withdrawn_b6(home: Path) -> None:
    Path("ruimte.json").write_text(
        json.dumps({"type": "coin.set_minter", "denom": "w1:EUR", "allowance": 1_000})
    )
    line = ("tx", "propose", "ruimte.json", "--for", "2d", "--key", "board-w1-a")
    shown = run(*line, "--no-input", "--lang", "en").stderr
    asked = ask("tx propose", *line, "--yes")

    gone = ask("tx approve", "tx", "cancel", asked["proposal"], "--key", "board-w1-a", "--yes")

    assert "allowance: €10.00" in shown
    assert "Put up for approval by" in shown
    assert (asked["approvals"]["need"], gone["state"], gone["call"]) == (2, "cancelled", None)
    refused(2309, "tx", "approve", asked["proposal"], "--key", "board-w1-b", "--yes")


# ------------------------------------------------------------------------- bank entries, correct


def test_an_open_bank_entry_is_booked_as_what_it_is(home: Path) -> None:
    """economy C17."""
    day = attest_next("bank.xml", [1250, -300])
    shown = ask("coin reserve show", "coin", "reserve", "show", "--wijk", "w1")
    interest, charge = (
        next(one["entry"] for one in shown["unmatched"] if one["amount_cents"] == cents)
        for cents in (1250, 300)
    )
    said = run("coin", "bank-entry", charge, "--kind", "charge", *BOARD[:-1], "--no-input")
    refused(2114, "coin", "bank-entry", charge, "--kind", "interest", *BOARD)
    refused(3007, "coin", "bank-entry", "00" * 32, "--kind", "interest", *BOARD)

    income = ask("coin bank-entry", "coin", "bank-entry", interest, "--kind", "interest", *BOARD)
    cost = ask("coin bank-entry", "coin", "bank-entry", charge, "--kind", "charge", *BOARD)

    assert f"Bankregel van {day}, € 3,00 af: boeken als bankkosten." in said.stderr
    assert (income["side"], cost["side"], cost["amount_cents"]) == ("C", "D", 300)
    after = ask("coin reserve show", "coin", "reserve", "show", "--wijk", "w1")
    assert after["unmatched"] == []
    assert (shown["blocked"], after["blocked"]) == ("short", None)
    assert all(one["overdue"] and one["age_days"] > 300 for one in shown["unmatched"])
    assert after["difference_cents"] == shown["difference_cents"] + 1250 - 300


def test_a_payee_gives_back_and_a_payer_books_anew(home: Path) -> None:
    """economy C18, ADR 0063: what carries a tag can be corrected, in parts."""
    before = balances("dev1"), balances("dev2")
    made = set_aside("6,00", "--tag", "SALE/P3/C01", "--vat", "0,50")
    paid = ask("coin post", "coin", "post", made["hold"], "5,00", "--key", "dev2", "--yes")["tx"]
    correct = ("coin", "correct", paid)
    refused(2137, *correct, "1,00", "--reason", "RETURN", "--key", "dev1", "--yes")
    refused(2135, *correct, "5,01", "--reason", "RETURN", "--key", "dev2", "--yes")

    back = ask("coin correct", *correct, "2,00", "--reason", "RETURN", "--key", "dev2", "--yes")
    anew = ask("coin correct", *correct, "--tag", "SALE/P2", "--reason", "WRONG-TAG", "--key",
               "dev1", "--yes")  # fmt: skip

    assert (back["kind"], back["leg"], back["amount_cents"]) == ("money", 1, 200)
    assert (anew["kind"], anew["amount_cents"]) == ("tag", 300)
    assert balances("dev1")[0] == before[0][0] - 300
    assert balances("dev2")[0] == before[1][0] + 300
    bought = ask("pay", "pay", "dev2", "1,00", "--tag", "SALE", "--from", "dev1", "--yes")["tx"]
    whole = ask("coin correct", "coin", "correct", bought, "--reason", "RETURN", "--key", "dev2",
                "--yes")  # fmt: skip
    assert (whole["leg"], whole["amount_cents"]) == (0, 100)
    refused(3007, "coin", "correct", "00" * 32, "--reason", "RETURN", "--key", "dev2", "--yes")
    refused(1001, *correct, "1,00", "--tag", "SALE", "--reason", "R", "--key", "dev1", "--yes")
    refused(1001, *correct, "--tag", "SOLD", "--reason", "R", "--key", "dev1", "--yes")


# ---------------------------------------------------------------------------------- rules, health


def test_a_rule_goes_to_the_boards_and_shows_before_it_holds(home: Path) -> None:
    """economy B13, C7: mode and caps by the federation, the brand by a vote of the members."""
    before = ask("coin rules show", "coin", "rules", "show", "--wijk", "w1")
    line = ("coin", "rules", "propose", "total-cap", "200000,00", "--in", "1d", *BOARD)

    asked = ask("coin rules propose", *line)
    endorse = ("board", "endorse", asked["matter"])
    told = run(*endorse, *BOARD[:-1], "--no-input", "--lang", "en").stderr
    passed = ask("board endorse", *endorse, *BOARD)
    refused(2354, *endorse, "--against", *BOARD)
    after = ask("coin rules show", "coin", "rules", "show", "--wijk", "w1")
    brand = run("coin", "rules", "propose", "name", "Kadijk", "--wijk", "w1", "-o", "json")

    assert "Vote FOR. For: -; against: -; needed: 1.\nwijk.set_param" in told
    assert (passed["state"], passed["in_favour"], passed["need"]) == ("executed", ["w1"], 1)
    assert (before["mode"], before["total_cap_cents"], before["planned"]) == ("LICENSED", None, [])
    assert before["outstanding_cents"] >= OPENING
    assert (before["name"], before["redeem_days"]) == ("Munt", 2)
    assert len(before["reserves"]) == 1
    change = {"name": asked["name"], "value": 20_000_000, "from_epoch": asked["from_epoch"]}
    assert after["planned"] == [change | {"from_at": asked["from_at"]}]
    assert asked["action"] == {"type": "wijk.set_param", **change}
    assert after["total_cap_cents"] is None
    said = run("coin", "rules", "show", "--wijk", "w1", "--lang", "en").stdout
    assert "decided: issuer.DEMO.total_cap = €200,000.00, from 20" in said
    assert (brand.exit_code, "stemmen de leden" in brand.stderr) == (0, True)
    action = json.loads(brand.stdout)
    assert (action["name"], action["value"]) == ("coin.name", "Kadijk")
    refused(1001, "coin", "rules", "propose", "mode", "FREE", *BOARD)
    late = ("--in", "2d", *BOARD)  # the cap of above is in force by then; a wallet cap is not
    refused(2346, "coin", "rules", "propose", "mode", "exempt-150", *late)
    why = run("coin", "rules", "propose", "mode", "exempt-150", *late, "--lang", "en").stderr
    assert "EXEMPT_150 wants at most €150.00 an account" in why
    refused(2346, "coin", "rules", "propose", "total-cap", "1,00", *late)
    refused(2346, "coin", "rules", "propose", "wallet-cap", "150,00", *late)
    refused(1001, "coin", "rules", "propose", "redeem-days", "2,5", *BOARD)
    refused(3007, "coin", "rules", "show", "--wijk", "nowhere")


def test_what_the_law_asks_is_shown_and_overdue_reviews_warn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy G12."""
    rows = ask("coin rules show", "coin", "rules", "show", "--wijk", "w1")["legal"]
    monkeypatch.setattr("wallet.reviews.now_s", lambda: 1_798_761_600)  # 2027-01-01

    told = run("coin", "info", "--wijk", "w1", "--lang", "en")

    assert {row["name"] for row in rows} >= {"issuer.*.mode", "redeem_days", "reserves"}
    assert {row["review_on"] for row in rows} == {"2026-12-31"}
    assert "have these legal rules reviewed again: issuer.*.mode" in told.stderr
    assert "have these legal rules reviewed again" in run("status", "--lang", "en").stderr


def test_health_tells_what_lies_still_and_who_waits(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy C21, G7: shares of the coin, redemptions that wait, costs, times, refusals.

    No other test asks it: the shares are worked out once a day.
    """
    shop = ask("keys add", "keys", "add", "shop", "--passphrase-file", str(home / "passphrase"))
    kinds = [{"key": shop["public_key"], "kind": "BUSINESS", "limit": 10**13}]
    Path("shop.json").write_text(json.dumps({"accounts": kinds}))
    two = ("--key", "registrar-w1-a", "--key", "registrar-w1-b", "--yes")
    told = run("member", "attach", "shop.json", *two)
    assert told.exit_code == 0, told.stderr
    ask("pay", "pay", "shop", "10000,00", "--from", "dev9", "--yes")
    ask("coin redeem", "coin", "redeem", "2,00", "--to-iban", IBAN, "--from", "dev4", "--yes")
    refused(2104, "pay", "dev1", "0,01", "--from", "dev9", "--yes")

    line = ("coin", "health", "--wijk", "w1")
    health = ask("coin health", *line, "--prove")
    lines = run(*line).stdout

    outstanding = health["outstanding_cents"]
    assert health["fullest_ppm"] == 1_000_000 * 10**6 // outstanding
    assert 850_000 < health["unmoved_ppm"] < 1_000_000 - health["fullest_ppm"] + 1
    assert health["payments_30_days"] >= 1
    assert (health["waiting"]["count"] > 0, health["waiting"]["oldest_days"]) == (True, 0)
    assert health["failures"]["WIJK-2104"] >= 1
    assert health["finality_ms"]["p50"] > 0
    percent = health["fullest_ppm"] // 10_000  # 9 or 10: what other tests issue counts too
    assert f"bij de vijf volste bedrijven: {percent} %" in lines
    assert {"fullest_ppm", "failures", "waiting.median_days"} <= set(health["unproven"])
    assert not {"outstanding_cents", "cost_cents"} & set(health["unproven"])
    assert "de rest zegt deze node" in run(*line, "--prove").stdout
    more = health["cost_cents"] + 1
    wrong = unmasked(monkeypatch, "health", lambda item: item | {"cost_cents": more}, *line)
    assert wrong == "cost_cents"


# --------------------------------------------------------------------------------------- proofs


def test_what_was_issued_is_proven_line_by_line_and_none_is_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy I5, I6: the sum of all issues and of genesis is what the books say."""
    line = ("coin", "issued", "--wijk", "w1")
    attest_next("more.xml", [700, 800])
    ask("coin allowance", "coin", "allowance", "100,00", *BOARD)
    issue = ("--to", "dev6", "--evidence", "more.xml", *BOARD)
    ask("coin issue", "coin", "issue", "7,00", *issue)
    entry = next(
        one["entry"]
        for one in ask("coin reserve show", "coin", "reserve", "show", "--wijk", "w1")["unmatched"]
        if one["amount_cents"] == 800
    )
    dev6 = load_key(home, "dev6").account
    call = {"type": "coin.mint", "entry_id": entry, "to": dev6, "cents": 800, "cause": "DEPOSIT"}
    Path("mint.json").write_text(json.dumps(call))
    asked = ask("tx propose", "tx", "propose", "mint.json", "--key", "board-w1-a", "--yes")
    ask("tx approve", "tx", "approve", asked["proposal"], "--key", "board-w1-b", "--yes")

    items = ask("coin issued", *line, "--prove")["items"]

    assert [one["amount_cents"] for one in items[:2]] == [800, 700]  # by an approval too
    assert [one["signers"] for one in items[:2]] == [["seat-1", "seat-2"]] * 2
    assert "dat er geen ontbreekt" in run(*line, "--prove").stderr
    assert unmasked(monkeypatch, "issued", edit(0, amount_cents=801), *line) == "amount_cents"
    assert unmasked(monkeypatch, "issued", edit(0, tx="00" * 32), *line) == "tx"
    assert unmasked(monkeypatch, "issued", drop, *line) == "issued_cents"
    assert unmasked(monkeypatch, "issued", lambda rows: [*rows, rows[0]], *line) == "entry"


def test_who_waits_for_euros_is_proven_and_nobody_is_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("coin redeem", "coin", "redeem", "3,00", "--to-iban", IBAN, "--from", "dev4", "--yes")
    line = ("coin", "payout", "list", "--wijk", "w1")

    rows = ask("coin payout list", *line, "--prove")["items"]

    assert 300 in [row["amount_cents"] for row in rows]
    assert unmasked(monkeypatch, "redemptions", drop, *line) == "pending_out_cents"
    assert unmasked(monkeypatch, "redemptions", edit(0, amount_cents=1), *line) == "amount_cents"


def test_what_stands_aside_is_proven_and_no_own_hold_is_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """economy I8: open holds of an account are what stands aside of it."""
    made = set_aside("2,50")
    line = ("coin", "holds", "dev1")
    empty: dict[str, Any] = {"items": [], "next": None, "as_of_height": 1}

    rows = ask("coin holds", *line, "--prove")["items"]

    assert made["hold"] in [row["hold"] for row in rows]
    assert unmasked(monkeypatch, "holds", lambda _: empty, *line) == "held_cents"
    assert unmasked(monkeypatch, "holds", edit(0, to=rows[0]["payer"]), *line) == "to"
    ask("coin void", "coin", "void", made["hold"], "--key", "dev2", "--yes")


def test_the_sums_of_a_coin_are_proven(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ("coin", "info", "--wijk", "w1")

    ask("coin info", *line, "--prove")

    assert "bedragen bewezen" in run(*line, "--prove").stdout
    wrong = unmasked(monkeypatch, "supply", lambda item: item | {"reserve_cents": 1}, *line)
    assert wrong == "reserve_cents"
    reserve = ("coin", "reserve", "show", "--wijk", "w1")
    assert "bedragen bewezen; open bankregels zegt deze node" in run(*reserve, "--prove").stdout
    wrong = unmasked(monkeypatch, "reserve", lambda item: item | {"due_to_cents": 9}, *reserve)
    assert wrong == "due_to_cents"


# -------------------------------------------------------------------------------------- figures


def test_a_month_is_closed_once_and_not_too_early(home: Path) -> None:
    """economy S2: ten days after the end of the month, by anybody."""
    closed = ask("report close", "report", "close", "2026-01", "--key", "dev1", "--yes")
    twice = refused(2752, "report", "close", "2026-01", "--key", "dev1", "--yes")
    early = refused(2751, "report", "close", "9998-12", "--key", "dev1", "--yes")
    said = run("report", "close", "2026-01", "--key", "dev1", "--no-input", "--lang", "en")

    assert (closed["status"], closed["wijk"], closed["month"]) == ("final", "w1", 202601)
    assert twice["params"]["reason"] == "stats.done"
    assert early["params"]["from_at"] is not None
    assert "will be frozen" in said.stderr
    refused(1001, "report", "close", "2026-13", "--key", "dev1", "--yes")
