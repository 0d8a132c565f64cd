"""What to tell the others so that nobody stays behind: statuses, and what they show is missing.

This is the relay that heals partial connectivity (consensus T7): two validators without a link
to each other still agree, because a third passes on what the status of one shows it lacks.
"""

from collections.abc import Iterable

from chain.validators import CommitCertificate, read_bitmap, write_bitmap
from consensus.messages import (
    ProvenRoundChange,
    SignedMessage,
    SignedRoundChange,
    Status,
)
from consensus.open_height import OpenHeight
from consensus.round_change import RoundChanges

Relayed = SignedMessage | ProvenRoundChange | CommitCertificate


def compute_status(at: OpenHeight, silence: str | None, wall_ms: int) -> Status:
    """Return where this node stands (M14). A decided block counts once it is durable (D3)."""
    context = at.context
    n = len(context.validators)

    def bitmap(signers: Iterable[bytes]) -> bytes:
        places = [context.validators.place(signer) for signer in signers]
        return write_bitmap([place for place in places if place is not None], n)

    return Status(
        height=context.height,
        round=at.round,
        best_height=context.height - 1,
        best_id=context.parent_id,
        proposal=None if at.accepted is None else at.accepted.record.block_id,
        prepares=bitmap(vote.signer for vote in at.prepares.in_round(at.round)),
        commits=bitmap(vote.signer for vote in at.commits.in_round(at.round)),
        round_changes=bitmap(vote.signer for vote in at.changes.usable(at.round)),
        silence=silence,
        wall_ms=wall_ms,
    )


def compute_lacking(at: OpenHeight, status: Status) -> list[Relayed]:
    """Return what a peer with this `status` lacks (T7); raise `Malformed` for wrong bitmaps.

    Of another height that is at most the certificate which brings the peer up to this one. So it
    is for a peer that decided another block than we did: it must see that there are two (E6).
    """
    tip = at.context.tip
    if tip is not None and (
        status.height == tip.height
        or (status.best_height == tip.height and status.best_id != tip.block_id)
    ):
        return [tip]
    if status.height != at.height:
        return []
    n = len(at.context.validators)
    prepares, commits, changes = (
        {at.context.validators.keys[place] for place in read_bitmap(bitmap, n)}
        for bitmap in (status.prepares, status.commits, status.round_changes)
    )
    lacking: list[Relayed] = []
    accepted = at.accepted
    if accepted is not None and (
        status.round < at.round or (status.round == at.round and status.proposal is None)
    ):
        lacking.append(accepted)
    if status.round < at.round:
        lacking += [with_proof(at.changes, one) for one in at.changes.above(status.round)]
    elif status.round == at.round:
        lacking += [one for one in at.prepares.in_round(at.round) if one.signer not in prepares]
        lacking += [
            with_proof(at.changes, one)
            for one in at.changes.usable(at.round)
            if one.signer not in changes
        ]
    lacking += [one for one in at.commits.in_round(status.round) if one.signer not in commits]
    return lacking


def compute_own_words(at: OpenHeight, peer: bytes, status: Status) -> list[SignedMessage]:
    """Return what is held of the peer's own key in its round: at most one message of each kind.

    Its bitmaps say that it signed, not what. Only so does it learn that another machine signs with
    its key (D14); what it signed itself it knows, and drops without checking a signature.
    """
    if status.height != at.height:
        return []
    words: list[SignedMessage | None] = [
        at.changes.of(peer),
        at.prepares.get(peer, status.round),
        at.commits.get(peer, status.round),
    ]
    candidate = at.candidates.get(peer)
    is_of_round = candidate is not None and candidate.round == status.round
    if candidate is not None and is_of_round and candidate.block_id != status.proposal:
        words.append(candidate.message)
    return [one for one in words if one is not None]


def compute_latest_words(at: OpenHeight, peer: bytes) -> list[SignedMessage]:
    """Return the newest message of each kind that is held of the peer's own key (D10).

    A link is new where a process is. If its disk is an old image, nothing but these can tell it
    that it signed at this height, and it must know before its start gate opens.
    """
    candidate = at.candidates.get(peer)
    proposal = [] if candidate is None else [candidate.message]
    return [*proposal, *at.witness.newest(peer)]


def with_proof(
    changes: RoundChanges, message: SignedRoundChange
) -> SignedRoundChange | ProvenRoundChange:
    """Return a round change with the certificate it claims, if that is held (M13)."""
    proof = changes.proof(message.record)
    return message if proof is None else ProvenRoundChange(message, proof)
