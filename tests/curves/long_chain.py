"""A long chain of payments in a node's home, made in one process.

Blocks and certificates are those that a network would have made; only the waiting is left out.
"""

from pathlib import Path

from chain.codec import decode
from chain.contract import Table
from chain.crypto import public_key
from chain.execute import Preamble, get_set, make_header, propose
from chain.genesis import Genesis, load_genesis
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, decode_tx
from contracts import CONTRACTS
from node.chainstore import ChainStore
from node.home import Home
from node.store import choose_kind, open_store
from testnet.bench import VALIDITY_S, plan_bench
from testnet.create import create_network
from testnet.crowd import GENESIS_ACCOUNTS_MAX, sign_payments
from tests.audit.made_chain import certify

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
    seeds = {}
    for node in plan.nodes:
        seed = plan.seed(f"node {node.name}")
        seeds[public_key(seed)] = seed
    store = open_store(home.store, choose_kind("auto", home.store))
    try:
        chain = ChainStore(store)
        for first in range(0, payments, block_txs):
            count = min(block_txs, payments - first)
            expires = chain.tip.time_ms // 1000 + VALIDITY_S
            batch = sign_payments(plan, genesis.digest, accounts, expires, first, count)
            _add_block(chain, genesis, seeds, decode(list[bytes], batch.body))
    finally:
        store.close()
    return home.root


def _add_block(
    store: ChainStore, genesis: Genesis, seeds: dict[bytes, bytes], raws: list[bytes]
) -> None:
    """Decide one block, as all validators of the set would."""
    chain = genesis.chain(Table(CONTRACTS))
    txs = [decode_tx(raw, chain.table.union) for raw in raws]
    base = store.base()
    validators = get_set(base.read, SET_NOW)
    creator = validators.keys[base.height % len(validators.keys)]
    last = store.certificate(base.height) if base.height else None
    time_ms = base.time_ms + BLOCK_MS
    choice = propose(
        base, chain, time_ms, Preamble(creator, last), txs, check=lambda _tx, _keys: True
    )
    assert len(choice.txs) == len(txs), "every payment fits, and may be made"
    body = BlockBody(last, (), tuple(tx.id for tx in choice.txs))
    header = make_header(base, chain, choice.executed, body, creator, time_ms)
    certificate = certify(header, validators, chain.chain_id, count=0, seeds=seeds)  # a quorum
    store.apply(header, body, certificate, choice.txs, choice.executed)
