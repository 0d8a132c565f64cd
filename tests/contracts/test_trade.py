"""trade.pay: across wijken at par, inside pacts and caps (economy T1..T6)."""

from typing import Any

import msgspec
import pytest

from chain.books import LIMITED_NETWORK
from chain.codec import decode, encode
from chain.errors import Code, Malformed
from chain.genesis import founding_decision_id
from chain.keyspaces import (
    CAPS,
    FREEZES,
    ISSUERS,
    MEMBERS,
    OWED,
    PACTS,
    SUSPENDED,
    WIJKEN,
    Freeze,
    Owed,
)
from chain.records import Outcome, Tag
from chain.state import State
from contracts.coin import Leg, Transfer
from contracts.trade import Pay
from tests.contracts.desk import (
    FIN,
    Desk,
    assert_done,
    assert_refused,
    balance,
    balance_of,
    booked,
    broken,
    change,
    limit,
    put,
    supply,
)
from tests.federation import START_S, Ledger, account, board

ANNA, BRAM, DIRK = account("anna"), account("bram"), account("dirk")
PACT = ("delfshaven", "noord")


@pytest.fixture
def ledger() -> Ledger:
    """Pacts of genesis: € 1.000,00 each way."""
    return Ledger(
        balances={
            "delfshaven/anna": 1_000_000,
            "delfshaven/dirk": 0,
            "noord/bram": 500_000,
        }
    )


def send(ledger: Ledger, name: str, to: str, cents: int, **rest: Any) -> Outcome:
    call = msgspec.structs.replace(Pay(account(to), cents, None, None), **rest)
    return ledger.by_person(name, call)


def owed(ledger: Ledger, debtor: str, creditor: str) -> Owed | None:
    return OWED.get(State(ledger.state.get), debtor, creditor)


def notices(outcome: Outcome) -> list[str]:
    return [notice.name for notice in outcome.notices]


def test_trade_pay_books_in_both_wijken_at_par_t4(ledger: Ledger) -> None:
    tag = Tag("SALE", "P3", "G", 0)

    outcome = assert_done(send(ledger, "anna", "bram", 2_500, tag=tag, note=b"\x07" * 32))

    assert booked(outcome) == [
        ("delfshaven:EUR", ("2", ANNA), ("6T", b"noord"), 2_500, tag),
        ("noord:EUR", ("6F", b"delfshaven"), ("2", BRAM), 2_500, tag),
    ]
    assert [posting.wijk for posting in outcome.postings] == ["delfshaven"] * 2 + ["noord"] * 2
    assert balance(ledger, "anna") == 997_500
    assert balance(ledger, "bram", "noord") == 502_500
    assert owed(ledger, "delfshaven", "noord") == Owed(2_500, 0, 0)
    assert owed(ledger, "noord", "delfshaven") is None
    ours, theirs = supply(ledger), supply(ledger, "noord")
    assert (ours.traded_in, ours.traded_out, ours.due_to, ours.due_from) == (0, 2_500, 2_500, 0)
    assert (theirs.traded_in, theirs.traded_out, theirs.due_to) == (2_500, 0, 0)
    assert theirs.due_from == 2_500
    assert ours.issued == 1_000_000
    assert notices(outcome) == ["trade.CrossPaid"]
    assert broken(ledger) == []


def test_trade_pay_leaves_the_coin_of_the_federation_as_it_was_t1(ledger: Ledger) -> None:
    before = ISSUERS.get(State(ledger.state.get), "DEMO")

    assert_done(send(ledger, "anna", "bram", 2_500))

    assert ISSUERS.get(State(ledger.state.get), "DEMO") == before


def test_trade_pay_both_ways_is_not_netted_before_a_cycle_t5(ledger: Ledger) -> None:
    assert_done(send(ledger, "anna", "bram", 2_500))
    assert_done(send(ledger, "bram", "anna", 1_000))

    assert owed(ledger, "delfshaven", "noord") == Owed(2_500, 0, 0)
    assert owed(ledger, "noord", "delfshaven") == Owed(1_000, 0, 0)
    assert balance_of(ledger, "noord", "delfshaven", "6T") == 2_500
    assert balance_of(ledger, "noord", "delfshaven", "6F") == 1_000
    assert broken(ledger) == []


def test_trade_pay_to_the_fund_of_the_other_wijk_is_class_7(ledger: Ledger) -> None:
    assert_done(ledger.by_person("anna", Pay(board("noord"), 100, None, None)))

    assert balance_of(ledger, board("noord"), "noord", "7") == 100
    assert broken(ledger) == []


def test_trade_pay_keeps_what_is_due_and_ordered(ledger: Ledger) -> None:
    put(ledger, OWED, Owed(10, 20, 30), *PACT)

    assert_done(send(ledger, "anna", "bram", 5))

    assert owed(ledger, *PACT) == Owed(15, 20, 30)


def test_trade_pay_redeems_what_passes_the_limit_c8(ledger: Ledger) -> None:
    limit(ledger, "bram", 500_100, auto_redeem=1)

    outcome = assert_done(send(ledger, "anna", "bram", 250))

    assert booked(outcome)[2] == ("noord:EUR", ("2", BRAM), ("3", BRAM), 150, FIN)
    assert supply(ledger, "noord").pending_out == 150
    assert broken(ledger) == []


@pytest.mark.parametrize("cents", [-1, 10**13 + 1, 2**63, 2**64 - 1])
def test_trade_pay_of_an_impossible_amount_is_malformed_w11(cents: int) -> None:
    with pytest.raises(Malformed):
        decode(Pay, encode(["trade.pay", BRAM, cents, None, None]))


def test_trade_pay_refuses_amount_zero_w11(ledger: Ledger) -> None:
    assert_refused(send(ledger, "anna", "bram", 0), Code.TX_AMOUNT)


def test_trade_pay_refuses_an_unknown_account(ledger: Ledger) -> None:
    assert_refused(send(ledger, "anna", "nobody", 1), Code.TX_UNKNOWN_ACCOUNT)


def test_trade_pay_refuses_text_that_is_no_tag_s1(ledger: Ledger) -> None:
    outcome = send(ledger, "anna", "bram", 1, tag=Tag("LOAN", None, None, 0))

    assert_refused(outcome, Code.TX_TEXT)


@pytest.mark.parametrize(
    "changes", [{"status": "ENDED"}, {"from_s": START_S + 900}, {"until_s": START_S}]
)
def test_trade_pay_refuses_no_pact_in_force_t3(ledger: Ledger, changes: dict[str, Any]) -> None:
    change(ledger, PACTS, *PACT, **changes)

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_NO_PACT, wijk="noord")


def test_trade_pay_refuses_no_pact_where_there_is_none(ledger: Ledger) -> None:
    put(ledger, PACTS, None, *PACT)

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_NO_PACT)


def test_trade_pay_refuses_no_pact_inside_one_wijk(ledger: Ledger) -> None:
    assert_refused(send(ledger, "anna", "dirk", 1), Code.TRADE_NO_PACT, wijk="delfshaven")
    assert_refused(send(ledger, "anna", "anna", 1), Code.TRADE_NO_PACT)


def test_trade_pay_refuses_no_pact_between_currencies_t13(ledger: Ledger) -> None:
    change(ledger, WIJKEN, "noord", currency="DKK")

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_NO_PACT)


def test_trade_pay_refuses_above_the_cap_t5(ledger: Ledger) -> None:
    outcome = send(ledger, "anna", "bram", 100_001)

    assert_refused(outcome, Code.TRADE_CAP, wijk="noord", remaining_cents=100_000)
    assert_done(send(ledger, "anna", "bram", 60_000))
    assert_refused(send(ledger, "anna", "bram", 40_001), Code.TRADE_CAP, remaining_cents=40_000)
    assert_done(send(ledger, "anna", "bram", 40_000))
    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_CAP, remaining_cents=0)
    assert broken(ledger) == []


def test_trade_pay_counts_what_the_creditor_owes_back_t5(ledger: Ledger) -> None:
    """Exposure = max(0, owed[a to b] - owed[b to a] + x), so what is owed back is room."""
    assert_done(send(ledger, "bram", "anna", 30_000))

    assert_refused(send(ledger, "anna", "bram", 130_001), Code.TRADE_CAP, remaining_cents=130_000)
    assert_done(send(ledger, "anna", "bram", 130_000))
    assert broken(ledger) == []


def test_trade_pay_counts_what_is_due_and_ordered_t5(ledger: Ledger) -> None:
    put(ledger, OWED, Owed(0, 60_000, 39_000), *PACT)

    assert_refused(send(ledger, "anna", "bram", 1_001), Code.TRADE_CAP, remaining_cents=1_000)


def test_trade_pay_takes_the_lowest_cap_per_direction_t5(ledger: Ledger) -> None:
    """cap_a is what the first wijk of the pact accepts of the other's coin; so is its own cap."""
    change(ledger, PACTS, *PACT, cap_a=500, cap_b=700)
    assert_refused(send(ledger, "anna", "bram", 701), Code.TRADE_CAP, remaining_cents=700)
    assert_refused(send(ledger, "bram", "anna", 501), Code.TRADE_CAP, remaining_cents=500)

    put(ledger, CAPS, 600, "noord", "delfshaven")
    put(ledger, CAPS, None, "delfshaven", "noord")

    assert_refused(send(ledger, "anna", "bram", 601), Code.TRADE_CAP, remaining_cents=600)
    assert_refused(send(ledger, "bram", "anna", 501), Code.TRADE_CAP, remaining_cents=500)


def test_trade_pay_refuses_the_cap_of_a_pact_without_deposit_t2(ledger: Ledger) -> None:
    change(ledger, PACTS, *PACT, mode="PREFUNDED")

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_CAP, remaining_cents=0)


def test_trade_pay_refuses_suspended_t11(ledger: Ledger) -> None:
    change(ledger, PACTS, *PACT, status=SUSPENDED)

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_SUSPENDED, wijk="noord")


@pytest.mark.parametrize("wijk", PACT)
def test_trade_pay_refuses_suspended_when_a_wijk_was_removed(ledger: Ledger, wijk: str) -> None:
    change(ledger, WIJKEN, wijk, status="REMOVED")

    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_SUSPENDED)


def test_trade_pay_refuses_what_is_outside_the_scope_n27(ledger: Ledger) -> None:
    change(ledger, PACTS, *PACT, scope=("C01", "Q"))

    for tag in (None, Tag("SALE", None, None, 0), Tag("SALE", None, "C02", 0)):
        assert_refused(send(ledger, "anna", "bram", 1, tag=tag), Code.TRADE_SCOPE)
    assert_done(send(ledger, "anna", "bram", 1, tag=Tag("SALE", None, "Q", 0)))


def test_trade_pay_refuses_a_low_balance_i3(ledger: Ledger) -> None:
    outcome = send(ledger, "dirk", "bram", 1)

    assert_refused(outcome, Code.COIN_LOW_BALANCE, balance_cents=0, amount_cents=1)


def test_trade_pay_refuses_above_the_wallet_limit_c8(ledger: Ledger) -> None:
    limit(ledger, "bram", 500_100)

    outcome = send(ledger, "anna", "bram", 101)

    assert_refused(outcome, Code.COIN_WALLET_LIMIT, remaining_cents=100)


def test_trade_pay_refuses_a_frozen_payer_c19(ledger: Ledger) -> None:
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), ANNA)

    assert_refused(send(ledger, "anna", "bram", 1), Code.COIN_FROZEN)
    assert_done(send(ledger, "bram", "anna", 1))


def test_trade_pay_refuses_a_payee_that_is_not_contracted_c7(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", mode=LIMITED_NETWORK)

    assert_refused(send(ledger, "anna", "bram", 1), Code.COIN_NOT_CONTRACTED)
    change(ledger, MEMBERS, BRAM, contracted=1)
    assert_done(send(ledger, "anna", "bram", 1))


def test_trade_pay_by_the_fund_refuses_no_basis_i11(ledger: Ledger) -> None:
    """The call has no field for a decision, so a fund pays a resident, or a role account."""
    Desk(ledger).issue("grant", 500, board("delfshaven"))

    outcome = ledger.by_board("delfshaven", Pay(BRAM, 100, None, None))

    assert_refused(outcome, Code.COIN_NO_BASIS)
    basis = founding_decision_id("test-chain", "delfshaven")
    first = Transfer((Leg(DIRK, 100, None, None),), basis)
    assert_done(ledger.by_board("delfshaven", first))
    assert_done(send(ledger, "dirk", "bram", 100))


def test_trade_pay_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    change(ledger, PACTS, *PACT, status="ENDED", scope=("C01",))
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), DIRK)
    limit(ledger, "bram", 500_000)
    over = 100_001

    assert_refused(send(ledger, "dirk", "bram", over), Code.TRADE_NO_PACT)
    change(ledger, PACTS, *PACT, status=SUSPENDED)
    assert_refused(send(ledger, "dirk", "bram", over), Code.TRADE_CAP)
    assert_refused(send(ledger, "dirk", "bram", 1), Code.TRADE_SUSPENDED)
    change(ledger, PACTS, *PACT, status="ACTIVE")
    assert_refused(send(ledger, "dirk", "bram", 1), Code.TRADE_SCOPE)
    change(ledger, PACTS, *PACT, scope=())
    assert_refused(send(ledger, "dirk", "bram", 1), Code.COIN_LOW_BALANCE)
    assert_done(ledger.by_person("anna", Transfer((Leg(DIRK, 5, None, None),), None)))
    assert_refused(send(ledger, "dirk", "bram", 1), Code.COIN_WALLET_LIMIT)
    limit(ledger, "bram", 10**13)
    assert_refused(send(ledger, "dirk", "bram", 1), Code.COIN_FROZEN)


@pytest.mark.parametrize(
    ("cents", "warned"), [(69_999, False), (70_000, True), (80_000, True), (100_000, True)]
)
def test_trade_pay_warns_from_70_percent_of_the_cap_t6(
    ledger: Ledger, cents: int, warned: bool
) -> None:
    outcome = assert_done(send(ledger, "anna", "bram", cents))

    assert notices(outcome) == ["trade.CrossPaid"] + ["trade.CapNear"] * warned
    if warned:
        said = decode(tuple[str, str, int, int], outcome.notices[1].values)
        assert said == ("delfshaven", "noord", cents, 100_000)


def test_trade_pay_does_not_warn_a_creditor_that_owes_more_t6(ledger: Ledger) -> None:
    """A cap of 0 still lets a debtor pay back."""
    assert_done(send(ledger, "bram", "anna", 1_000))
    put(ledger, CAPS, 0, "noord", "delfshaven")

    assert notices(assert_done(send(ledger, "anna", "bram", 1_000))) == ["trade.CrossPaid"]
    assert_refused(send(ledger, "anna", "bram", 1), Code.TRADE_CAP, remaining_cents=0)
