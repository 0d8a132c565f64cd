"""One example of each call and state value of accounts, wijk and members: see golden.py."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.codec import encode
from chain.contract import Table
from chain.keyspaces import (
    ACCOUNTS,
    FEDERATION_WIJKEN,
    MEMBERS,
    NEXT_KEY,
    PARAMS,
    ROLES,
    SEATS,
    VALIDATOR_SETS,
    WIJKEN,
    AccountKey,
    AccountRecord,
    Member,
    RoleVersion,
    Seat,
    SetMember,
    Wijk,
)
from chain.recovery import RECOVERIES, RECOVERING, Recovery
from chain.set_change import PLANNED, READY, RECENT, NodeReady, SetChange
from chain.shared import FED_MATTERS, PROPOSALS, FedMatter, Proposal
from chain.state import Keyspace
from contracts import accounts, coin, members, wijk
from contracts.accounts import (
    Approve,
    Cancel,
    NewKey,
    Propose,
    SetKeys,
)
from contracts.coin import SetMinter
from contracts.members import (
    Admit,
    Attach,
    EraseRef,
    NewAccount,
    Place,
    Recover,
    SetLimits,
    SetStatus,
)
from contracts.members.leaving import ERASED, HEARINGS, Erased, Hearing
from contracts.wijk import (
    FedEndorse,
    FedPropose,
    Found,
    HeldKey,
    NodeKeys,
    Ready,
    RegisterRole,
    Remove,
    SetParam,
)

OWN = (accounts.CONTRACT, wijk.CONTRACT, members.CONTRACT)
TABLE = Table((*OWN, coin.CONTRACT))

ACCOUNT = bytes(range(20))
OBJECT = bytes(range(32))
KEYS = tuple(bytes([number]) * 32 for number in range(1, 8))
PROOF = bytes(range(64))
MINTER = encode(SetMinter("delfshaven:EUR", 100_000))
SECONDERS = SetParam("seconders", msgspec.Raw(encode(7)), 20_460)
UNTIL_S = 1_798_761_600
RESERVES = SetParam("reserves", msgspec.Raw(encode(((OBJECT, "delfshaven"),))), 20_460)

CALLS: tuple[Any, ...] = (
    SetKeys((NewKey(KEYS[0], KEYS[1], PROOF),), (KEYS[2],), (KEYS[3], KEYS[4]), 2),
    SetKeys((), (), (), 1),
    Propose(MINTER, UNTIL_S),
    Approve(OBJECT),
    Cancel(OBJECT),
    Found(
        "overschie",
        "WK059904",
        2014,
        "EUR",
        "Zwethmunt",
        "ZWE",
        "Zwethmunten",
        OBJECT,
        "DEMO",
        tuple(HeldKey(key, key) for key in KEYS[:3]),
        2,
        (HeldKey(KEYS[3], KEYS[0]), HeldKey(KEYS[4], KEYS[4])),
        KEYS[5],
        PROOF,
    ),
    SECONDERS,
    RESERVES,
    SetParam("coin.name", msgspec.Raw(encode("Schiemunt")), 20_460),
    RegisterRole("VALIDATOR", ACCOUNT, 20_460, UNTIL_S, NodeKeys(KEYS[0], KEYS[1], PROOF)),
    RegisterRole("TREASURY", ACCOUNT, 20_460, UNTIL_S, None),
    FedPropose(encode(SECONDERS)),
    FedEndorse(OBJECT, 1),
    Ready(KEYS[0], KEYS[1], OBJECT, 812, PROOF),
    Remove("overschie", 20_460),
    SetParam("upgrade", msgspec.Raw(encode((2, 50_000))), 20_460),
    Admit(KEYS[0], "PERSON", "BU05990310", 2014, ("VOTE", "STAND"), 15_000),
    Attach((NewAccount(KEYS[0], "PERSON", 15_000), NewAccount(KEYS[1], "TEAM", 10**13))),
    SetLimits(
        ACCOUNT,
        ("VOTE",),
        15_000,
        1,
        560,
        21_000,
        210_000,
        0,
        "G47",
        "C01",
        (Place("WK059903", 2014, None), Place("BU05990310", 2014, UNTIL_S)),
    ),
    SetLimits(ACCOUNT, (), 10**13, 0, 0, 0, 0, 0, None, None, ()),
    Recover(ACCOUNT, KEYS[0], PROOF),
    SetStatus(ACCOUNT, "SUSPENDED", "BEDRAG"),
    EraseRef(ACCOUNT, OBJECT),
)

STATES: tuple[tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any], ...] = (
    (
        ACCOUNTS,
        (ACCOUNT,),
        AccountRecord(
            "BOARD", "delfshaven", "ACTIVE", 2,
            (AccountKey(0, KEYS[0], KEYS[1], 0), AccountKey(16, KEYS[2], KEYS[3], 9)),
            (KEYS[4],),
        ),
    ),
    (NEXT_KEY, (ACCOUNT,), 17),
    (PROPOSALS, (OBJECT,), Proposal(ACCOUNT, MINTER, UNTIL_S, 0, (0, 16), "OPEN", 0)),
    (PROPOSALS, (KEYS[0],), Proposal(ACCOUNT, b"", UNTIL_S, 0, (0, 1), "REFUSED", 2104)),
    (
        WIJKEN,
        ("overschie",),
        Wijk("WK059904", 2014, "EUR", ACCOUNT, "DEMO", OBJECT, "ACTIVE", 12),
    ),
    (FEDERATION_WIJKEN, (), ("delfshaven", "overschie")),
    (
        PARAMS,
        ("-", "seconders"),
        ((0, msgspec.Raw(encode(5))), (20_460, msgspec.Raw(encode(7)))),
    ),
    (PARAMS, ("delfshaven", "coin.name"), ((0, msgspec.Raw(encode("Schiemunt"))),)),
    (
        ROLES,
        ("overschie", "VALIDATOR"),
        (
            RoleVersion(3, ACCOUNT, UNTIL_S, (KEYS[5], None)),
            RoleVersion(9, ACCOUNT, UNTIL_S, (KEYS[5], KEYS[6])),
        ),
    ),
    (ROLES, ("-", "AUDITOR"), (RoleVersion(3, ACCOUNT, UNTIL_S, None),)),
    (SEATS, ("delfshaven", 1), Seat(KEYS[0], KEYS[1], 1_767_225_600, UNTIL_S, "ACTIVE")),
    (
        FED_MATTERS,
        (OBJECT,),
        FedMatter(encode(SECONDERS), ACCOUNT, UNTIL_S, ("noord",), ("charlois",), "OPEN", 0),
    ),
    (
        VALIDATOR_SETS,
        ("next",),
        (SetMember(KEYS[0], KEYS[1], "noord", "noord"),),
    ),
    (
        PLANNED,
        (),
        SetChange(20_460, (KEYS[0],), (SetMember(KEYS[2], KEYS[3], "noord", "noord"),), None),
    ),
    (READY, (KEYS[2],), NodeReady(KEYS[3], 812, UNTIL_S, ACCOUNT)),
    (RECENT, ("07",), (807, OBJECT)),
    (
        MEMBERS,
        (ACCOUNT,),
        Member(
            1, "BU05990310", ("VOTE", "STAND"), 15_000, 1, 560, 21_000, 210_000, 0, "G47", "C01",
            (("WK059903", 2014, None), ("BU05990310", 2014, UNTIL_S)),
        ),
    ),
    (MEMBERS, (KEYS[0][:20],), Member(0, None, (), 0, 0, 0, 0, 0, 0, None, None, ())),
    (RECOVERIES, (ACCOUNT,), Recovery(OBJECT, KEYS[0], UNTIL_S)),
    (RECOVERING, (OBJECT,), ACCOUNT),
    (HEARINGS, (ACCOUNT,), Hearing("SUSPENDED", UNTIL_S)),
    (ERASED, (OBJECT,), Erased(ACCOUNT, KEYS[1], UNTIL_S)),
)  # fmt: skip
