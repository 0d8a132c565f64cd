"""Nodes that are gone, slow, late or wrong about the time, and paths that are bad."""

import threading
import time
from signal import SIGCONT, SIGSTOP

from chain.validators import faulty, read_bitmap
from node.client import Client
from testnet.network import get_rss_mb
from tests.drills.ground import Ground
from tests.drills.proxy import Weather

OUTAGE_S = 20.0  # consensus says an hour; the simulator plays that (G5)
RETURN_S = 10.0  # G5: the next block after a quorum is back
PAUSE_S = 8.0
BEHIND = 120  # blocks; consensus says 10,000
CYCLE_S = 0.5
AWAKE = 0.1  # of each cycle: a tenth of a core
SLOW_SYNC = ["--sync-s", "2"]
HOUR_MS = 3_600_000


def dead_proposer(ground: Ground) -> None:
    """F1: its turn costs one round, and then it is passed over until its term ends."""
    dead, others = ground.names[-1], ground.names[:-1]
    start = ground.top()
    ground.kill_at_once([dead])
    ground.wait_block(40, others)
    rounds = [certificate.round for _, certificate in ground.blocks(others[0], start)]
    share = sum(rounds) / len(rounds)
    assert share < 0.2, f"{sum(rounds)} failed rounds in {len(rounds)} blocks"
    ground.start(dead)
    ground.wait_level(dead)
    ground.tell(f"{dead} dead for {len(rounds)} blocks: {sum(rounds)} failed rounds")


def dead_third(ground: Ground) -> None:
    """F2: f of ten dead, one after the other in the ring or not: the rest decide without them."""
    dead, others = ground.names[-3:], ground.names[:-3]
    start = ground.top()
    ground.kill_at_once(dead)
    ground.wait_block(60, others)
    ground.wait_paid()
    rounds = [certificate.round for _, certificate in ground.blocks(others[0], start)]
    late = rounds[len(rounds) // 2 :]
    share = sum(rounds) / len(rounds)
    assert share < 0.33, f"{sum(rounds)} failed rounds in {len(rounds)} blocks: as round robin"
    ground.start(*dead)
    for name in dead:
        ground.wait_level(name)
    ground.tell(
        f"{', '.join(dead)} dead for {len(rounds)} blocks: {sum(rounds)} failed rounds, "
        f"{sum(late)} of them in the second half"
    )


def fewest_left(ground: Ground) -> None:
    """F3: n - q nodes down: the others go on at the rate they had."""
    spare = len(ground.names) - ground.network.quorum
    down, others = ground.names[-spare:], ground.names[:-spare]
    before = _rate(ground, others)
    ground.kill_at_once(down)
    ground.wait_block(names=others)
    during = _rate(ground, others)
    assert during > before / 3, f"{before:.1f} blocks a second before, {during:.1f} without them"
    ground.start(*down)
    ground.tell(
        f"{len(down)} of {len(ground.names)} down for {OUTAGE_S:.0f} s: "
        f"{before:.1f} blocks a second before, {during:.1f} meanwhile"
    )


def no_quorum(ground: Ground) -> None:
    """F4: one more than that down: no block, no round, no memory; they return: a block."""
    down = ground.names[-(len(ground.names) - ground.network.quorum + 1) :]
    left = ground.names[: -len(down)]
    ground.kill_at_once(down)
    time.sleep(PAUSE_S)  # a block may have been decided just then, and a round begun
    height, rounds, memory = (
        ground.heights(left),
        _rounds(ground, left),
        measure_memory(ground, left),
    )
    time.sleep(OUTAGE_S)
    assert ground.heights(left) == height, "a block without a quorum"
    assert _rounds(ground, left) == rounds, "a round was raised without a quorum"
    grown = max(now / was for now, was in zip(measure_memory(ground, left), memory, strict=True))
    assert grown < 1.1, f"memory grew to {grown:.2f} of what it was"
    ground.start(*down)
    took = ground.wait_block()
    assert took <= RETURN_S, f"{took:.1f} s after the return"
    ground.wait_paid()
    ground.tell(
        f"{len(down)} of {len(ground.names)} down for {OUTAGE_S + PAUSE_S:.0f} s: no block, "
        f"rounds stayed {rounds}, memory x {grown:.2f}, then they returned"
    )


def pause(ground: Ground) -> None:
    """SIGSTOP and SIGCONT: one node, and then so many that nothing is decided."""
    one, two = ground.names[-1:], ground.names[-2:]
    with ground.paused(*one):
        ground.wait_block(5, ground.names[:-1])
        time.sleep(PAUSE_S)
    ground.wait_level(one[0])
    with ground.paused(*two):
        time.sleep(PAUSE_S)
    ground.wait_block()
    ground.wait_signing(one[0])
    ground.tell(f"{one[0]} held for more than {PAUSE_S:.0f} s, then {' and '.join(two)}")


def restart_each(ground: Ground) -> None:
    """SIGTERM and a start of each node in turn: an update without anybody noticing."""
    for name in ground.names:
        ground.stop([name])
        ground.start(name)
        ground.wait_level(name)
        ground.wait_signing(name)
    ground.wait_block()
    ground.tell("SIGTERM and start of each node in turn")


def halves(ground: Ground) -> None:
    """F5, F6: no half decides; with one node cut off the others do, and it comes back by itself."""
    half = len(ground.names) // 2
    ground.network.set_groups([ground.names[:half], ground.names[half:]])
    time.sleep(2)
    height = ground.top()
    time.sleep(PAUSE_S)
    assert ground.top() == height, "a block in half a network"
    ground.network.set_groups([])
    ground.wait_block()
    one, rest = ground.names[-1], ground.names[:-1]
    ground.network.set_groups([rest, [one]])
    ground.wait_block(5, rest)
    ground.network.set_groups([])
    took = ground.wait_level(one)
    ground.wait_signing(one)
    ground.tell(
        f"two halves for {PAUSE_S:.0f} s, then {one} alone; level {took:.1f} s after the heal"
    )


def bad_paths(ground: Ground) -> None:
    """Every link late by 50 to 150 ms, one chunk in ten sent again, some links cut."""
    ground.proxies.weather = Weather(delay_s=0.05, jitter_s=0.1, loss=0.1, cut=0.002)
    ground.wait_block(20)
    ground.wait_paid()
    ground.proxies.weather = Weather()
    ground.wait_block(5)
    assert ground.proxies.carried > 0, "the links go another way"
    ground.tell(
        f"links late by 50 to 150 ms, 10 % sent again, {ground.proxies.cuts} cut, "
        f"{ground.proxies.carried // 1024} KiB carried"
    )


def deaf(ground: Ground) -> None:
    """F8: one node is heard and hears nobody: it counts as faulty; then the other way around."""
    one, rest = ground.names[-1], ground.names[:-1]
    for silent in (
        frozenset((other, one) for other in rest),
        frozenset((one, other) for other in rest),
    ):
        ground.proxies.silent = silent
        ground.wait_block(8, rest)
        ground.proxies.silent = frozenset()
        ground.wait_level(one)
    ground.wait_signing(one)
    ground.tell(f"{one} heard nobody for 8 blocks, then nobody heard {one} for 8")


def far_behind(ground: Ground) -> None:
    """F39: many blocks behind under load, then three: it catches up and signs nothing below."""
    name = ground.names[-1]
    ground.stop([name])
    before = ground.slots(name)
    ground.wait_block(BEHIND)
    certified = ground.top()
    ground.start(name)
    took = ground.wait_level(name)
    ground.wait_signing(name)
    new = [slot.position.height for slot in ground.slots(name)[len(before) :]]
    assert new[0] > certified, f"signed at {new[0]}, {certified} was decided"
    with ground.paused(name):
        ground.wait_block(3, ground.names[:-1])
    again = ground.wait_level(name)
    ground.wait_signing(name)
    ground.tell(
        f"{name} {BEHIND} blocks behind: level {took:.1f} s after its start; "
        f"then 3 behind: {again:.1f} s"
    )


def start_late(ground: Ground) -> None:
    """F39: a validator that comes for the first time when the chain is long begins at genesis."""
    name = ground.names[-1]
    ground.wait_block(40, ground.names[:-1])
    at = ground.top()
    ground.start(name)
    took = ground.wait_level(name)
    ground.wait_signing(name)
    first = ground.slots(name)[0].position.height
    assert first > at, f"signed at {first}, {at} was decided"
    ground.tell(f"{name} started for the first time at height {at}: level after {took:.1f} s")


def few(ground: Ground) -> None:
    """F48: one, two or three validators: they work, start again, and say how many may be away.

    With f = 0 none may lie; of three one may be away, for two are a quorum (consensus Q2, Q5).
    """
    client = Client([ground.network.node(ground.names[0]).api])
    spare = len(ground.names) - ground.network.quorum
    assert client.status()["validators"]["can_lose"] == spare
    assert faulty(len(ground.names)) == 0
    client.close()
    for end in (ground.stop, ground.kill_at_once):
        end(ground.names)
        ground.start()
        ground.wait_block()
        ground.wait_paid()
    ground.tell(
        f"n = {len(ground.names)}: SIGTERM and start, SIGKILL and start; f = 0, {spare} may be away"
    )


def slow_validator(ground: Ground) -> None:
    """F49: a tenth of its processor time and two seconds a sync: late, and seldom a leader."""
    name, others = ground.names[-1], ground.names[:-1]
    ground.stop([name])
    ground.network.extra = {name: SLOW_SYNC}
    ground.start(name)
    ended = threading.Event()
    cycle = threading.Thread(target=_hold_back, args=(ground, name, ended))
    cycle.start()
    try:
        start = ground.top()
        ground.wait_block(60, others)
    finally:
        ended.set()
        cycle.join()
    key = _key(ground, name)
    blocks = list(ground.blocks(others[0], start))
    led = sum(header.creator == key for header, _ in blocks)
    place = sorted(_key(ground, one) for one in ground.names).index(key)
    voted = sum(place in read_bitmap(cert.bitmap, len(ground.names)) for _, cert in blocks)
    failed = sum(certificate.round for _, certificate in blocks)
    assert led <= len(blocks) / len(ground.names), f"it led {led} of {len(blocks)} blocks"
    ground.network.extra = {}
    ground.stop([name])
    ground.start(name)
    ground.wait_signing(name)
    ground.tell(
        f"{name} with a tenth of a core and 2 s a sync for {len(blocks)} blocks: "
        f"{failed} failed rounds, it led {led}, its vote is in {voted} certificates"
    )


def wrong_clock(ground: Ground) -> None:
    """F31: +5 s, +1 h, -1 h on one node: the chain's time stays that of the others."""
    name, others = ground.names[-1], ground.names[:-1]
    start, told = ground.top(), 0
    for offset_ms in (5_000, HOUR_MS, -HOUR_MS):
        ground.stop([name])
        ground.network.extra = {name: ["--clock-ms", str(offset_ms)]}
        ground.start(name)
        ground.wait_level(name)
        ground.wait_block(10, others)
        ground.wait_paid()
        ground.wait_level(name)
        if abs(offset_ms) == HOUR_MS:
            told += 1
            ground.wait(lambda: ground.log(name).count("clock-skew") >= told, "its alarm")  # noqa: B023
    times = [header.time_ms for header, _ in ground.blocks(others[0], start)]
    assert times == sorted(set(times)), "time went back"
    ahead_ms = times[-1] - int(time.time() * 1000)
    assert ahead_ms < 1_000, f"the chain is {ahead_ms} ms ahead of the others' clocks"
    ground.network.extra = {}
    ground.stop([name])
    ground.start(name)
    ground.wait_signing(name)
    ground.tell(f"{name} started with its clock at +5 s, +1 h and -1 h: chain time kept")


def _rate(ground: Ground, names: list[str]) -> float:
    start, began = max(ground.heights(names)), time.monotonic()
    time.sleep(OUTAGE_S)
    return (max(ground.heights(names)) - start) / (time.monotonic() - began)


def _rounds(ground: Ground, names: list[str]) -> list[int]:
    rounds = []
    for name in names:
        client = Client([ground.network.node(name).api])
        rounds.append(int(client.status()["round"]))
        client.close()
    return rounds


def measure_memory(ground: Ground, names: list[str]) -> list[float]:
    """Return the resident memory of some nodes, in MB."""
    found = []
    for name in names:
        pid = ground.network.node(name).pid
        rss = None if pid is None else get_rss_mb(pid)
        assert rss is not None, "the system does not tell the memory of a process"
        found.append(rss)
    return found


def _key(ground: Ground, name: str) -> bytes:
    doc = next(one for one in ground.network.genesis().doc.validators if one.name == name)
    return bytes.fromhex(doc.public_key)


def _hold_back(ground: Ground, name: str, ended: threading.Event) -> None:
    """Let a process run for a tenth of each cycle."""
    while not ended.is_set():
        ground.send(name, SIGSTOP)
        ended.wait(CYCLE_S * (1 - AWAKE))
        ground.send(name, SIGCONT)
        ended.wait(CYCLE_S * AWAKE)
