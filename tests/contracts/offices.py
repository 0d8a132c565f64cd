"""Boards and registrars at work, for tests of accounts, wijk and members."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.codec import decode, encode
from chain.contract import Context, Ids
from chain.crypto import sha256, sign
from chain.errors import Code, Reject
from chain.execute import BlockRun
from chain.keyspaces import (
    ACCOUNTS,
    DECISIONS,
    FEDERATION_WIJKEN,
    WIJKEN,
    AccountRecord,
    Decision,
)
from chain.records import Outcome
from chain.shared import key_proof_bytes
from chain.state import Keyspace, State
from contracts.accounts import NewKey, SetKeys
from contracts.wijk import FedEndorse, FedPropose
from tests.federation import Ledger, holder, key, seed

DAY_S = 86_400


def read(ledger: Ledger, space: Keyspace[Any], *parts: bytes | str | int) -> Any:
    """Return a value of the state, or None."""
    return space.get(State(ledger.state.get), *parts)


def get_account(ledger: Ledger, account_id: bytes) -> AccountRecord:
    """Return an account that exists."""
    record = ACCOUNTS.get(State(ledger.state.get), account_id)
    assert record is not None
    return record


def epoch(ledger: Ledger) -> int:
    """Return the epoch of the next block."""
    return (ledger.time_s + 1) // 5


def to_epoch(ledger: Ledger, wanted: int) -> None:
    """Let the clock run to the border of an epoch."""
    ledger.time_s = max(ledger.time_s, wanted * 5 - 1)


def new_key(ledger: Ledger, account_id: bytes, name: str, whose: str | None = None) -> NewKey:
    """Return a key with its proof; `whose` holds it, the key itself where none is named."""
    proof = sign(seed(name), key_proof_bytes(ledger.chain.digest, account_id, key(name)))
    return NewKey(key(name), holder(whose or name), proof)


def set_keys(
    ledger: Ledger,
    account_id: bytes,
    *add: NewKey,
    revoke: tuple[str, ...] = (),
    guardians: tuple[str, ...] = (),
    threshold: int = 1,
) -> SetKeys:
    """Return a call that changes keys, by their names."""
    return SetKeys(
        add, tuple(key(name) for name in revoke), tuple(key(name) for name in guardians), threshold
    )


def object_id(outcome: Outcome) -> bytes:
    """Return the id in the first notice of an outcome that was carried out."""
    assert outcome.code == 0, (outcome.code, outcome.params)
    made = decode(list[Any], outcome.notices[0].values)[0]
    assert isinstance(made, bytes)
    return made


def names(outcome: Outcome) -> list[str]:
    """Return the names of what an outcome reports."""
    return [notice.name for notice in outcome.notices]


def values(outcome: Outcome, name: str) -> list[Any]:
    """Return the values of the one notice of that name."""
    (notice,) = [notice for notice in outcome.notices if notice.name == name]
    return decode(list[Any], notice.values)


def put_decision(ledger: Ledger, *actions: Any, status: str = "PASSED") -> bytes:
    """Place a decision of delfshaven into the state, and return its id."""
    run = ledger.run()
    decision_id = bytes([len(ledger.blocks)]) * 32
    decision = Decision(
        "delfshaven",
        1,
        "ORDINARY",
        tuple(encode(action) for action in actions),
        bytes(32),
        bytes(32),
        (0, 0),
        (1, 0, 0),
        0,
        status,
    )
    DECISIONS.put(run.state, decision, decision_id)
    ledger.apply(run)
    return decision_id


def apply_effect(run: BlockRun, decision_id: bytes, index: int) -> Reject | None:
    """Run one action of a passed decision by itself, as `governance.execute` runs them all.

    Returns the refusal, which has written nothing, or None.
    """
    decision = DECISIONS.get(run.state, decision_id)
    if decision is None or decision.status != "PASSED":
        return Reject(Code.WIJK_NO_DECISION)
    wijk = WIJKEN.get(run.state, decision.wijk)
    assert wijk is not None
    base_id = sha256(decision_id + index.to_bytes(4, "big"))
    ctx = Context(run.clock, base_id, wijk.board, (), ids=Ids(base_id), postings=[], notices=[])
    return ctx.run(decision.actions[index], wijk.board, (), decision=decision_id, base_id=base_id)


def enact(ledger: Ledger, action: Any, *, status: str = "PASSED") -> Reject | None:
    """Run `action` as the one effect of a decision of delfshaven, in a block of its own."""
    decision_id = put_decision(ledger, action, status=status)
    run = ledger.run()
    refusal = apply_effect(run, decision_id, 0)
    ledger.apply(run)
    return refusal


def endorse(ledger: Ledger, call: Any, proposer: str = "delfshaven") -> Outcome:
    """Propose `call` to the federation and endorse it by all wijken, until one endorsement runs."""
    matter = object_id(ledger.by_board(proposer, FedPropose(encode(call))))
    wijken = read(ledger, FEDERATION_WIJKEN)
    for wijk in wijken:
        outcome = ledger.by_board(wijk, FedEndorse(matter, 1))
        assert outcome.code == 0, (outcome.code, outcome.params)
        if "wijk.FedExecuted" in names(outcome):
            return outcome
    raise AssertionError("all endorsed and nothing ran")


def executed_code(outcome: Outcome) -> int:
    """Return what became of the call that an endorsement ran."""
    code = values(outcome, "wijk.FedExecuted")[1]
    assert isinstance(code, int)
    return code


def raw(value: Any) -> msgspec.Raw:
    """Return the value of a parameter as `wijk.set_param` carries it."""
    return msgspec.Raw(encode(value))
