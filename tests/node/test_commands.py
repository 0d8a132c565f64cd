"""`wijk node init|start --check|status` (interfaces 1.6, 1.8)."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import wijk
from node.home import Home
from node.setup import load_node_key
from tests.federation import make_genesis
from tests.shapes import SHAPES, check_shape

GENESIS = make_genesis(wijken=4)


@pytest.fixture
def genesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("WIJK_"):
            monkeypatch.delenv(name)
    path = tmp_path / "genesis.json"
    path.write_bytes(GENESIS.canonical)
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(wijk, ["node", *words, "-o", "json"])


def init(home: Path, genesis: Path, *more: str) -> Result:
    return run("init", "--wijk", "noord", "--genesis", str(genesis), "--home", str(home), *more)


def problem_of(told: Result) -> dict[str, Any]:
    assert told.stdout == ""
    tree: dict[str, Any] = json.loads(told.stderr.splitlines()[-1])
    check_shape(tree, SHAPES["problem"])
    return tree


def test_init_makes_a_home_that_can_start(genesis: Path, tmp_path: Path) -> None:
    home = tmp_path / "noord"

    made = init(home, genesis, "--yes", "--storage", "sqlite", "--listen", "127.0.0.1:7200")
    checked = run("start", "--check", "--home", str(home))

    tree = json.loads(made.stdout)
    check_shape(tree, SHAPES["node init"])
    assert made.exit_code == checked.exit_code == 0
    assert tree["chain_digest"] == GENESIS.digest.hex()
    assert tree["storage"] == "sqlite"
    assert json.loads(checked.stdout)["ok"] is True
    assert load_node_key(Home(home).consensus_key)
    assert GENESIS.digest.hex() in (home / "node.toml").read_text()
    assert GENESIS.digest.hex() in made.stderr  # to compare with the paper copy


def test_init_asks_for_the_paper_copy_unless_the_digest_was_given(
    genesis: Path, tmp_path: Path
) -> None:
    unasked = init(tmp_path / "a", genesis)
    right = init(tmp_path / "b", genesis, "--genesis-sha256", GENESIS.digest.hex())
    wrong = init(tmp_path / "c", genesis, "--genesis-sha256", "ab" * 32)

    assert (unasked.exit_code, right.exit_code, wrong.exit_code) == (2, 0, 78)
    assert problem_of(wrong)["code"] == "WIJK-1002"
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "c").exists()


def test_init_never_replaces_a_node(genesis: Path, tmp_path: Path) -> None:
    home = tmp_path / "noord"
    first = json.loads(init(home, genesis, "--yes").stdout)

    again = init(home, genesis, "--yes")

    assert again.exit_code == 78
    assert problem_of(again)["code"] == "WIJK-1002"
    key = json.loads(Home(home).consensus_key.read_text())["public_key"]
    assert key == first["consensus_key"]


def test_init_names_the_wijken_that_there_are(genesis: Path, tmp_path: Path) -> None:
    words = ("--wijk", "nergens", "--genesis", str(genesis), "--home", str(tmp_path / "x"), "--yes")

    told = run("init", *words)

    assert told.exit_code == 2
    assert "delfshaven, noord, feijenoord, charlois" in problem_of(told)["detail"]


@pytest.mark.parametrize(
    "words", [("--name", "Het Noorden"), ("--listen", "70"), ("--external", "x")]
)
def test_init_refuses_what_start_would_refuse(
    words: tuple[str, str], genesis: Path, tmp_path: Path
) -> None:
    told = init(tmp_path / "x", genesis, "--yes", *words)

    assert told.exit_code == 2
    assert problem_of(told)["code"] == "WIJK-1001"
    assert words[1] in problem_of(told)["detail"]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", bytes(range(256))])
def test_init_refuses_what_is_no_genesis(content: bytes, genesis: Path, tmp_path: Path) -> None:
    genesis.write_bytes(content)

    told = init(tmp_path / "x", genesis, "--yes")

    assert told.exit_code == 78
    assert problem_of(told)["code"] == "WIJK-1002"


def test_start_lists_everything_that_is_wrong(genesis: Path, tmp_path: Path) -> None:
    home = tmp_path / "noord"
    init(home, genesis, "--yes")
    (home / "node.toml").write_text("[api]\nlisten = 5\n[nope]\nx = 1\n")

    told = run("start", "--check", "--home", str(home))

    assert told.exit_code == 78
    assert len(problem_of(told)["params"]["errors"]) == 2


def test_status_of_a_node_that_does_not_run_is_exit_4(genesis: Path, tmp_path: Path) -> None:
    home = tmp_path / "noord"
    init(home, genesis, "--yes")

    told = run("status", "--home", str(home))

    assert told.exit_code == 4
    assert problem_of(told)["code"] == "WIJK-3001"
