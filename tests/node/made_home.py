"""The home of a validator that ran for a few blocks and stopped: store, head file and guard."""

from pathlib import Path

from chain.crypto import sha256, sign
from node.chainstore import ChainStore
from node.guard_file import open_guard
from node.head_file import HeadBinding, open_head_file
from node.home import Home
from node.setup import init_home
from node.store import open_store
from tests.audit.made_chain import MadeChain, make_chain
from tests.federation import key, seed

CHAIN = make_chain()
TOP = len(CHAIN.raws)
NAME = "node-delfshaven"
INSTANCE = sha256(b"instance")[:16]


def make_home(root: Path, kind: str, chain: MadeChain = CHAIN) -> Home:
    """Return a home whose node stands at the end of `chain` and has signed up to there."""
    settings = {"node.storage": kind}
    home = init_home(root, chain.genesis, seed(NAME), bytes(32), INSTANCE, settings)
    home.lock.touch(mode=0o600)
    grow(home, kind, chain)
    return home


def grow(home: Home, kind: str, chain: MadeChain) -> None:
    """Apply the blocks of `chain` that the home lacks."""
    store = open_store(home.store, kind)
    heads = open_head_file(home.head, HeadBinding(chain.genesis.digest, INSTANCE))
    stored = ChainStore(store)
    for block in chain.decided[stored.tip.height :]:
        tip = stored.apply(*block)
        heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
    heads.close()
    store.close()
    guard = open_guard(home.guard, key(NAME), chain.genesis.digest, lambda m: sign(seed(NAME), m))
    guard.raise_to(len(chain.decided))
    guard.close()
