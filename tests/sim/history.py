"""What happens in one history: faults with safety checked, then healing with progress (J26)."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from chain.codec import decode
from node.chainstore import TIP, Tip
from tests.sim.changes import VERSION, Rotation, Upgrade, give_new_program
from tests.sim.faults import HOUR_MS, Swarm
from tests.sim.world import SimNode, World, approve, node_start

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHANGE_MS = 20_000  # so much longer is a history in which people decide something
HEAL_MS = 120_000  # I9: within this much virtual time after healing every node has caught up
KINDS = ("halves", "halves", "ring", "bridge", "one")


def play(seed: int, **options: Any) -> World:
    """Play one history to its end; an assertion fails where an invariant does."""
    world = World(seed, **options)
    script, faults = world.script, world.faults
    for node in world.nodes:
        node.skew_ms = script.randrange(-faults.skew_ms, faults.skew_ms + 1)
        world.at(script.randrange(0, 200), None, f"first start {node.name}", node_start(node))
    length = script.randrange(10_000, 40_000)
    if faults.rotates_ms is not None or faults.upgrades_ms is not None:
        length += CHANGE_MS
    for _ in range(faults.payments):
        world.at(script.randrange(500, length), None, "pay", world.pay)
    for _ in range(faults.crashes):
        node = script.choice(world.nodes)
        world.at(script.randrange(500, length), None, f"kill {node.name}", _kill(world, node))
    for _ in range(faults.partitions):
        start = script.randrange(500, length)
        world.at(start, None, "partition", _partition(world))
        world.at(start + script.randrange(500, 15_000), None, "heal", lambda: world.partition(()))
    if faults.wipe:
        node = script.choice(world.nodes)
        world.at(script.randrange(2_000, length), None, f"wipe {node.name}", _lose(world, node, {}))
    if faults.power_cut:
        world.at(script.randrange(2_000, length), None, "power cut", _power_cut(world))
    _script_network(world, length)
    _script_clocks(world, length)
    _script_disks(world, length)
    _script_changes(world)
    world.run(length)
    heal(world)
    return world


def heal(world: World) -> None:
    """Stop all faults; every honest node must reach one new height in bounded time (I9, J25)."""
    world.healed = True
    world.faults.calm()
    world.weather.heal()
    for node in world.nodes:
        node.failing = 0.0
        node.paused_until = 0
        node.set_rate((1, 1))
        node.skew_ms = world.now - node.mono_ms()  # also what a fast or slow clock has added up
        if node.runtime is not None:
            node.runtime.saves_space = False
        if node.rotten and node.runtime is not None:
            node.crash()  # a start proves the whole store, and finds what rotted unread (Y21)
        if world.faults.upgrades_ms is not None and VERSION not in node.chain.versions:
            if node.runtime is not None:
                node.crash()
            give_new_program(node)
        world.later(1, None, "start", node_start(node))
    world.partition(())
    world.later(500, None, "connect", world.connect)
    goal = world.checks.height + 1
    until = world.now + HEAL_MS
    for step in range(5):
        world.later(1_000 + step * 1_000, None, "pay", world.pay)
    while world.now < until and not world.checks.is_settled(goal):
        world.run(world.now + 1_000)
        approve(world)
    assert world.checks.is_settled(goal), world.checks.explain(goal)
    world.checks.at_end()


# ----------------------------------------------------------------------------- what is scripted


def _script_network(world: World, length: int) -> None:
    """Clogs, cuts in one direction, and twins that turn to other peers."""
    script, faults, weather = world.script, world.faults, world.weather
    links = [(a.name, b.name) for a in world.nodes for b in world.nodes if a.key != b.key]
    if not links:
        return
    for _ in range(faults.clogs):
        clogged = script.sample(links, script.randrange(1, 1 + len(links)))
        start, lasts = script.randrange(length), script.randrange(1, 5_000)
        world.at(start, None, "clog", partial(weather.clog, clogged, start + lasts))
    for _ in range(faults.swizzles):  # clog one by one, release in another order
        clogged = script.sample(links, script.randrange(1, 1 + len(links)))
        start, step = script.randrange(length), script.randrange(10, 400)
        for number, link in enumerate(clogged):
            at = start + number * step
            world.at(at, None, "swizzle", partial(weather.clog, [link], at + 60_000))
        script.shuffle(clogged)
        for number, link in enumerate(clogged):
            at = start + (len(clogged) + number) * step
            world.at(at, None, "unswizzle", partial(weather.unclog, link))
    for _ in range(faults.one_ways):
        names = script.sample(world.nodes, script.randrange(1, len(world.nodes)))
        deaf = {node.name for node in names}
        lost = [link for link in links if link[1] in deaf and link[0] not in deaf]
        start, lasts = script.randrange(length), script.randrange(500, 10_000)
        world.at(start, None, "one way", partial(weather.cut, lost, start + lasts))
    for _ in range(faults.pauses):
        node = script.choice(world.nodes)
        lasts = script.randrange(100, 8_000)
        world.at(script.randrange(length), None, f"pause {node.name}", _pause(world, node, lasts))
    for twin in [node for node in world.nodes if node.is_twin]:
        for _ in range(script.randrange(6)):
            peer = script.choice(world.nodes)
            world.at(script.randrange(length), None, "turn", _turn(world, peer, twin.key))


def _script_clocks(world: World, length: int) -> None:
    script, faults = world.script, world.faults
    for node in world.nodes:
        node.skew_ms += faults.wild_skews.get(node.place, 0)
        node.set_rate(faults.rates.get(node.place, (1, 1)))
    victims = [node for node in world.nodes if node.place in faults.parts]
    for _ in range(faults.clock_steps):
        node, to = script.choice(victims), script.randrange(-2 * HOUR_MS, 2 * HOUR_MS)
        world.at(script.randrange(length), None, f"clock {node.name}", _step(node, to))


def _script_disks(world: World, length: int) -> None:
    """F23 to F25, F29: each on a victim, so that the others hold what it loses (J6)."""
    script = world.script
    for place, kinds in sorted(world.faults.disk_faults.items()):
        node = world.nodes[place]
        for kind in kinds:
            when, what = script.randrange(1_000, length), f"{kind} {node.name}"
            match kind:
                case "fails":
                    share = script.choice((0.1, 0.5, 1.0))
                    world.at(when, None, what, partial(setattr, node, "failing", share))
                    later = when + script.randrange(500, 8_000)
                    world.at(later, None, "mended", partial(setattr, node, "failing", 0.0))
                case "rots":
                    world.at(when, None, what, _rot(world, node))
                case "wiped":
                    world.at(when, None, what, _lose(world, node, {}))
                case "old copy":
                    copy: dict[bytes, bytes] = {}
                    before = script.randrange(when)
                    world.at(before, None, "copy", _copy(node, copy))
                    world.at(when, None, what, _lose(world, node, copy))
                case "head lost" | "guard rots":
                    world.at(when, None, what, _flip(world, node, kind))
                case _:
                    world.at(when, None, what, _fill(node))


def _rotate(world: World) -> None:
    Rotation(world)


def _script_changes(world: World) -> None:
    """V1 to V8 while all else goes wrong: another node for one, and an upgrade at a height."""
    faults = world.faults
    if faults.rotates_ms is not None:
        world.at(faults.rotates_ms, None, "rotation", partial(_rotate, world))
    if faults.upgrades_ms is not None:
        late = Random(f"{world.seed}/late").choice(world.nodes)
        Upgrade(world, late, faults.upgrades_ms)


def _turn(world: World, peer: SimNode, key: bytes) -> Callable[[], None]:
    def turn() -> None:
        world.turn(peer, key)
        world.relink()

    return turn


def _pause(world: World, node: SimNode, lasts: int) -> Callable[[], None]:
    """Stop a process as SIGSTOP does: what comes for it waits until it goes on."""

    def pause() -> None:
        if node.runtime is not None:
            node.paused_until = world.now + lasts

    return pause


def _step(node: SimNode, to: int) -> Callable[[], None]:
    def step() -> None:
        if not node.world.healed:
            node.skew_ms = to

    return step


def _rot(world: World, node: SimNode) -> Callable[[], None]:
    """Damage one pair in two hundred of a store, found when it is read (F23, D16)."""

    def rot() -> None:
        share = len(node.pairs) // 200 + 1
        node.rotten = frozenset(world.script.sample(sorted(node.pairs), share))

    return rot


def _copy(node: SimNode, copy: dict[bytes, bytes]) -> Callable[[], None]:
    def take() -> None:
        copy.update(node.pairs)

    return take


def _flip(world: World, node: SimNode, kind: str) -> Callable[[], None]:
    """Flip one bit of the guard or of the head file while the node is down (F23, Y26)."""

    def flip() -> None:
        _kill(world, node)()
        if node.runtime is None:
            is_guard = kind == "guard rots"
            node.guard_rotten |= is_guard
            node.head_rotten |= not is_guard
            node.disk.flip(node.root / ("guard.bin" if is_guard else "head.bin"), world.script)

    return flip


def _fill(node: SimNode) -> Callable[[], None]:
    """Let the disk be nearly full: the node proposes nothing and votes on (Y28)."""

    def fill() -> None:
        if node.runtime is not None and not node.world.healed:
            node.runtime.saves_space = True
            node.world.seen.add("a disk was nearly full")

    return fill


def _kill(world: World, node: SimNode) -> Callable[[], None]:
    def kill() -> None:
        if node.runtime is not None:
            node.crash()
            world.later(world.script.randrange(50, 8_000), None, "restart", node_start(node))

    return kill


def _lose(world: World, node: SimNode, copy: dict[bytes, bytes]) -> Callable[[], None]:
    """Lose the store of a node for good, or find an old copy of it in its place (F24, F25).

    A copy can be newer than what a node has that lost its store meanwhile. A node refuses one that
    its head file does not reach (`HeadVerdict.FOREIGN`), and begins anew.
    """

    def lose() -> None:
        if node.runtime is not None:
            node.crash()
            if copy and _height(copy) <= _height(node.pairs):
                node.take_back(copy)
                world.seen.add("an old copy of a store was put back")
            else:
                node.wipe()
            world.later(world.script.randrange(50, 8_000), None, "restart", node_start(node))

    return lose


def _height(pairs: Mapping[bytes, bytes]) -> int:
    raw = pairs.get(TIP)
    return 0 if raw is None else decode(Tip, raw).height


def _power_cut(world: World) -> Callable[[], None]:
    def cut() -> None:
        for node in world.nodes:
            _kill(world, node)()

    return cut


def _partition(world: World) -> Callable[[], None]:
    """Halves; or, where links have faults of their own, also a ring, one alone, or a bridge."""

    def cut() -> None:
        nodes = list(world.nodes)
        world.script.shuffle(nodes)
        where = world.script.randrange(1, len(nodes)) if len(nodes) > 1 else 1
        kind = world.script.choice(KINDS) if isinstance(world.faults, Swarm) else "halves"
        groups: list[Sequence[SimNode]]
        match kind:
            case "ring":
                groups = [(node, nodes[at - 1]) for at, node in enumerate(nodes)]
            case "bridge":
                groups = [nodes[: where + 1], nodes[where:]]
            case "one":
                groups = [nodes[:1], nodes[1:]]
            case _:
                groups = [nodes[:where], nodes[where:]]
        world.partition(groups)

    return cut
