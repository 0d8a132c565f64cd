"""Mirrors evidence: what the pool takes, keeps and forgets (consensus B9, B12, E2, E3, E5, E6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chain.codec import Record, encode
from chain.crypto import sha256, sign, verify
from chain.errors import Malformed
from chain.evidence import Conviction, Evidence, TwoPrepares, get_commits, get_conviction
from chain.records import Header
from chain.sanctions import EVIDENCE_AGE_S, LIFTED
from chain.signed import ChainName, Commit, Prepare, SignedCommit, SignedPrepare, signed_bytes
from chain.state import State
from chain.validators import CommitCertificate
from consensus.events import Accuse, Retain
from node import evidence
from node.chainstore import STATE
from node.evidence import EvidencePool
from node.fork import compute_fork
from node.home import Home
from node.main import _tell_fork
from node.messages import EvidenceNote
from node.runtime import Halted
from tests.federation import key, seed
from tests.node.test_chainstore import Chain

if TYPE_CHECKING:
    from pathlib import Path

LIAR, OTHER = "node-delfshaven", "node-noord"


class Wire:
    """Links that note what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, Record]] = []

    def send(self, peer: bytes, message: Record) -> None:
        self.sent.append((peer, message))

    def broadcast(self, message: Record) -> None:
        self.sent.append((None, message))

    def peers(self) -> tuple[bytes, ...]:
        return ()


class Desk:
    """A pool over a real store with a few blocks."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.name = ChainName(chain.ledger.chain.digest, chain.ledger.chain.chain_id)
        self.wire = Wire()
        self.told: list[Conviction] = []
        self.headers: dict[bytes, Header] = {}
        self.pool = EvidencePool(
            chain.ledger.chain, chain.store, self.wire, verify, self.headers.get, self.tell
        )

    def tell(self, found: Conviction, evidence: Evidence) -> None:
        assert get_conviction(evidence) == found
        self.told.append(found)

    def prepare(self, height: int, block: bytes, node: str = LIAR) -> SignedPrepare:
        record = Prepare(self.name.genesis_digest, height, 0, block)
        return SignedPrepare(record, key(node), sign(seed(node), signed_bytes(self.name, record)))

    def commit(self, height: int, block: bytes, node: str = LIAR) -> SignedCommit:
        record = Commit(height, 0, block, 0, bytes(32))
        return SignedCommit(record, key(node), sign(seed(node), signed_bytes(self.name, record)))

    def evidence(self, height: int, node: str = LIAR) -> bytes:
        pair = [self.prepare(height, bytes(32), node), self.prepare(height, b"x" * 32, node)]
        return encode(TwoPrepares(*sorted(pair, key=lambda one: one.record.block_id)))


@pytest.fixture
def desk() -> Desk:
    chain = Chain()
    for number in range(1, 4):
        chain.add(chain.pay("anna", "bob", 1, number))
    return Desk(chain)


def test_e3_evidence_of_a_peer_is_kept_told_and_offered_once(desk: Desk) -> None:
    raw = desk.evidence(2)
    for _ in range(2):
        desk.pool.on_note(EvidenceNote(raw))
    desk.pool.on_note(EvidenceNote(desk.evidence(3)))  # one a key is enough

    assert desk.pool.offer() == (raw,)
    assert desk.wire.sent == [(None, EvidenceNote(raw))]
    assert desk.told == [Conviction(key(LIAR), 2, "b")]
    assert Desk(desk.chain).pool.offer() == (raw,)  # J70


def test_e3_a_peer_that_was_away_is_told(desk: Desk) -> None:
    raws = [desk.evidence(2), desk.evidence(2, OTHER)]
    for raw in raws:
        desk.pool.on_note(EvidenceNote(raw))
    desk.wire.sent.clear()

    desk.pool.on_link_up(b"peer")

    assert sorted(encode(message) for _, message in desk.wire.sent) == sorted(
        encode(EvidenceNote(raw)) for raw in raws
    )


def test_b12_evidence_that_proves_nothing_is_its_peers_fault(desk: Desk) -> None:
    same = desk.prepare(2, bytes(32))
    stranger = desk.evidence(2, "anna")
    for raw in (b"x", encode(TwoPrepares(same, same)), stranger):
        with pytest.raises(Malformed):
            desk.pool.on_note(EvidenceNote(raw))
    assert desk.pool.offer() == ()


def test_e3_evidence_of_a_height_to_come_is_nobodys_fault(desk: Desk) -> None:
    """A peer may be ahead: its set is not known here yet."""
    desk.pool.on_note(EvidenceNote(desk.evidence(5)))
    desk.pool.on_note(EvidenceNote(desk.evidence(0)))
    assert desk.pool.offer() == ()

    desk.pool.on_note(EvidenceNote(desk.evidence(4)))  # the open height
    assert len(desk.pool.offer()) == 1


def test_e4_evidence_of_before_a_lift_is_not_kept_and_nobodys_fault(desk: Desk) -> None:
    """consensus E4: a block that holds it is invalid, and a peer may not know of the lift yet."""
    desk.pool.on_note(EvidenceNote(desk.evidence(2)))
    state = State(desk.chain.store.read_state)
    LIFTED.put(state, 3, key(LIAR))
    desk.chain.store.store.write([(STATE + at, raw) for at, raw in state.changes().items()])

    desk.pool.on_block()
    assert desk.pool.offer() == ()
    desk.pool.on_note(EvidenceNote(desk.evidence(2)))
    assert desk.pool.offer() == ()
    desk.pool.on_note(EvidenceNote(desk.evidence(3)))
    assert len(desk.pool.offer()) == 1


def test_e3_evidence_lapses_after_seven_days(desk: Desk) -> None:
    desk.pool.on_note(EvidenceNote(desk.evidence(2)))
    desk.pool.on_block()
    assert len(desk.pool.offer()) == 1

    desk.chain.time_s += EVIDENCE_AGE_S
    desk.chain.add()
    desk.pool.on_block()

    assert desk.pool.offer() == ()
    assert Desk(desk.chain).pool.offer() == ()
    desk.pool.on_note(EvidenceNote(desk.evidence(2)))
    assert desk.pool.offer() == ()


def test_e2_a_pair_of_commits_waits_for_its_headers(desk: Desk) -> None:
    header = desk.chain.store.header(3)
    assert header is not None
    headers = [header, replace(header, time_ms=header.time_ms + 1)]
    ids = [sha256(encode(one)) for one in headers]
    desk.pool.on_accuse(Accuse(desk.commit(3, ids[0]), desk.commit(3, ids[1])))
    assert desk.pool.offer() == ()

    desk.headers.update(zip(ids, headers, strict=True))
    desk.pool.before_block()

    assert desk.told == [Conviction(key(LIAR), 3, "c")]


def test_b9_pairs_that_wait_are_bounded(desk: Desk) -> None:
    for number in range(evidence.WAITING_MAX + 9):
        desk.pool.on_accuse(
            Accuse(desk.commit(3, number.to_bytes(32, "big")), desk.commit(3, b"x" * 32))
        )

    for what, held, cap in desk.pool.sizes():
        assert held <= cap, what


def test_e2_a_commit_that_names_a_block_of_another_height_proves_nothing(desk: Desk) -> None:
    """The header with its id is found, and is no header of that height: no crash, no evidence."""
    header = desk.chain.store.header(1)
    assert header is not None
    desk.headers[sha256(encode(header))] = header

    desk.pool.on_accuse(Accuse(desk.commit(3, sha256(encode(header))), header))

    assert desk.pool.offer() == ()


def test_e5_kept_messages_are_read_back_and_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """consensus E5, B9: the newest heights that fit, for the evidence window."""
    said = (desk.prepare(2, bytes(32)), desk.commit(2, bytes(32)))
    desk.pool.retain(Retain(2, said))
    assert desk.pool.retained(2) == said
    assert Desk(desk.chain).pool.retained(2) == said
    assert desk.pool.retained(1) == ()

    monkeypatch.setattr(evidence, "RETAINED_BYTES_MAX", 700)
    for height in range(3, 9):
        desk.pool.retain(Retain(height, (desk.prepare(height, bytes(32)),)))
    kept = [height for height in range(1, 9) if desk.pool.retained(height)]
    assert kept == list(range(9 - len(kept), 9))
    assert 2 <= len(kept) <= 4


def test_e6_the_report_of_a_fork_is_a_file_in_the_home(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validators = desk.chain.store.validators_at(3)
    bitmap, signatures = b"\x03", (bytes(64), bytes(64))
    first = CommitCertificate(3, 0, bytes(32), 0, bytes(32), bitmap, signatures)
    second = CommitCertificate(3, 0, b"x" * 32, 0, bytes(32), bitmap, signatures)
    fork = compute_fork(first, second, validators, get_commits(first, validators), lambda _: None)

    _tell_fork(Home(tmp_path), Halted("two certificates for one height", fork=fork))
    _tell_fork(Home(tmp_path), Halted("another reason"))

    report = json.loads((tmp_path / "fork-3.json").read_bytes())
    told = capsys.readouterr().err
    assert [one["name"] for one in report["culprits"]] == [
        one.name for one in validators.validators
    ]
    assert "Splitsing" in told
    assert "Fork: two certificates" in told
    assert str(tmp_path / "fork-3.json") in told
