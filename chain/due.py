"""Queues in state: what falls due at a time, earliest first (economy C10).

Contracts read single keys and have no scans, so what has to end by itself stands in a heap: place
p is never later than places 2p and 2p + 1, hence place 1 is the first one due. Whoever ends an
object early leaves it here: taken out when its time comes, it is found to be over.
"""

from chain.codec import Digest, Uint
from chain.state import Keyspace, State

DUE: Keyspace[tuple[int, bytes]] = Keyspace("due", tuple[Uint, Digest], 2)  # queue, place from 1
DUES: Keyspace[int] = Keyspace("dues", Uint, 1)  # how many stand in a queue

HOLDS_DUE, POLICIES_DUE, RECOVERIES_DUE = "hold", "policy", "recovery"
ELECTIONS_DUE = "election"
CLOSINGS_DUE = "closing"  # of voting, apart: only what was opened stands here, so nobody crowds it


def add_due(state: State, queue: str, time_s: int, object_id: bytes) -> None:
    """Put an object into a queue, due at `time_s`; of one time, the lowest id comes first."""
    place = (DUES.get(state, queue) or 0) + 1
    DUES.put(state, place, queue)
    entry = (time_s, object_id)
    while place > 1 and entry < (above := _get(state, queue, place // 2)):
        DUE.put(state, above, queue, place)
        place //= 2
    DUE.put(state, entry, queue, place)


def take_due(state: State, queue: str, now_s: int) -> bytes | None:
    """Take the first object out of a queue and return it, or None if none is due at `now_s`."""
    count = DUES.get(state, queue) or 0
    if count == 0:
        return None
    first = _get(state, queue, 1)
    if first[0] > now_s:
        return None
    last = _get(state, queue, count)
    DUE.delete(state, queue, count)
    DUES.put(state, count - 1 or None, queue)
    if count > 1:
        _sink(state, queue, count - 1, last)
    return first[1]


def _sink(state: State, queue: str, count: int, entry: tuple[int, bytes]) -> None:
    """Put `entry` on place 1 of a heap of `count`, and below whatever comes before it."""
    place = 1
    while 2 * place <= count:
        below = 2 * place
        earlier = _get(state, queue, below)
        if below < count and (beside := _get(state, queue, below + 1)) < earlier:
            below, earlier = below + 1, beside
        if entry < earlier:
            break
        DUE.put(state, earlier, queue, place)
        place = below
    DUE.put(state, entry, queue, place)


def _get(state: State, queue: str, place: int) -> tuple[int, bytes]:
    entry = DUE.get(state, queue, place)
    assert entry is not None, f"place {place} of the queue {queue} is taken"
    return entry
