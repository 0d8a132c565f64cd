"""A made chain as a source of blocks: what an auditor gets from a node, without one."""

from __future__ import annotations

from collections.abc import Iterator

from audit.blocks import RawBlock
from tests.audit.made_chain import MadeChain


class MadeSource:
    """`height` is how much of the chain it shows; None is all."""

    name = "made"

    def __init__(self, chain: MadeChain, height: int | None = None) -> None:
        self.chain = chain
        self.height = height
        self.asked: list[int] = []

    def read_genesis(self) -> bytes:
        return self.chain.genesis.canonical

    def read_height(self) -> int:
        return len(self.chain.raws) if self.height is None else self.height

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        for height in range(first, last + 1):
            self.asked.append(height)
            yield self.chain.raws[height - 1]
