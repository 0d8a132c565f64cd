"""`wijk node rejoin|rollback` and `wijk signer state ...` on real homes (D8, D12, S11, 3.7)."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from chain.crypto import public_key, sign
from chain.file_signature import encode_signature, sign_file
from chain.keyspaces import SET_NEXT, VALIDATOR_SETS
from chain.set_change import get_members
from chain.state import State
from cli import wijk
from consensus.guard import Position, Step, end_of, opening, read_guard
from node.chainstore import STATE, ChainStore
from node.guard_file import GuardFile, open_guard
from node.home import Home, lock_home
from node.setup import init_home
from node.store import choose_kind, open_store
from tests.federation import Ledger, seed
from tests.live import live_network, until
from tests.node.test_chainstore import BALANCES
from tests.node.test_recovery import FAST, INSTANCE, KEY, SEED, add_blocks
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.genesis import Genesis

BLOCKS = 3


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return Ledger(balances=BALANCES).genesis


@pytest.fixture
def home(tmp_path: Path, genesis: Genesis, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home of a stopped node of wijk noord that stands at block 3."""
    for name in [name for name in os.environ if name.startswith("WIJK_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "home"
    settings = {"node.storage": "sqlite", "node.name": "noord"}
    init_home(root, genesis, SEED, seed("transport-noord"), INSTANCE, settings)
    add_blocks(root, "sqlite", genesis, BLOCKS)
    return Home(root)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be somebody to ask."""
    monkeypatch.setattr(Terminal, "can_ask", property(lambda _: True))


def run(home: Home, *words: str, says: str | None = None) -> Result:
    line = [*words, "--home", str(home.root), "-o", "json", "--lang", "en"]
    return CliRunner().invoke(wijk, line, input=says)


def shown(told: Result) -> dict[str, Any]:
    assert told.exit_code == 0, told.stderr
    tree: dict[str, Any] = json.loads(told.stdout)
    return tree


def refused(told: Result, exit_code: int, code: str, said: str) -> None:
    assert told.exit_code == exit_code, told.output
    problem = json.loads(told.stderr.splitlines()[-1])
    assert problem["code"] == code
    assert said in json.dumps(problem)
    assert told.stdout == ""


def guard_of(home: Home, genesis: Genesis) -> GuardFile:
    return open_guard(home.guard, KEY, genesis.digest, lambda text: sign(SEED, text), FAST)


def vote(home: Home, genesis: Genesis, height: int) -> None:
    guard = guard_of(home, genesis)
    guard.sign(Position(height, 0, Step.PREPARE), b"a vote at %d" % height)
    guard.close()


def position_of(home: Home, genesis: Genesis) -> Position:
    return read_guard(home.guard.read_bytes(), KEY, genesis.digest).position


def log_of(home: Home) -> list[dict[str, Any]]:
    return [json.loads(line) for line in home.admin_log.read_text().splitlines()]


def damage(home: Home) -> None:
    data = bytearray(home.guard.read_bytes())
    data[100] ^= 1
    home.guard.write_bytes(data)


# ----------------------------------------------------------------------------- rejoin


def test_rejoin_leaves_a_sound_guard_where_it_is(home: Home, genesis: Genesis) -> None:
    vote(home, genesis, 4)
    before = home.guard.read_bytes()

    tree = shown(run(home, "node", "rejoin"))

    assert tree == {
        "home": str(home.root),
        "wijk": "noord",
        "guard": "kept",
        "set_aside": None,
        "override_height": None,
    }
    assert home.guard.read_bytes() == before


def test_rejoin_sets_a_damaged_guard_aside(home: Home) -> None:
    """consensus D8: nothing is deleted; the next start passes the join barrier."""
    damage(home)
    data = home.guard.read_bytes()

    refused(run(home, "node", "rejoin"), 2, "WIJK-1001", "")
    tree = shown(run(home, "node", "rejoin", "--yes"))

    assert tree["guard"] == "set_aside"
    assert not home.guard.exists()
    assert (home.root / "guard.bin.damaged-1").read_bytes() == data
    assert log_of(home)[-1]["command"] == "node rejoin"
    assert log_of(home)[-1]["guard"] == "damaged"


@pytest.mark.usefixtures("person")
def test_without_a_guard_rejoin_wants_the_name_of_the_wijk(home: Home) -> None:
    """Interfaces 3.7: typed by a person; `--yes` does not answer it."""
    home.guard.unlink()

    refused(run(home, "node", "rejoin", "--yes", says="delfshaven\n"), 2, "WIJK-1001", "name")
    tree = shown(run(home, "node", "rejoin", "--yes", says="noord\n"))

    assert tree["guard"] == "missing"
    assert not home.guard.exists()


def test_nobody_but_a_person_says_that_the_guard_is_lost(home: Home) -> None:
    home.guard.unlink()
    for words in (("--yes",), ("--yes", "--no-input")):
        refused(run(home, "node", "rejoin", *words), 2, "WIJK-1001", "")


@pytest.mark.usefixtures("person")
def test_rejoin_with_an_exported_guard_wants_the_name_too(home: Home, tmp_path: Path) -> None:
    """Reliability X10: the other machine may be signing."""
    shown(run(home, "signer", "state", "export", str(tmp_path / "s.json"), "--yes"))

    refused(run(home, "node", "rejoin", "--yes", says="no\n"), 2, "WIJK-1001", "name")
    tree = shown(run(home, "node", "rejoin", says="noord\n"))

    assert tree["guard"] == "set_aside"
    assert tree["set_aside"].endswith("guard.bin.damaged-1")


def test_nothing_is_done_to_a_node_that_runs_or_to_the_guard_of_another(
    home: Home, genesis: Genesis, tmp_path: Path
) -> None:
    """Reliability Y29, W38."""
    lock = lock_home(home)
    commands = (
        ("node", "rejoin"),
        ("node", "rollback", "--blocks", "1"),
        ("signer", "state", "export", str(tmp_path / "x")),
    )
    try:
        for words in commands:
            refused(run(home, *words, "--yes"), 78, "WIJK-1002", str(os.getpid()))
    finally:
        lock.release()
    other = init_home(tmp_path / "other", genesis, bytes(32), bytes(32), bytes(16), {})
    home.guard.write_bytes(other.guard.read_bytes())
    for words in commands[::2]:
        refused(run(home, *words, "--yes"), 78, "WIJK-1010", "another key")
    assert home.guard.read_bytes() == other.guard.read_bytes()


# ----------------------------------------------------------------------------- override


def approve(home: Home, height: int, *names: str) -> list[str]:
    """Let these people sign the approval; return the words that give their signatures."""
    tree = shown(run(home, "node", "rejoin", "--override-height", str(height)))
    words = []
    data = Path(tree["approval"]).read_bytes()
    assert json.loads(data)["height"] == height
    for name in names:
        made = sign_file(data, public_key(seed(name)).hex(), seed(name))
        path = home.root / f"{name}.sig.json"
        path.write_bytes(encode_signature(made))
        words += ["--approval", str(path)]
    return words


@pytest.mark.usefixtures("person")
def test_the_board_opens_the_open_height(home: Home, genesis: Genesis) -> None:
    """consensus D12: enough board members, the open height, a warning, and the name typed."""
    guard = guard_of(home, genesis)
    guard.raise_to(BLOCKS + 1)
    guard.close()
    height = str(BLOCKS + 1)
    words = approve(home, BLOCKS + 1, "noord-board-a", "noord-board-c")

    told = run(home, "node", "rejoin", "--override-height", height, *words, says="noord\n")

    tree = shown(told)
    assert "WARNING" in told.stderr
    assert (tree["guard"], tree["override_height"]) == ("opened", BLOCKS + 1)
    assert position_of(home, genesis) == opening(BLOCKS + 1).position
    aside = home.root / "guard.bin.damaged-1"
    assert read_guard(aside.read_bytes(), KEY, genesis.digest).position == end_of(BLOCKS + 1)
    assert log_of(home)[-1]["override_height"] == BLOCKS + 1


@pytest.mark.usefixtures("person")
def test_the_board_of_a_wijk_that_joined_later_is_asked_by_the_chain(
    home: Home, genesis: Genesis
) -> None:
    """consensus D12: of a key that genesis does not place, the set in the state says the wijk."""
    store = open_store(home.store, choose_kind("auto", home.store))
    state = State(ChainStore(store).read_state)
    members = get_members(state, SET_NEXT)
    moved = tuple(replace(one, wijk="delfshaven") if one.key == KEY else one for one in members)
    VALIDATOR_SETS.put(state, moved, SET_NEXT)
    store.write([(STATE + at, raw) for at, raw in state.changes().items()])
    store.close()
    guard = guard_of(home, genesis)
    guard.raise_to(BLOCKS + 1)
    guard.close()
    words = approve(home, BLOCKS + 1, "delfshaven-board-a", "delfshaven-board-b")
    asked = json.loads((home.root / f"rejoin-{BLOCKS + 1}.json").read_bytes())
    height = str(BLOCKS + 1)

    told = run(home, "node", "rejoin", "--override-height", height, *words, says="delfshaven\n")

    assert asked["wijk"] == "delfshaven"
    assert shown(told)["guard"] == "opened"
    assert position_of(home, genesis) == opening(BLOCKS + 1).position


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("names", "height", "says", "said"),
    [
        (("noord-board-a",), 4, "noord\n", "1 of 2"),
        (("noord-board-a", "noord-board-a"), 4, "noord\n", "1 of 2"),
        (("noord-board-a", "delfshaven-board-b"), 4, "noord\n", "no key of the board"),
        (("noord-board-a", "noord-board-b"), 5, "noord\n", "open height is 4"),
        (("noord-board-a", "noord-board-b"), 3, "noord\n", "open height is 4"),
        (("noord-board-a", "noord-board-b"), 4, "nord\n", "name"),
    ],
)
def test_less_than_that_opens_nothing(
    home: Home, names: tuple[str, ...], height: int, says: str, said: str
) -> None:
    before = home.guard.read_bytes()
    words = approve(home, height, *names)

    told = run(home, "node", "rejoin", "--override-height", str(height), *words, says=says)

    refused(told, 2, "WIJK-1001", said)
    assert home.guard.read_bytes() == before


@pytest.mark.usefixtures("person")
def test_an_approval_of_another_height_and_a_lone_approval_are_refused(home: Home) -> None:
    words = approve(home, 9, "noord-board-a", "noord-board-b")
    override = ("node", "rejoin", "--override-height", "4")

    refused(run(home, *override, *words, says="noord\n"), 8, "WIJK-5001", "")
    refused(run(home, "node", "rejoin", *words), 2, "WIJK-1001", "--override-height")


# ----------------------------------------------------------------------------- signer state


@pytest.mark.usefixtures("person")
def test_a_guard_moves_to_another_machine_and_back(
    home: Home, genesis: Genesis, tmp_path: Path
) -> None:
    """Interfaces 3.7: locked here while it signs there."""
    vote(home, genesis, 4)
    file = str(tmp_path / "state.json")
    out = shown(run(home, "signer", "state", "export", file, "--yes"))
    assert out["watermark"] == {"height": 4, "round": 0, "step": "prepare"}
    assert shown(run(home, "signer", "state", "show", file)) == out
    again = run(home, "signer", "state", "export", file, "--yes")
    refused(again, 2, "WIJK-1001", "exists")

    settings = {"node.storage": "sqlite"}
    there = init_home(
        tmp_path / "there", genesis, SEED, seed("transport-noord"), bytes(16), settings
    )
    assert shown(run(there, "signer", "state", "import", file))["watermark"] == out["watermark"]
    vote(there, genesis, 9)
    back = str(tmp_path / "back.json")
    shown(run(there, "signer", "state", "export", back, "--yes"))

    refused(run(home, "signer", "state", "import", file, says="x\n"), 2, "WIJK-1001", "name")
    mark = shown(run(home, "signer", "state", "import", back))["watermark"]

    assert mark == {"height": 9, "round": 0, "step": "prepare"}
    assert position_of(home, genesis) == Position(9, 0, Step.PREPARE)
    assert [line["command"] for line in log_of(home)] == [
        "signer state export",
        "signer state import",
    ]


def test_a_state_that_is_none_or_of_another_key_is_refused(
    home: Home, genesis: Genesis, tmp_path: Path
) -> None:
    file = tmp_path / "state.json"
    refused(run(home, "signer", "state", "import", str(file)), 12, "WIJK-3007", "state.json")
    file.write_text("{}")
    refused(run(home, "signer", "state", "show", str(file)), 2, "WIJK-1001", "state.json")
    other = init_home(
        tmp_path / "other", genesis, bytes(32), bytes(32), bytes(16), {"node.storage": "sqlite"}
    )
    shown(run(other, "signer", "state", "export", str(tmp_path / "o.json"), "--yes"))
    before = home.guard.read_bytes()
    told = run(home, "signer", "state", "import", str(tmp_path / "o.json"))
    refused(told, 78, "WIJK-1010", "another key")
    assert home.guard.read_bytes() == before


# ----------------------------------------------------------------------------- real chains


def test_a_node_comes_back_from_every_loss_on_a_real_network(tmp_path: Path) -> None:
    """consensus F24, F25, S11, X10, J8: rollback, a lost guard, and a guard moved and moved back.

    Four nodes with real stores, links and signatures; the commands work on the home of the last.
    """

    async def play() -> None:
        async with live_network(tmp_path, 4, params={"heartbeat_s": 1}) as nodes:
            ill, first = nodes[3], nodes[0]
            home = Home(ill.root)

            async def votes_again() -> None:
                acked = first.node.store.tip.height
                await ill.start()
                await until(lambda: ill.node.store.tip.height > acked + 1)
                await until(lambda: (first.node.signers.last_height(key) or 0) > acked + 1)
                await until(lambda: ill.node.signing)

            await until(lambda: all(live.node.store.tip.height >= 3 for live in nodes))
            key = ill.node.own_key

            await ill.end()
            kept = home.guard.read_bytes(), home.head.read_bytes()
            height = ill.node.store.tip.height
            ruin_a_value(home)
            tree = shown(await asyncio.to_thread(run, home, *ROLLBACK))
            assert tree["height"] == height - 1
            assert (home.guard.read_bytes(), home.head.read_bytes()) == kept
            assert (home.root / "store.damaged-1").is_dir()
            too_many = (*ROLLBACK[:3], "9999", "--yes")
            refused(await asyncio.to_thread(run, home, *too_many), 78, "WIJK-1002", "9999")
            await votes_again()

            await ill.end()
            signed = position_at(home)
            home.guard.unlink()
            await votes_again()
            assert position_at(home) > signed
            await ill.end()
            slots = read_guard(home.guard.read_bytes(), key, ill.genesis.digest).slots
            assert slots[0].position.step is Step.END
            assert slots[0].position.height > signed.height

            file = str(tmp_path / "state.json")
            shown(await asyncio.to_thread(run, home, *EXPORT, file, "--yes"))
            await ill.start()
            await until(lambda: ill.node.store.tip.height >= first.node.store.tip.height - 1)
            assert not ill.node.signing
            assert ill.node.signer is None
            await ill.end()
            before = position_at(home)
            assert before.step is Step.LOCK

    def position_at(home: Home) -> Position:
        data = home.guard.read_bytes()
        key = public_key(seed(f"node-{home.root.name}"))
        return read_guard(data, key, genesis_of(home)).position

    asyncio.run(play())


ROLLBACK = ("node", "rollback", "--blocks", "1", "--yes")
EXPORT = ("signer", "state", "export")


def genesis_of(home: Home) -> bytes:
    from chain.genesis import load_genesis

    return load_genesis(home.genesis.read_bytes()).digest


def ruin_a_value(home: Home) -> None:
    """Change a value of the state, with a good checksum."""
    store = open_store(home.store, "sqlite", FAST)
    key, value = next(store.scan(b"s\x94", b"s\xff"))
    store.write([(key, value + b"\0")])
    store.close()


def test_rollback_changes_nothing_where_a_stored_block_does_not_hold(home: Home) -> None:
    """consensus S11: it proves itself block by block, or does nothing."""
    names = sorted(path.name for path in home.root.iterdir())

    told = run(home, *ROLLBACK)  # a single signature is no certificate

    refused(told, 78, "WIJK-1002", "block 1 cannot be executed again")
    left = sorted(path.name for path in home.root.iterdir())
    assert [name for name in left if name != "lock"] == [name for name in names if name != "lock"]
