"""Opening the sums, and what they come to (economy E6, E8, E23, E24)."""

from typing import Annotated

import msgspec

from chain.codec import Digest, Record, Uint
from chain.contract import Context
from chain.counting import elect, rank
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
from chain.manifest import OPTIONS_MAX, Manifest
from chain.stv import count_stv
from chain.tally import Share, check_counts, check_shares
from contracts.election.ballots import get_fixed
from contracts.election.records import (
    BEACONS,
    MANIFESTS,
    PILES,
    SHARES,
    get_election,
    put_status,
    wake_at,
)

# Anybody may claim a result, and each claim costs every node up to 50 ms to refuse (40 options,
# nine trustees). One is enough for an election.
RESULTS_PER_BLOCK = 5


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
    if not election.trustees:
        row = _count_open(ctx, call, fixed.manifest, beacon)
        _put_result(ctx, call.election, election, row)
        return
    shares = get_shares(ctx, call.election)
    check_counts(fixed, election.ballots, election.sums, shares, call.counts)

    votes = {slot: count for slot, count in zip(fixed.slots, call.counts, strict=True) if slot}
    elected = elect(fixed.manifest, votes, beacon)
    row = ResultRow(call.counts, elected, rank(votes, beacon))
    _put_result(ctx, call.election, election, row)


def _count_open(ctx: Context, call: SetResult, manifest: Manifest, beacon: bytes) -> ResultRow:
    """Count open ballots, which everybody can read: there is nothing to claim (E6, STV_EXACT).

    Counts are the votes of every option, in 10^-9, when counting stopped; whom it elects is first.
    """
    require(call.counts == (), Code.ELECTION_COUNTS)
    piles = PILES.get(ctx.state, call.election) or ()
    ballots = (ranking for ranking, count in piles for _ in range(count))
    numbers = range(1, len(manifest.options) + 1)
    counted = count_stv(numbers, ballots, 1, beacon)
    rest = rank({n: counted.votes[n] for n in numbers if n not in counted.elected}, beacon)
    return ResultRow(tuple(counted.votes[n] for n in numbers), (), (*counted.elected, *rest))


def _put_result(ctx: Context, election_id: bytes, election: Election, row: ResultRow) -> None:
    COUNTED.put(ctx.state, row, election_id)
    put_status(ctx, election_id, RESULT, result_s=ctx.time_s)
    end = ctx.time_s + ctx.clock.number("objection_s")
    wake_at(ctx.state, election_id, end, end + DECIDE_S)
    ctx.emit("election.ResultSet", election_id, election.ballots, *row.counts)
