"""Mirrors node/guard_state.py: a guard that moves, and one that an approval opens (D12, 3.7)."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path

import msgspec
import pytest

from chain.crypto import blake2b, sha256
from chain.errors import Malformed
from consensus.guard import (
    Binding,
    GuardDamaged,
    GuardForeign,
    Position,
    Step,
    closing,
    encode_guard,
    end_of,
    opening,
    read_guard,
)
from node.disk import Busy
from node.guard_file import (
    GuardFile,
    GuardLocked,
    GuardMissing,
    LostGuard,
    create_guard,
    open_guard,
)
from node.guard_state import (
    GuardState,
    SignedThere,
    Watermark,
    decode_state,
    encode_state,
    export_state,
    import_state,
    is_own_state,
    open_by_approval,
)
from node.ports import GuardRefused
from tests.node.power_cut import JOURNALLED, STRICT, FastDisk, RecordingDisk, crashes, rebuild

KEY, GENESIS = b"\x4b" * 32, b"\x47" * 32
BINDING = Binding(KEY, GENESIS, b"\x49" * 16)
OTHER = b"\x4f" * 16
FAST = FastDisk()
WHEN = "2026-01-02T03:04:05Z"


def fake(message: bytes) -> bytes:
    return blake2b(message, size=64)


def at(height: int, round_: int = 0, step: Step = Step.COMMIT) -> Position:
    return Position(height, round_, step)


def make(path: Path, *signed: Position, binding: Binding = BINDING) -> Path:
    guard = create_guard(path, binding, fake, FAST)
    for where in signed:
        guard.sign(where, b"at %d" % where.height)
    guard.close()
    return path


def reopen(path: Path) -> GuardFile:
    return open_guard(path, KEY, GENESIS, fake, FAST)


def export(path: Path) -> GuardState:
    return export_state(path, KEY, GENESIS, WHEN, FAST)


def take(path: Path, state: GuardState, instance: bytes = OTHER) -> Watermark:
    return import_state(path, state, KEY, GENESIS, instance, FAST)


def last_of(path: Path) -> Position:
    return read_guard(path.read_bytes(), KEY, GENESIS).position


# ----------------------------------------------------------------------------- export and import


def test_an_export_locks_its_source_and_says_where_it_stopped(tmp_path: Path) -> None:
    """Interfaces 3.7: the file of the document, and nothing signs beside it."""
    path = make(tmp_path / "guard.bin", at(811), at(812))

    state = export(path)

    tree = msgspec.json.decode(encode_state(state))
    assert tree == {
        "format": "wijk/guard/1",
        "chain_digest": GENESIS.hex(),
        "public_key": KEY.hex(),
        "instance": "49" * 16,
        "exported_at": WHEN,
        "watermark": {"height": 812, "round": 0, "step": "commit"},
        "last": {
            "sign_bytes_sha256": sha256(b"at 812").hex(),
            "signature": base64.b64encode(fake(b"at 812")).decode(),
        },
        "locked": True,
    }
    assert decode_state(encode_state(state)) == state
    with pytest.raises(GuardLocked, match="another machine may sign"):
        reopen(path)
    assert export(path) == state, "said again it is the same"


def test_the_target_signs_above_what_it_was_told_and_the_source_does_not(tmp_path: Path) -> None:
    """Interfaces 3.7, reliability J8, Y30: the key moves, and nothing is signed twice."""
    source, target = make(tmp_path / "a", at(7), at(8, 2)), tmp_path / "b"
    state = export(source)

    mark = take(target, state)

    assert mark == state.watermark == Watermark(8, 2, "commit")
    guard = reopen(target)
    assert guard.instance == OTHER
    for where in (at(7), at(8, 2), at(8, 1, Step.PREPARE)):
        with pytest.raises(GuardRefused):
            guard.sign(where, b"at %d" % where.height)
    assert guard.sign(at(8, 3, Step.ROUND_CHANGE), b"on")
    guard.close()
    with pytest.raises(GuardLocked):
        reopen(source)


def test_the_way_back_unlocks_the_source_where_the_other_stopped(tmp_path: Path) -> None:
    """Interfaces 3.7: export locks the source until it imports again; the maximum counts."""
    source, target = make(tmp_path / "a", at(8)), tmp_path / "b"
    take(target, export(source))
    guard = reopen(target)
    guard.sign(at(20), b"later")
    guard.close()

    back = export(target)
    assert not is_own_state(source, back, KEY, GENESIS)
    take(source, back)

    assert last_of(source) == at(20)
    again = reopen(source)
    with pytest.raises(GuardRefused):
        again.sign(at(20), b"another")
    assert again.sign(at(21), b"next")
    assert again.instance == BINDING.instance
    again.close()
    with pytest.raises(GuardLocked):
        reopen(target)


def test_an_import_never_lowers(tmp_path: Path) -> None:
    """Interfaces 3.7: the higher of the two, in every order of import."""
    states = []
    for number, where in enumerate((at(5), at(9, 1), at(9, 1, Step.PREPARE))):
        states.append(export(make(tmp_path / f"s{number}", where)))
    for number, order in enumerate(itertools.permutations(states)):
        path = make(tmp_path / f"t{number}", at(6))
        for state in order:
            before = last_of(path)
            take(path, state)
            assert last_of(path) >= before
        assert last_of(path) == at(9, 1)


def test_a_state_that_left_this_guard_is_known_as_its_own(tmp_path: Path) -> None:
    """Reliability X10: it cannot say what the other machine has signed since, so a person must."""
    path = make(tmp_path / "a", at(8))
    state = export(path)

    assert is_own_state(path, state, KEY, GENESIS)
    assert not is_own_state(tmp_path / "b", state, KEY, GENESIS)
    take(path, state)
    assert not is_own_state(path, state, KEY, GENESIS), "it is not locked any more"
    guard = reopen(path)
    assert guard.sign(at(8), b"at 8") == fake(b"at 8"), "its own words are still its own"
    guard.close()


@pytest.mark.parametrize(
    "where",
    [
        None,
        at(1, 0, Step.PROPOSAL),
        at(3, 65_535),
        end_of(12),
        at(12, 4, Step.END),
        opening(12).position,
    ],
)
def test_every_position_survives_the_words_of_a_state(
    tmp_path: Path, where: Position | None
) -> None:
    """Interfaces 3.7 knows four steps; the end of a height is the first position of the next."""
    slots = () if where is None else (closing(where),)
    path = tmp_path / "a"
    path.write_bytes(encode_guard(BINDING, slots)[0])

    state = export(path)
    take(tmp_path / "b", state)

    assert state.last is None
    moved = last_of(tmp_path / "b")
    assert moved == (where or Position(0, 0, Step.ROUND_CHANGE)) or (
        where is not None and where.step in (Step.END, Step.ROUND_CHANGE)
    )
    guard = reopen(tmp_path / "b")
    for height, round_, step in itertools.product((1, 3, 12, 13), (0, 4, 5), Step):
        position = Position(height, round_, step)
        is_real = step < Step.END and (round_ > 0 or step is not Step.ROUND_CHANGE)
        if where is not None and is_real and position <= where:
            with pytest.raises(GuardRefused):
                guard.sign(position, b"anything")
    guard.close()


def test_states_and_guards_of_others_are_refused(tmp_path: Path) -> None:
    """Interfaces 3.7, W38: another key, another chain; and no guard to export."""
    state = export(make(tmp_path / "a", at(8)))
    path = make(tmp_path / "b", at(3))
    for key, genesis in ((bytes(32), GENESIS), (KEY, bytes(32))):
        with pytest.raises(GuardForeign):
            import_state(path, state, key, genesis, OTHER, FAST)
        with pytest.raises(GuardForeign):
            export_state(path, key, genesis, WHEN, FAST)
    with pytest.raises(GuardMissing):
        export(tmp_path / "none")
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    with pytest.raises(GuardDamaged):
        export(path)
    with pytest.raises(GuardDamaged):
        take(path, state)
    assert path.read_bytes() == bytes(data)


def test_a_running_signer_keeps_its_guard_to_itself(tmp_path: Path) -> None:
    path = make(tmp_path / "a", at(8))
    guard = reopen(path)
    with pytest.raises(Busy):
        export(path)
    guard.close()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "wijk/guard/2"},
        {"locked": False},
        {"public_key": "00"},
        {"instance": "xy"},
        {"watermark": {"height": -1, "round": 0, "step": "commit"}},
        {"watermark": {"height": 1, "round": 2**32, "step": "commit"}},
        {"watermark": {"height": 1, "round": 0, "step": "end"}},
        {"last": {"sign_bytes_sha256": "00" * 32, "signature": "%%%"}},
        {"last": {"sign_bytes_sha256": "00" * 32, "signature": "AAAA"}},
        {"more": 1},
    ],
)
def test_what_is_no_state_is_malformed(tmp_path: Path, change: dict[str, object]) -> None:
    tree = msgspec.to_builtins(export(make(tmp_path / "a", at(8))))
    with pytest.raises(Malformed):
        decode_state(msgspec.json.encode({**tree, **change}))
    with pytest.raises(Malformed):
        decode_state(b" " * 5_000)


# ----------------------------------------------------------------------------- approvals


def test_an_approval_opens_one_height_and_no_lower_one(tmp_path: Path) -> None:
    """consensus D12: the guard of the barrier goes aside, and its height is open again."""
    path = tmp_path / "guard.bin"
    path.write_bytes(encode_guard(BINDING, (closing(end_of(9)),))[0])

    aside = open_by_approval(path, BINDING, 9, FAST)

    assert aside is not None
    assert last_of(aside) == end_of(9)
    guard = reopen(path)
    with pytest.raises(GuardRefused):
        guard.sign(at(8, 3), b"below")
    assert guard.sign(at(9, 0, Step.PROPOSAL), b"now")
    guard.close()


def test_an_approval_opens_no_round_that_this_guard_knows(tmp_path: Path) -> None:
    """consensus D12, D2: what is known to be signed stays signed, whatever a board says."""
    path = make(tmp_path / "guard.bin", at(9, 0, Step.PREPARE), at(9, 2))

    open_by_approval(path, BINDING, 9, FAST)

    guard = reopen(path)
    for where in (at(9, 0, Step.PROPOSAL), at(9, 2), at(9, 2, Step.PREPARE)):
        with pytest.raises(GuardRefused):
            guard.sign(where, b"another")
    assert guard.sign(at(9, 3, Step.ROUND_CHANGE), b"on")
    guard.close()


def test_an_approval_for_a_height_below_the_guard_is_refused(tmp_path: Path) -> None:
    """consensus D12: nothing is set aside then."""
    path = make(tmp_path / "guard.bin", at(9))
    before = path.read_bytes()
    with pytest.raises(SignedThere, match="above 8"):
        open_by_approval(path, BINDING, 8, FAST)
    export(path)
    with pytest.raises(SignedThere, match="exported"):
        open_by_approval(path, BINDING, 10, FAST)
    assert [one.name for one in tmp_path.iterdir()] == ["guard.bin"]
    assert path.read_bytes().startswith(before)


@pytest.mark.parametrize("left", ["nothing", "damage"])
def test_an_approval_where_no_sound_guard_is_left(tmp_path: Path, left: str) -> None:
    path = tmp_path / "guard.bin"
    if left == "damage":
        path.write_bytes(bytes(1_024))
    aside = open_by_approval(path, BINDING, 1, FAST)
    assert (aside is None) == (left == "nothing")
    guard = reopen(path)
    assert guard.sign(at(1, 0, Step.PROPOSAL), b"first")
    guard.close()


# ----------------------------------------------------------------------------- power cuts


def cuts(
    tmp_path: Path, disk: RecordingDisk, profile: str, *, first: int = 0
) -> list[tuple[Path, int, str]]:
    """Return the guard of each state that a power cut may leave, and the marks before it.

    `first` leaves out the states before a mark: those of a guard that is only being adopted.
    """
    found = []
    for number, crash in enumerate(crashes(disk.ops, profile, every_byte=False)):
        if crash.marks < first:
            continue
        folder = tmp_path / f"cut-{number}"
        folder.mkdir()
        rebuild(crash, folder)
        found.append((folder / "guard.bin", crash.marks, crash.story))
    return found


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_a_power_cut_makes_no_guard_that_knows_less_than_the_barrier(
    tmp_path: Path, profile: str
) -> None:
    """consensus D10, reliability Y33: it is not there yet, or it refuses the whole height."""
    (tmp_path / "real").mkdir()
    disk = RecordingDisk()
    lost = LostGuard(tmp_path / "real" / "guard.bin", BINDING, fake, disk)
    with pytest.raises(GuardRefused):
        lost.sign(at(50), b"too early")
    lost.raise_to(41)
    disk.mark()
    lost.sign(at(42), b"first")
    disk.mark()
    lost.close()

    seen = {"missing": 0, "raised": 0}
    for path, marks, story in cuts(tmp_path, disk, profile):
        try:
            guard = reopen(path)
        except GuardMissing:
            assert marks == 0, story
            seen["missing"] += 1
            continue
        except GuardDamaged:  # a sector torn in itself is damage, and so signs nothing
            assert marks > 0, story
            continue
        for where in (at(1), at(41), at(41, 65_535)):
            with pytest.raises(GuardRefused):
                guard.sign(where, b"another")
        if marks > 1:
            with pytest.raises(GuardRefused):
                guard.sign(at(42), b"another")
        guard.close()
        seen["raised"] += 1
    assert min(seen.values()) > 2


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_a_power_cut_while_a_guard_is_raised_never_lowers_it(tmp_path: Path, profile: str) -> None:
    """consensus D10, I4: what was signed before stays, whatever of the raise is lost."""
    (tmp_path / "real").mkdir()
    path = make(tmp_path / "real" / "guard.bin", at(7))
    disk = RecordingDisk()
    disk.adopt(path)
    disk.mark()
    guard = open_guard(path, KEY, GENESIS, fake, disk)
    guard.raise_to(30)
    disk.mark()
    guard.close()

    seen = set()
    for cut, marks, story in cuts(tmp_path, disk, profile, first=1):
        try:
            found = read_guard(cut.read_bytes(), KEY, GENESIS).position
        except GuardDamaged:  # a sector torn in itself: nothing is signed
            assert marks < 2, story
            continue
        assert found in (at(7), end_of(30)), story
        assert found == end_of(30) or marks < 2, story
        seen.add(found)
    assert seen == {at(7), end_of(30)}


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_a_power_cut_in_an_export_locks_the_source_before_there_is_a_state(
    tmp_path: Path, profile: str
) -> None:
    """Interfaces 3.7: at no moment two machines may sign."""
    (tmp_path / "real").mkdir()
    path = make(tmp_path / "real" / "guard.bin", at(7))
    disk = RecordingDisk()
    disk.adopt(path)
    disk.mark()
    export_state(path, KEY, GENESIS, WHEN, disk)
    disk.mark()  # only now does anybody have the state

    locked = 0
    for cut, marks, story in cuts(tmp_path, disk, profile, first=1):
        found = read_guard(cut.read_bytes(), KEY, GENESIS)
        assert found.is_locked or marks < 2, story
        assert found.slots[0].position == at(7), story
        locked += found.is_locked
    assert locked > 1
