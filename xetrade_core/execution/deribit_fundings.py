"""What a Deribit account was paid for funding, out of its transaction log: ccxt has no call for it.

Funding accrues all the time. It is booked by the settlement of each day, and before that by each trade that changes the
position; `interest_pl` of a row is what it holds of it. Source: docs.deribit.com/api-reference/account-management/
private-get_transaction_log (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_rows import currencies_of
from xetrade_core.execution.raw import Row, millis, needed, number, text
from xetrade_core.model.accounts import FundingPayment

PAGE = 250
_WEIGHT = 20  # the log has a rate of its own: a call a second, where others have twenty


async def deribit_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """Every funding of the account in a symbol from `since_ns` on, all pages, oldest first. Raises ExecutionError."""
    what = f"funding payments of {symbol}"
    span = {"start_timestamp": since_ns // NS_PER_MS, "end_timestamp": execution.venue_ms(), "count": PAGE}
    found: list[FundingPayment] = []
    more: dict[str, object] = {}
    while True:

        async def ask(ccxt: Any, more: dict[str, object] = more) -> tuple[str, Any]:
            wanted = {"currency": currencies_of(symbol)[0], **span, **more}
            return ccxt.market_id(symbol), (await ccxt.private_get_get_transaction_log(wanted))["result"]

        name, page = await execution.once(what, ask, symbol=symbol, weight=_WEIGHT)
        found += execution.read(
            what,
            lambda name=name, page=page: list(_payments(execution, page["logs"], name, symbol)),  # type: ignore[misc]
        )
        continuation = text(page, "continuation")
        if continuation is None:
            return tuple(sorted(found, key=lambda row: (row.at_ns, len(row.payment_id), row.payment_id)))
        more = {"continuation": continuation}


def _payments(execution: CcxtExecution, rows: Iterable[Row], name: str, symbol: str) -> Iterable[FundingPayment]:
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
