"""The payout desk: which requests are paid to which account, in one file for the bank (C14, C15).

What the desk pays is proven from state, never taken from a node's word: amount, status and the
commitment to the holder's account. The account itself lies in a sealed box for the treasurer.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bank.pain001 import PAYMENTS_MAX, Debtor, Payout, write_payouts
from bank.reference import is_iban
from chain.address import account_text
from chain.books import OPEN, Redemption
from chain.crypto import sha256
from chain.dates import add_banking_days, date_text
from chain.errors import Malformed
from chain.strict_json import canonical_json, parse_json
from chain.texts import Problem
from contracts.coin import LIVE, Batch
from wallet.files import read_private, replace, write_new
from wallet.memo import open_memo
from wallet.people import shown_name
from wallet.redemption import payout_commitment
from wallet.times import now_s, time_text
from wallet.verify import prove_value

if TYPE_CHECKING:
    from chain.policy import Policy
    from wallet.terminal import Terminal

SCHEMA = "schemas/pain.001.001.09.xsd"
FOLDER = "payouts"  # of the home: files that wait for the second signature
ACCOUNTS = "accounts.json"  # in it: the bank account that each holder named last
ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024  # of 40,000 holders


Find = Callable[[str], Payout | None]  # by the name of a request; raises where it is not open now


class NotOpen(Exception):
    """A request that a node listed as open is not: it was paid meanwhile."""


class Gathered(NamedTuple):
    """What one batch can pay, and the requests whose bank account this desk does not know."""

    payouts: list[Payout]
    unknown: list[str]


def gather(rows: Sequence[dict[str, object]], find: Find) -> Gathered:
    """Return the open requests that can be paid, the first due first, as many as a file takes.

    Those that cannot be paid take no place in it: whoever asks for many cents to no account keeps
    nobody else waiting (economy C13).
    """
    payouts: list[Payout] = []
    unknown: list[str] = []
    waiting = sorted(
        (row for row in rows if row["status"] == "open" and row["due_on"] is not None),
        key=lambda row: (str(row["due_on"]), str(row["redemption_id"])),
    )
    for row in waiting:
        if len(payouts) == PAYMENTS_MAX:
            break
        name = str(row["redemption_id"])
        try:
            found = find(name)
        except NotOpen:
            continue
        if found is None:
            unknown.append(name)
        else:
            payouts.append(found)
    return Gathered(payouts, unknown)


def find_payout(
    terminal: "Terminal", policy: "Policy", name: str, seeds: list[bytes]
) -> Payout | None:
    """Return what a request asks, proven from state; None where its bank account is not known here.

    The account is the one committed to, in a box that a seed opens. A request that a wallet limit
    made (economy C8) names none: it goes to the account that its holder named before. Raise
    `NotOpen` where nothing is to be paid.
    """
    redemption = prove_value(terminal.client.state_proof, f"redeem/{name}", Redemption, policy)
    if redemption.status != OPEN:
        raise NotOpen
    account = account_text(redemption.account)
    known = _read_accounts(terminal)
    if redemption.payout is None:
        iban = known.get(account)
    else:
        iban = _find_iban(terminal, name, redemption.payout, seeds)
        if iban is not None and known.get(account) != iban:
            known[account] = iban
            (terminal.home / FOLDER).mkdir(mode=0o700, exist_ok=True)
            replace(terminal.home / FOLDER / ACCOUNTS, canonical_json(known))
    if iban is None:
        return None
    holder = shown_name(terminal, account) or account
    return Payout(request=bytes.fromhex(name), iban=iban, name=holder, cents=redemption.cents)


def _read_accounts(terminal: "Terminal") -> dict[str, str]:
    """Return the bank account that each holder named last; the desk's own vault (C13)."""
    try:
        data = read_private(terminal.home / FOLDER / ACCOUNTS, ACCOUNTS_BYTES_MAX)
    except FileNotFoundError:
        return {}
    try:
        return parse_json(data, dict[str, str])
    except Malformed as error:
        raise Problem(1002, errors=f"{FOLDER}/{ACCOUNTS}: {error}") from error


def _find_iban(terminal: "Terminal", request: str, payout: bytes, seeds: list[bytes]) -> str | None:
    """Return the holder's account if it is the one that the chain is committed to (C13)."""
    try:
        sealed = terminal.client.sealed(request)
    except Problem:
        return None
    for seed in seeds:
        opened = open_memo(seed, sealed)
        if opened is not None and payout_commitment(opened.memo, opened.memo_key) == payout:
            return opened.memo if is_iban(opened.memo) else None
    return None


def make_file(payouts: Sequence[Payout], debtor: Debtor) -> bytes:
    """Return the pain.001 of these payouts for the next banking day, judged by the schema."""
    now_ms = now_s() * 1000
    today = int(time_text(now_ms)[:10].replace("-", ""))
    day = add_banking_days(today, 1)
    pay_on = date_text(day)
    data = write_payouts(payouts, debtor, pay_on=pay_on, made_at=time_text(now_ms)[:19])
    check_schema(data)
    return data


def check_schema(data: bytes) -> None:
    """Raise `Problem` 1002 unless `data` is valid, or where the schema is not installed (C14)."""
    found = importlib.util.find_spec("sepaxml")
    if found is None or found.origin is None or importlib.util.find_spec("lxml") is None:
        raise Problem(1002, errors="payouts need: pip install 'wijkchain[desk]'")
    etree = importlib.import_module("lxml.etree")
    schema = etree.XMLSchema(file=str(Path(found.origin).parent / SCHEMA))
    if not schema.validate(etree.fromstring(data)):
        raise Problem(1002, errors=f"pain.001: {schema.error_log.last_error}")


def keep_file(terminal: "Terminal", data: bytes) -> Path:
    """Keep a file inside the home until both have signed; only its name tells what it holds."""
    folder = terminal.home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{sha256(data).hex()}.xml"
    if not path.exists():
        write_new(path, data)
    return path


def find_kept(
    terminal: "Terminal", policy: "Policy", rows: Sequence[dict[str, object]]
) -> Path | None:
    """Return a kept file that stands in a batch of the chain now, so may go to the bank.

    That both have signed is proven from state: on a node's word nothing leaves (economy C14).
    """
    told = {str(row["file"]): str(row["batch"]) for row in rows if row["status"] == "batched"}
    folder = terminal.home / FOLDER
    for path in sorted(folder.glob("*.xml")) if folder.is_dir() else []:
        name = told.get(path.stem)
        if name is None:
            continue
        batch = prove_value(terminal.client.state_proof, f"batch/{name}", Batch, policy)
        if batch.status == LIVE and batch.file.hex() == path.stem:
            return path
    return None
