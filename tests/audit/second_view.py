"""What the second program reads of a chain: genesis, and the state after the block before.

Keys and values are decoded generically, from interfaces 5.5 alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_trie import Trie

Place = tuple[str, str, bytes]  # denomination, class, owner
NO_LIMIT = 10**13
OFFSET_S = 3_600  # economy B9, where genesis does not say otherwise
DAY_S = 86_400


class View:
    """State, and what genesis fixes: denominations, offices, issuers and their caps."""

    def __init__(self, genesis: bytes, state: Mapping[bytes, bytes]) -> None:
        self.document = document = json.loads(genesis)
        self.digest = sha256(genesis).digest()
        self.trie = Trie()
        self.state: dict[bytes, bytes] = {}
        self.write(state)
        wijken = document["wijken"]
        self.denoms = {row["slug"]: row["coin"]["denom"] for row in wijken}
        self.treasury = {row["slug"]: parse_account(row["treasury"]) for row in wijken}
        self.board = {row["slug"]: parse_account(row["board"]) for row in wijken}
        self.registrar = {row["slug"]: parse_account(row["registrar"]) for row in wijken}
        self.issuer = {row["slug"]: row["issuer"] for row in wijken}
        self.caps = {row["code"]: row for row in document["issuers"]}
        self.offset_s = document["params"].get("date_offset_s", OFFSET_S)
        self.time_s = 0

    @property
    def date(self) -> int:
        """The book date of the block, YYYYMMDD (economy B9)."""
        return date_of(self.time_s + self.offset_s)

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            self.trie.put(key, value)
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def get(self, *parts: Any) -> Any:
        raw = self.state.get(msgpack.packb(list(parts)))
        return None if raw is None else msgpack.unpackb(raw)

    def wijk(self, account: bytes) -> str:
        return str(self.get("account", account)[1])

    def kind(self, account: bytes) -> str:
        return str(self.get("account", account)[0])

    def place(self, account: bytes) -> Place:
        """Where the own coin of an account stands: that of a board is the wijk's fund."""
        kind, wijk = self.get("account", account)[:2]
        return self.denoms[wijk], "7" if kind == "BOARD" else "2", account

    def limit(self, account: bytes) -> int:
        """What an account may hold: its own limit and the wallet cap of its issuer (C7, C8)."""
        member, record = self.get("member", account), self.get("account", account)
        if record is None:
            return 0  # nobody is there to hold anything
        kind, wijk = record[:2]
        limit = NO_LIMIT if member is None else int(member[3])
        cap = self.caps[self.issuer[wijk]]["wallet_cap_cents"]
        return limit if cap is None or kind == "BOARD" else min(limit, cap)


def date_of(seconds: int) -> int:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.year * 10_000 + moment.month * 100 + moment.day


def seconds_of(date: int) -> int:
    """Return the first second of a date, UTC."""
    day = datetime(date // 10_000, date // 100 % 100, date % 100, tzinfo=UTC)
    return int(day.timestamp())


def make_ids(first: bytes) -> Iterator[bytes]:
    """economy B11: the ids of the objects of one transaction, in order."""
    yield first
    k = 0
    while True:
        k += 1
        yield sha256(first + k.to_bytes(4, "big")).digest()


def parse_account(text: str) -> bytes:
    """Return the 20 bytes of a bech32m account id; its checksum is judged elsewhere."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    bits = "".join(f"{letters.index(letter):05b}" for letter in text.partition("1")[2][:-6])
    return int(bits[:160], 2).to_bytes(20, "big")
