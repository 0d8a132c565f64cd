"""coin.hold, post, void and the sweep: coin set aside, taken once or given back (C10..C12)."""

import msgspec
import pytest

from chain.books import LIMITED_NETWORK
from chain.codec import decode, digest, encode
from chain.due import DUES
from chain.errors import Code, Malformed
from chain.keyspaces import (
    ACCOUNTS,
    EXPIRED,
    FREEZES,
    HOLDS,
    ISSUERS,
    OPEN,
    POSTED,
    SUSPENDED,
    VOIDED,
    WIJKEN,
    Freeze,
    Hold,
)
from chain.records import Outcome, Tag
from chain.state import State
from contracts.coin import (
    Exchange,
    ExchangeLeg,
    HoldCall,
    Leg,
    Post,
    PostPart,
    Transfer,
    Void,
)
from contracts.coin.holds import SWEPT_MAX
from contracts.members import SetLimits
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
)
from tests.federation import Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA, DIRK, ELIF = account("anna"), account("dirk"), account("elif")
BRAM = account("bram")
DAY = 86_400
TAG = Tag("SALE", "P3", "C01", 9)


@pytest.fixture
def ledger() -> Ledger:
    balances = {
        "delfshaven/anna": 10_000,
        "delfshaven/dirk": 1_000,
        "delfshaven/elif": 0,
        "noord/bram": 5_000,
        "noord/anna2": 0,
    }
    return Ledger(balances=balances)


def keep(
    ledger: Ledger,
    cents: int = 400,
    *,
    by: str = "anna",
    to: bytes = DIRK,
    timeout: int = DAY,
    link: bytes | None = None,
    tag: Tag | None = None,
) -> bytes:
    """Hold coin; return the id of the hold."""
    return assert_done(ledger.by_person(by, HoldCall(to, cents, timeout, link, tag))).tx_id


def take(ledger: Ledger, hold: bytes, cents: int = 400, by: str = "dirk") -> Outcome:
    return ledger.by_person(by, Post((PostPart(hold, cents),), None))


def get_hold(ledger: Ledger, hold: bytes) -> Hold:
    found = HOLDS.get(State(ledger.state.get), hold)
    assert found is not None
    return found


def held(ledger: Ledger, owner: bytes = ANNA, wijk: str = "delfshaven") -> int:
    return balance_of(ledger, owner, wijk, "5")


def started(ledger: Ledger) -> list[Outcome]:
    """Run an empty block, and return what ended by itself as it began."""
    return list(ledger.apply(ledger.run()).start)


# ------------------------------------------------------------------------------------------ hold


def test_coin_hold_moves_coin_to_class_5_c10(ledger: Ledger) -> None:
    outcome = assert_done(ledger.by_person("anna", HoldCall(DIRK, 400, DAY, None, TAG)))

    assert booked(outcome) == [(DENOM, ("2", ANNA), ("5", ANNA), 400, FIN)]
    expires = ledger.time_s + DAY
    assert get_hold(ledger, outcome.tx_id) == Hold(
        ANNA, DIRK, DENOM, 400, expires, None, TAG, OPEN, 0
    )
    assert (balance(ledger, "anna"), held(ledger)) == (9_600, 400)
    (notice,) = outcome.notices
    assert notice.name == "coin.Held"
    assert decode(tuple[bytes, bytes, bytes, int, int, bytes | None], notice.values) == (
        outcome.tx_id,
        ANNA,
        DIRK,
        400,
        expires,
        None,
    )
    assert broken(ledger) == []


@pytest.mark.parametrize("timeout", [59, 31_536_001])
def test_a_hold_lasts_a_minute_to_a_year(timeout: int) -> None:
    with pytest.raises(Malformed):
        decode(HoldCall, encode(HoldCall(DIRK, 1, timeout, None, None)))


def test_coin_hold_refuses_in_the_order_of_a_transfer(ledger: Ledger) -> None:
    """economy B7: every fault there is, and the first one is told until it is mended."""
    change(ledger, ISSUERS, "DEMO", mode=LIMITED_NETWORK)
    put(ledger, FREEZES, Freeze(ledger.time_s + DAY, "TEST", 0, None), ANNA)
    to_self = HoldCall(ANNA, 10_001, DAY, None, None)
    nobody = HoldCall(account("nobody"), 0, DAY, None, Tag("NONE", None, None, 0))
    elsewhere = HoldCall(BRAM, 400, DAY, None, None)

    def by_anna(call: HoldCall, **changes: object) -> Outcome:
        return ledger.by_person("anna", msgspec.structs.replace(call, **changes))

    assert_refused(by_anna(nobody), Code.TX_UNKNOWN_ACCOUNT)
    assert_refused(by_anna(nobody, to=DIRK), Code.TX_AMOUNT, amount_cents=0)
    assert_refused(by_anna(nobody, to=DIRK, cents=1), Code.TX_TEXT)
    assert_refused(by_anna(to_self), Code.COIN_LOW_BALANCE, balance_cents=10_000)
    limit(ledger, "dirk", 1_300)
    assert_refused(
        by_anna(to_self, to=DIRK, cents=400), Code.COIN_WALLET_LIMIT, remaining_cents=300
    )
    assert_refused(by_anna(elsewhere), Code.COIN_FROZEN)
    put(ledger, FREEZES, None, ANNA)
    assert_refused(by_anna(elsewhere), Code.COIN_OTHER_WIJK, wijk="noord")
    assert_refused(by_anna(to_self, cents=400), Code.COIN_NOT_CONTRACTED)
    change(ledger, ISSUERS, "DEMO", mode="LICENSED")
    assert_refused(by_anna(to_self, cents=400), Code.COIN_SELF)
    assert held(ledger) == 0


def test_a_wijk_fund_cannot_hold_for_it_names_no_basis_i11(ledger: Ledger) -> None:
    Desk(ledger).issue("grant", 5_000, board("delfshaven"))

    outcome = ledger.by_board("delfshaven", HoldCall(DIRK, 100, DAY, None, None))

    assert_refused(outcome, Code.COIN_NO_BASIS)


# ------------------------------------------------------------------------------------------ post


def test_coin_post_pays_the_payee_with_the_tag_of_the_hold_c10(ledger: Ledger) -> None:
    hold = keep(ledger, tag=TAG)

    outcome = assert_done(take(ledger, hold))

    assert booked(outcome) == [(DENOM, ("5", ANNA), ("2", DIRK), 400, TAG)]
    assert (get_hold(ledger, hold).status, get_hold(ledger, hold).posted) == (POSTED, 400)
    assert (balance(ledger, "anna"), balance(ledger, "dirk"), held(ledger)) == (9_600, 1_400, 0)
    assert broken(ledger) == []


def test_a_partial_post_returns_the_rest_in_the_same_transaction_c11(ledger: Ledger) -> None:
    hold = keep(ledger)

    outcome = assert_done(take(ledger, hold, 150))

    assert booked(outcome) == [
        (DENOM, ("5", ANNA), ("2", ANNA), 250, FIN),
        (DENOM, ("5", ANNA), ("2", DIRK), 150, None),
    ]
    assert (balance(ledger, "anna"), balance(ledger, "dirk"), held(ledger)) == (9_850, 1_150, 0)
    assert_refused(take(ledger, hold, 1), Code.COIN_DONE)
    assert broken(ledger) == []


def test_a_hold_is_posted_by_its_payee_alone(ledger: Ledger) -> None:
    hold = keep(ledger)

    for name in ("anna", "elif"):
        assert_refused(take(ledger, hold, by=name), Code.TX_ROLE, role="payee")
        assert_refused(ledger.by_person(name, Void(hold)), Code.TX_ROLE, role="payee")
    assert_refused(take(ledger, bytes(32)), Code.TX_UNKNOWN_ID)


def test_coin_post_refuses_in_the_order_of_the_catalogue(ledger: Ledger) -> None:
    hold = keep(ledger, timeout=60)
    limit(ledger, "dirk", 1_100)

    assert_refused(take(ledger, hold, 0), Code.TX_AMOUNT)
    assert_refused(take(ledger, hold, 401), Code.COIN_AMOUNT, expected_cents=400)
    linked = keep(ledger, 1, link=b"\x01" * 32)
    assert_refused(take(ledger, linked, 1), Code.COIN_LINK)
    assert_refused(take(ledger, hold), Code.COIN_WALLET_LIMIT, remaining_cents=100)
    limit(ledger, "dirk", 10**13)
    change(ledger, ACCOUNTS, ANNA, status=SUSPENDED)
    change(ledger, ISSUERS, "DEMO", mode=LIMITED_NETWORK)
    assert_refused(take(ledger, hold), Code.COIN_FROZEN)
    change(ledger, ACCOUNTS, ANNA, status="ACTIVE")
    assert_refused(take(ledger, hold), Code.COIN_NOT_CONTRACTED)
    ledger.time_s += 60
    assert_refused(take(ledger, hold, 401), Code.COIN_EXPIRED)


def test_i12_nothing_leaves_a_frozen_payer_by_a_post_and_the_hold_comes_back(
    ledger: Ledger,
) -> None:
    hold = keep(ledger, timeout=3_600)
    put(ledger, FREEZES, Freeze(ledger.time_s + DAY, "TEST", 0, None), ANNA)

    assert_refused(take(ledger, hold), Code.COIN_FROZEN, until_at=ledger.time_s + DAY - 2)
    ledger.time_s += 3_600
    assert [outcome.tx_id for outcome in started(ledger)] == [hold]
    assert balance(ledger, "anna") == 10_000
    assert broken(ledger) == []


def test_c8_what_passes_the_payees_limit_at_the_post_is_redeemed(ledger: Ledger) -> None:
    hold = keep(ledger)
    limit(ledger, "dirk", 1_100, auto_redeem=1)

    outcome = assert_done(take(ledger, hold))

    assert booked(outcome) == [
        (DENOM, ("5", ANNA), ("2", DIRK), 400, None),
        (DENOM, ("2", DIRK), ("3", DIRK), 300, FIN),
    ]
    assert broken(ledger) == []


def test_c8_coin_that_an_account_holds_aside_counts_in_its_limit(ledger: Ledger) -> None:
    """It may come back at any time, and I13 holds at every height."""
    limit(ledger, "anna", 10_000)
    hold = keep(ledger, 3_000, timeout=60)

    back = ledger.by_person("dirk", Transfer((Leg(ANNA, 1, None, None),), None))
    assert_refused(back, Code.COIN_WALLET_LIMIT, remaining_cents=0)
    lower = SetLimits(ANNA, ("VOTE", "STAND"), 9_999, 0, 0, 0, 0, 0, None, None, ())
    assert_refused(ledger.by_registrar("delfshaven", lower), Code.TX_AMOUNT)
    ledger.time_s += 60
    assert [outcome.tx_id for outcome in started(ledger)] == [hold]
    assert balance(ledger, "anna") == 10_000
    assert broken(ledger) == []


# ------------------------------------------------------------------------------------------ void


def test_coin_void_returns_all_c10(ledger: Ledger) -> None:
    hold = keep(ledger)

    outcome = assert_done(ledger.by_person("dirk", Void(hold)))

    assert booked(outcome) == [(DENOM, ("5", ANNA), ("2", ANNA), 400, FIN)]
    assert get_hold(ledger, hold).status == VOIDED
    assert_refused(ledger.by_person("dirk", Void(hold)), Code.COIN_DONE)
    assert_refused(take(ledger, hold), Code.COIN_DONE)
    assert broken(ledger) == []


def test_coin_void_refuses_an_unknown_hold(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("dirk", Void(bytes(32))), Code.TX_UNKNOWN_ID)


# ----------------------------------------------------------------------------------------- sweep


def test_an_expired_hold_is_never_posted_even_before_it_is_swept_c10(ledger: Ledger) -> None:
    """Proof: more expire at once than one block returns, and the last of them is asked for."""
    run = ledger.run()
    for number in range(SWEPT_MAX + 1):
        call = HoldCall(DIRK, 1, 60, None, None)
        outcome = run.include(
            ledger.tx(call, ANNA, [(0, "anna")], nonce=(10**6 + number).to_bytes(16, "big"))
        )
        assert_done(outcome)
    holds = sorted(outcome.tx_id for outcome in ledger.apply(run).outcomes)
    expires = ledger.time_s + 60
    ledger.time_s = expires - 1

    outcome = take(ledger, holds[-1], 1)

    assert ledger.blocks[-1].start[-1].tx_id == holds[-2]
    assert len(ledger.blocks[-1].start) == SWEPT_MAX
    assert_refused(outcome, Code.COIN_EXPIRED, until_at=expires)
    assert get_hold(ledger, holds[-1]).status == OPEN
    assert broken(ledger) == []  # the rest waits for the next block
    assert [one.tx_id for one in started(ledger)] == [holds[-1]]
    assert_refused(take(ledger, holds[-1], 1), Code.COIN_EXPIRED)
    assert (balance(ledger, "anna"), held(ledger)) == (10_000, 0)
    assert broken(ledger) == []


def test_a_hold_returns_in_the_first_block_at_its_end_c10(ledger: Ledger) -> None:
    hold = keep(ledger, timeout=60, tag=TAG)
    expires = get_hold(ledger, hold).expires
    ledger.time_s = expires - 2

    assert started(ledger) == []
    (outcome,) = started(ledger)

    assert booked(outcome) == [(DENOM, ("5", ANNA), ("2", ANNA), 400, FIN)]
    assert (outcome.tx_id, outcome.code) == (hold, 0)
    assert [notice.name for notice in outcome.notices] == ["coin.HoldExpired"]
    assert decode(tuple[bytes, bytes, int], outcome.notices[0].values) == (hold, ANNA, 400)
    assert get_hold(ledger, hold).status == EXPIRED
    assert_refused(take(ledger, hold), Code.COIN_EXPIRED, until_at=expires)
    assert_refused(ledger.by_person("dirk", Void(hold)), Code.COIN_DONE)
    assert broken(ledger) == []


def test_holds_return_in_order_of_expiry_and_id_c10(ledger: Ledger) -> None:
    late = keep(ledger, timeout=120)
    soon = [keep(ledger, 10 + number, timeout=62 - number) for number in range(3)]
    ledger.time_s += 200

    outcomes = started(ledger)

    assert [outcome.tx_id for outcome in outcomes] == [*sorted(soon), late]
    legs = [posting.leg for outcome in outcomes for posting in outcome.postings]
    assert legs == [0, 0, 1, 1, 2, 2, 3, 3]  # counted over the whole start of the block


def test_what_ended_before_its_time_is_passed_over_by_the_sweep(ledger: Ledger) -> None:
    posted, voided, open_ = (keep(ledger, timeout=60) for _ in range(3))
    assert_done(take(ledger, posted))
    assert_done(ledger.by_person("dirk", Void(voided)))
    ledger.time_s += 60

    assert [outcome.tx_id for outcome in started(ledger)] == [open_]
    assert DUES.get(State(ledger.state.get), "hold") is None
    assert broken(ledger) == []


# ---------------------------------------------------------------------------------- linked holds


def swap(cents: int = 400, other: int = 400, rate: tuple[int, int] = (1, 1)) -> Exchange:
    """Anna pays Dirk in delfshaven; Bram pays Anna's account in noord."""
    legs = (
        ExchangeLeg(ANNA, DIRK, DENOM, cents),
        ExchangeLeg(BRAM, account("anna2"), "noord:EUR", other),
    )
    return Exchange(legs, *rate, 1_767_261_600)


def keep_both(ledger: Ledger, exchange: Exchange) -> tuple[bytes, bytes]:
    link = digest(exchange)
    one, other = exchange.legs
    return (
        keep(ledger, one.cents, link=link),
        keep(ledger, other.cents, by="bram", to=account("anna2"), link=link),
    )


def both(one: tuple[bytes, int], other: tuple[bytes, int], exchange: Exchange | None) -> Post:
    return Post((PostPart(*one), PostPart(*other)), exchange)


@pytest.mark.parametrize("by", ["dirk", "anna2"])
def test_linked_holds_are_posted_together_by_either_payee_c12(ledger: Ledger, by: str) -> None:
    exchange = swap()
    one, other = keep_both(ledger, exchange)

    outcome = assert_done(ledger.by_person(by, both((one, 400), (other, 400), exchange)))

    assert booked(outcome) == [
        (DENOM, ("5", ANNA), ("2", DIRK), 400, None),
        ("noord:EUR", ("5", BRAM), ("2", account("anna2")), 400, None),
    ]
    assert [notice.name for notice in outcome.notices] == [
        "coin.Posted",
        "coin.Posted",
        "coin.Exchanged",
    ]
    assert broken(ledger) == []


def test_c12_neither_of_two_linked_holds_is_posted_otherwise(ledger: Ledger) -> None:
    exchange = swap()
    one, other = keep_both(ledger, exchange)
    cheap = keep(ledger, 1, link=digest(exchange))
    plain = keep(ledger)
    wrong = [
        Post((PostPart(one, 400),), None),  # alone
        Post((PostPart(one, 400),), exchange),
        both((one, 400), (other, 400), None),
        both((one, 400), (one, 400), exchange),
        both((one, 399), (other, 400), exchange),  # not in full
        both((one, 400), (other, 399), exchange),
        both((other, 400), (one, 400), exchange),  # legs the other way round
        both((cheap, 1), (other, 400), exchange),  # linked to another's hold
        both((plain, 400), (other, 400), exchange),
        both((one, 400), (other, 400), msgspec.structs.replace(exchange, quoted_at=0)),
        Post((PostPart(plain, 400),), exchange),
        both((plain, 400), (plain, 400), None),
    ]

    for call in wrong:
        assert_refused(ledger.by_person("dirk", call), Code.COIN_LINK)
    assert (balance(ledger, "dirk"), balance(ledger, "anna2", "noord")) == (1_000, 0)
    assert_done(ledger.by_person("dirk", Void(one)))
    assert_refused(
        ledger.by_person("dirk", both((one, 400), (other, 400), exchange)), Code.COIN_DONE
    )
    assert broken(ledger) == []


def test_c1_no_rate_but_par_inside_one_currency(ledger: Ledger) -> None:
    exchange = swap(400, 440, (11, 10))
    one, other = keep_both(ledger, exchange)

    outcome = ledger.by_person("dirk", both((one, 400), (other, 440), exchange))

    assert_refused(outcome, Code.COIN_LINK)


@pytest.mark.parametrize(("other", "done"), [(344, True), (343, False), (345, False)])
def test_c12_between_currencies_leg_2_is_leg_1_at_the_rate_half_up(
    ledger: Ledger, other: int, done: bool
) -> None:
    """400 at 0.85875 is 343.5, so 344. Noord has another currency here, and Bram has it."""
    change(ledger, WIJKEN, "noord", currency="GBP")
    run = ledger.run()
    run.state.put(("bal", "noord:GBP", "2", BRAM), 1_000)
    ledger.apply(run)
    legs = (
        ExchangeLeg(ANNA, DIRK, DENOM, 400),
        ExchangeLeg(BRAM, account("anna2"), "noord:GBP", other),
    )
    exchange = Exchange(legs, 85_875, 100_000, 1_767_261_600)
    one, two = keep_both(ledger, exchange)

    outcome = ledger.by_person("dirk", both((one, 400), (two, other), exchange))

    assert outcome.code == (0 if done else Code.COIN_LINK.number)


def test_two_linked_holds_of_one_payee_count_together_in_its_limit_c8(ledger: Ledger) -> None:
    legs = (ExchangeLeg(ANNA, DIRK, DENOM, 400), ExchangeLeg(ANNA, DIRK, DENOM, 400))
    exchange = Exchange(legs, 1, 1, 0)
    one, other = (keep(ledger, link=digest(exchange)) for _ in range(2))
    limit(ledger, "dirk", 1_700)
    call = both((one, 400), (other, 400), exchange)

    assert_refused(ledger.by_person("dirk", call), Code.COIN_WALLET_LIMIT, remaining_cents=300)
    limit(ledger, "dirk", 1_800)
    assert_done(ledger.by_person("dirk", call))
    assert broken(ledger) == []


def test_holds_expire_one_by_one_also_when_they_are_linked(ledger: Ledger) -> None:
    exchange = swap()
    keep_both(ledger, exchange)
    ledger.time_s += DAY

    assert len(started(ledger)) == 2
    assert (held(ledger), held(ledger, BRAM, "noord")) == (0, 0)
    assert broken(ledger) == []
