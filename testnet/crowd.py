"""The crowd of a bench: accounts beyond those of genesis, and payments signed ahead of the clock.

Everything here follows from the plan and a number, so that other processes can make any part of
it (interfaces 1.8, bench). A batch is ready to be sent: the client of the measured window hashes,
encodes and signs nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import msgspec

from chain.address import account_id
from chain.codec import encode
from chain.crypto import public_key, sha256
from chain.keyspaces import NO_LIMIT
from contracts.coin import LEGS_MAX, Leg, Transfer
from contracts.members import ATTACH_MAX, Attach, NewAccount
from testnet.plan import Crowd, Plan
from wallet.keystore import derive_seed
from wallet.sign import build_body, sign_body

GENESIS_ACCOUNTS_MAX = 10_000  # interfaces 1.8: the rest are made on the chain
FUND_CENTS = 1_000  # one cent a payment: 1,000 payments each
ATTACH_TXS = 10  # of one batch: a thousand accounts
FUND_TXS = 15  # of one batch: about a thousand accounts too
ID_BYTES = 32
KEYS_KEPT = 1 << 17  # public keys remembered by a process: 30 MB

R = TypeVar("R")


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The body of one post to `/v1/txs:batch`, and the ids of what is in it, one after another."""

    body: bytes
    ids: bytes

    def __len__(self) -> int:
        return len(self.ids) // ID_BYTES

    def tx_ids(self) -> Iterator[bytes]:
        """Yield the transaction ids in order."""
        for start in range(0, len(self.ids), ID_BYTES):
            yield self.ids[start : start + ID_BYTES]


def make_batch(envelopes: Sequence[bytes]) -> Batch:
    """Return the batch of these envelopes, in order."""
    return Batch(encode(list(envelopes)), b"".join(map(sha256, envelopes)))


def attach_tasks(plan: Plan, accounts: int) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the accounts that one batch of `sign_attach` makes."""
    return _parts(_crowd(plan).count, accounts, ATTACH_TXS * ATTACH_MAX)


def fund_tasks(plan: Plan, accounts: int) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the accounts that one batch of `sign_funding` pays."""
    return _parts(_crowd(plan).count, accounts, FUND_TXS * LEGS_MAX)


def payment_tasks(first: int, count: int, batch_txs: int) -> Iterator[tuple[int, int]]:
    """Yield (first, count) of the payments of each batch; a number is given out once."""
    return _parts(first, first + count, batch_txs)


def sign_attach(plan: Plan, digest: bytes, expires: int, first: int, count: int) -> Batch:
    """Return the batch in which both registrars make `count` accounts (economy G4, B5).

    They are persons without a limit, as those of genesis are: payments to all cost the same.
    """
    crowd = _crowd(plan)
    names = [f"registrar-{crowd.wijk}-{letter}" for letter in "ab"]
    sender = plan.account(names[0])
    seeds = {index: derive_seed(plan.seed(name), 0) for index, name in enumerate(names)}
    envelopes = []
    for start, size in _parts(first, first + count, ATTACH_MAX):
        keys = sorted(_key(plan.crowd_seed(i)) for i in range(start, start + size))
        call = Attach(tuple(NewAccount(key, "PERSON", NO_LIMIT) for key in keys))
        nonce = _draw(b"bench attach", start)[:16]
        envelopes.append(sign_body(build_body(digest, sender, nonce, expires, call), seeds))
    return make_batch(envelopes)


def sign_funding(plan: Plan, digest: bytes, expires: int, first: int, count: int) -> Batch:
    """Return the batch in which accounts of genesis, in turn, pay `count` others their first money.

    A transfer has as many legs as it may (economy section 4).
    """
    rich = _crowd(plan).count
    envelopes = []
    for start, size in _parts(first, first + count, LEGS_MAX):
        payer = plan.crowd_seed(start // LEGS_MAX % rich)
        legs = [
            Leg(account_id(_key(plan.crowd_seed(i))), FUND_CENTS, None, None)
            for i in range(start, start + size)
        ]
        nonce = _draw(b"bench funding", start)[:16]
        body = build_body(
            digest, account_id(_key(payer)), nonce, expires, Transfer(tuple(legs), None)
        )
        envelopes.append(sign_body(body, {0: payer}))
    return make_batch(envelopes)


def sign_payments(
    plan: Plan, digest: bytes, accounts: int, expires: int, first: int, count: int
) -> Batch:
    """Return a batch of payments: every account pays one cent in its turn, to anyone but itself.

    Whom it pays is drawn by a hash. Were it the next in turn, what an account gets and what it
    pays would level out within a block, and the state would hardly change.
    """
    envelopes = []
    for i in range(first, first + count):
        drawn = _draw(b"bench payment", i)
        payer = i % accounts
        payee = (payer + 1 + int.from_bytes(drawn[16:]) % (accounts - 1)) % accounts
        seed, other = plan.crowd_seed(payer), plan.crowd_seed(payee)
        call = Transfer((Leg(account_id(_key(other)), 1, None, None),), None)
        body = build_body(digest, account_id(_key(seed)), drawn[:16], expires, call)
        envelopes.append(sign_body(body, {0: seed}))
    return make_batch(envelopes)


def in_order(
    pool: Executor, work: Callable[..., R], tasks: Iterable[tuple[int, ...]], ahead: int
) -> Iterator[R]:
    """Yield what other processes make of `tasks`, in order; at most `ahead` are made too early."""
    rest = iter(tasks)
    waiting: deque[Future[R]] = deque(pool.submit(work, *task) for task in islice(rest, ahead))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(work, *task) for task in islice(rest, 1))


def _crowd(plan: Plan) -> Crowd:
    assert plan.crowd is not None, "the plan of a bench has a crowd"
    return plan.crowd


@lru_cache(KEYS_KEPT)
def _key(seed: bytes) -> bytes:
    return public_key(seed)


def _draw(purpose: bytes, i: int) -> bytes:
    return sha256(purpose + i.to_bytes(8, "big"))


def _parts(first: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(first, end, size):
        yield start, min(size, end - start)
