"""What is kept, what is dropped before any signature, and what peers are sent: B and T7 rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chain.validators import CommitCertificate, write_bitmap
from consensus import events as ev
from consensus.events import Timer, Timing
from consensus.messages import (
    Justification,
    Message,
    Prepare,
    ProvenRoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
)
from consensus.open_height import SIGNED_MAX
from consensus.replica import Replica
from tests.consensus.desk import Desk
from tests.consensus.made import (
    CHAIN,
    key,
    make_block,
    make_commit,
    make_prepare,
    make_proposal,
    make_round_change,
    verify,
)

SLOW = Timing(round_ms=10_000)


class Counting(Desk):
    """A desk that counts the signature checks."""

    def _make(self) -> Replica:
        self.checks = 0

        def count(signer: bytes, message: bytes, signature: bytes) -> bool:
            self.checks += 1
            return verify(signer, message, signature)

        return Replica(CHAIN, key(self.own or "D"), count)

    def cost(self, peer: str, *messages: Message) -> int:
        before = self.checks
        self.hear(peer, *messages)
        return self.checks - before


def entries(desk: Desk) -> int:
    """Count everything the replica holds of the open height and of early ones."""
    at = desk.replica._open
    return (
        len(at.marks)
        + len(at.candidates)
        + len(at.blocks)
        + len(at.signed)
        + sum(len(rounds) for rounds in at.prepares._votes.values())
        + sum(len(rounds) for rounds in at.commits._votes.values())
        + len(at.changes._highest)
        + len(at.changes._proofs)
        + len(desk.replica._early._kept)
    )


# -------------------------------------------------------------------------------------- B8


def test_b8_what_cannot_count_is_dropped_before_its_signature_is_checked() -> None:
    """consensus B8, F34: strangers, other heights, past rounds, repetitions."""
    desk = Counting(timing=SLOW).watch()
    assert isinstance(desk, Counting)
    block = desk.block("b1")
    desk.hear(
        "A", desk.proposal(block), *desk.prepares("A", 0, block), *desk.commits("A", 0, block)
    )
    desk.hear("A", *desk.changes("A", 3))
    free: list[Message] = [
        make_prepare(key("J"), 8, 0, block.block_id),  # a stranger
        make_prepare(key("A"), 7, 0, block.block_id),  # decided long ago
        make_prepare(key("A"), 11, 0, block.block_id),  # far ahead
        make_prepare(key("A"), 8, 0, block.block_id),  # said before
        make_commit(key("A"), 8, 0, block.block_id),
        make_round_change(key("A"), 8, 3),
        make_round_change(key("A"), 8, 2),  # below its own highest
        desk.proposal(block),
        make_proposal(key("C"), block),  # not its turn
    ]

    assert [desk.cost("B", message) for message in free] == [0] * len(free)
    assert desk.cost("B", *desk.commits("B", 0, block)) == 1


def test_b8_a_message_of_another_chain_is_a_fault_of_the_link() -> None:
    desk = Counting().watch()
    assert isinstance(desk, Counting)
    other = Prepare(bytes(32), 8, 0, desk.block("b1").block_id)

    assert desk.cost("A", SignedPrepare(other, key("A"), bytes(64))) == 0
    assert desk.did(ev.Ignore) == [ev.Ignore(key("A"), "a message of another chain", True)]


@pytest.mark.parametrize("kind", [SignedPrepare, SignedCommit, SignedRoundChange, SignedProposal])
def test_b8_a_wrong_signature_leaves_no_trace(kind: type) -> None:
    """A forged vote must not take the place of the true one."""
    desk = Desk().watch()
    block = desk.block("b1")
    every: list[SignedMessage] = [
        desk.prepares("A", 0, block)[0],
        desk.commits("A", 0, block)[0],
        desk.changes("A", 1)[0],
        desk.proposal(block),
    ]
    (good,) = (one for one in every if type(one) is kind)
    before = entries(desk)
    desk.hear("B", structs.replace(good, signature=bytes(64)))
    assert desk.did(ev.Ignore) == [ev.Ignore(key("B"), "a wrong signature", True)]
    assert entries(desk) == before
    desk.hear("A", good)
    assert entries(desk) > before


def test_b7_a_certificate_of_an_impossible_round_is_dropped_before_its_signatures() -> None:
    """consensus B7, F34: no round is above 65,535, and none is worth a check."""
    desk = Counting().watch()
    assert isinstance(desk, Counting)
    for round_ in (65_536, 2**63 - 1):
        assert desk.cost("B", desk.certificate(round_, desk.block("b1"))) == 0
        assert desk.did(ev.Ignore)[0].fault
    assert desk.cost("B", desk.certificate(65_535, desk.block("b1"))) == 3
    assert desk.did(ev.Fetch)


# -------------------------------------------------------------------------------------- B7, B9


@pytest.mark.parametrize("height", [8, 9, 10])
def test_b7_a_block_with_more_evidence_than_e3_allows_is_refused_on_arrival(height: int) -> None:
    """consensus B7, E3: whoever held it could not send it on, neither as a body nor re-proposed.

    The leader's signature names the header alone, so a relay could pad an honest proposal as well.
    """
    desk = Counting().watch()
    assert isinstance(desk, Counting)
    desk.height = height
    block = desk.block("b1")
    fits = structs.replace(block, evidence=(bytes(32 * 1024),) * 2)
    padded = structs.replace(block, evidence=(bytes(32 * 1024), bytes(32 * 1024 + 1)))
    before = entries(desk)
    desk.hear("A", desk.proposal(padded))
    assert desk.did(ev.Ignore) == [ev.Ignore(key("A"), "more evidence than a block may hold", True)]
    assert desk.did(ev.Fetch) == []
    assert entries(desk) <= before + 1  # the round of a valid signature is noted (R6)
    desk.hear("A", desk.proposal(fits))
    assert desk.did(ev.Ignore) == []


def test_b9_a_flood_of_valid_messages_of_one_key_stays_small() -> None:
    """consensus B9, F34, F35, P25: ever new rounds and blocks, all well signed."""
    desk = Desk("D").watch()
    n = 4
    for step in range(300):
        block = make_block(f"flood {step}", key("B"), 8)
        desk.hear(
            "B",
            make_round_change(key("B"), 8, 1 + step * 3),
            make_prepare(key("B"), 8, step, block.block_id),
            make_commit(key("B"), 8, step % 2, block.block_id),
            make_proposal(
                key("B"),
                block,
                1 + 4 * step,
                Justification((*desk.changes("BCA", 1 + 4 * step),), None),
            ),
            make_prepare(key("B"), 9, step, block.block_id),
            make_commit(key("B"), 10, step, block.block_id),
        )

    assert entries(desk) <= 20 * n + SIGNED_MAX


def test_b7_two_heights_ahead_only_the_end_of_the_link_is_heard() -> None:
    """consensus B7: of h + 1 all that is valid, of h + 2 nothing that is relayed."""
    desk = Counting().watch()
    assert isinstance(desk, Counting)
    block_id = desk.block("x").block_id
    assert desk.cost("A", make_prepare(key("B"), 9, 0, block_id)) == 1
    assert desk.cost("A", make_prepare(key("B"), 10, 0, block_id)) == 0
    assert desk.cost("B", make_commit(key("B"), 10, 0, block_id)) == 0
    assert desk.cost("A", make_round_change(key("A"), 9, 1)) == 0

    assert len(desk.replica._early._kept) == 2


def test_b7_at_most_two_proposals_of_the_next_height_are_kept() -> None:
    desk = Desk().watch()
    for one in "ABC":
        desk.hear(one, make_proposal(key(one), make_block(one, key(one), 9)))

    assert len(desk.replica._early._kept) == 2


def test_b7_early_votes_count_as_soon_as_their_height_opens() -> None:
    """consensus B7: a node that is a moment behind loses nothing."""
    desk = Desk(n=4, timing=SLOW).watch()
    block = make_block("next", key("A"), 9)
    proposal = make_proposal(key("A"), block)
    votes = [make_prepare(key(one), 9, 0, block.block_id) for one in "AB"]
    desk.hear("B", *votes, proposal)
    desk.mono_ms += 60_000
    desk.new_height()

    assert [draft.block_id for draft in desk.said(Prepare)] == [block.block_id]
    assert len(desk.did(ev.SignAndSend)) == 2  # T10: stamped when it came, not a minute later


def test_b7_at_the_round_cap_the_node_stops_and_asks_for_help() -> None:
    desk = Desk().watch(work=True)
    for one in "AB":
        desk.hear(one, make_round_change(key(one), 8, 65_535))
    assert desk.round == 65_535
    desk.time_out()
    assert [alarm.text for alarm in desk.did(ev.Alarm)] == ["round-cap"]
    assert desk.round == 65_535


def test_b9_a_block_nobody_needs_any_more_is_forgotten() -> None:
    desk = Desk(hold=[ev.Fetch]).watch()
    first = desk.block("b1")
    desk.hear("A", desk.proposal(first))
    desk.time_out()
    second = desk.block("b2", "B")
    desk.hear("B", desk.proposal(second, 1, Justification((*desk.changes("ABC", 1),), None)))
    desk.tell(ev.BlockAvailable(make_block("never asked", key("A"), 8), *desk.now))

    assert second.block_id in desk.replica._open.blocks
    assert len(desk.replica._open.blocks) == 2  # A's proposal is the one kept of A
    desk.tell(ev.BlockAvailable(second, *desk.now))
    assert desk.said(Prepare)


# ------------------------------------------------------------------------------------------ T7


def twice(desk: Desk, peer: str, status: Status) -> list[Message]:
    """Let a peer show twice that it lacks something, and return what it is sent."""
    desk.hear(peer, status)
    desk.hear(peer, status)
    return [effect.message for effect in desk.did(ev.Send) if effect.to == (key(peer),)]


def test_t7_a_peer_one_height_behind_gets_the_certificate() -> None:
    """consensus T7, F6, P18."""
    desk = Desk().watch()
    sent = twice(desk, "B", desk.status(height=7))

    assert sent == [desk.context.tip]
    assert isinstance(sent[0], CommitCertificate)


def test_t7_a_peer_far_behind_or_ahead_is_left_to_sync() -> None:
    desk = Desk().watch()

    assert twice(desk, "B", desk.status(height=3)) == []
    assert twice(desk, "B", desk.status(height=12)) == []


def test_t7_a_peer_without_the_proposal_gets_it_and_the_votes_it_lacks() -> None:
    """consensus T7, F7, F9: two validators without a link to each other agree through a third."""
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    proposal = desk.proposal(block)
    desk.hear("A", proposal, *desk.prepares("A", 0, block), *desk.commits("A", 0, block))
    bare = desk.status()
    assert [type(one).__name__ for one in twice(desk, "C", bare)] == [
        "SignedProposal",
        "SignedPrepare",
        "SignedPrepare",
        "SignedCommit",
    ]
    half: Status = structs.replace(
        bare, proposal=block.block_id, prepares=write_bitmap([0, 3], 4), commits=b"\x00"
    )
    assert twice(desk, "C", half) == desk.commits("A", 0, block)


def test_t7_the_first_status_is_not_answered() -> None:
    """It crosses with what is on its way; answering it would be a storm of n squared."""
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.replica._peers.unlink(key("C"), 0)
    desk.hear("C", desk.status())
    assert desk.did(ev.Send) == []


def test_t7_a_peer_in_a_lower_round_gets_the_round_changes_that_bring_it_up() -> None:
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    changes = desk.changes("A", 2, (0, block)) + desk.changes("B", 2)
    proven = ProvenRoundChange(changes[0], desk.proof(0, block))
    desk.hear("A", proven, changes[1])
    sent = twice(desk, "C", desk.status(round_=1))

    assert proven in sent
    assert changes[1] in sent


def test_t7_a_leader_that_lacks_a_proof_gets_it() -> None:
    """consensus M13: the round change alone would not be counted."""
    desk = Desk("D", timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.time_out()
    lacking = structs.replace(desk.status(round_=1), round_changes=b"\x00")

    assert [type(one) for one in twice(desk, "B", lacking)][:1] == [ProvenRoundChange]


@pytest.mark.parametrize("bitmap", [b"", b"\x10", b"\x01\x00"])
def test_t7_a_wrong_bitmap_is_a_fault_of_the_link(bitmap: bytes) -> None:
    desk = Desk().watch()
    desk.hear("B", structs.replace(desk.status(), prepares=bitmap))

    assert desk.did(ev.Ignore)[0].fault


@given(st.data())
def test_t7_an_answer_never_exceeds_what_is_held(data: st.DataObject) -> None:
    """consensus B7, T7: at most a proposal and three votes per validator."""
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.hear("B", *desk.commits("B", 0, block), *desk.changes("B", 2))
    status = Status(
        data.draw(st.integers(6, 10)),
        data.draw(st.integers(0, 3)),
        data.draw(st.integers(0, 12)),
        bytes(32),
        data.draw(st.none() | st.just(block.block_id)),
        bytes([data.draw(st.integers(0, 15))]),
        bytes([data.draw(st.integers(0, 15))]),
        bytes([data.draw(st.integers(0, 15))]),
        None,
        0,
    )
    before = entries(desk)

    assert len(twice(desk, "C", status)) <= 1 + 3 * 4
    assert entries(desk) == before


# ------------------------------------------------------------------------ F15 to F17, evidence


def test_f15_an_equivocator_inside_a_certificate_does_not_spoil_it() -> None:
    """consensus R8, F15: C prepared two blocks; the proof with its vote is judged as a whole."""
    desk = Desk("B", timing=SLOW).watch()
    block, other = desk.block("b1"), desk.block("b2")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.prepares("C", 0, other))
    proof = desk.proof(0, block, "ACD")
    desk.hear("D", ProvenRoundChange(desk.changes("D", 1, (0, block))[0], proof))
    desk.hear("A", *desk.changes("A", 1))
    desk.fire(Timer.RESEND)

    accepted = desk.replica.status()
    assert accepted.round == 1
    assert accepted.accepted == block.block_id


def test_a_second_word_of_one_validator_is_told_and_not_counted() -> None:
    """consensus R8, E1: it is left for evidence."""
    desk = Desk(timing=SLOW).watch()
    one, two = desk.block("b1"), desk.block("b2")
    pairs = [
        (desk.prepares("B", 0, one)[0], desk.prepares("B", 0, two)[0], "prepare"),
        (desk.commits("B", 0, one)[0], desk.commits("B", 0, two)[0], "commit"),
        (desk.changes("B", 1)[0], desk.changes("B", 1, (0, one))[0], "round change"),
        (desk.proposal(one), desk.proposal(two), "proposal"),
    ]
    for first, second, kind in pairs:
        desk.hear("C", first)
        desk.hear("C", second)
        assert desk.why_ignored() == [f"contradicts its own {kind}"]
        assert not desk.did(ev.Ignore)[0].fault


@pytest.mark.parametrize("claim", [(1, "same"), (5, "later"), ("half", "")])
def test_r2d_f17_an_impossible_claim_is_refused_on_arrival(claim: tuple[object, str]) -> None:
    """consensus R2d, F17, and nobody changes to round 0."""
    from consensus.messages import RoundChange
    from tests.consensus.made import sign

    desk = Desk().watch()
    block_id = desk.block("b1").block_id
    if claim[0] == "half":
        record = RoundChange(CHAIN.genesis_digest, 8, 1, 0, None)
    else:
        assert isinstance(claim[0], int)
        record = RoundChange(CHAIN.genesis_digest, 8, 1, claim[0], block_id)
    for bad in (record, RoundChange(CHAIN.genesis_digest, 8, 0, None, None)):
        desk.hear("B", sign(key("B"), bad))
        assert desk.did(ev.Ignore)[0].fault


def test_r8_a_proof_that_proves_something_else_is_refused() -> None:
    desk = Desk("B").watch()
    block, other = desk.block("b1"), desk.block("b2")
    change = desk.changes("C", 1, (0, block))[0]
    for proof in (desk.proof(0, other), desk.proof(1, block)):
        desk.hear("C", ProvenRoundChange(change, proof))
        assert desk.did(ev.Ignore)[0].fault
        assert desk.replica._open.changes.proof(change.record) is None
