"""What a command knows of whom it talks to: one protocol for the commands of every package.

`wallet/terminal.py` is the terminal of the program `wijk`; commands get it as click's `obj`. Data
goes to stdout as one object, talk to stderr (interfaces 1.2, 1.3). Nothing here does anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from chain.money_text import Lang


class Terminal(Protocol):
    """Somebody, or a script, in front of the program."""

    @property
    def lang(self) -> Lang:
        """The language of texts for people."""

    @property
    def output(self) -> str:
        """The output format: text, json, jsonl or csv."""

    @property
    def given(self) -> Mapping[str, Any]:
        """The global options as given: home, node, timeout, yes, quiet, verbose, no_input ..."""

    def text(self, nl: str, en: str) -> str:
        """Return the text in the language of this person."""

    def show(self, tree: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print the result: the object for scripts, or the lines for people."""

    def show_page(
        self,
        page: Mapping[str, Any],
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        names: Sequence[str],
    ) -> None:
        """Print a list: the PAGE for scripts, or a table for people; `names` are those of CSV."""

    def say(self, nl: str, en: str) -> None:
        """Talk on stderr: progress, what changed, what to do next. Silent with `--quiet`."""

    def confirm(self, nl: str, en: str) -> None:
        """Ask a yes or no; return on yes. `--yes` answers it; a no ends with exit 10."""

    def ask(self, nl: str, en: str) -> str:
        """Ask for a line of text; without a person that is wrong usage. `--yes` is no answer."""

    def fail(
        self,
        number: int,
        params: Mapping[str, Any],
        *,
        exit_code: int | None = None,
        nothing_sent: bool = True,
        tx: str | None = None,
    ) -> NoReturn:
        """Tell on stderr what is wrong and end; what `show` printed before stays (interfaces 1.3).

        The exit code is that of the WIJK code `number`, unless another is given.
        """
