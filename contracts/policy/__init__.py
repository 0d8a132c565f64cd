"""Policies: money of a funder with rules on it until it is spent (economy section 6, N13, N14).

The rules are in `contracts/policies/`, one file each; here are the calls that make a policy, put
money in it and let it out. Checks stand in the order of the catalogue (economy B7).
"""

from chain.contract import Call, Contract, Word
from contracts.policy.claim import Claim, TokenProof, claim, takes_tokens, token_bytes
from contracts.policy.ends import ENDS_MAX, note_end, sweep
from contracts.policy.pools import Close, Fund, close, fund
from contracts.policy.release import Release, release
from contracts.policy.sentences import describe, make_draft, tell_claim
from contracts.policy.setup import Accept, Create, accept, create
from contracts.policy.tokens import EnrolToken, enrol_token

__all__ = [
    "CONTRACT",
    "ENDS_MAX",
    "Accept",
    "Claim",
    "Close",
    "Create",
    "EnrolToken",
    "Fund",
    "Release",
    "TokenProof",
    "describe",
    "make_draft",
    "note_end",
    "sweep",
    "takes_tokens",
    "tell_claim",
    "token_bytes",
]

CONTRACT = Contract(
    "policy",
    calls=(
        Call(Create, (Word.HOLDER,), create),
        Call(Accept, (Word.BOARD, Word.EFFECT), accept, caretaker=True),
        Call(Fund, (Word.HOLDER,), fund),
        Call(Claim, (Word.HOLDER,), claim, caretaker=True),
        Call(Release, (Word.HOLDER,), release, winds_up=True, caretaker=True),
        Call(EnrolToken, (Word.REGISTRY,), enrol_token),
        Call(Close, (Word.HOLDER,), close, winds_up=True),
    ),
    at_start=sweep,
)
