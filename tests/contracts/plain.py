"""Golden vectors as JSON: bytes stand as `{"bin": hex}` in what another library then encodes."""

from typing import Any


def from_plain(value: Any) -> Any:
    """Return what a msgpack library of others encodes."""
    if isinstance(value, dict):
        return bytes.fromhex(value["bin"])
    return [from_plain(item) for item in value] if isinstance(value, list) else value
