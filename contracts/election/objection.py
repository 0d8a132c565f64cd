"""Objections to a result, and what is decided about them (economy E5)."""

from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from chain.codec import Digest, Record
from chain.contract import Context, Word
from chain.elections import (
    ANNULLED,
    CREDENTIAL,
    DECIDE_S,
    ELECTIONS,
    RESULT,
)
from chain.errors import Code, Reject, require
from chain.keyspaces import MEMBERS
from chain.text_rules import is_code
from chain.voters import is_member
from contracts.election.records import (
    DISMISSED,
    OBJECTIONS,
    OBJECTORS,
    RAISED,
    UPHELD,
    Objection,
    get_election,
    put_status,
    wake_at,
)

OBJECTIONS_EACH = 3  # so that nobody takes all the places there are, and holds up a result alone
OBJECTIONS_MAX = 1_000  # of one election; a result that so many dispute is heard as it is


class ObjectTo(Record, frozen=True, tag="election.object"):
    """E5: object to a result, or decide about an objection; `text` names what was written."""

    election: Digest
    step: Literal["RAISE", "UPHOLD", "DISMISS"]
    ground: Annotated[str, msgspec.Meta(max_length=24)]
    text: Digest


def narrow_object(call: ObjectTo) -> tuple[Word, ...]:
    """Voters and members object; the federation decides."""
    return (Word.ANY,) if call.step == "RAISE" else (Word.FED,)


def object_to(ctx: Context, call: ObjectTo) -> None:
    """economy E5. Refuses unknown-id, role, text, phase, too-late, done, too-many."""
    if call.step == "RAISE":
        _raise(ctx, call)
    else:
        _decide(ctx, call)


def _raise(ctx: Context, call: ObjectTo) -> None:
    election = get_election(ctx, call.election)
    if ctx.account.kind != CREDENTIAL:
        belongs = is_member(ctx.account, MEMBERS.get(ctx.state, ctx.sender))
        require(belongs, Code.TX_ROLE, role="member")
    require(is_code(call.ground), Code.TX_TEXT)
    require(election.result_s > 0, Code.ELECTION_PHASE)
    until = election.result_s + ctx.clock.number("objection_s")
    in_time = election.status == RESULT and ctx.time_s < until
    require(in_time, Code.ELECTION_TOO_LATE, until_at=until)
    known = OBJECTIONS.get(ctx.state, call.election, call.text)
    require(known is None, Code.ELECTION_DONE)
    own = OBJECTORS.get(ctx.state, call.election, ctx.sender) or 0
    require(own < OBJECTIONS_EACH, Code.ELECTION_TOO_MANY, count=own + 1, most=OBJECTIONS_EACH)
    full = election.objections >= OBJECTIONS_MAX
    require(not full, Code.ELECTION_TOO_MANY, count=OBJECTIONS_MAX + 1, most=OBJECTIONS_MAX)

    OBJECTORS.put(ctx.state, own + 1, call.election, ctx.sender)
    raised = Objection(ctx.sender, call.ground, ctx.time_s, RAISED)
    OBJECTIONS.put(ctx.state, raised, call.election, call.text)
    put_status(ctx, call.election, RESULT, objections=election.objections + 1)
    ctx.emit("election.Objected", call.election, call.text, call.ground)


def _decide(ctx: Context, call: ObjectTo) -> None:
    """The federation looks at elections of every wijk (economy E36)."""
    election = ELECTIONS.get(ctx.state, call.election)
    objection = OBJECTIONS.get(ctx.state, call.election, call.text)
    if election is None or objection is None:
        raise Reject(Code.TX_UNKNOWN_ID)
    until = election.result_s + ctx.clock.number("objection_s") + DECIDE_S
    require(ctx.time_s < until, Code.ELECTION_TOO_LATE, until_at=until)
    undecided = objection.status == RAISED and election.status == RESULT
    require(undecided, Code.ELECTION_DONE)

    upheld = call.step == "UPHOLD"
    decided = replace(objection, status=UPHELD if upheld else DISMISSED)
    OBJECTIONS.put(ctx.state, decided, call.election, call.text)
    status, left = (ANNULLED, 0) if upheld else (RESULT, election.objections - 1)
    put_status(ctx, call.election, status, objections=left)
    wake_at(ctx.state, call.election, ctx.time_s)  # the time for objections may be over by now
    ctx.emit("election.ObjectionDecided", call.election, call.text, decided.status)
