"""Benefit tokens: keys that registrars enrol; no shop and no chain knows whose (P3, N41)."""

from itertools import pairwise
from typing import Annotated

import msgspec

from chain.codec import Digest, PublicKey, Record, Uint
from chain.contract import Context
from chain.crypto import is_valid_key
from chain.errors import Code, Reject, require
from contracts.policies.frame import CLOSED, TOKENS, TokenRecord
from contracts.policy.pools import require_policy

KEYS_MAX = 900  # economy section 4: just below the 32 KiB of a transaction
YEARS = range(1970, 10_000)
MONTHS = range(1, 13)


class EnrolToken(Record, frozen=True, tag="policy.enrol_token"):
    """Enrol keys, sorted, for a period: YYYYMM, YYYY, or 0 for as long as the policy lasts."""

    policy: Digest
    period: Uint
    keys: Annotated[tuple[PublicKey, ...], msgspec.Meta(min_length=1, max_length=KEYS_MAX)]


def enrol_token(ctx: Context, call: EnrolToken) -> None:
    """economy P3. Refuses unknown-id, role; done, params; unsorted, seen; accounts.no-proof."""
    policy = require_policy(ctx, call.policy)
    if policy.denom != ctx.denom:
        raise Reject(Code.TX_ROLE, role="registry")
    require(policy.status != CLOSED, Code.POLICY_DONE)
    require(_is_period(call.period), Code.POLICY_PARAMS, clause="period")
    require(all(one < other for one, other in pairwise(call.keys)), Code.POLICY_UNSORTED)
    for key in call.keys:
        require(TOKENS.get(ctx.state, call.policy, key) is None, Code.POLICY_SEEN)
        require(is_valid_key(key), Code.ACCOUNTS_NO_PROOF)  # nobody could sign with it

    for key in call.keys:
        TOKENS.put(ctx.state, TokenRecord(call.period, 0), call.policy, key)
    ctx.emit("policy.TokensEnrolled", call.policy, call.period, len(call.keys))


def _is_period(period: int) -> bool:
    return period == 0 or period in YEARS or (period // 100 in YEARS and period % 100 in MONTHS)
