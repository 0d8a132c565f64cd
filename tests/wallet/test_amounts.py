"""Amounts and durations: the accepted forms and no other (interfaces 1.2, reliability W33)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.money_text import money
from chain.texts import Problem
from wallet.amounts import AMOUNT_CENTS_MAX, parse_amount, parse_duration_ms


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12,50", 1250),
        ("12.50", 1250),
        ("12", 1200),
        ("12,5", 1250),
        ("€12,50", 1250),
        ("€ 12.50", 1250),
        ("0,01", 1),
        ("10000000", 10**9),
        ("10000000,00", 10**9),
    ],
)
def test_accepted_forms(text: str, cents: int) -> None:
    assert parse_amount(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1.005", "1,005", "1e3", "-5", "+5", "0x10", "1.234.567", "1.234,56", "1,234.56",
        "10.000", "1'000", "1 000", "1_000", "\u0663", "\uff11\uff12", "\xb2", "9" * 30,
        "12,", ",50", ".50", "12,,5",
        "12,505", "0", "0,00", "0.00", "10000000,01", "99999999", "NaN", "inf", "12,50 ", " 12,50",
        "12,50\n", "€", "€  12", "12€", "$12", "EUR 12", "007", "00,50", "12,5O", "\x0012",
    ],
)  # fmt: skip
def test_every_other_form_is_refused(text: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_amount(text)
    assert raised.value.number == 1005
    assert raised.value.nothing_sent


@given(st.integers(1, AMOUNT_CENTS_MAX))
def test_what_is_shown_without_thousands_marks_reads_back(cents: int) -> None:
    assert parse_amount(money(cents, "nl").replace(".", "")) == cents
    assert parse_amount(money(cents, "en").replace(",", "")) == cents


@given(st.text(max_size=20))
def test_no_text_crashes_or_gives_an_amount_out_of_bounds(text: str) -> None:
    try:
        cents = parse_amount(text)
    except Problem as problem:
        cents = 1 if problem.number == 1005 else 0
    assert 1 <= cents <= AMOUNT_CENTS_MAX


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("72h", 259_200_000), ("7d", 604_800_000)],
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize(
    "text", ["", "30", "s", "0s", "-1s", "1.5s", "1w", "30S", "9999d", "1" * 13]
)
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(Problem) as raised:
        parse_duration_ms(text)
    assert raised.value.number == 1001
