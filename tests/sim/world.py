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
from chain.validators import CommitCertificate, quorum
from consensus import events
from consensus.events import Silence
from consensus.guard import Binding, GuardDamaged
from contracts import CONTRACTS
from contracts.coin import Leg, Transfer
from node.chainstore import ChainStore, Tip, TxPlace, create_chain
from node.disk import StoreDamaged, StoreFailed
from node.guard_file import GuardFile, GuardMissing, LostGuard, create_guard, open_guard
from node.guard_state import open_by_approval
from node.head_file import (
    HeadBinding,
    HeadFile,
    HeadVerdict,
    create_head_file,
    judge_head,
    open_head_file,
    read_heads,
)
from node.intake import Verdict
from node.join import JoinedBySnapshot, Place
from node.messages import CertificateNote
from node.runtime import Halted, Runtime, TooOld
from node.snapshot_files import SnapshotFiles
from node.snapshots import Setup
from node.store_memory import MemoryStore
from node.sync import Fetched
from node.wire import HEAD_BYTES, KINDS, decode_record, encode_frame
from tests import federation
from tests.sim.checks import Checks
from tests.sim.disk import Crashed, SimDisk
from tests.sim.faults import Faults, Swarm
from tests.sim.liars import Liar
from tests.sim.weather import Weather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chain.codec import Record
    from chain.genesis import ValidatorDoc
    from node.fork import Fork
    from node.ports import Check, Peer

KIND_OF_CODE = {kind.code: kind for kind in KINDS}
START_MS = federation.START_S * 1000
PEOPLE = 6
UPGRADE_BLOCKS_MIN = 3  # histories are short


class SimTimers:
    """The clocks and alarms of one node."""

    def __init__(self, world: World, node: SimNode) -> None:
        self._world = world
        self._node = node
        self._set: dict[str, int] = {}

    def mono_ms(self) -> int:
        return self._node.mono_ms()

    def wall_ms(self) -> int:
        return START_MS + self._node.mono_ms() + self._node.skew_ms

    def set(self, name: str, at_mono_ms: int) -> None:
        self._world.count += 1
        token = self._set[name] = self._world.count
        life = self._node.life

        def ring() -> None:
            if self._node.life == life and self._set.get(name) == token:
                if self._node.mono_ms() < at_mono_ms:  # the clock was slowed down meanwhile
                    self.set(name, at_mono_ms)
                    return
                del self._set[name]
                runtime = self._node.runtime
                assert runtime is not None
                runtime.fire(name)

        when = self._node.when(at_mono_ms)
        self._world.at(max(when, self._world.now), self._node, f"alarm {name}", ring)

    def cancel(self, name: str) -> None:
        self._set.pop(name, None)


class SimLinks:
    """The links of one node: messages are encoded, delayed, lost, doubled, and decoded again."""

    def __init__(self, world: World, node: SimNode) -> None:
        self._world = world
        self._node = node

    def send(self, peer: Peer, message: Record) -> None:
        self._world.check_sent(self._node, message)
        self._say(peer, message)

    def broadcast(self, message: Record) -> None:
        peers = self.peers()
        if peers:
            self._world.check_sent(self._node, message)  # once: nothing happens in between
        for peer in peers:
            self._say(peer, message)

    def _say(self, peer: Peer, message: Record) -> None:
        node = self._node
        to = node.linked.get(peer) or self._world.by_key[peer]
        said: Sequence[Record] = (message,)
        if node.lie is not None:
            lie = node.lie(message)
            said = () if lie is None else (lie,)
        elif node.liar is not None:
            said = node.liar.say(to.name, message)
        for one in said:
            _, frame = encode_frame(one)
            self._world.carry(node, to, bytes(frame))

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
    """A store whose every write may be the last thing its process does, and whose bytes rot."""

    def __init__(self, node: SimNode, pairs: dict[bytes, bytes] | None = None) -> None:
        super().__init__(node.pairs if pairs is None else pairs)
        self._node = node

    def get(self, key: bytes) -> bytes | None:
        self._check(key)
        return super().get(key)

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        for key, value in super().scan(start, end, reverse=reverse):
            self._check(key)
            yield key, value

    def write(self, batch: Sequence[tuple[bytes, bytes | None]]) -> None:
        node = self._node
        node.point("store.write")
        failed = node.fails("store.write")
        if not failed or node.world.crash_chance.random() < 0.5:  # failed: nobody knows
            super().write(batch)
        if failed:
            raise StoreFailed("write: input/output error")
        node.point("store.written")

    def _check(self, key: bytes) -> None:
        if key in self._node.rotten:
            self._node.world.seen.add("a damaged pair was read")
            raise StoreDamaged(f"the pair {key.hex()} has a wrong checksum")


class SimRuntime(Runtime):
    """The production runtime, with a place to crash before and after every effect (J7, J10)."""

    def __init__(self, node: SimNode, *parts: Any, joins: bool, snapshots: Setup | None) -> None:
        self._node = node
        super().__init__(*parts, joins=joins, snapshots=snapshots)

    def _perform_one(self, effect: events.Effect) -> events.Event | None:
        self._node.point(f"before {type(effect).__name__}", of_effect=True)
        if isinstance(effect, events.Apply):
            self._node.world.checks.on_decision(self._node, effect.certificate)
        elif isinstance(effect, events.Alarm):
            self._node.world.seen.add(f"alarm {effect.text}")
            if effect.text == "key-in-use-elsewhere":
                assert self._node not in self._node.world.honest, "D14: there is no other machine"
        answer = super()._perform_one(effect)
        self._node.point(f"after {type(effect).__name__}", of_effect=True)
        return answer

    def _apply_fetched(self, block: Fetched) -> None:
        height = self.store.tip.height
        super()._apply_fetched(block)
        if self.store.tip.height > height:
            self._node.world.seen.add("caught up by sync")


class Image(NamedTuple):
    """A copy of all that a node keeps."""

    pairs: dict[bytes, bytes]
    files: dict[str, bytes]


class SimNode:
    """A validator: what survives a crash, and the process while there is one.

    A twin is a second, unmodified machine with the same key, and a disk of its own (H4).
    """

    def __init__(self, world: World, name: str, place: int, *, twin: bool = False) -> None:
        self.world = world
        self.name = f"{name}'" if twin else name
        self.place = place
        self.is_twin = twin
        self.seed = federation.seed(f"node-{name}")
        self.key = public_key(self.seed)
        self.skew_ms = 0
        self._rate = (1, 1)
        self._rate_since = (0, 0)  # world time and own monotonic time
        self.life = 0
        self.runtime: Runtime | None = None
        self.linked: dict[bytes, SimNode] = {}
        self.pairs: dict[bytes, bytes] = {}
        self.rotten: frozenset[bytes] = frozenset()
        self.failing = 0.0  # share of calls to the disk that fail
        self.has_failed = False
        self.disk = SimDisk(self.point, self.fails)
        self.root = Path("/") / self.name
        self.instance = sha256(self.name.encode()).digest()[:16]
        self.guard_rotten = self.head_rotten = False
        self.armed = False
        self.wiped = False
        self.paused_until = 0
        self.silent_until = 0
        self.lie: Callable[[Record], Record | None] | None = None  # what a liar says instead
        self.liar: Liar | None = None
        self.chain = world.chain
        self.fork: Fork | None = None  # the report it stopped with (F28)
        self.stopped: str | None = None  # why the program ended itself, for good
        self.joining: dict[bytes, bytes] = {}  # the store that a snapshot is put into
        self.joined: dict[bytes, bytes] | None = None  # the same, once it is proved and named
        create_chain(MemoryStore(self.pairs), world.genesis)
        tip = ChainStore(MemoryStore(self.pairs)).tip
        create_guard(
            self.root / "guard.bin",
            Binding(self.key, world.genesis.digest, self.instance),
            self.sign,
            self.disk,
        ).close()
        self._create_heads(tip).close()

    def _create_heads(self, tip: Tip) -> HeadFile:
        binding = HeadBinding(self.world.genesis.digest, self.instance)
        roots = (tip.log_root, tip.state_root)
        path = self.root / "head.bin"
        return create_head_file(path, binding, tip.height, tip.block_id, roots, self.disk)

    # ------------------------------------------------------------------------- clocks and disk

    def mono_ms(self) -> int:
        """Return the own monotonic clock, which may run too fast or too slow (J4)."""
        (num, den), (since, base) = self._rate, self._rate_since
        return base + (self.world.now - since) * num // den

    def when(self, mono_ms: int) -> int:
        """Return the world's time at which the own clock shows `mono_ms`."""
        (num, den), (since, base) = self._rate, self._rate_since
        return since - (-(mono_ms - base) * den // num)

    def set_rate(self, rate: tuple[int, int]) -> None:
        """Let the clock run at another speed from now on."""
        self._rate_since = (self.world.now, self.mono_ms())
        self._rate = rate

    def sign(self, message: bytes) -> bytes:
        return self.world.sign(self.seed, message)

    def point(self, name: str, *, of_effect: bool = False) -> None:
        """A place where a crash may strike (J10)."""
        faults = self.world.faults
        share = faults.effect_crashes if of_effect else faults.crash_points
        if self.armed and share and self.world.crash_chance.random() < share:
            self.world.points.add(name)
            self.world.trace(self, f"crash point {name}")
            raise Crashed(name)

    def fails(self, what: str) -> bool:
        """Say whether this call to the disk fails; the process must end then (F29)."""
        if self.armed and self.failing and self.world.disk_chance.random() < self.failing:
            self.has_failed = True
            self.world.trace(self, f"failed {what}")
            return True
        return False

    # ---------------------------------------------------------------------------- the process

    def start(self) -> None:
        """Start the process on what the disk kept, as `node/recovery.py` and `node/main.py` do."""
        world = self.world
        self.life += 1
        if self.rotten:
            self.wipe()  # Y21, Y23: what cannot be proved is set aside
            world.seen.add("a damaged store was fetched again")
        if self.joined is not None:  # as `finish_join` of node/store.py
            self.pairs.clear()
            self.pairs.update(self.joined)
            self.joined = None
            world.seen.add("joined by a snapshot")
        cuts = self.disk.cuts
        chain_store = ChainStore(SimStore(self))
        tip = chain_store.tip
        guard = self._open_guard()
        joined = 0 if chain_store.joined is None else chain_store.joined.height
        heads, silent_until = self._open_heads(tip, guard, joined)
        if self.disk.cuts > cuts:
            world.seen.add("a torn tail was cut")
        self.silent_until = silent_until
        self.runtime = SimRuntime(
            self,
            self.chain,
            chain_store,
            heads,
            guard,
            SimLinks(world, self),
            SimTimers(world, self),
            SimVerifier(world, self),
            world.verify,
            self.key,
            joins=isinstance(guard, LostGuard),
            snapshots=self._make_setup(),
        )
        self.runtime.on_applied.append(lambda applied: world.checks.on_applied(self, applied))
        self.armed = True
        self.runtime.start()
        world.trace(self, f"start at {tip.height}")

    def _make_setup(self) -> Setup | None:
        """Give the runtime a place for snapshots, where this world has them."""
        if not self.world.snapshot_every:
            return None

        def begin() -> SimStore:
            self.joining = {}
            return SimStore(self, self.joining)

        def keep() -> None:
            self.point("store.keep")
            self.joined = self.joining

        files = SnapshotFiles(self.root / "snapshots", self.disk)
        place = Place(begin, keep, lambda _size: True)
        return Setup(self.world.genesis, files, self.world.snapshot_every, place, lambda: True)

    def _open_guard(self) -> GuardFile | LostGuard | None:
        """D8, D10: with a damaged guard a node follows; with none it passes the join barrier."""
        path, digest = self.root / "guard.bin", self.world.genesis.digest
        try:
            return open_guard(path, self.key, digest, self.sign, self.disk)
        except GuardMissing:
            self.guard_rotten = False
            return LostGuard(path, Binding(self.key, digest, self.instance), self.sign, self.disk)
        except GuardDamaged as error:
            if not self.guard_rotten:
                raise AssertionError(f"{self.name}: a crash damaged the guard: {error}") from error
            self.world.seen.add("a damaged guard was refused")
            return None

    def _open_heads(
        self, tip: Tip, guard: GuardFile | LostGuard | None, joined: int
    ) -> tuple[HeadFile, int]:
        """Open the head file; return it with the height up to which acked blocks may be missing."""
        signed = guard.height if isinstance(guard, GuardFile) else 0
        path, binding = (
            self.root / "head.bin",
            HeadBinding(self.world.genesis.digest, self.instance),
        )
        if not self.disk.exists(path):  # the whole disk is gone
            return self._create_heads(tip), tip.height
        try:
            heads = open_head_file(path, binding, self.disk)
        except StoreDamaged as error:
            if not self.head_rotten:
                raise AssertionError(
                    f"{self.name}: a crash damaged the head file: {error}"
                ) from error
            self.head_rotten = False
            self.disk.remove(path)
            made = self._create_heads(tip)
            silent_until = max(tip.height + 1, signed)
            if isinstance(guard, GuardFile):
                guard.raise_to(silent_until)
            self.world.seen.add("a damaged head file was made anew")
            return made, silent_until
        durable = read_heads(self.disk.durable(path)).heads
        verdict = judge_head(tip.height, tip.block_id, durable, joined)
        is_short = verdict is HeadVerdict.LOST and self.wiped
        assert is_short or verdict is HeadVerdict.OK, f"{self.name}: acked blocks are missing (J17)"
        self.wiped = is_short  # until it has fetched back what it lost
        if tip.height > heads.last.height:
            heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
        return heads, max(heads.last.height, signed) if is_short else 0

    def wipe(self) -> None:
        """Lose the store of a node that is down; guard and head file are kept."""
        self.take_back({})
        create_chain(MemoryStore(self.pairs), self.world.genesis)

    def take_back(self, pairs: dict[bytes, bytes]) -> None:
        """Put an older copy of the store in its place, while the node is down (F25)."""
        assert self.runtime is None
        self.pairs.clear()
        self.pairs.update(pairs)
        self.rotten = frozenset()
        self.wiped = True

    def save_image(self) -> Image:
        """Return a copy of the whole disk of a node that is down."""
        assert self.runtime is None
        names = ("guard.bin", "head.bin")
        files = {name: self.disk.durable(self.root / name) for name in names}
        return Image(dict(self.pairs), files)

    def restore_image(self, image: Image) -> None:
        """Put an older copy of the disk back (F25); without `guard.bin` it is a backup (Y30)."""
        self.take_back(image.pairs)
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
        self.armed = self.has_failed = False
        self.runtime = None
        self.paused_until = 0
        self.disk.crash(self.world.crash_chance)
        for peer in sorted(self.linked):
            other = self.linked[peer]
            if other.linked.get(self.key) is self:
                del other.linked[self.key]
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
                self.linked[peer.key] = peer
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
        faults: Callable[[Random, int], Faults] = Swarm,
        params: dict[str, Any] | None = None,
        lines: list[str] | None = None,
        snapshot_every: int = 0,
    ) -> None:
        self.seed = seed
        self.snapshot_every = snapshot_every
        draw = Random(f"{seed}/draw")
        count = nodes if nodes is not None else draw.choice((1, 2, 3, 4, 4, 4, 5, 7))
        self.network = Random(f"{seed}/network")
        self.crash_chance = Random(f"{seed}/disk")
        self.script = Random(f"{seed}/script")
        self.faults = faults(draw, count)
        wipe = Random(f"{seed}/wipe")
        if faults is Faults and count >= 4:
            self.faults.wipe = wipe.random() < 0.2
        if isinstance(self.faults, Swarm):
            self.faults.draw_changes(Random(f"{seed}/changes"))
        self.disk_chance = Random(f"{seed}/broken")
        self.weather = Weather(self.faults, self.network, Random(f"{seed}/weather"))
        self.seen: set[str] = set()  # what happened at all (J27, H9)
        self.points: set[str] = set()  # where processes crashed (J10)
        self.real_keys = draw.random() < 0.1
        self.now = 0
        self.count = 0
        self._heap: list[tuple[int, int, SimNode | None, str, Callable[[], None]]] = []
        self._hash = sha256()
        self.events = 0
        self.lines = lines
        if self.faults.upgrades_ms is not None:
            params = {"upgrade_blocks": UPGRADE_BLOCKS_MIN, **(params or {})}
        self.genesis = make_genesis(count, params)
        self.chain = self.genesis.chain(Table(CONTRACTS))
        self._seeds = {
            public_key(federation.seed(name)): federation.seed(name) for name in people()
        }
        self.checks = Checks(self)
        self.groups: tuple[frozenset[str], ...] = ()
        docs = self.genesis.doc.validators
        self.nodes = [SimNode(self, doc.name, place) for place, doc in enumerate(docs)]
        self.by_key = {node.key: node for node in self.nodes}
        self._seeds.update({node.key: node.seed for node in self.nodes})
        self.faces: dict[tuple[str, bytes], SimNode] = {}  # which of two machines a peer talks to
        self.sent = 0
        self.accepted: dict[bytes, str] = {}
        self.healed = False
        self.forks = False  # more than f keys lie, so two blocks of one height may be decided
        self._cast(docs)

    def _cast(self, docs: Sequence[ValidatorDoc]) -> None:
        """Give the victims of this history their parts."""
        for place, part in sorted(self.faults.parts.items()):
            node = self.nodes[place]
            if part == "liar":
                node.liar = Liar(self, node, Random(f"{self.seed}/liar {place}"))
            elif part == "twin":
                twin = SimNode(self, docs[place].name, place, twin=True)
                self.nodes.append(twin)
                for peer in self.nodes:
                    self.turn(peer, node.key)

    def turn(self, peer: SimNode, key: bytes) -> None:
        """Let a peer find one or the other of the two machines that have this key (F26)."""
        machines = [node for node in self.nodes if node.key == key]
        self.faces[peer.name, key] = self.script.choice(machines)

    @property
    def honest(self) -> list[SimNode]:
        """The nodes whose key has one machine, on which nobody changed the program."""
        twins = {node.key for node in self.nodes if node.is_twin}
        return [
            node
            for node in self.nodes
            if node.liar is None and node.lie is None and node.key not in twins
        ]

    def add_node(self, name: str) -> SimNode:
        """Add a node that is no validator of genesis; its key is that of `node-<name>`."""
        node = SimNode(self, name, len(self.nodes))
        self.nodes.append(node)
        self.by_key[node.key] = node
        self._seeds[node.key] = node.seed
        return node

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
            when, count, node, what, action = heapq.heappop(self._heap)
            self.now = when
            if node is not None and node.paused_until > when:
                heapq.heappush(self._heap, (node.paused_until, count, node, what, action))
                continue
            self.events += 1
            self.trace(node, what)
            self.perform(node, action)
        self.now = max(self.now, until)

    def perform(self, node: SimNode | None, action: Callable[[], None]) -> None:
        """Do something in the process of `node`, which may end in the middle of it."""
        try:
            action()
        except TooOld as error:
            assert node is not None
            node.stopped = str(error)
            node.crash()
        except Halted as error:
            if not self.forks or error.fork is None:
                raise
            assert node is not None
            node.fork = error.fork
            node.crash()
        except (Crashed, JoinedBySnapshot):
            assert node is not None
            self._end(node)
        except StoreFailed as error:
            assert node is not None
            if not node.has_failed:
                raise AssertionError(f"{node.name}: no call failed, but {error}") from error
            self.seen.add("a failed write ended a process")
            self._end(node)
        except StoreDamaged as error:
            assert node is not None
            if not node.rotten:
                raise AssertionError(f"{node.name}: nothing rots there, but {error}") from error
            self._end(node)
        if node is not None:
            assert not node.has_failed, f"F29: {node.name} went on after a failed write"
            self.checks.after_event(node)

    def _end(self, node: SimNode) -> None:
        """The process is gone; somebody or something starts it again."""
        node.crash()
        self.later(self.script.randrange(50, 4_000), None, "restart", node_start(node))

    # -------------------------------------------------------------------------- network

    def is_open(self, one: SimNode, other: SimNode) -> bool:
        """Say whether the network lets these two talk."""
        if one.key == other.key:
            return False
        if self.faces and not (
            self.faces.get((one.name, other.key), other) is other
            and self.faces.get((other.name, one.key), one) is one
        ):
            return False
        if not self.groups:
            return True
        return any(one.name in group and other.name in group for group in self.groups)

    def carry(self, sender: SimNode, to: SimNode, frame: bytes) -> None:
        """Take a frame from one node to another, as this world's network does."""
        life = (sender.life, to.life)
        link, places = (sender.name, to.name), (sender.place, to.place)
        for delay, data in self.weather.arrivals(link, places, frame, self.now):

            def arrive(frame: bytes = data) -> None:
                if to.runtime is None or (sender.life, to.life) != life:
                    return
                if to.linked.get(sender.key) is not sender:
                    return
                self._deliver(sender, to, frame)

            self.later(delay, to, f"from {sender.name}: {data[4]} {len(data)}", arrive)

    def _deliver(self, sender: SimNode, to: SimNode, frame: bytes) -> None:
        assert to.runtime is not None
        height = to.runtime.store.tip.height
        try:
            message = decode_record(KIND_OF_CODE[frame[HEAD_BYTES - 1]], frame[HEAD_BYTES:])
            to.runtime.on_message(sender.key, message)
        except Malformed as error:
            if sender.lie is None and sender.liar is None:
                raise AssertionError(f"{to.name} blames {sender.name}: {error}") from error
            self.seen.add("a liar lost its link")
            self.cut_off(to, sender)
            return
        if (
            isinstance(message, CertificateNote | CommitCertificate)
            and to.runtime.store.tip.height > height
        ):
            self.seen.add("decided by a certificate")

    def cut_off(self, node: SimNode, liar: SimNode) -> None:
        """Close a link as Z8 does, and let the liar come back after a while."""
        for one, other in ((node, liar), (liar, node)):
            one.linked.pop(other.key, None)
            self.later(0, one, "link down", partial(one.link, other, up=False))
        self.later(5_000, None, "connect", self.connect)

    def check_sent(self, node: SimNode, message: Record) -> None:
        """I4: nothing signed leaves before its guard slot is durable."""
        self.checks.on_sent(node, message)

    def partition(self, groups: Sequence[Sequence[SimNode]]) -> None:
        """Cut the links across groups; none at all heals."""
        self.groups = tuple(frozenset(node.name for node in group) for group in groups)
        self.relink()

    def relink(self) -> None:
        """Close the links that may not be, and let all others come."""
        for one in self.nodes:
            for peer in sorted(one.linked):
                other = one.linked[peer]
                if not self.is_open(one, other):
                    del one.linked[peer]
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
        nodes = self.honest if self.healed else self.nodes
        up = [node for node in nodes if node.runtime is not None and node.paused_until <= self.now]
        if not up:
            return
        node = self.script.choice(up)
        payer, payee = self.script.sample(people(), 2)
        raw = self.make_payment(payer, payee, self.script.randrange(1, 2_000))
        self.perform(node, partial(self.submit, node, raw))

    def make_payment(self, payer: str, payee: str, cents: int) -> bytes:
        """Return a fresh signed payment."""
        call = Transfer((Leg(federation.account(payee), cents, None, None),), None)
        lives_s = 500
        if self.faults.short_lives and self.script.random() < self.faults.short_lives:
            lives_s = self.script.randrange(2, 15)
        return self.make_tx(call, payer, {0: payer}, lives_s)

    def make_tx(self, call: Any, sender: str, signers: dict[int, str], lives_s: int = 500) -> bytes:
        """Return a fresh signed transaction; names stand for keys, each signer has an index."""
        self.sent += 1
        expires = (START_MS + self.now) // 1000 + lives_s
        nonce = self.sent.to_bytes(16, "big")
        account = federation.account(sender)
        body = encode_body(self.genesis.digest, account, nonce, expires, call)
        signatures = []
        for index, name in sorted(signers.items()):
            seed = federation.seed(name)
            self._seeds.setdefault(public_key(seed), seed)
            signatures.append(KeySignature(index, self.sign(seed, TX_CONTEXT + body)))
        return encode(Envelope(body, tuple(signatures)))

    def submit(self, node: SimNode, raw: bytes) -> None:
        """Hand a transaction to a node that is up, and note what it promises."""

        def answered(verdict: Verdict) -> None:
            self.trace(node, f"verdict {verdict.status} {verdict.code}")
            if verdict.status == "pending" and node.runtime is not None:
                self.accepted[verdict.tx_id] = node.name
                node.runtime.watch(verdict.tx_id, final)

        def final(place: TxPlace | None) -> None:
            if place is not None:
                self.checks.on_acked(node, sha256(raw).digest(), place)

        assert node.runtime is not None
        node.runtime.submit(raw, answered)


def node_start(node: SimNode) -> Callable[[], None]:
    """Return the action that starts a node which is down, and links it again."""

    def start() -> None:
        if node.runtime is None:
            try:
                node.start()
            except (Crashed, StoreFailed):
                node.crash()
                node.world.later(500, None, "restart", node_start(node))
                return
            except TooOld as error:  # V8: it stays down until somebody gives it the new program
                node.stopped = str(error)
                node.crash()
                return
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


def approve(world: World) -> None:
    """Open the height for one node, if too many others sign nothing (D12).

    A node in the join barrier, and one that lies, counts as away.
    """
    up = [node for node in world.honest if node.runtime is not None]
    top = max(node.runtime.store.tip.height for node in up if node.runtime is not None)
    silent, waiting = 0, []
    for node in up:
        assert node.runtime is not None
        why = node.runtime.replica.status().silence
        silent += why in (Silence.BARRIER, Silence.OBSERVER)
        if why is Silence.BARRIER and node.runtime.store.tip.height == top:
            waiting.append(node)
    away = silent + len(world.nodes) - len(world.honest)
    if waiting and away > len(world.nodes) - quorum(len(world.nodes)):
        node = waiting[0]
        node.crash()
        binding = Binding(node.key, world.genesis.digest, node.instance)
        open_by_approval(node.root / "guard.bin", binding, top + 1, node.disk)
        world.checks.forgive(node.name, top + 1)
        world.seen.add("an approval opened a height")
        node_start(node)()
