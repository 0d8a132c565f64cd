"""coin.transfer: all legs or none, in the order of checks of the catalogue (economy C8, C9)."""

import pytest

from chain.books import BALANCE_CENTS_MAX, LIMITED_NETWORK
from chain.codec import decode, encode
from chain.crypto import sha256
from chain.errors import Code, Malformed
from chain.genesis import founding_decision_id
from chain.keyspaces import (
    ACCOUNTS,
    BALANCES,
    DECISIONS,
    FREEZES,
    ISSUERS,
    LEFT,
    MEMBERS,
    SPENT,
    SUSPENDED,
    Freeze,
)
from chain.records import Tag
from chain.state import State
from contracts.coin import Leg, Transfer
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
    get_redemption,
    limit,
    put,
    supply,
)
from tests.federation import START_S, Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA, DIRK, ELIF = account("anna"), account("dirk"), account("elif")
BASIS = founding_decision_id("test-chain", "delfshaven")


def pay(*legs: tuple[str, int], basis: bytes | None = None, tag: Tag | None = None) -> Transfer:
    return Transfer(tuple(Leg(account(to), cents, tag, None) for to, cents in legs), basis)


@pytest.fixture
def ledger() -> Ledger:
    balances = {
        "delfshaven/anna": 10_000,
        "delfshaven/dirk": 100,
        "delfshaven/elif": 0,
        "noord/bram": 5_000,
    }
    return Ledger(balances=balances)


@pytest.fixture
def funded(ledger: Ledger) -> Ledger:
    """The wijk fund holds € 50,00; the founding decision of genesis allows € 1.000,00."""
    Desk(ledger).issue("grant", 5_000, board("delfshaven"))
    return ledger


def test_coin_transfer_pays_all_legs_c9(ledger: Ledger) -> None:
    tag = Tag("SALE", "P3", "C01", 9)
    legs = (Leg(DIRK, 250, tag, b"\x01" * 32), Leg(ELIF, 50, None, None), Leg(DIRK, 1, None, None))

    outcome = assert_done(ledger.by_person("anna", Transfer(legs, None)))

    assert booked(outcome) == [
        (DENOM, ("2", ANNA), ("2", DIRK), 250, tag),
        (DENOM, ("2", ANNA), ("2", ELIF), 50, None),
        (DENOM, ("2", ANNA), ("2", DIRK), 1, None),
    ]
    assert [balance(ledger, name) for name in ("anna", "dirk", "elif")] == [9_699, 351, 50]
    assert [posting.leg for posting in outcome.postings] == [0, 0, 1, 1, 2, 2]
    (notice,) = outcome.notices
    assert notice.name == "coin.Transferred"
    assert decode(tuple[bytes, int, int], notice.values) == (ANNA, 301, 3)
    assert broken(ledger) == []


def test_coin_transfer_of_the_whole_balance_leaves_no_key(ledger: Ledger) -> None:
    """interfaces 5.5: a balance of 0 has no key."""
    assert_done(ledger.by_person("anna", pay(("dirk", 10_000))))

    assert balance(ledger, "anna") == 0
    assert encode(("bal", DENOM, "2", ANNA)) not in ledger.state
    assert broken(ledger) == []


def test_coin_transfer_to_the_wijk_fund_is_class_7(ledger: Ledger) -> None:
    legs = (Leg(board("delfshaven"), 75, None, None),)

    assert_done(ledger.by_person("anna", Transfer(legs, None)))

    assert balance_of(ledger, board("delfshaven"), "delfshaven", "7") == 75
    assert broken(ledger) == []


def test_coin_transfer_takes_1_to_64_legs() -> None:
    leg = Leg(DIRK, 1, None, None)

    assert decode(Transfer, encode(Transfer((leg,) * 64, None))).basis is None
    for count in (0, 65):
        with pytest.raises(Malformed):
            decode(Transfer, encode(Transfer((leg,) * count, None)))


@pytest.mark.parametrize("cents", [-1, 10**13 + 1, 2**63, 2**64 - 1])
def test_coin_transfer_of_an_impossible_amount_is_malformed_w11(cents: int) -> None:
    with pytest.raises(Malformed):
        decode(Transfer, encode(["coin.transfer", [[DIRK, cents, None, None]], None]))


def test_coin_transfer_refuses_amount_zero_w11(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", pay(("dirk", 0))), Code.TX_AMOUNT, amount_cents=0)
    assert_refused(ledger.by_person("anna", pay(("dirk", 5), ("elif", 0))), Code.TX_AMOUNT)
    assert balance(ledger, "anna") == 10_000


def test_coin_transfer_refuses_sums_above_the_balance_w11(ledger: Ledger) -> None:
    legs = pay(*(("dirk", 10**13) for _ in range(64)))

    outcome = ledger.by_person("anna", legs)

    assert_refused(outcome, Code.COIN_LOW_BALANCE, amount_cents=64 * 10**13, balance_cents=10_000)


def test_coin_transfer_refuses_an_unknown_account(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", pay(("nobody", 1))), Code.TX_UNKNOWN_ACCOUNT)


def test_coin_transfer_refuses_a_payee_that_left(ledger: Ledger) -> None:
    change(ledger, ACCOUNTS, DIRK, status=LEFT)

    assert_refused(ledger.by_person("anna", pay(("dirk", 1))), Code.TX_UNKNOWN_ACCOUNT)


@pytest.mark.parametrize(
    "tag",
    [
        Tag("LOAN", None, None, 0),
        Tag("sale", None, None, 0),
        Tag("SALE", "P4", None, 0),
        Tag("GIFT", "P3", None, 0),  # a use is of sales only
        Tag("SALE", None, "C16", 0),
        Tag("SALE", None, "W", 0),
        Tag("SALE", None, "123456782", 0),
        Tag("SALE", None, "C01\n", 0),
    ],
)
def test_coin_transfer_refuses_text_that_is_no_tag_s1(ledger: Ledger, tag: Tag) -> None:
    assert_refused(ledger.by_person("anna", pay(("dirk", 1), tag=tag)), Code.TX_TEXT)


def test_coin_transfer_refuses_more_vat_than_was_paid_s1(ledger: Ledger) -> None:
    outcome = ledger.by_person("anna", pay(("dirk", 21), tag=Tag("SALE", None, None, 22)))

    assert_refused(outcome, Code.TX_AMOUNT)


def test_coin_transfer_refuses_a_low_balance_i3(ledger: Ledger) -> None:
    outcome = ledger.by_person("dirk", pay(("anna", 60), ("elif", 41)))

    assert_refused(outcome, Code.COIN_LOW_BALANCE, balance_cents=100, amount_cents=101)
    assert balance(ledger, "elif") == 0
    assert_done(ledger.by_person("dirk", pay(("anna", 60), ("elif", 40))))


def test_coin_transfer_refuses_above_the_wallet_limit_c8(ledger: Ledger) -> None:
    limit(ledger, "dirk", 150)

    assert_refused(
        ledger.by_person("anna", pay(("dirk", 51))), Code.COIN_WALLET_LIMIT, remaining_cents=50
    )
    assert_done(ledger.by_person("anna", pay(("dirk", 50))))
    assert broken(ledger) == []


def test_coin_transfer_counts_legs_to_one_payee_together_c8(ledger: Ledger) -> None:
    limit(ledger, "dirk", 150)

    outcome = ledger.by_person("anna", pay(("dirk", 30), ("elif", 9), ("dirk", 21)))

    assert_refused(outcome, Code.COIN_WALLET_LIMIT, remaining_cents=20)
    assert balance(ledger, "elif") == 0


def test_coin_transfer_redeems_the_excess_in_the_same_transaction_c8(ledger: Ledger) -> None:
    limit(ledger, "dirk", 150, auto_redeem=1)

    outcome = assert_done(ledger.by_person("anna", pay(("dirk", 30), ("dirk", 70), ("elif", 5))))

    assert booked(outcome) == [
        (DENOM, ("2", ANNA), ("2", DIRK), 30, None),
        (DENOM, ("2", ANNA), ("2", DIRK), 70, None),
        (DENOM, ("2", DIRK), ("3", DIRK), 50, FIN),
        (DENOM, ("2", ANNA), ("2", ELIF), 5, None),
    ]
    request = get_redemption(ledger, outcome.tx_id)
    assert (request.cents, request.payout) == (50, None)
    assert balance(ledger, "dirk") == 150
    assert supply(ledger).pending_out == 50
    assert broken(ledger) == []


def test_coin_transfer_to_a_payee_above_its_limit_redeems_no_more_than_the_payment_c8(
    ledger: Ledger,
) -> None:
    """The limit was lowered below what the payee held: what was there before stays there."""
    limit(ledger, "dirk", 60, auto_redeem=1)

    outcome = assert_done(ledger.by_person("anna", pay(("dirk", 30))))

    assert get_redemption(ledger, outcome.tx_id).cents == 30
    assert balance(ledger, "dirk") == 100


def test_coin_transfer_makes_an_id_for_each_redemption_b11(ledger: Ledger) -> None:
    limit(ledger, "dirk", 100, auto_redeem=1)
    limit(ledger, "elif", 0, auto_redeem=1)

    outcome = assert_done(ledger.by_person("anna", pay(("dirk", 3), ("elif", 4), ("dirk", 5))))

    later = [sha256(outcome.tx_id + bytes([0, 0, 0, k])) for k in (1, 2)]
    ids = [outcome.tx_id, *later]
    assert [get_redemption(ledger, name).cents for name in ids] == [3, 4, 5]
    assert broken(ledger) == []


def test_coin_transfer_refuses_a_frozen_payer_c19(ledger: Ledger) -> None:
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), ANNA)

    outcome = ledger.by_person("anna", pay(("dirk", 1)))

    assert_refused(outcome, Code.COIN_FROZEN, until_at=START_S + 1_000)
    assert_done(ledger.by_person("dirk", pay(("anna", 1))))
    ledger.time_s = START_S + 1_000
    assert_done(ledger.by_person("anna", pay(("dirk", 1))))


def test_coin_transfer_refuses_a_suspended_payer_as_frozen(ledger: Ledger) -> None:
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)

    assert_refused(ledger.by_person("anna", pay(("dirk", 1))), Code.COIN_FROZEN)
    assert_done(ledger.by_person("dirk", pay(("anna", 1))))


def test_coin_transfer_refuses_other_wijk(ledger: Ledger) -> None:
    outcome = ledger.by_person("anna", pay(("dirk", 1), ("bram", 1)))

    assert_refused(outcome, Code.COIN_OTHER_WIJK, wijk="noord")
    assert balance(ledger, "dirk") == 100


def test_coin_transfer_refuses_a_payee_that_is_not_contracted_c7(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", mode=LIMITED_NETWORK)

    assert_refused(ledger.by_person("anna", pay(("dirk", 1))), Code.COIN_NOT_CONTRACTED)
    change(ledger, MEMBERS, DIRK, contracted=1)
    assert_done(ledger.by_person("anna", pay(("dirk", 1))))


def test_coin_transfer_refuses_self(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", pay(("anna", 1))), Code.COIN_SELF)
    assert_refused(ledger.by_person("anna", pay(("dirk", 1), ("anna", 1))), Code.COIN_SELF)
    assert balance(ledger, "dirk") == 100


def test_coin_transfer_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    """Everything is wrong at once; each mistake that is mended shows the next one of the row."""
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), ANNA)
    limit(ledger, "dirk", 100)
    change(ledger, ISSUERS, "DEMO", mode=LIMITED_NETWORK)
    refused = [
        (pay(("nobody", 0)), Code.TX_UNKNOWN_ACCOUNT),
        (pay(("dirk", 0)), Code.TX_AMOUNT),
        (pay(("dirk", 20_000)), Code.COIN_LOW_BALANCE),
        (pay(("dirk", 1), ("bram", 1)), Code.COIN_WALLET_LIMIT),
        (pay(("bram", 1), ("elif", 1)), Code.COIN_FROZEN),
    ]

    for call, code in refused:
        assert_refused(ledger.by_person("anna", call), code)
    change(ledger, FREEZES, ANNA, until_s=0)
    wrong = b"\x09" * 32
    legs = (("bram", 1), ("elif", 1))
    assert_refused(ledger.by_person("anna", pay(*legs, basis=wrong)), Code.COIN_OTHER_WIJK)
    legs = (("elif", 1), ("anna", 1))
    assert_refused(ledger.by_person("anna", pay(*legs, basis=wrong)), Code.COIN_NOT_CONTRACTED)
    change(ledger, MEMBERS, ELIF, contracted=1)
    change(ledger, MEMBERS, ANNA, contracted=1)
    assert_refused(ledger.by_person("anna", pay(*legs, basis=wrong)), Code.COIN_NO_BASIS)
    assert_refused(ledger.by_person("anna", pay(*legs)), Code.COIN_SELF)
    assert broken(ledger) == []


def test_coin_transfer_from_the_fund_rests_on_a_decision_i11(funded: Ledger) -> None:
    outcome = assert_done(funded.by_board("delfshaven", pay(("anna", 2_000), basis=BASIS)))

    fund = board("delfshaven")
    assert booked(outcome) == [(DENOM, ("7", fund), ("2", ANNA), 2_000, None)]
    assert {posting.decision for posting in outcome.postings} == {BASIS}
    assert SPENT.get(State(funded.state.get), BASIS) == 2_000
    assert broken(funded) == []


def test_coin_transfer_from_the_fund_refuses_no_basis_i11(funded: Ledger) -> None:
    other_wijk = founding_decision_id("test-chain", "noord")

    for basis in (None, bytes(32), other_wijk):
        outcome = funded.by_board("delfshaven", pay(("anna", 1), basis=basis))
        assert_refused(outcome, Code.COIN_NO_BASIS)


def test_coin_transfer_from_the_fund_refuses_no_basis_for_an_open_decision_i11(
    funded: Ledger,
) -> None:
    change(funded, DECISIONS, BASIS, status="OPEN")

    outcome = funded.by_board("delfshaven", pay(("anna", 1), basis=BASIS))

    assert_refused(outcome, Code.COIN_NO_BASIS)


def test_coin_transfer_from_the_fund_refuses_no_basis_above_the_decision_e35(
    funded: Ledger,
) -> None:
    change(funded, DECISIONS, BASIS, cents=2_500)
    assert_done(funded.by_board("delfshaven", pay(("anna", 2_000), basis=BASIS)))

    outcome = funded.by_board("delfshaven", pay(("anna", 300), ("dirk", 201), basis=BASIS))

    assert_refused(outcome, Code.COIN_NO_BASIS, remaining_cents=500)
    assert_done(funded.by_board("delfshaven", pay(("anna", 300), ("dirk", 200), basis=BASIS)))


def test_coin_transfer_by_a_resident_refuses_to_cite_a_basis(ledger: Ledger) -> None:
    outcome = ledger.by_person("anna", pay(("dirk", 1), basis=BASIS))

    assert_refused(outcome, Code.COIN_NO_BASIS)


def test_coin_transfer_refuses_to_take_a_balance_past_two_to_the_53rd_w11() -> None:
    """economy B8. Only a chain that was founded this rich can come here."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0})
    put(ledger, BALANCES, BALANCE_CENTS_MAX - 99, DENOM, "2", DIRK)

    assert_refused(ledger.by_person("anna", pay(("dirk", 100))), Code.TX_AMOUNT)
    assert balance(ledger, "anna") == 10_000
    assert_done(ledger.by_person("anna", pay(("dirk", 99))))
