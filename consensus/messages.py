"""What validators say to each other: the records they sign, on their way, and what goes beside.

The four signed *records* stand in `chain/signed.py` and are named here again, so that whoever
speaks of messages finds all of them in one place. On a link they travel inside the `Signed...`
messages, beside the signer's key and what peers need to judge them. `Status` and the
commit certificate complete the union `Message`: a status vouches for nothing and is not signed,
a certificate is its own proof.

Wire form is field order: append, never reorder.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from chain import signed
from chain.codec import Digest, PublicKey, Record, Signature, Uint, decode
from chain.evidence import EVIDENCE_BYTES_MAX, EVIDENCE_MAX
from chain.records import BLOCK_TXS_MAX, Header, block_id
from chain.sanctions import check_amount
from chain.signed import (
    EMPTY_JUSTIFICATION,
    ROUND_MAX,
    ChainName,
    Commit,
    Justification,
    Prepare,
    Proposal,
    Round,
    RoundChange,
    SignedCommit,
    SignedPrepare,
    SignedRoundChange,
    justification_digest,
)
from chain.validators import BITMAP_BYTES_MAX, CommitCertificate, PreparedCertificate

# The records of chain/signed.py belong to the messages: whoever speaks finds all of them here.
__all__ = [
    "EMPTY_JUSTIFICATION",
    "EVIDENCE_BYTES_MAX",
    "ROUND_MAX",
    "SHORT_ID_BYTES",
    "SILENCE_LENGTH_MAX",
    "ChainName",
    "Commit",
    "CompactBlock",
    "Draft",
    "DraftProposal",
    "Justification",
    "Message",
    "Prepare",
    "Prepared",
    "Proposal",
    "ProvenRoundChange",
    "RoundChange",
    "SignedCommit",
    "SignedMessage",
    "SignedPrepare",
    "SignedProposal",
    "SignedRoundChange",
    "Status",
    "check_size",
    "decode_message",
    "justification_digest",
    "seal",
    "short_ids",
    "signed_bytes",
    "unseal",
]

SHORT_ID_BYTES = 8  # consensus B3
SILENCE_LENGTH_MAX = 32  # a key of `events.Silence`, never prose

ShortId = Annotated[bytes, msgspec.Meta(min_length=SHORT_ID_BYTES, max_length=SHORT_ID_BYTES)]
Bitmap = Annotated[bytes, msgspec.Meta(max_length=BITMAP_BYTES_MAX)]


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


class ProvenRoundChange(Record, frozen=True, tag="wijk.proven-roundchange.1"):
    """M13: a round change with the certificate it claims, for the leader who must carry it over."""

    round_change: SignedRoundChange
    certificate: PreparedCertificate


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


def decode_message(data: bytes) -> Message:
    """Return the message in `data`, or raise `Malformed`. Its length is bounded by the frame."""
    return decode(Message, data)  # type: ignore[arg-type]  # a union is no class to mypy


def signed_bytes(chain: ChainName, draft: Draft | Proposal) -> bytes:
    """Return what a signature over `draft` covers (M4, M5)."""
    record = draft.record if isinstance(draft, DraftProposal) else draft
    return signed.signed_bytes(chain, record)


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
    check_amount(block.evidence)


def short_ids(body_hash: bytes, tx_ids: Iterable[bytes]) -> list[bytes]:
    """Return the 8 bytes for each transaction that stand for it in that body's compact block (B3).

    They are its BLAKE2b under the key `body_hash`.
    """
    keyed = hashlib.blake2b(key=body_hash, digest_size=SHORT_ID_BYTES)
    short = []
    for tx_id in tx_ids:
        hashed = keyed.copy()
        hashed.update(tx_id)
        short.append(hashed.digest())
    return short
