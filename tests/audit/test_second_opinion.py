"""A second implementation of I1 to I16 agrees on each block of a year, and sees what is planted."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from msgspec.structs import replace

from audit.export_xaf import NAMESPACE, Company, Xaf
from audit.invariants import add, add_up, find_wrong_books, find_wrong_changes, find_wrong_postings
from audit.rows import Row
from chain.stats import compute_figures
from tests.audit.second_faults import FAULTS, Block, Fault, take_apart, unpack
from tests.audit.second_opinion import Auditor, judge
from tests.made_year import MadeYear, small_year

BLOCKS_AFTER = 12  # within which a fault is found: that night, or the next week's day of it


@pytest.fixture(scope="module")
def year() -> MadeYear:
    return small_year()


@pytest.fixture(scope="module")
def blocks(year: MadeYear) -> list[Block]:
    return take_apart(year)


@pytest.fixture(scope="module")
def planted(blocks: list[Block]) -> dict[str, tuple[int, Block]]:
    """Each fault: the place of its block in the year, and that block with the fault in it."""
    made = {}
    for fault in FAULTS:
        at, change = fault.find(blocks)
        block = copy.deepcopy(blocks[at])
        change(block)
        made[fault.name] = at, block
    return made


@pytest.fixture(scope="module")
def judged(
    year: MadeYear, blocks: list[Block], planted: dict[str, tuple[int, Block]]
) -> tuple[Auditor, dict[int, set[str]], dict[int, bytes]]:
    """One pass over the year: the auditor at its end, what it found by height, and what it knew
    before each block that a fault is planted in.
    """
    postings = unpack(year.genesis.postings)
    auditor = Auditor(year.genesis.canonical, year.genesis.state, postings)
    found = {0: auditor.found}
    places = {at for at, _ in planted.values()}
    known = {}
    for at, block in enumerate(blocks):
        if at in places:
            known[at] = pickle.dumps(auditor)
        found[at + 1] = auditor.add(*block)
    return auditor, {height: names for height, names in found.items() if names}, known


Judged = tuple[Auditor, dict[int, set[str]], dict[int, bytes]]


def test_it_shares_no_code_with_the_node() -> None:
    """Not a line of contracts/, nor of chain/: what it imports is itself, msgpack and Python."""
    names = set()
    for path in Path(__file__).parent.glob("second_*.py"):
        if path.name == "second_faults.py":
            continue  # it plants, and reads the year for that
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
    own = {name for name in names if name.startswith("tests.audit.second_")}
    standard = {"__future__", "collections", "collections.abc", "datetime", "hashlib", "json"}
    assert names - own == standard | {"typing", "msgpack"}


def test_both_find_every_block_of_the_year_sound(
    year: MadeYear, judged: Judged, tmp_path: Path
) -> None:
    """The other one is `audit/invariants.py`, asked after each block as the replay asks it."""
    auditor, found, _ = judged
    assert found == {}
    assert auditor.recount()
    state = dict(year.genesis.state)
    books = add_up(year.genesis.postings, len(year.genesis.postings))
    for height, changes in enumerate(year.store.changes, start=1):
        outcomes = (*year.store.start(height), *year.store.outcomes(height))
        for outcome in outcomes:
            assert find_wrong_postings(outcome.postings) == []
        postings = [posting for outcome in outcomes for posting in outcome.postings]
        for key, value in changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        add(books, postings)
        assert find_wrong_changes(books, postings, changes, state) == []
    assert find_wrong_books(books, state) == []
    assert state == auditor.view.state == year.state()
    assert {place: cents for place, cents in auditor.books.balances.items() if cents} == {
        place: cents for place, cents in books.balances.items() if cents
    }
    check_figures(year, auditor)


def check_figures(year: MadeYear, auditor: Auditor) -> None:
    """economy A6, S8, S9: discrepancies are listed and add up; exports equal imports by pair."""
    wijken = [one.slug for one in year.plan.wijken]
    assert len(auditor.figures.roots) == 11 * len(wijken)  # December is closed in January
    for wijk in wijken:
        for month in range(202_501, 202_512):
            cells = auditor.figures.months[wijk, month]
            figures = compute_figures(cells.items())
            assert figures.production == cells["P1"] - cells["P2"] > 0
            apart = sum(figures.discrepancies.values())
            assert apart == figures.production - figures.expenditure
            assert apart == 0  # a tag is corrected on both sides at once
            assert figures.discrepancies  # shops were not always told what was bought
            for other in wijken:
                there = auditor.figures.months[other, month]
                assert cells[f"P6:{other}"] == there[f"P7:{wijk}"]


def count_audit_files(year: MadeYear, folder: Path, groups: Any) -> dict[str, tuple[int, int, int]]:
    """Write the XAF files; return linesCount, totalDebit and totalCredit of each wijk."""
    companies = {one.slug: Company(one.name, "EUR", "") for one in year.plan.wijken}
    writer = Xaf(folder, companies, ("wijkchain", "0"), (None, 20251231), 20251231)
    for group in groups:
        writer.add(group)
    found = {}
    for name in writer.close():
        wijk = name.removeprefix("xaf-").removesuffix("-2025.xml")
        root = etree.parse(str(folder / name)).find(f"*/{{{NAMESPACE}}}transactions")
        assert root is not None
        lines, debit, credit = ((root[i].text or "").replace(".", "") for i in range(3))
        found[wijk] = int(lines), int(debit), int(credit)
    return found


def test_the_audit_files_hold_what_both_counted_i16(
    year: MadeYear, judged: Judged, tmp_path: Path
) -> None:
    books = judged[0].books
    counted = {
        wijk: (books.lines[wijk], books.debits[wijk], books.credits[wijk]) for wijk in books.lines
    }
    assert count_audit_files(year, tmp_path, year.groups()) == counted


def test_an_audit_file_with_a_booking_more_is_seen_i16(
    year: MadeYear, judged: Judged, tmp_path: Path
) -> None:
    books = judged[0].books
    groups = list(year.groups())
    at = next(i for i, group in enumerate(groups) if i > 500 and group[0].wijk == "delfshaven")
    again: list[Row] = [replace(row, leg=row.leg + 9) for row in groups[at]]
    groups[at] = [*groups[at], *again]
    lines, debit, credit = count_audit_files(year, tmp_path, groups)["delfshaven"]
    assert lines == books.lines["delfshaven"] + len(again)
    assert (debit, credit) != (books.debits["delfshaven"], books.credits["delfshaven"])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_sees_what_was_planted(
    blocks: list[Block],
    planted: dict[str, tuple[int, Block]],
    judged: Judged,
    fault: Fault,
) -> None:
    at, block = planted[fault.name]
    auditor: Auditor = pickle.loads(judged[2][at])
    seen = auditor.add(*block)
    for later in blocks[at + 1 : at + 1 + BLOCKS_AFTER]:
        if fault.invariants <= seen:
            break
        seen |= auditor.add(*later)
    assert fault.invariants <= seen


def test_heights_are_named(year: MadeYear, blocks: list[Block]) -> None:
    """What `judge` says of a whole chain begins where the fault stands, and not before it."""
    fault = next(fault for fault in FAULTS if fault.name == "one_cent_more")
    at, change = fault.find(blocks)
    changed = copy.deepcopy(blocks[: at + 2])
    change(changed[at])
    postings = unpack(year.genesis.postings)
    _, found = judge(year.genesis.canonical, year.genesis.state, postings, changed)
    assert min(min(heights) for heights in found.values()) == at + 1
    assert {name for name, heights in found.items() if at + 1 in heights} >= fault.invariants


def test_each_invariant_has_a_fault_that_breaks_it() -> None:
    broken = {name for fault in FAULTS for name in fault.invariants}
    assert broken == {f"I{number}" for number in range(1, 16)} | {"S2"}  # I16: see above
