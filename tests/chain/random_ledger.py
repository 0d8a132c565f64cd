"""A random ledger of calls of all contracts, and its replay from bytes (reliability J12).

Run as a program it replays what `write` gave on standard input, and prints what came of it: so
a test can replay in another process, where sets and dicts hash otherwise.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

import msgspec

from chain import tree
from chain.codec import digest, encode
from chain.contract import Table
from chain.crypto import sha256
from chain.errors import Reject
from chain.execute import Base, Executed, Preamble, apply_block
from chain.genesis import load_genesis
from chain.keyspaces import ACCOUNTS, AccountRecord
from chain.log import EMPTY_FRONTIER
from chain.records import Tx, decode_tx
from chain.state import State
from chain.window import Window
from contracts import CONTRACTS
from contracts.accounts import Approve, Cancel, Propose
from contracts.coin import HoldCall, Leg, Post, PostPart, RedeemRequest, SetMinter, Transfer, Void
from contracts.members import Admit, Attach, NewAccount, SetLimits
from contracts.trade import Pay
from contracts.wijk import FedEndorse, FedPropose, RegisterRole, SetParam
from tests.contracts.offices import new_key, set_keys
from tests.federation import Ledger, account, board, key, registrar

PEOPLE = ("anna", "ben", "cor", "dee", "eva", "fay")
AREA = {"delfshaven": "WK059903", "noord": "BU05990501"}


class Written(msgspec.Struct, frozen=True):
    """A chain as bytes: the genesis document, and of each block its time and transactions."""

    genesis: bytes
    blocks: list[tuple[int, list[bytes]]]


class Replayed(msgspec.Struct, frozen=True):
    """What execution gave, in hex: roots per block, codes, and one digest of all outcomes."""

    state_roots: list[str]
    log_roots: list[str]
    codes: list[int]
    outcomes: str
    state: str


class Author:
    """Writes a ledger of a seed: signs for whoever holds an account now."""

    def __init__(self, number: int) -> None:
        self.random = Random(number)
        self.ledger = Ledger(
            balances={f"{wijk}/{name}": 5_000 for wijk, name in zip(
                ("delfshaven", "noord") * 3, PEOPLE, strict=True
            )},
            params={"quota_person": 6, "quota_role": 40},
        )  # fmt: skip
        self.seeds = {key(name): name for name in self._names()}
        self.blocks: list[tuple[int, list[bytes]]] = []
        self.executed: list[Executed] = []
        self.proposals: list[tuple[bytes, bytes]] = []  # (account, id)
        self.matters: list[bytes] = []
        self.holds: list[tuple[bytes, bytes]] = []  # (payee, id)

    def _names(self) -> list[str]:
        wijken = ("delfshaven", "noord")
        boards = [f"{wijk}-board-{letter}" for wijk in wijken for letter in "abc"]
        registrars = [f"{wijk}-registrar-{letter}" for wijk in wijken for letter in "ab"]
        return [*PEOPLE, *boards, *registrars, *(f"new {i}" for i in range(40))]

    def add_block(self) -> None:
        """Write a block of up to six random transactions."""
        self.ledger.time_s += self.random.choice((0, 1, 4, 30, 400))
        run = self.ledger.run()
        raws = []
        for _ in range(self.random.randrange(7)):
            tx = self._tx(run.state)
            try:
                outcome = run.include(tx)
            except Reject:
                continue
            raws.append(tx.raw)
            for notice in outcome.notices:
                if notice.name == "accounts.Proposed":
                    self.proposals.append((tx.sender, tx.id))
                elif notice.name == "wijk.FedProposed":
                    self.matters.append(tx.id)
                elif notice.name == "coin.Held":
                    self.holds.append((tx.call.to, tx.id))
        self.executed.append(self.ledger.apply(run))
        self.blocks.append((run.clock.time_s * 1000, raws))

    def _tx(self, state: State) -> Tx:
        random = self.random
        wijk = random.choice(("delfshaven", "noord"))
        sender = random.choice((board(wijk), registrar(wijk), *(account(name) for name in PEOPLE)))
        call = self._call(state, wijk, sender)
        record = ACCOUNTS.get(state, sender)
        assert record is not None
        count = 1 if isinstance(call, Propose | Approve) else record.threshold
        return self.ledger.tx(call, sender, self._signers(record, count))

    def _signers(self, record: AccountRecord, count: int) -> list[tuple[int, str]]:
        held = self.random.sample(record.keys, min(count, len(record.keys)))
        return sorted((key.index, self.seeds[key.key]) for key in held)

    def _call(self, state: State, wijk: str, sender: bytes) -> Any:
        random = self.random
        record = ACCOUNTS.get(state, sender)
        assert record is not None
        own = [made for who, made in self.proposals if who == sender] or [bytes(32)]
        if random.random() < 0.1:
            own = [made for _, made in self.proposals] or own
        some = random.choice(own[-2:])
        matter = random.choice(self.matters[-2:] or [bytes(32)])
        someone = account(random.choice((*PEOPLE, *PEOPLE, *(f"new {i}" for i in range(3)))))
        epoch = self.ledger.time_s // 5 + random.choice((0, 2, 3))
        if record.kind == "ROLE":
            return random.choice(
                (
                    Admit(self._new(), "PERSON", AREA[wijk], 2014, ("VOTE",), 10**13),
                    Attach(tuple(NewAccount(k, "TEAM", 9_000) for k in sorted((self._new(),)))),
                    SetLimits(someone, (), 9_000, 1, 0, 0, 0, 1, None, "C01", ()),
                    Propose(encode(Attach((NewAccount(self._new(), "ROLE", 5),))), 2 * 10**9),
                    Approve(some),
                )
            )
        if record.kind == "BOARD":
            federal = SetParam("seconders", msgspec.Raw(encode(random.randrange(9))), epoch)
            return random.choice(
                (
                    SetMinter(f"{wijk}:EUR", random.randrange(900)),
                    RegisterRole("MEASURER", someone, epoch, 2 * 10**9, None),
                    FedPropose(encode(federal)),
                    FedEndorse(matter, int(random.random() < 0.8)),
                    Propose(encode(SetMinter(f"{wijk}:EUR", 5)), self.ledger.time_s + 90),
                    Approve(some),
                    Cancel(some),
                )
            )
        pay = Transfer((Leg(someone, random.randrange(1, 3_000), None, None),), None)
        hold = random.choice([made for to, made in self.holds if to == sender] or [bytes(32)])
        name = self.seeds[self._new()]
        keys = set_keys(
            self.ledger,
            sender,
            new_key(self.ledger, sender, name),
            threshold=random.randrange(1, 3),
        )
        return random.choice(
            (
                pay,
                pay,
                Pay(someone, random.randrange(1, 900), None, None),
                RedeemRequest(random.randrange(1, 900), bytes(32)),
                HoldCall(someone, random.randrange(1, 900), random.choice((60, 600)), None, None),
                Post((PostPart(hold, random.randrange(1, 900)),), None),
                Void(hold),
                keys,
                Propose(encode(pay), self.ledger.time_s + 900),
                Approve(some),
                Cancel(some),
            )
        )

    def _new(self) -> bytes:
        return key(f"new {self.random.randrange(40)}")


def write(number: int, blocks: int) -> tuple[Written, Replayed]:
    """Return a random chain as bytes, and what its author saw."""
    author = Author(number)
    for _ in range(blocks):
        author.add_block()
    written = Written(author.ledger.genesis.canonical, author.blocks)
    return written, describe(author.executed, author.ledger.state)


def replay(written: Written) -> Replayed:
    """Execute a chain from its bytes alone."""
    genesis = load_genesis(written.genesis)
    chain = genesis.chain(Table(CONTRACTS))
    state = dict(genesis.state)
    nodes = tree.build(genesis.state.items())
    window = Window(600)
    height, time_ms, frontier, block_id = 0, genesis.time_ms, EMPTY_FRONTIER, genesis.digest
    executed = []
    for block_time_ms, raws in written.blocks:
        base = Base(height, block_id, time_ms, state.get, nodes.get, frontier, window)
        txs = [decode_tx(raw, chain.table.union) for raw in raws]
        done = apply_block(base, chain, block_time_ms, Preamble(key("node-delfshaven"), None), txs)
        _put(state, done.changes)
        tree.apply(nodes, done.tree_nodes)
        window.add_block(block_time_ms // 1000, done.included)
        height, time_ms, frontier = height + 1, block_time_ms, done.frontier
        block_id = sha256(done.state_root)  # as the ledger of the author has it
        executed.append(done)
    return describe(executed, state)


def describe(executed: list[Executed], state: dict[bytes, bytes]) -> Replayed:
    """Return what execution gave."""
    outcomes = [outcome for block in executed for outcome in (*block.start, *block.outcomes)]
    return Replayed(
        [block.state_root.hex() for block in executed],
        [block.log_root.hex() for block in executed],
        [outcome.code for outcome in outcomes],
        digest(outcomes).hex(),
        digest(sorted(state.items())).hex(),
    )


def _put(target: dict[bytes, Any], changes: Any) -> None:
    for name, value in changes.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value


if __name__ == "__main__":
    chain_bytes = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Written)
    sys.stdout.buffer.write(msgspec.json.encode(replay(chain_bytes)))
