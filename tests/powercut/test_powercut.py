"""Power cuts of a whole node: store, guard and head file together (consensus H7, F30, Y33).

`tests/powercut/record.py` made the recording. `make powercut` makes fresh ones and tries thousands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.node.power_cut import JOURNALLED, STRICT, Op
from tests.powercut.record import BEGUN, read_recording
from tests.powercut.soak import show
from tests.powercut.states import find_states, try_states

if TYPE_CHECKING:
    from pathlib import Path

STATES = 40  # of each profile; `make powercut` tries 10,000


@pytest.mark.parametrize("profile", [JOURNALLED, STRICT])
def test_a_power_cut_at_any_call_costs_no_final_payment_and_no_signature(
    profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """consensus H7, F30, D3, D6, D8: nobody is there to help, and the node signs on."""
    tried = []
    row = try_states(
        "leveldb", profile, read_recording(), STATES, 1, tmp_path / "home", lambda: tried.append(1)
    )
    assert row.wrong == ()
    assert not row.refused, "a power cut alone never keeps a node from starting"
    assert row.tried == len(tried) == STATES
    assert row.found > 20 * STATES
    assert row.promised > STATES
    show([row])
    assert f"| leveldb | {profile} | {row.calls} | {row.found} |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("careless", "broken"),
    [("guard.bin", "is not in the guard"), ("store/", "was final and is lost")],
)
def test_a_node_that_does_not_wait_for_its_disk_is_noticed(
    careless: str, broken: str, tmp_path: Path
) -> None:
    """consensus D3: the same calls without the syncs of one file keep no promise."""
    names: dict[int, str] = {}
    ops, has_begun = [], False
    for op in read_recording():
        has_begun |= op.names == (BEGUN,)
        if op.kind == "create":
            names[op.file] = op.names[0]
        if not (has_begun and op.kind == "sync" and names[op.file].startswith(careless)):
            ops.append(op)

    row = try_states("leveldb", STRICT, ops, STATES, 1, tmp_path / "home", lambda: None)

    assert any(broken in story for story in row.wrong) or row.refused, row


def test_the_recording_has_what_makes_it_worth_replaying() -> None:
    """Two lives: votes, blocks and payments, a table of the store, and rewritten slot files."""
    ops = read_recording()
    kinds = [op.names[0].split("/")[0] for op in ops if op.kind == "mark"]
    renamed = [op.names for op in ops if op.kind == "rename"]

    assert kinds[0] == BEGUN
    assert (kinds.count("final"), kinds.count("signed")) == (6, 18)
    assert {("guard.bin.new", "guard.bin"), ("head.bin.new", "head.bin")} <= set(renamed)
    assert any(old.startswith("store/") for old, _ in renamed)
    assert any(name.endswith(".ldb") for op in ops if op.kind == "create" for name in op.names)
    assert all(crash.marks for crash in find_states(ops[:200], JOURNALLED))
    assert Op("sync_folder", names=("store",)) in ops
