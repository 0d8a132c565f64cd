"""The keystore: a JSON file a key, `wijk/keystore/1` (interfaces 3.3, reliability KS1..KS4).

The secret is BIP-39 entropy, 32 bytes (24 words) or 16 (12 words). Each slot wraps the same
secret. The signing key follows from it by BIP-39 and SLIP-10. The box around the secret does not
cover the header, hence the order: check every bound, derive, open, compare the public key.

A wrong passphrase and a damaged file give one message (`Problem` 1004): a thief learns nothing.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import re
import resource
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Never

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from mnemonic import Mnemonic
from nacl import exceptions, pwhash, secret

from chain.address import account_id, account_text
from chain.crypto import public_key, sha256
from chain.errors import Malformed
from chain.strict_json import parse_tree
from chain.texts import Problem
from wallet.files import read_private, remove, replace, write_new

FORMAT = "wijk/keystore/1"
KEY_FILE_BYTES_MAX = 16 * 1024  # a file with every slot has 2 KiB
SLOTS_MAX = 8
PASSPHRASE_BYTES_MAX = 1024
SALT_BYTES = 16
# reliability KS2: what is accepted on reading; below it only for keys marked `test_only`.
OPS_MIN, OPS_MAX = 2, 10
MEM_KIB_MIN, MEM_KIB_MAX = 64 * 1024, 1024 * 1024
TEST_OPS_MIN, TEST_MEM_KIB_MIN = 1, 8 * 1024
ENTROPY_BYTES = {12: 16, 24: 32}  # words of BIP-39 -> bytes of entropy
_PURPOSE = 1_464_420_939  # ASCII "WIJK"
_HARDENED = 1 << 31
_TAG_BYTES = 16
_NONCE_BYTES = {"xsalsa20-poly1305": 24, "aes-256-gcm": 12}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)

Random = Callable[[int], bytes]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Secret(bytes):
    """Secret bytes that show nothing when printed, and refuse to be pickled (reliability KS4)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<secret of {len(self)} bytes>"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a secret is never pickled")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Kdf(_Strict, frozen=True):
    """How a passphrase becomes a key: Argon2id 1.3, `ops` passes over `mem_kib` KiB."""

    name: Literal["argon2id13"]
    salt: str
    ops: int
    mem_kib: int


class Cipher(_Strict, frozen=True):
    """The wrapped secret, base64; `ciphertext` holds the tag and not the nonce."""

    name: Literal["xsalsa20-poly1305", "aes-256-gcm"]
    nonce: str
    ciphertext: str


class PassphraseSlot(_Strict, frozen=True, tag_field="type", tag="passphrase"):
    """Opened by a passphrase."""

    kdf: Kdf
    cipher: Cipher


class RecoverySlot(_Strict, frozen=True, tag_field="type", tag="recovery"):
    """The words on paper. `check` follows from the public key, so it gives nothing away."""

    check: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]


class PasskeySlot(_Strict, frozen=True, tag_field="type", tag="passkey-prf"):
    """Opened by a passkey of the web wallet; kept here as it came, never opened."""

    credential_id: Annotated[str, msgspec.Meta(max_length=2048)]
    salt: Annotated[str, msgspec.Meta(max_length=64)]
    cipher: Cipher


Slot = PassphraseSlot | RecoverySlot | PasskeySlot


class KeyFile(_Strict, frozen=True):
    """What a key file holds; times are RFC 3339, `index` is the last step of the path."""

    format: Literal["wijk/keystore/1"]
    name: str
    public_key: Hex32
    account: str
    index: Annotated[int, msgspec.Meta(ge=0, le=_HARDENED - 1)]
    created_at: Annotated[str, msgspec.Meta(max_length=32)]
    backed_up_at: Annotated[str, msgspec.Meta(max_length=32)] | None
    test_only: bool
    slots: Annotated[tuple[Slot, ...], msgspec.Meta(min_length=1, max_length=SLOTS_MAX)]

    @property
    def key(self) -> bytes:
        """Return the public key, 32 bytes."""
        return bytes.fromhex(self.public_key)


class Params(msgspec.Struct, frozen=True):
    """How hard a passphrase is to guess: Argon2id passes and KiB."""

    ops: int = 3
    mem_kib: int = 256 * 1024


STRONG = Params()
SMALL_DEVICE = Params(ops=2, mem_kib=MEM_KIB_MIN)
TEST_ONLY = Params(ops=TEST_OPS_MIN, mem_kib=TEST_MEM_KIB_MIN)


def create(
    name: str,
    entropy: bytes,
    passphrase: str,
    params: Params = STRONG,
    *,
    created_at: str,
    index: int = 0,
    test_only: bool = False,
    random: Random = secrets.token_bytes,
) -> KeyFile:
    """Return a new key file around `entropy`, 32 or 16 bytes, opened by `passphrase`.

    Raise `Problem` 1007 for a weak passphrase or weak parameters, 1001 for a name that cannot be
    a file name. `random` gives the salt and the nonce; tests and seeded networks pass their own.
    """
    check_name(name)
    if len(entropy) not in ENTROPY_BYTES.values():
        raise Problem(1007, file=name, cause="words")
    key = public_key(derive_seed(entropy, index))
    return KeyFile(
        format="wijk/keystore/1",
        name=name,
        public_key=key.hex(),
        account=account_text(account_id(key)),
        index=index,
        created_at=created_at,
        backed_up_at=None,
        test_only=test_only,
        slots=(seal(entropy, passphrase, params, test_only=test_only, random=random),),
    )


def unlock(key_file: KeyFile, passphrase: str, *, live: bool = True) -> Secret:
    """Return the seed, 32 bytes, that signs for `key_file.public_key` (`chain.crypto.sign`).

    Raise `Problem` 1004 for a wrong passphrase or a damaged file, 1007 for parameters out of
    bounds; `live` refuses keys that are for tests only (interfaces 3.3).
    """
    return derive_seed(open_entropy(key_file, passphrase, live=live), key_file.index)


def open_entropy(key_file: KeyFile, passphrase: str, *, live: bool = True) -> Secret:
    """Return the wrapped BIP-39 entropy, as `unlock` does the seed: to show or print its words."""
    if live and key_file.test_only:
        raise Problem(1007, file=key_file.name, cause="test-only")
    slots = [slot for slot in key_file.slots if isinstance(slot, PassphraseSlot)]
    if not slots:
        raise Problem(1007, file=key_file.name, cause="slot")
    for slot in slots:  # every bound before the first derivation
        _check_slot(key_file.name, slot, test_only=key_file.test_only)
    for slot in slots:
        entropy = _open(slot, passphrase)
        if entropy is not None and _fits(key_file, entropy):
            return entropy
    raise Problem(1004, name=key_file.name)


def change_passphrase(
    key_file: KeyFile,
    old: str,
    new: str,
    params: Params = STRONG,
    *,
    live: bool = True,
    random: Random = secrets.token_bytes,
) -> KeyFile:
    """Return `key_file` with one passphrase slot, opened by `new`; other slots stay."""
    entropy = open_entropy(key_file, old, live=live)
    fresh = seal(entropy, new, params, test_only=key_file.test_only, random=random)
    others = tuple(slot for slot in key_file.slots if not isinstance(slot, PassphraseSlot))
    return msgspec.structs.replace(key_file, slots=(fresh, *others))


def confirm_backup(key_file: KeyFile, words: str, *, at: str) -> KeyFile:
    """Return `key_file` marked as backed up at `at`, if `words` are its words.

    Raise `Problem` 1007 if they are no words of BIP-39, or those of another key.
    """
    if not _fits(key_file, entropy_of_words(words)):
        raise Problem(1007, file=key_file.name, cause="other-key")
    others = tuple(slot for slot in key_file.slots if not isinstance(slot, RecoverySlot))
    slots = (*others, RecoverySlot(check=recovery_check(key_file)))
    return msgspec.structs.replace(key_file, slots=slots, backed_up_at=at)


def recovery_check(key_file: KeyFile) -> str:
    """Return the 16 hex digits that a printed sheet and its key file have in common."""
    return sha256(b"wijkchain/recovery" + key_file.key)[:8].hex()


def slot_names(key_file: KeyFile) -> list[str]:
    """Return the types of the slots, as `keys list` shows them."""
    return [str(slot.__struct_config__.tag) for slot in key_file.slots]


def words_of(entropy: bytes) -> str:
    """Return the 12 or 24 English words of BIP-39 that stand for `entropy`."""
    return str(_bip39().to_mnemonic(bytes(entropy)))


def entropy_of_words(words: str) -> Secret:
    """Return the entropy that 12 or 24 words stand for, or raise `Problem` 1007.

    Case and spacing do not matter. The words never stand in the error: they are the key.
    """
    listed = unicodedata.normalize("NFKD", words).lower().split()
    try:
        if len(listed) in ENTROPY_BYTES:
            return Secret(bytes(_bip39().to_entropy(listed)))
    except (LookupError, ValueError):
        pass  # the original error names the word: it must not reach a log
    raise Problem(1007, cause="words")


def derive_seed(entropy: bytes, index: int) -> Secret:
    """Return the Ed25519 seed at m/1464420939'/`index`' (SLIP-10) of the BIP-39 seed."""
    return slip10(Mnemonic.to_seed(words_of(entropy), ""), (_PURPOSE, index))


def slip10(seed: bytes, path: tuple[int, ...]) -> Secret:
    """Return the Ed25519 private key at `path`, every step hardened (SLIP-10)."""
    node = hmac.digest(b"ed25519 seed", seed, hashlib.sha512)
    for step in path:
        data = b"\x00" + node[:32] + (step | _HARDENED).to_bytes(4, "big")
        node = hmac.digest(node[32:], data, hashlib.sha512)
    return Secret(node[:32])


def seal(
    entropy: bytes,
    passphrase: str,
    params: Params,
    *,
    test_only: bool = False,
    random: Random = secrets.token_bytes,
) -> PassphraseSlot:
    """Return a slot that wraps `entropy` with a fresh salt and nonce."""
    word = normalize_passphrase(passphrase)
    if not word:
        raise Problem(1007, cause="empty")
    salt = random(SALT_BYTES)
    nonce = random(secret.SecretBox.NONCE_SIZE)
    kdf = Kdf(name="argon2id13", salt=_base64(salt), ops=params.ops, mem_kib=params.mem_kib)
    _check_kdf("", kdf, test_only=test_only)
    box = secret.SecretBox(_derive(word, salt, kdf))
    ciphertext = box.encrypt(bytes(entropy), nonce).ciphertext
    cipher = Cipher(name="xsalsa20-poly1305", nonce=_base64(nonce), ciphertext=_base64(ciphertext))
    return PassphraseSlot(kdf=kdf, cipher=cipher)


def normalize_passphrase(passphrase: str) -> bytes:
    """Return NFKD without control characters, UTF-8 (interfaces 3.3); raise `Problem` 1004."""
    kept = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", passphrase)
        if unicodedata.category(letter) != "Cc"
    )
    try:
        word = kept.encode()
    except UnicodeEncodeError:
        raise Problem(1004) from None
    if len(word) > PASSPHRASE_BYTES_MAX:
        raise Problem(1004)
    return word


def encode_key_file(key_file: KeyFile) -> bytes:
    """Return the JSON of a key file, for people to look at: indented, a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(key_file), indent=1) + b"\n"


def decode_key_file(data: bytes, where: str) -> KeyFile:
    """Return the key file in `data` with every bound checked, or raise `Problem` 1007 (W35)."""
    if len(data) > KEY_FILE_BYTES_MAX:
        raise Problem(1007, file=where, cause="too-large")
    try:
        tree = parse_tree(data)
        if isinstance(tree, dict) and tree.get("format", FORMAT) != FORMAT:
            raise Problem(1007, file=where, cause="version")
        key_file = msgspec.convert(tree, KeyFile, strict=True)
    except (Malformed, msgspec.ValidationError):
        # No `from`: a parser's message may quote what stands in the file.
        raise Problem(1007, file=where, cause="format") from None
    if _NAME.fullmatch(key_file.name) is None:
        raise Problem(1007, file=where, cause="format")
    if key_file.account != account_text(account_id(key_file.key)):
        raise Problem(1007, file=where, cause="format")
    for slot in key_file.slots:
        _check_slot(where, slot, test_only=key_file.test_only)
    return key_file


# --- key files of a client home -------------------------------------------------------------------


def key_path(home: Path, name: str) -> Path:
    """Return where the key `name` of a client home is kept."""
    return home / "keys" / f"{check_name(name)}.json"


def check_name(name: str) -> str:
    """Return `name` if it can name a key and its file, or raise `Problem` 1001."""
    if _NAME.fullmatch(name) is None:
        raise Problem(1001, cause="name")
    return name


def load(path: Path) -> KeyFile:
    """Return the key file at `path`: plain, own, 0600, no link (W34). `Problem` 1003 or 1007."""
    try:
        return decode_key_file(read_private(path, KEY_FILE_BYTES_MAX), str(path))
    except FileNotFoundError:
        raise Problem(1003, name=path.stem) from None


def load_key(home: Path, name: str) -> KeyFile:
    """Return the key `name` of a client home, as `load` does."""
    return load(key_path(home, name))


def save_new(home: Path, key_file: KeyFile) -> Path:
    """Write a key file where no key has that name yet; else raise `Problem` 1001."""
    path = key_path(home, key_file.name)
    try:
        write_new(path, encode_key_file(key_file))
    except FileExistsError:
        raise Problem(1001, cause="exists") from None
    return path


def save(home: Path, key_file: KeyFile) -> Path:
    """Replace the key file of that name, atomically."""
    path = key_path(home, key_file.name)
    replace(path, encode_key_file(key_file))
    return path


def list_keys(home: Path) -> list[KeyFile]:
    """Return the keys of a client home by name. A file that is unsafe or damaged raises."""
    folder = home / "keys"
    if not folder.is_dir():
        return []
    return [load(path) for path in sorted(folder.glob("*.json")) if path.name[0] != "."]


def rename_key(home: Path, old: str, new: str) -> KeyFile:
    """Give a key another name: the new file is safe on disk before the old one goes."""
    key_file = msgspec.structs.replace(load_key(home, old), name=check_name(new))
    save_new(home, key_file)
    remove(key_path(home, old))
    return key_file


def delete_key(home: Path, name: str) -> None:
    """Remove a key that is there; without its words or another copy it is gone for ever."""
    load_key(home, name)
    remove(key_path(home, name))


def disable_core_dumps() -> None:
    """Keep secrets out of core files: called once when a program that unlocks keys starts (KS4)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# --- inside a slot --------------------------------------------------------------------------------


def _check_slot(where: str, slot: Slot, *, test_only: bool) -> None:
    """Check what stands in a slot before anything is derived or allocated (KS1, W35)."""
    if isinstance(slot, RecoverySlot):
        return
    if isinstance(slot, PassphraseSlot):
        _check_kdf(where, slot.kdf, test_only=test_only)
    if len(_unbase64(where, slot.cipher.nonce)) != _NONCE_BYTES[slot.cipher.name]:
        raise Problem(1007, file=where, cause="format")
    size = len(_unbase64(where, slot.cipher.ciphertext))
    if size - _TAG_BYTES not in ENTROPY_BYTES.values():
        raise Problem(1007, file=where, cause="format")


def _check_kdf(where: str, kdf: Kdf, *, test_only: bool) -> None:
    ops_min = TEST_OPS_MIN if test_only else OPS_MIN
    mem_kib_min = TEST_MEM_KIB_MIN if test_only else MEM_KIB_MIN
    if not (ops_min <= kdf.ops <= OPS_MAX and mem_kib_min <= kdf.mem_kib <= MEM_KIB_MAX):
        raise Problem(1007, file=where, cause="weak")
    if len(_unbase64(where, kdf.salt)) != SALT_BYTES:
        raise Problem(1007, file=where, cause="format")


def _open(slot: PassphraseSlot, passphrase: str) -> Secret | None:
    """Return what a checked slot wraps, or None if it does not open."""
    key = _derive(normalize_passphrase(passphrase), _unbase64("", slot.kdf.salt), slot.kdf)
    nonce = _unbase64("", slot.cipher.nonce)
    ciphertext = _unbase64("", slot.cipher.ciphertext)
    try:
        if slot.cipher.name == "aes-256-gcm":
            return Secret(AESGCM(key).decrypt(nonce, ciphertext, None))
        return Secret(secret.SecretBox(key).decrypt(ciphertext, nonce))
    except (exceptions.CryptoError, InvalidTag):
        return None


def _derive(word: bytes, salt: bytes, kdf: Kdf) -> Secret:
    try:
        key = pwhash.argon2id.kdf(32, word, salt, opslimit=kdf.ops, memlimit=kdf.mem_kib * 1024)
    except (exceptions.RuntimeError, MemoryError):
        raise Problem(1007, cause="memory") from None
    return Secret(key)


def _fits(key_file: KeyFile, entropy: bytes) -> bool:
    return public_key(derive_seed(entropy, key_file.index)) == key_file.key


@functools.cache
def _bip39() -> Mnemonic:
    return Mnemonic("english")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(where: str, text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(1007, file=where, cause="format") from None
    if _base64(data) != text:
        raise Problem(1007, file=where, cause="format")
    return data
