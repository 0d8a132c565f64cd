"""The sentences of a policy, in the order in which its scripts are judged (economy P0).

They are shown before anybody signs, with the numbers of that day; who decided a policy and how it
is changed stands under them.
"""

from chain.money_text import DUTCH, Lang
from chain.state import State
from chain.texts import fill
from contracts.policies import Policy, get_guard, get_pool, get_shape
from contracts.policies.frame import DRAFT, Values
from contracts.policies.p14_split import EN, NL, list_parts

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
