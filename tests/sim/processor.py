"""What work costs a node, and one processor that does it in turn, for the growth curves.

The work of a node is cut into stages: a message handled, a block executed, a batch written. A
`Tariff` says what a stage costs; a `Probe` finds that out, on the same code in the same places, by
a clock around each stage that leaves out the stages inside it. Costs are µs of one core.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.sim.tcp import Clock

Result = TypeVar("Result")

NS_PER_US = 1_000
RARE = "proposal"  # what a probe did not see (a round change, a certificate) costs as much


class Cost(NamedTuple):
    """µs of a stage: each time, and for each unit of it (a transaction, a pair, a KiB)."""

    each: float
    unit: float

    def of(self, units: int) -> float:
        """Return the µs of a stage with so many units."""
        return self.each + self.unit * units


class Processor:
    """One core with a queue: an event waits until all that came before is done.

    `after` is called when an event is done: what it said leaves the node only then.
    """

    def __init__(self, clock: Clock, after: Callable[[], None]) -> None:
        self.busy_us = 0
        self.stopped = False
        self._clock = clock
        self._after = after
        self._queue: deque[Callable[[], None]] = deque()
        self._works = False
        self._began = 0
        self._spent = 0.0

    @property
    def now(self) -> int:
        """The time that this node's code sees: later in an event than at its beginning."""
        return self._began + int(self._spent) if self._works else self._clock.now

    def put(self, action: Callable[[], None]) -> None:
        """Do `action` as soon as all before it is done."""
        if self.stopped:
            return
        if self._works:
            self._queue.append(action)
        else:
            self._run(action)

    def spend(self, us: float) -> None:
        """Let the event that runs take so much longer."""
        self._spent += us

    def _run(self, action: Callable[[], None]) -> None:
        self._works = True
        self._began, self._spent = self._clock.now, 0.0
        action()
        self.busy_us += int(self._spent)
        self._clock.at(self._began + int(self._spent), self._finish)

    def _finish(self) -> None:
        if self.stopped:
            return
        self._works = False
        self._after()
        if self._queue:
            self._run(self._queue.popleft())


class Tariff:
    """Charges the node's processor what each stage costs, and keeps the sums."""

    def __init__(self, costs: Mapping[str, Cost]) -> None:
        self._costs = costs
        self.sums: dict[str, float] = {}

    def run(
        self,
        cpu: Processor,
        stage: str,
        units: int | Callable[[Result], int],
        work: Callable[[], Result],
    ) -> Result:
        """Do `work` and charge it; `units` may be told by what comes out."""
        result = work()
        self.charge(cpu, stage, units if isinstance(units, int) else units(result))
        return result

    def charge(self, cpu: Processor, stage: str, units: int) -> None:
        """Charge a stage whose work is done by a stand-in."""
        us = (self._costs.get(stage) or self._costs[RARE]).of(units)
        cpu.spend(us)
        self.sums[stage] = self.sums.get(stage, 0.0) + us


class Probe(Tariff):
    """Charges nothing and measures: CPU time of this thread, inner stages left out.

    A read of the store counts in the stage that makes it, with what it costs on disk.
    """

    def __init__(self, get_us: float) -> None:
        super().__init__({})
        self.samples: dict[str, list[tuple[int, float]]] = {}
        self._get_ns = int(get_us * NS_PER_US)
        self._inner: list[int] = [0]

    def run(
        self,
        cpu: Processor,
        stage: str,
        units: int | Callable[[Result], int],
        work: Callable[[], Result],
    ) -> Result:
        self._inner.append(0)
        began = time.thread_time_ns()
        result = work()
        took = time.thread_time_ns() - began
        own = took - self._inner.pop()
        self._inner[-1] += took
        count = units if isinstance(units, int) else units(result)
        self.samples.setdefault(stage, []).append((count, own / NS_PER_US))
        return result

    def charge(self, cpu: Processor, stage: str, units: int) -> None:
        if stage == "get":
            self._inner[-1] -= self._get_ns


def fit(samples: list[tuple[int, float]]) -> Cost:
    """Return the cost that fits (units, µs) best, by least squares; neither part is below zero.

    Of the samples with equal units the lower quartile counts: other programs on the machine make
    work slower and never faster.
    """
    groups: dict[int, list[float]] = {}
    for units, us in samples:
        groups.setdefault(units, []).append(us)
    points = [(units, len(found), lower_quartile(found)) for units, found in groups.items()]
    total = sum(count for _, count, _ in points)
    mean_x = sum(units * count for units, count, _ in points) / total
    mean_y = sum(us * count for _, count, us in points) / total
    spread = sum(count * (units - mean_x) ** 2 for units, count, _ in points)
    if spread == 0:
        return Cost(0.0, mean_y / mean_x) if mean_x else Cost(mean_y, 0.0)
    covariance = sum(count * (units - mean_x) * (us - mean_y) for units, count, us in points)
    unit = max(0.0, covariance / spread)
    each = mean_y - unit * mean_x
    if each < 0:
        squares = sum(count * units * units for units, count, _ in points)
        return Cost(0.0, sum(count * units * us for units, count, us in points) / squares)
    return Cost(each, unit)


def lower_quartile(samples: Sequence[float]) -> float:
    """Return what a quarter of the samples is not above."""
    return sorted(samples)[(len(samples) - 1) // 4]


def measure_us(work: Callable[[], object], times: int) -> float:
    """Return the wall time of `work` in µs, lower quartile: it is not all on the processor."""
    samples = []
    for _ in range(times):
        began = time.perf_counter_ns()
        work()
        samples.append(time.perf_counter_ns() - began)
    return lower_quartile(samples) / NS_PER_US
