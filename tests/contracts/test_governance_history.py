"""Whole histories of votes over the real executor, against a model that knows people and clocks.

Members come and go, propose, second, vote, vote again, close and carry out, at any time. What a
vote decides has effect on the chain exactly once, at the height of its execution; everything else
changes nothing (economy E7, E13, E34). The model compares √-majorities by fractions.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar

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

from chain.crypto import sha256
from chain.errors import Code
from chain.state import State
from chain.voters import count_voters
from chain.votes import ENACT_S
from chain.work import REGISTER, VALUATION
from contracts.governance import Cast, Close, Execute, Second
from contracts.members import SetLimits
from contracts.registry import Put, ValuationRecord
from tests.contracts.assembly import TODAY, WIJK, by_board, get, proposal
from tests.contracts.desk import assert_done
from tests.contracts.offices import object_id
from tests.federation import Ledger, account

STEPS, EXAMPLES = 40, int(os.environ.get("WIJK_HISTORIES", "8"))
KINDS_MIN = 8  # of the ways a step can end; a run of the default size meets most
PEOPLE = tuple(f"voter{i}" for i in range(6))
SECONDERS, VOTE_MIN_S, ENACT_DELAY_S = 2, 30, 20
WORDS = ("YES", "NO", "BLANK")


@dataclass
class Model:
    """A vote as people remember it."""

    by: str
    opens: int
    closes: int
    state: str = "DRAFT"
    seconders: set[str] = field(default_factory=set)
    electorate: frozenset[str] = frozenset()
    votes: dict[str, str] = field(default_factory=dict)

    def count(self, word: str) -> int:
        return sum(vote == word for vote in self.votes.values())

    def has_majority(self) -> bool:
        """Say whether ayes/√E > nays/√T with a tenth of the electorate, by squares."""
        yes, no, ballots = self.count("YES"), self.count("NO"), len(self.votes)
        if yes == 0 or not self.electorate:
            return False
        people = len(self.electorate)
        biased = Fraction(no * no, yes + no) < Fraction(yes * yes, people)
        return biased and Fraction(ballots, people) >= Fraction(1, 10)


class Histories(RuleBasedStateMachine):
    """Six people of a wijk, their board, and a clock."""

    met: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        balances = {f"{WIJK}/{name}": 0 for name in PEOPLE}
        params = {
            "seconders": SECONDERS,
            "vote_min_s": VOTE_MIN_S,
            "enact_delay_s": ENACT_DELAY_S,
        }
        self.ledger = Ledger(balances=balances, params=params)
        self.voters = set(PEOPLE)
        self.votes: dict[bytes, Model] = {}

    def at(self) -> int:
        """The time of the next block."""
        return self.ledger.time_s + 1

    def expect(self, outcome: object, code: Code | None, what: str) -> bool:
        """Assert the code of an outcome, and count what was met."""
        number = 0 if code is None else code.number
        assert outcome.code == number, (what, outcome)  # type: ignore[attr-defined]
        self.met[f"{what} {'done' if code is None else code.reason}"] += 1
        return code is None

    def price(self) -> Put:
        """An action with an effect of its own."""
        record = ValuationRecord(f"WERK-{len(self.votes)}", 100, "HOUR", "SOCIAL", None, None)
        return Put("VALUATION", None, record, TODAY, None)

    # --------------------------------------------------------------------------------- the rules

    @precondition(lambda self: len(self.votes) < 6)
    @rule(delay=st.integers(0, 40), length=st.integers(VOTE_MIN_S, 60))
    def propose_by_board(self, delay: int, length: int) -> None:
        opens = self.at() + delay
        decision_id = by_board(self.ledger, self.price(), opens=opens, closes=opens + length)
        electorate = frozenset(self.voters)
        model = Model("board", opens, opens + length, "OPEN", set(), electorate)
        self.votes[decision_id] = model

    @precondition(lambda self: len(self.votes) < 6)
    @rule(who=st.sampled_from(PEOPLE), length=st.integers(VOTE_MIN_S, 90))
    def propose_by_member(self, who: str, length: int) -> None:
        opens = self.at()
        call = proposal(self.ledger, self.price(), opens=opens, closes=opens + length)
        outcome = self.ledger.by_person(who, call)
        allowed = who in self.voters
        if self.expect(outcome, None if allowed else Code.TX_ROLE, "propose"):
            self.votes[object_id(outcome)] = Model(who, opens, opens + length)

    @precondition(lambda self: self.votes)
    @rule(data=st.data(), who=st.sampled_from(PEOPLE))
    def second(self, data: st.DataObject, who: str) -> None:
        decision_id, model = self.draw(data)
        time_s = self.at()
        code = (
            Code.TX_ROLE
            if who not in self.voters
            else Code.GOVERNANCE_OWN
            if who == model.by
            else Code.GOVERNANCE_DONE
            if model.state != "DRAFT"
            else Code.GOVERNANCE_ALREADY
            if who in model.seconders
            else Code.GOVERNANCE_TOO_LATE
            if model.closes - time_s < VOTE_MIN_S
            else None
        )
        outcome = self.ledger.by_person(who, Second(decision_id))
        if self.expect(outcome, code, "second"):
            model.seconders.add(who)
            if len(model.seconders) == SECONDERS:
                model.state, model.electorate = "OPEN", frozenset(self.voters)
                model.opens = max(model.opens, time_s)

    @precondition(lambda self: self.votes)
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), word=st.sampled_from(WORDS))
    def cast(self, data: st.DataObject, who: str, word: str) -> None:
        decision_id, model = self.draw(data)
        is_open = model.state == "OPEN" and model.opens <= self.at() < model.closes
        code = (
            Code.GOVERNANCE_NOT_OPEN
            if not is_open
            else None
            if who in model.electorate
            else Code.GOVERNANCE_NOT_ELIGIBLE
        )
        outcome = self.ledger.by_person(who, Cast(decision_id, word))  # type: ignore[arg-type]
        if self.expect(outcome, code, "cast"):
            model.votes[who] = word

    @precondition(lambda self: self.votes)
    @rule(data=st.data(), words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
    def assemble(self, data: st.DataObject, words: list[str]) -> None:
        """Several vote at once: votes with results are the ones worth trying."""
        decision_id, model = self.draw(data)
        for who, word in zip(sorted(model.electorate), words, strict=False):
            if model.state == "OPEN" and model.opens <= self.at() < model.closes:
                assert_done(self.ledger.by_person(who, Cast(decision_id, word)))  # type: ignore[arg-type]
                model.votes[who] = word

    @precondition(lambda self: self.votes)
    @rule(data=st.data(), who=st.sampled_from(PEOPLE))
    def close(self, data: st.DataObject, who: str) -> None:
        decision_id, model = self.draw(data)
        time_s = self.at()
        draft_over = model.closes - time_s < VOTE_MIN_S
        ready = draft_over if model.state == "DRAFT" else time_s >= model.closes
        code = (
            Code.GOVERNANCE_DONE
            if model.state not in ("DRAFT", "OPEN")
            else None
            if ready
            else Code.GOVERNANCE_TOO_EARLY
        )
        outcome = self.ledger.by_person(who, Close(decision_id))
        if self.expect(outcome, code, f"close {model.state}"):
            passed = "PASSED" if model.has_majority() else "REJECTED"
            model.state = "LAPSED" if model.state == "DRAFT" else passed
            self.met[model.state] += 1

    @precondition(lambda self: self.votes)
    @rule(data=st.data(), who=st.sampled_from(PEOPLE))
    def execute(self, data: st.DataObject, who: str) -> None:
        decision_id, model = self.draw(data)
        time_s, soonest = self.at(), model.closes + ENACT_DELAY_S
        code = (
            Code.GOVERNANCE_NOT_PASSED
            if model.state not in ("PASSED", "EXECUTED")
            else Code.GOVERNANCE_DONE
            if model.state == "EXECUTED"
            else Code.GOVERNANCE_TOO_EARLY
            if time_s < soonest
            else Code.GOVERNANCE_TOO_LATE
            if time_s >= soonest + ENACT_S
            else None
        )
        outcome = self.ledger.by_person(who, Execute(decision_id))
        if self.expect(outcome, code, "execute"):
            model.state = "EXECUTED"

    @rule(who=st.sampled_from(PEOPLE), keeps=st.booleans())
    def change_right(self, who: str, keeps: bool) -> None:
        """The registrars give or take the flag of a member."""
        flags = ("VOTE",) if keeps else ()
        call = SetLimits(account(who), flags, 10**13, 0, 0, 0, 0, 0, None, None, ())  # type: ignore[arg-type]
        assert_done(self.ledger.by_registrar(WIJK, call))
        (self.voters.add if keeps else self.voters.discard)(who)

    @rule(seconds=st.sampled_from([1, 7, 25, 60, 80]))
    def wait(self, seconds: int) -> None:
        self.ledger.time_s += seconds

    def draw(self, data: st.DataObject) -> tuple[bytes, Model]:
        return data.draw(st.sampled_from(list(self.votes.items())))

    # ---------------------------------------------------------------------------- what is true

    @invariant()
    def a_decision_has_effect_exactly_when_it_was_executed(self) -> None:
        state = State(self.ledger.state.get)
        for decision_id, model in self.votes.items():
            name = sha256(decision_id + bytes(4))
            versions = REGISTER.get(state, VALUATION, name) or ()
            assert len(versions) == (1 if model.state == "EXECUTED" else 0), model

    @invariant()
    def the_chain_says_what_people_remember(self) -> None:
        for decision_id, model in self.votes.items():
            decision = get(self.ledger, decision_id)
            assert decision.status == model.state
            assert decision.tally == tuple(model.count(word) for word in WORDS)

    @invariant()
    def the_number_of_voters_is_known(self) -> None:
        state = State(self.ledger.state.get)
        assert count_voters(state, WIJK, self.ledger.base.height) == len(self.voters)


def test_e34_histories_of_votes_have_their_effects_once_and_no_others() -> None:
    Histories.met.clear()
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
    )

    assert len(Histories.met) >= KINDS_MIN, Histories.met


@pytest.mark.parametrize("yes", range(7))
@pytest.mark.parametrize("no", range(7))
def test_e7_every_result_of_a_small_wijk_on_the_chain(yes: int, no: int) -> None:
    """All results of six people: what passes has effect, and what does not has none."""
    if yes + no > len(PEOPLE):
        return
    ledger = Ledger(balances={f"{WIJK}/{name}": 0 for name in PEOPLE})
    record = ValuationRecord("KLUS", 100, "HOUR", "SOCIAL", None, None)
    decision_id = by_board(ledger, Put("VALUATION", None, record, TODAY, None))
    model = Model("board", 0, 0, electorate=frozenset(PEOPLE))
    for place, who in enumerate(PEOPLE[: yes + no]):
        model.votes[who] = "YES" if place < yes else "NO"
        assert_done(ledger.by_person(who, Cast(decision_id, model.votes[who])))  # type: ignore[arg-type]
    ledger.time_s = get(ledger, decision_id).window[1]
    assert_done(ledger.by_person("voter0", Close(decision_id)))
    ledger.time_s += 10

    outcome = ledger.by_person("voter0", Execute(decision_id))

    assert (outcome.code == 0) is model.has_majority()
    made = REGISTER.get(State(ledger.state.get), VALUATION, sha256(decision_id + bytes(4)))
    assert (made is not None) is model.has_majority()
