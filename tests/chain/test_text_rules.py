"""Texts that may stand on the chain (economy B12, R1)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schwifty import IBAN

from chain.text_rules import (
    LETTERS,
    fits,
    get_gemeente,
    is_area,
    is_code,
    is_iban,
    is_nace,
    is_name,
    is_personal,
    is_product,
    is_slug,
    is_symbol,
    passes_11,
)

BSN = "111222333"  # the example number of Dutch forms
IBANS = ("NL91ABNA0417164300", "DE89370400440532013000", "MT84MALT011000012345MTLCAST001S",
         "NO9386011117947")  # fmt: skip


def test_b12_letters_are_letters_and_normal_by_themselves() -> None:
    """The table is fixed; this asks the interpreter's Unicode data whether it was chosen well."""
    for letter in LETTERS:
        assert unicodedata.category(letter) in ("Lu", "Ll", "Lt"), hex(ord(letter))
        assert unicodedata.normalize("NFC", letter) == letter
        if ord(letter) >= 0x180:  # of Latin Extended-B only letters with a mark
            assert unicodedata.decomposition(letter)
            assert unicodedata.decomposition(letter)[0] != "<"
    assert len(LETTERS) == 52 + 62 + 128 + 85
    assert {"é", "ë", "ï", "ĳ", "Ș", "ž", "ŵ", "ß"} <= LETTERS
    assert LETTERS.isdisjoint("×÷ªº€µ|!\u01c0\u01c3")


@given(st.text(alphabet=sorted(LETTERS), min_size=1, max_size=32))
def test_b12_any_letters_make_a_name_in_normal_form(text: str) -> None:
    assert is_name(text) is not is_personal(text)
    assert unicodedata.normalize("NFC", text) == text


@pytest.mark.parametrize(
    "text",
    ["Schiemunt", "a", "x" * 32, "'s-Gravenland", "Kralingen-Crooswijk", "Wijk 01", "Café Ĳzer"],
)
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "x" * 33, " Munt", "Munt ", "Munt_1", "Munt.", "a@b", "Munt\n", "Munt\x00",
        "münt\u0301", "\u041c\u0443\u043d\u0442", "\uff2d\uff35\uff2e\uff34", "munt🪙",
        "Munt\u200b", f"Jan {BSN}", "NL91 ABNA 0417 1643 00",
        "nl91abna0417164300", "111 222 333", "a×b",
    ],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)


def test_symbols_and_codes() -> None:
    assert all(is_symbol(text) for text in ("M", "SCH", "MNT1", "Éuro"))
    assert not any(is_symbol(text) for text in ("", "MUNTJ", "A B", "€", "-", "a'b"))
    assert all(is_code(text) for text in ("A", "WK059903", "A-B_9", "X" * 24))
    assert not any(is_code(text) for text in ("", "a", "X" * 25, "A B", "A.B", "É", "A\n", BSN))


def test_slugs() -> None:
    assert all(is_slug(text) for text in ("a", "delfshaven", "wijk-01", "a" * 32))
    refused = ("", "A", "1a", "-", "a_b", "a" * 33, "a b", "é", "a\n", f"a-{BSN}")
    assert not any(is_slug(text) for text in refused)


def test_fits_knows_the_kinds_of_parameters() -> None:
    assert fits("name", "Munt huis")
    assert not fits("symbol", "Munt huis")
    assert fits("code", "0055AA")


@given(st.integers(0, 10**9 - 1))
def test_b12_the_11_test_is_its_formula(number: int) -> None:
    digits = f"{number:09}"
    d = [int(digit) for digit in digits]
    formula = 9 * d[0] + 8 * d[1] + 7 * d[2] + 6 * d[3] + 5 * d[4] + 4 * d[5] + 3 * d[6] + 2 * d[7]

    assert passes_11(digits) == ((formula - d[8]) % 11 == 0)


def test_b12_a_citizen_service_number_is_found_where_it_stands() -> None:
    for text in (BSN, f"x{BSN}", f"{BSN}x", f"9{BSN}", "111-222-333", "111_222_333"):
        assert is_personal(text), text
    for text in ("111222334", "11122233", "111222-333 x", "20260101"):
        assert not is_personal(text), text


@pytest.mark.parametrize("iban", IBANS)
def test_b12_an_iban_is_found_whole_and_in_groups(iban: str) -> None:
    """economy section 13: another library is the oracle, in tests only."""
    assert IBAN(iban).is_valid
    groups = " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))
    for text in (iban, iban.lower(), groups, groups.replace(" ", "-"), f"op {iban}"):
        assert is_personal(text), text


@given(st.sampled_from(IBANS), st.data())
def test_b12_a_changed_digit_is_no_iban(iban: str, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from([i for i, c in enumerate(iban) if i > 3 and c.isdigit()]))
    digit = data.draw(st.sampled_from([c for c in "0123456789" if c != iban[at]]))

    assert is_iban(iban)
    assert not is_iban(iban[:at] + digit + iban[at + 1 :])


@pytest.mark.parametrize("text", ["NL", "9" * 20, "NLAB" + "1" * 14, "NL91" + "1" * 31, "NL91"])
def test_what_has_not_the_shape_of_an_iban(text: str) -> None:
    assert not is_iban(text)


def test_b12_an_address_is_personal() -> None:
    assert is_personal("a@b.nl")
    assert not is_personal("a b nl")


def test_r1_forms_of_cbs_codes() -> None:
    for code in ("WK059903", "WK0599AA", "WK05990Z", "BU05990310", "BU059903A1"):
        assert is_area(code), code
    for code in ("", "GM0599", "WK05990", "WK0599033", "WK059A03", "wk059903", "BU0599031",
                 "XX059903", "WK05990a", "WK05990-", "BU059903 1", "WK059903\n",
                 "WK\u0660\u0665\u0669\u066903"):  # fmt: skip
        assert not is_area(code), code


def test_r2_the_gemeente_of_an_area() -> None:
    assert get_gemeente("WK059903") == get_gemeente("BU05990310") == "GM0599"


def test_s1_and_s13_codes_of_trade_and_product() -> None:
    assert all(is_product(code) for code in ("C01", "C15", "A", "V"))
    assert not any(is_product(code) for code in ("", "C00", "C16", "C1", "W", "a", "C01\n"))
    assert all(is_nace(code) for code in ("A", "V", "G47", "G4711"))
    assert not any(is_nace(code) for code in ("", "W", "47", "G4", "G47.11", "G47111", "GG"))


@given(st.text(max_size=40))
def test_no_text_breaks_a_rule(text: str) -> None:
    verdicts = (is_name(text), is_symbol(text), is_code(text), is_slug(text), is_area(text))

    assert all(isinstance(verdict, bool) for verdict in verdicts)
    assert not (is_personal(text) and any(verdicts[i] for i in (0, 2, 3)))
