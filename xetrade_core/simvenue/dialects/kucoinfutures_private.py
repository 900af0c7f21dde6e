"""The private side of KuCoin futures: signed calls of an account in one-way mode, every contract on cross margin.

A placement and a cancel are acknowledged: what came of them is asked for, or told by the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskEvent, DeskFill, LedgerChanged, OrderChanged
from xetrade_core.simvenue.dialects.base import PrivateMessage, Request
from xetrade_core.simvenue.dialects.kucoin_calls import KucoinCalls, Routes, client_name, numbered, order_id, whole
from xetrade_core.simvenue.dialects.kucoin_orders import names
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, Row
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls
from xetrade_core.simvenue.dialects.kucoin_stream import private
from xetrade_core.simvenue.dialects.kucoinfutures_account import FuturesAccount
from xetrade_core.simvenue.dialects.kucoinfutures_orders import (
    CROSS,
    currency_code,
    fill_row,
    funding_row,
    order_row,
    pushed_rows,
    ticket_of,
)
from xetrade_core.simvenue.market import Market

ORDERS, WALLET = "/contractMarket/tradeOrders", "/contractAccount/wallet"
POSITION, POSITIONS = "/contract/position", "/contract/positionAll"
TOPICS = (ORDERS, WALLET, POSITION, POSITIONS)
_MOST_NUMBERED, _MOST_FUNDINGS = 1_000, 100
_DAY_MS = 86_400_000
_MOST_LEVERAGE = 125


class KucoinFuturesPrivate(KucoinCalls):
    """The futures accounts of a desk."""

    def __init__(self, calls: SignedCalls, by_id: Mapping[str, Market]) -> None:
        super().__init__(calls, by_id, "Futures")

    @property
    def routes(self) -> Routes:
        """The signed endpoints."""
        one, act = self._calls.handler, self._acting
        return {
            **self.common,
            ("POST", "/api/v1/orders"): act(2, self._place),
            ("DELETE", "/api/v1/orders"): act(10, self._cancel_open),
            ("GET", "/api/v1/orders"): one(2, self._orders),
            ("GET", "/api/v1/recentDoneOrders"): one(5, self._recent_orders),
            ("GET", "/api/v1/orders/byClientOid"): one(5, self._by_name),
            ("GET", "/api/v1/fills"): one(5, self._fills),
            ("GET", "/api/v1/recentFills"): one(3, self._recent_fills),
            ("GET", "/api/v1/account-overview"): one(5, self._overview),
            ("GET", "/api/v1/trade-fees"): one(3, self._fees),
            ("GET", "/api/v1/positions"): one(2, self._positions),
            ("GET", "/api/v1/position"): one(2, self._position),
            ("GET", "/api/v1/funding-history"): one(5, self._fundings),
            ("GET", "/api/v2/position/getMarginMode"): one(2, self._margin_mode),
            ("GET", "/api/v2/position/getPositionMode"): one(2, lambda account, request: {"positionMode": 0}),
            ("GET", "/api/v2/getCrossUserLeverage"): one(2, self._leverage),
            ("POST", "/api/v2/changeCrossUserLeverage"): act(2, self._set_leverage),
        }

    @property
    def named_routes(self) -> Routes:
        """Those whose path ends in the name of an order."""
        orders = "/api/v1/orders"
        by_id = self._cancel(self._by_order_id, lambda order: {"cancelledOrderIds": [order_id(order)]})
        return {
            ("GET", orders): self._calls.handler(
                5, lambda account, request: order_row(self._by_order_id(account, request))
            ),
            ("DELETE", orders): self._acting(1, by_id),
            ("DELETE", f"{orders}/client-order"): self._acting(
                1, self._cancel(self._of_pair(self._by_client_id), client_name)
            ),
        }

    # --- orders -----------------------------------------------------------------------------------------------------

    def _place(self, account: Account, request: Request) -> object:
        return names(self._desk.place(account, ticket_of(self._market(request), request.query)))

    def _by_name(self, account: Account, request: Request) -> object:
        return order_row(self._desk.by_client_id(account, request.query.get("clientOid", "")))

    def _orders(self, account: Account, request: Request) -> object:
        active = request.query.get("status", "done") == "active"
        orders = self._desk.history(account, self._chosen(request))
        rows = [order_row(order) for order in reversed(orders) if order.state.resting is active]
        return numbered(request, rows, _MOST_NUMBERED)

    def _recent_orders(self, account: Account, request: Request) -> object:
        orders = self._desk.history(account, self._chosen(request))
        since_ms = request.now_ms - _DAY_MS
        return [
            order_row(order)
            for order in reversed(orders)
            if not order.state.resting and order.updated_ns // NS_PER_MS >= since_ms
        ]

    def _fills(self, account: Account, request: Request) -> object:
        fills = self._within(account, request, self._chosen(request))
        return numbered(request, [self._fill_row(fill) for fill in reversed(fills)], _MOST_NUMBERED)

    def _recent_fills(self, account: Account, request: Request) -> object:
        fills = self._desk.fills(account, self._chosen(request))
        since_ms = request.now_ms - _DAY_MS
        return [self._fill_row(fill) for fill in reversed(fills) if fill.time_ns // NS_PER_MS >= since_ms]

    def _fill_row(self, fill: DeskFill) -> Row:
        return fill_row(self._desk.orders[fill.order_id], fill)

    # --- the account ------------------------------------------------------------------------------------------------

    def _fees(self, account: Account, request: Request) -> object:
        return self._fee(request.query.get("symbol", ""))

    def _overview(self, account: Account, request: Request) -> object:
        """One currency; XBT if none is named."""
        code = request.query.get("currency") or "XBT"
        known = {currency_code(one): one for one in account.ledger.currencies}
        return FuturesAccount(self._desk, account).overview(known.get(code, code))

    def _positions(self, account: Account, request: Request) -> object:
        code = request.query.get("currency", "")
        markets = [
            market
            for market in self._by_id.values()
            if code in ("", currency_code(market.listing.settle or market.listing.quote))
        ]
        return FuturesAccount(self._desk, account).positions(markets)

    def _position(self, account: Account, request: Request) -> object:
        return FuturesAccount(self._desk, account).position(self._market(request))

    def _fundings(self, account: Account, request: Request) -> object:
        """The newest first; `offset` is the id of the last row of the page before."""
        market, size = self._market(request), whole(request, "maxCount", _MOST_FUNDINGS)
        if not 1 <= size <= _MOST_FUNDINGS:
            raise KucoinRefused("400100", f"maxCount should not greater than {_MOST_FUNDINGS}")
        first_ms, last_ms = whole(request, "startAt", 0), whole(request, "endAt", request.now_ms)
        offset = whole(request, "offset", 0)
        rows = [
            entry
            for entry in reversed(account.ledger.journal)
            if entry.kind == "funding"
            and entry.symbol == market.symbol
            and first_ms <= entry.time_ns // NS_PER_MS <= last_ms
            and (not offset or entry.entry_id < offset)
        ]
        return {"dataList": [funding_row(market, entry) for entry in rows[:size]], "hasMore": len(rows) > size}

    def _margin_mode(self, account: Account, request: Request) -> object:
        return {"symbol": self._market(request).venue_id, "marginMode": CROSS}

    def _leverage(self, account: Account, request: Request) -> object:
        market = self._market(request)
        return {"symbol": market.venue_id, "leverage": str(account.leverage_of(market.symbol))}

    def _set_leverage(self, account: Account, request: Request) -> object:
        market, leverage = self._market(request), whole(request, "leverage", 0)
        if not 1 <= leverage <= _MOST_LEVERAGE:
            raise KucoinRefused("300016", f"The leverage cannot be greater than {_MOST_LEVERAGE}.")
        account.set_leverage(market.symbol, leverage)
        return True


def render(desk: Desk, event: DeskEvent) -> Sequence[PrivateMessage]:
    """The messages of the private topics about an event. Source: www.kucoin.com/docs-new/3470090w0."""
    if isinstance(event, OrderChanged):
        rows = pushed_rows(event.order, event.fill, event.time_ns)
        name = f"{ORDERS}:{event.order.market.venue_id}"
        return [private(topic, "orderChange", row) for row in rows for topic in (ORDERS, name)]
    account = FuturesAccount(desk, desk.accounts[event.account])
    if isinstance(event, LedgerChanged):
        return [private(WALLET, "walletBalance.change", account.wallet(currency)) for currency in event.currencies]
    market = desk.markets[event.symbol]
    row: Row = {**account.position(market), "changeReason": "positionChange"}
    name = f"{POSITION}:{market.venue_id}"
    return [private(name, "position.change", row), private(name, "position.change", row, POSITIONS)]
