"""What a call of a policy asks, with its rules, in Dutch and English (interfaces 2.2).

They are what people read before they sign, with the numbers of now (economy P0).
"""

from typing import Any

from chain.address import account_text
from chain.contract import Clock
from chain.money_text import DUTCH, Lang, money
from contracts.policies import POLICIES, Policy
from contracts.policy import (
    CONTRACT,
    Accept,
    Claim,
    Close,
    Create,
    EnrolToken,
    Fund,
    Release,
    describe,
    make_draft,
    tell_claim,
)

DIGEST_BYTES = 32
_CALLS: tuple[Any, ...] = tuple(call.kind for call in CONTRACT.calls)


def preview_policy(clock: Clock, sender: bytes, call: Any, lang: Lang) -> str | None:
    """Return what a call of a policy does and under which rules; None for any other call."""
    if type(call) not in _CALLS:
        return None
    policy_id, policy = bytes(DIGEST_BYTES), None
    if isinstance(call, Create):
        policy = make_draft(call, sender)
    else:
        policy_id = call.policy
        policy = POLICIES.get(clock.state, policy_id)
    if policy is None:
        return _pick(lang, "Dit potje bestaat niet.", "This policy does not exist.")
    told = tell_claim(clock, policy, sender, call) if isinstance(call, Claim) else {}
    rules = describe(clock.state, policy_id, policy, clock.book_date, lang, told)
    return " ".join([_say_call(policy, call, lang), *rules])


def _say_call(policy: Policy, call: Any, lang: Lang) -> str:
    """Return what a call of a policy does, without its rules."""
    free = money(policy.free, lang)
    match call:
        case Create():
            return _pick(lang, "Een potje maken.", "Make a policy.")
        case Accept():
            return _pick(
                lang, "Dit potje in de wijk toelaten.", "Let this policy work in the wijk."
            )
        case Fund(cents=cents):
            shown = money(cents, lang)
            return _pick(lang, f"{shown} in dit potje zetten.", f"Put {shown} into this policy.")
        case Claim(payee=payee, cents=cents):
            shown, who = money(cents, lang), account_text(payee)
            return _pick(lang, f"{shown} uit dit potje aan {who}.", f"{shown} of this to {who}.")
        case Release(cents=cents):
            shown = money(cents, lang)
            return _pick(lang, f"{shown} vrijgeven.", f"Release {shown}.")
        case EnrolToken(keys=keys):
            return _pick(lang, f"{len(keys)} passen aanmelden.", f"Enrol {len(keys)} tokens.")
        case Close():
            return _pick(
                lang,
                f"Dit potje sluiten; {free} gaat terug naar de gever.",
                f"Close this policy; {free} goes back to its funder.",
            )
        case _:
            raise AssertionError("a call of a policy without a sentence")


def _pick(lang: Lang, nl: str, en: str) -> str:
    return nl if lang == DUTCH else en
