"""Messages that no honest validator says, in good form and well signed by those whose keys it has.

Everything passes the decoder of the wire first, so what comes out could come over a link.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from msgspec import structs

from chain.codec import encode
from chain.errors import Malformed
from chain.validators import CommitCertificate, PreparedCertificate
from consensus.events import HeightContext
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    EVIDENCE_BYTES_MAX,
    ROUND_MAX,
    CompactBlock,
    Justification,
    Message,
    Prepare,
    Proposal,
    ProvenRoundChange,
    RoundChange,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    decode_message,
    justification_digest,
    signed_bytes,
)
from tests.consensus.made import CHAIN, key, mac, make_block, make_commit, sign

STRANGER = "Z"
SHARES_ODD = (0.02, 0.05, 0.15)  # of the fields: most must be right, or the first check ends it


class Hostile:
    """Makes messages about one height. `signers` are the letters whose keys it may use.

    `honest` are signed round changes and proofs overheard, to put among its own.
    """

    def __init__(self, chance: Random, letters: Sequence[str], signers: Sequence[str]) -> None:
        self.chance = chance
        self.share_odd = chance.choice(SHARES_ODD)
        self.letters = letters
        self.signers = signers
        self._kinds: list[Callable[[], Message]] = [
            self._proposal,
            self._prepare,
            self._round_change,
            self._proven,
            self._status,
            self._commit,
            self._certificate,
        ]
        often = [chance.choice((0, 1, 4)) for _ in range(5)]  # each world is strong in some
        rarely = [chance.choice((0, 0, 0.05, 0.5)) for _ in range(2)]  # these end a height
        self._weights = [*often, *rarely] if sum(often) else [1.0] * len(self._kinds)
        self.height = 1
        self.round = 0
        self.parent_id = CHAIN.genesis_digest
        self.parent_time_ms = 0
        self.time_ms = 0
        self.order: Sequence[bytes] = ()
        self.blocks: list[CompactBlock] = []
        self.overheard: list[SignedRoundChange] = []
        self.proofs: list[PreparedCertificate] = []

    def look(self, context: HeightContext, round_: int, time_ms: int) -> None:
        """Say where the victim stands; what was made for another height is forgotten."""
        if context.height != self.height:
            self.blocks, self.overheard, self.proofs = [], [], []
        self.height, self.parent_id = context.height, context.parent_id
        self.parent_time_ms, self.order = context.parent_time_ms, context.order
        self.round, self.time_ms = round_, time_ms

    def say(self) -> Message:
        """Return one message that can be decoded."""
        while True:
            (make,) = self.chance.choices(self._kinds, self._weights)
            message = make()
            try:
                return decode_message(encode(message))
            except Malformed:
                continue  # a record that the wire would refuse

    # ------------------------------------------------------------------------------ numbers

    def _odd(self) -> bool:
        return self.chance.random() < self.share_odd

    def _round(self) -> int:
        if self._odd() and self._odd():
            return self.chance.choice((0, 1, ROUND_MAX - 1, ROUND_MAX))
        return min(ROUND_MAX, max(0, self.round + self.chance.choice((-1, 0, 0, 0, 1, 1, 2))))

    def _height(self) -> int:
        if self._odd():
            return max(0, self.height + self.chance.choice((-2, -1, 1, 2, 3, 2**62)))
        return self.height

    def _letter(self) -> str:
        return STRANGER if self._odd() and self._odd() else self.chance.choice(self.signers)

    def _block(self) -> CompactBlock:
        chance = self.chance
        if self.blocks and chance.random() < 0.8:
            return chance.choice(self.blocks[-8:])
        creator = self._letter() if self._odd() else self._leader(self.round)
        block = make_block(
            f"odd {chance.random()}",
            key(creator),
            self._height(),
            parent_id=bytes(32) if self._odd() else self.parent_id,
            time_ms=max(
                0, self.time_ms + (chance.randrange(-(10**6), 10**6) if self._odd() else 0)
            ),
        )
        if self._odd():
            many = chance.choice((1, 2, 64))
            block = structs.replace(block, evidence=(bytes(chance.choice((1, 2_000))),) * many)
        if self._odd():
            block = structs.replace(block, short_ids=(bytes(8),) * 3)
        self.blocks.append(block)
        return block

    def _follows(self, block: CompactBlock) -> bool:
        header = block.header
        return (
            header.height == self.height
            and header.parent_id == self.parent_id
            and header.time_ms > self.parent_time_ms
            and sum(map(len, block.evidence)) <= EVIDENCE_BYTES_MAX
        )

    def _leader(self, round_: int) -> str:
        return chr(self.order[round_ % len(self.order)][0])

    # ------------------------------------------------------------------------------- records

    def _prepare(self) -> Message:
        signer = key(self._letter())
        genesis = bytes(32) if self._odd() and self._odd() else CHAIN.genesis_digest
        return self._spoil(
            sign(signer, Prepare(genesis, self._height(), self._round(), self._block().block_id))
        )

    def _commit(self) -> Message:
        size = self.chance.choice((1, 2**63 - 1)) if self._odd() else 0
        signer = key(self._letter())
        block_id = self._block().block_id
        return self._spoil(make_commit(signer, self._height(), self._round(), block_id, size))

    def _change(self, round_: int) -> SignedRoundChange:
        if self.overheard and self._odd():
            return self.chance.choice(self.overheard)
        claim: tuple[int | None, bytes | None] = (None, None)
        if self.chance.random() < 0.4:
            proof = self._prepared()
            claim = (min(ROUND_MAX, proof.round), proof.block_id)
            if self._odd():
                claim = (None, proof.block_id)
        record = RoundChange(CHAIN.genesis_digest, self._height(), round_, *claim)
        message = sign(key(self._letter()), record)
        assert isinstance(message, SignedRoundChange)
        return message

    def _round_change(self) -> Message:
        return self._spoil(self._change(self._round()))

    def _proven(self) -> Message:
        change = self._change(self._round())
        claims = (change.record.prepared_round, change.record.prepared_id)
        fitting = [proof for proof in self.proofs if (proof.round, proof.block_id) == claims]
        proof = self.chance.choice(fitting) if fitting and not self._odd() else self._prepared()
        return ProvenRoundChange(change, proof)

    def _prepared(self) -> PreparedCertificate:
        """A certificate of prepares: an old one, or a new one by as many as it can sign for.

        It is for a block that follows its parent and fits: a quorum for another takes more than f
        liars, and who carries that on ends, for it cannot be told from a fault of its own (M16).
        """
        if self.proofs and self.chance.random() < 0.7:
            return self.chance.choice(self.proofs[-8:])
        height, round_, block = self._height(), self._round(), self._block()
        while not self._follows(block):
            block = self._block()
        block_id = block.block_id
        signed = signed_bytes(CHAIN, Prepare(CHAIN.genesis_digest, height, round_, block_id))
        proof = PreparedCertificate(height, round_, block_id, *self._signatures(signed))
        self.proofs.append(proof)
        return proof

    def _certificate(self) -> Message:
        height, round_, block_id = self._height(), self._round(), self._block().block_id
        signed = make_commit(key("A"), height, round_, block_id).record
        bitmap, signatures = self._signatures(signed_bytes(CHAIN, signed))
        if self._odd():
            round_ = self.chance.choice((ROUND_MAX + 1, 2**63 - 1))
        return CommitCertificate(
            height, round_, block_id, signed.log_size, signed.log_root, bitmap, signatures
        )

    def _signatures(self, signed: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """A bitmap and signatures; sometimes with spare bits, of a wrong length, or too few."""
        many = self.chance.randrange(1, len(self.signers) + 1) if self._odd() else len(self.signers)
        names = sorted(self.chance.sample(list(self.signers), many))
        bits = sum(1 << self.letters.index(name) for name in names if name in self.letters)
        if self._odd():
            bits ^= 1 << self.chance.randrange(len(self.letters) + 3)
        size = (len(self.letters) + 7) // 8 + (self._odd() and self._odd())
        bitmap = (bits & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        return bitmap, tuple(mac(key(name), signed) for name in names)

    def _justification(self, round_: int) -> Justification:
        if round_ == 0 and not self._odd():
            return EMPTY_JUSTIFICATION
        changes: dict[bytes, SignedRoundChange] = {}
        for _ in range(3 * len(self.letters)):
            change = self._change(round_)
            changes.setdefault(change.signer, change)
        chosen = [changes[signer] for signer in sorted(changes)]
        if self._odd():
            chosen.append(self.chance.choice(chosen))
        highest = max(
            (one.record for one in chosen if one.record.prepared_round is not None),
            key=lambda record: record.prepared_round or 0,
            default=None,
        )
        proofs = [
            proof
            for proof in self.proofs
            if highest is not None
            and (proof.round, proof.block_id) == (highest.prepared_round, highest.prepared_id)
        ]
        proof = self._prepared() if self._odd() else (proofs[0] if proofs else None)
        return Justification(tuple(chosen), proof)

    def _proposal(self) -> Message:
        round_ = self._round()
        reasons = self._justification(round_)
        block = self._block()
        carried = None if reasons.certificate is None else reasons.certificate.block_id
        for known in self.blocks:
            if known.block_id == carried and not self._odd():
                block = known
        leader = self._leader(round_)
        signer = leader if leader in self.signers and not self._odd() else self._letter()
        named = bytes(32) if self._odd() and self._odd() else block.block_id
        height = block.header.height
        record = Proposal(
            CHAIN.genesis_digest, height, round_, named, justification_digest(reasons)
        )
        signature = mac(key(signer), encode(record))
        message = SignedProposal(record, key(signer), signature, block, reasons)
        if self._odd():  # what the signature does not cover, as any relay could change it
            message = structs.replace(
                message, block=structs.replace(block, short_ids=(b"relayed!",))
            )
        return self._spoil(message)

    def _status(self) -> Message:
        chance, size = self.chance, (len(self.letters) + 7) // 8

        def bitmap() -> bytes:
            return chance.randbytes(size + (self._odd() and 1)) if self._odd() else bytes(size)

        height = self._height()
        return Status(
            height,
            self._round(),
            max(0, height - 1 + (chance.choice((1, 5, 2**61)) if self._odd() else 0)),
            self.parent_id,
            chance.choice((None, bytes(32))),
            bitmap(),
            bitmap(),
            bitmap(),
            chance.choice((None, "start", "x" * 32)),
            2**63 - 1 if self._odd() else self.time_ms,
        )

    def _spoil(self, message: Message) -> Message:
        """Now and then break the signature."""
        if isinstance(message, SignedPrepare | SignedProposal) and self._odd() and self._odd():
            return structs.replace(message, signature=bytes(64))
        return message
