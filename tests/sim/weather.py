"""The network between the nodes: each directed link has its own lag, width, clogs and cuts (J5).

A clog holds frames back and then lets them go together; a cut loses them; a thin link sends one
after the other. Only a liar changes what a frame says: everything else is stopped by TLS.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from tests.sim.faults import Faults

Link = tuple[str, str]  # the names of sender and receiver

PAST_FRAMES = 40  # remembered per link, to be said again
QUEUE_MS_MAX = 5_000  # a sender whose queue is longer drops (reliability Z12)


class Weather:
    """When a frame arrives, and how often, if it arrives at all."""

    def __init__(self, faults: Faults, chance: Random, more: Random) -> None:
        self._faults = faults
        self._chance = chance
        self._more = more  # a stream of its own for what came later (J9)
        self._clogged: dict[Link, int] = {}  # until when
        self._cut: dict[Link, int] = {}
        self._busy: dict[Link, int] = {}
        self._past: dict[Link, deque[bytes]] = {}
        self.healed = False

    def clog(self, links: Iterable[Link], until: int) -> None:
        """Hold back what is sent over `links` until then."""
        for link in links:
            self._clogged[link] = max(self._clogged.get(link, 0), until)

    def unclog(self, link: Link) -> None:
        """Let a link go at once; what it held back keeps its time."""
        self._clogged.pop(link, None)

    def cut(self, links: Iterable[Link], until: int) -> None:
        """Lose what is sent over `links`, in this direction only, until then."""
        for link in links:
            self._cut[link] = until

    def heal(self) -> None:
        """End all of it."""
        self.healed = True
        self._clogged.clear()
        self._cut.clear()
        self._busy.clear()

    def arrivals(
        self, link: Link, places: tuple[int, int], frame: bytes, now: int
    ) -> list[tuple[int, bytes]]:
        """Return what arrives, and after how many ms, because `frame` is sent now."""
        faults, chance = self._faults, self._chance
        copies = 1
        if not self.healed:
            if chance.random() < faults.loss:
                return []
            if chance.random() < faults.duplicates:
                copies = 2
        if self._cut.get(link, 0) > now:
            return []
        found = []
        for _ in range(copies):
            delay = faults.delay_ms + chance.randrange(faults.jitter_ms + 1)
            extra = self._wait(link, places, len(frame), now)
            if extra is not None:
                found.append((delay + extra, frame))
        if faults.replays:
            past = self._past.setdefault(link, deque(maxlen=PAST_FRAMES))
            if past and self._more.random() < faults.replays:
                found.append((faults.delay_ms + self._more.randrange(5_000), self._pick(past)))
            past.append(frame)
        return found

    def _pick(self, past: deque[bytes]) -> bytes:
        return past[self._more.randrange(len(past))]

    def _wait(self, link: Link, places: tuple[int, int], size: int, now: int) -> int | None:
        """Return the ms that this link adds; None where its queue is full."""
        wait = self._faults.lag_ms.get(places, 0)
        width = self._faults.bytes_per_s.get(places, 0)
        if width:
            begin = max(self._busy.get(link, 0), now)
            if begin - now > QUEUE_MS_MAX:
                return None
            self._busy[link] = begin + size * 1_000 // width
            wait += self._busy[link] - now
        return max(wait, self._clogged.get(link, 0) - now)
