"""The tables of cases of the policy scripts, played through the executor (economy section 6)."""

from __future__ import annotations

import pytest

from contracts.policies import GUARDS, SHAPES
from tests.contracts.policy_docs import DOCS, TABLES, write
from tests.contracts.policy_story import NOTHING_PAID, PAID, Table, play


@pytest.mark.parametrize(
    "table", TABLES, ids=[f"{table.script}-{number}" for number, table in enumerate(TABLES)]
)
def test_a_table_of_cases_is_what_the_chain_does(table: Table) -> None:
    before, told = play(table)

    assert len(told) == len(table.rows)
    for sentence in before:
        assert sentence.endswith("."), sentence
        assert not set("[]{}") & set(sentence), sentence


def test_every_script_has_cases_that_allow_and_that_refuse() -> None:
    scripts = {shape.id for shape in SHAPES} | {guard.id for guard in GUARDS} | {"P14"}

    wants: dict[str, set[bool]] = {}
    for table in TABLES:
        for row in table.rows:
            wants.setdefault(table.script, set()).add(row.want in (PAID, NOTHING_PAID))

    assert wants == {script: {True, False} for script in scripts}


def test_the_printed_tables_are_up_to_date() -> None:
    """`python -m tests.contracts.policy_docs` prints them anew."""
    assert DOCS.read_text(encoding="utf-8") == write()
