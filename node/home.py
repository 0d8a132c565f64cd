"""A node's home: who may read it, who holds it, and room for bad days (interfaces 3.2).

Folders are mode 0700 and key files 0600; small files are replaced as a whole (reliability Y27). One
process holds a home (Y29). A ballast file keeps space back for the recovery of a full disk (Y28).
"""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from node.disk import DISK, FILE_MODE, FOLDER_MODE, Busy, Disk, StorageError, failing

BALLAST_BYTES = 256 << 20
BALLAST_TEST_BYTES = 8 << 20  # test networks: a hundred homes on one disk
FREE_WARN_BYTES = 5 << 30  # start values of reliability Y28
FREE_REFUSE_BYTES = 1 << 30
FREE_STOP_BYTES = 512 << 20
LOG_BYTES_MAX = 4 << 20  # about 30,000 calls; then `admin.log` begins anew and the old one is kept
SOCKET_PATH_MAX = 100  # bytes; the system allows 107
_PID_BYTES = 20
_FOLDERS = ("keys", "blobs", "backups", "snapshots")  # `store` is made by the store itself


class Exposed(StorageError):
    """A file that others may read or change, or that somebody else owns: it is not used."""


class Space(Enum):
    """What a node does with the free space it has left (reliability Y28)."""

    OK = "ok"
    WARN = "warn"  # tell the operator
    REFUSE = "refuse"  # refuse new transactions, propose nothing, keep voting
    STOP = "stop"  # end cleanly while there is room to end cleanly


@dataclass(frozen=True)
class Home:
    """Where things lie in a node home. Nothing else in the program spells these names."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "node.toml"

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    @property
    def policy(self) -> Path:
        return self.root / "policy.json"

    @property
    def consensus_key(self) -> Path:
        return self.root / "keys" / "consensus.json"

    @property
    def transport_key(self) -> Path:
        return self.root / "keys" / "transport.pem"

    @property
    def guard(self) -> Path:
        return self.root / "guard.bin"

    @property
    def head(self) -> Path:
        return self.root / "head.bin"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def index(self) -> Path:
        return self.root / "index.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def admin_socket(self) -> Path:
        return self.root / "admin.sock"

    @property
    def admin_log(self) -> Path:
        return self.root / "admin.log"

    @property
    def ballast(self) -> Path:
        return self.root / "ballast"

    @property
    def lock(self) -> Path:
        return self.root / "lock"


def socket_path(root: Path, setting: str) -> Path:
    """Return where the admin socket of a home lies: the same at every start (interfaces 2.5).

    A Unix socket's path holds about 100 bytes; for a longer one a short folder is named after it.
    """
    path = root / setting
    if len(os.fsencode(path.absolute())) <= SOCKET_PATH_MAX:
        return path
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    return Path(base) / f"wijk-{digest[:16]}" / "admin.sock"


def make_home(root: Path, disk: Disk = DISK) -> Home:
    """Make the folders of a home at `root`, durably; those that are there stay as they are."""
    for folder in (root, *(root / name for name in _FOLDERS)):
        with failing(f"make the folder {folder}"):
            folder.mkdir(mode=FOLDER_MODE, parents=folder == root, exist_ok=True)
            folder.chmod(FOLDER_MODE)
        disk.sync_folder(folder.parent)
    disk.sync_folder(root)
    return Home(root)


def check_private(path: Path) -> None:
    """Raise `Exposed` unless `path` is ours and nobody else may read or change it."""
    with failing(f"look at {path}"):
        found = path.stat()
    if found.st_uid != os.geteuid():
        raise Exposed(f"{path} belongs to another user; run: chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise Exposed(f"{path} is open to other users; run: chmod {mode} {path}")


def replace_file(path: Path, data: bytes, disk: Disk = DISK, *, mode: int = FILE_MODE) -> None:
    """Put a file with `data` at `path`: after a crash either the old or the new one is there.

    For configuration and keys only; a file that changes with every vote is appended to (Y27).
    """
    new = path.with_name(path.name + ".new")
    if disk.exists(new):  # a crash left it half made
        disk.remove(new)
    file = disk.create(new)
    try:
        with failing(f"set the mode of {new}"):
            os.fchmod(file, mode)
        disk.write(file, data, 0)
        disk.sync(file)
    finally:
        disk.close(file)
    disk.rename(new, path)
    disk.sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append to a log of at most `LOG_BYTES_MAX`; a full one takes the place of the one before."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path, flags, FILE_MODE)
    try:
        if os.fstat(file).st_size + len(line) > LOG_BYTES_MAX:
            path.replace(path.with_name(path.name + ".1"))
            os.close(file)
            file = os.open(path, flags, FILE_MODE)
        os.write(file, line)
    finally:
        os.close(file)


class HomeLock:
    """Holds a home until it is released or the process ends, however it ends (Y29)."""

    def __init__(self, file: int, disk: Disk) -> None:
        self._file = file
        self._disk = disk

    def release(self) -> None:
        """Let another process have the home. The file stays; its lock is what counts."""
        self._disk.close(self._file)


def lock_home(home: Home, disk: Disk = DISK) -> HomeLock:
    """Take `home` before anything in it is opened; raise `Busy`, naming the holder's process id."""
    with failing(f"open {home.lock}"):
        file = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        disk.lock(file, home.lock)
    except Busy:
        holder = os.pread(file, _PID_BYTES, 0).decode("ascii", "replace").strip()
        disk.close(file)
        who = f"process {holder}" if holder else "another process"
        raise Busy(f"{home.root} is in use by {who}") from None
    except BaseException:
        disk.close(file)
        raise
    # Of one width, so that it overwrites the last one in place: that works on a full disk too.
    disk.write(file, f"{os.getpid():>{_PID_BYTES}}".encode(), 0)
    return HomeLock(file, disk)


def make_ballast(home: Home, size: int, disk: Disk = DISK) -> None:
    """Keep `size` bytes of the disk back, really allocated. One that is whole already stays."""
    if disk.exists(home.ballast):
        if home.ballast.stat().st_blocks * 512 >= size:
            return
        disk.remove(home.ballast)  # half made when a crash or a full disk came
    file = disk.create(home.ballast)
    try:
        with failing(f"allocate {size} bytes of ballast"):
            os.posix_fallocate(file, 0, size)
        disk.sync(file)
    finally:
        disk.close(file)
    disk.sync_folder(home.root)


def free_ballast(home: Home, disk: Disk = DISK) -> bool:
    """Give the ballast back to the disk; say whether there was any. Recovery at a start only."""
    if not disk.exists(home.ballast):
        return False
    disk.remove(home.ballast)
    disk.sync_folder(home.root)
    return True


def compute_ballast_bytes(purpose: str) -> int:
    """Return how much a node of a chain keeps back; `purpose` is that of its genesis (Y28)."""
    return BALLAST_BYTES if purpose == "live" else BALLAST_TEST_BYTES


def make_room(home: Home, disk: Disk = DISK) -> None:
    """Free the ballast where a start finds less room than a recovery may need (Y28)."""
    if judge_space(get_free_bytes(home.root)) is Space.STOP:
        free_ballast(home, disk)


def restore_ballast(home: Home, size: int, disk: Disk = DISK) -> None:
    """Make the ballast again after a start that freed it, once that leaves room to work (Y28)."""
    if judge_space(get_free_bytes(home.root) - size) in (Space.OK, Space.WARN):
        make_ballast(home, size, disk)


def get_free_bytes(folder: Path) -> int:
    """Return what is left for us on the disk of `folder`, in bytes."""
    with failing(f"look at the disk of {folder}"):
        return shutil.disk_usage(folder).free


def get_size(folder: Path) -> int:
    """Return the bytes of the files in `folder`, which a store may be changing meanwhile."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def judge_space(free_bytes: int) -> Space:
    """Say what a node does with so much space left (reliability Y28)."""
    if free_bytes < FREE_STOP_BYTES:
        return Space.STOP
    if free_bytes < FREE_REFUSE_BYTES:
        return Space.REFUSE
    return Space.WARN if free_bytes < FREE_WARN_BYTES else Space.OK
