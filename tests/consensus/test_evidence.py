"""What the core reports of liars, what it keeps, and whom a fork names (consensus E, F28)."""

from __future__ import annotations

import json

import pytest

from chain.evidence import BareProposal, build_evidence, check_evidence, get_conviction
from chain.validators import ValidatorSet
from consensus import events as ev
from consensus.events import Timing
from consensus.messages import (
    CompactBlock,
    Justification,
    ProvenRoundChange,
    SignedCommit,
    SignedMessage,
    SignedPrepare,
    SignedRoundChange,
)
from consensus.witness import ROUNDS_KEPT, Witness, bare
from node.fork import Fork, compute_fork, write_fork, write_lines
from tests.consensus.desk import Desk
from tests.consensus.made import CHAIN, key, make_commit, make_prepare, make_set, verify

SLOW = Timing(round_ms=60_000, heartbeat_ms=600_000)
ABCD = make_set("ABCD")


def convicted(desk: Desk, *blocks: CompactBlock) -> list[tuple[bytes, str]]:
    """Return whom the last effects accuse, each proven from its bytes alone."""
    headers = {block.block_id: block.header for block in blocks}
    found = []
    for effect in desk.did(ev.Accuse):
        evidence = build_evidence(CHAIN, effect.first, effect.second, headers.get)
        assert evidence is not None
        check_evidence(evidence, CHAIN, ABCD, verify)
        conviction = get_conviction(evidence)
        found.append((conviction.key, conviction.kind))
    return found


def test_e1_each_contradiction_is_reported_once_with_both_messages() -> None:
    """consensus E1, B9: however often and in however many ways it is said again."""
    desk = Desk(timing=SLOW).watch()
    one, two, three = (desk.block(name) for name in ("b1", "b2", "b3"))
    cases: list[tuple[list[SignedMessage], str]] = [
        ([desk.proposal(block) for block in (one, two, three)], "a"),
        ([desk.prepares("B", 0, block)[0] for block in (one, two, three)], "b"),
        ([desk.commits("B", 0, block)[0] for block in (one, two, three)], "c"),
        ([desk.changes("C", 1)[0], *desk.changes("C", 1, (0, one))], "f"),
    ]
    for (first, *others), kind in cases:
        desk.hear("C", first)
        desk.hear("C", others[0])
        assert convicted(desk, one, two, three) == [(first.signer, kind)]
        (effect,) = desk.did(ev.Accuse)
        assert {effect.first, effect.second} == {bare(first), bare(others[0])}
        for again in (*others, first):
            desk.hear("C", again)
            assert desk.did(ev.Accuse) == []


def test_e1d_a_commit_and_a_change_that_forgot_it_in_either_order() -> None:
    for turned in (False, True):
        desk = Desk(timing=SLOW).watch()
        block = desk.block("b1")
        said = [desk.commits("B", 0, block)[0], desk.changes("B", 1)[0]]
        for message in reversed(said) if turned else said:
            desk.hear("C", message)
        assert convicted(desk, block) == [(key("B"), "d")]


def test_e1c_a_commit_against_its_header_whichever_comes_first() -> None:
    for turned in (False, True):
        desk = Desk(timing=SLOW).watch()
        block = desk.block("b1")
        false = make_commit(key("B"), 8, 0, block.block_id, 7)
        if turned:
            desk.hear("C", false)
            desk.hear("A", desk.proposal(block))
            desk.hear("C", *desk.prepares("BC", 0, block), *desk.commits("AC", 0, block))
            desk.new_height()
        else:
            desk.hear("A", desk.proposal(block))
            desk.hear("C", false)
        assert convicted(desk, block) == [(key("B"), "c")]


def test_e1e_f16_reasons_that_the_leader_signed_and_that_are_false() -> None:
    """consensus F16: rejected, and evidence if the digest matches; else nobody is framed."""
    desk = Desk("D", timing=SLOW).watch()
    block = desk.block("b2", "B")
    few = Justification(tuple(desk.changes("AB", 1)), None)
    enough = Justification(tuple(desk.changes("ABC", 1)), None)
    signed = desk.proposal(block, 1, enough)
    framed = type(signed)(signed.record, signed.signer, signed.signature, block, few)

    desk.hear("C", framed)
    assert desk.did(ev.Accuse) == []
    desk.hear("B", desk.proposal(block, 1, few))
    assert convicted(desk) == [(key("B"), "a"), (key("B"), "e")]  # it signed both


def test_f15_a_vote_inside_a_certificate_convicts_too() -> None:
    """consensus F15, R8: C prepared b2 alone, and b1 in the proof that D claims."""
    desk = Desk("B", timing=SLOW).watch()
    block, other = desk.block("b1"), desk.block("b2")
    desk.hear("C", *desk.prepares("C", 0, other))
    change = desk.changes("D", 1, (0, block))[0]
    assert isinstance(change, SignedRoundChange)

    desk.hear("D", ProvenRoundChange(change, desk.proof(0, block, "ACD")))

    assert convicted(desk) == [(key("C"), "b")]


def test_f14_what_comes_after_the_decision_still_convicts() -> None:
    """consensus F14: the second half of a lie arrives late, at this height and at the next."""
    desk = Desk("D", timing=SLOW).watch()
    block, other, third = desk.block("b1"), desk.block("b2"), desk.block("b3")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.prepares("ABC", 0, block), *desk.commits("ABC", 0, block))
    assert desk.applied is not None

    desk.hear("C", desk.proposal(other))
    assert convicted(desk, block, other) == [(key("A"), "a")]
    of_height_before = desk.commits("B", 0, third)
    desk.new_height()
    desk.hear("C", *of_height_before)
    assert desk.replica.status().height == 9
    assert convicted(desk, block, third) == [(key("B"), "c")]


def test_a_forged_second_message_costs_its_link_and_accuses_nobody() -> None:
    desk = Desk("D", timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.prepares("ABC", 0, block), *desk.commits("ABC", 0, block))
    forged = make_prepare(key("B"), 8, 0, bytes(32))

    desk.hear("C", type(forged)(forged.record, forged.signer, bytes(64)))

    assert desk.did(ev.Accuse) == []
    assert [one.fault for one in desk.did(ev.Ignore)] == [True]


def test_d14_a_node_never_accuses_itself() -> None:
    """consensus D14: it falls silent; the others see both messages and report it."""
    desk = Desk("D", timing=SLOW).watch()
    desk.hear("A", desk.proposal(desk.block("b1")))

    desk.hear("A", make_prepare(key("D"), 8, 0, bytes(32)))

    assert [alarm.text for alarm in desk.did(ev.Alarm)] == ["key-in-use-elsewhere"]
    assert desk.did(ev.Accuse) == []


def test_e5_a_height_of_one_round_is_forgotten_and_one_of_two_is_kept() -> None:
    desk = Desk("D", timing=SLOW).watch()
    block = desk.block("b1")
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.prepares("ABC", 0, block), *desk.commits("ABC", 0, block))
    desk.new_height()
    assert desk.did(ev.Retain) == []

    desk = Desk("D", timing=SLOW).watch()
    reasons = Justification(tuple(desk.changes("ABC", 1)), None)
    block = desk.block("b2", "B")
    desk.hear("B", desk.proposal(block, 1, reasons))
    desk.hear("C", *desk.prepares("ABC", 1, block), *desk.commits("ABC", 1, block))
    desk.new_height()

    (kept,) = desk.did(ev.Retain)
    assert desk.did(ev.Inquire) == []
    kinds = [type(one) for one in kept.said]
    assert kept.height == 8
    assert kinds.count(BareProposal) == 1
    assert kinds.count(SignedRoundChange) >= 3  # out of the justification
    assert kinds.count(SignedPrepare) >= 3
    assert kinds.count(SignedCommit) >= 3


def test_b9_what_is_kept_is_bounded_by_the_validators() -> None:
    """consensus B9, F34: whoever talks without end is kept as briefly as anybody."""
    witness = Witness()
    for round_ in range(1_000):
        for name in "AB":
            witness.note(make_prepare(key(name), 8, round_, bytes([round_ % 256]) * 32))
            witness.note(make_prepare(key(name), 8, round_, bytes(32)))
            witness.note(make_commit(key(name), 8, round_, bytes(32)))

    assert len(witness.messages()) <= 2 * (2 * ROUNDS_KEPT + 2)  # and a pair of a letter


def test_e5_every_conflicting_message_is_kept_also_of_a_height_of_one_round() -> None:
    desk = Desk("D", timing=SLOW).watch()
    block, other = desk.block("b1"), desk.block("b2")
    desk.hear("A", desk.proposal(block))
    lie, truth = (desk.prepares("B", 0, one)[0] for one in (other, block))
    desk.hear("B", lie, *desk.prepares("ABC", 0, block), *desk.commits("ABC", 0, block))
    desk.new_height()

    (kept,) = desk.did(ev.Retain)

    assert kept.height == 8
    assert set(kept.said) == {lie, truth}


def test_e5_what_contradicts_after_the_decision_is_kept_at_the_next_one() -> None:
    desk = Desk("D", timing=SLOW).watch()
    block = desk.block("b1")
    truth, lie = (desk.commits("B", 0, one)[0] for one in (block, desk.block("b2")))
    desk.hear("A", desk.proposal(block))
    desk.hear("C", *desk.prepares("ABC", 0, block), *desk.commits("ABC", 0, block))
    desk.new_height()
    assert desk.did(ev.Retain) == []
    desk.hear("B", lie)

    following = desk.block("b3")
    desk.hear("A", desk.proposal(following))
    desk.hear("C", *desk.prepares("ABC", 0, following), *desk.commits("ABC", 0, following))
    desk.new_height()

    (kept,) = desk.did(ev.Retain)
    assert kept.height == 8
    assert set(kept.said) == {truth, lie}


def test_f14_who_prepared_another_proposal_than_ours_is_asked_at_the_end() -> None:
    """consensus E5, F14: two halves, two proposals; neither half can prove it alone."""
    desk = Desk("D", timing=SLOW).watch()
    shown, hidden = desk.block("b1"), desk.block("b2")
    desk.hear("A", desk.proposal(shown))
    desk.hear("A", *desk.prepares("ABC", 0, hidden), *desk.commits("ABC", 0, hidden))
    desk.hear("A", desk.certificate(0, hidden, "ABC"))
    desk.new_height()

    (asked,) = desk.did(ev.Inquire)

    assert asked.height == 8
    assert asked.of == tuple(sorted(key(name) for name in "ABC"))[:2]  # f + 1 of them


# F28 with n = 4: A and B lie, C and D are honest.


def decide_here(desk: Desk, name: str) -> CompactBlock:
    """Round 0: the leader A and B give this node a block of its own."""
    block = desk.block(name)
    desk.hear("A", desk.proposal(block))
    desk.hear("A", *desk.prepares("AB", 0, block), *desk.commits("AB", 0, block))
    assert desk.applied is not None
    return block


def decide_later(desk: Desk) -> CompactBlock:
    """Round 1: A and B change the round as if they had committed to nothing."""
    changes = desk.changes("AB", 1)
    desk.hear("A", *changes)
    reasons = Justification((*changes, desk.changes(desk.own or "", 1)[0]), None)
    block = desk.block("b2", "B")
    desk.hear("B", desk.proposal(block, 1, reasons))
    desk.hear("A", *desk.prepares("AB", 1, block), *desk.commits("AB", 1, block))
    assert desk.applied is not None
    return block


def explain(desk: Desk, validators: ValidatorSet = ABCD) -> Fork:
    (halt,) = desk.did(ev.Halt)
    return compute_fork(halt.first, halt.second, validators, halt.said, lambda _: None)


@pytest.mark.parametrize("rounds", ["one", "two"])
def test_f28_a_fork_names_f_plus_one_liars_and_nobody_honest(rounds: str) -> None:
    """consensus F28, E6: whichever round the other certificate is of."""
    desk = Desk("D", timing=SLOW).watch()
    if rounds == "one":
        decide_here(desk, "b1")
        desk.hear("C", desk.certificate(0, desk.block("b3"), "ABC"))
    else:
        decide_later(desk)
        desk.hear("C", desk.certificate(0, desk.block("b1"), "ABC"))

    fork = explain(desk)

    assert fork.is_complete
    kind = "c" if rounds == "one" else "d"
    assert [(one.key, one.kind) for one in fork.culprits] == [(key("A"), kind), (key("B"), kind)]


def test_f28_a_node_that_heard_too_little_says_so_and_gives_what_it_heard() -> None:
    """consensus E5, E6: C decided in round 0 and heard nothing of round 1."""
    desk = Desk("C", timing=SLOW).watch()
    decide_here(desk, "b1")
    desk.hear("D", desk.certificate(1, desk.block("b2", "B"), "ABD"))

    fork = explain(desk)

    assert fork.culprits == ()
    assert not fork.is_complete
    assert any("ten minste 2" in line for line in write_lines(fork))
    assert any("at least 2" in line for line in write_lines(fork))


def test_f28_what_a_decided_node_hears_of_later_rounds_is_enough() -> None:
    """consensus E5, E6: C has decided, and still keeps what A and B say of round 1."""
    desk = Desk("C", timing=SLOW).watch()
    decide_here(desk, "b1")
    desk.hear("D", *desk.changes("ABD", 1))
    desk.hear("D", desk.certificate(1, desk.block("b2", "B"), "ABD"))

    fork = explain(desk)

    assert [one.key for one in fork.culprits] == [key("A"), key("B")]


def test_e7_the_report_is_in_two_languages_and_holds_the_signed_bytes() -> None:
    desk = Desk("D", timing=SLOW).watch()
    decide_here(desk, "b1")
    desk.hear("C", desk.certificate(0, desk.block("b3"), "ABC"))
    fork = explain(desk)

    lines, report = write_lines(fork), json.loads(write_fork(fork))

    assert any("wijk-a" in line and "sleutel op twee machines" in line for line in lines)
    assert any("wijk-a" in line and "key is on two machines" in line for line in lines)
    assert report["height"] == 8
    assert report["need"] == 2
    assert [one["name"] for one in report["culprits"]] == ["wijk-a", "wijk-b"]
    assert len(report["messages"]) == len(fork.said)
