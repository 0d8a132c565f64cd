"""State keys as text: one key, one text, one key (interfaces 5.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.address import account_text
from chain.codec import encode
from chain.errors import Malformed
from chain.key_text import key_text, parse_key
from tests.chain.random_ledger import Author
from tests.federation import account

ANNA = account_text(account("anna"))
ID = "ab" * 32


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["bal", "delfshaven:EUR", "2", account("anna")], f"bal/delfshaven:EUR/2/{ANNA}"),
        (["bal", "delfshaven:EUR", "1", bytes.fromhex(ID)], f"bal/delfshaven:EUR/1/{ID}"),
        (["supply", "noord:EUR"], "supply/noord:EUR"),
        (["role", "-", "AUDITOR"], "role/-/AUDITOR"),
        (["seat", "delfshaven", 1], "seat/delfshaven/1"),
        (["paid", bytes(32), 0], f"paid/{'00' * 32}/0"),
        (["vote", "delfshaven", 7], "vote/delfshaven/7"),
        (["statement", bytes.fromhex(ID), 20260105], f"statement/{ID}/20260105"),
        (["wijken"], "wijken"),
    ],
    ids=str,
)
def test_keys_and_their_text(parts: list[bytes | int | str], text: str) -> None:
    assert key_text(encode(parts)) == text
    assert parse_key(text) == parts


def test_every_key_of_a_ledger_is_named_by_its_text() -> None:
    """A keyspace whose parts the text does not tell fails here."""
    author = Author(5)
    for _ in range(20):
        author.add_block()
    keys = list(author.ledger.state)
    assert len({parse_key(key_text(key))[0] for key in keys}) > 15

    assert [key for key in keys if encode(parse_key(key_text(key))) != key] == []


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "bal/", "/bal", "bal//2", "a/b/c/d/e/f", f"account/{ANNA[:-1]}q",
        "seat/delfshaven/01", "seat/delfshaven/-1", "seat/delfshaven/x", "seat/delfshaven/\u0661",
        f"seat/delfshaven/{2**63}", "seat/delfshaven/" + "9" * 500, "x" * 1_025, "x\ud800",
    ],
    ids=lambda text: repr(text[:24]),
)  # fmt: skip
def test_texts_that_name_no_key(text: str) -> None:
    with pytest.raises(Malformed):
        parse_key(text)


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["seat", "bal", "1", "01", ANNA, ID, ID[1:], "", "\u00e9"])).map("/".join))  # fmt: skip
def test_hostile_texts_name_one_key_or_are_malformed(text: str) -> None:
    try:
        parts = parse_key(text)
    except Malformed:
        return
    assert key_text(encode(parts)) == text


@given(st.binary(max_size=80))
def test_hostile_bytes_have_a_text_or_are_malformed(data: bytes) -> None:
    try:
        text = key_text(data)
    except Malformed:
        return
    assert isinstance(text, str)


@pytest.mark.parametrize(
    "data", [b"", b"\xc0", b"\x91\xc0", b"\x91\xc2", b"\x91\x91\x01", b"\x91\xc4\x01a",
             b"\x91\xcb" + bytes(8), b"\x91" * 100_000, encode([bytes(33)]), encode(["a"]) + b"x"],
    ids=lambda data: data[:4].hex(),
)  # fmt: skip
def test_bytes_that_are_no_key_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        key_text(data)
