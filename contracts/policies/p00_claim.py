"""Plain claim: the funder says who is paid, or whoever shows an enrolled token (economy P0).

Money of a pool is the funder's until it is spent, so not everybody may spend it: the guards say
for what, the token says who (ADR 0064). Tokens count where the funder set a cap for each (P5).
"""

from chain.codec import Record, Uint
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    Ask,
    Draft,
    Payout,
    Pool,
    Shape,
    Values,
    deny,
    is_in_force,
    spend,
)


class Claim(Record, frozen=True, tag="claim"):
    """No values but its version."""

    version: Uint


def fits(rule: Claim, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: there are none."""
    return True


def claim(rule: Claim, pool: Pool, ask: Ask, state: State) -> Payout:
    """Refuse with `policy.token` who is neither the funder nor shows a token that is in force."""
    token = ask.token_record
    if ask.token is not None and (token is None or not is_in_force(token, ask.date)):
        deny("token")
    if ask.sender != pool.funder and token is None:
        deny("token")
    return Payout(free=ask.cents, payee=ask.payee, writes=spend(pool, ask, ask.cents))


def _values(rule: Claim, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"funder": pool.funder_text, "free_cents": pool.free}


CLAIM = Shape(
    "P0",
    "claim",
    Claim,
    "[Uit het potje van {funder}: nog {free_cents}.]",
    "[From the money of {funder}: {free_cents} left.]",
    fits,
    _values,
    claim=claim,
)
