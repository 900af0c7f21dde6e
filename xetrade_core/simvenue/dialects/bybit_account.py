"""Wallet and positions of a Bybit unified account, as JSON.

Simpler than the venue in one thing: each settlement currency is margin for its own contracts only.
Shapes: bybit-exchange.github.io/docs/v5, "Account", "Position", "Private stream".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, PositionSide
from xetrade_core.simvenue.desk.margin import Bound, bound, dollars, liquidation_price, margin, mark_price
from xetrade_core.simvenue.dialects.bybit_listings import category_of
from xetrade_core.simvenue.dialects.bybit_orders import Row, index_of
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.market import Market

_EIGHT = Decimal("0.00000001")
_ZERO = Decimal(0)


def _money(value: Decimal) -> str:
    return plain(value.quantize(_EIGHT))


class UnifiedAccount:
    """What the endpoints and events about one account say."""

    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk, self._account = desk, account
        self._orders = desk.open_orders(account)

    def wallet(self, currencies: Iterable[str] | None = None) -> Row:
        """A row of wallet-balance, with all coins or some."""
        coins = [self._coin(one) for one in currencies or self._account.ledger.currencies]
        worth = _money(sum((Decimal(str(coin["usdValue"])) for coin in coins), _ZERO))
        return {
            "accountType": "UNIFIED",
            "totalEquity": worth,
            "totalWalletBalance": worth,
            "totalMarginBalance": worth,
            "totalAvailableBalance": worth,
            "totalPerpUPL": _money(sum((Decimal(str(coin["unrealisedPnl"])) for coin in coins), _ZERO)),
            "totalInitialMargin": "",
            "totalMaintenanceMargin": "",
            "accountIMRate": "",
            "accountMMRate": "",
            "accountLTV": "",
            "coin": coins,
        }

    def _coin(self, currency: str) -> Row:
        held = margin(self._account, self._desk.markets, self._orders, currency)
        return {
            "coin": currency,
            "equity": _money(held.equity),
            "usdValue": _money(held.equity * dollars(self._desk.markets, currency)),
            "walletBalance": _money(held.wallet),
            "free": "",
            "locked": _money(self._account.ledger.locked(currency)),
            "borrowAmount": "0",
            "availableToBorrow": "",
            "availableToWithdraw": "",
            "accruedInterest": "0",
            "totalOrderIM": _money(held.initial - held.position_initial),
            "totalPositionIM": _money(held.position_initial),
            "totalPositionMM": _money(held.maintenance),
            "unrealisedPnl": _money(held.unrealized),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "marginCollateral": True,
            "collateralSwitch": True,
        }

    def positions(self, markets: Iterable[Market], *, empty_too: bool) -> list[Row]:
        """A row for each position; those without contracts only if `empty_too`."""
        bounds = bound(self._account, self._desk.markets, self._orders)
        sides = (PositionSide.LONG, PositionSide.SHORT) if self._account.hedged else (PositionSide.NET,)
        return [
            self.position(market, side, bounds.get((market.symbol, side)))
            for market in markets
            for side in sides
            if empty_too or self._account.position(market, side).quantity
        ]

    def position(self, market: Market, side: PositionSide, held: Bound | None = None) -> Row:
        """One position, over REST and on the stream."""
        if held is None:
            key = (market.symbol, side)
            held = bound(self._account, self._desk.markets, self._orders).get(key, Bound())
        position = self._account.position(market, side)
        entry = _money(position.entry) if position.entry is not None else "0"
        liquidation = liquidation_price(self._account, self._desk.markets, self._orders, market)
        now_ms = str(self._desk.now_ns // NS_PER_MS)
        return {
            "positionIdx": index_of(side),
            "category": category_of(market.listing),
            "symbol": market.venue_id,
            "side": "Buy" if position.quantity > 0 else "Sell" if position.quantity < 0 else "",
            "size": plain(abs(position.quantity)),
            "avgPrice": entry,
            "entryPrice": entry,
            "positionValue": _money(abs(held.notional)),
            "tradeMode": 0,
            "leverage": str(self._account.leverage_of(market.symbol)),
            "markPrice": plain(mark_price(market)),
            "liqPrice": "" if liquidation is None or not position.quantity else _money(liquidation),
            "bustPrice": "",
            "positionIM": _money(held.position_initial),
            "positionMM": _money(held.maintenance),
            "positionBalance": "0",
            "unrealisedPnl": _money(held.unrealized),
            "cumRealisedPnl": _money(position.realized),
            "curRealisedPnl": _money(position.realized),
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": 0,
            "riskId": 1,
            "riskLimitValue": "2000000",
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "isReduceOnly": False,
            "seq": self._desk.now_ns,
            "createdTime": now_ms,
            "updatedTime": now_ms,
        }
