"""Where purity ends: what the synchronous runtime asks of the world (architecture D10).

The production adapters and the simulator's stand behind the same ports, so the simulator
drives the very runtime that runs in production. Every call runs to completion and returns.
An error from `Store`, `GuardFile` or `HeadFile` ends the process (reliability Y24).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from chain.codec import Record
from consensus.guard import Position, Slot

T = TypeVar("T")

Peer = bytes  # the public key, 32 bytes, of the validator (or observer) at the other end

Change = tuple[bytes, bytes | None]  # a key and its new value; None deletes it

Size = tuple[str, int, int]
"""What a buffer is for, how much it holds, and its cap: items or bytes (consensus I8).

A bare tuple: the simulator asks for all of them after every event.
"""


class Snapshot(Protocol):
    """A frozen view of the store; later writes do not show in it."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, checked against its checksum, or None."""

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs with start <= key < end in key order, or in reverse."""

    def close(self) -> None:
        """Release the view."""


class Store(Protocol):
    """An ordered map of bytes with one atomic, synced write (reliability Y14)."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, checked against its checksum, or None."""

    def scan(
        self, start: bytes, end: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs with start <= key < end in key order, or in reverse."""

    def write(self, batch: Sequence[Change]) -> None:
        """Make all of `batch` durable, or none. None deletes; the last pair of a key wins."""

    def snapshot(self) -> Snapshot:
        """Return a frozen view."""

    def copy_to(self, folder: Path) -> None:
        """Write a consistent copy into the empty `folder`."""

    def close(self) -> None:
        """Flush and release everything."""


class Links(Protocol):
    """Authenticated links to peers. Sending never blocks; a full queue drops (reliability Z12)."""

    def send(self, peer: Peer, message: Record) -> None:
        """Queue `message` for one peer; nothing happens when there is no link to it."""

    def broadcast(self, message: Record) -> None:
        """Queue `message` for every linked peer, encoding it once."""

    def peers(self) -> tuple[Peer, ...]:
        """Return the peers whose link is accepted in both directions, in ascending order."""


class Timers(Protocol):
    """Clocks and alarms. An alarm calls back into the runtime, never from another thread."""

    def mono_ms(self) -> int:
        """Return the monotonic clock in ms."""

    def wall_ms(self) -> int:
        """Return the wall clock in ms since 1970 UTC."""

    def set(self, name: str, at_mono_ms: int) -> None:
        """Ask for `fire(name)` at `at_mono_ms`, in place of an earlier alarm of that name."""

    def cancel(self, name: str) -> None:
        """Forget the alarm `name`, if there is one."""


Check = tuple[bytes, bytes, bytes]  # public key, message, signature


class Verifier(Protocol):
    """Signature checks, many at a time and in threads where there are any (reliability MC2)."""

    def start(self, checks: Sequence[Check], done: Callable[[list[bool]], None]) -> None:
        """Check in the background; `done` gets the verdicts in order, never from another thread."""

    def now(self, checks: Sequence[Check]) -> list[bool]:
        """Return the verdicts in order, having waited for them."""


class Meter(Protocol):
    """Notes what a stage of the work costs; a stage inside another counts for itself alone."""

    def __call__(self, stage: str, work: Callable[[], T], /) -> T:
        """Do `work` and return what it returns."""


def unmetered(_stage: str, work: Callable[[], T]) -> T:
    """Do `work` where nobody asks what it costs."""
    return work()


class GuardRefused(Exception):
    """The key signed something else there, or further on (consensus D2): raise the alarm."""


class Signer(Protocol):
    """The key of this validator behind its guard (consensus D17)."""

    @property
    def last(self) -> Slot | None:
        """The newest slot of the guard, or None."""

    def slots(self, height: int) -> tuple[Slot, ...]:
        """Return what was signed at `height`, in order, where that is not decided yet."""

    def recall(self, height: int) -> tuple[Slot, ...]:
        """Return the same of any height, as far back as the guard reaches; slow."""

    def raise_to(self, height: int) -> None:
        """Refuse everything up to and including `height` from now on, durably (D10)."""

    def sign(self, at: Position, signed: bytes) -> bytes:
        """Return the signature once its slot is durable; raise `GuardRefused` if it may not."""


class Acked(Protocol):
    """A head that was acked: no client may ever hear of less."""

    @property
    def height(self) -> int:
        """The height of the block."""

    @property
    def block_id(self) -> bytes:
        """Its id."""


class Heads(Protocol):
    """The watermark of acked blocks outside the store (reliability Y19)."""

    @property
    def last(self) -> Acked:
        """The highest acked head."""

    def append(self, height: int, block_id: bytes, log_root: bytes, state_root: bytes) -> None:
        """Make the head durable; its block is already."""
