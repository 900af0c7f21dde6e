"""The private side of OKX v5: signed REST calls of an account in net mode, for spot and swaps alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, ApiKey, Desk, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.numbers import number_of
from xetrade_core.simvenue.dialects.okx_account import OkxAccount
from xetrade_core.simvenue.dialects.okx_listings import instrument_type
from xetrade_core.simvenue.dialects.okx_orders import (
    CODES,
    fill_row,
    funding_row,
    named,
    not_done,
    order_row,
    ticket_of,
)
from xetrade_core.simvenue.dialects.okx_replies import OkxRefused, Row, data, each, refused
from xetrade_core.simvenue.dialects.okx_signed import authenticate
from xetrade_core.simvenue.market import Market

_T = TypeVar("_T")
Fields = Mapping[str, str]
Act = Callable[[Account, Fields, int], Row]
_MOST_AT_ONCE = 20
_PAGE = 100
_DAY_MS = 86_400_000
_DEAD_MAN_S = (10, 120)
_MOST_LEVERAGE = 125


class OkxPrivate:
    """Signed calls over a desk; `by_id` are the markets by the venue's id."""

    def __init__(self, desk: Desk, by_id: Mapping[str, Market]) -> None:
        self._desk, self._by_id = desk, by_id

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The signed endpoints."""
        trade, account = "/api/v5/trade", "/api/v5/account"
        fills, history = self._fills(3), self._history(7)
        return {
            ("POST", f"{trade}/order"): self._acting(self._place),
            ("POST", f"{trade}/batch-orders"): self._acting(self._place),
            ("POST", f"{trade}/cancel-order"): self._acting(self._cancel),
            ("POST", f"{trade}/cancel-batch-orders"): self._acting(self._cancel),
            ("POST", f"{trade}/amend-order"): self._acting(self._amend),
            ("POST", f"{trade}/amend-batch-orders"): self._acting(self._amend),
            ("POST", f"{trade}/cancel-all-after"): self._signed(self._cancel_all_after, trades=True),
            ("GET", f"{trade}/order"): self._signed(lambda one, fields, now_ms: [order_row(self._one(one, fields))]),
            ("GET", f"{trade}/orders-pending"): self._signed(self._pending),
            ("GET", f"{trade}/orders-history"): self._signed(history),
            ("GET", f"{trade}/orders-history-archive"): self._signed(self._history(90)),
            ("GET", f"{trade}/fills"): self._signed(fills),
            ("GET", f"{trade}/fills-history"): self._signed(self._fills(90)),
            ("GET", f"{account}/balance"): self._signed(self._balance),
            ("GET", f"{account}/positions"): self._signed(self._positions),
            ("GET", f"{account}/bills"): self._signed(self._bills),
            ("GET", f"{account}/bills-archive"): self._signed(self._bills),
            ("GET", f"{account}/config"): self._config,
            ("POST", f"{account}/set-leverage"): self._signed(self._set_leverage, trades=True),
            ("POST", f"{account}/set-position-mode"): self._signed(self._set_mode, trades=True),
            ("GET", f"{account}/trade-fee"): self._signed(self._fees),
            ("GET", "/api/v5/asset/currencies"): self._signed(lambda one, fields, now_ms: []),
        }

    # --- how a call is made -----------------------------------------------------------------------------------------

    def _signed(self, call: Callable[[Account, Fields, int], object], *, trades: bool = False) -> Handler:
        """A call that succeeds or fails as a whole."""

        def handle(request: Request) -> Reply:
            try:
                account, _ = authenticate(self._desk, request, trades=trades)
                return data(call(account, request.query, request.now_ms))
            except DeskRefusal as refusal:
                return refused(OkxRefused(*CODES[refusal.kind]))
            except OkxRefused as refusal:
                return refused(refusal)

        return handle

    def _acting(self, act: Act) -> Handler:
        """A call that does something to one order or to several, each for itself."""

        def handle(request: Request) -> Reply:
            try:
                account, _ = authenticate(self._desk, request, trades=True)
                orders = _orders_of(request)
            except OkxRefused as refusal:
                return refused(refusal)
            return each([self._done(act, account, fields, request.now_ms) for fields in orders])

        return handle

    @staticmethod
    def _done(act: Act, account: Account, fields: Fields, now_ms: int) -> Row:
        try:
            return act(account, fields, now_ms)
        except DeskRefusal as refusal:
            return not_done(fields, *CODES[refusal.kind], now_ms)
        except OkxRefused as refusal:
            return not_done(fields, refusal.code, refusal.message, now_ms)

    # --- orders -----------------------------------------------------------------------------------------------------

    def _market(self, fields: Fields) -> Market:
        market = self._by_id.get(fields.get("instId", ""))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _chosen(self, fields: Fields) -> list[Market]:
        """The markets of an instrument or of a kind of them; all where neither is named."""
        if fields.get("instId"):
            return [self._market(fields)]
        kind = fields.get("instType", "")
        return [market for market in self._by_id.values() if kind in ("", instrument_type(market))]

    def _one(self, account: Account, fields: Fields) -> DeskOrder:
        """The order that a call names by either of its ids; the venue's own goes first."""
        market = self._market(fields)
        order_id, client_id = fields.get("ordId"), fields.get("clOrdId")
        if not order_id and not client_id:
            raise OkxRefused("51000", "Parameter ordId or clOrdId error")
        if order_id:
            order = self._desk.by_id(account, int(order_id) if order_id.isdigit() else 0)
        else:
            order = self._desk.by_client_id(account, client_id or "")
        if order.market is not market:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _place(self, account: Account, fields: Fields, now_ms: int) -> Row:
        return named(self._desk.place(account, ticket_of(self._market(fields), fields)), now_ms)

    def _cancel(self, account: Account, fields: Fields, now_ms: int) -> Row:
        return named(self._desk.cancel(account, self._one(account, fields)), now_ms)

    def _amend(self, account: Account, fields: Fields, now_ms: int) -> Row:
        order = self._one(account, fields)
        price = number_of(fields, "newPx", RefusalKind.BAD_PRICE) if fields.get("newPx") else None
        amount = number_of(fields, "newSz", RefusalKind.BAD_AMOUNT) if fields.get("newSz") else None
        if price is None and amount is None:
            raise OkxRefused("51000", "Parameter newSz or newPx error")
        return {**named(self._desk.amend(account, order, price, amount), now_ms), "reqId": fields.get("reqId", "")}

    def _cancel_all_after(self, account: Account, fields: Fields, now_ms: int) -> object:
        text = fields.get("timeOut", "")
        least, most = _DEAD_MAN_S
        seconds = int(text) if text.isdigit() else -1
        if seconds and not least <= seconds <= most:
            raise OkxRefused("51000", "Parameter timeOut error")
        self._desk.arm_dead_man(account, seconds)
        fires = str(now_ms + 1000 * seconds) if seconds else "0"
        return [{"triggerTime": fires, "tag": "", "ts": str(now_ms)}]

    def _pending(self, account: Account, fields: Fields, now_ms: int) -> object:
        symbols = {market.symbol for market in self._chosen(fields)}
        rows = [order for order in self._desk.open_orders(account) if order.market.symbol in symbols]
        return [order_row(order) for order in _page(fields, rows, lambda order: order.order_id)]

    def _history(self, days: int) -> Callable[[Account, Fields, int], object]:
        def history(account: Account, fields: Fields, now_ms: int) -> object:
            if not fields.get("instType"):
                raise OkxRefused("51000", "Parameter instType error")
            symbols = {market.symbol for market in self._chosen(fields)}
            rows = [
                order
                for order in self._desk.history(account)
                if order.market.symbol in symbols
                and not order.state.resting
                and order.updated_ns // NS_PER_MS >= now_ms - days * _DAY_MS
            ]
            return [order_row(order) for order in _page(fields, rows, lambda order: order.order_id)]

        return history

    def _fills(self, days: int) -> Callable[[Account, Fields, int], object]:
        def fills(account: Account, fields: Fields, now_ms: int) -> object:
            symbols = {market.symbol for market in self._chosen(fields)}
            first = max(_whole(fields, "begin") or 0, now_ms - days * _DAY_MS)
            last = _whole(fields, "end")
            order_id = _whole(fields, "ordId")
            rows = [
                fill
                for fill in self._desk.fills(account)
                if fill.symbol in symbols
                and order_id in (None, fill.order_id)
                and first <= fill.time_ns // NS_PER_MS <= (now_ms if last is None else last)
            ]
            return [
                fill_row(self._desk.orders[fill.order_id], fill)
                for fill in _page(fields, rows, lambda fill: fill.trade_id)
            ]

        return fills

    # --- the account ------------------------------------------------------------------------------------------------

    def _balance(self, account: Account, fields: Fields, now_ms: int) -> object:
        asked = [one for one in fields.get("ccy", "").split(",") if one]
        return [OkxAccount(self._desk, account).balance(asked or None)]

    def _positions(self, account: Account, fields: Fields, now_ms: int) -> object:
        markets = [market for market in self._chosen(fields) if instrument_type(market) != "SPOT"]
        return OkxAccount(self._desk, account).positions(markets)

    def _bills(self, account: Account, fields: Fields, now_ms: int) -> object:
        """Fundings alone (type 8)."""
        symbols = {market.symbol for market in self._chosen(fields)}
        begin, end = _whole(fields, "begin") or 0, _whole(fields, "end") or now_ms
        rows = [
            entry
            for entry in account.ledger.journal
            if entry.kind == "funding"
            and entry.symbol in symbols
            and fields.get("type", "8") == "8"
            and fields.get("ccy", entry.currency) == entry.currency
            and begin <= entry.time_ns // NS_PER_MS <= end
        ]
        return [
            funding_row(self._desk.markets[entry.symbol or ""], entry)
            for entry in _page(fields, rows, lambda entry: entry.entry_id)
        ]

    def _config(self, request: Request) -> Reply:
        try:
            account, issued = authenticate(self._desk, request, trades=False)
        except OkxRefused as refusal:
            return refused(refusal)
        return data([_described(account, issued)])

    def _set_leverage(self, account: Account, fields: Fields, now_ms: int) -> object:
        market, text = self._market(fields), fields.get("lever", "")
        if not text.isdigit() or not 1 <= int(text) <= _MOST_LEVERAGE:
            raise OkxRefused("51000", "Parameter lever error")
        account.set_leverage(market.symbol, int(text))
        return [{"lever": text, "mgnMode": fields.get("mgnMode", "cross"), "instId": market.venue_id, "posSide": "net"}]

    def _set_mode(self, account: Account, fields: Fields, now_ms: int) -> object:
        if fields.get("posMode") != "net_mode":
            raise OkxRefused("51000", "Parameter posMode error")
        return [{"posMode": "net_mode"}]

    def _fees(self, account: Account, fields: Fields, now_ms: int) -> object:
        rules = self._desk.rules
        maker, taker = str(-rules.maker_fee), str(-rules.taker_fee)
        names = ("makerU", "makerUSDC", "takerU", "takerUSDC")
        rates = {"maker": maker, "taker": taker} | {name: maker if name[0] == "m" else taker for name in names}
        return [{**rates, "instType": fields.get("instType", ""), "level": "Lv1", "ts": str(now_ms)}]


def _orders_of(request: Request) -> list[Fields]:
    """The parameters of each order of a call: an object, or a list of them. Raises OkxRefused."""
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        raise OkxRefused("50002", "JSON syntax error", 400) from None
    rows = body if isinstance(body, list) else [body]
    if not rows or len(rows) > _MOST_AT_ONCE or not all(isinstance(row, dict) for row in rows):
        raise OkxRefused("50000", "Body for POST request cannot be empty.", 400)
    return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _whole(fields: Fields, name: str) -> int | None:
    text = fields.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise OkxRefused("51000", f"Parameter {name} error")
    return int(text)


def _page(fields: Fields, rows: Sequence[_T], number: Callable[[_T], int]) -> list[_T]:
    """The newest rows first; `after` asks for those older than an id, `before` for those newer."""
    after, before = _whole(fields, "after"), _whole(fields, "before")
    limit = min(_PAGE, _whole(fields, "limit") or _PAGE)
    chosen = [
        row for row in rows if (after is None or number(row) < after) and (before is None or number(row) > before)
    ]
    return list(reversed(chosen))[:limit]


def _described(account: Account, issued: ApiKey) -> Row:
    permissions = ["read_only", *(["trade"] if issued.trade else []), *(["withdraw"] if issued.withdraw else [])]
    return {
        "uid": "1",
        "mainUid": "1",
        "label": account.name,
        "acctLv": "2",
        "posMode": "net_mode",
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "greeksType": "PA",
        "level": "Lv1",
        "levelTmp": "",
        "mgnIsoMode": "automatic",
        "perm": ",".join(permissions),
        "ip": "127.0.0.1" if issued.ip_restricted else "",
        "kycLv": "3",
        "enableSpotBorrow": False,
    }
