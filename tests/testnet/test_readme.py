"""README.md, five minutes, and docs/coin.md: what developer, auditor, treasurer type, line by line.

That of the newcomer runs against the demo, in test_demo.py.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from testnet.create import is_free
from testnet.network import Network
from tests.testnet.readme import CHECKOUT, page_script, readme_blocks, run_script

SPAN = 33  # ports of four nodes


@pytest.fixture
def base() -> int:
    """Return a base port where all ports of four nodes are free."""
    return next(
        first
        for first in range(31_000, 32_700, 40)
        if all(is_free(port) for port in range(first, first + SPAN))
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if (tmp_path / "net" / "testnet.json").exists():
        Network(tmp_path / "net").stop()


def test_a_developer_and_an_auditor_get_what_the_readme_says(place: Path, base: int) -> None:
    _, developer, auditor = readme_blocks()
    script = f"{developer}\n{auditor}"  # one terminal, one after the other
    assert "--seed 7" in script
    assert ":27101" in script
    script = script.replace("--seed 7", f"--seed 7 --base-port {base}")
    said = run_script(script.replace(":27101", f":{base + 1}"), place)

    assert (place / "bon.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1\n")
    assert (place / "auditor" / "policy.json").is_file()
    assert (place / "today.ckpt").is_file()
    assert said.count("De keten klopt.") == 2
    assert not (place / "data").exists(), "nothing was written outside of the homes it names"


def test_residents_treasurers_and_boards_get_what_the_page_of_the_coin_says(
    place: Path, base: int
) -> None:
    (place / "docs").mkdir()
    shutil.copy(CHECKOUT / "docs" / "coin-statement.xml", place / "docs")
    script = page_script("coin.md")
    assert "--seed 7" in script

    script = script.replace("--seed 7", f"--seed 7 --base-port {base}")
    said = run_script(script, place, seconds=400)  # thirty starts of the program

    assert "€ 9.995,50" in said  # what a resident has left
    assert "bevroren tot" in said
    assert "w1:EUR: op de bank € 30.059,50, in omloop € 30.050,00" in said
    assert "  geboekte kosten: € 3,00" in said
