"""`audit report`: what a funder's policies did, as files (economy X6, G19, ADR 0100).

The chain is executed again; figures come from its postings and agree with its state to the cent.
They are kinds, areas and effects, never persons: cells follow G7 (`audit/small_cells.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from audit.findings import Broken
from audit.policy_effects import describe_effects
from audit.policy_files import POOL_UNITS, write_report
from audit.policy_terms import describe_terms
from audit.replay import BooksBroken, Replay, replay
from audit.small_cells import (
    Item,
    Items,
    close_runs,
    count_contributors,
    divide_all,
    is_large,
    join_runs,
    round_cents,
    round_count,
)
from audit.sources import Source
from audit.state_view import StateView
from audit.verify import check_trusted
from chain import crypto
from chain.address import account_text
from chain.books import POOL
from chain.codec import decode
from chain.contract import Clock
from chain.dates import date_text, from_days, to_days
from chain.execute import Executed
from chain.genesis import load_genesis
from chain.keyspaces import (
    ACCOUNTS,
    ASSOCIATION,
    BALANCES,
    BOARD,
    BUSINESS,
    INSTITUTION,
    MEMBERS,
    ROLE,
    WIJKEN,
    Member,
)
from chain.records import Header, Outcome, Posting, Tag, Tx
from chain.state import State
from chain.texts import Problem
from chain.validators import Verify
from contracts.policies import POLICIES, Policy, get_shape
from contracts.policies.frame import QUARTER, TOKENS, USED, Used, get_period
from contracts.policies.p10_payroll import COUNTER as WORK_COUNTER
from contracts.policies.p10_payroll import Payroll
from contracts.policies.p12_recurring import Recurring
from contracts.policy import Claim

ORGANISATIONS = (BUSINESS, INSTITUTION, ASSOCIATION, BOARD, ROLE)  # others may be one person
# Payments that say nothing of it; cells that are not shown apart. Neither can be a code.
NONE, REST = "?", "*"
QUARTERS, HOUR_S = 4, 3_600
TABLES = ("flows", "categories", "areas", "lines")
PAID, RELEASED = "policy.PolicyPaid", "policy.PolicyReleased"
NOT_FOUND = 3007
POLICY_KEYS = POLICIES.key(bytes(32))[:-32]  # what the keys of all policies begin with

Json = dict[str, Any]


class Reported(msgspec.Struct, frozen=True):
    """The object that the command prints, and why in words where the chain is not sound."""

    tree: Json
    why: str | None
    broken: tuple[str, ...] = ()


class Sums(msgspec.Struct):
    """What postings say of a policy, in cents; `direct`: own coin of the funder (P12)."""

    funded: int = 0
    spent: int = 0
    returned: int = 0
    direct: int = 0


class Gathered:
    """What the chain says of the policies that were asked for, gathered while it is executed."""

    def __init__(self, wanted: str) -> None:
        self.items: dict[bytes, Items] = defaultdict(list)
        self.work: dict[bytes, Items] = defaultdict(list)  # seconds in place of cents (P10)
        self.sums: dict[bytes, Sums] = defaultdict(Sums)
        # By quarter, YYYYQ, as it left them; a quarter in which nothing changed has none.
        self.pools: dict[bytes, dict[int, Policy]] = defaultdict(dict)
        self.date = 0  # the book date of the newest block, YYYYMMDD
        self.header: Header | None = None
        self._wanted = wanted
        self._worked: dict[tuple[bytes, bytes], Used] = {}

    def is_wanted(self, policy_id: bytes, policy: Policy) -> bool:
        """Say whether a policy was asked for: by its id, or by the account of its funder."""
        return self._wanted in (policy_id.hex(), account_text(policy.funder))

    def add_block(self, run: Replay, header: Header, executed: Executed) -> None:
        """Take what a block did."""
        state = State(run.state.get)
        time_s = header.time_ms // 1000
        self.header = header
        self.date = Clock(run.chain, state, header.height, time_s).book_date
        for outcome in executed.start:
            self._take(state, time_s, outcome, None)
        for outcome, tx in zip(executed.outcomes, run.txs, strict=True):
            self._take(state, time_s, outcome, tx)
        self._keep_pools(executed.changes)

    def _keep_pools(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Note policies as this block left them, for its quarter."""
        quarter = get_period(self.date, QUARTER)
        for key, value in changes.items():
            if value is None or not key.startswith(POLICY_KEYS):
                continue
            policy_id, policy = key[-32:], decode(POLICIES.kind, value)
            if self.is_wanted(policy_id, policy):
                self.pools[policy_id][quarter] = policy

    def _take(self, state: State, time_s: int, outcome: Outcome, tx: Tx | None) -> None:
        claimed, released = _find_calls(outcome)
        for debit, credit in zip(outcome.postings[::2], outcome.postings[1::2], strict=True):
            if credit.klass == POOL:
                self._sums_of(state, credit.owner).funded += credit.cents
            policy_id = debit.owner if debit.klass == POOL else debit.policy
            if policy_id is None or (debit.klass != POOL and credit.klass == POOL):
                continue  # no money of a policy, or money that goes into one
            policy = self._find(state, policy_id)
            if policy is None:
                continue
            sums = self.sums[policy_id]
            is_direct = debit.klass != POOL and isinstance(policy.shape, Recurring)
            if is_direct:
                sums.direct += debit.cents
            elif debit.klass != POOL:
                continue  # what a buyer pays beside the pool (P3) is no money of the funder
            elif policy_id in claimed or (policy_id in released and debit.tag is None):
                sums.spent += debit.cents
            else:  # releases give back what is not paid; all other calls give back all they move
                sums.returned += debit.cents
                continue
            asker = token = None
            if tx is not None and policy_id in claimed:
                asker = tx.sender if tx.sender != policy.funder else None
                token = _find_token(state, tx.call)
            line = claimed.get(policy_id) or NONE
            item = _make_item(state, time_s, self.date, credit, asker, token, line)
            self.items[policy_id].append(item)
            if isinstance(policy.shape, Payroll):
                self._take_work(state, policy_id, item)

    def _sums_of(self, state: State, policy_id: bytes) -> Sums:
        return self.sums[policy_id] if self._find(state, policy_id) is not None else Sums()

    def _take_work(self, state: State, policy_id: bytes, item: Item) -> None:
        """Note the seconds that a worker was paid for since the last time (P10)."""
        place = (policy_id, item.payee or b"")
        now = USED.get(state, policy_id, WORK_COUNTER, place[1])
        before = self._worked.get(place)
        if now is None:
            return
        same = before is not None and before.period == now.period
        seconds = now.count - (before.count if same and before is not None else 0)
        self._worked[place] = now
        if seconds:
            worked = msgspec.structs.replace(item, cents=seconds, asker=None)
            self.work[policy_id].append(worked)

    def _find(self, state: State, policy_id: bytes) -> Policy | None:
        policy = POLICIES.get(state, policy_id)
        return policy if policy is not None and self.is_wanted(policy_id, policy) else None


def _find_calls(outcome: Outcome) -> tuple[dict[bytes, str | None], set[bytes]]:
    """Return the policies that an order claimed from, with the line it named, and released from."""
    claimed: dict[bytes, str | None] = {}
    released: set[bytes] = set()
    for notice in outcome.notices:
        if notice.name == PAID:
            policy_id, *_, line = decode(list[Any], notice.values)
            claimed[policy_id] = line
        elif notice.name == RELEASED:
            released.add(decode(list[Any], notice.values)[0])
    return claimed, released


def _find_token(state: State, call: Any) -> bytes | None:
    """Return the key of the enrolled token that a claim showed (P3); one not enrolled is nobody."""
    if not isinstance(call, Claim) or call.token is None:
        return None
    enrolled = TOKENS.get(state, call.policy, call.token.key)
    return None if enrolled is None else call.token.key


def _make_item(
    state: State,
    time_s: int,
    date: int,
    credit: Posting,
    asker: bytes | None,
    token: bytes | None,
    line: str,
) -> Item:
    member = MEMBERS.get(state, credit.owner)
    marks = (
        _name_flow(credit.tag),
        _name_category(credit.tag, member),
        _name_area(state, credit.wijk, member, time_s),
        line,
    )
    return Item(
        credit.cents,
        date // 100,
        marks,
        asker,
        credit.owner,
        asker is not None and _may_be_person(state, asker),
        _may_be_person(state, credit.owner),
        token,
    )


def _may_be_person(state: State, account_id: bytes) -> bool:
    account = ACCOUNTS.get(state, account_id)
    return account is None or account.kind not in ORGANISATIONS


def _name_flow(tag: Tag | None) -> str:
    """Return flow and use of a tag, `SALE/P3` (economy S1)."""
    if tag is None:
        return NONE
    return tag.flow if tag.use is None else f"{tag.flow}/{tag.use}"


def _name_category(tag: Tag | None, member: Member | None) -> str:
    """Return what was bought: as the payment says, else as its payee does, else the payee's trade
    (economy P2, S1).
    """
    if tag is not None and tag.product is not None:
        return tag.product
    if member is None:
        return NONE
    if member.out_product is not None:
        return member.out_product
    return NONE if member.nace is None else "N" + member.nace[0]


def _name_area(state: State, wijk_id: str, member: Member | None, time_s: int) -> str:
    """Return the one area that all places of a payee in force lie in, else that of its membership,
    else its wijk (economy P1, G8). Payment accounts of persons carry none (G4).
    """
    wijk = WIJKEN.get(state, wijk_id)
    assert wijk is not None, "an account belongs to a wijk that exists"
    codes = set()
    if member is not None:
        codes = {code for code, _, until in member.places if until is None or time_s < until}
    if len(codes) == 1:
        return codes.pop()
    if not codes and member is not None and member.area is not None:
        return member.area
    return wijk.cbs_code


# ---------------------------------------------------------------------------------- the figures


def report(
    source: Source,
    home: Path,
    out: Path,
    wanted: str,
    *,
    check: Verify = crypto.verify,
    on_block: Callable[[int, int], None] = lambda _height, _last: None,
) -> Reported:
    """Verify the chain of `source` and write the report of a funder or of one policy into `out`.

    `wanted` is an account id or the id of a policy. Raise `Malformed` where it is not the chain
    that `home` trusts, or cannot be read; `Problem` 3007 where it has no such policy.
    """
    genesis = load_genesis(source.read_genesis())
    check_trusted(home, genesis)
    last = source.read_height()
    gathered = Gathered(wanted)
    found: list[Json] = []
    done = replay(
        genesis,
        source.read_blocks(1, last),
        verify=check,
        on_block=lambda height: on_block(height, last),
        on_executed=gathered.add_block,
        on_end=lambda run: found.extend(tell_policies(run, gathered)),
    )
    if not done.ok:
        return Reported({}, f"block {done.first_bad}: {done.why}", done.broken)
    header = gathered.header
    if not found or header is None:
        raise Problem(NOT_FOUND, what=wanted)
    checkpoint = {
        "height": header.height,
        "at_s": header.time_ms // 1000,
        "book_on": date_text(gathered.date),
        "log_size": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
    }
    names = write_report(out, genesis.doc.chain_id, genesis.digest, checkpoint, found)
    return Reported({"dir": str(out), "policies": len(found), **names}, None)


def tell_policies(run: Replay, gathered: Gathered) -> Iterator[Json]:
    """Yield what is reported of each policy, by id. Raise `BooksBroken` where sums do not agree."""
    view = StateView(run.state)
    for (policy_id,), policy in sorted(view.rows(POLICIES), key=lambda row: row[0]):
        if not gathered.is_wanted(policy_id, policy):
            continue
        _check_sums(policy_id, policy, gathered.sums[policy_id], view)
        periods = [
            tell_period(period, items, gathered.work[policy_id])
            for *period, items in _close_periods(gathered.items[policy_id], gathered.date)
        ]
        yield {
            "policy": policy_id.hex(),
            **describe_terms(run.state.get, policy_id, policy, gathered.date),
            "pool": tell_pool(gathered, policy_id, periods),
            "periods": periods,
            "effects": describe_effects(view, policy_id, policy, gathered.date),
        }


def _check_sums(policy_id: bytes, policy: Policy, sums: Sums, view: StateView) -> None:
    """Hold what was booked against the state: the equation of the pool, to the cent (I10)."""
    held = view.get(BALANCES, policy.denom, POOL, policy_id) or 0
    parts = policy.spent + policy.pending + policy.returned + policy.free
    agree = (
        policy.funded == parts
        and (sums.funded, sums.spent, sums.returned)
        == (policy.funded, policy.spent, policy.returned)
        and held == policy.pending + policy.free
    )
    if not agree:
        raise BooksBroken([Broken("I10", f"policy {policy_id.hex()}: {sums} is not {policy}")])


def tell_pool(gathered: Gathered, policy_id: bytes, periods: Sequence[Json]) -> Json:
    """Return the pool as the last period that is shown left it, rounded; all None where none is.

    What it has now would tell, less what is shown, of the few payments since (economy G7). What
    lies aside or went back may be of one resident, so the rest is one figure; and where residents
    fund a pool, what they put in is not shown at all.
    """
    if not periods:
        return {"on": None, **dict.fromkeys(POOL_UNITS)}
    last = periods[-1]["to_on"]
    kept = gathered.pools[policy_id]
    policy = kept[max(quarter for quarter in kept if date_text(_end_of(quarter)) <= last)]
    paid = sum(
        item.cents
        for item in gathered.items[policy_id]
        if date_text(_end_of(_get_quarter(item))) <= last
    )
    own = not get_shape(policy.shape).pledged
    cents = (
        policy.funded if own else None,
        policy.spent,
        policy.funded - policy.spent if own else None,
        paid - policy.spent,  # all that is paid and did not come from the pool (P12)
    )
    units = (None if one is None else round_cents(one) for one in cents)
    return {"on": last, **dict(zip(POOL_UNITS, units, strict=True))}


def _close_periods(items: Items, today: int) -> list[tuple[int, int, Items]]:
    """Return the periods of a policy: whole quarters that are over, joined while they are small.

    What is in none yet waits for the next quarter. Later payments change no period, so two reports
    of one policy never differ in what both show.
    """
    now = get_period(today, QUARTER)
    over = [item for item in items if _get_quarter(item) < now]
    runs, _ = close_runs(over, _get_quarter)
    return runs


def _get_quarter(item: Item) -> int:
    return get_period(item.month * 100 + 1, QUARTER)


def tell_period(period: Sequence[int], items: Items, work: Items) -> Json:
    """Return the figures of a period: quarters, both included, YYYYQ."""
    first, last = period
    tables = divide_all(items, TABLES)
    worked = [item for item in work if first <= _get_quarter(item) <= last]
    hours = round_count(sum(item.cents for item in worked) // HOUR_S) if is_large(worked) else None
    return {
        "from_on": date_text(_start_of(first)),
        "to_on": date_text(_end_of(last)),
        **_tell_cell(items),
        "work_hours": hours,
        "months": [
            {"from": _month_text(start), "to": _month_text(end), **_tell_cell(cell)}
            for start, end, cell in join_runs(items, lambda item: item.month)
        ],
        **{
            name: [{"name": mark or REST, **_tell_cell(cell)} for mark, cell in cells]
            for name, cells in tables.items()
        },
    }


def _tell_cell(items: Items) -> Json:
    """Return amount, payments and accounts of a cell that may be shown, rounded (economy G7)."""
    return {
        "units": round_cents(sum(item.cents for item in items)),
        "payments": round_count(len(items)),
        "accounts": round_count(count_contributors(items)),
    }


def _start_of(quarter: int) -> int:
    return quarter // 10 * 10_000 + (quarter % 10 * 3 - 2) * 100 + 1


def _end_of(quarter: int) -> int:
    """Return the last day of a quarter: the day before the next one begins."""
    year, number = divmod(quarter, 10)
    after = quarter + 1 if number < QUARTERS else (year + 1) * 10 + 1
    return from_days(to_days(_start_of(after)) - 1)


def _month_text(month: int) -> str:
    return f"{month // 100:04}-{month % 100:02}"
