"""Anything well signed, in any order: no message ends a replica, fills it, or makes it sign twice.

One replica stands among validators of which f lie, or all: beyond f liars nothing is promised about
the chain, yet what they say must still be harmless to the process that hears it.
"""

from __future__ import annotations

import os
from collections.abc import Sized
from random import Random

import pytest
from msgspec import structs

from chain.validators import faulty
from consensus import events as ev
from consensus.events import OpenRecords, Timer, Timing
from consensus.open_height import SIGNED_MAX
from consensus.votes import COMMIT_ROUNDS_MAX, PREPARE_ROUNDS_MAX
from tests.consensus.desk import Desk
from tests.consensus.hostile import STRANGER, Hostile
from tests.consensus.made import key, letter, make_block, make_commit_certificate, parent_of

EVENTS = int(os.environ.get("WIJK_CONSENSUS_EVENTS", "8000"))
SEEDS = 16
TIMING = Timing(round_ms=500, round_ms_max=2_000, heartbeat_ms=4_000)


class Victim(Desk):
    """A desk where answers of the runtime come late, and blocks are valid or not by their id."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"hostile/{seed}")
        n = self.chance.choice((1, 2, 3, 4, 4, 5, 7))
        own = self.chance.choice(["ABCDEFGHIJ"[self.chance.randrange(n)]] * 5 + [None, "J"])
        super().__init__(own, n=n, timing=TIMING)
        names = [one for one in self.letters if one != own]
        if self.chance.random() < 0.5:
            names = self.chance.sample(names, min(len(names), faulty(n)))
        elif self.chance.random() < 0.1:
            names = list(self.letters)  # the own key is in use elsewhere (D14)
        self.honest = [one for one in self.letters if one not in names and one != own]
        self.world = Hostile(self.chance, self.letters, names or [STRANGER])
        self.answers: list[ev.Event] = []
        self.seen: set[str] = set()
        self.halted = False

    def _perform(self, effect: ev.Effect) -> ev.Event | None:
        self.seen.add(type(effect).__name__)
        answer = super()._perform(effect)
        if isinstance(effect, ev.SignAndSend):
            assert not isinstance(answer, ev.SigningRefused), f"D2: {answer}"
        if isinstance(effect, ev.Send) and not hasattr(effect.message, "wall_ms"):
            self.seen.add(type(effect.message).__name__)
        if isinstance(effect, ev.Halt):
            self.halted = True
        if isinstance(effect, ev.Fetch) and answer is None:
            known = [one for one in self.world.blocks if one.block_id == effect.block_id]
            answer = ev.BlockAvailable(known[0], *self.now) if known else None
        if isinstance(effect, ev.Execute):
            bad = effect.block_id[0] < 40
            answer = ev.Executed(effect.block_id, "roots differ" if bad else None, *self.now)
        if isinstance(effect, ev.Propose) and self.own is not None:
            fresh = make_block(
                f"fresh {self.chance.random()}",
                key(self.own),
                self.height,
                parent_id=self.context.parent_id,
                time_ms=max(self.now[1], self.context.parent_time_ms + 1),
            )
            self.world.blocks.append(fresh)
            answer = ev.Proposed(effect.height, effect.round, fresh, *self.now)
        late = isinstance(effect, ev.Propose | ev.Fetch | ev.Execute)
        if answer is not None and late and self.chance.random() < 0.3:
            self.answers.append(answer)
            return None
        return answer

    def act(self) -> None:
        """Let one thing happen."""
        chance = self.chance
        status = self.replica.status()
        self.world.look(self.context, status.round, self.now[1])
        peer = STRANGER if chance.random() < 0.05 else chance.choice(self.letters)
        dice = chance.random()
        if dice < 0.65 and peer != self.own:  # a node has no link to itself
            self.hear(peer, self.world.say())
        elif dice < 0.77 and self.honest:
            self._cooperate()
        elif dice < 0.79:
            self.wait(chance.choice((1, 400, 3_000)))
        elif dice < 0.83 and self.answers:
            at = chance.randrange(len(self.answers))
            self.tell(structs.replace(self.answers.pop(at), mono_ms=self.mono_ms))
        elif dice < 0.86:
            self.tell(ev.LinkUp(key(peer), *self.now))
        elif dice < 0.88:
            self.tell(ev.LinkDown(key(peer), *self.now))
        elif dice < 0.90:
            self.tell(ev.WorkPending(chance.random() < 0.7, *self.now))
        elif dice < 0.91:
            self.tell(ev.Complaint(self.height, status.round, *self.now))
        elif dice < 0.92:
            self.tell(ev.TimerFired(chance.choice(list(Timer)), *self.now))
        elif dice < 0.93:
            if chance.random() < 0.2:
                self._certify()
        elif dice < 0.935:
            self._restart()
        elif dice < 0.98:
            self.in_touch()
        self._go_on()

    def _cooperate(self) -> None:
        """Let an honest validator say what fits where the victim stands."""
        status, one = self.replica.status(), self.chance.choice(self.honest)
        block = None
        for known in self.world.blocks:
            if known.block_id == status.accepted:
                block = known
        if block is None:
            (change,) = self.changes(one, max(1, status.round))
            self.world.overheard.append(change)
            self.hear(one, change)
        elif one in map(letter, status.prepared_by):
            self.hear(one, *self.commits(one, status.round, block))
        else:
            self.hear(one, *self.prepares(one, status.round, block))

    def _certify(self) -> None:
        """Sync learns a certificate, of this height or of one far above."""
        height = self.height + self.chance.choice((0, 0, 1, 40))
        block = self.chance.choice(self.world.blocks) if self.world.blocks else self.block("x")
        self.tell(
            ev.CertificateKnown(
                make_commit_certificate(
                    self.letters, self.letters, height, self.chance.randrange(3), block.block_id
                ),
                *self.now,
            )
        )

    def _restart(self) -> None:
        if self.chance.random() < 0.05:
            self.records = OpenRecords()  # lost
        self.answers.clear()
        self.start(joins=self.chance.random() < 0.05)

    def _go_on(self) -> None:
        """Open the next height once a block is applied; begin anew where a fork was shown."""
        if self.halted:
            self.halted, self.applied = False, None
            self.slots, self.records = [], OpenRecords()
            self.answers.clear()
            self.height += 3
            self.context = structs.replace(
                self.context, height=self.height, parent_id=parent_of(self.height), tip=None
            )
            self.start()
        elif self.applied is not None:
            self.answers.clear()
            self.new_height(work=self.chance.random() < 0.5)
            self.applied = None

    def check(self) -> None:
        """B9, I8, D2: what is kept is bounded, and positions only rise."""
        n, at, peers = len(self.letters), self.replica._open, self.replica._peers
        kept: list[tuple[Sized, int]] = [
            (at.marks, n),
            (at.candidates, n),
            (at.changes._highest, n),
            (at.changes._proofs, n),
            (at.prepares._votes, n),
            (at.commits._votes, n),
            (at.blocks, n + 6),  # of candidates, and accepted, prepared, decided, own, carried, new
            (at.own, 4),
            (at.signed, SIGNED_MAX),
            (self.replica._early._kept, 2 * (2 * n + n)),
            (peers._heard_ms, n),
            (peers._statuses, n + 1),
            (peers._unlinked_ms, n + 1),
            *((rounds, PREPARE_ROUNDS_MAX) for rounds in at.prepares._votes.values()),
            *((rounds, COMMIT_ROUNDS_MAX) for rounds in at.commits._votes.values()),
        ]
        assert all(len(held) <= most for held, most in kept), [(len(h), m) for h, m in kept]
        positions = [slot.position for slot in self.slots]
        assert positions == sorted(set(positions))


def play(seed: int, events: int) -> set[str]:
    """Let that much happen to one victim; return which effects and messages there were."""
    victim = Victim(seed)
    victim.start(work=True)
    for step in range(events):
        victim.act()
        if step % 50 == 0:
            victim.check()
    return victim.seen


@pytest.mark.timeout(120 + EVENTS // 100)
def test_no_message_ends_fills_or_splits_a_replica() -> None:
    """consensus B7 to B9, D2, P25, F34, F35; reliability J36."""
    seen: set[str] = set()
    for seed in range(SEEDS):
        try:
            seen |= play(seed, EVENTS // SEEDS)
        except AssertionError as error:
            raise AssertionError(f"play({seed}): {error}") from error

    assert seen >= {"Persist", "SignAndSend", "Propose", "Execute", "Apply", "Alarm", "Ignore"}
    assert seen >= {"SignedProposal", "SignedPrepare", "SignedCommit", "ProvenRoundChange"}
