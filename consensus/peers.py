"""What is known of the others: who has a link, who was heard when, where they say they stand.

It outlives a height. Nothing in it is proof of anything; it only says when to speak and when to
stay silent (consensus T5, T13, D9, D13, L7).
"""

from collections.abc import Iterable

from chain.validators import ValidatorSet
from consensus.messages import Status
from consensus.timers import IN_TOUCH_MS, RELEASE_MS, SKEW_MS_MAX, median


class Peers:
    """One entry per link, and one per validator heard: never more than there are of them (B9)."""

    def __init__(self) -> None:
        self._linked: set[bytes] = set()
        self._unlinked_ms: dict[bytes, int] = {}
        self._start_ms = 0
        self._heard_ms: dict[bytes, int] = {}
        self._statuses: dict[bytes, Status] = {}
        self._offsets_ms: dict[bytes, int] = {}
        self._released_ms: dict[bytes, int] = {}
        self._skew_told = False  # T13

    def start(self, mono_ms: int) -> None:
        """Begin anew: nobody has said yet where it stands (D9). Links are what they are."""
        self._start_ms = mono_ms
        self._statuses.clear()
        self._offsets_ms.clear()

    def link(self, peer: bytes) -> None:
        """Note a new link."""
        self._linked.add(peer)
        self._unlinked_ms.pop(peer, None)

    def unlink(self, peer: bytes, mono_ms: int) -> None:
        """Note that the link is gone, and forget what its end said over it."""
        self._linked.discard(peer)
        self._unlinked_ms[peer] = mono_ms
        self._statuses.pop(peer, None)
        self._offsets_ms.pop(peer, None)

    def keep(self, validators: ValidatorSet) -> None:
        """Forget validators that left the set."""
        self._heard_ms = {key: at for key, at in self._heard_ms.items() if key in validators}
        self._unlinked_ms = {key: at for key, at in self._unlinked_ms.items() if key in validators}
        self._released_ms = {key: at for key, at in self._released_ms.items() if key in validators}

    def hear(self, key: bytes, mono_ms: int) -> None:
        """Note a new signed message, or a status, of this validator."""
        self._heard_ms[key] = mono_ms

    def note(self, peer: bytes, status: Status, wall_ms: int) -> Status | None:
        """Note where `peer` says it stands, and return what it said before over this link."""
        before = self._statuses.get(peer)
        self._statuses[peer] = status
        self._offsets_ms[peer] = status.wall_ms - wall_ms
        return before

    def may_release(self, key: bytes, mono_ms: int) -> bool:
        """Say once in 10 min whether a validator in the join barrier is due a block (D11)."""
        before = self._released_ms.get(key)
        if before is not None and mono_ms - before < RELEASE_MS:
            return False
        self._released_ms[key] = mono_ms
        return True

    def heard_ms(self, key: bytes) -> int | None:
        """Return when this validator was heard last, on the monotonic clock (C8)."""
        return self._heard_ms.get(key)

    def unlinked_since_ms(self, key: bytes) -> int | None:
        """Return since when there is no link to this validator; nil while there is one (L7)."""
        return None if key in self._linked else self._unlinked_ms.get(key, self._start_ms)

    def linked_first(self, keys: Iterable[bytes]) -> tuple[bytes, ...]:
        """Return the distinct `keys`, those with a link first, in the order given."""
        distinct = dict.fromkeys(keys)
        linked = [key for key in distinct if key in self._linked]
        return (*linked, *(key for key in distinct if key not in self._linked))

    def is_linked(self, key: bytes) -> bool:
        """Say whether there is a link to this peer now."""
        return key in self._linked

    def in_touch(self, validators: ValidatorSet, mono_ms: int) -> list[bytes]:
        """Return the other validators that were heard in the last 6 s, in key order (T5)."""
        return [
            key
            for key, heard in sorted(self._heard_ms.items())
            if key in validators and mono_ms - heard <= IN_TOUCH_MS
        ]

    def has_reached(self, key: bytes, height: int, round_: int) -> bool:
        """Say whether this validator's last status is of that height and round, or higher."""
        status = self._statuses.get(key)
        return status is not None and (status.height, status.round) >= (height, round_)

    def count_answered(self, validators: ValidatorSet, certified: int) -> int:
        """Count the validators whose claim is no higher than what certificates show here (D9)."""
        return sum(
            key in validators and status.best_height <= certified
            for key, status in self._statuses.items()
        )

    def count_decided(self, validators: ValidatorSet, height: int) -> int:
        """Count the validators that say they decided `height` or a higher one (D13)."""
        return sum(
            key in validators and status.best_height >= height
            for key, status in self._statuses.items()
        )

    def skew_ms(self, validators: ValidatorSet) -> int | None:
        """Return how far the validators' clocks are ahead in the median (T13).

        Nil until w of them spoke, so that it is never the word of liars alone.
        """
        offsets = [at for key, at in self._offsets_ms.items() if key in validators]
        return median(offsets) if len(offsets) >= validators.weak_quorum else None

    def notice_skew(self, validators: ValidatorSet) -> int | None:
        """Return by how much the own clock and the others' differ, once each time it is too much.

        The operator is told so (T13).
        """
        skew_ms = self.skew_ms(validators)
        is_off = skew_ms is not None and abs(skew_ms) > SKEW_MS_MAX
        is_news = is_off and not self._skew_told
        self._skew_told = is_off
        return skew_ms if is_news else None
