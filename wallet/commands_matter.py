"""`wijk board endorse`: the vote of a board on what concerns the whole federation (economy E36)."""

from typing import TYPE_CHECKING, Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.shared import FedMatter

_EXIT_REFUSED = 6  # interfaces 1.4: included, and refused by the contract


@click.command(help="Stem als bestuur over een zaak van allen // Vote as board on what is common")
@click.argument("matter_id", metavar="ID")
@click.option("--against", is_flag=True, help="stem tegen // vote against")
@keys_option
@click.pass_obj
def endorse(terminal: Terminal, matter_id: str, names: tuple[str, ...], *, against: bool) -> None:
    """`wijk.fed_endorse`: two thirds of the boards carry it out, once."""
    from contracts.wijk import FedEndorse
    from wallet.amounts import parse_id
    from wallet.commands_shared import say_call
    from wallet.finish import finish
    from wallet.order import TABLE, send_call

    name = parse_id(matter_id)
    before = _read(terminal, matter_id)
    does = "" if not before.call else say_call(terminal, TABLE.decode(before.call))
    stand = _stand(terminal, before)
    if against:
        said = f"TEGEN stemmen. {stand}\n{does}", f"Vote AGAINST. {stand}\n{does}"
    else:
        said = f"VOOR stemmen. {stand}\n{does}", f"Vote FOR. {stand}\n{does}"
    result = send_call(terminal, FedEndorse(name, int(not against)), names, "endorse", said)
    record = _read(terminal, matter_id) if result.tx["status"] == "final" else before
    done = [terminal.text(*_WORDS[record.status]), _stand(terminal, record)]
    finish(terminal, result, _tree(terminal, matter_id, record), done)
    if record.status == "REFUSED":
        terminal.fail(record.code, {}, exit_code=_EXIT_REFUSED, tx=result.tx["tx"])


_WORDS = {
    "OPEN": ("gestemd; er is nog niets besloten", "voted; nothing is decided yet"),
    "EXECUTED": ("aangenomen en uitgevoerd", "passed and carried out"),
    "REJECTED": ("verworpen", "rejected"),
    "REFUSED": ("aangenomen, maar het kan niet; er is niets gebeurd",
                "passed, but it cannot be; nothing happened"),
}  # fmt: skip


def _read(terminal: Terminal, matter_id: str) -> "FedMatter":
    """Return a matter, proven from state: no board votes on what a node made up."""
    from chain.shared import FedMatter
    from chain.texts import Problem
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    policy = trusted_policy(terminal)
    found = find_value(terminal.client.state_proof, f"fed/{matter_id}", FedMatter, policy)
    if found is None:
        raise Problem(3007, what=matter_id)
    return found


def _stand(terminal: Terminal, record: "FedMatter") -> str:
    """Return which wijken voted how, and how many are needed."""
    yes, no = ", ".join(record.yes) or "-", ", ".join(record.no) or "-"
    need = _need(terminal)
    return terminal.text(
        f"Voor: {yes}; tegen: {no}; nodig: {need}.", f"For: {yes}; against: {no}; needed: {need}."
    )


def _need(terminal: Terminal) -> int:
    from chain.validators import quorum

    return quorum(len(terminal.client.wijken()))


def _tree(terminal: Terminal, matter_id: str, record: "FedMatter") -> dict[str, Any]:
    from chain.call_json import call_bytes_to_json
    from chain.texts import code_text
    from wallet.order import TABLE
    from wallet.times import time_text

    return {
        "matter": matter_id,
        "state": record.status.lower(),
        "refused_code": code_text(record.code) if record.code else None,
        "call": call_bytes_to_json(TABLE, record.call) if record.call else None,
        "in_favour": list(record.yes),
        "against": list(record.no),
        "need": _need(terminal),
        "expires_at": time_text(record.expires * 1000),
    }
