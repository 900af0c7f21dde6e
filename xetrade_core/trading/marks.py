"""The latest mark prices that risk measures by, with their age: a price that is too old is no price."""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError


class Marks:
    """Mark prices by instrument, and values of currencies in the accounting currency. Whoever has fresh ones sets them.

    `rates` are values of one unit of a currency; the accounting currency and what is held to be worth the same
    (`USD`, `USDT`, `USDC`) are 1 unless set otherwise.
    """

    def __init__(self, max_age_s: float = 60.0, rates: dict[str, Decimal] | None = None) -> None:
        self._max_age_ns = round(max_age_s * NS_PER_S)
        self._prices: dict[tuple[str, str], tuple[Decimal, int]] = {}
        self._rates = dict.fromkeys(("USD", "USDT", "USDC"), Decimal(1)) | (rates or {})

    def set(self, venue: str, symbol: str, price: Decimal, at_ns: int) -> None:
        """The mark price of an instrument (quote currency) as of `at_ns`; raises ConfigError if it is no price."""
        if not price.is_finite() or price <= 0:
            raise ConfigError.of(f"mark price of {symbol} on {venue}", price, "a price is above zero")
        self._prices[(venue, symbol)] = (price, at_ns)

    def set_rate(self, currency: str, value: Decimal) -> None:
        """One unit of `currency` is worth this much of the accounting currency."""
        self._rates[currency] = value

    def price(self, venue: str, symbol: str, now_ns: int) -> Decimal | None:
        """The mark price, or None if there is none or it is older than the limit."""
        price, at_ns = self._prices.get((venue, symbol), (None, 0))
        return price if price is not None and now_ns - at_ns <= self._max_age_ns else None

    def rate(self, currency: str) -> Decimal | None:
        """The value of one unit of a currency in the accounting currency; None if it is not known."""
        return self._rates.get(currency)
