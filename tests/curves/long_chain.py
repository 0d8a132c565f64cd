"""A long chain of payments in a node's home, made in one process."""

from pathlib import Path

from chain.codec import decode
from chain.genesis import load_genesis
from node.chainstore import ChainStore
from node.home import Home
from node.store import choose_kind, open_store
from testnet.bench import VALIDITY_S, plan_bench
from testnet.create import create_network
from testnet.crowd import GENESIS_ACCOUNTS_MAX, sign_payments
from testnet.decide import Deciders

US = 1_000_000
GENESIS_TIME = "2026-01-01T00:00:00.000Z"
BLOCK_MS = 1_000
NODES = 4


def make_long_chain(folder: Path, payments: int, accounts: int, block_txs: int) -> Path:
    """Return the home of a node with a chain of `payments`, `block_txs` of them in a block.

    `folder` is empty or not there yet. Everything in it is the same every time but the ports.
    """
    assert accounts <= GENESIS_ACCOUNTS_MAX, "all of them stand in genesis"
    plan = plan_bench(NODES, accounts, GENESIS_TIME)
    create_network(folder, plan, seed=None, base_port=0, storage="auto")
    home = Home(folder / plan.nodes[0].name)
    genesis = load_genesis(home.genesis.read_bytes())
    store = open_store(home.store, choose_kind("auto", home.store))
    try:
        chain = ChainStore(store)
        deciders = Deciders(plan, genesis, chain)
        for first in range(0, payments, block_txs):
            count = min(block_txs, payments - first)
            expires = chain.tip.time_ms // 1000 + VALIDITY_S
            batch = sign_payments(plan, genesis.digest, accounts, expires, first, count)
            deciders.decide(chain.tip.time_ms + BLOCK_MS, decode(list[bytes], batch.body))
    finally:
        store.close()
    return home.root
