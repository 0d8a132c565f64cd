"""The register: what work is worth, themes, plans, programmes, offers, mandates (economy N2..N33).

An object has versions that only grow; whoever uses one cites object and version in force. Prices
and themes change by vote alone, and so do the budget lines of a plan: without a vote a board writes
goals, not money (I11, E35).
"""

from typing import Any, Literal

import msgspec

from chain.codec import Account, Digest, Record, decode
from chain.contract import Call, Context, Contract, Word, get_account
from chain.dates import is_date
from chain.errors import Code, Reject, require
from chain.keyspaces import ACTIVE, DECISIONS, INSTITUTION, MUNICIPALITY, get_role
from chain.plans import (
    CITY_MANDATE,
    DEPTH_MAX,
    PLAN,
    PROGRAMME,
    TASK_OFFER,
    VOTED_LINES,
    CityMandate,
    Date,
    Plan,
    Programme,
    TaskOffer,
    Theme,
    VotedLine,
    compute_year_cents,
    get_version_in_force,
    note_budget,
)
from chain.state import Keyspace
from chain.text_rules import is_code, is_nace, is_product
from chain.votes import BUDGET, EXECUTED, ORDINARY, STATUTES
from chain.work import (
    REGISTER,
    THEME,
    USES,
    VALUATION,
    RegisterVersion,
    Valuation,
    cite,
    register,
)

Kind = Literal["VALUATION", "THEME", "PROGRAMME", "PLAN", "TASK_OFFER", "CITY_MANDATE"]
UNITS = ("HOUR", "PIECE", "KM", "VISIT")
CLASSES = ("MARKET", "SOCIAL", "CARE", "OWN_DEV")  # of valued work (economy N2)
# All versions of an object are one value of the state, written anew with each. Votes come seldom;
# whoever needs none makes a new object after so many, eight years of a change every month.
VERSIONS_MAX = 100


class RegisterOwner(Record, frozen=True):
    """`regowner/<object>`: the wijk and kind of an object, and the account that made it."""

    wijk: str
    kind: str
    account: Account


OWNERS: Keyspace[RegisterOwner] = Keyspace("regowner", RegisterOwner, 1)
# `activity/<wijk>/<code>`: the one valuation of an activity.
ACTIVITIES: Keyspace[bytes] = Keyspace("activity", Digest, 2)


class ValuationRecord(Valuation, frozen=True, tag="VALUATION"):
    """N2: a price per unit of an activity, in cents."""


class ThemeRecord(Theme, frozen=True, tag="THEME"):
    """N33: a theme with its milestones."""


class ProgrammeRecord(Programme, frozen=True, tag="PROGRAMME"):
    """N9: a programme with its tasks."""


class PlanRecord(Plan, frozen=True, tag="PLAN"):
    """N24: a goal of the yearly plan."""


class TaskOfferRecord(TaskOffer, frozen=True, tag="TASK_OFFER"):
    """N30: tasks that an institution offers."""


class CityMandateRecord(CityMandate, frozen=True, tag="CITY_MANDATE"):
    """N31: what the municipality lets the wijk do."""


AnyRecord = (
    ValuationRecord
    | ThemeRecord
    | ProgrammeRecord
    | PlanRecord
    | TaskOfferRecord
    | CityMandateRecord
)


class Put(Record, frozen=True, tag="registry.put"):
    """Add a version to an object, or make one; `decision` is what a programme rests on."""

    kind: Kind
    object: Digest | None
    record: AnyRecord
    valid_from: Date
    decision: Digest | None


class Retire(Record, frozen=True, tag="registry.retire"):
    """End the version in force on a book date."""

    kind: Kind
    object: Digest
    from_date: Date = msgspec.field(name="from")


WORDS: dict[str, tuple[Word, ...]] = {
    VALUATION: (Word.EFFECT,),
    THEME: (Word.EFFECT,),
    PLAN: (Word.BOARD, Word.EFFECT),
    PROGRAMME: (Word.BOARD,),
    TASK_OFFER: (Word.HOLDER,),
    CITY_MANDATE: (Word.HOLDER,),
}


def get_words(call: Put | Retire) -> tuple[Word, ...]:
    """Return the authority words of a kind (economy section 4)."""
    return WORDS[call.kind]


def get_classes(call: Put | Retire) -> tuple[str, ...]:
    """Return the classes of decision that may carry this call: money needs a budget vote."""
    return (BUDGET,) if call.kind == PLAN else (ORDINARY, STATUTES)


def get_budget(call: Put | Retire) -> int:
    """Return what the call lets the fund of the wijk spend in a year, in cents."""
    is_plan = isinstance(call, Put) and isinstance(call.record, PlanRecord)
    return compute_year_cents(call.record) if is_plan else 0  # type: ignore[union-attr, arg-type]


def put(ctx: Context, call: Put) -> None:
    """economy N2, N9, N24, N30, N31, N33. Refuses role, unknown-id, no-decision, back-dated,
    schema, no-additionality, mandate.
    """
    _check_sender(ctx, call.kind)
    name = call.object
    owner = None if name is None else _require_owner(ctx, call.kind, name)
    decision = _get_decision(ctx, call)
    versions = () if name is None else REGISTER.get(ctx.state, call.kind, name) or ()
    _check_date(ctx, call.valid_from, versions)
    require(type(call.record) is _RECORDS[call.kind], Code.REGISTRY_SCHEMA, field="kind")
    _CHECKS[call.kind](ctx, call, versions)
    _require(ctx.decision is not None or len(versions) < VERSIONS_MAX, "versions")

    if name is None:
        name = ctx.new_id()
    if owner is None:
        OWNERS.put(ctx.state, RegisterOwner(ctx.wijk_id, call.kind, ctx.sender), name)
    _note(ctx, name, call.record, versions)
    number = register(ctx.state, call.kind, name, call.valid_from, call.record, decision)
    ctx.emit("registry.RegistryPut", call.kind, name, number, call.valid_from, decision)


def retire(ctx: Context, call: Retire) -> None:
    """economy section 4. Refuses role, unknown-id, no-decision, back-dated, in-use."""
    _check_sender(ctx, call.kind)
    _require_owner(ctx, call.kind, call.object)
    versions = REGISTER.get(ctx.state, call.kind, call.object) or ()
    last = versions[-1]
    voted = call.kind == PLAN and decode(Plan, bytes(last.record)).lines != ()
    require(not voted or ctx.decision is not None, Code.REGISTRY_NO_DECISION)
    if last.until and last.until <= call.from_date:
        raise Reject(Code.TX_UNKNOWN_ID, id=call.object.hex())
    _check_date(ctx, call.from_date, versions)
    require(USES.get(ctx.state, call.object) is None, Code.REGISTRY_IN_USE)

    ended = msgspec.structs.replace(last, until=call.from_date)
    REGISTER.put(ctx.state, (*versions[:-1], ended), call.kind, call.object)
    if call.kind == PLAN and not last.until:  # an end that comes sooner gives nothing back again
        _cite_parent(ctx, decode(Plan, bytes(last.record)).parent, -1)
    ctx.emit("registry.RegistryRetired", call.kind, call.object, len(versions), call.from_date)


def _check_sender(ctx: Context, kind: str) -> None:
    """Refuse with role: an institution offers tasks, the municipality gives mandates."""
    offers = ctx.account.kind == INSTITUTION and ctx.account.status == ACTIVE
    if kind == TASK_OFFER and not offers:
        raise Reject(Code.TX_ROLE, role="institution")
    if kind == CITY_MANDATE:
        held = get_role(ctx.state, ctx.wijk_id, MUNICIPALITY, ctx.clock.epoch, ctx.time_s)
        if held is None or held.account != ctx.sender:
            raise Reject(Code.TX_ROLE, role="municipality")


def _require_owner(ctx: Context, kind: str, name: bytes) -> RegisterOwner:
    """Return whose an object is; that of another wijk, kind or institution is unknown here."""
    owner = OWNERS.get(ctx.state, name)
    known = owner is not None and (owner.wijk, owner.kind) == (ctx.wijk_id, kind)
    if owner is None or not known or (kind == TASK_OFFER and owner.account != ctx.sender):
        raise Reject(Code.TX_UNKNOWN_ID, id=name.hex())
    return owner


def _get_decision(ctx: Context, call: Put) -> bytes | None:
    """Return the decision that a version rests on, or refuse with no-decision.

    An effect rests on its own vote. Without one a plan has no lines, and a programme no money.
    """
    if ctx.decision is not None:
        named = call.decision in (None, ctx.decision)
        require(named, Code.REGISTRY_NO_DECISION)
        return ctx.decision
    if isinstance(call.record, PlanRecord):
        require(call.record.lines == (), Code.REGISTRY_NO_DECISION)
        if call.object is not None:
            last = (REGISTER.get(ctx.state, PLAN, call.object) or ())[-1:]
            voted = bool(last) and decode(Plan, bytes(last[0].record)).lines != ()
            require(not voted, Code.REGISTRY_NO_DECISION)
    if isinstance(call.record, ProgrammeRecord):
        require(call.record.budget == 0 or call.decision is not None, Code.REGISTRY_NO_DECISION)
    if call.decision is not None:
        _check_basis(ctx, call)
    return call.decision


def _check_basis(ctx: Context, call: Put) -> None:
    """Refuse with no-decision what is no decision of this wijk that was carried out, or with
    mandate a programme that is larger than what it rests on.
    """
    assert call.decision is not None, "the caller asked"
    owner = OWNERS.get(ctx.state, call.decision)
    budget = call.record.budget if isinstance(call.record, ProgrammeRecord) else 0
    if owner is not None and (owner.wijk, owner.kind) == (ctx.wijk_id, CITY_MANDATE):
        found = get_version_in_force(ctx.state, CITY_MANDATE, call.decision, ctx.clock.book_date)
        require(found is not None, Code.REGISTRY_MANDATE)
        assert found is not None
        mandate = decode(CityMandate, bytes(found[1].record))
        in_term = mandate.from_date <= call.valid_from < mandate.until_date
        require(in_term and budget <= mandate.budget, Code.REGISTRY_MANDATE)
        return
    decision = DECISIONS.get(ctx.state, call.decision)
    if decision is None or (decision.wijk, decision.status) != (ctx.wijk_id, EXECUTED):
        raise Reject(Code.REGISTRY_NO_DECISION)
    require(budget <= decision.cents, Code.REGISTRY_MANDATE)


def _check_date(ctx: Context, date: int, versions: tuple[RegisterVersion, ...]) -> None:
    """Refuse with back-dated what begins before today, or before the newest version does."""
    soonest = max(ctx.clock.book_date, versions[-1].valid_from if versions else 0)
    require(is_date(date) and date >= soonest, Code.REGISTRY_BACK_DATED, from_on=soonest)


# --------------------------------------------------------------------------- one check per kind


def _require(condition: bool, field: str) -> None:
    require(condition, Code.REGISTRY_SCHEMA, field=field)


def _check_valuation(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    record = call.record
    assert isinstance(record, ValuationRecord), "the kind was checked"
    _require(is_code(record.activity), "activity")
    _require(0 < record.cents_per_unit <= 10**13, "cents_per_unit")
    _require(record.unit in UNITS, "unit")
    _require(record.klass in CLASSES, "class")
    _require(record.nace is None or is_nace(record.nace), "nace")
    _require(record.coicop is None or is_product(record.coicop), "coicop")
    named = ACTIVITIES.get(ctx.state, ctx.wijk_id, record.activity)
    # One activity, one price: a second object for it, or a version for another one, is refused.
    _require(named == call.object, "activity")


def _check_theme(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    record = call.record
    assert isinstance(record, ThemeRecord), "the kind was checked"
    years = [year for year, _, _ in record.milestones]
    _require(years == sorted(years), "milestones")


def _check_programme(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    record = call.record
    assert isinstance(record, ProgrammeRecord), "the kind was checked"
    manager = get_account(ctx, record.manager)
    _require(manager.wijk == ctx.wijk_id, "manager")
    codes = [task.code for task in record.tasks]
    _require(all(is_code(code) for code in codes) and len(set(codes)) == len(codes), "tasks")
    additional = all(task.additional for task in record.tasks)
    require(additional, Code.REGISTRY_NO_ADDITIONALITY)


def _check_plan(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    """economy W10: codes once each, no line of another plan, at most four levels."""
    record = call.record
    assert isinstance(record, PlanRecord), "the kind was checked"
    codes = [line.code for line in record.lines]
    _require(all(is_code(code) for code in codes) and len(set(codes)) == len(codes), "lines")
    for code in codes:
        _require(not _is_taken(ctx, code, call.object), "lines")
    parent, level = record.parent, 1
    while parent is not None:
        level += 1
        _require(level <= DEPTH_MAX and parent != call.object, "parent")
        _require_owner(ctx, PLAN, parent)
        above = (REGISTER.get(ctx.state, PLAN, parent) or ())[-1]
        parent = decode(Plan, bytes(above.record)).parent


def _is_taken(ctx: Context, code: str, name: bytes | None) -> bool:
    """Say whether another plan that has not ended has a line of this code."""
    voted = VOTED_LINES.get(ctx.state, ctx.wijk_id, code)
    if voted is None or voted.plan == name:
        return False
    last = (REGISTER.get(ctx.state, PLAN, voted.plan) or ())[-1]
    if last.until and last.until <= ctx.clock.book_date:
        return False
    return code in [line.code for line in decode(Plan, bytes(last.record)).lines]


def _check_offer(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    record = call.record
    assert isinstance(record, TaskOfferRecord), "the kind was checked"
    _require(is_code(record.category), "category")
    _require(_are_dates(record.from_date, record.until_date), "until")


def _check_mandate(ctx: Context, call: Put, versions: tuple[RegisterVersion, ...]) -> None:
    record = call.record
    assert isinstance(record, CityMandateRecord), "the kind was checked"
    _require(is_code(record.task), "task")
    _require(_are_dates(record.from_date, record.until_date), "until")
    _require(all(is_code(code) for code, _ in record.limits), "limits")


def _are_dates(first: int, end: int) -> bool:
    return is_date(first) and is_date(end) and first < end


def _note(
    ctx: Context, name: bytes, record: AnyRecord, versions: tuple[RegisterVersion, ...]
) -> None:
    """Write what finds an object: the activity of a price, the lines and the parent of a plan."""
    if isinstance(record, ValuationRecord):
        ACTIVITIES.put(ctx.state, name, ctx.wijk_id, record.activity)
    if isinstance(record, PlanRecord):
        if record.lines and ctx.decision is not None:
            note_budget(ctx.state, ctx.decision, name)
        for line in record.lines:
            VOTED_LINES.put(ctx.state, VotedLine(name), ctx.wijk_id, line.code)
        # A version that ended gave its parent back when it was retired.
        if versions and not versions[-1].until:
            _cite_parent(ctx, decode(Plan, bytes(versions[-1].record)).parent, -1)
        _cite_parent(ctx, record.parent, 1)


def _cite_parent(ctx: Context, parent: bytes | None, times: int) -> None:
    if parent is not None:
        cite(ctx.state, parent, times)


_RECORDS: dict[str, Any] = {
    VALUATION: ValuationRecord,
    THEME: ThemeRecord,
    PROGRAMME: ProgrammeRecord,
    PLAN: PlanRecord,
    TASK_OFFER: TaskOfferRecord,
    CITY_MANDATE: CityMandateRecord,
}
_CHECKS = {
    VALUATION: _check_valuation,
    THEME: _check_theme,
    PROGRAMME: _check_programme,
    PLAN: _check_plan,
    TASK_OFFER: _check_offer,
    CITY_MANDATE: _check_mandate,
}

CONTRACT = Contract(
    "registry",
    calls=(
        Call(
            Put,
            (Word.EFFECT, Word.BOARD, Word.HOLDER),
            put,
            narrow=get_words,
            classes=get_classes,
            budget=get_budget,
            about=lambda call: call.decision,
        ),
        Call(
            Retire,
            (Word.EFFECT, Word.BOARD, Word.HOLDER),
            retire,
            narrow=get_words,
            classes=get_classes,
        ),
    ),
)
