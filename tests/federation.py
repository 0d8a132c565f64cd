"""A small federation for tests: two or more wijken, boards, registrars and residents.

Seeds are made from names, so that a test can name who signs: `seed("anna")`.
"""

from __future__ import annotations

from typing import Any

from chain import tree
from chain.address import account_id, account_text, parse_account
from chain.codec import encode
from chain.contract import Chain, Contract, Table
from chain.crypto import public_key, sha256, sign
from chain.execute import Base, BlockRun, Executed, Preamble
from chain.genesis import AccountDoc, Genesis, load_genesis, make_base, possession_bytes
from chain.records import (
    TX_CONTEXT,
    Envelope,
    KeySignature,
    Outcome,
    Tx,
    carry,
    decode_tx,
    encode_body,
)
from chain.strict_json import canonical_json
from contracts import CONTRACTS

WIJKEN = ("delfshaven", "noord", "feijenoord", "charlois")
CBS_CODES = ("WK059903", "WK059905", "WK059910", "WK059915")
GENESIS_TIME_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
START_S = 1_767_261_600  # 10:00 that day: the time of the first block in most tests


def seed(name: str) -> bytes:
    """Return the secret, 32 bytes, of a person or node by name."""
    return sha256(b"test seed " + name.encode())


def key(name: str) -> bytes:
    """Return the public key of a name."""
    return public_key(seed(name))


def holder(name: str) -> bytes:
    """Return the holder digest of a name."""
    return sha256(key(name))


def account(name: str) -> bytes:
    """Return the account id whose first key is that of `name`."""
    return account_id(key(name))


def board(wijk: str) -> bytes:
    """Return the board account of a wijk."""
    return account(f"{wijk}-board-a")


def registrar(wijk: str) -> bytes:
    """Return the registrar account of a wijk."""
    return account(f"{wijk}-registrar-a")


def reserve(wijk: str) -> bytes:
    """Return the reserve id of a wijk."""
    return sha256(b"reserve " + wijk.encode())


def _account_doc(
    wijk: str, kind: str, names: list[str], threshold: int, holders: list[str], **rest: Any
) -> dict[str, Any]:
    return {
        "id": account_text(account(names[0])),
        "wijk": wijk,
        "kind": kind,
        "threshold": threshold,
        "keys": [
            {"key": key(name).hex(), "holder": holder(whose).hex()}
            for name, whose in zip(names, holders, strict=True)
        ],
        "flags": rest.get("flags", []),
        "limit_cents": rest.get("limit_cents"),
        "balance_cents": rest.get("balance_cents", 0),
    }


def make_document(
    wijken: int = 2,
    balances: dict[str, int] | None = None,
    *,
    validators: int | None = None,
    params: dict[str, Any] | None = None,
    issuers: list[dict[str, Any]] | None = None,
    purpose: str = "test",
) -> dict[str, Any]:
    """Return a genesis document. `balances` names residents as `<wijk>/<name>`, in cents.

    Per wijk: a 2-of-3 board (treasury and fund) with keys `<wijk>-board-a`, `-b`, `-c`, and a
    2-of-2 registrar with keys `<wijk>-registrar-a` (the holder of board-a) and `-b` (no seat).
    """
    slugs = WIJKEN[:wijken]
    balances = {"delfshaven/anna": 10_000, "noord/bram": 5_000} if balances is None else balances
    accounts = []
    for slug in slugs:
        a, b, c = (f"{slug}-board-{letter}" for letter in "abc")
        accounts.append(_account_doc(slug, "board", [a, b, c], 2, [a, b, c]))
        r, s = f"{slug}-registrar-a", f"{slug}-registrar-b"
        accounts.append(_account_doc(slug, "role", [r, s], 2, [a, s]))
    for place, cents in balances.items():
        slug, _, name = place.partition("/")
        accounts.append(
            _account_doc(
                slug, "person", [name], 1, [name], flags=["VOTE", "STAND"], balance_cents=cents
            )
        )
    sums = {slug: sum(c for p, c in balances.items() if p.startswith(slug + "/")) for slug in slugs}
    nodes = [
        slugs[i % wijken] + ("" if i < wijken else f"-{i}") for i in range(validators or wijken)
    ]
    chain_id = "test-chain"
    return {
        "format": "wijk/genesis/1",
        "chain_id": chain_id,
        "purpose": purpose,
        "genesis_time": "2026-01-01T00:00:00.000Z",
        "federation": "Rotterdam (test)",
        "params": {
            "quota_person": 0,
            "quota_business": 0,
            "quota_role": 0,
            "epoch_s": 5,
            **(params or {}),
        },
        "issuers": issuers
        or [
            {"code": "DEMO", "mode": "LICENSED", "wallet_cap_cents": None, "total_cap_cents": None}
        ],
        "wijken": [
            {
                "slug": slug,
                "name": slug.title(),
                "cbs_code": CBS_CODES[i],
                "cbs_year": 2014,
                "coin": {
                    "denom": f"{slug}:EUR",
                    "name": "Munt",
                    "plural": "Munten",
                    "symbol": "MNT",
                },
                "issuer": "DEMO",
                "board": account_text(board(slug)),
                "treasury": account_text(board(slug)),
                "registrar": account_text(registrar(slug)),
                "budget_cents": 100_000,
            }
            for i, slug in enumerate(slugs)
        ],
        "validators": [
            {
                "name": name,
                "wijk": slugs[i % wijken],
                "public_key": key(f"node-{name}").hex(),
                "transport_key": key(f"transport-{name}").hex(),
                "address": f"127.0.0.1:{27100 + 10 * i}",
                "proof": sign(
                    seed(f"node-{name}"),
                    possession_bytes(chain_id, key(f"node-{name}"), key(f"transport-{name}")),
                ).hex(),
            }
            for i, name in enumerate(nodes)
        ],
        "accounts": accounts,
        "opening_statements": [
            {
                "wijk": slug,
                "reserve": reserve(slug).hex(),
                "statement_sha256": sha256(slug.encode()).hex(),
                "closing_on": "2025-12-31",
                "closing_cents": sums[slug],
            }
            for slug in slugs
        ],
        "pacts": [
            {"wijken": [a, b], "mode": "PLEDGED", "caps_cents": [100_000, 100_000]}
            for i, a in enumerate(slugs)
            for b in slugs[i + 1 :]
        ],
    }


def make_genesis(document: dict[str, Any] | None = None, **options: Any) -> Genesis:
    """Return the checked genesis of a document, or of `make_document(**options)`."""
    return load_genesis(canonical_json(document or make_document(**options)))


def make_tx(
    chain: Chain,
    call: Any,
    sender: bytes,
    signers: list[tuple[int, str]],
    *,
    nonce: bytes = bytes(16),
    expires: int = START_S + 300,
    blobs: tuple[bytes, ...] = (),
) -> Tx:
    """Return a signed transaction; `signers` are (key index, name of the key).

    `blobs` travel beside the call.
    """
    body = encode_body(chain.digest, sender, nonce, expires, call)
    signatures = tuple(
        KeySignature(index, sign(seed(name), TX_CONTEXT + body)) for index, name in signers
    )
    return decode_tx(carry(encode(Envelope(body, signatures)), blobs), chain.table.union)


class Ledger:
    """A chain without consensus: runs calls one block at a time, or several in one block.

    Signs for real, executes with the production `BlockRun`, and applies what comes out.
    """

    def __init__(
        self,
        genesis: Genesis | None = None,
        *,
        contracts: tuple[Contract, ...] = CONTRACTS,
        **options: Any,
    ) -> None:
        self.genesis = genesis or make_genesis(**options)
        self.chain = self.genesis.chain(Table(contracts))
        self.state: dict[bytes, bytes] = dict(self.genesis.state)
        self.nodes = tree.build(self.genesis.state.items())
        base = make_base(self.genesis, self.nodes.get)
        self.base = Base(
            0,
            base.block_id,
            base.time_ms,
            self.state.get,
            self.nodes.get,
            base.frontier,
            base.window,
        )
        self.time_s = START_S
        self._count = 0
        self.blocks: list[Executed] = []

    @staticmethod
    def _put(target: dict[bytes, Any], changes: Any) -> None:
        for name, value in changes.items():
            if value is None:
                target.pop(name, None)
            else:
                target[name] = value

    def tx(self, call: Any, sender: bytes, signers: list[tuple[int, str]], **options: Any) -> Tx:
        """Return a signed transaction with a fresh nonce that is valid now."""
        self._count += 1
        options.setdefault("nonce", self._count.to_bytes(16, "big"))
        options.setdefault("expires", self.time_s + 300)
        return make_tx(self.chain, call, sender, signers, **options)

    @property
    def preamble(self) -> Preamble:
        """Who makes the next block: always the same node, and nobody is judged by it."""
        return Preamble(key("node-delfshaven"), None)

    def run(self) -> BlockRun:
        """Return the next block, open for transactions, effects and direct writes to state."""
        self.time_s += 1
        time_ms = self.time_s * 1000
        return BlockRun(self.base, self.chain, time_ms, preamble=self.preamble)

    def apply(self, run: BlockRun) -> Executed:
        """Finish the block and stand on it."""
        executed = run.finish()
        self._put(self.state, executed.changes)
        tree.apply(self.nodes, executed.tree_nodes)
        self.base.window.add_block(run.clock.time_s, executed.included)
        self.base = Base(
            self.base.height + 1,
            sha256(executed.state_root),
            run.clock.time_s * 1000,
            self.state.get,
            self.nodes.get,
            executed.frontier,
            self.base.window,
        )
        self.blocks.append(executed)
        return executed

    def send(
        self, call: Any, sender: bytes, signers: list[tuple[int, str]], **options: Any
    ) -> Outcome:
        """Run one call in a block of its own and return its outcome."""
        tx = self.tx(call, sender, signers, **options)
        run = self.run()
        outcome = run.include(tx)
        self.apply(run)
        return outcome

    def by_person(self, name: str, call: Any) -> Outcome:
        """Send as the one-key account of `name`."""
        return self.send(call, account(name), [(0, name)])

    def by_board(self, wijk: str, call: Any, letters: str = "ab") -> Outcome:
        """Send as the board of a wijk, signed by the seats with these letters."""
        signers = [("abc".index(letter), f"{wijk}-board-{letter}") for letter in letters]
        return self.send(call, board(wijk), signers)

    def by_registrar(self, wijk: str, call: Any) -> Outcome:
        """Send as the registrar of a wijk, signed by both."""
        signers = [(0, f"{wijk}-registrar-a"), (1, f"{wijk}-registrar-b")]
        return self.send(call, registrar(wijk), signers)


def account_of(doc: AccountDoc) -> bytes:
    """Return the account id of an account in a genesis document."""
    return parse_account(doc.id)
