"""The strict JSON reader: hostile texts of reliability W29, and the one form it writes."""

import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import Malformed
from chain.strict_json import canonical_json, parse_json, parse_tree

trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    x: int
    y: str


@given(trees)
def test_what_is_written_reads_back_whatever_its_spacing(tree: Any) -> None:
    text = canonical_json(tree)

    assert parse_tree(text) == tree
    assert canonical_json(parse_tree(json.dumps(tree, indent=3).encode())) == text


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b"[1,]", b'{"a":1,}', b"[1] x", b"/* */ 1", b"1 // one", b"'a'", b"01",
        b"+1", b"0x10", b"1.0", b"1e3", b"1E400", b"NaN", b"Infinity", b"-Infinity", b"-",
        b"\xef\xbb\xbf1", "1".encode("utf-16"), b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"',
        b'{"\\udfff":1}', b'"a\nb"', b'{"a":1,"a":1}', b'[{"a":{"b":1,"c":2,"b":3}}]',
        b"1" * 21, b"-" + b"1" * 20, b"1" * 60_000, b"[" * 60_000, b'{"a":' * 60_000,
    ],
    ids=lambda text: str(text[:20]),
)  # fmt: skip
def test_w29_what_is_not_strict_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_tree(text)


@pytest.mark.parametrize("frames", [0, 300, 600])
@pytest.mark.parametrize("levels", [50, 400, 900, 990, 2_000, 200_000])
def test_deep_texts_are_read_or_malformed_and_nothing_else(levels: int, frames: int) -> None:
    def at(left: int) -> bool:
        if left:
            return at(left - 1)
        try:
            return bool(parse_tree(b"[" * levels + b"1" + b"]" * levels))
        except Malformed:
            return False

    read = at(frames)
    assert read or levels > 50
    assert not read or levels < 200_000


def test_a_key_that_stands_twice_is_named_and_found_in_one_pass() -> None:
    """200,000 keys with the second one at the end; comparing each with each would take hours."""
    pairs = [f'"{number}":1' for number in range(200_000)]
    text = "{" + ",".join([*pairs, pairs[-1]]) + "}"

    with pytest.raises(Malformed, match="the key '199999' stands twice"):
        parse_tree(text.encode())


def test_a_long_number_is_refused_before_it_is_worked_out() -> None:
    tracemalloc.start()
    with pytest.raises(Malformed, match="20 characters"):
        parse_tree(b"9" * 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_a_struct_has_its_fields_and_no_others() -> None:
    assert parse_json(b'{"y":"a","x":1}', Point) == Point(1, "a")
    for text in (b"{}", b"[1]", b'{"x":1}', b'{"x":1,"y":"a","z":0}', b'{"x":"1","y":"a"}',
                 b'{"x":true,"y":"a"}', b'{"x":null,"y":"a"}'):  # fmt: skip
        with pytest.raises(Malformed):
            parse_json(text, Point)
