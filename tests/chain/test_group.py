"""The traps of the group, each tried (economy E25 to E28)."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import Code, Reject
from chain.group import (
    IDENTITY,
    ORDER,
    ZERO,
    add,
    box_key,
    check_point,
    check_scalar,
    hash_to_scalar,
    is_box_key,
    is_point,
    is_scalar,
    multiple_of_base,
    multiply,
    multiply_base,
    open_box,
    reduce_scalar,
    scalar_add,
    scalar_invert,
    scalar_multiply,
    scalar_of,
    scalar_subtract,
    seal_box,
    subtract,
)
from tests.made_election import scalar

P = 2**255 - 19
BASE = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")
# The eight small-order points, and the ways to write some of them that are not canonical.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NON_CANONICAL = [
    (P).to_bytes(32, "little").hex(),
    (P + 1).to_bytes(32, "little").hex(),
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ff" * 32,
]
MIXED_ORDER = [add(BASE, bytes.fromhex(small)).hex() for small in SMALL_ORDER[1:]]
OFF_CURVE = ["02" + "00" * 31, "07" + "00" * 31]
WRONG_LENGTH = ["", "58" * 31, "58" * 33]
scalars = st.integers(0, ORDER - 1).map(scalar_of)


@pytest.mark.parametrize(
    "data", SMALL_ORDER + NON_CANONICAL + MIXED_ORDER + OFF_CURVE + WRONG_LENGTH
)
def test_what_is_no_point_of_the_main_group_is_a_bad_point_e26_e27_e28(data: str) -> None:
    assert not is_point(bytes.fromhex(data))
    with pytest.raises(Reject) as refused:
        check_point(bytes.fromhex(data))
    assert refused.value.code is Code.ELECTION_BAD_POINT


def test_the_base_point_and_its_multiples_are_points() -> None:
    assert multiply_base(scalar_of(1)) == BASE == multiple_of_base(1)
    for number in (1, 2, 255, ORDER - 1):
        assert is_point(multiply_base(scalar_of(number)))
        check_point(multiply_base(scalar_of(number)))


@pytest.mark.parametrize(
    "number", [ORDER, ORDER + 1, 2 * ORDER, 2**252 + 2**251, 2**255, 2**255 + 1, 2**256 - 1]
)
def test_a_scalar_has_one_form_e28(number: int) -> None:
    """The library takes all of these and gives the same points: proofs would be malleable."""
    data = number.to_bytes(32, "little")
    assert not is_scalar(data)
    with pytest.raises(Reject) as refused:
        check_scalar(data)
    assert refused.value.code is Code.ELECTION_BAD_PROOF
    with pytest.raises(AssertionError):
        multiply_base(data)
    with pytest.raises(AssertionError):
        multiply(data, BASE)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_scalar_of_another_length_is_none_e28(length: int) -> None:
    assert not is_scalar(bytes(length))


@pytest.mark.parametrize("number", [0, 1, ORDER - 1])
def test_the_scalars_at_the_edge_are_scalars(number: int) -> None:
    check_scalar(scalar_of(number))
    assert is_scalar(scalar_of(number))


def test_zero_and_the_identity_give_the_identity_e27() -> None:
    """The library raises for each of these."""
    assert multiply_base(ZERO) == IDENTITY
    assert multiply(ZERO, BASE) == IDENTITY
    assert multiply(scalar_of(5), IDENTITY) == IDENTITY
    assert multiply_base(scalar_of(ORDER)) == IDENTITY
    assert add(BASE, IDENTITY) == BASE == subtract(BASE, IDENTITY)
    assert subtract(BASE, BASE) == IDENTITY
    assert subtract(IDENTITY, multiply_base(scalar_of(ORDER - 1))) == BASE


def test_multiplication_is_not_the_clamped_one_e28() -> None:
    eight = scalar_of(8)
    summed = IDENTITY
    for _ in range(8):
        summed = add(summed, BASE)
    assert multiply_base(eight) == summed == multiply(eight, BASE)


@settings(max_examples=25, deadline=None)
@given(scalars, scalars)
def test_points_and_scalars_keep_the_laws_of_a_group(left: bytes, right: bytes) -> None:
    assert add(multiply_base(left), multiply_base(right)) == multiply_base(scalar_add(left, right))
    assert multiply(left, multiply_base(right)) == multiply_base(scalar_multiply(left, right))
    assert subtract(multiply_base(left), multiply_base(right)) == multiply_base(
        scalar_subtract(left, right)
    )
    numbers = [int.from_bytes(one, "little") for one in (left, right)]
    assert scalar_add(left, right) == scalar_of(numbers[0] + numbers[1])
    assert scalar_subtract(left, right) == scalar_of(numbers[0] - numbers[1])
    assert scalar_multiply(left, right) == scalar_of(numbers[0] * numbers[1])


def test_an_inverse_undoes_a_factor_and_zero_has_none() -> None:
    factor = scalar("factor")
    assert scalar_multiply(factor, scalar_invert(factor)) == scalar_of(1)
    with pytest.raises(AssertionError):
        scalar_invert(ZERO)


def test_h_is_the_hash_that_the_design_prints() -> None:
    """economy 10.3: SHA-512 over L("wijk/" + tag), L(x1), ...; integers are 32 bytes."""
    text = b"\x00\x00\x00\x0awijk/share" + b"\x00\x00\x00\x03abc"
    text += b"\x00\x00\x00\x20" + b"\x07" + bytes(31) + b"\x00\x00\x00\x00"
    wide = int.from_bytes(hashlib.sha512(text).digest(), "little")
    assert hash_to_scalar("share", b"abc", 7, b"") == scalar_of(wide)
    assert hash_to_scalar("share", b"abc", 7) != hash_to_scalar("share", b"abc", 7, b"")
    assert reduce_scalar(hashlib.sha512(text).digest()) == scalar_of(wide)


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31), b"", bytes(31), bytes(33)])
def test_a_box_key_of_small_order_or_wrong_length_is_none(key: bytes) -> None:
    assert not is_box_key(key)


def test_only_the_holder_opens_a_sealed_box() -> None:
    secret, other = bytes([7] * 32), bytes([8] * 32)
    key = box_key(secret)
    assert is_box_key(key)
    box = seal_box(b"a share", key)
    assert open_box(box, key, secret) == b"a share"
    assert open_box(box, box_key(other), other) is None
    assert open_box(box[:-1] + bytes([box[-1] ^ 1]), key, secret) is None
    assert open_box(b"", key, secret) is None
    assert open_box(box[:47], key, secret) is None
