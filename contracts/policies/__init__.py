"""The policy scripts: one file, one script, and this table of them (economy section 6).

A policy is one shape, guards that must all allow, and perhaps a split. All of it is data: what a
version of a script does never changes, a new one gets a new version.
"""

from typing import Annotated

import msgspec

from chain.codec import Account, Digest, Record, Uint
from chain.state import Keyspace
from contracts.policies import frame
from contracts.policies.frame import Pool
from contracts.policies.p00_claim import CLAIM, Claim
from contracts.policies.p01_area import P1, Area
from contracts.policies.p02_category import P2, Category
from contracts.policies.p03_benefit import P3, Benefit
from contracts.policies.p04_expiry import P4, Expiry
from contracts.policies.p05_cap import P5, Cap
from contracts.policies.p06_milestone import P6, Milestone
from contracts.policies.p07_escrow import P7, EscrowRule
from contracts.policies.p08_collective_buy import P8, CollectiveBuy
from contracts.policies.p09_budget import P9, Budget
from contracts.policies.p10_payroll import P10, Payroll
from contracts.policies.p11_match import P11, Match
from contracts.policies.p12_recurring import P12, Recurring
from contracts.policies.p13_pact import P13, PactRule
from contracts.policies.p14_split import Part
from contracts.policies.p15_sunset import P15, Sunset

GUARDS_MAX = 7  # economy section 4: each of the seven guards once

SHAPES: tuple[frame.Shape, ...] = (CLAIM, P3, P6, P7, P8, P10, P11, P12)
GUARDS: tuple[frame.Guard, ...] = (P1, P2, P4, P5, P9, P13, P15)

Shape = Claim | Benefit | Milestone | EscrowRule | CollectiveBuy | Payroll | Match | Recurring
Guard = Area | Category | Expiry | Cap | Budget | PactRule | Sunset
Guards = Annotated[tuple[Guard, ...], msgspec.Meta(max_length=GUARDS_MAX)]


class Policy(Record, frozen=True):
    """`policy/<id>`: a pool and its rules. Amounts in cents; funded = the four after it (I10).

    `pending` is set aside for somebody, `free` is not; both stand in class 4. `decided` is the
    transaction in which the board accepted it, on book date `since`; nil and 0 before.
    """

    denom: str
    funder: Account
    shape: Shape
    guards: tuple[Guard, ...]
    status: str
    funded: Uint
    spent: Uint
    pending: Uint
    returned: Uint
    free: Uint
    split: tuple[Part, ...]
    vat_treatment: str
    payer_role: str
    theme: Digest | None
    decided: Digest | None
    since: Uint


POLICIES: Keyspace[Policy] = Keyspace("policy", Policy, 1)

_SHAPE_OF = {shape.kind: shape for shape in SHAPES}
_GUARD_OF = {guard.kind: guard for guard in GUARDS}


def get_shape(rule: Shape) -> frame.Shape:
    """Return the script of a shape's values."""
    return _SHAPE_OF[type(rule)]


def get_guard(rule: Guard) -> frame.Guard:
    """Return the script of a guard's values."""
    return _GUARD_OF[type(rule)]


def get_pool(policy_id: bytes, policy: Policy) -> Pool:
    """Return what scripts see of a policy."""
    return Pool(policy_id, policy.denom, policy.funder, policy.free, policy.pending, policy.since)


def get_last_date(policy: Policy) -> int | None:
    """Return the last book date of a policy, YYYYMMDD, the earliest that a guard sets, or None."""
    ends = []
    for rule in policy.guards:
        guard = get_guard(rule)
        if guard.end is not None:
            ends.append(guard.end(rule)[0])
    return min(ends, default=None)
