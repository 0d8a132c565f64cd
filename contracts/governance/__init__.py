"""Governance: what a wijk proposes, votes on and carries out, and what it is asked (economy 10).

One member, one vote; support is people, never money (E34). Checks stand in the order of the
catalogue (economy B7).
"""

from chain.contract import Call, Contract, Word
from contracts.governance.ballot import Cast, Close, Execute, cast, close, execute
from contracts.governance.issue import Issue, IssueRecord, issue
from contracts.governance.proposal import Propose, Second, propose, second

__all__ = [
    "CONTRACT",
    "Cast",
    "Close",
    "Execute",
    "Issue",
    "IssueRecord",
    "Propose",
    "Second",
]

CONTRACT = Contract(
    "governance",
    calls=(
        Call(Propose, (Word.HOLDER, Word.BOARD), propose),
        Call(Second, (Word.HOLDER,), second, never_tripped=True),
        Call(Cast, (Word.HOLDER,), cast, never_tripped=True),
        Call(Close, (Word.ANY,), close),
        Call(Execute, (Word.ANY,), execute),
        Call(
            Issue,
            (Word.HOLDER, Word.BOARD, Word.SEAT),
            issue,
            never_tripped=True,
            caretaker=True,
        ),
    ),
)
