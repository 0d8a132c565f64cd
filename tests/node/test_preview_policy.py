"""Every call of a policy says in both languages what it asks, and its rules (interfaces 2.2)."""

from __future__ import annotations

from typing import Any

import pytest

from chain.contract import Clock
from chain.state import State
from contracts.coin import RedeemRequest
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p05_cap import Cap
from contracts.policy import (
    CONTRACT,
    Accept,
    Claim,
    Close,
    Create,
    EnrolToken,
    Fund,
    Release,
    TokenProof,
)
from node.preview_policy import preview_policy
from tests.contracts.fund_desk import PLAIN, WIJK, make_ledger, open_pool
from tests.federation import Ledger, account, key

RULE = Cap(1, 0, 1_240, 0, 0, 0)
ID = bytes(32)
CALLS: tuple[Any, ...] = (
    Create(f"{WIJK}:EUR", PLAIN, (RULE,), None, "EXEMPT", "FUNDER", None),
    Accept(ID),
    Fund(ID, 100, None),
    Claim(ID, account("bakker"), 100, None, None, None, None),
    Release(ID, 1, 100),
    EnrolToken(ID, 0, (key("pas"),)),
    Close(ID),
)


def clock_of(ledger: Ledger) -> Clock:
    return Clock(ledger.chain, State(ledger.state.get), ledger.base.height, ledger.time_s)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: type(call).__name__)
def test_each_call_has_a_sentence_and_its_rules(call: Any) -> None:
    ledger = make_ledger()
    policy = open_pool(ledger, RULE)
    if not isinstance(call, Create):
        call = type(call)(policy, *[getattr(call, name) for name in call.__struct_fields__[1:]])

    nl, en = (preview_policy(clock_of(ledger), account("gever"), call, x) for x in ("nl", "en"))

    assert nl is not None
    assert en is not None
    assert nl != en
    assert "Vandaag nog € 12,40." in nl
    assert "€12.40 left today." in en


def test_no_call_of_the_contract_lacks_one() -> None:
    assert {type(call) for call in CALLS} == {call.kind for call in CONTRACT.calls}


def test_a_claim_says_what_is_paid_for_somebody_p3() -> None:
    ledger = make_ledger()
    shape = Benefit(1, ID, "BP", 3_000, 1_000, 1_600, "TOTAL")
    policy = open_pool(ledger, shape=shape)
    ledger.by_registrar(WIJK, EnrolToken(policy, 0, (key("pas"),)))
    proof = TokenProof(key("pas"), bytes(64))
    call = Claim(policy, account("bakker"), 1_235, None, None, proof, None)

    said = preview_policy(clock_of(ledger), account("anna"), call, "nl")

    assert said is not None
    assert "€ 3,70 van € 12,35 wordt voor u betaald; nog € 12,30 over." in said


def test_another_call_is_none_of_its_business_and_an_unknown_policy_is_told() -> None:
    clock = clock_of(make_ledger())

    assert preview_policy(clock, account("anna"), RedeemRequest(1, ID), "nl") is None
    told = preview_policy(clock, account("anna"), Close(ID), "nl")
    assert told == "Dit potje bestaat niet."
