"""`wijk election second`: support a candidate with your signature, in the candidate's file (E1)."""

import json
from pathlib import Path

import click

from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path)


@click.command(help="Steun een kandidaat in diens bestand // Second a candidate in the own file")
@click.argument("name", metavar="ID")
@click.argument("file", type=_FILE)
@click.option("--candidate", "who", metavar="WHO", required=True, help="wie // who stands")
@click.option("--key", metavar="KEY", required=True, help="uw sleutel // your key")
@click.pass_obj
def second(terminal: Terminal, name: str, file: Path, who: str, key: str) -> None:
    """Add the own signature to FILE, which goes from hand to hand and then to `nominate`."""
    from msgspec.structs import replace

    from chain.address import parse_account
    from chain.call_json import call_to_json
    from chain.crypto import sign
    from contracts.election import Nominate
    from contracts.election.call import Seconder, second_bytes
    from wallet.commands_election import require
    from wallet.commands_tx import read_call
    from wallet.elections import Reader
    from wallet.files import replace as write
    from wallet.order import TABLE, find_account, named_keys, unlock_keys
    from wallet.people import holds_key, resolve_who

    reader = Reader(terminal)
    named = reader.find(name)
    asked: Nominate = read_call(terminal, file, "election.nominate")
    require(asked.election == named.id, f"{file}: election")
    (signer,) = named_keys(terminal, [key])
    account = find_account(terminal, [signer])
    index, mine = holds_key(account, signer), parse_account(account["account"])
    assert index is not None, "the account was found by this key"
    candidate = resolve_who(terminal, who)
    twice = terminal.text(f"{key} staat er al bij", f"{key} is in there already")
    require(mine not in [one.account for one in asked.seconders], f"{file}: {twice}")
    terminal.say(
        f"U steunt {who} bij {name}, met {len(asked.pledges)} beloften.",
        f"You second {who} in {name}, with {len(asked.pledges)} pledges.",
    )
    terminal.confirm("Klopt dit?", "Is this right?")
    seed = unlock_keys(terminal, reader.policy, [signer])[signer.name]
    signed = second_bytes(reader.digest, named.id, candidate.account, asked.name, asked.pledges)
    hand = Seconder(mine, index, sign(seed, signed))
    done = call_to_json(TABLE, replace(asked, seconders=(*asked.seconders, hand)))
    write(file, json.dumps(done, indent=1).encode() + b"\n")
    count = len(asked.seconders) + 1
    said = terminal.text(f"{count} steunbetuigingen in {file}", f"{count} seconders in {file}")
    terminal.show({"election": name, "file": str(file), "seconders": count}, [said])
