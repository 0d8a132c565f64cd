"""Documents that are nearly right: one part is replaced, removed or repeated (W36, interfaces 5).

Random bytes end at the JSON reader. These get as far as the rules, and must end in `Malformed` or
in a verdict, never in another error.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import Malformed
from chain.genesis import load_genesis
from chain.policy import read_policy, write_policy
from chain.proof import verify_consistency_proof, verify_state_proof
from tests.chain.test_proof import POLICY, consistency, head_note, of_kind
from tests.federation import make_document

Path = tuple[str | int, ...]

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2**53, 2**63, 2**64, 10**19, "", "x", "\n", "é", "\u202e", "\x00",
    "0" * 64, "ff" * 32, "00" * 32, "wijk1" + "q" * 38, "9999-12-31", "0000-00-00", "2025-12-31\n",
    "1.5", "\u0661", "-", "=" * 44, "A" * 43 + "=", [], [[]], {}, {"a": 1}, [1], ["x"], [None] * 99,
]  # fmt: skip


def parts(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for name, part in inside:
        yield from parts(part, (*path, name))


def damage(data: st.DataObject, document: Any) -> Any:
    changed = copy.deepcopy(document)
    *way, last = data.draw(st.sampled_from(list(parts(document))))
    target: Any = changed
    for step in way:
        target = target[step]
    match data.draw(st.sampled_from(["put", "put", "drop", "repeat", "move"])):
        case "put":
            target[last] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        case "drop":
            del target[last]
        case "repeat" if isinstance(target, list):
            target.append(copy.deepcopy(target[-1]))
        case _:
            other: Any = document
            for step in data.draw(st.sampled_from(list(parts(document)))):
                other = other[step]
            target[last] = copy.deepcopy(other)
    return changed


def tables(document: dict[str, Any]) -> dict[str, Any]:
    document["params"] |= {"small_areas": [["WK059903"]], "max_validity_s": 600}
    return document


DOCUMENTS: dict[str, tuple[Any, Callable[[bytes], Any]]] = {
    "genesis": (tables(make_document(wijken=2)), load_genesis),
    "policy": (json.loads(write_policy(POLICY)), read_policy),
    "consistency": (
        json.loads(consistency(from_checkpoint=head_note(4), to_checkpoint=head_note(11))),
        lambda text: verify_consistency_proof(text, POLICY),
    ),
    **{
        f"state {kind}": (of_kind(kind), lambda text: verify_state_proof(text, POLICY))
        for kind in ("value", "empty", "other")
    },
}


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_a_damaged_document_is_malformed_or_judged(name: str, data: st.DataObject) -> None:
    document, read = DOCUMENTS[name]
    changed = damage(data, damage(data, document))
    try:
        found = read(json.dumps(changed).encode())
    except Malformed:
        return
    assert found is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_are_right_before_they_are_damaged(name: str) -> None:
    document, read = DOCUMENTS[name]

    assert getattr(read(json.dumps(document).encode()), "ok", True)
