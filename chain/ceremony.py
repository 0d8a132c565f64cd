"""The key ceremony of trustees, the part that everybody checks (economy E16; Pedersen, Feldman).

Trustee i of n, counted from 1, hides a polynomial of t secret coefficients. It commits to each
(C_ik = a_ik * G), and deals its value at j to trustee j in a sealed box. The key of the election
is the sum of all C_i0; no one ever holds its secret. What follows for everybody is computed here
from the commitments alone. The secrets are made in `wallet/trustee.py`.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from chain.codec import Digest, Record, Uint, encode
from chain.errors import Code, require
from chain.group import (
    IDENTITY,
    ORDER,
    SEAL_BYTES,
    BoxKey,
    Point,
    Scalar,
    add,
    check_point,
    check_scalar,
    hash_to_scalar,
    is_box_key,
    is_point,
    is_scalar,
    multiply,
    multiply_base,
    scalar_of,
)
from chain.manifest import TRUSTEES_MAX

Commitments = Sequence[Sequence[bytes]]  # of all trustees: C_ik of trustee i stands at [i-1][k]


class CeremonyContext(Record, frozen=True):
    """ctx0 of 10.3: the manifest does not exist yet, so the attempt stands for it."""

    chain: Digest
    election: Digest
    attempt: Uint


class KeyCommit(Record, frozen=True, tag="wijk.key_commit.1"):
    """COMMIT: C_i0 to C_i,t-1, the key for sealed boxes, and that the sender knows a_i0."""

    commitments: Annotated[tuple[Point, ...], msgspec.Meta(min_length=1, max_length=TRUSTEES_MAX)]
    box_key: BoxKey
    e: Scalar
    z: Scalar


class DealtShare(Record, frozen=True, tag="wijk.dealt_share.1"):
    """What a sealed box holds: s_ij from trustee i to trustee j, and for which ceremony."""

    context: CeremonyContext
    dealer: Uint
    receiver: Uint
    share: Scalar


class KeyDeal(Record, frozen=True, tag="wijk.key_deal.1"):
    """DEAL: one sealed box for each trustee, its own included, in their order."""

    boxes: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(min_length=SEAL_BYTES, max_length=256)], ...],
        msgspec.Meta(max_length=TRUSTEES_MAX),
    ]


class KeyComplaint(Record, frozen=True, tag="wijk.key_complaint.1"):
    """COMPLAIN: the box of trustee `dealer` did not open, or its share does not fit."""

    dealer: Uint


class KeyAnswer(Record, frozen=True, tag="wijk.key_answer.1"):
    """ANSWER: the dealer shows the share of trustee `receiver`, who complained, in clear."""

    receiver: Uint
    share: Scalar


def get_threshold(trustees: int) -> int:
    """Return t for n trustees: one more than half, rounded down (E12)."""
    return trustees // 2 + 1


def hash_commit(context: CeremonyContext, number: int, first: bytes, nonce_point: bytes) -> bytes:
    """Return e of the proof that trustee `number` knows the secret of `first` = C_i0."""
    return hash_to_scalar("dkg-pop", *_items(context), number, first, nonce_point)


def check_commit(context: CeremonyContext, number: int, threshold: int, commit: KeyCommit) -> None:
    """Refuse a COMMIT of trustee `number` with `bad-point` or `bad-proof` (E16, E26, E28).

    A key that nobody can seal to is a bad point as well: the dealers could not go on.
    """
    require(len(commit.commitments) == threshold, Code.ELECTION_BAD_PROOF)
    for commitment in commit.commitments:
        check_point(commitment)
    require(is_box_key(commit.box_key), Code.ELECTION_BAD_POINT)
    check_scalar(commit.e)
    check_scalar(commit.z)
    first = commit.commitments[0]
    nonce_point = add(multiply_base(commit.z), multiply(commit.e, first))
    held = commit.e == hash_commit(context, number, first, nonce_point)
    require(held, Code.ELECTION_BAD_PROOF)


def check_deal(trustees: int, context: CeremonyContext, deal: KeyDeal) -> None:
    """Refuse with `size` a DEAL that has not one box of the right length for each trustee."""
    numbers = range(1, trustees + 1)
    lengths = [_box_bytes(context, trustees, receiver) for receiver in numbers]
    require([len(box) for box in deal.boxes] == lengths, Code.ELECTION_SIZE)


def is_share(commitments: Sequence[bytes], receiver: int, share: bytes) -> bool:
    """Say whether `share` is the dealer's value at `receiver`: s_ij*G = sum of j^k * C_ik (E16)."""
    return is_scalar(share) and multiply_base(share) == _value_at((commitments,), receiver)


def check_answer(commitments: Sequence[bytes], answer: KeyAnswer) -> None:
    """Refuse with `bad-share` an ANSWER that does not fit the dealer's commitments."""
    held = is_share(commitments, answer.receiver, answer.share)
    require(held, Code.ELECTION_BAD_SHARE)


def compute_key(commitments: Commitments) -> bytes:
    """Return Y, the key that ballots are encrypted to: the sum of all C_i0."""
    key = IDENTITY
    for of_trustee in commitments:
        key = add(key, of_trustee[0])
    return key


def compute_share_key(commitments: Commitments, number: int) -> bytes:
    """Return V_j = x_j * G, by which the shares of trustee `number` are checked."""
    return _value_at(commitments, number)


def are_keys_sound(commitments: Commitments) -> bool:
    """Say whether Y and every V_j are valid points; else the ceremony starts anew (E16)."""
    keys = [compute_share_key(commitments, number + 1) for number in range(len(commitments))]
    return all(is_point(key) for key in (compute_key(commitments), *keys))


def _value_at(commitments: Commitments, number: int) -> bytes:
    """Return the committed polynomials, added up, at `number`: sum of (j^k mod q) * C_ik."""
    value = IDENTITY
    for power, of_power in enumerate(zip(*commitments, strict=True)):
        total = IDENTITY
        for commitment in of_power:
            total = add(total, commitment)
        value = add(value, multiply(scalar_of(pow(number, power, ORDER)), total))
    return value


def _items(context: CeremonyContext) -> tuple[bytes, bytes, int]:
    return context.chain, context.election, context.attempt


def _box_bytes(context: CeremonyContext, dealer: int, receiver: int) -> int:
    """Return how long the box between two trustees is; numbers up to 9 all take one byte."""
    dealt = DealtShare(context, dealer, receiver, bytes(32))
    return SEAL_BYTES + len(encode(dealt))
