"""A guard on the move: exported, imported, set aside, or opened by an approval (D8, D12, 3.7).

All of this happens while no node runs. What an export says is enough to sign nothing twice: the
highest position the key may have signed at. The source is locked first, in the guard itself, so
that at no moment two machines may sign; an import takes the higher of two positions, and unlocks.
"""

import base64
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from chain.crypto import SIGNATURE_BYTES, sha256
from chain.errors import Malformed
from chain.strict_json import parse_json
from consensus.guard import (
    INSTANCE_BYTES,
    Binding,
    Guard,
    GuardDamaged,
    GuardForeign,
    Position,
    Slot,
    Step,
    closing,
    encode_guard,
    end_of,
    opening,
    read_guard,
)
from node.disk import DISK, Disk, StorageError
from node.guard_file import GuardMissing, create_guard
from node.slot_file import SlotFile, open_slot_file
from node.store import set_aside

FORMAT = "wijk/guard/1"
STATE_BYTES_MAX = 4 * 1024
_STEPS = ("round_change", "proposal", "prepare", "commit")

_Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Hex16 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
_U64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class Watermark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing at or below this position is signed any more; another message there neither."""

    height: _U64
    round: _U32
    step: Literal["round_change", "proposal", "prepare", "commit"]


class LastSigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was signed there, to prove it by: the digest of the signed bytes, and the signature."""

    sign_bytes_sha256: _Hex32
    signature: Annotated[str, msgspec.Meta(max_length=88)]


class GuardState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of `wijk signer state` (interfaces 3.7). `last` is null where nothing was signed."""

    format: Literal["wijk/guard/1"]
    chain_digest: _Hex32
    public_key: _Hex32
    instance: _Hex16
    exported_at: Annotated[str, msgspec.Meta(max_length=32)]
    watermark: Watermark
    last: LastSigned | None
    locked: Literal[True]


class SignedThere(StorageError):
    """An approval names a height at which this key must not sign: no board can mend that."""


def decode_state(data: bytes) -> GuardState:
    """Return the state in a file from outside, or raise `Malformed`."""
    if len(data) > STATE_BYTES_MAX:
        raise Malformed("no guard state: too long")
    state = parse_json(data, GuardState)
    if state.last is not None:
        _signature_of(state.last)
    return state


def encode_state(state: GuardState) -> bytes:
    """Return the bytes of a state file."""
    return msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n"


def export_state(
    path: Path, key: bytes, genesis_digest: bytes, exported_at: str, disk: Disk = DISK
) -> GuardState:
    """Lock the guard at `path` durably, then return its state.

    Done again it gives the same state again. Raises as `open_guard` does, but for the lock.
    """
    file, guard = _open(path, key, genesis_digest, disk)
    try:
        slots = _without_lock(guard)
        if not guard.is_locked:
            last = guard.position
            lock = closing(Position(last.height, last.round, Step.LOCK))
            file.replace(encode_guard(guard.binding, (*slots, lock))[0])
    finally:
        file.close()
    at = slots[-1] if slots else None
    signed = None if at is None or not at.signed else at
    return GuardState(
        format="wijk/guard/1",
        chain_digest=genesis_digest.hex(),
        public_key=key.hex(),
        instance=guard.binding.instance.hex(),
        exported_at=exported_at,
        watermark=_to_watermark(None if at is None else at.position),
        last=None
        if signed is None
        else LastSigned(sha256(signed.signed).hex(), base64.b64encode(signed.signature).decode()),
        locked=True,
    )


def import_state(
    path: Path,
    state: GuardState,
    key: bytes,
    genesis_digest: bytes,
    instance: bytes,
    disk: Disk = DISK,
) -> Watermark:
    """Take over where another machine stopped signing; return where this one stands then.

    Never lowers, and unlocks a guard that was exported from here. Where there is no guard, one of
    `instance` is made. Raises `GuardForeign` for the state, or the guard, of another key or chain.
    """
    assert len(instance) == INSTANCE_BYTES
    if (state.public_key, state.chain_digest) != (key.hex(), genesis_digest.hex()):
        raise GuardForeign("the state belongs to another key or another chain")
    told = _from_watermark(state.watermark)
    if not disk.exists(path):
        slots = () if told is None else (closing(told),)
        create_guard(path, Binding(key, genesis_digest, instance), _no_key, disk, slots).close()
        return _to_watermark(told)
    file, guard = _open(path, key, genesis_digest, disk)
    try:
        own = _without_lock(guard)
        if told is not None and (not own or own[-1].position < told):
            own = (*own, closing(told))
        file.replace(encode_guard(guard.binding, own)[0])
    finally:
        file.close()
    return _to_watermark(own[-1].position if own else None)


def is_own_state(path: Path, state: GuardState, key: bytes, genesis_digest: bytes) -> bool:
    """Say whether `state` left this very guard, so that it cannot tell what was signed since."""
    if not path.exists():
        return False
    try:
        guard = read_guard(path.read_bytes(), key, genesis_digest)
    except (GuardDamaged, GuardForeign):
        return False
    return guard.is_locked and guard.binding.instance.hex() == state.instance


def open_by_approval(path: Path, binding: Binding, height: int, disk: Disk = DISK) -> Path | None:
    """Let the key sign at `height` although a lost disk may have signed there (D12).

    What a sound guard knows stays closed: all below `height`, and the rounds of it that this key
    signed in. Returns the name under which the old guard is kept. Raises `SignedThere` where that
    one knows of something higher.
    """
    slots = [closing(end_of(height - 1))] if height > 1 else []
    slots.append(opening(height))
    aside = None
    if disk.exists(path):
        known = _read_sound(path, binding, disk)
        if known is not None:
            slots += _kept_open(known, height)
        aside = set_aside(path, disk)
    create_guard(path, binding, _no_key, disk, tuple(slots)).close()
    return aside


def _kept_open(guard: Guard, height: int) -> list[Slot]:
    """Return what closes the rounds of `height` in which this guard signed."""
    highest = guard.position.height
    if highest > height:
        raise SignedThere(f"the guard stands at height {highest}, above {height}")
    signed = [
        slot.position.round
        for slot in guard.slots
        if slot.position.height == height
        and slot.position.step < Step.END
        and slot != opening(height)
    ]
    return [closing(Position(height, max(signed), Step.END))] if signed else []


def _read_sound(path: Path, binding: Binding, disk: Disk) -> Guard | None:
    """Return a guard that can be read; None where it is damaged, and so says nothing."""
    file, data = open_slot_file(path, disk)
    try:
        guard = read_guard(data, binding.key, binding.genesis_digest)
    except GuardDamaged:
        return None
    finally:
        file.close()
    if guard.is_locked:
        raise SignedThere("the state of this guard was exported: import it first")
    return guard


def _open(path: Path, key: bytes, genesis_digest: bytes, disk: Disk) -> tuple[SlotFile, Guard]:
    if not disk.exists(path):
        raise GuardMissing(f"{path}: the sign guard is missing, so there is no state to move")
    file, data = open_slot_file(path, disk)
    try:
        return file, read_guard(data, key, genesis_digest)
    except BaseException:
        file.close()
        raise


def _without_lock(guard: Guard) -> tuple[Slot, ...]:
    """Return the slots of the last height that say something about signing."""
    slots = guard.slots[:-1] if guard.is_locked else guard.slots
    top = slots[-1].position.height if slots else 0
    return tuple(slot for slot in slots if slot.position.height == top)


def _to_watermark(at: Position | None) -> Watermark:
    """Return a position in the words of 3.7, which have no step for the end of a round.

    No round change ever is of round 0, and one above the end of a round is refused: the same.
    """
    if at is None:
        return Watermark(0, 0, "round_change")
    if at == end_of(at.height):
        return Watermark(at.height + 1, 0, "round_change")
    if at.step is Step.END:
        return Watermark(at.height, at.round + 1, "round_change")
    return Watermark(at.height, at.round, _STEPS[at.step])  # type: ignore[arg-type]


def _from_watermark(mark: Watermark) -> Position | None:
    if mark == Watermark(0, 0, "round_change"):
        return None
    if (mark.round, mark.step) == (0, "round_change"):
        return end_of(mark.height - 1)
    return Position(mark.height, mark.round, Step(_STEPS.index(mark.step)))


def _signature_of(last: LastSigned) -> bytes:
    try:
        signature = base64.b64decode(last.signature, validate=True)
    except ValueError as error:
        raise Malformed("a guard state with an unreadable signature") from error
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed("a guard state with a signature of another length")
    return signature


def _no_key(_message: bytes) -> bytes:
    raise AssertionError("a guard that is moved signs nothing")
