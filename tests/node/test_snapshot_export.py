"""A snapshot that is carried by hand: a file, the block it is of, a home that begins (S7, W26)."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from chain.codec import encode
from chain.records import block_id
from chain.texts import exit_code
from cli import wijk
from node import snapshot, snapshot_export, snapshot_files
from node.chainstore import ChainStore
from node.disk import DISK
from node.home import Home
from node.setup import init_home
from node.snapshot_export import MAGIC
from node.snapshot_files import SnapshotFiles
from node.store import LEVELDB
from node.store import open_store as open_pairs
from tests.federation import seed
from tests.node.made_home import INSTANCE, NAME, make_home
from tests.node.test_snapshot import AT, CHAIN, CHUNK_BYTES, make, start, write

PIN = f"{AT}:{block_id(CHAIN.decided[AT - 1][0]).hex()}"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (snapshot, snapshot_export, snapshot_files):
        monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK_BYTES)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file that a node exported of its newest snapshot."""
    home = make_home(tmp_path / "old", LEVELDB, CHAIN)
    for height in (AT - 1, AT):
        write(SnapshotFiles(home.snapshots, DISK), height)
    told = run("export", "s.wijksnap", "--home", str(home.root), "-o", "json")
    assert told.exit_code == 0, told.stderr
    tree = json.loads(told.stdout)
    assert f"{tree['height']}:{tree['block_id']}" == PIN
    return tmp_path / "s.wijksnap"


@pytest.fixture
def fresh(tmp_path: Path) -> Home:
    """Return the home of a validator that has not run yet."""
    return init_home(tmp_path / "new", CHAIN.genesis, seed(NAME), bytes(32), INSTANCE, {})


def run(*words: str) -> Result:
    return CliRunner().invoke(wijk, ["node", "snapshot", *words])


def restore(home: Home, file: Path, trust: str = PIN) -> Result:
    return run("restore", str(file), "--trust", trust, "--home", str(home.root), "-o", "json")


def refusal(told: Result) -> str:
    problem = json.loads(told.stderr.splitlines()[-1])
    assert told.exit_code == exit_code(int(problem["code"].removeprefix("WIJK-")))
    return str(problem["code"])


def test_s7_a_new_node_begins_after_the_block_of_a_file(file: Path, fresh: Home) -> None:
    told = restore(fresh, file)

    assert told.exit_code == 0, told.stderr
    tree = json.loads(told.stdout)
    assert (tree["height"], tree["chain_digest"]) == (AT, CHAIN.genesis.digest.hex())
    assert refusal(restore(fresh, file)) == "WIJK-1002", "it waits for a start already"
    assert start(fresh) == (AT, AT)
    store = open_pairs(fresh.store, LEVELDB)
    assert ChainStore(store).joins, "it passes the join barrier before it signs (D10)"
    store.close()
    assert refusal(restore(fresh, file)) == "WIJK-1002", "and now it is a home that has begun"


def test_an_older_snapshot_is_exported_by_its_height(file: Path) -> None:
    line = ("--home", str(file.parent / "old"), "-o", "json")

    assert json.loads(run("export", "t", "--height", str(AT - 1), *line).stdout)["height"] == AT - 1
    assert refusal(run("export", "u", "--height", "1", *line)) == "WIJK-1002"
    assert refusal(run("export", "t", *line)) == "WIJK-1001", "no file is ever replaced"
    assert not Path("u").exists()


def test_a_damaged_snapshot_is_not_exported(file: Path) -> None:
    chunks = file.parent / "old" / "snapshots" / f"{AT:010}.chunks"
    raw = chunks.read_bytes()
    chunks.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))

    told = run("export", "t", "--home", str(file.parent / "old"), "-o", "json")

    assert refusal(told) == "WIJK-1002"
    assert not Path("t").exists()


@pytest.mark.parametrize(
    ("change", "trust", "code"),
    [
        (lambda raw: raw, f"{AT}:{'00' * 32}", "WIJK-5001"),
        (lambda raw: raw, f"{AT + 1}:{PIN.partition(':')[2]}", "WIJK-5001"),
        (lambda raw: raw, "latest", "WIJK-1001"),
        (lambda raw: raw[:-1], PIN, "WIJK-5001"),
        (lambda raw: raw + b"x", PIN, "WIJK-5001"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), PIN, "WIJK-5001"),
        (lambda raw: raw[:16] + b"\xff" * 4 + raw[20:], PIN, "WIJK-5001"),
        (lambda raw: b"", PIN, "WIJK-5001"),
        (lambda raw: b"y" + raw[1:], PIN, "WIJK-5001"),
    ],
    ids=(
        "other block",
        "other height",
        "no pin",
        "cut",
        "longer",
        "bit",
        "length",
        "none",
        "magic",
    ),
)
def test_w26_a_bad_file_leaves_the_home_as_it_was(
    file: Path, fresh: Home, change: object, trust: str, code: str
) -> None:
    assert callable(change)
    file.write_bytes(change(file.read_bytes()))

    assert refusal(restore(fresh, file, trust)) == code
    assert start(fresh) == (0, 0)


def test_a_home_that_lives_is_never_replaced(file: Path, tmp_path: Path) -> None:
    home = make_home(tmp_path / "lives", LEVELDB, CHAIN)
    assert refusal(restore(home, file)) == "WIJK-1002"

    assert start(home) == (len(CHAIN.decided), len(CHAIN.decided))


def test_what_is_missing_is_named(file: Path, fresh: Home, tmp_path: Path) -> None:
    none = restore(fresh, tmp_path / "none.wijksnap")
    fresh.head.unlink()
    headless = restore(fresh, file)

    assert refusal(none) == "WIJK-3007"
    assert refusal(headless) == "WIJK-1002"
    assert fresh.head.name in headless.stderr


def test_the_block_that_is_trusted_still_needs_its_certificate(file: Path, fresh: Home) -> None:
    """Who names a block that nobody certified is as wrong as the file."""
    offer, raw, chunks = make()
    forged = msgspec.structs.replace(
        offer.certificate, signatures=(bytes(64),) * len(offer.certificate.signatures)
    )
    manifest = encode(msgspec.structs.replace(offer.manifest, certificate=encode(forged)))
    assert len(manifest) == len(raw)
    head = MAGIC + len(manifest).to_bytes(4, "big") + manifest
    file.write_bytes(head + b"".join(chunks))

    assert refusal(restore(fresh, file)) == "WIJK-5001"
    assert start(fresh) == (0, 0)
