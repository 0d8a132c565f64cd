"""Calling an election, and who stands in it (economy E1, E2, E5, E9, E12)."""

from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from chain.ceremony import get_threshold
from chain.codec import Account, Bit, Digest, Record, Signature, Uint, encode
from chain.contract import Context, Word, check_authority
from chain.crypto import sha256, verify
from chain.elections import (
    ACCEPTED,
    ANNULLED,
    BOARD_ELECTION,
    CALLED,
    CANDIDATES,
    DECIDE_S,
    DECISION_ELECTION,
    DONE,
    ELECT,
    ELECTIONS,
    ELECTIONS_COUNT,
    KIND_BOARD,
    KIND_DECISION,
    KIND_SURVEY,
    NOMINATED,
    OPEN,
    OVER,
    RESULT,
    TALLIED,
    Candidate,
    Election,
    get_objections_end,
)
from chain.errors import Code, Reject, require
from chain.handover import has_new_board
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    BOARD,
    DECISIONS,
    MEMBERS,
    get_sitting,
    has_mandate,
)
from chain.manifest import (
    BRANCHES_MAX,
    OPTIONS_MAX,
    PLEDGES_MAX,
    SCORE_MAX,
    TRUSTEES_MAX,
    TRUSTEES_MIN,
    Pledge,
    count_branches_of,
)
from chain.params import DAY_S
from chain.text_rules import is_code
from chain.voters import count_voters, has_vote, is_member
from chain.votes import OPEN as VOTE_OPEN
from chain.votes import POLLS, content_key
from contracts.election.records import (
    CANDIDACIES,
    get_election,
    put_status,
    wake_at,
)

SEATS_MIN, SEATS_MAX = 5, 7  # economy E5
VOTING_S_MAX = 30 * DAY_S  # economy E2: the law's longest time for electronic votes
TERM_NEAR_S = 90 * DAY_S  # economy section 4: any member may call an election by then
CALENDAR_S_MAX = 180 * DAY_S  # else an election of next century would hold up all before it
STALLED_S = 90 * DAY_S  # after which a result without a board stops nobody (economy E41)
SECONDERS_MAX = 50
SECONDERS_PART = 5  # economy E1: at most one fifth of the voters may be required
AREAS_MAX = 7  # no more than the seats of a board
STAND = "STAND"

Word24 = Annotated[str, msgspec.Meta(max_length=24)]
Six = tuple[Uint, Uint, Uint, Uint, Uint, Uint]


class AreaSeat(Record, frozen=True):
    """How many seats are kept for candidates of one area (economy E6)."""

    area: Word24
    seats: Uint


class CallElection(Record, frozen=True, tag="election.call"):
    """E5: call an election. `calendar`: nominations close, roll due, keys due, opening, closing,
    shares due, in Unix seconds.
    """

    kind: Literal["BOARD", "DECISION", "SURVEY"]
    decision: Digest | None
    seats: Uint
    areas: Annotated[tuple[AreaSeat, ...], msgspec.Meta(max_length=AREAS_MAX)]
    method: Literal["APPROVAL", "APPROVAL_BUURT", "YES_NO", "SCORE", "STV_EXACT"]
    options: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=OPTIONS_MAX)]
    min: Uint
    max: Uint
    score: Uint
    blank: Bit
    calendar: Six
    trustees: Annotated[tuple[Account, ...], msgspec.Meta(max_length=TRUSTEES_MAX)]
    t: Uint


class PledgeLine(Record, frozen=True):
    """What a candidate promises (economy E9): aim and present value of an indicator, by a date."""

    indicator: Word24
    baseline: int
    target: int
    date: Uint


class Seconder(Record, frozen=True):
    """A member who supports a candidate, by the account key with that index."""

    account: Account
    key_index: Uint
    signature: Signature


class Nominate(Record, frozen=True, tag="election.nominate"):
    """E5: stand for the board; `name` is the digest of the candidate's name and text."""

    election: Digest
    name: Digest
    pledges: Annotated[tuple[PledgeLine, ...], msgspec.Meta(max_length=PLEDGES_MAX)]
    seconders: Annotated[tuple[Seconder, ...], msgspec.Meta(max_length=SECONDERS_MAX)]


def call(ctx: Context, asked: CallElection) -> None:
    """economy E5, E6, E12. Refuses role, unknown-id, calendar, trustees, method."""
    _check_caller(ctx, asked)
    _check_calendar(ctx, asked.calendar)
    _check_trustees(ctx, asked)
    require(_fits(asked), Code.ELECTION_METHOD)
    if asked.kind == KIND_DECISION:
        require(asked.options == (_get_content(ctx, asked.decision),), Code.ELECTION_METHOD)

    if asked.kind == KIND_BOARD:
        _end_stuck(ctx, BOARD_ELECTION.get(ctx.state, ctx.wijk_id))
    elif asked.decision is not None:
        _end_stuck(ctx, DECISION_ELECTION.get(ctx.state, asked.decision))
    election_id = ctx.new_id()
    number = (ELECTIONS_COUNT.get(ctx.state, ctx.wijk_id) or 0) + 1
    election = Election(
        wijk=ctx.wijk_id,
        number=number,
        kind=asked.kind,
        method=asked.method,
        decision=asked.decision,
        seats=asked.seats,
        areas=tuple((area.area, area.seats) for area in asked.areas),
        min=asked.min,
        max=asked.max,
        score=asked.score,
        blank=asked.blank,
        calendar=asked.calendar,
        trustees=asked.trustees,
        threshold=asked.t,
        called_height=ctx.height,
        status=NOMINATED if asked.options else CALLED,
        options=len(asked.options),
        electorate=0,
        reference_height=0,
        voters=0,
        voters_root=None,
        manifest=None,
        sums=b"",
        ballots=0,
        spoiled=0,
        shares=0,
        result_s=0,
        objections=0,
        reason=None,
    )
    ELECTIONS.put(ctx.state, election, election_id)
    ELECT.put(ctx.state, election_id, ctx.wijk_id, number)
    ELECTIONS_COUNT.put(ctx.state, number, ctx.wijk_id)
    if asked.kind == KIND_BOARD:
        BOARD_ELECTION.put(ctx.state, election_id, ctx.wijk_id)
    if asked.decision is not None:
        DECISION_ELECTION.put(ctx.state, election_id, asked.decision)
    for place, option in enumerate(asked.options, 1):
        CANDIDATES.put(ctx.state, Candidate(None, option, None, ()), election_id, place)
    wake_at(ctx.state, election_id, *asked.calendar[:3], asked.calendar[4])
    ctx.emit("election.ElectionCalled", election_id, ctx.wijk_id, number, asked.kind, asked.method)


def _check_caller(ctx: Context, asked: CallElection) -> None:
    """economy section 4: the board; anybody for an opened secret proposal; a member near a term's
    end. One election at a time for one matter: `done` while there is another.
    """
    is_board = ctx.account.kind == BOARD
    if is_board:
        check_authority(ctx, (Word.BOARD,))
    about_decision = asked.kind == KIND_DECISION
    require(about_decision == (asked.decision is not None), Code.ELECTION_METHOD)
    if asked.decision is not None:
        decision = DECISIONS.get(ctx.state, asked.decision)
        poll = POLLS.get(ctx.state, asked.decision)
        if decision is None or poll is None or decision.wijk != ctx.wijk_id:
            raise Reject(Code.TX_UNKNOWN_ID)
        opened = decision.status == VOTE_OPEN and poll.secret == 1
        require(opened, Code.ELECTION_METHOD)
        _require_none(ctx, DECISION_ELECTION.get(ctx.state, asked.decision))
        return
    if asked.kind == KIND_BOARD:
        _require_none(ctx, BOARD_ELECTION.get(ctx.state, ctx.wijk_id))
        if not is_board:
            near = _term_ends_s(ctx) <= ctx.time_s + TERM_NEAR_S
            own = is_member(ctx.account, MEMBERS.get(ctx.state, ctx.sender))
            active = own and ctx.account.status == ACTIVE
            require(near and active, Code.TX_ROLE, role="board")
        return
    require(is_board, Code.TX_ROLE, role="board")


def _require_none(ctx: Context, election_id: bytes | None) -> None:
    """Refuse with `done` while an election about the same matter goes on, or has decided it."""
    before = None if election_id is None else ELECTIONS.get(ctx.state, election_id)
    if election_id is None or before is None:
        return
    decided = before.kind == KIND_DECISION and before.status == DONE
    free = before.status in OVER or has_new_board(ctx.state, election_id)
    # Anybody may call a vote on a proposal, so a call alone blocks nobody: the roll does (roll.py).
    free = free or (before.kind == KIND_DECISION and before.voters_root is None)
    stuck = find_stuck(ctx, election_id, before) is not None
    require((free or stuck) and not decided, Code.ELECTION_DONE)


def find_stuck(ctx: Context, election_id: bytes, election: Election) -> str | None:
    """Return why an opened election comes to nothing, so that another may be called; else None.

    Trustees who vanish, seats that nobody accepts and a handover that nobody completes would else
    lock a wijk for ever (E5). What comes late still counts until somebody calls anew. The board
    that is to go cannot end a handover by waiting: only its members call anew then.
    """
    shares_due_s = election.calendar[5]
    if election.status in (OPEN, TALLIED) and election.trustees:
        return "NO-SHARES" if ctx.time_s >= shares_due_s + DECIDE_S else None
    if election.kind != KIND_BOARD or election.status not in (RESULT, ACCEPTED):
        return None
    end_s = get_objections_end(election, ctx.clock.number("objection_s")) + STALLED_S
    if ctx.time_s < end_s:
        return None
    if election.status == RESULT:
        return "NO-SEATS"
    handed = has_new_board(ctx.state, election_id) or ctx.account.kind == BOARD
    return None if handed else "NO-HANDOVER"


def _end_stuck(ctx: Context, election_id: bytes | None) -> None:
    """End the election that a new one about the same matter takes the place of."""
    before = None if election_id is None else ELECTIONS.get(ctx.state, election_id)
    if election_id is None or before is None:
        return
    reason = None if before.status in OVER else find_stuck(ctx, election_id, before)
    if reason is not None:
        put_status(ctx, election_id, ANNULLED, reason=reason)
        ctx.emit("election.Annulled", election_id, reason)


def _term_ends_s(ctx: Context) -> int:
    """Return when the term of the board ends; at once where half of its seats or more are empty: it
    cannot call the election that fills them (economy E37, E41).
    """
    if not has_mandate(ctx.state, ctx.wijk_id, ctx.time_s):
        return ctx.time_s
    sitting = get_sitting(ctx.state, ctx.wijk_id, ctx.time_s)
    return min((seat.until_s for seat in sitting), default=ctx.time_s)


def _check_calendar(ctx: Context, calendar: Six) -> None:
    rising = all(left < right for left, right in pairwise((ctx.time_s, *calendar)))
    _, roll_due, _, opens, closes, _ = calendar
    complaints = opens - roll_due >= ctx.clock.number("complaint_s")  # economy E13
    lawful = closes - opens <= VOTING_S_MAX
    soon = calendar[5] <= ctx.time_s + CALENDAR_S_MAX
    require(rising and complaints and lawful and soon, Code.ELECTION_CALENDAR)


def _check_trustees(ctx: Context, asked: CallElection) -> None:
    """economy E12: three or more, t of them open a sum, at most a third of them from the board."""
    count = len(asked.trustees)
    if asked.method == "STV_EXACT":  # an open ballot has no key (E6)
        require(count == 0 and asked.t == 0, Code.ELECTION_TRUSTEES)
        return
    fits = TRUSTEES_MIN <= count <= TRUSTEES_MAX and len(set(asked.trustees)) == count
    require(fits and asked.t == get_threshold(count), Code.ELECTION_TRUSTEES)
    board = {seat.holder for seat in get_sitting(ctx.state, ctx.wijk_id, ctx.time_s)}
    from_board = 0
    for trustee in asked.trustees:
        account = ACCOUNTS.get(ctx.state, trustee)
        if account is None or account.status != ACTIVE:
            raise Reject(Code.ELECTION_TRUSTEES)
        from_board += any(key.holder in board for key in account.keys)
    require(3 * from_board <= count, Code.ELECTION_TRUSTEES)


def _fits(asked: CallElection) -> bool:
    """Say whether kind, method and numbers go together, as far as that is known now (E5, E6).

    How many options a board election has shows later; its manifest is checked then.
    """
    areas = [area.area for area in asked.areas]
    kept = sum(area.seats for area in asked.areas)
    if asked.kind == KIND_BOARD:
        by_area = asked.method == "APPROVAL_BUURT"
        fits = SEATS_MIN <= asked.seats <= SEATS_MAX and not asked.options
        fits = fits and asked.method != "YES_NO" and by_area == bool(areas)
        fits = fits and all(area.seats >= 1 for area in asked.areas) and kept <= asked.seats
        fits = fits and all(left < right for left, right in pairwise(areas))
    else:
        fits = asked.seats == 0 and not areas and asked.method != "APPROVAL_BUURT"
        fits = fits and len(asked.options) >= 1 and len(set(asked.options)) == len(asked.options)
        if asked.kind == KIND_DECISION:
            fits = fits and asked.method == "YES_NO"
    if asked.method == "YES_NO":
        fits = fits and len(asked.options) == 1
        fits = fits and (asked.min, asked.max, asked.score, asked.blank) == (0, 1, 0, 1)
    elif asked.method == "SCORE":
        fits = fits and 1 <= asked.score <= SCORE_MAX
    else:
        fits = fits and asked.score == 0
    if asked.method == "STV_EXACT":  # in the open, so advisory: a board is elected in secret (E10)
        fits = fits and asked.blank == 0 and asked.kind == KIND_SURVEY
    if asked.options and asked.method != "STV_EXACT":
        fits = fits and _fits_ballot(asked, len(asked.options))
    highest = OPTIONS_MAX * max(1, asked.score)
    return fits and asked.min <= asked.max and 1 <= asked.max <= highest


def _fits_ballot(asked: "CallElection | Election", options: int) -> bool:
    """Say whether a ballot of so many options can prove itself: no manifest has more branches.

    It is asked at every nomination: else who stands beside too many others would see to it that
    nobody can open the election.
    """
    score = max(1, asked.score)
    most = min(asked.max, options * score)
    least = min(asked.min, most)
    return count_branches_of(options, score, least, most, asked.blank) <= BRANCHES_MAX


def _get_content(ctx: Context, decision_id: bytes | None) -> bytes:
    """Return what is voted on: the bytes of the actions and the text, both (economy E34)."""
    assert decision_id is not None, "the caller was checked"
    decision = DECISIONS.get(ctx.state, decision_id)
    assert decision is not None, "the caller was checked"
    return content_key(decision.actions_digest, decision.text_digest)


def nominate(ctx: Context, asked: Nominate) -> None:
    """economy E1, E9. Refuses unknown-id, role, text, phase, seconders, late, double, too-many."""
    election = get_election(ctx, asked.election)
    member = MEMBERS.get(ctx.state, ctx.sender)
    active = ctx.account.status == ACTIVE  # who left or is suspended keeps its flags
    if member is None or STAND not in member.flags or not active:
        raise Reject(Code.TX_ROLE, role="member")
    require(all(is_code(pledge.indicator) for pledge in asked.pledges), Code.TX_TEXT)
    require(election.kind == KIND_BOARD, Code.ELECTION_PHASE)
    _check_seconders(ctx, asked)
    standing = election.status in (CALLED, NOMINATED)
    until = election.nominations_close_s
    require(standing and ctx.time_s < until, Code.ELECTION_LATE, until_at=until)
    known = CANDIDACIES.get(ctx.state, asked.election, ctx.sender)
    require(known is None, Code.ELECTION_DOUBLE)
    number = election.options + 1
    fits = number <= OPTIONS_MAX and _fits_ballot(election, number)
    require(fits, Code.ELECTION_TOO_MANY, count=number, most=election.options)

    pledges = tuple(
        Pledge(line.indicator, line.baseline, line.target, line.date) for line in asked.pledges
    )
    candidate = Candidate(ctx.sender, asked.name, member.area, pledges)
    CANDIDATES.put(ctx.state, candidate, asked.election, number)
    CANDIDACIES.put(ctx.state, number, asked.election, ctx.sender)
    put_status(ctx, asked.election, NOMINATED, options=number)
    ctx.emit("election.Nominated", asked.election, number, ctx.sender, asked.name)


def get_seconders_needed(ctx: Context) -> int:
    """Return how many members have to second a candidate (economy E1)."""
    voters = count_voters(ctx.state, ctx.wijk_id, ctx.height - 1)
    return min(ctx.clock.number("seconders"), voters // SECONDERS_PART, SECONDERS_MAX)


def second_bytes(
    chain_digest: bytes,
    election_id: bytes,
    candidate: bytes,
    name: bytes,
    pledges: tuple[PledgeLine, ...],
) -> bytes:
    """Return what a seconder signs (interfaces 4)."""
    promised = sha256(encode(pledges))
    return encode(["wijk.second.1", chain_digest, election_id, candidate, name, promised])


def _check_seconders(ctx: Context, asked: Nominate) -> None:
    """Members with a vote, each once, none the candidate, and each signed for these pledges."""
    need = get_seconders_needed(ctx)
    signed = second_bytes(ctx.chain.digest, asked.election, ctx.sender, asked.name, asked.pledges)
    have = 0
    seen = {ctx.sender}
    for seconder in asked.seconders:
        account = ACCOUNTS.get(ctx.state, seconder.account)
        key = None if account is None else account.key_at(seconder.key_index)
        if account is None or key is None or seconder.account in seen:
            break
        votes = has_vote(account, MEMBERS.get(ctx.state, seconder.account))
        if not votes or account.wijk != ctx.wijk_id:
            break
        if not verify(key.key, signed, seconder.signature):
            break
        seen.add(seconder.account)
        have += 1
    held = have == len(asked.seconders) and have >= need
    require(held, Code.ELECTION_SECONDERS, have=have, need=need)
