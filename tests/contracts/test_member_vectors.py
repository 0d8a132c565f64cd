"""Golden bytes of the calls and values of accounts, wijk and members (interfaces 4 and 5.5)."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.call_json import call_from_json
from chain.codec import decode, encode
from chain.errors import Malformed
from contracts import accounts, members, wijk
from tests.contracts.member_examples import CALLS, STATES, TABLE, VECTORS, describe
from tests.contracts.plain import from_plain

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(VECTORS.read_text(encoding="utf-8"))
NAMES = [f"{number} {golden['fields']['type']}" for number, golden in enumerate(GOLDEN["calls"])]


def test_every_call_and_value_has_its_golden_bytes() -> None:
    assert describe() == GOLDEN


def test_every_call_of_the_three_contracts_is_there() -> None:
    three = (accounts.CONTRACT, wijk.CONTRACT, members.CONTRACT)
    kinds = {call.kind for contract in three for call in contract.calls}

    assert {type(call) for call in CALLS} == kinds


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=NAMES)
def test_golden_calls_are_what_another_msgpack_writes(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    assert msgpack.packb(from_plain(golden["array"])) == data


@pytest.mark.parametrize(
    ("golden", "call"), list(zip(GOLDEN["calls"], CALLS, strict=True)), ids=NAMES
)
def test_golden_calls_are_read_back_from_bytes_and_from_json(
    golden: dict[str, Any], call: Any
) -> None:
    data = bytes.fromhex(golden["bytes"])
    read = TABLE.decode(data)

    assert type(read) is type(call)
    assert encode(read) == data
    assert encode(call_from_json(TABLE, golden["fields"])) == data


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=NAMES)
def test_a_golden_call_with_a_byte_more_or_less_is_malformed(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    for wrong in (data + b"\x00", data[:-1]):
        with pytest.raises(Malformed):
            TABLE.decode(wrong)


@pytest.mark.parametrize(
    ("golden", "example"), list(zip(GOLDEN["state"], STATES, strict=True)), ids=lambda _: ""
)
def test_golden_values_are_what_another_msgpack_writes(
    golden: dict[str, Any], example: tuple[Any, ...]
) -> None:
    space, parts, value = example
    data = bytes.fromhex(golden["value_bytes"])

    assert msgpack.packb(from_plain(golden["key"])).hex() == golden["key_bytes"]
    assert msgpack.packb(from_plain(golden["value"])) == data
    assert space.key(*parts).hex() == golden["key_bytes"]
    assert encode(decode(space.kind, data)) == encode(value)
