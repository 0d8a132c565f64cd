"""Who leads which round, as a pure function of the order that the chain fixed (consensus L2).

The order itself is chain state: executing a block computes it, with the sideline of L4. Consensus
reads it and never recomputes it, so no two nodes can differ about it.
"""

from collections.abc import Sequence


def proposer(order: Sequence[bytes], round_: int) -> bytes:
    """Return the key that leads round `round_` of the height whose order this is (L2)."""
    return order[round_ % len(order)]
