"""What block B of interfaces 1.8 says of the height that is being decided, for people (C8).

A program reads the object; these lines are for the person who asks why nothing happens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chain.money_text import Lang
from chain.texts import away_text

REASONS: dict[str, tuple[str, str]] = {
    "no-link": ("geen verbinding", "no link"),
    "quiet": ("verbonden, maar stil", "linked, but quiet"),
    "observer": ("stemt niet mee", "does not vote"),
    "barrier": ("kijkt toe tot de anderen verder zijn", "looks on until the others are further"),
    "locked": ("de tekenwacht is vergrendeld", "its signer is locked"),
    "guard-damaged": ("de tekenwacht is beschadigd", "its sign guard is damaged"),
    "guard-exported": ("de tekenwacht is verhuisd", "its sign guard went elsewhere"),
    "foreign-signature": ("sleutel in gebruik elders", "key in use elsewhere"),
    "guard": ("de tekenwacht weigerde", "its sign guard refused"),
    "round-cap": ("gestopt na te veel rondes", "stopped after too many rounds"),
}


def missing_lines(missing: Sequence[Mapping[str, Any]], lang: Lang) -> list[str]:
    """Return a line per validator that is missing: since when, and why as far as is known."""
    dutch = lang == "nl"
    lines = []
    for item in missing:
        reason = str(item.get("reason", ""))
        said = REASONS[reason][0 if dutch else 1] if reason in REASONS else reason
        why = f": {said}" if said else ""
        lines.append(f"  {'afwezig' if dutch else 'missing'}: {away_text([item], lang)}{why}")
    return lines


def agreement_lines(agreement: Mapping[str, Any], lang: Lang) -> list[str]:
    """Return who leads, who voted, who is aside, how the clock stands, and why we do not vote."""
    dutch = lang == "nl"

    def names(which: str) -> str:
        return ", ".join(agreement[which]) or ("niemand" if dutch else "nobody")

    height, round_, leader = agreement["height"], agreement["round"], agreement["proposer"]
    lines = [
        f"  blok {height} in de maak: ronde {round_}, voorzitter {leader}"
        if dutch
        else f"  block {height} in the making: round {round_}, proposer {leader}"
    ]
    if agreement["proposed"] is not None or agreement["prepared_by"] or agreement["committed_by"]:
        prepared, committed = names("prepared_by"), names("committed_by")
        lines.append(
            f"  voorgestemd: {prepared}; vastgelegd: {committed}"
            if dutch
            else f"  prepared: {prepared}; committed: {committed}"
        )
    for one in agreement["sidelined"]:
        name, until = one["name"], one["until_height"]
        lines.append(
            f"  stelt als laatste voor, tot blok {until}: {name}"
            if dutch
            else f"  proposes last, until block {until}: {name}"
        )
    if agreement["suspended"]:
        lines.append(f"  {'geschorst' if dutch else 'suspended'}: {names('suspended')}")
    skew_ms = agreement["clock_skew_ms"]
    if skew_ms is not None:
        lines.append(
            f"  klok: {abs(skew_ms)} ms verschil met de andere nodes"
            if dutch
            else f"  clock: {abs(skew_ms)} ms off the other nodes"
        )
    full = agreement["full_block"]
    if full is not None and full["estimate_ms"] > full["limit_ms"]:  # consensus T14
        txs, takes_ms, may_ms = full["txs"], full["estimate_ms"], full["limit_ms"]
        fit = max(1, txs * may_ms // takes_ms)
        lines.append(
            f"  deze machine is te traag voor volle blokken: {txs} opdrachten kosten {takes_ms} "
            f"ms, het mag {may_ms} ms zijn. Neem een snellere machine, of laat de besturen samen "
            f"max_block_txs op {fit} zetten"
            if dutch
            else f"  this machine is too slow for full blocks: {txs} transactions take {takes_ms} "
            f"ms, it may be {may_ms} ms. Get a faster machine, or let the boards together set "
            f"max_block_txs to {fit}"
        )
    if agreement["silence"] is not None:
        lines.append(f"  {agreement['silence']['text']}")
    return lines
