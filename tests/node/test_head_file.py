"""Mirrors node/head_file.py: what was acked is known after any power cut (reliability Y19)."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import head_file
from node.disk import Busy, Disk, StoreDamaged, StoreFailed
from node.head_file import (
    Head,
    HeadBinding,
    HeadFile,
    HeadForeign,
    HeadVerdict,
    create_head_file,
    judge_head,
    open_head_file,
    read_heads,
)
from node.slot_file import SLOT_BYTES
from tests.node.power_cut import (
    JOURNALLED,
    STRICT,
    Crash,
    FastDisk,
    RecordingDisk,
    crashes,
    rebuild,
)

BINDING = HeadBinding(b"\x47" * 32, b"\x49" * 16)
VECTOR = Path(__file__).parent.parent / "vectors" / "head.bin"
FAST = FastDisk()


def block(height: int) -> bytes:
    return b"block".ljust(28, b".") + height.to_bytes(4, "big")


def create(path: Path, disk: Disk = FAST) -> HeadFile:
    return create_head_file(path, BINDING, 0, block(0), (b"l" * 32, b"s" * 32), disk)


def append(heads: HeadFile, height: int) -> None:
    heads.append(height, block(height), b"l" * 32, b"s" * 32)


def reopen(path: Path, disk: Disk = FAST) -> HeadFile:
    return open_head_file(path, BINDING, disk)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "head.bin"


def filled(path: Path) -> bytes:
    heads = create(path)
    for height in (1, 2, 3):
        append(heads, height)
    heads.close()
    return path.read_bytes()


# --------------------------------------------------------------------------- appending, reading


def test_heads_come_back_as_they_went_in(path: Path) -> None:
    heads = create(path)
    append(heads, 1)
    append(heads, 812)  # a node that was restored from a snapshot jumps
    heads.close()
    heads = reopen(path)
    assert [(h.sequence, h.height, h.block_id) for h in read_heads(path.read_bytes()).heads] == [
        (0, 0, block(0)),
        (1, 1, block(1)),
        (2, 812, block(812)),
    ]
    assert heads.last == Head(2, 812, block(812), b"l" * 32, b"s" * 32, BINDING.instance)
    append(heads, 813)
    heads.close()
    heads = reopen(path)
    assert heads.last.height == 813
    heads.close()


def test_a_head_never_goes_back(path: Path) -> None:
    """Reliability J15: refetching what was lost does not lower what was promised."""
    heads = create(path)
    append(heads, 5)
    for height in (5, 4, 0):
        with pytest.raises(AssertionError, match="after 5"):
            append(heads, height)
    heads.close()
    assert path.stat().st_size == 3 * SLOT_BYTES


def test_compaction_keeps_the_last_head_as_base(path: Path) -> None:
    """Reliability Y19."""
    heads = create(path)
    total = 2 * head_file.COMPACT_SLOTS
    largest = 0
    for height in range(1, total):
        append(heads, height)
        largest = max(largest, path.stat().st_size)
    assert largest == (head_file.COMPACT_SLOTS + 1) * SLOT_BYTES
    heads.close()
    heads = reopen(path)
    assert (heads.last.sequence, heads.last.height) == (total - 1, total - 1)
    heads.close()
    assert len(read_heads(path.read_bytes()).heads) < head_file.COMPACT_SLOTS


def test_vector(path: Path) -> None:
    """The bytes of a head file are a promise to every later version of this program."""

    def roots(first: int) -> tuple[bytes, bytes]:
        return bytes([first]) * 32, bytes([first + 1]) * 32

    heads = create_head_file(path, BINDING, 0, bytes([10]) * 32, roots(11), FAST)
    heads.append(1, bytes([20]) * 32, *roots(21))
    heads.append(2, bytes([30]) * 32, *roots(31))
    heads.append(812, bytes([40]) * 32, *roots(41))
    heads.close()
    assert path.read_bytes() == VECTOR.read_bytes()


# ----------------------------------------------------------------------------- Y20: cross-check

HEADS = tuple(
    Head(i, h, block(h), b"l" * 32, b"s" * 32, b"i" * 16) for i, h in enumerate((7, 8, 9))
)


@pytest.mark.parametrize(
    ("height", "block_id", "verdict"),
    [
        (9, block(9), HeadVerdict.OK),
        (10, block(10), HeadVerdict.OK),  # the batch was synced, the slot was not yet
        (8, block(8), HeadVerdict.LOST),
        (3, block(3), HeadVerdict.LOST),
        (0, bytes(32), HeadVerdict.LOST),  # an empty store
        (9, block(1), HeadVerdict.FOREIGN),
        (8, block(1), HeadVerdict.FOREIGN),
        (11, block(11), HeadVerdict.FOREIGN),
        (900, block(900), HeadVerdict.FOREIGN),
    ],
)
def test_the_store_is_compared_with_what_was_acked(
    height: int, block_id: bytes, verdict: HeadVerdict
) -> None:
    """Reliability Y20, W39: a store that was replaced by an older copy is noticed."""
    assert judge_head(height, block_id, HEADS) is verdict


# -------------------------------------------------------------------- W38: what may lie in the file


def test_every_cut_is_a_torn_append_or_damage(path: Path) -> None:
    data = filled(path)
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size < 2 * SLOT_BYTES:
            with pytest.raises(StoreDamaged, match="no whole head"):
                reopen(path)
            assert path.read_bytes() == data[:size]
            continue
        heads = reopen(path)
        assert path.stat().st_size == size // SLOT_BYTES * SLOT_BYTES
        assert heads.last.height == size // SLOT_BYTES - 2
        heads.close()


def test_every_flipped_bit_is_found(path: Path) -> None:
    """Reliability W38, Y35."""
    data = filled(path)
    for index in range(len(data)):
        bad = bytearray(data)
        bad[index] ^= 1 << index % 8
        path.write_bytes(bad)
        with pytest.raises(StoreDamaged, match=r"head\.bin: "):
            reopen(path)
        assert path.read_bytes() == bad


def test_zero_pages_swaps_and_repeats_are_damage(path: Path) -> None:
    data = filled(path)
    slots = [data[i : i + SLOT_BYTES] for i in range(0, len(data), SLOT_BYTES)]
    zero = bytes(SLOT_BYTES)
    bad = [
        [zero, *slots[1:]],
        [slots[0], zero, *slots[2:]],
        [*slots, zero, zero],
        [*slots, slots[-1]],
        [slots[0], slots[2], slots[1], slots[3], slots[4]],
        [slots[0], *slots[2:]],
        [*slots[1:]],
        [*slots, slots[0]],
    ]
    for case in bad:
        path.write_bytes(b"".join(case))
        with pytest.raises(StoreDamaged):
            reopen(path)
    path.write_bytes(data + zero)
    reopen(path).close()
    assert path.read_bytes() == data


def test_slots_with_a_right_checksum_still_have_to_follow_each_other() -> None:
    first, checksum = head_file.encode_head_slot(bytes(16), BINDING)
    good = Head(4, 7, block(7), b"l" * 32, b"s" * 32, BINDING.instance)
    second, checksum = head_file.encode_head_slot(checksum, good)
    assert read_heads(first + second).heads == (good,)
    for wrong in (
        Head(5, 7, block(7), b"l" * 32, b"s" * 32, BINDING.instance),
        Head(6, 8, block(8), b"l" * 32, b"s" * 32, BINDING.instance),
        Head(5, 8, block(8), b"l" * 32, b"s" * 32, bytes(16)),
    ):
        third, _ = head_file.encode_head_slot(checksum, wrong)
        with pytest.raises(StoreDamaged, match="head slot 2"):
            read_heads(first + second + third)


@given(st.binary(max_size=4 * SLOT_BYTES))
def test_any_bytes_are_damage_and_nothing_else(data: bytes) -> None:
    """Reliability J36."""
    with pytest.raises(StoreDamaged):
        read_heads(data)


def test_missing_and_foreign_head_files(path: Path) -> None:
    """Reliability W38: the file of another node is refused, and nothing is made in its place."""
    with pytest.raises(StoreDamaged, match="missing"):
        reopen(path)
    assert not path.exists()
    data = filled(path)
    for other in (HeadBinding(b"\x01" * 32, b"\x49" * 16), HeadBinding(b"\x47" * 32, bytes(16))):
        with pytest.raises(HeadForeign, match="another chain or another node"):
            open_head_file(path, other)
    with pytest.raises(StoreFailed, match="File exists"):
        create(path)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_process_is_refused(path: Path) -> None:
    heads = create(path)
    with pytest.raises(Busy):
        reopen(path)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from node.disk import DISK, Busy\nfrom node.slot_file import open_slot_file\n"
        "try:\n    open_slot_file(Path(sys.argv[1]), DISK)\nexcept Busy:\n    sys.exit(78)\n"
    )
    words = [sys.executable, "-c", script, str(path)]
    assert subprocess.run(words, timeout=60, check=False).returncode == 78
    heads.close()
    assert subprocess.run(words, timeout=60, check=False).returncode == 0


# ------------------------------------------------------------------------- failing and cut disks


class NoSync(FastDisk):
    def sync(self, file: int) -> None:
        raise StoreFailed("sync failed")


def test_a_failed_sync_ends_the_use_of_the_file(path: Path) -> None:
    """Reliability Y24: never tried again in place."""
    filled(path)
    heads = reopen(path, NoSync())
    with pytest.raises(StoreFailed, match="sync failed"):
        append(heads, 4)
    with pytest.raises(StoreFailed, match="earlier write"):
        append(heads, 4)
    assert heads.last.height == 3
    heads.close()
    heads = reopen(path)
    assert heads.last.height in (3, 4)
    heads.close()


def check_state(crash: Crash, folder: Path, acked: int) -> None:
    rebuild(crash, folder)
    try:
        heads = reopen(folder / "head.bin")
    except StoreDamaged:
        assert crash.marks == 0 or not crash.whole_sectors, crash.story
        return
    assert acked <= heads.last.height <= acked + 1, crash.story
    assert heads.last.block_id == block(heads.last.height)
    append(heads, acked + 2)
    heads.close()


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
@pytest.mark.parametrize("every_byte", [False, True])
def test_power_cuts(
    tmp_path: Path, profile: str, every_byte: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reliability Y33, J17: at every call, also within a compaction."""
    monkeypatch.setattr(head_file, "COMPACT_SLOTS", 100 if every_byte else 3)
    real, rebuilt = tmp_path / "real", tmp_path / "rebuilt"
    real.mkdir()
    rebuilt.mkdir()
    disk = RecordingDisk()
    heads = create(real / "head.bin", disk)
    disk.mark()
    for height in range(1, 3 if every_byte else 9):
        append(heads, height)
        disk.mark()
    heads.close()
    renames = sum(op.kind == "rename" for op in disk.ops)  # it is made by one, too
    assert (renames > 1) is not every_byte
    states = 0
    for crash in crashes(disk.ops, profile, every_byte=every_byte):
        check_state(crash, rebuilt, max(0, crash.marks - 1))
        states += 1
    assert states > (3_000 if every_byte else 80)
