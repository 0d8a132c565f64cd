"""How a table of cases for a policy script is written: what is given, and what happens row by row.

A board member reads the table; a test plays it through the executor on one chain, in order, and
`docs/policies.md` is printed from the same rows with what people were told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from chain.books import get_balance
from chain.errors import Code
from chain.records import Outcome, Tag
from chain.state import State
from chain.texts import message
from contracts.policies import POLICIES, Policy
from contracts.policy import EnrolToken
from contracts.policy.sentences import describe
from tests.contracts.desk import broken, put
from tests.contracts.fund_desk import WIJK, claim, make_ledger, open_pool, release
from tests.federation import Ledger, account, key

DAY_S = 86_400
PAID = "paid"
NOTHING_PAID = "noted"


class Story:
    """One chain on which the rows of a table happen: a funder, residents, shops and a pool."""

    def __init__(self, balances: dict[str, int] | None = None) -> None:
        self.ledger: Ledger = make_ledger(**({} if balances is None else {"balances": balances}))
        self.policy = bytes(32)
        self.notes: dict[str, bytes] = {}

    def open(self, *guards: Any, **options: Any) -> None:
        """Let the funder make a pool of € 100,00, unless told otherwise, and the board accept."""
        self.policy = open_pool(self.ledger, *guards, **options)

    def pay(self, to: str, cents: int, **options: Any) -> Outcome:
        """Ask the pool to pay, as its funder unless told otherwise."""
        return claim(self.ledger, self.policy, to, cents, **options)

    def release(self, step: int, cents: int, by: str) -> Outcome:
        """Let a step of the pool go."""
        return release(self.ledger, self.policy, step, cents, by)

    def enrol(self, *tokens: str, period: int = 0) -> Outcome:
        """Let the registrars enrol tokens."""
        keys = tuple(sorted(key(name) for name in tokens))
        return self.ledger.by_registrar(WIJK, EnrolToken(self.policy, period, keys))

    def days(self, count: int) -> Story:
        """Let days pass."""
        self.ledger.time_s += count * DAY_S
        return self

    def put(self, space: Any, value: Any, *parts: Any) -> None:
        """Place a record whose call is not built yet."""
        put(self.ledger, space, value, *parts)

    def has(self, name: str) -> int:
        """Return what somebody has, in cents."""
        return get_balance(State(self.ledger.state.get), f"{WIJK}:EUR", "2", account(name))

    def get(self) -> Policy:
        """Return the policy of this story."""
        policy = POLICIES.get(State(self.ledger.state.get), self.policy)
        assert policy is not None
        return policy

    def sentences(self, lang: str) -> list[str]:
        """Return what people read before they sign, today, but for who decided it."""
        policy = self.get()
        today = self.ledger.run().clock.book_date
        self.ledger.time_s -= 1  # that run was only to look
        state = State(self.ledger.state.get)
        said = describe(state, self.policy, policy, today, lang)
        return said[:-1] if policy.decided is not None else said


class Row(NamedTuple):
    """What is asked, in Dutch and English; what becomes of it; and who then has how many cents.

    `want` is `PAID`, `NOTHING_PAID` or the code of the refusal, with its clause after a dot.
    """

    nl: str
    en: str
    act: Callable[[Story], Outcome]
    want: str
    after: Mapping[str, int] = MappingProxyType({})


class Table(NamedTuple):
    """The cases of one script: what is given, and the rows that happen after another."""

    script: str
    nl: str
    en: str
    given: Callable[[], Story]
    rows: tuple[Row, ...]


class Told(NamedTuple):
    """What came of a row: the outcome, and the message in Dutch and English, empty for none."""

    row: Row
    outcome: Outcome
    nl: str
    en: str


def play(table: Table) -> tuple[list[str], list[Told]]:
    """Play a table on a new chain; assert each row and, at the end, that the books are sound.

    Returns what people read before the first row, in Dutch and in English, and what came of each.
    """
    story = table.given()
    before = [" ".join(story.sentences(lang)) for lang in ("nl", "en")]
    told = []
    for row in table.rows:
        outcome = row.act(story)
        assert reason(outcome) == (row.want if row.want not in (PAID, NOTHING_PAID) else ""), row.nl
        assert bool(outcome.postings) == (row.want == PAID), row.nl
        for name, cents in row.after.items():
            assert story.has(name) == cents, (row.nl, name, story.has(name))
        params = dict(outcome.params)
        said = [
            message(outcome.code, params, lang) if outcome.code else "" for lang in ("nl", "en")
        ]
        told.append(Told(row, outcome, *said))
    assert broken(story.ledger) == []
    return before, told


def reason(outcome: Outcome) -> str:
    """Return the reason of a refusal, of a clause its name: `policy.cap`; empty for none."""
    if outcome.code == 0:
        return ""
    if outcome.code == Code.POLICY_CLAUSE.number:
        return f"policy.{dict(outcome.params)['clause']}"
    return next(code.reason for code in Code if code.number == outcome.code)


def food(vat: int = 0) -> Tag:
    """Return the tag of food in a shop."""
    return Tag("SALE", "P3", "C01", vat)
