"""coin.bank_entry: costs, income, deposits at a partner and reversed deposits (economy C17)."""

from typing import Any

import msgspec
import pytest

from chain.codec import decode, encode
from chain.errors import Code, Malformed
from chain.keyspaces import ENTRIES, PACTS, PARAMS, PREFUNDED, WIJKEN, compute_pact_id
from chain.params import FEDERATION
from chain.records import Outcome
from chain.state import State
from contracts.coin import BankEntryCall, RedeemRequest, StatementEntry
from contracts.trade import Pay
from tests.contracts.desk import (
    FIN,
    PAYOUT,
    Desk,
    assert_done,
    assert_refused,
    balance_of,
    booked,
    broken,
    change,
    line,
    put,
    supply,
)
from tests.federation import Ledger, account, reserve

DENOM = "delfshaven:EUR"
ANNA, BRAM = account("anna"), account("bram")
RESERVE, AT_PARTNER = reserve("delfshaven"), b"\x77" * 32
PACT = compute_pact_id("delfshaven", "noord")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


def enter(desk: Desk, entry: StatementEntry, kind: str, **rest: Any) -> Outcome:
    """Book an entry by the treasury of the desk's wijk."""
    call = BankEntryCall(entry.entry_id, kind, rest.get("pair"), rest.get("pact"))  # type: ignore[arg-type]
    return desk.ledger.by_board(desk.wijk, call, rest.get("letters", "ab"))


def result(ledger: Ledger, wijk: str = "delfshaven") -> tuple[int, int]:
    """Return income and cost of a wijk, in cents."""
    return balance_of(ledger, wijk, wijk, "8"), balance_of(ledger, wijk, wijk, "9")


def test_coin_bank_entry_books_income_and_costs_c17(desk: Desk) -> None:
    ledger = desk.ledger
    gift, rent = line("gift", 5_000), line("interest", 12)
    fee, stolen = line("fee", 350, "D"), line("reversed", 1_000, "D", reversal=1)
    assert_done(desk.attest(gift, rent, fee, stolen))

    outcomes = [
        assert_done(enter(desk, entry, kind))
        for entry, kind in (
            (gift, "CONTRIBUTION"),
            (rent, "INTEREST"),
            (fee, "CHARGE"),
            (stolen, "REVERSAL"),
        )
    ]

    wijk = b"delfshaven"
    assert [booked(outcome) for outcome in outcomes] == [
        [(DENOM, ("1", RESERVE), ("8", wijk), 5_000, FIN)],
        [(DENOM, ("1", RESERVE), ("8", wijk), 12, FIN)],
        [(DENOM, ("9", wijk), ("1", RESERVE), 350, FIN)],
        [(DENOM, ("9", wijk), ("1", RESERVE), 1_000, FIN)],
    ]
    assert result(ledger) == (5_012, 1_350)
    (notice,) = outcomes[2].notices
    assert notice.name == "coin.BankEntryBooked"
    assert decode(tuple[bytes, str, int, bytes | None], notice.values) == (
        fee.entry_id,
        "CHARGE",
        350,
        None,
    )
    assert supply(ledger).reserve == 10_000 + 5_012 - 1_350
    assert broken(ledger) == []


def test_a_debit_that_income_does_not_cover_stays_open_and_blocks_minting_c17(desk: Desk) -> None:
    """The denom is SHORT until a contribution ends it; holders never lose coin."""
    ledger = desk.ledger
    fee, deposit = line("fee", 350, "D"), line("deposit", 1_000)
    assert_done(desk.attest(fee, deposit))
    assert_done(desk.allow(1_000))

    refused = enter(desk, fee, "CHARGE")
    assert_refused(refused, Code.COIN_LOW_BALANCE, balance_cents=0, amount_cents=350)
    assert_refused(desk.mint(deposit, ANNA), Code.COIN_BLOCKED)
    assert broken(ledger) == []
    gift = line("gift", 350, date=20_260_102)
    assert_done(desk.attest(gift))
    assert_done(enter(desk, gift, "CONTRIBUTION"))
    assert_done(desk.mint(deposit, ANNA))
    assert_done(enter(desk, fee, "CHARGE"))
    assert result(ledger) == (350, 350)
    assert broken(ledger) == []


def test_coin_bank_entry_refuses_more_than_the_bank_books_hold_i3(desk: Desk) -> None:
    """Paid out of a deposit that nobody booked: class 1 never goes below zero."""
    ledger = desk.ledger
    deposit, gift = line("deposit", 20_000), line("gift", 30_000)
    assert_done(desk.attest(deposit, gift))
    assert_done(enter(desk, gift, "CONTRIBUTION"))
    fee = line("fee", 30_001, "D", date=20_260_102)
    assert_done(desk.attest(fee))

    refused = enter(desk, fee, "CHARGE")

    assert_refused(refused, Code.COIN_LOW_BALANCE, balance_cents=30_000, amount_cents=30_001)
    assert broken(ledger) == []


def test_an_entry_is_used_once_whatever_for_i6(desk: Desk) -> None:
    gift, deposit = line("gift", 100), line("deposit", 100)
    assert_done(desk.attest(gift, deposit))
    assert_done(desk.allow(200))
    assert_done(enter(desk, gift, "CONTRIBUTION"))
    assert_done(desk.mint(deposit, ANNA))

    for entry in (gift, deposit):
        assert_refused(enter(desk, entry, "INTEREST"), Code.COIN_USED)
        assert_refused(desk.mint(entry, ANNA), Code.COIN_USED)
    assert broken(desk.ledger) == []


WRONG_SIDES = [
    ("C", 0, ("CHARGE", "REVERSAL", "PREFUND")),
    ("C", 1, ("CHARGE", "REVERSAL", "PREFUND", "INTEREST")),
    ("D", 0, ("INTEREST", "CONTRIBUTION", "REVERSAL")),
    ("D", 1, ("CHARGE", "INTEREST", "CONTRIBUTION", "PREFUND")),
]


@pytest.mark.parametrize(("side", "reversal", "kinds"), WRONG_SIDES)
def test_coin_bank_entry_refuses_the_other_side(
    desk: Desk, side: str, reversal: int, kinds: tuple[str, ...]
) -> None:
    entry = line("entry", 100, side, reversal=reversal)
    assert_done(desk.attest(entry))

    for kind in kinds:
        assert_refused(enter(desk, entry, kind, pair=None), Code.COIN_SIDE)


def test_a_payout_that_came_back_as_a_reversal_is_booked_as_a_contribution(desk: Desk) -> None:
    """ADR 0019: such a credit is never minted."""
    back = line("back", 100, reversal=1)
    assert_done(desk.attest(back))

    assert_done(enter(desk, back, "CONTRIBUTION"))
    assert result(desk.ledger) == (100, 0)


def test_coin_bank_entry_refuses_what_is_not_attested_or_of_another_wijk(desk: Desk) -> None:
    ledger, entry = desk.ledger, line("entry", 100)
    assert_refused(enter(desk, entry, "INTEREST"), Code.TX_UNKNOWN_ID)
    first = desk.next_call(entry, pages=2, closing=10_100)
    assert_done(ledger.by_board("delfshaven", first))
    assert_refused(enter(desk, entry, "INTEREST"), Code.TX_UNKNOWN_ID)
    other = line("other", 100, wijk="noord")
    assert_done(Desk(ledger, "noord").attest(other))
    assert_refused(enter(desk, other, "INTEREST"), Code.TX_UNKNOWN_ID)


def test_an_entry_of_nothing_is_refused_and_stops_no_node(desk: Desk) -> None:
    entry = line("nothing", 0)
    assert_done(desk.attest(entry))

    assert_refused(enter(desk, entry, "INTEREST"), Code.TX_AMOUNT, amount_cents=0)


def test_coin_bank_entry_needs_two_treasurers_c3(desk: Desk) -> None:
    gift = line("gift", 100)
    assert_done(desk.attest(gift))
    call = BankEntryCall(gift.entry_id, "CONTRIBUTION", None, None)

    assert_refused(desk.ledger.by_registrar("delfshaven", call), Code.TX_ROLE, role="treasury")


def test_an_unknown_kind_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode(BankEntryCall, encode(["coin.bank_entry", bytes(32), "LOAN", None, None]))


# --------------------------------------------------------------------------- deposit at a partner


@pytest.fixture
def prefunded() -> Ledger:
    """Delfshaven has an account that is pledged to noord, and a PREFUNDED pact with it."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})
    rows = ((RESERVE, "delfshaven"), (reserve("noord"), "noord"), (AT_PARTNER, "noord"))
    put(ledger, PARAMS, ((0, msgspec.Raw(encode(sorted(rows)))),), FEDERATION, "reserves")
    change(ledger, PACTS, "delfshaven", "noord", mode=PREFUNDED)
    return ledger


def move_money(ledger: Ledger, cents: int = 3_000) -> tuple[Desk, StatementEntry, StatementEntry]:
    """Let both banks show a move from delfshaven's reserve to the pledged account."""
    desk = Desk(ledger)
    partner = Desk(ledger, "noord", reserve_id=AT_PARTNER)
    out = line("deposit at noord", cents, "D")
    arrived = line("deposit of delfshaven", cents, reserve_id=AT_PARTNER)
    assert_done(desk.attest(out))
    assert_done(partner.attest(arrived))
    return desk, out, arrived


def test_a_prefund_moves_money_from_bank_to_bank_and_opens_trade_c17_t2(prefunded: Ledger) -> None:
    pay = Pay(BRAM, 2_000, None, None)
    assert_refused(prefunded.by_person("anna", pay), Code.TRADE_CAP, remaining_cents=0)
    desk, out, arrived = move_money(prefunded)

    outcome = assert_done(enter(desk, out, "PREFUND", pair=arrived.entry_id, pact=PACT))

    assert booked(outcome) == [(DENOM, ("1", AT_PARTNER), ("1", RESERVE), 3_000, FIN)]
    assert supply(prefunded).reserve == 10_000
    state = State(prefunded.state.get)
    for entry in (out, arrived):
        used = ENTRIES.get(state, entry.entry_id)
        assert used is not None
        assert used.used_by == outcome.tx_id
    assert broken(prefunded) == []
    assert_done(prefunded.by_person("anna", pay))
    assert_refused(prefunded.by_person("anna", pay), Code.TRADE_CAP, remaining_cents=1_000)
    assert broken(prefunded) == []


def test_a_prefund_names_both_entries_and_the_pact(prefunded: Ledger) -> None:
    desk, out, arrived = move_money(prefunded)
    pair = arrived.entry_id

    assert_refused(enter(desk, out, "PREFUND"), Code.COIN_KIND)
    assert_refused(enter(desk, out, "PREFUND", pair=pair), Code.COIN_KIND)
    assert_refused(enter(desk, out, "PREFUND", pact=PACT), Code.COIN_KIND)
    assert_refused(enter(desk, out, "CHARGE", pact=PACT), Code.COIN_KIND)
    assert_refused(enter(desk, out, "CHARGE", pair=pair), Code.COIN_KIND)
    other = compute_pact_id("delfshaven", "charlois")
    assert_refused(enter(desk, out, "PREFUND", pair=pair, pact=other), Code.TX_UNKNOWN_ID)
    assert_refused(enter(desk, out, "PREFUND", pair=out.entry_id, pact=PACT), Code.TX_UNKNOWN_ID)
    change(prefunded, PACTS, "delfshaven", "noord", mode="PLEDGED")
    assert_refused(enter(desk, out, "PREFUND", pair=pair, pact=PACT), Code.TX_UNKNOWN_ID)


def test_a_prefund_is_of_one_amount_and_of_sides_that_fit(prefunded: Ledger) -> None:
    desk, out, _ = move_money(prefunded)
    partner = Desk(prefunded, "noord", reserve_id=AT_PARTNER)
    less = line("less", 2_999, reserve_id=AT_PARTNER)
    away = line("away", 3_000, "D", reserve_id=AT_PARTNER)
    assert_done(partner.attest(less, away))

    wrong = enter(desk, out, "PREFUND", pair=less.entry_id, pact=PACT)
    assert_refused(wrong, Code.COIN_AMOUNT, amount_cents=2_999, expected_cents=3_000)
    assert_refused(enter(desk, out, "PREFUND", pair=away.entry_id, pact=PACT), Code.COIN_SIDE)


def test_a_prefund_never_takes_a_deposit_of_the_partners_residents(prefunded: Ledger) -> None:
    """An account that backs coin of noord is no deposit of delfshaven, whoever says so."""
    desk, out, _ = move_money(prefunded)
    deposit = line("of a resident", 3_000, wijk="noord")
    assert_done(Desk(prefunded, "noord").attest(deposit))

    refused = enter(desk, out, "PREFUND", pair=deposit.entry_id, pact=PACT)

    assert_refused(refused, Code.TX_UNKNOWN_ID)


def test_a_prefund_is_of_one_currency_t13(prefunded: Ledger) -> None:
    desk, out, arrived = move_money(prefunded)
    change(prefunded, WIJKEN, "noord", currency="GBP")

    refused = enter(desk, out, "PREFUND", pair=arrived.entry_id, pact=PACT)

    assert_refused(refused, Code.TX_UNKNOWN_ID)


def test_money_of_a_prefund_is_not_minted_twice_i6(prefunded: Ledger) -> None:
    desk, out, arrived = move_money(prefunded)
    assert_done(enter(desk, out, "PREFUND", pair=arrived.entry_id, pact=PACT))
    partner = Desk(prefunded, "noord", reserve_id=AT_PARTNER)
    assert_done(partner.allow(3_000))

    assert_refused(partner.mint(arrived, BRAM), Code.COIN_USED)


def test_the_first_booking_of_a_reserve_says_in_whose_books_its_money_stands(
    prefunded: Ledger,
) -> None:
    """What arrives where a deposit of delfshaven stands is no coin, gift or income of noord."""
    desk, out, arrived = move_money(prefunded)
    assert_done(enter(desk, out, "PREFUND", pair=arrived.entry_id, pact=PACT))
    partner = Desk(prefunded, "noord", reserve_id=AT_PARTNER)
    more = line("more of delfshaven", 500, reserve_id=AT_PARTNER)
    assert_done(partner.attest(more))
    assert_done(partner.allow(3_000))

    assert_refused(partner.mint(more, BRAM), Code.COIN_NO_ENTRY)
    assert_refused(enter(partner, more, "CONTRIBUTION"), Code.TX_UNKNOWN_ID)
    again = line("more at noord", 500, "D", date=20_260_102)
    assert_done(desk.attest(again))
    assert_done(enter(desk, again, "PREFUND", pair=more.entry_id, pact=PACT))
    assert balance_of(prefunded, AT_PARTNER, "delfshaven", "1") == 3_500
    assert broken(prefunded) == []


def test_a_prefund_takes_no_deposit_of_an_account_that_was_emptied(prefunded: Ledger) -> None:
    """Coin of noord was backed there once, so the next credit is of a resident of noord too."""
    desk, out, arrived = move_money(prefunded)
    partner = Desk(prefunded, "noord", reserve_id=AT_PARTNER)
    assert_done(partner.allow(6_000))
    assert_done(partner.mint(arrived, BRAM))
    request = assert_done(prefunded.by_person("bram", RedeemRequest(3_000, PAYOUT))).tx_id
    assert_done(partner.batch(request))
    paid = line("paid", 3_000, "D", reserve_id=AT_PARTNER)
    fresh = line("fresh", 3_000, reserve_id=AT_PARTNER)
    assert_done(partner.attest(paid, fresh))
    assert_done(partner.paid(request, paid))
    assert balance_of(prefunded, AT_PARTNER, "noord", "1") == 0

    refused = enter(desk, out, "PREFUND", pair=fresh.entry_id, pact=PACT)

    assert_refused(refused, Code.TX_UNKNOWN_ID)
    assert_done(partner.mint(fresh, BRAM))
