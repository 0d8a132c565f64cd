"""`wijk board accept`: who was elected takes the seat, with a key for it alone (E11, E39)."""

from typing import TYPE_CHECKING

import click

from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.elections import Named, Reader


@click.command(help="Neem de zetel waarin u gekozen bent // Take the seat you were elected to")
@click.argument("name", metavar="ELECTION")
@click.option(
    "--seat-key",
    metavar="KEY",
    required=True,
    help="nieuwe sleutel voor de zetel // a new key for the seat",
)
@click.option("--key", metavar="KEY", required=True, help="uw eigen sleutel // your own key")
@click.pass_obj
def accept(terminal: Terminal, name: str, seat_key: str, key: str) -> None:
    """`board.accept_seat` with the proof that the new key is in your hands."""
    from chain.address import parse_account
    from chain.crypto import sign
    from chain.shared import key_proof_bytes
    from contracts.board import AcceptSeat
    from wallet.commands_election import send_step
    from wallet.elections import Reader
    from wallet.keystore import load_key
    from wallet.order import find_account, named_keys, unlock_keys

    reader = Reader(terminal)
    named = reader.find(name)
    account = find_account(terminal, named_keys(terminal, [key]))
    seat = _find_seat(terminal, reader, named, parse_account(account["account"]))
    new = load_key(terminal.home, seat_key)
    seed = unlock_keys(terminal, reader.policy, [new])[new.name]
    proof = sign(seed, key_proof_bytes(reader.digest, named.id, new.key))
    said = (
        f"Zetel {seat} van {name} aannemen; in het bestuur tekent u met {seat_key}.",
        f"Accept seat {seat} of {name}; on the board you sign with {seat_key}.",
    )
    send_step(terminal, AcceptSeat(named.id, seat, new.key, proof), (key,), said, named)


def _find_seat(terminal: Terminal, reader: "Reader", named: "Named", account: bytes) -> int:
    """Return the number of the own seat: 1 is that of the first elected (`chain/elections.py`)."""
    from chain.elections import CANDIDATES, COUNTED
    from wallet.commands_election import require

    result = reader.get(COUNTED, named.id)
    elected = () if result is None else result.elected
    own = [
        seat
        for seat, number in enumerate(elected, 1)
        if reader.need(CANDIDATES, named.id, number).account == account
    ]
    why = terminal.text(
        f"u bent bij {named.name} niet gekozen, of er is nog geen uitslag",
        f"you were not elected in {named.name}, or there is no result yet",
    )
    require(bool(own), why)
    return own[0]
