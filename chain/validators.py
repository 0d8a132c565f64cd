"""Who may vote, how many must agree, and the two certificates that prove it (consensus Q, M4..M10).

A certificate is judged whole, against the validator set of its height, and never vote by vote
(consensus R8). What it costs is one signature check per signer; the verifier comes in as a
value, so that a caller may remember what it has checked before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec

from chain import crypto
from chain.checkpoint import commit_bytes, key_name, write_note
from chain.codec import Digest, PublicKey, Record, Signature, Uint, digest, encode
from chain.errors import Malformed

VALIDATORS_MAX = 100  # consensus section 0: one chain, one full mesh
BITMAP_BYTES_MAX = (VALIDATORS_MAX + 7) // 8

Verify = Callable[[bytes, bytes, bytes], bool]  # key, message, signature
Bitmap = Annotated[bytes, msgspec.Meta(min_length=1, max_length=BITMAP_BYTES_MAX)]
Signatures = Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]


def faulty(n: int) -> int:
    """Return how many of `n` validators may lie without harm (consensus Q1)."""
    return (n - 1) // 3


def quorum(n: int) -> int:
    """Return the smallest number of which any two groups share an honest one (consensus Q2)."""
    return (2 * n + 2) // 3


def weak_quorum(n: int) -> int:
    """Return the smallest number that holds at least one honest validator (consensus Q3)."""
    return faulty(n) + 1


class Validator(Record, frozen=True):
    """A wijk's node: the name people know it by, and the consensus key it signs with."""

    name: str
    key: PublicKey


@dataclass(frozen=True)
class ValidatorSet:
    """The validators of a height, in ascending order of their keys: that order numbers them."""

    validators: tuple[Validator, ...]

    def __post_init__(self) -> None:
        keys = self.keys
        assert 0 < len(keys) <= VALIDATORS_MAX, "1 to 100 validators (consensus Q5)"
        assert list(keys) == sorted(set(keys)), "keys of a set are sorted and distinct"
        assert len({validator.name for validator in self.validators}) == len(keys), "names differ"

    def __len__(self) -> int:
        return len(self.validators)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The public keys, ascending."""
        return tuple(validator.key for validator in self.validators)

    @property
    def faulty(self) -> int:
        return faulty(len(self.validators))

    @property
    def quorum(self) -> int:
        return quorum(len(self.validators))

    @property
    def weak_quorum(self) -> int:
        return weak_quorum(len(self.validators))

    @cached_property
    def validators_hash(self) -> bytes:
        """What headers say of this set: the hash over its keys alone (consensus M7)."""
        return digest(["wijk.validators.1", self.keys])

    def place(self, key: bytes) -> int | None:
        """Return the place of `key` in the order of the set, None for a stranger."""
        return self._places.get(key)

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {key: place for place, key in enumerate(self.keys)}


def validator_set(validators: Iterable[Validator]) -> ValidatorSet:
    """Return the set of `validators`, given in any order; names and keys are distinct."""
    return ValidatorSet(tuple(sorted(validators, key=lambda validator: validator.key)))


def unnamed_set(keys: Iterable[bytes]) -> ValidatorSet:
    """Return the set of these distinct `keys`, where nothing else counts (consensus Q4, M7)."""
    return validator_set(Validator(key.hex(), key) for key in keys)


class PreparedCertificate(Record, frozen=True, tag="wijk.pc.1"):
    """Prepares of a quorum for one block in one round (consensus M10)."""

    height: Uint
    round: Uint
    block_id: Digest
    bitmap: Bitmap
    signatures: Signatures


class CommitCertificate(Record, frozen=True, tag="wijk.cc.1"):
    """Commits of a quorum for one block: final. It verifies without the header (consensus M10)."""

    height: Uint
    round: Uint
    block_id: Digest
    log_size: Uint
    log_root: Digest
    bitmap: Bitmap
    signatures: Signatures


def prepare_bytes(genesis_digest: bytes, height: int, round_: int, block_id: bytes) -> bytes:
    """Return what a Prepare signs (consensus M4)."""
    return encode(["wijk.prepare.1", genesis_digest, height, round_, block_id])


def check_prepared_certificate(
    certificate: PreparedCertificate,
    validators: ValidatorSet,
    genesis_digest: bytes,
    verify: Verify = crypto.verify,
) -> None:
    """Raise `Malformed` unless a quorum of `validators` prepared this block (consensus M10, R8)."""
    message = prepare_bytes(
        genesis_digest, certificate.height, certificate.round, certificate.block_id
    )
    _check_signatures(certificate, validators, message, verify)


def check_commit_certificate(
    certificate: CommitCertificate,
    validators: ValidatorSet,
    chain_id: str,
    verify: Verify = crypto.verify,
) -> None:
    """Raise `Malformed` unless a quorum of `validators` committed this block (consensus M10, R8).

    `validators` is the set of the certificate's height: the caller has looked it up.
    """
    _check_signatures(certificate, validators, signed_bytes(certificate, chain_id), verify)


def signed_bytes(certificate: CommitCertificate, chain_id: str) -> bytes:
    """Return the note body under every signature of a commit certificate."""
    return commit_bytes(
        chain_id,
        certificate.log_size,
        certificate.log_root,
        certificate.height,
        certificate.round,
        certificate.block_id,
    )


def certificate_note(
    certificate: CommitCertificate, validators: ValidatorSet, chain_id: str
) -> str:
    """Return a commit certificate as a signed note, the checkpoint for everybody (consensus M15).

    Lines stand in the order of names. The certificate was checked before: it holds a quorum.
    """
    names = {validator.key: validator.name for validator in validators.validators}
    keys = signer_keys(certificate, validators)
    lines = sorted(
        (key_name(chain_id, names[key]), key, signature)
        for key, signature in zip(keys, certificate.signatures, strict=True)
    )
    return write_note(signed_bytes(certificate, chain_id), lines, validators.quorum)


def build_prepared_certificate(
    validators: ValidatorSet,
    height: int,
    round_: int,
    block_id: bytes,
    signatures: Mapping[bytes, bytes],
) -> PreparedCertificate:
    """Return the certificate of Prepares that were checked before: key to signature."""
    bitmap, ordered = _collect(validators, signatures)
    return PreparedCertificate(height, round_, block_id, bitmap, ordered)


def build_commit_certificate(
    validators: ValidatorSet,
    height: int,
    round_: int,
    block_id: bytes,
    log_size: int,
    log_root: bytes,
    signatures: Mapping[bytes, bytes],
) -> CommitCertificate:
    """Return the certificate of Commits that were checked before: key to signature."""
    bitmap, ordered = _collect(validators, signatures)
    return CommitCertificate(height, round_, block_id, log_size, log_root, bitmap, ordered)


def write_bitmap(places: Iterable[int], n: int) -> bytes:
    """Return the bitmap over `n` validators with the bits of `places` set (consensus M10)."""
    bits = 0
    for place in places:
        assert 0 <= place < n, "a place beyond the set has no bit"
        bits |= 1 << place
    return bits.to_bytes((n + 7) // 8, "little")


def read_bitmap(bitmap: bytes, n: int) -> list[int]:
    """Return the places whose bits are set, ascending; raise `Malformed` on another form."""
    if len(bitmap) != (n + 7) // 8:
        raise Malformed(f"bitmap of {len(bitmap)} bytes over {n} validators")
    bits = int.from_bytes(bitmap, "little")
    if bits >> n:
        raise Malformed("bitmap with spare bits set")
    return [place for place in range(n) if bits >> place & 1]


def signer_keys(
    certificate: PreparedCertificate | CommitCertificate, validators: ValidatorSet
) -> list[bytes]:
    """Return the keys that signed, ascending; raise `Malformed` where the form is wrong.

    The signatures themselves are the affair of the `check_` functions.
    """
    places = read_bitmap(certificate.bitmap, len(validators))
    if len(places) != len(certificate.signatures):
        raise Malformed(f"{len(certificate.signatures)} signatures for {len(places)} signers")
    return [validators.keys[place] for place in places]


def _check_signatures(
    certificate: PreparedCertificate | CommitCertificate,
    validators: ValidatorSet,
    message: bytes,
    verify: Verify,
) -> None:
    keys = signer_keys(certificate, validators)
    if len(keys) < validators.quorum:
        raise Malformed(f"{len(keys)} signers; a quorum is {validators.quorum}")
    for key, signature in zip(keys, certificate.signatures, strict=True):
        if not verify(key, message, signature):
            raise Malformed(f"wrong signature of validator {key.hex()}")


def _collect(
    validators: ValidatorSet, signatures: Mapping[bytes, bytes]
) -> tuple[bytes, tuple[bytes, ...]]:
    """Return bitmap and signatures in key order; fewer than a quorum is our own bug."""
    keys = sorted(signatures)
    places = [place for key in keys if (place := validators.place(key)) is not None]
    assert len(places) == len(keys), "only validators of the set sign its certificates"
    assert len(keys) >= validators.quorum, "a certificate holds at least a quorum"
    return write_bitmap(places, len(validators)), tuple(signatures[key] for key in keys)
