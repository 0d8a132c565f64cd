"""Every call has a happy path, and every refusal that the contracts can give has a test.

A walk over the table of calls and over the sources: it asks no more than that the names of calls
and codes occur where they must, and the tests named there assert the rest.
"""

import ast
import re
from pathlib import Path

import pytest

from chain.contract import Call
from chain.errors import Code
from contracts import CONTRACTS

CHECKOUT = Path(__file__).parents[2]
SOURCES = (*sorted((CHECKOUT / "contracts").rglob("*.py")), CHECKOUT / "chain" / "books.py")
CALLS = {
    str(call.kind.__struct_config__.tag): call  # type: ignore[attr-defined]
    for contract in CONTRACTS
    for call in contract.calls
}


FILES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((CHECKOUT / "tests" / "contracts").glob("test_*.py"))
    if path.name != Path(__file__).name
}


def _tests() -> dict[str, str]:
    """Return the source of every test function beside this file, by name."""
    found: dict[str, str] = {}
    for text in FILES.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = ast.get_source_segment(text, node) or ""
    return found


def _codes(text: str) -> set[str]:
    return set(re.findall(r"\bCode\.([A-Z0-9_]+)", text))


TESTS = _tests()
RAISED = sorted(set().union(*(_codes(path.read_text(encoding="utf-8")) for path in SOURCES)))


def test_calls_are_named_after_their_contract() -> None:
    """economy section 4: calls are written `contract.call`, each once."""
    for contract in CONTRACTS:
        for call in contract.calls:
            assert _name(call).startswith(f"{contract.name}.")
    assert len(CALLS) == sum(len(contract.calls) for contract in CONTRACTS)


def _name(call: Call) -> str:
    return str(call.kind.__struct_config__.tag)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_call_has_a_happy_path(name: str) -> None:
    """A test that is named after the call, or makes one, and is not about a refusal."""
    prefix = f"test_{name.replace('.', '_')}_"
    made = re.compile(rf"\b{CALLS[name].kind.__name__}\(")

    happy = [
        test
        for test, text in TESTS.items()
        if "refuse" not in test and (test.startswith(prefix) or made.search(text))
    ]

    assert happy, f"no test {prefix}... of a call that is carried out"


@pytest.mark.parametrize("code", RAISED)
def test_every_refusal_has_a_test(code: str) -> None:
    """economy B7: a code that contracts can give is asserted in a test, by its name."""
    assert code in Code.__members__

    named = [file for file, text in FILES.items() if code in _codes(text)]

    assert named, f"no test names Code.{code}"


def test_calls_that_no_breaker_stops_are_those_of_e42() -> None:
    """economy E42 and B3: those calls, of this version's contracts, have the free daily quota."""
    never = {
        "coin.redeem_request",
        "election.cast",
        "governance.cast",
        "election.object",
        "board.recall",
        "governance.second",
        "governance.issue",
        "accounts.set_keys",
    }

    assert {name for name, call in CALLS.items() if call.never_tripped} == never & CALLS.keys()
