"""What people read when something went wrong: one table, two languages (economy B7, A12).

`problem` is the RFC 9457 object and `text_error` the text for a terminal, both of interfaces 1.5;
`explain` is the page of `wijk --explain`. A value that is missing never breaks a sentence: the
part that needed it falls away. What stands in values may come from anywhere, so control
characters are shown as `?` and long words are cut.

`Problem` is the one exception for whatever ends at a person outside consensus: wrong usage, a
key, a node that does not answer. Inside consensus it is `Reject` (`chain/errors.py`).
"""

import re
from collections.abc import Iterable, Mapping

from chain.clause_rows import CLAUSES, KINDS
from chain.dates import DAY_S, from_days
from chain.money_text import DUTCH, Lang, money
from chain.text_rows import AFTER, NEVER, ROWS, WORDS, Row, Text

EXIT_INCLUDED = 6  # interfaces 1.4: in a block, but refused by the contract
EXIT_NODE_INTEGRITY = 70
EXIT_NODE_CONFIGURATION = 78
RETRY_AFTER_S_DEFAULT = 5  # `after` always says when (interfaces 1.5)
VALUE_LENGTH_MAX = 200  # a sentence stays a sentence, whatever a value holds
LIST_ITEMS_MAX = 20
TRANSLATED = ("cause", "role", "period", "op")  # values whose words have a row in `WORDS`

_CLAUSE = 2107
_KIND_NAMES = ("kinds", "excluded")
_TYPE = "https://wijkchain.example/errors/"
_BY_NUMBER = {row.number: row for row in ROWS}
_BY_REASON = {row.reason: row.number for row in ROWS if row.reason}
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_NODE_EXITS = {
    1002: EXIT_NODE_CONFIGURATION,
    1010: EXIT_NODE_CONFIGURATION,
    5004: EXIT_NODE_INTEGRITY,
    5005: EXIT_NODE_INTEGRITY,
}
_UNKNOWN = Row(
    0,
    "",
    422,
    1,
    NEVER,
    Text(
        "onbekende code",
        "Deze versie kent deze code niet.",
        "Werk uw programma bij; een nieuwere versie legt de code uit.",
    ),
    Text(
        "unknown code",
        "This version does not know this code.",
        "Update your program; a newer version explains the code.",
    ),
)
# Refusals after which it is not right to say that nothing was changed: it was, once.
_DONE_BEFORE = frozenset({2006})
_NODE_RANGE = range(3000, 5000)  # what a node answers, or that it does not
_PROOFS = range(5001, 5004)  # proof wrong, too few signatures, roots conflict
_MONEY_REASONS = ("coin.", "trade.", "policy.", "tx.amount")


class Problem(Exception):
    """Something to tell a person: the number of a WIJK code and the values of its sentence.

    `nothing_sent` is true only if no effect is possible; `tx` is the transaction's id in hex.
    Values hold no secrets: they are printed.
    """

    def __init__(
        self, number: int, *, nothing_sent: bool = True, tx: str | None = None, **params: object
    ) -> None:
        said = "".join(f" {name}={value!r}" for name, value in sorted(params.items()))
        super().__init__(f"{code_text(number)}{said}")
        self.number = number
        self.params: dict[str, object] = params
        self.nothing_sent = nothing_sent
        self.tx = tx


def code_text(number: int) -> str:
    """Return `WIJK-2104` for 2104."""
    return f"WIJK-{number:04}"


def parse_code(text: str) -> int | None:
    """Return the number in `WIJK-2104`, `wijk-2104` or `2104` if it is a known code, else None."""
    matched = re.fullmatch(r"(?:WIJK-)?([0-9]{4})", text.upper(), re.ASCII)
    number = int(matched.group(1)) if matched else 0
    return number if number in _BY_NUMBER else None


def numbers() -> tuple[int, ...]:
    """Return every number that has a row, ascending."""
    return tuple(sorted(_BY_NUMBER))


def number_of(reason: str) -> int:
    """Return the number of a reason such as `coin.low-balance`, or raise `KeyError`."""
    return _BY_REASON[reason]


def http_status(number: int) -> int:
    """Return the HTTP status of a code; 0 where it never reaches HTTP."""
    return _row(number).http


def retry_word(number: int) -> str:
    """Return `never`, `after` or `same-bytes` (interfaces 1.5)."""
    return _row(number).retry


def exit_code(number: int, *, node: bool = False, included: bool = False) -> int:
    """Return the exit code (interfaces 1.4): of the client, or of a node's own process.

    `included`: the transaction stands in a block with this code as its outcome.
    """
    if included:
        return EXIT_INCLUDED
    if node and number in _NODE_EXITS:
        return _NODE_EXITS[number]
    return _row(number).exit


def title(number: int, lang: Lang) -> str:
    """Return what happened in a few words."""
    return _text(number, lang).title


def message(number: int, params: Mapping[str, object], lang: Lang) -> str:
    """Return what happened, in a sentence or two; of a policy the sentence of its clause (P0)."""
    clause = CLAUSES.get(str(params.get("clause"))) if number == _CLAUSE else None
    if clause is not None:
        return fill(clause[0 if lang == DUTCH else 1], params, lang)
    return fill(_text(number, lang).message, params, lang)


def remedy(number: int, params: Mapping[str, object], lang: Lang) -> str:
    """Return what to do now."""
    return fill(_text(number, lang).remedy, params, lang)


def problem(
    number: int,
    params: Mapping[str, object],
    lang: Lang,
    *,
    instance: str | None = None,
    tx: str | None = None,
    nothing_sent: bool = True,
) -> dict[str, object]:
    """Return the problem+json object of interfaces 1.5, its fields in that order.

    `status` is 0 without `instance`: then it never reached HTTP. `params` gets the `reason` of a
    2xxx code and, where `retry` is `after`, `retry_after_s`; Unix seconds and dates of the chain
    become RFC 3339 text (interfaces 0).
    """
    row = _row(number)
    full: dict[str, object] = {}
    if row.reason:
        full["reason"] = row.reason
    if number == _CLAUSE and "clause" in params:  # economy P0: `policy.<clause>`
        full["reason"] = f"policy.{params['clause']}"
    for name, value in params.items():
        full[name] = _to_json(name, value)
    if row.retry == AFTER:
        full.setdefault("retry_after_s", RETRY_AFTER_S_DEFAULT)
    return {
        "type": _TYPE + code_text(number),
        "title": title(number, lang),
        "status": row.http if instance is not None else 0,
        "detail": message(number, {**full, **params}, lang),
        "instance": instance,
        "code": code_text(number),
        "retry": row.retry,
        "nothing_sent": nothing_sent,
        "params": full,
        "tx": tx,
    }


def text_error(
    number: int,
    params: Mapping[str, object],
    lang: Lang,
    *,
    nothing_sent: bool = True,
    tx: str | None = None,
    tries: Iterable[str] = (),
) -> str:
    """Return the three lines for stderr (interfaces 1.5): what happened, why, what now.

    `tries` are commands that would help; without them the third line is the remedy. `tx` is the
    order that this is about: one that was sent and is not proven must not be paid again.
    """
    dutch = lang == DUTCH
    row = _row(number)
    said = message(number, params, lang)
    if row.reason and number not in _DONE_BEFORE:
        said += f" {_nothing_moved(row, dutch=dutch)}"
    elif nothing_sent and number in _NODE_RANGE:
        said += " Er is niets verstuurd." if dutch else " Nothing was sent."
    unproven = tx is not None and not nothing_sent and number in _PROOFS
    if unproven:
        said += (
            " De opdracht is wel verstuurd. Of zij is uitgevoerd, is niet bewezen."
            if dutch
            else " The order was sent, though. Whether it was carried out is not proven."
        )
    commands = ("   of   " if dutch else "   or   ").join(_plain(one) for one in tries)
    now = remedy(number, params, lang)
    if commands:
        now = f"Probeer: {commands}" if dutch else f"Try: {commands}"
    elif unproven:
        wait = f"wijk tx wait {_plain(str(tx))}"
        now = (
            f"Betaal niet opnieuw. Vraag de uitkomst op: {wait}. {now}"
            if dutch
            else f"Do not pay again. Ask for the outcome: {wait}. {now}"
        )
    more = "meer" if dutch else "more"
    return "\n".join(
        (
            f"{'Fout' if dutch else 'Error'} {code_text(number)}: {title(number, lang)}.",
            f"  {said}",
            f"  {now}        ({more}: wijk --explain {code_text(number)})",
        )
    )


def explain(number: int, lang: Lang) -> str:
    """Return the page of `wijk --explain WIJK-nnnn`."""
    dutch = lang == DUTCH
    row = _row(number)
    retries = {
        "never": (
            "Dezelfde opdracht nog eens sturen helpt niet.",
            "Sending the same order again does not help.",
        ),
        "after": (
            "Dezelfde opdracht kan later opnieuw; er staat bij wanneer.",
            "The same order may be sent again later; it says when.",
        ),
        "same-bytes": (
            "Precies dezelfde opdracht kan veilig opnieuw worden gestuurd.",
            "Exactly the same order may safely be sent again.",
        ),
    }
    lines = [
        f"{code_text(number)}: {title(number, lang)}",
        "",
        f"{'Wat er is' if dutch else 'What happened'}: {message(number, {}, lang)}",
        f"{'Wat nu' if dutch else 'What now'}: {remedy(number, {}, lang)}",
        f"{'Opnieuw' if dutch else 'Again'}: {retries[row.retry][0 if dutch else 1]}",
        f"{'Afsluitcode' if dutch else 'Exit code'}: {row.exit}"
        + (f"; HTTP: {row.http}" if row.http else "")
        + (f"; {'reden' if dutch else 'reason'}: {row.reason}" if row.reason else ""),
    ]
    return "\n".join(lines)


def away_text(away: object, lang: Lang) -> str:
    """Return who is missing, since when, and the last block it voted for (interfaces 6.2).

    `away` are items of `missing` of interfaces 1.8, as a node sent them: any of it may be absent.
    """
    dutch = lang == DUTCH
    said = []
    for item in away[:LIST_ITEMS_MAX] if isinstance(away, list | tuple) else ():
        told = item if isinstance(item, Mapping) else {}
        since, last = told.get("since_at"), told.get("last_height")
        words = _plain(str(told.get("name")))
        if since is not None:
            moment = _plain(str(since))[:16].replace("T", " ")
            words += f" sinds {moment} UTC" if dutch else f" since {moment} UTC"
        if isinstance(last, int):
            words += f" (laatste stem: blok {last})" if dutch else f" (last vote: block {last})"
        said.append(words)
    return ", ".join(said)


def placeholders(number: int, lang: Lang) -> frozenset[str]:
    """Return the names of the values that the sentences of a code can show."""
    text = _text(number, lang)
    return frozenset(_PLACEHOLDER.findall(text.message + text.remedy))


def _row(number: int) -> Row:
    return _BY_NUMBER.get(number, _UNKNOWN)


def _text(number: int, lang: Lang) -> Text:
    row = _row(number)
    return row.nl if lang == DUTCH else row.en


def _nothing_moved(row: Row, *, dutch: bool) -> str:
    if row.reason.startswith(_MONEY_REASONS):
        return "Er is niets afgeschreven." if dutch else "Nothing was paid."
    return "Er is niets veranderd." if dutch else "Nothing was changed."


def fill(template: str, params: Mapping[str, object], lang: Lang) -> str:
    """Return `template` with its values; a bracketed part lacking one falls away.

    Where `away` tells more of those in `missing` than their names, that is shown.
    """
    if params.get("away"):
        params = {**params, "missing": params["away"]}

    def part(matched: re.Match[str]) -> str:
        inside = matched.group(1)
        names = _PLACEHOLDER.findall(inside)
        if any(params.get(name) in (None, "", [], ()) for name in names):
            return ""
        return _PLACEHOLDER.sub(lambda found: _show(found[1], params[found[1]], lang), inside)

    return _OPTIONAL.sub(part, template).strip()


def _to_json(name: str, value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_at"):
            return f"{_date(_book_date(value))}T{_clock(value)}.000Z"
        if name.endswith("_on"):
            return _date(value)
    return value


def _show(name: str, value: object, lang: Lang) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_cents"):
            return money(value, lang)
        if name.endswith("_at"):
            return f"{_date(_book_date(value))} {_clock(value)} UTC"
        if name.endswith("_on"):
            return _date(value)
    if name == "missing" and isinstance(value, list | tuple) and isinstance(value[0], Mapping):
        return away_text(value, lang)
    if isinstance(value, list | tuple):
        return ", ".join(_show(name, item, lang) for item in value[:LIST_ITEMS_MAX])
    word = str(value)
    if name in _KIND_NAMES:
        both = (KINDS.get(kind, (kind, kind)) for kind in word.split(", "))
        return _plain(", ".join(pair[0 if lang == DUTCH else 1] for pair in both))
    if name in TRANSLATED and word in WORDS:
        return WORDS[word][0 if lang == DUTCH else 1]
    return _plain(word)


def _book_date(time_s: int) -> int:
    return from_days(time_s // DAY_S)


def _date(date: int) -> str:
    return f"{date // 10_000:04}-{date // 100 % 100:02}-{date % 100:02}"


def _clock(time_s: int) -> str:
    rest = time_s % DAY_S
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def _plain(word: str) -> str:
    cut = word if len(word) <= VALUE_LENGTH_MAX else word[:VALUE_LENGTH_MAX] + "…"
    return "".join(letter if letter.isprintable() else "?" for letter in cut)
