"""Logs on stderr: text on a terminal, else one JSON object a line (interfaces 6.4).

A line is an event with a stable dotted name and what belongs to it; the code that logs passes the
name as the message, or, with a sentence for people, as `event`. Never a key, memo or IBAN.
"""

import logging
import sys

import msgspec

from chain.dates import DAY_S
from node.views import time_text

_FIELDS = ("height", "round", "peer", "tx", "code", "ms", "alert", "why")


def set_up_logging(level: str, form: str) -> None:
    """Send all that is logged to stderr; `form` is text, json or auto, as in `node.toml`."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines())
    own, others = logging.getLogger("wijk"), logging.getLogger()
    own.handlers[:] = [handler]
    own.setLevel(level.upper())
    own.propagate = False
    others.handlers[:] = [handler]  # asyncio and aiohttp, in the same form
    others.setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """One JSON object a line: ts, level, event, msg, and what the event carries."""

    def format(self, record: logging.LogRecord) -> str:
        event, msg = _event_of(record)
        line: dict[str, object] = {
            "ts": time_text(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "event": event,
            "msg": msg,
        }
        for name in _FIELDS:
            if name in record.__dict__:
                line[name] = record.__dict__[name]
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class TextLines(logging.Formatter):
    """The same for people: time of day, level, event and sentence."""

    def format(self, record: logging.LogRecord) -> str:
        event, msg = _event_of(record)
        clock = time_text(int(record.created % DAY_S * 1000))[11:19]
        text = f"{clock} {record.levelname} {event}" + (f": {msg}" if msg != event else "")
        if record.exc_info is not None and record.exc_info[1] is not None:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _event_of(record: logging.LogRecord) -> tuple[str, str]:
    """Return the name of the event and its sentence; the name again where there is none."""
    message = record.getMessage()
    if not record.name.startswith("wijk"):  # a library: its name is the event
        return record.name, message
    event = record.__dict__.get("event")
    if event is not None:
        return str(event), message
    return message, str(record.__dict__.get("why", message))
