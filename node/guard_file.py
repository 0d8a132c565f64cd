"""The only code that lets a validator key sign (consensus D1..D8, D17; reliability Y25, Y26).

What the bytes of a guard mean, and what a key may sign after them, stands in `consensus/guard.py`.
Here the guard gets onto the disk: a signature is made, its slot is appended and synced, and only
then is it handed out. So whatever left this machine is in the file, and a restart knows it.

The file lies outside the store and never goes into a backup. It lives where the key lives.
"""

from collections.abc import Callable
from pathlib import Path

from consensus.guard import (
    Binding,
    GuardDamaged,
    GuardForeign,
    Position,
    Slot,
    closing,
    encode_guard,
    encode_slot,
    end_of,
    judge,
    read_guard,
)
from node.disk import DISK, Disk, StorageError
from node.ports import GuardRefused
from node.slot_file import SlotFile, create_slot_file, open_slot_file

COMPACT_HEIGHTS = 1_000  # D6: a rewrite costs two syncs more than a vote; 1,000 heights are 2 MiB
_LOCKED = (
    "the state of this guard was exported, so another machine may sign with this key. This node"
    " signs nothing. To sign here again, run `wijk signer state import` with the state of that one."
)
_REJOIN = "This node signs nothing. Run `wijk node rejoin` to set the guard aside and join again."
_WAITS = (
    "The node follows, and signs again once the others have decided one more block than it finds"
    " (the join barrier). Never let a second machine sign with this key. Where too many wait so,"
    " nothing is decided: then see `wijk node rejoin --override-height`."
)


class GuardMissing(StorageError):
    """No guard lies where it should: the node must pass the join barrier (consensus D10)."""


class GuardLocked(StorageError):
    """The state of this guard was exported: another machine may sign now (interfaces 3.7)."""


class GuardFile:
    """An open guard and the key it watches over: one signer per key (consensus D17)."""

    def __init__(
        self,
        file: SlotFile,
        binding: Binding,
        slots: tuple[Slot, ...],
        checksum: bytes,
        sign: Callable[[bytes], bytes],
    ) -> None:
        self._file = file
        self._binding = binding
        self._slots = list(slots)
        self._base = slots[0].position.height if slots else 0  # where the file begins
        self._checksum = checksum
        self._sign = sign

    @property
    def instance(self) -> bytes:
        """The 16 bytes that tell this guard from any other of the same key."""
        return self._binding.instance

    @property
    def last(self) -> Slot | None:
        """The last slot, or None where the key has not signed yet."""
        return self._slots[-1] if self._slots else None

    @property
    def height(self) -> int:
        """The highest height this key signed at; 0 before the first."""
        return self._slots[-1].position.height if self._slots else 0

    def slots(self, height: int) -> tuple[Slot, ...]:
        """Return what was signed at `height`, in order; nothing below the last one signed at."""
        return tuple(slot for slot in self._slots if slot.position.height == height)

    def recall(self, height: int) -> tuple[Slot, ...]:
        """Return what the file holds of `height`, also long after, from its base on (D6, D14)."""
        data, binding = self._file.read(), self._binding
        slots = read_guard(data, binding.key, binding.genesis_digest).slots
        return tuple(slot for slot in slots if slot.position.height == height)

    def sign(self, at: Position, signed: bytes) -> bytes:
        """Return the signature over `signed`, the message of position `at`, once it is durable.

        The same message again gives the same signature. Raises `GuardRefused` for any other
        message at or below the last position; `StoreFailed` ends the process (D5).
        """
        self._file.check_usable()
        verdict = judge(self.last, at, signed)
        if verdict.refuse is not None:
            raise GuardRefused(f"refused to sign: {verdict.refuse}")
        if verdict.repeat is not None:
            return verdict.repeat
        signature = self._sign(signed)
        if at.height > self.height:
            self._forget()
        self._append(Slot(at, signed, signature))
        return signature

    def raise_to(self, height: int) -> None:
        """Refuse everything up to and including `height` from now on (consensus D10).

        Never lowers: a guard that stands higher stays as it is.
        """
        end = end_of(height)
        if self.last is None or self.last.position < end:
            self._append(closing(end))

    def close(self) -> None:
        """Release the file and its lock."""
        self._file.close()

    def _append(self, slot: Slot) -> None:
        if self._slots and slot.position.height > self._base + COMPACT_HEIGHTS:
            self._compact()
        encoded, checksum = encode_slot(self._checksum, slot)
        self._file.append(encoded)
        if not self._slots:
            self._base = slot.position.height
        self._slots.append(slot)
        self._checksum = checksum

    def _forget(self) -> None:
        """Keep no copy of what the file holds of heights that are decided: only of the last one."""
        self._slots = [slot for slot in self._slots if slot.position.height == self.height]

    def _compact(self) -> None:
        """Keep the slots of the last height alone: the base, and what a restart sends again."""
        kept = self.slots(self._slots[-1].position.height)
        data, checksum = encode_guard(self._binding, kept)
        self._file.replace(data)
        self._slots = list(kept)
        self._base = self.height
        self._checksum = checksum


class LostGuard:
    """The key of a guard that is gone: it signs nothing until the join barrier makes a new one.

    Nothing is written before, so a start that goes no further leaves it as lost as it was (D10).
    """

    def __init__(
        self, path: Path, binding: Binding, sign: Callable[[bytes], bytes], disk: Disk = DISK
    ) -> None:
        self._path = path
        self._binding = binding
        self._sign = sign
        self._disk = disk
        self._made: GuardFile | None = None

    @property
    def instance(self) -> bytes:
        """The 16 bytes that the new guard will have."""
        return self._binding.instance

    @property
    def last(self) -> Slot | None:
        """The last slot, or None while there is no guard."""
        return None if self._made is None else self._made.last

    def slots(self, height: int) -> tuple[Slot, ...]:
        """Return what was signed at `height`, in order."""
        return () if self._made is None else self._made.slots(height)

    def recall(self, height: int) -> tuple[Slot, ...]:
        """Return what the file holds of `height`."""
        return () if self._made is None else self._made.recall(height)

    def sign(self, at: Position, signed: bytes) -> bytes:
        """Sign as `GuardFile.sign`; refuse while there is no guard."""
        if self._made is None:
            raise GuardRefused("refused to sign: there is no guard")
        return self._made.sign(at, signed)

    def raise_to(self, height: int) -> None:
        """Make the guard, with everything up to `height` refused, in one step (D10)."""
        if self._made is None:
            slots = (closing(end_of(height)),)
            self._made = create_guard(self._path, self._binding, self._sign, self._disk, slots)
        self._made.raise_to(height)

    def close(self) -> None:
        """Release the file, if there is one."""
        if self._made is not None:
            self._made.close()


def create_guard(
    path: Path,
    binding: Binding,
    sign: Callable[[bytes], bytes],
    disk: Disk = DISK,
    slots: tuple[Slot, ...] = (),
) -> GuardFile:
    """Make a new guard, which must not exist yet; `sign` makes a signature of the bound key.

    Beside a new key it needs no `slots`. Else they say what that key may have signed already.
    """
    data, checksum = encode_guard(binding, slots)
    return GuardFile(create_slot_file(path, data, disk), binding, slots, checksum, sign)


def open_guard(
    path: Path,
    key: bytes,
    genesis_digest: bytes,
    sign: Callable[[bytes], bytes],
    disk: Disk = DISK,
) -> GuardFile:
    """Open the guard of the public `key` on the chain `genesis_digest`, cutting a torn append.

    Raises `GuardMissing`, `GuardDamaged` (a slot that is not what was written, D8), `GuardForeign`
    (another key or chain), `GuardLocked` or `Busy` (another signer has it): in each case nothing
    may be signed.
    """
    if not disk.exists(path):
        raise GuardMissing(f"{path}: the sign guard is missing. {_WAITS}")
    file, data = open_slot_file(path, disk)
    try:
        guard = read_guard(data, key, genesis_digest)
        if guard.good_bytes < len(data):
            file.cut(guard.good_bytes)
        if guard.is_locked:
            raise GuardLocked(f"{path}: {_LOCKED}")
    except GuardDamaged as error:
        file.close()
        raise GuardDamaged(f"{path}: {error}. {_REJOIN}") from error
    except GuardForeign as error:
        file.close()
        raise GuardForeign(
            f"{path}: {error}. This node signs nothing. Put back the guard of this key."
        ) from error
    except BaseException:
        file.close()
        raise
    return GuardFile(file, guard.binding, guard.slots, guard.checksum, sign)
