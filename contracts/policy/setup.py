"""Making a policy: the funder writes it, the board of the wijk accepts it (economy N13, P0).

What the law forbids is refused when it is written, before anybody puts money in it: coin that
people own never expires, costs no fee and is not bound to an area (MiCA articles 49 and 50).
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from chain.codec import Digest, Record
from chain.contract import Context, get_account
from chain.errors import Code, Reject, require
from chain.gifts import can_watch, watch
from chain.keyspaces import has_mandate
from chain.text_rules import is_code
from chain.work import REGISTER, THEME, cite
from contracts.policies import (
    POLICIES,
    Guards,
    Policy,
    Shape,
    get_guard,
    get_last_date,
    get_shape,
)
from contracts.policies.frame import ACTIVE, DRAFT, VERSION, Draft, Word24
from contracts.policies.frame import Guard as GuardScript
from contracts.policies.p09_budget import Budget, get_only_line
from contracts.policies.p14_split import Split
from contracts.policy.ends import note_end
from contracts.policy.pools import count_draft, get_target, require_policy


class Create(Record, frozen=True, tag="policy.create"):
    """Write a policy for own money: one shape, guards each once in the order of their numbers,
    perhaps a split; how it is taxed and as what the payer acts, for the yearly statement (G14).
    """

    denom: Annotated[str, msgspec.Meta(max_length=64)]
    shape: Shape
    guards: Guards
    split: Split | None
    vat_treatment: Word24
    payer_role: Word24
    theme: Digest | None


class Accept(Record, frozen=True, tag="policy.accept"):
    """The board lets a policy work in its wijk."""

    policy: Digest


def create(ctx: Context, call: Create) -> None:
    """economy P0. Refuses unknown-account, unknown-id, text; law, params, version; drafts."""
    shape = get_shape(call.shape)
    guards = [(rule, get_guard(rule)) for rule in call.guards]
    named = shape.accounts(call.shape) if shape.accounts is not None else ()
    parts = call.split or ()
    for account in (*named, *(part.account for part in parts)):
        get_account(ctx, account)
    heirs = [script.end(rule)[1] for rule, script in guards if script.end is not None]
    _check_heirs(ctx, heirs)
    if call.theme is not None and not REGISTER.get(ctx.state, THEME, call.theme):
        raise Reject(Code.TX_UNKNOWN_ID, id=call.theme.hex())
    require(is_code(call.vat_treatment) and is_code(call.payer_role), Code.TX_TEXT)

    clauses = [script.clause for _, script in guards] + (["split"] if parts else [])
    for clause in clauses:
        require(clause not in shape.forbids, Code.POLICY_LAW, clause=clause)
    require(call.denom == ctx.denom, Code.POLICY_PARAMS, clause="denom")
    _check_params(ctx, call, guards)
    for rule in (call.shape, *call.guards):
        require(rule.version == VERSION, Code.POLICY_VERSION)

    count_draft(ctx, ctx.sender, 1)
    policy_id = ctx.new_id()
    policy = Policy(
        call.denom,
        ctx.sender,
        call.shape,
        call.guards,
        DRAFT,
        0,
        0,
        0,
        0,
        0,
        parts,
        call.vat_treatment,
        call.payer_role,
        call.theme,
        None,
        0,
    )
    POLICIES.put(ctx.state, policy, policy_id)
    ctx.emit("policy.PolicyCreated", policy_id, ctx.sender, shape.clause, *clauses)


def _check_heirs(ctx: Context, heirs: list[bytes | None]) -> None:
    """Refuse with `tx.unknown-id` an heir that does not exist or is of another funder or coin."""
    for heir_id in heirs:
        if heir_id is not None:
            heir = POLICIES.get(ctx.state, heir_id)
            if heir is None or (heir.funder, heir.denom) != (ctx.sender, ctx.denom):
                raise Reject(Code.TX_UNKNOWN_ID, id=heir_id.hex())


def _check_params(ctx: Context, call: Create, guards: Sequence[tuple[object, GuardScript]]) -> None:
    """Refuse with `policy.params` values that a script cannot have, in the order of the call."""
    shape = get_shape(call.shape)
    draft = Draft(call.denom, ctx.sender, ctx.clock.book_date, ctx.state)
    require(shape.fits(call.shape, draft), Code.POLICY_PARAMS, clause=shape.clause)
    before = ""
    for rule, script in guards:
        later = before == "" or int(script.id[1:]) > int(before[1:])
        fits = later and script.fits(rule, draft)
        if isinstance(rule, Budget) and not shape.lined:
            fits = fits and get_only_line(rule) is not None
        require(fits, Code.POLICY_PARAMS, clause=script.clause)
        before = script.id
    parts = call.split or ()
    home = all(get_account(ctx, part.account).wijk == ctx.wijk_id for part in parts)
    once = len({part.account for part in parts}) == len(parts)
    # Payments name the first of a split as payee: another one could never be paid.
    fits = not parts or shape.payee is None or parts[0].account == shape.payee(call.shape)
    require(home and once and fits, Code.POLICY_PARAMS, clause="split")


def accept(ctx: Context, call: Accept) -> None:
    """economy N13. Refuses unknown-id, role; done, mandate (E37)."""
    policy = require_policy(ctx, call.policy)
    if policy.denom != ctx.denom:
        raise Reject(Code.TX_ROLE, role="board")
    require(policy.status == DRAFT, Code.POLICY_DONE)
    voted = ctx.decision is not None
    mandate = voted or has_mandate(ctx.state, ctx.wijk_id, ctx.time_s)  # E37
    require(mandate, Code.POLICY_MANDATE)
    target = get_target(policy)
    fits = target is None or can_watch(ctx.state, policy.denom, target)
    require(fits, Code.POLICY_PARAMS, clause="match")

    today = ctx.clock.book_date
    accepted = msgspec.structs.replace(policy, status=ACTIVE, decided=ctx.tx_id, since=today)
    POLICIES.put(ctx.state, accepted, call.policy)
    count_draft(ctx, policy.funder, -1)
    if target is not None:
        watch(ctx.state, policy.denom, target, 1)
    if policy.theme is not None:
        cite(ctx.state, policy.theme, 1)
    last = get_last_date(policy)
    if last is not None:
        note_end(ctx.clock, call.policy, last)
    ctx.emit("policy.PolicyAccepted", call.policy, policy.funder, policy.denom)
