"""coin.set_minter, coin.statement, coin.mint: coin only against bank money (economy C2..C8)."""

import msgspec
import pytest

from chain.books import BALANCE_CENTS_MAX, EXEMPT_150
from chain.codec import encode
from chain.crypto import sha256
from chain.dates import is_date
from chain.errors import Code, Reject
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    ENTRIES,
    ISSUERS,
    MINTERS,
    PARAMS,
    RESERVES,
    STATEMENTS,
    SUPPLY,
    SUSPENDED,
    WIJKEN,
    Entry,
    Reserve,
    Statement,
)
from chain.params import FEDERATION
from chain.state import State
from contracts.coin import Mint, RedeemRequest, SetMinter, StatementEntry
from tests.contracts.desk import (
    FIN,
    FIRST_DAY,
    PAYOUT,
    Desk,
    assert_done,
    assert_refused,
    balance,
    balance_of,
    booked,
    broken,
    change,
    get_redemption,
    limit,
    line,
    supply,
)
from tests.federation import Ledger, account, board, reserve

DENOM = "delfshaven:EUR"
ANNA = account("anna")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0, "noord/bram": 5_000})


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


# --------------------------------------------------------------------------------- coin.set_minter


def test_coin_set_minter_sets_what_may_be_minted(ledger: Ledger) -> None:
    outcome = assert_done(ledger.by_board("delfshaven", SetMinter(DENOM, 700)))

    assert MINTERS.get(State(ledger.state.get), DENOM) == 700
    assert [notice.name for notice in outcome.notices] == ["coin.MinterSet"]
    assert outcome.postings == ()


def test_coin_set_minter_refuses_a_denomination_that_does_not_exist(ledger: Ledger) -> None:
    for denom in ("delfshaven:USD", "delfshaven", "nergens:EUR", "", "delfshaven:EUR:EUR"):
        assert_refused(ledger.by_board("delfshaven", SetMinter(denom, 1)), Code.COIN_DENOM)


def test_coin_set_minter_refuses_not_treasury_for_the_coin_of_another_wijk(ledger: Ledger) -> None:
    outcome = ledger.by_board("delfshaven", SetMinter("noord:EUR", 1))

    assert_refused(outcome, Code.COIN_NOT_TREASURY)


def test_coin_set_minter_refuses_role_to_a_resident(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", SetMinter(DENOM, 1)), Code.TX_ROLE)


# ---------------------------------------------------------------------------------- coin.statement


def test_coin_statement_puts_a_bank_day_on_the_chain_c5(ledger: Ledger, desk: Desk) -> None:
    entries = (line("a", 700), line("b", 200, "D"), line("c", 0))

    outcome = assert_done(desk.attest(*entries))

    state = State(ledger.state.get)
    held = STATEMENTS.get(state, desk.reserve, FIRST_DAY)
    assert held == Statement(1, 1, 10_000, 10_500, 700, 200, outcome.tx_id, 1, 1)
    known = RESERVES.get(state, desk.reserve)
    assert known == Reserve("delfshaven", FIRST_DAY, 10_500, 0, 700, 200, 1)
    entry = ENTRIES.get(state, entries[0].entry_id)
    assert entry == Entry(desk.reserve, FIRST_DAY, 700, "C", 0, None, 1)
    assert [notice.name for notice in outcome.notices] == ["coin.StatementPosted"]
    assert outcome.postings == ()
    assert broken(ledger) == []


def test_coin_statement_counts_only_when_its_last_page_is_in_c5(ledger: Ledger, desk: Desk) -> None:
    first, second = line("a", 700), line("b", 300)
    assert_done(desk.attest(first, pages=2, closing=11_000))
    desk.allow(1_000)
    assert_refused(desk.mint(first, ANNA), Code.COIN_NO_ENTRY)
    assert broken(ledger) == []

    assert_done(desk.attest(second, page=2, pages=2, opening=10_000, closing=11_000))

    assert_done(desk.mint(first, ANNA))
    assert_done(desk.mint(second, ANNA))
    assert broken(ledger) == []


def test_coin_statement_of_a_day_without_entries_follows_on_c5(ledger: Ledger, desk: Desk) -> None:
    assert_done(desk.attest())
    assert_done(desk.attest(line("a", 1)))

    assert broken(ledger) == []


def test_coin_statement_starts_over_with_page_one(ledger: Ledger, desk: Desk) -> None:
    """A mistake in an earlier page can be mended; what it said can be neither minted nor lost."""
    wrong, kept, late = line("wrong", 999), line("kept", 300), line("late", 200)
    assert_done(desk.attest(wrong, kept, pages=2, closing=10_500))
    assert_refused(
        desk.attest(late, page=2, pages=2, opening=10_000, closing=10_500), Code.COIN_SUM
    )

    assert_done(desk.attest(kept, pages=2, closing=10_500))
    assert_done(desk.attest(late, page=2, pages=2, opening=10_000, closing=10_500))

    desk.allow(2_000)
    assert_refused(desk.mint(wrong, ANNA), Code.COIN_NO_ENTRY)
    assert_done(desk.mint(kept, ANNA))
    assert broken(ledger) == []
    assert_done(desk.attest(wrong))
    assert_done(desk.mint(wrong, ANNA))
    assert broken(ledger) == []


def test_coin_statement_starts_over_on_another_day_too(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 300)
    assert_done(desk.attest(entry, pages=2, closing=10_300, date=20_260_115))

    assert_done(desk.attest(entry))

    state = State(ledger.state.get)
    assert STATEMENTS.get(state, desk.reserve, 20_260_115) is None
    assert broken(ledger) == []


def test_coin_statement_of_a_new_reserve_opens_at_zero_c5() -> None:
    """Reserves are those of the parameter; one that genesis does not list starts at 0."""
    ledger = Ledger()
    second = b"\x31" * 32
    run = ledger.run()
    rows = ((reserve("delfshaven"), "delfshaven"), (second, "delfshaven"))
    _put_reserves(run.state, rows)
    ledger.apply(run)
    desk = Desk(ledger, reserve_id=second)

    assert_refused(desk.attest(opening=1, closing=1), Code.COIN_OPENING)
    desk.issue("a", 250, ANNA)

    assert balance_of(ledger, second, "delfshaven", "1") == 250
    assert supply(ledger).reserve == 10_250
    assert broken(ledger) == []


def _put_reserves(state: State, rows: tuple[tuple[bytes, str], ...]) -> None:
    PARAMS.put(state, ((0, msgspec.Raw(encode(sorted(rows)))),), FEDERATION, "reserves")


@pytest.mark.parametrize(
    "changes",
    [
        {"date": 20_251_231},  # the day of genesis: dates rise
        {"date": 20_251_201},
        {"date": 20_260_230},  # no such day
        {"page": 2, "pages": 2},  # page 1 is missing
        {"page": 2, "pages": 1},
    ],
)
def test_coin_statement_refuses_gap_c5(desk: Desk, changes: dict[str, int]) -> None:
    assert_refused(desk.attest(line("a", 1), **changes), Code.COIN_GAP)


def test_coin_statement_refuses_gap_for_an_entry_of_no_day_c5(desk: Desk) -> None:
    assert not is_date(20_260_431)

    assert_refused(desk.attest(line("a", 1, date=20_260_431)), Code.COIN_GAP)


@pytest.mark.parametrize(
    "changes",
    [
        {"page": 3, "pages": 3},  # page 2 is missing
        {"page": 2, "pages": 4},  # another number of pages
        {"page": 2, "pages": 3, "date": 20_260_107},  # another day
    ],
)
def test_coin_statement_refuses_gap_between_pages_c5(desk: Desk, changes: dict[str, int]) -> None:
    assert_done(desk.attest(line("a", 1), pages=3, closing=10_003))

    changes = {"opening": 10_000, "closing": 10_003, **changes}

    assert_refused(desk.attest(line("b", 1), **changes), Code.COIN_GAP)


def test_coin_statement_refuses_gap_after_the_last_page_c5(desk: Desk) -> None:
    assert_done(desk.attest(line("a", 1), pages=1))

    again = desk.attest(page=2, pages=1, date=FIRST_DAY)

    assert_refused(again, Code.COIN_GAP)


def test_coin_statement_refuses_another_opening_c5(desk: Desk) -> None:
    outcome = desk.attest(opening=9_999, closing=9_999)

    assert_refused(outcome, Code.COIN_OPENING, opening_cents=9_999, expected_cents=10_000)


def test_coin_statement_refuses_another_opening_on_a_later_page_c5(desk: Desk) -> None:
    assert_done(desk.attest(line("a", 1), pages=2, closing=10_002))

    later = desk.attest(line("b", 1), page=2, pages=2, opening=10_001, closing=10_002)

    assert_refused(later, Code.COIN_OPENING, expected_cents=10_000)


def test_coin_statement_refuses_a_wrong_sum_c5(ledger: Ledger, desk: Desk) -> None:
    outcome = desk.attest(line("a", 700), line("b", 100, "D"), closing=10_601)

    assert_refused(outcome, Code.COIN_SUM, sum_cents=10_600)
    assert broken(ledger) == []


def test_coin_statement_refuses_a_wrong_sum_over_all_pages_c5(desk: Desk) -> None:
    assert_done(desk.attest(line("a", 700), pages=2, closing=10_900))
    call = {"page": 2, "pages": 2, "opening": 10_000}

    assert_refused(desk.attest(line("b", 201), **call, closing=10_900), Code.COIN_SUM)
    assert_refused(desk.attest(line("b", 200), **call, closing=10_901), Code.COIN_SUM)
    assert_done(desk.attest(line("b", 200), **call, closing=10_900))


def test_coin_statement_refuses_a_sum_below_zero_c5(desk: Desk) -> None:
    assert_refused(desk.attest(line("a", 10_001, "D")), Code.COIN_SUM, sum_cents=-1)


def test_coin_statement_refuses_sums_that_leave_the_books_w11(ledger: Ledger) -> None:
    """reliability W11: credits and debits that cancel must not run past 2^53 cents."""
    desk = Desk(ledger)
    most = 10**13
    lines = [line(f"{i}{side}", most, side) for i in range(250) for side in "CD"]
    for _ in range(3):
        assert_done(desk.attest(*[_again(desk, entry) for entry in lines]))

    outcome = desk.attest(*[_again(desk, entry) for entry in lines])

    assert_refused(outcome, Code.COIN_SUM)
    assert broken(ledger) == []


def _again(desk: Desk, entry: StatementEntry) -> StatementEntry:
    """Return the same line under an id that no statement holds."""
    desk.requests += 1
    return msgspec.structs.replace(entry, entry_id=sha256(desk.requests.to_bytes(4, "big")))


def test_coin_statement_refuses_a_seen_entry_c4(desk: Desk) -> None:
    assert_done(desk.attest(line("a", 700)))

    assert_refused(desk.attest(line("a", 700)), Code.COIN_SEEN_ENTRY)


def test_coin_statement_refuses_an_entry_twice_in_a_page_c4(desk: Desk) -> None:
    assert_refused(desk.attest(line("a", 700), line("a", 700)), Code.COIN_SEEN_ENTRY)


def test_coin_statement_refuses_an_entry_of_an_earlier_page_c4(desk: Desk) -> None:
    assert_done(desk.attest(line("a", 700), pages=2, closing=11_400))
    later = desk.attest(line("a", 700), page=2, pages=2, opening=10_000, closing=11_400)

    assert_refused(later, Code.COIN_SEEN_ENTRY)


def test_coin_statement_refuses_an_entry_that_another_wijk_is_posting_c4(ledger: Ledger) -> None:
    one, other = Desk(ledger), Desk(ledger, "noord")
    assert_done(one.attest(line("a", 700), pages=2, closing=10_800))

    assert_refused(other.attest(line("a", 700)), Code.COIN_SEEN_ENTRY)


def test_coin_statement_refuses_an_unknown_reserve_c5(ledger: Ledger) -> None:
    desk = Desk(ledger, reserve_id=b"\x44" * 32)

    assert_refused(desk.attest(line("a", 1)), Code.COIN_UNKNOWN_RESERVE)


def test_coin_statement_refuses_the_reserve_of_another_wijk_c5(ledger: Ledger) -> None:
    other = Desk(ledger, "noord").next_call(line("a", 1))

    assert_refused(ledger.by_board("delfshaven", other), Code.COIN_UNKNOWN_RESERVE)


def test_coin_statement_refuses_a_reserve_that_left_the_parameter_c5(ledger: Ledger) -> None:
    run = ledger.run()
    _put_reserves(run.state, ((reserve("noord"), "noord"),))
    ledger.apply(run)

    assert_refused(Desk(ledger).attest(line("a", 1)), Code.COIN_UNKNOWN_RESERVE)


def test_coin_statement_refuses_role_to_residents_and_registrars_c3(ledger: Ledger) -> None:
    call = Desk(ledger).next_call(line("a", 1))

    assert_refused(ledger.by_person("anna", call), Code.TX_ROLE)
    assert_refused(ledger.by_registrar("delfshaven", call), Code.TX_ROLE)


# --------------------------------------------------------------------------------------- coin.mint


def test_coin_mint_books_the_reserve_against_the_member_c6(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 700)
    assert_done(desk.attest(entry))
    assert_done(desk.allow(1_000))

    outcome = assert_done(desk.mint(entry, ANNA))

    assert booked(outcome) == [(DENOM, ("1", desk.reserve), ("2", ANNA), 700, FIN)]
    assert balance(ledger, "anna") == 10_700
    assert balance_of(ledger, desk.reserve, "delfshaven", "1") == 10_700
    state = State(ledger.state.get)
    assert MINTERS.get(state, DENOM) == 300
    entry_now = ENTRIES.get(state, entry.entry_id)
    assert entry_now is not None
    assert entry_now.used_by == outcome.tx_id
    sums = supply(ledger)
    assert (sums.issued, sums.reserve) == (10_700, 10_700)
    issuer = ISSUERS.get(state, "DEMO")
    assert issuer is not None
    assert issuer.outstanding == 15_700
    assert broken(ledger) == []


def test_coin_mint_to_the_wijk_fund_is_class_7(ledger: Ledger, desk: Desk) -> None:
    fund = board("delfshaven")

    desk.issue("a", 700, fund)

    assert balance_of(ledger, fund, "delfshaven", "7") == 700
    assert balance_of(ledger, fund, "delfshaven", "2") == 0
    assert broken(ledger) == []


def test_coin_mint_redeems_what_passes_the_limit_c8(ledger: Ledger, desk: Desk) -> None:
    limit(ledger, "anna", 10_500, auto_redeem=1)
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    outcome = assert_done(desk.mint(entry, ANNA))

    assert booked(outcome) == [
        (DENOM, ("1", desk.reserve), ("2", ANNA), 700, FIN),
        (DENOM, ("2", ANNA), ("3", ANNA), 200, FIN),
    ]
    assert get_redemption(ledger, outcome.tx_id).cents == 200
    assert supply(ledger).pending_out == 200
    assert broken(ledger) == []


def test_coin_mint_refuses_an_unknown_account(desk: Desk) -> None:
    outcome = desk.mint(line("a", 700), account("nobody"))

    assert_refused(outcome, Code.TX_UNKNOWN_ACCOUNT)


@pytest.mark.parametrize("cents", [0, 10**13])
def test_coin_mint_refuses_amounts_at_the_borders_w11(
    ledger: Ledger, desk: Desk, cents: int
) -> None:
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(10**13)

    outcome = desk.mint(entry, ANNA, cents=cents)

    assert_refused(outcome, Code.TX_AMOUNT if cents == 0 else Code.COIN_AMOUNT)
    assert balance(ledger, "anna") == 10_000


def test_coin_mint_of_the_largest_amount_w11(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 10**13 - 10_000)
    assert_done(desk.attest(entry))
    desk.allow(10**13)

    assert_done(desk.mint(entry, ANNA))

    assert balance(ledger, "anna") == 10**13
    assert broken(ledger) == []


def test_coin_mint_refuses_to_pass_two_to_the_53rd_w11(ledger: Ledger, desk: Desk) -> None:
    """economy B8: cumulative sums stay below 2^53, whatever two treasurers attest."""
    change(ledger, SUPPLY, DENOM, issued=BALANCE_CENTS_MAX - 699)
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.TX_AMOUNT)


def test_coin_mint_refuses_no_entry_c6(desk: Desk) -> None:
    desk.allow(700)

    assert_refused(desk.mint(line("a", 700), ANNA), Code.COIN_NO_ENTRY)


def test_coin_mint_refuses_no_entry_of_another_wijk_c6(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 700, wijk="noord")
    assert_done(Desk(ledger, "noord").attest(entry))
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_NO_ENTRY)


def test_coin_mint_refuses_a_used_entry_c6(ledger: Ledger, desk: Desk) -> None:
    entry = desk.issue("a", 700, ANNA)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_USED, entry=entry.entry_id.hex())
    assert balance(ledger, "anna") == 10_700


def test_coin_mint_refuses_another_amount_c6(desk: Desk) -> None:
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(1_000)

    for cents in (699, 701):
        outcome = desk.mint(entry, ANNA, cents=cents)
        assert_refused(outcome, Code.COIN_AMOUNT, amount_cents=cents, expected_cents=700)


def test_coin_mint_refuses_the_debit_side_c6(desk: Desk) -> None:
    entry = line("a", 700, "D")
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_SIDE)


def test_coin_mint_refuses_a_reversal_c6(desk: Desk) -> None:
    entry = line("a", 700, reversal=1)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_SIDE)


def test_coin_mint_refuses_another_currency_c6(ledger: Ledger, desk: Desk) -> None:
    change(ledger, WIJKEN, "noord", currency="DKK")
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, account("bram")), Code.COIN_CURRENCY)


def test_coin_mint_refuses_a_payee_of_another_wijk(desk: Desk) -> None:
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, account("bram")), Code.COIN_OTHER_WIJK, wijk="noord")


def test_coin_mint_refuses_above_the_allowance_c6(desk: Desk) -> None:
    entry = line("a", 700)
    desk.attest(entry)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_ALLOWANCE, remaining_cents=0)
    desk.allow(699)
    assert_refused(desk.mint(entry, ANNA), Code.COIN_ALLOWANCE, remaining_cents=699)
    desk.allow(700)
    assert_done(desk.mint(entry, ANNA))


def test_coin_mint_refuses_above_the_cap_of_the_issuer_c7(ledger: Ledger, desk: Desk) -> None:
    """C7: the cap counts what the issuer has outstanding in all its wijken together."""
    change(ledger, ISSUERS, "DEMO", mode=EXEMPT_150, total_cap=15_699)
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_MODE_CAP, remaining_cents=699)
    change(ledger, ISSUERS, "DEMO", total_cap=15_700)
    assert_done(desk.mint(entry, ANNA))
    assert broken(ledger) == []


def test_coin_mint_refuses_above_the_wallet_limit_c8(ledger: Ledger, desk: Desk) -> None:
    limit(ledger, "anna", 10_699)
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_WALLET_LIMIT, remaining_cents=699)


def test_coin_mint_holds_every_wallet_to_the_cap_of_the_mode_c7(ledger: Ledger, desk: Desk) -> None:
    """A role account has no limit of its own, but it is a wallet; the wijk fund is none."""
    change(ledger, ISSUERS, "DEMO", mode=EXEMPT_150, wallet_cap=15_000)
    entry = line("a", 15_001)
    desk.attest(entry)
    desk.allow(15_001)

    role = account("delfshaven-registrar-a")
    assert_refused(desk.mint(entry, role), Code.COIN_WALLET_LIMIT, remaining_cents=15_000)
    assert_refused(desk.mint(entry, ANNA), Code.COIN_WALLET_LIMIT, remaining_cents=5_000)
    assert_done(desk.mint(entry, board("delfshaven")))


def test_coin_mint_refuses_a_suspended_payee_c6(ledger: Ledger, desk: Desk) -> None:
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA), Code.COIN_FROZEN)


def test_coin_mint_is_blocked_while_a_redemption_is_overdue_c15(ledger: Ledger, desk: Desk) -> None:
    request = assert_done(ledger.by_person("anna", RedeemRequest(400, PAYOUT)))
    due = get_redemption(ledger, request.tx_id).due
    assert due == 20_260_105  # asked on Thursday 1 January; Friday and Monday are banking days
    deposit, debit = line("a", 700), line("b", 400, "D")
    desk.attest(deposit)
    desk.allow(700)

    ledger.time_s += 6 * 86_400
    assert_refused(desk.mint(deposit, ANNA), Code.COIN_BLOCKED)

    assert_done(desk.batch(request.tx_id))
    assert_done(desk.attest(debit))
    assert_done(desk.paid(request.tx_id, debit))
    assert_done(desk.mint(deposit, ANNA))
    assert broken(ledger) == []


def test_coin_mint_is_blocked_while_the_reserve_is_short_c17(ledger: Ledger, desk: Desk) -> None:
    """C17: bank charges that nobody covered are open debits; they block minting."""
    deposit, charge = line("a", 700), line("b", 1, "D")
    desk.attest(deposit, charge)
    desk.allow(700)

    assert_refused(desk.mint(deposit, ANNA), Code.COIN_BLOCKED)


def test_coin_mint_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger, desk: Desk) -> None:
    """Everything is wrong at once; each mistake that is mended shows the next one of the row."""
    foreign, payee = account("bram"), ANNA
    change(ledger, WIJKEN, "noord", currency="DKK")
    change(ledger, ISSUERS, "DEMO", mode=EXEMPT_150, total_cap=15_000)
    limit(ledger, "anna", 10_000)
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)
    credit, debit = line("in", 700), line("out", 700, "D")
    unseen = line("unseen", 700)

    assert_refused(desk.mint(unseen, account("nobody")), Code.TX_UNKNOWN_ACCOUNT)
    assert_refused(desk.mint(unseen, foreign, cents=0, request=bytes(32)), Code.TX_UNKNOWN_ID)
    assert_refused(desk.mint(unseen, foreign, cents=0), Code.TX_AMOUNT)
    assert_refused(desk.mint(unseen, foreign), Code.COIN_NO_ENTRY)
    assert_done(desk.attest(credit, debit))
    change(ledger, ENTRIES, debit.entry_id, used_by=bytes(32))
    assert_refused(desk.mint(debit, foreign, cents=1), Code.COIN_USED)
    change(ledger, ENTRIES, debit.entry_id, used_by=None)
    assert_refused(desk.mint(debit, foreign, cents=1), Code.COIN_AMOUNT)
    assert_refused(desk.mint(debit, foreign), Code.COIN_SIDE)
    assert_refused(desk.mint(credit, foreign), Code.COIN_CURRENCY)
    change(ledger, WIJKEN, "noord", currency="EUR")
    assert_refused(desk.mint(credit, foreign), Code.COIN_OTHER_WIJK)
    assert_refused(desk.mint(credit, payee), Code.COIN_ALLOWANCE)
    desk.allow(700)
    assert_refused(desk.mint(credit, payee), Code.COIN_MODE_CAP)
    change(ledger, ISSUERS, "DEMO", total_cap=None)
    assert_refused(desk.mint(credit, payee), Code.COIN_WALLET_LIMIT)
    limit(ledger, "anna", 10**13)
    assert_refused(desk.mint(credit, payee), Code.COIN_FROZEN)
    change(ledger, ACCOUNTS, ANNA, status=ACTIVE)
    assert_refused(desk.mint(credit, payee), Code.COIN_BLOCKED)


def test_coin_statement_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger, desk: Desk) -> None:
    assert_done(desk.attest(line("a", 1)))
    other = Desk(ledger, reserve_id=b"\x44" * 32)
    seen = line("a", 1)

    assert_refused(other.attest(seen, page=2, pages=1, opening=1), Code.COIN_GAP)
    assert_refused(other.attest(seen, opening=1, closing=7), Code.COIN_OPENING)
    assert_refused(other.attest(seen, closing=7), Code.COIN_SUM)
    assert_refused(other.attest(seen), Code.COIN_SEEN_ENTRY)
    assert_refused(other.attest(), Code.COIN_UNKNOWN_RESERVE)


def test_coin_mint_refuses_role_to_one_treasurer_c3(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 700)
    desk.attest(entry)
    call = Mint(entry.entry_id, ANNA, 700, "DEPOSIT", None)

    assert_refused(ledger.by_person("anna", call), Code.TX_ROLE)
    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.by_board("delfshaven", call, "a")


# ------------------------------------------------------------------------------ mint, cause RETURN


def _pay_out(ledger: Ledger, desk: Desk, cents: int = 400) -> bytes:
    """Let anna redeem and be paid; return the request."""
    request = assert_done(ledger.by_person("anna", RedeemRequest(cents, PAYOUT))).tx_id
    debit = line(f"out {cents}", cents, "D")
    assert_done(desk.batch(request))
    assert_done(desk.attest(debit))
    assert_done(desk.paid(request, debit))
    return request


def test_coin_mint_return_puts_the_coin_back_without_allowance_c16(
    ledger: Ledger, desk: Desk
) -> None:
    request = _pay_out(ledger, desk)
    entry = line("back", 400)
    assert_done(desk.attest(entry))

    outcome = assert_done(desk.mint(entry, ANNA, cause="RETURN", request=request))

    assert booked(outcome) == [(DENOM, ("1", desk.reserve), ("2", ANNA), 400, FIN)]
    assert balance(ledger, "anna") == 10_000
    assert get_redemption(ledger, request).status == "RETURNED"
    sums = supply(ledger)
    assert (sums.issued, sums.redeemed, sums.reserve) == (10_400, 400, 10_000)
    assert broken(ledger) == []


def test_coin_mint_return_refuses_used_for_a_request_returned_before_c16(
    ledger: Ledger, desk: Desk
) -> None:
    request = _pay_out(ledger, desk)
    first, second = line("back", 400), line("again", 400)
    desk.attest(first, second)
    assert_done(desk.mint(first, ANNA, cause="RETURN", request=request))

    outcome = desk.mint(second, ANNA, cause="RETURN", request=request)

    assert_refused(outcome, Code.COIN_USED)


def test_coin_mint_return_refuses_another_amount_than_was_paid_c16(
    ledger: Ledger, desk: Desk
) -> None:
    request = _pay_out(ledger, desk)
    entry = line("back", 390)
    desk.attest(entry)

    outcome = desk.mint(entry, ANNA, cause="RETURN", request=request)

    assert_refused(outcome, Code.COIN_AMOUNT, amount_cents=390, expected_cents=400)


def test_coin_mint_return_refuses_an_unknown_id_c16(ledger: Ledger, desk: Desk) -> None:
    paid = _pay_out(ledger, desk)
    unpaid = assert_done(ledger.by_person("anna", RedeemRequest(400, PAYOUT))).tx_id
    entry = line("back", 400)
    desk.attest(entry)

    for to, request in (
        (ANNA, None),
        (ANNA, bytes(32)),
        (ANNA, unpaid),
        (account("dirk"), paid),
    ):
        outcome = desk.mint(entry, to, cause="RETURN", request=request)
        assert_refused(outcome, Code.TX_UNKNOWN_ID)


def test_coin_mint_deposit_refuses_to_cite_a_request(ledger: Ledger, desk: Desk) -> None:
    entry = line("a", 700)
    desk.attest(entry)
    desk.allow(700)

    assert_refused(desk.mint(entry, ANNA, request=bytes(32)), Code.TX_UNKNOWN_ID)
