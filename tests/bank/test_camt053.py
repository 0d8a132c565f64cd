"""camt.053 statements: what is read, split and refused (economy C4, C5)."""

import json
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.camt053 import PAGE_ENTRIES_MAX, Entry, Statement, entry_id, pages, parse
from bank.faults import BankFileError, Fault
from bank.reference import reference
from tests.bank.camt_writer import IBAN, OTHER_IBAN, RESERVE, Day, Item, Tx, balance, document

ROOT = Path(__file__).parents[2]
VERSIONS = ("02", "08")


def read(*days: Day, version: str = "02", currency: str = "EUR") -> tuple[Statement, ...]:
    return parse(document(*days, version=version), RESERVE, currency)


def read_entries(*items: Item, closing: str, version: str = "02") -> tuple[Entry, ...]:
    (statement,) = read(Day(items=items, closing=closing), version=version)
    return statement.entries


def refused(*days: Day, version: str = "02", currency: str = "EUR") -> BankFileError:
    with pytest.raises(BankFileError) as caught:
        read(*days, version=version, currency=currency)
    return caught.value


def expected_id(ref: str, ordinal: int) -> bytes:
    """C4 byte by byte: array of 4, str of 12, bin of 32, str, small integer."""
    assert len(ref) < 32
    assert ordinal < 128
    head = b"\x94\xaccamt-entry/1\xc4\x20" + RESERVE
    return sha256(head + bytes([0xA0 + len(ref)]) + ref.encode() + bytes([ordinal])).digest()


# ------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("wijk", "cents", "iban", "ref", "creditor_reference", "end_to_end"),
    [
        (
            "delfshaven",
            100_000,
            "NL02ABNA0123456789",
            "0201260002DLF0000001",
            "RF42DELFSHAVEN20260001",
            "BIJDRAGE-WIJKFONDS-2026-01",
        ),
        (
            "feijenoord",
            40_000,
            "NL91ABNA0417164300",
            "0201260010FEY0000001",
            "RF09FEIJENOORD20260001",
            "BIJDRAGE-WIJKFONDS-2026-02",
        ),
    ],
)
def test_the_statements_of_the_demo_hold_one_deposit_each(
    wijk: str, cents: int, iban: str, ref: str, creditor_reference: str, end_to_end: str
) -> None:
    data = (ROOT / "genesis" / f"camt053-{wijk}.xml").read_bytes()

    assert parse(data, RESERVE) == (
        Statement(
            id=f"{iban}-20260102",
            iban=iban,
            currency="EUR",
            sequence=1,
            opening_date=20260102,
            date=20260102,
            opening=0,
            closing=cents,
            entries=(
                Entry(
                    entry_id=expected_id(ref, 0),
                    booking_date=20260102,
                    value_date=20260102,
                    cents=cents,
                    side="C",
                    reversal=False,
                    counterparty="Stichting Voorbeeldfonds Rotterdam",
                    remittance="SEPA OVERBOEKING",
                    end_to_end=end_to_end,
                    reference=creditor_reference,
                ),
            ),
        ),
    )


def test_a_file_with_four_statements_of_two_accounts_gives_what_was_counted_by_hand() -> None:
    data = (ROOT / "tests/bank/data/camt053-two-accounts.xml").read_bytes()

    first, second, third, other = parse(data, RESERVE)

    assert [s.id for s in (first, second, third, other)] == [
        "2026-061",
        "2026-062",
        "2026-063",
        "2026-Q1",
    ]
    assert [(s.opening, s.closing, s.date, s.sequence) for s in (first, second, third, other)] == [
        (100_000, 162_950, 20260330, 61),
        (162_950, 212_770, 20260331, 62),
        (212_770, 212_770, 20260401, 63),
        (0, 1, 20260331, None),
    ]
    assert [s.iban == IBAN for s in (first, second, third, other)] == [True, True, True, False]

    # A deposit, a batch of three, bank costs, a deposit in dollars; the pending one is left out.
    assert [(e.cents, e.side, e.reversal) for e in first.entries] == [
        (25_000, "C", False),
        (10_000, "C", False),
        (15_000, "C", False),
        (5_000, "C", False),
        (1_250, "D", False),
        (9_200, "C", False),
    ]
    assert [e.entry_id for e in first.entries] == [
        expected_id("T-0330-001", 0),
        expected_id("B-0330-002", 0),
        expected_id("B-0330-002", 1),
        expected_id("B-0330-002", 2),
        expected_id("B-0330-003", 0),
        expected_id("T-0330-004", 0),
    ]
    assert [e.reference for e in first.entries] == [
        reference("WIJK0001"),
        reference("WIJK0002"),
        reference("WIJK0003"),
        "",
        "",
        "",
    ]
    assert [e.counterparty for e in first.entries] == [
        "Voorbeeldbakkerij De Korenaar",
        "Persoon A",
        "Persoon B",
        "Persoon C",
        "",
        "Example Foundation",
    ]
    assert first.entries[4].remittance == "KOSTEN BETALINGSVERKEER"
    assert [e.end_to_end for e in first.entries] == ["", "E2E-A", "E2E-B", "E2E-C", "", ""]

    assert len(second.entries) == 42
    assert sum(e.cents for e in second.entries[:40]) == 80_820
    assert second.entries[6].reference == reference("LID007")
    assert (second.entries[40].cents, second.entries[40].side) == (25_000, "D")
    assert second.entries[40].reversal
    assert second.entries[41].end_to_end == "WAAAQEAYEAUDAOCAJBIFQYDIOB4"

    assert third.entries == ()
    assert other.entries[0].entry_id == expected_id("1", 0)


def test_entry_ids_have_their_golden_bytes() -> None:
    vectors = json.loads((ROOT / "tests/vectors/camt-entry-ids.json").read_text("utf-8"))

    assert len(vectors) >= 4
    for vector in vectors:
        packed = bytes.fromhex(vector["msgpack"])
        assert sha256(packed).hexdigest() == vector["entry_id"]
        made = entry_id(bytes.fromhex(vector["reserve"]), vector["ref"], vector["ordinal"])
        assert made.hex() == vector["entry_id"], vector["ref"]


# -------------------------------------------------------------------------------- round trip

Seen = tuple[int, str, bool, int, str, str, str]  # what a reader should see of one entry
CENTS = st.integers(0, 10**9)
DATES = st.dates(min_value=date(1970, 1, 1))
PLAIN = st.text("ABCDEFGHIJ0123456789-/ é&<>'\"", max_size=30).map(lambda s: f"x{s}x")


def text_of(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


@st.composite
def days(draw: st.DrawFn) -> tuple[Day, list[Seen]]:
    """A written statement and, apart from it, what every entry of it should be."""
    items: list[Item] = []
    expected: list[Seen] = []
    opening = draw(CENTS) + 10**11  # so that no draw of debits overdraws the account
    closing = opening
    for index in range(draw(st.integers(0, 6))):
        side, reversal = draw(st.sampled_from(("CRDT", "DBIT"))), draw(st.booleans())
        parts = draw(st.lists(CENTS, max_size=4))
        booking = draw(DATES)
        names, texts = draw(PLAIN), draw(PLAIN)
        booked = draw(st.booleans())
        items.append(
            Item(
                amount=text_of(sum(parts)),
                side=side,
                status="BOOK" if booked else draw(st.sampled_from(("PDNG", "INFO"))),
                reversal="true" if reversal else draw(st.sampled_from((None, "false", "0"))),
                booked=f"<Dt>{booking.isoformat()}</Dt>",
                valued=None,
                servicer_ref=f"REF-{index}",
                transactions=tuple(
                    Tx(text_of(cents), name=names, text=texts, end_to_end=f"E{place}")
                    for place, cents in enumerate(parts)
                ),
            )
        )
        if not booked:
            continue
        closing += sum(parts) if side == "CRDT" else -sum(parts)
        number = int(booking.strftime("%Y%m%d"))
        for place, cents in enumerate(parts):
            # The writer names the payer of credits and the payee of debits; of a reversal the
            # other party is the other way round, so it has no name here.
            name = "" if reversal else names
            expected.append((cents, side[0], reversal, number, name, texts, f"E{place}"))
        if not parts:
            expected.append((0, side[0], reversal, number, "", "", ""))
    day = Day(opening=text_of(opening), closing=text_of(closing), items=tuple(items))
    return day, expected


@pytest.mark.parametrize("version", VERSIONS)
@given(days())
def test_what_is_written_is_read(version: str, case: tuple[Day, list[Seen]]) -> None:
    day, expected = case

    (statement,) = read(day, version=version)

    assert text_of(statement.opening) == day.opening
    assert text_of(statement.closing) == day.closing
    assert [
        (e.cents, e.side, e.reversal, e.booking_date, e.counterparty, e.remittance, e.end_to_end)
        for e in statement.entries
    ] == expected
    assert len({e.entry_id for e in statement.entries}) == len(statement.entries)
    again = [entry.entry_id for page in pages(statement) for entry in page]
    assert again == [entry.entry_id for entry in statement.entries]


# ------------------------------------------------------------------------------ C4: references


def test_c4_the_reference_nearest_to_the_transaction_makes_the_id() -> None:
    own = Item(servicer_ref="B", entry_ref="N", transactions=(Tx("10.00", ref="T"),))
    entry = replace(own, transactions=(Tx("10.00"),))
    number = replace(entry, servicer_ref=None)
    none = replace(number, entry_ref=None)

    ids = [read_entries(item, closing="10.00")[0].entry_id for item in (own, entry, number, none)]

    assert ids == [
        expected_id("T", 0),
        expected_id("B", 0),
        expected_id("N", 0),
        expected_id("2026-01-02/1", 0),
    ]


def test_c4_entries_without_reference_count_from_the_statement() -> None:
    """The ordinal is the place among all entries, those left out too."""
    first = Item(servicer_ref=None, status="PDNG")
    second, third = Item(servicer_ref=None), Item(servicer_ref=None, transactions=(Tx("10.00"),))

    found = read_entries(first, second, third, closing="20.00")

    assert [e.entry_id for e in found] == [
        expected_id("2026-01-02/1", 1),
        expected_id("2026-01-02/1", 2),
    ]


@pytest.mark.parametrize("placeholder", ["NONREF", "NOTPROVIDED", "", "  "])
def test_c4_a_placeholder_is_no_reference(placeholder: str) -> None:
    item = Item(servicer_ref=placeholder, entry_ref="N-7")

    assert read_entries(item, closing="10.00")[0].entry_id == expected_id("N-7", 0)


def test_c4_a_batch_without_any_reference_counts_as_one() -> None:
    """All its transactions would have one id."""
    batch = Item(servicer_ref=None, transactions=(Tx("4.00"), Tx("6.00")))

    (entry,) = read_entries(batch, closing="10.00")

    assert (entry.cents, entry.entry_id) == (1000, expected_id("2026-01-02/1", 0))


def test_c4_transactions_with_references_of_their_own_keep_their_place() -> None:
    batch = Item(servicer_ref=None, transactions=(Tx("4.00", ref="A"), Tx("6.00", ref="A")))

    first, second = read_entries(batch, closing="10.00")

    assert (first.entry_id, second.entry_id) == (expected_id("A", 0), expected_id("A", 1))


def test_c4_no_iban_enters_a_hash() -> None:
    named_after_account = Day(
        id="NL02 ABNA 0123 4567 89 20260102", items=(Item(servicer_ref=None),)
    )

    assert refused(named_after_account).fault is Fault.IBAN_IN_REFERENCE
    assert read(replace(named_after_account, items=(Item(),)))[0].entries[0].cents == 1000


def test_c4_two_entries_with_one_reference_are_refused() -> None:
    error = refused(Day(items=(Item(), Item()), closing="20.00"))

    assert error.fault is Fault.SAME_ENTRY
    assert error.path == "Document/BkToCstmrStmt/Stmt/Ntry[2]"


def test_c4_an_entry_that_returns_on_a_later_day_of_the_file_is_refused() -> None:
    later = Day(id="2", opening="10.00", closing="20.00")

    assert refused(Day(), later).fault is Fault.SAME_ENTRY


def test_c4_two_accounts_may_use_the_same_references() -> None:
    first, second = read(Day(), Day(iban=OTHER_IBAN))

    assert first.entries == second.entries
    assert (first.iban, second.iban) == (IBAN, OTHER_IBAN)


def test_the_same_statement_twice_is_refused() -> None:
    empty = Day(items=(), closing="0.00")

    assert refused(empty, empty).fault is Fault.SAME_STATEMENT


# --------------------------------------------------------------------------- C5: transactions


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "transactions",
    [
        (Tx("4.00"), Tx("5.99")),
        (Tx("4.00"), Tx(None)),
        (Tx(None), Tx(None)),
        (Tx("4.00"), Tx("6.00", ccy="USD")),
        (Tx("9.99"),),
    ],
)
def test_c5_transactions_that_do_not_sum_to_the_entry_leave_it_whole(
    version: str, transactions: tuple[Tx, ...]
) -> None:
    item = Item(transactions=tuple(replace(tx, ref=f"T{n}") for n, tx in enumerate(transactions)))

    (entry,) = read_entries(item, closing="10.00", version=version)

    assert (entry.cents, entry.entry_id) == (1000, expected_id("REF-1", 0))


def test_c5_a_transaction_on_the_other_side_leaves_the_entry_whole() -> None:
    other = Tx("4.00", extra="<CdtDbtInd>DBIT</CdtDbtInd>")

    (entry,) = read_entries(Item(transactions=(Tx("6.00"), other)), closing="10.00", version="08")

    assert entry.cents == 1000


@pytest.mark.parametrize("tx", [Tx(None, ref="T"), Tx("11.70", ccy="USD", ref="T")])
def test_c5_a_single_transaction_without_own_amount_is_the_whole_entry(tx: Tx) -> None:
    (entry,) = read_entries(Item(transactions=(replace(tx, name="Payer"),)), closing="10.00")

    assert (entry.cents, entry.entry_id) == (1000, expected_id("T", 0))
    assert entry.counterparty == "Payer"


@pytest.mark.parametrize("status", ["PDNG", "INFO"])
@pytest.mark.parametrize("version", VERSIONS)
def test_c5_what_is_not_booked_is_left_out(version: str, status: str) -> None:
    items = (Item(status=status, amount="99.00", servicer_ref="P"), Item())

    assert [e.cents for e in read_entries(*items, closing="10.00", version=version)] == [1000]


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("1", True), ("false", False)])
def test_c5_a_reversal_keeps_the_side_it_moves_the_balance_to(text: str, expected: bool) -> None:
    items = (Item(), Item(servicer_ref="R", side="DBIT", reversal=text))

    _, back = read_entries(*items, closing="0.00")

    assert (back.side, back.reversal, back.cents) == ("D", expected, 1000)


def test_c5_an_opening_balance_may_be_the_previous_closing_one() -> None:
    (statement,) = read(Day(opening_code="PRCD", opening="1.00", closing="11.00"))

    assert (statement.opening, statement.closing) == (100, 1100)


def test_c5_both_opening_balances_must_agree() -> None:
    assert read(Day(extra=balance("PRCD", "0.00")))[0].opening == 0
    assert refused(Day(extra=balance("PRCD", "0.01"))).fault is Fault.TWO_BALANCES


def test_of_two_opening_balances_that_agree_the_day_of_opbd_counts() -> None:
    day = Day(extra=balance("PRCD", "0.00", date="2025-12-31"))

    assert read(day)[0].opening_date == 20260102
    assert read(replace(day, opening_code="XXXX"))[0].opening_date == 20251231


def test_an_account_in_another_currency_than_its_balances_is_refused() -> None:
    text = document(Day()).decode().replace("<Ccy>EUR</Ccy>", "<Ccy>USD</Ccy>")

    with pytest.raises(BankFileError) as caught:
        parse(text.encode(), RESERVE)

    assert caught.value.fault is Fault.CURRENCY
    assert caught.value.path.endswith("Stmt/Acct/Ccy")


def test_c6_two_different_references_in_one_payment_name_no_account() -> None:
    one, two = reference("WIJK0001"), reference("WIJK0002")
    strd = "<RmtInf>" + "<Strd><CdtrRefInf><Ref>{}</Ref></CdtrRefInf></Strd>" * 2 + "</RmtInf>"

    found = [
        read_entries(Item(transactions=(Tx("10.00", extra=strd.format(*refs)),)), closing="10.00")
        for refs in ((one, two), (one, one), ("RF00WRONG", two))
    ]

    assert [entry.reference for (entry,) in found] == ["", one, two]


def test_c6_a_reference_with_a_typing_error_names_no_account() -> None:
    mistyped = reference("WIJK0001")[:-1] + "2"
    tx = Tx("10.00", creditor_reference=mistyped, text=mistyped)

    (entry,) = read_entries(Item(transactions=(tx,)), closing="10.00")

    assert (entry.reference, entry.remittance) == ("", mistyped)


def test_a_moment_counts_by_the_date_as_written() -> None:
    moment = "<DtTm>2026-01-02T23:59:59.999+01:00</DtTm>"

    (entry,) = read_entries(Item(booked=moment, valued="<Dt>2026-01-05Z</Dt>"), closing="10.00")

    assert (entry.booking_date, entry.value_date) == (20260102, 20260105)


def test_a_currency_without_decimals_is_read_by_its_own_digits() -> None:
    day = Day(ccy="ISK", opening="0", closing="1500", items=(Item(amount="1500", ccy="ISK"),))

    assert read(day, currency="ISK")[0].closing == 1500
    assert refused(replace(day, opening="0.00"), currency="ISK").fault is Fault.AMOUNT


def test_c1_an_account_in_another_currency_than_the_reserve_is_refused() -> None:
    """On the chain a cent has no currency but that of the wijk: dollars would become euros."""
    day = Day(ccy="USD", items=(Item(ccy="USD"),))

    error = refused(day)

    assert (error.fault, error.detail) == (Fault.OTHER_CURRENCY, "USD ≠ EUR")
    assert read(day, currency="USD")[0].currency == "USD"


# ------------------------------------------------------------------- C5: one day after another

MONDAY = Day(id="a", sequence="7", closing="10.00", date="2026-01-05")
TUESDAY = Day(
    id="b",
    sequence="8",
    opening="10.00",
    closing="10.00",
    date="2026-01-06",
    items=(),
)


def test_c5_statements_of_one_file_follow_on() -> None:
    assert [statement.sequence for statement in read(MONDAY, TUESDAY)] == [7, 8]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"sequence": "9"}, "ElctrncSeqNb 7, 9"),
        ({"sequence": "7"}, "ElctrncSeqNb 7, 7"),
        ({"opening": "10.01", "closing": "10.01"}, "10.00 ≠ 10.01"),
        ({"date": "2026-01-05"}, "20260105 ≥ 20260105"),
        ({"date": "2026-01-04"}, "20260105 ≥ 20260104"),
    ],
    ids=str,
)
def test_c5_a_statement_that_does_not_follow_on_is_refused(
    changes: dict[str, str], detail: str
) -> None:
    error = refused(MONDAY, replace(TUESDAY, **changes))  # type: ignore[arg-type]

    assert (error.fault, error.detail) == (Fault.GAP, detail)
    assert error.path == "Document/BkToCstmrStmt/Stmt[2]"


def test_c5_numbers_are_compared_where_both_are_there_and_inside_one_year() -> None:
    for changes in ({"sequence": None}, {"sequence": "1", "date": "2027-01-04"}):
        assert len(read(MONDAY, replace(TUESDAY, **changes))) == 2


def test_c5_another_account_in_between_changes_nothing() -> None:
    other = replace(MONDAY, iban=OTHER_IBAN, date="2026-03-01")

    assert len(read(MONDAY, other, TUESDAY)) == 3
    assert refused(MONDAY, other, replace(TUESDAY, sequence="9")).fault is Fault.GAP


def test_an_addition_of_the_bank_in_another_namespace_is_skipped() -> None:
    extra = '<SplmtryData><Envlp><own xmlns="urn:bank">text<Ntry/> more</own></Envlp></SplmtryData>'

    assert read(Day(extra=extra))[0].closing == 1000


# ------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, [0]), (1, [1]), (500, [500]), (501, [500, 1]), (1203, [500, 500, 203])]
)
def test_pages_hold_at_most_500_entries_and_lose_none(count: int, sizes: list[int]) -> None:
    items = tuple(Item(amount="1.00", servicer_ref=f"R{n}") for n in range(count))
    (statement,) = read(Day(items=items, closing=f"{count}.00"))

    found = pages(statement)

    assert PAGE_ENTRIES_MAX == 500
    assert [len(page) for page in found] == sizes
    assert tuple(entry for page in found for entry in page) == statement.entries


# ---------------------------------------------------------------------------------- refusals

CASES: list[tuple[Day, Fault]] = [
    (Day(closing="10.01"), Fault.SUM),
    (Day(opening="0.01"), Fault.SUM),
    (Day(items=(Item(side="DBIT"),)), Fault.SUM),
    (Day(iban="NL03ABNA0123456789"), Fault.ACCOUNT),
    (Day(iban="nl02abna0123456789"), Fault.ACCOUNT),
    (Day(iban=""), Fault.ACCOUNT),
    (Day(id=""), Fault.UNREADABLE),
    (Day(id="x" * 36), Fault.UNREADABLE),
    (Day(sequence="1.0"), Fault.UNREADABLE),
    (Day(sequence="-1"), Fault.UNREADABLE),
    (Day(sequence="9" * 19), Fault.UNREADABLE),
    (Day(opening_code="ITBD"), Fault.NO_BALANCE),
    (Day(extra=balance("OPBD", "0.00")), Fault.TWO_BALANCES),
    (Day(extra=balance("CLBD", "10.00")), Fault.TWO_BALANCES),
    (Day(ccy="USD"), Fault.CURRENCY),
    (Day(ccy="eur"), Fault.CURRENCY),
    (Day(extra="<Id>again</Id>"), Fault.TWICE),
    (Day(opening="-0.01"), Fault.AMOUNT),
]
AMOUNTS = (
    "10",
    "10.0",
    "10.000",
    "1.0e1",
    "+10.00",
    "-10.00",
    "10,00",
    "1,000.00",
    " ",
    ".10",
    "10.",
    "0x10.00",
    "\u0661\u0660.\u0660\u0660",
    "10.0\u00b2",
    "NaN",
    "100000000000.01",
    "9" * 5000 + ".00",
)
DAYS = (
    "<Dt>2026-02-29</Dt>",
    "<Dt>2026-13-01</Dt>",
    "<Dt>2026-00-10</Dt>",
    "<Dt>2026-01-00</Dt>",
    "<Dt>2026-04-31</Dt>",
    "<Dt>1900-01-01</Dt>",
    "<Dt>2026-1-2</Dt>",
    "<Dt>20260102</Dt>",
    "<Dt>02-01-2026</Dt>",
    "<Dt>2026-01-02T10:00:00</Dt>",
    "<Dt>\uff12\uff10\uff12\uff16-01-02</Dt>",
    "<Dt></Dt>",
    "<DtTm>2026-01-02</DtTm>",
    "<DtTm>2026-01-02T24:00:00</DtTm>",
    "<DtTm>2026-01-02T10:60:00</DtTm>",
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("day", "fault"), CASES)
def test_a_statement_that_is_not_right_is_refused(day: Day, fault: Fault, version: str) -> None:
    assert refused(day, version=version).fault is fault


@pytest.mark.parametrize("amount", AMOUNTS)
def test_c5_an_amount_is_exact_decimal_text(amount: str) -> None:
    error = refused(Day(items=(Item(amount=amount),)))

    assert error.fault is Fault.AMOUNT
    assert error.path.endswith("Stmt/Ntry/Amt")


@pytest.mark.parametrize("day", DAYS)
def test_a_date_that_is_none_is_refused(day: str) -> None:
    assert refused(Day(items=(Item(booked=day),))).fault is Fault.DATE
    assert refused(Day(items=(Item(valued=day),))).fault is Fault.DATE


def test_leap_days_are_dates() -> None:
    for day in ("2024-02-29", "2000-02-29"):
        (entry,) = read_entries(Item(booked=f"<Dt>{day}</Dt>"), closing="10.00")
        assert entry.booking_date == int(day.replace("-", ""))
    assert refused(Day(items=(Item(booked="<Dt>2100-02-29</Dt>"),))).fault is Fault.DATE


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (Item(side="CREDIT"), Fault.UNREADABLE),
        (Item(side=""), Fault.UNREADABLE),
        (Item(status="BOEK"), Fault.UNREADABLE),
        (Item(status=""), Fault.UNREADABLE),
        (Item(status="FUTR"), Fault.UNREADABLE),  # 08 only
        (Item(reversal="yes"), Fault.UNREADABLE),
        (Item(ccy="USD"), Fault.CURRENCY),
        (Item(ccy=""), Fault.CURRENCY),
        (Item(booked=""), Fault.MISSING),
        (Item(booked="<Dt>2026-01-02</Dt><DtTm>2026-01-02T10:00:00</DtTm>"), Fault.TWICE),
        (Item(booked="<Dt>2026-01-02</Dt><Dt>2026-01-02</Dt>"), Fault.TWICE),
        (Item(servicer_ref="x" * 36), Fault.UNREADABLE),
        (Item(transactions=(Tx("10.00", extra="<RmtInf/><RmtInf/>"),)), Fault.TWICE),
    ],
)
def test_an_entry_that_is_not_right_is_refused(item: Item, fault: Fault) -> None:
    assert refused(Day(items=(item,))).fault is fault


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("<CdtDbtInd>CRDT</CdtDbtInd><Dt>", "<CdtDbtInd>DBIT</CdtDbtInd><Dt>", Fault.NEGATIVE),
        ("CLBD", "CLAV", Fault.NO_BALANCE),
        ("<GrpHdr>", "<GrpHdr/><GrpHdr>", Fault.TWICE),
        ("BkToCstmrStmt>", "BkToCstmrDbtCdtNtfctn>", Fault.MISSING),
        ("Stmt>", "Rpt>", Fault.MISSING),
        ("<Sts>BOOK</Sts>", "", Fault.MISSING),
        ("<Sts>BOOK</Sts>", "<Sts><Cd>BOOK</Cd></Sts>", Fault.UNREADABLE),  # 08 in 02
        ("<IBAN>", "<Othr>", Fault.ACCOUNT),
        ("<Acct>", "<Acct/><Acct>", Fault.TWICE),
        (' Ccy="EUR"', "", Fault.CURRENCY),
        ("<BookgDt><Dt>2026-01-02</Dt></BookgDt>", "", Fault.MISSING),
    ],
)
def test_a_file_with_another_structure_is_refused(old: str, new: str, fault: Fault) -> None:
    text = document(Day(opening="5.00", closing="15.00")).decode()
    assert old in text
    text = text.replace(old, new).replace("Othr>NL02ABNA0123456789</IBAN", "Othr>1</Othr")

    with pytest.raises(BankFileError) as caught:
        parse(text.encode(), RESERVE)

    assert caught.value.fault is fault


def test_a_closing_balance_before_the_opening_one_is_refused() -> None:
    text = document(Day()).decode()
    cut = text.index("CLBD")
    text = text[:cut] + text[cut:].replace("<Dt>2026-01-02</Dt>", "<Dt>2026-01-01</Dt>", 1)

    with pytest.raises(BankFileError) as caught:
        parse(text.encode(), RESERVE)

    assert (caught.value.fault, caught.value.detail) == (Fault.ORDER, "20260102 > 20260101")


# ------------------------------------------------------------------------ words for a treasurer


def test_an_error_says_what_where_and_what_now_in_both_languages() -> None:
    items = (Item(), Item(amount="7.5", servicer_ref="B"))
    error = refused(Day(items=items, closing="17.50"), Day(id="2"))

    assert error.code == "bank.amount"
    assert error.path == "Document/BkToCstmrStmt/Stmt[1]/Ntry[2]/Amt"
    assert error.line == 8
    assert str(error) == (
        "An amount is unreadable, or does not have the decimals of its currency. (EUR: 1.23) "
        "Line 8, Document/BkToCstmrStmt/Stmt[1]/Ntry[2]/Amt. "
        "Change nothing by hand; download the file again from the bank. [bank.amount]"
    )
    assert error.sentence("nl").startswith("Een bedrag is onleesbaar")
    assert "Regel 8, " in error.sentence("nl")


def test_an_error_about_the_sum_shows_the_sum() -> None:
    assert refused(Day(closing="10.01")).detail == "0.00 + 10.00 - 0.00 ≠ 10.01"


def test_each_fault_has_its_own_code_and_words_in_both_languages() -> None:
    assert len({fault.code for fault in Fault}) == len(Fault)
    for fault in Fault:
        assert fault.code.startswith("bank.")
        for words in (fault.what, fault.now):
            assert set(words) == {"nl", "en"}
            assert all(sentence.endswith(".") for sentence in words.values())


def test_names_and_accounts_stay_out_of_repr_and_errors() -> None:
    tx = Tx("10.00", name="Geheim", text="Geheim", end_to_end="Geheim", ref="T")
    day = Day(id=f"{IBAN}-1", items=(Item(transactions=(tx,)),))

    assert "Geheim" not in repr(read(day))
    assert IBAN not in repr(read(day))
    wrong = refused(replace(day, closing="11.00"))
    assert "Geheim" not in str(wrong)
    assert IBAN not in str(wrong)
