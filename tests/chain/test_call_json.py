"""Calls as JSON objects (interfaces 4)."""

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from chain.address import account_text
from chain.call_json import call_bytes_to_json, call_from_json, call_to_json
from chain.codec import encode
from chain.contract import Table
from chain.errors import Malformed
from chain.records import Tag
from contracts import CONTRACTS, coin, trade

TABLE = Table((coin.CONTRACT, trade.CONTRACT))
WHO = bytes(range(20))
ID = bytes(range(32))


CALLS: list[tuple[Any, dict[str, Any]]] = [
    (
        coin.Transfer((coin.Leg(WHO, 1250, Tag("SALE", None, "A", 7), ID),), None),
        {
            "type": "coin.transfer",
            "legs": [
                {
                    "to": account_text(WHO),
                    "cents": 1250,
                    "tag": {"flow": "SALE", "use": None, "product": "A", "vat": 7},
                    "note": ID.hex(),
                }
            ],
            "basis": None,
        },
    ),
    (
        coin.Mint(ID, WHO, 5, "DEPOSIT", None),
        {
            "type": "coin.mint",
            "entry_id": ID.hex(),
            "to": account_text(WHO),
            "cents": 5,
            "cause": "DEPOSIT",
            "request": None,
        },
    ),
    (
        coin.StatementCall(
            ID, 20260105, 1, 1, 0, 10, (coin.StatementEntry(ID, 20260105, 20260105, 10, "C", 0),)
        ),
        {
            "type": "coin.statement",
            "reserve": ID.hex(),
            "date": 20260105,
            "page": 1,
            "pages": 1,
            "opening": 0,
            "closing": 10,
            "entries": [
                {
                    "entry_id": ID.hex(),
                    "booking": 20260105,
                    "value": 20260105,
                    "cents": 10,
                    "side": "C",
                    "reversal": False,
                }
            ],
        },
    ),
    (
        trade.Pay(WHO, 1, None, None),
        {"type": "trade.pay", "to": account_text(WHO), "cents": 1, "tag": None, "note": None},
    ),
]


@pytest.mark.parametrize(("call", "tree"), CALLS, ids=lambda value: type(value).__name__)
def test_a_call_and_its_object_mean_the_same(call: Any, tree: dict[str, Any]) -> None:
    assert call_to_json(TABLE, call) == tree
    assert call_bytes_to_json(TABLE, encode(call)) == tree
    assert call_from_json(TABLE, tree) == call
    assert encode(call_from_json(TABLE, tree)) == encode(call)


def test_absent_optional_fields_may_be_left_out() -> None:
    tree = {"type": "trade.pay", "to": account_text(WHO), "cents": 1}

    assert call_from_json(TABLE, tree) == trade.Pay(WHO, 1, None, None)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type": "coin.nothing"}, "call.type"),
        ({"type": None}, "call.type"),
        ({"to": "wijk1x"}, "account id"),
        ({"to": 5}, "call.to"),
        ({"cents": "1"}, "call.cents"),
        ({"cents": True}, "call.cents"),
        ({"cents": 1.5}, "call.cents"),
        ({"cents": -1}, "Pay: Expected `int` >= 0"),
        ({"cents": 2**64}, "call.cents: a number of more than 64 bits"),
        ({"cents": -(2**63) - 1}, "call.cents: a number of more than 64 bits"),
        ({"note": "AB" * 32}, "call.note"),
        ({"note": "ab"}, "call.note"),
        ({"memo": "x"}, "call.memo"),
        ({"tag": {"flow": "SALE"}}, "call.tag.vat"),
        ({"tag": []}, "call.tag"),
    ],
    ids=str,
)
def test_what_is_no_call_is_refused_with_its_place(change: dict[str, Any], where: str) -> None:
    tree = {"type": "trade.pay", "to": account_text(WHO), "cents": 1} | change

    with pytest.raises(Malformed, match=where):
        call_from_json(TABLE, tree)


@pytest.mark.parametrize("tree", [None, 5, "coin.transfer", [], [["type", "coin.transfer"]]])
def test_only_an_object_is_a_call(tree: object) -> None:
    with pytest.raises(Malformed, match="not an object"):
        call_from_json(TABLE, tree)


def test_missing_fields_are_named() -> None:
    with pytest.raises(Malformed, match=r"call\.cents: missing"):
        call_from_json(TABLE, {"type": "trade.pay", "to": account_text(WHO)})


# --------------------------------------------------------------------- every call there is

EVERY = Table(CONTRACTS)
INNER = encode(trade.Pay(WHO, 1, None, None))


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Return values that a field of a call may have, from its type alone."""
    match kind:
        case inspect.StructType():
            parts = [values(field.type) for field in kind.fields]
            return st.builds(kind.cls, *parts)
        case inspect.BytesType(min_length=low, max_length=high) if low is not None:
            return st.binary(min_size=low, max_size=high)
        case inspect.BytesType():
            return st.just(INNER)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low if low is not None else -5, high if high is not None else 9)
        case inspect.LiteralType(values=words):
            return st.sampled_from(words)
        case inspect.StrType():
            return st.text("abcXYZ0129:-", min_size=kind.min_length or 1, max_size=8)
        case inspect.UnionType(types=kinds):
            return st.one_of(*(values(part) for part in kinds))
        case inspect.NoneType():
            return st.none()
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            most = min(high or 3, max(low or 0, 3))
            return st.lists(values(item), min_size=low or 0, max_size=most).map(tuple)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(values, items))
        case inspect.RawType():
            some = st.one_of(st.integers(0, 99), st.text("ab", max_size=3), st.binary(max_size=3))
            return st.one_of(some, st.lists(some, max_size=2)).map(
                lambda value: msgspec.Raw(encode(value))
            )
        case _:
            raise AssertionError(f"no values for {kind}")


@cache
def calls(kind: type) -> st.SearchStrategy[Any]:
    """Return the calls of a kind; made once, for hypothesis looks a strategy through each time."""
    return values(inspect.type_info(kind))


KINDS = [call.kind for contract in CONTRACTS for call in contract.calls]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (2**64, "64 bits"),
        ([[-(2**63) - 1]], "64 bits"),
        ([[["deep"]]], "call: value is neither"),
        (True, "call.value: not a number"),
        ({"hex": "0g"}, "call.value: not hex"),
        ({"hex": 5}, "call.value: not a number"),
    ],
    ids=str,
)
def test_the_value_of_a_parameter_is_plain(value: object, what: str) -> None:
    """A file of a person or a post never ends in another error (wijk tx build, API)."""
    tree = {"type": "wijk.set_param", "name": "seconders", "value": value, "from_epoch": 9}

    with pytest.raises(Malformed, match=what):
        call_from_json(EVERY, tree)


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "hex", "cents", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__struct_config__.tag))
@given(data=st.data())
def test_hostile_objects_are_malformed_and_nothing_else(kind: type, data: st.DataObject) -> None:
    """One field of a good call is replaced by whatever JSON can hold."""
    raw = encode(data.draw(calls(kind)))
    tree = call_bytes_to_json(EVERY, raw)
    tree[data.draw(st.sampled_from(sorted(tree)))] = data.draw(trees)
    try:
        made = call_from_json(EVERY, tree)
    except Malformed:
        return
    assert EVERY.decode(encode(made)) == made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__struct_config__.tag))
@given(data=st.data())
def test_every_call_comes_back_from_json_text_with_the_same_bytes(
    kind: type, data: st.DataObject
) -> None:
    raw = encode(data.draw(calls(kind)))
    tree = json.loads(json.dumps(call_bytes_to_json(EVERY, raw)))

    assert encode(call_from_json(EVERY, tree)) == raw
