"""What is done in a made-up year, and the wijk in which it is: its people, offices and coin."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from chain.crypto import public_key, sign
from contracts.policy import Claim, TokenProof, token_bytes
from testnet.plan import Plan
from testnet.year_plan import Resident

HOUR_S = 3_600

Office = tuple[bytes, list[bytes]]  # a shared account, and the seeds of its keys


class Order(msgspec.Struct, frozen=True):
    """A transaction to be made: who sends what, and the seeds that sign, by key index.

    `token` is the seed of a benefit token that agrees to the claim (economy P3).
    """

    sender: bytes
    seeds: Mapping[int, bytes]
    call: Any
    token: bytes | None = None


Make = Callable[[], list[Order]]
Event = tuple[int, Make]  # second of the day


class Place(msgspec.Struct, frozen=True):
    """One wijk of the year. `home` are its accounts by kind, and grows as people come."""

    plan: Plan
    slug: str
    area: tuple[str, int]
    home: dict[str, list[Resident]]
    board: Office
    registrar: Office
    rng: Random
    read_balance: Callable[[str, str, bytes], int]

    @property
    def denom(self) -> str:
        """The coin of this wijk."""
        return f"{self.slug}:EUR"

    def balance(self, klass: str, account: bytes) -> int:
        """Return what is on an account before the block that is being made, in cents."""
        return self.read_balance(self.slug, klass, account)

    def as_board(self, call: Any) -> Order:
        """Return an order of the board, signed by the first two of its keys."""
        return _as_office(self.board, call)

    def as_registrar(self, call: Any) -> Order:
        """Return an order of both registrars."""
        return _as_office(self.registrar, call)


def order_of(one: Resident, call: Any, token: bytes | None = None) -> Order:
    """Return an order of a resident, with a token where the claim needs one."""
    return Order(one.account, {0: one.seed}, call, token)


def show_token(order: Order, chain_digest: bytes, nonce: bytes) -> Any:
    """Return the call of an order; a token signs its claim with the nonce that it goes out with."""
    if order.token is None:
        return order.call
    call = order.call
    assert isinstance(call, Claim)
    message = token_bytes(chain_digest, call.policy, call.payee, call.cents, order.sender, nonce)
    proof = TokenProof(public_key(order.token), sign(order.token, message))
    return replace(call, token=proof)


def _as_office(office: Office, call: Any) -> Order:
    account, seeds = office
    return Order(account, dict(enumerate(seeds[:2])), call)
