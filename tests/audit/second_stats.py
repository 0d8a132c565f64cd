"""The figures of a month once more, from economy section 9 alone; told each payment."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]

OFFSET_S = 3_600
Cells = Counter[str]


class Figures:
    """Sums per wijk and month, and the root of the newest closed table of each."""

    def __init__(self) -> None:
        self.months: dict[tuple[str, int], Cells] = defaultdict(Counter)
        self.roots: dict[tuple[str, int], bytes] = {}

    def pay(
        self,
        time_s: int,
        payer: tuple[str, str],
        payee: tuple[str, str, str | None],
        cents: int,
        tag: Any,
    ) -> None:
        """`payer` is (wijk, kind), `payee` (wijk, kind, what it sells); `tag` as in the call."""
        month = month_of(time_s)
        bought, sold = self.months[payer[0], month], self.months[payee[0], month]
        persons = ("PERSON", "HOUSEHOLD")
        if tag is None:
            gift = payer[1] in persons and payee[1] in persons
            tag = ["GIFT" if gift else "SALE", None, None, 0]
        flow, use, product, vat = tag
        market = payer[1] == "BUSINESS"
        if flow == "WORK":
            bought["D1"] += cents
            if not market:
                bought["P1"] += cents
                bought["P3"] += cents
        elif flow == "TAX":
            bought["TAX"] += cents
        elif flow == "SUBSIDY":
            sold["D31"] += cents
        elif flow == "SALE":
            use = use or ("P3" if payer[1] in persons else "P2")
            if market and use == "P3":
                use = "P2"
            sold["P1"] += cents
            sold["D21"] += vat
            bought[use] += cents
            if payer[0] == payee[0]:
                sold[f"S:{payee[2] or '-'}"] += cents
                sold[f"B:{product or '-'}"] += cents
            else:
                sold[f"P6:{payer[0]}"] += cents
                bought[f"P7:{payee[0]}"] += cents
            if use == "P2" and not market and payer[1] not in persons:
                bought["P1"] += cents
                bought["P3"] += cents

    def close(self, wijk: str, month: int) -> list[Any]:
        """Return [previous root, root, cells] of the table that closing makes."""
        cells = [[name, c] for name, c in sorted(self.months[wijk, month].items()) if c]
        before = month - 1 if month % 100 > 1 else month - 89
        previous = self.roots.get((wijk, before), bytes(32))
        root = sha256(msgpack.packb(["wijk.table.1", wijk, month, previous, cells])).digest()
        self.roots[wijk, month] = root
        return [previous, root, cells]


def month_of(time_s: int) -> int:
    moment = datetime.fromtimestamp(time_s + OFFSET_S, UTC)
    return moment.year * 100 + moment.month
