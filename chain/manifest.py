"""The manifest of an election: everything fixed before the first ballot (economy E15, ADR 0078).

Its digest stands in every ballot and every proof, so no ballot, share or result fits another
election, other options, another key or another electorate. Options are numbered from 1, as on
the ballot paper; number 0 is the blank vote, where there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, assert_never

import msgspec

from chain.codec import Account, Bit, Digest, Record, Uint, digest
from chain.crypto import is_valid_key
from chain.errors import Code, require
from chain.group import Point
from chain.log import EMPTY_FRONTIER, append, leaf_hash, root

Kind = Literal["BOARD", "DECISION", "SURVEY"]
Method = Literal["APPROVAL", "APPROVAL_BUURT", "YES_NO", "SCORE", "STV_EXACT"]

OPTIONS_MAX = 40  # a bit proof costs 0.7 ms of each node; 40 candidates fill a ballot paper
PLEDGES_MAX = 10  # economy section 4, `nominate`
AREAS_MAX = 40  # no more reserved seats than a board has, and no more areas than options
SEATS_MAX = 40
SCORE_MAX = 5  # E6
TRUSTEES_MIN, TRUSTEES_MAX = 3, 9  # E12; the catalogue, `call`
BRANCHES_MAX = 256  # of all proofs of one ballot: at 0.36 ms each under 0.1 s of each node


class Pledge(Record, frozen=True):
    """What a candidate promises (E9): an indicator, where it stood, the aim, and by which date."""

    indicator: str
    baseline: int
    target: int
    date: Uint


class Option(Record, frozen=True):
    """One option: the digest of its name or text, its area (APPROVAL_BUURT) and its pledges."""

    name: Digest
    area: str | None
    pledges: Annotated[tuple[Pledge, ...], msgspec.Meta(max_length=PLEDGES_MAX)]


class AreaSeats(Record, frozen=True):
    """How many of the seats are kept for options of one area (E6, APPROVAL_BUURT)."""

    area: str
    seats: Uint


class Manifest(Record, frozen=True, tag="wijk.election_manifest.1"):
    """What an election is. `score` is s; `electorate` |E|; `opens` and `closes` Unix seconds.

    n is the number of trustees, t the threshold; `commitments` has C_ik of trustee i, k = 0..t-1.
    An open ballot (STV_EXACT) has no trustees and no key (E6).
    """

    chain: Digest
    election: Digest
    kind: Kind
    method: Method
    options: Annotated[tuple[Option, ...], msgspec.Meta(min_length=1, max_length=OPTIONS_MAX)]
    seats: Uint
    areas: Annotated[tuple[AreaSeats, ...], msgspec.Meta(max_length=AREAS_MAX)]
    min: Uint
    max: Uint
    blank: Bit
    score: Uint
    electorate: Uint
    reference_height: Uint
    voters_root: Digest
    trustees: Annotated[tuple[Account, ...], msgspec.Meta(max_length=TRUSTEES_MAX)]
    threshold: Uint
    commitments: Annotated[tuple[tuple[Point, ...], ...], msgspec.Meta(max_length=TRUSTEES_MAX)]
    key: Point | None
    opens: Uint
    closes: Uint
    quorum_pct: Uint


@dataclass(frozen=True, slots=True)
class Fixed:
    """A manifest with its digest: what every proof of the election is bound to (ctx of 10.3)."""

    manifest: Manifest
    digest: bytes

    @property
    def context(self) -> tuple[bytes, bytes, bytes]:
        """Return ctx = (chain digest, election id, manifest digest)."""
        return self.manifest.chain, self.manifest.election, self.digest

    @property
    def key(self) -> bytes:
        """Return Y; only elections with secret ballots have one."""
        assert self.manifest.key is not None, "an open ballot has no key"
        return self.manifest.key

    @property
    def slots(self) -> range:
        """Return the numbers c of the ciphertexts: 0 for the blank vote, and 1 to the options."""
        return range(0 if self.manifest.blank else 1, len(self.manifest.options) + 1)


def fix(manifest: Manifest) -> Fixed:
    """Return the manifest with its digest."""
    return Fixed(manifest, digest(manifest))


def check_manifest(manifest: Manifest) -> None:
    """Refuse with `manifest` what cannot be a ballot: numbers that do not fit, keys that do not.

    That it says what the election says is for its contract, which makes it from the state.
    """
    held = (
        _fits_method(manifest)
        and _fits_seats(manifest)
        and manifest.min <= manifest.max
        and manifest.opens < manifest.closes
        and manifest.quorum_pct <= 100  # noqa: PLR2004 - a percentage
    )
    require(held, Code.ELECTION_MANIFEST)
    if manifest.method == "STV_EXACT":
        keyless = not manifest.trustees and not manifest.threshold and not manifest.commitments
        require(keyless and manifest.key is None, Code.ELECTION_MANIFEST)
        return
    require(count_branches(manifest) <= BRANCHES_MAX, Code.ELECTION_MANIFEST)
    require(_fits_trustees(manifest), Code.ELECTION_MANIFEST)


def count_branches(manifest: Manifest) -> int:
    """Return of how many branches the proofs of one secret ballot consist: its size and cost."""
    score = manifest.score if manifest.method == "SCORE" else 1
    options = len(manifest.options)
    return count_branches_of(options, score, manifest.min, manifest.max, manifest.blank)


def count_branches_of(options: int, score: int, low: int, high: int, blank: int) -> int:
    """Return it for so many options of 0 to `score` points, their sum from `low` to `high`."""
    return options * (1 + score) + high - low + 1 + (5 if blank else 0)  # 2 bit, 2 blank, 1 range


def compute_voters_root(credentials: Sequence[bytes]) -> bytes:
    """Return the root of L: the RFC 6962 root over the credential keys, in their order (E14)."""
    leaves = (leaf_hash(credential) for credential in credentials)
    return root(append(EMPTY_FRONTIER, leaves)[0])


def check_voters(credentials: Sequence[bytes]) -> None:
    """Refuse with `unsorted` a list L that is not strictly ascending, or holds a bad key (E14)."""
    for left, right in pairwise(credentials):
        require(left < right, Code.ELECTION_UNSORTED)
    require(all(is_valid_key(credential) for credential in credentials), Code.ELECTION_UNSORTED)


def _fits_method(manifest: Manifest) -> bool:
    """Say whether min, max, score and blank are such as the method knows (E6)."""
    options = len(manifest.options)
    most = manifest.max
    match manifest.method:
        case "APPROVAL" | "APPROVAL_BUURT":
            return manifest.score == 0 and 1 <= most <= options
        case "YES_NO":
            shape = (options, manifest.blank, manifest.min, most, manifest.score)
            return shape == (1, 1, 0, 1, 0)
        case "SCORE":
            return 1 <= manifest.score <= SCORE_MAX and 1 <= most <= manifest.score * options
        case "STV_EXACT":
            return manifest.score == 0 and manifest.blank == 0 and 1 <= most <= options
        case _:
            assert_never(manifest.method)


def _fits_seats(manifest: Manifest) -> bool:
    """Say whether there are seats for a board and for nothing else, areas only where they count."""
    if manifest.kind != "BOARD":
        return manifest.seats == 0 and not manifest.areas
    if manifest.method != "APPROVAL_BUURT":
        return 1 <= manifest.seats <= SEATS_MAX and not manifest.areas
    names = [area.area for area in manifest.areas]
    kept = [area.seats for area in manifest.areas]
    rising = all(left < right for left, right in pairwise(names))
    everybody = manifest.seats == len(manifest.options)  # then no seat is short of one kept
    room = everybody or sum(kept) <= manifest.seats
    return rising and bool(names) and min(kept) >= 1 and room and 1 <= manifest.seats <= SEATS_MAX


def _fits_trustees(manifest: Manifest) -> bool:
    n, t = len(manifest.trustees), manifest.threshold
    return (
        TRUSTEES_MIN <= n <= TRUSTEES_MAX
        and len(set(manifest.trustees)) == n
        and n // 2 + 1 <= t <= n
        and len(manifest.commitments) == n
        and all(len(of_trustee) == t for of_trustee in manifest.commitments)
        and manifest.key is not None
    )
