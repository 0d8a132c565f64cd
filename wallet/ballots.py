"""Making a secret ballot, the voter's side (economy E17 to E21, E14).

The choice and its randomness never leave the device, except where the voter spoils a ballot to
see whether the device is honest: then both are published, and that ballot can never be cast.
Whoever checks uses `chain/ballot.py` and knows none of this.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chain.ballot import (
    Ballot,
    OpenBallot,
    Opening,
    Pair,
    Proof,
    add_pairs,
    check_ballot,
    check_open_ballot,
    commit_branch,
    encrypt,
    hash_proof,
    list_proofs,
    tracker_of,
)
from chain.codec import encode
from chain.crypto import sha256
from chain.group import (
    ZERO,
    multiply,
    multiply_base,
    reduce_scalar,
    scalar_add,
    scalar_multiply,
    scalar_subtract,
)
from chain.manifest import Fixed
from chain.texts import Problem

Random = Callable[[int], bytes]
_WIDE_BYTES = 64  # reduced mod q, so that no scalar is likelier than another


@dataclass(frozen=True, slots=True)
class Prepared:
    """A ballot that was made and not yet cast, or spoiled; `opening` is the voter's secret."""

    data: bytes
    opening: Opening

    @property
    def digest(self) -> bytes:
        """Return what `cast` and `challenge` name the ballot by."""
        return sha256(self.data)

    @property
    def tracker(self) -> str:
        """Return what the voter notes down, to find the ballot again in the list (E20)."""
        return tracker_of(self.data)

    @property
    def opening_data(self) -> bytes:
        """Return the blob that `challenge` publishes (E21)."""
        return encode(self.opening)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a pair hides, and under which randomness."""

    value: int
    random: bytes


def random_scalar(random: Random = secrets.token_bytes) -> bytes:
    """Return a scalar in 1..q-1, each as likely."""
    while True:
        scalar = reduce_scalar(random(_WIDE_BYTES))
        if scalar != ZERO:
            return scalar


def choose(fixed: Fixed, numbers: Collection[int], *, blank: bool = False) -> tuple[int, ...]:
    """Return the values m of a ballot that approves the options `numbers`, or is blank.

    Raise `Problem` 1001 where the manifest does not allow that choice.
    """
    if len(set(numbers)) != len(numbers) or not set(numbers) <= set(fixed.slots) - {0}:
        raise Problem(1001, cause="option")
    return score(fixed, dict.fromkeys(numbers, 1), blank=blank)


def choose_or_score(fixed: Fixed, numbers: Sequence[int]) -> tuple[int, ...]:
    """Return the values of what a person types: options, or with SCORE each as often as points.

    Nothing typed is a blank vote where there is one, else a ballot for none.
    """
    blank = not numbers and bool(fixed.manifest.blank)
    if fixed.manifest.method != "SCORE":
        return choose(fixed, numbers, blank=blank)
    return score(fixed, Counter(numbers), blank=blank)


def score(fixed: Fixed, points: Mapping[int, int], *, blank: bool = False) -> tuple[int, ...]:
    """Return the values m of a ballot that gives these points to options, 0 to all others.

    Raise `Problem` 1001 where the manifest does not allow that.
    """
    manifest = fixed.manifest
    highest = manifest.score if manifest.method == "SCORE" else 1
    known = set(fixed.slots) - {0}
    if not set(points) <= known or not all(0 <= given <= highest for given in points.values()):
        raise Problem(1001, cause="option")
    total = sum(points.values())
    if blank and (not manifest.blank or total):
        raise Problem(1001, cause="blank")
    if not blank and not manifest.min <= total <= manifest.max:
        raise Problem(1001, cause="choices")
    return tuple(points.get(slot, 0) if slot else int(blank) for slot in fixed.slots)


def make_ballot(
    fixed: Fixed, voter: bytes, values: Sequence[int], random: Random = secrets.token_bytes
) -> Prepared:
    """Return a ballot of credential key `voter` that hides `values`, one a slot, as `choose` gives.

    It is checked as everybody will check it before it leaves this function.
    """
    randoms = [random_scalar(random) for _ in fixed.slots]
    pairs = [encrypt(fixed.key, *made) for made in zip(values, randoms, strict=True)]
    known = {
        pair: _Known(value, given)
        for pair, value, given in zip(pairs, values, randoms, strict=True)
    }
    options = [known[pair] for slot, pair in zip(fixed.slots, pairs, strict=True) if slot]
    total = add_pairs([pair for slot, pair in zip(fixed.slots, pairs, strict=True) if slot])
    known[total] = _Known(
        sum(option.value for option in options), _add_all([option.random for option in options])
    )
    proofs = [_prove(fixed, voter, proof, known, random) for proof in list_proofs(fixed, pairs)]
    ballot = Ballot(
        fixed.manifest.election,
        fixed.digest,
        voter,
        b"".join(pair.alpha + pair.beta for pair in pairs),
        b"".join(proofs),
    )
    data = encode(ballot)
    check_ballot(fixed, voter, data)
    return Prepared(data, Opening(data, b"".join(randoms), tuple(values)))


def make_open_ballot(fixed: Fixed, voter: bytes, ranking: Sequence[int]) -> bytes:
    """Return an open ballot (E6, STV_EXACT) that ranks options by number, the best first."""
    data = encode(OpenBallot(fixed.manifest.election, fixed.digest, voter, tuple(ranking)))
    check_open_ballot(fixed, voter, data)
    return data


def _prove(
    fixed: Fixed, voter: bytes, proof: Proof, known: Mapping[Pair, _Known], random: Random
) -> bytes:
    """Return the branches (e_k, z_k) of a proof: one true, the others made up (E18)."""
    statements = proof.statements
    true = next(
        place
        for place, statement in enumerate(statements)
        if known[statement.pair].value == statement.value
    )
    nonce = random_scalar(random)
    branches = []
    commitments = []
    for place, statement in enumerate(statements):
        if place == true:
            branches.append((ZERO, ZERO))
            commitments.append((multiply_base(nonce), multiply(nonce, fixed.key)))
        else:
            e, z = random_scalar(random), random_scalar(random)
            branches.append((e, z))
            commitments.append(commit_branch(fixed.key, statement, e, z))
    made_up = _add_all([e for e, _ in branches])
    e = scalar_subtract(hash_proof(fixed, voter, proof, commitments), made_up)
    z = scalar_subtract(nonce, scalar_multiply(e, known[statements[true].pair].random))
    branches[true] = (e, z)
    return b"".join(e + z for e, z in branches)


def _add_all(scalars: Sequence[bytes]) -> bytes:
    total = ZERO
    for scalar in scalars:
        total = scalar_add(total, scalar)
    return total
