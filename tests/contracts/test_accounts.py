"""accounts.*: keys that rotate, thresholds and shared decisions (economy B4..B6)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec import encode
from chain.errors import Code, Reject
from chain.keyspaces import ACCOUNTS, ACTIVE, MEMBERS, NEXT_KEY, SEATS, AccountKey, Seat
from chain.records import Outcome
from chain.shared import PROPOSALS, Proposal
from chain.state import State
from contracts.accounts import (
    CANCELLED,
    EXECUTED,
    LIFE_S,
    OPEN,
    REFUSED,
    Approve,
    Cancel,
    NewKey,
    Propose,
    SetKeys,
)
from contracts.coin import Leg, Mint, RedeemRequest, SetMinter, Transfer
from contracts.members import Attach, NewAccount
from contracts.wijk import FedPropose, RegisterRole, SetParam
from tests.contracts.desk import assert_done, assert_refused, balance, change, put
from tests.contracts.offices import (
    apply_effect,
    enact,
    epoch,
    get_account,
    names,
    new_key,
    object_id,
    put_decision,
    raw,
    read,
    set_keys,
    values,
)
from tests.federation import Ledger, account, board, holder, key, registrar

ANNA, BRAM = account("anna"), account("bram")
BOARD, REGISTRAR = board("delfshaven"), registrar("delfshaven")
A, B, C = (f"delfshaven-board-{letter}" for letter in "abc")
R, S = "delfshaven-registrar-a", "delfshaven-registrar-b"
MINTER = SetMinter("delfshaven:EUR", 700)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0, "noord/bram": 5_000})


def share_anna(ledger: Ledger, threshold: int = 2) -> None:
    """Make Anna's account one of three people: anna 0, ben 1, cor 2."""
    call = set_keys(
        ledger,
        ANNA,
        new_key(ledger, ANNA, "ben"),
        new_key(ledger, ANNA, "cor"),
        threshold=threshold,
    )
    assert_done(ledger.by_person("anna", call))


def by_key(ledger: Ledger, call: Any, index: int, name: str, sender: bytes = ANNA) -> Outcome:
    return ledger.send(call, sender, [(index, name)])


def pay(cents: int, to: str = "dirk") -> Transfer:
    return Transfer((Leg(account(to), cents, None, None),), None)


def propose(ledger: Ledger, call: Any, index: int = 0, name: str = "anna", **rest: Any) -> bytes:
    expires = rest.pop("expires", ledger.time_s + 1_000)
    return object_id(by_key(ledger, Propose(encode(call), expires), index, name, **rest))


def get_proposal(ledger: Ledger, proposal: bytes) -> Proposal:
    record = read(ledger, PROPOSALS, proposal)
    assert isinstance(record, Proposal)
    return record


# ------------------------------------------------------------------------------------ set_keys


def test_accounts_set_keys_adds_and_revokes_and_the_id_stays(ledger: Ledger) -> None:
    call = set_keys(
        ledger,
        ANNA,
        new_key(ledger, ANNA, "phone"),
        revoke=("anna",),
        guardians=("ben", "cor"),
    )

    outcome = assert_done(ledger.by_person("anna", call))

    record = get_account(ledger, ANNA)
    assert [(k.index, k.key, k.holder) for k in record.keys] == [(1, key("phone"), holder("phone"))]
    assert record.keys[0].added_height == 1
    assert record.guardians == (key("ben"), key("cor"))
    assert read(ledger, NEXT_KEY, ANNA) == 2
    assert values(outcome, "accounts.KeysChanged") == [ANNA, 1, 1]
    assert_done(by_key(ledger, pay(5), 1, "phone"))


def test_b4_indexes_are_never_used_again(ledger: Ledger) -> None:
    share_anna(ledger, threshold=1)
    for name, before, index in (("one", "cor", 3), ("two", "one", 4)):
        call = set_keys(ledger, ANNA, new_key(ledger, ANNA, name), revoke=(before,))
        assert_done(by_key(ledger, call, 0, "anna"))
        assert get_account(ledger, ANNA).keys[-1].index == index
    back = set_keys(ledger, ANNA, new_key(ledger, ANNA, "cor"))
    assert_done(by_key(ledger, back, 0, "anna"))

    assert [k.index for k in get_account(ledger, ANNA).keys] == [0, 1, 4, 5]


def test_b4_a_revoked_key_no_longer_signs(ledger: Ledger) -> None:
    call = set_keys(ledger, ANNA, new_key(ledger, ANNA, "phone"), revoke=("anna",))
    assert_done(ledger.by_person("anna", call))

    with pytest.raises(Reject) as refused:
        ledger.by_person("anna", pay(5))

    assert refused.value.code is Code.TX_SIGNATURES


def test_set_keys_has_the_free_daily_quota() -> None:
    """economy B3, E42: a full quota never keeps anybody from rescuing an account."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000}, params={"quota_person": 1})
    assert_done(ledger.by_person("anna", RedeemRequest(1, bytes(32))))

    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, threshold=1)))

    with pytest.raises(Reject) as refused:
        ledger.by_person("anna", pay(1))
    assert refused.value.code is Code.TX_QUOTA


@pytest.mark.parametrize(
    "make",
    [
        lambda new: NewKey(new.key, new.holder, bytes(64)),
        lambda new: NewKey(key("other"), new.holder, new.proof),
        lambda new: NewKey(bytes(32), new.holder, new.proof),
        lambda new: NewKey(key("anna"), new.holder, new.proof),
    ],
    ids=["no signature", "of another key", "small order", "active already"],
)
def test_accounts_set_keys_refuses_no_proof(ledger: Ledger, make: Any) -> None:
    new = make(new_key(ledger, ANNA, "phone"))

    outcome = ledger.by_person("anna", set_keys(ledger, ANNA, new))

    assert_refused(outcome, Code.ACCOUNTS_NO_PROOF)


def test_accounts_set_keys_refuses_no_proof_of_another_account_or_chain(ledger: Ledger) -> None:
    """interfaces 4: a proof is over this chain and this account, so it serves nowhere else."""
    other = new_key(ledger, BRAM, "phone")
    assert_refused(ledger.by_person("anna", set_keys(ledger, ANNA, other)), Code.ACCOUNTS_NO_PROOF)
    elsewhere = Ledger(params={"seconders": 9})
    foreign = new_key(elsewhere, ANNA, "phone")

    outcome = ledger.by_person("anna", set_keys(ledger, ANNA, foreign))

    assert elsewhere.chain.digest != ledger.chain.digest
    assert_refused(outcome, Code.ACCOUNTS_NO_PROOF)


def test_accounts_set_keys_refuses_no_proof_for_keys_that_stand_twice(ledger: Ledger) -> None:
    phone = new_key(ledger, ANNA, "phone")
    for call in (
        set_keys(ledger, ANNA, phone, phone),
        set_keys(ledger, ANNA, guardians=("ben", "ben")),
        SetKeys((), (), (bytes(32),), 1),
    ):
        assert_refused(ledger.by_person("anna", call), Code.ACCOUNTS_NO_PROOF)


def test_accounts_set_keys_refuses_last_key(ledger: Ledger) -> None:
    outcome = ledger.by_person("anna", set_keys(ledger, ANNA, revoke=("anna",)))

    assert_refused(outcome, Code.ACCOUNTS_LAST_KEY)


def test_accounts_set_keys_refuses_unknown_id_for_keys_that_are_not_active(ledger: Ledger) -> None:
    for revoke in (("bram",), ("anna", "anna")):
        call = set_keys(ledger, ANNA, new_key(ledger, ANNA, "phone"), revoke=revoke)
        assert_refused(ledger.by_person("anna", call), Code.TX_UNKNOWN_ID)


def test_accounts_set_keys_refuses_threshold_out_of_reach(ledger: Ledger) -> None:
    """economy B4: one holder counts once, so two keys of Anna are one of two."""
    phone = new_key(ledger, ANNA, "phone", "anna")
    tablet = new_key(ledger, ANNA, "tablet", "ben")

    outcome = ledger.by_person("anna", set_keys(ledger, ANNA, phone, threshold=2))
    assert_refused(outcome, Code.ACCOUNTS_THRESHOLD)

    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, phone, tablet, threshold=2)))


def test_accounts_set_keys_refuses_threshold_for_more_than_16_keys(ledger: Ledger) -> None:
    many = [new_key(ledger, ANNA, f"key {i}") for i in range(16)]

    outcome = ledger.by_person("anna", set_keys(ledger, ANNA, *many))
    assert_refused(outcome, Code.ACCOUNTS_THRESHOLD)

    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, *many, revoke=("anna",))))


def test_accounts_set_keys_refuses_threshold_at_the_index_of_guardians(ledger: Ledger) -> None:
    """economy B5: guardian i signs with index 65,536 + i."""
    put(ledger, NEXT_KEY, 65_535, ANNA)
    two = [new_key(ledger, ANNA, "one"), new_key(ledger, ANNA, "two")]
    assert_refused(ledger.by_person("anna", set_keys(ledger, ANNA, *two)), Code.ACCOUNTS_THRESHOLD)

    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, two[0])))

    assert get_account(ledger, ANNA).keys[-1].index == 65_535


def test_accounts_set_keys_refuses_same_holder_on_a_role_account(ledger: Ledger) -> None:
    both = [(0, R), (1, S)]
    mine = new_key(ledger, REGISTRAR, "laptop", A)
    for call in (
        set_keys(ledger, REGISTRAR, mine, revoke=(S,), threshold=1),
        set_keys(ledger, REGISTRAR, threshold=1),
    ):
        assert_refused(ledger.send(call, REGISTRAR, both), Code.ACCOUNTS_SAME_HOLDER)

    other = new_key(ledger, REGISTRAR, "laptop", "eva")
    call = set_keys(ledger, REGISTRAR, other, revoke=(S,), threshold=2)
    assert_done(ledger.send(call, REGISTRAR, both))


def test_a_seat_replaces_its_own_key_and_the_seat_follows(ledger: Ledger) -> None:
    """economy section 4: seat/<wijk>/<n> stays in step with the board account."""
    fresh = new_key(ledger, BOARD, "b at home", B)
    call = set_keys(ledger, BOARD, fresh, revoke=(B,), threshold=2)

    assert_done(ledger.by_board("delfshaven", call, "ab"))

    seats = [read(ledger, SEATS, "delfshaven", number) for number in (1, 2, 3)]
    assert [seat.key for seat in seats] == [key(A), key("b at home"), key(C)]
    assert seats[1].holder == holder(B)
    assert [k.index for k in get_account(ledger, BOARD).keys] == [0, 2, 3]
    assert_done(ledger.send(MINTER, BOARD, [(0, A), (3, "b at home")]))


@pytest.mark.parametrize(
    "change_of",
    [
        {"revoke": (C,)},
        {"whose": "eva"},
        {"revoke": ()},
        {"add": 0},
        {"add": 2},
        {"threshold": 3},
        {"guardians": ("eva",)},
    ],
    ids=str,
)
def test_accounts_set_keys_refuses_board_account(ledger: Ledger, change_of: dict[str, Any]) -> None:
    whose = change_of.get("whose", B)
    fresh = [new_key(ledger, BOARD, f"fresh {i}", whose) for i in range(change_of.get("add", 1))]
    call = set_keys(
        ledger,
        BOARD,
        *fresh,
        revoke=change_of.get("revoke", (B,)),
        guardians=change_of.get("guardians", ()),
        threshold=change_of.get("threshold", 2),
    )

    assert_refused(ledger.by_board("delfshaven", call, "ab"), Code.ACCOUNTS_BOARD_ACCOUNT)


def test_accounts_set_keys_refuses_board_account_of_a_key_without_a_seat(ledger: Ledger) -> None:
    change(ledger, SEATS, "delfshaven", 2, key=key("somebody"))
    fresh = new_key(ledger, BOARD, "fresh", B)
    call = set_keys(ledger, BOARD, fresh, revoke=(B,), threshold=2)

    assert_refused(ledger.by_board("delfshaven", call, "ab"), Code.ACCOUNTS_BOARD_ACCOUNT)


# --------------------------------------------------------------------------- propose and approve


def test_accounts_propose_and_approve_run_the_call_once(ledger: Ledger) -> None:
    """economy B6: in the transaction whose approval reaches the number, as the shared account."""
    share_anna(ledger)
    made = by_key(ledger, Propose(encode(pay(300)), ledger.time_s + 99), 1, "ben")
    proposal = object_id(made)
    assert proposal == made.tx_id
    assert values(made, "accounts.Proposed") == [proposal, ANNA, "coin.transfer", 1, 1, 2]
    assert get_proposal(ledger, proposal).approvals == (1,)

    outcome = assert_done(by_key(ledger, Approve(proposal), 2, "cor"))

    assert balance(ledger, "dirk") == 300
    assert values(outcome, "accounts.Approved") == [proposal, 2, 2, 2]
    assert names(outcome) == ["accounts.Approved", "coin.Transferred", "accounts.Executed"]
    closed = get_proposal(ledger, proposal)
    assert (closed.status, closed.call, closed.approvals, closed.code) == (EXECUTED, b"", (1, 2), 0)
    assert_refused(by_key(ledger, Approve(proposal), 0, "anna"), Code.ACCOUNTS_DONE)
    assert balance(ledger, "dirk") == 300


def test_b6_runs_at_the_number_and_not_before(ledger: Ledger) -> None:
    share_anna(ledger, threshold=3)
    proposal = propose(ledger, pay(300))

    assert_done(by_key(ledger, Approve(proposal), 1, "ben"))
    assert (balance(ledger, "dirk"), get_proposal(ledger, proposal).status) == (0, OPEN)

    assert_done(by_key(ledger, Approve(proposal), 2, "cor"))
    assert balance(ledger, "dirk") == 300


def test_b6_a_refused_call_writes_nothing_and_closes_with_its_code(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(99_999))

    outcome = assert_done(by_key(ledger, Approve(proposal), 1, "ben"))

    assert outcome.postings == ()
    refused = Code.COIN_LOW_BALANCE.number
    assert values(outcome, "accounts.ExecutionRefused") == [proposal, refused]
    closed = get_proposal(ledger, proposal)
    assert (closed.status, closed.code, closed.approvals) == (REFUSED, refused, (0, 1))
    assert (balance(ledger, "anna"), balance(ledger, "dirk")) == (10_000, 0)
    assert_refused(by_key(ledger, Approve(proposal), 2, "cor"), Code.ACCOUNTS_DONE)


def test_b6_approvals_of_keys_revoked_since_do_not_count(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(300), 1, "ben")
    swap = set_keys(ledger, ANNA, new_key(ledger, ANNA, "dee"), revoke=("ben",), threshold=2)
    assert_done(ledger.send(swap, ANNA, [(0, "anna"), (2, "cor")]))

    assert_done(by_key(ledger, Approve(proposal), 0, "anna"))
    assert balance(ledger, "dirk") == 0

    assert_done(by_key(ledger, Approve(proposal), 3, "dee"))
    assert balance(ledger, "dirk") == 300


def test_b6_a_key_that_comes_back_does_not_bring_its_approval(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(300), 1, "ben")
    out = set_keys(ledger, ANNA, revoke=("ben",), threshold=2)
    assert_done(ledger.send(out, ANNA, [(0, "anna"), (2, "cor")]))
    back = set_keys(ledger, ANNA, new_key(ledger, ANNA, "ben"), threshold=2)
    assert_done(ledger.send(back, ANNA, [(0, "anna"), (2, "cor")]))

    assert_done(by_key(ledger, Approve(proposal), 0, "anna"))
    assert balance(ledger, "dirk") == 0

    assert_done(by_key(ledger, Approve(proposal), 3, "ben"))
    assert balance(ledger, "dirk") == 300


def test_b6_a_lower_threshold_runs_with_exactly_so_many(ledger: Ledger) -> None:
    """The call asks two signatures now, though three approved."""
    share_anna(ledger, threshold=3)
    proposal = propose(ledger, pay(300))
    assert_done(by_key(ledger, Approve(proposal), 1, "ben"))
    lower = set_keys(ledger, ANNA, threshold=2)
    assert_done(ledger.send(lower, ANNA, [(0, "anna"), (1, "ben"), (2, "cor")]))

    outcome = assert_done(by_key(ledger, Approve(proposal), 2, "cor"))

    assert "accounts.Executed" in names(outcome)
    assert balance(ledger, "dirk") == 300


def test_b6_a_board_decides_by_proposal(ledger: Ledger) -> None:
    proposal = propose(ledger, MINTER, 0, A, sender=BOARD)

    outcome = assert_done(by_key(ledger, Approve(proposal), 2, C, sender=BOARD))

    assert names(outcome) == ["accounts.Approved", "coin.MinterSet", "accounts.Executed"]


def test_b6_two_registrars_decide_by_proposal(ledger: Ledger) -> None:
    """economy B5: the two-person rule judges those who approved."""
    batch = Attach((NewAccount(key("shop"), "BUSINESS", 500),))
    proposal = propose(ledger, batch, 0, R, sender=REGISTRAR)

    assert_done(by_key(ledger, Approve(proposal), 1, S, sender=REGISTRAR))

    assert read(ledger, MEMBERS, account("shop")).limit == 500


def test_b6_a_proposal_can_change_the_keys_it_was_approved_with(ledger: Ledger) -> None:
    share_anna(ledger)
    call = set_keys(ledger, ANNA, revoke=("ben", "cor"), threshold=1)
    proposal = propose(ledger, call, 1, "ben")

    assert_done(by_key(ledger, Approve(proposal), 2, "cor"))

    assert [k.index for k in get_account(ledger, ANNA).keys] == [0]
    assert get_proposal(ledger, proposal).status == EXECUTED


def test_b11_an_object_of_the_inner_call_has_the_id_of_the_approval(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, RedeemRequest(400, bytes(32)))

    outcome = assert_done(by_key(ledger, Approve(proposal), 1, "ben"))

    assert values(outcome, "coin.RedeemRequested")[0] == outcome.tx_id


def test_b6_a_role_of_the_validator_waits_for_two_thirds_of_the_board(ledger: Ledger) -> None:
    """The number is that of the word this very call asks: 4 of 5 seats, not the threshold of 3."""
    run = ledger.run()
    record = ACCOUNTS.get(run.state, BOARD)
    assert record is not None
    more = tuple(AccountKey(3 + i, key(f"seat {i}"), holder(f"seat {i}"), 0) for i in range(2))
    bigger = msgspec.structs.replace(record, threshold=3, keys=(*record.keys, *more))
    ACCOUNTS.put(run.state, bigger, BOARD)
    for number, new in enumerate(more, start=4):
        SEATS.put(run.state, Seat(new.key, new.holder, 0, 2 * 10**9, ACTIVE), "delfshaven", number)
    ledger.apply(run)
    call = RegisterRole("VALIDATOR", ANNA, 0, 2 * 10**9, None)
    proposal = propose(ledger, call, 0, A, sender=BOARD)
    assert_done(by_key(ledger, Approve(proposal), 1, B, sender=BOARD))
    third = assert_done(by_key(ledger, Approve(proposal), 2, C, sender=BOARD))
    assert values(third, "accounts.Approved")[2:] == [3, 4]

    fourth = assert_done(by_key(ledger, Approve(proposal), 3, "seat 0", sender=BOARD))

    assert "wijk.RoleSet" in names(fourth)


def test_accounts_propose_refuses_not_shared(ledger: Ledger) -> None:
    for call in (pay(5), Approve(bytes(32))):
        outcome = ledger.by_person("anna", Propose(encode(call), ledger.time_s + 99))
        assert_refused(outcome, Code.ACCOUNTS_NOT_SHARED)


@pytest.mark.parametrize(
    "inner",
    [Propose(encode(pay(1)), 2 * 10**9), Approve(bytes(32)), Cancel(bytes(32))],
    ids=lambda inner: type(inner).__name__,
)
def test_accounts_propose_refuses_nested(ledger: Ledger, inner: Any) -> None:
    share_anna(ledger)

    outcome = by_key(ledger, Propose(encode(inner), ledger.time_s + 99), 0, "anna")

    assert_refused(outcome, Code.ACCOUNTS_NESTED)


def test_a_board_may_propose_what_it_puts_to_the_federation(ledger: Ledger) -> None:
    call = FedPropose(encode(SetParam("seconders", raw(7), epoch(ledger) + 50)))
    proposal = propose(ledger, call, 0, A, sender=BOARD)

    outcome = assert_done(by_key(ledger, Approve(proposal), 1, B, sender=BOARD))

    assert "wijk.FedProposed" in names(outcome)


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x91\xa5x.y.z", encode(pay(1)) + b"\x00"])
def test_accounts_propose_refuses_malformed_bytes_as_an_outcome(
    ledger: Ledger, data: bytes
) -> None:
    """The envelope is well formed, so the block that holds it stays valid."""
    share_anna(ledger)

    outcome = by_key(ledger, Propose(data, ledger.time_s + 99), 0, "anna")

    assert_refused(outcome, Code.TX_MALFORMED)


def test_accounts_propose_refuses_too_long(ledger: Ledger) -> None:
    share_anna(ledger)
    now = ledger.time_s + 1
    outcome = by_key(ledger, Propose(encode(pay(1)), now + LIFE_S + 1), 0, "anna")
    assert_refused(outcome, Code.ACCOUNTS_TOO_LONG)

    now = ledger.time_s + 1
    assert_done(by_key(ledger, Propose(encode(pay(1)), now + LIFE_S), 0, "anna"))


def test_accounts_propose_refuses_expired(ledger: Ledger) -> None:
    share_anna(ledger)

    outcome = by_key(ledger, Propose(encode(pay(1)), ledger.time_s + 1), 0, "anna")

    assert_refused(outcome, Code.ACCOUNTS_EXPIRED, until_at=ledger.time_s)


def test_accounts_propose_refuses_role_for_a_seat_that_ended(ledger: Ledger) -> None:
    change(ledger, SEATS, "delfshaven", 3, until_s=0)

    outcome = by_key(ledger, Propose(encode(MINTER), ledger.time_s + 99), 2, C, sender=BOARD)

    assert_refused(outcome, Code.TX_ROLE, role="board")


def test_accounts_approve_refuses_unknown_id(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1))

    assert_refused(by_key(ledger, Approve(bytes(32)), 0, "anna"), Code.TX_UNKNOWN_ID)
    outcome = ledger.send(Approve(proposal), BRAM, [(0, "bram")])

    assert_refused(outcome, Code.TX_UNKNOWN_ID, id=proposal.hex())


def test_accounts_approve_refuses_done(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1))
    assert_done(by_key(ledger, Cancel(proposal), 0, "anna"))

    assert_refused(by_key(ledger, Approve(proposal), 1, "ben"), Code.ACCOUNTS_DONE)


def test_accounts_approve_refuses_expired(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1), expires=ledger.time_s + 100)
    ends = get_proposal(ledger, proposal).expires
    ledger.time_s = ends - 1

    outcome = by_key(ledger, Approve(proposal), 1, "ben")

    assert_refused(outcome, Code.ACCOUNTS_EXPIRED, until_at=ends)


def test_accounts_approve_refuses_already_approved(ledger: Ledger) -> None:
    share_anna(ledger, threshold=3)
    proposal = propose(ledger, pay(1))
    assert_done(by_key(ledger, Approve(proposal), 1, "ben"))

    for index, name in ((0, "anna"), (1, "ben")):
        outcome = by_key(ledger, Approve(proposal), index, name)
        assert_refused(outcome, Code.ACCOUNTS_ALREADY_APPROVED)


def test_accounts_approve_refuses_already_approved_by_another_key_of_the_holder(
    ledger: Ledger,
) -> None:
    """economy B4: one holder counts once per decision."""
    phone = new_key(ledger, ANNA, "phone", "anna")
    ben = new_key(ledger, ANNA, "ben")
    assert_done(ledger.by_person("anna", set_keys(ledger, ANNA, phone, ben, threshold=2)))
    proposal = propose(ledger, pay(1))

    outcome = by_key(ledger, Approve(proposal), 1, "phone")

    assert_refused(outcome, Code.ACCOUNTS_ALREADY_APPROVED)
    assert_done(by_key(ledger, Approve(proposal), 2, "ben"))
    assert balance(ledger, "dirk") == 1


def test_accounts_approve_refuses_revoked_key_whose_seat_has_ended(ledger: Ledger) -> None:
    proposal = propose(ledger, MINTER, 0, A, sender=BOARD)
    change(ledger, SEATS, "delfshaven", 2, until_s=0)

    outcome = by_key(ledger, Approve(proposal), 1, B, sender=BOARD)

    assert_refused(outcome, Code.ACCOUNTS_REVOKED_KEY)
    assert_done(by_key(ledger, Approve(proposal), 2, C, sender=BOARD))


def test_an_approval_of_a_seat_that_ended_since_does_not_count(ledger: Ledger) -> None:
    proposal = propose(ledger, MINTER, 0, A, sender=BOARD)
    change(ledger, SEATS, "delfshaven", 1, until_s=0)

    second = assert_done(by_key(ledger, Approve(proposal), 1, B, sender=BOARD))
    assert names(second) == ["accounts.Approved"]

    third = assert_done(by_key(ledger, Approve(proposal), 2, C, sender=BOARD))
    assert "accounts.Executed" in names(third)


def test_a_proposal_never_lends_authority(ledger: Ledger) -> None:
    """A shared account of residents proposes what only a treasury may do: tx.role, once."""
    share_anna(ledger)
    proposal = propose(ledger, Mint(bytes(32), ANNA, 5, "DEPOSIT", None))

    outcome = assert_done(by_key(ledger, Approve(proposal), 1, "ben"))

    assert values(outcome, "accounts.ExecutionRefused") == [proposal, Code.TX_ROLE.number]


def test_an_effect_cannot_approve(ledger: Ledger) -> None:
    """economy B5: what runs for a decision has no key, so no word but `effect` allows it."""
    share_anna(ledger)
    proposal = propose(ledger, pay(1))

    refusal = enact(ledger, Approve(proposal))

    assert refusal is not None
    assert refusal.code is Code.TX_ROLE


# -------------------------------------------------------------------------------------- cancel


def test_accounts_cancel_by_the_key_that_proposed(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1), 1, "ben")

    outcome = assert_done(by_key(ledger, Cancel(proposal), 1, "ben"))

    assert values(outcome, "accounts.Cancelled") == [proposal]
    assert get_proposal(ledger, proposal).status == CANCELLED


def test_accounts_cancel_by_the_account_as_a_whole(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1), 1, "ben")

    assert_done(ledger.send(Cancel(proposal), ANNA, [(0, "anna"), (2, "cor")]))


def test_accounts_cancel_refuses_done(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1))
    assert_done(by_key(ledger, Cancel(proposal), 0, "anna"))

    assert_refused(by_key(ledger, Cancel(proposal), 0, "anna"), Code.ACCOUNTS_DONE)


def test_accounts_cancel_refuses_not_party(ledger: Ledger) -> None:
    share_anna(ledger)
    proposal = propose(ledger, pay(1), 1, "ben")

    assert_refused(by_key(ledger, Cancel(proposal), 0, "anna"), Code.ACCOUNTS_NOT_PARTY)
    outcome = ledger.send(Cancel(proposal), BRAM, [(0, "bram")])

    assert_refused(outcome, Code.ACCOUNTS_NOT_PARTY)
    assert get_proposal(ledger, proposal).status == OPEN


def test_accounts_cancel_refuses_unknown_id(ledger: Ledger) -> None:
    assert_refused(ledger.by_person("anna", Cancel(bytes(32))), Code.TX_UNKNOWN_ID)


# ---------------------------------------------------------------------------------------- laws

NAMES = [f"n{i}" for i in range(5)]
HOLDERS = ["h0", "h1", "h2"]
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("keys"),
            st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(HOLDERS)), max_size=2),
            st.lists(st.sampled_from(["anna", *NAMES]), max_size=2),
            st.integers(1, 4),
        ),
        st.tuples(st.just("propose"), st.integers(0, 9), st.none(), st.none()),
        st.tuples(st.just("approve"), st.integers(0, 9), st.integers(0, 5), st.none()),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(program=steps)
def test_thresholds_stay_in_reach_and_indexes_unique(program: list[tuple[Any, ...]]) -> None:
    """economy B4, B6 under random interleavings of set_keys, propose and approve."""
    ledger = Ledger(balances={"delfshaven/anna": 10_000, "delfshaven/dirk": 0})
    ever: dict[int, bytes] = {}
    whose = {key(name): name for name in ["anna", *NAMES]}
    proposals: list[bytes] = []
    paid = 0
    for step, first, second, threshold in program:
        record = get_account(ledger, ANNA)
        signers: list[tuple[int, str]] = []
        seen: list[bytes] = []
        for held in record.keys:
            if held.holder not in seen and len(signers) < record.threshold:
                seen.append(held.holder)
                signers.append((held.index, whose[held.key]))
        if step == "keys":
            add = [new_key(ledger, ANNA, name, who) for name, who in first]
            call = set_keys(ledger, ANNA, *add, revoke=tuple(second), threshold=threshold)
            ledger.send(call, ANNA, signers)
        elif step == "propose":
            held = record.keys[first % len(record.keys)]
            asked = Propose(encode(pay(1)), ledger.time_s + 999)
            outcome = ledger.send(asked, ANNA, [(held.index, whose[held.key])])
            if outcome.code == 0:
                proposals.append(object_id(outcome))
        elif proposals:
            held = record.keys[first % len(record.keys)]
            yes = Approve(proposals[second % len(proposals)])
            outcome = ledger.send(yes, ANNA, [(held.index, whose[held.key])])
            if "accounts.Executed" in names(outcome):
                paid += 1

        after = get_account(ledger, ANNA)
        assert 1 <= after.threshold <= len({held.holder for held in after.keys})
        assert len(after.keys) <= 16
        indexes = [held.index for held in after.keys]
        assert indexes == sorted(set(indexes))
        for held in after.keys:
            assert ever.setdefault(held.index, held.key) == held.key
    state = State(ledger.state.get)
    done = [p for p in proposals if (r := PROPOSALS.get(state, p)) and r.status == EXECUTED]
    assert balance(ledger, "dirk") == paid == len(done)


def test_a_decision_is_no_way_around_keys(ledger: Ledger) -> None:
    decision = put_decision(ledger, set_keys(ledger, BOARD, threshold=1))
    run = ledger.run()
    refusal = apply_effect(run, decision, 0)

    assert refusal is not None
    assert refusal.code is Code.TX_ROLE


@pytest.mark.parametrize(
    "used", ["delfshaven-board-b", "node-delfshaven", "transport-noord"], ids=str
)
def test_c3_a_registrar_takes_no_key_of_another_office(ledger: Ledger, used: str) -> None:
    """Board, registrar and validator keys of one person are different keys."""
    call = set_keys(ledger, REGISTRAR, new_key(ledger, REGISTRAR, used), revoke=(R,), threshold=2)

    assert_refused(ledger.by_registrar("delfshaven", call), Code.ACCOUNTS_NO_PROOF)


def test_c3_a_seat_takes_no_key_of_a_registrar(ledger: Ledger) -> None:
    seat = "delfshaven-board-a"
    account_record = get_account(ledger, BOARD)
    for used, code in ((R, Code.ACCOUNTS_NO_PROOF.number), ("fresh", 0)):
        call = set_keys(
            ledger,
            BOARD,
            new_key(ledger, BOARD, used, seat),
            revoke=(seat,),
            threshold=account_record.threshold,
        )
        assert ledger.by_board("delfshaven", call).code == code
