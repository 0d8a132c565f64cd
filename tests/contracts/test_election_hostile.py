"""economy E5, E12, E16, E39: people who try to lock, stall or bend an election, and ways out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from chain.address import account_id
from chain.ceremony import KeyCommit, KeyComplaint, KeyDeal, get_threshold
from chain.codec import encode
from chain.crypto import sha256, sign
from chain.due import ELECTIONS_DUE, add_due
from chain.elections import DECIDE_S, get_acceptances, get_elected
from chain.errors import Code
from chain.execute import Places
from chain.handover import HANDOVERS
from chain.keyspaces import PAST_KEYS, get_sitting
from chain.manifest import count_branches_of
from chain.params import DAY_S
from chain.state import State
from contracts.board import AcceptSeat
from contracts.election import Cast, HandOver, ObjectTo, SetResult
from contracts.election.call import STALLED_S
from contracts.election.records import CEREMONIES, CLOSING, KEY_ANSWERS
from contracts.members import SetStatus
from tests.contracts.desk import assert_done, assert_refused
from tests.contracts.offices import get_account
from tests.contracts.polling import (
    CANDIDATES,
    MEMBERS,
    TRUSTEES,
    WIJK,
    Polls,
    frozen_polls,
    open_polls,
)
from tests.federation import Ledger, account, board, holder, key, seed
from wallet import trustee

OLD = [(0, f"{WIJK}-board-a"), (1, f"{WIJK}-board-b")]


def seat_name(place: int) -> str:
    return f"new seat {place}"


def accept(polls: Polls, place: int, name: str | None = None) -> Any:
    """Accept seat n as whoever was elected to it, with a key of its own."""
    elected = get_elected(polls.state, polls.id)
    who = next(one for one in CANDIDATES if account(one) == elected[place - 1])
    new = name or seat_name(place)
    signed = encode(["wijk.key.1", polls.ledger.chain.digest, polls.id, key(new)])
    asked = AcceptSeat(polls.id, place, key(new), sign(seed(new), signed))
    return polls.ledger.by_person(who, asked)


def counted() -> Polls:
    """Return an election whose result stands: candidates 1 to 5 are elected."""
    polls = open_polls()
    for voter in ("voter 0", "voter 1"):
        assert_done(polls.cast(voter, 1, 2, 3, 4, 5))
    assert_done(polls.tally())
    polls.share("els", "gijs", "iris")
    assert_done(polls.result(0, 2, 2, 2, 2, 2, 0))
    polls.ledger.time_s += 2
    return polls


def step(polls: Polls, name: str) -> HandOver:
    evidence = sha256(name.encode()) if name in ("VAULT", "CHECKLIST") else None
    return HandOver(polls.id, name, evidence)  # type: ignore[arg-type]


def next_epochs(polls: Polls, count: int) -> None:
    polls.ledger.time_s = (polls.ledger.time_s // 5 + count) * 5 - 1


def handed(seats: int = 3) -> Polls:
    """Return an election after step KEYS, with so many seats accepted by then."""
    polls = counted()
    for place in range(1, seats + 1):
        assert_done(accept(polls, place))
    assert_done(polls.ledger.send(step(polls, "OVERLAP"), board(WIJK), OLD))
    next_epochs(polls, 2)
    new = [(3, seat_name(1)), (4, seat_name(2))]
    assert_done(polls.ledger.send(step(polls, "KEYS"), board(WIJK), new))
    return polls


# ------------------------------------------------------------------------- what comes to nothing


def test_trustees_who_vanish_lock_no_wijk() -> None:
    """economy E5, E12: without t shares another election is called, 14 days after they were due."""
    polls = open_polls()
    assert_done(polls.cast("voter 0", 1))
    assert_done(polls.tally())
    polls.share("els", "gijs")
    polls.ledger.time_s = polls.asked.calendar[5] + DECIDE_S - 2
    assert_refused(Polls(polls.ledger).call(), Code.ELECTION_DONE)
    late = polls.fork()
    polls.idle()

    again = Polls(polls.ledger)
    assert_done(again.call())
    assert (polls.status, polls.election.reason) == ("ANNULLED", "NO-SHARES")
    share = polls.shares_of("iris")
    assert_refused(polls.ledger.by_person("iris", share), Code.ELECTION_NOT_TALLIED)
    assert_refused(Polls(polls.ledger).call(), Code.ELECTION_DONE)

    late.share("iris")  # what comes late counts while nobody called anew
    late.idle()
    assert_refused(Polls(late.ledger).call(), Code.ELECTION_DONE)
    assert_done(late.result(0, 1, 0, 0, 0, 0, 0))


def test_an_election_that_nobody_adds_up_locks_no_wijk() -> None:
    """economy E5: the same where the board, and everybody else, leaves the tally undone."""
    polls = open_polls()
    polls.ledger.time_s = polls.asked.calendar[5] + DECIDE_S
    assert_done(Polls(polls.ledger).call())
    assert polls.status == "ANNULLED"
    assert_refused(polls.tally_now(), Code.ELECTION_DONE)


def test_seats_that_nobody_accepts_lock_no_wijk() -> None:
    """economy E41: within 90 days, else another election."""
    polls = counted()
    assert_done(accept(polls, 1))
    polls.ledger.time_s = polls.election.result_s + 1 + STALLED_S - 2
    assert_refused(Polls(polls.ledger).call(), Code.ELECTION_DONE)
    assert_done(Polls(polls.ledger).call())
    assert (polls.status, polls.election.reason) == ("ANNULLED", "NO-SEATS")
    assert_refused(accept(polls, 2), Code.BOARD_NOT_ELECTED)


def test_a_board_cannot_end_a_handover_by_waiting_but_its_members_can() -> None:
    """economy E39: neither the old board nor t trustees hand over; the wijk is not theirs."""
    polls = counted()
    for place in (1, 2, 3):
        assert_done(accept(polls, place))
    assert_done(polls.ledger.send(step(polls, "OVERLAP"), board(WIJK), OLD))
    polls.ledger.time_s = polls.election.result_s + 1 + STALLED_S
    assert_refused(Polls(polls.ledger).call(), Code.ELECTION_DONE)
    polls.ledger.time_s += 365 * DAY_S
    again = Polls(polls.ledger)
    outcome = polls.ledger.by_person("anna", again.make_call())
    assert_done(outcome)
    assert (polls.status, polls.election.reason) == ("ANNULLED", "NO-HANDOVER")
    assert_refused(polls.ledger.send(step(polls, "KEYS"), board(WIJK), OLD), Code.ELECTION_PHASE)


def test_a_calendar_of_years_is_refused() -> None:
    """economy E5: else who calls first, a board or a member near its term, locks the wijk."""
    polls = Polls()
    now = polls.ledger.time_s
    late = tuple(now + days * DAY_S for days in (100, 110, 120, 150, 170, 181))
    assert_refused(polls.call(calendar=late), Code.ELECTION_CALENDAR)
    assert_done(polls.call(calendar=(*late[:5], now + 180 * DAY_S)))


def test_a_crowd_of_deadlines_does_not_move_a_beacon() -> None:
    """economy E8: the first block at the closing time, whatever else is due then."""
    polls = open_polls()
    closes = polls.asked.calendar[4]
    for number in range(150):
        state = State(polls.ledger.state.get)
        add_due(state, ELECTIONS_DUE, closes - 1, polls.id)
        for key_bytes, value in state.changes().items():
            assert value is not None, number
            polls.ledger.state[key_bytes] = value
    polls.at(4, 1)
    polls.idle()
    assert CLOSING.get(polls.state) == (polls.id,)


def test_lists_that_nobody_signs_stop_no_next_election() -> None:
    """economy E39: after step KEYS the new board sits; VAULT and CHECKLIST hold nobody up."""
    polls = handed()
    polls.ledger.time_s += 4 * 365 * DAY_S
    assert_done(polls.ledger.by_person("anna", Polls(polls.ledger).make_call()))
    assert polls.status == "ACCEPTED"


# -------------------------------------------------------------------------------------- standing


def test_nominations_end_where_a_ballot_could_not_prove_itself() -> None:
    """economy E6, ADR 0078: else a crowd of candidates sees to it that nobody can open."""
    people = {f"{WIJK}/{name}": 0 for name in (*MEMBERS, *(f"extra {n}" for n in range(31)))}
    polls = Polls(Ledger(balances=people), method="SCORE", score=5, min=0, max=200)
    assert_done(polls.call())
    stood = 0
    while (outcome := polls.nominate(f"extra {stood}", tuple(MEMBERS[:8]))).code == 0:
        stood += 1
    assert_refused(outcome, Code.ELECTION_TOO_MANY)
    assert count_branches_of(stood, 5, 0, 5 * stood, 1) <= 256
    assert count_branches_of(stood + 1, 5, 0, 5 * (stood + 1), 1) > 256
    polls.at(0)
    assert_done(polls.freeze(eligible=len(people)))
    polls.ceremony()
    assert_done(polls.open())


def test_a_survey_with_too_large_a_ballot_is_not_called() -> None:
    """economy E6: 40 options of five points have more branches than a ballot may."""
    options = tuple(bytes([number]) * 32 for number in range(40))
    polls = Polls(kind="SURVEY", seats=0, method="SCORE", score=5, min=0, max=200, options=options)
    assert_refused(polls.call(), Code.ELECTION_METHOD)
    assert_done(polls.call(max=5))


def test_who_left_or_is_suspended_neither_stands_nor_calls() -> None:
    """economy N10: the flags of a member stay when it leaves, its rights do not."""
    polls = Polls()
    assert_done(polls.call())
    gone = polls.fork()
    assert_done(gone.ledger.by_person("anna", SetStatus(account("anna"), "LEFT", "MOVED")))
    assert_refused(gone.nominate("anna"), Code.TX_ROLE)
    assert_done(polls.nominate("anna"))


# -------------------------------------------------------------------------------------- ceremony


def test_a_share_shown_in_the_open_is_as_good_as_one_in_a_box() -> None:
    """economy E16: a dealer whose boxes are wrong cannot take trustees out of the count."""
    polls = frozen_polls()
    for name in TRUSTEES:
        assert_done(polls.commit(name))
    for name in TRUSTEES:
        deal = polls.make_deal(name)
        if name == "els":  # her boxes for henk and iris do not open
            deal = KeyDeal((*deal.boxes[:3], *(bytes(len(box)) for box in deal.boxes[3:])))
        assert_done(polls.dkg(name, "DEAL", deal))
    for name in ("henk", "iris"):
        assert_done(polls.dkg(name, "COMPLAIN", KeyComplaint(1)))
    for name in ("els", "femke", "gijs"):
        assert_done(polls.dkg(name, "CONFIRM", None))
    polls.ledger.time_s += 17
    polls.idle()
    for receiver in (4, 5):
        answer = trustee.make_answer(seed("els"), polls.context(), 3, receiver)
        assert_done(polls.dkg("els", "ANSWER", answer))
    assert polls.status == "KEY_READY"

    row = KEY_ANSWERS.get(polls.state, polls.id, 1)
    assert row is not None
    assert row[0] == 1
    commits: list[KeyCommit] = polls.commits()
    for number, name in ((4, "henk"), (5, "iris")):
        boxes = trustee.open_deals(seed(name), polls.context(), number, commits, polls.deals())
        assert boxes.wrong == (1,)
        shown = {1: next(one.share for one in row[1] if one.receiver == number)}
        false = trustee.take_answers(boxes, number, commits, {1: bytes(32), 2: bytes(32)})
        assert false == boxes
        received = trustee.take_answers(boxes, number, commits, shown)
        assert (received.wrong, sorted(received.shares)) == ((), [1, 2, 3, 4, 5])


def test_one_trustee_cannot_begin_the_ceremony_anew_for_ever() -> None:
    """economy E16: each attempt goes on without whoever ended the one before."""
    polls = frozen_polls()
    left = list(TRUSTEES)
    for attempt in (1, 2):
        assert polls.context().attempt == attempt
        silent = left[-1]
        polls.trustees = tuple(left)
        for name in left[:-1]:
            assert_done(polls.commit(name))
        polls.ledger.time_s += 17
        polls.idle()
        left.remove(silent)
    polls.trustees = tuple(left)
    assert get_threshold(len(left)) == 2
    polls.ceremony()
    assert polls.status == "KEY_READY"


def test_four_of_nine_trustees_who_spoil_an_attempt_each_leave_a_key() -> None:
    """economy E12: n - t may vanish, also one after the other and each at the last moment."""
    nine = MEMBERS
    polls = Polls(trustees=tuple(account(name) for name in nine), t=5)
    assert_done(polls.call())
    assert_done(polls.nominate("anna"))
    polls.at(0)
    assert_done(polls.freeze())
    left = list(nine)
    for spoiler in nine[:4]:
        polls.trustees = tuple(left)
        others = [name for name in left if name != spoiler]
        for name in others:
            assert_done(polls.commit(name))
        _until_the_last_moment(polls)
        assert_done(polls.commit(spoiler))
        for name in others:
            assert_done(polls.dkg(name, "DEAL", polls.make_deal(name)))
        _until_the_last_moment(polls)
        assert_done(polls.dkg(spoiler, "DEAL", polls.make_deal(spoiler)))
        number = left.index(spoiler) + 1
        assert_done(polls.dkg(others[0], "COMPLAIN", KeyComplaint(number)))
        for name in left:
            if name != others[0]:
                assert_done(polls.dkg(name, "CONFIRM", None))
        for _ in range(2):  # the complaint stands until its time, and is never answered
            _until_the_last_moment(polls)
            polls.ledger.time_s += 2
            polls.idle()
        left.remove(spoiler)
    polls.trustees = tuple(left)
    polls.ceremony()
    assert polls.status == "KEY_READY"


def _until_the_last_moment(polls: Polls) -> None:
    ceremony = CEREMONIES.get(polls.state, polls.id)
    assert ceremony is not None
    polls.ledger.time_s = ceremony.due_s - 2


# -------------------------------------------------------------------------------- objections, cost


def test_nobody_fills_all_places_for_objections() -> None:
    """economy E5: three of each member or credential."""
    people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
    polls = Polls(Ledger(balances=people, params={"objection_s": 1_000})).to_open()
    assert_done(polls.tally())
    assert_done(polls.result(*(0,) * 7))
    asked = ObjectTo(polls.id, "RAISE", "COUNT", bytes(32))
    for number in range(3):
        assert_done(polls.ledger.by_person("anna", replace(asked, text=bytes([number]) * 32)))
    fourth = replace(asked, text=b"\x09" * 32)
    assert_refused(polls.ledger.by_person("anna", fourth), Code.ELECTION_TOO_MANY)
    voter = polls.ledger.send(fourth, account_id(key("voter 1")), [(0, "voter 1")])
    assert_done(voter)
    assert polls.election.objections == 4


def test_a_block_holds_as_many_ballots_as_execute_in_time() -> None:
    """economy E20, consensus T14: large ballots count for what they cost."""
    polls = open_polls()
    data = bytes(19 * 1024)
    tx = polls.ledger.tx(
        Cast(polls.id, sha256(data), len(data)),
        account_id(key("voter 0")),
        [(0, "voter 0")],
        blobs=(data,),
    )
    places = Places(polls.ledger.chain)
    taken = 0
    while places.has_room(tx):
        places.take(tx)
        taken += 1
    assert taken == 6
    claim = polls.ledger.tx(SetResult(polls.id, ()), account("anna"), [(0, "anna")])
    assert places.has_room(claim)
    assert not Places(polls.ledger.chain, [claim] * 5).has_room(claim)


# ---------------------------------------------------------------------------------------- seats


def test_a_seat_accepted_after_step_keys_is_seated_at_once() -> None:
    """economy E39, ADR 0085: for as long as the others sit, and the threshold follows."""
    polls = handed(3)
    before = get_sitting(polls.state, WIJK, polls.ledger.time_s)
    assert len(before) == 3
    assert get_account(polls.ledger, board(WIJK)).threshold == 2
    assert_refused(accept(polls, 1, "another key"), Code.BOARD_DONE)
    assert_done(accept(polls, 4))
    assert_done(accept(polls, 5))
    sitting = get_sitting(polls.state, WIJK, polls.ledger.time_s)
    assert [seat.key for seat in sitting] == [key(seat_name(place)) for place in range(1, 6)]
    assert {seat.until_s for seat in sitting} == {before[0].until_s}
    assert get_account(polls.ledger, board(WIJK)).threshold == 3
    assert len(get_acceptances(polls.state, polls.id)) == 5
    new = [(3, seat_name(1)), (4, seat_name(2)), (6, seat_name(4))]
    assert_done(polls.ledger.send(step(polls, "VAULT"), board(WIJK), new))


def test_a_seat_that_comes_when_the_next_election_is_called_is_refused() -> None:
    """economy E39: the way to a seat is that election then."""
    polls = handed(3)
    new = [(3, seat_name(1)), (4, seat_name(2))]
    again = Polls(polls.ledger)
    assert_done(polls.ledger.send(again.make_call(), board(WIJK), new))
    assert_refused(accept(polls, 4), Code.BOARD_DONE)


def test_fewer_candidates_than_a_majority_of_seats_make_no_board() -> None:
    """economy E5, E39: else the only one who stands holds every key of the wijk alone."""
    polls = Polls()
    assert_done(polls.call())
    assert_done(polls.nominate("anna"))
    polls.at(0)
    assert_done(polls.freeze())
    polls.ceremony()
    assert_done(polls.open())
    assert_done(polls.tally())
    assert_done(polls.result(0, 0))
    polls.ledger.time_s += 2
    assert_done(accept(polls, 1))
    assert polls.status == "RESULT"
    assert_refused(polls.ledger.send(step(polls, "OVERLAP"), board(WIJK), OLD), Code.ELECTION_PHASE)


@pytest.mark.parametrize("after_s", [0, 400 * DAY_S], ids=["sitting", "caretaker"])
def test_old_holders_leave_the_offices_also_when_their_term_was_over(after_s: int) -> None:
    """economy E37, E39: a caretaker hands over as any board does."""
    polls = counted()
    for place in (1, 2, 3):
        assert_done(accept(polls, place))
    assert_done(polls.ledger.send(step(polls, "OVERLAP"), board(WIJK), OLD))
    polls.ledger.time_s += after_s
    next_epochs(polls, 2)
    new = [(3, seat_name(1)), (4, seat_name(2))]
    assert_done(polls.ledger.send(step(polls, "KEYS"), board(WIJK), new))
    office = get_account(polls.ledger, account(f"{WIJK}-registrar-a"))
    assert holder(f"{WIJK}-board-a") not in {row.holder for row in office.keys}


def test_keys_that_left_can_still_be_looked_up() -> None:
    """economy E29: else nobody could check what the old board signed."""
    polls = handed(3)
    row = HANDOVERS.get(polls.state, polls.id)
    assert row is not None
    for index, letter in enumerate("abc"):
        assert PAST_KEYS.get(polls.state, board(WIJK), index) == key(f"{WIJK}-board-{letter}")
    assert PAST_KEYS.get(polls.state, board(WIJK), 3) is None
