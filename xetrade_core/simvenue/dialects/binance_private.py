"""The private side of Binance spot: signed REST calls and the user data stream of its websocket API.

The stream is subscribed with `userDataStream.subscribe.signature` on /ws-api/v3; listen keys are gone from
spot. Weights are taken before anything is done, so that a call that is limited leaves no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    Desk,
    DeskEvent,
    DeskOrder,
    DeskRefusal,
    LedgerChanged,
    OrderChanged,
    RefusalKind,
)
from xetrade_core.simvenue.dialects import binance_orders as orders
from xetrade_core.simvenue.dialects.base import Handler, PrivateMessage, Reply, Request, Session
from xetrade_core.simvenue.dialects.binance_signed import (
    Refused,
    authenticate,
    authenticate_message,
    needed,
    refused,
    require_key,
    whole,
)
from xetrade_core.simvenue.market import Market

_T = TypeVar("_T")
_MOST_ROWS = 1_000
_USUAL_ROWS = 500
_RESPONSES = ("ACK", "RESULT", "FULL")

Answer = Callable[[Request, int, Callable[[], object]], Reply]
SignedCall = Callable[[Account, Request], object]


class _Call(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: dict[str, str | int | float | bool | None] = {}


class BinancePrivate:
    """Signed calls over a desk. `answer` takes a call's weight first, and asks for the body only then."""

    def __init__(self, desk: Desk, by_id: Mapping[str, Market], answer: Answer) -> None:
        self._desk, self._by_id, self._answer = desk, by_id, answer
        self._given = 0

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The signed endpoints; weights as the venue states them."""
        api = "/api/v3"
        return {
            ("POST", f"{api}/order"): self._signed(1, self._place, trades=True),
            ("DELETE", f"{api}/order"): self._signed(1, self._cancel, trades=True),
            ("GET", f"{api}/order"): self._signed(4, self._query),
            ("GET", f"{api}/openOrders"): self._signed(6, self._open),
            ("DELETE", f"{api}/openOrders"): self._signed(1, self._cancel_open, trades=True),
            ("GET", f"{api}/allOrders"): self._signed(20, self._all),
            ("GET", f"{api}/account"): self._signed(20, self._account),
            ("GET", f"{api}/myTrades"): self._signed(20, self._trades),
            ("GET", "/sapi/v1/account/apiRestrictions"): self._signed(1, self._restrictions),
            ("GET", "/sapi/v1/capital/config/getall"): self._signed(10, self._coins),
            ("GET", "/sapi/v1/margin/allPairs"): self._keyed(1, []),
            ("GET", "/sapi/v1/margin/isolated/allPairs"): self._signed(10, lambda account, request: []),
            ("GET", "/sapi/v1/margin/allAssets"): self._keyed(1, []),
        }

    def _signed(self, weight: int, call: SignedCall, *, trades: bool = False) -> Handler:
        def handle(request: Request) -> Reply:
            def body() -> object:
                account = authenticate(self._desk, request, trades=trades)
                try:
                    return call(account, request)
                except DeskRefusal as refusal:
                    raise refused(refusal) from None

            return self._answer(request, weight, body)

        return handle

    def _keyed(self, weight: int, body: object) -> Handler:
        """An endpoint that wants a key, but no signature: here there is no margin trading."""
        return lambda request: self._answer(request, weight, lambda: (require_key(self._desk, request), body)[1])

    def _name(self, fields: Mapping[str, str], parameter: str) -> str:
        """The client id that a call gives, or one that the venue makes up."""
        if fields.get(parameter):
            return fields[parameter]
        self._given += 1
        return f"sim{self._given:019d}"

    def _market(self, fields: Mapping[str, str]) -> Market:
        market = self._by_id.get(needed(fields, "symbol"))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _one(self, account: Account, fields: Mapping[str, str]) -> DeskOrder:
        """The order that a call names by either of its ids. Raises Refused or DeskRefusal."""
        market = self._market(fields)
        order_id, client_id = whole(fields, "orderId"), fields.get("origClientOrderId")
        if order_id is None and not client_id:
            raise Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        if order_id is not None:
            order = self._desk.by_id(account, order_id)
        else:
            order = self._desk.by_client_id(account, client_id or "")
        if order.market is not market or (client_id and order.ticket.client_id != client_id):
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _place(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        ticket = orders.ticket_of(market, fields, self._name(fields, "newClientOrderId"))
        response = fields.get("newOrderRespType", "FULL")
        if response not in _RESPONSES:
            raise Refused(-1106, "Parameter 'newOrderRespType' sent when not required.")
        return orders.placed(self._desk.place(account, ticket), response)

    def _cancel(self, account: Account, request: Request) -> object:
        try:
            order = self._one(account, request.query)
        except DeskRefusal as refusal:
            gone = refusal.kind is RefusalKind.UNKNOWN_ORDER
            raise DeskRefusal(RefusalKind.NOT_OPEN) if gone else refusal from None
        self._desk.cancel(account, order)
        return orders.canceled(order, self._name(request.query, "newClientOrderId"))

    def _cancel_open(self, account: Account, request: Request) -> object:
        ended = self._desk.cancel_all(account, self._market(request.query).symbol)
        if not ended:
            raise DeskRefusal(RefusalKind.NOT_OPEN)
        return [orders.canceled(order, self._name({}, "")) for order in ended]

    def _query(self, account: Account, request: Request) -> object:
        return orders.queried(self._one(account, request.query))

    def _open(self, account: Account, request: Request) -> object:
        symbol = self._market(request.query).symbol if "symbol" in request.query else None
        return [orders.queried(order) for order in self._desk.open_orders(account, symbol)]

    def _all(self, account: Account, request: Request) -> object:
        fields = request.query
        first = whole(fields, "orderId")
        known = self._desk.history(account, self._market(fields).symbol)
        chosen = [
            order
            for order in known
            if (order.order_id >= first if first is not None else _within(fields, order.created_ns))
        ]
        return [orders.queried(order) for order in _page(fields, chosen, forward=first is not None)]

    def _trades(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        order_id, first = whole(fields, "orderId"), whole(fields, "fromId")
        chosen = [
            fill
            for fill in self._desk.fills(account, market.symbol)
            if order_id in (None, fill.order_id)
            and (first is None or fill.trade_id >= first)
            and _within(fields, fill.time_ns)
        ]
        return [orders.trade_row(market, fill) for fill in _page(fields, chosen, forward=first is not None)]

    def _account(self, account: Account, request: Request) -> object:
        rules = self._desk.rules
        rates = {"maker": orders.eight(rules.maker_fee), "taker": orders.eight(rules.taker_fee)}
        return {
            "makerCommission": int(rules.maker_fee * 10_000),
            "takerCommission": int(rules.taker_fee * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {**rates, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": any(key.withdraw for key in account.keys),
            "canDeposit": True,
            "updateTime": request.now_ms,
            "accountType": "SPOT",
            "balances": orders.balances(account, ("asset", "free", "locked"), account.ledger.currencies),
            "permissions": ["SPOT"],
        }

    def _coins(self, account: Account, request: Request) -> object:
        """Every currency of the account; none of them can be moved in or out."""
        free = {"depositAllEnable": False, "withdrawAllEnable": False, "isLegalMoney": False, "trading": True}
        rows = orders.balances(account, ("coin", "free", "locked"), account.ledger.currencies)
        return [{**row, "name": row["coin"], **free, "networkList": []} for row in rows]

    def _restrictions(self, account: Account, request: Request) -> object:
        """What the key may do."""
        issued = next(key for key in account.keys if key.key == request.headers["X-MBX-APIKEY"])
        return {
            "ipRestrict": issued.ip_restricted,
            "createTime": 1_600_000_000_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": issued.trade,
            "enableWithdrawals": issued.withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": issued.trade,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
        }

    # --- user data stream -------------------------------------------------------------------------------------------

    def receive(self, session: Session, text: str, now_ms: int) -> None:
        """A call on the websocket API."""
        call_id: object = None
        try:
            call = msgspec.json.decode(text, type=_Call)
            call_id = call.id
            body: dict[str, object] = {"status": 200, "result": self._called(session, call, now_ms)}
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = {"status": 400, "error": {"code": -1000, "msg": "Malformed request."}}
        except Refused as refusal:
            body = {"status": refusal.status, "error": {"code": refusal.code, "msg": refusal.message}}
        session.reply(msgspec.json.encode({"id": call_id, **body, "rateLimits": []}))

    def _called(self, session: Session, call: _Call, now_ms: int) -> object:
        if call.method == "userDataStream.subscribe.signature":
            fields = {name: str(value) for name, value in call.params.items()}
            account = authenticate_message(self._desk, fields, now_ms)
            if session.account is not None:
                raise Refused(-2035, "User Data Stream subscription already active.")
            session.account = account.name
            return {"subscriptionId": 0}
        if call.method == "userDataStream.unsubscribe":
            session.account = None
            return {}
        raise Refused(-1000, "Unknown method.")

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The events of the user data stream, each with the id of its subscription."""
        account = self._desk.accounts[event.account]
        if isinstance(event, OrderChanged):
            bodies = [orders.execution_report(event, self._name({}, ""))]
            listing = event.order.market.listing
            if event.fill is None:  # what it locks or gives back; a trade's balances come with the booking
                bodies.append(self._position(account, (listing.base, listing.quote), event.time_ns))
        elif isinstance(event, LedgerChanged):
            bodies = [self._position(account, event.currencies, event.time_ns)]
        else:
            bodies = []
        return [PrivateMessage(msgspec.json.encode({"subscriptionId": 0, "event": body})) for body in bodies]

    def _position(self, account: Account, currencies: tuple[str, ...], time_ns: int) -> dict[str, object]:
        now_ms = time_ns // NS_PER_MS
        rows = orders.balances(account, ("a", "f", "l"), currencies)
        return {"e": "outboundAccountPosition", "E": now_ms, "u": now_ms, "B": rows}


def _within(fields: Mapping[str, str], time_ns: int) -> bool:
    start, end = whole(fields, "startTime"), whole(fields, "endTime")
    time_ms = time_ns // NS_PER_MS
    return (start is None or time_ms >= start) and (end is None or time_ms <= end)


def _page(fields: Mapping[str, str], rows: list[_T], *, forward: bool) -> list[_T]:
    """At most `limit` rows: the first ones from an id or a start on, and the newest otherwise."""
    limit = min(_MOST_ROWS, max(1, whole(fields, "limit") or _USUAL_ROWS))
    return rows[:limit] if forward or "startTime" in fields else rows[-limit:]
