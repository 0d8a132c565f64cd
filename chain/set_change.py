"""Changes of the validator set, as chain state: what may change, and from which block on.

A call plans a change and is refused there, never later (consensus V3). The first block of the
epoch it names puts it into Set(h+2) (V1, economy E38), and until it is in force nobody plans
another (V4). So each set differs from the one before by little, and every block of a height is
judged by one set whatever is under way.
"""

from msgspec.structs import replace

from chain.codec import Account, Digest, PublicKey, Record, Uint
from chain.crypto import is_valid_key
from chain.keyspaces import (
    REMOVED,
    SET_LAST,
    SET_NEXT,
    SET_NOW,
    VALIDATOR_SETS,
    WIJKEN,
    SetMember,
)
from chain.state import Keyspace, State
from chain.text_rules import SLUG_LENGTH_MAX
from chain.validators import VALIDATORS_MAX, faulty

VALIDATORS_MIN = 4  # consensus V3, Q5: a set that had so many never has fewer again
READY_S = 86_400  # consensus V5b: so long a node that reported itself may join
RECENT_BLOCKS = 100  # consensus V5b: it names one of so many newest blocks


class SetChange(Record, frozen=True):
    """`change`: what the first block of `from_epoch` does to Set(h+2); one at a time (V4).

    `removed` is the wijk that takes part no longer from that block on, or nil.
    """

    from_epoch: Uint
    leave: tuple[PublicKey, ...]
    join: tuple[SetMember, ...]
    removed: str | None


class NodeReady(Record, frozen=True):
    """`ready/<key>`: the node of that validator key said it was in sync (consensus V5b).

    `height` is of the block it named, `time_s` the block time of the report by `account`.
    """

    transport_key: PublicKey
    height: Uint
    time_s: Uint
    account: Account


PLANNED: Keyspace[SetChange] = Keyspace("change", SetChange, 0)
READY: Keyspace[NodeReady] = Keyspace("ready", NodeReady, 1)
# The newest blocks, `recent/<last two digits of the height>` -> (height, block id).
RECENT: Keyspace[tuple[int, bytes]] = Keyspace("recent", tuple[Uint, Digest], 1)


def get_members(state: State, which: str) -> tuple[SetMember, ...]:
    """Return the members of a validator set in state."""
    members = VALIDATOR_SETS.get(state, which)
    assert members is not None, "genesis sets all three"
    return members


def is_under_way(state: State) -> bool:
    """Say whether a change is planned, or not yet in force at this height (V4)."""
    last, now, coming = (get_members(state, which) for which in (SET_LAST, SET_NOW, SET_NEXT))
    return PLANNED.get(state) is not None or not last == now == coming


def find_fault(
    members: tuple[SetMember, ...], leave: tuple[bytes, ...], join: tuple[SetMember, ...]
) -> str | None:
    """Return in a word what forbids this change of `members`, or None (V3, V4)."""
    held = [member.key for member in members]
    if len(set(leave)) != len(leave) or any(key not in held for key in leave):
        return "unknown-leaver"
    after = change_members(members, leave, join)
    keys = [key for member in after for key in (member.key, member.transport_key)]
    names = [member.name for member in after]
    if len(set(keys)) != len(keys) or len(set(names)) != len(names):
        return "duplicate"
    if not all(is_valid_key(key) for one in join for key in (one.key, one.transport_key)):
        return "weak-key"
    if len(after) < (VALIDATORS_MIN if len(members) >= VALIDATORS_MIN else 1):
        return "too-few"
    if len(after) > VALIDATORS_MAX:
        return "too-many"
    most = max(1, faulty(len(members)))
    return "limit" if len(leave) > most or len(join) > most else None


def change_members(
    members: tuple[SetMember, ...], leave: tuple[bytes, ...], join: tuple[SetMember, ...]
) -> tuple[SetMember, ...]:
    """Return the members after a change, in ascending order of their keys."""
    stay = tuple(member for member in members if member.key not in leave)
    return tuple(sorted((*stay, *join), key=lambda member: member.key))


def choose_name(members: tuple[SetMember, ...], wijk: str) -> str:
    """Return the name of a new node: that of its wijk, or with the first number that is free."""
    taken = [member.name for member in members]
    name, number = wijk, 2
    while name in taken:
        end = f"-{number}"
        name, number = wijk[: SLUG_LENGTH_MAX - len(end)] + end, number + 1
    return name


def note_block(state: State, height: int, block_id: bytes) -> None:
    """Remember a decided block, so that a node can show that it has it (V5b)."""
    RECENT.put(state, (height, block_id), _digits(height))


def is_recent(state: State, height: int, block_id: bytes) -> bool:
    """Say whether this block is one of the last hundred before the one being run."""
    return RECENT.get(state, _digits(height)) == (height, block_id)


def get_recent_id(state: State, height: int) -> bytes | None:
    """Return the id of one of the last hundred blocks, or None."""
    found = RECENT.get(state, _digits(height))
    return found[1] if found is not None and found[0] == height else None


def move_sets(state: State, epoch: int) -> None:
    """Start a block: each set comes one nearer, and a change that is due enters Set(h+2) (V1)."""
    for which, follows in ((SET_LAST, SET_NOW), (SET_NOW, SET_NEXT)):
        coming = get_members(state, follows)
        if get_members(state, which) != coming:
            VALIDATOR_SETS.put(state, coming, which)
    change = PLANNED.get(state)
    if change is None or epoch < change.from_epoch:
        return
    members = get_members(state, SET_NEXT)
    assert find_fault(members, change.leave, change.join) is None, "checked when it was planned"
    VALIDATOR_SETS.put(state, change_members(members, change.leave, change.join), SET_NEXT)
    PLANNED.delete(state)
    if change.removed is not None:
        wijk = WIJKEN.get(state, change.removed)
        assert wijk is not None, "only a wijk that exists is removed"
        WIJKEN.put(state, replace(wijk, status=REMOVED), change.removed)


def _digits(height: int) -> str:
    return f"{height % RECENT_BLOCKS:02}"
