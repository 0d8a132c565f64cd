"""The blocks of the open height: built here, made whole from peers, executed once (B3, R2h).

A candidate is executed at most once; its result is kept, so that deciding it costs one write.
Everything here is dropped when a block is decided.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from chain.codec import decode, digest, encode
from chain.contract import Chain, Clock
from chain.errors import Malformed, Reject
from chain.execute import (
    Base,
    BlockRun,
    Executed,
    Places,
    Preamble,
    check_results,
    execute_block,
    get_limits,
    get_set,
    make_header,
    propose,
)
from chain.keyspaces import SET_LAST, SET_NOW
from chain.records import BlockBody, Header, Tx, decode_tx
from chain.state import State
from chain.validators import CommitCertificate, Verify, check_commit_certificate
from consensus.messages import CompactBlock, short_ids
from node.chainstore import ChainStore, Envelopes
from node.full_block import Executions
from node.intake import Intake
from node.messages import REQUEST_IDS_MAX, BodyAnswer, BodyRequest, TxRequest
from node.ports import Links, Meter, Peer, Size, Timers, unmetered

FETCH = "fetch"  # alarm: ask somebody else for what a block lacks
FETCH_AGAIN_MS = 500
CANDIDATES_MAX = 256  # consensus B9: one proposal per proposer, and re-proposals of those
EXECUTED_MAX = 4  # results kept; a result may hold 1 MiB of changes


class Candidate(msgspec.Struct):
    """A whole block of the open height; `executed` once it was, `stored` once it is durable."""

    compact: CompactBlock
    body: BlockBody
    txs: tuple[Tx, ...]
    executed: Executed | None = None
    error: str | None = None
    differs: Executed | None = None  # what came out here instead, for the dump of S5
    stored: bool = False


class Differs(Malformed):
    """A block that executes here, with other roots than its header has (consensus S5)."""

    def __init__(self, why: str, executed: Executed) -> None:
        super().__init__(why)
        self.executed = executed


class _Want(msgspec.Struct):
    """A block to make whole: who to ask next, and its ids once they are known."""

    compact: CompactBlock
    sources: tuple[Peer, ...]
    asked: int = 0
    body: BlockBody | None = None


class Candidates:
    """Guards the open height's blocks. `on_whole` is told each block that became whole.

    `offer` gives the evidence that an own block should hold.
    """

    def __init__(
        self,
        chain: Chain,
        store: ChainStore,
        intake: Intake,
        links: Links,
        timers: Timers,
        verify: Verify,
        on_whole: Callable[[CompactBlock], None],
        offer: Callable[[], tuple[bytes, ...]],
        meter: Meter = unmetered,
    ) -> None:
        self._chain = chain
        self._store = store
        self._intake = intake
        self._links = links
        self._timers = timers
        self._verify = verify
        self._on_whole = on_whole
        self._offer = offer
        self._meter = meter
        self._blocks: dict[bytes, Candidate] = {}
        self._wants: dict[bytes, _Want] = {}
        self.executed_ms = 0  # how long the newest execution took
        self.executions = Executions()

    def get(self, block_id: bytes) -> Candidate | None:
        """Return a whole block of the open height."""
        return self._blocks.get(block_id)

    def header(self, block_id: bytes) -> Header | None:
        """Return the header of a block of the open height, whole or not, or of a decided one."""
        known = self._blocks.get(block_id) or self._wants.get(block_id)
        if known is not None:
            return known.compact.header
        height = self._store.height_of(block_id)
        return None if height is None else self._store.header(height)

    def sizes(self) -> tuple[Size, ...]:
        """Return what every buffer here holds, and its cap (consensus I8)."""
        results = sum(block.executed is not None for block in self._blocks.values())
        return (
            ("open blocks", len(self._blocks), CANDIDATES_MAX),
            ("blocks not whole", len(self._wants), CANDIDATES_MAX),
            ("results", results, EXECUTED_MAX + 1),
        )

    def build(self, creator: bytes, wall_ms: int) -> CompactBlock:
        """Build and execute a fresh block from the mempool (consensus R1, T9, B5)."""
        base = self._store.base()
        time_ms = max(wall_ms, base.time_ms + 1)
        started_ms = self._timers.mono_ms()
        last = self._store.certificate(base.height) if base.height else None
        pending, check = self._choose(base, time_ms), self._intake.check
        preamble = Preamble(creator, last, self._offer())
        chosen = (base, self._chain, time_ms, preamble, pending, check, self._verify, self._finish)
        choice = self._meter("execute", lambda: propose(*chosen))
        self.executed_ms = self._timers.mono_ms() - started_ms
        self._note_execution(choice.txs)
        self._intake.drop(choice.refused)
        body = BlockBody(last, choice.evidence, tuple(tx.id for tx in choice.txs))
        header = make_header(base, self._chain, choice.executed, body, creator, time_ms)
        compact = make_compact(header, body)
        self._add(Candidate(compact, body, choice.txs, choice.executed))
        return compact

    def _choose(self, base: Base, time_ms: int) -> Iterator[Tx]:
        """Yield what an own block is made of, in order of arrival (T14, ADR 0088).

        No more than executes in a quarter of the first timeout here, since rounds that fail cost
        more than another block; but an nth of what waits, and all that waits for n blocks, so that
        nobody finds anything left out (B6).
        """
        mempool, number = self._intake.mempool, len(get_set(base.read, SET_NOW))
        time_s = time_ms // 1000
        clock = Clock(self._chain, State(base.read, base.memo), base.height + 1, time_s)
        full = self.executions.estimate(clock.number)
        if full is None or full.fits:
            return mempool.txs()
        most = max(full.txs_that_fit, -(-len(mempool) // number))
        return mempool.first(most, base.height + 1, time_s, number)

    def _note_execution(self, txs: Sequence[Tx]) -> None:
        self.executions.add(len(txs), sum(len(tx.raw) for tx in txs), self.executed_ms)

    def want(self, compact: CompactBlock, sources: tuple[Peer, ...]) -> None:
        """Make a block whole; `on_whole` follows, at once if everything is here."""
        block_id = compact.block_id
        if block_id in self._blocks:
            self._on_whole(compact)
            return
        known = self._wants.get(block_id)
        if known is not None:
            known.sources = sources or known.sources
            return
        if len(self._wants) >= CANDIDATES_MAX:
            self._wants.pop(next(iter(self._wants)))
        want = self._wants[block_id] = _Want(compact, sources)
        short = self._intake.by_short_id(compact.header.body_hash)
        ids = tuple(short[s] for s in compact.short_ids if s in short)
        body = BlockBody(compact.last_commit, compact.evidence, ids)
        if digest(body) == compact.header.body_hash:
            want.body = body
        self._go_on(block_id, want)

    def on_body(self, message: BodyAnswer) -> None:
        """The full list of ids came."""
        want = self._wants.get(message.block_id)
        if want is None or want.body is not None or not message.body:
            return
        body = decode(BlockBody, message.body)
        if digest(body) != want.compact.header.body_hash:
            raise Malformed("block body that is not the one its header names")
        want.body = body
        self._go_on(message.block_id, want)

    def on_body_request(self, peer: Peer, message: BodyRequest) -> None:
        """Serve the body of an open or decided block; empty when it is not held."""
        candidate = self._blocks.get(message.block_id)
        raw = b"" if candidate is None else encode(candidate.body)
        if candidate is None:
            height = self._store.height_of(message.block_id)
            block = None if height is None else self._store.raw_block(height)
            raw = b"" if block is None else block[1]
        self._links.send(peer, BodyAnswer(message.block_id, raw))

    def on_txs_arrived(self) -> None:
        """Transactions came in: some wanted block may be whole now."""
        for block_id, want in list(self._wants.items()):
            if want.body is not None and not self._missing(want.body):
                self._complete(block_id, want)

    def fire(self) -> None:
        """Ask the next source for what is still missing."""
        for block_id, want in list(self._wants.items()):
            self._go_on(block_id, want)

    def execute(self, block_id: bytes) -> str | None:
        """Execute a whole block once; return why it is invalid, or None (consensus R2h)."""
        candidate = self._blocks[block_id]
        if candidate.executed is None and candidate.error is None:
            base = self._store.base()
            try:
                self._check_last_commit(base, candidate.body.last_commit)
                candidate.executed = self.run(
                    candidate.compact.header, candidate.body, candidate.txs
                )
                self._note_execution(candidate.txs)
            except Malformed as error:
                candidate.error = str(error)
                candidate.differs = error.executed if isinstance(error, Differs) else None
            self._forget_old_results(keep=block_id)
        return candidate.error

    def omits_overdue(self, block_id: bytes) -> bool:
        """Say whether an executed block leaves out what is overdue and would fit (B6).

        Overdue is what waits since 2n heights or half its life. A full block omits nothing.
        """
        candidate = self._blocks[block_id]
        base, header = self._store.base(), candidate.compact.header
        heights = 2 * len(get_set(base.read, SET_NOW))
        time_s = header.time_ms // 1000
        size = sum(len(tx.raw) for tx in candidate.txs)
        held = set(candidate.body.tx_ids)
        trial: BlockRun | None = None
        for tx in self._intake.mempool.overdue(header.height, time_s, heights):
            if tx.id in held:
                continue
            trial = trial or BlockRun(base, self._chain, header.time_ms, self._intake.check)
            limits = get_limits(trial)
            if len(candidate.txs) >= limits.txs or size + len(tx.raw) > limits.bytes:
                return False
            if not Places(self._chain, candidate.txs).has_room(tx):
                continue
            try:
                trial.check(tx, time_s)
            except Reject:
                continue  # no proposer may include it
            return True
        return False

    def run(
        self, header: Header, body: BlockBody, txs: tuple[Tx, ...], base: Base | None = None
    ) -> Executed:
        """Execute a block on the tip, or on another base; raise `Malformed` unless it is valid.

        Where only the roots differ it is `Differs`.
        """
        base = self._store.base() if base is None else base
        started_ms = self._timers.mono_ms()
        check = self._intake.check
        given = (base, self._chain, header, body, txs, check, self._verify, self._finish)
        executed = self._meter("execute", lambda: execute_block(*given))
        self.executed_ms = self._timers.mono_ms() - started_ms
        try:
            check_results(header, executed, base)
        except Malformed as error:
            raise Differs(str(error), executed) from error
        return executed

    def _finish(self, run: BlockRun) -> Executed:
        return self._meter("tree", run.finish)

    def encode_block(self, block_id: bytes) -> bytes | None:
        """Return the bytes that keep a candidate over a crash (D3), None once they are stored."""
        candidate = self._blocks[block_id]
        if candidate.stored:
            return None
        candidate.stored = True
        return encode(
            [encode(candidate.compact), encode(candidate.body), [t.raw for t in candidate.txs]]
        )

    def restore(self, raw: bytes) -> bytes:
        """Take back a candidate from `encode_block`'s bytes; return its id (consensus D7)."""
        compact_raw, body_raw, envelopes = decode(tuple[bytes, bytes, Envelopes], raw)
        compact = decode(CompactBlock, compact_raw)
        txs = tuple(decode_tx(envelope, self._chain.table.union) for envelope in envelopes)
        body = decode(BlockBody, body_raw)
        self._add(Candidate(compact, body, txs, stored=True))
        return compact.block_id

    def clear(self) -> None:
        """A block was decided: nothing of this height is open any more."""
        self._blocks.clear()
        self._wants.clear()
        self._timers.cancel(FETCH)

    def _check_last_commit(self, base: Base, last: CommitCertificate | None) -> None:
        """The certificate of the parent, whichever quorum it is of (consensus M8, R8)."""
        if last is None:
            return
        if (last.height, last.block_id) != (base.height, base.block_id):
            raise Malformed("last commit is of another block")
        if last != self._store.certificate(base.height):
            validators = get_set(base.read, SET_LAST)
            check_commit_certificate(last, validators, self._chain.chain_id, self._verify)

    def _go_on(self, block_id: bytes, want: _Want) -> None:
        missing = None if want.body is None else self._missing(want.body)
        self._intake.want(missing or ())
        if missing is not None and not missing:
            self._complete(block_id, want)
            return
        if want.sources:
            source = want.sources[want.asked % len(want.sources)]
            want.asked += 1
            if missing is None:
                self._links.send(source, BodyRequest(block_id))
            else:
                absent = [tx_id for tx_id in missing if not self._intake.is_pending(tx_id)]
                for start in range(0, len(absent), REQUEST_IDS_MAX):
                    ids = tuple(absent[start : start + REQUEST_IDS_MAX])
                    self._links.send(source, TxRequest(ids))
        self._timers.set(FETCH, self._timers.mono_ms() + FETCH_AGAIN_MS)

    def _missing(self, body: BlockBody) -> list[bytes]:
        return [tx_id for tx_id in body.tx_ids if self._intake.find(tx_id) is None]

    def _complete(self, block_id: bytes, want: _Want) -> None:
        assert want.body is not None
        txs = tuple(tx for tx in map(self._intake.find, want.body.tx_ids) if tx is not None)
        del self._wants[block_id]
        compact = make_compact(want.compact.header, want.body)  # a relay may have sent other ids
        self._add(Candidate(compact, want.body, txs))
        self._on_whole(compact)

    def _add(self, candidate: Candidate) -> None:
        self._blocks[candidate.compact.block_id] = candidate
        self._intake.hold(candidate.txs)

    def _forget_old_results(self, keep: bytes) -> None:
        held = [i for i, block in self._blocks.items() if block.executed is not None and i != keep]
        for block_id in held[: max(0, len(held) - EXECUTED_MAX + 1)]:
            self._blocks[block_id].executed = None


def make_compact(header: Header, body: BlockBody) -> CompactBlock:
    """Return the compact form of a block (consensus B3)."""
    shorts = tuple(short_ids(header.body_hash, body.tx_ids))
    return CompactBlock(header, body.last_commit, body.evidence, shorts)
