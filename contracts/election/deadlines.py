"""What an election does by itself as a block starts: its deadlines (economy E5, E8, E16)."""

from chain.contract import BlockStart
from chain.due import CLOSINGS_DUE, ELECTIONS_DUE, take_due
from chain.elections import (
    CALLED,
    CANCELLED,
    COUNTED,
    DECIDE_S,
    DONE,
    ELECTIONS,
    KEY_READY,
    KIND_BOARD,
    KIND_DECISION,
    NOMINATED,
    RESULT,
    VOTERS_FROZEN,
    Election,
)
from chain.set_change import get_recent_id
from chain.votes import put_result
from contracts.election.keys import close_step
from contracts.election.records import BEACONS, CLOSING, put_status

WAKES_PER_BLOCK = 100  # as many as other things that end by themselves


def run_deadlines(start: BlockStart) -> None:
    """Note the beacons of elections that closed in the block before, and see to what is due."""
    closed = CLOSING.get(start.state) or ()
    if closed:
        beacon = get_recent_id(start.state, start.clock.height - 1)
        assert beacon is not None, "the block before is noted as each block starts"
        for election_id in closed:
            BEACONS.put(start.state, beacon, election_id)
        CLOSING.delete(start.state)
    _note_closing(start)
    for _ in range(WAKES_PER_BLOCK):
        due = take_due(start.state, ELECTIONS_DUE, start.time_s)
        if due is None:
            break
        _see_to(start, due)


def _note_closing(start: BlockStart) -> None:
    """Note the elections that close with this block: its id, known in the next, is the beacon (E8).

    However much else is due: a later beacon would be one that somebody could choose.
    """
    closing: list[bytes] = []
    while len(closing) < WAKES_PER_BLOCK:
        due = take_due(start.state, CLOSINGS_DUE, start.time_s)
        if due is None:
            break
        closing.append(due)
    if closing:
        CLOSING.put(start.state, tuple(closing))


def _see_to(start: BlockStart, election_id: bytes) -> None:
    """Move one election on if a time of its calendar has come; most wakings find nothing to do."""
    election = ELECTIONS.get(start.state, election_id)
    assert election is not None, "an election stays for ever"
    start.begin(election_id)
    reason = _find_reason(start.time_s, election)
    if reason is not None:
        put_status(start, election_id, CANCELLED, reason=reason)
        start.emit("election.Cancelled", election_id, reason)
    elif election.status == VOTERS_FROZEN and election.trustees:
        close_step(start, election_id)
    elif election.status == RESULT:
        _settle(start, election_id, election)
    if start.has_told:
        start.note(election_id)


def _find_reason(time_s: int, election: Election) -> str | None:
    """Return why an election that was not opened ends now, or None (economy E5)."""
    if election.status == CALLED and time_s >= election.nominations_close_s:
        return "NO-CANDIDATES"
    if election.status == NOMINATED and time_s >= election.roll_due_s:
        return "NO-ROLL"
    if election.status == VOTERS_FROZEN and election.trustees and time_s >= election.keys_due_s:
        return "NO-KEYS"
    if election.status in (VOTERS_FROZEN, KEY_READY) and time_s >= election.closes_s:
        return "NOT-OPENED"
    return None


def _settle(start: BlockStart, election_id: bytes, election: Election) -> None:
    """End the time for objections: what is undecided after 14 more days is dismissed (section 4).

    The result about a proposal stands from here on, and feeds `governance.close` (E10). A board
    goes on with the seats that are accepted.
    """
    objection_s = start.clock.number("objection_s")
    end = election.result_s + objection_s
    if election.objections:
        end += DECIDE_S
    if start.time_s < end:
        return
    status = RESULT if election.kind == KIND_BOARD else DONE
    if election.objections or status != election.status:
        put_status(start, election_id, status, objections=0)
        start.emit("election.ResultStands", election_id)
    if election.kind == KIND_DECISION:
        row = COUNTED.get(start.state, election_id)
        assert row is not None, "a result has counts"
        assert election.decision is not None, "it was called for one"
        blank, yes = row.counts
        counts = (yes, election.ballots - yes - blank, blank)
        put_result(start.state, election.decision, counts, election.electorate, start.time_s)
