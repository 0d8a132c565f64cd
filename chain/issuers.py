"""Issuers: the mode and the caps of economy C7, which the federation sets (B13, G12).

`issuer.<code>.mode`, `.wallet_cap`, `.total_cap` (cents; 10^13 is none) and `.evidence` (a digest)
are parameters of the federation. `issuer/<code>` holds what is in force; it changes at the border
of the epoch that was decided. Caps hold at every height (I13), so what would break them then is
dropped, and said.
"""

from collections.abc import Iterable

import msgspec

from chain.books import EXEMPT_150, MODES
from chain.codec import Digest, Record, Uint
from chain.contract import BlockStart, Context
from chain.errors import Code, require
from chain.keyspaces import ISSUERS, NO_LIMIT, PARAMS, Issuer
from chain.params import FEDERATION, Value, get_issuer_field
from chain.state import Keyspace

EXEMPT_WALLET_CENTS = 15_000  # economy C7: the exemption of small issuers
EXEMPT_TOTAL_CENTS = 500_000_000


class Plan(Record, frozen=True):
    """A change of an issuer that is still to come; `id` is what its decision made."""

    from_epoch: Uint
    name: str
    value: str | Uint
    id: Digest


# `issuerplan`: what was decided and is not in force yet, earliest first; most blocks find none.
PLANS: Keyspace[tuple[Plan, ...]] = Keyspace("issuerplan", tuple[Plan, ...], 0)


def check_issuer(ctx: Context, name: str, value: Value, from_epoch: int) -> None:
    """Refuse with unknown or bounds a parameter of an issuer that cannot be (economy C7).

    It has to fit what is planned before it and what is out now; at its epoch it is judged again.
    """
    code, field = get_issuer_field(name) or ("", "")
    issuer = ISSUERS.get(ctx.state, code)
    require(issuer is not None, Code.WIJK_UNKNOWN, name=name)
    assert issuer is not None
    if field == "evidence":  # a document's digest binds nobody here
        return
    assert isinstance(value, str | int), "a mode is a text, a cap a number"
    plans = _get_older(ctx, name, from_epoch)
    require(fits_issuer(issuer, plans, name, value, from_epoch), Code.WIJK_BOUNDS, name=name)


def fits_issuer(
    issuer: Issuer, plans: Iterable[Plan], name: str, value: str | int, from_epoch: int
) -> bool:
    """Say whether a mode or cap can be set for an epoch, after what is planned until then."""
    code = get_issuer_field(name)
    for plan in plans:
        other = get_issuer_field(plan.name)
        same = code is not None and other is not None and code[0] == other[0]
        if same and plan.from_epoch <= from_epoch:
            issuer = _change(issuer, plan.name, plan.value)
    changed = _change(issuer, name, value)
    return changed.mode in MODES and is_lawful(changed) and _keeps_caps(issuer, changed)


def plan_issuer(ctx: Context, name: str, value: Value, from_epoch: int) -> None:
    """Keep a checked parameter of an issuer for its epoch; the newest word wins (B13)."""
    _, field = get_issuer_field(name) or ("", "")
    if field == "evidence":
        return
    assert isinstance(value, str | int), "a mode is a text, a cap a number"
    plans = [*_get_older(ctx, name, from_epoch), Plan(from_epoch, name, value, ctx.new_id())]
    PLANS.put(ctx.state, tuple(sorted(plans, key=lambda plan: plan.from_epoch)))


def _get_older(ctx: Context, name: str, from_epoch: int) -> list[Plan]:
    """Return the plans that a new one for that name and epoch does not replace."""
    plans = PLANS.get(ctx.state) or ()
    return [plan for plan in plans if plan.name != name or plan.from_epoch < from_epoch]


def enact_issuers(start: BlockStart) -> None:
    """Put what was planned for this epoch in force (economy B13)."""
    plans = PLANS.get(start.state)
    if plans is None:
        return
    due = [plan for plan in plans if plan.from_epoch <= start.clock.epoch]
    if not due:
        return
    for plan in due:
        code, _ = get_issuer_field(plan.name) or ("", "")
        issuer = ISSUERS.get(start.state, code)
        assert issuer is not None, "an issuer stays for ever"
        changed = _change(issuer, plan.name, plan.value)
        if is_lawful(changed) and _keeps_caps(issuer, changed):
            ISSUERS.put(start.state, changed, code)
            start.emit("wijk.IssuerSet", plan.name, plan.value)
        else:
            _drop(start, plan)
            start.emit("wijk.IssuerKept", plan.name, plan.value)
        start.note(plan.id)
    PLANS.put(start.state, plans[len(due) :] or None)


def is_lawful(issuer: Issuer) -> bool:
    """Say whether the caps are those of the mode (economy C7)."""
    if issuer.mode != EXEMPT_150:
        return True
    wallet, total = issuer.wallet_cap, issuer.total_cap
    return (
        wallet is not None
        and total is not None
        and wallet <= EXEMPT_WALLET_CENTS
        and total <= EXEMPT_TOTAL_CENTS
    )


def _keeps_caps(issuer: Issuer, changed: Issuer) -> bool:
    """Say whether nobody has more than the new caps allow (I13).

    What single wallets hold cannot be asked here, so their cap is lowered only while nothing is
    out.
    """
    lower = (changed.wallet_cap or NO_LIMIT) < (issuer.wallet_cap or NO_LIMIT)
    if lower and issuer.outstanding:
        return False
    return changed.total_cap is None or issuer.outstanding <= changed.total_cap


def _change(issuer: Issuer, name: str, value: str | int) -> Issuer:
    """Return an issuer with one field changed; `NO_LIMIT` is no cap."""
    _, field = get_issuer_field(name) or ("", "")
    wanted = None if value == NO_LIMIT else value
    return msgspec.structs.replace(issuer, **{field: wanted})


def _drop(start: BlockStart, plan: Plan) -> None:
    """Take a version that could not be put in force out of the parameters."""
    versions = PARAMS.get(start.state, FEDERATION, plan.name) or ()
    kept = tuple(version for version in versions if version[0] != plan.from_epoch)
    PARAMS.put(start.state, kept or None, FEDERATION, plan.name)
