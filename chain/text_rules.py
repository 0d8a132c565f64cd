"""The only texts that may stand on the chain, and what is never one of them (economy B12).

Letters come from a fixed table, not from the Unicode data of the interpreter: whether a name is
valid must not depend on the version of Python. All of them are precomposed, so a text made of
them is in normal form C by itself.
"""

NAME_LENGTH_MAX = 32
SYMBOL_LENGTH_MAX = 4
CODE_LENGTH_MAX = 24
IBAN_LENGTHS = range(15, 35)
IBAN_HEAD = 4  # country and check digits
BSN_LENGTH = 9

_ASCII_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
# Latin-1 letters and Latin Extended-A and -B, without the two signs × and ÷ among them.
_LATIN_LETTERS = frozenset(chr(code) for code in range(0xC0, 0x250) if code not in (0xD7, 0xF7))
_NAME = _ASCII_LETTERS | _LATIN_LETTERS | _DIGITS | frozenset(" -'")
_SYMBOL = _ASCII_LETTERS | _LATIN_LETTERS | _DIGITS
_CODE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def is_name(text: str) -> bool:
    """Say whether `text` is a Name: 1 to 32 letters, digits, spaces, `-` and `'`."""
    if not 0 < len(text) <= NAME_LENGTH_MAX or text != text.strip(" "):
        return False
    return all(letter in _NAME for letter in text) and not is_personal(text)


def is_symbol(text: str) -> bool:
    """Say whether `text` is a Symbol: 1 to 4 letters or digits."""
    return 0 < len(text) <= SYMBOL_LENGTH_MAX and all(letter in _SYMBOL for letter in text)


def is_code(text: str) -> bool:
    """Say whether `text` is a Code: 1 to 24 of A-Z, 0-9, `-`, `_`."""
    if not 0 < len(text) <= CODE_LENGTH_MAX:
        return False
    return all(letter in _CODE for letter in text) and not is_personal(text)


def is_area(code: str) -> bool:
    """Say whether `code` has the form of a CBS code: GM + 4, WK + 6 or BU + 8 (economy R1).

    The last two positions of a wijk and of a buurt may hold letters where there are 100 or more.
    """
    lengths = {"GM": 4, "WK": 6, "BU": 8}
    tail = code[2:]
    if len(tail) != lengths.get(code[:2]):
        return False
    return all(c in _DIGITS for c in tail[:4]) and all(c in _CODE - {"-", "_"} for c in tail[4:])


def is_personal(text: str) -> bool:
    """Say whether `text` holds an `@`, a citizen service number or an IBAN (economy B12, G1)."""
    return "@" in text or _has_bsn(text) or _has_iban(text)


def _has_bsn(text: str) -> bool:
    """A run of nine digits, alone or inside a longer one, that passes the 11-test."""
    for start in range(len(text) - BSN_LENGTH + 1):
        run = text[start : start + BSN_LENGTH]
        if all(letter in _DIGITS for letter in run):
            digits = [int(letter) for letter in run]
            weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
            total = sum(weight * digit for weight, digit in zip(weights, digits, strict=True))
            if any(digits) and total % 11 == 0:
                return True
    return False


def _has_iban(text: str) -> bool:
    """A run of 15 to 34 characters, spaces and dashes aside, that passes the mod-97 test."""
    letters = _ASCII_LETTERS | _DIGITS
    packed = "".join(letter for letter in text.upper() if letter in letters)
    for start in range(len(packed)):
        if not _is_iban_head(packed[start : start + IBAN_HEAD]):
            continue
        for length in IBAN_LENGTHS:
            run = packed[start : start + length]
            if len(run) == length and _passes_97(run):
                return True
    return False


def _is_iban_head(head: str) -> bool:
    if len(head) < IBAN_HEAD:
        return False
    return head[:2].isalpha() and all(letter in _DIGITS for letter in head[2:])


def _passes_97(run: str) -> bool:
    turned = run[4:] + run[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def is_slug(text: str) -> bool:
    """Say whether `text` may name a wijk: a letter, then letters, digits and dashes; at most 32."""
    letters = frozenset("abcdefghijklmnopqrstuvwxyz")
    if not 0 < len(text) <= NAME_LENGTH_MAX or text[0] not in letters:
        return False
    return all(letter in letters | _DIGITS | {"-"} for letter in text)
