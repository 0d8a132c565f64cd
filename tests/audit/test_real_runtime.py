"""Chains that the production runtime decided, under faults, pass the replay (economy I15)."""

from collections.abc import Iterator

import msgspec
import pytest

from audit.blocks import RawBlock
from audit.replay import replay
from node.chainstore import STATE, ChainStore
from node.store_memory import MemoryStore
from tests.sim.shrink import Case
from tests.sim.world import World


def play(seed: int) -> World:
    """Play a history of four nodes that stays with the version that there is."""
    return Case(seed, 4, ("upgrades_ms",)).play()


def read_blocks(store: ChainStore) -> Iterator[RawBlock]:
    for height in range(1, store.tip.height + 1):
        raw = store.raw_block(height)
        assert raw is not None
        yield RawBlock(*raw)


def stores(world: World) -> list[ChainStore]:
    return [ChainStore(MemoryStore(node.pairs)) for node in world.nodes]


@pytest.mark.parametrize("seed", range(20, 26))
def test_what_any_node_stored_comes_out_the_same(seed: int) -> None:
    """Rounds above 0, empty blocks, and certificates that differ from node to node included."""
    world = play(seed)
    for store in stores(world):
        report = replay(world.genesis, read_blocks(store), verify=world.verify, workers=1)

        assert report.why is None
        assert (report.last, report.headers) == (store.tip.height, store.tip.height)
        assert (report.log_size, report.log_root) == (store.tip.log_size, store.tip.log_root)


def test_a_certificate_from_another_history_does_not_pass() -> None:
    one, other = play(20), play(21)
    blocks, foreign = (list(read_blocks(stores(world)[0])) for world in (one, other))
    blocks[4] = msgspec.structs.replace(blocks[4], certificate=foreign[4].certificate)

    assert replay(one.genesis, iter(blocks), verify=one.verify, workers=1).first_bad == 5


def test_the_state_of_a_node_is_the_replayed_state() -> None:
    """economy I15: not the root alone, every value."""
    from audit.replay import Replay

    world = play(22)
    store = stores(world)[0]
    run = Replay(world.genesis, world.verify)
    for raw in read_blocks(store):
        run.add(*run.decode(raw))

    held = {key[1:]: value for key, value in store.store.scan(STATE, STATE + b"\xff")}
    assert run.state == held
