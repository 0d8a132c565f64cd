"""The books: what `book` promises, and the checks that contracts share (economy section 7)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.books import (
    BALANCE_CENTS_MAX,
    BANK,
    COST,
    DEBIT_CLASSES,
    DUE_FROM,
    DUE_TO,
    EXEMPT_150,
    FUND,
    HELD,
    INCOME,
    LICENSED,
    MEMBER,
    PENDING_OUT,
    POOL,
    REDEMPTIONS,
    UNPAID,
    Place,
    add_to_outstanding,
    add_to_supply,
    book,
    check_room,
    check_total_cap,
    close_redemption,
    get_balance,
    get_class,
    get_limit,
    get_payee,
    get_payer,
    get_supply,
    is_overdue,
    open_redemption,
)
from chain.contract import Context, Ids
from chain.errors import Code, Reject
from chain.keyspaces import (
    ACCOUNTS,
    BALANCES,
    KINDS,
    MEMBERS,
    NO_LIMIT,
    AccountRecord,
    Issuer,
    Member,
)
from tests.federation import Ledger, account, board

DENOM = "delfshaven:EUR"
ANNA = account("anna")
CLASSES = (BANK, MEMBER, PENDING_OUT, POOL, HELD, DUE_FROM, DUE_TO, FUND, INCOME, COST)


def context(**options: Any) -> Context:
    """Return a call of anna that is about to run, in a block of its own."""
    options.setdefault("balances", {"delfshaven/anna": 10_000, "noord/bram": 5_000})
    run = Ledger(**options).run()
    tx_id = b"\x07" * 32
    return Context(run.clock, tx_id, ANNA, (), ids=Ids(tx_id), postings=[], notices=[])


def move(ctx: Context, debit: Place, credit: Place, cents: int) -> None:
    book(ctx, "delfshaven", DENOM, debit, credit, cents)


def balance(ctx: Context, place: Place) -> int:
    return get_balance(ctx.state, DENOM, *place)


@pytest.mark.parametrize("debit", CLASSES)
@pytest.mark.parametrize("credit", CLASSES)
def test_a_booking_debits_one_class_and_credits_the_other_i1(debit: str, credit: str) -> None:
    """Debit adds to 1, 6F and 9 and lowers the others; credit is the reverse."""
    ctx = context()
    one, other = (debit, b"\x01" * 20), (credit, b"\x02" * 20)
    for place in (one, other):
        BALANCES.put(ctx.state, 100, DENOM, *place)

    move(ctx, one, other, 30)

    assert balance(ctx, one) == (130 if debit in DEBIT_CLASSES else 70)
    assert balance(ctx, other) == (70 if credit in DEBIT_CLASSES else 130)
    assert [(p.side, p.klass, p.cents, p.leg) for p in ctx.postings] == [
        ("D", debit, 30, 0),
        ("C", credit, 30, 0),
    ]


moves = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.integers(1, 500)),
    max_size=20,
)


@given(moves)
def test_sums_of_the_supply_follow_the_bookings_i2(booked: list[tuple[str, str, int]]) -> None:
    ctx = context(balances={"delfshaven/anna": 0})
    for debit, credit, cents in booked:
        places = (debit, b"\x01" * 20), (credit, b"\x02" * 20)
        if _stays_above_zero(ctx, places, cents):
            move(ctx, *places, cents)
    held = {
        klass: balance(ctx, (klass, b"\x01" * 20)) + balance(ctx, (klass, b"\x02" * 20))
        for klass in CLASSES
    }
    supply = get_supply(ctx.state, DENOM)

    assert sum(cents if klass in DEBIT_CLASSES else -cents for klass, cents in held.items()) == 0
    assert (supply.pending_out, supply.reserve) == (held[PENDING_OUT], held[BANK])
    assert (supply.due_from, supply.due_to) == (held[DUE_FROM], held[DUE_TO])


def _stays_above_zero(ctx: Context, places: tuple[Place, Place], cents: int) -> bool:
    debit, credit = places
    down = [debit] * (debit[0] not in DEBIT_CLASSES) + [credit] * (credit[0] in DEBIT_CLASSES)
    return all(balance(ctx, place) >= cents for place in down)


def test_legs_of_a_transaction_count_on() -> None:
    ctx = context()
    for _ in range(3):
        move(ctx, (MEMBER, ANNA), (FUND, board("delfshaven")), 1)

    assert [posting.leg for posting in ctx.postings] == [0, 0, 1, 1, 2, 2]


def test_a_balance_of_zero_has_no_key() -> None:
    """interfaces 5.5."""
    ctx = context()

    move(ctx, (MEMBER, ANNA), (HELD, ANNA), 10_000)

    assert BALANCES.get(ctx.state, DENOM, MEMBER, ANNA) is None


def test_a_balance_below_zero_is_a_bug_of_ours_i3() -> None:
    with pytest.raises(AssertionError):
        move(context(), (MEMBER, ANNA), (HELD, ANNA), 10_001)


@pytest.mark.parametrize("cents", [0, -1])
def test_a_booking_moves_something(cents: int) -> None:
    with pytest.raises(AssertionError):
        move(context(), (MEMBER, ANNA), (HELD, ANNA), cents)


def test_a_balance_past_two_to_the_53rd_is_refused_b8() -> None:
    ctx = context()
    BALANCES.put(ctx.state, BALANCE_CENTS_MAX - 1, DENOM, HELD, ANNA)
    move(ctx, (MEMBER, ANNA), (HELD, ANNA), 1)

    with pytest.raises(Reject) as refused:
        move(ctx, (MEMBER, ANNA), (HELD, ANNA), 1)

    assert refused.value.code is Code.TX_AMOUNT


def test_supply_past_two_to_the_53rd_is_refused_b8() -> None:
    ctx = context(balances={"delfshaven/anna": 0})
    add_to_supply(ctx, DENOM, issued=BALANCE_CENTS_MAX)

    with pytest.raises(Reject) as refused:
        add_to_supply(ctx, DENOM, issued=1)

    assert refused.value.code is Code.TX_AMOUNT


def test_less_than_nothing_outstanding_is_a_bug_of_ours() -> None:
    with pytest.raises(AssertionError):
        add_to_outstanding(context(), "DEMO", -15_001)


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_board_stands_in_class_7(kind: str) -> None:
    record = AccountRecord(kind, "delfshaven", "ACTIVE", 1, (), ())

    assert get_class(record) == (FUND if kind == "BOARD" else MEMBER)


def _member(limit: int, auto_redeem: int = 0) -> Member:
    return Member(1, None, (), limit, auto_redeem, 0, 0, 0, 0, None, None, ())


@pytest.mark.parametrize(
    ("cap", "kind", "member", "limit"),
    [
        (None, "PERSON", _member(700), 700),
        (None, "PERSON", _member(NO_LIMIT), NO_LIMIT),
        (None, "ROLE", None, NO_LIMIT),
        (15_000, "PERSON", _member(700), 700),
        (15_000, "PERSON", _member(20_000), 15_000),
        (15_000, "ROLE", None, 15_000),
        (15_000, "BOARD", None, NO_LIMIT),
    ],
)
def test_the_limit_is_the_lower_of_account_and_mode_c7_c8(
    cap: int | None, kind: str, member: Member | None, limit: int
) -> None:
    issuer = Issuer(LICENSED if cap is None else EXEMPT_150, cap, None, 0)

    found = get_limit(issuer, AccountRecord(kind, "delfshaven", "ACTIVE", 1, (), ()), member)

    assert found == limit


@pytest.fixture(scope="module")
def shared() -> Context:
    return context()


@given(
    limit=st.integers(0, 200),
    held=st.integers(0, 300),
    coming=st.integers(0, 100),
    cents=st.integers(1, 300),
)
def test_the_excess_is_what_passes_the_limit_c8(
    shared: Context, limit: int, held: int, coming: int, cents: int
) -> None:
    ctx = shared
    payee = msgspec.structs.replace(
        get_payee(ctx, ANNA), limit=limit, member=_member(limit, auto_redeem=1)
    )
    BALANCES.put(ctx.state, held or None, DENOM, MEMBER, ANNA)

    excess = check_room(ctx, payee, cents, coming)

    assert 0 <= excess <= cents
    assert excess == min(cents, max(0, held + coming + cents - limit))
    without = msgspec.structs.replace(payee, member=_member(limit))
    if excess:
        with pytest.raises(Reject) as refused:
            check_room(ctx, without, cents, coming)
        assert refused.value.params == {"remaining_cents": max(0, limit - held - coming)}
    else:
        assert check_room(ctx, without, cents, coming) == 0


def test_the_cap_of_an_issuer_names_what_is_left_c7() -> None:
    check_total_cap(Issuer(EXEMPT_150, None, 100, 60), 40)
    check_total_cap(Issuer(LICENSED, None, None, 60), 10**13)
    with pytest.raises(Reject) as refused:
        check_total_cap(Issuer(EXEMPT_150, None, 100, 60), 41)
    assert refused.value.params == {"remaining_cents": 40}
    with pytest.raises(Reject) as refused:
        check_total_cap(Issuer(EXEMPT_150, None, 100, 120), 1)
    assert refused.value.params == {"remaining_cents": 0}


def test_a_payee_that_left_is_unknown() -> None:
    ctx = context()
    record = ACCOUNTS.get(ctx.state, ANNA)
    assert record is not None
    ACCOUNTS.put(ctx.state, msgspec.structs.replace(record, status="LEFT"), ANNA)

    with pytest.raises(Reject) as refused:
        get_payee(ctx, ANNA)

    assert refused.value.code is Code.TX_UNKNOWN_ACCOUNT


def test_unpaid_redemptions_are_counted_by_day_c15() -> None:
    ctx = context()
    payer = get_payer(ctx)
    first = open_redemption(ctx, payer, 10, None)
    second = open_redemption(ctx, payer, 20, None)
    assert first != second
    due = 20_260_105

    assert UNPAID.get(ctx.state, DENOM) == ((due, 2),)
    for request, rows in ((first, ((due, 1),)), (second, None)):
        redemption = REDEMPTIONS.get(ctx.state, request)
        assert redemption is not None
        close_redemption(ctx, request, redemption)
        assert UNPAID.get(ctx.state, DENOM) == rows


@pytest.mark.parametrize(
    ("rows", "overdue"),
    [
        (None, False),
        (((20_260_101, 1),), False),  # the last day is a day in time
        (((20_260_102, 1),), False),
        (((20_251_231, 1), (20_260_105, 1)), True),
    ],
)
def test_overdue_is_what_should_have_been_paid_before_today_c15(
    rows: tuple[tuple[int, int], ...] | None, overdue: bool
) -> None:
    ctx = context()
    UNPAID.put(ctx.state, rows, DENOM)

    assert ctx.clock.book_date == 20_260_101
    assert is_overdue(ctx, DENOM) == overdue


def test_a_payer_without_a_member_record_has_a_place() -> None:
    ctx = context()
    MEMBERS.delete(ctx.state, ANNA)

    assert get_payer(ctx).place == (MEMBER, ANNA)
    assert get_payee(ctx, ANNA).limit == NO_LIMIT
