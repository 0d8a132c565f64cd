"""The treasurers of a wijk in a made-up year: what the bank says becomes calls (economy C4 to C16).

They know what the chain does not: whose deposit reference it is, and where a payout went.
"""

from random import Random
from typing import Any

import msgspec

from bank.camt053 import parse
from bank.pain001 import Debtor, Payout, end_to_end_id, write_payouts
from bank.reference import reference
from chain.crypto import sha256
from contracts.coin import BATCH_REQUESTS_MAX, BankEntryCall, Mint, PayoutBatch, RedeemPaid
from testnet.bank_books import Movement, ReserveBank, make_iban, write_document
from wallet.bank_evidence import statement_calls

UNKNOWN_TEXT = "voor mijn wijkmunt"  # what a payer writes who lost the reference
COSTS_TEXT, GIFT_TEXT = "kosten betalingsverkeer", "bijdrage in de kosten"
COSTS_CENTS = 250  # of the bank, a month; the association gives as much


class Request(msgspec.Struct, frozen=True):
    """A redemption as the payout desk keeps it, in cents."""

    id: bytes
    account: bytes
    cents: int

    @property
    def end_to_end(self) -> str:
        """The EndToEndId of its payout (economy C14)."""
        return end_to_end_id(self.id)


class Treasury:
    """One wijk's reserve account, payout desk and file of references."""

    def __init__(self, number: int, wijk: str, reserve: bytes, opening: int) -> None:
        self.wijk = wijk
        self._bank = ReserveBank(number, opening)
        self._reserve = reserve
        self._statements: list[str] = []  # of the month
        self._by_reference: dict[str, bytes] = {}
        self._waiting: list[Request] = []  # asked, in no batch yet
        self._frozen: dict[bytes, str] = {}  # account -> last day, YYYY-MM-DD
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

    def pay_costs(self) -> None:
        """The bank takes its monthly costs; the association has just given them (C17)."""
        self._bank.receive(Movement(COSTS_CENTS, "Vereniging", text=GIFT_TEXT))
        self._bank.pay(Movement(COSTS_CENTS, "Bank", text=COSTS_TEXT))

    def note_freeze(self, account: bytes, last_day: str) -> None:
        """Payouts of an account wait until it is free again, YYYY-MM-DD (C19)."""
        self._frozen[account] = last_day

    def note_request(self, request: Request) -> None:
        """A redemption was asked."""
        self._waiting.append(request)

    def make_batches(
        self, rng: Random, day: str, *, sends_back: bool
    ) -> list[tuple[PayoutBatch, bytes]]:
        """Return calls that pay all that waits, each with its pain.001 file, on `day` YYYY-MM-DD.

        The bank books each batch as one entry.

        `sends_back`: the account of one payee is closed, so that money comes back tomorrow (C16).
        """
        calls: list[tuple[PayoutBatch, bytes]] = []
        ready = [one for one in self._waiting if self._frozen.get(one.account, "") < day]
        self._waiting = [one for one in self._waiting if one not in ready]
        while ready:
            requests = ready[:BATCH_REQUESTS_MAX]
            del ready[:BATCH_REQUESTS_MAX]
            total = sum(request.cents for request in requests)
            file = write_payouts(
                [self._make_payout(one) for one in requests],
                Debtor(iban=self._bank.iban, name=f"Stichting {self.wijk}"),
                pay_on=day,
                made_at=f"{day}T15:00:00",
            )
            call = PayoutBatch(tuple(one.id for one in requests), sha256(file), total, None)
            calls.append((call, file))
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
        costs: list[Any] = []
        booked: list[Any] = []
        for entry in read.entries:
            account = self._by_reference.get(entry.reference)
            if entry.remittance == GIFT_TEXT:
                paid.append(BankEntryCall(entry.entry_id, "CONTRIBUTION", None, None))
            elif entry.remittance == COSTS_TEXT:
                costs.append(BankEntryCall(entry.entry_id, "CHARGE", None, None))
            elif entry.side == "D":
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
        return list(statement_calls(read, self._reserve)), paid + costs + booked

    @staticmethod
    def _make_payout(request: Request) -> Payout:
        """What the vault of the payout desk says of who asked (economy C13)."""
        number = int.from_bytes(request.account[:4], "big")
        iban = make_iban("WIJK", number)
        return Payout(request=request.id, iban=iban, name="Ondernemer", cents=request.cents)

    def take_file(self, name: str, date: int) -> bytes:
        """Return the bank's file of the statements since the last one."""
        statements, self._statements = self._statements, []
        return write_document(name, statements, date)
