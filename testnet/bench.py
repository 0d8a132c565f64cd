"""What `wijk bench` measures, exactly as interfaces 1.8 says, and that nothing was lost by it.

The order keeps the window honest: the verify time is measured on a machine at rest, accounts are
made and payments signed before the load, and in the window the client only sends and listens.
"""

import asyncio
import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from math import ceil
from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from chain.crypto import public_key, sha256, sign, verify
from chain.texts import Problem
from contracts.coin import LEGS_MAX
from contracts.members import ATTACH_MAX
from node.client import Client, ask_patiently
from testnet.create import create_network
from testnet.crowd import (
    GENESIS_ACCOUNTS_MAX,
    Batch,
    attach_tasks,
    fund_tasks,
    in_order,
    payment_tasks,
    sign_attach,
    sign_funding,
    sign_payments,
)
from testnet.figures import (
    BUDGET_US,
    Machine,
    Reading,
    Result,
    Setting,
    Window,
    check_books,
    compute_cap_tps,
    make_object,
    make_profile,
)
from testnet.load import Load, batch_txs_at
from testnet.network import Network, NodeEntry
from testnet.plan import DEV_CENTS, Crowd, Plan, plan_testnet

SECRET = b"bench"  # the keys of every run are the same; nothing of worth is behind them
VALIDITY_S = 590  # under the 600 s that a node accepts, by the clock of the last block
SIGN_SHARE = 0.6  # of the cap; the budget of architecture section 4 ends at 0.50
SIGN_TPS_MAX = 12_000  # above what one node does, whatever the cap: its runtime is one thread
STAGE_METRIC = "wijk_stage_seconds_total"
VERIFY_SAMPLES = 2_000
VERIFY_BYTES = 200
READ_S = 60.0  # a node under load answers late
AHEAD = 8  # parts of work that each process may be ahead of who needs them
POOL_FROM = 2_000  # payments; for fewer it costs more to start processes than to sign here
# How many may be in flight while accounts are made: what a block holds of them is executed and
# hashed within a round, also by four nodes on two cores.
ATTACHES_MAX = 30
FUNDINGS_MAX = 60

Told = Callable[[str, int, int], None]  # step; how much is done, of how much


class Bench(msgspec.Struct):
    """A running network, what is to be measured on it, and how many payments it was given.

    Another setting may follow on the same network, as far as it is about the load.
    """

    setting: Setting
    plan: Plan
    network: Network
    machine: Machine
    signed: int = 0

    @property
    def live(self) -> list[NodeEntry]:
        """The nodes that are not killed before the load."""
        return self.network.file.nodes[: self.setting.nodes - self.setting.dead]


def plan_bench(nodes: int, accounts: int, genesis_time: str, block_txs: int | None = None) -> Plan:
    """Return the plan of the network: a crowd in the first wijk, whose accounts never wait."""
    plan = plan_testnet(nodes, min(nodes, 4), 0, SECRET, genesis_time)
    crowd = Crowd(plan.wijken[0].slug, min(accounts, GENESIS_ACCOUNTS_MAX), DEV_CENTS)
    params = {"account_pending_txs": 100_000, "account_pending_bytes": 64 * 1024 * 1024}
    if block_txs is not None:
        params["max_block_txs"] = block_txs
    return msgspec.structs.replace(plan, crowd=crowd, params=params)


def run_bench(setting: Setting, folder: Path, told: Told) -> Result:
    """Make a network in `folder`, put it under load, stop it, and return what was measured."""
    with start_bench(setting, folder, told) as bench:
        return measure(bench, told)


@contextlib.contextmanager
def start_bench(setting: Setting, folder: Path, told: Told) -> Iterator[Bench]:
    """Make a network with all its accounts in `folder` and run it; stop it at the end."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    plan = plan_bench(setting.nodes, setting.accounts, now, setting.block_txs)
    network = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    if setting.dead > setting.nodes - network.quorum:
        raise Problem(1001, cause=f"--dead > {setting.nodes - network.quorum}")
    cores = len(os.sched_getaffinity(0))
    machine = Machine(cores, measure_verify_us(cores))
    bench = Bench(setting, plan, network, machine)
    told("start", 0, 0)
    try:
        network.start()
        network.wait_in_sync()
        if setting.accounts > GENESIS_ACCOUNTS_MAX:
            make_accounts(bench, told)
        yield bench
    finally:
        network.stop()


def measure(bench: Bench, told: Told) -> Result:
    """Sign payments, kill who is to be dead, and put the rest under load."""
    setting, network = bench.setting, bench.network
    load_s = setting.warmup_s + setting.seconds
    expires = int(time.time()) + VALIDITY_S
    batches = sign_ahead(bench, expires, told)
    if time.time() + load_s > expires:
        raise Problem(1001, cause="--seconds")
    for entry in network.file.nodes[setting.nodes - setting.dead :]:
        if network.is_running(entry):
            network.kill(entry.name)
    told("load", 0, 0)
    client = Client([bench.live[0].api])
    before, supply = ask_patiently(client.status), _read_supply(client)
    load = Load([entry.api for entry in bench.live], batches, before["height"])
    window = _put_under_load(bench, load)
    codes = _read_codes(client, load)
    after, same_supply = ask_patiently(client.status), supply == _read_supply(client)
    broken = check_books(load, codes, before, after, same_supply=same_supply)
    client.close()
    peak_mb = max(_memory_mb(entry, "VmHWM") for entry in bench.live)
    tree = make_object(setting, load, codes, window, bench.machine, peak_mb)
    profile = make_profile(setting, tree["committed"], window)
    return Result(tree, profile, load.refused, tuple(load.busy), broken)


def sign_ahead(bench: Bench, expires: int, told: Told) -> list[Batch]:
    """Return as many signed payments as the load can need, made by all cores."""
    setting = bench.setting
    cap_tps = compute_cap_tps(bench.machine, setting.nodes)
    rate = min(cap_tps * SIGN_SHARE, SIGN_TPS_MAX) if setting.rate is None else setting.rate
    batch_txs = batch_txs_at(setting.rate)
    count = ceil(rate * (setting.warmup_s + setting.seconds + 1)) + batch_txs
    digest = bench.network.genesis().digest
    work = partial(sign_payments, bench.plan, digest, setting.accounts, expires)
    tasks = payment_tasks(bench.signed, count, batch_txs)
    bench.signed += count
    if count < POOL_FROM:
        return [work(*task) for task in tasks]
    signed: list[Batch] = []
    with _processes(bench.machine) as pool:
        for batch in in_order(pool, work, tasks, AHEAD * bench.machine.cores):
            signed.append(batch)
            told("sign", len(signed) * batch_txs, count)
    return signed


def measure_verify_us(cores: int) -> float:
    """Return the time of one signature check of 200 bytes while `cores` processes check, in µs.

    The mean of their medians. Cores that share parts are slower together than alone, and the cap
    is about all of them (ADR 0060).
    """
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(cores, timeout=READ_S)
    with context.Pool(cores, _meet, [together]) as pool:
        return statistics.mean(pool.map(_time_checks, [VERIFY_SAMPLES] * cores, chunksize=1))


_wait_for: list[Barrier] = []  # of a process that measures: until the others are there


def _meet(together: Barrier) -> None:
    _wait_for.append(together)


def _time_checks(count: int) -> float:
    """Return the median time of one of `count` checks, in µs."""
    seed, message = sha256(b"bench verify"), bytes(VERIFY_BYTES)
    key, signature = public_key(seed), sign(seed, message)
    samples = []
    _wait_for[0].wait()
    for _ in range(count):
        began = time.perf_counter_ns()
        valid = verify(key, message, signature)
        samples.append(time.perf_counter_ns() - began)
        assert valid, "a signature just made is valid"
    return statistics.median(samples) / 1000


# -------------------------------------------------------------------------------- accounts


def make_accounts(bench: Bench, told: Told) -> None:
    """Make and fund the accounts that are too many for genesis (interfaces 1.8)."""
    accounts = bench.setting.accounts
    steps = (
        ("attach", sign_attach, attach_tasks(bench.plan, accounts), ATTACHES_MAX, ATTACH_MAX),
        ("fund", sign_funding, fund_tasks(bench.plan, accounts), FUNDINGS_MAX, LEGS_MAX),
    )
    urls = [entry.api for entry in bench.network.file.nodes]
    digest, total = bench.network.genesis().digest, accounts - GENESIS_ACCOUNTS_MAX
    with _processes(bench.machine) as pool, contextlib.closing(Client(urls[:1])) as client:
        for step, work, tasks, most, size in steps:
            dated = ((int(time.time()) + VALIDITY_S, *task) for task in tasks)
            batches = in_order(pool, partial(work, bench.plan, digest), dated, AHEAD)
            done = 0

            def note(seen: int, step: str = step, size: int = size) -> None:
                nonlocal done
                done += seen
                told(step, min(total, done * size), total)

            height = ask_patiently(client.status)["height"]
            load = Load(urls, batches, height, in_flight_max=most, told=note)
            _run(load.run(None, None))
            failed = [code for code in _read_codes(client, load).values() if code]
            if load.refused or failed:
                raise Problem(1001, cause=f"{step}: {load.refused or failed[:1]}")


def _processes(machine: Machine) -> ProcessPoolExecutor:
    """Return a pool that starts from nothing: no thread or socket of this process is in it."""
    return ProcessPoolExecutor(machine.cores, multiprocessing.get_context("spawn"))


# ------------------------------------------------------------------------------------ load


def _put_under_load(bench: Bench, load: Load) -> Window:
    """Run the load; return the window, with what was read at its two ends."""
    setting, live = bench.setting, bench.live
    readings: list[Reading] = []
    began: list[float] = []

    async def read_at_window() -> None:
        for wait_s in (setting.warmup_s, setting.seconds):
            await asyncio.sleep(wait_s)
            readings.append(await asyncio.to_thread(_read, live))

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            begun = asyncio.Event()

            def note() -> None:
                began.append(time.monotonic())
                begun.set()

            seconds = setting.warmup_s + setting.seconds
            group.create_task(load.run(seconds, setting.rate, note))
            await begun.wait()
            group.create_task(read_at_window())

    _run(work())
    first, last = readings
    return Window(began[0] + setting.warmup_s, setting.seconds, first, last)


def _run(work: Coroutine[None, None, None]) -> None:
    """Run to the end; of a group of errors raise the first, since the others follow from it."""
    try:
        asyncio.run(work)
    except ExceptionGroup as group:
        error: Exception = group
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from group


# --------------------------------------------------------------------------------- reading


def _read_supply(client: Client) -> list[dict[str, int]]:
    """Return every amount of every coin; the height beside them moves on."""
    items = ask_patiently(client.supply)["items"]
    return [{k: v for k, v in item.items() if k.endswith("_cents")} for item in items]


def _read_codes(client: Client, load: Load) -> dict[bytes, int]:
    """Return the outcome of every transaction in the blocks that were seen."""
    codes: dict[bytes, int] = {}
    for height in sorted(height for height, (_, count) in load.blocks.items() if count):
        after: dict[str, str] = {}
        while True:
            page = ask_patiently(
                partial(client.get, f"/v1/blocks/{height}/txs", limit=500, **after)
            )
            codes |= {bytes.fromhex(item["tx"]): item["code"] for item in page["items"]}
            if page["next"] is None:
                break
            after = {"after": page["next"]}
    return codes


def _read(live: Sequence[NodeEntry]) -> Reading:
    pids = [entry.pid for entry in live if entry.pid is not None]
    own = os.times()
    return Reading(
        get_disk_bytes(live[0]),
        _read_stages(live[0]),
        sum(_cpu_s(pid) for pid in pids),
        own.user + own.system,
        max(_memory_mb(entry, "VmRSS") for entry in live),
        max(_memory_mb(entry, "RssAnon") for entry in live),
    )


def get_disk_bytes(entry: NodeEntry) -> int:
    """Return the bytes of a node's home, which it may be changing meanwhile."""
    total = 0
    for folder, _, names in os.walk(entry.home):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(folder, name).stat().st_size
    return total


def _read_stages(entry: NodeEntry) -> dict[str, float]:
    """Return the CPU seconds that a node has spent in each stage since it started."""
    connection = HTTPConnection(urlsplit(entry.metrics).netloc, timeout=READ_S)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    spent = {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == STAGE_METRIC
    }
    assert spent.keys() == BUDGET_US.keys(), "the node has a clock for each stage of the budget"
    return spent


def _cpu_s(pid: int) -> float:
    """Return the user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks: int = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks


def _memory_mb(entry: NodeEntry, which: str) -> float:
    """Return `VmHWM`, the most a node ever held, `VmRSS`, what it holds now, or its `RssAnon`."""
    text = Path(f"/proc/{entry.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(f"{which}:"))
    return round(int(line.split()[1]) / 1024, 1)
