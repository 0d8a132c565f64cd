"""A planted bug, found by a seed and told in fewer faults (reliability J41 to J43)."""

import pytest

from tests.sim.history import play
from tests.sim.plants import PLANTS, plant_line
from tests.sim.shrink import NOTHING, Case, fall, shrink, write_test

# What `python -m tests.sim shrink SEED` printed for seeds that failed, each kept for ever (J43).
SHRUNK: tuple[Case, ...] = (Case(1_478, None, ()),)


def test_a_failing_history_is_told_in_fewer_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability J42: it fails as before, nothing more can be left out, and it fails again."""
    plant_line(next(plant for plant in PLANTS if plant.id == "J52"), monkeypatch)
    seed = next(seed for seed in range(100) if (fall(Case(seed, None, ())) or "").count("I4"))
    steps: list[str] = []

    found = shrink(seed, steps.append)

    assert found is not None
    case, failure = found
    assert "I4" in failure
    assert len(case.without) >= len(NOTHING) - 2
    assert steps
    assert fall(case) == failure


def test_a_history_that_does_not_fail_is_not_shrunk() -> None:
    assert shrink(3) is None


def test_what_is_left_out_does_not_happen() -> None:
    """Reliability J42: and without anything left out a seed stays the history that it was."""
    quiet = Case(11, 4, tuple(NOTHING)).play()

    assert {name: getattr(quiet.faults, name) for name in NOTHING} == NOTHING
    assert not quiet.points
    assert Case(11, None, ()).play().trace_hash == play(11).trace_hash


@pytest.mark.parametrize("case", SHRUNK)
def test_j43_a_history_that_failed_once_stays_good(case: Case) -> None:
    assert fall(case) is None


def test_a_shrunk_history_is_written_as_the_line_that_keeps_it() -> None:
    case = Case(7, 4, ("loss", "crashes"))

    assert eval(write_test(case).strip().rstrip(","), {"Case": Case}) == case
