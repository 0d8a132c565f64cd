"""Log lines: their fields, one object a line, in both forms (interfaces 6.4)."""

import json
import logging

import pytest

from node.logs import JsonLines, TextLines, set_up_logging


def make(name: str, message: str, *args: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "", 0, message, args, None)
    record.__dict__.update(extra)
    record.created = 1_767_225_600.5
    return record


def test_a_line_has_time_level_event_sentence_and_what_belongs_to_it() -> None:
    named = make("wijk.links", "linked to %s", "noord", event="link.up", peer="noord")
    dotted = make("wijk.node", "node.halted", why="roots differ", height=7)
    library = make("asyncio", "took too long", height=7)

    assert [json.loads(JsonLines().format(record)) for record in (named, dotted, library)] == [
        {
            "ts": "2026-01-01T00:00:00.500Z", "level": "warning", "event": "link.up",
            "msg": "linked to noord", "peer": "noord",
        },
        {
            "ts": "2026-01-01T00:00:00.500Z", "level": "warning", "event": "node.halted",
            "msg": "roots differ", "height": 7, "why": "roots differ",
        },
        {
            "ts": "2026-01-01T00:00:00.500Z", "level": "warning", "event": "asyncio",
            "msg": "took too long", "height": 7,
        },
    ]  # fmt: skip
    assert TextLines().format(named) == "00:00:00 WARNING link.up: linked to noord"
    assert TextLines().format(dotted) == "00:00:00 WARNING node.halted: roots differ"


def test_a_trace_stays_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    wijk, others = logging.getLogger("wijk"), logging.getLogger()
    before = wijk.handlers[:], others.handlers[:], wijk.level, others.level, wijk.propagate
    try:
        set_up_logging("info", "auto")
        try:
            raise ValueError("line one\nline two")
        except ValueError:
            logging.getLogger("wijk.http").exception("api.error", extra={"why": "ab12"})
        logging.getLogger("asyncio").warning("slow")
        logging.getLogger("asyncio").info("not told")
    finally:
        wijk.handlers[:], others.handlers[:] = before[:2]
        wijk.setLevel(before[2])
        others.setLevel(before[3])
        wijk.propagate = before[4]

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["api.error", "asyncio"]
    assert "line two" in lines[0]["trace"]
