"""Leaving a round and joining a higher one: what must be shown, and what a new leader may offer.

The safety of the chain across rounds stands here and in `chain/justification.py`. q commits in a
round hold f + 1 honest validators that prepared in it; every later justification holds q round
changes, so it holds one of those; and the highest proven claim fixes the block (consensus R2f).
"""

from collections.abc import Iterable
from typing import NamedTuple

from chain.errors import Malformed
from chain.justification import Claim, claim_of
from chain.validators import (
    PreparedCertificate,
    ValidatorSet,
    Verify,
    check_prepared_certificate,
)
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    Justification,
    RoundChange,
    SignedRoundChange,
)


class Choice(NamedTuple):
    """What the leader of a round may offer (R7): the block `carried`, or a fresh one if nil."""

    carried: bytes | None
    justification: Justification


FRESH_AT_ROUND_0 = Choice(None, EMPTY_JUSTIFICATION)  # R1


class RoundChanges:
    """The highest round change of each validator, and the certificates they claim (B9)."""

    def __init__(self) -> None:
        self._highest: dict[bytes, SignedRoundChange] = {}
        self._proofs: dict[Claim, PreparedCertificate] = {}

    def of(self, signer: bytes) -> SignedRoundChange | None:
        """Return the highest round change held of this validator."""
        return self._highest.get(signer)

    def add(self, message: SignedRoundChange, proof: PreparedCertificate | None) -> bool:
        """Keep a checked round change, if it is its signer's highest, and a checked proof of it.

        Say whether it agrees with what this validator said before of that round.
        """
        held = self._highest.get(message.signer)
        if held is None or held.record.round < message.record.round:
            held = self._highest[message.signer] = message
        if proof is not None:
            self._proofs[proof.round, proof.block_id] = proof
        claims = {claim_of(one.record) for one in self._highest.values()}
        self._proofs = {claim: kept for claim, kept in self._proofs.items() if claim in claims}
        return held.record.round != message.record.round or held.record == message.record

    def proof(self, record: RoundChange) -> PreparedCertificate | None:
        """Return the certificate that `record` claims, if it is held."""
        claim = claim_of(record)
        return None if claim is None else self._proofs.get(claim)

    def usable(self, round_: int) -> list[SignedRoundChange]:
        """Return the round changes to exactly `round_` that claim nothing unproven (R7)."""
        return [
            message
            for _, message in sorted(self._highest.items())
            if message.record.round == round_
            and (claim_of(message.record) is None or self.proof(message.record) is not None)
        ]

    def above(self, round_: int) -> list[SignedRoundChange]:
        """Return the round changes to rounds above `round_`, in key order (T7)."""
        return [
            message for _, message in sorted(self._highest.items()) if message.record.round > round_
        ]


def compute_choice(changes: RoundChanges, round_: int, quorum: int) -> Choice | None:
    """Return what the leader of `round_` above 0 may offer, or nil while it lacks a quorum (R7).

    Exactly q round changes go into the justification, the highest proven claim among them.
    """
    usable = changes.usable(round_)
    if len(usable) < quorum:
        return None
    usable.sort(key=lambda message: -1 if (c := claim_of(message.record)) is None else c[0])
    chosen = usable[-quorum:]
    proof = changes.proof(chosen[-1].record)
    chosen.sort(key=lambda message: message.signer)
    return Choice(None if proof is None else proof.block_id, Justification(tuple(chosen), proof))


def check_proof(
    record: RoundChange,
    certificate: PreparedCertificate,
    validators: ValidatorSet,
    verify: Verify,
) -> None:
    """Raise `Malformed` unless `certificate` is the one that `record` claims, and valid (R8)."""
    if certificate.height != record.height or claim_of(record) != (
        certificate.round,
        certificate.block_id,
    ):
        raise Malformed("a certificate that the round change does not claim")
    check_prepared_certificate(certificate, validators, record.genesis_digest, verify)


def compute_jump(marks: Iterable[int], weak_quorum: int) -> int:
    """Return the highest round that at least one honest validator reached, as marks tell (R6)."""
    ordered = sorted(marks, reverse=True)
    return ordered[weak_quorum - 1] if len(ordered) >= weak_quorum else 0
