"""Opening the sums, and what they come to (economy E6, E8, E23, E24)."""

from typing import Annotated

import msgspec

from chain.codec import Digest, Record, Uint
from chain.contract import Context
from chain.counting import find_winners
from chain.elections import (
    COUNTED,
    DECIDE_S,
    DECRYPTABLE,
    RESULT,
    TALLIED,
    Election,
    ResultRow,
)
from chain.errors import Code, Reject, require
from chain.manifest import OPTIONS_MAX
from chain.tally import Share, check_counts, check_shares
from contracts.election.ballots import get_fixed
from contracts.election.records import (
    BEACONS,
    MANIFESTS,
    SHARES,
    get_election,
    put_status,
    wake_at,
)


class DecryptShare(Record, frozen=True, tag="election.decrypt_share"):
    """E23: one trustee's part of opening every sum, with proofs; in the order of the slots."""

    election: Digest
    shares: Annotated[tuple[Share, ...], msgspec.Meta(max_length=OPTIONS_MAX + 1)]


class SetResult(Record, frozen=True, tag="election.result"):
    """E24: what every sum hides, in the order of the slots: the blank vote first, if any."""

    election: Digest
    counts: Annotated[tuple[Uint, ...], msgspec.Meta(max_length=OPTIONS_MAX + 1)]


def decrypt_share(ctx: Context, call: DecryptShare) -> None:
    """economy E23. Refuses unknown-id, not-tallied, role, done, bad-point, bad-proof."""
    election = get_election(ctx, call.election)
    tallied = election.status in (TALLIED, DECRYPTABLE)
    manifest = MANIFESTS.get(ctx.state, call.election)
    if not tallied or manifest is None:
        raise Reject(Code.ELECTION_NOT_TALLIED)
    if ctx.sender not in manifest.trustees:
        raise Reject(Code.TX_ROLE, role="trustee")
    number = manifest.trustees.index(ctx.sender) + 1
    given = SHARES.get(ctx.state, call.election, number)
    require(given is None, Code.ELECTION_DONE)
    check_shares(get_fixed(ctx, call.election), number, election.sums, call.shares)

    SHARES.put(ctx.state, call.shares, call.election, number)
    shares = election.shares + 1
    status = DECRYPTABLE if shares >= manifest.threshold else TALLIED
    put_status(ctx, call.election, status, shares=shares)
    ctx.emit("election.ShareGiven", call.election, number, shares, manifest.threshold)


def get_shares(ctx: Context, election_id: bytes) -> dict[int, tuple[Share, ...]]:
    """Return the shares that trustees gave, by number."""
    manifest = MANIFESTS.get(ctx.state, election_id)
    assert manifest is not None, "it was opened"
    found: dict[int, tuple[Share, ...]] = {}
    for number in range(1, len(manifest.trustees) + 1):
        shares = SHARES.get(ctx.state, election_id, number)
        if shares is not None:
            found[number] = shares
    return found


def result(ctx: Context, call: SetResult) -> None:
    """economy E6, E8, E24. Refuses unknown-id, done, not-tallied, too-few-shares, counts.

    Ties are settled by the block that closed the vote, whose id is known one block later.
    """
    election = get_election(ctx, call.election)
    require(election.result_s == 0, Code.ELECTION_DONE)
    require(election.status in (TALLIED, DECRYPTABLE), Code.ELECTION_NOT_TALLIED)
    beacon = BEACONS.get(ctx.state, call.election)
    if beacon is None:
        raise Reject(Code.ELECTION_TOO_EARLY)
    fixed = get_fixed(ctx, call.election)
    shares = get_shares(ctx, call.election)
    check_counts(fixed, election.ballots, election.sums, shares, call.counts)

    elected, order = find_winners(fixed.manifest, call.counts, beacon)
    _put_result(ctx, call.election, election, ResultRow(call.counts, elected, order))


def _put_result(ctx: Context, election_id: bytes, election: Election, row: ResultRow) -> None:
    COUNTED.put(ctx.state, row, election_id)
    put_status(ctx, election_id, RESULT, result_s=ctx.time_s)
    end = ctx.time_s + ctx.clock.number("objection_s")
    wake_at(ctx.state, election_id, end, end + DECIDE_S)
    ctx.emit("election.ResultSet", election_id, election.ballots, *row.counts)
