"""A node as a source of blocks, over its public API like any client (interfaces 2.2)."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from audit.blocks import RawBlock
from chain.errors import Malformed
from chain.texts import Problem
from node.client import Client, ask_patiently

NOT_FOUND = 3007

T = TypeVar("T")


class NodeSource:
    """The chain that a node shows. A node that cannot be reached is no finding: `Problem` 3001."""

    def __init__(
        self, client: Client, name: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The address of the node."""
        return self._name

    def read_genesis(self) -> bytes:
        """Return the genesis that the node shows; whether it is the right one is judged later."""
        return self._ask(self._client.genesis)

    def read_height(self) -> int:
        """Return the newest height that the node claims."""
        height = self._ask(self._client.status).get("height")
        if not isinstance(height, int) or height < 0:
            raise Malformed("the node's status has no height")
        return height

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Yield the blocks as the node sends them, one request each."""
        for height in range(first, last + 1):
            yield RawBlock(*self._ask(partial(self._client.raw_block, height)))

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask until the node has time; what it does not have is `Malformed`."""
        try:
            return ask_patiently(question, self._sleep)
        except Problem as problem:
            if problem.number == NOT_FOUND:
                raise Malformed("the node does not have it") from problem
            raise
