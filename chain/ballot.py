"""Ballots, and the proofs by which everybody checks them without opening one (economy E17 to E21).

A secret ballot is a pair of points (alpha, beta) for each option: r*G and r*Y + m*G. The proofs
say that each m is allowed and that their sum is, and nothing else. All are of one kind (E18): one
of several statements (alpha, beta, M) is true, that is, the pair hides M. What a proof is about
follows from the manifest alone, so both fields are plain runs of 64 bytes a pair and a branch.
Ballots are made in `wallet/ballots.py`.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec

from chain.codec import Digest, PublicKey, Record, Uint, decode
from chain.crypto import sha256
from chain.errors import Code, Malformed, Reject, require
from chain.group import (
    IDENTITY,
    ZERO,
    add,
    check_point,
    check_scalar,
    hash_to_scalar,
    is_scalar,
    multiple_of_base,
    multiply,
    multiply_base,
    scalar_add,
    subtract,
)
from chain.manifest import BRANCHES_MAX, OPTIONS_MAX, Fixed, count_branches

PAIR_BYTES = 64  # alpha and beta of a ciphertext; e and z of a branch of a proof
CIPHERTEXTS_BYTES_MAX = PAIR_BYTES * (OPTIONS_MAX + 1)
PROOFS_BYTES_MAX = PAIR_BYTES * BRANCHES_MAX
BALLOT_BYTES_MAX = 24 * 1024  # of the record; the largest allowed is 19.2 KiB
OPENING_BYTES_MAX = 28 * 1024  # a ballot, and 32 bytes and a small number for each ciphertext
TRACKER_DIGITS = 20  # E20: hex digits of the digest that a voter is shown


class Ballot(Record, frozen=True, tag="wijk.ballot.1"):
    """A secret ballot (E20): `voter` is the credential key K; ciphertexts in the order of slots."""

    election: Digest
    manifest: Digest
    voter: PublicKey
    ciphertexts: Annotated[bytes, msgspec.Meta(max_length=CIPHERTEXTS_BYTES_MAX)]
    proofs: Annotated[bytes, msgspec.Meta(max_length=PROOFS_BYTES_MAX)]


class OpenBallot(Record, frozen=True, tag="wijk.open_ballot.1"):
    """An open ballot (E6, STV_EXACT): numbers of options, the best first, none twice."""

    election: Digest
    manifest: Digest
    voter: PublicKey
    ranking: Annotated[tuple[Uint, ...], msgspec.Meta(max_length=OPTIONS_MAX)]


class Opening(Record, frozen=True, tag="wijk.opening.1"):
    """A spoiled ballot (E21): the ballot, and all r_c and m_c it was made with."""

    ballot: Annotated[bytes, msgspec.Meta(max_length=BALLOT_BYTES_MAX)]
    randoms: Annotated[bytes, msgspec.Meta(max_length=32 * (OPTIONS_MAX + 1))]
    values: Annotated[tuple[Uint, ...], msgspec.Meta(max_length=OPTIONS_MAX + 1)]


class Pair(NamedTuple):
    """One ciphertext: alpha = r*G, beta = r*Y + m*G."""

    alpha: bytes
    beta: bytes


class Statement(NamedTuple):
    """One branch of a proof: the pair hides the number `value` (M_k)."""

    pair: Pair
    value: int


class Proof(NamedTuple):
    """One proof that a ballot owes: what H is tagged with, and the statements, one of them true."""

    tag: str
    extra: bytes | int
    statements: tuple[Statement, ...]


def split_pairs(ciphertexts: bytes) -> tuple[Pair, ...]:
    """Return the pairs that stand one after the other in `ciphertexts`."""
    starts = range(0, len(ciphertexts), PAIR_BYTES)
    return tuple(Pair(ciphertexts[at : at + 32], ciphertexts[at + 32 : at + 64]) for at in starts)


def add_pairs(pairs: Sequence[Pair]) -> Pair:
    """Return the sum of pairs, which hides the sum of what they hide."""
    alpha = beta = IDENTITY
    for pair in pairs:
        alpha, beta = add(alpha, pair.alpha), add(beta, pair.beta)
    return Pair(alpha, beta)


def list_proofs(fixed: Fixed, pairs: Sequence[Pair]) -> Iterator[Proof]:
    """Yield the proofs that a ballot with these ciphertexts owes, in their order (E19)."""
    manifest = fixed.manifest
    ciphertexts = dict(zip(fixed.slots, pairs, strict=True))
    for number, pair in ciphertexts.items():
        scored = number > 0 and manifest.method == "SCORE"
        tag, highest = ("score", manifest.score) if scored else ("bit", 1)
        allowed = tuple(Statement(pair, value) for value in range(highest + 1))
        yield Proof(tag, number, allowed)
    blank = ciphertexts.pop(0, None)
    total = add_pairs(list(ciphertexts.values()))
    in_range = tuple(Statement(total, value) for value in range(manifest.min, manifest.max + 1))
    if blank is None:
        yield Proof("sum", b"", in_range)
    else:
        yield Proof("blank", b"", (Statement(blank, 0), Statement(total, 0)))
        yield Proof("range", b"", (Statement(blank, 1), *in_range))


def hash_proof(
    fixed: Fixed, voter: bytes, proof: Proof, commitments: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """Return the sum that the e_k of a proof must have: H over everything it is about (E18)."""
    items: list[bytes | int] = [*fixed.context, voter, proof.extra, fixed.key]
    for statement, (a, b) in zip(proof.statements, commitments, strict=True):
        items += (statement.pair.alpha, statement.pair.beta, statement.value, a, b)
    return hash_to_scalar(proof.tag, *items)


def commit_branch(key: bytes, statement: Statement, e: bytes, z: bytes) -> tuple[bytes, bytes]:
    """Return A_k = z*G + e*alpha and B_k = z*Y + e*(beta - M*G) of one branch (E18)."""
    alpha, beta = statement.pair
    hidden = subtract(beta, multiple_of_base(statement.value)) if statement.value else beta
    a = add(multiply_base(z), multiply(e, alpha))
    b = add(multiply(z, key), multiply(e, hidden))
    return a, b


def is_proof(fixed: Fixed, voter: bytes, proof: Proof, branches: Sequence[Pair]) -> bool:
    """Say whether `branches` (e_k, z_k) prove that one of the statements of `proof` is true."""
    total = ZERO
    commitments = []
    for statement, (e, z) in zip(proof.statements, branches, strict=True):
        if not is_scalar(e) or not is_scalar(z):
            return False
        total = scalar_add(total, e)
        commitments.append(commit_branch(fixed.key, statement, e, z))
    return total == hash_proof(fixed, voter, proof, commitments)


def check_ballot(fixed: Fixed, voter: bytes, data: bytes) -> Ballot:
    """Return the secret ballot in `data` if `voter` may cast it in this election (E19, E20).

    Refuse with `size` what is no ballot of this manifest by its length, with `bad-point` or
    `bad-proof` what does not prove itself, in that order.
    """
    require(len(data) <= BALLOT_BYTES_MAX, Code.ELECTION_SIZE)
    try:
        ballot = decode(Ballot, data)
    except Malformed as error:
        raise Reject(Code.ELECTION_SIZE) from error
    sizes = (len(ballot.ciphertexts), len(ballot.proofs))
    branches = count_branches(fixed.manifest)
    right = (len(fixed.slots) * PAIR_BYTES, branches * PAIR_BYTES)
    require(sizes == right, Code.ELECTION_SIZE)
    pairs = split_pairs(ballot.ciphertexts)
    for pair in pairs:
        check_point(pair.alpha)
        check_point(pair.beta)
    bound = (ballot.election, ballot.manifest, ballot.voter)
    require(bound == (fixed.manifest.election, fixed.digest, voter), Code.ELECTION_BAD_PROOF)
    given = split_pairs(ballot.proofs)
    at = 0
    for proof in list_proofs(fixed, pairs):
        end = at + len(proof.statements)
        require(is_proof(fixed, voter, proof, given[at:end]), Code.ELECTION_BAD_PROOF)
        at = end
    assert at == branches, "the proofs are those that were counted"
    return ballot


def check_open_ballot(fixed: Fixed, voter: bytes, data: bytes) -> OpenBallot:
    """Return the open ballot in `data` if `voter` may cast it: `size` or `bad-proof` else (E6)."""
    require(len(data) <= BALLOT_BYTES_MAX, Code.ELECTION_SIZE)
    try:
        ballot = decode(OpenBallot, data)
    except Malformed as error:
        raise Reject(Code.ELECTION_SIZE) from error
    manifest = fixed.manifest
    bound = (ballot.election, ballot.manifest, ballot.voter)
    require(bound == (manifest.election, fixed.digest, voter), Code.ELECTION_BAD_PROOF)
    ranking = ballot.ranking
    known = all(1 <= number <= len(manifest.options) for number in ranking)
    once = len(set(ranking)) == len(ranking)
    held = known and once and manifest.min <= len(ranking) <= manifest.max
    require(held, Code.ELECTION_BAD_PROOF)
    return ballot


def encrypt(key: bytes, value: int, random: bytes) -> Pair:
    """Return the pair that hides `value` under the randomness r: (r*G, r*Y + m*G) (E17)."""
    return Pair(multiply_base(random), add(multiply(random, key), multiple_of_base(value)))


def check_opening(fixed: Fixed, voter: bytes, data: bytes) -> Opening:
    """Return the opening in `data` if it shows what `voter`'s ballot in it hides (E21).

    Refuse with `size` or `opening`. Whether the ballot would have been accepted is not asked: one
    that lies about what it hides is exactly what the voter looks for.
    """
    require(len(data) <= OPENING_BYTES_MAX, Code.ELECTION_SIZE)
    try:
        opening = decode(Opening, data)
        ballot = decode(Ballot, opening.ballot)
    except Malformed as error:
        raise Reject(Code.ELECTION_OPENING) from error
    bound = (ballot.election, ballot.manifest, ballot.voter)
    require(bound == (fixed.manifest.election, fixed.digest, voter), Code.ELECTION_OPENING)
    slots = len(fixed.slots)
    sizes = (len(ballot.ciphertexts), len(opening.randoms), len(opening.values))
    require(sizes == (slots * PAIR_BYTES, slots * 32, slots), Code.ELECTION_OPENING)
    for place, pair in enumerate(split_pairs(ballot.ciphertexts)):
        random = opening.randoms[32 * place : 32 * place + 32]
        check_scalar(random)
        made = encrypt(fixed.key, opening.values[place], random)
        require(made == pair, Code.ELECTION_OPENING)
    return opening


def tracker_of(data: bytes) -> str:
    """Return the tracker of a ballot's bytes: the first 20 hex digits of their SHA-256 (E20)."""
    return sha256(data).hex()[:TRACKER_DIGITS]
