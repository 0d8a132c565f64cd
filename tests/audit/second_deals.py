"""Holds, corrections and freezes as the second program sees them (I8, I9, I12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_books import FIN, Books, Moves
from tests.audit.second_stats import Figures
from tests.audit.second_view import View, make_ids

SWEPT_MAX = 500  # economy C10
FREEZE_S_MAX = 30 * 86_400  # economy C19


class Hold(NamedTuple):
    """Coin that is set aside, in cents; `expires` in Unix seconds."""

    payer: bytes
    to: bytes
    cents: int
    expires: int
    link: bytes | None
    tag: Any


class Holds:
    """What is set aside (C10 to C12)."""

    def __init__(self, view: View, books: Books, figures: Figures) -> None:
        self._view, self._books, self._figures = view, books, figures
        self.open: dict[bytes, Hold] = {}
        self.ended: dict[bytes, str] = {}

    def hold(self, moves: Moves, tx: bytes, sender: bytes, fields: list[Any]) -> set[str]:
        to, cents, timeout, link, tag = fields
        place = self._view.place(sender)
        moves[place] -= cents
        moves[place[0], "5", sender] += cents
        self._books.held[place[0], sender] += cents
        self.open[tx] = Hold(sender, to, cents, self._view.time_s + timeout, link, tag)
        return set() if 60 <= timeout <= 31_536_000 else {"I8"}

    def post(self, moves: Moves, tx: bytes, sender: bytes, fields: list[Any]) -> set[str]:
        """Up to the held amount to the payee, the rest back; two that are linked in full (C12)."""
        parts, exchange = fields
        ids = make_ids(tx)
        holds = [self.open.get(hold_id) for hold_id, _ in parts]
        found = set() if any(held and held.to == sender for held in holds) else {"I8"}
        for (hold_id, cents), held in zip(parts, holds, strict=True):
            if hold_id not in self.open or held is None:
                return found | {"I8"}
            if cents > held.cents or self._view.time_s >= held.expires:
                found.add("I8")
            if (held.link is None) == (len(parts) > 1) or (exchange is None) == (len(parts) > 1):
                found.add("I8")
            self._close(moves, hold_id, "POSTED", held.cents - cents)
            self._books.receive(moves, held.to, cents, ids)
            payer = self._view.wijk(held.payer), self._view.kind(held.payer)
            self._figures.count(self._view, payer, held.to, cents, held.tag)
        if (
            exchange is not None
            and None not in holds
            and not self._is_exchange(exchange, parts, holds)
        ):
            found.add("I8")
        return found

    def _is_exchange(self, exchange: list[Any], parts: list[Any], holds: list[Any]) -> bool:
        """Both payers agreed to this exchange, both are paid in full, and leg 2 is at the rate."""
        _, legs, times, per, _ = exchange
        agreed = sha256(msgpack.packb(exchange)).digest()
        for leg, (_, cents), held in zip(legs, parts, holds, strict=True):
            denom = self._view.place(held.payer)[0]
            if held.link != agreed or cents != held.cents:
                return False
            if leg != [held.payer, held.to, denom, held.cents]:
                return False
        return bool(legs[1][3] == (2 * legs[0][3] * times + per) // (2 * per))

    def void(self, moves: Moves, sender: bytes, hold_id: bytes) -> set[str]:
        held = self.open.get(hold_id)
        if held is None or held.to != sender:
            return {"I8"}
        self._close(moves, hold_id, "VOIDED", held.cents)
        return set()

    def sweep(self, moves: Moves) -> None:
        """C10: at the start of a block, expired holds return, the oldest five hundred."""
        now = self._view.time_s
        due = sorted((held.expires, one) for one, held in self.open.items() if held.expires <= now)
        for _, hold_id in due[:SWEPT_MAX]:
            self._close(moves, hold_id, "EXPIRED", self.open[hold_id].cents)

    def _close(self, moves: Moves, hold_id: bytes, status: str, back: int) -> None:
        held = self.open.pop(hold_id)
        place = self._view.place(held.payer)
        moves[place[0], "5", held.payer] -= held.cents
        moves[place] += back
        self._books.held[place[0], held.payer] -= held.cents
        self.ended[hold_id] = status

    def compare(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I8: a hold is open in the state as long as it is here, and ends once, as it did here."""
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "hold":
                status = "OPEN" if parts[0] in self.open else self.ended.get(parts[0])
                record = self._view.get("hold", parts[0])
                if record is None or record[7] != status:
                    return {"I8"}
        return set()


class Corrections:
    """What was paid back or tagged anew, against its original (C18)."""

    def __init__(self, view: View, books: Books, figures: Figures) -> None:
        self._view, self._books, self._figures = view, books, figures
        self.done: Counter[tuple[bytes, int]] = Counter()  # cents, by transaction and leg

    def correct(
        self, moves: Moves, tx: bytes, sender: bytes, fields: list[Any], postings: list[Any]
    ) -> set[str]:
        original, leg, kind, cents, tag, _ = fields
        paid = self._books.bookings.get((original, leg))
        if paid is None or paid.tag is None:
            return {"I9"}
        found = set()
        self.done[original, leg] += cents
        left = paid.cents - self.done[original, leg]
        payer, payee = paid.payer[2], paid.payee[2]
        home = self._view.place(payer)
        if left < 0 or sender != (payee if kind == "MONEY" else payer):
            found.add("I9")
        closed = self._view.get("table", self._view.wijk(payee), paid.date // 100) is not None
        if closed and kind == "TAG":  # money comes back in any month
            found.add("I9")
        by = self._view.wijk(payer), self._view.kind(payer)
        vat = paid.tag[3] * cents // paid.cents
        back = [*paid.tag[:3], vat]
        self._figures.count(self._view, by, payee, -cents, back, paid.date)
        if kind == "MONEY":
            self._books.receive(moves, payer, cents, make_ids(tx))
            moves[paid.payee] -= cents
            legs = [(paid.payee, home, back, original)]
        else:
            self._figures.count(self._view, by, payee, cents, tag, paid.date)
            if left or tag is None:
                found.add("I9")
            legs = [
                (paid.payee, home, paid.tag, original),
                (home, paid.payee, tag, None),
            ]
        return found if _tell(postings) == sorted(legs, key=str) else found | {"I9"}

    def check(self, postings: list[Any], name: str) -> set[str]:
        """I9: nothing but a correction cites an original."""
        cites = any(row[10] is not None for row in postings)
        return {"I9"} if cites and name != "coin.correct" else set()

    def date_of(self, name: str, fields: list[Any]) -> int | None:
        """A payment that is tagged anew keeps the date of its original; others are of today."""
        paid = self._books.bookings.get(tuple(fields[:2])) if name == "coin.correct" else None
        return None if paid is None else paid.date

    def compare(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I9: the state remembers of each payment how much of it was corrected."""
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "paid":
                record, own = self._view.get("paid", *parts), self._books.bookings.get(tuple(parts))
                if own is None or record is None:
                    return {"I9"}
                told = [own.payer[2], own.payee[2], own.payer[0], own.cents]
                told += [self.done[tuple(parts)], own.tag, own.date]
                if told != record:
                    return {"I9"}
        return set()


def _tell(postings: list[Any]) -> list[Any]:
    """Return the bookings of a correction, redemptions of what is too much left out."""
    told = []
    for debit, credit in zip(postings[::2], postings[1::2], strict=True):
        if debit[7] != FIN:
            told.append((tuple(debit[2:5]), tuple(credit[2:5]), debit[7], debit[10]))
    return sorted(told, key=str)


class Freezes:
    """Which accounts nothing may leave but a redemption (C19)."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._until: dict[bytes, int] = {}

    def freeze(self, sender: bytes, fields: list[Any]) -> set[str]:
        account, on, _, until, _ = fields
        now, wijk = self._view.time_s, self._view.wijk(account)
        self._until[account] = until if on else now
        right = sender == self._view.board[wijk] and (not on or now < until <= now + FREEZE_S_MAX)
        return set() if right else {"I12"}

    def is_frozen(self, account: bytes) -> bool:
        """Say whether it is by its calls, or by what the state says."""
        stated = self._view.get("freeze", account)
        until = self._until.get(account, 0 if stated is None else stated[0])
        return bool(self._view.time_s < until)

    def check(self, postings: list[Any]) -> set[str]:
        """I12: nothing leaves, be it set aside already, but to the bank."""
        for debit, credit in zip(postings[::2], postings[1::2], strict=False):
            own = debit[3] == "5" and credit[4] == debit[4]
            out = debit[3] in ("2", "5", "7") and credit[3] != "3" and not own
            if out and self.is_frozen(debit[4]):
                return {"I12"}
        return set()

    def compare(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """What the state says of a freeze is what its calls said."""
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "freeze":
                record = self._view.get("freeze", parts[0])
                if record is None or record[0] != self._until.get(parts[0]):
                    return {"I12"}
        return set()
