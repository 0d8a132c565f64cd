"""Receipts of a client home: `receipts/<tx>.tlog-proof`, written before "paid" is said.

A receipt shows who paid whom and the memo: it is kept as privately as a key (interfaces 3.4).
What it proves is judged in `chain/proof.py`, not here.
"""

import re
from pathlib import Path

from chain.texts import Problem
from wallet.files import read_plain, replace

SUFFIX = ".tlog-proof"
RECEIPT_BYTES_MAX = 256 * 1024  # 32 KiB of envelope in base64, 100 signature lines, the path
_TX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def receipt_path(home: Path, tx: str) -> Path:
    """Return where the receipt of transaction `tx`, 64 hex digits, is kept."""
    if _TX.fullmatch(tx) is None:
        raise Problem(1001, cause="unknown")
    return home / "receipts" / f"{tx}{SUFFIX}"


def store_receipt(home: Path, tx: str, text: str, path: Path | None = None) -> Path:
    """Keep a verified receipt, durably, and return where; `path` is another place for it.

    A receipt with a newer checkpoint takes the place of the older one.
    """
    target = receipt_path(home, tx) if path is None else path
    replace(target, text.encode())
    return target


def load_receipt(path: Path) -> bytes:
    """Return the bytes of a receipt file, bounded; raise `Problem` 3007 where none is."""
    try:
        return read_plain(path, RECEIPT_BYTES_MAX)
    except FileNotFoundError:
        raise Problem(3007, what=str(path)) from None


def list_receipts(home: Path) -> list[str]:
    """Return the transaction ids that this home has receipts of, sorted."""
    folder = home / "receipts"
    if not folder.is_dir():
        return []
    names = (path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    return sorted(name for name in names if _TX.fullmatch(name))
