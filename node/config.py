"""`node.toml`: a node's settings, their checks and where each value came from (interfaces 3.1).

A value comes from a flag, else the environment (`WIJK_<SECTION>_<KEY>`), else the file, else the
default. Unknown keys and all wrong values are reported at once; the process then ends with 78.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from node.addresses import PORT_MAX

CONFIG_BYTES_MAX = 256 * 1024

Value = str | int | tuple[str, ...]


class ConfigInvalid(Exception):
    """One or more settings are wrong (WIJK-1002); `faults` lists all of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Setting(msgspec.Struct, frozen=True):
    """One key: its default, what it is for, and a check that returns a complaint or None."""

    default: Value
    about: str
    check: Callable[[Any], str | None]


class Config(msgspec.Struct, frozen=True):
    """The effective settings, `section.key` -> value, and the origin of each."""

    values: dict[str, Value]
    origins: dict[str, str]

    def text(self, name: str) -> str:
        """Return a setting that is text."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """Return a setting that is a number."""
        value = self.values[name]
        assert isinstance(value, int), "the setting is a number"
        return value

    @property
    def peer_addresses(self) -> dict[str, str]:
        """Return where peers are that genesis does not place, by the names the chain gives them."""
        listed = self.values.get("p2p.peers", ())
        assert isinstance(listed, tuple), "the setting is a list"
        return {name: address for name, _, address in (one.partition("@") for one in listed)}


def load_config(
    path: Path, environ: Mapping[str, str], flags: Mapping[str, Value] | None = None
) -> Config:
    """Return the effective settings; raise `ConfigInvalid` with everything that is wrong."""
    faults: list[str] = []
    values: dict[str, Value] = {name: setting.default for name, setting in SETTINGS.items()}
    origins = dict.fromkeys(SETTINGS, "default")
    for name, value in _read_file(path, faults).items():
        if name not in SETTINGS:
            faults.append(f"{path.name}: {name} is not a setting")
        else:
            values[name], origins[name] = value, path.name
    for name, setting in SETTINGS.items():
        variable = "WIJK_" + name.replace(".", "_").upper()
        if variable in environ:
            text = environ[variable]
            is_number = isinstance(setting.default, int)
            is_list = isinstance(setting.default, tuple)
            values[name] = int(text) if is_number and text.isascii() and text.isdigit() else text
            if is_list:
                values[name] = tuple(text.split(",")) if text else ()
            origins[name] = variable
    for name, value in (flags or {}).items():
        values[name], origins[name] = value, "flag"
    faults += [
        f"{name} ({origins[name]}): {value!r} {complaint}"
        for name, value in values.items()
        if (complaint := find_fault(name, value)) is not None
    ]
    home = str(values["node.home"])
    if home.startswith("/") and Path(home).resolve() != path.parent.resolve():
        faults.append(f"node.home ({origins['node.home']}): {home!r} is not where {path} lies")
    if faults:
        raise ConfigInvalid(faults)
    return Config(values, origins)


def find_fault(name: str, value: Any) -> str | None:
    """Return what is wrong with a value of the setting `name`, or None."""
    setting = SETTINGS[name]
    if type(value) is not type(setting.default):
        return f"is not {_kind(setting.default)}"
    return setting.check(value)


def write_config(values: Mapping[str, Value]) -> str:
    """Return the text of a `node.toml` with one key a line and a comment."""
    lines: list[str] = ["# Settings of this node. `wijk node config validate` checks them.\n"]
    section = ""
    for name, setting in SETTINGS.items():
        head, _, key = name.partition(".")
        if head != section:
            section = head
            lines.append(f"\n[{section}]\n")
        value = values.get(name, setting.default)
        shown = json.dumps(value, ensure_ascii=False)  # a text of JSON is one of TOML
        lines.append(f"{key} = {shown}  # {setting.about}\n")
    return "".join(lines)


def _read_file(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        if len(raw) > CONFIG_BYTES_MAX:
            raise ValueError(f"is larger than {CONFIG_BYTES_MAX} bytes")
        tree = tomllib.loads(raw.decode("utf-8"))
    except (OSError, ValueError) as error:
        faults.append(f"{path}: {error}")
        return {}
    found: dict[str, Any] = {}
    for section, keys in tree.items():
        if isinstance(keys, dict):
            found.update(
                {
                    f"{section}.{key}": tuple(value) if isinstance(value, list) else value
                    for key, value in keys.items()
                }
            )
        else:
            found[section] = keys
    return found


def _kind(default: Value) -> str:
    if isinstance(default, tuple):
        return "a list of texts"
    return "a whole number" if isinstance(default, int) else "a text"


def _any(_value: Any) -> str | None:
    return None


def _one_of(*words: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in words else f"is not one of {', '.join(words)}"


def _between(low: int, high: int) -> Callable[[Any], str | None]:
    return lambda value: None if low <= value <= high else f"is not between {low} and {high}"


def _address(value: Any) -> str | None:
    host, _, port = str(value).rpartition(":")
    if host and port.isascii() and port.isdigit() and int(port) <= PORT_MAX:
        return None
    return "is not an address like 127.0.0.1:8080"


def _optional_address(value: Any) -> str | None:
    return None if value == "" else _address(value)


def _rate(value: Any) -> str | None:
    if value == "off":
        return None
    count, _, unit = str(value).partition("/")
    if re.fullmatch(r"[1-9][0-9]{0,6}", count, re.ASCII) and unit == "s":
        return None
    return "is not like 20/s or off"


def _name(value: Any) -> str | None:
    if re.fullmatch(r"([a-z][a-z0-9-]{0,31})?", str(value)):
        return None
    return "is not a name: a letter, then letters, digits and -, at most 32 in all"


def _absolute(value: Any) -> str | None:
    return None if value == "" or str(value).startswith("/") else "is not an absolute path"


def _peers(value: Any) -> str | None:
    names = []
    for one in value:
        name, _, address = str(one).partition("@")
        if not name or _name(name) is not None or _address(address) is not None:
            return f"has {one!r}, which is not like noord@noord.example:7100"
        names.append(name)
    return "names a peer twice" if len(set(names)) != len(names) else None


def _none_yet(value: Any) -> str | None:
    return None if value == "" else "cannot be used: this version begins at genesis"


def _public_url(value: Any) -> str | None:
    parts = urlsplit(str(value))
    alone = not (parts.path or parts.query or parts.fragment or parts.username)
    if value == "" or (parts.scheme == "https" and parts.hostname and alone):
        return None
    return "is not an address like https://wijk.example"


def _digest(value: Any) -> str | None:
    text = str(value)
    if re.fullmatch(r"([0-9a-f]{64})?", text):
        return None
    return "is not 64 hexadecimal digits"


def _database(value: Any) -> str | None:
    schemes = ("sqlite:///", "postgresql://")
    if any(str(value).startswith(one) and len(str(value)) > len(one) for one in schemes):
        return None
    return "is not sqlite:///FILE or postgresql://..."


SETTINGS: dict[str, Setting] = {
    "node.name": Setting("", "name of this node; empty: as genesis says", _name),
    "node.home": Setting("", "where everything lies: the folder of this file", _absolute),
    "node.storage": Setting(
        "auto", "auto, leveldb or sqlite", _one_of("auto", "leveldb", "sqlite")
    ),
    "chain.genesis": Setting("genesis.json", "the founding document", _any),
    "chain.genesis_sha256": Setting("", "its digest, compared at every start", _digest),
    "chain.trust": Setting("", "HEIGHT:BLOCKID for a fast start", _none_yet),
    "p2p.listen": Setting("0.0.0.0:7100", "where peers reach this node", _address),
    "p2p.external": Setting(
        "", "the address peers should use, where it differs", _optional_address
    ),
    "p2p.peers": Setting((), "where peers are that genesis does not place: NAME@HOST:PORT", _peers),
    "p2p.max_peers": Setting(120, "links at most", _between(1, 400)),
    "api.listen": Setting("127.0.0.1:8080", "where wallets and browsers reach it", _address),
    "api.public_url": Setting("", "the https address people see", _public_url),
    "api.rate": Setting("20/s", "requests per address; off only on test chains", _rate),
    "api.privacy": Setting(
        "auto",
        "who may read accounts: auto, public or members",
        _one_of("auto", "public", "members"),
    ),
    "admin.socket": Setting("admin.sock", "local control, never on the network", _any),
    "admin.group": Setting("wijk", "group that may use it", _any),
    "signer.mode": Setting("local", "local or none", _one_of("local", "none")),
    "signer.key": Setting("keys/consensus.json", "the validator's key", _any),
    "signer.guard": Setting("guard.bin", "what the key has signed", _any),
    "metrics.listen": Setting("127.0.0.1:9101", "Prometheus, loopback only", _address),
    "alerts.stall_blocks": Setting(3, "expected blocks missed before the alarm", _between(1, 1000)),
    "alerts.disk_free_gb": Setting(5, "warn below this", _between(0, 100_000)),
    "alerts.clock_skew_ms": Setting(500, "warn above this", _between(1, 600_000)),
    "index.url": Setting(
        "sqlite:///index.db", "where `wijk index run` keeps the tables of this node", _database
    ),
    "log.level": Setting(
        "info", "debug, info, warning or error", _one_of("debug", "info", "warning", "error")
    ),
    "log.format": Setting("auto", "auto, text or json", _one_of("auto", "text", "json")),
}
