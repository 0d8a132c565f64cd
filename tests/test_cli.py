"""The program as a whole: help, languages, formats, exit codes (interfaces 1.2 to 1.5)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import cli
from chain.texts import Problem, exit_code, numbers
from tests.shapes import SHAPES, check_shape
from wallet.keystore import TEST_ONLY, create, save_new
from wallet.terminal import Terminal

CHECKOUT = Path(__file__).parent.parent
DUTCH_ONLY = ("Gebruik:", "Opties:", "toon deze uitleg")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [
        name for name in os.environ if name.startswith("WIJK_") and name != "WIJK_TESTDATA"
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WIJK_HOME", str(tmp_path))
    return tmp_path


def run(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(cli.wijk, list(words), **options)


def refused(result: Result, code: int = 1001) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(result.stderr.splitlines()[-1])
    check_shape(tree, SHAPES["problem"])
    assert tree["code"] == f"WIJK-{code:04}"
    assert result.exit_code == exit_code(code)
    assert result.stdout == ""
    return tree


def all_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        ctx = click.Context(command, obj=Terminal())
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from all_commands(below, (*path, name))


EVERY_COMMAND = sorted(all_commands(cli.wijk))


# ------------------------------------------------------------------------------------- help


def test_help_imports_no_command_and_opens_no_socket() -> None:
    """interfaces 1.2: what `--help` does not import cannot make it slow."""
    program = (
        "import sys, cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "ours = [name for name in sys.modules if name.split('.')[0] in "
        "('chain','contracts','consensus','bank','node','wallet','audit','testnet')]\n"
        "print(sorted(ours), 'socket' in sys.modules, 'rich' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )

    assert done.stderr.strip() == "['wallet', 'wallet.terminal'] False False"
    assert "Betaal iemand" in done.stdout


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_explains_itself_in_two_languages(path: tuple[str, ...]) -> None:
    dutch = run(*path, "--help")
    english = run("--lang", "en", *path, "--help")

    assert dutch.exit_code == english.exit_code == 0
    assert "Gebruik: wijk" in dutch.stdout
    assert "Usage: wijk" in english.stdout
    assert "//" not in dutch.stdout.replace("https://", "").replace("http://", "")
    assert "//" not in english.stdout.replace("https://", "").replace("http://", "")
    assert not any(word in english.stdout for word in DUTCH_ONLY)


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_every_command_takes_the_global_options(path: tuple[str, ...]) -> None:
    """interfaces 1.2: before or after the subcommand; a command's own option goes first."""
    command: click.Command = cli.wijk
    ctx = click.Context(command, obj=Terminal())
    for name in path:
        assert isinstance(command, click.Group)
        below = command.get_command(ctx, name)
        assert below is not None
        command = below
    names = {name for param in command.params for name in param.opts}

    assert names >= {
        "-h", "--help", "--version", "--profile", "--node", "--home", "-o", "--output", "--lang",
        "--no-input", "-y", "--yes", "-q", "--quiet", "-v", "--verbose", "--no-color",
        "--timeout", "--passphrase-file", "--passphrase-fd", "--explain",
    }  # fmt: skip


def test_global_options_work_on_both_sides(home: Path) -> None:
    before = run("-o", "json", "--lang", "en", "version")
    after = run("version", "-o", "json", "--lang", "en")

    assert before.stdout == after.stdout
    check_shape(json.loads(after.stdout), SHAPES["version"])


@pytest.mark.parametrize(
    ("typed", "meant"), [("pya", "pay"), ("quer", "query"), ("acount", "account")]
)
def test_a_typo_gets_a_suggestion(typed: str, meant: str) -> None:
    assert f"bedoelt u {meant}" in run(typed).stderr
    assert f"did you mean {meant}" in run(typed, "--lang", "en").stderr
    assert run(typed).exit_code == 2


def test_a_typo_below_a_group_and_in_an_option_gets_one_too() -> None:
    assert "bedoelt u balance?" in run("account", "balans").stderr
    assert "--memo" in run("pay", "x", "1", "--mmo", "y").stderr


def test_usage_errors_follow_the_format_that_was_asked() -> None:
    refused(run("pya", "-o", "json"))
    refused(run("--output=json", "pay", "--bogus"))
    refused(run("pay", "-o", "json"))
    refused(run("pay", "a", "1", "b", "-o", "json"))
    refused(run("account", "history", "--limit", "0", "-o", "json"))


def test_explain_knows_every_code() -> None:
    listed = run("--explain", "--lang", "en").stdout.splitlines()

    assert len(listed) == len(numbers())
    assert "balance too low" in run("--explain", "WIJK-2104", "--lang", "en").stdout
    assert run("--explain", "WIJK-0000").exit_code == 2


def test_openapi_is_the_one_that_a_node_serves() -> None:
    assert run("openapi").stdout == (CHECKOUT / "node" / "openapi.yaml").read_text()


def test_version_and_completion() -> None:
    assert run("--version").stdout.startswith("wijk ")
    for shell in ("bash", "zsh", "fish"):
        assert "_WIJK_COMPLETE" in run("completion", shell).stdout


def test_help_and_complaints_follow_the_profile(home: Path) -> None:
    (home / "config.toml").write_text('profile = "x"\n[profiles.x]\nlang = "en"\n')

    assert run("--help").stdout.startswith("Usage:")
    assert "did you mean pay?" in run("pya").stderr
    assert run("--lang", "nl", "--help").stdout.startswith("Gebruik:")
    (home / "config.toml").write_text("lang = [")
    assert run("--help").stdout.startswith("Gebruik:")


# ------------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize("number", numbers())
@pytest.mark.parametrize("lang", ["nl", "en"])
def test_a_problem_ends_with_the_exit_code_of_its_table(
    number: int, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """interfaces 1.4, 1.5: one table for codes and exits."""

    @click.command()
    def fails() -> None:
        raise Problem(number, nothing_sent=False, tx="ab" * 32)

    monkeypatch.setattr(cli.Root, "get_command", lambda *_: _with_options(fails))

    told = run("pay", "-o", "json", "--lang", lang)

    tree = json.loads(told.stderr)
    check_shape(tree, SHAPES["problem"])
    assert told.exit_code == exit_code(number)
    assert tree["nothing_sent"] is False
    assert tree["tx"] == "ab" * 32
    assert told.stdout == ""


def _with_options(command: click.Command) -> click.Command:
    cli.add_global_options(command)
    return command


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("x"), 1), (click.Abort(), 130)]
)
def test_ctrl_c_and_bugs(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli.Root, "get_command", lambda *_: _with_options(fails))

    told = run("pay")

    assert told.exit_code == code
    assert told.stdout == ""
    assert ("WIJK-9001" in told.stderr) is (code == 1)


def test_a_text_error_says_what_why_and_what_now() -> None:
    what, why, now = run("keys", "show", "anna").stderr.splitlines()

    assert what == "Fout WIJK-1003: sleutel ontbreekt."
    assert why.startswith("  De sleutel is er niet: anna.")
    assert "wijk --explain WIJK-1003" in now


def test_an_unreachable_node_is_exit_4() -> None:
    told = run("status", "--node", "http://127.0.0.1:1", "-o", "json")

    assert refused(told, 3001)["nothing_sent"] is True
    assert told.exit_code == 4


def test_output_can_be_chosen_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIJK_OUTPUT", "json")
    monkeypatch.setenv("WIJK_LANG", "en")

    assert refused(run("keys", "show", "anna"), 1003)["title"] == "key missing"


# ---------------------------------------------------------------------------------- amounts


@pytest.mark.parametrize(
    "amount",
    ["1.005", "1e3", "0x10", "1.234.567", "1.234,56", "١٢", "9" * 30, "", "0", "0,00",
     "10000000,01", " 1", "+1", "1,", "€", "€€1", "NaN", "1 000"],
)  # fmt: skip
def test_amounts_that_could_mean_something_else_are_refused(home: Path, amount: str) -> None:
    """reliability W33: before any node is asked, and with the exact text."""
    problem = refused(run("pay", "anna", amount, "-o", "json"), 1005)

    assert problem["nothing_sent"] is True
    assert problem["params"]["text"] == amount[:16]


def test_an_amount_below_zero_is_refused() -> None:
    refused(run("pay", "anna", "-o", "json", "--", "-5"), 1005)
    problem = refused(run("pay", "anna", "-5,00", "-o", "json"), 1005)  # it looks like an option
    assert problem["params"]["text"] == "-5,00"
    refused(run("request", "-5", "-o", "json"), 1005)
    refused(run("query", "block", "-5", "-o", "json"), 1001)  # no amount


def test_what_is_wrong_is_said_in_one_language() -> None:
    dutch = {
        (
            "account",
            "history",
            "--limit",
            "0",
        ): "--limit kan zo niet: een heel getal vanaf 1 tot en",
        (
            "account",
            "history",
            "--limit",
            "x",
        ): "--limit kan zo niet: een heel getal vanaf 1 tot en",
        ("completion", "tcsh"): "SHELL kan zo niet: kies uit bash, zsh, fish.",
        ("pay", "a", "1", "b"): "er staat te veel: b.",
        ("pay", "a", "1", "--memo"): "de optie --memo is zo niet goed.",
        ("--explain", "WIJK-9999"): "onbekende code WIJK-9999.",
    }
    for words, said in dutch.items():
        told = run(*words).stderr
        assert said in told, told
        assert ".." not in told.splitlines()[1]
    english = run("account", "history", "--limit", "0", "--lang", "en").stderr
    assert "--limit: a whole number from 1 up to 500." in english


def test_without_a_command_it_explains_itself() -> None:
    told = run()

    assert (told.exit_code, told.stdout) == (2, "")
    assert "Gebruik: wijk" in told.stderr
    assert "Betaal iemand" in told.stderr


def test_a_mistyped_account_is_refused_before_any_node_is_asked(home: Path) -> None:
    """reliability W33: an address one letter off."""
    at = "2026-01-01T00:00:00.000Z"
    key_file = create("anna", bytes(32), "w", TEST_ONLY, created_at=at, test_only=True)
    save_new(home, key_file)
    account = key_file.account
    for place in range(5, len(account)):
        wrong = account[:place] + ("q" if account[place] != "q" else "p") + account[place + 1 :]

        assert refused(run("pay", wrong, "1", "-o", "json"), 1006)["params"]["cause"] == "checksum"


def test_nothing_is_asked_without_a_terminal(home: Path) -> None:
    """interfaces 1.2: a missing answer is exit 2."""
    told = run("keys", "add", "anna", "-o", "json")

    refused(told, 1001)
    assert not (home / "keys").exists()
