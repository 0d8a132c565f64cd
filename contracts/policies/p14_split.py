"""P14 `split`: one payment over several accounts by weight, to the cent (economy P14)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from chain.address import account_text
from chain.codec import Account, Record

PARTS_MIN, PARTS_MAX = 2, 50  # economy P14
WEIGHT_MAX = 1_000_000

NL = "[Verdeeld: {parts}.]"
EN = "[Split: {parts}.]"


class Part(Record, frozen=True):
    """One payee of a split and its weight."""

    account: Account
    weight: Annotated[int, msgspec.Meta(ge=1, le=WEIGHT_MAX)]


Split = Annotated[tuple[Part, ...], msgspec.Meta(min_length=PARTS_MIN, max_length=PARTS_MAX)]


def divide(cents: int, parts: Sequence[Part]) -> list[int]:
    """Return the share of each part: rounded down, and what is left over to the first."""
    total = sum(part.weight for part in parts)
    shares = [cents * part.weight // total for part in parts]
    shares[0] += cents - sum(shares)
    return shares


def list_parts(parts: Sequence[Part]) -> list[str]:
    """Return the parts for people: account and weight of the total."""
    total = sum(part.weight for part in parts)
    return [f"{account_text(part.account)} {part.weight}/{total}" for part in parts]
