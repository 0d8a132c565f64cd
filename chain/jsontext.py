"""JSON from outside, read strictly, and written in one form (interfaces 0, reliability A5).

The standard parser takes NaN, floats, and the last of two equal keys; two readers of one policy
file could then trust different validators. Here all of that is `Malformed`.
"""

import json
from typing import Any, Never, TypeVar

import msgspec

from chain.errors import Malformed

T = TypeVar("T")


def read_json(kind: type[T], text: bytes | str, bytes_max: int) -> T:
    """Return the `kind` that `text` holds: integers only, no key twice, no unknown field.

    Raise `Malformed` for anything else. `kind` is a struct with `forbid_unknown_fields=True`.
    """
    name = getattr(kind, "__name__", "JSON")
    if len(text) > bytes_max:
        raise Malformed(f"{name}: more than {bytes_max} bytes")
    try:
        if isinstance(text, bytes):
            text = text.decode()
        value = json.loads(
            text,
            object_pairs_hook=_refuse_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate has no bytes
        return msgspec.convert(value, kind, strict=True)
    # ValueError: bad UTF-8, bad JSON, a number of 5,000 digits, and a value of another type.
    except (ValueError, RecursionError, OverflowError) as error:
        raise Malformed(f"{name}: {error}") from error


def write_json(value: msgspec.Struct) -> str:
    """Return `value` as one line of JSON, fields in their order, with a newline at the end."""
    fields = msgspec.to_builtins(value)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("JSON: a key stands twice in one object")
    return fields


def _refuse_number(text: str) -> Never:
    raise Malformed(f"JSON: {text[:20]} is not an integer")
