"""What this key may still sign: positions only go up, and every slot vouches for the one before.

The file itself belongs to the runtime; here is what its bytes mean. A guard is a list of slots of
512 bytes, so that one sector write makes one slot. Each ends in a BLAKE2b-128 checksum over the
checksum of the slot before and the 496 bytes above it (consensus D1):

    height 8 | round 4 | step 1 | length 2 | signed bytes | signature 64 | zeros | checksum 16

Slot 0 signs nothing: it binds the file to one key, one genesis and one instance. A compacted file
has the last position as slot 1 (D6).
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Annotated, NamedTuple

import msgspec

from chain.codec import Digest, PublicKey, Record, decode, encode
from chain.crypto import SIGNATURE_BYTES, blake2b
from chain.errors import ChainError, Malformed
from consensus.messages import Commit, Draft, DraftProposal, Prepare, Proposal, RoundChange

SLOT_BYTES = 512  # the smallest sector of a disk
CHECKSUM_BYTES = 16
INSTANCE_BYTES = 16

_HEAD = struct.Struct(">QIBH")
SIGNED_BYTES_MAX = SLOT_BYTES - _HEAD.size - SIGNATURE_BYTES - CHECKSUM_BYTES
_FIRST_CHECKSUM = bytes(CHECKSUM_BYTES)


class Step(IntEnum):
    """The order of signatures within a round (D2)."""

    ROUND_CHANGE = 0
    PROPOSAL = 1
    PREPARE = 2
    COMMIT = 3
    END = 4  # D10: nothing of this round and those before is signed any more
    LOCK = 5  # interfaces 3.7: exported; nothing at all is signed before an import


class Position(NamedTuple):
    """Where in the life of a key a signature stands; compared field by field."""

    height: int
    round: int
    step: Step


START = Position(0, 0, Step.ROUND_CHANGE)  # before anything that can be signed
_LAST_ROUND = 2**32 - 1  # the widest round of a slot: above every vote of the height
_UNSIGNED = bytes(SIGNATURE_BYTES)  # a slot that closes or opens something signs nothing


class Slot(NamedTuple):
    """One signature that this key gave: where, over which bytes, and the signature itself."""

    position: Position
    signed: bytes
    signature: bytes


class Binding(Record, frozen=True, tag="wijk.guard.1"):
    """Slot 0: whose signatures these are. `instance` tells two copies of one node apart."""

    key: PublicKey
    genesis_digest: Digest
    instance: Annotated[bytes, msgspec.Meta(min_length=INSTANCE_BYTES, max_length=INSTANCE_BYTES)]


class GuardDamaged(ChainError):
    """The disk's fault: a slot that is not what was written. Sign nothing; the operator rejoins."""


class GuardForeign(ChainError):
    """The guard of another key or another genesis lies here (M6, D8)."""


class Guard(NamedTuple):
    """A guard as read: its slots without slot 0, and how much of the file is good.

    `checksum` is that of the last slot, to chain the next one to. Bytes from `good_bytes` on are
    a torn append that the runtime cuts off (D8).
    """

    binding: Binding
    slots: tuple[Slot, ...]
    checksum: bytes
    good_bytes: int

    @property
    def position(self) -> Position:
        """The highest position this key may have signed at."""
        return self.slots[-1].position if self.slots else START

    @property
    def is_locked(self) -> bool:
        """Whether the state was exported, so that another machine may sign (interfaces 3.7)."""
        return bool(self.slots) and self.slots[-1].position.step is Step.LOCK


class Verdict(NamedTuple):
    """What D2 says about a signature: give the old one again, refuse, or (neither) sign."""

    repeat: bytes | None
    refuse: str | None


def end_of(height: int) -> Position:
    """Return the position above everything that can be signed at `height` (D10)."""
    return Position(height, _LAST_ROUND, Step.END)


def closing(at: Position) -> Slot:
    """Return a slot that says that everything up to `at` may have been signed."""
    return Slot(at, b"", _UNSIGNED)


def opening(height: int) -> Slot:
    """Return the slot of an approval to sign at `height`, whatever a lost disk signed there (D12).

    No round change ever leaves for round 0, so nothing else stands at this position.
    """
    return closing(Position(height, 0, Step.ROUND_CHANGE))


def is_opening(slot: Slot) -> bool:
    """Say whether an approval opened the height of `slot` (D12)."""
    return slot == opening(slot.position.height)


def is_unknown(slot: Slot) -> bool:
    """Say whether only the position is known of what was signed here: it was imported."""
    return not slot.signed and slot.position.step < Step.END and not is_opening(slot)


def position(draft: Draft | Proposal) -> Position:
    """Return where the signature of `draft` stands."""
    match draft:
        case DraftProposal():
            return position(draft.record)
        case Proposal():
            return Position(draft.height, draft.round, Step.PROPOSAL)
        case Prepare():
            return Position(draft.height, draft.round, Step.PREPARE)
        case Commit():
            return Position(draft.height, draft.round, Step.COMMIT)
        case RoundChange():
            return Position(draft.height, draft.round, Step.ROUND_CHANGE)


def judge(last: Slot | None, at: Position, signed: bytes) -> Verdict:
    """Say whether a key whose last slot is `last` may sign `signed` at position `at` (D2)."""
    if last is None or at > last.position:
        return Verdict(None, None)
    if at < last.position:
        return Verdict(None, f"{_words(at)} lies below {_words(last.position)}")
    if signed == last.signed and last.signature != _UNSIGNED:
        return Verdict(last.signature, None)
    return Verdict(None, f"another message was signed at {_words(at)}")


def is_foreign(slots: Iterable[Slot], at: Position, signed: bytes) -> bool:
    """Say whether a valid signature of this key over `signed` came from another machine (D14).

    `slots` are all of that height: where there are none the guard knows nothing, and one that
    signs nothing closed or opened the height, or came from a lost disk (D10, D12).
    """
    known = tuple(slots)
    if not known or not all(slot.signed for slot in known):
        return False
    return all((slot.position, slot.signed) != (at, signed) for slot in known)


def encode_binding(binding: Binding) -> tuple[bytes, bytes]:
    """Return slot 0 of a new guard, 512 bytes, and its checksum."""
    return encode_slot(_FIRST_CHECKSUM, Slot(START, encode(binding), _UNSIGNED))


def encode_guard(binding: Binding, slots: Iterable[Slot]) -> tuple[bytes, bytes]:
    """Return a whole guard file with these slots, and the checksum of its last slot."""
    data, checksum = encode_binding(binding)
    for slot in slots:
        encoded, checksum = encode_slot(checksum, slot)
        data += encoded
    return data, checksum


def encode_slot(checksum: bytes, slot: Slot) -> tuple[bytes, bytes]:
    """Return the 512 bytes of `slot` after a slot with `checksum`, and its own checksum."""
    assert len(slot.signed) <= SIGNED_BYTES_MAX, "no signed record is this long"
    at = slot.position
    head = _HEAD.pack(at.height, at.round, at.step, len(slot.signed))
    content = (head + slot.signed + slot.signature).ljust(SLOT_BYTES - CHECKSUM_BYTES, b"\0")
    own = blake2b(checksum + content, size=CHECKSUM_BYTES)
    return content + own, own


def read_guard(data: bytes, key: bytes, genesis_digest: bytes) -> Guard:
    """Return the guard whose file holds `data`.

    Raise `GuardDamaged` for any bad slot but a torn last one (D8), and `GuardForeign` if it binds
    another key or genesis.
    """
    count, rest = divmod(len(data), SLOT_BYTES)
    slots: list[Slot] = []
    checksum = _FIRST_CHECKSUM
    for index in range(count):
        raw = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]
        if index == count - 1 and not rest and raw[-CHECKSUM_BYTES:] == _FIRST_CHECKSUM:
            count -= 1
            break
        slot, checksum = decode_slot(index, checksum, raw)
        if index > 1 and slot.position <= slots[-1].position:
            raise GuardDamaged(f"guard slot {index} does not go up from the one before")
        slots.append(slot)
    if not slots:
        raise GuardDamaged("the guard holds no whole slot")
    try:
        binding = decode(Binding, slots[0].signed)
    except Malformed as error:
        raise GuardDamaged("guard slot 0 binds nothing") from error
    if (binding.key, binding.genesis_digest) != (key, genesis_digest):
        raise GuardForeign("the guard belongs to another key or another chain")
    return Guard(binding, tuple(slots[1:]), checksum, count * SLOT_BYTES)


def decode_slot(index: int, checksum: bytes, raw: bytes) -> tuple[Slot, bytes]:
    """Return the slot after one with `checksum`, and its own checksum; raise `GuardDamaged`."""
    height, round_, step, length = _HEAD.unpack_from(raw)
    if blake2b(checksum + raw[:-CHECKSUM_BYTES], size=CHECKSUM_BYTES) != raw[-CHECKSUM_BYTES:]:
        raise GuardDamaged(f"guard slot {index} has a wrong checksum")
    if length > SIGNED_BYTES_MAX or step > Step.LOCK:
        raise GuardDamaged(f"guard slot {index} has impossible contents")
    signed_end = _HEAD.size + length
    end = signed_end + SIGNATURE_BYTES
    if any(raw[end:-CHECKSUM_BYTES]):
        raise GuardDamaged(f"guard slot {index} has impossible contents")
    slot = Slot(
        Position(height, round_, Step(step)),
        raw[_HEAD.size : signed_end],
        raw[signed_end:end],
    )
    return slot, raw[-CHECKSUM_BYTES:]


def _words(at: Position) -> str:
    return f"height {at.height} round {at.round} {at.step.name.lower().replace('_', ' ')}"
