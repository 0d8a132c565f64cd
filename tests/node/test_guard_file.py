"""Mirrors node/guard_file.py: whatever left this machine is in the guard, after any power cut."""

import subprocess
import sys
from pathlib import Path

import pytest

from chain.crypto import blake2b, public_key, sign, verify
from consensus.guard import (
    SIGNED_BYTES_MAX,
    SLOT_BYTES,
    Binding,
    GuardDamaged,
    GuardForeign,
    Position,
    Step,
    position,
)
from consensus.messages import (
    ChainName,
    Commit,
    Draft,
    DraftProposal,
    Justification,
    Prepare,
    Proposal,
    RoundChange,
    signed_bytes,
)
from node import guard_file
from node.disk import Busy, Disk, StoreFailed
from node.guard_file import GuardFile, GuardMissing, create_guard, open_guard
from node.ports import GuardRefused
from tests.node.power_cut import (
    JOURNALLED,
    STRICT,
    Crash,
    FastDisk,
    RecordingDisk,
    crashes,
    rebuild,
)

SEED = bytes(range(32))
KEY = public_key(SEED)
GENESIS = b"\x47" * 32
BINDING = Binding(KEY, GENESIS, b"\x49" * 16)
VECTOR = Path(__file__).parent.parent / "vectors" / "guard.bin"
FAST = FastDisk()


def real(message: bytes) -> bytes:
    return sign(SEED, message)


def fake(message: bytes) -> bytes:
    """Stands in for Ed25519 where thousands of states are looked at; the file cannot tell."""
    return blake2b(message, size=64)


def at(height: int, round_: int = 0, step: Step = Step.COMMIT) -> Position:
    return Position(height, round_, step)


def reopen(path: Path, disk: Disk = FAST) -> GuardFile:
    return open_guard(path, KEY, GENESIS, fake, disk)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard.bin"


# ------------------------------------------------------------------------------------------ signing


def test_a_signature_is_valid_and_given_again(path: Path) -> None:
    """Consensus D2: same position and same bytes, same signature, across a restart too."""
    guard = create_guard(path, BINDING, real)
    first = guard.sign(at(5), b"commit to A")
    assert verify(KEY, b"commit to A", first)
    assert guard.sign(at(5), b"commit to A") == first
    guard.close()

    def never(message: bytes) -> bytes:
        raise AssertionError("signed twice")

    again = open_guard(path, KEY, GENESIS, never)
    assert again.sign(at(5), b"commit to A") == first
    again.close()


def test_other_bytes_or_a_lower_position_are_refused(path: Path) -> None:
    """Consensus D2, step order; reliability J18."""
    guard = create_guard(path, BINDING, fake)
    ladder = [
        at(5, 0, Step.PROPOSAL),
        at(5, 0, Step.PREPARE),
        at(5, 0, Step.COMMIT),
        at(5, 1, Step.ROUND_CHANGE),
        at(5, 2, Step.ROUND_CHANGE),
        at(5, 2, Step.PROPOSAL),
        at(6, 0, Step.PREPARE),
    ]
    for step, where in enumerate(ladder):
        guard.sign(where, b"said")
        for lower in ladder[:step]:
            with pytest.raises(GuardRefused, match="lies below"):
                guard.sign(lower, b"said")
        with pytest.raises(GuardRefused, match="another message"):
            guard.sign(where, b"something else")
    assert path.stat().st_size == (1 + len(ladder)) * SLOT_BYTES
    guard.close()


def test_a_raised_guard_refuses_the_whole_height_and_is_never_lowered(path: Path) -> None:
    """Consensus D10: the join barrier raises to (X, end); signing goes on from X + 1."""
    guard = create_guard(path, BINDING, fake)
    guard.raise_to(7)
    guard.raise_to(3)
    guard.raise_to(7)
    assert path.stat().st_size == 2 * SLOT_BYTES
    guard.close()
    guard = reopen(path)
    for round_ in (0, 1, 2**31, 2**32 - 1):
        with pytest.raises(GuardRefused):
            guard.sign(at(7, round_), b"x")
    with pytest.raises(GuardRefused):
        guard.sign(Position(7, 2**32 - 1, Step.END), b"")
    guard.sign(at(8), b"x")
    guard.close()


def test_what_was_signed_long_ago_is_read_from_the_file(path: Path) -> None:
    """Consensus D14, D6: evidence may come late; below the base of a rewritten guard is nothing."""
    guard = create_guard(path, BINDING, fake)
    for height in range(1, 5):
        guard.sign(at(height), b"vote %d" % height)
    assert guard.slots(1) == ()
    assert [slot.signed for slot in guard.recall(1)] == [b"vote 1"]
    assert guard.recall(4) == guard.slots(4)
    assert guard.recall(5) == ()

    guard.sign(at(guard_file.COMPACT_HEIGHTS + 5), b"much later")
    assert guard.recall(1) == ()
    assert [slot.signed for slot in guard.recall(4)] == [b"vote 4"]
    guard.close()


def test_slots_of_a_height_are_what_a_restart_sends_again(path: Path) -> None:
    """Consensus D7."""
    guard = create_guard(path, BINDING, fake)
    assert guard.last is None
    assert guard.instance == BINDING.instance
    guard.sign(at(1), b"one")
    guard.sign(at(2, 0, Step.PREPARE), b"two")
    guard.sign(at(2, 0, Step.COMMIT), b"three")
    guard.close()
    guard = reopen(path)
    assert [slot.signed for slot in guard.slots(2)] == [b"two", b"three"]
    assert [slot.signature for slot in guard.slots(2)] == [fake(b"two"), fake(b"three")]
    assert guard.last is not None
    assert guard.last.position == at(2)
    guard.close()


def test_every_kind_of_message_fits_at_its_longest() -> None:
    """Consensus M4, M5: what is signed is tags, numbers and digests, never a body."""
    chain = ChainName(b"\xff" * 32, "w" * 32)
    height, round_, whole = 2**63 - 1, 2**32 - 1, b"\xff" * 32
    justification = Justification((), None)
    block = None  # not signed but by its id
    drafts: list[Draft] = [
        Prepare(whole, height, round_, whole),
        Commit(height, round_, whole, height, whole),
        RoundChange(whole, height, round_, round_, whole),
        DraftProposal(Proposal(whole, height, round_, whole, whole), block, justification),  # type: ignore[arg-type]
    ]
    lengths = [len(signed_bytes(chain, draft)) for draft in drafts]
    assert max(lengths) <= SIGNED_BYTES_MAX
    assert [position(draft).step for draft in drafts] == [
        Step.PREPARE,
        Step.COMMIT,
        Step.ROUND_CHANGE,
        Step.PROPOSAL,
    ]


def test_the_longest_message_fits_and_a_longer_one_is_our_bug(path: Path) -> None:
    guard = create_guard(path, BINDING, fake)
    guard.sign(at(1), b"m" * SIGNED_BYTES_MAX)
    with pytest.raises(AssertionError):
        guard.sign(at(2), b"m" * (SIGNED_BYTES_MAX + 1))
    guard.close()
    reopen(path).close()
    assert path.stat().st_size == 2 * SLOT_BYTES


def test_compaction_keeps_the_last_height_and_is_rare(path: Path) -> None:
    """Consensus D6: not more often than every 1,000 heights."""
    assert guard_file.COMPACT_HEIGHTS >= 1_000
    guard = create_guard(path, BINDING, fake, FAST)
    sizes = [0]
    for height in range(1, 2_100):
        guard.sign(at(height, 0, Step.PREPARE), b"p%d" % height)
        guard.sign(at(height, 0, Step.COMMIT), b"c%d" % height)
        sizes.append(path.stat().st_size)
    compacted = [height for height in range(1, 2_100) if sizes[height] < sizes[height - 1]]
    assert compacted == [1_002, 2_002]
    assert max(sizes) == (2 * 1_001 + 1) * SLOT_BYTES
    guard.close()
    guard = reopen(path)
    assert guard.sign(at(2_099), b"c2099") == fake(b"c2099")
    with pytest.raises(GuardRefused):
        guard.sign(at(1), b"c1")
    guard.close()


def test_vector(path: Path) -> None:
    """The bytes of a guard are a promise to every later version of this program."""
    guard = create_guard(path, BINDING, real)
    guard.sign(at(1, 0, Step.PROPOSAL), b"proposal")
    guard.sign(at(1, 0, Step.PREPARE), b"prepare")
    guard.sign(at(1, 0, Step.COMMIT), b"commit")
    guard.sign(at(2, 3, Step.ROUND_CHANGE), b"round change")
    guard.raise_to(9)
    guard.close()
    assert path.read_bytes() == VECTOR.read_bytes()


# --------------------------------------------------------------- W38, W40: what may lie in the file


def filled(path: Path) -> bytes:
    guard = create_guard(path, BINDING, fake, FAST)
    for height in (1, 2, 3):
        guard.sign(at(height), b"commit %d" % height)
    guard.close()
    return path.read_bytes()


def test_every_cut_is_a_torn_append_or_damage(path: Path) -> None:
    """Reliability W38, Y26: a short last slot is cut off; without slot 0 there is no guard."""
    data = filled(path)
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size < SLOT_BYTES:
            with pytest.raises(GuardDamaged, match="rejoin"):
                reopen(path)
            assert path.read_bytes() == data[:size]
            continue
        guard = reopen(path)
        whole = size // SLOT_BYTES
        assert path.stat().st_size == whole * SLOT_BYTES
        assert (0 if guard.last is None else guard.last.position.height) == whole - 1
        guard.close()


def test_every_flipped_bit_is_found(path: Path) -> None:
    """Reliability W38, Y35; consensus D8: also in the last slot."""
    data = filled(path)
    for index in range(len(data)):
        bad = bytearray(data)
        bad[index] ^= 1 << index % 8
        path.write_bytes(bad)
        with pytest.raises(GuardDamaged, match="signs nothing"):
            reopen(path)
        assert path.read_bytes() == bad


def test_zero_pages_swaps_and_repeats_are_damage(path: Path) -> None:
    """Reliability W38; a zero page at the very end is a torn append, anywhere else it is not."""
    data = filled(path)
    slots = [data[i : i + SLOT_BYTES] for i in range(0, len(data), SLOT_BYTES)]
    zero = bytes(SLOT_BYTES)
    bad = [
        [zero, *slots[1:]],
        [slots[0], zero, *slots[2:]],
        [*slots, zero, zero],
        [*slots, slots[-1]],
        [slots[0], slots[2], slots[1], slots[3]],
        [slots[0], *slots[2:]],
        [*slots[1:]],
        [*slots, slots[0]],
    ]
    for case in bad:
        path.write_bytes(b"".join(case))
        with pytest.raises(GuardDamaged):
            reopen(path)
    path.write_bytes(data + zero)
    reopen(path).close()
    assert path.read_bytes() == data


def test_missing_empty_and_foreign_guards_do_not_sign(path: Path) -> None:
    """Reliability W40: the message says what to do."""
    with pytest.raises(GuardMissing, match="node rejoin"):
        reopen(path)
    assert not path.exists()
    path.write_bytes(b"")
    with pytest.raises(GuardDamaged, match="node rejoin"):
        reopen(path)
    path.unlink()
    filled(path)
    for key, genesis in ((b"\x01" * 32, GENESIS), (KEY, b"\x02" * 32)):
        with pytest.raises(GuardForeign, match="Put back"):
            open_guard(path, key, genesis, fake)
    reopen(path).close()


def test_a_guard_is_never_made_over_another(path: Path) -> None:
    data = filled(path)
    with pytest.raises(StoreFailed, match="File exists"):
        create_guard(path, BINDING, fake)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600


SECOND = """
import sys
from pathlib import Path
from node.disk import Busy
from node.guard_file import open_guard
try:
    open_guard(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3]), bytes)
except Busy as error:
    print(error)
    sys.exit(78)
"""


def second(path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SECOND, str(path), KEY.hex(), GENESIS.hex()]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_process_is_refused_also_after_a_compaction(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reliability W40: the lock goes over to the new file when the guard is rewritten."""
    monkeypatch.setattr(guard_file, "COMPACT_HEIGHTS", 2)
    guard = create_guard(path, BINDING, fake)
    inodes = set()
    for height in (1, 2, 3, 4):
        guard.sign(at(height), b"x")
        inodes.add(path.stat().st_ino)
    assert len(inodes) > 1
    with pytest.raises(Busy):
        reopen(path)
    refused = second(path)
    assert (refused.returncode, refused.stdout) == (78, f"{path} is in use by another process\n")
    guard.close()
    assert second(path).returncode == 0


# ------------------------------------------------------------------------- failing and cut disks


class FailingDisk(FastDisk):
    """Fails at one call, counted from now on, and tells how many there were."""

    def __init__(self) -> None:
        self.calls = 0
        self.fail_at = -1

    def count(self) -> None:
        self.calls += 1
        if self.calls - 1 == self.fail_at:
            raise StoreFailed("the disk failed")

    def create(self, path: Path) -> int:
        self.count()
        return super().create(path)

    def write(self, file: int, data: bytes, at: int) -> None:
        self.count()
        super().write(file, data, at)

    def sync(self, file: int) -> None:
        self.count()
        super().sync(file)

    def rename(self, old: Path, new: Path) -> None:
        self.count()
        super().rename(old, new)

    def sync_folder(self, folder: Path) -> None:
        self.count()
        super().sync_folder(folder)


def test_any_failed_call_ends_signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Consensus D5, reliability Y24: no signature comes out, then or later, until a new start."""
    monkeypatch.setattr(guard_file, "COMPACT_HEIGHTS", 2)
    for fail_at in range(100):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        path = folder / "guard.bin"
        disk = FailingDisk()
        guard = create_guard(path, BINDING, fake, disk)
        disk.calls, disk.fail_at = 0, fail_at
        released = []
        for height in range(1, 7):
            try:
                guard.sign(at(height), b"a%d" % height)
            except StoreFailed:
                break
            released.append(height)
        if len(released) == 6:  # every call has had its turn
            guard.close()
            break
        for height in (1, 6, 7):
            with pytest.raises(StoreFailed, match="earlier write"):
                guard.sign(at(height), b"a%d" % height)
        guard.close()
        again = reopen(path)
        for height in released:
            with pytest.raises(GuardRefused):
                again.sign(at(height), b"another")
        again.close()
    assert fail_at == 6 * 2 + 2 * 5  # two calls a slot, five a compaction, of which there are two


PLAN = [
    (at(1, 0, Step.PREPARE), b"prepare 1"),
    (at(1, 0, Step.COMMIT), b"commit 1"),
    (at(2, 0, Step.ROUND_CHANGE), b"leave 2"),
    (at(2, 1, Step.PREPARE), b"prepare 2"),
    (at(2, 1, Step.COMMIT), b"commit 2"),
    (at(3, 0, Step.COMMIT), b"commit 3"),
    (at(4, 0, Step.COMMIT), b"commit 4"),
    (at(5, 0, Step.COMMIT), b"commit 5"),
    (at(6, 0, Step.PREPARE), b"prepare 6"),
    (at(6, 0, Step.COMMIT), b"commit 6"),
]


def check_state(crash: Crash, folder: Path, plan: list[tuple[Position, bytes]]) -> None:
    """After a cut: all that was released stands in the guard, and nothing else can be signed there.

    Marks: the guard was made, then one for each signature of `plan` that was released.
    """
    rebuild(crash, folder)
    path = folder / "guard.bin"
    try:
        guard = reopen(path)
    except (GuardMissing, GuardDamaged):
        # Only before `init` returned, or where the disk tore a sector in itself.
        assert crash.marks == 0 or not crash.whole_sectors, crash.story
        return
    released = plan[: max(0, crash.marks - 1)]
    for where, signed in released:
        with pytest.raises(GuardRefused):
            guard.sign(where, signed + b" not")
    if released and guard.last is not None and guard.last.position == released[-1][0]:
        assert guard.sign(*released[-1]) == fake(released[-1][1]), crash.story
    assert guard.last is not None or not released, crash.story
    # The next signature goes on from here: at most one slot was under way.
    for where, signed in plan[len(released) :]:
        assert guard.sign(where, signed) == fake(signed), crash.story
    guard.close()


def record(folder: Path, plan: list[tuple[Position, bytes]]) -> RecordingDisk:
    disk = RecordingDisk()
    guard = create_guard(folder / "guard.bin", BINDING, fake, disk)
    disk.mark()
    for where, signed in plan:
        guard.sign(where, signed)
        disk.mark()
    guard.close()
    return disk


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(guard_file, "COMPACT_HEIGHTS", 2)
    (tmp_path / "real").mkdir()
    (tmp_path / "rebuilt").mkdir()
    return tmp_path / "real", tmp_path / "rebuilt"


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_power_cuts(folders: tuple[Path, Path], profile: str) -> None:
    """Reliability Y33, J18; consensus D3, D6, D8: at every call, also within a compaction."""
    disk = record(folders[0], PLAN)
    assert sum(op.kind == "rename" for op in disk.ops) == 1 + 2  # made, and compacted twice
    states = 0
    for crash in crashes(disk.ops, profile, every_byte=False):
        check_state(crash, folders[1], PLAN)
        states += 1
    assert states > 100


def test_power_cuts_that_tear_at_every_byte(folders: tuple[Path, Path]) -> None:
    plan = PLAN[:2]
    disk = record(folders[0], plan)
    torn = 0
    for crash in crashes(disk.ops, STRICT, every_byte=True):
        check_state(crash, folders[1], plan)
        torn += not crash.whole_sectors
    assert torn > 3 * 500


def test_a_power_cut_while_a_torn_tail_is_cut(folders: tuple[Path, Path]) -> None:
    """A recovery may itself be cut short: it starts again."""
    disk = record(folders[0], PLAN)
    path = folders[0] / "guard.bin"
    whole = path.read_bytes()
    for torn in (whole + b"torn", whole + bytes(SLOT_BYTES), whole + b"t" * 400 + bytes(112)):
        path.write_bytes(torn)
        disk = RecordingDisk()
        disk.adopt(path)
        for _ in range(1 + len(PLAN)):
            disk.mark()
        reopen(path, disk).close()
        assert path.read_bytes() == whole
        marked = 1 + len(PLAN)
        for crash in crashes(disk.ops, STRICT, every_byte=False):
            if crash.marks == marked:
                check_state(crash, folders[1], PLAN)
