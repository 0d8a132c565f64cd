"""Drills on real processes: `python -m tests.drills [ID...]`, `--kills 500`, `--flood 600`.

Prints a table of what was done and what came of it; ends with 1 if a drill failed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.drills.floods import flood
from tests.drills.kills import perturb, storm
from tests.drills.play import Drill, Row, play
from tests.drills.scenarios import DRILLS, LONG_DRILLS


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if every drill passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills")
    parser.add_argument("ids", nargs="*", metavar="ID", help="which drills; default: all")
    parser.add_argument("--kills", type=int, default=0, help="only SIGKILLs, so many (U5)")
    parser.add_argument("--rounds", type=int, default=0, help="only perturbations, so many (U10)")
    parser.add_argument("--flood", type=int, default=0, help="only a flood, so many seconds (F35)")
    parser.add_argument("--nodes", type=int, default=4, help="of these three")
    parser.add_argument("--list", action="store_true", help="name the drills")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    asked = parser.parse_args(words)
    chosen = _choose(asked)
    if asked.list:
        print("\n".join(f"{drill.id:<14}{drill.title}" for drill in chosen))
        return 0
    rows = []
    for drill in chosen:
        _tell(f"{drill.id}: {drill.title}")
        with tempfile.TemporaryDirectory(prefix="wijk-drill-", ignore_cleanup_errors=True) as root:
            row = play(drill, Path(root) / "n")
        rows.append(row)
        _tell(f"{drill.id}: {'passed' if row.passed else 'FAILED: ' + row.why}, {row.seconds} s")
    if asked.output == "json":
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        _show(rows)
    return 0 if all(row.passed for row in rows) else 1


def _choose(asked: argparse.Namespace) -> list[Drill]:
    if asked.kills:
        act = storm(asked.kills, _tell)
        return [Drill("U5", f"{asked.kills} SIGKILLs under load", act, asked.nodes)]
    if asked.rounds:
        act = perturb(asked.rounds, _tell)
        title = f"{asked.rounds} rounds of perturbation"
        return [Drill("U10", title, act, asked.nodes, proxied=True)]
    if asked.flood:
        return [Drill("F35", "a validator and outsiders flood", flood(asked.flood), asked.nodes)]
    known = {drill.id for drill in (*DRILLS, *LONG_DRILLS)}
    wanted = set(asked.ids)
    if wanted - known:
        sys.exit(f"no drill {', '.join(sorted(wanted - known))}; there are {', '.join(known)}")
    if not wanted:
        return list(DRILLS)
    return [drill for drill in (*DRILLS, *LONG_DRILLS) if drill.id in wanted]


def _show(rows: list[Row]) -> None:
    head = "| Drill | What was done | Blocks | Next block | Acknowledged | Lost | Reads | Verdict |"
    print(f"{head}\n|---|---|---|---|---|---|---|---|")
    for row in rows:
        wait = "-" if row.next_block_s is None else f"{row.next_block_s:.2f} s"
        lost = "?" if row.lost is None else row.lost
        verdict = "passed" if row.passed else f"FAILED: {row.why}"
        print(
            f"| {row.id} | {row.title}: {row.done} | {row.before} to {row.after} | {wait} "
            f"| {row.acknowledged} | {lost} | {row.reads} | {verdict}, {row.seconds:.0f} s |"
        )
    print(
        f"\n{sum(row.passed for row in rows)} of {len(rows)} drills passed; "
        f"{sum(row.acknowledged for row in rows)} payments acknowledged, "
        f"{sum(row.lost or 0 for row in rows)} lost."
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
