"""Golden bytes of the calls and values of elections (interfaces 4, 5.5)."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.call_json import call_from_json
from chain.codec import decode, encode
from chain.errors import Malformed
from tests.contracts.election_examples import CALLS, STATES, TABLE, VECTORS, describe
from tests.contracts.plain import from_plain

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(VECTORS.read_text(encoding="utf-8"))
NAMES = [f"{number} {golden['fields']['type']}" for number, golden in enumerate(GOLDEN["calls"])]


def test_every_call_and_value_has_its_golden_bytes() -> None:
    assert describe() == GOLDEN


def test_every_call_is_there() -> None:
    kinds = {call.kind for contract in TABLE.contracts for call in contract.calls}

    assert {type(call) for call in CALLS} == kinds


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=NAMES)
def test_golden_calls_are_what_another_msgpack_writes(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    assert msgpack.packb(from_plain(golden["array"])) == data
    assert TABLE.decode(data) in CALLS


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=NAMES)
def test_golden_calls_are_read_from_their_json(golden: dict[str, Any]) -> None:
    assert encode(call_from_json(TABLE, golden["fields"])).hex() == golden["bytes"]


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=NAMES)
def test_a_golden_call_with_a_byte_more_or_less_is_malformed(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    for wrong in (data + b"\x00", data[:-1]):
        with pytest.raises(Malformed):
            TABLE.decode(wrong)


@pytest.mark.parametrize(
    ("golden", "example"), list(zip(GOLDEN["state"], STATES, strict=True)), ids=lambda _: ""
)
def test_golden_values_are_read_back(golden: dict[str, Any], example: tuple[Any, ...]) -> None:
    space, _, value = example

    assert msgpack.packb(from_plain(golden["key"])).hex() == golden["key_bytes"]
    assert decode(space.kind, bytes.fromhex(golden["value_bytes"])) == value
