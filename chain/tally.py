"""Sums of ballots, the shares that open them, and the counts that follow (economy E21 to E24).

Only sums are ever opened. `sums` is a run of 64 bytes (alpha*, beta*) for each slot, as the
ciphertexts of a ballot are; it begins as identities and may become them again (E27).
"""

from collections.abc import Mapping, Sequence

from chain.ballot import PAIR_BYTES, split_pairs
from chain.ceremony import compute_share_key
from chain.codec import Record
from chain.errors import Code, require
from chain.group import (
    IDENTITY,
    ORDER,
    ZERO,
    Point,
    Scalar,
    add,
    check_point,
    check_scalar,
    hash_to_scalar,
    multiple_of_base,
    multiply,
    multiply_base,
    scalar_of,
    subtract,
)
from chain.manifest import Fixed

_FIRST_STEPS = 256  # steps of the search for a count that are written down first


class Share(Record, frozen=True):
    """What one trustee gives for one sum: D = x_j * alpha*, and (e, z) that it is so (E23)."""

    point: Point
    e: Scalar
    z: Scalar


NO_SHARE = Share(IDENTITY, ZERO, ZERO)  # of a sum whose alpha* is the identity (E27)


def start_sums(slots: int) -> bytes:
    """Return the sums of no ballots."""
    return IDENTITY * (2 * slots)


def add_ballot(sums: bytes, ciphertexts: bytes) -> bytes:
    """Return the sums with a checked ballot more."""
    assert len(sums) == len(ciphertexts), "both have one pair a slot"
    starts = range(0, len(sums), PAIR_BYTES // 2)
    return b"".join(add(sums[at : at + 32], ciphertexts[at : at + 32]) for at in starts)


def subtract_ballot(sums: bytes, ciphertexts: bytes) -> bytes:
    """Return the sums without a ballot that is in them, because its voter voted again (E21)."""
    assert len(sums) == len(ciphertexts), "both have one pair a slot"
    starts = range(0, len(sums), PAIR_BYTES // 2)
    return b"".join(subtract(sums[at : at + 32], ciphertexts[at : at + 32]) for at in starts)


def hash_share(
    fixed: Fixed, trustee: int, slot: int, points: Sequence[bytes], a: bytes, b: bytes
) -> bytes:
    """Return e of a share; `points` are V_j, alpha*_c and D_jc (E23)."""
    return hash_to_scalar("share", *fixed.context, trustee, slot, *points, a, b)


def check_shares(fixed: Fixed, trustee: int, sums: bytes, shares: Sequence[Share]) -> None:
    """Refuse with `bad-point` or `bad-proof` shares of `trustee` = j that do not hold (E23).

    A sum whose alpha* is the identity has `NO_SHARE` and no other (E27).
    """
    pairs = split_pairs(sums)
    require(len(shares) == len(pairs), Code.ELECTION_BAD_PROOF)
    key = compute_share_key(fixed.manifest.commitments, trustee)
    for slot, pair, share in zip(fixed.slots, pairs, shares, strict=True):
        if pair.alpha == IDENTITY:
            require(share == NO_SHARE, Code.ELECTION_BAD_PROOF)
            continue
        check_point(share.point)
        check_scalar(share.e)
        check_scalar(share.z)
        a = add(multiply_base(share.z), multiply(share.e, key))
        b = add(multiply(share.z, pair.alpha), multiply(share.e, share.point))
        points = (key, pair.alpha, share.point)
        held = share.e == hash_share(fixed, trustee, slot, points, a, b)
        require(held, Code.ELECTION_BAD_PROOF)


def open_sums(
    fixed: Fixed, sums: bytes, shares: Mapping[int, Sequence[Share]]
) -> tuple[bytes, ...]:
    """Return m_c * G of every slot, from checked shares by trustee number (E24).

    The t lowest numbers are used; with fewer it is `too-few-shares`.
    """
    threshold = fixed.manifest.threshold
    seen = len(shares)
    require(seen >= threshold, Code.ELECTION_TOO_FEW_SHARES, seen=seen, needed=threshold)
    used = sorted(shares)[:threshold]
    weights = {trustee: compute_weight(trustee, used) for trustee in used}
    opened = []
    for place, pair in enumerate(split_pairs(sums)):
        point = pair.beta
        for trustee in used:
            part = multiply(weights[trustee], shares[trustee][place].point)
            point = subtract(point, part)
        opened.append(point)
    return tuple(opened)


def compute_weight(trustee: int, used: Sequence[int]) -> bytes:
    """Return lambda_j = product of k / (k - j) over the other numbers used, mod q (E24)."""
    above = below = 1
    for other in used:
        if other != trustee:
            above = above * other % ORDER
            below = below * (other - trustee) % ORDER
    return scalar_of(above * pow(below, -1, ORDER))


def get_count_max(fixed: Fixed, ballots: int) -> int:
    """Return the highest count an option can have: one of each ballot, s of each with SCORE."""
    manifest = fixed.manifest
    return ballots * (manifest.score if manifest.method == "SCORE" else 1)


def check_counts(
    fixed: Fixed,
    ballots: int,
    sums: bytes,
    shares: Mapping[int, Sequence[Share]],
    counts: Sequence[int],
) -> None:
    """Refuse with `counts` or `too-few-shares` a result that the shares do not open to (E24).

    `counts` is one number a slot. Without ballots all are 0 and no shares are asked (E22).
    """
    highest = get_count_max(fixed, ballots)
    in_range = len(counts) == len(fixed.slots) and all(0 <= count <= highest for count in counts)
    require(in_range, Code.ELECTION_COUNTS)
    if not ballots:
        return  # the range has said that all are 0
    for count, point in zip(counts, open_sums(fixed, sums, shares), strict=True):
        require(multiply_base(scalar_of(count)) == point, Code.ELECTION_COUNTS)


def find_counts(points: Sequence[bytes], highest: int) -> tuple[int, ...]:
    """Return m of every m*G, each at most `highest`; `counts` where one is none of them.

    The multiples up to 255 are written down, and each point is lowered by 256*G until it is one
    of them: at most highest / 256 steps.
    """
    small = {multiple_of_base(number): number for number in range(_FIRST_STEPS)}
    stride = multiple_of_base(_FIRST_STEPS)
    return tuple(_find_count(point, highest, small, stride) for point in points)


def _find_count(point: bytes, highest: int, small: Mapping[bytes, int], stride: bytes) -> int:
    found = -1
    for lowered in range(0, highest + 1, _FIRST_STEPS):
        rest = small.get(point)
        if rest is not None and lowered + rest <= highest:
            found = lowered + rest
            break
        point = subtract(point, stride)
    require(found >= 0, Code.ELECTION_COUNTS)
    return found
