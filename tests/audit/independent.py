"""A second opinion on a chain, written from the documents (economy A1, interfaces 4 and 5).

It shares no code with the node: msgpack is decoded generically, hashes and trees are made here,
signatures are checked with another library. It knows the calls that move coin and no rule that
refuses one: which transactions were refused it is told, and proves against the certified log.
"""

import json
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from typing import Any

import msgpack  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Blocks = list[tuple[bytes, bytes, bytes, tuple[bytes, ...]]]  # header, body, certificate, envelopes


class Wrong(Exception):
    """The chain is not what it says it is."""


class Books:
    """Balances by (denom, class, owner) and the eight sums of supply by denom, in cents."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.balances: Counter[tuple[str, str, bytes | str]] = Counter()
        self.supply: dict[str, list[int]] = {}
        self._wijk_of: dict[bytes, str] = {}
        self._class_of: dict[bytes, str] = {}
        self._reserve_of: dict[bytes, bytes] = {}
        self._denoms: dict[str, str] = {
            wijk["slug"]: wijk["coin"]["denom"] for wijk in document["wijken"]
        }
        opening = {row["wijk"]: row for row in document["opening_statements"]}
        for row in document["accounts"]:
            first = bytes.fromhex(row["keys"][0]["key"])
            name = sha256(b"wijkchain/account" + first).digest()[:20]
            self._wijk_of[name] = row["wijk"]
            self._class_of[name] = "7" if row["kind"] == "board" else "2"
            if row["balance_cents"]:
                reserve = bytes.fromhex(opening[row["wijk"]]["reserve"])
                self._issue(reserve, name, row["balance_cents"])

    def apply(self, sender: bytes, call: list[Any]) -> None:
        """Book a call that was carried out."""
        match call:
            case ["coin.transfer", legs, _]:
                for to, cents, _, _ in legs:
                    self._move(sender, -cents)
                    self._move(to, cents)
            case ["trade.pay", to, cents, _, _]:
                payer, payee = self._wijk_of[sender], self._wijk_of[to]
                self._move(sender, -cents)
                self._move(to, cents)
                self.balances[self._denoms[payer], "6T", payee] += cents
                self.balances[self._denoms[payee], "6F", payer] += cents
                self._sum(payer)[3] += cents
                self._sum(payer)[7] += cents
                self._sum(payee)[2] += cents
                self._sum(payee)[6] += cents
            case ["coin.statement", reserve, _, _, _, _, _, entries]:
                self._reserve_of |= {entry[0]: reserve for entry in entries}
            case ["coin.mint", entry, to, cents, _, _]:
                self._issue(self._reserve_of[entry], to, cents)
            case ["coin.redeem_request", cents, _]:
                self._move(sender, -cents)
                self.balances[self._denom(sender), "3", sender] += cents
                self._sum(self._wijk_of[sender])[4] += cents
            case ["coin.set_minter", *_]:
                pass  # moves nothing
            case _:
                raise Wrong(f"a call that this program does not know: {call[0]}")

    def _denom(self, account: bytes) -> str:
        return self._denoms[self._wijk_of[account]]

    def _sum(self, wijk: str) -> list[int]:
        return self.supply.setdefault(self._denoms[wijk], [0] * 8)

    def _move(self, account: bytes, cents: int) -> None:
        place = self._denom(account), self._class_of[account], account
        self.balances[place] += cents
        if self.balances[place] < 0:
            raise Wrong(f"{account.hex()} is below zero")

    def _issue(self, reserve: bytes, to: bytes, cents: int) -> None:
        self.balances[self._denom(to), "1", reserve] += cents
        self._move(to, cents)
        self._sum(self._wijk_of[to])[0] += cents
        self._sum(self._wijk_of[to])[5] += cents


def work_out(genesis: bytes, blocks: Blocks, codes: list[list[int]]) -> Books:
    """Return the books of a chain, or raise `Wrong`. `codes`: per block, the outcome of each
    transaction as somebody claims it; they count only if the certified log holds them.
    """
    document = json.loads(genesis)
    digest = sha256(genesis).digest()
    keys = sorted(bytes.fromhex(row["public_key"]) for row in document["validators"])
    books = Books(document)
    parent, leaves, time_ms = digest, [], 0
    for height, (header, body, certificate, envelopes) in enumerate(blocks, start=1):
        at = f"block {height}"
        fields = msgpack.unpackb(header)
        _want(fields[:5] == ["wijk.header.1", 1, digest, height, parent], f"{at}: header")
        _want(fields[6] > time_ms, f"{at}: time")
        _want(fields[7] == sha256(body).digest(), f"{at}: body")
        ids = msgpack.unpackb(body)[3]
        _want(ids == [sha256(envelope).digest() for envelope in envelopes], f"{at}: transactions")
        for envelope, tx_id, code in zip(envelopes, ids, codes[height - 1], strict=True):
            leaf = msgpack.packb(["wijk.leaf.1", tx_id, code])
            leaves.append(sha256(b"\0" + leaf).digest())
            tx = msgpack.unpackb(msgpack.unpackb(envelope)[0])
            _want(tx[0] == digest, f"{at}: a transaction of another chain")
            if code == 0:
                books.apply(tx[1], tx[4])
        _want(fields[9:11] == [len(leaves), log_root(leaves)], f"{at}: log")
        parent, time_ms = sha256(header).digest(), fields[6]
        _check_certificate(document["chain_id"], keys, fields, parent, msgpack.unpackb(certificate))
    return books


def state_root(state: dict[bytes, bytes]) -> bytes:
    """Return the root of a whole state (interfaces 5.5)."""
    rows = sorted((sha256(key).digest(), sha256(value).digest()) for key, value in state.items())
    return _node(rows, 0)


def log_root(leaves: list[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 6962 section 2.1)."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\1" + log_root(leaves[:split]) + log_root(leaves[split:])).digest()


def _node(rows: list[tuple[bytes, bytes]], depth: int) -> bytes:
    slots: list[list[tuple[bytes, bytes]]] = [[] for _ in range(16)]
    for row in rows:
        byte = row[0][depth // 2]
        slots[byte & 15 if depth % 2 else byte >> 4].append(row)
    children = [
        bytes(32)
        if not slot
        else sha256(b"\0" + slot[0][0] + slot[0][1]).digest()
        if len(slot) == 1
        else _node(slot, depth + 1)
        for slot in slots
    ]
    return sha256(b"\1" + b"".join(children)).digest()


def _check_certificate(
    chain_id: str, keys: list[bytes], header: list[Any], block_id: bytes, certificate: list[Any]
) -> None:
    tag, height, round_, name, size, root, bitmap, signatures = certificate
    at = f"block {header[3]}"
    same = [tag, height, name, size, root] == ["wijk.cc.1", header[3], block_id, *header[9:11]]
    _want(same, f"{at}: certificate")
    note = (
        f"wijkchain/{chain_id}\n{size}\n{b64encode(root).decode()}\n"
        f"block {height} {round_} {b64encode(name).decode()}\n"
    )
    bits = int.from_bytes(bitmap, "little")
    signers = [key for place, key in enumerate(keys) if bits >> place & 1]
    _want(len(signers) == len(signatures), f"{at}: signers")
    _want(3 * len(signers) >= 2 * len(keys), f"{at}: quorum")
    for key, signature in zip(signers, signatures, strict=True):
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, note.encode())
        except InvalidSignature:
            raise Wrong(f"{at}: signature") from None


def _want(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)
