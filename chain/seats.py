"""Seats of a board: who sits, who was recalled, and what that leaves (economy E37, E41).

A seat is `seat/<wijk>/<n>`, n from 1, and its key is one of the board account. A seat that ends
before its term keeps its record with another status: its key stays with the account and counts for
nothing there, because whatever a board signs asks for seats that sit.
"""

import msgspec

from chain.codec import Account, Digest, Record, Uint
from chain.contract import Context
from chain.errors import Code, Reject, require
from chain.keyspaces import ACTIVE, BOARD, DECISIONS, RECALLED, RESIGNED, SEATS
from chain.state import Keyspace
from chain.votes import DRAFT, OPEN


class RecallRecord(Record, frozen=True):
    """`recall/<id>`: the vote with the same id is about these seats (economy E41).

    `holders` are who sat there when it was asked: a seat that somebody else took meanwhile stays.
    `answers` are (seat, digest): what those it is about said in the hearing, the last of each.
    """

    wijk: str
    seats: tuple[Uint, ...]
    holders: tuple[Digest, ...]
    ground: str
    by: Account
    asked_s: Uint
    answers: tuple[tuple[Uint, Digest], ...]


class LastRecall(Record, frozen=True):
    """`recalled/<wijk>/<n>`: who sat there when the seat was last put to the vote, and when."""

    holder: Digest
    time_s: Uint


RECALLS: Keyspace[RecallRecord] = Keyspace("recall", RecallRecord, 1)
LAST_RECALLS: Keyspace[LastRecall] = Keyspace("recalled", LastRecall, 2)


def end_seat(ctx: Context, wijk: str, number: int, status: str) -> None:
    """End a seat now; its record says why."""
    seat = SEATS.get(ctx.state, wijk, number)
    assert seat is not None, f"seat {number} of {wijk} exists"
    ended = msgspec.structs.replace(seat, status=status, until_s=min(seat.until_s, ctx.time_s))
    SEATS.put(ctx.state, ended, wijk, number)
    ctx.emit("board.SeatEnded", wijk, number, status)


def note_recall(ctx: Context, recall_id: bytes) -> None:
    """Note that a recall came to a vote: only then it bars the next one for a while (E41).

    What nobody seconds bars nothing, else friends of a board could block a recall by asking first.
    """
    recall = RECALLS.get(ctx.state, recall_id)
    assert recall is not None, "a vote of this class begins with a recall"
    for number, holder in zip(recall.seats, recall.holders, strict=True):
        LAST_RECALLS.put(ctx.state, LastRecall(holder, ctx.time_s), recall.wijk, number)


def remove_recalled(ctx: Context, recall_id: bytes, wijk: str) -> None:
    """Empty the seats of a recall that passed (economy E41)."""
    recall = RECALLS.get(ctx.state, recall_id)
    assert recall is not None, "a vote of this class begins with a recall"
    for number, holder in zip(recall.seats, recall.holders, strict=True):
        seat = SEATS.get(ctx.state, wijk, number)
        # Who resigned from a far day on still sits: that is no way around a recall.
        sits = seat is not None and seat.status in (ACTIVE, RESIGNED)
        if seat is not None and sits and seat.holder == holder:
            end_seat(ctx, wijk, number, RECALLED)


def answer_recall(ctx: Context, recall_id: bytes, text: bytes) -> None:
    """Link the written answer of somebody whose seat a recall is about; refuses role, done."""
    recall, decision = RECALLS.get(ctx.state, recall_id), DECISIONS.get(ctx.state, recall_id)
    assert recall is not None, "the caller found it"
    assert decision is not None, "a recall is a vote"
    own = [
        number
        for number in recall.seats
        if (seat := SEATS.get(ctx.state, recall.wijk, number)) is not None
        and [signer.key for signer in ctx.signers] == [seat.key]
    ]
    if ctx.account.kind != BOARD or ctx.wijk_id != recall.wijk or not own:
        raise Reject(Code.TX_ROLE, role="seat")
    require(decision.status in (DRAFT, OPEN), Code.GOVERNANCE_DONE)
    answers = dict(recall.answers)
    answers[own[0]] = text
    changed = msgspec.structs.replace(recall, answers=tuple(sorted(answers.items())))
    RECALLS.put(ctx.state, changed, recall_id)
