"""coin.redeem_request, payout_batch, redeem_paid: back to bank money at par (economy C13..C19)."""

import pytest

from chain.books import UNPAID
from chain.codec import decode, encode
from chain.dates import DAY_S
from chain.errors import Code, Malformed, Reject
from chain.keyspaces import ACCOUNTS, ACTIVE, ENTRIES, FREEZES, RESERVES, SUSPENDED, Freeze
from chain.state import State
from contracts.coin import (
    BATCHES,
    LIVE,
    REPLACED,
    Leg,
    PayoutBatch,
    RedeemPaid,
    RedeemRequest,
    Transfer,
)
from contracts.trade import Pay
from tests.contracts.desk import (
    FILE,
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
    get_redemption,
    line,
    put,
    supply,
)
from tests.federation import START_S, Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA, DIRK = account("anna"), account("dirk")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(
        balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 1_000, "noord/bram": 5_000}
    )


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


def ask(ledger: Ledger, cents: int = 400, name: str = "anna") -> bytes:
    """Let a resident redeem; return the id of the request."""
    return assert_done(ledger.by_person(name, RedeemRequest(cents, PAYOUT))).tx_id


# -------------------------------------------------------------------------------- redeem_request


def test_coin_redeem_request_moves_coin_to_class_3_at_once_c13(ledger: Ledger) -> None:
    outcome = assert_done(ledger.by_person("anna", RedeemRequest(400, PAYOUT)))

    assert booked(outcome) == [(DENOM, ("2", ANNA), ("3", ANNA), 400, FIN)]
    request = get_redemption(ledger, outcome.tx_id)
    assert (request.account, request.denom, request.cents) == (ANNA, DENOM, 400)
    assert (request.payout, request.due, request.batch) == (PAYOUT, 20_260_105, None)
    assert request.status == "OPEN"
    assert balance(ledger, "anna") == 9_600
    assert supply(ledger).pending_out == 400
    assert [notice.name for notice in outcome.notices] == ["coin.RedeemRequested"]
    assert broken(ledger) == []


def test_coin_redeem_request_of_the_whole_balance_c13(ledger: Ledger) -> None:
    ask(ledger, 10_000)

    assert balance(ledger, "anna") == 0
    assert broken(ledger) == []


def test_coin_redeem_request_by_the_wijk_fund_leaves_class_7(ledger: Ledger, desk: Desk) -> None:
    desk.issue("grant", 500, board("delfshaven"))

    outcome = assert_done(ledger.by_board("delfshaven", RedeemRequest(200, PAYOUT)))

    fund = board("delfshaven")
    assert booked(outcome) == [(DENOM, ("7", fund), ("3", fund), 200, FIN)]
    assert broken(ledger) == []


def test_coin_redeem_request_refuses_a_low_balance_c13(ledger: Ledger) -> None:
    outcome = ledger.by_person("anna", RedeemRequest(10_001, PAYOUT))

    assert_refused(outcome, Code.COIN_LOW_BALANCE, balance_cents=10_000, amount_cents=10_001)


def test_coin_redeem_request_refuses_amount_zero_w11(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", RedeemRequest(0, PAYOUT)), Code.TX_AMOUNT)


def test_coin_redeem_request_is_signed_by_the_holder_b5(ledger: Ledger) -> None:
    run = ledger.run()
    tx = ledger.tx(RedeemRequest(1, PAYOUT), ANNA, [(0, "dirk")])

    with pytest.raises(Reject, match=r"tx\.signatures"):
        run.include(tx)


def test_coin_redeem_request_of_a_frozen_account_is_queued_c19(ledger: Ledger, desk: Desk) -> None:
    """The clock runs from the end of the freeze; until then it can be paid by no batch."""
    until_s = START_S + 9 * DAY_S  # Saturday 10 January
    put(ledger, FREEZES, Freeze(until_s, "FRAUD", 0, None), ANNA)

    request = ask(ledger)

    assert get_redemption(ledger, request).due == 20_260_113
    assert_refused(desk.batch(request), Code.COIN_FROZEN, until_at=until_s)
    ledger.time_s = until_s
    assert_done(desk.batch(request))
    assert broken(ledger) == []


def test_coin_redeem_request_of_a_suspended_account_has_no_clock_c19(
    ledger: Ledger, desk: Desk
) -> None:
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)

    request = ask(ledger)

    assert get_redemption(ledger, request).due == 0
    assert UNPAID.get(State(ledger.state.get), DENOM) is None
    assert_refused(desk.batch(request), Code.COIN_FROZEN)
    change(ledger, ACCOUNTS, ANNA, status=ACTIVE)
    debit = line("out", 400, "D")
    assert_done(desk.batch(request))
    assert_done(desk.attest(debit))
    assert_done(desk.paid(request, debit))
    assert broken(ledger) == []


def test_coin_redeem_request_is_never_blocked_by_a_full_quota_b3() -> None:
    """economy B3, A9: three a day stay free, whatever else the account did."""
    ledger = Ledger(
        balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0}, params={"quota_person": 2}
    )
    call = Transfer((Leg(DIRK, 1, None, None),), None)
    for _ in range(2):
        assert_done(ledger.by_person("anna", call))

    with pytest.raises(Reject, match=r"tx\.quota"):
        ledger.by_person("anna", call)
    for _ in range(3):
        ask(ledger, 1)
    with pytest.raises(Reject, match=r"tx\.quota"):
        ledger.by_person("anna", RedeemRequest(1, PAYOUT))
    assert broken(ledger) == []


# ---------------------------------------------------------------------------------- payout_batch


def test_coin_payout_batch_puts_requests_in_one_live_batch_c14(ledger: Ledger, desk: Desk) -> None:
    one, two = ask(ledger, 400), ask(ledger, 600, "dirk")

    outcome = assert_done(desk.batch(one, two))

    batch = BATCHES.get(State(ledger.state.get), outcome.tx_id)
    assert batch is not None
    assert (batch.denom, batch.requests, batch.file, batch.total, batch.status) == (
        DENOM,
        (one, two),
        FILE,
        1_000,
        LIVE,
    )
    for request in (one, two):
        redemption = get_redemption(ledger, request)
        assert (redemption.status, redemption.batch) == ("BATCHED", outcome.tx_id)
    assert outcome.postings == ()
    assert [notice.name for notice in outcome.notices] == ["coin.PayoutBatched"]
    assert broken(ledger) == []


def test_coin_payout_batch_replaces_a_batch_c14(ledger: Ledger, desk: Desk) -> None:
    one, two, three = ask(ledger, 400), ask(ledger, 600, "dirk"), ask(ledger, 50)
    first = assert_done(desk.batch(one, two)).tx_id

    second = assert_done(desk.batch(two, three, replaces=first)).tx_id

    state = State(ledger.state.get)
    old = BATCHES.get(state, first)
    assert old is not None
    assert old.status == REPLACED
    assert get_redemption(ledger, one).status == "OPEN"
    assert get_redemption(ledger, one).batch is None
    assert get_redemption(ledger, two).batch == second
    assert_done(desk.batch(one))


def test_coin_payout_batch_replaced_keeps_what_was_paid_c14(ledger: Ledger, desk: Desk) -> None:
    one, two = ask(ledger, 400), ask(ledger, 600, "dirk")
    first = assert_done(desk.batch(one, two)).tx_id
    debit = line("out", 400, "D")
    desk.attest(debit)
    assert_done(desk.paid(one, debit))

    assert_refused(desk.batch(one, two, replaces=first), Code.COIN_PAID, request=one.hex())
    assert_done(desk.batch(two, replaces=first))
    assert get_redemption(ledger, one).status == "PAID"


def test_coin_payout_batch_takes_1_to_200_requests() -> None:
    for count in (0, 201):
        with pytest.raises(Malformed):
            decode(PayoutBatch, encode(PayoutBatch((bytes(32),) * count, FILE, 1, None)))


def test_coin_payout_batch_refuses_batched_c14(ledger: Ledger, desk: Desk) -> None:
    request, other = ask(ledger), ask(ledger, 1)
    first = assert_done(desk.batch(request)).tx_id
    second = assert_done(desk.batch(other)).tx_id

    assert_refused(desk.batch(request), Code.COIN_BATCHED, request=request.hex())
    assert_refused(desk.batch(request, replaces=second), Code.COIN_BATCHED)
    assert_done(desk.batch(request, replaces=first))


def test_coin_payout_batch_refuses_batched_for_a_request_named_twice(
    ledger: Ledger, desk: Desk
) -> None:
    request = ask(ledger)

    assert_refused(desk.batch(request, request), Code.COIN_BATCHED)


def test_coin_payout_batch_refuses_another_total_c14(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)

    outcome = desk.batch(request, total=401)

    assert_refused(outcome, Code.COIN_TOTAL, total_cents=401, expected_cents=400)


def test_coin_payout_batch_refuses_paid_c14(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)
    debit = line("out", 400, "D")
    desk.batch(request)
    desk.attest(debit)
    desk.paid(request, debit)

    assert_refused(desk.batch(request), Code.COIN_PAID, request=request.hex())


def test_coin_payout_batch_refuses_an_unknown_id(ledger: Ledger, desk: Desk) -> None:
    request, foreign = ask(ledger), ask(ledger, 100, "bram")
    replaced = assert_done(desk.batch(request)).tx_id
    assert_done(desk.batch(request, replaces=replaced))

    call = PayoutBatch((bytes(32),), FILE, 400, None)
    assert_refused(ledger.by_board("delfshaven", call), Code.TX_UNKNOWN_ID)
    assert_refused(desk.batch(foreign), Code.TX_UNKNOWN_ID, id=foreign.hex())
    for batch in (bytes(32), replaced):
        assert_refused(desk.batch(request, replaces=batch), Code.TX_UNKNOWN_ID, id=batch.hex())


def test_coin_payout_batch_refuses_to_replace_the_batch_of_another_wijk(
    ledger: Ledger, desk: Desk
) -> None:
    theirs = assert_done(Desk(ledger, "noord").batch(ask(ledger, 100, "bram"))).tx_id
    request = ask(ledger)

    assert_refused(desk.batch(request, replaces=theirs), Code.TX_UNKNOWN_ID)


def test_coin_payout_batch_refuses_frozen_c19(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), ANNA)

    assert_refused(desk.batch(request), Code.COIN_FROZEN, until_at=START_S + 1_000)


def test_coin_payout_batch_refuses_role_to_residents_c3(ledger: Ledger) -> None:
    request = ask(ledger)

    outcome = ledger.by_person("anna", PayoutBatch((request,), FILE, 400, None))

    assert_refused(outcome, Code.TX_ROLE)


# ----------------------------------------------------------------------------------- redeem_paid


def test_coin_redeem_paid_books_the_debit_c15(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)
    debit = line("out", 400, "D")
    assert_done(desk.batch(request))
    assert_done(desk.attest(debit))

    outcome = assert_done(desk.paid(request, debit))

    assert booked(outcome) == [(DENOM, ("3", ANNA), ("1", desk.reserve), 400, FIN)]
    assert get_redemption(ledger, request).status == "PAID"
    entry = ENTRIES.get(State(ledger.state.get), debit.entry_id)
    assert entry is not None
    assert entry.used_by == outcome.tx_id
    known = RESERVES.get(State(ledger.state.get), desk.reserve)
    assert known is not None
    assert known.open_debits == 0
    sums = supply(ledger)
    assert (sums.redeemed, sums.pending_out, sums.reserve) == (400, 0, 10_600)
    assert UNPAID.get(State(ledger.state.get), DENOM) is None
    assert [notice.name for notice in outcome.notices] == ["coin.Redeemed"]
    assert broken(ledger) == []


def test_coin_redeem_paid_refuses_a_used_entry_c4(ledger: Ledger, desk: Desk) -> None:
    one, two = ask(ledger), ask(ledger)
    debit = line("out", 400, "D")
    desk.batch(one, two)
    desk.attest(debit)
    assert_done(desk.paid(one, debit))

    assert_refused(desk.paid(two, debit), Code.COIN_USED, entry=debit.entry_id.hex())


def test_coin_redeem_paid_refuses_another_amount_c15(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)
    debit = line("out", 399, "D")
    desk.batch(request)
    desk.attest(debit)

    outcome = desk.paid(request, debit)

    assert_refused(outcome, Code.COIN_AMOUNT, amount_cents=399, expected_cents=400)


@pytest.mark.parametrize(("side", "reversal"), [("C", 0), ("D", 1)])
def test_coin_redeem_paid_refuses_the_wrong_side_c15(
    ledger: Ledger, desk: Desk, side: str, reversal: int
) -> None:
    request = ask(ledger)
    entry = line("out", 400, side, reversal=reversal)
    desk.batch(request)
    desk.attest(entry)

    assert_refused(desk.paid(request, entry), Code.COIN_SIDE)


def test_coin_redeem_paid_refuses_not_batched_c15(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)
    one, two = line("one", 400, "D"), line("two", 400, "D")
    desk.attest(one, two)

    assert_refused(desk.paid(request, one), Code.COIN_NOT_BATCHED, request=request.hex())
    desk.batch(request)
    assert_done(desk.paid(request, one))
    assert_refused(desk.paid(request, two), Code.COIN_NOT_BATCHED)


def test_coin_redeem_paid_refuses_an_unknown_id(ledger: Ledger, desk: Desk) -> None:
    request, foreign = ask(ledger), ask(ledger, 400, "bram")
    debit, unseen = line("out", 400, "D"), line("unseen", 400, "D")
    desk.batch(request)
    desk.attest(debit)

    assert_refused(desk.paid(request, unseen), Code.TX_UNKNOWN_ID)
    assert_refused(desk.paid(bytes(32), debit), Code.TX_UNKNOWN_ID)
    assert_refused(desk.paid(foreign, debit), Code.TX_UNKNOWN_ID)


def test_coin_redeem_paid_refuses_a_low_balance_of_the_reserve() -> None:
    """Noord holds coin of Delfshaven's money only: it pays with a deposit nobody minted yet."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 0})
    desk = Desk(ledger, "noord")
    assert_done(ledger.by_person("anna", Pay(account("bram"), 300, None, None)))
    request = ask(ledger, 300, "bram")
    deposit = line("in", 300, wijk="noord")
    debit = line("out", 300, "D", wijk="noord")
    assert_done(desk.batch(request))
    assert_done(desk.attest(deposit))
    assert_done(desk.attest(debit))

    outcome = desk.paid(request, debit)

    assert_refused(outcome, Code.COIN_LOW_BALANCE, balance_cents=0, amount_cents=300)
    assert broken(ledger) == []


def test_coin_redeem_paid_checks_in_the_order_of_the_catalogue_b7(
    ledger: Ledger, desk: Desk
) -> None:
    request = ask(ledger, 400)
    used, wrong, credit = line("used", 9, "D"), line("wrong", 9), line("in", 400)
    right = line("right", 400, "D")
    assert_done(desk.attest(used, wrong, credit, right))
    change(ledger, ENTRIES, used.entry_id, used_by=bytes(32))

    assert_refused(desk.paid(request, line("unseen", 9)), Code.TX_UNKNOWN_ID)
    assert_refused(desk.paid(request, used), Code.COIN_USED)
    assert_refused(desk.paid(request, wrong), Code.COIN_AMOUNT)
    assert_refused(desk.paid(request, credit), Code.COIN_SIDE)
    assert_refused(desk.paid(request, right), Code.COIN_NOT_BATCHED)


def test_coin_payout_batch_checks_in_the_order_of_the_catalogue_b7(
    ledger: Ledger, desk: Desk
) -> None:
    batched, paid, open_one = ask(ledger, 5), ask(ledger, 400), ask(ledger, 7)
    debit = line("out", 400, "D")
    assert_done(desk.batch(paid))
    assert_done(desk.attest(debit))
    assert_done(desk.paid(paid, debit))
    assert_done(desk.batch(batched))
    put(ledger, FREEZES, Freeze(START_S + 1_000, "FRAUD", 0, None), ANNA)

    assert_refused(desk.batch(batched, paid, open_one, total=1), Code.COIN_BATCHED)
    assert_refused(desk.batch(paid, open_one, total=1), Code.COIN_TOTAL)
    assert_refused(desk.batch(paid, open_one), Code.COIN_PAID)
    assert_refused(desk.batch(open_one), Code.COIN_FROZEN)


def test_coin_redeem_paid_refuses_role_to_residents_c3(ledger: Ledger, desk: Desk) -> None:
    request = ask(ledger)

    assert_refused(ledger.by_person("anna", RedeemPaid(request, bytes(32))), Code.TX_ROLE)


def test_coin_redeem_paid_of_what_came_from_another_wijk_uses_the_own_reserve(
    ledger: Ledger,
) -> None:
    """Par across wijken: bram redeems coin that anna paid him, against noord's bank money (T1)."""
    desk = Desk(ledger, "noord")
    assert_done(ledger.by_person("anna", Pay(account("bram"), 300, None, None)))
    request = ask(ledger, 5_000, "bram")
    debit = line("out", 5_000, "D", wijk="noord")
    desk.batch(request)
    desk.attest(debit)

    assert_done(desk.paid(request, debit))

    assert balance(ledger, "bram", "noord") == 300
    assert balance_of(ledger, desk.reserve, "noord", "1") == 0
    assert broken(ledger) == []
