"""The chain as JSON objects (interfaces 1.8, 2.2): pure reads of one store, newest state.

A function here gets the store and what it is about, and returns a tree of dicts, lists, text and
integers. Hashes are lower-case hex, accounts bech32m, times RFC 3339 (interfaces 0).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from chain.address import account_text
from chain.books import (
    COST,
    HELD,
    INCOME,
    UNPAID,
    get_balance,
    get_class,
    get_issuer,
    get_limit,
    get_wallet,
)
from chain.call_json import call_to_json
from chain.checkpoint import key_name, to_base64, write_vkey
from chain.codec import decode, encode
from chain.contract import Chain, Clock
from chain.dates import DAY_S, add_banking_days, date_text, from_days, to_days
from chain.execute import get_set_members
from chain.keyspaces import (
    ACCOUNTS,
    ACTIVE,
    FEDERATION_WIJKEN,
    FREEZES,
    ISSUERS,
    LEFT,
    MEMBERS,
    NO_LIMIT,
    RESERVES,
    RESIGNED,
    SEATS,
    SET_NOW,
    STATEMENTS,
    SUPPLY,
    SUSPENDED,
    TRIPS,
    VALIDATOR,
    WIJKEN,
    AccountRecord,
    Entry,
    Reserve,
    Statement,
    Supply,
    Wijk,
    get_param,
    get_role,
    has_mandate,
)
from chain.legal import LEGAL, is_review_overdue
from chain.log import inclusion_path
from chain.params import FEDERAL
from chain.proof import Receipt, write_receipt, write_state_proof
from chain.records import BlockBody, Header, Tx, decode_tx, split_carried
from chain.sanctions import get_suspended_keys
from chain.state import State
from chain.texts import problem
from chain.tree import prove
from chain.validators import (
    CommitCertificate,
    certificate_note,
    quorum,
    read_bitmap,
)
from node.chainstore import ENVELOPES, ChainStore, Envelopes, HistoryRow, TxPlace, u64

OPEN_BANKING_DAYS = 2  # economy C6: an entry is minted, returned or booked by then
NO_SUPPLY = Supply(0, 0, 0, 0, 0, 0, 0, 0)

Json = dict[str, Any]


def time_text(time_ms: int) -> str:
    """Return Unix ms as RFC 3339 UTC with milliseconds (interfaces 0)."""
    seconds, ms = divmod(time_ms, 1000)
    days, rest = divmod(seconds, DAY_S)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{ms:03}Z"
    return f"{date_text(from_days(days))}T{clock}"


# ------------------------------------------------------------------------------------- blocks


def block_json(
    store: ChainStore, chain_id: str, height: int, *, txs: bool = False, proof: bool = False
) -> Json | None:
    """Return block E of interfaces 1.8, or None where there is no such block."""
    raw = store.raw_block(height)
    if raw is None:
        return None
    header = decode(Header, raw[0])
    body = decode(BlockBody, raw[1])
    certificate = decode(CommitCertificate, raw[2])
    validators = store.validators_at(height)
    names = {validator.key: validator.name for validator in validators.validators}
    places = read_bitmap(certificate.bitmap, len(validators))
    return {
        "height": height,
        "round": certificate.round,
        "block_id": certificate.block_id.hex(),
        "parent": header.parent_id.hex(),
        "proposer": names[header.creator],
        "at": time_text(header.time_ms),
        "transactions": len(body.tx_ids),
        "bytes": sum(map(len, raw[3])),
        "log_size": header.log_size,
        "log_root": header.log_root.hex(),
        "state_root": header.state_root.hex(),
        "validators_hash": header.validators_hash.hex(),
        "next_validators_hash": header.next_validators_hash.hex(),
        "signers": sorted(names[validators.keys[place]] for place in places),
        "txs": [tx_id.hex() for tx_id in body.tx_ids] if txs else None,
        "header": to_base64(raw[0]) if proof else None,
        "checkpoint": certificate_note(certificate, validators, chain_id) if proof else None,
    }


def checkpoint_text(store: ChainStore, chain_id: str, height: int) -> str | None:
    """Return the checkpoint of a decided block as a signed note, or None (interfaces 5.2)."""
    certificate = store.certificate(height)
    if certificate is None:
        return None
    return certificate_note(certificate, store.validators_at(height), chain_id)


def height_of_size(store: ChainStore, size: int) -> int | None:
    """Return the first height after which the log has at least `size` leaves, or None."""
    low, high = 0, store.tip.height
    if size > store.tip.log_size:
        return None
    while low < high:
        middle = (low + high) // 2
        if _log_size(store, middle) >= size:
            high = middle
        else:
            low = middle + 1
    return low


def _log_size(store: ChainStore, height: int) -> int:
    header = store.header(height) if height else None
    return header.log_size if header is not None else 0


# ------------------------------------------------------------------------------- transactions


def receipt_text(
    store: ChainStore, chain_id: str, envelope: bytes, place: TxPlace, checkpoint: str | None = None
) -> str:
    """Return the receipt of an included transaction against the newest checkpoint (5.3)."""
    tip = store.tip
    path = inclusion_path(place.log_index, tip.log_size, store.read_log_node)
    note = checkpoint or checkpoint_text(store, chain_id, tip.height)
    assert note is not None, "a chain with a transaction has a block"
    return write_receipt(
        Receipt(split_carried(envelope)[0], place.code, place.log_index, tuple(path), note)
    )


def tx_json(
    chain: Chain, tx: Tx, status: str, place: TxPlace | None, at: str | None, lang: str
) -> Json:
    """Return `query tx` of interfaces 1.8 without its proof; `problem` says why one failed."""
    return {
        "tx": tx.id.hex(),
        "status": status,
        "code": None if place is None else place.code,
        "height": None if place is None else place.height,
        "index": None if place is None else place.index,
        "log_index": None if place is None else place.log_index,
        "at": at,
        "from": account_text(tx.sender),
        "expires_at": time_text(tx.expires * 1000),
        "call": call_to_json(chain.table, tx.call),
        "bytes": len(tx.raw),
        "proof": None,
        "problem": problem(place.code, dict(place.params), lang, tx=tx.id.hex())
        if place is not None and place.code
        else None,
    }


def included_tx_json(store: ChainStore, chain: Chain, place: TxPlace, lang: str) -> Json:
    """Return `query tx` of an included transaction."""
    tx = decode_tx(store.envelope(place), chain.table.union)
    return tx_json(chain, tx, status_of(place), place, at_height(store, place.height), lang)


def block_txs_json(
    store: ChainStore, chain: Chain, height: int, start: int, limit: int, lang: str
) -> list[Json]:
    """Return `query tx` objects of a block from transaction `start` on."""
    raw = store.store.get(ENVELOPES + u64(height))
    envelopes = decode(Envelopes, raw) if raw is not None else ()
    at = at_height(store, height)
    found = []
    for envelope in envelopes[start : start + limit]:
        tx = decode_tx(envelope, chain.table.union)
        place = store.place(tx.id)
        assert place is not None, "a transaction of a block has a place"
        found.append(tx_json(chain, tx, status_of(place), place, at, lang))
    return found


def status_of(place: TxPlace) -> str:
    """Return `final`, or `failed` for one that its contract refused."""
    return "failed" if place.code else "final"


def at_height(store: ChainStore, height: int) -> str:
    """Return the time of a decided block."""
    header = store.header(height)
    assert header is not None, "heights up to the tip are stored"
    return time_text(header.time_ms)


def payment_of(call: Any) -> tuple[bytes | None, int | None]:
    """Return whom a call pays and how much in all; None for what is no payment to one account."""
    legs = getattr(call, "legs", None)
    if legs is not None:
        to = legs[0].to if len(legs) == 1 else None
        return to, sum(leg.cents for leg in legs)
    to = getattr(call, "to", None) or getattr(call, "payee", None)
    return to, getattr(call, "cents", None)


# ----------------------------------------------------------------------------------- accounts


def account_json(store: ChainStore, clock: Clock, account: bytes) -> Json | None:
    """Return `query account` of interfaces 1.8 without proof, or None for an unknown account."""
    state = clock.state
    record = ACCOUNTS.get(state, account)
    if record is None:
        return None
    denom = own_denom(state, record)
    return {
        "account": account_text(account),
        "wijk": record.wijk,
        "kind": record.kind.lower(),
        "status": account_status(clock, account, record),
        "threshold": record.threshold,
        "keys": [
            {"index": key.index, "public_key": key.key.hex(), "added_height": key.added_height}
            for key in record.keys
        ],
        "balances": [
            {
                "denom": denom,
                "available_cents": get_balance(state, denom, get_class(record), account),
                "held_cents": get_balance(state, denom, HELD, account),
            }
        ],
        "freeze": _freeze_json(clock, account),
        "height": store.tip.height,
        "proof": None,
    }


def own_denom(state: State, record: AccountRecord) -> str:
    """Return the denomination of an account's wijk."""
    return _wijk(state, record.wijk).denom(record.wijk)


def balance_key(state: State, account: bytes, record: AccountRecord) -> bytes:
    """Return the state key of an account's own money (interfaces 1.8)."""
    return encode(("bal", own_denom(state, record), get_class(record), account))


def account_status(clock: Clock, account: bytes, record: AccountRecord) -> str:
    """Return `closed` of who left, `frozen` while a freeze or a suspension is in force (1.8)."""
    if record.status == LEFT:
        return "closed"
    frozen = record.status == SUSPENDED or _freeze_json(clock, account) is not None
    return "frozen" if frozen else "active"


def _freeze_json(clock: Clock, account: bytes) -> Json | None:
    """Return the freeze in force: until when, why, and what it rests on (economy C19)."""
    freeze = FREEZES.get(clock.state, account)
    if freeze is None or clock.time_s >= freeze.until_s:
        return None
    return {
        "since_at": time_text(freeze.since_s * 1000),
        "until_at": time_text(freeze.until_s * 1000),
        "reason": freeze.reason,
        "order": None if freeze.order is None else freeze.order.hex(),
    }


def history_json(store: ChainStore, height: int, index: int, row: HistoryRow) -> Json:
    """Return a row of `account history` of interfaces 1.8; the memo is not the node's to know."""
    return {
        "tx": row.tx_id.hex(),
        "height": height,
        "index": index,
        "at": at_height(store, height),
        "kind": row.kind,
        "direction": "in" if row.incoming else "out",
        "counterparty": _owner_text(row.counterparty),
        "counterparty_name": None,
        "amount_cents": row.cents,
        "denom": row.denom,
        "balance_cents": row.balance,
        "memo": None,
        "cross_wijk": bool(row.cross_wijk),
        "code": 0,
    }


def _owner_text(owner: bytes) -> str:
    """Return an account as bech32m, a reserve or policy as hex, a wijk by its id."""
    if len(owner) == 20:  # noqa: PLR2004 - an account
        return account_text(owner)
    return owner.hex() if len(owner) == 32 else owner.decode()  # noqa: PLR2004 - an id


def limits_json(clock: Clock, account: bytes, pending: int, pending_max: int) -> Json | None:
    """Return what an account may still receive and send, or None for an unknown account."""
    state = clock.state
    record = ACCOUNTS.get(state, account)
    if record is None:
        return None
    wijk = _wijk(state, record.wijk)
    issuer = get_issuer(state, wijk.issuer)
    limit = get_limit(issuer, record, MEMBERS.get(state, account))
    held = get_wallet(state, wijk.denom(record.wijk), get_class(record), account)
    capped = limit < NO_LIMIT
    return {
        "account": account_text(account),
        "mode": issuer.mode,
        "wallet_cap_cents": limit if capped else None,
        "room_cents": max(0, limit - held) if capped else None,
        "pending": pending,
        "pending_max": pending_max,
    }


# --------------------------------------------------------------------------- wijken and coin


def wijken(state: State) -> list[tuple[str, Wijk]]:
    """Return the wijken of the federation in its order."""
    return [(slug, _wijk(state, slug)) for slug in FEDERATION_WIJKEN.get(state) or ()]


def _wijk(state: State, slug: str) -> Wijk:
    wijk = WIJKEN.get(state, slug)
    assert wijk is not None, "an account belongs to a wijk that exists"
    return wijk


def board_json(clock: Clock, slug: str) -> Json | None:
    """Return the board of a wijk: its seats that sit, and the account that signs for it."""
    state = clock.state
    wijk = WIJKEN.get(state, slug)
    if wijk is None:
        return None
    account = ACCOUNTS.get(state, wijk.board)
    assert account is not None, "a wijk has a board"
    added = {key.key: key.added_height for key in account.keys}
    seats = []
    number = 1
    while (seat := SEATS.get(state, slug, number)) is not None:
        sits = seat.from_s <= clock.time_s < seat.until_s
        serves = seat.status in (ACTIVE, RESIGNED)
        if serves and (sits or clock.height == 0):  # terms begin with block 1
            seats.append(
                {
                    "role": f"seat-{number}",
                    "public_key": seat.key.hex(),
                    "since_height": added.get(seat.key),
                    "until_on": date_text(from_days(seat.until_s // DAY_S)),
                }
            )
        number += 1
    return {
        "wijk": slug,
        "account": account_text(wijk.board),
        "threshold": account.threshold,
        "seats": seats,
        "caretaker": clock.height > 0 and not has_mandate(state, slug, clock.time_s),
        "trips": [
            {
                "call": name,
                "reason": trip.reason,
                "by": trip.by.lower(),
                "until_at": time_text(trip.until_s * 1000),
            }
            for name in sorted(clock.chain.table.names)
            if (trip := TRIPS.get(state, slug, name)) is not None and clock.time_s < trip.until_s
        ],
        "mandate": None,
    }


def coin_json(clock: Clock, height: int, slug: str, wijk: Wijk) -> Json:
    """Return `coin info` of interfaces 1.8 for one wijk."""
    state = clock.state
    denom = wijk.denom(slug)
    supply = SUPPLY.get(state, denom) or NO_SUPPLY
    issuer = ISSUERS.get(state, wijk.issuer)
    outstanding = supply_cents(supply)
    backing = supply.reserve + supply.due_from - supply.due_to
    return {
        "wijk": slug,
        "denom": denom,
        "name": get_param(state, slug, "coin.name", clock.epoch),
        "symbol": get_param(state, slug, "coin.symbol", clock.epoch),
        "mode": None if issuer is None else issuer.mode,
        "issued_cents": supply.issued,
        "redeemed_cents": supply.redeemed,
        "traded_net_cents": supply.traded_in - supply.traded_out,
        "supply_cents": outstanding,
        "pending_out_cents": supply.pending_out,
        "reserve_cents": supply.reserve,
        "due_from_cents": supply.due_from,
        "due_to_cents": supply.due_to,
        "peg": "ok" if outstanding <= backing else "short",
        "wallet_cap_cents": None if issuer is None else issuer.wallet_cap,
        "statement": _statement_json(clock, slug),
        "height": height,
    }


def supply_cents(supply: Supply) -> int:
    """Return how much of a coin is out: issued - redeemed + traded net (interfaces 1.8)."""
    return supply.issued - supply.redeemed + supply.traded_in - supply.traded_out


def _reserves(clock: Clock, slug: str) -> Iterator[tuple[bytes, Reserve]]:
    rows = clock.param("reserves")
    assert isinstance(rows, tuple)
    for reserve_id, wijk in rows:
        assert isinstance(reserve_id, bytes)
        reserve = RESERVES.get(clock.state, reserve_id) if wijk == slug else None
        if reserve is not None:
            yield reserve_id, reserve


def _statement_json(clock: Clock, slug: str) -> Json | None:
    """Return the newest complete statement over all reserves of a wijk."""
    newest: tuple[Reserve, Statement] | None = None
    for reserve_id, reserve in _reserves(clock, slug):
        statement = STATEMENTS.get(clock.state, reserve_id, reserve.date)
        if statement is not None and (newest is None or reserve.date > newest[0].date):
            newest = reserve, statement
    if newest is None:
        return None
    reserve, statement = newest
    return {
        "id": statement.id.hex(),
        "closing_cents": reserve.closing,
        "closing_on": date_text(reserve.date),
        "attested_height": statement.height,
    }


def reserve_json(
    clock: Clock, slug: str, wijk: Wijk, unmatched: Mapping[bytes, Sequence[Json]]
) -> Json:
    """Return `coin reserve show` of interfaces 1.8; `unmatched` are open entries per reserve."""
    denom = wijk.denom(slug)
    supply = SUPPLY.get(clock.state, denom) or NO_SUPPLY
    return {
        "wijk": slug,
        "denom": denom,
        "reserve_cents": supply.reserve,
        "supply_cents": supply_cents(supply),
        "difference_cents": supply.reserve - supply_cents(supply),
        "due_from_cents": supply.due_from,
        "due_to_cents": supply.due_to,
        "blocked": _blocked(clock, slug, denom),
        "unmatched": sorted(
            (
                entry | _age_json(clock, int(entry["on"].replace("-", "")))
                for reserve_id, _ in _reserves(clock, slug)
                for entry in unmatched.get(reserve_id, ())
            ),
            key=lambda entry: (entry["on"], entry["entry"]),
        ),
        "statement": _statement_json(clock, slug),
    }


def _blocked(clock: Clock, slug: str, denom: str) -> str | None:
    """Return why nothing is minted now: an unpaid redemption (C15), or the flag SHORT (C17)."""
    unpaid = UNPAID.get(clock.state, denom)
    if unpaid and unpaid[0][0] < clock.book_date:
        return "overdue"
    debits = sum(reserve.open_debits for _, reserve in _reserves(clock, slug))
    income = get_balance(clock.state, denom, INCOME, slug)
    short = debits > income - get_balance(clock.state, denom, COST, slug)
    return "short" if short else None


def _age_json(clock: Clock, date: int) -> Json:
    """Return how old an open item is, in days, and whether it should be booked by now (C6)."""
    return {
        "age_days": to_days(clock.book_date) - to_days(date),
        "overdue": add_banking_days(date, OPEN_BANKING_DAYS) < clock.book_date,
    }


def open_reserves(clock: Clock) -> frozenset[bytes]:
    """Return the reserves with bank entries that nothing has used yet."""
    return frozenset(
        reserve_id
        for slug in FEDERATION_WIJKEN.get(clock.state) or ()
        for reserve_id, reserve in _reserves(clock, slug)
        if reserve.open_credits or reserve.open_debits
    )


def unmatched_json(entry_id: bytes, entry: Entry) -> Json:
    """Return one attested bank entry that nothing has used yet."""
    return {
        "entry": entry_id.hex(),
        "amount_cents": entry.cents,
        "on": date_text(entry.date),
        "side": entry.side,
        "reversal": bool(entry.reversal),
    }


def params_json(clock: Clock) -> Json:
    """Return every parameter of the federation with the value in force (interfaces 3.6)."""
    return {name: _param_value(clock.param(name)) for name in FEDERAL}


def legal_json(clock: Clock) -> list[Json]:
    """Return what the law asks, and which parameter should have been reviewed by now (G12)."""
    return [
        {
            "name": one.name,
            "owner": one.owner,
            "source": one.source,
            "review_on": date_text(one.review_on),
            "overdue": is_review_overdue(one, clock.book_date),
        }
        for one in LEGAL
    ]


def _param_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_param_value(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


# --------------------------------------------------------------------------------- validators


def validators_json(clock: Clock, store: ChainStore, standing: Mapping[bytes, Json]) -> Json:
    """Return `query validators`; `standing` adds `online` and signatures per key."""
    members = get_set_members(store.read_state, SET_NOW)
    suspended = get_suspended_keys(clock.state)
    items = []
    for member in sorted(members, key=lambda member: member.name):
        role = get_role(clock.state, member.wijk, VALIDATOR, clock.epoch, clock.time_s)
        items.append(
            {
                "name": member.name,
                "wijk": member.wijk,
                "public_key": member.key.hex(),
                "vkey": write_vkey(key_name(clock.chain.chain_id, member.name), member.key),
                "account": None if role is None else account_text(role.account),
                "suspended": member.key in suspended,
                **standing[member.key],
            }
        )
    n = len(members)
    return {
        "height": store.tip.height,
        "quorum": quorum(n),
        "can_lose": n - quorum(n),
        "items": items,
    }


def state_proof_text(store: ChainStore, chain_id: str, key: bytes) -> str | None:
    """Return the state proof of a key in the newest block, or None before the first (5.5)."""
    tip = store.tip
    header = store.header(tip.height) if tip.height else None
    if header is None:
        return None
    note = _newest_note(store, chain_id, tip.height)
    return write_state_proof(key, store.read_state(key), prove(store.read_node, key), header, note)


@lru_cache(maxsize=4)
def _newest_note(store: ChainStore, chain_id: str, height: int) -> str:
    note = checkpoint_text(store, chain_id, height)
    assert note is not None, "every decided block has a certificate"
    return note
