"""The one verifier: lengths, hostile bytes, and an oracle beside it (reliability K2..K9)."""

import hashlib
from random import Random, SystemRandom

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chain import crypto
from tests.make_selftest import ORDER_4, TORSION, L, P, encode, times

SEED = bytes(range(32))
KEY = crypto.public_key(SEED)

# reliability K9: y in {0, 1, p - 1, p, p + 1, and the two of order 8}, each with both signs.
SMALL_Y = [0, 1, P - 1, P, P + 1, TORSION[1], times(3, TORSION)[1]]
SMALL_ORDER = [(y | sign << 255).to_bytes(32, "little") for y in SMALL_Y for sign in (0, 1)]

messages = st.binary(max_size=40)


def oracle(key: bytes, message: bytes, signature: bytes) -> bool:
    """OpenSSL behind the guard of reliability K9: it must agree with libsodium on everything."""
    if len(key) != 32 or len(signature) != 64:
        return False
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    if int.from_bytes(key, "little") & (2**255 - 1) >= P:
        return False
    if key in SMALL_ORDER or signature[:32] in SMALL_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_the_small_order_encodings_are_the_fourteen_of_k9() -> None:
    assert {encode(times(k, TORSION)) for k in range(8)} < set(SMALL_ORDER)
    assert encode(ORDER_4)[:31] == bytes(31)
    assert {key[:2].hex() + key[-2:].hex() for key in SMALL_ORDER} >= {"26e8fc05", "c717037a"}
    assert len(set(SMALL_ORDER)) == 14


@given(st.binary(min_size=32, max_size=32), messages)
def test_what_is_signed_verifies_and_nothing_else_does(seed: bytes, message: bytes) -> None:
    key, signature = crypto.public_key(seed), crypto.sign(seed, message)
    assert (len(key), len(signature)) == (32, 64)
    assert crypto.is_valid_key(key)
    assert crypto.verify(key, message, signature)
    assert not crypto.verify(key, message + b"!", signature)
    assert crypto.sign(seed, message) == signature


@given(messages, st.integers(0, 200))
def test_only_32_and_64_bytes_are_looked_at(message: bytes, length: int) -> None:
    """reliability K4, W14."""
    signature = crypto.sign(SEED, message)
    long_key, long_signature = (KEY * 7)[:length], (signature * 4)[:length]
    assert crypto.verify(long_key, message, signature) is (length == 32)
    assert crypto.verify(KEY, message, long_signature) is (length == 64)
    assert crypto.is_valid_key(long_key) is (length == 32)


@given(messages.filter(lambda message: len(message) >= 4))
def test_the_boundary_of_signature_and_message_never_shifts(message: bytes) -> None:
    """reliability K4: 60 bytes of signature and four more of message are refused."""
    signature = crypto.sign(SEED, message)
    assert not crypto.verify(KEY, signature[60:] + message, signature[:60])
    assert not crypto.verify(KEY, message[4:], signature + message[:4])


@given(st.binary(max_size=70), messages, st.binary(max_size=130))
@example(bytes(32), b"", bytes(64))
@example(b"\xff" * 32, b"", b"\xff" * 64)
def test_hostile_bytes_are_refused_without_an_error(
    key: bytes, message: bytes, signature: bytes
) -> None:
    """reliability K6."""
    assert crypto.verify(key, message, signature) is False
    assert crypto.verify(KEY, message, signature) is False


def test_small_order_and_padded_keys_are_no_keys() -> None:
    """consensus M3, reliability W15."""
    for key in SMALL_ORDER:
        assert not crypto.is_valid_key(key)
        assert not crypto.verify(key, b"", key + bytes(32))
        assert not crypto.verify(KEY, b"", key + bytes(32))
    assert not crypto.is_valid_key((2).to_bytes(32, "little"))


@given(messages, st.data())
def test_the_verdict_is_that_of_the_guarded_oracle(message: bytes, data: st.DataObject) -> None:
    """reliability K9: flips, swapped halves, S + L, small-order parts, cut and extended."""
    signature = crypto.sign(SEED, message)
    s = int.from_bytes(signature[32:], "little")
    flipped = bytearray(KEY + signature)
    flipped[data.draw(st.integers(0, 95))] ^= 1 << data.draw(st.integers(0, 7))
    small = data.draw(st.sampled_from(SMALL_ORDER))
    cases = [
        (KEY, signature),
        (bytes(flipped[:32]), bytes(flipped[32:])),
        (KEY, signature[32:] + signature[:32]),
        (KEY, signature[:32] + (s + L).to_bytes(32, "little")),
        (small, signature),
        (KEY, small + signature[32:]),
        (KEY, signature[:-1]),
        (KEY, signature + b"\x00"),
    ]
    found = [crypto.verify(key, message, changed) for key, changed in cases]
    assert found == [oracle(key, message, changed) for key, changed in cases]
    assert found == [True] + [False] * 7


MUTATIONS_PER_EXAMPLE = 500  # of the examples of the profile: 25,000, and a million in "deep"


def mutate(random: Random, key: bytes, signature: bytes) -> tuple[bytes, bytes]:
    """Return a signature changed in one of the ways of K9, or the same one."""
    r, s = signature[:32], signature[32:]
    at = random.randrange(96)
    both = bytearray(key + signature)
    both[at] ^= 1 << random.randrange(8)
    more = int.from_bytes(s, "little") + L * random.randrange(1, 16)
    return random.choice(
        (
            (key, signature),
            (bytes(both[:32]), bytes(both[32:])),
            (key, s + r),
            (key, r + more.to_bytes(32, "little")),
            (random.choice(SMALL_ORDER), signature),
            (key, random.choice(SMALL_ORDER) + s),
            (random.choice(SMALL_ORDER), random.choice(SMALL_ORDER) + bytes(32)),
            (key, signature[: random.randrange(64)]),
            (key, signature + bytes(random.randrange(1, 9))),
        )
    )


@pytest.mark.timeout(1_200)  # for the million of "deep"
def test_k9_many_mutated_signatures_have_the_verdict_of_the_oracle() -> None:
    """reliability K9: fresh ones on every run; a failure names the seed that reproduces it."""
    start = SystemRandom().randrange(2**32)
    random = Random(start)
    accepted, count = 0, settings().max_examples * MUTATIONS_PER_EXAMPLE
    for number in range(count // 100):
        seed, message = random.randbytes(32), random.randbytes(number % 50)
        good = (crypto.public_key(seed), crypto.sign(seed, message))
        for _ in range(100):
            key, signature = mutate(random, *good)
            verdict = crypto.verify(key, message, signature)
            accepted += verdict
            assert verdict is oracle(key, message, signature), (start, number)
    assert 0 < accepted < count // 5


@given(messages, st.binary(max_size=64), st.integers(1, 64))
def test_hashes_are_those_of_the_standard_library(message: bytes, key: bytes, size: int) -> None:
    assert crypto.sha256(message) == hashlib.sha256(message).digest()
    expected = hashlib.blake2b(message, key=key, digest_size=size).digest()
    assert crypto.blake2b(message, key=key, size=size) == expected
