"""The posting stream: every booking of a chain in order, as an accountant reads it (economy X1).

All exports come from these rows alone. They are made while the chain is executed again, so that
nothing is exported that was not verified.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chain.address import account_text
from chain.books import BANK, FUND, HELD, MEMBER, PENDING_OUT, POOL
from chain.genesis import Genesis
from chain.records import Header, Outcome, Posting

GENESIS_HEIGHT, NO_INDEX = 0, -1  # economy section 7: of postings that no transaction made
ACCOUNT_CLASSES = (MEMBER, PENDING_OUT, HELD, FUND)


class Row(msgspec.Struct, frozen=True, gc=False):
    """One posting. `cents` are cents, `time_s` Unix seconds, `book_date` YYYYMMDD.

    `account` is bech32m of an account, hex of a reserve or a policy, or a wijk id.
    """

    height: int
    index: int
    leg: int
    tx: str | None
    book_date: int
    time_s: int
    wijk: str
    denom: str
    klass: str
    account: str
    side: str
    cents: int
    flow: str | None
    use: str | None
    product: str | None
    policy: str | None
    decision: str | None
    corrects: str | None

    @property
    def debit_cents(self) -> int:
        """The amount with its sign: a debit above zero, a credit below."""
        return self.cents if self.side == "D" else -self.cents


Group = Sequence[Row]  # the rows of one transaction, of genesis, or of the start of a block


def make_genesis_rows(genesis: Genesis, book_date: int) -> list[Row]:
    """Return the postings of genesis: opening balances."""
    place = GENESIS_HEIGHT, NO_INDEX, None, book_date, genesis.time_ms // 1000
    return [_row(posting, *place) for posting in genesis.postings]


def make_block_rows(
    header: Header, start: Iterable[Outcome], outcomes: Iterable[Outcome], book_date: int
) -> Iterator[list[Row]]:
    """Yield what a block booked: what ended by itself at its start, then its transactions."""
    time_s = header.time_ms // 1000
    place_before = header.height, NO_INDEX, None, book_date, time_s
    if began := [_row(posting, *place_before) for one in start for posting in one.postings]:
        yield began
    for index, outcome in enumerate(outcomes):
        if outcome.postings:
            place = header.height, index, outcome.tx_id.hex(), book_date, time_s
            yield [_row(posting, *place) for posting in outcome.postings]


def pair_up(group: Group) -> Iterator[tuple[Row, Row]]:
    """Yield the bookings of a group: each a debit and its credit (economy I1)."""
    for number in range(0, len(group), 2):
        yield group[number], group[number + 1]


def name_owner(klass: str, owner: bytes) -> str:
    """Return an owner as people write it (interfaces 5.5)."""
    if klass in ACCOUNT_CLASSES:
        return account_text(owner)
    return owner.hex() if klass in (BANK, POOL) else owner.decode()


def _row(
    posting: Posting, height: int, index: int, tx: str | None, book_date: int, time_s: int
) -> Row:
    tag = posting.tag
    return Row(
        height,
        index,
        posting.leg,
        tx,
        book_date,
        time_s,
        posting.wijk,
        posting.denom,
        posting.klass,
        name_owner(posting.klass, posting.owner),
        posting.side,
        posting.cents,
        None if tag is None else tag.flow,
        None if tag is None else tag.use,
        None if tag is None else tag.product,
        _hex(posting.policy),
        _hex(posting.decision),
        _hex(posting.corrects),
    )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
