"""How large a year of a wijk is, who lives in it, and how they pay (economy R5, L1 to L3).

Everything is drawn from the seed of the plan: the same size and seed give the same year.
"""

import json
from pathlib import Path
from random import Random

import msgspec

from chain.address import account_id
from chain.crypto import public_key
from chain.params import DAY_S
from testnet.plan import SEEDED_TIME, NodePlan, PersonPlan, Plan, WijkPlan

YEAR = 2025  # the last one that is over, so a network may go on with the chain today
NODES_MIN = 4
PACT_CAP_CENTS = 2_000_000  # nothing is netted yet: a year of trade has to fit
GENESIS_CENTS = 25_000  # of the two per wijk who have money before the chain begins
QUOTAS = {"quota_person": 30, "quota_business": 300, "quota_role": 1_000}  # economy B3
REDEEM_LIMIT_CENTS = 60_000  # of the shop whose till empties itself into the bank (economy C8)

# Of every hundred accounts: what they are. The rest are payment accounts without membership.
KINDS = (("PERSON", 70), ("BUSINESS", 14), ("HOUSEHOLD", 8), ("INSTITUTION", 3), ("ASSOCIATION", 2))
# What shops sell: COICOP division, NACE section, VAT in % of the price without it.
TRADES = (("C01", "G", 9), ("C03", "G", 21), ("C09", "R", 9), ("C11", "I", 9), ("C13", "S", 21))


class Size(msgspec.Struct, frozen=True):
    """How much happens. `members` and `payments` a day are those of one wijk.

    Payments of the same `slot_s` seconds share a block; `burst_s` is how long the market of King's
    day goes on at fifty payments a second (L3).
    """

    wijken: int
    members: int
    payments: int
    slot_s: int
    burst_s: int
    days: int = 365


SIZES = {
    "small": Size(2, 14, 2, 4 * 3_600, 2),  # for tests: a few seconds
    # Its last day is the 25th of February: wages, and a market of fifty payments a second.
    "L3": Size(4, 2_000, 213, 300, 600, 56),
    "L1": Size(4, 2_000, 213, 300, 600),  # 320,000 payments
    "L2": Size(12, 8_000, 8_000, 60, 600),  # 35 million: a day of it is what fits in an hour
}


class Resident(msgspec.Struct, frozen=True):
    """An account that pays, and the raw seed of its one key."""

    wijk: str
    kind: str
    seed: bytes
    account: bytes
    membership: bool = True
    trade: int = 0  # of a business: index in TRADES


def plan_year(city: Path, size: Size, secret: bytes) -> Plan:
    """Return the network of a year: real wijken, a node for each and four at least."""
    known = json.loads(city.read_text())["wijken"][: size.wijken]
    slugs = [wijk["slug"] for wijk in known]
    names = [slugs[i % len(slugs)] for i in range(max(NODES_MIN, len(slugs)))]
    return Plan(
        chain_id="rotterdam-jaar",
        purpose="test",
        federation="Rotterdam (een jaar)",
        genesis_time=SEEDED_TIME.replace("2026", str(YEAR)),
        secret=secret,
        wijken=tuple(
            WijkPlan(
                wijk["slug"],
                wijk["name"],
                wijk["cbs_code"],
                wijk["cbs_year"],
                (wijk["coin"]["name"], wijk["coin"]["plural"], wijk["coin"]["symbol"]),
            )
            for wijk in known
        ),
        nodes=tuple(
            NodePlan(slug if i < len(slugs) else f"{slug}-{i // len(slugs) + 1}", slug)
            for i, slug in enumerate(names)
        ),
        people=tuple(
            PersonPlan(f"{slug}-{kind}", slug, kind, balance_cents=GENESIS_CENTS)
            for slug in slugs
            for kind in ("person", "business")
        ),
        closing_on=f"{YEAR - 1}-12-31",
        wait_s=DAY_S,
        params=QUOTAS,
        pact_cap_cents=PACT_CAP_CENTS,
    )


def draw_residents(plan: Plan, size: Size, wijk: str) -> list[Resident]:
    """Return the accounts of a wijk that come in January, members first."""
    kinds = [kind for kind, share in KINDS for _ in range(max(1, size.members * share // 100))]
    kinds = kinds[: size.members]
    rest = ["PERSON"] * (size.members - len(kinds))
    residents = []
    for i, kind in enumerate([*kinds, *rest]):
        seed = plan.seed(f"year {wijk} {i}")
        residents.append(
            Resident(
                wijk, kind, seed, account_id(public_key(seed)), i < len(kinds), i % len(TRADES)
            )
        )
    return residents


class Shopping(msgspec.Struct, frozen=True):
    """A payment somebody has in mind: from whom to whom, cents."""

    payer: Resident
    payee: Resident
    cents: int


def draw_payment(rng: Random, homes: dict[str, dict[str, list[Resident]]], wijk: str) -> Shopping:
    """Return who pays whom: mostly persons in shops, sometimes in another wijk."""
    here, what = homes[wijk], rng.randrange(100)
    if what < 66:  # noqa: PLR2004 - shares of a hundred payments
        payer, payee, cents = _pick(rng, here, "PERSON", "HOUSEHOLD"), "BUSINESS", _price(rng)
    elif what < 80:  # noqa: PLR2004
        payer, payee, cents = _pick(rng, here, "PERSON"), "PERSON", 25 * rng.randint(1, 60)
    elif what < 92:  # noqa: PLR2004
        payer, payee, cents = _pick(rng, here, "BUSINESS"), "BUSINESS", 3 * _price(rng)
    elif what < 95:  # noqa: PLR2004
        payer, payee = _pick(rng, here, "INSTITUTION", "ASSOCIATION"), "BUSINESS"
        cents = 2 * _price(rng)
    else:
        other = rng.choice([slug for slug in homes if slug != wijk])
        return Shopping(
            _pick(rng, here, "PERSON", "BUSINESS"),
            _pick(rng, homes[other], "BUSINESS"),
            _price(rng),
        )
    choice = [one for one in here[payee] if one is not payer]
    return Shopping(payer, rng.choice(choice), cents)


def _pick(rng: Random, here: dict[str, list[Resident]], *kinds: str) -> Resident:
    return rng.choice(here[rng.choice(kinds)])


def _price(rng: Random) -> int:
    """Return what a purchase costs, in cents: a loaf often, a bicycle seldom."""
    return min(rng.randint(95, 2_400), rng.randint(95, 9_000))
