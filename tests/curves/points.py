"""What the curves are made of: which runs, and what is measured on a chain that has grown.

Every point is a run of `wijk bench` with its own cap, measured in the same minute, so that points
compare as `ratio_to_cap` where the machine was not as quick all the time.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from chain.texts import Problem
from node.client import Client, ask_patiently
from testnet.bench import Told, get_disk_bytes, measure, start_bench
from testnet.figures import Result, Setting
from testnet.network import NodeEntry

WARMUP_S = 3.0
FEW, MANY, MILLION = 10_000, 100_000, 1_000_000
NODES = 4
BLOCK_TXS = (100, 500, 1_000, 2_000, 4_000)
LOADS = (0.25, 0.5, 0.75, 1.0, 2.0)  # of what the closed loop of the same run reached
ALONE_TPS = 2  # single payments on a network that does nothing else
WAIT_S = 600.0
POLL_S = 0.02


class Point(NamedTuple):
    """One run: on which curve, where, and what the bench shall do."""

    curve: str
    x: str
    setting: Setting


def list_points(seconds: int, *, million: bool) -> list[Point]:
    """Return the points of the curves that need nothing but the bench, in the order of running."""

    def setting(nodes: int, **other: Any) -> Setting:
        given = {"rate": None, "dead": 0, "accounts": FEW, "warmup_s": WARMUP_S} | other
        return Setting(nodes=nodes, seconds=seconds, **given)

    accounts = (FEW, MANY, MILLION) if million else (FEW, MANY)
    return [
        *(Point("validators", str(n), setting(n)) for n in (1, 4, 7, 10)),
        *(Point("accounts", f"{m:,}", setting(NODES, accounts=m)) for m in accounts),
        *(Point("block", f"{txs:,}", setting(NODES, block_txs=txs)) for txs in BLOCK_TXS),
        *(Point("dead", str(dead), setting(7, dead=dead)) for dead in (0, 1, 2)),
    ]


def run_point(point: Point, folder: Path, told: Told) -> dict[str, Any]:
    """Run one point; return its row of the data file."""
    with start_bench(point.setting, folder, told) as bench:
        return make_row(point.curve, point.x, measure(bench, told))


def run_loads(seconds: int, accounts: int, folder: Path, told: Told) -> Iterator[dict[str, Any]]:
    """Yield rows of latency against load: the closed loop, single payments, then shares of it.

    All on one network. At twice of what it can do this is the measurement of backpressure: what
    was refused, how long the rest took, and how far memory grew (ADR 0056).
    """
    full = Setting(NODES, seconds, None, 0, accounts, WARMUP_S)
    with start_bench(full, folder, told) as bench:
        result = measure(bench, told)
        yield make_row("load", "max", result)
        tps = result.tree["tps"]
        shares = [(f"{share:.0%}", max(1, round(tps * share))) for share in LOADS]
        for x, rate in [(f"{ALONE_TPS}/s", ALONE_TPS), *shares]:
            bench.setting = replace(full, rate=rate)
            yield make_row("load", x, measure(bench, told))


def make_row(curve: str, x: str, result: Result) -> dict[str, Any]:
    """Return a row of the data file; `busy_without_after` are answers 429 that say no time."""
    return {
        "curve": curve,
        "x": x,
        "bench": result.tree,
        "profile": result.profile,
        "refused": result.refused,
        "busy": len(result.busy),
        "busy_without_after": result.busy.count(None),
        "broken": list(result.broken),
    }


def run_life(seconds: int, accounts: int, folder: Path, told: Told) -> dict[str, Any]:
    """Return what a grown chain costs: disk, catching up, starting again, replaying it.

    One of four nodes is killed before the load and comes back after it, so it has to fetch and
    execute everything that the others did.
    """
    setting = Setting(NODES, seconds, None, 1, accounts, WARMUP_S)
    with start_bench(setting, folder, told) as bench:
        network, observed = bench.network, bench.network.file.nodes[0]
        late = network.file.nodes[-1]
        result = measure(bench, told)
        end = _status(observed)
        told("sync", 0, 0)
        began_s = time.monotonic()
        network.start([late.name])
        first, first_s = _status(late), time.monotonic()
        _wait_for_height(late, end["height"])
        caught_up_s = max(POLL_S, time.monotonic() - first_s)
        told("restart", 0, 0)
        network.stop([observed.name])
        stopped_s = time.monotonic()
        network.start([observed.name])
        network.wait_in_sync([observed.name])
        restart_s = time.monotonic() - stopped_s
        network.stop()
        told("audit", 0, 0)
        audit = audit_home(Path(observed.home))
    blocks = end["height"] - first["height"]
    payments = end["log_size"] - first["log_size"]
    checks = audit["transactions"] + audit["signatures"]
    possible = bench.machine.cores * 1_000_000 / bench.machine.verify_us
    return make_row("life", f"{accounts:,}", result) | {
        "height": end["height"],
        "log_size": end["log_size"],
        "disk_bytes": get_disk_bytes(observed),
        "restart_s": round(restart_s, 2),
        "sync": {
            "start_s": round(first_s - began_s, 2),
            "blocks": blocks,
            "payments": payments,
            "seconds": round(caught_up_s, 3),
            "blocks_per_s": round(blocks / caught_up_s, 1),
            "payments_per_s": round(payments / caught_up_s, 1),
            "times_live": round(payments / caught_up_s / max(1.0, result.tree["tps"]), 2),
        },
        "audit": {
            "seconds": audit["seconds"],
            "transactions": audit["transactions"],
            "signatures": audit["signatures"],
            "transactions_per_s": round(audit["transactions"] / audit["seconds"], 1),
            "ratio_to_signatures": round(checks / audit["seconds"] / possible, 3),
            "ok": audit["ok"],
        },
    }


def audit_home(home: Path) -> dict[str, Any]:
    """Return block F of `wijk audit verify` on the home of a stopped node."""
    words = ["audit", "verify", "--dir", str(home), "--home", str(home.parent / "auditor")]
    command = [sys.executable, "-m", "cli", *words, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(5004, invariant=f"audit: {done.stderr.strip()[:200]}")
    return dict(json.loads(done.stdout))


def _status(entry: NodeEntry) -> dict[str, Any]:
    with closing(Client([entry.api])) as client:
        return ask_patiently(client.status)


def _wait_for_height(entry: NodeEntry, height: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while _status(entry)["height"] < height:
        if time.monotonic() > deadline:
            raise Problem(3003, cause=f"{entry.name} is not at height {height}")
        time.sleep(POLL_S)
