"""The sentences of a policy, in the order in which its scripts are judged (economy P0).

They are shown before anybody signs, with the numbers of that day; who decided a policy and how it
is changed stands under them.
"""

from chain.contract import Clock
from chain.errors import Reject
from chain.money_text import DUTCH, Lang
from chain.state import State
from chain.texts import fill
from contracts.policies import Policy, get_guard, get_pool, get_shape
from contracts.policies.frame import DRAFT, TOKENS, Ask, Values
from contracts.policies.p14_split import EN, NL, list_parts
from contracts.policy.claim import Claim
from contracts.policy.setup import Create

DECIDED_NL = (
    "[Het bestuur besloot dit op {since_on} ({decided}). ]"
    "Anders: sluit dit potje en maak een nieuw."
)
DECIDED_EN = (
    "[The board decided this on {since_on} ({decided}). ]To change it: close it and make another."
)


def describe(
    state: State,
    policy_id: bytes,
    policy: Policy,
    date: int,
    lang: Lang,
    told: Values | None = None,
) -> list[str]:
    """Return the sentences of a policy on a book date; `told` are numbers of one payment."""
    pool = get_pool(policy_id, policy)
    said = []
    shape = get_shape(policy.shape)
    values = {**shape.values(policy.shape, pool, state, date, lang), **(told or {})}
    said.append(fill(shape.nl if lang == DUTCH else shape.en, values, lang))
    for rule in policy.guards:
        guard = get_guard(rule)
        template = guard.nl if lang == DUTCH else guard.en
        said.append(fill(template, guard.values(rule, pool, state, date, lang), lang))
    if policy.split:
        parts = {"parts": list_parts(policy.split)}
        said.append(fill(NL if lang == DUTCH else EN, parts, lang))
    decided = None if policy.decided is None else policy.decided.hex()
    who = {"since_on": policy.since, "decided": decided}
    if policy.status != DRAFT:
        said.append(fill(DECIDED_NL if lang == DUTCH else DECIDED_EN, who, lang))
    return [sentence for sentence in said if sentence]


def make_draft(call: Create, funder: bytes) -> Policy:
    """Return the policy that a call would make, with nothing in it."""
    fixed = (call.split or (), call.vat_treatment, call.payer_role, call.theme, None, 0)
    return Policy(call.denom, funder, call.shape, call.guards, DRAFT, 0, 0, 0, 0, 0, *fixed)


def tell_claim(clock: Clock, policy: Policy, sender: bytes, call: Claim) -> Values:
    """Return the numbers that the shape has for a claim now; none where it would refuse.

    Whether the token really signed is not asked here: this is only to be read.
    """
    shape = get_shape(policy.shape)
    token = None if call.token is None else call.token.key
    ask = Ask(
        bytes(32),
        sender,
        call.payee,
        call.cents,
        clock.book_date,
        clock.time_s,
        step=call.line_or_number if isinstance(call.line_or_number, int) else None,
        ref=call.ref,
        token=token,
        token_record=None if token is None else TOKENS.get(clock.state, call.policy, token),
    )
    if shape.claim is None:
        return {}
    try:
        return shape.claim(policy.shape, get_pool(call.policy, policy), ask, clock.state).told
    except Reject:
        return {}
