"""`wijk policy` and GET /v1/policies against a real node: from a file to a payment (1.6, 2.2)."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chain.texts import Problem
from node.client import Client
from testnet.create import create_network
from testnet.network import Network
from testnet.plan import SEEDED_TIME, plan_testnet
from tests.wallet.program import ask_plain, run
from wallet.keystore import load_key
from wallet.remote import Remote

RULES: dict[str, Any] = {
    "denom": "w1:EUR",
    "shape": {"type": "claim", "version": 1},
    "guards": [
        {
            "type": "cap",
            "version": 1,
            "per_payment": 0,
            "per_day": 1_240,
            "per_month": 0,
            "per_payee_month": 0,
            "per_token_month": 0,
        }
    ],
    "split": None,
    "vat_treatment": "EXEMPT",
    "payer_role": "FUNDER",
    "theme": None,
}
BOARD = ("--key", "board-w1-a", "--key", "board-w1-b")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One node is enough: what validators agree on is tested elsewhere."""
    folder = tmp_path_factory.mktemp("net") / "n"
    plan = plan_testnet(1, 1, 3, b"policies", SEEDED_TIME)
    made = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    made.start()
    made.wait_in_sync()
    yield made
    made.stop()


def ask(*words: str, code: int = 0) -> dict[str, Any]:
    return ask_plain("policy", *words, code=code)


def make(rules: dict[str, Any]) -> str:
    """Return the id of a policy that dev1 made and the board accepted."""
    Path("rules.json").write_text(json.dumps(rules))
    made = ask("create", "rules.json", "--key", "dev1", "--yes")
    assert ask("accept", made["policy"], *BOARD, "--yes")["status"] == "final"
    return str(made["policy"])


def test_a_policy_from_a_file_to_a_payment(home: Path) -> None:
    policy = make(RULES)
    funder = load_key(home, "dev1").account
    dev2 = load_key(home, "dev2").account

    assert ask("fund", policy, "50,00", "--key", "dev1", "--yes")["verified"] is True
    allowed = ask("explain", policy, "12,40", "--to", "dev2", "--key", "dev1")
    paid = ask("claim", policy, "12,40", "--to", "dev2", "--key", "dev1", "--yes")
    refused = ask("explain", policy, "0,01", "--to", "dev2", "--key", "dev1", code=5)
    shown = ask("show", policy, "--prove")

    assert allowed["allowed"] is True
    assert allowed["effects"] == [{"account": dev2, "denom": "w1:EUR", "change_cents": 1_240}]
    assert allowed["problem"] is None
    assert "Vandaag nog € 12,40." in allowed["preview"]
    assert (paid["status"], paid["policy"]) == ("final", policy)
    assert refused["allowed"] is False
    assert refused["problem"]["code"] == "WIJK-2107"
    assert refused["problem"]["params"] == {
        "reason": "policy.cap",
        "clause": "cap",
        "period": "day",
        "remaining_cents": 0,
    }
    assert (shown["id"], shown["state"], shown["funder"]) == (policy, "active", funder)
    names = ("funded_cents", "spent_cents", "pending_cents", "returned_cents", "free_cents")
    assert [shown[name] for name in names] == [5_000, 1_240, 0, 0, 3_760]
    assert shown["guards"] == RULES["guards"]
    assert shown["proof"]["key"].startswith("policy/")
    assert "€0.00 left today." in shown["sentences"]["en"]
    told = run("account", "history", "dev2", "-o", "json")
    row = json.loads(told.stdout)["items"][0]
    assert (row["kind"], row["direction"], row["amount_cents"]) == ("grant", "in", 1_240)
    assert row["counterparty"] == policy


def test_explain_says_in_words_which_rule_refuses_and_sends_nothing(home: Path) -> None:
    policy = make(RULES)
    ask("fund", policy, "50,00", "--key", "dev1", "--yes")

    told = run("policy", "explain", policy, "12,41", "--to", "dev2", "--key", "dev1")

    assert told.exit_code == 5
    assert "Dit is meer dan dit potje nu mag betalen. Nog € 12,40 vandaag." in told.stderr
    assert ask("show", policy)["spent_cents"] == 0


def test_what_stands_in_words_is_asked_before_anything_is_signed(home: Path) -> None:
    Path("rules.json").write_text(json.dumps(RULES))

    told = run("policy", "create", "rules.json", "--key", "dev1", "--no-input", "--lang", "en")

    assert told.exit_code == 2  # nobody answered
    assert "€12.40 left today." in told.stderr


def test_a_token_signs_the_claim_of_somebody_else(home: Path) -> None:
    (cap,) = RULES["guards"]
    policy = make({**RULES, "guards": [{**cap, "per_token_month": 1_000}]})
    ask("fund", policy, "50,00", "--key", "dev1", "--yes")
    pair = ("--key", "registrar-w1-a", "--key", "registrar-w1-b", "--yes")
    enrolled = ask("enrol-token", policy, "dev3", *pair)
    keys = [load_key(home, name).public_key for name in ("dev1", "dev3")]
    Path("keys.txt").write_text("\n".join([*keys, ""]))
    seen = run("policy", "enrol-token", policy, "--file", "keys.txt", *pair, "-o", "json")

    assert (enrolled["status"], enrolled["tokens"], enrolled["period"]) == ("final", 1, 0)
    assert json.loads(seen.stderr.splitlines()[-1])["params"]["reason"] == "policy.seen"
    assert seen.exit_code == 5
    without = ask("explain", policy, "1,00", "--to", "dev1", "--key", "dev2", code=5)
    own = ask("explain", policy, "1,00", "--to", "dev3", "--key", "dev2", code=5)
    paid = ask("claim", policy, "1,00", "--to", "dev3", "--key", "dev2", "--token", "dev3", "--yes")

    assert without["problem"]["code"] == "WIJK-2109"  # to the funder itself
    assert own["problem"]["params"]["clause"] == "token"
    assert paid["status"] == "final"


def test_what_is_only_explained_holds_no_signature_that_could_be_sent(
    network: Network, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was asked what would happen cannot make it happen."""
    policy = make(RULES)
    ask("fund", policy, "50,00", "--key", "dev1", "--yes")
    asked: list[bytes] = []
    check = Client.check

    def spy(client: Client, envelope: bytes) -> dict[str, Any]:
        asked.append(envelope)
        return check(client, envelope)

    monkeypatch.setattr(Client, "check", spy)
    allowed = ask("explain", policy, "1,00", "--to", "dev2", "--key", "dev1")
    dry = run("pay", "dev2", "1,00", "--from", "dev1", "--dry-run", "-o", "json")

    assert (allowed["allowed"], json.loads(dry.stdout)["allowed"]) == (True, True)
    assert len(asked) == 2
    for envelope in asked:
        with (
            closing(Client([network.file.nodes[0].api])) as client,
            pytest.raises(Problem) as refused,
        ):
            client.submit(envelope)
        assert refused.value.number == 2002
    assert ask("show", policy)["spent_cents"] == 0


def test_a_claim_says_who_gets_what_before_and_after_it_p14(home: Path) -> None:
    dev2, dev3 = (load_key(home, name).account for name in ("dev2", "dev3"))
    split = [{"account": dev2, "weight": 2}, {"account": dev3, "weight": 1}]
    policy = make({**RULES, "split": split})
    ask("fund", policy, "50,00", "--key", "dev1", "--yes")
    line = ("policy", "claim", policy, "--to", "dev2", "--key", "dev1")

    before = run(*line, "10,00", "--no-input")
    done = run(*line, "10,00", "--yes", "--lang", "en")
    over = run(*line, "12,41", "--yes", "-o", "json")

    assert "Dit betaalt € 6,67 aan dev2, € 3,33 aan dev3." in before.stderr
    assert "Vandaag nog € 12,40." in before.stderr
    assert done.stdout.startswith("Paid: €6.67 to dev2, €3.33 to dev3.")
    assert (over.exit_code, over.stdout) == (5, "")
    assert json.loads(over.stderr.splitlines()[-1])["params"]["clause"] == "cap"


def test_show_proves_rules_and_sums_and_believes_no_node(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = make(RULES)
    ask("fund", policy, "50,00", "--key", "dev1", "--yes")
    asked = Remote.policy_of

    def richer(remote: Remote, policy_id: str, *, prove: bool = False) -> dict[str, Any]:
        return asked(remote, policy_id, prove=prove) | {"free_cents": 5_001}

    assert "regels en bedragen bewezen" in run("policy", "show", policy, "--prove").stdout
    monkeypatch.setattr(Remote, "policy_of", richer)
    told = run("policy", "show", policy, "--prove", "-o", "json")

    assert (told.exit_code, told.stdout) == (8, "")
    assert json.loads(told.stderr.splitlines()[-1])["params"]["cause"] == "free_cents"


def test_an_escrow_is_delivered_and_released(home: Path) -> None:
    dev1, dev2, dev3 = (load_key(home, name).account for name in ("dev1", "dev2", "dev3"))
    escrow = {
        "type": "escrow",
        "version": 1,
        "payer": dev1,
        "payee": dev2,
        "arbiters": [dev3],
        "m": 1,
        "release_after": 86_400,
        "refund_after": 86_400,
    }
    policy = make({**RULES, "shape": escrow, "guards": []})
    ask("fund", policy, "20,00", "--key", "dev1", "--yes")

    assert ask("claim", policy, "--to", "dev2", "--key", "dev2", "--yes")["status"] == "final"
    assert ask("release", policy, "20,00", "--key", "dev1", "--yes")["status"] == "final"

    shown = ask("show", policy)
    assert (shown["state"], shown["spent_cents"]) == ("closed", 2_000)


def test_close_returns_the_rest_and_list_tells_how_it_stands(home: Path) -> None:
    policy = make(RULES)
    ask("fund", policy, "20,00", "--key", "dev1", "--yes")

    assert ask("close", policy, "--key", "dev1", "--yes")["policy"] == policy

    closed = ask("list", "--state", "closed")["items"]
    assert policy in [item["id"] for item in closed]
    assert {item["state"] for item in closed} == {"closed"}
    assert run("policy", "list").exit_code == 0
    rows = run("policy", "list", "-o", "csv").stdout.splitlines()
    assert rows[0].startswith("id,wijk,denom,funder,state,funded_cents")
    assert len(rows) > 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "00"), 2),
        (("show", "0" * 64), 12),
        (("fund", "0" * 64, "1,00", "--key", "dev1", "--yes"), 12),
        (("fund", "0" * 64, "1.000,00", "--key", "dev1", "--yes"), 2),
        (("list", "--wijk", "nowhere"), 12),
        (("claim", "0" * 64, "1", "--to", "dev2", "--line", "A", "--number", "1"), 2),
    ],
)
def test_what_cannot_be_asked_is_refused(home: Path, words: tuple[str, ...], code: int) -> None:
    assert run("policy", *words).exit_code == code


def test_pages_of_policies_go_on_where_they_were_cut(network: Network, home: Path) -> None:
    first, second = make(RULES), make(RULES)
    client = Client([network.node("v1").api])
    try:
        seen: list[str] = []
        page = client.get("/v1/policies", limit=1)
        while True:
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            page = client.get("/v1/policies", limit=1, after=page["next"])
        assert seen == sorted(seen)
        assert {first, second} <= set(seen)
        with pytest.raises(Problem) as wrong:
            client.get("/v1/policies", state="gone")
        assert wrong.value.number == 3009
    finally:
        client.close()
