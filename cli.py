"""The program `wijk`: puts the commands of the packages together (interfaces 1.2, 1.6).

A command's module is imported when its command is named, so `wijk --help` is fast. Help texts are
written `Nederlands // English`; global options are accepted before and after the subcommand.
"""

import importlib
import os
import sys
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from wallet.terminal import (
    EXIT_BUG,
    EXIT_DECLINED,
    EXIT_DRAFT,
    LANGS,
    OUTPUTS,
    Failed,
    Terminal,
)

EXIT_INTERRUPTED = 130
NAMES_LISTED_MAX = 3

# name -> (module, what it does in Dutch // English); the module has a command of that name.
COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("wallet.commands_node", "Hoe het met de keten gaat // How the chain is doing"),
    "pay": ("wallet.commands_pay", "Betaal iemand // Pay somebody"),
    "request": ("wallet.commands_pay", "Vraag om een betaling // Ask for a payment"),
    "account": ("wallet.commands_account", "Saldo en geschiedenis // Balance and history"),
    "keys": ("wallet.commands_keys", "Uw sleutels // Your keys"),
    "contacts": ("wallet.commands_contacts", "Uw contacten // Your contacts"),
    "receipt": ("wallet.commands_receipt", "Bonnen, zonder netwerk // Receipts, without network"),
    "tx": ("wallet.commands_tx", "Opdrachten maken en samen tekenen // Build and sign orders"),
    "member": ("wallet.commands_member", "Leden en grenzen // Members and limits"),
    "coin": ("wallet.commands_coin", "Munt, dekking en uitgifte // Coin, reserve and issue"),
    "report": ("wallet.commands_report", "Cijfers van een wijk // Figures of a wijk"),
    "election": ("wallet.commands_election", "Verkiezingen // Elections"),
    "vote": ("wallet.commands_vote", "Voorstellen en stemmingen // Proposals and votes"),
    "value": ("wallet.commands_value", "Wat werk waard is // What work is worth"),
    "policy": ("wallet.commands_policy", "Potjes met regels // Earmarked money with rules"),
    "query": ("wallet.commands_query", "Kijk in de keten // Look into the chain"),
    "audit": ("audit.commands", "Controleer de keten zelf // Check the chain yourself"),
    "index": ("audit.commands_index", "De keten als tabellen // The chain as tables"),
    "demo": ("testnet.commands", "Vier wijken op deze machine // Four wijken on this machine"),
    "testnet": ("testnet.commands", "Een proefnetwerk // A test network"),
    "bench": ("testnet.commands_bench", "Meet hoe snel het is // Measure how fast it is"),
    "node": ("node.commands", "Een node van een wijk // A node of a wijk"),
    "board": ("wallet.commands_board", "Het bestuur van een wijk // The board of a wijk"),
    "signer": ("node.commands_recovery", "De sleutel die stemt // The key that votes"),
    "config": ("wallet.commands_config", "Instellingen // Settings"),
    "completion": ("wallet.commands_config", "Aanvullen met Tab // Completion with Tab"),
    "openapi": ("wallet.commands_config", "De beschrijving van de API // The API described"),
    "version": ("wallet.commands_config", "De versie // The version"),
}

# group -> commands of another package that hang in it: where, module, name in the module.
ATTACHED: dict[str, tuple[tuple[tuple[str, ...], str, str], ...]] = {
    "account": ((("recovery",), "wallet.commands_guardians", "recovery"),),
    "board": (
        (("join-request",), "node.commands_join", "join_request"),
        (("accept",), "wallet.commands_accept", "accept"),
        (("endorse",), "wallet.commands_matter", "endorse"),
        (("resign",), "wallet.commands_seat", "resign"),
        (("recall",), "wallet.commands_seat", "recall"),
        (("recuse",), "wallet.commands_seat", "recuse"),
        (("trip",), "wallet.commands_seat", "trip"),
        (("reset",), "wallet.commands_seat", "reset"),
    ),
    "node": (
        (("verify",), "audit.commands_node", "verify"),
        (("backup", "verify"), "audit.commands_node", "backup_verify"),
    ),
    "audit": (
        (("export",), "audit.commands_export", "export"),
        (("report",), "audit.commands_policy_report", "report"),
        (("reconcile",), "audit.commands_reconcile", "reconcile"),
        (("witness",), "audit.commands_witness", "witness"),
        (("close",), "audit.commands_close", "close"),
    ),
    "election": (
        (("verify",), "audit.commands_election", "verify"),
        (("rehearse",), "wallet.commands_rehearsal", "rehearse"),
        (("second",), "wallet.commands_second", "second"),
        (("roll",), "wallet.commands_roll", "roll"),
        (("credential",), "wallet.commands_credential", "credential"),
        (("codes",), "wallet.commands_credential", "codes"),
    ),
    "tx": (
        (("propose",), "wallet.commands_shared", "propose"),
        (("proposals",), "wallet.commands_shared", "proposals"),
        (("proposal",), "wallet.commands_shared", "proposal"),
        (("approve",), "wallet.commands_shared", "approve"),
        (("cancel",), "wallet.commands_shared", "cancel"),
    ),
    "testnet": ((("year",), "testnet.commands_year", "year"),),
}


def main(args: list[str] | None = None) -> None:
    """Run the program and end the process with one of the exit codes of interfaces 1.4."""
    wijk.main(args)


class Root(click.Group):
    """The group `wijk`: loads commands when they are named, and ends in one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import the module of a command; its options get the global ones beside them."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        for path, other, name in ATTACHED.get(cmd_name, ()):
            attach(command, path, getattr(importlib.import_module(other), name))
        add_global_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say what was perhaps meant where there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        rows = [(name, pick(about, _lang(ctx))) for name, (_, about) in COMMANDS.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **extra: Any) -> Any:
        """Run, and turn everything that can go wrong into text, problem object and exit code."""
        terminal = Terminal()
        terminal.line = sys.argv[1:] if args is None else list(args)
        extra["standalone_mode"] = False
        extra.setdefault("obj", terminal)
        try:
            code = super().main(args, prog_name or "wijk", **extra)
        except Exception as error:  # noqa: BLE001 - the one place where all errors end
            if isinstance(error, click.UsageError):
                _glean(terminal)
            code = end(terminal, error)
        except KeyboardInterrupt:
            click.echo(err=True)
            code = EXIT_INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


def attach(command: click.Command, path: tuple[str, ...], below: click.Command) -> None:
    """Hang a command into a group, under the names of `path`."""
    for name in path[:-1]:
        assert isinstance(command, click.Group), f"{name} hangs in no group"
        command = command.commands[name]
    assert isinstance(command, click.Group), f"{path[-1]} hangs in no group"
    command.add_command(below, path[-1])


def end(terminal: Terminal, error: Exception) -> int:
    """Report an error and return the exit code it stands for."""
    from chain.errors import Malformed, Reject
    from chain.texts import Problem, exit_code

    if isinstance(error, Reject):  # what the chain would refuse too was found here already
        params: dict[str, Any] = error.params
        error = Problem(error.code.number, **params)
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on
        return EXIT_BUG
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(help_of(error.ctx), err=True)
        return error.exit_code
    if isinstance(error, click.exceptions.Abort):
        return EXIT_INTERRUPTED
    if isinstance(error, Failed):
        # A no, or a draft that others must sign: what was said is enough, nothing went wrong.
        if terminal.output != "text" or error.exit_code not in (EXIT_DECLINED, EXIT_DRAFT):
            terminal.report(
                error.number,
                error.params,
                nothing_sent=error.nothing_sent,
                tx=error.tx,
                instance=error.instance,
            )
        return exit_code(error.number) if error.exit_code is None else error.exit_code
    if isinstance(error, Problem):
        told = getattr(error, "tree", {})  # what a node answered, with its route
        terminal.report(
            error.number,
            error.params,
            nothing_sent=error.nothing_sent,
            tx=error.tx,
            instance=told.get("instance"),
        )
        return exit_code(error.number)
    if isinstance(error, Malformed):  # a node that talks nonsense
        terminal.report(5001, {"cause": str(error)}, nothing_sent=False, tx=None)
        return exit_code(5001)
    if (amount := below_zero(terminal, error)) is not None:
        terminal.report(1005, {"text": amount}, nothing_sent=True, tx=None)
        return exit_code(1005)
    if isinstance(error, click.ClickException):
        cause = usage_text(error, terminal.lang)
        terminal.report(1001, {"cause": cause}, nothing_sent=True, tx=None)
        return exit_code(1001)
    if terminal.given.get("verbose"):
        sys.excepthook(type(error), error, error.__traceback__)
    params = {"error": type(error).__name__, "where": _where(error)}
    terminal.report(9001, params, nothing_sent=False, tx=None)
    return EXIT_BUG


def _where(error: Exception) -> str:
    """Return file and line of a bug; its words stay out, they may hold anything."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None:
        return ""
    return f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}"


# ------------------------------------------------------------------------------ two languages


def pick(text: str | None, lang: str) -> str:
    """Return the half of `Nederlands // English` in a language."""
    dutch, _, english = (text or "").partition(" // ")
    return english if english and lang != "nl" else dutch


def add_global_options(command: click.Command) -> None:
    """Give a command and those below it the global options, where it has none of that name."""
    own = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    for option in global_options():
        if own.isdisjoint(option.opts):
            option.hidden = option.name != "help"  # `wijk --help` lists them
            command.params.append(option)
    command.add_help_option = False
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        add_global_options(below)


def translate(command: click.Command, lang: str) -> None:
    """Put the help texts of a command, its options and those below it in one language."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    parts: list[click.Command | click.Option] = [command, *options]
    for part in parts:
        both = _both_texts.setdefault(part, part.help or "")
        part.help = pick(both, lang)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        translate(below, lang)


_both_texts: "weakref.WeakKeyDictionary[object, str]" = weakref.WeakKeyDictionary()


def help_of(ctx: click.Context) -> str:
    """Return the help page of a command in the language of this run."""
    translate(ctx.command, _lang(ctx))
    page = ctx.get_help()
    if _lang(ctx) == "nl":
        headings = {"Usage:": "Gebruik:", "Options:": "Opties:", "Commands:": "Opdrachten:"}
        for english, dutch in headings.items():
            page = page.replace(f"\n{english}", f"\n{dutch}")
            page = dutch + page[len(english) :] if page.startswith(english) else page
    if ctx.parent is not None:
        page += "\n\n" + pick("Overal: wijk --help // Everywhere: wijk --help", _lang(ctx))
    return page


def usage_text(error: click.ClickException, lang: str) -> str:
    """Return what is wrong with the command line, in a few words."""
    dutch = lang == "nl"
    if isinstance(error, click.NoSuchOption):
        said = (
            f"de optie {error.option_name} bestaat niet"
            if dutch
            else f"no option {error.option_name}"
        )
        return said + did_you_mean(error.possibilities or (), lang)
    if isinstance(error, click.NoSuchCommand):
        name = error.command_name
        said = f"de opdracht {name} bestaat niet" if dutch else f"no command {name}"
        return said + did_you_mean(error.possibilities or (), lang)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        name = error.param.make_metavar(error.ctx) if error.ctx else error.param.human_readable_name
        return f"{name} ontbreekt" if dutch else f"{name} is missing"
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = (
            error.param.opts[0]
            if isinstance(error.param, click.Option)
            else error.param.human_readable_name
        )
        said = asked_for(error.param.type, lang) or error.message.rstrip(".")
        return f"{name} kan zo niet: {said}" if dutch else f"{name}: {said}"
    if isinstance(error, click.BadOptionUsage):
        name = error.option_name
        return f"de optie {name} is zo niet goed" if dutch else error.format_message().rstrip(".")
    if dutch and error.message.startswith("Got unexpected extra argument"):
        return f"er staat te veel: {error.message.partition('(')[2].rstrip(')')}"
    return error.format_message().rstrip(".")


def asked_for(kind: Any, lang: str) -> str:
    """Return what an option takes, where click says it in English only; else nothing."""
    dutch = lang == "nl"
    if isinstance(kind, click.Choice):
        names = ", ".join(kind.choices)
        return f"kies uit {names}" if dutch else f"choose from {names}"
    if isinstance(kind, click.IntRange):
        bounds = [
            word
            for word, bound in (
                ("vanaf" if dutch else "from", kind.min),
                ("tot en met" if dutch else "up to", kind.max),
            )
            if bound is not None
            for word in (word, str(bound))
        ]
        return " ".join(("een heel getal" if dutch else "a whole number", *bounds))
    if isinstance(kind, click.types.IntParamType):
        return "een heel getal" if dutch else "a whole number"
    return ""


def below_zero(terminal: Terminal, error: Exception) -> str | None:
    """Return the amount below zero that click took for an option, if that is what is wrong."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    takes_amount = any(param.name == "amount" for param in error.ctx.command.params)
    if not takes_amount or not error.option_name[1:2].isdigit():
        return None
    return next((word for word in terminal.line if word.startswith(error.option_name)), None)


def did_you_mean(names: Iterable[str], lang: str) -> str:
    """Return ` (bedoelt u ...?)`, or nothing."""
    listed = list(names)[:NAMES_LISTED_MAX]
    if not listed:
        return ""
    if lang == "nl":
        return f" (bedoelt u {' of '.join(listed)}?)"
    return f" (did you mean {' or '.join(listed)}?)"


def _lang(ctx: click.Context) -> str:
    terminal = ctx.find_root().obj
    return terminal.lang if isinstance(terminal, Terminal) else "nl"


# ------------------------------------------------------------------------------ global options


def global_options() -> list[click.Option]:
    """Return the options that every command takes (interfaces 1.2)."""

    def option(
        names: str, about: str, callback: Callable[..., None] = _remember, **kind: Any
    ) -> click.Option:
        return click.Option(
            names.split(), help=about, expose_value=False, callback=callback, **kind
        )

    path = click.Path(path_type=Path)
    return [
        option("--profile", "welk profiel van config.toml // which profile", metavar="NAME"),
        option("--node", "adres van een node // address of a node", metavar="URL"),
        option("--home", "map met sleutels en bonnen // folder of keys and receipts", type=path),
        option(
            "-o --output",
            "vorm van het antwoord // form of the answer",
            type=click.Choice(OUTPUTS),
            is_eager=True,
        ),
        option("--lang", "taal // language", type=click.Choice(LANGS), is_eager=True),
        option("--no-input", "stel geen vragen // never ask", is_flag=True, default=None),
        option("-y --yes", "zeg ja op vragen // answer yes", is_flag=True, default=None),
        option(
            "-q --quiet", "zeg alleen het antwoord // only the answer", is_flag=True, default=None
        ),
        option("-v --verbose", "zeg meer // say more", count=True, default=0),
        option("--no-color", "geen kleur // no colour", is_flag=True, default=None),
        option("--timeout", "hoe lang wachten, bv. 30s // how long to wait, e.g. 30s", metavar="T"),
        option(
            "--passphrase-file", "bestand met de wachtzin // file with the passphrase", type=path
        ),
        option("--passphrase-fd", "descriptor met de wachtzin // descriptor of it", type=int),
        option(
            "--explain",
            "leg een WIJK-code uit // explain a WIJK code",
            _explain,
            is_flag=False,
            flag_value="all",
            metavar="[WIJK-nnnn]",
            is_eager=True,
        ),
        option(
            "--version", "toon de versie // show the version", _version, is_flag=True, is_eager=True
        ),
        option(
            "-h --help", "toon deze uitleg // show this help", _help, is_flag=True, is_eager=True
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is None or value is False or param.name is None:
        return
    given = ctx.find_root().obj.given
    given[param.name] = given.get(param.name, 0) + value if param.name == "verbose" else value


def _help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        _glean(ctx.find_root().obj)
        click.echo(help_of(ctx))
        ctx.exit()


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from wallet.terminal import installed_version

        click.echo(f"wijk {installed_version()}")
        ctx.exit()


def _explain(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    from chain.texts import Problem, code_text, explain, numbers, parse_code, title

    _glean(ctx.find_root().obj)
    lang = _lang(ctx)
    if value == "all":
        for number in numbers():
            click.echo(f"{code_text(number)}  {title(number, lang)}")
        ctx.exit()
    chosen = parse_code(value)
    if chosen is None:
        raise Problem(1001, cause=pick(f"onbekende code {value} // unknown code {value}", lang))
    click.echo(explain(chosen, lang))
    ctx.exit()


def _glean(terminal: Terminal) -> None:
    """Find -o and --lang in a line that was not read to its end: help, or wrong usage."""
    line = terminal.line
    for name, option in (("output", "-o"), ("output", "--output"), ("lang", "--lang")):
        for word, after in zip(line, [*line[1:], ""], strict=False):
            value = after if word == option else word.partition(f"{option}=")[2]
            if value in (OUTPUTS if name == "output" else LANGS):
                terminal.given.setdefault(name, value)


wijk = Root("wijk", params=global_options(), add_help_option=False, no_args_is_help=True)


if __name__ == "__main__":
    main()
