"""Growth curves: how fast n validators agree over slow lines, on one simulated core each.

The production runtime of every node runs, with the quotas of its links. Simulated are the lines
(`tests/sim/tcp.py`), the core (`tests/sim/processor.py`), and the disk and the signatures, whose
cost is charged as it was measured (`tests/sim/costs.py`). Clients submit signed payments to the
nodes in turn; one counts from its submission until the node that took it can say `final`. The
HTTP side of a node is not part of it. A run is a pure function of setting and costs.
"""

from __future__ import annotations

import gc
import heapq
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from chain.codec import digest, encode
from chain.contract import Table
from chain.crypto import public_key
from chain.records import TX_CONTEXT, Envelope, KeySignature, encode_body
from consensus.guard import Binding
from contracts import CONTRACTS
from contracts.coin import Leg, Transfer
from node.chainstore import ChainStore, create_chain
from node.flow import Inflow, expects_answer
from node.guard_file import create_guard
from node.head_file import HeadBinding, create_head_file
from node.main import VERIFIED_MAX
from node.runtime import Runtime
from node.store_memory import MemoryStore
from node.wire import HEAD_BYTES, LENGTH_BYTES, decode_record, encode_frame
from testnet.figures import compute_latency_ms
from tests import federation
from tests.sim.disk import SimDisk
from tests.sim.processor import Processor, Tariff
from tests.sim.tcp import US, Clock, Pipe, Uplink
from tests.sim.world import KIND_OF_CODE, START_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chain.codec import Record
    from chain.execute import Base, Executed
    from chain.genesis import Genesis
    from chain.records import BlockBody, Header, Tx
    from consensus import events
    from consensus.guard import Position, Slot
    from consensus.messages import CompactBlock
    from node.intake import Verdict
    from node.ports import Check, Peer
    from node.runtime import Applied
    from node.sync import Fetched
    from node.wire import Kind

PEOPLE = 2_000
CENTS = 100_000  # of each: nobody runs dry
LIVES_S = 500
STARTED_MS = 2_000  # nodes start within this time, so their clocks of 2 s (T6) tick apart
LINKED_MS = 1_000  # then all links come up, in an order of their own
SETTLED_MS = STARTED_MS + LINKED_MS + 2_000
JITTER = 0.4  # a link is so much faster or slower than the others
DRAIN_S = 10  # for what was submitted in the window to become final
DECODED_MAX = 20_000  # records kept for the other receivers of the same frame


class Setting(NamedTuple):
    """One run. `latency_ms` is one way; `rate` is payments offered per second, all nodes together,
    `burst` of them at a time to one node.

    With `in_flight` each final payment is followed by another instead, so many at a time.
    `dead` nodes stop for good when the load begins.
    """

    validators: int
    latency_ms: int
    loss: float = 0.0
    uplink_mbit: int = 25
    rate: int = 220  # a tenth above what is asked: payments come at random
    burst: int = 1
    in_flight: int = 0
    dead: int = 0
    seconds: int = 10
    warm_s: int = 3
    round_ms: int = 4_000  # consensus T1: the default for a wide network
    seed: int = 1


class Figures(NamedTuple):
    """What came out. Bytes are of the wire, per live node and payment; shares are of one core or
    line, of the mean and of the busiest node.
    """

    tps: float
    latency_ms: dict[str, float]
    blocks: int
    tx_per_block: float
    failed_rounds: int
    refused: int
    unfinished: int
    bytes_per_payment: float
    cpu_mean: float
    cpu_max: float
    line_mean: float
    line_max: float
    dropped: dict[str, int]
    cpu_us_per_payment: dict[str, float]


class GrowthTimers:
    """The clock of a node goes on while it works."""

    def __init__(self, node: GrowthNode) -> None:
        self._node = node
        self._set: dict[str, int] = {}

    def mono_ms(self) -> int:
        return self._node.cpu.now // 1_000

    def wall_ms(self) -> int:
        return START_MS + self.mono_ms()

    def set(self, name: str, at_mono_ms: int) -> None:
        world, node = self._node.world, self._node
        world.count += 1
        token = self._set[name] = world.count

        def due() -> None:
            if self._set.get(name) == token:
                node.cpu.put(ring)

        def ring() -> None:
            if self._set.get(name) == token:
                del self._set[name]
                node.run(f"alarm {name}", 0, lambda: node.runtime.fire(name))

        world.at(max(at_mono_ms * 1_000, world.now), due)

    def cancel(self, name: str) -> None:
        self._set.pop(name, None)


class GrowthLinks:
    """The links port over pipes; frames leave when the event that sent them is done."""

    def __init__(self, node: GrowthNode) -> None:
        self._node = node

    def send(self, peer: Peer, message: Record) -> None:
        kind, frame = encode_frame(message)
        if peer not in self._node.pipes:
            return
        if expects_answer(message) and not self._node.inflows[peer].ask(
            type(message), self._node.cpu.now / US
        ):
            self._node.world.drop(kind, "requests")
            return
        self._put(peer, kind, frame)

    def broadcast(self, message: Record) -> None:
        kind, frame = encode_frame(message)
        for peer in self._node.pipes:
            self._put(peer, kind, frame)

    def peers(self) -> tuple[Peer, ...]:
        return tuple(sorted(self._node.pipes))

    def _put(self, peer: Peer, kind: Kind, frame: bytes) -> None:
        node = self._node
        node.pipes[peer].put(kind, frame)
        node.dirty[peer] = None
        node.charge("send", len(frame))


class GrowthVerifier:
    """Signature checks of transactions: on the same core, as events of their own."""

    def __init__(self, node: GrowthNode) -> None:
        self._node = node

    def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
        node = self._node
        verdicts = [node.world.verify(*check) for check in checks]

        def check() -> None:
            node.charge("verify", len(checks))
            node.run("checked", len(checks), lambda: done(verdicts))

        node.cpu.put(check)

    def now(self, checks: Sequence[Check]) -> list[bool]:
        self._node.charge("verify", len(checks))
        return [self._node.world.verify(*check) for check in checks]


class GrowthSigner:
    """The guard of a node on a disk of its own, and the time its sync takes."""

    def __init__(self, node: GrowthNode) -> None:
        self._node = node
        binding = Binding(node.key, node.world.genesis.digest, node.instance)
        self._guard = create_guard(node.root / "guard.bin", binding, node.sign, node.disk)

    @property
    def last(self) -> Slot | None:
        return self._guard.last

    def slots(self, height: int) -> tuple[Slot, ...]:
        return self._guard.slots(height)

    def recall(self, height: int) -> tuple[Slot, ...]:
        return self._guard.recall(height)

    def raise_to(self, height: int) -> None:
        self._guard.raise_to(height)

    def sign(self, at: Position, signed: bytes) -> bytes:
        self._node.charge("sign", 1)
        signature: bytes = self._node.run("stand-in", 0, lambda: self._guard.sign(at, signed))
        return signature


class GrowthStore(MemoryStore):
    """A store in memory that takes the time of one on disk."""

    def __init__(self, node: GrowthNode, pairs: dict[bytes, bytes]) -> None:
        super().__init__(pairs)
        self._node = node

    def get(self, key: bytes) -> bytes | None:
        if not self._node.world.shares:
            self._node.charge("get", 1)
        return super().get(key)

    def write(self, batch: Sequence[tuple[bytes, bytes | None]]) -> None:
        self._node.charge("write", len(batch))
        write = super().write
        self._node.run("stand-in", 0, lambda: write(batch))
        if self._node.world.batches is not None:
            self._node.world.batches.append(tuple(batch))


class GrowthRuntime(Runtime):
    """The production runtime, with its large stages counted by themselves."""

    def __init__(self, node: GrowthNode, *parts: Any) -> None:
        self._node = node
        super().__init__(*parts)
        build, run = self.candidates.build, self.candidates.run

        def counted_build(creator: bytes, wall_ms: int) -> CompactBlock:
            work = partial(build, creator, wall_ms)
            block: CompactBlock = node.run("build", lambda made: len(made.short_ids), work)
            candidate = self.candidates.get(block.block_id)
            assert candidate is not None
            node.world.executed[block.block_id] = candidate.executed
            return block

        def counted_run(
            header: Header, body: BlockBody, txs: tuple[Tx, ...], base: Base | None = None
        ) -> Executed:
            known = node.world.executed.get(digest(header)) if node.world.shares else None
            work = partial(run, header, body, txs, base)
            result: Executed = node.run(
                "execute", len(txs), work if known is None else lambda: known
            )
            return result

        self.candidates.build = counted_build  # type: ignore[method-assign]
        self.candidates.run = counted_run  # type: ignore[method-assign]

    def _apply(self, block: Fetched, executed: Executed) -> None:
        apply = super()._apply
        self._node.run("apply", len(block.txs), lambda: apply(block, executed))

    def _new_height(self) -> events.Event:
        open_height = super()._new_height
        found: events.Event = self._node.run("height", 0, open_height)
        return found

    def _persist(self, record: Any) -> None:
        persist = super()._persist
        self._node.run("persist", 0, lambda: persist(record))


class GrowthNode:
    """A validator: its runtime, core and lines."""

    def __init__(self, world: Growth, name: str, pairs: dict[bytes, bytes]) -> None:
        self.world = world
        self.name = name
        self.seed = federation.seed(f"node-{name}")
        self.key = public_key(self.seed)
        self.root = Path("/") / name
        self.instance = sha256(name.encode()).digest()[:16]
        self.disk = SimDisk(lambda _point: None)
        self.cpu = Processor(world, self._leave)
        self.uplink = Uplink(world, world.setting.uplink_mbit * 1_000_000)
        self.pipes: dict[bytes, Pipe] = {}
        self.inflows: dict[bytes, Inflow] = {}
        self.dirty: dict[bytes, None] = {}
        self._final: list[int] = []  # when the payments were submitted that are final now
        self._valid: dict[bytes, None] = {}
        store = ChainStore(GrowthStore(self, pairs))
        tip, binding = store.tip, HeadBinding(world.genesis.digest, self.instance)
        roots = (tip.log_root, tip.state_root)
        heads = create_head_file(
            self.root / "head.bin", binding, tip.height, tip.block_id, roots, self.disk
        )
        append = heads.append

        def counted_append(*head: Any) -> None:
            self.charge("head", 1)
            self.run("stand-in", 0, lambda: append(*head))

        heads.append = counted_append  # type: ignore[method-assign, assignment]
        self.runtime = GrowthRuntime(
            self,
            world.chain,
            store,
            heads,
            GrowthSigner(self),
            GrowthLinks(self),
            GrowthTimers(self),
            GrowthVerifier(self),
            self.verify,
            self.key,
        )
        self.runtime.on_applied.append(lambda applied: world.on_applied(self, applied))

    def run(self, stage: str, units: Any, work: Callable[[], Any]) -> Any:
        return self.world.meter.run(self.cpu, stage, units, work)

    def charge(self, stage: str, units: int) -> None:
        self.world.meter.charge(self.cpu, stage, units)

    def sign(self, message: bytes) -> bytes:
        return self.world.sign(self.seed, message)

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Check a signature of consensus once, as `RememberingVerify` of node/main.py."""
        known = blake2b(key + signature + message, digest_size=32).digest()
        if known in self._valid:
            return True
        self.charge("verify", 1)
        if not self.world.verify(key, message, signature):
            return False
        if len(self._valid) >= VERIFIED_MAX:
            self._valid.pop(next(iter(self._valid)))
        self._valid[known] = None
        return True

    def receive(self, sender: bytes, frame: bytes) -> None:
        """Handle a frame: the quota first, then the bytes (Z14)."""
        kind, inflow = KIND_OF_CODE[frame[LENGTH_BYTES]], self.inflows.get(sender)
        if inflow is None:
            return
        self.charge("receive", len(frame))
        if not inflow.admit(kind, self.cpu.now / US):
            self.world.drop(kind, "quota")
            return

        def handle() -> int:
            message = self.world.decode(kind, frame)
            self.runtime.on_message(sender, message)
            return _items(kind, message)

        self.run(kind.label, lambda items: items, handle)

    def link(self, peer: GrowthNode) -> None:
        """Connect this end of a link; the runtime hears of it in its turn."""
        world = self.world
        pair = sorted((self.name, peer.name))
        chance = Random(f"{world.setting.seed}/link {pair}")
        latency_us = world.setting.latency_ms * 1_000
        latency_us = int(latency_us * (1 + JITTER * (2 * chance.random() - 1)))

        def deliver(frame: bytes) -> None:
            peer.cpu.put(lambda: peer.receive(self.key, frame))

        loss = world.setting.loss
        self.pipes[peer.key] = Pipe(
            world, self.uplink, latency_us, loss, Random(f"{chance.random()} {self.name}"), deliver
        )
        self.inflows[peer.key] = Inflow(world.now / US)
        self.cpu.put(lambda: self.run("link", 0, lambda: self.runtime.on_link(peer.key, up=True)))

    def unlink(self, peer: GrowthNode) -> None:
        """The process at the other end is gone, and its kernel says so."""
        self.pipes.pop(peer.key).cut = True
        del self.inflows[peer.key]
        self.dirty.pop(peer.key, None)
        self.cpu.put(lambda: self.run("link", 0, lambda: self.runtime.on_link(peer.key, up=False)))

    def submit(self, raw: bytes) -> None:
        """Take a payment of a client, and note when it is final."""
        world, began = self.world, self.world.now

        def final(place: Any) -> None:
            assert place is not None, "a payment expired"
            self._final.append(began)

        def answered(verdict: Verdict) -> None:
            if verdict.status == "pending":
                self.runtime.watch(verdict.tx_id, final)
            else:
                world.refused += 1

        def take() -> None:
            self.run("submit", 1, lambda: self.runtime.submit(raw, answered))

        self.cpu.put(take)

    def _leave(self) -> None:
        """An event is done: what it said leaves, and its clients are answered."""
        dirty, self.dirty = self.dirty, {}
        for peer in dirty:
            if peer in self.pipes:
                self.pipes[peer].flush()
        final, self._final = self._final, []
        for began in final:
            self.world.on_final(self, began)


class Growth(Clock):
    """A network of n validators under load, in virtual µs."""

    def __init__(self, setting: Setting, meter: Tariff) -> None:
        self.setting = setting
        self.meter = meter
        self.now = self.count = 0
        self.batches: list[tuple[tuple[bytes, bytes | None], ...]] | None = None
        self.shares = True  # what all nodes compute alike is computed once; a probe shares nothing
        self.executed: dict[bytes, Executed | None] = {}
        self.refused = 0
        self.dropped: dict[str, int] = {}
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._decoded: dict[bytes, Record] = {}
        self._chance = Random(f"{setting.seed}/clients")
        self._nonce = 0
        self._turn = 0
        self._latencies: list[float] = []
        self._measured_from = 0
        self._measured_until = 0
        self._submitted = self._committed = 0
        self._blocks: list[int] = []
        self._failed = 0
        self.genesis = make_genesis(setting)
        self.chain = self.genesis.chain(Table(CONTRACTS))
        self._people = [federation.seed(name) for name in people()]
        self._accounts = [federation.account(name) for name in people()]
        self._seeds = {public_key(seed): seed for seed in self._people}
        pairs: dict[bytes, bytes] = {}
        create_chain(MemoryStore(pairs), self.genesis)
        self.nodes: list[GrowthNode] = []
        for doc in self.genesis.doc.validators:
            self.nodes.append(GrowthNode(self, doc.name, pairs.copy()))
        self._seeds.update({node.key: node.seed for node in self.nodes})
        self.live = self.nodes[setting.dead :]

    def at(self, when: int, action: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self._heap, (when, self.count, action))

    def run(self, until: int) -> None:
        """Let everything happen up to `until`, µs."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action = heapq.heappop(heap)
            action()
        self.now = until

    def sign(self, seed: bytes, message: bytes) -> bytes:
        """Sign with a fast MAC; what a signature costs is charged."""
        return blake2b(message, key=seed, digest_size=64).digest()

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Verify what `sign` made."""
        return self.sign(self._seeds[key], message) == signature

    def decode(self, kind: Kind, frame: bytes) -> Record:
        """Return the record of a frame; the receivers of a broadcast share one."""
        known = self._decoded.get(frame) if self.shares else None
        if known is None:
            known = decode_record(kind, frame[HEAD_BYTES:])
            if len(self._decoded) >= DECODED_MAX:
                self._decoded.clear()
            self._decoded[frame] = known
        return known

    def drop(self, kind: Kind, why: str) -> None:
        """A quota let a frame not pass."""
        what = f"{kind.label} {why}"
        self.dropped[what] = self.dropped.get(what, 0) + 1

    # ------------------------------------------------------------------------------- the story

    def play(self) -> Figures:
        """Start, load, measure and drain.

        A world is a large heap of objects that stay: looking for garbage in it takes a fifth of
        the time and finds little.
        """
        gc.collect()
        gc.disable()
        try:
            return self._play()
        finally:
            gc.enable()

    def _play(self) -> Figures:
        setting = self.setting
        self.start()
        begin = self.now
        for node in self.nodes[: setting.dead]:
            self._stop(node)
        window = begin + setting.warm_s * US, begin + (setting.warm_s + setting.seconds) * US
        self._measured_from, self._measured_until = window
        if setting.in_flight:
            for _ in range(setting.in_flight):
                self._submit(self._next_live())
        else:
            self._arrive()
        self.run(window[0])
        before = [(node.uplink.bytes, node.uplink.busy_us, node.cpu.busy_us) for node in self.live]
        self.meter.sums.clear()
        self.run(window[1])
        after = [(node.uplink.bytes, node.uplink.busy_us, node.cpu.busy_us) for node in self.live]
        sums = dict(self.meter.sums)
        blocks, failed, committed = list(self._blocks), self._failed, self._committed
        while self._submitted > len(self._latencies) and self.now < window[1] + DRAIN_S * US:
            self.run(self.now + US // 10)
        used = [
            tuple(b - a for a, b in zip(*one, strict=True))
            for one in zip(before, after, strict=True)
        ]
        wire, line, cpu = zip(*used, strict=True)
        span, n = setting.seconds * US, len(self.live)
        filled = [size for size in blocks if size]
        return Figures(
            tps=round(committed / setting.seconds, 1),
            latency_ms=compute_latency_ms(self._latencies),
            blocks=len(filled),
            tx_per_block=round(sum(filled) / max(1, len(filled)), 1),
            failed_rounds=failed,
            refused=self.refused,
            unfinished=self._submitted - len(self._latencies),
            bytes_per_payment=round(sum(wire) / n / max(1, committed), 1),
            cpu_mean=round(sum(cpu) / n / span, 4),
            cpu_max=round(max(cpu) / span, 4),
            line_mean=round(sum(line) / n / span, 4),
            line_max=round(max(line) / span, 4),
            dropped=dict(sorted(self.dropped.items())),
            cpu_us_per_payment={
                stage: round(us / n / max(1, committed), 2) for stage, us in sorted(sums.items())
            },
        )

    def start(self) -> None:
        """Start all nodes and their links, and let them settle."""
        chance = Random(f"{self.setting.seed}/start")
        for node in self.nodes:
            started = partial(node.cpu.put, node.runtime.start)
            self.at(chance.randrange(STARTED_MS) * 1_000, started)
        for place, node in enumerate(self.nodes):
            for peer in self.nodes[place + 1 :]:
                linked_ms = STARTED_MS + chance.randrange(LINKED_MS)
                self.at(linked_ms * 1_000, partial(_connect, node, peer))
        self.run(SETTLED_MS * 1_000)

    def on_applied(self, node: GrowthNode, applied: Applied) -> None:
        """Count the blocks of one node; they are those of all."""
        if node is self.live[0] and self._is_measured(self.now):
            self._blocks.append(len(applied.tx_ids))
            self._committed += applied.codes.count(0)
            self._failed += applied.certificate.round

    def on_final(self, node: GrowthNode, began: int) -> None:
        """A client read `final`."""
        if self._is_measured(began):
            self._latencies.append((self.now - began) / US)
        if self.setting.in_flight and self.now < self._measured_until:
            self._submit(node)

    def _is_measured(self, when: int) -> bool:
        return self._measured_from <= when < self._measured_until

    def _arrive(self) -> None:
        """Payments come independently of each other and of their answers (open loop)."""
        node = self._next_live()
        for _ in range(self.setting.burst):
            self._submit(node)
        gap_us = int(self._chance.expovariate(self.setting.rate / self.setting.burst) * US)
        if self.now + gap_us < self._measured_until:
            self.at(self.now + gap_us, self._arrive)

    def _next_live(self) -> GrowthNode:
        self._turn += 1
        return self.live[self._turn % len(self.live)]

    def _submit(self, node: GrowthNode) -> None:
        if self._is_measured(self.now):
            self._submitted += 1
        node.submit(self.make_payment())

    def make_payment(self) -> bytes:
        """Return a fresh payment of one cent."""
        payer, payee = self._chance.sample(range(PEOPLE), 2)
        self._nonce += 1
        expires = (START_MS + self.now // 1_000) // 1_000 + LIVES_S
        call = Transfer((Leg(self._accounts[payee], 1, None, None),), None)
        nonce = sha256(self._nonce.to_bytes(8, "big")).digest()[:16]
        body = encode_body(self.genesis.digest, self._accounts[payer], nonce, expires, call)
        signature = self.sign(self._people[payer], TX_CONTEXT + body)
        return encode(Envelope(body, (KeySignature(0, signature),)))

    def _stop(self, node: GrowthNode) -> None:
        """A process dies for good."""
        node.cpu.stopped = True
        for peer in self.nodes:
            if node.key in peer.pipes:
                peer.unlink(node)
        for pipe in node.pipes.values():
            pipe.cut = True
        node.pipes.clear()


def _connect(one: GrowthNode, other: GrowthNode) -> None:
    one.link(other)
    other.link(one)


def _items(kind: Kind, message: Any) -> int:
    """Return how many transactions a message is about."""
    if kind.label == "proposal":
        return len(message.block.short_ids)
    for field in ("envelopes", "tx_ids"):
        if hasattr(message, field):
            return len(getattr(message, field))
    return 0


def people() -> list[str]:
    """The residents who pay each other."""
    return [f"payer-{i}" for i in range(PEOPLE)]


_genesis_cache: dict[tuple[int, int], Genesis] = {}


def make_genesis(setting: Setting) -> Genesis:
    """Return the genesis of a setting, made once a size."""
    key = (setting.validators, setting.round_ms)
    if key not in _genesis_cache:
        _genesis_cache[key] = federation.make_genesis(
            wijken=1,
            balances={f"delfshaven/{name}": CENTS for name in people()},
            validators=setting.validators,
            params={"round_timeout_ms": setting.round_ms, "round_timeout_max_ms": 60_000},
        )
    return _genesis_cache[key]
