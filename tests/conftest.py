"""What every test may lean on: how hard hypothesis tries, where files and vectors are."""

import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")
MEMORY_MIN = 4 * 2**30  # a run keeps some hundred megabytes

# Nodes sync every block, so on a disk a run waits for minutes in all; TMPDIR names another place.
has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_MIN
if has_room and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# A run starts the programs some hundred times, and each start would compile all modules anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Fresh examples on every run; a failure prints what reproduces it. No deadline: machines differ.
settings.register_profile(
    "ci", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", parent=settings.get_profile("ci"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass by what stays: eight thousand tests and all modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Return the folder of third-party vectors: WIJK_TESTDATA, else beside the checkout."""
    named = os.environ.get("WIJK_TESTDATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "testdata"
    if not folder.is_dir():
        pytest.skip(f"no third-party vectors: {folder} is not there (WIJK_TESTDATA names it)")
    return folder
