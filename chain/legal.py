"""Legal parameters: who owns each, what it rests on, and when people look at it again (G12).

The chain proves bookkeeping, not law. This table is what the federation's people keep by hand; a
client warns once a date is past. A review moves the date, with a word in the changelog.
"""

import msgspec

from chain.dates import to_days


class Legal(msgspec.Struct, frozen=True):
    """A parameter the law asks for; `review_on` is the last day, YYYYMMDD, to look at it again.

    `name` is that of the parameter, `*` standing for the code of any issuer.
    """

    name: str
    owner: str
    source: str
    review_on: int


_FEDERATION = "federation"

_DECEMBER = 20261231  # every December, as economy G17 says of its own figures

LEGAL = (
    Legal("issuer.*.mode", _FEDERATION, "MiCA art. 48; DNB e-money exemptions", _DECEMBER),
    Legal("issuer.*.wallet_cap", _FEDERATION, "DNB: 150 euro a person when exempt", _DECEMBER),
    Legal("issuer.*.total_cap", _FEDERATION, "DNB: 5 million euro when exempt", _DECEMBER),
    Legal("issuer.*.evidence", _FEDERATION, "licence, or notice to the regulator", _DECEMBER),
    Legal("redeem_days", _FEDERATION, "MiCA art. 49: redeemable at any time, at par", _DECEMBER),
    Legal("reserves", _FEDERATION, "MiCA art. 54: funds received are kept apart", _DECEMBER),
)


def is_review_overdue(legal: Legal, today: int) -> bool:
    """Say whether the day to look at a parameter again is past; `today` is YYYYMMDD."""
    return to_days(today) > to_days(legal.review_on)
