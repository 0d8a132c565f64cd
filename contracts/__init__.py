"""Built-in contracts: one file, one contract; this table is all there is."""

from chain.contract import Contract
from contracts import coin, trade

CONTRACTS: tuple[Contract, ...] = (coin.CONTRACT, trade.CONTRACT)
