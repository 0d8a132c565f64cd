"""Evidence on the chain, and what follows from it: suspension until the board decides (E3, E4).

A suspended key leaves the validator set as soon as the limits of V3 and V4 allow, and leads last
until then. All of it is state under state_root, so every node does the same in the same block. The
state also remembers what judging needs: the sets of the evidence window, and the first height of
each hour, by which evidence is dated in chain time.
"""

from collections.abc import Sequence

from chain.codec import Digest, PublicKey, Record, Uint
from chain.crypto import sha256
from chain.errors import Malformed
from chain.evidence import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_MAX,
    Conviction,
    check_evidence,
    decode_evidence,
    get_conviction,
)
from chain.keyspaces import LEADERS, SET_LAST, SET_NEXT, VALIDATOR_SETS
from chain.leaders import pin
from chain.set_change import change_members, find_fault, get_members, is_under_way
from chain.signed import ChainName
from chain.state import Keyspace, State
from chain.validators import ValidatorSet, Verify, unnamed_set

EVIDENCE_AGE_S = 7 * 86_400  # consensus E3, a constant of protocol version 1 (V7)
HOUR_S = 3_600


class PastSet(Record, frozen=True):
    """A set that is no longer in force: the height it last judged, and its keys, ascending."""

    last: Uint
    keys: tuple[PublicKey, ...]


class Seen(Record, frozen=True):
    """`evidence/<key>/<height>`: evidence of that height is on the chain (E3: once).

    `kind` is the letter of E1, `digest` the SHA-256 of its bytes, `block` the height it stands in.
    """

    kind: str
    digest: Digest
    block: Uint


class Suspended(Record, frozen=True):
    """A key that is suspended (E4): since which block, for what, and the evidence's digest."""

    key: PublicKey
    since: Uint
    kind: str
    height: Uint
    digest: Digest


HOURS: Keyspace[tuple[tuple[int, int], ...]] = Keyspace(
    "hours", tuple[tuple[Uint, Uint], ...], 0
)  # (first height of an hour, its time in s), oldest first, of the evidence window
PAST_SETS: Keyspace[tuple[PastSet, ...]] = Keyspace("sets", tuple[PastSet, ...], 0)
EVIDENCE: Keyspace[Seen] = Keyspace("evidence", Seen, 2)
SUSPENDED_KEYS: Keyspace[tuple[Suspended, ...]] = Keyspace("suspended", tuple[Suspended, ...], 0)
# `lifted/<key>`: the block in which its board last ended a suspension. What the key did before it
# is decided, also what nobody has shown yet.
LIFTED: Keyspace[int] = Keyspace("lifted", Uint, 1)


def get_suspended(state: State) -> tuple[Suspended, ...]:
    """Return the suspended keys, the longest suspended first."""
    return SUSPENDED_KEYS.get(state) or ()


def get_suspended_keys(state: State) -> frozenset[bytes]:
    """Return the keys of `get_suspended`: pinned as long as they are in the set (E4, L4)."""
    return frozenset(one.key for one in get_suspended(state))


def note_time(state: State, height: int, time_s: int) -> None:
    """Note the first block of an hour, and forget what is older than the evidence window."""
    hours = HOURS.get(state) or ()
    if hours and hours[-1][1] // HOUR_S == time_s // HOUR_S:
        return
    kept = tuple(row for row in hours if row[1] >= time_s - EVIDENCE_AGE_S)
    HOURS.put(state, (*kept, (height, time_s)))
    past = PAST_SETS.get(state) or ()
    still = tuple(one for one in past if one.last >= (kept[0][0] if kept else height))
    if still != past:
        PAST_SETS.put(state, still)


def note_set(state: State, height: int, keys: Sequence[bytes]) -> None:
    """Remember `keys`, the set of `height` - 1, if the set of `height` is another one."""
    now = get_members(state, SET_LAST)
    if tuple(sorted(keys)) != tuple(sorted(member.key for member in now)):
        past = PAST_SETS.get(state) or ()
        PAST_SETS.put(state, (*past, PastSet(height - 1, tuple(sorted(keys)))))


def judge(
    state: State, chain: ChainName, height: int, time_s: int, raw: bytes, verify: Verify
) -> Conviction:
    """Return what the evidence `raw` proves in the block of `height`, or raise `Malformed` (E3).

    `state` is that of the start of the block: `note_time` and the sets of `height` are in.
    """
    evidence = decode_evidence(raw)
    found = get_conviction(evidence)
    if not _oldest(state, time_s) <= found.height <= height:
        raise Malformed("evidence that is too old, or of a height to come")
    if EVIDENCE.get(state, found.key, found.height) is not None:
        raise Malformed("evidence that is on the chain already")
    if is_lifted(state, found):
        raise Malformed("evidence of before its board has decided")
    check_evidence(evidence, chain, _set_at(state, found.height), verify)
    return found


def apply_evidence(
    state: State,
    chain: ChainName,
    height: int,
    time_s: int,
    evidence: Sequence[bytes],
    verify: Verify,
) -> None:
    """Record what a block proves and suspend whom it convicts, or raise `Malformed` (E3, E4).

    Each block calls this, also with no evidence: a key may be removed once that is allowed.
    """
    check_amount(evidence)
    for raw in evidence:
        found = judge(state, chain, height, time_s, raw, verify)
        digest = sha256(raw)
        EVIDENCE.put(state, Seen(found.kind, digest, height), found.key, found.height)
        _suspend(state, Suspended(found.key, height, found.kind, found.height, digest))
    _take_out(state)
    _put_aside(state, height)


def choose_evidence(
    state: State,
    chain: ChainName,
    height: int,
    time_s: int,
    offered: Sequence[bytes],
    verify: Verify,
) -> tuple[bytes, ...]:
    """Return what a proposer includes of `offered`, in order, up to the caps of E3 and M8.

    What is invalid now is left out, and so is what convicts a key that is suspended already.
    """
    chosen: list[bytes] = []
    aside = set(get_suspended_keys(state))
    size = 0
    for raw in offered:
        if size + len(raw) > EVIDENCE_BYTES_MAX or len(chosen) == EVIDENCE_MAX:
            continue
        try:
            found = judge(state, chain, height, time_s, raw, verify)
        except Malformed:
            continue
        if found.key not in aside:
            aside.add(found.key)
            chosen.append(raw)
            size += len(raw)
    return tuple(chosen)


def check_amount(evidence: Sequence[bytes]) -> None:
    """Raise `Malformed` for more evidence than a block may hold (E3)."""
    if sum(map(len, evidence)) > EVIDENCE_BYTES_MAX:
        raise Malformed("more evidence than a block may hold")


def is_lifted(state: State, found: Conviction) -> bool:
    """Say whether the board of its wijk has ended a suspension of this key since (E4)."""
    return found.height < (LIFTED.get(state, found.key) or 0)


def lift(state: State, key: bytes, height: int) -> None:
    """End the suspension of `key` in block `height`: the board of its wijk has decided (E4).

    So no evidence of lower heights suspends the key again. Where it is not suspended nothing is
    decided: a board cannot clear its node of what is not on the chain yet.
    """
    rows = get_suspended(state)
    kept = tuple(one for one in rows if one.key != key)
    if kept != rows:
        SUSPENDED_KEYS.put(state, kept or None)
        LIFTED.put(state, height, key)


def _suspend(state: State, suspended: Suspended) -> None:
    """E4: suspend a key; one that is suspended already stays so, for what came first."""
    rows = get_suspended(state)
    if all(one.key != suspended.key for one in rows):
        SUSPENDED_KEYS.put(state, (*rows, suspended))


def _take_out(state: State) -> None:
    """E4: remove suspended keys from Set(h+2), the longest suspended first, as V3 and V4 allow.

    Nothing may be under way (V4), so a planned change still fits when its border comes.
    """
    members = get_members(state, SET_NEXT)
    held = {member.key for member in members}
    keys = tuple(one.key for one in get_suspended(state) if one.key in held)
    if not keys or is_under_way(state):
        return
    for count in range(len(keys), 0, -1):
        if find_fault(members, keys[:count], ()) is None:
            VALIDATOR_SETS.put(state, change_members(members, keys[:count], ()), SET_NEXT)
            return


def _put_aside(state: State, height: int) -> None:
    """E4: pin whom the set cannot do without yet: it leads last. A key may also have come back."""
    held = {member.key for member in get_members(state, SET_NEXT)}
    leaders = LEADERS.get(state)
    assert leaders is not None, "genesis sets the schedule"
    pinned = leaders
    for one in get_suspended(state):
        if one.key in held:
            pinned = pin(pinned, one.key, height)
    if pinned != leaders:
        LEADERS.put(state, pinned)


def _oldest(state: State, time_s: int) -> int:
    """Return the lowest height whose block is surely at most 7 days old (E3)."""
    for height, at_s in HOURS.get(state) or ():
        if at_s >= time_s - EVIDENCE_AGE_S:
            return height
    raise AssertionError("the hour of this block is noted")


def _set_at(state: State, height: int) -> ValidatorSet:
    """Return Set(height), of a height in the window and at most that of this block (V2)."""
    for past in PAST_SETS.get(state) or ():
        if height <= past.last:
            return unnamed_set(past.keys)
    return unnamed_set([member.key for member in get_members(state, SET_LAST)])
