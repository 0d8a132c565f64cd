"""A flood by one validator, in small (consensus F34, F35, B7 to B9, I8). `make flood`: an hour."""

from itertools import pairwise
from random import Random

from node.wire import KINDS
from tests.sim.flood import PAY_EVERY_MS, Flood, measure_kib

MINUTES = 3
PAYMENTS_A_MINUTE = 60_000 // PAY_EVERY_MS
KIB_MAX = 4_096  # the replay window holds 600 s, and most of what is held is in it


def test_f34_f35_a_flood_stops_nobody_and_fills_nothing() -> None:
    """consensus F34, F35: payments go on at their rate; what is held stays small and below caps."""
    flood = Flood(Random("small"))

    samples = list(flood.play(MINUTES))

    grown = [last.height - first.height for first, last in pairwise(samples)]
    assert min(grown) >= PAYMENTS_A_MINUTE - 1
    assert max(sample.kib for sample in samples) < KIB_MAX
    runtime = flood.victim.runtime
    assert runtime is not None
    assert all(held <= cap for _, held, cap in runtime.sizes())
    others = [node.runtime.store.tip.height for node in flood.world.nodes if node.runtime]
    assert max(others) - min(others) <= 1
    assert samples[-1].frames > 1_000 * MINUTES


def test_f34_a_flood_says_every_kind_that_a_link_lets_through() -> None:
    """What is missing in the flood would be missed by its hour."""
    flood = Flood(Random("kinds"))

    said = {type(make()) for make in flood.flooder.makers.values()}

    assert said == {kind.record for kind in KINDS if kind.per_second is not None}


def test_measured_is_what_is_held_and_once() -> None:
    shared = bytes(100 * 1024)

    assert 100 <= measure_kib([shared, shared]) <= 101
