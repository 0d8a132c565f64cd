"""The Timers port over the event loop: consensus T3."""

import asyncio

import pytest

from node.ports import Timers
from node.timers import LoopTimers

pytestmark = pytest.mark.asyncio


class Alarms:
    """Notes what rings, and when."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, int]] = []
        self.any = asyncio.Event()
        self.timers: Timers = LoopTimers(self.ring)

    def ring(self, name: str) -> None:
        self.rung.append((name, self.timers.mono_ms()))
        self.any.set()


async def test_alarms_ring_once_in_order_and_never_early() -> None:
    alarms = Alarms()
    now = alarms.timers.mono_ms()
    alarms.timers.set("second", now + 30)
    alarms.timers.set("first", now + 10)
    while len(alarms.rung) < 2:
        alarms.any.clear()
        await alarms.any.wait()
    await asyncio.sleep(0.01)

    assert [name for name, _ in alarms.rung] == ["first", "second"]
    assert [at - now >= wait for (_, at), wait in zip(alarms.rung, (10, 30), strict=True)] == [
        True,
        True,
    ]


async def test_a_second_set_replaces_and_cancel_forgets() -> None:
    alarms = Alarms()
    now = alarms.timers.mono_ms()
    alarms.timers.set("moved", now + 1)
    alarms.timers.set("moved", now + 20)
    alarms.timers.set("cancelled", now + 1)
    alarms.timers.cancel("cancelled")
    alarms.timers.cancel("never set")
    await alarms.any.wait()

    assert [name for name, _ in alarms.rung] == ["moved"]
    assert alarms.rung[0][1] >= now + 20


async def test_an_alarm_in_the_past_rings_in_the_next_turn_not_inside_set() -> None:
    alarms = Alarms()
    alarms.timers.set("late", 0)
    assert alarms.rung == []
    await alarms.any.wait()
    assert len(alarms.rung) == 1


async def test_an_alarm_may_set_itself_again() -> None:
    alarms = Alarms()

    def again(name: str) -> None:
        alarms.ring(name)
        if len(alarms.rung) < 3:
            timers.set(name, timers.mono_ms())

    timers = LoopTimers(again)
    timers.set("tick", 0)
    while len(alarms.rung) < 3:
        alarms.any.clear()
        await alarms.any.wait()
    assert [name for name, _ in alarms.rung] == ["tick"] * 3


async def test_the_wall_clock_is_in_ms_since_1970() -> None:
    assert 1_600_000_000_000 < Alarms().timers.wall_ms() < 10_000_000_000_000
