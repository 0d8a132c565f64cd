"""What validators sign, and exactly which bytes: the four records of consensus M4 and M5.

They stand here and not with the messages of consensus, because a block may hold them as evidence
(`chain/evidence.py`), and whoever replays a chain judges that without knowing the protocol's state.

Wire form is field order: append, never reorder.
"""

from typing import Annotated, NamedTuple

import msgspec

from chain.checkpoint import commit_bytes
from chain.codec import Digest, PublicKey, Record, Signature, Uint, digest, encode
from chain.validators import VALIDATORS_MAX, PreparedCertificate

ROUND_MAX = 65_535  # consensus B7: a larger one is dropped before any signature is checked

Round = Annotated[int, msgspec.Meta(ge=0, le=ROUND_MAX)]


class ChainName(NamedTuple):
    """Which chain a signature is for: the digest binds three records, the id the fourth (M6)."""

    genesis_digest: bytes
    chain_id: str


class Proposal(Record, frozen=True, tag="wijk.proposal.1"):
    """R1, R7: the leader of this round asks the others to prepare this block.

    The justification's digest is signed too, so nobody can attach a bad one and frame the leader.
    """

    genesis_digest: Digest
    height: Uint
    round: Round
    block_id: Digest
    justification_digest: Digest


class Prepare(Record, frozen=True, tag="wijk.prepare.1"):
    """R2: the signer accepted this block, and no other, in this height and round."""

    genesis_digest: Digest
    height: Uint
    round: Round
    block_id: Digest


class Commit(Record, frozen=True, tag="wijk.commit.1"):
    """R3: the signer saw q prepares for this block in this round.

    It carries the log head, so that it can be judged before the header is known (M11). Signed is
    never this array but the checkpoint note of M5: see `signed_bytes`.
    """

    height: Uint
    round: Round
    block_id: Digest
    log_size: Uint
    log_root: Digest


class RoundChange(Record, frozen=True, tag="wijk.roundchange.1"):
    """R5: the signer left every round below this one, and last prepared that block, if any.

    Both of `prepared_round` and `prepared_id` are nil, or neither is.
    """

    genesis_digest: Digest
    height: Uint
    round: Round
    prepared_round: Round | None
    prepared_id: Digest | None


class SignedPrepare(Record, frozen=True, tag="wijk.signed-prepare.1"):
    """A prepare on its way."""

    record: Prepare
    signer: PublicKey
    signature: Signature


class SignedCommit(Record, frozen=True, tag="wijk.signed-commit.1"):
    """A commit on its way (M11)."""

    record: Commit
    signer: PublicKey
    signature: Signature


class SignedRoundChange(Record, frozen=True, tag="wijk.signed-roundchange.1"):
    """A round change on its way to everybody (M13)."""

    record: RoundChange
    signer: PublicKey
    signature: Signature


class Justification(Record, frozen=True, tag="wijk.justification.1"):
    """M12: why a proposal of a round above 0 is safe: q round changes, and proof of the highest."""

    round_changes: Annotated[tuple[SignedRoundChange, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]
    certificate: PreparedCertificate | None


EMPTY_JUSTIFICATION = Justification((), None)  # R1: round 0 needs no reasons

Vote = Proposal | Prepare | Commit | RoundChange


def signed_bytes(chain: ChainName, record: Vote) -> bytes:
    """Return what a signature over `record` covers: the array of M4, or M5's note for a commit."""
    if isinstance(record, Commit):
        return commit_bytes(
            chain.chain_id,
            record.log_size,
            record.log_root,
            record.height,
            record.round,
            record.block_id,
        )
    return encode(record)


def justification_digest(justification: Justification) -> bytes:
    """Return the digest that a proposal signs for its justification (M4)."""
    return digest(justification)
