"""Replay or search histories: `python -m tests.sim replay SEED`, `python -m tests.sim soak [N]`.

`python -m tests.sim powercut [N]` rebuilds what power cuts leave of a recorded node (H7).
`python -m tests.sim flood` lets one validator flood another for an hour of virtual time.
`python -m tests.sim growth` measures how fast 4 to 100 validators agree over slow lines.
"""

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from rich.progress import track

from tests.powercut import soak as powercut
from tests.sim import curves
from tests.sim.faults import Swarm
from tests.sim.flood import (
    GROWTH_MAX,
    SHARE_MINUTES,
    WARM_MINUTES,
    Flood,
    Sample,
    compute_growth,
)
from tests.sim.history import play
from tests.sim.shrink import NOTHING, shrink, write_test
from tests.sim.world import World


def main() -> int:
    """Run the command line; 0 if every history kept its promises."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="play one seed; without SEED a fresh one")
    replay.add_argument("seed", type=int, nargs="?")
    replay.add_argument("--trace", action="store_true", help="print every event")
    smaller = commands.add_parser("shrink", help="make a failing history smaller, and say of what")
    smaller.add_argument("seed", type=int)
    soak = commands.add_parser("soak", help="play fresh seeds until one fails or N are done")
    soak.add_argument("count", type=int, nargs="?", default=0)
    soak.add_argument("--first", type=int, help="the first seed; default: fresh")
    cuts = commands.add_parser("powercut", help="start on N states that power cuts leave")
    cuts.add_argument("count", type=int, nargs="?", default=10_000)
    cuts.add_argument("--seed", type=int, help="which states are drawn; default: fresh")
    flood = commands.add_parser("flood", help="one validator floods another for an hour")
    flood.add_argument("minutes", type=int, nargs="?", default=60)
    growth = commands.add_parser("growth", help="the goals for many validators and slow lines")
    growth.add_argument("names", nargs="*", help='runs, as "G2" or "100 x 20 ms"; default: all')
    growth.add_argument("--file", type=Path, help="keep the data here, and a plot beside it")
    growth.add_argument("--reuse", action="store_true", help="with the costs and runs of FILE")
    growth.add_argument("-o", dest="form", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if arguments.command == "growth":
        as_json = arguments.form == "json"
        file, reuse = arguments.file, arguments.reuse
        return curves.run(arguments.names, file=file, reuse=reuse, as_json=as_json)
    if arguments.command == "shrink":
        return _shrink(arguments.seed)
    if arguments.command == "flood":
        return _flood(arguments.minutes)
    if arguments.command == "replay":
        return _replay(arguments.seed, trace=arguments.trace)
    if arguments.command == "powercut":
        return powercut.run(arguments.count, arguments.seed)
    return _soak(arguments.count, arguments.first)


def describe(world: World) -> str:
    """Return who plays which part in a history."""
    faults = world.faults
    told = [
        f"{world.nodes[place].name} {part} {' '.join(faults.disk_faults.get(place, ()))}".strip()
        for place, part in sorted(faults.parts.items())
    ]
    return ", ".join(told) or "none"


def _replay(seed: int | None, *, trace: bool) -> int:
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    print(f"SEED={seed}", flush=True)
    lines: list[str] = []
    try:
        world = play(seed, lines=lines)
    finally:
        if trace:
            print("\n".join(lines))
    print(f"parts: {describe(world)}")
    print(f"happened: {', '.join(sorted(world.seen))}")
    print(
        f"ok: {len(world.nodes)} nodes, height {world.checks.height}, "
        f"{world.checks.rounds} failed rounds, {world.events} events, trace {world.trace_hash[:16]}"
    )
    return 0


def _shrink(seed: int) -> int:
    found = shrink(seed, lambda text: print(text, flush=True))
    if found is None:
        print(f"seed {seed} does not fail at commit {_commit()}")
        return 0
    case, failure = found
    print(failure)
    print(f"left: {', '.join(name for name in NOTHING if name not in case.without) or 'nothing'}")
    print(f"keep it in SHRUNK of tests/sim/test_shrink.py:\n{write_test(case)}")
    return 1


def _flood(minutes: int) -> int:
    samples: list[Sample] = []
    total = WARM_MINUTES + minutes
    for sample in track(Flood(Random("flood")).play(total), "Flooding", total, transient=True):
        samples.append(sample)
        if sample.minute % SHARE_MINUTES == 0:
            told = f"minute {sample.minute}: height {sample.height}, {sample.frames} frames"
            print(f"{told}, {sample.links_lost} links lost, {sample.kib} KiB held", flush=True)
    growth = compute_growth(samples)
    peak = max(sample.kib for sample in samples)
    print(f"{minutes} minutes after {WARM_MINUTES} to fill the caches, commit {_commit()}")
    print(f"held at the end over held at the start: {growth:.3f}, peak {peak} KiB")
    return 0 if growth <= GROWTH_MAX else 1


def _soak(count: int, first: int | None) -> int:
    commit = _commit()
    seed = random.SystemRandom().randrange(2**32) if first is None else first
    print(f"commit {commit}, seeds from {seed}, faults {Swarm.__name__}", flush=True)
    started, done = time.monotonic(), 0
    while count == 0 or done < count:
        try:
            play(seed + done)
        except BaseException:
            failed = seed + done
            print(f"\nFAILED at commit {commit}: make sim SEED={failed}", flush=True)
            print(f"make it smaller: python -m tests.sim shrink {failed}", flush=True)
            raise
        done += 1
        if done % 50 == 0:
            rate = done / (time.monotonic() - started)
            told = f"{done} seeds from {seed}, no violation, {rate:.1f}/s, commit {commit}"
            print(told, flush=True)
    print(f"{done} seeds from {seed}: no violation, commit {commit}")
    return 0


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
