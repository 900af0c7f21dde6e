"""What an account of KuCoin futures was paid for funding: pages go back from the newest, by the id of their last row.

Source: www.kucoin.com/docs-new/rest/futures-trading/funding-fees/get-private-funding-history (2026-11).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, true
from xetrade_core.model.accounts import FundingPayment

PAGE = 100


async def kucoin_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """See `fundings.fundings_since`."""
    what, found, offset = f"funding payments of {symbol}", list[FundingPayment](), dict[str, object]()

    async def ask(ccxt: Any, offset: dict[str, object]) -> Any:
        query = {"symbol": ccxt.market_id(symbol), "startAt": since_ns // NS_PER_MS, "maxCount": PAGE, **offset}
        return (await ccxt.futuresprivate_get_funding_history(query))["data"]

    while True:
        page = await execution.once(what, partial(ask, offset=offset), symbol=symbol, weight=5)
        with execution.reading(what):
            rows = list(page["dataList"])
            found += [_payment(execution, row, symbol) for row in rows]
            more = bool(rows) and true(page["hasMore"])
        if not more:
            mine = {one.payment_id: one for one in found if one.at_ns >= since_ns // NS_PER_MS * NS_PER_MS}
            return tuple(sorted(mine.values(), key=lambda one: (one.at_ns, len(one.payment_id), one.payment_id)))
        offset = {"offset": needed(rows[-1], "id")}


def _payment(execution: CcxtExecution, row: Row, symbol: str) -> FundingPayment:
    at_ns = millis(row, "timePoint")
    if at_ns is None:
        raise ValueError("the reply has no timePoint")
    return FundingPayment(
        venue=execution.rules.id,
        account=execution.account,
        symbol=symbol,
        payment_id=needed(row, "id"),
        amount=needed_number(row, "funding"),
        currency=symbol.partition(":")[2].partition("-")[0],
        at_ns=at_ns,
        rate=number(row, "fundingRate"),
        mark=number(row, "markPrice"),
    )
