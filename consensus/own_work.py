"""Certificates and proposals made here, checked as every peer will check them (consensus M16).

What peers would refuse is, before it leaves here, a bug of this program: it ends in an assertion.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from chain.errors import Malformed
from chain.validators import (
    CommitCertificate,
    Verify,
    build_commit_certificate,
    build_prepared_certificate,
    check_commit_certificate,
    check_prepared_certificate,
)
from consensus.checks import check_proposal
from consensus.messages import (
    ChainName,
    Commit,
    CompactBlock,
    DraftProposal,
    Prepare,
    Prepared,
    Proposal,
    SignedProposal,
    justification_digest,
)
from consensus.open_height import OpenHeight
from consensus.round_change import Choice


@contextmanager
def _own_work() -> Iterator[None]:
    """Turn the refusal of own work into an assertion (M16)."""
    try:
        yield
    except Malformed as error:
        raise AssertionError(f"our own work is refused: {error}") from error


def make_draft(
    at: OpenHeight,
    block: CompactBlock,
    choice: Choice,
    own_key: bytes,
    leader: bytes,
    chain: ChainName,
    verify: Verify,
) -> DraftProposal:
    """Return the proposal of `block` in this round, for the reasons of `choice` (R1, R7)."""
    reasons = choice.justification
    digest = justification_digest(reasons)
    record = Proposal(chain.genesis_digest, at.height, at.round, block.block_id, digest)
    draft = DraftProposal(record, block, reasons)
    with _own_work():
        is_fresh = check_proposal(draft, own_key, leader, at.context, chain, verify)
    assert is_fresh == (choice.carried is None), "a choice and its reasons say the same"
    return draft


def prepare_of(accepted: SignedProposal) -> Prepare:
    """Return the vote that an accepted proposal earns (R2)."""
    record = accepted.record
    return Prepare(record.genesis_digest, record.height, record.round, record.block_id)


def make_prepared(
    at: OpenHeight, accepted: SignedProposal, chain: ChainName, verify: Verify
) -> Prepared | None:
    """Return the certificate of q prepares for the accepted block, or nil while they lack (R3)."""
    record = accepted.record
    votes, validators = at.prepares.agreeing(prepare_of(accepted)), at.context.validators
    if len(votes) < validators.quorum:
        return None
    certificate = build_prepared_certificate(
        validators, record.height, record.round, record.block_id, votes
    )
    with _own_work():
        check_prepared_certificate(certificate, validators, chain.genesis_digest, verify)
    return Prepared(certificate, accepted.block.header)


def make_decision(
    at: OpenHeight, record: Commit, chain: ChainName, verify: Verify
) -> CommitCertificate | None:
    """Return the certificate of q commits that all say `record`, or nil while they lack (R4)."""
    votes, validators = at.commits.agreeing(record), at.context.validators
    if len(votes) < validators.quorum:
        return None
    certificate = build_commit_certificate(
        validators,
        record.height,
        record.round,
        record.block_id,
        record.log_size,
        record.log_root,
        votes,
    )
    with _own_work():
        check_commit_certificate(certificate, validators, chain.chain_id, verify)
    return certificate
