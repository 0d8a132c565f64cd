"""The production side of the Timers port: clocks of the system, alarms of the event loop."""

import asyncio
import time
from collections.abc import Callable

_NS_PER_MS = 1_000_000
_MS_PER_S = 1_000


class LoopTimers:
    """Named alarms on the running event loop (consensus T3: only the monotonic clock moves them).

    `fire(name)` is called on the loop's thread, never early, and never from inside `set`. What it
    raises goes to the loop's exception handler, which must end the process (consensus C7).
    """

    def __init__(self, fire: Callable[[str], None]) -> None:
        self._fire = fire
        self._loop = asyncio.get_running_loop()
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._closed = False

    def mono_ms(self) -> int:
        """Return the monotonic clock in ms."""
        return time.monotonic_ns() // _NS_PER_MS

    def wall_ms(self) -> int:
        """Return the wall clock in ms since 1970 UTC."""
        return time.time_ns() // _NS_PER_MS

    def set(self, name: str, at_mono_ms: int) -> None:
        """Ask for `fire(name)` at `at_mono_ms`; a second `set` of the same name replaces the first.

        An alarm in the past fires in the next turn of the loop.
        """
        self.cancel(name)
        if self._closed:
            return
        wait_ms = max(0, at_mono_ms - self.mono_ms())
        self._alarms[name] = self._loop.call_later(
            wait_ms / _MS_PER_S, self._ring, name, at_mono_ms
        )

    def cancel(self, name: str) -> None:
        """Forget the alarm `name`, if there is one."""
        alarm = self._alarms.pop(name, None)
        if alarm is not None:
            alarm.cancel()

    def close(self) -> None:
        """Let nothing ring any more: the loop may go on with another node on the same home."""
        self._closed = True
        for name in list(self._alarms):
            self.cancel(name)

    def _ring(self, name: str, at_mono_ms: int) -> None:
        if self.mono_ms() < at_mono_ms:  # loops round to their own clock
            self.set(name, at_mono_ms)
            return
        del self._alarms[name]
        self._fire(name)
