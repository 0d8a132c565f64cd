"""Backups: what is in them, what comes back, and what is refused (reliability Y30, W26)."""

import asyncio
import gzip
import io
import json
import os
import stat
import tarfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.codec import decode, encode
from chain.crypto import sign
from chain.errors import Malformed
from cli import wijk
from consensus.guard import end_of
from node import backup
from node.backup import list_backups, make_backup, read_parts, restore_home, restore_store
from node.chainstore import CERTIFICATE, OPEN, STATE, TIP, ChainStore, Tip
from node.disk import StorageError, StoreDamaged, StoreFailed
from node.guard_file import GuardFile, open_guard
from node.head_file import HeadBinding, create_head_file, open_head_file
from node.home import Home, lock_home
from node.recovery import open_chain
from node.store import LEVELDB, SQLITE, open_store
from node.store_pairs import KEY_END
from tests.audit.made_chain import make_chain
from tests.federation import key, make_genesis, seed
from tests.live import Live, Payer, ask, live_network, until
from tests.node.made_home import CHAIN, INSTANCE, NAME, TOP, make_home
from tests.node.test_admin import call
from tests.shapes import SHAPES, check_shape

WHEN = "2026-01-02T03:04:05.678Z"
DIGEST = CHAIN.genesis.digest


def pairs(home: Home, kind: str) -> dict[bytes, bytes]:
    store = open_store(home.store, kind)
    try:
        return dict(store.scan(b"", KEY_END))
    finally:
        store.close()


def back_up(home: Home) -> Path:
    return Path(str(make_backup(home, WHEN)["file"]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path]:
    home = make_home(tmp_path_factory.mktemp("made") / "home", SQLITE)
    return home, back_up(home)


# ----------------------------------------------------------------------------- there and back


@pytest.mark.parametrize(("kind", "other"), [(LEVELDB, SQLITE), (SQLITE, LEVELDB)])
def test_a_backup_comes_back_whole_on_either_storage(tmp_path: Path, kind: str, other: str) -> None:
    home = make_home(tmp_path / "home", kind)
    store = open_store(home.store, kind)
    store.write([(OPEN + b"vote", b"of the open height")])
    store.close()

    told = make_backup(home, WHEN)
    back = restore_home(Path(str(told["file"])), tmp_path / "new", other)

    new = Home(tmp_path / "new")
    expected = pairs(home, kind)
    assert expected.pop(OPEN + b"vote")
    assert pairs(new, other) == expected
    assert (back["height"], back["guard"]) == (TOP, "missing")
    assert new.genesis.read_bytes() == CHAIN.genesis.canonical
    assert new.head.read_bytes() == home.head.read_bytes()
    assert list(new.root.joinpath("keys").iterdir()) == []
    check_shape(told, SHAPES["node backup create"])
    check_shape(back, SHAPES["node backup restore"])
    assert told["guard_included"] is False


def test_a_backup_is_one_private_file_with_neither_guard_nor_key(made: tuple[Home, Path]) -> None:
    home, path = made
    data = path.read_bytes()

    with tarfile.open(path, "r:") as archive:
        names = archive.getnames()

    assert names == ["genesis.json", "head.bin", "store.pairs", "backup.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert home.guard.read_bytes()[:512] not in data
    assert seed(NAME) not in data
    assert seed(NAME).hex().encode() not in data
    assert list(home.backups.iterdir()) == [path]


def test_the_same_moment_gives_the_same_bytes_and_the_sum_is_told(made: tuple[Home, Path]) -> None:
    home, path = made
    before = path.read_bytes()

    told = make_backup(home, WHEN)

    assert path.read_bytes() == before
    assert told["sha256"] == sha256(before).hexdigest()
    assert told["bytes"] == len(before)
    assert (told["height"], told["log_size"]) == (TOP, CHAIN.base.frontier.size)


def test_beside_a_kept_guard_nothing_is_signed_at_or_below_its_height(
    tmp_path: Path, made: tuple[Home, Path]
) -> None:
    """Y26, D10: the guard says what was signed, and an ack may be unknown."""
    longer = make_chain(extra=3)
    home = make_home(tmp_path / "home", SQLITE, longer)
    home.store.rename(tmp_path / "lost")
    guard_before = home.guard.read_bytes()

    back = restore_home(made[1], home.root, SQLITE)

    assert back["guard"] == "kept"
    assert home.guard.read_bytes() == guard_before
    assert not home.head.exists()
    assert home.head.with_name("head.bin.damaged-1").exists()
    guard = open_guard(home.guard, key(NAME), DIGEST, lambda m: sign(seed(NAME), m))
    opened = open_chain(home, "auto", CHAIN.genesis, key(NAME), guard)
    assert opened.store.tip.height == TOP
    assert guard.last is not None
    assert guard.last.position == end_of(TOP + 3), "X of D10: the height the guard stood at"
    opened.heads.close()
    opened.store.store.close()
    guard.close()


def test_a_restored_node_without_a_guard_opens_where_the_backup_stands(
    tmp_path: Path, made: tuple[Home, Path]
) -> None:
    restore_home(made[1], tmp_path / "new", LEVELDB)

    opened = open_chain(Home(tmp_path / "new"), "auto", CHAIN.genesis, key(NAME), None)

    assert opened.store.tip.height == opened.heads.last.height == TOP
    opened.heads.close()
    opened.store.store.close()


# ------------------------------------------------------------------------------- into what


def test_a_home_that_holds_a_chain_is_left_alone(tmp_path: Path, made: tuple[Home, Path]) -> None:
    home = make_home(tmp_path / "home", SQLITE)
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}

    with pytest.raises(StorageError, match="without a chain"):
        restore_home(made[1], home.root, SQLITE)

    after = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    assert after == before


def test_a_home_of_another_chain_is_left_alone(tmp_path: Path, made: tuple[Home, Path]) -> None:
    (tmp_path / "genesis.json").write_bytes(make_genesis(wijken=4, purpose="demo").canonical)

    with pytest.raises(StorageError, match="another chain"):
        restore_home(made[1], tmp_path, SQLITE)

    assert [path.name for path in tmp_path.iterdir()] == ["genesis.json"]


def test_a_home_in_use_is_left_alone(tmp_path: Path, made: tuple[Home, Path]) -> None:
    home = Home(tmp_path)
    lock = lock_home(home)
    try:
        with pytest.raises(StorageError, match="in use"):
            restore_home(made[1], tmp_path, SQLITE)
    finally:
        lock.release()

    assert not home.store.exists()


def test_what_a_crash_left_half_restored_is_begun_again(
    tmp_path: Path, made: tuple[Home, Path]
) -> None:
    half = tmp_path / "store.restored"
    half.mkdir()
    (half / "CURRENT").write_bytes(b"half")

    restore_home(made[1], tmp_path, SQLITE)

    assert not half.exists()
    assert pairs(Home(tmp_path), SQLITE)[TIP]


# ------------------------------------------------------------------------------- hostile files


def members_of(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path, "r:") as archive:
        found = []
        for info in archive.getmembers():
            part = archive.extractfile(info)
            assert part is not None
            found.append((info, part.read()))
        return found


def pack(members: list[tuple[tarfile.TarInfo, bytes]], *, pax: bool = False) -> bytes:
    raw = b""
    for info, data in members:
        header = info.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT)
        raw += header + data + bytes(-len(data) % 512)
    return raw + bytes(1024)


Members = list[tuple[tarfile.TarInfo, bytes]]


def rename(name: str) -> Callable[[Members], bytes]:
    def change(members: Members) -> bytes:
        members[0][0].name = name
        return pack(members)

    return change


def link(kind: bytes) -> Callable[[Members], bytes]:
    def change(members: Members) -> bytes:
        info = members[1][0]
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0
        return pack([members[0], (info, b""), *members[2:]])

    return change


def resize(index: int, size: int) -> Callable[[Members], bytes]:
    def change(members: Members) -> bytes:
        members[index][0].size = size
        return pack(members)

    return change


def add(members: Members) -> bytes:
    more = tarfile.TarInfo("keys/consensus.json")
    more.size = 3
    return pack([*members, (more, b"abc")])


def with_pax(members: Members) -> bytes:
    members[0][0].pax_headers = {"path": "/etc/cron.d/x", "GNU.sparse.realsize": "1" * 15}
    return pack(members, pax=True)


def with_mode(members: Members) -> bytes:
    members[0][0].mode = 0o4777
    return pack(members)


HOSTILE: dict[str, Callable[[Members], bytes]] = {
    "absolute path": rename("/etc/cron.d/x"),
    "path upwards": rename("../../genesis.json"),
    "symbolic link": link(tarfile.SYMTYPE),
    "hard link": link(tarfile.LNKTYPE),
    "device": link(tarfile.CHRTYPE),
    "folder": link(tarfile.DIRTYPE),
    "sparse": link(tarfile.GNUTYPE_SPARSE),
    "pax headers": with_pax,
    "rights": with_mode,
    "too large a genesis": resize(0, 1 << 40),
    "too large a store": resize(2, 1 << 50),
    "below zero": resize(2, -1),
    "one more file": add,
    "one less file": lambda members: pack(members[:-1]),
    "another order": lambda members: pack(members[::-1]),
    "twice the same": lambda members: pack([members[0], *members]),
    "compressed": lambda members: gzip.compress(pack(members)),
    "cut off": lambda members: pack(members)[:-700],
    "something behind it": lambda members: pack(members) + b"x",
    "nothing": lambda _members: b"",
    "zeros": lambda _members: bytes(10_240),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_made(
    change: Callable[[Members], bytes], tmp_path: Path, made: tuple[Home, Path]
) -> None:
    """reliability W26."""
    file = tmp_path / "hostile.tar"
    file.write_bytes(change(members_of(made[1])))

    with pytest.raises(Malformed):
        restore_home(file, tmp_path / "new", SQLITE)

    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tar"]


Pairs = dict[bytes, bytes]


def forge(path: Path, change: Callable[[Pairs, dict[str, Any]], None], heads: bytes = b"") -> bytes:
    """Return a backup in proper form, sums included, of something that is no chain."""
    found = {info.name: data for info, data in members_of(path)}
    with path.open("rb") as file:
        parts = read_parts(file)
        held: Pairs = dict(backup._read_pairs(file, parts, lambda _: None))
    told = json.loads(found["backup.json"])
    change(held, told)
    raw = b"".join(
        len(name).to_bytes(2, "big") + len(value).to_bytes(4, "big") + name + value
        for name, value in held.items()
    )
    told["pairs_sha256"] = sha256(raw).hexdigest()
    out = io.BytesIO()
    for name, data in (
        ("genesis.json", found["genesis.json"]),
        ("head.bin", heads or found["head.bin"]),
        ("store.pairs", raw),
        ("backup.json", json.dumps(told).encode()),
    ):
        backup._write_member(out, name, data)
    return out.getvalue() + bytes(1024)


def give_money(held: Pairs, _told: dict[str, Any]) -> None:
    name = next(name for name in held if name.startswith(STATE) and b"supply" in name)
    held[name] = held[name][:-1] + bytes([held[name][-1] ^ 1])


def break_certificate(held: Pairs, _told: dict[str, Any]) -> None:
    name = CERTIFICATE + (2).to_bytes(8, "big")
    held[name] = held[name][:-1] + bytes([held[name][-1] ^ 1])


def lose_a_block(held: Pairs, _told: dict[str, Any]) -> None:
    del held[b"b" + (1).to_bytes(8, "big")]


def lose_the_tip(held: Pairs, _told: dict[str, Any]) -> None:
    del held[TIP]


def claim_more(held: Pairs, told: dict[str, Any]) -> None:
    told["height"] += 1


def claim_far_more(held: Pairs, _told: dict[str, Any]) -> None:
    tip = decode(Tip, held[TIP])
    fields = {name: getattr(tip, name) for name in Tip.__struct_fields__}
    held[TIP] = encode(Tip(**{**fields, "height": 2**62, "log_size": 2**62}))


def add_votes(held: Pairs, _told: dict[str, Any]) -> None:
    rest = {name: value for name, value in held.items() if name > OPEN}
    for name in rest:
        del held[name]
    held[OPEN + b"vote"] = b"x"
    held.update(rest)


def disorder(held: Pairs, _told: dict[str, Any]) -> None:
    name = next(iter(held))
    held[name] = held.pop(name)


def call_it_another_chain(_held: Pairs, told: dict[str, Any]) -> None:
    told["chain_id"] = "another"


def call_it_another_version(_held: Pairs, told: dict[str, Any]) -> None:
    told["format"] = "wijk/backup/2"


@pytest.mark.parametrize(
    "change",
    [
        give_money,
        break_certificate,
        lose_a_block,
        lose_the_tip,
        claim_more,
        claim_far_more,
        add_votes,
        disorder,
        call_it_another_chain,
        call_it_another_version,
    ],
)
def test_a_backup_that_holds_no_certified_chain_is_refused(
    change: Callable[[Pairs, dict[str, Any]], None], tmp_path: Path, made: tuple[Home, Path]
) -> None:
    """W26: an uncertified root. The sums of the file are right, so only the chain can tell."""
    file = tmp_path / "forged.tar"
    file.write_bytes(forge(made[1], change))

    with pytest.raises(Malformed):
        restore_home(file, tmp_path / "new", SQLITE)

    new = Home(tmp_path / "new")
    assert not new.store.exists()
    assert not new.genesis.exists()
    assert not new.head.exists()
    assert not new.store.with_name("store.restored").exists()


@pytest.mark.parametrize("digest", [DIGEST, bytes(32)])
def test_a_head_file_of_something_else_is_refused(
    digest: bytes, tmp_path: Path, made: tuple[Home, Path]
) -> None:
    height = TOP if digest != DIGEST else TOP + 5
    block_id = decode(Tip, pairs(made[0], SQLITE)[TIP]).block_id
    create_head_file(
        tmp_path / "head.bin", HeadBinding(digest, INSTANCE), height, block_id, (bytes(32),) * 2
    ).close()
    file = tmp_path / "forged.tar"
    heads = (tmp_path / "head.bin").read_bytes()
    file.write_bytes(forge(made[1], lambda _held, _told: None, heads))

    with pytest.raises(Malformed, match="head file"):
        restore_home(file, tmp_path / "new", SQLITE)


def test_an_unchanged_forgery_is_the_backup_itself(made: tuple[Home, Path], tmp_path: Path) -> None:
    """The forgeries above fail because of what they change, and of nothing else."""
    file = tmp_path / "copy.tar"
    file.write_bytes(forge(made[1], lambda _held, _told: None))

    assert restore_home(file, tmp_path / "new", SQLITE)["height"] == TOP


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused(
    data: st.DataObject, tmp_path: Path, made: tuple[Home, Path]
) -> None:
    raw = bytearray(made[1].read_bytes())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    file = io.BytesIO(raw)
    folder = tmp_path / os.urandom(6).hex()
    try:
        parts = read_parts(file)
        restore_store(file, parts, folder, SQLITE)
    except Malformed:
        return
    told = parts.manifest.created_at  # no sum holds the time of making
    assert told != WHEN
    assert sum(one != other for one, other in zip(told, WHEN, strict=True)) == 1


# ---------------------------------------------------------------------------- making, in trouble


def test_a_backup_of_a_store_that_lost_blocks_is_not_made(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SQLITE)
    heads = open_head_file(home.head, HeadBinding(DIGEST, INSTANCE))
    heads.append(TOP + 3, bytes(32), bytes(32), bytes(32))
    heads.close()

    with pytest.raises(StoreDamaged, match="different stories"):
        make_backup(home, WHEN)

    assert list(home.backups.iterdir()) == []


def test_a_disk_that_is_nearly_full_is_left_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y28: whoever makes backups does not stop the node."""
    home = make_home(tmp_path / "home", SQLITE)
    monkeypatch.setattr(backup, "get_free_bytes", lambda _folder: backup.FREE_LEFT_BYTES)

    with pytest.raises(StorageError, match="too little room"):
        make_backup(home, WHEN)

    assert list(home.backups.iterdir()) == []


def test_a_backup_that_cannot_be_finished_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", SQLITE)
    path = back_up(home)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise StoreFailed("sync")

    monkeypatch.setattr(backup, "finish", fail)
    with pytest.raises(StoreFailed):
        make_backup(home, "2027-01-01T00:00:00.000Z")

    assert path.read_bytes() == before
    assert list(home.backups.iterdir()) == [path]


# --------------------------------------------------------------------------------- commands


def run(*words: str) -> Result:
    return CliRunner().invoke(wijk, ["node", "backup", *words, "-o", "json"])


def code_of(told: Result) -> str:
    tree = json.loads(told.stderr.splitlines()[-1])
    check_shape(tree, SHAPES["problem"])
    return str(tree["code"])


def test_the_commands_on_a_stopped_node(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SQLITE)

    made = run("create", "--home", str(home.root))
    file = json.loads(made.stdout)["file"]
    (home.backups / "other.wijk-backup.tar").write_bytes(b"nonsense")
    listed = run("list", "--home", str(home.root))
    checked = run("verify", file)
    restored = run("restore", file, "--to", str(tmp_path / "new"))

    codes = [told.exit_code for told in (made, listed, checked, restored)]
    assert codes == [0, 0, 0, 0], [told.stderr for told in (made, listed, checked, restored)]
    check_shape(json.loads(made.stdout), SHAPES["node backup create"])
    page = json.loads(listed.stdout)
    check_shape(page, SHAPES["node backup list"])
    assert [item["file"] for item in page["items"]] == [file]
    assert "other.wijk-backup.tar" in listed.stderr
    verdict = json.loads(checked.stdout)
    check_shape(verdict, SHAPES["node backup verify"])
    assert (verdict["height"], verdict["replayed_blocks"], verdict["ok"]) == (TOP, TOP, True)
    back = json.loads(restored.stdout)
    check_shape(back, SHAPES["node backup restore"])
    assert back["state_root"] == verdict["state_root"]
    assert back["home"] == str(tmp_path / "new")


def test_the_list_has_the_newest_first(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "backups"
    assert list_backups(folder) == ([], [])
    make_backup(make_home(tmp_path / "home", SQLITE), WHEN)
    longer = make_home(tmp_path / "longer", SQLITE, make_chain(extra=1))
    back_up(longer).rename(folder / "zz.wijk-backup.tar")

    items, faults = list_backups(folder)

    assert [item["height"] for item in items] == [TOP + 1, TOP]
    assert faults == []


def test_what_cannot_be_restored_has_a_code_of_its_own(
    tmp_path: Path, made: tuple[Home, Path]
) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(made[1].read_bytes()[:-1])

    told = [
        run("restore", str(tmp_path / "none"), "--to", str(tmp_path / "new")),
        run("restore", str(bad), "--to", str(tmp_path / "new")),
        run("restore", str(made[1]), "--home", str(made[0].root)),
        run("verify", str(tmp_path / "none")),
        run("create", "--home", str(tmp_path / "nothing")),
    ]

    assert [code_of(one) for one in told] == [
        "WIJK-3007",
        "WIJK-5001",
        "WIJK-1002",
        "WIJK-3007",
        "WIJK-1002",
    ]
    assert [one.exit_code for one in told] == [12, 8, 3, 12, 3]
    assert all(one.stdout == "" for one in told)


def test_a_bad_backup_is_a_verdict(tmp_path: Path, made: tuple[Home, Path]) -> None:
    """interfaces 1.3: `backup verify` prints what it found, and ends with 8."""
    bad = tmp_path / "bad.tar"
    bad.write_bytes(forge(made[1], break_certificate))

    told = run("verify", str(bad))

    verdict = json.loads(told.stdout)
    check_shape(verdict, SHAPES["node backup verify"])
    assert (told.exit_code, verdict["ok"], code_of(told)) == (8, False, "WIJK-5001")


# ------------------------------------------------------------------------------ a running node


BALANCES = {"delfshaven/anna": 10_000}


async def finish_job(live: Live, job: str) -> Any:
    while True:
        code, told = await ask(call, live.at.admin, "GET", f"/admin/v1/jobs/{job}")
        assert code == 200
        if told["state"] != "running":
            return told
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_a_running_node_backs_itself_up(tmp_path: Path) -> None:
    async with live_network(tmp_path, 1, balances=BALANCES) as (live,):
        code, begun = await ask(call, live.at.admin, "POST", "/admin/v1/backup")
        told = await finish_job(live, begun["job"])
        missing, _ = await ask(call, live.at.admin, "GET", "/admin/v1/jobs/none")
        wrong, _ = await ask(call, live.at.admin, "POST", "/admin/v1/backup", {"to": "/etc"})

        assert (code, missing, wrong) == (202, 404, 400)
        assert (told["state"], told["done_ppm"]) == ("done", 1_000_000)
        check_shape(told["result"], SHAPES["node backup create"])
        back = restore_home(Path(told["result"]["file"]), tmp_path / "new", LEVELDB)
        assert back["height"] == told["result"]["height"]
        assert back["chain_digest"] == live.genesis.digest.hex()


@pytest.mark.asyncio
async def test_one_backup_at_a_time_and_none_outlives_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "_CHUNK_BYTES", 1)
    async with live_network(tmp_path, 1, balances=BALANCES) as (live,):
        slow = asyncio.Event()
        real = asyncio.sleep

        async def hold(seconds: float) -> None:
            await (slow.wait() if seconds == 0 else real(seconds))

        monkeypatch.setattr("node.backup_job.asyncio.sleep", hold)
        _, first = await ask(call, live.at.admin, "POST", "/admin/v1/backup")
        _, second = await ask(call, live.at.admin, "POST", "/admin/v1/backup")
        new = live.root / "backups" / ".backup.new"
        await until_held(new, real)
        assert first == second
        monkeypatch.undo()
        assert await live.end() == 0

        assert list((live.root / "backups").iterdir()) == []


async def until_held(path: Path, sleep: Callable[[float], Any]) -> None:
    async with asyncio.timeout(10):
        while not path.exists():  # noqa: ASYNC240 - a look at a name
            await sleep(0.01)


@pytest.mark.asyncio
async def test_a_backup_that_fails_says_why_and_the_node_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_network(tmp_path, 1, balances=BALANCES) as (live,):
        monkeypatch.setattr(backup, "get_free_bytes", lambda _folder: 0)
        _, begun = await ask(call, live.at.admin, "POST", "/admin/v1/backup")
        told = await finish_job(live, begun["job"])
        code, _ = await ask(call, live.at.admin, "GET", "/admin/v1/status")

    assert told["state"] == "failed"
    assert "too little room" in told["result"]["error"]
    assert code == 200


@pytest.mark.asyncio
async def test_damage_that_a_backup_meets_ends_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y24: nothing of a store that is not what was written is served."""
    async with live_network(tmp_path, 1, balances=BALANCES) as (live,):
        store = live.node.store

        def damaged(*_: object) -> None:
            raise StoreDamaged("a pair does not fit its checksum")

        monkeypatch.setattr("node.backup_job.take_contents", damaged)
        await ask(call, live.at.admin, "POST", "/admin/v1/backup")
        assert live.task is not None
        await until(live.task.done)

        assert isinstance(store, ChainStore)
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - a group or the error itself
            await live.task
        assert "checksum" in repr(caught.value)


@pytest.mark.asyncio
async def test_a_validator_that_lost_its_disk_comes_back_from_a_backup(tmp_path: Path) -> None:
    """F25, D10: it fetches what it lacks, and signs only above what it may have signed before."""
    balances = {"delfshaven/anna": 10_000, "delfshaven/bob": 0}
    async with live_network(tmp_path, 4, balances=balances) as nodes:
        first, last = nodes[0], nodes[3]
        anna = Payer(first.genesis, "anna")

        async def pay() -> int:
            envelope = anna.pay("bob", 1, expires=int(time.time()) + 300)
            return int((await ask(first.client.submit, envelope, wait="final"))["height"])

        await until(lambda: first.node.touch().has_quorum)
        at_backup = await pay()
        await until(lambda: last.node.store.tip.height >= at_backup)
        _, begun = await ask(call, last.at.admin, "POST", "/admin/v1/backup")
        file = Path((await finish_job(last, begun["job"]))["result"]["file"])
        at_loss = [await pay() for _ in range(3)][-1]
        signed = last.node.signer
        assert isinstance(signed, GuardFile)
        while signed.height < at_loss:  # three others can decide a block before it has signed
            at_loss = await pay()
        await until(lambda: last.node.store.tip.height >= at_loss)
        assert await last.end() == 0
        (last.root / "store").rename(tmp_path / "lost")

        back = restore_home(file, last.root, SQLITE)
        await last.start()
        await pay()
        await until(lambda: last.node.store.tip.height > at_loss)
        guard = last.node.signer
        assert isinstance(guard, GuardFile)
        from_height = guard.height
        while guard.last is None or not guard.last.signed:  # a raised guard has signed nothing yet
            await pay()

        assert back["guard"] == "kept"
        assert from_height > signed.height - 1 >= at_loss - 1
        assert guard.last.position.height > signed.height
