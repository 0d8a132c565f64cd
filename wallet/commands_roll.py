"""`wijk election roll`: two registrars publish who may vote, by keys that name nobody (E14)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.elections import Named

_FILE = click.Path(path_type=Path)
_FILE_BYTES_MAX = 2 * 1024 * 1024  # a roll of 6,144 keys in hex is 400 kB
_KEY_DIGITS = 64


@click.command(help="Stel de kiezerslijst vast // Freeze the roll")
@click.argument("name", metavar="ID")
@click.option(
    "--credentials", "file", type=_FILE, required=True, help="een sleutel per regel // a key a line"
)
@click.option(
    "--draft",
    type=_FILE,
    help="toets dit concept aan uw lijst en verstuur het // check it with your list and send it",
)
@keys_option
@click.pass_obj
def roll(
    terminal: Terminal, name: str, file: Path, draft: Path | None, names: tuple[str, ...]
) -> None:
    """`election.voter_root`: FILE has one public key in hex a line, in any order.

    With the key of one registrar it writes a draft. The other holds it against an own FILE with
    `--draft`, signs with `wijk tx sign`, and sends with `--draft`: the keys travel beside the call.
    """
    from chain.crypto import sha256
    from chain.manifest import compute_voters_root
    from chain.records import BLOB_BYTES_MAX, Blob
    from chain.voters import count_voters
    from contracts.election import VoterRoot
    from wallet.commands_election import send_step
    from wallet.elections import ProvenState, Reader

    named = Reader(terminal).find(name)
    keys = read_roll(terminal, file)
    data = b"".join(keys)
    blobs = [data[at : at + BLOB_BYTES_MAX] for at in range(0, len(data), BLOB_BYTES_MAX)]
    if draft is not None:
        _send_draft(terminal, named, draft, blobs)
        return
    height = int(terminal.client.status()["height"])
    eligible = count_voters(ProvenState(terminal), named.election.wijk, height)
    parts = tuple(Blob(sha256(blob), len(blob)) for blob in blobs)
    asked = VoterRoot(named.id, height, eligible, parts, compute_voters_root(keys))
    parts_nl, parts_en = f"in {len(blobs)} delen", f"in {len(blobs)} parts"
    said = (
        f"De kiezerslijst van {name}: {len(keys)} stemsleutels van {eligible} kiezers, {parts_nl}.",
        f"The roll of {name}: {len(keys)} voting keys of {eligible} voters, {parts_en}.",
    )
    send_step(terminal, asked, names, said, named, blobs=blobs)


def read_roll(terminal: Terminal, file: Path) -> list[bytes]:
    """Return the keys of a file in their order, or `Problem` 1001 that says what is wrong."""
    from chain.records import BLOB_BYTES_MAX, BLOBS_MAX
    from contracts.election.roll import CREDENTIAL_BYTES
    from wallet.commands_election import require
    from wallet.files import read_named

    words = read_named(file, _FILE_BYTES_MAX).decode("ascii", "replace").lower().split()
    require(all(len(word) == _KEY_DIGITS for word in words), f"{file}: hex")
    most = BLOBS_MAX * BLOB_BYTES_MAX // CREDENTIAL_BYTES
    require(
        len(words) <= most,
        terminal.text(
            f"{file}: {len(words)} stemsleutels; een keten neemt er {most} (ADR 0084)",
            f"{file}: {len(words)} voting keys; a chain takes {most} (ADR 0084)",
        ),
    )
    double = len(words) - len(set(words))
    require(double == 0, terminal.text(f"{file}: {double} dubbel", f"{file}: {double} twice"))
    try:
        keys = sorted(bytes.fromhex(word) for word in words)
    except ValueError:
        keys = []
    require(bool(keys), f"{file}: hex")
    return keys


def _send_draft(terminal: Terminal, named: "Named", file: Path, blobs: Sequence[bytes]) -> None:
    """Send a draft with its keys beside it, once it is of this very list and fully signed."""
    from chain.crypto import sha256
    from chain.errors import Malformed
    from chain.records import carry
    from contracts.election import VoterRoot
    from wallet.commands_election import require
    from wallet.commands_tx import read_draft
    from wallet.finish import finish
    from wallet.order import TABLE
    from wallet.outbox import Sent
    from wallet.send import draft_result, send
    from wallet.sign import draft_envelope, draft_fields
    from wallet.trust import trusted_policy

    draft = read_draft(file)
    try:
        call = TABLE.decode(bytes(draft_fields(draft).call))
    except Malformed:
        call = None
    mine = [(sha256(blob), len(blob)) for blob in blobs]
    same = isinstance(call, VoterRoot) and call.election == named.id
    same = same and [(blob.digest, blob.size) for blob in call.credentials] == mine
    require(
        same,
        terminal.text(
            f"{file} is niet de kiezerslijst van uw bestand: teken dit niet",
            f"{file} is not the roll of your file: do not sign it",
        ),
    )
    terminal.say(
        f"{file} is precies uw lijst van {sum(map(len, blobs)) // 32} stemsleutels.",
        f"{file} is exactly your list of {sum(map(len, blobs)) // 32} voting keys.",
    )
    extra = {"election": named.name, "phase": None}
    envelope = draft_envelope(draft)
    if envelope is None:
        finish(terminal, draft_result(file, len(draft.signatures), draft.need), extra, [])
        return
    terminal.confirm("Deze opdracht versturen?", "Send this order?")
    sent = Sent(carry(envelope, blobs), None, None, None)
    result = send(terminal, trusted_policy(terminal), sent)
    extra["phase"] = terminal.client.election(named.name)["phase"]
    finish(terminal, result, extra, [terminal.text("Gedaan.", "Done.")])
