"""Who leads which round, as a pure function of the order that the chain fixed (consensus L1, L2).

The order itself is chain state: executing a block computes it, with the sideline of L4. Consensus
reads it and never recomputes it, so no two nodes can differ about it.
"""

from collections.abc import Sequence


def ring(keys: Sequence[bytes], creator: bytes | None) -> tuple[bytes, ...]:
    """Return the sorted `keys`, starting after the last block's creator (L1).

    The next larger key comes first if the creator left the set; the lowest if there is none yet.
    """
    ordered = sorted(keys)
    if creator is None:
        return tuple(ordered)
    start = sum(key <= creator for key in ordered)
    return tuple(ordered[start:] + ordered[:start])


def proposer(order: Sequence[bytes], round_: int) -> bytes:
    """Return the key that leads round `round_` of the height whose order this is (L2)."""
    return order[round_ % len(order)]
