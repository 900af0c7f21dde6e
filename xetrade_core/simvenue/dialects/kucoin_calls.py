"""What the signed calls of KuCoin's two markets have in common: which order is meant, which span, which page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskFill, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Handler, Request
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, Row
from xetrade_core.simvenue.dialects.kucoin_signed import SignedCalls, authenticate, key_row
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.market import Market

Routes = Mapping[tuple[str, str], Handler]
Find = Callable[[Account, Request], DeskOrder]
_WEEK_MS = 7 * 86_400_000


class KucoinCalls:
    """Signed calls over a desk; `by_id` are the markets by the venue's id, `trading` the permission to trade there."""

    def __init__(self, calls: SignedCalls, by_id: Mapping[str, Market], trading: str) -> None:
        self._calls, self._by_id, self._trading = calls, by_id, trading
        self._desk: Desk = calls.desk

    @property
    def common(self) -> Routes:
        """The signed endpoints of both markets."""
        one = self._calls.handler
        return {
            ("GET", "/api/ua/v1/account/mode"): one(0, lambda account, request: {"selfAccountMode": "CLASSIC"}),
            ("GET", "/api/v1/user/api-key"): one(20, self._key),
        }

    def _acting(self, weight: int, call: Callable[[Account, Request], object]) -> Handler:
        return self._calls.handler(weight, call, trades=True)

    def _key(self, account: Account, request: Request) -> object:
        return key_row(*authenticate(self._desk, request, trades=False), self._trading)

    def _fee(self, venue_id: str) -> Row:
        """What trades in an instrument cost, as shares of their notional. Raises DeskRefusal."""
        if venue_id not in self._by_id:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        rules = self._desk.rules
        return {
            "symbol": venue_id,
            "takerFeeRate": plain(rules.taker_fee),
            "makerFeeRate": plain(rules.maker_fee),
        }

    # --- which order ------------------------------------------------------------------------------------------------

    def _market(self, request: Request) -> Market:
        market = self._by_id.get(request.query.get("symbol", ""))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _chosen(self, request: Request) -> str | None:
        """The universal symbol that is named, None if none is."""
        return self._market(request).symbol if request.query.get("symbol") else None

    def _by_order_id(self, account: Account, request: Request) -> DeskOrder:
        return self._desk.by_id(account, int(request.name) if request.name.isdigit() else 0)

    def _by_client_id(self, account: Account, request: Request) -> DeskOrder:
        return self._desk.by_client_id(account, request.name)

    def _of_pair(self, find: Find) -> Find:
        """The order, if it is of the instrument that must be named."""

        def found(account: Account, request: Request) -> DeskOrder:
            market, order = self._market(request), find(account, request)
            if order.market is not market:
                raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
            return order

        return found

    def _cancel(self, find: Find, said: Callable[[DeskOrder], Row]) -> Callable[[Account, Request], Row]:
        """Cancel an order. The venue has one word for what is not open, whether there was such an order or not."""

        def cancel(account: Account, request: Request) -> Row:
            try:
                return said(self._desk.cancel(account, find(account, request)))
            except DeskRefusal as refusal:
                if refusal.kind is RefusalKind.UNKNOWN_ORDER:
                    raise DeskRefusal(RefusalKind.NOT_OPEN) from None
                raise

        return cancel

    def _cancel_open(self, account: Account, request: Request) -> object:
        ended = self._desk.cancel_all(account, self._chosen(request))
        return {"cancelledOrderIds": [order_id(order) for order in ended]}

    def _within(self, account: Account, request: Request, symbol: str | None) -> list[DeskFill]:
        first_ms, last_ms = span(request)
        wanted = request.query.get("orderId")
        return [
            fill
            for fill in self._desk.fills(account, symbol)
            if first_ms <= fill.time_ns // NS_PER_MS <= last_ms and wanted in (None, "", str(fill.order_id))
        ]


def order_id(order: DeskOrder) -> str:
    """As the venue writes it."""
    return str(order.order_id)


def client_name(order: DeskOrder) -> Row:
    """The client's name of an order."""
    return {"clientOid": order.ticket.client_id or ""}


def whole(request: Request, name: str, default: int) -> int:
    """A whole number of a call. Raises KucoinRefused."""
    text = request.query.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise KucoinRefused("400100", f"{name} invalid")
    return int(text)


def span(request: Request) -> tuple[int, int]:
    """The milliseconds that are asked for: a week at most, the last one if none is named. Raises KucoinRefused."""
    last_ms = whole(request, "endAt", 0)
    first_ms = whole(request, "startAt", (last_ms or request.now_ms) - _WEEK_MS)
    last_ms = last_ms or min(request.now_ms, first_ms + _WEEK_MS)
    if last_ms - first_ms > _WEEK_MS:
        raise KucoinRefused("400100", "The query time range cannot exceed 7 days")
    return first_ms, last_ms


def numbered(request: Request, rows: Sequence[Row], most: int, default: int = 50) -> Row:
    """A page by its number, of `most` rows or fewer. Raises KucoinRefused."""
    size, page = whole(request, "pageSize", default), whole(request, "currentPage", 1)
    if not 1 <= size <= most or page < 1:
        raise KucoinRefused("400100", f"pageSize should not greater than {most}")
    total = {"totalNum": len(rows), "totalPage": -(-len(rows) // size)}
    return {"currentPage": page, "pageSize": size, **total, "items": list(rows[(page - 1) * size : page * size])}
