"""`wijk board resign|recall|recuse|trip|reset`: seats and the breaker (economy E3, E41, E42)."""

from pathlib import Path
from typing import Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(help="Geef de eigen zetel op // Give up the own seat")
@click.option("--from-epoch", type=click.IntRange(min=0), default=0, help="vanaf // from")
@keys_option
@click.pass_obj
def resign(terminal: Terminal, from_epoch: int, names: tuple[str, ...]) -> None:
    """`board.resign`, signed by the key of that seat."""
    from contracts.board import Resign

    number = _own_seat(terminal, names)
    said = f"Zetel {number} opgeven.", f"Give up seat {number}."
    _send(terminal, Resign(number, from_epoch), names, "board-resign", said)


@click.command(help="Vraag de leden een zetel te ontslaan // Ask the members to recall a seat")
@click.argument("seats", metavar="SEAT...", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--ground", required=True, metavar="C", help="reden // reason")
@click.option("--body", type=_FILE, help="de tekst // the text")
@keys_option
@click.pass_obj
def recall(
    terminal: Terminal,
    seats: tuple[int, ...],
    ground: str,
    body: Path | None,
    names: tuple[str, ...],
) -> None:
    """`board.recall`: a tenth of the members has to second it; then a hearing and a secret vote."""
    from chain.crypto import sha256
    from contracts.board import Recall
    from wallet.files import read_named

    text = b"" if body is None else read_named(body, 1024 * 1024)
    ground = ground.upper()  # reasons are codes: A-Z, 0-9, - and _ (economy B12)
    call = Recall(tuple(sorted(set(seats))), ground, sha256(text))
    shown = ", ".join(map(str, call.seats))
    said = (
        f"De leden vragen om zetel {shown} te ontslaan ({ground}).",
        f"Ask the members to recall seat {shown} ({ground}).",
    )
    _send(terminal, call, names, "board-recall", said)


@click.command(help="Doe niet mee aan een besluit // Take no part in a decision")
@click.argument("object_id", metavar="ID")
@click.option("--seat", type=click.IntRange(min=1), help="welke zetel // which seat")
@keys_option
@click.pass_obj
def recuse(terminal: Terminal, object_id: str, seat: int | None, names: tuple[str, ...]) -> None:
    """`board.recuse`: by the seat itself, or by the board about one."""
    from contracts.board import Recuse
    from wallet.ballot_box import find_object

    number = _own_seat(terminal, names) if seat is None else seat
    said = (
        f"Zetel {number} doet niet mee aan {object_id}.",
        f"Seat {number} takes no part in {object_id}.",
    )
    call = Recuse(find_object(terminal, object_id), number)
    _send(terminal, call, names, "board-recuse", said)


@click.command(help="Zet een handeling even stil // Pause an action for a while")
@click.argument("call_name", metavar="CALL")
@click.option("--for", "how_long", default="72h", metavar="T", help="hoe lang // how long")
@click.option("--reason", required=True, metavar="C", help="reden // reason")
@keys_option
@click.pass_obj
def trip(
    terminal: Terminal, call_name: str, how_long: str, reason: str, names: tuple[str, ...]
) -> None:
    """`board.trip`: one call of the own wijk; it ends by itself."""
    from contracts.board import TripCall
    from wallet.amounts import parse_duration_ms

    _check_call(call_name)
    reason = reason.upper()
    seconds = parse_duration_ms(how_long) // 1000
    said = (
        f"{call_name} stilzetten voor {how_long} ({reason}); inwisselen en stemmen blijft kunnen.",
        f"Pause {call_name} for {how_long} ({reason}); redeeming and voting still work.",
    )
    _send(terminal, TripCall(call_name, reason, seconds), names, "board-trip", said)


@click.command(help="Geef een handeling weer vrij // Release an action again")
@click.argument("call_name", metavar="CALL")
@keys_option
@click.pass_obj
def reset(terminal: Terminal, call_name: str, names: tuple[str, ...]) -> None:
    """`board.reset`, by the board."""
    from contracts.board import Reset

    said = f"{call_name} weer vrijgeven.", f"Release {call_name} again."
    _send(terminal, Reset(call_name), names, "board-reset", said)


def _check_call(name: str) -> None:
    """Raise `Problem` 1001 for what is no call, with those that end like it."""
    from chain.texts import Problem
    from wallet.order import TABLE

    if name not in TABLE.names:
        near = sorted(one for one in TABLE.names if one.partition(".")[2] == name)
        raise Problem(1001, cause=f"CALL {name[:40]}: {', '.join(near) or 'coin.transfer'}")


def _own_seat(terminal: Terminal, names: tuple[str, ...]) -> int:
    """Return the number of the seat of the first key that was named."""
    from chain.texts import Problem
    from wallet.order import find_account, named_keys

    keys = named_keys(terminal, names)
    account = find_account(terminal, keys[:1])
    for seat in terminal.client.board(account["wijk"])["seats"]:
        if seat["public_key"] == keys[0].public_key:
            return int(seat["role"].rpartition("-")[2])
    raise Problem(2112, role="seat")


def _send(
    terminal: Terminal, call: Any, names: tuple[str, ...], draft: str, said: tuple[str, str]
) -> None:
    from wallet.finish import finish
    from wallet.order import send_call

    result = send_call(terminal, call, names, draft, said)
    finish(terminal, result, {}, [terminal.text(*said)])
