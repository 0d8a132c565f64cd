"""Two machines with one key, in generated scenarios (consensus H4, F27, reliability J33).

The same by the thousand: `python -m tests.consensus.twins 3`, or with `--random`.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.consensus import test_network
from tests.consensus.twins import HONEST, Phase, Twins, make_all, make_groups, make_random

PARTS = 4
RANDOM = 25  # per part
TOGETHER = (0, 0, 0, 0, 0)


@pytest.mark.parametrize("part", range(PARTS))
def test_f27_every_scenario_of_two_phases_and_random_longer_ones(part: int) -> None:
    """consensus F27, I1, I6, I9: safety in all of them, and a decision once they are joined."""
    for number, scenario in enumerate(make_all(2)):
        if number % PARTS == part:
            Twins(scenario).play()
    play_random(f"part {part}", RANDOM)


def test_f26_with_a_twin_in_each_half_no_half_alone_is_a_quorum_of_keys_twice() -> None:
    """consensus Q4, F26: A and B on one side, its twin with C and D on the other."""
    world = Twins((Phase("B", (0, 1, 0, 1, 1)), Phase("C", (0, 1, 0, 1, 1)))).play()

    assert {world.decided[name].block_id for name in HONEST} == {world.decided["C"].block_id}


def test_there_are_as_many_scenarios_as_there_should_be() -> None:
    """16 splits into halves and 4 leaders; 52 splits of five (the fifth Bell number)."""
    assert len(list(make_all(1))) == 15
    assert len(make_groups()) == 52


def test_twins_find_a_planted_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """consensus H4, J51: planted flaws show; else the twins are too tame."""
    test_network.quorum_one_too_small(monkeypatch)

    with pytest.raises(AssertionError, match="I1: a fork"):
        play_random("planted", 300)


def play_random(name: str, count: int) -> None:
    chance = Random(name)
    for _ in range(count):
        Twins(make_random(chance, 8)).play()
