"""Keystore: the vectors of interfaces 3.3, and the hostile files of reliability W34, W35."""

import base64
import copy
import itertools
import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import pwhash

from chain.crypto import public_key, sign, verify
from chain.texts import Problem, text_error
from wallet.keystore import (
    SMALL_DEVICE,
    TEST_ONLY,
    Cipher,
    KeyFile,
    Params,
    PassphraseSlot,
    Secret,
    change_passphrase,
    confirm_backup,
    create,
    decode_key_file,
    delete_key,
    derive_seed,
    encode_key_file,
    entropy_of_words,
    key_path,
    list_keys,
    load,
    load_key,
    normalize_passphrase,
    open_entropy,
    recovery_check,
    rename_key,
    save,
    save_new,
    slip10,
    slot_names,
    unlock,
    words_of,
)

NOW = "2026-01-01T00:00:00.000Z"
ZERO = bytes(32)
ZERO_WORDS = " ".join(["abandon"] * 23 + ["art"])
ZERO_KEY = "75d2e24b0e6e15acf2b2bfe6cff83e37de779fe1688fb9ede4c3da3ad55861c2"
ZERO_ACCOUNT = "wijk1fn9fzvla0h33t86szq2pfew6jgar3auz6c5642"


def weak(name: str = "anna", entropy: bytes = ZERO, passphrase: str = "wijk-test") -> KeyFile:
    return create(name, entropy, passphrase, TEST_ONLY, created_at=NOW, test_only=True)


def tree_of(key_file: KeyFile) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(encode_key_file(key_file))
    return tree


def number_of(act: Callable[..., object], *args: object, **named: object) -> int:
    """Return the number of the `Problem` that a call ends in."""
    with pytest.raises(Problem) as raised:
        act(*args, **named)
    return raised.value.number


# --- vectors --------------------------------------------------------------------------------------


def test_vector_of_words_key_and_account() -> None:
    """interfaces 3.3: 32 zero bytes are 23 times abandon, then art."""
    assert words_of(ZERO) == ZERO_WORDS
    assert entropy_of_words(ZERO_WORDS) == ZERO
    assert public_key(derive_seed(ZERO, 0)).hex() == ZERO_KEY
    key_file = weak()
    assert (key_file.public_key, key_file.account) == (ZERO_KEY, ZERO_ACCOUNT)


def test_vector_of_the_passphrase_slot() -> None:
    """interfaces 3.3: salt 16 x 05, nonce 24 x 06, ops 2, 65536 KiB."""
    random = {16: b"\x05" * 16, 24: b"\x06" * 24}
    key_file = create(
        "anna", ZERO, "wijk-test", SMALL_DEVICE, created_at=NOW, random=random.__getitem__
    )
    (slot,) = key_file.slots
    assert isinstance(slot, PassphraseSlot)
    assert slot.cipher.ciphertext == (
        "1rgmTMTXzGKYaOsy63WxVKBV3RIPa3Gyq9b+n0HsLytPeL4ceumzKpKnjW6/h0nP"
    )
    again = decode_key_file(encode_key_file(key_file), "anna.json")
    assert again == key_file
    assert unlock(again, "wijk-test", live=True) == derive_seed(ZERO, 0)


def test_slip_10_known_answers() -> None:
    """SLIP-10, test vector 1 for ed25519."""
    seed = bytes(range(16))
    expected = {
        (): "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
        (0,): "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
        (0, 1): "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
    }
    assert {path: slip10(seed, path).hex() for path in expected} == expected


def test_argon2id_known_answers(testdata: Path) -> None:
    """reliability K12; `maxmem` is in KiB."""
    cases = json.loads((testdata / "argon2id" / "raw_argon2id_hashes.json").read_text("utf-8"))
    tried = [case for case in cases if len(case["salt"]) == 16]
    assert tried
    for case in tried:
        made = pwhash.argon2id.kdf(
            case["dgst_len"],
            case["passwd"].encode(),
            case["salt"].encode(),
            opslimit=case["iters"],
            memlimit=case["maxmem"] * 1024,
        )
        assert made.hex() == case["pwhash"]


def test_argon2id_known_answers_in_their_text_form(testdata: Path) -> None:
    path = testdata / "argon2id" / "modular_crypt_argon2id_hashes.json"
    cases = [case for case in json.loads(path.read_text("utf-8")) if case["maxmem"] <= 131_072][:4]
    assert len(cases) == 4
    for case in cases:
        assert pwhash.verify(case["pwhash"].encode(), case["passwd"].encode())


# --- use ------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32) | st.binary(min_size=16, max_size=16))
def test_words_and_entropy_undo_each_other(entropy: bytes) -> None:
    words = words_of(entropy)
    assert len(words.split()) == {16: 12, 32: 24}[len(entropy)]
    assert entropy_of_words(f"  {words.upper()}\n") == entropy


@settings(max_examples=10)
@given(st.text(min_size=1, max_size=40).filter(normalize_passphrase))
def test_what_a_passphrase_seals_it_opens_and_no_other_does(passphrase: str) -> None:
    key_file = weak(passphrase=passphrase)
    seed = unlock(key_file, passphrase, live=False)
    assert verify(key_file.key, b"message", sign(seed, b"message"))
    assert number_of(unlock, key_file, passphrase + "x", live=False) == 1004


def test_a_key_of_twelve_words() -> None:
    key_file = weak(entropy=bytes(16))
    assert words_of(open_entropy(key_file, "wijk-test", live=False)).split()[-1] == "about"
    decoded = decode_key_file(encode_key_file(key_file), "anna")
    assert unlock(decoded, "wijk-test", live=False) == derive_seed(bytes(16), 0)


def test_two_boxes_of_one_secret_differ() -> None:
    one, other = weak(), weak()
    assert one.public_key == other.public_key
    assert one.slots != other.slots


def test_passphrases_are_equal_when_they_look_equal() -> None:
    assert normalize_passphrase("caf\u00e9") == normalize_passphrase("cafe\u0301")
    assert normalize_passphrase("a\x00b\tc\n") == b"abc"
    assert number_of(normalize_passphrase, "x" * 1025) == 1004
    assert number_of(normalize_passphrase, "\ud800") == 1004
    assert number_of(weak, passphrase="\n") == 1007


def test_change_of_passphrase_keeps_the_key_and_other_slots() -> None:
    before = confirm_backup(weak(), ZERO_WORDS, at=NOW)
    after = change_passphrase(before, "wijk-test", "nieuw", TEST_ONLY, live=False)
    assert after.public_key == before.public_key
    assert sorted(slot_names(after)) == ["passphrase", "recovery"]
    assert unlock(after, "nieuw", live=False) == unlock(before, "wijk-test", live=False)
    assert number_of(unlock, after, "wijk-test", live=False) == 1004


def test_a_backup_is_confirmed_by_its_own_words_only() -> None:
    key_file = confirm_backup(weak(), ZERO_WORDS, at=NOW)
    assert key_file.backed_up_at == NOW
    assert slot_names(key_file) == ["passphrase", "recovery"]
    assert len(recovery_check(key_file)) == 16
    assert confirm_backup(key_file, ZERO_WORDS, at=NOW) == key_file
    other = words_of(b"\x01" * 32)
    assert number_of(confirm_backup, weak(), other, at=NOW) == 1007


@pytest.mark.parametrize(
    "words",
    [
        "",
        "abandon",
        " ".join(["abandon"] * 24),
        " ".join(["abandon"] * 23 + ["kunst"]),
        "x" * 10**5,
    ],
)
def test_wrong_words_are_refused_without_being_repeated(words: str) -> None:
    with pytest.raises(Problem) as raised:
        entropy_of_words(words)
    assert raised.value.params == {"cause": "words"}
    assert raised.value.__cause__ is None


def test_the_web_wallets_cipher_is_read() -> None:
    """interfaces 3.3: a passphrase slot with aes-256-gcm."""
    key_file = weak()
    (slot,) = key_file.slots
    assert isinstance(slot, PassphraseSlot)
    key = pwhash.argon2id.kdf(
        32,
        b"wijk-test",
        base64.b64decode(slot.kdf.salt),
        opslimit=slot.kdf.ops,
        memlimit=slot.kdf.mem_kib * 1024,
    )
    tree = tree_of(key_file)
    tree["slots"][0]["cipher"] = {
        "name": "aes-256-gcm",
        "nonce": base64.b64encode(b"\x07" * 12).decode(),
        "ciphertext": base64.b64encode(AESGCM(key).encrypt(b"\x07" * 12, ZERO, None)).decode(),
    }
    tree["slots"].append({
        "type": "passkey-prf",
        "credential_id": "AAAA",
        "salt": "AAAA",
        "cipher": tree["slots"][0]["cipher"],
    })  # fmt: skip
    web = decode_key_file(json.dumps(tree).encode(), "web.json")
    assert unlock(web, "wijk-test", live=False) == derive_seed(ZERO, 0)
    assert slot_names(web) == ["passphrase", "passkey-prf"]
    assert number_of(unlock, web, "other", live=False) == 1004


def test_secrets_show_nothing_and_are_not_pickled() -> None:
    """reliability KS4."""
    seed = unlock(weak(), "wijk-test", live=False)
    assert isinstance(seed, Secret)
    assert str(seed) == repr(seed) == f"{seed}" == "<secret of 32 bytes>"
    for act in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            act(seed)


def test_a_test_key_is_refused_on_a_live_chain() -> None:
    """reliability KS2."""
    assert number_of(unlock, weak(), "wijk-test") == 1007
    assert number_of(create, "anna", ZERO, "p", TEST_ONLY, created_at=NOW) == 1007


FLIPPED = weak()


# --- hostile files (W35) --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kdf.mem_kib", 2**40),
        ("kdf.mem_kib", 1),
        ("kdf.mem_kib", 8 * 1024 - 1),
        ("kdf.mem_kib", -1),
        ("kdf.mem_kib", 1024 * 1024 + 1),
        ("kdf.mem_kib", 8192.0),
        ("kdf.ops", 10**9),
        ("kdf.ops", 0),
        ("kdf.ops", True),
        ("kdf.name", "argon2i"),
        ("kdf.salt", ""),
        ("kdf.salt", "AAAA"),
        ("kdf.salt", "not base64!"),
        ("kdf.extra", 1),
        ("cipher.name", "rot13"),
        ("cipher.nonce", base64.b64encode(bytes(12)).decode()),
        ("cipher.ciphertext", base64.b64encode(bytes(47)).decode()),
        ("cipher.ciphertext", ""),
        ("type", "unknown"),
        ("extra", 1),
    ],
)
def test_a_slot_out_of_bounds_is_refused_before_any_derivation(
    path: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tree_of(weak())
    at: Any = tree["slots"][0]
    *folders, last = path.split(".")
    for folder in folders:
        at = at[folder]
    at[last] = value
    monkeypatch.setattr(pwhash.argon2id, "kdf", lambda *_, **__: pytest.fail("derived"))
    assert number_of(decode_key_file, json.dumps(tree).encode(), "anna.json") == 1007


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "wijk/keystore/2"),
        ("name", "../anna"),
        ("name", ""),
        ("public_key", "00"),
        ("public_key", ZERO_KEY.upper()),
        ("account", "wijk1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"),
        ("index", -1),
        ("index", 2**31),
        ("slots", []),
        ("extra", 1),
        ("test_only", 0),
    ],
)
def test_a_header_out_of_bounds_is_refused(name: str, value: object) -> None:
    tree = tree_of(weak()) | {name: value}
    assert number_of(decode_key_file, json.dumps(tree).encode(), "anna.json") == 1007


def test_parameters_in_memory_are_checked_too() -> None:
    """A key file that did not come through a file meets the same bounds (KS1)."""
    key_file = weak()
    (slot,) = key_file.slots
    assert isinstance(slot, PassphraseSlot)
    bad = PassphraseSlot(
        kdf=slot.kdf, cipher=Cipher("aes-256-gcm", slot.cipher.nonce, slot.cipher.ciphertext)
    )
    tampered = KeyFile(**{name: getattr(key_file, name) for name in key_file.__struct_fields__}
                       | {"slots": (bad,)})  # fmt: skip
    assert number_of(unlock, tampered, "wijk-test", live=False) == 1007
    for params in (Params(1, 65536), Params(2, 65535), Params(11, 65536), Params(2, 2**21)):
        assert number_of(create, "anna", ZERO, "p", params, created_at=NOW) == 1007


def test_a_file_cut_anywhere_is_refused() -> None:
    data = encode_key_file(weak())
    for length in range(0, len(data) - 2, 7):
        assert number_of(decode_key_file, data[:length], "anna.json") == 1007


@pytest.mark.parametrize(
    "data",
    [b"[" * 15_000, b"\xff", b"\xef\xbb\xbf{}", b'{"format":1,"format":2}', b" " * 20_000, b"[]"],
)
def test_what_is_no_key_file_is_refused(data: bytes) -> None:
    assert number_of(decode_key_file, data, "anna.json") == 1007


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_bit_gives_no_other_key(data: st.DataObject) -> None:
    """W35, KS1: whatever bit flips, the file is refused or still gives exactly its own seed."""
    encoded = bytearray(encode_key_file(FLIPPED))
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    try:
        seed = unlock(decode_key_file(bytes(encoded), "anna.json"), "wijk-test", live=False)
    except Problem as problem:
        refused = problem.number
    else:
        refused = 0
        assert seed == derive_seed(ZERO, 0)
    assert refused in (0, 1004, 1007)


def test_a_wrong_passphrase_and_a_damaged_file_read_the_same() -> None:
    """reliability KS3: one message for both."""
    tree = tree_of(weak())
    cipher = tree["slots"][0]["cipher"]
    box = bytearray(base64.b64decode(cipher["ciphertext"]))
    box[20] ^= 1
    cipher["ciphertext"] = base64.b64encode(box).decode()
    damaged = decode_key_file(json.dumps(tree).encode(), "anna.json")
    said = []
    for key_file, passphrase in ((damaged, "wijk-test"), (weak(), "wrong")):
        with pytest.raises(Problem) as raised:
            unlock(key_file, passphrase, live=False)
        said.append(text_error(raised.value.number, raised.value.params, "nl"))
    assert said[0] == said[1]


def test_the_box_of_another_key_is_refused() -> None:
    """KS1: the box does not cover the header, so the derived key is compared with it."""
    mine, other = tree_of(weak()), tree_of(weak(entropy=b"\x01" * 32))
    mine["slots"] = other["slots"]
    swapped = decode_key_file(json.dumps(mine).encode(), "anna.json")
    assert number_of(unlock, swapped, "wijk-test", live=False) == 1004


# --- files (W34, KS3) -----------------------------------------------------------------------------


def test_a_key_is_saved_privately_and_loaded(tmp_path: Path) -> None:
    path = save_new(tmp_path, weak())
    assert path == key_path(tmp_path, "anna") == tmp_path / "keys" / "anna.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert unlock(load_key(tmp_path, "anna"), "wijk-test", live=False) == derive_seed(ZERO, 0)
    assert [entry.name for entry in path.parent.iterdir()] == ["anna.json"]


def test_a_key_is_never_overwritten_by_a_new_one(tmp_path: Path) -> None:
    path = save_new(tmp_path, weak())
    before = path.read_bytes()
    assert number_of(save_new, tmp_path, weak(entropy=b"\x01" * 32)) == 1001
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["anna.json"]


def test_list_rename_and_delete(tmp_path: Path) -> None:
    assert list_keys(tmp_path) == []
    for name in ("chaima", "anna"):
        save_new(tmp_path, weak(name))
    assert [key.name for key in list_keys(tmp_path)] == ["anna", "chaima"]
    assert number_of(rename_key, tmp_path, "anna", "chaima") == 1001
    assert rename_key(tmp_path, "anna", "anna-2").name == "anna-2"
    assert [key.name for key in list_keys(tmp_path)] == ["anna-2", "chaima"]
    delete_key(tmp_path, "chaima")
    assert number_of(delete_key, tmp_path, "chaima") == 1003
    assert [key.name for key in list_keys(tmp_path)] == ["anna-2"]


def test_replacing_a_key_keeps_the_old_one_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_new(tmp_path, weak())
    before = path.read_bytes()

    def fail(_: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save(tmp_path, weak(entropy=b"\x01" * 32))
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["anna.json"]


def test_unsafe_paths_are_refused(tmp_path: Path) -> None:
    """W34: readable by others, a folder, a FIFO, a link; nothing of it hangs or is followed."""
    path = save_new(tmp_path, weak())
    for mode in (0o640, 0o604, 0o660, 0o601):
        path.chmod(mode)
        assert number_of(load, path) == 1007
    path.chmod(0o600)
    link, folder, fifo = (tmp_path / name for name in ("link", "folder", "fifo"))
    link.symlink_to(path)
    folder.mkdir()
    os.mkfifo(fifo, 0o600)
    assert [number_of(load, bad) for bad in (link, folder, fifo)] == [1007] * 3
    assert number_of(load, tmp_path / "nothing") == 1003
    path.write_bytes(b"x" * 20_000)
    assert number_of(load, path) == 1007


@pytest.mark.parametrize("name", ["", "Anna", "a/b", "..", "a" * 33, "1a", "a b", "an\n", "é"])
def test_a_name_that_cannot_be_a_file_is_refused(name: str, tmp_path: Path) -> None:
    assert number_of(key_path, tmp_path, name) == 1001


def test_seeded_randomness_gives_the_same_file() -> None:
    """interfaces 1.7: a testnet of the same seed has byte-identical keys."""

    def made() -> bytes:
        count = itertools.count()

        def random(size: int) -> bytes:
            return bytes([next(count)]) * size

        return encode_key_file(
            create("dev1", ZERO, "p", TEST_ONLY, created_at=NOW, test_only=True, random=random)
        )

    assert made() == made()
