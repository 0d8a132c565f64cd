"""Funders, boards and shops at work on policies, for tests: every step through the executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chain.books import get_balance
from chain.crypto import sign
from chain.keyspaces import MEMBERS
from chain.records import Outcome, Tag
from chain.state import State
from contracts.policies import POLICIES, Policy
from contracts.policies import p00_claim as p00
from contracts.policy import Accept, Claim, Close, Create, Fund, Release, TokenProof, token_bytes
from tests.contracts.desk import assert_done
from tests.contracts.offices import object_id
from tests.federation import Ledger, account, key, seed

PLAIN = p00.Claim(1)
WIJK = "delfshaven"
DENOM = f"{WIJK}:EUR"
BALANCES = {
    "delfshaven/gever": 1_000_000,
    "delfshaven/anna": 10_000,
    "delfshaven/bakker": 0,
    "delfshaven/slijter": 0,
    "delfshaven/winkel": 0,
    "noord/bram": 10_000,
}
BAKKER_PLACES = (("BU05990320", 2014, None),)


def make_ledger(**options: Any) -> Ledger:
    """Return a chain with a funder, residents and three shops of delfshaven.

    The baker sells food in a buurt of the wijk, the off-licence alcohol, and the shop lies in
    another wijk of the city.
    """
    options.setdefault("balances", BALANCES)
    ledger = Ledger(**options)
    run = ledger.run()
    for name, places, nace, product in (
        ("bakker", BAKKER_PLACES, "G47", "C01"),
        ("slijter", BAKKER_PLACES, "G47", "C02"),
        ("winkel", (("WK059910", 2014, None),), "G47", None),
    ):
        member = MEMBERS.get(run.state, account(name))
        if member is not None:
            changed = msgspec.structs.replace(member, places=places, nace=nace, out_product=product)
            MEMBERS.put(run.state, changed, account(name))
    ledger.apply(run)
    return ledger


def create(
    ledger: Ledger,
    *guards: Any,
    shape: Any = PLAIN,
    by: str = "gever",
    split: Sequence[Any] | None = None,
    **changes: Any,
) -> Outcome:
    """Write a policy as a person."""
    call = Create(
        DENOM, shape, guards, None if split is None else tuple(split), "EXEMPT", "FUNDER", None
    )
    return ledger.by_person(by, msgspec.structs.replace(call, **changes))


def open_pool(
    ledger: Ledger, *guards: Any, cents: int = 10_000, by: str = "gever", **options: Any
) -> bytes:
    """Return the id of a policy that was written, accepted and funded."""
    policy = object_id(create(ledger, *guards, by=by, **options))
    assert_done(ledger.by_board(WIJK, Accept(policy)))
    if cents:
        assert_done(ledger.by_person(by, Fund(policy, cents, None)))
    return policy


def claim(
    ledger: Ledger,
    policy: bytes,
    to: str,
    cents: int,
    *,
    by: str = "gever",
    token: str | None = None,
    item: int | str | None = None,
    ref: bytes | None = None,
    tag: Tag | None = None,
) -> Outcome:
    """Ask a pool to pay, with the signature of a token where one is named."""
    nonce = (ledger._count + 1).to_bytes(16, "big")
    proof = None
    if token is not None:
        message = token_bytes(ledger.chain.digest, policy, account(to), cents, account(by), nonce)
        proof = TokenProof(key(token), sign(seed(token), message))
    call = Claim(policy, account(to), cents, item, ref, proof, tag)
    return ledger.send(call, account(by), [(0, by)], nonce=nonce)


def release(ledger: Ledger, policy: bytes, step: int, cents: int, by: str) -> Outcome:
    """Let a step go, as a person."""
    return ledger.by_person(by, Release(policy, step, cents))


def close(ledger: Ledger, policy: bytes, by: str = "gever") -> Outcome:
    """End a policy, as a person."""
    return ledger.by_person(by, Close(policy))


def get(ledger: Ledger, policy: bytes) -> Policy:
    """Return a policy that exists."""
    found = POLICIES.get(State(ledger.state.get), policy)
    assert found is not None
    return found


def in_pool(ledger: Ledger, policy: bytes) -> int:
    """Return what stands in class 4 for a policy, in cents."""
    return get_balance(State(ledger.state.get), DENOM, "4", policy)


def sums(ledger: Ledger, policy: bytes) -> tuple[int, int, int, int, int]:
    """Return (funded, spent, pending, returned, free) of a policy, in cents."""
    found = get(ledger, policy)
    return found.funded, found.spent, found.pending, found.returned, found.free
