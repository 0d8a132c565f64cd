"""A real PostgreSQL for tests: a new cluster in a temporary folder, on a socket in that folder.

The programs come from the system, or from Debian by `make test`. They refuse to run as root, so
root runs them as the user with the least rights.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

CHECKOUT = Path(__file__).parents[1]
UNPACKED = CHECKOUT / ".venv" / "postgresql"
PLACES = (Path("/usr/lib/postgresql"), UNPACKED / "usr" / "lib" / "postgresql")
START_S = 60
USER = "wijk"
# Nothing of a test has to outlive the machine.
SETTINGS = ("fsync=off", "listen_addresses=", "max_connections=20", "shared_buffers=16MB")


# A database costs a copy of all tables of the system; its one schema is as empty for a test.
EMPTY = (
    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()""",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
)


class Postgres:
    """A server; `create` makes an empty database in it and returns its address.

    `empty` returns that of one database, which has nothing in it any more.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._shared = ""

    def address(self, database: str) -> str:
        return f"postgresql://{USER}:not-shown@/{database}?host={self._folder}"

    def create(self, how: str = "ENCODING 'UTF8'") -> str:
        name = f"index_{next(self._numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as base:
            base.execute(f"CREATE DATABASE {name} {how} TEMPLATE template0".encode())
        return self.address(name)

    def empty(self) -> str:
        if not self._shared:
            self._shared = self.create()
        else:
            with psycopg.connect(self._shared, autocommit=True) as base:
                for line in EMPTY:
                    base.execute(line)
        return self._shared


@contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """Run a server until the end of the block."""
    bin_folder = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="wijk-pg-", dir="/tmp"))
    who: dict[str, Any] = {"env": {"LC_ALL": "C.UTF-8", **_libraries(bin_folder)}, "cwd": folder}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    try:
        making = [str(bin_folder / "initdb"), "-D", str(data), "-U", USER, "-A", "trust"]
        made = subprocess.run(
            [*making, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            **who,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, "-k", folder, *settings],
                **who,
                stdout=log,
                stderr=log,
            )
        try:
            postgres = Postgres(folder)
            _wait_for(postgres, server, folder / "log")
            yield postgres
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder)


def find_programs() -> Path:
    """Return the folder of `initdb` and `postgres`, the newest there are."""
    on_path = shutil.which("initdb")
    if on_path is not None and (Path(on_path).parent / "postgres").exists():
        return Path(on_path).resolve().parent
    for place in PLACES:
        found = sorted(place.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
        if found:
            return found[-1].parent
    pytest.fail("PostgreSQL is not here: `make test` fetches it from Debian, or install it")


def _libraries(bin_folder: Path) -> dict[str, str]:
    """Return where unpacked programs find what was unpacked with them."""
    if not bin_folder.is_relative_to(UNPACKED):
        return {}
    folders = sorted((UNPACKED / "usr" / "lib").glob("*-linux-gnu"))
    return {"LD_LIBRARY_PATH": ":".join(map(str, folders))}


def _wait_for(postgres: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(postgres.address("postgres")).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return
