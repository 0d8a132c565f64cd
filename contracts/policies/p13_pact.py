"""P13 `pact`: what two wijken agreed to let each other's people do (economy P13, N27, T3).

The pool pays accounts of its own wijk; whoever claims is of the partner, or the other way round.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from chain.codec import Cents, Digest, Record, Uint
from chain.dates import compute_book_date
from chain.keyspaces import ACTIVE, PACT_IDS, PACTS, PLACES_TAKEN, Pact
from chain.money_text import Lang
from chain.state import State
from chain.text_rules import is_product
from contracts.policies.frame import (
    Counter,
    Draft,
    Guard,
    Payment,
    Pool,
    Values,
    Word24,
    deny,
    get_used,
)

SCOPE_MAX = 37  # all codes there are
IN, OUT = "in", "out"


class PactRule(Record, frozen=True, tag="pact"):
    """The pact, what may be bought (empty: all), cents a pact year each way, places for work.

    `cap_in` is for payees of the pool's own wijk. No places: the pact is not about work.
    """

    version: Uint
    pact: Digest
    scope: Annotated[tuple[Word24, ...], msgspec.Meta(max_length=SCOPE_MAX)]
    cap_in: Cents
    cap_out: Cents
    places: Uint


def fits(rule: PactRule, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: a pact of this wijk."""
    parties = PACT_IDS.get(draft.state, rule.pact)
    home = draft.denom.partition(":")[0]
    codes = all(is_product(code) for code in rule.scope)
    return parties is not None and home in parties and codes


def judge(rule: PactRule, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.pact` other parties, other kinds, and what passes caps or places."""
    pact = get_pact(rule, state)
    parties = PACT_IDS.get(state, rule.pact) or ()
    for share in payment.shares:
        if sorted((payment.sender_wijk, share.wijk)) != sorted(parties):
            deny("pact", other=_partner(rule, pool, state))
    if pact is None or not _is_in_force(pact, payment.time_s):
        deny("pact", cause="ended")
    if rule.scope and payment.product not in rule.scope:
        deny("pact", kinds=", ".join(rule.scope))
    year = _get_year(pact, payment)
    for counter in count_shares(pool, payment, year):
        cap = rule.cap_in if counter.what == IN else rule.cap_out
        left = max(0, cap - get_used(state, pool.id, counter.what, "", year))
        if counter.amount > left:
            deny("pact", wijk=_partner(rule, pool, state), remaining_cents=left)
    if rule.places and (PLACES_TAKEN.get(state, rule.pact) or 0) >= rule.places:
        deny("pact", places=rule.places)


def get_pact(rule: PactRule, state: State) -> Pact | None:
    """Return the pact that a rule names, or None."""
    parties = PACT_IDS.get(state, rule.pact)
    return None if parties is None else PACTS.get(state, *parties)


def _is_in_force(pact: Pact, time_s: int) -> bool:
    return pact.status == ACTIVE and pact.from_s <= time_s < pact.until_s


def _get_year(pact: Pact, payment: Payment) -> int:
    """Return the pact year of a payment: years that have passed since the pact began (UTC)."""
    begun = compute_book_date(pact.from_s, 0)
    years = payment.date // 10_000 - begun // 10_000
    return years - (payment.date % 10_000 < begun % 10_000)


def count_shares(pool: Pool, payment: Payment, year: int) -> list[Counter]:
    """Return what a payment adds each way: in for payees of the pool's wijk, out for others."""
    sums = {IN: 0, OUT: 0}
    for share in payment.shares:
        sums[IN if share.wijk == pool.wijk else OUT] += share.cents
    return [Counter(what, "", year, cents) for what, cents in sums.items() if cents]


def count(rule: PactRule, pool: Pool, payment: Payment, state: State) -> Iterator[Counter]:
    """Return what a payment adds to the caps of this pact year."""
    pact = get_pact(rule, state)
    assert pact is not None, "the pact was judged before"
    yield from count_shares(pool, payment, _get_year(pact, payment))


def _partner(rule: PactRule, pool: Pool, state: State) -> str:
    parties = PACT_IDS.get(state, rule.pact) or ()
    return next((wijk for wijk in parties if wijk != pool.wijk), "-")


def _values(rule: PactRule, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    pact = get_pact(rule, state)
    values: dict[str, object] = {"wijk": _partner(rule, pool, state), "places": rule.places}
    if pact is not None:
        at = Payment(b"", "", 0, (), None, None, None, date, 0)
        year = _get_year(pact, at)
        values["in_cents"] = max(0, rule.cap_in - get_used(state, pool.id, IN, "", year))
    return values


P13 = Guard(
    "P13",
    "pact",
    PactRule,
    "[Binnen de afspraak met {wijk}][: dit jaar nog {in_cents}][, {places} plaatsen].",
    "[Within the pact with {wijk}][: {in_cents} left this year][, {places} places].",
    fits,
    judge,
    _values,
    count,
)
