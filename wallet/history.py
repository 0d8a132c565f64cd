"""Looking back: the height of a day, and what this home knows about old payments."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain.errors import Malformed
from chain.proof import read_receipt
from chain.texts import Problem
from wallet.contacts import load_contacts
from wallet.keystore import list_keys
from wallet.receipts import list_receipts, load_receipt, receipt_path
from wallet.times import check_date

if TYPE_CHECKING:
    from wallet.remote import Remote

HEIGHT_LENGTH_MAX = 18


def find_height(client: "Remote", at: str) -> int:
    """Return a height, or the last one of a day (UTC); `Problem` 3007 before the first block."""
    if at.isascii() and at.isdigit() and len(at) <= HEIGHT_LENGTH_MAX:
        return int(at)
    day = check_date(at)
    low, high = 0, int(client.block("latest")["height"])
    while low < high:  # the last block whose date is not after the day
        middle = (low + high + 1) // 2
        if client.block(middle)["at"][:10] <= day:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        raise Problem(3007, what=at)
    return low


def fill_in(home: Path, page: dict[str, Any]) -> dict[str, Any]:
    """Return a page of history with the names and memos that only this home knows."""
    names = {one.account: one.name for one in list_keys(home)}
    names |= {one.account: one.name for one in load_contacts(home).contacts}
    kept = set(list_receipts(home))
    items = [
        {
            **item,
            "counterparty_name": names.get(item["counterparty"], item["counterparty_name"]),
            "memo": _memo(home, item["tx"]) if item["tx"] in kept else item["memo"],
        }
        for item in page["items"]
    ]
    return {**page, "items": items}


def _memo(home: Path, tx: str) -> str | None:
    try:
        return read_receipt(load_receipt(receipt_path(home, tx))).memo
    except (Malformed, Problem):
        return None  # a damaged receipt hides its memo, not the history
