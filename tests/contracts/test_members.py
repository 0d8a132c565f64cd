"""members.*: admission, payment accounts and limits (economy N10, G4, G8, C7)."""

from typing import Any

import msgspec
import pytest

from chain.codec import decode, encode
from chain.crypto import sha256
from chain.errors import Code, Malformed, Reject
from chain.keyspaces import ISSUERS, MEMBERS, NO_LIMIT, PARAMS, ROLES, SEATS, AccountKey, Member
from chain.params import FEDERATION
from chain.records import Outcome
from contracts.members import Admit, Attach, NewAccount, Place, SetLimits
from tests.contracts.desk import assert_done, assert_refused, balance, broken, change, put
from tests.contracts.offices import get_account, raw, read, set_keys, values
from tests.federation import Ledger, account, board, holder, key, registrar

ANNA = account("anna")
BUURT = "BU05990310"
ADMIT = Admit(key("eva"), "PERSON", BUURT, 2014, ("VOTE",), 50_000)
LIMITS = SetLimits(
    ANNA, ("VOTE",), 30_000, 1, 560, 21_000, 210_000, 1, None, "C01", (Place(BUURT, 2026, None),)
)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "noord/bram": 5_000})


def do(ledger: Ledger, call: Any, **changes: Any) -> Outcome:
    return ledger.by_registrar("delfshaven", msgspec.structs.replace(call, **changes))


def sorted_accounts(*new: NewAccount) -> tuple[NewAccount, ...]:
    return tuple(sorted(new, key=lambda each: each.key))


# --------------------------------------------------------------------------------------- admit


def test_members_admit_makes_a_membership(ledger: Ledger) -> None:
    outcome = assert_done(do(ledger, ADMIT))

    eva = account("eva")
    assert read(ledger, MEMBERS, eva) == Member(
        1, BUURT, ("VOTE",), 50_000, 0, 0, 0, 0, 0, None, None, ()
    )
    record = get_account(ledger, eva)
    assert (record.kind, record.wijk, record.status, record.threshold) == (
        "PERSON",
        "delfshaven",
        "ACTIVE",
        1,
    )
    assert record.keys == (AccountKey(0, key("eva"), sha256(key("eva")), ledger.base.height),)
    assert values(outcome, "members.MemberAdmitted") == [
        eva, "PERSON", BUURT, 2014, 50_000, "VOTE",
    ]  # fmt: skip
    assert_done(ledger.by_person("eva", set_keys(ledger, eva)))


@pytest.mark.parametrize("kind", ["HOUSEHOLD", "BUSINESS", "INSTITUTION", "ASSOCIATION"])
def test_members_admit_takes_the_five_kinds_of_members(ledger: Ledger, kind: str) -> None:
    assert_done(do(ledger, ADMIT, kind=kind, flags=("STAND",)))

    assert get_account(ledger, account("eva")).kind == kind


@pytest.mark.parametrize("area", ["WK059903", "BU05990310", "BU059903A1", "BU059912ZZ"])
def test_g8_areas_are_wijken_and_buurten_of_the_gemeente(ledger: Ledger, area: str) -> None:
    assert_done(do(ledger, ADMIT, area=area))

    assert read(ledger, MEMBERS, account("eva")).area == area


@pytest.mark.parametrize(
    "area", ["", "GM0599", "WK051803", "BU05180310", "bu05990310", "BU0599031", "BU059903100",
             "BU0599031a", "WK0599", "XX059903", "BU0599-310"],
)  # fmt: skip
def test_members_admit_refuses_bad_area(ledger: Ledger, area: str) -> None:
    assert_refused(do(ledger, ADMIT, area=area), Code.MEMBERS_BAD_AREA)


def test_members_admit_refuses_bad_area_of_another_year(ledger: Ledger) -> None:
    """economy R1: codes change per year, and all of a wijk are of its own year."""
    assert_refused(do(ledger, ADMIT, year=2026), Code.MEMBERS_BAD_AREA)


def test_members_admit_refuses_small_area(ledger: Ledger) -> None:
    """economy G8: fewer than 100 inhabitants would point at somebody."""
    put(ledger, PARAMS, ((0, raw(((BUURT,), ("WK051216",)))),), FEDERATION, "small_areas")

    assert_refused(do(ledger, ADMIT), Code.MEMBERS_SMALL_AREA)
    assert_done(do(ledger, ADMIT, area="WK059903"))


def test_members_admit_refuses_exists(ledger: Ledger) -> None:
    for name in ("anna", "bram", "delfshaven-board-a"):
        assert_refused(do(ledger, ADMIT, key=key(name)), Code.MEMBERS_EXISTS)


def test_members_admit_refuses_a_key_that_nobody_can_use(ledger: Ledger) -> None:
    """consensus M3: keys of small order or off the curve never become accounts."""
    for bad in (bytes(32), b"\xff" * 32):
        assert_refused(do(ledger, ADMIT, key=bad), Code.ACCOUNTS_NO_PROOF)


@pytest.mark.parametrize("flags", [("STAND", "VOTE"), ("VOTE", "VOTE")])
def test_members_admit_refuses_flags_out_of_order(ledger: Ledger, flags: tuple[str, ...]) -> None:
    assert_refused(do(ledger, ADMIT, flags=flags), Code.MEMBERS_FLAGS)


@pytest.mark.parametrize("kind", ["HOUSEHOLD", "BUSINESS", "INSTITUTION", "ASSOCIATION"])
def test_members_admit_refuses_flags_vote_for_others_than_persons(
    ledger: Ledger, kind: str
) -> None:
    assert_refused(do(ledger, ADMIT, kind=kind), Code.MEMBERS_FLAGS)


def test_members_admit_refuses_mode(ledger: Ledger) -> None:
    """economy C7: at most the wallet cap of the issuer; no limit is above any cap."""
    change(ledger, ISSUERS, "DEMO", mode="EXEMPT_150", wallet_cap=15_000)
    for limit in (15_001, NO_LIMIT):
        assert_refused(do(ledger, ADMIT, limit=limit), Code.MEMBERS_MODE, cap_cents=15_000)

    assert_done(do(ledger, ADMIT, limit=15_000))


@pytest.mark.parametrize("kind", ["BOARD", "ROLE", "TEAM", "person"])
def test_other_kinds_of_accounts_are_no_members(kind: str) -> None:
    data = encode(msgspec.structs.replace(ADMIT, kind=kind))

    with pytest.raises(Malformed):
        decode(Admit, data)


# ------------------------------------------------------------------------------------ authority


@pytest.mark.parametrize(
    "call",
    [ADMIT, Attach((NewAccount(key("eva"), "PERSON", 5),)), LIMITS],
    ids=lambda call: type(call).__name__,
)
def test_b5_only_two_registrars_may(ledger: Ledger, call: Any) -> None:
    for outcome in (ledger.by_person("anna", call), ledger.by_board("delfshaven", call)):
        assert_refused(outcome, Code.TX_ROLE, role="registry")
    with pytest.raises(Reject) as refused:
        ledger.send(call, registrar("delfshaven"), [(0, "delfshaven-registrar-a")])
    assert refused.value.code is Code.TX_SIGNATURES


def test_b5_registrars_are_one_of_the_board_and_one_who_is_not(ledger: Ledger) -> None:
    change(ledger, SEATS, "delfshaven", 1, status="RECALLED")
    assert_refused(do(ledger, ADMIT), Code.TX_ROLE, role="registry")

    change(ledger, SEATS, "delfshaven", 1, status="ACTIVE")
    other = holder("delfshaven-registrar-b")
    change(ledger, SEATS, "delfshaven", 3, holder=other)
    assert_refused(do(ledger, ADMIT), Code.TX_ROLE, role="registry")

    change(ledger, SEATS, "delfshaven", 3, status="RECALLED")
    assert_done(do(ledger, ADMIT))


def test_i11_registrars_act_inside_their_term_only(ledger: Ledger) -> None:
    (version,) = read(ledger, ROLES, "delfshaven", "REGISTRY")
    ends = ledger.time_s + 3
    ended = (msgspec.structs.replace(version, until=ends),)
    put(ledger, ROLES, ended, "delfshaven", "REGISTRY")
    assert_done(do(ledger, ADMIT))

    assert ledger.time_s == ends - 1
    assert_refused(do(ledger, ADMIT, key=key("fay")), Code.TX_ROLE, role="registry")


# --------------------------------------------------------------------------------------- attach


def test_members_attach_makes_accounts_without_membership(ledger: Ledger) -> None:
    """economy G4: nothing links a payment account to a member."""
    batch = sorted_accounts(
        NewAccount(key("pay 1"), "PERSON", 10_000),
        NewAccount(key("team"), "TEAM", NO_LIMIT),
        NewAccount(key("role"), "ROLE", 0),
    )

    outcome = assert_done(do(ledger, Attach(batch)))

    assert read(ledger, MEMBERS, account("pay 1")) == Member(
        0, None, (), 10_000, 0, 0, 0, 0, 0, None, None, ()
    )
    assert get_account(ledger, account("team")).kind == "TEAM"
    made = values(outcome, "members.AccountsAttached")
    assert sorted(made) == sorted(account(name) for name in ("pay 1", "team", "role"))


def test_members_attach_takes_a_hundred(ledger: Ledger) -> None:
    batch = sorted_accounts(*(NewAccount(key(f"p{i}"), "PERSON", i) for i in range(100)))

    assert_done(do(ledger, Attach(batch)))

    assert [read(ledger, MEMBERS, account(f"p{i}")).limit for i in (0, 99)] == [0, 99]


@pytest.mark.parametrize("size", [0, 101])
def test_batches_have_1_to_100_accounts(size: int) -> None:
    batch = Attach(sorted_accounts(*(NewAccount(key(f"p{i}"), "PERSON", i) for i in range(size))))

    with pytest.raises(Malformed):
        decode(Attach, encode(batch))


def test_members_attach_refuses_exists(ledger: Ledger) -> None:
    batch = sorted_accounts(
        NewAccount(key("eva"), "PERSON", 5), NewAccount(key("anna"), "PERSON", 5)
    )

    assert_refused(do(ledger, Attach(batch)), Code.MEMBERS_EXISTS)
    assert read(ledger, MEMBERS, account("eva")) is None


def test_members_attach_refuses_unsorted(ledger: Ledger) -> None:
    one, two = sorted_accounts(
        NewAccount(key("eva"), "PERSON", 5), NewAccount(key("fay"), "PERSON", 5)
    )
    for batch in ((two, one), (one, one)):
        assert_refused(do(ledger, Attach(batch)), Code.MEMBERS_UNSORTED)


def test_members_attach_refuses_mode(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", wallet_cap=100)
    batch = sorted_accounts(
        NewAccount(key("eva"), "PERSON", 100), NewAccount(key("fay"), "PERSON", 101)
    )

    assert_refused(do(ledger, Attach(batch)), Code.MEMBERS_MODE, cap_cents=100)


def test_members_attach_refuses_a_key_that_nobody_can_use(ledger: Ledger) -> None:
    batch = Attach((NewAccount(bytes(32), "PERSON", 5),))

    assert_refused(do(ledger, batch), Code.ACCOUNTS_NO_PROOF)


# ----------------------------------------------------------------------------------- set_limits


def test_members_set_limits_sets_them_all(ledger: Ledger) -> None:
    places = (Place(BUURT, 2026, 5), Place("WK059905", 2025, None))
    area = read(ledger, MEMBERS, ANNA).area

    outcome = assert_done(do(ledger, LIMITS, nace="G47", places=places))

    assert read(ledger, MEMBERS, ANNA) == Member(
        1, area, ("VOTE",), 30_000, 1, 560, 21_000, 210_000, 1, "G47", "C01",
        ((BUURT, 2026, 5), ("WK059905", 2025, None)),
    )  # fmt: skip
    assert values(outcome, "members.LimitsSet") == [
        ANNA, 30_000, 1, 560, 21_000, 210_000, 1, "VOTE",
    ]  # fmt: skip


def test_members_set_limits_refuses_an_amount_below_the_balance_i13(ledger: Ledger) -> None:
    """Limits hold at every height: what is above a new one is spent or redeemed first."""
    assert_refused(do(ledger, LIMITS, limit=9_999), Code.TX_AMOUNT, amount_cents=9_999)
    assert_done(do(ledger, LIMITS, limit=10_000))

    assert balance(ledger, "anna") == 10_000
    assert broken(ledger) == []


def test_members_set_limits_of_a_payment_account(ledger: Ledger) -> None:
    assert_done(do(ledger, Attach((NewAccount(key("eva"), "BUSINESS", 5),))))

    assert_done(do(ledger, LIMITS, account=account("eva"), flags=(), limit=6))

    assert read(ledger, MEMBERS, account("eva")).membership == 0


def test_members_set_limits_refuses_flags_on_a_payment_account(ledger: Ledger) -> None:
    """One person, one vote: a payment account is no second voter."""
    assert_done(do(ledger, Attach((NewAccount(key("eva"), "PERSON", 5),))))
    for flags in (("VOTE",), ("STAND",)):
        outcome = do(ledger, LIMITS, account=account("eva"), flags=flags)
        assert_refused(outcome, Code.MEMBERS_FLAGS)


def test_members_set_limits_refuses_flags_vote_for_a_business(ledger: Ledger) -> None:
    assert_done(do(ledger, ADMIT, kind="BUSINESS", flags=()))

    assert_refused(do(ledger, LIMITS, account=account("eva")), Code.MEMBERS_FLAGS)


def test_members_set_limits_refuses_mode(ledger: Ledger) -> None:
    change(ledger, ISSUERS, "DEMO", wallet_cap=29_999)

    assert_refused(do(ledger, LIMITS), Code.MEMBERS_MODE, cap_cents=29_999)


@pytest.mark.parametrize(
    "changes",
    [
        {"nace": "W"},
        {"nace": "47.11"},
        {"nace": ""},
        {"out_product": "C16"},
        {"out_product": "C1"},
        {"out_product": "W"},
        {"places": (Place("GM0599", 2026, None),)},
        {"places": (Place("WK051803", 2026, None),)},
        {"places": (Place(BUURT, 1989, None),)},
        {"places": (Place(BUURT, 10_000, None),)},
    ],
    ids=str,
)
def test_members_set_limits_refuses_bad_code(ledger: Ledger, changes: dict[str, Any]) -> None:
    assert_refused(do(ledger, LIMITS, **changes), Code.MEMBERS_BAD_CODE)


@pytest.mark.parametrize(
    "who", [account("nobody"), account("bram"), board("delfshaven"), registrar("delfshaven")]
)
def test_members_set_limits_refuses_unknown_account(ledger: Ledger, who: bytes) -> None:
    """Nobody, somebody of another wijk, and accounts that are no wallet."""
    assert_refused(do(ledger, LIMITS, account=who), Code.TX_UNKNOWN_ACCOUNT)
