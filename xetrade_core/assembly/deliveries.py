"""Dated futures that ended while an account held some: their venue is asked what it closed, and that is recorded."""

from __future__ import annotations

from collections.abc import Collection

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deliveries import TELLING, deliveries_of, ended_ns
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill
from xetrade_core.trading.execution import ErrorReply
from xetrade_core.trading.reconciliation.comparison import positions_of
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction


async def collect_deliveries(store: OrderStore, client: CcxtExecution, symbols: Collection[str]) -> list[str]:
    """Record the deliveries of one account in what it has traded, each once; what the venue refused to tell.

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
            _record(store, await deliveries_of(client, symbol), now_ns)
        except ErrorReply as error:
            refused.append(str(error))
    return refused


def _record(store: OrderStore, fills: Collection[Fill], now_ns: int) -> None:
    def work(transaction: Transaction) -> None:
        for fill in fills:
            transaction.add_fill(fill, now_ns, Source.QUERY)

    if fills:
        store.do(work)
