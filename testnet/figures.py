"""The figures of a bench, from what was seen: pure (interfaces 1.8, object G)."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import msgspec

from testnet.load import Load

US = 1_000_000
# Budget per transaction and node in µs (architecture section 4), by the node's stages.
BUDGET_US = {"decode": 2, "verify": 45, "mempool": 10, "execute": 6, "tree": 15, "store": 12}


class Setting(msgspec.Struct, frozen=True):
    """What to measure. `rate` None is `max`: a closed loop; `block_txs` None is the default."""

    nodes: int
    seconds: int
    rate: int | None
    dead: int
    accounts: int
    warmup_s: float
    block_txs: int | None = None


class Machine(msgspec.Struct, frozen=True):
    """What this process may use, and how long one signature check takes on it."""

    cores: int
    verify_us: float


class Reading(msgspec.Struct, frozen=True):
    """Counters of the observed node and of all processes at one moment."""

    disk_bytes: int
    stage_s: dict[str, float]
    node_cpu_s: float  # of all nodes together
    client_cpu_s: float
    rss_mb: float  # of the largest node
    own_mb: float  # the same without files that are mapped, which the system takes back at need


class Window(msgspec.Struct, frozen=True):
    """The measured seconds: when they began by the monotonic clock, and what was read around."""

    began_s: float
    seconds: int
    first: Reading
    last: Reading


class Result(msgspec.Struct, frozen=True):
    """Object G, where the time went, what was refused, and what the checks found wrong.

    `refused` counts transactions by code; `busy` has the `Retry-After` of each answer 429.
    """

    tree: dict[str, Any]
    profile: dict[str, float]
    refused: dict[str, int]
    busy: tuple[str | None, ...]
    broken: tuple[str, ...]


def compute_cap_tps(machine: Machine, nodes: int) -> float:
    """Return what signature checks alone would allow (architecture section 4)."""
    return machine.cores * US / (nodes * machine.verify_us)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of sorted samples; 0 where there are none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def compute_latency_ms(samples_s: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and max in ms of latencies in seconds."""
    ordered = sorted(samples_s)
    found = {f"p{percent}": percentile(ordered, percent) for percent in (50, 95, 99)}
    found["max"] = ordered[-1] if ordered else 0.0
    return {name: round(seconds * 1000, 1) for name, seconds in found.items()}


def make_object(
    setting: Setting,
    load: Load,
    codes: Mapping[bytes, int],
    window: Window,
    machine: Machine,
    peak_mb: float,
) -> dict[str, Any]:
    """Return object G of interfaces 1.8. `codes` are the outcomes found in the log."""
    began, ended = window.began_s, window.began_s + window.seconds
    committed = count_committed(load, codes, window)
    submitted = [sent for sent in load.sent.values() if began <= sent.sent_s < ended]
    samples = [sent.final_s - sent.sent_s for sent in submitted if sent.final_s is not None]
    blocks = [count for seen, count in load.blocks.values() if began <= seen < ended and count]
    tps = committed / window.seconds
    cap_tps = compute_cap_tps(machine, setting.nodes)
    grown = window.last.disk_bytes - window.first.disk_bytes
    return {
        "nodes": setting.nodes,
        "dead": setting.dead,
        "cores": machine.cores,
        "seconds": float(window.seconds),
        "submitted": len(submitted),
        "committed": committed,
        "tps": round(tps, 1),
        "latency_ms": compute_latency_ms(samples),
        "blocks": len(blocks),
        "tx_per_block": round(sum(blocks) / len(blocks), 1) if blocks else 0.0,
        "sig_verify_us": round(machine.verify_us, 1),
        "cap_tps": round(cap_tps, 1),
        "ratio_to_cap": round(tps / cap_tps, 3),
        "peak_rss_mb_per_node": peak_mb,
        "bytes_per_tx_on_disk": round(grown / max(1, committed)),
    }


def count_committed(load: Load, codes: Mapping[bytes, int], window: Window) -> int:
    """Return how many became final with outcome 0 within the window."""
    began, ended = window.began_s, window.began_s + window.seconds
    return sum(
        began <= (sent.final_s or 0.0) < ended
        for sent in load.sent.values()
        if codes.get(sent.tx_id) == 0
    )


def make_profile(setting: Setting, committed: int, window: Window) -> dict[str, float]:
    """Return the CPU time of a committed transaction by stage in µs, and how far memory grew.

    Stages are those of the observed node, `node_cpu_us` is the mean of the live ones.
    """
    first, last = window.first, window.last
    per_tx = US / max(1, committed)
    live = setting.nodes - setting.dead
    profile = {
        f"{stage}_us": round((last.stage_s[stage] - first.stage_s[stage]) * per_tx, 1)
        for stage in BUDGET_US
    }
    node_cpu_us = (last.node_cpu_s - first.node_cpu_s) * per_tx / live
    profile["rest_us"] = round(node_cpu_us - sum(profile.values()), 1)
    profile["node_cpu_us"] = round(node_cpu_us, 1)
    profile["client_cpu_us"] = round((last.client_cpu_s - first.client_cpu_s) * per_tx, 1)
    profile["rss_growth_mb"] = round(last.rss_mb - first.rss_mb, 1)
    profile["own_mb"] = last.own_mb
    return profile


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
