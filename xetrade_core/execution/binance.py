"""Binance spot's private side in its own words.

Orders are sent and cancelled by their paths: what ccxt's own way makes of the reply is not read here, and costs more
than sending it.

Shapes: developers.binance.com, "Trading endpoints" and "Account endpoints" of the spot API (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, plain, text, true
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import Fill, Intent, Liquidity, OrderReport, OrderType, ReportStatus, Side
from xetrade_core.trading.execution import ErrorReply, OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 1000
STATUS = {
    "NEW": ReportStatus.OPEN,
    "PENDING_NEW": ReportStatus.OPEN,
    "PARTIALLY_FILLED": ReportStatus.OPEN,
    "PENDING_CANCEL": ReportStatus.OPEN,
    "FILLED": ReportStatus.FILLED,
    "CANCELED": ReportStatus.CANCELED,
    "REJECTED": ReportStatus.REJECTED,
    "EXPIRED": ReportStatus.EXPIRED,
    "EXPIRED_IN_MATCH": ReportStatus.EXPIRED,
}


def status_of(row: Row) -> ReportStatus:
    """The status of an order's row. Raises ValueError."""
    said = needed(row, "status")
    found = STATUS.get(said)
    if found is None:
        raise ValueError(f"status {said!r} is none that Binance documents")
    return found


def named(ref: OrderRef) -> dict[str, object]:
    """The parameter that names an order: our id if it has one, else the venue's."""
    return {"orderId": ref.venue_order_id} if ref.client_id is None else {"origClientOrderId": ref.client_id}


def typed(intent: Intent) -> dict[str, object]:
    """Type of an order, and of a limit order how long it stays."""
    if intent.type is OrderType.MARKET:
        return {"type": "MARKET"}
    return {"type": "LIMIT", "timeInForce": intent.time_in_force.value.upper()}


class BinanceExecution(CcxtExecution):
    """Spot orders. A market order is named by its base amount alone."""

    ccxt_options: ClassVar[dict[str, object]] = {
        "warnOnFetchOpenOrdersWithoutSymbol": False,  # it costs 80 of 6000, and tells of every symbol
        "fetchMargins": False,
    }

    #: ccxt's methods for the paths
    post_order: ClassVar[str] = "privatePostOrder"
    delete_order: ClassVar[str] = "privateDeleteOrder"

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. The whole order but its names and its numbers. Post-only is a type of its own, and the one
        that is only acknowledged unless more is asked for.
        """
        side: dict[str, object] = {"side": intent.side.value.upper()}
        if intent.post_only:
            return side | {"type": "LIMIT_MAKER", "newOrderRespType": "FULL"}
        return side | typed(intent)

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution."""
        wanted = {"newClientOrderId": intent.client_id, **self.order_params(intent), "quantity": plain(intent.amount)}
        if intent.price is not None:
            wanted["price"] = plain(intent.price)
        row = await self._acting("order", self.post_order, intent.symbol, wanted, "place", Priority.ORDER)
        with self.reading("order"):
            return self.placed(row, intent)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution."""
        row = await self._acting("cancel", self.delete_order, ref.symbol, named(ref), "cancel", Priority.CANCEL)
        with self.reading("cancel"):
            return self.canceled(row, ref)

    async def _acting(
        self, what: str, method: str, symbol: str, wanted: dict[str, object], weighed: str, priority: Priority
    ) -> Row:
        """A call about one order, and its reply as it came."""
        row: Row = await self.once(
            f"{what} of {symbol}",
            lambda ccxt: getattr(ccxt, method)({"symbol": ccxt.market_id(symbol), **wanted}),
            symbol=symbol,
            priority=priority,
            weight=self.weights.get(weighed),
        )
        return row

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution. The venue cancels by symbol; of an account, every symbol that has an open order."""
        symbols = [symbol] if symbol is not None else sorted({one.symbol for one in await self.open_orders(None)})
        for one in symbols:
            try:
                await super().cancel_all(one)
            except ErrorReply as error:
                if not self.is_unknown_order(error):  # so it says that nothing of the symbol is open
                    raise

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution."""
        return OrderReport(
            symbol=symbol,
            status=status_of(row),
            client_id=text(row, "clientOrderId"),
            venue_order_id=text(row, "orderId"),
            filled=number(row, "executedQty"),
            amount=number(row, "origQty"),
            price=number(row, "price") or None,  # a market order has the price 0
            exchange_ns=millis(row, "transactTime") or millis(row, "updateTime"),
        )

    def canceled(self, row: Row, ref: OrderRef) -> OrderReport:
        """See CcxtExecution. `clientOrderId` is the cancel's own id, the order's is `origClientOrderId`."""
        return self.report({**row, "clientOrderId": row.get("origClientOrderId")}, ref.symbol)

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution. Pages go on by trade id: many trades share a millisecond."""

        async def ask(ccxt: Any, since: int | None, params: dict[str, object]) -> list[Any]:
            rows: list[Any] = await ccxt.fetch_my_trades(symbol, since, PAGE, params)
            return rows

        found: list[Any] = []
        since: int | None = since_ms
        params: dict[str, object] = {}
        while True:
            page = await self.once(f"trades of {symbol}", partial(ask, since=since, params=params), symbol=symbol)
            found += page
            if len(page) < PAGE:
                return found
            with self.reading("trades"):
                since, params = None, {"fromId": int(page[-1]["info"]["id"]) + 1}

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution."""
        side = Side.BUY if true(row["isBuyer"]) else Side.SELL
        return self.traded(row, symbol, side, maker=true(row["isMaker"]))

    def traded(self, row: Row, symbol: str, side: Side, *, maker: bool) -> Fill:
        """A row of trades, of which the markets tell side and liquidity in different words."""
        return Fill(
            venue=self.rules.id,
            account=self.account,
            symbol=symbol,
            trade_id=needed(row, "id"),
            side=side,
            price=needed_number(row, "price"),
            amount=needed_number(row, "qty"),
            received_ns=self.clock.wall_ns(),
            exchange_ns=millis(row, "time"),
            venue_order_id=needed(row, "orderId"),
            fee=number(row, "commission"),
            fee_currency=text(row, "commissionAsset"),
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        for one in row["balances"]:
            free, locked = needed_number(one, "free"), needed_number(one, "locked")
            yield Balance(self.rules.id, self.account, needed(one, "asset"), free + locked, free, received_ns)

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution."""
        row = await self.restrictions()
        with self.reading("permissions"):
            return KeyPermissions(
                trade=true(row["enableSpotAndMarginTrading"]),
                withdraw=true(row["enableWithdrawals"]),
                ip_restricted=true(row["ipRestrict"]),
            )

    async def restrictions(self) -> Row:
        """What the venue says of the key."""
        row: Row = await self.once("permissions of the key", lambda ccxt: ccxt.sapi_get_account_apirestrictions())
        return row
