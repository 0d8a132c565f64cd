"""Rebuild what power cuts leave of a busy node, start the real recovery on it, and judge (H7, F30).

Of each state must hold, with nobody there to help:

- the node starts; only where a sector is torn in itself it may refuse instead, and says why;
- each payment that was called final before the cut is there, where it was;
- the guard holds each signature that was handed out, and goes on above it (I4, D2);
- it signs on: one more payment becomes final.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from consensus.guard import GuardDamaged, Position, Slot, Step, read_guard
from node.disk import StorageError
from node.home import Home
from tests.node.power_cut import JOURNALLED, STRICT, Crash, FastDisk, Op, crashes
from tests.powercut import busy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

PROFILES = (JOURNALLED, STRICT)
FAST = FastDisk()
FRESH = 1_000_000  # number of the payment after the cut


class Row(NamedTuple):
    """What came of the states of one recording."""

    kind: str
    profile: str
    calls: int
    found: int
    tried: int
    promised: int
    ahead: int
    refused: Counter[str]
    wrong: tuple[str, ...]
    seconds: float


class Broken(AssertionError):
    """A promise that was made before the cut does not hold after it."""


def find_states(ops: Sequence[Op], profile: str) -> Iterator[Crash]:
    """Yield the states after the beginning, slots of 512 bytes torn as well."""
    found = crashes(list(ops), profile, every_byte=False, slots_torn=True)
    return (crash for crash in found if crash.marks >= 1)


def try_states(
    kind: str,
    profile: str,
    ops: Sequence[Op],
    count: int,
    seed: int,
    folder: Path,
    on_state: Callable[[], None],
) -> Row:
    """Try `count` of the states, drawn evenly; all of them where there are no more."""
    began = time.monotonic()
    found = sum(1 for _ in find_states(ops, profile))
    drawn = set(random.Random(f"{seed} {kind} {profile}").sample(range(found), min(count, found)))
    promises = [op.names[0] for op in ops if op.kind == "mark"]
    refused: Counter[str] = Counter()
    wrong: list[str] = []
    promised = ahead = 0
    for number, crash in enumerate(find_states(ops, profile)):
        if number not in drawn:
            continue
        kept = promises[: crash.marks]
        try:
            with busy.compact_often():  # what is left may be about to be rewritten
                is_ahead = try_state(crash, kept, folder)
        except Broken as error:
            wrong.append(f"{kind}, {profile}, state {number}, {crash.story}: {error}")
        except (StorageError, GuardDamaged) as error:
            why = str(error).replace(str(folder), "")
            refused[why] += 1
            if crash.whole_sectors:  # no disk does worse: a start without peers is owed (Y22, F30)
                wrong.append(f"{kind}, {profile}, state {number}, {crash.story}: refused: {why}")
        else:
            promised += sum(one.startswith("final/") for one in kept)
            ahead += is_ahead
        on_state()
    tried, seconds = len(drawn), time.monotonic() - began
    told = tuple(wrong)
    return Row(kind, profile, len(ops), found, tried, promised, ahead, refused, told, seconds)


def try_state(crash: Crash, promises: Sequence[str], folder: Path) -> bool:
    """Start on what is left; say whether a block was there that nobody had been told of.

    Raise `Broken` where a promise is, and whatever a start refuses with.
    """
    home = rebuild(crash, folder)
    try:
        node = busy.start(home, FAST)
    except (StorageError, GuardDamaged) as error:
        _expect(bool(str(error)), "a start was refused without a reason")
        raise
    try:
        slots = _check_guard(home, promises)
        height = _check_payments(node, promises)
        is_ahead = node.opened.store.tip.height > height
        _expect(node.runtime.replica.status().silence is None, "it signs nothing")
        paid = node.pay(FRESH)
        _expect(node.opened.store.place(paid) is not None, "the next payment is gone")
        _expect(_extends(_slots(home), slots), "the guard went back")
        told = [alarm.text for _, alarm in node.runtime.alarms]
        _expect(not told, f"alarms: {told}")
    except AssertionError as error:
        raise Broken(str(error)) from error
    finally:
        node.end()
    return is_ahead


def rebuild(crash: Crash, folder: Path) -> Home:
    """Put what is left into `folder`, as the home of a node."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "store").mkdir(parents=True)
    for name, data in crash.files.items():
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o600)
    return Home(folder)


def _check_guard(home: Home, promises: Sequence[str]) -> tuple[Slot, ...]:
    """Each signature that was handed out is in the guard, or below its base (D6)."""
    slots = _slots(home)
    held = {slot.position: sha256(slot.signed).hexdigest() for slot in slots}
    base = slots[0].position.height if slots else 0
    for promise in promises:
        kind, *words = promise.split("/")
        if kind == "signed":
            height, round_, step = (int(word) for word in words[:3])
            at = Position(height, round_, Step(step))
            _expect(height < base or held.get(at) == words[3], f"{at} is not in the guard")
    return slots


def _check_payments(node: busy.Running, promises: Sequence[str]) -> int:
    """Each payment that was final is there; return the height of the last."""
    height = 0
    for promise in promises:
        kind, _, text = promise.partition("/")
        if kind == "final":
            place = node.opened.store.place(bytes.fromhex(text))
            _expect(place is not None, f"the payment {text} was final and is lost")
            assert place is not None
            _expect(place.height > height, "two payments changed places")
            height = place.height
    return height


def _slots(home: Home) -> tuple[Slot, ...]:
    return read_guard(home.guard.read_bytes(), busy.KEY, busy.LEDGER.genesis.digest).slots


def _extends(after: Sequence[Slot], before: Sequence[Slot]) -> bool:
    """Say whether a guard went on from another; a rewrite drops heights below its base (D6)."""
    kept = [slot for slot in before if slot.position.height >= after[0].position.height]
    return list(after[: len(kept)]) == kept and len(after) > len(kept)


def _expect(holds: bool, why: str) -> None:
    if not holds:
        raise Broken(why)
