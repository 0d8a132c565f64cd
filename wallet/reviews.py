"""What every client says when the law was not looked at in time (economy G12)."""

from typing import TYPE_CHECKING, Any

from chain.dates import DAY_S, date_text, from_days
from chain.legal import LEGAL, is_review_overdue
from wallet.times import now_s

if TYPE_CHECKING:
    from wallet.terminal import Terminal


def legal_rows() -> list[dict[str, Any]]:
    """Return the legal parameters, and which of them should have been reviewed by today."""
    today = from_days(now_s() // DAY_S)
    return [
        {
            "name": one.name,
            "owner": one.owner,
            "source": one.source,
            "review_on": date_text(one.review_on),
            "overdue": is_review_overdue(one, today),
        }
        for one in LEGAL
    ]


def warn_of_reviews(terminal: "Terminal") -> None:
    """Warn on stderr, once, where a review is overdue."""
    late = [row["name"] for row in legal_rows() if row["overdue"]]
    if late:
        names = ", ".join(late)
        terminal.say(
            f"Let op: laat deze wettelijke regels opnieuw beoordelen: {names}."
            " Meer: wijk coin rules show",
            f"Warning: have these legal rules reviewed again: {names}. More: wijk coin rules show",
        )
