"""What a person types: amounts, durations, ids, in no other form than these (interfaces 1.2).

A wrong reading of an amount pays the wrong sum, so nothing is guessed: `1.005` may be a thousand
or one euro, and is refused (reliability W33).
"""

import re

from chain.texts import Problem

AMOUNT_CENTS_MIN = 1
AMOUNT_CENTS_MAX = 1_000_000_000  # € 10.000.000,00
AMOUNT_LENGTH_MAX = 16  # "€ 10000000,00" has 13
DURATION_LENGTH_MAX = 12
DURATION_MS_MAX = 366 * 86_400_000  # nothing in the wallet waits longer than a year

ID_SHOWN_MAX = 64  # as long as an id is

_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_AMOUNT = re.compile(r"(?:€ ?)?(0|[1-9][0-9]{0,7})(?:[.,]([0-9]{1,2}))?", re.ASCII)
_DURATION = re.compile(r"([1-9][0-9]*)(ms|s|m|h|d)", re.ASCII)
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_amount(text: str) -> int:
    """Return the cents of `12,50`, `12.50`, `12` or `€ 12,50`; else raise `Problem` 1005."""
    matched = _AMOUNT.fullmatch(text) if len(text) <= AMOUNT_LENGTH_MAX else None
    if matched is None:
        raise Problem(1005, text=text[:AMOUNT_LENGTH_MAX])
    cents = int(matched[1]) * 100 + int((matched[2] or "0").ljust(2, "0"))
    if not AMOUNT_CENTS_MIN <= cents <= AMOUNT_CENTS_MAX:
        raise Problem(1005, text=text)
    return cents


def parse_duration_ms(text: str) -> int:
    """Return the milliseconds of `500ms`, `30s`, `10m`, `2h` or `7d`; else raise `Problem` 1001."""
    matched = _DURATION.fullmatch(text) if len(text) <= DURATION_LENGTH_MAX else None
    if matched is not None:
        duration = int(matched[1]) * _UNITS_MS[matched[2]]
        if duration <= DURATION_MS_MAX:
            return duration
    raise Problem(1001, cause="duration")


def parse_id(text: str) -> bytes:
    """Return an id or a digest, 64 hex digits; else raise `Problem` 1001."""
    if _ID.fullmatch(text) is None:
        raise Problem(1001, cause=text[:ID_SHOWN_MAX])
    return bytes.fromhex(text)
