"""Settings and passphrase sources: flag > environment > profile > default (interfaces 1.2)."""

import json
import os
from pathlib import Path

import pytest

from chain.texts import Problem
from wallet.config import (
    DEFAULT_NODE,
    Flags,
    Settings,
    get_value,
    load_settings,
    read_passphrase,
    running_demo,
    set_value,
)
from wallet.files import write_new

CONFIG = """\
# written by hand
profile = "net"
[profiles.net]
nodes = ["http://127.0.0.1:27101", "http://127.0.0.1:27111"]  # v1, v2
key = "dev1"
passphrase_file = "passphrase"
lang = "en"
timeout = "10s"
[profiles.other]
output = "json"
"""


def settings_of(home: Path, env: dict[str, str] | None = None, **flags: object) -> Settings:
    found = Flags(home=home, **flags)  # type: ignore[arg-type]
    return load_settings(found, env or {}, demo_file=home / "demo.json")


def errors_of(home: Path, env: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(Problem) as raised:
        settings_of(home, env, **flags)
    assert raised.value.number == 1002
    errors = raised.value.params["errors"]
    assert isinstance(errors, list)
    return errors


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_new(tmp_path / "config.toml", CONFIG.encode())
    return tmp_path


def test_defaults_of_an_empty_home(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert settings.nodes == (DEFAULT_NODE,)
    assert (settings.output, settings.lang, settings.timeout_ms) == ("text", "nl", 30_000)
    assert (settings.no_input, settings.key, settings.passphrase_file) == (False, None, None)
    assert set(settings.origins.values()) == {"default"}


def test_flag_before_environment_before_profile_before_default(home: Path) -> None:
    env = {"WIJK_NODE": "https://wijk.example", "WIJK_LANG": "nl", "WIJK_TIMEOUT": "20s"}
    assert settings_of(home).nodes == ("http://127.0.0.1:27101", "http://127.0.0.1:27111")
    assert settings_of(home).lang == "en"
    settings = settings_of(home, env, lang="en")
    assert settings.nodes == ("https://wijk.example",)
    assert (settings.lang, settings.timeout_ms, settings.key) == ("en", 20_000, "dev1")
    assert settings.origins == {
        "nodes": "WIJK_NODE",
        "key": "profile",
        "output": "default",
        "lang": "flag",
        "timeout": "WIJK_TIMEOUT",
        "no_input": "default",
        "passphrase_file": "profile",
    }
    assert settings_of(home, env, node="http://localhost:1").nodes == ("http://localhost:1",)


def test_the_home_comes_from_flag_or_environment(home: Path, tmp_path: Path) -> None:
    found = load_settings(Flags(), {"WIJK_HOME": str(home)}, demo_file=tmp_path / "demo.json")
    assert found.home == home
    assert found.key == "dev1"


def test_a_profile_is_chosen_by_flag_environment_or_file(home: Path) -> None:
    assert settings_of(home).profile == "net"
    assert settings_of(home, {"WIJK_PROFILE": "other"}).output == "json"
    assert settings_of(home, {"WIJK_PROFILE": "net"}, profile="other").output == "json"
    assert errors_of(home, profile="nothing") == ["profile: 'nothing'?"]


def test_no_input_from_the_environment(home: Path) -> None:
    assert settings_of(home, {"WIJK_NO_INPUT": "1"}).no_input is True
    assert settings_of(home, {"WIJK_NO_INPUT": "0"}).no_input is False
    assert settings_of(home, no_input=True).no_input is True


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    """interfaces 1.5, WIJK-1002."""
    text = '[profiles.default]\nnodes = ["ftp://x"]\nlang = "fr"\ntimeout = "soon"\ncolour = 1\n'
    write_new(tmp_path / "config.toml", f"typo = 1\n{text}".encode())
    errors = errors_of(tmp_path, {"WIJK_OUTPUT": "xml", "WIJK_NO_INPUT": "maybe"})
    assert [error.split(":")[0] for error in errors] == [
        "config.toml", "profiles.default.colour?", "output", "lang", "node", "no_input", "timeout",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [b"a = ", b"\xff", b"[[[["])
def test_a_broken_file_is_refused(text: bytes, tmp_path: Path) -> None:
    write_new(tmp_path / "config.toml", text)
    assert "config.toml" in errors_of(tmp_path)[0]


def test_setting_a_value_keeps_comments_and_the_rest(home: Path) -> None:
    set_value(home, "net", "lang", "nl")
    set_value(home, "third", "nodes", ["http://127.0.0.1:1"])
    text = (home / "config.toml").read_text("utf-8")
    assert "# written by hand" in text
    assert "# v1, v2" in text
    assert get_value(home, "net", "lang") == "nl"
    assert get_value(home, "net", "key") == "dev1"
    assert settings_of(home, profile="third").nodes == ("http://127.0.0.1:1",)
    with pytest.raises(Problem):
        set_value(home, "net", "passphrase", "secret")


def test_setting_a_value_in_an_empty_home(tmp_path: Path) -> None:
    set_value(tmp_path / "new", "default", "key", "anna")
    assert settings_of(tmp_path / "new").key == "anna"


def test_a_running_demo_is_found_and_a_dead_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    assert running_demo(path) is None
    demo = {"pid": os.getpid(), "nodes": [{"name": "v1", "api": "http://127.0.0.1:9"}]}
    path.write_text(json.dumps(demo), "utf-8")
    assert settings_of(tmp_path).nodes == ("http://127.0.0.1:9",)
    assert settings_of(tmp_path).origins["nodes"] == "demo"
    for broken in ("", "[]", '{"pid": 4194305}', '{"pid": "x"}', '{"nodes": []}', "[" * 60_000):
        path.write_text(broken, "utf-8")
        assert running_demo(path) is None
    path.write_text(json.dumps(demo | {"nodes": "x"}), "utf-8")
    assert settings_of(tmp_path).nodes == (DEFAULT_NODE,)


# --- passphrases ----------------------------------------------------------------------------------


def test_a_passphrase_file_of_the_profile_is_read_from_the_home(home: Path) -> None:
    write_new(home / "passphrase", b"wijk-test\r\nsecond line\n")
    assert read_passphrase(settings_of(home), None) == "wijk-test"


def test_descriptor_before_file_before_prompt(home: Path, tmp_path: Path) -> None:
    write_new(home / "passphrase", b"from file")
    end, start = os.pipe()
    os.write(start, b"van de pijp\n")
    assert read_passphrase(settings_of(home, passphrase_fd=end), lambda: "typed") == "van de pijp"
    os.close(start)
    os.close(end)
    assert read_passphrase(settings_of(home), lambda: "typed") == "from file"
    other = tmp_path / "other"
    write_new(other, b"named")
    env = {"WIJK_PASSPHRASE_FILE": str(other)}
    assert read_passphrase(settings_of(home, env), None) == "named"
    assert read_passphrase(settings_of(tmp_path / "empty"), lambda: "typed") == "typed"


def test_without_anybody_to_ask_it_is_a_usage_error(tmp_path: Path) -> None:
    for settings, prompt in (
        (settings_of(tmp_path), None),
        (settings_of(tmp_path, no_input=True), lambda: "typed"),
    ):
        with pytest.raises(Problem) as raised:
            read_passphrase(settings, prompt)
        assert raised.value.number == 1001


def test_an_unsafe_passphrase_file_is_refused(home: Path) -> None:
    """interfaces 1.2: wider than 0600; reliability W34."""
    path = home / "passphrase"
    numbers = []
    for content, mode in (
        (b"p", 0o644),
        (b"\xff", 0o600),
        (b"x" * 1025, 0o600),
        (b"y" * 9999, 0o600),
    ):
        path.unlink(missing_ok=True)
        write_new(path, content)
        path.chmod(mode)
        with pytest.raises(Problem) as raised:
            read_passphrase(settings_of(home), None)
        numbers.append(raised.value.number)
    assert numbers == [1007, 1004, 1004, 1007]
    path.unlink()
    with pytest.raises(Problem) as raised:
        read_passphrase(settings_of(home), None)
    assert raised.value.number == 1003


def test_a_closed_descriptor_is_a_usage_error(tmp_path: Path) -> None:
    end, start = os.pipe()
    os.close(start)
    os.close(end)
    with pytest.raises(Problem) as raised:
        read_passphrase(settings_of(tmp_path, passphrase_fd=end), None)
    assert raised.value.number == 1001
