"""What the simulated venues list: real-looking instruments, and any number of synthetic ones.

Ticks, lots and contract sizes of the known bases follow what the real venues publish; the start prices only have to be
plausible.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.errors import ConfigError, UnknownSymbol
from xetrade_core.model.instruments import Instrument, MarketType

SYNTHETIC_PREFIX = "SIM"


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
class _Base:
    """A base currency: plausible price in USD, ticks and lots by market."""

    price: Decimal
    tick: Decimal
    spot_lot: Decimal
    linear_lot: Decimal
    inverse_contract: Decimal  # USD a contract on COIN-M
    okx_contract: Decimal  # base currency a contract on OKX


def _base(price: str, tick: str, spot_lot: str, linear_lot: str, inverse: str, okx: str) -> _Base:
    return _Base(*(Decimal(text) for text in (price, tick, spot_lot, linear_lot, inverse, okx)))


_BASES = {
    "BTC": _base("61800", "0.01", "0.00001", "0.001", "100", "0.01"),
    "ETH": _base("2650", "0.01", "0.0001", "0.001", "10", "0.1"),
    "SOL": _base("155", "0.01", "0.001", "0.01", "10", "1"),
    "XRP": _base("0.62", "0.0001", "0.1", "0.1", "10", "100"),
    "BNB": _base("510", "0.01", "0.001", "0.01", "10", "0.01"),
    "DOGE": _base("0.11", "0.00001", "1", "1", "10", "1000"),
    "ADA": _base("0.35", "0.0001", "0.1", "1", "10", "100"),
    "LTC": _base("62", "0.01", "0.001", "0.001", "10", "1"),
    "LINK": _base("10.4", "0.01", "0.01", "0.01", "10", "1"),
    "AVAX": _base("22.5", "0.01", "0.01", "1", "10", "1"),
}
_SYNTHETIC = _base("100", "0.01", "0.001", "0.001", "10", "1")
_DEFAULT_BASES = ("BTC", "ETH", "SOL")
VENUES = ("binance", "binanceusdm", "binancecoinm", "okx")
DEFAULT_VENUES = ("binance", "binanceusdm", "okx")  # what a simulation without a scenario serves: enough for a look


def default_symbols(venue: str, count: int | None = None) -> tuple[str, ...]:
    """What a venue lists when nothing is configured, or `count` symbols: the known bases first, then synthetic ones."""
    bases = list(_DEFAULT_BASES)
    if count is not None:
        bases = [*_BASES, *(f"{SYNTHETIC_PREFIX}{n:03d}" for n in range(max(0, count - len(_BASES))))]
    if venue == "binance":
        symbols = [f"{base}/USDT" for base in bases]
    elif venue == "binanceusdm":
        symbols = [f"{base}/USDT:USDT" for base in bases]
    elif venue == "binancecoinm":
        symbols = [f"{base}/USD:{base}" for base in bases]
    elif count is None:
        symbols = [f"{base}/USDT{settle}" for settle in ("", ":USDT") for base in bases]
    else:
        symbols = [f"{base}/USDT" for base in bases]
    return tuple(symbols if count is None else symbols[:count])


def listing(venue: str, symbol: str) -> Listing:
    """The listing of a universal symbol on a venue; unknown bases get the synthetic price, tick and lot.

    Raises UnknownSymbol where the venue has no such kind of market.
    """
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    if not base or not quote:
        raise UnknownSymbol(symbol, venue, "write it as BASE/QUOTE or BASE/QUOTE:SETTLE")
    facts = _BASES.get(base, _SYNTHETIC)
    try:
        build = _BUILDERS[venue]
    except KeyError:
        raise ConfigError.of("venue", venue, f"one of {', '.join(VENUES)}") from None
    return build(symbol, base, quote, settle or None, facts)


def _spot_binance(symbol: str, base: str, quote: str, settle: str | None, facts: _Base) -> Listing:
    if settle:
        raise UnknownSymbol(symbol, "binance", "only spot is listed there, such as BTC/USDT")
    instrument = Instrument("binance", symbol, base + quote, MarketType.SPOT, facts.tick, facts.spot_lot)
    return _listing(instrument, base, quote, None, facts, 8, 8, trim=False)


def _linear_binance(symbol: str, base: str, quote: str, settle: str | None, facts: _Base) -> Listing:
    if settle != quote:
        raise UnknownSymbol(symbol, "binanceusdm", "only linear swaps are listed there, such as BTC/USDT:USDT")
    tick = facts.tick * 10 if base == "BTC" else facts.tick
    instrument = Instrument("binanceusdm", symbol, base + quote, MarketType.SWAP, tick, facts.linear_lot)
    return _listing(
        instrument, base, quote, settle, facts, _decimals(facts.tick), _decimals(facts.linear_lot), trim=False
    )


def _inverse_binance(symbol: str, base: str, quote: str, settle: str | None, facts: _Base) -> Listing:
    if settle != base or quote != "USD":
        raise UnknownSymbol(symbol, "binancecoinm", "only inverse swaps are listed there, such as BTC/USD:BTC")
    tick = facts.tick * 10 if base == "BTC" else facts.tick
    one = Decimal(1)
    instrument = Instrument(
        "binancecoinm", symbol, f"{base}{quote}_PERP", MarketType.SWAP, tick, one, facts.inverse_contract
    )
    return _listing(instrument, base, quote, settle, facts, _decimals(tick), 0, trim=False)


def _okx(symbol: str, base: str, quote: str, settle: str | None, facts: _Base) -> Listing:
    tick = facts.tick * 10 if base == "BTC" else facts.tick
    if settle is None:
        lot = Decimal("0.00000001") if base == "BTC" else Decimal("0.000001")
        instrument = Instrument("okx", symbol, f"{base}-{quote}", MarketType.SPOT, tick, lot)
    elif settle in (quote, base):
        size = facts.okx_contract if settle == quote else Decimal(100)
        lot = Decimal("0.01") if settle == quote else Decimal(1)
        instrument = Instrument("okx", symbol, f"{base}-{quote}-SWAP", MarketType.SWAP, tick, lot, size)
    else:
        raise UnknownSymbol(symbol, "okx", "swaps settle in their quote or base currency, such as BTC/USDT:USDT")
    return _listing(instrument, base, quote, settle, facts, _decimals(tick), _decimals(lot), trim=True)


_BUILDERS = {"binance": _spot_binance, "binanceusdm": _linear_binance, "binancecoinm": _inverse_binance, "okx": _okx}


def _listing(
    instrument: Instrument,
    base: str,
    quote: str,
    settle: str | None,
    facts: _Base,
    price_decimals: int,
    size_decimals: int,
    *,
    trim: bool,
) -> Listing:
    inverse = settle is not None and settle == base
    # A typical level holds 5,000 USD: in lots of base currency, or of contracts.
    lot_value = instrument.lot * instrument.contract_size * (Decimal(1) if inverse else facts.price)
    typical = max(1, int(Decimal(5_000) / lot_value))
    start = int(facts.price / instrument.price_tick)
    return Listing(instrument, base, quote, settle, start, typical, price_decimals, size_decimals, trim)


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))
