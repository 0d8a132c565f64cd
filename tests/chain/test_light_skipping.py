"""A light client that skips: F47 of consensus section 16 (consensus S9, Q3, V4, E6)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain import light
from chain.crypto import verify
from chain.errors import Malformed
from chain.light import TRUST_PERIOD_MS, LightBlock, NotTrusted, Trusted
from chain.validators import faulty, signer_keys
from tests.chain.light_chain import (
    BLOCK_MS,
    GENESIS_MS,
    NAMES,
    LightChain,
    make_block,
    make_set,
    start,
)

SEVEN = list(NAMES[:7])  # f = 2, quorum 5, weak quorum 3
NOW_MS = GENESIS_MS + 60_000


def sequential(chain: LightChain, trusted: Trusted, height: int) -> Trusted:
    """Follow every header: what skipping has to agree with."""
    for at in range(trusted.height + 1, height + 1):
        block = chain.blocks[at - 1]
        trusted = light.follow(
            trusted, block.header, block.certificate, block.next_validators, verify
        )
    return trusted


def changing(*turns: tuple[int, list[str]]) -> LightChain:
    """Return a chain: (blocks, names of the set that signs them) in a row."""
    return LightChain([names for count, names in turns for _ in range(count)])


def with_first(count: int) -> list[str]:
    """Return seven validators of whom the first `count` are those of genesis."""
    return SEVEN[:count] + list(NAMES[10 : 17 - count])


def signed_by(block: LightBlock, names: list[str]) -> LightBlock:
    """Return the block with a certificate by these validators instead."""
    return make_block(block.header, block.validators, block.next_validators, names)


def test_f47_an_unchanged_set_is_skipped_to_in_one_step() -> None:
    chain = changing((50, SEVEN))

    trusted = light.follow_to(start(SEVEN), 50, chain, NOW_MS, verify)

    assert trusted == chain.tip == sequential(chain, start(SEVEN), 50)
    assert chain.asked == [50]


def test_f47_skipping_over_set_changes_ends_where_every_header_leads() -> None:
    """consensus S9: three changes of two validators each leave one of seven: halve the way."""
    chain = changing(
        (10, SEVEN), (10, with_first(5)), (10, with_first(3)), (10, with_first(1)), (5, SEVEN)
    )

    trusted = light.follow_to(start(SEVEN), 40, chain, NOW_MS, verify)

    assert trusted == sequential(chain, start(SEVEN), 40)
    assert trusted.validators == make_set(SEVEN)
    assert len(chain.asked) < 8


@pytest.mark.parametrize(
    ("overlap", "accepted"), [(2, False), (3, True)], ids=["exactly f", "exactly f + 1"]
)
def test_f47_overlap_of_exactly_f_is_refused_and_of_f_plus_1_accepted(
    overlap: int, accepted: bool
) -> None:
    """consensus S9, Q3: f keys may all lie; of f + 1 one is honest. n = 7: f = 2, w = 3."""
    coming = with_first(3)
    chain = changing((9, SEVEN), (3, coming))
    names = coming[:overlap] + coming[-(5 - overlap) :]
    block = signed_by(chain.blocks[9], names)  # a quorum of 5 of the new set, `overlap` old ones
    assert len(signer_keys(block.certificate, block.validators)) == 5

    if accepted:
        assert light.skip(start(SEVEN), block, NOW_MS, verify) == sequential(
            chain, start(SEVEN), 10
        )
    else:
        with pytest.raises(NotTrusted, match="2 of the validators after 0 signed 10"):
            light.skip(start(SEVEN), block, NOW_MS, verify)


def test_f47_the_overlap_counts_who_signed_and_not_who_is_in_the_set() -> None:
    """consensus Q4: three of the trusted seven are in the new set, and two of them signed."""
    coming = with_first(3)
    chain = changing((9, SEVEN), (3, coming))
    block = signed_by(chain.blocks[9], coming[1:3] + coming[3:6])

    with pytest.raises(NotTrusted):
        light.skip(start(SEVEN), block, NOW_MS, verify)


def test_f47_a_quorum_of_its_own_set_is_asked_whoever_of_the_old_one_signed() -> None:
    """consensus S9, M10: w old keys alone are no certificate."""
    chain = changing((10, SEVEN))
    block = chain.blocks[9]
    short = msgspec.structs.replace(
        block.certificate, bitmap=b"\x0f", signatures=block.certificate.signatures[:4]
    )

    with pytest.raises(Malformed, match="4 signers; a quorum is 5"):
        light.skip(start(SEVEN), msgspec.structs.replace(block, certificate=short), NOW_MS, verify)


def test_f47_after_the_trust_period_every_block_is_followed() -> None:
    """consensus S9: 30 days. Old keys may be stolen by then; the last ms before still skips."""
    chain = changing((12, SEVEN))
    last = GENESIS_MS + TRUST_PERIOD_MS

    assert light.follow_to(start(SEVEN), 12, chain, last - 1, verify) == chain.tip
    assert chain.asked == [12]
    with pytest.raises(NotTrusted, match="block 0 is too old to skip from"):
        light.skip(start(SEVEN), chain.blocks[11], last, verify)
    chain.asked.clear()
    late = GENESIS_MS + TRUST_PERIOD_MS + 12 * BLOCK_MS
    assert light.follow_to(start(SEVEN), 12, chain, late, verify) == chain.tip
    assert sorted(chain.asked) == list(range(1, 13))  # each once


def test_f47_the_trust_period_is_chain_time_too() -> None:
    """consensus S9: a clock that stands still does not make an old trust young."""
    chain = LightChain([SEVEN] * 8, block_ms=5 * 86_400_000)

    with pytest.raises(NotTrusted, match="too old"):
        light.skip(start(SEVEN), chain.blocks[7], GENESIS_MS, verify)
    assert light.follow_to(start(SEVEN), 8, chain, GENESIS_MS, verify) == chain.tip


def test_f47_no_overlap_falls_back_to_every_header() -> None:
    """consensus S9: sets that are replaced whole at every height are followed by their hashes."""
    chain = LightChain([list(NAMES[first : first + 7]) for first in range(0, 35, 7)])

    trusted = light.follow_to(start(SEVEN), 5, chain, NOW_MS, verify)

    assert trusted == chain.tip
    assert sorted(chain.asked) == [1, 2, 3, 4, 5]


def test_f47_a_lying_primary_gets_nowhere() -> None:
    """F47: a chain of its own validators, however long, is not accepted at any height."""
    strangers = list(NAMES[20:27])
    honest = changing((4, SEVEN), (8, SEVEN))
    forged = LightChain([SEVEN] * 4 + [strangers] * 8)
    lie = forged.blocks[3]
    # It cannot make old validators announce its set: block 4 has the certificate of another one.
    forged.blocks[3] = msgspec.structs.replace(lie, certificate=honest.blocks[3].certificate)

    with pytest.raises(Malformed, match="is of another block"):
        light.follow_to(start(SEVEN), 12, forged, NOW_MS, verify)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"genesis_digest": bytes(32)},
        {"time_ms": GENESIS_MS},
        {"creator": make_set(NAMES[30:31]).keys[0]},
        {"validators_hash": bytes(32)},
        {"next_validators_hash": bytes(32)},
        {"log_size": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_f47_a_header_that_cannot_come_later_is_refused_although_all_signed_it(
    change: dict[str, object],
) -> None:
    block = changing((10, SEVEN)).blocks[9]
    forged = make_block(
        msgspec.structs.replace(block.header, **change), block.validators, block.next_validators
    )

    with pytest.raises(Malformed, match="header 10 with a wrong"):
        light.skip(start(SEVEN), forged, NOW_MS, verify)


def test_f47_a_source_that_shows_another_block_than_asked_is_refused() -> None:
    chain = changing((12, SEVEN))

    with pytest.raises(Malformed, match="block 7 was shown for 9"):
        light.follow_to(start(SEVEN), 9, lambda _height: chain.blocks[6], NOW_MS, verify)
    with pytest.raises(Malformed, match="there is no block 13"):
        light.follow_to(start(SEVEN), 13, chain, NOW_MS, verify)


def test_f47_a_block_that_is_trusted_already_moves_nothing_back() -> None:
    chain = changing((12, SEVEN))
    trusted = sequential(chain, start(SEVEN), 8)

    assert light.follow_to(trusted, 5, chain, NOW_MS, verify) is trusted
    with pytest.raises(Malformed, match="header 5 with a wrong"):
        light.skip(trusted, chain.blocks[4], NOW_MS, verify)


# ----------------------------------------------------------------------- two certificates


def test_f47_two_certificates_for_one_height_are_a_fork_with_culprits() -> None:
    """consensus E6, I1: found at the first height that differs, naming who signed both."""
    ours, theirs = (LightChain([SEVEN] * 40, fork_at=at) for at in (None, 23))

    fork = light.find_fork(start(SEVEN), 40, ours, theirs, NOW_MS, verify)

    assert fork is not None
    assert fork.height == 23
    assert fork.first == ours.blocks[22]
    assert fork.second == theirs.blocks[22]
    assert fork.first.header.parent_id == fork.second.header.parent_id
    # both quora are the first five of the sorted keys
    names = sorted(validator.name for validator in make_set(SEVEN).validators[:5])
    assert list(fork.signed_both) == names


def test_f47_a_fork_names_at_least_f_plus_1() -> None:
    """consensus Q2: any two quora of seven share three."""
    ours, theirs = (LightChain([SEVEN] * 3, fork_at=at) for at in (None, 3))
    keys = [validator.name for validator in make_set(SEVEN).validators]
    ours.blocks[2] = signed_by(ours.blocks[2], keys[:5])
    theirs.blocks[2] = signed_by(theirs.blocks[2], keys[2:])

    fork = light.find_fork(start(SEVEN), 3, ours, theirs, NOW_MS, verify)

    assert fork is not None
    assert list(fork.signed_both) == sorted(keys[2:5])
    assert len(fork.signed_both) == faulty(7) + 1


def test_f47_a_fork_across_a_change_of_the_set_is_found_where_it_began() -> None:
    ours = LightChain([SEVEN] * 10 + [with_first(5)] * 10)
    theirs = LightChain([SEVEN] * 14 + [with_first(6)] * 6, fork_at=9)

    fork = light.find_fork(start(SEVEN), 20, ours, theirs, NOW_MS, verify)

    assert fork is not None
    assert fork.height == 9


def test_f47_a_fork_is_told_also_where_the_way_to_it_is_hidden() -> None:
    """S9: never silently resolved; two certified blocks at one height are evidence as they are."""
    ours, theirs = (LightChain([SEVEN] * 40, fork_at=at) for at in (None, 23))

    def hiding(height: int) -> LightBlock:
        if height != 40:
            raise Malformed("the node does not have it")
        return theirs(height)

    fork = light.find_fork(start(SEVEN), 40, ours, hiding, NOW_MS, verify)

    assert fork is not None
    assert (fork.height, fork.second) == (40, theirs.blocks[39])
    assert len(fork.signed_both) == 5


def test_f47_a_second_source_without_certificates_is_no_fork() -> None:
    """A source that shows what nobody certified is wrong; the chain is not."""
    ours, theirs = (LightChain([SEVEN] * 20, fork_at=at) for at in (None, 11))
    forged = [
        msgspec.structs.replace(theirs.blocks[at], certificate=ours.blocks[at].certificate)
        for at in range(20)
    ]

    with pytest.raises(Malformed, match="is of another block"):
        light.find_fork(start(SEVEN), 20, ours, lambda height: forged[height - 1], NOW_MS, verify)


def test_f47_sources_that_agree_are_asked_once_each() -> None:
    """F13: another round of the same block is the same block."""
    ours, theirs = LightChain([SEVEN] * 20), LightChain([SEVEN] * 20)
    block = theirs.blocks[19]
    theirs.blocks[19] = make_block(
        block.header, block.validators, block.next_validators, SEVEN[:6], round_=2
    )

    assert light.find_fork(start(SEVEN), 20, ours, theirs, NOW_MS, verify) is None
    assert (ours.asked, theirs.asked) == ([20], [20])


# ------------------------------------------------------------------------------- for all


@st.composite
def histories(draw: st.DrawFn) -> list[list[str]]:
    """Draw an honest chain: each change is one that V4 allows, at least two heights apart."""
    names = list(NAMES[: draw(st.integers(4, 10))])
    spare = [name for name in NAMES if name not in names]
    sets: list[list[str]] = []
    for _ in range(draw(st.integers(1, 6))):
        sets += [sorted(names)] * draw(st.integers(2, 6))
        most = max(1, faulty(len(names)))
        gone = draw(st.integers(0, min(most, len(names) - 4)))
        come = draw(st.integers(0, most))
        leaving = draw(st.permutations(names))[:gone]
        joining, spare = spare[:come], spare[come:] + leaving
        names = [name for name in names if name not in leaving] + joining
    return sets


@settings(max_examples=25, deadline=None)
@given(histories(), st.data())
def test_f47_skipping_accepts_only_what_sequential_accepts(
    sets: list[list[str]], data: st.DataObject
) -> None:
    """consensus S9: from any trusted block to any later one both ways end at the same trust."""
    chain = LightChain(sets)
    first = data.draw(st.integers(0, len(sets) - 1))
    last = data.draw(st.integers(first + 1, len(sets)))
    now_ms = GENESIS_MS + data.draw(st.sampled_from((0, TRUST_PERIOD_MS)))
    trusted = sequential(chain, start(sets[0]), first)

    skipped = light.follow_to(trusted, last, chain, now_ms, verify)

    assert skipped == sequential(chain, trusted, last)


@settings(max_examples=25, deadline=None)
@given(histories(), st.data())
def test_f47_f_liars_and_any_strangers_certify_nothing(
    sets: list[list[str]], data: st.DataObject
) -> None:
    """consensus S9: f keys of the trusted set and a whole set of strangers are refused."""
    chain = LightChain(sets)
    trusted = start(sets[0])
    f = faulty(len(sets[0]))
    block = chain.blocks[-1]
    liars = data.draw(st.permutations(sets[0]))[:f]
    strangers = [name for name in NAMES if name not in sets[0]][: 2 * f + 4]
    forged_set = make_set([*liars, *strangers])
    header = msgspec.structs.replace(
        block.header,
        height=max(2, block.header.height),
        creator=forged_set.keys[0],
        validators_hash=forged_set.validators_hash,
        next_validators_hash=forged_set.validators_hash,
    )
    forged = make_block(header, forged_set, forged_set, [*liars, *strangers])

    with pytest.raises(NotTrusted):
        light.skip(trusted, forged, NOW_MS, verify)
