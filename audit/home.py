"""A node's home as a source of blocks: the bytes on its disk, none of its programs (ADR 0018).

The store is copied to a temporary folder and the copy is opened, because opening a database writes
to it (a log is replayed, a swap finished) and an auditor changes nothing. So a read-only image is
as good as a home. It needs room for a second store, and a node that is not running.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from audit.blocks import RawBlock
from chain import log
from chain.codec import decode, encode
from chain.errors import Malformed
from chain.genesis import GENESIS_BYTES_MAX, Genesis
from chain.records import Header, block_id
from chain.texts import Problem
from chain.tree import Node
from node.backup import check_whole, read_parts, restore_store
from node.chainstore import (
    BODY,
    CERTIFICATE,
    ENVELOPES,
    GENESIS,
    HEADER,
    HEIGHT_OF,
    LOG,
    OUTCOMES,
    START,
    STATE,
    TIP,
    TX,
    Envelopes,
    Outcomes,
    Tip,
    TxPlace,
    log_key,
)
from node.config import ConfigInvalid, load_config
from node.disk import StorageError, StoreDamaged
from node.head_file import HeadVerdict, judge_head, read_heads
from node.home import Home
from node.ports import Store
from node.store import choose_kind, open_store
from node.tree_pages import PAGE, STORED_NODE, find_path


class HomeSource:
    """The chain in a node's home. A part that cannot be read is `Malformed`, with its reason."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store

    @property
    def name(self) -> str:
        """The folder."""
        return str(self._home.root)

    def read_genesis(self) -> bytes:
        """Return what stands in `genesis.json`."""
        try:
            with self._home.genesis.open("rb") as file:
                return file.read(GENESIS_BYTES_MAX + 1)
        except OSError as error:
            raise Malformed(f"{self._home.genesis}: {error.strerror}") from error

    def read_height(self) -> int:
        """Return the height of the tip that the store names."""
        return decode(Tip, self._get(TIP, "tip")).height

    def read_blocks(self, first: int, last: int) -> Iterator[RawBlock]:
        """Yield blocks from the store, each read with its checksum.

        With the newest one the tip is judged: a node goes on from it.
        """
        tip = decode(Tip, self._get(TIP, "tip"))
        for height in range(first, last + 1):
            at = height.to_bytes(8, "big")
            block = RawBlock(
                self._get(HEADER + at, "header"),
                self._get(BODY + at, "body"),
                self._get(CERTIFICATE + at, "certificate"),
                decode(Envelopes, self._get(ENVELOPES + at, "transactions")),
                self._get(OUTCOMES + at, "outcomes"),
                self._find(START + at, "start of the block"),
            )
            if height == tip.height:
                _check_tip(tip, decode(Header, block.header))
            yield block

    def check_state(self, state: Mapping[bytes, bytes], nodes: Mapping[int, Node]) -> None:
        """Raise `Malformed` unless the store holds exactly this state and its tree.

        The tree of a version before is not judged: the node makes it anew from the state.
        """
        seen = 0
        for key, value in self._scan(STATE):
            if state.get(key) != value:
                raise Malformed(f"the store holds a wrong state at {key.hex()}")
            seen += 1
        if seen != len(state):
            raise Malformed("the store lacks a part of the state")
        if self._find(STORED_NODE, "state tree") is not None:
            return
        seen = 0
        for key, leaves in self._scan(PAGE):
            node = nodes.get(find_path(key) or 0)
            if node is None or not leaves or leaves != node.leaves:
                raise Malformed(f"the store holds a wrong tree at {key!r}")
            seen += 1
        if seen != sum(1 for node in nodes.values() if node.leaves):
            raise Malformed("the store lacks a part of the tree")

    def check_rows(self, top: int) -> None:
        """Raise `Malformed` unless the rows beside the blocks 1 to `top` follow from those blocks.

        `top` is the tip. The rows say where a block or a transaction stands and what became of
        it, and hold the log.
        """
        frontier, log_nodes = log.Frontier(0, ()), 0
        for height in range(1, top + 1):
            at = height.to_bytes(8, "big")
            header = decode(Header, self._get(HEADER + at, "header"))
            outcomes = decode(Outcomes, self._get(OUTCOMES + at, "outcomes"))
            self._expect(HEIGHT_OF + block_id(header), at, f"place of block {height}")
            for index, done in enumerate(outcomes):
                place = TxPlace(height, index, frontier.size + index, done.code, done.params)
                what = f"place of transaction {index} of block {height}"
                self._expect(TX + done.tx_id, encode(place), what)
            leaves = [log.tx_leaf_hash(done.tx_id, done.code) for done in outcomes]
            frontier, new = log.append(frontier, leaves)
            for place_in_log, node in new:
                self._expect(log_key(*place_in_log), node, f"log after block {height}")
            log_nodes += len(new)
        for prefix, count, what in (
            (HEIGHT_OF, top, "blocks"),
            (TX, frontier.size, "transactions"),
            (LOG, log_nodes, "log nodes"),
        ):
            if sum(1 for _ in self._scan(prefix)) != count:
                raise Malformed(f"the store tells of {what} that are not in its chain")

    def check_head(self, genesis: Genesis) -> None:
        """Raise `Malformed` unless store and head file are of one chain and height (Y20)."""
        self._expect(GENESIS, genesis.canonical, "genesis")
        tip = decode(Tip, self._get(TIP, "tip"))
        try:
            read = read_heads(self._home.head.read_bytes())
        except OSError as error:
            raise Malformed(f"{self._home.head}: {error.strerror}") from error
        except StorageError as error:
            raise Malformed(f"{self._home.head}: {error}") from error
        if read.binding.genesis_digest != genesis.digest:
            raise Malformed("the head file is of another chain")
        if judge_head(tip.height, tip.block_id, read.heads) is not HeadVerdict.OK:
            acked = read.heads[-1].height
            raise Malformed(f"the head file stands at block {acked}, the store at {tip.height}")

    def _expect(self, key: bytes, value: bytes, what: str) -> None:
        if self._get(key, what) != value:
            raise Malformed(f"the store holds a wrong {what}")

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the pairs under a prefix of one byte, without it."""
        try:
            for key, value in self._store.scan(prefix, bytes([prefix[0] + 1])):
                yield key[1:], value
        except StorageError as error:
            raise Malformed(f"the store is damaged: {error}") from error

    def _find(self, key: bytes, what: str) -> bytes | None:
        try:
            return self._store.get(key)
        except StorageError as error:
            raise Malformed(f"the store is damaged at the {what}: {error}") from error

    def _get(self, key: bytes, what: str) -> bytes:
        value = self._find(key, what)
        if value is None:
            raise Malformed(f"the store has no {what}")
        return value


def _check_tip(tip: Tip, header: Header) -> None:
    """Raise `Malformed` unless what the store says of its newest block is that block."""
    after = log.Frontier(tip.log_size, tip.frontier)
    told = (
        (tip.block_id, tip.time_ms, tip.creator, tip.state_root),
        (tip.log_size, tip.log_root, log.root(after), len(tip.frontier)),
    )
    is_so = (
        (block_id(header), header.time_ms, header.creator, header.state_root),
        (header.log_size, header.log_root, header.log_root, header.log_size.bit_count()),
    )
    if told != is_so:
        raise Malformed("the tip of the store is not its newest block")


def read_index_url(root: Path, environ: Mapping[str, str]) -> str | None:
    """Return `index.url` of a node home, None where it has no settings (interfaces 3.1).

    Raise `Problem` 1002 with everything that is wrong in them.
    """
    path = Home(root).config
    if not path.exists():
        return None
    try:
        return load_config(path, environ).text("index.url")
    except ConfigInvalid as error:
        raise Problem(1002, errors=list(error.faults)) from error


@contextmanager
def open_home(root: Path) -> Iterator[HomeSource]:
    """Give the chain in the node home `root`, from a copy that is removed afterwards.

    Raise `Problem` 1002 where there is no store or a node is running on it, and `Malformed`
    where the store cannot be opened.
    """
    home = Home(root)
    if not home.store.is_dir():
        raise Problem(1002, errors=[f"{home.store} is missing: not the home of a node"])
    with tempfile.TemporaryDirectory(prefix="wijk-audit-") as folder:
        copy = Path(folder) / "store"
        try:
            with _standing_still(home):
                shutil.copytree(home.store, copy)
        except (OSError, shutil.Error) as error:
            raise Malformed(f"the store cannot be copied: {error}") from error
        copy.chmod(0o700)
        try:
            store = open_store(copy, choose_kind("auto", copy))
        except StorageError as error:
            raise Malformed(f"the store cannot be opened: {error}") from error
        try:
            _check_whole(home, store)
            yield HomeSource(home, store)
        finally:
            store.close()


def _check_whole(home: Home, store: Store) -> None:
    """Raise `Problem` 1002 where the node still fetches what lies below its snapshot."""
    try:
        check_whole(store)
    except StoreDamaged:
        return  # what is damaged is told by whoever reads it
    except StorageError as error:
        raise Problem(1002, errors=[f"{home.root}: {error}"]) from error


@contextmanager
def open_backup(path: Path) -> Iterator[HomeSource]:
    """Give the chain in a backup, restored into a temporary folder (reliability Y30).

    Raise `Malformed` where it is not a whole, certified chain, `Problem` 3007 or 1002 where there
    is no file to read.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise Problem(3007, what=str(path)) from None
    except OSError as error:
        raise Problem(1002, errors=[f"{path}: {error.strerror}"]) from error
    with file, tempfile.TemporaryDirectory(prefix="wijk-backup-") as folder:
        home = Home(Path(folder))
        try:
            parts = read_parts(file)
            home.genesis.write_bytes(parts.genesis.canonical)
            home.head.write_bytes(parts.heads)
            kind = choose_kind("auto")
            restore_store(file, parts, home.store, kind)
            store = open_store(home.store, kind)
        except (OSError, StorageError) as error:  # of this machine, not of the backup
            raise Problem(1002, errors=[str(error)]) from error
        try:
            yield HomeSource(home, store)
        finally:
            store.close()


@contextmanager
def _standing_still(home: Home) -> Iterator[None]:
    """Hold the lock of the home while it is copied; the file itself is not written."""
    try:
        file = os.open(home.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # a backup or an image: nobody runs on it
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Problem(
            1002, errors=[f"a node is running in {home.root}: stop it, or use --node"]
        ) from None
    finally:
        os.close(file)
