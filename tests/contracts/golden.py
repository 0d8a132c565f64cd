"""Golden bytes of all calls and of the values of the state (interfaces 4, 5.5).

Run `python -m tests.contracts.golden` only when an example is added: it writes tests/vectors, and
what stands there is what chains hold. Bytes stand as `{"bin": hex}`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from chain.call_json import call_to_json
from chain.codec import encode
from chain.contract import Contract, Table
from chain.state import Keyspace
from tests.contracts import (
    call_examples,
    election_examples,
    member_examples,
    policy_examples,
    vote_examples,
)

VECTORS = Path(__file__).parents[1] / "vectors"
Value = tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any]


class Part(NamedTuple):
    """The examples of some contracts; the table may know more, for calls inside of calls."""

    file: str
    contracts: tuple[Contract, ...]
    table: Table
    calls: tuple[Any, ...]
    values: tuple[Value, ...]


def _part(file: str, table: Table, calls: tuple[Any, ...], values: tuple[Value, ...]) -> Part:
    return Part(file, tuple(table.contracts), table, calls, values)


PARTS = (
    _part("calls", call_examples.TABLE, call_examples.CALLS, call_examples.STATES),
    _part(
        "calls_election",
        election_examples.TABLE,
        election_examples.CALLS,
        election_examples.STATES,
    ),
    Part(
        "calls_members",
        member_examples.OWN,
        member_examples.TABLE,
        member_examples.CALLS,
        member_examples.STATES,
    ),
    _part("calls_policy", policy_examples.TABLE, policy_examples.CALLS, policy_examples.STATES),
    _part("calls_votes", vote_examples.TABLE, vote_examples.CALLS, vote_examples.STATES),
)


def read(part: Part) -> dict[str, list[dict[str, Any]]]:
    """Return what the file of a part holds."""
    return dict(json.loads(_path(part).read_text(encoding="utf-8")))


def describe(part: Part) -> dict[str, Any]:
    """Return what its file should hold."""
    return {
        "calls": [
            {
                "fields": call_to_json(part.table, call),
                "array": plain(call),
                "bytes": encode(call).hex(),
            }
            for call in part.calls
        ],
        "state": [
            {
                "key": plain([space.name, *parts]),
                "key_bytes": space.key(*parts).hex(),
                "value": plain(value),
                "value_bytes": encode(value).hex(),
            }
            for space, parts, value in part.values
        ],
    }


def plain(value: Any) -> Any:
    """Return the array of a record as JSON can hold it."""
    if isinstance(value, msgspec.Raw):
        return plain(msgspec.msgpack.decode(value))
    if isinstance(value, bytes):
        return {"bin": value.hex()}
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        fields = [plain(field) for field in msgspec.structs.astuple(value)]
        return fields if tag is None else [tag, *fields]
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def from_plain(value: Any) -> Any:
    """Return what a msgpack library of others encodes."""
    if isinstance(value, dict):
        return bytes.fromhex(value["bin"])
    return [from_plain(item) for item in value] if isinstance(value, list) else value


def _path(part: Part) -> Path:
    return VECTORS / f"{part.file}.json"


if __name__ == "__main__":
    for one in PARTS:
        _path(one).write_text(json.dumps(describe(one), indent=1) + "\n", encoding="utf-8")
