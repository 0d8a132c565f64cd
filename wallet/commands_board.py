"""`wijk board`: who votes for a wijk, shown with the quorum before and after (interfaces 1.6).

A change of the validators is a transaction of the board (consensus V, economy E38). What it does
to the quorum is worked out here and shown before anybody signs; the chain refuses what V3 and V4
forbid.
"""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from chain.join_request import JoinRequest

_FILE = click.Path(path_type=Path, dir_okay=False)
_KEY = "sleutel van een bestuurslid // key of a board member"
REACH_S = 3.0
SET_MIN = 4  # consensus V3, Q5: below this nobody may lie


@click.group(help="Het bestuur: nodes van de wijk // The board: nodes of the wijk")
def board() -> None:
    """Commands of a board."""


@board.command("list", help="De nodes die stemmen // The nodes that vote")
@click.pass_obj
def list_(terminal: Terminal) -> None:
    """Show the validators and how many may fail."""
    found = terminal.client.validators()
    quorum, spare = found["quorum"], found["can_lose"]
    lines = [
        terminal.text(
            f"{len(found['items'])} nodes; {quorum} zijn genoeg, "
            f"{spare} {'mag' if spare == 1 else 'mogen'} uitvallen",
            f"{len(found['items'])} validators; {quorum} are enough, {spare} may fail",
        ),
        *(f"  {one['name']} ({one['wijk']}) {one['public_key']}" for one in found["items"]),
    ]
    if terminal.output == "text":
        for wijk in terminal.client.wijken():
            lines += _seat_lines(terminal, wijk["slug"])
    terminal.show(found, lines)


def _seat_lines(terminal: Terminal, wijk: str) -> list[str]:
    """Return who sits on the board of a wijk until when, and which actions are paused there."""
    found = terminal.client.board(wijk)
    need = found["threshold"]
    head = terminal.text(
        f"Bestuur van {wijk}: {need} zetels tekenen samen", f"Board of {wijk}: {need} seats sign"
    )
    if found["caretaker"]:
        head += terminal.text("; demissionair", "; caretaker")
    return [
        head,
        *(f"  {one['role']} {one['public_key']} -> {one['until_on']}" for one in found["seats"]),
        *(
            terminal.text("  stil: ", "  paused: ")
            + f"{trip['call']} ({trip['reason']}) -> {trip['until_at']}"
            for trip in found["trips"]
        ),
    ]


@board.command("propose-add", help="Laat een node meestemmen // Let a node join the validators")
@click.argument("file", type=_FILE)
@click.option("--key", "names", metavar="KEY", multiple=True, help=_KEY)
@click.option("--dry-run", is_flag=True, help="alleen laten zien // only show")
@click.pass_obj
def propose_add(terminal: Terminal, file: Path, names: tuple[str, ...], *, dry_run: bool) -> None:
    """Report the node and name it for its wijk: `wijk.ready`, then `wijk.register_role`."""
    from chain.address import parse_account
    from chain.keyspaces import NO_END_S
    from chain.texts import Problem
    from contracts.wijk import NodeKeys, Ready, RegisterRole
    from wallet.finish import finish
    from wallet.order import TABLE, find_account, named_keys, send_call, signatures_needed

    request = _read(terminal, file)
    change = _change_of(terminal, request)
    _say(terminal, change)
    if dry_run:
        terminal.show({"dry_run": True, **change}, [])
        return
    keys = named_keys(terminal, names)
    account = find_account(terminal, keys)
    key, transport = (bytes.fromhex(one) for one in (request.public_key, request.transport_key))
    report = Ready(
        key,
        transport,
        bytes.fromhex(request.ready.block_id),
        request.ready.height,
        bytes.fromhex(request.ready.proof),
    )
    role = RegisterRole(
        "VALIDATOR",
        parse_account(request.operator),
        0,
        NO_END_S,
        NodeKeys(key, transport, bytes.fromhex(request.proof)),
    )
    need = max(
        signatures_needed(terminal, account, TABLE.spec(call).words, len(keys))
        for call in (report, role)
    )
    if len(keys) < need:  # the second order builds on the first: drafts cannot be signed at once
        raise Problem(2002, have=len(keys), need=need)
    said = (
        f"Node {request.name} van wijk {request.wijk} melden en laten meestemmen.",
        f"Report node {request.name} of wijk {request.wijk} and let it vote.",
    )
    result = send_call(terminal, report, names, "ready", said, account=account)
    if result.failure is None:
        terminal.given["yes"] = True  # the second order is what was just answered
        result = send_call(terminal, role, names, "propose-add", said, account=account)
    done = [
        terminal.text(
            "De node stemt mee vanaf de volgende periode.", "The node votes from the next epoch on."
        )
    ]
    finish(terminal, result, change, done, "wijk board list")


@board.command(
    "propose-remove", help="Stel voor dat een wijk vertrekt // Propose that a wijk leaves"
)
@click.argument("key", metavar="KEY")
@click.option("--key", "names", metavar="KEY", multiple=True, help=_KEY)
@click.option("--dry-run", is_flag=True, help="alleen laten zien // only show")
@click.pass_obj
def propose_remove(terminal: Terminal, key: str, names: tuple[str, ...], *, dry_run: bool) -> None:
    """Put the removal of the wijk of a validator, by key or name, to the boards (economy E36).

    A validator leaves with its wijk; the quorum before and after is shown first.
    """
    from chain.codec import encode
    from chain.texts import Problem
    from contracts.wijk import FedPropose, Remove
    from wallet.finish import finish
    from wallet.order import send_call

    items = terminal.client.validators()["items"]
    one = next((row for row in items if key in (row["public_key"], row["name"])), None)
    if one is None:
        raise Problem(3007, what=key)
    wijk = str(one["wijk"])
    left = sum(row["wijk"] != wijk for row in items)
    change = {
        "wijk": wijk,
        "name": one["name"],
        "public_key": one["public_key"],
        **_before_and_after(len(items), left),
    }
    _say(terminal, change)
    if dry_run:
        terminal.show({"dry_run": True, **change}, [])
        return
    said = (
        f"Voorstellen dat wijk {wijk} vertrekt: daarna wisselt en verrekent zij alleen nog.",
        f"Propose that wijk {wijk} leaves: from then on it only redeems and settles.",
    )
    call = FedPropose(encode(Remove(wijk, 0)))  # 0: from the first border of an epoch on
    result = send_call(terminal, call, names, "propose-remove", said)
    matter = result.tx["tx"]  # the first object of an order has its id (economy B11)
    done = [
        terminal.text(
            f"Voorgesteld: {matter}. Er is nog niets besloten: twee derde van de besturen moet"
            " voor zijn, ook dat van u stemt nog.",
            f"Proposed: {matter}. Nothing is decided yet: two thirds of the boards must be in"
            " favour, and yours votes too.",
        ),
    ]
    finish(terminal, result, change, done, f"wijk board endorse {matter}")


# --------------------------------------------------------------------------------------- inside


def _read(terminal: Terminal, file: Path) -> "JoinRequest":
    """Return the request in a file after everything in it was checked; else `Problem`."""
    from chain.address import parse_account
    from chain.crypto import verify
    from chain.errors import Malformed
    from chain.join_request import JOIN_BYTES_MAX, read_join_request
    from chain.texts import Problem
    from contracts.wijk import node_proof_bytes, ready_proof_bytes
    from wallet.files import read_plain
    from wallet.times import now_text
    from wallet.trust import trusted_policy

    digest = bytes.fromhex(trusted_policy(terminal).chain_digest)
    try:
        request = read_join_request(read_plain(file, JOIN_BYTES_MAX), now_text())
        parse_account(request.operator)
        key, transport = (bytes.fromhex(one) for one in (request.public_key, request.transport_key))
        ready = request.ready
        signed = (
            (node_proof_bytes(digest, key, transport), request.proof),
            (
                ready_proof_bytes(
                    digest, key, transport, bytes.fromhex(ready.block_id), ready.height
                ),
                ready.proof,
            ),
        )
        if request.chain_digest != digest.hex():
            raise Problem(2003)
        if not all(verify(key, message, bytes.fromhex(proof)) for message, proof in signed):
            raise Malformed("join request: a proof of its key is wrong")
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None
    except Malformed as error:
        raise Problem(5001, cause=str(error)) from error
    return request


def _change_of(terminal: Terminal, request: "JoinRequest") -> dict[str, Any]:
    """Return what the request changes, and how the node stands now."""
    from chain.keyspaces import RoleVersion
    from chain.texts import Problem
    from wallet.trust import trusted_policy
    from wallet.verify import prove_value

    client = terminal.client
    members = client.validators()["items"]
    versions_of: Any = tuple[RoleVersion, ...]
    key = f"role/{request.wijk}/VALIDATOR"
    versions = prove_value(client.state_proof, key, versions_of, trusted_policy(terminal))
    node = versions[-1].node
    old = next((one for one in members if node and one["public_key"] == node[0].hex()), None)
    known = any(one["public_key"] == request.public_key for one in members)
    after = len(members) + (old is None and not known)
    newest = int(client.block("latest")["height"])
    try:
        same = client.block(request.ready.height)["block_id"] == request.ready.block_id
    except Problem:
        same = False
    if not same:
        raise Problem(
            5001, cause=f"join request: block {request.ready.height} is not of this chain"
        )
    return {
        "wijk": request.wijk,
        "name": request.name,
        "public_key": request.public_key,
        "address": request.address,
        "reachable": _is_reachable(request.address),
        "behind_blocks": newest - request.ready.height,
        "replaces": None if old is None or known else old["name"],
        **_before_and_after(len(members), after),
    }


def _before_and_after(before: int, after: int) -> dict[str, Any]:
    from chain.validators import quorum

    def counts(n: int) -> dict[str, int]:
        return {"total": n, "quorum": quorum(n), "can_lose": n - quorum(n)}

    return {"before": counts(before), "after": counts(after)}


def _is_reachable(address: str) -> bool:
    """Say whether somebody listens where the node says it is; who it is, the links check."""
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit():
        return False
    try:
        with socket.create_connection((host.strip("[]"), int(port)), REACH_S):
            return True
    except (OSError, OverflowError):
        return False


def _say(terminal: Terminal, change: dict[str, Any]) -> None:
    """Tell what the change does: the quorum before and after (interfaces 3.7)."""
    before, after = change["before"], change["after"]
    terminal.say(
        f"Node {change['name']} van wijk {change['wijk']}: {change['public_key']}",
        f"Node {change['name']} of wijk {change['wijk']}: {change['public_key']}",
    )
    if "address" in change:
        reach = (
            terminal.text("bereikbaar", "reachable")
            if change["reachable"]
            else terminal.text("NIET bereikbaar van hier", "NOT reachable from here")
        )
        behind = change["behind_blocks"]
        terminal.say(
            f"  {change['address']}: {reach}; meldde een blok van {behind} blokken geleden",
            f"  {change['address']}: {reach}; reported a block of {behind} blocks ago",
        )
    if change.get("replaces"):
        terminal.say(f"  in plaats van {change['replaces']}", f"  in place of {change['replaces']}")
    terminal.say(
        f"  nu: {before['total']} nodes, {before['quorum']} nodig, kwijt mag {before['can_lose']}",
        f"  now: {before['total']} nodes, {before['quorum']} needed, {before['can_lose']} may fail",
    )
    terminal.say(
        f"  dan: {after['total']} nodes, {after['quorum']} nodig, kwijt mag {after['can_lose']}",
        f"  then: {after['total']} nodes, {after['quorum']} needed, {after['can_lose']} may fail",
    )
    if after["total"] < SET_MIN <= before["total"]:
        terminal.say(
            "  dat weigert de keten: minder dan vier nodes", "  the chain refuses fewer than four"
        )
