"""A second implementation of I1 to I16 agrees on each block of a year, and sees what is planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from lxml import etree

from audit.export_xaf import NAMESPACE, Company, Xaf
from audit.invariants import add, add_up, find_wrong_books, find_wrong_changes, find_wrong_postings
from chain.codec import encode
from chain.stats import compute_figures
from tests.audit.second_opinion import judge
from tests.made_year import MadeYear, small_year

Block = list[Any]  # header, envelopes, outcomes, changes, what ended at the start


@pytest.fixture(scope="module")
def year() -> MadeYear:
    return small_year()


def take_apart(year: MadeYear) -> list[Block]:
    blocks = []
    for height in range(1, year.store.tip.height + 1):
        raw = year.store.raw_block(height)
        assert raw is not None
        outcomes = msgpack.unpackb(encode(year.store.outcomes(height)))
        start = msgpack.unpackb(encode(year.store.start(height)))
        blocks.append([raw[0], raw[3], outcomes, year.store.changes[height - 1], start])
    return blocks


def opening(year: MadeYear) -> Any:
    return msgpack.unpackb(encode(year.genesis.postings))


def test_both_find_every_block_of_the_year_sound(year: MadeYear, tmp_path: Path) -> None:
    """The other one is `audit/invariants.py`, asked after each block as the replay asks it."""
    auditor, found = judge(
        year.genesis.canonical, year.genesis.state, opening(year), map(tuple, take_apart(year))
    )
    assert found == {}
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
    assert state == auditor.state == year.state()
    assert {place: cents for place, cents in auditor.balances.items() if cents} == {
        place: cents for place, cents in books.balances.items() if cents
    }
    check_audit_files(year, tmp_path, auditor)
    check_figures(year, auditor)


def check_figures(year: MadeYear, auditor: Any) -> None:
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
            assert apart == 0  # no tag was corrected yet
            assert figures.discrepancies  # shops were not always told what was bought
            for other in wijken:
                there = auditor.figures.months[other, month]
                assert cells[f"P6:{other}"] == there[f"P7:{wijk}"]


def check_audit_files(year: MadeYear, folder: Path, auditor: Any) -> None:
    """I16: the figures of the XAF files are those that the second program counted."""
    companies = {one.slug: Company(one.name, "EUR", "") for one in year.plan.wijken}
    writer = Xaf(folder, companies, ("wijkchain", "0"), (None, 20251231), 20251231)
    for group in year.groups():
        writer.add(group)
    for name in writer.close():
        wijk = name.removeprefix("xaf-").removesuffix("-2025.xml")
        root = etree.parse(str(folder / name)).find(f"*/{{{NAMESPACE}}}transactions")
        assert root is not None
        lines, debit, credit = (root[i].text or "" for i in range(3))
        counted = (auditor.lines[wijk], auditor.debits[wijk], auditor.credits[wijk])
        assert (int(lines), *(int(text.replace(".", "")) for text in (debit, credit))) == counted


# ------------------------------------------------------------------------------ planted


def find_block(blocks: list[Block], call: str, number: int = 3) -> tuple[int, int]:
    """Return (height - 1, index) of a transaction of that kind that was carried out."""
    seen = 0
    for height, (_, envelopes, outcomes, *_) in enumerate(blocks):
        for index, envelope in enumerate(envelopes):
            name = msgpack.unpackb(msgpack.unpackb(envelope)[0])[4][0]
            if name == call and outcomes[index][2] == 0:
                seen += 1
                if seen == number:
                    return height, index
    raise AssertionError(f"no {call}")


def one_cent_more(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer")
    blocks[height][2][index][4][0][6] += 1


def both_sides_more(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer")
    for posting in blocks[height][2][index][4][:2]:
        posting[6] += 1


def another_payee(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer")
    other = find_block(blocks, "coin.transfer", 40)
    blocks[height][2][index][4][1][4] = blocks[other[0]][2][other[1]][4][0][4]


def a_refused_one_pays(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer")
    blocks[height][2][index][2] = 2104


def a_balance_without_posting(blocks: list[Block]) -> None:
    height, _ = find_block(blocks, "coin.transfer")
    key = next(key for key in blocks[height][3] if msgpack.unpackb(key)[0] == "bal")
    blocks[height + 5][3] = {**blocks[height + 5][3], key: msgpack.packb(10**6)}


def a_lost_write(blocks: list[Block]) -> None:
    height, _ = find_block(blocks, "coin.mint")
    changes = dict(blocks[height][3])
    del changes[next(key for key in changes if msgpack.unpackb(key)[0] == "supply")]
    blocks[height][3] = changes


def minted_for_nothing(blocks: list[Block]) -> None:
    """The statement that holds the entry is not there: no evidence."""
    height, index = find_block(blocks, "coin.mint")
    entry = msgpack.unpackb(msgpack.unpackb(blocks[height][1][index])[0])[4][1]
    for block in blocks[:height]:
        for place, envelope in enumerate(block[1]):
            call = msgpack.unpackb(msgpack.unpackb(envelope)[0])[4]
            if call[0] == "coin.statement" and any(row[0] == entry for row in call[7]):
                block[2][place][2] = 2119
                return
    raise AssertionError("the entry is of a statement")


def a_used_entry_stays_open(blocks: list[Block]) -> None:
    height, _ = find_block(blocks, "coin.mint")
    changes = dict(blocks[height][3])
    key = next(key for key in changes if msgpack.unpackb(key)[0] == "entry")
    row = msgpack.unpackb(changes[key])
    row[5] = None
    blocks[height][3] = changes | {key: msgpack.packb(row)}


def an_account_over_its_limit(blocks: list[Block]) -> None:
    """The registrars set the limit of all who are admitted to a cent."""
    for block in blocks:
        for key, value in list(block[3].items()):
            if msgpack.unpackb(key)[0] == "member" and value is not None:
                row = msgpack.unpackb(value)
                row[3] = 1
                block[3] = block[3] | {key: msgpack.packb(row)}


def a_correction_above_its_original(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer", 1)
    later = find_block(blocks, "coin.transfer", 50)
    original = blocks[height][2][index][1]
    for posting in blocks[later[0]][2][later[1]][4]:
        posting[6] += 10**6
        posting[10] = original


def a_payment_of_a_frozen_account(blocks: list[Block]) -> None:
    height, index = find_block(blocks, "coin.transfer")
    payer = blocks[height][2][index][4][0][4]
    frozen = {msgpack.packb(["freeze", payer]): msgpack.packb([2**40, "TEST"])}
    blocks[0][3] = blocks[0][3] | frozen


def a_fund_without_decision(blocks: list[Block]) -> None:
    for block in blocks:
        for key, value in list(block[3].items()):
            if msgpack.unpackb(key)[0] == "spent" and value is not None:
                decision = msgpack.unpackb(key)[1]
                blocks[0][3] = blocks[0][3] | {msgpack.packb(["decision", decision]): None}
                return


PLANTED: list[tuple[Callable[[list[Block]], None], str]] = [
    (one_cent_more, "I1"),
    (one_cent_more, "I2"),
    (both_sides_more, "I15"),
    (another_payee, "I15"),
    (a_refused_one_pays, "I15"),
    (a_balance_without_posting, "I15"),
    (a_lost_write, "I15"),
    (minted_for_nothing, "I6"),
    (minted_for_nothing, "I7"),
    (a_used_entry_stays_open, "I6"),
    (an_account_over_its_limit, "I13"),
    (a_correction_above_its_original, "I9"),
    (a_correction_above_its_original, "I3"),
    (a_payment_of_a_frozen_account, "I12"),
    (a_fund_without_decision, "I11"),
]


@pytest.mark.parametrize(("plant", "name"), PLANTED, ids=lambda one: getattr(one, "__name__", one))
def test_it_sees_what_was_planted(
    year: MadeYear, plant: Callable[[list[Block]], None], name: str
) -> None:
    blocks = take_apart(year)[:420]
    plant(blocks)
    _, found = judge(year.genesis.canonical, year.genesis.state, opening(year), map(tuple, blocks))
    assert name in found


def test_heights_are_named(year: MadeYear) -> None:
    blocks = take_apart(year)[:200]
    height, _ = find_block(blocks, "coin.transfer")
    one_cent_more(blocks)
    _, found = judge(year.genesis.canonical, year.genesis.state, opening(year), map(tuple, blocks))
    by_height = defaultdict(set)
    for name, heights in found.items():
        for one in heights:
            by_height[one].add(name)
    assert min(by_height) == height + 1
