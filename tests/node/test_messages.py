"""Records between nodes: golden bytes, bounds, and tags that no other record has."""

import hashlib

import msgspec
import pytest

import chain.records
import chain.validators
import consensus.messages
import node.messages
from chain.codec import Record, decode, encode
from chain.errors import Malformed
from chain.records import CARRIED_BYTES_MAX
from node.messages import (
    BODY_BYTES_MAX,
    CERTIFICATE_BYTES_MAX,
    CHUNK_BYTES,
    HEADERS_MAX,
    IDS_MAX,
    KEYS_MAX,
    MANIFEST_BYTES_MAX,
    RANGE_BLOCKS_MAX,
    REQUEST_IDS_MAX,
    SNAPSHOTS_TOLD_MAX,
    BlockRange,
    BodyAnswer,
    BodyRequest,
    Bye,
    CertificateNote,
    ChunkAnswer,
    ChunkRequest,
    EvidenceNote,
    HeaderLink,
    HeadersAnswer,
    HeadersRequest,
    Hello,
    ManifestAnswer,
    ManifestRequest,
    RangeBlock,
    RangeRequest,
    Reason,
    SnapshotName,
    SnapshotsAnswer,
    SnapshotsRequest,
    TxAnnounce,
    TxAnswer,
    TxBatch,
    TxRequest,
)

ID = bytes(range(32))
HELLO = Hello(ID, (1,), "0.1.0", b"v" * 32, b"t" * 32, 7, b"n" * 16)
BLOCK = RangeBlock(b"header", b"body", b"certificate", (b"one", b"two"))

# What a peer of the same wire version reads. A change here is a new wire version (consensus V8).
GOLDEN = {
    HELLO: "98ac77696a6b2e68656c6c6f2e31c4" + "20" + ID.hex() + "9101a5302e312e30c420" + "76" * 32
    + "c420" + "74" * 32 + "07c410" + "6e" * 16,
    Bye(Reason.CHAIN): "92aa77696a6b2e6279652e31a5636861696e",
    TxBatch((b"one",)): "92aa77696a6b2e7478732e3191c4036f6e65",
    TxAnnounce((ID,)): "92aa77696a6b2e6964732e3191c420" + ID.hex(),
    TxRequest((ID,)): "92ac77696a6b2e74786765742e3191c420" + ID.hex(),
    TxAnswer((b"one",)): "92ac77696a6b2e7478676f742e3191c4036f6e65",
    BodyRequest(ID): "92ae77696a6b2e626f64796765742e31c420" + ID.hex(),
    BodyAnswer(ID, b"body"): "93af77696a6b2e626f64792d6964732e31c420" + ID.hex() + "c404626f6479",
    RangeRequest(1, 300): "93af77696a6b2e72616e67656765742e3101cd012c",
    BlockRange((BLOCK,), 9): "93ac77696a6b2e72616e67652e319194c406686561646572c404626f6479c40b"
    + b"certificate".hex() + "92c4036f6e65c40374776f09",
    SnapshotsRequest(): "91af77696a6b2e736e6170736765742e31",
    SnapshotsAnswer((SnapshotName(300, ID),)): "92ac77696a6b2e736e6170732e319192cd012cc420"
    + ID.hex(),
    ManifestRequest(ID): "92b277696a6b2e6d616e69666573746765742e31c420" + ID.hex(),
    ManifestAnswer(ID, b"m"): "93af77696a6b2e6d616e69666573742e31c420" + ID.hex() + "c4016d",
    ChunkRequest(ID, 7): "93af77696a6b2e6368756e6b6765742e31c420" + ID.hex() + "07",
    ChunkAnswer(ID, 7, b"d"): "94ac77696a6b2e6368756e6b2e31c420" + ID.hex() + "07c40164",
    HeadersRequest(1, 2): "93b177696a6b2e686561646572736765742e310102",
    HeadersAnswer((HeaderLink(b"h", b"c", (ID,)),)): "92ae77696a6b2e686561646572732e3191"
     "93c40168c4016391c420" + ID.hex(),
    CertificateNote(b"cc"): "92ad77696a6b2e63636e6f74652e31c4026363",
    EvidenceNote(b"ev"): "92b477696a6b2e65766964656e63652d6e6f74652e31c4026576",
}  # fmt: skip


@pytest.mark.parametrize("record", GOLDEN, ids=lambda record: type(record).__name__)
def test_golden_bytes(record: Record) -> None:
    assert encode(record).hex() == GOLDEN[record]
    assert decode(type(record), bytes.fromhex(GOLDEN[record])) == record


@pytest.mark.parametrize(
    "record",
    [
        TxBatch((b"",)),
        TxBatch((b"x" * (CARRIED_BYTES_MAX + 1),)),
        TxBatch((b"x",) * (IDS_MAX + 1)),
        TxAnnounce((ID,) * (IDS_MAX + 1)),
        TxRequest(()),
        TxRequest((ID,) * (REQUEST_IDS_MAX + 1)),
        BodyRequest(ID[:31]),
        BodyAnswer(ID, b"x" * (BODY_BYTES_MAX + 1)),
        RangeRequest(-1, 2),
        RangeRequest(1, 2**63),
        BlockRange((BLOCK,) * (RANGE_BLOCKS_MAX + 1), 9),
        CertificateNote(b"x" * (CERTIFICATE_BYTES_MAX + 1)),
        SnapshotsAnswer((SnapshotName(1, ID),) * (SNAPSHOTS_TOLD_MAX + 1)),
        ManifestRequest(ID[1:]),
        ManifestAnswer(ID, b"x" * (MANIFEST_BYTES_MAX + 1)),
        ChunkRequest(ID, -1),
        ChunkAnswer(ID, 0, b"x" * (CHUNK_BYTES + 1)),
        HeadersRequest(1, 2**63),
        HeadersAnswer((HeaderLink(b"h", b"c", ()),) * (HEADERS_MAX + 1)),
        HeadersAnswer((HeaderLink(b"", b"c", ()),)),
        HeadersAnswer((HeaderLink(b"h", b"c", (ID,) * (KEYS_MAX + 1)),)),
        msgspec.structs.replace(HELLO, nonce=b"n" * 15),
        msgspec.structs.replace(HELLO, validator_key=b"v" * 33),
        msgspec.structs.replace(HELLO, wire_versions=()),
        msgspec.structs.replace(HELLO, node_version="1" * 33),
    ],
    ids=lambda record: type(record).__name__,
)
def test_sizes_out_of_bounds_are_malformed(record: Record) -> None:
    with pytest.raises(Malformed):
        decode(type(record), encode(record))


def test_a_reason_nobody_knows_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode(Bye, encode(["wijk.bye.1", "because"]))


def test_tags_are_unique_over_all_records_that_have_one() -> None:
    """Consensus M6: nothing said as one kind can be replayed as another."""
    kinds = {
        kind
        for module in (chain.records, chain.validators, consensus.messages, node.messages)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Record) and kind.__struct_config__.tag
    }
    tags = [str(kind.__struct_config__.tag) for kind in kinds]
    assert len(set(tags)) == len(tags) > 20
    assert all(tag.startswith("wijk.") for tag in tags)


def test_records_start_like_no_signed_note() -> None:
    """Consensus M6: an array of fewer than 16 items starts with 0x90..0x9f, a note with 0x77."""
    assert {encode(record)[0] >> 4 for record in GOLDEN} == {9}
    assert hashlib.sha256(encode(HELLO)).digest() != encode(HELLO)
