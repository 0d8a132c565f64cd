"""Mirrors node/home.py: who may read a home, who holds it, and room for bad days."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.disk import Busy, StoreFailed
from node.home import (
    BALLAST_BYTES,
    BALLAST_TEST_BYTES,
    Exposed,
    Home,
    Space,
    check_private,
    free_ballast,
    get_free_bytes,
    judge_space,
    lock_home,
    make_ballast,
    make_home,
    replace_file,
)
from tests.node.power_cut import JOURNALLED, STRICT, FastDisk, RecordingDisk, crashes


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "v1")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# ------------------------------------------------------------------------------------------ layout


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    """Interfaces 3.2."""
    before = os.umask(0)
    try:
        home = make_home(tmp_path / "a" / "v1")
    finally:
        os.umask(before)
    found = {path.name for path in home.root.iterdir()}
    assert found == {"keys", "blobs", "backups", "snapshots"}
    for folder in (home.root, *home.root.iterdir()):
        assert mode(folder) == 0o700
        check_private(folder)


def test_making_a_home_again_keeps_what_is_there(home: Home) -> None:
    home.consensus_key.write_text("key")
    home.root.chmod(0o755)
    assert make_home(home.root) == home
    assert home.consensus_key.read_text() == "key"
    assert mode(home.root) == 0o700


def test_a_file_that_others_may_read_is_not_used(home: Home) -> None:
    """Reliability Y36; interfaces 1.2: wider than 0600 is refused."""
    home.consensus_key.write_text("key")
    for bad in (0o640, 0o604, 0o620, 0o601):
        home.consensus_key.chmod(bad)
        with pytest.raises(Exposed, match="chmod 600"):
            check_private(home.consensus_key)
    for good in (0o600, 0o400):
        home.consensus_key.chmod(good)
        check_private(home.consensus_key)
    home.root.chmod(0o750)
    with pytest.raises(Exposed, match="chmod 700"):
        check_private(home.root)


def test_a_file_of_another_owner_is_not_used(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.consensus_key.touch(mode=0o600)
    monkeypatch.setattr(os, "geteuid", lambda: home.root.stat().st_uid + 1)
    with pytest.raises(Exposed, match="another user"):
        check_private(home.consensus_key)


# ---------------------------------------------------------------------------------------- replacing


def test_replacing_leaves_the_new_file_alone(home: Home) -> None:
    before = os.umask(0)
    try:
        for data in (b"one", b"", b"three" * 1_000):
            replace_file(home.config, data)
            assert home.config.read_bytes() == data
            assert mode(home.config) == 0o600
    finally:
        os.umask(before)
    home.config.with_name("node.toml.new").write_text("half made before a crash")
    replace_file(home.config, b"four", mode=0o644)
    assert home.config.read_bytes() == b"four"
    assert mode(home.config) == 0o644
    assert not home.config.with_name("node.toml.new").exists()


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_after_a_power_cut_the_old_or_the_new_file_is_there(tmp_path: Path, profile: str) -> None:
    """Reliability Y27, Y33."""
    path = tmp_path / "node.toml"
    old, new = b"old" * 300, b"new" * 500
    path.write_bytes(old)
    disk = RecordingDisk()
    disk.adopt(path)
    disk.mark()
    replace_file(path, new, disk)
    disk.mark()
    seen = set()
    for crash in crashes(disk.ops, profile, every_byte=True):
        if crash.marks:
            found = crash.files["node.toml"]
            assert found == new or (found == old and crash.marks == 1), crash.story
            seen.add(found)
    assert seen == {old, new}


# ---------------------------------------------------------------------------------------- the lock

HOLD = """
import sys
from pathlib import Path
from node.disk import Busy
from node.home import Home, lock_home
try:
    lock = lock_home(Home(Path(sys.argv[1])))
except Busy as error:
    print(error)
    sys.exit(78)
print("held", flush=True)
sys.stdin.read()
"""


def hold(home: Home) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", HOLD, str(home.root)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_process_hears_who_holds_the_home(home: Home) -> None:
    """Reliability Y29: and a killed process holds nothing any more."""
    with hold(home) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=rf"is in use by process {first.pid}$"):
            lock_home(home)
        with hold(home) as second:
            answer, _ = second.communicate()
        assert second.returncode == 78
        assert answer == f"{home.root} is in use by process {first.pid}\n"
        first.send_signal(signal.SIGKILL)
        first.wait()
    lock = lock_home(home)
    assert int(home.lock.read_text()) == os.getpid()
    with pytest.raises(Busy, match=f"process {os.getpid()}"):
        lock_home(home)
    lock.release()
    lock_home(home).release()


# --------------------------------------------------------------------------------------- the space


def test_ballast_is_really_allocated_freed_and_made_again(home: Home) -> None:
    """Reliability Y28."""
    assert BALLAST_BYTES == 256 << 20
    make_ballast(home, BALLAST_TEST_BYTES)
    found = home.ballast.stat()
    assert found.st_size == BALLAST_TEST_BYTES
    assert found.st_blocks * 512 >= BALLAST_TEST_BYTES
    make_ballast(home, BALLAST_TEST_BYTES)
    assert home.ballast.stat().st_ino == found.st_ino
    assert free_ballast(home)
    assert not home.ballast.exists()
    assert not free_ballast(home)
    with home.ballast.open("wb") as half_made:
        half_made.truncate(BALLAST_TEST_BYTES)  # the size, without the blocks
    make_ballast(home, BALLAST_TEST_BYTES)
    assert home.ballast.stat().st_blocks * 512 >= BALLAST_TEST_BYTES


def test_a_full_disk_refuses_the_ballast(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, at: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreFailed, match="No space left"):
        make_ballast(home, BALLAST_TEST_BYTES, FastDisk())


def test_free_space_decides_what_a_node_does(home: Home) -> None:
    """Reliability Y28: the start values."""
    gib = 1 << 30
    steps = [(5 * gib, Space.OK), (gib, Space.WARN), (gib // 2, Space.REFUSE), (0, Space.STOP)]
    for least, expected in steps:
        assert judge_space(least) is expected
        if least:
            assert judge_space(least - 1) is not expected
    assert get_free_bytes(home.root) > 0
    with pytest.raises(StoreFailed):
        get_free_bytes(home.root / "absent")
