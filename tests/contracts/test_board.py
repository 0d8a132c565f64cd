"""board.*: resigning, recall, recusal and the breaker (economy E3, E37, E41, E42)."""

from typing import Any

import msgspec
import pytest

from chain.codec import encode
from chain.errors import Code, Malformed, Reject
from chain.genesis import founding_decision_id
from chain.keyspaces import (
    AUDITOR,
    NO_END_S,
    ROLES,
    SEATS,
    RoleVersion,
    Seat,
    get_sitting,
    get_standing,
    has_mandate,
)
from chain.params import DAY_S
from chain.records import Outcome
from chain.seats import RECALLS
from chain.shared import PROPOSALS
from chain.state import State
from chain.votes import COLLECT_S, put_result
from contracts.accounts import Approve, Propose
from contracts.board import (
    NEVER,
    RECALL_AGAIN_S,
    TRIP_BOARD_S,
    TRIP_REST_S,
    TRIP_S,
    Recall,
    Recuse,
    Reset,
    Resign,
    TripCall,
)
from contracts.coin import Leg, RedeemRequest, SetMinter, Transfer
from contracts.governance import Cast, Issue, Second
from contracts.members import Admit
from contracts.wijk import FedEndorse, FedPropose, SetParam
from tests.contracts.assembly import (
    TEXT,
    WIJK,
    by_board,
    cast,
    close,
    execute,
    get,
    get_poll,
    plan,
    proposal,
    vote_through,
)
from tests.contracts.desk import Desk, assert_done, assert_refused, change, put
from tests.contracts.offices import names, new_key, object_id, raw, read, set_keys
from tests.federation import START_S, Ledger, account, board, key

PEOPLE = tuple(f"voter{i}" for i in range(10))
A, B, C = (f"{WIJK}-board-{letter}" for letter in "abc")
MINTER = SetMinter(f"{WIJK}:EUR", 700)


@pytest.fixture
def ledger() -> Ledger:
    balances = {f"{WIJK}/{name}": 1_000 for name in PEOPLE}
    return Ledger(balances={**balances, "noord/bram": 100}, params={"seconders": 2})


def by_seat(ledger: Ledger, call: Any, letter: str = "a") -> Outcome:
    """Send as the board account, signed by one seat."""
    return ledger.send(call, board(WIJK), [("abc".index(letter), f"{WIJK}-board-{letter}")])


def pay(ledger: Ledger, who: str = "voter0") -> Outcome:
    """Let a resident pay another."""
    return ledger.by_person(who, Transfer((Leg(account("voter9"), 1, None, None),), None))


def seat(ledger: Ledger, number: int) -> Seat:
    """Return a seat of delfshaven."""
    found = read(ledger, SEATS, WIJK, number)
    assert isinstance(found, Seat)
    return found


def trip(call: str = "coin.transfer", seconds: int = TRIP_S) -> TripCall:
    """Return a call that stops another."""
    return TripCall(call, "STORING", seconds)


# --------------------------------------------------------------------------------------- resign


def test_board_resign_ends_the_seat_at_the_border_of_an_epoch(ledger: Ledger) -> None:
    epoch = (ledger.time_s + 100) // 5
    assert_done(by_seat(ledger, Resign(3, epoch), "c"))

    assert (seat(ledger, 3).status, seat(ledger, 3).until_s) == ("RESIGNED", epoch * 5)
    assert_done(ledger.by_board(WIJK, MINTER, "bc"))
    ledger.time_s = epoch * 5
    assert_refused(ledger.by_board(WIJK, MINTER, "bc"), Code.TX_ROLE)
    assert_done(ledger.by_board(WIJK, MINTER, "ab"))
    assert_refused(by_seat(ledger, Resign(3, epoch), "c"), Code.TX_ROLE)


def test_board_resign_refuses_done_and_another_seat(ledger: Ledger) -> None:
    later = (ledger.time_s + 1_000) // 5
    assert_refused(by_seat(ledger, Resign(2, later), "a"), Code.TX_ROLE)
    assert_refused(by_seat(ledger, Resign(9, later), "a"), Code.TX_UNKNOWN_ID)
    assert_done(by_seat(ledger, Resign(1, later), "a"))

    assert_refused(by_seat(ledger, Resign(1, later), "a"), Code.BOARD_DONE)


# --------------------------------------------------------------------------------------- recall


def ask(ledger: Ledger, *seats: int, by: str = "voter0") -> Outcome:
    """Ask to recall seats."""
    return ledger.by_person(by, Recall(seats or (1,), "GELD", TEXT))


def test_board_recall_is_heard_voted_in_secret_and_empties_the_seat_e41(ledger: Ledger) -> None:
    recall_id = object_id(ask(ledger, 1, 3))
    poll = get_poll(ledger, recall_id)
    assert (poll.need, poll.secret) == (1, 1)  # a tenth of ten
    asked = ledger.by_person("voter1", Second(recall_id))
    assert names(asked) == ["governance.Seconded", "governance.Opened"]
    opens, closes = get(ledger, recall_id).window
    assert (opens, closes) == (ledger.time_s + 1, ledger.time_s + 1 + 30 * DAY_S)  # hearing_s
    answer = Issue("ANSWER", "HEARING", b"\x01" * 32, recall_id)
    assert_done(by_seat(ledger, answer, "c"))
    assert_refused(by_seat(ledger, answer, "b"), Code.TX_ROLE)
    assert read(ledger, RECALLS, recall_id).answers == ((3, b"\x01" * 32),)
    assert_refused(cast(ledger, recall_id, "voter2", "YES"), Code.GOVERNANCE_SECRET)

    run = ledger.run()
    put_result(run.state, recall_id, (3, 2, 0), 10, run.clock.time_s)
    ledger.apply(run)
    assert_done(close(ledger, recall_id, "voter0"))
    assert_done(ledger.by_board(WIJK, MINTER, "ac"))
    assert_done(execute(ledger, recall_id, "voter0"))

    assert [seat(ledger, n).status for n in (1, 2, 3)] == ["RECALLED", "ACTIVE", "RECALLED"]
    assert_refused(ledger.by_board(WIJK, MINTER, "ac"), Code.TX_ROLE)
    assert_refused(by_seat(ledger, answer, "c"), Code.TX_ROLE)


@pytest.mark.parametrize("counts", [(2, 2, 6), (3, 0, 0), (0, 0, 10)])
def test_board_recall_that_fails_leaves_the_seat_e7(
    ledger: Ledger, counts: tuple[int, int, int]
) -> None:
    """A tie, fewer than a third of the members, and nobody for it."""
    recall_id = object_id(ask(ledger))
    assert_done(ledger.by_person("voter1", Second(recall_id)))
    run = ledger.run()
    put_result(run.state, recall_id, counts, 10, run.clock.time_s)
    ledger.apply(run)

    assert_done(close(ledger, recall_id, "voter0"))

    assert_refused(execute(ledger, recall_id, "voter0"), Code.GOVERNANCE_NOT_PASSED)
    assert seat(ledger, 1).status == "ACTIVE"


def test_board_recall_spares_who_took_the_seat_since(ledger: Ledger) -> None:
    recall_id = object_id(ask(ledger))
    assert_done(ledger.by_person("voter1", Second(recall_id)))
    change(ledger, SEATS, WIJK, 1, holder=b"\x05" * 32)
    run = ledger.run()
    put_result(run.state, recall_id, (9, 0, 0), 10, run.clock.time_s)
    ledger.apply(run)
    assert_done(close(ledger, recall_id, "voter0"))
    assert_done(execute(ledger, recall_id, "voter0"))

    assert seat(ledger, 1).status == "ACTIVE"


def test_board_recall_reaches_a_seat_that_resigned_from_a_far_day_on(ledger: Ledger) -> None:
    recall_id = object_id(ask(ledger, 3))
    assert_done(ledger.by_person("voter1", Second(recall_id)))
    assert_done(by_seat(ledger, Resign(3, 2**40), "c"))
    run = ledger.run()
    put_result(run.state, recall_id, (9, 0, 0), 10, run.clock.time_s)
    ledger.apply(run)
    assert_done(close(ledger, recall_id, "voter0"))
    assert_done(execute(ledger, recall_id, "voter0"))

    assert seat(ledger, 3).status == "RECALLED"
    assert_refused(ledger.by_board(WIJK, MINTER, "bc"), Code.TX_ROLE)


def test_board_recall_refuses_recent_only_after_a_vote(ledger: Ledger) -> None:
    """E41: six months. What nobody seconded bars nothing, or friends would block it by asking."""
    assert_done(ask(ledger))
    second_id = object_id(ask(ledger, by="voter1"))
    assert_done(ledger.by_person("voter2", Second(second_id)))
    opened = ledger.time_s

    refused = ask(ledger, by="voter3")
    assert_refused(refused, Code.BOARD_RECENT, from_at=opened + RECALL_AGAIN_S)
    assert_done(ask(ledger, 2, by="voter3"))
    ledger.time_s = opened + RECALL_AGAIN_S - 1
    assert_done(ask(ledger, by="voter3"))


def test_board_recall_refuses_done_text_role_and_unknown_seats(ledger: Ledger) -> None:
    change(ledger, SEATS, WIJK, 2, status="RECALLED")
    assert_refused(ask(ledger, 2), Code.BOARD_DONE)
    assert_refused(ask(ledger, 1, 1), Code.BOARD_DONE)
    assert_refused(ask(ledger, 3, 1), Code.BOARD_DONE)
    assert_refused(ask(ledger, 9), Code.TX_UNKNOWN_ID)
    bad = ledger.by_person("voter0", Recall((1,), "a b", TEXT))
    assert_refused(bad, Code.TX_TEXT)
    assert_refused(ledger.by_board(WIJK, Recall((1,), "GELD", TEXT)), Code.TX_ROLE)


def test_board_recall_finds_its_seconders_in_thirty_days_e41(ledger: Ledger) -> None:
    recall_id = object_id(ask(ledger))

    ledger.time_s += COLLECT_S
    late = ledger.by_person("voter1", Second(recall_id))

    assert_refused(late, Code.GOVERNANCE_TOO_LATE)


# -------------------------------------------------------------------------------------- recuse


def propose(ledger: Ledger, call: Any = MINTER, letter: str = "a") -> bytes:
    """Put a call of the board up for approval by its seats."""
    return object_id(by_seat(ledger, Propose(encode(call), ledger.time_s + DAY_S), letter))


def test_board_recuse_counts_in_neither_number_e3(ledger: Ledger) -> None:
    """Of three seats with a threshold of two, two are left, and both have to agree."""
    shared = propose(ledger)
    assert_done(by_seat(ledger, Recuse(shared, 1), "a"))

    assert_refused(by_seat(ledger, Approve(shared), "a"), Code.ACCOUNTS_REVOKED_KEY)
    assert_done(by_seat(ledger, Approve(shared), "b"))
    assert read(ledger, PROPOSALS, shared).status == "OPEN"
    done = assert_done(by_seat(ledger, Approve(shared), "c"))

    assert "accounts.Executed" in names(done)


def test_board_recuse_by_the_board_about_a_seat(ledger: Ledger) -> None:
    shared = propose(ledger)
    assert_done(ledger.by_board(WIJK, Recuse(shared, 3), "ab"))

    assert_refused(by_seat(ledger, Approve(shared), "c"), Code.ACCOUNTS_REVOKED_KEY)
    assert_done(by_seat(ledger, Approve(shared), "b"))


def test_board_recuse_refuses_done_all_and_unknown(ledger: Ledger) -> None:
    shared = propose(ledger)
    assert_done(by_seat(ledger, Recuse(shared, 1), "a"))
    assert_refused(ledger.by_board(WIJK, Recuse(shared, 1), "bc"), Code.BOARD_DONE)
    assert_done(by_seat(ledger, Recuse(shared, 2), "b"))
    assert_refused(by_seat(ledger, Recuse(shared, 3), "c"), Code.BOARD_ALL)
    assert_refused(by_seat(ledger, Recuse(b"\x01" * 32, 3), "c"), Code.TX_UNKNOWN_ID)
    assert_refused(by_seat(ledger, Recuse(shared, 9), "c"), Code.TX_UNKNOWN_ID)
    assert_done(by_seat(ledger, Approve(shared), "c"))
    assert read(ledger, PROPOSALS, shared).status == "EXECUTED"  # more than half of one
    assert_refused(by_seat(ledger, Recuse(shared, 3), "c"), Code.BOARD_DONE)


def test_board_recuse_from_what_a_fund_pays_on(ledger: Ledger) -> None:
    """The seat that a payment is good for does not sign it, and the others can."""
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    decision = vote_through(ledger, plan(("HUUR", 100, "MONTH")), klass="BUDGET", by="voter0")
    assert_done(by_seat(ledger, Recuse(decision, 1), "a"))
    payment = Transfer((Leg(account("voter0"), 100, None, None),), decision)

    assert_refused(ledger.by_board(WIJK, payment, "ab"), Code.TX_ROLE)
    assert_done(ledger.by_board(WIJK, payment, "bc"))


def test_board_recuse_in_a_matter_of_the_federation(ledger: Ledger) -> None:
    inner = SetParam("seconders", raw(7), (ledger.time_s + 10_000_000) // 5)
    matter = object_id(ledger.by_board("noord", FedPropose(encode(inner))))
    assert_done(by_seat(ledger, Recuse(matter, 1), "a"))

    assert_refused(ledger.by_board(WIJK, FedEndorse(matter, 1), "ab"), Code.TX_ROLE)
    assert_done(ledger.by_board(WIJK, FedEndorse(matter, 1), "bc"))
    assert_refused(by_seat(ledger, Recuse(matter, 2), "b"), Code.BOARD_DONE)


# -------------------------------------------------------------------------------- trip and reset


def test_board_trip_stops_one_call_of_one_wijk_and_ends_by_itself_e42(ledger: Ledger) -> None:
    outcome = assert_done(by_seat(ledger, trip()))
    until = ledger.time_s + TRIP_S

    assert names(outcome) == ["board.Tripped"]
    assert_refused(pay(ledger), Code.TX_TRIPPED, trip_reason="STORING", until_at=until)
    other = Transfer((Leg(account("bram"), 1, None, None),), None)
    assert ledger.by_person("bram", other).code == Code.COIN_SELF.number
    assert_done(ledger.by_person("voter0", RedeemRequest(1, bytes(32))))
    ledger.time_s = until - 2
    assert_refused(pay(ledger), Code.TX_TRIPPED)
    assert_done(pay(ledger))


def test_board_trip_stops_the_same_call_inside_another(ledger: Ledger) -> None:
    """economy B6: what is approved is refused as if it were sent by itself."""
    shared = propose(ledger)
    assert_done(by_seat(ledger, trip("coin.set_minter")))

    done = assert_done(by_seat(ledger, Approve(shared), "b"))

    assert names(done)[-1] == "accounts.ExecutionRefused"
    assert read(ledger, PROPOSALS, shared).code == Code.TX_TRIPPED.number


@pytest.mark.parametrize("name", sorted(NEVER))
def test_board_trip_refuses_never(ledger: Ledger, name: str) -> None:
    known = name in ledger.chain.table.names
    code = Code.BOARD_NEVER if known else Code.TX_UNKNOWN_ID

    for outcome in (
        by_seat(ledger, trip(name)),
        ledger.by_board(WIJK, trip(name, TRIP_BOARD_S)),
    ):
        assert_refused(outcome, code)


def test_board_trip_by_vote_refuses_never_too(ledger: Ledger) -> None:
    decision_id = by_board(ledger, trip("governance.second", 1_000))
    for who in PEOPLE:
        assert_done(cast(ledger, decision_id, who, "YES"))
    assert_done(close(ledger, decision_id, "voter0"))

    assert_refused(execute(ledger, decision_id, "voter0"), Code.BOARD_NEVER)


def test_board_trip_by_vote_leaves_the_call_that_a_release_begins_with(ledger: Ledger) -> None:
    """What a vote stopped a vote releases, and nobody could propose one any more."""
    decision_id = by_board(ledger, trip("governance.propose", 1_000))
    assert_done(cast(ledger, decision_id, "voter0", "YES"))
    assert_done(close(ledger, decision_id, "voter0"))
    assert_refused(execute(ledger, decision_id, "voter0"), Code.BOARD_NEVER)

    assert_done(by_seat(ledger, trip("governance.propose")))


def test_board_trip_refuses_too_long_by_who_asks(ledger: Ledger) -> None:
    assert_refused(by_seat(ledger, trip(seconds=TRIP_S + 1)), Code.BOARD_TOO_LONG)
    assert_refused(by_seat(ledger, trip(seconds=0)), Code.BOARD_TOO_LONG)
    longer = trip(seconds=TRIP_BOARD_S + 1)
    assert_refused(ledger.by_board(WIJK, longer), Code.BOARD_TOO_LONG)
    vote_through(ledger, longer, by="voter0")

    assert_refused(pay(ledger), Code.TX_TRIPPED)


def test_board_trip_is_lengthened_by_the_board_to_fourteen_days_in_all(ledger: Ledger) -> None:
    assert_done(by_seat(ledger, trip()))
    began = ledger.time_s
    ledger.time_s += DAY_S

    assert_refused(ledger.by_board(WIJK, trip(seconds=TRIP_BOARD_S)), Code.BOARD_TOO_LONG)
    rest = TRIP_BOARD_S - (ledger.time_s + 1 - began)
    assert_done(ledger.by_board(WIJK, trip(seconds=rest)))

    ledger.time_s = began + TRIP_BOARD_S - 1
    assert_done(pay(ledger))


def test_board_trip_refuses_recent_of_one_person_and_of_one_call(ledger: Ledger) -> None:
    """E42: once per 30 days per key; and seats do not take turns at stopping one call."""
    assert_done(by_seat(ledger, trip()))
    ends = ledger.time_s + TRIP_S
    assert_refused(by_seat(ledger, trip("coin.hold")), Code.BOARD_RECENT)
    assert_refused(by_seat(ledger, trip(), "b"), Code.BOARD_TOO_LONG)
    ledger.time_s = ends
    again = by_seat(ledger, trip(), "b")
    assert_refused(again, Code.BOARD_RECENT, from_at=ends + TRIP_REST_S)
    assert_refused(ledger.by_board(WIJK, trip()), Code.BOARD_RECENT)
    assert_done(by_seat(ledger, trip("coin.hold"), "b"))
    vote_through(ledger, trip(seconds=10), by="voter0")
    ledger.time_s = ends + TRIP_REST_S + DAY_S
    assert_done(by_seat(ledger, trip("coin.post")))


def test_board_trip_of_a_new_key_is_of_the_same_person(ledger: Ledger) -> None:
    assert_done(by_seat(ledger, trip()))
    fresh = new_key(ledger, board(WIJK), "fresh", A)
    call = set_keys(ledger, board(WIJK), fresh, revoke=(A,), threshold=2)
    assert_done(ledger.by_board(WIJK, call))

    outcome = ledger.send(trip("coin.hold"), board(WIJK), [(3, "fresh")])

    assert_refused(outcome, Code.BOARD_RECENT)


def test_board_trip_by_an_auditor(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("voter0", trip()), Code.TX_ROLE)
    held = (RoleVersion(0, account("voter0"), NO_END_S, None),)
    put(ledger, ROLES, held, "-", AUDITOR)

    assert_done(ledger.by_person("voter0", trip()))

    assert_refused(pay(ledger), Code.TX_TRIPPED)
    assert_refused(ledger.by_person("voter0", trip("coin.hold")), Code.BOARD_RECENT)


def test_board_trip_refuses_text_and_calls_that_are_none(ledger: Ledger) -> None:
    assert_refused(by_seat(ledger, TripCall("coin.transfer", "a b", 1)), Code.TX_TEXT)
    assert_refused(by_seat(ledger, trip("coin.nothing")), Code.TX_UNKNOWN_ID)


def test_board_reset_ends_a_trip(ledger: Ledger) -> None:
    assert_refused(ledger.by_board(WIJK, Reset("coin.transfer")), Code.BOARD_NOT_TRIPPED)
    assert_done(by_seat(ledger, trip()))

    assert_done(ledger.by_board(WIJK, Reset("coin.transfer")))

    assert_done(pay(ledger))
    assert_refused(ledger.by_board(WIJK, Reset("coin.transfer")), Code.BOARD_NOT_TRIPPED)


def test_board_reset_refuses_what_the_members_stopped(ledger: Ledger) -> None:
    vote_through(ledger, trip(seconds=1_000_000), by="voter0")

    assert_refused(ledger.by_board(WIJK, Reset("coin.transfer")), Code.TX_ROLE)
    vote_through(ledger, Reset("coin.transfer"), by="voter0")

    assert_done(pay(ledger))


def test_board_trip_cannot_shorten_what_the_members_stopped(ledger: Ledger) -> None:
    """A board that trips the same call for a second would release it as surely as by a reset."""
    vote_through(ledger, trip(seconds=1_000_000), by="voter0")

    assert_refused(ledger.by_board(WIJK, trip(seconds=1)), Code.TX_ROLE)

    ledger.time_s += 10
    assert_refused(pay(ledger), Code.TX_TRIPPED)


# ------------------------------------------------------------------------------------- caretaker


def end_terms(ledger: Ledger, *numbers: int) -> None:
    """Let the terms of seats be over."""
    for number in numbers:
        change(ledger, SEATS, WIJK, number, until_s=START_S)


def test_e37_a_board_whose_term_is_over_is_a_caretaker(ledger: Ledger) -> None:
    desk = Desk(ledger, WIJK)
    request = object_id(ledger.by_person("voter0", RedeemRequest(100, bytes(32))))
    end_terms(ledger, 1, 2, 3)

    assert_done(desk.attest())
    assert_done(desk.batch(request))
    for call in (MINTER, proposal(ledger)):
        assert_refused(ledger.by_board(WIJK, call), Code.TX_ROLE)
    assert_done(by_seat(ledger, trip()))
    assert_done(ledger.by_board(WIJK, Reset("coin.transfer")))
    new = Admit(key("eva"), "PERSON", "BU05990310", 2014, ("VOTE",), 1_000)
    assert_done(ledger.by_registrar(WIJK, new))
    assert_done(pay(ledger))


def test_e37_a_caretaker_spends_nothing_of_the_fund(ledger: Ledger) -> None:
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    payment = Transfer(
        (Leg(account("voter0"), 100, None, None),), founding_decision_id("test-chain", WIJK)
    )
    assert_done(ledger.by_board(WIJK, payment))
    end_terms(ledger, 1, 2, 3)

    assert_refused(ledger.by_board(WIJK, payment), Code.TX_ROLE)


def test_e37_mandate_and_standing_seats(ledger: Ledger) -> None:
    def stands() -> tuple[bool, int, int]:
        state, at = State(ledger.state.get), ledger.time_s
        return (
            has_mandate(state, WIJK, at),
            len(get_sitting(state, WIJK, at)),
            len(get_standing(state, WIJK, at)),
        )

    ledger.apply(ledger.run())  # the terms of genesis begin with block 1
    assert stands() == (True, 3, 3)
    end_terms(ledger, 1)
    assert stands() == (True, 2, 2)
    end_terms(ledger, 2)
    assert stands() == (False, 1, 3)
    change(ledger, SEATS, WIJK, 1, status="RECALLED")
    assert stands() == (False, 1, 2)
    change(ledger, SEATS, WIJK, 1, status="ENDED")
    change(ledger, SEATS, WIJK, 2, status="ENDED")
    assert stands() == (True, 1, 1)


@pytest.mark.parametrize("status", ["RESIGNED", "RECALLED"])
def test_e37_registrars_go_on_where_nobody_is_left_on_the_board(
    ledger: Ledger, status: str
) -> None:
    """Without a roll of voters nobody could be elected, and the wijk would stand still for ever."""
    for number in (1, 2, 3):
        change(ledger, SEATS, WIJK, number, status=status, until_s=START_S)
    new = Admit(key("eva"), "PERSON", "BU05990310", 2014, ("VOTE",), 1_000)

    assert_done(ledger.by_registrar(WIJK, new))


# --------------------------------------------------------------- what nobody can ever stand still


def _apathy(ledger: Ledger, silence: str, decision_id: bytes) -> None:
    """Bring a board into a state."""
    if silence == "term over":
        end_terms(ledger, 1, 2, 3)
    if silence == "all resigned":
        for number in (1, 2, 3):
            change(ledger, SEATS, WIJK, number, status="RESIGNED", until_s=START_S)
    if silence == "all recalled":
        for number in (1, 2, 3):
            change(ledger, SEATS, WIJK, number, status="RECALLED")
    if silence == "recused":
        assert_done(by_seat(ledger, Recuse(decision_id, 1), "a"))
        assert_done(by_seat(ledger, Recuse(decision_id, 2), "b"))


@pytest.mark.parametrize(
    "silence", ["sits", "term over", "all resigned", "all recalled", "recused"]
)
@pytest.mark.parametrize("breaker", ["nobody", "seats", "board"])
def test_a9_nothing_blocks_redeeming_voting_asking_or_recalling(
    ledger: Ledger, silence: str, breaker: str
) -> None:
    """Every call that can be tripped is, as far as E42 lets it, and the board is gone."""
    open_vote = by_board(ledger)
    recall_id = object_id(ask(ledger, 3, by="voter5"))
    if breaker == "seats":
        stopped = ("accounts.approve", "board.reset", "coin.payout_batch")
        codes = [
            by_seat(ledger, trip(name), letter).code
            for letter, name in zip("abc", stopped, strict=True)
        ]
        assert codes == [Code.BOARD_NEVER.number, 0, 0]
    if breaker == "board":
        last = ("board.recuse", "board.trip")  # with these stopped the test could not go on
        names_ = [name for name in sorted(ledger.chain.table.names) if name not in last]
        codes = [ledger.by_board(WIJK, trip(name, TRIP_BOARD_S)).code for name in names_]
        assert set(codes) == {0, Code.BOARD_NEVER.number}
        assert codes.count(Code.BOARD_NEVER.number) >= len(NEVER & ledger.chain.table.names)
        if silence == "sits":
            assert_done(ledger.by_board(WIJK, trip("board.trip", TRIP_BOARD_S)))
    _apathy(ledger, silence, open_vote)

    assert_done(ledger.by_person("voter0", RedeemRequest(1, bytes(32))))
    assert_done(ledger.by_person("voter0", Cast(open_vote, "YES")))
    assert_done(ledger.by_person("voter0", Issue("OPEN", "STOEP", TEXT, None)))
    assert_done(ledger.by_person("voter0", Second(recall_id)))
    assert_done(ledger.by_person("voter0", set_keys(ledger, account("voter0"))))
    run = ledger.run()
    put_result(run.state, recall_id, (9, 0, 0), 10, run.clock.time_s)
    ledger.apply(run)
    assert_done(close(ledger, recall_id, "voter0"))
    assert_done(execute(ledger, recall_id, "voter0"))
    if silence in ("sits", "term over", "recused"):
        assert seat(ledger, 3).status == "RECALLED"
    assert_done(close(ledger, open_vote, "voter0"))


def test_board_calls_by_others_are_refused(ledger: Ledger) -> None:
    for call in (Resign(1, 0), Recuse(bytes(32), 1), Reset("coin.transfer")):
        assert_refused(ledger.by_person("voter0", call), Code.TX_ROLE)
    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.by_board(WIJK, trip(), "abc")


def test_board_records_are_bounded_when_they_are_read(ledger: Ledger) -> None:
    call = msgspec.structs.replace(Recall((1,), "GELD", TEXT), seats=tuple(range(1, 9)))

    with pytest.raises(Malformed):
        ledger.chain.table.decode(encode(call))
