"""A Deribit account's transaction log, page by page: fundings and deliveries are read out of it, as ccxt has no call
for either. Source: docs.deribit.com/api-reference/account-management/private-get_transaction_log (2026-11).
"""

from __future__ import annotations

from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_rows import currencies_of
from xetrade_core.execution.raw import Row, text

PAGE = 250
_WEIGHT = 20  # the log has a rate of its own: a call a second, where others have twenty


async def log_of(
    execution: CcxtExecution, what: str, symbol: str, from_ns: int, to_ns: int | None = None, *, listed: bool = True
) -> list[Row]:
    """The rows of the currency that a contract settles in, from a time on, the newest first. `listed`: False where the
    venue need not list the contract any more. Raises ExecutionError."""
    to_ms = execution.venue_ms() if to_ns is None else min(execution.venue_ms(), to_ns // NS_PER_MS)
    span = {"start_timestamp": from_ns // NS_PER_MS, "end_timestamp": to_ms, "count": PAGE}
    found: list[Row] = []
    more: dict[str, object] = {}
    while True:

        async def ask(ccxt: Any, more: dict[str, object] = more) -> Any:
            wanted = {"currency": currencies_of(symbol)[0], **span, **more}
            return (await ccxt.private_get_get_transaction_log(wanted))["result"]

        page = await execution.once(what, ask, symbol=symbol if listed else None, weight=_WEIGHT)
        with execution.reading(what):
            found += list(page["logs"])
        continuation = text(page, "continuation")
        if continuation is None:
            return found
        more = {"continuation": continuation}
