"""The wallet's files: private when they hold a secret, and replaced whole or not at all.

reliability KS3, W34, Y27: mode 0600 and own owner, no link followed, no FIFO opened, and every
replacement is write, fsync, rename, fsync of the folder. A reader never sees half a file.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from chain.texts import Problem

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = 0o077  # any right of group or world
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_private(path: Path, bytes_max: int) -> bytes:
    """Return the content of a plain file of this user that nobody else can read or write.

    Raise `Problem` 1007 for anything else, and `FileNotFoundError` where nothing is.
    """
    return _read(path, bytes_max, private=True)


def read_plain(path: Path, bytes_max: int) -> bytes:
    """Return the content of a plain file without secrets; otherwise as `read_private`."""
    return _read(path, bytes_max, private=False)


def read_named(path: Path, bytes_max: int) -> bytes:
    """Return the content of a file that somebody named, or raise `Problem` 3007, 1007."""
    try:
        return read_plain(path, bytes_max)
    except FileNotFoundError:
        raise Problem(3007, what=str(path)) from None


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, or raise `FileExistsError`; it is durable on return."""
    with _beside(path, data) as fresh:
        os.link(fresh, path, follow_symlinks=False)


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of what `path` holds, if anything; it is durable on return."""
    with _beside(path, data) as fresh:
        fresh.rename(path)


def remove(path: Path) -> None:
    """Remove a file, durably. A file that is not there is removed already."""
    if path.parent.is_dir():
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder for this user alone, where it is not there yet."""
    if not path.is_dir() and path.parent != path:
        make_folder(path.parent)  # `parents=True` would leave these open to others
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def _read(path: Path, bytes_max: int, *, private: bool) -> bytes:
    try:
        file = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:  # ELOOP: a link; ENXIO: a socket; EACCES: not ours
        raise Problem(1007, file=str(path), cause="unreadable") from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise Problem(1007, file=str(path), cause="not-a-file")
        if private and found.st_uid != os.geteuid():
            raise Problem(1007, file=str(path), cause="owner")
        if private and stat.S_IMODE(found.st_mode) & _OTHERS:
            raise Problem(1007, file=str(path), cause="mode")
        if found.st_size > bytes_max:
            raise Problem(1007, file=str(path), cause="too-large")
        data = os.read(file, bytes_max + 1)
        while len(data) <= bytes_max and (more := os.read(file, bytes_max + 1 - len(data))):
            data += more
    except OSError as error:
        raise Problem(1007, file=str(path), cause="unreadable") from error
    finally:
        os.close(file)
    if len(data) > bytes_max:  # it grew after the size was asked
        raise Problem(1007, file=str(path), cause="too-large")
    return data


@contextlib.contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """Yield a synced temporary file beside `path`; afterwards it is gone and the folder synced."""
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    file = os.open(fresh, _WRITE_FLAGS, FILE_MODE)
    try:
        with os.fdopen(file, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
