"""The agreement rules R1 to R8, one by one, on one replica (consensus section 3).

Four validators, A leads round 0, B round 1, and so on; D is watched unless the test says so.
"""

from __future__ import annotations

import pytest

from chain.evidence import get_commits
from consensus import events as ev
from consensus.events import Timer, Timing
from consensus.messages import (
    Commit,
    CompactBlock,
    DraftProposal,
    Justification,
    Prepare,
    Prepared,
    ProvenRoundChange,
    RoundChange,
    SignedProposal,
)
from tests.consensus.desk import Desk
from tests.consensus.made import (
    key,
    make_block,
    make_prepared_certificate,
    make_round_change,
    make_set,
)

FORK = "two certificates for one height"

SLOW = Timing(round_ms=4_000)  # so that words are said again within a round


def reasons(
    desk: Desk, signers: str, round_: int, claims: dict[str, tuple[int, CompactBlock]] | None = None
) -> Justification:
    """Return a justification of round changes, with a proof of the highest claim."""
    claims = claims or {}
    changes = tuple(desk.changes(one, round_, claims.get(one))[0] for one in signers)
    proof = None
    if claims:
        highest, block = max(claims.values(), key=lambda claim: claim[0])
        proof = desk.proof(highest, block)
    return Justification(changes, proof)


def order_of(desk: Desk) -> list[str]:
    return [type(effect).__name__ for effect in desk.effects]


# ------------------------------------------------------------------------------------ R1, R7


def test_r1_the_leader_of_round_0_proposes_as_soon_as_there_is_work() -> None:
    """consensus R1, T8, D3: the body is durable before the proposal is signed."""
    desk = Desk("A").watch()
    desk.tell(ev.WorkPending(True, *desk.now))

    (draft,) = desk.said(DraftProposal)
    assert draft.justification == Justification((), None)
    assert draft.record.round == 0
    effects = desk.effects
    assert effects.index(ev.Persist(draft)) < effects.index(ev.SignAndSend(draft))
    assert [prepare.block_id for prepare in desk.said(Prepare)] == [draft.record.block_id]


def test_r1_others_do_not_propose_in_round_0() -> None:
    desk = Desk("B").watch()
    desk.tell(ev.WorkPending(True, *desk.now))

    assert desk.did(ev.Propose) == []


def test_r7_a_proposal_is_made_once_per_round() -> None:
    """consensus R7, P11: asked once, however often events come."""
    desk = Desk("A", hold=[ev.Propose]).watch(work=False)
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.did(ev.Propose) == [ev.Propose(8, 0)]
    desk.in_touch()
    desk.tell(ev.WorkPending(True, *desk.now))
    assert desk.did(ev.Propose) == []
    desk.tell(ev.Proposed(8, 0, desk.block("b1"), *desk.now))
    assert len(desk.said(DraftProposal)) == 1
    desk.tell(ev.Proposed(8, 0, desk.block("b2"), *desk.now))
    assert desk.said(DraftProposal) == []


def test_r7_a_new_leader_proposes_fresh_when_nobody_claims_a_prepared_block() -> None:
    desk = Desk("B").watch()
    desk.hear("C", *desk.changes("C", 1))
    desk.hear("D", *desk.changes("D", 1))

    (draft,) = desk.said(DraftProposal)
    assert draft.record.round == 1
    assert {one.signer for one in draft.justification.round_changes} == {
        key("B"), key("C"), key("D"),
    }  # fmt: skip
    assert draft.justification.certificate is None


def test_r7_a_new_leader_carries_the_highest_proven_block() -> None:
    """consensus R7, P2: header, creator and time stay as they are."""
    desk = Desk("C").watch()
    old, new = desk.block("old"), desk.block("new", "B")
    desk.hear("A", desk.proposal(old))
    desk.hear("B", desk.proposal(new, 1, reasons(desk, "ABD", 1)))
    low = ProvenRoundChange(desk.changes("A", 2, (0, old))[0], desk.proof(0, old))
    high = ProvenRoundChange(desk.changes("B", 2, (1, new))[0], desk.proof(1, new))
    desk.hear("A", low)
    desk.hear("B", high)

    (draft,) = desk.said(DraftProposal)
    assert draft.record.block_id == new.block_id
    assert draft.block == new
    assert draft.justification.certificate == desk.proof(1, new)


def test_r7_an_unproven_claim_is_not_counted() -> None:
    """consensus R7, F17: a claim without its certificate neither counts nor blocks."""
    desk = Desk("B").watch()
    desk.hear("C", *desk.changes("C", 1, (0, desk.block("b1"))))
    desk.hear("D", *desk.changes("D", 1))
    assert desk.said(DraftProposal) == []
    desk.hear("A", *desk.changes("A", 1))

    (draft,) = desk.said(DraftProposal)
    assert {one.signer for one in draft.justification.round_changes} == {
        key("A"), key("B"), key("D"),
    }  # fmt: skip


def test_r7_without_the_body_of_the_carried_block_the_leader_asks_for_it_and_stays_silent() -> None:
    """consensus R7, F18: never an own value."""
    desk = Desk("B", timing=SLOW).watch()
    block = desk.block("b1")
    claim = ProvenRoundChange(desk.changes("C", 1, (0, block))[0], desk.proof(0, block, "ACD"))
    desk.hear("C", claim)
    desk.hear("D", *desk.changes("D", 1))

    assert desk.said(DraftProposal) == []
    assert desk.did(ev.Propose) == []
    (fetch,) = desk.did(ev.Fetch)
    assert (fetch.block_id, fetch.block) == (block.block_id, None)
    assert set(fetch.sources) == {key(one) for one in "ACD"}
    desk.fire(Timer.RESEND)
    assert desk.did(ev.Fetch) == [fetch]
    desk.tell(ev.BlockAvailable(block, *desk.now))
    assert [draft.record.block_id for draft in desk.said(DraftProposal)] == [block.block_id]


def test_r7_a_block_that_came_too_late_for_its_round_is_not_proposed() -> None:
    desk = Desk("A", hold=[ev.Propose]).watch(work=False)
    desk.tell(ev.WorkPending(True, *desk.now))
    desk.time_out()
    desk.tell(ev.Proposed(8, 0, desk.block("late"), *desk.now))

    assert desk.said(DraftProposal) == []


# ----------------------------------------------------------------------------------------- R2


def test_r2_an_accepted_proposal_is_durable_before_its_prepare_is_signed() -> None:
    """consensus R2, D3."""
    desk = Desk().watch()
    proposal = desk.proposal(desk.block("b1"))
    desk.hear("A", proposal)

    (prepare,) = desk.said(Prepare)
    assert (prepare.height, prepare.round) == (8, 0)
    effects = desk.effects
    assert effects.index(ev.Persist(proposal)) < effects.index(ev.SignAndSend(prepare))


def test_r2a_only_the_leader_of_the_round_proposes() -> None:
    desk = Desk().watch()
    desk.hear("B", desk.proposal(desk.block("b1", "B"), signer="B"))

    assert desk.did(ev.Fetch) == []
    assert desk.did(ev.Ignore)[0].fault


def test_r2a_a_wrong_signature_is_refused() -> None:
    desk = Desk().watch()
    good = desk.proposal(desk.block("b1"))
    bad = SignedProposal(good.record, good.signer, bytes(64), good.block, good.justification)
    desk.hear("A", bad)
    assert desk.why_ignored() == ["a wrong signature"]
    desk.hear("A", good)
    assert desk.said(Prepare)


def test_r2b_a_second_proposal_of_the_round_changes_nothing() -> None:
    """consensus R2b, F14: what was accepted first stays."""
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1")))
    desk.hear("A", desk.proposal(desk.block("b2")))

    assert desk.said(Prepare) == []
    assert desk.replica.status().accepted == desk.block("b1").block_id


def test_r2b_a_higher_proposal_moves_the_node_at_once() -> None:
    """consensus R2b: as Besu does, also when nothing was accepted so far."""
    desk = Desk().watch()
    desk.hear("B", desk.proposal(desk.block("b2", "B"), 1, reasons(desk, "ABC", 1)))

    assert desk.round == 1
    assert [prepare.round for prepare in desk.said(Prepare)] == [1]
    assert desk.said(RoundChange) == []


def test_r2b_a_lower_proposal_is_never_accepted() -> None:
    desk = Desk().watch()
    desk.hear("B", desk.proposal(desk.block("b2", "B"), 1, reasons(desk, "ABC", 1)))
    desk.hear("A", desk.proposal(desk.block("b1")))

    assert desk.said(Prepare) == []
    assert desk.why_ignored() == ["too late: of round 0, now in 1"]


def bad_justifications() -> list[tuple[str, Justification]]:
    desk = Desk()
    block, other = desk.block("b1", "B"), desk.block("other")
    change = desk.changes
    stranger = make_round_change(key("J"), 8, 1)
    elsewhere = make_round_change(key("C"), 9, 1)
    claims = tuple(change("A", 1, (0, block)) + change("BC", 1))
    few = desk.proof(0, block)
    forged = make_prepared_certificate("ABCE", "ABCDE", 8, 0, block.block_id)
    unsigned = change("A", 1)[0]
    unsigned = type(unsigned)(unsigned.record, unsigned.signer, bytes(64))
    return [
        ("R2c none at all", Justification((), None)),
        ("R2c too few", Justification(tuple(change("AB", 1)), None)),
        ("R2c one twice", Justification(tuple(change("ABB", 1)), None)),
        ("R2c a stranger", Justification((*change("AB", 1), stranger), None)),
        ("R2c another round", Justification((*change("AB", 1), *change("C", 2)), None)),
        ("R2c another height", Justification((*change("AB", 1), elsewhere), None)),
        ("R2c not signed", Justification((*change("BC", 1), unsigned), None)),
        ("R2d prepared in its own round", Justification(
            (*change("AB", 1), *change("C", 1, (1, block))), desk.proof(1, block))),
        ("R2f no certificate", Justification(claims, None)),
        ("R2f of another round", Justification(claims, desk.proof(1, block))),
        ("R2f of another block", Justification(claims, desk.proof(0, other))),
        ("R2f of another set", Justification(claims, forged)),
        ("R2f claimed by nobody", Justification(tuple(change("ABC", 1)), few)),
        ("R2f for another block", Justification(
            tuple(change("A", 1, (0, other)) + change("BC", 1)), desk.proof(0, other))),
        ("R2f claimed for another block", Justification(
            tuple(change("A", 1, (0, other)) + change("BC", 1)), few)),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [pytest.param(bad, id=name) for name, bad in bad_justifications()])
def test_r2_a_bad_justification_is_refused(bad: Justification) -> None:
    """consensus R2c, R2d, R2f, F16: refused before its body is even fetched."""
    desk = Desk().watch()
    desk.hear("B", desk.proposal(desk.block("b1", "B"), 1, bad))

    assert desk.did(ev.Fetch) == []
    assert desk.said(Prepare) == []
    assert desk.did(ev.Ignore)[0].fault


def test_r2c_a_justification_in_round_0_is_refused() -> None:
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1"), 0, reasons(desk, "ABC", 1)))

    assert desk.why_ignored() == ["round 0 needs no justification"]


def test_r2c_another_justification_than_the_signed_one_does_not_frame_the_leader() -> None:
    """consensus M4, R2c: the honest copy is accepted after the tampered one."""
    desk = Desk().watch()
    good = desk.proposal(desk.block("b1", "B"), 1, reasons(desk, "ABC", 1))
    swapped = SignedProposal(
        good.record, good.signer, good.signature, good.block, reasons(desk, "BCD", 1)
    )
    desk.hear("C", swapped)
    assert desk.why_ignored() == ["another justification than the leader signed"]
    desk.hear("B", good)
    assert desk.said(Prepare)


def test_r2e_a_fresh_block_of_somebody_else_is_refused() -> None:
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1", "C")))

    assert desk.why_ignored() == ["a fresh block that the leader did not create"]


def test_r2f_the_carried_block_is_accepted_without_a_look_at_the_clock() -> None:
    """consensus R2f, T11, F33: prepared an hour ago, and still good."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.mono_ms += 3_600_000
    proposal = desk.proposal(block, 1, reasons(desk, "ABC", 1, {"A": (0, block)}))
    desk.hear("B", proposal)

    assert [prepare.block_id for prepare in desk.said(Prepare)] == [block.block_id]


def test_r2g_round_changes_need_not_agree() -> None:
    """consensus R2g: only the highest claim binds; a lower one may name anything."""
    desk = Desk().watch()
    high, low = desk.block("high"), desk.block("low")
    said = reasons(desk, "ABC", 2, {"A": (1, high), "B": (0, low)})
    desk.hear("C", desk.proposal(high, 2, said))

    assert [prepare.block_id for prepare in desk.said(Prepare)] == [high.block_id]


def test_r2h_nothing_is_prepared_before_it_was_executed() -> None:
    desk = Desk(hold=[ev.Fetch, ev.Execute]).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    (fetch,) = desk.did(ev.Fetch)
    assert fetch.sources == (key("A"),)
    assert desk.said(Prepare) == []
    desk.tell(ev.BlockAvailable(block, *desk.now))
    assert desk.did(ev.Execute) == [ev.Execute(block.block_id)]
    assert desk.said(Prepare) == []
    desk.tell(ev.Executed(block.block_id, None, *desk.now))
    assert desk.said(Prepare)


def test_r2h_a_block_with_other_roots_gets_no_prepare_and_the_chain_goes_on() -> None:
    """consensus R2h, S5, F42: prepare is withheld; only a certificate shows who was wrong."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.invalid.add(block.block_id)
    desk.hear("A", desk.proposal(block))
    assert desk.said(Prepare) == []
    assert desk.why_ignored() == ["invalid block: roots differ"]
    desk.time_out()
    assert [change.prepared_round for change in desk.said(RoundChange)] == [None]


@pytest.mark.parametrize("change", ["parent", "height", "time"])
def test_r2h_a_block_that_does_not_follow_its_parent_is_refused(change: str) -> None:
    desk = Desk().watch()
    block = {
        "parent": make_block("b", key("A"), 8, parent_id=bytes(32)),
        "height": make_block("b", key("A"), 9),
        "time": desk.block("b", time_ms=desk.context.parent_time_ms),
    }[change]
    proposal = desk.proposal(block)
    desk.hear("A", proposal)

    assert desk.did(ev.Fetch) == []
    assert desk.said(Prepare) == []


# ----------------------------------------------------------------------------------------- R3


def test_r3_a_quorum_of_prepares_earns_a_commit_and_the_certificate_is_durable_first() -> None:
    """consensus R3, D3."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("A", *desk.prepares("A", 0, block))
    assert desk.said(Commit) == []
    desk.hear("B", *desk.prepares("B", 0, block))

    (commit,) = desk.said(Commit)
    (persist,) = desk.did(ev.Persist)
    assert isinstance(persist.record, Prepared)
    assert persist.record.certificate == desk.proof(0, block, "ABD")
    assert desk.effects.index(persist) < desk.effects.index(ev.SignAndSend(commit))
    assert (commit.log_size, commit.log_root) == (block.header.log_size, block.header.log_root)


def test_r3_a_commit_is_given_once_a_round() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.hear("C", *desk.prepares("C", 0, block))

    assert desk.said(Commit) == []
    assert len(desk.slots) == 2


def test_r3_prepares_may_come_before_the_proposal() -> None:
    """The order of arrival does not matter."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("B", *desk.prepares("AB", 0, block))
    desk.hear("A", desk.proposal(block))

    assert [type(draft) for draft in desk.said(object)] == [Prepare, Commit]


def test_r3_prepares_for_another_block_do_not_count() -> None:
    desk = Desk().watch()
    desk.hear("A", desk.proposal(desk.block("b1")))
    desk.hear("B", *desk.prepares("ABC", 0, desk.block("b2")))

    assert desk.said(Commit) == []


def test_r3_prepares_of_the_next_round_wait_for_it() -> None:
    """consensus B9: the round after this one is kept as well."""
    desk = Desk().watch()
    block = desk.block("b2", "B")
    desk.hear("C", *desk.prepares("BC", 1, block))
    desk.hear("B", desk.proposal(block, 1, reasons(desk, "ABC", 1)))

    assert [type(draft) for draft in desk.said(object)] == [Prepare, Commit]


# ----------------------------------------------------------------------------------------- R4


def test_r4_a_quorum_of_commits_decides() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("AB", 0, block))
    desk.hear("A", *desk.commits("A", 0, block))
    assert desk.did(ev.Apply) == []
    desk.hear("B", *desk.commits("B", 0, block))

    (apply,) = desk.did(ev.Apply)
    assert apply.certificate == desk.certificate(0, block, "ABD")


def test_r4_commits_of_a_past_round_decide() -> None:
    """consensus R4, F12: the quorum came one tick after the timer."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.time_out()
    assert desk.round == 1
    desk.hear("A", *desk.commits("A", 0, block))
    desk.hear("B", *desk.commits("B", 0, block))

    assert [apply.certificate.round for apply in desk.did(ev.Apply)] == [0]


def test_r4_commits_of_different_rounds_do_not_add_up() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("A", *desk.commits("AB", 0, block), *desk.commits("C", 1, block))

    assert desk.did(ev.Apply) == []


def test_r4_the_decision_stands_while_its_block_is_missing() -> None:
    """consensus R4: fetched by its id from those who signed."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("C", *desk.commits("ABC", 0, block))
    (fetch,) = desk.did(ev.Fetch)
    assert fetch == ev.Fetch(block.block_id, None, tuple(key(one) for one in "ABC"))
    assert desk.did(ev.Apply) == []
    desk.tell(ev.BlockAvailable(block, *desk.now))
    assert len(desk.did(ev.Apply)) == 1
    desk.tell(ev.BlockAvailable(block, *desk.now))
    assert desk.did(ev.Apply) == []


def test_r4_a_certificate_from_a_peer_decides() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", desk.certificate(3, block))

    assert [apply.certificate.round for apply in desk.did(ev.Apply)] == [3]


def test_r4_a_certificate_with_too_few_or_wrong_signatures_decides_nothing() -> None:
    """consensus R8, M10."""
    desk = Desk().watch()
    good = desk.certificate(0, desk.block("b1"))
    wrong = type(good)(
        good.height, good.round, good.block_id, 1, good.log_root, good.bitmap, good.signatures
    )
    few = type(good)(
        good.height, good.round, good.block_id, 0, good.log_root, b"\x03", good.signatures[:2]
    )
    for bad in (wrong, few):
        desk.hear("C", bad)
        assert desk.did(ev.Ignore)[0].fault
        assert desk.did(ev.Fetch) == []


def test_r4_nothing_more_is_signed_once_the_height_is_decided() -> None:
    """consensus D13."""
    desk = Desk(hold=[ev.Execute]).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.commits("ABC", 0, block))
    desk.tell(ev.Executed(block.block_id, None, *desk.now))

    assert desk.said(object) == []


def test_m11_a_commit_against_its_header_is_dropped() -> None:
    """consensus M11, E1c."""
    from tests.consensus.made import make_commit

    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", make_commit(key("C"), 8, 0, block.block_id, log_size=7))

    assert desk.why_ignored() == ["a commit that contradicts its header"]
    assert desk.replica.status().committed_by == ()


def test_e6_two_certificates_for_one_height_halt_the_node() -> None:
    """consensus E6: before the decision is durable, and after."""
    desk = Desk().watch()
    first, second = desk.certificate(0, desk.block("b1")), desk.certificate(1, desk.block("b2"))
    desk.hear("C", first)
    desk.hear("C", second)
    (halt,) = desk.did(ev.Halt)
    assert (halt.reason, halt.first, halt.second) == (FORK, first, second)
    assert set(halt.said) == {  # E6: what names the culprits is told with it
        *get_commits(first, make_set("ABCD")),
        *get_commits(second, make_set("ABCD")),
    }
    assert desk.tell(ev.WorkPending(True, *desk.now)) == []

    desk = Desk().watch()
    desk.new_height()
    other = make_block("other", key("A"), 8)
    desk.height = 8
    desk.hear("C", desk.certificate(0, other))
    assert len(desk.did(ev.Halt)) == 1


def test_d15_sync_with_another_block_than_the_decided_one_halts_the_node() -> None:
    """consensus D15, E6: the height became durable with another id than was certified here."""
    desk = Desk().watch()
    first, second = desk.certificate(0, desk.block("b1")), desk.certificate(0, desk.block("b2"))
    desk.hear("C", first)
    desk.applied = ev.Apply(second.block_id, second)
    desk.new_height()

    (halt,) = desk.did(ev.Halt)
    assert (halt.reason, halt.first, halt.second) == (FORK, first, second)
    assert desk.did(ev.Send) == []


def test_d15_a_decided_block_is_applied_once() -> None:
    """consensus D15: its certificate again, from peers and from sync, changes nothing."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), desk.certificate(0, block))
    assert len(desk.did(ev.Apply)) == 1
    desk.hear("B", desk.certificate(0, block), desk.certificate(2, block, "BCD"))
    desk.tell(ev.CertificateKnown(desk.certificate(1, block), *desk.now))
    assert desk.did(ev.Apply) == []
    assert desk.did(ev.Halt) == []


@pytest.mark.parametrize("fault", ["parent", "creator", "time"])
def test_m16_own_work_that_peers_would_refuse_ends_the_program_before_it_leaves(fault: str) -> None:
    """consensus M16, P14, P29: the builder of blocks and the judge of proposals disagree."""
    desk = Desk("A", hold=[ev.Propose]).watch()
    desk.tell(ev.WorkPending(True, *desk.now))
    block = {
        "parent": make_block("b", key("A"), 8, parent_id=bytes(32)),
        "creator": desk.block("b", "B"),
        "time": desk.block("b", time_ms=desk.context.parent_time_ms),
    }[fault]
    with pytest.raises(AssertionError, match="our own work is refused"):
        desk.tell(ev.Proposed(8, 0, block, *desk.now))
    assert desk.slots == []


# ------------------------------------------------------------------------------------- R5, R6


def test_r5_the_round_is_left_with_the_prepared_block_in_hand() -> None:
    """consensus R5: leaving after a commit is allowed, because `prepared` travels along."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.time_out()

    (change,) = desk.said(RoundChange)
    assert (change.round, change.prepared_round, change.prepared_id) == (1, 0, block.block_id)
    proven = [
        one.message for one in desk.did(ev.Send) if isinstance(one.message, ProvenRoundChange)
    ]
    assert [one.certificate for one in proven] == [desk.proof(0, block, "ABD")]


def test_m13_the_proof_goes_to_the_new_leader_alone() -> None:
    """consensus M13; without a link to it, to all who may pass it on."""
    desk = Desk(timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    desk.time_out()
    sends = [one for one in desk.did(ev.Send) if isinstance(one.message, ProvenRoundChange)]
    assert [one.to for one in sends] == [(key("B"),)]
    desk.tell(ev.LinkDown(key("B"), *desk.now))
    desk.fire(Timer.RESEND)
    sends = [one for one in desk.did(ev.Send) if isinstance(one.message, ProvenRoundChange)]
    assert [one.to for one in sends] == [None]


def test_r5_after_leaving_nothing_of_a_lower_round_is_signed() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.time_out()
    desk.hear("B", *desk.prepares("ABC", 0, block))

    assert desk.said(object) == []


def test_r5_prepared_survives_several_rounds() -> None:
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    for round_ in (1, 2, 3):
        desk.time_out()
        assert [(change.round, change.prepared_round) for change in desk.said(RoundChange)] == [
            (round_, 0)
        ]


def test_r6_w_higher_rounds_take_the_node_along() -> None:
    """consensus R6, P3: f + 1 of four is two."""
    desk = Desk().watch()
    desk.hear("B", *desk.changes("B", 5))
    assert desk.round == 0
    desk.hear("C", *desk.changes("C", 3))

    assert desk.round == 3
    assert [change.round for change in desk.said(RoundChange)] == [3]


def test_r6_any_valid_signed_message_marks_its_round() -> None:
    """consensus R6: votes of a higher round tell as much as round changes."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("B", *desk.prepares("B", 4, block))
    desk.hear("C", *desk.commits("C", 2, block))

    assert desk.round == 2


def test_r6_one_liar_moves_nobody() -> None:
    desk = Desk().watch()
    desk.hear("B", *desk.changes("B", 60_000))

    assert desk.round == 0


def test_r8_the_votes_of_a_certificate_are_not_counted_one_by_one() -> None:
    """consensus R8: a proof with an equivocator in it is judged whole and adds no votes."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    proven = ProvenRoundChange(desk.changes("A", 1, (0, block))[0], desk.proof(0, block))
    desk.hear("A", proven)

    assert desk.said(Commit) == []
    assert set(desk.replica.status().prepared_by) == {key("D")}


def test_p13_a_timer_and_a_decision_at_one_moment_do_no_harm() -> None:
    """consensus C1, P13."""
    desk = Desk().watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block), *desk.prepares("ABC", 0, block))
    at_ms = desk.timers[Timer.ROUND]
    desk.hear("A", *desk.commits("AB", 0, block))
    desk.mono_ms = at_ms
    desk.tell(ev.TimerFired(Timer.ROUND, *desk.now))

    assert desk.said(object) == []
    assert desk.round == 0
