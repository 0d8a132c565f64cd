"""Shapes and guards at their edges: what the law forbids, steps, escrows, pledges, splits, ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chain.books import REDEMPTIONS
from chain.codec import decode
from chain.crypto import sha256
from chain.due import DUES
from chain.effects import Measure, note_measure
from chain.errors import Code
from chain.gifts import GIFTS, TARGETS, TARGETS_MAX
from chain.keyspaces import ACCOUNTS, LEFT, PACT_IDS, WIJKEN
from chain.records import Outcome, Tag
from contracts.coin import Leg, Transfer
from contracts.policies import POLICIES
from contracts.policies.frame import STEPS, USED, get_period, get_period_before
from contracts.policies.p01_area import Area
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p06_milestone import Milestone, MilestoneStep
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring, compute_due
from contracts.policies.p13_pact import PactRule
from contracts.policies.p14_split import Part, divide
from contracts.policies.p15_sunset import Sunset
from contracts.policy import ENDS_MAX, Accept, Close, Create, EnrolToken, Fund, Release
from tests.contracts.assembly import plan, vote_through
from tests.contracts.desk import (
    Desk,
    assert_done,
    assert_refused,
    balance,
    balance_of,
    booked,
    broken,
    change,
    limit,
    put,
)
from tests.contracts.fund_desk import (
    PLAIN,
    WIJK,
    claim,
    close,
    create,
    get,
    in_pool,
    make_ledger,
    open_pool,
    release,
    sums,
)
from tests.contracts.offices import names, object_id, read, values
from tests.federation import START_S, Ledger, account, board, key

DAY_S = 86_400
INDICATOR, PROGRAMME, PACT_ID = b"\x32" * 32, b"\x31" * 32, b"\x13" * 32
ANNA, BAKKER, GEVER = account("anna"), account("bakker"), account("gever")
DIRK, VERA = account("dirk"), account("vera")
PEOPLE = {
    "delfshaven/gever": 1_000_000,
    "delfshaven/anna": 10_000,
    "delfshaven/dirk": 10_000,
    "delfshaven/bakker": 0,
    "delfshaven/slijter": 0,
    "delfshaven/winkel": 0,
    "delfshaven/vera": 0,
    "noord/bram": 10_000,
}
AREA = Area(1, ("GM0599",), 2014, 0)
EXPIRY = Expiry(1, 20_261_231, None)
PURCHASE = CollectiveBuy(
    1, BAKKER, 1, 0, (Tier(2, 1_000), Tier(4, 900)), deadline=20_260_102, max_pledges=2
)
MONTHLY = Recurring(1, GEVER, BAKKER, 100, "MONTH", 20_260_101, 12)
BENEFIT = Benefit(1, PROGRAMME, "CENTS", 100, 100, 100, "TOTAL")
ESCROW = EscrowRule(1, GEVER, ANNA, (DIRK, VERA), 1, DAY_S, 5 * DAY_S)
STEP = MilestoneStep(INDICATOR, "LE", -5, 4_000, VERA, 20_260_131)
GRANT = Milestone(1, ANNA, (STEP,))
MATCH = Match(1, VERA, 1, 1, 1_000, 1_000, 20_260_101, 20_261_231)
PAYROLL = Payroll(1, (b"\x33" * 32,), 3_600, "VOLUNTEER", (VERA,), 1)


@pytest.fixture
def ledger() -> Ledger:
    return make_ledger(balances=PEOPLE)


def measure(ledger: Ledger, date: int, value: int) -> None:
    run = ledger.run()
    note_measure(run.state, INDICATOR, date, Measure(1, value, 0, bytes(32), 0, DIRK))
    ledger.apply(run)


# ------------------------------------------------------------------------------------------ law


@pytest.mark.parametrize(
    ("shape", "guards", "split", "clause"),
    [
        (PURCHASE, (AREA,), None, "area"),
        (PURCHASE, (EXPIRY,), None, "expiry"),
        (PURCHASE, (), (Part(BAKKER, 1), Part(VERA, 1)), "split"),
        (MONTHLY, (AREA,), None, "area"),
        (MONTHLY, (EXPIRY,), None, "expiry"),
        (MONTHLY, (), (Part(BAKKER, 1), Part(VERA, 1)), "split"),
        (BENEFIT, (), (Part(BAKKER, 1), Part(VERA, 1)), "split"),
    ],
)
def test_policy_create_refuses_what_the_law_forbids_on_owned_coin_p0(
    ledger: Ledger, shape: Any, guards: tuple[Any, ...], split: Any, clause: str
) -> None:
    """MiCA 49 and 50: no expiry, area or fee on coin that stays somebody's own until it is paid."""
    outcome = create(ledger, *guards, shape=shape, split=split)

    assert_refused(outcome, Code.POLICY_LAW, clause=clause)


def test_policy_create_judges_law_before_params_and_version_b7(ledger: Ledger) -> None:
    wrong = msgspec.structs.replace(MONTHLY, payer=ANNA, version=2)

    assert_refused(create(ledger, EXPIRY, shape=wrong), Code.POLICY_LAW)
    assert_refused(create(ledger, shape=wrong), Code.POLICY_PARAMS, clause="recurring")
    right = msgspec.structs.replace(wrong, payer=GEVER)
    assert_refused(create(ledger, shape=right), Code.POLICY_VERSION)


replace = msgspec.structs.replace


@pytest.mark.parametrize(
    ("clause", "shape"),
    [
        ("benefit", replace(BENEFIT, value=0)),
        ("benefit", replace(BENEFIT, mode="BP", value=10_001)),
        ("benefit", replace(BENEFIT, per_use_max=101)),
        ("milestone", replace(GRANT, payee=GEVER)),
        ("milestone", replace(GRANT, steps=(replace(STEP, verifier=GEVER),))),
        ("milestone", replace(GRANT, steps=(replace(STEP, verifier=ANNA),))),
        ("milestone", replace(GRANT, steps=(replace(STEP, due=20_251_231),))),
        ("milestone", replace(GRANT, steps=(replace(STEP, due=20_260_230),))),
        ("escrow", replace(ESCROW, payee=GEVER)),
        ("escrow", replace(ESCROW, m=3)),
        ("escrow", replace(ESCROW, m=0)),
        ("escrow", replace(ESCROW, arbiters=(DIRK, DIRK))),
        ("escrow", replace(ESCROW, arbiters=(ANNA,))),
        ("collective_buy", replace(PURCHASE, tiers=(Tier(2, 900), Tier(4, 900)))),
        ("collective_buy", replace(PURCHASE, tiers=(Tier(4, 1_000), Tier(4, 900)))),
        ("collective_buy", replace(PURCHASE, deadline=20_251_231)),
        ("collective_buy", replace(PURCHASE, min_buyers=3)),
        ("collective_buy", replace(PURCHASE, min_buyers=0)),
        ("payroll", replace(PAYROLL, attestors=(GEVER,))),
        ("payroll", replace(PAYROLL, min_attestors=2)),
        ("payroll", replace(PAYROLL, min_attestors=0)),
        ("match", replace(MATCH, target=GEVER)),
        ("match", replace(MATCH, until_date=20_251_231)),
        ("match", replace(MATCH, from_date=20_270_101)),
        ("match", replace(MATCH, per_payment_max=1_001)),
        ("recurring", replace(MONTHLY, payee=GEVER)),
        ("recurring", replace(MONTHLY, first=20_260_230)),
    ],
)
def test_policy_create_refuses_shapes_with_values_that_cannot_be(
    ledger: Ledger, clause: str, shape: Any
) -> None:
    assert_refused(create(ledger, shape=shape), Code.POLICY_PARAMS, clause=clause)


@pytest.mark.parametrize(
    ("clause", "guard"),
    [
        ("budget", Budget(1, (BudgetLine("A", 1, "MONTH"), BudgetLine("A", 2, "YEAR")), 0)),
        ("budget", Budget(1, (BudgetLine("a b", 1, "MONTH"),), 0)),
        ("pact", PactRule(1, PACT_ID, (), 1, 1, 0)),
        ("sunset", Sunset(1, 20_251_231, "RETURN", None)),
        ("sunset", Sunset(1, 20_261_231, "SUCCESSOR", None)),
    ],
)
def test_policy_create_refuses_guards_with_values_that_cannot_be(
    ledger: Ledger, clause: str, guard: Any
) -> None:
    assert_refused(create(ledger, guard), Code.POLICY_PARAMS, clause=clause)


def test_policy_create_refuses_a_split_with_strangers_or_doubles(ledger: Ledger) -> None:
    for parts in (
        (Part(BAKKER, 1), Part(BAKKER, 2)),
        (Part(BAKKER, 1), Part(account("bram"), 2)),
    ):
        assert_refused(create(ledger, split=parts), Code.POLICY_PARAMS, clause="split")
    unknown = (Part(BAKKER, 1), Part(account("nobody"), 2))
    assert_refused(create(ledger, split=unknown), Code.TX_UNKNOWN_ACCOUNT)


def test_policy_create_refuses_a_pact_of_two_other_wijken(ledger: Ledger) -> None:
    put(ledger, PACT_IDS, ("charlois", "noord"), PACT_ID)

    outcome = create(ledger, PactRule(1, PACT_ID, (), 1, 1, 0))

    assert_refused(outcome, Code.POLICY_PARAMS, clause="pact")


def test_policy_create_refuses_a_shape_that_names_nobody_known(ledger: Ledger) -> None:
    shape = replace(GRANT, payee=account("nobody"))

    assert_refused(create(ledger, shape=shape), Code.TX_UNKNOWN_ACCOUNT)


# ---------------------------------------------------------------------------------------- steps


def test_policy_release_pays_a_step_once_its_effect_was_measured_p6(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=GRANT)

    assert_refused(release(ledger, policy, 1, 4_000, "vera"), Code.POLICY_NOT_VERIFIED)
    measure(ledger, 20_260_201, -6)  # after the due date
    measure(ledger, 20_260_105, -4)  # not enough
    assert_refused(release(ledger, policy, 1, 4_000, "vera"), Code.POLICY_NOT_VERIFIED)
    measure(ledger, 20_260_120, -5)
    assert_refused(release(ledger, policy, 1, 4_000, "gever"), Code.POLICY_OWN_CASE)
    outcome = assert_done(release(ledger, policy, 1, 4_000, "vera"))

    assert booked(outcome)[0][1:4] == (("4", policy), ("2", ANNA), 4_000)
    assert names(outcome) == ["policy.PolicyReleased"]
    assert values(outcome, "policy.PolicyReleased") == [policy, 1, 4_000]
    assert sums(ledger, policy) == (10_000, 4_000, 0, 0, 6_000)
    assert broken(ledger) == []


def test_policy_release_of_a_step_refuses_in_order_p6(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=GRANT)

    assert_refused(release(ledger, policy, 2, 1, "dirk"), Code.TX_UNKNOWN_ID)
    assert_refused(release(ledger, policy, 0, 1, "dirk"), Code.TX_UNKNOWN_ID)
    assert_refused(release(ledger, policy, 1, 1, "dirk"), Code.TX_ROLE, role="verifier")
    assert_refused(release(ledger, policy, 1, 1, "anna"), Code.POLICY_AMOUNT, amount_cents=4_000)
    assert_refused(release(ledger, policy, 1, 4_000, "anna"), Code.POLICY_NOT_VERIFIED)


def test_policy_release_skips_a_step_that_lapsed_p6(ledger: Ledger) -> None:
    early = replace(STEP, due=20_260_101)
    policy = open_pool(ledger, shape=replace(GRANT, steps=(early, STEP)))
    measure(ledger, 20_260_103, -5)
    ledger.time_s += 2 * DAY_S

    outcome = release(ledger, policy, 1, 4_000, "vera")
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="milestone", step=1)
    assert_done(release(ledger, policy, 2, 4_000, "vera"))


def test_policy_release_obeys_the_guards_too_i10(ledger: Ledger) -> None:
    policy = open_pool(ledger, Cap(1, 3_999, 0, 0, 0, 0), shape=GRANT)
    measure(ledger, 20_260_103, -5)

    outcome = release(ledger, policy, 1, 4_000, "vera")

    assert_refused(outcome, Code.POLICY_CLAUSE, clause="cap", remaining_cents=3_999)


def test_policy_release_refuses_a_step_that_the_pool_cannot_pay(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=GRANT, cents=3_999)
    measure(ledger, 20_260_103, -5)

    outcome = release(ledger, policy, 1, 4_000, "vera")

    assert_refused(outcome, Code.COIN_LOW_BALANCE, balance_cents=3_999)


def test_policy_claim_refuses_a_shape_that_only_releases(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=GRANT)

    assert_refused(claim(ledger, policy, "anna", 4_000), Code.POLICY_CLAUSE, clause="milestone")


# --------------------------------------------------------------------------------------- escrow


def test_policy_fund_of_an_escrow_is_set_aside_p7(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=ESCROW)

    assert sums(ledger, policy) == (10_000, 0, 10_000, 0, 0)
    assert_refused(close(ledger, policy), Code.POLICY_PENDING, amount_cents=10_000)
    assert_done(ledger.by_person("gever", Fund(policy, 500, None)))
    assert sums(ledger, policy) == (10_500, 0, 10_500, 0, 0)
    assert_refused(ledger.by_person("gever", Fund(policy, 500, 1)), Code.POLICY_AMOUNT)
    assert broken(ledger) == []


def test_policy_release_by_the_payer_gives_all_and_by_the_payee_nothing_p7(ledger: Ledger) -> None:
    given, refused = open_pool(ledger, shape=ESCROW), open_pool(ledger, shape=ESCROW)

    assert_done(release(ledger, given, 1, 10_000, "gever"))
    assert_done(release(ledger, refused, 1, 0, "anna"))

    assert sums(ledger, given) == (10_000, 10_000, 0, 0, 0)
    assert sums(ledger, refused) == (10_000, 0, 0, 10_000, 0)
    assert [get(ledger, one).status for one in (given, refused)] == ["CLOSED", "CLOSED"]
    assert broken(ledger) == []


def test_policy_release_by_both_at_the_same_amount_splits_exactly_p7(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=ESCROW)

    assert_refused(release(ledger, policy, 1, 10_001, "gever"), Code.POLICY_AMOUNT)
    assert_refused(release(ledger, policy, 1, 3_333, "anna"), Code.POLICY_OWN_CASE)
    assert assert_done(release(ledger, policy, 1, 3_333, "gever")).postings == ()
    assert_refused(release(ledger, policy, 1, 3_334, "anna"), Code.POLICY_OWN_CASE)
    assert_done(release(ledger, policy, 1, 3_333, "anna"))

    assert sums(ledger, policy) == (10_000, 3_333, 0, 6_667, 0)
    assert balance(ledger, "anna") == 13_333


def test_policy_release_by_time_returns_what_was_never_delivered_p7(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=ESCROW)
    outcome = release(ledger, policy, 1, 0, "bakker")
    due = dict(outcome.params)["from_at"]
    assert isinstance(due, int)
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="escrow")

    ledger.time_s = due - 2
    assert_refused(release(ledger, policy, 1, 0, "bakker"), Code.POLICY_CLAUSE)
    assert_done(release(ledger, policy, 1, 0, "bakker"))

    assert sums(ledger, policy) == (10_000, 0, 0, 10_000, 0)


def test_policy_claim_marks_a_delivery_once_p7(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=ESCROW, cents=0)
    assert_refused(claim(ledger, policy, "anna", 0, by="anna"), Code.POLICY_CLAUSE, clause="escrow")
    assert_done(ledger.by_person("gever", Fund(policy, 500, None)))

    assert_refused(claim(ledger, policy, "anna", 0, by="dirk"), Code.TX_ROLE, role="payee")
    assert_refused(claim(ledger, policy, "anna", 1, by="anna"), Code.POLICY_AMOUNT)
    assert_done(claim(ledger, policy, "anna", 0, by="anna"))
    assert_refused(claim(ledger, policy, "anna", 0, by="anna"), Code.POLICY_DONE)


def test_policy_release_of_an_escrow_outlives_the_end_of_its_policy_p4(ledger: Ledger) -> None:
    """economy P4: pending follows as it resolves, and goes where free money went."""
    heir = open_pool(ledger, cents=0)
    policy = open_pool(ledger, Expiry(1, 20_260_101, heir), shape=ESCROW)
    ledger.time_s += DAY_S
    ledger.apply(ledger.run())

    assert get(ledger, policy).status == "CLOSED"
    assert sums(ledger, policy) == (10_000, 0, 10_000, 0, 0)
    assert_done(release(ledger, policy, 1, 4_000, "vera"))
    assert sums(ledger, policy) == (10_000, 4_000, 0, 6_000, 0)
    assert sums(ledger, heir) == (6_000, 0, 0, 0, 6_000)
    assert_refused(release(ledger, policy, 1, 0, "vera"), Code.POLICY_NOT_ACTIVE)
    assert broken(ledger) == []


# -------------------------------------------------------------------------------------- pledges


def pledge(ledger: Ledger, policy: bytes, by: str, qty: int) -> Outcome:
    return ledger.by_person(by, Fund(policy, qty * 1_000, qty))


def test_policy_release_posts_all_pledges_in_the_order_of_their_ids_p8(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=PURCHASE, cents=0)
    first = assert_done(pledge(ledger, policy, "anna", 3)).tx_id
    second = assert_done(pledge(ledger, policy, "dirk", 2)).tx_id
    assert_refused(pledge(ledger, policy, "gever", 1), Code.POLICY_CLAUSE, most=2)
    ledger.time_s += 2 * DAY_S

    outcome = assert_done(ledger.by_person("vera", Release(policy, 0, 4_500)))

    rows = sorted([(first, ANNA, 2_700, 300), (second, DIRK, 1_800, 200)])
    paid = [("4", policy), ("2", BAKKER)]
    assert [move[1:4] for move in booked(outcome)] == [
        *((*paid, cents) for _, _, cents, _ in rows),
        *((("4", policy), ("2", buyer), rest) for _, buyer, _, rest in rows),
    ]
    assert sums(ledger, policy) == (5_000, 4_500, 0, 500, 0)
    assert_refused(ledger.by_person("vera", Release(policy, 0, 0)), Code.POLICY_NOT_ACTIVE)
    assert broken(ledger) == []


@pytest.mark.parametrize("reason", ["too few pieces", "too few buyers", "too little", "left"])
def test_policy_release_voids_all_pledges_where_one_thing_lacks_p8(
    ledger: Ledger, reason: str
) -> None:
    shape = {
        "too few pieces": replace(PURCHASE, tiers=(Tier(6, 1_000),)),
        "too few buyers": replace(PURCHASE, min_buyers=2),
        "too little": replace(PURCHASE, min_cents=4_501),
        "left": PURCHASE,
    }[reason]
    policy = open_pool(ledger, shape=shape, cents=0)
    assert_done(pledge(ledger, policy, "anna", 5))
    if reason == "left":
        change(ledger, ACCOUNTS, BAKKER, status=LEFT)
    ledger.time_s += 2 * DAY_S

    assert_refused(ledger.by_person("vera", Release(policy, 0, 4_500)), Code.POLICY_AMOUNT)
    assert_done(ledger.by_person("vera", Release(policy, 0, 0)))

    assert sums(ledger, policy) == (5_000, 0, 0, 5_000, 0)
    assert balance(ledger, "anna") == 10_000
    assert broken(ledger) == []


def test_policy_release_of_a_purchase_refuses_in_order_p8(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=PURCHASE, cents=0)

    assert_refused(ledger.by_person("vera", Release(policy, 1, 0)), Code.TX_UNKNOWN_ID)
    outcome = ledger.by_person("vera", Release(policy, 0, 0))
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="collective_buy", last_on=20_260_102)
    ledger.time_s += 2 * DAY_S
    assert_refused(ledger.by_person("vera", Release(policy, 0, 0)), Code.POLICY_DONE)


def test_a_pledge_is_its_buyers_own_also_after_the_sunset_p8(ledger: Ledger) -> None:
    heir = open_pool(ledger, cents=0)
    rule = Sunset(1, 20_260_102, "SUCCESSOR", heir)
    policy = open_pool(ledger, rule, shape=replace(PURCHASE, min_buyers=2), cents=0)
    assert_done(pledge(ledger, policy, "gever", 1))
    ledger.time_s += 2 * DAY_S

    assert_done(ledger.by_person("vera", Release(policy, 0, 0)))

    assert sums(ledger, heir) == (0, 0, 0, 0, 0)
    assert balance(ledger, "gever") == 1_000_000


def test_a_purchase_of_a_thousand_pledges_ends_in_one_transaction_p8() -> None:
    ledger = make_ledger(balances={"delfshaven/gever": 10_000_000, "delfshaven/bakker": 0})
    policy = open_pool(ledger, shape=replace(PURCHASE, max_pledges=1_000), cents=0)
    run = ledger.run()
    for _ in range(1_000):
        run.include(ledger.tx(Fund(policy, 1_000, 1), GEVER, [(0, "gever")]))
    ledger.apply(run)
    ledger.time_s += 2 * DAY_S

    outcome = assert_done(ledger.by_person("gever", Release(policy, 0, 900_000)))

    assert len(outcome.postings) == 2 * 2 * 1_000
    assert sums(ledger, policy) == (1_000_000, 900_000, 0, 100_000, 0)
    assert broken(ledger) == []


# ------------------------------------------------------------------------- budget, pay, recurring


def test_policy_fund_of_the_wijk_fund_goes_through_budget_lines_i11(ledger: Ledger) -> None:
    Desk(ledger, WIJK).issue("grant", 15_000, board(WIJK))
    vote_through(ledger, plan(("HUUR", 1_000, "MONTH")), klass="BUDGET")
    lines = Budget(1, (BudgetLine("HUUR", 1_000, "MONTH"),), 0)
    policy = _policy_of_the_fund(ledger, lines)

    funded = assert_done(ledger.by_board(WIJK, Fund(policy, 5_000, None)))
    assert booked(funded)[0][1:4] == (("7", board(WIJK)), ("4", policy), 5_000)
    assert_done(ledger.by_board(WIJK, Close(policy)))

    assert balance_of(ledger, board(WIJK), WIJK, "7") == 15_000
    assert broken(ledger) == []


def test_policy_fund_of_the_wijk_fund_takes_no_more_than_was_voted_i11(ledger: Ledger) -> None:
    """A year of the lines, over all policies together, and what came back counts as spent."""
    Desk(ledger, WIJK).issue("grant", 15_000, board(WIJK))
    vote_through(ledger, plan(("HUUR", 1_000, "MONTH")), klass="BUDGET")
    lines = Budget(1, (BudgetLine("HUUR", 600, "MONTH"),), 0)
    one, other = _policy_of_the_fund(ledger, lines), _policy_of_the_fund(ledger, lines)

    assert_done(ledger.by_board(WIJK, Fund(one, 7_000, None)))
    assert_done(ledger.by_board(WIJK, Close(one)))
    outcome = ledger.by_board(WIJK, Fund(other, 5_001, None))
    assert_refused(outcome, Code.COIN_NO_BASIS, remaining_cents=5_000)
    assert_done(ledger.by_board(WIJK, Fund(other, 5_000, None)))


@pytest.mark.parametrize(
    "lines",
    [
        (("HUUR", 1_001, "MONTH"),),
        (("HUUR", 1_000, "YEAR"),),
        (("FEEST", 1, "MONTH"),),
        (("HUUR", 1_000, "MONTH"), ("FEEST", 1, "MONTH")),
    ],
)
def test_policy_fund_refuses_lines_that_nobody_voted_e35(
    ledger: Ledger, lines: tuple[Any, ...]
) -> None:
    """A board cannot write budget lines by itself: more, for another period, or of other names."""
    Desk(ledger, WIJK).issue("grant", 15_000, board(WIJK))
    rule = Budget(1, tuple(BudgetLine(*line) for line in lines), 0)
    policy = _policy_of_the_fund(ledger, rule)
    assert_refused(ledger.by_board(WIJK, Fund(policy, 1, None)), Code.COIN_NO_BASIS)

    vote_through(ledger, plan(("HUUR", 1_000, "MONTH")), klass="BUDGET")

    assert_refused(ledger.by_board(WIJK, Fund(policy, 1, None)), Code.COIN_NO_BASIS)


def _policy_of_the_fund(ledger: Ledger, *guards: Any) -> bytes:
    """Return an accepted policy of the wijk's own fund."""
    call = Create(f"{WIJK}:EUR", PLAIN, guards, None, "EXEMPT", "FUNDER", None)
    policy = object_id(ledger.by_board(WIJK, call))
    assert_done(ledger.by_board(WIJK, Accept(policy)))
    return policy


def test_policy_claim_from_the_wijk_fund_itself_needs_budget_lines_i11(ledger: Ledger) -> None:
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    shape = replace(MONTHLY, payer=board(WIJK))
    call = Create(f"{WIJK}:EUR", shape, (), None, "EXEMPT", "FUNDER", None)
    policy = object_id(ledger.by_board(WIJK, call))
    assert_done(ledger.by_board(WIJK, Accept(policy)))

    assert_refused(claim(ledger, policy, "bakker", 100, by="bakker", item=0), Code.COIN_NO_BASIS)


def test_policy_fund_refuses_a_recurring_payment_which_has_no_pool_p12(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=MONTHLY, cents=0)

    assert_refused(ledger.by_person("gever", Fund(policy, 100, None)), Code.POLICY_AMOUNT)
    outcome = assert_done(claim(ledger, policy, "bakker", 100, by="bakker", item=0))
    assert booked(outcome)[0][1:4] == (("2", GEVER), ("2", BAKKER), 100)
    assert {posting.policy for posting in outcome.postings} == {policy}
    assert sums(ledger, policy) == (0, 0, 0, 0, 0)
    assert broken(ledger) == []


def test_a_recurring_payment_comes_from_a_payer_who_is_not_frozen_p12(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=MONTHLY, cents=0)
    change(ledger, ACCOUNTS, GEVER, status="SUSPENDED")

    assert_refused(claim(ledger, policy, "bakker", 100, by="bakker", item=0), Code.COIN_FROZEN)


@pytest.mark.parametrize(
    ("period", "first", "number", "due"),
    [
        ("WEEK", 20_260_226, 1, 20_260_305),
        ("MONTH", 20_260_131, 1, 20_260_228),
        ("MONTH", 20_260_131, 2, 20_260_331),
        ("MONTH", 20_261_131 - 1, 1, 20_261_230),
        ("MONTH", 20_261_215, 1, 20_270_115),
        ("YEAR", 20_240_229, 1, 20_250_228),
        ("YEAR", 20_240_229, 4, 20_280_229),
    ],
)
def test_a_number_is_due_on_the_same_day_else_the_last_p12(
    period: Any, first: int, number: int, due: int
) -> None:
    rule = replace(MONTHLY, period=period, first=first)

    assert compute_due(rule, number) == due


@pytest.mark.parametrize(
    ("date", "unit", "period", "before"),
    [
        (20_260_115, "MONTH", 202_601, 202_512),
        (20_261_215, "MONTH", 202_612, 202_611),
        (20_260_331, "QUARTER", 20_261, 20_254),
        (20_261_001, "QUARTER", 20_264, 20_263),
        (20_261_001, "YEAR", 2_026, 2_025),
        (20_261_001, "TOTAL", 0, 0),
    ],
)
def test_periods_are_those_of_book_dates_b9(date: int, unit: str, period: int, before: int) -> None:
    assert get_period(date, unit) == period
    assert get_period_before(period, unit) == before


# ---------------------------------------------------------------------------------------- match


def give(ledger: Ledger, by: str, *legs: tuple[bytes, int]) -> bytes:
    call = Transfer(tuple(Leg(to, cents, None, None) for to, cents in legs), None)
    return assert_done(ledger.by_person(by, call)).tx_id


def test_only_payments_to_the_target_of_an_active_match_are_noted_p11(ledger: Ledger) -> None:
    early = give(ledger, "anna", (VERA, 100))
    policy = open_pool(ledger, shape=MATCH)
    gift = give(ledger, "anna", (VERA, 100), (BAKKER, 50), (VERA, 20))

    assert read(ledger, GIFTS, early, VERA) is None
    assert read(ledger, GIFTS, gift, VERA).cents == 120
    assert read(ledger, GIFTS, gift, BAKKER) is None
    assert read(ledger, TARGETS, f"{WIJK}:EUR") == ((VERA, 1),)
    assert_done(close(ledger, policy))
    assert read(ledger, TARGETS, f"{WIJK}:EUR") is None
    assert read(ledger, GIFTS, give(ledger, "anna", (VERA, 7)), VERA) is None


def test_a_claim_on_a_pool_is_no_payment_that_can_be_matched_p11(ledger: Ledger) -> None:
    match, plain = open_pool(ledger, shape=MATCH), open_pool(ledger)

    paid = assert_done(claim(ledger, plain, "vera", 500)).tx_id

    assert_refused(claim(ledger, match, "vera", 500, ref=paid), Code.TX_UNKNOWN_ID)


def test_policy_accept_refuses_more_targets_than_a_payment_can_look_through_p11(
    ledger: Ledger,
) -> None:
    policy = object_id(create(ledger, shape=MATCH))
    rows = tuple((bytes([n]) * 20, 1) for n in range(TARGETS_MAX))
    put(ledger, TARGETS, rows, f"{WIJK}:EUR")

    outcome = ledger.by_board(WIJK, Accept(policy))

    assert_refused(outcome, Code.POLICY_PARAMS, clause="match")


def test_policy_claim_of_a_match_refuses_in_order_p11(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=MATCH)
    gift = give(ledger, "anna", (VERA, 100))

    assert_refused(claim(ledger, policy, "bakker", 1), Code.TX_UNKNOWN_ID, id="-")
    outcome = claim(ledger, policy, "bakker", 1, ref=gift)
    assert_refused(outcome, Code.TX_ROLE, role="payee")
    assert_refused(claim(ledger, policy, "vera", 1, ref=gift), Code.POLICY_AMOUNT, amount_cents=100)
    assert_done(claim(ledger, policy, "vera", 100, ref=gift))
    assert_refused(claim(ledger, policy, "vera", 1, ref=gift), Code.POLICY_DONE)


# ------------------------------------------------------------------------------- benefit, split


def test_policy_claim_of_a_benefit_spreads_the_tax_over_both_parts_p3(ledger: Ledger) -> None:
    shape = replace(BENEFIT, mode="BP", value=3_333, per_use_max=10_000, per_period_max=10_000)
    policy = open_pool(ledger, shape=shape)
    assert_done(ledger.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),))))

    tag = Tag("SALE", "P3", "C01", 100)
    outcome = assert_done(claim(ledger, policy, "bakker", 1_000, by="anna", token="pas", tag=tag))

    moves = booked(outcome)
    assert [(move[1], move[2], move[3]) for move in moves] == [
        (("4", policy), ("2", BAKKER), 333),
        (("2", ANNA), ("2", BAKKER), 667),
    ]
    assert [move[4].vat for move in moves] == [33, 67]
    assert sums(ledger, policy) == (10_000, 333, 0, 0, 9_667)
    assert broken(ledger) == []


def test_policy_claim_of_a_benefit_pays_what_is_left_in_the_pool_p3(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=BENEFIT, cents=40)
    assert_done(ledger.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),))))

    assert_done(claim(ledger, policy, "bakker", 1_000, by="anna", token="pas"))

    assert balance(ledger, "anna") == 10_000 - 960
    outcome = claim(ledger, policy, "bakker", 1_000, by="anna", token="pas")
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="benefit", remaining_cents=0)


def test_a_split_judges_every_payee_p14(ledger: Ledger) -> None:
    parts = (Part(BAKKER, 1), Part(ANNA, 1))
    policy = open_pool(ledger, AREA, split=parts)

    outcome = claim(ledger, policy, "bakker", 1_000)

    assert_refused(outcome, Code.POLICY_CLAUSE, clause="area")


def test_a_split_counts_each_payee_by_its_share_p14(ledger: Ledger) -> None:
    parts = (Part(BAKKER, 3), Part(account("slijter"), 1))
    policy = open_pool(ledger, Cap(1, 0, 0, 0, 300, 0), split=parts)

    assert_done(claim(ledger, policy, "bakker", 400))
    outcome = claim(ledger, policy, "bakker", 4)

    assert_refused(outcome, Code.POLICY_CLAUSE, clause="cap", period="payee-month")
    assert read(ledger, USED, policy, "payee", BAKKER).count == 300
    assert read(ledger, USED, policy, "payee", account("slijter")).count == 100


def test_shares_are_rounded_down_and_the_first_gets_the_rest_p14() -> None:
    parts = [Part(bytes([n]) * 20, weight) for n, weight in enumerate((1, 1_000_000, 3))]

    assert divide(1_000_003, parts) == [2, 999_999, 2]
    assert sum(divide(10**13, parts)) == 10**13


# ----------------------------------------------------------------------------------------- ends


def test_ends_of_policies_come_100_a_block_by_id_p15(ledger: Ledger) -> None:
    rule = Sunset(1, 20_260_101, "RETURN", None)
    signers = [(0, f"{WIJK}-board-a"), (1, f"{WIJK}-board-b")]
    call = Create(f"{WIJK}:EUR", PLAIN, (rule,), None, "EXEMPT", "FUNDER", None)
    ids = []
    run = ledger.run()
    for _ in range(ENDS_MAX + 5):
        ids.append(object_id(run.include(ledger.tx(call, GEVER, [(0, "gever")]))))
        assert_done(run.include(ledger.tx(Accept(ids[-1]), board(WIJK), signers)))
    ledger.apply(run)
    ledger.time_s += DAY_S

    ended = [
        [one.tx_id for one in ledger.apply(ledger.run()).start],
        [one.tx_id for one in ledger.apply(ledger.run()).start],
        [one.tx_id for one in ledger.apply(ledger.run()).start],
    ]

    assert ended == [sorted(ids)[:ENDS_MAX], sorted(ids)[ENDS_MAX:], []]
    assert read(ledger, DUES, "policy") is None


def test_an_end_moves_free_money_in_the_first_block_after_the_date_p4(ledger: Ledger) -> None:
    policy = open_pool(ledger, Expiry(1, 20_260_101, None))
    midnight = START_S - 11 * 3_600 + DAY_S  # book dates are those of UTC + 1 hour (B9)
    ledger.time_s = midnight - 2
    assert ledger.apply(ledger.run()).start == ()

    (start,) = ledger.apply(ledger.run()).start

    assert (start.tx_id, start.code) == (policy, 0)
    assert [posting.cents for posting in start.postings] == [10_000, 10_000]
    assert [notice.name for notice in start.notices] == ["policy.PolicyClosed"]
    assert decode(list[Any], start.notices[0].values) == [policy, 10_000, None]
    assert sums(ledger, policy) == (10_000, 0, 0, 10_000, 0)
    assert balance(ledger, "gever") == 1_000_000
    assert broken(ledger) == []


def test_an_end_redeems_what_a_full_wallet_cannot_take_i13(ledger: Ledger) -> None:
    policy = open_pool(ledger, Expiry(1, 20_260_101, None))
    limit(ledger, "gever", 990_000)
    ledger.time_s += DAY_S

    (start,) = ledger.apply(ledger.run()).start

    request = sha256(policy + (1).to_bytes(4, "big"))
    assert read(ledger, REDEMPTIONS, request).cents == 10_000
    assert [notice.name for notice in start.notices] == [
        "coin.RedeemRequested",
        "policy.PolicyClosed",
    ]
    assert broken(ledger) == []


def test_a_policy_closed_before_its_end_is_passed_over(ledger: Ledger) -> None:
    policy = open_pool(ledger, Expiry(1, 20_260_101, None))
    assert_done(close(ledger, policy))
    ledger.time_s += DAY_S

    assert ledger.apply(ledger.run()).start == ()


@pytest.mark.parametrize("heir", ["closed", "pledged"])
def test_money_goes_home_where_its_heir_cannot_take_it_p15(ledger: Ledger, heir: str) -> None:
    shape = PURCHASE if heir == "pledged" else PLAIN
    other = open_pool(ledger, shape=shape, cents=0)
    policy = open_pool(ledger, Sunset(1, 20_260_101, "SUCCESSOR", other))
    if heir == "closed":
        assert_done(close(ledger, other))
    ledger.time_s += DAY_S
    ledger.apply(ledger.run())

    assert balance(ledger, "gever") == 1_000_000
    assert sums(ledger, policy) == (10_000, 0, 0, 10_000, 0)
    assert in_pool(ledger, other) == 0


def test_the_earliest_end_counts_and_its_heir_p4_p15(ledger: Ledger) -> None:
    heir = open_pool(ledger, cents=0)
    guards = (Expiry(1, 20_260_103, heir), Sunset(1, 20_260_101, "RETURN", None))
    policy = open_pool(ledger, *guards)
    ledger.time_s += DAY_S
    ledger.apply(ledger.run())

    assert get(ledger, policy).status == "CLOSED"
    assert sums(ledger, heir) == (0, 0, 0, 0, 0)


def test_policy_close_by_anybody_after_the_end(ledger: Ledger) -> None:
    """Only where a block had more than 100 ends to do is there anything left to close."""
    policy = open_pool(ledger, Expiry(1, 20_260_102, None))
    put(ledger, DUES, None, "policy")  # as if its turn had not come
    ledger.time_s += DAY_S
    assert_refused(close(ledger, policy, by="anna"), Code.TX_ROLE)
    ledger.time_s += DAY_S

    assert_done(close(ledger, policy, by="anna"))

    assert balance(ledger, "gever") == 1_000_000


def test_an_end_waits_where_the_offset_of_book_dates_was_moved_b9(ledger: Ledger) -> None:
    policy = open_pool(ledger, Expiry(1, 20_260_101, None))
    ledger.time_s += DAY_S
    change(ledger, POLICIES, policy, guards=(Expiry(1, 20_260_102, None),))
    # That block ended it by its old date; a later one is waited for.
    late = open_pool(ledger, Expiry(1, 20_260_102, None))
    change(ledger, POLICIES, late, guards=(Expiry(1, 20_260_103, None),))
    ledger.time_s += DAY_S
    assert ledger.apply(ledger.run()).start == ()
    assert read(ledger, DUES, "policy") == 1
    ledger.time_s += DAY_S
    assert [one.tx_id for one in ledger.apply(ledger.run()).start] == [late]


# --------------------------------------------------------------------------------- wound up


def test_policies_of_a_removed_wijk_are_wound_up_e36(ledger: Ledger) -> None:
    """Its calls stop, and still everybody gets back what is theirs."""
    plain, held = open_pool(ledger), open_pool(ledger, shape=ESCROW)
    change(ledger, WIJKEN, WIJK, status="REMOVED")

    assert_refused(claim(ledger, plain, "bakker", 1), Code.TX_TRIPPED)
    assert_done(close(ledger, plain))
    assert_done(release(ledger, held, 1, 10_000, "gever"))

    assert broken(ledger) == []


def test_steps_are_kept_as_records_of_their_own_kind(ledger: Ledger) -> None:
    policy = open_pool(ledger, shape=PURCHASE, cents=0)
    outcome = assert_done(pledge(ledger, policy, "anna", 2))

    found = read(ledger, STEPS, policy, 1)

    assert (found.id, found.buyer, found.qty, found.cents) == (outcome.tx_id, ANNA, 2, 2_000)
    assert (read(ledger, STEPS, policy, 0).count, read(ledger, STEPS, policy, 0).buyers) == (1, 1)
    assert_done(pledge(ledger, policy, "anna", 1))
    assert (read(ledger, STEPS, policy, 0).count, read(ledger, STEPS, policy, 0).buyers) == (2, 1)


def test_money_of_the_wijk_fund_goes_home_and_to_no_heir_i11(ledger: Ledger) -> None:
    """A vote is for lines: through an heir without them a board would spend it on anything."""
    Desk(ledger, WIJK).issue("grant", 15_000, board(WIJK))
    vote_through(ledger, plan(("HUUR", 1_000, "MONTH")), klass="BUDGET")
    today = ledger.run().clock.book_date
    heir = _policy_of_the_fund(ledger)
    lines = Budget(1, (BudgetLine("HUUR", 1_000, "MONTH"),), 0)
    policy = _policy_of_the_fund(ledger, lines, Sunset(1, today, "SUCCESSOR", heir))
    assert_done(ledger.by_board(WIJK, Fund(policy, 5_000, None)))
    ledger.time_s += DAY_S
    ledger.apply(ledger.run())

    assert get(ledger, policy).status == "CLOSED"
    assert sums(ledger, heir) == (0, 0, 0, 0, 0)
    assert balance_of(ledger, board(WIJK), WIJK, "7") == 15_000
    assert broken(ledger) == []
