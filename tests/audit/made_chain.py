"""Chains with real certificates for the auditor's tests, made without a network.

`MadeChain` is the ledger of `tests/federation.py` whose blocks are final: the validators of
genesis sign each of them. What a contract may do is what the ledger can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from audit.blocks import RawBlock
from chain.codec import encode
from chain.crypto import sha256, sign
from chain.execute import BlockRun, Executed, Preamble, get_set, make_header
from chain.keyspaces import NO_END_S, SET_NOW
from chain.records import BlockBody, Header, Outcome, Tx, block_id
from chain.validators import (
    CommitCertificate,
    ValidatorSet,
    build_commit_certificate,
    signed_bytes,
)
from contracts.coin import Leg, Mint, SetMinter, StatementCall, StatementEntry, Transfer
from contracts.trade import Pay
from contracts.wijk import NodeKeys, Ready, RegisterRole, node_proof_bytes, ready_proof_bytes
from tests import federation
from tests.chain.test_sanctions import make_evidence
from tests.federation import Ledger, account, reserve, seed

Decided = tuple[Header, BlockBody, CommitCertificate, list[Tx], Executed]

NODES = (*federation.WIJKEN, "delfshaven-4", "new")
SEEDS = {federation.key(f"node-{name}"): seed(f"node-{name}") for name in NODES}


def certify(
    header: Header,
    validators: ValidatorSet,
    chain_id: str,
    *,
    round_: int = 0,
    count: int = 99,
    seeds: Mapping[bytes, bytes] = SEEDS,
) -> CommitCertificate:
    """Return the certificate of `header` by the first validators of the set, a quorum at least."""
    keys = validators.keys[: max(count, validators.quorum)]
    draft = build_commit_certificate(
        validators,
        header.height,
        round_,
        block_id(header),
        header.log_size,
        header.log_root,
        dict.fromkeys(keys, bytes(64)),
    )
    message = signed_bytes(draft, chain_id)
    signatures = tuple(sign(seeds[key], message) for key in keys)
    return msgspec.structs.replace(draft, signatures=signatures)


class MadeChain(Ledger):
    """A ledger whose blocks carry headers, bodies and certificates.

    `raws` are their bytes, `decided` is what a node's store takes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"wijken": 4, **options})
        self.raws: list[RawBlock] = []
        self.decided: list[Decided] = []
        self.evidence: tuple[bytes, ...] = ()  # of the next block
        self._last: CommitCertificate | None = None

    @property
    def preamble(self) -> Preamble:
        keys = get_set(self.base.read, SET_NOW).keys
        return Preamble(keys[self.base.height % len(keys)], self._last, self.evidence)

    def add(self, txs: list[Tx], *, round_: int = 0, count: int = 99) -> Executed:
        """Decide a block of `txs`."""
        run = self.run()
        for tx in txs:
            run.include(tx)
        return self._decide(run, txs, round_, count)

    def send(
        self, call: Any, sender: bytes, signers: list[tuple[int, str]], **options: Any
    ) -> Outcome:
        return self.add([self.tx(call, sender, signers, **options)]).outcomes[0]

    def _decide(self, run: BlockRun, txs: list[Tx], round_: int, count: int) -> Executed:
        validators = get_set(self.base.read, SET_NOW)
        creator, last = self.preamble.creator, self.preamble.last_commit
        body = BlockBody(last, self.evidence, tuple(tx.id for tx in txs))
        time_ms = run.clock.time_s * 1000
        header = make_header(self.base, self.chain, run.finish(), body, creator, time_ms)
        certificate = certify(header, validators, self.chain.chain_id, round_=round_, count=count)
        executed = self.apply(run)
        self._last, self.evidence = certificate, ()
        self.decided.append((header, body, certificate, txs, executed))
        self.base = msgspec.structs.replace(self.base, block_id=certificate.block_id)
        self.raws.append(
            RawBlock(encode(header), encode(body), encode(certificate), tuple(tx.raw for tx in txs))
        )
        return executed


def transfer(to: str, cents: int) -> Transfer:
    """Return a payment to a resident of the same wijk."""
    return Transfer((Leg(account(to), cents, None, None),), None)


def make_chain(*, extra: int = 0) -> MadeChain:
    """Return a chain in which money comes in, moves, crosses wijken and is refused once.

    Six blocks of one to three transactions, then `extra` blocks of one payment each.
    """
    chain = MadeChain(
        balances={"delfshaven/anna": 10_000, "delfshaven/chaima": 500, "noord/bram": 5_000}
    )
    entry = sha256(b"a deposit")
    chain.by_board(
        "delfshaven",
        StatementCall(
            reserve("delfshaven"),
            20260101,
            1,
            1,
            10_500,
            12_500,
            (StatementEntry(entry, 20260101, 20260101, 2_000, "C", 0),),
        ),
    )
    chain.by_board("delfshaven", SetMinter("delfshaven:EUR", 2_000))
    chain.by_board("delfshaven", Mint(entry, account("chaima"), 2_000, "DEPOSIT", None))
    anna, chaima = account("anna"), account("chaima")
    chain.add(
        [
            chain.tx(transfer("chaima", 1_250), anna, [(0, "anna")]),
            chain.tx(transfer("anna", 300), chaima, [(0, "chaima")]),
            chain.tx(Pay(account("bram"), 700, None, None), anna, [(0, "anna")]),
        ],
        count=3,
    )
    refused = chain.by_person("bram", transfer("bram", 1))
    assert refused.code != 0
    chain.add([], round_=2)
    for number in range(extra):
        chain.by_person("anna", transfer("chaima", 1 + number))
    return chain


def make_changed_chain() -> tuple[MadeChain, int]:
    """Return a chain whose first wijk took another node, and the first height of the new set."""
    chain = MadeChain(balances={"delfshaven/anna": 10_000, "delfshaven/chaima": 500})
    chain.by_person("anna", transfer("chaima", 1))
    keys, here = ("node-new", "transport-new"), chain.base
    key, transport = (federation.key(name) for name in keys)
    ready = ready_proof_bytes(chain.chain.digest, key, transport, here.block_id, here.height)
    report = Ready(key, transport, here.block_id, here.height, sign(seed(keys[0]), ready))
    assert chain.by_person("anna", report).code == 0
    proof = sign(seed(keys[0]), node_proof_bytes(chain.chain.digest, key, transport))
    board = federation.board("delfshaven")
    node = NodeKeys(key, transport, proof)
    call = RegisterRole("VALIDATOR", board, 0, NO_END_S, node)
    assert chain.by_board("delfshaven", call).code == 0
    chain.time_s += 10  # beyond the border of the epoch
    border = chain.base.height + 1
    for cents in range(2, 6):
        chain.by_person("anna", transfer("chaima", cents))
    return chain, border + 2


def make_convicting_chain() -> tuple[MadeChain, int]:
    """Return a chain that removed a validator for evidence, and the first height without it."""
    chain = MadeChain(validators=5, balances={"delfshaven/anna": 10_000})
    for cents in (1, 2, 3):
        chain.by_person("anna", transfer("bob", cents))
    chain.evidence = (make_evidence(chain, "delfshaven", 2),)
    removed = chain.base.height + 1
    for cents in range(4, 8):
        chain.by_person("anna", transfer("bob", cents))
    return chain, removed + 2
