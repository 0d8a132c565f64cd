"""State: typed keyspaces over an overlay with savepoints (architecture D8).

A state is a base that is only read, and a dict of what changed since. Values live in it as
frozen records; bytes are made once, when `changes` is asked at the end of a block.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from chain.codec import decode, encode

V = TypeVar("V")
Read = Callable[[bytes], bytes | None]

_ABSENT = object()


class State:
    """An overlay. `begin` opens a savepoint; `commit` keeps what follows, `rollback` drops it."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._base: dict[bytes, Any] = {}  # decoded values of the base, as read
        self._new: dict[bytes, Any] = {}  # None: deleted
        self._undo: list[list[tuple[bytes, Any]]] = []

    def get(self, key: bytes, kind: Any) -> Any:
        """Return the value at `key` as a `kind`, or None. Base bytes are decoded once."""
        value = self._new.get(key, _ABSENT)
        if value is not _ABSENT:
            return value
        value = self._base.get(key, _ABSENT)
        if value is _ABSENT:
            raw = self._read(key)
            value = self._base[key] = None if raw is None else decode(kind, raw)
        return value

    def put(self, key: bytes, value: Any) -> None:
        """Set `key` to `value`; None deletes it."""
        if self._undo:
            self._undo[-1].append((key, self._new.get(key, _ABSENT)))
        self._new[key] = value

    def begin(self) -> None:
        """Open a savepoint. Savepoints nest."""
        self._undo.append([])

    def commit(self) -> None:
        """Keep what was written since the last `begin`; an outer savepoint can still drop it."""
        done = self._undo.pop()
        if self._undo:
            self._undo[-1].extend(done)

    def rollback(self) -> None:
        """Drop what was written since the last `begin`."""
        for key, value in reversed(self._undo.pop()):
            if value is _ABSENT:
                del self._new[key]
            else:
                self._new[key] = value

    def changes(self) -> dict[bytes, bytes | None]:
        """Return the net changes against the base, in key order; None means deleted."""
        assert not self._undo, "a savepoint is still open"
        changed: dict[bytes, bytes | None] = {}
        for key in sorted(self._new):
            value = self._new[key]
            raw = None if value is None else encode(value)
            if raw != self._read(key):
                changed[key] = raw
        return changed


def over(changes: Mapping[bytes, bytes | None], read: Read) -> Read:
    """Return a reader that sees `changes` on top of `read`."""

    def read_over(key: bytes) -> bytes | None:
        if key in changes:
            return changes[key]
        return read(key)

    return read_over


class Keyspace(Generic[V]):
    """A named part of the state whose values are of one kind (interfaces 5.5).

    Key bytes are msgpack [name, part, ...]: an account 20 bytes, another id 32, a number uint,
    the rest str.
    """

    def __init__(self, name: str, kind: Any, parts: int) -> None:
        self.name = name
        self.kind = kind
        self.parts = parts

    def key(self, *parts: bytes | str | int) -> bytes:
        """Return the key bytes of `parts`."""
        assert len(parts) == self.parts, f"{self.name} takes {self.parts} parts"
        return encode((self.name, *parts))

    def get(self, state: State, *parts: bytes | str | int) -> V | None:
        """Return the value, or None where there is none."""
        return state.get(self.key(*parts), self.kind)  # type: ignore[no-any-return]

    def put(self, state: State, value: V, *parts: bytes | str | int) -> None:
        """Set the value."""
        state.put(self.key(*parts), value)

    def delete(self, state: State, *parts: bytes | str | int) -> None:
        """Remove the value."""
        state.put(self.key(*parts), None)
