"""The figures of a month once more, from economy section 9 alone; told each payment.

Money below zero takes a payment back, in the month of the payment (C18, S2).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]

from tests.audit.second_view import View

Cells = Counter[str]


class Figures:
    """Sums per wijk and month, and the root of the newest closed table of each."""

    def __init__(self) -> None:
        self.months: dict[tuple[str, int], Cells] = defaultdict(Counter)
        self.roots: dict[tuple[str, int], bytes] = {}

    def count(
        self,
        view: View,
        payer: tuple[str, str],
        payee: bytes,
        cents: int,
        tag: Any,
        date: int | None = None,
    ) -> None:
        """`payer` is (wijk, kind), a kind or POOL; `tag` as in the call; `date` a book date."""
        member = view.get("member", payee)
        made = None if member is None else member[10]
        kind, wijk = view.get("account", payee)[:2]
        month = (view.date if date is None else date) // 100
        self._pay(month, payer, (wijk, kind, made), cents, tag)

    def _pay(
        self,
        month: int,
        payer: tuple[str, str],
        payee: tuple[str, str, str | None],
        cents: int,
        tag: Any,
    ) -> None:
        """`payee` is (wijk, kind, what it sells)."""
        bought, sold = self.months[payer[0], month], self.months[payee[0], month]
        persons = ("PERSON", "HOUSEHOLD")
        if tag is None:
            gift = payer[1] in (*persons, "POOL") and payee[1] in persons
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
            if payer[1] == "POOL":
                use = "P3"  # a pool buys for residents
            elif market and use == "P3":
                use = "P2"
            sold["P1"] += cents
            sold["D21"] += vat if cents > 0 else -vat
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
