"""TLS identities: reliability Z1..Z4, against the OpenSSL that runs in production."""

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chain.crypto import public_key
from chain.errors import Malformed
from node.identity import (
    ALPN,
    THROWAWAY_SEED,
    BadTransportKey,
    Identity,
    _certificate,
    add_peer,
    anchor,
    client_context,
    create_identity,
    issuer_name,
    leaf,
    load_identity,
    read_transport_key,
    server_context,
)

ANNA, BRAM, MALLORY = b"a" * 32, b"b" * 32, b"m" * 32


def identity(folder: Path, seed: bytes) -> Identity:
    return create_identity(folder / f"{seed[:1].decode()}.pem", seed)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[bytes, bytes]:
    """Return the transport keys (client's as the server sees it, server's), or raise `SSLError`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for end in ends:
        assert end.version() == "TLSv1.3"
        assert end.selected_alpn_protocol() == ALPN
        assert end.compression() is None
    return (
        read_transport_key(ends[1].getpeercert(binary_form=True)),
        read_transport_key(ends[0].getpeercert(binary_form=True)),
    )


def forged(folder: Path, issuer: bytes, signer_seed: bytes) -> ssl.SSLContext:
    """A client whose leaf holds Mallory's key, names `issuer` and is signed by `signer_seed`."""
    key = Ed25519PrivateKey.from_private_bytes(MALLORY)
    certificate = _certificate(
        issuer_name(public_key(MALLORY)),
        issuer_name(issuer),
        key.public_key(),
        Ed25519PrivateKey.from_private_bytes(signer_seed),
        is_anchor=False,
    )
    pem = folder / "forged.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return client_context(Identity(public_key(MALLORY), pem), [public_key(ANNA)])


def test_good_peers_prove_their_keys_to_each_other(tmp_path: Path) -> None:
    """Z1, Z4."""
    anna, bram = identity(tmp_path, ANNA), identity(tmp_path, BRAM)
    many = [public_key(bytes([number]) * 32) for number in range(20)]
    server = server_context(anna, [*many, bram.transport_key])
    client = client_context(bram, [*many, anna.transport_key])
    assert shake_hands(server, client) == (bram.transport_key, anna.transport_key)
    assert server.num_tickets == 0


def test_an_unknown_key_is_refused_at_either_end(tmp_path: Path) -> None:
    anna, bram = identity(tmp_path, ANNA), identity(tmp_path, BRAM)
    other = public_key(MALLORY)
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(anna, [other]), client_context(bram, [anna.transport_key]))
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(anna, [bram.transport_key]), client_context(bram, [other]))


def test_no_certificate_is_refused(tmp_path: Path) -> None:
    anna = identity(tmp_path, ANNA)
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname = False
    nobody.verify_mode = ssl.CERT_NONE
    nobody.set_alpn_protocols([ALPN])
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(server_context(anna, [public_key(BRAM)]), nobody)


@pytest.mark.parametrize(
    "signer", [MALLORY, THROWAWAY_SEED], ids=["its own key", "the throw-away key"]
)
def test_a_leaf_that_names_another_key_as_issuer_is_refused(tmp_path: Path, signer: bytes) -> None:
    """Z3: an anchor's own signature is made with a public constant; nothing may follow from it."""
    anna = identity(tmp_path, ANNA)
    server = server_context(anna, [public_key(BRAM)])
    with pytest.raises(ssl.SSLError):
        shake_hands(server, forged(tmp_path, public_key(BRAM), signer))


def test_a_peer_signing_for_somebody_else_is_seen_as_the_key_it_holds(tmp_path: Path) -> None:
    """Z4: Bram can vouch for Mallory's key in TLS, so admission looks the key itself up."""
    anna = identity(tmp_path, ANNA)
    server = server_context(anna, [public_key(BRAM)])
    seen, _ = shake_hands(server, forged(tmp_path, public_key(BRAM), BRAM))
    assert seen == public_key(MALLORY)


def test_older_tls_is_refused(tmp_path: Path) -> None:
    anna, bram = identity(tmp_path, ANNA), identity(tmp_path, BRAM)
    client = client_context(bram, [anna.transport_key])
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(anna, [bram.transport_key]), client)


def test_a_peer_is_added_to_a_live_context(tmp_path: Path) -> None:
    """Z4."""
    anna, bram = identity(tmp_path, ANNA), identity(tmp_path, BRAM)
    server = server_context(anna, [public_key(MALLORY)])
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client_context(bram, [anna.transport_key]))
    add_peer(server, bram.transport_key)
    assert shake_hands(server, client_context(bram, [anna.transport_key]))[0] == bram.transport_key


def test_certificates_are_valid_from_1970_to_9999_and_the_same_for_all() -> None:
    """Z3: no clock decides who is a peer, not in 1975 nor in 2090; all make equal anchors."""
    key = Ed25519PrivateKey.from_private_bytes(ANNA)
    own = x509.load_der_x509_certificate(anchor(public_key(ANNA)))
    for certificate in (own, leaf(key)):
        assert certificate.not_valid_before_utc == datetime(1970, 1, 1, tzinfo=UTC)
        assert certificate.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        assert certificate.issuer == issuer_name(public_key(ANNA))
    assert own.subject == own.issuer
    assert leaf(key).subject != own.subject
    assert anchor.__wrapped__(public_key(ANNA)) == anchor(public_key(ANNA))


def test_a_certificate_of_another_kind_of_key_is_malformed(tmp_path: Path) -> None:
    name = issuer_name(b"x" * 32)
    key = generate_private_key(SECP256R1())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = builder.not_valid_before(day).not_valid_after(day).public_key(key.public_key())
    signed = builder.sign(Ed25519PrivateKey.from_private_bytes(ANNA), None)
    for certificate in (None, b"", b"garbage", signed.public_bytes(Encoding.DER)):
        with pytest.raises(Malformed):
            read_transport_key(certificate)


def test_the_file_is_private_and_reads_back(tmp_path: Path) -> None:
    made = identity(tmp_path, ANNA)
    assert made.transport_key == public_key(ANNA)
    assert made.pem.stat().st_mode & 0o777 == 0o600
    assert load_identity(made.pem) == made
    assert [path.name for path in tmp_path.iterdir()] == ["a.pem"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    made = identity(tmp_path, ANNA)
    with pytest.raises(BadTransportKey, match="exists"):
        create_identity(made.pem, BRAM)
    assert load_identity(made.pem).transport_key == public_key(ANNA)


def test_a_draft_of_an_attempt_that_was_cut_off_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.pem.new").write_bytes(b"half")
    assert load_identity(identity(tmp_path, ANNA).pem).transport_key == public_key(ANNA)


def test_unsafe_and_damaged_files_are_refused(tmp_path: Path) -> None:
    """KS3, W34: readable by others, a link, a folder, a FIFO, missing, garbage, a mixed pair."""
    made = identity(tmp_path, ANNA)
    link = tmp_path / "link.pem"
    link.symlink_to(made.pem)
    fifo = tmp_path / "fifo.pem"
    os.mkfifo(fifo, 0o600)
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    garbage.chmod(0o600)
    mixed = tmp_path / "mixed.pem"
    secret = made.pem.read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    other = leaf(Ed25519PrivateKey.from_private_bytes(BRAM)).public_bytes(Encoding.PEM)
    mixed.write_bytes(secret + other)
    mixed.chmod(0o600)
    for path in (link, fifo, garbage, mixed, tmp_path, tmp_path / "none.pem"):
        with pytest.raises(BadTransportKey):
            load_identity(path)
    made.pem.chmod(0o640)
    with pytest.raises(BadTransportKey, match="chmod 600"):
        load_identity(made.pem)
