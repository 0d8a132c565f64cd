"""A new node home: key and guard together, at height 0 (consensus D10, D16, reliability KS3)."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from chain.crypto import public_key, sign
from chain.errors import Malformed
from node.chainstore import ChainStore
from node.disk import StorageError
from node.guard_file import open_guard
from node.head_file import read_heads
from node.setup import check_genesis, init_home, load_node_key, reset_home
from node.store import open_store
from tests.federation import make_genesis, seed

if TYPE_CHECKING:
    from pathlib import Path

    from node.home import Home

GENESIS = make_genesis()


def make(folder: Path) -> Home:
    return init_home(
        folder / "node",
        GENESIS,
        seed("node-delfshaven"),
        seed("transport-delfshaven"),
        bytes(16),
        {"node.name": "delfshaven", "node.storage": "sqlite"},
    )


def test_a_new_home_stands_at_height_0_with_a_guard_of_its_key(tmp_path: Path) -> None:
    home = make(tmp_path)
    node_seed = load_node_key(home.consensus_key)
    store = open_store(home.store, "sqlite")
    tip = ChainStore(store).tip
    store.close()
    guard = open_guard(
        home.guard, public_key(node_seed), GENESIS.digest, lambda message: sign(node_seed, message)
    )
    guard.close()

    assert node_seed == seed("node-delfshaven")
    assert (tip.height, tip.block_id) == (0, GENESIS.digest)
    assert read_heads(home.head.read_bytes()).heads[-1].height == 0
    assert guard.last is None


def test_ks3_keys_are_their_owners_alone(tmp_path: Path) -> None:
    home = make(tmp_path)

    for path in (home.consensus_key, home.transport_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    home.consensus_key.chmod(0o644)
    with pytest.raises(StorageError):
        load_node_key(home.consensus_key)


def test_a_key_file_with_another_secret_is_refused(tmp_path: Path) -> None:
    home = make(tmp_path)
    document = json.loads(home.consensus_key.read_bytes())
    document["secret"] = seed("somebody").hex()
    home.consensus_key.write_text(json.dumps(document))

    with pytest.raises(Malformed) as raised:
        load_node_key(home.consensus_key)

    assert document["secret"] not in str(raised.value)


def test_a_home_is_never_made_twice(tmp_path: Path) -> None:
    home = make(tmp_path)
    before = home.consensus_key.read_bytes()

    with pytest.raises(StorageError):
        make(tmp_path)

    assert home.consensus_key.read_bytes() == before


def test_another_genesis_than_expected_is_refused() -> None:
    with pytest.raises(Malformed):
        check_genesis(GENESIS.canonical, "00" * 32)

    assert check_genesis(GENESIS.canonical, GENESIS.digest.hex()).digest == GENESIS.digest


def test_reset_goes_back_to_height_0_and_keeps_the_keys(tmp_path: Path) -> None:
    home = make(tmp_path)
    before = home.consensus_key.read_bytes()

    reset_home(home.root, GENESIS)

    assert home.consensus_key.read_bytes() == before
    assert read_heads(home.head.read_bytes()).heads[-1].height == 0


def test_a_live_chain_is_never_reset(tmp_path: Path) -> None:
    home = make(tmp_path)
    live = make_genesis(wijken=4, purpose="live", params={"epoch_s": 86_400})

    with pytest.raises(Malformed):
        reset_home(home.root, live)
