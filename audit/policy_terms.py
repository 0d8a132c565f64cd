"""What a report tells of the terms of a policy: its sentences, without anybody's account.

Sentences are those of the chain (economy P0), said as on the day it began: what a day, a line or a
step has left would tell of single payments (G7, ADR 0100).
"""

import re
from typing import Any

from chain.address import PREFIX, account_text
from chain.codec import decode
from chain.dates import date_text
from chain.money_text import DUTCH, ENGLISH, Lang
from chain.state import Read, State
from contracts.policies import Policy, get_guard, get_shape
from contracts.policies.frame import STEPS, USED
from contracts.policy import describe

_COUNTED = (USED.name, STEPS.name)
_ACCOUNT = re.compile(rf"\b{PREFIX}1[02-9ac-hj-np-z]*")
_FUNDER = {DUTCH: "de gever", ENGLISH: "the funder"}
_ANYBODY = {DUTCH: "een rekening", ENGLISH: "an account"}


def describe_terms(read: Read, policy_id: bytes, policy: Policy, today: int) -> dict[str, Any]:
    """Return the terms of a policy and its sentences in both languages. `today` is YYYYMMDD."""
    date = policy.since or today
    shape = get_shape(policy.shape)
    return {
        "denom": policy.denom,
        "status": policy.status,
        "since_on": date_text(policy.since) if policy.since else None,
        "shape": shape.clause,
        "guards": [get_guard(rule).clause for rule in policy.guards],
        "split": bool(policy.split),
        "version": policy.shape.version,
        "vat_treatment": policy.vat_treatment,
        "payer_role": policy.payer_role,
        "theme": None if policy.theme is None else policy.theme.hex(),
        "sentences": {
            lang: _say(State(_hide_counts(read)), policy_id, policy, date, lang)
            for lang in (DUTCH, ENGLISH)
        },
    }


def _hide_counts(read: Read) -> Read:
    """Return a reader of the same state in which nothing was counted yet."""

    def read_terms(key: bytes) -> bytes | None:
        name, *_ = decode(list[Any], key)
        return None if name in _COUNTED else read(key)

    return read_terms


def _say(state: State, policy_id: bytes, policy: Policy, date: int, lang: Lang) -> list[str]:
    said = describe(state, policy_id, policy, date, lang)
    funder = account_text(policy.funder)
    named = (sentence.replace(funder, _FUNDER[lang]) for sentence in said)
    return [_ACCOUNT.sub(_ANYBODY[lang], sentence) for sentence in named]
