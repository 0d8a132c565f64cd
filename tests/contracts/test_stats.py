"""stats.close_period and the sums behind it: what a payment means for a wijk (economy S1 to S8)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.call_json import call_from_json, call_to_json
from chain.codec import decode, encode
from chain.contract import Table as Calls
from chain.errors import Code
from chain.key_text import key_text, parse_key
from chain.keyspaces import NO_LIMIT
from chain.records import Outcome, Tag
from chain.state import State
from chain.stats import (
    POOL_BUYER,
    SUMS,
    TABLES,
    Buyer,
    Table,
    compute_figures,
    count_payment,
    get_closing_day,
    get_month_before,
    is_closed,
)
from contracts import CONTRACTS
from contracts.coin import Correct, HoldCall, Leg, Post, PostPart, Transfer
from contracts.members import Admit, SetLimits
from contracts.policies.p03_benefit import Benefit
from contracts.stats import ClosePeriod
from contracts.trade import Pay
from tests.contracts.policy_story import Story
from tests.federation import CBS_CODES, Ledger, account, key

DAY_S = 86_400
FEBRUARY_11, FEBRUARY_10 = 1_770_768_000, 1_770_681_600  # 00:00 UTC, 01:00 book time
HERE, THERE = "delfshaven", "noord"


def make_ledger() -> Ledger:
    """Persons Anna and Bea, a baker, a school, a household; Bram lives in another wijk."""
    ledger = Ledger(
        balances={f"{HERE}/anna": 500_000, f"{HERE}/bea": 1_000, f"{THERE}/bram": 5_000}
    )
    for name, kind in (("baker", "BUSINESS"), ("school", "INSTITUTION"), ("home", "HOUSEHOLD")):
        call = Admit(key(name), kind, CBS_CODES[0], 2014, (), NO_LIMIT)  # type: ignore[arg-type]
        assert ledger.by_registrar(HERE, call).code == 0
    call_ = SetLimits(account("baker"), (), NO_LIMIT, 0, 0, 0, 0, 0, "C", "C01", ())
    assert ledger.by_registrar(HERE, call_).code == 0
    for name in ("baker", "school", "home"):
        pay(ledger, "anna", name, 50_000, Tag("GIFT", None, None, 0))
    return ledger


@pytest.fixture
def ledger() -> Ledger:
    return make_ledger()


def pay(ledger: Ledger, payer: str, payee: str, cents: int, tag: Tag | None = None) -> Outcome:
    outcome = ledger.by_person(payer, Transfer((Leg(account(payee), cents, tag, None),), None))
    assert outcome.code == 0, outcome
    return outcome


def sums(ledger: Ledger, wijk: str = HERE, month: int = 202_601) -> dict[str, int]:
    found = {}
    for raw, value in ledger.state.items():
        name, *parts = decode(list[Any], raw)
        if name == "acc" and parts[:2] == [wijk, month]:
            found[parts[2]] = decode(int, value)
    return found


SALE_P3 = Tag("SALE", "P3", "C01", 0)
CASES: list[tuple[str, str, int, Tag | None, dict[str, int]]] = [
    # payer, payee, cents, tag, sums of the wijk: one row of S1 to S5 each
    ("anna", "bea", 100, None, {}),
    ("anna", "home", 100, None, {}),
    ("anna", "baker", 100, None, {"P1": 100, "P3": 100, "S:C01": 100, "B:-": 100}),
    ("anna", "baker", 109, Tag("SALE", "P3", "C01", 9), {"P1": 109, "P3": 109, "D21": 9}),
    ("home", "baker", 100, SALE_P3, {"P1": 100, "P3": 100, "S:C01": 100, "B:C01": 100}),
    ("anna", "baker", 100, Tag("SALE", None, None, 0), {"P1": 100, "P3": 100}),
    ("baker", "anna", 100, None, {"P1": 100, "P2": 100, "S:-": 100, "B:-": 100}),
    ("baker", "anna", 100, Tag("SALE", "P5", "F", 0), {"P1": 100, "P5": 100, "B:F": 100}),
    ("baker", "anna", 100, SALE_P3, {"P1": 100, "P2": 100}),
    ("school", "baker", 100, None, {"P1": 200, "P2": 100, "P3": 100}),
    ("school", "baker", 100, Tag("SALE", "P5", None, 0), {"P1": 100, "P5": 100}),
    ("school", "baker", 100, SALE_P3, {"P1": 100, "P3": 100}),
    ("baker", "anna", 100, Tag("WORK", None, None, 0), {"D1": 100}),
    ("school", "anna", 100, Tag("WORK", None, None, 0), {"D1": 100, "P1": 100, "P3": 100}),
    ("home", "anna", 100, Tag("WORK", None, None, 0), {"D1": 100, "P1": 100, "P3": 100}),
    ("anna", "school", 100, Tag("TAX", None, None, 0), {"TAX": 100}),
    ("school", "baker", 100, Tag("SUBSIDY", None, None, 0), {"D31": 100}),
    ("school", "anna", 100, Tag("GRANT", None, None, 0), {}),
    ("school", "anna", 100, Tag("BENEFIT", None, None, 0), {}),
    ("anna", "baker", 100, Tag("FIN", None, None, 0), {}),
]


@pytest.mark.parametrize(("payer", "payee", "cents", "tag", "expected"), CASES)
def test_a_payment_counts_as_its_tag_and_parties_say(
    ledger: Ledger, payer: str, payee: str, cents: int, tag: Tag | None, expected: dict[str, int]
) -> None:
    pay(ledger, payer, payee, cents, tag)
    found = sums(ledger)
    assert expected.items() <= found.items()
    assert bool(found) == bool(expected)
    uses = {name for name in found if name in ("P1", "P2", "P3", "P5", "D1", "D21", "D31", "TAX")}
    assert uses == {name for name in expected if ":" not in name}


def test_a_sale_across_wijken_is_sold_here_and_bought_there(ledger: Ledger) -> None:
    """S4, S9: P6[w -> v] = P7[v <- w]."""
    call = Pay(account("baker"), 250, SALE_P3, None)
    assert ledger.by_person("bram", call).code == 0
    assert sums(ledger) == {"P1": 250, f"P6:{THERE}": 250}
    assert sums(ledger, THERE) == {"P3": 250, f"P7:{HERE}": 250}


def test_a_posted_hold_counts_for_what_is_paid_and_a_held_one_does_not(ledger: Ledger) -> None:
    held = ledger.by_person("anna", HoldCall(account("baker"), 400, 3_600, None, SALE_P3))
    assert held.code == 0
    assert sums(ledger) == {}
    posted = ledger.by_person("baker", Post((PostPart(held.tx_id, 300),), None))
    assert posted.code == 0
    assert sums(ledger)["P3"] == 300


def test_a_pool_buys_for_residents(ledger: Ledger) -> None:
    """S5: use P3, whatever the tag."""
    from chain.keyspaces import ACCOUNTS, MEMBERS

    state = State(ledger.state.get)
    baker, member = ACCOUNTS.get(state, account("baker")), MEMBERS.get(state, account("baker"))
    assert baker is not None
    tag = Tag("SALE", "P2", "C01", 0)
    count_payment(state, 20_260_115, Buyer(HERE, POOL_BUYER), baker, member, 70, tag)
    assert SUMS.get(state, HERE, 202_601, "P3") == 70
    assert SUMS.get(state, HERE, 202_601, "P2") is None


def test_what_a_policy_pays_is_bought_for_residents_and_the_rest_by_the_buyer() -> None:
    """S5 through `policy.claim`: the pool pays 30 % of the price, Anna the rest."""
    story = Story()
    story.open(shape=Benefit(1, bytes(32), "BP", 3_000, 1_000, 1_600, "MONTH"))
    story.enrol("pas", period=202_601)
    tag = Tag("SALE", "P3", "C01", 0)
    assert story.pay("bakker", 1_000, by="anna", token="pas", tag=tag).code == 0
    assert sums(story.ledger) == {"P1": 1_000, "P3": 1_000, "B:C01": 1_000, "S:C01": 1_000}


def test_corrections_change_the_month_of_their_original(ledger: Ledger) -> None:
    """economy C18: a refund takes a part back, a new tag the rest, and counts it anew."""
    paid = pay(ledger, "anna", "baker", 1_090, Tag("SALE", "P3", "C01", 90))
    refund = Correct(paid.tx_id, 0, "MONEY", 545, None, "REFUND")
    assert ledger.by_person("baker", refund).code == 0
    half = {"P1": 545, "P3": 545, "D21": 45, "S:C01": 545, "B:C01": 545}
    assert sums(ledger) == half
    anew = Correct(paid.tx_id, 0, "TAG", 545, Tag("SALE", "P3", "C03", 95), "OTHER")
    assert ledger.by_person("anna", anew).code == 0
    assert sums(ledger) == {"P1": 545, "P3": 545, "D21": 95, "S:C01": 545, "B:C03": 545}


def test_what_no_sum_can_hold_is_refused(ledger: Ledger) -> None:
    run = ledger.run()
    SUMS.put(run.state, 2**53 - 100, HERE, 202_601, "P1")
    ledger.apply(run)
    call = Transfer((Leg(account("baker"), 100, SALE_P3, None),), None)
    assert ledger.by_person("anna", call).code == Code.TX_AMOUNT.number
    pay(ledger, "anna", "baker", 99, SALE_P3)


# ------------------------------------------------------------------------------ closing


def close(ledger: Ledger, month: int = 202_601, wijk: str = HERE) -> Outcome:
    return ledger.by_person("bram", ClosePeriod(wijk, month))


def test_a_month_closes_ten_days_after_its_end_by_anybody_and_once(ledger: Ledger) -> None:
    pay(ledger, "anna", "baker", 218, Tag("SALE", "P3", "C01", 18))
    ledger.time_s = FEBRUARY_10 - 3_600 - 2  # the last second of 9 February, book time
    early = close(ledger)
    assert (early.code, dict(early.params)) == (
        Code.STATS_TOO_EARLY.number,
        {"from_at": FEBRUARY_10 - 3_600},
    )
    done = close(ledger)
    assert done.code == 0
    assert [notice.name for notice in done.notices] == ["stats.PeriodClosed"]
    assert close(ledger).code == Code.STATS_DONE.number
    state = State(ledger.state.get)
    (table,) = TABLES.get(state, HERE, 202_601) or ()
    assert dict(table.cells) == sums(ledger) == {
        "P1": 218, "P3": 218, "D21": 18, "S:C01": 218, "B:C01": 218
    }  # fmt: skip
    assert is_closed(state, HERE, 20_260_131)
    assert not is_closed(state, HERE, 20_260_201)
    assert not is_closed(state, THERE, 20_260_131)


@pytest.mark.parametrize(
    ("wijk", "month"),
    [("nergens", 202_601), (HERE, 202_600), (HERE, 202_613), (HERE, 0), (HERE, 999_912)],
)
def test_what_does_not_exist_is_not_closed(ledger: Ledger, wijk: str, month: int) -> None:
    assert close(ledger, month, wijk).code == Code.TX_UNKNOWN_ID.number


def test_a_table_is_consistent_with_the_one_before(ledger: Ledger) -> None:
    """Its root holds the root of the month before: a table fixes all before it."""
    pay(ledger, "anna", "baker", 218, SALE_P3)
    ledger.time_s = FEBRUARY_11
    pay(ledger, "anna", "baker", 30, SALE_P3)
    assert close(ledger).code == 0
    ledger.time_s = FEBRUARY_11 + 29 * DAY_S
    assert close(ledger, 202_602).code == 0
    state = State(ledger.state.get)
    ((january,), (february,)) = (TABLES.get(state, HERE, m) or () for m in (202_601, 202_602))
    assert (january.previous, february.previous) == (bytes(32), january.root)
    for month, table in ((202_601, january), (202_602, february)):
        cells = [list(cell) for cell in table.cells]
        packed = msgpack.packb(["wijk.table.1", HERE, month, table.previous, cells])
        assert table.root == sha256(packed).digest()


def test_a_month_in_which_nothing_was_sold_closes_empty(ledger: Ledger) -> None:
    ledger.time_s = FEBRUARY_11
    assert close(ledger, 202_512).code == 0
    (table,) = TABLES.get(State(ledger.state.get), HERE, 202_512) or ()
    assert table.cells == ()


def test_months_and_closing_days() -> None:
    assert [get_month_before(month) for month in (202_601, 202_603)] == [202_512, 202_602]
    assert get_closing_day(202_601) == FEBRUARY_10 // DAY_S
    assert get_closing_day(202_512) == get_closing_day(202_601) - 31


def test_gdp_is_the_same_three_ways_where_tags_agree() -> None:
    """economy S6 to S8, A6, on figures worked out by hand."""
    cells = {
        "P1": 10_900, "D21": 900, "P2": 2_000, "P3": 7_900, "P5": 500, "P6:noord": 700,
        "P7:noord": 200, "D1": 3_000, "TAX": 50, "S:C01": 9_000, "B:C01": 8_800, "B:-": 200,
    }  # fmt: skip
    figures = compute_figures(cells.items())
    assert figures.production == 10_900 - 2_000
    assert figures.expenditure == 7_900 + 500 + 700 - 200
    assert figures.wages + figures.surplus + figures.taxes_less_subsidies == figures.production
    assert figures.discrepancies == {"C01": 200, "-": -200}
    assert sum(figures.discrepancies.values()) == figures.production - figures.expenditure


# ------------------------------------------------------------------------------ bytes


def test_the_bytes_of_call_and_state() -> None:
    call = ClosePeriod(HERE, 202_601)
    assert encode(call) == msgpack.packb(["stats.close_period", HERE, 202_601])
    table = Calls(CONTRACTS)
    tree = call_to_json(table, call)
    assert tree == {"type": "stats.close_period", "wijk": HERE, "month": 202_601}
    assert call_from_json(table, tree) == call
    frozen = (Table(7, bytes(32), bytes(32), (("D31", -5), ("P1", 10))),)
    packed = msgpack.packb([[7, bytes(32), bytes(32), [["D31", -5], ["P1", 10]]]])
    assert encode(frozen) == packed
    for space, parts in ((SUMS, (HERE, 202_601, "P6:noord")), (TABLES, (HERE, 202_601))):
        text = key_text(space.key(*parts))
        assert encode(parse_key(text)) == space.key(*parts)
    assert key_text(SUMS.key(HERE, 202_601, "S:C01")) == "acc/delfshaven/202601/S:C01"
