"""The auditor's own files: read with a bound, replaced whole or not at all (interfaces 3.2)."""

import os
import secrets
from pathlib import Path

from chain.errors import Malformed
from chain.policy import POLICY_BYTES_MAX, Policy, read_policy, write_policy
from chain.texts import Problem

FILE_MODE = 0o600
FOLDER_MODE = 0o700
POLICY = "policy.json"


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """Return the content of a file; raise `Problem` 3007 or 1002 where there is none to read."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise Problem(3007, what=str(path)) from None
    except OSError as error:
        raise Problem(1002, errors=[f"{path}: {error.strerror}"]) from error
    if len(data) > bytes_max:
        raise Problem(1002, errors=[f"{path}: more than {bytes_max} bytes"])
    return data


def replace(path: Path, data: bytes) -> None:
    """Put a file with `data` at `path`, durably; a crash leaves the old one or the new one."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(file, "wb") as writing:
            writing.write(data)
            writing.flush()
            os.fsync(writing.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_policy(home: Path) -> Policy | None:
    """Return whom this home trusts, None where it trusts nobody yet.

    Raise `Problem` 1002 where the file is not a policy: whom to trust is never guessed.
    """
    path = home / POLICY
    if not path.exists():
        return None
    try:
        return read_policy(read_bounded(path, POLICY_BYTES_MAX))
    except Malformed as error:
        raise Problem(1002, errors=[f"{path}: {error}"]) from error


def store_policy(home: Path, policy: Policy) -> None:
    """Make `policy` the one that this home trusts."""
    replace(home / POLICY, write_policy(policy).encode())
