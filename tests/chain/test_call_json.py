"""Calls as JSON objects (interfaces 4)."""

from typing import Any

import pytest

from chain.address import account_text
from chain.call_json import call_bytes_to_json, call_from_json, call_to_json
from chain.codec import encode
from chain.contract import Table
from chain.errors import Malformed
from chain.records import Tag
from contracts import coin, trade

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
