"""How a node comes back: open store and head file, prove them, mend or set aside (Y17 to Y23).

A store counts when every pair reads with its checksum, its newest blocks are linked, and its roots
are those of its head. One that a power cut left torn is mended from itself (Y22). One that cannot
be proved keeps its bytes under another name, and the node begins at genesis and fetches every block
from its peers, each by its certificate; head file and guard still know how far it was (Y23).
"""

import logging
import os
from pathlib import Path
from typing import NamedTuple, TypeVar

from chain import log, tree
from chain.codec import decode, digest
from chain.errors import Malformed
from chain.genesis import Genesis
from chain.log import Frontier, tx_leaf_hash
from chain.records import BlockBody, Header, block_id, compute_tx_id
from node.chainstore import GENESIS, STATE, TIP, ChainStore, Tip, create_chain
from node.disk import DISK, Disk, StorageError, StoreDamaged, failing
from node.guard_file import GuardFile, LostGuard
from node.head_file import (
    INSTANCE_BYTES,
    HeadBinding,
    HeadFile,
    HeadForeign,
    HeadVerdict,
    ReadHeads,
    create_head_file,
    judge_head,
    open_head_file,
    read_heads,
)
from node.home import Home
from node.ports import Store
from node.store import (
    choose_kind,
    create_store,
    finish_join,
    finish_swap,
    open_store,
    recover_torn_tail,
    set_aside,
    verify_store,
)

LINKS_AT_START = 1_000  # reliability Y21: blocks whose links are walked at every start

_log = logging.getLogger("wijk.node")

T = TypeVar("T")


class StoreForeign(StorageError):
    """The store of another chain lies here: stop (reliability Y20)."""


class Opened(NamedTuple):
    """A chain as a start found or mended it."""

    store: ChainStore
    heads: HeadFile


def open_chain(
    home: Home,
    setting: str,
    genesis: Genesis,
    own_key: bytes,
    guard: GuardFile | LostGuard | None,
    disk: Disk = DISK,
) -> Opened:
    """Open the chain in `home`; `setting` is `node.storage`.

    Raises `StoreDamaged` where store and head file contradict each other, or where a chain of this
    one validator has nobody to fetch from; `HeadForeign` and `StoreForeign` for files of others.
    """
    finish_swap(home.store, disk)  # before anybody asks whether there is a store
    finish_join(home.store, disk)
    kind = choose_kind(setting, home.store)
    read = _read_heads(home, genesis, guard, disk)
    alone = [validator.public_key for validator in genesis.doc.validators] == [own_key.hex()]
    chain = _open_proven(home, kind, genesis, read, disk, keep=alone)
    if chain is None:
        chain = ChainStore(_begin_again(home, kind, genesis, disk))
    tip = chain.tip
    if read is None:
        if isinstance(guard, GuardFile):  # Y26: an ack may be unknown here, also after a restart
            guard.raise_to(max(tip.height + 1, guard.height))
        return Opened(chain, _begin_heads(home, genesis, guard, tip, disk))
    joined = 0 if chain.joined is None else chain.joined.height
    verdict = judge_head(tip.height, tip.block_id, read.heads, joined)
    if verdict is HeadVerdict.FOREIGN:
        chain.store.close()
        raise StoreDamaged(f"{home.head} and the store tell different stories (reliability Y20)")
    heads = open_head_file(home.head, read.binding, disk)
    if tip.height > heads.last.height:
        heads.append(tip.height, tip.block_id, tip.log_root, tip.state_root)
    return Opened(chain, heads)


def choose_instance(head: Path) -> bytes:
    """Return the instance that a new guard gets: that of the head file, else a fresh one (Y19)."""
    try:
        return read_heads(head.read_bytes()).binding.instance
    except (OSError, StoreDamaged):
        return os.urandom(INSTANCE_BYTES)


def prove_chain(store: Store, genesis: Genesis, *, deep: bool = False) -> ChainStore:
    """Return the chain in a store; raise `StoreDamaged` unless it is whole up to its tip (Y21).

    `deep` walks every block, and computes state root and log root again from their leaves (Y22).
    """
    try:
        tip = decode(Tip, _need(store.get(TIP), "tip"))
        chain = ChainStore(store)
        lowest = 0 if chain.joined is None else chain.joined.first - 1  # below it blocks may lack
        above = 0 if deep else tip.height - LINKS_AT_START
        _prove_links(chain, genesis, max(lowest, above))
        _expect(tree.get_root(chain.read_node) == tip.state_root, "state tree")
        frontier = log.frontier_at(tip.log_size, chain.read_log_node)
        _expect((frontier.roots, log.root(frontier)) == (tip.frontier, tip.log_root), "log")
        if deep:
            state = ((key[1:], value) for key, value in store.scan(STATE, STATE + b"\xff"))
            _expect(tree.get_root(tree.build(state).get) == tip.state_root, "state")
            _expect(log.root(_log_from_leaves(chain)) == tip.log_root, "log of all leaves")
        return chain
    except (Malformed, AssertionError) as error:  # what a block needs was written with it
        raise StoreDamaged(f"the store does not hold its chain: {error}") from error


def _prove_links(chain: ChainStore, genesis: Genesis, above: int) -> None:
    """Walk from the tip down to the block `above`: each names its contents and the one below."""
    tip = chain.tip
    expected = tip.block_id
    for height in range(tip.height, above, -1):
        raw_header, raw_body, _, envelopes = _need(chain.raw_block(height), f"block {height}")
        header, body = decode(Header, raw_header), decode(BlockBody, raw_body)
        _expect(header.height == height, f"height of block {height}")
        _expect(block_id(header) == expected, f"link to block {height}")
        _expect(digest(body) == header.body_hash, f"body of block {height}")
        _expect(
            body.tx_ids == tuple(map(compute_tx_id, envelopes)), f"transactions of block {height}"
        )
        certificate = chain.certificate(height)
        _expect(certificate is not None and certificate.block_id == expected, "certificate")
        if height == tip.height:
            roots = (header.state_root, header.log_size, header.log_root)
            _expect((tip.state_root, tip.log_size, tip.log_root) == roots, "tip")
        expected = header.parent_id
    if above == 0:
        _expect(expected == genesis.digest, "link to genesis")


def _log_from_leaves(chain: ChainStore) -> Frontier:
    joined = chain.joined
    frontier = Frontier(0, ()) if joined is None else Frontier(joined.log_size, joined.frontier)
    for height in range(chain.whole_from, chain.tip.height + 1):
        leaves = [tx_leaf_hash(done.tx_id, done.code) for done in chain.outcomes(height)]
        frontier, _ = log.append(frontier, leaves)
    return frontier


def _open_proven(
    home: Home, kind: str, genesis: Genesis, read: ReadHeads | None, disk: Disk, *, keep: bool
) -> ChainStore | None:
    """Return the chain once it is proved, or None where there is none any more (Y21, Y22, Y23).

    `keep` leaves a store that cannot be proved where it is, and raises.
    """

    def is_sound(store: Store) -> bool:
        prove_chain(store, genesis, deep=True)
        tip = decode(Tip, _need(store.get(TIP), "tip"))
        return (
            read is not None and judge_head(tip.height, tip.block_id, read.heads) is HeadVerdict.OK
        )

    store = None
    try:
        if not disk.exists(home.store):
            raise StoreDamaged(f"{home.store} is gone")
        try:
            store = open_store(home.store, kind, disk)
        except StoreDamaged as error:
            _log.warning("store.torn", extra={"why": str(error)})
            store = recover_torn_tail(home.store, kind, is_sound, disk)
        if store.get(GENESIS) not in (None, genesis.canonical):
            raise StoreForeign(f"{home.store} is of another chain")
        verify_store(store)
        return prove_chain(store, genesis)
    except StoreDamaged as error:
        if store is not None:
            store.close()
        if keep:
            raise StoreDamaged(
                f"{error}. This chain has no other node to fetch it from."
            ) from error
        _log.error("store.lost", extra={"why": f"{error}; fetching every block from peers"})
        if disk.exists(home.store):
            set_aside(home.store, disk)
        return None
    except BaseException:
        if store is not None:
            store.close()
        raise


def _begin_again(home: Home, kind: str, genesis: Genesis, disk: Disk) -> Store:
    """Make the store of height 0, whole before it has its name."""
    begun = home.store.with_name(home.store.name + ".begun")
    if disk.exists(begun):  # a crash left it half made
        disk.remove_folder(begun)
    store = create_store(begun, kind, disk)
    try:
        create_chain(store, genesis)
    finally:
        store.close()
    disk.rename(begun, home.store)
    disk.sync_folder(home.root)
    return open_store(home.store, kind, disk)


def _read_heads(
    home: Home, genesis: Genesis, guard: GuardFile | LostGuard | None, disk: Disk
) -> ReadHeads | None:
    """Return the head file as read, or None where it is lost: then it is set aside (Y26)."""
    try:
        if not disk.exists(home.head):
            raise StoreDamaged(f"{home.head}: the head file is missing")
        with failing(f"read {home.head}"):
            data = home.head.read_bytes()
        read = read_heads(data)
    except StoreDamaged as error:
        _log.error("head.lost", extra={"why": f"{error}; signing nothing until the next block"})
        if disk.exists(home.head):
            set_aside(home.head, disk)
        return None
    of_node = guard is None or read.binding.instance == guard.instance
    if read.binding.genesis_digest != genesis.digest or not of_node:
        raise HeadForeign(f"{home.head}: the head file belongs to another chain or another node")
    return read


def _begin_heads(
    home: Home, genesis: Genesis, guard: GuardFile | LostGuard | None, tip: Tip, disk: Disk
) -> HeadFile:
    instance = os.urandom(INSTANCE_BYTES) if guard is None else guard.instance
    binding = HeadBinding(genesis.digest, instance)
    roots = (tip.log_root, tip.state_root)
    return create_head_file(home.head, binding, tip.height, tip.block_id, roots, disk)


def _need(value: T | None, what: str) -> T:
    if value is None:
        raise StoreDamaged(f"the store has no {what}")
    return value


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise StoreDamaged(f"the store holds a wrong {what}")
