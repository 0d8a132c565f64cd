"""How long a full block would take to execute on this machine, from the blocks it executed (T14).

Block sizes are chain parameters, the same for all, and the slowest validator has to keep up: a full
block must execute within a quarter of the first timeout, or rounds fail under load. No node can
measure another one, so each tells its own board.
"""

from collections import deque
from collections.abc import Callable

import msgspec

BLOCKS_KEPT = 20  # so that one pause of the machine is not what is told
TXS_MIN = 50  # in smaller blocks the fixed cost of a block hides that of a transaction
SHARE = 4  # consensus T14: a quarter of T_0


class FullBlock(msgspec.Struct, frozen=True):
    """A full block of transactions as they were: what it takes, and what it may take, in ms."""

    txs: int
    estimate_ms: int
    limit_ms: int
    measured_txs: int

    @property
    def fits(self) -> bool:
        """Whether this machine keeps up with full blocks."""
        return self.estimate_ms <= self.limit_ms

    @property
    def txs_that_fit(self) -> int:
        """How many such transactions execute within the limit."""
        return self.txs if self.fits else max(1, self.txs * self.limit_ms // self.estimate_ms)


class Executions:
    """The newest blocks that are large enough to tell anything: transactions, bytes, ms."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, int, int]] = deque(maxlen=BLOCKS_KEPT)

    def add(self, txs: int, size: int, execute_ms: int) -> None:
        """Take in a block of `txs` transactions, `size` bytes together."""
        if txs >= TXS_MIN:
            self._blocks.append((txs, size, execute_ms))

    def estimate(self, param: Callable[[str], int]) -> FullBlock | None:
        """Return what a full block takes under these parameters; None where nothing is measured."""
        if not self._blocks:
            return None
        txs, size, execute_ms = (sum(column) for column in zip(*self._blocks, strict=True))
        full = min(param("max_block_txs"), max(1, param("max_block_bytes") * txs // size))
        limit_ms = param("round_timeout_ms") // SHARE
        return FullBlock(full, -(-full * execute_ms // txs), limit_ms, txs)
