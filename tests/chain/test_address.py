"""Account ids as text: BIP-350 facts, the vectors of interfaces 4, one letter off (W33)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import address
from chain.address import account_id, account_text, parse_account
from chain.crypto import public_key
from chain.errors import Malformed

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
VECTOR = json.loads((Path(__file__).parent.parent / "vectors" / "tx.json").read_text())

accounts = st.binary(min_size=20, max_size=20)


def checksum(prefix: str, data: list[int]) -> int:
    """BIP-350's bech32m check value, with the project's own polynomial."""
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    return address._polymod(expanded + data)


@pytest.mark.parametrize(
    "text",
    [
        "A1LQFN3A",
        "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
        "?1v759aa",
    ],
)
def test_the_polynomial_and_constant_are_those_of_bip_350(text: str) -> None:
    """The valid bech32m strings that BIP-350 lists."""
    prefix, _, data = text.lower().rpartition("1")
    assert checksum(prefix, [ALPHABET.index(letter) for letter in data]) == 0x2BC830A3


@pytest.mark.parametrize("text", ["A1G7SGD8", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
def test_bech32_of_bip_173_has_another_constant(text: str) -> None:
    prefix, _, data = text.lower().rpartition("1")
    assert checksum(prefix, [ALPHABET.index(letter) for letter in data]) != 0x2BC830A3


@pytest.mark.parametrize("who", ["payer", "payee"])
def test_vectors_of_interfaces_4(who: str) -> None:
    key = public_key(bytes.fromhex(VECTOR[f"{who}_seed"]))
    assert account_text(account_id(key)) == VECTOR[who]
    assert parse_account(VECTOR[who]) == account_id(key)


@given(accounts)
def test_parse_undoes_text(account: bytes) -> None:
    text = account_text(account)
    assert len(text) == 43
    assert text.startswith("wijk1")
    assert parse_account(text) == account


@given(accounts, st.integers(0, 42), st.sampled_from(ALPHABET + "bioO1 é"))
def test_one_letter_off_is_refused(account: bytes, at: int, letter: str) -> None:
    """reliability W33."""
    text = account_text(account)
    changed = text[:at] + letter + text[at + 1 :]
    if changed != text:
        with pytest.raises(Malformed):
            parse_account(changed)


@given(accounts, st.integers(5, 41))
def test_two_letters_swapped_are_refused(account: bytes, at: int) -> None:
    text = account_text(account)
    changed = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if changed != text:
        with pytest.raises(Malformed):
            parse_account(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "q",
        lambda text: text.upper(),
        lambda text: text.capitalize(),
        lambda text: " " + text,
        lambda text: "bijk1" + text[5:],
        lambda text: text[:5] + "q" + text[5:-1],
        lambda text: text.replace("1", "l", 1),
    ],
)
def test_another_form_is_refused(change: "type[str]") -> None:
    with pytest.raises(Malformed):
        parse_account(change(VECTOR["payer"]))
