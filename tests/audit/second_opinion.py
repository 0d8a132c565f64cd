"""I1 to I16 once more, written from economy.md and interfaces.md alone.

It shares no code with the node: msgpack is decoded generically, and what a call must have moved is
worked out here from the call. It is told which transactions were refused, what was posted, and what
the block wrote; all of that is judged. `Auditor.add` returns the broken invariants of a block. What
it guards is cut up: books, bank, deals (holds, corrections, freezes), pools, figures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_bank import Bank
from tests.audit.second_books import Books, Moves
from tests.audit.second_deals import Corrections, Freezes, Holds
from tests.audit.second_pools import Pools
from tests.audit.second_stats import Figures
from tests.audit.second_view import Place, View, make_ids

# economy C3: two different treasurers
TREASURERS = (
    *("coin.statement", "coin.bank_entry", "coin.mint", "coin.payout_batch", "coin.redeem_paid"),
)
BOARDS = ("coin.set_minter", "coin.freeze", "policy.accept")
REGISTRARS = ("members.admit", "members.attach", "members.set_limits", "policy.enrol_token")
PAIR = 2  # holders


class Auditor:
    """What one program knows of one chain after each block."""

    def __init__(self, genesis: bytes, state: Mapping[bytes, bytes], postings: list[Any]) -> None:
        self.view = view = View(genesis, state)
        self.books = books = Books(view, postings)
        self.figures = figures = Figures()
        self.bank = Bank(view, books)
        self.holds = Holds(view, books, figures)
        self.corrections = Corrections(view, books, figures)
        self.freezes = Freezes(view)
        self.pools = Pools(view, books, figures, self.freezes.is_frozen)
        self.spent: Counter[bytes] = Counter()  # cents, by decision
        self.leaves = 0
        self.found = set(books.found)
        self._closing: list[tuple[str, int]] = []

    def add(
        self,
        header: bytes,
        envelopes: Iterable[bytes],
        outcomes: list[Any],
        changes: Mapping[bytes, bytes | None],
        start: list[Any],
    ) -> set[str]:
        """Judge a block: its outcomes as the node keeps them, what it wrote, and what ended by
        itself as it began.
        """
        fields = msgpack.unpackb(header)
        self.view.time_s = fields[6] // 1000
        self._closing = []
        found, touched = self._begin(start)
        for envelope, outcome in zip(envelopes, outcomes, strict=True):
            _, tx, code, _, postings, _ = outcome
            self.leaves += 1
            if sha256(envelope).digest() != tx:
                found.add("I15")
            body, signatures = msgpack.unpackb(envelope)
            digest, sender, _, expiry, call = msgpack.unpackb(body)
            if digest != self.view.digest or not 0 < expiry - self.view.time_s <= 600:
                found.add("I15")  # economy B2
            if code:
                found |= {"I15"} if postings else set()
                continue
            signers = [one[0] for one in signatures]
            found |= self._run(tx, sender, signers, call, postings, touched)
        self.view.write(changes)
        if self.view.trie.root() != fields[8]:
            found.add("I15")
        return found | self._end(fields, touched, changes)

    def _begin(self, start: list[Any]) -> tuple[set[str], set[Place]]:
        """I8, I10: at the start of a block holds that expired return, then policies end."""
        moves: Moves = Counter()
        self.holds.sweep(moves)
        self.pools.sweep(moves)
        ended = [row for _, _, _, _, postings, _ in start for row in postings]
        touched = {(row[2], row[3], row[4]) for row in ended} | set(moves)
        return self.books.post(ended, moves, None), touched

    def _run(
        self,
        tx: bytes,
        sender: bytes,
        signers: list[int],
        call: list[Any],
        postings: list[Any],
        touched: set[Place],
    ) -> set[str]:
        """Judge one transaction that was carried out; `touched` takes what it moves or should."""
        moves: Moves = Counter()
        name, *fields = call
        found = self._check_office(name, sender, signers)
        date = self.corrections.date_of(name, fields)
        found |= self._read(moves, tx, sender, name, fields, postings)
        found |= self.books.post(postings, moves, tx, date)
        touched |= {(row[2], row[3], row[4]) for row in postings} | set(moves)
        return found | self.corrections.check(postings, name) | self.freezes.check(postings)

    def _end(
        self, header: list[Any], touched: set[Place], changes: Mapping[bytes, bytes | None]
    ) -> set[str]:
        """Compare with what the block wrote, once all of it is known."""
        found = self.books.compare(touched, changes)
        found |= self.books.weigh({denom for denom, _, _ in touched})
        for part in (self.holds, self.corrections, self.freezes, self.pools):
            found |= part.compare(changes)
        found |= self.bank.follow(changes)
        if header[9] != self.leaves:
            found.add("I15")  # a leaf of the log for each transaction
        for wijk, month in self._closing:
            ((_, *table),) = self.view.get("table", wijk, month)
            if table != self.figures.close(wijk, month):
                found.add("S2")
        return found

    # ------------------------------------------------------------------ what a call must move

    def _read(
        self,
        moves: Moves,
        tx: bytes,
        sender: bytes,
        name: str,
        fields: list[Any],
        postings: list[Any],
    ) -> set[str]:
        """Return what the call does that no rule allows; `moves` is what it has to move.

        Any call that is not here moves nothing, and `Books.post` says so if it does.
        """
        contract, _, what = name.partition(".")
        if contract == "policy":
            return self.pools.read(moves, tx, sender, what, fields)
        match name:
            case "coin.transfer":
                return self._transfer(moves, tx, sender, *fields)
            case "trade.pay":
                self._trade(moves, tx, sender, *fields[:3])
            case "coin.redeem_request":
                self.books.ask(moves, sender, fields[0], tx)
            case "coin.mint":
                return self.bank.mint(moves, tx, fields, make_ids(tx))
            case "coin.redeem_paid":
                return self.bank.pay_out(moves, tx, fields)
            case "coin.payout_batch":
                return self._batch(*fields[:3])
            case "coin.statement":
                return self.bank.attest(sender, fields)
            case "coin.bank_entry":
                return self.bank.book(moves, tx, sender, fields)
            case "coin.hold":
                return self.holds.hold(moves, tx, sender, fields)
            case "coin.post":
                return self.holds.post(moves, tx, sender, fields)
            case "coin.void":
                return self.holds.void(moves, sender, fields[0])
            case "coin.correct":
                return self.corrections.correct(moves, tx, sender, fields, postings)
            case "coin.freeze":
                return self.freezes.freeze(sender, fields)
            case "stats.close_period":
                self._closing.append((fields[0], fields[1]))
            case _:
                pass
        return set()

    def _transfer(
        self, moves: Moves, tx: bytes, sender: bytes, legs: list[Any], basis: bytes | None
    ) -> set[str]:
        view, place, ids = self.view, self.view.place(sender), make_ids(tx)
        found: set[str] = set()
        for to, cents, tag, _ in legs:
            moves[place] -= cents
            self.books.receive(moves, to, cents, ids)
            self.figures.count(view, (view.wijk(sender), view.kind(sender)), to, cents, tag)
            found |= self._check_payee(to)
        if place[1] == "7":
            found |= self._spend(basis, sender, sum(leg[1] for leg in legs))
        return found

    def _trade(
        self, moves: Moves, tx: bytes, sender: bytes, to: bytes, cents: int, tag: Any
    ) -> None:
        view, place = self.view, self.view.place(sender)
        payer, payee = view.wijk(sender), view.wijk(to)
        self.figures.count(view, (payer, view.kind(sender)), to, cents, tag)
        moves[place] -= cents
        moves[place[0], "6T", payee.encode()] += cents
        moves[view.denoms[payee], "6F", payer.encode()] += cents
        self.books.receive(moves, to, cents, make_ids(tx))
        self.books.went_out[place[0]] += cents
        self.books.came_in[view.denoms[payee]] += cents

    def _spend(self, basis: bytes | None, sender: bytes, total: int) -> set[str]:
        """I11: the fund pays on a decision that was carried out, and no more than it names."""
        decision = None if basis is None else self.view.get("decision", basis)
        if basis is None or decision is None:
            return {"I11"}
        self.spent[basis] += total
        wijk, cents, status = decision[0], decision[8], decision[9]
        fits = (
            wijk == self.view.wijk(sender) and status == "EXECUTED" and self.spent[basis] <= cents
        )
        return set() if fits else {"I11"}

    def _check_payee(self, to: bytes) -> set[str]:
        """I13, C7: in a limited network only those who signed up are paid."""
        mode = self.view.caps[self.view.issuer[self.view.wijk(to)]]["mode"]
        member = self.view.get("member", to)
        bound = mode == "LIMITED_NETWORK" and (member is None or not member[8])
        return {"I13"} if bound else set()

    def _batch(self, requests: list[bytes], _file: bytes, total: int) -> set[str]:
        """C14, C19: a file pays what was asked, and nobody who is frozen."""
        asked = [self.books.requests.get(request) for request in requests]
        if sum(one.cents for one in asked if one is not None) != total or None in asked:
            return {"I5"}
        frozen = any(self.freezes.is_frozen(one.account) for one in asked if one is not None)
        return {"I12"} if frozen else set()

    def _check_office(self, name: str, sender: bytes, signers: list[int]) -> set[str]:
        """I11, C3: an office acts by two of those who hold it, a board within its term."""
        view = self.view
        if name not in (*TREASURERS, *BOARDS, *REGISTRARS):
            return set()
        wijk, now = view.wijk(sender), view.time_s
        offices = {**dict.fromkeys(BOARDS, view.board), **dict.fromkeys(REGISTRARS, view.registrar)}
        if sender != offices.get(name, view.treasury)[wijk]:
            return {"I11"}
        keys = {index: (key, holder) for index, key, holder, _ in view.get("account", sender)[4]}
        used = [keys[index] for index in signers if index in keys]
        if view.kind(sender) == "BOARD":
            seats = [view.get("seat", wijk, number) for number in range(1, 8)]
            terms = {seat[0]: seat[2] <= now < seat[3] for seat in seats if seat is not None}
            used = [one for one in used if terms.get(one[0])]
        return set() if len({holder for _, holder in used}) >= PAIR else {"I11"}

    def recount(self) -> bool:
        """Say whether all running sums are those of what was kept; for the end of a chain."""
        return self.books.recount() and self.bank.recount()


def collect(found: dict[str, list[int]], height: int, names: set[str]) -> None:
    for name in names:
        found.setdefault(name, []).append(height)


def judge(
    genesis: bytes,
    state: Mapping[bytes, bytes],
    opening: list[Any],
    blocks: Iterable[Any],
) -> tuple[Auditor, dict[str, list[int]]]:
    """Return the auditor after the last block, and the heights at which an invariant broke.

    Of a block: header, envelopes, outcomes, what it wrote, and what ended as it began.
    """
    auditor = Auditor(genesis, state, opening)
    found: dict[str, list[int]] = defaultdict(list)
    collect(found, 0, auditor.found)
    for height, block in enumerate(blocks, start=1):
        collect(found, height, auditor.add(*block))
    return auditor, dict(found)
