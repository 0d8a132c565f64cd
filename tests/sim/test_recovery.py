"""Lost, old and damaged disks on the production runtime: consensus F22 to F25, D10 to D12."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from chain.codec import Record, encode
from chain.keyspaces import BALANCES
from chain.validators import signer_keys
from consensus.events import Silence
from consensus.guard import Binding, Position, Step, read_guard
from node.chainstore import OPEN, STATE, ChainStore
from node.guard_file import open_guard
from node.guard_state import open_by_approval
from node.runtime import RootMismatch
from node.store_memory import MemoryStore
from tests import federation
from tests.sim.checks import SIGNED
from tests.sim.test_scenarios import MINUTE, SECOND, heights, make_world, pay, start, stop
from tests.sim.world import approve, people

if TYPE_CHECKING:
    from node.runtime import Runtime
    from tests.sim.world import SimNode, World


def runtime_of(node: SimNode) -> Runtime:
    """Return the runtime of a node that is up."""
    assert node.runtime is not None
    return node.runtime


def silence(node: SimNode) -> Silence | None:
    """Return why a node that is up signs nothing."""
    return runtime_of(node).replica.status().silence


def signed_heights(world: World, node: SimNode) -> set[int]:
    """Return the decided heights whose certificate, on the first node, holds this key."""
    store = runtime_of(world.nodes[0]).store
    found = set()
    for height in range(1, store.tip.height + 1):
        certificate = store.certificate(height)
        assert certificate is not None
        if node.key in signer_keys(certificate, store.validators_at(height)):
            found.add(height)
    return found


def guard_slots(node: SimNode, world: World) -> list[tuple[int, Step]]:
    """Return height and step of every slot in the durable guard."""
    data = node.disk.durable(node.root / "guard.bin")
    slots = read_guard(data, node.key, world.genesis.digest).slots
    return [(slot.position.height, slot.position.step) for slot in slots]


def alarms(node: SimNode) -> list[str]:
    """Return what a node told its operator."""
    return [alarm.text for _, alarm in runtime_of(node).alarms]


def lose(node: SimNode, *, guard: bool = True, head: bool = True) -> None:
    """Wipe the data of a node that is down; its key is kept (F24)."""
    node.wipe()
    if guard:
        node.put_file("guard.bin", None)
    if head:
        node.put_file("head.bin", None)


def test_f22_a_torn_tail_of_the_guard_is_cut_and_the_node_votes_on() -> None:
    """consensus F22, D8."""
    world = make_world(4)
    pay(world, count=5)
    torn = world.nodes[2]
    stop(torn)
    data = torn.disk.durable(torn.root / "guard.bin")
    torn.put_file("guard.bin", data + data[-512:-200])
    start(world, torn)

    stop(world.nodes[3])  # so that nothing is decided without it
    pay(world, every=5 * SECOND)

    assert silence(torn) is None
    assert max(signed_heights(world, torn)) == max(heights(world)) == 6


def test_f23_a_node_with_a_flipped_bit_in_its_guard_follows_until_it_rejoins() -> None:
    """consensus F23, D8, D10: the others go on; set aside, the guard is made anew."""
    world = make_world(4)
    pay(world, count=5)
    ill = world.nodes[2]
    stop(ill)
    data = bytearray(ill.disk.durable(ill.root / "guard.bin"))
    data[700] ^= 4
    ill.put_file("guard.bin", bytes(data))
    ill.guard_rotten = True
    start(world, ill)
    pay(world, count=3, every=5 * SECOND)
    assert silence(ill) is Silence.OBSERVER
    assert heights(world) == [8, 8, 8, 8]
    assert max(signed_heights(world, ill)) <= 5

    stop(ill)
    ill.put_file("guard.bin", None)  # what `wijk node rejoin` does
    start(world, ill)
    pay(world, count=4, every=5 * SECOND)

    assert len(set(heights(world))) == 1
    assert not signed_heights(world, ill) & {6, 7, 8, 9}
    assert max(signed_heights(world, ill)) >= 11


def test_f23_a_node_whose_open_records_are_gone_is_silent_for_that_height_alone() -> None:
    """consensus F23, D10, E1d: it had committed; it says nothing new there, and votes on after."""
    world = make_world(4)
    pay(world, count=3)
    ill, other = world.nodes[1], world.nodes[3]
    stop(other)
    world.pay()
    while OPEN + b"prepared" not in ill.pairs:
        world.run(world.now + 1)
    height = runtime_of(ill).store.tip.height + 1
    stop(ill)
    assert (height, Step.COMMIT) in guard_slots(ill, world)
    for name in (b"prepared", b"accepted", b"drafted"):
        ill.pairs.pop(OPEN + name, None)
    start(world, ill)
    lone = silence(ill)
    start(world, other)
    pay(world, count=4, every=5 * SECOND)

    assert lone is Silence.BARRIER
    assert silence(ill) is None
    assert len(set(heights(world))) == 1
    assert max(signed_heights(world, ill)) > height


def test_d10_a_guard_that_closes_more_than_it_signed_at_asks_for_nothing_that_it_refuses() -> None:
    """consensus D2, D10: words of the open height, and above them the end of the next one."""
    world = make_world(4)
    pay(world, count=3)
    ill, other = world.nodes[1], world.nodes[3]
    stop(other)
    world.pay()
    while OPEN + b"prepared" not in ill.pairs:
        world.run(world.now + 1)
    height = runtime_of(ill).store.tip.height + 1
    for node in world.nodes:  # so that this height is still open when all are back
        if node is not other:
            stop(node)
    digest = world.genesis.digest
    guard = open_guard(ill.root / "guard.bin", ill.key, digest, ill.sign, ill.disk)
    assert guard.slots(height)
    guard.raise_to(height + 1)
    guard.close()
    for node in world.nodes:
        start(world, node)
    pay(world, every=5 * SECOND)
    assert alarms(ill) == ["join-barrier"]
    approve(world)  # with the other one, which had not signed here, two of four wait (D12)
    pay(world, count=4, every=5 * SECOND)

    assert "guard-refused" not in alarms(ill)
    assert silence(ill) is None
    assert len(set(heights(world))) == 1


@pytest.mark.parametrize("kept", ["key", "head", "store"])
def test_f24_a_wiped_node_is_silent_for_the_open_height_and_then_votes(kept: str) -> None:
    """consensus F24, D10: only its key is left, or the guard alone is lost."""
    world = make_world(4)
    pay(world, count=8, every=500)
    lost = world.nodes[2]
    stop(lost)
    if kept == "store":
        lost.put_file("guard.bin", None)
    else:
        lose(lost, head=kept == "key")
    before = max(heights(world))
    start(world, lost)
    world.run(world.now + 5 * SECOND)
    pay(world, count=5, every=SECOND)

    closed = before + 1
    assert len(set(heights(world))) == 1
    assert closed not in signed_heights(world, lost)
    assert guard_slots(lost, world)[0] == (closed, Step.END)
    assert max(signed_heights(world, lost)) > closed
    assert alarms(lost) == ["join-barrier", "join-barrier-passed"]
    assert silence(lost) is None


def test_d16_a_guard_ahead_of_its_store_keeps_the_node_silent_up_to_its_height() -> None:
    """consensus D10, D16, reliability Y20: what it signed above its store, it may have lost."""
    world = make_world(4)
    pay(world, count=5)
    short = world.nodes[2]
    stop(short)
    guard = open_guard(
        short.root / "guard.bin", short.key, world.genesis.digest, short.sign, short.disk
    )
    guard.sign(Position(9, 0, Step.PREPARE), b"a vote")
    guard.close()
    start(world, short)
    pay(world, count=12, every=5 * SECOND)  # three of four make a certificate: it is not in each

    assert len(set(heights(world))) == 1
    assert signed_heights(world, short) & {6, 7, 8, 9} == set()
    assert max(signed_heights(world, short)) > 9


def test_f25_an_old_disk_image_never_signs_at_or_below_what_was_attested() -> None:
    """consensus F25, D10, D13, reliability X10: it knows less than the others, and so waits."""
    world = make_world(4)
    pay(world, count=5, every=500)
    old = world.nodes[2]
    stop(old)
    image = old.save_image()
    start(world, old)
    pay(world, count=10, every=500)
    attested = max(signed_heights(world, old))
    stop(old)
    old.restore_image(image)
    start(world, old)
    world.run(world.now + 5 * SECOND)
    pay(world, count=4, every=SECOND)

    slots = guard_slots(old, world)
    closed = max(height for height, step in slots if step is Step.END)
    assert closed > attested
    assert next(one for one in slots if one[0] > 5) == (closed, Step.END)
    assert max(signed_heights(world, old)) > closed
    assert len(set(heights(world))) == 1


def test_f25_an_image_of_just_before_the_vote_does_not_vote_again() -> None:
    """consensus F25, D10: no height tells that it is old, so the others show what it said."""
    world = make_world(4)
    pay(world, count=3, every=500)
    old = world.nodes[2]
    stop(old)
    image = old.save_image()
    start(world, old)
    stop(world.nodes[3])
    world.run(world.now + 3 * SECOND)
    tip = max(heights(world))
    world.pay()
    while guard_slots(old, world)[-1][0] <= tip:
        world.run(world.now + 1)
    world.run(world.now + 4)
    stop(old)
    assert heights(world) == [tip, tip]
    old.restore_image(image)
    before = guard_slots(old, world)
    start(world, old)
    world.run(world.now + 5 * SECOND)

    assert guard_slots(old, world) == [*before, (tip + 1, Step.END)]
    assert silence(old) is Silence.BARRIER
    start(world, world.nodes[3])
    pay(world, count=4, every=2 * SECOND)
    assert max(signed_heights(world, old)) > tip + 1
    assert len(set(heights(world))) == 1


def test_d10_a_crash_before_the_gate_is_no_way_round_the_barrier() -> None:
    """consensus D10, ADR 0045: the old image fetches the chain, and stops before q - 1 spoke."""
    world = make_world(4)
    pay(world, count=3, every=500)
    old = world.nodes[2]
    stop(old)
    image = old.save_image()
    start(world, old)
    pay(world, count=6, every=500)
    stop(old)
    old.restore_image(image)
    world.partition(((old, world.nodes[0]), (world.nodes[0], world.nodes[1], world.nodes[3])))
    start(world, old)
    world.run(world.now + 10 * SECOND)
    tip = runtime_of(old).store.tip.height
    assert silence(old) is Silence.START
    assert tip == max(heights(world)) == 9
    stop(old)

    world.partition(())
    start(world, old)
    world.run(world.now + 100)

    assert "join-barrier" in alarms(old)
    pay(world, count=2, every=2 * SECOND)
    assert tip + 1 not in signed_heights(world, old)
    assert not ChainStore(MemoryStore(old.pairs)).joins


def test_d11_an_idle_chain_releases_a_node_from_the_barrier_once_in_ten_minutes() -> None:
    """consensus D11: an empty block in seconds, not at the next heartbeat after 300 s."""
    world = make_world(4, heartbeat_s=3600)
    pay(world, count=2)
    lost = world.nodes[2]
    idle = max(heights(world))
    took = []
    for _ in range(2):
        stop(lost)
        lose(lost)
        start(world, lost)
        began = world.now
        while silence(lost) is not None:
            world.run(world.now + SECOND)
            assert world.now < began + 30 * MINUTE
        took.append(world.now - began)

    assert max(heights(world)) == idle + 2, "no more blocks than asked for"
    assert took[0] <= 10 * SECOND
    assert 9 * MINUTE < took[1] <= 11 * MINUTE


def test_d12_two_of_four_in_the_barrier_wait_for_an_approval() -> None:
    """consensus D12, besu #8307: nobody decides any more; a board opens the height for one."""
    world = make_world(4)
    pay(world, count=5)
    one, two = lost = world.nodes[1:3]
    height = max(heights(world)) + 1
    for node in lost:
        stop(node)
    for node in lost:
        lose(node)
    for node in lost:
        start(world, node)
    world.run(world.now + 10 * SECOND)
    pay(world, every=5 * MINUTE)
    assert [silence(node) for node in lost] == [Silence.BARRIER] * 2
    assert max(heights(world)) == height - 1

    stop(one)
    binding = Binding(one.key, world.genesis.digest, one.instance)
    open_by_approval(one.root / "guard.bin", binding, height, one.disk)
    start(world, one)
    world.run(world.now + MINUTE)
    pay(world, count=3, every=5 * SECOND)

    assert max(heights(world)) >= height + 3
    assert height in signed_heights(world, one)
    assert height not in signed_heights(world, two)
    assert [silence(node) for node in lost] == [None, None]


def test_two_of_seven_in_the_barrier_at_once_pass_by_themselves() -> None:
    """consensus D10: n - q of them are no more than may be away."""
    world = make_world(7)
    pay(world, count=4)
    lost = world.nodes[2:4]
    for node in lost:
        stop(node)
    for node in lost:
        lose(node)
        start(world, node)
    world.run(world.now + 20 * SECOND)
    pay(world, count=3, every=2 * SECOND)

    assert [silence(node) for node in lost] == [None, None]
    assert len(set(heights(world))) == 1


def test_an_approved_node_hears_its_own_lost_words_without_alarm() -> None:
    """consensus D12, D14: the others hold what the lost disk signed at this height."""
    world = make_world(4)
    pay(world, count=3)
    one, two = world.nodes[1:3]
    world.pay()
    while not all(OPEN + b"accepted" in node.pairs for node in world.nodes):
        world.run(world.now + 1)
    height = runtime_of(one).store.tip.height + 1
    for node in (one, two):
        stop(node)
        lose(node)
    for node in (one, two):
        start(world, node)
    world.run(world.now + 10 * SECOND)
    assert max(heights(world)) == height - 1
    stop(one)
    binding = Binding(one.key, world.genesis.digest, one.instance)
    open_by_approval(one.root / "guard.bin", binding, height, one.disk)
    world.checks.forgive(one.name, height)
    start(world, one)
    world.run(world.now + 2 * MINUTE)
    pay(world, count=2, every=5 * SECOND)

    assert "key-in-use-elsewhere" not in alarms(one)
    assert min(heights(world)) > height


def test_f29_a_disk_that_fails_ends_the_process_before_anything_is_sent() -> None:
    """consensus F29, D5, reliability Y24: nothing leaves of a height whose slot failed."""
    world = make_world(4)
    pay(world, count=3)
    ill = world.nodes[2]
    sent: list[int] = []
    check = world.checks.on_sent

    def spy(node: SimNode, message: Record) -> None:
        if node is ill and isinstance(message, SIGNED):
            sent.append(message.record.height)
        check(node, message)

    world.checks.on_sent = spy  # type: ignore[method-assign]
    life = ill.life
    ill.failing = 1.0
    world.pay()
    while ill.life == life:
        world.run(world.now + 1)
    assert "a failed write ended a process" in world.seen
    assert max(sent, default=0) <= 3
    ill.failing = 0.0
    world.run(world.now + 20 * SECOND)
    pay(world, count=3, every=5 * SECOND)

    assert len(set(heights(world))) == 1
    assert max(signed_heights(world, ill)) > 4


def test_f42_s5_a_node_with_another_state_halts_with_a_dump_and_the_others_go_on() -> None:
    """consensus F42, S5: it withholds its vote; a certificate shows that it is the one in error."""
    world = make_world(4)
    pay(world, count=2)
    ill = world.nodes[3]
    stop(ill)
    payer, payee = people()[:2]
    key = STATE + BALANCES.key("delfshaven:EUR", "2", federation.account(payer))
    assert key in ill.pairs
    ill.pairs[key] = encode(9_999)
    start(world, ill)
    world.run(world.now + 5 * SECOND)
    height = max(heights(world)) + 1

    world.submit(world.nodes[0], world.make_payment(payer, payee, 1))
    with pytest.raises(RootMismatch) as halted:
        world.run(world.now + 20 * SECOND)
    stop(ill)
    pay(world, count=2, every=5 * SECOND)

    assert runtime_of(world.nodes[0]).store.tip.height > height
    assert height not in signed_heights(world, ill)
    dump = msgspec.json.decode(halted.value.dump)
    header = runtime_of(world.nodes[0]).store.header(height)
    assert header is not None
    assert dump["height"] == halted.value.height == height
    assert dump["expected"]["state_root"] == header.state_root.hex()
    assert dump["own"]["state_root"] != dump["expected"]["state_root"]
    assert dump["own"]["log_root"] == dump["expected"]["log_root"]
    assert {"key": key[1:].hex(), "value": encode(9_998).hex()} in dump["changes"]
    assert len(dump["envelopes"]) == len(dump["outcomes"]) == 1
