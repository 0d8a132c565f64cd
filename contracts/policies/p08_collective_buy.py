"""P8 `collective_buy`: many buyers, one better price, or everything back (economy P8, N42, W18).

A pledge stays the buyer's own until the purchase succeeds, so nothing that restricts it may stand
beside it: a guard that refused the payment of a purchase that succeeds would keep all pledges for
ever. After the last date anybody lets it end: all are posted, or all are void.
"""

from itertools import pairwise
from typing import Annotated

import msgspec

from chain.codec import CENTS_MAX, Account, Cents, Record, Uint
from chain.dates import is_date
from chain.errors import Code, Reject, require
from chain.keyspaces import ACCOUNTS, LEFT
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import (
    STEPS,
    USED,
    Ask,
    Date,
    Draft,
    Payout,
    Pledge,
    Pledges,
    Pool,
    Shape,
    Used,
    Values,
    Write,
    deny,
)

TIERS_MAX = 10  # economy P8
PLEDGES_MAX = 1_000
QTY_MAX = 1_000_000  # pieces of one pledge: the price of all stays far below 2^53 cents
ALL = 0  # the step that ends the purchase
BUYER = "buyer"

Pieces = Annotated[int, msgspec.Meta(ge=1, le=QTY_MAX)]


class Tier(Record, frozen=True):
    """From `min_qty` pieces on, one costs `unit_cents`."""

    min_qty: Pieces
    unit_cents: Annotated[int, msgspec.Meta(ge=1, le=CENTS_MAX)]


class CollectiveBuy(Record, frozen=True, tag="collective_buy"):
    """Who supplies, what makes it succeed, prices by quantity, and the last date to join."""

    version: Uint
    supplier: Account
    min_buyers: Uint
    min_cents: Cents
    tiers: Annotated[tuple[Tier, ...], msgspec.Meta(min_length=1, max_length=TIERS_MAX)]
    deadline: Date
    max_pledges: Annotated[int, msgspec.Meta(ge=1, le=PLEDGES_MAX)]


def fits(rule: CollectiveBuy, draft: Draft) -> bool:
    """Say whether the values can stand in a policy: more pieces are cheaper."""
    falls = all(
        one.min_qty < other.min_qty and one.unit_cents > other.unit_cents
        for one, other in pairwise(rule.tiers)
    )
    dated = is_date(rule.deadline) and draft.date <= rule.deadline
    return falls and dated and 1 <= rule.min_buyers <= rule.max_pledges


def fund(rule: CollectiveBuy, pool: Pool, ask: Ask, state: State) -> tuple[Write, ...]:
    """Pledge pieces at the first price. Refuses amount, self, and what is late or full."""
    qty = ask.qty or 0
    price = qty * rule.tiers[0].unit_cents
    right = 1 <= qty <= QTY_MAX and ask.cents == price
    require(right, Code.POLICY_AMOUNT, amount_cents=min(price, CENTS_MAX))
    require(ask.sender != rule.supplier, Code.COIN_SELF)
    if ask.date > rule.deadline:
        deny("collective_buy", last_on=rule.deadline)
    so_far = _get_so_far(pool, state)
    number = so_far.count + 1
    if number > rule.max_pledges:
        deny("collective_buy", most=rule.max_pledges)
    mark = (pool.id, BUYER, ask.sender)
    buyers = so_far.buyers + (USED.get(state, *mark) is None)
    pledge = Pledge(ask.id, ask.sender, qty, ask.cents)
    return (
        (STEPS, Pledges(number, buyers, so_far.pieces + qty), (pool.id, ALL)),
        (STEPS, pledge, (pool.id, number)),
        (USED, Used(0, 1, 0, 0), mark),
    )


def release(rule: CollectiveBuy, pool: Pool, ask: Ask, state: State) -> Payout:
    """Post all pledges or void all, in the order of their ids. Refuses unknown-id, done, the clause
    with the last date to join, and an amount that is not what the supplier gets.
    """
    if ask.step != ALL:
        raise Reject(Code.TX_UNKNOWN_ID)
    if ask.date <= rule.deadline:
        deny("collective_buy", last_on=rule.deadline)
    so_far = _get_so_far(pool, state)
    require(so_far.count > 0, Code.POLICY_DONE)
    unit = _get_price(rule, so_far, state)
    price = so_far.pieces * unit  # before any pledge is read: whoever errs costs nodes little
    require(ask.cents == price, Code.POLICY_AMOUNT, amount_cents=price)
    pledges = _get_pledges(pool, so_far.count, state)
    parts = tuple(pledge.qty * unit for pledge in pledges)
    assert sum(parts) == price, "pieces are counted with each pledge"
    back = tuple(
        (pledge.buyer, pledge.cents - part)
        for pledge, part in zip(pledges, parts, strict=True)
        if pledge.cents > part
    )
    return Payout(
        pending=price,
        payee=rule.supplier,
        parts=parts,
        back=back,
        owners=tuple((pledge.buyer, pledge.cents) for pledge in pledges),
        writes=((STEPS, None, (pool.id, ALL)),),
        done=True,
    )


def _get_price(rule: CollectiveBuy, so_far: Pledges, state: State) -> int:
    """Return the price of a piece, 0 where the purchase fails.

    A supplier who left cannot be paid, so then it fails too and nobody's money is stuck.
    """
    units = [tier.unit_cents for tier in rule.tiers if tier.min_qty <= so_far.pieces]
    supplier = ACCOUNTS.get(state, rule.supplier)
    succeeds = (
        len(units) > 0
        and so_far.buyers >= rule.min_buyers
        and so_far.pieces * units[-1] >= rule.min_cents
        and supplier is not None
        and supplier.status != LEFT
    )
    return units[-1] if succeeds else 0


def _get_so_far(pool: Pool, state: State) -> Pledges:
    found = STEPS.get(state, pool.id, ALL)
    return found if isinstance(found, Pledges) else Pledges(0, 0, 0)


def _get_pledges(pool: Pool, count: int, state: State) -> list[Pledge]:
    """Return the pledges in the order of their ids."""
    found = [STEPS.get(state, pool.id, number) for number in range(1, count + 1)]
    pledges = [pledge for pledge in found if isinstance(pledge, Pledge)]
    return sorted(pledges, key=lambda pledge: pledge.id)


def _accounts(rule: CollectiveBuy) -> tuple[bytes, ...]:
    return (rule.supplier,)


def _values(rule: CollectiveBuy, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    missing = rule.min_buyers - _get_so_far(pool, state).buyers
    return {
        "buyers": max(0, missing) or None,
        "last_on": rule.deadline,
        "unit_cents": rule.tiers[0].unit_cents,
        "best_cents": rule.tiers[-1].unit_cents,
    }


P8 = Shape(
    "P8",
    "collective_buy",
    CollectiveBuy,
    "[Nog {buyers} kopers nodig voor {last_on}; anders krijgt u alles terug. ]"
    "[Een stuk kost {unit_cents}][, en bij veel kopers {best_cents}].",
    "[{buyers} more buyers needed before {last_on}; otherwise all is returned. ]"
    "[A piece costs {unit_cents}][, and with many buyers {best_cents}].",
    fits,
    _values,
    release=release,
    fund=fund,
    accounts=_accounts,
    # A pledge is the buyer's own coin (P0); only a last day to make one is left.
    forbids=("area", "category", "expiry", "cap", "budget", "pact", "split"),
    pledged=True,
)
