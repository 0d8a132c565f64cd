"""Backups: one file with a consistent view of the store and the head file (reliability Y30).

The file is a plain tar of four members, in this order and with nothing else in it:

    genesis.json    the founding document, canonical
    head.bin        the head file as it was (reliability Y19)
    store.pairs     the pairs in order of key: key length 2 | value length 4 | key | value
    backup.json     what it holds: `Manifest`

The records of the open height stay out, and the guard never travels (ADR 0048). Nothing is
compressed and no name in the file is ever used as a path: a header that is not, byte for byte, the
one this module writes is refused (reliability W26). What is wrong with a file is `Malformed`.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import msgspec

from chain import light
from chain.codec import decode
from chain.crypto import verify
from chain.errors import Malformed
from chain.genesis import GENESIS_BYTES_MAX, Genesis, load_genesis
from chain.strict_json import canonical_json, parse_json
from node.chainstore import GENESIS, JOINED, OPEN, TIP, ChainStore, Joined, Tip
from node.config import write_config
from node.disk import DISK, FILE_MODE, FOLDER_MODE, StorageError, StoreDamaged
from node.head_file import COMPACT_SLOTS, HeadVerdict, judge_head, read_heads
from node.home import (
    Home,
    compute_ballast_bytes,
    get_free_bytes,
    get_size,
    lock_home,
    make_home,
    replace_file,
    restore_ballast,
)
from node.ports import Snapshot, Store
from node.recovery import prove_chain
from node.slot_file import SLOT_BYTES
from node.store import choose_kind, create_store, open_store, set_aside
from node.store_pairs import KEY_BYTES_MAX, KEY_END

FORMAT = "wijk/backup/1"
SUFFIX = ".wijk-backup.tar"
VALUE_BYTES_MAX = 64 << 20  # far above the largest block with its transactions and outcomes
HEAD_BYTES_MAX = (COMPACT_SLOTS + 2) * SLOT_BYTES
FREE_LEFT_BYTES = 2 << 30  # a backup never brings the disk near refusing work (reliability Y28)

_MANIFEST, _PAIRS = "backup.json", "store.pairs"
_CAPS = {
    "genesis.json": GENESIS_BYTES_MAX,
    "head.bin": HEAD_BYTES_MAX,
    _PAIRS: 1 << 62,  # no more than the file is long: nothing is compressed
    _MANIFEST: 4096,
}
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_KEY_LENGTH, _VALUE_LENGTH = 2, 4
_CHUNK_BYTES = 256 << 10
_BATCH_BYTES = 4 << 20

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_Time = Annotated[
    str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", max_length=24)
]
_Text = Annotated[str, msgspec.Meta(max_length=64)]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`backup.json`: the tip of the store, and when and of which chain the backup was made."""

    format: _Text
    chain_id: _Text
    chain_digest: _Digest
    height: _Count
    block_id: _Digest
    log_size: _Count
    state_root: _Digest
    created_at: _Time
    pairs_sha256: _Digest


class Contents(NamedTuple):
    """What goes into a backup, all of one moment. The view has to be closed."""

    view: Snapshot
    tip: Tip
    genesis: Genesis
    heads: bytes


class Parts(NamedTuple):
    """A backup taken apart: its small members, and where the pairs lie in the file."""

    manifest: Manifest
    genesis: Genesis
    heads: bytes
    pairs_at: int
    pairs_bytes: int


# ----------------------------------------------------------------------------------- writing


def take_contents(store: Store, genesis: Genesis, heads: bytes) -> Contents:
    """Freeze what a backup holds; raise `StoreDamaged` where store and heads do not agree."""
    view = store.snapshot()
    try:
        raw = view.get(TIP)
        if raw is None:
            raise StoreDamaged("the store has no tip")
        tip = decode(Tip, raw)
        read = read_heads(heads)
        fits = judge_head(tip.height, tip.block_id, read.heads) is HeadVerdict.OK
        if not fits or read.binding.genesis_digest != genesis.digest:
            raise StoreDamaged("head file and store tell different stories: start the node first")
    except Malformed as error:
        view.close()
        raise StoreDamaged(f"the tip of the store is unreadable: {error}") from error
    except BaseException:
        view.close()
        raise
    return Contents(view, tip, genesis, heads[: read.good_bytes])


def check_whole(store: Store) -> None:
    """Raise `StorageError` where blocks lack that a snapshot left out (consensus S8)."""
    raw = store.get(JOINED)
    if raw is not None:
        raise StorageError(
            f"this node began with a snapshot of block {decode(Joined, raw).height}, and the blocks"
            " up to it are still coming: make the backup when they are here, or on another node"
        )


def backup_path(folder: Path, contents: Contents) -> Path:
    """Return where the backup of a moment goes: one of the same height is replaced."""
    return folder / f"{contents.genesis.doc.chain_id}-{contents.tip.height:010}{SUFFIX}"


def check_space(folder: Path, store_bytes: int) -> None:
    """Raise `StorageError` where a copy of so many bytes leaves too little of the disk."""
    if get_free_bytes(folder) - store_bytes < FREE_LEFT_BYTES:
        raise StorageError(f"{folder}: too little room on the disk for a backup")


def write_backup(file: IO[bytes], contents: Contents, created_at: str) -> Iterator[int]:
    """Write a backup into the empty `file`, yielding the bytes so far after every chunk.

    The view is read between two yields and never else, so a running node can do its work there.
    """
    genesis, tip = contents.genesis, contents.tip
    for name, data in (("genesis.json", genesis.canonical), ("head.bin", contents.heads)):
        _write_member(file, name, data)
    header_at = file.tell()
    file.write(_header(_PAIRS, 0))
    digest = sha256()
    chunk = bytearray()
    for key, value in _kept_pairs(contents.view):
        chunk += len(key).to_bytes(_KEY_LENGTH, "big") + len(value).to_bytes(_VALUE_LENGTH, "big")
        chunk += key + value
        if len(chunk) >= _CHUNK_BYTES:
            digest.update(chunk)
            file.write(chunk)
            chunk.clear()
            yield file.tell()
    digest.update(chunk)
    file.write(chunk)
    size = file.tell() - header_at - _BLOCK
    file.write(bytes(-size % _BLOCK))
    manifest = Manifest(
        FORMAT,
        genesis.doc.chain_id,
        genesis.digest.hex(),
        tip.height,
        tip.block_id.hex(),
        tip.log_size,
        tip.state_root.hex(),
        created_at,
        digest.hexdigest(),
    )
    _write_member(file, _MANIFEST, canonical_json(msgspec.to_builtins(manifest)))
    file.write(_END)
    file.seek(header_at)
    file.write(_header(_PAIRS, size))
    yield size


def make_backup(home: Home, created_at: str) -> dict[str, object]:
    """Back up a node that does not run, whose home is locked; return what `describe` says."""
    genesis = load_genesis(home.genesis.read_bytes())
    home.backups.mkdir(mode=FOLDER_MODE, exist_ok=True)
    check_space(home.backups, get_size(home.store))
    store = open_store(home.store, choose_kind("auto", home.store))
    try:
        check_whole(store)
        contents = take_contents(store, genesis, home.head.read_bytes())
        try:
            path = backup_path(home.backups, contents)
            file = create_new(path)
            try:
                for _ in write_backup(file, contents, created_at):
                    pass
                finish(file, path)
            finally:
                discard(file, path)
        finally:
            contents.view.close()
    finally:
        store.close()
    return describe(path)


def create_new(path: Path) -> IO[bytes]:
    """Open the file that becomes the backup `path`; what a crash left of an earlier one goes."""
    new = _new(path)
    new.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(new, flags, FILE_MODE), "r+b")


def finish(file: IO[bytes], path: Path) -> None:
    """Make a written backup durable under its name, whole or not at all."""
    file.flush()
    os.fsync(file.fileno())
    _new(path).replace(path)
    DISK.sync_folder(path.parent)


def discard(file: IO[bytes], path: Path) -> None:
    """Close `file`, and remove what never became the backup `path`."""
    file.close()
    _new(path).unlink(missing_ok=True)


def describe(path: Path) -> dict[str, object]:
    """Return the object of `node backup create` (interfaces 1.8) for a finished backup."""
    digest = sha256()
    with path.open("rb") as file:
        manifest = read_parts(file).manifest
        file.seek(0)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
        size = file.tell()
    return {
        "file": str(path),
        "bytes": size,
        "sha256": digest.hexdigest(),
        "height": manifest.height,
        "log_size": manifest.log_size,
        "encrypted_to": None,
        "guard_included": False,
    }


def _kept_pairs(view: Snapshot) -> Iterator[tuple[bytes, bytes]]:
    after_open = bytes([OPEN[0] + 1])
    yield from view.scan(b"", OPEN)
    yield from view.scan(after_open, KEY_END)


def _write_member(file: IO[bytes], name: str, data: bytes) -> None:
    file.write(_header(name, len(data)) + data + bytes(-len(data) % _BLOCK))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, FILE_MODE
    return info.tobuf(tarfile.GNU_FORMAT)


def _new(path: Path) -> Path:
    return path.with_name(".backup.new")


# ----------------------------------------------------------------------------------- reading


def read_parts(file: IO[bytes]) -> Parts:
    """Take a backup apart; the pairs are left where they are. Raise `Malformed`."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    found: dict[str, bytes] = {}
    pairs_at = pairs_bytes = 0
    for name, cap in _CAPS.items():
        raw = file.read(_BLOCK)
        try:
            size = tarfile.TarInfo.frombuf(raw, "ascii", "strict").size
            same = raw == _header(name, size)
        except (tarfile.HeaderError, ValueError) as error:
            raise Malformed(f"not a backup: {name}: {error}") from error
        if not same or not 0 <= size <= min(cap, length):
            raise Malformed(f"not a backup: where {name} should stand is something else")
        if name == _PAIRS:
            pairs_at, pairs_bytes = file.tell(), size
            file.seek(size, os.SEEK_CUR)
        else:
            found[name] = file.read(size)
        if file.read(-size % _BLOCK).strip(b"\0"):
            raise Malformed(f"not a backup: something stands behind {name}")
    if file.read(len(_END) + 1) != _END:
        raise Malformed("not a backup: it does not end where it should")
    manifest = parse_json(found[_MANIFEST], Manifest)
    genesis = load_genesis(found["genesis.json"])
    of_chain = (genesis.digest.hex(), genesis.doc.chain_id)
    if manifest.format != FORMAT or (manifest.chain_digest, manifest.chain_id) != of_chain:
        raise Malformed("not a backup of this version, or not of the chain in it")
    return Parts(manifest, genesis, found["head.bin"], pairs_at, pairs_bytes)


def restore_store(file: IO[bytes], parts: Parts, folder: Path, kind: str) -> None:
    """Make a store in `folder` of the pairs of a backup, and prove it. Raise `Malformed`.

    Proved: its checksum, every link, body and certificate from genesis on, the state root and the
    log root computed from their leaves, the head file, and that the manifest tells the tip. That
    transactions do what their outcomes say takes a replay (`wijk node backup verify`).
    """
    store = create_store(folder, kind)
    try:
        digest = sha256()
        batch: list[tuple[bytes, bytes | None]] = []
        size = 0
        for key, value in _read_pairs(file, parts, digest.update):
            batch.append((key, value))
            size += len(key) + len(value)
            if size >= _BATCH_BYTES:
                store.write(batch)
                batch, size = [], 0
        store.write(batch)
        if digest.hexdigest() != parts.manifest.pairs_sha256:
            raise Malformed("the pairs in the backup are not those that it was made of")
        try:
            _prove(store, parts)
        except (StoreDamaged, AssertionError) as error:  # what a block needs was written with it
            raise Malformed(f"the backup does not hold a whole chain: {error}") from error
    finally:
        store.close()


def _prove(store: Store, parts: Parts) -> None:
    genesis, told = parts.genesis, parts.manifest
    if store.get(GENESIS) != genesis.canonical:
        raise Malformed("the store in the backup is of another chain")
    prove_chain(store, genesis, deep=True)
    chain = ChainStore(store)
    trusted = light.trust_genesis(genesis)
    for height in range(1, chain.tip.height + 1):
        header, certificate = chain.header(height), chain.certificate(height)
        assert header is not None, "prove_chain read it"
        assert certificate is not None, "prove_chain read it"
        light.check_final(trusted, header, certificate, verify)
        trusted = light.advance(trusted, header, chain.validators_at(height + 1))
    tip = chain.tip
    is_so = (tip.height, tip.block_id.hex(), tip.log_size, tip.state_root.hex())
    if (told.height, told.block_id, told.log_size, told.state_root) != is_so:
        raise Malformed("the backup says to hold another block than it does")
    read = read_heads(parts.heads)
    fits = judge_head(tip.height, tip.block_id, read.heads) is HeadVerdict.OK
    if not fits or read.binding.genesis_digest != genesis.digest:
        raise Malformed("the head file in the backup is not of its store")


def _read_pairs(
    file: IO[bytes], parts: Parts, hear: Callable[[bytes], None]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs: strictly by key, none of the open height. `hear` gets every byte."""
    file.seek(parts.pairs_at)
    left = parts.pairs_bytes
    last = b""

    def read(size: int) -> bytes:
        nonlocal left
        data = file.read(size) if size <= left else b""
        if len(data) != size:
            raise Malformed("the pairs in the backup are cut off")
        left -= size
        hear(data)
        return data

    while left:
        lengths = read(_KEY_LENGTH + _VALUE_LENGTH)
        key_length = int.from_bytes(lengths[:_KEY_LENGTH], "big")
        value_length = int.from_bytes(lengths[_KEY_LENGTH:], "big")
        if not 0 < key_length <= KEY_BYTES_MAX or value_length > VALUE_BYTES_MAX:
            raise Malformed("a pair in the backup is too large")
        key, value = read(key_length), read(value_length)
        if key <= last or key.startswith(OPEN):
            raise Malformed("a pair in the backup does not belong there")
        last = key
        yield key, value


def restore_home(path: Path, root: Path, kind: str) -> dict[str, object]:
    """Put the chain of a backup into the home `root`, which holds none; return object 1.8.

    Nothing that is there is replaced before the whole backup is proved. Keys and guard stay; beside
    a guard no head file is put, so the next start signs nothing at or below the last height that it
    signed at (reliability Y26). Without one it passes the join barrier (consensus D10).
    """
    home = Home(root)
    with path.open("rb") as file:
        parts = read_parts(file)
        genesis = parts.genesis
        if home.store.exists() and any(home.store.iterdir()):
            raise StorageError(f"{home.store} exists: a backup goes into a home without a chain")
        if home.genesis.exists() and load_genesis(home.genesis.read_bytes()) != genesis:
            raise StorageError(f"{home.genesis} is of another chain than the backup")
        make_home(root)
        lock = lock_home(home)
        try:
            restored = home.store.with_name(home.store.name + ".restored")
            if DISK.exists(restored):  # a crash left it half made
                DISK.remove_folder(restored)
            try:
                restore_store(file, parts, restored, kind)
                _settle(home, parts)
            except BaseException:
                DISK.remove_folder(restored)
                raise
            DISK.rename(restored, home.store)
            DISK.sync_folder(home.root)
            restore_ballast(home, compute_ballast_bytes(genesis.doc.purpose))
        finally:
            lock.release()
    return {
        "home": str(root),
        "height": parts.manifest.height,
        "state_root": parts.manifest.state_root,
        "guard": "kept" if home.guard.exists() else "missing",
        "chain_digest": genesis.digest.hex(),
    }


def _settle(home: Home, parts: Parts) -> None:
    """Put what stands beside the store: genesis, settings where there are none, the head file."""
    if not home.genesis.exists():
        replace_file(home.genesis, parts.genesis.canonical)
    if not home.config.exists():
        settings = {"chain.genesis_sha256": parts.genesis.digest.hex()}
        replace_file(home.config, write_config(settings).encode())
    if home.head.exists():
        set_aside(home.head)
    if not home.guard.exists():
        replace_file(home.head, parts.heads)


# ----------------------------------------------------------------------------------- the folder


def list_backups(folder: Path) -> tuple[list[dict[str, object]], list[str]]:
    """Return the backups in a folder, the newest first, and what is wrong with the others."""
    items: list[dict[str, object]] = []
    faults: list[str] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        try:
            with path.open("rb") as file:
                manifest = read_parts(file).manifest
        except (Malformed, OSError) as error:
            faults.append(f"{path}: {error}")
            continue
        items.append(
            {
                "file": str(path),
                "bytes": path.stat().st_size,
                "height": manifest.height,
                "created_at": manifest.created_at,
                "encrypted": False,
            }
        )
    return items[::-1], faults
