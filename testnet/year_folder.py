"""A year of a wijk as the folder of a network: a chain in its first node, and the bank's files."""

from collections.abc import Callable
from pathlib import Path

from chain.genesis import load_genesis
from node.chainstore import ChainStore
from node.head_file import HeadBinding, open_head_file
from node.home import Home
from node.store import choose_kind, open_store
from testnet.create import create_network
from testnet.demo import GENESIS_FOLDER
from testnet.network import Network
from testnet.year import Played, Year
from testnet.year_plan import Size, plan_year
from wallet.files import make_folder, write_new

BANK_FOLDER, PAYOUT_FOLDER = "bank", "payouts"


def create_year(
    folder: Path,
    size: Size,
    seed: int,
    base_port: int,
    on_day: Callable[[int], None] = lambda _date: None,
) -> tuple[Network, Played, list[Path]]:
    """Make the network, play its year into the first node, and write `bank/<wijk>-<month>.xml`.

    The other nodes stand at genesis and fetch the year as any node that comes late.
    """
    plan = plan_year(GENESIS_FOLDER / "rotterdam.json", size, str(seed).encode())
    network = create_network(folder, plan, seed=seed, base_port=base_port, storage="auto")
    home = Home(Path(network.file.nodes[0].home))
    genesis = load_genesis(home.genesis.read_bytes())
    store = open_store(home.store, choose_kind("auto", home.store))
    try:
        chain = ChainStore(store)
        year = Year(plan, size, genesis, chain)
        played = year.play(on_day)
        instance = plan.seed(f"instance {plan.nodes[0].name}")[:16]
        head = open_head_file(home.head, HeadBinding(genesis.digest, instance))
        try:
            tip = chain.tip
            head.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
        finally:
            head.close()
    finally:
        store.close()
    make_folder(folder / PAYOUT_FOLDER)
    for number, data in enumerate(year.payouts, start=1):
        write_new(folder / PAYOUT_FOLDER / f"pain001-{number:04d}.xml", data)
    make_folder(folder / BANK_FOLDER)
    files = []
    for name, data in year.files.items():
        path = folder / BANK_FOLDER / name
        write_new(path, data)
        files.append(path)
    return network, played, files
