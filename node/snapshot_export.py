"""A snapshot as one file: out of the home of a node, and into the home of a new one (S7).

    line "wijk/snapshot/1" | manifest length 4 | manifest | the chunks, one after the other

It is what nodes send each other (`node/snapshot.py`), for where no link is fast enough. Peers prove
their chain header by header; a file has one header, so the operator names the block it has to be
of, as a wallet proved it. Everything else follows from that block: state, blocks, log, validators.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from chain.crypto import sha256, verify
from chain.errors import Malformed
from chain.execute import get_set
from chain.genesis import Genesis
from chain.keyspaces import SET_LAST, SET_NOW
from chain.light import trust_block
from node.backup import FREE_LEFT_BYTES
from node.chainstore import STATE, ChainStore
from node.disk import DISK, StorageError
from node.head_file import read_heads
from node.home import Home, get_free_bytes, lock_home
from node.messages import CHUNK_BYTES, MANIFEST_BYTES_MAX
from node.ports import Store
from node.snapshot import Offer, read_manifest
from node.snapshot_build import Builder
from node.store import begin_join, choose_kind, keep_join, open_store

MAGIC = b"wijk/snapshot/1\n"
_LENGTH = 4

Tell = Callable[[int, int], None]  # chunks that are done, and of how many


def write_snapshot(home: Home, height: int | None, path: Path, tell: Tell) -> dict[str, object]:
    """Write a snapshot of this home, the newest or that of `height`, to a new file.

    Nothing in the home changes, and the node may run: a snapshot that is there stays as it is.
    Raise `Malformed` where a chunk is not what it was, `StorageError` where there is none.
    """
    names = sorted(home.snapshots.glob("*.manifest"), reverse=True)
    wanted = [one for one in names if height is None or one.stem == f"{height:010}"]
    if not wanted:
        raise StorageError(f"{home.snapshots} holds no snapshot" + _of(height))
    manifest = _read_bounded(wanted[0])
    offer = read_manifest(manifest)
    with path.open("xb") as out:
        try:
            with wanted[0].with_suffix(".chunks").open("rb") as source:
                head = MAGIC + len(manifest).to_bytes(_LENGTH, "big") + manifest
                for part in (head, *_chunks(source, offer, tell)):
                    out.write(part)
            out.flush()
            DISK.sync(out.fileno())
        except BaseException:
            path.unlink()
            raise
    DISK.sync_folder(path.parent)
    return _tree(path, offer)


def restore_snapshot(
    path: Path, home: Home, genesis: Genesis, setting: str, pin: tuple[int, bytes], tell: Tell
) -> dict[str, object]:
    """Make the store of a home that has not begun yet of a file, which is of the block `pin`.

    The next start finds it, proved, and passes the join barrier before it signs (consensus D10).
    Raise `Malformed` for a bad file, `StorageError` for a home that stands anywhere but at genesis.
    """
    with path.open("rb") as file:
        offer = _read_head(file, path.stat().st_size)
        if (offer.header.height, offer.certificate.block_id) != pin:
            named = f"{offer.header.height}:{offer.certificate.block_id.hex()}"
            raise Malformed(f"the snapshot is of block {named}, which is not the one you trust")
        lock = lock_home(home)
        try:
            kind = choose_kind(setting, home.store)
            _check_fresh(home, kind)
            if get_free_bytes(home.root) - 2 * offer.manifest.size < FREE_LEFT_BYTES:
                raise StorageError(f"too little room for a snapshot in {home.root}")
            store = begin_join(home.store, kind)
            try:
                _build(store, genesis, offer, file, tell)
            finally:
                store.close()
            keep_join(home.store)
        finally:
            lock.release()
    return _tree(path, offer) | {"home": str(home.root), "chain_digest": genesis.digest.hex()}


def _build(store: Store, genesis: Genesis, offer: Offer, file: IO[bytes], tell: Tell) -> None:
    """Put the chunks into a new store, then prove state, blocks and certificate."""
    builder = Builder(store, genesis, offer, joining=True)
    for chunk in _chunks(file, offer, tell):
        builder.feed(chunk)
    for _ in builder.finish():
        pass
    last, now = (get_set(lambda key: store.get(STATE + key), one) for one in (SET_LAST, SET_NOW))
    doc = genesis.doc
    trust_block(doc.chain_id, genesis.digest, offer.header, offer.certificate, last, now, verify)


def _check_fresh(home: Home, kind: str) -> None:
    """Raise `StorageError` unless nothing was decided or restored in this home yet.

    What its key signed does not matter: the guard stays, and the join barrier comes before the next
    signature (consensus D10).
    """
    if home.store.with_name(home.store.name + ".joined").exists():
        raise StorageError(f"{home.root} was restored already: start the node")
    store = open_store(home.store, kind)
    try:
        height = ChainStore(store).tip.height
    finally:
        store.close()
    acked = max(head.height for head in read_heads(home.head.read_bytes()).heads)
    if max(height, acked) > 0:
        raise StorageError(
            f"{home.root} stands at block {max(height, acked)}:"
            " a snapshot goes into a home that has not begun (wijk node init)"
        )


def _read_head(file: IO[bytes], size: int) -> Offer:
    """Return the manifest of a file whose length is what it says, or raise `Malformed`."""
    start = file.read(len(MAGIC) + _LENGTH)
    length = int.from_bytes(start[len(MAGIC) :], "big")
    if not start.startswith(MAGIC) or not 0 < length <= MANIFEST_BYTES_MAX:
        raise Malformed("no snapshot of a chain")
    offer = read_manifest(file.read(length))
    if size != len(start) + length + offer.manifest.size:
        raise Malformed("a snapshot of another length than it says")
    return offer


def _chunks(file: IO[bytes], offer: Offer, tell: Tell) -> Iterator[bytes]:
    hashes = offer.manifest.chunks
    for index, expected in enumerate(hashes):
        chunk = file.read(min(CHUNK_BYTES, offer.manifest.size - index * CHUNK_BYTES))
        if sha256(chunk) != expected:
            raise Malformed(f"chunk {index} of the snapshot is not what it was")
        yield chunk
        tell(index + 1, len(hashes))


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MANIFEST_BYTES_MAX + 1)


def _of(height: int | None) -> str:
    return "" if height is None else f" of block {height}"


def _tree(path: Path, offer: Offer) -> dict[str, object]:
    return {
        "file": str(path),
        "height": offer.header.height,
        "block_id": offer.certificate.block_id.hex(),
        "state_root": offer.header.state_root.hex(),
        "digest": offer.digest.hex(),
        "bytes": offer.manifest.size,
    }
