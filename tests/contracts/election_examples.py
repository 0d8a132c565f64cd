"""One example of each call and state value of elections: see golden.py."""

from __future__ import annotations

from typing import Any

from chain.ceremony import KeyAnswer, KeyCommit, KeyComplaint, KeyDeal
from chain.contract import Table
from chain.elections import (
    ACCEPTANCES,
    BOARD_ELECTION,
    CANDIDATES,
    COUNTED,
    CREDENTIALS,
    DECISION_ELECTION,
    ELECT,
    ELECTIONS,
    ELECTIONS_COUNT,
    ROLL,
    Acceptance,
    Candidate,
    Credential,
    Election,
    ResultRow,
)
from chain.handover import HANDOVERS, Handover
from chain.keyspaces import PAST_KEYS
from chain.manifest import AreaSeats, Manifest, Option, Pledge
from chain.records import Blob
from chain.state import Keyspace
from chain.tally import Share
from contracts import election
from contracts.election import (
    AreaSeat,
    CallElection,
    Cast,
    Challenge,
    DecryptShare,
    Dkg,
    HandOver,
    Nominate,
    ObjectTo,
    Open,
    SetResult,
    Tally,
    VoterRoot,
)
from contracts.election.call import PledgeLine, Seconder
from contracts.election.records import (
    BALLOTS,
    BEACONS,
    CANDIDACIES,
    CEREMONIES,
    CLOSING,
    KEY_ANSWERS,
    KEY_COMMITS,
    KEY_DEALS,
    MANIFESTS,
    OBJECTIONS,
    OBJECTORS,
    PAIRS,
    PILES,
    SHARES,
    BallotRow,
    Ceremony,
    Objection,
)

TABLE = Table((election.CONTRACT,))


def _id(first: int, length: int = 32) -> bytes:
    return bytes(range(first, first + length))


WIJK, BUURT = "delfshaven", "BU05990301"
A, B, C = _id(0, 20), _id(20, 20), _id(40, 20)
ELECTION, DECISION, TEXT, DIGEST = _id(0x40), _id(0x60), _id(0x80), _id(0xA0)
KEY, POINT, E, Z = _id(0x10), _id(0x20), _id(0x30), _id(0x50)
SIX = (
    1_767_261_600,
    1_767_348_000,
    1_767_434_400,
    1_767_693_600,
    1_768_298_400,
    1_768_384_800,
)
COMMIT = KeyCommit((POINT, KEY), TEXT, E, Z)
DEAL = KeyDeal((bytes(154), bytes(range(154)), bytes(154)))
CALLS: tuple[Any, ...] = (
    CallElection(
        "BOARD",
        None,
        5,
        (AreaSeat(BUURT, 1),),
        "APPROVAL_BUURT",
        (),
        1,
        5,
        0,
        1,
        SIX,
        (A, B, C),
        2,
    ),
    CallElection("DECISION", DECISION, 0, (), "YES_NO", (TEXT,), 0, 1, 0, 1, SIX, (A, B, C), 2),
    Nominate(
        ELECTION,
        TEXT,
        (PledgeLine("VEILIG", -5, 40, 20_270_101),),
        (Seconder(A, 0, bytes(64)), Seconder(B, 3, bytes(range(64)))),
    ),
    VoterRoot(ELECTION, 41, 4_000, (Blob(TEXT, 65_536), Blob(DIGEST, 62_464)), DIGEST),
    Dkg(ELECTION, 1, "COMMIT", COMMIT),
    Dkg(ELECTION, 1, "DEAL", DEAL),
    Dkg(ELECTION, 1, "CONFIRM", None),
    Dkg(ELECTION, 1, "COMPLAIN", KeyComplaint(2)),
    Dkg(ELECTION, 2, "ANSWER", KeyAnswer(3, E)),
    Open(ELECTION, DIGEST),
    Cast(ELECTION, DIGEST, 2_048),
    Challenge(ELECTION, DIGEST, TEXT, 2_400),
    Tally(ELECTION),
    DecryptShare(ELECTION, (Share(POINT, E, Z), Share(KEY, Z, E))),
    SetResult(ELECTION, (12, 340, 128)),
    ObjectTo(ELECTION, "RAISE", "TELLING", TEXT),
    ObjectTo(ELECTION, "DISMISS", "TELLING", TEXT),
    HandOver(ELECTION, "OVERLAP", None),
    HandOver(ELECTION, "VAULT", DIGEST),
)
MANIFEST = Manifest(
    DIGEST,
    ELECTION,
    "BOARD",
    "APPROVAL_BUURT",
    (Option(TEXT, BUURT, (Pledge("VEILIG", -5, 40, 20_270_101),)), Option(DIGEST, None, ())),
    5,
    (AreaSeats(BUURT, 1),),
    1,
    2,
    1,
    0,
    2_000,
    41,
    DIGEST,
    (A, B, C),
    2,
    ((POINT, KEY), (KEY, POINT), (POINT, POINT)),
    POINT,
    SIX[3],
    SIX[4],
    10,
)
STATES: tuple[tuple[Keyspace[Any], tuple[bytes | str | int, ...], Any], ...] = (
    (
        ELECTIONS,
        (ELECTION,),
        Election(
            wijk=WIJK,
            number=3,
            kind="BOARD",
            method="APPROVAL_BUURT",
            decision=None,
            seats=5,
            areas=((BUURT, 1),),
            min=1,
            max=5,
            score=0,
            blank=1,
            calendar=SIX,
            trustees=(A, B, C),
            threshold=2,
            called_height=40,
            status="OPEN",
            options=2,
            electorate=2_000,
            reference_height=41,
            voters=1_800,
            voters_root=DIGEST,
            manifest=TEXT,
            sums=bytes(range(192)),
            ballots=512,
            spoiled=7,
            shares=0,
            result_s=0,
            objections=0,
            reason=None,
        ),
    ),
    (ELECT, (WIJK, 3), ELECTION),
    (ELECTIONS_COUNT, (WIJK,), 3),
    (BOARD_ELECTION, (WIJK,), ELECTION),
    (DECISION_ELECTION, (DECISION,), ELECTION),
    (ROLL, (ELECTION, A), KEY),
    (CREDENTIALS, (ELECTION, KEY), Credential(2, DIGEST)),
    (CANDIDATES, (ELECTION, 1), Candidate(A, TEXT, BUURT, (Pledge("VEILIG", -5, 40, 20_270_101),))),
    (COUNTED, (ELECTION,), ResultRow((12, 340, 128), (1, 2), (1, 2))),
    (ACCEPTANCES, (ELECTION, 1), Acceptance(A, KEY, DIGEST)),
    (CANDIDACIES, (ELECTION, A), 1),
    (
        CEREMONIES,
        (ELECTION,),
        Ceremony(1, "CONFIRM", SIX[1], (A, B, C), (1, 1, 1), (1, 1, 1), (1, 0, 1), ((2, 3, 0),)),
    ),
    (KEY_COMMITS, (ELECTION, 1), (1, COMMIT)),
    (KEY_DEALS, (ELECTION, 1), (1, DEAL)),
    (MANIFESTS, (ELECTION,), MANIFEST),
    (BALLOTS, (ELECTION, DIGEST), BallotRow("CAST", KEY, bytes(range(192)), TEXT)),
    (PAIRS, (ELECTION, POINT), 1),
    (PILES, (ELECTION,), (((1, 2), 4), ((2,), 1))),
    (SHARES, (ELECTION, 2), (Share(POINT, E, Z),)),
    (OBJECTIONS, (ELECTION, TEXT), Objection(A, "TELLING", SIX[5], "RAISED")),
    (BEACONS, (ELECTION,), DIGEST),
    (CLOSING, (), (ELECTION,)),
    (HANDOVERS, (ELECTION,), Handover("OVERLAP", 20_454, (1, 3), (DIGEST,), (KEY, POINT))),
    (KEY_ANSWERS, (ELECTION, 2), (1, (KeyAnswer(3, E),))),
    (OBJECTORS, (ELECTION, A), 2),
    (PAST_KEYS, (A, 3), KEY),
)
