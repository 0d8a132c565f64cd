"""Where the months of a chain end, taken while it is executed again (economy B9, ADR 0099).

A month is over once the chain has a block of a later book date. What is taken of its end is the
state after its last block, and the certificate that the next block holds of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from audit.blocks import RawBlock
from audit.replay import Replay, Report, replay
from audit.sources import Source
from audit.verify import check_trusted
from chain import crypto, log
from chain.books import BANK, REDEMPTIONS
from chain.codec import decode, encode
from chain.contract import Clock
from chain.execute import Executed
from chain.genesis import Genesis, load_genesis
from chain.keyspaces import (
    ACCOUNTS,
    AUDITOR,
    ENTRIES,
    ISSUERS,
    RESERVES,
    STATEMENTS,
    SUPPLY,
    WIJKEN,
    get_role,
)
from chain.params import FEDERATION
from chain.records import BlockBody, Header, Posting
from chain.state import Keyspace, State
from chain.validators import ValidatorSet, Verify, certificate_note

KEPT: tuple[Keyspace[Any], ...] = (
    WIJKEN,
    SUPPLY,
    ISSUERS,
    RESERVES,
    STATEMENTS,
    ENTRIES,
    REDEMPTIONS,
)


class Cut(msgspec.Struct, frozen=True):
    """A chain as it stood at the end of a month; height 0 and no note: as it began.

    `note` is the checkpoint with its signatures, `state` of the keyspaces in `KEPT`. `turnover` is
    what was booked since genesis by (denom, class, side), `bank` what stands in class 1 by
    (denom, reserve), in cents. `officers` are the keys (office, wijk, key) of the auditor of the
    federation, wijk "", and of each board, as the block that ends the month left them.
    """

    height: int
    note: str | None
    state: Mapping[bytes, bytes]
    turnover: Mapping[tuple[str, str, str], int]
    bank: Mapping[tuple[str, bytes], int]
    officers: frozenset[tuple[str, str, bytes]]


class Cuts:
    """Takes the ends of the months `wanted` (YYYYMM) as a replay goes by, and the log."""

    def __init__(self, wanted: frozenset[int]) -> None:
        self.found: dict[int, Cut] = {}
        self.first_month = 0  # of block 1; what genesis holds is its opening balance
        self.month = 0  # of the newest block
        self.state: dict[bytes, bytes] = {}
        self.tip: Clock | None = None  # of the newest block of a sound replay, with its whole state
        self.officers: frozenset[tuple[str, str, bytes]] = frozenset()  # at the tip
        self._wanted = wanted
        self._bodies: dict[int, bytes] = {}  # read, and not executed yet
        self._leaves = bytearray()
        self._turnover: Counter[tuple[str, str, str]] = Counter()
        self._bank: Counter[tuple[str, bytes]] = Counter()

    def watch(self, blocks: Iterator[RawBlock]) -> Iterator[RawBlock]:
        """Yield the blocks from height 1 on, and keep the body of each until it is executed."""
        for height, raw in enumerate(blocks, start=1):
            self._bodies[height] = raw.body
            yield raw

    def begin(self, run: Replay) -> None:
        """Take genesis."""
        self._put(run.genesis.state)
        self._book(run.genesis.postings)

    def add(self, run: Replay, header: Header, executed: Executed) -> None:
        """Take a block; the first one of a later month ends those before it."""
        body = self._bodies.pop(header.height)
        clock = Clock(run.chain, State(run.state.get), header.height, header.time_ms // 1000)
        month = clock.book_date // 100
        if not self.month:
            self.first_month = self.month = month
            self.found[0] = self._cut(0, None, frozenset())
        if month > self.month:
            over = [one for one in self._wanted if self.month <= one < month]
            if over:
                note = _note(run, header.height - 1, body)
                cut = self._cut(header.height - 1, note, find_officers(clock, self.state))
                self.found |= dict.fromkeys(over, cut)
            self.month = month
        self._put(executed.changes)
        for outcome in (*executed.start, *executed.outcomes):
            self._book(outcome.postings)
        for done in executed.outcomes:
            self._leaves += log.tx_leaf_hash(done.tx_id, done.code)

    def end(self, run: Replay) -> None:
        """Take the tip."""
        self.tip = Clock(run.chain, State(run.state.get), run.base.height, run.base.time_ms // 1000)
        self.officers = find_officers(self.tip, self.state)

    def get(self, month: int) -> Cut | None:
        """Return the end of a month; that of the month before block 1 is genesis."""
        return self.found.get(month if month >= self.first_month else 0)

    def prove_growth(self, from_size: int, to_size: int) -> list[bytes]:
        """Return the proof that the log of `to_size` begins with that of `from_size`."""
        return log.consistency_path(from_size, to_size, self._get_node) if from_size else []

    def _cut(
        self, height: int, note: str | None, officers: frozenset[tuple[str, str, bytes]]
    ) -> Cut:
        kept = dict(self.state), dict(self._turnover), dict(self._bank)
        return Cut(height, note, *kept, officers)

    def _put(self, changes: Mapping[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if not key.startswith(_PREFIXES):
                continue
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _book(self, postings: tuple[Posting, ...]) -> None:
        for posting in postings:
            self._turnover[posting.denom, posting.klass, posting.side] += posting.cents
            if posting.klass == BANK:
                moved = posting.cents if posting.side == "D" else -posting.cents
                self._bank[posting.denom, posting.owner] += moved

    def _get_node(self, level: int, index: int) -> bytes:
        """Return a node of the log; only its leaves are kept."""
        size = log.HASH_BYTES
        first, last = index << level, (index + 1) << level
        leaves = [bytes(self._leaves[i * size : (i + 1) * size]) for i in range(first, last)]
        return log.root(log.append(log.EMPTY_FRONTIER, leaves)[0])


def find_officers(clock: Clock, kept: Mapping[bytes, bytes]) -> frozenset[tuple[str, str, bytes]]:
    """Return (office, wijk, key) of who is the auditor, wijk "", and of each board in `kept`."""
    holders: list[tuple[str, str, bytes]] = []
    auditor = get_role(clock.state, FEDERATION, AUDITOR, clock.epoch, clock.time_s)
    if auditor is not None:
        holders.append(("auditor", "", auditor.account))
    for key in kept:
        if key.startswith(_WIJK_PREFIX):
            wijk_id = decode(list[Any], key)[1]
            wijk = WIJKEN.get(State(kept.get), wijk_id)
            if wijk is not None:
                holders.append(("board", wijk_id, wijk.board))
    found: set[tuple[str, str, bytes]] = set()
    for office, wijk_id, holder in holders:
        account = ACCOUNTS.get(clock.state, holder)
        if account is not None:
            found |= {(office, wijk_id, one.key) for one in account.keys}
    return frozenset(found)


def take_cuts(
    source: Source,
    home: Path,
    months: frozenset[int],
    on_block: Callable[[int, int], None],
    check: Verify = crypto.verify,
) -> tuple[Genesis, Cuts, Report]:
    """Verify the whole chain of a source, and return the ends of these months and what was found.

    Raise `Malformed` where it is not the chain that `home` trusts. No policy is written.
    """
    genesis = load_genesis(source.read_genesis())
    check_trusted(home, genesis)
    last = source.read_height()
    cuts = Cuts(months)
    report = replay(
        genesis,
        cuts.watch(source.read_blocks(1, last)),
        verify=check,
        on_block=lambda height: on_block(height, last),
        on_begin=cuts.begin,
        on_executed=cuts.add,
        on_end=cuts.end,
    )
    return genesis, cuts, report


def _prefix(space: Keyspace[Any]) -> bytes:
    """Return what the keys of a keyspace begin with; a part that is 0 takes one byte."""
    return encode((space.name, *[0] * space.parts))[: -space.parts]


_PREFIXES = tuple(_prefix(space) for space in KEPT)
_WIJK_PREFIX = _prefix(WIJKEN)


def _note(run: Replay, height: int, body: bytes) -> str:
    """Return the checkpoint of a height, from what the block after it holds of its parent."""
    last = decode(BlockBody, body).last_commit
    assert last is not None, "only block 1 has none, and the replay judged this one"
    signers: ValidatorSet = next(one for first, one in reversed(run.sets) if first <= height)
    return certificate_note(last, signers, run.chain.chain_id)
