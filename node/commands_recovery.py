"""`wijk node rejoin|rollback` and `wijk signer`: bringing a node back, by hand (D8, D12, S11, 3.7).

All but `signer lock` need the node to be stopped: they hold its home as the node would.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from chain.terminal import Terminal

if TYPE_CHECKING:
    from chain.file_signature import FileSignature
    from chain.genesis import Genesis
    from node.home import Home

EXIT_CONFIGURATION = 78
SIGNATURE_BYTES_MAX = 4 * 1024


class Stopped(NamedTuple):
    """A node that does not run, and that nobody can start meanwhile."""

    home: "Home"
    genesis: "Genesis"
    seed: bytes
    key: bytes
    guard: Path
    wijk: str
    storage: str


@click.command(
    help="Zet een beschadigde tekenwacht opzij en sluit weer aan // Set a damaged guard aside"
)
@click.option(
    "--override-height",
    metavar="H",
    type=click.IntRange(1),
    help="teken op deze hoogte, met toestemming van het bestuur // sign at this height",
)
@click.option(
    "--approval",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="handtekening van een bestuurslid // signature of a board member",
)
@click.pass_obj
def rejoin(terminal: Terminal, override_height: int | None, approval: tuple[Path, ...]) -> None:
    """Make the next start pass the join barrier; with an approval, open one height instead."""
    with stopped_node(terminal) as node:
        if override_height is not None:
            _override(terminal, node, override_height, approval)
        elif approval:
            terminal.fail(1001, {"cause": "--override-height"})
        else:
            _set_aside(terminal, node)


@click.command(help="Neem het nieuwste blok terug en bereken alles opnieuw // Take a block back")
@click.option(
    "--blocks",
    metavar="N",
    type=click.IntRange(1),
    required=True,
    help="hoeveel blokken terug; gewoonlijk 1 // how many blocks back; normally 1",
)
@click.pass_obj
def rollback(terminal: Terminal, blocks: int) -> None:
    """Execute the chain again up to some blocks ago; the node fetches the rest again."""
    from chain.contract import Table
    from chain.errors import Malformed
    from contracts import CONTRACTS
    from node.disk import StorageError
    from node.rollback import roll_back

    with stopped_node(terminal) as node:
        terminal.confirm(
            f"De keten van {node.home.root} opnieuw berekenen, {blocks} blok(ken) terug?",
            f"Execute the chain of {node.home.root} again, {blocks} block(s) back?",
        )
        chain = node.genesis.chain(Table(CONTRACTS))

        def told(height: int) -> None:
            if height % 1_000 == 0:
                terminal.say(f"  blok {height}", f"  block {height}")

        try:
            tip, aside = roll_back(node.home, node.genesis, chain, node.key, blocks, told)
        except (Malformed, StorageError) as error:
            terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
        _note(node, {"command": "node rollback", "blocks": blocks, "height": tip.height})
    tree = {
        "home": str(node.home.root),
        "height": tip.height,
        "block_id": tip.block_id.hex(),
        "state_root": tip.state_root.hex(),
        "set_aside": str(aside),
    }
    said = terminal.text(
        f"De keten staat op blok {tip.height}; de oude opslag ligt in {aside}.",
        f"The chain stands at block {tip.height}; the old store lies in {aside}.",
    )
    terminal.show(tree, [said])
    terminal.say(
        "Start de node: hij haalt de rest bij de anderen, en tekent daarna weer.",
        "Start the node: it fetches the rest from the others, and then signs again.",
    )


@click.group(help="De sleutel die stemt // The key that votes")
def signer() -> None:
    """The signer of a node."""


@signer.group(help="Verhuis de tekenwacht naar een andere machine // Move the sign guard")
def state() -> None:
    """The state of the guard."""


@state.command("export", help="Vergrendel hier, en schrijf waar het ophield // Lock, and write")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def export_(terminal: Terminal, file: Path) -> None:
    """Lock the guard of this node until it imports again, and write its state."""
    from node.disk import StorageError
    from node.guard_state import encode_state, export_state
    from node.home import replace_file

    with stopped_node(terminal) as node:
        if file.exists():
            terminal.fail(1001, {"cause": "exists"})
        terminal.confirm(
            "Deze node tekent daarna niets meer, tot hij weer importeert. Doorgaan?",
            "This node signs nothing any more after this, until it imports again. Go on?",
        )
        with guard_faults(terminal):
            made = export_state(node.guard, node.key, node.genesis.digest, now_text())
        try:
            replace_file(file.absolute(), encode_state(made))
        except StorageError as error:
            terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
        _note(node, {"command": "signer state export", "file": str(file)})
    _show_state(terminal, made)
    terminal.say(
        f"Breng {file} en de sleutel naar de andere machine, en daar:"
        f" wijk signer state import {file.name}",
        f"Take {file} and the key to the other machine, and there:"
        f" wijk signer state import {file.name}",
    )


@state.command("import", help="Ga verder waar een andere machine ophield // Go on from another")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def import_(terminal: Terminal, file: Path) -> None:
    """Take the higher of the own and the given position; refuse another chain or key."""
    from node.guard_state import import_state, is_own_state
    from node.recovery import choose_instance

    told = read_state(terminal, file)
    with stopped_node(terminal) as node:
        if is_own_state(node.guard, told, node.key, node.genesis.digest):
            terminal.say(
                "Deze stand komt van deze node zelf. Tekende een andere machine sindsdien met deze"
                " sleutel, exporteer dan daar, en importeer die stand.",
                "This state is of this very node. If another machine has signed with this key"
                " since, export there, and import that state.",
            )
            type_name(terminal, node.wijk)
        instance = choose_instance(node.home.head)
        with guard_faults(terminal):
            mark = import_state(node.guard, told, node.key, node.genesis.digest, instance)
        _note(node, {"command": "signer state import", "file": str(file)})
    tree = {
        "home": str(node.home.root),
        "watermark": {"height": mark.height, "round": mark.round, "step": mark.step},
        "locked": False,
    }
    said = terminal.text(
        f"Deze node tekent weer, boven hoogte {mark.height}, ronde {mark.round} ({mark.step}).",
        f"This node signs again, above height {mark.height}, round {mark.round} ({mark.step}).",
    )
    terminal.show(tree, [said])


@state.command("show", help="Toon een geëxporteerde stand // Show an exported state")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def show_(terminal: Terminal, file: Path) -> None:
    """Print what a state file says; nothing is changed."""
    _show_state(terminal, read_state(terminal, file))


@signer.command(help="Laat de draaiende node niets meer tekenen // Let the node sign nothing")
@click.pass_obj
def lock(terminal: Terminal) -> None:
    """Stop signing at once; only a start of the node undoes it."""
    from node.admin_client import ask_admin, node_home

    found = ask_admin(terminal, node_home(terminal), "/admin/v1/signer/lock", "POST")
    said = terminal.text(
        "De node volgt en tekent niets meer, tot hij opnieuw start.",
        "The node follows and signs nothing any more, until it starts again.",
    )
    terminal.show(found, [said])


# ------------------------------------------------------------------------------------ inside


@contextmanager
def stopped_node(terminal: Terminal) -> Iterator[Stopped]:
    """Hold the home of a node that does not run; 78 where it runs, or is not in order."""
    from chain.crypto import public_key
    from chain.errors import Malformed
    from node.admin_client import node_home
    from node.config import ConfigInvalid, load_config
    from node.disk import StorageError
    from node.home import Home, lock_home
    from node.setup import check_genesis, load_node_key

    home = Home(node_home(terminal))
    try:
        config = load_config(home.config, os.environ)
        genesis = check_genesis(home.genesis.read_bytes(), config.text("chain.genesis_sha256"))
        seed = load_node_key(home.root / config.text("signer.key"))
        held = lock_home(home)
    except ConfigInvalid as error:
        terminal.fail(1002, {"errors": error.faults}, exit_code=EXIT_CONFIGURATION)
    except (Malformed, StorageError, OSError) as error:
        terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
    key = public_key(seed)
    wijken = [doc.wijk for doc in genesis.doc.validators if doc.public_key == key.hex()]
    try:
        yield Stopped(
            home,
            genesis,
            seed,
            key,
            home.root / config.text("signer.guard"),
            wijken[0] if wijken else config.text("node.name"),
            config.text("node.storage"),
        )
    finally:
        held.release()


def _set_aside(terminal: Terminal, node: Stopped) -> None:
    """Set a guard aside that cannot be used, and say what the next start does (D8, D10)."""
    from consensus.guard import GuardDamaged
    from node.guard_file import GuardLocked, GuardMissing, open_guard
    from node.store import set_aside

    what, aside = "kept", None
    with guard_faults(terminal):
        try:
            open_guard(node.guard, node.key, node.genesis.digest, lambda _: b"").close()
        except GuardMissing:
            what = "missing"
        except GuardDamaged:
            what = "damaged"
        except GuardLocked:
            what = "locked"
    if what == "damaged":
        terminal.confirm(
            "De tekenwacht is beschadigd. Opzij zetten, en weer aansluiten bij de anderen?",
            "The sign guard is damaged. Set it aside, and join the others again?",
        )
    elif what != "kept":
        terminal.say(
            "Zonder tekenwacht weet deze node niet wat zijn sleutel al tekende. Tekent een andere"
            " machine met deze sleutel, dan raakt de wijk haar stem kwijt.",
            "Without its guard this node does not know what its key has signed. If another machine"
            " signs with this key, the wijk loses its vote.",
        )
        type_name(terminal, node.wijk)
    if what in ("damaged", "locked"):
        aside = set_aside(node.guard)
    _note(node, {"command": "node rejoin", "guard": what})
    tree = _rejoined(node, "set_aside" if aside else what, aside, None)
    if what == "kept":
        said = terminal.text(
            "De tekenwacht is in orde en blijft zoals hij is.",
            "The sign guard is sound and stays as it is.",
        )
    else:
        said = terminal.text(
            "Na de volgende start kijkt de node toe tot de anderen één blok verder zijn; daarna"
            " tekent hij weer.",
            "After the next start the node looks on until the others are one block further; then"
            " it signs again.",
        )
    terminal.show(tree, [said])


def _override(terminal: Terminal, node: Stopped, height: int, signatures: tuple[Path, ...]) -> None:
    """Open one height for this key, with the approval of its board (D12)."""
    from chain.errors import Malformed
    from consensus.guard import Binding
    from node.approval import check_approval, find_wijk, make_approval
    from node.guard_state import open_by_approval
    from node.home import replace_file
    from node.recovery import choose_instance

    with _open_state(terminal, node) as (_, state):
        wijk = find_wijk(state, node.key) or node.wijk  # genesis does not know who joined later
    approval = make_approval(node.genesis.digest, node.key, wijk, height)
    if not signatures:
        path = node.home.root / f"rejoin-{height}.json"
        replace_file(path, approval)
        said = terminal.text(
            f"Laat het bestuur van {wijk} {path} tekenen, ieder met: wijk keys sign",
            f"Let the board of {wijk} sign {path}, each with: wijk keys sign",
        )
        terminal.show({"approval": str(path), "height": height}, [said])
        return
    made = [_read_signature(terminal, path) for path in signatures]
    with _open_state(terminal, node) as (tip, state):
        if height != tip.height + 1:
            cause = terminal.text(
                f"de open hoogte is {tip.height + 1}, niet {height}",
                f"the open height is {tip.height + 1}, not {height}",
            )
            terminal.fail(1001, {"cause": cause})
        try:
            check_approval(state, wijk, approval, made)
        except Malformed as error:
            terminal.fail(1001, {"cause": str(error)})
    terminal.say(
        f"LET OP: tekende een verloren schijf al op hoogte {height}, dan tekent deze sleutel nu"
        " twee keer. Dat kan deze wijk haar stem kosten, en bij meer dan één de keten splitsen.",
        f"WARNING: if a lost disk has signed at height {height}, this key signs twice now. That can"
        " cost this wijk its vote, and split the chain where it happens to more.",
    )
    type_name(terminal, wijk)
    binding = Binding(node.key, node.genesis.digest, choose_instance(node.home.head))
    _note(node, {"command": "node rejoin", "override_height": height, "signatures": len(made)})
    with guard_faults(terminal):
        aside = open_by_approval(node.guard, binding, height)
    said = terminal.text(
        f"Na de volgende start tekent deze node vanaf hoogte {height}.",
        f"After the next start this node signs from height {height} on.",
    )
    terminal.show(_rejoined(node, "opened", aside, height), [said])


def _rejoined(node: Stopped, guard: str, aside: Path | None, height: int | None) -> dict[str, Any]:
    return {
        "home": str(node.home.root),
        "wijk": node.wijk,
        "guard": guard,
        "set_aside": None if aside is None else str(aside),
        "override_height": height,
    }


@contextmanager
def _open_state(terminal: Terminal, node: Stopped) -> Iterator[Any]:
    """Give the tip and the newest state of the store."""
    from chain.state import State
    from node.chainstore import ChainStore
    from node.disk import StorageError
    from node.store import choose_kind, open_store

    try:
        store = open_store(node.home.store, choose_kind(node.storage, node.home.store))
    except StorageError as error:
        terminal.fail(1002, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)
    try:
        chain = ChainStore(store)
        yield chain.tip, State(chain.read_state)
    finally:
        store.close()


@contextmanager
def guard_faults(terminal: Terminal) -> Iterator[None]:
    """End with 1010 and exit 78 where a guard cannot be used so."""
    from consensus.guard import GuardDamaged, GuardForeign
    from node.disk import StorageError

    try:
        yield
    except (GuardDamaged, GuardForeign, StorageError) as error:
        terminal.fail(1010, {"errors": [str(error)]}, exit_code=EXIT_CONFIGURATION)


def type_name(terminal: Terminal, wijk: str) -> None:
    """Let a person type the name of the wijk; `--yes` does not answer this (interfaces 3.7)."""
    typed = terminal.ask(
        f"Typ de naam van uw wijk ({wijk})", f"Type the name of your wijk ({wijk})"
    )
    if typed.strip() != wijk:
        cause = terminal.text("de naam klopt niet", "the name is another")
        terminal.fail(1001, {"cause": cause})


def read_state(terminal: Terminal, file: Path) -> Any:
    """Return the guard state in a file from outside."""
    from chain.errors import Malformed
    from node.guard_state import STATE_BYTES_MAX, decode_state

    try:
        with file.open("rb") as opened:
            return decode_state(opened.read(STATE_BYTES_MAX + 1))
    except FileNotFoundError:
        terminal.fail(3007, {"what": str(file)})
    except (Malformed, OSError) as error:
        terminal.fail(1001, {"cause": f"{file}: {error}"})


def _read_signature(terminal: Terminal, path: Path) -> "FileSignature":
    from chain.file_signature import decode_signature

    try:
        with path.open("rb") as opened:
            return decode_signature(opened.read(SIGNATURE_BYTES_MAX))
    except OSError as error:
        terminal.fail(1001, {"cause": f"{path}: {error.strerror}"})


def _show_state(terminal: Terminal, made: Any) -> None:
    import msgspec

    mark = made.watermark
    said = terminal.text(
        f"Sleutel {made.public_key}: hoogte {mark.height}, ronde {mark.round} ({mark.step})",
        f"Key {made.public_key}: height {mark.height}, round {mark.round} ({mark.step})",
    )
    terminal.show(msgspec.to_builtins(made), [said])


def _note(node: Stopped, line: dict[str, Any]) -> None:
    """Write who did what into `admin.log` (interfaces 2.5)."""
    from node.home import append_line

    told = {"ts": now_text(), "pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid(), **line}
    append_line(node.home.admin_log, json.dumps(told).encode() + b"\n")


def now_text() -> str:
    """Return the time now as in every answer (interfaces 1.3)."""
    from node.views import time_text

    return time_text(time.time_ns() // 1_000_000)
