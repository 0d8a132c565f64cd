"""Measure on this machine what the stages of a node cost, for the growth curves.

Three sources. What the simulator replaces is measured on the real thing: signatures, a guard slot
and a batch on a synced disk, a read of a large store, a frame over a TLS link. What runs in the
simulator as it does in production is measured there, on real messages and blocks, by a `Probe`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from chain.crypto import public_key, sha256, sign, verify
from consensus.guard import Binding, Position, Step
from consensus.messages import Prepare, SignedPrepare
from node.guard_file import create_guard
from node.head_file import HeadBinding, create_head_file
from node.identity import create_identity
from node.link import Limits
from node.links import PeerInfo, PeerLinks
from node.messages import TxBatch
from node.store import create_store
from tests.sim.growth import Growth, Setting
from tests.sim.processor import NS_PER_US, Cost, Probe, fit, lower_quartile, measure_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chain.codec import Record
    from node.ports import Store

VERIFIES, VERIFIED_BYTES = 400, 300  # a payment has some 300 bytes
SYNCS, WRITES = 40, 12
READS, READS_AT_ONCE = 2_000, 50
PAIRS = 200_000  # in the store that is read from: about 10^4 accounts with their tree
FRAMES = 1_000
LARGE_BYTES = 60_000
LOADS = ((20, 1), (200, 20), (400, 100))  # payments per second of the probes, and in one burst

SYNC_US = 2_000.0  # of a cheap SSD, where this machine is faster (reliability.md: ten times)
KIND = "leveldb"
VOTE = Prepare(bytes(32), 1, 0, bytes(32))

Batch = tuple[tuple[bytes, bytes | None], ...]


def measure_costs(validators: int) -> dict[str, Cost]:
    """Return the cost of each stage for a network of so many nodes, µs.

    What is measured by itself is measured before and after the rest, and the lower one counts:
    other programs come and go, and make nothing faster.
    """
    with tempfile.TemporaryDirectory() as folder:
        first = _measure_replaced(_made(Path(folder) / "first"))
        samples, batches = probe(validators, first["get"].unit)
        replaced = [first, _measure_replaced(_made(Path(folder) / "last"))]
        costs = {stage: min(one[stage] for one in replaced) for stage in first}
        costs["write"] = _measure_write(_made(Path(folder) / "write"), batches)
    costs |= {"receive": costs["send"], "stand-in": Cost(0.0, 0.0)}
    del costs["get"]  # in the stages that read
    return {stage: fit(found) for stage, found in samples.items()} | costs


def _measure_replaced(root: Path) -> dict[str, Cost]:
    """Return the cost of what the simulator has stand-ins for."""
    return {
        "verify": Cost(0.0, _measure_verify_us()),
        "sign": Cost(max(SYNC_US, _measure_sign_us(root)), 0.0),
        "head": Cost(max(SYNC_US, _measure_head_us(root)), 0.0),
        "get": Cost(0.0, _measure_get_us(root)),
        "send": asyncio.run(_measure_frames(root)),
    }


def probe(validators: int, get_us: float) -> tuple[dict[str, list[tuple[int, float]]], list[Batch]]:
    """Run loads from small to large with a clock around each stage; return times and batches."""
    meter, batches = Probe(get_us), []
    for rate, burst in LOADS:
        setting = Setting(validators, 20, rate=rate, burst=burst, seconds=1, warm_s=1)
        world = Growth(setting, meter)
        world.shares, world.batches = False, []
        world.play()
        batches += world.batches
    return meter.samples, batches


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _measure_write(root: Path, batches: Sequence[Batch]) -> Cost:
    """Return the time of a synced batch, for those of small and of large blocks: CPU and sync."""
    ordered = sorted(batches, key=len)
    store = create_store(root / "store", KIND)
    samples = []
    try:
        for batch in (ordered[len(ordered) // 4], ordered[-1]) * WRITES:
            began = time.thread_time_ns()
            store.write(batch)
            samples.append((len(batch), (time.thread_time_ns() - began) / NS_PER_US))
    finally:
        store.close()
    cost = fit(samples)
    return Cost(cost.each + SYNC_US, cost.unit)


def _measure_verify_us() -> float:
    seed, message = sha256(b"verify"), bytes(VERIFIED_BYTES)
    key, signature = public_key(seed), sign(seed, message)
    return measure_us(lambda: verify(key, message, signature), VERIFIES)


def _measure_sign_us(root: Path) -> float:
    seed, heights = sha256(b"guard"), count(1)
    binding = Binding(public_key(seed), sha256(b"genesis"), bytes(16))
    guard = create_guard(root / "guard.bin", binding, lambda message: sign(seed, message))
    try:
        return measure_us(
            lambda: guard.sign(Position(next(heights), 0, Step.PREPARE), bytes(120)), SYNCS
        )
    finally:
        guard.close()


def _measure_head_us(root: Path) -> float:
    binding, heights = HeadBinding(sha256(b"genesis"), bytes(16)), count(1)
    roots = (bytes(32), bytes(32))
    heads = create_head_file(root / "head.bin", binding, 0, bytes(32), roots)
    try:
        return measure_us(lambda: heads.append(next(heights), bytes(32), *roots), SYNCS)
    finally:
        heads.close()


def _measure_get_us(root: Path) -> float:
    """Return the CPU time of one read from a store too large for its caches of blocks."""
    store = create_store(root / "store", KIND)
    try:
        return _time_reads(store)
    finally:
        store.close()


def _time_reads(store: Store) -> float:
    keys = [sha256(number.to_bytes(8, "big")) for number in range(PAIRS)]
    for start in range(0, PAIRS, 10_000):
        store.write([(key, key * 3) for key in keys[start : start + 10_000]])
    read = keys[:: PAIRS // READS]
    samples = []
    for start in range(0, READS, READS_AT_ONCE):
        began = time.thread_time_ns()
        for key in read[start : start + READS_AT_ONCE]:
            store.get(key)
        samples.append(time.thread_time_ns() - began)
    return lower_quartile(samples) / NS_PER_US / READS_AT_ONCE


async def _measure_frames(root: Path) -> Cost:
    """Return what one end of a link spends on a frame: sockets, TLS, queues and decoding.

    Two meshes in this process send each other one frame at a time, so none is merged.
    """
    names = ("noord", "zuid")
    limits = Limits(rate_factor=1_000_000.0)
    arrived = asyncio.Event()
    linked, ends = asyncio.Event(), []
    meshes: list[PeerLinks] = []
    infos: list[PeerInfo] = []

    def on_link(peer: bytes, _up: bool) -> None:
        ends.append(peer)
        if len(ends) == len(names):
            linked.set()

    for name in names:
        identity = create_identity(root / f"{name}.pem", sha256(name.encode()))
        info = PeerInfo(name, public_key(sha256(name.encode())), identity.transport_key, "")
        mesh = PeerLinks(
            identity=identity,
            info=info,
            genesis_digest=bytes(32),
            node_version="0",
            height=lambda: 0,
            on_message=lambda _peer, _message: arrived.set(),
            on_link=on_link,
            randomness=os.urandom,
            limits=limits,
        )
        infos.append(info._replace(address=mesh.open("127.0.0.1:0")))
        meshes.append(mesh)

    async def measure(message: Record) -> float:
        samples = []
        for _ in range(FRAMES):
            arrived.clear()
            began = time.process_time_ns()
            meshes[0].send(infos[1].key, message)
            await arrived.wait()
            samples.append(time.process_time_ns() - began)
        return lower_quartile(samples) / NS_PER_US / 2

    meshes[0].set_peers(infos)
    meshes[1].set_peers([info._replace(address="") for info in infos])  # one dials: one link
    async with asyncio.TaskGroup() as group, asyncio.timeout(60):
        running = [group.create_task(mesh.run()) for mesh in meshes]
        await linked.wait()
        small = await measure(SignedPrepare(VOTE, bytes(32), bytes(64)))
        large = await measure(TxBatch((bytes(LARGE_BYTES // 2), bytes(LARGE_BYTES // 2))))
        for task in running:
            task.cancel()
    return Cost(small, max(0.0, (large - small) / LARGE_BYTES))
