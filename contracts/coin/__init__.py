"""Coin: attest bank statements, issue against them, pay, redeem (economy C1..C20).

Too much for one file, so each file guards one thing and this is the table of all. Handlers check
in the order in which the catalogue lists their refusals (economy B7): first what holds for all
calls (unknown account, unknown id, text, amount), then the call's own row.
"""

from chain.contract import Call, Contract, Word
from contracts.coin.bank_day import StatementCall, StatementEntry, statement
from contracts.coin.bank_entry import BankEntryCall, bank_entry
from contracts.coin.correct import Correct, correct
from contracts.coin.freeze import FREEZE_S_MAX, FreezeCall, freeze, get_freeze_words
from contracts.coin.holds import (
    Exchange,
    ExchangeLeg,
    HoldCall,
    Post,
    PostPart,
    Void,
    hold,
    post,
    sweep,
    void,
)
from contracts.coin.issue import Mint, SetMinter, mint, set_minter
from contracts.coin.payment import LEGS_MAX, Leg, Transfer, get_basis, transfer
from contracts.coin.redemption import (
    BATCH_REQUESTS_MAX,
    BATCHES,
    LIVE,
    REPLACED,
    Batch,
    PayoutBatch,
    RedeemPaid,
    RedeemRequest,
    payout_batch,
    redeem_paid,
    redeem_request,
)

# What other packages name: how this contract is cut into files is its own business.
__all__ = [
    "BATCHES",
    "BATCH_REQUESTS_MAX",
    "CONTRACT",
    "FREEZE_S_MAX",
    "LEGS_MAX",
    "LIVE",
    "REPLACED",
    "BankEntryCall",
    "Batch",
    "Correct",
    "Exchange",
    "ExchangeLeg",
    "FreezeCall",
    "HoldCall",
    "Leg",
    "Mint",
    "PayoutBatch",
    "Post",
    "PostPart",
    "RedeemPaid",
    "RedeemRequest",
    "SetMinter",
    "StatementCall",
    "StatementEntry",
    "Transfer",
    "Void",
]

CONTRACT = Contract(
    "coin",
    calls=(
        Call(SetMinter, (Word.BOARD,), set_minter),
        Call(StatementCall, (Word.TREASURY,), statement, winds_up=True, caretaker=True),
        Call(BankEntryCall, (Word.TREASURY,), bank_entry, winds_up=True, caretaker=True),
        Call(Mint, (Word.TREASURY,), mint),
        Call(Transfer, (Word.HOLDER,), transfer, about=get_basis),
        Call(HoldCall, (Word.HOLDER,), hold),
        Call(Post, (Word.HOLDER,), post, caretaker=True),
        Call(Void, (Word.HOLDER,), void, caretaker=True),
        Call(
            RedeemRequest,
            (Word.HOLDER,),
            redeem_request,
            never_tripped=True,
            winds_up=True,
            caretaker=True,
        ),
        Call(Correct, (Word.HOLDER,), correct),
        Call(FreezeCall, (Word.SEAT2, Word.BOARD), freeze, by_state=get_freeze_words),
        Call(PayoutBatch, (Word.TREASURY,), payout_batch, winds_up=True, caretaker=True),
        Call(RedeemPaid, (Word.TREASURY,), redeem_paid, winds_up=True, caretaker=True),
    ),
    at_start=sweep,
)
