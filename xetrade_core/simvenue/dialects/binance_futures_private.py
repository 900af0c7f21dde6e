"""The private side of Binance's futures: signed REST calls, and the user data stream that a listen key opens.

What differs between USD-M and COIN-M is the prefix of the paths, the versions, and a few names (see `Style`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    Desk,
    DeskEvent,
    DeskOrder,
    DeskRefusal,
    OrderChanged,
    RefusalKind,
)
from xetrade_core.simvenue.dialects import binance_futures_orders as orders
from xetrade_core.simvenue.dialects.base import PrivateMessage, Request, Session
from xetrade_core.simvenue.dialects.binance_calls import Answer, BinanceCalls, Routes, page, within
from xetrade_core.simvenue.dialects.binance_futures_account import (
    MOST_LEVERAGE,
    FuturesAccount,
    brackets,
    leverage_set,
)
from xetrade_core.simvenue.dialects.binance_futures_orders import Style
from xetrade_core.simvenue.dialects.binance_listen_keys import ListenKeys
from xetrade_core.simvenue.dialects.binance_signed import Refused, needed, require_key, whole
from xetrade_core.simvenue.market import Market

_WEEK_MS = 7 * 86_400_000
_DONE = {"code": 200, "msg": "success"}


class BinanceFuturesPrivate(BinanceCalls):
    """Signed calls of one futures market under `prefix` (/fapi or /dapi), and its stream."""

    codes = orders.CODES

    def __init__(
        self, desk: Desk, by_id: Mapping[str, Market], answer: Answer, prefix: str, style: Style, key_life_s: float
    ) -> None:
        super().__init__(desk, by_id, answer)
        self._prefix, self._style = prefix, style
        self._keys = ListenKeys(key_life_s)

    @property
    def routes(self) -> Routes:
        """The signed endpoints; weights as the venue states them."""
        one, two, three = (f"{self._prefix}/v{version}" for version in (1, 2, 3))
        return {
            ("POST", f"{one}/order"): self._signed(1, self._place, trades=True),
            ("PUT", f"{one}/order"): self._signed(1, self._amend, trades=True),
            ("DELETE", f"{one}/order"): self._signed(1, self._cancel, trades=True),
            ("GET", f"{one}/order"): self._signed(1, self._query),
            ("GET", f"{one}/openOrder"): self._signed(1, self._query_open),
            ("GET", f"{one}/openOrders"): self._signed(1, self._open),
            ("DELETE", f"{one}/allOpenOrders"): self._signed(1, self._cancel_all, trades=True),
            ("POST", f"{one}/countdownCancelAll"): self._signed(10, self._count_down, trades=True),
            ("GET", f"{one}/allOrders"): self._signed(5, self._all),
            ("GET", f"{one}/userTrades"): self._signed(5, self._trades),
            ("GET", f"{one}/income"): self._signed(30, self._income),
            **{("GET", f"{path}/account"): self._signed(5, self._account) for path in (one, two, three)},
            **{("GET", f"{path}/balance"): self._signed(5, self._balances) for path in (one, two, three)},
            **{("GET", f"{path}/positionRisk"): self._signed(5, self._positions) for path in (one, two, three)},
            **{("GET", f"{path}/leverageBracket"): self._signed(1, self._brackets) for path in (one, two)},
            ("POST", f"{one}/leverage"): self._signed(1, self._set_leverage, trades=True),
            ("POST", f"{one}/marginType"): self._signed(1, self._set_margin_type, trades=True),
            ("GET", f"{one}/positionSide/dual"): self._signed(30, self._mode),
            ("POST", f"{one}/positionSide/dual"): self._signed(1, self._set_mode, trades=True),
            ("GET", f"{one}/multiAssetsMargin"): self._signed(
                30, lambda account, request: {"multiAssetsMargin": False}
            ),
            ("GET", f"{one}/commissionRate"): self._signed(20, self._fees),
            ("POST", f"{one}/listenKey"): self._keyed(1, self._create_key),
            ("PUT", f"{one}/listenKey"): self._keyed(1, self._renew_key),
            ("DELETE", f"{one}/listenKey"): self._keyed(1, self._close_key),
            **self.key_routes,
        }

    # --- orders -----------------------------------------------------------------------------------------------------

    def queried(self, order: DeskOrder) -> dict[str, object]:
        return orders.queried(self._style, order)

    def _place(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        ticket = orders.ticket_of(account, market, fields, self._name(fields, "newClientOrderId"))
        if fields.get("newOrderRespType", "ACK") not in ("ACK", "RESULT"):
            raise Refused(-1106, "Parameter 'newOrderRespType' sent when not required.")
        order = self._desk.place(account, ticket)
        body = orders.order_body(self._style, order)
        if fields.get("newOrderRespType") == "RESULT":
            return body
        untraded = {"avgPrice": "0.00000", "executedQty": "0", "cumQty": "0", "status": "NEW"}
        return {**body, **untraded, "cumBase" if self._style.inverse else "cumQuote": "0"}

    def _amend(self, account: Account, request: Request) -> object:
        order = self._one(account, request.query)
        if not order.state.resting:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        ticket = orders.amended(order, request.query)
        if ticket.amount is not None and order.filled and ticket.amount <= order.filled:
            return orders.order_body(self._style, self._desk.cancel(account, order))
        try:
            self._desk.amend(account, order, ticket.price, ticket.amount)
        except DeskRefusal as refusal:
            if refusal.kind is not RefusalKind.WOULD_TAKE:
                raise
            self._desk.cancel(account, order)
        return orders.order_body(self._style, order)

    def _cancel(self, account: Account, request: Request) -> object:
        return orders.order_body(self._style, self._cancel_one(account, request.query))

    def _query_open(self, account: Account, request: Request) -> object:
        order = self._one(account, request.query)
        if not order.state.resting:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return self.queried(order)

    def _cancel_all(self, account: Account, request: Request) -> object:
        self._desk.cancel_all(account, self._market(request.query).symbol)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _count_down(self, account: Account, request: Request) -> object:
        market = self._market(request.query)
        needed(request.query, "countdownTime")
        wait_ms = whole(request.query, "countdownTime") or 0
        self._desk.arm_dead_man(account, wait_ms / 1_000, market.symbol)
        return {"symbol": market.venue_id, "countdownTime": str(wait_ms)}

    def _trades(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        order_id, first = whole(fields, "orderId"), whole(fields, "fromId")
        fields = _within_a_week(fields, request.now_ms) if first is None else fields
        chosen = [
            fill
            for fill in self._desk.fills(account, market.symbol)
            if order_id in (None, fill.order_id)
            and (first is None or fill.trade_id >= first)
            and within(fields, fill.time_ns)
        ]
        rows = page(fields, chosen, forward=first is not None)
        return [orders.trade_row(self._style, market, fill) for fill in rows]

    # --- the account ------------------------------------------------------------------------------------------------

    def _of(self, account: Account) -> FuturesAccount:
        return FuturesAccount(self._desk, self._style, account)

    def _account(self, account: Account, request: Request) -> object:
        view, now_ms = self._of(account), request.now_ms
        newest = request.path.endswith("/v3/account")
        head: dict[str, object] = {} if self._style.inverse else view.totals("USDT")
        if not newest:
            head |= {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": False, "updateTime": 0}
        positions = view.positions(self._markets, all_of_them=not newest, now_ms=now_ms)
        return {**head, "assets": view.assets(now_ms), "positions": positions}

    @property
    def _markets(self) -> list[Market]:
        return list(self._desk.markets.values())

    def _balances(self, account: Account, request: Request) -> object:
        return self._of(account).balances(request.now_ms)

    def _positions(self, account: Account, request: Request) -> object:
        markets = [self._market(request.query)] if "symbol" in request.query else self._markets
        newest = request.path.endswith("/v3/positionRisk")
        return self._of(account).positions(markets, all_of_them=not newest, now_ms=request.now_ms)

    def _brackets(self, account: Account, request: Request) -> object:
        markets = [self._market(request.query)] if "symbol" in request.query else self._markets
        return [brackets(market, inverse=self._style.inverse) for market in markets]

    def _set_leverage(self, account: Account, request: Request) -> object:
        market = self._market(request.query)
        needed(request.query, "leverage")
        leverage = whole(request.query, "leverage") or 0
        if not 1 <= leverage <= MOST_LEVERAGE:
            raise Refused(-4028, f"Leverage {leverage} is not valid")
        account.set_leverage(market.symbol, leverage)
        return leverage_set(market, leverage, inverse=self._style.inverse)

    def _set_margin_type(self, account: Account, request: Request) -> object:
        self._market(request.query)
        kind = needed(request.query, "marginType")
        if kind == "CROSSED":
            raise Refused(-4046, "No need to change margin type.")
        raise Refused(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")

    def _mode(self, account: Account, request: Request) -> object:
        return {"dualSidePosition": account.hedged}

    def _set_mode(self, account: Account, request: Request) -> object:
        hedged = needed(request.query, "dualSidePosition").lower() == "true"
        if hedged is account.hedged:
            raise Refused(-4059, "No need to change position side.")
        if self._desk.open_orders(account):
            raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
        if any(position.quantity for position in account.positions.values()):
            raise Refused(-4068, "Position side cannot be changed if there exists position.")
        account.hedged = hedged
        return _DONE

    def _fees(self, account: Account, request: Request) -> object:
        rules = self._desk.rules
        rates = {"makerCommissionRate": str(rules.maker_fee), "takerCommissionRate": str(rules.taker_fee)}
        return {"symbol": self._market(request.query).venue_id, **rates}

    def _income(self, account: Account, request: Request) -> object:
        fields = request.query
        symbol = self._market(fields).venue_id if "symbol" in fields else None
        if "startTime" not in fields and "endTime" not in fields:
            fields = {**fields, "startTime": str(request.now_ms - _WEEK_MS)}
        rows = [
            row
            for time_ns, row in self._of(account).income(self._desk.markets)
            if symbol in (None, row["symbol"])
            and fields.get("incomeType") in (None, row["incomeType"])
            and within(fields, time_ns)
        ]
        return page(fields, rows, forward=True, usual=100)

    # --- user data stream -------------------------------------------------------------------------------------------

    def _create_key(self, request: Request) -> object:
        account, _ = require_key(self._desk, request)
        return {"listenKey": self._keys.create(account.name, request.now_ns)}

    def _renew_key(self, request: Request) -> object:
        account, _ = require_key(self._desk, request)
        key = self._keys.renew(account.name, request.now_ns)
        if key is None:
            raise Refused(-1125, "This listenKey does not exist.")
        return {"listenKey": key}

    def _close_key(self, request: Request) -> object:
        account, _ = require_key(self._desk, request)
        self._keys.close(account.name)
        return {}

    def open(self, session: Session, query: Mapping[str, str]) -> None:
        """Give a connection that names a listen key what that opens; one that names none that is good gets nothing."""
        key = query.get("listenKey") or session.path.rpartition("/")[2]
        session.account = self._keys.account(key, self._desk.now_ns)
        if session.account is not None:
            session.topics = {key}

    def tend(self, session: Session) -> None:
        """End the stream of a key that has run out."""
        now_ns = self._desk.now_ns
        for key in session.topics:
            if session.account is not None and not self._keys.valid(key, now_ns):
                session.account = None
                body = {"e": "listenKeyExpired", "E": now_ns // NS_PER_MS, "listenKey": key}
                session.reply(msgspec.json.encode(body))

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The events of the user data stream."""
        if isinstance(event, OrderChanged):
            body: dict[str, object] | None = orders.order_event(self._style, event)
        else:
            body = self._of(self._desk.accounts[event.account]).changed(event)
        return () if body is None else (PrivateMessage(msgspec.json.encode(body)),)


def _within_a_week(fields: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
    """The range of a call for trades: a week from its start, or the last one. Raises Refused for more than that."""
    start, end = whole(fields, "startTime"), whole(fields, "endTime")
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise Refused(-1127, "More than 168 hours between startTime and endTime.")
    if start is None:
        start = (now_ms if end is None else end) - _WEEK_MS
        return {**fields, "startTime": str(start), **({} if end is None else {"endTime": str(end)})}
    return {**fields, "endTime": str(start + _WEEK_MS if end is None else end)}
