"""Mirrors evidence: what convicts a key, and every near miss that does not (consensus E1, E2, I6).

Each piece is made of the messages that validators really sign, and judged from its bytes.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chain.codec import decode, encode
from chain.errors import Malformed
from chain.evidence import (
    EVIDENCE_BYTES_MAX,
    Amnesia,
    BareProposal,
    Evidence,
    FalseCommit,
    FalseProposal,
    Testimony,
    TwoCommits,
    TwoPrepares,
    TwoProposals,
    TwoRoundChanges,
    build_evidence,
    check_evidence,
    decode_evidence,
    find_conflict,
    find_culprits,
    get_commits,
    get_conviction,
)
from chain.records import Header
from chain.signed import Justification, SignedCommit, SignedPrepare, SignedRoundChange
from consensus.messages import ChainName, CompactBlock
from consensus.witness import bare
from tests.consensus.made import (
    CHAIN,
    key,
    make_block,
    make_commit,
    make_commit_certificate,
    make_prepare,
    make_prepared_certificate,
    make_proposal,
    make_round_change,
    make_set,
    verify,
)

ABCD = make_set("ABCD")
LIAR, HEIGHT = key("D"), 8
ONE, TWO = make_block("one", LIAR, HEIGHT), make_block("two", LIAR, HEIGHT)
HEADERS = {block.block_id: block.header for block in (ONE, TWO)}


def offer(
    block: CompactBlock = ONE, round_: int = 0, reasons: Justification | None = None
) -> BareProposal:
    said = bare(make_proposal(LIAR, block, round_, reasons or Justification((), None)))
    assert isinstance(said, BareProposal)
    return said


def prepare(block: CompactBlock = ONE, round_: int = 0) -> SignedPrepare:
    return make_prepare(LIAR, HEIGHT, round_, block.block_id)


def commit(block: CompactBlock = ONE, round_: int = 0, size: int = 0) -> SignedCommit:
    return make_commit(LIAR, HEIGHT, round_, block.block_id, size)


def change(round_: int, prepared: int | None = None) -> SignedRoundChange:
    claim = None if prepared is None else (prepared, ONE.block_id)
    return make_round_change(LIAR, HEIGHT, round_, claim)


def reasons(
    *letters: str, round_: int = 1, claim: tuple[int, bytes] | None = None, proof: Any = None
) -> Justification:
    changes = [make_round_change(key(one), HEIGHT, round_, claim) for one in letters]
    return Justification(tuple(changes), proof)


def proof_of(block: CompactBlock, round_: int = 0) -> Any:
    return make_prepared_certificate("ABC", "ABCD", HEIGHT, round_, block.block_id)


def prove(first: Testimony, second: Testimony | Header | Justification) -> Evidence:
    found = build_evidence(CHAIN, first, second, HEADERS.get)
    assert found is not None
    return found


def judge(evidence: Evidence, **changes: Any) -> None:
    again = decode_evidence(encode(evidence))
    assert again == evidence
    options: dict[str, Any] = {"chain": CHAIN, "validators": ABCD, "verify": verify, **changes}
    check_evidence(again, **options)


PROVEN: dict[str, tuple[Evidence, type, str]] = {
    "a": (prove(offer(), offer(TWO)), TwoProposals, "a"),
    "a: two reasons": (
        prove(offer(round_=1, reasons=reasons(*"ABC")), offer(round_=1, reasons=reasons(*"BCD"))),
        TwoProposals,
        "a",
    ),
    "b": (prove(prepare(), prepare(TWO)), TwoPrepares, "b"),
    "c: two": (prove(commit(), commit(TWO)), TwoCommits, "c"),
    "c: two sizes": (prove(commit(), commit(size=1)), TwoCommits, "c"),
    "c: one": (prove(commit(size=1), ONE.header), FalseCommit, "c"),
    "d: nil": (prove(commit(), change(1)), Amnesia, "d"),
    "d: lower": (prove(commit(round_=2), change(3, 1)), Amnesia, "d"),
    "d: much later": (prove(change(9, 0), commit(round_=1)), Amnesia, "d"),
    "e: reasons at round 0": (
        prove(offer(reasons=reasons("A")), reasons("A")),
        FalseProposal,
        "e",
    ),
    "f": (prove(change(1), change(1, 0)), TwoRoundChanges, "f"),
}

(change_of_c,) = reasons("C").round_changes

# R2c, R2d, R2f: each line of them broken alone (F16).
FALSE: dict[str, Justification] = {
    "none": Justification((), None),
    "too few": reasons(*"AB"),
    "doubled": reasons(*"ABB"),
    "a stranger": reasons(*"ABE"),
    "another round": reasons(*"ABC", round_=2),
    "another height": Justification(
        (*reasons(*"AB").round_changes, make_round_change(key("C"), HEIGHT - 1, 1)), None
    ),
    "wrong signature": Justification(
        (
            *reasons(*"AB").round_changes,
            replace(reasons("C").round_changes[0], signature=bytes(64)),
        ),
        None,
    ),
    "prepared in the round": reasons(*"ABC", claim=(1, ONE.block_id), proof=proof_of(ONE, 1)),
    "prepared later": reasons(*"ABC", claim=(4, ONE.block_id), proof=proof_of(ONE, 4)),
    "no proof": reasons(*"ABC", claim=(0, ONE.block_id)),
    "proof of another block": reasons(*"ABC", claim=(0, TWO.block_id), proof=proof_of(TWO)),
    "proof of fewer": reasons(
        *"ABC",
        claim=(0, ONE.block_id),
        proof=replace(proof_of(ONE), bitmap=b"\x03", signatures=proof_of(ONE).signatures[:2]),
    ),
    "nobody claims it": reasons(*"ABC", claim=(0, TWO.block_id), proof=proof_of(ONE)),
}


@pytest.mark.parametrize("name", PROVEN)
def test_e1_each_kind_is_proven(name: str) -> None:
    evidence, kind, letter = PROVEN[name]

    judge(evidence)

    assert type(evidence) is kind
    assert get_conviction(evidence) == (LIAR, HEIGHT, letter)
    assert len(encode(evidence)) < EVIDENCE_BYTES_MAX


@pytest.mark.parametrize("name", FALSE)
def test_e1e_f16_a_proposal_with_false_reasons_is_proven(name: str) -> None:
    """consensus E1e: R2c, R2d and R2f, each broken alone."""
    evidence = prove(offer(round_=1, reasons=FALSE[name]), FALSE[name])

    judge(evidence)

    assert get_conviction(evidence).kind == "e"


GOOD: dict[str, tuple[int, Justification]] = {
    "round 0": (0, Justification((), None)),
    "fresh": (1, reasons(*"ABC")),
    "all of them": (1, reasons(*"ABCD")),
    "carried": (1, reasons(*"ABC", claim=(0, ONE.block_id), proof=proof_of(ONE))),
    # R2e and not R2c, R2d or R2f: the proposal is refused, and proves nothing.
    "a proof that nobody claims": (1, reasons(*"ABC", proof=proof_of(ONE))),
}


@pytest.mark.parametrize("name", GOOD)
def test_e1e_good_reasons_prove_nothing(name: str) -> None:
    round_, why = GOOD[name]

    with pytest.raises(Malformed, match="good reasons"):
        judge(prove(offer(round_=round_, reasons=why), why))


def test_e1e_reasons_that_the_leader_did_not_sign_frame_nobody() -> None:
    """consensus M4: anybody could attach bad ones."""
    evidence = FalseProposal(offer(round_=1, reasons=reasons(*"ABC")), reasons(*"AB"))

    with pytest.raises(Malformed, match="another justification"):
        judge(evidence)


# An honest validator signs each of these pairs, and none of them is evidence.
HONEST: dict[str, tuple[Testimony, Testimony]] = {
    "the same bytes again": (prepare(), prepare()),
    "another signature": (prepare(), replace(prepare(), signature=bytes(64))),
    "two rounds": (prepare(round_=0), prepare(TWO, 1)),
    "two heights": (prepare(), make_prepare(LIAR, HEIGHT + 1, 0, TWO.block_id)),
    "two validators": (prepare(), make_prepare(key("A"), HEIGHT, 0, TWO.block_id)),
    "a proposal again in a later round": (offer(), offer(round_=1, reasons=reasons(*"ABC"))),
    "a commit and a change that carries it": (commit(), change(1, 0)),
    "a change that carries a later one": (commit(round_=1), change(5, 3)),
    "a change and then a commit of a higher round": (change(1), commit(round_=1)),
    "a change to a round below": (change(1), commit(round_=2)),
    "changes to two rounds": (change(1), change(2, 0)),
    "commits of two rounds": (commit(), commit(round_=1)),
    "a prepare after another's commit": (prepare(TWO, 1), commit()),
    "a late prepare beside a change": (prepare(), change(1)),
    "a proposal beside a prepare": (offer(), prepare(TWO)),
}


@pytest.mark.parametrize("name", HONEST)
def test_i6_what_the_honest_sign_is_no_evidence(name: str) -> None:
    first, second = HONEST[name]

    assert find_conflict(first, second) is None
    assert find_conflict(second, first) is None
    assert find_culprits([first, second], HEADERS) == {}


@pytest.mark.parametrize("name", HONEST)
def test_e1_a_pair_that_proves_nothing_is_refused_in_any_dress(name: str) -> None:
    first, second = HONEST[name]
    dresses: list[Any] = [
        TwoProposals(first, second),  # type: ignore[arg-type]
        TwoPrepares(first, second),  # type: ignore[arg-type]
        TwoCommits(first, ONE.header, second, TWO.header),  # type: ignore[arg-type]
        TwoRoundChanges(first, second),  # type: ignore[arg-type]
        Amnesia(first, ONE.header, second),  # type: ignore[arg-type]
    ]
    refused = 0
    for dress in dresses:
        try:
            evidence = decode_evidence(encode(dress))
        except Malformed:
            refused += 1  # another kind of message than this dress is made of
            continue
        with pytest.raises(Malformed):
            check_evidence(evidence, CHAIN, ABCD, verify)
        refused += 1

    assert refused == len(dresses)


def spoil(evidence: Any, **changes: Any) -> Any:
    return replace(evidence, **changes)


OTHER_CHAIN = ChainName(bytes(32), "demo-1")


@pytest.mark.parametrize("name", PROVEN)
def test_e2_evidence_of_another_chain_is_refused(name: str) -> None:
    """consensus E2, M6: the same key may serve a test network, and commits name no genesis."""
    with pytest.raises(Malformed, match="another chain"):
        judge(PROVEN[name][0], chain=OTHER_CHAIN)


@pytest.mark.parametrize("name", PROVEN)
def test_e1_a_key_outside_the_set_of_the_height_is_not_judged(name: str) -> None:
    """consensus E1, V2."""
    with pytest.raises(Malformed, match="no validator"):
        judge(PROVEN[name][0], validators=make_set("ABCE"))


@pytest.mark.parametrize("name", PROVEN)
def test_e1_every_signature_counts(name: str) -> None:
    """Nobody is framed with words it did not sign."""
    evidence: Any = PROVEN[name][0]
    for field in ("first", "second", "commit", "change", "proposal"):
        said = getattr(evidence, field, None)
        if said is not None:
            forged = spoil(evidence, **{field: replace(said, signature=bytes(64))})
            with pytest.raises(Malformed, match="signature"):
                judge(forged)


def test_e2_the_header_is_the_one_that_the_commit_names() -> None:
    amnesia: Any = PROVEN["d: nil"][0]
    two: Any = PROVEN["c: two"][0]
    false: Any = PROVEN["c: one"][0]
    for evidence in (
        spoil(amnesia, header=TWO.header),
        spoil(two, first_header=two.second_header),
        spoil(two, second_header=two.first_header),
        spoil(false, header=TWO.header),
    ):
        with pytest.raises(Malformed, match="another header"):
            judge(evidence)


def test_e2_a_commit_whose_header_nobody_has_is_not_proven_yet() -> None:
    for second in (commit(TWO), change(1)):
        assert build_evidence(CHAIN, commit(), second, lambda _: None) is None


def test_e2_a_commit_that_names_a_block_of_another_height_proves_nothing() -> None:
    """Found by a random schedule: a liar commits at this height to the block of the last one."""
    old = make_block("old", LIAR, HEIGHT - 1)
    headers = {**HEADERS, old.block_id: old.header}
    for second in (commit(), change(1), old.header):
        assert build_evidence(CHAIN, commit(old), second, headers.get) is None


def test_e1c_a_commit_that_agrees_with_its_header_proves_nothing() -> None:
    with pytest.raises(Malformed, match="agrees"):
        judge(FalseCommit(commit(), ONE.header))


@pytest.mark.parametrize("name", ["a", "b", "c: two", "f"])
def test_a_pair_has_one_order(name: str) -> None:
    """One misdeed has one encoding: nobody makes two pieces of it."""
    evidence: Any = PROVEN[name][0]
    turned = spoil(evidence, first=evidence.second, second=evidence.first)
    if isinstance(evidence, TwoCommits):
        turned = spoil(
            turned, first_header=evidence.second_header, second_header=evidence.first_header
        )

    with pytest.raises(Malformed, match="wrong order"):
        judge(turned)


def test_bytes_that_are_no_evidence_are_refused() -> None:
    for raw in (b"", b"x", encode(prepare()), bytes(EVIDENCE_BYTES_MAX + 1)):
        with pytest.raises(Malformed):
            decode_evidence(raw)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_judge(raw: bytes) -> None:
    try:
        check_evidence(decode_evidence(raw), CHAIN, ABCD, verify)
    except Malformed:
        return
    raise AssertionError("random bytes convict nobody")


@given(st.sampled_from(sorted(PROVEN)), st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_never_convicts_somebody_else(name: str, place: int, by: int) -> None:
    """Evidence is all signed: whatever is changed, it is refused or accuses the same key."""
    raw = bytearray(encode(PROVEN[name][0]))
    raw[place % len(raw)] ^= by
    try:
        evidence = decode_evidence(bytes(raw))
        check_evidence(evidence, CHAIN, ABCD, verify)
    except Malformed:
        return
    assert get_conviction(evidence).key == LIAR


def test_e6_two_certificates_of_one_round_name_whoever_signed_both() -> None:
    first = make_commit_certificate("ABC", "ABCD", HEIGHT, 0, ONE.block_id)
    second = make_commit_certificate("BCD", "ABCD", HEIGHT, 0, TWO.block_id)

    guilty = find_culprits([*get_commits(first, ABCD), *get_commits(second, ABCD)], HEADERS)

    assert {found: why[0] for found, why in guilty.items()} == {key("B"): "c", key("C"): "c"}


def test_e6_certificates_of_two_rounds_name_those_who_forgot() -> None:
    """consensus E1d: B and C committed in round 0, and let round 1 begin as if they had not."""
    first = make_commit_certificate("ABC", "ABCD", HEIGHT, 0, ONE.block_id)
    second = make_commit_certificate("BCD", "ABCD", HEIGHT, 1, TWO.block_id)
    said = [*get_commits(first, ABCD), *get_commits(second, ABCD)]

    alone = find_culprits(said, HEADERS)
    heard = find_culprits([*said, *reasons(*"BCD").round_changes], HEADERS)

    assert alone == {}
    assert {found: why[0] for found, why in heard.items()} == {key("B"): "d", key("C"): "d"}


def test_evidence_reads_back_as_the_kind_it_is() -> None:
    for evidence, kind, _ in PROVEN.values():
        assert isinstance(decode(kind, encode(evidence)), kind)
