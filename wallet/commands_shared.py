"""Shared decisions: an order that waits on the chain until enough keys approved it (economy B6).

`wijk tx propose|proposals|proposal|approve|cancel`, and `--propose T` on commands of boards. No
file travels from hand to hand, and each key approves in its own time. ADR 0094.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.shared import Proposal

_FILE = click.Path(path_type=Path)
_KEY = "met deze sleutel // with this key"
_EXIT_REFUSED = 6  # interfaces 1.4: included, and refused by the contract
_STATES = ("open", "executed", "refused", "cancelled")
_FIELDS = ("proposal", "state", "type", "approved", "expires_at")

_key = click.option("--key", "name", metavar="KEY", help=_KEY)
later_option = click.option(
    "--propose",
    "later",
    metavar="T",
    help="laat anderen het goedkeuren, binnen T // let others approve it, within T",
)


@click.command(help="Leg de opdracht in FILE ter goedkeuring voor // Put a call up for approval")
@click.argument("file", type=_FILE)
@click.option("--for", "lasts", metavar="T", default="7d", help="hoe lang // how long")
@_key
@click.pass_obj
def propose(terminal: Terminal, file: Path, lasts: str, name: str | None) -> None:
    """`accounts.propose`: counts as the first approval."""
    from wallet.commands_tx import read_call
    from wallet.order import find_account, named_keys

    call = read_call(terminal, file, None)
    names = () if name is None else (name,)
    account = find_account(terminal, named_keys(terminal, names))
    said = say_call(terminal, call)
    send_or_propose(terminal, call, names, "propose", (said, said), account, lasts, {}, "")


@click.command(help="Wat op goedkeuring wacht // What waits for approval")
@click.argument("who", required=False)
@click.option("--state", type=click.Choice(_STATES), help="hoe het ermee staat // how it stands")
@_key
@click.pass_obj
def proposals(terminal: Terminal, who: str | None, state: str | None, name: str | None) -> None:
    """What `GET /v1/accounts/{a}/proposals` says of WHO, or of the account of the own key."""
    from chain.address import account_text
    from wallet.order import find_account
    from wallet.people import own_key, resolve_who
    from wallet.times import short_time

    if who is None:
        account = find_account(terminal, [own_key(terminal, name)])["account"]
    else:
        account = account_text(resolve_who(terminal, who).account)
    page = terminal.client.proposals(account, {"state": state})
    rows = [
        (
            item["proposal"],
            _word(terminal, item["state"]),
            item["type"] or "-",
            str(len(item["approved"])),
            short_time(item["expires_at"]),
        )
        for item in page["items"]
    ]
    head = terminal.text(
        "nummer,stand,opdracht,goedgekeurd,tot", "id,state,order,approved,until"
    ).split(",")
    terminal.show_page(page, head, rows, _FIELDS)


@click.command(help="Toon wat op goedkeuring wacht // Show what waits for approval")
@click.argument("proposal_id", metavar="ID")
@click.pass_obj
def proposal(terminal: Terminal, proposal_id: str) -> None:
    """A proposal, proven from state; the call of one that is closed stands in the log alone."""
    record = _read(terminal, proposal_id)
    lines = [_word(terminal, record.status.lower()), _count(terminal, record)]
    if record.call:
        lines.insert(0, _say_inner(terminal, record))
    terminal.show(_tree(terminal, proposal_id, record), lines)


@click.command(help="Keur goed wat iemand voorlegde // Approve what somebody put up")
@click.argument("proposal_id", metavar="ID")
@_key
@click.pass_obj
def approve(terminal: Terminal, proposal_id: str, name: str | None) -> None:
    """`accounts.approve`: the approval that reaches the number needed runs the order."""
    from contracts.accounts import Approve
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call

    names = () if name is None else (name,)
    before = _read(terminal, proposal_id)
    said = "" if not before.call else _say_inner(terminal, before)
    count = _count(terminal, before)
    account = find_account(terminal, named_keys(terminal, names))
    call = Approve(bytes.fromhex(proposal_id))
    nl, en = f"Goedkeuren ({count}):\n{said}", f"Approve ({count}):\n{said}"
    result = send_call(terminal, call, names, "approve", (nl, en), account=account)
    record = _read(terminal, proposal_id) if result.tx["status"] == "final" else before
    done = [_word(terminal, record.status.lower()), _count(terminal, record)]
    finish(terminal, result, _tree(terminal, proposal_id, record), done)
    if record.status == "REFUSED":
        terminal.fail(record.code, {}, exit_code=_EXIT_REFUSED, tx=result.tx["tx"])


@click.command(help="Trek in wat op goedkeuring wacht // Withdraw what waits for approval")
@click.argument("proposal_id", metavar="ID")
@click.option("--key", "names", metavar="KEY", multiple=True, help=_KEY)
@click.pass_obj
def cancel(terminal: Terminal, proposal_id: str, names: tuple[str, ...]) -> None:
    """`accounts.cancel`: by the key that proposed it, or by as many as the account needs."""
    from contracts.accounts import Cancel
    from wallet.finish import finish
    from wallet.order import send_call

    record = _read(terminal, proposal_id)
    inner = _say_inner(terminal, record) if record.call else ""
    said = f"Intrekken:\n{inner}", f"Withdraw:\n{inner}"
    result = send_call(terminal, Cancel(bytes.fromhex(proposal_id)), names, "cancel", said)
    done = terminal.text("Ingetrokken.", "Withdrawn.")
    after = _read(terminal, proposal_id) if result.tx["status"] == "final" else record
    finish(terminal, result, _tree(terminal, proposal_id, after), [done])


def send_or_propose(
    terminal: Terminal,
    call: Any,
    names: tuple[str, ...],
    draft: str,
    said: tuple[str, str],
    account: dict[str, Any],
    later: str | None,
    extra: dict[str, Any],
    done: str,
    next_: str = "",
) -> None:
    """Send an order, or with `later` put it up for approval by the other keys of its account."""
    from chain.codec import encode
    from contracts.accounts import Propose
    from wallet.amounts import parse_duration_ms
    from wallet.finish import finish
    from wallet.order import TABLE, approvals_needed, send_call
    from wallet.times import now_s, time_text

    if later is None:
        result = send_call(terminal, call, names, draft, said, account=account)
        finish(terminal, result, extra, [done], next_)
        return
    until = now_s() + parse_duration_ms(later) // 1000
    need = approvals_needed(terminal, account, TABLE.words(call))
    nl, en = said
    nl = f"Ter goedkeuring voorleggen aan {account['account']}, {later} lang:\n{nl}"
    en = f"Put up for approval by {account['account']}, for {later}:\n{en}"
    order = Propose(encode(call), until)
    result = send_call(terminal, order, names, draft, (nl, en), account=account)
    name = result.tx["tx"]  # the first object of an order has its id (economy B11)
    more = {
        "proposal": name,
        "state": "open",
        "expires_at": time_text(until * 1000),
        "approvals": {"have": 1, "need": need},
    }
    told = terminal.text(
        f"Voorgelegd: {name}. Er is nog niets uitgevoerd: 1 van {need} keurde goed.",
        f"Put up: {name}. Nothing was carried out yet: 1 of {need} approved.",
    )
    finish(terminal, result, {**extra, **more}, [told], f"wijk tx approve {name}")


# -------------------------------------------------------------------------------------- inside


def _read(terminal: Terminal, proposal_id: str) -> "Proposal":
    """Return a proposal, proven from state: nobody approves what a node made up."""
    from chain.shared import Proposal
    from chain.texts import Problem
    from wallet.amounts import parse_id
    from wallet.trust import trusted_policy
    from wallet.verify import find_value

    key = f"proposal/{parse_id(proposal_id).hex()}"
    found = find_value(terminal.client.state_proof, key, Proposal, trusted_policy(terminal))
    if found is None:
        raise Problem(3007, what=proposal_id)
    return found


def _need(terminal: Terminal, record: "Proposal") -> int | None:
    """Return how many must approve; None for what is closed."""
    from chain.address import account_text
    from wallet.order import TABLE, approvals_needed

    if not record.call:
        return None
    account = terminal.client.account(account_text(record.account))
    return approvals_needed(terminal, account, TABLE.words(TABLE.decode(record.call)))


def _count(terminal: Terminal, record: "Proposal") -> str:
    have, need = len(record.approvals), _need(terminal, record)
    if need is None:
        return terminal.text(f"{have} keurden goed", f"{have} approved")
    return terminal.text(f"{have} van {need} keurden goed", f"{have} of {need} approved")


def _tree(terminal: Terminal, proposal_id: str, record: "Proposal") -> dict[str, Any]:
    from chain.address import account_text
    from chain.call_json import call_bytes_to_json
    from chain.texts import code_text
    from wallet.order import TABLE
    from wallet.times import time_text

    return {
        "proposal": proposal_id,
        "account": account_text(record.account),
        "state": record.status.lower(),
        "refused_code": code_text(record.code) if record.code else None,
        "call": call_bytes_to_json(TABLE, record.call) if record.call else None,
        "approvals": {"have": len(record.approvals), "need": _need(terminal, record)},
        "expires_at": time_text(record.expires * 1000),
    }


def _say_inner(terminal: Terminal, record: "Proposal") -> str:
    from wallet.order import TABLE

    return say_call(terminal, TABLE.decode(record.call))


def say_call(terminal: Terminal, call: Any) -> str:
    """Return what a call does: its fields with names and money, and the rules of its policy."""
    from chain.call_json import call_to_json
    from chain.contract import call_name
    from wallet.commands_policy import say_policy
    from wallet.order import TABLE, call_lines
    from wallet.people import with_names

    tree = call_to_json(TABLE, call)
    tree.pop("type")
    lines = [call_name(call), *call_lines(terminal, tree)]
    policy = getattr(call, "policy", None)
    if isinstance(policy, bytes):
        lines += say_policy(terminal, terminal.client.policy_of(policy.hex()))
    return with_names(terminal, "\n".join(lines))


def _word(terminal: Terminal, state: str) -> str:
    words = {
        "open": ("wacht op goedkeuring", "waits for approval"),
        "executed": ("uitgevoerd", "carried out"),
        "refused": ("geweigerd; er is niets gebeurd", "refused; nothing happened"),
        "cancelled": ("ingetrokken", "withdrawn"),
    }
    return terminal.text(*words[state])
