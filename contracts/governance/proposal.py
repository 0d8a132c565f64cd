"""Proposals: a member or the board writes one, and people second it (economy E34, E41, W17).

What a vote is about is fixed here, byte for byte: the actions are hashed with the proposal and run
as they stand or not at all.
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import CENTS_MAX, Bit, Digest, Record, Uint
from chain.contract import Context, Word, check_authority
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, DECISIONS, MEMBERS, Decision
from chain.records import TX_BYTES_MAX
from chain.seats import note_recall
from chain.voters import count_voters, has_vote
from chain.votes import (
    ALWAYS_SECRET,
    BUDGET,
    COLLECT_S,
    CONTENTS,
    DRAFT,
    OPEN,
    PETITION,
    PETITION_DUE_S,
    PETITION_PCT,
    PETITION_S,
    POLLS,
    RECALL,
    SECONDED,
    SURVEY,
    WINDOW_S_MAX,
    Poll,
    compute_actions_digest,
    content_key,
    make_decision,
    share,
)

ACTIONS_MAX = 8  # economy section 4: what fits a page that people read before they vote

Action = Annotated[bytes, msgspec.Meta(max_length=TX_BYTES_MAX)]


class Propose(Record, frozen=True, tag="governance.propose"):
    """E34: put actions and a text to the vote; `opens` and `closes` are Unix seconds.

    A vote opens once it has its seconders, and not before `opens`.
    """

    klass: Literal["ORDINARY", "STATUTES", "RECALL", "SURVEY", "BUDGET", "PETITION"] = (
        msgspec.field(name="class")
    )
    actions: Annotated[tuple[Action, ...], msgspec.Meta(max_length=ACTIONS_MAX)]
    text: Digest
    opens: Uint
    closes: Uint
    secret: Bit


class Second(Record, frozen=True, tag="governance.second"):
    """E34: support that a proposal be put to the vote."""

    decision: Digest


def propose(ctx: Context, call: Propose) -> None:
    """economy E34, E10, W17. Refuses role, window, class, secret, action."""
    by_board = ctx.account.kind == BOARD
    if by_board:
        check_authority(ctx, (Word.BOARD,))
    elif not has_vote(ctx.account, MEMBERS.get(ctx.state, ctx.sender)):
        raise Reject(Code.TX_ROLE, role="member")
    window = _get_window(ctx, call)
    # A recall begins with `board.recall`, which names the seats; a board does not petition itself.
    own = call.klass == RECALL or (call.klass == PETITION and by_board)
    require(not own, Code.GOVERNANCE_CLASS)
    require(call.secret == 1 or call.klass not in ALWAYS_SECRET, Code.GOVERNANCE_SECRET)
    require(call.secret == 0 or call.klass != PETITION, Code.GOVERNANCE_SECRET)
    cents = _check_actions(ctx, call)

    electorate = count_voters(ctx.state, ctx.wijk_id, ctx.height - 1)
    need = (
        share(PETITION_PCT, electorate)
        if call.klass == PETITION
        else 0
        if by_board
        else ctx.clock.number("seconders")
    )
    decision_id = make_decision(
        ctx,
        call.klass,
        call.actions,
        call.text,
        window,
        secret=call.secret,
        need=need,
        cents=cents,
    )
    number = require_vote(ctx, decision_id)[0].number
    ctx.emit("governance.ProposalMade", decision_id, ctx.wijk_id, number, call.klass, *window, need)
    if by_board:
        _open(ctx, decision_id, window)
    if by_board and call.klass != SURVEY:  # a survey decides nothing, so it answers no petition
        key = content_key(compute_actions_digest(call.actions), call.text)
        CONTENTS.put(ctx.state, decision_id, ctx.wijk_id, key)


def _get_window(ctx: Context, call: Propose) -> tuple[int, int]:
    """Return when the vote is open at the earliest, and until when; refuse with window (E2).

    A petition has no vote of its own: its window is the time to find seconders in (W17).
    """
    opens = max(call.opens, ctx.time_s)
    if call.klass == PETITION:
        fits = ctx.time_s < call.closes <= ctx.time_s + PETITION_S
        require(fits, Code.GOVERNANCE_WINDOW)
        return ctx.time_s, call.closes
    least = ctx.clock.number("vote_min_s")
    fits = least <= call.closes - opens <= WINDOW_S_MAX and opens <= ctx.time_s + COLLECT_S
    require(fits, Code.GOVERNANCE_WINDOW)
    return opens, call.closes


def _check_actions(ctx: Context, call: Propose) -> int:
    """Refuse what no vote of this class can carry out; return what it lets spend, in cents."""
    cents = 0
    for data in call.actions:
        action = ctx.chain.table.decode_inner(data)
        spec = ctx.chain.table.spec(action)
        possible = Word.EFFECT in ctx.chain.table.words(action)
        require(possible and call.klass != SURVEY, Code.GOVERNANCE_ACTION)
        classes = spec.get_classes(action)
        require(bool(classes), Code.GOVERNANCE_ACTION)
        # A petition only asks for a vote: the class is judged when the board puts it to one.
        require(call.klass == PETITION or call.klass in classes, Code.GOVERNANCE_CLASS)
        if call.klass == BUDGET and spec.budget is not None:
            cents += spec.budget(action)
    require(cents <= CENTS_MAX, Code.TX_AMOUNT, amount_cents=cents)
    return cents


def second(ctx: Context, call: Second) -> None:
    """economy E34, E41, W17. Refuses unknown-id, role, own, done, already, too-late.

    Seconders have a vote when they second; each counts once. The one that reaches the number needed
    opens the vote, if it can still be open long enough.
    """
    decision, poll = require_vote(ctx, call.decision)
    voter = has_vote(ctx.account, MEMBERS.get(ctx.state, ctx.sender))
    if not voter or ctx.wijk_id != decision.wijk:
        raise Reject(Code.TX_ROLE, role="member")
    require(ctx.sender != poll.by, Code.GOVERNANCE_OWN)
    require(decision.status == DRAFT, Code.GOVERNANCE_DONE)
    again = SECONDED.get(ctx.state, call.decision, ctx.sender)
    require(again is None, Code.GOVERNANCE_ALREADY)
    latest = get_collecting_end(decision, ctx.clock.number("vote_min_s"))
    require(ctx.time_s < latest, Code.GOVERNANCE_TOO_LATE, until_at=latest)

    SECONDED.put(ctx.state, 1, call.decision, ctx.sender)
    poll = msgspec.structs.replace(poll, seconders=poll.seconders + 1)
    POLLS.put(ctx.state, poll, call.decision)
    ctx.emit("governance.Seconded", call.decision, ctx.sender, poll.seconders, poll.need)
    if poll.seconders >= poll.need:
        _open(ctx, call.decision, _get_open_window(ctx, decision))


def get_collecting_end(decision: Decision, vote_min_s: int) -> int:
    """Return the first second at which a draft can no longer be opened.

    A vote leaves the shortest time that the wijk allows for voting; seconders of a petition or a
    recall come before its window ends.
    """
    closes = decision.window[1]
    return closes if decision.klass in (PETITION, RECALL) else closes - vote_min_s + 1


def _get_open_window(ctx: Context, decision: Decision) -> tuple[int, int]:
    """Return the window of a vote that opens now, by its class.

    A recall is voted on after the hearing, within 30 days (E41); a petition gives the board 60 days
    to put it to the vote (W17).
    """
    if decision.klass == RECALL:
        opens = ctx.time_s + ctx.clock.number("hearing_s")
        return opens, opens + WINDOW_S_MAX
    if decision.klass == PETITION:
        return ctx.time_s, ctx.time_s + PETITION_DUE_S
    return max(decision.window[0], ctx.time_s), decision.window[1]


def _open(ctx: Context, decision_id: bytes, window: tuple[int, int]) -> None:
    """Open a vote: who has a vote in it is fixed by the block before this one (E13)."""
    decision, poll = require_vote(ctx, decision_id)
    reference = ctx.height - 1
    electorate = count_voters(ctx.state, decision.wijk, reference)
    opened = msgspec.structs.replace(decision, status=OPEN, window=window)
    poll = msgspec.structs.replace(poll, reference=reference, electorate=electorate)
    DECISIONS.put(ctx.state, opened, decision_id)
    POLLS.put(ctx.state, poll, decision_id)
    if decision.klass == RECALL:
        note_recall(ctx, decision_id)
    ctx.emit("governance.Opened", decision_id, *window, reference, electorate)


def require_vote(ctx: Context, decision_id: bytes) -> tuple[Decision, Poll]:
    """Return a proposal, or refuse with unknown-id; founding decisions were never proposed."""
    decision, poll = DECISIONS.get(ctx.state, decision_id), POLLS.get(ctx.state, decision_id)
    if decision is None or poll is None:
        raise Reject(Code.TX_UNKNOWN_ID, id=decision_id.hex())
    return decision, poll
