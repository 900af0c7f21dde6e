"""One simulated instrument: what its venue lists, and what the simulation needs beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from xetrade_core.model.instruments import Instrument, MarketType


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument and what the simulation needs beside it.

    `price_decimals` and `size_decimals` are the digits on the wire; `trim` drops trailing zeros as OKX does.
    `typical_lots` is the median size of a level.
    """

    instrument: Instrument
    base: str
    quote: str
    settle: str | None
    expiry: str | None  # YYMMDD of a future or option
    strike: str | None
    side: str | None  # C or P of an option
    start_ticks: int
    typical_lots: int
    price_decimals: int
    size_decimals: int
    trim: bool


class WireNumbers:
    """Renders ticks and lots of one instrument as its venue does, and reads them back. Rendered prices are cached."""

    def __init__(self, listing: Listing) -> None:
        self._price_scale = 10**listing.price_decimals
        self._size_scale = 10**listing.size_decimals
        self._price_step = int(listing.instrument.price_tick * self._price_scale)
        self._size_step = int(listing.instrument.lot * self._size_scale)
        self._price_decimals, self._size_decimals = listing.price_decimals, listing.size_decimals
        self._tick, self._lot = listing.instrument.price_tick, listing.instrument.lot
        self._trim = listing.trim
        self._prices: dict[int, str] = {}

    def price(self, ticks: int) -> str:
        text = self._prices.get(ticks)
        if text is None:
            if len(self._prices) > 20_000:  # a drifting price must not grow the cache for ever
                self._prices.clear()
            text = self._prices[ticks] = self._render(ticks * self._price_step, self._price_scale, self._price_decimals)
        return text

    def size(self, lots: int) -> str:
        return self._render(lots * self._size_step, self._size_scale, self._size_decimals)

    def _render(self, value: int, scale: int, decimals: int) -> str:
        if not decimals:
            return str(value)
        whole, part = divmod(value, scale)
        text = f"{whole}.{part:0{decimals}d}"
        return text.rstrip("0").rstrip(".") if self._trim else text

    def ticks(self, price: str) -> int:
        """Ticks of a price as it stands on the wire (recordings)."""
        return round(Decimal(price) / self._tick)

    def lots(self, size: str) -> int:
        """Lots of a size as it stands on the wire (recordings)."""
        return round(Decimal(size) / self._lot)


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """A base currency: plausible price in USD, ticks and lots by market."""

    price: Decimal
    tick: Decimal
    spot_lot: Decimal
    linear_lot: Decimal
    inverse_contract: Decimal  # USD a contract on COIN-M
    okx_contract: Decimal  # base currency a contract on OKX


@dataclass(frozen=True, slots=True)
class Wanted:
    """A universal symbol in its parts, to be listed: `expiry` is YYMMDD, `side` C or P."""

    symbol: str
    base: str
    quote: str
    settle: str | None
    expiry: str | None
    strike: str | None
    side: str | None
    facts: BaseFacts

    @property
    def expires(self) -> date:
        """The day of `expiry`; only asked of what has one."""
        return day_of(self.expiry or "")

    @property
    def kind(self) -> MarketType:
        """Its kind of market."""
        if self.settle is None:
            return MarketType.SPOT
        return MarketType.OPTION if self.side else MarketType.FUTURE if self.expiry else MarketType.SWAP

    @property
    def inverse(self) -> bool:
        """Whether it settles in its base."""
        return self.settle is not None and self.settle == self.base

    def listed(
        self,
        instrument: Instrument,
        price_decimals: int,
        size_decimals: int,
        *,
        trim: bool = False,
        price: Decimal | None = None,
    ) -> Listing:
        """The listing. `price` is where the market starts, where it is not the base's in USD."""
        price = self.facts.price if price is None else price
        # A typical level holds 5,000 USD: in lots of base currency, or of contracts.
        lot_value = instrument.lot * instrument.contract_size * (Decimal(1) if self._counts_quote else self.facts.price)
        typical = max(1, int(Decimal(5_000) / lot_value))
        start = int(price / instrument.price_tick)
        return Listing(
            instrument=instrument,
            base=self.base,
            quote=self.quote,
            settle=self.settle,
            expiry=self.expiry,
            strike=self.strike,
            side=self.side,
            start_ticks=start,
            typical_lots=typical,
            price_decimals=price_decimals,
            size_decimals=size_decimals,
            trim=trim,
        )

    @property
    def _counts_quote(self) -> bool:
        return self.inverse and self.side is None


def day_of(expiry: str) -> date:
    """`261225` -> 2026-12-25. Raises ValueError."""
    return datetime.strptime(expiry, "%y%m%d").replace(tzinfo=UTC).date()


def is_day(expiry: str) -> bool:
    """Whether YYMMDD is a day of the calendar."""
    try:
        day_of(expiry)
    except ValueError:
        return False
    return True


def decimals(step: Decimal) -> int:
    """Digits after the point of a tick or lot."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))
