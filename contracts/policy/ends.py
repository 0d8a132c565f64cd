"""The ends of policies: free money goes home in the first block after the last date (P4, P15).

Which policies end is found without a search: `ends` holds the last dates that are still to come,
`end/<date>/<bucket>` the policies of a date, a bucket for each first byte of an id, so that no
value grows long and policies come in the order of their ids.
"""

from chain.codec import Digest, Uint
from chain.contract import Context
from chain.state import Keyspace, State
from contracts.policies import POLICIES
from contracts.policies.frame import CLOSED
from contracts.policy.pools import end, get_heir

ENDS_MAX = 100  # economy section 4: of one block, by id
BUCKETS = 256

END_DATES: Keyspace[tuple[int, ...]] = Keyspace("ends", tuple[Uint, ...], 0)
ENDING: Keyspace[tuple[bytes, ...]] = Keyspace("end", tuple[Digest, ...], 2)


def note_end(state: State, policy_id: bytes, last: int) -> None:
    """Note that a policy ends after the book date `last`."""
    dates = END_DATES.get(state) or ()
    if last not in dates:
        END_DATES.put(state, tuple(sorted((*dates, last))))
    bucket = policy_id[0]
    ids = ENDING.get(state, last, bucket) or ()
    ENDING.put(state, tuple(sorted((*ids, policy_id))), last, bucket)


def sweep(ctx: Context) -> None:
    """End at most 100 policies whose last date is past: the oldest date first, then by id."""
    dates = END_DATES.get(ctx.state) or ()
    room = ENDS_MAX
    while dates and dates[0] < ctx.clock.book_date and room:
        room -= _sweep_date(ctx, dates[0], room)
        if room:
            dates = dates[1:]
            END_DATES.put(ctx.state, dates or None)


def _sweep_date(ctx: Context, date: int, room: int) -> int:
    """End policies of one date; return how many, `room` where some may be left."""
    done = 0
    for bucket in range(BUCKETS):
        ids = ENDING.get(ctx.state, date, bucket) or ()
        taken = ids[: room - done]
        for policy_id in taken:
            policy = POLICIES.get(ctx.state, policy_id)
            assert policy is not None, "a policy stays for ever"
            if policy.status != CLOSED:
                end(ctx, policy_id, policy, get_heir(policy))
        if taken:
            ENDING.put(ctx.state, ids[len(taken) :] or None, date, bucket)
            done += len(taken)
        if done == room:
            return done
    return done
