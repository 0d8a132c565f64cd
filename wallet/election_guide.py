"""What comes next in an election, for the person who asks (economy E32): one command a phase."""

from typing import TYPE_CHECKING, Any

from chain.genesis import parse_time_ms
from wallet.times import now_s

if TYPE_CHECKING:
    from wallet.terminal import Terminal

_COMMANDS = {
    "roll": "keys {id}",
    "keys": "open {id}",
    "tallying": "share {id}",
    "decrypting": "result {id}",
    "objection": "verify {id}",
    "certified": "handover {id}",
}


def say_next(terminal: "Terminal", item: dict[str, Any]) -> None:
    """Say which command is due in the phase of an election as `election show` has it."""
    command = _find_command(item)
    if item["phase"] == "objection" and item["kind"] == "board":
        terminal.next_step(f"wijk board accept {item['id']} --seat-key KEY --key KEY")
    elif command is not None:
        terminal.next_step(f"wijk election {command.format(id=item['id'])}")


def _find_command(item: dict[str, Any]) -> str | None:
    phase, calendar = item["phase"], item["calendar"]
    if phase in ("called", "nominating"):
        standing = item["kind"] == "board" and not _is_over(calendar["nominations_close"])
        return "nominate {id} --pledges FILE" if standing else "roll {id} --credentials FILE"
    if phase == "open":
        return "tally {id}" if _is_over(calendar["closes"]) else "cast {id} 1"
    return _COMMANDS.get(phase)


def _is_over(time: str) -> bool:
    return bool(now_s() * 1000 >= parse_time_ms(time))
