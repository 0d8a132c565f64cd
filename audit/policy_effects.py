"""The effects that the chain records of a policy: steps and measures, benefit tokens (economy G19).

Measures and steps are about no person. Tokens are keys of persons, so they are counted under G7.
"""

from typing import Any

from audit.small_cells import CONTRIBUTORS_MIN, round_count
from audit.state_view import StateView
from chain.dates import date_text
from chain.effects import INDICATORS, MEASURED
from contracts.policies import Policy
from contracts.policies.frame import STEPS, TOKENS, Paid
from contracts.policies.p06_milestone import Milestone

PAID, LAPSED, OPEN = "PAID", "LAPSED", "OPEN"

Json = dict[str, Any]


def describe_effects(view: StateView, policy_id: bytes, policy: Policy, today: int) -> Json:
    """Return steps, measures and tokens of a policy; `today` is the book date, YYYYMMDD."""
    steps: list[Json] = []
    indicators: list[bytes] = []
    if isinstance(policy.shape, Milestone):
        for number, step in enumerate(policy.shape.steps, start=1):
            paid = view.get(STEPS, policy_id, number)
            late = today > step.due
            steps.append(
                {
                    "step": number,
                    "indicator": step.indicator.hex(),
                    "op": step.op,
                    "target": step.target,
                    "cents": step.cents,
                    "due_on": date_text(step.due),
                    "status": PAID if paid is not None else LAPSED if late else OPEN,
                    "paid_on": date_text(paid.date) if isinstance(paid, Paid) else None,
                }
            )
            if step.indicator not in indicators:
                indicators.append(step.indicator)
    return {
        "steps": steps,
        "measures": [_describe_indicator(view, one) for one in indicators],
        "tokens": _count_tokens(view, policy_id),
    }


def _describe_indicator(view: StateView, indicator: bytes) -> Json:
    """Return what was measured; code, unit and decimals are those of the newest version."""
    versions = view.get(INDICATORS, indicator)
    newest = versions[-1] if versions else None
    return {
        "indicator": indicator.hex(),
        "code": None if newest is None else newest.code,
        "unit": None if newest is None else newest.unit,
        "decimals": None if newest is None else newest.decimals,
        "measured": [
            {"on": date_text(date), "value": value}
            for date, value in view.get(MEASURED, indicator) or ()
        ],
    }


def _count_tokens(view: StateView, policy_id: bytes) -> Json:
    """Return how many tokens were enrolled and how many of them used, None where that are few.

    Nor is it said where all but a few were used: who did not would be known then (G7).
    """
    tokens = [token for (policy, _), token in view.rows(TOKENS) if policy == policy_id]
    used = sum(token.used > 0 for token in tokens)
    unused = len(tokens) - used
    enough = used >= CONTRIBUTORS_MIN and (unused == 0 or unused >= CONTRIBUTORS_MIN)
    many = len(tokens) >= CONTRIBUTORS_MIN
    return {
        "enrolled": round_count(len(tokens)) if many else None,
        "used": round_count(used) if enough else None,
    }
