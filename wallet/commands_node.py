"""`wijk status`: how the chain is doing, seen from one node (interfaces 1.6, block B of 1.8)."""

import time
from typing import Any

import click

from wallet.terminal import Terminal

WATCH_S = 1.0
EXIT_UNHEALTHY = 9


@click.command(help="Hoe het met de keten gaat // How the chain is doing")
@click.option("--watch", is_flag=True, help="blijf kijken, tot Ctrl-C // keep watching")
@click.option("--exit-code", is_flag=True, help="eindig met 9 als er iets is // end with 9")
@click.pass_obj
def status(terminal: Terminal, watch: bool, exit_code: bool) -> None:
    """Show height, validators and cause of what is wrong."""
    from wallet.reviews import warn_of_reviews

    found = terminal.client.status()
    terminal.show(found, _lines(terminal, found))
    while watch:
        time.sleep(WATCH_S)
        found = terminal.client.status()
        terminal.show(found, _lines(terminal, found)[:1])
    warn_of_reviews(terminal)
    if exit_code and found["health"] != "ok":
        cause = found["cause"] or {"code": "WIJK-4001", "params": {}}
        number = int(cause["code"].removeprefix("WIJK-"))
        terminal.fail(number, cause["params"], exit_code=EXIT_UNHEALTHY)


def _lines(terminal: Terminal, found: dict[str, Any]) -> list[str]:
    from chain.status_text import agreement_lines, missing_lines
    from chain.validators import faulty

    validators = found["validators"]
    online, total, health = validators["online"], validators["total"], found["health"]
    lines = [
        terminal.text(
            f"{found['chain_id']}: blok {found['height']}, {online} van {total} nodes, {health}",
            f"{found['chain_id']}: block {found['height']}, {online} of {total} nodes, {health}",
        )
    ]
    lines += missing_lines(validators["missing"], terminal.lang)
    lines += agreement_lines(found["consensus"], terminal.lang)
    can_lose = validators["can_lose"]
    lines.append(
        terminal.text(
            f"  {validators['quorum']} nodes zijn genoeg; "
            f"er {'mag' if can_lose == 1 else 'mogen'} er {can_lose} uitvallen",
            f"  {validators['quorum']} nodes are enough; {can_lose} may fail",
        )
    )
    if faulty(total) == 0:  # consensus Q5
        lines.append(
            terminal.text(
                "  geen fouttolerantie: met minder dan vier nodes mag er geen liegen",
                "  no fault tolerance: with fewer than four nodes none may lie",
            )
        )
    finality = found["finality_ms"] or {}
    p50, p99 = finality.get("p50"), finality.get("p99")
    if p50 is not None:
        lines.append(
            terminal.text(
                f"  zeker na {p50} ms; 99 van de 100 keer binnen {p99} ms",
                f"  final after {p50} ms; 99 times in 100 within {p99} ms",
            )
        )
    if found["supply_cents"] is not None:
        supply, reserve = (
            terminal.money(found["supply_cents"]),
            terminal.money(found["reserve_cents"]),
        )
        lines.append(
            terminal.text(
                f"  in omloop {supply}, op de bank {reserve} ({found['peg']})",
                f"  in circulation {supply}, at the bank {reserve} ({found['peg']})",
            )
        )
    cause = found["cause"]
    if cause is not None:
        lines.append(f"  {cause['code']}: {cause['detail']}")
    return lines
