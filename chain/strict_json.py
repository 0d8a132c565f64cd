"""The one strict JSON reader, for request bodies, genesis and key files (reliability A5).

The standard parser would accept UTF-16, duplicate keys, NaN and numbers without end. Here a text
is UTF-8, its keys are unique, its numbers are integers of at most 20 characters.
"""

import json
from collections import Counter
from typing import Any, NoReturn, TypeVar

import msgspec

from chain.errors import Malformed

NUMBER_LENGTH_MAX = 20  # longer than any integer that a field may hold

T = TypeVar("T")


def parse_json(data: bytes, kind: type[T]) -> T:
    """Return `data` as a `kind`, a struct that forbids unknown fields, or raise `Malformed`."""
    try:
        return msgspec.convert(parse_tree(data), kind, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from error


def parse_tree(data: bytes) -> Any:
    """Return the dicts, lists, strings, integers, booleans and None in `data`."""
    try:
        text = data.decode("utf-8", errors="strict")
        tree = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        json.dumps(tree, ensure_ascii=False).encode("utf-8")  # a lone surrogate escape fails here
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON as expected: {error}") from error
    return tree


def canonical_json(value: Any) -> bytes:
    """Return the RFC 8785 bytes of `value`: sorted keys, no spaces, integers only."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode("utf-8")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in counts if counts[name] > 1)
        raise ValueError(f"the key {twice[:64]!r} stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > NUMBER_LENGTH_MAX:
        raise ValueError("a number of more than 20 characters")
    return int(text)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:32]} is not an integer")
