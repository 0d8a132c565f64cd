"""A long chain is made, and an auditor and a node that joins get through all of it."""

from pathlib import Path

import pytest

from audit.home import open_home
from chain.genesis import load_genesis
from tests.curves.again import measure_replay, measure_sync
from tests.curves.long_chain import make_long_chain

PAYMENTS, BLOCK_TXS = 130, 50


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_chain(tmp_path_factory.mktemp("chain") / "net", PAYMENTS, 20, BLOCK_TXS)


def test_the_chain_is_that_of_a_network(home: Path) -> None:
    with open_home(home) as source:
        assert load_genesis(source.read_genesis()).doc.chain_id == "testnet"
        sizes = [len(block.envelopes) for block in source.read_blocks(1, source.read_height())]
    assert sizes == [50, 50, 30]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_gets_through_it(home: Path, workers: int) -> None:
    found = measure_replay(home, workers)

    assert (found["blocks"], found["payments"]) == (3, PAYMENTS)
    assert found["workers"] == workers
    assert found["payments_per_s"] > 0
    assert 0 < found["ratio"] < 1
    assert found["ratio"] == pytest.approx(found["payments_per_s"] / found["cap_per_s"], abs=0.001)


def test_a_node_that_joins_gets_through_it_one_block_at_a_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range of full blocks holds one: then the last block never comes with another."""
    monkeypatch.setattr("node.sync.BATCH_BYTES_MAX", 1)

    found = measure_sync(home, 1)

    assert (found["blocks"], found["payments"]) == (2, 2 * BLOCK_TXS)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_node_that_joins_gets_through_it(home: Path, threads: int) -> None:
    found = measure_sync(home, threads)

    assert (found["blocks"], found["payments"]) == (2, 2 * BLOCK_TXS)  # the last is never asked for
    assert found["threads"] == threads
    assert found["blocks_per_s"] == pytest.approx(2 / found["seconds"], rel=0.05)
    assert 0 < found["ratio"] < 1
