"""Handing a board over, as more than one contract needs it: keys that go along, and late seats.

`contracts/election` takes the steps (economy E39, ADR 0085); `contracts/board` seats whoever
accepts after the others were seated.
"""

from collections.abc import Sequence

import msgspec

from chain.codec import Digest, PublicKey, Record, Uint
from chain.elections import BOARD_ELECTION, Acceptance
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    NEXT_KEY,
    REPLACED,
    SEATS,
    AccountKey,
    AccountRecord,
    Seat,
    Wijk,
    get_seats,
    get_sitting,
    note_past_keys,
)
from chain.state import Keyspace, State

OVERLAP, KEYS, VAULT, CHECKLIST = "OVERLAP", "KEYS", "VAULT", "CHECKLIST"
STEPS = (OVERLAP, KEYS, VAULT, CHECKLIST)


class Handover(Record, frozen=True):
    """`handover/<election>`: the last step done, in which epoch, and whose hands are up for the
    next one where trustees do it. `old` are the keys that the wijk had before.
    """

    step: str | None
    epoch: Uint
    trustees: tuple[Uint, ...]
    evidence: tuple[Digest, ...]
    old: tuple[PublicKey, ...]


HANDOVERS: Keyspace[Handover] = Keyspace("handover", Handover, 1)


def has_new_board(state: State, election_id: bytes) -> bool:
    """Say whether those elected sit already: step KEYS of the handover was done (E39)."""
    row = HANDOVERS.get(state, election_id)
    return row is not None and row.step is not None and STEPS.index(row.step) >= STEPS.index(KEYS)


def put_keys(
    state: State,
    account_id: bytes,
    account: AccountRecord,
    kept: tuple[AccountKey, ...],
    new: Sequence[Acceptance],
    threshold: int,
    height: int,
) -> None:
    """Give an account the keys of these seats beside those that it keeps, under new indexes."""
    known = {key.key for key in kept}
    first = NEXT_KEY.get(state, account_id) or len(account.keys)
    coming = [acceptance for acceptance in new if acceptance.key not in known]
    added = tuple(
        AccountKey(first + place, row.key, row.holder, height) for place, row in enumerate(coming)
    )
    keys = (*kept, *added)
    note_past_keys(state, account_id, account.keys, keys)
    changed = msgspec.structs.replace(account, keys=keys, threshold=threshold)
    ACCOUNTS.put(state, changed, account_id)
    NEXT_KEY.put(state, first + len(added), account_id)


def seat_late(
    state: State,
    election_id: bytes,
    wijk_id: str,
    wijk: Wijk,
    row: Acceptance,
    now: tuple[int, int],
    emptied: int | None = None,
) -> bool:
    """Seat who accepted after step KEYS, for as long as the others; return whether that went (E39).

    `now` is height and time in s, `emptied` the number of the seat that the next on the list takes
    (E41): its key leaves the board account. It does not go once the terms are over or nobody sits,
    for one person is no board, or once the wijk has called its next election: then that one is the
    way to a seat. Nobody sits twice, and no threshold falls by it.
    """
    height, time_s = now
    sitting = get_sitting(state, wijk_id, time_s)
    if not sitting or BOARD_ELECTION.get(state, wijk_id) != election_id:
        return False
    if any(one.holder == row.holder for one in sitting):
        return False
    until_s = max(seat.until_s for seat in sitting)
    seat = Seat(row.key, row.holder, time_s, until_s, ACTIVE)
    SEATS.put(state, seat, wijk_id, len(get_seats(state, wijk_id)) + 1)
    board = ACCOUNTS.get(state, wijk.board)
    assert board is not None, "a wijk has a board account"
    kept = board.keys
    if emptied is not None:
        before = SEATS.get(state, wijk_id, emptied)
        assert before is not None, "the caller found it empty"
        gone = msgspec.structs.replace(before, status=REPLACED)
        SEATS.put(state, gone, wijk_id, emptied)
        kept = tuple(key for key in kept if key.key != before.key)
    holders = {one.holder for one in (*sitting, seat)}
    threshold = max(board.threshold, len(holders) // 2 + 1)
    put_keys(state, wijk.board, board, kept, (row,), threshold, height)
    return True
