"""The long run: thousands of states that power cuts leave of a busy node (consensus H7).

`python -m tests.sim powercut 10000` records a node on each kind of store, draws the states evenly
from all that its calls can leave, and prints a table. It ends with 1 if a promise did not hold.
"""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.node.power_cut import JOURNALLED, STRICT
from tests.powercut.record import record
from tests.powercut.states import Row, try_states

RUNS = (("leveldb", 3, 12), ("sqlite", 2, 6))  # kind of store, lives, blocks of a life
PROFILES = (JOURNALLED, STRICT)
SHOWN_MAX = 10  # states that went wrong, told in full


def run(count: int, seed: int | None) -> int:
    """Try `count` states, as many of each recording; 0 if every promise held."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    print(f"commit {commit}, SEED={seed}, {count} states", flush=True)
    logging.getLogger("wijk").addHandler(logging.NullHandler())  # each torn store would be told of
    parts = [(kind, lives, blocks, one) for kind, lives, blocks in RUNS for one in PROFILES]
    began, rows, left = time.monotonic(), [], count
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    recordings = {kind: record(kind, lives, blocks) for kind, lives, blocks in RUNS}
    with (
        tempfile.TemporaryDirectory(prefix="wijk-powercut-") as base,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("states", total=count)
        for index, (kind, _, _, profile) in enumerate(parts):
            share = left // (len(parts) - index)
            progress.update(task, description=f"{kind}, {profile}")
            folder = Path(base) / "home"
            rows.append(
                try_states(
                    kind, profile, recordings[kind], share, seed, folder,
                    lambda: progress.advance(task),
                )
            )  # fmt: skip
            left -= rows[-1].tried
    show(rows)
    wrong = sum(len(row.wrong) for row in rows)
    tried = sum(row.tried for row in rows)
    seconds = time.monotonic() - began
    verdict = "every promise held" if not wrong else f"{wrong} BROKEN"
    print(f"\n{tried} states, {verdict}; {seconds:.0f} s, SEED={seed}, commit {commit}")
    return 1 if wrong else 0


def show(rows: list[Row]) -> None:
    """Print the table, why starts were refused, and what went wrong."""
    print("| Store | Names | Calls | States | Tried | Final payments looked for | Block ahead |"
          " Refused | Broken | Seconds |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.kind} | {row.profile} | {row.calls} | {row.found} | {row.tried} "
            f"| {row.promised} | {row.ahead} | {row.refused.total()} | {len(row.wrong)} "
            f"| {row.seconds:.0f} |"
        )
    for row in rows:
        for why, times in row.refused.most_common(SHOWN_MAX):
            print(f"refused {times} times: {why}")
    for story in [story for row in rows for story in row.wrong][:SHOWN_MAX]:
        print(f"BROKEN: {story}", file=sys.stderr)
