"""What the private sides of Binance's markets have in common: signed calls, orders by either id, pages of history.

Weights are taken before anything is done, so that a call that is limited leaves no order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects import binance_orders as spot
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.binance_signed import (
    Codes,
    Refused,
    authenticate,
    needed,
    refused,
    require_key,
    whole,
)
from xetrade_core.simvenue.market import Market

_T = TypeVar("_T")
_MOST_ROWS = 1_000
_USUAL_ROWS = 500

Answer = Callable[[Request, int, Callable[[], object]], Reply]
SignedCall = Callable[[Account, Request], object]
Routes = Mapping[tuple[str, str], Handler]


class BinanceCalls(ABC):
    """Signed calls over a desk. `answer` takes a call's weight first, and asks for the body only then."""

    codes: ClassVar[Codes]  # what the market says for each refusal of the desk

    def __init__(self, desk: Desk, by_id: Mapping[str, Market], answer: Answer) -> None:
        self._desk, self._by_id, self._answer = desk, by_id, answer
        self._given = 0

    @abstractmethod
    def queried(self, order: DeskOrder) -> dict[str, object]:
        """An order as a query answers it."""

    @property
    def key_routes(self) -> Routes:
        """What the whole account has, asked for on the host of spot whatever the market."""
        return {
            ("GET", "/sapi/v1/account/apiRestrictions"): self._signed(1, self._restrictions),
            ("GET", "/sapi/v1/capital/config/getall"): self._signed(10, self._coins),
            ("GET", "/sapi/v1/margin/allPairs"): self._keyed(1, lambda request: []),
            ("GET", "/sapi/v1/margin/isolated/allPairs"): self._signed(10, lambda account, request: []),
            ("GET", "/sapi/v1/margin/allAssets"): self._keyed(1, lambda request: []),
        }

    def _signed(self, weight: int, call: SignedCall, *, trades: bool = False) -> Handler:
        def handle(request: Request) -> Reply:
            def body() -> object:
                account = authenticate(self._desk, request, trades=trades)
                try:
                    return call(account, request)
                except DeskRefusal as refusal:
                    raise refused(refusal, self.codes) from None

            return self._answer(request, weight, body)

        return handle

    def _keyed(self, weight: int, call: Callable[[Request], object]) -> Handler:
        """An endpoint that wants a key, but no signature."""
        return lambda request: self._answer(
            request, weight, lambda: (require_key(self._desk, request), call(request))[1]
        )

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

    def _cancel_one(self, account: Account, fields: Mapping[str, str]) -> DeskOrder:
        """Cancel the order that a call names; what is not there cannot be canceled either."""
        try:
            order = self._one(account, fields)
        except DeskRefusal as refusal:
            gone = refusal.kind is RefusalKind.UNKNOWN_ORDER
            raise DeskRefusal(RefusalKind.NOT_OPEN) if gone else refusal from None
        return self._desk.cancel(account, order)

    def _query(self, account: Account, request: Request) -> object:
        return self.queried(self._one(account, request.query))

    def _open(self, account: Account, request: Request) -> object:
        symbol = self._market(request.query).symbol if "symbol" in request.query else None
        return [self.queried(order) for order in self._desk.open_orders(account, symbol)]

    def _all(self, account: Account, request: Request) -> object:
        fields = request.query
        first = whole(fields, "orderId")
        known = self._desk.history(account, self._market(fields).symbol)
        chosen = [
            order
            for order in known
            if (order.order_id >= first if first is not None else within(fields, order.created_ns))
        ]
        return [self.queried(order) for order in page(fields, chosen, forward=first is not None)]

    def _coins(self, account: Account, request: Request) -> object:
        """Every currency of the account; none of them can be moved in or out."""
        free = {"depositAllEnable": False, "withdrawAllEnable": False, "isLegalMoney": False, "trading": True}
        rows = spot.balances(account, ("coin", "free", "locked"), account.ledger.currencies)
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


def within(fields: Mapping[str, str], time_ns: int) -> bool:
    """Whether a time is in the range that a call asks for."""
    start, end = whole(fields, "startTime"), whole(fields, "endTime")
    time_ms = time_ns // NS_PER_MS
    return (start is None or time_ms >= start) and (end is None or time_ms <= end)


def page(fields: Mapping[str, str], rows: list[_T], *, forward: bool, usual: int = _USUAL_ROWS) -> list[_T]:
    """At most `limit` rows: the first ones from an id or a start on, and the newest otherwise."""
    limit = min(_MOST_ROWS, max(1, whole(fields, "limit") or usual))
    return rows[:limit] if forward or "startTime" in fields else rows[-limit:]
