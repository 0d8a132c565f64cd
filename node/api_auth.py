"""Who may read what under `api.privacy = "members"` (interfaces 2.3).

A signed request names an account; that account, the other party of a transaction, and a
registered auditor may read. Everything else fails closed: 401 without a signature, 403 without a
right. On public chains every door here is open.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from aiohttp import web

from chain.address import account_id, parse_account
from chain.books import PAYMENTS, REDEMPTIONS
from chain.codec import decode, encode
from chain.crypto import verify
from chain.errors import Malformed
from chain.keyspaces import (
    ACCOUNTS,
    AUDITOR,
    BOARD,
    DECISIONS,
    HOLDS,
    MEMBERS,
    AccountRecord,
    Member,
    get_role,
)
from chain.params import FEDERATION
from chain.records import Tx, decode_tx
from chain.shared import PROPOSALS
from chain.state import Keyspace
from chain.texts import Problem
from chain.voters import is_member
from contracts.governance.issue import ISSUES
from contracts.members import Recover
from node.chainstore import TxPlace
from node.request_signature import VALID_S, Signed, read_signed
from node.standing import Node

NONCES_MAX = 100_000  # seen in the last two minutes; above it signed reading is refused
# Sums and rules of a wijk, votes and elections: what concerns no one account (interfaces 2.3).
OPEN_KEYSPACES = frozenset(
    {
        "activity", "budgeted", "cap", "decision", "elect", "entry", "fed", "issuer", "line",
        "minter", "owed", "pact", "param", "poll", "reg", "regowner", "reserve", "result", "role",
        "seat", "set", "spent", "statement", "supply", "trip", "unpaid", "vote", "voterchanges",
        "voters", "votes", "wijk", "wijken",
    }
)  # fmt: skip
ACCOUNT = "account"
# What the guardians of an account need to recover it: its keys, and a recovery that waits (B5).
GUARDED_KEYSPACES = frozenset({ACCOUNT, "recovery"})
SIGNATURE_REQUIRED, NOT_ALLOWED, RATE = 3005, 3006, 3004
# What objects that somebody owns are called by has no account in it: whose they are.
OWNERS: dict[str, tuple[Keyspace[Any], Callable[[Any], set[bytes]]]] = {
    "hold": (HOLDS, lambda hold: {hold.payer, hold.to}),
    "issue": (ISSUES, lambda issue: {issue.by}),
    "paid": (PAYMENTS, lambda paid: {paid.payer, paid.payee}),
    "proposal": (PROPOSALS, lambda proposal: {proposal.account}),
    "redeem": (REDEMPTIONS, lambda redemption: {redemption.account}),
}
_READER = web.RequestKey("reader", bytes)


def parties_of(tx: Tx) -> set[bytes]:
    """Return the sender of a transaction and whom its call pays."""
    legs = getattr(tx.call, "legs", None)
    if legs is not None:
        return {tx.sender} | {leg.to for leg in legs}
    payee = getattr(tx.call, "to", None) or getattr(tx.call, "payee", None)
    return {tx.sender} if payee is None else {tx.sender, payee}


def _belongs(account: AccountRecord, member: Member | None) -> bool:
    return account.kind == BOARD or is_member(account, member)


class Nonces:
    """The nonces of the last two minutes, so that a request that was overheard is worth nothing."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._order: deque[tuple[int, str]] = deque()

    def spend(self, nonce: str, now_s: int) -> bool:
        """Say whether a nonce is new, and remember it; raise `Problem` 3004 where it is full."""
        while self._order and self._order[0][0] < now_s - 2 * VALID_S:
            self._seen.discard(self._order.popleft()[1])
        if nonce in self._seen:
            return False
        if len(self._order) >= NONCES_MAX:
            raise Problem(RATE)
        self._seen.add(nonce)
        self._order.append((now_s, nonce))
        return True


class Readers:
    """Judges signed requests.

    Anybody can make a key and ask about it, so what keys ask has nonces of its own: strangers who
    fill those keep no account from reading.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._of_accounts = Nonces()
        self._of_keys = Nonces()

    def identify(self, request: web.Request, body: bytes | None = None) -> bytes | None:
        """Return the account that signed this request; None where anybody may read.

        Raise `Problem` 3005 unless exactly one sound, fresh signature stands under it.
        """
        if not self._node.is_private:
            return None
        known = request.get(_READER)
        if known is None:
            known = request[_READER] = self._judge(request, body)
        return known

    def require_holder(self, request: web.Request, key: bytes) -> None:
        """Raise `Problem` 3005 unless `key` itself signed this request (ADR 0101).

        It signs as first key of the account that would be named after it. Whether there is such an
        account plays no part, so nobody learns from the refusal who has one.
        """
        if not self._node.is_private:
            return
        signed, account = self._read(request, None)
        named = (account, signed.key_index) == (account_id(key), 0)
        if not named or not self._is_signed(signed, key, self._of_keys):
            raise Problem(SIGNATURE_REQUIRED)

    def require(
        self, request: web.Request, parties: Collection[bytes], body: bytes | None = None
    ) -> None:
        """Raise `Problem` unless the reader is one of `parties` or a registered auditor."""
        self.identify(request, body)
        if not self.may_read(request, parties):
            raise Problem(NOT_ALLOWED)

    def require_tx(self, request: web.Request, place: TxPlace) -> None:
        """Raise `Problem` unless the reader is a party of an included transaction."""
        if not self._node.is_private:
            return
        store, chain = self._node.store, self._node.chain
        outcome = store.outcomes(place.height)[place.index]
        owners = {posting.owner for posting in outcome.postings}
        tx = decode_tx(store.envelope(place), chain.table.union)
        if isinstance(tx.call, Recover) and self._guards(request, tx.sender):
            return
        self.require(request, owners | parties_of(tx))

    def require_member(self, request: web.Request, wijk: str) -> None:
        """Raise `Problem` unless the reader belongs to a wijk: its open votes are its own (E10)."""
        reader = self.identify(request)
        if reader is None:
            return  # anybody may read
        state = self._node.state()
        account = ACCOUNTS.get(state, reader)
        own = account is not None and account.wijk == wijk
        if account is None or not own or not _belongs(account, MEMBERS.get(state, reader)):
            self.require(request, ())

    def require_key(self, request: web.Request, parts: Sequence[bytes | str | int]) -> None:
        """Raise `Problem` unless the reader may see a state key: its own, or no one person's."""
        vote = parts[1] if parts[0] == "choice" and len(parts) > 1 else None
        decision = DECISIONS.get(self._node.state(), vote) if isinstance(vote, bytes) else None
        if decision is not None:
            self.require_member(request, decision.wijk)
        elif self._is_named_after_key(request, parts) or self._may_guard(request, parts):
            return
        elif parts[0] not in OPEN_KEYSPACES:
            named = {part for part in parts if isinstance(part, bytes)}
            self.require(request, named | self._find_owners(parts))

    def _may_guard(self, request: web.Request, parts: Sequence[bytes | str | int]) -> bool:
        return parts[0] in GUARDED_KEYSPACES and self._guards(request, parts[1])

    def _guards(self, request: web.Request, account: object) -> bool:
        """Say whether a key of the reader is a guardian of an account: it recovers it (B5)."""
        reader, state = self.identify(request), self._node.state()
        own = None if reader is None else ACCOUNTS.get(state, reader)
        other = ACCOUNTS.get(state, account) if isinstance(account, bytes) else None
        if own is None or other is None:
            return False
        return any(key.key in other.guardians for key in own.keys)

    def _is_named_after_key(self, request: web.Request, parts: Sequence[bytes | str | int]) -> bool:
        """Say whether a state key is of the account named after the key that signed this.

        A later key of another account so proves that there is none, or that it lost it (ADR 0101).
        """
        reader = self.identify(request) if parts[0] == ACCOUNT else None
        own = None if reader is None else ACCOUNTS.get(self._node.state(), reader)
        if own is None:
            return False
        key = own.key_at(self._read(request, None)[0].key_index)
        return key is not None and list(parts) == [ACCOUNT, account_id(key.key)]

    def _find_owners(self, parts: Sequence[bytes | str | int]) -> set[bytes]:
        """Return whose object a key names; nobody's where there is none."""
        space, find = OWNERS.get(str(parts[0]), (None, None))
        raw = None if space is None else self._node.store.read_state(encode(list(parts)))
        return (
            set() if space is None or find is None or raw is None else find(decode(space.kind, raw))
        )

    def may_read(self, request: web.Request, parties: Collection[bytes]) -> bool:
        """Say whether the reader is one of `parties`, an auditor, or anybody on a public chain."""
        reader = self.identify(request)
        return reader is None or reader in parties or self._is_auditor(reader)

    def _judge(self, request: web.Request, body: bytes | None) -> bytes:
        """Return the account of which an active key signed this request, now and first."""
        signed, account = self._read(request, body)
        record = ACCOUNTS.get(self._node.state(), account)
        key = None if record is None else record.key_at(signed.key_index)
        if key is None or not self._is_signed(signed, key.key, self._of_accounts):
            raise Problem(SIGNATURE_REQUIRED)
        return account

    def _read(self, request: web.Request, body: bytes | None) -> tuple[Signed, bytes]:
        """Return what the headers say, and the account they name; nothing is judged yet."""
        inputs = request.headers.getall("Signature-Input", [])
        signatures = request.headers.getall("Signature", [])
        if len(inputs) != 1 or len(signatures) != 1:
            raise Problem(SIGNATURE_REQUIRED)
        path, _, query = request.raw_path.partition("?")
        try:
            signed = read_signed(inputs[0], signatures[0], request.method, path, query, body)
            return signed, parse_account(signed.account)
        except Malformed:
            raise Problem(SIGNATURE_REQUIRED) from None

    def _is_signed(self, signed: Signed, key: bytes, nonces: Nonces) -> bool:
        """Say whether `key` made this signature now, for the first time."""
        now_s = self._node.timers.wall_ms() // 1000
        if abs(now_s - signed.created) > VALID_S:
            return False
        if not verify(key, signed.base, signed.signature):
            return False
        return nonces.spend(f"{signed.account}#{signed.nonce}", now_s)

    def _is_auditor(self, account: bytes) -> bool:
        clock = self._node.clock()
        held = get_role(clock.state, FEDERATION, AUDITOR, clock.epoch, clock.time_s)
        return held is not None and held.account == account
