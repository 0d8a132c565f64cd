"""Why a leader may propose what it proposes: the checks of consensus R2c, R2d and R2f.

They stand in chain because a proposal whose reasons fail them is misbehaviour that a block may
prove (E1e). They ask for signed bytes and the validator set of the height, and for nothing else.
"""

from collections.abc import Sequence

from chain.codec import encode
from chain.errors import Malformed
from chain.signed import (
    EMPTY_JUSTIFICATION,
    Justification,
    Proposal,
    RoundChange,
    SignedRoundChange,
    justification_digest,
)
from chain.validators import ValidatorSet, Verify, check_prepared_certificate

Claim = tuple[int, bytes]  # prepared round and block id


def claim_of(record: RoundChange) -> Claim | None:
    """Return what a round change says its signer prepared last."""
    if record.prepared_round is None or record.prepared_id is None:
        return None
    return record.prepared_round, record.prepared_id


def check_round_change(record: RoundChange) -> None:
    """Raise `Malformed` for a claim that no honest validator makes (R2d)."""
    if record.round == 0:
        raise Malformed("nobody changes to round 0")
    if (record.prepared_round is None) != (record.prepared_id is None):
        raise Malformed("half a claim: prepared round and block are both nil or neither")
    if record.prepared_round is not None and record.prepared_round >= record.round:
        raise Malformed("prepared in the round it changes to, or later")


def check_justification(
    proposal: Proposal,
    justification: Justification,
    validators: ValidatorSet,
    verify: Verify,
) -> bool:
    """Say whether the proposed block must be fresh, or raise `Malformed` (R2c to R2g)."""
    if proposal.justification_digest != justification_digest(justification):
        raise Malformed("another justification than the leader signed")  # R2c
    is_fresh = check_reasons(proposal, justification, validators, verify)
    if is_fresh and justification.certificate is not None:
        raise Malformed("a certificate that nobody claims")
    return is_fresh


def check_reasons(
    proposal: Proposal,
    justification: Justification,
    validators: ValidatorSet,
    verify: Verify,
) -> bool:
    """Raise `Malformed` where the reasons of a proposal fail R2c, R2d or R2f: what E1e proves.

    Say whether nobody claims a prepared block. The caller has compared the digest. The round
    changes need not agree with each other (R2g): only the highest claim counts.
    """
    if proposal.round == 0:
        if justification != EMPTY_JUSTIFICATION:
            raise Malformed("round 0 needs no justification")  # R2c
        return True
    _check_round_changes(proposal, justification.round_changes, validators, verify)
    claims = [
        claim
        for message in justification.round_changes
        if (claim := claim_of(message.record)) is not None
    ]
    if not claims:
        return True  # R2e
    certificate = justification.certificate
    highest = max(prepared_round for prepared_round, _ in claims)  # R2f, from here on
    if certificate is None:
        raise Malformed("no certificate for the highest prepared round")
    if (certificate.height, certificate.round) != (proposal.height, highest):
        raise Malformed("the certificate is not of the highest prepared round")
    if certificate.block_id != proposal.block_id:
        raise Malformed("another block than the highest prepared one")
    if (highest, proposal.block_id) not in claims:
        raise Malformed("no round change claims the proposed block")
    check_prepared_certificate(certificate, validators, proposal.genesis_digest, verify)
    return False


def _check_round_changes(
    proposal: Proposal,
    messages: Sequence[SignedRoundChange],
    validators: ValidatorSet,
    verify: Verify,
) -> None:
    """R2c, R2d: at least q of distinct validators, for exactly this height and round, all valid."""
    signers = [message.signer for message in messages]
    if len(set(signers)) != len(signers):
        raise Malformed("one validator's round change counted twice")
    if len(signers) < validators.quorum:
        raise Malformed(f"{len(signers)} round changes; a quorum is {validators.quorum}")
    for message in messages:
        record = message.record
        if message.signer not in validators:
            raise Malformed("a round change of a stranger")
        if (record.genesis_digest, record.height, record.round) != (
            proposal.genesis_digest,
            proposal.height,
            proposal.round,
        ):
            raise Malformed("a round change for another height or round")
        check_round_change(record)
    for message in messages:
        if not verify(message.signer, encode(message.record), message.signature):
            raise Malformed("a round change with a wrong signature")
