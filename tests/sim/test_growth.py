"""The model behind the growth curves, and the goals of consensus section 13 in small."""

from __future__ import annotations

import heapq
import itertools
import json
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.wire import KINDS
from tests.sim.curves import (
    G4_P50_MAX,
    G4_TPS_MIN,
    Run,
    draw,
    get_settings,
    judge,
    make_object,
    read_file,
)
from tests.sim.growth import Growth, Setting
from tests.sim.processor import Cost, Probe, Processor, Tariff, fit
from tests.sim.tcp import TURN_BYTES, US, Clock, Pipe, Uplink, wire_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MBIT = 1_000_000
LATENCY_US = 50_000
VOTE = next(kind for kind in KINDS if kind.label == "prepare")
BODY = next(kind for kind in KINDS if kind.label == "body_answer")
# Round figures of the size that are measured, so that this file says the same on every machine.
COSTS = {
    "alarm flush": Cost(50, 0), "alarm reannounce": Cost(10, 0), "alarm resend": Cost(80, 0),
    "apply": Cost(600, 80), "body_answer": Cost(500, 0), "body_request": Cost(25, 0),
    "build": Cost(1_500, 400), "checked": Cost(80, 50), "commit": Cost(70, 0),
    "commit_certificate": Cost(100, 0), "execute": Cost(1_500, 400), "head": Cost(4_000, 0),
    "height": Cost(500, 0), "link": Cost(60, 0), "persist": Cost(25, 0), "prepare": Cost(60, 0),
    "proposal": Cost(500, 5), "receive": Cost(35, 0.001), "send": Cost(35, 0.001),
    "sign": Cost(4_000, 0), "stand-in": Cost(0, 0), "status": Cost(50, 0), "submit": Cost(0, 50),
    "tx_announce": Cost(25, 1), "tx_answer": Cost(70, 50), "tx_batch": Cost(40, 50),
    "tx_request": Cost(20, 1), "verify": Cost(0, 60), "write": Cost(3_000, 5),
}  # fmt: skip


class World(Clock):
    """A heap of things to come."""

    def __init__(self) -> None:
        self.now = 0
        self._count = itertools.count()  # no two things have the same place
        self._heap: list[tuple[int, int, Callable[[], None]]] = []

    def at(self, when: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._count), action))

    def run(self) -> None:
        while self._heap:
            self.now, _, action = heapq.heappop(self._heap)
            action()


class FirstLost(Random):
    """The first packet is lost, and no other."""

    def __init__(self) -> None:
        super().__init__()
        self._first = True

    def random(self) -> float:
        first, self._first = self._first, False
        return 0.0 if first else 1.0


class Line:
    """Some pipes over one uplink, and what arrives when."""

    def __init__(
        self, pipes: int, mbit: int = 25, loss: float = 0.0, chance: Random | None = None
    ) -> None:
        self.world = World()
        self.uplink = Uplink(self.world, mbit * MBIT)
        self.arrived: list[tuple[int, int, bytes]] = []
        self.pipes = [
            self._make(place, loss, chance or Random(f"pipe {place}")) for place in range(pipes)
        ]

    def _make(self, place: int, loss: float, chance: Random) -> Pipe:
        def deliver(frame: bytes) -> None:
            self.arrived.append((place, self.world.now, frame))

        return Pipe(self.world, self.uplink, LATENCY_US, loss, chance, deliver)

    def say(self, place: int, frame: bytes) -> None:
        self.pipes[place].put(VOTE if len(frame) < 1_024 else BODY, frame)
        self.pipes[place].flush()

    def of(self, place: int) -> list[tuple[int, bytes]]:
        return [(when, frame) for at, when, frame in self.arrived if at == place]


def test_a_frame_takes_its_time_on_the_line_and_then_its_latency() -> None:
    line = Line(1)

    line.say(0, bytes(200))
    line.world.run()

    assert line.arrived == [(0, wire_bytes(200) * 8 // 25 + LATENCY_US, bytes(200))]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 60_000)), min_size=1, max_size=30))
def test_an_uplink_sends_no_faster_than_it_is_wide_and_keeps_the_order_of_a_link(
    said: list[tuple[int, int]],
) -> None:
    line = Line(5)
    frames = [(place, bytes([number]) * size) for number, (place, size) in enumerate(said)]

    for place, frame in frames:
        line.say(place, frame)
    line.world.run()

    for place in range(5):
        sent = [frame for at, frame in frames if at == place]
        votes = [frame for frame in sent if len(frame) < 1_024]
        bodies = [frame for frame in sent if len(frame) >= 1_024]
        got = [frame for _, frame in line.of(place)]
        assert [frame for frame in got if len(frame) < 1_024] == votes
        assert [frame for frame in got if len(frame) >= 1_024] == bodies
    payload = sum(size for _, size in said)
    last = max(when for _, when, _ in line.arrived)
    assert line.uplink.bytes > payload
    assert last >= payload * 8 // 25 + LATENCY_US
    assert line.uplink.busy_us <= last


def test_a_vote_waits_for_one_turn_of_the_others_and_not_for_their_bodies() -> None:
    line = Line(3)
    line.say(0, bytes(100_000))
    line.say(1, bytes(100_000))

    line.say(2, bytes(200))
    line.world.run()

    [(when, _)] = line.of(2)
    turns = 3 * wire_bytes(TURN_BYTES) * 8 // 25
    assert when <= turns + LATENCY_US
    assert min(when for when, _ in line.of(0) + line.of(1)) > when


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=40), st.integers(1, 30))
def test_loss_delays_and_loses_nothing(sizes: list[int], percent: int) -> None:
    """Over TCP what is lost comes again, and what was sent behind it waits."""
    sound, lossy = Line(1), Line(1, loss=percent / 100)
    frames = [bytes([number]) * size for number, size in enumerate(sizes)]

    for line in (sound, lossy):
        for frame in frames:
            line.say(0, frame)
        line.world.run()

    assert sorted(f for _, f in lossy.of(0)) == sorted(frames)
    times = [when for when, _ in lossy.of(0)]
    assert times == sorted(times)
    assert times[-1] >= sound.of(0)[-1][0]
    assert (times[-1] > sound.of(0)[-1][0]) or not lossy.pipes[0].losses


def test_a_lone_lost_packet_waits_for_the_probe_and_one_among_others_for_a_round_trip() -> None:
    def wait(size: int) -> int:
        sound, lossy = Line(1, mbit=1_000), Line(1, mbit=1_000, loss=0.5, chance=FirstLost())
        for line in (sound, lossy):
            line.say(0, bytes(size))
            line.world.run()
        assert lossy.pipes[0].losses == 1
        return lossy.arrived[0][1] - sound.arrived[0][1]

    assert wait(200) == 4 * LATENCY_US + 200_000
    assert wait(8_000) == 2 * LATENCY_US * 5 // 4


def test_a_first_flight_is_ten_segments_and_the_next_waits_for_an_answer() -> None:
    """RFC 6928: more than the window takes a round trip more, however wide the line is."""
    few, many = Line(1, mbit=1_000), Line(1, mbit=1_000)

    few.say(0, bytes(14_000))
    many.say(0, bytes(40_000))
    few.world.run()
    many.world.run()

    assert few.arrived[0][1] < 2 * LATENCY_US
    assert 3 * LATENCY_US <= many.arrived[0][1] < 4 * LATENCY_US


def test_a_core_does_one_thing_after_the_other_and_answers_when_it_is_done() -> None:
    world, said = World(), []
    core = Processor(world, lambda: said.append(("left", world.now)))

    def work(name: str, us: int) -> None:
        said.append((name, core.now))
        core.spend(us)
        said.append((f"{name} ends", core.now))

    world.at(100, lambda: core.put(lambda: work("first", 50)))
    world.at(110, lambda: core.put(lambda: work("second", 20)))
    world.at(500, lambda: core.put(lambda: work("third", 5)))
    world.run()

    assert said == [
        ("first", 100), ("first ends", 150), ("left", 150),
        ("second", 150), ("second ends", 170), ("left", 170),
        ("third", 500), ("third ends", 505), ("left", 505),
    ]  # fmt: skip
    assert core.busy_us == 75


def test_a_tariff_charges_what_a_probe_would_fit() -> None:
    world = World()
    core, tariff = Processor(world, lambda: None), Tariff({"stage": Cost(10, 2)})

    def charge(made: str) -> None:
        tariff.run(core, "stage", len, lambda: made)

    world.at(0, partial(core.put, lambda: charge("abc")))
    world.run()

    assert core.busy_us == 16
    assert tariff.sums == {"stage": 16}


def test_fitting_finds_the_cost_of_a_call_and_of_a_unit() -> None:
    line = [(units, 30.0 + 2.5 * units) for units in (1, 2, 5, 20, 100)]

    assert fit(line) == pytest.approx((30.0, 2.5))
    assert fit([*line, *((units, 9 * us) for units, us in line)]) == pytest.approx((30.0, 2.5))
    assert fit([(0, 7.0), (0, 9.0)]) == (7.0, 0.0)
    assert fit([(2, 8.0), (2, 8.0)]) == (0.0, 4.0)


def test_a_probe_leaves_out_the_stages_inside() -> None:
    probe, core = Probe(0.0), Processor(World(), lambda: None)

    def spin() -> None:
        sum(range(300_000))

    def outer() -> None:
        spin()
        probe.run(core, "inner", 0, spin)

    probe.run(core, "outer", 0, outer)

    [(_, inner)], [(_, own)] = probe.samples["inner"], probe.samples["outer"]
    assert own < 1.8 * inner


def play(**setting: float) -> Run:
    one = Setting(seconds=2, warm_s=1, **setting)  # type: ignore[arg-type]
    return Run("", one, Growth(one, Tariff(COSTS)).play(), "")


def test_payments_are_final_within_a_few_delays_and_a_run_repeats_itself() -> None:
    """consensus G2 in small: nothing refused or lost, no round fails."""
    figures, again = (play(validators=4, latency_ms=20, loss=0.01, rate=30).figures for _ in "ab")

    assert figures == again
    assert figures.refused == figures.unfinished == figures.failed_rounds == 0
    assert figures.tps > 20
    assert figures.latency_ms["p50"] <= 400
    assert figures.latency_ms["p99"] <= 1_500
    assert 0 < figures.cpu_mean <= figures.cpu_max < 1


def test_g4_dead_validators_cost_little() -> None:
    """consensus G4 in small: one of four is dead from the beginning of the load."""
    sound = play(validators=4, latency_ms=20, in_flight=6).figures
    dead = play(validators=4, latency_ms=20, in_flight=6, dead=1).figures

    assert dead.tps >= 0.5 * sound.tps  # its first terms; the whole G4 is in `make growth`
    assert dead.unfinished == 0


def test_goals_are_judged_by_their_figures() -> None:
    asked, good = dict(get_settings()), play(validators=4, latency_ms=20, rate=20).figures

    def verdict(name: str, **changed: Any) -> bool:
        return judge([Run(name, asked[name], good._replace(**changed), "")])[name]

    slow = {"p50": 1_201.0, "p95": 2_000.0, "p99": 2_000.0, "max": 2_000.0}
    assert verdict("G2", tps=600.0)
    assert not verdict("G2", tps=500.0)
    assert not verdict("G2", tps=600.0, unfinished=1)
    assert not verdict("G2", tps=600.0, latency_ms=slow)
    assert verdict("100 x 20 ms", tps=200.0, latency_ms=slow)


def test_g4_is_judged_by_both_of_its_runs() -> None:
    """consensus G4: throughput and median, over as many blocks as are asked."""
    asked, sound = dict(get_settings()), play(validators=4, latency_ms=20, rate=20).figures
    dead = sound._replace(blocks=500)

    def verdict(**changed: Any) -> bool:
        runs = [
            Run("G4 sound", asked["G4 sound"], sound, ""),
            Run("G4 dead", asked["G4 dead"], dead._replace(**changed), ""),
        ]
        return judge(runs)["G4"]

    late = {**sound.latency_ms, "p50": sound.latency_ms["p50"] * (G4_P50_MAX + 0.01)}
    assert verdict()
    assert not verdict(blocks=499)
    assert not verdict(tps=sound.tps * (G4_TPS_MIN - 0.01))
    assert not verdict(latency_ms=late)


def test_a_file_gives_the_same_runs_again_and_a_plot_of_them(tmp_path: Path) -> None:
    asked, figures = dict(get_settings()), play(validators=4, latency_ms=20, rate=20).figures
    names = ("4 x 20 ms", "4 x 50 ms", "20 x 20 ms", "20 x 50 ms", "G2")
    runs = [Run(name, asked[name], figures, "0123abc") for name in names]
    file = tmp_path / "growth.json"

    file.write_text(json.dumps(make_object(runs, COSTS)))

    again, costs = read_file(file)
    assert again == runs
    assert costs == COSTS
    picture = fromstring(draw(runs))
    dots = [one for one in picture.iter() if one.tag.endswith("circle")]
    assert len(dots) == 2 * 2 * (2 + 1)  # two panels with two lines: their points and their keys


def test_the_world_ends_what_it_began() -> None:
    """A dead node says nothing more, and no pipe to it is left."""
    world = Growth(Setting(4, 20, dead=1, seconds=1, warm_s=1, rate=20), Tariff(COSTS))

    figures = world.play()

    dead = world.nodes[0]
    assert not dead.pipes
    assert all(dead.key not in node.pipes for node in world.nodes)
    assert figures.unfinished == 0
    assert world.now < 20 * US
