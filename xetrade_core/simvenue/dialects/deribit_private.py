"""The private methods of Deribit's API v2, signed over REST or on a websocket that has signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskFill, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.deribit_account import DeribitAccount
from xetrade_core.simvenue.dialects.deribit_credits import Credits
from xetrade_core.simvenue.dialects.deribit_listings import kind_of
from xetrade_core.simvenue.dialects.deribit_orders import (
    BAD_PARAMS,
    Fields,
    Row,
    booking_row,
    error_of,
    number_of,
    order_row,
    ticket_of,
    trade_row,
    truth_of,
)
from xetrade_core.simvenue.dialects.deribit_signed import Caller, DeribitKeys, require_trading
from xetrade_core.simvenue.dialects.json_rpc import RpcError, rpc_result
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

PATH = "/api/v2/private/"
_T = TypeVar("_T")
Call = Callable[[Account, Fields], object]
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_RECENT_ORDERS_MS, _RECENT_TRADES_MS = 30 * _MINUTE_MS, _DAY_MS  # what is older is `historical`
_MOST = 1000


class DeribitPrivate:
    """Private methods over a desk; `by_id` are the markets by the venue's name."""

    def __init__(self, desk: Desk, keys: DeribitKeys, by_id: Mapping[str, Market], credits: Credits) -> None:
        self._desk, self._keys, self._by_id, self._credits = desk, keys, by_id, credits
        self._acting: dict[str, Call] = {
            "buy": lambda account, fields: self._place(account, fields, Side.BUY),
            "sell": lambda account, fields: self._place(account, fields, Side.SELL),
            "edit": lambda account, fields: self._edit(account, self._of_id(account, fields), fields),
            "edit_by_label": lambda account, fields: self._edit(account, self._of_label(account, fields), fields),
            "cancel": self._cancel,
            "cancel_by_label": lambda account, fields: self._cancel_many(account, fields, "label"),
            "cancel_all": lambda account, fields: self._cancel_many(account, fields),
            "cancel_all_by_currency": lambda account, fields: self._cancel_many(account, fields, "currency"),
            "cancel_all_by_instrument": lambda account, fields: self._cancel_many(account, fields, "instrument_name"),
        }
        self._reading: dict[str, Call] = {
            "get_open_orders": self._open,
            "get_open_orders_by_currency": lambda account, fields: self._open(account, fields, "currency"),
            "get_open_orders_by_instrument": lambda account, fields: self._open(account, fields, "instrument_name"),
            "get_open_orders_by_label": lambda account, fields: self._open(account, fields, "currency", "label"),
            "get_order_state": lambda account, fields: order_row(self._of_id(account, fields)),
            "get_order_state_by_label": self._states,
            "get_order_history_by_currency": lambda account, fields: self._history(account, fields, "currency"),
            "get_order_history_by_instrument": lambda account, fields: self._history(
                account, fields, "instrument_name"
            ),
            "get_user_trades_by_order": self._trades_of_order,
            "get_account_summary": self._summary,
            "get_account_summaries": self._summaries,
            "get_position": lambda account, fields: DeribitAccount(desk, account).position(self._market(fields)),
            "get_positions": lambda account, fields: DeribitAccount(desk, account).positions(
                fields.get("currency", "any"), fields.get("kind", "any")
            ),
            "get_transaction_log": self._log,
        }
        for by in ("currency", "instrument"):
            for ending in ("", "_and_time"):
                name = by if by == "currency" else "instrument_name"
                self._reading[f"get_user_trades_by_{by}{ending}"] = partial(self._trades, name=name)

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The signed endpoints."""
        return {("GET", PATH + method): self._rest(method) for method in (*self._acting, *self._reading)}

    def _rest(self, method: str) -> Handler:
        def handle(request: Request) -> Reply:
            try:
                result = self.answer(method, self._keys.caller(request), request.query, request.now_ms)
            except RpcError as error:
                headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
                return Reply(error.status, error.body(request.now_ns), headers)
            return Reply(200, rpc_result(result, request.now_ns))

        return handle

    def answer(self, method: str, caller: Caller, fields: Fields, now_ms: int) -> object:
        """The `result` of a method. Raises RpcError."""
        account, issued = caller
        acts = method in self._acting
        call = self._acting.get(method) or self._reading.get(method)
        if call is None:
            raise RpcError(-32601, "Method not found")
        if acts:
            require_trading(issued)
        self._credits.take(account.name, now_ms, acts=acts)
        try:
            return call(account, fields)
        except DeskRefusal as refusal:
            raise error_of(refusal) from None

    # --- what a call is about ---------------------------------------------------------------------------------------

    def _market(self, fields: Fields) -> Market:
        market = self._by_id.get(fields.get("instrument_name", ""))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _of_id(self, account: Account, fields: Fields) -> DeskOrder:
        order_id = fields.get("order_id", "")
        order = self._desk.by_id(account, int(order_id) if order_id.isascii() and order_id.isdigit() else 0)
        if not order.state.resting and self._age_ms(order) > _RECENT_ORDERS_MS:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _of_label(self, account: Account, fields: Fields) -> DeskOrder:
        """The only open order of that label and instrument."""
        orders = self._matching(self._desk.open_orders(account), fields, "label", "instrument_name")
        if len(orders) > 1:
            raise RpcError(13032, "non_unique_order_label")
        if not orders:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return orders[0]

    def _matching(self, orders: Iterable[DeskOrder], fields: Fields, *names: str) -> list[DeskOrder]:
        """The orders that fit the parameters of those names, each of which must be there."""
        for name in names:
            if not fields.get(name):
                raise RpcError(BAD_PARAMS, "Invalid params", name, "value required")
        if "instrument_name" in names:
            self._market(fields)
        kind, currency = fields.get("kind", "any"), fields.get("currency", "any")
        return [
            order
            for order in orders
            if kind in ("any", kind_of(order.market.listing))
            and ("currency" not in fields or currency in ("any", *currencies_of(order.market)))
            and fields.get("label", order.ticket.client_id) == order.ticket.client_id
            and fields.get("instrument_name", order.market.venue_id) == order.market.venue_id
        ]

    def _age_ms(self, order: DeskOrder) -> int:
        return (self._desk.now_ns - order.updated_ns) // NS_PER_MS

    # --- orders -----------------------------------------------------------------------------------------------------

    def _place(self, account: Account, fields: Fields, side: Side) -> Row:
        order = self._desk.place(account, ticket_of(self._market(fields), fields, side))
        return {"trades": [trade_row(order, fill) for fill in order.fills], "order": order_row(order)}

    def _edit(self, account: Account, order: DeskOrder, fields: Fields) -> Row:
        before = len(order.fills)
        price = number_of(fields, "price") if fields.get("price") else None
        amount = number_of(fields, "amount") if fields.get("amount") else None
        self._desk.amend(account, order, price, amount)
        return {"trades": [trade_row(order, fill) for fill in order.fills[before:]], "order": order_row(order)}

    def _cancel(self, account: Account, fields: Fields) -> Row:
        return order_row(self._desk.cancel(account, self._of_id(account, fields)))

    def _cancel_many(self, account: Account, fields: Fields, *names: str) -> int:
        """How many were in the book still."""
        count = 0
        for order in self._matching(self._desk.open_orders(account), fields, *names):
            try:
                self._desk.cancel(account, order)
            except DeskRefusal:
                continue
            count += 1
        return count

    def _open(self, account: Account, fields: Fields, *names: str) -> list[Row]:
        orders = self._matching(self._desk.open_orders(account), fields, *names)
        return [order_row(order) for order in reversed(orders)]

    def _states(self, account: Account, fields: Fields) -> list[Row]:
        """Open and recent orders of a label, the newest first."""
        orders = self._matching(self._desk.history(account), fields, "currency", "label")
        known = [order for order in orders if order.state.resting or self._age_ms(order) <= _RECENT_ORDERS_MS]
        return [order_row(order) for order in reversed(known)]

    def _history(self, account: Account, fields: Fields, name: str) -> list[Row]:
        """Orders that have ended, the newest first; untraded ones and old ones only if they are asked for."""
        untraded, old = truth_of(fields, "include_unfilled"), truth_of(fields, "historical")
        orders = [
            order
            for order in self._matching(self._desk.history(account), fields, name)
            if not order.state.resting
            and (untraded or order.filled)
            and (old or self._age_ms(order) <= _RECENT_ORDERS_MS)
        ]
        start, count = _whole(fields, "offset", 0), min(_MOST, _whole(fields, "count", 20))
        return [order_row(order) for order in list(reversed(orders))[start : start + count]]

    # --- trades -----------------------------------------------------------------------------------------------------

    def _trades(self, account: Account, fields: Fields, name: str) -> Row:
        if not fields.get(name):
            raise RpcError(BAD_PARAMS, "Invalid params", name, "value required")
        if name == "instrument_name":
            self._market(fields)
        now_ms = self._desk.now_ns // NS_PER_MS
        oldest = 0 if truth_of(fields, "historical") else now_ms - _RECENT_TRADES_MS
        start, end = _whole(fields, "start_timestamp", 0), _whole(fields, "end_timestamp", now_ms)
        first, last = _whole(fields, "start_seq", 0), _whole(fields, "end_seq", 1 << 62)
        found = [
            fill
            for fill in self._desk.fills(account)
            if self._fits(fill, fields)
            and max(oldest, start) <= fill.time_ns // NS_PER_MS <= end
            and first <= fill.trade_id <= last
        ]
        count = min(_MOST, _whole(fields, "count", 10))
        shown = _sorted(fields, found)[:count]
        return {
            "trades": [trade_row(self._desk.orders[fill.order_id], fill) for fill in shown],
            "has_more": len(found) > len(shown),
        }

    def _fits(self, fill: DeskFill, fields: Fields) -> bool:
        market = self._desk.markets[fill.symbol]
        return (
            fields.get("instrument_name", market.venue_id) == market.venue_id
            and ("currency" not in fields or fields["currency"] in ("any", *currencies_of(market)))
            and fields.get("kind", "any") in ("any", kind_of(market.listing))
        )

    def _trades_of_order(self, account: Account, fields: Fields) -> list[Row]:
        order_id = fields.get("order_id", "")
        fills = [fill for fill in self._desk.fills(account) if str(fill.order_id) == order_id]
        return [trade_row(self._desk.orders[fill.order_id], fill) for fill in _sorted(fields, fills)]

    # --- the account ------------------------------------------------------------------------------------------------

    def _summary(self, account: Account, fields: Fields) -> Row:
        told, currency = DeribitAccount(self._desk, account), fields.get("currency", "")
        if currency not in told.currencies:
            raise RpcError(BAD_PARAMS, "Invalid params", "currency", "unknown currency")
        return told.summary(currency)

    def _summaries(self, account: Account, fields: Fields) -> Row:
        told = DeribitAccount(self._desk, account)
        head = {"id": 1, "email": "", "username": account.name, "type": "main", "system_name": account.name}
        return {**head, "summaries": [told.summary(currency) for currency in told.currencies]}

    def _log(self, account: Account, fields: Fields) -> Row:
        """Bookings of one currency, the newest first; `continuation` goes on below the last id."""
        currency = fields.get("currency", "")
        if not currency:
            raise RpcError(BAD_PARAMS, "Invalid params", "currency", "value required")
        start, end = _needed(fields, "start_timestamp"), _needed(fields, "end_timestamp")
        below = _whole(fields, "continuation", 1 << 62)
        found = [
            entry
            for entry in reversed(account.ledger.journal)
            if entry.currency == currency and start <= entry.time_ns // NS_PER_MS <= end and entry.entry_id < below
        ]
        shown = found[: min(250, _whole(fields, "count", 100))]
        markets = self._desk.markets
        return {
            "logs": [booking_row(entry, markets.get(entry.symbol or "")) for entry in shown],
            "continuation": shown[-1].entry_id if len(found) > len(shown) else None,
        }


def currencies_of(market: Market) -> tuple[str, ...]:
    """The currencies that a market is listed under: what a contract settles in; both sides of a pair of spot."""
    listing = market.listing
    return (listing.base, listing.quote) if listing.settle is None else (listing.settle,)


def _whole(fields: Fields, name: str, default: int) -> int:
    """An optional whole number of a call. Raises RpcError."""
    text = fields.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise RpcError(BAD_PARAMS, "Invalid params", name, "must be an integer")
    return int(text)


def _needed(fields: Fields, name: str) -> int:
    if not fields.get(name):
        raise RpcError(BAD_PARAMS, "Invalid params", name, "value required")
    return _whole(fields, name, 0)


def _sorted(fields: Fields, fills: Sequence[_T]) -> list[_T]:
    """Trades as they are asked for: the newest first unless `sorting` is asc."""
    return list(fills) if fields.get("sorting") == "asc" else list(reversed(fills))
