"""Measure how the node grows: `python -m tests.curves [--seconds 20] [--million] [CURVE...]`.

Writes `curves.json` (machine, commit, versions, every point) and `curves.svg` into `--out`. It
takes about a minute a point and wants the machine for itself. Ends with 1 where a check of a bench
failed; what was measured until then is kept.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.curves.again import run_again
from tests.curves.plot import Panel, draw
from tests.curves.points import FEW, MANY, list_points, run_life, run_loads, run_point

CHECKOUT = Path(__file__).parents[2]
OUT = CHECKOUT / "docs" / "benchmarks"
LOAD, LIFE, AGAIN = "load", "life", "again"
CURVES = ("validators", "accounts", "block", "dead", LOAD, LIFE, AGAIN)
LIBRARIES = ("aiohttp", "cryptography", "msgspec", "plyvel", "pynacl", "uvloop")
TITLES = {
    "validators": ("more validators", "validators"),
    "accounts": ("a larger state, 4 validators", "accounts"),
    "block": ("smaller blocks, 4 validators", "payments a block may hold"),
    "dead": ("dead validators, of 7", "dead"),
    LOAD: ("load, 4 validators", "offered, of what a closed loop reached"),
}
Tree = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if every point was measured and nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.curves")
    parser.add_argument("curves", nargs="*", metavar="CURVE", help=f"of {', '.join(CURVES)}")
    parser.add_argument("--seconds", type=int, default=20, help="window of each point")
    parser.add_argument("--million", action="store_true", help="10^6 accounts too: half an hour")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of curves.json and .svg")
    asked = parser.parse_args(words)
    chosen = asked.curves or CURVES
    if unknown := sorted(set(chosen) - set(CURVES)):
        parser.error(f"no such curve: {', '.join(unknown)}")
    data = describe(asked.seconds)
    for row in run(chosen, asked.seconds, million=asked.million):
        data["points"].append(row)
        write(asked.out, data)  # at once: a later point may fail
    return int(any(row["broken"] for row in data["points"]))


def run(chosen: Sequence[str], seconds: int, *, million: bool) -> Iterator[Tree]:
    """Yield the rows of the data file, point after point, each on a network of its own."""
    for point in list_points(seconds, million=million):
        if point.curve in chosen:
            with _folder(f"{point.curve} {point.x}") as folder:
                yield run_point(point, folder, _tell)
    if LOAD in chosen:
        with _folder(LOAD) as folder:
            yield from run_loads(seconds, FEW, folder, _tell)
    if LIFE in chosen:
        with _folder(LIFE) as folder:
            yield run_life(seconds, MANY, folder, _tell)
    if AGAIN in chosen:
        with _folder(AGAIN) as folder:
            yield from run_again(len(os.sched_getaffinity(0)), folder)


def describe(seconds: int) -> Tree:
    """Return a data file without points: on what, of what, and when."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "format": "wijk/curves/1",
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "processor": models[0] if models else platform.processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_mb": memory // 2**20,
            "system": platform.platform(),
            "load_before": os.getloadavg()[0],
        },
        "versions": {"python": platform.python_version(), **dict(_versions())},
        "seconds": seconds,
        "points": [],
    }


def write(out: Path, data: Tree) -> None:
    """Write the data and their plot."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "curves.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    (out / "curves.svg").write_text(plot(data), encoding="utf-8")


def plot(data: Tree) -> str:
    """Return the plot of a data file: a row of panels for each curve."""
    rows = []
    for curve, (title, x_name) in TITLES.items():
        points = [point for point in data["points"] if point["curve"] == curve]
        if not points:
            continue
        xs = [point["x"] for point in points]

        def column(*names: str, points: Sequence[Tree] = points) -> list[float]:
            found = [point["bench"] for point in points]
            for name in names:
                found = [tree[name] for tree in found]
            return found

        latency = {
            "p50": column("latency_ms", "p50"),
            "p99": column("latency_ms", "p99"),
        }
        rows.append(
            [
                Panel(f"payments/s: {title}", x_name, xs, {"tps": column("tps")}),
                Panel("ratio to cap", x_name, xs, {"ratio": column("ratio_to_cap")}),
                Panel("final in ms", x_name, xs, latency),
            ]
        )
    machine = data["machine"]
    heading = f"{data['at']}  {machine['cores']} x {machine['processor']}  {data['commit'][:10]}"
    return draw(rows, heading)


def _versions() -> Iterator[tuple[str, str | None]]:
    for name in LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None


def _git(*words: str) -> str:
    command = ["git", "-C", str(CHECKOUT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def _folder(what: str) -> Iterator[Path]:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="wijk-curves-", ignore_cleanup_errors=True) as root:
        yield Path(root) / "net"


def _tell(step: str, done: int, total: int) -> None:
    if done == total:
        print(f"  {step}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
