"""One example of each call, script and state value of policies: see golden.py."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.codec import encode
from chain.contract import Table
from chain.effects import INDICATORS, MEASURED, MEASURES, IndicatorVersion, Measure
from chain.gifts import GIFTS, TARGETS, Gift
from chain.keyspaces import PACT_IDS, PLACES_TAKEN
from chain.records import Tag
from chain.state import Keyspace
from chain.work import (
    ENGAGEMENTS,
    REGISTER,
    SHEETS,
    VALUATION,
    WORKED,
    Engagement,
    RegisterVersion,
    Sheet,
    Valuation,
    Worked,
)
from contracts import policy
from contracts.policies import POLICIES, Policy
from contracts.policies.frame import (
    CITED,
    STEPS,
    TOKENS,
    USED,
    Escrow,
    Paid,
    Pledge,
    Pledges,
    TokenRecord,
    Used,
)
from contracts.policies.p00_claim import Claim as Plain
from contracts.policies.p01_area import Area
from contracts.policies.p02_category import Category
from contracts.policies.p03_benefit import Benefit
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policies.p06_milestone import Milestone, MilestoneStep
from contracts.policies.p07_escrow import EscrowRule
from contracts.policies.p08_collective_buy import CollectiveBuy, Tier
from contracts.policies.p09_budget import Budget, BudgetLine
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p11_match import Match
from contracts.policies.p12_recurring import Recurring
from contracts.policies.p13_pact import PactRule
from contracts.policies.p14_split import Part
from contracts.policies.p15_sunset import Sunset
from contracts.policy import Accept, Claim, Close, Create, EnrolToken, Fund, Release, TokenProof

TABLE = Table((policy.CONTRACT,))


def _id(first: int, length: int = 32) -> bytes:
    return bytes(range(first, first + length))


A, B, C = _id(0, 20), _id(20, 20), _id(40, 20)
POLICY, OTHER, TX = _id(0x40), _id(0x60), _id(0x80)
SIGNATURE = bytes(range(64))
DENOM = "delfshaven:EUR"

SHAPES: tuple[Any, ...] = (
    Plain(1),
    Benefit(1, OTHER, "BP", 3_000, 1_000, 5_000, "MONTH"),
    Milestone(1, B, (MilestoneStep(OTHER, "GE", -5, 4_000, C, 20_260_630),)),
    EscrowRule(1, A, B, (C,), 1, 604_800, 2_592_000),
    CollectiveBuy(1, B, 10, 100_000, (Tier(1, 1_000), Tier(50, 900)), 20_260_301, 1_000),
    Payroll(1, (OTHER,), 144_000, "VOLUNTEER", (C,), 1),
    Match(1, B, 1, 2, 2_500, 100_000, 20_260_101, 20_261_231),
    Recurring(1, A, B, 4_000, "MONTH", 20_260_131, 12),
)
GUARDS: tuple[Any, ...] = (
    Area(1, ("GM0599", "WK059903"), 2014, 1),
    Category(1, ("C01",), ("C02", "NU")),
    Expiry(1, 20_261_231, OTHER),
    Cap(1, 0, 5_000, 100_000, 2_000, 1_000),
    Budget(1, (BudgetLine("HUUR", 70_000, "MONTH"), BudgetLine("FEEST", 300, "YEAR")), 1),
    PactRule(1, OTHER, ("C01",), 3_000, 0, 2),
    Sunset(1, 20_271_231, "SUCCESSOR", OTHER),
)
CALLS: tuple[Any, ...] = (
    *(Create(DENOM, shape, (), None, "EXEMPT", "FUNDER", None) for shape in SHAPES),
    Create(DENOM, SHAPES[0], GUARDS, (Part(A, 2), Part(B, 1)), "STANDARD", "AGENT", OTHER),
    Accept(POLICY),
    Fund(POLICY, 10_000, None),
    Fund(POLICY, 3_000, 3),
    Claim(POLICY, B, 1_250, None, None, None, None),
    Claim(POLICY, B, 1_250, "HUUR", None, None, Tag("SALE", "P2", "C04", 217)),
    Claim(POLICY, B, 4_000, 11, TX, TokenProof(OTHER, SIGNATURE), None),
    Release(POLICY, 2, 4_000),
    Release(POLICY, OTHER, 0),
    EnrolToken(POLICY, 202_601, (OTHER, TX)),
    Close(POLICY),
)
SUMS = (10_000, 1_250, 2_000, 0, 6_750)
STATES: tuple[tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any], ...] = (
    (
        POLICIES,
        (POLICY,),
        Policy(
            DENOM,
            A,
            SHAPES[0],
            GUARDS[:1],
            "ACTIVE",
            *SUMS,
            (Part(A, 2), Part(B, 1)),
            "EXEMPT",
            "FUNDER",
            None,
            TX,
            20_260_101,
        ),
    ),
    (TOKENS, (POLICY, OTHER), TokenRecord(202_601, 370)),
    (STEPS, (POLICY, 1), Paid(4_000, 20_260_131)),
    (STEPS, (POLICY, 0), Pledges(3, 2, 7)),
    (STEPS, (POLICY, 2), Pledge(TX, B, 3, 3_000)),
    (STEPS, (POLICY, 1), Escrow(1_767_261_600, 1_767_348_000, 1, ((C, 7_000),))),
    (USED, (POLICY, "day", ""), Used(20_260_102, 500, 20_260_101, 1_240)),
    (USED, (POLICY, "payee", B), Used(202_601, 2_000, 0, 0)),
    (CITED, (POLICY, TX), 2_000),
    (TARGETS, (DENOM,), ((B, 2),)),
    (GIFTS, (TX, B), Gift(A, 4_001, 20_260_101)),
    (PACT_IDS, (OTHER,), ("delfshaven", "noord")),
    (PLACES_TAKEN, (OTHER,), 2),
    (
        INDICATORS,
        (OTHER,),
        (IndicatorVersion("delfshaven", "DEELNAME", "PEOPLE", "UP", 0, TX, "TELLING"),),
    ),
    (MEASURES, (OTHER, 20_260_102), Measure(1, -25, 40, TX, 0, C)),
    (MEASURED, (OTHER,), ((20_260_101, 9), (20_260_102, -25))),
    (
        REGISTER,
        (VALUATION, OTHER),
        (
            RegisterVersion(
                20_260_101,
                0,
                TX,
                msgspec.Raw(encode(Valuation("TUIN", 500, "HOUR", "SOCIAL", "S", None))),
            ),
        ),
    ),
    (
        ENGAGEMENTS,
        (OTHER,),
        Engagement(A, B, TX, 1, 36_000, 20_260_101, 20_261_231, "VOLUNTEER", (C,), "ACTIVE"),
    ),
    (SHEETS, (TX,), Sheet(OTHER, 20_260_101, 9_000, 0, None, ((C, 9_000),), "ATTESTED")),
    (WORKED, (B, 202_601), Worked(9_000, 1_250, 0)),
)
