"""One example of each call and state value of votes, register and board: see golden.py."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.codec import encode
from chain.contract import Table
from chain.keyspaces import RECUSED, TRIPS, Trip
from chain.plans import BUDGETED, VOTED_LINES, Line, Task, VotedLine
from chain.seats import LAST_RECALLS, RECALLS, LastRecall, RecallRecord
from chain.state import Keyspace
from chain.voters import VOTER, VOTER_CHANGES, VOTERS, VoterCount
from chain.votes import (
    CHOICE,
    CONTENTS,
    POLLS,
    RESULTS,
    SECONDED,
    VOTES,
    VOTES_COUNT,
    Poll,
    SecretResult,
)
from chain.work import REGISTER, USES, RegisterVersion
from contracts import board, governance, registry
from contracts.board import TRIPPED_BY, AcceptSeat, Recall, Recuse, Reset, Resign, TripCall
from contracts.governance import Cast, Close, Execute, Issue, IssueRecord, Propose, Second
from contracts.governance.issue import ASKED, ISSUES
from contracts.registry import (
    ACTIVITIES,
    OWNERS,
    CityMandateRecord,
    PlanRecord,
    ProgrammeRecord,
    Put,
    RegisterOwner,
    Retire,
    TaskOfferRecord,
    ThemeRecord,
    ValuationRecord,
)

TABLE = Table((governance.CONTRACT, registry.CONTRACT, board.CONTRACT))


def _id(first: int, length: int = 32) -> bytes:
    return bytes(range(first, first + length))


A, B = _id(0, 20), _id(20, 20)
DECISION, OBJECT, TEXT, OTHER = _id(0x40), _id(0x60), _id(0x80), _id(0xA0)
WIJK = "delfshaven"
LINES = (Line("HUUR", 70_000, "MONTH"), Line("FEEST", 30_000, "YEAR"))
RECORDS: tuple[Any, ...] = (
    ValuationRecord("TUIN", 500, "HOUR", "SOCIAL", "S", None),
    ThemeRecord(TEXT, ((2027, OTHER, -5), (2030, OTHER, 40))),
    ProgrammeRecord(60_000, 5, (TEXT,), A, (Task("SCHOON", 1), Task("TUIN", 1))),
    PlanRecord(OTHER, TEXT, LINES, (OTHER,)),
    TaskOfferRecord("ZORG", 100, "VISIT", 50_000, 20_260_101, 20_270_101),
    CityMandateRecord("GROEN", 60_000, 20_260_101, 20_270_101, (("BOMEN", 10),)),
)
KINDS = [str(type(record).__struct_config__.tag) for record in RECORDS]
CALLS: tuple[Any, ...] = (
    Propose(
        "BUDGET",
        (encode(Put("PLAN", None, RECORDS[3], 20_260_101, None)),),
        TEXT,
        1_767_261_600,
        1_767_866_400,
        0,
    ),
    Propose("SURVEY", (), TEXT, 1_767_261_600, 1_767_866_400, 1),
    Second(DECISION),
    Cast(DECISION, "YES"),
    Close(DECISION),
    Execute(DECISION),
    Issue("OPEN", "STOEP", TEXT, None),
    Issue("ANSWER", "STOEP", TEXT, OTHER),
    *(
        Put(kind, None, record, 20_260_101, None)  # type: ignore[arg-type]
        for kind, record in zip(KINDS, RECORDS, strict=True)
    ),
    Put("PROGRAMME", OBJECT, RECORDS[2], 20_260_201, DECISION),
    Resign(3, 20_460),
    AcceptSeat(OTHER, 2, TEXT, bytes(range(64))),
    Recall((1, 3), "GELD", TEXT),
    Recuse(DECISION, 2),
    TripCall("coin.mint", "STORING", 259_200),
    Reset("coin.mint"),
    Retire("VALUATION", OBJECT, 20_260_301),
)
STATES: tuple[tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any], ...] = (
    (POLLS, (DECISION,), Poll(A, 0, 41, 2_000, 5, 3, 1_767_866_400)),
    (VOTES, (WIJK, 7), DECISION),
    (VOTES_COUNT, (WIJK,), 7),
    (SECONDED, (DECISION, A), 1),
    (CHOICE, (DECISION, A), "BLANK"),
    (RESULTS, (DECISION,), SecretResult(812, 201, 30, 2_000, 1_767_866_500)),
    (CONTENTS, (WIJK, OTHER), DECISION),
    (VOTER, (A,), (0, 41)),
    (VOTERS, (WIJK, 3), VoterCount(41, 1_999)),
    (VOTER_CHANGES, (WIJK,), 3),
    (
        ISSUES,
        (OTHER,),
        IssueRecord(WIJK, A, "APPEAL", TEXT, 1_767_261_600, 1_767_866_400, None, 0),
    ),
    (ASKED, (WIJK, TEXT), OTHER),
    (
        RECALLS,
        (DECISION,),
        RecallRecord(WIJK, (2, 3), (TEXT, OTHER), "GELD", A, 1_767_261_600, ((2, TEXT),)),
    ),
    (LAST_RECALLS, (WIJK, 2), LastRecall(TEXT, 1_767_261_600)),
    (TRIPS, (WIJK, "coin.mint"), Trip("STORING", "SEAT", 1_767_261_600, 1_767_520_800)),
    (TRIPPED_BY, (OTHER,), 1_767_261_600),
    (RECUSED, (WIJK, DECISION), (2, 3)),
    (OWNERS, (OBJECT,), RegisterOwner(WIJK, "VALUATION", B)),
    (ACTIVITIES, (WIJK, "TUIN"), OBJECT),
    (VOTED_LINES, (WIJK, "HUUR"), VotedLine(OBJECT)),
    (BUDGETED, (OBJECT,), (OBJECT,)),
    (USES, (OBJECT,), 2),
    *(
        (
            REGISTER,
            (kind, OBJECT),
            (
                RegisterVersion(
                    20_260_101,
                    0,
                    DECISION,
                    msgspec.Raw(encode(msgspec.structs.astuple(record))),
                ),
            ),
        )
        for kind, record in zip(KINDS, RECORDS, strict=True)
    ),
)
