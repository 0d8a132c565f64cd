"""Policies that somebody tries to lock, stall or pay twice from: nothing of it works."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chain.books import POOLED
from chain.crypto import sign
from chain.errors import Code
from chain.gifts import GIFTS
from chain.records import Tag
from chain.state import State
from contracts.coin import Correct, FreezeCall, Leg, Transfer
from contracts.policies.frame import CITED, DRAFTS_MAX
from contracts.policies.p01_area import Area
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p06_milestone import Milestone, MilestoneStep
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring
from contracts.policies.p13_pact import PactRule
from contracts.policies.p14_split import Part
from contracts.policy import (
    Accept,
    Claim,
    Close,
    EnrolToken,
    Fund,
    TokenProof,
    describe,
    token_bytes,
)
from tests.contracts.desk import (
    Desk,
    assert_done,
    assert_refused,
    balance,
    balance_of,
    broken,
    limit,
    put,
)
from tests.contracts.fund_desk import (
    WIJK,
    claim,
    close,
    create,
    get,
    make_ledger,
    open_pool,
    release,
    sums,
)
from tests.contracts.offices import object_id, read
from tests.federation import Ledger, account, board, key, seed

DAY_S = 86_400
ANNA, BAKKER, GEVER = account("anna"), account("bakker"), account("gever")
DIRK, VERA = account("dirk"), account("vera")
PEOPLE = {
    "delfshaven/gever": 10_000_000,
    "delfshaven/anna": 10_000,
    "delfshaven/dirk": 10_000,
    "delfshaven/bakker": 0,
    "delfshaven/slijter": 0,
    "delfshaven/vera": 10_000,
}
ESCROW = EscrowRule(1, GEVER, ANNA, (DIRK,), 1, DAY_S, 5 * DAY_S)
PURCHASE = CollectiveBuy(1, BAKKER, 1, 0, (Tier(1, 1_000), Tier(4, 900)), 20_260_102, 1_000)
MATCH = Match(1, VERA, 1, 10, 1_000, 1_000, 20_260_101, 20_261_231)
ONE_LINE = Budget(1, (BudgetLine("FEEST", 5_000, "MONTH"),), 0)
TWO_LINES = Budget(1, (BudgetLine("FEEST", 5_000, "MONTH"), BudgetLine("HUUR", 100, "MONTH")), 0)


@pytest.fixture
def ledger() -> Ledger:
    return make_ledger(balances=PEOPLE)


def pay(ledger: Ledger, by: str, to: bytes, cents: int, tag: Tag | None = None) -> Any:
    return assert_done(ledger.by_person(by, Transfer((Leg(to, cents, tag, None),), None)))


# ------------------------------------------------------------------------------------ recurring


@pytest.mark.parametrize(
    ("first", "period", "count"),
    [
        (99_991_231, "MONTH", 2),
        (99_991_231, "WEEK", 2),
        (94_010_101, "YEAR", 600),
        (99_500_201, "MONTH", 600),
    ],
)
def test_policy_create_refuses_a_number_that_is_due_after_the_calendar_p12(
    ledger: Ledger, first: int, period: Any, count: int
) -> None:
    """A search for a day that does not exist would hold up every node, for seconds a claim."""
    shape = Recurring(1, GEVER, BAKKER, 100, period, first, count)

    assert_refused(create(ledger, shape=shape), Code.POLICY_PARAMS, clause="recurring")


@pytest.mark.parametrize(
    ("first", "period", "count"),
    [(99_991_130, "MONTH", 2), (94_001_231, "YEAR", 600), (99_991_224, "WEEK", 2)],
)
def test_policy_create_takes_a_number_that_is_due_on_a_last_day_p12(
    ledger: Ledger, first: int, period: Any, count: int
) -> None:
    assert_done(create(ledger, shape=Recurring(1, GEVER, BAKKER, 100, period, first, count)))


# -------------------------------------------------------------------------------------- pledges


@pytest.mark.parametrize(
    ("guard", "clause"),
    [
        (Cap(1, 100, 0, 0, 0, 0), "cap"),
        (ONE_LINE, "budget"),
        (PactRule(1, b"\x13" * 32, (), 100, 100, 0), "pact"),
    ],
)
def test_policy_create_refuses_a_guard_that_would_keep_pledges_for_ever_p8(
    ledger: Ledger, guard: Any, clause: str
) -> None:
    """A purchase that succeeds can only be posted: refused by a guard it would lock its buyers."""
    outcome = create(ledger, guard, shape=PURCHASE)

    assert_refused(outcome, Code.POLICY_LAW, clause=clause)


def test_a_wrong_end_of_a_purchase_is_refused_without_reading_its_pledges_p8(
    ledger: Ledger,
) -> None:
    """Whoever sends wrong sums again and again must not make every node read all pledges."""
    policy = open_pool(ledger, shape=PURCHASE, cents=0)
    run = ledger.run()
    for _ in range(200):
        run.include(ledger.tx(Fund(policy, 1_000, 1), GEVER, [(0, "gever")]))
    ledger.apply(run)
    ledger.time_s += 2 * DAY_S
    run = ledger.run()
    reads: list[bytes] = []
    honest = ledger.base.read

    def read(name: bytes) -> bytes | None:
        reads.append(name)
        return honest(name)

    ledger.base = msgspec.structs.replace(ledger.base, read=read)
    outcome = release(ledger, policy, 0, 1, "vera")
    assert_refused(outcome, Code.POLICY_AMOUNT, amount_cents=180_000)
    assert len([name for name in reads if b"step" in name]) == 1
    assert_done(release(ledger, policy, 0, 180_000, "vera"))
    assert sums(ledger, policy) == (200_000, 180_000, 0, 20_000, 0)
    assert broken(ledger) == []


# ---------------------------------------------------------------------------- escrows and lines


def test_policy_claim_marks_a_delivery_also_after_the_end_of_its_policy_p4_p7(
    ledger: Ledger,
) -> None:
    """economy P4: what is set aside follows as it resolves; no date of the funder decides it."""
    policy = open_pool(ledger, Expiry(1, 20_260_101, None), shape=ESCROW)
    ledger.time_s += DAY_S
    ledger.apply(ledger.run())
    assert get(ledger, policy).status == "CLOSED"

    assert_done(claim(ledger, policy, "anna", 0, by="anna"))
    ledger.time_s += DAY_S + 1
    assert_done(release(ledger, policy, 1, 10_000, "vera"))

    assert balance(ledger, "anna") == 20_000
    outcome = claim(ledger, policy, "anna", 0, by="anna")
    assert_refused(outcome, Code.POLICY_NOT_ACTIVE)
    assert broken(ledger) == []


def test_what_a_release_pays_falls_on_the_only_line_of_a_budget_p9(ledger: Ledger) -> None:
    """`policy.release` and the numbers of P12 name no line; where there is one, it is that one."""
    policy = open_pool(ledger, ONE_LINE, shape=ESCROW)

    outcome = release(ledger, policy, 1, 10_000, "gever")
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="budget", remaining_cents=5_000)
    assert_refused(
        claim(ledger, open_pool(ledger, TWO_LINES), "bakker", 100),
        Code.POLICY_CLAUSE,
        clause="budget",
        line="-",
    )
    smaller = open_pool(ledger, ONE_LINE, shape=ESCROW, cents=4_000)
    assert_done(release(ledger, smaller, 1, 4_000, "gever"))
    monthly = Recurring(1, GEVER, BAKKER, 2_600, "MONTH", 20_260_101, 12)
    rent = open_pool(ledger, ONE_LINE, shape=monthly, cents=0)
    assert_done(claim(ledger, rent, "bakker", 2_600, by="bakker", item=0))
    assert broken(ledger) == []


@pytest.mark.parametrize(
    "shape",
    [
        ESCROW,
        Milestone(1, ANNA, (MilestoneStep(b"\x32" * 32, "LE", 5, 400, VERA, 20_260_131),)),
        Recurring(1, GEVER, BAKKER, 100, "MONTH", 20_260_101, 12),
    ],
)
def test_policy_create_refuses_lines_that_no_payment_of_a_shape_can_name_p9(
    ledger: Ledger, shape: Any
) -> None:
    assert_refused(create(ledger, TWO_LINES, shape=shape), Code.POLICY_PARAMS, clause="budget")
    assert_done(create(ledger, ONE_LINE, shape=shape))


# ---------------------------------------------------------------------------- whose money it is


def test_a_wijk_fund_pays_no_part_of_a_price_beside_a_pool_i11(ledger: Ledger) -> None:
    """Lines judge what leaves the pool; the buyer's own part would leave a fund without a vote."""
    Desk(ledger, WIJK).issue("grant", 50_000, board(WIJK))
    benefit = Benefit(1, b"\x31" * 32, "CENTS", 1, 1, 100, "TOTAL")
    policy = open_pool(ledger, ONE_LINE, shape=benefit)
    assert_done(ledger.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),))))

    nonce = b"\x77" * 16
    message = token_bytes(ledger.chain.digest, policy, BAKKER, 40_000, board(WIJK), nonce)
    proof = TokenProof(key("pas"), sign(seed("pas"), message))
    call = Claim(policy, BAKKER, 40_000, "FEEST", None, proof, None)
    signers = [(0, f"{WIJK}-board-a"), (1, f"{WIJK}-board-b")]
    outcome = ledger.send(call, board(WIJK), signers, nonce=nonce)

    assert_refused(outcome, Code.COIN_NO_BASIS)
    assert balance_of(ledger, board(WIJK), WIJK, "7") == 50_000


def test_a_frozen_funder_pays_nobody_out_of_its_pool_c19_i12(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    escrow = open_pool(ledger, shape=ESCROW)
    call = FreezeCall(GEVER, 1, "FRAUD", ledger.time_s + DAY_S, None)
    assert_done(ledger.by_board(WIJK, call))

    assert_refused(claim(ledger, policy, "bakker", 100), Code.COIN_FROZEN)
    assert_refused(release(ledger, escrow, 1, 10_000, "gever"), Code.COIN_FROZEN)
    assert_done(release(ledger, escrow, 1, 10_000, "dirk"))  # what others decide goes on


def test_a_cap_per_token_counts_tokens_that_are_enrolled_p5(ledger: Ledger) -> None:
    """Anybody can make keys: a new one for each payment would be a way round the cap."""
    policy = open_pool(ledger, Cap(1, 0, 0, 0, 0, 50), shape=MATCH)
    gift = pay(ledger, "anna", VERA, 400).tx_id

    outcome = claim(ledger, policy, "vera", 400, by="anna", token="made-up", ref=gift)
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="cap", period="token-month")
    assert_done(ledger.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),))))
    assert_done(claim(ledger, policy, "vera", 400, by="anna", token="pas", ref=gift))


# --------------------------------------------------------------------------------------- matches


def test_policy_claim_refuses_more_tax_than_the_pool_pays_s1(ledger: Ledger) -> None:
    """A match of one tenth is no sale with the tax of the whole."""
    policy = open_pool(ledger, shape=MATCH)
    gift = pay(ledger, "anna", VERA, 1_000).tx_id
    tag = Tag("SALE", "P3", "C01", 101)

    outcome = claim(ledger, policy, "vera", 1_000, by="anna", ref=gift, tag=tag)
    assert_refused(outcome, Code.TX_AMOUNT)
    less = msgspec.structs.replace(tag, vat=100)
    assert_done(claim(ledger, policy, "vera", 1_000, by="anna", ref=gift, tag=less))


def test_a_refund_is_no_payment_that_can_be_matched_p11_c18(ledger: Ledger) -> None:
    open_pool(ledger, shape=MATCH)
    tag = Tag("SALE", "P3", "C01", 0)
    bought = pay(ledger, "vera", BAKKER, 1_000, tag)

    call = Correct(bought.tx_id, 0, "MONEY", 1_000, None, "RETOUR")
    refund = assert_done(ledger.by_person("bakker", call))

    assert read(ledger, GIFTS, refund.tx_id, VERA) is None
    assert balance(ledger, "vera") == 10_000


def test_a_claim_that_adds_nothing_does_not_use_up_a_payment_p11(ledger: Ledger) -> None:
    """While a pool is empty anybody could claim every payment, and none would ever be matched."""
    policy = open_pool(ledger, shape=MATCH, cents=0)
    gift = pay(ledger, "anna", VERA, 1_000).tx_id

    outcome = assert_done(claim(ledger, policy, "vera", 1_000, by="dirk", ref=gift))
    assert outcome.postings == ()
    assert read(ledger, CITED, policy, gift) is None
    assert_done(ledger.by_person("gever", Fund(policy, 500, None)))
    assert_done(claim(ledger, policy, "vera", 1_000, by="anna", ref=gift))
    assert_refused(claim(ledger, policy, "vera", 1_000, by="anna", ref=gift), Code.POLICY_DONE)
    assert sums(ledger, policy) == (500, 100, 0, 0, 400)


# ------------------------------------------------------------------------------ caps and growth


def test_money_in_pools_counts_in_the_limit_of_whose_it_is_c7_i13(ledger: Ledger) -> None:
    """It is its funder's until it is spent: pools are no way round the cap of a mode."""
    buyer = open_pool(ledger, shape=PURCHASE, cents=0)
    mine = open_pool(ledger, cents=2_000, by="anna")
    assert_done(ledger.by_person("anna", Fund(buyer, 3_000, 3)))
    limit(ledger, "anna", 10_000)
    call = Transfer((Leg(ANNA, 1, None, None),), None)
    assert broken(ledger) == []

    assert_refused(ledger.by_person("dirk", call), Code.COIN_WALLET_LIMIT, remaining_cents=0)
    assert_done(claim(ledger, mine, "bakker", 500, by="anna"))
    assert_done(ledger.by_person("dirk", call))
    assert_done(ledger.by_person("anna", Close(mine)))
    assert balance(ledger, "anna") == 6_501
    assert_done(ledger.by_person("dirk", Transfer((Leg(ANNA, 499, None, None),), None)))
    assert_refused(ledger.by_person("dirk", call), Code.COIN_WALLET_LIMIT, remaining_cents=0)
    assert broken(ledger) == []
    ledger.time_s += 2 * DAY_S
    assert_done(release(ledger, buyer, 0, 3_000, "vera"))
    assert balance(ledger, "anna") == 7_000
    assert read(ledger, POOLED, ANNA) is None
    assert broken(ledger) == []


def test_what_comes_back_of_pledges_and_escrows_makes_room_again_c8(ledger: Ledger) -> None:
    buy = open_pool(ledger, shape=msgspec.structs.replace(PURCHASE, min_buyers=3), cents=0)
    for name in ("anna", "dirk"):
        assert_done(ledger.by_person(name, Fund(buy, 4_000, 4)))
        limit(ledger, name, 10_000)
    rule = EscrowRule(1, DIRK, BAKKER, (VERA,), 1, DAY_S, DAY_S)
    held = open_pool(ledger, shape=rule, cents=5_000, by="dirk")
    assert read(ledger, POOLED, DIRK) == 9_000
    assert_done(release(ledger, held, 1, 2_000, "vera"))
    assert read(ledger, POOLED, DIRK) == 4_000
    ledger.time_s += 2 * DAY_S

    outcome = assert_done(release(ledger, buy, 0, 0, "vera"))

    assert not [notice for notice in outcome.notices if notice.name == "coin.RedeemRequested"]
    assert (balance(ledger, "anna"), balance(ledger, "dirk")) == (10_000, 8_000)
    assert read(ledger, POOLED, DIRK) is None
    assert broken(ledger) == []


def test_an_auditor_sees_pool_money_above_a_limit_or_counted_wrong_i13(ledger: Ledger) -> None:
    open_pool(ledger, cents=2_000, by="anna")
    limit(ledger, "anna", 9_999)
    assert [found.name for found in broken(ledger)] == ["I13"]
    limit(ledger, "anna", 10_000)
    put(ledger, POOLED, 1_999, ANNA)
    assert [found.name for found in broken(ledger)] == ["I10"]


def test_drafts_of_one_account_are_bounded_and_a_closed_one_keeps_no_rules(
    ledger: Ledger,
) -> None:
    """The state holds what a board accepted; what waits for one is a few records a funder."""
    wide = Area(1, tuple(f"BU0599{number:04}" for number in range(200)), 2014, 0)
    drafts = [object_id(create(ledger, wide)) for _ in range(DRAFTS_MAX)]

    assert_refused(create(ledger, wide), Code.POLICY_DRAFTS, most=DRAFTS_MAX)
    assert_done(create(ledger, wide, by="anna"))
    assert_done(close(ledger, drafts[0]))
    closed = get(ledger, drafts[0])
    assert (closed.status, closed.guards, closed.funder) == ("CLOSED", (), GEVER)
    assert_refused(ledger.by_board(WIJK, Accept(drafts[0])), Code.POLICY_DONE)
    assert_done(create(ledger, wide))
    assert_refused(create(ledger, wide), Code.POLICY_DRAFTS)
    assert_done(ledger.by_board(WIJK, Accept(drafts[1])))
    assert get(ledger, drafts[1]).guards == (wide,)
    assert_done(create(ledger, wide))
    assert_done(close(ledger, drafts[1]))
    assert get(ledger, drafts[1]).guards == (wide,)
    assert_refused(create(ledger, wide), Code.POLICY_DRAFTS)


def test_a_part_of_a_percent_is_written_as_each_language_does(ledger: Ledger) -> None:
    benefit = Benefit(1, b"\x31" * 32, "BP", 1_250, 100, 100, "TOTAL")
    policy = open_pool(ledger, shape=benefit)
    state, found = State(ledger.state.get), get(ledger, policy)

    assert "12,5 procent" in describe(state, policy, found, 20_260_101, "nl")[0]
    assert "12.5 per cent" in describe(state, policy, found, 20_260_101, "en")[0]


def test_a_supplier_is_no_buyer_of_its_own_purchase_p8(ledger: Ledger) -> None:
    """It would meet the number of buyers with its own coin, and pay itself."""
    policy = open_pool(ledger, shape=PURCHASE, cents=0)
    pay(ledger, "anna", BAKKER, 1_000)

    assert_refused(ledger.by_person("bakker", Fund(policy, 1_000, 1)), Code.COIN_SELF)
    assert_done(ledger.by_person("anna", Fund(policy, 1_000, 1)))


@pytest.mark.parametrize(
    "shape",
    [ESCROW, Milestone(1, ANNA, (MilestoneStep(b"\x32" * 32, "LE", 5, 400, VERA, 20_260_131),))],
)
def test_policy_create_refuses_a_split_that_does_not_begin_with_the_payee_p14(
    ledger: Ledger, shape: Any
) -> None:
    """A payment to the payee of the shape would be refused for ever: money set aside, and stuck."""
    wrong = (Part(BAKKER, 1), Part(ANNA, 1))

    outcome = create(ledger, shape=shape, split=wrong)

    assert_refused(outcome, Code.POLICY_PARAMS, clause="split")
    assert_done(create(ledger, shape=shape, split=wrong[::-1]))
