"""A long chain for homes that have not run yet: real blocks and certificates, without a network.

So that a drill can begin 10,000 blocks later. Each block holds one payment of the crowd.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from chain.address import account_id
from chain.checkpoint import commit_bytes
from chain.contract import Table
from chain.crypto import public_key, sha256, sign
from chain.execute import Preamble, get_leaders, get_set, make_header, propose
from chain.genesis import Genesis
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, block_id, decode_tx
from chain.validators import build_commit_certificate
from contracts import CONTRACTS
from contracts.coin import Leg, Transfer
from node.chainstore import ChainStore, create_chain
from node.head_file import HeadBinding, open_head_file, read_heads
from node.home import Home
from node.setup import load_node_key
from node.store import choose_kind, create_store
from node.store_memory import MemoryStore
from node.store_pairs import copy_pairs
from wallet.sign import build_body, sign_body

BLOCK_MS = 100
LIVES_S = 300


def lengthen(
    genesis: Genesis,
    homes: Sequence[Path],
    standing: Sequence[Path],
    crowd: Sequence[bytes],
    count: int,
) -> None:
    """Let the nodes in `standing` have `count` blocks; `homes` are those of all validators."""
    seeds = {public_key(seed): seed for seed in (load_node_key(_key(home)) for home in homes)}
    store = _make(genesis, seeds, crowd, count)
    for home in (Home(path) for path in standing):
        kind = choose_kind("auto", home.store)
        shutil.rmtree(home.store)
        target = create_store(home.store, kind)
        copy_pairs(store.store, target)
        target.close()
        instance = read_heads(home.head.read_bytes()).binding.instance
        heads = open_head_file(home.head, HeadBinding(genesis.digest, instance))
        tip = store.tip
        heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
        heads.close()


def _make(
    genesis: Genesis, seeds: dict[bytes, bytes], crowd: Sequence[bytes], count: int
) -> ChainStore:
    pairs = MemoryStore({})
    create_chain(pairs, genesis)
    store, chain = ChainStore(pairs), genesis.chain(Table(CONTRACTS))
    ids = [account_id(public_key(seed)) for seed in crowd]
    for number in range(count):
        base = store.base()
        time_ms = base.time_ms + BLOCK_MS
        payer, payee = number % len(ids), (number + 1) % len(ids)
        call = Transfer((Leg(ids[payee], 1, None, None),), None)
        nonce = sha256(b"lengthen" + number.to_bytes(8, "big"))[:16]
        raw = build_body(chain.digest, ids[payer], nonce, time_ms // 1000 + LIVES_S, call)
        tx = decode_tx(sign_body(raw, {0: crowd[payer]}), chain.table.union)
        last = store.certificate(base.height) if base.height else None
        creator = get_leaders(store.read_state)[0]
        preamble = Preamble(creator, last)
        choice = propose(base, chain, time_ms, preamble, [tx], lambda _tx, _keys: True)
        assert not choice.refused, choice.refused
        body = BlockBody(last, (), (tx.id,))
        header = make_header(base, chain, choice.executed, body, creator, time_ms)
        validators = get_set(store.read_state, SET_NOW)
        height, id_, size, root = header.height, block_id(header), header.log_size, header.log_root
        signed = commit_bytes(chain.chain_id, size, root, height, 0, id_)
        signatures = {key: sign(seeds[key], signed) for key in validators.keys[: validators.quorum]}
        certificate = build_commit_certificate(validators, height, 0, id_, size, root, signatures)
        store.apply(header, body, certificate, [tx], choice.executed)
    return store


def _key(home: Path) -> Path:
    return Home(home).consensus_key
