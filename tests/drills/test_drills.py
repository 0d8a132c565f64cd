"""The quickest drills, on every run of the suite, and that a drill can fail; `make drills` has all.

The others are played by `make drills`; docs/drills.md says which fault is where.
"""

import re
from pathlib import Path

import pytest

from testnet.network import Network
from tests.drills.__main__ import main
from tests.drills.bank import Crowd, Load
from tests.drills.ground import Ground
from tests.drills.play import Drill, play
from tests.drills.scenarios import DRILLS

CHECKOUT = Path(__file__).parents[2]
QUICK = ("F23-guard", "F24", "F48-1")
NOT_BUILT = {"F44"}  # an upgrade at a height (consensus V8)
STARRED = {
    "F1", "F2", "F3", "F4", "F20", "F21", "F22", "F23", "F24", "F25", "F26", "F30", "F39", "F44",
    "F48", "F49",
}  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUICK)
def test_on_real_processes(name: str, tmp_path: Path) -> None:
    drill = next(one for one in DRILLS if one.id == name)

    row = play(drill, tmp_path / "n")

    assert row.why == ""
    assert row.passed
    assert row.lost == 0
    assert row.acknowledged > 0
    assert row.reads > 0
    assert row.after > row.before > 0
    assert row.done


def forge(ground: Ground) -> None:
    ground.load.acked.append("00" * 32)


def give_up(_ground: Ground) -> None:
    raise AssertionError("it did not come")


@pytest.mark.timeout(300)
def test_a_lost_payment_and_a_fault_that_is_not_borne_are_seen(tmp_path: Path) -> None:
    """Reliability H7: an acknowledged payment that no node holds fails the drill."""
    row = play(Drill("x", "an acknowledgement of nothing", forge, nodes=1), tmp_path / "a")
    assert (row.passed, row.lost) == (False, 1)
    assert row.why == f"lost: {'00' * 32}"

    row = play(Drill("x", "gives up", give_up, nodes=1), tmp_path / "b")
    assert (row.passed, row.lost) == (False, None)
    assert "it did not come" in row.why
    assert not any(
        network.is_running(entry)
        for network in (Network(tmp_path / "a"), Network(tmp_path / "b"))
        for entry in network.file.nodes
    )


def test_every_starred_fault_has_a_drill_and_a_line_in_the_table() -> None:
    ids = {drill.id for drill in DRILLS}
    named = {name for one in ids for name in re.findall(r"F\d+", one)}
    table = (CHECKOUT / "docs" / "drills.md").read_text(encoding="utf-8")

    assert STARRED - named == NOT_BUILT
    assert len(ids) == len(DRILLS)
    assert set(QUICK) < ids
    for one in ids | NOT_BUILT:
        assert re.search(rf"^\| {re.escape(one)} \|", table, re.MULTILINE), one


def test_money_that_comes_or_goes_is_seen() -> None:
    """Reliability H7: each read sums to the total, and one height has one set of balances."""
    load = Load(["http://127.0.0.1:1"], Crowd(bytes(32), [bytes([i]) * 32 for i in range(2)]))
    load._check(3, [999_999, 1_000_001])
    assert (load.reads, load.wrong) == (1, [])
    load._check(3, [1_000_000, 1_000_000])
    assert len(load.wrong) == 1
    load._check(4, [1_000_000, 1_000_001])
    assert len(load.wrong) == 2
    assert "height 4: 2000001 cents" in load.wrong[1]


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["F99"])
    assert "no drill F99" in str(caught.value)
    assert main(["--list"]) == 0
    assert "F30" in capsys.readouterr().out
