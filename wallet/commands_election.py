"""`wijk election`: from the call to the handover (interfaces 1.6, economy section 10).

An election is named `<wijk>/<n>`. Voters use a key that is made for one election; trustees act from
one key of their own, and their next step follows from the chain.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

if TYPE_CHECKING:
    from wallet.elections import Named, Reader

_FILE = click.Path(path_type=Path)
_FILE_BYTES_MAX = 2 * 1024 * 1024  # a roll of 6,144 keys in hex is 400 kB
_id = click.argument("name", metavar="ID")


@click.group(help="Verkiezingen en geheime stemmingen // Elections and secret votes")
def election() -> None:
    """Elections."""


@election.command("list", help="Toon de verkiezingen // List the elections")
@click.option("--wijk", metavar="SLUG", help="van welke wijk // of which wijk")
@click.pass_obj
def list_(terminal: Terminal, wijk: str | None) -> None:
    """Every election, by id."""
    page = terminal.client.elections(wijk)
    rows = [
        (item["id"], _phase(terminal, item), item["closes_at"], str(item["ballots"]))
        for item in page["items"]
    ]
    head = terminal.text("verkiezing,fase,sluit,biljetten", "election,phase,closes,ballots")
    columns = ("id", "wijk", "seats", "method", "phase", "closes_at", "eligible", "ballots")
    terminal.show_page(page, head.split(","), rows, columns)


@election.command(help="Toon een verkiezing // Show an election")
@_id
@click.pass_obj
def show(terminal: Terminal, name: str) -> None:
    """What `GET /v1/elections/{wijk}/{n}` says."""
    item = terminal.client.election(name)
    lines = [
        f"{item['id']}: {_phase(terminal, item)}",
        *(f"  {key}: {value}" for key, value in item["calendar"].items()),
        terminal.text(
            f"{item['ballots']} biljetten van {item['eligible']} stemgerechtigden",
            f"{item['ballots']} ballots of {item['eligible']} voters",
        ),
    ]
    if item["reason"] is not None:
        lines.append(terminal.text(f"Reden: {item['reason']}", f"Reason: {item['reason']}"))
    trustees = item["trustees"]
    if trustees["waits_for"]:
        who = ", ".join(trustees["waits_for"])
        step, until = trustees["step"], trustees["due_at"]
        lines.append(
            terminal.text(
                f"Stap {step}, tot {until}: wacht op {who}",
                f"Step {step}, until {until}: waits for {who}",
            )
        )
    result = item["result"]
    if result is not None:
        counts = ", ".join(f"{key}: {value}" for key, value in result["counts"].items())
        blank, elected = result["blank"], ", ".join(map(str, result["elected"])) or "-"
        lines.append(
            terminal.text(
                f"Uitslag: {counts}; blanco: {blank}; gekozen: {elected}",
                f"Result: {counts}; blank: {blank}; elected: {elected}",
            )
        )
    terminal.show(item, lines)
    from wallet.election_guide import say_next

    say_next(terminal, item)


def _phase(terminal: Terminal, item: dict[str, Any]) -> str:
    """Return the phase, and beside it that nothing of this counts (E32)."""
    mark = terminal.text("OEFENING, telt niet mee", "REHEARSAL, decides nothing")
    return f"{item['phase']} ({mark})" if item["rehearsal"] else str(item["phase"])


@election.command(help="Schrijf een verkiezing uit // Call an election")
@click.option("--seats", type=click.IntRange(min=0), help="hoeveel zetels // how many seats")
@click.option("--method", metavar="M", help="zoals approval // such as approval")
@click.option("--calendar", "file", type=_FILE, required=True, help="de velden // the fields")
@keys_option
@click.pass_obj
def call(
    terminal: Terminal, seats: int | None, method: str | None, file: Path, names: tuple[str, ...]
) -> None:
    """`election.call`: FILE holds the other fields of the call by their catalogue names."""
    from msgspec.structs import replace

    from wallet.commands_tx import read_call

    asked = read_call(terminal, file, "election.call")
    asked = replace(
        asked,
        seats=asked.seats if seats is None else seats,
        method=asked.method if method is None else method.upper(),
    )
    said = ("Een verkiezing uitschrijven.", "Call an election.")
    send_step(terminal, asked, names, said, None)


@election.command(help="Stel u kandidaat // Stand as a candidate")
@_id
@click.option("--pledges", "file", type=_FILE, required=True, help="naam, beloften, steun // FILE")
@keys_option
@click.pass_obj
def nominate(terminal: Terminal, name: str, file: Path, names: tuple[str, ...]) -> None:
    """`election.nominate`: FILE holds the other fields of the call."""
    from wallet.commands_tx import read_call

    named = _find(terminal, name)[1]
    asked = read_call(terminal, file, "election.nominate")
    require(asked.election == named.id, f"{file}: election")
    said = (f"U kandidaat stellen bij {name}.", f"Stand in {name}.")
    send_step(terminal, asked, names, said, named)


@election.command(help="Doe uw volgende stap als vertrouwenspersoon // Take your next trustee step")
@_id
@keys_option
@click.pass_obj
def keys(terminal: Terminal, name: str, names: tuple[str, ...]) -> None:
    """`election.dkg`: commit, deal, confirm, complain or answer, whichever is due."""
    from wallet.elections import make_step

    reader, named = _find(terminal, name)
    account, seed, chosen = _own(terminal, reader, named, names)
    asked = make_step(reader, named, account, seed)
    said = (f"Sleutel van {name}: {asked.phase}.", f"Key of {name}: {asked.phase}.")
    send_step(terminal, asked, chosen, said, named)


@election.command("open", help="Open het stemmen // Open voting")
@_id
@keys_option
@click.pass_obj
def open_(terminal: Terminal, name: str, names: tuple[str, ...]) -> None:
    """`election.open`: the manifest follows from the proven state."""
    from chain.elections import KEY_READY, VOTERS_FROZEN
    from chain.manifest import fix
    from contracts.election import Open
    from contracts.election.ballots import derive_manifest
    from wallet.elections import ProvenState

    reader, named = _find(terminal, name)
    ready = named.election.status == (KEY_READY if named.election.trustees else VOTERS_FROZEN)
    require(
        ready,
        terminal.text(
            f"{name} kan nog niet open: eerst de kiezerslijst en de sleutel",
            f"{name} cannot open yet: roll and key come first",
        ),
    )
    quorum = int(terminal.client.params()["params"]["quorum_pct"])
    manifest = derive_manifest(ProvenState(terminal), reader.digest, named.id, quorum)
    asked = Open(named.id, fix(manifest).digest)
    said = (f"Het stemmen bij {name} openen.", f"Open voting in {name}.")
    send_step(terminal, asked, names, said, named)


@election.command(help="Stem, of maak een biljet om te controleren // Vote, or make one to check")
@_id
@click.argument("numbers", nargs=-1, type=click.IntRange(min=1), metavar="NUMMER...")
@click.option("--spoil", "file", type=_FILE, help="schrijf het biljet, breng het niet uit // FILE")
@click.pass_obj
def cast(terminal: Terminal, name: str, numbers: tuple[int, ...], file: Path | None) -> None:
    """`election.cast` with the key of this election; without numbers it is a blank vote.

    Where options get points, a number that stands three times gives three.
    """
    from chain.ballot import tracker_of
    from chain.crypto import sha256
    from chain.elections import CREDENTIALS
    from contracts.election import Cast
    from wallet.ballots import choose_or_score, make_ballot, make_open_ballot
    from wallet.election_keys import name_credential
    from wallet.files import write_new
    from wallet.keystore import load_key

    reader, named = _find(terminal, name)
    require(
        named.election.manifest is not None,
        terminal.text(f"het stemmen bij {name} is nog niet open", f"voting in {name} is not open"),
    )
    fixed = reader.fixed(named.id)
    key_file = load_key(terminal.home, name_credential(named.id))
    voter = bytes.fromhex(key_file.public_key)
    secret = bool(fixed.manifest.trustees)
    opening = b""
    if secret:
        made = make_ballot(fixed, voter, choose_or_score(fixed, numbers))
        data, opening = made.data, made.opening_data
    else:
        data = make_open_ballot(fixed, voter, numbers)
    digest, tracker = sha256(data), tracker_of(data)
    if file is not None:
        require(secret, "--spoil")
        write_new(file, opening)
        tree = {"election": name, "ballot_hash": digest.hex(), "tracker": tracker}
        terminal.show({**tree, "replaces": None}, [tracker])
        terminal.say(
            "Dit bestand verraadt uw keuze; het biljet erin wordt nooit uitgebracht.",
            "This file tells what you chose; the ballot in it is never cast.",
        )
        terminal.next_step(f"wijk election challenge {file}")
        return
    row = reader.get(CREDENTIALS, named.id, voter)
    before = None if row is None or row.ballot is None else row.ballot.hex()
    shown = ", ".join(map(str, numbers)) or terminal.text("blanco", "blank")
    said = (
        f"Bij {name} stemmen: {shown}. Uw biljet heet {tracker}.",
        f"Vote in {name}: {shown}. Your ballot is called {tracker}.",
    )
    extra = {"ballot_hash": digest.hex(), "tracker": tracker, "replaces": before}
    asked = Cast(named.id, digest, len(data))
    _send_as_voter(terminal, asked, named, said, data, extra)


@election.command(help="Laat zien wat een biljet verbergt // Show what a ballot hides")
@click.argument("file", type=_FILE)
@click.pass_obj
def challenge(terminal: Terminal, file: Path) -> None:
    """`election.challenge`: the opening that `cast --spoil` wrote; that ballot never counts."""
    from chain.ballot import OPENING_BYTES_MAX, check_opening
    from chain.crypto import sha256
    from contracts.election import Challenge
    from wallet.election_keys import name_credential
    from wallet.elections import Reader, read_election_id
    from wallet.files import read_named
    from wallet.keystore import load_key

    reader = Reader(terminal)
    data = read_named(file, OPENING_BYTES_MAX)
    named = reader.find_by_id(read_election_id(file, data))
    voter = bytes.fromhex(load_key(terminal.home, name_credential(named.id)).public_key)
    opening = check_opening(reader.fixed(named.id), voter, data)
    digest = sha256(opening.ballot)
    asked = Challenge(named.id, digest, sha256(data), len(data))
    said = (
        "Dit biljet openen: iedereen kan het nalezen en het telt nooit mee.",
        "Open this ballot: everybody can read it, and it never counts.",
    )
    extra = {"ballot_hash": digest.hex(), "choices": list(opening.values), "matches": True}
    values = list(zip(reader.fixed(named.id).slots, opening.values, strict=True))
    shown = ", ".join(f"{slot}: {value}" for slot, value in values if slot)
    blank = dict(values).get(0, 0)
    line = terminal.text(
        f"Uw apparaat was eerlijk. Verborgen was {shown}; blanco: {blank}.",
        f"Your device was honest. Hidden was {shown}; blank: {blank}.",
    )
    _send_as_voter(terminal, asked, named, said, data, extra, line)


@election.command(help="Tel de stemmen op // Add up the votes")
@_id
@keys_option
@click.pass_obj
def tally(terminal: Terminal, name: str, names: tuple[str, ...]) -> None:
    """`election.tally`: anybody may, after closing."""
    from contracts.election import Tally

    named = _find(terminal, name)[1]
    said = (f"De stemmen van {name} optellen.", f"Add up the votes of {name}.")
    send_step(terminal, Tally(named.id), names, said, named)


@election.command(help="Geef uw deel om de uitslag te openen // Give your part to open the result")
@_id
@keys_option
@click.pass_obj
def share(terminal: Terminal, name: str, names: tuple[str, ...]) -> None:
    """`election.decrypt_share`, by a trustee."""
    from wallet.elections import make_share

    reader, named = _find(terminal, name)
    account, seed, chosen = _own(terminal, reader, named, names)
    asked = make_share(reader, named, account, seed)
    said = (f"Uw deel geven van {name}.", f"Give your part of {name}.")
    send_step(terminal, asked, chosen, said, named)


@election.command(help="Leg de uitslag vast // Set the result")
@_id
@keys_option
@click.pass_obj
def result(terminal: Terminal, name: str, names: tuple[str, ...]) -> None:
    """`election.result`: counts follow from the sums and the shares that were given."""
    from chain.tally import find_counts, get_count_max, open_sums
    from contracts.election import SetResult
    from wallet.elections import get_shares

    reader, named = _find(terminal, name)
    fixed, counted = reader.fixed(named.id), named.election
    counts: tuple[int, ...] = ()
    if counted.trustees and counted.ballots:
        points = open_sums(fixed, counted.sums, get_shares(reader, named))
        counts = find_counts(points, get_count_max(fixed, counted.ballots))
    elif counted.trustees:
        counts = (0,) * len(fixed.slots)
    shown = ", ".join(map(str, counts))
    said = (f"De uitslag van {name}: {shown}.", f"The result of {name}: {shown}.")
    send_step(terminal, SetResult(named.id, counts), names, said, named)


@election.command("object", help="Maak bezwaar tegen de uitslag // Object to the result")
@_id
@click.option("--ground", "file", type=_FILE, required=True, help="uw bezwaar in woorden // FILE")
@click.option("--code", default="OTHER", metavar="CODE", help="grond in een woord // ground")
@keys_option
@click.pass_obj
def object_(terminal: Terminal, name: str, file: Path, code: str, names: tuple[str, ...]) -> None:
    """`election.object`: the text stays off the chain, its digest is what is decided about."""
    from chain.crypto import sha256
    from contracts.election import ObjectTo
    from wallet.files import read_named

    named = _find(terminal, name)[1]
    text = sha256(read_named(file, _FILE_BYTES_MAX))
    said = (f"Bezwaar maken tegen {name} ({code}).", f"Object to {name} ({code}).")
    send_step(terminal, ObjectTo(named.id, "RAISE", code, text), names, said, named)


@election.command(help="Doe de volgende stap van de overdracht // Take the next handover step")
@_id
@click.option("--evidence", "file", type=_FILE, help="de lijst van deze stap // the list of it")
@keys_option
@click.pass_obj
def handover(terminal: Terminal, name: str, file: Path | None, names: tuple[str, ...]) -> None:
    """`election.hand_over`: OVERLAP, KEYS, VAULT and CHECKLIST, in this order."""
    from chain.crypto import sha256
    from chain.handover import CHECKLIST, HANDOVERS, STEPS, VAULT
    from contracts.election import HandOver
    from wallet.files import read_named

    reader, named = _find(terminal, name)
    row = reader.get(HANDOVERS, named.id)
    done = 0 if row is None or row.step is None else STEPS.index(row.step) + 1
    require(done < len(STEPS), f"{name}: DONE")
    listed = STEPS[done] in (VAULT, CHECKLIST)
    why = terminal.text(
        f"stap {STEPS[done]} vraagt {'' if listed else 'geen '}--evidence FILE",
        f"step {STEPS[done]} wants {'' if listed else 'no '}--evidence FILE",
    )
    require(listed == (file is not None), why)
    evidence = None if file is None else sha256(read_named(file, _FILE_BYTES_MAX))
    asked = HandOver(named.id, STEPS[done], evidence)  # type: ignore[arg-type]
    said = (f"Overdracht na {name}: {asked.step}.", f"Handover after {name}: {asked.step}.")
    send_step(terminal, asked, names, said, named)


def _find(terminal: Terminal, name: str) -> "tuple[Reader, Named]":
    from wallet.elections import Reader

    reader = Reader(terminal)
    return reader, reader.find(name)


def require(held: bool, cause: str) -> None:
    """Raise `Problem` 1001 with this cause unless something holds."""
    from chain.texts import Problem

    if not held:
        raise Problem(1001, cause=cause)


def _own(
    terminal: Terminal, reader: "Reader", named: "Named", names: Sequence[str]
) -> tuple[bytes, bytes, tuple[str, ...]]:
    """Return account, ceremony seed and signing key of a trustee."""
    from chain.address import parse_account
    from wallet.election_keys import name_trustee_key
    from wallet.keystore import load_key
    from wallet.order import find_account, named_keys, unlock_keys

    (signer,) = named_keys(terminal, names)
    account = find_account(terminal, [signer])
    secret = load_key(terminal.home, name_trustee_key(named.id))
    seeds = unlock_keys(terminal, reader.policy, [signer, secret])
    return parse_account(account["account"]), seeds[secret.name], (signer.name,)


def send_step(
    terminal: Terminal,
    asked: Any,
    names: Sequence[str],
    said: tuple[str, str],
    named: "Named | None",
    *,
    blobs: Sequence[bytes] = (),
) -> None:
    """Send a call about an election; `named` is None for the call that makes one."""
    from wallet.elections import Reader
    from wallet.finish import finish
    from wallet.order import send_call

    sent = send_call(terminal, asked, names, "election", said, blobs=blobs)
    done = terminal.text("Gedaan.", "Done.")
    name = None if named is None else named.name
    if named is None and sent.tx["status"] == "final":
        name = Reader(terminal).find_by_id(bytes.fromhex(sent.tx["tx"])).name
    phase = None if name is None else terminal.client.election(name)["phase"]
    lines = [done] if named is not None else [name or done]
    finish(terminal, sent, {"election": name, "phase": phase}, lines)


def _send_as_voter(
    terminal: Terminal,
    asked: Any,
    named: "Named",
    said: tuple[str, str],
    data: bytes,
    extra: dict[str, Any],
    line: str | None = None,
) -> None:
    """Send by the key of this election, which is no account: the roll authorises it (E14)."""
    from wallet.election_keys import name_credential
    from wallet.finish import finish
    from wallet.keystore import load_key
    from wallet.order import send_call

    key_file = load_key(terminal.home, name_credential(named.id))
    account = {
        "account": key_file.account,
        "wijk": named.election.wijk,
        "kind": "credential",
        "threshold": 1,
        "keys": [{"index": 0, "public_key": key_file.public_key}],
    }
    sent = send_call(
        terminal, asked, (key_file.name,), "ballot", said, account=account, blobs=[data]
    )
    lines = [str(extra["tracker"]) if line is None else line]
    finish(terminal, sent, {"election": named.name, **extra}, lines)
