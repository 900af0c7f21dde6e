"""What the simulated venues list: real-looking instruments, and any number of synthetic ones.

Ticks, lots and contract sizes of the known bases follow what the real venues publish; the start prices only have to be
plausible. A new venue is one builder and one row in the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.errors import ConfigError, UnknownSymbol
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.simvenue.listing import BaseFacts, Listing, Wanted, decimals, is_day

SYNTHETIC_PREFIX = "SIM"
_SYMBOL = re.compile(
    r"(?P<base>[^/:\s]+)/(?P<quote>[^/:\s-]+)"
    r"(?::(?P<settle>[^/:\s-]+)(?:-(?P<expiry>\d{6})(?:-(?P<strike>[\d.]+)-(?P<side>[CP]))?)?)?"
)


def _base(price: str, tick: str, spot_lot: str, linear_lot: str, inverse: str, okx: str) -> BaseFacts:
    return BaseFacts(*(Decimal(text) for text in (price, tick, spot_lot, linear_lot, inverse, okx)))


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


def _spot_binance(wanted: Wanted) -> Listing:
    if wanted.settle:
        raise UnknownSymbol(wanted.symbol, "binance", "only spot is listed there, such as BTC/USDT")
    facts = wanted.facts
    venue_id = wanted.base + wanted.quote
    instrument = Instrument("binance", wanted.symbol, venue_id, MarketType.SPOT, facts.tick, facts.spot_lot)
    return wanted.listed(instrument, 8, 8)


def _linear_binance(wanted: Wanted) -> Listing:
    if wanted.settle != wanted.quote or wanted.expiry:
        raise UnknownSymbol(wanted.symbol, "binanceusdm", "only linear swaps are listed there, such as BTC/USDT:USDT")
    facts, venue_id = wanted.facts, wanted.base + wanted.quote
    tick, lot = _ten_ticks_of_btc(wanted), facts.linear_lot
    instrument = Instrument("binanceusdm", wanted.symbol, venue_id, MarketType.SWAP, tick, lot)
    return wanted.listed(instrument, decimals(facts.tick), decimals(lot))


def _inverse_binance(wanted: Wanted) -> Listing:
    if not wanted.inverse or wanted.quote != "USD" or wanted.expiry:
        raise UnknownSymbol(wanted.symbol, "binancecoinm", "only inverse swaps are listed there, such as BTC/USD:BTC")
    tick, venue_id = _ten_ticks_of_btc(wanted), f"{wanted.base}{wanted.quote}_PERP"
    size = wanted.facts.inverse_contract
    instrument = Instrument("binancecoinm", wanted.symbol, venue_id, MarketType.SWAP, tick, Decimal(1), size)
    return wanted.listed(instrument, decimals(tick), 0)


def _okx(wanted: Wanted) -> Listing:
    symbol, pair, tick = wanted.symbol, f"{wanted.base}-{wanted.quote}", _ten_ticks_of_btc(wanted)
    if wanted.settle is None:
        lot = Decimal("0.00000001") if wanted.base == "BTC" else Decimal("0.000001")
        least = max(lot, wanted.facts.spot_lot)  # above the lot, unlike a swap's
        instrument = Instrument("okx", symbol, pair, MarketType.SPOT, tick, lot, min_amount=least)
    elif wanted.settle in (wanted.quote, wanted.base) and not wanted.expiry:
        size = Decimal(100) if wanted.inverse else wanted.facts.okx_contract
        lot = Decimal(1) if wanted.inverse else Decimal("0.01")
        instrument = Instrument("okx", symbol, f"{pair}-SWAP", MarketType.SWAP, tick, lot, size)
    else:
        raise UnknownSymbol(symbol, "okx", "swaps settle in their quote or base currency, such as BTC/USDT:USDT")
    return wanted.listed(instrument, decimals(tick), decimals(lot), trim=True)


def _bybit(wanted: Wanted) -> Listing:
    facts, one = wanted.facts, Decimal(1)
    if wanted.settle is None:
        instrument = Instrument(
            "bybit", wanted.symbol, wanted.base + wanted.quote, MarketType.SPOT, facts.tick, facts.spot_lot
        )
        return wanted.listed(instrument, decimals(facts.tick), decimals(facts.spot_lot))
    if wanted.expiry or not (wanted.settle == wanted.quote or (wanted.inverse and wanted.quote == "USD")):
        raise UnknownSymbol(wanted.symbol, "bybit", "swaps look like BTC/USDT:USDT, BTC/USDC:USDC or BTC/USD:BTC")
    venue_id = f"{wanted.base}PERP" if wanted.quote == "USDC" else wanted.base + wanted.quote
    tick, lot = _ten_ticks_of_btc(wanted), one if wanted.inverse else facts.linear_lot
    instrument = Instrument("bybit", wanted.symbol, venue_id, MarketType.SWAP, tick, lot)
    return wanted.listed(instrument, decimals(facts.tick), decimals(lot))


# What KuCoin calls some currencies, by the name that the field has for them.
_KUCOIN_CODES = {"WAXP": "WAX", "ALT": "KALT", "APTOSLAUNCHTOKEN": "ALT", "BIFIF": "BIFI", "BSV": "BCHSV"}


def _kucoin(wanted: Wanted) -> Listing:
    if wanted.settle:
        raise UnknownSymbol(wanted.symbol, "kucoin", "only spot is listed there, such as BTC/USDT")
    facts, tick = wanted.facts, _ten_ticks_of_btc(wanted)
    price = None
    if wanted.quote == "BTC":
        tick, price = Decimal("0.0000000001"), Decimal("0.0001")
    elif wanted.base not in _BASES:
        tick = Decimal("0.001")
    lot = facts.spot_lot if wanted.base in _BASES else Decimal("0.00000001")
    venue_id = f"{_KUCOIN_CODES.get(wanted.base, wanted.base)}-{wanted.quote}"
    instrument = Instrument("kucoin", wanted.symbol, venue_id, MarketType.SPOT, tick, lot)
    return wanted.listed(instrument, decimals(tick), decimals(lot), trim=True, price=price)


def _kucoinfutures(wanted: Wanted) -> Listing:
    inverse = wanted.inverse and wanted.quote == "USD"
    if wanted.expiry or not (inverse or wanted.settle == wanted.quote):
        raise UnknownSymbol(wanted.symbol, "kucoinfutures", "swaps look like BTC/USDT:USDT or BTC/USD:BTC")
    venue_id = f"{'XBT' if wanted.base == 'BTC' else wanted.base}{wanted.quote}M"
    tick, size = _ten_ticks_of_btc(wanted), Decimal(1) if inverse else wanted.facts.linear_lot
    instrument = Instrument("kucoinfutures", wanted.symbol, venue_id, MarketType.SWAP, tick, Decimal(1), size)
    return wanted.listed(instrument, decimals(tick), 0, trim=True)


def _deribit(wanted: Wanted) -> Listing:
    """Amounts are in USD where a contract settles in its base, and in base currency otherwise."""
    base, quote, inverse = wanted.base, wanted.quote, wanted.inverse
    if wanted.settle not in (None, base, quote) or (inverse and quote != "USD"):
        raise UnknownSymbol(wanted.symbol, "deribit", "contracts settle in their quote or base, such as BTC/USD:BTC")
    name = base if inverse else f"{base}_{quote}"
    tick, lot, price = _ten_ticks_of_btc(wanted) * 5, wanted.facts.linear_lot, None
    if wanted.settle is None:
        tick, lot = wanted.facts.tick, wanted.facts.spot_lot
    elif wanted.expiry:
        name += f"-{wanted.expires:%-d%b%y}".upper()
    else:
        name += "-PERPETUAL"
    if wanted.side:
        name += f"-{(wanted.strike or '').replace('.', 'd')}-{wanted.side}"
        tick, lot, price = (Decimal("0.0001"), Decimal("0.1"), Decimal("0.06")) if inverse else (tick, lot, None)
    elif inverse:
        lot = Decimal(10) if base == "BTC" else Decimal(1)
    instrument = Instrument("deribit", wanted.symbol, name, wanted.kind, tick, lot)
    return wanted.listed(instrument, decimals(tick), decimals(lot), price=price)


def _derive(wanted: Wanted) -> Listing:
    facts, base = wanted.facts, wanted.base
    fits = wanted.settle in (None, "USDC") and wanted.quote == "USDC" and bool(wanted.expiry) is bool(wanted.side)
    if not fits:
        raise UnknownSymbol(wanted.symbol, "derive", "it lists such as BTC/USDC:USDC, BTC/USDC or their options")
    tick, lot, price = _ten_ticks_of_btc(wanted), facts.linear_lot, None
    if wanted.side:
        name = f"{base}-20{wanted.expiry}-{(wanted.strike or '').replace('.', '_')}-{wanted.side}"
        tick, lot, price = tick * 10, Decimal("0.01"), facts.price / 16
    else:
        name = f"{base}-PERP" if wanted.settle else f"{base}-{wanted.quote}"
    instrument = Instrument("derive", wanted.symbol, name, wanted.kind, tick, lot)
    return wanted.listed(instrument, decimals(tick), decimals(lot), trim=True, price=price)


def _max(wanted: Wanted) -> Listing:
    """Prices in TWD, at 32 a dollar; SHIB is traded by the thousand."""
    if wanted.settle is not None:
        raise UnknownSymbol(wanted.symbol, "max", "only spot is listed there, such as BTC/TWD")
    facts, rate = wanted.facts, Decimal(32) if wanted.quote == "TWD" else Decimal(1)
    tick, lot, price = facts.tick * (10 if wanted.quote == "TWD" else 1), facts.spot_lot, facts.price
    if wanted.base == "SHIB":
        tick, lot, price = Decimal("0.000001"), Decimal(1000), Decimal("0.0125")
    elif wanted.base == "USDT":
        tick, lot, price = Decimal("0.001"), Decimal("0.01"), Decimal(1)
    venue_id = f"{wanted.base}{wanted.quote}".lower()
    instrument = Instrument("max", wanted.symbol, venue_id, MarketType.SPOT, tick, lot)
    return wanted.listed(instrument, decimals(tick), decimals(lot), trim=True, price=price * rate)


def _ten_ticks_of_btc(wanted: Wanted) -> Decimal:
    return wanted.facts.tick * 10 if wanted.base == "BTC" else wanted.facts.tick


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a venue lists an instrument, and the forms of its symbols; the first is the one that is listed in numbers.

    A form without a place for the base is one symbol: the market that tells what another is quoted in is worth.
    """

    build: Callable[[Wanted], Listing]
    forms: tuple[str, ...]


_RULES = {
    "binance": _Rule(_spot_binance, ("{0}/USDT",)),
    "binanceusdm": _Rule(_linear_binance, ("{0}/USDT:USDT",)),
    "binancecoinm": _Rule(_inverse_binance, ("{0}/USD:{0}",)),
    "okx": _Rule(_okx, ("{0}/USDT", "{0}/USDT:USDT")),
    "bybit": _Rule(_bybit, ("{0}/USDT", "{0}/USDT:USDT", "{0}/USD:{0}")),
    "kucoin": _Rule(_kucoin, ("{0}/USDT",)),
    "kucoinfutures": _Rule(_kucoinfutures, ("{0}/USDT:USDT", "{0}/USD:{0}")),
    "deribit": _Rule(_deribit, ("{0}/USDC:USDC", "{0}/USD:{0}", "{0}/USDC")),
    "derive": _Rule(_derive, ("{0}/USDC:USDC", "{0}/USDC")),
    "max": _Rule(_max, ("{0}/TWD", "{0}/USDT", "USDT/TWD")),
}
VENUES = tuple(_RULES)
DEFAULT_VENUES = ("binance", "binanceusdm", "okx")  # what a simulation without a scenario serves: enough for a look


def _rule(venue: str) -> _Rule:
    try:
        return _RULES[venue]
    except KeyError:
        raise ConfigError.of("venue", venue, f"one of {', '.join(VENUES)}") from None


def default_symbols(venue: str, count: int | None = None) -> tuple[str, ...]:
    """What a venue lists when nothing is configured, or `count` symbols: the known bases first, then synthetic ones."""
    forms = _rule(venue).forms
    if count is None:
        return tuple(dict.fromkeys(form.format(base) for form in forms for base in _DEFAULT_BASES))
    bases = [*_BASES, *(f"{SYNTHETIC_PREFIX}{n:03d}" for n in range(max(0, count - len(_BASES))))]
    return tuple(forms[0].format(base) for base in bases[:count])


def listing(venue: str, symbol: str) -> Listing:
    """The listing of a universal symbol on a venue; unknown bases get the synthetic price, tick and lot.

    Raises UnknownSymbol where the venue has no such kind of market.
    """
    build = _rule(venue).build
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        raise UnknownSymbol(symbol, venue, "write it as BASE/QUOTE or BASE/QUOTE:SETTLE")
    parts = match.groupdict()
    if parts["expiry"] and not is_day(parts["expiry"]):
        raise UnknownSymbol(symbol, venue, "an expiry is a day as YYMMDD, like BTC/USD:BTC-261225")
    return build(Wanted(symbol=symbol, facts=_BASES.get(parts["base"], _SYNTHETIC), **parts))
