"""Balances and positions of an OKX account in net mode, as JSON.

Simpler than the venue in one thing: each settlement currency is margin for its own contracts only.
Shapes: www.okx.com/docs-v5, "Trading Account".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, PositionSide
from xetrade_core.simvenue.desk.margin import Bound, bound, dollars, liquidation_price, margin, mark_price
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.dialects.okx_listings import instrument_type
from xetrade_core.simvenue.dialects.okx_replies import Row
from xetrade_core.simvenue.market import Market

_EIGHT = Decimal("0.00000001")
_ZERO = Decimal(0)


def _money(value: Decimal) -> str:
    return plain(value.quantize(_EIGHT))


class OkxAccount:
    """What the endpoints and events about one account say."""

    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk, self._account = desk, account
        self._orders = desk.open_orders(account)
        self._now_ms = str(desk.now_ns // NS_PER_MS)

    def balance(self, currencies: Iterable[str] | None = None) -> Row:
        """The row of /account/balance, with all currencies or some."""
        details = [self._detail(one) for one in currencies or self._account.ledger.currencies]
        total = sum((Decimal(str(one["eqUsd"])) for one in details), _ZERO)
        names = ("adjEq", "borrowFroz", "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd", "ordFroz", "upl")
        return {**dict.fromkeys(names, ""), "totalEq": _money(total), "uTime": self._now_ms, "details": details}

    def _detail(self, currency: str) -> Row:
        held = margin(self._account, self._desk.markets, self._orders, currency)
        locked = self._account.ledger.locked(currency)
        free = held.wallet - locked - held.initial
        names = ("borrowFroz", "crossLiab", "interest", "isoEq", "isoLiab", "liab", "maxLoan", "mgnRatio", "twap")
        return {
            **dict.fromkeys(names, ""),
            "ccy": currency,
            "cashBal": _money(held.wallet),
            "eq": _money(held.equity),
            "eqUsd": _money(held.equity * dollars(self._desk.markets, currency)),
            "availBal": _money(free),
            "availEq": _money(free),
            "frozenBal": _money(locked + held.initial),
            "ordFrozen": _money(locked + held.initial - held.position_initial),
            "upl": _money(held.unrealized),
            "uTime": self._now_ms,
        }

    def positions(self, markets: Iterable[Market]) -> list[Row]:
        """A row for each position that is held."""
        bounds = bound(self._account, self._desk.markets, self._orders)
        return [
            self.position(market, bounds.get((market.symbol, PositionSide.NET)))
            for market in markets
            if self._account.position(market, PositionSide.NET).quantity
        ]

    def position(self, market: Market, held: Bound | None = None) -> Row:
        """One position, over REST and on the stream."""
        if held is None:
            bounds = bound(self._account, self._desk.markets, self._orders)
            held = bounds.get((market.symbol, PositionSide.NET), Bound())
        position = self._account.position(market, PositionSide.NET)
        liquidation = liquidation_price(self._account, self._desk.markets, self._orders, market)
        names = (
            "adl",
            "availPos",
            "baseBal",
            "bePx",
            "interest",
            "last",
            "liab",
            "liabCcy",
            "margin",
            "mgnRatio",
        )
        return {
            **dict.fromkeys(names, ""),
            "instType": instrument_type(market),
            "instId": market.venue_id,
            "mgnMode": "cross",
            "posId": f"{market.venue_id}-net",
            "posSide": "net",
            "pos": plain(position.quantity),
            "posCcy": "",
            "ccy": market.listing.settle or "",
            "avgPx": _money(position.entry) if position.entry is not None else "",
            "markPx": plain(mark_price(market)),
            "liqPx": "" if liquidation is None else _money(liquidation),
            "lever": str(self._account.leverage_of(market.symbol)),
            "upl": _money(held.unrealized),
            "uplRatio": "",
            "realizedPnl": _money(position.realized),
            "imr": _money(held.position_initial),
            "mmr": _money(held.maintenance),
            "notionalUsd": _money(abs(held.notional)),
            "cTime": self._now_ms,
            "uTime": self._now_ms,
        }
