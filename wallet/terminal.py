"""The terminal of the program `wijk`: what was asked globally, how to answer (interfaces 1.2-1.5).

Results go to stdout as one object or as lines for people, everything else to stderr. Settings are
read when a command first needs them, so `--help` stays fast.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from chain.policy import Policy
    from node.client import Sign
    from wallet.config import Flags, Settings
    from wallet.keystore import KeyFile
    from wallet.remote import Remote

EXIT_BUG = 1
EXIT_DECLINED = 10
EXIT_DRAFT = 11
DUTCH = "nl"
LANGS = ("nl", "en")
OUTPUTS = ("text", "json", "jsonl", "csv")
_SETTINGS = ("home", "profile", "node", "output", "lang", "timeout", "no_input")
_SECRETS = ("passphrase_file", "passphrase_fd")


class Failed(Exception):
    """A command that ends with a WIJK code, after it printed what it had to say."""

    def __init__(
        self,
        number: int,
        params: Mapping[str, Any],
        *,
        exit_code: int | None = None,
        nothing_sent: bool = True,
        tx: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(str(number))
        self.number = number
        self.params = dict(params)
        self.exit_code = exit_code
        self.nothing_sent = nothing_sent
        self.tx = tx
        self.instance = instance


class Terminal:
    """One run of the program: its global options, settings, and the person in front of it."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.line: list[str] = []
        self.tries: dict[int, Sequence[str]] = {}  # WIJK code -> commands that would help
        self.reader: KeyFile | None = None  # who asks, where a node wants to know
        self.seeds: dict[str, bytes] = {}  # keys unlocked in this run, by name
        self.held: dict[str, list[tuple[str, int]]] = {}  # accounts of keys that were asked for
        self.policy: Policy | None = None  # whom to trust, once it was followed in this run
        self._settings: Settings | None = None
        self._client: Remote | None = None

    @property
    def settings(self) -> "Settings":
        """Return the settings of this run; raise `Problem` 1002 that lists what is wrong."""
        if self._settings is None:
            from wallet.config import load_settings

            self._settings = load_settings(self._flags(), os.environ)
        return self._settings

    @property
    def place(self) -> tuple[Path, str]:
        """Return the client home and the profile, also where its settings are not right."""
        from wallet.config import find_profile

        return find_profile(self._flags(), os.environ)

    def _flags(self) -> "Flags":
        from wallet.config import Flags

        return Flags(**{name: self.given.get(name) for name in (*_SETTINGS, *_SECRETS)})

    @property
    def home(self) -> Path:
        """Return the client home."""
        return self.settings.home

    @property
    def client(self) -> "Remote":
        """Return the nodes of this profile; nothing is asked yet."""
        if self._client is None:
            from wallet.remote import Remote

            timeout_s = self.settings.timeout_ms / 1000
            self._client = Remote(self.settings.nodes, timeout_s, self.lang, self.reading_signs)
        return self._client

    @property
    def lang(self) -> str:
        """Return the language: settings that cannot be read must not stop the complaint."""
        return str(self._early("lang", "WIJK_LANG", LANGS, "")) or self._profile_lang()

    @property
    def output(self) -> str:
        """Return the output format."""
        return str(self._early("output", "WIJK_OUTPUT", OUTPUTS, "text"))

    def _early(self, name: str, variable: str, allowed: Sequence[str], default: str) -> str:
        if self.given.get(name) is not None:
            return str(self.given[name])
        if self._settings is not None:
            return str(getattr(self._settings, name))
        named = os.environ.get(variable, "")
        return named if named in allowed else default

    def _profile_lang(self) -> str:
        """Return the language of the profile, read apart: help needs no other setting."""
        import tomllib

        from platformdirs import user_data_dir

        named = self.given.get("home") or os.environ.get("WIJK_HOME") or user_data_dir("wijk")
        try:
            with (Path(named) / "config.toml").open("rb") as file:
                tree = tomllib.load(file)
            profile = self.given.get("profile") or os.environ.get("WIJK_PROFILE")
            lang = tree["profiles"][profile or tree.get("profile", "default")]["lang"]
        except (OSError, ValueError, KeyError, TypeError):
            return DUTCH
        return str(lang) if lang in LANGS else DUTCH

    def flag(self, name: str) -> bool:
        """Say whether a global switch such as `yes` or `quiet` was given."""
        return bool(self.given.get(name))

    @property
    def can_ask(self) -> bool:
        """Say whether there is a person to ask (interfaces 1.2)."""
        return sys.stdin.isatty() and not self.settings.no_input

    # ------------------------------------------------------------------------------- answers

    def text(self, nl: str, en: str) -> str:
        """Return the text in the language of this person."""
        return nl if self.lang == DUTCH else en

    def money(self, cents: int) -> str:
        """Return an amount as people read it."""
        from chain.money_text import money

        return money(cents, self.lang)

    def show(self, tree: Mapping[str, Any], lines: Iterable[str], style: str = "") -> None:
        """Print the result: the object for scripts, or the lines for people, the first in style."""
        if self.output == "text":
            for line in lines:
                self._print_line(line, style)
                style = ""
        elif self.output == "csv":
            flat = [name for name in tree if not isinstance(tree[name], dict | list)]
            self._print_csv([tree], flat)
        else:
            _print_json(tree)

    def show_page(
        self,
        page: Mapping[str, Any],
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        names: Sequence[str],
    ) -> None:
        """Print a list: the PAGE for scripts, one item a line, or a table for people.

        `names` are the fields that CSV has, also where there is no item (interfaces 1.3).
        """
        items: list[Mapping[str, Any]] = list(page["items"])
        if self.output == "json":
            _print_json(page)
        elif self.output == "jsonl":
            for item in items:
                _print_json(item)
        elif self.output == "csv":
            self._print_csv(items, names)
        elif not items and not page.get("next"):
            self.say("Niets gevonden.", "Nothing found.")
        else:
            self._print_table(head, [list(row) for row in rows])
            if page.get("next"):
                self.say(f"Meer: --after {page['next']}", f"More: --after {page['next']}")

    def show_text(self, text: str) -> None:
        """Print text that is the result in every format: a script, a page of help."""
        click.echo(text)

    def say(self, nl: str, en: str) -> None:
        """Talk on stderr. Silent with `--quiet`."""
        if not self.flag("quiet"):
            said = self.text(nl, en)
            click.echo("\n".join(_plain(line) for line in said.split("\n")), err=True)

    def next_step(self, command: str) -> None:
        """Suggest the next useful command (interfaces 1.2)."""
        if self.output == "text":
            self.say(f"Hierna: {command}", f"Next: {command}")

    def confirm(self, nl: str, en: str) -> None:
        """Ask a yes or no; return on yes. `--yes` answers it; a no ends with exit 10."""
        if self.flag("yes"):
            return
        self._must_ask()
        answer = click.prompt(self.text(f"{nl} [j/N]", f"{en} [y/N]"), default="", err=True,
                              show_default=False, prompt_suffix=" ")  # fmt: skip
        if answer.strip().lower() not in ("j", "ja", "y", "yes"):
            cause = self.text("u antwoordde nee", "you answered no")
            self.say("U antwoordde nee: er is niets gedaan.", "You said no: nothing was done.")
            self.fail(1001, {"cause": cause}, exit_code=EXIT_DECLINED)

    def ask(self, nl: str, en: str) -> str:
        """Ask for a line of text; without a person that is a usage error."""
        self._must_ask()
        return str(click.prompt(self.text(nl, en), err=True, prompt_suffix=": "))

    def ask_secret(self, nl: str, en: str, *, twice: bool = False) -> str:
        """Ask for a passphrase or words without showing them."""
        self._must_ask()
        again = self.text("Nog eens", "Again") if twice else False
        return str(
            click.prompt(
                self.text(nl, en), hide_input=True, confirmation_prompt=again, err=True,
                prompt_suffix=": ",
            )
        )  # fmt: skip

    def open_key(self, name: str | None) -> tuple[str, bytes, bytes]:
        """Open a key of the home for what is no transaction: account, public key, seed.

        So also one that is for tests only. None is the key that this home pays with.
        """
        from wallet.keystore import disable_core_dumps, unlock
        from wallet.people import own_key

        key_file = own_key(self, name)
        disable_core_dumps()
        word = self.passphrase(f"Wachtzin van {key_file.name}", f"Passphrase of {key_file.name}")
        seed = unlock(key_file, word, live=not key_file.test_only)
        return key_file.account, bytes.fromhex(key_file.public_key), seed

    def reading_signs(self) -> "Iterator[Sign]":
        """Return what signs this person's questions, once a node wants to know who reads."""
        from wallet.order import reading_signs

        return reading_signs(self)

    def passphrase(self, nl: str, en: str, *, twice: bool = False) -> str:
        """Return the passphrase from descriptor, file or prompt, never shown (KS3)."""
        from wallet.config import read_passphrase

        ask: Callable[[], str] | None = None
        if self.can_ask:
            ask = lambda: self.ask_secret(nl, en, twice=twice)  # noqa: E731 - one line, used once
        return read_passphrase(self.settings, ask)

    def fail(
        self,
        number: int,
        params: Mapping[str, Any],
        *,
        exit_code: int | None = None,
        nothing_sent: bool = True,
        tx: str | None = None,
        instance: str | None = None,
    ) -> NoReturn:
        """End with a WIJK code; what was shown before stays (interfaces 1.3)."""
        raise Failed(
            number,
            params,
            exit_code=exit_code,
            nothing_sent=nothing_sent,
            tx=tx,
            instance=instance,
        )

    def report(
        self,
        number: int,
        params: Mapping[str, Any],
        *,
        nothing_sent: bool,
        tx: str | None,
        instance: str | None = None,
    ) -> None:
        """Write the error to stderr: three lines, or the problem object as the last line (1.5)."""
        from chain.texts import problem, text_error

        if self.output == "text":
            tries = self.tries.get(number, ())
            said = text_error(
                number, params, self.lang, nothing_sent=nothing_sent, tx=tx, tries=tries
            )
            click.echo(said, err=True)
        else:
            tree = problem(
                number, params, self.lang, instance=instance, tx=tx, nothing_sent=nothing_sent
            )
            _print_json(tree, err=True)

    # ------------------------------------------------------------------------------- inside

    def _must_ask(self) -> None:
        if not self.can_ask:
            from chain.texts import Problem

            raise Problem(1001, cause="no-answer")

    def _has_colour(self, stream: Any) -> bool:
        plain = self.flag("no_color") or "NO_COLOR" in os.environ
        return not plain and self.output == "text" and bool(stream.isatty())

    def _print_line(self, line: str, style: str) -> None:
        safe = _plain(line)
        if not style or not self._has_colour(sys.stdout):
            click.echo(safe)
            return
        from rich.console import Console
        from rich.text import Text

        Console(soft_wrap=True).print(Text(safe, style=style))

    def _print_csv(self, items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
        """RFC 4180 with a header line; nested objects are left out (interfaces 1.3)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(names)
        for item in items:
            writer.writerow([_cell(item.get(name)) for name in names])
        click.echo(out.getvalue().encode(), nl=False)

    def _print_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if self._has_colour(sys.stdout):
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text

            table = Table(*head, box=None, pad_edge=False, header_style="bold")
            for row in rows:
                table.add_row(*(Text(_plain(cell)) for cell in row))
            Console().print(table)
            return
        rows = [[_plain(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo(line.rstrip())


def installed_version() -> str:
    """Return the version of the installed package; 0.0.0 in a bare checkout."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wijkchain")
    except PackageNotFoundError:
        return "0.0.0"


def _plain(text: str) -> str:
    """Return text that may come from anybody without what steers a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print_json(tree: Mapping[str, Any], *, err: bool = False) -> None:
    click.echo(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"), err=err)
