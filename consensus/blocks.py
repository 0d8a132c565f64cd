"""Which blocks of the open height are still missing, and who should have them (B3, C6)."""

from chain.validators import signer_keys
from consensus.open_height import BlockState, KnownBlock, OpenHeight


def find_missing(at: OpenHeight) -> list[tuple[bytes, KnownBlock]]:
    """Return the blocks that are not here and still of use, by id (C6)."""
    needed = at.needed() if at.decided is None else {at.decided.block_id}
    return [
        (block_id, block)
        for block_id, block in sorted(at.blocks.items())
        if block.state is BlockState.WANTED and block_id in needed
    ]


def find_sources(at: OpenHeight, block_id: bytes) -> list[bytes]:
    """Return the leader who proposed this block, then whoever voted for it, some twice (B3)."""
    sources: list[bytes] = []
    if at.accepted is not None and at.accepted.record.block_id == block_id:
        sources.append(at.accepted.signer)
    for candidate in at.candidates.values():
        if candidate.block_id == block_id:
            sources += [candidate.message.signer, candidate.via]
    sources += [
        vote.signer for vote in at.prepares.in_round(at.round) if vote.record.block_id == block_id
    ]
    certificates = (
        at.decided,
        None if at.choice is None else at.choice.justification.certificate,
        None if at.prepared is None else at.prepared.certificate,
    )
    for certificate in certificates:
        if certificate is not None and certificate.block_id == block_id:
            sources += signer_keys(certificate, at.context.validators)
    return sources
