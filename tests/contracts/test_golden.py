"""Golden bytes of the calls, scripts and state values of all contracts (interfaces 4 and 5.5)."""

from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from chain.call_json import call_from_json
from chain.codec import decode, encode
from chain.errors import Malformed
from contracts import CONTRACTS, policies
from tests.contracts.golden import PARTS, Part, Value, describe, from_plain, read
from tests.contracts.policy_examples import GUARDS, SHAPES

GOLDEN = {part.file: read(part) for part in PARTS}
CALLS = [
    pytest.param(part, golden, call, id=f"{part.file} {number} {golden['fields']['type']}")
    for part in PARTS
    for number, (golden, call) in enumerate(
        zip(GOLDEN[part.file]["calls"], part.calls, strict=True)
    )
]
VALUES = [
    pytest.param(golden, value, id=f"{part.file} {number} {golden['key'][0]}")
    for part in PARTS
    for number, (golden, value) in enumerate(
        zip(GOLDEN[part.file]["state"], part.values, strict=True)
    )
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.file)
def test_every_call_and_value_has_its_golden_bytes(part: Part) -> None:
    assert describe(part) == GOLDEN[part.file]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.file)
def test_every_call_is_there(part: Part) -> None:
    kinds = {call.kind for contract in part.contracts for call in contract.calls}

    assert {type(call) for call in part.calls} == kinds


def test_every_contract_and_every_script_is_there() -> None:
    names = [contract.name for part in PARTS for contract in part.contracts]

    assert sorted(names) == sorted(contract.name for contract in CONTRACTS)
    assert [type(shape) for shape in SHAPES] == [shape.kind for shape in policies.SHAPES]
    assert [type(guard) for guard in GUARDS] == [guard.kind for guard in policies.GUARDS]


@pytest.mark.parametrize(("part", "golden", "call"), CALLS)
def test_golden_calls_are_what_another_msgpack_writes(
    part: Part, golden: dict[str, Any], call: Any
) -> None:
    data = bytes.fromhex(golden["bytes"])

    assert msgpack.packb(from_plain(golden["array"])) == data
    assert part.table.decode(data) == call


@pytest.mark.parametrize(("part", "golden", "call"), CALLS)
def test_golden_calls_are_read_from_their_json(
    part: Part, golden: dict[str, Any], call: Any
) -> None:
    made = call_from_json(part.table, golden["fields"])

    assert made == call
    assert encode(made).hex() == golden["bytes"]


@pytest.mark.parametrize(("part", "golden", "call"), CALLS)
def test_a_golden_call_with_a_byte_more_or_less_is_malformed(
    part: Part, golden: dict[str, Any], call: Any
) -> None:
    data = bytes.fromhex(golden["bytes"])

    for wrong in (data + b"\x00", data[:-1]):
        with pytest.raises(Malformed):
            part.table.decode(wrong)


@pytest.mark.parametrize(("golden", "example"), VALUES)
def test_golden_values_are_what_another_msgpack_writes(
    golden: dict[str, Any], example: Value
) -> None:
    space, parts, value = example
    data = bytes.fromhex(golden["value_bytes"])

    assert msgpack.packb(from_plain(golden["key"])).hex() == golden["key_bytes"]
    assert msgpack.packb(from_plain(golden["value"])) == data
    assert space.key(*parts).hex() == golden["key_bytes"]
    assert decode(space.kind, data) == value
