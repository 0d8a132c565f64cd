"""`wijk query`: look into the chain; `--prove` checks every answer against the policy (1.6)."""

import json
from typing import Any

import click

from wallet.terminal import Terminal

_VALIDATOR_FIELDS = (
    "name", "wijk", "public_key", "vkey", "account", "online", "suspended",
    "last_signed_height", "signed_of_last_100",
)  # fmt: skip
_PROVE = "reken na of het bewezen is // verify that it is proven"


@click.group(help="Kijk in de keten // Look into the chain")
def query() -> None:
    """Look into the chain."""


@query.command(help="Een blok: hoogte, id of latest // A block: height, id or latest")
@click.argument("ref")
@click.option("--txs", is_flag=True, help="met de opdrachten erin // with its transactions")
@click.option("--prove", is_flag=True, help=_PROVE)
@click.pass_obj
def block(terminal: Terminal, ref: str, txs: bool, prove: bool) -> None:
    """Show block E."""
    from wallet.trust import trusted_policy
    from wallet.verify import verify_block

    found = terminal.client.block(ref, txs=txs, prove=prove)
    if prove:
        verify_block(found, ref, trusted_policy(terminal))
    lines = [
        terminal.text(f"Blok {found['height']}", f"Block {found['height']}"),
        f"  id: {found['block_id']}",
        terminal.text(f"  tijd: {found['at']}", f"  time: {found['at']}"),
        terminal.text(
            f"  opdrachten: {found['transactions']}, door {found['proposer']}",
            f"  transactions: {found['transactions']}, by {found['proposer']}",
        ),
        terminal.text("  getekend door ", "  signed by ") + ", ".join(found["signers"]),
        *(f"  {tx}" for tx in found["txs"] or ()),
    ]
    if prove:
        lines.append(terminal.text("  bewezen", "  proven"))
    terminal.show(found, lines)


@query.command(help="Een opdracht // A transaction")
@click.argument("tx_id", metavar="ID")
@click.option("--prove", is_flag=True, help=_PROVE)
@click.pass_obj
def tx(terminal: Terminal, tx_id: str, prove: bool) -> None:
    """Show a transaction and, with `--prove`, its receipt."""
    show_tx(terminal, tx_id, prove=prove)


@query.command(help="Een rekening // An account")
@click.argument("who", required=False)
@click.option("--height", type=click.IntRange(0), help="op deze hoogte // at this height")
@click.option("--prove", is_flag=True, help=_PROVE)
@click.pass_obj
def account(terminal: Terminal, who: str | None, height: int | None, prove: bool) -> None:
    """Show an account, and with `--prove` prove its balance."""
    from chain.address import account_text
    from wallet.order import who_or_own
    from wallet.times import short_time
    from wallet.trust import trusted_policy
    from wallet.verify import verify_account

    asked = account_text(who_or_own(terminal, who).account)
    found = terminal.client.account(asked, at=height, prove=prove)
    if prove:
        verify_account(found, asked, trusted_policy(terminal), terminal.client.state_proof)
    own = found["balances"][0]
    lines = [
        f"{found['account']} ({found['kind']}, {found['wijk']}, {found['status']})",
        f"  {own['denom']}: {terminal.money(own['available_cents'])}",
        terminal.text(
            f"  sleutels: {len(found['keys'])}, nodig: {found['threshold']}",
            f"  keys: {len(found['keys'])}, needed: {found['threshold']}",
        ),
        *(f"  {key['index']}: {key['public_key']}" for key in found["keys"]),
    ]
    freeze = found["freeze"]
    if freeze is not None:
        until, reason = short_time(freeze["until_at"]), freeze["reason"]
        lines.append(
            terminal.text(
                f"  bevroren tot {until} ({reason}); inwisselen kan, bezwaar maken ook",
                f"  frozen until {until} ({reason}); it can redeem, and appeal",
            )
        )
    if prove:  # a freeze is what the node says
        lines.append(terminal.text("  saldo en sleutels bewezen", "  balance and keys proven"))
    terminal.show(found, lines)


@query.command(help="De validators // The validators")
@click.option("--height", type=click.IntRange(0), help="op deze hoogte // at this height")
@click.pass_obj
def validators(terminal: Terminal, height: int | None) -> None:
    """Show who decides, and how many may fail."""
    found = terminal.client.validators(at=height)
    yes, no = terminal.text("ja", "yes"), terminal.text("nee", "no")
    if terminal.output in ("jsonl", "csv", "text"):
        head = [terminal.text("naam", "name"), "wijk", "online",
                terminal.text("getekend van laatste 100", "signed of last 100")]  # fmt: skip
        rows = (
            [
                one["name"],
                one["wijk"],
                yes if one["online"] else no,
                str(one["signed_of_last_100"]),
            ]
            for one in found["items"]
        )
        terminal.show_page(found, head, rows, _VALIDATOR_FIELDS)
        return
    terminal.show(found, ())


@query.command(help="De regels in getallen // The parameters")
@click.option("--height", type=click.IntRange(0), help="op deze hoogte // at this height")
@click.pass_obj
def params(terminal: Terminal, height: int | None) -> None:
    """Show the parameters in force."""
    found = terminal.client.params(at=height)
    terminal.show(
        found,
        (
            f"{name} = {terminal.money(value) if name.endswith('_cents') else json.dumps(value)}"
            for name, value in found["params"].items()
        ),
    )


@query.command(help="Zoek een hoogte, id of rekening // Find a height, an id or an account")
@click.argument("text")
@click.pass_obj
def search(terminal: Terminal, text: str) -> None:
    """Show what goes by this name."""
    found = terminal.client.search(text)
    head = [terminal.text("soort", "kind"), terminal.text("wat", "what"), "ref"]
    rows = ([item["kind"], item["title"], item["ref"]] for item in found["items"])
    terminal.show_page(found, head, rows, ("kind", "ref", "title"))


@query.command(help="Wat er gebeurt, zodra het vaststaat // What happens, once it is final")
@click.argument("topics", default="block,tx,health")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="stop na zoveel // stop after")
@click.option("--after", metavar="ID", help="vervolg na dit nummer // go on after this id")
@click.pass_obj
def events(terminal: Terminal, topics: str, limit: int | None, after: str | None) -> None:
    """Print events as they come, one a line, until Ctrl-C or `--limit`."""
    seen = 0
    while limit is None or seen < limit:
        for event in terminal.client.stream(topics, after):
            after = event.id or after
            item = {"id": event.id, "topic": event.topic, **event.data}
            terminal.show(item, [_event_line(terminal, event.topic, event.data)])
            seen += 1
            if seen == limit:
                return
        if after is None:
            return  # the node ended the stream before anything came


def _event_line(terminal: Terminal, topic: str, data: dict[str, Any]) -> str:
    """Return an event for people."""
    if topic == "block":
        height, count, by = data["height"], data["transactions"], data["proposer"]
        return terminal.text(
            f"Blok {height}, opdrachten: {count}, door {by}",
            f"Block {height}, transactions: {count}, by {by}",
        )
    if topic == "tx":
        amount = "" if data["amount_cents"] is None else " " + terminal.money(data["amount_cents"])
        parties = " -> ".join(one for one in (data["from"], data["to"]) if one)
        refused = f" (WIJK-{data['code']})" if data["code"] else ""
        return f"{data['type']}{amount} {parties}{refused}  {data['tx']}"
    if topic == "health":
        cause = data["cause"]
        return (
            f"{data['health']}: {cause['code']} {cause['detail']}" if cause else str(data["health"])
        )
    return f"{topic}  {json.dumps(data, ensure_ascii=False)}"


def show_tx(terminal: Terminal, tx_id: str, *, prove: bool) -> None:
    """Print `query tx`; also what `tx show` does."""
    from wallet.send import check_receipt
    from wallet.trust import trusted_policy

    found = terminal.client.tx(tx_id, prove=prove)
    if prove and found["proof"] is not None:
        check_receipt(found["proof"]["receipt"], tx_id, trusted_policy(terminal))
    elif prove:
        terminal.fail(5001, {"cause": terminal.text("er is nog geen bewijs", "no proof yet")})
    proven = [terminal.text("  uitkomst bewezen", "  outcome proven")] if prove else []
    terminal.show(found, [*tx_lines(terminal, found), *proven])


def tx_lines(terminal: Terminal, found: dict[str, Any]) -> list[str]:
    """Return a transaction for people."""
    from wallet.order import call_lines

    lines = [f"{found['tx'] or '-'}: {found['status']}"]
    if found["height"] is not None:
        lines.append(terminal.text(f"  blok {found['height']}", f"  block {found['height']}"))
    if found.get("from"):
        lines.append(terminal.text(f"  van {found['from']}", f"  from {found['from']}"))
    call = found.get("call")
    if call:
        lines += call_lines(terminal, call)
    return lines
