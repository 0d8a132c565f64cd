"""Where an auditor's blocks come from. No source is believed: it gives bytes, and may lie."""

from collections.abc import Iterator
from typing import Protocol

from audit.blocks import RawBlock


class Source(Protocol):
    """Something that has a chain."""

    @property
    def name(self) -> str:
        """What reports call it: the address of a node, or a folder."""

    def read_genesis(self) -> bytes:
        """Return the genesis document; raise `Malformed` where there is none."""

    def read_height(self) -> int:
        """Return the newest height, as it says itself."""

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Yield the blocks `first` to `last`, in order.

        Raise `Malformed` for one that it does not have or cannot give.
        """
