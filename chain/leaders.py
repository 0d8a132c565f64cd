"""Who leads, as chain state: the ring, and the sideline of those who let rounds fail (consensus L).

Executing block h fixes order(h+1) from committed blocks alone, so no two nodes can differ about
who leads. A sidelined validator leads last and votes as before: the list never changes a quorum.
"""

from collections.abc import Collection, Sequence
from typing import Annotated

import msgspec

from chain.codec import PublicKey, Record, Uint
from chain.validators import VALIDATORS_MAX, faulty

STRIKES_MAX = 5  # consensus L3: the term doubles with each strike, up to 16 turns of everybody
SEEN_BITS = 10  # consensus L4: so many last commits are remembered of a sidelined validator
SEEN_MIN = 3  # and with so many of its signatures among them, a first strike is forgiven

Places = Annotated[bytes, msgspec.Meta(max_length=VALIDATORS_MAX)]


class Sidelined(Record, frozen=True):
    """A validator that leads last until block `until` is executed.

    `seen` has a bit for each of the last 10 last commits since then, 1 where the validator had
    signed, the newest lowest.
    """

    key: PublicKey
    until: Uint
    seen: Uint


class Leaders(Record, frozen=True):
    """`leaders` after block h (consensus L3).

    `creator` made block h; nil before block 1. `before` is order(h) and `now` is order(h+1), each
    as places in the ascending keys of its set. `sideline` is oldest first, `strikes` in key order
    and without zeros.
    """

    creator: PublicKey | None
    before: Places
    now: Places
    sideline: tuple[Sidelined, ...]
    strikes: tuple[tuple[PublicKey, Uint], ...]


class Verdict(msgspec.Struct, frozen=True):
    """What the last commit of a block says about its parent: the round that decided, who signed."""

    round: int
    signers: frozenset[bytes]


def ring(keys: Sequence[bytes], creator: bytes | None) -> tuple[bytes, ...]:
    """Return the sorted `keys`, starting after the last block's creator (L1).

    The next larger key comes first if the creator left the set; the lowest if there is none yet.
    """
    ordered = sorted(keys)
    if creator is None:
        return tuple(ordered)
    start = sum(key <= creator for key in ordered)
    return tuple(ordered[start:] + ordered[:start])


def start_leaders(keys: Sequence[bytes]) -> Leaders:
    """Return the schedule of genesis: a plain ring, and nobody on the sideline."""
    return Leaders(None, b"", _places(ring(keys, None), keys), (), ())


def get_order(places: bytes, keys: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return an order of `Leaders` as keys; `keys` are those of the set it is an order of."""
    ordered = sorted(keys)
    assert len(places) == len(ordered), "an order names each validator of its set once"
    return tuple(ordered[place] for place in places)


def advance(
    leaders: Leaders,
    height: int,
    before: Sequence[bytes],
    verdict: Verdict | None,
    creator: bytes,
    coming: Sequence[bytes],
    pinned: Collection[bytes] = (),
) -> Leaders:
    """Return the schedule after block `height` made by `creator` (consensus L4).

    `before` are the keys of Set(height-1), `coming` those of Set(height+1); `verdict` is of the
    canonical last commit, nil at height 1. `pinned` are the suspended keys (E4): an entry of one
    makes room last, and never returns.
    """
    strikes = dict(leaders.strikes)
    sideline = [_see(one, verdict) for one in leaders.sideline]
    if verdict is not None:
        order = get_order(leaders.before, before)
        if leaders.creator == order[verdict.round % len(order)]:
            strikes.pop(leaders.creator, None)
        listed = {one.key for one in sideline}
        for key in order[: verdict.round]:
            if key not in listed:
                strikes[key] = min(strikes.get(key, 0) + 1, STRIKES_MAX)
                until = height + len(coming) * 2 ** (strikes[key] - 1)
                sideline.append(Sidelined(key, until, 0))
    stay = set(coming)
    sideline = [one for one in sideline if one.key in stay]
    excess = max(0, len(sideline) - faulty(len(coming)))
    oldest = sorted(sideline, key=lambda one: one.key in pinned)[:excess]
    sideline = [one for one in sideline if one not in oldest]
    sideline = [
        one for one in sideline if one.key in pinned or not _may_return(one, height, strikes)
    ]
    aside = {one.key for one in sideline}
    turn = ring(coming, creator)
    order_next = [key for key in turn if key not in aside] + [key for key in turn if key in aside]
    return Leaders(
        creator,
        leaders.now,
        _places(order_next, coming),
        tuple(sideline),
        tuple(sorted((key, count) for key, count in strikes.items() if key in stay)),
    )


def pin(leaders: Leaders, key: bytes, height: int) -> Leaders:
    """Return the schedule with a suspended key on the sideline list after block `height` (E4).

    Its term is over at once: only the suspension holds it, so lifting that lets it return.
    """
    if any(one.key == key for one in leaders.sideline):
        return leaders
    sideline = (*leaders.sideline, Sidelined(key, height, 0))
    return msgspec.structs.replace(leaders, sideline=sideline)


def _see(one: Sidelined, verdict: Verdict | None) -> Sidelined:
    if verdict is None:
        return one
    seen = (one.seen << 1 | (one.key in verdict.signers)) & (1 << SEEN_BITS) - 1
    return msgspec.structs.replace(one, seen=seen)


def _may_return(one: Sidelined, height: int, strikes: dict[bytes, int]) -> bool:
    """L4: its term is over, or it is back at its first strike.

    Not at a later one: else a proposer that votes but never proposes comes back at once each time.
    """
    is_back = strikes.get(one.key, 0) == 1 and one.seen.bit_count() >= SEEN_MIN
    return height >= one.until or is_back


def _places(order: Sequence[bytes], keys: Sequence[bytes]) -> bytes:
    place = {key: at for at, key in enumerate(sorted(keys))}
    return bytes(place[key] for key in order)
