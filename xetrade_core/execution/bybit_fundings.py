"""What a Bybit account was paid for funding: executions of a kind of their own, told a week at a time.

ccxt asks for the first week after a time alone, and names the currency of an inverse contract by its quote. A fee is
what the account pays, so that a negative one was received. Source: bybit-exchange.github.io/docs/v5/order/execution.
"""

from __future__ import annotations

from typing import cast

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.bybit import BybitExecution
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number
from xetrade_core.model.accounts import FundingPayment


async def bybit_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """See `fundings.fundings_since`; half a year at most."""
    what = f"funding payments of {symbol}"
    rows = await cast("BybitExecution", execution).executions(what, symbol, since_ns // NS_PER_MS, "Funding")
    with execution.reading(what):
        return tuple(_payment(execution, row, symbol) for row in rows)


def _payment(execution: CcxtExecution, row: Row, symbol: str) -> FundingPayment:
    return FundingPayment(
        venue=execution.rules.id,
        account=execution.account,
        symbol=symbol,
        payment_id=needed(row, "execId"),
        amount=-needed_number(row, "execFee"),
        currency=symbol.partition(":")[2].partition("-")[0],
        at_ns=millis(row, "execTime") or 0,
        rate=number(row, "feeRate"),
    )
