"""`wijk node init|start --check|status` (interfaces 1.6, 1.8)."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.policy import read_policy
from cli import wijk
from node.commands import ready_lines
from node.home import Home, lock_home
from node.setup import init_home, load_node_key
from tests.federation import make_genesis
from tests.live import make_home
from tests.shapes import SHAPES, check_shape
from wallet.terminal import Terminal

GENESIS = make_genesis(wijken=4)


@pytest.fixture
def genesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("WIJK_"):
            monkeypatch.delenv(name)
    path = tmp_path / "genesis.json"
    path.write_bytes(GENESIS.canonical)
    return path


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Put back the log that a node which begins to start takes over."""
    loggers = [logging.getLogger("wijk"), logging.getLogger()]
    before = [(one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def terminal_in(lang: str) -> Terminal:
    terminal = Terminal()
    terminal.given["lang"] = lang
    return terminal


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


def test_init_writes_whom_to_trust_unless_that_is_there(genesis: Path, tmp_path: Path) -> None:
    """interfaces 3.5: the policy follows from genesis, and an older one is never replaced."""
    fresh, known = Home(tmp_path / "a"), Home(tmp_path / "b")
    known.root.mkdir()
    known.policy.write_text("older")

    codes = [init(home.root, genesis, "--yes").exit_code for home in (fresh, known)]

    assert codes == [0, 0]
    policy = read_policy(fresh.policy.read_bytes())
    assert policy.chain_digest == GENESIS.digest.hex()
    assert [one.name for one in policy.eras[0].validators] == sorted(
        one.name for one in GENESIS.doc.validators
    )
    assert policy.eras[0].to_height is None
    assert known.policy.read_text() == "older"


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("max_peers = 2", "max_peers"),
        ('external = "192.0.2.1:7100"', "external"),
        ('peers = ["192.0.2.1:7100"]', "peers"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    setting: str, word: str, genesis: Path, tmp_path: Path
) -> None:
    """interfaces 3.1: links go to whom the chain names, at the address that it names."""
    home = make_home(tmp_path / "home", GENESIS, "delfshaven", 0)
    path = home.root / "node.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(word)]
    lines.insert(lines.index("[p2p]") + 1, setting)
    path.write_text("\n".join(lines))

    told = run("start", "--home", str(home.root))

    assert told.exit_code == 78
    assert any(f"p2p.{word}" in fault for fault in problem_of(told)["params"]["errors"])


def test_start_tells_people_in_a_sentence_and_scripts_in_an_object() -> None:
    ready: dict[str, Any] = {
        "name": "noord",
        "chain_id": "test-chain",
        "height": 7,
        "signing": False,
        "api": "http://127.0.0.1:1",
        "p2p": "127.0.0.1:2",
    }
    dutch, english = (ready_lines(terminal_in(lang), ready) for lang in ("nl", "en"))

    assert dutch[0] == "Node noord draait: keten test-chain, blok 7."
    assert dutch[1] == "De node volgt en tekent niets."
    assert english[0] == "Node noord is running: chain test-chain, block 7."
    assert english[2].endswith(ready["api"])


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


def break_transport_key(home: Home) -> str:
    home.transport_key.chmod(0o644)
    return "WIJK-1002"


def break_consensus_key(home: Home) -> str:
    home.consensus_key.chmod(0o644)
    return "WIJK-1002"


def take_away_genesis(home: Home) -> str:
    home.genesis.unlink()
    return "WIJK-1002"


def name_another_genesis(home: Home) -> str:
    digest = GENESIS.digest.hex()
    home.config.write_text(home.config.read_text().replace(digest, "ab" * 32))
    return "WIJK-1002"


def take_the_guard_of_another_key(home: Home) -> str:
    other = init_home(home.root / "other", GENESIS, bytes(32), bytes(32), bytes(16), {})
    home.guard.write_bytes(other.guard.read_bytes())
    return "WIJK-1010"


def take_the_guard_of_another_chain(home: Home) -> str:
    genesis = make_genesis(wijken=4, purpose="demo")
    key = load_node_key(home.consensus_key)
    other = init_home(home.root / "other", genesis, key, bytes(32), bytes(16), {})
    home.guard.write_bytes(other.guard.read_bytes())
    return "WIJK-1010"


@pytest.mark.parametrize(
    "damage",
    [
        break_transport_key,
        break_consensus_key,
        take_away_genesis,
        name_another_genesis,
        take_the_guard_of_another_key,
        take_the_guard_of_another_chain,
    ],
)
def test_what_an_operator_has_to_mend_is_exit_78_with_its_code(
    damage: Callable[[Home], str], genesis: Path, tmp_path: Path
) -> None:
    """reliability W37, W38, KS3: nobody restarts into it, and nothing listens."""
    home = Home(tmp_path / "noord")
    init(home.root, genesis, "--yes", "--storage", "sqlite", "--listen", "127.0.0.1:0")
    code = damage(home)

    told = run("start", "--home", str(home.root))

    assert told.exit_code == 78
    tree = problem_of(told)
    assert tree["code"] == code
    assert tree["params"]["errors"]
    assert load_node_key.__name__ not in told.stderr  # no traceback


def test_two_nodes_on_one_home_are_refused_naming_the_first(genesis: Path, tmp_path: Path) -> None:
    """reliability W37, Y29."""
    home = Home(tmp_path / "noord")
    init(home.root, genesis, "--yes", "--storage", "sqlite")
    lock = lock_home(home)
    try:
        told = run("start", "--home", str(home.root))
    finally:
        lock.release()

    assert told.exit_code == 78
    assert str(os.getpid()) in problem_of(told)["params"]["errors"][0]


def test_status_of_a_node_that_does_not_run_is_exit_4(genesis: Path, tmp_path: Path) -> None:
    home = tmp_path / "noord"
    init(home, genesis, "--yes")

    told = run("status", "--home", str(home))

    assert told.exit_code == 4
    assert problem_of(told)["code"] == "WIJK-3001"
