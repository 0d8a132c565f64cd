"""The clock of the wallet, and times as people type and read them (interfaces 0)."""

import re
import time
from datetime import UTC, datetime

from chain.errors import Malformed
from chain.texts import Problem

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def now_s() -> int:
    """Return the time in Unix seconds."""
    return int(time.time())


def now_text() -> str:
    """Return the time as RFC 3339 UTC with milliseconds."""
    return time_text(int(time.time() * 1000))


def time_text(time_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 UTC."""
    seconds, rest = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def read_time_s(text: str) -> int:
    """Return the Unix seconds of an RFC 3339 time of a node, or raise `Malformed`."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise Malformed("a time of a node that is none") from error


def check_date(text: str) -> str:
    """Return a date `2026-01-31` that exists, or raise `Problem` 1001."""
    try:
        if _DATE.fullmatch(text) is not None:
            datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return text
    except ValueError:
        pass  # the day does not exist
    raise Problem(1001, cause="date")


def short_time(text: str) -> str:
    """Return an RFC 3339 time as people read it: `2026-11-23 10:00:00`."""
    return text[:19].replace("T", " ")
