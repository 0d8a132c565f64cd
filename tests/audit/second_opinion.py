"""I1 to I16 once more, written from economy.md and interfaces.md alone.

It shares no code with the node: msgpack is decoded generically, and what a call must have moved is
worked out here from the call. It is told which transactions were refused, what was posted, and what
the block wrote; all of that is judged. `Auditor.add` returns the broken invariants of a block.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_stats import Figures
from tests.audit.second_trie import Trie

Place = tuple[str, str, bytes]  # denomination, class, owner
DEBIT = ("1", "6F", "9")
OWED_BY_WIJK = ("2", "3", "4", "5", "7")
TREASURERS = (
    *("coin.statement", "coin.bank_entry", "coin.mint", "coin.payout_batch", "coin.redeem_paid"),
)
NO_LIMIT = 10**13


class Entry(NamedTuple):
    reserve: bytes
    date: int
    cents: int
    side: str
    reversal: int


class Request(NamedTuple):
    denom: str
    account: bytes
    cents: int


class Hold(NamedTuple):
    payer: bytes
    to: bytes
    cents: int
    expires: int
    tag: Any


class Auditor:
    """What one program knows of one chain after each block."""

    def __init__(self, genesis: bytes, state: Mapping[bytes, bytes], postings: list[Any]) -> None:
        document = json.loads(genesis)
        self.trie = Trie()
        self.state: dict[bytes, bytes] = {}
        self._write(state)
        self.balances: Counter[Place] = Counter()
        self.denoms = {row["slug"]: row["coin"]["denom"] for row in document["wijken"]}
        self.treasury = {row["slug"]: parse_account(row["treasury"]) for row in document["wijken"]}
        self.issuer = {row["slug"]: row["issuer"] for row in document["wijken"]}
        self.caps = {row["code"]: row for row in document["issuers"]}
        self.minted: Counter[str] = Counter()
        self.paid_out: Counter[str] = Counter()
        self.came_in: Counter[str] = Counter()
        self.went_out: Counter[str] = Counter()
        self.entries: dict[bytes, Entry] = {}
        self.used: dict[bytes, bytes] = {}
        self.closing: dict[bytes, tuple[int, int]] = {}  # reserve -> date, cents
        self.pages: dict[bytes, list[Any]] = {}  # statements whose pages are still coming
        self.requests: dict[bytes, Request] = {}
        self.returned: set[bytes] = set()
        self.holds: dict[bytes, Hold] = {}  # open ones
        self.spent: Counter[bytes] = Counter()
        self.corrected: Counter[tuple[bytes, str]] = Counter()
        self.moved: dict[bytes, Counter[str]] = {}  # transaction -> denomination -> debits
        self.figures = Figures()
        self.lines: Counter[str] = Counter()  # I16, per wijk
        self.debits: Counter[str] = Counter()
        self.credits: Counter[str] = Counter()
        for row in document["opening_statements"]:
            reserve = bytes.fromhex(row["reserve"])
            self.closing[reserve] = int(row["closing_on"].replace("-", "")), row["closing_cents"]
        opening: Counter[Place] = Counter()
        for row in document["accounts"]:
            if row["balance_cents"]:
                denom = self.denoms[row["wijk"]]
                klass = "7" if row["kind"] == "board" else "2"
                reserve = next(
                    bytes.fromhex(one["reserve"])
                    for one in document["opening_statements"]
                    if one["wijk"] == row["wijk"]
                )
                opening[denom, klass, parse_account(row["id"])] += row["balance_cents"]
                opening[denom, "1", reserve] += row["balance_cents"]
                self.minted[denom] += row["balance_cents"]
        self.found = self._post(postings, opening) | self._weigh(set(self.denoms.values()))

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
        found: set[str] = set()
        fields = msgpack.unpackb(header)
        self.time_s = fields[6] // 1000
        touched: set[Place] = set()
        self.closing_now: list[tuple[str, int]] = []
        ended = [row for _, _, _, _, postings, _ in start for row in postings]
        found |= self._post(ended, self._sweep())
        touched |= {(row[2], row[3], row[4]) for row in ended}
        for envelope, outcome in zip(envelopes, outcomes, strict=True):
            _, tx, code, _, postings, _ = outcome
            if sha256(envelope).digest() != tx:
                found.add("I15")
            body, signatures = msgpack.unpackb(envelope)
            _, sender, _, _, call = msgpack.unpackb(body)
            if code:
                found |= {"I15"} if postings else set()
                continue
            wanted, wrong = self._read(tx, sender, len(signatures), call)
            found |= wrong | self._post(postings, wanted, tx)
            touched |= {(row[2], row[3], row[4]) for row in postings}
        self._write(changes)
        if self.trie.root() != fields[8]:
            found.add("I15")
        found |= self._compare(touched, changes)
        found |= self._weigh({denom for denom, _, _ in touched})
        found |= self._follow_bank(changes)
        for wijk, month in self.closing_now:
            ((_, *table),) = self._get("table", wijk, month)
            if table != self.figures.close(wijk, month):
                found.add("S2")
        return found

    # ------------------------------------------------------------------ what a call must move

    def _read(
        self, tx: bytes, sender: bytes, signers: int, call: list[Any]
    ) -> tuple[Counter[Place], set[str]]:
        """Return what the call moves, and what it does that no rule allows."""
        moves: Counter[Place] = Counter()
        found: set[str] = set()
        name, *fields = call
        if name in TREASURERS:
            wijk = self._wijk(sender)
            if sender != self.treasury[wijk] or signers < 2:
                found.add("I11")
        if name == "coin.transfer":
            legs, basis = fields
            total = sum(cents for _, cents, _, _ in legs)
            moves[self._place(sender)] -= total
            ids = self._ids(tx)
            for to, cents, tag, _ in legs:
                self._receive(moves, to, cents, ids)
                self._count(sender, to, cents, tag)
            if self._class(sender) == "7":
                found |= self._spend(basis, sender, total)
        elif name == "trade.pay":
            to, cents, tag, _ = fields
            self._count(sender, to, cents, tag)
            payer, payee = self._wijk(sender), self._wijk(to)
            moves[self._place(sender)] -= cents
            moves[self.denoms[payer], "6T", payee.encode()] += cents
            moves[self.denoms[payee], "6F", payer.encode()] += cents
            self._receive(moves, to, cents, self._ids(tx))
            self.went_out[self.denoms[payer]] += cents
            self.came_in[self.denoms[payee]] += cents
        elif name == "coin.redeem_request":
            cents, _ = fields
            self._ask(moves, sender, cents, tx)
        elif name == "coin.mint":
            found |= self._mint(moves, tx, fields)
        elif name == "coin.redeem_paid":
            request, entry_id = fields
            asked = self.requests.get(request)
            found |= self._use(entry_id, tx, "D", asked.cents if asked else -1)
            if asked is None or asked.cents <= 0:
                return moves, found | {"I5"}
            moves[asked.denom, "3", asked.account] -= asked.cents
            moves[asked.denom, "1", self.entries[entry_id].reserve] -= asked.cents
            self.paid_out[asked.denom] += asked.cents
        elif name == "coin.statement":
            found |= self._attest(fields)
        elif name == "coin.bank_entry":
            found |= self._book_entry(moves, tx, sender, fields)
        elif name == "coin.hold":
            to, cents, timeout, _, tag = fields
            moves[self._place(sender)] -= cents
            moves[self._place(sender)[0], "5", sender] += cents
            self.holds[tx] = Hold(sender, to, cents, self.time_s + timeout, tag)
        elif name == "coin.post":
            ids = self._ids(tx)
            for hold_id, cents in fields[0]:
                held = self.holds.pop(hold_id, None)
                if held is None or cents > held.cents or self.time_s >= held.expires:
                    return moves, found | {"I8"}
                moves[self._place(held.payer)[0], "5", held.payer] -= held.cents
                moves[self._place(held.payer)] += held.cents - cents
                self._receive(moves, held.to, cents, ids)
                self._count(held.payer, held.to, cents, held.tag)
        elif name == "coin.void":
            held = self.holds.pop(fields[0], None)
            if held is None:
                return moves, found | {"I8"}
            self._return(moves, held)
        elif name == "stats.close_period":
            self.closing_now.append(tuple(fields))
        return moves, found  # any other call moves nothing, and `_post` says so if it does

    def _book_entry(
        self, moves: Counter[Place], tx: bytes, sender: bytes, fields: list[Any]
    ) -> set[str]:
        """economy C17: costs and income of the issuing book."""
        entry_id, kind, pair, _ = fields
        entry = self.entries.get(entry_id)
        if entry is None or pair is not None or entry_id in self.used:
            return {"I6"}  # no pact of the year is prefunded
        self.used[entry_id] = tx
        wijk = self._wijk(sender)
        denom = self.denoms[wijk]
        income = kind in ("INTEREST", "CONTRIBUTION")
        moves[denom, "1", entry.reserve] += entry.cents if income else -entry.cents
        moves[denom, "8" if income else "9", wijk.encode()] += entry.cents
        return set() if (entry.side == "C") == income else {"I6"}

    def _sweep(self) -> Counter[Place]:
        """I8, C10: at the start of a block, expired holds return, the oldest five hundred."""
        moves: Counter[Place] = Counter()
        due = sorted((held.expires, hold_id) for hold_id, held in self.holds.items())
        for _, hold_id in [row for row in due if row[0] <= self.time_s][:500]:
            self._return(moves, self.holds.pop(hold_id))
        return moves

    def _return(self, moves: Counter[Place], held: Hold) -> None:
        moves[self._place(held.payer)[0], "5", held.payer] -= held.cents
        moves[self._place(held.payer)] += held.cents

    def _count(self, payer: bytes, payee: bytes, cents: int, tag: Any) -> None:
        """economy S1 to S5: what kind of accounts they are, and what the payee sells."""
        member = self._get("member", payee)
        made = None if member is None else member[10]
        (kind, wijk), (other, there) = (self._get("account", one)[:2] for one in (payer, payee))
        self.figures.pay(self.time_s, (wijk, kind), (there, other, made), cents, tag)

    def _mint(self, moves: Counter[Place], tx: bytes, fields: list[Any]) -> set[str]:
        entry_id, to, cents, cause, request = fields
        found: set[str] = set()
        denom = self.denoms[self._wijk(to)]
        own = self._wijk(to).encode()
        surplus = self.balances[denom, "8", own] - self.balances[denom, "9", own]
        if self._open_debits(denom) > surplus:
            found.add("I4")  # SHORT blocks minting
        found |= self._use(entry_id, tx, "C", cents)
        if cause == "RETURN":
            asked = self.requests.get(request)
            if asked is None or asked.cents != cents or request in self.returned:
                found.add("I5")
            self.returned.add(request)
        entry = self.entries.get(entry_id)
        if entry is not None:
            moves[denom, "1", entry.reserve] += cents
        self._receive(moves, to, cents, self._ids(tx))
        self.minted[denom] += cents
        return found

    def _receive(self, moves: Counter[Place], to: bytes, cents: int, ids: Any) -> None:
        """economy C8: what passes the limit of an account that empties itself is redeemed."""
        place = self._place(to)
        moves[place] += cents
        member = self._get("member", to)
        if member is not None and member[4] and member[3] < NO_LIMIT:
            excess = self.balances[place] + moves[place] - member[3]
            if excess > 0:
                self._ask(moves, to, min(excess, cents), next(ids))

    def _ask(self, moves: Counter[Place], account: bytes, cents: int, request: bytes) -> None:
        place = self._place(account)
        moves[place] -= cents
        moves[place[0], "3", account] += cents
        self.requests[request] = Request(place[0], account, cents)

    def _spend(self, basis: bytes | None, sender: bytes, total: int) -> set[str]:
        """I11: the fund pays on a decision that was carried out, and no more than it names."""
        decision = None if basis is None else self._get("decision", basis)
        if basis is None or decision is None:
            return {"I11"}
        self.spent[basis] += total
        wijk, cents, status = decision[0], decision[8], decision[9]
        fits = wijk == self._wijk(sender) and status == "EXECUTED" and self.spent[basis] <= cents
        return set() if fits else {"I11"}

    def _attest(self, fields: list[Any]) -> set[str]:
        """I7: a statement opens where the last closed, and its entries add up."""
        reserve, date, page, pages, opening, closing, entries = fields
        found: set[str] = set()
        if page == 1:
            self.pages[reserve] = []
        coming = self.pages.setdefault(reserve, [])
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
        if total != closing:
            found.add("I7")
        self.closing[reserve] = date, closing
        self.pages.pop(reserve)
        return found

    def _use(self, entry_id: bytes, tx: bytes, side: str, cents: int) -> set[str]:
        """I6: an entry of an accepted statement, used once, for what it says."""
        entry = self.entries.get(entry_id)
        if entry is None or entry_id in self.used:
            return {"I6"}
        self.used[entry_id] = tx
        return set() if (entry.side, entry.cents, entry.reversal) == (side, cents, 0) else {"I6"}

    # ------------------------------------------------------------------ what was posted

    def _post(
        self, postings: list[Any], wanted: Counter[Place], tx: bytes | None = None
    ) -> set[str]:
        """Book postings; say where they are not what the call moves, or not even."""
        found: set[str] = set()
        even: Counter[str] = Counter()
        moved: Counter[Place] = Counter()
        for leg, wijk, denom, klass, owner, side, cents, _, policy, _, corrects in postings:
            sign = 1 if side == "D" else -1
            even[denom] += sign * cents
            moved[denom, klass, owner] += sign * cents * (1 if klass in DEBIT else -1)
            self.lines[wijk] += 1
            if side == "D":
                self.debits[wijk] += cents
            else:
                self.credits[wijk] += cents
            if cents <= 0 or denom != self.denoms.get(wijk):
                found.add("I1")
            if corrects is not None and side == "D":
                self.corrected[corrects, denom] += cents
                if self.corrected[corrects, denom] > self.moved.get(corrects, Counter())[denom]:
                    found.add("I9")
            if (klass == "4") != (policy is not None) and klass == "4":
                found.add("I10")
            if klass in ("2", "7") and side == "D" and self._frozen(owner):
                found |= {"I12"} if not self._is_redeeming(postings, leg) else set()
        if any(even.values()):
            found.add("I1")
        if {k: v for k, v in moved.items() if v} != {k: v for k, v in wanted.items() if v}:
            found.add("I15")
        for place, cents in moved.items():
            self.balances[place] += cents
            if place[1] in OWED_BY_WIJK and self.balances[place] < 0:
                found.add("I3")
            if cents > 0 and place[1] == "2" and not self._within(place):
                found.add("I13")
        if tx is not None:
            self.moved[tx] = Counter()
            for row in postings:
                if row[5] == "D":
                    self.moved[tx][row[2]] += row[6]
        return found

    def _within(self, place: Place) -> bool:
        """I13: no account above its limit, nor above the wallet cap of its issuer."""
        member = self._get("member", place[2])
        limit = NO_LIMIT if member is None else member[3]
        cap = self.caps[self.issuer[place[0].partition(":")[0]]]["wallet_cap_cents"]
        return self.balances[place] <= min(limit, NO_LIMIT if cap is None else cap)

    def _frozen(self, account: bytes) -> bool:
        freeze = self._get("freeze", account)
        return freeze is not None and self.time_s < freeze[0]

    @staticmethod
    def _is_redeeming(postings: list[Any], leg: int) -> bool:
        return any(row[0] == leg and row[3] == "3" and row[5] == "C" for row in postings)

    # ------------------------------------------------------------------ sums

    def _weigh(self, denoms: set[str]) -> set[str]:
        """I2, I4, I5, I8, I10, I13 (total cap) and I14 for the denominations of a block."""
        found: set[str] = set()
        for denom in denoms:
            sums: Counter[str] = Counter()
            for (of, klass, _), cents in self.balances.items():
                if of == denom:
                    sums[klass] += cents
            if sum(c if k in DEBIT else -c for k, c in sums.items()):
                found.add("I2")
            outstanding = sum(sums[klass] for klass in OWED_BY_WIJK)
            surplus = sums["1"] + sums["6F"] - sums["6T"] - outstanding
            if surplus != sums["8"] - sums["9"] or surplus < 0:
                found.add("I4")
            coming, going = self.came_in[denom], self.went_out[denom]
            if outstanding != self.minted[denom] - self.paid_out[denom] + coming - going:
                found.add("I5")
            held = sum(
                hold.cents
                for hold in self.holds.values()
                if self.denoms[self._wijk(hold.payer)] == denom
            )
            if sums["5"] != held:
                found.add("I8")
            if sums["4"]:
                found.add("I10")
            figures = [self.minted[denom], self.paid_out[denom], coming, going]
            figures += [sums[klass] for klass in ("3", "1", "6F", "6T")]
            if any(figures) and self._get("supply", denom) != figures:
                found.add("I15")
        for (denom, klass, other), cents in self.balances.items():
            if klass == "6T":
                wijk = denom.partition(":")[0]
                mirror = self.denoms[other.decode()], "6F", wijk.encode()
                if self.balances[mirror] != cents:
                    found.add("I14")
        for code, row in self.caps.items():
            if row["total_cap_cents"] is not None:
                total = sum(
                    cents
                    for (denom, klass, _), cents in self.balances.items()
                    if klass in OWED_BY_WIJK and self.issuer[denom.partition(":")[0]] == code
                )
                if total > row["total_cap_cents"]:
                    found.add("I13")
        return found

    def _follow_bank(self, changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I6, I7: the open items of the state, and what the bank said against what was booked."""
        found: set[str] = set()
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "entry":
                held = self._get("entry", parts[0])
                own = self.entries.get(parts[0])
                if own is not None and (held[5] != self.used.get(parts[0]) or held[2] != own.cents):
                    found.add("I6")
            elif name == "reserve":
                reserve = parts[0]
                found |= self._compare_reserve(reserve, self._get("reserve", reserve))
        return found

    def _compare_reserve(self, reserve: bytes, held: list[Any]) -> set[str]:
        """economy I7: closing = bank(1) + open credits - open debits."""
        still = {"C": 0, "D": 0}
        for entry_id, entry in self.entries.items():
            if entry.reserve == reserve and entry_id not in self.used:
                still[entry.side] += entry.cents
        date, closing = self.closing[reserve]
        denom = self.denoms[held[0]]
        fits = closing == self.balances[denom, "1", reserve] + still["C"] - still["D"]
        same = [date, closing, still["C"], still["D"]] == [held[1], held[2], held[4], held[5]]
        return set() if fits and same else {"I7"}

    def _open_debits(self, denom: str) -> int:
        return sum(
            entry.cents
            for entry_id, entry in self.entries.items()
            if entry.side == "D"
            and entry_id not in self.used
            and self.denoms[self._get("reserve", entry.reserve)[0]] == denom
        )

    def _compare(self, touched: set[Place], changes: Mapping[bytes, bytes | None]) -> set[str]:
        """I15: the balances that the block wrote are those that its postings make."""
        found: set[str] = set()
        for denom, klass, owner in touched:
            name = owner.decode() if klass in ("6F", "6T", "8", "9") else owner
            cents = self.balances[denom, klass, owner]
            if self._get("bal", denom, klass, name) != (cents or None):
                found.add("I15")
        for key in changes:
            name, *parts = msgpack.unpackb(key)
            if name == "bal":
                denom, klass, owner = parts
                raw = owner.encode() if isinstance(owner, str) else owner
                if (denom, klass, raw) not in touched:
                    found.add("I15")
        return found

    # ------------------------------------------------------------------ reading

    def _write(self, changes: Mapping[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            self.trie.put(key, value)
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _get(self, *parts: Any) -> Any:
        raw = self.state.get(msgpack.packb(list(parts)))
        return None if raw is None else msgpack.unpackb(raw)

    def _wijk(self, account: bytes) -> str:
        return str(self._get("account", account)[1])

    def _class(self, account: bytes) -> str:
        return "7" if self._get("account", account)[0] == "BOARD" else "2"

    def _place(self, account: bytes) -> Place:
        return self.denoms[self._wijk(account)], self._class(account), account

    @staticmethod
    def _ids(tx: bytes) -> Any:
        """economy B11: the ids of the objects of one transaction, in order."""
        yield tx
        k = 0
        while True:
            k += 1
            yield sha256(tx + k.to_bytes(4, "big")).digest()


def parse_account(text: str) -> bytes:
    """Return the 20 bytes of a bech32m account id; its checksum is judged elsewhere."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{letters.index(letter):05b}" for letter in text.partition("1")[2][:-6])
    return int(bits[:160], 2).to_bytes(20, "big")


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
