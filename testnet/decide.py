"""Blocks decided in one process, as all validators of a plan would; only the waiting is left out.

Headers, certificates and results are those that a network would have made: the real executor and
the real store. For chains that are made faster than time passes (the year of a wijk, curves).
"""

from collections.abc import Mapping, Sequence

import msgspec

from chain.contract import Table
from chain.crypto import public_key, sign
from chain.execute import Executed, Preamble, get_set, make_header, propose
from chain.genesis import Genesis
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, Header, Tx, block_id, decode_tx
from chain.validators import (
    CommitCertificate,
    ValidatorSet,
    build_commit_certificate,
    signed_bytes,
)
from contracts import CONTRACTS
from node.chainstore import ChainStore
from testnet.plan import Plan

NO_SIGNATURE = bytes(64)


class Deciders:
    """All validators of a plan at once: their seeds, and the chain that they stand on."""

    def __init__(self, plan: Plan, genesis: Genesis, store: ChainStore) -> None:
        self.chain = genesis.chain(Table(CONTRACTS))
        self.store = store
        seeds = [plan.seed(f"node {node.name}") for node in plan.nodes]
        self._seeds = {public_key(seed): seed for seed in seeds}

    def decide(self, time_ms: int, envelopes: Sequence[bytes]) -> tuple[list[Tx], Executed]:
        """Decide a block of these transactions, whose signatures are known to be good.

        All of them have to be includable: whether they are carried out is what the block tells.
        """
        base = self.store.base()
        txs = [decode_tx(raw, self.chain.table.union) for raw in envelopes]
        validators = get_set(base.read, SET_NOW)
        creator = validators.keys[base.height % len(validators.keys)]
        last = self.store.certificate(base.height) if base.height else None
        choice = propose(
            base, self.chain, time_ms, Preamble(creator, last), txs, check=lambda _tx, _keys: True
        )
        assert len(choice.txs) == len(txs), f"not includable: {choice.refused or 'too many'}"
        body = BlockBody(last, (), tuple(tx.id for tx in txs))
        header = make_header(base, self.chain, choice.executed, body, creator, time_ms)
        certificate = certify(header, validators, self.chain.chain_id, self._seeds)
        self.store.apply(header, body, certificate, txs, choice.executed)
        return txs, choice.executed


def certify(
    header: Header, validators: ValidatorSet, chain_id: str, seeds: Mapping[bytes, bytes]
) -> CommitCertificate:
    """Return the certificate of `header` in round 0 by a quorum, the first of the set."""
    keys = validators.keys[: validators.quorum]
    draft = build_commit_certificate(
        validators,
        header.height,
        0,
        block_id(header),
        header.log_size,
        header.log_root,
        dict.fromkeys(keys, NO_SIGNATURE),
    )
    message = signed_bytes(draft, chain_id)
    return msgspec.structs.replace(
        draft, signatures=tuple(sign(seeds[key], message) for key in keys)
    )
