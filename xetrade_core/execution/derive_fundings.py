"""What a subaccount of Derive was paid for funding. The venue books it in parts that have no id.

Source: docs.derive.xyz, "private/get_funding_history" (2026-11).
"""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.derive import DeriveExecution
from xetrade_core.execution.derive_rows import CASH
from xetrade_core.execution.raw import needed_number
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import ZERO


async def derive_fundings(execution: CcxtExecution, symbol: str, since_ns: int) -> tuple[FundingPayment, ...]:
    """Every payment from `since_ns` on, oldest first: what the parts of one moment come to. Raises ExecutionError."""
    assert isinstance(execution, DeriveExecution)
    what = f"funding payments of {symbol}"
    found: dict[int, Decimal] = {}
    query: dict[str, object] = {"start_timestamp": since_ns // NS_PER_MS}
    async for row in execution.pages(what, "private_post_get_funding_history", "events", symbol, query):
        with execution.reading(what):
            at_ms, amount = int(needed_number(row, "timestamp")), needed_number(row, "funding")
        found[at_ms] = found.get(at_ms, ZERO) + amount
    return tuple(
        FundingPayment(
            venue=execution.rules.id,
            account=execution.account,
            symbol=symbol,
            payment_id=str(at_ms),
            amount=amount,
            currency=CASH,
            at_ns=at_ms * NS_PER_MS,
        )
        for at_ms, amount in sorted(found.items())
        if amount
    )
