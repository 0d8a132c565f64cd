"""Who a node is on the network: a transport key, and certificates derived from it.

The chain names transport keys, 32 bytes each; a certificate carries no trust of its own
(reliability Z2). TLS wants a chain to an anchor, so every peer makes, from the 32 bytes alone, a
certificate authority that has exactly this key, and the node signs its own leaf with it (Z3).
No clock decides who is a peer: everything is valid from 1970 to 9999.
"""

import os
import ssl
import stat
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from chain.errors import Malformed
from node.disk import DISK

ALPN = "wijk/1"  # the major version of the protocol on the wire (Z1)
PEM_BYTES_MAX = 16 * 1024  # a key and a leaf are less than 1 KiB
ANCHORS_KEPT = 512  # made once per key: 100 validators, their successors and observers

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_NODE = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wijkchain node")])
# Signs every anchor. It is no secret: OpenSSL trusts an anchor because it was loaded, and never
# checks its own signature. A leaf signed with it fails, since the anchor holds another key.
THROWAWAY_SEED = b"wijkchain throw-away anchor key."


class BadTransportKey(Exception):
    """The file of the transport key is missing, unsafe or damaged: the operator's to mend."""


class Identity(NamedTuple):
    """A node's transport key and the file that holds its secret and its leaf certificate."""

    transport_key: bytes
    pem: Path


def create_identity(path: Path, seed: bytes) -> Identity:
    """Write `transport.pem` with the Ed25519 key of `seed`, 32 bytes, and its leaf; mode 0600.

    Raise `BadTransportKey` if `path` exists: a transport key is replaced through the chain.
    """
    if path.exists() or path.is_symlink():
        raise BadTransportKey(f"{path} exists already")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(path, secret + leaf(key).public_bytes(Encoding.PEM))
    return Identity(_raw(key.public_key()), path)


def load_identity(path: Path) -> Identity:
    """Return the identity in `path`, or raise `BadTransportKey` saying what is wrong with it.

    A link, a file of another user and a file that others may read are refused (reliability KS3).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BadTransportKey(f"{path}: {error.strerror}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise BadTransportKey(f"{path} is not a plain file")
        if found.st_uid != os.geteuid():
            raise BadTransportKey(f"{path} belongs to another user")
        if found.st_mode & 0o077:
            raise BadTransportKey(f"{path} can be read by others: chmod 600 {path}")
        data = os.read(handle, PEM_BYTES_MAX)
    finally:
        os.close(handle)
    try:
        key = load_pem_private_key(data, password=None)
        certificate = x509.load_pem_x509_certificate(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadTransportKey(f"{path} is damaged") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadTransportKey(f"{path} holds no Ed25519 key")
    if certificate != leaf(key):
        raise BadTransportKey(f"{path}: the certificate is not that of the key")
    return Identity(_raw(key.public_key()), path)


def leaf(key: Ed25519PrivateKey) -> x509.Certificate:
    """Return the certificate a node shows: its own key, issued by its own anchor (Z3)."""
    own = key.public_key()
    return _certificate(_NODE, issuer_name(_raw(own)), own, key, is_anchor=False)


@lru_cache(maxsize=ANCHORS_KEPT)
def anchor(transport_key: bytes) -> bytes:
    """Return the DER of the anchor for `transport_key`, made from its 32 bytes alone (Z3).

    Raise `ValueError` when the bytes are no Ed25519 key.
    """
    name = issuer_name(transport_key)
    key = Ed25519PublicKey.from_public_bytes(transport_key)
    throwaway = Ed25519PrivateKey.from_private_bytes(THROWAWAY_SEED)
    return _certificate(name, name, key, throwaway, is_anchor=True).public_bytes(Encoding.DER)


def issuer_name(transport_key: bytes) -> x509.Name:
    """Return the name of an anchor: one per key, since anchors of one name shadow each other."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, transport_key.hex())])


def server_context(identity: Identity, transport_keys: Iterable[bytes]) -> ssl.SSLContext:
    """Return the context for incoming connections from the holders of `transport_keys` (Z1)."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity, transport_keys)
    context.num_tickets = 0
    return context


def client_context(identity: Identity, transport_keys: Iterable[bytes]) -> ssl.SSLContext:
    """Return the context for connections dialled to the holders of `transport_keys` (Z1)."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, identity, transport_keys)


def add_peer(context: ssl.SSLContext, transport_key: bytes) -> None:
    """Let the holder of `transport_key` in too; to remove one, make a new context (Z4)."""
    context.load_verify_locations(cadata=anchor(transport_key))


def read_transport_key(certificate: bytes | None) -> bytes:
    """Return the Ed25519 key in a peer's certificate, DER, or raise `Malformed`.

    Asked after the handshake: whoever is in the set of the moment is admitted (Z4).
    """
    if certificate is None:
        raise Malformed("no certificate")
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(f"certificate: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Malformed("certificate with a key that is not Ed25519")
    return _raw(key)


def _context(protocol: int, identity: Identity, transport_keys: Iterable[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # keys are names here
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])
    context.load_cert_chain(identity.pem)
    for key in transport_keys:
        add_peer(context, key)
    return context


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Ed25519PublicKey,
    signer: Ed25519PrivateKey,
    *,
    is_anchor: bool,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(_FIRST)
        .not_valid_after(_LAST)
        .add_extension(x509.BasicConstraints(ca=is_anchor, path_length=None), critical=True)
        .sign(signer, algorithm=None)
    )


def _write(path: Path, data: bytes) -> None:
    """Write, sync, rename, sync the folder: the key is there whole, or not at all."""
    draft = path.with_name(path.name + ".new")
    if DISK.exists(draft):
        DISK.remove(draft)  # of an attempt that was cut off
    file = DISK.create(draft)
    try:
        DISK.write(file, data, 0)
        DISK.sync(file)
    finally:
        DISK.close(file)
    DISK.rename(draft, path)
    DISK.sync_folder(path.parent)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
