"""`node.toml`: precedence, and every fault named at once (interfaces 1.2, 3.1, reliability W37)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.config import SETTINGS, ConfigInvalid, find_fault, load_config, write_config

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text)
    return path


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, '[api]\nlisten = "127.0.0.1:1"\nrate = "5/s"\n[p2p]\nmax_peers = 7\n')
    environ = {"WIJK_API_LISTEN": "127.0.0.1:2", "WIJK_API_RATE": "6/s"}

    config = load_config(path, environ, {"api.listen": "127.0.0.1:3"})

    assert config.text("api.listen") == "127.0.0.1:3"
    assert config.text("api.rate") == "6/s"
    assert config.number("p2p.max_peers") == 7
    assert config.text("log.level") == "info"
    assert [
        config.origins[n] for n in ("api.listen", "api.rate", "p2p.max_peers", "log.level")
    ] == [
        "flag",
        "WIJK_API_RATE",
        "node.toml",
        "default",
    ]


def test_w37_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[api]\nlisten = "127.0.0.1:70000"\nrate = "fast"\nunknown = 1\n'
        '[p2p]\nmax_peers = -1\n[alerts]\nstall_blocks = "three"\n',
    )

    with pytest.raises(ConfigInvalid) as raised:
        load_config(path, {})

    said = "\n".join(raised.value.faults)
    for name in ("api.listen", "api.rate", "api.unknown", "p2p.max_peers", "alerts.stall_blocks"):
        assert name in said
    assert len(raised.value.faults) == 5


@pytest.mark.parametrize("text", ["", "[api", "api = 3", "[api]\nlisten = [1]", "\x00"])
def test_w37_a_file_that_is_no_settings_file_is_named_not_a_crash(
    tmp_path: Path, text: str
) -> None:
    path = write(tmp_path, text)
    if text == "":
        assert load_config(path, {}).origins["api.rate"] == "default"
        return

    with pytest.raises(ConfigInvalid) as raised:
        load_config(path, {})

    assert raised.value.faults


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("node", 'home = "wijk"'),  # relative
        ("node", 'home = "/somewhere/else"'),
        ("node", 'name = "Noord"'),
        ("chain", 'trust = "7:ab"'),
        ("chain", 'genesis_sha256 = "AB"'),
        ("p2p", 'listen = "7100"'),
        ("p2p", 'external = "host:-1"'),
        ("api", 'rate = "0/s"'),  # it would be no limit at all, on a live chain too
        ("api", 'rate = "-1/s"'),
        ("api", 'privacy = "open"'),
        ("signer", 'mode = "socket"'),
        ("metrics", 'listen = "127.0.0.1:65536"'),
        ("alerts", "clock_skew_ms = -1"),
        ("alerts", "clock_skew_ms = nan"),
        ("alerts", "disk_free_gb = 0.5"),
        ("alerts", "stall_blocks = true"),
        ("log", 'level = "loud"'),
        ("backup", 'every = "6h"'),  # it would say that backups are made
    ],
)
def test_w37_each_wrong_value_is_named(tmp_path: Path, section: str, line: str) -> None:
    path = write(tmp_path, f"[{section}]\n{line}\n")

    with pytest.raises(ConfigInvalid) as raised:
        load_config(path, {})

    assert len(raised.value.faults) == 1
    assert f"{section}.{line.split(maxsplit=1)[0]}" in raised.value.faults[0]


def test_the_home_may_name_its_own_folder(tmp_path: Path) -> None:
    path = write(tmp_path, f'[node]\nhome = "{tmp_path}"\n')

    assert load_config(path, {}).text("node.home") == str(tmp_path)


def test_a_text_is_written_as_it_is(tmp_path: Path) -> None:
    odd = 'a\\b "c"\n[api]\nrate = "off" # é'
    path = write(tmp_path, write_config({"admin.group": odd}))

    config = load_config(path, {})

    assert config.text("admin.group") == odd
    assert config.text("api.rate") == "20/s"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    values: dict[str, str | int] = {"node.name": "noord", "p2p.max_peers": 12, "api.rate": "off"}

    config = load_config(write(tmp_path, write_config(values)), {})

    for name, value in values.items():
        assert config.values[name] == value
    assert set(config.values) == set(SETTINGS)


@pytest.mark.parametrize("value", ["", "https://wijk.example", "https://wijk.example:8443"])
def test_a_public_url_is_an_https_address(value: str) -> None:
    assert find_fault("api.public_url", value) is None


@pytest.mark.parametrize(
    "value",
    [
        "wijk.example",
        "http://wijk.example",
        "https://",
        "https://a.example/x",
        "https://u@a.example",
    ],
)
def test_a_public_url_that_makes_no_link_is_refused(value: str) -> None:
    """It stands in payment links (interfaces 3.7)."""
    assert find_fault("api.public_url", value) is not None


def test_peers_may_be_none_as_in_the_example_of_the_design(tmp_path: Path) -> None:
    path = write(tmp_path, "[p2p]\npeers = []\n")

    assert load_config(path, {}).number("p2p.max_peers") == 120


def test_peers_that_genesis_does_not_place_are_named_with_their_address(tmp_path: Path) -> None:
    """interfaces 3.1: the chain says who is a peer; the setting says where to dial."""
    path = write(tmp_path, '[p2p]\npeers = ["noord@noord.example:7100", "zuid-2@[::1]:1"]\n')

    config = load_config(path, {})

    assert config.peer_addresses == {"noord": "noord.example:7100", "zuid-2": "[::1]:1"}
    assert config.origins["p2p.peers"] == path.name
    from_environment = load_config(path, {"WIJK_P2P_PEERS": "oost@oost.example:1"})
    assert from_environment.peer_addresses == {"oost": "oost.example:1"}
    assert load_config(path, {"WIJK_P2P_PEERS": ""}).peer_addresses == {}


@pytest.mark.parametrize(
    "text",
    [
        '"noord.example:7100"',
        '["noord.example:7100"]',
        '["noord@noord.example"]',
        '["@noord.example:1"]',
        '["Noord@noord.example:1"]',
        '["noord@a:1", "noord@b:1"]',
        "[7]",
        "[[]]",
    ],
)
def test_a_peer_without_a_name_or_an_address_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"[p2p]\npeers = {text}\n")

    with pytest.raises(ConfigInvalid, match=r"p2p\.peers"):
        load_config(path, {})
