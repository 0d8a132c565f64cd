"""The shapes of economy section 6 once more: what a call lets out of a pool, or that it may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.audit.second_view import View, date_of, seconds_of

SET_ASIDE = ("escrow", "collective_buy")
ENDS = ("expiry", "sunset")  # guards that set a last date
ONLY, ALL = 1, 0


class Wrong(Exception):
    """The rules of the shape do not allow what was done."""


class Pool:
    """One policy: its rules as they were written, and the sums of its money in cents."""

    def __init__(self, policy: bytes, funder: bytes, fields: list[Any]) -> None:
        self.denom, self.shape, self.guards, self.split, *self.kept = fields
        self.id, self.funder, self.split = policy, funder, self.split or []
        self.status = "DRAFT"
        self.funded = self.spent = self.pending = self.returned = self.free = 0
        self.decided: bytes | None = None
        self.since = 0
        self.used: Counter[tuple[str, Any, int]] = Counter()  # counter, whose, period
        self.whose: Counter[bytes] = Counter()  # what is in it, by owner
        self.tokens: dict[bytes, list[int]] = {}  # period, used
        self.memory: dict[Any, Any] = {}  # of its shape: steps, numbers, pledges, payments cited

    @property
    def last(self) -> int | None:
        """The last book date (P4, P15)."""
        return min((rule[2] for rule in self.guards if rule[0] in ENDS), default=None)

    @property
    def heir(self) -> bytes | None:
        """Where free money goes then: to another policy, or home."""
        rules = [rule for rule in self.guards if rule[0] in ENDS and rule[2] == self.last]
        heir: bytes | None = rules[0][-1] if rules else None
        return heir

    def record(self) -> list[Any]:
        """What the state is to say of it."""
        sums = [self.funded, self.spent, self.pending, self.returned, self.free]
        head = [self.denom, self.funder, self.shape, self.guards, self.status]
        return [*head, *sums, self.split, *self.kept, self.decided, self.since]


class Work:
    """What was paid for work by all pools (P10, G17): timesheets, and by worker and month."""

    def __init__(self) -> None:
        self.sheets: set[bytes] = set()
        self.seconds: Counter[tuple[bytes, int]] = Counter()
        self.volunteer: Counter[tuple[bytes, int]] = Counter()  # cents
        self.other: Counter[tuple[bytes, int]] = Counter()

    def record(self, worker: bytes, month: int) -> list[int]:
        """What the state is to say of a month."""
        place = worker, month
        return [self.seconds[place], self.volunteer[place], self.other[place]]


class Act(NamedTuple):
    """What a call asks of a shape. `cited`: a payment to the payee, as (payer, cents, date)."""

    view: View
    tx: bytes
    sender: bytes
    payee: bytes
    cents: int
    number: Any = None
    token: bytes | None = None
    ref: bytes | None = None
    cited: tuple[bytes, int, int] | None = None
    qty: int | None = None
    work: Work = Work()  # of the whole chain; a claim is told it


class Payout(NamedTuple):
    """Cents from free and pending money of the pool and of `payer`; who gets pending back."""

    payee: bytes
    free: int = 0
    pending: int = 0
    own: int = 0
    payer: bytes = b""
    back: tuple[tuple[bytes, int], ...] = ()
    done: bool = False


def want(holds: object) -> None:
    if not holds:
        raise Wrong


def claim_plain(pool: Pool, act: Act) -> Payout:
    """P0: the funder says who is paid, or whoever shows a token that is in force."""
    date = act.view.date
    want(act.sender == pool.funder if act.token is None else act.token in pool.tokens)
    caps = [rule[6] for rule in pool.guards if rule[0] == "cap"]
    want(act.token is None or (caps and caps[0]))  # else no token spends it
    if act.token is not None:
        known = pool.tokens[act.token]
        want(known[0] in (0, date // 100, date // 10_000))
        known[1] += act.cents
    want(act.cents <= pool.free)
    return Payout(act.payee, free=act.cents)


def claim_benefit(pool: Pool, act: Act) -> Payout:
    """P3: part of a price, for whoever shows a token of this period."""
    _, _, _, mode, value, per_use, per_period, unit = pool.shape
    want(act.token in pool.tokens)
    known = pool.tokens[act.token or b""]
    date = act.view.date
    want(known[0] == {"MONTH": date // 100, "YEAR": date // 10_000, "TOTAL": 0}[unit])
    wanted = act.cents * value // 10_000 if mode == "BP" else value
    paid = min(wanted, act.cents, per_use, per_period - known[1], pool.free)
    want(paid > 0)
    known[1] += paid
    return Payout(act.payee, free=paid, own=act.cents - paid, payer=act.sender)


def release_milestone(pool: Pool, act: Act) -> Payout:
    """P6: a step is paid once its effect was measured, by whoever verifies it."""
    _, _, payee, steps = pool.shape
    want(1 <= act.number <= len(steps) and act.number not in pool.memory)
    indicator, op, target, worth, verifier, due = steps[act.number - 1]
    date = act.view.date
    want(act.sender == verifier and act.cents == worth <= pool.free and date <= due)
    for earlier, step in enumerate(steps[: act.number - 1], start=1):
        want(earlier in pool.memory or date > step[5])
    measured = act.view.get("measured", indicator) or ()
    want(any(d <= due and (v >= target if op == "GE" else v <= target) for d, v in measured))
    pool.memory[act.number] = act.cents
    return Payout(payee, free=act.cents)


def fund_escrow(pool: Pool, act: Act) -> None:
    want(act.qty is None)
    pool.memory.setdefault("since", act.view.time_s)
    pool.memory["said"] = {}


def claim_escrow(pool: Pool, act: Act) -> Payout:
    """P7: the payee marks the delivery."""
    want(act.sender == act.payee == pool.shape[3] and act.cents == 0 and "since" in pool.memory)
    want("delivered" not in pool.memory)
    pool.memory["delivered"] = act.view.time_s
    return Payout(act.payee)


def release_escrow(pool: Pool, act: Act) -> Payout:
    """P7: paid when the payer agrees, when m arbiters say so, or when time has decided."""
    _, _, payer, payee, arbiters, most, release_after, refund_after = pool.shape
    memory, everything, sender, cents = pool.memory, pool.pending, act.sender, act.cents
    want(act.number == ONLY and "since" in memory and 0 <= cents <= everything > 0)
    same = {who for who, what in memory["said"].items() if what == cents} | {sender}
    agreed = len(same & set(arbiters)) >= most and sender in arbiters
    agreed |= sender == payer and (cents == everything or payee in same)
    agreed |= sender == payee and (cents == 0 or payer in same)
    now = act.view.time_s
    if "delivered" in memory:
        late = now >= memory["delivered"] + release_after
        agreed |= late and "disputed" not in memory and cents == everything
    else:
        agreed |= now >= memory["since"] + refund_after and cents == 0
    if agreed:
        memory.clear()
        back = ((pool.funder, everything - cents),) if cents < everything else ()
        return Payout(payee, pending=cents, back=back, done=True)
    want(sender == payer or sender in arbiters)
    if sender in arbiters or cents < everything:
        memory["disputed"] = True
    memory["said"][sender] = cents
    return Payout(payee)


def fund_together(pool: Pool, act: Act) -> None:
    tiers, deadline, most = pool.shape[5:8]
    pledges = pool.memory.setdefault("pledges", [])
    want(act.qty and act.cents == act.qty * tiers[0][1])
    want(act.view.date <= deadline and len(pledges) < most)
    pledges.append((act.tx, act.sender, act.qty, act.cents))


def release_together(pool: Pool, act: Act) -> Payout:
    """P8: after the deadline all are posted at the price of the last tier reached, or all void."""
    supplier, min_buyers, min_cents, tiers, deadline, _ = pool.shape[2:8]
    pledges = sorted(pool.memory.get("pledges", ()))
    want(act.number == ALL and act.view.date > deadline and pledges)
    pieces = sum(qty for _, _, qty, _ in pledges)
    units = [unit for at_least, unit in tiers if at_least <= pieces]
    buyers = len({buyer for _, buyer, _, _ in pledges})
    unit = units[-1] if units else 0
    left = act.view.get("account", supplier)[2] == "LEFT"
    if left or buyers < min_buyers or pieces * unit < min_cents:
        unit = 0
    want(act.cents == pieces * unit)
    back = tuple((buyer, held - qty * unit) for _, buyer, qty, held in pledges)
    pool.memory.clear()
    rest = tuple((buyer, cents) for buyer, cents in back if cents)
    return Payout(supplier, pending=act.cents, back=rest, done=True)


def claim_match(pool: Pool, act: Act) -> Payout:
    """P11: so much on top of one payment to the target, each payment once."""
    _, _, target, num, den, per_payment, max_total, first, last = pool.shape
    want(act.cited is not None and act.payee == target and act.ref not in pool.memory)
    payer, given, date = act.cited or (b"", 0, 0)
    want(payer != pool.funder and first <= date <= last and act.cents == given)
    left = max_total - sum(pool.memory.values())
    wanted = min(given * num // den, per_payment, left)
    added = min(wanted, pool.free)
    if added or not wanted:  # an empty pool uses up no payment
        pool.memory[act.ref] = added
    return Payout(target, free=added)


def claim_recurring(pool: Pool, act: Act) -> Payout:
    """P12: number i from the payer's own coin, once, on or after its day."""
    _, _, payer, to, each, unit, first, most = pool.shape
    number = act.number
    want(act.sender == act.payee == to and act.cents == each and isinstance(number, int))
    want(number < most and number not in pool.memory)
    want(act.view.date >= due(first, unit, number))
    pool.memory[number] = act.cents
    return Payout(to, own=act.cents, payer=payer)


def claim_payroll(pool: Pool, act: Act) -> Payout:
    """P10: a timesheet that enough others attested, at the voted price of the day of the work."""
    view, work = act.view, act.work
    _, _, valuations, most_s, tax_kind, attestors, min_attestors = pool.shape
    sheet = view.get("sheet", act.ref or b"") or []
    engaged = view.get("engagement", sheet[0]) if sheet else None
    want(engaged is not None and act.ref not in work.sheets)
    engaged = engaged or []
    _, day, claimed, unpaid, _, attested, status = sheet
    employer, worker, valuation, version = engaged[:4]
    want(act.payee == worker and act.sender in (worker, employer, pool.funder))
    no_say = (worker, employer, pool.funder)
    said = [s for who, s in attested if who in attestors and who not in no_say]
    want(status == "ATTESTED" and len(said) >= min_attestors and not unpaid)
    want(valuation in valuations and engaged[7] == tax_kind)
    in_force = [
        (number, row[3])
        for number, row in enumerate(view.get("reg", "VALUATION", valuation) or (), start=1)
        if row[0] <= day and (row[1] == 0 or day < row[1])
    ]
    want(in_force and in_force[-1][0] == version and in_force[-1][1][2] == "HOUR")
    rate, seconds, month = in_force[-1][1][1], min(*said, claimed), view.date // 100
    used = pool.memory.get((worker, month), 0)
    want(used + seconds <= most_s)
    pay = (2 * rate * seconds + 3_600) // 7_200
    if tax_kind == "VOLUNTEER":
        member = view.get("member", worker)
        hour, in_month, in_year = (0, 0, 0) if member is None else member[5:8]
        year = sum(work.volunteer[worker, month // 100 * 100 + m] for m in range(1, 13))
        want(rate <= hour and work.volunteer[worker, month] + pay <= in_month)
        want(year + pay <= in_year)
    want(act.cents == pay <= pool.free)
    pool.memory[worker, month] = used + seconds
    work.sheets.add(act.ref or b"")
    work.seconds[worker, month] += seconds
    (work.volunteer if tax_kind == "VOLUNTEER" else work.other)[worker, month] += pay
    return Payout(worker, free=pay)


def due(first: int, unit: str, number: int) -> int:
    """The same day of the month, else its last day."""
    if unit == "WEEK":
        return date_of(seconds_of(first) + 7 * 86_400 * number)
    months = first // 100 % 100 - 1 + (number if unit == "MONTH" else 12 * number)
    month = (first // 10_000 + months // 12) * 100 + months % 12 + 1
    after = month + 1 if month % 100 < 12 else month + 89
    last = date_of(seconds_of(after * 100 + 1) - 86_400)
    return min(month * 100 + first % 100, last)


FUND: dict[str, Callable[[Pool, Act], None]] = {
    "escrow": fund_escrow,
    "collective_buy": fund_together,
}
CLAIM: dict[str, Callable[[Pool, Act], Payout]] = {
    "claim": claim_plain,
    "benefit": claim_benefit,
    "escrow": claim_escrow,
    "match": claim_match,
    "payroll": claim_payroll,
    "recurring": claim_recurring,
}
RELEASE: dict[str, Callable[[Pool, Act], Payout]] = {
    "milestone": release_milestone,
    "escrow": release_escrow,
    "collective_buy": release_together,
}
