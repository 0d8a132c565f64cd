"""Floods: by a validator with its key, and by outsiders who have none (F35, B7, B12, W20)."""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from statistics import mean
from urllib.parse import urlsplit
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from node.addresses import split_address
from tests.drills.ground import Ground
from tests.drills.outages import measure_memory

QUIET_S = 15.0  # the time that a flood is compared with
FLOOD_S = 45.0
SAMPLE_S = 1.0
WARM_SHARE = 1 / 3  # of the flood, until the replay window and the caches are full
MEMORY_MAX = 1.10
FLOOD_KIB_S = 50  # several times what an honest peer says under this load
OUTSIDER_SOCKETS = 80  # more than a node takes in
OUTSIDER_PAUSE_S = 0.05


def flood(seconds: float) -> Callable[[Ground], None]:
    """F35: one validator says all that its links let through, and outsiders knock without end.

    Payments go on, nobody else leaves, and the memory of the others stays flat.
    """

    def act(ground: Ground) -> None:
        liar, others = ground.names[-1], ground.names[:-1]
        quiet = _wait_and_measure(ground, QUIET_S)
        ground.stop([liar])
        ground.network.extra = {liar: ["--flood"]}
        ground.start(liar)
        ground.wait_level(liar)
        start, acked = ground.top(), len(ground.load.acked)
        before = _read_bytes(ground, others[0], liar)
        ended = threading.Event()
        threads = [threading.Thread(target=_knock, args=(ground, others[0], ended))]
        threads.append(threading.Thread(target=_post, args=(ground, others[0], ended)))
        for thread in threads:
            thread.start()
        memory: list[list[float]] = []
        try:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                memory.append(measure_memory(ground, others))
                ended.wait(SAMPLE_S)
            loud = _percentiles(ground.load.waits[acked:])
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        paid, blocks = len(ground.load.acked) - acked, ground.top() - start
        assert paid, "no payment came through"
        kib = (_read_bytes(ground, others[0], liar) - before) / 1024
        assert kib > FLOOD_KIB_S * seconds, f"no flood: {kib:.0f} KiB"
        grown = max(_growth([row[i] for row in memory]) for i in range(len(others)))
        assert grown <= MEMORY_MAX, f"memory grew to {grown:.2f} of what it was"
        ground.network.extra = {}
        ground.stop([liar])
        ground.start(liar)
        ground.wait_level(liar)
        ground.tell(
            f"{liar} flooded for {seconds:.0f} s, and outsiders knocked: "
            f"{kib:.0f} KiB to each, {blocks} blocks, {paid} payments, "
            f"p50/p99 {loud[0]:.2f}/{loud[1]:.2f} s (before: "
            f"{quiet[0]:.2f}/{quiet[1]:.2f} s), memory x {grown:.2f} of {max(memory[-1]):.0f} MB"
        )

    return act


def _wait_and_measure(ground: Ground, seconds: float) -> tuple[float, float]:
    before = len(ground.load.waits)
    time.sleep(seconds)
    return _percentiles(ground.load.waits[before:])


def _read_bytes(ground: Ground, name: str, peer: str) -> float:
    """Return how many bytes a node has read from a peer since it started."""
    netloc = urlsplit(ground.network.node(name).metrics).netloc
    with urlopen(f"http://{netloc}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    wanted = {"direction": "in", "peer": peer}
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "wijk_peer_bytes_total" and sample.labels == wanted
    )


def _percentiles(waits: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in seconds."""
    ordered = sorted(waits)
    return ordered[len(ordered) // 2], ordered[math.ceil(len(ordered) * 0.99) - 1]


def _growth(samples: list[float]) -> float:
    """Return the mean of the last third of a warm process over that of the first third."""
    warm = samples[int(len(samples) * WARM_SHARE) :]
    part = max(1, len(warm) // 3)
    return mean(warm[-part:]) / mean(warm[:part])


def _knock(ground: Ground, name: str, ended: threading.Event) -> None:
    """Open more connections than a node takes, say nothing or rubbish, and begin again."""
    host, port = split_address(ground.network.node(name).p2p)
    while not ended.is_set():
        held = []
        for number in range(OUTSIDER_SOCKETS):
            with contextlib.suppress(OSError):  # refused is the right answer
                one = socket.create_connection((host, port), timeout=1)
                held.append(one)
                if number % 2:
                    one.sendall(os.urandom(600))
        ended.wait(1.0)
        for one in held:
            one.close()


def _post(ground: Ground, name: str, ended: threading.Event) -> None:
    """Send rubbish to the API, some of it larger than it takes, some without an end."""
    parts = urlsplit(ground.network.node(name).api)
    bodies = (b"", os.urandom(300), os.urandom(64 * 1024), b"[" * 5_000)
    number = 0
    while not ended.wait(OUTSIDER_PAUSE_S):
        body = bodies[number % len(bodies)]
        number += 1
        size = len(body) + number % 2
        head = f"POST /v1/tx HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n\r\n"
        with (
            contextlib.suppress(OSError),
            socket.create_connection((parts.hostname, parts.port), timeout=1) as one,
        ):
            one.sendall(head.encode() + body)
            one.settimeout(0.2)
            one.recv(4_096)
