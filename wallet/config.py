"""Where the wallet lives and what it was told: flag > environment > profile > default (1.2).

`config.toml` of the client home:

    profile = "demo"                         # used when neither --profile nor WIJK_PROFILE is given
    [profiles.demo]
    nodes = ["http://127.0.0.1:27101"]       # tried in this order
    key = "anna"                             # the key that pays unless --from says otherwise
    passphrase_file = "passphrase"           # relative to the home
    output = "text"                          # text, json, jsonl, csv
    lang = "nl"                              # nl, en
    timeout = "30s"
    no_input = false

No option, no variable and no line of this file holds a passphrase itself (reliability KS3).
"""

import json
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import platformdirs
import tomlkit
from tomlkit.exceptions import TOMLKitError

from chain.texts import Problem
from wallet.amounts import parse_duration_ms
from wallet.files import make_folder, read_plain, read_private, replace
from wallet.keystore import PASSPHRASE_BYTES_MAX

CONFIG_BYTES_MAX = 64 * 1024
DEMO_FILE_BYTES_MAX = 64 * 1024
DEFAULT_NODE = "http://127.0.0.1:8080"
OUTPUTS = ("text", "json", "jsonl", "csv")
LANGS = ("nl", "en")
_PROFILE_KEYS: Final = (
    "nodes",
    "key",
    "passphrase_file",
    "output",
    "lang",
    "timeout",
    "no_input",
)
_PROFILE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#@]+", re.ASCII)
_DEFAULTS: Final = {
    "key": None,
    "output": "text",
    "lang": "nl",
    "timeout": "30s",
    "no_input": False,
    "passphrase_file": None,
}
_YES = {"1": True, "0": False, "": False}


class Flags(msgspec.Struct, frozen=True):
    """What stood on the command line; None where nothing did."""

    home: Path | None = None
    profile: str | None = None
    node: str | None = None
    output: str | None = None
    lang: str | None = None
    timeout: str | None = None
    no_input: bool | None = None
    passphrase_file: Path | None = None
    passphrase_fd: int | None = None


class Settings(msgspec.Struct, frozen=True):
    """What holds for this run. `origins` says of each value where it came from."""

    home: Path
    profile: str
    nodes: tuple[str, ...]
    key: str | None
    output: str
    lang: str
    timeout_ms: int
    no_input: bool
    passphrase_file: Path | None
    passphrase_fd: int | None
    origins: dict[str, str]


# Asks a person for a passphrase without showing it; None where nobody can be asked.
Prompt = Callable[[], str]


def load_settings(
    flags: Flags, env: Mapping[str, str], *, demo_file: Path | None = None
) -> Settings:
    """Return the settings of this run; raise `Problem` 1002 that lists everything wrong at once.

    `demo_file` is where a running demo says so; by default that of the platform.
    """
    home = _home(flags, env)
    tree = _read_config(home)
    errors = [f"config.toml: {name}?" for name in tree if name not in ("profile", "profiles")]
    profile, table = _choose_profile(flags, env, tree, errors)
    pick = _Picker(env, table)
    nodes = _nodes(flags, env, table, demo_file or demo_path(), pick.origins)
    values: dict[str, Any] = {
        "key": pick("key", None, None),
        "output": pick("output", flags.output, "WIJK_OUTPUT"),
        "lang": pick("lang", flags.lang, "WIJK_LANG"),
        "timeout": pick("timeout", flags.timeout, "WIJK_TIMEOUT"),
        "no_input": pick("no_input", flags.no_input or None, "WIJK_NO_INPUT"),
        "passphrase_file": pick("passphrase_file", flags.passphrase_file, "WIJK_PASSPHRASE_FILE"),
    }
    timeout_ms = _check(values, nodes, errors)
    if errors:
        raise Problem(1002, errors=errors)
    return Settings(
        home=home,
        profile=profile,
        nodes=nodes,
        key=values["key"],
        output=values["output"],
        lang=values["lang"],
        timeout_ms=timeout_ms,
        no_input=_YES.get(values["no_input"], values["no_input"]),
        passphrase_file=_passphrase_path(home, values["passphrase_file"], pick.origins),
        passphrase_fd=flags.passphrase_fd,
        origins=pick.origins,
    )


def read_passphrase(settings: Settings, prompt: Prompt | None) -> str:
    """Return the passphrase from descriptor, file or prompt, in that order (interfaces 1.2).

    Only the first line counts. A file that others can read is refused (`Problem` 1007); where
    nobody can be asked, a missing passphrase is `Problem` 1001.
    """
    if settings.passphrase_fd is not None:
        return _first_line(_read_descriptor(settings.passphrase_fd))
    if settings.passphrase_file is not None:
        try:
            return _first_line(read_private(settings.passphrase_file, PASSPHRASE_BYTES_MAX + 2))
        except FileNotFoundError:
            raise Problem(1003, name=str(settings.passphrase_file)) from None
    if prompt is None or settings.no_input:
        raise Problem(1001, cause="no-answer")
    return prompt()


def find_profile(flags: Flags, env: Mapping[str, str]) -> tuple[Path, str]:
    """Return the home and the name of the profile, whatever else is wrong with the settings.

    So `wijk config set` can mend what `load_settings` refuses.
    """
    home = _home(flags, env)
    return home, _choose_profile(flags, env, _read_config(home), [])[0]


def get_value(home: Path, profile: str, key: str) -> Any:
    """Return what `config.toml` says under a profile, or None."""
    _check_key(key)
    table = _read_config(home).get("profiles", {}).get(profile, {})
    return table.get(key) if isinstance(table, dict) else None


def set_value(home: Path, profile: str, key: str, value: str | bool | list[str]) -> None:
    """Write one value of a profile; comments and order of `config.toml` stay as they are.

    Raise `Problem` 1001 for a value that `load_settings` would refuse.
    """
    _check_key(key)
    nodes = tuple(value) if isinstance(value, list) else ()
    errors: list[str] = []
    _check(_DEFAULTS | {key: value}, nodes, errors)
    if errors:
        raise Problem(1001, cause="; ".join(errors))
    if _PROFILE_NAME.fullmatch(profile) is None:
        raise Problem(1001, cause="name")
    make_folder(home)
    document = tomlkit.parse(_config_text(home))
    profiles = document.setdefault("profiles", tomlkit.table(is_super_table=True))
    profiles.setdefault(profile, tomlkit.table())[key] = value
    replace(home / "config.toml", tomlkit.dumps(document).encode())


def demo_path() -> Path:
    """Return where a running demo says which nodes it has (interfaces 1.7)."""
    with warnings.catch_warnings():  # platformdirs warns where no runtime folder is set
        warnings.simplefilter("ignore")
        return platformdirs.user_runtime_path("wijk") / "demo.json"


def running_demo(path: Path) -> dict[str, Any] | None:
    """Return what the newest demo wrote about itself if its process still lives, else None."""
    try:
        demo = json.loads(read_plain(path, DEMO_FILE_BYTES_MAX))
        os.kill(int(demo["pid"]), 0)
        return dict(demo)
    except PermissionError:
        return None  # a process of somebody else: not our demo
    except (OSError, ValueError, TypeError, KeyError, RecursionError, Problem):
        return None


def _home(flags: Flags, env: Mapping[str, str]) -> Path:
    return flags.home or Path(env.get("WIJK_HOME") or _data_folder())


class _Picker:
    """Chooses flag, environment, profile or default, and remembers which."""

    def __init__(self, env: Mapping[str, str], table: Mapping[str, Any]) -> None:
        self._env = env
        self._table = table
        self.origins: dict[str, str] = {}

    def __call__(self, name: str, flag: object, variable: str | None) -> Any:
        found: object
        if flag is not None:
            origin, found = "flag", flag
        elif variable is not None and self._env.get(variable):
            origin, found = variable, self._env[variable]
        elif name in self._table:
            origin, found = "profile", self._table[name]
        else:
            origin, found = "default", _DEFAULTS[name]
        self.origins[name] = origin
        return found


def _choose_profile(
    flags: Flags, env: Mapping[str, str], tree: Mapping[str, Any], errors: list[str]
) -> tuple[str, dict[str, Any]]:
    chosen = flags.profile or env.get("WIJK_PROFILE") or tree.get("profile")
    name = "default" if chosen is None else chosen
    profiles = tree.get("profiles", {})
    table = profiles.get(name) if isinstance(profiles, dict) and isinstance(name, str) else None
    if table is None and chosen is None:
        return "default", {}
    if not isinstance(table, dict):
        errors.append(f"profile: {name!r}?")
        return str(name), {}
    errors += [f"profiles.{name}.{key}?" for key in table if key not in _PROFILE_KEYS]
    return str(name), table


def _nodes(
    flags: Flags,
    env: Mapping[str, str],
    table: Mapping[str, Any],
    demo_file: Path,
    origins: dict[str, str],
) -> tuple[str, ...]:
    if flags.node is not None:
        origins["nodes"] = "flag"
        return (flags.node,)
    if env.get("WIJK_NODE"):
        origins["nodes"] = "WIJK_NODE"
        return (env["WIJK_NODE"],)
    if "nodes" in table:
        origins["nodes"] = "profile"
        listed = table["nodes"]
        return tuple(map(str, listed)) if isinstance(listed, list) and listed else ("",)
    demo = running_demo(demo_file)
    urls = _demo_urls(demo) if demo is not None else ()
    origins["nodes"] = "demo" if urls else "default"
    return urls or (DEFAULT_NODE,)


def _demo_urls(demo: Mapping[str, Any]) -> tuple[str, ...]:
    nodes = demo.get("nodes")
    if not isinstance(nodes, list):
        return ()
    return tuple(
        node["api"] for node in nodes if isinstance(node, dict) and isinstance(node.get("api"), str)
    )


def _check(values: Mapping[str, Any], nodes: tuple[str, ...], errors: list[str]) -> int:
    """Add everything that is wrong to `errors`; return the time-out in ms."""
    for name, allowed in (("output", OUTPUTS), ("lang", LANGS)):
        if values[name] not in allowed:
            errors.append(f"{name}: {values[name]!r} ({', '.join(allowed)})")
    errors += [f"node: {url!r}" for url in nodes if _URL.match(url) is None]
    if not isinstance(values["no_input"], bool) and values["no_input"] not in _YES:
        errors.append(f"no_input: {values['no_input']!r}")
    if values["key"] is not None and not isinstance(values["key"], str):
        errors.append(f"key: {values['key']!r}")
    if not isinstance(values["passphrase_file"], str | Path | None):
        errors.append(f"passphrase_file: {values['passphrase_file']!r}")
    try:
        return parse_duration_ms(str(values["timeout"]))
    except Problem:
        errors.append(f"timeout: {values['timeout']!r}")
        return 0


def _passphrase_path(
    home: Path, given: str | Path | None, origins: Mapping[str, str]
) -> Path | None:
    """Return the file; one named in `config.toml` is relative to the home, else to this folder."""
    if given is None:
        return None
    origin = origins["passphrase_file"]
    return home / given if origin == "profile" else Path(given)


def _read_config(home: Path) -> dict[str, Any]:
    try:
        return dict(tomlkit.parse(_config_text(home)).unwrap())
    except TOMLKitError as error:
        raise Problem(1002, errors=[f"config.toml: {error}"]) from error


def _config_text(home: Path) -> str:
    try:
        return read_plain(home / "config.toml", CONFIG_BYTES_MAX).decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise Problem(1002, errors=[f"config.toml: {error}"]) from error


def _check_key(key: str) -> None:
    if key not in _PROFILE_KEYS:
        raise Problem(1001, cause=f"{key}? ({', '.join(_PROFILE_KEYS)})")


def _data_folder() -> str:
    return platformdirs.user_data_dir("wijk")


def _read_descriptor(descriptor: int) -> bytes:
    """Read up to a line; a pipe may give it in parts."""
    data = b""
    try:
        while b"\n" not in data and len(data) <= PASSPHRASE_BYTES_MAX:
            part = os.read(descriptor, PASSPHRASE_BYTES_MAX + 2 - len(data))
            if not part:
                break
            data += part
    except OSError as error:
        raise Problem(1001, cause="no-answer") from error
    return data


def _first_line(data: bytes) -> str:
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    try:
        passphrase = line.decode()
    except UnicodeDecodeError:
        raise Problem(1004) from None  # no cause: it would quote the passphrase
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise Problem(1004)
    return passphrase
