"""Mirrors node/snapshot.py, snapshot_build.py, snapshot_files.py: the format, and its enemies."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.home import open_home
from chain import light
from chain.codec import encode
from chain.contract import Table
from chain.crypto import sha256, sign, verify
from chain.errors import Malformed
from chain.texts import Problem
from contracts import CONTRACTS
from node import snapshot, snapshot_files
from node.backup import make_backup
from node.chainstore import (
    BODY,
    CERTIFICATE,
    ENVELOPES,
    HEADER,
    META,
    STATE,
    ChainStore,
    create_chain,
)
from node.disk import StorageError, StoreDamaged
from node.guard_file import open_guard
from node.history_store import PastStore, clean_past, finish_past
from node.home import Home
from node.recovery import open_chain, prove_chain
from node.rollback import roll_back
from node.setup import init_home
from node.snapshot import (
    CHUNKS_MAX,
    SNAPSHOT_EVERY,
    SNAPSHOT_EVERY_TEST,
    Manifest,
    Offer,
    PairReader,
    check_offer,
    compute_every,
    cut_chunks,
    find_first,
    read_manifest,
)
from node.snapshot_build import Builder
from node.snapshot_files import SnapshotFiles
from node.store import (
    LEVELDB,
    SQLITE,
    begin_join,
    choose_kind,
    create_store,
    finish_join,
    keep_join,
    open_store,
)
from node.store_memory import MemoryStore
from node.store_pairs import KEY_BYTES_MAX
from node.tree_pages import PAGE
from tests.audit.made_chain import MadeChain, make_chain, make_changed_chain
from tests.federation import key, seed
from tests.node.made_home import INSTANCE, NAME
from tests.node.test_store_damage import FAST, CutDisk, PowerCut
from tests.sim.disk import Crashed, SimDisk

CHUNK_BYTES = 4_096
CHAIN = make_chain(extra=8)
AT = len(CHAIN.decided) - 2  # the snapshot's block; two more follow
FOLDER = Path("/snapshots")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (snapshot, snapshot_files):
        monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK_BYTES)


def store_at(chain: MadeChain, height: int) -> ChainStore:
    """Return a store that stands at `height` of a made chain."""
    pairs = MemoryStore({})
    create_chain(pairs, chain.genesis)
    store = ChainStore(pairs)
    for block in chain.decided[:height]:
        store.apply(*block)
    return store


def make(chain: MadeChain = CHAIN, height: int = AT) -> tuple[Offer, bytes, list[bytes]]:
    """Return a snapshot: what it offers, its manifest, its chunks."""
    store = store_at(chain, height)
    first = find_first(store.store, height)
    chunks = list(cut_chunks(store.store, first, height))
    header = store.store.get(HEADER + height.to_bytes(8, "big"))
    certificate = chain.decided[height][1].last_commit
    assert header is not None
    assert certificate is not None
    manifest = Manifest(
        header,
        encode(certificate),
        store.tip.frontier,
        first,
        sum(map(len, chunks)),
        tuple(map(sha256, chunks)),
    )
    raw = encode(manifest)
    return read_manifest(raw), raw, chunks


def build(store: MemoryStore, chain: MadeChain, offer: Offer, chunks: list[bytes]) -> None:
    builder = Builder(store, chain.genesis, offer)
    for chunk in chunks:
        builder.feed(chunk)
    for _ in builder.finish():
        pass


def trust(chain: MadeChain, height: int) -> light.Trusted:
    """Return what is known after following a made chain up to `height`."""
    store = store_at(chain, height)
    trusted = light.trust_genesis(chain.genesis)
    for number, (header, _, certificate, _, _) in enumerate(chain.decided[:height], 1):
        following = store.validators_at(number + 1)
        trusted = light.follow(trusted, header, certificate, following, verify)
    return trusted


def fill(store: ChainStore, chain: MadeChain) -> None:
    """Execute the past of a store that began with a snapshot."""
    assert store.joined is not None
    past = ChainStore(PastStore(store.store))
    for block in chain.decided[past.tip.height : store.joined.height]:
        past.apply(*block)
    finish_past(store, past)
    while clean_past(store.store):
        pass


# -------------------------------------------------------------------------------------- the format


@pytest.mark.parametrize("chain", [CHAIN, make_changed_chain()[0]], ids=["plain", "another set"])
def test_s8_a_snapshot_is_all_that_execution_needs(chain: MadeChain) -> None:
    """consensus S8: the next blocks come out as everywhere; once the past is here all is equal."""
    height = len(chain.decided) - 2
    offer, _, chunks = make(chain, height)
    check_offer(offer, trust(chain, height - 1), verify)
    pairs: dict[bytes, bytes] = {}
    build(MemoryStore(pairs), chain, offer, chunks)

    store = ChainStore(MemoryStore(pairs))
    prove_chain(store.store, chain.genesis, deep=True)
    assert (store.tip.height, store.whole_from) == (height, height + 1)
    for block in chain.decided[height:]:
        store.apply(*block)
    prove_chain(store.store, chain.genesis, deep=True)
    fill(store, chain)

    whole = store_at(chain, len(chain.decided))
    assert store.joined is None
    assert store.eras == whole.eras
    assert isinstance(whole.store, MemoryStore)
    assert pairs == whole.store._pairs
    prove_chain(store.store, chain.genesis, deep=True)


def test_s7_it_does_not_depend_on_who_makes_it() -> None:
    """consensus M8: a node keeps another certificate, and makes the same bytes."""
    store = store_at(CHAIN, AT)
    at = CERTIFICATE + (AT - 1).to_bytes(8, "big")
    store.store.write([(at, encode(CHAIN.decided[0][2]))])

    assert list(cut_chunks(store.store, 1, AT)) == make()[2]


def test_only_blocks_of_the_replay_window_are_in_it() -> None:
    """consensus B1: and the newest one before, which shows that none is missing."""
    chain = make_chain(extra=8)
    chain.time_s += 1_000
    chain.add([])
    chain.add([])
    chain.add([])
    height = len(chain.decided) - 1
    store = store_at(chain, height)

    assert find_first(store.store, height) == height - 2
    offer, _, chunks = make(chain, height)
    reader = PairReader(offer.manifest.first, height)
    keys = [pair[0] for chunk in chunks for pair in reader.feed(chunk)]
    assert sum(one.startswith(BODY) for one in keys) == 3
    late = replace(offer.manifest, first=height)
    with pytest.raises(Malformed, match="does not belong"):
        build(MemoryStore({}), chain, replace(offer, manifest=late), chunks)


def cut(chain: MadeChain, height: int, first: int, change: bytes = b"") -> None:
    """Build from a snapshot that its maker cut otherwise, all hashes right."""
    store = store_at(chain, height)
    if change:
        store.store.write([(STATE + change, b"x")])
    chunks = list(cut_chunks(store.store, first, height))
    sizes = {"size": sum(map(len, chunks)), "chunks": tuple(map(sha256, chunks))}
    honest = make(chain, height)[0]
    forged = read_manifest(encode(replace(honest.manifest, first=first, **sizes)))
    build(MemoryStore({}), chain, forged, chunks)


def test_j64_a_forged_state_root_is_refused() -> None:
    """reliability J64, consensus S7: whatever the hashes say."""
    with pytest.raises(Malformed, match="state of a snapshot"):
        cut(CHAIN, AT, 1, b"more money")


def test_b1_a_replay_window_that_is_cut_short_is_refused() -> None:
    """consensus B1, S8: else a transaction could be played twice."""
    with pytest.raises(Malformed, match="reach back"):
        cut(CHAIN, AT, 2)


@given(cuts=st.lists(st.integers(0, 40_000), max_size=20))
def test_a_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    offer, _, chunks = make()
    stream = b"".join(chunks)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    whole = PairReader(offer.manifest.first, AT).feed(stream)
    reader = PairReader(offer.manifest.first, AT)

    found = []
    for begin, end in pairwise(places):
        found += reader.feed(stream[begin:end])
    reader.end()

    assert found == whole
    assert [one for one, _ in found] == sorted({one for one, _ in found})


def pair(name: bytes, value: bytes = b"v") -> bytes:
    return len(name).to_bytes(2, "big") + len(value).to_bytes(4, "big") + name + value


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (pair(STATE + b"a") * 2, "order"),
        (pair(STATE + b"b") + pair(STATE + b"a"), "order"),
        (pair(STATE), "belong"),
        (pair(PAGE + b"1a"), "belong"),
        (pair(META + b"tip"), "belong"),
        (pair(CERTIFICATE + bytes(7) + b"\x05"), "belong"),
        (pair(BODY + bytes(7) + b"\x04"), "belong"),
        (pair(BODY + bytes(7) + b"\x0a"), "belong"),
        (pair(HEADER + b"\x05"), "belong"),
        (pair(b""), "large"),
        (pair(b"s" * (KEY_BYTES_MAX + 1)), "large"),
        (b"\x00\x01\xff\xff\xff\xff", "large"),
    ],
)
def test_w26_pairs_that_no_node_writes_are_malformed(stream: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        PairReader(5, 9).feed(stream)


def test_a_stream_that_ends_inside_a_pair_is_malformed() -> None:
    reader = PairReader(5, 9)
    assert reader.feed(pair(STATE + b"a")[:-1]) == []
    with pytest.raises(Malformed, match="cut off"):
        reader.end()


@given(data=st.binary(max_size=200))
def test_any_bytes_are_pairs_or_malformed(data: bytes) -> None:
    reader = PairReader(1, 9)
    try:
        found = reader.feed(data)
    except Malformed:
        return
    assert b"".join(pair(*one) for one in found) == data[: len(data) - len(reader._rest)]


def test_w26_manifests_that_contradict_themselves_are_malformed() -> None:
    offer, raw, _ = make()
    manifest = offer.manifest
    forged = replace(offer.certificate, block_id=bytes(32))
    wrong = [
        replace(manifest, chunks=manifest.chunks[1:]),
        replace(manifest, chunks=(*manifest.chunks, bytes(32))),
        replace(manifest, first=0),
        replace(manifest, first=AT + 1),
        replace(manifest, frontier=manifest.frontier[1:]),
        replace(manifest, frontier=(bytes(32), *manifest.frontier[1:])),
        replace(manifest, certificate=encode(forged)),
        replace(manifest, size=0),
        replace(manifest, size=2**40, chunks=(bytes(32),) * CHUNKS_MAX),
        replace(manifest, header=b"x"),
    ]
    for one in wrong:
        with pytest.raises(Malformed):
            read_manifest(encode(one))
    for data in (b"", raw[:-1], raw + b"\0", raw + bytes(1 << 20)):
        with pytest.raises(Malformed):
            read_manifest(data)
    assert read_manifest(raw) == offer


def test_s7_a_certificate_is_judged_by_the_set_that_genesis_leads_to() -> None:
    """A set of strangers signs as much as it wants: the chain of headers has not announced it."""
    offer, _, _ = make()
    trusted = trust(CHAIN, AT - 1)
    few = replace(offer.certificate, bitmap=b"\x03", signatures=offer.certificate.signatures[:2])
    strangers = make_changed_chain()[0]
    foreign, _, _ = make(strangers, len(strangers.decided) - 1)

    check_offer(offer, trusted, verify)
    for wrong in (replace(offer, certificate=few), foreign):
        with pytest.raises(Malformed):
            check_offer(wrong, trusted, verify)
    with pytest.raises(Malformed):
        check_offer(offer, trust(CHAIN, AT - 2), verify)


def test_fixed_heights_are_rarer_where_chains_live_long() -> None:
    assert (compute_every("live"), compute_every("test")) == (SNAPSHOT_EVERY, SNAPSHOT_EVERY_TEST)


# --------------------------------------------------------------------------------------- the files


def write(files: SnapshotFiles, height: int) -> Offer:
    offer, raw, chunks = make(height=height)
    files.begin()
    for chunk in chunks:
        files.append(chunk)
    files.keep(offer, raw)
    return offer


def test_the_newest_two_are_kept_and_served_after_a_restart() -> None:
    disk = SimDisk(lambda _point: None)
    files = SnapshotFiles(FOLDER, disk)
    offers = [write(files, height) for height in (4, 6, 8)]

    for one in (files, SnapshotFiles(FOLDER, disk)):
        assert [name.height for name in one.names()] == [8, 6]
        chunks = make(height=8)[2]
        assert [one.read_chunk(offers[2].digest, i) for i in range(len(chunks))] == chunks
        assert one.read_chunk(offers[2].digest, len(chunks)) is None
        assert one.read_chunk(offers[0].digest, 0) is None
    assert disk.names(FOLDER) == {
        "0000000006.chunks", "0000000006.manifest", "0000000008.chunks", "0000000008.manifest",
    }  # fmt: skip


def test_y35_a_snapshot_with_a_flipped_bit_is_served_no_more() -> None:
    disk = SimDisk(lambda _point: None)
    files = SnapshotFiles(FOLDER, disk)
    offer = write(files, AT)
    for name in (".chunks", ".manifest"):
        disk.flip(FOLDER / f"{AT:010}{name}", Random(1))
    count = len(offer.manifest.chunks)

    assert None in [files.read_chunk(offer.digest, index) for index in range(count)]
    assert files.names() == ()
    assert SnapshotFiles(FOLDER, disk).names() == ()


def test_a_snapshot_that_somebody_deleted_is_served_no_more() -> None:
    disk = SimDisk(lambda _point: None)
    files = SnapshotFiles(FOLDER, disk)
    offer = write(files, AT)
    disk.remove(FOLDER / f"{AT:010}.chunks")

    assert files.read_chunk(offer.digest, 0) is None
    assert files.names() == ()


def test_d6_a_crash_at_any_point_leaves_whole_snapshots_only() -> None:
    """consensus D6, reliability Y33."""
    cut_at = 0
    while True:
        left = cut_at

        def count(_point: str) -> None:
            nonlocal left
            if left == 0:
                raise Crashed
            left -= 1

        disk = SimDisk(lambda _point: None)
        write(SnapshotFiles(FOLDER, disk), 4)
        disk._point = count
        try:
            write(SnapshotFiles(FOLDER, disk), 6)
        except Crashed:
            disk._point = lambda _point: None
            disk.crash(Random(cut_at))
        else:
            break
        files = SnapshotFiles(FOLDER, disk)
        for name in files.names():
            offer, _, chunks = make(height=name.height)
            assert [files.read_chunk(offer.digest, i) for i in range(len(chunks))] == chunks
        assert 4 in [name.height for name in files.names()]
        write(files, 6)
        assert [name.height for name in files.names()] == [6, 4]
        cut_at += 1
    assert cut_at > 10


# ------------------------------------------------------------------------------ the store of a home


@pytest.fixture(params=[LEVELDB, SQLITE])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """Return the home of a validator that has not run yet."""
    settings = {"node.storage": request.param}
    return init_home(tmp_path / "n", CHAIN.genesis, seed(NAME), bytes(32), INSTANCE, settings)


def put_snapshot(home: Home) -> None:
    """Fetch a snapshot into the new store of a home, up to its proof."""
    store = begin_join(home.store, kind_of(home))
    offer, _, chunks = make()
    builder = Builder(store, CHAIN.genesis, offer)
    for chunk in chunks:
        builder.feed(chunk)
    for _ in builder.finish():
        pass
    store.close()


def kind_of(home: Home) -> str:
    return choose_kind("auto", home.store)


def start(home: Home) -> tuple[int, int]:
    """Open the chain of a home as a start does; return its height and what was acked."""
    guard = open_guard(home.guard, key(NAME), CHAIN.genesis.digest, lambda m: sign(seed(NAME), m))
    try:
        opened = open_chain(home, "auto", CHAIN.genesis, key(NAME), guard)
        found = opened.store.tip.height, opened.heads.last.height
        opened.heads.close()
        opened.store.store.close()
    finally:
        guard.close()
    return found


def test_a_start_finds_the_snapshot_and_moves_the_head_file_on(home: Home) -> None:
    put_snapshot(home)
    assert start(home) == (0, 0)  # nothing counts before it was kept
    assert not home.store.with_name("store.joining").exists()
    put_snapshot(home)
    keep_join(home.store)

    assert start(home) == (AT, AT)
    assert start(home) == (AT, AT)
    assert {path.name for path in home.root.glob("store*")} == {"store"}


def test_y20_a_store_of_elsewhere_is_no_snapshot(home: Home) -> None:
    """reliability Y20: a store that is two ahead and began at genesis is foreign, as before."""
    store = ChainStore(open_store(home.store, kind_of(home)))
    for block in CHAIN.decided[:3]:
        store.apply(*block)
    store.store.close()

    with pytest.raises(StoreDamaged, match="different stories"):
        start(home)


def test_s7_power_goes_at_any_moment_of_the_swap(home: Home) -> None:
    """The old store or the new one, whole, whichever call is the last."""
    put_snapshot(home)
    cut_at, heights = 0, []
    while True:
        disk = CutDisk(cut_at)
        try:
            if home.store.with_name("store.joining").exists():
                keep_join(home.store, disk)
            finish_join(home.store, disk)
        except PowerCut:
            finish_join(home.store, FAST)
            store = ChainStore(open_store(home.store, kind_of(home)))
            heights.append(store.tip.height)
            store.store.close()
            if heights[-1] == 0:
                put_snapshot(home)
        else:
            break
        cut_at += 1
    assert set(heights) == {0, AT}
    assert start(home) == (AT, AT)


def test_a_node_whose_past_is_coming_says_so(home: Home) -> None:
    """consensus S8: `node verify`, `audit verify --dir` and backups name the reason, not damage."""
    put_snapshot(home)
    keep_join(home.store)
    assert start(home) == (AT, AT)
    why = f"began with a snapshot of block {AT}"

    with pytest.raises(Problem) as told, open_home(home.root):
        pass
    assert why in str(told.value.params)
    with pytest.raises(StorageError, match=why):
        make_backup(home, "2026-01-01T00:00:00.000Z")
    chain = CHAIN.genesis.chain(Table(CONTRACTS))
    with pytest.raises(Malformed, match=why):
        roll_back(home, CHAIN.genesis, chain, key(NAME), 1, lambda _height: None)
    assert start(home) == (AT, AT)

    store = ChainStore(open_store(home.store, kind_of(home)))
    fill(store, CHAIN)
    store.store.close()
    with open_home(home.root) as source:
        assert source.read_height() == AT
        assert len(list(source.read_blocks(1, AT))) == AT
    assert make_backup(home, "2026-01-01T00:00:00.000Z")["height"] == AT


def test_a_torn_store_of_a_snapshot_is_judged_by_what_it_holds(tmp_path: Path) -> None:
    """reliability Y21, Y22: links down to the first block that came, roots from all leaves."""
    offer, _, chunks = make()
    pairs: dict[bytes, bytes] = {}
    build(MemoryStore(pairs), CHAIN, offer, chunks)
    store = create_store(tmp_path / "s", SQLITE, FAST)
    store.write(list(pairs.items()))
    prove_chain(store, CHAIN.genesis, deep=True)
    store.write([(ENVELOPES + AT.to_bytes(8, "big"), None)])

    with pytest.raises(StoreDamaged):
        prove_chain(store, CHAIN.genesis, deep=True)
    store.close()
