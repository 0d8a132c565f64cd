"""`wijk vote`: proposals and open votes of a wijk (interfaces 1.6, economy section 10).

The text of a proposal is a file of who made it: the chain holds its digest. What a vote would carry
out is shown from the chain before anybody votes.
"""

from pathlib import Path
from typing import Any

import click

from wallet.options import keys_option
from wallet.terminal import Terminal

_FILE = click.Path(path_type=Path, dir_okay=False)
CHOICES = {
    "yes": "YES",
    "ja": "YES",
    "no": "NO",
    "nee": "NO",
    "blank": "BLANK",
    "blanco": "BLANK",
}
TOO_EARLY = 2213  # the time of the chain is that of its newest block
CLASSES = ("ordinary", "budget", "statutes", "survey", "petition")
WORDS = {
    "collecting": ("zoekt steun", "collecting"),
    "open": ("open", "open"),
    "passed": ("aangenomen", "passed"),
    "failed": ("verworpen", "failed"),
    "executed": ("uitgevoerd", "executed"),
    "expired": ("vervallen", "expired"),
}


@click.group(help="Voorstellen en stemmingen // Proposals and votes")
def vote() -> None:
    """Votes of a wijk."""


@vote.command("list", help="Toon de stemmingen // List the votes")
@click.option("--open", "is_open", is_flag=True, help="alleen die open zijn // only open ones")
@click.option("--wijk", metavar="SLUG", help="van welke wijk // of which wijk")
@click.option("--limit", type=click.IntRange(1, 500), help="zoveel // so many")
@click.option("--after", metavar="C", help="verder waar een bladzij ophield // go on after a page")
@click.pass_obj
def list_(
    terminal: Terminal, wijk: str | None, limit: int | None, after: str | None, *, is_open: bool
) -> None:
    """Every vote, the newest of a wijk first."""
    state = "open" if is_open else None
    asked = {"wijk": wijk, "state": state, "limit": limit, "after": after}
    page = terminal.client.votes(asked)
    rows = [
        (
            item["id"],
            item["class"],
            terminal.text(*WORDS[item["state"]]),
            item["closes_at"][:16].replace("T", " "),
            f"{item['ballots']}/{item['eligible']}",
        )
        for item in page["items"]
    ]
    head = terminal.text("stemming,soort,stand,sluit,stemmen", "vote,class,state,closes,ballots")
    names = ("id", "wijk", "class", "secret", "state", "opens_at", "closes_at", "ballots")
    terminal.show_page(page, head.split(","), rows, (*names, "eligible"))


@vote.command(help="Toon een stemming // Show a vote")
@click.argument("vote_id", metavar="ID")
@click.pass_obj
def show(terminal: Terminal, vote_id: str) -> None:
    """What `GET /v1/votes/{wijk}/{n}` says."""
    from wallet.ballot_box import check_vote_id
    from wallet.order import call_lines

    item = terminal.client.vote(check_vote_id(vote_id))
    have, need = item["seconders"]["have"], item["seconders"]["need"]
    lines = [
        f"{item['id']}  {item['class']}  {terminal.text(*WORDS[item['state']])}",
        terminal.text(*_when(item)),
        terminal.text(f"steun: {have} van {need}", f"seconders: {have} of {need}"),
        terminal.text(
            f"tekst: SHA-256 {item['body_sha256']}", f"text: SHA-256 {item['body_sha256']}"
        ),
    ]
    if item["secret"]:
        nl = "geheim: stemmen gaat met een stembriefje, wijk election list"
        lines.append(terminal.text(nl, "secret: vote with a ballot, wijk election list"))
    elif item["tally"] is not None and item["class"] != "petition":
        lines.append(_counts(terminal, item["tally"]))
    for action in item["actions"]:
        lines += call_lines(terminal, action)
    terminal.show(item, lines)


def _when(item: dict[str, Any]) -> tuple[str, str]:
    """Return when people can vote, or second what is not put to the vote yet."""
    opens, closes = (item[name][:16].replace("T", " ") for name in ("opens_at", "closes_at"))
    if item["class"] == "petition":
        if item["state"] == "collecting":
            return f"zoekt steun tot {closes}", f"looks for seconders until {closes}"
        return f"het bestuur brengt dit in stemming voor {closes}", (
            f"the board puts this to the vote before {closes}"
        )
    if item["state"] == "collecting":
        return f"zoekt eerst steun; stemmen kan tot {closes}", (
            f"looks for seconders first; voting ends {closes}"
        )
    return f"open van {opens} tot {closes}", f"open from {opens} to {closes}"


@vote.command(help="Stem: ja, nee of blanco // Vote: yes, no or blank")
@click.argument("vote_id", metavar="ID")
@click.argument("choice", type=click.Choice(list(CHOICES)))
@keys_option
@click.pass_obj
def cast(terminal: Terminal, vote_id: str, choice: str, names: tuple[str, ...]) -> None:
    """`governance.cast`: the last vote of an account counts."""
    from contracts.governance import Cast
    from wallet.ballot_box import find_decision

    word = CHOICES[choice]
    call = Cast(find_decision(terminal, vote_id), word)  # type: ignore[arg-type]
    shown = {"YES": ("VOOR", "FOR"), "NO": ("TEGEN", "AGAINST"), "BLANK": ("BLANCO", "BLANK")}
    nl, en = shown[word]
    said = f"{nl} stemmen bij {vote_id}.", f"Vote {en} in {vote_id}."
    extra = {
        "vote": vote_id,
        "choice": word.lower(),
        "secret": False,
        "ballot_hash": None,
        "replaces": None,
    }
    _send(
        terminal, call, names, "vote-cast", said, extra, f"wijk vote tally {vote_id}", person=True
    )


@vote.command(help="Steun een voorstel // Second a proposal")
@click.argument("vote_id", metavar="ID")
@keys_option
@click.pass_obj
def second(terminal: Terminal, vote_id: str, names: tuple[str, ...]) -> None:
    """`governance.second`."""
    from contracts.governance import Second
    from wallet.ballot_box import find_decision

    said = f"{vote_id} steunen.", f"Second {vote_id}."
    call = Second(find_decision(terminal, vote_id))
    told, next_command = {"vote": vote_id}, f"wijk vote show {vote_id}"
    _send(terminal, call, names, "vote-second", said, told, next_command, person=True)


@vote.command(help="Voer uit wat besloten is // Carry out what was decided")
@click.argument("vote_id", metavar="ID")
@keys_option
@click.pass_obj
def execute(terminal: Terminal, vote_id: str, names: tuple[str, ...]) -> None:
    """`governance.execute`: all actions or none, once."""
    from contracts.governance import Execute
    from wallet.ballot_box import find_decision

    said = f"Uitvoeren wat {vote_id} besloot.", f"Carry out what {vote_id} decided."
    call = Execute(find_decision(terminal, vote_id))
    _send(
        terminal, call, names, "vote-execute", said, {"vote": vote_id}, f"wijk vote show {vote_id}"
    )


@vote.command(help="Dien een voorstel in // Make a proposal")
@click.option("--title", required=True, metavar="T", help="de eerste regel // the first line")
@click.option("--body", required=True, type=_FILE, help="de tekst // the text")
@click.option("--class", "klass", type=click.Choice(CLASSES), default="ordinary", show_default=True)
@click.option("--closes", default="14d", metavar="T", help="sluit na // closes after")
@click.option("--secret", is_flag=True, help="geheim // secret")
@click.option("--action", "actions", type=_FILE, multiple=True, help="wat het doet // what it does")
@keys_option
@click.pass_obj
def propose(
    terminal: Terminal,
    title: str,
    body: Path,
    klass: str,
    closes: str,
    actions: tuple[Path, ...],
    names: tuple[str, ...],
    *,
    secret: bool,
) -> None:
    """`governance.propose`: each FILE holds a call by its catalogue names."""
    from chain.codec import encode
    from chain.crypto import sha256
    from wallet.commands_tx import read_call
    from wallet.files import read_named

    text = title.encode() + b"\n" + read_named(body, 1024 * 1024)
    calls = tuple(encode(read_call(terminal, file, None)) for file in actions)
    send_proposal(
        terminal,
        klass,
        calls,
        sha256(text),
        closes,
        names,
        title=title,
        secret=secret or klass == "statutes",
    )


def send_proposal(
    terminal: Terminal,
    klass: str,
    actions: tuple[bytes, ...],
    text: bytes,
    closes: str,
    names: tuple[str, ...],
    *,
    title: str,
    secret: bool,
) -> None:
    """Send a proposal that closes after a while, and say which number it got."""
    from chain.contract import call_name
    from contracts.governance import Propose
    from wallet.amounts import parse_duration_ms
    from wallet.ballot_box import find_vote_id
    from wallet.finish import finish
    from wallet.order import TABLE, send_call
    from wallet.times import now_s

    ends = now_s() + parse_duration_ms(closes) // 1000
    call = Propose(klass.upper(), actions, text, 0, ends, int(secret))  # type: ignore[arg-type]
    does = ", ".join(call_name(TABLE.decode(action)) for action in actions)
    nl = f"Indienen: {title}" + (f" (voert uit: {does})" if does else "")
    en = f"Propose: {title}" + (f" (carries out: {does})" if does else "")
    result = send_call(terminal, call, names, "vote-propose", (nl, en))
    item: dict[str, Any] = {}
    if result.tx["status"] == "final":
        item = terminal.client.vote(find_vote_id(terminal, result.tx["tx"]))
    number = item.get("id")
    extra = {
        "vote": number,
        "title": title,
        "body_sha256": text.hex(),
        "opens_at": item.get("opens_at"),
        "closes_at": item.get("closes_at"),
        "seconders": item.get("seconders"),
    }
    done = terminal.text(f"Ingediend: {number}", f"Proposed: {number}")
    finish(terminal, result, extra, [done], f"wijk vote show {number}" if number else "")


@vote.command(help="De stand of de uitslag // How it stands, or the result")
@click.argument("vote_id", metavar="ID")
@click.option(
    "--verify", is_flag=True, help="reken na of het bewezen is // verify that it is proven"
)
@keys_option
@click.pass_obj
def tally(terminal: Terminal, vote_id: str, names: tuple[str, ...], *, verify: bool) -> None:
    """Counts of a vote; sends `governance.close` when it is over and nobody has said the result."""
    from chain.texts import Problem
    from contracts.governance import Close
    from wallet.ballot_box import (
        check_vote_id,
        find_decision,
        find_election,
        is_due,
        verify_tally,
    )
    from wallet.order import send_call
    from wallet.times import now_s

    found = terminal.client.tally(check_vote_id(vote_id))
    if is_due(terminal, found, now_s()):
        said = f"De uitslag van {vote_id} vaststellen.", f"Establish the result of {vote_id}."
        call = Close(find_decision(terminal, vote_id))
        try:
            result = send_call(terminal, call, names, "vote-close", said)
        except Problem as problem:
            if problem.number != TOO_EARLY:
                raise
            terminal.say(
                "Dat kan zodra er een nieuw blok is.", "That can be done once there is a new block."
            )
        else:
            if result.failure is None:
                found = terminal.client.tally(vote_id) | {"tx": result.tx["tx"]}
    if verify:
        sound = verify_tally(terminal, found)
        found |= {"verified": sound, "ok": sound}
    lines = [
        f"{vote_id}  {terminal.text(*WORDS[found['state']])}",
        _counts(terminal, found),
    ]
    if verify:
        lines.append(
            terminal.text("bewezen", "proven")
            if found["ok"]
            else terminal.text("KLOPT NIET met de keten", "DOES NOT AGREE with the chain")
        )
        election = find_election(terminal, vote_id) if terminal.output == "text" else None
        if election is not None:
            lines.append(
                terminal.text(
                    f"Geheim: de stembriefjes zelf telt u na met wijk election verify {election}",
                    f"Secret: count the ballots themselves with wijk election verify {election}",
                )
            )
    terminal.show(found, lines)
    if not found["ok"]:
        terminal.fail(5001, {"cause": vote_id})


def _counts(terminal: Terminal, tally_: dict[str, Any]) -> str:
    counts = tally_["counts"]
    yes, no, blank = counts["yes"], counts["no"], counts["abstain"]
    turnout = f"{tally_['ballots']}/{tally_['eligible']}"
    return terminal.text(
        f"voor {yes}, tegen {no}, blanco {blank}; opkomst {turnout}",
        f"for {yes}, against {no}, blank {blank}; turnout {turnout}",
    )


def _send(
    terminal: Terminal,
    call: Any,
    names: tuple[str, ...],
    draft: str,
    said: tuple[str, str],
    extra: dict[str, Any],
    next_command: str,
    *,
    person: bool = False,
) -> None:
    """Send a call; what only a `person` does is refused at once for the shared keys of others."""
    from chain.texts import Problem
    from wallet.finish import finish
    from wallet.order import find_account, named_keys, send_call

    account = find_account(terminal, named_keys(terminal, names))
    if person and account["kind"] != "person":
        raise Problem(2112, role="member")
    result = send_call(terminal, call, names, draft, said, account=account)
    finish(terminal, result, extra, [terminal.text(*said)], next_command)
