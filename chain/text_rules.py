"""The only texts that may stand on the chain, and what is never one of them (economy B12, R1).

Letters come from a fixed table, not from the Unicode data of the interpreter: whether a name is
valid must not depend on the version of Python. All of them are single, precomposed characters,
so a text made of them is in normal form C by itself.
"""

import re

NAME_LENGTH_MAX = 32
SYMBOL_LENGTH_MAX = 4
CODE_LENGTH_MAX = 24
SLUG_LENGTH_MAX = 32  # interfaces 0
BSN_LENGTH = 9
CBS_YEARS = range(1990, 10_000)  # a code of the CBS means something in a year (economy R1)

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = "0123456789"
# Latin-1 and Latin Extended-A: all letters, but for the signs × and ÷ that stand among them.
_LATIN = [chr(code) for code in range(0xC0, 0x180) if code not in (0xD7, 0xF7)]
# Of Latin Extended-B the letters with a mark; others there look like `!` and `|`.
_EXTENDED_B = (
    (0x1CD, 0x1DC), (0x1DE, 0x1E3), (0x1E6, 0x1ED), (0x1F0, 0x1F0),
    (0x1F4, 0x1F5), (0x1F8, 0x21B), (0x21E, 0x21F), (0x226, 0x233),
)  # fmt: skip
_MARKED = [chr(code) for low, high in _EXTENDED_B for code in range(low, high + 1)]
LETTERS = frozenset([*_UPPER, *_UPPER.lower(), *_LATIN, *_MARKED])
_SYMBOL = LETTERS | frozenset(_DIGITS)
_NAME = _SYMBOL | frozenset(" -'")

_CODE = re.compile(rf"[A-Z0-9_-]{{1,{CODE_LENGTH_MAX}}}")
_SLUG = re.compile(rf"[a-z][a-z0-9-]{{0,{SLUG_LENGTH_MAX - 1}}}")
_AREA = re.compile(r"WK[0-9]{4}[0-9A-Z]{2}|BU[0-9]{4}[0-9A-Z]{4}")
_NACE = re.compile(r"[A-V]([0-9]{2,4})?")
_PRODUCT = re.compile(r"C(0[1-9]|1[0-5])|[A-V]")
_SEPARATORS = re.compile(r"[ '_-]")
_BSN_RUN = re.compile(rf"(?=([0-9]{{{BSN_LENGTH}}}))")
_IBAN_RUN = re.compile(r"[A-Za-z0-9]+")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")  # 15 to 34 characters
_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)  # of the 11-test


def is_name(text: str) -> bool:
    """Say whether `text` is a Name: 1 to 32 letters, digits, spaces, `-` and `'`.

    It starts and ends with no space, so two names that look the same are the same.
    """
    if not 0 < len(text) <= NAME_LENGTH_MAX or text != text.strip(" "):
        return False
    return all(letter in _NAME for letter in text) and not is_personal(text)


def is_symbol(text: str) -> bool:
    """Say whether `text` is a Symbol: 1 to 4 letters or digits."""
    return 0 < len(text) <= SYMBOL_LENGTH_MAX and all(letter in _SYMBOL for letter in text)


def is_code(text: str) -> bool:
    """Say whether `text` is a Code: 1 to 24 of A-Z, 0-9, `-`, `_`."""
    return _CODE.fullmatch(text) is not None and not is_personal(text)


def is_slug(text: str) -> bool:
    """Say whether `text` may be a wijk id: a small letter, then those, digits and dashes."""
    return _SLUG.fullmatch(text) is not None and not is_personal(text)


def fits(kind: str, text: str) -> bool:
    """Say whether `text` obeys the rule `kind` of a parameter: name, symbol or code."""
    return {"name": is_name, "symbol": is_symbol, "code": is_code}[kind](text)


def is_area(code: str) -> bool:
    """Say whether `code` has the form of a CBS wijk (WK + 6) or buurt (BU + 8) (economy R1).

    After the gemeente's four digits letters can occur, where there are 100 or more of them.
    """
    return _AREA.fullmatch(code) is not None


def get_gemeente(area: str) -> str:
    """Return the code of the gemeente that an area lies in (economy R2)."""
    return "GM" + area[2:6]


def is_nace(code: str) -> bool:
    """Say whether `code` is a NACE section, or one with the digits of a division or class (S13)."""
    return _NACE.fullmatch(code) is not None


def is_product(code: str) -> bool:
    """Say whether `code` is a COICOP division or a NACE section (economy S1)."""
    return _PRODUCT.fullmatch(code) is not None


def is_personal(text: str) -> bool:
    """Say whether `text` holds an `@`, a citizen service number or an IBAN (economy B12, G1).

    Numbers are looked for as they stand, and in the whole text without its separators: people
    write `NL91 ABNA ...` and `123-456-782`.
    """
    if "@" in text:
        return True
    packed = _SEPARATORS.sub("", text)
    runs = _BSN_RUN.findall(text)
    if len(packed) == BSN_LENGTH and packed.isascii() and packed.isdigit():
        runs.append(packed)
    if any(passes_11(run) for run in runs):
        return True
    return any(is_iban(run.upper()) for run in (*_IBAN_RUN.findall(text), packed))


def passes_11(digits: str) -> bool:
    """Say whether nine digits pass the 11-test of a citizen service number."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return total % 11 == 0


def is_iban(run: str) -> bool:
    """Say whether `run` has the shape of an IBAN and passes the mod-97 test (ISO 13616)."""
    if _IBAN.fullmatch(run) is None:
        return False
    turned = run[4:] + run[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1
