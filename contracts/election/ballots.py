"""Voting: opening, casting, spoiling to check, and adding up (economy E15, E18 to E22)."""

from typing import Annotated

import msgspec
from msgspec.structs import replace

from chain.ballot import check_ballot, check_open_ballot, check_opening, split_pairs
from chain.ceremony import compute_key, get_threshold
from chain.codec import Digest, Record, Uint, decode, encode
from chain.contract import Context
from chain.crypto import sha256
from chain.due import CLOSINGS_DUE, add_due
from chain.elections import (
    CANDIDATES,
    CREDENTIAL,
    CREDENTIALS,
    DECRYPTABLE,
    ELECTIONS,
    KEY_READY,
    OPEN,
    TALLIED,
    VOTERS_FROZEN,
    Credential,
    Election,
)
from chain.errors import Code, Reject, require
from chain.manifest import (
    AreaSeats,
    Fixed,
    Kind,
    Manifest,
    Method,
    Option,
    check_manifest,
    fix,
)
from chain.records import BLOB_BYTES_MAX, Blob
from chain.state import State
from chain.tally import add_ballot, start_sums, subtract_ballot
from contracts.election.keys import get_commitments
from contracts.election.records import (
    BALLOTS,
    CAST,
    CEREMONIES,
    MANIFESTS,
    PAIRS,
    PILES,
    REPLACED,
    SPOILED_BALLOT,
    BallotRow,
    Where,
    get_election,
    put_status,
)

CASTS_PER_BLOCK = 50  # economy E20: their proofs cost every node some 10 ms each
# Those of 20 options with points cost 80 ms. So the bytes are counted too: 50 ballots of 7 options
# fit, and 7 of the largest, either in half a second. None is longer than this.
CAST_BYTES_PER_BLOCK = 128 * 1024

Size = Annotated[int, msgspec.Meta(ge=1, le=BLOB_BYTES_MAX)]


class Open(Record, frozen=True, tag="election.open"):
    """E15: fix the manifest and begin voting."""

    election: Digest
    manifest: Digest


class Cast(Record, frozen=True, tag="election.cast"):
    """E20: cast a ballot, which travels beside the call; the last one of a credential counts."""

    election: Digest
    ballot: Digest
    size: Size

    def get_blobs(self) -> tuple[Blob, ...]:
        """Return what travels beside this call (economy B10)."""
        return (Blob(self.ballot, self.size),)


class Challenge(Record, frozen=True, tag="election.challenge"):
    """E21: show what a ballot hides instead of casting it; its opening travels beside the call."""

    election: Digest
    ballot: Digest
    opening: Digest
    size: Size

    def get_blobs(self) -> tuple[Blob, ...]:
        """Return what travels beside this call (economy B10)."""
        return (Blob(self.opening, self.size),)


class Tally(Record, frozen=True, tag="election.tally"):
    """E22: end voting; the sums stand."""

    election: Digest


def make_manifest(where: Where, chain_digest: bytes, election_id: bytes) -> Manifest:
    """Return the manifest that follows from the state at this moment of the chain (E15)."""
    quorum_pct = where.clock.number("quorum_pct")
    return derive_manifest(where.state, chain_digest, election_id, quorum_pct)


def derive_manifest(
    state: State, chain_digest: bytes, election_id: bytes, quorum_pct: int
) -> Manifest:
    """Return the manifest that follows from the state, once voters and key are fixed (E15).

    What was called for more options than stand is lowered to all of them. Refuses with `manifest`
    what cannot be voted on.
    """
    election = ELECTIONS.get(state, election_id)
    assert election is not None, "it was looked up before"
    assert election.voters_root is not None, "the roll is frozen"
    options = []
    for number in range(1, election.options + 1):
        candidate = CANDIDATES.get(state, election_id, number)
        assert candidate is not None, f"option {number} was noted"
        options.append(Option(candidate.name, candidate.area, candidate.pledges))
    ceremony = CEREMONIES.get(state, election_id)
    commitments = () if ceremony is None else get_commitments(state, election_id, ceremony)
    trustees = () if ceremony is None else ceremony.trustees
    most = min(election.max, len(options) * max(1, election.score))
    manifest = Manifest(
        chain=chain_digest,
        election=election_id,
        kind=msgspec.convert(election.kind, Kind),
        method=msgspec.convert(election.method, Method),
        options=tuple(options),
        seats=min(election.seats, len(options)),
        areas=tuple(AreaSeats(area, seats) for area, seats in election.areas),
        min=min(election.min, most),
        max=most,
        blank=election.blank,
        score=election.score,
        electorate=election.electorate,
        reference_height=election.reference_height,
        voters_root=election.voters_root,
        trustees=trustees,
        threshold=get_threshold(len(trustees)) if trustees else 0,
        commitments=tuple(tuple(of_trustee) for of_trustee in commitments),
        key=compute_key(commitments) if trustees else None,
        opens=election.opens_s,
        closes=election.closes_s,
        quorum_pct=quorum_pct,
    )
    check_manifest(manifest)
    return manifest


def get_fixed(where: Where, election_id: bytes) -> Fixed:
    """Return the manifest in force of an election that was opened."""
    manifest = MANIFESTS.get(where.state, election_id)
    assert manifest is not None, "it was opened"
    return fix(manifest)


def open_(ctx: Context, call: Open) -> None:
    """economy E15. Refuses unknown-id, not-ready, manifest."""
    election = get_election(ctx, call.election)
    ready = election.status == (KEY_READY if election.trustees else VOTERS_FROZEN)
    begun = election.opens_s <= ctx.time_s < election.closes_s
    require(ready and begun, Code.ELECTION_NOT_READY, from_at=election.opens_s)
    manifest = make_manifest(ctx, ctx.chain.digest, call.election)
    fixed = fix(manifest)
    require(fixed.digest == call.manifest, Code.ELECTION_MANIFEST)

    MANIFESTS.put(ctx.state, manifest, call.election)
    sums = start_sums(len(fixed.slots)) if election.trustees else b""
    put_status(ctx, call.election, OPEN, manifest=fixed.digest, sums=sums)
    add_due(ctx.state, CLOSINGS_DUE, election.closes_s, call.election)
    ctx.emit("election.ElectionOpened", call.election, fixed.digest)


def cast(ctx: Context, call: Cast) -> None:
    """economy E18 to E21. Refuses unknown-id, not-open, not-listed, size, bad-point, bad-proof,
    spoiled, seen.

    What a ballot was is kept: the sums are those of the last ballot of every credential. One that
    holds a ciphertext of another ballot, or one twice, counts as seen (E29).
    """
    election = _require_open(ctx, call.election)
    voter = _require_listed(ctx)
    fixed = get_fixed(ctx, call.election)
    (data,) = ctx.blobs
    if election.trustees:
        hidden = check_ballot(fixed, voter, data).ciphertexts
    else:
        hidden = encode(check_open_ballot(fixed, voter, data).ranking)
    row = BALLOTS.get(ctx.state, call.election, call.ballot)
    spoiled = row is not None and row.status == SPOILED_BALLOT
    require(not spoiled, Code.ELECTION_SPOILED)
    alphas = [pair.alpha for pair in split_pairs(hidden)] if election.trustees else []
    fresh = all(PAIRS.get(ctx.state, call.election, alpha) is None for alpha in alphas)
    fresh = fresh and len(set(alphas)) == len(alphas)
    require(row is None and fresh, Code.ELECTION_SEEN)

    for alpha in alphas:
        PAIRS.put(ctx.state, 1, call.election, alpha)
    sums, ballots = election.sums, election.ballots
    credential = CREDENTIALS.get(ctx.state, call.election, voter) or Credential(0, None)
    before = credential.ballot
    if before is None:
        ballots += 1
    else:
        old = BALLOTS.get(ctx.state, call.election, before)
        assert old is not None, "the last ballot of a credential is kept"
        BALLOTS.put(ctx.state, replace(old, status=REPLACED), call.election, before)
        if election.trustees:
            sums = subtract_ballot(sums, old.hidden)
        else:
            _pile(ctx, call.election, old.hidden, -1)
    if election.trustees:
        sums = add_ballot(sums, hidden)
    else:
        _pile(ctx, call.election, hidden, 1)
    BALLOTS.put(ctx.state, BallotRow(CAST, voter, hidden, ctx.tx_id), call.election, call.ballot)
    CREDENTIALS.put(ctx.state, replace(credential, ballot=call.ballot), call.election, voter)
    put_status(ctx, call.election, OPEN, sums=sums, ballots=ballots)
    ctx.emit("election.BallotCast", call.election, call.ballot, before)


def _pile(ctx: Context, election_id: bytes, hidden: bytes, change: int) -> None:
    """Count one open ballot more or less on the pile of those that rank the options alike."""
    ranking = decode(tuple[Uint, ...], hidden)
    piles = dict(PILES.get(ctx.state, election_id) or ())
    piles[ranking] = piles.get(ranking, 0) + change
    rows = tuple(sorted((ranking, count) for ranking, count in piles.items() if count))
    PILES.put(ctx.state, rows, election_id)


def challenge(ctx: Context, call: Challenge) -> None:
    """economy E21. Refuses unknown-id, not-open, not-listed, size, opening, cast, spoiled."""
    election = _require_open(ctx, call.election)
    voter = _require_listed(ctx)
    require(bool(election.trustees), Code.ELECTION_OPENING)  # an open ballot hides nothing
    (data,) = ctx.blobs
    opening = check_opening(get_fixed(ctx, call.election), voter, data)
    require(sha256(opening.ballot) == call.ballot, Code.ELECTION_OPENING)
    row = BALLOTS.get(ctx.state, call.election, call.ballot)
    require(row is None or row.status == SPOILED_BALLOT, Code.ELECTION_CAST)
    require(row is None, Code.ELECTION_SPOILED)

    spoiled = BallotRow(SPOILED_BALLOT, voter, b"", ctx.tx_id)
    BALLOTS.put(ctx.state, spoiled, call.election, call.ballot)
    put_status(ctx, call.election, OPEN, spoiled=election.spoiled + 1)
    ctx.emit("election.BallotSpoiled", call.election, call.ballot)


def tally(ctx: Context, call: Tally) -> None:
    """economy E22. Refuses unknown-id, done, phase, too-early.

    Without ballots, and where they are open, nothing has to be decrypted.
    """
    election = get_election(ctx, call.election)
    require(election.status == OPEN or election.manifest is None, Code.ELECTION_DONE)
    require(election.status == OPEN, Code.ELECTION_PHASE)
    from_at = election.closes_s
    require(ctx.time_s >= from_at, Code.ELECTION_TOO_EARLY, from_at=from_at)

    waits = election.ballots > 0 and bool(election.trustees)
    put_status(ctx, call.election, TALLIED if waits else DECRYPTABLE)
    ctx.emit("election.Tallied", call.election, election.ballots, election.spoiled)


def _require_open(ctx: Context, election_id: bytes) -> Election:
    election = get_election(ctx, election_id)
    opens, closes = election.opens_s, election.closes_s
    is_open = election.status == OPEN and opens <= ctx.time_s < closes
    require(is_open, Code.ELECTION_NOT_OPEN, opens_at=opens, closes_at=closes)
    return election


def _require_listed(ctx: Context) -> bytes:
    """Return the credential key of the sender (economy E14)."""
    if ctx.account.kind != CREDENTIAL:
        raise Reject(Code.ELECTION_NOT_LISTED)
    return ctx.account.keys[0].key
