"""Built-in contracts: one contract, one file or one folder; this table is all there is."""

from chain.contract import Contract
from contracts import (
    accounts,
    board,
    coin,
    election,
    governance,
    members,
    policy,
    registry,
    stats,
    trade,
    wijk,
)

CONTRACTS: tuple[Contract, ...] = (
    accounts.CONTRACT,
    wijk.CONTRACT,
    members.CONTRACT,
    coin.CONTRACT,
    trade.CONTRACT,
    policy.CONTRACT,
    stats.CONTRACT,
    governance.CONTRACT,
    registry.CONTRACT,
    board.CONTRACT,
    election.CONTRACT,
)
