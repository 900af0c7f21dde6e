"""Dated futures that ended while an account held some: their venue is asked what it closed, and that is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deliveries import TELLING, deliveries_of, ended_ns
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill
from xetrade_core.trading.execution import ErrorReply
from xetrade_core.trading.reconciliation.comparison import positions_of
from xetrade_core.trading.store import OrderStore

Record = Callable[[Fill], Awaitable[object]]


async def collect_deliveries(
    store: OrderStore, client: CcxtExecution, symbols: Collection[str], record: Record | None = None
) -> list[str]:
    """Record the deliveries of one account in what it has traded, each once; what the venue refused to tell. `record`:
    how, if not by the store itself.

    What our fills have closed, or a delivery, is asked about no more. Raises ExecutionError, StoreUnavailable.
    """
    now_ns, refused = client.clock.wall_ns(), list[str]()
    due = [symbol for symbol in symbols if (day_ns := ended_ns(symbol)) is not None and day_ns <= now_ns]
    if client.rules.id not in TELLING or not due:
        return refused
    traded = store.traded(venue=client.rules.id, account=client.account, symbols=due)
    held = positions_of(fill for fill, _ in traded)
    for symbol in (symbol for symbol in due if held.get(symbol)):
        try:
            for fill in await deliveries_of(client, symbol):
                await (record or _by_store(store, now_ns))(fill)
        except ErrorReply as error:
            refused.append(str(error))
    return refused


def _by_store(store: OrderStore, now_ns: int) -> Record:
    async def record(fill: Fill) -> None:
        await asyncio.to_thread(store.do, lambda transaction: transaction.add_fill(fill, now_ns, Source.QUERY))

    return record
