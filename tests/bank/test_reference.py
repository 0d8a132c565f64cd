"""Creditor references (ISO 11649) and IBANs: check digits by mod 97 (economy C6)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bank.reference import electronic, is_iban, is_reference, reference

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PAYLOADS = st.text(SIGNS, min_size=1, max_size=21)


@pytest.mark.parametrize(
    "known",
    [
        "RF18539007547034",  # the example of ISO 11649
        "RF18000000000539007547034",
        "RF712348231",
        "RF471234567890",
        "RF451234512345",
        "RF68AB2G5",
        "RF08B3700321",
        "RF45G72UUR",
        "RF6518K5",
        "RF49N73GBST73AKL38ZX",
    ],
)
def test_known_references_are_valid_and_made(known: str) -> None:
    assert is_reference(known)
    assert reference(known[4:]) == known


@given(PAYLOADS)
def test_a_reference_that_is_made_is_valid(payload: str) -> None:
    made = reference(payload)

    assert is_reference(made)
    assert made.startswith("RF")
    assert made[4:] == payload


@given(PAYLOADS, st.integers(0, 30), st.sampled_from(SIGNS))
def test_one_wrong_sign_is_noticed(payload: str, place: int, sign: str) -> None:
    """Digit for digit or letter for letter; a digit for a letter is noticed 96 times in 97."""
    made = reference(payload)
    place = 4 + place % len(payload)
    assume(made[place].isdigit() == sign.isdigit())
    mistyped = made[:place] + sign + made[place + 1 :]

    assert is_reference(mistyped) == (mistyped == made)


@given(PAYLOADS, st.integers(0, 30))
def test_two_neighbours_swapped_are_noticed(payload: str, place: int) -> None:
    """Two digits or two letters; B1 and 1B are the same number to MOD 97-10."""
    made = reference(payload + payload[0] if len(payload) == 1 else payload)
    place = 4 + place % (len(made) - 5)
    assume(made[place].isdigit() == made[place + 1].isdigit())
    swapped = made[:place] + made[place + 1] + made[place] + made[place + 2 :]

    assert is_reference(swapped) == (swapped == made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RF",
        "RF18",
        "rf18539007547034",
        "RF18 5390 0754 7034",
        "RF18539007547034\n",
        "RF19539007547034",
        "RF1853900754703\uff14",
        "XF18539007547034",
        "RF18" + "0" * 22,
        "NL02ABNA0123456789",
    ],
)
def test_anything_else_is_no_reference(text: str) -> None:
    assert not is_reference(text)


@pytest.mark.parametrize("payload", ["", "a", "A B", "é", "A-1", "X" * 22, "1\n"])
def test_a_payload_of_other_signs_is_refused(payload: str) -> None:
    with pytest.raises(ValueError, match="1 to 21 capitals and digits"):
        reference(payload)


def test_check_digits_98_and_01_are_not_taken_for_each_other() -> None:
    """Both give remainder 1; only one of each pair is what ISO 7064 makes."""
    made = next(r for r in (reference(str(n)) for n in range(10_000)) if r[2:4] == "98")

    assert is_reference(made)
    assert not is_reference("RF01" + made[4:])


def test_what_people_write_becomes_electronic() -> None:
    assert is_reference(electronic(" rf18 5390 0754 7034 "))


@pytest.mark.parametrize(
    "iban",
    [
        "NL02ABNA0123456789",
        "NL91ABNA0417164300",
        "NL13TEST0123456789",
        "DE89370400440532013000",
        "BE68539007547034",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
    ],
)
def test_published_examples_are_ibans(iban: str) -> None:
    assert is_iban(iban)
    assert not is_iban(iban[:-1] + ("1" if iban[-1] == "0" else "0"))
    assert not is_iban(iban.lower())
    assert not is_iban(iban + " ")


@pytest.mark.parametrize(
    "text", ["", "NL", "NL02", "0123456789", "NL02ABNA01234567\uff189", "NL" * 20]
)
def test_anything_else_is_no_iban(text: str) -> None:
    assert not is_iban(text)
