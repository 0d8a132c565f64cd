"""The ends of policies: free money goes home in the first block after the last date (P4, P15).

What ends when stands in a queue of the state (chain/due.py), so that no block looks for it.
"""

from chain.contract import BlockStart, Clock
from chain.dates import to_days
from chain.due import POLICIES_DUE, add_due, take_due
from chain.params import DAY_S
from contracts.policies import POLICIES, get_last_date
from contracts.policies.frame import CLOSED
from contracts.policy.pools import can_go_home, end, get_heir

ENDS_MAX = 100  # economy section 4: of one block, by id


def note_end(clock: Clock, policy_id: bytes, last: int) -> None:
    """Note that a policy ends after the book date `last`."""
    due = (to_days(last) + 1) * DAY_S - clock.number("date_offset_s")
    add_due(clock.state, POLICIES_DUE, due, policy_id)


def sweep(start: BlockStart) -> None:
    """End at most 100 policies whose last date is past, ordered by (date, id)."""
    for _ in range(ENDS_MAX):
        policy_id = take_due(start.state, POLICIES_DUE, start.time_s)
        if policy_id is None:
            return
        policy = POLICIES.get(start.state, policy_id)
        assert policy is not None, "a queue holds ids of policies that exist"
        last = get_last_date(policy)
        assert last is not None, "only a policy with an end is waited for"
        if policy.status == CLOSED:
            continue
        heir_id = get_heir(policy)
        early = start.clock.book_date <= last  # the offset of book dates was changed (economy B9)
        if early or not can_go_home(start.state, policy, heir_id):
            add_due(start.state, POLICIES_DUE, start.time_s + DAY_S, policy_id)
            continue
        start.begin(policy_id)
        end(start, policy_id, policy, heir_id)
        start.note(policy_id)
