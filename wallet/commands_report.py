"""`wijk report`: the figures of a wijk (interfaces 1.6, economy S2)."""

import click

from wallet.terminal import Terminal


@click.group(help="Cijfers van een wijk // Figures of a wijk")
def report() -> None:
    """Figures that follow from payments."""


@report.command(help="Sluit een maand af // Close a month")
@click.argument("month", metavar="JJJJ-MM")
@click.option("--wijk", metavar="W", help="welke wijk; anders die van u // which; else your own")
@click.option("--key", "key", metavar="NAME", help="met welke sleutel // with which key")
@click.pass_obj
def close(terminal: Terminal, month: str, wijk: str | None, key: str | None) -> None:
    """`stats.close_period`: anybody may, ten days after the end of the month."""
    from chain.dates import is_date
    from chain.texts import Problem
    from contracts.stats import ClosePeriod
    from wallet.finish import finish
    from wallet.order import find_account, send_call
    from wallet.people import own_key

    digits = month.replace("-", "")
    plain = digits.isascii() and digits.isdecimal() and month == f"{digits[:4]}-{digits[4:]}"
    if not plain or not is_date(int(digits) * 100 + 1):
        raise Problem(1001, cause=f"{month}: JJJJ-MM")
    key_file = own_key(terminal, key)
    account = find_account(terminal, [key_file])
    place = wijk or str(account["wijk"])
    said = (
        f"De cijfers van {place} over {month} worden vastgezet; later kan alleen een herziening.",
        f"The figures of {place} for {month} will be frozen; later they can only be restated.",
    )
    call = ClosePeriod(place, int(digits))
    names = (key_file.name,)
    result = send_call(terminal, call, names, f"close-{place}-{month}", said, account=account)
    done = terminal.text(f"Afgesloten: {place} {month}", f"Closed: {place} {month}")
    finish(
        terminal,
        result,
        {"wijk": place, "month": int(digits)},
        [done],
        f"wijk tx show {result.tx['tx']}",
    )
