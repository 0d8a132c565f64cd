"""The handover: an elected board takes over keys and offices, step by step (economy E39, ADR 0085).

OVERLAP puts the new keys beside the old ones; KEYS, an epoch later, takes the old ones away from
the board, the treasury and the registry; VAULT and CHECKLIST say what was done off the chain.
"""

from typing import Literal

from msgspec.structs import replace

from chain.codec import Digest, Record
from chain.contract import Context, Word, check_authority, get_account
from chain.elections import (
    ACCEPTED,
    DONE,
    KIND_BOARD,
    Acceptance,
    Election,
    get_acceptances,
)
from chain.errors import Code, Reject, require
from chain.handover import (
    CHECKLIST,
    HANDOVERS,
    KEYS,
    OVERLAP,
    STEPS,
    VAULT,
    Handover,
    put_keys,
)
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    BOARD,
    ENDED,
    REGISTRY,
    SEATS,
    TREASURY,
    AccountKey,
    AccountRecord,
    Seat,
    get_role,
    get_seats,
)
from chain.params import DAY_S
from contracts.election.records import get_election, put_status

OVERLAP_EPOCHS = 2  # of which one is whole: the overlap of economy E39
SILENT_EPOCHS = 2  # economy E39: then the trustees act in place of the old board
TERM_S = 4 * 365 * DAY_S  # economy E5: two to four years; the wijk may elect sooner


class HandOver(Record, frozen=True, tag="election.hand_over"):
    """E39: do the next step of a handover; `evidence` is the digest of a list off the chain."""

    election: Digest
    step: Literal["OVERLAP", "KEYS", "VAULT", "CHECKLIST"]
    evidence: Digest | None


def hand_over(ctx: Context, call: HandOver) -> None:
    """economy E39. Refuses unknown-id, phase, order, too-early, role, done."""
    election = get_election(ctx, call.election)
    require(election.kind == KIND_BOARD, Code.ELECTION_PHASE)
    require(election.status != DONE, Code.ELECTION_DONE)
    require(election.status == ACCEPTED, Code.ELECTION_PHASE)
    before = HANDOVERS.get(ctx.state, call.election)
    if before is None:  # the epoch in which enough seats are accepted is seen by the first call
        before = Handover(None, ctx.clock.epoch, (), (), ())
    done = 0 if before.step is None else STEPS.index(before.step) + 1
    require(call.step == STEPS[done], Code.ELECTION_ORDER)
    listed = call.step in (VAULT, CHECKLIST)
    require(listed == (call.evidence is not None), Code.ELECTION_ORDER)
    seats = get_acceptances(ctx.state, call.election)
    if call.step == KEYS:
        soonest = (before.epoch + OVERLAP_EPOCHS) * ctx.clock.epoch_s
        require(ctx.time_s >= soonest, Code.ELECTION_TOO_EARLY, from_at=soonest)
    if not _may(ctx, call, before, election, seats):
        return  # the hand of one trustee is up; others have to follow

    evidence = before.evidence if call.evidence is None else (*before.evidence, call.evidence)
    after = Handover(call.step, ctx.clock.epoch, (), evidence, before.old)
    if call.step == OVERLAP:
        board = get_account(ctx, ctx.wijk.board)
        after = replace(after, old=tuple(key.key for key in board.keys))
        stands = {seat.key for seat in get_seats(ctx.state, ctx.wijk_id) if seat.status != ENDED}
        kept = tuple(key for key in board.keys if key.key in stands)
        _put_keys(ctx, ctx.wijk.board, board, kept, seats, board.threshold)
    elif call.step == KEYS:
        _move_offices(ctx, before.old, seats)
    elif call.step == CHECKLIST:
        put_status(ctx, call.election, DONE)
    HANDOVERS.put(ctx.state, after, call.election)
    ctx.emit("election.HandoverStep", call.election, call.step, ctx.clock.epoch)


def _may(
    ctx: Context,
    call: HandOver,
    before: Handover,
    election: Election,
    seats: tuple[tuple[int, Acceptance], ...],
) -> bool:
    """Say whether the sender completes the step: the board does at once, and t trustees together.

    Refuses with role whoever is neither, and with too-early trustees before the board was silent.
    The old board begins; the new keys may do what comes next, and so show that they are in hand.
    """
    if ctx.account.kind == BOARD:
        new = {acceptance.key for _, acceptance in seats}
        if call.step == KEYS and all(signer.key in new for signer in ctx.signers):
            holders = {signer.holder for signer in ctx.signers}
            require(len(holders) == len(ctx.signers), Code.TX_ROLE, role="board")
            return True
        check_authority(ctx, (Word.BOARD,))
        return True
    require(ctx.sender in election.trustees, Code.TX_ROLE, role="board")
    require(call.step in (OVERLAP, KEYS), Code.TX_ROLE, role="board")
    if HANDOVERS.get(ctx.state, call.election) is None:
        HANDOVERS.put(ctx.state, before, call.election)  # from now on the board is silent
    soonest = (before.epoch + SILENT_EPOCHS) * ctx.clock.epoch_s
    number = election.trustees.index(ctx.sender) + 1
    up = tuple(sorted({*before.trustees, number}))
    late = ctx.time_s >= soonest
    if late and len(up) >= election.threshold:
        return True
    require(number not in before.trustees, Code.ELECTION_TOO_EARLY, from_at=soonest)
    HANDOVERS.put(ctx.state, replace(before, trustees=up), call.election)
    ctx.emit("election.HandoverHand", call.election, call.step, number)
    return False


def _put_keys(
    ctx: Context,
    account_id: bytes,
    account: AccountRecord,
    kept: tuple[AccountKey, ...],
    seats: tuple[tuple[int, Acceptance], ...],
    threshold: int,
) -> None:
    new = [acceptance for _, acceptance in seats]
    put_keys(ctx.state, account_id, account, kept, new, threshold, ctx.height)


def _move_offices(
    ctx: Context, old: tuple[bytes, ...], seats: tuple[tuple[int, Acceptance], ...]
) -> None:
    """Seat the new board, and take every key of the old one out of board, treasury and registry.

    An office apart keeps as many keys as it had: those of old seats pass to the first new ones.
    """
    new = {acceptance.key for _, acceptance in seats}
    holders = {acceptance.holder for _, acceptance in seats}
    # Also those whose term is over by now: they acted as a caretaker until here (E37).
    ending = [seat for seat in get_seats(ctx.state, ctx.wijk_id) if seat.status != ENDED]
    before = {seat.holder for seat in ending}
    number = 1
    while (seat := SEATS.get(ctx.state, ctx.wijk_id, number)) is not None:
        ended = replace(seat, status=ENDED, until_s=min(seat.until_s, ctx.time_s))
        SEATS.put(ctx.state, ended, ctx.wijk_id, number)
        number += 1
    for place, (_, acceptance) in enumerate(seats):
        until_s = ctx.time_s + TERM_S
        seat = Seat(acceptance.key, acceptance.holder, ctx.time_s, until_s, ACTIVE)
        SEATS.put(ctx.state, seat, ctx.wijk_id, number + place)
    board = get_account(ctx, ctx.wijk.board)
    kept = tuple(key for key in board.keys if key.key in new)
    _put_keys(ctx, ctx.wijk.board, board, kept, seats, len(holders) // 2 + 1)
    for role in (TREASURY, REGISTRY):
        held = get_role(ctx.state, ctx.wijk_id, role, ctx.clock.epoch, ctx.time_s)
        if held is None or held.account == ctx.wijk.board:
            continue
        office = ACCOUNTS.get(ctx.state, held.account)
        if office is None:
            raise Reject(Code.TX_UNKNOWN_ACCOUNT)
        leaving = before - holders
        stays = tuple(
            key for key in office.keys if key.holder not in leaving and key.key not in old
        )
        staying = {key.holder for key in stays}
        asked = max(len(office.keys) - len(stays), 0 if staying & holders else 1)
        fresh = tuple(row for row in seats if row[1].holder not in staying)[:asked]
        _put_keys(ctx, held.account, office, stays, fresh, office.threshold)
