"""What a validator that floods says: all that the quotas of a link let through (consensus B7).

Well signed where that costs the most: old and future heights, rounds up to the cap, two words in
one round, proposals of huge blocks, boasts, requests without end, announcements of nothing,
transactions. The simulator and the drills flood with the same words (F34, F35).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from chain.codec import encode
from chain.records import BLOCK_TXS_MAX, block_id
from chain.signed import (
    EMPTY_JUSTIFICATION,
    ROUND_MAX,
    ChainName,
    Commit,
    Prepare,
    Proposal,
    RoundChange,
    justification_digest,
)
from chain.validators import CommitCertificate, PreparedCertificate
from consensus.messages import (
    CompactBlock,
    Draft,
    DraftProposal,
    ProvenRoundChange,
    SignedRoundChange,
    Status,
    seal,
    signed_bytes,
)
from node.messages import (
    IDS_MAX,
    BodyRequest,
    CertificateNote,
    ChunkRequest,
    EvidenceNote,
    HeadersRequest,
    ManifestRequest,
    RangeRequest,
    SaidRequest,
    SnapshotsRequest,
    TxAnnounce,
    TxBatch,
    TxRequest,
)
from node.wire import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from chain.codec import Record
    from node.runtime import Runtime

SECOND = 1_000
TICK_MS = 500
FAR = 2**62
HUGE_EVERY = 40  # one frame in so many is as large as its kind may be


class Flooder:
    """The key of one validator, and the messages it makes for one victim."""

    def __init__(
        self,
        runtime: Runtime,
        key: bytes,
        sign: Callable[[bytes], bytes],
        make_tx: Callable[[], bytes],
        chance: Random,
        *,
        fault_every: int | None,
    ) -> None:
        """With `fault_every` one frame in so many is a fault that ends the link (B12)."""
        self._runtime = runtime
        self._key = key
        self._sign_bytes = sign
        self._make_tx = make_tx
        self._chance = chance
        self._fault_every = fault_every
        self._chain = ChainName(runtime.chain.digest, runtime.chain.chain_id)
        self.makers: dict[str, Callable[[], Record]] = {
            "status": self._status,
            "prepare": lambda: self._sign(Prepare(*self._where(), self._bytes())),
            "commit": lambda: self._sign(self._commit()),
            "round_change": lambda: self._sign(self._change()),
            "proven_round_change": self._proven,
            "prepared_certificate": lambda: self._proof(*self._where()[1:], self._bytes()),
            "commit_certificate": self._certificate,
            "certificate_note": lambda: CertificateNote(encode(self._certificate())),
            "proposal": self._proposal,
            "body_request": lambda: BodyRequest(self._bytes()),
            "tx_request": lambda: TxRequest(self._ids(8)),
            "range_request": self._range,
            "said_request": lambda: SaidRequest(self._height(), None),
            "snapshots_request": SnapshotsRequest,
            "manifest_request": lambda: ManifestRequest(self._bytes()),
            "headers_request": lambda: HeadersRequest(self._height(), FAR),
            "chunk_request": lambda: ChunkRequest(self._bytes(), self._chance.randrange(9)),
            "evidence": lambda: EvidenceNote(self._bytes()),
            "tx_announce": lambda: TxAnnounce(self._ids(IDS_MAX if self._is_huge() else 8)),
            "tx_batch": self._batch,
        }

    def burst(self) -> Iterator[Record]:
        """Yield what one link lets through in one tick, in a random order."""
        ready = [
            kind.label
            for kind in KINDS
            if kind.label in self.makers
            for _ in range(max(1, (kind.per_second or 0) * TICK_MS // SECOND))
        ]
        self._chance.shuffle(ready)
        for label in ready:
            if label not in GUILTY or self._is_guilty():
                yield self.makers[label]()

    def _is_huge(self) -> bool:
        return self._chance.randrange(HUGE_EVERY) == 0

    def _is_guilty(self) -> bool:
        return self._fault_every is not None and self._chance.randrange(self._fault_every) == 0

    def _bytes(self) -> bytes:
        return self._chance.randbytes(32)

    def _ids(self, count: int) -> tuple[bytes, ...]:
        return tuple(self._bytes() for _ in range(count))

    def _height(self) -> int:
        tip = self._runtime.store.tip.height
        return self._chance.choice((tip + 1, tip + 1, tip + 1, tip, tip + 2, tip + 3, 1, FAR))

    def _round(self) -> int:
        return self._chance.choice((0, 0, 1, 2, self._chance.randrange(ROUND_MAX + 1), ROUND_MAX))

    def _where(self) -> tuple[bytes, int, int]:
        return self._chain.genesis_digest, self._height(), self._round()

    def _commit(self) -> Commit:
        return Commit(self._height(), self._round(), self._bytes(), 7, self._bytes())

    def _change(self) -> RoundChange:
        digest, height, round_ = self._where()
        claim = (None, None) if self._is_huge() else (max(0, round_ - 1), self._bytes())
        return RoundChange(digest, height, max(1, round_), *claim)

    def _proven(self) -> Record:
        change = self._sign(self._change())
        assert isinstance(change, SignedRoundChange)
        record = change.record
        claimed = record.prepared_round, record.prepared_id
        proof = self._proof(record.height, claimed[0] or 0, claimed[1] or bytes(32))
        return ProvenRoundChange(change, proof)

    def _proof(self, height: int, round_: int, block: bytes) -> PreparedCertificate:
        return PreparedCertificate(height, round_, block, b"\x07", (bytes(64),) * 3)

    def _certificate(self) -> CommitCertificate:
        return CommitCertificate(
            self._height(), 0, self._bytes(), 7, self._bytes(), b"\x07", (bytes(64),) * 3
        )

    def _proposal(self) -> Record:
        digest, height, round_ = self._where()
        tip = self._runtime.store.tip.height
        if tip < height < FAR and not self._is_guilty():
            height = FAR if self._fault_every is None else tip + 3  # a leader is known of tip + 1
        header = self._runtime.store.header(max(1, tip))
        assert header is not None
        header = replace(header, height=height, body_hash=self._bytes(), creator=self._key)
        count = BLOCK_TXS_MAX if self._is_huge() else 4
        shorts = tuple(self._chance.randbytes(8) for _ in range(count))
        block = CompactBlock(header, None, (), shorts)
        reasons = EMPTY_JUSTIFICATION
        named = Proposal(digest, height, round_, block_id(header), justification_digest(reasons))
        return self._sign(DraftProposal(named, block, reasons))

    def _status(self) -> Record:
        bitmap = self._chance.randbytes(1)[0] & 0x0F
        held = (bytes([bitmap]),) * 3
        height = self._height()
        return Status(height, 0, height - 1, self._bytes(), self._bytes(), *held, None, 0)

    def _range(self) -> Record:
        start = self._height()
        return RangeRequest(start, start + 1_000)

    def _batch(self) -> Record:
        raw = self._make_tx()
        if self._chance.random() < 0.5:
            raw = raw[:-1] + bytes([raw[-1] ^ 1])
        return TxBatch((raw,))

    def _sign(self, draft: Draft) -> Record:
        return seal(draft, self._key, self._sign_bytes(signed_bytes(self._chain, draft)))


# Each of these is a fault that no honest peer makes, and ends the link (B12).
GUILTY = {
    "prepared_certificate",
    "commit_certificate",
    "certificate_note",
    "evidence",
    "proven_round_change",
}
