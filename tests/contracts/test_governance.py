"""governance.*: proposals, open votes, exact majorities, and what runs once (economy 10, E34)."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.call_json import call_from_json, call_to_json
from chain.codec import digest, encode
from chain.contract import Table
from chain.crypto import sha256
from chain.errors import Code, Reject
from chain.genesis import founding_decision_id
from chain.keyspaces import ARBITER, PARAMS, ROLES
from chain.params import DAY_S
from chain.state import State
from chain.votes import (
    ENACT_S,
    PETITION_DUE_S,
    PETITION_S,
    RESULT_S,
    VOTES,
    passes,
    put_result,
    share,
)
from chain.work import REGISTER, VALUATION
from contracts import CONTRACTS
from contracts.coin import Leg, RedeemRequest, Transfer
from contracts.governance import Cast, Close, Execute, Issue, Propose, Second
from contracts.governance.issue import ANSWER_S, APPEAL_S, ISSUES
from contracts.members import Admit, SetLimits
from contracts.policy import Accept, Create
from contracts.registry import Put, Retire, ValuationRecord
from contracts.wijk import FedEndorse, FedPropose, RegisterRole, SetParam
from tests.contracts import fund_desk
from tests.contracts.assembly import (
    TEXT,
    TODAY,
    WIJK,
    by_board,
    cast,
    close,
    execute,
    get,
    get_poll,
    plan,
    proposal,
    second,
    vote_through,
)
from tests.contracts.desk import Desk, assert_done, assert_refused, balance_of, broken, put
from tests.contracts.fund_desk import PLAIN
from tests.contracts.offices import names, object_id, raw, read, values
from tests.federation import Ledger, account, board, key

PEOPLE = tuple(f"voter{i}" for i in range(10))


@pytest.fixture
def ledger() -> Ledger:
    """A wijk of ten voters, and one voter of another wijk."""
    balances = {f"{WIJK}/{name}": 100 for name in PEOPLE}
    return Ledger(balances={**balances, "noord/bram": 100}, params={"seconders": 2})


def colour(ledger: Ledger, value: str = "BLAUW") -> SetParam:
    """Return an action whose effect is easy to see."""
    return SetParam("coin.colour", raw(value), (ledger.time_s + 10_000_000) // 5)


def colours(ledger: Ledger) -> tuple[Any, ...]:
    """Return how often an action of `colour` had effect."""
    return read(ledger, PARAMS, WIJK, "coin.colour") or ()


def all_cast(ledger: Ledger, decision_id: bytes, choices: str) -> None:
    """Let the first voters vote: Y, N or B each."""
    words = {"Y": "YES", "N": "NO", "B": "BLANK"}
    for name, letter in zip(PEOPLE, choices, strict=False):
        assert_done(cast(ledger, decision_id, name, words[letter]))


# ------------------------------------------------------------------------------------- E7, alone


@pytest.mark.parametrize(
    ("klass", "counts", "electorate", "expected"),
    [
        ("ORDINARY", (0, 0, 0), 10, False),
        ("ORDINARY", (1, 1, 0), 2, False),  # a tie, everybody voted: n²E = y²T
        ("ORDINARY", (2, 1, 0), 3, True),
        ("ORDINARY", (1, 0, 0), 10, True),  # exactly the quorum of 10 %
        ("ORDINARY", (1, 0, 0), 11, False),
        ("ORDINARY", (1, 0, 1), 20, True),  # blanks count for turnout
        ("ORDINARY", (0, 0, 10), 10, False),
        ("ORDINARY", (82, 18, 0), 2_000, True),  # 5 % turnout: 82 % is enough [ENC] ...
        ("ORDINARY", (81, 19, 0), 2_000, False),  # ... and 81 % is not
        ("BUDGET", (8, 4, 0), 48, False),  # 16·48 = 64·12: exactly equal is not more
        ("BUDGET", (8, 4, 0), 47, True),
        ("STATUTES", (2, 1, 0), 9, True),  # exactly two thirds, exactly a third voted
        ("STATUTES", (2, 1, 0), 10, False),
        ("STATUTES", (199, 100, 0), 300, False),
        ("STATUTES", (200, 100, 0), 300, True),
        ("STATUTES", (0, 0, 9), 9, False),  # 0 >= 0 is no majority
        ("RECALL", (2, 2, 0), 4, False),
        ("RECALL", (2, 1, 0), 9, True),
        ("RECALL", (2, 1, 0), 10, False),
        ("RECALL", (2, 1, 1), 12, True),
    ],
)
def test_e7_at_the_edge(
    klass: str, counts: tuple[int, int, int], electorate: int, expected: bool
) -> None:
    assert passes(klass, *counts, electorate, 5 if electorate == 2_000 else 10) is expected


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400), st.integers(0, 800))
def test_e7_is_the_turnout_biased_majority_in_exact_fractions(
    yes: int, no: int, blank: int, absent: int
) -> None:
    """ayes/√E > nays/√T, compared by squares in a way of its own."""
    electorate = yes + no + blank + absent
    expected = (
        yes > 0
        and Fraction(no * no, yes + no) < Fraction(yes * yes, electorate)
        and Fraction(yes + no + blank, electorate) >= Fraction(1, 10)
    )

    assert passes("ORDINARY", yes, no, blank, electorate, 10) is expected


def test_e7_full_turnout_is_a_plain_majority() -> None:
    for yes in range(1, 60):
        for no in range(60):
            assert passes("ORDINARY", yes, no, 0, yes + no, 0) is (yes > no)


def test_w17_a_share_is_rounded_up_and_is_somebody() -> None:
    assert [share(2, n) for n in (0, 1, 50, 51, 100, 101)] == [1, 1, 1, 2, 2, 3]
    assert [share(10, n) for n in (9, 10, 11)] == [1, 1, 2]


# --------------------------------------------------------------------------- propose and second


def test_governance_propose_by_the_board_is_open_at_once(ledger: Ledger) -> None:
    outcome = ledger.by_board(WIJK, proposal(ledger, colour(ledger)))

    decision_id = object_id(outcome)
    decision, poll = get(ledger, decision_id), get_poll(ledger, decision_id)
    assert names(outcome) == ["governance.ProposalMade", "governance.Opened"]
    assert (decision.wijk, decision.number, decision.klass) == (WIJK, 1, "ORDINARY")
    assert (decision.status, decision.tally, decision.cents) == ("OPEN", (0, 0, 0), 0)
    assert decision.actions_digest == digest(list(decision.actions))
    assert (poll.by, poll.electorate, poll.need) == (board(WIJK), 10, 0)
    assert poll.reference == ledger.base.height - 1
    assert read(ledger, VOTES, WIJK, 1) == decision_id


def test_governance_votes_are_numbered_per_wijk(ledger: Ledger) -> None:
    first = [by_board(ledger, wijk=wijk) for wijk in (WIJK, "noord", WIJK)]

    assert [get(ledger, one).number for one in first] == [1, 1, 2]
    assert [get(ledger, one).wijk for one in first] == [WIJK, "noord", WIJK]


def test_governance_second_opens_the_proposal_of_a_member(ledger: Ledger) -> None:
    decision_id = object_id(ledger.by_person("voter0", proposal(ledger, colour(ledger))))
    assert get(ledger, decision_id).status == "DRAFT"
    assert_refused(cast(ledger, decision_id, "voter1", "YES"), Code.GOVERNANCE_NOT_OPEN)

    first = assert_done(second(ledger, decision_id, "voter1"))
    outcome = assert_done(second(ledger, decision_id, "voter2"))

    assert values(first, "governance.Seconded") == [decision_id, account("voter1"), 1, 2]
    assert names(outcome) == ["governance.Seconded", "governance.Opened"]
    assert get(ledger, decision_id).window[0] == ledger.time_s
    assert_done(cast(ledger, decision_id, "voter1", "YES"))


def test_governance_second_refuses_own_already_done_and_strangers(ledger: Ledger) -> None:
    decision_id = object_id(ledger.by_person("voter0", proposal(ledger)))

    assert_refused(second(ledger, decision_id, "voter0"), Code.GOVERNANCE_OWN)
    assert_refused(second(ledger, decision_id, "bram"), Code.TX_ROLE)
    assert_done(second(ledger, decision_id, "voter1"))
    assert_refused(second(ledger, decision_id, "voter1"), Code.GOVERNANCE_ALREADY)
    assert_done(second(ledger, decision_id, "voter2"))
    assert_refused(second(ledger, decision_id, "voter3"), Code.GOVERNANCE_DONE)
    assert_refused(second(ledger, b"\x01" * 32, "voter3"), Code.TX_UNKNOWN_ID)


def test_governance_second_refuses_too_late_to_vote_long_enough(ledger: Ledger) -> None:
    """A vote that could open for less than `vote_min_s` does not open at all."""
    put(ledger, PARAMS, ((0, raw(50)),), "-", "vote_min_s")
    decision_id = object_id(ledger.by_person("voter0", proposal(ledger)))
    closes = get(ledger, decision_id).window[1]
    assert_done(second(ledger, decision_id, "voter1"))

    ledger.time_s = closes - 50
    assert_refused(second(ledger, decision_id, "voter2"), Code.GOVERNANCE_TOO_LATE)
    assert_done(ledger.by_person("voter5", Close(decision_id)))

    assert get(ledger, decision_id).status == "LAPSED"


def test_governance_second_opens_at_the_last_second(ledger: Ledger) -> None:
    put(ledger, PARAMS, ((0, raw(50)),), "-", "vote_min_s")
    decision_id = object_id(ledger.by_person("voter0", proposal(ledger)))
    closes = get(ledger, decision_id).window[1]
    assert_done(second(ledger, decision_id, "voter1"))

    ledger.time_s = closes - 51
    assert_done(second(ledger, decision_id, "voter2"))

    assert get(ledger, decision_id).window == (closes - 50, closes)


def test_governance_propose_refuses_who_has_no_vote(ledger: Ledger) -> None:
    """A member without the flag; one seat of a board alone signs too little to be included."""
    _strip(ledger, "voter0")
    assert_refused(ledger.by_person("voter0", proposal(ledger)), Code.TX_ROLE)

    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.send(proposal(ledger), board(WIJK), [(0, f"{WIJK}-board-a")])


def test_governance_propose_is_for_the_wijk_of_the_sender(ledger: Ledger) -> None:
    decision_id = object_id(ledger.by_person("bram", proposal(ledger)))

    assert get(ledger, decision_id).wijk == "noord"


def _strip(ledger: Ledger, name: str, *flags: str) -> None:
    """Let the registrars set the flags of a member."""
    call = SetLimits(account(name), flags, 10**13, 0, 0, 0, 0, 0, None, None, ())  # type: ignore[arg-type]
    assert_done(ledger.by_registrar(WIJK, call))


@pytest.mark.parametrize(
    ("opens", "length"), [(1, 0), (1, 30 * DAY_S + 1), (30 * DAY_S + 2, 10), (1, -50)]
)
def test_governance_propose_refuses_window(ledger: Ledger, opens: int, length: int) -> None:
    """economy E2: at most 30 days, and not farther off than seconders have."""
    start = ledger.time_s + opens
    call = proposal(ledger, opens=start, closes=max(0, start + length))

    assert_refused(ledger.by_board(WIJK, call), Code.GOVERNANCE_WINDOW)


def test_governance_propose_takes_thirty_days_to_the_second(ledger: Ledger) -> None:
    start = ledger.time_s + 1
    call = proposal(ledger, opens=start, closes=start + 30 * DAY_S)

    assert_done(ledger.by_board(WIJK, call))


def test_governance_propose_refuses_class(ledger: Ledger) -> None:
    recall = proposal(ledger, klass="RECALL", secret=1)
    assert_refused(ledger.by_board(WIJK, recall), Code.GOVERNANCE_CLASS)
    petition = proposal(ledger, klass="PETITION")
    assert_refused(ledger.by_board(WIJK, petition), Code.GOVERNANCE_CLASS)
    statutes = SetParam("statutes", raw(TEXT), (ledger.time_s + 10_000) // 5)
    ordinary = proposal(ledger, statutes)
    assert_refused(ledger.by_board(WIJK, ordinary), Code.GOVERNANCE_CLASS)
    money = proposal(ledger, plan(("HUUR", 100, "YEAR")))
    assert_refused(ledger.by_board(WIJK, money), Code.GOVERNANCE_CLASS)
    paint = proposal(ledger, colour(ledger), klass="BUDGET")
    assert_refused(ledger.by_board(WIJK, paint), Code.GOVERNANCE_CLASS)


@pytest.mark.parametrize("klass", ["STATUTES"])
def test_governance_propose_refuses_an_open_vote_that_has_to_be_secret(
    ledger: Ledger, klass: str
) -> None:
    """economy E10."""
    call = proposal(ledger, klass=klass)
    assert_refused(ledger.by_board(WIJK, call), Code.GOVERNANCE_SECRET)
    assert_done(ledger.by_board(WIJK, msgspec.structs.replace(call, secret=1)))


def test_governance_propose_refuses_action(ledger: Ledger) -> None:
    federal = SetParam("seconders", raw(3), (ledger.time_s + 10_000) // 5)
    for action in (RedeemRequest(1, bytes(32)), Execute(bytes(32)), proposal(ledger), federal):
        outcome = ledger.by_board(WIJK, proposal(ledger, action))
        assert_refused(outcome, Code.GOVERNANCE_ACTION)
    survey = proposal(ledger, colour(ledger), klass="SURVEY")
    assert_refused(ledger.by_board(WIJK, survey), Code.GOVERNANCE_ACTION)


def test_governance_propose_refuses_bytes_that_are_no_call(ledger: Ledger) -> None:
    call = msgspec.structs.replace(proposal(ledger), actions=(b"\x93\x01\x02\x03",))

    assert_refused(ledger.by_board(WIJK, call), Code.TX_MALFORMED)


# ------------------------------------------------------------------------------------------ cast


def test_governance_cast_counts_the_last_vote_of_an_account(ledger: Ledger) -> None:
    decision_id = by_board(ledger)
    seen = []

    for choice, tally in (
        ("YES", (1, 0, 0)),
        ("NO", (0, 1, 0)),
        ("NO", (0, 1, 0)),
        ("BLANK", (0, 0, 1)),
    ):
        outcome = assert_done(cast(ledger, decision_id, "voter0", choice))
        assert get(ledger, decision_id).tally == tally
        seen.append(values(outcome, "governance.VoteCast")[2:])
    assert seen[-1] == ["BLANK", "NO"]
    assert_done(cast(ledger, decision_id, "voter1", "YES"))
    assert get(ledger, decision_id).tally == (1, 0, 1)


def test_governance_cast_is_open_from_its_first_second_to_before_its_last(ledger: Ledger) -> None:
    start = ledger.time_s + 20
    decision_id = by_board(ledger, opens=start, closes=start + 10)

    for at, done in ((start - 2, False), (start - 1, True), (start + 8, True), (start + 9, False)):
        ledger.time_s = at  # the block is one second later
        outcome = cast(ledger, decision_id, "voter0", "YES")
        assert outcome.code == (0 if done else Code.GOVERNANCE_NOT_OPEN.number)


def test_governance_cast_refuses_not_eligible_e13(ledger: Ledger) -> None:
    """Who had a vote before the vote opened has it, and nobody else, whatever happened since."""
    decision_id = by_board(ledger)
    new = Admit(key("eva"), "PERSON", "BU05990310", 2014, ("VOTE",), 1_000)
    assert_done(ledger.by_registrar(WIJK, new))
    _strip(ledger, "voter9")

    assert_refused(cast(ledger, decision_id, "eva", "YES"), Code.GOVERNANCE_NOT_ELIGIBLE)
    assert_refused(cast(ledger, decision_id, "bram", "YES"), Code.GOVERNANCE_NOT_ELIGIBLE)
    assert_done(cast(ledger, decision_id, "voter9", "NO"))
    later = by_board(ledger)
    assert get_poll(ledger, later).electorate == 10
    assert_done(cast(ledger, later, "eva", "YES"))
    assert_refused(cast(ledger, later, "voter9", "NO"), Code.GOVERNANCE_NOT_ELIGIBLE)


def test_governance_cast_refuses_secret_e10(ledger: Ledger) -> None:
    decision_id = by_board(ledger, secret=1)

    assert_refused(cast(ledger, decision_id, "voter0", "YES"), Code.GOVERNANCE_SECRET)


# ------------------------------------------------------------------------------- close, execute


def test_governance_a_proposal_that_passes_changes_the_chain_once(ledger: Ledger) -> None:
    decision_id = by_board(ledger, colour(ledger))
    all_cast(ledger, decision_id, "YYYYYYNNNB")

    closed = assert_done(close(ledger, decision_id, "voter0"))
    assert values(closed, "governance.Passed") == [decision_id, 6, 3, 1, 10]
    assert colours(ledger) == ()
    outcome = assert_done(execute(ledger, decision_id, "bram"))

    assert names(outcome) == ["wijk.ParamSet", "governance.Executed"]
    assert len(colours(ledger)) == 1
    before = dict(ledger.state)
    assert_refused(execute(ledger, decision_id, "voter0"), Code.GOVERNANCE_DONE)
    assert_refused(close(ledger, decision_id, "voter0"), Code.GOVERNANCE_DONE)
    assert len(colours(ledger)) == 1
    assert {k: v for k, v in ledger.state.items() if before.get(k) != v and b"coin" in k} == {}


@pytest.mark.parametrize("choices", ["YYYYYNNNNN", "", "BBBBBBBBBB", "NNN", "YN"])
def test_governance_a_proposal_that_fails_changes_nothing(ledger: Ledger, choices: str) -> None:
    decision_id = by_board(ledger, colour(ledger))
    all_cast(ledger, decision_id, choices)

    closed = assert_done(close(ledger, decision_id, "voter0"))

    assert names(closed) == ["governance.Rejected"]
    assert_refused(execute(ledger, decision_id, "voter0"), Code.GOVERNANCE_NOT_PASSED)
    assert colours(ledger) == ()


def test_governance_close_refuses_too_early(ledger: Ledger) -> None:
    decision_id = by_board(ledger)
    closes = get(ledger, decision_id).window[1]

    ledger.time_s = closes - 2
    outcome = ledger.by_person("voter0", Close(decision_id))
    assert_refused(outcome, Code.GOVERNANCE_TOO_EARLY, from_at=closes)
    assert_done(ledger.by_person("voter0", Close(decision_id)))


def test_governance_execute_refuses_too_early_and_too_late(ledger: Ledger) -> None:
    """economy section 4: after `enact_delay_s`, within 30 days from then."""
    put(ledger, PARAMS, ((0, raw(100)),), "-", "enact_delay_s")
    one, other = by_board(ledger, colour(ledger)), by_board(ledger, colour(ledger, "ROOD"))
    for decision_id in (one, other):
        all_cast(ledger, decision_id, "YYY")
    for decision_id in (one, other):
        assert_done(close(ledger, decision_id, "voter0"))
    decided = [get_poll(ledger, decision_id).decided_s for decision_id in (one, other)]
    assert decided == [get(ledger, decision_id).window[1] for decision_id in (one, other)]

    ledger.time_s = decided[0] + 98
    outcome = ledger.by_person("voter0", Execute(one))
    assert_refused(outcome, Code.GOVERNANCE_TOO_EARLY, from_at=decided[0] + 100)
    assert_done(ledger.by_person("voter0", Execute(one)))
    ledger.time_s = decided[1] + 100 + ENACT_S - 1
    outcome = ledger.by_person("voter0", Execute(other))

    assert_refused(outcome, Code.GOVERNANCE_TOO_LATE)
    assert len(colours(ledger)) == 1


def test_governance_execute_runs_all_actions_or_none(ledger: Ledger) -> None:
    """The action that cannot run gives its own code; later it may be tried again."""
    soon = SetParam("coin.colour", raw("ROOD"), 1)  # an epoch that has begun long ago
    decision_id = by_board(ledger, colour(ledger), soon)
    all_cast(ledger, decision_id, "YYY")
    assert_done(close(ledger, decision_id, "voter0"))

    assert_refused(execute(ledger, decision_id, "voter0"), Code.WIJK_TOO_SOON)

    assert colours(ledger) == ()
    assert get(ledger, decision_id).status == "PASSED"
    assert_refused(execute(ledger, decision_id, "voter0"), Code.WIJK_TOO_SOON)


def test_governance_objects_of_an_effect_are_named_by_decision_and_place_b11(
    ledger: Ledger,
) -> None:
    price = ValuationRecord("KLUS", 1_500, "HOUR", "SOCIAL", None, None)
    other = msgspec.structs.replace(price, activity="ZORG")
    calls = [Put("VALUATION", None, each, TODAY, None) for each in (price, other)]
    decision_id = vote_through(ledger, *calls, by="voter0")

    for place in range(2):
        object_name = sha256(decision_id + place.to_bytes(4, "big"))
        (version,) = read(ledger, REGISTER, VALUATION, object_name)
        assert version.decision == decision_id


def test_governance_survey_decides_nothing_e7(ledger: Ledger) -> None:
    decision_id = by_board(ledger, klass="SURVEY")
    all_cast(ledger, decision_id, "YYN")

    outcome = assert_done(close(ledger, decision_id, "voter0"))

    assert names(outcome) == ["governance.Done"]
    assert get(ledger, decision_id).status == "EXECUTED"
    assert_refused(execute(ledger, decision_id, "voter0"), Code.GOVERNANCE_DONE)


# ---------------------------------------------------------------------------------------- secret


def test_governance_secret_vote_takes_its_result_from_an_election_e10(ledger: Ledger) -> None:
    statutes = SetParam("statutes", raw(TEXT), (ledger.time_s + 10_000_000) // 5)
    decision_id = by_board(ledger, statutes, klass="STATUTES", secret=1)
    assert_refused(close(ledger, decision_id, "voter0"), Code.GOVERNANCE_TOO_EARLY)

    run = ledger.run()
    put_result(run.state, decision_id, (6, 3, 0), 9, run.clock.time_s)
    ledger.apply(run)
    closed = assert_done(close(ledger, decision_id, "voter0"))

    assert values(closed, "governance.Passed") == [decision_id, 6, 3, 0, 9]
    assert_done(execute(ledger, decision_id, "voter0"))
    assert len(read(ledger, PARAMS, WIJK, "statutes")) == 1


def test_governance_secret_vote_that_nobody_counted_lapses(ledger: Ledger) -> None:
    decision_id = by_board(ledger, secret=1)
    closes = get(ledger, decision_id).window[1]

    ledger.time_s = closes + RESULT_S - 2
    assert_refused(close(ledger, decision_id, "voter0"), Code.GOVERNANCE_TOO_EARLY)
    assert_done(close(ledger, decision_id, "voter0"))

    assert get(ledger, decision_id).status == "LAPSED"


# -------------------------------------------------------------------------------- what votes do


def test_governance_vote_names_an_arbiter(ledger: Ledger) -> None:
    call = RegisterRole(ARBITER, account("voter3"), 0, ledger.time_s + 10_000, None)  # type: ignore[arg-type]

    vote_through(ledger, call, by="voter0")

    assert read(ledger, ROLES, WIJK, ARBITER)[-1].account == account("voter3")
    alone = ledger.by_board(WIJK, call)
    assert_refused(alone, Code.TX_ROLE)


def test_governance_vote_endorses_for_the_wijk_e36(ledger: Ledger) -> None:
    """The members themselves can put a matter to the federation, and vote on it as a wijk."""
    inner = SetParam("seconders", raw(7), (ledger.time_s + 10_000_000) // 5)
    vote = vote_through(ledger, FedPropose(encode(inner)), by="voter0")
    matter = sha256(vote + (0).to_bytes(4, "big"))
    vote_through(ledger, FedEndorse(matter, 1), by="voter0")

    assert_done(ledger.by_board("noord", FedEndorse(matter, 1)))

    assert len(read(ledger, PARAMS, "-", "seconders")) == 2


def test_governance_vote_lets_a_policy_work(ledger: Ledger) -> None:
    call = Create(f"{WIJK}:EUR", PLAIN, (), None, "EXEMPT", "FUNDER", None)
    policy = object_id(ledger.by_person("voter0", call))

    vote_through(ledger, Accept(policy), by="voter1")

    assert fund_desk.get(ledger, policy).status == "ACTIVE"


def test_governance_budget_gives_the_fund_its_room_i11(ledger: Ledger) -> None:
    """What a budget vote lets spend is what its lines come to in a year; without it, nothing."""
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    lines = plan(("HUUR", 100, "MONTH"), ("FEEST", 500, "YEAR"))
    decision_id = by_board(ledger, lines, klass="BUDGET")
    assert get(ledger, decision_id).cents == 1_700

    def pay(cents: int) -> Any:
        leg = Leg(account("voter0"), cents, None, None)
        return ledger.by_board(WIJK, Transfer((leg,), decision_id))

    all_cast(ledger, decision_id, "YYY")
    assert_refused(pay(1), Code.COIN_NO_BASIS)
    assert_done(close(ledger, decision_id, "voter0"))
    assert_refused(pay(1), Code.COIN_NO_BASIS)
    assert_done(execute(ledger, decision_id, "voter0"))

    assert_done(pay(1_000))
    assert_refused(pay(701), Code.COIN_NO_BASIS, remaining_cents=700)
    assert_done(pay(700))
    assert balance_of(ledger, board(WIJK), WIJK, "7") == 3_300
    assert broken(ledger) == []


def test_governance_a_budget_that_ended_or_is_to_come_gives_no_room_i11(ledger: Ledger) -> None:
    """What the members voted away is not spent on the decision that once gave it."""
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    first, second_ = plan(("HUUR", 100, "MONTH")), plan(("FEEST", 500, "YEAR"), date=TODAY + 1)
    old = by_board(ledger, first, second_, klass="BUDGET")
    all_cast(ledger, old, "YYY")
    assert_done(close(ledger, old, "voter0"))
    assert_done(execute(ledger, old, "voter0"))
    name = sha256(old + bytes(4))

    def pay(decision_id: bytes, cents: int) -> Any:
        leg = Leg(account("voter0"), cents, None, None)
        return ledger.by_board(WIJK, Transfer((leg,), decision_id))

    assert_refused(pay(old, 1_201), Code.COIN_NO_BASIS, remaining_cents=1_200)
    assert_done(pay(old, 300))
    ledger.time_s += DAY_S
    assert_refused(pay(old, 1_401), Code.COIN_NO_BASIS, remaining_cents=1_400)
    less = plan(("HUUR", 10, "MONTH"), date=TODAY + 1, name=name)
    new = vote_through(ledger, less, klass="BUDGET", by="voter0")
    assert_refused(pay(old, 201), Code.COIN_NO_BASIS, remaining_cents=200)
    assert_done(pay(new, 120))
    vote_through(ledger, Retire("PLAN", name, TODAY + 1), klass="BUDGET", by="voter0")
    assert_refused(pay(new, 1), Code.COIN_NO_BASIS, remaining_cents=0)


def test_governance_quorum_is_that_of_when_a_vote_opened(ledger: Ledger) -> None:
    """Whoever closes it, and when, changes no result: like the electorate, it is fixed."""
    decision_id = by_board(ledger, colour(ledger))
    assert_done(cast(ledger, decision_id, "voter0", "YES"))
    epoch = ledger.time_s // 5
    put(ledger, PARAMS, ((0, raw(10)), (epoch + 1, raw(90))), "-", "quorum_pct")

    assert names(close(ledger, decision_id, "voter0")) == ["governance.Passed"]
    later = by_board(ledger, colour(ledger))
    assert_done(cast(ledger, later, "voter0", "YES"))
    assert names(close(ledger, later, "voter0")) == ["governance.Rejected"]


# --------------------------------------------------------------------------- petitions, issues


def _petition(ledger: Ledger, *actions: Any) -> bytes:
    call = proposal(ledger, *actions, klass="PETITION", closes=ledger.time_s + 1 + PETITION_S)
    return object_id(ledger.by_person("voter0", call))


def test_governance_petition_obliges_the_board_to_put_it_to_the_vote_w17(ledger: Ledger) -> None:
    petition = _petition(ledger, colour(ledger))
    assert get_poll(ledger, petition).need == 1  # 2 % of ten, somebody at least
    assert_done(second(ledger, petition, "voter1"))
    assert get(ledger, petition).window[1] == ledger.time_s + PETITION_DUE_S
    assert_refused(cast(ledger, petition, "voter1", "YES"), Code.GOVERNANCE_NOT_OPEN)
    assert_refused(ledger.by_person("voter1", Close(petition)), Code.GOVERNANCE_TOO_EARLY)

    action = get(ledger, petition).actions
    vote = ledger.by_board(WIJK, msgspec.structs.replace(proposal(ledger), actions=action))
    assert_done(vote)
    assert_done(ledger.by_person("voter1", Close(petition)))

    assert get(ledger, petition).status == "EXECUTED"
    assert_refused(execute(ledger, petition, "voter0"), Code.GOVERNANCE_DONE)


def test_governance_petition_that_the_board_passes_over_is_overdue_w17(ledger: Ledger) -> None:
    """A vote with other actions, another text, or of before, is no answer to it."""
    by_board(ledger, colour(ledger))
    petition = _petition(ledger, colour(ledger))
    assert_done(second(ledger, petition, "voter1"))
    by_board(ledger, colour(ledger, "ROOD"))
    by_board(ledger, *[colour(ledger)], text=b"\x01" * 32)
    by_board(ledger, klass="SURVEY")

    assert_refused(ledger.by_person("voter1", Close(petition)), Code.GOVERNANCE_TOO_EARLY)
    assert_done(close(ledger, petition, "voter1"))

    assert get(ledger, petition).status == "LAPSED"


def test_governance_petition_without_seconders_lapses(ledger: Ledger) -> None:
    petition = _petition(ledger)
    closes = get(ledger, petition).window[1]

    ledger.time_s = closes
    assert_refused(second(ledger, petition, "voter1"), Code.GOVERNANCE_TOO_LATE)
    assert_done(ledger.by_person("voter1", Close(petition)))

    assert get(ledger, petition).status == "LAPSED"


def test_governance_petition_refuses_a_window_beyond_ninety_days(ledger: Ledger) -> None:
    call = proposal(ledger, klass="PETITION", closes=ledger.time_s + 2 + PETITION_S)
    assert_refused(ledger.by_person("voter0", call), Code.GOVERNANCE_WINDOW)
    secret = proposal(ledger, klass="PETITION", secret=1)
    assert_refused(ledger.by_person("voter0", secret), Code.GOVERNANCE_SECRET)


def test_governance_issue_is_answered_by_the_board_n38(ledger: Ledger) -> None:
    opened = ledger.by_person("voter0", Issue("OPEN", "STOEP", TEXT, None))
    issue_id = object_id(opened)
    record = read(ledger, ISSUES, issue_id)
    assert (record.by, record.due_s) == (account("voter0"), ledger.time_s + ANSWER_S)

    again = ledger.by_person("voter1", Issue("OPEN", "STOEP", TEXT, None))
    assert_refused(again, Code.GOVERNANCE_DUPLICATE)
    answer = Issue("ANSWER", "STOEP", b"\x01" * 32, issue_id)
    assert_refused(ledger.by_person("voter1", answer), Code.TX_ROLE)
    assert_refused(ledger.by_board("noord", answer), Code.TX_UNKNOWN_ID)
    assert_done(ledger.by_board(WIJK, answer))

    record = read(ledger, ISSUES, issue_id)
    assert (record.answer, record.answered_s) == (b"\x01" * 32, ledger.time_s)
    assert_refused(ledger.by_board(WIJK, answer), Code.GOVERNANCE_DONE)
    assert_done(ledger.by_person("voter1", Issue("OPEN", "STOEP", TEXT, None)))


def test_governance_issue_of_an_appeal_is_due_in_seven_days_c19(ledger: Ledger) -> None:
    issue_id = object_id(ledger.by_person("voter0", Issue("OPEN", "APPEAL", TEXT, None)))

    assert read(ledger, ISSUES, issue_id).due_s == ledger.time_s + APPEAL_S


def test_governance_issue_refuses_text_and_who_is_no_member(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("voter0", Issue("OPEN", "a b", TEXT, None)), Code.TX_TEXT)
    assert_refused(ledger.by_board(WIJK, Issue("OPEN", "STOEP", TEXT, None)), Code.TX_ROLE)
    named = Issue("OPEN", "STOEP", TEXT, b"\x01" * 32)
    assert_refused(ledger.by_person("voter0", named), Code.TX_UNKNOWN_ID)
    nothing = Issue("ANSWER", "STOEP", TEXT, None)
    assert_refused(ledger.by_board(WIJK, nothing), Code.TX_UNKNOWN_ID)


def test_governance_calls_about_a_founding_decision_are_unknown(ledger: Ledger) -> None:
    founding = founding_decision_id("test-chain", WIJK)
    for call in (Second(founding), Cast(founding, "YES"), Close(founding), Execute(founding)):
        assert_refused(ledger.by_person("voter0", call), Code.TX_UNKNOWN_ID)


def test_governance_state_has_the_votes_of_the_wijk(ledger: Ledger) -> None:
    one = by_board(ledger)

    assert VOTES.get(State(ledger.state.get), WIJK, 1) == one
    assert VOTES.get(State(ledger.state.get), WIJK, 2) is None


def test_governance_propose_call_has_the_names_of_the_catalogue() -> None:
    table = Table(CONTRACTS)
    call = Propose("SURVEY", (), TEXT, 1, 2, 0)
    tree = call_to_json(table, call)

    assert list(tree) == ["type", "class", "actions", "text", "opens", "closes", "secret"]
    assert call_from_json(table, tree) == call
