"""The books of the second program: what was posted, and the sums that must hold of it.

I1 to I5, I8 to I10 (sums), I13, I14, I16, and I15 for balances and supply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_view import NO_LIMIT, Place, View, parse_account

DEBIT = ("1", "6F", "9")
OWED_BY_WIJK = ("2", "3", "4", "5", "7")
NAMED = ("6F", "6T", "8", "9")  # classes whose owner is a wijk: text in keys
FIN = ["FIN", None, None, 0]
Moves = Counter[Place]


class Request(NamedTuple):
    """A redemption: whose, in which coin, cents."""

    denom: str
    account: bytes
    cents: int


class Booking(NamedTuple):
    """A booking of coin from one account to another, with what it was for."""

    payer: Place
    payee: Place
    cents: int
    tag: Any
    date: int


class Books:
    """Balances, their sums, and what came in and went out of each coin."""

    def __init__(self, view: View, postings: list[Any]) -> None:
        self._view = view
        self.balances: Counter[Place] = Counter()
        self.sums: Counter[tuple[str, str]] = Counter()
        self.minted: Counter[str] = Counter()
        self.paid_out: Counter[str] = Counter()
        self.came_in: Counter[str] = Counter()
        self.went_out: Counter[str] = Counter()
        self.requests: dict[bytes, Request] = {}
        self.asked: Counter[tuple[str, bytes]] = Counter()  # unpaid, by account
        self.held: Counter[tuple[str, bytes]] = Counter()  # open holds, by payer
        self.pools: Counter[tuple[str, bytes]] = Counter()  # pending and free, by policy
        self.in_pools: Counter[tuple[str, bytes]] = Counter()  # the same money, by whose it is
        self.bookings: dict[tuple[bytes, int], Booking] = {}
        self.lines: Counter[str] = Counter()  # I16, per wijk
        self.debits: Counter[str] = Counter()
        self.credits: Counter[str] = Counter()
        self.found = self.post(postings, self._open(), None)
        self.found |= self.weigh(set(view.denoms.values()))

    def _open(self) -> Moves:
        """The opening balances of genesis, which count as mint (I5)."""
        view, opening = self._view, Counter[Place]()
        reserves = {
            row["wijk"]: bytes.fromhex(row["reserve"])
            for row in view.document["opening_statements"]
        }
        for row in view.document["accounts"]:
            cents, denom = row["balance_cents"], view.denoms[row["wijk"]]
            if cents:
                opening[view.place(parse_account(row["id"]))] += cents
                opening[denom, "1", reserves[row["wijk"]]] += cents
                self.minted[denom] += cents
        return opening

    # ---------------------------------------------------------------- what calls do to people

    def receive(
        self, moves: Moves, to: bytes, cents: int, ids: Iterator[bytes], *, own: bool = False
    ) -> None:
        """economy C8: what passes the limit of an account that empties itself is redeemed.

        `own`: it is its own money that comes back, which no limit can refuse.
        """
        place, view = self._view.place(to), self._view
        member, limit = view.get("member", to), view.limit(to)
        held = self.balances[place] + moves[place]
        held += self.balances[place[0], "5", to] + moves[place[0], "5", to]
        held += self.in_pools[place[0], to]
        moves[place] += cents
        if limit < NO_LIMIT and (own or (member is not None and member[4])):
            excess = cents - max(0, limit - held)
            if excess > 0:
                self.ask(moves, to, excess, next(ids))

    def ask(self, moves: Moves, account: bytes, cents: int, request: bytes) -> None:
        """economy C13: coin moves to class 3 at once."""
        place = self._view.place(account)
        moves[place] -= cents
        moves[place[0], "3", account] += cents
        self.requests[request] = Request(place[0], account, cents)
        self.asked[place[0], account] += cents

    # ---------------------------------------------------------------- what was posted

    def post(
        self, postings: list[Any], wanted: Moves, tx: bytes | None, date: int | None = None
    ) -> set[str]:
        """Book postings; say where they are not what is to be moved, or not even.

        `date` is the book date of payments in it, where it is another than that of the block.
        """
        found: set[str] = set()
        even: Counter[str] = Counter()
        moved: Moves = Counter()
        for _, wijk, denom, klass, owner, side, cents, _, policy, _, _ in postings:
            sign = 1 if side == "D" else -1
            even[denom] += sign * cents
            moved[denom, klass, owner] += sign * cents * (1 if klass in DEBIT else -1)
            self.lines[wijk] += 1
            if side == "D":
                self.debits[wijk] += cents
            else:
                self.credits[wijk] += cents
            if cents <= 0 or denom != self._view.denoms.get(wijk):
                found.add("I1")
            if klass == "4" and (policy is None or (side == "D" and policy != owner)):
                found.add("I10")  # money of a pool moves under its policy
        if any(even.values()):
            found.add("I1")
        if {k: v for k, v in moved.items() if v} != {k: v for k, v in wanted.items() if v}:
            found.add("I15")
        for place, cents in moved.items():
            self.balances[place] += cents
            self.sums[place[:2]] += cents
            if place[1] in OWED_BY_WIJK and self.balances[place] < 0:
                found.add("I3")
        found |= self._find_over_limit(moved)
        if tx is not None:
            self._remember(postings, tx, self._view.date if date is None else date)
        return found

    def _find_over_limit(self, moved: Moves) -> set[str]:
        """I13: whoever got more than before is within its limit, with holds and pools."""
        for denom, klass, owner in moved:
            more = moved[denom, klass, owner]
            if klass in ("2", "5"):
                more = moved[denom, "2", owner] + moved[denom, "5", owner]
                has = self.balances[denom, "2", owner] + self.balances[denom, "5", owner]
                has += self.in_pools[denom, owner]
                if more > 0 and has > self._view.limit(owner):
                    return {"I13"}
        return set()

    def _remember(self, postings: list[Any], tx: bytes, date: int) -> None:
        """Keep what may be corrected or cited later: coin that went from one to another."""
        by_leg: dict[int, dict[str, Any]] = {}
        for row in postings:
            by_leg.setdefault(row[0], {})[row[5]] = row
        for leg, sides in by_leg.items():
            debit, credit = sides.get("D"), sides.get("C")
            if debit is None or credit is None:
                continue  # I1 says so
            paid = debit[3] in ("2", "5", "7") and credit[3] in ("2", "7")
            if paid and debit[7] != FIN and debit[10] is None:
                payer, payee = tuple(debit[2:5]), tuple(credit[2:5])
                self.bookings[tx, leg] = Booking(payer, payee, credit[6], credit[7], date)

    # ---------------------------------------------------------------- sums

    def weigh(self, denoms: set[str]) -> set[str]:
        """I2, I4, I5, I13 (total cap) and I14 for the coins of a block; supply as stated."""
        found: set[str] = set()
        view, sums = self._view, self.sums
        for denom in denoms:
            of = {klass: sums[denom, klass] for klass in (*DEBIT, *OWED_BY_WIJK, "6T", "8")}
            if sum(c if k in DEBIT else -c for k, c in of.items()):
                found.add("I2")
            outstanding = sum(of[klass] for klass in OWED_BY_WIJK)
            surplus = of["1"] + of["6F"] - of["6T"] - outstanding
            if surplus != of["8"] - of["9"] or surplus < 0:
                found.add("I4")
            coming, going = self.came_in[denom], self.went_out[denom]
            if outstanding != self.minted[denom] - self.paid_out[denom] + coming - going:
                found.add("I5")
            figures = [self.minted[denom], self.paid_out[denom], coming, going]
            figures += [of[klass] for klass in ("3", "1", "6F", "6T")]
            if any(figures) and view.get("supply", denom) != figures:
                found.add("I15")
            wijk = denom.partition(":")[0]
            for other, there in view.denoms.items():
                owes = self.balances[denom, "6T", other.encode()]
                if owes != self.balances[there, "6F", wijk.encode()]:
                    found.add("I14")
        for code, row in view.caps.items():
            if row["total_cap_cents"] is not None:
                total = sum(
                    cents
                    for (denom, klass), cents in sums.items()
                    if klass in OWED_BY_WIJK and view.issuer[denom.partition(":")[0]] == code
                )
                if total > row["total_cap_cents"]:
                    found.add("I13")
        return found

    def compare(self, touched: set[Place], changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I15: the balances that the block wrote are those that its postings make; and classes 3,
        4 and 5 are what requests, policies and holds say.
        """
        found: set[str] = set()
        kept = {"3": (self.asked, "I5"), "4": (self.pools, "I10"), "5": (self.held, "I8")}
        for denom, klass, owner in touched:
            name = owner.decode() if klass in NAMED else owner
            cents = self.balances[denom, klass, owner]
            if self._view.get("bal", denom, klass, name) != (cents or None):
                found.add("I15")
            if klass in kept and kept[klass][0][denom, owner] != cents:
                found.add(kept[klass][1])
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "bal":
                denom, klass, owner = parts
                raw = owner.encode() if isinstance(owner, str) else owner
                if (denom, klass, raw) not in touched:
                    found.add("I15")
        return found

    def recount(self) -> bool:
        """Say whether the running sums are those of all balances."""
        sums: Counter[tuple[str, str]] = Counter()
        for (denom, klass, _), cents in self.balances.items():
            sums[denom, klass] += cents
        return +sums == +self.sums
