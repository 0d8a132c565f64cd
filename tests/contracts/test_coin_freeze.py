"""coin.freeze: nothing leaves but a redemption, thirty days at most, by two seats (economy C19)."""

import msgspec
import pytest

from chain.books import ASKED, UNPAID
from chain.codec import encode
from chain.dates import add_banking_days
from chain.errors import Code
from chain.keyspaces import ACCOUNTS, FREEZES, Freeze
from chain.records import Outcome
from chain.state import State
from contracts.accounts import Approve, Propose
from contracts.coin import FreezeCall, HoldCall, Leg, RedeemRequest, Transfer
from contracts.trade import Pay
from tests.contracts.desk import (
    PAYOUT,
    Desk,
    assert_done,
    assert_refused,
    balance_of,
    broken,
    change,
    line,
)
from tests.contracts.offices import object_id, values
from tests.federation import Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA, DIRK, BRAM = account("anna"), account("dirk"), account("bram")
DAY = 86_400
ORDER = b"\x0f" * 32


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(
        balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 1_000, "noord/bram": 5_000}
    )


def stop(
    ledger: Ledger, days: int = 30, *, who: bytes = ANNA, order: bytes | None = None, **rest: str
) -> Outcome:
    """Freeze for some days from the next block on."""
    until = ledger.time_s + 1 + days * DAY
    call = FreezeCall(who, 1, "FRAUD", until, order)
    return ledger.by_board("delfshaven", call, rest.get("letters", "ab"))


def release(ledger: Ledger) -> Outcome:
    return ledger.by_board("delfshaven", FreezeCall(ANNA, 0, "CLEARED", 0, None), "bc")


def get(ledger: Ledger) -> Freeze | None:
    return FREEZES.get(State(ledger.state.get), ANNA)


def transfer(to: bytes, cents: int = 1) -> Transfer:
    return Transfer((Leg(to, cents, None, None),), None)


def test_coin_freeze_stops_all_that_leaves_but_a_redemption_c19_i12(ledger: Ledger) -> None:
    outcome = assert_done(stop(ledger))

    assert values(outcome, "coin.Frozen") == [ANNA, "FRAUD", ledger.time_s + 30 * DAY, None]
    for call in (
        transfer(DIRK),
        HoldCall(DIRK, 1, DAY, None, None),
        Pay(BRAM, 1, None, None),
    ):
        refused = ledger.by_person("anna", call)
        assert_refused(refused, Code.COIN_FROZEN)
    assert_done(ledger.by_person("dirk", transfer(ANNA)))
    assert_done(ledger.by_person("anna", RedeemRequest(10_001, PAYOUT)))
    assert balance_of(ledger, ANNA, "delfshaven", "3") == 10_001
    assert broken(ledger) == []


def test_a_freeze_ends_by_itself_c19(ledger: Ledger) -> None:
    assert_done(stop(ledger, 1))
    ledger.time_s += DAY - 2

    assert_refused(ledger.by_person("anna", transfer(DIRK)), Code.COIN_FROZEN)
    assert_done(ledger.by_person("anna", transfer(DIRK)))


def test_a_release_ends_a_freeze_at_once(ledger: Ledger) -> None:
    assert_done(stop(ledger))

    outcome = assert_done(release(ledger))

    assert values(outcome, "coin.Released") == [ANNA, "CLEARED"]
    assert_done(ledger.by_person("anna", transfer(DIRK)))
    assert_refused(release(ledger), Code.COIN_DONE)


def test_coin_freeze_refuses_in_the_order_of_the_catalogue(ledger: Ledger) -> None:
    fund = board("delfshaven")
    until = ledger.time_s + 40 * DAY
    wrong = FreezeCall(account("nobody"), 1, "a reason", until, None)

    def by_seats(**changes: object) -> Outcome:
        return ledger.by_board("delfshaven", msgspec.structs.replace(wrong, **changes))

    assert_refused(by_seats(), Code.TX_UNKNOWN_ACCOUNT)
    assert_refused(by_seats(account=BRAM), Code.COIN_NOT_OWN_WIJK, wijk="noord")
    assert_refused(by_seats(account=fund), Code.TX_TEXT)
    assert_refused(by_seats(account=fund, reason="FRAUD"), Code.COIN_OWN_ACCOUNT)
    assert_refused(by_seats(account=ANNA, reason="FRAUD"), Code.COIN_TOO_LONG)
    for end in (ledger.time_s + 1, ledger.time_s + 3 + 30 * DAY):
        assert_refused(by_seats(account=ANNA, reason="FRAUD", until=end), Code.COIN_TOO_LONG)
    assert get(ledger) is None


def test_a_freeze_takes_two_seats(ledger: Ledger) -> None:
    call = FreezeCall(ANNA, 1, "FRAUD", ledger.time_s + DAY, None)

    refused = ledger.by_registrar("delfshaven", call)

    assert_refused(refused, Code.TX_ROLE, role="seat2")


def test_two_seats_decide_by_proposal_too_b6(ledger: Ledger) -> None:
    fund = board("delfshaven")
    call = FreezeCall(ANNA, 1, "FRAUD", ledger.time_s + DAY, None)
    opened = ledger.send(
        Propose(encode(call), ledger.time_s + DAY), fund, [(0, "delfshaven-board-a")]
    )
    proposal = object_id(opened)

    assert_done(ledger.send(Approve(proposal), fund, [(2, "delfshaven-board-c")]))

    assert get(ledger) is not None


# -------------------------------------------------------------------------------------- renewal


def test_a_renewal_asks_the_board_and_an_order_c19(ledger: Ledger) -> None:
    """Here the board asks all three; two of them may begin a freeze, not go on with it."""
    change(ledger, ACCOUNTS, board("delfshaven"), threshold=3)
    assert_done(stop(ledger))
    since = ledger.time_s

    assert_refused(stop(ledger, order=ORDER), Code.TX_ROLE, role="board")
    assert_refused(stop(ledger, letters="abc"), Code.COIN_NO_ORDER)
    assert_done(stop(ledger, letters="abc", order=ORDER))
    assert get(ledger) == Freeze(ledger.time_s + 30 * DAY, "FRAUD", since, ORDER)


@pytest.mark.parametrize("released", [True, False])
def test_a_freeze_begun_anew_soon_after_the_last_one_is_a_renewal(
    ledger: Ledger, released: bool
) -> None:
    change(ledger, ACCOUNTS, board("delfshaven"), threshold=3)
    assert_done(stop(ledger, 1))
    if released:
        assert_done(release(ledger))
    else:
        ledger.time_s += DAY
    ledger.time_s += 29 * DAY

    assert_refused(stop(ledger, 1), Code.TX_ROLE, role="board")
    ledger.time_s += 2 * DAY
    assert_done(stop(ledger, 1))
    assert get(ledger) == Freeze(ledger.time_s + DAY, "FRAUD", ledger.time_s, None)


# ------------------------------------------------------------------------- redemptions under way


def ask(ledger: Ledger, cents: int = 400) -> bytes:
    return assert_done(ledger.by_person("anna", RedeemRequest(cents, PAYOUT))).tx_id


def test_a_payout_waits_for_the_release_and_its_clock_too_c19(ledger: Ledger) -> None:
    """Minting is blocked by what the desk left lying, never by what it may not pay (C15)."""
    desk = Desk(ledger)
    request = ask(ledger)
    assert UNPAID.get(State(ledger.state.get), DENOM) == ((20_260_105, 1),)

    assert_done(stop(ledger, 10))

    end = add_banking_days(20_260_111, 2)
    assert UNPAID.get(State(ledger.state.get), DENOM) == ((end, 1),)
    assert_refused(desk.batch(request), Code.COIN_FROZEN)
    ledger.time_s += 9 * DAY
    deposit = line("deposit", 100)
    assert_done(desk.attest(deposit))
    assert_done(desk.allow(1_000))
    assert_done(desk.mint(deposit, DIRK))
    assert_done(release(ledger))
    assert_done(desk.batch(request))
    debit = line("payout", 400, "D", date=20_260_102)
    assert_done(desk.attest(debit))
    assert_done(desk.paid(request, debit))
    assert UNPAID.get(State(ledger.state.get), DENOM) is None
    assert ASKED.get(State(ledger.state.get), ANNA) is None
    assert broken(ledger) == []


def test_a_payout_is_overdue_some_days_after_the_freeze_c15(ledger: Ledger) -> None:
    desk = Desk(ledger)
    ask(ledger)
    ask(ledger, 1)
    assert_done(stop(ledger, 10))
    deposit = line("deposit", 100)
    assert_done(desk.attest(deposit))
    assert_done(desk.allow(1_000))
    ledger.time_s += 15 * DAY

    assert_refused(desk.mint(deposit, DIRK), Code.COIN_BLOCKED)


def test_requests_before_and_during_a_freeze_are_counted_once_each(ledger: Ledger) -> None:
    desk = Desk(ledger)
    before = ask(ledger)
    assert_done(stop(ledger, 10))
    during = ask(ledger)
    change(ledger, ACCOUNTS, board("delfshaven"), threshold=2)
    assert_done(stop(ledger, 20, order=ORDER))
    after = ask(ledger)
    (row,) = UNPAID.get(State(ledger.state.get), DENOM) or ()
    assert row == (add_banking_days(20_260_121, 2), 3)
    assert_done(release(ledger))
    assert_done(desk.batch(before, during, after))

    for number, request in enumerate((during, after, before)):
        debit = line(f"payout {number}", 400, "D", date=20_260_101 + number)
        assert_done(desk.attest(debit))
        assert_done(desk.paid(request, debit))

    assert UNPAID.get(State(ledger.state.get), DENOM) is None
    assert ASKED.get(State(ledger.state.get), ANNA) is None
    assert broken(ledger) == []


def test_a_freeze_of_one_account_puts_off_no_other(ledger: Ledger) -> None:
    assert_done(ledger.by_person("dirk", RedeemRequest(5, PAYOUT)))
    ask(ledger)

    assert_done(stop(ledger, 10))

    rows = UNPAID.get(State(ledger.state.get), DENOM)
    assert rows == ((20_260_105, 1), (add_banking_days(20_260_111, 2), 1))


@pytest.mark.parametrize("released", [0, 6])
def test_an_early_release_brings_the_last_days_of_payouts_forward_c19(
    ledger: Ledger, released: int
) -> None:
    """The clock stood still until the release and runs from there, not from the day once set."""
    desk = Desk(ledger)
    before = ask(ledger)
    assert_done(stop(ledger, 30))
    during = ask(ledger, 1)
    ledger.time_s += released * DAY

    assert_done(release(ledger))

    due = add_banking_days(20_260_101 + released, 2)
    assert UNPAID.get(State(ledger.state.get), DENOM) == ((due, 2),)
    after = ask(ledger, 2)
    assert UNPAID.get(State(ledger.state.get), DENOM) == ((due, 3),)
    assert_done(desk.batch(before, during, after))
    for number, (request, cents) in enumerate(((during, 1), (after, 2), (before, 400))):
        debit = line(f"payout {number}", cents, "D", date=20_260_101 + number)
        assert_done(desk.attest(debit))
        assert_done(desk.paid(request, debit))
    assert UNPAID.get(State(ledger.state.get), DENOM) is None
    assert broken(ledger) == []


def test_a_board_of_three_renews_by_proposal_too_b6_c19(ledger: Ledger) -> None:
    """What asks the board waits for as many seats as the board asks, not for the first two."""
    fund = board("delfshaven")
    change(ledger, ACCOUNTS, fund, threshold=3)
    assert_done(stop(ledger))
    until = ledger.time_s + 29 * DAY
    call = FreezeCall(ANNA, 1, "FRAUD", until, ORDER)
    opened = ledger.send(
        Propose(encode(call), ledger.time_s + DAY), fund, [(0, "delfshaven-board-a")]
    )
    proposal = object_id(opened)

    assert_done(ledger.send(Approve(proposal), fund, [(1, "delfshaven-board-b")]))
    waiting = get(ledger)
    assert waiting is not None
    assert waiting.order is None
    done = assert_done(ledger.send(Approve(proposal), fund, [(2, "delfshaven-board-c")]))

    assert values(done, "coin.Frozen") == [ANNA, "FRAUD", until, ORDER]
    found = get(ledger)
    assert found is not None
    assert found.order == ORDER
