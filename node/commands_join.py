"""`wijk board join-request`: a node asks to join the validators (interfaces 1.6, 3.7).

It runs where the node's keys lie. The file goes to the board, by hand or as a QR code.
"""

import io
import os
import time
from pathlib import Path

import click

from chain.terminal import Terminal
from node.admin_client import EXIT_CONFIGURATION, load_settings, node_home

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_OUT = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "join-request", help="Vraag om mee te stemmen met deze node // Ask to join with this node"
)
@click.option("--wijk", metavar="W", help="voor welke wijk // for which wijk")
@click.option("--operator", metavar="ACCOUNT", help="wie de node beheert // who runs the node")
@click.option("--out", type=_OUT, metavar="F", help="waarheen // where to")
@click.option("--qr", is_flag=True, help="toon ook een QR-code // show a QR code too")
@click.pass_obj
def join_request(
    terminal: Terminal, wijk: str | None, operator: str | None, out: Path | None, *, qr: bool
) -> None:
    """Write the signed request, with a report of the newest block of a node."""
    from chain.crypto import public_key, sign
    from chain.errors import Malformed
    from chain.genesis import load_genesis
    from chain.join_request import (
        FORMAT,
        VALID_S,
        JoinRequest,
        RecentBlock,
        join_bytes,
        write_join_request,
    )
    from contracts.wijk import node_proof_bytes, ready_proof_bytes
    from node.client import Client
    from node.disk import StorageError
    from node.home import Home, replace_file
    from node.identity import BadTransportKey, load_identity
    from node.main import get_version
    from node.setup import load_node_key
    from node.views import time_text

    root = node_home(terminal)
    home, settings = Home(root), load_settings(terminal, root)
    address, name = settings.text("p2p.external"), settings.text("node.name")
    if not address:
        cause = terminal.text(
            "zet p2p.external in node.toml: waar de anderen deze node vinden",
            "set p2p.external in node.toml: where the others find this node",
        )
        terminal.fail(1001, {"cause": cause})
    try:
        genesis = load_genesis(home.genesis.read_bytes())
        seed = load_node_key(root / settings.text("signer.key"))
        transport = load_identity(home.transport_key).transport_key
    except (Malformed, BadTransportKey, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
    slug = wijk or name
    url = terminal.given.get("node") or os.environ.get("WIJK_NODE")
    client = Client([url or f"http://{settings.text('api.listen')}"], lang=terminal.lang)
    try:
        block = client.block("latest")
        board = client.get(f"/v1/board/{slug}")
    finally:
        client.close()
    key, digest = public_key(seed), genesis.digest
    block_id, height = bytes.fromhex(block["block_id"]), int(block["height"])
    now_ms = time.time_ns() // 1_000_000
    created, expires = time_text(now_ms), time_text(now_ms + VALID_S * 1000)
    request = JoinRequest(
        format=FORMAT,
        chain_digest=digest.hex(),
        wijk=slug,
        name=name or slug,
        public_key=key.hex(),
        transport_key=transport.hex(),
        address=address,
        operator=operator or board["account"],
        version=get_version(),
        created_at=created,
        expires_at=expires,
        proof=sign(seed, node_proof_bytes(digest, key, transport)).hex(),
        ready=RecentBlock(
            block_id.hex(),
            height,
            sign(seed, ready_proof_bytes(digest, key, transport, block_id, height)).hex(),
        ),
    )
    data = write_join_request(request, sign(seed, join_bytes(request)))
    path = out or root / f"{request.name}.join.json"
    try:
        replace_file(path, data)
    except StorageError as error:
        terminal.fail(1002, {"errors": [str(error)]})
    lines = [
        terminal.text(
            f"Verzoek voor wijk {slug}: {path}; geef het aan het bestuur, binnen 24 uur.",
            f"Request for wijk {slug}: {path}; give it to the board, within 24 hours.",
        )
    ]
    if qr:
        lines += _qr_lines(data)
    tree = {
        "file": str(path),
        "wijk": slug,
        "name": request.name,
        "public_key": request.public_key,
        "address": address,
        "height": height,
        "expires_at": expires,
        "qr": base45(data) if qr else None,
    }
    terminal.show(tree, lines)


def base45(data: bytes) -> str:
    """Return bytes in the 45 letters that a QR code packs best (RFC 9285)."""
    text = ""
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, letter = divmod(number, 45)
            text += _BASE45[letter]
    return text


def _qr_lines(data: bytes) -> list[str]:
    import segno

    out = io.StringIO()
    segno.make_qr(base45(data), error="l").terminal(out=out, border=2, compact=True)
    return out.getvalue().splitlines()
