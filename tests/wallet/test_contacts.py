"""Contacts and WHO: the order of interfaces 1.2, nothing guessed."""

import json
from pathlib import Path

import pytest

from chain.address import account_id, account_text
from chain.texts import Problem, message
from wallet.contacts import (
    EMPTY,
    Contacts,
    add_contact,
    load_contacts,
    name_of,
    remove_contact,
    resolve,
    save_contacts,
    verify_contact,
)

NOW = "2026-01-01T00:00:00.000Z"
IDS = [account_id(bytes([number]) * 32) for number in range(6)]
TEXTS = [account_text(account) for account in IDS]


def book() -> Contacts:
    contacts = add_contact(EMPTY, "Bakker Jansen", TEXTS[0], at=NOW)
    return add_contact(contacts, "Anna", TEXTS[1], at=NOW)


def refusal(who: str, contacts: Contacts | None = None) -> dict[str, object]:
    with pytest.raises(Problem) as raised:
        resolve(who, book() if contacts is None else contacts, [("dev1", TEXTS[2])])
    assert raised.value.number == 1006
    return raised.value.params


def test_the_order_is_id_contact_key_public_name() -> None:
    keys = [("Anna", TEXTS[2]), ("dev1", TEXTS[3])]
    public = {"dev1": IDS[4], "Fietsenmaker Gerrit": IDS[5]}

    def lookup(name: str) -> list[tuple[str, bytes]]:
        return [(name, public[name])] if name in public else []

    def found(who: str) -> tuple[bytes, str]:
        party = resolve(who, book(), keys, lookup)
        return party.account, party.source

    assert found(TEXTS[0]) == (IDS[0], "account")
    assert found("Anna") == (IDS[1], "contact")
    assert found("dev1") == (IDS[3], "key")
    assert found("Fietsenmaker Gerrit") == (IDS[5], "public")
    assert resolve(TEXTS[0], book()).name == "Bakker Jansen"
    assert resolve(TEXTS[5], book()).name is None


def test_a_public_name_is_asked_only_when_nothing_nearer_fits() -> None:
    def lookup(name: str) -> list[tuple[str, bytes]]:
        raise AssertionError(f"asked for {name}")

    assert resolve("Anna", book(), [], lookup).account == IDS[1]


@pytest.mark.parametrize("who", ["anna", "Anna ", "ANNA", "Ann", "Bakker  Jansen", "", "x" * 200])
def test_only_exact_names_count(who: str) -> None:
    assert refusal(who)["cause"] == "unknown"


def test_an_unknown_name_comes_with_candidates() -> None:
    params = refusal("bakker janssen")
    assert params["candidates"] == ["Bakker Jansen"]
    assert "Bedoelt u Bakker Jansen?" in message(1006, params, "nl")
    assert refusal("dev2")["candidates"] == ["dev1"]


def test_an_ambiguous_public_name_is_refused_with_the_accounts() -> None:
    with pytest.raises(Problem) as raised:
        resolve("Bakker", EMPTY, [], lambda name: [(name, IDS[1]), (name, IDS[2])])
    assert raised.value.params["cause"] == "ambiguous"
    assert raised.value.params["candidates"] == sorted(
        TEXTS[1:3], key=lambda t: IDS[TEXTS.index(t)]
    )
    twice = resolve("Bakker", EMPTY, [], lambda name: [(name, IDS[1]), (name, IDS[1])])
    assert twice.account == IDS[1]


def test_a_mistyped_id_is_reported_as_such() -> None:
    """reliability W33: an address one letter off."""
    wrong = TEXTS[0][:-1] + ("q" if TEXTS[0][-1] != "q" else "p")
    for who in (wrong, TEXTS[0][:-1], TEXTS[0].upper(), TEXTS[0] + "q"):
        assert refusal(who)["cause"] == "checksum"


def test_names_are_equal_when_they_look_equal() -> None:
    contacts = add_contact(EMPTY, "Rene\u0301", TEXTS[0], at=NOW)
    assert resolve("Ren\u00e9", contacts).account == IDS[0]
    with pytest.raises(Problem):
        add_contact(contacts, "Ren\u00e9", TEXTS[1], at=NOW)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " Anna",
        "Anna ",
        "An\nna",
        "An\u202ena",
        "An\u200dna",
        "\ud800",
        "x" * 65,
        TEXTS[0],
        "Wijk1x",
    ],
)  # fmt: skip
def test_names_that_deceive_are_refused(name: str) -> None:
    """reliability W13."""
    with pytest.raises(Problem) as raised:
        add_contact(EMPTY, name, TEXTS[0], at=NOW)
    assert raised.value.params["cause"] == "name"


def test_contacts_are_kept_changed_and_removed(tmp_path: Path) -> None:
    assert load_contacts(tmp_path) == EMPTY
    contacts = verify_contact(book(), "Anna", at=NOW)
    save_contacts(tmp_path, contacts)
    again = load_contacts(tmp_path)
    assert again == contacts
    assert [contact.verified_at for contact in again.contacts] == [NOW, None]
    assert name_of(again, TEXTS[1]) == "Anna"
    assert [c.name for c in remove_contact(again, "Anna").contacts] == ["Bakker Jansen"]
    for act in (remove_contact, lambda found, name: verify_contact(found, name, at=NOW)):
        with pytest.raises(Problem):
            act(again, "Dirk")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "wijk/contacts/2"},
        {"extra": 1},
        {"contacts": [{"name": "Anna", "account": TEXTS[0][:-1] + "b", "added_at": NOW}]},
        {"contacts": [{"name": "An\u202ena", "account": TEXTS[0], "added_at": NOW}]},
    ],
)
def test_a_changed_file_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    save_contacts(tmp_path, book())
    path = tmp_path / "contacts.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(Problem) as raised:
        load_contacts(tmp_path)
    assert raised.value.number == 1002
