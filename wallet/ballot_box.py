"""What a command about votes needs to know of one: its id, its record, and whether it is proven."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chain.checkpoint import from_base64
from chain.codec import decode
from chain.keyspaces import Decision
from chain.texts import Problem
from chain.votes import EXECUTED, OPEN, PASSED, PETITION, SURVEY, Poll, passes
from wallet.trust import trusted_policy
from wallet.verify import prove_value

if TYPE_CHECKING:
    from wallet.terminal import Terminal

_VOTE_ID = re.compile(r"[a-z][a-z0-9-]{0,31}/[1-9][0-9]{0,17}", re.ASCII)
_HEX_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
USAGE = 1001


def check_vote_id(text: str) -> str:
    """Return a vote's number as people use it, `delfshaven/7`, or raise `Problem` 1001."""
    if _VOTE_ID.fullmatch(text) is None:
        raise Problem(USAGE, cause=text[:80])
    return text


def find_decision(terminal: "Terminal", vote_id: str) -> bytes:
    """Return the object id that calls name a vote by."""
    return bytes.fromhex(terminal.client.vote(check_vote_id(vote_id))["decision"])


def find_object(terminal: "Terminal", text: str) -> bytes:
    """Return the id of a vote by its number, or of a shared decision by its own id in hex."""
    if _HEX_ID.fullmatch(text) is not None:
        return bytes.fromhex(text)
    return find_decision(terminal, text)


def find_vote_id(terminal: "Terminal", decision_id: str) -> str:
    """Return the number that a decision got on the chain."""
    proof = terminal.client.state_proof(f"decision/{decision_id}")
    decision = decode(Decision, from_base64(proof["value"], "value"))
    return f"{decision.wijk}/{decision.number}"


def is_due(terminal: "Terminal", tally: dict[str, Any], now_s: int) -> bool:
    """Say whether a vote is over and nobody has said what it came to."""
    return tally["state"] == "open" and _window_end(terminal, tally["vote"]) <= now_s


def _window_end(terminal: "Terminal", vote_id: str) -> int:
    text = terminal.client.vote(vote_id)["closes_at"]
    return int(datetime.fromisoformat(text).timestamp())


def verify_tally(terminal: "Terminal", tally: dict[str, Any]) -> bool:
    """Say whether the counts and the result of a vote are what the chain proves (economy E7).

    The record of the vote is proven against the policy, and the majority is worked out again.
    Raise `Problem` 5001 or 5002 where the proof itself is wrong.
    """
    policy, client = trusted_policy(terminal), terminal.client
    name = find_decision(terminal, tally["vote"]).hex()
    decision = prove_value(client.state_proof, f"decision/{name}", Decision, policy)
    poll = prove_value(client.state_proof, f"poll/{name}", Poll, policy)
    yes, no, blank = decision.tally
    told = tally["counts"]
    if (told["yes"], told["no"], told["abstain"]) != (yes, no, blank):
        return False
    if (tally["eligible"], tally["ballots"]) != (poll.electorate, yes + no + blank):
        return False
    if decision.klass in (SURVEY, PETITION):
        return tally["passed"] is False
    quorum_pct = int(client.params()["params"]["quorum_pct"])
    won = passes(decision.klass, yes, no, blank, poll.electorate, quorum_pct)
    counted = decision.status in (OPEN, PASSED, EXECUTED)
    return tally["passed"] is (won and counted)
