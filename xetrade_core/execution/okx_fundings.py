"""What an OKX account was paid for funding, out of its bills: pages go back from the newest, by their last row's id.

ccxt asks for the newest page alone. Source: www.okx.com/docs-v5, "Get bills details (last 3 months)".
"""

from __future__ import annotations

from typing import cast

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.okx import OkxExecution
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number
from xetrade_core.model.accounts import FundingPayment

_FUNDING = "8"


async def okx_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """See `fundings.fundings_since`; of the last three months."""
    what = f"funding payments of {symbol}"
    query = {"instType": "SWAP", "type": _FUNDING, "begin": str(since_ns // NS_PER_MS)}
    client = cast("OkxExecution", execution)
    rows = await client.all_pages(what, "private_get_account_bills_archive", symbol, "billId", query)
    with execution.reading(what):
        return tuple(_payment(execution, row, symbol) for _, row in rows)


def _payment(execution: CcxtExecution, row: Row, symbol: str) -> FundingPayment:
    """A bill. Of an isolated position the change is the position's own."""
    return FundingPayment(
        venue=execution.rules.id,
        account=execution.account,
        symbol=symbol,
        payment_id=needed(row, "billId"),
        amount=number(row, "balChg") or needed_number(row, "posBalChg"),
        currency=needed(row, "ccy"),
        at_ns=millis(row, "ts") or 0,
    )
