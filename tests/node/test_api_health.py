"""The wait of a redemption, from the day on which it has to be paid (economy C15, C21)."""

import pytest

from chain.dates import from_days
from node.api_health import _asked_day


@pytest.mark.parametrize(
    ("due", "banking_days", "asked"),
    [
        (20261201, 2, 20261127),  # a Tuesday: asked on Friday, or in the weekend after it
        (20261127, 2, 20261125),
        (20261228, 1, 20261224),  # Monday after Christmas
        (20260407, 1, 20260402),  # Tuesday after Easter: Good Friday and Monday are none
    ],
)
def test_the_day_that_a_redemption_was_asked_follows_from_its_last_day(
    due: int, banking_days: int, asked: int
) -> None:
    assert from_days(_asked_day(due, banking_days)) == asked
