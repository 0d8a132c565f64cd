"""Mirrors exchange: what peers heard is asked in pages, judged, and joined (consensus E5, B12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chain.codec import encode
from chain.crypto import sign, verify
from chain.errors import Malformed
from chain.signed import Prepare, RoundChange, SignedPrepare, SignedRoundChange, signed_bytes
from consensus.events import Accuse
from consensus.witness import ROUNDS_KEPT
from node import exchange
from node.exchange import UNIONS_MAX, Exchange
from node.messages import SAID_MAX, SaidAnswer, SaidRequest
from node.wire import KINDS
from tests.federation import key, seed
from tests.node.test_chainstore import Chain
from tests.node.test_evidence import LIAR, OTHER, Desk, Wire

if TYPE_CHECKING:
    from chain.evidence import Testimony

PEER, MATE = b"p" * 32, b"q" * 32
HEIGHT = 2


class Linked(Wire):
    """Links with two peers."""

    def peers(self) -> tuple[bytes, ...]:
        return (PEER, MATE)


class Table:
    """An exchange over a real store; `heard` is what this node heard at each height."""

    def __init__(self, *heard: Testimony) -> None:
        chain = Chain()
        for number in range(1, 4):
            chain.add(chain.pay("anna", "bob", 1, number))
        self.desk = Desk(chain)
        self.wire = Linked()
        self.heard = heard
        self.accused: list[Accuse] = []
        self.exchange = Exchange(
            chain.ledger.chain,
            chain.store,
            self.wire,
            verify,
            lambda height: [one for one in self.heard if one.record.height == height],
            self.accused.append,
        )

    def answer(self, *said: Testimony, more: int = 0, height: int = HEIGHT) -> None:
        self.exchange.on_answer(PEER, SaidAnswer(height, tuple(said), more))

    def prepare(self, block: bytes, node: str = LIAR) -> SignedPrepare:
        return self.desk.prepare(HEIGHT, block, node)


ONE, TWO = bytes(32), b"x" * 32


def test_e5_two_halves_of_a_lie_meet_in_the_union() -> None:
    """consensus E5: this node heard one, a peer the other; both are signed by one key."""
    table = Table()
    mine, theirs = table.prepare(ONE), table.prepare(TWO)
    table.heard = (mine,)

    table.exchange.ask(HEIGHT, [PEER, b"stranger"])
    assert table.wire.sent == [(PEER, SaidRequest(HEIGHT, None))]
    assert table.exchange.is_waiting()
    table.answer(theirs)

    assert table.accused == [Accuse(mine, theirs)]
    assert not table.exchange.is_waiting()
    assert set(table.exchange.said(HEIGHT)) == {mine, theirs}
    assert table.exchange.said(HEIGHT + 1) == ()


def test_e5_a_peer_is_told_all_of_some_signers_and_asks_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """consensus E5, B7: pages of whole signers, so that nothing is lost between two pages."""
    names = sorted((LIAR, OTHER), key=key)
    desk = Table().desk
    said = [desk.prepare(HEIGHT, bytes([at]) * 32, name) for name in names for at in range(3)]
    teller, asker = Table(*reversed(said)), Table()
    monkeypatch.setattr(exchange, "SAID_MAX", 4)
    asker.exchange.ask(HEIGHT, [PEER])

    pages = 0
    while asker.exchange.is_waiting():
        (_, request) = asker.wire.sent[-1]
        assert isinstance(request, SaidRequest)
        teller.exchange.on_request(MATE, request)
        (_, answer) = teller.wire.sent[-1]
        assert isinstance(answer, SaidAnswer)
        assert len({one.signer for one in answer.said}) == 1
        asker.exchange.on_answer(PEER, answer)
        pages += 1

    assert pages == 2
    assert {one.signer for one in asker.exchange.said(HEIGHT)} == {key(name) for name in names}


def test_e5_of_a_height_of_which_nothing_is_kept_nothing_is_told() -> None:
    table = Table()

    table.exchange.on_request(PEER, SaidRequest(2**63 - 1, None))

    assert table.wire.sent == [(PEER, SaidAnswer(2**63 - 1, (), 0))]


def test_b12_a_forged_page_is_its_peers_fault_and_changes_nothing() -> None:
    table = Table()
    good, other = sorted((table.prepare(ONE), table.prepare(ONE, OTHER)), key=lambda o: o.signer)
    record = replace(good.record, genesis_digest=bytes(32))
    pages: list[tuple[tuple[Testimony, ...], int]] = [
        ((replace(good, signature=bytes(64)),), 0),
        ((table.desk.prepare(HEIGHT + 1, ONE),), 0),
        ((replace(good, record=record),), 0),
        ((other, good), 0),  # out of order
        ((), 1),  # more of nothing, for ever
    ]
    for said, more in pages:
        table.exchange.ask(HEIGHT, [PEER])
        with pytest.raises(Malformed):
            table.answer(*said, more=more)

    assert table.exchange.said(HEIGHT) == ()
    assert table.accused == []


def test_b12_a_page_below_the_last_one_is_refused() -> None:
    """A peer cannot lead this node in a circle."""
    table = Table()
    low, high = sorted((table.prepare(ONE), table.prepare(ONE, OTHER)), key=lambda o: o.signer)
    table.exchange.ask(HEIGHT, [PEER])
    table.answer(high, more=1)
    assert table.wire.sent[-1] == (PEER, SaidRequest(HEIGHT, high.signer))

    with pytest.raises(Malformed, match="order"):
        table.answer(low, more=1)


def test_e5_what_strangers_said_is_left_out_and_their_pages_come_to_an_end() -> None:
    """After a fork a peer may know other validators; a liar may make up keys without end."""
    table = Table()
    table.exchange.ask(HEIGHT, [PEER])

    table.answer(table.prepare(ONE, "anna"), more=1)

    assert table.exchange.said(HEIGHT) == ()
    assert not table.exchange.is_waiting()


def test_e5_an_answer_that_was_not_asked_is_ignored() -> None:
    table = Table()
    table.answer(table.prepare(ONE))
    table.exchange.ask(HEIGHT, [PEER])
    table.answer(table.prepare(ONE), height=HEIGHT + 1)
    assert table.exchange.is_waiting()
    assert table.exchange.said(HEIGHT) == ()

    table.exchange.on_link_down(PEER)

    assert not table.exchange.is_waiting()


def test_i8_questions_and_unions_are_bounded() -> None:
    table = Table()
    for height in range(1, 4 * UNIONS_MAX):
        table.exchange.ask(height, [PEER, MATE])
    for what, held, cap in table.exchange.sizes():
        assert held <= cap, what
    assert table.exchange.sizes()[0][1] == 2


def test_b9_the_union_of_one_signer_is_bounded_whatever_it_signs() -> None:
    table = Table()
    table.exchange.ask(HEIGHT, [PEER])
    said: list[Testimony] = []
    for at in range(SAID_MAX // 2):
        record = Prepare(table.desk.name.genesis_digest, HEIGHT, at, ONE)
        change = RoundChange(table.desk.name.genesis_digest, HEIGHT, at + 1, None, None)
        proof = sign(seed(LIAR), signed_bytes(table.desk.name, record))
        said.append(SignedPrepare(record, key(LIAR), proof))
        proof = sign(seed(LIAR), signed_bytes(table.desk.name, change))
        said.append(SignedRoundChange(change, key(LIAR), proof))
    table.answer(*said)

    assert len(table.exchange.said(HEIGHT)) <= 2 * ROUNDS_KEPT


def test_b7_a_full_page_fits_its_frame() -> None:
    """The largest message there is, as often as a page may hold it."""
    table = Table()
    top = 2**63 - 1
    record = RoundChange(bytes(32), top, 65_535, 65_534, bytes(32))
    change = SignedRoundChange(record, bytes(32), bytes(64))
    commit = table.desk.commit(HEIGHT, ONE)
    big = replace(commit, record=replace(commit.record, height=top, round=65_535, log_size=top))
    (kind,) = [kind for kind in KINDS if kind.record is SaidAnswer]

    for one in (change, big):
        assert len(encode(SaidAnswer(top, (one,) * SAID_MAX, 1))) <= kind.bytes_max
