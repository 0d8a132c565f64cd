"""Contacts, and whom a person means by WHO (interfaces 1.2).

Tried in this order: account id, contact name, key name, registered public name; always exactly.
Nothing is guessed: an unknown or ambiguous name ends in `Problem` 1006 with candidates.
"""

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from chain.address import PREFIX, TEXT_LENGTH, account_text, parse_account
from chain.errors import Malformed
from chain.strict_json import parse_json
from chain.texts import Problem
from wallet.files import read_plain, replace

CONTACTS_BYTES_MAX = 1 << 20  # some thousands of names
NAME_LENGTH_MAX = 64
WHO_LENGTH_MAX = 128
CANDIDATES_MAX = 5
_ID_START = f"{PREFIX}1"
_UNSEEN = ("C", "Zl", "Zp")  # control, format, private and unassigned letters, line breaks (W13)


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One name of this person's own choosing; `verified_at` says when the id was compared."""

    name: str
    account: str
    added_at: Annotated[str, msgspec.Meta(max_length=32)]
    verified_at: Annotated[str, msgspec.Meta(max_length=32)] | None = None


class Contacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `contacts.json` holds, by name."""

    format: Literal["wijk/contacts/1"]
    contacts: tuple[Contact, ...]


class Party(msgspec.Struct, frozen=True):
    """An account and, where it has one, the name by which it was found."""

    account: bytes
    name: str | None
    source: Literal["account", "contact", "key", "public"]


# Asks a node for the public names that are exactly this text: (name, account id) each.
Lookup = Callable[[str], Sequence[tuple[str, bytes]]]
EMPTY = Contacts(format="wijk/contacts/1", contacts=())


def load_contacts(home: Path) -> Contacts:
    """Return the contacts of a client home; none where no file is. Else `Problem` 1002."""
    path = home / "contacts.json"
    try:
        contacts = parse_json(read_plain(path, CONTACTS_BYTES_MAX), Contacts)
        for contact in contacts.contacts:
            _check_name(contact.name)
            parse_account(contact.account)
    except FileNotFoundError:
        return EMPTY
    except (Malformed, Problem) as error:
        raise Problem(1002, errors=[f"contacts.json: {error}"]) from error
    return contacts


def save_contacts(home: Path, contacts: Contacts) -> None:
    """Replace `contacts.json`, atomically."""
    data = msgspec.json.format(msgspec.json.encode(contacts), indent=1)
    replace(home / "contacts.json", data + b"\n")


def add_contact(contacts: Contacts, name: str, account: str, *, at: str) -> Contacts:
    """Return the contacts with one more; a name is used once, and never looks like an id."""
    name = _check_name(unicodedata.normalize("NFC", name))
    _parse_id(account)
    if any(contact.name == name for contact in contacts.contacts):
        raise Problem(1006, who=name, cause="exists")
    return _sorted((*contacts.contacts, Contact(name=name, account=account, added_at=at)))


def remove_contact(contacts: Contacts, name: str) -> Contacts:
    """Return the contacts without `name`, or raise `Problem` 1006 where it is not there."""
    name = unicodedata.normalize("NFC", name)
    kept = tuple(contact for contact in contacts.contacts if contact.name != name)
    if len(kept) == len(contacts.contacts):
        raise _unknown(name, [contact.name for contact in contacts.contacts])
    return _sorted(kept)


def verify_contact(contacts: Contacts, name: str, *, at: str) -> Contacts:
    """Return the contacts with `name` marked as compared with its owner at `at`."""
    name = unicodedata.normalize("NFC", name)
    if not any(contact.name == name for contact in contacts.contacts):
        raise _unknown(name, [contact.name for contact in contacts.contacts])
    return _sorted(
        msgspec.structs.replace(contact, verified_at=at) if contact.name == name else contact
        for contact in contacts.contacts
    )


def name_of(contacts: Contacts, account: str) -> str | None:
    """Return the contact name of an account id, if it has one."""
    return next((one.name for one in contacts.contacts if one.account == account), None)


def resolve(
    who: str,
    contacts: Contacts,
    keys: Iterable[tuple[str, str]] = (),
    lookup: Lookup | None = None,
) -> Party:
    """Return the account that `who` names, or raise `Problem` 1006 with the candidates.

    `keys` are (name, account id) of the own keys. `lookup` is asked last, and only if given.
    """
    who = unicodedata.normalize("NFC", who)
    if not who or len(who) > WHO_LENGTH_MAX:
        raise Problem(1006, who=who[:WHO_LENGTH_MAX], cause="unknown")
    if _looks_like_id(who):
        account = _parse_id(who)
        return Party(account, name_of(contacts, who), "account")
    named = [(one.name, one.account) for one in contacts.contacts]
    owned = list(keys)
    found = _exactly(who, named, "contact") or _exactly(who, owned, "key")
    if found is None and lookup is not None:
        found = _only(who, [(name, account) for name, account in lookup(who)], "public")
    if found is None:
        raise _unknown(who, [name for name, _ in (*named, *owned)])
    return found


def _exactly(
    who: str, named: list[tuple[str, str]], source: Literal["contact", "key"]
) -> Party | None:
    return _only(who, [(name, parse_account(text)) for name, text in named if name == who], source)


def _only(
    who: str, found: list[tuple[str, bytes]], source: Literal["contact", "key", "public"]
) -> Party | None:
    accounts = sorted({account for _, account in found})
    if len(accounts) > 1:
        ids = [account_text(account) for account in accounts[:CANDIDATES_MAX]]
        raise Problem(1006, who=who, cause="ambiguous", candidates=ids)
    return Party(accounts[0], who, source) if accounts else None


def _unknown(who: str, names: list[str]) -> Problem:
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(who.casefold(), folded, n=CANDIDATES_MAX)
    candidates = sorted(folded[name] for name in near)
    return Problem(1006, who=who, cause="unknown", candidates=candidates)


def _looks_like_id(who: str) -> bool:
    """Say whether `who` can only be meant as an account id, mistyped or not."""
    return who.lower().startswith(_ID_START) and len(who) >= TEXT_LENGTH - 8


def _parse_id(text: str) -> bytes:
    try:
        return parse_account(text)
    except Malformed as error:
        raise Problem(1006, who=text[:WHO_LENGTH_MAX], cause="checksum") from error


def _check_name(name: str) -> str:
    """Return a name that can be shown and typed, or raise `Problem` 1006."""
    good = (
        0 < len(name) <= NAME_LENGTH_MAX
        and name.strip() == name
        and not name.lower().startswith(_ID_START)
        and unicodedata.is_normalized("NFC", name)
        and not any(unicodedata.category(letter).startswith(_UNSEEN) for letter in name)
    )
    if not good:
        raise Problem(1006, who=name[:NAME_LENGTH_MAX], cause="name")
    return name


def _sorted(contacts: Iterable[Contact]) -> Contacts:
    ordered = sorted(contacts, key=lambda contact: contact.name)
    return Contacts(format="wijk/contacts/1", contacts=tuple(ordered))
