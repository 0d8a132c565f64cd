"""`wijk tx`: build an order, sign it with several people, send it, look it up (interfaces 1.6).

A draft is a small JSON file that travels from signer to signer; it holds no secret.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.sign import Draft

_FILE_BYTES_MAX = 256 * 1024  # a call of 32 KiB has at most twice that in hex, and names
_FILE = click.Path(path_type=Path)
_KEY = "met deze sleutel, vaker mag // with this key, may be repeated"


@click.group(help="Opdrachten maken, samen tekenen en versturen // Build, sign and send orders")
def tx() -> None:
    """Orders."""


@tx.command(help="Maak een concept van de opdracht in FILE // Make a draft of the call in FILE")
@click.argument("file", type=_FILE)
@click.option("--key", "names", metavar="KEY", multiple=True, help="namens wie // on whose behalf")
@click.option("--valid-for", metavar="T", default="10m", help="hoe lang geldig // how long valid")
@click.option("--out", type=_FILE, help="waar het concept komt // where the draft goes")
@click.pass_obj
def build(
    terminal: Terminal, file: Path, names: tuple[str, ...], valid_for: str, out: Path | None
) -> None:
    """Build a draft; `--key` says whose account it is for and signs nothing yet."""
    from wallet.amounts import parse_duration_ms
    from wallet.order import find_account, named_keys, prepare_order
    from wallet.sign import make_draft

    call = read_call(terminal, file, None)
    keys = named_keys(terminal, names)
    account = find_account(terminal, keys)
    order = prepare_order(terminal, account, keys[:1], call, parse_duration_ms(valid_for))
    path = out or file.with_suffix(".draft.json")
    _write_new(path, make_draft(order.body, order.need))
    _show_draft(terminal, path)
    terminal.next_step(f"wijk tx sign {path} --key {keys[0].name}")


@tx.command(help="Teken een concept // Sign a draft")
@click.argument("file", type=_FILE)
@click.option("--key", "names", metavar="KEY", multiple=True, help=_KEY)
@click.pass_obj
def sign(terminal: Terminal, file: Path, names: tuple[str, ...]) -> None:
    """Add the signature of each key to the draft file, after showing what it says."""
    from chain.texts import Problem
    from wallet.files import replace
    from wallet.guardians import find_signing
    from wallet.order import TABLE, named_keys, unlock_keys
    from wallet.people import holds_key
    from wallet.sign import bad_signatures, draft_fields, encode_draft, sign_draft
    from wallet.trust import trusted_policy

    draft = read_draft(file)
    keys = named_keys(terminal, names)
    body = draft_fields(draft)
    policy = trusted_policy(terminal)
    if body.chain_digest.hex() != policy.chain_digest:
        raise Problem(2003)
    account = find_signing(terminal, body.sender, TABLE.decode(bytes(body.call)), keys[0])
    known = {key["index"]: bytes.fromhex(key["public_key"]) for key in account["keys"]}
    if bad := bad_signatures(draft, known):  # whoever signs after it would sign for nothing
        raise Problem(2002, key=", ".join(map(str, bad)))
    for line in _draft_lines(terminal, draft):
        terminal.say(line, line)
    terminal.confirm("Dit tekenen?", "Sign this?")
    seeds = unlock_keys(terminal, policy, keys)
    for key in keys:
        index = holds_key(account, key)
        if index is None:
            raise Problem(2002, key=key.name)
        draft = sign_draft(draft, index, seeds[key.name])
    replace(file, encode_draft(draft))
    _show_draft(terminal, file)
    _suggest(terminal, file, draft)


@tx.command(help="Voeg handtekeningen samen in het eerste bestand // Join signatures in the first")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.pass_obj
def combine(terminal: Terminal, files: tuple[Path, ...]) -> None:
    """Put the signatures of all drafts in the first file."""
    from wallet.files import replace
    from wallet.sign import combine as combine_drafts
    from wallet.sign import encode_draft

    draft = combine_drafts([read_draft(file) for file in files])
    replace(files[0], encode_draft(draft))
    _show_draft(terminal, files[0])
    _suggest(terminal, files[0], draft)


@tx.command(help="Verstuur een volledig getekend concept // Send a draft with all its signatures")
@click.argument("file", type=_FILE)
@click.pass_obj
def send(terminal: Terminal, file: Path) -> None:
    """Send a draft; one that lacks signatures ends with exit 11."""
    from chain.address import account_text
    from contracts.members import Recover
    from wallet.finish import finish
    from wallet.order import TABLE
    from wallet.outbox import Sent
    from wallet.send import draft_result
    from wallet.send import send as send_envelope
    from wallet.sign import draft_envelope, draft_fields
    from wallet.trust import trusted_policy

    draft = read_draft(file)
    envelope = draft_envelope(draft)
    if envelope is None:
        finish(terminal, draft_result(file, len(draft.signatures), draft.need), {}, [])
        return
    for line in _draft_lines(terminal, draft):
        terminal.say(line, line)
    terminal.confirm("Deze opdracht versturen?", "Send this order?")
    result = send_envelope(terminal, trusted_policy(terminal), Sent(envelope, None, None, None))
    call = TABLE.decode(bytes(draft_fields(draft).call))
    if isinstance(call, Recover):  # it begins a wait, which that command shows the end of
        _finish(terminal, result, f"wijk account recovery show {account_text(call.account)}")
        return
    _finish(terminal, result)


@tx.command(help="Toon een opdracht // Show an order")
@click.argument("tx_id", metavar="ID")
@click.option("--prove", is_flag=True, help="reken na of het bewezen is // verify it")
@click.pass_obj
def show(terminal: Terminal, tx_id: str, prove: bool) -> None:
    """Show what a node knows of a transaction."""
    from wallet.commands_query import show_tx

    show_tx(terminal, tx_id, prove=prove)


@tx.command(help="Wacht op de uitkomst van een opdracht // Wait for the outcome of an order")
@click.argument("tx_id", metavar="ID")
@click.pass_obj
def wait(terminal: Terminal, tx_id: str) -> None:
    """Wait, sending the same bytes again where they are still in the outbox."""
    from wallet.send import resume
    from wallet.trust import trusted_policy

    _finish(terminal, resume(terminal, trusted_policy(terminal), tx_id))


@tx.command(help="Toon wat er in een bestand staat // Show what a file holds")
@click.argument("file", type=_FILE)
@click.pass_obj
def decode(terminal: Terminal, file: Path) -> None:
    """Decode a draft, the bytes of an envelope, or a file of the outbox; needs no network."""
    from wallet.commands_query import tx_lines

    tree = decode_file(terminal, file)
    terminal.show(tree, tx_lines(terminal, tree))


def read_call(terminal: Terminal, file: Path, name: str | None) -> Any:
    """Return the call in a file; `name` is its type where the command says which it is.

    Raise `Problem` 1001 that names the field which is wrong.
    """
    from chain.call_json import call_from_json
    from chain.errors import Malformed
    from chain.strict_json import parse_tree
    from chain.texts import Problem
    from wallet.order import TABLE

    try:
        tree = parse_tree(_read(terminal, file))
        if name is not None and isinstance(tree, dict):
            tree = {"type": name} | tree
        if name is not None and isinstance(tree, dict) and tree["type"] != name:
            raise Malformed(f"call.type: {name}?")
        return call_from_json(TABLE, tree)
    except Malformed as error:
        raise Problem(1001, cause=f"{file}: {error}") from error


def read_draft(file: Path) -> "Draft":
    """Return the draft in a file; `Problem` 1001 or 3007."""
    from chain.texts import Problem
    from wallet.files import read_plain
    from wallet.sign import DRAFT_BYTES_MAX, decode_draft

    try:
        return decode_draft(read_plain(file, DRAFT_BYTES_MAX))
    except FileNotFoundError:
        raise Problem(3007, what=str(file)) from None


def decode_file(terminal: Terminal, file: Path) -> dict[str, Any]:
    """Return the `query tx` object of a draft, an envelope or an outbox file."""
    from chain.codec import decode as decode_record
    from chain.errors import Malformed
    from chain.records import Envelope, TxBody, split_carried
    from chain.texts import Problem
    from wallet.outbox import Sent
    from wallet.sign import decode_draft, draft_envelope, draft_fields, tx_id

    data = _read(terminal, file)
    if data[:1] == b"{":
        draft = decode_draft(data)
        made = draft_envelope(draft)
        return _tx_tree(
            draft_fields(draft), None if made is None else tx_id(made), len(made or b"")
        )
    try:
        try:
            envelope = decode_record(Sent, data).envelope
        except Malformed:
            envelope = data
        body = decode_record(TxBody, decode_record(Envelope, split_carried(envelope)[0]).body)
        return _tx_tree(body, tx_id(envelope), len(envelope))
    except Malformed as error:
        raise Problem(1001, cause=f"{file}: {error}") from error


def _tx_tree(body: Any, tx_id: str | None, size: int) -> dict[str, Any]:
    from chain.address import account_text
    from chain.call_json import call_bytes_to_json
    from wallet.order import TABLE
    from wallet.times import time_text

    return {
        "tx": tx_id,
        "status": "draft" if tx_id is None else "unknown",
        "code": None,
        "height": None,
        "index": None,
        "log_index": None,
        "at": None,
        "from": account_text(body.sender),
        "expires_at": time_text(body.expires * 1000),
        "call": call_bytes_to_json(TABLE, bytes(body.call)),
        "bytes": size,
        "proof": None,
        "problem": None,
    }


def _read(terminal: Terminal, file: Path) -> bytes:
    from wallet.files import read_plain

    try:
        return read_plain(file, _FILE_BYTES_MAX)
    except FileNotFoundError:
        terminal.fail(3007, {"what": str(file)})


def _write_new(path: Path, draft: "Draft") -> None:
    from chain.texts import Problem
    from wallet.files import write_new
    from wallet.sign import encode_draft

    try:
        write_new(path, encode_draft(draft))
    except FileExistsError:
        raise Problem(1001, cause=f"{path}: exists") from None


def _draft_lines(terminal: Terminal, draft: "Draft") -> list[str]:
    from chain.address import account_text
    from chain.call_json import call_bytes_to_json
    from wallet.order import TABLE, call_lines
    from wallet.sign import draft_fields

    body = draft_fields(draft)
    call = call_bytes_to_json(TABLE, bytes(body.call))
    sender, name = account_text(body.sender), call.pop("type")
    return [
        terminal.text(f"Namens {sender}: {name}", f"For {sender}: {name}"),
        *call_lines(terminal, call),
    ]


def _show_draft(terminal: Terminal, path: Path) -> None:
    from wallet.sign import draft_envelope, draft_fields, tx_id
    from wallet.times import time_text

    draft = read_draft(path)
    envelope = draft_envelope(draft)
    have = len(draft.signatures)
    tree = {
        "draft": str(path),
        "tx": None if envelope is None else tx_id(envelope),
        "expires_at": time_text(draft_fields(draft).expires * 1000),
        "signatures": {"have": have, "need": draft.need},
    }
    said = terminal.text(
        f"{path}: {have} van {draft.need} handtekeningen, geldig tot {tree['expires_at']}",
        f"{path}: {have} of {draft.need} signatures, valid until {tree['expires_at']}",
    )
    terminal.show(tree, [said])


def _suggest(terminal: Terminal, path: Path, draft: "Draft") -> None:
    from wallet.sign import is_complete

    terminal.next_step(f"wijk tx {'send' if is_complete(draft) else 'sign'} {path}")


def _finish(terminal: Terminal, result: Any, next_command: str = "") -> None:
    from wallet.finish import finish

    name = result.tx["tx"]
    done = terminal.text(f"Uitgevoerd: {name}", f"Done: {name}")
    finish(terminal, result, {}, [done], next_command or f"wijk tx show {name}")
