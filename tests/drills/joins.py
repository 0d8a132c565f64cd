"""Nodes that come late or lost everything: by a snapshot, and block by block (F24, F39, F41)."""

import shutil
import time

from node.client import Client
from node.messages import CHUNK_BYTES
from node.snapshot import SNAPSHOT_EVERY_TEST
from tests.drills.ground import Ground

LONG = 10_000  # blocks, as consensus says (F39)
LONG_S = 1_200.0  # the machine may be busy


def join_by_snapshot(ground: Ground) -> None:
    """F24, F41: a new node fetches a snapshot of which one peer has a bad copy; killed twice.

    It is at work long before its past is here; in the end it has every block.
    """
    name, others = ground.names[-1], ground.names[:-1]
    ground.wait(lambda: ground.top() > SNAPSHOT_EVERY_TEST + 2, "a snapshot", LONG_S)
    flipped = [_flip(ground, other) for other in others[:1]]
    at = ground.top()
    for _ in range(2):
        count = ground.log(name).count("join.snapshot")
        ground.network.spawn(name)
        ground.wait(lambda: ground.log(name).count("join.snapshot") > count, "a join")  # noqa: B023
        ground.kill_at_once([name])
    began = time.monotonic()
    ground.start(name)
    ground.wait(lambda: "node.joined" in ground.log(name), "the snapshot to be whole")
    joined_s = time.monotonic() - began
    ground.wait_level(name)
    ground.wait_signing(name)
    signing_s = time.monotonic() - began
    first = next(slot.position.height for slot in ground.slots(name) if slot.signed)
    assert first > at, f"signed at {first}, {at} was decided"
    ground.wait(lambda: "past.whole" in ground.log(name), "the past")
    whole_s = time.monotonic() - began
    client = Client([ground.network.node(name).api])
    assert client.block(1)["height"] == 1
    client.close()
    ground.tell(
        f"{name} started for the first time at height {at}, killed twice while it fetched a "
        f"snapshot of which {others[0]} has {flipped[0]} flipped: joined {joined_s:.1f} s after "
        f"its start, signed after {signing_s:.1f} s, past whole after {whole_s:.1f} s"
    )


def far_behind(ground: Ground) -> None:
    """F39: 10,000 blocks behind under load: block by block, then three, then by a snapshot."""
    name, others = ground.names[-1], ground.names[:-1]
    blocks = ground.top()
    assert blocks >= LONG, f"the chain has {blocks} blocks"
    began = time.monotonic()
    ground.start(name)
    ground.wait(lambda: max(ground.heights([name]), default=0) >= blocks, "the blocks", LONG_S)
    replay_s = time.monotonic() - began
    assert "join.over" in ground.log(name), "it did not read every block"
    ground.wait_level(name)
    ground.wait_signing(name)
    first = next(slot.position.height for slot in ground.slots(name) if slot.signed)
    assert first > blocks, f"signed at {first}, {blocks} was decided"
    with ground.paused(name):
        ground.wait_block(3, others)
    again_s = ground.wait_level(name)
    ground.wait(lambda: ground.top() > LONG + SNAPSHOT_EVERY_TEST + 2, "a snapshot", LONG_S)
    ground.kill_at_once([name])
    before = ground.slots(name)
    shutil.rmtree(ground.home(name) / "store")
    attested = ground.top()
    began = time.monotonic()
    ground.start(name)
    ground.wait(lambda: "node.joined" in ground.log(name), "the snapshot to be whole", LONG_S)
    joined_s = time.monotonic() - began
    ground.wait_level(name)
    ground.wait_signing(name)
    signing_s = time.monotonic() - began
    new = [slot.position.height for slot in ground.slots(name)[len(before) :] if slot.signed]
    assert new[0] >= attested, f"signed at {new[0]}, {attested} was decided"
    ground.wait(lambda: "past.whole" in ground.log(name), "the past", LONG_S)
    whole_s = time.monotonic() - began
    ground.tell(
        f"{name} {blocks} blocks behind: level after {replay_s:.0f} s, "
        f"{blocks / replay_s:.0f} blocks a second under load; 3 behind: {again_s:.1f} s; "
        f"store removed: joined by a snapshot after {joined_s:.1f} s, signed after "
        f"{signing_s:.1f} s, all {attested} blocks executed after {whole_s:.0f} s"
    )


def _flip(ground: Ground, name: str) -> str:
    """Flip a bit in the newest snapshot of a node, as a bad disk does; return where."""
    path = max((ground.home(name) / "snapshots").glob("*.chunks"))
    data = bytearray(path.read_bytes())
    at = min(len(data), CHUNK_BYTES) // 2
    data[at] ^= 0x10
    path.write_bytes(data)
    return f"one bit of {path.name}"
