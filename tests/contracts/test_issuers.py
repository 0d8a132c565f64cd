"""The mode and caps of an issuer, changed by the federation at the border of an epoch (C7, I13)."""

from typing import Any

import pytest

from chain.books import EXEMPT_150, LICENSED, LIMITED_NETWORK
from chain.codec import encode
from chain.errors import Code
from chain.issuers import PLANS
from chain.keyspaces import ISSUERS, NO_LIMIT, PARAMS, Issuer, get_param
from chain.params import FEDERATION
from chain.records import Outcome
from chain.state import State
from contracts.coin import HoldCall, Leg, Post, PostPart, RedeemRequest, Transfer
from contracts.members import Admit
from contracts.wijk import FedPropose, SetParam
from tests.contracts.desk import (
    Desk,
    assert_done,
    assert_refused,
    balance,
    broken,
    line,
)
from tests.contracts.offices import (
    enact,
    endorse,
    epoch,
    executed_code,
    names,
    raw,
    read,
    to_epoch,
    values,
)
from tests.federation import Ledger, account, key

DIRK = account("dirk")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0, "noord/bram": 5_000})


@pytest.fixture
def empty() -> Ledger:
    """A federation in which no coin is out yet."""
    return Ledger(balances={"delfshaven/anna": 0, "delfshaven/dirk": 0, "noord/bram": 0})


def decide(ledger: Ledger, field: str, value: Any, *, ahead: int = 30, code: str = "DEMO") -> int:
    """Let the federation set a parameter of an issuer; return what became of it."""
    call = SetParam(f"issuer.{code}.{field}", raw(value), epoch(ledger) + ahead)
    return executed_code(endorse(ledger, call))


def pass_epochs(ledger: Ledger) -> list[Outcome]:
    """Go beyond the border; return what happened by itself there."""
    to_epoch(ledger, epoch(ledger) + 40)
    return list(ledger.apply(ledger.run()).start)


def get(ledger: Ledger) -> Issuer:
    issuer = ISSUERS.get(State(ledger.state.get), "DEMO")
    assert issuer is not None
    return issuer


def pay(to: bytes, cents: int) -> Transfer:
    return Transfer((Leg(to, cents, None, None),), None)


def test_the_federation_sets_a_cap_that_holds_from_its_epoch_on_c7_b13(ledger: Ledger) -> None:
    assert decide(ledger, "total_cap", 16_000) == 0
    assert get(ledger).total_cap is None

    (outcome,) = pass_epochs(ledger)

    assert names(outcome) == ["wijk.IssuerSet"]
    assert values(outcome, "wijk.IssuerSet") == ["issuer.DEMO.total_cap", 16_000]
    assert get(ledger) == Issuer(LICENSED, None, 16_000, 15_000)
    assert read(ledger, PLANS) is None
    stored = get_param(State(ledger.state.get), FEDERATION, "issuer.DEMO.total_cap", epoch(ledger))
    assert stored == 16_000
    desk = Desk(ledger)
    deposit = line("deposit", 1_001)
    assert_done(desk.attest(deposit))
    assert_done(desk.allow(5_000))
    assert_refused(desk.mint(deposit, DIRK), Code.COIN_MODE_CAP, remaining_cents=1_000)
    assert broken(ledger) == []


def test_a_mode_and_its_caps_are_set_one_by_one_and_bind_c7(empty: Ledger) -> None:
    assert decide(empty, "wallet_cap", 15_000) == 0
    assert decide(empty, "total_cap", 500_000_000) == 0
    assert decide(empty, "mode", EXEMPT_150) == 0
    pass_epochs(empty)

    assert get(empty) == Issuer(EXEMPT_150, 15_000, 500_000_000, 0)
    desk = Desk(empty)
    desk.issue("a", 10_000, account("anna"))
    desk.issue("b", 10_000, DIRK)
    refused = empty.by_person("anna", pay(DIRK, 5_001))
    assert_refused(refused, Code.COIN_WALLET_LIMIT, remaining_cents=5_000)
    admit = Admit(key("new"), "PERSON", "WK059903", 2014, (), 15_001)
    refused = empty.by_registrar("delfshaven", admit)
    assert_refused(refused, Code.MEMBERS_MODE, cap_cents=15_000)
    assert broken(empty) == []


def test_limited_network_pays_contracted_accounts_alone_c7(ledger: Ledger) -> None:
    hold = assert_done(ledger.by_person("anna", HoldCall(DIRK, 5, 86_400, None, None))).tx_id
    assert decide(ledger, "mode", LIMITED_NETWORK) == 0
    pass_epochs(ledger)

    assert_refused(ledger.by_person("anna", pay(DIRK, 1)), Code.COIN_NOT_CONTRACTED)
    post = Post((PostPart(hold, 5),), None)
    assert_refused(ledger.by_person("dirk", post), Code.COIN_NOT_CONTRACTED)
    assert_done(ledger.by_person("anna", RedeemRequest(1, bytes(32))))


def test_a_cap_of_ten_to_the_thirteenth_is_none(empty: Ledger) -> None:
    assert decide(empty, "wallet_cap", 100) == 0
    pass_epochs(empty)
    assert get(empty).wallet_cap == 100
    assert decide(empty, "wallet_cap", NO_LIMIT) == 0
    pass_epochs(empty)

    assert get(empty).wallet_cap is None


def test_evidence_is_a_digest_that_changes_nothing_else(ledger: Ledger) -> None:
    assert decide(ledger, "evidence", b"\x07" * 32) == 0
    before = get(ledger)

    assert pass_epochs(ledger) == []
    assert get(ledger) == before
    name = "issuer.DEMO.evidence"
    assert get_param(State(ledger.state.get), FEDERATION, name, epoch(ledger)) == b"\x07" * 32


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "FREE"),
        ("mode", 1),
        ("mode", EXEMPT_150),  # without its caps
        ("wallet_cap", 0),
        ("wallet_cap", NO_LIMIT + 1),
        ("wallet_cap", "all"),
        ("wallet_cap", 20_000),  # lower than none, while coin is out: who knows what wallets hold
        ("total_cap", 14_999),  # below what is out
        ("total_cap", -1),
        ("evidence", b"\x07" * 31),
        ("evidence", "none"),
    ],
    ids=str,
)
def test_wijk_set_param_refuses_bounds_of_an_issuer(ledger: Ledger, field: str, value: Any) -> None:
    assert decide(ledger, field, value) == Code.WIJK_BOUNDS.number
    assert read(ledger, PLANS) is None


def test_caps_of_the_exemption_are_never_raised_above_the_law(empty: Ledger) -> None:
    for field, value in (("wallet_cap", 15_000), ("total_cap", 10_000), ("mode", EXEMPT_150)):
        assert decide(empty, field, value) == 0
    assert decide(empty, "total_cap", 500_000_001, ahead=31) == Code.WIJK_BOUNDS.number
    pass_epochs(empty)

    assert decide(empty, "wallet_cap", 15_001) == Code.WIJK_BOUNDS.number
    assert decide(empty, "total_cap", NO_LIMIT) == Code.WIJK_BOUNDS.number
    assert decide(empty, "total_cap", 500_000_000) == 0


def test_what_would_break_a_cap_at_its_epoch_is_dropped_and_said_i13(ledger: Ledger) -> None:
    assert decide(ledger, "total_cap", 15_500) == 0
    Desk(ledger).issue("late", 600, DIRK)

    (outcome,) = pass_epochs(ledger)

    assert names(outcome) == ["wijk.IssuerKept"]
    assert get(ledger) == Issuer(LICENSED, None, None, 15_600)
    assert read(ledger, PARAMS, FEDERATION, "issuer.DEMO.total_cap") is None
    assert balance(ledger, "dirk") == 600
    assert broken(ledger) == []


def test_the_newest_word_on_an_issuer_wins_b13(ledger: Ledger) -> None:
    assert decide(ledger, "total_cap", 20_000) == 0
    assert decide(ledger, "total_cap", 30_000, ahead=20) == 0

    (outcome,) = pass_epochs(ledger)

    assert values(outcome, "wijk.IssuerSet") == ["issuer.DEMO.total_cap", 30_000]
    assert get(ledger).total_cap == 30_000


def test_an_issuer_that_nobody_knows_is_refused(ledger: Ledger) -> None:
    assert decide(ledger, "total_cap", 20_000, code="OTHER") == Code.WIJK_UNKNOWN.number
    call = FedPropose(encode(SetParam("issuer.demo.total_cap", raw(1), 10**9)))
    assert_refused(ledger.by_board("delfshaven", call), Code.WIJK_NOT_FEDERAL)


def test_a_wijk_alone_sets_nothing_of_its_issuer(ledger: Ledger) -> None:
    call = SetParam("issuer.DEMO.total_cap", raw(20_000), epoch(ledger) + 30)

    refusal = enact(ledger, call)

    assert refusal is not None
    assert refusal.code is Code.WIJK_NO_DECISION


def test_names_of_long_issuer_codes_fit_the_call(empty: Ledger) -> None:
    code = "A" * 24
    run = empty.run()
    ISSUERS.put(run.state, Issuer(LICENSED, None, None, 0), code)
    empty.apply(run)

    assert decide(empty, "wallet_cap", 100, code=code) == 0
