"""Elections: from the call to the handover of the keys (economy E1 to E33, E39).

Ballots are secret and everybody can check the count; deadlines are block times, and what somebody
fails to do ends an election or passes to others. Checks stand in the order of the catalogue
(economy B7).
"""

from chain.contract import Call, Contract, Word
from contracts.election.ballots import (
    CAST_BYTES_PER_BLOCK,
    CASTS_PER_BLOCK,
    Cast,
    Challenge,
    Open,
    Tally,
    cast,
    challenge,
    open_,
    tally,
)
from contracts.election.call import AreaSeat, CallElection, Nominate, call, nominate
from contracts.election.deadlines import run_deadlines
from contracts.election.handover import HandOver, hand_over
from contracts.election.keys import Dkg, dkg
from contracts.election.objection import ObjectTo, narrow_object, object_to
from contracts.election.result import (
    RESULTS_PER_BLOCK,
    DecryptShare,
    SetResult,
    decrypt_share,
    result,
)
from contracts.election.roll import VoterRoot, voter_root

__all__ = [
    "CONTRACT",
    "AreaSeat",
    "CallElection",
    "Cast",
    "Challenge",
    "DecryptShare",
    "Dkg",
    "HandOver",
    "Nominate",
    "ObjectTo",
    "Open",
    "SetResult",
    "Tally",
    "VoterRoot",
]

CONTRACT = Contract(
    "election",
    calls=(
        Call(CallElection, (Word.BOARD, Word.ANY), call, caretaker=True),
        Call(Nominate, (Word.HOLDER,), nominate),
        Call(VoterRoot, (Word.REGISTRY,), voter_root),
        Call(Dkg, (Word.HOLDER,), dkg, caretaker=True),
        Call(Open, (Word.ANY,), open_, caretaker=True),
        Call(
            Cast,
            (Word.ANY,),
            cast,
            never_tripped=True,
            by_credential=True,
            per_block=CASTS_PER_BLOCK,
            block_bytes=CAST_BYTES_PER_BLOCK,
        ),
        Call(
            Challenge,
            (Word.ANY,),
            challenge,
            by_credential=True,
            per_block=CASTS_PER_BLOCK,
            block_bytes=CAST_BYTES_PER_BLOCK,
        ),
        Call(Tally, (Word.ANY,), tally, caretaker=True),
        Call(DecryptShare, (Word.HOLDER,), decrypt_share, caretaker=True),
        Call(SetResult, (Word.ANY,), result, caretaker=True, per_block=RESULTS_PER_BLOCK),
        Call(
            ObjectTo,
            (Word.ANY, Word.FED),
            object_to,
            never_tripped=True,
            narrow=narrow_object,
            by_credential=True,
        ),
        Call(HandOver, (Word.BOARD, Word.ANY), hand_over, caretaker=True, any_key=True),
    ),
    at_start=run_deadlines,
)
