"""A light client: follows certificates from genesis, without state (consensus S9, V2).

It knows the set of the next height and nothing else, so a few hundred bytes per block are enough
to know which block is final. Sequential only: every header announces the set after it.
"""

import msgspec

from chain.errors import Malformed
from chain.execute import TIME_MS_MAX
from chain.genesis import Genesis
from chain.log import EMPTY_ROOT
from chain.records import PROTOCOL_VERSION, Header, block_id
from chain.validators import (
    CommitCertificate,
    Validator,
    ValidatorSet,
    Verify,
    check_commit_certificate,
    validator_set,
)


class Trusted(msgspec.Struct, frozen=True):
    """The newest header that is known to be final, and who may certify the one after it."""

    chain_id: str
    chain_digest: bytes
    height: int
    block_id: bytes
    time_ms: int
    log_size: int
    log_root: bytes
    validators: ValidatorSet


def trust_genesis(genesis: Genesis) -> Trusted:
    """Return where every light client starts: the parent of block 1."""
    validators = validator_set(
        Validator(validator.name, bytes.fromhex(validator.public_key))
        for validator in genesis.doc.validators
    )
    return Trusted(
        genesis.doc.chain_id,
        genesis.digest,
        0,
        genesis.digest,
        genesis.time_ms,
        0,
        EMPTY_ROOT,
        validators,
    )


def trust_block(
    chain_id: str,
    chain_digest: bytes,
    header: Header,
    certificate: CommitCertificate,
    validators: ValidatorSet,
    next_validators: ValidatorSet,
    verify: Verify,
) -> Trusted:
    """Return a start in the middle: a block certified by `validators`, known from elsewhere.

    It says nothing of what came before. Raise `Malformed` where the block does not fit them.
    """
    here = Trusted(chain_id, chain_digest, header.height - 1, b"", -1, 0, b"", validators)
    _check_header(here, header)
    check_certificate(here, header, certificate, verify)
    return advance(here, header, next_validators)


def check_final(
    trusted: Trusted, header: Header, certificate: CommitCertificate, verify: Verify
) -> None:
    """Raise `Malformed`, naming what does not fit, unless `header` is the next final one.

    Who may certify the block after it is left to `advance`.
    """
    check_next(trusted, header)
    check_certificate(trusted, header, certificate, verify)


def check_next(trusted: Trusted, header: Header) -> None:
    """Raise `Malformed` unless `header` may follow what is trusted; who signed it is not asked."""
    follows = (
        (header.parent_id == trusted.block_id, "parent"),
        (trusted.time_ms < header.time_ms <= TIME_MS_MAX, "time"),
        (header.log_size >= trusted.log_size, "log size"),
        (
            header.log_size > trusted.log_size or header.log_root == trusted.log_root,
            "log root",  # a log that did not grow is the same log (consensus M9)
        ),
    )
    _check_header(trusted, header)
    _check(header, follows)


def check_certificate(
    trusted: Trusted, header: Header, certificate: CommitCertificate, verify: Verify
) -> None:
    """Raise `Malformed` unless `certificate` makes `header` final for the trusted set."""
    claimed = (
        certificate.height,
        certificate.block_id,
        certificate.log_size,
        certificate.log_root,
    )
    if claimed != (header.height, block_id(header), header.log_size, header.log_root):
        raise Malformed(f"the certificate of height {header.height} is of another block")
    check_commit_certificate(certificate, trusted.validators, trusted.chain_id, verify)


def advance(trusted: Trusted, header: Header, next_validators: ValidatorSet) -> Trusted:
    """Return what is trusted after `header`, which was checked to be final.

    `next_validators` has to be the set that the header announces by its hash; where nothing
    changed that is the set of this height. Raise `Malformed` for any other.
    """
    announced = header.next_validators_hash == next_validators.validators_hash
    _check(header, ((announced, "next validators"),))
    return Trusted(
        trusted.chain_id,
        trusted.chain_digest,
        header.height,
        block_id(header),
        header.time_ms,
        header.log_size,
        header.log_root,
        next_validators,
    )


def follow(
    trusted: Trusted,
    header: Header,
    certificate: CommitCertificate,
    next_validators: ValidatorSet,
    verify: Verify,
) -> Trusted:
    """Return what is trusted after `header`, or raise `Malformed` naming what does not fit."""
    check_final(trusted, header, certificate, verify)
    return advance(trusted, header, next_validators)


def _check_header(trusted: Trusted, header: Header) -> None:
    fits = (
        (header.version == PROTOCOL_VERSION, "version"),
        (header.genesis_digest == trusted.chain_digest, "chain"),
        (header.height == trusted.height + 1, "height"),
        (header.validators_hash == trusted.validators.validators_hash, "validators"),
        (header.creator in trusted.validators, "creator"),
    )
    _check(header, fits)


def _check(header: Header, facts: tuple[tuple[bool, str], ...]) -> None:
    for holds, what in facts:
        if not holds:
            raise Malformed(f"header {header.height} with a wrong {what}")
