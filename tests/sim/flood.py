"""A validator that floods, and what a node keeps of it (consensus F34, F35, B7 to B9, I8).

The flood goes as fast as the quotas of a link let through (`node/wire.py`), well signed where that
costs the most: old and future heights, rounds up to the cap, two words in one round, proposals of
huge blocks, boasts, requests without end, announcements of nothing and transactions of nobody.
Time is virtual; the memory is real: the size of everything that the node's runtime refers to.
"""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw
from msgspec.structs import replace

from chain.codec import encode
from chain.errors import Malformed
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
    EvidenceNote,
    RangeRequest,
    TxAnnounce,
    TxBatch,
    TxRequest,
)
from node.store_memory import MemoryStore
from node.wire import KINDS
from tests.sim.disk import SimDisk
from tests.sim.test_scenarios import Calm, pay
from tests.sim.world import SimNode, World, node_start, people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from chain.codec import Record

SECOND = 1_000
TICK_MS = 500
FAR = 2**62
PAY_EVERY_MS = 2 * SECOND
HUGE_EVERY = 40  # one frame in so many is as large as its kind may be
FAULT_EVERY = 2_000  # and one in so many costs the flooder its link (B12)
# What a runtime holds that is its disk, or belongs to the simulator and not to the node.
NOT_MEMORY = (
    World,
    SimNode,
    SimDisk,
    MemoryStore,
    ModuleType,
    type,
    FunctionType,
    BuiltinFunctionType,
)


WARM_MINUTES = 30  # until the replay window (600 s) and the memory of refusals are full
SHARE_MINUTES = 10  # the first and the last minutes of an hour that are compared
GROWTH_MAX = 1.10


class Sample(NamedTuple):
    """What a flooded node held at one moment."""

    minute: int
    height: int
    frames: int  # that came from the flooder so far
    kib: int
    links_lost: int


class Flooder:
    """The key of one validator, and the messages it makes for one victim."""

    def __init__(self, world: World, node: SimNode, chance: Random) -> None:
        self._world = world
        self._node = node
        self._chance = chance
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
        return self._chance.randrange(FAULT_EVERY) == 0

    def _bytes(self) -> bytes:
        return self._chance.randbytes(32)

    def _ids(self, count: int) -> tuple[bytes, ...]:
        return tuple(self._bytes() for _ in range(count))

    def _height(self) -> int:
        tip = max(n.runtime.store.tip.height for n in self._world.nodes if n.runtime is not None)
        return self._chance.choice((tip + 1, tip + 1, tip + 1, tip, tip + 2, tip + 3, 1, FAR))

    def _round(self) -> int:
        return self._chance.choice((0, 0, 1, 2, self._chance.randrange(ROUND_MAX + 1), ROUND_MAX))

    def _where(self) -> tuple[bytes, int, int]:
        return self._world.genesis.digest, self._height(), self._round()

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
        runtime = self._node.runtime
        assert runtime is not None
        digest, height, round_ = self._where()
        tip = runtime.store.tip.height
        if height == tip + 1 and not self._is_guilty():
            height += 1  # who leads the open height is known: another is a fault (B12)
        header = runtime.store.header(max(1, tip))
        assert header is not None
        header = replace(header, height=height, body_hash=self._bytes(), creator=self._node.key)
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
        return Status(
            height, 0, height - 1, self._bytes(), self._bytes(), *held, None, self._world.now
        )

    def _range(self) -> Record:
        start = self._height()
        return RangeRequest(start, start + 1_000)

    def _batch(self) -> Record:
        payer, payee = self._chance.sample(people(), 2)
        raw = self._world.make_payment(payer, payee, 1)
        if self._chance.random() < 0.5:
            raw = raw[:-1] + bytes([raw[-1] ^ 1])
        return TxBatch((raw,))

    def _sign(self, draft: Draft) -> Record:
        chain = ChainName(self._world.genesis.digest, self._world.chain.chain_id)
        signature = self._world.sign(self._node.seed, signed_bytes(chain, draft))
        return seal(draft, self._node.key, signature)


# Each of these is a fault that no honest peer makes, and ends the link (B12).
GUILTY = {
    "prepared_certificate",
    "commit_certificate",
    "certificate_note",
    "evidence",
    "proven_round_change",
}


class FloodWorld(World):
    """A calm world that does not read a whole guard at each vote (I4): others look after that."""

    def check_sent(self, node: SimNode, message: Record) -> None:
        """Let it pass."""


class Flood:
    """Four validators, of which the first floods the second as fast as it may."""

    def __init__(self, chance: Random) -> None:
        self.world = FloodWorld(1, nodes=4, faults=Calm)
        for node in self.world.nodes:
            self.world.at(0, None, "start", node_start(node))
        self.world.run(3 * SECOND)
        self.liar, self.victim = self.world.nodes[:2]
        self.liar.lie = lambda message: message  # what it does is a fault of its own
        self._flooder = Flooder(self.world, self.liar, chance)
        self.frames = self.links_lost = 0
        pay(self.world, count=2, every=SECOND)
        self._pay()
        self._flood()

    def play(self, minutes: int) -> Iterator[Sample]:
        """Let so much virtual time pass; yield what the victim holds after each minute."""
        for minute in range(1, minutes + 1):
            self.world.run(self.world.now + 60 * SECOND)
            runtime = self.victim.runtime
            assert runtime is not None
            kib = measure_kib(runtime)
            yield Sample(minute, runtime.store.tip.height, self.frames, kib, self.links_lost)

    def _pay(self) -> None:
        self.world.pay()
        self.world.later(PAY_EVERY_MS, None, "pay", self._pay)

    def _flood(self) -> None:
        world, victim, liar = self.world, self.victim, self.liar
        assert victim.runtime is not None
        if victim.linked.get(liar.key) is liar:
            for message in self._flooder.burst():
                self.frames += 1
                try:
                    victim.runtime.on_message(liar.key, message)
                except Malformed:
                    self.links_lost += 1
                    world.cut_off(victim, liar)
                    break
        world.later(TICK_MS, victim, "flood", self._flood)


def compute_growth(samples: Sequence[Sample]) -> float:
    """Return the mean of the last minutes over that of the first ones after the caches are full."""
    warm = [sample.kib for sample in samples if sample.minute > WARM_MINUTES]
    first, last = warm[:SHARE_MINUTES], warm[-SHARE_MINUTES:]
    return (sum(last) / len(last)) / (sum(first) / len(first))


def measure_kib(root: object) -> int:
    """Return the size in KiB of all that `root` refers to, each object once; no disk, no code."""
    gc.collect()
    seen: set[int] = set()
    left, size = [root], 0
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, NOT_MEMORY):
            continue
        seen.add(id(one))
        size += len(bytes(one)) if isinstance(one, Raw) else sys.getsizeof(one)
        left += gc.get_referents(one)
    return size // 1024
