"""Many replicas in one heap of events: loss, doubles, disorder, crashes, and up to f liars.

Only the core is here; blocks are names. The node around it has its own seeded world in tests/sim.
A run is a pure function of its seed. First everything goes wrong and safety is checked; then all
but the liars heals, and progress is demanded (consensus H2, I1, I2, I6, I9).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import assert_never

from chain import evidence
from chain.codec import encode
from chain.evidence import build_evidence, check_evidence, get_conviction
from chain.leaders import ring
from chain.validators import (
    CommitCertificate,
    PreparedCertificate,
    build_prepared_certificate,
    faulty,
    quorum,
)
from consensus import events as ev
from consensus.events import HeightContext, OpenRecords, Silence, Timer, Timing
from consensus.guard import Slot, closing, end_of, judge, opening, position
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    CompactBlock,
    DraftProposal,
    Justification,
    Message,
    Prepare,
    Prepared,
    ProvenRoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    seal,
    signed_bytes,
)
from consensus.replica import Replica
from consensus.witness import bare
from tests.consensus.culprits import find_culprits
from tests.consensus.hostile import Hostile
from tests.consensus.made import (
    CHAIN,
    LETTERS,
    START_MS,
    key,
    letter,
    mac,
    make_block,
    make_commit,
    make_prepare,
    make_proposal,
    make_round_change,
    make_set,
    verify,
)

SIGNED = (SignedProposal, SignedPrepare, SignedCommit, SignedRoundChange)
TIMING = Timing(round_ms=1_000, round_ms_max=8_000, heartbeat_ms=5_000)
FAULTS_MS = 25_000
HEAL_MS = 120_000  # I9
HEIGHTS_AFTER = 2
WORK_MS = 1_500
DECISIONS: tuple[type, ...] = (SignedCommit, CommitCertificate)
CLOGS: tuple[tuple[type, ...], ...] = (
    (),
    (),
    DECISIONS,
    (SignedPrepare,),
    (SignedProposal,),
    (SignedRoundChange, ProvenRoundChange),
)


@dataclass
class Disk:
    """What survives a crash of one node."""

    slots: list[Slot] = field(default_factory=list)
    records: OpenRecords = field(default_factory=OpenRecords)
    kept: dict[bytes, CompactBlock] = field(default_factory=dict)  # bodies of the open height
    chain: list[tuple[CompactBlock, CommitCertificate]] = field(default_factory=list)


@dataclass
class Dice:
    """What may go wrong in one run, drawn once from its seed."""

    loss: float
    clogged: tuple[type, ...]  # kinds of which most are lost
    doubles: float
    delay_ms: int
    jitter_ms: int
    crashes: int
    partitions: int
    lies: float

    @staticmethod
    def throw(chance: Random) -> Dice:
        def maybe(value: float) -> float:
            return value if chance.random() < 0.6 else 0.0

        return Dice(
            loss=maybe(chance.uniform(0, 0.3)),
            clogged=chance.choice(CLOGS),
            doubles=maybe(chance.uniform(0, 0.5)),
            delay_ms=chance.choice((1, 20, 100, 400)),
            jitter_ms=chance.choice((0, 50, 500, 1_500)),
            crashes=int(maybe(chance.randrange(1, 8))),
            partitions=int(maybe(chance.randrange(1, 8))),
            lies=chance.choice((0.02, 0.1, 0.5)),
        )


class Network:
    """One run. `n` validators, the first `liars` of a shuffle are Byzantine."""

    def __init__(
        self,
        seed: int,
        *,
        n: int | None = None,
        liars: int | None = None,
        forget: bool = False,
        odd: bool = False,
        clogged: tuple[type, ...] | None = None,
        make_replica: Callable[[bytes], Replica] | None = None,
    ) -> None:
        chance = self.chance = Random(f"consensus/{seed}")
        self.n = n or chance.choice((1, 2, 3, 4, 4, 4, 5, 6, 7, 7))
        self.dice = Dice.throw(chance)
        if clogged is not None:
            self.dice.clogged = clogged
        self.forget = forget  # a planted bug: restarts lose guard and records (P5)
        self.odd = Random(f"consensus/odd/{seed}") if odd else None  # liars say nonsense as well
        self.make_replica = make_replica or (lambda own: Replica(CHAIN, own, verify))
        letters = LETTERS[: self.n]
        count = faulty(self.n) if liars is None else liars
        self.liars = set(chance.sample(letters, count))
        self.validators = make_set(letters)
        self.nodes = {one: Node(self, one) for one in letters if one not in self.liars}
        self.bad = {one: Liar(self, one) for one in sorted(self.liars)}
        self.now = 0
        self.healed = False
        self.groups: list[set[str]] = []
        self.blocks: dict[bytes, CompactBlock] = {}  # all that were ever made
        self.ids_at: dict[int, list[bytes]] = {}  # their ids by height, in the order they came
        self.invalid: set[bytes] = set()
        self.withheld: set[bytes] = set()  # bodies a liar keeps to itself
        self.signed: dict[bytes, list[SignedMessage]] = {}  # by honest signer
        self.sent: list[SignedMessage] = []
        self.decided: dict[int, CommitCertificate] = {}
        self.seen: set[str] = set()  # what happened at all (H9)
        self.hash = sha256()
        self._count = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []

    # ----------------------------------------------------------------------------- the run

    def play(self) -> Network:
        for node in self.nodes.values():
            self.later(self.chance.randrange(100), node.start)
        for _ in range(self.dice.crashes):
            victim = self.chance.choice(sorted(self.nodes))
            self.later(self.chance.randrange(FAULTS_MS), self.nodes[victim].crash)
        for _ in range(self.dice.partitions):
            start = self.chance.randrange(FAULTS_MS)
            self.later(start, self._split)
            self.later(start + self.chance.randrange(500, 10_000), self._join)
        self.run(FAULTS_MS)
        self.heal()
        return self

    def add_block(self, block: CompactBlock) -> None:
        if block.block_id not in self.blocks:
            self.ids_at.setdefault(block.header.height, []).append(block.block_id)
        self.blocks[block.block_id] = block

    def heal(self) -> None:
        self.healed = True
        self._join()
        for node in self.nodes.values():
            if node.replica is None:
                self.later(1, node.start)
        goal = self.height + HEIGHTS_AFTER
        until = self.now + HEAL_MS
        while self.now < until and min(node.height for node in self.nodes.values()) <= goal:
            self.run(self.now + 1_000)
            self._approve()
        heights = {one: node.height for one, node in self.nodes.items()}
        assert min(heights.values()) > goal, f"I9: stuck at {heights}, goal {goal}"
        self.check_honesty()

    def _approve(self) -> None:
        """D12: liars and nodes in the join barrier may be too many together; a board opens one."""
        waiting = [
            node
            for node in self.nodes.values()
            if node.replica is not None and node.replica.status().silence is Silence.BARRIER
        ]
        if waiting and len(waiting) + len(self.bad) > self.n - quorum(self.n):
            top = max(node.height for node in self.nodes.values())
            for node in waiting[:1]:
                if node.height == top:
                    self.seen.add("an approval opened a height")
                    node.reopen()

    def run(self, until: int) -> None:
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heapq.heappop(self._heap)
            action()
        self.now = until

    def later(self, ms: int, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + ms, self._count, action))

    @property
    def height(self) -> int:
        return max(self.decided, default=0)

    def note(self, *words: object) -> None:
        self.hash.update(repr((self.now, *words)).encode())

    # ------------------------------------------------------------------------- the network

    def carry(self, sender: str, to: str, message: Message) -> None:
        if not self.is_open(sender, to):
            return
        copies = 1
        if not self.healed:
            clogged = isinstance(message, self.dice.clogged)
            if self.chance.random() < (0.8 if clogged else self.dice.loss):
                return
            copies += self.chance.random() < self.dice.doubles
        for _ in range(copies):
            most = 50 if self.healed else self.dice.jitter_ms
            delay = min(self.dice.delay_ms, 100) if self.healed else self.dice.delay_ms
            self.later(delay + self.chance.randrange(most + 1), self._arrive(sender, to, message))

    def _arrive(self, sender: str, to: str, message: Message) -> Callable[[], None]:
        def arrive() -> None:
            if to in self.bad:
                self.bad[to].hear(message)
            elif self.is_open(sender, to):
                self.nodes[to].hear(sender, message)

        return arrive

    def broadcast(self, sender: str, message: Message) -> None:
        for to in LETTERS[: self.n]:
            if to != sender:
                self.carry(sender, to, message)

    def is_open(self, one: str, other: str) -> bool:
        return not self.groups or any(one in group and other in group for group in self.groups)

    def _split(self) -> None:
        names = list(LETTERS[: self.n])
        self.chance.shuffle(names)
        where = self.chance.randrange(1, self.n) if self.n > 1 else 1
        self.groups = [set(names[:where]), set(names[where:])]
        if self.n > 2 and self.chance.random() < 0.3:  # F7: one node sees both halves
            self.groups[0].add(names[-1])
        self._relink()

    def _join(self) -> None:
        self.groups = []
        self._relink()

    def _relink(self) -> None:
        for one, node in self.nodes.items():
            for other in LETTERS[: self.n]:
                if other != one:
                    self.later(5, lambda node=node, other=other: node.link(other))  # type: ignore[misc]

    # ------------------------------------------------------------------------- what must hold

    def on_decided(self, node: str, certificate: CommitCertificate) -> None:
        """I1, I2: one id per height, for ever and everywhere."""
        known = self.decided.setdefault(certificate.height, certificate)
        assert known.block_id == certificate.block_id, f"I1: a fork at {certificate.height}"
        assert certificate.block_id not in self.invalid, "an invalid block was decided"
        self.note(node, "decided", certificate.height, certificate.block_id.hex()[:8])
        if certificate.round:
            self.seen.add("decided after round 0")

    def on_accused(self, by: str, effect: ev.Accuse) -> None:
        """I6, J23: only liars are reported, and the report holds as evidence once it is whole."""
        signer = effect.first.signer
        assert letter(signer) not in self.nodes, f"I6: {by} accuses {letter(signer)}"
        headers = {block_id: block.header for block_id, block in self.blocks.items()}
        found = build_evidence(CHAIN, effect.first, effect.second, headers.get)
        if found is not None:
            check_evidence(found, CHAIN, make_set(LETTERS[: self.n]), verify)
            self.seen.add(f"evidence {get_conviction(found).kind}")

    def check_honesty(self) -> None:
        """I6, J18: whatever honest keys signed, crashes included, proves nothing against them."""
        blocks = {block_id: block.header for block_id, block in self.blocks.items()}
        for messages in self.signed.values():
            told = evidence.find_culprits([bare(one) for one in messages], blocks)
            assert not told, "I6: an honest key looks guilty"
        for signer, messages in self.signed.items():
            found = find_culprits(messages, blocks)
            assert not found, f"I6: {letter(signer)} looks guilty of {found[signer]}"


class Node:
    """An honest validator: a replica, its disk, and what the runtime would do."""

    def __init__(self, world: Network, name: str) -> None:
        self.world = world
        self.name = name
        self.key = key(name)
        self.disk = Disk()
        self.replica: Replica | None = None
        self.life = 0
        self.linked: set[str] = set()
        self.timers: dict[Timer, int] = {}
        self.held: dict[bytes, CompactBlock] = {}
        self.crash_at: int | None = None

    @property
    def height(self) -> int:
        return len(self.disk.chain) + 1

    def start(self) -> None:
        if self.replica is not None:
            return
        self.life += 1
        if self.world.forget:
            self.disk.slots, self.disk.records = [], OpenRecords()
        self.replica = self.world.make_replica(self.key)
        self.linked = set()
        self.timers = {}
        self.held = dict(self.disk.kept)
        slots = [slot for slot in self.disk.slots if slot.position.height == self.height]
        last = tuple(slots or self.disk.slots[-1:])
        if slots:
            self.world.seen.add("restarted with words of the open height")
        self.feed(ev.Start(self.context(), self.disk.records, last, True, False, 0, *self.clock))
        for other in LETTERS[: self.world.n]:
            if other != self.name:
                self.link(other)

    def crash(self) -> None:
        """Stop somewhere within the next step's effects: the rest of them never happens."""
        if self.replica is not None and self.crash_at is None:
            self.crash_at = self.world.chance.randrange(6)

    def reopen(self) -> None:
        """Start again with a guard that an approval opened at the open height (D12)."""
        first = opening(self.height)
        self.disk.slots = [one for one in self.disk.slots if one.position < first.position]
        self.disk.slots.append(first)
        self._die()

    def _die(self) -> None:
        self.life += 1
        self.crash_at = None
        self.replica = None
        self.world.note(self.name, "crashed")
        self.world.later(self.world.chance.randrange(10, 4_000), self.start)

    def link(self, other: str) -> None:
        if self.replica is None:
            return
        up = self.world.is_open(self.name, other)
        if up and other not in self.linked:
            self.linked.add(other)
            self.feed(ev.LinkUp(key(other), *self.clock))
        elif not up and other in self.linked:
            self.linked.discard(other)
            self.feed(ev.LinkDown(key(other), *self.clock))

    def hear(self, sender: str, message: Message) -> None:
        if self.replica is None:
            return
        self.feed(ev.Received(key(sender), message, *self.clock))
        is_up = self.replica is not None  # unless the message was its last
        if is_up and isinstance(message, Status) and message.best_height >= self.height:
            self._sync(sender)

    @property
    def clock(self) -> tuple[int, int]:
        return self.world.now, START_MS + self.world.now

    def context(self) -> HeightContext:
        chain = self.disk.chain
        block, tip = chain[-1] if chain else (None, None)
        return HeightContext(
            height=self.height,
            parent_id=block.block_id if block else CHAIN.genesis_digest,
            parent_time_ms=block.header.time_ms if block else START_MS - 1,
            validators=self.world.validators,
            next_validators=self.world.validators,
            order=ring(self.world.validators.keys, block.header.creator if block else None),
            tip=tip,
            timing=TIMING,
        )

    # ------------------------------------------------------------------------ performing effects

    def feed(self, event: ev.Event) -> None:
        queue = deque([event])
        while queue:
            assert self.replica is not None
            answers: list[ev.Event] = []
            for effect in self.replica.step(queue.popleft()):
                if self.crash_at is not None:
                    self.crash_at -= 1
                    if self.crash_at < 0:
                        self._die()
                        return
                answer = self._perform(effect)
                if answer is not None:
                    answers.append(answer)
            queue.extendleft(reversed(answers))

    def _perform(self, effect: ev.Effect) -> ev.Event | None:
        world = self.world
        world.note(self.name, type(effect).__name__)
        match effect:
            case ev.Persist():
                self._persist(effect.record)
            case ev.SignAndSend():
                return self._sign(effect)
            case ev.RaiseGuard():
                end = closing(end_of(effect.height))
                if not self.disk.slots or self.disk.slots[-1].position < end.position:
                    self.disk.slots.append(end)
            case ev.Send():
                for to in LETTERS[: world.n]:
                    if to != self.name and (effect.to is None or key(to) in effect.to):
                        world.carry(self.name, to, effect.message)
                if isinstance(effect.message, SignedProposal) and effect.message.signer != self.key:
                    world.seen.add("a proposal was relayed")
            case ev.SetTimer():
                self._set_timer(effect.timer, effect.at_ms)
            case ev.CancelTimer():
                self.timers.pop(effect.timer, None)
            case ev.Propose():
                tip = self.disk.chain[-1] if self.disk.chain else None
                block = make_block(
                    f"{self.name} {effect.height} {effect.round} {world.now}",
                    self.key,
                    effect.height,
                    parent_id=tip[0].block_id if tip else CHAIN.genesis_digest,
                    time_ms=max(self.clock[1], tip[0].header.time_ms + 1 if tip else 0),
                    tip=tip[1] if tip else None,
                )
                self.held[block.block_id] = block
                world.add_block(block)
                return ev.Proposed(effect.height, effect.round, block, *self.clock)
            case ev.Fetch():
                return self._fetch(effect)
            case ev.Execute():
                bad = effect.block_id in world.invalid
                return ev.Executed(effect.block_id, "roots" if bad else None, *self.clock)
            case ev.Apply():
                return self._apply(self.held[effect.block_id], effect.certificate)
            case ev.Halt():
                raise AssertionError(f"I1: {self.name} halts: {effect.reason}")
            case ev.Accuse():
                world.on_accused(self.name, effect)
            case ev.Ignore():
                honest = letter(effect.sender) in world.nodes
                assert not (honest and effect.fault), (
                    f"B12: {self.name} blames {letter(effect.sender)}: {effect.why}"
                )
            case _:
                pass
        return None

    def _persist(self, record: DraftProposal | SignedProposal | Prepared) -> None:
        old = self.disk.records
        match record:
            case DraftProposal():
                self.disk.records = OpenRecords(record, old.accepted, old.prepared)
                block_id = record.record.block_id
            case SignedProposal():
                self.disk.records = OpenRecords(old.drafted, record, old.prepared)
                block_id = record.record.block_id
            case Prepared():
                self.disk.records = OpenRecords(old.drafted, old.accepted, record)
                block_id = record.certificate.block_id
            case _:
                assert_never(record)
        self.disk.kept[block_id] = self.held[block_id]

    def _sign(self, effect: ev.SignAndSend) -> ev.Event:
        world = self.world
        at, signed = position(effect.draft), signed_bytes(CHAIN, effect.draft)
        verdict = judge(self.disk.slots[-1] if self.disk.slots else None, at, signed)
        assert verdict.refuse is None, f"D2: the guard of {self.name} refuses: {verdict.refuse}"
        self.disk.slots.append(Slot(at, signed, mac(self.key, signed)))
        message = seal(effect.draft, self.key, mac(self.key, signed))
        world.signed.setdefault(self.key, []).append(message)
        world.sent.append(message)
        world.note(self.name, encode(message))
        world.broadcast(self.name, message)
        if isinstance(message, SignedRoundChange) and message.record.prepared_round is not None:
            world.seen.add("a prepared block was carried")
        return ev.Received(self.key, message, *self.clock)

    def _set_timer(self, timer: Timer, at_ms: int) -> None:
        self.timers[timer] = at_ms
        life = self.life

        def ring_it() -> None:
            if self.life == life and self.timers.get(timer) == at_ms:
                del self.timers[timer]
                self.feed(ev.TimerFired(timer, *self.clock))

        self.world.later(max(0, at_ms - self.world.now), ring_it)

    def _fetch(self, effect: ev.Fetch) -> ev.Event | None:
        if effect.block_id in self.held:
            return ev.BlockAvailable(self.held[effect.block_id], *self.clock)
        life = self.life

        def answer() -> None:
            if self.life != life or effect.block_id in self.held:
                return
            for source in effect.sources:
                name = letter(source)
                if not self.world.is_open(self.name, name):
                    continue
                other = self.world.nodes.get(name)
                if other is None:
                    has = effect.block_id not in self.world.withheld
                else:
                    has = other.replica is not None and effect.block_id in other.bodies()
                if has:
                    block = self.held[effect.block_id] = self.world.blocks[effect.block_id]
                    self.feed(ev.BlockAvailable(block, *self.clock))
                    return

        self.world.later(2 * min(self.world.dice.delay_ms, 100), answer)
        return None

    def bodies(self) -> set[bytes]:
        return self.held.keys() | {block.block_id for block, _ in self.disk.chain}

    def _apply(self, block: CompactBlock, certificate: CommitCertificate) -> ev.Event:
        assert certificate.height == self.height
        self.world.on_decided(self.name, certificate)
        self.disk.chain.append((block, certificate))
        self.disk.records = OpenRecords()
        self.disk.kept = {}
        self.held = {}
        self._expect_work()
        return ev.NewHeight(self.context(), False, *self.clock)

    def _expect_work(self) -> None:
        """Somebody will want something, sooner or later, if the block did not bring it."""
        height, life = self.height, self.life

        def come() -> None:
            if (self.height, self.life) == (height, life):
                self.feed(ev.WorkPending(True, *self.clock))

        self.world.later(self.world.chance.randrange(50, WORK_MS), come)

    def _sync(self, peer: str) -> None:
        """S3, as far as the core sees it: certified blocks of a peer, one after the other."""
        other, life = self.world.nodes.get(peer), self.life
        if other is None:
            return

        def apply() -> None:
            if self.life != life or other.height <= self.height + 1:
                return  # one height behind is consensus' own affair (T7)
            block, certificate = other.disk.chain[self.height - 1]
            self.world.seen.add("caught up by sync")
            height = self.height
            self.feed(ev.CertificateKnown(certificate, *self.clock))
            if self.replica is not None and self.height == height:
                self.feed(self._apply(block, certificate))

        self.world.later(50, apply)


class Liar:
    """A Byzantine validator: it knows all that was sent, and signs whatever may do harm.

    It says different things to different peers, claims prepared blocks it never saw prepared,
    hides bodies and proofs, and repeats old messages. It cannot sign for others.
    """

    def __init__(self, world: Network, name: str) -> None:
        self.world = world
        self.name = name
        self.key = key(name)
        self.proofs: list[PreparedCertificate] = []
        letters, liars = LETTERS[: world.n], sorted(world.liars)
        self.nonsense = None if world.odd is None else Hostile(world.odd, letters, liars)

    def hear(self, message: Message) -> None:
        """Learn, and now and then answer with a lie, or with the truth to keep up appearances."""
        world = self.world
        if isinstance(message, ProvenRoundChange):
            self.proofs.append(message.certificate)
        if self.nonsense is not None and world.odd is not None and world.odd.random() < 0.3:
            self._talk_nonsense(self.nonsense, world.odd)
        if isinstance(message, Status):
            if world.chance.random() < 0.5:
                self._status(message)
            return
        if isinstance(message, SIGNED) and world.chance.random() < world.dice.lies:
            for to in LETTERS[: world.n]:
                if to in world.nodes and world.chance.random() < 0.7:
                    for lie in self._lies(message):
                        world.carry(self.name, to, lie)

    def _talk_nonsense(self, nonsense: Hostile, chance: Random) -> None:
        """Say something to one node that fits where it stands, or nearly."""
        name = chance.choice(sorted(self.world.nodes))
        node = self.world.nodes[name]
        if node.replica is None:
            return
        nonsense.look(node.context(), node.replica.status().round, node.clock[1])
        nonsense.proofs += [one for one in self.proofs if one.height == node.height][-2:]
        nonsense.overheard = [
            one
            for one in self.world.sent[-20:]
            if isinstance(one, SignedRoundChange) and one.record.height == node.height
        ]
        message = nonsense.say()
        for block in nonsense.blocks:
            if block.block_id not in self.world.blocks:
                self.world.add_block(block)
        self.world.carry(self.name, name, message)

    def _status(self, seen: Status) -> None:
        chance = self.world.chance
        best = seen.best_height + chance.choice((0, 0, 0, 1, 5))
        status = Status(
            seen.height,
            seen.round,
            best,
            seen.best_id,
            None,
            bytes((self.world.n + 7) // 8),
            bytes((self.world.n + 7) // 8),
            bytes((self.world.n + 7) // 8),
            None,
            seen.wall_ms + chance.randrange(-5_000, 5_000),
        )
        self.world.broadcast(self.name, status)

    def _lies(self, seen: SignedMessage) -> list[Message]:
        chance = self.world.chance
        height, round_ = seen.record.height, seen.record.round
        ids = self.world.ids_at.get(height, [])[-6:]
        kind = chance.randrange(7)
        if kind == 0 or not ids:
            return self._proposals(height, round_ + chance.randrange(3))
        block_id = chance.choice(ids)
        if kind in (1, 2):
            return [make_prepare(self.key, height, round_ + chance.randrange(2), block_id)]
        if kind in (3, 4):
            return [make_commit(self.key, height, round_ + chance.randrange(2), block_id)]
        if kind == 5:
            return [chance.choice(self.world.sent[-50:])] if self.world.sent else []
        return self._round_changes(height, round_ + 1 + chance.randrange(2), block_id)

    def _round_changes(self, height: int, round_: int, block_id: bytes) -> list[Message]:
        chance = self.world.chance
        claim = (chance.randrange(round_ + 1), block_id) if chance.random() < 0.6 else None
        proofs = [proof for proof in self.proofs if proof.height == height and proof.round < round_]
        if proofs and chance.random() < 0.5:
            proof = chance.choice(proofs)
            change = make_round_change(self.key, height, round_, (proof.round, proof.block_id))
            return [ProvenRoundChange(change, proof)]
        change = make_round_change(self.key, height, round_, claim)
        if claim is not None and chance.random() < 0.5:
            return [ProvenRoundChange(change, self._forge(height, *claim))]
        return [change]

    def _forge(self, height: int, round_: int, block_id: bytes) -> PreparedCertificate:
        """A certificate in due form, with signatures that nobody gave."""
        validators = self.world.validators
        vote = signed_bytes(CHAIN, Prepare(CHAIN.genesis_digest, height, round_, block_id))
        signatures = {one: mac(self.key, vote) for one in validators.keys[: validators.quorum]}
        return build_prepared_certificate(validators, height, round_, block_id, signatures)

    def _proposals(self, height: int, round_: int) -> list[Message]:
        world, chance = self.world, self.world.chance
        parents = [
            node.context() for _, node in sorted(world.nodes.items()) if node.height == height
        ]
        if not parents:
            return []
        context = parents[0]
        block = make_block(
            f"lie {world.now} {chance.random()}",
            self.key,
            height,
            parent_id=context.parent_id,
            time_ms=max(START_MS + world.now, context.parent_time_ms + 1),
            tip=context.tip,
        )
        world.add_block(block)
        if chance.random() < 0.2:
            world.invalid.add(block.block_id)
        if chance.random() < 0.2:
            world.withheld.add(block.block_id)
        return [make_proposal(self.key, block, round_, self._reasons(height, round_))]

    def _reasons(self, height: int, round_: int) -> Justification:
        """What round changes there are, with own lies put in, with a proof or without."""
        if round_ == 0:
            return EMPTY_JUSTIFICATION
        chance = self.world.chance
        changes = {
            message.signer: message
            for message in self.world.sent
            if isinstance(message, SignedRoundChange)
            and (message.record.height, message.record.round) == (height, round_)
        }
        for liar in self.world.bad.values():
            changes[liar.key] = make_round_change(liar.key, height, round_)
        chosen = [changes[signer] for signer in sorted(changes)]
        proofs = [proof for proof in self.proofs if proof.height == height]
        proof = chance.choice(proofs) if proofs and chance.random() < 0.3 else None
        return Justification(tuple(chosen), proof)


def play(seed: int, **options: object) -> Network:
    """Play one run to its end; an assertion fails if an invariant does."""
    return Network(seed, **options).play()  # type: ignore[arg-type]
