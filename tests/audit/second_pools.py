"""Pools and policies as the second program sees them (I10): what each call moves, and may it.

Sums are kept from calls alone: funded = spent + pending + returned + free. Every payment is judged
again by all guards, on what was counted before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_books import Books, Moves
from tests.audit.second_scripts import Asked, allows, count
from tests.audit.second_shapes import (
    CLAIM,
    ENDS,
    FUND,
    RELEASE,
    SET_ASIDE,
    Act,
    Payout,
    Pool,
    Work,
    Wrong,
)
from tests.audit.second_stats import Figures
from tests.audit.second_view import DAY_S, View, make_ids, seconds_of

ENDS_MAX = 100  # economy section 4, of one block
NO_LINE = ("milestone", "escrow", "recurring")  # their calls name none: a budget has one (P9)


class Pools:
    """All policies of a chain."""

    def __init__(
        self, view: View, books: Books, figures: Figures, is_frozen: Callable[[bytes], bool]
    ) -> None:
        self._view, self._books, self._figures = view, books, figures
        self._is_frozen = is_frozen
        self.pools: dict[bytes, Pool] = {}
        self.work = Work()

    def read(
        self, moves: Moves, tx: bytes, sender: bytes, name: str, fields: list[Any]
    ) -> set[str]:
        """Return what a call on a policy does that no rule allows; `moves` is what it moves."""
        if name == "create":
            self.pools[tx] = Pool(tx, sender, fields)
            return set() if fields[0] == self._view.place(sender)[0] else {"I10"}
        pool = self.pools.get(fields[0])
        if pool is None:
            return {"I10"}
        if name == "accept":
            board = self._view.board[self._view.wijk(pool.funder)]
            pool.status, pool.decided, pool.since = "ACTIVE", tx, self._view.date
            return set() if sender == board else {"I11"}
        if name == "enrol_token":
            registrar = self._view.registrar[self._view.wijk(pool.funder)]
            for key in fields[2]:
                pool.tokens[key] = [fields[1], 0]
            return set() if sender == registrar else {"I11"}
        if name == "fund":
            return self._fund(moves, tx, sender, pool, fields)
        if name == "close":
            ended = pool.last is not None and self._view.date > pool.last
            if pool.status == "DRAFT":  # its rules stand in the log alone
                pool.shape, pool.guards, pool.split = ["claim", 1], [], []
            wrong = pool.status == "CLOSED" or pool.pending or not (ended or sender == pool.funder)
            self._end(moves, pool, None, make_ids(tx))
            return {"I10"} if wrong else set()
        return self._pay(moves, tx, sender, pool, name, fields)

    def _fund(
        self, moves: Moves, tx: bytes, sender: bytes, pool: Pool, fields: list[Any]
    ) -> set[str]:
        _, cents, qty = fields
        shape, place = pool.shape, self._view.place(sender)
        found = set() if pool.status == "ACTIVE" and place[0] == pool.denom else {"I10"}
        if shape[0] != "collective_buy" and sender != pool.funder:
            found.add("I10")
        if place[1] == "7" and not any(rule[0] == "budget" for rule in pool.guards):
            found.add("I11")  # a fund is spent on a decision or on budget lines
        moves[place] -= cents
        moves[pool.denom, "4", pool.id] += cents
        pool.funded += cents
        if shape[0] in SET_ASIDE:
            pool.pending += cents
            try:
                FUND[shape[0]](pool, Act(self._view, tx, sender, pool.funder, cents, qty=qty))
            except Wrong:
                found.add("I10")
        else:
            pool.free += cents
            if shape[0] == "recurring" or qty is not None:
                found.add("I10")
        self._sum(pool)
        return found

    def _pay(
        self, moves: Moves, tx: bytes, sender: bytes, pool: Pool, name: str, fields: list[Any]
    ) -> set[str]:
        """A claim or a release: what the shape lets happen, judged by all guards."""
        line = tag = token = None
        rules = CLAIM if name == "claim" else RELEASE
        if name == "claim":
            _, payee, cents, what, ref, proof, tag = fields
            line = what if isinstance(what, str) else None
            token = None if proof is None else proof[0]
            cited = None if ref is None else self._find_gift(ref, payee)
            act = Act(self._view, tx, sender, payee, cents, what, token, ref, cited, work=self.work)
            marks = cents == 0 and pool.pending > 0  # a delivery, also after the end (P4, P7)
            open_ = (pool.status == "ACTIVE" or marks) and payee != pool.funder
        else:
            act = Act(self._view, tx, sender, pool.funder, fields[2], fields[1])
            open_ = pool.status == "ACTIVE" or pool.pending > 0
        if not open_ or pool.shape[0] not in rules:
            return {"I10"}
        try:
            payout = rules[pool.shape[0]](pool, act)
        except Wrong:
            return {"I10"}
        lines = [rule[2] for rule in pool.guards if rule[0] == "budget"]
        if pool.shape[0] in NO_LINE:
            line = lines[0][0][0] if lines else None
        token = token if token in pool.tokens else None
        found = self._judge(pool, sender, payout, tag, line, token)
        beside = payout.own and payout.free  # lines judge what leaves the pool alone
        if beside and self._view.place(payout.payer)[1] == "7":
            found.add("I11")
        pays = payout.free + payout.pending + payout.own > 0
        if pays and sender == pool.funder and self._is_frozen(sender):
            found.add("I12")  # C19: what others decide about its pool goes on
        self._move(moves, tx, pool, payout, tag)
        return found

    def _judge(
        self,
        pool: Pool,
        sender: bytes,
        payout: Payout,
        tag: Any,
        line: str | None,
        token: bytes | None,
    ) -> set[str]:
        """P0: every guard allows the payment; dates stop no money that is set aside already."""
        cents = payout.free + payout.pending or payout.own
        if not cents:
            return set()
        product = None if tag is None else tag[2]
        parts = divide(cents, payout.payee, pool.split)
        asked = Asked(sender, cents, parts, product, line, token, pool.since)
        rules = [rule for rule in pool.guards if not (payout.pending and rule[0] in ENDS)]
        if not all(allows(rule, asked, pool.used, self._view) for rule in rules):
            return {"I10"}
        count(pool.guards, asked, pool.used, self._view)
        return set()

    def _move(self, moves: Moves, tx: bytes, pool: Pool, payout: Payout, tag: Any) -> None:
        """Sources in their order, to the payees in theirs; what is not paid goes back."""
        view, books, ids = self._view, self._books, make_ids(tx)
        here = pool.denom.partition(":")[0]
        from_pool = payout.free + payout.pending
        moves[pool.denom, "4", pool.id] -= from_pool
        sources = [("POOL", from_pool)]
        if payout.own:
            sources.append((view.kind(payout.payer), payout.own))
            moves[view.place(payout.payer)] -= payout.own
        total = from_pool + payout.own
        parts = divide(total, payout.payee, pool.split) if total else []
        for payee, cents in parts:
            books.receive(moves, payee, cents, ids)
        vat = 0 if tag is None else tag[3]
        for kind, payee, cents in pair_off(sources, parts):
            told = None if tag is None else [*tag[:3], vat]
            self._figures.count(view, (here, kind), payee, cents, told)
            vat = 0  # the tax of the whole payment is told once
        back = sum(cents for _, cents in payout.back)
        pool.spent += payout.free + payout.pending
        pool.returned += back
        pool.pending -= payout.pending + back
        pool.free -= payout.free
        self._sum(pool)
        ended = pool.status == "CLOSED" and pool.shape[0] != "collective_buy"
        for who, cents in payout.back:
            heir = pool.heir if ended and who == pool.funder else None
            self._go_home(moves, pool, who, cents, heir, ids)
        if payout.done:
            pool.status = "CLOSED"

    def _end(self, moves: Moves, pool: Pool, heir: bytes | None, ids: Iterator[bytes]) -> None:
        left, pool.free, pool.status = pool.free, 0, "CLOSED"
        pool.returned += left
        self._sum(pool)
        if left:
            self._go_home(moves, pool, pool.funder, left, heir, ids)

    def _go_home(
        self,
        moves: Moves,
        pool: Pool,
        who: bytes,
        cents: int,
        heir_id: bytes | None,
        ids: Iterator[bytes],
    ) -> None:
        """P15: to an active policy of the same funder and coin, else to its owner."""
        moves[pool.denom, "4", pool.id] -= cents
        heir = None if heir_id is None else self.pools.get(heir_id)
        takes = heir is not None and heir.status == "ACTIVE" and heir.shape[0] not in SET_ASIDE
        takes = takes and self._view.place(pool.funder)[1] != "7"  # a vote was for its lines
        if heir is not None and takes and heir.shape[0] != "recurring":
            heir.funded += cents
            heir.free += cents
            moves[pool.denom, "4", heir.id] += cents
            self._sum(heir)
        else:
            self._books.receive(moves, who, cents, ids, own=True)

    def sweep(self, moves: Moves) -> None:
        """P4, P15: in the first block after its last date a policy ends, in the order of ids."""
        due = []
        for pool in self.pools.values():
            if pool.last is not None and pool.status == "ACTIVE":
                end_s = seconds_of(pool.last) + DAY_S - self._view.offset_s
                if end_s <= self._view.time_s:
                    due.append((end_s, pool.id))
        for _, policy in sorted(due)[:ENDS_MAX]:
            ids = make_ids(policy)
            next(ids)  # its own
            self._end(moves, self.pools[policy], self.pools[policy].heir, ids)

    def _find_gift(self, tx: bytes, target: bytes) -> tuple[bytes, int, int] | None:
        """P11: what one account paid to the target in a transaction: payer, cents, book date."""
        legs = [
            booking
            for leg in range(64)
            if (booking := self._books.bookings.get((tx, leg))) is not None
            and booking.payee[2] == target
            and booking.payer[1] == "2"
        ]
        if not legs:
            return None
        return legs[0].payer[2], sum(booking.cents for booking in legs), legs[0].date

    def _sum(self, pool: Pool) -> None:
        """Note what it holds, and whose: its funder's, or that of who pledged it (C8, P8)."""
        kept = pool.pending + pool.free
        self._books.pools[pool.denom, pool.id] = kept
        whose: Counter[bytes] = Counter()
        if pool.shape[0] == "collective_buy":
            for _, buyer, _, cents in pool.memory.get("pledges", ()):
                whose[buyer] += cents
        else:
            whose[pool.funder] = kept
        for who in whose.keys() | pool.whose.keys():
            self._books.in_pools[pool.denom, who] += whose[who] - pool.whose[who]
        pool.whose = whose

    def compare(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I10: what the state says of a policy is what its calls made of it."""
        found: set[str] = set()
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "policy":
                pool = self.pools.get(parts[0])
                if pool is None or self._view.get("policy", parts[0]) != pool.record():
                    found.add("I10")
            elif name == "token":
                held = self._view.get("token", *parts)
                pool = self.pools.get(parts[0])
                if pool is None or pool.tokens.get(parts[1]) != held:
                    found.add("I10")
            elif name == "sheet":
                sheet = self._view.get("sheet", parts[0])
                if sheet is None or (sheet[6] == "PAID") != (parts[0] in self.work.sheets):
                    found.add("I10")
            elif name == "worked" and self._view.get(name, *parts) != self.work.record(*parts):
                found.add("I10")
        return found


def divide(cents: int, payee: bytes, split: list[Any]) -> list[tuple[bytes, int]]:
    """P14: by weight, rounded down; what is left over goes to the first; nobody gets zero."""
    if not split:
        return [(payee, cents)]
    total = sum(weight for _, weight in split)
    shares = [cents * weight // total for _, weight in split]
    shares[0] += cents - sum(shares)
    return [(who, share) for (who, _), share in zip(split, shares, strict=True) if share]


def pair_off(
    sources: list[tuple[str, int]], parts: list[tuple[bytes, int]]
) -> Iterator[tuple[str, bytes, int]]:
    """Say which source pays whom how much: sources in their order, to payees in theirs."""
    left = [cents for _, cents in sources]
    for payee, cents in parts:
        rest = cents
        for number, (kind, _) in enumerate(sources):
            paid = min(rest, left[number])
            left[number] -= paid
            rest -= paid
            if paid:
                yield kind, payee, paid
