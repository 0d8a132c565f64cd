"""Prints docs/policies.md from the policy scripts and their tables of cases.

Run `python -m tests.contracts.policy_docs` after a change; a test compares what it would write.
"""

from __future__ import annotations

import re
from pathlib import Path

from chain.address import account_text
from contracts.policies import GUARDS, SHAPES
from contracts.policies import p14_split as p14
from tests.contracts import policy_cases_deals, policy_cases_grants, policy_cases_guards
from tests.contracts.policy_story import NOTHING_PAID, PAID, Table, Told, play
from tests.federation import account

DOCS = Path(__file__).parents[2] / "docs" / "policies.md"
TABLES = tuple(
    sorted(
        (*policy_cases_guards.TABLES, *policy_cases_grants.TABLES, *policy_cases_deals.TABLES),
        key=lambda table: int(table.script[1:]),
    )
)
NAMES = ("gever", "anna", "dirk", "vera", "bakker", "slijter", "winkel", "bram")
OUTCOMES = {PAID: "toegestaan · allowed", NOTHING_PAID: "genoteerd · noted"}
HEAD = """# Policy scripts: the rules on a funder's money, by example

A policy is one *shape*, which says how money leaves a pool, and *guards*, which must all allow a
payment. The rules sit on the money of the funder until it is spent; coin that people own never
expires, costs no fee and is bound to no area. Whoever signs reads the sentences of a policy first;
whoever is refused reads which rule it was, and the number.

Each table below is a story on one chain, row after row. The same rows run as tests through the
executor, and this page is printed from them: `python -m tests.contracts.policy_docs`. Every row is
in Dutch and in English; above a table stands what people read before the first row.

| Rule | Name | Kind | File |
|---|---|---|---|
"""


def main() -> None:
    """Write the page."""
    DOCS.write_text(write(), encoding="utf-8")


def write() -> str:
    """Return the page."""
    rows = [("P0", "claim", "shape")]
    rows += [(shape.id, shape.clause, "shape") for shape in SHAPES if shape.id != "P0"]
    rows += [(guard.id, guard.clause, "guard") for guard in GUARDS]
    rows.append(("P14", "split", "split"))
    rows.sort(key=lambda row: int(row[0][1:]))
    said = {shape.id: (shape.nl, shape.en) for shape in SHAPES}
    said |= {guard.id: (guard.nl, guard.en) for guard in GUARDS} | {"P14": (p14.NL, p14.EN)}
    text = HEAD
    for script, clause, kind in rows:
        name = f"p{int(script[1:]):02}_{clause}.py"
        text += f"| {script} | `{clause}` | {kind} | `contracts/policies/{name}` |\n"
    for script, clause, _ in rows:
        nl, en = said[script]
        text += f"\n## {script} `{clause}`\n\n{_plain(nl)}\n\n{_plain(en)}\n"
        for table in TABLES:
            if table.script == script:
                text += _print(table)
    return text


def _print(table: Table) -> str:
    before, told = play(table)
    text = f"\n{table.nl}\n\n*{table.en}*\n\n"
    for sentence in before:
        text += f"> {_named(sentence)}\n>\n" if sentence else ""
    text += "\n| | Wat · What | Uitkomst · Outcome | Melding · Message |\n|---|---|---|---|\n"
    for number, one in enumerate(told, start=1):
        text += _row(number, one)
    return text


def _named(sentence: str) -> str:
    """Return a sentence with the names of this page for accounts."""
    for name in NAMES:
        sentence = sentence.replace(account_text(account(name)), name.title())
    return sentence


def _row(number: int, told: Told) -> str:
    want = told.row.want
    outcome = OUTCOMES.get(want, f"geweigerd · refused `{want}`")
    message = _named(f"{told.nl} · {told.en}") if told.nl else ""
    return f"| {number} | {told.row.nl} · {told.row.en} | {outcome} | {message} |\n"


def _plain(template: str) -> str:
    """Return a sentence with its parts and the names of their numbers."""
    return re.sub(r"[\[\]]", "", template.replace("{", "*").replace("}", "*"))


if __name__ == "__main__":
    main()
