"""members.recover, set_status, erase_ref; members of several keys (economy N10, B13, G2, E3)."""

from typing import Any

import pytest

from chain.codec import encode
from chain.crypto import sha256, sign
from chain.errors import Code, Reject
from chain.keyspaces import ACCOUNTS, MEMBERS, SEATS
from chain.params import DAY_S
from chain.records import Outcome
from chain.recovery import RECOVERIES
from chain.shared import key_proof_bytes
from chain.state import State
from chain.voters import CHANGES_MAX, VOTER, could_vote, count_voters
from contracts.accounts import Approve, Cancel, Propose
from contracts.coin import HoldCall, Leg, RedeemRequest, Transfer
from contracts.governance import Issue
from contracts.members import Admit, Recover, SetLimits, SetStatus
from contracts.members.leaving import ERASED, HEARD_S, EraseRef
from contracts.policy import Close
from tests.contracts.desk import assert_done, assert_refused, balance, change
from tests.contracts.fund_desk import open_pool
from tests.contracts.offices import get_account, names, new_key, object_id, read, set_keys, values
from tests.federation import Ledger, account, board, key, registrar, seed

WIJK = "delfshaven"
ANNA = account("anna")
ANNA_TEXT = b"\x07" * 32
GUARDIANS = ("oma", "buur", "zus")
FIRST = 65_536  # the key index of guardian 0 (economy B5)


@pytest.fixture
def ledger() -> Ledger:
    """Anna has three guardians, and a recovery takes a week."""
    ledger = Ledger(
        balances={f"{WIJK}/anna": 1_000, f"{WIJK}/dirk": 0, "noord/bram": 100},
        params={"recovery_delay_s": 7 * DAY_S, "hearing_s": 3_600},
    )
    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, guardians=GUARDIANS)))
    return ledger


def recovery(ledger: Ledger, name: str = "anna2", who: bytes = ANNA) -> Recover:
    """Return a call that gives `who` the key of a name."""
    proof = sign(seed(name), key_proof_bytes(ledger.chain.digest, who, key(name)))
    return Recover(who, key(name), proof)


def by_guardians(ledger: Ledger, call: Any, *places: int, sender: bytes = ANNA) -> Outcome:
    """Send as an account, signed by its guardians at these places."""
    signers = [(FIRST + place, GUARDIANS[place]) for place in places or (0, 2)]
    return ledger.send(call, sender, signers)


# -------------------------------------------------------------------------------------- recover


def test_members_recover_gives_the_account_its_new_key_after_the_wait(ledger: Ledger) -> None:
    outcome = assert_done(by_guardians(ledger, recovery(ledger)))
    due = ledger.time_s + 7 * DAY_S
    assert values(outcome, "members.RecoveryStarted")[1:] == [ANNA, key("anna2"), due]
    assert_done(ledger.by_person("anna", RedeemRequest(1, bytes(32))))

    ledger.time_s = due - 1
    run = ledger.run()
    executed = ledger.apply(run)

    (start,) = executed.start
    assert names_of(start) == ["members.Recovered"]
    record = get_account(ledger, ANNA)
    assert [(one.index, one.key, one.holder) for one in record.keys] == [
        (1, key("anna2"), sha256(key("anna2")))
    ]
    assert record.threshold == 1
    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.by_person("anna", RedeemRequest(1, bytes(32)))
    assert_done(ledger.send(RedeemRequest(1, bytes(32)), ANNA, [(1, "anna2")]))
    assert read(ledger, RECOVERIES, ANNA) is None


def names_of(outcome: Outcome) -> list[str]:
    """Return the names of what an outcome reports."""
    return [notice.name for notice in outcome.notices]


def test_members_recover_waits_to_the_second(ledger: Ledger) -> None:
    assert_done(by_guardians(ledger, recovery(ledger)))
    due = ledger.time_s + 7 * DAY_S

    ledger.time_s = due - 2
    assert ledger.apply(ledger.run()).start == ()
    assert len(ledger.apply(ledger.run()).start) == 1


def test_members_recover_is_stopped_by_any_current_key(ledger: Ledger) -> None:
    recovery_id = object_id(by_guardians(ledger, recovery(ledger)))
    assert_refused(ledger.by_person("dirk", Cancel(recovery_id)), Code.ACCOUNTS_NOT_PARTY)

    assert_done(ledger.by_person("anna", Cancel(recovery_id)))

    assert_refused(ledger.by_person("anna", Cancel(recovery_id)), Code.ACCOUNTS_DONE)
    ledger.time_s += 8 * DAY_S
    assert ledger.apply(ledger.run()).start == ()
    assert [one.key for one in get_account(ledger, ANNA).keys] == [key("anna")]
    assert_done(by_guardians(ledger, recovery(ledger)))


def test_members_recover_begun_again_counts_its_own_wait(ledger: Ledger) -> None:
    """The wait of a recovery that was stopped ends nothing."""
    first = object_id(by_guardians(ledger, recovery(ledger)))
    assert_done(ledger.by_person("anna", Cancel(first)))
    ledger.time_s += 3 * DAY_S
    assert_done(by_guardians(ledger, recovery(ledger, "anna3")))

    ledger.time_s += 5 * DAY_S
    assert ledger.apply(ledger.run()).start == ()
    ledger.time_s += 2 * DAY_S
    assert len(ledger.apply(ledger.run()).start) == 1
    assert [one.key for one in get_account(ledger, ANNA).keys] == [key("anna3")]


def test_members_recover_refuses_pending(ledger: Ledger) -> None:
    assert_done(by_guardians(ledger, recovery(ledger)))
    due = ledger.time_s + 7 * DAY_S

    again = by_guardians(ledger, recovery(ledger, "thief"), 0, 1)

    assert_refused(again, Code.MEMBERS_PENDING, until_at=due)


def test_members_recover_refuses_no_guardians_of_shared_offices(ledger: Ledger) -> None:
    """A registrar with guardians could be taken over by two people: it cannot be recovered."""
    call = set_keys(ledger, registrar(WIJK), guardians=GUARDIANS, threshold=2)
    assert_done(ledger.by_registrar(WIJK, call))

    outcome = by_guardians(ledger, recovery(ledger, who=registrar(WIJK)), sender=registrar(WIJK))

    assert_refused(outcome, Code.MEMBERS_NO_GUARDIANS)


def test_members_recover_refuses_no_proof_and_another_account(ledger: Ledger) -> None:
    other = recovery(ledger, who=account("dirk"))
    assert_refused(by_guardians(ledger, other), Code.TX_UNKNOWN_ACCOUNT)
    wrong = Recover(ANNA, key("anna2"), other.proof)
    assert_refused(by_guardians(ledger, wrong), Code.ACCOUNTS_NO_PROOF)
    own = recovery(ledger, "anna")
    assert_refused(by_guardians(ledger, own), Code.ACCOUNTS_NO_PROOF)


@pytest.mark.parametrize(
    "signers",
    [
        [(FIRST, "oma")],
        [(FIRST, "oma"), (FIRST + 1, "buur"), (FIRST + 2, "zus")],
        [(FIRST, "oma"), (FIRST + 3, "zus")],
        [(0, "anna"), (FIRST, "oma")],
        [(FIRST, "oma"), (FIRST + 1, "zus")],
    ],
)
def test_b5_guardians_are_two_of_those_named(
    ledger: Ledger, signers: list[tuple[int, str]]
) -> None:
    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.send(recovery(ledger), ANNA, signers)


def test_b5_guardians_sign_nothing_else(ledger: Ledger) -> None:
    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, new_key(ledger, ANNA, "b"),
                                                  guardians=GUARDIANS, threshold=2)))  # fmt: skip
    for call in (
        RedeemRequest(1, bytes(32)),
        Transfer((Leg(account("dirk"), 1, None, None),), None),
        set_keys(ledger, ANNA, threshold=1),
    ):
        with pytest.raises(Reject, match=r"tx\.signatures"):
            by_guardians(ledger, call)


# ------------------------------------------------------------------------- households, businesses


@pytest.mark.parametrize("kind", ["HOUSEHOLD", "BUSINESS", "INSTITUTION", "ASSOCIATION"])
def test_n10_members_of_several_keys_pay_together(ledger: Ledger, kind: str) -> None:
    call = Admit(key("home"), kind, "BU05990310", 2014, (), 5_000)  # type: ignore[arg-type]
    assert_done(ledger.by_registrar(WIJK, call))
    home = account("home")
    both = set_keys(ledger, home, new_key(ledger, home, "partner"), threshold=2)
    assert_done(ledger.by_person("home", both))
    assert_done(ledger.by_person("anna", Transfer((Leg(home, 300, None, None),), None)))
    payment = Transfer((Leg(ANNA, 100, None, None),), None)

    with pytest.raises(Reject, match=r"tx\.signatures"):
        ledger.by_person("home", payment)
    assert_done(ledger.send(payment, home, [(0, "home"), (1, "partner")]))
    propose = Propose(encode(payment), ledger.time_s + DAY_S)
    shared = object_id(ledger.send(propose, home, [(1, "partner")]))
    assert_done(ledger.send(Approve(shared), home, [(0, "home")]))

    assert balance(ledger, "home") == 100


# ----------------------------------------------------------------------------------- set_status


def status(ledger: Ledger, name: str = "anna") -> str:
    """Return the status of an account."""
    return get_account(ledger, account(name)).status


def test_members_set_status_suspends_after_a_hearing_e3(ledger: Ledger) -> None:
    call = SetStatus(ANNA, "SUSPENDED", "BEDRAG")
    opened = assert_done(ledger.by_registrar(WIJK, call))
    heard = ledger.time_s + 3_600
    assert values(opened, "members.HearingOpened") == [ANNA, "SUSPENDED", "BEDRAG", heard]
    assert status(ledger) == "ACTIVE"

    ledger.time_s = heard - 2
    early = ledger.by_registrar(WIJK, call)
    assert_refused(early, Code.MEMBERS_NO_HEARING, from_at=heard)
    done = assert_done(ledger.by_registrar(WIJK, call))

    assert names(done) == ["members.StatusSet"]
    assert status(ledger) == "SUSPENDED"
    payment = Transfer((Leg(account("dirk"), 1, None, None),), None)
    assert_refused(ledger.by_person("anna", payment), Code.COIN_FROZEN)
    assert_done(ledger.by_person("anna", RedeemRequest(1, bytes(32))))
    assert_done(ledger.by_registrar(WIJK, SetStatus(ANNA, "ACTIVE", "HERSTEL")))
    assert_done(ledger.by_person("anna", payment))


def test_members_set_status_a_hearing_is_of_one_status_and_does_not_last(ledger: Ledger) -> None:
    suspend, put_out = SetStatus(ANNA, "SUSPENDED", "A"), SetStatus(ANNA, "LEFT", "A")
    change(ledger, MEMBERS, ANNA, limit=10**13)
    assert_done(ledger.by_person("anna", RedeemRequest(1_000, bytes(32))))
    assert_done(ledger.by_registrar(WIJK, suspend))
    ledger.time_s += 4_000
    assert names(ledger.by_registrar(WIJK, put_out)) == ["members.HearingOpened"]
    assert names(ledger.by_registrar(WIJK, suspend)) == ["members.HearingOpened"]
    ledger.time_s += 3_600 + HEARD_S

    assert names(ledger.by_registrar(WIJK, suspend)) == ["members.HearingOpened"]
    assert status(ledger) == "ACTIVE"


def test_members_set_status_lets_a_member_leave_without_money(ledger: Ledger) -> None:
    leave = SetStatus(ANNA, "LEFT", "VERHUISD")
    refused = ledger.by_person("anna", leave)
    assert_refused(refused, Code.MEMBERS_BALANCE, balance_cents=1_000)
    assert_done(ledger.by_person("anna", RedeemRequest(1_000, bytes(32))))

    assert_done(ledger.by_person("anna", leave))

    assert status(ledger) == "LEFT"
    back = Transfer((Leg(ANNA, 1, None, None),), None)
    assert_refused(ledger.by_person("dirk", back), Code.TX_UNKNOWN_ACCOUNT)
    assert_done(ledger.by_registrar(WIJK, SetStatus(ANNA, "ACTIVE", "TERUG")))


def test_members_set_status_refuses_balance_of_what_is_held(ledger: Ledger) -> None:
    assert_done(ledger.by_person("anna", RedeemRequest(400, bytes(32))))
    assert_done(ledger.by_person("anna", HoldCall(account("dirk"), 600, 3_600, None, None)))

    outcome = ledger.by_person("anna", SetStatus(ANNA, "LEFT", "WEG"))

    assert_refused(outcome, Code.MEMBERS_BALANCE, balance_cents=600)


@pytest.mark.parametrize("word", ["ACTIVE", "SUSPENDED"])
def test_members_set_status_refuses_role(ledger: Ledger, word: Any) -> None:
    assert_refused(ledger.by_person("anna", SetStatus(ANNA, word, "A")), Code.TX_ROLE)
    assert_refused(ledger.by_person("dirk", SetStatus(ANNA, word, "A")), Code.TX_ROLE)
    assert_refused(ledger.by_board(WIJK, SetStatus(ANNA, word, "A")), Code.TX_ROLE)


def test_members_set_status_refuses_text_and_unknown_accounts(ledger: Ledger) -> None:
    for name in (account("bram"), account("nobody"), board(WIJK), registrar(WIJK)):
        outcome = ledger.by_registrar(WIJK, SetStatus(name, "ACTIVE", "A"))
        expected = Code.TX_ROLE if name == registrar(WIJK) else Code.TX_UNKNOWN_ACCOUNT
        assert_refused(outcome, expected)
    bad = ledger.by_registrar(WIJK, SetStatus(ANNA, "ACTIVE", "a b"))
    assert_refused(bad, Code.TX_TEXT)


def test_members_set_status_takes_the_vote_away_and_gives_it_back_e13(ledger: Ledger) -> None:
    heights = [ledger.base.height]
    change(ledger, SEATS, WIJK, 1, from_s=0)
    call = SetStatus(ANNA, "SUSPENDED", "A")
    assert_done(ledger.by_registrar(WIJK, call))
    ledger.time_s += 4_000
    assert_done(ledger.by_registrar(WIJK, call))
    heights.append(ledger.base.height)
    assert_done(ledger.by_registrar(WIJK, SetStatus(ANNA, "ACTIVE", "A")))
    heights.append(ledger.base.height)

    state = State(ledger.state.get)
    assert [could_vote(state, ANNA, height, now=True) for height in heights] == [True, False, True]
    assert [count_voters(state, WIJK, height) for height in heights] == [2, 1, 2]


def test_e13_rights_that_change_all_the_time_stay_bounded(ledger: Ledger) -> None:
    """The newest changes are kept: a vote that runs sees them, and the value does not grow."""
    for turn in range(2 * CHANGES_MAX):
        flags = () if turn % 2 == 0 else ("VOTE",)
        limits = SetLimits(ANNA, flags, 10**13, 0, 0, 0, 0, 0, None, None, ())  # type: ignore[arg-type]
        assert_done(ledger.by_registrar(WIJK, limits))

    changes = read(ledger, VOTER, ANNA)
    assert len(changes) <= CHANGES_MAX
    state = State(ledger.state.get)
    newest = ledger.base.height
    assert [could_vote(state, ANNA, newest - back, now=True) for back in range(4)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert [count_voters(state, WIJK, newest - back) for back in range(4)] == [2, 1, 2, 1]


# ------------------------------------------------------------------------------------ erase_ref


def test_members_erase_ref_logs_that_papers_of_who_left_are_destroyed_g2(ledger: Ledger) -> None:
    call = EraseRef(ANNA, b"\x01" * 32)
    assert_refused(ledger.by_registrar(WIJK, call), Code.MEMBERS_ACTIVE)
    change(ledger, ACCOUNTS, ANNA, status="LEFT")

    outcome = assert_done(ledger.by_registrar(WIJK, call))

    record = read(ledger, ERASED, object_id(outcome))
    assert (record.account, record.log, record.time_s) == (ANNA, b"\x01" * 32, ledger.time_s)


def test_members_erase_ref_ends_the_membership_for_ever_g2(ledger: Ledger) -> None:
    """Nobody knows whose account it was: taken back, it would vote for nobody."""
    assert_done(ledger.by_person("anna", RedeemRequest(1_000, bytes(32))))
    assert_done(ledger.by_person("anna", SetStatus(ANNA, "LEFT", "WEG")))
    assert_refused(ledger.by_person("anna", Issue("OPEN", "STOEP", ANNA_TEXT, None)), Code.TX_ROLE)
    assert_done(ledger.by_registrar(WIJK, EraseRef(ANNA, ANNA_TEXT)))

    assert_done(ledger.by_registrar(WIJK, SetStatus(ANNA, "ACTIVE", "TERUG")))

    member = read(ledger, MEMBERS, ANNA)
    assert (member.membership, member.area, member.flags) == (0, None, ())
    assert count_voters(State(ledger.state.get), WIJK, ledger.base.height) == 1
    asked = ledger.by_person("anna", Issue("OPEN", "STOEP", ANNA_TEXT, None))
    assert_refused(asked, Code.TX_ROLE)
    limits = SetLimits(ANNA, ("VOTE",), 10**13, 0, 0, 0, 0, 0, None, None, ())
    assert_refused(ledger.by_registrar(WIJK, limits), Code.MEMBERS_FLAGS)


def test_members_erase_ref_refuses_role_and_unknown_accounts(ledger: Ledger) -> None:
    assert_refused(ledger.by_board(WIJK, EraseRef(ANNA, bytes(32))), Code.TX_ROLE)
    for name in (account("bram"), account("nobody"), board(WIJK)):
        outcome = ledger.by_registrar(WIJK, EraseRef(name, bytes(32)))
        assert_refused(outcome, Code.TX_UNKNOWN_ACCOUNT)


def test_members_set_status_refuses_balance_of_what_is_in_pools(ledger: Ledger) -> None:
    """It is the member's own until it is spent, and would come back to nobody."""
    policy = open_pool(ledger, cents=600, by="anna")
    assert_done(ledger.by_person("anna", RedeemRequest(400, bytes(32))))

    outcome = ledger.by_person("anna", SetStatus(ANNA, "LEFT", "WEG"))

    assert_refused(outcome, Code.MEMBERS_BALANCE, balance_cents=600)
    assert_done(ledger.by_person("anna", Close(policy)))
    assert_done(ledger.by_person("anna", RedeemRequest(600, bytes(32))))
    assert_done(ledger.by_person("anna", SetStatus(ANNA, "LEFT", "WEG")))
