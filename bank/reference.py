"""Numbers that check themselves by mod 97 (ISO 7064): IBANs and RF creditor references.

A deposit names the account to credit by a creditor reference (ISO 11649, economy C6). Which
account it names is kept off-chain, by the desk that gave it out.
"""

import re

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_REFERENCE = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}")
_PAYLOAD = re.compile(r"[A-Z0-9]{1,21}")


def is_iban(text: str) -> bool:
    """Say whether `text` is an IBAN in electronic form: capitals, no spaces, check digits right.

    Judged by form and check digits alone: which banks and lengths exist changes with the years.
    """
    return _IBAN.fullmatch(text) is not None and "02" <= text[2:4] <= "98" and _mod97(text) == 1


def is_reference(text: str) -> bool:
    """Say whether `text` is an ISO 11649 creditor reference in electronic form, `RF` and all."""
    found = _REFERENCE.fullmatch(text) is not None
    return found and "02" <= text[2:4] <= "98" and _mod97(text) == 1


def reference(payload: str) -> str:
    """Return the ISO 11649 creditor reference of `payload`: 1 to 21 capitals and digits.

    Raise `ValueError` for any other payload.
    """
    if _PAYLOAD.fullmatch(payload) is None:
        raise ValueError("a creditor reference is made of 1 to 21 capitals and digits")
    return f"RF{98 - _mod97('RF00' + payload):02d}{payload}"


def electronic(text: str) -> str:
    """Return `text` as people write references, in groups and lower case, in electronic form."""
    return text.replace(" ", "").upper()


def _mod97(text: str) -> int:
    """Return the remainder that ISO 7064 MOD 97-10 gives: first four characters last, A = 10."""
    moved = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97
