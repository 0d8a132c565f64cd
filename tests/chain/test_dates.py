"""Book dates and banking days (economy B9), against the calendar of the standard library."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.dates import (
    DAY_S,
    add_banking_days,
    compute_book_date,
    easter_days,
    from_days,
    is_banking_day,
    is_date,
    to_days,
)

EPOCH = date(1970, 1, 1)
days = st.dates(EPOCH, date(9999, 12, 31))


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


@given(days)
def test_dates_are_those_of_the_calendar(day: date) -> None:
    count = (day - EPOCH).days

    assert from_days(count) == number(day)
    assert to_days(number(day)) == count
    assert is_date(number(day))


def test_every_day_of_four_centuries_follows_the_one_before() -> None:
    before = EPOCH
    for count in range(1, 400 * 366):
        before += timedelta(days=1)
        assert from_days(count) == number(before)


@given(st.integers(0, 10**9))
def test_a_number_is_a_date_only_if_the_calendar_has_it(value: int) -> None:
    try:
        exists = date(value // 10_000, value // 100 % 100, value % 100) >= EPOCH
    except ValueError:
        exists = False

    assert is_date(value) == exists


@pytest.mark.parametrize(
    "value", [0, 19_691_231, 20_250_229, 20_260_431, 20_261_301, 20_260_100, 100_000_101]
)
def test_these_are_no_dates(value: int) -> None:
    assert not is_date(value)


def test_the_book_date_moves_on_at_midnight_of_the_offset() -> None:
    midnight_utc = (date(2026, 1, 2) - EPOCH).days * DAY_S

    assert compute_book_date(midnight_utc - 3_601, 3_600) == 20_260_101
    assert compute_book_date(midnight_utc - 3_600, 3_600) == 20_260_102
    assert compute_book_date(midnight_utc - 1, 0) == 20_260_101


@pytest.mark.parametrize(
    ("year", "easter"),
    [  # published tables; 1961 and 2038 are the earliest and the latest kind of spring
        (1961, date(1961, 4, 2)),
        (1981, date(1981, 4, 19)),
        (2000, date(2000, 4, 23)),
        (2008, date(2008, 3, 23)),
        (2011, date(2011, 4, 24)),
        (2024, date(2024, 3, 31)),
        (2025, date(2025, 4, 20)),
        (2026, date(2026, 4, 5)),
        (2027, date(2027, 3, 28)),
        (2038, date(2038, 4, 25)),
        (2049, date(2049, 4, 18)),
        (2076, date(2076, 4, 19)),
    ],
)
def test_easter_sunday(year: int, easter: date) -> None:
    assert easter_days(year) == (easter - EPOCH).days


@given(st.integers(1970, 9999))
def test_easter_is_a_sunday_between_22_march_and_25_april(year: int) -> None:
    easter = EPOCH + timedelta(days=easter_days(year))

    assert easter.weekday() == 6
    assert date(year, 3, 22) <= easter <= date(year, 4, 25)


CLOSED_2026 = {
    20_260_101,  # New Year's Day
    20_260_403,  # Good Friday
    20_260_406,  # Easter Monday
    20_260_501,  # Labour Day
    20_261_225,
    20_261_226,
}


def test_banking_days_of_2026() -> None:
    """economy B9: no weekend and none of the six holidays; King's Day is a banking day."""
    day = date(2026, 1, 1)
    while day.year == 2026:
        expected = day.weekday() < 5 and number(day) not in CLOSED_2026
        assert is_banking_day(number(day)) == expected, day
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        (20_260_101, 2, 20_260_105),  # over a weekend
        (20_260_402, 1, 20_260_407),  # over Easter
        (20_260_430, 2, 20_260_505),  # over 1 May and a weekend
        (20_261_224, 1, 20_261_228),  # over Christmas
        (20_261_231, 1, 20_270_104),  # into the next year
        (20_260_105, 0, 20_260_105),
    ],
)
def test_banking_days_are_counted_from_the_day_after(start: int, count: int, end: int) -> None:
    assert add_banking_days(start, count) == end


@given(st.dates(EPOCH, date(9998, 12, 31)).map(number), st.integers(1, 10))
def test_a_term_in_banking_days_ends_on_one(start: int, count: int) -> None:
    end = add_banking_days(start, count)
    between = range(to_days(start) + 1, to_days(end) + 1)

    assert is_banking_day(end)
    assert sum(is_banking_day(from_days(day)) for day in between) == count
