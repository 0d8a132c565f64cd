"""Seeds of every push: faults, then healing (reliability U1, J26); and that the suite is alive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.world import play

SEEDS = 500  # reliability U1: per push
PARTS = 20  # so that workers share them
FIRST = 1_000


@pytest.mark.parametrize("part", range(PARTS))
def test_seeds_keep_every_invariant_and_make_progress_after_healing(part: int) -> None:
    """consensus I1-I9, reliability U1."""
    for seed in range(FIRST + part, FIRST + SEEDS, PARTS):
        play(seed)


@pytest.mark.parametrize(
    "seed",
    [
        869_887_783,  # a range came that was not asked for, and who was asked never answered (S4)
    ],
)
def test_a_seed_that_once_failed_never_fails_again(seed: int) -> None:
    """reliability J44."""
    play(seed)


def test_same_seed_same_history_in_another_process_too() -> None:
    """reliability J3: two processes with different hash seeds share the trace hash."""
    code = "from tests.sim.world import play; print(play(4242).trace_hash)"
    root = Path(__file__).parents[2]
    found = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    found.add(play(4242).trace_hash)

    assert len(found) == 1


def test_a_planted_wrong_quorum_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """reliability J51: with a quorum one vote too small some seed breaks an invariant."""
    import chain.validators

    sound = chain.validators.quorum
    monkeypatch.setattr(chain.validators, "quorum", lambda n: max(1, sound(n) - 1))

    with pytest.raises(AssertionError):
        _play_many(range(200))


def _play_many(seeds: range) -> None:
    for seed in seeds:
        play(seed, nodes=4)
