"""Frames, quotas and the order of sending: reliability Z7, Z12, Z13, W1, W8."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec import Record, encode
from chain.errors import Malformed
from chain.validators import CommitCertificate
from consensus.messages import (
    ProvenRoundChange,
    SignedCommit,
    SignedPrepare,
    SignedProposal,
    SignedRoundChange,
    Status,
)
from node.flow import (
    BURST_IN_S,
    BYTES_PER_S,
    EXCESSES_MAX,
    QUEUE_BYTES_MAX,
    REQUEST_OPEN_S,
    REQUESTS_OPEN_MAX,
    Bucket,
    Inflow,
    Outflow,
)
from node.messages import (
    CHUNK_BYTES,
    HEADERS_MAX,
    IDS_MAX,
    MANIFEST_BYTES_MAX,
    REQUEST_IDS_MAX,
    SNAPSHOTS_TOLD_MAX,
    BlockRange,
    BodyAnswer,
    BodyRequest,
    CertificateNote,
    ChunkAnswer,
    ChunkRequest,
    HeaderLink,
    HeadersAnswer,
    Hello,
    ManifestAnswer,
    RangeBlock,
    RangeRequest,
    SnapshotName,
    SnapshotsAnswer,
    TxAnnounce,
    TxBatch,
    TxRequest,
)
from node.wire import (
    BLOCK_FRAME_BYTES_MAX,
    HELLO,
    KINDS,
    FrameReader,
    Kind,
    Lane,
    decode_record,
    encode_frame,
)

NOTE = CertificateNote(b"certificate")
GREETING = Hello(b"g" * 32, (1,), "0.1.0", b"v" * 32, b"t" * 32, 7, b"n" * 16)
BY_RECORD = {kind.record: kind for kind in KINDS}


def opened() -> FrameReader:
    reader = FrameReader()
    reader.open = True
    return reader


def test_every_kind_has_its_own_byte_label_and_record() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)
    assert len({kind.label for kind in KINDS}) == len(KINDS)
    assert len(BY_RECORD) == len(KINDS)


def test_caps_and_rates_are_those_of_the_table() -> None:
    """Z13, B7."""
    told = {kind.record: (kind.bytes_max // 1024, kind.per_second) for kind in KINDS}
    assert told[Hello] == (4, None)
    assert told[Status] == (16, 2)
    assert told[SignedPrepare] == told[SignedCommit] == (1, 64)
    assert told[SignedProposal] == (512, 4)
    assert told[TxRequest] == (64, 20)
    assert told[TxBatch][1] == 40
    assert all(kind.bytes_max <= 512 * 1024 for kind in KINDS if kind.record is not BlockRange)


def test_a_frame_is_length_kind_record() -> None:
    kind, frame = encode_frame(NOTE)
    record = encode(NOTE)
    assert frame == struct.pack(">I", len(record) + 1) + bytes([kind.code]) + record
    assert decode_record(kind, record) == NOTE


@pytest.mark.parametrize(
    "message",
    [
        TxBatch((b"t" * 32_768,) * 8),
        TxBatch((b"t" * 65,) * IDS_MAX),
        TxAnnounce((b"i" * 32,) * IDS_MAX),
        TxRequest((b"i" * 32,) * REQUEST_IDS_MAX),
        BodyAnswer(b"b" * 32, b"x" * 256 * 1024),
        SnapshotsAnswer((SnapshotName(2**62, b"d" * 32),) * SNAPSHOTS_TOLD_MAX),
        ManifestAnswer(b"d" * 32, b"m" * MANIFEST_BYTES_MAX),
        ChunkRequest(b"d" * 32, 2**62),
        ChunkAnswer(b"d" * 32, 2**62, b"c" * CHUNK_BYTES),
        HeadersAnswer((HeaderLink(b"h" * 1024, b"c" * 1022, ()),) * HEADERS_MAX),
        BlockRange(
            (RangeBlock(b"h" * 1024, b"b" * 256 * 1024, b"c" * 16_384, (b"t" * 262,) * 4_000),), 1
        ),
        BlockRange(
            (RangeBlock(b"h" * 1024, b"b" * 256 * 1024, b"c" * 16_384, (b"t" * 32_768,) * 32),), 1
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_largest_honest_messages_fit_their_frames(message: Record) -> None:
    """B7: a full block with its certificate is the largest of all."""
    kind, frame = encode_frame(message)
    assert opened().feed(frame) == [(kind, frame[5:])]
    assert len(frame) <= BLOCK_FRAME_BYTES_MAX


def test_too_large_a_message_is_our_own_bug() -> None:
    with pytest.raises(AssertionError):
        encode_frame(TxBatch((b"t" * 32_768,) * 9))


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=12),
    st.lists(st.integers(1, 200), min_size=1),
)
def test_frames_survive_any_cutting(parts: list[bytes], sizes: list[int]) -> None:
    frames = [encode_frame(CertificateNote(part)) for part in parts]
    stream = b"".join(frame for _, frame in frames)
    reader = opened()
    got: list[tuple[Kind, bytes]] = []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        got += reader.feed(stream[at : at + size])
        at += size
        turn += 1
    assert got == [(kind, frame[5:]) for kind, frame in frames]
    assert not reader.is_inside_frame


@pytest.mark.parametrize("cut", range(1, len(encode_frame(NOTE)[1])))
def test_a_cut_frame_is_inside_until_its_last_byte(cut: int) -> None:
    kind, frame = encode_frame(NOTE)
    reader = opened()
    assert reader.feed(frame[:cut]) == []
    assert reader.is_inside_frame
    assert reader.feed(frame[cut:]) == [(kind, frame[5:])]
    assert not reader.is_inside_frame


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.label)
def test_length_is_judged_before_the_body(kind: Kind) -> None:
    """W1, Z7: cap + 1, 0xffffffff and 0 of every kind; the head alone is enough."""
    for length in (0, 1, kind.bytes_max + 2, 2**32 - 1):
        with pytest.raises(Malformed):
            opened().feed(struct.pack(">IB", length, kind.code))
    assert opened().feed(struct.pack(">IB", kind.bytes_max + 1, kind.code)) == []


@pytest.mark.parametrize("length", [0, BLOCK_FRAME_BYTES_MAX + 2, 2**32 - 1])
def test_an_impossible_length_needs_not_even_a_kind(length: int) -> None:
    with pytest.raises(Malformed):
        opened().feed(struct.pack(">I", length))


def test_before_the_hello_nothing_else_passes_and_what_follows_waits() -> None:
    kind, greeting = encode_frame(GREETING)
    _, note = encode_frame(NOTE)
    with pytest.raises(Malformed):
        FrameReader().feed(note)
    with pytest.raises(Malformed):
        FrameReader().feed(struct.pack(">I", 4 * 1024 + 2))
    reader = FrameReader()
    assert reader.feed(greeting + note) == [(HELLO, greeting[5:])]
    assert kind is HELLO
    reader.open = True
    assert [kind.label for kind, _ in reader.feed(b"")] == ["certificate_note"]


@given(st.binary(max_size=64))
def test_bytes_from_outside_are_frames_or_malformed(data: bytes) -> None:
    for reader in (FrameReader(), opened()):
        try:
            for kind, record in reader.feed(data):
                decode_record(kind, record)
        except Malformed:
            pass
        else:
            assert reader.is_inside_frame or not data


def test_a_record_of_another_kind_is_malformed() -> None:
    """W8, W16: the kind byte and the tag must agree, and nothing may follow."""
    record = encode(NOTE)
    with pytest.raises(Malformed):
        decode_record(BY_RECORD[TxBatch], record)
    with pytest.raises(Malformed):
        decode_record(BY_RECORD[CertificateNote], record + b"\x00")
    with pytest.raises(Malformed):
        decode_record(BY_RECORD[CommitCertificate], record)


# ------------------------------------------------------------------------------------- quotas


@given(st.lists(st.floats(0, 3), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate(gaps: list[float]) -> None:
    bucket = Bucket(2.0, 5.0, 0.0)
    now = 0.0
    given_out = 0
    for gap in gaps:
        now += gap
        given_out += bucket.take(now)
    assert given_out <= 5 + 2 * now + 1e-6


@given(st.lists(st.floats(0, 2), min_size=1, max_size=40), st.floats(0, 10))
def test_what_a_sender_spaces_out_a_receiver_admits_even_after_a_stall(
    gaps: list[float], stall: float
) -> None:
    """Z13: frames sent inside the quota are never over it, though they arrive all at once."""
    kind, frame = encode_frame(BodyRequest(b"b" * 32))
    outflow, inflow = Outflow(0.0), Inflow(0.0)
    now = 0.0
    arrivals = []
    for gap in gaps:
        now += gap
        for _ in range(100):
            outflow.put(kind, frame)
        arrivals += [now] * len(outflow.take(10**9, now))
    wakes = now + 1e-3
    admitted = [inflow.admit(kind, max(at, min(wakes, at + stall))) for at in arrivals]
    assert all(admitted)


def test_over_quota_is_dropped_and_ten_in_a_minute_is_a_flood() -> None:
    kind = BY_RECORD[SignedProposal]
    inflow = Inflow(0.0)
    fine = int(kind.per_second * BURST_IN_S) if kind.per_second else 0
    assert all(inflow.admit(kind, 0.0) for _ in range(fine))
    for _ in range(EXCESSES_MAX):
        assert not inflow.is_flood(0.0)
        assert not inflow.admit(kind, 0.0)
    assert inflow.is_flood(0.0)
    assert not inflow.is_flood(61.0)
    assert inflow.admit(kind, 61.0)


def test_answers_pass_only_to_open_requests() -> None:
    """Z13, B7: one answer to a request, of its kind, in time; 16 open at once."""
    answer = BY_RECORD[BodyAnswer]
    inflow = Inflow(0.0)
    assert not inflow.admit(answer, 0.0)
    assert inflow.ask(RangeRequest, 0.0)
    assert not inflow.admit(answer, 0.0)
    assert inflow.ask(BodyRequest, 0.0)
    assert inflow.admit(answer, 1.0)
    assert not inflow.admit(answer, 1.0)

    assert all(inflow.ask(BodyRequest, 2.0) for _ in range(REQUESTS_OPEN_MAX - 1))
    assert not inflow.ask(BodyRequest, 2.0)
    assert inflow.ask(BodyRequest, 2.0 + REQUEST_OPEN_S)
    assert inflow.admit(answer, 2.0 + REQUEST_OPEN_S)
    assert not inflow.admit(answer, 2.0 + REQUEST_OPEN_S), "the old ones have expired"

    inflow.ask(BodyRequest, 40.0)
    inflow.forget_requests()
    assert not inflow.admit(answer, 40.0)


def test_bytes_over_quota_pause_the_reading() -> None:
    """B12: throttled, never dropped."""
    inflow = Inflow(0.0)
    assert inflow.spend_bytes(BYTES_PER_S, 0.0) == 0
    assert inflow.spend_bytes(2 * BYTES_PER_S, 0.0) == pytest.approx(1.0)
    assert inflow.spend_bytes(0, 1.0) == 0


def test_votes_go_first_and_each_kind_keeps_its_order() -> None:
    """Z12."""
    outflow = Outflow(0.0)
    batch, request, note = BY_RECORD[TxBatch], BY_RECORD[BodyRequest], BY_RECORD[CertificateNote]
    for kind, frame in ((batch, b"t1"), (request, b"r1"), (note, b"v1"), (note, b"v2")):
        outflow.put(kind, frame)
    assert outflow.take(100, 0.0) == [b"v1", b"v2", b"r1", b"t1"]  # one batch is not looked into
    assert outflow.bytes == 0
    assert outflow.wait(0.0) is None


def test_a_status_goes_behind_what_its_sender_says_in_the_same_breath() -> None:
    """consensus D10: the gate of a peer counts it, and must know of its own lost words first."""
    outflow = Outflow(0.0)
    votes = (SignedPrepare, SignedCommit, SignedRoundChange, ProvenRoundChange, SignedProposal)
    kinds: tuple[type[Record], ...] = (Status, *votes)
    for kind in kinds:
        outflow.put(BY_RECORD[kind], kind.__name__.encode())
    taken = outflow.take(1_000, 0.0)
    assert sorted(taken) == sorted(kind.__name__.encode() for kind in kinds)
    assert taken[-1] == b"Status"


def test_a_frame_over_the_rate_waits_and_holds_up_no_other_kind() -> None:
    """Z13, at the sender."""
    outflow = Outflow(0.0)
    note, batch = BY_RECORD[CertificateNote], BY_RECORD[TxBatch]
    for _ in range(17):
        outflow.put(note, b"v")
    outflow.put(batch, b"t")
    assert outflow.take(100, 0.0) == [b"v"] * 16 + [b"t"]
    assert outflow.take(100, 0.0) == []
    wait = outflow.wait(0.0)
    assert wait == pytest.approx(1 / 8)
    assert outflow.take(100, 0.126) == [b"v"]


@given(st.lists(st.lists(st.binary(min_size=1, max_size=9_000), max_size=40), max_size=30))
def test_batches_that_wait_together_leave_as_few(batches: list[list[bytes]]) -> None:
    """Z13 counts frames: what is gossiped often is merged, in order, within the caps."""
    outflow = Outflow(0.0)
    queued = 0
    for batch in batches:
        kind, frame = encode_frame(TxBatch(tuple(batch)))
        outflow.put(kind, frame)
        queued += len(frame)
    assert outflow.bytes == queued

    frames = outflow.take(10**9, 0.0)
    assert outflow.bytes == 0
    records = [decode_record(BY_RECORD[TxBatch], frame[5:]) for frame in frames]
    sent = [envelope for record in records for envelope in record.envelopes]  # type: ignore[attr-defined]
    assert sent == [envelope for batch in batches for envelope in batch]
    assert all(len(frame) <= 256 * 1024 or len(batches) == 1 for frame in frames[:-1])
    assert len(frames) <= 1 + 2 * queued // (256 * 1024)


def test_merged_announcements_keep_the_cap_on_ids() -> None:
    outflow = Outflow(0.0)
    for _ in range(9):
        outflow.put(*encode_frame(TxAnnounce((b"i" * 32,) * 1_500)))
    frames = outflow.take(10**9, 0.0)
    counts = [
        len(decode_record(BY_RECORD[TxAnnounce], frame[5:]).tx_ids)  # type: ignore[attr-defined]
        for frame in frames
    ]
    assert counts == [3_000] * 4 + [1_500]


def test_a_newer_status_replaces_the_queued_one() -> None:
    outflow = Outflow(0.0)
    status = BY_RECORD[Status]
    for number in range(9):
        outflow.put(status, b"status%d" % number)
    assert outflow.take(100, 0.0) == [b"status8"]
    assert outflow.bytes == 0


def test_a_full_queue_drops_transactions_first_and_votes_last() -> None:
    """Z12."""
    outflow = Outflow(0.0)
    batch, request, note = BY_RECORD[TxBatch], BY_RECORD[BodyRequest], BY_RECORD[CertificateNote]
    mib = b"x" * 1024 * 1024
    for _ in range(9):
        outflow.put(batch, mib)
    assert outflow.dropped == {"tx_batch": 1}
    assert outflow.bytes == QUEUE_BYTES_MAX
    for _ in range(4):
        outflow.put(request, mib)
    outflow.put(note, mib)
    assert outflow.dropped == {"tx_batch": 6}
    for _ in range(7):
        outflow.put(note, mib)
    assert outflow.dropped == {"tx_batch": 9, "body_request": 4}
    outflow.put(note, mib)
    outflow.put(batch, b"t")
    assert outflow.dropped["certificate_note"] == 1
    assert outflow.dropped["tx_batch"] == 10
    assert outflow.bytes == QUEUE_BYTES_MAX


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 3_000_000)), max_size=40))
def test_the_queue_is_bounded_and_its_count_is_true(puts: list[tuple[Kind, int]]) -> None:
    outflow = Outflow(0.0, rate_factor=1e9)
    for kind, size in puts:
        outflow.put(kind, b"x" * size)
        assert outflow.bytes <= QUEUE_BYTES_MAX
    held = {code: list(queue) for code, queue in outflow._queues.items()}
    assert sum(len(frame) for frames in held.values() for frame in frames) == outflow.bytes


def test_lanes_are_in_order_of_urgency() -> None:
    assert list(Lane) == sorted(Lane)
    assert Lane.VOTES < Lane.BLOCKS < Lane.TRANSACTIONS
