"""The rules of a coin, proven from state, and the call that would change one (economy B13, C7)."""

from typing import TYPE_CHECKING, Any

import msgspec

from chain.codec import Uint, encode
from chain.errors import Code
from chain.issuers import Plan, fits_issuer
from chain.keyspaces import NO_LIMIT, Issuer, Wijk
from chain.params import FEDERATION, Value, decode_value
from chain.texts import Problem
from contracts.wijk import SetParam
from wallet.amounts import parse_amount, parse_duration_ms, parse_id
from wallet.reviews import legal_rows
from wallet.times import now_s, time_text
from wallet.trust import trusted_policy
from wallet.verify import find_value, prove_value

if TYPE_CHECKING:
    from wallet.terminal import Terminal

EPOCHS_AHEAD = 2  # economy B13: what is decided now holds from the epoch after next
MODES = ("LICENSED", "EXEMPT_150", "LIMITED_NETWORK")
NO_CAP = "none"
_JUDGED = ("mode", "wallet-cap", "total-cap")  # each must fit the others (economy C7)
_BRAND = ("name", "plural", "symbol", "colour")
_Versions: Any = tuple[tuple[Uint, msgspec.Raw], ...]
_Plans: Any = tuple[Plan, ...]


def read_rules(terminal: "Terminal", wijk: str) -> dict[str, Any]:
    """Return mode, caps, brand and terms of the coin of a wijk; raise `Problem` if not proven."""
    client, policy = terminal.client, trusted_policy(terminal)
    record = find_value(client.state_proof, f"wijk/{wijk}", Wijk, policy)
    if record is None:
        raise Problem(3007, what=wijk)
    issuer = prove_value(client.state_proof, f"issuer/{record.issuer}", Issuer, policy)
    denom = record.denom(wijk)
    params = client.params()["params"]
    epoch_s = int(params["epoch_s"])
    epoch = now_s() // epoch_s

    def versions(owner: str, name: str) -> list[tuple[int, Value]]:
        found = find_value(client.state_proof, f"param/{owner}/{name}", _Versions, policy) or ()
        return [(since, decode_value(name, bytes(raw))) for since, raw in found]

    brand = {name: versions(wijk, f"coin.{name}") for name in _BRAND}
    common = {
        name: versions(FEDERATION, name)
        for name in (f"issuer.{record.issuer}.evidence", "redeem_days")
    }
    plans = find_value(client.state_proof, "issuerplan", _Plans, policy) or ()
    planned = [
        {"name": plan.name, "value": plan.value, "from_epoch": plan.from_epoch}
        for plan in plans
        if plan.name.startswith(f"issuer.{record.issuer}.")
    ]
    named = {**{f"coin.{name}": rows for name, rows in brand.items()}, **common}
    planned += [
        {"name": name, "value": _shown(value), "from_epoch": since}
        for name, rows in named.items()
        for since, value in rows
        if since > epoch
    ]
    allowance = find_value(client.state_proof, f"minter/{denom}", int, policy)
    evidence = _in_force(common[f"issuer.{record.issuer}.evidence"], epoch)
    return {
        "wijk": wijk,
        "denom": denom,
        **{name: _in_force(rows, epoch) for name, rows in brand.items()},
        "issuer": record.issuer,
        "mode": issuer.mode,
        "wallet_cap_cents": issuer.wallet_cap,
        "total_cap_cents": issuer.total_cap,
        "outstanding_cents": issuer.outstanding,
        "evidence": None if evidence is None else _shown(evidence),
        "allowance_cents": allowance or 0,
        "redeem_days": params["redeem_days"],
        "reserves": [row[0] for row in params["reserves"] if row[1] == wijk],
        "planned": [plan | {"from_at": epoch_at(plan["from_epoch"], epoch_s)} for plan in planned],
        "epoch_s": epoch_s,
        "legal": legal_rows(),
    }


def epoch_at(epoch: int, epoch_s: int) -> str:
    """Return when an epoch begins."""
    return time_text(epoch * epoch_s * 1000)


def make_change(now: dict[str, Any], name: str, text: str, later: str) -> SetParam:
    """Return the call that sets a rule after a while: the boards or members need time to decide."""
    value: str | int | bytes = text
    if name in _BRAND:
        full = f"coin.{name}"
    elif name == "redeem-days":
        full, value = "redeem_days", _days(text)
    else:
        full = f"issuer.{now['issuer']}.{name.replace('-', '_')}"
        value = _issuer_value(name, text)
    epoch = (now_s() + parse_duration_ms(later) // 1000) // int(now["epoch_s"]) + EPOCHS_AHEAD
    if name in _JUDGED:
        assert not isinstance(value, bytes), "a mode is a text, a cap a number"
        _check_fits(now, full, value, epoch)
    return SetParam(full, msgspec.Raw(encode(value)), epoch)


def _check_fits(now: dict[str, Any], name: str, value: str | int, epoch: int) -> None:
    """Raise `Problem` where the boards would vote for what cannot be carried out (economy C7)."""
    issuer = Issuer(
        now["mode"], now["wallet_cap_cents"], now["total_cap_cents"], now["outstanding_cents"]
    )
    plans = [
        Plan(plan["from_epoch"], plan["name"], plan["value"], b"")
        for plan in now["planned"]
        if plan["name"].startswith("issuer.") and plan["name"] != f"issuer.{now['issuer']}.evidence"
    ]
    older = [plan for plan in plans if plan.name != name or plan.from_epoch < epoch]
    if not fits_issuer(issuer, older, name, value, epoch):
        raise Problem(Code.WIJK_BOUNDS.number, name=name)


def _issuer_value(name: str, text: str) -> str | int | bytes:
    if name == "mode":
        if text.upper().replace("-", "_") not in MODES:
            raise Problem(1001, cause=f"{text[:32]}: {', '.join(MODES)}")
        return text.upper().replace("-", "_")
    if name == "evidence":
        return parse_id(text)
    return NO_LIMIT if text == NO_CAP else parse_amount(text)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 2):  # noqa: PLR2004 - 10 at most
        raise Problem(1001, cause=text[:16])
    return int(text)


def _in_force(versions: list[tuple[int, Value]], epoch: int) -> Value | None:
    return next((value for since, value in reversed(versions) if since <= epoch), None)


def _shown(value: Value) -> Any:
    return value.hex() if isinstance(value, bytes) else value
