"""What figures about people may be shown: cells of ten accounts or more (economy G7, ADR 0100).

Everything here is about payments of one policy. A cell is a set of them; what is published of it
is its amount and its counts, rounded. Two things are asked of every cell, also of those that a
reader makes by subtracting one from another: that enough accounts stand in it, and that none of
them is most of it, not even for one who stands in it and subtracts what is his own.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import msgspec

CONTRIBUTORS_MIN = 10  # economy G7
ROUNDED_TO = 5  # economy G7
CENTS = 100  # of one whole unit of the currency
# Sums are compared modulo a prime: that two of them agree by chance is once in 2^61.
PRIME = 2**61 - 1


class Item(msgspec.Struct, frozen=True):
    """One payment: cents, month YYYYMM, and what it was for, a mark for each kind of table.

    `asker` is who asked for it, None where the funder did or nobody; `payee` who got it. Each with
    whether a person may be behind it. `token` is the key of the benefit token that was shown.
    """

    cents: int
    month: int
    marks: tuple[str, ...]
    asker: bytes | None
    payee: bytes | None
    asker_is_person: bool = True
    payee_is_person: bool = True
    token: bytes | None = None


Items = list[Item]
Cell = tuple[str | None, Items]  # None: all that stands under no name of its own


def round_count(count: int) -> int:
    """Return a count or a number of whole units as it is published (economy G7)."""
    return (count + 2) // ROUNDED_TO * ROUNDED_TO


def round_cents(cents: int) -> int:
    """Return cents as whole units of the currency, as they are published (economy G7, B8)."""
    return round_count((cents + CENTS // 2) // CENTS)


def count_contributors(items: Iterable[Item]) -> int:
    """Return how many accounts stand in a cell for the rule of ten.

    Those who asked, those who hold the tokens and those who were paid are counted apart, and the
    smallest number says: ten shops do not hide the one resident who bought there. Who asked without
    a token holds for himself. A side on which no person can be does not need hiding; behind a token
    always may be one. A side that one account is most of counts for nothing.
    """
    askers: Counter[bytes] = Counter()
    holders: Counter[bytes] = Counter()
    payees: Counter[bytes] = Counter()
    persons = [False, False, False]
    for item in items:
        if item.asker is not None:
            askers[item.asker] += item.cents
            persons[0] |= item.asker_is_person
        holder = item.asker if item.token is None else item.token
        if holder is not None:
            holders[holder] += item.cents
            persons[1] |= item.token is not None or item.asker_is_person
        if item.payee is not None:
            payees[item.payee] += item.cents
            persons[2] |= item.payee_is_person
    counted = zip((askers, holders, payees), persons, strict=True)
    sides = [side for side, guarded in counted if guarded]
    if not sides:
        return len(askers.keys() | payees.keys())
    if any(_is_mostly_one(side) for side in sides):
        return 0
    return min(len(side) for side in sides)


def _is_mostly_one(side: Counter[bytes]) -> bool:
    """Say whether one account is more than half, of all or of what the largest one leaves.

    The largest knows what is its own: without it the next could be read off the rest.
    """
    most, *others = sorted(side.values(), reverse=True)
    left = sum(others)
    return most > left or (left > 0 and 2 * others[0] > left)


def is_large(items: Iterable[Item]) -> bool:
    """Say whether a cell may be shown."""
    return count_contributors(items) >= CONTRIBUTORS_MIN


def divide(items: Items, get_mark: Callable[[Item], str]) -> list[Cell]:
    """Return the cells of a table: those that may be shown, by name, and the rest as one, last.

    The rest may be shown too: while it is too small the next smallest cell goes into it, so what
    is left when all others are subtracted is never too small (economy G7). It has no names: they
    would say that somebody is there. `items` as a whole are a cell that may be shown.
    """
    cells: dict[str, Items] = defaultdict(list)
    for item in items:
        cells[get_mark(item)].append(item)
    shown = {mark: cell for mark, cell in cells.items() if is_large(cell)}
    rest = [item for mark, cell in cells.items() if mark not in shown for item in cell]
    while rest and shown and not is_large(rest):
        least = min(shown, key=lambda mark: (sum(item.cents for item in shown[mark]), mark))
        rest += shown.pop(least)
    named: list[Cell] = [(mark, shown[mark]) for mark in sorted(shown)]
    return [*named, (None, rest)] if rest else named


def join_runs(items: Items, get_period: Callable[[Item], int]) -> list[tuple[int, int, Items]]:
    """Return the periods of a series, neighbours joined until each run may be shown.

    (first period, last period, payments); `items` as a whole are a cell that may be shown.
    """
    runs, left = close_runs(items, get_period)
    while left and runs:
        first, last, before = runs.pop()
        left = [*before, *left]
        if is_large(left):
            runs.append((first, max(last, *map(get_period, left)), left))
            left = []
    if left:
        periods = sorted(map(get_period, left))
        runs = [(periods[0], periods[-1], left)]
    return runs


def close_runs(
    items: Items, get_period: Callable[[Item], int]
) -> tuple[list[tuple[int, int, Items]], Items]:
    """Return the runs of periods that may be shown, oldest first, and what stands in none so far.

    A run ends with the first period that makes it large, so later payments change none of them.
    """
    by_period: dict[int, Items] = defaultdict(list)
    for item in items:
        by_period[get_period(item)].append(item)
    runs: list[tuple[int, int, Items]] = []
    waiting: Items = []
    first = None
    for period in sorted(by_period):
        first = period if first is None else first
        waiting += by_period[period]
        if is_large(waiting):
            runs.append((first, period, waiting))
            waiting, first = [], None
    return runs, waiting


def divide_all(items: Items, names: Sequence[str]) -> dict[str, list[Cell]]:
    """Return a table for each kind of mark, none of which tells more with the others than alone.

    Whoever knows which shop stands where knows which marks never meet, and can then subtract a
    row of one table from a row of another. Where that, or any sum and difference of all rows and
    of the months, gives a cell that is too small, the later table is withheld: it is one rest.
    """
    months: dict[int, Items] = defaultdict(list)
    for item in items:
        months[item.month].append(item)
    known = [months[month] for month in sorted(months)]  # the pool itself shows what left it when
    before = _Knowledge(items, known)
    tables: dict[str, list[Cell]] = {}
    for place, name in enumerate(names):
        cells = divide(items, lambda item, place=place: item.marks[place])  # type: ignore[misc]
        rows = [*known, *(cell for _, cell in cells)]
        if len(cells) > 1 and _tells_small(items, rows, before):
            cells = [(None, items)]
        else:
            known = rows
        tables[name] = cells
    return tables


Atom = tuple[int, tuple[str, ...]]  # a month, and all marks: payments that no table tells apart


def _atoms(items: Iterable[Item]) -> frozenset[Atom]:
    return frozenset((item.month, item.marks) for item in items)


class _Knowledge:
    """What sums and differences of published cells give, for who knows which marks ever meet.

    A sum over atoms follows from the rows if, and only if, every assignment that makes all rows
    zero makes it zero. One such assignment, drawn at random, tells that for any sum.
    """

    def __init__(self, items: Items, rows: Sequence[Items]) -> None:
        atoms = sorted(_atoms(items))
        self.weights = _draw_null(atoms, [_atoms(row) for row in rows])

    def gives(self, atoms: Iterable[Atom]) -> bool:
        """Say whether the sum over these atoms follows."""
        return sum(self.weights[atom] for atom in atoms) % PRIME == 0


def _draw_null(atoms: Sequence[Atom], rows: Sequence[frozenset[Atom]]) -> Mapping[Atom, int]:
    """Return weights of the atoms, drawn among all that make every row sum to zero."""
    pivots: dict[int, list[int]] = {}
    for row in rows:
        line = [int(atom in row) for atom in atoms]
        for column, other in pivots.items():
            if factor := line[column]:
                line = [(a - factor * b) % PRIME for a, b in zip(line, other, strict=True)]
        column = next((place for place, value in enumerate(line) if value), -1)
        if column >= 0:
            inverse = pow(line[column], -1, PRIME)
            pivots[column] = [value * inverse % PRIME for value in line]
    drawn = random.Random(0)  # noqa: S311 - no secret: the same chain gives the same report
    weights = [0 if place in pivots else drawn.randrange(PRIME) for place in range(len(atoms))]
    for column in reversed(pivots):  # each row was cleared of the pivots before it
        line = pivots[column]
        others = sum(a * b for a, b in zip(line, weights, strict=True) if a and b)
        weights[column] = -others % PRIME
    return dict(zip(atoms, weights, strict=True))


def _tells_small(items: Items, rows: Sequence[Items], before: _Knowledge) -> bool:
    """Say whether the rows give a cell that is too small, which the months alone do not give."""
    after = _Knowledge(items, rows)
    by_atom: dict[Atom, Items] = defaultdict(list)
    for item in items:
        by_atom[item.month, item.marks].append(item)
    asked = {cell for cell in _find_cells(by_atom) if after.gives(cell)}
    asked |= _add_up([_atoms(row) for row in rows], sorted(by_atom))
    return any(
        not before.gives(cell) and not is_large(item for atom in cell for item in by_atom[atom])
        for cell in asked
    )


def _add_up(rows: Sequence[frozenset[Atom]], atoms: Sequence[Atom]) -> set[frozenset[Atom]]:
    """Return the cells that are sums and differences of two or three rows."""
    masks = sorted({sum(1 << i for i, atom in enumerate(atoms) if atom in row) for row in rows})
    found: set[int] = set()
    for one, other in combinations(masks, 2):
        either, both = one | other, one & other
        found.update((one ^ both,) if both == other else (other ^ both,) if both == one else ())
        for third in masks:
            if both & ~third == 0 and third & ~either == 0:  # one + other - third
                found.add((either & ~third) | both)
            if both == 0 and either & ~third == 0:  # third - one - other
                found.add(third & ~either)
    found.discard(0)
    return {
        frozenset(atom for i, atom in enumerate(atoms) if mask >> i & 1)
        for mask in found.difference(masks)
    }


def _find_cells(atoms: Iterable[Atom]) -> set[frozenset[Atom]]:
    """Return what somebody could ask for: payments with one value of any marks, in any month."""
    asked: dict[tuple[object, ...], set[Atom]] = defaultdict(set)
    for atom in atoms:
        month, marks = atom
        values = (month, *marks)
        for chosen in range(1, 2 ** len(values)):
            key = tuple(v if chosen >> i & 1 else None for i, v in enumerate(values))
            asked[key].add(atom)
    return {frozenset(found) for found in asked.values()}
