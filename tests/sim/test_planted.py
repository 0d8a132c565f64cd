"""That the suite would notice: one line is broken, and somebody must say so (consensus H6, F50)."""

from __future__ import annotations

import pytest

from tests.sim import plants
from tests.sim.plants import (
    ELSEWHERE,
    PLANTS,
    WAITING,
    Plant,
    catch,
    liars,
    plant_line,
    swarm,
    twins,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_f50_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """consensus H6, F50, reliability J51 to J80: and the hunt says which invariant fell."""
    plant_line(plant, monkeypatch)

    fallen = catch(plant)

    assert fallen is not None, f"{plant.id}: nobody noticed {plant.where}"
    assert fallen.partition(": ")[2].startswith(plant.fallen), fallen


def test_the_table_of_planted_bugs_is_whole() -> None:
    """reliability J51 to J80: planted here, kept elsewhere, or of a part that is not built."""
    told = [*(plant.id for plant in PLANTS if plant.id[0] == "J"), *ELSEWHERE, *WAITING]

    assert sorted(told) == [f"J{number}" for number in range(51, 81)]


def test_a_plant_that_changes_nothing_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hunts find bugs, not themselves."""
    monkeypatch.setattr(plants, "SEEDS_MAX", 15)
    same = "return (2 * n + 2) // 3"
    plant = Plant("none", "chain.validators:quorum", same, same, swarm)
    plant_line(plant, monkeypatch)

    for hunt in (swarm, liars, twins):
        assert catch(plant._replace(hunt=hunt)) is None
