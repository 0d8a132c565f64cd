"""Votes of a wijk in the state: proposals, who they are put to, and when they pass (economy E7).

More than one contract needs this: `governance` runs votes, `board` begins one about its own seats,
and the result of a secret one comes from an election.
"""

from chain.codec import Account, Bit, Digest, Record, Uint, digest
from chain.contract import Clock, Context
from chain.keyspaces import DECISIONS, Decision, get_param
from chain.params import DAY_S, FEDERATION, compute_default
from chain.state import Keyspace, State
from chain.voters import count_voters

ORDINARY, STATUTES, RECALL = "ORDINARY", "STATUTES", "RECALL"
SURVEY, BUDGET, PETITION = "SURVEY", "BUDGET", "PETITION"
ALWAYS_SECRET = (STATUTES, RECALL)  # economy E10

DRAFT, OPEN, PASSED, REJECTED = "DRAFT", "OPEN", "PASSED", "REJECTED"  # economy E34
EXECUTED, LAPSED = "EXECUTED", "LAPSED"
YES, NO, BLANK = "YES", "NO", "BLANK"
CHOICES = (YES, NO, BLANK)

WINDOW_S_MAX = 30 * DAY_S  # economy E2: the law's longest time for electronic votes
COLLECT_S = 30 * DAY_S  # economy E41, and for every proposal of a member
PETITION_S = 90 * DAY_S  # economy W17: to find its seconders
PETITION_DUE_S = 60 * DAY_S  # economy W17: for the board to put it to the vote
PETITION_PCT, RECALL_PCT = 2, 10  # of the electorate (economy W17, E41)
ENACT_S = 30 * DAY_S  # economy section 4: a decision is carried out within this, or lapses
RESULT_S = 90 * DAY_S  # for the count, objections, and a second election (economy E5)


class Poll(Record, frozen=True):
    """`poll/<decision>`: what a vote needs beside the decision itself.

    `electorate` counts those who had a vote after the block at height `reference`, fixed when the
    vote opens; before, it is what `need` was worked out from. `decided_s` is when the result stood.
    """

    by: Account
    secret: Bit
    reference: Uint
    electorate: Uint
    need: Uint
    seconders: Uint
    decided_s: Uint


class SecretResult(Record, frozen=True):
    """`result/<decision>`: what the election about a secret proposal counted, and when (E10)."""

    yes: Uint
    no: Uint
    blank: Uint
    electorate: Uint
    time_s: Uint


POLLS: Keyspace[Poll] = Keyspace("poll", Poll, 1)
VOTES: Keyspace[bytes] = Keyspace("vote", Digest, 2)
VOTES_COUNT: Keyspace[int] = Keyspace("votes", Uint, 1)  # the highest number of a wijk
SECONDED: Keyspace[int] = Keyspace("second", Bit, 2)  # decision, account
CHOICE: Keyspace[str] = Keyspace("choice", str, 2)  # decision, account: the last one counts
RESULTS: Keyspace[SecretResult] = Keyspace("result", SecretResult, 1)
# `content/<wijk>/<digest>`: the newest proposal of the board with these actions and this text.
CONTENTS: Keyspace[bytes] = Keyspace("content", Digest, 2)


def passes(klass: str, yes: int, no: int, blank: int, electorate: int, quorum_pct: int) -> bool:
    """Say whether a proposal passes, exactly and without dividing (economy E7, B8).

    Blanks count for turnout only. Nobody's yes is no majority of any kind: without one nothing
    passes, also where a form of E7 would read 0 >= 0.
    """
    counted, ballots = yes + no, yes + no + blank
    if yes == 0:
        return False
    if klass == STATUTES:
        return 3 * yes >= 2 * counted and 3 * ballots >= electorate
    if klass == RECALL:
        return yes > no and 3 * ballots >= electorate
    assert klass in (ORDINARY, BUDGET), f"no majority in {klass}"
    biased = no * no * electorate < yes * yes * counted
    return biased and 100 * ballots >= quorum_pct * electorate


def get_quorum_pct(clock: Clock, decision: Decision) -> int:
    """Return the quorum of a vote: the one in force as it opens, like its electorate.

    Else the result would depend on when somebody closes it, and a vote under way on another one.
    """
    epoch = decision.window[0] // clock.epoch_s
    value = get_param(clock.state, FEDERATION, "quorum_pct", epoch)
    if value is None:
        value = compute_default("quorum_pct", clock.chain.purpose)
    assert isinstance(value, int), "quorum_pct is a number"
    return value


def share(percent: int, electorate: int) -> int:
    """Return how many people are `percent` of an electorate, at least one."""
    return max(1, -(-percent * electorate // 100))


def compute_actions_digest(actions: tuple[bytes, ...]) -> bytes:
    """Return the digest that fixes what a vote is about: nothing else can run (economy E34)."""
    return digest(list(actions))


def content_key(actions_digest: bytes, text_digest: bytes) -> bytes:
    """Return what two proposals with the same actions and the same text have in common."""
    return digest([actions_digest, text_digest])


def make_decision(
    ctx: Context,
    klass: str,
    actions: tuple[bytes, ...],
    text: bytes,
    window: tuple[int, int],
    *,
    secret: int,
    need: int,
    cents: int = 0,
) -> bytes:
    """Write a new proposal as DRAFT, under the next number of the wijk, and return its id."""
    number = (VOTES_COUNT.get(ctx.state, ctx.wijk_id) or 0) + 1
    decision_id = ctx.new_id()
    decision = Decision(
        ctx.wijk_id,
        number,
        klass,
        actions,
        compute_actions_digest(actions),
        text,
        window,
        (0, 0, 0),
        cents,
        DRAFT,
    )
    electorate = count_voters(ctx.state, ctx.wijk_id, ctx.height - 1)
    DECISIONS.put(ctx.state, decision, decision_id)
    POLLS.put(ctx.state, Poll(ctx.sender, secret, 0, electorate, need, 0, 0), decision_id)
    VOTES.put(ctx.state, decision_id, ctx.wijk_id, number)
    VOTES_COUNT.put(ctx.state, number, ctx.wijk_id)
    return decision_id


def get_choice_place(choice: str) -> int:
    """Return the place of a choice in a tally: yes, no, blank."""
    return CHOICES.index(choice)


def put_result(
    state: State, decision_id: bytes, counts: tuple[int, int, int], electorate: int, time_s: int
) -> None:
    """Take in what an election counted about a secret proposal: yes, no, blank (economy E10)."""
    RESULTS.put(state, SecretResult(*counts, electorate, time_s), decision_id)
