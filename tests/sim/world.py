"""A seeded world: virtual time, a lossy network and disks that forget, around the real runtime.

One thread, one heap of events, no real clock, socket or file. A run is a pure function of the
seed (reliability J1, J2). First faults with safety checked, then healing with progress demanded.
"""

from __future__ import annotations

import heapq
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from chain import crypto
from chain.codec import encode
from chain.contract import Table
from chain.crypto import public_key
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.records import TX_CONTEXT, Envelope, KeySignature, encode_body
from chain.validators import quorum
from consensus.events import Silence
from consensus.guard import Binding, GuardDamaged
from contracts import CONTRACTS
from contracts.coin import Leg, Transfer
from node.chainstore import ChainStore, TxPlace, create_chain
from node.guard_file import GuardFile, GuardMissing, LostGuard, create_guard, open_guard
from node.guard_state import open_by_approval
from node.head_file import (
    HeadBinding,
    HeadVerdict,
    create_head_file,
    judge_head,
    open_head_file,
)
from node.intake import Verdict
from node.runtime import Runtime
from node.store_memory import MemoryStore
from node.wire import HEAD_BYTES, KINDS, decode_record, encode_frame
from tests import federation
from tests.sim.checks import Checks
from tests.sim.disk import Crashed, SimDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chain.codec import Record
    from node.ports import Check, Peer

KIND_OF_CODE = {kind.code: kind for kind in KINDS}
START_MS = federation.START_S * 1000
PEOPLE = 6
HEAL_MS = 120_000  # I9: within this much virtual time after healing every node has caught up


class Faults:
    """What may go wrong in this history, drawn once per seed (swarm testing)."""

    def __init__(self, chance: Random, nodes: int) -> None:
        def maybe(value: float) -> float:
            return value if chance.random() < 0.5 else 0.0

        self.loss = maybe(chance.uniform(0.0, 0.3))
        self.duplicates = maybe(chance.uniform(0.0, 0.5))
        self.delay_ms = chance.choice((1, 5, 50, 100)) if chance.random() < 0.9 else 1_000
        self.jitter_ms = chance.choice((0, 2, 20, 200))
        self.crashes = chance.randrange(6) if chance.random() < 0.7 else 0
        self.crash_points = maybe(chance.uniform(0.0, 0.004))
        self.partitions = chance.randrange(4) if chance.random() < 0.6 else 0
        self.power_cut = chance.random() < 0.2
        self.skew_ms = int(maybe(chance.uniform(0, 3_000)))
        self.payments = chance.randrange(5, 25)
        self.wipe = False  # drawn from a stream of its own, so that older seeds stay what they are
        self.nodes = nodes


class SimTimers:
    """The clocks and alarms of one node."""

    def __init__(self, world: World, node: SimNode) -> None:
        self._world = world
        self._node = node
        self._set: dict[str, int] = {}

    def mono_ms(self) -> int:
        return self._world.now

    def wall_ms(self) -> int:
        return START_MS + self._world.now + self._node.skew_ms

    def set(self, name: str, at_mono_ms: int) -> None:
        self._world.count += 1
        token = self._set[name] = self._world.count
        life = self._node.life

        def ring() -> None:
            if self._node.life == life and self._set.get(name) == token:
                del self._set[name]
                runtime = self._node.runtime
                assert runtime is not None
                runtime.fire(name)

        self._world.at(max(at_mono_ms, self._world.now), self._node, f"alarm {name}", ring)

    def cancel(self, name: str) -> None:
        self._set.pop(name, None)


class SimLinks:
    """The links of one node: messages are encoded, delayed, lost, doubled, and decoded again."""

    def __init__(self, world: World, node: SimNode) -> None:
        self._world = world
        self._node = node

    def send(self, peer: Peer, message: Record) -> None:
        self._world.check_sent(self._node, message)
        said = message if self._node.lie is None else self._node.lie(message)
        if said is not None:
            _, frame = encode_frame(said)
            self._world.carry(self._node, self._world.by_key[peer], bytes(frame))

    def broadcast(self, message: Record) -> None:
        for peer in self.peers():
            self.send(peer, message)

    def peers(self) -> tuple[Peer, ...]:
        return tuple(sorted(self._node.linked))


class SimVerifier:
    """Signature checks at once, in this thread."""

    def __init__(self, world: World, node: SimNode) -> None:
        self._world = world
        self._node = node

    def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
        verdicts = self.now(checks)
        life = self._node.life

        def answer() -> None:
            if self._node.life == life:
                done(verdicts)

        self._world.at(self._world.now, self._node, "verified", answer)

    def now(self, checks: Sequence[Check]) -> list[bool]:
        return [self._world.verify(*check) for check in checks]


class SimStore(MemoryStore):
    """A store whose every write may be the last thing its process does."""

    def __init__(self, pairs: dict[bytes, bytes], point: Callable[[str], None]) -> None:
        super().__init__(pairs)
        self._point = point

    def write(self, batch: Sequence[tuple[bytes, bytes | None]]) -> None:
        self._point("store.write")
        super().write(batch)
        self._point("store.written")


class Image(NamedTuple):
    """A copy of all that a node keeps."""

    pairs: dict[bytes, bytes]
    files: dict[str, bytes]


class SimNode:
    """A validator: what survives a crash, and the process while there is one."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.seed = federation.seed(f"node-{name}")
        self.key = public_key(self.seed)
        self.skew_ms = 0
        self.life = 0
        self.runtime: Runtime | None = None
        self.linked: set[bytes] = set()
        self.pairs: dict[bytes, bytes] = {}
        self.disk = SimDisk(self.point)
        self.root = Path("/") / name
        self.instance = sha256(name.encode()).digest()[:16]
        self.armed = False
        self.wiped = False
        self.may_be_damaged = False  # somebody flipped a bit of its guard
        self.lie: Callable[[Record], Record | None] | None = None  # what a liar says instead
        create_chain(MemoryStore(self.pairs), world.genesis)
        tip = ChainStore(MemoryStore(self.pairs)).tip
        binding = HeadBinding(world.genesis.digest, self.instance)
        create_guard(
            self.root / "guard.bin",
            Binding(self.key, world.genesis.digest, self.instance),
            self.sign,
            self.disk,
        ).close()
        roots = (tip.log_root, tip.state_root)
        create_head_file(self.root / "head.bin", binding, 0, tip.block_id, roots, self.disk).close()

    def sign(self, message: bytes) -> bytes:
        return self.world.sign(self.seed, message)

    def point(self, name: str) -> None:
        """A place where a crash may strike (J10)."""
        if self.armed and self.world.crash_chance.random() < self.world.faults.crash_points:
            self.world.trace(self, f"crash point {name}")
            raise Crashed(name)

    def start(self) -> None:
        """Start the process on what the disk kept."""
        world = self.world
        self.life += 1
        store = SimStore(self.pairs, self.point)
        chain_store = ChainStore(store)
        binding = HeadBinding(world.genesis.digest, self.instance)
        head, tip = self.root / "head.bin", chain_store.tip
        if not self.disk.exists(head):  # the whole disk is gone
            roots = (tip.log_root, tip.state_root)
            create_head_file(head, binding, tip.height, tip.block_id, roots, self.disk).close()
        heads = open_head_file(head, binding, self.disk)
        verdict = judge_head(tip.height, tip.block_id, heads.heads)
        is_short = verdict is HeadVerdict.LOST and self.wiped
        assert is_short or verdict is HeadVerdict.OK, f"{self.name}: acked blocks are missing (J17)"
        self.wiped = is_short  # until it has fetched back what it lost
        if tip.height > heads.last.height:
            heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
        guard = self._open_guard()
        self.runtime = Runtime(
            world.chain,
            chain_store,
            heads,
            guard,
            SimLinks(world, self),
            SimTimers(world, self),
            SimVerifier(world, self),
            world.verify,
            self.key,
            joins=isinstance(guard, LostGuard),
        )
        self.runtime.on_applied.append(lambda applied: world.checks.on_applied(self, applied))
        self.armed = True
        self.runtime.start()
        world.trace(self, f"start at {tip.height}")

    def _open_guard(self) -> GuardFile | LostGuard | None:
        """Open the guard as `node/main.py` does."""
        path, world = self.root / "guard.bin", self.world
        try:
            return open_guard(path, self.key, world.genesis.digest, self.sign, self.disk)
        except GuardMissing:
            binding = Binding(self.key, world.genesis.digest, self.instance)
            return LostGuard(path, binding, self.sign, self.disk)
        except GuardDamaged:
            if not self.may_be_damaged:
                raise  # no crash damages a guard
            return None

    def wipe(self) -> None:
        """Lose the store of a node that is down; guard and head file are kept."""
        assert self.runtime is None
        self.pairs.clear()
        create_chain(MemoryStore(self.pairs), self.world.genesis)
        self.wiped = True

    def save_image(self) -> Image:
        """Return a copy of the whole disk of a node that is down."""
        assert self.runtime is None
        names = ("guard.bin", "head.bin")
        files = {name: self.disk.durable(self.root / name) for name in names}
        return Image(dict(self.pairs), files)

    def restore_image(self, image: Image) -> None:
        """Put an older copy of the disk back (F25); without `guard.bin` it is a backup (Y30)."""
        assert self.runtime is None
        self.pairs.clear()
        self.pairs.update(image.pairs)
        for name in ("guard.bin", "head.bin"):
            self.put_file(name, image.files.get(name))

    def put_file(self, name: str, data: bytes | None) -> None:
        """Put a file into the home, or take it away."""
        path = self.root / name
        if self.disk.exists(path):
            self.disk.remove(path)
        if data is not None:
            file = self.disk.create(path)
            self.disk.write(file, data, 0)
            self.disk.sync(file)
            self.disk.close(file)
        self.disk.sync_folder(self.root)

    def crash(self) -> None:
        """End the process; the disk loses what was not synced."""
        self.life += 1
        self.armed = False
        self.runtime = None
        self.disk.crash(self.world.crash_chance)
        for peer in sorted(self.linked):
            other = self.world.by_key[peer]
            other.linked.discard(self.key)
            self.world.later(5, other, "link down", partial(other.link, self, up=False))
        self.linked.clear()
        self.world.trace(self, "crash")

    def link(self, peer: SimNode, *, up: bool) -> None:
        """Tell the runtime of a link, if there is a process to tell."""
        if self.runtime is None:
            return
        if up:
            if peer.runtime is None or not self.world.is_open(self, peer):
                return
            if peer.key not in self.linked:
                self.linked.add(peer.key)
                self.runtime.on_link(peer.key, up=True)
        elif peer.key not in self.linked:
            self.runtime.on_link(peer.key, up=False)


class World:
    """One history of a network, from a seed."""

    def __init__(
        self,
        seed: int,
        *,
        nodes: int | None = None,
        faults: Callable[[Random, int], Faults] = Faults,
        params: dict[str, Any] | None = None,
        lines: list[str] | None = None,
    ) -> None:
        self.seed = seed
        draw = Random(f"{seed}/draw")
        count = nodes if nodes is not None else draw.choice((1, 2, 3, 4, 4, 4, 5, 7))
        self.network = Random(f"{seed}/network")
        self.crash_chance = Random(f"{seed}/disk")
        self.script = Random(f"{seed}/script")
        self.faults = faults(draw, count)
        wipe = Random(f"{seed}/wipe")
        if faults is Faults and count >= 4:
            self.faults.wipe = wipe.random() < 0.2
        self.real_keys = draw.random() < 0.1
        self.now = 0
        self.count = 0
        self._heap: list[tuple[int, int, SimNode | None, str, Callable[[], None]]] = []
        self._hash = sha256()
        self.events = 0
        self.lines = lines
        self.genesis = make_genesis(count, params)
        self.chain = self.genesis.chain(Table(CONTRACTS))
        self._seeds = {
            public_key(federation.seed(name)): federation.seed(name) for name in people()
        }
        self.checks = Checks(self)
        self.groups: tuple[frozenset[str], ...] = ()
        self.nodes = [SimNode(self, doc.name) for doc in self.genesis.doc.validators]
        self.by_key = {node.key: node for node in self.nodes}
        self._seeds.update({node.key: node.seed for node in self.nodes})
        self.sent = 0
        self.accepted: dict[bytes, str] = {}
        self.healed = False

    # -------------------------------------------------------------------- keys and time

    def sign(self, seed: bytes, message: bytes) -> bytes:
        """Sign for real in one seed of ten, else with a fast MAC (J9)."""
        if self.real_keys:
            return crypto.sign(seed, message)
        return blake2b(message, key=seed, digest_size=64).digest()

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Verify what `sign` made."""
        if self.real_keys:
            return crypto.verify(key, message, signature)
        seed = self._seeds.get(key)
        return seed is not None and self.sign(seed, message) == signature

    def at(self, when: int, node: SimNode | None, what: str, action: Callable[[], None]) -> None:
        """Let `action` happen at virtual time `when`, in the process of `node`."""
        self.count += 1
        heapq.heappush(self._heap, (when, self.count, node, what, action))

    def later(
        self, after_ms: int, node: SimNode | None, what: str, action: Callable[[], None]
    ) -> None:
        """Let `action` happen after a while."""
        self.at(self.now + after_ms, node, what, action)

    def trace(self, node: SimNode | None, what: str) -> None:
        """Add a line to the history; its hash is what two runs of a seed must share (J3)."""
        line = f"{self.now} {node.name if node else '-'} {what}"
        self._hash.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def trace_hash(self) -> str:
        """The SHA-256 of the history so far."""
        return self._hash.hexdigest()

    def run(self, until: int) -> None:
        """Let everything happen up to virtual time `until`, checking after each event."""
        while self._heap and self._heap[0][0] <= until:
            when, _, node, what, action = heapq.heappop(self._heap)
            self.now = when
            self.events += 1
            self.trace(node, what)
            try:
                action()
            except Crashed:
                assert node is not None
                node.crash()
                self.later(self.script.randrange(50, 4_000), None, "restart", node_start(node))
            self.checks.after_event()
        self.now = max(self.now, until)

    # -------------------------------------------------------------------------- network

    def is_open(self, one: SimNode, other: SimNode) -> bool:
        """Say whether the network lets these two talk."""
        if not self.groups:
            return True
        return any(one.name in group and other.name in group for group in self.groups)

    def carry(self, sender: SimNode, to: SimNode, frame: bytes) -> None:
        """Take a frame from one node to another, as this world's network does."""
        copies = 1
        if not self.healed:
            if self.network.random() < self.faults.loss:
                return
            if self.network.random() < self.faults.duplicates:
                copies = 2
        for _ in range(copies):
            delay = self.faults.delay_ms + self.network.randrange(self.faults.jitter_ms + 1)
            life = (sender.life, to.life)

            def arrive(life: tuple[int, int] = life) -> None:
                if to.runtime is None or (sender.life, to.life) != life:
                    return
                if sender.key not in to.linked:
                    return
                message = decode_record(KIND_OF_CODE[frame[HEAD_BYTES - 1]], frame[HEAD_BYTES:])
                try:
                    to.runtime.on_message(sender.key, message)
                except Malformed as error:
                    if sender.lie is None:
                        raise AssertionError(f"{to.name} blames {sender.name}: {error}") from error
                    self.cut_off(to, sender)

            self.later(delay, to, f"from {sender.name}: {frame[4]} {len(frame)}", arrive)

    def cut_off(self, node: SimNode, liar: SimNode) -> None:
        """Close a link as Z8 does, and let the liar come back after a while."""
        for one, other in ((node, liar), (liar, node)):
            one.linked.discard(other.key)
            self.later(0, one, "link down", partial(one.link, other, up=False))
        self.later(5_000, None, "connect", self.connect)

    def check_sent(self, node: SimNode, message: Record) -> None:
        """I4: nothing signed leaves before its guard slot is durable."""
        self.checks.on_sent(node, message)

    def partition(self, groups: Sequence[Sequence[SimNode]]) -> None:
        """Cut the links across groups; none at all heals."""
        self.groups = tuple(frozenset(node.name for node in group) for group in groups)
        for one in self.nodes:
            for peer in sorted(one.linked):
                other = self.by_key[peer]
                if not self.is_open(one, other):
                    one.linked.discard(peer)
                    self.later(5, one, "link down", partial(one.link, other, up=False))
        self.connect()

    def connect(self) -> None:
        """Let every pair that may talk find each other."""
        for one in self.nodes:
            for other in self.nodes:
                if one is not other and other.key not in one.linked:
                    self.later(20, one, "link up", partial(one.link, other, up=True))

    # ------------------------------------------------------------------------- workload

    def pay(self) -> None:
        """Somebody pays somebody, through a node that is up."""
        up = [node for node in self.nodes if node.runtime is not None]
        if not up:
            return
        node = self.script.choice(up)
        payer, payee = self.script.sample(people(), 2)
        self.submit(node, self.make_payment(payer, payee, self.script.randrange(1, 2_000)))

    def make_payment(self, payer: str, payee: str, cents: int) -> bytes:
        """Return a fresh signed payment."""
        self.sent += 1
        call = Transfer((Leg(federation.account(payee), cents, None, None),), None)
        expires = (START_MS + self.now) // 1000 + 500
        body = encode_body(
            self.genesis.digest,
            federation.account(payer),
            self.sent.to_bytes(16, "big"),
            expires,
            call,
        )
        signature = self.sign(federation.seed(payer), TX_CONTEXT + body)
        return encode(Envelope(body, (KeySignature(0, signature),)))

    def submit(self, node: SimNode, raw: bytes) -> None:
        """Hand a transaction to a node that is up, and note what it promises."""

        def answered(verdict: Verdict) -> None:
            self.trace(node, f"verdict {verdict.status} {verdict.code}")
            if verdict.status == "pending" and node.runtime is not None:
                self.accepted[verdict.tx_id] = node.name
                node.runtime.watch(verdict.tx_id, final)

        def final(place: TxPlace | None) -> None:
            if place is not None:
                self.checks.on_acked(sha256(raw).digest(), place)

        assert node.runtime is not None
        node.runtime.submit(raw, answered)


def node_start(node: SimNode) -> Callable[[], None]:
    """Return the action that starts a node which is down, and links it again."""

    def start() -> None:
        if node.runtime is None:
            try:
                node.start()
            except Crashed:
                node.crash()
                node.world.later(500, None, "restart", node_start(node))
                return
            except GuardDamaged as error:
                raise AssertionError(f"{node.name}: a crash damaged the guard: {error}") from error
            node.world.connect()

    return start


def people() -> list[str]:
    """The residents of the simulated wijk."""
    return [f"person-{i}" for i in range(PEOPLE)]


_genesis_cache: dict[tuple[int, str], Genesis] = {}


def make_genesis(nodes: int, params: dict[str, Any] | None) -> Genesis:
    """Return the genesis of a world; the same for all seeds of a size, so it is made once."""
    params = {"round_timeout_ms": 1_000, "round_timeout_max_ms": 10_000, **(params or {})}
    key = (nodes, repr(sorted(params.items())))
    if key not in _genesis_cache:
        balances = {f"delfshaven/{name}": 10_000 for name in people()}
        _genesis_cache[key] = federation.make_genesis(
            wijken=1, balances=balances, validators=nodes, params=params
        )
    return _genesis_cache[key]


def play(seed: int, **options: Any) -> World:
    """Play one history: faults with safety checked, then healing with progress demanded (J26)."""
    world = World(seed, **options)
    script, faults = world.script, world.faults
    for node in world.nodes:
        node.skew_ms = script.randrange(-faults.skew_ms, faults.skew_ms + 1)
        world.at(script.randrange(0, 200), None, f"first start {node.name}", node_start(node))
    length = script.randrange(10_000, 40_000)
    for _ in range(faults.payments):
        world.at(script.randrange(500, length), None, "pay", world.pay)
    for _ in range(faults.crashes):
        node = script.choice(world.nodes)
        world.at(script.randrange(500, length), None, f"kill {node.name}", _kill(world, node))
    for _ in range(faults.partitions):
        start = script.randrange(500, length)
        world.at(start, None, "partition", _partition(world))
        world.at(start + script.randrange(500, 15_000), None, "heal", lambda: world.partition(()))
    if faults.wipe:
        node = script.choice(world.nodes)
        world.at(script.randrange(2_000, length), None, f"wipe {node.name}", _wipe(world, node))
    if faults.power_cut:
        world.at(script.randrange(2_000, length), None, "power cut", _power_cut(world))
    world.run(length)
    heal(world)
    return world


def heal(world: World) -> None:
    """Stop all faults; every node must reach one new height within bounded time (I9, J25)."""
    world.healed = True
    faults = world.faults
    faults.crash_points = 0.0
    faults.delay_ms, faults.jitter_ms = min(faults.delay_ms, 50), min(faults.jitter_ms, 20)
    for node in world.nodes:
        node.skew_ms = 0
        world.later(1, None, "start", node_start(node))
    world.partition(())
    world.later(500, None, "connect", world.connect)
    goal = world.checks.height + 1
    until = world.now + HEAL_MS
    for step in range(5):
        world.later(1_000 + step * 1_000, None, "pay", world.pay)
    while world.now < until and not world.checks.is_settled(goal):
        world.run(world.now + 1_000)
        approve(world)
    assert world.checks.is_settled(goal), world.checks.explain(goal)
    world.checks.at_end()


def approve(world: World) -> None:
    """Open the height for one node, if too many sit in the join barrier at once (D12)."""
    top = max(node.runtime.store.tip.height for node in world.nodes if node.runtime is not None)
    waiting = [
        node
        for node in world.nodes
        if node.runtime is not None
        and node.runtime.store.tip.height == top
        and node.runtime.replica.status().silence is Silence.BARRIER
    ]
    if len(waiting) > len(world.nodes) - quorum(len(world.nodes)):
        node = waiting[0]
        node.crash()
        binding = Binding(node.key, world.genesis.digest, node.instance)
        open_by_approval(node.root / "guard.bin", binding, top + 1, node.disk)
        world.trace(node, f"approved at {top + 1}")
        node_start(node)()


def _kill(world: World, node: SimNode) -> Callable[[], None]:
    def kill() -> None:
        if node.runtime is not None:
            node.crash()
            world.later(world.script.randrange(50, 8_000), None, "restart", node_start(node))

    return kill


def _wipe(world: World, node: SimNode) -> Callable[[], None]:
    """Lose the store of a node for good; the others still hold what it acked (F24)."""

    def wipe() -> None:
        if node.runtime is not None:
            node.crash()
            node.wipe()
            world.later(world.script.randrange(50, 8_000), None, "restart", node_start(node))

    return wipe


def _power_cut(world: World) -> Callable[[], None]:
    def cut() -> None:
        for node in world.nodes:
            _kill(world, node)()

    return cut


def _partition(world: World) -> Callable[[], None]:
    def cut() -> None:
        nodes = list(world.nodes)
        world.script.shuffle(nodes)
        where = world.script.randrange(1, len(nodes)) if len(nodes) > 1 else 1
        world.partition((nodes[:where], nodes[where:]))

    return cut
