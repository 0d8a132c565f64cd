"""Policies: create, accept, fund, claim, close, and the sums of a pool (economy section 4, I10)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from audit.invariants import find_wrong_postings
from chain.codec import decode, encode
from chain.crypto import sign
from chain.errors import Code, Malformed
from chain.keyspaces import ACCOUNTS, FREEZES, SEATS, Freeze
from chain.records import Tag
from contracts.policies import POLICIES
from contracts.policies.p01_area import Area
from contracts.policies.p02_category import Category
from contracts.policies.p04_expiry import Expiry
from contracts.policies.p05_cap import Cap
from contracts.policy import (
    Accept,
    Claim,
    Close,
    Create,
    EnrolToken,
    Fund,
    Release,
    TokenProof,
    token_bytes,
)
from tests.contracts.desk import (
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
from tests.contracts.fund_desk import (
    PLAIN,
    WIJK,
    claim,
    close,
    create,
    get,
    in_pool,
    make_ledger,
    open_pool,
    sums,
)
from tests.contracts.offices import names, object_id, read, values
from tests.federation import Ledger, account, board, key, seed

DAY_CAP = Cap(1, 0, 5_000, 0, 0, 0)
TOKENS = Cap(1, 0, 0, 0, 0, 5_000)  # a cap for each token: then tokens spend a plain pool
FAR = Expiry(1, 20_261_231, None)
NOTHING = b"\x09" * 32


@pytest.fixture
def ledger() -> Ledger:
    return make_ledger()


def enrol(ledger: Ledger, policy: bytes, *who: str, period: int = 0) -> Any:
    keys = tuple(sorted(key(name) for name in who))
    return ledger.by_registrar(WIJK, EnrolToken(policy, period, keys))


# --------------------------------------------------------------------------------------- create


def test_policy_create_writes_a_draft(ledger: Ledger) -> None:
    outcome = create(ledger, DAY_CAP)

    policy = get(ledger, object_id(outcome))
    assert (policy.status, policy.funder, policy.denom) == (
        "DRAFT",
        account("gever"),
        "delfshaven:EUR",
    )
    assert sums(ledger, object_id(outcome)) == (0, 0, 0, 0, 0)
    assert (policy.decided, policy.since) == (None, 0)
    assert names(outcome) == ["policy.PolicyCreated"]
    assert broken(ledger) == []


def test_policy_create_checks_in_the_order_of_the_catalogue_b7(ledger: Ledger) -> None:
    foreign = Expiry(1, 20_261_231, NOTHING)
    wrong = Area(2, ("XX",), 2014, 0)

    assert_refused(create(ledger, foreign, vat_treatment="a@b"), Code.TX_UNKNOWN_ID)
    assert_refused(create(ledger, wrong, vat_treatment="a@b"), Code.TX_TEXT)
    assert_refused(create(ledger, wrong, payer_role=""), Code.TX_TEXT)
    assert_refused(create(ledger, wrong, denom="noord:EUR"), Code.POLICY_PARAMS, clause="denom")
    assert_refused(create(ledger, wrong), Code.POLICY_PARAMS, clause="area")
    right = msgspec.structs.replace(wrong, codes=("GM0599",))
    assert_refused(create(ledger, right), Code.POLICY_VERSION)


@pytest.mark.parametrize(
    ("clause", "guards"),
    [
        ("cap", (DAY_CAP, DAY_CAP)),
        ("area", (DAY_CAP, Area(1, ("GM0599",), 2014, 0))),
        ("area", (Area(1, ("GM0599", "GM0599"), 2014, 0),)),
        ("area", (Area(1, ("GM599",), 2014, 0),)),
        ("area", (Area(1, ("GM0599",), 14, 0),)),
        ("category", (Category(1, (), ()),)),
        ("category", (Category(1, ("C01",), ("C01",)),)),
        ("category", (Category(1, ("C16",), ()),)),
        ("category", (Category(1, ("G",), ()),)),
        ("expiry", (Expiry(1, 20_251_231, None),)),
        ("expiry", (Expiry(1, 20_260_230, None),)),
        ("cap", (Cap(1, 0, 0, 0, 0, 0),)),
    ],
)
def test_policy_create_refuses_values_that_a_script_cannot_have(
    ledger: Ledger, clause: str, guards: tuple[Any, ...]
) -> None:
    assert_refused(create(ledger, *guards), Code.POLICY_PARAMS, clause=clause)


def test_policy_create_refuses_an_heir_of_another_funder(ledger: Ledger) -> None:
    theirs = object_id(create(ledger, by="anna"))

    assert_refused(create(ledger, Expiry(1, 20_261_231, theirs)), Code.TX_UNKNOWN_ID)


def test_policy_create_of_eight_guards_is_malformed_w11() -> None:
    call = ["policy.create", "delfshaven:EUR", ["claim", 1], [["cap", 1, 1, 0, 0, 0, 0]] * 8]
    with pytest.raises(Malformed):
        decode(Create, encode([*call, None, "EXEMPT", "FUNDER", None]))


# --------------------------------------------------------------------------------------- accept


def test_policy_accept_makes_it_work_and_notes_who_decided_p0(ledger: Ledger) -> None:
    policy = object_id(create(ledger, FAR))

    outcome = assert_done(ledger.by_board(WIJK, Accept(policy)))

    found = get(ledger, policy)
    assert (found.status, found.decided, found.since) == ("ACTIVE", outcome.tx_id, 20_260_101)
    assert names(outcome) == ["policy.PolicyAccepted"]


def test_policy_accept_refuses_in_order(ledger: Ledger) -> None:
    policy = object_id(create(ledger))

    assert_refused(ledger.by_board(WIJK, Accept(NOTHING)), Code.TX_UNKNOWN_ID)
    assert_refused(ledger.by_person("gever", Accept(policy)), Code.TX_ROLE)
    assert_refused(ledger.by_board("noord", Accept(policy)), Code.TX_ROLE, role="board")
    for seat in (4, 5):
        sitting = read(ledger, SEATS, WIJK, 1)
        put(ledger, SEATS, msgspec.structs.replace(sitting, until_s=0), WIJK, seat)
    assert_done(ledger.by_board(WIJK, Accept(policy)))
    assert_refused(ledger.by_board(WIJK, Accept(policy)), Code.POLICY_DONE)


def test_policy_accept_refuses_a_board_of_which_less_than_half_sits_e37(ledger: Ledger) -> None:
    policy = object_id(create(ledger))
    gone = read(ledger, SEATS, WIJK, 1)
    for seat in (4, 5, 6):
        put(ledger, SEATS, msgspec.structs.replace(gone, until_s=0), WIJK, seat)

    assert_refused(ledger.by_board(WIJK, Accept(policy)), Code.POLICY_MANDATE)


# ----------------------------------------------------------------------------------------- fund


def test_policy_fund_moves_own_coin_into_the_pool(ledger: Ledger) -> None:
    policy = open_pool(ledger, cents=0)

    outcome = assert_done(ledger.by_person("gever", Fund(policy, 10_000, None)))

    (moved,) = booked(outcome)
    assert moved[1:4] == (("2", account("gever")), ("4", policy), 10_000)
    assert {posting.policy for posting in outcome.postings} == {policy}
    assert sums(ledger, policy) == (10_000, 0, 0, 0, 10_000)
    assert in_pool(ledger, policy) == 10_000
    assert broken(ledger) == []


def test_policy_fund_refuses_in_order(ledger: Ledger) -> None:
    policy = object_id(create(ledger))

    def fund(cents: int, by: str = "gever", qty: int | None = None) -> Any:
        return ledger.by_person(by, Fund(policy, cents, qty))

    assert_refused(ledger.by_person("gever", Fund(NOTHING, 0, None)), Code.TX_UNKNOWN_ID)
    assert_refused(fund(0, "bram"), Code.TX_AMOUNT)
    assert_refused(fund(10**13, "bram"), Code.TX_ROLE, role="funder")
    assert_refused(fund(10**13), Code.POLICY_NOT_ACTIVE)
    assert_done(ledger.by_board(WIJK, Accept(policy)))
    assert_refused(fund(10**13, qty=3), Code.COIN_LOW_BALANCE, balance_cents=1_000_000)
    put(ledger, FREEZES, Freeze(2**40, "ORDER", 0, None), account("gever"))
    assert_refused(fund(100, qty=3), Code.POLICY_AMOUNT)
    assert_refused(fund(100), Code.COIN_FROZEN)


def test_policy_fund_refuses_a_funder_who_moved_to_another_coin(ledger: Ledger) -> None:
    policy = open_pool(ledger, cents=0)
    change(ledger, ACCOUNTS, account("gever"), wijk="noord")

    outcome = ledger.by_person("gever", Fund(policy, 1, None))

    assert_refused(outcome, Code.POLICY_DENOM, denom="delfshaven:EUR")


def test_policy_fund_refuses_the_wijk_fund_without_budget_lines_i11(ledger: Ledger) -> None:
    Desk(ledger, WIJK).issue("grant", 5_000, board(WIJK))
    policy = object_id(
        ledger.by_board(
            WIJK, Create("delfshaven:EUR", PLAIN, (DAY_CAP,), None, "EXEMPT", "FUNDER", None)
        )
    )
    assert_done(ledger.by_board(WIJK, Accept(policy)))

    assert_refused(ledger.by_board(WIJK, Fund(policy, 100, None)), Code.COIN_NO_BASIS)


# ---------------------------------------------------------------------------------------- claim


def test_policy_claim_pays_from_the_pool(ledger: Ledger) -> None:
    policy = open_pool(ledger, DAY_CAP)
    tag = Tag("SALE", "P3", "C01", 21)

    outcome = assert_done(claim(ledger, policy, "bakker", 1_250, tag=tag))

    (moved,) = booked(outcome)
    assert moved[1:] == (("4", policy), ("2", account("bakker")), 1_250, tag)
    assert {posting.policy for posting in outcome.postings} == {policy}
    assert sums(ledger, policy) == (10_000, 1_250, 0, 0, 8_750)
    assert balance(ledger, "bakker") == 1_250
    assert values(outcome, "policy.PolicyPaid") == [policy, account("bakker"), 1_250, 0, None]
    assert broken(ledger) == []


def test_policy_claim_refuses_in_order(ledger: Ledger) -> None:
    policy = open_pool(ledger, DAY_CAP, cents=2_000)
    wrong = Tag("SALE", "P3", "nothing", 0)

    assert_refused(claim(ledger, NOTHING, "nobody", 0, tag=wrong), Code.TX_UNKNOWN_ID)
    assert_refused(claim(ledger, policy, "nobody", 0, tag=wrong), Code.TX_UNKNOWN_ACCOUNT)
    assert_refused(claim(ledger, policy, "bram", 0, tag=wrong), Code.TX_TEXT)
    assert_refused(claim(ledger, policy, "bram", 0, item="a b"), Code.TX_TEXT)
    assert_refused(claim(ledger, policy, "bram", 0, by="anna"), Code.TX_AMOUNT)
    assert_refused(claim(ledger, policy, "bram", 1, by="anna"), Code.COIN_OTHER_WIJK, wijk="noord")
    assert_refused(claim(ledger, policy, "gever", 1, by="anna"), Code.COIN_SELF)
    assert_refused(
        claim(ledger, policy, "bakker", 6_000, by="anna"), Code.POLICY_CLAUSE, clause="token"
    )
    assert_refused(
        claim(ledger, policy, "bakker", 6_000),
        Code.POLICY_CLAUSE,
        clause="cap",
        remaining_cents=5_000,
    )
    limit(ledger, "bakker", 100)
    assert_refused(
        claim(ledger, policy, "bakker", 2_001), Code.COIN_LOW_BALANCE, balance_cents=2_000
    )
    assert_refused(
        claim(ledger, policy, "bakker", 200), Code.COIN_WALLET_LIMIT, remaining_cents=100
    )
    draft = object_id(create(ledger))
    assert_refused(claim(ledger, draft, "bakker", 1), Code.POLICY_NOT_ACTIVE)


def test_policy_claim_of_a_network_member_only_c7() -> None:
    issuers = [
        {
            "code": "DEMO",
            "mode": "LIMITED_NETWORK",
            "wallet_cap_cents": None,
            "total_cap_cents": None,
        }
    ]
    ledger = make_ledger(issuers=issuers)
    policy = open_pool(ledger)

    assert_refused(claim(ledger, policy, "bakker", 200), Code.COIN_NOT_CONTRACTED)


def test_policy_claim_redeems_what_passes_the_limit_c8(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    limit(ledger, "bakker", 100, auto_redeem=1)

    assert_done(claim(ledger, policy, "bakker", 250))

    assert balance(ledger, "bakker") == 100
    assert balance(ledger, "bakker", klass="3") == 150
    assert broken(ledger) == []


def test_policy_claim_with_a_token_is_for_its_holder_n41(ledger: Ledger) -> None:
    policy = open_pool(ledger, TOKENS)
    assert_done(enrol(ledger, policy, "pas", "oud", "ander"))

    assert_done(claim(ledger, policy, "bakker", 250, by="anna", token="pas"))

    outcome = claim(ledger, policy, "bakker", 250, by="anna", token="vreemd")
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="token")


def test_registrars_spend_no_pool_whose_funder_set_no_cap_for_tokens_p0(ledger: Ledger) -> None:
    """They enrol tokens for who is eligible; whose money it is does not change by that."""
    policy = open_pool(ledger, Cap(1, 0, 0, 0, 5_000, 0))
    assert_done(enrol(ledger, policy, "eigen"))

    outcome = claim(ledger, policy, "bakker", 250, by="anna", token="eigen")

    assert_refused(outcome, Code.POLICY_CLAUSE, clause="token")
    assert_done(claim(ledger, policy, "bakker", 250))


def test_policy_claim_refuses_a_token_that_agreed_to_something_else(ledger: Ledger) -> None:
    """interfaces 4: the token signs policy, payee, cents, sender and nonce."""
    policy = open_pool(ledger, TOKENS)
    assert_done(enrol(ledger, policy, "pas"))
    for number, (sender, cents, payee, same) in enumerate(
        [
            ("gever", 250, "bakker", True),
            ("anna", 249, "bakker", True),
            ("anna", 250, "slijter", True),
            ("anna", 250, "bakker", False),
        ]
    ):
        right = bytes([number]) * 16
        nonce = right if same else b"\x99" * 16
        message = token_bytes(
            ledger.chain.digest, policy, account(payee), cents, account(sender), nonce
        )
        proof = TokenProof(key("pas"), sign(seed("pas"), message))
        call = Claim(policy, account("bakker"), 250, None, None, proof, None)
        outcome = ledger.send(call, account("anna"), [(0, "anna")], nonce=right)
        assert_refused(outcome, Code.POLICY_CLAUSE, clause="token")


def test_policy_claim_refuses_a_token_of_another_period(ledger: Ledger) -> None:
    policy = open_pool(ledger, TOKENS)
    assert_done(enrol(ledger, policy, "februari", period=202_602))
    assert_done(enrol(ledger, policy, "januari", period=202_601))
    assert_done(enrol(ledger, policy, "jaar", period=2_026))

    assert_done(claim(ledger, policy, "bakker", 1, by="anna", token="januari"))
    assert_done(claim(ledger, policy, "bakker", 1, by="anna", token="jaar"))
    outcome = claim(ledger, policy, "bakker", 1, by="anna", token="februari")
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="token")


# --------------------------------------------------------------------------------------- tokens


def test_policy_enrol_token_refuses_in_order(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    pair = tuple(sorted((key("a"), key("b"))))

    def by_registrar(call: EnrolToken, wijk: str = WIJK) -> Any:
        return ledger.by_registrar(wijk, call)

    assert_refused(by_registrar(EnrolToken(NOTHING, 1, pair)), Code.TX_UNKNOWN_ID)
    assert_refused(by_registrar(EnrolToken(policy, 1, pair), "noord"), Code.TX_ROLE)
    assert_refused(by_registrar(EnrolToken(policy, 1, pair[::-1])), Code.POLICY_PARAMS)
    assert_refused(by_registrar(EnrolToken(policy, 202_613, pair)), Code.POLICY_PARAMS)
    assert_refused(by_registrar(EnrolToken(policy, 0, pair[::-1])), Code.POLICY_UNSORTED)
    assert_refused(by_registrar(EnrolToken(policy, 0, (pair[0], pair[0]))), Code.POLICY_UNSORTED)
    assert_refused(by_registrar(EnrolToken(policy, 0, (bytes(32),))), Code.ACCOUNTS_NO_PROOF)
    outcome = assert_done(by_registrar(EnrolToken(policy, 0, pair)))
    assert values(outcome, "policy.TokensEnrolled") == [policy, 0, 2]
    assert_refused(by_registrar(EnrolToken(policy, 0, pair[:1])), Code.POLICY_SEEN)
    assert_done(close(ledger, policy))
    assert_refused(by_registrar(EnrolToken(policy, 0, (key("c"),))), Code.POLICY_DONE)


def test_policy_enrol_token_takes_900_keys_in_one_transaction(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    keys = tuple(sorted(key(f"pas {number}") for number in range(900)))

    assert_done(ledger.by_registrar(WIJK, EnrolToken(policy, 0, keys)))


# ---------------------------------------------------------------------------------------- close


def test_policy_close_returns_free_money_to_its_funder(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    assert_done(claim(ledger, policy, "bakker", 2_500))

    outcome = assert_done(close(ledger, policy))

    assert booked(outcome)[0][1:4] == (("4", policy), ("2", account("gever")), 7_500)
    assert sums(ledger, policy) == (10_000, 2_500, 0, 7_500, 0)
    assert get(ledger, policy).status == "CLOSED"
    assert balance(ledger, "gever") == 997_500
    assert names(outcome) == ["policy.PolicyClosed"]
    assert broken(ledger) == []


def test_policy_close_refuses_in_order(ledger: Ledger) -> None:
    policy = open_pool(ledger, FAR)

    assert_refused(ledger.by_person("gever", Close(NOTHING)), Code.TX_UNKNOWN_ID)
    assert_refused(close(ledger, policy, by="anna"), Code.TX_ROLE, role="funder")
    change_pending(ledger, policy, 400)
    assert_refused(close(ledger, policy), Code.POLICY_PENDING, amount_cents=400)
    change_pending(ledger, policy, 0)
    assert_done(close(ledger, policy))
    assert_refused(close(ledger, policy), Code.POLICY_DONE)


def change_pending(ledger: Ledger, policy: bytes, cents: int) -> None:
    change(ledger, POLICIES, policy, pending=cents, free=10_000 - cents)


def test_policy_close_redeems_what_a_full_wallet_cannot_take_c8(ledger: Ledger) -> None:
    """Own money comes back whatever the limit says; what passes it is redeemed."""
    policy = open_pool(ledger)
    limit(ledger, "gever", 990_100)

    assert_done(close(ledger, policy))

    assert balance(ledger, "gever") == 990_100
    assert balance(ledger, "gever", klass="3") == 9_900
    assert broken(ledger) == []


def test_policy_close_of_a_draft_moves_nothing(ledger: Ledger) -> None:
    policy = object_id(create(ledger))

    assert assert_done(close(ledger, policy)).postings == ()
    assert_refused(ledger.by_board(WIJK, Accept(policy)), Code.POLICY_DONE)


# -------------------------------------------------------------------------------------- release


def test_policy_release_refuses_a_plain_pool_in_order(ledger: Ledger) -> None:
    policy = open_pool(ledger)

    assert_refused(ledger.by_person("gever", Release(NOTHING, 1, 1)), Code.TX_UNKNOWN_ID)
    assert_refused(ledger.by_person("gever", Release(policy, NOTHING, 1)), Code.TX_UNKNOWN_ID)
    draft = object_id(create(ledger))
    assert_refused(ledger.by_person("gever", Release(draft, 1, 1)), Code.POLICY_NOT_ACTIVE)
    outcome = ledger.by_person("gever", Release(policy, 1, 1))
    assert_refused(outcome, Code.POLICY_CLAUSE, clause="claim")


def test_a_pool_of_another_funder_is_nobody_elses_money_i10(ledger: Ledger) -> None:
    mine, theirs = open_pool(ledger), open_pool(ledger, by="anna", cents=500)

    assert_refused(claim(ledger, theirs, "bakker", 501, by="anna"), Code.COIN_LOW_BALANCE)
    assert_refused(claim(ledger, mine, "bakker", 1, by="anna"), Code.POLICY_CLAUSE)
    assert balance_of(ledger, mine, WIJK, "4") == 10_000


# ------------------------------------------------------------------------- what auditors see


def names_of_broken(ledger: Ledger) -> set[str]:
    return {one.name for one in broken(ledger)}


@pytest.mark.parametrize("sum_", ["funded", "spent", "pending", "returned", "free"])
def test_an_auditor_sees_a_sum_of_a_pool_that_is_wrong_i10(ledger: Ledger, sum_: str) -> None:
    policy = open_pool(ledger)
    assert_done(claim(ledger, policy, "bakker", 2_500))
    assert broken(ledger) == []

    change(ledger, POLICIES, policy, **{sum_: getattr(get(ledger, policy), sum_) + 1})

    assert names_of_broken(ledger) == {"I10"}


def test_an_auditor_sees_pool_money_that_is_called_spent_i10(ledger: Ledger) -> None:
    """The five sums agree with each other and not with what was posted."""
    policy = open_pool(ledger)

    change(ledger, POLICIES, policy, free=9_000, spent=1_000)

    assert names_of_broken(ledger) == {"I10"}


def test_an_auditor_sees_a_pool_without_a_policy_i10(ledger: Ledger) -> None:
    policy = open_pool(ledger)

    put(ledger, POLICIES, None, policy)

    assert names_of_broken(ledger) == {"I10"}


def test_an_auditor_sees_pool_money_posted_under_no_policy_or_another_i10(ledger: Ledger) -> None:
    policy = open_pool(ledger)
    outcome = assert_done(claim(ledger, policy, "bakker", 2_500))

    for wrong in (None, NOTHING):
        moved = [msgspec.structs.replace(one, policy=wrong) for one in outcome.postings]
        assert "I10" in {one.name for one in find_wrong_postings(moved)}
    assert find_wrong_postings(outcome.postings) == []
