"""SIGKILL at random moments, as often as asked (reliability U5, U10; consensus F20, F21, F30)."""

import random
import time
from collections.abc import Callable

from tests.drills.ground import Ground

PAUSE_S = 1.2  # at most between two kills
STARTING_S = 1.5  # a process that starts is killed within this
BREATHER = 10  # after so many kills payments have to go on before the next
QUIET_S = 4.0  # how long a node is held or cut off in a round of `perturb`


def kill_one(ground: Ground) -> None:
    """F20, F21, U5: each node in its turn, whatever it was doing; the other three go on."""
    for name in ground.names:
        ground.kill_at_once([name])
        ground.wait_block()
        ground.wait_paid()
        ground.start(name)
        ground.wait_signing(name)  # until then it counts as away (D10)
    ground.tell(f"SIGKILL and restart of each of {len(ground.names)} nodes in turn")


def die_at(ground: Ground, where: str) -> None:
    """Let a node die at a chosen point of its signing while nobody can do without its vote."""
    needed, spare = ground.names[0], ground.names[-1]
    guarded = []
    for count in (1, 2, 3, 4):
        if ground.network.is_running(ground.network.node(spare)):
            ground.kill_at_once([spare])  # first: so that nothing is decided without the other
        ground.stop([needed])
        ground.network.extra = {needed: [where, str(count)]}
        ground.network.spawn(needed)
        entry = ground.network.node(needed)
        ground.wait(lambda: not ground.network.is_running(entry), f"{needed} to die")  # noqa: B023
        last = ground.slots(needed)[-1]
        ground.network.extra = {}
        ground.start(needed)
        ground.wait_block()
        ground.wait_paid()
        same = [slot for slot in ground.slots(needed) if slot.position == last.position]
        assert same == [last], f"{needed} signed twice at {last.position}"
        guarded.append(f"{last.position.step.name.lower()} of {last.position.height}")
    ground.start(spare)
    ground.wait_level(spare)
    for name in ground.names:
        for alarm in ("key-in-use-elsewhere", "guard-refused"):
            assert alarm not in ground.log(name), f"{name} tells of {alarm}"
    ground.tell(
        f"{needed} died at {', '.join(guarded)}, with {spare} dead: each time its vote came"
    )


def die_after_guard(ground: Ground) -> None:
    """F20: killed between the sync of the guard and the send; the same bytes go out again."""
    die_at(ground, "--die-after-slot")


def die_after_send(ground: Ground) -> None:
    """F21: killed between the send and any later write; nothing contradicts what left."""
    die_at(ground, "--die-after-send")


def kill_all_after_final(ground: Ground) -> None:
    """F30: all at once, right after a client saw `final`; the block is there at the restart."""
    for _ in range(3):
        seen = len(ground.load.acked)
        ground.wait(lambda: len(ground.load.acked) > seen, "a payment")  # noqa: B023
        ground.kill_at_once(ground.names)
        ground.start()
        ground.wait_block()
        ground.wait_paid()
    ground.tell("3 times SIGKILL of all nodes right after `final`, and a restart of all")


def storm(kills: int, told: Callable[[str], None]) -> Callable[[Ground], None]:
    """Return the drill of U5: so many SIGKILLs at random moments, of one, two or all nodes."""

    def act(ground: Ground) -> None:
        seed = random.SystemRandom().randrange(2**32)
        draw = random.Random(seed)
        done, told_at, early, crowds = 0, 0, 0, 0
        while done < kills:
            time.sleep(draw.uniform(0, PAUSE_S))
            count = draw.choices((1, 2, len(ground.names)), (80, 12, 8))[0]
            victims = draw.sample(ground.names, min(count, kills - done))
            ground.kill_at_once(victims)
            done += len(victims)
            crowds += len(victims) > 1
            if draw.random() < 0.25 and done < kills:  # and again while it starts
                ground.network.spawn(victims[0])
                time.sleep(draw.uniform(0, STARTING_S))
                ground.kill_at_once(victims[:1])
                done += 1
                early += 1
            ground.start()
            if done // BREATHER > told_at:
                told_at = done // BREATHER
                ground.wait_paid(1)
                told(f"{done} kills, {len(ground.load.acked)} payments, height {ground.top()}")
        ground.wait_block()
        ground.wait_paid()
        ground.tell(
            f"{done} SIGKILLs at random moments (seed {seed}): {crowds} times several at once, "
            f"{early} while starting"
        )

    return act


def perturb(rounds: int, told: Callable[[str], None]) -> Callable[[Ground], None]:
    """Return the drill of U10: rounds of disconnect, kill, pause, restart and a bad path."""

    def act(ground: Ground) -> None:
        seed = random.SystemRandom().randrange(2**32)
        draw = random.Random(seed)
        kinds = (_disconnect, _kill, _pause, _restart, _bad_path)
        for number in range(rounds):
            name = draw.choice(ground.names)
            kinds[number % len(kinds)](ground, name)
            ground.wait_signing(name)  # until then it counts as away (D10)
            ground.wait_paid(1)
            if (number + 1) % (2 * len(kinds)) == 0:
                told(f"{number + 1} rounds, {len(ground.load.acked)} payments")
        ground.wait_block()
        ground.tell(f"{rounds} rounds of 5 kinds, each on a random node (seed {seed})")

    return act


def _disconnect(ground: Ground, name: str) -> None:
    rest = [other for other in ground.names if other != name]
    ground.network.set_groups([[name], rest])
    ground.wait_block(names=rest)
    ground.network.set_groups([])


def _kill(ground: Ground, name: str) -> None:
    ground.kill_at_once([name])
    ground.wait_block()
    ground.start(name)


def _pause(ground: Ground, name: str) -> None:
    with ground.paused(name):
        ground.wait_block(names=[other for other in ground.names if other != name])
        time.sleep(QUIET_S)


def _restart(ground: Ground, name: str) -> None:
    ground.stop([name])
    ground.start(name)


def _bad_path(ground: Ground, name: str) -> None:
    others = [other for other in ground.names if other != name]
    ground.proxies.silent = frozenset((other, name) for other in others)  # it hears nobody
    ground.wait_block(names=others)
    ground.proxies.silent = frozenset()
