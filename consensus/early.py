"""Messages of the next two heights, kept until their height opens (consensus B7).

A node that is a moment behind would otherwise wait for every vote to be sent again. Of the next
height each message is verified on arrival; the set of the one after that is not certain here, so
of it a link may leave only what its own end signed.
"""

from chain.validators import ValidatorSet
from consensus.events import HeightContext, Received
from consensus.messages import SignedCommit, SignedMessage, SignedPrepare, SignedProposal

PROPOSALS_MAX = 2  # with a prepare and a commit of each validator: 2n + 2 messages a height

_Key = tuple[int, type[SignedMessage], bytes]  # height, kind, signer


class EarlyMessages:
    """Guards the two buffers; round changes are left out, for they are sent again anyway (T6)."""

    def __init__(self) -> None:
        self._kept: dict[_Key, Received] = {}

    def wants(
        self, message: SignedMessage, peer: bytes, context: HeightContext, own_key: bytes | None
    ) -> bool:
        """Say whether `message` is worth its signature check: B8 asks that before the check.

        It is of h + 1, or the end of the link `peer` signed it itself and it is of h + 2 (B7).
        """
        height, signer = message.record.height, message.signer
        if not context.height < height <= context.height + 2:
            return False
        if signer not in context.next_validators or signer == own_key:
            return False
        if height == context.height + 2 and signer != peer:
            return False
        return self.has_room(height, message, next_height=context.height + 1)

    def has_room(self, height: int, message: SignedMessage, *, next_height: int) -> bool:
        """Say whether `message` is of a kind that is kept, and not yet held."""
        if not isinstance(message, SignedProposal | SignedPrepare | SignedCommit):
            return False
        kind = type(message)
        if (height, kind, message.signer) in self._kept:
            return False
        if kind is not SignedProposal or height > next_height:
            return True
        return sum(key[:2] == (height, kind) for key in self._kept) < PROPOSALS_MAX

    def keep(self, height: int, message: SignedMessage, event: Received) -> None:
        """Keep a message for which there is room, with the stamp of its first receipt (T10)."""
        self._kept[height, type(message), message.signer] = event

    def take(self, height: int, validators: ValidatorSet) -> list[Received]:
        """Return what was kept for `height`, in the order it came, and forget all up to it."""
        taken = [
            event
            for (at, _, signer), event in self._kept.items()
            if at == height and signer in validators
        ]
        self._kept = {key: event for key, event in self._kept.items() if key[0] > height}
        return taken
