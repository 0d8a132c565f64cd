"""How a command that runs a network ends: by Ctrl-C, SIGTERM or a closed terminal, cleaned up."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

HOUR_S = 3_600


@contextlib.contextmanager
def until_stopped(clean_up: Callable[[], object]) -> Iterator[None]:
    """Clean up at the end, whatever the end is (interfaces 1.2: Ctrl-C leaves nothing half done).

    SIGTERM and a closed terminal count as Ctrl-C. A second one does not stop the cleaning.
    """
    stopping = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _endings()}
    try:
        yield
    finally:
        stopping = True
        try:
            clean_up()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def wait_for_ctrl_c() -> None:
    """Wait inside `until_stopped` for what ends a command, and take it: that end is no error."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(HOUR_S)


def _endings() -> set[signal.Signals]:
    """Return what ends a command; under `nohup` a closed terminal does not."""
    endings = {signal.SIGINT, signal.SIGTERM}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        endings.add(signal.SIGHUP)
    return endings
