"""Snapshots on the production runtime: made, fetched, refused, cut off by a crash (S7, S8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chain.codec import decode, digest, encode
from chain.crypto import sha256
from chain.records import Header
from chain.validators import CommitCertificate
from node import snapshot, snapshot_files, snapshot_make
from node.chainstore import CERTIFICATE, OPEN, STATE, ChainStore
from node.evidence import POOL, RETAINED
from node.join import Join, Phase
from node.messages import (
    ChunkAnswer,
    HeaderLink,
    HeadersAnswer,
    ManifestAnswer,
    SnapshotName,
    SnapshotsAnswer,
)
from node.runtime import Halted
from node.snapshot import Manifest, PairReader
from node.store_memory import MemoryStore
from tests.sim import test_set_change as set_change
from tests.sim.test_scenarios import Calm, heights, pay
from tests.sim.world import World, node_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from chain.codec import Record
    from node.snapshots import Snapshots
    from tests.sim.world import SimNode

SECOND = 1_000
EVERY = 10
CHUNK_BYTES = 4_096


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small states of these tests have many chunks."""
    for module in (snapshot, snapshot_files, snapshot_make):
        monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK_BYTES)


def make_world(nodes: int = 4, **params: int) -> World:
    """Return a calm world that makes snapshots, in which the last node has not started yet."""
    world = World(1, nodes=nodes, faults=Calm, params=params, snapshot_every=EVERY)
    for node in world.nodes[:-1]:
        world.at(0, None, "start", node_start(node))
    world.run(3 * SECOND)
    return world


def grow(world: World, to: int) -> None:
    """Let people pay until the chain is so high."""
    while max(heights(world)) < to:
        pay(world, every=300)


def start(world: World, node: SimNode, seconds: int = 20) -> None:
    """Start a node and give it time."""
    world.at(world.now, None, "start", node_start(node))
    world.run(world.now + seconds * SECOND)


def rows(node: SimNode) -> dict[bytes, bytes]:
    """Return what a node holds, but for what may differ: certificates, and the open height."""
    return {
        key: value
        for key, value in node.pairs.items()
        if not key.startswith((CERTIFICATE, OPEN, POOL, RETAINED))
    }


def snapshots(node: SimNode) -> Snapshots:
    """Return the part of a running node that has to do with snapshots."""
    assert node.runtime is not None
    assert node.runtime.snapshots is not None
    return node.runtime.snapshots


def join_of(node: SimNode) -> Join:
    """Return the join of a node that stands at genesis."""
    join = snapshots(node).join
    assert join is not None
    return join


def names(node: SimNode) -> tuple[SnapshotName, ...]:
    """Return the snapshots that a node keeps."""
    return snapshots(node)._files.names()


def assert_whole(world: World, node: SimNode) -> None:
    """After a while a node holds what one holds that saw every block, and signs."""
    pay(world, count=5, every=300)
    world.run(world.now + 10 * SECOND)
    assert node.runtime is not None
    assert node.runtime.store.joined is None
    assert len(set(heights(world))) == 1
    assert rows(node) == rows(world.nodes[0])
    assert node.runtime.replica.status().silence is None


def test_s7_all_nodes_make_the_same_snapshots() -> None:
    world = make_world()

    grow(world, 3 * EVERY + 2)

    made = [names(node) for node in world.nodes[:-1]]
    assert made[0] == made[1] == made[2]
    assert [one.height for one in made[0]] == [3 * EVERY, 2 * EVERY]


def test_s7_large_snapshots_leave_out_the_same_heights_on_all_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is large on a chain with short ways between would be made all the time."""
    world = make_world()
    grow(world, EVERY + 2)
    (first,) = names(world.nodes[0])
    offer = snapshots(world.nodes[0])._files.find(first.digest)
    assert offer is not None
    monkeypatch.setattr(snapshot_make, "PACE_BYTES", offer.manifest.size)

    grow(world, 3 * EVERY + 2)

    made = [names(node) for node in world.nodes[:-1]]
    assert made[0] == made[1] == made[2]
    assert [one.height for one in made[0]] == [3 * EVERY, EVERY]


def test_f24_a_new_node_joins_by_a_snapshot_and_is_whole_in_the_end() -> None:
    """consensus S7, S8, F24: then it holds what a node holds that saw every block."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]

    start(world, late)

    assert "joined by a snapshot" in world.seen
    assert snapshots(late).past() is None
    assert "alarm join-barrier" in world.seen  # D10: its guard cannot know what it signed
    assert_whole(world, late)


def test_f24_a_wiped_node_joins_by_a_snapshot_and_signs_nothing_it_may_have_signed() -> None:
    """consensus F24, D10: head file and guard still know how far it was."""
    world = make_world()
    late = world.nodes[-1]
    start(world, late)
    grow(world, 2 * EVERY + 3)
    assert late.runtime is not None
    late.crash()
    late.wipe()

    start(world, late)

    assert "joined by a snapshot" in world.seen
    assert_whole(world, late)


@pytest.mark.parametrize("phase", [Phase.OFFERS, Phase.HEADERS, Phase.CHUNKS])
def test_a_node_that_loses_all_links_in_the_middle_goes_on_joining(phase: Phase) -> None:
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    world.at(world.now, None, "start", node_start(late))
    while late.runtime is None or join_of(late).phase is not phase:
        world.run(world.now + 1)
    world.partition((world.nodes[:-1], [late]))
    world.run(world.now + 60 * SECOND)
    assert join_of(late).is_busy
    world.partition(())
    world.run(world.now + 20 * SECOND)

    assert "joined by a snapshot" in world.seen
    assert_whole(world, late)


def test_a_chain_that_is_not_far_ahead_is_replayed() -> None:
    world = make_world()
    grow(world, EVERY - 2)
    late = world.nodes[-1]

    start(world, late)

    assert "joined by a snapshot" not in world.seen
    assert_whole(world, late)


def test_s8_a_node_that_joined_makes_snapshots_for_others_at_once() -> None:
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    start(world, late)

    grow(world, 3 * EVERY + 2)
    world.run(world.now + SECOND)

    assert names(late)[0] == names(world.nodes[0])[0]


def test_s7_the_chain_of_sets_is_followed_from_genesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """consensus S7, V2: two changes of the set lie between genesis and the snapshot."""
    monkeypatch.setattr("tests.sim.test_set_change.make_world", make_world)
    world = set_change.world_of(4)
    start(world, world.nodes[-1], 3)
    for name in ("new", "newer"):
        set_change.add_node(world, name)
        set_change.report(world, name)
        assert set_change.appoint(world, "delfshaven", name) == 0
        set_change.settle(world)
    at = max(heights(world)) // EVERY + 1
    grow(world, at * EVERY + 2)
    sitting = set_change.keys_at(world, max(heights(world)))
    late = next(node for node in world.nodes[1:] if node.key in sitting)
    late.crash()
    late.wipe()

    start(world, late, 60)

    assert "joined by a snapshot" in world.seen
    assert_whole(world, late)
    assert late.runtime is not None
    assert len(late.runtime.store.eras) == 3


def test_y20_a_chain_that_differs_from_what_was_acked_is_not_taken() -> None:
    """reliability X5, Y20: the head file remembers a block that the certified chain has not."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    heads = late._open_heads(ChainStore(MemoryStore(late.pairs)).tip, None, 0)[0]
    heads.append(5, bytes(range(32)), bytes(32), bytes(32))
    heads.close()
    late.wiped = True

    with pytest.raises(Halted, match="another block is certified at height 5"):
        start(world, late)

    assert late.joined is None


# --------------------------------------------------------------------------------------- liars


def in_chunks(message: Record) -> Record | None:
    """Change one bit of every chunk."""
    if isinstance(message, ChunkAnswer) and message.data:
        return replace(message, data=bytes([message.data[0] ^ 1]) + message.data[1:])
    return message


def empty_chunks(message: Record) -> Record | None:
    return replace(message, data=b"") if isinstance(message, ChunkAnswer) else message


def no_chunks(message: Record) -> Record | None:
    return None if isinstance(message, ChunkAnswer) else message


def other_manifest(message: Record) -> Record | None:
    return replace(message, manifest=b"x") if isinstance(message, ManifestAnswer) else message


def no_headers(message: Record) -> Record | None:
    return replace(message, links=()) if isinstance(message, HeadersAnswer) else message


def in_links(change: Callable[[HeaderLink], HeaderLink]) -> Callable[[Record], Record | None]:
    """Return a lie that changes the second header of every answer."""

    def lie(message: Record) -> Record | None:
        if not isinstance(message, HeadersAnswer) or len(message.links) < 2:
            return message
        first, second, *rest = message.links
        return replace(message, links=(first, change(second), *rest))

    return lie


def other_set(link: HeaderLink) -> HeaderLink:
    """A set that no header announced."""
    return replace(link, next_keys=(bytes(range(32)),))


def doubled_set(link: HeaderLink) -> HeaderLink:
    return replace(link, next_keys=(bytes(range(32)), bytes(range(32))))


def other_header(link: HeaderLink) -> HeaderLink:
    header = decode(Header, link.header)
    return replace(link, header=encode(replace(header, state_root=bytes(32))))


def fewer(certificate: CommitCertificate) -> CommitCertificate:
    """A certificate of q - 1."""
    highest = 1 << (certificate.bitmap[0].bit_length() - 1)
    return replace(
        certificate,
        bitmap=bytes([certificate.bitmap[0] - highest]),
        signatures=certificate.signatures[:-1],
    )


def fewer_signatures(link: HeaderLink) -> HeaderLink:
    certificate = decode(CommitCertificate, link.certificate)
    return replace(link, certificate=encode(fewer(certificate)))


LIES = {
    "a bit of each chunk": in_chunks,
    "no chunk held": empty_chunks,
    "no answer to chunks": no_chunks,
    "another manifest": other_manifest,
    "no headers": no_headers,
    "a set that was not announced": in_links(other_set),
    "a set that names a key twice": in_links(doubled_set),
    "a header of another state": in_links(other_header),
    "a certificate of q - 1": in_links(fewer_signatures),
}


HEADER_LIES = tuple(LIES)[4:]


@pytest.mark.parametrize("name", LIES)
def test_f41_what_a_liar_sends_is_fetched_elsewhere(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """consensus F41, S4, W24, W26: the liar is asked first, and in the end no more than others."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    # Peers take turns, the least key first: one sends the manifest, the next headers, all chunks.
    liar = sorted(world.nodes[:-1], key=lambda node: node.key)[name in HEADER_LIES]
    liar.lie = LIES[name]
    blamed: list[bytes] = []
    blame = Join._blame

    def note(join: Join, peer: bytes) -> None:
        blamed.append(peer)
        blame(join, peer)

    monkeypatch.setattr(Join, "_blame", note)

    start(world, late, 60)

    assert "joined by a snapshot" in world.seen
    assert set(blamed) == ({liar.key} if name != "no chunk held" else set())
    liar.lie = None
    assert_whole(world, late)


class Forger:
    """Serves a snapshot of its own making beside the true header and certificate."""

    def __init__(
        self, node: SimNode, change: Callable[[Manifest, bytes], tuple[Manifest, bytes]]
    ) -> None:
        offer = snapshots(node)._files.find(names(node)[0].digest)
        assert offer is not None
        chunks = [
            snapshots(node)._files.read_chunk(offer.digest, index) or b""
            for index in range(len(offer.manifest.chunks))
        ]
        manifest, self._stream = change(offer.manifest, b"".join(chunks))
        self._manifest = encode(manifest)
        self._name = SnapshotName(offer.header.height, digest(manifest))
        self.asked = 0

    def __call__(self, message: Record) -> Record | None:
        if isinstance(message, SnapshotsAnswer):
            return SnapshotsAnswer((self._name,))
        if isinstance(message, ManifestAnswer) and message.digest == self._name.digest:
            return replace(message, manifest=self._manifest)
        if isinstance(message, ChunkAnswer) and message.digest == self._name.digest:
            self.asked += 1
            at = message.index * CHUNK_BYTES
            return replace(message, data=self._stream[at : at + CHUNK_BYTES])
        return message


def with_stream(manifest: Manifest, stream: bytes) -> tuple[Manifest, bytes]:
    """Return a manifest whose hashes are those of another stream."""
    cut = [stream[at : at + CHUNK_BYTES] for at in range(0, len(stream), CHUNK_BYTES)]
    hashes = tuple(map(sha256, cut))
    return replace(manifest, size=len(stream), chunks=hashes), stream


def write_pairs(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        len(key).to_bytes(2, "big") + len(value).to_bytes(4, "big") + key + value
        for key, value in pairs
    )


def forge(change: Callable[[list[tuple[bytes, bytes]]], object]) -> Callable[..., object]:
    """Return what changes the pairs of a snapshot and keeps its hashes right."""

    def changed(manifest: Manifest, stream: bytes) -> tuple[Manifest, bytes]:
        height = decode(Header, manifest.header).height
        pairs = PairReader(manifest.first, height).feed(stream)
        change(pairs)
        return with_stream(manifest, write_pairs(pairs))

    return changed


def richer(pairs: list[tuple[bytes, bytes]]) -> None:
    """Give somebody money: the forged state root of F41."""
    at = next(i for i, (key, _) in enumerate(pairs) if key.startswith(STATE + b"\x94\xa3bal"))
    pairs[at] = (pairs[at][0], encode(10**9))


def without_last(pairs: list[tuple[bytes, bytes]]) -> None:
    pairs.pop()


def without_a_block(pairs: list[tuple[bytes, bytes]]) -> None:
    pairs.pop(0)


def with_other_body(pairs: list[tuple[bytes, bytes]]) -> None:
    pairs[1] = (pairs[1][0], pairs[0][1])


def cut_off(manifest: Manifest, stream: bytes) -> tuple[Manifest, bytes]:
    return with_stream(manifest, stream[:-1])


def later_first(manifest: Manifest, stream: bytes) -> tuple[Manifest, bytes]:
    return replace(manifest, first=manifest.first + 1), stream


def weaker(manifest: Manifest, stream: bytes) -> tuple[Manifest, bytes]:
    certificate = decode(CommitCertificate, manifest.certificate)
    return replace(manifest, certificate=encode(fewer(certificate))), stream


FORGERIES = {
    "a forged state root": forge(richer),
    "a state that lacks a pair": forge(without_last),
    "a window that lacks a block": forge(without_a_block),
    "a block with another body": forge(with_other_body),
    "a stream that is cut off": cut_off,
    "a window that begins later than it may": later_first,
    "a certificate of q - 1": weaker,
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("liars", [2, 3])
def test_f41_a_forged_snapshot_is_refused_before_any_file_is_replaced(
    name: str, liars: int, caplog: pytest.LogCaptureFixture
) -> None:
    """consensus F41, J64, W26. With no honest snapshot left, all blocks are replayed."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    forgers = []
    for node in world.nodes[:liars]:
        forger = Forger(node, FORGERIES[name])  # type: ignore[arg-type]
        node.lie = forger
        forgers.append(forger)
    world.at(world.now, None, "start", node_start(late))
    while "join.refused" not in caplog.messages:
        world.run(world.now + 10)
        assert late.joined is None
        tip = ChainStore(MemoryStore(late.pairs)).tip
        assert tip.height == 0 or "join.refused" in caplog.messages
        assert world.now < 3_600 * SECOND, "it was never refused"
    world.run(world.now + 60 * SECOND)

    assert ("joined by a snapshot" in world.seen) is (liars < 3)
    assert (sum(forger.asked for forger in forgers) == 0) is (name == "a certificate of q - 1")
    for node in world.nodes[:liars]:
        node.lie = None
    assert_whole(world, late)


# -------------------------------------------------------------------------------------- crashes


PHASES = (Phase.OFFERS, Phase.MANIFEST, Phase.HEADERS, Phase.CHUNKS)


@pytest.mark.parametrize("phase", PHASES)
def test_s7_a_crash_at_any_moment_leaves_the_old_or_the_new_store(phase: Phase) -> None:
    world = make_world()
    grow(world, 2 * EVERY + 3)
    late = world.nodes[-1]
    for _ in range(3):
        world.at(world.now, None, "start", node_start(late))
        while late.runtime is None or join_of(late).phase is not phase:
            world.run(world.now + 1)
        late.crash()
        assert ChainStore(MemoryStore(late.pairs)).tip.height == 0
        assert late.joined is None
    start(world, late)

    assert "joined by a snapshot" in world.seen
    assert_whole(world, late)


def test_s7_crash_points_in_every_write_of_a_join() -> None:
    """J10: a process that dies in each single write of the new store and of the past."""
    world = make_world()
    grow(world, 2 * EVERY + 3)
    world.faults.crash_points = 0.02
    late = world.nodes[-1]
    world.at(world.now, None, "start", node_start(late))
    world.run(world.now + 120 * SECOND)
    world.faults.crash_points = 0.0
    world.run(world.now + 30 * SECOND)

    assert "joined by a snapshot" in world.seen
    assert {"store.write", "store.written"} <= world.points
    assert_whole(world, late)
