"""The clock of the stages: CPU time, each without those inside it (architecture section 4)."""

import time
from functools import partial

import pytest

from node.meters import STAGES, Meters


def spin(seconds: float) -> str:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return "done"


def read(meters: Meters) -> dict[str, float]:
    found = {}
    for stage in STAGES:
        value = meters.registry.get_sample_value("wijk_stage_seconds_total", {"stage": stage})
        assert value is not None, "every stage is there from the start"
        found[stage] = value
    return found


def test_a_stage_counts_without_the_stages_inside_it() -> None:
    meters = Meters()

    def execute() -> str:
        spin(0.02)
        return meters.stages("tree", partial(spin, 0.05))

    assert meters.stages("execute", execute) == "done"
    assert meters.stages("store", partial(spin, 0.01)) == "done"
    found = read(meters)
    assert found["tree"] >= 0.05
    assert 0.02 <= found["execute"] < 0.05
    assert 0.01 <= found["store"] < 0.05
    assert found["decode"] == 0


def test_waiting_is_no_work_and_an_error_passes_through_counted() -> None:
    meters = Meters()

    def fail() -> None:
        spin(0.01)
        raise ValueError("no")

    meters.stages("decode", partial(time.sleep, 0.1))
    with pytest.raises(ValueError, match="no"):
        meters.stages("mempool", fail)
    meters.stages.add("verify", 1.5)
    found = read(meters)
    assert found["decode"] < 0.05
    assert found["mempool"] >= 0.01
    assert found["verify"] == 1.5
