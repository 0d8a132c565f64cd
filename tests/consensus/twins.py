"""Generated Twins scenarios: two unmodified machines share a key (consensus H4, F27, J33).

Four validators on five machines: A and its twin, B, C and D. In each phase of a scenario somebody
leads and the machines are split into groups; then all is joined. The twins follow the rules, each
by itself, and together they equivocate, forget and vote on both sides: no attack is written here.

    python -m tests.consensus.twins 3             every scenario of 3 phases, two groups in each
    python -m tests.consensus.twins 8 --random 10000    random ones, of any number of groups
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import permutations, product
from random import Random
from typing import NamedTuple

from chain.validators import CommitCertificate
from consensus import events as ev
from consensus import schedule
from consensus.events import Timing
from consensus.messages import CompactBlock, Message, SignedMessage
from consensus.replica import Replica
from consensus.timers import round_timeout_ms
from tests.consensus.culprits import find_culprits
from tests.consensus.desk import Desk
from tests.consensus.made import CHAIN, LETTERS, key, verify

MACHINES = ("A", "A'", "B", "C", "D")
HONEST = ("B", "C", "D")
LEADERS = "ABCD"
TIMING = Timing(round_ms=1_000, round_ms_max=8_000)
HEAL_MS = 120_000
HEIGHT = 8


class Phase(NamedTuple):
    """Who leads the round, and for each machine the number of its group."""

    leader: str
    groups: tuple[int, ...]


Scenario = tuple[Phase, ...]


class Machine(Desk):
    """A replica on one machine; what it sends goes to the others of its group."""

    def __init__(self, world: Twins, name: str) -> None:
        self.world = world
        self.name = name
        super().__init__(name[0], timing=TIMING, height=HEIGHT, early=False)

    def _make(self) -> Replica:
        assert self.own is not None
        leader = self.world.leader
        return Replica(CHAIN, key(self.own), verify, early=False, proposer=leader)

    def _perform(self, effect: ev.Effect) -> ev.Event | None:
        world = self.world
        match effect:
            case ev.Send():
                world.outbox.append((self, effect.to, effect.message))
            case ev.Propose():
                name = f"{self.name} {effect.height} {effect.round}"
                block = self.block(name, self.own, self.now[1])
                world.blocks[block.block_id] = block
                return ev.Proposed(effect.height, effect.round, block, *self.now)
            case ev.Fetch():
                found = effect.block or world.blocks.get(effect.block_id)
                return None if found is None else ev.BlockAvailable(found, *self.now)
            case ev.Apply() if effect.certificate.height == HEIGHT:
                world.on_decided(self.name, effect.certificate)
            case ev.Halt():
                raise AssertionError(f"I1: {self.name} halts: {effect.reason}")
            case _:
                pass
        return super()._perform(effect)

    def _sign(self, effect: ev.SignAndSend) -> ev.Event:
        answer = super()._sign(effect)
        assert isinstance(answer, ev.Received), f"D2: the guard of {self.name} refuses"
        self.world.said.setdefault(self.name, []).append(answer.message)  # type: ignore[arg-type]
        self.world.outbox.append((self, None, answer.message))
        return answer


class Twins:
    """One scenario. `play` ends where all honest machines decided the same."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.groups: Sequence[int] = (0,) * len(MACHINES)
        self.outbox: deque[tuple[Machine, tuple[bytes, ...] | None, Message]] = deque()
        self.blocks: dict[bytes, CompactBlock] = {}
        self.said: dict[str, list[SignedMessage]] = {}
        self.decided: dict[str, CommitCertificate] = {}
        self.machines = [Machine(self, name) for name in MACHINES]

    def leader(self, order: Sequence[bytes], round_: int) -> bytes:
        """L8: who leads in the scenario, and after it whoever the rules say."""
        if round_ < len(self.scenario):
            return key(self.scenario[round_].leader)
        return schedule.proposer(order, round_)

    def play(self) -> Twins:
        """Play all phases, then join everybody and demand a decision (I1, I6, I9)."""
        self.groups = self.scenario[0].groups
        for machine in self.machines:
            machine.watch(work=True)
        self._drain()
        for number, phase in enumerate(self.scenario):
            self.groups = phase.groups
            self._let_pass(round_timeout_ms(number, TIMING))
        self.groups = (0,) * len(MACHINES)
        until = self.machines[0].mono_ms + HEAL_MS
        while not self._is_done() and self.machines[0].mono_ms < until:
            self._let_pass(1_000)
        assert self._is_done(), f"I9: {sorted(self.decided)} decided, of {self.scenario}"
        guilty = find_culprits(
            [message for name in HONEST for message in self.said.get(name, ())],
            {block_id: block.header for block_id, block in self.blocks.items()},
        )
        assert not guilty, f"I6: {sorted(guilty.values())} in {self.scenario}"
        return self

    def on_decided(self, name: str, certificate: CommitCertificate) -> None:
        """I1, twins included: they keep the rules too."""
        self.decided[name] = certificate
        ids = {one.block_id for one in self.decided.values()}
        assert len(ids) == 1, f"I1: a fork in {self.scenario}"

    def _is_done(self) -> bool:
        return all(name in self.decided for name in HONEST)

    def _let_pass(self, ms: int) -> None:
        """Let alarms go off one by one, and what they cause arrive at once."""
        until = self.machines[0].mono_ms + ms
        while True:
            alarms = [
                (at, place, timer)
                for place, machine in enumerate(self.machines)
                for timer, at in machine.timers.items()
            ]
            if not alarms or min(alarms)[0] > until:
                break
            at, place, timer = min(alarms)
            for machine in self.machines:
                machine.mono_ms = max(machine.mono_ms, at)
            self.machines[place].fire(timer)
            self._drain()
        for machine in self.machines:
            machine.mono_ms = until

    def _drain(self) -> None:
        while self.outbox or any(machine.applied for machine in self.machines):
            for machine in self.machines:
                if machine.applied is not None:
                    machine.new_height()
                    machine.applied = None
            if not self.outbox:
                continue
            sender, to, message = self.outbox.popleft()
            group = self.groups[MACHINES.index(sender.name)]
            for machine, theirs in zip(self.machines, self.groups, strict=True):
                assert sender.own is not None
                assert machine.own is not None
                is_meant = to is None or key(machine.own) in to
                if machine.own != sender.own and theirs == group and is_meant:
                    machine.hear(sender.own, message)


# --------------------------------------------------------------------------- making scenarios


def make_halves() -> list[tuple[int, ...]]:
    """Return every way to split the machines into one group or two."""
    return [(0, *rest) for rest in product((0, 1), repeat=len(MACHINES) - 1)]


def make_groups() -> list[tuple[int, ...]]:
    """Return every way to split the machines into any number of groups."""
    splits: list[tuple[int, ...]] = [(0,)]
    for _ in MACHINES[1:]:
        splits = [(*split, group) for split in splits for group in range(max(split) + 2)]
    return splits


def number_groups(groups: Sequence[int]) -> tuple[int, ...]:
    """Return the same split with its groups numbered in order of appearance."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(group, len(numbers)) for group in groups)


def is_first_of_its_kind(scenario: Scenario) -> bool:
    """Say whether no scenario that differs by names alone stands before this one.

    B, C and D are alike, and so are the two machines of A.
    """
    return all(_rename(scenario, renaming) >= scenario for renaming in _RENAMINGS)


_RENAMINGS = [(*twins, *rest) for twins in ((0, 1), (1, 0)) for rest in permutations((2, 3, 4))]


def _rename(scenario: Scenario, renaming: Sequence[int]) -> Scenario:
    leaders = {letter: MACHINES[renaming[MACHINES.index(letter)]][0] for letter in LETTERS[:4]}
    return tuple(
        Phase(leaders[phase.leader], number_groups([phase.groups[place] for place in renaming]))
        for phase in scenario
    )


def make_all(phases: int) -> Iterator[Scenario]:
    """Yield every scenario of so many phases, one of each kind."""
    choices = [Phase(*choice) for choice in product(LEADERS, make_halves())]
    for scenario in product(choices, repeat=phases):
        if is_first_of_its_kind(scenario):
            yield scenario


def make_random(chance: Random, phases: int) -> Scenario:
    """Return a scenario of up to so many phases and any groups."""
    splits = make_groups()
    count = chance.randrange(1, phases + 1)
    return tuple(Phase(chance.choice(LEADERS), chance.choice(splits)) for _ in range(count))


def main() -> int:
    """Play scenarios; 0 if each kept its promises."""
    parser = argparse.ArgumentParser(prog="python -m tests.consensus.twins")
    parser.add_argument("phases", type=int)
    parser.add_argument("--random", type=int, default=0, help="so many random ones instead")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = Random(f"twins/{arguments.seed}")
    scenarios = (
        (make_random(chance, arguments.phases) for _ in range(arguments.random))
        if arguments.random
        else make_all(arguments.phases)
    )
    started, done = time.monotonic(), 0
    for scenario in scenarios:
        Twins(scenario).play()
        done += 1
        if done % 1_000 == 0:
            print(f"{done} scenarios, {done / (time.monotonic() - started):.0f}/s", flush=True)
    print(f"{done} scenarios of up to {arguments.phases} phases: no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
