"""Receipts and outbox of a client home, and the way small files are replaced (Y27)."""

import os
import stat
from pathlib import Path

import pytest

from chain.crypto import sha256
from chain.texts import Problem
from wallet.files import make_folder, read_plain, replace, write_new
from wallet.outbox import Sent, find, keep, pending, settle
from wallet.receipts import list_receipts, load_receipt, receipt_path, store_receipt

SENT = Sent(envelope=b"envelope bytes", sealed=b"sealed", memo_key=b"\xaa" * 32, memo="Brood")
TX = sha256(b"envelope bytes").hex()


def test_sent_bytes_are_kept_exactly_until_they_are_settled(tmp_path: Path) -> None:
    assert (pending(tmp_path), find(tmp_path, TX)) == ([], None)
    settle(tmp_path, TX)
    assert keep(tmp_path, SENT) == TX
    assert pending(tmp_path) == [TX]
    assert find(tmp_path, TX) == SENT
    path = tmp_path / "outbox" / f"{TX}.msgpack"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settle(tmp_path, TX)
    assert (pending(tmp_path), find(tmp_path, TX)) == ([], None)


def test_changed_bytes_are_never_sent_again(tmp_path: Path) -> None:
    keep(tmp_path, SENT)
    path = tmp_path / "outbox" / f"{TX}.msgpack"
    whole = path.read_bytes()
    for bad in (whole[:-1], whole.replace(b"bytes", b"Bytes"), b"", whole + b"x"):
        path.write_bytes(bad)
        with pytest.raises(Problem) as raised:
            find(tmp_path, TX)
        assert raised.value.number == 1007


@pytest.mark.parametrize("tx", ["", "../" + "a" * 61, "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_ids_name_files(tx: str, tmp_path: Path) -> None:
    for act in (find, receipt_path, settle):
        with pytest.raises(Problem):
            act(tmp_path, tx)


def test_receipts_are_stored_privately_and_replaced_whole(tmp_path: Path) -> None:
    path = store_receipt(tmp_path, TX, "first")
    assert path == tmp_path / "receipts" / f"{TX}.tlog-proof"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store_receipt(tmp_path, TX, "newer checkpoint")
    assert load_receipt(path) == b"newer checkpoint"
    assert list_receipts(tmp_path) == [TX]
    elsewhere = store_receipt(tmp_path, TX, "here", tmp_path / "bon.tlog-proof")
    assert load_receipt(elsewhere) == b"here"
    assert list_receipts(tmp_path / "other") == []


def test_a_receipt_that_is_not_there_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(Problem) as raised:
        load_receipt(tmp_path / "nothing")
    assert raised.value.number == 3007
    big = tmp_path / "big"
    big.write_bytes(b"x" * (256 * 1024 + 1))
    with pytest.raises(Problem) as raised:
        load_receipt(big)
    assert raised.value.number == 1007


def test_a_write_is_synced_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """reliability Y27."""
    done: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(file: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file")
        sync(file)

    def renamed(path: Path, target: Path) -> Path:
        done.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    replace(tmp_path / "x", b"data")
    assert done == ["file", "rename", "folder"]
    assert read_plain(tmp_path / "x", 10) == b"data"


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    write_new(tmp_path / "x", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "x", b"second")
    assert read_plain(tmp_path / "x", 10) == b"first"
    (tmp_path / "link").symlink_to(tmp_path / "x")
    replace(tmp_path / "link", b"own")
    assert read_plain(tmp_path / "x", 10) == b"first"
    assert read_plain(tmp_path / "link", 10) == b"own"


def test_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "home" / "keys")
    make_folder(tmp_path / "home" / "keys")
    for folder in (tmp_path / "home", tmp_path / "home" / "keys"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
