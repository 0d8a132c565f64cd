"""Whom a command means: WHO, and which of the own keys acts (interfaces 1.2)."""

import re
from typing import TYPE_CHECKING, Any

from chain.address import account_text, parse_account
from chain.texts import Problem
from wallet.contacts import Party, load_contacts, name_of, resolve
from wallet.kept_accounts import list_own
from wallet.keystore import KeyFile, list_keys, load_key

if TYPE_CHECKING:
    from wallet.terminal import Terminal

KEYS_LISTED_MAX = 8

_ACCOUNT = re.compile(r"wijk1[a-z0-9]{38}")


def resolve_who(terminal: "Terminal", who: str) -> Party:
    """Return the account that WHO names: id, contact, key, or public name asked of a node."""

    def lookup(name: str) -> list[tuple[str, bytes]]:
        try:
            found = terminal.client.public_name(name)
        except Problem as problem:
            if problem.number in (3007, 3001):  # not there, or nobody to ask
                return []
            raise
        return [(found["name"], parse_account(found["account"]))]

    own = list_own(terminal.home)
    keys = ((one.name, account) for one, account in own)
    party = resolve(who, load_contacts(terminal.home), keys, lookup)
    if terminal.reader is None:  # one's own account is read as oneself, where a node asks
        named = account_text(party.account)
        mine = [one for one, account in own if account == named]
        later = [one for one in mine if one.account != named]  # a recovery ends the first key
        terminal.reader = next(iter(later or mine), None)
    return party


def own_key(terminal: "Terminal", name: str | None = None) -> KeyFile:
    """Return the key that was named, that of the profile, or the only one there is."""
    chosen = name or terminal.settings.key
    if chosen is not None:
        return load_key(terminal.home, chosen)
    found = list_keys(terminal.home)
    if len(found) == 1:
        return found[0]
    if not found:
        raise Problem(1003)
    names = ", ".join(one.name for one in found[:KEYS_LISTED_MAX])
    raise Problem(1001, cause=terminal.text(f"welke sleutel? {names}", f"which key? {names}"))


def shown_name(terminal: "Terminal", account: str) -> str | None:
    """Return the name this person knows an account by, if any: contact, then own key."""
    named = name_of(load_contacts(terminal.home), account)
    if named is not None:
        return named
    return next((one.name for one, own in list_own(terminal.home) if own == account), None)


def shown_account(terminal: "Terminal", account: bytes) -> str:
    """Return how to speak of an account: the name it is known by here, else its id."""
    text = account_text(account)
    return shown_name(terminal, text) or text


def with_names(terminal: "Terminal", text: str) -> str:
    """Return a sentence of a node with the names that accounts are known by here."""
    return _ACCOUNT.sub(lambda found: shown_name(terminal, found[0]) or found[0], text)


def label(party: Party) -> str:
    """Return how to speak of a party: its name, else its id."""
    return party.name or account_text(party.account)


def holds_key(account: dict[str, Any], key_file: KeyFile) -> int | None:
    """Return the index of a key in an account of `query account`, or None."""
    for key in account["keys"]:
        if key["public_key"] == key_file.public_key:
            return int(key["index"])
    return None
