"""The private side of Binance spot: signed REST calls and the user data stream of its websocket API.

The stream is subscribed with `userDataStream.subscribe.signature` on /ws-api/v3; listen keys are gone from spot.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    DeskEvent,
    DeskOrder,
    DeskRefusal,
    LedgerChanged,
    OrderChanged,
    RefusalKind,
)
from xetrade_core.simvenue.dialects import binance_orders as orders
from xetrade_core.simvenue.dialects.base import PrivateMessage, Request, Session
from xetrade_core.simvenue.dialects.binance_calls import BinanceCalls, Routes, page, within
from xetrade_core.simvenue.dialects.binance_signed import SPOT_CODES, Refused, authenticate_message, whole

_RESPONSES = ("ACK", "RESULT", "FULL")


class _Call(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: dict[str, str | int | float | bool | None] = {}


class BinancePrivate(BinanceCalls):
    """Spot's calls, and its user data stream."""

    codes = SPOT_CODES

    @property
    def routes(self) -> Routes:
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
            **self.key_routes,
        }

    def _place(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        ticket = orders.ticket_of(market, fields, self._name(fields, "newClientOrderId"))
        response = fields.get("newOrderRespType", "ACK" if fields.get("type") == "LIMIT_MAKER" else "FULL")
        if response not in _RESPONSES:
            raise Refused(-1106, "Parameter 'newOrderRespType' sent when not required.")
        return orders.placed(self._desk.place(account, ticket), response)

    def queried(self, order: DeskOrder) -> dict[str, object]:
        return orders.queried(order)

    def _cancel(self, account: Account, request: Request) -> object:
        order = self._cancel_one(account, request.query)
        return orders.canceled(order, self._name(request.query, "newClientOrderId"))

    def _cancel_open(self, account: Account, request: Request) -> object:
        ended = self._desk.cancel_all(account, self._market(request.query).symbol)
        if not ended:
            raise DeskRefusal(RefusalKind.NOT_OPEN)
        return [orders.canceled(order, self._name({}, "")) for order in ended]

    def _trades(self, account: Account, request: Request) -> object:
        fields = request.query
        market = self._market(fields)
        order_id, first = whole(fields, "orderId"), whole(fields, "fromId")
        chosen = [
            fill
            for fill in self._desk.fills(account, market.symbol)
            if order_id in (None, fill.order_id)
            and (first is None or fill.trade_id >= first)
            and within(fields, fill.time_ns)
        ]
        return [orders.trade_row(market, fill) for fill in page(fields, chosen, forward=first is not None)]

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
