"""What a funder reads about its policies: sums to the cent, no persons (economy X6, G19)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from audit.blocks import RawBlock
from audit.home import open_home
from audit.policy_effects import describe_effects
from audit.policy_report import (
    NONE,
    REST,
    Gathered,
    Reported,
    Sums,
    report,
    tell_policies,
    tell_pool,
)
from audit.replay import BooksBroken, replay
from audit.small_cells import Item
from audit.state_view import StateView
from chain.address import account_text
from chain.codec import encode
from chain.dates import DAY_S
from chain.effects import MEASURED
from chain.genesis import Genesis, load_genesis
from chain.records import Tag
from chain.text_rules import is_code
from chain.texts import Problem
from cli import wijk
from contracts.policies.frame import STEPS, TOKENS, Paid, TokenRecord
from contracts.policies.p00_claim import Claim as Plain
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p05_cap import Cap
from contracts.policies.p06_milestone import Milestone, MilestoneStep
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p12_recurring import Recurring
from contracts.policies.p14_split import Part
from contracts.policy import Accept, Claim, Close, Create, EnrolToken, Fund, make_draft
from tests.audit.made_chain import MadeChain
from tests.audit.made_source import MadeSource
from tests.contracts.fund_desk import claim
from tests.federation import account, key

PEOPLE = [f"resident-{i}" for i in range(24)]
FUNDER = account_text(account("fonds"))


def give(chain: MadeChain, policy: bytes, name: str, cents: int, product: str) -> Any:
    tag = Tag("GRANT", None, product, 0)
    call = Claim(policy, account(name), cents, None, None, None, tag)
    return chain.tx(call, account("fonds"), [(0, "fonds")])


def make_crowd() -> MadeChain:
    """A foundation pays residents: 24 in the first quarter, three in the second, one in the third.

    Twelve for food (C01), nine for clothes (C03), three for health (C06).
    """
    balances = {f"delfshaven/{name}": 100 for name in PEOPLE}
    chain = MadeChain(balances={"delfshaven/fonds": 500_000, **balances})
    cap = Cap(1, 5_000, 0, 50_000, 0, 0)
    made = chain.by_person(
        "fonds", Create("delfshaven:EUR", Plain(1), (cap,), None, "EXEMPT", "FUNDER", None)
    )
    policy = made.tx_id
    assert chain.by_board("delfshaven", Accept(policy)).code == 0
    assert chain.by_person("fonds", Fund(policy, 90_000, None)).code == 0
    kinds = ["C01"] * 12 + ["C03"] * 9 + ["C06"] * 3
    for month in range(2):
        chain.time_s += 31 * DAY_S * month
        both = zip(PEOPLE, kinds, strict=True)
        txs = [give(chain, policy, name, 1_001, kind) for name, kind in both]
        assert {outcome.code for outcome in chain.add(txs).outcomes} == {0}
    chain.time_s += 90 * DAY_S
    few = [give(chain, policy, name, 500, "C06") for name in PEOPLE[:3]]
    assert {outcome.code for outcome in chain.add(few).outcomes} == {0}
    chain.time_s += 90 * DAY_S
    chain.add([give(chain, policy, PEOPLE[0], 700, "C06")])
    assert chain.by_person("fonds", Close(policy)).code == 0
    return chain


@pytest.fixture(scope="module")
def crowd() -> MadeChain:
    return make_crowd()


def write(chain: MadeChain, folder: Path, height: int | None = None, who: str = FUNDER) -> Reported:
    return report(MadeSource(chain, height), folder / "home", folder / "out", who)


def read(folder: Path) -> Any:
    return json.loads((folder / "out" / "report.json").read_text())


def test_g19_a_funder_reads_kinds_and_effects_and_no_persons(
    crowd: MadeChain, tmp_path: Path
) -> None:
    written = write(crowd, tmp_path)
    assert written.why is None
    tree = read(tmp_path)
    assert tree["format"] == "wijk/policy-report/1"
    assert tree["chain_digest"] == crowd.genesis.digest.hex()
    header = crowd.decided[-1][0]
    assert tree["checkpoint"] == {
        "height": header.height,
        "at_s": header.time_ms // 1000,
        "book_on": "2026-07-31",
        "log_size": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
    }
    (one,) = tree["policies"]
    assert one["pool"] == {  # as the first quarter left it: 480.48 spent of 900
        "on": "2026-03-31",
        "funded_units": 900,
        "spent_units": 480,
        "unspent_units": 420,
        "direct_units": 0,
    }
    assert tree["checked"] == {"invariant": "I10", "height": header.height}
    (period,) = one["periods"]  # three residents in the second quarter: it waits
    assert (period["from_on"], period["to_on"]) == ("2026-01-01", "2026-03-31")
    assert (period["units"], period["payments"], period["accounts"]) == (480, 50, 25)
    assert period["months"] == [
        {"from": "2026-01", "to": "2026-01", "units": 240, "payments": 25, "accounts": 25},
        {"from": "2026-02", "to": "2026-02", "units": 240, "payments": 25, "accounts": 25},
    ]
    assert period["categories"] == [
        {"name": "C01", "units": 240, "payments": 25, "accounts": 10},
        {"name": "*", "units": 240, "payments": 25, "accounts": 10},
    ]
    assert [cell["name"] for cell in period["areas"]] == ["WK059903"]
    assert one["sentences"]["nl"][0].startswith("Uit het potje van de gever")
    assert "€ 500,00" in one["sentences"]["nl"][1]  # as it began, not what a month has left


def test_x6_the_same_chain_gives_the_same_bytes_and_names_its_files(
    crowd: MadeChain, tmp_path: Path
) -> None:
    first = write(crowd, tmp_path / "a")
    second = write(crowd, tmp_path / "b")
    assert first.tree["files"] == second.tree["files"]
    for file in first.tree["files"]:
        data = (tmp_path / "a" / "out" / file["name"]).read_bytes()
        assert data == (tmp_path / "b" / "out" / file["name"]).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert read(tmp_path / "a")["files"] == first.tree["files"][:-1]
    with (tmp_path / "a" / "out" / "cells.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["name"] for row in rows if row["table"] == "categories"] == ["C01", "*"]


def test_g7_later_reports_change_no_period_of_earlier_ones(
    crowd: MadeChain, tmp_path: Path
) -> None:
    """Two reports of one policy differ in what is new alone, and that is large or not shown.

    Nor does a pool change with a payment that is in no period yet: it would tell that one exactly.
    """
    seen: list[Any] = []
    pools: dict[int, Any] = {}
    for height in range(1, len(crowd.raws) + 1):
        try:
            assert write(crowd, tmp_path / str(height), height).why is None
        except Problem:
            assert not seen
            continue
        one = read(tmp_path / str(height))["policies"][0]
        assert one["periods"][: len(seen)] == seen
        seen = one["periods"]
        assert one["pool"] == pools.setdefault(len(seen), one["pool"])
        with (tmp_path / str(height) / "out" / "policies.csv").open(newline="") as table:
            (row,) = csv.DictReader(table)
        assert row["spent_units"] == ("480" if seen else "")
    assert len(seen) == 1
    assert sorted(pools) == [0, 1]
    assert set(pools[0].values()) == {None}


def test_x6_a_policy_of_nobody_is_not_found(crowd: MadeChain, tmp_path: Path) -> None:
    for who in ("00" * 32, account_text(account(PEOPLE[0]))):
        with pytest.raises(Problem) as caught:
            write(crowd, tmp_path, who=who)
        assert caught.value.number == 3007
    assert not (tmp_path / "out").exists()


def test_x6_a_chain_that_is_not_sound_has_no_report(crowd: MadeChain, tmp_path: Path) -> None:
    source = MadeSource(crowd)
    source.chain = MadeChain()
    source.chain.genesis = crowd.genesis
    source.chain.raws = list(crowd.raws)
    source.chain.raws[3] = crowd.raws[4]
    broken = report(source, tmp_path / "home", tmp_path / "out", FUNDER)
    assert broken.why is not None
    assert broken.why.startswith("block 4")
    assert not (tmp_path / "out").exists()


class Everybody(Gathered):
    """All policies of a chain."""

    def is_wanted(self, policy_id: bytes, policy: Any) -> bool:
        return True


def read_all(genesis: Genesis, blocks: Iterator[RawBlock]) -> tuple[list[Any], Everybody]:
    gathered = Everybody("")
    found: list[Any] = []
    done = replay(
        genesis,
        blocks,
        verify=lambda *_: True,
        on_executed=gathered.add_block,
        on_end=lambda run: found.extend(tell_policies(run, gathered)),
    )
    assert done.ok, done.why
    return found, gathered


def test_i10_sums_that_do_not_agree_are_an_error() -> None:
    crowd = make_crowd()
    gathered = Gathered(FUNDER)

    def spoil(run: Any) -> None:
        for sums in gathered.sums.values():
            sums.spent += 1
        with pytest.raises(BooksBroken, match="I10 policy"):
            list(tell_policies(run, gathered))
        assert gathered.sums[bytes(32)] == Sums()
        raise BooksBroken([])

    blocks = iter(crowd.raws)
    done = replay(
        crowd.genesis, blocks, verify=lambda *_: True, on_executed=gathered.add_block, on_end=spoil
    )
    assert not done.ok


def test_g7_who_holds_a_token_is_counted_as_who_asked() -> None:
    """The school sends; behind the key is a resident. A key that is not enrolled is nobody."""
    balances = {"delfshaven/fonds": 9_000, "delfshaven/school": 9_000, "delfshaven/bakker": 0}
    chain = MadeChain(balances=balances)
    rule = Benefit(1, bytes(32), "BP", 5_000, 1_000, 2_000, "YEAR")
    make = Create("delfshaven:EUR", rule, (), None, "EXEMPT", "FUNDER", None)
    policy = chain.by_person("fonds", make).tx_id
    assert chain.by_board("delfshaven", Accept(policy)).code == 0
    assert chain.by_person("fonds", Fund(policy, 5_000, None)).code == 0
    assert chain.by_registrar("delfshaven", EnrolToken(policy, 2026, (key("pas"),))).code == 0
    assert claim(chain, policy, "bakker", 800, by="school", token="pas").code == 0
    assert claim(chain, policy, "bakker", 800, by="school", token="vals").code != 0
    _, gathered = read_all(chain.genesis, iter(chain.raws))
    (item,) = gathered.items[policy]
    assert (item.cents, item.asker, item.token) == (400, account("school"), key("pas"))


def test_g7_what_residents_put_in_is_not_told_and_p12_is_direct() -> None:
    """Pledges are residents' money (P8); P12 pays the funder's own coin, and no pool's."""
    gathered, mine, anna = Gathered(""), b"m" * 32, account("anna")
    together = CollectiveBuy(1, anna, 10, 100, (Tier(1, 700),), 20_260_301, 99)
    monthly = Recurring(1, account("bo"), anna, 4_000, "MONTH", 20_260_131, 12)
    gathered.items[mine] = [Item(20_000, month, (), None, anna) for month in (202_601, 202_604)]
    periods = [{"to_on": "2026-06-30"}, {"to_on": "2026-09-30"}]
    told = []
    for shape, spent in ((together, 40_000), (monthly, 0)):
        make = Create("delfshaven:EUR", shape, (), None, "EXEMPT", "FUNDER", None)
        draft = make_draft(make, account("bo"))
        later = msgspec.structs.replace(draft, funded=99_999, spent=98_000)
        now = msgspec.structs.replace(draft, funded=spent + 1_000 if spent else 0, spent=spent)
        gathered.pools[mine] = {20_261: draft, 20_262: now, 20_264: later}
        told.append(tell_pool(gathered, mine, periods))
    units = ("funded_units", "spent_units", "unspent_units", "direct_units")
    assert [one["on"] for one in told] == ["2026-09-30"] * 2
    assert [one[name] for one in told for name in units] == [None, 400, None, 0, 0, 0, 0, 400]


def test_no_code_of_a_line_or_category_reads_as_none_or_as_the_rest() -> None:
    assert is_code("-")  # so that could be a budget line
    assert not is_code(NONE)
    assert not is_code(REST)


def test_g19_sentences_of_a_split_name_no_accounts(tmp_path: Path) -> None:
    chain = MadeChain(balances={"delfshaven/fonds": 9_000, "delfshaven/anna": 0})
    parts = (Part(account("anna"), 1), Part(account("fonds"), 2))
    make = Create("delfshaven:EUR", Plain(1), (), parts, "EXEMPT", "FUNDER", None)
    assert chain.by_person("fonds", make).code == 0
    assert write(chain, tmp_path).why is None
    text = (tmp_path / "out" / "report.json").read_text()
    assert "wijk1" not in text
    assert "Verdeeld: een rekening 1/3, de gever 2/3." in text


def test_i10_reports_of_a_year_agree_with_its_state_and_name_nobody(tmp_path: Path) -> None:
    line = f"testnet year --dir {tmp_path}/n --days 67 --base-port 0 --home {tmp_path}/h -o json"
    made = json.loads(CliRunner().invoke(wijk, line.split()).stdout)
    with open_home(Path(made["home"])) as source:
        blocks = source.read_blocks(1, source.read_height())
        found, gathered = read_all(load_genesis(source.read_genesis()), blocks)
    shapes = {one["shape"] for one in found}
    assert shapes == {"benefit", "claim", "match", "recurring"}
    for one in found:
        policy_id = bytes.fromhex(one["policy"])
        sums, items = gathered.sums[policy_id], gathered.items[policy_id]
        assert sum(item.cents for item in items) == sums.spent + sums.direct
        assert one["periods"] == []  # a dozen people in each wijk: too few for any cell
        assert set(one["pool"].values()) == {None}
    assert sum(sums.spent for sums in gathered.sums.values()) > 0
    assert not re.search(r"wijk1[02-9ac-hj-np-z]", json.dumps(found))
    policy = found[0]["policy"]
    base = f"--dir {made['home']} --home {tmp_path}/h -o json --out {tmp_path}/out"
    ran = CliRunner().invoke(wijk, ["audit", "report", policy, *base.split()])
    assert ran.exit_code == 0
    tree = json.loads(ran.stdout)
    assert (tree["policies"], tree["checkpoint"]["height"]) == (1, made["height"])
    assert read(tmp_path)["policies"] == [found[0]]
    for file in tree["files"]:
        path = tmp_path / "out" / file["name"]
        assert (path.stat().st_size, path.stat().st_mode & 0o777) == (file["bytes"], 0o600)
    wrong = CliRunner().invoke(wijk, ["audit", "report", FUNDER[:-1], *base.split()])
    assert wrong.exit_code == 2


def test_g19_effects_are_steps_measures_and_tokens_that_are_many() -> None:
    steps = tuple(
        MilestoneStep(b"i" * 32, "GE", 40 + n, 1_000, account("anna"), 20_260_000 + 100 * n + 28)
        for n in (1, 2, 3)
    )
    make = Create(
        "delfshaven:EUR", Milestone(1, account("bo"), steps), (), None, "EXEMPT", "FUNDER", None
    )
    policy, mine, other = make_draft(make, account("fonds")), b"m" * 32, b"o" * 32
    state: dict[bytes, bytes] = {
        STEPS.key(mine, 1): encode(Paid(1_000, 20_260_120)),
        MEASURED.key(b"i" * 32): encode(((20_260_110, 41),)),
    }
    for n in range(26):
        state[TOKENS.key(mine, bytes([n]) * 32)] = encode(TokenRecord(0, 5 * (n < 14)))
        state[TOKENS.key(other, bytes([n]) * 32)] = encode(TokenRecord(0, 5 * (n < 20)))
    found = describe_effects(StateView(state), mine, policy, 20_260_301)
    assert [(step["status"], step["paid_on"]) for step in found["steps"]] == [
        ("PAID", "2026-01-20"),
        ("LAPSED", None),
        ("OPEN", None),
    ]
    (measure,) = found["measures"]
    assert measure["measured"] == [{"on": "2026-01-10", "value": 41}]
    assert found["tokens"] == {"enrolled": 25, "used": 15}
    # six have not used theirs: who has is said by leaving them out
    assert describe_effects(StateView(state), other, policy, 20_260_301)["tokens"] == {
        "enrolled": 25,
        "used": None,
    }
