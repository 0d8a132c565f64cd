"""`wijk config`, `wijk completion`, `wijk openapi` and `wijk version` (interfaces 1.6)."""

import platform
import sys
from importlib.util import find_spec
from typing import Any

import click

from wallet.terminal import Terminal, installed_version

CLI_SCHEMA = 1  # grows when a JSON shape of interfaces 1.8 changes
_LISTS = ("nodes",)
_SWITCHES = ("no_input",)
_SAID = {"true": True, "false": False, "1": True, "0": False, "ja": True, "nee": False,
         "yes": True, "no": False}  # fmt: skip


@click.group(help="Instellingen van de portemonnee // Settings of the wallet")
def config() -> None:
    """Settings of the wallet."""


@config.command(
    help="Toon wat nu geldt, en waar het vandaan komt // Show what holds, and its source"
)
@click.pass_obj
def show(terminal: Terminal) -> None:
    """Print every setting with its origin."""
    settings = terminal.settings
    values: dict[str, Any] = {
        "nodes": list(settings.nodes),
        "key": settings.key,
        "output": settings.output,
        "lang": settings.lang,
        "timeout": f"{settings.timeout_ms}ms",
        "no_input": settings.no_input,
        "passphrase_file": settings.passphrase_file and str(settings.passphrase_file),
    }
    tree = {
        "home": str(settings.home),
        "profile": settings.profile,
        "values": values,
        "origins": settings.origins,
    }
    terminal.show(
        tree,
        [
            f"home = {settings.home}",
            f"profile = {settings.profile}",
            *(
                f"{key} = {_shown(value)}  ({settings.origins[key]})"
                for key, value in values.items()
            ),
        ],
    )


@config.command("get", help="Toon een instelling van het profiel // Show a setting of the profile")
@click.argument("key")
@click.pass_obj
def get_(terminal: Terminal, key: str) -> None:
    """Print what `config.toml` says."""
    from wallet.config import get_value

    value = get_value(*terminal.place, key)
    terminal.show({"key": key, "value": value}, [_shown(value)])


@config.command("set", help="Zet een instelling van het profiel // Set a setting of the profile")
@click.argument("key")
@click.argument("values", nargs=-1, required=True)
@click.pass_obj
def set_(terminal: Terminal, key: str, values: tuple[str, ...]) -> None:
    """Write a value to `config.toml`; `nodes` takes several."""
    from chain.texts import Problem
    from wallet.config import set_value

    if len(values) > 1 and key not in _LISTS:
        raise Problem(1001, cause=values[1])
    value: str | bool | list[str] = values[0]
    if key in _LISTS:
        value = list(values)
    elif key in _SWITCHES:
        if values[0].lower() not in _SAID:
            raise Problem(1001, cause=f"{key}: {', '.join(_SAID)}")
        value = _SAID[values[0].lower()]
    set_value(*terminal.place, key, value)
    terminal.show({"key": key, "value": value}, [f"{key} = {_shown(value)}"])


@click.command(help="Aanvullen met Tab in uw shell // Completion with Tab in your shell")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for the shell: `eval "$(wijk completion bash)"`."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows these three"
    root = ctx.find_root()
    ctx.obj.show_text(made(root.command, {}, "wijk", "_WIJK_COMPLETE").source())


@click.command(help="De beschrijving van de API, in YAML // The description of the API, in YAML")
@click.pass_obj
def openapi(terminal: Terminal) -> None:
    """Print `openapi.yaml`, the same that a node serves."""
    from importlib.resources import files

    terminal.show_text(files("node").joinpath("openapi.yaml").read_text("utf-8").rstrip("\n"))


@click.command(help="De versie van programma en API // Version of program and API")
@click.pass_obj
def version(terminal: Terminal) -> None:
    """Print the object of interfaces 1.6."""
    found = installed_version()
    storage = ["leveldb"] if find_spec("plyvel") is not None else []
    tree = {
        "version": found,
        "cli_schema": CLI_SCHEMA,
        "api": "v1",
        "python": platform.python_version(),
        "storage": [*storage, "sqlite"],
    }
    terminal.show(tree, [f"wijk {found} (Python {platform.python_version()}, {sys.platform})"])


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
