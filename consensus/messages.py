"""What validators say to each other, and exactly which bytes each of them signs.

Four *records* are signed: `Proposal`, `Prepare` and `RoundChange` as their canonical encoding,
`Commit` as the note body of a checkpoint (consensus M4, M5). On a link they travel inside the
`Signed...` messages, beside the signer's key and what peers need to judge them. `Status` and the
commit certificate complete the union `Message`: a status vouches for nothing and is not signed,
a certificate is its own proof.

Wire form is field order: append, never reorder.
"""

from typing import Annotated, NamedTuple

import msgspec

from chain.checkpoint import commit_bytes
from chain.codec import Digest, PublicKey, Record, Signature, Uint, decode, digest, encode
from chain.crypto import blake2b
from chain.errors import Malformed
from chain.records import BLOCK_TXS_MAX, Header, block_id
from chain.validators import (
    BITMAP_BYTES_MAX,
    VALIDATORS_MAX,
    CommitCertificate,
    PreparedCertificate,
)

ROUND_MAX = 65_535  # consensus B7: a larger one is dropped before any signature is checked
SHORT_ID_BYTES = 8  # consensus B3
EVIDENCE_MAX = 64  # as in the body: chain/records.py
EVIDENCE_BYTES_MAX = 64 * 1024  # consensus E3: all of a block together
SILENCE_LENGTH_MAX = 32  # a key of `events.Silence`, never prose

Round = Annotated[int, msgspec.Meta(ge=0, le=ROUND_MAX)]
ShortId = Annotated[bytes, msgspec.Meta(min_length=SHORT_ID_BYTES, max_length=SHORT_ID_BYTES)]
Bitmap = Annotated[bytes, msgspec.Meta(max_length=BITMAP_BYTES_MAX)]


class ChainName(NamedTuple):
    """Which chain a signature is for: the digest binds three records, the id the fourth (M6)."""

    genesis_digest: bytes
    chain_id: str


# ------------------------------------------------------------------------------- what is signed


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


# --------------------------------------------------------------------------- what a link carries


class CompactBlock(Record, frozen=True, tag="wijk.compact.1"):
    """B3: a block as it travels with a proposal: everything but the transactions themselves.

    A short id is 8 bytes of BLAKE2b over the transaction id, keyed with the body hash.
    """

    header: Header
    last_commit: CommitCertificate | None
    evidence: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=EVIDENCE_BYTES_MAX)], ...],
        msgspec.Meta(max_length=EVIDENCE_MAX),
    ]
    short_ids: Annotated[tuple[ShortId, ...], msgspec.Meta(max_length=BLOCK_TXS_MAX)]

    @property
    def block_id(self) -> bytes:
        """The id that votes name: SHA-256 of the header (M2)."""
        return block_id(self.header)


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


class ProvenRoundChange(Record, frozen=True, tag="wijk.proven-roundchange.1"):
    """M13: a round change with the certificate it claims, for the leader who must carry it over."""

    round_change: SignedRoundChange
    certificate: PreparedCertificate


class Justification(Record, frozen=True, tag="wijk.justification.1"):
    """M12: why a proposal of a round above 0 is safe: q round changes, and proof of the highest."""

    round_changes: Annotated[tuple[SignedRoundChange, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]
    certificate: PreparedCertificate | None


class SignedProposal(Record, frozen=True, tag="wijk.signed-proposal.1"):
    """A proposal on its way, with the block and the reasons that let peers judge it (M12)."""

    record: Proposal
    signer: PublicKey
    signature: Signature
    block: CompactBlock
    justification: Justification


class Status(Record, frozen=True, tag="wijk.status.1"):
    """M14, T7: where a node stands and what it holds, so that peers can send what it lacks.

    The bitmaps run over the sorted validators of `height` and speak of (`height`, `round`);
    `round_changes` marks only those it can use, so a claim whose proof it lacks stays unmarked.
    `best_height` is 0, with the genesis digest as `best_id`, before the first decision.
    """

    height: Uint
    round: Round
    best_height: Uint
    best_id: Digest
    proposal: Digest | None
    prepares: Bitmap
    commits: Bitmap
    round_changes: Bitmap
    silence: Annotated[str, msgspec.Meta(max_length=SILENCE_LENGTH_MAX)] | None
    wall_ms: Uint


class DraftProposal(Record, frozen=True, tag="wijk.draft-proposal.1"):
    """An own proposal before it is signed. It is stored, never sent (D3)."""

    record: Proposal
    block: CompactBlock
    justification: Justification


class Prepared(Record, frozen=True, tag="wijk.prepared.1"):
    """R3: the certificate that an own commit rests on, and the header it names. Stored, never sent.

    It carries over to later rounds, and over a crash (D3, D7).
    """

    certificate: PreparedCertificate
    header: Header


Draft = DraftProposal | Prepare | Commit | RoundChange
SignedMessage = SignedProposal | SignedPrepare | SignedCommit | SignedRoundChange
Message = SignedMessage | ProvenRoundChange | CommitCertificate | Status

EMPTY_JUSTIFICATION = Justification((), None)  # R1: round 0 needs no reasons


def decode_message(data: bytes) -> Message:
    """Return the message in `data`, or raise `Malformed`. Its length is bounded by the frame."""
    return decode(Message, data)  # type: ignore[arg-type]  # a union is no class to mypy


def signed_bytes(chain: ChainName, draft: Draft) -> bytes:
    """Return what a signature over `draft` covers: the array of M4, or M5's note for a commit."""
    match draft:
        case Commit():
            return commit_bytes(
                chain.chain_id,
                draft.log_size,
                draft.log_root,
                draft.height,
                draft.round,
                draft.block_id,
            )
        case DraftProposal():
            return encode(draft.record)
        case Prepare() | RoundChange():
            return encode(draft)


def seal(draft: Draft, signer: bytes, signature: bytes) -> SignedMessage:
    """Return the message that carries `draft` and `signer`'s signature over its signed bytes."""
    match draft:
        case DraftProposal():
            return SignedProposal(draft.record, signer, signature, draft.block, draft.justification)
        case Prepare():
            return SignedPrepare(draft, signer, signature)
        case Commit():
            return SignedCommit(draft, signer, signature)
        case RoundChange():
            return SignedRoundChange(draft, signer, signature)


def unseal(message: SignedMessage) -> Draft:
    """Return the draft whose signature `message` carries: the reverse of `seal`."""
    if isinstance(message, SignedProposal):
        return DraftProposal(message.record, message.block, message.justification)
    return message.record


def check_size(block: CompactBlock) -> None:
    """Raise `Malformed` if `block` is larger than any valid one, which E3 bounds (consensus B7).

    Nothing that is signed binds a compact form to its size, and whoever holds a block sends it on:
    in a frame with a longer justification, or as a body.
    """
    if sum(map(len, block.evidence)) > EVIDENCE_BYTES_MAX:
        raise Malformed("more evidence than a block may hold")


def justification_digest(justification: Justification) -> bytes:
    """Return the digest that a proposal signs for its justification (M4)."""
    return digest(justification)


def short_id(body_hash: bytes, tx_id: bytes) -> bytes:
    """Return the 8 bytes that stand for a transaction in the compact block of that body (B3)."""
    return blake2b(tx_id, key=body_hash, size=SHORT_ID_BYTES)
