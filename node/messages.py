"""What nodes tell each other beside the votes: greetings, transactions, blocks on request.

The votes themselves, statuses and certificates are in `consensus/messages.py`; `node/wire.py`
gives every kind its byte, its cap and its rate. Tags are unique over both files (consensus M6).
Blocks travel as the bytes they were certified and signed as, never re-encoded (architecture 4);
whoever receives them decodes and judges them.

Wire form is field order: append, never reorder.
"""

from enum import Enum
from typing import Annotated

import msgspec

from chain.codec import Bit, Digest, Nonce, PublicKey, Record, Uint
from chain.evidence import EVIDENCE_BYTES_MAX, Testimony
from chain.records import BLOCK_TXS_MAX, CARRIED_BYTES_MAX

WIRE_VERSION = 1  # consensus V8: a new wire format needs a new number

WIRE_VERSIONS_MAX = 16
VERSION_LENGTH_MAX = 32  # of the name of a release, "0.1.0"
IDS_MAX = BLOCK_TXS_MAX  # what one block may lack
REQUEST_IDS_MAX = 1_900  # 34 bytes each: what fits the 64 KiB of a request (reliability Z13)
BATCH_BYTES_MAX = 256 * 1024  # consensus B7: a fetch chunk
HEADER_BYTES_MAX = 1024  # the largest header encodes to less than 400 bytes
CERTIFICATE_BYTES_MAX = 16 * 1024  # 100 signatures of 66 bytes and a head
# 4,000 ids of 34 bytes, 64 KiB of evidence (consensus E3), a certificate, and air.
BODY_BYTES_MAX = 256 * 1024
CHUNK_BYTES = 256 * 1024  # of a snapshot (reliability Z13)
MANIFEST_BYTES_MAX = 320 * 1024  # 8,192 hashes of 34 bytes, a header, a certificate, and air
SNAPSHOTS_TOLD_MAX = 4  # nodes keep fewer
HEADERS_MAX = 128  # of one answer: some 40 ms of signature checks
KEYS_MAX = 100  # consensus section 0: validators of one chain
SAID_MAX = 512  # messages of a page: at most 330 bytes each, so a chunk holds them
RANGE_BLOCKS_MAX = 512  # an empty block of one validator is some 600 bytes: a chunk holds fewer

TxId = Digest
EnvelopeBytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=CARRIED_BYTES_MAX)]
Envelopes = Annotated[tuple[EnvelopeBytes, ...], msgspec.Meta(max_length=IDS_MAX)]


class Reason(Enum):
    """Why a link was closed or refused (reliability Z6): told to the peer, counted at home."""

    CHAIN = "chain"  # another genesis
    VERSION = "version"  # no wire version in common
    IDENTITY = "identity"  # a validator key that does not belong to the transport key
    REPLAY = "replay"  # a hello that was seen before, or our own
    DUPLICATE = "duplicate"  # a better link to the same peer is there (Z9)
    PARTITION = "partition"  # a fault call cut this link (interfaces 2.5)
    REMOVED = "removed"  # the chain names this peer no longer (Z4)
    MALFORMED = "malformed"  # bytes that no honest node sends (Z8)
    FLOOD = "flood"  # ten frames over quota in a minute (Z13)
    BACKOFF = "backoff"  # it came back before its time was up (Z8)
    DEADLINE = "deadline"  # silence, a slow frame or a stuck queue (Z10)
    CROWD = "crowd"  # too many unauthenticated sockets (Z11)
    TLS = "tls"  # no handshake, or a certificate of nobody we know
    STOPPING = "stopping"  # this node is going down
    LOST = "lost"  # never told: the connection ended without a word


class Hello(Record, frozen=True, tag="wijk.hello.1"):
    """Consensus B11: the first frame in each direction; nothing else is read before it.

    `nonce` is fresh for every connection, so a replayed hello, or one's own, shows (Z6).
    """

    genesis_digest: Digest
    wire_versions: Annotated[
        tuple[Uint, ...], msgspec.Meta(min_length=1, max_length=WIRE_VERSIONS_MAX)
    ]
    node_version: Annotated[str, msgspec.Meta(max_length=VERSION_LENGTH_MAX)]
    validator_key: PublicKey
    transport_key: PublicKey
    height: Uint
    nonce: Nonce


class Bye(Record, frozen=True, tag="wijk.bye.1"):
    """The last frame before a link is closed on purpose: why (reliability W23)."""

    reason: Reason


class TxBatch(Record, frozen=True, tag="wijk.txs.1"):
    """Transactions pushed to a peer: at most `BATCH_BYTES_MAX` in all (consensus B2)."""

    envelopes: Envelopes


class TxAnnounce(Record, frozen=True, tag="wijk.ids.1"):
    """Ids of transactions the sender holds and serves (consensus B2)."""

    tx_ids: Annotated[tuple[TxId, ...], msgspec.Meta(max_length=IDS_MAX)]


class TxRequest(Record, frozen=True, tag="wijk.txget.1"):
    """Please send these transactions: answered by one `TxAnswer` (consensus B3)."""

    tx_ids: Annotated[tuple[TxId, ...], msgspec.Meta(min_length=1, max_length=REQUEST_IDS_MAX)]


class TxAnswer(Record, frozen=True, tag="wijk.txgot.1"):
    """The asked transactions that the sender holds, as many as fit `BATCH_BYTES_MAX`.

    Its own kind beside `TxBatch`: it passes only to an open request, and goes before gossip,
    because a proposal may be waiting for it.
    """

    envelopes: Envelopes


class BodyRequest(Record, frozen=True, tag="wijk.bodyget.1"):
    """Please send the body of this block: short ids did not rebuild it (consensus B3)."""

    block_id: Digest


class BodyAnswer(Record, frozen=True, tag="wijk.body-ids.1"):
    """The canonical bytes of a block body, which lists the full ids; empty when not held."""

    block_id: Digest
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_BYTES_MAX)]


class RangeRequest(Record, frozen=True, tag="wijk.rangeget.1"):
    """Please send the decided blocks from one height to another, both included (consensus S3)."""

    from_height: Uint
    to_height: Uint


class RangeBlock(Record, frozen=True):
    """A decided block as it was certified: header, body, commit certificate, envelopes in order."""

    header: Annotated[bytes, msgspec.Meta(min_length=1, max_length=HEADER_BYTES_MAX)]
    body: Annotated[bytes, msgspec.Meta(min_length=1, max_length=BODY_BYTES_MAX)]
    certificate: Annotated[bytes, msgspec.Meta(min_length=1, max_length=CERTIFICATE_BYTES_MAX)]
    envelopes: Envelopes


class BlockRange(Record, frozen=True, tag="wijk.range.1"):
    """The first blocks of an asked range: as many as fit `BATCH_BYTES_MAX`, but at least one.

    One block may be larger than a chunk of 256 KiB, so the frame of this kind may be as large as
    a full block with its certificate (`wire.BLOCK_FRAME_BYTES_MAX`). Empty: the sender has none
    of them. `tip_height` is a hint; only certificates move a target (consensus S2).
    """

    blocks: Annotated[tuple[RangeBlock, ...], msgspec.Meta(max_length=RANGE_BLOCKS_MAX)]
    tip_height: Uint


class CertificateNote(Record, frozen=True, tag="wijk.ccnote.1"):
    """A commit certificate that a node announces: the canonical bytes of a `CommitCertificate`."""

    certificate: Annotated[bytes, msgspec.Meta(min_length=1, max_length=CERTIFICATE_BYTES_MAX)]


class EvidenceNote(Record, frozen=True, tag="wijk.evidence-note.1"):
    """Evidence that is not on the chain yet (consensus E3): canonical bytes of `chain/evidence`."""

    evidence: Annotated[bytes, msgspec.Meta(min_length=1, max_length=EVIDENCE_BYTES_MAX)]


class SaidRequest(Record, frozen=True, tag="wijk.saidget.1"):
    """Ask what was heard at a height, of the validators whose key is above `after` (E5)."""

    height: Uint
    after: PublicKey | None


class SaidAnswer(Record, frozen=True, tag="wijk.said.1"):
    """What was heard at a height, in order of the signers' keys; all of each that is named.

    `more` says that there are signers above the last one.
    """

    height: Uint
    said: Annotated[tuple[Testimony, ...], msgspec.Meta(max_length=SAID_MAX)]
    more: Bit


class SnapshotsRequest(Record, frozen=True, tag="wijk.snapsget.1"):
    """Please say which snapshots you keep (consensus S7)."""


class SnapshotName(Record, frozen=True):
    """A snapshot: its height and the digest of its manifest."""

    height: Uint
    digest: Digest


class SnapshotsAnswer(Record, frozen=True, tag="wijk.snaps.1"):
    """The snapshots that the sender keeps and serves."""

    held: Annotated[tuple[SnapshotName, ...], msgspec.Meta(max_length=SNAPSHOTS_TOLD_MAX)]


class ManifestRequest(Record, frozen=True, tag="wijk.manifestget.1"):
    """Please send the manifest with this digest."""

    digest: Digest


class ManifestAnswer(Record, frozen=True, tag="wijk.manifest.1"):
    """The canonical bytes of a manifest (`node/snapshot.py`); empty when it is not held."""

    digest: Digest
    manifest: Annotated[bytes, msgspec.Meta(max_length=MANIFEST_BYTES_MAX)]


class ChunkRequest(Record, frozen=True, tag="wijk.chunkget.1"):
    """Please send one chunk, counted from 0, of the snapshot with this manifest."""

    digest: Digest
    index: Uint


class ChunkAnswer(Record, frozen=True, tag="wijk.chunk.1"):
    """One chunk; empty when it is not held."""

    digest: Digest
    index: Uint
    data: Annotated[bytes, msgspec.Meta(max_length=CHUNK_BYTES)]


class HeadersRequest(Record, frozen=True, tag="wijk.headersget.1"):
    """Please send headers and certificates, with the sets of validators, from one height on.

    Who joins by a snapshot follows the chain of sets from genesis with them (consensus S7, S9).
    """

    from_height: Uint
    to_height: Uint


class HeaderLink(Record, frozen=True):
    """A decided header with its certificate, and the keys of the set after it where they change."""

    header: Annotated[bytes, msgspec.Meta(min_length=1, max_length=HEADER_BYTES_MAX)]
    certificate: Annotated[bytes, msgspec.Meta(min_length=1, max_length=CERTIFICATE_BYTES_MAX)]
    next_keys: Annotated[tuple[PublicKey, ...], msgspec.Meta(max_length=KEYS_MAX)]


class HeadersAnswer(Record, frozen=True, tag="wijk.headers.1"):
    """The first of the asked headers: as many as fit `BATCH_BYTES_MAX`; none if none is held."""

    links: Annotated[tuple[HeaderLink, ...], msgspec.Meta(max_length=HEADERS_MAX)]


NodeMessage = (
    TxBatch
    | TxAnnounce
    | TxRequest
    | TxAnswer
    | BodyRequest
    | BodyAnswer
    | RangeRequest
    | BlockRange
    | CertificateNote
    | EvidenceNote
    | SaidRequest
    | SaidAnswer
    | SnapshotsRequest
    | SnapshotsAnswer
    | ManifestRequest
    | ManifestAnswer
    | ChunkRequest
    | ChunkAnswer
    | HeadersRequest
    | HeadersAnswer
)
