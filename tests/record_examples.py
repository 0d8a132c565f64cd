"""One example of every tagged record, made from its types alone; `python -m` writes the vectors.

An example is a function of the record's fields: integers, bytes and texts are filled by rule. So
a field that is added, dropped, moved or retyped changes the bytes, and the diff shows it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from chain.codec import Record, encode

PACKAGES = ("chain", "consensus", "contracts", "node", "wallet")
VECTORS = Path(__file__).parent / "vectors" / "records.json"


def tagged_records() -> dict[str, type[Record]]:
    """Return tag -> record, of all packages, in the order of the tags."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            importlib.import_module(found.name)
    records: dict[str, type[Record]] = {}
    todo = [Record]
    while todo:
        for record in todo.pop().__subclasses__():
            todo.append(record)
            tag = record.__struct_config__.tag
            package = record.__module__.split(".")[0]
            if tag is not None and package in PACKAGES:  # tests define records of their own
                records[str(tag)] = record
    return dict(sorted(records.items()))


def make_example(record: type[Record]) -> Record:
    """Return the example of a record."""
    example = _fill(inspect.type_info(record), 1)
    assert isinstance(example, Record)
    return example


def _fill(kind: Any, number: int) -> Any:
    match kind:
        case inspect.StructType():
            fields = [_fill(field.type, number + place) for place, field in enumerate(kind.fields)]
            return kind.cls(*fields)
        case inspect.IntType():
            low = 0 if kind.ge is None else kind.ge
            high = 2**40 if kind.le is None else kind.le
            return low + (number * 1_000_003) % (high - low + 1)
        case inspect.BytesType():
            length = max(kind.min_length or 0, min(4, kind.max_length or 4))
            return bytes((number + i) % 256 for i in range(length))
        case inspect.StrType():
            return f"text {number}"[: kind.max_length or 32]
        case inspect.BoolType():
            return bool(number % 2)
        case inspect.NoneType():
            return None
        case inspect.LiteralType():
            return sorted(kind.values, key=str)[number % len(kind.values)]
        case inspect.EnumType():
            return list(kind.cls)[number % len(list(kind.cls))]
        case inspect.VarTupleType():
            length = max(kind.min_length or 0, min(2, kind.max_length or 2))
            return tuple(_fill(kind.item_type, number + i) for i in range(length))
        case inspect.TupleType():
            return tuple(_fill(item, number + i) for i, item in enumerate(kind.item_types))
        case inspect.UnionType():
            chosen = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            return _fill(chosen[number % len(chosen)], number)
        case inspect.RawType():
            return msgspec.Raw(encode(number))
        case _:
            raise TypeError(f"no rule for {kind}")


def main() -> None:
    """Write the vectors anew: read the diff, commit only what is understood."""
    found = {tag: encode(make_example(record)).hex() for tag, record in tagged_records().items()}
    VECTORS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
