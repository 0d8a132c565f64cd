"""`wijk keys`: the keys of a client home (interfaces 1.6, 3.3).

The words are shown once, on request, and never stored; a passphrase comes by prompt, file or
descriptor. A file that others can read is refused (reliability KS3, W34).
"""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.keystore import KeyFile

_ASK = ("Wachtzin", "Passphrase")
_ASK_NEW = ("Nieuwe wachtzin", "New passphrase")
_ASK_WORDS = ("Uw woorden", "Your words")


@click.group(help="Uw sleutels // Your keys")
def keys() -> None:
    """Keys of this client home."""


@keys.command(help="Maak een sleutel, of herstel er een met uw woorden // Make or recover a key")
@click.argument("name")
@click.option("--recover", is_flag=True, help="met uw woorden // with your words")
@click.option("--words", type=click.Choice(["12", "24"]), default="24", help="aantal // how many")
@click.option("--show-words", is_flag=True, help="toon de woorden // show the words")
@click.pass_obj
def add(terminal: Terminal, name: str, recover: bool, words: str, show_words: bool) -> None:
    """Add a key; `--recover` asks for words."""
    from wallet.keystore import (
        ENTROPY_BYTES,
        check_name,
        create,
        disable_core_dumps,
        entropy_of_words,
        key_path,
        save_new,
        words_of,
    )
    from wallet.times import now_text

    disable_core_dumps()
    check_name(name)
    if key_path(terminal.home, name).exists():
        terminal.fail(1001, {"cause": "exists"})
    if recover:
        entropy: bytes = entropy_of_words(terminal.ask_secret(*_ASK_WORDS))
    else:
        entropy = secrets.token_bytes(ENTROPY_BYTES[int(words)])
    word = terminal.passphrase(*_ASK_NEW, twice=True)
    at = now_text()
    key_file = create(name, entropy, word, created_at=at)
    path = save_new(terminal.home, key_file)
    shown = words_of(entropy).split() if show_words else None
    tree = {
        "name": name,
        "account": key_file.account,
        "public_key": key_file.public_key,
        "file": str(path),
        "slots": ["passphrase"],
        "words": shown,
    }
    lines = [
        terminal.text(f"Sleutel {name} gemaakt: {path}", f"Key {name} made: {path}"),
        terminal.text(f"Rekening: {key_file.account}", f"Account: {key_file.account}"),
    ]
    if shown is not None:
        lines.append(" ".join(shown))
    terminal.show(tree, lines)
    if not show_words and not recover:
        terminal.say(
            "Schrijf de woorden op: zonder woorden en zonder bestand is de sleutel weg.",
            "Write the words down: without words and without the file the key is gone.",
        )
        terminal.next_step(f"wijk keys export {name} --words")


@keys.command("list", help="Al uw sleutels // All your keys")
@click.pass_obj
def list_(terminal: Terminal) -> None:
    """List the keys of the client home."""
    from wallet.keystore import list_keys

    found = list_keys(terminal.home)
    items = [_item(terminal, key_file) for key_file in found]
    page = {"items": items, "next": None, "as_of_height": None}
    head = [terminal.text("naam", "name"), terminal.text("rekening", "account"),
            terminal.text("bewaard", "backed up")]  # fmt: skip
    yes, no = terminal.text("ja", "yes"), terminal.text("nee", "no")
    terminal.show_page(
        page,
        head,
        ([one["name"], one["account"], yes if one["backed_up"] else no] for one in items),
        ("name", "account", "public_key", "backed_up", "created_at"),
    )
    if not found:
        terminal.next_step("wijk keys add NAAM" if terminal.lang == "nl" else "wijk keys add NAME")


@keys.command(help="Een sleutel, met QR-code of publieke sleutel // One key, with QR or public key")
@click.argument("name")
@click.option("--qr", is_flag=True, help="toon een QR-code van de rekening // QR of the account")
@click.option("--pub", is_flag=True, help="alleen de publieke sleutel // only the public key")
@click.option(
    "--proof", "proof_for", metavar="WHO",
    help="bewijs voor accounts.set_keys van WHO // proof for accounts.set_keys of WHO",
)  # fmt: skip
@click.pass_obj
def show(terminal: Terminal, name: str, qr: bool, pub: bool, proof_for: str | None) -> None:
    """Show one key; `--proof` makes what another account needs to take it over (interfaces 4)."""
    from wallet.keystore import load_key

    key_file = load_key(terminal.home, name)
    tree = _item(terminal, key_file)
    account = tree["account"]
    tree |= {"qr": account if qr else None}
    if proof_for is not None:
        proof = _proof(terminal, key_file, proof_for)
        terminal.show(tree | {"proof": proof}, [proof])
        return
    if pub:
        terminal.show(tree, [key_file.public_key])
        return
    lines = [
        terminal.text(f"Naam: {name}", f"Name: {name}"),
        terminal.text(f"Rekening: {account}", f"Account: {account}"),
        terminal.text(
            f"Publieke sleutel: {key_file.public_key}", f"Public key: {key_file.public_key}"
        ),
    ]
    if qr and terminal.output == "text":
        from wallet.request import qr_text

        lines += qr_text(account).splitlines()
    terminal.show(tree, lines)


@keys.command(help="Geef een sleutel een andere naam // Give a key another name")
@click.argument("name")
@click.argument("new")
@click.pass_obj
def rename(terminal: Terminal, name: str, new: str) -> None:
    """Rename a key and its file."""
    from wallet.keystore import rename_key

    key_file = rename_key(terminal.home, name, new)
    terminal.show(
        _item(terminal, key_file), [terminal.text(f"{name} heet nu {new}", f"{name} is now {new}")]
    )


@keys.command(help="Verwijder een sleutel // Delete a key")
@click.argument("name")
@click.pass_obj
def delete(terminal: Terminal, name: str) -> None:
    """Delete a key, after a question: it may be the only copy."""
    from wallet.keystore import delete_key, load_key

    key_file = load_key(terminal.home, name)
    kept = key_file.backed_up_at is not None
    terminal.confirm(
        f"Sleutel {name} verwijderen?{'' if kept else ' De woorden zijn nooit nagekeken.'}",
        f"Delete key {name}?{'' if kept else ' Its words were never checked.'}",
    )
    delete_key(terminal.home, name)
    terminal.show(
        _item(terminal, key_file),
        [terminal.text(f"Sleutel {name} verwijderd", f"Key {name} deleted")],
    )


@keys.command("export", help="Schrijf het sleutelbestand weg, of toon de woorden // Export a key")
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--words", is_flag=True, help="toon de woorden // show the words")
@click.pass_obj
def export_(terminal: Terminal, name: str, file: Path | None, words: bool) -> None:
    """Copy the encrypted key file, or show the words that make the key again."""
    from wallet.files import write_new
    from wallet.keystore import (
        disable_core_dumps,
        encode_key_file,
        load_key,
        open_entropy,
        words_of,
    )

    key_file = load_key(terminal.home, name)
    if (file is None) is not words:
        cause = terminal.text("noem FILE of --words", "give FILE or --words")
        terminal.fail(1001, {"cause": cause})
    if file is None:
        disable_core_dumps()
        entropy = open_entropy(key_file, terminal.passphrase(*_ASK), live=not key_file.test_only)
        listed = words_of(entropy).split()
        terminal.show(_item(terminal, key_file) | {"words": listed}, [" ".join(listed)])
        terminal.next_step(f"wijk keys check-backup {name}")
        return
    try:
        write_new(file, encode_key_file(key_file))
    except FileExistsError:
        terminal.fail(1001, {"cause": "exists"})
    terminal.show(
        _item(terminal, key_file) | {"file": str(file)},
        [terminal.text(f"Sleutel {name} staat ook in {file}", f"Key {name} is also in {file}")],
    )


@keys.command("import", help="Neem een sleutelbestand over // Take over a key file")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="onder een andere naam // under another name")
@click.pass_obj
def import_(terminal: Terminal, file: Path, name: str | None) -> None:
    """Import a key file of this or of the web wallet; it stays encrypted."""
    import msgspec

    from wallet.keystore import check_name, load, save_new

    key_file = load(file)
    if name is not None:
        key_file = msgspec.structs.replace(key_file, name=check_name(name))
    path = save_new(terminal.home, key_file)
    said = terminal.text(f"Sleutel {key_file.name} overgenomen", f"Key {key_file.name} imported")
    terminal.show(_item(terminal, key_file) | {"file": str(path)}, [said])
    terminal.next_step("wijk account balance")


@keys.command(help="Kies een andere wachtzin // Choose another passphrase")
@click.argument("name")
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path),
    help="bestand met de nieuwe // file with the new one",
)
@click.pass_obj
def passwd(terminal: Terminal, name: str, new_passphrase_file: Path | None) -> None:
    """Wrap the secret under another passphrase; the key stays the same."""
    import msgspec

    from wallet.config import read_passphrase
    from wallet.keystore import (
        STRONG,
        TEST_ONLY,
        change_passphrase,
        disable_core_dumps,
        load_key,
        save,
    )

    disable_core_dumps()
    key_file = load_key(terminal.home, name)
    old = terminal.passphrase(*_ASK)
    if new_passphrase_file is None:
        new = terminal.ask_secret(*_ASK_NEW, twice=True)
    else:
        changed = msgspec.structs.replace(
            terminal.settings, passphrase_fd=None, passphrase_file=new_passphrase_file
        )
        new = read_passphrase(changed, None)
    params = TEST_ONLY if key_file.test_only else STRONG
    fresh = change_passphrase(key_file, old, new, params, live=not key_file.test_only)
    save(terminal.home, fresh)
    terminal.show(
        _item(terminal, fresh),
        [terminal.text("De wachtzin is veranderd", "The passphrase was changed")],
    )


@keys.command("check-backup", help="Controleer de woorden op papier // Check the words on paper")
@click.argument("name")
@click.option(
    "--words-file",
    type=click.Path(path_type=Path),
    help="bestand met de woorden // file with the words",
)
@click.pass_obj
def check_backup(terminal: Terminal, name: str, words_file: Path | None) -> None:
    """Compare typed words with the key, and note that a backup exists."""
    from wallet.files import read_private
    from wallet.keystore import PASSPHRASE_BYTES_MAX, confirm_backup, load_key, save
    from wallet.times import now_text

    key_file = load_key(terminal.home, name)
    if words_file is None:
        words = terminal.ask_secret(*_ASK_WORDS)
    else:
        try:
            words = read_private(words_file, PASSPHRASE_BYTES_MAX).decode("ascii", "replace")
        except FileNotFoundError:
            terminal.fail(1003, {"name": str(words_file)})
    checked = confirm_backup(key_file, words, at=now_text())
    save(terminal.home, checked)
    said = terminal.text(f"De woorden horen bij {name}", f"The words are those of {name}")
    terminal.show(_item(terminal, checked), [said])


@keys.command("sign", help="Teken een bestand, met een handtekening ernaast // Sign a file")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", metavar="KEY", help="met welke sleutel // with which key")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="waar de handtekening komt // where the signature goes",
)
@click.pass_obj
def sign_(terminal: Terminal, file: Path, key: str | None, out: Path | None) -> None:
    """Write a signature over FILE beside it, as `FILE.sig.json`."""
    from chain.file_signature import SIGNED_BYTES_MAX, encode_signature, sign_file, signature_name
    from wallet.files import write_new
    from wallet.people import own_key

    data = _content(terminal, file, SIGNED_BYTES_MAX)
    key_file = own_key(terminal, key)
    made = sign_file(data, key_file.public_key, _unlock(terminal, key_file))
    path = out or file.with_name(signature_name(file.name))
    try:
        write_new(path, encode_signature(made))
    except FileExistsError:
        terminal.fail(1001, {"cause": "exists"})
    tree = {
        "file": str(file),
        "sha256": made.sha256,
        "account": key_file.account,
        "public_key": made.public_key,
        "signature": str(path),
    }
    name = key_file.name
    said = terminal.text(f"Getekend door {name}: {path}", f"Signed by {name}: {path}")
    terminal.show(tree, [said])
    terminal.next_step(f"wijk keys verify {file}")


@keys.command("verify", help="Controleer wie een bestand tekende // Check who signed a file")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--signature",
    "signature",
    type=click.Path(path_type=Path),
    help="bestand met de handtekening // file with the signature",
)
@click.pass_obj
def verify_(terminal: Terminal, file: Path, signature: Path | None) -> None:
    """Tell whose signature it is; a wrong one ends with exit 8. Needs no network."""
    from chain.address import account_id, account_text
    from chain.file_signature import (
        SIGNATURE_FILE_BYTES_MAX,
        SIGNED_BYTES_MAX,
        check_file,
        decode_signature,
        signature_name,
    )
    from wallet.people import shown_name

    path = signature or file.with_name(signature_name(file.name))
    made = decode_signature(_content(terminal, path, SIGNATURE_FILE_BYTES_MAX))
    check_file(_content(terminal, file, SIGNED_BYTES_MAX), made)
    account = account_text(account_id(bytes.fromhex(made.public_key)))
    name = shown_name(terminal, account)
    tree = {
        "file": str(file),
        "sha256": made.sha256,
        "account": account,
        "name": name,
        "public_key": made.public_key,
        "ok": True,
    }
    who = f"{name} ({account})" if name else account
    said = terminal.text(f"Het bestand is getekend door {who}", f"The file was signed by {who}")
    terminal.show(tree, [said])


def _content(terminal: Terminal, file: Path, bytes_max: int) -> bytes:
    from wallet.files import read_plain

    try:
        return read_plain(file, bytes_max)
    except FileNotFoundError:
        terminal.fail(3007, {"what": str(file)})


def _unlock(terminal: Terminal, key_file: "KeyFile") -> bytes:
    """Return the seed of a key for what is no transaction, so also that of a key for tests."""
    from wallet.keystore import disable_core_dumps, unlock

    disable_core_dumps()
    return unlock(key_file, terminal.passphrase(*_ASK), live=not key_file.test_only)


def _proof(terminal: Terminal, key_file: "KeyFile", who: str) -> str:
    from chain.crypto import sign
    from chain.shared import key_proof_bytes
    from wallet.people import resolve_who
    from wallet.trust import trusted_policy

    account = resolve_who(terminal, who).account
    digest = bytes.fromhex(trusted_policy(terminal).chain_digest)
    return sign(_unlock(terminal, key_file), key_proof_bytes(digest, account, key_file.key)).hex()


def _item(terminal: Terminal, key_file: "KeyFile") -> dict[str, Any]:
    from wallet.kept_accounts import account_of
    from wallet.keystore import slot_names

    return {
        "name": key_file.name,
        "account": account_of(terminal.home, key_file),
        "public_key": key_file.public_key,
        "slots": slot_names(key_file),
        "backed_up": key_file.backed_up_at is not None,
        "created_at": key_file.created_at,
    }
