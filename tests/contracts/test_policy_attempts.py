"""Thousands of ways to break an earmark or overspend a pool, and each fails with its code.

A state machine over the real executor. A model of a few lines, which shares nothing with the
scripts, keeps what was used of each pool and says which refusal comes first (economy section 6,
I10). WIJK_ATTEMPTS: how many attempts at least.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain.books import get_balance
from chain.crypto import sign
from chain.dates import DAY_S, compute_book_date
from chain.errors import Code
from chain.records import Outcome, Tag
from chain.state import State
from contracts.coin import Leg, Transfer
from contracts.policies.p01_area import Area
from contracts.policies.p02_category import Category
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring
from contracts.policies.p14_split import Part
from contracts.policies.p15_sunset import Sunset
from contracts.policy import Accept, Claim, EnrolToken, Fund, TokenProof, token_bytes
from tests.contracts.desk import assert_done, assert_refused, broken
from tests.contracts.fund_desk import (
    WIJK,
    claim,
    close,
    create,
    make_ledger,
    open_pool,
    release,
    sums,
)
from tests.contracts.offices import object_id
from tests.federation import Ledger, account, key, seed

ATTEMPTS = int(os.environ.get("WIJK_ATTEMPTS", "400"))
STEPS, EXAMPLES = 40, 5
KINDS_MIN = 25  # of about forty kinds of attempts; a run of the default size meets most

PEOPLE = {
    "delfshaven/gever": 1_000_000,
    "delfshaven/anna": 5_000,
    "delfshaven/dirk": 5_000,
    "delfshaven/bakker": 0,  # sells food in the wijk
    "delfshaven/slijter": 0,  # sells alcohol in the wijk
    "delfshaven/winkel": 0,  # of another wijk of the city
    "noord/bram": 5_000,
}
SHOPS = st.sampled_from(["bakker", "slijter", "winkel", "anna"])
PRODUCTS = st.sampled_from(["C01", "C02", None])
CENTS = st.integers(1, 900)
PAYMENT, DAY, MONTH, PAYEE = 500, 1_200, 3_000, 2_000  # caps of the capped pool
LINES = {"HUUR": 700, "FEEST": 300}  # a month, a year
USE, PERIOD = 300, 500  # of the benefit
SOLD = {"bakker": "C01", "slijter": "C02"}
NOBODY = b"\x09" * 32


class Attempts(RuleBasedStateMachine):
    """A funder, residents and shops, and everybody tries everything."""

    tried: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.ledger = make_ledger(balances=PEOPLE)
        ledger = self.ledger
        self.capped = open_pool(
            ledger,
            Area(1, ("WK059903",), 2014, 0),
            Category(1, ("C01",), ("C02",)),
            Cap(1, PAYMENT, DAY, MONTH, PAYEE, 0),
            cents=4_000,
        )
        self.benefit = open_pool(
            ledger, shape=Benefit(1, NOBODY, "BP", 3_000, USE, PERIOD, "TOTAL"), cents=1_000
        )
        self.enrol(self.benefit, "pas")
        lines = (BudgetLine("HUUR", 700, "MONTH"), BudgetLine("FEEST", 300, "YEAR"))
        self.budget = open_pool(ledger, Budget(1, lines, 0), cents=1_500)
        rule_ = EscrowRule(
            1, account("gever"), account("anna"), (account("dirk"),), 1, DAY_S, 40 * DAY_S
        )
        self.escrow = open_pool(ledger, shape=rule_, cents=1_000)
        tiers = (Tier(2, 100), Tier(6, 90))
        buy = CollectiveBuy(1, account("bakker"), 2, 0, tiers, 20_260_110, 20)
        self.purchase = open_pool(ledger, shape=buy, cents=0)
        monthly = Recurring(1, account("anna"), account("dirk"), 40, "MONTH", 20_260_105, 3)
        self.recurring = open_pool(ledger, shape=monthly, by="anna", cents=0)
        match = Match(1, account("dirk"), 1, 2, 60, 100, 20_260_101, 20_261_231)
        self.match = open_pool(ledger, shape=match, cents=500)
        parts = (Part(account("bakker"), 2), Part(account("slijter"), 1))
        self.split = open_pool(ledger, split=parts, cents=500)
        self.short = open_pool(ledger, Expiry(1, 20_260_103, None), cents=300)
        self.draft = object_id(create(ledger))
        self.used: Counter[tuple[str, Any]] = Counter()
        self.free = {"capped": 4_000, "budget": 1_500, "benefit": 1_000, "split": 500}
        self.token_used = 0
        self.matched = 0
        self.pledged: list[tuple[str, int]] = []
        self.paid_numbers: set[int] = set()
        self.delivered = False
        self.settled = False

    # ------------------------------------------------------------------------------ the model

    @property
    def today(self) -> int:
        """The book date of the next block."""
        return compute_book_date(self.ledger.time_s + 1, 3_600)

    def has(self, name: str) -> int:
        return get_balance(State(self.ledger.state.get), f"{WIJK}:EUR", "2", account(name))

    def enrol(self, policy: bytes, *names: str) -> None:
        keys = tuple(sorted(key(name) for name in names))
        assert_done(self.ledger.by_registrar(WIJK, EnrolToken(policy, 0, keys)))

    def fails(self, kind: str, outcome: Outcome, code: Code, **params: Any) -> None:
        assert_refused(outcome, code, **params)
        self.tried[kind] += 1

    def clause(self, kind: str, outcome: Outcome, clause: str, **params: Any) -> None:
        self.fails(kind, outcome, Code.POLICY_CLAUSE, clause=clause, **params)

    # ----------------------------------------------------------------------------- honest days

    @rule(days=st.integers(1, 12))
    def days_pass(self, days: int) -> None:
        self.ledger.time_s += days * DAY_S

    # ---------------------------------------------------------------------------- the earmark

    @rule(shop=SHOPS, cents=CENTS, product=PRODUCTS)
    def pay_from_the_capped_pool(self, shop: str, cents: int, product: str | None) -> None:
        """Whatever is asked: the model says what comes of it."""
        day, month = self.today, self.today // 100
        tag = None if product is None else Tag("SALE", "P3", product, 0)
        outcome = claim(self.ledger, self.capped, shop, cents, tag=tag)
        bought = product or SOLD.get(shop)
        left = {
            "payment": PAYMENT,
            "day": DAY - self.used["day", day],
            "month": MONTH - self.used["month", month],
            "payee-month": PAYEE - self.used["payee", (shop, month)],
        }
        if shop in ("winkel", "anna"):
            self.clause("outside the area", outcome, "area")
        elif bought == "C02":
            self.clause("an excluded kind", outcome, "category")
        elif (over := next((name for name in left if cents > left[name]), None)) is not None:
            room = left[over]
            self.clause(f"cap of {over}", outcome, "cap", period=over, remaining_cents=room)
        elif cents > self.free["capped"]:
            room = self.free["capped"]
            self.fails("overspend a pool", outcome, Code.COIN_LOW_BALANCE, balance_cents=room)
        else:
            assert_done(outcome)
            self.free["capped"] -= cents
            self.used["day", day] += cents
            self.used["month", month] += cents
            self.used["payee", (shop, month)] += cents

    @rule(who=st.sampled_from(["anna", "dirk"]), cents=CENTS)
    def take_without_a_token(self, who: str, cents: int) -> None:
        outcome = claim(self.ledger, self.capped, "bakker", cents, by=who)
        self.clause("no token", outcome, "token")
        outcome = claim(self.ledger, self.capped, who, cents, by=who)
        self.clause("no token, to oneself", outcome, "token")
        outcome = claim(self.ledger, self.capped, "bakker", cents, by=who, token="vals")
        self.clause("a token of nobody", outcome, "token")
        outcome = claim(self.ledger, self.capped, "bakker", cents, by=who, token="pas")
        self.clause("a token of another pool", outcome, "token")
        outcome = claim(self.ledger, self.capped, "bram", cents, by=who)
        self.fails("to another wijk", outcome, Code.COIN_OTHER_WIJK)

    @rule(cents=CENTS)
    def steal_the_word_of_a_token(self, cents: int) -> None:
        """A claim of Anna with its token is shown again by Dirk, and with another amount."""
        nonce = (self.ledger._count + 1).to_bytes(16, "big")
        made = claim_call(self.ledger, self.benefit, cents, "anna", nonce)
        outcome = self.ledger.send(made, account("dirk"), [(0, "dirk")], nonce=nonce)
        self.clause("a token of somebody else", outcome, "token")
        nonce = (self.ledger._count + 1).to_bytes(16, "big")
        more = claim_call(self.ledger, self.benefit, cents, "anna", nonce)
        more = Claim(self.benefit, account("bakker"), cents + 1, None, None, more.token, None)
        outcome = self.ledger.send(more, account("anna"), [(0, "anna")], nonce=nonce)
        self.clause("a token for another amount", outcome, "token")

    @rule(price=st.integers(1, 2_000))
    def buy_with_a_benefit(self, price: int) -> None:
        outcome = claim(self.ledger, self.benefit, "bakker", price, by="anna", token="pas")
        left = PERIOD - self.token_used
        paid = min(price * 3_000 // 10_000, USE, left, self.free["benefit"])
        if paid == 0:
            self.clause("a benefit used up", outcome, "benefit")
        elif self.has("anna") < price - paid:
            self.fails("own part too high", outcome, Code.COIN_LOW_BALANCE)
        else:
            assert_done(outcome)
            self.token_used += paid
            self.free["benefit"] -= paid

    @rule(line=st.sampled_from(["HUUR", "FEEST", "REIS", None]), cents=CENTS)
    def spend_a_budget(self, line: str | None, cents: int) -> None:
        outcome = claim(self.ledger, self.budget, "winkel", cents, item=line)
        if line not in LINES:
            self.clause("a line that is not there", outcome, "budget")
            return
        period = self.today // (100 if line == "HUUR" else 10_000)
        left = LINES[line] - self.used[line, period]
        if cents > left:
            self.clause("a line overspent", outcome, "budget", line=line, remaining_cents=left)
        elif cents > self.free["budget"]:
            self.fails("a budget without money", outcome, Code.COIN_LOW_BALANCE)
        else:
            assert_done(outcome)
            self.used[line, period] += cents
            self.free["budget"] -= cents

    @rule(cents=st.integers(1, 300))
    def use_money_that_has_lapsed(self, cents: int) -> None:
        outcome = claim(self.ledger, self.short, "bakker", cents)
        if self.today > 20_260_103:
            self.fails("money that has lapsed", outcome, Code.POLICY_NOT_ACTIVE)
        elif outcome.code:
            self.fails("more than is left", outcome, Code.COIN_LOW_BALANCE)

    @rule(cents=st.integers(1, 200), first=st.booleans())
    def claim_a_split(self, cents: int, first: bool) -> None:
        outcome = claim(self.ledger, self.split, "bakker" if first else "slijter", cents)
        if not first:
            self.clause("another than the first of a split", outcome, "split")
        elif cents > self.free["split"]:
            self.fails("overspend a split", outcome, Code.COIN_LOW_BALANCE)
        else:
            assert_done(outcome)
            self.free["split"] -= cents

    # ------------------------------------------------------------------------ other people's money

    @rule(who=st.sampled_from(["anna", "dirk", "bakker"]), cents=CENTS)
    def play_the_funder(self, who: str, cents: int) -> None:
        ledger = self.ledger
        self.fails("close of a stranger", close(ledger, self.capped, by=who), Code.TX_ROLE)
        outcome = ledger.by_person(who, Fund(self.capped, cents, None))
        self.fails("fund of a stranger", outcome, Code.TX_ROLE)
        outcome = ledger.by_board("noord", Accept(self.draft))
        self.fails("accepted by another board", outcome, Code.TX_ROLE)
        outcome = ledger.by_board(WIJK, Accept(self.capped))
        self.fails("accepted twice", outcome, Code.POLICY_DONE)
        outcome = ledger.by_person("gever", Fund(self.draft, cents, None))
        self.fails("money into a draft", outcome, Code.POLICY_NOT_ACTIVE)
        outcome = claim(ledger, self.draft, "bakker", cents)
        self.fails("money out of a draft", outcome, Code.POLICY_NOT_ACTIVE)
        outcome = claim(ledger, self.capped, "gever", cents)
        self.fails("the funder pays itself", outcome, Code.COIN_SELF)

    @rule(who=st.sampled_from(["gever", "anna"]))
    def write_what_the_law_forbids(self, who: str) -> None:
        mine = Recurring(1, account(who), account("dirk"), 1, "WEEK", 20_260_105, 2)
        area, sunset = Area(1, ("GM0599",), 2014, 0), Sunset(1, 20_991_231, "RETURN", None)
        outcome = create(self.ledger, area, sunset, shape=mine, by=who)
        self.fails("an area on own coin", outcome, Code.POLICY_LAW, clause="area")
        outcome = create(self.ledger, Expiry(1, 20_991_231, None), shape=mine, by=who)
        self.fails("own coin that lapses", outcome, Code.POLICY_LAW, clause="expiry")
        theirs = Recurring(1, account("bakker"), account(who), 1, "WEEK", 20_260_105, 2)
        outcome = create(self.ledger, shape=theirs, by=who)
        self.fails("a promise of another", outcome, Code.POLICY_PARAMS)
        if who != "gever":
            heir = Sunset(1, 20_991_231, "SUCCESSOR", self.capped)
            outcome = create(self.ledger, heir, by=who)
            self.fails("an heir of another", outcome, Code.TX_UNKNOWN_ID)

    @precondition(lambda self: not self.settled)
    @rule(cents=st.integers(0, 1_200))
    def grab_an_escrow(self, cents: int) -> None:
        ledger = self.ledger
        if 0 < cents <= 1_000:
            outcome = release(ledger, self.escrow, 1, cents, "anna")
            self.fails("the payee decides alone", outcome, Code.POLICY_OWN_CASE)
        if cents > 1_000:
            outcome = release(ledger, self.escrow, 1, cents, "dirk")
            self.fails("more than is held", outcome, Code.POLICY_AMOUNT)
        self.fails("close what is held", close(ledger, self.escrow), Code.POLICY_PENDING)
        outcome = release(ledger, self.escrow, 2, cents, "gever")
        self.fails("another escrow", outcome, Code.TX_UNKNOWN_ID)
        outcome = claim(ledger, self.escrow, "anna", 0, by="dirk")
        self.fails("a delivery of another", outcome, Code.TX_ROLE)

    @precondition(lambda self: not self.settled)
    @rule()
    def deliver(self) -> None:
        outcome = claim(self.ledger, self.escrow, "anna", 0, by="anna")
        if self.delivered:
            self.fails("delivered twice", outcome, Code.POLICY_DONE)
        else:
            assert_done(outcome)
            self.delivered = True

    @precondition(lambda self: not self.settled)
    @rule(cents=st.integers(0, 1_000))
    def the_arbiter_decides(self, cents: int) -> None:
        assert_done(release(self.ledger, self.escrow, 1, cents, "dirk"))
        self.settled = True
        outcome = release(self.ledger, self.escrow, 1, cents, "dirk")
        self.fails("decided twice", outcome, Code.POLICY_NOT_ACTIVE)

    @rule(who=st.sampled_from(["anna", "dirk"]), qty=st.integers(1, 3), off=st.integers(-1, 1))
    def pledge(self, who: str, qty: int, off: int) -> None:
        cents = qty * 100 + off
        if self.has(who) < cents:
            return
        outcome = self.ledger.by_person(who, Fund(self.purchase, cents, qty))
        if self.purchase_over():
            self.fails("a pledge after the end", outcome, Code.POLICY_NOT_ACTIVE)
        elif off:
            self.fails("a pledge of a wrong price", outcome, Code.POLICY_AMOUNT)
        elif self.today > 20_260_110:
            self.clause("a pledge too late", outcome, "collective_buy")
        elif len(self.pledged) >= 20:
            self.clause("one pledge too many", outcome, "collective_buy")
        else:
            assert_done(outcome)
            self.pledged.append((who, qty))

    def purchase_over(self) -> bool:
        return self.used["purchase", "over"] > 0

    @rule(off=st.integers(-1, 1))
    def end_the_purchase(self, off: int) -> None:
        pieces = sum(qty for _, qty in self.pledged)
        buyers = {who for who, _ in self.pledged}
        unit = 90 if pieces >= 6 else 100
        right = pieces * unit if pieces >= 2 and len(buyers) >= 2 else 0
        if right + off < 0:
            return
        outcome = release(self.ledger, self.purchase, 0, right + off, "bakker")
        if self.purchase_over():
            self.fails("a purchase ended twice", outcome, Code.POLICY_NOT_ACTIVE)
        elif self.today <= 20_260_110:
            self.clause("a purchase ended early", outcome, "collective_buy")
        elif not self.pledged:
            self.fails("a purchase of nothing", outcome, Code.POLICY_DONE)
        elif off:
            self.fails("a wrong result", outcome, Code.POLICY_AMOUNT, amount_cents=right)
        else:
            assert_done(outcome)
            self.used["purchase", "over"] += 1

    @rule(number=st.integers(0, 4), off=st.integers(-1, 1), who=st.sampled_from(["dirk", "bakker"]))
    def ask_an_instalment(self, number: int, off: int, who: str) -> None:
        had = self.has("anna")
        outcome = claim(self.ledger, self.recurring, "dirk", 40 + off, by=who, item=number)
        if who != "dirk":
            self.fails("an instalment of another", outcome, Code.TX_ROLE)
        elif off:
            self.fails("an instalment of another amount", outcome, Code.POLICY_AMOUNT)
        elif number >= 3 or self.today < 20_260_105 + 100 * number:
            self.clause("an instalment too early or too many", outcome, "recurring")
        elif number in self.paid_numbers:
            self.fails("an instalment twice", outcome, Code.POLICY_DONE)
        elif had < 40:
            self.fails("an instalment without money", outcome, Code.COIN_LOW_BALANCE)
        else:
            assert_done(outcome)
            self.paid_numbers.add(number)

    @rule(who=st.sampled_from(["anna", "gever"]), cents=st.integers(1, 200), off=st.integers(-1, 1))
    def give_and_match(self, who: str, cents: int, off: int) -> None:
        if self.has(who) < cents or cents + off < 1:
            return
        gift = self.ledger.by_person(
            who, Transfer((Leg(account("dirk"), cents, None, None),), None)
        )
        assert_done(gift)
        outcome = claim(self.ledger, self.match, "dirk", cents + off, by="anna", ref=gift.tx_id)
        if who == "gever":
            self.clause("the funder matches itself", outcome, "match")
        elif off:
            self.fails("a gift of another amount", outcome, Code.POLICY_AMOUNT)
        else:
            added = min(cents // 2, 60, 100 - self.matched)
            assert_done(outcome)
            self.matched += added
            assert sum(p.cents for p in outcome.postings if p.side == "D") == added
            again = claim(self.ledger, self.match, "dirk", cents, by="anna", ref=gift.tx_id)
            self.fails("a gift matched twice", again, Code.POLICY_DONE)
            wrong = claim(self.ledger, self.match, "bakker", cents, by="anna", ref=gift.tx_id)
            self.fails("matched to another", wrong, Code.TX_ROLE)
        nothing = claim(self.ledger, self.match, "dirk", cents, by="anna", ref=NOBODY)
        self.fails("a gift that was not", nothing, Code.TX_UNKNOWN_ID)

    # -------------------------------------------------------------------------------- always

    @invariant()
    def pools_hold_what_the_model_says(self) -> None:
        for name, policy in (
            ("capped", self.capped),
            ("budget", self.budget),
            ("benefit", self.benefit),
            ("split", self.split),
        ):
            funded, spent, pending, returned, free = sums(self.ledger, policy)
            assert (free, pending, returned) == (self.free[name], 0, 0)
            assert funded == spent + free

    def teardown(self) -> None:
        assert broken(self.ledger) == []


def claim_call(ledger: Ledger, policy: bytes, cents: int, by: str, nonce: bytes) -> Claim:
    """Return a claim with the token of `by`, made for this nonce."""
    message = token_bytes(ledger.chain.digest, policy, account("bakker"), cents, account(by), nonce)
    proof = TokenProof(key("pas"), sign(seed("pas"), message))
    return Claim(policy, account("bakker"), cents, None, None, proof, None)


@pytest.mark.timeout(3_000)
def test_every_attempt_on_a_pool_fails_with_the_documented_code_i10() -> None:
    """With WIJK_ATTEMPTS=10000 the run of the acceptance list."""
    Attempts.tried.clear()
    while sum(Attempts.tried.values()) < ATTEMPTS:
        run_state_machine_as_test(
            Attempts,
            settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None),
        )

    print(sum(Attempts.tried.values()), dict(sorted(Attempts.tried.items())))
    assert len(Attempts.tried) >= KINDS_MIN
