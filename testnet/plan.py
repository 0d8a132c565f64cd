"""What a network on one machine consists of, and the genesis that follows (interfaces 1.7, 3.6).

Everything is derived from a seed: the same seed and options give byte-identical keys and genesis.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from chain.address import account_id, account_text
from chain.crypto import public_key, sha256, sign
from chain.genesis import possession_bytes
from wallet.keystore import derive_seed

SEEDED_TIME = "2026-01-01T00:00:00.000Z"
DEV_CENTS = 1_000_000  # € 10.000,00 for each developer key
BUDGET_CENTS = 100_000
PACT_CAP_CENTS = 100_000  # € 1.000,00 each way
TESTNET_WAIT_S = 5
WAITING = (
    "epoch_s",
    "enact_delay_s",
    "net_period_s",
    "recovery_delay_s",
    "complaint_s",
    "objection_s",
    "hearing_s",
)
ROUND_MS = 1_000


class WijkPlan(msgspec.Struct, frozen=True):
    """A wijk: where it is and how its coin is called."""

    slug: str
    name: str
    cbs_code: str
    cbs_year: int
    coin: tuple[str, str, str]  # name, plural, symbol


class NodePlan(msgspec.Struct, frozen=True):
    """A validator and the wijk that runs it."""

    name: str
    wijk: str


class PersonPlan(msgspec.Struct, frozen=True):
    """A key of the client home; in genesis only where it starts with money."""

    key: str
    wijk: str
    kind: str = "person"
    balance_cents: int = 0
    in_genesis: bool = True
    shown: str = ""


class Crowd(msgspec.Struct, frozen=True):
    """Persons of one wijk with raw keys, in no client home: ten thousand cost a second."""

    wijk: str
    count: int
    balance_cents: int


class Plan(msgspec.Struct, frozen=True):
    """A whole network. `secret` is what all keys are derived from."""

    chain_id: str
    purpose: str
    federation: str
    genesis_time: str
    secret: bytes
    wijken: tuple[WijkPlan, ...]
    nodes: tuple[NodePlan, ...]
    people: tuple[PersonPlan, ...]
    closing_on: str
    wait_s: int
    params: dict[str, int]
    crowd: Crowd | None = None
    pact_cap_cents: int = PACT_CAP_CENTS

    def seed(self, name: str) -> bytes:
        """Return 32 secret bytes for a purpose of this network."""
        return sha256(b"wijkchain/network\x00" + self.secret + b"\x00" + name.encode())

    def key(self, name: str) -> bytes:
        """Return the public key of a key of the client home."""
        return public_key(derive_seed(self.seed(name), 0))

    def crowd_seeds(self) -> list[bytes]:
        """Return the signing seeds of the crowd, in the order of its accounts."""
        return [self.crowd_seed(i) for i in range(self.crowd.count if self.crowd else 0)]

    def crowd_seed(self, i: int) -> bytes:
        """Return the signing seed of person `i`; beyond the count, of one still to be made."""
        return self.seed(f"crowd {i}")

    def account(self, name: str) -> bytes:
        """Return the account whose first key is that of `name`."""
        return account_id(self.key(name))

    def holder(self, name: str) -> bytes:
        """Return the holder digest of a key: registrar a is the person of board a."""
        person = name.replace("registrar-", "board-") if name.endswith("-a") else name
        return sha256(self.key(person))

    def reserve(self, wijk: str) -> bytes:
        """Return the random id of a wijk's reserve account."""
        return self.seed(f"reserve {wijk}")

    def key_names(self) -> tuple[str, ...]:
        """Return every key of the client home: people, boards, registrars."""
        names = [person.key for person in self.people]
        for wijk in self.wijken:
            names += [f"board-{wijk.slug}-{letter}" for letter in "abc"]
            names += [f"registrar-{wijk.slug}-{letter}" for letter in "ab"]
        return tuple(names)


def plan_testnet(nodes: int, wijken: int, accounts: int, secret: bytes, genesis_time: str) -> Plan:
    """Return the plan of `wijk testnet create`: wijken w1.., nodes v1.., keys dev1.."""
    slugs = [f"w{i + 1}" for i in range(wijken)]
    return Plan(
        chain_id="testnet",
        purpose="test",
        federation="Testnet",
        genesis_time=genesis_time,
        secret=secret,
        wijken=tuple(
            WijkPlan(slug, slug.upper(), f"WK9999{i:02d}", 2026, ("Munt", "Munten", "MNT"))
            for i, slug in enumerate(slugs)
        ),
        nodes=tuple(NodePlan(f"v{i + 1}", slugs[i % wijken]) for i in range(nodes)),
        people=tuple(
            PersonPlan(f"dev{i + 1}", slugs[i % wijken], balance_cents=DEV_CENTS)
            for i in range(accounts)
        ),
        closing_on=genesis_time[:10],
        wait_s=TESTNET_WAIT_S,
        params={},
    )


RESIDENTS = (
    ("anna", "Anna", 0, "person"),
    ("bakker-jansen", "Bakker Jansen", 0, "business"),
    ("chaima", "Chaima", 0, "person"),
    ("dirk", "Dirk", 0, "person"),
    ("elif", "Elif", 2, "person"),
    ("fietsenmaker-gerrit", "Fietsenmaker Gerrit", 2, "business"),
    ("hanna", "Hanna", 2, "person"),
    ("ibrahim", "Ibrahim", 2, "person"),
)
DEMO_SLUGS = ("delfshaven", "noord", "feijenoord", "charlois")


def plan_demo(city: Path, wijken: int, secret: bytes, genesis_time: str) -> Plan:
    """Return the plan of `wijk demo`: real wijken of Rotterdam, residents still to be admitted."""
    known = {wijk["slug"]: wijk for wijk in json.loads(city.read_text())["wijken"]}
    slugs = [*DEMO_SLUGS, *(slug for slug in known if slug not in DEMO_SLUGS)][:wijken]
    plans = [known[slug] for slug in slugs]
    return Plan(
        chain_id="rotterdam-demo",
        purpose="demo",
        federation="Rotterdam (demo)",
        genesis_time=genesis_time,
        secret=secret,
        wijken=tuple(
            WijkPlan(
                wijk["slug"],
                wijk["name"],
                wijk["cbs_code"],
                wijk["cbs_year"],
                (wijk["coin"]["name"], wijk["coin"]["plural"], wijk["coin"]["symbol"]),
            )
            for wijk in plans
        ),
        nodes=tuple(NodePlan(slug, slug) for slug in slugs),
        people=tuple(
            PersonPlan(key, DEMO_SLUGS[place], kind, 0, in_genesis=False, shown=shown)
            for key, shown, place, kind in RESIDENTS
        ),
        closing_on="2026-01-01",
        wait_s=1,
        params={"seconders": 2},
    )


def make_document(plan: Plan, addresses: Sequence[str]) -> dict[str, Any]:
    """Return the genesis document of a plan; `addresses` are the p2p addresses of its nodes."""
    slugs = [wijk.slug for wijk in plan.wijken]
    accounts: list[dict[str, Any]] = []
    for slug in slugs:
        accounts.append(_shared(plan, slug, "board", [f"board-{slug}-{x}" for x in "abc"]))
        accounts.append(_shared(plan, slug, "role", [f"registrar-{slug}-{x}" for x in "ab"]))
    accounts += [
        _person(plan.key(person.key), person.wijk, person.kind, person.balance_cents)
        for person in plan.people
        if person.in_genesis
    ]
    sums = {
        slug: sum(p.balance_cents for p in plan.people if p.in_genesis and p.wijk == slug)
        for slug in slugs
    }
    if plan.crowd is not None:
        crowd = plan.crowd
        accounts += [
            _person(public_key(seed), crowd.wijk, "person", crowd.balance_cents)
            for seed in plan.crowd_seeds()
        ]
        sums[crowd.wijk] += crowd.count * crowd.balance_cents
    params: dict[str, int] = {"quota_person": 0, "quota_business": 0, "quota_role": 0}
    params |= dict.fromkeys(WAITING, plan.wait_s) | plan.params
    return {
        "format": "wijk/genesis/1",
        "chain_id": plan.chain_id,
        "purpose": plan.purpose,
        "genesis_time": plan.genesis_time,
        "federation": plan.federation,
        "params": params,
        "issuers": [
            {"code": "DEMO", "mode": "LICENSED", "wallet_cap_cents": None, "total_cap_cents": None}
        ],
        "wijken": [_wijk(plan, wijk) for wijk in plan.wijken],
        "validators": [
            _validator(plan, node, address)
            for node, address in zip(plan.nodes, addresses, strict=True)
        ],
        "accounts": accounts,
        "opening_statements": [
            {
                "wijk": slug,
                "reserve": plan.reserve(slug).hex(),
                "statement_sha256": plan.seed(f"statement {slug}").hex(),
                "closing_on": plan.closing_on,
                "closing_cents": sums[slug],
            }
            for slug in slugs
        ],
        "pacts": [
            {"wijken": [a, b], "mode": "PLEDGED", "caps_cents": [plan.pact_cap_cents] * 2}
            for i, a in enumerate(slugs)
            for b in slugs[i + 1 :]
        ],
    }


def _wijk(plan: Plan, wijk: WijkPlan) -> dict[str, Any]:
    name, plural, symbol = wijk.coin
    board = account_text(plan.account(f"board-{wijk.slug}-a"))
    return {
        "slug": wijk.slug,
        "name": wijk.name,
        "cbs_code": wijk.cbs_code,
        "cbs_year": wijk.cbs_year,
        "coin": {"denom": f"{wijk.slug}:EUR", "name": name, "plural": plural, "symbol": symbol},
        "issuer": "DEMO",
        "board": board,
        "treasury": board,
        "registrar": account_text(plan.account(f"registrar-{wijk.slug}-a")),
        "budget_cents": BUDGET_CENTS,
    }


def _validator(plan: Plan, node: NodePlan, address: str) -> dict[str, Any]:
    seed = plan.seed(f"node {node.name}")
    key = public_key(seed)
    transport = public_key(plan.seed(f"transport {node.name}"))
    return {
        "name": node.name,
        "wijk": node.wijk,
        "public_key": key.hex(),
        "transport_key": transport.hex(),
        "address": address,
        "proof": sign(seed, possession_bytes(plan.chain_id, key, transport)).hex(),
    }


def _shared(plan: Plan, slug: str, kind: str, names: list[str]) -> dict[str, Any]:
    return {
        "id": account_text(plan.account(names[0])),
        "wijk": slug,
        "kind": kind,
        "threshold": 2,
        "keys": [
            {"key": plan.key(name).hex(), "holder": plan.holder(name).hex()} for name in names
        ],
        "flags": [],
        "limit_cents": None,
        "balance_cents": 0,
    }


def _person(key: bytes, wijk: str, kind: str, balance_cents: int) -> dict[str, Any]:
    return {
        "id": account_text(account_id(key)),
        "wijk": wijk,
        "kind": kind,
        "threshold": 1,
        "keys": [{"key": key.hex(), "holder": sha256(key).hex()}],
        "flags": ["VOTE", "STAND"] if kind == "person" else [],
        "limit_cents": None,
        "balance_cents": balance_cents,
    }
