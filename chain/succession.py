"""Who comes next: candidates who were not elected take seats that fall empty (E41, ADR 0093).

The list is the ranking of the election whose board sits, and its order binds. A seat is empty once
who sat there resigned or was recalled and nobody else took it.
"""

from chain.contract import Context
from chain.elections import (
    BOARD_ELECTION,
    DECIDE_S,
    get_acceptances,
    get_elected,
    get_list,
)
from chain.handover import has_new_board
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    ENDED,
    MEMBERS,
    PERSON,
    RECALLED,
    REPLACED,
    RESIGNED,
    AccountRecord,
    get_seats,
)
from chain.seats import end_seat
from chain.state import State
from chain.voters import may_stand

# Who is first on the list has so long alone; then the one after may come too. As long as a board
# has for an objection: time to be asked, to think and to make a key, and a seat is not empty long.
PASS_S = DECIDE_S


def get_empty(state: State, wijk_id: str, time_s: int) -> tuple[tuple[int, int], ...]:
    """Return since when (Unix seconds) which seats are empty, the longest first."""
    found = [
        (seat.until_s, number)
        for number, seat in enumerate(get_seats(state, wijk_id), 1)
        if seat.status in (RESIGNED, RECALLED) and seat.until_s <= time_s
    ]
    return tuple(sorted(found))


def get_waiting(state: State, election_id: bytes) -> tuple[int, ...]:
    """Return the places on the list of those who may still take a seat, the next one first.

    Who sat on this board does not come back by the list, nor who may not stand any more.
    """
    elected = len(get_elected(state, election_id))
    sat = {place for place, _ in get_acceptances(state, election_id)}
    waiting = []
    for place, account_id in enumerate(get_list(state, election_id), 1):
        account, member = ACCOUNTS.get(state, account_id), MEMBERS.get(state, account_id)
        stands = account is not None and may_stand(account, member)
        if place > elected and place not in sat and stands:
            waiting.append(place)
    return tuple(waiting)


def get_turn_s(
    state: State, election_id: bytes, wijk_id: str, place: int, time_s: int
) -> int | None:
    """Return from when (Unix seconds) a place of the list may take an empty seat; None if never.

    As many as there are empty seats may come at once. Each one behind them waits `PASS_S` longer.
    """
    waiting = get_waiting(state, election_id)
    empty = get_empty(state, wijk_id, time_s)
    if place not in waiting or not empty:
        return None
    ahead = waiting.index(place)
    return min(
        since_s + PASS_S * max(0, ahead - others) for others, (since_s, _) in enumerate(empty)
    )


def leave_seat(ctx: Context, account_id: bytes, account: AccountRecord) -> None:
    """End the seat of a member that leaves by itself, as if it resigned now (economy E41).

    Whose seat it is follows from who accepted it. Members choose the holders of their own keys, so
    two seats of one holder end by a recall alone: nobody shall end another's seat.
    """
    election_id = BOARD_ELECTION.get(ctx.state, ctx.wijk_id)
    seated = election_id is not None and has_new_board(ctx.state, election_id)
    if election_id is None or not seated or account.kind != PERSON:
        return
    rows = get_acceptances(ctx.state, election_id)
    holders = {row.holder for _, row in rows if row.account == account_id}
    own = [
        (number, seat)
        for number, seat in enumerate(get_seats(ctx.state, ctx.wijk_id), 1)
        if seat.holder in holders and seat.status not in (ENDED, REPLACED)
    ]
    if len(own) != 1:
        return
    number, seat = own[0]
    if seat.status == ACTIVE or (seat.status == RESIGNED and ctx.time_s < seat.until_s):
        end_seat(ctx, ctx.wijk_id, number, RESIGNED)
