"""Blocks as an auditor gets them, and the walk along their headers and certificates.

A walk needs no state: it shows which blocks are final and that their transactions are the ones
agreed on. That the results are right is shown by `audit/replay.py` alone.
"""

import msgspec

from chain import light
from chain.codec import decode, digest
from chain.errors import Malformed
from chain.records import BlockBody, Header, compute_tx_id
from chain.validators import CommitCertificate, ValidatorSet, Verify, check_commit_certificate


class RawBlock(msgspec.Struct, frozen=True):
    """A block as a source gives it: canonical bytes, nothing judged yet.

    `outcomes`: what a node keeps of what became of its transactions, and `start` of what ended by
    itself before them; only a home shows them.
    """

    header: bytes
    body: bytes
    certificate: bytes
    envelopes: tuple[bytes, ...]
    outcomes: bytes | None = None
    start: bytes | None = None


class Block(msgspec.Struct, frozen=True):
    """A block taken apart; its envelopes are those that its body names."""

    header: Header
    body: BlockBody
    certificate: CommitCertificate
    envelopes: tuple[bytes, ...]
    outcomes: bytes | None = None
    start: bytes | None = None


def decode_block(raw: RawBlock) -> Block:
    """Return the block in `raw`, or raise `Malformed` where its parts do not belong together."""
    header = decode(Header, raw.header)
    body = decode(BlockBody, raw.body)
    certificate = decode(CommitCertificate, raw.certificate)
    if header.body_hash != digest(body):
        raise Malformed("the body is not that of the header")
    if body.tx_ids != tuple(compute_tx_id(envelope) for envelope in raw.envelopes):
        raise Malformed("the transactions are not those of the body")
    return Block(header, body, certificate, raw.envelopes, raw.outcomes, raw.start)


class Walk:
    """Where a walk along a chain stands: `trusted`, and the set that certified it.

    Two steps per block, because what a block does tells who certifies the next one.
    """

    def __init__(
        self, start: light.Trusted, verify: Verify, certified_by: ValidatorSet | None = None
    ) -> None:
        self.trusted = start
        self._verify = verify
        self._certified_by = certified_by  # None: the start is genesis, which nobody certified

    def check(self, block: Block) -> None:
        """Raise `Malformed` unless `block` is the next final one and embeds its parent's proof."""
        light.check_final(self.trusted, block.header, block.certificate, self._verify)
        self._check_last_commit(block.body.last_commit)

    def advance(self, header: Header, next_validators: ValidatorSet) -> None:
        """Stand on `header`, which was checked; `next_validators` certify the block after it."""
        certified_by = self.trusted.validators
        self.trusted = light.advance(self.trusted, header, next_validators)
        self._certified_by = certified_by

    def _check_last_commit(self, last: CommitCertificate | None) -> None:
        """consensus M8: the body holds a certificate of its parent, by the set of the parent."""
        parent, signers = self.trusted, self._certified_by
        if signers is None:
            if last is not None:
                raise Malformed("block 1 with a last commit")
            return
        if last is None:
            raise Malformed("the body lacks the last commit")
        claimed = (last.height, last.block_id, last.log_size, last.log_root)
        if claimed != (parent.height, parent.block_id, parent.log_size, parent.log_root):
            raise Malformed("the last commit is of another block")
        try:
            check_commit_certificate(last, signers, parent.chain_id, self._verify)
        except Malformed as error:
            raise Malformed(f"last commit: {error}") from error
