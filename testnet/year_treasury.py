"""The treasurers of a wijk in a made-up year: what the bank says becomes calls (economy C4 to C16).

They know what the chain does not: whose deposit reference it is, and where a payout went.
"""

from base64 import b32encode
from random import Random
from typing import Any

import msgspec

from bank.camt053 import parse
from bank.reference import reference
from chain.crypto import sha256
from contracts.coin import BATCH_REQUESTS_MAX, Mint, PayoutBatch, RedeemPaid
from testnet.bank_books import Movement, ReserveBank, write_document
from wallet.bank_evidence import statement_calls

UNKNOWN_TEXT = "voor mijn wijkmunt"  # what a payer writes who lost the reference


class Request(msgspec.Struct, frozen=True):
    """A redemption as the payout desk keeps it, in cents."""

    id: bytes
    account: bytes
    cents: int

    @property
    def end_to_end(self) -> str:
        """The EndToEndId of its payout (economy C14)."""
        return "W" + b32encode(self.id[:16]).decode().rstrip("=")


class Treasury:
    """One wijk's reserve account, payout desk and file of references."""

    def __init__(self, number: int, wijk: str, reserve: bytes, opening: int) -> None:
        self.wijk = wijk
        self._bank = ReserveBank(number, opening)
        self._reserve = reserve
        self._statements: list[str] = []  # of the month
        self._by_reference: dict[str, bytes] = {}
        self._waiting: list[Request] = []  # asked, in no batch yet
        self._under_way: dict[str, Request] = {}  # in a batch, by EndToEndId
        self._sent_back: dict[str, Request] = {}
        self._lost: list[tuple[int, bytes, bytes, int]] = []  # until, account, entry id, cents
        self._owners: list[bytes] = []  # of the deposits without reference, as they come

    def give_reference(self, account: bytes) -> str:
        """Return the deposit reference of an account; the file of them is off the chain (C6)."""
        text = reference(f"{self.wijk[:3].upper()}{account.hex()[:12].upper()}")
        self._by_reference[text] = account
        return text

    def receive(self, account: bytes, cents: int) -> None:
        """Somebody brings money to the bank for an account, and names its reference."""
        self._bank.receive(Movement(cents, "Inwoner", reference=self.give_reference(account)))

    def receive_lost(self, account: bytes, cents: int) -> None:
        """Somebody brings money to the bank and names nothing: it stays an open item."""
        self._owners.append(account)
        self._bank.receive(Movement(cents, "Inwoner", text=UNKNOWN_TEXT))

    def note_request(self, request: Request) -> None:
        """A redemption was asked."""
        self._waiting.append(request)

    def make_batches(self, rng: Random, *, sends_back: bool) -> list[PayoutBatch]:
        """Return calls that pay all that waits; the bank books each batch as one entry.

        `sends_back`: the account of one payee is closed, so that money comes back tomorrow (C16).
        """
        calls = []
        while self._waiting:
            requests = self._waiting[:BATCH_REQUESTS_MAX]
            del self._waiting[:BATCH_REQUESTS_MAX]
            total = sum(request.cents for request in requests)
            file = sha256(b"".join(request.end_to_end.encode() for request in requests))
            calls.append(PayoutBatch(tuple(one.id for one in requests), file, total, None))
            self._under_way |= {request.end_to_end: request for request in requests}
            paid = [
                Movement(one.cents, "Ondernemer", end_to_end=one.end_to_end) for one in requests
            ]
            self._bank.pay(*paid)
            if sends_back:
                sends_back = False
                back = rng.choice(requests)
                self._sent_back[back.end_to_end] = back
        return calls

    def attest(self, date: int) -> tuple[list[Any], list[Any]]:
        """Close the day at the bank: return the calls that attest it, and those that book it.

        What the bank paid is booked first: as long as a debit is open, nobody can mint (C17).
        """
        statement = self._bank.close_day(date)
        self._statements.append(statement)
        (read,) = parse(write_document("M1", [statement], date), self._reserve)
        paid: list[Any] = []
        booked: list[Any] = []
        for entry in read.entries:
            account = self._by_reference.get(entry.reference)
            if entry.side == "D":
                request = self._under_way.pop(entry.end_to_end)
                paid.append(RedeemPaid(request.id, entry.entry_id))
                if entry.end_to_end in self._sent_back:
                    name = "REKENING OPGEHEVEN"
                    self._bank.receive(Movement(request.cents, name, end_to_end=entry.end_to_end))
            elif entry.end_to_end in self._sent_back:
                back = self._sent_back.pop(entry.end_to_end)
                booked.append(Mint(entry.entry_id, back.account, back.cents, "RETURN", back.id))
            elif account is not None:
                booked.append(Mint(entry.entry_id, account, entry.cents, "DEPOSIT", None))
            else:
                owner = self._owners.pop(0)
                self._lost.append((date + 10, owner, entry.entry_id, entry.cents))
        found = [row for row in self._lost if row[0] <= date]
        self._lost = [row for row in self._lost if row not in found]
        booked += [Mint(entry, owner, cents, "DEPOSIT", None) for _, owner, entry, cents in found]
        return list(statement_calls(read, self._reserve)), paid + booked

    def take_file(self, name: str, date: int) -> bytes:
        """Return the bank's file of the statements since the last one."""
        statements, self._statements = self._statements, []
        return write_document(name, statements, date)
