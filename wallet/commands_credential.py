"""`wijk election credential` and `codes`: keys that vote, on a device or on paper (E14, E32)."""

from pathlib import Path

import click

from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)
CODES_MAX = 500  # of one run; they are printed and closed in envelopes by hand


@click.command(help="Maak uw stemsleutel // Make your voting key")
@click.argument("name", metavar="ID")
@click.option("--trustee", is_flag=True, help="als vertrouwenspersoon // as a trustee")
@click.option("--code", is_flag=True, help="met een code op papier // with a code on paper")
@click.pass_obj
def credential(terminal: Terminal, name: str, trustee: bool, code: bool) -> None:
    """A fresh key for one election; its public part goes to the registrars (E14).

    With `--code` the key of 24 words that a voter without a device was given (E32).
    """
    import secrets

    from wallet.election_keys import ENTROPY_BYTES, make_key, name_credential, name_trustee_key
    from wallet.elections import Reader
    from wallet.keystore import entropy_of_words
    from wallet.times import now_s, time_text

    named = Reader(terminal).find(name)
    key_name = name_trustee_key(named.id) if trustee else name_credential(named.id)
    entropy = secrets.token_bytes(ENTROPY_BYTES)
    if code:
        words = terminal.ask_secret("De woorden van de code", "The words of the code")
        entropy = bytes(entropy_of_words(words))
    word = terminal.passphrase(f"Wachtzin van {key_name}", f"Passphrase of {key_name}", twice=True)
    made = make_key(
        terminal.home, key_name, word, created_at=time_text(now_s()), random=lambda _size: entropy
    )
    tree = {"election": name, "key": key_name, "public_key": made.public_key}
    terminal.show(tree, [made.public_key])


@click.command(help="Codes op papier voor wie geen apparaat heeft // Paper codes for voters")
@click.argument("name", metavar="ID")
@click.option("--count", type=click.IntRange(1, CODES_MAX), required=True, help="hoeveel // many")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="nieuwe map // a new folder",
)
@click.pass_obj
def codes(terminal: Terminal, name: str, count: int, folder: Path) -> None:
    """Make codes of 24 words, a file each, and print their public keys for the roll."""
    import secrets

    from chain.crypto import public_key
    from chain.texts import Problem
    from wallet.election_keys import ENTROPY_BYTES
    from wallet.elections import Reader
    from wallet.files import make_folder, write_new
    from wallet.keystore import derive_seed, words_of

    Reader(terminal).find(name)
    if folder.exists():
        raise Problem(1001, cause=f"{folder}")
    make_folder(folder)
    keys = []
    for number in range(1, count + 1):
        entropy = secrets.token_bytes(ENTROPY_BYTES)
        write_new(folder / f"{number:03}.txt", f"{name}\n{words_of(entropy)}\n".encode())
        keys.append(public_key(derive_seed(entropy, 0)).hex())
    secrets.SystemRandom().shuffle(keys)  # the order says nothing about who gets which paper
    terminal.show({"election": name, "folder": str(folder), "public_keys": keys}, keys)
    terminal.say(
        "Druk elke code een keer af, sluit hem in een envelop en verwijder de map.",
        "Print each code once, close it in an envelope, and delete the folder.",
    )
