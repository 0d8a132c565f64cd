"""How a command that sent an order ends: the TX object, or what happened in words (1.4, 1.8)."""

from collections.abc import Iterable, Mapping
from typing import Any

from wallet.send import Result
from wallet.terminal import Terminal


def finish(
    terminal: Terminal,
    result: Result,
    extra: Mapping[str, Any],
    done: Iterable[str],
    next_command: str = "",
) -> None:
    """Print TX with `extra`; `done` is said only of what is final. Ends with the exit code of it.

    A rejected or expired order prints nothing on stdout; nothing was sent or nothing moved.
    """
    tx = result.tx
    status = tx["status"]
    if status in ("rejected", "expired"):
        assert result.failure is not None
        terminal.fail(*result.failure[:2], tx=tx["tx"])
    terminal.show(
        {**tx, **extra},
        list(done) if status == "final" else [_said(terminal, tx)],
        style="bold green" if status == "final" else "bold yellow",
    )
    if result.failure is not None:
        number, params, exit_code = result.failure
        unmoved = status in ("draft", "failed")
        terminal.fail(number, params, exit_code=exit_code, nothing_sent=unmoved, tx=tx["tx"])
    if status == "accepted":
        terminal.next_step(f"wijk tx wait {tx['tx']}")
    elif next_command:
        terminal.next_step(next_command)


def _said(terminal: Terminal, tx: Mapping[str, Any]) -> str:
    name = tx["tx"]
    if tx["status"] == "accepted":
        return terminal.text(f"Aangenomen, nog niet zeker: {name}", f"Accepted, not final: {name}")
    if tx["status"] == "failed":
        return terminal.text(f"Geweigerd in een blok: {name}", f"Refused in a block: {name}")
    if tx["status"] == "draft":
        return terminal.text(
            f"Concept geschreven; laat ook een ander tekenen: wijk tx sign {tx['draft']}",
            f"Draft written; have another person sign: wijk tx sign {tx['draft']}",
        )
    return terminal.text(
        f"Verstuurd, uitkomst ONBEKEND. Betaal niet nog eens; vraag na: wijk tx wait {name}",
        f"Sent, outcome UNKNOWN. Do not pay again; ask: wijk tx wait {name}",
    )
