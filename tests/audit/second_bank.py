"""The bank as the second program sees it: statements, entries, and each use (I6, I7, C4 to C17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_books import Books, Moves
from tests.audit.second_view import View

# economy C17: the side of the bank that a kind is on, and whether it may be a reversal
SIDES = {
    "CHARGE": ("D", (0,)),
    "INTEREST": ("C", (0,)),
    "CONTRIBUTION": ("C", (0, 1)),
    "PREFUND": ("D", (0,)),
    "REVERSAL": ("D", (1,)),
}


class Entry(NamedTuple):
    """An attested entry of a bank."""

    reserve: bytes
    date: int
    cents: int
    side: str
    reversal: int


class Bank:
    """All reserve accounts of a chain."""

    def __init__(self, view: View, books: Books) -> None:
        self._view, self._books = view, books
        self.entries: dict[bytes, Entry] = {}
        self.used: dict[bytes, bytes] = {}
        self.closing: dict[bytes, tuple[int, int]] = {}  # reserve -> date, cents
        self._pages: dict[bytes, list[Any]] = {}  # statements whose pages are still coming
        self._open: Counter[tuple[bytes, str]] = Counter()  # cents not booked, by side
        self._wijk: dict[bytes, str] = {}
        self._returned: set[bytes] = set()
        for row in view.document["opening_statements"]:
            reserve = bytes.fromhex(row["reserve"])
            self.closing[reserve] = int(row["closing_on"].replace("-", "")), row["closing_cents"]
            self._wijk[reserve] = row["wijk"]

    def attest(self, sender: bytes, fields: list[Any]) -> set[str]:
        """I7: a statement opens where the last closed, and its entries add up."""
        reserve, date, page, pages, opening, closing, entries = fields
        found: set[str] = set()
        wijk = self._wijk.setdefault(reserve, self._view.wijk(sender))
        if wijk != self._view.wijk(sender):
            found.add("I7")
        if page == 1:
            self._pages[reserve] = []
        coming = self._pages.setdefault(reserve, [])
        coming += entries
        last_date, last_closing = self.closing.get(reserve, (0, 0))
        if opening != last_closing or date <= last_date:
            found.add("I7")
        if page < pages:
            return found
        total = opening
        for entry_id, _, _, cents, side, reversal in coming:
            total += cents if side == "C" else -cents
            if entry_id in self.entries:
                found.add("I6")
            self.entries[entry_id] = Entry(reserve, date, cents, side, reversal)
            self._open[reserve, side] += cents
        if total != closing:
            found.add("I7")
        self.closing[reserve] = date, closing
        self._pages.pop(reserve)
        return found

    def _use(self, entry_id: bytes, tx: bytes, side: str, cents: int) -> set[str]:
        """I6: an entry of an accepted statement, used once, for what it says."""
        entry = self.entries.get(entry_id)
        if entry is None or entry_id in self.used:
            return {"I6"}
        self.used[entry_id] = tx
        self._open[entry.reserve, entry.side] -= entry.cents
        return set() if (entry.side, entry.cents) == (side, cents) else {"I6"}

    def mint(self, moves: Moves, tx: bytes, fields: list[Any], ids: Any) -> set[str]:
        """economy C6, C16: coin against evidence; SHORT blocks it (C17)."""
        entry_id, to, cents, cause, request = fields
        books, wijk = self._books, self._view.wijk(to)
        denom = self._view.denoms[wijk]
        found = {"I4"} if self.is_short(wijk) else set()
        found |= self._use(entry_id, tx, "C", cents)
        if cause == "RETURN":
            asked = books.requests.get(request)
            fits = asked is not None and (asked.account, asked.cents) == (to, cents)
            if not fits or request in self._returned:
                found.add("I5")
            self._returned.add(request)
        entry = self.entries.get(entry_id)
        if entry is not None:
            moves[denom, "1", entry.reserve] += cents
            if entry.reversal or self._wijk[entry.reserve] != wijk:
                found.add("I6")
        books.receive(moves, to, cents, ids)
        books.minted[denom] += cents
        return found

    def pay_out(self, moves: Moves, tx: bytes, fields: list[Any]) -> set[str]:
        """economy C15: a request is paid once, by the debit that shows it."""
        request, entry_id = fields
        asked = self._books.requests.get(request)
        found = self._use(entry_id, tx, "D", asked.cents if asked else -1)
        if asked is None or asked.cents <= 0 or self._books.asked[asked[:2]] < asked.cents:
            return found | {"I5"}
        entry = self.entries.get(entry_id)
        if entry is None or entry.reversal:
            return found | {"I6"}
        moves[asked.denom, "3", asked.account] -= asked.cents
        moves[asked.denom, "1", entry.reserve] -= asked.cents
        self._books.asked[asked[:2]] -= asked.cents
        self._books.paid_out[asked.denom] += asked.cents
        return found

    def book(self, moves: Moves, tx: bytes, sender: bytes, fields: list[Any]) -> set[str]:
        """economy C17: costs, income, and deposits at a partner."""
        entry_id, kind, pair_id, pact = fields
        entry, wijk = self.entries.get(entry_id), self._view.wijk(sender)
        if entry is None:
            return {"I6"}
        side, reversals = SIDES[kind]
        found = self._use(entry_id, tx, side, entry.cents)
        if entry.reversal not in reversals or self._wijk[entry.reserve] != wijk:
            found.add("I6")
        denom = self._view.denoms[wijk]
        moves[denom, "1", entry.reserve] += entry.cents if side == "C" else -entry.cents
        if kind == "PREFUND":
            pair = self.entries.get(pair_id)
            found |= self._use(pair_id, tx, "C", entry.cents)
            if pair is None or pair.reversal or not self._is_deposit(wijk, pair.reserve, pact):
                return found | {"I6"}
            moves[denom, "1", pair.reserve] += entry.cents
            return found
        if pair_id is not None or pact is not None:
            found.add("I6")
        moves[denom, "8" if side == "C" else "9", wijk.encode()] += entry.cents
        return found

    def _is_deposit(self, wijk: str, reserve: bytes, pact_id: bytes) -> bool:
        """Say whether a reserve is pledged to a partner whose pact asks for a deposit (T2)."""
        partner = self._wijk[reserve]
        a, b = sorted((wijk, partner))
        pact = self._view.get("pact", a, b)
        named = msgpack.packb(["wijk.pact.1", a, b])
        known = pact is not None and pact_id == sha256(named).digest()
        return partner != wijk and known and (pact[0], pact[8]) == ("PREFUNDED", "ACTIVE")

    def is_short(self, wijk: str) -> bool:
        """I4, C17: more debits are open than income - cost covers."""
        denom, own = self._view.denoms[wijk], wijk.encode()
        surplus = self._books.balances[denom, "8", own] - self._books.balances[denom, "9", own]
        debits = sum(self._open[one, "D"] for one, of in self._wijk.items() if of == wijk)
        return debits > surplus

    def follow(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I6, I7: the entries of the state, and what the bank said against what was booked."""
        found: set[str] = set()
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "entry":
                held, own = self._view.get("entry", parts[0]), self.entries.get(parts[0])
                if own is not None and (held[5] != self.used.get(parts[0]) or held[2] != own.cents):
                    found.add("I6")
            elif name == "reserve":
                found |= self._compare(parts[0], self._view.get("reserve", parts[0]))
        return found

    def _compare(self, reserve: bytes, held: list[Any]) -> set[str]:
        """economy I7: closing = bank(1) + open credits - open debits. A deposit at a partner is
        in the books of its owner.
        """
        still = [self._open[reserve, "C"], self._open[reserve, "D"]]
        date, closing = self.closing.get(reserve, (0, 0))
        banked = sum(
            self._books.balances[denom, "1", reserve] for denom in self._view.denoms.values()
        )
        fits = closing == banked + still[0] - still[1]
        return set() if fits and [date, closing, *still] == [*held[1:3], *held[4:6]] else {"I7"}

    def recount(self) -> bool:
        """I6: all that is open is what no transaction used."""
        still: Counter[tuple[bytes, str]] = Counter()
        for entry_id, entry in self.entries.items():
            if entry_id not in self.used:
                still[entry.reserve, entry.side] += entry.cents
        return +still == +self._open
