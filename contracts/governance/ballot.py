"""Voting in the open, closing a vote and carrying it out, once (economy E7, E10, E34)."""

from typing import Literal

import msgspec

from chain.codec import Digest, Record
from chain.contract import Context
from chain.crypto import sha256
from chain.errors import Code, Reject, require
from chain.keyspaces import DECISIONS, MEMBERS, WIJKEN, Decision
from chain.seats import remove_recalled
from chain.voters import could_vote, has_vote
from chain.votes import (
    CHOICE,
    CONTENTS,
    DRAFT,
    ENACT_S,
    EXECUTED,
    LAPSED,
    OPEN,
    PASSED,
    PETITION,
    POLLS,
    RECALL,
    REJECTED,
    RESULT_S,
    RESULTS,
    SURVEY,
    Poll,
    content_key,
    get_choice_place,
    get_quorum_pct,
    passes,
)
from contracts.governance.proposal import get_collecting_end, require_vote


class Cast(Record, frozen=True, tag="governance.cast"):
    """E10: vote in the open; the last vote of an account counts."""

    decision: Digest
    choice: Literal["YES", "NO", "BLANK"]


class Close(Record, frozen=True, tag="governance.close"):
    """E7: say what a vote came to, once its window is over."""

    decision: Digest


class Execute(Record, frozen=True, tag="governance.execute"):
    """E34: carry out what was decided: all actions or none, once."""

    decision: Digest


def cast(ctx: Context, call: Cast) -> None:
    """economy E10, E13. Refuses unknown-id, not-open, not-eligible, secret."""
    decision, poll = require_vote(ctx, call.decision)
    opens, closes = decision.window
    is_open = decision.status == OPEN and opens <= ctx.time_s < closes
    is_open = is_open and decision.klass != PETITION
    require(is_open, Code.GOVERNANCE_NOT_OPEN, opens_at=opens, closes_at=closes)
    now = has_vote(ctx.account, MEMBERS.get(ctx.state, ctx.sender))
    eligible = could_vote(ctx.state, ctx.sender, poll.reference, now=now)
    require(eligible and ctx.wijk_id == decision.wijk, Code.GOVERNANCE_NOT_ELIGIBLE)
    require(poll.secret == 0, Code.GOVERNANCE_SECRET)

    before = CHOICE.get(ctx.state, call.decision, ctx.sender)
    tally = list(decision.tally)
    if before is not None:
        tally[get_choice_place(before)] -= 1
    tally[get_choice_place(call.choice)] += 1
    yes, no, blank = tally
    counted = msgspec.structs.replace(decision, tally=(yes, no, blank))
    DECISIONS.put(ctx.state, counted, call.decision)
    CHOICE.put(ctx.state, call.choice, call.decision, ctx.sender)
    ctx.emit("governance.VoteCast", call.decision, ctx.sender, call.choice, before)


def close(ctx: Context, call: Close) -> None:
    """economy E7. Refuses unknown-id, too-early, done.

    A draft that can no longer open lapses, and so does a secret vote that nobody counted.
    """
    decision, poll = require_vote(ctx, call.decision)
    if decision.status == DRAFT:
        end = get_collecting_end(decision, ctx.clock.number("vote_min_s"))
        _require_time(ctx, end)
        _end(ctx, call.decision, decision, poll, LAPSED, decision.tally)
        return
    if decision.status == OPEN and decision.klass == PETITION:
        _close_petition(ctx, call.decision, decision, poll)
        return
    if decision.status == OPEN:
        _require_time(ctx, decision.window[1])
    require(decision.status == OPEN, Code.GOVERNANCE_DONE)
    poll = msgspec.structs.replace(poll, decided_s=decision.window[1])
    tally = decision.tally
    if poll.secret:
        result = RESULTS.get(ctx.state, call.decision)
        if result is None:
            _require_time(ctx, decision.window[1] + RESULT_S)
            _end(ctx, call.decision, decision, poll, LAPSED, tally)
            return
        tally = result.yes, result.no, result.blank
        poll = msgspec.structs.replace(
            poll, electorate=result.electorate, decided_s=max(poll.decided_s, result.time_s)
        )
    _end(ctx, call.decision, decision, poll, _judge(ctx, decision, poll, tally), tally)


def _judge(ctx: Context, decision: Decision, poll: Poll, tally: tuple[int, int, int]) -> str:
    """Return the status that a counted vote gets: a survey decides nothing, so it is done (E7)."""
    if decision.klass == SURVEY:
        return EXECUTED
    quorum_pct = get_quorum_pct(ctx.clock, decision)
    return PASSED if passes(decision.klass, *tally, poll.electorate, quorum_pct) else REJECTED


def _close_petition(ctx: Context, decision_id: bytes, decision: Decision, poll: Poll) -> None:
    """economy W17: done once the board put the same actions and text to the vote, else overdue."""
    key = content_key(decision.actions_digest, decision.text_digest)
    answer = CONTENTS.get(ctx.state, decision.wijk, key)
    put = None if answer is None else POLLS.get(ctx.state, answer)
    # Put to the vote before it was asked is not an answer: the height says which came first.
    if put is not None and put.reference >= poll.reference:
        _end(ctx, decision_id, decision, poll, EXECUTED, decision.tally)
        return
    _require_time(ctx, decision.window[1])
    _end(ctx, decision_id, decision, poll, LAPSED, decision.tally)


def _require_time(ctx: Context, from_s: int) -> None:
    require(ctx.time_s >= from_s, Code.GOVERNANCE_TOO_EARLY, from_at=from_s)


def _end(
    ctx: Context,
    decision_id: bytes,
    decision: Decision,
    poll: Poll,
    status: str,
    tally: tuple[int, int, int],
) -> None:
    ended = msgspec.structs.replace(decision, status=status, tally=tally)
    DECISIONS.put(ctx.state, ended, decision_id)
    POLLS.put(ctx.state, poll, decision_id)
    ctx.emit(f"governance.{_EVENTS[status]}", decision_id, *tally, poll.electorate)


_EVENTS = {PASSED: "Passed", REJECTED: "Rejected", LAPSED: "Lapsed", EXECUTED: "Done"}


def execute(ctx: Context, call: Execute) -> None:
    """economy E34, E41. Refuses unknown-id, not-passed, done, too-early, too-late, or with the
    code of the action that cannot run: then nothing ran, and it can be tried again.

    An action runs for the wijk of the decision, as if its board sent it.
    """
    decision, poll = require_vote(ctx, call.decision)
    require(decision.status in (PASSED, EXECUTED), Code.GOVERNANCE_NOT_PASSED)
    require(decision.status == PASSED, Code.GOVERNANCE_DONE)
    soonest = poll.decided_s + ctx.clock.number("enact_delay_s")
    _require_time(ctx, soonest)
    latest = soonest + ENACT_S
    require(ctx.time_s < latest, Code.GOVERNANCE_TOO_LATE, until_at=latest)
    wijk = WIJKEN.get(ctx.state, decision.wijk)
    assert wijk is not None, "a wijk stays for ever"

    # Closed before it runs: nothing that an action does can run it again.
    done = msgspec.structs.replace(decision, status=EXECUTED)
    DECISIONS.put(ctx.state, done, call.decision)
    for index, action in enumerate(decision.actions):
        base_id = sha256(call.decision + index.to_bytes(4, "big"))  # economy B11
        refusal = ctx.run(action, wijk.board, (), decision=call.decision, base_id=base_id)
        if refusal is not None:
            raise Reject(refusal.code, **refusal.params)
    if decision.klass == RECALL:
        remove_recalled(ctx, call.decision, decision.wijk)
    ctx.emit("governance.Executed", call.decision)
