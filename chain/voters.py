"""Who may vote, now and at an earlier height, and how many they are (economy E13, N10).

A member has a vote while it is a person with the flag VOTE whose account is active. Contracts see
the newest state alone, so whoever changes one of these notes it here: changes of an account stand
as heights, of a wijk as numbers with the height they hold from. So a vote that opened last week
counts the same people at every node, whoever joined or left since.
"""

from chain.codec import Record, Uint
from chain.keyspaces import ACTIVE, LEFT, PERSON, AccountRecord, Member
from chain.state import Keyspace, State

VOTE, STAND = "VOTE", "STAND"
# Of one account: more changes than these, within the life of one vote, are no vote in it.
CHANGES_MAX = 16


class VoterCount(Record, frozen=True):
    """`voters/<wijk>/<n>`: from this height on, the wijk has so many voters."""

    height: Uint
    count: Uint


# `voter/<account>`: heights at which the right came and went, in turn. None: as it is, since ever.
VOTER: Keyspace[tuple[int, ...]] = Keyspace("voter", tuple[Uint, ...], 1)
VOTERS: Keyspace[VoterCount] = Keyspace("voters", VoterCount, 2)
VOTER_CHANGES: Keyspace[int] = Keyspace("voterchanges", Uint, 1)  # the newest n of a wijk


def has_vote(account: AccountRecord, member: Member | None) -> bool:
    """Say whether a member has a vote in its wijk now."""
    return (
        member is not None
        and member.membership == 1
        and VOTE in member.flags
        and (account.kind, account.status) == (PERSON, ACTIVE)
    )


def may_stand(account: AccountRecord, member: Member | None) -> bool:
    """Say whether a member may be on a board; who left or is suspended keeps its flags (N10)."""
    return member is not None and STAND in member.flags and account.status == ACTIVE


def is_member(account: AccountRecord, member: Member | None) -> bool:
    """Say whether an account belongs to its wijk; who is suspended may ask and object (E3)."""
    return member is not None and member.membership == 1 and account.status != LEFT


def note_right(
    state: State, wijk: str, account_id: bytes, height: int, before: bool, after: bool
) -> None:
    """Note that the right to vote of an account came or went in the block at `height`."""
    if before == after:
        return
    heights = VOTER.get(state, account_id)
    if heights is None:
        heights = (0,) if before else ()
    # Twice in one block is not at all.
    heights = heights[:-1] if heights[-1:] == (height,) else (*heights, height)
    over = max(0, len(heights) - CHANGES_MAX)
    VOTER.put(state, heights[over + over % 2 :], account_id)
    set_voters(state, wijk, height, count_voters(state, wijk, height) + (1 if after else -1))


def set_voters(state: State, wijk: str, height: int, count: int) -> None:
    """Set how many voters a wijk has from `height` on; heights never go back."""
    newest = VOTER_CHANGES.get(state, wijk) or 0
    last = VOTERS.get(state, wijk, newest) if newest else None
    if last is None or last.height != height:
        newest += 1
        VOTER_CHANGES.put(state, newest, wijk)
    VOTERS.put(state, VoterCount(height, count), wijk, newest)


def could_vote(state: State, account_id: bytes, height: int, *, now: bool) -> bool:
    """Say whether an account had a vote after the block at `height`; `now` is whether it has one.

    It is asked of the wijk that the account belongs to, and accounts never move.
    """
    heights = VOTER.get(state, account_id)
    if heights is None:
        return now
    return sum(changed <= height for changed in heights) % 2 == 1


def count_voters(state: State, wijk: str, height: int) -> int:
    """Return how many voters a wijk had after the block at `height`."""
    low, high = 0, VOTER_CHANGES.get(state, wijk) or 0
    while low < high:  # the last change that is not later
        middle = (low + high + 1) // 2
        found = VOTERS.get(state, wijk, middle)
        assert found is not None, f"change {middle} of {wijk} was noted"
        if found.height <= height:
            low = middle
        else:
            high = middle - 1
    found = VOTERS.get(state, wijk, low) if low else None
    return 0 if found is None else found.count
