"""Stats: close the figures of a month (economy S2 to S8). Anybody may, once it is ten days over."""

from typing import Annotated

import msgspec

from chain.codec import Record, Uint
from chain.contract import Call, Context, Contract, Word
from chain.dates import DAY_S, is_date, to_days
from chain.errors import Code, require
from chain.keyspaces import WIJKEN
from chain.stats import TABLES, close_month, get_closing_day
from chain.text_rules import SLUG_LENGTH_MAX

MONTH_MAX = 999_812  # the last month whose closing day is a date


class ClosePeriod(Record, frozen=True, tag="stats.close_period"):
    """Freeze the figures of a month, YYYYMM, of a wijk."""

    wijk: Annotated[str, msgspec.Meta(max_length=SLUG_LENGTH_MAX)]
    month: Uint


def close_period(ctx: Context, call: ClosePeriod) -> None:
    """Refuses unknown-id, too-early, done."""
    known = WIJKEN.get(ctx.state, call.wijk) is not None
    exists = call.month <= MONTH_MAX and is_date(call.month * 100 + 1)
    require(known and exists, Code.TX_UNKNOWN_ID)
    day = get_closing_day(call.month)
    opens = day * DAY_S - ctx.clock.number("date_offset_s")
    require(to_days(ctx.clock.book_date) >= day, Code.STATS_TOO_EARLY, from_at=opens)
    require(TABLES.get(ctx.state, call.wijk, call.month) is None, Code.STATS_DONE)

    table = close_month(ctx.state, call.wijk, call.month, ctx.height)
    ctx.emit("stats.PeriodClosed", call.wijk, call.month, table.root, len(table.cells))


CONTRACT = Contract("stats", calls=(Call(ClosePeriod, (Word.ANY,), close_period),))
