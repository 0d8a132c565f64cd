"""State: typed keyspaces over an overlay with savepoints (architecture D8).

A state is a base that is only read, and a dict of what was read or written since. Keys live in
it as tuples and values as frozen records; bytes are made when the base is asked, and once more
for what was written, when `changes` is asked at the end of a block.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar

from chain.codec import decode, encode

V = TypeVar("V")
_first = itemgetter(0)
Read = Callable[[bytes], bytes | None]
Parts = tuple[bytes | str | int, ...]  # a key before it is encoded: (keyspace, part, ...)

ABSENT = object()  # not read yet; None says that nothing is there
MEMO_MAX = 600_000  # decoded values: some 150 MB, and most of what a chain of 10^5 accounts uses
RAW_MAX = 50_000  # changed values as bytes, some 10 MB; a full block adds about 8,000


class Memo:
    """Decoded values of the newest committed state, so that no block reads or decodes them again.

    It holds nothing but what the store would answer: whoever commits a block tells what changed.
    Values are decoded from stored bytes alone, as they are after a restart. What was not used
    while half of `MEMO_MAX` others were is dropped.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, Any] = {}  # None: nothing there
        self._older: dict[bytes, Any] = {}  # used before those in `values`
        self._raw: dict[bytes, bytes | None] = {}  # of the newest blocks, not yet asked for

    def read(self, key: bytes, read: Read, kind: Any) -> Any:
        """Return the value of a key that `values` does not have, and keep it there."""
        value = self._older.pop(key, ABSENT)
        if value is ABSENT:
            raw = self._raw.pop(key, ABSENT)
            stored: Any = read(key) if raw is ABSENT else raw
            value = None if stored is None else decode(kind, stored)
        if len(self.values) >= MEMO_MAX // 2:
            self._older = self.values
            self.values = {}
        self.values[key] = value
        return value

    def change(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Take in what a block changed."""
        for key in changes:
            self.values.pop(key, None)
            self._older.pop(key, None)
        if len(self._raw) >= RAW_MAX:
            self._raw.clear()
        self._raw.update(changes)


class State:
    """An overlay. `begin` opens a savepoint; `commit` keeps what follows, `rollback` drops it.

    `memo` is given where `read` is of the state that the memo is of.
    """

    def __init__(self, read: Read, memo: Memo | None = None) -> None:
        self._read = read
        self._memo = memo
        self.now: dict[Parts, Any] = {}  # what was read or written; None: nothing there
        self._written: dict[Parts, Any] = {}  # with what the base has; ABSENT: not read
        self._undo: list[list[tuple[Parts, Any]]] = []

    def load(self, parts: Parts, kind: Any) -> Any:
        """Read what `now` does not have from the base; its bytes are decoded once."""
        key, memo = encode(parts), self._memo
        if memo is None:
            raw = self._read(key)
            value = None if raw is None else decode(kind, raw)
        else:
            value = memo.values.get(key, ABSENT)
            if value is ABSENT:
                value = memo.read(key, self._read, kind)
        self.now[parts] = value
        return value

    def put(self, parts: Parts, value: Any) -> None:
        """Set the value at `parts`; None deletes it."""
        before = self.now.get(parts, ABSENT)
        if self._undo:
            self._undo[-1].append((parts, before))
        if parts not in self._written:
            self._written[parts] = before
        self.now[parts] = value

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
        for parts, value in reversed(self._undo.pop()):
            if value is ABSENT:
                del self.now[parts]
            else:
                self.now[parts] = value

    def changes(self) -> dict[bytes, bytes | None]:
        """Return the net changes against the base, in key order; None means deleted."""
        assert not self._undo, "a savepoint is still open"
        changed: dict[bytes, bytes | None] = {}
        written = [(encode(parts), parts, before) for parts, before in self._written.items()]
        for key, parts, before in sorted(written, key=_first):
            value = self.now.get(parts, ABSENT)
            if value is ABSENT:  # written, then rolled back
                continue
            raw = None if value is None else encode(value)
            if before is ABSENT:
                stood = self._read(key)
            else:  # what was decoded encodes to the same bytes (architecture D1)
                stood = None if before is None else encode(before)
            if raw != stood:
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
        key = (self.name, *parts)
        value = state.now.get(key, ABSENT)  # the most frequent step of all: no call in between
        found: V | None = state.load(key, self.kind) if value is ABSENT else value
        return found

    def put(self, state: State, value: V | None, *parts: bytes | str | int) -> None:
        """Set the value; None removes it."""
        assert len(parts) == self.parts, f"{self.name} takes {self.parts} parts"
        state.put((self.name, *parts), value)

    def delete(self, state: State, *parts: bytes | str | int) -> None:
        """Remove the value."""
        self.put(state, None, *parts)
