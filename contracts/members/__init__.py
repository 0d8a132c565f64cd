"""Members: who belongs to a wijk, what they may, how they get back in and how they leave (N10).

Checks stand in the order of the catalogue (economy B7).
"""

from chain.contract import Call, Contract, Word
from contracts.members.admission import (
    ATTACH_MAX,
    FLAGS,
    Admit,
    Attach,
    NewAccount,
    Place,
    SetLimits,
    admit,
    attach,
    set_limits,
)
from contracts.members.leaving import EraseRef, SetStatus, erase_ref, set_status
from contracts.members.recovery import Recover, finish_recoveries, recover

__all__ = [
    "ATTACH_MAX",
    "CONTRACT",
    "FLAGS",
    "Admit",
    "Attach",
    "EraseRef",
    "NewAccount",
    "Place",
    "Recover",
    "SetLimits",
    "SetStatus",
]

CONTRACT = Contract(
    "members",
    calls=(
        Call(Admit, (Word.REGISTRY,), admit),
        Call(Attach, (Word.REGISTRY,), attach),
        Call(SetLimits, (Word.REGISTRY,), set_limits),
        Call(Recover, (Word.GUARDIANS,), recover),
        Call(SetStatus, (Word.REGISTRY, Word.HOLDER), set_status),
        Call(EraseRef, (Word.REGISTRY,), erase_ref),
    ),
    at_start=finish_recoveries,
)
