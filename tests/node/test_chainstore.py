"""The chain in the store: what a block writes is what everybody reads later (architecture D11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.books import get_balance
from chain.codec import encode
from chain.execute import Preamble, make_header, propose
from chain.log import frontier_at, inclusion_path, root, tx_leaf_hash, verify_inclusion
from chain.records import BlockBody, block_id
from chain.state import State
from chain.validators import CommitCertificate
from contracts.coin import HoldCall, Leg, Transfer
from contracts.trade import Pay
from node.chainstore import ChainStore, create_chain
from node.store_memory import MemoryStore
from tests.federation import START_S, Ledger, account, key

if TYPE_CHECKING:
    from chain.records import Tx

BALANCES = {"delfshaven/anna": 10_000, "delfshaven/bob": 500, "noord/bram": 5_000}


class Chain:
    """A ledger's transactions, put into blocks of a store without consensus."""

    def __init__(self, store: ChainStore | None = None) -> None:
        self.ledger = Ledger(balances=BALANCES)
        self.pairs: dict[bytes, bytes] = {}
        if store is None:
            create_chain(MemoryStore(self.pairs), self.ledger.genesis)
        self.store = store or ChainStore(MemoryStore(self.pairs))
        self.time_s = max(START_S, self.store.tip.time_ms // 1000)

    def pay(self, payer: str, payee: str, cents: int, nonce: int) -> Tx:
        call: object = Transfer((Leg(account(payee), cents, None, None),), None)
        if payee == "bram":
            call = Pay(account(payee), cents, None, None)
        return self.ledger.tx(
            call,
            account(payer),
            [(0, payer)],
            nonce=nonce.to_bytes(16, "big"),
            expires=self.time_s + 200,
        )

    def add(self, *txs: Tx) -> None:
        self.time_s += 10
        base = self.store.base()
        last = self.store.certificate(base.height) if base.height else None
        preamble = Preamble(self.ledger.preamble.creator, last)
        choice = propose(base, self.ledger.chain, self.time_s * 1000, preamble, txs)
        body = BlockBody(last, (), tuple(tx.id for tx in choice.txs))
        header = make_header(
            base, self.ledger.chain, choice.executed, body, key("node"), self.time_s * 1000
        )
        certificate = CommitCertificate(
            header.height,
            0,
            block_id(header),
            header.log_size,
            header.log_root,
            b"\x01",
            (bytes(64),),
        )
        self.store.apply(header, body, certificate, choice.txs, choice.executed)


def test_a_block_is_read_back_as_it_was_written() -> None:
    chain = Chain()
    tx = chain.pay("anna", "bob", 1_250, 1)

    chain.add(tx)

    block = chain.store.block(1)
    assert block is not None
    assert block.envelopes == (tx.raw,)
    assert chain.store.height_of(block.certificate.block_id) == 1
    place = chain.store.place(tx.id)
    assert place is not None
    assert (place.height, place.index, place.log_index, place.code) == (1, 0, 0, 0)
    assert chain.store.envelope(place) == tx.raw
    assert [outcome.tx_id for outcome in chain.store.outcomes(1)] == [tx.id]


def test_what_is_remembered_of_the_state_is_what_the_store_has() -> None:
    """architecture D8: also of values that a block changed, took away, or read and left alone."""
    chain = Chain()
    for number in range(1, 8):
        chain.add(chain.pay("anna", "bob", number, number))
        paid = sum(range(1, number + 1))
        state = State(chain.store.read_state, chain.store.memo)
        assert get_balance(state, "delfshaven:EUR", "2", account("anna")) == 10_000 - paid
        assert get_balance(state, "delfshaven:EUR", "2", account("bob")) == 500 + paid
        remembered = chain.store.memo.values
        assert remembered
        for key_bytes, value in remembered.items():
            stored = chain.store.read_state(key_bytes)
            assert stored == (None if value is None else encode(value))


def test_reopening_gives_the_same_tip_log_and_replay_window() -> None:
    """consensus B1, D7: the window is derived from the blocks of the last 600 s."""
    chain = Chain()
    for number in range(1, 8):
        chain.add(chain.pay("anna", "bob", number, number))
    again = ChainStore(MemoryStore(chain.pairs))

    assert again.tip == chain.store.tip
    assert root(frontier_at(again.tip.log_size, again.read_log_node)) == again.tip.log_root
    for number in range(1, 8):
        nonce = number.to_bytes(16, "big")
        found = again.window.find(account("anna"), nonce, chain.time_s)
        assert found == chain.store.window.find(account("anna"), nonce, chain.time_s)
        assert found is not None
    assert again.window.count(account("anna")) == 7


def test_every_transaction_has_an_inclusion_proof_against_the_newest_tip() -> None:
    """consensus M9."""
    chain = Chain()
    txs = [chain.pay("anna", "bob", number, number) for number in range(1, 6)]
    chain.add(*txs[:2])
    chain.add()
    chain.add(*txs[2:])
    tip = chain.store.tip

    for tx in txs:
        place = chain.store.place(tx.id)
        assert place is not None
        path = inclusion_path(place.log_index, tip.log_size, chain.store.read_log_node)
        leaf = tx_leaf_hash(tx.id, place.code)
        assert verify_inclusion(leaf, place.log_index, tip.log_size, path, tip.log_root)


def test_history_shows_each_side_newest_first_with_the_balance_after() -> None:
    chain = Chain()
    chain.add(chain.pay("anna", "bob", 300, 1), chain.pay("bob", "anna", 100, 2))
    chain.add(chain.pay("anna", "bob", 50, 3))

    rows = [row for _, _, _, row in chain.store.history(account("anna"))]

    assert [(row.incoming, row.cents, row.balance) for row in rows] == [
        (0, 50, 9_750),
        (1, 100, 9_800),
        (0, 300, 9_700),
    ]
    assert {row.counterparty for row in rows} == {account("bob")}


def test_history_of_a_payment_across_wijken_names_the_person_not_the_clearing_account() -> None:
    """economy T4: two bookings, and each side sees the other."""
    chain = Chain()
    chain.add(chain.pay("anna", "bram", 700, 1))

    (paid,) = [row for _, _, _, row in chain.store.history(account("anna"))]
    (received,) = [row for _, _, _, row in chain.store.history(account("bram"))]

    assert (paid.kind, paid.counterparty, paid.denom) == (
        "trade",
        account("bram"),
        "delfshaven:EUR",
    )
    assert (received.counterparty, received.denom) == (account("anna"), "noord:EUR")
    assert (paid.cross_wijk, received.incoming, received.balance) == (1, 1, 5_700)


def test_paging_through_history_shifts_nothing_when_blocks_are_added() -> None:
    """interfaces 2.1: order is fixed by (height, index)."""
    chain = Chain()
    for number in range(1, 6):
        chain.add(chain.pay("anna", "bob", number, number))
    first = list(chain.store.history(account("anna")))[:2]
    chain.add(chain.pay("anna", "bob", 99, 99))

    rest = [row.cents for _, _, _, row in chain.store.history(account("anna"), first[-1][0])]

    assert [row.cents for _, _, _, row in first] == [5, 4]
    assert rest == [3, 2, 1]


def test_records_of_the_open_height_live_until_a_block_is_applied() -> None:
    """consensus D3: the batch of a height deletes its open records."""
    chain = Chain()
    chain.store.write_open({b"accepted": b"proposal", b"block/1": b"body"})
    assert ChainStore(MemoryStore(chain.pairs)).read_open() == {
        b"accepted": b"proposal",
        b"block/1": b"body",
    }

    chain.add(chain.pay("anna", "bob", 1, 1))

    assert chain.store.read_open() == {}


def test_state_under_the_tip_is_the_state_of_an_independent_run() -> None:
    """reliability J19: the same transactions on a ledger without a store give the same values."""
    chain = Chain()
    txs = [chain.pay("anna", "bob", 11, 1), chain.pay("bob", "anna", 7, 2)]
    chain.add(*txs)
    other = Ledger(balances=BALANCES)
    other.time_s = chain.time_s - 1
    run = other.run()
    for tx in txs:
        run.include(tx)
    other.apply(run)

    for name, value in other.state.items():
        assert chain.store.read_state(name) == value


def test_what_ends_as_a_block_begins_is_kept_and_told_to_its_owner() -> None:
    """economy C10, section 7: it stands at index -1, in no transaction."""
    chain = Chain()
    hold = chain.ledger.tx(
        HoldCall(account("bob"), 400, 60, None, None),
        account("anna"),
        [(0, "anna")],
        nonce=(1).to_bytes(16, "big"),
        expires=chain.time_s + 200,
    )
    chain.add(hold)
    chain.time_s += 60
    chain.add(chain.pay("anna", "bob", 100, 2))

    assert chain.store.start(1) == ()
    (ended,) = chain.store.start(2)
    assert ended.tx_id == hold.id
    rows = [
        (height, index, row.tx_id, row.kind, row.incoming, row.cents, row.balance)
        for _, height, index, row in chain.store.history(account("anna"))
    ]
    (paid,) = chain.store.outcomes(2)
    assert rows == [
        (2, 0, paid.tx_id, "payment", 0, 100, 9_900),
        (2, -1, hold.id, "hold", 1, 400, 10_000),
        (1, 0, hold.id, "hold", 0, 400, 9_600),
    ]
