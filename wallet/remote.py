"""What the wallet asks of a node, by name of the route (interfaces 2.2).

A thin door to `node/client.py`: an answer is the tree of the route; a refusal is a `Problem`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from chain.texts import Problem
from node.client import Client, Event, Sign

NOT_FOUND = 3007
PAGE_ITEMS = 500  # interfaces 2.1: the most that a page may hold
READ_S_MAX = 10.0  # a node that takes longer to answer a question hangs: the next one is asked
SLACK_S = 1.0  # a node that waits for a block must still have time to say that none came

Tree = dict[str, Any]


class Remote:
    """The nodes of a profile, tried in their order.

    `make_signs` gives signers once a node wants to know who reads, as `Client` says.
    """

    def __init__(
        self,
        urls: Sequence[str],
        timeout_s: float,
        lang: str,
        make_signs: Callable[[], Iterable[Sign]],
    ) -> None:
        self._connect = partial(
            Client, tuple(urls), timeout_s=min(timeout_s, READ_S_MAX), lang=lang
        )
        self._client = self._connect(make_signs=make_signs)

    def accounts_of(self, public_key: str, make_sign: Callable[[], Sign]) -> list[tuple[str, int]]:
        """Return the accounts of a key with its index in each; `make_sign` signs as that key.

        It is asked for where a node tells this to the key alone.
        """
        client = self._connect(make_signs=lambda: [make_sign()])
        try:
            page = client.get(f"/v1/keys/{public_key}")
        finally:
            client.close()
        return [(item["account"], int(item["index"])) for item in page["items"]]

    def status(self) -> Tree:
        """Return block B."""
        return self._client.status()

    def genesis(self) -> bytes:
        """Return the genesis bytes; nothing about them is checked here."""
        return self._client.genesis()

    def account(self, account: str, at: int | None = None, *, prove: bool = False) -> Tree:
        """Return `query account`; `Problem` 3007 for an unknown one."""
        return self._get(f"/v1/accounts/{account}", at=at, prove=prove)

    def find_account(self, account: str) -> Tree | None:
        """Return `query account`, or None where the chain knows no such account."""
        try:
            return self.account(account)
        except Problem as problem:
            if problem.number == NOT_FOUND:
                return None
            raise

    def history(self, account: str, asked: Mapping[str, str | int | None]) -> Tree:
        """Return a PAGE of `account history`."""
        return self._get(f"/v1/accounts/{account}/history", **asked)

    def limits(self, account: str) -> Tree:
        """Return what an account may still receive, and what is under way."""
        return self._get(f"/v1/accounts/{account}/limits")

    def holds(self, account: str, asked: Mapping[str, str | int | bool | None]) -> Tree:
        """Return a PAGE of what is set aside by an account and for it."""
        return self._get(f"/v1/accounts/{account}/holds", **asked)

    def proposals(self, account: str, asked: Mapping[str, str | int | None]) -> Tree:
        """Return a PAGE of the orders of an account that wait for approval, or waited."""
        return self._get(f"/v1/accounts/{account}/proposals", **asked)

    def public_name(self, name: str) -> Tree:
        """Return who has a registered public name; `Problem` 3007 where nobody has."""
        return self._get(f"/v1/names/{quote(name, safe='')}")

    def wijken(self) -> list[Tree]:
        """Return all wijken of the federation."""
        return self._all("/v1/wijken")

    def board(self, wijk: str) -> Tree:
        """Return account, threshold and seats of a board."""
        return self._get(f"/v1/board/{wijk}")

    def block(self, ref: str | int, *, txs: bool = False, prove: bool = False) -> Tree:
        """Return block E by height, id or `latest`."""
        return self._get(f"/v1/blocks/{ref}", txs=txs, prove=prove)

    def tx(self, tx: str, *, prove: bool = False) -> Tree:
        """Return `query tx`; `Problem` 3007 where the node has no record of it."""
        return self._get(f"/v1/txs/{tx}", prove=prove)

    def validators(self, at: int | None = None) -> Tree:
        """Return `query validators`."""
        return self._get("/v1/validators", at=at)

    def params(self, at: int | None = None) -> Tree:
        """Return the parameters in force."""
        return self._get("/v1/params", at=at)

    def search(self, text: str) -> Tree:
        """Return what a height, an id or an account id names."""
        return self._get("/v1/search", q=text)

    def supply(self, wijk: str, *, prove: bool = False) -> Tree:
        """Return `coin info` of a wijk; `Problem` 3007 for an unknown one."""
        return self._one("/v1/supply", wijk, prove=prove)

    def reserve(self, wijk: str, *, prove: bool = False) -> Tree:
        """Return `coin reserve show` of a wijk."""
        return self._one("/v1/reserve", wijk, prove=prove)

    def health(self, wijk: str, *, prove: bool = False) -> Tree:
        """Return how the coin of a wijk does: what lies still, who waits, what it costs."""
        return self._one("/v1/health", wijk, prove=prove)

    def issuance(self, wijk: str) -> list[Tree]:
        """Return the newest issues of coin."""
        page: Tree = self._get("/v1/issuance", wijk=wijk)
        return list(page["items"])

    def issued(self, wijk: str, *, prove: bool = False) -> list[Tree]:
        """Return all that was ever issued of a coin, newest first."""
        return self._all("/v1/issuance", wijk=wijk, prove=prove)

    def redemptions(self, wijk: str, *, prove: bool = False) -> list[Tree]:
        """Return every redemption of a wijk that the bank has not paid yet."""
        return self._all("/v1/redemptions", wijk=wijk, prove=prove)

    def issues(self, wijk: str | None) -> list[Tree]:
        """Return what boards were asked, and whether they answered."""
        return self._all("/v1/issues", **({} if wijk is None else {"wijk": wijk}))

    def elections(self, wijk: str | None) -> Tree:
        """Return a PAGE of elections, of one wijk or of all."""
        return self._get("/v1/elections", wijk=wijk)

    def election(self, name: str) -> Tree:
        """Return the election `<wijk>/<n>`; `Problem` 3007 for an unknown one."""
        return self._get(f"/v1/elections/{quote(name)}")

    def policies(self, **asked: str) -> Tree:
        """Return a PAGE of policies, of a `wijk` and in a `state` where they are named."""
        return self._get("/v1/policies", **asked)

    def policy_of(self, policy_id: str, *, prove: bool = False) -> Tree:
        """Return one policy with its sums and sentences."""
        return self._get(f"/v1/policies/{policy_id}", prove=prove)

    def votes(self, asked: Mapping[str, str | int | None]) -> Tree:
        """Return a PAGE of votes, of a `wijk` and in a `state` where they are named."""
        return self._get("/v1/votes", **asked)

    def vote(self, vote_id: str) -> Tree:
        """Return one vote by its number, such as `delfshaven/7`."""
        return self._get(f"/v1/votes/{vote_id}")

    def tally(self, vote_id: str) -> Tree:
        """Return how a vote stands."""
        return self._get(f"/v1/votes/{vote_id}/tally")

    def choices(self, vote_id: str) -> list[Tree]:
        """Return who voted what in an open vote."""
        return self._all(f"/v1/votes/{vote_id}/choices")

    def members(self, asked: Mapping[str, str | int | None]) -> Tree:
        """Return a PAGE of memberships."""
        return self._get("/v1/members", **asked)

    def all_members(self, wijk: str) -> list[Tree]:
        """Return every membership of a wijk with its proofs."""
        return self._all("/v1/members", wijk=wijk, prove="1")

    def values(self, wijk: str | None) -> list[Tree]:
        """Return what work is worth by vote."""
        return self._all("/v1/values", **({} if wijk is None else {"wijk": wijk}))

    def state_proof(self, key: str) -> Tree:
        """Return a state proof (5.5) of a key in text form, in the newest block."""
        return self._get("/v1/proofs/state", key=key)

    def receipt(self, tx: str) -> str:
        """Return the receipt of an included transaction; nothing about it is checked here."""
        return self._client.receipt(tx)

    def sealed(self, tx: str) -> bytes:
        """Return the sealed memo of a transaction; `Problem` 3007 where it has none."""
        return self._client.get_bytes(f"/v1/txs/{tx}/sealed")

    def stream(self, topics: str, last_id: str | None) -> Iterator[Event]:
        """Yield committed facts as they come, until the node ends the stream (2.4)."""
        return self._client.stream(topics, last_id)

    def check(self, envelope: bytes) -> Tree:
        """Return what an order would do now; nothing is kept."""
        return self._client.check(envelope)

    def submit(self, envelope: bytes, *, sealed: bytes | None, wait: str, timeout_s: float) -> Tree:
        """Post an order, the same bytes as often as needed (2.2); a node has `timeout_s`.

        Where one node did not answer, the next try begins with another one.
        """
        wait_ms = max(0, int((timeout_s - SLACK_S) * 1000))
        try:
            return self._client.submit(
                envelope, sealed=sealed, wait=wait, wait_ms=wait_ms, timeout_s=timeout_s
            )
        except Problem:
            self._client.turn()
            raise

    def _get(self, route: str, **asked: str | int | bool | None) -> Tree:
        found: Tree = self._client.get(route, **_spelled(asked))
        return found

    def _one(self, route: str, wijk: str, *, prove: bool = False) -> Tree:
        items = self._get(route, wijk=wijk, prove=prove)["items"]
        if not items:
            raise Problem(NOT_FOUND, what=wijk)
        return dict(items[0])

    def _all(self, route: str, **asked: str | bool) -> list[Tree]:
        items: list[Tree] = []
        after: str | None = None
        while True:
            page = self._get(route, limit=PAGE_ITEMS, after=after, **asked)
            items += page["items"]
            after = page["next"]
            if after is None:
                return items


def _spelled(asked: Mapping[str, str | int | bool | None]) -> dict[str, str]:
    """Leave out what was not asked; a switch is 1."""
    return {
        name: "1" if value is True else str(value)
        for name, value in asked.items()
        if value is not None and value is not False
    }
