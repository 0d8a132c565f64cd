"""Indicators and their measures in the state (economy W12, N37): what milestones are held against.

The calls that write them are not built yet; record types and keys are fixed here. `note_measure` is
the one way in, because steps of a policy look for dates and values without a search.
"""

from chain.codec import Account, Digest, Record, Uint
from chain.state import Keyspace, State


class IndicatorVersion(Record, frozen=True):
    """One version of `indicator/<id>`; `direction` is UP or DOWN, values have `decimals` digits."""

    wijk: str
    code: str
    unit: str
    direction: str
    decimals: Uint
    method: Digest
    source: str


class Measure(Record, frozen=True):
    """`measure/<indicator>/<date>`: a value of one version, by a measurer who is no spender."""

    version: Uint
    value: int
    sample: Uint
    source: Digest
    baseline: Uint
    measurer: Account


INDICATORS: Keyspace[tuple[IndicatorVersion, ...]] = Keyspace(
    "indicator", tuple[IndicatorVersion, ...], 1
)
MEASURES: Keyspace[Measure] = Keyspace("measure", Measure, 2)
# `measured/<indicator>`: [(date, value)], oldest first.
MEASURED: Keyspace[tuple[tuple[int, int], ...]] = Keyspace(
    "measured", tuple[tuple[Uint, int], ...], 1
)


def note_measure(state: State, indicator: bytes, date: int, measure: Measure) -> None:
    """Write a measure of a book date; one date has one measure."""
    MEASURES.put(state, measure, indicator, date)
    rows = dict(MEASURED.get(state, indicator) or ())
    rows[date] = measure.value
    MEASURED.put(state, tuple(sorted(rows.items())), indicator)
