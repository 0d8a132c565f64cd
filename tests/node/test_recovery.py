"""Mirrors node/recovery.py: what a start makes of a home that something happened to (W38, W39).

Every home here is made by `init_home` and holds a real chain in a real store; what a crash or a bad
disk does to it is done to its files.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from chain.codec import encode
from chain.crypto import public_key, sign
from consensus.guard import Step
from node import home as homes
from node.chainstore import ENVELOPES, OUTCOMES, STATE, TIP, ChainStore
from node.disk import StorageError, StoreDamaged
from node.guard_file import open_guard
from node.head_file import HeadBinding, HeadForeign, create_head_file, open_head_file
from node.home import BALLAST_TEST_BYTES, Home, make_room, restore_ballast
from node.recovery import Opened, StoreForeign, open_chain, prove_chain
from node.setup import init_home
from node.store import LEVELDB, SQLITE, choose_kind, create_store, open_store
from node.tree_pages import PAGE
from tests.federation import Ledger, seed
from tests.live import live_network, until
from tests.node.test_chainstore import BALANCES, Chain
from tests.node.test_store_damage import CutDisk, FastDisk, PowerCut, log_of

if TYPE_CHECKING:
    from pathlib import Path

    from chain.genesis import Genesis
    from node.guard_file import GuardFile

KINDS = (LEVELDB, SQLITE)
BLOCKS = 12
SEED = seed("node-noord")
KEY = public_key(SEED)
INSTANCE = bytes(range(16))
FAST = FastDisk()


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return Ledger(balances=BALANCES).genesis


@pytest.fixture(scope="module", params=KINDS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, genesis: Genesis
) -> tuple[Path, str]:
    """Return the home of a node that acked `BLOCKS` blocks, and what its store is."""
    root = tmp_path_factory.mktemp(request.param) / "home"
    init_home(
        root, genesis, SEED, seed("transport-noord"), INSTANCE, {"node.storage": request.param}
    )
    add_blocks(root, request.param, genesis, BLOCKS)
    return root, request.param


@pytest.fixture
def home(made: tuple[Path, str], tmp_path: Path) -> Home:
    shutil.copytree(made[0], tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def kind(made: tuple[Path, str]) -> str:
    return made[1]


def add_blocks(root: Path, kind: str, genesis: Genesis, count: int, *, acked: bool = True) -> None:
    """Decide blocks with a payment each, and ack them."""
    store = open_store(Home(root).store, kind, FAST)
    heads = open_head_file(Home(root).head, HeadBinding(genesis.digest, INSTANCE), FAST)
    chain = Chain(ChainStore(store))
    for _ in range(count):
        height = chain.store.tip.height + 1
        chain.add(chain.pay("anna", "bob", 1, height))
        tip = chain.store.tip
        if acked:
            heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
    heads.close()
    store.close()


def guard_of(home: Home, genesis: Genesis) -> GuardFile:
    return open_guard(home.guard, KEY, genesis.digest, lambda text: sign(SEED, text), FAST)


def start(home: Home, genesis: Genesis, *, key: bytes = KEY) -> tuple[int, int]:
    """Open the chain as a start does; return its height, and the acked height."""
    guard = guard_of(home, genesis)
    try:
        opened = open_chain(home, "auto", genesis, key, guard, FAST)
        found = opened.store.tip.height, opened.heads.last.height
        end(opened)
    finally:
        guard.close()
    return found


def end(opened: Opened) -> None:
    opened.heads.close()
    opened.store.store.close()


def aside(home: Home) -> list[str]:
    return sorted(path.name for path in home.root.iterdir() if "damaged" in path.name)


def change(home: Home, kind: str, *pairs: tuple[bytes, bytes | None]) -> None:
    """Write something that no node would have written, with good checksums."""
    store = open_store(home.store, kind, FAST)
    store.write(pairs)
    store.close()


# ------------------------------------------------------------------------------ what is in order


def test_a_sound_home_opens_as_it_was_left(home: Home, genesis: Genesis) -> None:
    assert start(home, genesis) == (BLOCKS, BLOCKS)
    assert aside(home) == []


def test_a_block_that_was_written_and_not_acked_counts(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y20: the store may be one ahead; the head file is brought up to it."""
    add_blocks(home.root, kind, genesis, 1, acked=False)
    assert start(home, genesis) == (BLOCKS + 1, BLOCKS + 1)


def test_a_store_that_is_two_ahead_is_of_another_life(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y20: stop, and touch nothing."""
    add_blocks(home.root, kind, genesis, 2, acked=False)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="different stories"):
            start(home, genesis)
    assert aside(home) == []


# ------------------------------------------------------------------------------ W39: the store


def test_a_swap_that_power_cut_in_two_is_finished_not_begun_anew(
    home: Home, genesis: Genesis
) -> None:
    """Reliability Y22: between the two renames no folder has the name of the store."""
    home.store.rename(home.root / "store.mended")
    shutil.copytree(home.root / "store.mended", home.root / "store.torn")

    assert start(home, genesis) == (BLOCKS, BLOCKS)
    assert aside(home) == []


def test_a_torn_tail_is_mended_whenever_the_power_fails_again(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y8, Y22, Y33: no peer and no human, wherever the recovery itself is cut."""
    if kind != LEVELDB:
        return  # SQLite cuts its tail itself
    add_blocks(home.root, kind, genesis, 1, acked=False)
    log = log_of(home.store, kind)
    data = log.read_bytes()
    log.write_bytes(data[:-700] + bytes(700))
    torn = home.root.with_name("torn")
    home.root.rename(torn)
    cut_at, mended = 0, False
    while not mended:
        shutil.copytree(torn, home.root)
        guard = guard_of(home, genesis)
        try:
            end(open_chain(home, "auto", genesis, KEY, guard, CutDisk(cut_at)))
            mended = True
        except PowerCut:
            cut_at += 1
        finally:
            guard.close()
        assert start(home, genesis) == (BLOCKS, BLOCKS)
        assert aside(home) == []
        shutil.rmtree(home.root)
    assert cut_at > 8


def test_a_damaged_store_is_kept_and_everything_is_fetched_again(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y23, W39: files missing, cut and flipped; the node follows until it is back."""
    ruins = 0
    whole = home.root.with_name("whole")
    home.root.rename(whole)
    for name in sorted(path.name for path in (whole / "store").iterdir()):
        for ruin in ("missing", "empty", "flipped"):
            shutil.copytree(whole, home.root)
            path = home.store / name
            data = path.read_bytes()
            path.unlink()
            if ruin == "empty":
                path.write_bytes(b"")
            elif ruin == "flipped":
                middle = len(data) // 2  # or the first bytes after it that are in use
                places = range(middle, len(data))
                used = next((at for at in places if 0 not in data[at : at + 8]), middle)
                path.write_bytes(data[:used] + bytes(64) + data[used + 64 :])
            before = {p.name for p in home.store.iterdir()}
            height, acked = start(home, genesis)
            assert acked == BLOCKS
            assert height in (0, BLOCKS), (name, ruin)
            if height == 0:
                ruins += 1
                # Without its log a LevelDB is whole, and old: it is not damaged, only short (Y4).
                moved = [] if name.endswith(".log") and ruin != "flipped" else ["store.damaged-1"]
                assert aside(home) == moved, (name, ruin)
                if moved:
                    kept = {p.name for p in (home.root / moved[0]).iterdir()}
                    assert {n for n in before if n.endswith((".ldb", ".sqlite"))} <= kept
                add_blocks_without_heads(home, 3)
                assert start(home, genesis) == (3, BLOCKS), "it goes on where it was"
                assert aside(home) == moved
            shutil.rmtree(home.root)
    assert ruins >= (5 if kind == LEVELDB else 3)


def add_blocks_without_heads(home: Home, count: int) -> None:
    store = open_store(home.store, choose_kind("auto", home.store), FAST)
    chain = Chain(ChainStore(store))
    for _ in range(count):
        chain.add(chain.pay("anna", "bob", 1, chain.store.tip.height + 1))
    store.close()


def test_a_store_that_is_gone_is_begun_again_also_after_a_crash(
    home: Home, genesis: Genesis
) -> None:
    """Reliability Y23: the new store has its name only once genesis is in it."""
    shutil.rmtree(home.store)
    create_store(home.root / "store.begun", SQLITE, FAST).close()

    assert start(home, genesis) == (0, BLOCKS)
    assert not (home.root / "store.begun").exists()


def test_an_older_copy_of_the_store_is_noticed(home: Home, kind: str, genesis: Genesis) -> None:
    """Reliability W39, Y20: it is short, not wrong; nothing is signed until all is there again."""
    older = home.root / "older"
    shutil.copytree(home.store, older)
    add_blocks(home.root, kind, genesis, 4)
    shutil.rmtree(home.store)
    older.rename(home.store)

    assert start(home, genesis) == (BLOCKS, BLOCKS + 4)
    assert aside(home) == []


@pytest.mark.parametrize("what", ["envelopes", "tip", "page", "log", "no tip", "genesis"])
def test_contents_that_do_not_fit_together_are_found(
    home: Home, kind: str, genesis: Genesis, what: str
) -> None:
    """Reliability Y21: checksums are right, but it is not the chain that its head names."""
    store = open_store(home.store, kind, FAST)
    key, value = next(store.scan(PAGE, PAGE + b"\xff"))
    tip = store.get(TIP)
    store.close()
    assert tip is not None
    wrong = {
        "envelopes": (ENVELOPES + BLOCKS.to_bytes(8, "big"), encode([b"x"])),
        "tip": (TIP, tip[:-1] + bytes([tip[-1] ^ 1])),
        "page": (key, value[:-1] + bytes([value[-1] ^ 1])),
        "log": (b"l\0" + bytes(8), bytes(32)),
        "no tip": (TIP, None),
        "genesis": (b"h" + (1).to_bytes(8, "big"), None),
    }
    change(home, kind, wrong[what])
    store = open_store(home.store, kind, FAST)
    if what == "log":  # an inner node that the newest proofs do not need: the leaves tell
        prove_chain(store, genesis)
        store.write([(OUTCOMES + (1).to_bytes(8, "big"), encode(()))])
        with pytest.raises(StoreDamaged, match="all leaves"):
            prove_chain(store, genesis, deep=True)
        store.close()
        return
    with pytest.raises(StoreDamaged):
        prove_chain(store, genesis)
    store.close()

    assert start(home, genesis) == (0, BLOCKS)
    assert aside(home) == ["store.damaged-1"]


def test_a_changed_balance_is_found_by_the_deep_proof(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y22: what a mended store says of money is computed again from its leaves."""
    store = open_store(home.store, kind, FAST)
    prove_chain(store, genesis, deep=True)
    key, value = next(store.scan(STATE + b"\x94", STATE + b"\xff"))
    store.write([(key, value + b"\0")])

    with pytest.raises(StoreDamaged, match="state"):
        prove_chain(store, genesis, deep=True)
    store.close()


def test_a_chain_of_one_validator_never_begins_anew(tmp_path: Path) -> None:
    """Reliability W39: there is nobody to fetch the chain from, so its store stays where it is."""
    ledger = Ledger(wijken=1, balances={"delfshaven/anna": 10_000})
    own = seed("node-delfshaven")
    init_home(tmp_path / "home", ledger.genesis, own, seed("t"), INSTANCE, {"node.storage": SQLITE})
    home = Home(tmp_path / "home")
    (home.store / "store.sqlite").write_bytes(b"")
    guard = open_guard(home.guard, public_key(own), ledger.genesis.digest, lambda m: sign(own, m))

    with pytest.raises(StoreDamaged, match="no other node"):
        open_chain(home, "auto", ledger.genesis, public_key(own), guard, FAST)

    guard.close()
    assert aside(home) == []
    assert home.store.exists()


def test_files_of_another_chain_are_refused_and_left_alone(
    home: Home, kind: str, genesis: Genesis
) -> None:
    """Reliability Y20, W38, W39."""
    other = Ledger(balances={"delfshaven/anna": 1, "noord/bram": 1}).genesis
    assert other.digest != genesis.digest
    guard = guard_of(home, genesis)
    with pytest.raises(HeadForeign):
        open_chain(home, "auto", other, KEY, guard, FAST)
    home.head.unlink()
    binding = HeadBinding(other.digest, INSTANCE)
    create_head_file(home.head, binding, 0, other.digest, (bytes(32), bytes(32)), FAST).close()
    with pytest.raises(StoreForeign):
        open_chain(home, "auto", other, KEY, guard, FAST)
    guard.close()
    assert aside(home) == []


# ------------------------------------------------------------------------------ W38: the head file


@pytest.mark.parametrize(
    "ruin", ["missing", "empty", "flipped", "one slot", "swapped", "zero page"]
)
def test_without_a_sound_head_file_a_node_signs_nothing_until_the_next_block(
    home: Home, genesis: Genesis, ruin: str
) -> None:
    """Reliability Y26, W38: what was acked is unknown; the store is sound and stays."""
    data = home.head.read_bytes()
    home.head.unlink()
    slots = [data[i : i + 512] for i in range(0, len(data), 512)]
    slots[3], slots[4] = slots[4], slots[3]
    ruined = {
        "empty": b"",
        "flipped": data[:700] + bytes([data[700] ^ 4]) + data[701:],
        "one slot": data[:512],
        "swapped": b"".join(slots),
        "zero page": data[:1024] + bytes(512) + data[1536:],
    }
    if ruin in ruined:
        home.head.write_bytes(ruined[ruin])
        home.head.chmod(0o600)

    assert start(home, genesis) == (BLOCKS, BLOCKS)
    assert aside(home) == ([] if ruin == "missing" else ["head.bin.damaged-1"])
    guard = guard_of(home, genesis)
    assert guard.last is not None
    assert guard.last.position.height == BLOCKS + 1
    assert guard.last.position.step is Step.END, "and so it is after the next start"
    guard.close()
    start(home, genesis)
    assert aside(home) == ([] if ruin == "missing" else ["head.bin.damaged-1"])


def test_the_head_file_of_another_node_is_refused(home: Home, genesis: Genesis) -> None:
    """Reliability W38: same chain, other machine."""
    home.head.unlink()
    binding = HeadBinding(genesis.digest, bytes(16))
    create_head_file(home.head, binding, 0, genesis.digest, (bytes(32), bytes(32)), FAST).close()

    with pytest.raises(HeadForeign):
        start(home, genesis)


# ------------------------------------------------------------------------------ Y28: room


def test_the_ballast_is_freed_for_a_start_without_room_and_made_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reliability Y28: only a start frees it, and it comes back once there is room to work."""
    free = [600 << 20]
    monkeypatch.setattr(homes, "get_free_bytes", lambda _folder: free[0])
    make_room(home)
    assert home.ballast.stat().st_size == BALLAST_TEST_BYTES

    free[0] = 100 << 20
    make_room(home)
    assert not home.ballast.exists()
    free[0] = 1 << 30  # with the ballast it would be below the floor of new work again
    restore_ballast(home, BALLAST_TEST_BYTES)
    assert not home.ballast.exists()

    free[0] = 2 << 30
    restore_ballast(home, BALLAST_TEST_BYTES)
    assert home.ballast.stat().st_blocks * 512 >= BALLAST_TEST_BYTES


def test_a_kind_of_store_that_this_python_lacks_is_a_setting_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.store.find_spec", lambda _name: None)

    assert choose_kind("auto") == SQLITE
    monkeypatch.delitem(sys.modules, "node.store_leveldb", raising=False)
    monkeypatch.setitem(sys.modules, "plyvel", None)
    for use in (open_store, create_store):
        with pytest.raises(StorageError, match="plyvel"):
            use(tmp_path, choose_kind("leveldb"))
    (tmp_path / "store.sqlite-wal").write_bytes(b"")
    assert choose_kind("auto", tmp_path) == SQLITE


# ------------------------------------------------------------------------------ the whole node


def test_a_node_with_a_ruined_store_comes_back_without_a_hand(tmp_path: Path) -> None:
    """Reliability Y23, Y35, W39, consensus F24: it fetches the chain and votes again."""

    async def play() -> None:
        async with live_network(tmp_path, 4, params={"heartbeat_s": 1}) as nodes:
            ruined = nodes[3]
            await until(lambda: all(live.node.store.tip.height >= 3 for live in nodes))
            await ruined.end()
            acked = ruined.node.store.tip.height
            store = ruined.root / "store" / "store.sqlite"
            data = store.read_bytes()
            store.write_bytes(data[:4096] + bytes(4096) + data[8192:])

            await ruined.start()

            assert ruined.node.store.tip.height == 0
            assert not ruined.node.signing
            await until(lambda: ruined.node.store.tip.height > acked + 1)
            await until(lambda: nodes[0].node.signers.count(ruined.node.own_key) > 3)
            assert aside(Home(ruined.root)) == ["store.damaged-1"]

    asyncio.run(play())
