"""`node verify`: a node's whole store against its chain executed again (interfaces 1.8)."""

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from audit.home import HomeSource
from audit.node_verify import Verified, verify_home
from chain.codec import decode, encode
from chain.light import trust_genesis
from chain.records import Header
from chain.texts import Problem
from cli import wijk
from node.chainstore import (
    BODY,
    CERTIFICATE,
    ENVELOPES,
    GENESIS,
    HEADER,
    HEIGHT_OF,
    LOG,
    OUTCOMES,
    STATE,
    TIP,
    TX,
)
from node.head_file import HeadBinding, open_head_file
from node.home import Home
from node.ports import Store
from node.store import SQLITE, open_store
from node.tree_pages import PAGE
from tests.audit.made_chain import certify
from tests.node.made_home import CHAIN, INSTANCE, TOP, make_home
from tests.shapes import SHAPES, check_shape

VALIDATORS = trust_genesis(CHAIN.genesis).validators
PARTS = ("headers_ok", "certificates_ok", "log_ok", "state_ok")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Store]]:
    home = make_home(tmp_path_factory.mktemp("verify") / "home", SQLITE)
    store = open_store(home.store, SQLITE)
    yield home, store
    store.close()


def verify(home: Home, store: Store, first: int = 1, last: int | None = None) -> Verified:
    return verify_home(HomeSource(home, store), first=first, last=last, clock_s=lambda: 0.0)


def wrong_parts(verified: Verified) -> list[str]:
    return [part for part in PARTS if not verified.tree[part]]


def at(prefix: bytes, height: int) -> bytes:
    return prefix + height.to_bytes(8, "big")


def first_key(store: Store, prefix: bytes) -> bytes:
    return next(key for key, _ in store.scan(prefix, prefix + b"\xff" * 9))


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def test_a_sound_store_is_sound_in_every_part(opened: tuple[Home, Store]) -> None:
    verified = verify(*opened)

    check_shape(verified.tree, SHAPES["node verify"])
    assert verified.ok
    assert wrong_parts(verified) == []
    assert verified.tree["invariants"] == "ok"
    assert (verified.tree["from"], verified.tree["to"], verified.tree["blocks"]) == (1, TOP, TOP)
    assert verified.tree["transactions"] == CHAIN.base.frontier.size
    assert verified.state_root == CHAIN.decided[-1][0].state_root.hex()


Change = Callable[[Store], list[tuple[bytes, bytes | None]]]


def change_value(prefix: bytes, height: int | None = None) -> Change:
    def change(store: Store) -> list[tuple[bytes, bytes | None]]:
        key = first_key(store, prefix) if height is None else at(prefix, height)
        value = store.get(key)
        assert value is not None
        return [(key, flip(value))]

    return change


def remove(prefix: bytes) -> Change:
    return lambda store: [(first_key(store, prefix), None)]


def add(prefix: bytes) -> Change:
    return lambda _store: [(prefix + b"\xfe" * 9, b"x")]


def change_header(store: Store) -> list[tuple[bytes, bytes | None]]:
    header = decode(Header, store.get(at(HEADER, 3)) or b"")
    fields = {name: getattr(header, name) for name in Header.__struct_fields__}
    return [(at(HEADER, 3), encode(Header(**{**fields, "parent_id": bytes(32)})))]


def add_empty_page(store: Store) -> list[tuple[bytes, bytes | None]]:
    """Return a lost page, and beside it one without leaves, at the path of a node above it."""
    paths = [key for key, _ in store.scan(PAGE, PAGE + b"\xff")]
    return [(paths[0], None), (paths[0][:-1], b"")]


def recertify(**changed: Any) -> Change:
    """Return a change of block 3 that a quorum signed: what only an execution finds."""

    def change(_store: Store) -> list[tuple[bytes, bytes | None]]:
        header = CHAIN.decided[2][0]
        fields = {name: getattr(header, name) for name in Header.__struct_fields__}
        other = Header(**{**fields, **changed})
        certificate = certify(other, VALIDATORS, CHAIN.chain.chain_id)
        return [(at(HEADER, 3), encode(other)), (at(CERTIFICATE, 3), encode(certificate))]

    return change


WRONG: dict[str, tuple[Change, str, int]] = {
    "header": (change_header, "headers_ok", 3),
    "body": (change_value(BODY, 4), "headers_ok", 4),
    "transactions": (change_value(ENVELOPES, 4), "headers_ok", 4),
    "genesis": (lambda _store: [(GENESIS, b"x")], "headers_ok", TOP),
    "tip": (change_value(TIP), "headers_ok", TOP),
    "certificate": (change_value(CERTIFICATE, 2), "certificates_ok", 2),
    "outcomes": (change_value(OUTCOMES, 4), "state_ok", 4),
    "state root": (recertify(state_root=bytes(32)), "state_ok", 3),
    "log root": (recertify(log_root=bytes(32)), "log_ok", 3),
    "state changed": (change_value(STATE), "state_ok", TOP),
    "state lost": (remove(STATE), "state_ok", TOP),
    "state added": (add(STATE), "state_ok", TOP),
    "tree changed": (change_value(PAGE), "state_ok", TOP),
    "tree lost": (remove(PAGE), "state_ok", TOP),
    "tree added": (add(PAGE), "state_ok", TOP),
    "tree page for a node": (add_empty_page, "state_ok", TOP),
    "log changed": (change_value(LOG), "log_ok", TOP),
    "log lost": (remove(LOG), "log_ok", TOP),
    "log added": (add(LOG), "log_ok", TOP),
    "place changed": (change_value(TX), "log_ok", TOP),
    "place lost": (remove(TX), "log_ok", TOP),
    "place added": (add(TX), "log_ok", TOP),
    "height changed": (change_value(HEIGHT_OF), "log_ok", TOP),
    "height added": (add(HEIGHT_OF), "log_ok", TOP),
}


@pytest.mark.parametrize(("change", "part", "height"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_height(
    change: Change, part: str, height: int, opened: tuple[Home, Store]
) -> None:
    home, store = opened
    batch = change(store)
    before = [(key, store.get(key)) for key, _ in batch]
    store.write(batch)
    try:
        verified = verify(home, store)
    finally:
        store.write(before)

    check_shape(verified.tree, SHAPES["node verify"])
    assert not verified.ok
    assert (wrong_parts(verified), verified.tree["first_bad"]) == ([part], height), verified.why
    assert verify(home, store).ok


def test_blocks_that_were_acked_and_are_gone_are_found(tmp_path: Path) -> None:
    """reliability Y20: a store can lose its last blocks and look whole."""
    home = make_home(tmp_path / "home", SQLITE)
    heads = open_head_file(home.head, HeadBinding(CHAIN.genesis.digest, INSTANCE))
    heads.append(TOP + 2, bytes(32), bytes(32), bytes(32))
    heads.close()
    store = open_store(home.store, SQLITE)
    try:
        verified = verify(home, store)
    finally:
        store.close()

    assert wrong_parts(verified) == ["headers_ok"]
    assert f"the head file stands at block {TOP + 2}, the store at {TOP}" in (verified.why or "")


def test_below_from_only_signatures_are_left_out(opened: tuple[Home, Store]) -> None:
    home, store = opened
    key = at(CERTIFICATE, 2)
    value = store.get(key)
    assert value is not None
    store.write([(key, flip(value))])
    try:
        here, above = verify(home, store, first=2), verify(home, store, first=4)
    finally:
        store.write([(key, value)])

    assert (here.ok, here.tree["first_bad"]) == (False, 2)
    assert above.ok
    assert above.tree["blocks"] == TOP - 3
    assert above.tree["signatures"] == sum(
        len(certificate.signatures) for _, _, certificate, *_ in CHAIN.decided[3:]
    )


def test_what_stands_below_from_is_executed_all_the_same(opened: tuple[Home, Store]) -> None:
    home, store = opened
    batch = WRONG["outcomes"][0](store)
    before = [(key, store.get(key)) for key, _ in batch]
    store.write(batch)
    try:
        verified = verify(home, store, first=6)
    finally:
        store.write(before)

    assert (verified.ok, verified.tree["first_bad"]) == (False, 4)


def test_up_to_a_block_says_nothing_of_what_follows(opened: tuple[Home, Store]) -> None:
    home, store = opened
    batch = WRONG["body"][0](store)
    before = [(key, store.get(key)) for key, _ in batch]
    store.write(batch)
    try:
        verified = verify(home, store, last=3)
    finally:
        store.write(before)

    assert verified.ok
    assert (verified.tree["to"], verified.tree["blocks"]) == (3, 3)


@pytest.mark.parametrize(("first", "last"), [(1, TOP + 1), (TOP + 1, None)])
def test_blocks_that_are_not_there_yet_are_wrong_usage(
    first: int, last: int | None, opened: tuple[Home, Store]
) -> None:
    with pytest.raises(Problem) as caught:
        verify(*opened, first, last)

    assert caught.value.number == 1001


# --------------------------------------------------------------------------------- the command


def run(*words: str) -> tuple[int, dict[str, Any] | None, dict[str, Any] | None]:
    told = CliRunner().invoke(wijk, ["node", "verify", *words, "-o", "json"])
    problem = json.loads(told.stderr.splitlines()[-1]) if told.exit_code else None
    return told.exit_code, json.loads(told.stdout) if told.stdout else None, problem


def test_the_command_is_a_verdict(tmp_path: Path) -> None:
    """interfaces 1.3: exit 0 or 8, and the object in both cases."""
    home = make_home(tmp_path / "home", SQLITE)
    good, sound, _ = run("--home", str(home.root))
    store = open_store(home.store, SQLITE)
    store.write(WRONG["state changed"][0](store))
    store.close()
    bad, damaged, problem = run("--home", str(home.root))

    assert (good, bad) == (0, 8)
    assert sound is not None
    assert damaged is not None
    assert problem is not None
    check_shape(sound, SHAPES["node verify"])
    check_shape(damaged, SHAPES["node verify"])
    check_shape(problem, SHAPES["problem"])
    assert (sound["ok"], damaged["ok"], problem["code"]) == (True, False, "WIJK-5001")


def test_a_store_that_cannot_be_opened_is_a_verdict_too(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SQLITE)
    for path in home.store.glob("*"):
        path.write_bytes(b"x" * 8192)

    code, tree, _ = run("--home", str(home.root))

    assert code == 8
    assert tree is not None
    check_shape(tree, SHAPES["node verify"])
    assert tree["ok"] is False


def test_a_running_node_and_a_wrong_range_are_told(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", SQLITE)
    _, _, range_problem = run("--home", str(home.root), "--from", "3", "--to", "2")
    with home.lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, tree, problem = run("--home", str(home.root))

    assert (code, tree) == (3, None)
    assert problem is not None
    assert range_problem is not None
    assert (problem["code"], range_problem["code"]) == ("WIJK-1002", "WIJK-1001")
