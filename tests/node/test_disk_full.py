"""A real node process on a file that cannot grow any more: F29, D5, reliability Y24, Y36."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chain.crypto import public_key, sign
from consensus.guard import SLOT_BYTES, Position, Slot, Step, read_guard
from node.guard_file import create_guard
from node.home import Home
from node.setup import init_home
from tests.federation import make_genesis, seed

ROOT = Path(__file__).parents[2]
OWN = seed("node-delfshaven")
KEY = public_key(OWN)
CHAIN: dict[str, Any] = {
    "wijken": 1,
    "balances": {"delfshaven/anna": 10_000},
    "params": {"heartbeat_s": 1},
}
WAIT_S = 90.0
SLOTS = 3_000  # 1.5 MiB: more than the store of a few blocks


def make(root: Path) -> Home:
    """Make a chain of one validator, whose guard is the largest of its files."""
    genesis = make_genesis(**CHAIN)
    settings = {
        "node.storage": "sqlite",
        "p2p.listen": "127.0.0.1:0",
        "api.listen": "127.0.0.1:0",
        "metrics.listen": "127.0.0.1:0",
    }
    home = init_home(root, genesis, OWN, seed("t"), bytes(16), settings)
    binding = read_guard(home.guard.read_bytes(), KEY, genesis.digest).binding
    home.guard.unlink()
    slots = tuple(
        Slot(Position(0, round_, Step.PREPARE), b"x", bytes(64)) for round_ in range(1, SLOTS)
    )
    create_guard(home.guard, binding, lambda text: sign(OWN, text), slots=slots).close()
    return home


def run(home: Home, limit: int | None, enough: int) -> subprocess.CompletedProcess[str]:
    """Run the node with files of at most `limit` bytes, until its guard has `enough`."""

    def shrink() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    line = [sys.executable, "-m", "cli", "node", "start", "--home", str(home.root)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WIJK_")}
    process = subprocess.Popen(
        line,
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=shrink,  # noqa: PLW1509 - no threads here
    )
    deadline = time.monotonic() + WAIT_S
    try:
        while process.poll() is None and home.guard.stat().st_size < enough:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.terminate()
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(line, process.returncode, out, err)


@pytest.mark.parametrize("what", ["guard", "store"])
def test_a_node_whose_file_cannot_grow_ends_at_once_and_comes_back(
    what: str, tmp_path: Path
) -> None:
    """consensus F29, D5: exit 1, nothing signed that is not in the guard; then it goes on."""
    home = make(tmp_path / "home")
    whole = home.guard.read_bytes()
    biggest = max(path.stat().st_size for path in home.store.iterdir())
    limit = len(whole) + 100 if what == "guard" else biggest

    failed = run(home, limit, len(whole) + SLOT_BYTES)

    assert failed.returncode == 1, failed.stderr
    assert "too large" in failed.stderr.lower() or "disk" in failed.stderr.lower()
    after = home.guard.read_bytes()
    assert after[: len(whole)] == whole
    assert len(after) <= len(whole) + 100

    again = run(home, None, len(whole) + SLOT_BYTES)
    assert again.returncode == 0, again.stderr
    genesis = make_genesis(**CHAIN)
    assert read_guard(home.guard.read_bytes(), KEY, genesis.digest).position.height >= 1
