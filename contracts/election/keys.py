"""The key ceremony: the trustees make the key of an election together (economy E16).

A step ends as soon as everybody has taken it, or at its deadline. Who was silent then, or dealt
wrong shares, is left out, and the others begin anew.
"""

from typing import Literal

from msgspec.structs import replace

from chain.ceremony import (
    CeremonyContext,
    Commitments,
    KeyAnswer,
    KeyCommit,
    KeyComplaint,
    KeyDeal,
    are_keys_sound,
    check_answer,
    check_commit,
    check_deal,
    get_threshold,
)
from chain.codec import Digest, Record, Uint
from chain.contract import Context
from chain.elections import CANCELLED, ELECTIONS, KEY_READY, VOTERS_FROZEN, Election
from chain.errors import Code, Reject, require
from chain.manifest import TRUSTEES_MIN
from chain.state import State
from contracts.election.records import (
    ANSWER,
    CEREMONIES,
    COMMIT,
    COMPLAIN,
    CONFIRM,
    DEAL,
    KEY_ANSWERS,
    KEY_COMMITS,
    KEY_DEALS,
    READY,
    Ceremony,
    Where,
    get_election,
    put_status,
    wake_at,
)

# The calendar has room for as many ceremonies: one more than trustees may vanish, each of whom can
# spoil one attempt up to its last step (E12).
ATTEMPTS_MIN = 3
STEPS = 4  # commit, deal, confirm, answer
STEP_S_MIN = 10  # nobody's machine answers a block faster for sure

KeyStep = KeyCommit | KeyDeal | KeyComplaint | KeyAnswer


class Dkg(Record, frozen=True, tag="election.dkg"):
    """E16: one step of one trustee; `data` is nil for CONFIRM."""

    election: Digest
    attempt: Uint
    phase: Literal["COMMIT", "DEAL", "CONFIRM", "COMPLAIN", "ANSWER"]
    data: KeyStep | None


def start_ceremony(
    where: Where, election_id: bytes, trustees: tuple[bytes, ...], attempt: int
) -> None:
    """Begin an attempt with these trustees, numbered from 1 in their order."""
    election = ELECTIONS.get(where.state, election_id)
    assert election is not None, "it was looked up before"
    if len(trustees) < TRUSTEES_MIN:
        put_status(where, election_id, CANCELLED, reason="TRUSTEES")
        where.emit("election.Cancelled", election_id, "TRUSTEES")
        return
    nobody = (0,) * len(trustees)
    begun = Ceremony(attempt, COMMIT, 0, trustees, nobody, nobody, nobody, ())
    _put_phase(where, election_id, election, begun, COMMIT)
    where.emit("election.CeremonyStarted", election_id, attempt, len(trustees))


def dkg(ctx: Context, call: Dkg) -> None:
    """economy E16. Refuses unknown-id, role, phase, bad-proof, bad-point, bad-share, size."""
    election = get_election(ctx, call.election)
    ceremony = CEREMONIES.get(ctx.state, call.election)
    if ceremony is None or election.status != VOTERS_FROZEN:
        raise Reject(Code.ELECTION_PHASE)
    if ctx.sender not in ceremony.trustees:
        raise Reject(Code.TX_ROLE, role="trustee")
    place = ceremony.trustees.index(ctx.sender)
    now = CONFIRM if call.phase == COMPLAIN else call.phase
    fits = call.attempt == ceremony.attempt and ceremony.phase == now
    require(fits, Code.ELECTION_PHASE)
    before = ceremony
    ctx.emit("election.DkgStep", call.election, call.attempt, call.phase, place + 1)
    match (call.phase, call.data):
        case ("COMMIT", KeyCommit() as commit):
            ceremony = _commit(ctx, call, ceremony, place, commit)
        case ("DEAL", KeyDeal() as deal):
            ceremony = _deal(ctx, call, ceremony, place, deal)
        case ("CONFIRM", None):
            require(not ceremony.spoke[place], Code.ELECTION_PHASE)
            ceremony = replace(ceremony, spoke=_marked(ceremony.spoke, place))
        case ("COMPLAIN", KeyComplaint() as complaint):
            ceremony = _complain(ceremony, place, complaint)
        case ("ANSWER", KeyAnswer() as answer):
            ceremony = _answer(ctx, call, ceremony, place, answer)
        case _:
            raise Reject(Code.ELECTION_PHASE)
    assert ceremony != before, "every step is noted"
    CEREMONIES.put(ctx.state, ceremony, call.election)
    _go_on(ctx, call.election, election, ceremony)


def get_context(ctx: Context, call: Dkg) -> CeremonyContext:
    """Return ctx0 of economy 10.3."""
    return CeremonyContext(ctx.chain.digest, call.election, call.attempt)


def _commit(ctx: Context, call: Dkg, ceremony: Ceremony, place: int, commit: KeyCommit) -> Ceremony:
    require(not ceremony.committed[place], Code.ELECTION_PHASE)
    threshold = get_threshold(len(ceremony.trustees))
    check_commit(get_context(ctx, call), place + 1, threshold, commit)
    KEY_COMMITS.put(ctx.state, (call.attempt, commit), call.election, place + 1)
    return replace(ceremony, committed=_marked(ceremony.committed, place))


def _deal(ctx: Context, call: Dkg, ceremony: Ceremony, place: int, deal: KeyDeal) -> Ceremony:
    require(not ceremony.dealt[place], Code.ELECTION_PHASE)
    check_deal(len(ceremony.trustees), get_context(ctx, call), deal)
    KEY_DEALS.put(ctx.state, (call.attempt, deal), call.election, place + 1)
    return replace(ceremony, dealt=_marked(ceremony.dealt, place))


def _complain(ceremony: Ceremony, place: int, complaint: KeyComplaint) -> Ceremony:
    """Note a complaint; who has confirmed complains no longer, and about each dealer once."""
    known = {(about, by) for about, by, _ in ceremony.complaints}
    complained = any(by == place + 1 for _, by in known)
    about = complaint.dealer
    fits = 1 <= about <= len(ceremony.trustees) and (about, place + 1) not in known
    require(fits and (complained or not ceremony.spoke[place]), Code.ELECTION_PHASE)
    complaints = tuple(sorted((*ceremony.complaints, (about, place + 1, 0))))
    return replace(ceremony, complaints=complaints, spoke=_marked(ceremony.spoke, place))


def _answer(ctx: Context, call: Dkg, ceremony: Ceremony, place: int, answer: KeyAnswer) -> Ceremony:
    open_one = (place + 1, answer.receiver, 0)
    require(open_one in ceremony.complaints, Code.ELECTION_PHASE)
    check_answer(get_commitments(ctx.state, call.election, ceremony)[place], answer)
    row = KEY_ANSWERS.get(ctx.state, call.election, place + 1)
    before = row[1] if row is not None and row[0] == call.attempt else ()
    shown = (call.attempt, (*before, answer))
    KEY_ANSWERS.put(ctx.state, shown, call.election, place + 1)
    closed = tuple(
        (place + 1, answer.receiver, 1) if row == open_one else row for row in ceremony.complaints
    )
    return replace(ceremony, complaints=closed)


def get_commitments(state: State, election_id: bytes, ceremony: Ceremony) -> Commitments:
    """Return C_ik of all trustees of the attempt, in the order of their numbers."""
    found = []
    for number in range(1, len(ceremony.trustees) + 1):
        row = KEY_COMMITS.get(state, election_id, number)
        assert row is not None, "all have committed"
        assert row[0] == ceremony.attempt, "in this attempt"
        found.append(row[1].commitments)
    return tuple(found)


def _go_on(where: Where, election_id: bytes, election: Election, ceremony: Ceremony) -> None:
    """Move to the next step if this one is complete, or begin anew without a bad dealer."""
    if ceremony.phase == COMMIT and all(ceremony.committed):
        _put_phase(where, election_id, election, ceremony, DEAL)
    elif ceremony.phase == DEAL and all(ceremony.dealt):
        _put_phase(where, election_id, election, ceremony, CONFIRM)
    elif ceremony.phase == CONFIRM:
        numbers = range(1, len(ceremony.trustees) + 1)
        most = len(ceremony.trustees) - get_threshold(len(ceremony.trustees))
        about = [row[0] for row in ceremony.complaints]
        guilty = {number for number in numbers if about.count(number) > most}
        if guilty:
            _restart(where, election_id, ceremony, guilty)
        elif all(ceremony.spoke) and not ceremony.complaints:
            _finish(where, election_id, ceremony)
    elif ceremony.phase == ANSWER and all(row[2] for row in ceremony.complaints):
        _finish(where, election_id, ceremony)


def close_step(where: Where, election_id: bytes) -> None:
    """End a step whose deadline has come; called as a block starts (economy E16)."""
    election = ELECTIONS.get(where.state, election_id)
    ceremony = CEREMONIES.get(where.state, election_id)
    if election is None or ceremony is None or election.status != VOTERS_FROZEN:
        return
    if ceremony.phase == READY or where.time_s < ceremony.due_s:
        return
    done = {
        COMMIT: ceremony.committed,
        DEAL: ceremony.dealt,
        CONFIRM: ceremony.spoke,
        ANSWER: (1,) * len(ceremony.trustees),
    }[ceremony.phase]
    guilty = {place + 1 for place, has_done in enumerate(done) if not has_done}
    if ceremony.phase == ANSWER:
        guilty = {about for about, _, answered in ceremony.complaints if not answered}
    if guilty:
        _restart(where, election_id, ceremony, guilty)
    elif ceremony.phase == CONFIRM:
        _put_phase(where, election_id, election, ceremony, ANSWER)


def _restart(where: Where, election_id: bytes, ceremony: Ceremony, without: set[int]) -> None:
    rest = tuple(
        trustee for number, trustee in enumerate(ceremony.trustees, 1) if number not in without
    )
    start_ceremony(where, election_id, rest, ceremony.attempt + 1)


def _finish(where: Where, election_id: bytes, ceremony: Ceremony) -> None:
    """The key is there, unless it or a share of it is no valid point: then everything anew."""
    if not are_keys_sound(get_commitments(where.state, election_id, ceremony)):
        _restart(where, election_id, ceremony, set())
        return
    CEREMONIES.put(where.state, replace(ceremony, phase=READY), election_id)
    put_status(where, election_id, KEY_READY)
    where.emit("election.KeyReady", election_id, ceremony.attempt, len(ceremony.trustees))


def _put_phase(
    where: Where, election_id: bytes, election: Election, ceremony: Ceremony, phase: str
) -> None:
    """Begin a step: it ends when its part of the time for keys is over, at the latest."""
    n = len(election.trustees)
    attempts = max(ATTEMPTS_MIN, n - get_threshold(n) + 1)
    step_s = max(STEP_S_MIN, (election.keys_due_s - election.roll_due_s) // (attempts * STEPS))
    moved = replace(ceremony, phase=phase, due_s=where.time_s + step_s)
    CEREMONIES.put(where.state, moved, election_id)
    wake_at(where.state, election_id, moved.due_s)


def _marked(marks: tuple[int, ...], place: int) -> tuple[int, ...]:
    return (*marks[:place], 1, *marks[place + 1 :])
