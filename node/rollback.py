"""The way back from a root mismatch: the chain executed anew, up to some blocks ago (S11).

A state that gives other roots is wrong somewhere, and nobody knows where. So nothing of it is
kept: the blocks of the store, each with its certificate, are executed again from genesis on into a
new store, which proves itself block by block against the roots that the validators certified. Only
then does it take the place of the old one, which keeps another name. Guard and head file are left
as they are, so the node signs nothing until it has fetched back what it rolled back (D10, Y20).
"""

from collections.abc import Callable
from pathlib import Path

from chain.codec import decode
from chain.contract import Chain
from chain.crypto import verify
from chain.errors import Malformed
from chain.execute import check_results, execute_block, get_set
from chain.genesis import Genesis
from chain.keyspaces import SET_NOW
from chain.records import BlockBody, Header, block_id, decode_tx
from chain.validators import CommitCertificate, check_commit_certificate
from node.chainstore import ChainStore, Tip, create_chain
from node.disk import DISK, Disk, StoreDamaged
from node.home import Home
from node.store import (
    choose_kind,
    create_store,
    finish_join,
    finish_swap,
    open_store,
    set_aside,
)


def roll_back(
    home: Home,
    genesis: Genesis,
    chain: Chain,
    own_key: bytes,
    blocks: int,
    told: Callable[[int], None],
    disk: Disk = DISK,
) -> tuple[Tip, Path]:
    """Take the newest `blocks` off the chain; return the new tip, and where the old store went.

    `told` hears each height. Raises `StoreDamaged` where a stored block cannot be read or does
    not give the certified roots, and `Malformed` where there are not so many: then nothing has
    changed. A crash between the two renames leaves no store, and the node fetches every block.
    """
    finish_swap(home.store, disk)
    finish_join(home.store, disk)
    kind = choose_kind("auto", home.store)
    begun = home.store.with_name(home.store.name + ".begun")
    if disk.exists(begun):  # a crash left it half made
        disk.remove_folder(begun)
    old_store = open_store(home.store, kind, disk)
    try:
        old = ChainStore(old_store)
        goal = old.tip.height - blocks
        if get_set(old.read_state, SET_NOW).keys == (own_key,):
            raise Malformed("this chain has no other node to fetch the blocks from again")
        if old.joined is not None:
            raise Malformed(
                f"this node began with a snapshot of block {old.joined.height}, and the blocks"
                " up to it are still coming"
            )
        if goal < 0:
            raise Malformed(f"the chain has {old.tip.height} blocks here, not {blocks}")
        new_store = create_store(begun, kind, disk)
        try:
            create_chain(new_store, genesis)
            new = ChainStore(new_store)
            for height in range(1, goal + 1):
                _execute_again(old, new, chain, height)
                told(height)
            new.note_joining(joins=old.joins)
            tip = new.tip
        finally:
            new_store.close()
    except BaseException:
        if disk.exists(begun):
            disk.remove_folder(begun)
        raise
    finally:
        old_store.close()
    aside = set_aside(home.store, disk)
    disk.rename(begun, home.store)
    disk.sync_folder(home.root)
    return tip, aside


def _execute_again(old: ChainStore, new: ChainStore, chain: Chain, height: int) -> None:
    """Take one stored block over, once its certificate and its roots hold (S3, S5)."""
    try:
        raw = old.raw_block(height)
        if raw is None:
            raise Malformed("it is not stored")
        header, body = decode(Header, raw[0]), decode(BlockBody, raw[1])
        certificate = decode(CommitCertificate, raw[2])
        txs = tuple(decode_tx(envelope, chain.table.union) for envelope in raw[3])
        if certificate.block_id != block_id(header) or certificate.height != height:
            raise Malformed("its certificate is of another block")
        validators = get_set(new.read_state, SET_NOW)
        check_commit_certificate(certificate, validators, chain.chain_id, verify)
        base = new.base()
        executed = execute_block(base, chain, header, body, txs)
        check_results(header, executed, base)
    except (Malformed, AssertionError) as error:  # what a block needs was written with it
        raise StoreDamaged(f"block {height} cannot be executed again: {error}") from error
    new.apply(header, body, certificate, txs, executed)
