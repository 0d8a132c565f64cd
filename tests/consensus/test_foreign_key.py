"""One key on two machines, and lost disks that look like it: consensus D14, D10, E7, F26."""

from __future__ import annotations

from msgspec import structs

from consensus import events as ev
from consensus.events import OpenRecords, Silence
from consensus.guard import (
    Position,
    Slot,
    Step,
    closing,
    end_of,
    is_foreign,
    opening,
    position,
)
from consensus.messages import (
    Commit,
    Prepare,
    ProvenRoundChange,
    RoundChange,
    SignedPrepare,
    SignedProposal,
    Status,
    signed_bytes,
)
from tests.consensus.desk import Desk
from tests.consensus.made import CHAIN, key, make_commit, make_prepare, make_proposal
from tests.consensus.test_join_barrier import alarms, raised

ALARM = "key-in-use-elsewhere"


def prepared() -> Desk:
    """Return a desk whose replica, D, has prepared block b1 in round 0."""
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1")))
    assert desk.said(Prepare)
    return desk


def holds(desk: Desk, letter: str) -> Status:
    """Return a status of this round whose bitmaps say that `letter` has signed."""
    bit = bytes([1 << desk.letters.index(letter)])
    block_id = desk.block("b1").block_id
    return structs.replace(
        desk.status(round_=desk.round), prepares=bit, commits=bit, proposal=block_id
    )


def sent_to(desk: Desk, letter: str) -> list[object]:
    return [sent.message for sent in desk.did(ev.Send) if sent.to == (key(letter),)]


def close_height(desk: Desk, signers: str, name: str = "b1", round_: int = 0) -> None:
    """Let the open height be decided elsewhere, and fetched with a certificate of these votes."""
    certificate = desk.certificate(round_, desk.block(name), signers)
    desk.applied = ev.Apply(certificate.block_id, certificate)
    desk.new_height()


# ------------------------------------------------------------------------------------ the relay


def test_t7_a_peer_is_sent_what_is_held_of_its_own_key_once_it_stands_still() -> None:
    """consensus D14, T7: its bitmap says that it signed, not what; each kind once a status."""
    desk = prepared()
    foreign = make_prepare(key("B"), 8, 0, desk.block("b2").block_id)
    commit = make_commit(key("B"), 8, 0, desk.block("b2").block_id)
    desk.hear("C", foreign, commit)

    desk.hear("B", desk.status(round_=1), holds(desk, "B"))
    first = sent_to(desk, "B")
    desk.hear("B", holds(desk, "B"))

    assert foreign not in first
    assert [one for one in sent_to(desk, "B") if getattr(one, "signer", b"") == key("B")] == [
        foreign,
        commit,
    ]
    desk.hear("C", holds(desk, "C"))
    desk.hear("C", holds(desk, "C"))
    assert sent_to(desk, "C").count(foreign) == 1, "C lacks it: as ever, and once"
    desk.hear("B", desk.status(height=7))
    desk.hear("B", desk.status(height=7))
    assert foreign not in sent_to(desk, "B")


def test_t7_a_leader_is_sent_a_proposal_of_its_own_only_if_it_made_another() -> None:
    """consensus D14, E1a: a proposal is large; its id says enough."""
    desk = prepared()
    for name, expected in (("b1", 0), ("other", 1)):
        told = structs.replace(holds(desk, "A"), proposal=desk.block(name).block_id)
        desk.hear("A", told)
        desk.hear("A", told)
        proposals = [one for one in sent_to(desk, "A") if isinstance(one, SignedProposal)]
        assert len(proposals) == expected


# ------------------------------------------------------------------- where a machine meets itself


def test_d14_a_vote_in_a_certificate_counts_as_one_that_came_alone() -> None:
    """consensus D14, R8: D prepared, and somewhere its key committed too."""
    desk = prepared()
    desk.hear("A", desk.certificate(0, desk.block("b1"), "ABD"))
    assert [text for text, _ in alarms(desk)] == [ALARM]
    assert desk.replica.status().silence is Silence.FOREIGN_SIGNATURE


def test_d14_the_certificate_of_a_fetched_block_is_looked_at_too() -> None:
    desk = prepared()
    close_height(desk, "ABD", "b2")
    assert alarms(desk) == [(ALARM, {"height": 8, "round": 0})]


def test_d14_words_of_the_height_before_come_late_and_count() -> None:
    """consensus D14: blocks may come faster than statuses."""
    desk = prepared()
    close_height(desk, "ABC")
    assert alarms(desk) == []
    desk.hear("A", make_prepare(key("D"), 8, 0, desk.block("b2").block_id))
    assert alarms(desk) == [(ALARM, {"height": 8, "round": 0})]
    desk.hear("A", *desk.changes("ABC", 1))
    assert desk.said(RoundChange) == []


def test_d14_prepares_inside_a_certificate_of_a_round_change_count() -> None:
    desk = prepared()
    proof = desk.proof(0, desk.block("b2"), "ABD")
    change = desk.changes("B", 1, (0, desk.block("b2")))[0]
    desk.hear("B", ProvenRoundChange(change, proof))
    assert [text for text, _ in alarms(desk)] == [ALARM]


def test_e7_evidence_that_names_the_own_key_stops_signing() -> None:
    """consensus E7, D14: the runtime compares it with the guard (`is_foreign`)."""
    desk = prepared()
    desk.tell(ev.KeyElsewhere(3, 1, *desk.now))
    assert alarms(desk) == [(ALARM, {"height": 3, "round": 1})]
    assert desk.replica.status().silence is Silence.FOREIGN_SIGNATURE


def test_d14_what_the_guard_says_of_a_signature() -> None:
    """consensus D14: only where it signed at all, and nothing there was closed or opened."""
    at, other = Position(8, 0, Step.PREPARE), Position(8, 0, Step.COMMIT)
    slot = Slot(at, b"mine", bytes(range(64)))
    assert not is_foreign([], at, b"other")
    assert not is_foreign([slot], at, b"mine")
    assert is_foreign([slot], at, b"other")
    assert is_foreign([slot], other, b"mine")
    assert not is_foreign([slot, closing(end_of(8))], at, b"other")
    assert not is_foreign([opening(8), slot], at, b"other")
    assert not is_foreign([closing(other)], at, b"other")
    proposal = make_proposal(key("A"), Desk().block("b1"))
    assert position(proposal.record) == (8, 0, Step.PROPOSAL)
    assert b"wijk.proposal.1" in signed_bytes(CHAIN, proposal.record)


# -------------------------------------------------------------------- whom it must never stop


def test_d8_a_node_with_a_torn_tail_meets_all_its_words_again_and_votes_on() -> None:
    """consensus D8, D14: what was torn never left, and whatever left is in the guard."""
    desk = prepared()
    block = desk.block("b1")
    torn = desk.slots[-1]
    desk.hear("A", *desk.prepares("ABC", 0, block))
    assert desk.said(Commit)
    desk.slots = [torn]  # the append of the commit was cut: it was not sent
    desk.start()
    desk.meet()
    desk.hear("B", *desk.prepares("D", 0, block), *desk.prepares("ABC", 0, block))

    assert [text for text, _ in alarms(desk)] == []
    assert desk.slots[-1].position == Position(8, 0, Step.COMMIT)
    assert desk.replica.status().silence is None


def test_d10_a_wiped_store_beside_its_guard_meets_all_its_words_and_joins_again() -> None:
    """consensus D10, D14, F24: guard kept, records gone, and every peer repeats what it said."""
    desk = prepared()
    block = desk.block("b1")
    desk.hear("A", *desk.prepares("ABC", 0, block))
    desk.records = OpenRecords()
    desk.start()
    said = [*desk.prepares("D", 0, block), *desk.commits("D", 0, block)]
    desk.hear("A", *said)  # before the gate is open
    desk.meet()
    desk.hear("A", *said)
    told = alarms(desk)
    close_height(desk, "ABD")
    told += alarms(desk)
    desk.hear("A", *said)
    told += alarms(desk)

    assert ALARM not in [text for text, _ in told]
    assert desk.replica.status().silence is None
    desk.hear("A", *desk.changes("ABC", 1))
    assert desk.said(RoundChange)


def test_f25_an_old_image_meets_its_later_words_on_the_way_and_joins_again() -> None:
    """consensus F25, D10: certificates and votes of the lost days are no other machine."""
    desk = prepared()
    desk.start()  # the guard of height 8; it had signed up to 12
    for one in "AB":
        desk.hear(one, desk.status(height=12))
    told = []
    for height in range(8, 12):
        desk.hear("A", make_prepare(key("D"), height, 1, desk.block("lost").block_id))
        told += alarms(desk)
        close_height(desk, "ABD", "lost", 1)
        told += alarms(desk)
    desk.hear("A", make_prepare(key("D"), 12, 0, desk.block("lost").block_id))
    told += alarms(desk)

    assert raised(desk) == []
    assert desk.slots[-1] == closing(end_of(12))
    assert [text for text, _ in told] == ["join-barrier"]
    close_height(desk, "ABD", "lost")
    assert [text for text, _ in alarms(desk)] == ["join-barrier-passed"]
    assert desk.replica.status().silence is None


def test_d10_an_image_of_this_very_height_joins_again_and_does_not_stop() -> None:
    """consensus D10, F25: G is no lower than A, and still a commit is missing in the guard."""
    for early in (True, False):
        desk = prepared()
        image, records = list(desk.slots), desk.records
        desk.hear("A", *desk.prepares("ABC", 0, desk.block("b1")))
        desk.slots, desk.records = list(image), records
        lost = make_commit(key("D"), 8, 0, desk.block("b1").block_id)
        desk.start()
        if early:
            desk.hear("A", lost)
        desk.meet()
        desk.hear("A", lost)

        assert desk.slots == [*image, closing(end_of(8))]
        assert desk.replica.status().silence is Silence.BARRIER
        close_height(desk, "ABD")
        assert desk.replica.status().silence is None
        desk.hear("A", *desk.changes("ABC", 1))
        assert desk.said(RoundChange)


def test_d10_an_image_of_the_end_of_a_height_joins_again_once_it_meets_its_words() -> None:
    """consensus D10, F25: G = A, and the guard holds nothing of the height it signed at."""
    for early in (True, False):
        desk = Desk()
        desk.slots = [Slot(Position(7, 0, Step.COMMIT), b"of height 7", bytes(range(64)))]
        image = list(desk.slots)
        lost = make_commit(key("D"), 8, 0, desk.block("b1").block_id)
        desk.start()
        if early:
            desk.hear("A", lost)
        desk.meet()
        desk.hear("A", lost)

        assert desk.slots == [*image, closing(end_of(8))]
        assert desk.replica.status().silence is Silence.BARRIER
        desk.hear("A", desk.proposal(desk.block("b1")), *desk.changes("ABC", 1))
        assert desk.did(ev.SignAndSend) == []
        close_height(desk, "ABD")
        assert desk.replica.status().silence is None
        desk.hear("A", *desk.changes("ABC", 1))
        assert desk.said(RoundChange)


def test_d10_a_lost_store_meets_the_votes_of_its_sound_guard_and_joins_no_barrier() -> None:
    """consensus D10, F24: at heights up to the guard's it was this guard that let them be said."""
    desk = Desk()
    desk.slots = [Slot(Position(9, 0, Step.COMMIT), b"of height 9", bytes(range(64)))]
    desk.start(acked=9)
    for _ in range(2):
        close_height(desk, "ABD")
    desk.meet()

    assert alarms(desk) == []
    assert desk.replica.status().silence is None


def test_d10_a_new_link_shows_the_peers_own_words_before_the_status() -> None:
    """consensus D10, D9: a start gate that opens on this status has seen them."""
    desk = prepared()
    old, new = (make_commit(key("B"), 8, at, desk.block("b2").block_id) for at in (0, 1))
    change = desk.changes("B", 1)[0]
    desk.hear("C", old, new, change)

    desk.tell(ev.LinkUp(key("B"), *desk.now))

    sent = sent_to(desk, "B")
    assert sent[:2] == [new, change]
    assert isinstance(sent[2], Status)
    assert old not in sent
    desk.tell(ev.LinkUp(key("A"), *desk.now))
    first, second = sent_to(desk, "A")[:2]
    assert isinstance(first, SignedProposal)
    assert isinstance(second, Status)


def test_d14_a_forged_signature_of_the_own_key_is_the_fault_of_who_sent_it() -> None:
    desk = prepared()
    real = make_prepare(key("D"), 8, 0, desk.block("b2").block_id)
    forged = SignedPrepare(real.record, key("D"), bytes(64))
    desk.hear("A", forged)
    assert alarms(desk) == []
    assert [one.fault for one in desk.did(ev.Ignore)] == [True]
