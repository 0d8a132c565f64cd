"""coin.correct: refunds and other tags that cite their original, which nobody edits (C18, I9)."""

import msgspec
import pytest

from chain.books import PAYMENTS, Payment
from chain.errors import Code
from chain.genesis import founding_decision_id
from chain.keyspaces import ACCOUNTS, FREEZES, SUSPENDED, Freeze
from chain.records import Outcome, Tag
from chain.state import State
from chain.stats import SUMS, TABLES, Table
from contracts.coin import Correct, HoldCall, Leg, Post, PostPart, RedeemRequest, Transfer
from tests.contracts.desk import (
    FIN,
    PAYOUT,
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
)
from tests.contracts.offices import values
from tests.federation import Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA, SHOP, DIRK = account("anna"), account("shop"), account("dirk")
SALE = Tag("SALE", "P3", "C01", 90)
OTHER = Tag("SALE", "P2", "C02", 21)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(
        balances={"delfshaven/anna": 10_000, "delfshaven/shop": 0, "delfshaven/dirk": 500}
    )


def buy(ledger: Ledger, cents: int = 1_000, tag: Tag | None = SALE) -> bytes:
    call = Transfer((Leg(SHOP, cents, tag, None),), None)
    return assert_done(ledger.by_person("anna", call)).tx_id


def correct(
    ledger: Ledger,
    tx_id: bytes,
    cents: int,
    *,
    by: str = "shop",
    kind: str = "MONEY",
    tag: Tag | None = None,
    leg: int = 0,
    reason: str = "RETURNED",
) -> Outcome:
    call = Correct(tx_id, leg, kind, cents, tag, reason)  # type: ignore[arg-type]
    return ledger.by_person(by, call)


def get(ledger: Ledger, tx_id: bytes, leg: int = 0) -> Payment | None:
    return PAYMENTS.get(State(ledger.state.get), tx_id, leg)


def test_coin_correct_gives_money_back_and_cites_the_original_c18(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    original = ledger.blocks[-1].outcomes[0].postings

    outcome = assert_done(correct(ledger, tx_id, 400))

    back = msgspec.structs.replace(SALE, vat=36)  # of the VAT the same share
    assert booked(outcome) == [(DENOM, ("2", SHOP), ("2", ANNA), 400, back)]
    assert [posting.corrects for posting in outcome.postings] == [tx_id, tx_id]
    assert values(outcome, "coin.Corrected") == [tx_id, 0, "MONEY", 400, "RETURNED"]
    assert get(ledger, tx_id) == Payment(ANNA, SHOP, DENOM, 1_000, 400, SALE, 20_260_101)
    assert (balance(ledger, "anna"), balance(ledger, "shop")) == (9_400, 600)
    assert ledger.blocks[-2].outcomes[0].postings == original
    assert broken(ledger) == []


def test_corrections_together_never_exceed_the_payment_i9(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    buy(ledger)
    for cents in (400, 600):
        assert_refused(correct(ledger, tx_id, 1_001), Code.COIN_EXCEEDS)
        assert_done(correct(ledger, tx_id, cents))

    assert_refused(correct(ledger, tx_id, 1), Code.COIN_EXCEEDS, remaining_cents=0)
    assert broken(ledger) == []


def test_every_leg_of_a_transfer_and_a_post_is_corrected_by_itself(ledger: Ledger) -> None:
    legs = (Leg(SHOP, 300, SALE, None), Leg(DIRK, 50, None, None), Leg(SHOP, 200, OTHER, None))
    tx_id = assert_done(ledger.by_person("anna", Transfer(legs, None))).tx_id
    hold = assert_done(ledger.by_person("anna", HoldCall(SHOP, 700, 3_600, None, SALE))).tx_id
    post = Post((PostPart(hold, 500),), None)
    posted = assert_done(ledger.by_person("shop", post)).tx_id

    assert_done(correct(ledger, tx_id, 200, leg=2))
    assert_refused(correct(ledger, tx_id, 50, leg=1, by="dirk"), Code.TX_UNKNOWN_ID)
    assert_refused(correct(ledger, posted, 500, leg=0), Code.TX_UNKNOWN_ID)  # the rest came back
    assert_done(correct(ledger, posted, 500, leg=1))
    assert get(ledger, tx_id) == Payment(ANNA, SHOP, DENOM, 300, 0, SALE, 20_260_101)
    assert broken(ledger) == []


def test_a_payment_without_a_tag_is_not_remembered(ledger: Ledger) -> None:
    tx_id = buy(ledger, tag=None)

    assert get(ledger, tx_id) is None
    assert_refused(correct(ledger, tx_id, 1), Code.TX_UNKNOWN_ID)


def test_coin_correct_refuses_in_the_order_of_the_catalogue(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    assert_done(ledger.by_person("shop", RedeemRequest(700, PAYOUT)))

    assert_refused(correct(ledger, bytes(32), 0), Code.TX_UNKNOWN_ID)
    assert_refused(correct(ledger, tx_id, 0, reason="no code"), Code.TX_AMOUNT)
    assert_refused(correct(ledger, tx_id, 1_001, reason="no code"), Code.TX_TEXT)
    assert_refused(correct(ledger, tx_id, 1_001, tag=OTHER), Code.TX_TEXT)
    assert_refused(correct(ledger, tx_id, 1_001, kind="TAG"), Code.TX_TEXT)
    assert_refused(correct(ledger, tx_id, 1_001, by="dirk"), Code.COIN_EXCEEDS)
    refused = correct(ledger, tx_id, 301, by="dirk")
    assert_refused(refused, Code.COIN_LOW_BALANCE, balance_cents=300)
    put(ledger, TABLES, (Table(1, bytes(32), bytes(32), ()),), "delfshaven", 202_601)
    other = correct(ledger, tx_id, 1_000, by="dirk", kind="TAG", tag=OTHER)
    assert_refused(other, Code.COIN_CLOSED_PERIOD)
    assert_refused(correct(ledger, tx_id, 300, by="dirk"), Code.COIN_NOT_PARTY)
    put(ledger, TABLES, None, "delfshaven", 202_601)
    for name in ("dirk", "anna"):
        assert_refused(correct(ledger, tx_id, 300, by=name), Code.COIN_NOT_PARTY)
    put(ledger, FREEZES, Freeze(ledger.time_s + 90_000, "FRAUD", 0, None), SHOP)
    assert_refused(correct(ledger, tx_id, 300), Code.COIN_FROZEN)
    put(ledger, FREEZES, None, SHOP)
    limit(ledger, "anna", 9_100)
    refused = correct(ledger, tx_id, 300)
    assert_refused(refused, Code.COIN_WALLET_LIMIT, remaining_cents=100)
    assert get(ledger, tx_id) == Payment(ANNA, SHOP, DENOM, 1_000, 0, SALE, 20_260_101)


def test_what_passes_the_limit_of_who_gets_money_back_is_redeemed_c8(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    limit(ledger, "anna", 9_100, auto_redeem=1)

    outcome = assert_done(correct(ledger, tx_id, 300))

    assert booked(outcome)[1] == (DENOM, ("2", ANNA), ("3", ANNA), 200, FIN)
    assert broken(ledger) == []


# ------------------------------------------------------------------------------------------- TAG


def test_a_tag_is_corrected_by_a_reverse_and_a_new_booking_c18(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    assert_done(correct(ledger, tx_id, 250))

    outcome = assert_done(correct(ledger, tx_id, 750, by="anna", kind="TAG", tag=OTHER))

    assert booked(outcome) == [
        (DENOM, ("2", SHOP), ("2", ANNA), 750, SALE),
        (DENOM, ("2", ANNA), ("2", SHOP), 750, OTHER),
    ]
    assert [posting.corrects for posting in outcome.postings] == [tx_id, tx_id, None, None]
    assert (balance(ledger, "anna"), balance(ledger, "shop")) == (9_250, 750)
    again = Payment(ANNA, SHOP, DENOM, 750, 0, OTHER, 20_260_101)
    assert get(ledger, outcome.tx_id, 1) == again
    assert_refused(correct(ledger, tx_id, 1), Code.COIN_EXCEEDS)
    assert_done(correct(ledger, outcome.tx_id, 750, leg=1))
    assert balance(ledger, "anna") == 10_000
    assert broken(ledger) == []


def test_a_tag_is_corrected_also_when_the_payee_has_spent_the_coin(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    assert_done(ledger.by_person("shop", RedeemRequest(1_000, PAYOUT)))

    outcome = assert_done(correct(ledger, tx_id, 1_000, by="anna", kind="TAG", tag=OTHER))

    assert [row[3:] for row in booked(outcome)] == [(1_000, OTHER), (1_000, SALE)]
    assert get(ledger, outcome.tx_id, 0) is not None
    assert (balance(ledger, "anna"), balance(ledger, "shop")) == (9_000, 0)
    assert broken(ledger) == []


def test_a_tag_is_of_its_payer_and_of_all_that_is_left(ledger: Ledger) -> None:
    tx_id = buy(ledger)

    for name in ("shop", "dirk"):
        refused = correct(ledger, tx_id, 1_000, by=name, kind="TAG", tag=OTHER)
        assert_refused(refused, Code.COIN_NOT_PARTY)
    refused = correct(ledger, tx_id, 999, by="anna", kind="TAG", tag=OTHER)
    assert_refused(refused, Code.COIN_EXCEEDS, remaining_cents=1_000)
    bad = msgspec.structs.replace(OTHER, vat=1_001)
    assert_refused(correct(ledger, tx_id, 1_000, by="anna", kind="TAG", tag=bad), Code.TX_AMOUNT)
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)
    refused = correct(ledger, tx_id, 1_000, by="anna", kind="TAG", tag=OTHER)
    assert_refused(refused, Code.COIN_FROZEN)


def test_a_tag_needs_the_coin_somewhere(ledger: Ledger) -> None:
    tx_id = buy(ledger, 6_000)
    assert_done(ledger.by_person("shop", RedeemRequest(6_000, PAYOUT)))

    refused = correct(ledger, tx_id, 6_000, by="anna", kind="TAG", tag=OTHER)

    assert_refused(refused, Code.COIN_LOW_BALANCE, balance_cents=4_000)


# ------------------------------------------------------------------------------------------ fund


def test_money_comes_back_to_a_fund_and_leaves_it_by_decisions_alone_i11(ledger: Ledger) -> None:
    fund = board("delfshaven")
    Desk(ledger).issue("grant", 1_000, fund)
    basis = founding_decision_id("test-chain", "delfshaven")
    grant = Transfer((Leg(SHOP, 500, SALE, None),), basis)
    paid = assert_done(ledger.by_board("delfshaven", grant)).tx_id
    assert_done(correct(ledger, paid, 200))
    assert balance_of(ledger, fund, "delfshaven", "7") == 700
    anew = Correct(paid, 0, "TAG", 300, OTHER, "WRONG")
    assert_refused(ledger.by_board("delfshaven", anew), Code.COIN_NO_BASIS)
    tax = Transfer((Leg(fund, 100, Tag("TAX", None, None, 0), None),), None)
    taxed = assert_done(ledger.by_person("anna", tax)).tx_id

    back = Correct(taxed, 0, "MONEY", 100, None, "WRONG")

    assert_refused(ledger.by_board("delfshaven", back), Code.COIN_NO_BASIS)
    assert broken(ledger) == []


def test_a_correction_that_was_never_paid_is_found_i9(ledger: Ledger) -> None:
    tx_id = buy(ledger)
    assert_done(correct(ledger, tx_id, 400))

    change(ledger, PAYMENTS, tx_id, 0, corrected=1_001)

    assert {one.name for one in broken(ledger)} == {"I9"}


def test_money_comes_back_after_its_month_was_closed_too_c18(ledger: Ledger) -> None:
    """Only other tags ask for an open period: a shop takes goods back in any month."""
    tx_id = buy(ledger)
    put(ledger, TABLES, (Table(1, bytes(32), bytes(32), ()),), "delfshaven", 202_601)

    assert_done(correct(ledger, tx_id, 1_000))

    assert balance(ledger, "anna") == 10_000
    assert SUMS.get(State(ledger.state.get), "delfshaven", 202_601, "P1") is None
    table = TABLES.get(State(ledger.state.get), "delfshaven", 202_601)
    assert table == (Table(1, bytes(32), bytes(32), ()),)
    assert broken(ledger) == []
