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

from tests.curves import plot
from tests.sim.costs import measure_costs
from tests.sim.growth import Figures, Growth, Setting
from tests.sim.processor import Cost, Tariff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    Goal("G2", Setting(20, 50, loss=0.01, rate=660), 600, 1_200, 3_000),
    Goal("100 x 20 ms", Setting(100, 20), 200, 2_000, 6_000),  # G3
    Goal("100 x 50 ms", Setting(100, 50), 200, 2_000, 6_000),
)
G4_SOUND = Setting(10, 20, in_flight=IN_FLIGHT, seconds=30)
G4_DEAD = G4_SOUND._replace(dead=3, warm_s=0, seconds=150)
G4_TPS_MIN, G4_P50_MAX = 0.85, 1.3


class Run(NamedTuple):
    """A setting and what came out of it."""

    name: str
    setting: Setting
    figures: Figures
    commit: str


def play(settings: Iterable[tuple[str, Setting]], costs: Mapping[str, Cost]) -> Iterator[Run]:
    """Yield a run for each named setting."""
    commit = find_commit()  # now: what is checked out later does not run
    for name, setting in settings:
        yield Run(name, setting, Growth(setting, Tariff(costs)).play(), commit)


def judge(runs: Iterable[Run]) -> dict[str, bool]:
    """Say of each goal whether these runs reach it."""
    by_name = {run.name: run.figures for run in runs}
    verdicts = {}
    for goal in GOALS:
        found = by_name.get(goal.name)
        if found is not None:
            latency = found.latency_ms
            verdicts[goal.name] = (
                found.tps >= goal.tps
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


def get_settings() -> list[tuple[str, Setting]]:
    """Return what there is to run, by name: the sizes of the curve, then the goals."""
    found = [(f"{one.validators} x {one.latency_ms} ms", one) for one in CURVE]
    found += [(goal.name, goal.setting) for goal in GOALS if goal.setting not in CURVE]
    return [*found, ("G4 sound", G4_SOUND), ("G4 dead", G4_DEAD)]


def read_file(path: Path) -> tuple[list[Run], dict[str, Cost]]:
    """Return the runs and the costs of a file that `make_object` filled."""
    found = json.loads(path.read_text())
    runs = [
        Run(
            run["name"],
            Setting(**run["setting"]),
            Figures(**{field: run[field] for field in Figures._fields}),
            run["commit"],
        )
        for run in found["runs"]
    ]
    return runs, {stage: Cost(*cost) for stage, cost in found["costs_us"].items()}


def make_object(runs: Sequence[Run], costs: Mapping[str, Cost]) -> dict[str, Any]:
    """Return all of it as one JSON object."""
    return {
        "format": FORMAT,
        "python": platform.python_version(),
        "costs_us": {
            stage: [round(cost.each, 3), round(cost.unit, 4)]
            for stage, cost in sorted(costs.items())
        },
        "goals": judge(runs),
        "runs": [
            {
                "name": run.name,
                "commit": run.commit,
                "setting": run.setting._asdict(),
                **run.figures._asdict(),
            }
            for run in runs
        ],
    }


def find_commit() -> str:
    """Return the commit whose code runs."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def show(runs: Sequence[Run], costs: Mapping[str, Cost]) -> None:
    """Print a table of the runs and the verdicts on the goals."""
    console = Console()
    table = Table("", "offered/s", "final/s", "p50 ms", "p99 ms", "blocks/s", "tx/block")
    for title in ("failed rounds", "bytes/payment", "core", "line"):
        table.add_column(title, justify="right")
    for name, setting, figures, _ in runs:
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
    for name, reached in judge(runs).items():
        console.print(f"{name}: {'reached' if reached else 'missed'}")
    dear = ("verify", "sign", "write", "receive", "send", "execute")
    told = ", ".join(f"{stage} {costs[stage].each:.0f} + {costs[stage].unit:.2f}" for stage in dear)
    console.print(f"costs in µs, each and per unit: {told}")


def run(names: Sequence[str], *, file: Path | None, reuse: bool, as_json: bool) -> int:
    """Run what is named, or all; 0 if the goals among it are reached.

    `file` gets the data after each run and the plot beside it at the end. With `reuse` its costs
    are used again and its other runs stay; else the costs are measured.
    """
    kept: dict[str, Run] = {}
    if reuse:
        assert file is not None, "--reuse needs --file"
        runs, costs = read_file(file)
        kept = {one.name: one for one in runs}
    else:
        costs = measure_costs(PROBED)
    asked = [one for one in get_settings() if not names or one[0] in names]
    for one in play(asked, costs):
        kept[one.name] = one
        print(f"{one.name}: {one.figures.tps} final/s, {one.figures.latency_ms}", file=sys.stderr)
        if file is not None:
            ordered = [kept[name] for name, _ in get_settings() if name in kept]
            file.write_text(json.dumps(make_object(ordered, costs), indent=1) + "\n")
            file.with_suffix(".svg").write_text(draw(ordered))
    done = [kept[name] for name, _ in get_settings() if name in kept]
    if as_json:
        print(json.dumps(make_object(done, costs), indent=1))
    else:
        show(done, costs)
    return 0 if all(judge(done).values()) else 1


def draw(runs: Sequence[Run]) -> str:
    """Return the curve as a picture: latency by size, a panel for each latency of the links."""
    found = {one.setting: one.figures.latency_ms for one in runs}
    panels = []
    for latency_ms in dict.fromkeys(one.latency_ms for one in CURVE):
        row = [found.get(one, {}) for one in CURVE if one.latency_ms == latency_ms]
        lines = {name: [of.get(name) for of in row] for name in ("p50", "p99")}
        title = f"ms until final, links of {latency_ms} ms"
        panels.append(plot.Panel(title, "validators", [str(n) for n in SIZES], lines))
    rate, mbit = CURVE[0].rate, CURVE[0].uplink_mbit
    return plot.draw([panels], f"{rate} payments/s, {mbit} Mbit/s up, simulated")
