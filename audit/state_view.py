"""Typed reads of a whole state, for who checks all of it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from chain.codec import decode
from chain.keyspaces import WIJKEN, Wijk
from chain.state import Keyspace


class StateView:
    """Typed reads of the state, whole keyspaces too."""

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._state = state
        self._rows: dict[str, list[tuple[list[Any], bytes]]] = defaultdict(list)
        for key, value in state.items():
            name, *parts = decode(list[Any], key)
            self._rows[name].append((parts, value))
        self.wijken: dict[str, Wijk] = {parts[0]: wijk for parts, wijk in self.rows(WIJKEN)}

    def get(self, space: Keyspace[Any], *parts: bytes | str | int) -> Any:
        """Return one value, or None."""
        raw = self._state.get(space.key(*parts))
        return None if raw is None else decode(space.kind, raw)

    def rows(self, space: Keyspace[Any]) -> Iterator[tuple[list[Any], Any]]:
        """Return (parts of the key, value) of a whole keyspace."""
        for parts, raw in self._rows[space.name]:
            yield parts, decode(space.kind, raw)
