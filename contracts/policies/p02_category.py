"""P2 `category`: what the money may buy: kinds allowed, kinds excluded (economy P2, S1, S13).

A kind is a COICOP division of what is bought (`C01`..`C15`) or the NACE section of the payee
(`N` and a letter). Excluded wins over allowed.
"""

import re
from typing import Annotated

import msgspec

from chain.codec import Record, Uint
from chain.money_text import Lang
from chain.state import State
from contracts.policies.frame import Draft, Guard, Payment, Pool, Share, Values, Word24, deny

KINDS_MAX = 37  # all there are: 15 divisions and 22 sections
_KIND = re.compile(r"C(0[1-9]|1[0-5])|N[A-V]")
_DIVISION = "C"

Kinds = Annotated[tuple[Word24, ...], msgspec.Meta(max_length=KINDS_MAX)]


class Category(Record, frozen=True, tag="category"):
    """Kinds that are allowed, empty for all, and kinds that are not."""

    version: Uint
    allow: Kinds
    deny: Kinds


def fits(rule: Category, draft: Draft) -> bool:
    """Say whether the values can stand in a policy."""
    kinds = (*rule.allow, *rule.deny)
    formed = all(_KIND.fullmatch(kind) is not None for kind in kinds)
    return formed and len(kinds) > 0 and len(set(kinds)) == len(kinds)


def judge(rule: Category, pool: Pool, payment: Payment, state: State) -> None:
    """Refuse with `policy.category` a kind that is excluded, or none that is allowed."""
    for share in payment.shares:
        kinds = _get_kinds(share, payment.product)
        excluded = [kind for kind in kinds if kind in rule.deny]
        if excluded:
            deny("category", excluded=", ".join(excluded))
        if rule.allow and not any(kind in rule.allow for kind in kinds):
            deny("category", kinds=", ".join(rule.allow))


def _get_kinds(share: Share, product: str | None) -> list[str]:
    """Return the section of the payee, and the division of what is bought.

    Where the payment does not say what is bought, it is what the payee says to sell (economy S1).
    """
    member = share.member
    section = None if member is None else member.nace
    if product is None and member is not None:
        product = member.out_product
    kinds = [] if section is None else ["N" + section[0]]
    if product is not None and product.startswith(_DIVISION) and len(product) > 1:
        kinds.append(product)
    return kinds


def _values(rule: Category, pool: Pool, state: State, date: int, lang: Lang) -> Values:
    return {"kinds": rule.allow, "excluded": rule.deny}


P2 = Guard(
    "P2",
    "category",
    Category,
    "[Alleen voor {kinds}.][ Niet voor {excluded}.]",
    "[Only for {kinds}.][ Not for {excluded}.]",
    fits,
    judge,
    _values,
)
