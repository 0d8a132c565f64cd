"""Sealed memos: for the payee alone (interfaces 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import public_key
from chain.texts import Problem
from wallet.memo import SealedMemo, check_memo, open_memo, seal_memo
from wallet.outbox import SEALED_BYTES_MAX

SEED, OTHER = bytes([1]) * 32, bytes([2]) * 32
KEY = bytes([0xAA]) * 32


@given(st.text(min_size=1, max_size=140))
def test_only_the_payee_opens_a_memo(memo: str) -> None:
    try:
        check_memo(memo)
    except Problem:
        return
    sealed = seal_memo(public_key(SEED), KEY, memo)

    assert len(sealed) <= SEALED_BYTES_MAX
    assert open_memo(SEED, sealed) == SealedMemo(1, KEY, memo)
    assert open_memo(OTHER, sealed) is None


@given(st.integers(0, 100), st.integers(1, 255))
def test_a_box_that_was_changed_does_not_open(place: int, change: int) -> None:
    sealed = bytearray(seal_memo(public_key(SEED), KEY, "Brood"))
    sealed[place % len(sealed)] ^= change

    assert open_memo(SEED, bytes(sealed)) is None


@pytest.mark.parametrize("sealed", [b"", b"x", bytes(48), bytes(2048)])
def test_bytes_that_are_no_box_do_not_open(sealed: bytes) -> None:
    assert open_memo(SEED, sealed) is None


@pytest.mark.parametrize("memo", ["", "x" * 141, "a\nb", "\x1b[31m", "\u202e"])
def test_a_memo_that_cannot_be_shown_is_refused(memo: str) -> None:
    with pytest.raises(Problem):
        check_memo(memo)
