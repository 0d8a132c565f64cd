"""Golden bytes of the calls and state values of coin and trade (interfaces 4 and 5.5)."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.codec import decode
from chain.errors import Malformed
from tests.contracts.call_examples import CALLS, STATES, TABLE, VECTORS, describe
from tests.contracts.plain import from_plain

GOLDEN: dict[str, list[dict[str, Any]]] = json.loads(VECTORS.read_text(encoding="utf-8"))


def test_every_call_and_value_has_its_golden_bytes() -> None:
    assert describe() == GOLDEN


def test_every_call_of_coin_and_trade_is_there() -> None:
    assert {type(call) for call in CALLS} == {
        call.kind for contract in TABLE.contracts for call in contract.calls
    }


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=lambda golden: golden["fields"]["type"])
def test_golden_calls_are_what_another_msgpack_writes(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    assert msgpack.packb(from_plain(golden["array"])) == data
    assert TABLE.decode(data) in CALLS


@pytest.mark.parametrize("golden", GOLDEN["state"], ids=lambda golden: golden["key"][0])
def test_golden_values_are_what_another_msgpack_writes(golden: dict[str, Any]) -> None:
    value = bytes.fromhex(golden["value_bytes"])

    assert msgpack.packb(from_plain(golden["key"])).hex() == golden["key_bytes"]
    assert msgpack.packb(from_plain(golden["value"])) == value


@pytest.mark.parametrize(
    ("golden", "example"), list(zip(GOLDEN["state"], STATES, strict=True)), ids=lambda _: ""
)
def test_golden_values_are_read_back(golden: dict[str, Any], example: tuple[Any, ...]) -> None:
    space, _, value = example

    assert decode(space.kind, bytes.fromhex(golden["value_bytes"])) == value


@pytest.mark.parametrize("golden", GOLDEN["calls"], ids=lambda golden: golden["fields"]["type"])
def test_a_golden_call_with_a_byte_more_or_less_is_malformed(golden: dict[str, Any]) -> None:
    data = bytes.fromhex(golden["bytes"])

    for wrong in (data + b"\x00", data[:-1]):
        with pytest.raises(Malformed):
            TABLE.decode(wrong)
