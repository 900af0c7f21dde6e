"""The private side of MAX v3: signed REST calls about the spot wallet.

Lists page by time or by id: `asc` gives what follows a moment or an id, itself included, `desc` what went before it.
A cancel answers only that it was taken. Source: the API's description of 2026-08.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskFill, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.max_orders import (
    CODES,
    as_taken,
    balance_rows,
    order_row,
    ticket_of,
    trade_rows,
)
from xetrade_core.simvenue.dialects.max_signed import MaxKeys, MaxRefused
from xetrade_core.simvenue.market import Market

_T = TypeVar("_T")
Fields = Mapping[str, str]
Call = Callable[[Account, Fields], object]
_PAGE, _MOST = 50, 1000
_CREATED = 201
_ORDERS_BY = ("asc", "desc", "asc_updated_at", "desc_updated_at")


class MaxPrivate:
    """Signed calls over a desk; `by_id` are the markets by the venue's id."""

    def __init__(self, desk: Desk, keys: MaxKeys, by_id: Mapping[str, Market]) -> None:
        self._desk, self._keys, self._by_id = desk, keys, by_id

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The signed endpoints."""
        spot = "/api/v3/wallet/spot"
        return {
            ("GET", "/api/v3/info"): self._signed(self._info),
            ("GET", f"{spot}/accounts"): self._signed(self._accounts),
            ("POST", f"{spot}/order"): self._signed(self._place, trades=True, status=_CREATED),
            ("GET", "/api/v3/order"): self._signed(lambda one, fields: order_row(self._one(one, fields))),
            ("DELETE", "/api/v3/order"): self._signed(self._cancel, trades=True),
            ("DELETE", f"{spot}/orders"): self._signed(self._cancel_all, trades=True),
            ("GET", f"{spot}/orders/open"): self._signed(self._open),
            ("GET", f"{spot}/orders/closed"): self._signed(self._closed),
            ("GET", f"{spot}/orders/history"): self._signed(self._history),
            ("GET", "/api/v3/order/trades"): self._signed(self._order_trades),
            ("GET", f"{spot}/trades"): self._signed(self._trades),
        }

    def _signed(self, call: Call, *, trades: bool = False, status: int = 200) -> Handler:
        def handle(request: Request) -> Reply:
            try:
                account = self._keys.authenticate(request, trades=trades)
                return Reply(status, msgspec.json.encode(call(account, request.query)))
            except DeskRefusal as refusal:
                return MaxRefused(*CODES[refusal.kind]).reply
            except MaxRefused as refusal:
                return refusal.reply

        return handle

    # --- orders -----------------------------------------------------------------------------------------------------

    def _market(self, fields: Fields) -> Market:
        market = self._by_id.get(fields.get("market", ""))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _symbol(self, fields: Fields) -> str | None:
        """The symbol of the market that a call may name."""
        return self._market(fields).symbol if "market" in fields else None

    def _one(self, account: Account, fields: Fields, name: str = "id") -> DeskOrder:
        """The order that a call names by either of its ids."""
        order_id = _whole(fields, name)
        if order_id is not None:
            return self._desk.by_id(account, order_id)
        if not fields.get("client_oid"):
            raise MaxRefused(1001, f"{name}, client_oid are missing, exactly one parameter must be provided")
        return self._desk.by_client_id(account, fields["client_oid"])

    def _place(self, account: Account, fields: Fields) -> object:
        return as_taken(self._desk.place(account, ticket_of(self._market(fields), fields)))

    def _cancel(self, account: Account, fields: Fields) -> object:
        self._desk.cancel(account, self._one(account, fields))
        return {"success": True}

    def _cancel_all(self, account: Account, fields: Fields) -> object:
        side = fields.get("side")
        wanted = [
            order
            for order in self._desk.open_orders(account, self._symbol(fields))
            if side in (None, order.ticket.side.value)
        ]
        done: list[dict[str, object]] = []
        for order in wanted:
            told = as_taken(order)
            try:
                self._desk.cancel(account, order)
                done.append({"error": None, "order": told})
            except DeskRefusal as refusal:
                done.append({"error": CODES[refusal.kind][1], "order": told})
        return done

    def _open(self, account: Account, fields: Fields) -> object:
        return _orders(fields, self._desk.open_orders(account, self._market(fields).symbol))

    def _closed(self, account: Account, fields: Fields) -> object:
        known = self._desk.history(account, self._market(fields).symbol)
        return _orders(fields, [order for order in known if not order.state.resting])

    def _history(self, account: Account, fields: Fields) -> object:
        first = _whole(fields, "from_id") or 1
        known = self._desk.history(account, self._market(fields).symbol)
        return [order_row(order) for order in known if order.order_id >= first][: _limit(fields)]

    # --- trades and money -------------------------------------------------------------------------------------------

    def _order_trades(self, account: Account, fields: Fields) -> object:
        order = self._one(account, fields, "order_id")
        traded = {fill.trade_id for fill in order.fills}
        legs = [fill for fill in self._desk.fills(account) if fill.trade_id in traded]
        return trade_rows(legs, self._desk.markets)

    def _trades(self, account: Account, fields: Fields) -> object:
        order = fields.get("order", "desc")
        if order not in ("asc", "desc"):
            raise MaxRefused(1001, "order does not have a valid value")
        known = self._desk.fills(account, self._symbol(fields))
        stamp, first = _whole(fields, "timestamp"), _whole(fields, "from_id")
        if stamp is not None:
            chosen = _from(known, stamp, lambda fill: fill.time_ns // NS_PER_MS, order)
        else:
            chosen = _from(known, first, lambda fill: fill.trade_id, order)
        whole = {fill.trade_id for fill in chosen}
        rows = trade_rows(_legs(known, whole), self._desk.markets)
        return (rows if order == "asc" else rows[::-1])[: _limit(fields)]

    def _accounts(self, account: Account, fields: Fields) -> object:
        wanted = fields.get("currency", "").upper()
        return balance_rows(account, [one for one in account.ledger.currencies if wanted in ("", one)])

    def _info(self, account: Account, fields: Fields) -> object:
        rules = self._desk.rules
        fees = {"maker_fee": float(rules.maker_fee), "taker_fee": float(rules.taker_fee)}
        level = {"level": 0, "minimum_trading_volume": 0, "minimum_staking_volume": 0, **fees}
        head = {"email": f"{account.name}@example.com", "level": 2, "m_wallet_enabled": False}
        return {**head, "current_vip_level": level, "next_vip_level": None}


def _legs(fills: Sequence[DeskFill], trades: set[int]) -> list[DeskFill]:
    return [fill for fill in fills if fill.trade_id in trades]


def _orders(fields: Fields, orders: Sequence[DeskOrder]) -> object:
    """A page of orders by when they were made or last changed."""
    by = fields.get("order_by", "desc")
    if by not in _ORDERS_BY:
        raise MaxRefused(1001, "order_by does not have a valid value")

    def when(order: DeskOrder) -> int:
        return (order.updated_ns if by.endswith("updated_at") else order.created_ns) // NS_PER_MS

    chosen = sorted(_from(orders, _whole(fields, "timestamp"), when, by), key=when, reverse=by.startswith("desc"))
    return [order_row(order) for order in chosen[: _limit(fields)]]


def _from(rows: Sequence[_T], bound: int | None, number: Callable[[_T], int], order: str) -> list[_T]:
    """What follows a moment or an id, or went before it; itself included."""
    if bound is None:
        return list(rows)
    ascending = order.startswith("asc")
    return [row for row in rows if (number(row) >= bound if ascending else number(row) <= bound)]


def _limit(fields: Fields) -> int:
    limit = _whole(fields, "limit")
    if limit is not None and not 1 <= limit <= _MOST:
        raise MaxRefused(1001, "limit does not have a valid value")
    return limit or _PAGE


def _whole(fields: Fields, name: str) -> int | None:
    text = fields.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise MaxRefused(1001, f"{name} is invalid")
    return int(text)
