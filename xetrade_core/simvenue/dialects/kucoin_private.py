"""The private side of KuCoin spot: signed calls of a trade account, by its high-frequency endpoints and the older ones.

The high-frequency calls want the symbol, and those below `sync` wait for the matching engine and tell what came of it.
Changing an order is a new one in its place: another order id, the same client id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, DeskFill, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.kucoin_calls import (
    Find,
    KucoinCalls,
    Routes,
    client_name,
    numbered,
    order_id,
    span,
    whole,
)
from xetrade_core.simvenue.dialects.kucoin_orders import fill_row, names, order_row, sizes, ticket_of
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, Row
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.market import Market

_T = TypeVar("_T")
_PAGE, _MOST_PAGE = 20, 100
_MOST_NUMBERED = 500
_DEAD_MAN_S = (5, 86_400)
_PAIRS_MOST = 50


class KucoinPrivate(KucoinCalls):
    """The trade accounts of a desk."""

    def __init__(self, calls: SignedCalls, by_id: Mapping[str, Market]) -> None:
        super().__init__(calls, by_id, "Spot")
        self._countdowns: dict[str, tuple[int, int, str]] = {}  # account: timeout, when it fires (s), pairs

    @property
    def routes(self) -> Routes:
        """The signed endpoints."""
        one, act = self._calls.handler, self._acting
        hf = "/api/v1/hf/orders"
        return {
            **self.common,
            ("GET", "/api/v1/hf/accounts/opened"): one(2, lambda account, request: True),
            ("GET", "/api/v1/accounts"): one(5, self._accounts),
            ("GET", "/api/v1/trade-fees"): one(3, self._fees),
            ("GET", "/api/v3/margin/symbols"): one(3, lambda account, request: {"items": []}),
            ("GET", "/api/v1/isolated/symbols"): one(3, lambda account, request: []),
            ("POST", hf): act(1, lambda account, request: names(self._place(account, request))),
            ("POST", f"{hf}/sync"): act(1, self._place_sync),
            ("POST", f"{hf}/alter"): act(1, self._alter),
            ("DELETE", hf): act(2, self._cancel_pair),
            ("DELETE", f"{hf}/cancelAll"): act(30, self._cancel_all),
            ("GET", f"{hf}/active"): one(2, self._active),
            ("GET", f"{hf}/active/symbols"): one(2, self._active_pairs),
            ("GET", f"{hf}/done"): one(2, self._done),
            ("GET", "/api/v1/hf/fills"): one(2, self._fills),
            ("POST", f"{hf}/dead-cancel-all"): act(2, self._count_down),
            ("GET", f"{hf}/dead-cancel-all/query"): one(2, self._counting),
            ("POST", "/api/v1/orders"): act(2, lambda account, request: {"orderId": self._placed_id(account, request)}),
            ("DELETE", "/api/v1/orders"): act(20, self._cancel_open),
            ("GET", "/api/v1/orders"): one(2, self._classic_orders),
            ("GET", "/api/v1/fills"): one(10, self._classic_fills),
        }

    @property
    def named_routes(self) -> Routes:
        """Those whose path ends in the name of an order."""
        one, act = self._calls.handler, self._acting
        hf, by_id, by_client = "/api/v1/hf/orders", self._by_order_id, self._by_client_id
        row = self._row
        return {
            ("GET", hf): one(2, row(self._of_pair(by_id))),
            ("GET", f"{hf}/client-order"): one(2, row(self._of_pair(by_client))),
            ("DELETE", hf): act(1, self._cancel(self._of_pair(by_id), lambda order: {"orderId": str(order.order_id)})),
            ("DELETE", f"{hf}/client-order"): act(1, self._cancel(self._of_pair(by_client), client_name)),
            ("DELETE", f"{hf}/sync"): act(
                1, self._cancel(self._of_pair(by_id), lambda order: {"orderId": str(order.order_id), **sizes(order)})
            ),
            ("DELETE", f"{hf}/sync/client-order"): act(
                1, self._cancel(self._of_pair(by_client), lambda order: {**client_name(order), **sizes(order)})
            ),
            ("GET", "/api/v1/orders"): one(2, row(by_id)),
            ("GET", "/api/v1/order/client-order"): one(2, row(by_client)),
            ("DELETE", "/api/v1/orders"): act(
                3, self._cancel(by_id, lambda order: {"cancelledOrderIds": [str(order.order_id)]})
            ),
            ("DELETE", "/api/v1/order/client-order"): act(
                5, self._cancel(by_client, lambda order: {**client_name(order), "cancelledOrderId": order_id(order)})
            ),
        }

    # --- orders -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _row(find: Find) -> Callable[[Account, Request], Row]:
        return lambda account, request: _both(order_row(find(account, request)))

    def _place(self, account: Account, request: Request) -> DeskOrder:
        return self._desk.place(account, ticket_of(self._market(request), request.query))

    def _placed_id(self, account: Account, request: Request) -> str:
        return order_id(self._place(account, request))

    def _place_sync(self, account: Account, request: Request) -> Row:
        order = self._place(account, request)
        times = {"orderTime": order.created_ns // NS_PER_MS, "matchTime": order.updated_ns // NS_PER_MS}
        return {**names(order), **times, **sizes(order)}

    def _cancel_pair(self, account: Account, request: Request) -> object:
        self._desk.cancel_all(account, self._market(request).symbol)
        return "success"

    def _cancel_all(self, account: Account, request: Request) -> object:
        pairs = dict.fromkeys(order.market.venue_id for order in self._desk.cancel_all(account))
        return {"succeedSymbols": [*pairs], "failedSymbols": []}

    def _alter(self, account: Account, request: Request) -> object:
        """The order is canceled and another placed for what it had not traded of its new size."""
        fields, market = request.query, self._market(request)
        if fields.get("orderId"):
            order = self._desk.by_id(account, int(fields["orderId"]) if fields["orderId"].isdigit() else 0)
        else:
            order = self._desk.by_client_id(account, fields.get("clientOid", ""))
        if order.market is not market or not order.state.resting:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        size = number_of(fields, "newSize", RefusalKind.BAD_AMOUNT) if fields.get("newSize") else order.amount
        price = number_of(fields, "newPrice", RefusalKind.BAD_PRICE) if fields.get("newPrice") else order.ticket.price
        self._desk.cancel(account, order)
        if size <= order.filled:
            return names(order)
        placed = self._desk.place(account, replace(order.ticket, amount=size - order.filled, price=price))
        return {"newOrderId": order_id(placed), "clientOid": placed.ticket.client_id or ""}

    def _active(self, account: Account, request: Request) -> object:
        return [order_row(order) for order in self._desk.open_orders(account, self._market(request).symbol)]

    def _active_pairs(self, account: Account, request: Request) -> object:
        return {"symbols": [*dict.fromkeys(order.market.venue_id for order in self._desk.open_orders(account))]}

    def _done(self, account: Account, request: Request) -> object:
        orders = [one for one in self._desk.history(account, self._market(request).symbol) if not one.state.resting]
        first_ms, last_ms = span(request)
        inside = [one for one in orders if first_ms <= one.created_ns // NS_PER_MS <= last_ms]
        page, last_id = _before(request, inside, lambda one: one.order_id)
        return {"lastId": last_id, "items": [order_row(order) for order in page]}

    def _fills(self, account: Account, request: Request) -> object:
        fills = self._within(account, request, self._market(request).symbol)
        page, last_id = _before(request, fills, lambda fill: fill.trade_id)
        return {"lastId": last_id, "items": [self._fill_row(fill) for fill in page]}

    def _fill_row(self, fill: DeskFill) -> Row:
        return fill_row(self._desk.orders[fill.order_id], fill)

    def _classic_orders(self, account: Account, request: Request) -> object:
        active = request.query.get("status", "done") == "active"
        orders = self._desk.history(account, self._chosen(request))
        rows = [_both(order_row(order)) for order in reversed(orders) if order.state.resting is active]
        return numbered(request, rows, _MOST_NUMBERED)

    def _classic_fills(self, account: Account, request: Request) -> object:
        fills = self._within(account, request, self._chosen(request))
        return numbered(request, [self._fill_row(fill) for fill in reversed(fills)], _MOST_NUMBERED)

    # --- dead man ---------------------------------------------------------------------------------------------------

    def _count_down(self, account: Account, request: Request) -> object:
        """Cancel the orders of some pairs, or of all, unless set again in time; -1 takes that back."""
        text, pairs = request.query.get("timeout", ""), request.query.get("symbols", "")
        least, most = _DEAD_MAN_S
        seconds = int(text) if text.lstrip("-").isdigit() else 0
        named = [one for one in pairs.split(",") if one]
        if len(named) > _PAIRS_MOST or any(one not in self._by_id for one in named):
            raise KucoinRefused("400100", "symbols invalid")
        if seconds != -1 and not least <= seconds <= most:
            raise KucoinRefused("400100", f"timeout must be -1 or between {least} and {most}")
        was = self._countdowns.pop(account.name, None)
        for one in was[2].split(",") if was is not None else ():
            self._desk.arm_dead_man(account, 0, self._by_id[one].symbol if one else None)
        if seconds == -1:
            return {"currentTime": request.now_ms // 1000}
        self._countdowns[account.name] = seconds, request.now_ms // 1000 + seconds, ",".join(named)
        for one in named or [""]:
            self._desk.arm_dead_man(account, seconds, self._by_id[one].symbol if one else None)
        return {"currentTime": request.now_ms // 1000, "triggerTime": request.now_ms // 1000 + seconds}

    def _counting(self, account: Account, request: Request) -> object:
        if account.name not in self._countdowns:
            return None
        seconds, fires, pairs = self._countdowns[account.name]
        return {"timeout": seconds, "symbols": pairs, "currentTime": request.now_ms // 1000, "triggerTime": fires}

    # --- the account ------------------------------------------------------------------------------------------------

    def _fees(self, account: Account, request: Request) -> object:
        return [self._fee(name) for name in request.query.get("symbols", "").split(",")]

    def _accounts(self, account: Account, request: Request) -> object:
        kind, wanted = request.query.get("type") or "trade", request.query.get("currency")
        if kind not in ("trade", "trade_hf"):
            return []
        return [balance_row(account, one, kind) for one in account.ledger.currencies if wanted in (None, "", one)]


def balance_row(account: Account, currency: str, kind: str) -> Row:
    """One currency of a trade account."""
    ledger = account.ledger
    held = {"balance": ledger.total(currency), "available": ledger.free(currency), "holds": ledger.locked(currency)}
    amounts = {name: plain(value) for name, value in held.items()}
    return {"id": f"{account.name}-{currency}", "currency": currency, "type": kind, **amounts}


def _both(row: Row) -> Row:
    """The older endpoints call it `isActive`."""
    return {**row, "isActive": row["active"]}


def _before(request: Request, rows: list[_T], number: Callable[[_T], int]) -> tuple[list[_T], int]:
    """The newest rows before `lastId`, and the id to go on from."""
    size = whole(request, "limit", _PAGE)
    if not 1 <= size <= _MOST_PAGE:
        raise KucoinRefused("400100", f"limit must be between 1 and {_MOST_PAGE}")
    last_id = whole(request, "lastId", 0)
    older = [row for row in reversed(rows) if not last_id or number(row) < last_id][:size]
    return older, number(older[-1]) if older else 0
