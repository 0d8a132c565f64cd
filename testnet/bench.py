"""What `wijk bench` measures, exactly as interfaces 1.8 says, and that nothing was lost by it."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from chain.address import account_id
from chain.crypto import public_key, sha256, sign, verify
from chain.texts import Problem
from contracts.coin import Leg, Transfer
from node.client import Client
from testnet.create import create_network
from testnet.load import Load
from testnet.network import Network, NodeEntry
from testnet.plan import DEV_CENTS, Crowd, Plan, plan_testnet
from wallet.sign import build_body, sign_body

SECRET = b"bench"  # the keys of every run are the same; nothing of worth is behind them
ACCOUNTS_MAX = 10_000  # what genesis holds (interfaces 3.6)
VALIDITY_S = 590  # under the 600 s that a node accepts, by the clock of the last block
SIGN_SHARE = 0.6  # of the cap; the budget of architecture section 4 ends at 0.50
VERIFY_SAMPLES = 2_000
VERIFY_BYTES = 200
US = 1_000_000
STAGES = {
    "verify_us": "wijk_verify_seconds",
    "execute_us": "wijk_execute_seconds",
    "store_us": "wijk_store_commit_seconds",
}


class Setting(msgspec.Struct, frozen=True):
    """What to measure. `rate` None is `max`: a closed loop."""

    nodes: int
    seconds: int
    rate: int | None
    dead: int
    accounts: int
    warmup_s: float


class Reading(msgspec.Struct, frozen=True):
    """Counters of the observed node and of all processes at one moment."""

    at_s: float
    disk_bytes: int
    stage_s: dict[str, float]
    node_cpu_s: float  # of all nodes together
    client_cpu_s: float


class Result(msgspec.Struct, frozen=True):
    """Object G, where the time went, and what the checks at the end found wrong."""

    tree: dict[str, Any]
    profile: dict[str, float]
    refused: dict[str, int]
    broken: tuple[str, ...]


# -------------------------------------------------------------------------------- pure parts


def plan_bench(nodes: int, accounts: int, genesis_time: str) -> Plan:
    """Return the plan of the network: a crowd in the first wijk, whose accounts never wait."""
    plan = plan_testnet(nodes, min(nodes, 4), 0, SECRET, genesis_time)
    return msgspec.structs.replace(
        plan,
        crowd=Crowd(plan.wijken[0].slug, accounts, DEV_CENTS),
        params={"account_pending_txs": 100_000, "account_pending_bytes": 64 * 1024 * 1024},
    )


def compute_cap_tps(cores: int, nodes: int, verify_us: float) -> float:
    """Return what signature checks alone would allow (architecture section 4)."""
    return cores * US / (nodes * verify_us)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of sorted samples; 0 where there are none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def compute_latency_ms(samples_s: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and max in ms of latencies in seconds."""
    ordered = sorted(samples_s)
    found = {f"p{percent}": percentile(ordered, percent) for percent in (50, 95, 99)}
    found["max"] = ordered[-1] if ordered else 0.0
    return {name: round(seconds * 1000, 1) for name, seconds in found.items()}


def sign_transfers(
    chain_digest: bytes, seeds: Sequence[bytes], count: int, expires: int
) -> list[bytes]:
    """Return `count` envelopes: every account pays one cent in its turn, to anyone but itself.

    Whom it pays is drawn by a hash. Were it the next in turn, what an account gets and what it
    pays would level out within a block, and the state would hardly change.
    """
    ids = [account_id(public_key(seed)) for seed in seeds]
    envelopes = []
    for i in range(count):
        drawn = sha256(b"bench payment" + i.to_bytes(8, "big"))
        payer = i % len(ids)
        payee = (payer + 1 + int.from_bytes(drawn[16:]) % (len(ids) - 1)) % len(ids)
        call = Transfer((Leg(ids[payee], 1, None, None),), None)
        body = build_body(chain_digest, ids[payer], drawn[:16], expires, call)
        envelopes.append(sign_body(body, {0: seeds[payer]}))
    return envelopes


# -------------------------------------------------------------------------------- measuring


def measure_verify_us() -> float:
    """Return the median time of one signature check of 200 bytes, one thread, in µs."""
    seed, message = sha256(b"bench verify"), bytes(VERIFY_BYTES)
    key, signature = public_key(seed), sign(seed, message)
    samples = []
    for _ in range(VERIFY_SAMPLES):
        began = time.perf_counter_ns()
        valid = verify(key, message, signature)
        samples.append(time.perf_counter_ns() - began)
        assert valid, "a signature just made is valid"
    return statistics.median(samples) / 1000


def run_bench(setting: Setting, folder: Path, told: Callable[[str], None]) -> Result:
    """Make a network in `folder`, put it under load, stop it, and return what was measured."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    plan = plan_bench(setting.nodes, setting.accounts, now)
    network = create_network(folder, plan, seed=None, base_port=0, storage="auto")
    if setting.dead > setting.nodes - network.quorum:
        raise Problem(1001, cause=f"--dead > {setting.nodes - network.quorum}")
    cores = len(os.sched_getaffinity(0))
    told("sign")
    verify_us = measure_verify_us()
    cap_tps = compute_cap_tps(cores, setting.nodes, verify_us)
    rate = cap_tps * SIGN_SHARE if setting.rate is None else setting.rate
    count = ceil(rate * (setting.warmup_s + setting.seconds + 1)) + 1
    began = time.time()
    envelopes = sign_transfers(
        network.genesis().digest, plan.crowd_seeds(), count, int(began) + VALIDITY_S
    )
    told("start")
    try:
        network.start()
        network.wait_in_sync()
        if time.time() - began + setting.warmup_s + setting.seconds > VALIDITY_S:
            raise Problem(1001, cause="--seconds")
        for entry in network.file.nodes[setting.nodes - setting.dead :]:
            network.kill(entry.name)
        told("load")
        return _measure(setting, network, envelopes, (cores, verify_us, cap_tps))
    finally:
        network.stop()


def _measure(
    setting: Setting,
    network: Network,
    envelopes: Sequence[bytes],
    machine: tuple[int, float, float],
) -> Result:
    live = network.file.nodes[: setting.nodes - setting.dead]
    client = Client([live[0].api])
    before, supply = client.status(), _read_supply(client)
    load = Load([entry.api for entry in live], envelopes, before["height"])
    readings: list[Reading] = []

    async def read_at_window() -> None:
        for wait_s in (setting.warmup_s, setting.seconds):
            await asyncio.sleep(wait_s)
            readings.append(await asyncio.to_thread(_read, live))

    began: list[float] = []

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            begun = asyncio.Event()

            def note() -> None:
                began.append(time.monotonic())
                begun.set()

            sending = load.run(setting.warmup_s + setting.seconds, setting.rate, note)
            group.create_task(sending)
            await begun.wait()
            group.create_task(read_at_window())

    try:
        asyncio.run(work())
    except ExceptionGroup as group:
        raise _first(group) from group
    codes = _read_codes(client, [h for h, (_, count) in sorted(load.blocks.items()) if count])
    first, last = readings
    peak_mb = max(_peak_rss_mb(entry) for entry in live)
    tree, profile = make_object(
        setting, load, codes, (began[0] + setting.warmup_s, first, last), machine, peak_mb
    )
    broken = check_books(
        load, codes, before, client.status(), same_supply=supply == _read_supply(client)
    )
    client.close()
    return Result(tree, profile, load.refused, broken)


def make_object(
    setting: Setting,
    load: Load,
    codes: Mapping[bytes, int],
    window: tuple[float, Reading, Reading],
    machine: tuple[int, float, float],
    peak_mb: float,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return object G of interfaces 1.8, and the cost per transaction of each stage."""
    began, first, last = window
    ended = began + setting.seconds
    cores, verify_us, cap_tps = machine
    done = [sent for sent in load.sent.values() if codes.get(sent.tx_id) == 0]
    committed = sum(began <= (sent.final_s or 0.0) < ended for sent in done)
    submitted = [sent for sent in load.sent.values() if began <= sent.sent_s < ended]
    samples = [sent.final_s - sent.sent_s for sent in submitted if sent.final_s is not None]
    blocks = [count for seen, count in load.blocks.values() if began <= seen < ended and count]
    tps = committed / setting.seconds
    tree = {
        "nodes": setting.nodes,
        "dead": setting.dead,
        "cores": cores,
        "seconds": float(setting.seconds),
        "submitted": len(submitted),
        "committed": committed,
        "tps": round(tps, 1),
        "latency_ms": compute_latency_ms(samples),
        "blocks": len(blocks),
        "tx_per_block": round(sum(blocks) / len(blocks), 1) if blocks else 0.0,
        "sig_verify_us": round(verify_us, 1),
        "cap_tps": round(cap_tps, 1),
        "ratio_to_cap": round(tps / cap_tps, 3),
        "peak_rss_mb_per_node": peak_mb,
        "bytes_per_tx_on_disk": round((last.disk_bytes - first.disk_bytes) / max(1, committed)),
    }
    per_tx = US / max(1, committed)
    live = setting.nodes - setting.dead
    profile = {
        name: round((last.stage_s[name] - first.stage_s[name]) * per_tx, 1) for name in STAGES
    }
    profile["node_cpu_us"] = round((last.node_cpu_s - first.node_cpu_s) * per_tx / live, 1)
    profile["client_cpu_us"] = round((last.client_cpu_s - first.client_cpu_s) * per_tx, 1)
    return tree, profile


def check_books(
    load: Load,
    codes: Mapping[bytes, int],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    same_supply: bool,
) -> tuple[str, ...]:
    """Return the names of what does not hold after the load; nothing may be lost or made."""
    broken = [] if same_supply else ["supply"]
    if after["log_size"] - before["log_size"] != len(codes):
        broken.append("log_size")
    acknowledged = [s.tx_id for s in load.sent.values() if s.answer not in ("rejected", "none")]
    if any(tx_id not in codes for tx_id in acknowledged):
        broken.append("acknowledged")
    return tuple(broken)


def _read_supply(client: Client) -> list[dict[str, int]]:
    """Return every amount of every coin; the height beside them moves on."""
    items = client.supply()["items"]
    return [{k: v for k, v in item.items() if k.endswith("_cents")} for item in items]


def _first(error: Exception) -> Exception:
    """Return the first error in a group of groups: the others follow from it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _read_codes(client: Client, heights: Sequence[int]) -> dict[bytes, int]:
    """Return the outcome of every transaction in these blocks, as the node keeps them."""
    codes: dict[bytes, int] = {}
    for height in heights:
        after: dict[str, str] = {}
        while True:
            page = client.get(f"/v1/blocks/{height}/txs", limit=500, **after)
            codes |= {bytes.fromhex(item["tx"]): item["code"] for item in page["items"]}
            if page["next"] is None:
                break
            after = {"after": page["next"]}
    return codes


def _read(live: Sequence[NodeEntry]) -> Reading:
    observed = live[0]
    pids = [entry.pid for entry in live if entry.pid is not None]
    own = os.times()
    return Reading(
        time.monotonic(),
        sum(path.stat().st_size for path in Path(observed.home).rglob("*") if path.is_file()),
        _read_stages(observed),
        sum(_cpu_s(pid) for pid in pids),
        own.user + own.system,
    )


def _read_stages(entry: NodeEntry) -> dict[str, float]:
    """Return the seconds that a node has spent in each stage since it started."""
    connection = HTTPConnection(urlsplit(entry.metrics).netloc, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    sums = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return {name: sums[f"{metric}_sum"] for name, metric in STAGES.items()}


def _cpu_s(pid: int) -> float:
    """Return the user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks: int = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks


def _peak_rss_mb(entry: NodeEntry) -> float:
    text = Path(f"/proc/{entry.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 1024, 1)
