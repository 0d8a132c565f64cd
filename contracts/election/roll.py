"""The roll: who may vote, as keys that name nobody (economy E13, E14)."""

from typing import Annotated

import msgspec

from chain.address import account_id
from chain.codec import Digest, Record, Uint
from chain.contract import Context
from chain.elections import (
    ANNULLED,
    CANCELLED,
    DECISION_ELECTION,
    ELECTIONS,
    NOMINATED,
    ROLL,
    VOTERS_FROZEN,
    Election,
)
from chain.errors import Code, require
from chain.manifest import check_voters, compute_voters_root
from chain.records import BLOBS_MAX, Blob
from chain.voters import count_voters
from contracts.election.keys import start_ceremony
from contracts.election.records import get_election, put_status

CREDENTIAL_BYTES = 32


class VoterRoot(Record, frozen=True, tag="election.voter_root"):
    """E14: the sorted list L. Its keys of 32 bytes travel one after the other, in `credentials`."""

    election: Digest
    reference_height: Uint
    eligible: Uint
    credentials: Annotated[tuple[Blob, ...], msgspec.Meta(min_length=1, max_length=BLOBS_MAX)]
    root: Digest

    def get_blobs(self) -> tuple[Blob, ...]:
        """Return what travels beside this call (economy B10)."""
        return self.credentials


def voter_root(ctx: Context, call: VoterRoot) -> None:
    """economy E13, E14. Refuses unknown-id, phase, late, done, unsorted, too-many.

    The electorate is counted at a height after the call, which the registrars choose; L is no
    longer than that. What they say is checked against the state: `eligible` is not theirs to make.
    """
    election = get_election(ctx, call.election)
    frozen = election.status == NOMINATED and ctx.time_s >= election.nominations_close_s
    require(frozen, Code.ELECTION_PHASE)
    until = election.roll_due_s
    require(ctx.time_s < until, Code.ELECTION_LATE, until_at=until)
    past = election.called_height <= call.reference_height < ctx.height
    require(past, Code.ELECTION_PHASE)
    _check_only_one(ctx, call.election, election)
    listed = b"".join(ctx.blobs)
    require(len(listed) % CREDENTIAL_BYTES == 0, Code.ELECTION_UNSORTED)
    keys = [listed[at : at + CREDENTIAL_BYTES] for at in range(0, len(listed), CREDENTIAL_BYTES)]
    check_voters(keys)
    require(call.root == compute_voters_root(keys), Code.ELECTION_UNSORTED)
    electorate = count_voters(ctx.state, ctx.wijk_id, call.reference_height)
    fits = call.eligible == electorate and len(keys) <= electorate
    require(fits, Code.ELECTION_TOO_MANY, count=max(len(keys), call.eligible), most=electorate)

    if election.decision is not None:
        DECISION_ELECTION.put(ctx.state, call.election, election.decision)
    for key in keys:
        ROLL.put(ctx.state, key, call.election, account_id(key))
    election = put_status(
        ctx,
        call.election,
        VOTERS_FROZEN,
        electorate=electorate,
        reference_height=call.reference_height,
        voters=len(keys),
        voters_root=call.root,
    )
    if election.trustees:
        start_ceremony(ctx, call.election, election.trustees, 1)
    ctx.emit("election.VotersFrozen", call.election, len(keys), electorate, call.root)


def _check_only_one(ctx: Context, election_id: bytes, election: Election) -> None:
    """Refuse with `done` a second roll about one proposal, while a vote goes on or has decided it.

    Anybody may call a vote on an opened secret proposal; the registrars say which one is held.
    """
    if election.decision is None:
        return
    held = DECISION_ELECTION.get(ctx.state, election.decision)
    other = None if held in (None, election_id) else ELECTIONS.get(ctx.state, held)
    if other is not None and other.voters_root is not None:
        require(other.status in (CANCELLED, ANNULLED), Code.ELECTION_DONE)
