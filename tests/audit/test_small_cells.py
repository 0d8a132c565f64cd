"""Cells of ten accounts, attacked: what all published figures together give away (economy G7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit.small_cells import (
    CONTRIBUTORS_MIN,
    Item,
    close_runs,
    count_contributors,
    divide,
    divide_all,
    is_large,
    join_runs,
    round_cents,
    round_count,
)

NAMES = ("category", "area")
Atom = tuple[Any, ...]


def pay(
    asker: int | None,
    payee: int,
    cents: int = 1_000,
    month: int = 202_601,
    marks: tuple[str, ...] = ("C01", "A"),
    *,
    person: bool = False,
    token: int | None = None,
) -> Item:
    """A payment to a shop unless `person`, that a resident asked, or an institution for a token."""
    who = None if asker is None else b"a%03d" % asker
    shown = None if token is None else b"t%03d" % token
    resident = who is not None and shown is None
    return Item(cents, month, marks, who, b"p%03d" % payee, resident, person, shown)


def many(count: int, mark: str = "C01", first: int = 0, cents: int = 1_000) -> list[Item]:
    return [pay(first + i, 0, cents, marks=(mark, "A")) for i in range(count)]


@pytest.mark.parametrize(
    ("exact", "published"),
    [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (12, 10), (13, 15), (1_004, 1_005)],
)
def test_g7_counts_are_rounded_to_five(exact: int, published: int) -> None:
    assert round_count(exact) == published
    assert round_cents(100 * exact) == published
    assert round_cents(100 * exact + 49) == published  # half a euro up, then to five (B8)


@pytest.mark.parametrize(
    ("cell", "contributors"),
    [
        (many(9), 9),
        (many(10), 10),
        (many(5) * 4, 5),  # payments are not accounts
        ([pay(0, shop) for shop in range(30)], 0),  # one resident at thirty shops
        ([pay(None, shop) for shop in range(12)], 12),  # the funder paid twelve shops
        ([pay(None, who, person=True) for who in range(12)], 12),  # or twelve people
        ([pay(i, 0, person=True) for i in range(12)], 0),  # all of it to one person
        ([pay(i, i % 3, person=i % 3 == 0) for i in range(12)], 3),  # a person among three payees
        ([*many(12), pay(50, 0, 12_001)], 0),  # one of them is more than half
        ([*many(12), pay(50, 0, 12_000)], 13),
        # the largest payee knows its own 490.00 of about 1,000, and so the other's 488.00
        ([pay(0, 0, 49_000), pay(1, 0, 48_800), *many(8, first=2, cents=250)], 0),
        ([pay(0, 0, 18_000), pay(1, 0, 9_000), *many(9, first=2)], 11),
        ([pay(0, 0, 18_000), pay(1, 0, 9_001), *many(9, first=2)], 0),
        # an institution sent for one token, in ten shops; for twelve; for twelve and nine of one
        ([pay(0, shop, token=1) for shop in range(10)], 0),
        ([pay(0, shop, token=shop) for shop in range(12)], 12),
        ([pay(0, shop, token=max(0, shop - 8)) for shop in range(20)], 12),
        ([pay(0, shop, token=shop % 9) for shop in range(20)], 9),
        # who asked without a token holds for himself
        ([pay(i, 0, token=i if i % 2 else None) for i in range(10)], 10),
        ([], 0),
    ],
)
def test_g7_who_counts_as_a_contributor(cell: list[Item], contributors: int) -> None:
    assert count_contributors(cell) == contributors


def show(items: list[Item]) -> list[tuple[str | None, int]]:
    return [(mark, len(cell)) for mark, cell in divide(items, lambda item: item.marks[0])]


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ({"C01": 10, "C02": 12}, [("C01", 10), ("C02", 12)]),
        # one is too small: the next smallest goes with it, or 22 - 12 would be known
        ({"C01": 10, "C02": 12, "C03": 3}, [("C02", 12), (None, 13)]),
        # two that are too small, and too small together
        ({"C01": 10, "C02": 12, "C03": 3, "C04": 4}, [("C02", 12), (None, 17)]),
        ({"C02": 12, "C03": 5, "C04": 6}, [("C02", 12), (None, 11)]),
        ({"C01": 12, "C02": 3}, [(None, 15)]),
        ({"C01": 5, "C02": 5}, [(None, 10)]),
        ({"C01": 11}, [("C01", 11)]),
    ],
)
def test_g7_small_cells_take_the_next_smallest_with_them(
    cells: dict[str, int], shown: list[tuple[str | None, int]]
) -> None:
    first, items = 0, []
    for mark, count in cells.items():
        items += many(count, mark, first)
        first += count
    assert show(items) == shown


def test_periods_wait_until_they_are_large_and_then_stand_for_ever() -> None:
    def month(item: Item) -> int:
        return item.month

    early = [pay(i, 0, month=202_601) for i in range(4)]
    later = [pay(i, 0, month=202_603) for i in range(4, 12)]
    few = [pay(i, 0, month=202_604) for i in range(3)]
    runs, waiting = close_runs([*early, *later, *few], month)
    assert runs == [(202_601, 202_603, [*early, *later])]
    assert waiting == few
    assert close_runs([*early, *later], month)[0] == runs
    # inside a period nothing waits: what is left over goes with the run before it
    assert [run[:2] for run in join_runs([*early, *later, *few], month)] == [(202_601, 202_604)]
    more = [pay(i, 0, month=202_605) for i in range(20, 31)]
    assert [run[:2] for run in join_runs([*early, *later, *more, *few], month)] == [
        (202_601, 202_603),
        (202_604, 202_605),
    ]


def test_a_row_of_one_table_less_a_row_of_another_is_a_cell_too() -> None:
    """C02 is sold in area B alone, so C01 less area A is what three residents spent on C01 in B."""
    items = [pay(i, 0, marks=("C01", "A")) for i in range(20)]
    items += [pay(i, 1, marks=("C01", "B")) for i in range(3)]
    items += [pay(i, 2, marks=("C02", "B")) for i in range(20, 40)]
    tables = divide_all(items, NAMES)
    assert [mark for mark, _ in tables["category"]] == ["C01", "C02"]
    assert [mark for mark, _ in tables["area"]] == [None]  # withheld
    safe = [*items, *(pay(i, 1, marks=("C01", "B")) for i in range(3, 13))]
    assert [mark for mark, _ in divide_all(safe, NAMES)["area"]] == ["A", "B"]


# ---------------------------------------------------------------------------------- the attack


def atom_of(item: Item) -> Atom:
    return (item.month, *item.marks)


def reduce(rows: Iterable[Sequence[int]]) -> list[tuple[int, list[Fraction]]]:
    """Gauss over the rationals: pivot columns and rows, each pivot alone in its column."""
    done: list[tuple[int, list[Fraction]]] = []
    for row in rows:
        line = clear([Fraction(value) for value in row], done)
        column = next((i for i, value in enumerate(line) if value), None)
        if column is not None:
            line = [value / line[column] for value in line]
            done = [(c, clear(other, [(column, line)])) for c, other in done] + [(column, line)]
    return done


def clear(line: list[Fraction], done: list[tuple[int, list[Fraction]]]) -> list[Fraction]:
    for column, other in done:
        if factor := line[column]:
            line = [a - factor * b for a, b in zip(line, other, strict=True)]
    return line


class Attacker:
    """Knows every published row, what left the pool in each month to the cent, and who could have
    sold what where; wants the sum of a cell in which fewer than ten stand.
    """

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.atoms = sorted({atom_of(item) for item in items})
        months = sorted({item.month for item in items})
        self.months = [[item for item in items if item.month == month] for month in months]
        tables = divide_all(items, NAMES)
        self.cells = [cell for table in tables.values() for _, cell in table]
        self.cells += [cell for *_, cell in join_runs(items, lambda item: item.month)]

    def row(self, cell: Iterable[Item]) -> list[int]:
        found = {atom_of(item) for item in cell}
        return [int(atom in found) for atom in self.atoms]

    def items_of(self, row: Sequence[int]) -> list[Item]:
        chosen = {atom for atom, inside in zip(self.atoms, row, strict=True) if inside}
        return [item for item in self.items if atom_of(item) in chosen]

    def targets(self) -> list[list[int]]:
        """Every cell of one or more values, in a month or in all, that is too small to be shown."""
        wanted: dict[tuple[Any, ...], set[Atom]] = defaultdict(set)
        for atom in self.atoms:
            for mask in product((False, True), repeat=len(atom)):
                if any(mask):
                    key = tuple(v if m else None for v, m in zip(atom, mask, strict=True))
                    wanted[key].add(atom)
        rows = {tuple(int(atom in found) for atom in self.atoms) for found in wanted.values()}
        return [list(row) for row in sorted(rows) if not is_large(self.items_of(row))]

    def bounds(self) -> list[tuple[int, int]]:
        """What each atom can be, in cents: from amounts that are rounded, months that are not."""
        rules = [(self.row(cell), *around(cell)) for cell in self.cells]
        for month in self.months:
            total = sum(item.cents for item in month)
            rules.append((self.row(month), total, total))
        top = sum(item.cents for item in self.items)
        found = [(0, top)] * len(self.atoms)
        changed = True
        while changed:
            changed = False
            for row, low, high in rules:
                inside = [i for i, value in enumerate(row) if value]
                for i in inside:
                    least = sum(found[j][0] for j in inside if j != i)
                    most = sum(found[j][1] for j in inside if j != i)
                    better = (max(found[i][0], low - most), min(found[i][1], high - least))
                    changed |= better != found[i]
                    found[i] = better
        return found


def around(cell: list[Item]) -> tuple[int, int]:
    """The least and the most that a published amount can stand for, in cents."""
    units = round_cents(sum(item.cents for item in cell))
    return max(0, (units - 2) * 100 - 50), (units + 2) * 100 + 49


SHOPS = st.lists(
    st.tuples(st.sampled_from(("C01", "C02", "C03")), st.sampled_from("ABC"), st.booleans()),
    min_size=2,
    max_size=6,
)


@st.composite
def quarters(draw: st.DrawFn) -> list[Item]:
    """A quarter of payments at a few shops, each in one area, some of them of one person."""
    shops = draw(SHOPS)
    crowd = draw(st.integers(10, 40))
    drawn = st.tuples(
        st.integers(0, crowd - 1),
        st.integers(0, len(shops) - 1),
        st.integers(100, 9_000),
        st.integers(202_601, 202_603),
    )
    base = [(i, i % len(shops), 1_000, 202_601 + i % 3) for i in range(crowd)]
    made = []
    for asker, shop, cents, month in [*base, *draw(st.lists(drawn, max_size=60))]:
        category, area, person = shops[shop]
        made.append(pay(asker, shop, cents, month, (category, area), person=person and shop == 0))
    return made


@settings(max_examples=60, deadline=None)
@given(quarters())
def test_g7_no_small_cell_follows_from_all_that_is_published(items: list[Item]) -> None:
    assume(is_large(items))
    attacker = Attacker(items)
    assert all(count_contributors(cell) >= CONTRIBUTORS_MIN for cell in attacker.cells)
    months = [attacker.row(month) for month in attacker.months]
    alone = reduce(months)
    together = reduce([*months, *map(attacker.row, attacker.cells)])
    for target in attacker.targets():
        if any(clear([Fraction(value) for value in target], together)):
            continue
        # It follows. Then the pool gave it away without any report.
        assert not any(clear([Fraction(value) for value in target], alone))


@settings(max_examples=60, deadline=None)
@given(quarters())
def test_g7_no_sum_of_three_rows_is_a_small_cell(items: list[Item]) -> None:
    assume(is_large(items))
    attacker = Attacker(items)
    alone = reduce([attacker.row(month) for month in attacker.months])
    rows = [attacker.row(cell) for cell in [*attacker.cells, *attacker.months]]
    for three in combinations(rows, min(3, len(rows))):
        for signs in product((-1, 0, 1), repeat=len(three)):
            columns = zip(*three, strict=True)
            made = [sum(s * v for s, v in zip(signs, one, strict=True)) for one in columns]
            if set(made) == {0, 1} and any(clear([Fraction(v) for v in made], alone)):
                assert is_large(attacker.items_of(made)), signs


@settings(max_examples=60, deadline=None)
@given(quarters())
def test_g7_amounts_of_small_cells_stay_as_wide_as_the_rounding(items: list[Item]) -> None:
    """Nothing says more of a hidden amount than rounding leaves of a shown one: five units."""
    assume(is_large(items))
    attacker = Attacker(items)
    alone = reduce([attacker.row(month) for month in attacker.months])
    for (low, high), atom in zip(attacker.bounds(), attacker.atoms, strict=True):
        target = [int(other == atom) for other in attacker.atoms]
        small = not is_large(attacker.items_of(target))
        if small and any(clear([Fraction(value) for value in target], alone)):
            assert low == 0 or high - low >= 499
