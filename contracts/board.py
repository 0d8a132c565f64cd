"""The board: seats that end early, recalls, recusals, and the breaker (economy E3, E37, E41, E42).

A breaker stops one call of a wijk for a while and ends by itself. It never reaches redemption,
voting, objection or recall, nor what these need to come to an end.
"""

from typing import Annotated

import msgspec

from chain.codec import Digest, PublicKey, Record, Signature, Uint
from chain.contract import Call, Context, Contract, Word, check_authority, get_acting
from chain.crypto import is_valid_key, verify
from chain.elections import (
    ACCEPTED,
    DONE,
    ELECTIONS,
    KIND_BOARD,
    RESULT,
    Acceptance,
    get_acceptances,
    get_elected,
    get_list,
    get_objections_end,
    note_acceptance,
)
from chain.errors import Code, Reject, require
from chain.handover import has_new_board, seat_late
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    AUDITOR,
    BOARD,
    DECISIONS,
    LEFT,
    MEMBERS,
    RECUSED,
    RESIGNED,
    SEATS,
    TRIPS,
    Seat,
    Trip,
    get_role,
    get_standing,
)
from chain.params import DAY_S, FEDERATION
from chain.seats import LAST_RECALLS, RECALLS, RecallRecord
from chain.shared import FED_MATTERS, PROPOSALS, key_proof_bytes
from chain.state import Keyspace
from chain.succession import get_empty, get_turn_s
from chain.text_rules import is_code
from chain.voters import count_voters, has_vote
from chain.votes import COLLECT_S, DRAFT, OPEN, PASSED, RECALL, RECALL_PCT, make_decision, share

SEATS_MAX = 7  # economy E5
RECALL_AGAIN_S = 183 * DAY_S  # economy section 4: six months
TRIP_S = 259_200  # economy E42: one seat or one auditor, 72 hours
TRIP_BOARD_S = 1_209_600  # the board, 14 days
TRIP_VOTE_S = 365 * DAY_S  # by vote; it ends by itself too
TRIP_REST_S = 30 * DAY_S  # before one key trips again, and before one call is tripped again

# economy E42, and what the last ones need: a shared account redeems through a shared decision, a
# recall is counted, closed and carried out, and who was elected takes the seat.
NEVER = frozenset(
    {
        "coin.redeem_request",
        "election.cast",
        "governance.cast",
        "election.object",
        "board.recall",
        "governance.second",
        "governance.issue",
        "accounts.set_keys",
        "accounts.propose",
        "accounts.approve",
        "accounts.cancel",
        "governance.close",
        "governance.execute",
        "board.accept_seat",
    }
)
NEVER_CONTRACT = "election."
# What a vote stopped only a vote releases, and it begins with this call.
NEVER_BY_VOTE = "governance.propose"

Number = Annotated[int, msgspec.Meta(ge=1, le=2**31)]

# `tripped/<holder>`: when a person, or an auditor's account, last began a trip.
TRIPPED_BY: Keyspace[int] = Keyspace("tripped", Uint, 1)


class AcceptSeat(Record, frozen=True, tag="board.accept_seat"):
    """E39: take the seat one was elected to, with a new key and the proof that one has it.

    E41: or the seat that fell empty, as the next on the list; `seat` is the place on it then.
    """

    election: Digest
    seat: Number
    key: PublicKey
    proof: Signature


class Resign(Record, frozen=True, tag="board.resign"):
    """Give up the own seat from the border of an epoch on."""

    seat: Number
    from_epoch: Uint


class Recall(Record, frozen=True, tag="board.recall"):
    """E41: ask the members to recall seats; a tenth of them has to second it."""

    seats: Annotated[tuple[Number, ...], msgspec.Meta(min_length=1, max_length=SEATS_MAX)]
    ground: Annotated[str, msgspec.Meta(max_length=24)]
    text: Digest


class Recuse(Record, frozen=True, tag="board.recuse"):
    """E3: a seat takes no part in a decision or proposal in which it has an interest."""

    object: Digest
    seat: Number


class TripCall(Record, frozen=True, tag="board.trip"):
    """E42: stop one call in this wijk for so many seconds."""

    call: Annotated[str, msgspec.Meta(max_length=64)]
    reason: Annotated[str, msgspec.Meta(max_length=24)]
    seconds: Uint


class Reset(Record, frozen=True, tag="board.reset"):
    """End a trip before its time."""

    call: Annotated[str, msgspec.Meta(max_length=64)]


def resign(ctx: Context, call: Resign) -> None:
    """economy section 4. Refuses role, unknown-id, done. The seat sits until then."""
    seat = _require_seat(ctx, call.seat)
    if [signer.key for signer in ctx.signers] != [seat.key]:
        raise Reject(Code.TX_ROLE, role=Word.SEAT.value)
    require(seat.status == ACTIVE, Code.BOARD_DONE)

    until_s = max(ctx.time_s, call.from_epoch * ctx.clock.epoch_s)
    ends_s = min(seat.until_s, until_s)
    resigned = msgspec.structs.replace(seat, status=RESIGNED, until_s=ends_s)
    SEATS.put(ctx.state, resigned, ctx.wijk_id, call.seat)
    ctx.emit("board.Resigned", ctx.wijk_id, call.seat, ends_s)


def recall(ctx: Context, call: Recall) -> None:
    """economy E41. Refuses role, unknown-id, text, done, recent."""
    if not has_vote(ctx.account, MEMBERS.get(ctx.state, ctx.sender)):
        raise Reject(Code.TX_ROLE, role="member")
    seats = [_require_seat(ctx, number) for number in call.seats]
    require(is_code(call.ground), Code.TX_TEXT)
    rising = list(call.seats) == sorted(set(call.seats))
    standing = get_standing(ctx.state, ctx.wijk_id, ctx.time_s)
    require(rising and all(seat in standing for seat in seats), Code.BOARD_DONE)
    for number, seat in zip(call.seats, seats, strict=True):
        last = LAST_RECALLS.get(ctx.state, ctx.wijk_id, number)
        if last is not None and last.holder == seat.holder:
            from_s = last.time_s + RECALL_AGAIN_S
            require(ctx.time_s >= from_s, Code.BOARD_RECENT, from_at=from_s)

    need = share(RECALL_PCT, count_voters(ctx.state, ctx.wijk_id, ctx.height - 1))
    window = (ctx.time_s, ctx.time_s + COLLECT_S)
    recall_id = make_decision(ctx, RECALL, (), call.text, window, secret=1, need=need)
    holders = tuple(seat.holder for seat in seats)
    record = RecallRecord(ctx.wijk_id, call.seats, holders, call.ground, ctx.sender, ctx.time_s, ())
    RECALLS.put(ctx.state, record, recall_id)
    ctx.emit("board.RecallAsked", recall_id, ctx.wijk_id, call.ground, need, *call.seats)


def recuse(ctx: Context, call: Recuse) -> None:
    """economy E3. Refuses role, unknown-id, done, all.

    A seat speaks for itself, or the board about it; somebody is left to decide.
    """
    seat = _require_seat(ctx, call.seat)
    if len(ctx.signers) == 1 and ctx.signers[0].key == seat.key:
        check_authority(ctx, (Word.SEAT,))
    else:
        check_authority(ctx, (Word.BOARD,))
    require(_is_open(ctx, call.object), Code.BOARD_DONE)
    recused = RECUSED.get(ctx.state, ctx.wijk_id, call.object) or ()
    require(call.seat not in recused, Code.BOARD_DONE)
    acting = get_acting(ctx.state, ctx.wijk_id, ctx.time_s, ctx.matter)
    require(any(one.key != seat.key for one in acting), Code.BOARD_ALL)

    RECUSED.put(ctx.state, tuple(sorted((*recused, call.seat))), ctx.wijk_id, call.object)
    ctx.emit("board.Recused", call.object, ctx.wijk_id, call.seat)


def _is_open(ctx: Context, name: bytes) -> bool:
    """Say whether a decision or proposal is still under way; refuse with unknown-id one that is
    none of this board.
    """
    decision = DECISIONS.get(ctx.state, name)
    if decision is not None and decision.wijk == ctx.wijk_id:
        return decision.status in (DRAFT, OPEN, PASSED) or decision.cents > 0
    shared = PROPOSALS.get(ctx.state, name)
    if shared is not None and shared.account == ctx.wijk.board:
        return shared.status == OPEN
    matter = FED_MATTERS.get(ctx.state, name)
    if matter is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=name.hex())
    return matter.status == OPEN and ctx.wijk_id not in (*matter.yes, *matter.no)


def trip(ctx: Context, call: TripCall) -> None:
    """economy E42. Refuses role, text, unknown-id, never, too-long, recent."""
    by, most = _get_breaker(ctx)
    require(is_code(call.reason), Code.TX_TEXT)
    names = ctx.chain.table.names
    require(call.call in names, Code.TX_UNKNOWN_ID)
    never = call.call in NEVER or call.call.startswith(NEVER_CONTRACT)
    never = never or (by == "VOTE" and call.call == NEVER_BY_VOTE)
    require(not never, Code.BOARD_NEVER)
    last = TRIPS.get(ctx.state, ctx.wijk_id, call.call)
    running = last is not None and ctx.time_s < last.until_s
    since_s = last.since_s if last is not None and running else ctx.time_s
    until_s = ctx.time_s + call.seconds
    fits = ctx.time_s < until_s <= since_s + most
    require(fits, Code.BOARD_TOO_LONG, seconds=max(0, since_s + most - ctx.time_s))
    person = _check_rest(ctx, by, last, running=running)

    if person is not None:
        TRIPPED_BY.put(ctx.state, ctx.time_s, person)
    TRIPS.put(ctx.state, Trip(call.reason, by, since_s, until_s), ctx.wijk_id, call.call)
    ctx.emit("board.Tripped", ctx.wijk_id, call.call, call.reason, by, until_s)


def _get_breaker(ctx: Context) -> tuple[str, int]:
    """Return who trips, and for how many seconds at most."""
    if ctx.decision is not None:
        return "VOTE", TRIP_VOTE_S
    if ctx.account.kind == BOARD:
        if len(ctx.signers) == 1:
            check_authority(ctx, (Word.SEAT,))
            return "SEAT", TRIP_S
        check_authority(ctx, (Word.BOARD,))
        return "BOARD", TRIP_BOARD_S
    held = get_role(ctx.state, FEDERATION, AUDITOR, ctx.clock.epoch, ctx.time_s)
    if held is None or held.account != ctx.sender:
        raise Reject(Code.TX_ROLE, role="seat")
    return "AUDITOR", TRIP_S


def _check_rest(ctx: Context, by: str, last: Trip | None, *, running: bool) -> bytes | None:
    """Refuse with recent what would keep a call stopped by turns; return whom the trip counts for.

    One person trips once in 30 days. A call that was stopped goes on for 30 days, whoever stopped
    it; the board may lengthen a trip that runs, and a vote may do what it wants. What the
    members stopped is theirs alone, as for `board.reset`.
    """
    if running and last is not None and last.by == "VOTE" and by != "VOTE":
        raise Reject(Code.TX_ROLE, role=Word.EFFECT.value)  # else a board could cut it short
    person = None
    if by in ("SEAT", "AUDITOR"):
        person = ctx.signers[0].holder if by == "SEAT" else _pad(ctx.sender)
        before = TRIPPED_BY.get(ctx.state, person)
        if before is not None:
            from_s = before + TRIP_REST_S
            require(ctx.time_s >= from_s, Code.BOARD_RECENT, from_at=from_s)
    lengthens = by == "BOARD" and running
    if last is not None and by != "VOTE" and not lengthens:
        from_s = last.until_s + TRIP_REST_S
        require(ctx.time_s >= from_s, Code.BOARD_RECENT, from_at=from_s)
    return person


def _pad(account: bytes) -> bytes:
    """Return an account as an id: accounts and holders stand in one keyspace."""
    return account.ljust(32, b"\0")


def reset(ctx: Context, call: Reset) -> None:
    """economy E42. Refuses role, not-tripped. What the members stopped, they alone release."""
    last = TRIPS.get(ctx.state, ctx.wijk_id, call.call)
    if last is None or ctx.time_s >= last.until_s:
        raise Reject(Code.BOARD_NOT_TRIPPED)
    if last.by == "VOTE" and ctx.decision is None:
        raise Reject(Code.TX_ROLE, role=Word.EFFECT.value)

    ended = msgspec.structs.replace(last, until_s=ctx.time_s)
    TRIPS.put(ctx.state, ended, ctx.wijk_id, call.call)
    ctx.emit("board.Reset", ctx.wijk_id, call.call)


def _require_seat(ctx: Context, number: int) -> Seat:
    seat = SEATS.get(ctx.state, ctx.wijk_id, number)
    if seat is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=str(number))
    return seat


def accept_seat(ctx: Context, call: AcceptSeat) -> None:
    """economy E39, E41. Refuses unknown-id, not-elected, done, not-next, no-proof, objection-open.

    The key acts from the handover on. Its holder is the person who was elected: that of the first
    key of its account. Who accepts after step KEYS is seated at once, beside the others; so is who
    comes next on the list once a seat is empty (ADR 0093).
    """
    election = ELECTIONS.get(ctx.state, call.election)
    if election is None or election.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ID)
    late = has_new_board(ctx.state, call.election)
    stands = election.status in (RESULT, ACCEPTED) or (late and election.status == DONE)
    stands = stands and election.kind == KIND_BOARD and ctx.account.status != LEFT
    elected = len(get_elected(ctx.state, call.election)) if stands else 0
    able = get_list(ctx.state, call.election)[: None if late else elected] if stands else ()
    own = call.seat <= len(able) and able[call.seat - 1] == ctx.sender
    require(own, Code.BOARD_NOT_ELECTED)
    board = ACCOUNTS.get(ctx.state, ctx.wijk.board)
    assert board is not None, "a wijk has a board account"
    accepted_rows = dict(get_acceptances(ctx.state, call.election))
    # The key of a seat that sits changes by `accounts.set_keys`, as any key does.
    require(not (late and call.seat in accepted_rows), Code.BOARD_DONE)
    emptied = _find_empty(ctx, call) if call.seat > elected else None
    others = (row for seat, row in accepted_rows.items() if seat != call.seat)
    used = {key.key for key in (*board.keys, *ctx.account.keys)} | {row.key for row in others}
    signed = key_proof_bytes(ctx.chain.digest, call.election, call.key)
    proven = call.key not in used and is_valid_key(call.key)
    require(proven and verify(call.key, signed, call.proof), Code.BOARD_NO_PROOF)
    until = get_objections_end(election, ctx.clock.number("objection_s"))
    require(ctx.time_s >= until, Code.BOARD_OBJECTION_OPEN, until_at=until)

    acceptance = Acceptance(ctx.sender, call.key, ctx.account.keys[0].holder)
    if late:
        now = (ctx.height, ctx.time_s)
        seated = seat_late(
            ctx.state, call.election, ctx.wijk_id, ctx.wijk, acceptance, now, emptied
        )
        require(seated, Code.BOARD_DONE)
    accepted, enough = note_acceptance(ctx.state, call.election, call.seat, acceptance)
    ctx.emit("board.SeatAccepted", call.election, call.seat, call.key, accepted, int(enough))


def _find_empty(ctx: Context, call: AcceptSeat) -> int:
    """Return which seat the next on the list takes: the one that is empty longest (E41)."""
    turn_s = get_turn_s(ctx.state, call.election, ctx.wijk_id, call.seat, ctx.time_s)
    if turn_s is None:
        raise Reject(Code.BOARD_NOT_NEXT)
    require(ctx.time_s >= turn_s, Code.BOARD_NOT_NEXT, from_at=turn_s)
    _, number = get_empty(ctx.state, ctx.wijk_id, ctx.time_s)[0]
    return number


def _get_object(call: Recuse) -> bytes:
    return call.object


CONTRACT = Contract(
    "board",
    calls=(
        Call(AcceptSeat, (Word.HOLDER,), accept_seat),
        Call(Resign, (Word.SEAT,), resign, caretaker=True),
        Call(Recall, (Word.HOLDER,), recall, never_tripped=True),
        Call(Recuse, (Word.SEAT, Word.BOARD), recuse, caretaker=True, about=_get_object),
        Call(
            TripCall,
            (Word.SEAT, Word.BOARD, Word.EFFECT, Word.HOLDER),
            trip,
            caretaker=True,
        ),
        Call(Reset, (Word.BOARD, Word.EFFECT), reset, caretaker=True),
    ),
)
