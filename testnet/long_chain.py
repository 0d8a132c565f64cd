"""A long chain of payments in a node's home, made in one process, and how fast it can be replayed.

Blocks and certificates are those that a network would have made; only the waiting is left out.
Used for the curves of docs/benchmarks: what an auditor, or a node that joins, has to get through.
"""

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from audit.home import open_home
from audit.replay import replay
from chain.contract import Table
from chain.crypto import public_key, sign
from chain.execute import Preamble, get_set, make_header, propose
from chain.genesis import Genesis, load_genesis
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, Header, block_id, decode_tx
from chain.validators import (
    CommitCertificate,
    ValidatorSet,
    build_commit_certificate,
    signed_bytes,
)
from contracts import CONTRACTS
from node.chainstore import ChainStore
from node.home import Home
from node.store import choose_kind, open_store
from testnet.bench import VALIDITY_S, measure_verify_us, plan_bench, sign_transfers
from testnet.create import create_network

US = 1_000_000
GENESIS_TIME = "2026-01-01T00:00:00.000Z"
BLOCK_MS = 1_000  # so all payments are made before the first of them expires
NODES = 4
MARKS = 2  # the first block, and the newest


def make_long_chain(folder: Path, payments: int, accounts: int, block_txs: int) -> Path:
    """Return the home of a node with a chain of `payments`, `block_txs` of them in a block.

    `folder` is empty or not there yet. Everything in it is the same every time but the ports.
    """
    assert -(-payments // block_txs) * BLOCK_MS < VALIDITY_S * 1000, "they would expire"
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
        expires = chain.tip.time_ms // 1000 + VALIDITY_S
        raws = sign_transfers(genesis.digest, plan.crowd_seeds(), payments, expires)
        for first in range(0, payments, block_txs):
            _add_block(chain, genesis, seeds, raws[first : first + block_txs])
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
    certificate = _certify(header, validators, chain.chain_id, seeds)
    store.apply(header, body, certificate, choice.txs, choice.executed)


def _certify(
    header: Header, validators: ValidatorSet, chain_id: str, seeds: dict[bytes, bytes]
) -> CommitCertificate:
    """Return the certificate of `header` by a quorum."""
    keys = validators.keys[: validators.quorum]
    draft = build_commit_certificate(
        validators,
        header.height,
        0,
        block_id(header),
        header.log_size,
        header.log_root,
        dict.fromkeys(keys, bytes(64)),
    )
    message = signed_bytes(draft, chain_id)
    signatures = tuple(sign(seeds[key], message) for key in keys)
    return msgspec.structs.replace(draft, signatures=signatures)


def measure_replay(home: Path, workers: int) -> dict[str, Any]:
    """Replay the chain in `home` and return the speed beside the cap of `workers` cores.

    The window is from the first block to the last: genesis and the last check of the books cost
    the same however long a chain is. `ratio` is against workers / t_verify, measured in this run;
    CPU times are in µs per payment, of this process and of those that check signatures.
    """
    verify_us = measure_verify_us()
    marks: list[tuple[float, float]] = []

    def mark(_height: int) -> None:
        if len(marks) < MARKS:
            marks.append((0.0, 0.0))
        marks[-1] = time.perf_counter(), time.process_time()

    with open_home(home) as source:
        genesis = load_genesis(source.read_genesis())
        last = source.read_height()
        first_txs = len(next(source.read_blocks(1, 1)).envelopes)
        began, children_s = time.perf_counter(), _children_s()
        report = replay(genesis, source.read_blocks(1, last), workers=workers, on_block=mark)
        seconds = time.perf_counter() - began
    assert report.ok, report.why
    (first_s, first_cpu_s), (last_s, last_cpu_s) = marks
    payments = report.transactions - first_txs
    rate, cap = payments / (last_s - first_s), workers * US / verify_us
    return {
        "workers": workers,
        "blocks": report.last,
        "payments": report.transactions,
        "seconds": round(seconds, 3),
        "payments_per_s": round(rate),
        "sig_verify_us": round(verify_us, 1),
        "cap_per_s": round(cap),
        "ratio": round(rate / cap, 3),
        "own_cpu_us": round((last_cpu_s - first_cpu_s) * US / payments, 1),
        "workers_cpu_us": round((_children_s() - children_s) * US / report.transactions, 1),
    }


def _children_s() -> float:
    """Return the CPU time of ended child processes."""
    times = os.times()
    return times.children_user + times.children_system
