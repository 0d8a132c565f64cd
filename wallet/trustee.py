"""A trustee's side of the key ceremony and of opening the sums (economy E12, E16, E23).

All secrets of a trustee follow from one seed of 32 bytes, which a key file of the keystore wraps:
nothing else has to be kept, and its 24 words bring it back on another device. Each attempt of a
ceremony has secrets of its own. What everybody checks stands in `chain/ceremony.py`.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.ballot import split_pairs
from chain.ceremony import (
    CeremonyContext,
    DealtShare,
    KeyAnswer,
    KeyCommit,
    KeyDeal,
    hash_commit,
    is_share,
)
from chain.codec import decode, encode
from chain.crypto import blake2b
from chain.errors import Malformed
from chain.group import (
    BOX_KEY_BYTES,
    IDENTITY,
    ZERO,
    box_key,
    multiply,
    multiply_base,
    open_box,
    reduce_scalar,
    scalar_add,
    scalar_multiply,
    scalar_of,
    scalar_subtract,
    seal_box,
)
from chain.manifest import Fixed
from chain.tally import NO_SHARE, Share, hash_share
from wallet.ballots import Random, random_scalar

_SCALAR_LABEL = "wijk.trustee_scalar.1"
_BOX_LABEL = "wijk.trustee_box.1"
_WIDE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Received:
    """What the boxes for one trustee held: shares by dealer, and whom to complain about."""

    shares: dict[int, bytes]
    wrong: tuple[int, ...]


def make_commit(
    seed: bytes,
    context: CeremonyContext,
    number: int,
    threshold: int,
    random: Random = secrets.token_bytes,
) -> KeyCommit:
    """Return the COMMIT of trustee `number`, with the proof that it knows its part of the key."""
    coefficients = _coefficients(seed, context, threshold)
    commitments = tuple(multiply_base(coefficient) for coefficient in coefficients)
    nonce = random_scalar(random)
    e = hash_commit(context, number, commitments[0], multiply_base(nonce))
    z = scalar_subtract(nonce, scalar_multiply(e, coefficients[0]))
    return KeyCommit(commitments, box_key(_box_secret(seed, context)), e, z)


def make_deal(
    seed: bytes, context: CeremonyContext, number: int, commits: Sequence[KeyCommit]
) -> KeyDeal:
    """Return the DEAL of trustee `number`: a box for each trustee, who all have committed."""
    coefficients = _coefficients(seed, context, len(commits[0].commitments))
    boxes = []
    for receiver, commit in enumerate(commits, 1):
        share = _value_at(coefficients, receiver)
        dealt = DealtShare(context, number, receiver, share)
        boxes.append(seal_box(encode(dealt), commit.box_key))
    return KeyDeal(tuple(boxes))


def open_deals(
    seed: bytes,
    context: CeremonyContext,
    number: int,
    commits: Sequence[KeyCommit],
    deals: Mapping[int, KeyDeal],
) -> Received:
    """Return what trustee `number` received from each dealer, each share checked (CONFIRM).

    A dealer whose box does not open, or does not hold the share it committed to, is wrong.
    """
    secret = _box_secret(seed, context)
    shares = {}
    wrong = []
    for dealer in sorted(deals):
        box = deals[dealer].boxes[number - 1]
        share = _read_share(open_box(box, box_key(secret), secret), context, dealer, number)
        if share is not None and is_share(commits[dealer - 1].commitments, number, share):
            shares[dealer] = share
        else:
            wrong.append(dealer)
    return Received(shares, tuple(wrong))


def take_answers(
    received: Received, number: int, commits: Sequence[KeyCommit], shown: Mapping[int, bytes]
) -> Received:
    """Return what trustee `number` has once dealers showed it in clear what their boxes lacked.

    `shown` has their shares by dealer, each checked here as those in boxes are.
    """
    taken = {
        dealer: share
        for dealer, share in shown.items()
        if dealer in received.wrong and is_share(commits[dealer - 1].commitments, number, share)
    }
    left = tuple(dealer for dealer in received.wrong if dealer not in taken)
    return Received(received.shares | taken, left)


def make_answer(seed: bytes, context: CeremonyContext, threshold: int, receiver: int) -> KeyAnswer:
    """Return the ANSWER to a complaint of trustee `receiver`: its share in clear."""
    return KeyAnswer(receiver, _value_at(_coefficients(seed, context, threshold), receiver))


def add_shares(shares: Mapping[int, bytes]) -> bytes:
    """Return x_j, the secret of one trustee: the sum of what all dealers gave it."""
    secret = ZERO
    for dealer in sorted(shares):
        secret = scalar_add(secret, shares[dealer])
    return secret


def make_shares(
    fixed: Fixed,
    trustee: int,
    secret: bytes,
    sums: bytes,
    random: Random = secrets.token_bytes,
) -> tuple[Share, ...]:
    """Return the decryption shares of `trustee`, whose secret is x_j, one for each sum (E23)."""
    key = multiply_base(secret)
    shares = []
    for slot, pair in zip(fixed.slots, split_pairs(sums), strict=True):
        if pair.alpha == IDENTITY:
            shares.append(NO_SHARE)
            continue
        point = multiply(secret, pair.alpha)
        nonce = random_scalar(random)
        points = (key, pair.alpha, point)
        a, b = multiply_base(nonce), multiply(nonce, pair.alpha)
        e = hash_share(fixed, trustee, slot, points, a, b)
        shares.append(Share(point, e, scalar_subtract(nonce, scalar_multiply(e, secret))))
    return tuple(shares)


def _coefficients(seed: bytes, context: CeremonyContext, threshold: int) -> list[bytes]:
    """Return a_i0 to a_i,t-1 of one attempt."""
    labels = [encode([_SCALAR_LABEL, context, power]) for power in range(threshold)]
    return [reduce_scalar(blake2b(label, key=seed, size=_WIDE_BYTES)) for label in labels]


def _box_secret(seed: bytes, context: CeremonyContext) -> bytes:
    return blake2b(encode([_BOX_LABEL, context]), key=seed, size=BOX_KEY_BYTES)


def _value_at(coefficients: Sequence[bytes], number: int) -> bytes:
    """Return the polynomial with these coefficients at `number`."""
    value = ZERO
    for coefficient in reversed(coefficients):
        value = scalar_add(scalar_multiply(value, scalar_of(number)), coefficient)
    return value


def _read_share(
    text: bytes | None, context: CeremonyContext, dealer: int, receiver: int
) -> bytes | None:
    """Return the share in an opened box, if it is of this ceremony and between these two."""
    if text is None:
        return None
    try:
        dealt = decode(DealtShare, text)
    except Malformed:
        return None
    between = (dealt.context, dealt.dealer, dealt.receiver)
    return dealt.share if between == (context, dealer, receiver) else None
