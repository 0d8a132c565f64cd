"""economy E41, ADR 0093: the next on the list takes a seat that fell empty, and else who calls."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from chain.codec import encode
from chain.crypto import sign
from chain.elections import COUNTED, get_acceptances, get_list
from chain.errors import Code
from chain.keyspaces import ACCOUNTS, MEMBERS, SEATS, get_seats, get_sitting, has_mandate
from chain.params import DAY_S
from chain.records import SIGNATURES_MAX
from chain.succession import PASS_S, get_empty, get_turn_s, get_waiting
from chain.votes import put_result
from contracts.board import AcceptSeat, Recall, Resign
from contracts.coin import SetMinter
from contracts.election.call import BY_ELECTION_S
from contracts.governance import Second
from contracts.members import SetStatus
from tests.contracts.assembly import TEXT, close, execute
from tests.contracts.desk import assert_done, assert_refused, change
from tests.contracts.offices import get_account, object_id
from tests.contracts.polling import CANDIDATES, WIJK, Polls
from tests.contracts.test_election_hostile import OLD, next_epochs, seat_name, step
from tests.federation import account, board, holder, key, seed

PEOPLE = (*CANDIDATES, "gijs", "henk")  # the first five are elected; femke, gijs, henk come next
MINTER = SetMinter(f"{WIJK}:EUR", 700)


def accept(polls: Polls, place: int, name: str | None = None) -> Any:
    """Take a seat as number n of the list, with a key of one's own."""
    who = next(one for one in PEOPLE if account(one) == get_list(polls.state, polls.id)[place - 1])
    new = name or seat_name(place)
    signed = encode(["wijk.key.1", polls.ledger.chain.digest, polls.id, key(new)])
    return polls.ledger.by_person(
        who, AcceptSeat(polls.id, place, key(new), sign(seed(new), signed))
    )


@functools.cache
def _counted() -> Polls:
    polls = Polls()
    assert_done(polls.call())
    for name in PEOPLE:
        assert_done(polls.nominate(name, ("iris",)))
    polls.at(0)
    assert_done(polls.freeze())
    polls.ceremony()
    assert_done(polls.open())
    for voter in ("voter 0", "voter 1", "voter 2"):
        assert_done(polls.cast(voter, 1, 2, 3, 4, 5))
    assert_done(polls.cast("voter 3", 6, 7))
    assert_done(polls.cast("voter 4", 6))
    assert_done(polls.tally())
    polls.share("els", "gijs", "iris")
    assert_done(polls.result(0, 3, 3, 3, 3, 3, 2, 1, 0))
    polls.ledger.time_s += 2
    return polls


@functools.cache
def _seated(seats: int) -> Polls:
    polls = _counted().fork()
    for place in range(1, seats + 1):
        assert_done(accept(polls, place))
    assert_done(polls.ledger.send(step(polls, "OVERLAP"), board(WIJK), OLD))
    next_epochs(polls, 2)
    new = [(2 + n, seat_name(n)) for n in (1, 2)]
    assert_done(polls.ledger.send(step(polls, "KEYS"), board(WIJK), new))
    return polls


def seated(seats: int = 5) -> Polls:
    """Return an election after step KEYS: seats 4 to 8 of the wijk are those of numbers 1 to 5."""
    return _seated(seats).fork()


def by_seats(polls: Polls, call: Any, *numbers: int) -> Any:
    """Send as the board, signed by the keys of these numbers of the list."""
    keys = get_account(polls.ledger, board(WIJK)).keys
    signers = [
        (row.index, seat_name(n)) for row in keys for n in numbers if row.key == key(seat_name(n))
    ]
    return polls.ledger.send(call, board(WIJK), signers)


def recall(polls: Polls, *seats: int) -> None:
    """Recall seats, from the asking to the end of the vote."""
    recall_id = object_id(polls.ledger.by_person("iris", Recall(seats, "GELD", TEXT)))
    assert_done(polls.ledger.by_person("gijs", Second(recall_id)))
    run = polls.ledger.run()
    put_result(run.state, recall_id, (9, 0, 0), 9, run.clock.time_s)
    polls.ledger.apply(run)
    assert_done(close(polls.ledger, recall_id, "iris"))
    assert_done(execute(polls.ledger, recall_id, "iris"))


def resign(polls: Polls, number: int) -> None:
    """Let number n of the list, who sits on seat 3 + n, resign as of now."""
    assert_done(by_seats(polls, Resign(3 + number, 0), number))


def sitting(polls: Polls) -> list[bytes]:
    return [seat.key for seat in get_sitting(polls.state, WIJK, polls.ledger.time_s)]


def keys_of(*numbers: int) -> list[bytes]:
    return [key(seat_name(n)) for n in numbers]


def empty_since(polls: Polls) -> int:
    return get_empty(polls.state, WIJK, polls.ledger.time_s)[0][0]


def test_the_list_is_the_ranking_of_the_votes() -> None:
    polls = seated()
    row = COUNTED.get(polls.state, polls.id)
    assert row is not None
    assert row.places[5:] == (6, 7, 8)
    assert sorted(row.places) == list(range(1, 9))
    assert get_list(polls.state, polls.id)[5:] == tuple(map(account, ("femke", "gijs", "henk")))


def test_a_recalled_seat_goes_to_the_next_on_the_list_and_then_to_the_one_after() -> None:
    """The whole of E41: recalled, the next accepts, the one after waits, nobody sits twice."""
    polls = seated()
    until_s = get_sitting(polls.state, WIJK, polls.ledger.time_s)[0].until_s
    assert_refused(accept(polls, 6), Code.BOARD_NOT_NEXT)  # no seat is empty
    recall(polls, 4)
    assert sitting(polls) == keys_of(2, 3, 4, 5)
    assert_refused(accept(polls, 1, "again"), Code.BOARD_DONE)  # who was recalled
    assert_refused(accept(polls, 7), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls, 6))
    assert sitting(polls) == keys_of(2, 3, 4, 5, 6)
    assert {seat.until_s for seat in get_sitting(polls.state, WIJK, polls.ledger.time_s)} == {
        until_s
    }
    assert_refused(accept(polls, 6, "again"), Code.BOARD_DONE)
    polls.ledger.time_s += 10 * PASS_S
    assert_refused(accept(polls, 7), Code.BOARD_NOT_NEXT)  # that seat is taken
    assert_done(by_seats(polls, MINTER, 2, 3, 6))  # who came acts

    recall(polls, 9)
    assert_refused(accept(polls, 6, "again"), Code.BOARD_DONE)
    assert_done(accept(polls, 7))
    assert sitting(polls) == keys_of(2, 3, 4, 5, 7)
    assert [seat.status for seat in get_seats(polls.state, WIJK)] == [
        *["ENDED"] * 3, "REPLACED", *["ACTIVE"] * 4, "REPLACED", "ACTIVE",
    ]  # fmt: skip
    assert has_mandate(polls.state, WIJK, polls.ledger.time_s)
    row = get_account(polls.ledger, board(WIJK))
    assert (len(row.keys), row.threshold) == (5, 3)
    assert len(row.keys) <= SIGNATURES_MAX
    assert len(get_acceptances(polls.state, polls.id)) == 7


def test_who_is_first_has_fourteen_days_alone() -> None:
    """The edge in s; the third waits twice as long, and who let it pass may still come."""
    polls = seated()
    resign(polls, 3)
    since_s = empty_since(polls)
    turns = [
        get_turn_s(polls.state, polls.id, WIJK, place, polls.ledger.time_s) for place in (6, 7, 8)
    ]
    assert turns == [since_s, since_s + PASS_S, since_s + 2 * PASS_S]
    polls.ledger.time_s = since_s + PASS_S - 2
    refused = accept(polls, 7)
    assert_refused(refused, Code.BOARD_NOT_NEXT)
    assert polls.ledger.time_s == since_s + PASS_S - 1
    assert_refused(accept(polls.fork(), 8), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls.fork(), 6))
    assert_done(accept(polls, 7))
    assert_refused(accept(polls, 6), Code.BOARD_NOT_NEXT)
    resign(polls, 2)
    assert_refused(accept(polls, 8), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls, 6))
    assert sitting(polls) == keys_of(1, 4, 5, 7, 6)


def test_two_empty_seats_call_two_people_at_once() -> None:
    polls = seated()
    resign(polls, 1)
    resign(polls, 2)
    assert_refused(accept(polls, 8), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls, 7))
    assert_refused(accept(polls, 8), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls, 6))
    assert_refused(accept(polls, 8), Code.BOARD_NOT_NEXT)
    assert sitting(polls) == keys_of(3, 4, 5, 7, 6)


@pytest.mark.parametrize("left", ["status", "flag"])
def test_who_may_not_stand_any_more_is_passed_over(left: str) -> None:
    polls = seated()
    resign(polls, 5)
    if left == "status":
        change(polls.ledger, ACCOUNTS, account("femke"), status="SUSPENDED")
    else:
        change(polls.ledger, MEMBERS, account("femke"), flags=("VOTE",))
    assert get_waiting(polls.state, polls.id) == (7, 8)
    assert_refused(accept(polls, 6), Code.BOARD_NOT_NEXT)
    assert_done(accept(polls, 7))


def test_who_leaves_the_wijk_leaves_the_seat() -> None:
    """By its own choice: whom registrars put out is removed from the board by a recall alone."""
    polls = seated()
    people = dict(zip(get_list(polls.state, polls.id), range(1, 9), strict=True))
    number = people[account("anna")]
    assert_done(polls.ledger.by_person("anna", SetStatus(account("anna"), "LEFT", "VERHUISD")))
    rest = [n for n in range(1, 6) if n != number]
    assert sitting(polls) == keys_of(*rest)
    assert get_seats(polls.state, WIJK)[2 + number].status == "RESIGNED"
    assert_done(polls.ledger.by_person("femke", SetStatus(account("femke"), "LEFT", "VERHUISD")))
    assert_refused(accept(polls, 6), Code.BOARD_NOT_ELECTED)
    assert_done(accept(polls, 7))
    assert sitting(polls) == keys_of(*rest, 7)


def test_who_leaves_ends_no_seat_of_another() -> None:
    """Whoever gave its own key the holder of a board member would else put that one out."""
    polls = seated()
    who = next(one for one in CANDIDATES if account(one) == get_list(polls.state, polls.id)[0])
    other = next(one for one in CANDIDATES if account(one) == get_list(polls.state, polls.id)[1])
    change(polls.ledger, SEATS, WIJK, 5, holder=holder(who))
    assert_done(polls.ledger.by_person(who, SetStatus(account(who), "LEFT", "VERHUISD")))
    assert sitting(polls) == keys_of(1, 2, 3, 4, 5)
    assert_done(polls.ledger.by_person(other, SetStatus(account(other), "LEFT", "VERHUISD")))
    assert sitting(polls) == keys_of(1, 2, 3, 4, 5)


def test_a_holder_who_sits_takes_no_second_seat() -> None:
    polls = seated()
    resign(polls, 4)
    change(polls.ledger, SEATS, WIJK, 4, holder=holder("femke"))
    assert_refused(accept(polls, 6), Code.BOARD_DONE)


def test_before_the_handover_the_list_takes_nothing() -> None:
    polls = _counted().fork()
    assert_refused(accept(polls, 6), Code.BOARD_NOT_ELECTED)


def test_a_seat_that_an_elected_person_did_not_accept_yet_is_not_empty() -> None:
    """So never more people sit than the election had seats."""
    polls = seated(3)
    assert_refused(accept(polls, 6), Code.BOARD_NOT_NEXT)
    resign(polls, 1)
    assert_done(accept(polls, 6))
    for place in (4, 5):
        assert_done(accept(polls, place))
    polls.ledger.time_s += 9 * PASS_S
    for place in (7, 8):
        assert_refused(accept(polls, place), Code.BOARD_NOT_NEXT)
    assert sitting(polls) == keys_of(2, 3, 6, 4, 5)


def test_a_list_fills_a_board_and_makes_none() -> None:
    """With nobody left the first to come would be a board of one key (ADR 0091)."""
    polls = seated()
    recall(polls, 4, 5, 6, 7)
    assert_done(accept(polls, 6))
    assert get_account(polls.ledger, board(WIJK)).threshold == 3  # it never falls
    assert not has_mandate(polls.state, WIJK, polls.ledger.time_s)
    assert_done(accept(polls, 7))
    assert has_mandate(polls.state, WIJK, polls.ledger.time_s)
    gone = seated()
    recall(gone, 4, 5, 6, 7, 8)
    assert_refused(accept(gone, 6), Code.BOARD_DONE)
    again = Polls(gone.ledger)
    assert_done(gone.ledger.by_person("iris", again.make_call()))


def test_once_the_next_election_is_called_the_list_is_over() -> None:
    polls = seated()
    for name in ("VAULT", "CHECKLIST"):
        assert_done(by_seats(polls, step(polls, name), 1, 2, 3))
    assert polls.status == "DONE"
    resign(polls, 1)
    assert_done(accept(polls.fork(), 6))  # a handover that is done ends no list
    again = Polls(polls.ledger)
    assert_done(by_seats(polls, again.make_call(), 2, 3, 4))
    assert_refused(accept(polls, 6), Code.BOARD_DONE)


def test_a_seat_that_nobody_takes_is_voted_on_within_ninety_days() -> None:
    """By the board at any time; a member may call once it did not, or once half are empty."""
    polls = seated()
    resign(polls, 1)
    since_s = empty_since(polls)
    again = Polls(polls.ledger)
    polls.ledger.time_s = since_s + BY_ELECTION_S - 2
    assert_refused(polls.ledger.by_person("iris", again.make_call()), Code.TX_ROLE)
    by_board = polls.fork()
    assert_done(by_seats(by_board, Polls(by_board.ledger).make_call(), 2, 3, 4))
    assert_done(polls.ledger.by_person("iris", again.make_call()))
    filled = seated()
    resign(filled, 1)
    assert_done(accept(filled, 6))
    filled.ledger.time_s += 2 * BY_ELECTION_S
    assert_refused(filled.ledger.by_person("iris", Polls(filled.ledger).make_call()), Code.TX_ROLE)
    assert BY_ELECTION_S == 90 * DAY_S
