"""Built-in contracts: one file, one contract; this table is all there is."""

from chain.contract import Contract
from contracts import coin, members, trade

CONTRACTS: tuple[Contract, ...] = (members.CONTRACT, coin.CONTRACT, trade.CONTRACT)
