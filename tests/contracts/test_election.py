"""economy E5: an election from the call to its result, and every refusal on the way."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chain.address import account_id
from chain.ballot import Ballot
from chain.ceremony import KeyAnswer, KeyComplaint
from chain.codec import decode, encode
from chain.crypto import sha256
from chain.elections import COUNTED, ELECT, ROLL
from chain.errors import Code, Reject
from chain.execute import Places
from chain.group import IDENTITY, ORDER
from chain.keyspaces import ACCOUNTS, SEATS
from chain.manifest import compute_voters_root, fix
from chain.records import Blob
from chain.tally import Share
from contracts import CONTRACTS
from contracts.election import (
    AreaSeat,
    Cast,
    DecryptShare,
    Nominate,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from contracts.election.records import BALLOTS, CEREMONIES
from tests.contracts.desk import assert_done, assert_refused, change
from tests.contracts.offices import names
from tests.contracts.polling import (
    MEMBERS,
    TRUSTEES,
    VOTERS,
    WIJK,
    Polls,
    frozen_polls,
    nominated_polls,
    open_polls,
)
from tests.federation import Ledger, account, board, key, seed
from wallet import trustee
from wallet.ballots import choose, make_ballot

DAY_S = 86_400


def test_a_board_is_elected_and_two_trustees_vanish() -> None:
    """economy E5, E18 to E24: the state machine from call to result."""
    polls = open_polls()
    assert polls.status == "OPEN"
    for number, voter in enumerate(["voter 0", "voter 1", "voter 2", "voter 3"]):
        assert_done(polls.cast(voter, 1, 2 + number))
    assert_done(polls.cast("voter 4", blank=True))
    assert_done(polls.cast("voter 3", 6))  # the last one counts

    assert_done(polls.tally())
    assert polls.status == "TALLIED"
    polls.share("gijs", "els", "iris")
    assert polls.status == "DECRYPTABLE"
    assert_done(polls.result(1, 3, 1, 1, 1, 0, 1))

    row = COUNTED.get(polls.state, polls.id)
    assert row is not None
    assert row.counts == (1, 3, 1, 1, 1, 0, 1)
    assert row.elected[0] == 1
    assert set(row.elected) == {1, 2, 3, 4, 6}
    assert (polls.status, polls.election.ballots) == ("RESULT", 5)
    assert ELECT.get(polls.state, WIJK, 1) == polls.id


def test_scores_are_added_up() -> None:
    """economy E6: SCORE counts points."""
    polls = Polls(method="SCORE", score=3, min=0, max=6, blank=0).to_open()
    for voter, points in (("voter 0", {1: 3, 2: 1}), ("voter 1", {1: 2, 6: 3}), ("voter 2", {})):
        assert_done(polls.cast_bytes(voter, polls.scored(voter, points).data))
    assert_done(polls.tally())
    polls.share(*TRUSTEES)
    assert_done(polls.result(5, 1, 0, 0, 0, 3))
    assert polls.election.ballots == 3


def test_an_election_without_ballots_needs_no_shares() -> None:
    """economy E22: all counts are 0, and the beacon ranks the candidates (E8)."""
    polls = open_polls()
    assert_done(polls.tally())
    assert polls.status == "DECRYPTABLE"
    assert_refused(polls.result(0, 1, 0, 0, 0, 0, 0), Code.ELECTION_COUNTS)
    assert_done(polls.result(0, 0, 0, 0, 0, 0, 0))
    row = COUNTED.get(polls.state, polls.id)
    assert row is not None
    assert len(row.elected) == 5


# --------------------------------------------------------------------------------------- call


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"seats": 4}, Code.ELECTION_METHOD),
        ({"seats": 8}, Code.ELECTION_METHOD),
        ({"method": "YES_NO"}, Code.ELECTION_METHOD),
        ({"method": "SCORE"}, Code.ELECTION_METHOD),
        ({"method": "SCORE", "score": 6}, Code.ELECTION_METHOD),
        ({"method": "APPROVAL_BUURT"}, Code.ELECTION_METHOD),
        ({"areas": (AreaSeat("BU05990301", 1),)}, Code.ELECTION_METHOD),
        (
            {"method": "APPROVAL_BUURT", "areas": (AreaSeat("BU05990301", 6),)},
            Code.ELECTION_METHOD,
        ),
        ({"options": (bytes(32),)}, Code.ELECTION_METHOD),
        ({"min": 6, "max": 5}, Code.ELECTION_METHOD),
        ({"max": 0, "min": 0}, Code.ELECTION_METHOD),
        ({"kind": "SURVEY", "seats": 0}, Code.ELECTION_METHOD),
        ({"kind": "DECISION", "seats": 0}, Code.ELECTION_METHOD),
        ({"t": 2}, Code.ELECTION_TRUSTEES),
        ({"trustees": (), "t": 0}, Code.ELECTION_TRUSTEES),
        ({"trustees": (account("gijs"), account("henk")), "t": 2}, Code.ELECTION_TRUSTEES),
        ({"trustees": (account("gijs"),) * 3, "t": 2}, Code.ELECTION_TRUSTEES),
        (
            {"trustees": (account("gijs"), account("henk"), bytes(20)), "t": 2},
            Code.ELECTION_TRUSTEES,
        ),
        (
            {"trustees": (account("gijs"), account("henk"), board(WIJK), board(WIJK)[::-1])},
            Code.ELECTION_TRUSTEES,
        ),
        ({"method": "STV_EXACT", "blank": 0}, Code.ELECTION_TRUSTEES),
    ],
)
def test_an_election_that_cannot_be_is_refused(changed: dict[str, Any], code: Code) -> None:
    """economy E5, E6, E12: numbers that do not go together."""
    polls = Polls()
    assert_refused(polls.call(**changed), code)


def test_at_most_a_third_of_the_trustees_may_sit_in_the_board() -> None:
    """economy E12: the board itself may be one of three, not one of two more."""
    registry = account(f"{WIJK}-registrar-a")  # holds a key of a seat as well
    three = (account("gijs"), account("henk"), board(WIJK))
    assert_done(Polls().call(trustees=three, t=2))
    two = (account("gijs"), registry, board(WIJK))
    assert_refused(Polls().call(trustees=two, t=2), Code.ELECTION_TRUSTEES)


@pytest.mark.parametrize(
    "move",
    [
        lambda t: (t[0] - 1000, *t[1:]),
        lambda t: (t[1], t[0], *t[2:]),
        lambda t: (*t[:4], t[3] + 30 * DAY_S + 1, t[3] + 31 * DAY_S),
        lambda t: (t[0], t[3] - 1, t[3] - 1, *t[3:]),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(move: Callable[[Any], Any]) -> None:
    """economy E2, E5: times rise, and voting lasts at most 30 days."""
    polls = Polls()
    assert_refused(polls.call(calendar=move(polls.asked.calendar)), Code.ELECTION_CALENDAR)


def test_the_roll_is_open_to_complaints_before_voting() -> None:
    """economy E13: complaint_s between the roll and the opening."""
    people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
    polls = Polls(Ledger(balances=people, params={"complaint_s": 301}))
    assert_refused(polls.call(), Code.ELECTION_CALENDAR)
    first, second, third, opens, closes, shares = polls.asked.calendar
    assert_done(polls.call(calendar=(first, second, third, opens + 1, closes, shares)))


def test_election_call_one_at_a_time_for_a_board() -> None:
    """economy section 4: a second one is refused while the first goes on."""
    polls = Polls()
    assert_done(polls.call())
    assert_refused(polls.ledger.by_board(WIJK, polls.asked), Code.ELECTION_DONE)
    polls.at(0)
    polls.idle()
    assert polls.status == "CANCELLED"
    assert_done(Polls(polls.ledger).call())


def test_any_member_may_call_near_the_end_of_a_term() -> None:
    """economy section 4: 90 days before a term ends, when the board has called none (E37)."""
    polls = Polls()
    assert_refused(polls.ledger.by_person("anna", polls.asked), Code.TX_ROLE)
    polls.ledger.time_s += 276 * DAY_S
    late = Polls(polls.ledger)
    survey = replace(late.asked, kind="SURVEY", seats=0, options=(bytes(32),), max=1)
    assert_refused(polls.ledger.by_person("anna", survey), Code.TX_ROLE)
    assert_done(polls.ledger.by_person("anna", late.asked))


def test_any_member_may_call_once_half_of_the_seats_are_empty_e41() -> None:
    """Two of three were recalled: the one that is left cannot call the election that fills them."""
    polls = Polls()
    change(polls.ledger, SEATS, WIJK, 1, status="RECALLED")
    assert_refused(polls.ledger.by_person("anna", Polls(polls.ledger).asked), Code.TX_ROLE)
    change(polls.ledger, SEATS, WIJK, 2, status="RECALLED")

    change(polls.ledger, ACCOUNTS, account("bram"), status="LEFT")
    assert_refused(polls.ledger.by_person("bram", Polls(polls.ledger).asked), Code.TX_ROLE)
    assert_done(polls.ledger.by_person("anna", Polls(polls.ledger).asked))


# ----------------------------------------------------------------------------------- nominate


def test_election_nominate_refuses_who_is_suspended_or_left() -> None:
    polls = Polls()
    assert_done(polls.call())
    for status in ("SUSPENDED", "LEFT"):
        change(polls.ledger, ACCOUNTS, account("bram"), status=status)
        assert_refused(polls.nominate("bram"), Code.TX_ROLE)


def test_election_nominate_needs_seconders() -> None:
    """economy E1: members with a vote, each once, who signed for exactly this."""
    polls = Polls()
    polls.call()
    assert_refused(polls.nominate("anna", ()), Code.ELECTION_SECONDERS, have=0, need=1)
    assert_refused(polls.nominate("anna", ("anna",)), Code.ELECTION_SECONDERS)
    assert_refused(polls.nominate("anna", ("gijs", "gijs")), Code.ELECTION_SECONDERS)
    assert_refused(polls.nominate("anna", ("zoe",)), Code.ELECTION_SECONDERS)  # of another wijk
    assert_refused(polls.nominate("anna", name=bytes(32)), Code.ELECTION_SECONDERS)
    assert_refused(polls.nominate("anna", pledges=()), Code.ELECTION_SECONDERS)
    assert_done(polls.nominate("anna", ("gijs", "henk")))
    assert polls.status == "NOMINATED"


def test_nominations_refused() -> None:
    """economy E5: by whom, when, and once."""
    polls = Polls()
    polls.call()
    assert_refused(polls.ledger.by_board(WIJK, Nominate(polls.id, bytes(32), (), ())), Code.TX_ROLE)
    assert_refused(polls.nominate("anna", election=bytes(32)), Code.TX_UNKNOWN_ID)
    assert_refused(polls.nominate("zoe"), Code.TX_UNKNOWN_ID)  # an election of another wijk
    assert_done(polls.nominate("anna"))
    assert_refused(polls.nominate("anna"), Code.ELECTION_DOUBLE)
    polls.at(0, -1)
    assert_done(polls.nominate("bram"))
    assert_refused(polls.nominate("chaima"), Code.ELECTION_LATE)


# ------------------------------------------------------------------------------------- roll


def test_election_voter_root_refuses_what_is_no_roll() -> None:
    """economy E13, E14: sorted, no longer than the electorate, and in time."""
    polls = nominated_polls()
    assert_refused(polls.freeze(), Code.ELECTION_PHASE)  # nominations are still open
    polls.at(0)
    assert_refused(polls.freeze(reference_height=0), Code.ELECTION_PHASE)
    assert_refused(polls.freeze(reference_height=10**6), Code.ELECTION_PHASE)
    assert_refused(polls.freeze(root=bytes(32)), Code.ELECTION_UNSORTED)
    assert_refused(polls.freeze(("voter 1", "voter 1")), Code.ELECTION_UNSORTED)
    assert_refused(polls.freeze(eligible=len(MEMBERS) + 1), Code.ELECTION_TOO_MANY)
    more = (*VOTERS, "one more")
    assert_refused(polls.freeze(more), Code.ELECTION_TOO_MANY, count=10, most=9)
    assert_done(polls.freeze())
    assert polls.election.voters == len(VOTERS)
    assert polls.election.electorate == len(MEMBERS)
    assert_refused(polls.freeze(), Code.ELECTION_PHASE)


def test_election_voter_root_freezes_who_may_vote() -> None:
    """economy E13, E14: keys that name nobody, found by the account id of each."""
    polls = frozen_polls()
    assert polls.status == "VOTERS_FROZEN"
    assert (polls.election.voters, polls.election.electorate) == (len(VOTERS), len(MEMBERS))
    for name in VOTERS:
        assert ROLL.get(polls.state, polls.id, account_id(key(name))) == key(name)


def test_a_roll_with_a_small_order_key_is_refused() -> None:
    """economy E14: nobody could be held to a signature by it."""
    polls = nominated_polls()
    polls.at(0)
    data = b"".join(sorted([key("voter 1"), IDENTITY]))
    blob = Blob(sha256(data), len(data))
    root = compute_voters_root([data[:32], data[32:]])
    asked = replace(_roll_call(polls), credentials=(blob,), root=root)
    signers = [(0, f"{WIJK}-registrar-a"), (1, f"{WIJK}-registrar-b")]
    sender = account(f"{WIJK}-registrar-a")
    assert_refused(polls.send(asked, sender, signers, (data,)), Code.ELECTION_UNSORTED)


def _roll_call(polls: Polls) -> Any:
    return VoterRoot(polls.id, polls.ledger.base.height, len(MEMBERS), (), bytes(32))


def test_a_roll_after_its_time_is_late_and_ends_the_election() -> None:
    """economy E5: each step has a deadline."""
    polls = nominated_polls()
    polls.at(1)
    outcome = polls.freeze()
    assert outcome.code != 0
    assert polls.status == "CANCELLED"
    assert polls.election.reason == "NO-ROLL"
    assert_refused(polls.freeze(), Code.ELECTION_PHASE)


# ------------------------------------------------------------------------------------- keys


def test_silence_at_a_deadline_begins_anew_without_the_silent() -> None:
    """economy E16: attempt 2 has four trustees, and t by E12."""
    polls = frozen_polls()
    for name in TRUSTEES[:4]:
        assert_done(polls.commit(name))
    polls.ledger.time_s += 17
    polls.idle()
    ceremony = CEREMONIES.get(polls.state, polls.id)
    assert ceremony is not None
    assert (ceremony.attempt, ceremony.phase, len(ceremony.trustees)) == (2, "COMMIT", 4)
    polls.trustees = TRUSTEES[:4]
    late = Polls.dkg(polls, "iris", "COMMIT", polls.commits()[0])
    assert_refused(late, Code.TX_ROLE)
    polls.ceremony()
    assert polls.status == "KEY_READY"
    assert_done(polls.open())
    assert (len(polls.fixed.manifest.trustees), polls.fixed.manifest.threshold) == (4, 3)
    assert_done(polls.cast("voter 0", 1))
    polls.tally()
    polls.share(*TRUSTEES[:3])
    assert_done(polls.result(0, 1, 0, 0, 0, 0, 0))


def test_too_few_trustees_cancel_an_election() -> None:
    """economy E16: fewer than three make no key."""
    polls = frozen_polls()
    for name in TRUSTEES[:2]:
        assert_done(polls.commit(name))
    polls.ledger.time_s += 17
    polls.idle()
    assert (polls.status, polls.election.reason) == ("CANCELLED", "TRUSTEES")


def test_election_dkg_answers_a_complaint_in_clear() -> None:
    """economy E16: the dealer shows the share, and the ceremony goes on."""
    polls = frozen_polls()
    for name in TRUSTEES:
        assert_done(polls.commit(name))
    for name in TRUSTEES:
        assert_done(polls.dkg(name, "DEAL", polls.make_deal(name)))
    for name in TRUSTEES[:4]:
        assert_done(polls.dkg(name, "CONFIRM", None))
    assert_refused(polls.dkg("els", "COMPLAIN", KeyComplaint(2)), Code.ELECTION_PHASE)
    assert_done(polls.dkg("iris", "COMPLAIN", KeyComplaint(2)))
    assert_refused(polls.dkg("iris", "COMPLAIN", KeyComplaint(2)), Code.ELECTION_PHASE)
    assert_refused(polls.dkg("iris", "COMPLAIN", KeyComplaint(6)), Code.ELECTION_PHASE)
    polls.ledger.time_s += 17
    polls.idle()
    wrong = KeyAnswer(5, (7).to_bytes(32, "little"))
    assert_refused(polls.dkg("femke", "ANSWER", wrong), Code.ELECTION_BAD_SHARE)
    answer = trustee.make_answer(seed("femke"), polls.context(), 3, 5)
    assert_refused(polls.dkg("gijs", "ANSWER", answer), Code.ELECTION_PHASE)
    assert_done(polls.dkg("femke", "ANSWER", answer))
    assert polls.status == "KEY_READY"


@pytest.mark.parametrize("complaints", [1, 3])
def test_a_dealer_who_does_not_answer_is_left_out(complaints: int) -> None:
    """economy E16: at the deadline of an answer, and at once with more than n - t complaints."""
    polls = frozen_polls()
    for name in TRUSTEES:
        assert_done(polls.commit(name))
    for name in TRUSTEES:
        assert_done(polls.dkg(name, "DEAL", polls.make_deal(name)))
    for place, name in enumerate(TRUSTEES):
        if place < complaints:
            assert_done(polls.dkg(name, "COMPLAIN", KeyComplaint(5)))
        elif complaints == 1:
            assert_done(polls.dkg(name, "CONFIRM", None))
    if complaints == 1:
        for _ in range(2):
            polls.ledger.time_s += 17
            polls.idle()
    ceremony = CEREMONIES.get(polls.state, polls.id)
    assert ceremony is not None
    assert (ceremony.attempt, ceremony.trustees) == (2, tuple(map(account, TRUSTEES[:4])))


def test_election_dkg_refuses_what_is_out_of_step() -> None:
    """economy E16: another phase, another attempt, a second time, a proof that does not hold."""
    polls = frozen_polls()
    assert_refused(polls.dkg("els", "CONFIRM", None), Code.ELECTION_PHASE)
    assert_refused(polls.dkg("els", "COMMIT", None), Code.ELECTION_PHASE)
    made = trustee.make_commit(seed("els"), polls.context(), 1, 3)
    assert_refused(polls.dkg("els", "COMMIT", made, attempt=2), Code.ELECTION_PHASE)
    assert_refused(polls.dkg("anna", "COMMIT", made), Code.TX_ROLE)
    assert_refused(polls.dkg("femke", "COMMIT", made), Code.ELECTION_BAD_PROOF)
    bad = replace(made, commitments=(IDENTITY, *made.commitments[1:]))
    assert_refused(polls.dkg("els", "COMMIT", bad), Code.ELECTION_BAD_POINT)
    assert_done(polls.dkg("els", "COMMIT", made))
    assert_refused(polls.dkg("els", "COMMIT", made), Code.ELECTION_PHASE)


def test_no_key_in_time_cancels_an_election() -> None:
    """economy E5: the keys are due."""
    polls = frozen_polls()
    polls.at(2)
    polls.idle()
    assert polls.status == "CANCELLED"
    assert polls.election.reason in ("NO-KEYS", "TRUSTEES")


# ------------------------------------------------------------------------------------- open


def test_election_open_fixes_the_manifest() -> None:
    """economy E15: what it says follows from the state, and its digest stands there."""
    polls = open_polls()
    assert polls.election.manifest == polls.fixed.digest
    manifest = polls.fixed.manifest
    assert (manifest.chain, manifest.election) == (polls.ledger.chain.digest, polls.id)
    assert (manifest.max, len(manifest.options), manifest.blank) == (5, 6, 1)
    assert manifest.options[0].pledges[0].indicator == "SAFE"


def test_election_open_refuses_another_manifest_and_another_time() -> None:
    """economy E15: any may open, at opening time, what follows from the state."""
    polls = frozen_polls()
    polls.ceremony()
    assert_refused(
        polls.ledger.by_person("anna", Open(polls.id, bytes(32))), Code.ELECTION_NOT_READY
    )
    polls.at(3)
    assert_refused(
        polls.ledger.by_person("anna", Open(polls.id, bytes(32))), Code.ELECTION_MANIFEST
    )
    assert_done(polls.open())
    assert_refused(polls.open(), Code.ELECTION_NOT_READY)


def test_an_election_that_nobody_opened_ends() -> None:
    """economy E5: from any state before OPEN it is cancelled with a reason."""
    polls = frozen_polls()
    polls.ceremony()
    polls.at(4)
    polls.idle()
    assert (polls.status, polls.election.reason) == ("CANCELLED", "NOT-OPENED")


# ------------------------------------------------------------------------------------- cast


def test_ballots_that_are_refused() -> None:
    """economy E18 to E21, E26 to E28: forged, copied, out of range, small order, twice."""
    polls = open_polls()
    good = polls.ballot("voter 0", 1, 2)
    data = good.data
    assert_refused(polls.cast_bytes("voter 1", data), Code.ELECTION_BAD_PROOF)  # copied
    forged = data[:-1] + bytes([data[-1] ^ 1])
    assert_refused(polls.cast_bytes("voter 0", forged), Code.ELECTION_BAD_PROOF)
    at = data.index(good.data[-64:-32])
    malleable = int.from_bytes(data[at : at + 32], "little") + ORDER
    twisted = data[:at] + malleable.to_bytes(32, "little") + data[at + 32 :]
    assert_refused(polls.cast_bytes("voter 0", twisted), Code.ELECTION_BAD_PROOF)
    ballot = decode(Ballot, data)
    for point in (IDENTITY, bytes(32), b"\xec" + b"\xff" * 30 + b"\x7f"):  # of small order
        small = replace(ballot, ciphertexts=point + ballot.ciphertexts[32:])
        assert_refused(polls.cast_bytes("voter 0", encode(small)), Code.ELECTION_BAD_POINT)
    short = replace(ballot, ciphertexts=ballot.ciphertexts[64:])
    assert_refused(polls.cast_bytes("voter 0", encode(short)), Code.ELECTION_SIZE)
    assert_refused(polls.cast_bytes("voter 0", b"x"), Code.ELECTION_SIZE)
    other = make_ballot(_other(polls), key("voter 0"), (0, 1, 1, 0, 0, 0, 0))
    assert_refused(polls.cast_bytes("voter 0", other.data), Code.ELECTION_BAD_PROOF)
    assert polls.election.ballots == 0
    assert_done(polls.cast_bytes("voter 0", data))
    assert_refused(polls.cast_bytes("voter 0", data), Code.ELECTION_SEEN)


def _other(polls: Polls) -> Any:
    return fix(replace(polls.fixed.manifest, election=bytes(32)))


def test_no_ciphertext_is_cast_twice() -> None:
    """economy E29: not in two ballots, not under new proofs, not twice in one ballot."""
    polls = open_polls()
    fixed, voter = polls.fixed, key("voter 0")
    values = choose(fixed, [1, 2])

    def numbered(label: str) -> Callable[[int], bytes]:
        """Scalars by rule: the first seven are the randomness of the ciphertexts."""
        count = itertools.count()

        def random(size: int) -> bytes:
            number = next(count)
            name = f"r {number}" if number < len(fixed.slots) else f"{label} {number}"
            return hashlib.shake_256(name.encode()).digest(size)

        return random

    first = make_ballot(fixed, voter, values, numbered("a"))
    second = make_ballot(fixed, voter, values, numbered("b"))
    assert first.digest != second.digest
    assert_done(polls.cast_bytes("voter 0", first.data))
    assert_refused(polls.cast_bytes("voter 0", second.data), Code.ELECTION_SEEN)
    same = make_ballot(fixed, key("voter 1"), values, numbered("c"))
    assert_refused(polls.cast_bytes("voter 1", same.data), Code.ELECTION_SEEN)
    alike = make_ballot(fixed, key("voter 2"), values, lambda size: b"\x07" * size)
    assert_refused(polls.cast_bytes("voter 2", alike.data), Code.ELECTION_SEEN)


def test_only_the_roll_may_cast() -> None:
    """economy E14: an account has no vote, and a key that is on no roll is nobody."""
    polls = open_polls()
    data = polls.ballot("voter 0", 1).data
    asked = Cast(polls.id, sha256(data), len(data))
    refused = polls.send(asked, account("anna"), [(0, "anna")], (data,))
    assert_refused(refused, Code.ELECTION_NOT_LISTED)
    with pytest.raises(Reject) as caught:
        polls.cast_bytes("stranger", data)
    assert caught.value.code is Code.TX_UNKNOWN_ACCOUNT
    with pytest.raises(Reject) as caught:
        polls.cast_bytes("voter 0", data, who="anna")
    assert caught.value.code is Code.TX_SIGNATURES


def test_a_credential_can_do_nothing_else() -> None:
    """economy E14: it has no account, so every other call finds nobody."""
    polls = open_polls()
    for call in (Tally(polls.id), SetResult(polls.id, ())):
        with pytest.raises(Reject) as caught:
            polls.ledger.send(call, account_id(key("voter 0")), [(0, "voter 0")])
        assert caught.value.code is Code.TX_UNKNOWN_ACCOUNT


def test_voting_is_open_from_opening_to_closing() -> None:
    """economy E5: to the second, and not after."""
    polls = open_polls()
    polls.at(4, -1)
    made = polls.ballot("voter 0", 1)
    assert_done(polls.cast_bytes("voter 0", made.data))
    assert_refused(polls.cast("voter 1", 1), Code.ELECTION_NOT_OPEN)
    assert polls.election.ballots == 1


def test_a_credential_has_a_quota_for_the_election() -> None:
    """economy B3: ten, refused ones too, and three a day that a full quota never blocks."""
    people = {f"{WIJK}/{name}": 0 for name in MEMBERS}
    polls = Polls(Ledger(balances=people, params={"quota_credential": 3})).to_open()
    for number in (1, 2, 3):
        polls.cast("voter 0", number)
    for number in (1, 2, 3):
        assert_done(polls.cast("voter 0", number))
    with pytest.raises(Reject) as caught:
        polls.cast("voter 0", 4)
    assert caught.value.code is Code.TX_QUOTA
    assert_done(polls.cast("voter 1", 4))


def test_a_block_holds_fifty_casts() -> None:
    """economy E20: proofs cost time on every node."""
    spec = next(call for one in CONTRACTS for call in one.calls if call.kind is Cast)
    assert spec.per_block == 50
    polls = open_polls()
    data = polls.ballot("voter 0", 1).data
    asked = Cast(polls.id, sha256(data), len(data))
    tx = polls.ledger.tx(asked, account_id(key("voter 0")), [(0, "voter 0")], blobs=(data,))
    places = Places(polls.ledger.chain, [tx] * 49)
    assert places.has_room(tx)
    places.take(tx)
    assert not places.has_room(tx)


# --------------------------------------------------------------------------------- challenge


def test_election_challenge_shows_a_ballot_that_is_never_cast() -> None:
    """economy E21: what a device made can be checked, by everybody."""
    polls = open_polls()
    made = polls.ballot("voter 0", 3)
    assert_done(polls.spoil("voter 0", made))
    assert_refused(polls.cast_bytes("voter 0", made.data), Code.ELECTION_SPOILED)
    assert_refused(polls.spoil("voter 0", made), Code.ELECTION_SPOILED)
    assert (polls.election.spoiled, polls.election.ballots) == (1, 0)
    again = polls.ballot("voter 0", 3)
    assert_refused(polls.spoil("voter 1", again), Code.ELECTION_OPENING)
    assert_refused(polls.spoil("voter 0", again, ballot=bytes(32)), Code.ELECTION_OPENING)
    assert_done(polls.cast_bytes("voter 0", again.data))
    assert_refused(polls.spoil("voter 0", again), Code.ELECTION_CAST)
    row = BALLOTS.get(polls.state, polls.id, made.digest)
    assert row is not None
    assert row.status == "SPOILED"


# ------------------------------------------------------------------------- tally and result


def test_tally_waits_for_closing_and_happens_once() -> None:
    """economy E22: any may end the vote, after closing."""
    polls = open_polls()
    assert_done(polls.cast("voter 0", 1))
    assert_refused(polls.tally_now(), Code.ELECTION_TOO_EARLY, from_at=polls.asked.calendar[4])
    assert_refused(
        polls.ledger.by_person("els", DecryptShare(polls.id, ())), Code.ELECTION_NOT_TALLIED
    )
    assert_refused(polls.result(0), Code.ELECTION_NOT_TALLIED)
    assert_done(polls.tally())
    assert_refused(polls.tally(), Code.ELECTION_DONE)


def test_tally_of_what_never_opened_is_refused() -> None:
    """economy E5: phases in their order."""
    polls = frozen_polls()
    assert_refused(polls.tally_now(), Code.ELECTION_PHASE)


def test_shares_and_results_that_are_refused() -> None:
    """economy E23, E24: wrong shares, shares of others, counts that do not follow."""
    polls = open_polls()
    assert_done(polls.cast("voter 0", 1))
    assert_done(polls.cast("voter 1", 2))
    polls.at(4)
    assert_done(polls.tally_now())  # in the block that closes the vote
    polls.share("els", "gijs")
    assert_refused(
        polls.result(0, 1, 1, 0, 0, 0, 0), Code.ELECTION_TOO_FEW_SHARES, seen=2, needed=3
    )
    right = polls.shares_of("femke")
    assert_refused(polls.ledger.by_person("henk", right), Code.ELECTION_BAD_PROOF)
    assert_refused(polls.ledger.by_person("anna", right), Code.TX_ROLE)
    bad = replace(right, shares=(Share(IDENTITY, bytes(32), bytes(32)), *right.shares[1:]))
    assert_refused(polls.ledger.by_person("femke", bad), Code.ELECTION_BAD_POINT)
    assert_done(polls.ledger.by_person("femke", right))
    assert_refused(polls.ledger.by_person("femke", right), Code.ELECTION_DONE)
    assert_refused(polls.result(0, 2, 0, 0, 0, 0, 0), Code.ELECTION_COUNTS)
    assert_refused(polls.result(0, 1, 1, 0, 0, 0), Code.ELECTION_COUNTS)
    assert_done(polls.result(0, 1, 1, 0, 0, 0, 0))
    assert_refused(polls.result(0, 1, 1, 0, 0, 0, 0), Code.ELECTION_DONE)


def test_a_result_waits_for_the_beacon() -> None:
    """economy E8: the id of the block that closes the vote is known one block later."""
    polls = open_polls()
    polls.at(4)
    run = polls.ledger.run()
    tally = polls.ledger.tx(Tally(polls.id), account("anna"), [(0, "anna")])
    result = polls.ledger.tx(SetResult(polls.id, (0,) * 7), account("anna"), [(0, "anna")])
    assert_done(run.include(tally))
    assert_refused(run.include(result), Code.ELECTION_TOO_EARLY)
    polls.ledger.apply(run)
    assert_done(polls.result(0, 0, 0, 0, 0, 0, 0))


def test_deadlines_are_told_under_the_id_of_the_election() -> None:
    """economy section 4: what ends by itself has an outcome of its own."""
    polls = nominated_polls()
    polls.at(1)
    polls.idle()
    start = polls.ledger.blocks[-1].start
    assert [(one.tx_id, names(one)) for one in start] == [(polls.id, ["election.Cancelled"])]
