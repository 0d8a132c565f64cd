"""A new node home: keys, genesis, an empty store at height 0, guard and head file (D10, D16).

Key and guard are made together, so the first start of a chain passes the join barrier.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from chain.crypto import public_key, sign
from chain.errors import Malformed
from chain.genesis import Genesis, load_genesis
from chain.light import trust_genesis
from chain.policy import build_policy, write_policy
from chain.strict_json import canonical_json, parse_json
from consensus.guard import Binding
from node.chainstore import ChainStore, create_chain
from node.config import Value, write_config
from node.disk import StorageError
from node.guard_file import create_guard
from node.head_file import HeadBinding, create_head_file, read_heads
from node.home import (
    Home,
    check_private,
    compute_ballast_bytes,
    make_ballast,
    make_home,
    replace_file,
)
from node.identity import create_identity
from node.store import choose_kind, create_store

KEY_FILE_BYTES_MAX = 4096
INSTANCE_BYTES = 16


class NodeKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keys/consensus.json`: the validator's secret, kept by file mode 0600 or a credential."""

    format: str
    public_key: str
    secret: str

    def __repr__(self) -> str:
        return f"NodeKey({self.public_key[:16]})"


def load_node_key(path: Path) -> bytes:
    """Return the secret seed, 32 bytes, of a consensus key file, or raise `Malformed`."""
    check_private(path)
    data = path.read_bytes()
    if len(data) > KEY_FILE_BYTES_MAX:
        raise Malformed(f"{path}: not a consensus key file")
    key = parse_json(data, NodeKey)
    seed = bytes.fromhex(key.secret)
    if key.format != "wijk/node-key/1" or public_key(seed).hex() != key.public_key:
        raise Malformed(f"{path}: the secret does not belong to the public key")
    return seed


def init_home(
    root: Path,
    genesis: Genesis,
    seed: bytes,
    transport_seed: bytes,
    instance: bytes,
    settings: Mapping[str, Value],
) -> Home:
    """Make a node home from nothing; `seed` is the consensus key, `instance` 16 random bytes.

    Raise `StorageError` where something is in the way.
    """
    assert len(instance) == INSTANCE_BYTES
    for path in (Home(root).consensus_key, Home(root).guard, Home(root).store):
        if path.exists():  # before anything is written: a key is never overwritten
            raise StorageError(f"{path} exists: this folder already holds a node")
    home = make_home(root)
    key = public_key(seed)
    replace_file(home.genesis, genesis.canonical)
    if not home.policy.exists():  # whom to trust is never replaced (interfaces 3.5)
        validators = trust_genesis(genesis).validators
        policy = build_policy(genesis.doc.chain_id, genesis.digest, [(1, None, validators)])
        replace_file(home.policy, write_policy(policy).encode())
    replace_file(
        home.consensus_key,
        canonical_json(
            {"format": "wijk/node-key/1", "public_key": key.hex(), "secret": seed.hex()}
        ),
    )
    create_identity(home.transport_key, transport_seed)
    _begin_chain(home, genesis, seed, instance, str(settings.get("node.storage", "auto")))
    make_ballast(home, compute_ballast_bytes(genesis.doc.purpose))
    replace_file(home.config, write_config(settings).encode())
    return home


def reset_home(root: Path, genesis: Genesis) -> None:
    """Put a node of a test chain back at height 0. Never done where money is real (D10)."""
    if genesis.doc.purpose == "live":
        raise Malformed("a live chain is never reset")
    home = Home(root)
    seed = load_node_key(home.consensus_key)
    heads = read_heads(home.head.read_bytes())
    kind = choose_kind("auto", home.store)
    for folder in (home.store, home.snapshots, *home.root.glob(f"{home.store.name}.join*")):
        shutil.rmtree(folder, ignore_errors=True)  # of another history, too
    make_home(root)
    home.guard.unlink()
    home.head.unlink()
    _begin_chain(home, genesis, seed, heads.binding.instance, kind)


def _begin_chain(home: Home, genesis: Genesis, seed: bytes, instance: bytes, kind: str) -> None:
    """Make store, head file and guard at height 0 (consensus D10, D16)."""
    store = create_store(home.store, choose_kind(kind))
    create_chain(store, genesis)
    tip = ChainStore(store).tip
    store.close()
    binding = HeadBinding(genesis.digest, instance)
    create_head_file(home.head, binding, 0, tip.block_id, (tip.log_root, tip.state_root)).close()
    guard = Binding(public_key(seed), genesis.digest, instance)
    create_guard(home.guard, guard, lambda message: sign(seed, message)).close()


def check_genesis(data: bytes, expected_sha256: str) -> Genesis:
    """Return the genesis in `data`; raise `Malformed` if it is not the expected one."""
    genesis = load_genesis(data)
    if expected_sha256 and genesis.digest.hex() != expected_sha256:
        raise Malformed(
            f"genesis has digest {genesis.digest.hex()}, the settings ask for {expected_sha256}"
        )
    return genesis
