"""Overload: streams are refused first, then reads, then new transactions (reliability A13).

Consensus runs on the same event loop. How late the loop comes round says how loaded it is; the
votes keep their place because the requests that would take it are turned away at the door.
"""

import asyncio

from chain.texts import Problem

SAMPLE_S = 0.1
WEIGHT = 0.1  # of the newest sample: about a second is looked back on, so one large block is none
LATE_S = {"stream": 0.5, "read": 1.0, "write": 2.0}  # what each kind of request still bears
TOO_MUCH = 3004


class Load:
    """Measures how late the event loop is, in seconds, smoothed."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure, on the running loop."""
        self._plan(asyncio.get_running_loop())

    def stop(self) -> None:
        """Measure no more."""
        if self._handle is not None:
            self._handle.cancel()

    def note(self, late_s: float) -> None:
        """Take in one sample."""
        self.late_s += (max(0.0, late_s) - self.late_s) * WEIGHT

    def check(self, kind: str) -> None:
        """Raise `Problem` 3004 where this kind of request is one too many now."""
        if self.late_s > LATE_S[kind]:
            raise Problem(TOO_MUCH, retry_after_s=1 + int(self.late_s))

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + SAMPLE_S
        self._handle = loop.call_at(due, self._sample, loop, due)

    def _sample(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.note(loop.time() - due)
        self._plan(loop)
