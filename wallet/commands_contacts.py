"""`wijk contacts`: names of one's own choosing for accounts (interfaces 1.6)."""

from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.contacts import Contact


@click.group(help="Uw contacten // Your contacts")
def contacts() -> None:
    """Names for accounts."""


@contacts.command(help="Voeg een contact toe // Add a contact")
@click.argument("name")
@click.argument("who")
@click.pass_obj
def add(terminal: Terminal, name: str, who: str) -> None:
    """Add a name for an account id, a key or a registered public name."""
    from chain.address import account_text
    from wallet.contacts import add_contact, load_contacts, save_contacts
    from wallet.people import resolve_who
    from wallet.times import now_text

    account = account_text(resolve_who(terminal, who).account)
    changed = add_contact(load_contacts(terminal.home), name, account, at=now_text())
    save_contacts(terminal.home, changed)
    item = next(_item(one) for one in changed.contacts if one.account == account)
    terminal.show(item, [terminal.text(f"{name} staat in uw contacten", f"{name} was added")])
    terminal.next_step(f'wijk pay "{name}" 1,00')


@contacts.command("list", help="Al uw contacten // All your contacts")
@click.pass_obj
def list_(terminal: Terminal) -> None:
    """List the contacts by name."""
    from wallet.contacts import load_contacts

    found = load_contacts(terminal.home).contacts
    page = {"items": [_item(one) for one in found], "next": None, "as_of_height": None}
    head = [terminal.text("naam", "name"), terminal.text("rekening", "account"),
            terminal.text("nagekeken", "verified")]  # fmt: skip
    yes, no = terminal.text("ja", "yes"), terminal.text("nee", "no")
    terminal.show_page(
        page,
        head,
        ([one.name, one.account, yes if one.verified_at else no] for one in found),
        ("name", "account", "added_at", "verified_at"),
    )


@contacts.command(help="Verwijder een contact // Remove a contact")
@click.argument("name")
@click.pass_obj
def rm(terminal: Terminal, name: str) -> None:
    """Remove a contact; payments stay."""
    from wallet.contacts import load_contacts, remove_contact, save_contacts

    before = load_contacts(terminal.home)
    after = remove_contact(before, name)
    gone = next(one for one in before.contacts if one not in after.contacts)
    save_contacts(terminal.home, after)
    terminal.show(
        _item(gone),
        [terminal.text(f"{name} is uit uw contacten verwijderd", f"{name} was removed")],
    )


@contacts.command(help="Noteer dat u het nummer heeft vergeleken // Note that you compared the id")
@click.argument("name")
@click.pass_obj
def verify(terminal: Terminal, name: str) -> None:
    """Show the id, ask whether it is the same with its owner, and note it."""
    from wallet.contacts import load_contacts, save_contacts, verify_contact
    from wallet.times import now_text

    changed = verify_contact(load_contacts(terminal.home), name, at=now_text())
    found = next(one for one in changed.contacts if one.name == name)
    terminal.say(f"Rekening van {name}: {found.account}", f"Account of {name}: {found.account}")
    terminal.confirm(
        "Staat bij de eigenaar precies hetzelfde?", "Does its owner see exactly the same?"
    )
    save_contacts(terminal.home, changed)
    terminal.show(_item(found), [terminal.text(f"{name} is nagekeken", f"{name} is verified")])


def _item(contact: "Contact") -> dict[str, Any]:
    return {
        "name": contact.name,
        "account": contact.account,
        "added_at": contact.added_at,
        "verified_at": contact.verified_at,
    }
