"""Replay: execute a chain again from genesis, believing nothing that is not recomputed (A1).

Every block is judged by its certificate before a byte of it is executed, then executed by the
same pure functions as in a node; roots, log and books must come out the same (economy I15).
Where a chain is wrong, the replay stops: nothing that follows on a wrong block means anything.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from audit.ahead import Check, Signatures
from audit.blocks import Block, RawBlock, Walk, decode_block
from audit.findings import Broken
from audit.invariants import (
    add,
    add_up,
    find_frozen_moves,
    find_wrong_books,
    find_wrong_changes,
    find_wrong_postings,
)
from audit.invariants_objects import find_frozen_pools
from chain import crypto, light, tree
from chain.codec import encode
from chain.contract import Chain, Table
from chain.errors import Malformed
from chain.execute import (
    Base,
    Executed,
    check_results,
    execute_block,
    get_set_after,
)
from chain.genesis import Genesis, make_base
from chain.keyspaces import ACCOUNTS, SUPPLY
from chain.log import EMPTY_ROOT
from chain.records import Header, Posting, Tx, decode_tx
from chain.state import State
from chain.validators import CommitCertificate, ValidatorSet, Verify, signed_bytes, signer_keys
from contracts import CONTRACTS

AHEAD_BLOCKS = 64  # decoded blocks that wait for their turn; most hold one transaction
AHEAD_TXS = 8_192  # transactions in them, two full blocks: 400 ms of one core, 10 MiB
SMALL_STATE = 2_000  # values: a whole check of the books takes about 10 ms
# A larger one is checked when so many times its values were written: at 7 µs a value and two values
# written by a payment that is 3 µs for each.
WRITTEN_TIMES = 4

V = TypeVar("V")
Era = tuple[int, int | None, ValidatorSet]  # first height, last height, the set between


class Report(msgspec.Struct):
    """What was found. `first_bad` is the first height that is wrong (0: genesis), `why` in words.

    `part` is what is wrong there: headers, certificates, log, state or books.
    `from_genesis` false: only headers, certificates and the ids of transactions were checked;
    nothing was executed, so the sums and `broken` say nothing. Amounts in cents.
    """

    first: int
    last: int
    from_genesis: bool = True
    headers: int = 0
    signatures: int = 0
    transactions: int = 0
    issued_cents: int = 0
    redeemed_cents: int = 0
    supply_cents: int = 0
    reserve_cents: int = 0
    broken: tuple[str, ...] = ()
    first_bad: int | None = None
    why: str | None = None
    part: str | None = None
    log_size: int = 0
    log_root: bytes = EMPTY_ROOT
    eras: tuple[Era, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.first_bad is None


class BooksBroken(Malformed):
    """The block is final and its roots are right, and still an invariant does not hold."""

    def __init__(self, broken: Iterable[Broken]) -> None:
        found = sorted(broken)
        super().__init__("; ".join(f"{one.name} {one.where}" for one in found[:3]))
        self.names = tuple(sorted({one.name for one in found}))


class Replay:
    """A chain being executed again, in memory, from genesis. Holds its state and its books."""

    def __init__(
        self, genesis: Genesis, verify: Verify = crypto.verify, checked_from: int = 1
    ) -> None:
        """Below `checked_from` blocks are executed and linked, and no signature is checked."""
        self.genesis = genesis
        self.checked_from = checked_from
        self.part = "headers"  # what is being judged
        self.txs: tuple[Tx, ...] = ()  # of the block that was added last
        self.ended = False  # whether there are no more blocks
        self.chain: Chain = genesis.chain(Table(CONTRACTS))
        self.state: dict[bytes, bytes] = dict(genesis.state)
        self.nodes = tree.build(genesis.state.items())
        self.base = msgspec.structs.replace(make_base(genesis, self.nodes.get), read=self.state.get)
        self.walk = Walk(light.trust_genesis(genesis), self._check)
        self.books = add_up(genesis.postings, len(genesis.postings))
        self.sets: list[tuple[int, ValidatorSet]] = [(1, self.walk.trusted.validators)]
        self._verify = verify
        self._ahead: CommitCertificate | None = None  # of the block that was decoded last
        self._written = 0  # values since the last check of the whole books
        _raise_if([*find_wrong_postings(genesis.postings), *self._find_wrong_books()])

    def decode(self, raw: RawBlock) -> tuple[Block, tuple[Tx, ...]]:
        """Return a block taken apart, or raise `Malformed`. Needs no state."""
        block = decode_block(raw)
        union = self.chain.table.union
        return block, tuple(decode_tx(envelope, union) for envelope in block.envelopes)

    def find_checks(self, block: Block, txs: tuple[Tx, ...]) -> list[Check]:
        """Return the signatures of a block to come, with the keys that hold now.

        A guess: blocks before it may change keys and sets. Nothing is judged by it.
        """
        if block.header.height < self.checked_from:
            return []
        checks = list(self._find_certificate_checks(block))
        state = State(self.state.get)
        for tx in txs:
            account = ACCOUNTS.get(state, tx.sender)
            if account is None:
                continue
            for signed in tx.signatures:
                key = account.key_at(signed.key_index)
                if key is not None:
                    checks.append((key.key, tx.signed, signed.signature))
        return checks

    def add(self, block: Block, txs: tuple[Tx, ...]) -> Executed:
        """Judge and execute the next block; raise `Malformed` naming what is wrong with it.

        After an error this replay is of no use any more.
        """
        header = block.header
        self.txs = txs
        self.part = "headers"
        light.check_next(self.walk.trusted, header)
        self.part = "certificates"
        self.walk.check(block)
        self.part = "state"
        executed = execute_block(
            self.base, self.chain, header, block.body, txs, self._check_signatures, self._verify
        )
        log_is_so = (executed.frontier.size, executed.log_root) == (
            header.log_size,
            header.log_root,
        )
        if header.state_root == executed.state_root and not log_is_so:
            self.part = "log"
        check_results(header, executed, self.base)
        if block.outcomes is not None and block.outcomes != encode(executed.outcomes):
            raise Malformed("the stored outcomes are not what the transactions do")
        if block.outcomes is not None and block.start != _encode_start(executed):
            raise Malformed("what is stored of the start of the block is not what happened there")
        coming = get_set_after(executed, self.base)
        if coming.validators_hash != self.walk.trusted.validators.validators_hash:
            self.sets.append((header.height + 1, coming))
        self.walk.advance(header, coming)
        _put(self.state, executed.changes)
        tree.apply(self.nodes, executed.tree_nodes)
        self.base.window.add_block(header.time_ms // 1000, executed.included)
        self.base = Base(
            header.height,
            self.walk.trusted.block_id,
            header.time_ms,
            self.state.get,
            self.nodes.get,
            executed.frontier,
            self.base.window,
        )
        self.part = "books"
        self._check_books(executed, txs)
        self.part = "headers"  # of the next block
        return executed

    def check_all_books(self) -> None:
        """Raise `BooksBroken` unless every invariant holds now (economy I1..I15)."""
        _raise_if(self._find_wrong_books())

    def fill_in(self, report: Report) -> None:
        """Tell the sums of the state, and who could certify when."""
        state = State(self.state.get)
        for wijk in self.genesis.doc.wijken:
            supply = SUPPLY.get(state, wijk.coin.denom)
            if supply is not None:
                report.issued_cents += supply.issued
                report.redeemed_cents += supply.redeemed
                report.reserve_cents += supply.reserve
        report.supply_cents = report.issued_cents - report.redeemed_cents
        lasts = [first - 1 for first, _ in self.sets[1:]]
        report.eras = tuple(
            (first, last, validators)
            for (first, validators), last in zip(self.sets, [*lasts, None], strict=True)
        )

    def _check_books(self, executed: Executed, txs: tuple[Tx, ...]) -> None:
        """What a block did is judged at once; the whole books as often as that stays cheap.

        A whole check reads all state. It is made whenever `WRITTEN_TIMES` as many values were
        written as the state holds, so that replaying a long chain stays linear, at the end, and
        always while the state is small (economy section 7: at every height).
        """
        found: list[Broken] = []
        postings: list[Posting] = []
        for outcome in (*executed.start, *executed.outcomes):
            if outcome.postings:
                found += find_wrong_postings(outcome.postings)
                postings += outcome.postings
        add(self.books, postings)
        found += find_wrong_changes(self.books, postings, executed.changes, self.state)
        time_s = self.base.time_ms // 1000
        found += find_frozen_moves(postings, self.state, time_s)
        for tx, outcome in zip(txs, executed.outcomes, strict=True):
            found += find_frozen_pools(outcome.postings, tx.sender, self.state, time_s)
        self._written += len(executed.changes)
        small = len(self.state) <= SMALL_STATE and self._written
        if small or self._written >= WRITTEN_TIMES * len(self.state):
            found += self._find_wrong_books()
        _raise_if(found)

    def _find_wrong_books(self) -> list[Broken]:
        self._written = 0
        return find_wrong_books(self.books, self.state, self.base.time_ms // 1000)

    def _check_signatures(self, tx: Tx, keys: tuple[bytes, ...]) -> bool:
        for key, signed in zip(keys, tx.signatures, strict=True):
            if not self._check(key, tx.signed, signed.signature):
                return False
        return True

    def _check(self, key: bytes, message: bytes, signature: bytes) -> bool:
        below = self.base.height + 1 < self.checked_from
        return below or self._verify(key, message, signature)

    def _find_certificate_checks(self, block: Block) -> Iterator[Check]:
        """Both certificates of a block; that of its parent only where it was not seen before."""
        trusted, last = self.walk.trusted, block.body.last_commit
        if last != self._ahead and last is not None:
            yield from _find_signers(last, trusted)
        self._ahead = block.certificate
        yield from _find_signers(block.certificate, trusted)


def replay(
    genesis: Genesis,
    blocks: Iterator[RawBlock],
    *,
    verify: Verify = crypto.verify,
    workers: int | None = None,
    checked_from: int = 1,
    on_block: Callable[[int], None] = lambda _height: None,
    on_begin: Callable[[Replay], None] = lambda _run: None,
    on_executed: Callable[[Replay, Header, Executed], None] = lambda _run, _header, _executed: None,
    on_end: Callable[[Replay], None] = lambda _run: None,
) -> Report:
    """Replay `blocks`, which start at height 1, and return what was found.

    `blocks` may raise `Malformed` for a block that it has but cannot give. `on_block` hears of
    every height that is good, `on_executed` also what it did, `on_begin` of genesis. Signatures
    are checked, and blocks counted, from `checked_from` on, by `workers` processes, None for one
    per core: the verdict is the same with any number.
    `on_end` gets a sound replay after its last block, and may raise `Malformed` itself.
    """
    report = Report(1, 0)
    with Signatures(verify, workers) as signatures:
        try:
            run = Replay(genesis, signatures.verify, checked_from)
        except Malformed as error:
            _blame(report, 0, error, "books")
            return report
        try:
            on_begin(run)
            _replay(run, blocks, signatures, report, on_block, on_executed)
            on_end(run)
        except Malformed as error:
            height = report.last if run.ended else report.last + 1
            _blame(report, height, error, run.part)
        finally:
            run.fill_in(report)
    return report


def _replay(
    run: Replay,
    blocks: Iterator[RawBlock],
    signatures: Signatures,
    report: Report,
    on_block: Callable[[int], None],
    on_executed: Callable[[Replay, Header, Executed], None],
) -> None:
    for block, _, executed in go_on(run, blocks, signatures):
        on_executed(run, block.header, executed)
        _count(report, block, run.checked_from)
        on_block(report.last)
    run.ended, run.part = True, "books"
    run.check_all_books()


def go_on(
    run: Replay, blocks: Iterator[RawBlock], signatures: Signatures
) -> Iterator[tuple[Block, tuple[Tx, ...], Executed]]:
    """Execute the next blocks of `run` and yield each with what it did; raise as `Replay.add`.

    The whole books are checked as often as that stays cheap, and not at the end.
    """
    for block, txs in _read_ahead(run, blocks, signatures):
        signatures.collect()
        yield block, txs, run.add(block, txs)


def _read_ahead(
    run: Replay, blocks: Iterator[RawBlock], signatures: Signatures
) -> Iterator[tuple[Block, tuple[Tx, ...]]]:
    """Yield blocks in order while the signatures of those behind them are being checked.

    What cannot be read is raised when its turn comes: what came before it counts.
    """
    waiting: deque[tuple[Block, tuple[Tx, ...]]] = deque()
    under_way = 0
    end: Malformed | None = None
    more = True
    while more or waiting:
        while more and len(waiting) < AHEAD_BLOCKS and under_way < AHEAD_TXS:
            try:
                raw = next(blocks, None)
                if raw is None:
                    more = False
                    break
                block, txs = run.decode(raw)
            except Malformed as error:
                end, more = error, False
                break
            signatures.add(run.find_checks(block, txs))
            under_way += len(txs)
            waiting.append((block, txs))
        if waiting:
            under_way -= len(waiting[0][1])
            yield waiting.popleft()
    if end is not None:
        raise end


def follow_headers(
    trusted: light.Trusted,
    certified_by: ValidatorSet,
    blocks: Iterator[RawBlock],
    get_next_set: Callable[[int, bytes], ValidatorSet | None],
    *,
    verify: Verify = crypto.verify,
    on_block: Callable[[int], None] = lambda _height: None,
) -> Report:
    """Check headers, certificates and transaction ids from `trusted` on, executing nothing.

    `get_next_set` gives the set of a height by its hash, or None where it is not known; the
    height after is then nobody's to certify, and the report says so.
    """
    walk = Walk(trusted, verify, certified_by)
    report = Report(trusted.height + 1, trusted.height, from_genesis=False)
    report.log_size, report.log_root = trusted.log_size, trusted.log_root
    try:
        for raw in blocks:
            block = decode_block(raw)
            header = block.header
            walk.check(block)
            coming = get_next_set(header.height + 1, header.next_validators_hash)
            if coming is None:
                raise Malformed("announces validators that are not known: verify from genesis")
            walk.advance(header, coming)
            _count(report, block)
            on_block(header.height)
    except Malformed as error:
        _blame(report, report.last + 1, error)
    return report


def _count(report: Report, block: Block, counted_from: int = 1) -> None:
    report.last = block.header.height
    if report.last >= counted_from:
        report.headers += 1
        report.signatures += len(block.certificate.signatures)
        report.transactions += len(block.envelopes)
    report.log_size, report.log_root = block.header.log_size, block.header.log_root


def _blame(report: Report, height: int, error: Malformed, part: str | None = None) -> None:
    report.first_bad, report.why, report.part = height, str(error), part
    if isinstance(error, BooksBroken):
        report.broken = error.names


def _find_signers(certificate: CommitCertificate, trusted: light.Trusted) -> Iterator[Check]:
    try:
        keys = signer_keys(certificate, trusted.validators)
    except Malformed:
        return  # perhaps of another set; it is judged when its turn comes
    message = signed_bytes(certificate, trusted.chain_id)
    for key, signature in zip(keys, certificate.signatures, strict=True):
        yield key, message, signature


def _encode_start(executed: Executed) -> bytes | None:
    """Return what a node keeps of what ended by itself as a block began; None where nothing did."""
    return encode(executed.start) if executed.start else None


def _raise_if(found: list[Broken]) -> None:
    if found:
        raise BooksBroken(found)


def _put(target: dict[bytes, V], changes: Mapping[bytes, V | None]) -> None:
    for name, value in changes.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
