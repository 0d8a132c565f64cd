"""The home of a node as evidence: read from a copy, and left exactly as it was (ADR 0018)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.home import HomeSource, open_home
from audit.replay import replay
from audit.verify import verify
from chain.codec import encode
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.texts import Problem
from contracts.coin import HoldCall
from node.chainstore import (
    BODY,
    CERTIFICATE,
    ENVELOPES,
    HEADER,
    OUTCOMES,
    START,
    TIP,
    ChainStore,
    create_chain,
)
from node.home import Home
from node.ports import Store
from node.store import LEVELDB, SQLITE, create_store, open_store
from tests.audit.made_chain import MadeChain, make_chain
from tests.federation import account

CHAIN = make_chain()
TOP = len(CHAIN.raws)
KINDS = [LEVELDB, SQLITE]
BLOCK_PARTS = [HEADER, BODY, CERTIFICATE, ENVELOPES, OUTCOMES]


def make_home(root: Path, kind: str, made: MadeChain = CHAIN) -> Path:
    """Return a home that a stopped node left."""
    root.mkdir()
    (root / "genesis.json").write_bytes(made.genesis.canonical)
    (root / "lock").touch(mode=0o600)
    store = create_store(root / "store", kind)
    create_chain(store, made.genesis)
    chain = ChainStore(store)
    for block in made.decided:
        chain.apply(*block)
    store.close()
    return root


def fingerprint(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).digest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_home_is_verified_and_not_one_byte_of_it_changes(tmp_path: Path, kind: str) -> None:
    root = make_home(tmp_path / "home", kind)
    before = fingerprint(root)

    with open_home(root) as source:
        assert source.read_height() == TOP
        assert list(source.read_blocks(1, TOP)) == [
            msgspec.structs.replace(raw, outcomes=encode(executed.outcomes))
            for raw, (*_, executed) in zip(CHAIN.raws, CHAIN.decided, strict=True)
        ]
        verdict = verify(source, tmp_path / "client", clock_s=lambda: 0.0)

    assert verdict.ok
    assert verdict.tree["source"] == str(root)
    assert fingerprint(root) == before


def test_a_running_node_is_left_alone(tmp_path: Path) -> None:
    root = make_home(tmp_path / "home", SQLITE)
    with (root / "lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(Problem) as caught, open_home(root):
            pass

    assert caught.value.number == 1002


def test_an_image_without_a_lock_is_read(tmp_path: Path) -> None:
    root = make_home(tmp_path / "home", SQLITE)
    (root / "lock").unlink()

    with open_home(root) as source:
        assert replay(source_genesis(), source.read_blocks(1, TOP), workers=1).ok


def source_genesis() -> Genesis:
    return CHAIN.genesis


def test_a_folder_that_is_no_home_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught, open_home(tmp_path):
        pass

    assert caught.value.number == 1002


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", BLOCK_PARTS)
def test_a_record_that_is_gone_is_found_at_its_height(
    tmp_path: Path, kind: str, prefix: bytes
) -> None:
    root = make_home(tmp_path / "home", kind)
    store = open_store(root / "store", kind)
    store.write([(prefix + (3).to_bytes(8, "big"), None)])
    store.close()

    with open_home(root) as source:
        verdict = verify(source, tmp_path / "client", clock_s=lambda: 0.0)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("height", "value"), [(3, None), (3, b"\x90"), (2, b"\x90"), (3, "changed")], ids=str
)
def test_what_ended_as_a_block_began_is_judged_like_the_outcomes(
    tmp_path: Path, kind: str, height: int, value: bytes | str | None
) -> None:
    """economy C10: a hold returned at the start of block 3, and at that of no other one."""
    chain = MadeChain(balances={"delfshaven/anna": 1_000, "delfshaven/chaima": 0})
    hold = HoldCall(account("chaima"), 400, 60, None, None)
    assert chain.by_person("anna", hold).code == 0
    chain.add([])
    chain.time_s += 60
    chain.add([])
    root = make_home(tmp_path / "home", kind, chain)
    with open_home(root) as source:
        assert verify(source, tmp_path / "before", clock_s=lambda: 0.0).ok
    store = open_store(root / "store", kind)
    stored = store.get(START + (3).to_bytes(8, "big"))
    assert stored is not None
    changed = stored[:-1] + bytes([stored[-1] ^ 1]) if value == "changed" else value
    assert not isinstance(changed, str)
    store.write([(START + height.to_bytes(8, "big"), changed)])
    store.close()

    with open_home(root) as source:
        verdict = verify(source, tmp_path / "client", clock_s=lambda: 0.0)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, height)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sound")
    return {kind: make_home(folder / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, tuple[HomeSource, Store]]]:
    """Give homes whose stores stay open: what is written by a store has sound checksums."""
    folder = tmp_path_factory.mktemp("open")
    opened = {}
    for kind in KINDS:
        root = make_home(folder / kind, kind)
        store = open_store(root / "store", kind)
        opened[kind] = HomeSource(Home(root), store), store
    yield opened
    for _, store in opened.values():
        store.close()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    part=st.sampled_from(BLOCK_PARTS),
    height=st.integers(1, TOP),
    data=st.data(),
)
def test_a_flipped_bit_in_any_stored_block_is_found_at_its_height(
    stores: dict[str, tuple[HomeSource, Store]],
    tmp_path: Path,
    kind: str,
    part: bytes,
    height: int,
    data: st.DataObject,
) -> None:
    """No checksum helps here: whoever writes the store can write those too (A1, ADR 0036)."""
    source, store = stores[kind]
    key = part + height.to_bytes(8, "big")
    value = store.get(key)
    assert value is not None
    with flipped(store, key, data.draw(st.integers(0, 8 * len(value) - 1))):
        verdict = verify(source, tmp_path / os.urandom(4).hex(), clock_s=lambda: 0.0)

    assert (verdict.ok, verdict.tree["first_bad"]) == (False, height)
    assert verdict.tree["headers"] == height - 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_a_flipped_bit_anywhere_in_the_tip_is_found(
    stores: dict[str, tuple[HomeSource, Store]], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    source, store = stores[kind]
    value = store.get(TIP)
    assert value is not None
    with flipped(store, TIP, data.draw(st.integers(0, 8 * len(value) - 1))):
        verdict = verify(source, tmp_path / os.urandom(4).hex(), clock_s=lambda: 0.0)

    assert not verdict.ok
    assert verdict.tree["first_bad"] is not None


@contextmanager
def flipped(store: Store, key: bytes, bit: int) -> Iterator[None]:
    """Flip one bit of a stored value, through the store, and flip it back."""
    value = store.get(key)
    assert value is not None
    at, mask = bit // 8, 1 << bit % 8
    store.write([(key, value[:at] + bytes([value[at] ^ mask]) + value[at + 1 :])])
    try:
        yield
    finally:
        store.write([(key, value)])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KINDS), st.data())
def test_a_flipped_byte_on_disk_never_passes_for_another_chain(
    sound: dict[str, Path], tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    """Y35: either what is read is untouched and the verdict is the old one, or it is not ok."""
    root = sound[kind]
    files = [path for path in sorted((root / "store").iterdir()) if path.stat().st_size]
    path = data.draw(st.sampled_from(files))
    at = data.draw(st.integers(0, path.stat().st_size - 1))
    mask = 1 << data.draw(st.integers(0, 7))
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
    try:
        with open_home(root) as source:
            verdict = verify(source, tmp_path / os.urandom(4).hex(), clock_s=lambda: 0.0)
    except Malformed:
        return
    finally:
        path.write_bytes(whole)

    if verdict.ok:
        assert verdict.tree["to"] == TOP
        assert verdict.tree["log_root"] == CHAIN.decided[-1][0].log_root.hex()
    else:
        assert verdict.tree["first_bad"] is not None
