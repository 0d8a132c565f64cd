"""Questions to the board, with the day by which it answers (economy N38, W16, C19, E41).

The chain keeps digests and times; the texts travel beside it. Who was frozen appeals here, and who
is to be recalled or suspended is heard here.
"""

from typing import Annotated, Literal

import msgspec

from chain.codec import Account, Digest, Record, Uint, digest
from chain.contract import Context, Word, check_authority
from chain.errors import Code, Reject, require
from chain.keyspaces import BOARD, MEMBERS
from chain.params import DAY_S
from chain.seats import RECALLS, answer_recall
from chain.state import Keyspace
from chain.text_rules import is_code
from chain.voters import is_member

ANSWER_S = 21 * DAY_S  # economy W16
APPEAL, APPEAL_S = "APPEAL", 7 * DAY_S  # economy C19
NO_TIME = 0  # not answered yet


class IssueRecord(Record, frozen=True):
    """`issue/<id>`: what a member asked, until when the board answers, and what it answered.

    Times in Unix seconds. An open issue past `due_s` is overdue, and everybody can see it (W16).
    """

    wijk: str
    by: Account
    category: str
    text: Digest
    opened_s: Uint
    due_s: Uint
    answer: Digest | None
    answered_s: Uint


ISSUES: Keyspace[IssueRecord] = Keyspace("issue", IssueRecord, 1)
ASKED: Keyspace[bytes] = Keyspace("asked", Digest, 2)  # wijk, digest of text and category


class Issue(Record, frozen=True, tag="governance.issue"):
    """N38: ask the board, or answer as the board; `issue` is what an answer is about.

    The answer to a recall is linked to it in the same way (E41).
    """

    step: Literal["OPEN", "ANSWER"]
    category: Annotated[str, msgspec.Meta(max_length=24)]
    text: Digest
    issue: Digest | None


def issue(ctx: Context, call: Issue) -> None:
    """economy W16. Refuses text, unknown-id, role, duplicate, done."""
    require(is_code(call.category), Code.TX_TEXT)
    if call.step == "ANSWER":
        _answer(ctx, call)
        return
    require(call.issue is None, Code.TX_UNKNOWN_ID)
    own = is_member(ctx.account, MEMBERS.get(ctx.state, ctx.sender))
    require(own, Code.TX_ROLE, role="member")
    key = digest([call.category, call.text])
    before = ASKED.get(ctx.state, ctx.wijk_id, key)
    known = None if before is None else ISSUES.get(ctx.state, before)
    asked = known is not None and known.answered_s == NO_TIME
    require(not asked, Code.GOVERNANCE_DUPLICATE)

    issue_id = ctx.new_id()
    due_s = ctx.time_s + (APPEAL_S if call.category == APPEAL else ANSWER_S)
    record = IssueRecord(
        ctx.wijk_id, ctx.sender, call.category, call.text, ctx.time_s, due_s, None, NO_TIME
    )
    ISSUES.put(ctx.state, record, issue_id)
    ASKED.put(ctx.state, issue_id, ctx.wijk_id, key)
    ctx.emit("governance.IssueOpened", issue_id, ctx.wijk_id, ctx.sender, call.category, due_s)


def _answer(ctx: Context, call: Issue) -> None:
    """Answer an issue as the board, late or not, or a recall as one whose seat it is about."""
    named = call.issue
    if named is not None and RECALLS.get(ctx.state, named) is not None:
        answer_recall(ctx, named, call.text)
        ctx.emit("governance.IssueAnswered", named, ctx.wijk_id, call.text)
        return
    record = None if named is None else ISSUES.get(ctx.state, named)
    if named is None or record is None or record.wijk != ctx.wijk_id:
        raise Reject(Code.TX_UNKNOWN_ID)
    require(ctx.account.kind == BOARD, Code.TX_ROLE, role="board")
    check_authority(ctx, (Word.BOARD,))
    require(record.answered_s == NO_TIME, Code.GOVERNANCE_DONE)

    answered = msgspec.structs.replace(record, answer=call.text, answered_s=ctx.time_s)
    ISSUES.put(ctx.state, answered, named)
    ctx.emit("governance.IssueAnswered", named, ctx.wijk_id, call.text)
