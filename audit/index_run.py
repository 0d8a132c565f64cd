"""`wijk index run`: an index of what was executed again, following behind (architecture 3, 5).

The chain is replayed from genesis as by `audit verify`, so a node cannot put anything into an index
that did not happen. Signatures below the mark of an index were checked before it was written.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from audit.ahead import Signatures
from audit.blocks import Block, RawBlock
from audit.index_base import Base, Mark, begin_index, write_rows
from audit.index_tables import Rows, add_up_sums, make_block_cells, make_genesis_cells, merge
from audit.replay import Replay, go_on
from audit.sources import Source
from audit.verify import check_trusted
from chain import crypto
from chain.contract import Clock
from chain.errors import Malformed
from chain.execute import Executed
from chain.genesis import load_genesis
from chain.records import Tx
from chain.state import State
from chain.texts import Problem
from chain.validators import Verify

BATCH_BLOCKS = 500  # written together: one wait for the disk for all of them
BATCH_TXS = 5_000  # about 20,000 rows, 20 MiB
WAIT_S = 1.0  # between two looks for a new block
UNREACHABLE, NOT_FOUND = 3001, 3007

T = TypeVar("T")


class Indexed(msgspec.Struct, frozen=True):
    """How far the index is now, and what came in since the last time."""

    mark: Mark
    blocks: int
    transactions: int


class BlockWrong(Malformed):
    """The chain of the source is not sound at `height`; `broken` are invariants."""

    def __init__(self, height: int, error: Malformed) -> None:
        super().__init__(f"block {height}: {error}")
        self.broken: tuple[str, ...] = getattr(error, "names", ())


def run_index(
    source: Source,
    home: Path,
    base: Base,
    *,
    check: Verify = crypto.verify,
    workers: int | None = None,
    on_block: Callable[[int, int], None] = lambda _height, _last: None,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[Indexed]:
    """Bring `base` to the head of `source`, and yield how far it is each time it stands there.

    With `sleep` it goes on without end, and waits for a node that does not answer; else it is done
    at the first head. Raise `Malformed` where the chain is not sound, or not the one that `home`
    trusts or `base` holds; `Problem` 1002 where the database is not as it should be, 3007 where the
    source does not have what the index holds.
    """
    genesis = load_genesis(source.read_genesis())
    check_trusted(home, genesis)
    patient = _Patient(source, sleep)
    with Signatures(check, workers) as signatures:
        run = Replay(genesis, signatures.verify)
        offset_s = _clock(run, 1, genesis.time_ms).number("date_offset_s")
        mark = begin_index(base, genesis, add_up_sums(make_genesis_cells(genesis, offset_s)))
        run.checked_from = mark.height + 1
        last = patient.wait_for(mark.height)
        while True:
            before = mark
            executed = _execute(run, patient.read_blocks(run.base.height + 1, last), signatures)
            mark = _write_blocks(run, base, before, last, executed, on_block)
            yield Indexed(mark, mark.height - before.height, mark.log_size - before.log_size)
            if sleep is None:
                return
            last = patient.wait_for(mark.height + 1)


Step = tuple[Block, tuple[Tx, ...], Executed]


def _execute(run: Replay, blocks: Iterator[RawBlock], signatures: Signatures) -> Iterator[Step]:
    """Yield blocks that were executed; raise `BlockWrong` where one is not sound."""
    height = run.base.height
    try:
        for step in go_on(run, blocks, signatures):
            height += 1
            yield step
    except Malformed as error:
        raise BlockWrong(height + 1, error) from error


def _write_blocks(
    run: Replay,
    base: Base,
    mark: Mark,
    last: int,
    steps: Iterator[Step],
    on_block: Callable[[int, int], None],
) -> Mark:
    """Write the blocks above `mark`, up to `last`, and return where it is then."""
    parts: list[Rows] = []
    before, waiting = mark, 0
    for block, txs, executed in steps:
        header, block_id = block.header, run.walk.trusted.block_id
        on_block(header.height, last)
        if header.height == before.height and block_id.hex() != before.block_id:
            other = Malformed(f"the index holds another one: {before.block_id}")
            raise BlockWrong(header.height, other)
        if header.height <= before.height:
            continue
        date = _clock(run, header.height, header.time_ms).book_date
        done = executed.start, executed.outcomes
        parts.append(make_block_cells(run.chain.table, header, block_id, txs, *done, date))
        mark = msgspec.structs.replace(
            mark, height=header.height, block_id=block_id.hex(), log_size=header.log_size
        )
        waiting += len(txs)
        if len(parts) == BATCH_BLOCKS or waiting >= BATCH_TXS or header.height == last:
            write_rows(base, before, mark, merge(parts))
            before, parts, waiting = mark, [], 0
    return mark


class _Patient:
    """A source that is asked again while it does not answer, where somebody can `sleep`."""

    def __init__(self, source: Source, sleep: Callable[[float], None] | None) -> None:
        self._source = source
        self._sleep = sleep

    def wait_for(self, height: int) -> int:
        """Return the newest height once it is `height` or more."""
        while (found := self._ask(self._source.read_height)) < height:
            if self._sleep is None:
                raise Problem(NOT_FOUND, what=f"{self._source.name}: block {height}")
            self._sleep(WAIT_S)
        return found

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Yield blocks; one that did not come is asked for again."""
        if self._sleep is None:
            yield from self._source.read_blocks(first, last)
            return
        for height in range(first, last + 1):
            yield from self._ask(partial(self._read_one, height))

    def _read_one(self, height: int) -> list[RawBlock]:
        return list(self._source.read_blocks(height, height))

    def _ask(self, question: Callable[[], T]) -> T:
        while True:
            try:
                return question()
            except Problem as problem:
                if self._sleep is None or problem.number != UNREACHABLE:
                    raise
            self._sleep(WAIT_S)


def _clock(run: Replay, height: int, time_ms: int) -> Clock:
    """Return where in the chain a block stands, for its book date (economy B9)."""
    return Clock(run.chain, State(run.state.get), height, time_ms // 1000)
