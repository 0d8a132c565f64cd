"""Programs that judge what was exported: they are run, never imported (economy section 13)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SECONDS_MAX = 120


def hledger(*args: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which("hledger") or CHECKOUT / ".venv" / "hledger" / "usr" / "bin" / "hledger"
    if not Path(found).exists():
        pytest.fail("hledger is not here: `make test` fetches it from Debian, or install it")
    return run(str(found), *args)


def bean_check(file: Path) -> subprocess.CompletedProcess[str]:
    return run(str(Path(sys.executable).with_name("bean-check")), "--no-cache", str(file))


def run(*line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
