"""Looking back: the height of a day, and what this home knows about old payments."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain.errors import Malformed
from chain.proof import read_receipt
from chain.texts import Problem
from wallet.contacts import load_contacts
from wallet.kept_accounts import list_own
from wallet.memo import open_memo
from wallet.order import unlock_keys
from wallet.outbox import Sent
from wallet.receipts import load_receipt, receipt_path, store_receipt
from wallet.send import check_receipt, with_memo
from wallet.times import check_date
from wallet.trust import trusted_policy

if TYPE_CHECKING:
    from wallet.remote import Remote
    from wallet.terminal import Terminal

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


def fill_in(terminal: "Terminal", account: str, page: dict[str, Any]) -> dict[str, Any]:
    """Return a page of history with the names and memos that only this home knows.

    The memo of a payment that came in is opened where the passphrase need not be asked for; its
    receipt is then kept, so it is opened once.
    """
    home = terminal.home
    names = {account: one.name for one, account in list_own(home)}
    names |= {one.account: one.name for one in load_contacts(home).contacts}
    seed = _reading_seed(terminal, account, page["items"])
    items = []
    for item in page["items"]:
        tx = item["tx"]
        memo = _kept_memo(home, tx)
        if memo is None and seed is not None and _is_closed(home, item):
            memo = _open_memo(terminal, tx, seed)
        name = names.get(item["counterparty"], item["counterparty_name"])
        items.append({**item, "counterparty_name": name, "memo": memo})
    return {**page, "items": items}


def _kept_memo(home: Path, tx: str) -> str | None:
    try:
        return read_receipt(load_receipt(receipt_path(home, tx))).memo
    except (Malformed, Problem):
        return None  # no receipt, or a damaged one: it hides its memo, not the history


def _is_closed(home: Path, item: dict[str, Any]) -> bool:
    """Say whether a payment came in that this home has no receipt of."""
    paid = item["kind"] in ("payment", "trade", "grant") and item["direction"] == "in"
    return paid and not receipt_path(home, item["tx"]).exists()


def _reading_seed(terminal: "Terminal", account: str, items: list[dict[str, Any]]) -> bytes | None:
    """Return the seed of a key of the account, if there is something to open with it."""
    settings = terminal.settings
    unasked = settings.passphrase_fd is not None or settings.passphrase_file is not None
    if not unasked or not any(_is_closed(terminal.home, item) for item in items):
        return None
    own = next((key for key, name in list_own(terminal.home) if name == account), None)
    return None if own is None else unlock_keys(terminal, trusted_policy(terminal), [own])[own.name]


def _open_memo(terminal: "Terminal", tx: str, seed: bytes) -> str | None:
    """Return the memo of a payment to us, after its receipt was verified with it and kept."""
    try:
        opened = open_memo(seed, terminal.client.sealed(tx))
        if opened is None:
            return None
        sent = Sent(b"", None, opened.memo_key, opened.memo)
        receipt = with_memo(terminal.client.receipt(tx), sent)
        check_receipt(receipt, tx, trusted_policy(terminal))
        store_receipt(terminal.home, tx, receipt)
    except Problem:
        return None  # no memo, or not the one that was committed to
    return opened.memo
