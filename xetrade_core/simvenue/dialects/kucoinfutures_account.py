"""Balances and positions of a KuCoin futures account, as JSON numbers. Cross margin, each currency for its contracts.

Shapes: www.kucoin.com/docs-new, "Account Info / Get Account - Futures", "Futures Trading / Positions" (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, PositionSide
from xetrade_core.simvenue.desk.margin import (
    MAINTENANCE,
    Bound,
    bound,
    liquidation_price,
    margin,
    mark_price,
    settle_of,
)
from xetrade_core.simvenue.dialects.kucoin_replies import Row
from xetrade_core.simvenue.dialects.kucoinfutures_orders import CROSS, ONE_WAY, currency_code
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.market import Market

_EIGHT = Decimal("0.00000001")


def _money(value: Decimal) -> Decimal:
    return value.quantize(_EIGHT)


class FuturesAccount:
    """What the endpoints and events about one account say."""

    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk, self._account = desk, account
        self._orders = desk.open_orders(account)

    def overview(self, currency: str) -> Row:
        """One currency. The margin balance is what is owned, whatever open positions would bring."""
        held = margin(self._account, self._desk.markets, self._orders, currency)
        return {
            "accountEquity": _money(held.equity),
            "unrealisedPNL": _money(held.unrealized),
            "marginBalance": _money(held.wallet),
            "positionMargin": _money(held.position_initial),
            "orderMargin": _money(held.initial - held.position_initial),
            "frozenFunds": 0,
            "availableBalance": _money(held.free),
            "currency": currency_code(currency),
            "riskRatio": _money(held.maintenance / held.equity) if held.equity else 0,
            "maxWithdrawAmount": _money(held.free),
            "availableMargin": _money(held.free),
        }

    def wallet(self, currency: str) -> Row:
        """The same as the stream tells it, as text."""
        held = margin(self._account, self._desk.markets, self._orders, currency)
        amounts = {
            "crossPosMargin": held.position_initial,
            "crossOrderMargin": held.initial - held.position_initial,
            "isolatedPosMargin": Decimal(0),
            "isolatedOrderMargin": Decimal(0),
            "crossUnPnl": held.unrealized,
            "isolatedUnPnl": Decimal(0),
            "equity": held.equity,
            "walletBalance": held.wallet,
            "availableBalance": held.free,
            "availableMargin": held.free,
            "holdBalance": Decimal(0),
        }
        told: Row = {name: plain(_money(value)) for name, value in amounts.items()}
        told |= {"currency": currency_code(currency), "version": str(self._desk.now_ns)}
        return {**told, "timestamp": str(self._desk.now_ns // NS_PER_MS)}

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
        entry = Decimal(0) if position.entry is None else _money(position.entry)
        liquidation = liquidation_price(self._account, self._desk.markets, self._orders, market)
        now_ms = self._desk.now_ns // NS_PER_MS
        cost = _money(held.notional - held.unrealized)
        return {
            "id": f"{self._account.name}-{market.venue_id}",
            "symbol": market.venue_id,
            "crossMode": True,
            "marginMode": CROSS,
            "positionSide": ONE_WAY,
            "delevPercentage": 0,
            "openingTimestamp": now_ms,
            "currentTimestamp": now_ms,
            "currentQty": position.quantity,
            "currentCost": cost,
            "unrealisedCost": cost,
            "posCost": cost,
            "isOpen": bool(position.quantity),
            "markPrice": mark_price(market),
            "markValue": _money(held.notional),
            "posInit": _money(held.position_initial),
            "posMargin": _money(held.position_initial),
            "posMaint": _money(held.maintenance),
            "maintMarginReq": MAINTENANCE,
            "leverage": self._account.leverage_of(market.symbol),
            "realisedGrossPnl": _money(position.realized),
            "realisedPnl": _money(position.realized),
            "unrealisedPnl": _money(held.unrealized),
            "avgEntryPrice": entry,
            "liquidationPrice": 0 if liquidation is None or not position.quantity else _money(liquidation),
            "bankruptPrice": 0,
            "settleCurrency": currency_code(settle_of(market)),
            "isInverse": market.listing.settle == market.listing.base,
        }
