"""How transactions come in: decoding, signature checks, admission, the mempool and gossip (B2, B4).

A transaction is verified once in its life on a node. What was checked is remembered with the
keys it was checked against, so that building and replaying a block ask no signature again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, islice
from math import isqrt

import msgspec

from chain.contract import Chain
from chain.crypto import sha256
from chain.errors import Code, Malformed, Reject
from chain.execute import BlockRun
from chain.records import BLOCK_TXS_MAX, CARRIED_BYTES_MAX, Outcome, Tx, compute_tx_id, decode_tx
from node.chainstore import ChainStore, TxPlace
from node.mempool import MEMPOOL_BYTES_MAX, MEMPOOL_TXS_MAX, Mempool, MempoolFull, Pending
from node.messages import (
    BATCH_BYTES_MAX,
    IDS_MAX,
    REQUEST_IDS_MAX,
    TxAnnounce,
    TxAnswer,
    TxBatch,
    TxRequest,
)
from node.ports import Check, Links, Peer, Size, Timers, Verifier

JOB_TXS_MAX = 256  # transactions of one verification job: 5 ms of two cores
JOBS_MAX = 4  # jobs under way; more wait and make larger jobs
QUEUE_TXS_MAX = 50_000  # transactions waiting for a job; above it submission answers "full"
QUEUE_BYTES_MAX = 32 * 1024 * 1024  # of the same; what a block lacks may take as much again
FOR_BLOCK_BYTES_MAX = 16 * 1024 * 1024  # what open blocks need and the mempool does not hold
REQUESTED_MAX = 100_000  # ids asked of peers and not yet there
DECIDED_BLOCKS_MAX = 4  # read for one request: 4 ms, where a peer may name 1,900 old blocks
ASK_AGAIN_MS = 2_000  # an announced transaction is asked of another peer after this
ASK_EVERY_MS = 100  # per peer: half of its quota of requests (B7); the rest is for open blocks
# A quarter of an uplink of 25 Mbit/s. Pushing a body to all takes no more of it than being asked
# for it by those who heard its id, as long as there is room; and it is there a round trip earlier.
PUSH_BYTES_PER_S = 750_000
REANNOUNCE_MS = 2_000  # what still waits after this is announced again: heals lost gossip

FLUSH = "flush"  # alarm: start verification jobs for what this turn of the loop brought
REANNOUNCE = "reannounce"
ASK = "ask"  # alarm: ask for what was announced since the last request


class Verdict(msgspec.Struct, frozen=True):
    """What became of a submission: waiting, included earlier, or refused with a code."""

    tx_id: bytes
    place: TxPlace | None = None
    code: int = 0
    params: tuple[tuple[str, int | str], ...] = ()

    @property
    def status(self) -> str:
        """`pending`, `known` (in a block already) or `refused`."""
        return "refused" if self.code else "pending" if self.place is None else "known"


MEMPOOL_FULL = 4003  # interfaces 1.5
REFUSALS_MAX = 10_000  # remembered for who asks what became of a transaction
Done = Callable[[Verdict], None]


class _Job(msgspec.Struct, frozen=True):
    """One transaction on its way through the signature check. `peer` nil: submitted here."""

    tx: Tx
    keys: tuple[bytes, ...]
    peer: Peer | None


class Intake:
    """Guards the mempool and everything on its way there."""

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        links: Links,
        timers: Timers,
        verifier: Verifier,
        on_change: Callable[[], None],
    ) -> None:
        self._chain = chain
        self._store = store
        self._links = links
        self._timers = timers
        self._verifier = verifier
        self._on_change = on_change
        self._trial = self._make_trial()
        clock = self._trial.clock
        self.mempool = Mempool(
            clock.number("account_pending_txs"), clock.number("account_pending_bytes")
        )
        self._queue: list[_Job] = []
        self._queue_bytes = 0
        self._jobs = 0
        self._waiting: dict[bytes, list[Done]] = {}
        self._requested: dict[bytes, int] = {}
        self._to_ask: dict[Peer, list[bytes]] = {}  # ids, each of them in `_requested` too
        self._asked_ms: dict[Peer, int] = {}  # when, of who was asked less than a while ago
        self._wanted: set[bytes] = set()  # ids that an open block lacks
        self._for_block: dict[bytes, Pending] = {}
        self._for_block_bytes = 0
        self._open: dict[bytes, Tx] = {}  # of the whole blocks of the open height
        self._admitting: Pending | None = None
        self._ahead: dict[bytes, tuple[bytes, ...]] = {}  # good signatures of a certified block
        self._pushes = 0
        self._push_bytes = PUSH_BYTES_PER_S  # what may be pushed to all peers now
        self._push_ms = timers.mono_ms()
        self.refused: dict[int, int] = {}
        # What was refused or expired lately, and why.
        self.refusals: OrderedDict[bytes, int] = OrderedDict()
        timers.set(REANNOUNCE, timers.mono_ms() + REANNOUNCE_MS)

    # ------------------------------------------------------------------------------ coming in

    def submit(self, raw: bytes, done: Done) -> None:
        """Take a transaction from a client; `done` is called once, after its check at latest."""
        try:
            tx = decode_tx(raw, self._chain.table.union)
        except Malformed as error:
            self._count(Code.TX_MALFORMED.number)
            done(
                Verdict(
                    sha256(raw), None, Code.TX_MALFORMED.number, (("reason", str(error)[:200]),)
                )
            )
            return
        waiting = self._waiting.get(tx.id)
        if waiting is not None:
            waiting.append(done)
            return
        if tx.id in self.mempool:
            done(Verdict(tx.id))
            return
        place = self._find_place(tx, self._now_s())
        if place is not None:
            done(Verdict(tx.id, place))
            return
        if not self._has_room():
            done(Verdict(tx.id, None, MEMPOOL_FULL))
            return
        try:
            self.mempool.check_room(tx)
            keys = self._trial.get_keys(tx)
        except MempoolFull:
            done(self._refuse(tx.id, MEMPOOL_FULL))
        except Reject as refusal:
            done(self._reject(tx.id, refusal))
        else:
            self._waiting[tx.id] = [done]
            self._enqueue(_Job(tx, keys, None))

    def try_out(self, raw: bytes) -> Outcome:
        """Return what a transaction would do now, keeping nothing (interfaces 2.2, txs:check).

        Its signatures are not checked, so that a preview needs no key. Raises Malformed or Reject.
        """
        tx = decode_tx(raw, self._chain.table.union)
        trial = BlockRun(self._store.base(), self._chain, self._next_ms(), lambda _tx, _keys: True)
        return trial.try_out(tx, self._now_s())

    def on_txs(self, peer: Peer, envelopes: Iterable[bytes], *, asked: bool) -> None:
        """Take transactions that a peer pushed, or sent because a block or an announce needed them.

        Raise `Malformed` for bytes that no honest node relays.
        """
        now_s = self._now_s()
        for raw in envelopes:
            tx_id = compute_tx_id(raw)
            if self.is_pending(tx_id) or tx_id in self._for_block or tx_id in self._open:
                continue
            tx = decode_tx(raw, self._chain.table.union)
            if not self._has_room(asked=asked):
                continue
            if self._find_place(tx, now_s) is not None:
                continue
            try:
                keys = self._trial.get_keys(tx)
            except Reject:
                keys = ()  # a block may hold it after another one that makes its account
            self._waiting[tx.id] = []
            self._enqueue(_Job(tx, keys, peer))

    def on_announce(self, peer: Peer, message: TxAnnounce) -> None:
        """Ask for what a peer announces and this node lacks (B2)."""
        now = self._timers.mono_ms()
        wanted: list[bytes] = []
        for tx_id in message.tx_ids:
            if tx_id in self.mempool or tx_id in self._waiting:
                continue
            asked = self._requested.get(tx_id)
            if asked is not None and now - asked < ASK_AGAIN_MS:
                continue
            if len(self._requested) < REQUESTED_MAX:
                self._requested[tx_id] = now
                wanted.append(tx_id)
        if wanted:
            self._to_ask.setdefault(peer, []).extend(wanted)
            self._ask(now)

    def on_request(self, peer: Peer, message: TxRequest) -> None:
        """Send the asked transactions, from the mempool, the open blocks or the chain."""
        found: list[bytes] = []
        size = 0
        decided: dict[int, tuple[bytes, ...]] = {}
        for tx_id in message.tx_ids:
            tx = self.find(tx_id)
            raw = tx.raw if tx is not None else self._find_decided(tx_id, decided)
            if raw is None:
                continue
            size += len(raw) + 8
            if size > BATCH_BYTES_MAX:
                break
            found.append(raw)
        self._links.send(peer, TxAnswer(tuple(found)))

    def want(self, tx_ids: Iterable[bytes]) -> None:
        """Keep these until the next block even where the mempool has no place for them (B3)."""
        self._wanted.update(tx_ids)

    def hold(self, txs: Iterable[Tx]) -> None:
        """Serve the transactions of a whole block until one is decided (B3).

        After a restart an accepted block is all that has them: the mempool was lost, and a peer
        that lacks them could never vote for that block again.
        """
        self._open.update((tx.id, tx) for tx in txs)

    # ------------------------------------------------------------------------------- reading

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        pool = self.mempool
        return (
            ("mempool", len(pool), MEMPOOL_TXS_MAX),
            ("mempool bytes", pool.bytes, MEMPOOL_BYTES_MAX),
            ("checks waiting", len(self._queue), 2 * QUEUE_TXS_MAX),
            ("bytes waiting", self._queue_bytes, 2 * QUEUE_BYTES_MAX + CARRIED_BYTES_MAX),
            ("jobs", self._jobs, JOBS_MAX),
            ("ids asked for", len(self._requested), REQUESTED_MAX),
            ("ids to ask for", sum(map(len, self._to_ask.values())), 2 * REQUESTED_MAX),
            ("for open blocks", self._for_block_bytes, FOR_BLOCK_BYTES_MAX),
            ("refusals", len(self.refusals), REFUSALS_MAX),
            ("checked ahead", len(self._ahead), BLOCK_TXS_MAX),
        )

    def find(self, tx_id: bytes) -> Tx | None:
        """Return a transaction that waits here, came for an open block, or is in one."""
        pending = self.mempool.get(tx_id) or self._for_block.get(tx_id)
        return self._open.get(tx_id) if pending is None else pending.tx

    def by_short_id(self, body_hash: bytes) -> dict[bytes, bytes]:
        """Return short id -> id of the transactions that this node holds or has heard of (B3).

        A body is a list of ids, so it can be rebuilt while a transaction is still being checked,
        or was announced and is on its way. Of what was announced the newest count, as many as a
        block may lack: a flood of announcements makes no proposal dear.
        """
        announced = islice(reversed(self._requested), IDS_MAX)
        return self.mempool.by_short_id(body_hash, chain(self._waiting, announced))

    def is_pending(self, tx_id: bytes) -> bool:
        """Say whether a transaction waits for a block, or for its signature check."""
        return tx_id in self.mempool or tx_id in self._waiting

    def check_ahead(self, txs: Sequence[Tx]) -> None:
        """Check the signatures of a certified block together, on all cores, before it is executed.

        By the keys that accounts have now. `check` asks again where the block itself changes them,
        so this decides nothing.
        """
        jobs: list[tuple[Tx, tuple[bytes, ...]]] = []
        for tx in txs:
            try:
                jobs.append((tx, self._trial.get_keys(tx)))
            except Reject:
                continue  # the block makes its account, or adds its key
        verdicts = iter(self._verifier.now([one for job in jobs for one in _checks(*job)]))
        self._ahead = {
            tx.id: keys
            for tx, keys in jobs
            if all(tuple(islice(verdicts, len(keys))))  # its own ones, also behind a bad one
        }

    def backlog(self) -> int:
        """Return how many wait for a block, those included that wait for their check."""
        return len(self.mempool) + len(self._waiting)

    def check(self, tx: Tx, keys: tuple[bytes, ...]) -> bool:
        """Say whether the signatures of `tx` are by `keys`; nothing is checked twice."""
        if keys and self._ahead.get(tx.id) == keys:
            return True
        known = (self.mempool.get(tx.id), self._for_block.get(tx.id), self._admitting)
        for pending in known:
            if pending is not None and pending.tx.id == tx.id and keys and pending.keys == keys:
                return True
        return all(self._verifier.now(_checks(tx, keys)))

    # ------------------------------------------------------------------------------ the chain

    def on_block(self, included: Sequence[Tx], time_s: int) -> list[bytes]:
        """A block is final: drop what it holds and what has expired; return the expired ids."""
        self.mempool.remove(tx.id for tx in included)
        expired = self.mempool.remove_expired(time_s)
        for tx_id in expired:
            self._remember(tx_id, Code.TX_EXPIRED.number)
        self._for_block.clear()
        self._for_block_bytes = 0
        self._wanted.clear()
        self._open.clear()
        self._ahead.clear()
        self._trial = self._make_trial()
        clock = self._trial.clock
        self.mempool.account_txs = clock.number("account_pending_txs")
        self.mempool.account_bytes = clock.number("account_pending_bytes")
        return expired

    def drop(self, refused: Sequence[tuple[Tx, Reject]]) -> None:
        """Forget transactions that no block can hold any more."""
        self.mempool.remove(tx.id for tx, _ in refused)
        for tx, refusal in refused:
            self._remember(tx.id, refusal.code.number)

    def fire(self, alarm: str) -> None:
        """An alarm of the intake went off."""
        if alarm == FLUSH:
            self._start_jobs()
            return
        now = self._timers.mono_ms()
        if alarm == ASK:
            self._ask(now)
            return
        self._requested = {
            tx_id: asked for tx_id, asked in self._requested.items() if now - asked < ASK_AGAIN_MS
        }
        old = self.mempool.since(REANNOUNCE_MS, now, IDS_MAX)
        if old:
            self._links.broadcast(TxAnnounce(tuple(old)))
        self._timers.set(REANNOUNCE, now + REANNOUNCE_MS)

    # ------------------------------------------------------------------------------ inside

    def _find_decided(self, tx_id: bytes, blocks: dict[int, tuple[bytes, ...]]) -> bytes | None:
        """Return the bytes of a decided transaction; `blocks` keeps what was read for others.

        A block is decoded whole, and an honest request names hundreds of one or two.
        """
        place = self._store.place(tx_id)
        if place is None:
            return None
        envelopes = blocks.get(place.height)
        if envelopes is None:
            if len(blocks) == DECIDED_BLOCKS_MAX:
                return None
            envelopes = blocks[place.height] = self._store.envelopes(place.height)
        return envelopes[place.index]

    def _ask(self, now: int) -> None:
        """Ask every peer that was not asked just now for what it announced and did not come since.

        A request for each announcement would use up the quota of a link, and then what an open
        block lacks would wait behind them.
        """
        self._asked_ms = {
            peer: asked for peer, asked in self._asked_ms.items() if now - asked < ASK_EVERY_MS
        }
        for peer in [peer for peer in self._to_ask if peer not in self._asked_ms]:
            ids = [tx_id for tx_id in self._to_ask.pop(peer) if not self.is_pending(tx_id)]
            for start in range(0, len(ids), REQUEST_IDS_MAX):
                self._links.send(peer, TxRequest(tuple(ids[start : start + REQUEST_IDS_MAX])))
            if ids:
                self._asked_ms[peer] = now
        if self._to_ask:
            first = min(self._asked_ms[peer] for peer in self._to_ask)
            self._timers.set(ASK, first + ASK_EVERY_MS)

    def _enqueue(self, job: _Job) -> None:
        if not self._queue:
            self._timers.set(FLUSH, self._timers.mono_ms())
        self._queue.append(job)
        self._queue_bytes += len(job.tx.raw)

    def _has_room(self, *, asked: bool = False) -> bool:
        """Say whether one more may wait for its check; a flood leaves room for what was asked."""
        most = 2 if asked else 1
        return (
            len(self._queue) < QUEUE_TXS_MAX * most and self._queue_bytes < QUEUE_BYTES_MAX * most
        )

    def _start_jobs(self) -> None:
        while self._queue and self._jobs < JOBS_MAX:
            batch, self._queue = self._queue[:JOB_TXS_MAX], self._queue[JOB_TXS_MAX:]
            self._queue_bytes -= sum(len(job.tx.raw) for job in batch)
            checks = [check for job in batch for check in _checks(job.tx, job.keys)]
            self._jobs += 1
            self._verifier.start(checks, partial(self._checked, batch))

    def _checked(self, batch: list[_Job], verdicts: list[bool]) -> None:
        """The verdicts of one job are in: admit, answer, and pass on what was submitted here."""
        self._jobs -= 1
        at = 0
        push: list[Tx] = []
        now_ms, now_s = self._timers.mono_ms(), self._now_s()
        answers: list[tuple[list[Done], Verdict]] = []
        for job in batch:
            count = len(job.keys)
            valid = count > 0 and all(verdicts[at : at + count])
            at += count
            done = self._waiting.pop(job.tx.id, [])
            self._requested.pop(job.tx.id, None)
            keys = job.keys if valid else ()
            pending = Pending(job.tx, keys, now_ms, self._store.tip.height + 1, now_s)
            verdict = self._admit(job, pending, now_s)
            if verdict.status == "pending":
                if job.peer is None:
                    push.append(job.tx)
            elif job.tx.id in self._wanted:
                self._keep_for_block(pending)
            answers.append((done, verdict))
        self._gossip(push)
        for done, verdict in answers:
            for answer in done:
                answer(verdict)
        if self._queue:
            self._start_jobs()
        self._on_change()

    def _admit(self, job: _Job, pending: Pending, now_s: int) -> Verdict:
        """Judge a checked transaction on the newest committed state; keep it if it may wait.

        A submission must succeed on that state; a relayed one must only keep the rules of
        inclusion, because the node that admitted it may have seen a newer state.
        """
        tx = job.tx
        place = self._find_place(tx, now_s)
        if place is not None:
            return Verdict(tx.id, place)
        if not pending.keys:
            return self._refuse(
                tx.id, Code.TX_SIGNATURES.number, (("have", 0), ("need", len(tx.signatures)))
            )
        self._admitting = pending  # so that `check` finds the keys
        try:
            if job.peer is None:
                if self._trial.clock.time_s < now_s:
                    # The last block may be minutes ago: what was too early then may come now, and
                    # what was in time is too late. Once a second at most: time has whole seconds.
                    self._trial = self._make_trial()
                outcome = self._trial.try_out(tx, now_s)
                if outcome.code:
                    return self._refuse(tx.id, outcome.code, outcome.params)
            else:
                self._trial.check(tx, now_s)
            self.mempool.add(pending)
            self.refusals.pop(tx.id, None)
        except Reject as refusal:
            return self._reject(tx.id, refusal)
        except MempoolFull:
            return self._refuse(tx.id, MEMPOOL_FULL)
        finally:
            self._admitting = None
        return Verdict(tx.id)

    def _keep_for_block(self, pending: Pending) -> None:
        """Keep what an open block lacks; the oldest make room, so no leader can fill the memory."""
        if pending.tx.id in self._for_block:
            return
        self._for_block[pending.tx.id] = pending
        self._for_block_bytes += len(pending.tx.raw)
        while self._for_block_bytes > FOR_BLOCK_BYTES_MAX:
            oldest = self._for_block.pop(next(iter(self._for_block)))
            self._for_block_bytes -= len(oldest.tx.raw)

    def _gossip(self, txs: list[Tx]) -> None:
        """Push bodies to all peers while that is little, else to some in turn (B2, ADR 0073).

        Who gets no body hears the id, and asks whoever told it first.
        """
        peers = self._links.peers()
        if not txs or not peers:
            return
        count = len(peers)
        if not self._may_push(sum(len(tx.raw) for tx in txs) * count):
            count = min(count, isqrt(count) + 1)
        self._pushes += 1
        turned = [peers[(self._pushes + i) % len(peers)] for i in range(len(peers))]
        for batch in _batches(txs):
            message = TxBatch(tuple(tx.raw for tx in batch))
            for peer in turned[:count]:
                self._links.send(peer, message)
        for start in range(0, len(txs), IDS_MAX):
            ids = TxAnnounce(tuple(tx.id for tx in txs[start : start + IDS_MAX]))
            for peer in turned[count:]:
                self._links.send(peer, ids)

    def _may_push(self, size: int) -> bool:
        """Say whether `size` bytes more go to all peers now, and count them if so."""
        now_ms = self._timers.mono_ms()
        grown = (now_ms - self._push_ms) * PUSH_BYTES_PER_S // 1_000
        self._push_bytes = min(PUSH_BYTES_PER_S, self._push_bytes + grown)
        self._push_ms = now_ms
        if size > self._push_bytes:
            return False
        self._push_bytes -= size
        return True

    def _find_place(self, tx: Tx, now_s: int) -> TxPlace | None:
        """Return where `tx` was included. The window knows all that have not expired (B1)."""
        used = self._store.window.find(tx.sender, tx.nonce, 0)
        if used == tx.id or tx.expires <= now_s:
            return self._store.place(tx.id)
        return None

    def _make_trial(self) -> BlockRun:
        return BlockRun(self._store.base(), self._chain, self._next_ms(), self.check)

    def _next_ms(self) -> int:
        return max(self._store.tip.time_ms + 1, self._timers.wall_ms())

    def _now_s(self) -> int:
        return self._next_ms() // 1000

    def _reject(self, tx_id: bytes, refusal: Reject) -> Verdict:
        return self._refuse(tx_id, refusal.code.number, tuple(sorted(refusal.params.items())))

    def _refuse(
        self, tx_id: bytes, number: int, params: tuple[tuple[str, int | str], ...] = ()
    ) -> Verdict:
        self._count(number)
        # Only a final block says that an order has expired (interfaces 2.2), not this clock:
        # another node may hold it, and a block of before may still come.
        if number not in (MEMPOOL_FULL, Code.TX_EXPIRED.number):
            self._remember(tx_id, number)
        return Verdict(tx_id, None, number, params)

    def _remember(self, tx_id: bytes, number: int) -> None:
        if len(self.refusals) >= REFUSALS_MAX:
            self.refusals.popitem(last=False)
        self.refusals[tx_id] = number

    def _count(self, number: int) -> None:
        self.refused[number] = self.refused.get(number, 0) + 1


def _checks(tx: Tx, keys: tuple[bytes, ...]) -> list[Check]:
    return [
        (key, tx.signed, signed.signature) for key, signed in zip(keys, tx.signatures, strict=False)
    ]


def _batches(txs: list[Tx]) -> Iterable[list[Tx]]:
    batch: list[Tx] = []
    size = 0
    for tx in txs:
        if batch and size + len(tx.raw) + 8 > BATCH_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(tx)
        size += len(tx.raw) + 8
    if batch:
        yield batch
