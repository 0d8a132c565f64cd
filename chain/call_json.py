"""Calls as JSON objects: `type`, then the catalogue's field names (interfaces 4).

`query tx`, `wijk tx build` and the explorer show a call; a person writes one in a file. The shape
follows from the types of the call's record, so a new call needs nothing here:

- bytes of 20 are an account id in bech32m, others with a least length are lower-case hex;
- bytes without one are a call inside a call, an object again;
- a field whose catalogue name is a word of Python (`class`, `from`) has that name in JSON;
- records and lists are objects and lists, `Bit` is true or false, nil is null;
- the value of a parameter may be bytes or text: there bytes are `{"hex": ...}`.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from chain.address import ACCOUNT_BYTES, account_text, parse_account
from chain.codec import decode, encode
from chain.contract import Table
from chain.errors import Malformed

T = TypeVar("T")

DEPTH_MAX = 16  # the deepest call, a proposal of an effect, has fewer than ten levels


def call_to_json(table: Table, call: Any) -> dict[str, Any]:
    """Return the JSON object of a decoded call of `table`."""
    kind: type = type(call)
    return _struct_json(table, _tagged(kind)[1], call, 0)


def call_bytes_to_json(table: Table, data: bytes) -> dict[str, Any]:
    """Return the JSON object of the call whose canonical bytes are `data`, or raise `Malformed`."""
    return call_to_json(table, table.decode(data))


def call_from_json(table: Table, tree: object) -> Any:
    """Return the call that a JSON object means, or raise `Malformed` naming the field.

    It is checked as a node would: what comes back has canonical bytes of the table.
    """
    return _read_call(table, tree, "call", 0)


def record_from_json(table: Table, kind: type[T], tree: object) -> T:
    """Return the record of that kind that a JSON object means, or raise `Malformed`."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return decode(kind, encode(_read_struct(table, info, tree, "record", 0)))


# ------------------------------------------------------------------------------------ writing


def _json(table: Table, kind: inspect.Type, value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise Malformed("a call with too many calls inside it")
    match kind:
        case inspect.UnionType():
            return _union_json(table, kind, value, depth)
        case inspect.StructType():
            return _struct_json(table, kind, value, depth)
        case inspect.BytesType():
            return _bytes_json(table, kind, value, depth)
        case inspect.TupleType(item_types=items):
            return [
                _json(table, item, part, depth + 1) for item, part in zip(items, value, strict=True)
            ]
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return [_json(table, item, part, depth + 1) for part in value]
        case inspect.IntType(ge=0, le=1):
            return bool(value)
        case inspect.RawType():
            return _plain_json(msgspec.msgpack.decode(value))
        case _:
            return value


def _struct_json(table: Table, kind: inspect.Type, value: Any, depth: int) -> dict[str, Any]:
    assert isinstance(kind, inspect.StructType)
    tree: dict[str, Any] = {} if kind.tag is None else {"type": kind.tag}
    for field in kind.fields:
        tree[field.encode_name] = _json(table, field.type, getattr(value, field.name), depth + 1)
    return tree


def _union_json(table: Table, kind: inspect.UnionType, value: Any, depth: int) -> Any:
    if value is None:
        return None
    if _is_plain(kind):
        return _plain_json(value)
    return _json(table, _choose(kind, value), value, depth)


def _bytes_json(table: Table, kind: inspect.BytesType, value: bytes, depth: int) -> Any:
    if kind.min_length is None:
        inner = table.decode(value)
        call: type = type(inner)
        return _struct_json(table, _tagged(call)[1], inner, depth + 1)
    return account_text(value) if len(value) == ACCOUNT_BYTES else value.hex()


def _plain_json(value: Any) -> Any:
    """A value whose type the catalogue leaves open: a parameter."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list | tuple):
        return [_plain_json(item) for item in value]
    return value


# ------------------------------------------------------------------------------------ reading


def _read_call(table: Table, tree: object, where: str, depth: int) -> Any:
    if not isinstance(tree, Mapping):
        raise Malformed(f"{where}: not an object")
    kinds = _kinds(table)
    name = tree.get("type")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Malformed(f"{where}.type: no call of that name")
    made = _read_struct(table, kind, tree, where, depth)
    return decode(kind.cls, encode(made))  # bounds are checked on decoding only


def _read(table: Table, kind: inspect.Type, tree: Any, where: str, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise Malformed(f"{where}: too many calls inside one another")
    match kind:
        case inspect.UnionType():
            return _read_union(table, kind, tree, where, depth)
        case inspect.StructType():
            return _read_struct(table, kind, tree, where, depth)
        case inspect.BytesType():
            return _read_bytes(table, kind, tree, where, depth)
        case inspect.TupleType(item_types=items):
            parts = _sequence(tree, where)
            if len(parts) != len(items):
                raise Malformed(f"{where}: {len(items)} values are needed")
            return tuple(
                _read(table, item, part, f"{where}[{i}]", depth + 1)
                for i, (item, part) in enumerate(zip(items, parts, strict=True))
            )
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return tuple(
                _read(table, item, part, f"{where}[{i}]", depth + 1)
                for i, part in enumerate(_sequence(tree, where))
            )
        case inspect.IntType():
            return _read_int(kind, tree, where)
        case inspect.StrType() | inspect.LiteralType():
            if not isinstance(tree, str):
                raise Malformed(f"{where}: not a text")
            return tree
        case inspect.RawType():
            return msgspec.Raw(encode(_read_plain(tree, where, depth)))
        case _:
            raise Malformed(f"{where}: cannot be written as JSON")


def _read_struct(table: Table, kind: inspect.StructType, tree: Any, where: str, depth: int) -> Any:
    if not isinstance(tree, Mapping):
        raise Malformed(f"{where}: not an object")
    known = {field.encode_name for field in kind.fields}
    if kind.tag is not None:
        known.add("type")
    for name in tree:
        if name not in known:
            raise Malformed(f"{where}.{name}: no such field")
    values = []
    for field in kind.fields:
        name = field.encode_name
        if name not in tree and not _allows_none(field.type):
            raise Malformed(f"{where}.{name}: missing")
        values.append(_read(table, field.type, tree.get(name), f"{where}.{name}", depth + 1))
    try:
        return kind.cls(*values)
    except ValueError as error:  # what a record refuses by itself
        raise Malformed(f"{where}: {error}") from error


def _read_union(table: Table, kind: inspect.UnionType, tree: Any, where: str, depth: int) -> Any:
    if tree is None and _allows_none(kind):
        return None
    if _is_plain(kind):
        return _read_plain(tree, where, depth)
    rest = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
    if len(rest) == 1:
        return _read(table, rest[0], tree, where, depth)
    name = tree.get("type") if isinstance(tree, Mapping) else None
    for part in rest:
        if isinstance(part, inspect.StructType) and part.tag == name:
            return _read_struct(table, part, tree, where, depth)
    raise Malformed(f"{where}: none of the kinds that can stand here")


def _read_bytes(table: Table, kind: inspect.BytesType, tree: Any, where: str, depth: int) -> bytes:
    if kind.min_length is None:
        return encode(_read_call(table, tree, where, depth + 1))
    if not isinstance(tree, str):
        raise Malformed(f"{where}: not a text")
    if kind.min_length == ACCOUNT_BYTES:
        return parse_account(tree)
    fixed = kind.min_length == kind.max_length
    return _hex(tree, where, kind.min_length if fixed else None)


def _read_int(kind: inspect.IntType, tree: Any, where: str) -> int:
    if isinstance(tree, bool) and (kind.ge, kind.le) == (0, 1):
        return int(tree)
    if isinstance(tree, bool) or not isinstance(tree, int):
        raise Malformed(f"{where}: not a whole number")
    return _check_size(tree, where)


def _read_plain(tree: Any, where: str, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise Malformed(f"{where}: too deep")
    if isinstance(tree, Mapping) and set(tree) == {"hex"} and isinstance(tree["hex"], str):
        return _hex(tree["hex"], where, None)
    if isinstance(tree, list | tuple):
        return tuple(_read_plain(part, where, depth + 1) for part in tree)
    if isinstance(tree, int) and not isinstance(tree, bool):
        return _check_size(tree, where)
    if not isinstance(tree, str):
        raise Malformed(f"{where}: not a number, a text, a list or hex")
    return tree


def _check_size(number: int, where: str) -> int:
    if not -(2**63) <= number < 2**64:  # what msgpack can hold
        raise Malformed(f"{where}: a number of more than 64 bits")
    return number


def _hex(text: str, where: str, size: int | None) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise Malformed(f"{where}: not hex") from error
    if data.hex() != text or (size is not None and len(data) != size):
        raise Malformed(f"{where}: not lower-case hex of {size} bytes")
    return data


# ------------------------------------------------------------------------------------ common


def _sequence(tree: Any, where: str) -> Sequence[Any]:
    if not isinstance(tree, list | tuple):
        raise Malformed(f"{where}: not a list")
    return tree


def _allows_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.UnionType) and kind.includes_none


def _is_plain(kind: inspect.UnionType) -> bool:
    """Say whether text and bytes, or numbers and lists, may stand in the same place."""
    rest = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
    structs = [part for part in rest if isinstance(part, inspect.StructType)]
    return len(rest) > 1 and not structs


def _choose(kind: inspect.UnionType, value: Any) -> inspect.Type:
    for part in kind.types:
        if isinstance(part, inspect.StructType) and type(value) is part.cls:
            return part
    return next(part for part in kind.types if not isinstance(part, inspect.NoneType))


def _kinds(table: Table) -> dict[Any, inspect.StructType]:
    calls = (call.kind for contract in table.contracts for call in contract.calls)
    return dict(_tagged(kind) for kind in calls)


@functools.cache  # working a type out takes longer than writing a call
def _tagged(kind: type) -> tuple[Any, inspect.StructType]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.tag, info
