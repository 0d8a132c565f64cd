"""The system calls that make bytes durable, behind one object, and the two ways storage goes wrong.

    StoreFailed    a write, sync or rename did not succeed: its outcome is unknown, the process must
                   end, and the next start decides (reliability Y24). Never retried in place.
    StoreDamaged   what is on the disk is not what was written: nothing of it is served or acted on,
                   and recovery starts (reliability Y22, Y23).

The guard file, the head file and the small files of a home reach the disk through `Disk` alone, so
that tests and the simulator can record, lose, tear or fail every call (reliability J6).
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o600  # interfaces 3.2: whatever a node keeps is its owner's alone
FOLDER_MODE = 0o700
_READ_BYTES = 1 << 20


class StorageError(Exception):
    """Base of what goes wrong with this machine's disk. Its message is for people."""


class StoreFailed(StorageError):
    """A write or sync failed and its outcome is unknown: the process must end (reliability Y24)."""


class StoreDamaged(StorageError):
    """What is on the disk is not what was written (reliability Y22, Y23)."""


class Busy(StorageError):
    """Another process holds the file (reliability Y29)."""


@contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn an error of the operating system into `StoreFailed`, naming `what` was tried."""
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"{what}: {error.strerror or error}") from error


class Disk:
    """The operating system's disk. Every method completes or raises `StoreFailed`."""

    def exists(self, path: Path) -> bool:
        with failing(f"look for {path}"):
            return path.exists()

    def open(self, path: Path) -> int:
        """Open an existing file to read and write."""
        with failing(f"open {path}"):
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def create(self, path: Path) -> int:
        """Make a new file, mode 0600; one that exists already is an error."""
        with failing(f"create {path}"):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    def lock(self, file: int, path: Path) -> None:
        """Hold `file` alone until it is closed, or raise `Busy`.

        A lock belongs to the file, not to its name, so the name is looked up again: somebody may
        have replaced the file between our open and our lock.
        """
        with failing(f"lock {path}"):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"{path} is in use by another process") from None
            if os.fstat(file).st_ino != path.stat().st_ino:
                raise Busy(f"{path} was replaced by another process")

    def read(self, file: int) -> bytes:
        """Return all bytes of `file`."""
        with failing("read"):
            parts = []
            at = 0
            while part := os.pread(file, _READ_BYTES, at):
                parts.append(part)
                at += len(part)
            return b"".join(parts)

    def read_at(self, file: int, size: int, at: int) -> bytes:
        """Return `size` bytes of `file` from byte `at` on, fewer where it ends before."""
        with failing("read"):
            data = b""
            while len(data) < size and (part := os.pread(file, size - len(data), at + len(data))):
                data += part
            return data

    def write(self, file: int, data: bytes, at: int) -> None:
        """Write all of `data` at byte `at`. Durable only after `sync`."""
        with failing("write"):
            done = 0
            while done < len(data):
                done += os.pwrite(file, data[done:], at + done)

    def cut(self, file: int, size: int) -> None:
        """Cut `file` to `size` bytes. Durable only after `sync`."""
        with failing("truncate"):
            os.ftruncate(file, size)

    def sync(self, file: int) -> None:
        """Make the contents and the size of `file` durable."""
        with failing("sync"):
            os.fdatasync(file)

    def close(self, file: int) -> None:
        """Close `file`, and with it release its lock."""
        with failing("close"):
            os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        """Give `old` the name `new`, replacing a file there. Durable only after `sync_folder`."""
        with failing(f"rename {old} to {new}"):
            old.rename(new)

    def remove(self, path: Path) -> None:
        """Remove a file. Durable only after `sync_folder`."""
        with failing(f"remove {path}"):
            path.unlink()

    def remove_folder(self, folder: Path) -> None:
        """Remove `folder` and all that is in it. Durable only after `sync_folder` of its parent."""
        with failing(f"remove {folder}"):
            shutil.rmtree(folder)

    def names(self, folder: Path) -> frozenset[str]:
        """Return the names in `folder` (about 8 µs, reliability Y18)."""
        with failing(f"list {folder}"):
            return frozenset(path.name for path in folder.iterdir())

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable: what was created, renamed or removed."""
        with failing(f"sync the folder {folder}"):
            file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(file)
            finally:
                os.close(file)


DISK = Disk()
