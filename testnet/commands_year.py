"""`wijk testnet year`: a network that has a year behind it, and the bank's files (L1 to L3)."""

from pathlib import Path

import click

from wallet.terminal import Terminal

PROFILES = ("small", "L1", "L2", "L3")


@click.command(help="Een netwerk met een heel jaar erin // A network with a whole year in it")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    envvar="WIJK_TESTNET",
    help="nieuwe map // new folder",
)
@click.option(
    "--profile", "name", type=click.Choice(PROFILES), default="small", help="hoe groot // size"
)
@click.option(
    "--days", type=click.IntRange(10, 365), help="korter dan een jaar // less than a year"
)
@click.option("--base-port", type=click.IntRange(0, 64_000), default=27_100, help="0 // free")
@click.option(
    "--seed", type=int, default=7, help="zelfde zaad, zelfde jaar // same seed, same year"
)
@click.pass_obj
def year(
    terminal: Terminal, folder: Path, name: str, days: int | None, base_port: int, seed: int
) -> None:
    """Write the folder of a network, the chain of its first node, and `bank/`."""
    from msgspec.structs import replace

    from chain.texts import Problem
    from testnet.create import is_empty
    from testnet.year_folder import create_year
    from testnet.year_plan import SIZES

    if not is_empty(folder):
        cause = terminal.text(f"{folder} is niet leeg", f"{folder} is not empty")
        raise Problem(1002, errors=[cause])
    size = SIZES[name] if days is None else replace(SIZES[name], days=days)
    months: list[int] = []

    def told(date: int) -> None:
        if date // 100 not in months:
            months.append(date // 100)
            terminal.say(f"maand {date // 100 % 100}", f"month {date // 100 % 100}")

    network, played, files = create_year(folder, size, seed, base_port, told)
    first = network.file.nodes[0]
    tree = {
        "dir": str(network.folder),
        "chain_id": network.file.chain_id,
        "chain_digest": network.file.chain_digest,
        "seed": seed,
        "home": first.home,
        "height": played.blocks,
        "transactions": played.transactions,
        "refused": played.refused,
        "calls": dict(sorted(played.by_call.items())),
        "bank_files": sorted(str(file) for file in files),
    }
    said = terminal.text(
        f"{played.blocks} blokken, {played.transactions} opdrachten: {first.home}",
        f"{played.blocks} blocks, {played.transactions} transactions: {first.home}",
    )
    terminal.show(tree, [said])
    terminal.next_step(f"wijk audit verify --dir {first.home}")
