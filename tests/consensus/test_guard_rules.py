"""Mirrors consensus/guard.py: what a key may still sign, and what the bytes of a guard mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.crypto import blake2b, public_key
from consensus.guard import (
    SIGNED_BYTES_MAX,
    SLOT_BYTES,
    START,
    Binding,
    GuardDamaged,
    GuardForeign,
    Position,
    Slot,
    Step,
    encode_binding,
    encode_slot,
    judge,
    position,
    read_guard,
)
from consensus.messages import (
    EMPTY_JUSTIFICATION,
    Commit,
    Draft,
    DraftProposal,
    Prepare,
    RoundChange,
)
from tests.consensus.made import key, make_block, make_proposal

KEY, GENESIS, INSTANCE = key("A"), b"g" * 32, b"i" * 16
BINDING = Binding(KEY, GENESIS, INSTANCE)
SIGNATURE = b"s" * 64

positions = st.builds(Position, st.integers(0, 5), st.integers(0, 5), st.sampled_from(list(Step)))


def write(slots: list[Slot]) -> bytes:
    data, checksum = encode_binding(BINDING)
    for slot in slots:
        raw, checksum = encode_slot(checksum, slot)
        data += raw
    return data


def slots_of(count: int) -> list[Slot]:
    return [
        Slot(Position(1, index, Step.PREPARE), b"said %d" % index, SIGNATURE)
        for index in range(count)
    ]


def read(data: bytes) -> list[Slot]:
    return list(read_guard(data, KEY, GENESIS).slots)


def test_d2_within_a_round_the_order_is_round_change_proposal_prepare_commit() -> None:
    """consensus D2."""
    block = make_block("b", KEY, 4)
    proposal = make_proposal(KEY, block, 2).record
    drafts: list[Draft] = [
        RoundChange(GENESIS, 4, 2, None, None),
        DraftProposal(proposal, block, EMPTY_JUSTIFICATION),
        Prepare(GENESIS, 4, 2, block.block_id),
        Commit(4, 2, block.block_id, 0, bytes(32)),
    ]

    found = [position(draft) for draft in drafts]
    assert found == sorted(found)
    assert found == [Position(4, 2, step) for step in list(Step)[:4]]
    assert found[-1] < Position(4, 2, Step.END) < Position(4, 3, Step.ROUND_CHANGE)


@given(positions, positions, st.booleans())
def test_d2_only_higher_positions_are_signed_and_only_the_same_bytes_repeated(
    last: Position, at: Position, same: bool
) -> None:
    """consensus D2, H1: every pair of positions."""
    verdict = judge(Slot(last, b"one", SIGNATURE), at, b"one" if same else b"two")

    if at > last:
        assert verdict == (None, None)
    elif at == last and same:
        assert verdict == (SIGNATURE, None)
    else:
        assert verdict.refuse is not None
        assert verdict.repeat is None


def test_d2_a_new_key_may_sign_anything() -> None:
    assert judge(None, Position(1, 0, Step.ROUND_CHANGE), b"x") == (None, None)


def test_d10_a_slot_without_a_signature_is_never_repeated() -> None:
    """consensus D10: the end of a height is a position, not a message."""
    end = Slot(Position(9, 0, Step.END), b"", bytes(64))

    assert judge(end, end.position, b"").refuse is not None


@given(
    st.lists(
        st.tuples(st.binary(max_size=SIGNED_BYTES_MAX), st.binary(min_size=64, max_size=64)),
        max_size=5,
    )
)
def test_d1_what_was_written_is_read_back(said: list[tuple[bytes, bytes]]) -> None:
    """consensus D1: positions, exact bytes and signatures, in slots of one sector."""
    slots = [
        Slot(Position(1, index, Step.COMMIT), signed, signature)
        for index, (signed, signature) in enumerate(said)
    ]
    data = write(slots)
    guard = read_guard(data, KEY, GENESIS)

    assert list(guard.slots) == slots
    assert guard.binding == BINDING
    assert guard.position == (slots[-1].position if slots else START)
    assert len(data) == guard.good_bytes == SLOT_BYTES * (1 + len(slots))
    follower, _ = encode_slot(guard.checksum, Slot(Position(2, 0, Step.PREPARE), b"", SIGNATURE))
    assert len(read(data + follower)) == len(slots) + 1


@pytest.mark.parametrize("rest", [1, 100, SLOT_BYTES - 1])
def test_d8_a_short_last_slot_is_cut_off(rest: int) -> None:
    """consensus D8: nothing left the node, so nothing is lost."""
    whole = write(slots_of(2))
    guard = read_guard(write(slots_of(3))[: len(whole) + rest], KEY, GENESIS)

    assert list(guard.slots) == slots_of(2)
    assert guard.good_bytes == len(whole)


def test_d8_a_last_slot_without_checksum_is_cut_off() -> None:
    """consensus D8: a page that the disk had only begun to write."""
    torn = write(slots_of(3))[:-16] + bytes(16)

    assert read(torn) == slots_of(2)
    assert read(write(slots_of(2)) + bytes(SLOT_BYTES)) == slots_of(2)
    assert read_guard(torn, KEY, GENESIS).good_bytes == len(write(slots_of(2)))


def test_d8_any_other_damage_forbids_signing() -> None:
    """consensus D8, reliability W38: each byte of each slot, the last one included."""
    data = write(slots_of(2))
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x10
        with pytest.raises((GuardDamaged, GuardForeign)):
            read(bytes(bad))


def test_d8_a_torn_slot_in_the_middle_is_damage() -> None:
    """consensus D8, J75: only the very last slot may be torn."""
    data = bytearray(write(slots_of(3)))
    data[2 * SLOT_BYTES - 16 : 2 * SLOT_BYTES] = bytes(16)
    with pytest.raises(GuardDamaged):
        read(bytes(data))
    torn_and_short = write(slots_of(2))[:-16] + bytes(16) + b"more"
    with pytest.raises(GuardDamaged):
        read(torn_and_short)


def test_d8_swapped_repeated_or_missing_slots_are_damage() -> None:
    """consensus D1: each checksum is chained to the one before."""
    data = write(slots_of(3))
    parts = [data[at : at + SLOT_BYTES] for at in range(0, len(data), SLOT_BYTES)]
    for order in ((0, 2, 1, 3), (0, 1, 1, 2), (0, 2, 3), (1, 2, 3)):
        with pytest.raises(GuardDamaged):
            read(b"".join(parts[index] for index in order))


def test_d8_bytes_behind_the_signature_of_a_slot_are_damage() -> None:
    """consensus D8: its checksum is right, and yet no guard wrote it."""
    data = write(slots_of(1))
    before, content = data[SLOT_BYTES - 16 : SLOT_BYTES], data[SLOT_BYTES:-17] + b"\x01"
    with pytest.raises(GuardDamaged):
        read(data[:SLOT_BYTES] + content + blake2b(before + content, size=16))


def test_d2_a_file_whose_positions_do_not_rise_is_damage() -> None:
    """consensus D2: chained rightly, yet no honest signer wrote it."""
    with pytest.raises(GuardDamaged):
        read(write([*slots_of(2), slots_of(1)[0]]))


def test_d6_a_compacted_guard_begins_with_its_last_position() -> None:
    """consensus D6: the base slot may stand anywhere above the start."""
    base = Slot(Position(5_000, 3, Step.COMMIT), b"last", SIGNATURE)

    assert read_guard(write([base]), KEY, GENESIS).position == base.position


@pytest.mark.parametrize(("who", "chain"), [(key("B"), GENESIS), (KEY, b"h" * 32)])
def test_m6_a_guard_of_another_key_or_chain_is_refused(who: bytes, chain: bytes) -> None:
    """consensus M6, D8."""
    with pytest.raises(GuardForeign):
        read_guard(write(slots_of(1)), who, chain)


@pytest.mark.parametrize("length", [0, 1, SLOT_BYTES - 1])
def test_d8_a_guard_without_its_first_slot_is_damage(length: int) -> None:
    """consensus D8, reliability W40: an empty file never passes for a new guard."""
    with pytest.raises(GuardDamaged):
        read(write([])[:length])


def test_golden_bytes_of_the_guard_are_read() -> None:
    """The vector of tests/vectors/guard.bin: written once, read for ever (D1)."""
    data = (Path(__file__).parent.parent / "vectors" / "guard.bin").read_bytes()
    guard = read_guard(data, public_key(bytes(range(32))), b"\x47" * 32)

    assert guard.good_bytes == len(data)
    assert len(guard.slots) >= 1
    assert list(guard.slots) == sorted(guard.slots, key=lambda slot: slot.position)
