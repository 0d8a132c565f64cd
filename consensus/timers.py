"""How long to wait, and which clocks to believe: pure functions in integer milliseconds.

A deadline is a function of (h, r) and the moment the round's clock started, on the monotonic clock
(consensus T2, T3, ADR 0040). The wall clock judges fresh proposals alone (T10, T11).
"""

from collections.abc import Iterable

from consensus.events import Timing

RESEND_MS = 2_000  # T6, T7
IN_TOUCH_MS = 6_000  # T5: three statuses may be lost before a validator counts as gone
SUSPICION_MS = 1_000  # L7
CLOCK_SLACK_MS = 2_000  # T10
DELAY_MS = 10_000  # T10: how late a fresh proposal of round 0 may come
DELAY_MS_MAX = 86_400_000  # T10
SKEW_MS_MAX = 1_000  # T13
RELEASE_MS = 600_000  # D11: a validator in the join barrier asks for one block in this time


def round_timeout_ms(round_: int, timing: Timing) -> int:
    """Return T(r): T_0 grown by half a round, at most T_max (T1)."""
    timeout = min(timing.round_ms_max, timing.round_ms)
    for _ in range(round_):
        if timeout >= timing.round_ms_max:
            break
        timeout = min(timing.round_ms_max, timeout * 3 // 2)
    return timeout


def delay_ms(round_: int) -> int:
    """Return how old the time of a fresh block may be in this round (T10)."""
    delay = DELAY_MS
    for _ in range(round_):
        if delay >= DELAY_MS_MAX:
            break
        delay = min(DELAY_MS_MAX, delay * 11 // 10)
    return delay


def is_timely(time_ms: int, wall_ms: int, round_: int) -> bool:
    """Say whether a fresh block of `time_ms`, first received at `wall_ms`, is timely (T10)."""
    return time_ms - CLOCK_SLACK_MS <= wall_ms <= time_ms + delay_ms(round_) + CLOCK_SLACK_MS


def median(values: Iterable[int]) -> int:
    """Return the lower median of at least one value (T13)."""
    ordered = sorted(values)
    assert ordered, "there is no median of nothing"
    return ordered[(len(ordered) - 1) // 2]
