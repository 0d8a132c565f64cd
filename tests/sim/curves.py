"""The growth curves and the goals that they are held against, as a table or as data."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.sim.costs import measure_costs
from tests.sim.growth import Figures, Growth, Setting
from tests.sim.processor import Cost, Tariff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FORMAT = "wijk/growth/1"
PROBED = 10  # validators in the network whose stages are timed
SIZES = (4, 10, 20, 50, 100)
CURVE = tuple(Setting(n, latency_ms) for latency_ms in (20, 50) for n in SIZES)
IN_FLIGHT = 60  # payments at a time where throughput is compared
BLOCKS_DEAD = 500  # consensus G4: from the crash on


class Goal(NamedTuple):
    """What consensus section 13 asks of a setting. Latency in ms; nil: not asked."""

    name: str
    setting: Setting
    tps: float
    p50_ms: float
    p99_ms: float | None


GOALS = (
    Goal("G2", Setting(20, 50, loss=0.01, rate=600), 600, 1_200, 3_000),
    Goal("G3", Setting(100, 20, rate=200), 200, 2_000, 6_000),
    Goal("G3, 50 ms", Setting(100, 50, rate=200), 200, 2_000, 6_000),
)
G4_SOUND = Setting(10, 20, in_flight=IN_FLIGHT, seconds=30)
G4_DEAD = G4_SOUND._replace(dead=3, warm_s=0, seconds=150)
G4_TPS_MIN, G4_P50_MAX = 0.85, 1.3
OFFERED_PART = 0.97  # of what was offered: payments come at random


class Run(NamedTuple):
    """A setting and what came out of it."""

    name: str
    setting: Setting
    figures: Figures


def play(settings: Iterable[tuple[str, Setting]], costs: Mapping[str, Cost]) -> Iterator[Run]:
    """Yield a run for each named setting."""
    for name, setting in settings:
        yield Run(name, setting, Growth(setting, Tariff(costs)).play())


def judge(runs: Iterable[Run]) -> dict[str, bool]:
    """Say of each goal whether these runs reach it."""
    by_name = {run.name: run.figures for run in runs}
    verdicts = {}
    for goal in GOALS:
        found = by_name.get(goal.name)
        if found is not None:
            latency = found.latency_ms
            verdicts[goal.name] = (
                found.tps >= OFFERED_PART * goal.tps
                and found.unfinished == 0
                and latency["p50"] <= goal.p50_ms
                and (goal.p99_ms is None or latency["p99"] <= goal.p99_ms)
            )
    sound, dead = by_name.get("G4 sound"), by_name.get("G4 dead")
    if sound is not None and dead is not None:
        verdicts["G4"] = (
            dead.tps >= G4_TPS_MIN * sound.tps
            and dead.latency_ms["p50"] <= G4_P50_MAX * sound.latency_ms["p50"]
            and dead.blocks >= BLOCKS_DEAD
        )
    return verdicts


def get_settings(*, curve: bool, goals: bool) -> list[tuple[str, Setting]]:
    """Return what there is to run, by name."""
    found = [(f"{one.validators} x {one.latency_ms} ms", one) for one in CURVE if curve]
    if goals:
        found += [(goal.name, goal.setting) for goal in GOALS]
        found += [("G4 sound", G4_SOUND), ("G4 dead", G4_DEAD)]
    return found


def read_costs(path: Path) -> dict[str, Cost]:
    """Return the costs in a file that `make_object` filled: the same figures come out again."""
    return {stage: Cost(*cost) for stage, cost in json.loads(path.read_text())["costs_us"].items()}


def make_object(runs: Iterable[Run], costs: Mapping[str, Cost]) -> dict[str, Any]:
    """Return all of it as one JSON object."""
    done = list(runs)
    return {
        "format": FORMAT,
        "commit": find_commit(),
        "python": platform.python_version(),
        "costs_us": {
            stage: [round(cost.each, 3), round(cost.unit, 4)]
            for stage, cost in sorted(costs.items())
        },
        "goals": judge(done),
        "runs": [
            {"name": run.name, "setting": run.setting._asdict(), **run.figures._asdict()}
            for run in done
        ],
    }


def find_commit() -> str:
    """Return the commit whose code runs."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def show(runs: Iterable[Run], costs: Mapping[str, Cost]) -> None:
    """Print a table of the runs and the verdicts on the goals."""
    console = Console()
    table = Table("", "offered/s", "final/s", "p50 ms", "p99 ms", "blocks/s", "tx/block")
    for title in ("failed rounds", "bytes/payment", "core", "line"):
        table.add_column(title, justify="right")
    done = list(runs)
    for name, setting, figures in done:
        offered = f"{setting.in_flight} at once" if setting.in_flight else str(setting.rate)
        latency = figures.latency_ms
        table.add_row(
            name,
            offered,
            str(figures.tps),
            str(latency["p50"]),
            str(latency["p99"]),
            f"{figures.blocks / setting.seconds:.1f}",
            str(figures.tx_per_block),
            str(figures.failed_rounds),
            str(figures.bytes_per_payment),
            f"{figures.cpu_mean:.0%} / {figures.cpu_max:.0%}",
            f"{figures.line_mean:.0%} / {figures.line_max:.0%}",
        )
    console.print(table)
    for name, reached in judge(done).items():
        console.print(f"{name}: {'reached' if reached else 'missed'}")
    dear = ("verify", "sign", "write", "receive", "send", "execute")
    told = ", ".join(f"{stage} {costs[stage].each:.0f} + {costs[stage].unit:.2f}" for stage in dear)
    console.print(f"costs in µs, each and per unit: {told}")


def run(*, only: str, curve: bool, costs_file: Path | None, as_json: bool) -> int:
    """Run what is asked; 0 if the goals among it are reached."""
    costs = read_costs(costs_file) if costs_file else measure_costs(PROBED)
    asked = [one for one in get_settings(curve=curve, goals=True) if one[0].startswith(only)]
    runs = []
    for one in play(asked, costs):
        runs.append(one)
        print(f"{one.name}: {one.figures.tps} final/s, {one.figures.latency_ms}", file=sys.stderr)
    if as_json:
        print(json.dumps(make_object(runs, costs), indent=1))
    else:
        show(runs, costs)
    return 0 if all(judge(runs).values()) else 1
