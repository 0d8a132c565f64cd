"""The bank's files of a year against the chain: equal to the cent, planted faults found (X7)."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from click.testing import CliRunner

from audit.reconcile import Books, choose_books, read_books, reconcile
from bank.camt053 import Entry, Statement
from chain.codec import encode
from chain.errors import Malformed
from chain.keyspaces import PACTS, PARAMS, PREFUNDED, compute_pact_id
from chain.params import FEDERATION
from cli import wijk
from contracts.coin import BankEntryCall
from testnet.year_plan import YEAR
from tests.contracts.desk import Desk, assert_done, change, line, put
from tests.federation import Ledger, reserve
from tests.made_year import MadeYear, small_year

Days = list[Statement]
WIJK = "delfshaven"


@pytest.fixture(scope="module")
def year() -> MadeYear:
    return small_year()


def files_of(year: MadeYear, place: str) -> list[bytes]:
    return [data for name, data in sorted(year.files.items()) if name.startswith(f"{place}-")]


@pytest.fixture(scope="module")
def found(year: MadeYear) -> tuple[dict[bytes, bytes], Books, Days]:
    state = year.state()
    books, days = choose_books(state, files_of(year, WIJK), None)
    return state, books, list(days)


def test_a_year_has_no_difference_and_one_open_item(year: MadeYear) -> None:
    """The deposit of 29 December whose payer forgot the reference; all others are booked."""
    state = year.state()
    for place in (one.slug for one in year.plan.wijken):
        books, days = choose_books(state, files_of(year, place), None)
        done = reconcile(state, books, days)
        assert (done.wijk, done.findings) == (place, ())
        assert done.matched == sum(len(day.entries) for day in days) > 100
        (item,) = done.open_items
        assert (item.on, item.cents, item.side, item.days) == (YEAR * 10_000 + 1229, 3_333, "C", 2)
        assert done.bank == days[-1].closing
        assert done.difference == item.cents  # bank + due from - due to - supply


def test_a_part_of_the_year_is_compared_for_itself(year: MadeYear) -> None:
    """The chain goes on after the file: then the two sums are of different moments."""
    state = year.state()
    books, days = choose_books(state, files_of(year, WIJK)[3:5], WIJK)
    done = reconcile(state, books, days)
    assert (done.ok, done.difference) == (True, None)
    assert all(item.on // 100 <= YEAR * 100 + 5 for item in done.open_items)


def busy(days: Days) -> int:
    """A day in the middle with more than one entry."""
    return next(i for i, day in enumerate(days) if i > 100 and len(day.entries) > 1)


def entry_more(days: Days) -> Days:
    i = busy(days)
    extra = replace(days[i].entries[0], entry_id=bytes(32))
    days[i] = replace(days[i], entries=(*days[i].entries, extra))
    return days


def entry_less(days: Days) -> Days:
    i = busy(days)
    days[i] = replace(days[i], entries=days[i].entries[1:])
    return days


def change_entry(**changes: object) -> Callable[[Days], Days]:
    def plant(days: Days) -> Days:
        i = busy(days)
        first, *rest = days[i].entries
        days[i] = replace(days[i], entries=(replace(first, **changes), *rest))  # type: ignore[arg-type]
        return days

    return plant


def one_cent(days: Days) -> Days:
    i = busy(days)
    first, *rest = days[i].entries
    days[i] = replace(days[i], entries=(replace(first, cents=first.cents + 1), *rest))
    return days


def other_side(days: Days) -> Days:
    side = days[busy(days)].entries[0].side
    return change_entry(side="D" if side == "C" else "C")(days)


def closing(days: Days) -> Days:
    days[-1] = replace(days[-1], closing=days[-1].closing - 1)
    return days


def opening(days: Days) -> Days:
    days[0] = replace(days[0], opening=days[0].opening + 100)
    return days


def day_less(days: Days) -> Days:
    del days[busy(days)]
    return days


def day_more(days: Days) -> Days:
    last = days[-1]
    return [*days, replace(last, date=last.date + 8_870, opening=last.closing, entries=())]


def month_less(days: Days) -> Days:
    return [day for day in days if day.date // 100 % 100 != 6]


def entry_of_another_day(days: Days) -> Days:
    i = busy(days)
    moved = days[i].entries[0]
    days[i] = replace(days[i], entries=days[i].entries[1:])
    days[i + 1] = replace(days[i + 1], entries=(*days[i + 1].entries, moved))
    return days


PLANTED: list[tuple[Callable[[Days], Days], set[str]]] = [
    (entry_more, {"entry"}),
    (entry_less, {"entry"}),
    (one_cent, {"amount"}),
    (other_side, {"side"}),
    (change_entry(reversal=True), {"reversal"}),
    (closing, {"closing", "books"}),
    (opening, {"opening"}),
    (day_less, {"day", "gap"}),
    (day_more, {"day"}),
    (month_less, {"day", "gap"}),
    (entry_of_another_day, {"entry"}),
]


@pytest.mark.parametrize(("plant", "kinds"), PLANTED)
def test_what_is_planted_in_the_file_is_found(
    found: tuple[dict[bytes, bytes], Books, Days],
    plant: Callable[[Days], Days],
    kinds: set[str],
) -> None:
    state, books, days = found
    done = reconcile(state, books, plant(list(days)))
    assert not done.ok
    assert {finding.kind for finding in done.findings} == kinds


def test_an_entry_that_only_one_side_has_is_named(
    found: tuple[dict[bytes, bytes], Books, Days],
) -> None:
    state, books, days = found
    (more,) = reconcile(state, books, entry_more(list(days))).findings
    assert (more.entry, more.chain) == (bytes(32), None)
    (less,) = reconcile(state, books, entry_less(list(days))).findings
    assert less.bank is None
    assert less.chain == days[busy(days)].entries[0].cents
    assert less.tx is not None


def test_books_that_say_something_else_are_found(
    year: MadeYear, found: tuple[dict[bytes, bytes], Books, Days]
) -> None:
    """Class 1 is not what bank and open items make it: no file is wrong, the books are."""
    state, books, days = found
    key = msgpack.packb(["bal", f"{WIJK}:EUR", "1", books.reserve_id])
    cents = msgpack.unpackb(state[key])
    done = reconcile(state | {key: msgpack.packb(cents - 1)}, books, days)
    assert {finding.kind for finding in done.findings} == {"books"}


def test_files_of_another_account_are_refused(year: MadeYear) -> None:
    state = year.state()
    mixed = [files_of(year, WIJK)[0], files_of(year, "stadscentrum")[1]]
    with pytest.raises(Malformed, match="more than one account"):
        choose_books(state, mixed, WIJK)
    other = files_of(year, "stadscentrum")[:1]
    books, days = choose_books(state, other, WIJK)
    assert not reconcile(state, books, days).ok
    empty = [
        b"".join(other).replace(b"stadscentrum", b"x").replace(b"<AcctSvcrRef>", b"<AcctSvcrRef>9")
    ]
    with pytest.raises(Malformed, match="no reserve account"):
        choose_books(state, empty, None)


def test_the_command_says_what_differs_and_ends_with_8(tmp_path: Path) -> None:
    line = f"testnet year --dir {tmp_path}/net --days 12 --base-port 0 --home {tmp_path}/h -o json"
    made = json.loads(CliRunner().invoke(wijk, line.split()).stdout)
    (file,) = [name for name in made["bank_files"] if WIJK in name]
    line = f"audit reconcile --dir {made['home']} --home {tmp_path}/h --bank"
    good = CliRunner().invoke(wijk, [*line.split(), file, "-o", "json"])
    tree = json.loads(good.stdout)
    assert good.exit_code == 0
    assert (tree["wijk"], tree["ok"], tree["difference_cents"]) == (WIJK, True, 0)
    assert (tree["unmatched_bank"], tree["unmatched_chain"], tree["open_items"]) == ([], [], [])
    assert tree["matched"] > 0
    altered = tmp_path / "altered.xml"
    altered.write_bytes(Path(file).read_bytes().replace(b"<AcctSvcrRef>02", b"<AcctSvcrRef>03", 1))
    bad = CliRunner().invoke(wijk, [*line.split(), str(altered), "--lang", "en"])
    assert bad.exit_code == 8
    assert "2 differences" in bad.stdout
    assert re.search(r"\n  \d{4}-\d\d-\d\d  entry: bank €[\d.,]+, chain -", bad.stdout)
    assert "WIJK-5005" in bad.stderr
    altered.write_bytes(b"<!DOCTYPE x><Document/>")
    assert CliRunner().invoke(wijk, [*line.split(), str(altered)]).exit_code == 2


def test_a_deposit_at_a_partner_is_no_difference_at_either_bank_account_c17() -> None:
    """Its money stands in the books of who put it there, at an account of the partner (I7)."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})
    rows = ((reserve("delfshaven"), WIJK), (reserve("noord"), "noord"), (bytes(32), "noord"))
    put(ledger, PARAMS, ((0, msgspec.Raw(encode(sorted(rows)))),), FEDERATION, "reserves")
    change(ledger, PACTS, WIJK, "noord", mode=PREFUNDED)
    there = Desk(ledger, "noord", reserve_id=bytes(32))
    out, arrived = line("out", 3_000, "D"), line("arrived", 3_000, reserve_id=bytes(32))
    assert_done(Desk(ledger).attest(out))
    assert_done(there.attest(arrived, line("later", 1, reserve_id=bytes(32))))
    pact = compute_pact_id(WIJK, "noord")
    call = BankEntryCall(out.entry_id, "PREFUND", arrived.entry_id, pact)
    assert_done(ledger.by_board(WIJK, call))

    for books in read_books(dict(ledger.state)):
        said = books.days[books.reserve.date]
        entries = tuple(
            Entry(
                entry_id=entry_id,
                booking_date=entry.date,
                value_date=entry.date,
                cents=entry.cents,
                side="C" if entry.side == "C" else "D",
                reversal=False,
            )
            for entry_id, entry in books.entries.items()
        )
        date = books.reserve.date
        day = Statement(
            id="1",
            iban="",
            currency="EUR",
            sequence=None,
            opening_date=date,
            date=date,
            opening=said.opening,
            closing=said.closing,
            entries=entries,
        )
        done = reconcile(dict(ledger.state), books, [day])
        assert done.findings == (), books.reserve
        assert done.bank == {bytes(32): 3_001, reserve(WIJK): 7_000}.get(books.reserve_id, 5_000)
