"""The JSON objects of interfaces 1.8 as a table, and what holds a tree against it.

A shape is a kind in words (`text`, `int`, `number`, `bool`, `hex`, `hex16`, `id`, `time`, `date`),
a dict of shapes, a list of one shape, or a tuple of allowed texts; `Maybe` allows null.
"""

import re
from typing import Any, NamedTuple

from chain.address import parse_account


class Maybe(NamedTuple):
    """Null, or what it holds."""

    shape: Any


ANY = object()
TX = {
    "tx": Maybe("hex"),
    "status": ("draft", "accepted", "final", "failed", "rejected", "expired", "unknown"),
    "code": Maybe("int"),
    "height": Maybe("int"),
    "index": Maybe("int"),
    "log_index": Maybe("int"),
    "at": Maybe("time"),
    "finality_ms": Maybe("number"),
    "receipt": Maybe("text"),
    "verified": "bool",
    "replayed": "bool",
    "draft": Maybe("text"),
}
PROBLEM = {
    "type": "text",
    "title": "text",
    "status": "int",
    "detail": "text",
    "instance": Maybe("text"),
    "code": "text",
    "retry": ("never", "after", "same-bytes"),
    "nothing_sent": "bool",
    "params": ANY,
    "tx": Maybe("hex"),
}
STATEMENT = {"id": "hex", "closing_cents": "int", "closing_on": "date", "attested_height": "int"}
SIGNATURES = {"have": "int", "need": "int"}
PROPOSED = {
    "proposal": "hex",
    "state": ("open",),
    "expires_at": "time",
    "approvals": SIGNATURES,
}
PROPOSAL = {
    "proposal": "hex",
    "account": "id",
    "state": ("open", "executed", "refused", "cancelled"),
    "refused_code": Maybe("text"),
    "call": ANY,
    "approvals": {"have": "int", "need": Maybe("int")},
    "expires_at": "time",
}
KEY = {
    "name": "text",
    "account": "id",
    "public_key": "hex",
    "slots": ["text"],
    "backed_up": "bool",
    "created_at": "time",
}
QUERY_TX = {
    "tx": Maybe("hex"),
    "status": "text",
    "code": Maybe("int"),
    "height": Maybe("int"),
    "index": Maybe("int"),
    "log_index": Maybe("int"),
    "at": Maybe("time"),
    "from": "id",
    "expires_at": "time",
    "call": ANY,
    "bytes": "int",
    "proof": Maybe({"receipt": "text"}),
}
HISTORY_ITEM = {
    "tx": "hex",
    "height": "int",
    "index": "int",
    "at": "time",
    "kind": ("payment", "issue", "redemption", "grant", "hold", "trade"),
    "direction": ("in", "out"),
    "counterparty": "text",
    "counterparty_name": Maybe("text"),
    "amount_cents": "int",
    "denom": "text",
    "balance_cents": "int",
    "memo": Maybe("text"),
    "cross_wijk": "bool",
    "code": "int",
}


def page(item: Any) -> dict[str, Any]:
    """Return the shape of a PAGE of items."""
    return {"items": [item], "next": Maybe("text"), "as_of_height": Maybe("int")}


SHAPES: dict[str, Any] = {
    "version": {
        "version": "text",
        "cli_schema": "int",
        "api": "text",
        "python": "text",
        "storage": ["text"],
    },
    "status": {
        "chain_id": "text",
        "chain_digest": "hex",
        "node": "text",
        "version": "text",
        "height": "int",
        "round": "int",
        "block_id": Maybe("hex"),
        "block_at": Maybe("time"),
        "block_age_ms": Maybe("int"),
        "sync": ("live", "catching_up", "stalled", "offline"),
        "behind_blocks": "int",
        "validators": {
            "total": "int",
            "online": "int",
            "quorum": "int",
            "can_lose": "int",
            "missing": [
                {
                    "name": "text",
                    "since_at": "time",
                    "last_height": Maybe("int"),
                    "reason": "text",
                }
            ],
        },
        "consensus": {
            "height": "int",
            "round": "int",
            "proposer": "text",
            "proposed": Maybe("hex"),
            "prepared_by": ["text"],
            "committed_by": ["text"],
            "sidelined": [{"name": "text", "until_height": "int"}],
            "suspended": ["text"],
            "clock_skew_ms": Maybe("int"),
            "full_block": Maybe(
                {"txs": "int", "estimate_ms": "int", "limit_ms": "int", "measured_txs": "int"}
            ),
            "silence": Maybe({"reason": "text", "text": "text"}),
        },
        "finality_ms": Maybe({"p50": Maybe("number"), "p99": Maybe("number")}),
        "supply_cents": "int",
        "reserve_cents": "int",
        "peg": ("ok", "short"),
        "log_size": "int",
        "mempool": "int",
        "next_vote": Maybe({"id": "text", "closes_at": "time"}),
        "upgrade": ANY,
        "health": ("ok", "degraded", "down"),
        "cause": Maybe(PROBLEM),
    },
    "keys add": {
        "name": "text",
        "account": "id",
        "public_key": "hex",
        "file": "text",
        "slots": ["text"],
        "words": Maybe(["text"]),
    },
    "keys list": page(KEY),
    "keys show": {**KEY, "qr": Maybe("text")},
    "contacts list": page(
        {"name": "text", "account": "id", "added_at": "time", "verified_at": Maybe("time")}
    ),
    "account balance": {
        "account": "id",
        "name": Maybe("text"),
        "wijk": "text",
        "denom": "text",
        "balance_cents": "int",
        "held_cents": "int",
        "available_cents": "int",
        "height": "int",
        "at": Maybe("time"),
        "text": "text",
    },
    "account history": page(HISTORY_ITEM),
    "account limits": {
        "account": "id",
        "mode": "text",
        "wallet_cap_cents": Maybe("int"),
        "room_cents": Maybe("int"),
        "pending": "int",
        "pending_max": "int",
    },
    "pay": {
        **TX,
        "from": "id",
        "to": "id",
        "to_name": Maybe("text"),
        "amount_cents": "int",
        "denom": "text",
        "wijk_from": "text",
        "wijk_to": "text",
        "cross_wijk": "bool",
        "memo": Maybe("text"),
    },
    "pay --dry-run": {
        "dry_run": "bool",
        "allowed": "bool",
        "from": "id",
        "to": "id",
        "amount_cents": "int",
        "denom": "text",
        "cross_wijk": "bool",
        "effects": [{"account": "id", "denom": "text", "change_cents": "int"}],
        "preview": "text",
        "problem": Maybe(PROBLEM),
    },
    "request": {
        "request_id": "hex16",
        "to": "id",
        "amount_cents": "int",
        "denom": "text",
        "memo": Maybe("text"),
        "once": "bool",
        "expires_at": "time",
        "link": "text",
        "qr": "text",
    },
    "receipt": {
        "file": "text",
        "tx": Maybe("hex"),
        "origin": Maybe("text"),
        "log_index": Maybe("int"),
        "log_size": Maybe("int"),
        "height": Maybe("int"),
        "round": Maybe("int"),
        "block_id": Maybe("hex"),
        "code": Maybe("int"),
        "signatures": Maybe({"valid": "int", "needed": "int", "of": "int", "unknown": "int"}),
        "inclusion": "bool",
        "payment": Maybe(
            {
                "from": "id",
                "to": "id",
                "amount_cents": "int",
                "denom": Maybe("text"),
                "memo": Maybe("text"),
                "memo_matches": Maybe("bool"),
            }
        ),
        "ok": "bool",
        "reason": Maybe("text"),
    },
    "tx draft": {
        "draft": "text",
        "tx": Maybe("hex"),
        "expires_at": "time",
        "signatures": SIGNATURES,
    },
    "tx send": TX,
    "tx show": QUERY_TX,
    "coin allowance": {**TX, "denom": "text", "allowance_cents": "int"},
    "coin info": {
        "wijk": "text",
        "denom": "text",
        "name": "text",
        "symbol": "text",
        "mode": ("LICENSED", "EXEMPT_150", "LIMITED_NETWORK"),
        "issued_cents": "int",
        "redeemed_cents": "int",
        "traded_net_cents": "int",
        "supply_cents": "int",
        "pending_out_cents": "int",
        "reserve_cents": "int",
        "due_from_cents": "int",
        "due_to_cents": "int",
        "peg": ("ok", "short"),
        "wallet_cap_cents": Maybe("int"),
        "statement": Maybe(STATEMENT),
        "height": "int",
    },
    "coin issue": {
        **TX,
        "wijk": "text",
        "denom": "text",
        "amount_cents": "int",
        "to": "id",
        "evidence": "hex",
        "entry": "hex",
        "supply_cents": "int",
        "reserve_cents": "int",
        "signatures": SIGNATURES,
    },
    "coin redeem": {
        **TX,
        "redemption_id": "hex",
        "amount_cents": "int",
        "denom": "text",
        "from": "id",
        "iban_sealed": "bool",
        "due_on": Maybe("date"),
    },
    "coin payout list": page(
        {
            "redemption_id": "hex",
            "denom": "text",
            "amount_cents": "int",
            "status": ("open", "batched"),
            "due_on": Maybe("date"),
            "overdue": "bool",
            "batch": Maybe("hex"),
            "file": Maybe("hex"),
        }
    ),
    "coin payout batch": {
        "file": "text",
        "sha256": "hex",
        "requests": "int",
        "total_cents": "int",
        "signatures": SIGNATURES,
    },
    "coin payout paid": page({**TX, "redemption_id": "hex", "amount_cents": "int"}),
    "coin reserve show": {
        "wijk": "text",
        "denom": "text",
        "reserve_cents": "int",
        "supply_cents": "int",
        "difference_cents": "int",
        "due_from_cents": "int",
        "due_to_cents": "int",
        "blocked": Maybe(("overdue", "short")),
        "unmatched": [
            {
                "entry": "hex",
                "amount_cents": "int",
                "on": "date",
                "side": ("C", "D"),
                "reversal": "bool",
                "age_days": "int",
                "overdue": "bool",
            }
        ],
        "statement": Maybe(STATEMENT),
    },
    "coin rules show": {
        "wijk": "text",
        "denom": "text",
        "name": Maybe("text"),
        "plural": Maybe("text"),
        "symbol": Maybe("text"),
        "colour": Maybe("text"),
        "issuer": "text",
        "mode": ("LICENSED", "EXEMPT_150", "LIMITED_NETWORK"),
        "wallet_cap_cents": Maybe("int"),
        "total_cap_cents": Maybe("int"),
        "outstanding_cents": "int",
        "evidence": Maybe("hex"),
        "allowance_cents": "int",
        "redeem_days": "int",
        "epoch_s": "int",
        "reserves": ["hex"],
        "planned": [{"name": "text", "value": ANY, "from_epoch": "int", "from_at": "time"}],
        "legal": [
            {
                "name": "text",
                "owner": "text",
                "source": "text",
                "review_on": "date",
                "overdue": "bool",
            }
        ],
    },
    "coin rules propose": {
        **TX,
        "matter": Maybe("hex"),
        "name": "text",
        "from_epoch": "int",
        "from_at": "time",
        "action": ANY,
    },
    "coin health": {
        "wijk": "text",
        "denom": "text",
        "made_on": "date",
        "outstanding_cents": "int",
        "fullest_ppm": Maybe("int"),
        "unmoved_ppm": Maybe("int"),
        "payments_30_days": Maybe("int"),
        "waiting": {
            "count": "int",
            "amount_cents": "int",
            "median_days": Maybe("int"),
            "oldest_days": Maybe("int"),
        },
        "cost_cents": "int",
        "finality_ms": {"p50": Maybe("number"), "p95": Maybe("number")},
        "failures": ANY,
        "unproven": ["text"],
    },
    "coin issued": page(
        {
            "tx": "hex",
            "height": "int",
            "at": "time",
            "wijk": "text",
            "amount_cents": "int",
            "evidence": Maybe("hex"),
            "entry": "hex",
            "signers": ["text"],
        }
    ),
    "coin hold": {
        **TX,
        "hold": Maybe("hex"),
        "to": "id",
        "amount_cents": "int",
        "denom": "text",
        "expires_at": Maybe("time"),
        "link": Maybe("hex"),
    },
    "coin post": {
        **TX,
        "holds": [{"hold": "hex", "amount_cents": "int", "returned_cents": "int"}],
    },
    "coin void": {**TX, "hold": "hex", "returned_cents": "int"},
    "coin holds": page(
        {
            "hold": "hex",
            "state": ("open", "posted", "voided", "expired"),
            "payer": "id",
            "to": "id",
            "denom": "text",
            "amount_cents": "int",
            "posted_cents": "int",
            "expires_at": "time",
            "link": Maybe("hex"),
        }
    ),
    "coin transfer": {
        **TX,
        "from": "id",
        "denom": "text",
        "total_cents": "int",
        "legs": [{"to": "id", "amount_cents": "int"}],
        "basis": Maybe("hex"),
    },
    "tx propose": {**TX, **PROPOSED},
    "tx approve": {**TX, **PROPOSAL},
    "tx proposal": PROPOSAL,
    "tx proposals": page(
        {
            "proposal": "hex",
            "state": ("open", "executed", "refused", "cancelled"),
            "type": Maybe("text"),
            "call": ANY,
            "proposer": "int",
            "approved": ["int"],
            "expires_at": "time",
            "refused_code": Maybe("text"),
        }
    ),
    "coin transfer --propose": {
        **TX,
        **PROPOSED,
        "from": "id",
        "denom": "text",
        "total_cents": "int",
        "legs": [{"to": "id", "amount_cents": "int"}],
        "basis": Maybe("hex"),
    },
    "coin appeal": {
        **TX,
        "issue": "hex",
        "wijk": "text",
        "category": ("APPEAL",),
        "text_sha256": "hex",
        "due_at": Maybe("time"),
    },
    "coin appeals": page(
        {
            "id": "hex",
            "wijk": "text",
            "category": ("APPEAL",),
            "state": ("open", "answered", "overdue"),
            "text_sha256": "hex",
            "opened_at": "time",
            "due_at": "time",
            "answered_at": Maybe("time"),
            "answer_sha256": Maybe("hex"),
        }
    ),
    "board endorse": {
        **TX,
        "matter": "hex",
        "state": ("open", "executed", "rejected", "refused"),
        "refused_code": Maybe("text"),
        "call": ANY,
        "in_favour": ["text"],
        "against": ["text"],
        "need": "int",
        "expires_at": "time",
    },
    "coin answer": {**TX, "issue": "hex", "answer_sha256": "hex"},
    "coin freeze": {
        **TX,
        "account": "id",
        "on": "bool",
        "reason": "text",
        "until_at": Maybe("time"),
        "order": Maybe("hex"),
    },
    "coin bank-entry": {
        **TX,
        "entry": "hex",
        "kind": ("charge", "interest", "contribution", "prefund", "reversal"),
        "amount_cents": "int",
        "side": ("C", "D"),
    },
    "coin correct": {
        **TX,
        "corrects": "hex",
        "leg": "int",
        "kind": ("money", "tag"),
        "amount_cents": "int",
    },
    "report close": {**TX, "wijk": "text", "month": "int"},
    "coin reserve attest": {
        **TX,
        "wijk": "text",
        "statement": {
            "id": Maybe("hex"),
            "from_on": "date",
            "to_on": "date",
            "opening_cents": "int",
            "credits_cents": "int",
            "debits_cents": "int",
            "closing_cents": "int",
            "sha256": "hex",
        },
        "signatures": SIGNATURES,
    },
    "query block": {
        "height": "int",
        "round": "int",
        "block_id": "hex",
        "parent": "hex",
        "proposer": "text",
        "at": "time",
        "transactions": "int",
        "bytes": "int",
        "log_size": "int",
        "log_root": "hex",
        "state_root": "hex",
        "validators_hash": "hex",
        "next_validators_hash": "hex",
        "signers": ["text"],
        "txs": Maybe(["hex"]),
        "header": Maybe("text"),
        "checkpoint": Maybe("text"),
    },
    "query tx": QUERY_TX,
    "query account": {
        "account": "id",
        "wijk": "text",
        "kind": "text",
        "status": ("active", "frozen", "closed"),
        "threshold": "int",
        "keys": [{"index": "int", "public_key": "hex", "added_height": "int"}],
        "balances": [{"denom": "text", "available_cents": "int", "held_cents": "int"}],
        "freeze": Maybe(
            {"since_at": "time", "until_at": "time", "reason": "text", "order": Maybe("hex")}
        ),
        "height": "int",
        "proof": ANY,
    },
    "query validators": {
        "height": "int",
        "quorum": "int",
        "can_lose": "int",
        "items": [
            {
                "name": "text",
                "wijk": "text",
                "public_key": "hex",
                "vkey": "text",
                "account": Maybe("id"),
                "online": "bool",
                "suspended": "bool",
                "last_signed_height": Maybe("int"),
                "signed_of_last_100": "int",
            }
        ],
    },
    "query params": {"height": "int", "params": ANY},
    "node init": {
        "home": "text",
        "name": "text",
        "wijk": "text",
        "chain_id": "text",
        "chain_digest": "hex",
        "storage": ("leveldb", "sqlite"),
        "config": "text",
        "consensus_key": "hex",
        "transport_key": "hex",
        "join_request": Maybe("text"),
    },
    "query search": {
        "items": [
            {"kind": ("block", "tx", "account", "vote", "name"), "ref": "text", "title": "text"}
        ]
    },
    "node start": {
        "name": "text",
        "pid": "int",
        "chain_id": "text",
        "height": "int",
        "p2p": "text",
        "api": "text",
        "admin": "text",
        "storage": ("leveldb", "sqlite"),
        "signing": "bool",
    },
    "node verify": {
        "from": "int",
        "to": "int",
        "blocks": "int",
        "transactions": "int",
        "signatures": "int",
        "headers_ok": "bool",
        "certificates_ok": "bool",
        "log_ok": "bool",
        "state_ok": "bool",
        "invariants": ANY,
        "ok": "bool",
        "first_bad": Maybe("int"),
        "seconds": "number",
    },
    "node backup create": {
        "file": "text",
        "bytes": "int",
        "sha256": "hex",
        "height": "int",
        "log_size": "int",
        "encrypted_to": Maybe("text"),
        "guard_included": "bool",
    },
    "node backup verify": {
        "file": "text",
        "height": Maybe("int"),
        "replayed_blocks": "int",
        "state_root": Maybe("hex"),
        "ok": "bool",
    },
    "node backup list": {
        "items": [
            {
                "file": "text",
                "bytes": "int",
                "height": "int",
                "created_at": "time",
                "encrypted": "bool",
            }
        ],
        "next": Maybe("text"),
        "as_of_height": "int",
    },
    "node backup restore": {
        "home": "text",
        "height": "int",
        "state_root": "hex",
        "guard": ("kept", "missing"),
    },
    "problem": PROBLEM,
}
SHAPES["node status"] = {
    **SHAPES["status"],
    "storage": ("leveldb", "sqlite"),
    "store_bytes": "int",
    "disk_free_bytes": "int",
    "rss_mb": "number",
    "uptime_s": "int",
    "signing": "bool",
    "silence": Maybe("text"),
    "guard": Maybe({"height": "int", "round": "int", "step": "text"}),
    "past_blocks": "int",
    "peers": [
        {
            "name": "text",
            "address": "text",
            "direction": ("in", "out"),
            "rtt_ms": Maybe("number"),
            "height": Maybe("int"),
            "version": Maybe("text"),
        }
    ],
}

_FORMS = {
    "hex": re.compile(r"[0-9a-f]{64}"),
    "hex16": re.compile(r"[0-9a-f]{16}"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}


def check_shape(tree: Any, shape: Any, where: str = "") -> None:
    """Assert that a tree has a shape; fields may be more, never fewer (interfaces 0)."""
    if shape is ANY:
        return
    if isinstance(shape, Maybe):
        if tree is not None:
            check_shape(tree, shape.shape, where)
        return
    if isinstance(shape, dict):
        assert isinstance(tree, dict), where
        for name, part in shape.items():
            assert name in tree, f"{where}.{name} is missing"
            check_shape(tree[name], part, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(tree, list), where
        for item in tree:
            check_shape(item, shape[0], f"{where}[]")
    elif isinstance(shape, tuple):
        assert tree in shape, f"{where}: {tree!r}"
    elif shape == "bool":
        assert isinstance(tree, bool), f"{where}: {tree!r}"
    elif shape in ("int", "number"):
        kinds = (int,) if shape == "int" else (int, float)
        assert isinstance(tree, kinds), f"{where}: {tree!r}"
        assert not isinstance(tree, bool), f"{where}: {tree!r}"
    elif shape == "id":
        parse_account(tree)
    else:
        assert isinstance(tree, str), f"{where}: {tree!r}"
        if shape in _FORMS:
            assert _FORMS[shape].fullmatch(tree), f"{where}: {tree!r}"
