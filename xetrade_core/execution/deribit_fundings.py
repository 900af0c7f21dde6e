"""What a Deribit account was paid for funding, out of its transaction log.

Funding accrues all the time. It is booked by the settlement of each day, and before that by each trade that changes the
position; `interest_pl` of a row is what it holds of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_log import log_of
from xetrade_core.execution.raw import Row, millis, needed, number
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.symbols.naming.deribit import DeribitNaming
from xetrade_core.symbols.parts import SymbolParts


async def deribit_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """Every funding of the account in a symbol from `since_ns` on, all pages, oldest first. Raises ExecutionError."""
    what = f"funding payments of {symbol}"
    rows = await log_of(execution, what, symbol, since_ns)
    with execution.reading(what):
        found = list(_payments(execution, rows, symbol))
    return tuple(sorted(found, key=lambda row: (row.at_ns, len(row.payment_id), row.payment_id)))


def _payments(execution: CcxtExecution, rows: Iterable[Row], symbol: str) -> Iterable[FundingPayment]:
    name = DeribitNaming().write(SymbolParts.parse(symbol, execution.rules.id))
    for row in rows:
        paid = number(row, "interest_pl")
        if row.get("instrument_name") == name and paid:
            yield FundingPayment(
                venue=execution.rules.id,
                account=execution.account,
                symbol=symbol,
                payment_id=needed(row, "id"),
                amount=paid,
                currency=needed(row, "currency"),
                at_ns=millis(row, "timestamp") or 0,
            )
