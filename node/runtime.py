"""The synchronous runtime: feeds events to the replica and performs its effects in order (C3..C5).

One door per source: `on_message`, `on_link`, `fire` and `submit`. Nothing here waits, and nothing
here is entered by two threads. The simulator drives this very class (architecture D10).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn, assert_never

import msgspec

from chain.codec import Record, decode, encode
from chain.contract import Chain, Clock
from chain.errors import Malformed
from chain.evidence import Conviction, Evidence, Testimony, get_said
from chain.execute import Base, Executed, get_leaders, get_set
from chain.keyspaces import SET_NEXT, SET_NOW, get_version
from chain.records import Header
from chain.state import State
from chain.texts import code_text, message
from chain.validators import CommitCertificate, Verify, check_commit_certificate
from consensus import events
from consensus.events import HeightContext, OpenRecords, Timer, Timing
from consensus.guard import is_foreign, position
from consensus.messages import (
    ChainName,
    CompactBlock,
    DraftProposal,
    Message,
    Prepared,
    ProvenRoundChange,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
    seal,
    signed_bytes,
)
from consensus.replica import Replica
from node import candidates, intake, snapshots, sync
from node.candidates import Candidates
from node.chainstore import ChainStore, TxPlace
from node.evidence import EvidencePool
from node.exchange import Exchange
from node.fork import Fork, compute_fork
from node.intake import Done, Intake
from node.messages import (
    BlockRange,
    BodyAnswer,
    BodyRequest,
    CertificateNote,
    EvidenceNote,
    RangeRequest,
    SaidAnswer,
    SaidRequest,
    TxAnnounce,
    TxAnswer,
    TxBatch,
    TxRequest,
)
from node.mismatch import make_dump
from node.ports import (
    GuardRefused,
    Heads,
    Links,
    Meter,
    Peer,
    Signer,
    Size,
    Timers,
    Verifier,
    unmetered,
)
from node.snapshots import Setup, Snapshots
from node.sync import Fetched, Sync

BLOCK = b"block/"  # open-height record: a candidate's body with all transactions
DRAFTED, ACCEPTED, PREPARED = b"drafted", b"accepted", b"prepared"

FORK = "fork"  # alarm: stop, whoever has not answered
FORK_MS = 5_000  # reliability Z10: a peer that does not answer by then is not waited for
TOO_OLD = 4005  # interfaces 1.5
ALARMS_MAX = 100  # the newest are kept for `status`

REASONS_MAX = 50  # why messages are ignored: the constants of the replica

Watcher = Callable[[TxPlace | None], None]


class Halted(Exception):
    """This node must stop for good: its state or the chain is not to be trusted (S5, E6).

    `fork` explains two certificates for one height.
    """

    def __init__(self, why: str, *, fork: Fork | None = None) -> None:
        super().__init__(why)
        self.fork = fork


class TooOld(Halted):
    """The next block is of a protocol version that this program does not know (V8)."""

    def __init__(self, version: int, height: int) -> None:
        dutch, english = (message(TOO_OLD, {"height": height}, lang) for lang in ("nl", "en"))
        super().__init__(f"{code_text(TOO_OLD)} (version {version}): {dutch} // {english}")


class RootMismatch(Halted):
    """A certified block does not come out here as certified; `dump` is for a file (S5)."""

    def __init__(self, why: str, height: int, dump: bytes) -> None:
        super().__init__(f"a certified block does not execute here: {why}")
        self.height = height
        self.dump = dump


def mismatch_of(block: Fetched, why: str, own: Executed | None) -> RootMismatch:
    """Return what stops the node, with all that somebody needs to find out why (S5)."""
    header = block.header
    dump = make_dump(why, header, block.body, block.certificate, block.txs, own)
    return RootMismatch(why, header.height, dump)


class Applied(msgspec.Struct, frozen=True):
    """A block became durable; told to whoever follows the chain (streams, metrics).

    `bytes` are those of its envelopes; the times are of its execution here and of its batch.
    """

    header: Header
    certificate: CommitCertificate
    tx_ids: tuple[bytes, ...]
    codes: tuple[int, ...]
    bytes: int
    execute_ms: int
    commit_ms: int


class Runtime:
    """Owns the replica, the event queue and the parts that answer it."""

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        heads: Heads,
        signer: Signer | None,
        links: Links,
        timers: Timers,
        verifier: Verifier,
        verify: Verify,
        own_key: bytes | None,
        *,
        joins: bool = False,
        snapshots: Setup | None = None,
        meter: Meter = unmetered,
    ) -> None:
        self.chain = chain
        self.store = store
        self._heads = heads
        self._signer = signer
        self._links = links
        self._timers = timers
        self._meter = meter
        self._own_key = own_key if signer is not None else None
        self._joins = joins  # the guard is new: the join barrier first (consensus D10)
        self._queue: deque[events.Event] = deque()
        self._stepping = False
        self._watchers: dict[bytes, list[Watcher]] = {}
        self.alarms: deque[tuple[int, events.Alarm]] = deque(maxlen=ALARMS_MAX)
        self.ignored: dict[str, int] = {}
        self.on_applied: list[Callable[[Applied], None]] = []
        self.on_linked: list[Callable[[Peer, bool], None]] = []
        self.peer_status: dict[Peer, tuple[Status, int]] = {}
        self.intake = Intake(chain, store, links, timers, verifier, self._on_pool_change)
        self.candidates = Candidates(
            chain,
            store,
            self.intake,
            links,
            timers,
            verify,
            self._on_whole,
            self._offer_evidence,
            meter,
        )
        self.evidence = EvidencePool(
            chain, store, links, verify, self.candidates.header, self._on_evidence
        )
        self._verify = verify
        self.exchange = Exchange(chain, store, links, verify, self._heard, self.evidence.on_accuse)
        self.sync = Sync(chain, store, links, timers, verify, self._apply_fetched)
        self.snapshots: Snapshots | None = None
        if snapshots is not None:
            self.snapshots = Snapshots(
                snapshots,
                chain,
                store,
                links,
                timers,
                verify,
                heads.last,
                self.sync,
                self._run_certified,
                self._stop,
                self._marks_joining,
            )
        self.replica = Replica(ChainName(chain.digest, chain.chain_id), self._own_key, verify)
        self._fault: events.Ignore | None = None  # of the message that is being judged
        self._fork: events.Halt | None = None  # this node does no more than ask who made it (E6)
        self._fetched_id: bytes | None = None  # of the block of sync that is being applied
        self.saves_space = False  # propose nothing, but vote (reliability Y28)
        self.equivocations = 0  # keys that were caught since the start
        self._work = False

    # ------------------------------------------------------------------------------- doors

    def start(self) -> None:
        """Begin, or begin again, at the height after the last durable block (consensus D7)."""
        stored = self.store.read_open()
        for name, raw in stored.items():
            if name.startswith(BLOCK):
                self.candidates.restore(raw)
        drafted, accepted, prepared = (stored.get(name) for name in (DRAFTED, ACCEPTED, PREPARED))
        records = OpenRecords(
            None if drafted is None else decode(DraftProposal, drafted),
            None if accepted is None else decode(SignedProposal, accepted),
            None if prepared is None else decode(Prepared, prepared),
        )
        height = self.store.tip.height + 1
        slots = () if self._signer is None else self._signer.slots(height)
        last = None if self._signer is None else self._signer.last
        if last is not None and last not in slots:  # it may close heights above this one (D10)
            slots = (*slots, last)
        self._work = len(self.intake.mempool) > 0
        joins, acked = self._joins or self.store.joins, self._heads.last.height
        context = self._context()
        self._feed(events.Start(context, records, slots, self._work, joins, acked, *self._now()))

    def on_message(self, peer: Peer, message: Record) -> None:
        """A decoded message came over an accepted link. Raise `Malformed` if it is hostile."""
        if self._fork is not None and not isinstance(message, SaidRequest | SaidAnswer):
            return
        match message:
            case SaidRequest():
                self.exchange.on_request(peer, message)
            case SaidAnswer():
                self.exchange.on_answer(peer, message)
                if self._fork is not None and not self.exchange.is_waiting():
                    self._halt(self._fork)
            case Status():
                self.peer_status[peer] = (message, self._timers.mono_ms())
                self._receive(peer, message)
                if self.snapshots is not None:
                    self.snapshots.on_claim(peer, message.best_height)
                self.sync.on_claim(peer, message.best_height)
            case SignedProposal() | SignedPrepare() | SignedCommit() | SignedRoundChange():
                self._receive(peer, message)
            case ProvenRoundChange():
                self._receive(peer, message)
            case CommitCertificate():
                self._on_certificate(peer, message)
            case CertificateNote():
                self._on_certificate(peer, decode(CommitCertificate, message.certificate))
            case TxBatch():
                self.intake.on_txs(peer, message.envelopes, asked=False)
            case TxAnswer():
                self.intake.on_txs(peer, message.envelopes, asked=True)
            case TxAnnounce():
                self.intake.on_announce(peer, message)
            case TxRequest():
                self.intake.on_request(peer, message)
            case BodyRequest():
                self.candidates.on_body_request(peer, message)
            case BodyAnswer():
                self.candidates.on_body(message)
            case EvidenceNote():
                self.evidence.on_note(message)
            case RangeRequest():
                self.sync.on_request(peer, message)
            case BlockRange():
                if self.snapshots is None or not self.snapshots.on_range(peer, message):
                    self.sync.on_range(peer, message)
            case _ if self.snapshots is not None and self.snapshots.on_message(peer, message):
                pass
            case _:
                raise Malformed(f"a message of kind {type(message).__name__} out of place")

    def on_link(self, peer: Peer, up: bool) -> None:
        """A link to `peer` was accepted in both directions, or the last one is gone."""
        for listener in self.on_linked:
            listener(peer, up)
        if not up:
            self.exchange.on_link_down(peer)
        if self._fork is not None:
            return
        if self.snapshots is not None:
            self.snapshots.on_link(peer, up=up)
        if up:
            self._feed(events.LinkUp(peer, *self._now()))
            self.evidence.on_link_up(peer)
        else:
            self.peer_status.pop(peer, None)
            self.sync.on_link_down(peer)
            self._feed(events.LinkDown(peer, *self._now()))

    def fire(self, alarm: str) -> None:
        """An alarm went off."""
        if self._fork is not None:
            if alarm == FORK:
                self._halt(self._fork)
        elif alarm in (intake.FLUSH, intake.REANNOUNCE, intake.ASK):
            self.intake.fire(alarm)
        elif alarm == sync.SYNC:
            self.sync.fire()
        elif alarm in snapshots.ALARMS:
            if self.snapshots is not None:
                self.snapshots.fire(alarm)
        elif alarm == candidates.FETCH:
            self.candidates.fire()
        else:
            self._feed(events.TimerFired(Timer(alarm), *self._now()))

    def lock_signer(self) -> None:
        """Sign nothing any more until the node starts again (interfaces 2.5)."""
        self._feed(events.SignerLocked(*self._now()))

    def submit(self, raw: bytes, done: Done) -> None:
        """Take a transaction from a client (architecture 3, step 2)."""
        self.intake.submit(raw, done)

    def watch(self, tx_id: bytes, watcher: Watcher) -> None:
        """Tell `watcher` once when a transaction is final, or None when it has expired."""
        place = self.store.place(tx_id)
        if place is not None:
            watcher(place)
        else:
            self._watchers.setdefault(tx_id, []).append(watcher)

    def unwatch(self, tx_id: bytes, watcher: Watcher) -> None:
        """Forget a watcher."""
        watchers = self._watchers.get(tx_id, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._watchers.pop(tx_id, None)

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer of the node holds, and its cap (consensus I8)."""
        return (
            *self.intake.sizes(),
            *self.candidates.sizes(),
            *self.sync.sizes(),
            *(() if self.snapshots is None else self.snapshots.sizes()),
            *self.evidence.sizes(),
            *self.exchange.sizes(),
            ("alarms", len(self.alarms), ALARMS_MAX),
            ("reasons", len(self.ignored), REASONS_MAX),
        )

    # ------------------------------------------------------------------------- the event loop

    def _receive(self, peer: Peer, message: Message) -> None:
        """Feed a message of consensus; one that no honest peer sends ends its link (B12)."""
        self._fault = None
        self._feed(events.Received(peer, message, *self._now()))
        if self._fault is not None and self._fault.sender == peer:
            raise Malformed(self._fault.why)

    def _feed(self, event: events.Event) -> None:
        """Queue an event and run until the queue is empty; effects never re-enter the replica."""
        self._queue.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._queue and self._fork is None:
                self._perform(self.replica.step(self._queue.popleft()))
        finally:
            self._stepping = False

    def _perform(self, effects: Sequence[events.Effect]) -> None:
        """Perform effects strictly in order; their answers come before all other events (C4)."""
        answers: list[events.Event] = []
        for effect in effects:
            answer = self._perform_one(effect)
            if self._fork is not None:
                return
            if isinstance(answer, events.Executed):
                answers += self._complain(answer)
            if answer is not None:
                answers.append(answer)
        self._queue.extendleft(reversed(answers))

    def _perform_one(self, effect: events.Effect) -> events.Event | None:
        match effect:
            case events.Persist():
                self._persist(effect.record)
            case events.SignAndSend():
                return self._sign_and_send(effect)
            case events.RaiseGuard():
                assert self._signer is not None, "observers have no guard"
                self._signer.raise_to(effect.height)
                self.store.note_joining(joins=False)
            case events.Send():
                self._send(effect)
            case events.SetTimer():
                self._timers.set(effect.timer.value, effect.at_ms)
            case events.CancelTimer():
                self._timers.cancel(effect.timer.value)
            case events.Propose() if self.saves_space:
                return None  # the round ends on its timer, and another leads
            case events.Propose():
                assert self._own_key is not None, "only a validator proposes"
                block = self.candidates.build(self._own_key, self._timers.wall_ms())
                return events.Proposed(effect.height, effect.round, block, *self._now())
            case events.Fetch():
                held = self.candidates.get(effect.block_id)
                if held is not None:
                    return events.BlockAvailable(held.compact, *self._now())
                if effect.block_id == self._fetched_id:
                    return None  # it is here, and is applied as soon as the replica had its say
                if effect.block is None:
                    self.sync.fetch(self.store.tip.height + 1, effect.sources)
                else:
                    self.candidates.want(effect.block, effect.sources)
            case events.Execute():
                error = self.candidates.execute(effect.block_id)
                return events.Executed(effect.block_id, error, *self._now())
            case events.Apply():
                return self._apply_candidate(effect)
            case events.Alarm():
                self.alarms.append((self._timers.wall_ms(), effect))
            case events.Halt():
                self._on_fork(effect)
            case events.Accuse():
                self.evidence.on_accuse(effect)
            case events.Retain():
                self.evidence.retain(effect)
            case events.Inquire():
                self.exchange.ask(effect.height, effect.of)
            case events.Ignore():
                # Peers choose the numbers in the text: only its head may name a counter (I8).
                why = "fault" if effect.fault else effect.why.partition(":")[0]
                self.ignored[why] = self.ignored.get(why, 0) + 1
                if effect.fault:
                    self._fault = effect
            case _:
                assert_never(effect)
        return None

    def _complain(self, executed: events.Executed) -> list[events.Event]:
        """B6: before the block of this round's leader is accepted, look at what it leaves out."""
        candidate = self.candidates.get(executed.block_id)
        if candidate is None or executed.error is not None:
            return []
        at, creator = self.replica.status(), candidate.compact.header.creator
        if creator == self._own_key or creator != at.proposer:
            return []  # carried over: it was accepted before
        if not self.candidates.omits_overdue(executed.block_id):
            return []
        return [events.Complaint(at.height, at.round, *self._now())]

    # ---------------------------------------------------------------------------- effects

    def _persist(self, record: DraftProposal | SignedProposal | Prepared) -> None:
        """One synced write: the record and, once per block, its body with all transactions (D3)."""
        if isinstance(record, Prepared):
            name, block = PREPARED, record.certificate.block_id
        else:
            name = DRAFTED if isinstance(record, DraftProposal) else ACCEPTED
            block = record.block.block_id
        changes = {name: encode(record)}
        if self.candidates.get(block) is not None:
            raw = self.candidates.encode_block(block)
            if raw is not None:
                changes[BLOCK + block] = raw
        self.store.write_open(changes)

    def _sign_and_send(self, effect: events.SignAndSend) -> events.Event:
        assert self._signer is not None, "observers sign nothing"
        assert self._own_key is not None
        draft = effect.draft
        signed = signed_bytes(ChainName(self.chain.digest, self.chain.chain_id), draft)
        try:
            signature = self._signer.sign(position(draft), signed)
        except GuardRefused as refusal:
            return events.SigningRefused(str(refusal), *self._now())
        message = seal(draft, self._own_key, signature)
        self._links.broadcast(message)
        return events.Received(self._own_key, message, *self._now())

    def _send(self, effect: events.Send) -> None:
        if effect.to is None:
            self._links.broadcast(effect.message)
        else:
            for peer in effect.to:
                self._links.send(peer, effect.message)

    def _apply_candidate(self, effect: events.Apply) -> events.Event | None:
        if effect.certificate.height <= self.store.tip.height:
            return None  # sync was faster (consensus D15)
        candidate = self.candidates.get(effect.block_id)
        assert candidate is not None, "the replica applies only what it was told is held"
        error = self.candidates.execute(effect.block_id)
        header, body, txs = candidate.compact.header, candidate.body, candidate.txs
        block = Fetched(self._own_key or b"", header, body, effect.certificate, txs)
        if candidate.executed is None:
            raise mismatch_of(block, str(error), candidate.differs)
        self._apply(block, candidate.executed)
        return self._new_height()

    def _apply_fetched(self, block: Fetched) -> None:
        """Apply a block that sync verified, and tell the replica (S3, D13)."""
        certificate = self._find_other_parent(block) or block.certificate
        self._fetched_id = block.certificate.block_id
        self._feed(events.CertificateKnown(certificate, *self._now()))
        self._fetched_id = None
        if self._fork is not None or block.header.height != self.store.tip.height + 1:
            return  # the certificate let consensus apply the block itself
        self._apply(block, self._run_certified(self.store.base(), block))
        self._feed(self._new_height())

    def _marks_joining(self, height: int) -> bool:
        """Say whether a store that stands at `height` has to remember the join barrier (D10)."""
        learns = self._signer is not None and self.replica.is_joining(height)
        return learns or self.store.joins

    def _stop(self, why: str) -> NoReturn:
        raise Halted(why)

    def _run_certified(self, base: Base, block: Fetched) -> Executed:
        """Execute a certified block on `base`; stop for good where it comes out otherwise (S5)."""
        self.intake.check_ahead(block.txs)
        try:
            return self.candidates.run(block.header, block.body, block.txs, base)
        except Malformed as error:
            own = error.executed if isinstance(error, candidates.Differs) else None
            raise mismatch_of(block, str(error), own) from error

    def _apply(self, block: Fetched, executed: Executed) -> None:
        """One synced batch, then the head slot, and only then does anybody hear of it (D3, Y16).

        A node that fetches back what it lost takes no other block where it acked one (X5).
        """
        acked, height = self._heads.last, block.header.height
        if acked.height == height and acked.block_id != block.certificate.block_id:
            raise Halted(f"another block is certified at height {height} than was acked here")
        if self._signer is not None and self.replica.is_joining(height):
            self.store.note_joining(joins=True)  # so that a crash is no way round the barrier (D10)
        self.evidence.before_block()
        started_ms = self._timers.mono_ms()
        written = (block.header, block.body, block.certificate, block.txs, executed)
        tip = self._meter("store", lambda: self.store.apply(*written))
        if tip.height > self._heads.last.height:  # else it was acked before it was lost
            self._heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
        commit_ms = self._timers.mono_ms() - started_ms
        execute_ms = self.candidates.executed_ms
        self.candidates.clear()
        self.evidence.on_block()
        expired = self.intake.on_block(block.txs, tip.time_ms // 1000)
        outcomes = executed.outcomes
        applied = Applied(
            block.header,
            block.certificate,
            tuple(outcome.tx_id for outcome in outcomes),
            tuple(outcome.code for outcome in outcomes),
            sum(len(tx.raw) for tx in block.txs),
            execute_ms,
            commit_ms,
        )
        first = tip.log_size - len(outcomes)
        if self._watchers:
            for index, outcome in enumerate(outcomes):
                place = TxPlace(tip.height, index, first + index, outcome.code, outcome.params)
                self._tell(outcome.tx_id, place)
            for tx_id in expired:
                self._tell(tx_id, None)
        for listener in self.on_applied:
            listener(applied)
        if self.snapshots is not None:
            self.snapshots.on_block()

    def _tell(self, tx_id: bytes, place: TxPlace | None) -> None:
        for watcher in self._watchers.pop(tx_id, ()):
            watcher(place)

    def _new_height(self) -> events.Event:
        """Open the next height."""
        self._work = len(self.intake.mempool) > 0
        return events.NewHeight(self._context(), self._work, *self._now())

    # --------------------------------------------------------------------------- evidence

    def _offer_evidence(self) -> tuple[bytes, ...]:
        return self.evidence.offer()

    def _on_evidence(self, found: Conviction, evidence: Evidence) -> None:
        """E7: tell the operator, whose first thought should be a key on two machines.

        Where it is the own key, one of the two messages is not of this machine: it stops (D14).
        """
        names = {one.key: one.name for one in self.store.validators_at(found.height).validators}
        told = (("validator", names[found.key]), ("kind", found.kind), ("height", found.height))
        self.alarms.append((self._timers.wall_ms(), events.Alarm("equivocation", told)))
        self.equivocations += 1
        if self._signer is None or found.key != self._own_key:
            return
        chain = ChainName(self.chain.digest, self.chain.chain_id)
        for said in get_said(evidence):
            at, signed = position(said.record), signed_bytes(chain, said.record)
            if is_foreign(self._signer.recall(at.height), at, signed):
                self._feed(events.KeyElsewhere(at.height, at.round, *self._now()))

    def _heard(self, height: int) -> tuple[Testimony, ...]:
        """E5: what this node heard at a height, as far as it is kept."""
        return tuple(dict.fromkeys((*self.replica.said(height), *self.evidence.retained(height))))

    def _find_other_parent(self, block: Fetched) -> CommitCertificate | None:
        """E6: a certified block on another parent than ours carries that one's certificate (M8)."""
        tip, last = self.store.tip, block.body.last_commit
        if block.header.parent_id == tip.block_id or last is None or last.height != tip.height:
            return None
        validators = self.store.validators_at(tip.height)
        try:
            check_commit_certificate(last, validators, self.chain.chain_id, self._verify)
        except Malformed:
            return None  # then its execution fails, and this node halts all the same (S5)
        return last

    def _on_certificate(self, peer: Peer, certificate: CommitCertificate) -> None:
        """E6: consensus knows the newest heights; of older ones the store tells of a fork."""
        own = self.store.certificate(certificate.height)
        if own is None or own.block_id == certificate.block_id:
            self._receive(peer, certificate)
            return
        validators = self.store.validators_at(certificate.height)
        check_commit_certificate(certificate, validators, self.chain.chain_id, self._verify)
        said = self.replica.said(certificate.height)
        self._on_fork(events.Halt("two certificates for one height", own, certificate, said))

    def _on_fork(self, effect: events.Halt) -> None:
        """E5, E6: this node does nothing more, and stops when it knows what all others heard.

        It tells them of both certificates, so that they stop too.
        """
        self._fork = effect
        for certificate in (effect.first, effect.second):
            self._links.broadcast(certificate)
        self.exchange.ask(effect.first.height, self._links.peers())
        self._timers.set(FORK, self._timers.mono_ms() + FORK_MS)
        if not self.exchange.is_waiting():
            self._halt(effect)

    def _halt(self, effect: events.Halt) -> NoReturn:
        """E6: stop with a report of who made a fork possible."""
        height = effect.first.height
        fork = compute_fork(
            effect.first,
            effect.second,
            self.store.validators_at(height),
            (*effect.said, *self.exchange.said(height)),
            self.candidates.header,
        )
        raise Halted(effect.reason, fork=fork)

    # ----------------------------------------------------------------------------- inside

    def _on_pool_change(self) -> None:
        """Transactions were checked: a wanted block may be whole, and there may be work (T4)."""
        self.candidates.on_txs_arrived()
        work = len(self.intake.mempool) > 0
        if work != self._work:
            self._work = work
            self._feed(events.WorkPending(work, *self._now()))

    def _on_whole(self, compact: CompactBlock) -> None:
        self._feed(events.BlockAvailable(compact, *self._now()))

    def _context(self) -> HeightContext:
        """Return what the open height depends on, from the committed state (L1, L2, V1)."""
        store = self.store
        tip = store.tip
        version = get_version(State(store.read_state), tip.height + 1)
        if version not in self.chain.versions:
            raise TooOld(version, tip.height + 1)  # V8: before it says anything about that block
        validators = get_set(store.read_state, SET_NOW)
        clock = Clock(self.chain, State(store.read_state), tip.height, tip.time_ms // 1000)
        return HeightContext(
            height=tip.height + 1,
            parent_id=tip.block_id,
            parent_time_ms=tip.time_ms,
            validators=validators,
            next_validators=get_set(store.read_state, SET_NEXT),
            order=get_leaders(store.read_state),
            tip=store.certificate(tip.height) if tip.height else None,
            timing=Timing(
                clock.number("round_timeout_ms"),
                clock.number("round_timeout_max_ms"),
                clock.number("heartbeat_s") * 1000,
            ),
        )

    def _now(self) -> tuple[int, int]:
        return self._timers.mono_ms(), self._timers.wall_ms()
