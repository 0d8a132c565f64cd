"""Laws of the one way in for bytes, and the hostile inputs W4 to W12 (consensus M1)."""

import json
import struct
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import Account, Bit, Cents, Digest, Nonce, Record, Uint, decode, digest, encode
from chain.crypto import sha256
from chain.errors import Malformed

UINT_MAX = 2**63 - 1
CENTS_MAX = 10**13


class Inner(Record, frozen=True):
    text: str
    bit: Bit


class Sample(Record, frozen=True, tag="test.sample.1"):
    digest: Digest
    size: Uint
    cents: Cents
    inner: tuple[Inner, ...]
    note: bytes | None


SAMPLE = Sample(bytes(32), 300, 5, (Inner("é", 1),), None)
WIRE = encode(SAMPLE)

# Every shape that a field of a record may have; none of them is a map, a float or a date.
KINDS: list[Any] = [
    int,
    Uint,
    Bit,
    Cents,
    bytes,
    Digest,
    Account,
    Nonce,
    str,
    list[int],
    tuple[str, ...],
    list[bytes],
    list[str | int],
    bytes | int | None,
    tuple[tuple[int, ...], ...],
    int | None,
    Inner,
    Sample,
    Inner | None,
]

samples = st.builds(
    Sample,
    st.binary(min_size=32, max_size=32),
    st.integers(0, UINT_MAX),
    st.integers(0, CENTS_MAX),
    st.lists(st.builds(Inner, st.text(max_size=8), st.integers(0, 1)), max_size=3).map(tuple),
    st.none() | st.binary(max_size=40),
)


def refused(kind: Any, data: bytes) -> bool:
    try:
        decode(kind, data)
    except Malformed:
        return True
    return False


@given(samples)
def test_decode_undoes_encode_and_the_tag_leads(sample: Sample) -> None:
    data = encode(sample)
    assert decode(Sample, data) == sample
    assert data.startswith(b"\x96\xadtest.sample.1\xc4\x20")
    assert digest(sample) == sha256(data)


@given(samples, st.data())
def test_no_two_strings_of_bytes_are_one_value(sample: Sample, data: st.DataObject) -> None:
    """Consensus M1: whatever is accepted is the encoding of what was decoded."""
    text = bytearray(encode(sample))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(text)
    if not refused(Sample, changed):
        assert encode(decode(Sample, changed)) == changed


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_malformed_and_nothing_else(data: bytes) -> None:
    for kind in KINDS:
        refused(kind, data)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_five_million_nested_arrays_are_malformed(kind: Any) -> None:
    """reliability W4."""
    assert refused(kind, b"\x91" * 5_000_000)


@pytest.mark.parametrize(
    "header", ["dd", "df", "c6", "db", "c9"], ids=["array", "map", "bytes", "text", "extension"]
)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_headers_claiming_four_billion_entries_are_malformed(kind: Any, header: str) -> None:
    """reliability W5."""
    assert refused(kind, bytes.fromhex(header) + b"\xff" * 5)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_megabyte_of_empty_maps_is_malformed(kind: Any) -> None:
    """reliability W6."""
    assert refused(kind, b"\xdd\x00\x10\x00\x00" + b"\x80" * 2**20)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (int, "cf0000000000000001"),
        (int, "d001"),
        (int, "cc7f"),
        (int, "d1ff80"),
        (bytes, "c5000161"),
        (bytes, "c60000000161"),
        (str, "d90161"),
        (list[int], "dc000101"),
        (list[int], "dd0000000101"),
    ],
)
def test_padded_integers_and_lengths_are_malformed(kind: Any, data: str) -> None:
    """reliability W7: the decoder reads them; encoding again gives other bytes."""
    assert msgspec.msgpack.decode(bytes.fromhex(data), type=kind)
    assert refused(kind, bytes.fromhex(data))


def suite(testdata: Path) -> list[bytes]:
    text = (testdata / "msgpack-test-suite" / "msgpack-test-suite.json").read_text()
    groups = json.loads(text).values()
    hexes = [one for group in groups for case in group for one in case["msgpack"]]
    return [bytes.fromhex(one.replace("-", "")) for one in hexes]


def is_canonical(data: bytes) -> bool:
    try:
        return msgspec.msgpack.encode(msgspec.msgpack.decode(data)) == data
    except ValueError:
        return True  # two timestamps beyond the years of Python, in their shortest form


def test_all_non_canonical_encodings_of_the_shared_suite_are_malformed(testdata: Path) -> None:
    """reliability W7: 145 of the 233."""
    encodings = suite(testdata)
    padded = [data for data in encodings if not is_canonical(data)]
    assert (len(encodings), len(padded)) == (233, 145)
    assert [data.hex() for data in padded for kind in KINDS if not refused(kind, data)] == []


def test_canonical_encodings_of_the_shared_suite_are_read(testdata: Path) -> None:
    """All values that a field may have; maps, floats, booleans and extensions never are."""
    readable = (int, bytes, str, list[int], list[str])
    taken = {data for data in suite(testdata) for kind in readable if not refused(kind, data)}
    never = {data for data in suite(testdata) if data[0] >> 4 == 8 or 0xC7 <= data[0] <= 0xCB}
    assert len(taken) > 35
    assert taken & never == set()
    assert all(is_canonical(data) for data in taken)


@pytest.mark.parametrize("more", [b"\x00", b"\xc0", WIRE])
def test_bytes_after_a_message_are_malformed(more: bytes) -> None:
    """reliability W8."""
    assert decode(Sample, WIRE) == SAMPLE
    assert refused(Sample, WIRE + more)


@pytest.mark.parametrize("end", range(len(WIRE)))
def test_a_cut_message_is_malformed(end: int) -> None:
    assert refused(Sample, WIRE[:end])


def fields(*, at: int, put: object) -> bytes:
    values: list[object] = ["test.sample.1", bytes(32), 300, 5, [["é", 1]], None]
    values[at] = put
    return msgspec.msgpack.encode(values)


def test_one_element_too_many_or_too_few_is_malformed() -> None:
    """reliability W9."""
    values = ["test.sample.1", bytes(32), 300, 5, [["é", 1]], None]
    assert encode(values) == WIRE
    assert refused(Sample, encode([*values, None]))
    assert refused(Sample, encode(values[:-1]))
    assert refused(Sample, encode([*values[:4], [["é", 1, 2]], None]))
    assert refused(Sample, encode([*values[:4], [["é"]], None]))
    assert refused(Sample, encode(["test.sample.2", *values[1:]]))
    assert refused(Sample, encode(values[1:]))


@pytest.mark.parametrize(
    ("at", "put"),
    [
        (1, "x" * 32),
        (1, bytes(31)),
        (1, bytes(33)),
        (1, None),
        (2, True),
        (2, 1.0),
        (2, "1"),
        (2, None),
        (2, -1),
        (2, 2**63),
        (2, 2**64 - 1),
        (3, CENTS_MAX + 1),
        (3, -1),
        (4, None),
        (4, [[b"x", 1]]),
        (4, [["x", 2]]),
        (4, [["x", True]]),
        (4, {}),
        (5, "x"),
        (5, False),
    ],
)
def test_wrong_types_and_ranges_are_malformed(at: int, put: object) -> None:
    """reliability W10, W11."""
    assert not refused(Sample, fields(at=5, put=None))
    assert refused(Sample, fields(at=at, put=put))


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 1.5, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("form", [b"\xca>f", b"\xcb>d"])
def test_floats_are_malformed(value: float, form: bytes) -> None:
    """reliability W12."""
    data = form[:1] + struct.pack(form[1:].decode(), value)
    assert all(refused(kind, data) for kind in KINDS)
    listed: list[Any] = [list[int], list[Uint], tuple[Cents, ...]]
    assert all(refused(kind, b"\x91" + data) for kind in listed)


@pytest.mark.parametrize(
    "data", ["a1ff", "a2c080", "a3eda080", "a4f4908080"], ids=["stray", "long", "half", "beyond"]
)
def test_bad_utf_8_is_malformed(data: str) -> None:
    """reliability W13."""
    assert refused(str, bytes.fromhex(data))


def test_a_length_may_be_bounded_by_the_kind() -> None:
    kind: Any = Annotated[tuple[Uint, ...], msgspec.Meta(max_length=2)]
    assert decode(kind, encode([1, 2])) == (1, 2)
    assert refused(kind, encode([1, 2, 3]))
