"""The curves: a plot that shows every point, and a chain that comes back and is replayed."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.curves import points
from tests.curves.__main__ import CURVES, TITLES, describe, main, plot, write
from tests.curves.plot import Panel, draw
from tests.curves.points import MILLION, list_points, run_life, run_loads

SVG = "{http://www.w3.org/2000/svg}"


def test_every_point_of_a_panel_is_drawn_with_its_value() -> None:
    lines: dict[str, list[float | None]] = {
        "p50": [120.0, None, 1_500.0],
        "p99": [0.5, 2.25, 3_000.0],
    }

    root = ET.fromstring(draw([[Panel("a < b", "x", ["1", "4", "7"], lines)]], "head & tail"))

    assert len(root.findall(f".//{SVG}circle")) == 5 + 2  # and one in the key of each line
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a < b", "head & tail", "120", "1,500", "0.5", "2.25", "3,000"} <= set(words)
    heights = [float(dot.attrib["cy"]) for dot in root.findall(f".//{SVG}circle[@r='3']")]
    assert min(heights) == heights[-1]  # the largest value stands highest


def test_a_panel_without_points_is_drawn_empty() -> None:
    root = ET.fromstring(draw([[Panel("none", "x", [], {"tps": []})]], ""))
    assert root.findall(f".//{SVG}circle") == []


def test_data_without_a_picture_is_an_empty_one() -> None:
    """`make curves ARGS=again` measures what only the data file tells."""
    assert ET.fromstring(draw([], "again")).tag.endswith("svg")


def test_there_is_a_point_for_all_that_is_asked() -> None:
    """Validators, accounts, block size and dead validators, on one machine."""
    found: dict[str, list[str]] = {}
    for point in list_points(20, million=True):
        found.setdefault(point.curve, []).append(point.x)
    assert found["validators"] == ["1", "4", "7", "10"]
    assert found["accounts"] == ["10,000", "100,000", "1,000,000"]
    assert found["dead"] == ["0", "1", "2"]
    assert len(found["block"]) >= 3
    assert {*found, "load", "life", "again"} == set(CURVES)
    few = list_points(20, million=False)
    assert max(point.setting.accounts for point in few) < MILLION


def test_an_unknown_curve_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["colour"])
    assert "no such curve: colour" in capsys.readouterr().err


def test_load_and_life_of_a_small_network_make_a_data_file_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "WARMUP_S", 0.2)
    monkeypatch.setattr(points, "LOADS", (2.0,))
    rows = list(run_loads(1, 50, tmp_path / "load", lambda *_: None))
    life = run_life(1, 50, tmp_path / "life", lambda *_: None)
    data = describe(1) | {"points": [*rows, life]}
    write(tmp_path / "out", data)

    assert [row["x"] for row in rows] == ["max", "2/s", "200%"]
    assert all(row["broken"] == [] and row["busy_without_after"] == 0 for row in rows)
    assert life["broken"] == []
    assert life["audit"]["ok"] is True
    assert life["audit"]["transactions"] == life["log_size"]
    assert life["restart_s"] > 0
    assert life["sync"]["blocks"] >= 0
    assert life["disk_bytes"] > 0
    kept = json.loads((tmp_path / "out" / "curves.json").read_text(encoding="utf-8"))
    assert kept == data
    assert kept["machine"]["cores"] >= 1
    assert len(kept["commit"]) == 40
    assert TITLES["load"][1] in plot(kept)
