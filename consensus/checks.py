"""What a message must be before it may change anything at the open height (consensus R2, B8, B9).

The cheap questions come first: whether it is held already, whether it could still change anything,
and only then whether its signer signed it. `Malformed` is its sender's fault; late is not.
"""

from collections.abc import Callable

from chain.errors import Malformed
from chain.evidence import Testimony
from chain.justification import check_justification
from chain.validators import Verify
from consensus.events import HeightContext
from consensus.messages import (
    ChainName,
    DraftProposal,
    ProvenRoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    check_size,
    signed_bytes,
)
from consensus.open_height import OpenHeight


def is_held(at: OpenHeight, message: SignedMessage, proven: ProvenRoundChange | None) -> bool:
    """Say whether this very message is known, and the certificate it came with, if any (B8)."""
    signer, round_ = message.signer, message.record.round
    match message:
        case SignedPrepare():
            return at.prepares.get(signer, round_) == message
        case SignedCommit():
            return at.commits.get(signer, round_) == message
        case SignedRoundChange():
            is_known = at.changes.of(signer) == message
            return is_known and (proven is None or at.changes.proof(message.record) is not None)
        case SignedProposal():
            candidate = at.candidates.get(signer)
            return candidate is not None and candidate.message.record == message.record


def why_useless(
    at: OpenHeight, message: SignedMessage, leader: Callable[[int], bytes]
) -> str | None:
    """Say why a message could change nothing, whoever signed it; nil if it could (B9)."""
    round_ = message.record.round
    is_late = False  # R4: a commit of a past round may still decide
    match message:
        case SignedPrepare():
            is_late = round_ < at.round
        case SignedCommit():
            pass
        case SignedRoundChange():
            held = at.changes.of(message.signer)
            is_late = held is not None and round_ < held.record.round
        case SignedProposal():
            if message.signer != leader(round_):
                raise Malformed("a proposal by somebody who does not lead its round")  # R2a
            candidate = at.candidates.get(message.signer)
            is_late = round_ < at.round or (candidate is not None and round_ < candidate.round)
    return f"too late: of round {round_}, now in {at.round}" if is_late else None


def check_signature(said: SignedMessage | Testimony, chain: ChainName, verify: Verify) -> None:
    """Raise `Malformed` unless the signer signed this (B12)."""
    if not verify(said.signer, signed_bytes(chain, said.record), said.signature):
        raise Malformed("a wrong signature")


def check_proposal(
    proposal: DraftProposal,
    signer: bytes,
    leader: bytes,
    context: HeightContext,
    chain: ChainName,
    verify: Verify,
) -> bool:
    """Say whether the block must be fresh, or raise `Malformed`. Own proposals too (M16)."""
    record, block, header = proposal.record, proposal.block, proposal.block.header
    if signer != leader:
        raise Malformed("a proposal by somebody who does not lead its round")  # R2a
    if block.block_id != record.block_id:
        raise Malformed("a proposal with another block than it names")
    check_size(block)
    if header.height != context.height or header.parent_id != context.parent_id:
        raise Malformed("a block that does not follow its parent")
    if header.genesis_digest != chain.genesis_digest:
        raise Malformed("a block of another chain")
    if header.time_ms <= context.parent_time_ms:
        raise Malformed("a block that is not later than its parent")  # T9
    is_fresh = check_justification(record, proposal.justification, context.validators, verify)
    if is_fresh and header.creator != signer:
        raise Malformed("a fresh block that the leader did not create")  # R2e
    return is_fresh
