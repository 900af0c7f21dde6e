"""Fundings that are paid: at each funding time of a perpetual the desk's positions pay or get the rate of its curve."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Desk
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.funding import FundingCurve, number


class FundingPayments:
    """Pays what falls due as the venue's clock passes the funding times. Each funding is paid once."""

    def __init__(self, desk: Desk, curves: Mapping[str, FundingCurve], venue_ns: int) -> None:
        self._desk, self._curves = desk, curves
        self._due_ms = {symbol: curve.next_ms(venue_ns // NS_PER_MS) for symbol, curve in curves.items()}

    def turn(self, venue_ns: int) -> None:
        """Once a tick, after the desk's own turn."""
        now_ms = venue_ns // NS_PER_MS
        for symbol, due_ms in self._due_ms.items():
            if due_ms <= now_ms:
                self._due_ms[symbol] = self._curves[symbol].next_ms(now_ms)
                self.pay(symbol, due_ms)

    def pay(self, symbol: str, due_ms: int, rate: Decimal | None = None) -> None:
        """Pay the funding of a moment, at the curve's rate or another, at the mark of now."""
        if rate is None:
            rate = Decimal(number(self._curves[symbol].settled(due_ms)))
        self._desk.pay_funding(symbol, rate, mark_price(self._desk.market(symbol)), str(due_ms))
