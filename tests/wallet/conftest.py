"""The client home of a network that a module of tests started."""

import os
from pathlib import Path

import pytest

from testnet.network import Network


@pytest.fixture
def home(network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [
        name for name in os.environ if name.startswith("WIJK_") and name != "WIJK_TESTDATA"
    ]:
        monkeypatch.delenv(name)
    folder = network.folder / "client"
    monkeypatch.setenv("WIJK_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder
