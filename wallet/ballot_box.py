"""What a command about votes needs to know of one: its id, its record, and whether it is proven."""

import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from chain.checkpoint import from_base64
from chain.codec import decode
from chain.elections import Election
from chain.keyspaces import Decision
from chain.params import compute_default
from chain.policy import Policy
from chain.texts import Problem
from chain.votes import (
    BLANK,
    CHOICES,
    EXECUTED,
    NO,
    OPEN,
    PASSED,
    PETITION,
    REJECTED,
    SURVEY,
    YES,
    Poll,
    SecretResult,
    passes,
)
from wallet.trust import is_live, trusted_policy
from wallet.verify import find_value, prove_value

if TYPE_CHECKING:
    from wallet.terminal import Terminal

_VOTE_ID = re.compile(r"[a-z][a-z0-9-]{0,31}/[1-9][0-9]{0,17}", re.ASCII)
_HEX_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
USAGE = 1001
ATTEMPTS = 3  # to count again what people are still voting in


def check_vote_id(text: str) -> str:
    """Return a vote's number as people use it, `delfshaven/7`, or raise `Problem` 1001."""
    if _VOTE_ID.fullmatch(text) is None:
        raise Problem(USAGE, cause=f"{text[:40]}: WIJK/N, delfshaven/7")
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

    The record of the vote is proven against the policy, and so is the choice of everybody who voted
    in the open; they are counted again, and the majority is worked out again. What a secret vote
    came to is proven here; its ballots stand in the bundle of its election. While people vote,
    `tally` becomes what the node says by then. Raise `Problem` 5001 or 5002 where a proof itself is
    wrong.
    """
    for _ in range(ATTEMPTS):
        if _agrees(terminal, tally):
            return True
        if tally["state"] != "open":
            return False
        tally.update(terminal.client.tally(tally["vote"]))
    return False


def _agrees(terminal: "Terminal", tally: dict[str, Any]) -> bool:
    policy, client = trusted_policy(terminal), terminal.client
    name = find_decision(terminal, tally["vote"]).hex()
    decision = prove_value(client.state_proof, f"decision/{name}", Decision, policy)
    poll = prove_value(client.state_proof, f"poll/{name}", Poll, policy)
    yes, no, blank = decision.tally
    told = tally["counts"]
    if f"{decision.wijk}/{decision.number}" != tally["vote"]:
        return False
    if (told["yes"], told["no"], told["abstain"]) != (yes, no, blank):
        return False
    if (tally["eligible"], tally["ballots"]) != (poll.electorate, yes + no + blank):
        return False
    counted = (0, 0, 0)  # of a draft, a petition, and a secret vote until it is closed
    if poll.secret and decision.status in (PASSED, REJECTED, EXECUTED):
        result = prove_value(client.state_proof, f"result/{name}", SecretResult, policy)
        counted = result.yes, result.no, result.blank
    elif not poll.secret and decision.klass != PETITION:
        counted = _count_again(terminal, tally["vote"], name, policy)
    if counted != decision.tally:
        return False
    if decision.klass in (SURVEY, PETITION):
        return tally["passed"] is False
    quorum_pct = _quorum_of(terminal, decision, policy)
    won = passes(decision.klass, yes, no, blank, poll.electorate, quorum_pct)
    stands = decision.status in (OPEN, PASSED, EXECUTED)
    return tally["passed"] is (won and stands)


def _count_again(
    terminal: "Terminal", vote_id: str, name: str, policy: Policy
) -> tuple[int, int, int]:
    """Return yes, no and blank of an open vote from the proven choice of each account.

    The node says whose there are; one that it keeps silent about is missing in the sum, one that it
    makes up has no proof, and the key of a choice names its account, so none counts twice.
    """
    counts = dict.fromkeys(CHOICES, 0)
    accounts = sorted({item["account"] for item in terminal.client.choices(vote_id)})
    quiet = terminal.output != "text" or bool(terminal.given.get("quiet"))
    label = terminal.text("stemmen", "votes")
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(accounts, label=label, file=sys.stderr, hidden=hidden) as shown:
        for account in shown:
            key = f"choice/{name}/{account}"
            choice = prove_value(terminal.client.state_proof, key, str, policy)
            if choice not in counts:
                raise Problem(5001, cause=key)
            counts[choice] += 1
    return counts[YES], counts[NO], counts[BLANK]


def find_election(terminal: "Terminal", vote_id: str) -> str | None:
    """Return the number of the election about a secret vote, None where none was called."""
    policy, prove = trusted_policy(terminal), terminal.client.state_proof
    name = find_decision(terminal, vote_id).hex()
    named = find_value(prove, f"decisionelection/{name}", bytes, policy)
    if named is None:
        return None
    election = prove_value(prove, f"election/{named.hex()}", Election, policy)
    return f"{election.wijk}/{election.number}"


def _quorum_of(terminal: "Terminal", decision: Decision, policy: Policy) -> int:
    """Return the quorum in force when a vote opened, from proven versions (economy B13, E7)."""
    prove = terminal.client.state_proof
    versions_of: Any = tuple[tuple[int, msgspec.Raw], ...]
    versions = find_value(prove, "param/-/quorum_pct", versions_of, policy)
    if versions is None:
        return int(str(compute_default("quorum_pct", "live")))
    lasts = find_value(prove, "param/-/epoch_s", versions_of, policy)
    epoch_s = (
        decode(int, bytes(lasts[0][1]))
        if lasts is not None
        else int(str(compute_default("epoch_s", "live" if is_live(terminal, policy) else "test")))
    )
    found = compute_default("quorum_pct", "live")
    for from_epoch, value in versions:
        if from_epoch <= decision.window[0] // epoch_s:
            found = decode(int, bytes(value))
    return int(str(found))
