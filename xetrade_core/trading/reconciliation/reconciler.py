"""Hold an account against its venue: orders, then trades, then what they add up to.

Nothing is guessed. An order changes by the venue's word on it alone, a trade has the venue's id, and what is explained
by neither halts its instrument and tells a person. A difference counts once it was looked at again and still stood,
and once it is older than anything may be under way.
"""

from __future__ import annotations

from xetrade_core.clock import Clock
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.reconciliation.amounts import reconcile_balances, reconcile_positions, take
from xetrade_core.trading.reconciliation.differences import AccountReport
from xetrade_core.trading.reconciliation.orders import reconcile_orders
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.reconciliation.round import Round
from xetrade_core.trading.reconciliation.trades import reconcile_fills
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore


async def reconcile(
    service: OrderService,
    store: OrderStore,
    account: TradingAccount,
    clock: Clock,
    plan: ReconcilePlan | None = None,
    *,
    symbol: str | None = None,
) -> AccountReport:
    """Compare one account, or one instrument of it, and repair what the venue's words explain.

    What cannot be asked is a problem of the report. Raises StoreUnavailable.
    """
    one = Round(service, store, account, clock, plan or ReconcilePlan())
    orders, seen = await reconcile_orders(one, symbol)
    wanted = {symbol} if symbol is not None else seen | store.symbols_of(one.venue, account.account)
    fills, new = await reconcile_fills(one, wanted)
    positions = await reconcile_positions(one, symbol, new)
    balances = await reconcile_balances(one, new) if symbol is None else 0
    if symbol is None and not one.problems:
        await take(one)
    return AccountReport(
        venue=one.venue,
        account=account.account,
        at_ns=one.started_ns,
        orders=orders,
        fills=fills,
        positions=positions,
        balances=balances,
        in_flight=len(one.in_flight),
        differences=tuple(dict.fromkeys(one.differences)),
        problems=tuple(dict.fromkeys(one.problems)),
    )
