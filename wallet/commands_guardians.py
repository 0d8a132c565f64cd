"""`wijk account recovery show|set|start|cancel`: an account that its keys are lost of (B5, B13).

Two guardians sign one order with the new key: on one device, or with a draft that the second
signs. After `recovery_delay_s` the new key is the only one; any key of the account stops it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.guardians import Guarded

_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_FILE_BYTES_MAX = 64 * 1024  # what `wijk keys show --proof -o json` prints is far below it


@click.group(
    help="Uw rekening terugkrijgen als de sleutel weg is // Get an account back without its key"
)
def recovery() -> None:
    """Recovery by guardians."""


@recovery.command(help="Wie voogd is, en of er een herstel loopt // Guardians, and what is running")
@click.argument("who", required=False)
@click.pass_obj
def show(terminal: Terminal, who: str | None) -> None:
    """Show the guardians, the keys in force and the recovery that waits, proven from state."""
    from wallet.guardians import read_guarded
    from wallet.order import who_or_own

    guarded = read_guarded(terminal, who_or_own(terminal, who).account)
    terminal.show(_tree(guarded), _lines(terminal, guarded))


@recovery.command("set", help="Wijs uw voogden aan, twee tot vijf // Name your guardians, 2 to 5")
@click.argument("guardians", metavar="GUARDIAN...", nargs=-1)
@click.option("--none", "nobody", is_flag=True, help="niemand meer // nobody any more")
@keys_option
@click.pass_obj
def set_(
    terminal: Terminal, guardians: tuple[str, ...], names: tuple[str, ...], *, nobody: bool
) -> None:
    """`accounts.set_keys` with these guardians; keys and threshold stay as they are."""
    from chain.address import parse_account
    from chain.contract import PERSONS_MIN
    from contracts.accounts import GUARDIANS_MAX, SetKeys
    from wallet.finish import finish
    from wallet.guardians import read_guarded
    from wallet.order import find_account, named_keys, send_call

    number = len(guardians)
    if nobody == bool(guardians) or not (nobody or PERSONS_MIN <= number <= GUARDIANS_MAX):
        _stop(
            terminal,
            f"noem 2 tot {GUARDIANS_MAX} voogden, of --none",
            f"name 2 to {GUARDIANS_MAX} guardians, or --none",
        )
    account = find_account(terminal, named_keys(terminal, names))
    if account["kind"] in ("board", "role"):
        _stop(
            terminal,
            "een bestuur of ambt heeft geen voogden: meer mensen hebben er een sleutel van",
            "a board or office has no guardians: several people have a key of it",
        )
    before = read_guarded(terminal, parse_account(account["account"]))
    chosen = tuple(_read_guardian(terminal, who) for who in guardians)
    own = {key.key for key in before.record.keys}
    if len(set(chosen)) < number or not own.isdisjoint(chosen):
        _stop(
            terminal,
            "elke voogd is een ander mens, en niet uzelf",
            "each guardian is another person, and not yourself",
        )
    shown = ", ".join(_name_key(terminal, key) for key in chosen)
    if nobody:
        said = (
            "Geen voogden meer: bent u uw sleutel kwijt, dan krijgt niemand de rekening terug.",
            "No guardians any more: if your key is lost, nobody gets the account back.",
        )
    else:
        dutch = (
            f"Voogden worden: {shown}.\n"
            "  Elke twee van hen mogen uw rekening een nieuwe sleutel geven, na een wachttijd;"
            " zo lang kunt u het stoppen."
        )
        english = (
            f"Guardians will be: {shown}.\n"
            "  Any two of them may give your account a new key, after a wait in which you can"
            " stop it."
        )
        said = dutch, english
    call = SetKeys((), (), chosen, before.record.threshold)
    result = send_call(terminal, call, names, "guardians", said, account=account)
    after = read_guarded(terminal, before.id) if result.tx["status"] == "final" else before
    finish(terminal, result, _tree(after), _lines(terminal, after))


@recovery.command(help="Geef WHO een nieuwe sleutel, als voogd // Give WHO a new key, as guardian")
@click.argument("who")
@click.option(
    "--new-key",
    "new",
    metavar="KEY|FILE",
    required=True,
    help="sleutel hier, of bestand van: wijk keys show KEY --proof WHO -o json //"
    " key here, or file of: wijk keys show KEY --proof WHO -o json",
)
@keys_option
@click.pass_obj
def start(terminal: Terminal, who: str, new: str, names: tuple[str, ...]) -> None:
    """`members.recover`, signed by two guardians; with one of them a draft for the other."""
    from chain.contract import PERSONS_MIN
    from chain.texts import Problem
    from contracts.members import Recover
    from wallet.finish import finish
    from wallet.guardians import as_guardians_sign, read_guarded
    from wallet.order import VALID_S_MAX, confirm_and_send, named_keys, prepare_order
    from wallet.people import holds_key, resolve_who, shown_account
    from wallet.times import now_s, short_time, time_text

    keys = named_keys(terminal, names)
    terminal.reader = keys[0]
    guarded = read_guarded(terminal, resolve_who(terminal, who).account)
    if not guarded.can_recover:
        raise Problem(2328)
    if guarded.pending is not None:
        raise Problem(2329, until_at=guarded.pending.due_s)
    account = as_guardians_sign(guarded)
    if any(holds_key(account, key) is None for key in keys):
        raise Problem(2112, role="guardians")
    key, proof = _read_new_key(terminal, guarded, new)
    order = prepare_order(
        terminal, account, keys, Recover(guarded.id, key, proof), VALID_S_MAX * 1000
    )
    wait_s = int(terminal.client.params()["params"]["recovery_delay_s"])
    ends = short_time(time_text((now_s() + wait_s) * 1000))
    name, total = shown_account(terminal, guarded.id), len(guarded.record.guardians)
    terminal.say(
        f"{name} een nieuwe sleutel geven: {key.hex()}\n"
        f"  {PERSONS_MIN} van de {total} voogden tekenen; u tekent als {len(keys)}.\n"
        f"  Hij geldt vanaf ongeveer {ends} UTC als enige sleutel, als niemand het stopt.",
        f"Give {name} a new key: {key.hex()}\n"
        f"  {PERSONS_MIN} of the {total} guardians sign; you sign as {len(keys)}.\n"
        f"  From about {ends} UTC on it is the only key, if nobody stops it.",
    )
    result = confirm_and_send(terminal, order, "recovery")
    if result.tx["status"] == "draft":
        minutes, missing = VALID_S_MAX // 60, order.need - len(keys)
        file = result.tx["draft"]
        terminal.say(
            f"Nog {missing} voogd moet tekenen, binnen {minutes} minuten: wijk tx sign {file}"
            f" --key KEY, en dan: wijk tx send {file}. Daarna begint de wachttijd.",
            f"{missing} more guardian must sign, within {minutes} minutes: wijk tx sign {file}"
            f" --key KEY, and then: wijk tx send {file}. After that the wait begins.",
        )
    after = read_guarded(terminal, guarded.id) if result.tx["status"] == "final" else guarded
    next_ = f"wijk account recovery show {account['account']}"
    finish(terminal, result, _tree(after), _lines(terminal, after), next_)


@recovery.command(help="Stop een herstel van uw rekening // Stop a recovery of your account")
@keys_option
@click.pass_obj
def cancel(terminal: Terminal, names: tuple[str, ...]) -> None:
    """`accounts.cancel` of the recovery that waits: any one key of the account is enough."""
    from chain.address import parse_account
    from chain.texts import Problem
    from contracts.accounts import Cancel
    from wallet.finish import finish
    from wallet.guardians import read_guarded
    from wallet.order import find_account, named_keys, send_call

    account = find_account(terminal, named_keys(terminal, names))
    before = read_guarded(terminal, parse_account(account["account"]))
    if before.pending is None:
        what = terminal.text("een herstel dat loopt", "a recovery under way")
        raise Problem(3007, what=what)
    new = before.pending.key.hex()
    said = (
        f"Het herstel stoppen: sleutel {new} krijgt uw rekening niet.",
        f"Stop the recovery: key {new} does not get your account.",
    )
    call = Cancel(before.pending.id)
    result = send_call(terminal, call, names, "recovery-cancel", said, account=account)
    after = read_guarded(terminal, before.id) if result.tx["status"] == "final" else before
    done = terminal.text(
        "Gestopt. Was het niet afgesproken, wijs dan andere voogden aan.",
        "Stopped. If nobody asked for it, name other guardians.",
    )
    finish(terminal, result, _tree(after), [done], "wijk account recovery set GUARDIAN...")


# -------------------------------------------------------------------------------------- inside


def _stop(terminal: Terminal, nl: str, en: str) -> NoReturn:
    """Raise `Problem` 1001 with what is wrong."""
    from chain.texts import Problem

    raise Problem(1001, cause=terminal.text(nl, en))


def _read_guardian(terminal: Terminal, who: str) -> bytes:
    """Return the public key that a guardian signs with: told, of a key here, or of an account.

    An account of several keys does not say which of them is the guardian.
    """
    from chain.crypto import is_valid_key
    from chain.texts import Problem
    from node.client import NOT_ALLOWED
    from wallet.guardians import read_guarded
    from wallet.keystore import load_key
    from wallet.people import resolve_who

    if _PUBLIC_KEY.fullmatch(who) is not None:
        key = bytes.fromhex(who)
        if not is_valid_key(key):
            _stop(terminal, f"{who} is geen sleutel", f"{who} is no key")
        return key
    party = resolve_who(terminal, who)
    if party.source == "key":
        return load_key(terminal.home, who).key
    try:
        keys = read_guarded(terminal, party.account).record.keys
    except Problem as problem:
        if problem.number != NOT_ALLOWED:
            raise
        _stop(
            terminal,
            f"alleen {who} zelf mag hier zijn sleutels zien; vraag om de publieke sleutel:"
            " wijk keys show NAAM --pub",
            f"only {who} may see these keys here; ask for the public key:"
            " wijk keys show NAME --pub",
        )
    if len(keys) > 1:
        _stop(
            terminal,
            f"{who} heeft {len(keys)} sleutels; noem de publieke sleutel van een",
            f"{who} has {len(keys)} keys; name the public key of one",
        )
    return bytes(keys[0].key)


def _read_new_key(terminal: Terminal, guarded: "Guarded", new: str) -> tuple[bytes, bytes]:
    """Return a new key and its proof, made here or read; `Problem` 2301 where it proves nothing."""
    from chain.crypto import is_valid_key, sign, verify
    from chain.errors import Malformed
    from chain.shared import key_proof_bytes
    from chain.strict_json import parse_tree
    from chain.texts import Problem
    from wallet.files import read_named
    from wallet.keystore import list_keys
    from wallet.order import unlock_keys
    from wallet.trust import trusted_policy

    policy = trusted_policy(terminal)
    digest = bytes.fromhex(policy.chain_digest)
    here = next((one for one in list_keys(terminal.home) if one.name == new), None)
    if here is not None:
        key = here.key
        seed = unlock_keys(terminal, policy, [here])[here.name]
        proof = sign(seed, key_proof_bytes(digest, guarded.id, key))
    else:
        try:
            tree = parse_tree(read_named(Path(new), _FILE_BYTES_MAX))
            key, proof = (bytes.fromhex(tree[name]) for name in ("public_key", "proof"))
        except (Malformed, KeyError, TypeError, ValueError) as error:
            raise Problem(1001, cause=f"{new}: public_key, proof?") from error
    fresh = key not in [one.key for one in guarded.record.keys]
    message = key_proof_bytes(digest, guarded.id, key)
    if not (fresh and is_valid_key(key) and verify(key, message, proof)):
        raise Problem(2301)
    return key, proof


def _name_key(terminal: Terminal, key: bytes) -> str:
    """Return how to speak of a key: the name of the account it was the first of, else the key."""
    from chain.address import account_id, account_text
    from wallet.people import shown_name

    name = shown_name(terminal, account_text(account_id(key)))
    return key.hex() if name is None else f"{name} ({key.hex()[:8]})"


def _tree(guarded: "Guarded") -> dict[str, Any]:
    from chain.address import account_text
    from chain.contract import PERSONS_MIN
    from wallet.times import time_text

    pending = guarded.pending
    return {
        "account": account_text(guarded.id),
        "keys": [key.key.hex() for key in guarded.record.keys],
        "guardians": [key.hex() for key in guarded.record.guardians],
        "need": PERSONS_MIN,
        "recovery": None
        if pending is None
        else {
            "id": pending.id.hex(),
            "new_key": pending.key.hex(),
            "ends_at": time_text(pending.due_s * 1000),
        },
    }


def _lines(terminal: Terminal, guarded: "Guarded") -> list[str]:
    from wallet.times import short_time, time_text

    guardians, pending = guarded.record.guardians, guarded.pending
    shown = ", ".join(_name_key(terminal, key) for key in guardians) or "-"
    lines = [terminal.text(f"Voogden: {shown}", f"Guardians: {shown}")]
    if not guarded.can_recover:
        lines.append(
            terminal.text(
                "Niemand kan deze rekening herstellen.", "Nobody can recover this account."
            )
        )
    keys = ", ".join(key.key.hex() for key in guarded.record.keys)
    lines.append(terminal.text(f"Sleutels: {keys}", f"Keys: {keys}"))
    if pending is None:
        lines.append(terminal.text("Er loopt geen herstel.", "No recovery is under way."))
        return lines
    ends, new = short_time(time_text(pending.due_s * 1000)), pending.key.hex()
    lines.append(
        terminal.text(
            f"Er loopt een herstel: vanaf {ends} UTC is {new} de enige sleutel. Stoppen kan met"
            " elke sleutel van de rekening: wijk account recovery cancel",
            f"A recovery is under way: from {ends} UTC on {new} is the only key. Any key of the"
            " account stops it: wijk account recovery cancel",
        )
    )
    return lines
