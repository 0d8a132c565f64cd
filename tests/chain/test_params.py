"""Parameters: names, bounds, defaults and versions by epoch (economy B13, interfaces 3.6)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import encode
from chain.errors import Malformed
from chain.keyspaces import PARAMS, get_param
from chain.params import (
    FEDERAL,
    FEDERATION,
    WIJK,
    Number,
    compute_default,
    decode_value,
    is_plain,
    is_within,
)
from chain.state import State

PURPOSES = ("test", "demo", "live")
WAITING = {
    "epoch_s", "enact_delay_s", "net_period_s", "recovery_delay_s", "complaint_s", "objection_s",
    "hearing_s", "upgrade_blocks", "vote_min_s",
}  # fmt: skip


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("name", sorted(FEDERAL))
def test_defaults_are_within_their_bounds(name: str, purpose: str) -> None:
    assert is_within(name, compute_default(name, purpose), purpose)


def test_b13_waiting_times() -> None:
    """On a live chain the default is the lower bound; elsewhere the default is a second."""
    waiting = {name for name, spec in FEDERAL.items() if isinstance(spec, Number) and spec.waiting}
    assert waiting == WAITING
    for name in sorted(waiting):
        default = compute_default(name, "live")
        assert isinstance(default, int)
        assert not is_within(name, default - 1, "live")
        for purpose in ("test", "demo"):
            assert compute_default(name, purpose) == 1
            assert is_within(name, 1, purpose)
    assert compute_default("recovery_delay_s", "live") == 604_800
    assert compute_default("complaint_s", "live") == 259_200


def test_interfaces_3_6_example_is_within() -> None:
    example = {
        "max_validity_s": 600, "max_tx_bytes": 32_768, "max_block_bytes": 1_048_576,
        "max_block_txs": 4_000, "account_pending_txs": 64, "account_pending_bytes": 262_144,
        "heartbeat_s": 300, "round_timeout_ms": 1_000, "round_timeout_max_ms": 60_000,
        "recovery_delay_s": 604_800, "quota_person": 0, "quota_business": 0, "quota_role": 0,
        "quota_credential": 10,
    }  # fmt: skip
    assert all(is_within(name, value, "live") for name, value in example.items())


@given(st.sampled_from(sorted(FEDERAL)), st.integers())
def test_numbers_are_between_low_and_high(name: str, value: int) -> None:
    spec = FEDERAL[name]
    if isinstance(spec, Number):
        assert is_within(name, value, "test") == (spec.low <= value <= spec.high)
    else:
        assert not is_within(name, value, "test")


@pytest.mark.parametrize("value", [True, "5", None, 5.0, (5,), b"5"])
def test_only_an_int_is_a_number(value: Any) -> None:
    assert not is_within("seconders", value, "test")


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("small_areas", (), True),
        ("small_areas", (("WK059903",), ("BU05990310",)), True),
        ("small_areas", (("wk059903",),), False),
        ("small_areas", (("",),), False),
        ("small_areas", (("WK059903", "WK059903"),), False),
        ("small_areas", ("WK059903",), False),
        ("small_areas", tuple((f"X{i}",) for i in range(1_000)), True),
        ("small_areas", tuple((f"X{i}",) for i in range(1_001)), False),
        ("upgrade", (2, 1_000), True),
        ("upgrade", (2,), False),
        ("upgrade", (2, "7"), False),
        ("upgrade", (2, True), False),
        ("upgrade", ((2, 1_000),), False),
        ("reserves", ((bytes(32), "noord"),), True),
        ("reserves", ((bytes(31), "noord"),), False),
        ("reserves", (("noord", bytes(32)),), False),
        ("reserves", ((bytes(32), "Noord"),), False),
        ("reserves", 5, False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_tables_have_rows_of_their_columns(name: str, value: Any, good: bool) -> None:
    assert is_within(name, value, "test") is good
    if good:
        assert decode_value(name, encode(value)) == value


def test_names_that_nobody_knows_are_not_within() -> None:
    assert not is_within("seconds", 5, "test")
    assert not is_within("coin.name", "Munt", "test")
    assert FEDERAL.keys().isdisjoint(WIJK)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("seconders", encode("5")),
        ("seconders", b"\xcc\x05"),
        ("coin.name", encode(5)),
        ("coin.name", encode(b"Munt")),
        ("small_areas", encode(5)),
        ("small_areas", encode([[b"WK"]])),
        ("reserves", encode([["x", "noord"]])),
        ("reserves", b""),
    ],
)
def test_values_of_another_type_are_malformed(name: str, raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_value(name, raw)


cells = st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.binary(max_size=5)
plain = cells | st.lists(cells | st.lists(cells, max_size=3), max_size=3)


@given(plain)
def test_plain_values_are_numbers_texts_bytes_and_tables(value: Any) -> None:
    assert is_plain(encode(value))
    assert not is_plain(encode(value) + b"\x00")
    assert not is_plain(encode([value, None]))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xc0", b"\xc2", b"\xc3", b"\x80", b"\xcb" + bytes(8), b"\xd4\x01\x00", b"\x91" * 4_000,
     b"\xd6\xff\x00\x00\x00\x00", b"\xcc\x01", b"\xd9\x01a", b"\x91\x81\x01\x01"],
)  # fmt: skip
def test_anything_else_is_not_plain(raw: bytes) -> None:
    assert not is_plain(raw)


@pytest.mark.parametrize("levels", [3, 50, 300, 900])
def test_what_is_plain_does_not_depend_on_the_call_depth(levels: int) -> None:
    """reliability section 6: else one transaction could part the validators."""

    def at(frames: int) -> bool:
        return is_plain(b"\x91" * levels + b"\x00") if frames == 0 else at(frames - 1)

    assert [at(frames) for frames in (0, 200, 500, 700)] == [False] * 4


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 99)), unique_by=lambda v: v[0]),
    st.integers(0, 60),
)
def test_b13_the_version_in_force_is_the_last_that_began(
    versions: list[tuple[int, int]], epoch: int
) -> None:
    state = State(lambda _key: None)
    rows = tuple((at, msgspec.Raw(encode(value))) for at, value in sorted(versions))
    PARAMS.put(state, rows, FEDERATION, "seconders")

    begun = [(at, value) for at, value in versions if at <= epoch]

    expected = max(begun)[1] if begun else None
    assert get_param(state, FEDERATION, "seconders", epoch) == expected
