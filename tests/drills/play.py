"""One drill from beginning to end: a fresh network, load, the fault, peace, and the judgement."""

import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from audit.home import open_home
from audit.verify import verify
from testnet.bench import plan_bench
from testnet.create import create_network
from tests.drills.bank import ACCOUNTS, Crowd, History, Load, read_history
from tests.drills.ground import ENOUGH, Altered, Ground
from tests.drills.lengthen import BLOCK_MS, lengthen
from tests.drills.proxy import Proxies

QUIET_S = 700  # between a chain that was made and the drill: its payments count in no quota (B3)


class Drill(NamedTuple):
    """A scenario: what it is called, what it does, and on how many nodes.

    `late` nodes are not started with the others. With `proxied` every link goes through proxies.
    The others begin with a chain of `blocks`, made beforehand.
    """

    id: str
    title: str
    act: Callable[[Ground], None]
    nodes: int = 4
    late: tuple[str, ...] = ()
    proxied: bool = False
    blocks: int = 0


class Row(NamedTuple):
    """What the table says of one drill. Heights of the highest node; times in seconds."""

    id: str
    title: str
    done: str
    before: int
    after: int
    next_block_s: float | None
    acknowledged: int
    lost: int | None  # None: nobody could be asked
    reads: int
    seconds: float
    passed: bool
    why: str


def play(drill: Drill, folder: Path) -> Row:
    """Play a drill in a new folder and say how it went; every process is gone afterwards."""
    began = time.monotonic()
    age = timedelta(milliseconds=drill.blocks * BLOCK_MS, seconds=QUIET_S if drill.blocks else 0)
    at = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    plan = plan_bench(drill.nodes, ACCOUNTS, at)
    proxies = Proxies(drill.nodes) if drill.proxied else None
    made = create_network(
        folder,
        plan,
        seed=None,
        base_port=0,
        storage="auto",
        addresses=proxies.addresses if proxies else None,
    )
    network = Altered(folder)
    crowd = Crowd(made.genesis().digest, plan.crowd_seeds())
    load = Load([entry.api for entry in network.file.nodes], crowd)
    ground = Ground(network, load, proxies)
    before, why = 0, ""
    history: History | None = None
    try:
        if proxies is not None:
            proxies.start({entry.name: entry.p2p for entry in network.file.nodes}, network)
        if drill.blocks:
            homes = {entry.name: Path(entry.home) for entry in network.file.nodes}
            standing = [home for name, home in homes.items() if name not in drill.late]
            seeds = plan.crowd_seeds()
            lengthen(made.genesis(), tuple(homes.values()), standing, seeds, drill.blocks)
        ground.start(*(name for name in ground.names if name not in drill.late))
        ground.wait_ready()
        with load:
            ground.wait_paid()
            before = ground.top()
            drill.act(ground)
            ground.wait_block()  # whatever it was: the chain goes on
        ground.settle()
        load.read_last([network.node(name).api for name in ground.standing])
        history = read_history(network, ground.standing, load.acked)
        why = judge(load, history)
        ground.stop(ground.names)
        with open_home(ground.home(ground.standing[0])) as home:
            verdict = verify(home, folder / "auditor", clock_s=lambda: 0.0)
        if not verdict.ok:
            why = f"audit: {verdict.why}"
    except Exception as error:  # noqa: BLE001 - the table tells of each drill, whatever happened
        at_line = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({Path(at_line.filename).name}:{at_line.lineno})"
        traceback.print_exc()
    finally:
        ground.stop(ground.names)
        if proxies is not None:
            proxies.stop()
    return Row(
        drill.id,
        drill.title,
        "; ".join(ground.told),
        before,
        before if history is None else history.height,
        None if ground.next_s is None else round(ground.next_s, 2),
        len(load.acked),
        None if history is None else len(history.lost),
        load.reads,
        round(time.monotonic() - began, 1),
        not why,
        why,
    )


def judge(load: Load, history: History) -> str:
    """Return what is wrong with what the load and the chains show; empty if nothing is."""
    if history.lost:
        return f"lost: {', '.join(history.lost[:3])}"
    wrong = [*load.wrong, *history.wrong]
    if wrong:
        return f"{wrong[0]} ({len(wrong)} in all)"
    if len(load.acked) < ENOUGH or not load.reads:
        return f"no load: {len(load.acked)} payments, {load.reads} reads; {load.refused}"
    return ""
