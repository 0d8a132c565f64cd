"""A6, J12: whoever replays the blocks from genesis gets the same state and the same outcomes."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from chain.errors import Code
from tests.chain.random_ledger import Replayed, Written, replay, write

CHECKOUT = Path(__file__).parents[2]
BLOCKS = 60


@pytest.fixture(scope="module")
def chains() -> list[tuple[Written, Replayed]]:
    return [write(number, BLOCKS) for number in range(3)]


def test_j12_a_replay_from_bytes_is_what_the_author_saw(
    chains: list[tuple[Written, Replayed]],
) -> None:
    for written, seen in chains:
        assert replay(written) == seen


def test_j12_another_process_with_another_hash_seed_gets_the_same(
    chains: list[tuple[Written, Replayed]],
) -> None:
    """No order of a set, and no hash of a text, gets into a block."""
    written, seen = chains[0]
    for seed in ("1", "4242"):
        run = subprocess.run(
            [sys.executable, "-m", "tests.chain.random_ledger"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            input=msgspec.msgpack.encode(written),
            capture_output=True,
            timeout=100,
            check=False,
        )
        assert run.returncode == 0, run.stderr.decode()
        assert msgspec.json.decode(run.stdout, type=Replayed) == seen


def test_the_random_ledgers_do_and_refuse_many_things(
    chains: list[tuple[Written, Replayed]],
) -> None:
    """A law over ledgers in which nothing happens would say nothing."""
    codes = Counter(code for _, seen in chains for code in seen.codes)
    sizes = [len(raws) for written, _ in chains for _, raws in written.blocks]

    assert codes[0] > 100
    assert len(codes) >= 12
    assert {Code.ACCOUNTS_DONE.number, Code.COIN_LOW_BALANCE.number} <= set(codes)
    assert Code.COIN_EXPIRED.number in codes
    assert 0 in sizes
    assert max(sizes) > 3
    assert len({root for _, seen in chains for root in seen.state_roots}) > BLOCKS


def test_the_same_seed_writes_the_same_chain() -> None:
    assert write(9, 10) == write(9, 10)
    assert write(9, 10) != write(8, 10)
