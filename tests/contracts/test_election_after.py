"""economy E5, E10, E39: what follows a result: objections, decisions and the handover."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from msgspec.structs import replace

from chain.address import account_id
from chain.ballot import OpenBallot
from chain.codec import decode, encode
from chain.crypto import sha256, sign
from chain.elections import (
    COUNTED,
    DECIDE_S,
    get_elected,
    get_objections_end,
)
from chain.errors import Code, Reject
from chain.handover import HANDOVERS
from chain.keyspaces import get_sitting
from chain.records import Outcome
from chain.votes import RESULTS, content_key
from contracts.board import AcceptSeat
from contracts.election import HandOver, ObjectTo
from contracts.election.records import PILES
from tests.contracts.assembly import by_board, close, get
from tests.contracts.desk import assert_done, assert_refused
from tests.contracts.offices import endorse, executed_code, get_account
from tests.contracts.polling import CANDIDATES, MEMBERS, WIJK, Polls, open_polls
from tests.federation import Ledger, account, board, holder, key, seed
from wallet.ballots import make_open_ballot

SEATS = ("anna-seat", "bram-seat", "chaima-seat", "dirk-seat", "els-seat")


@functools.cache
def _counted() -> Polls:
    polls = open_polls()
    for voter in ("voter 0", "voter 1", "voter 2"):
        assert_done(polls.cast(voter, 1, 2, 3, 4, 5))
    assert_done(polls.cast("voter 3", 1, 6))
    assert_done(polls.tally())
    polls.share("els", "gijs", "iris")
    assert_done(polls.result(0, 4, 3, 3, 3, 3, 1))
    return polls


def counted_polls() -> Polls:
    """Return an election whose result was just set: candidates 1 to 5 are elected."""
    return _counted().fork()


# --------------------------------------------------------------------------------- objections


def _object(polls: Polls, step: str = "RAISE", text: bytes = bytes(32)) -> ObjectTo:
    return ObjectTo(polls.id, step, "COUNT", text)  # type: ignore[arg-type]


def test_election_object_is_raised_and_dismissed() -> None:
    """economy E5: by a member or by a credential, within objection_s; the federation decides."""
    polls = Polls(_slow()).to_open()
    assert_done(polls.tally())
    assert_refused(polls.ledger.by_person("anna", _object(polls)), Code.ELECTION_PHASE)
    assert_done(polls.result(*(0,) * 7))
    assert_done(polls.ledger.by_person("anna", _object(polls)))
    assert_refused(polls.ledger.by_person("bram", _object(polls)), Code.ELECTION_DONE)
    by_voter = polls.ledger.send(
        _object(polls, text=b"\x01" * 32), account_id(key("voter 1")), [(0, "voter 1")]
    )
    assert_done(by_voter)
    assert polls.election.objections == 2
    assert_refused(polls.ledger.by_board(WIJK, _object(polls)), Code.TX_ROLE)
    assert_refused(polls.ledger.by_board(WIJK, _object(polls, "DISMISS")), Code.TX_ROLE)
    assert executed_code(endorse(polls.ledger, _object(polls, "DISMISS"))) == 0
    again = endorse(polls.ledger, _object(polls, "UPHOLD"))
    assert executed_code(again) == Code.ELECTION_DONE.number
    unknown = endorse(polls.ledger, _object(polls, "UPHOLD", b"\x02" * 32))
    assert executed_code(unknown) == Code.TX_UNKNOWN_ID.number
    assert (polls.status, polls.election.objections) == ("RESULT", 1)

    polls.ledger.time_s = polls.election.result_s + 1_000
    polls.idle()
    late = polls.ledger.by_person("chaima", _object(polls, text=b"\x03" * 32))
    assert_refused(late, Code.ELECTION_TOO_LATE)
    assert polls.election.objections == 1  # waits for the federation
    polls.ledger.time_s += DECIDE_S
    polls.idle()
    assert polls.election.objections == 0  # dismissed, since nobody decided
    gone = endorse(polls.ledger, _object(polls, "UPHOLD", b"\x01" * 32))
    assert executed_code(gone) == Code.ELECTION_TOO_LATE.number


def _slow(**params: int) -> Ledger:
    people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
    return Ledger(balances=people, params={"objection_s": 1_000, **params})


def test_an_upheld_objection_annuls_an_election() -> None:
    """economy E5: and another may be called."""
    polls = Polls(_slow()).to_open()
    assert_done(polls.tally())
    assert_done(polls.result(*(0,) * 7))
    assert_done(polls.ledger.by_person("anna", _object(polls)))
    assert executed_code(endorse(polls.ledger, _object(polls, "UPHOLD"))) == 0
    assert polls.status == "ANNULLED"
    assert_done(Polls(polls.ledger).call())


def test_a_ground_is_a_code() -> None:
    """economy B12: no free text on the chain."""
    polls = counted_polls()
    asked = replace(_object(polls), ground="a b")
    assert_refused(polls.ledger.by_person("anna", asked), Code.TX_TEXT)


# ---------------------------------------------------------------------------------- decisions


def test_a_secret_proposal_takes_its_result_from_an_election() -> None:
    """economy E10: any may call the election; only its result feeds `governance.close`."""
    people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
    ledger = Ledger(balances=people)
    decision_id = by_board(
        ledger, secret=1, klass="SURVEY", closes=ledger.time_s + 5_000, opens=ledger.time_s + 1
    )
    ledger.apply(ledger.run())
    polls = Polls(ledger)
    decision = get(ledger, decision_id)
    content = content_key(decision.actions_digest, decision.text_digest)
    asked = replace(
        polls.asked,
        kind="DECISION",
        decision=decision_id,
        seats=0,
        method="YES_NO",
        options=(content,),
        min=0,
        max=1,
    )
    other = replace(asked, options=(bytes(32),))
    assert_refused(ledger.by_person("anna", other), Code.ELECTION_METHOD)
    unknown = replace(asked, decision=bytes(32))
    assert_refused(ledger.by_person("anna", unknown), Code.TX_UNKNOWN_ID)
    outcome = ledger.by_person("anna", asked)
    assert_done(outcome)
    rival = ledger.by_person("bram", asked)  # a call alone takes nobody's place
    assert_done(rival)
    polls.asked, polls.id = asked, outcome.tx_id
    assert_refused(polls.nominate("anna"), Code.ELECTION_PHASE)
    polls.at(0)
    assert_done(polls.freeze())
    second = Polls(ledger)
    second.asked, second.id = asked, rival.tx_id
    assert_refused(second.freeze(), Code.ELECTION_DONE)
    assert_refused(ledger.by_person("bram", asked), Code.ELECTION_DONE)
    polls.ceremony()
    assert_done(polls.open())
    for voter in ("voter 0", "voter 1", "voter 2"):
        assert_done(polls.cast(voter, 1))
    assert_done(polls.cast("voter 3"))
    assert_done(polls.cast("voter 4", blank=True))
    assert_done(polls.tally())
    polls.share("els", "femke", "gijs")
    assert_done(polls.result(1, 3))
    assert RESULTS.get(polls.state, decision_id) is None
    ledger.time_s += 2
    polls.idle()
    assert polls.status == "DONE"
    result = RESULTS.get(polls.state, decision_id)
    assert result is not None
    assert (result.yes, result.no, result.blank, result.electorate) == (3, 1, 1, len(MEMBERS))
    assert_done(close(ledger, decision_id))
    assert get(ledger, decision_id).tally == (3, 1, 1)
    assert_refused(ledger.by_person("anna", asked), Code.ELECTION_METHOD)


def test_open_ballots_rank_options() -> None:
    """economy E6: STV_EXACT has no key; an earlier ballot of a voter is taken off its pile."""
    options = tuple(bytes([number]) * 32 for number in range(3))
    polls = Polls(
        kind="SURVEY",
        seats=0,
        method="STV_EXACT",
        options=options,
        blank=0,
        trustees=(),
        t=0,
        min=1,
        max=3,
    ).to_open()
    rankings = {"voter 0": (1, 2), "voter 1": (3, 2), "voter 2": (3, 1), "voter 3": (2,)}
    for voter, ranking in rankings.items():
        data = make_open_ballot(polls.fixed, key(voter), ranking)
        assert_done(polls.cast_bytes(voter, data))
    data = make_open_ballot(polls.fixed, key("voter 0"), (3,))
    assert_done(polls.cast_bytes("voter 0", data))
    twice = encode(replace(_open_ballot(polls, data), ranking=(1, 1)))
    assert_refused(polls.cast_bytes("voter 0", twice), Code.ELECTION_BAD_PROOF)
    assert PILES.get(polls.state, polls.id) == (((2,), 1), ((3,), 1), ((3, 1), 1), ((3, 2), 1))
    assert_done(polls.tally())
    assert_refused(polls.result(1, 2, 3), Code.ELECTION_COUNTS)
    assert_done(polls.result())
    row = COUNTED.get(polls.state, polls.id)
    assert row is not None
    assert row.order[0] == 3


def _open_ballot(polls: Polls, data: bytes) -> OpenBallot:
    return decode(OpenBallot, data)


# ----------------------------------------------------------------------------------- handover


def _accepted(count: int = 5) -> Polls:
    """Return an election whose seats were accepted, after the time for objections."""
    polls = counted_polls()
    polls.ledger.time_s += 2
    elected = get_elected(polls.state, polls.id)
    assert set(elected) == {account(name) for name in CANDIDATES[:5]}
    for seat in range(1, count + 1):
        assert_done(_accept(polls, seat))
    return polls


def _accept(polls: Polls, place: int, **changed: Any) -> Outcome:
    """Accept a seat as whoever was elected to it, with a key of its own."""
    elected = get_elected(polls.state, polls.id)
    name = next(name for name in CANDIDATES if account(name) == elected[place - 1])
    new = SEATS[place - 1]
    signed = encode(["wijk.key.1", polls.ledger.chain.digest, polls.id, key(new)])
    call = AcceptSeat(polls.id, place, key(new), sign(seed(new), signed))
    return polls.ledger.by_person(name, replace(call, **changed))


def test_board_accept_seat_makes_a_board_of_those_elected() -> None:
    """economy E39: with a key each, and a majority of the seats."""
    polls = counted_polls()
    until = polls.election.result_s + 1
    polls.ledger.time_s = until - 2
    early = _slow_result()
    assert_refused(_accept(early, 1), Code.BOARD_OBJECTION_OPEN)
    polls.ledger.time_s += 2
    assert_refused(_accept(polls, 1, seat=2), Code.BOARD_NOT_ELECTED)
    assert_refused(_accept(polls, 1, seat=6), Code.BOARD_NOT_ELECTED)
    assert_refused(_accept(polls, 1, election=bytes(32)), Code.TX_UNKNOWN_ID)
    assert_refused(_accept(polls, 1, proof=bytes(64)), Code.BOARD_NO_PROOF)
    assert_refused(_accept(polls, 1, key=key(f"{WIJK}-board-a")), Code.BOARD_NO_PROOF)
    for seat in (1, 2, 2):
        assert_done(_accept(polls, seat))
    assert polls.status == "RESULT"
    assert_done(_accept(polls, 5))
    assert polls.status == "ACCEPTED"


def _slow_result() -> Polls:
    polls = Polls(_slow()).to_open()
    assert_done(polls.tally())
    assert_done(polls.result(*(0,) * 7))
    return polls


def account_holder(polls: Polls, seat: int) -> bytes:
    """Return who stands behind the seat: the holder of the first key of the elected account."""
    return get_account(polls.ledger, get_elected(polls.state, polls.id)[seat - 1]).keys[0].holder


def _step(polls: Polls, step: str) -> HandOver:
    evidence = sha256(step.encode()) if step in ("VAULT", "CHECKLIST") else None
    return HandOver(polls.id, step, evidence)  # type: ignore[arg-type]


def _next_epochs(polls: Polls, count: int) -> None:
    polls.ledger.time_s = (polls.ledger.time_s // 5 + count) * 5 - 1


def test_election_hand_over_seats_a_new_board() -> None:
    """economy E39: new keys beside the old ones, then in their place, then two lists."""
    polls = _accepted()
    ledger = polls.ledger
    assert polls.status == "ACCEPTED"
    assert_refused(ledger.by_board(WIJK, _step(polls, "KEYS")), Code.ELECTION_ORDER)
    assert_done(ledger.by_board(WIJK, _step(polls, "OVERLAP")))
    account_now = get_account(ledger, board(WIJK))
    assert [row.index for row in account_now.keys] == list(range(8))
    assert_refused(ledger.by_board(WIJK, _step(polls, "KEYS")), Code.ELECTION_TOO_EARLY)
    _next_epochs(polls, 2)
    new_two = [(3, SEATS[0]), (4, SEATS[1])]
    mixed = [(0, f"{WIJK}-board-a"), (3, SEATS[0])]
    assert_refused(ledger.send(_step(polls, "KEYS"), board(WIJK), mixed), Code.TX_ROLE)
    assert_done(ledger.send(_step(polls, "KEYS"), board(WIJK), new_two))

    sitting = get_sitting(polls.state, WIJK, ledger.time_s)
    assert [seat.key for seat in sitting] == [key(name) for name in SEATS]
    account_now = get_account(ledger, board(WIJK))
    assert account_now.threshold == 3
    assert {row.key for row in account_now.keys} == {key(name) for name in SEATS}
    office = get_account(ledger, account(f"{WIJK}-registrar-a"))
    holders = {row.holder for row in office.keys}
    assert holder(f"{WIJK}-board-a") not in holders
    assert account_holder(polls, 1) in holders
    assert len(office.keys) == 2

    old = [(0, f"{WIJK}-board-a"), (1, f"{WIJK}-board-b"), (2, f"{WIJK}-board-c")]
    with pytest.raises(Reject) as caught:
        ledger.send(_step(polls, "VAULT"), board(WIJK), old)
    assert caught.value.code is Code.TX_SIGNATURES
    new_three = [*new_two, (5, SEATS[2])]
    bare = replace(_step(polls, "VAULT"), evidence=None)
    assert_refused(ledger.send(bare, board(WIJK), new_three), Code.ELECTION_ORDER)
    assert_done(ledger.send(_step(polls, "VAULT"), board(WIJK), new_three))
    assert_done(ledger.send(_step(polls, "CHECKLIST"), board(WIJK), new_three))
    assert polls.status == "DONE"
    last = ledger.send(_step(polls, "CHECKLIST"), board(WIJK), new_three)
    assert_refused(last, Code.ELECTION_DONE)


def test_a_silent_board_is_followed_by_t_trustees() -> None:
    """economy E39: after two epochs the result plus t trustees complete steps 2 and 3."""
    polls = _accepted()
    ledger = polls.ledger
    assert_refused(ledger.by_person("anna", _step(polls, "OVERLAP")), Code.TX_ROLE)
    assert_done(ledger.by_person("els", _step(polls, "OVERLAP")))
    assert_done(ledger.by_person("femke", _step(polls, "OVERLAP")))
    assert_done(ledger.by_person("gijs", _step(polls, "OVERLAP")))
    twice = ledger.by_person("gijs", _step(polls, "OVERLAP"))
    assert_refused(twice, Code.ELECTION_TOO_EARLY)
    _next_epochs(polls, 3)
    assert_done(ledger.by_person("gijs", _step(polls, "OVERLAP")))
    row = HANDOVERS.get(polls.state, polls.id)
    assert row is not None
    assert row.step == "OVERLAP"
    _next_epochs(polls, 3)
    for name in ("femke", "gijs", "henk"):
        assert_done(ledger.by_person(name, _step(polls, "KEYS")))
    sitting = get_sitting(polls.state, WIJK, ledger.time_s)
    assert [seat.key for seat in sitting] == [key(name) for name in SEATS]
    assert_refused(ledger.by_person("els", _step(polls, "VAULT")), Code.TX_ROLE)


def test_a_handover_waits_for_accepted_seats() -> None:
    """economy E39: a board threshold of seats, and the time for objections before that."""
    polls = _accepted(2)
    assert polls.status == "RESULT"
    assert_refused(polls.ledger.by_board(WIJK, _step(polls, "OVERLAP")), Code.ELECTION_PHASE)
    assert get_objections_end(polls.election, 7) == polls.election.result_s + 7
    three = _accepted(3)
    assert_done(three.ledger.by_board(WIJK, _step(three, "OVERLAP")))
