"""The symbol map of 10,000 instruments on every venue that has a naming rule: built, asked, grouped.

The ids are written by the venues' own rules from currency codes of usual length, so that every kind is there: spot,
linear and inverse swaps, dated futures and options. Beside it stands ccxt with the same markets, one exchange a venue.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

from benchmarks.report import Measurement
from xetrade_core.errors import UnknownSymbol
from xetrade_core.model.instruments import Instrument
from xetrade_core.symbols.equivalence import Grouping, equivalence_sets
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.symbols.naming import naming, namings
from xetrade_core.symbols.parts import SymbolParts

INSTRUMENTS, LOOKUPS = 10_000, 200_000
EXPIRIES = ("261225", "270326", "270625")


def run(quick: bool = False) -> list[Measurement]:
    """Seconds to build, microseconds to ask, and whether every id comes back."""
    instruments = list(islice(_instruments(random.Random(7)), INSTRUMENTS // (10 if quick else 1)))
    count = len(instruments)
    build_s = min(_seconds(lambda: SymbolMap.of(instruments)) for _ in range(3))
    symbols = SymbolMap.of(instruments)
    theirs, theirs_s = _ccxt(instruments)
    chosen = random.Random(8).choices(instruments, k=LOOKUPS // (10 if quick else 1))
    asked = [(row.venue, row.venue_id, row.market_type) for row in chosen]
    find, back = symbols.find, symbols.find_symbol
    ours_us = _each_us(asked, find)
    back_us = _each_us([(row.venue, row.symbol) for row in chosen], back)
    ccxt_us = _each_us(asked, lambda venue, venue_id, kind: theirs[venue].safe_market(venue_id, None, None, kind.value))
    whole = sum(
        (found := find(row.venue, row.venue_id, row.market_type)) is not None
        and symbols.universal(row.venue, found.symbol).venue_id == row.venue_id
        for row in instruments
    )
    sets_s = _seconds(lambda: equivalence_sets(symbols, Grouping.UNDERLYING))
    return [
        Measurement(f"map of {count:,} instruments built", build_s, "s", "under 2 s", build_s < 2, theirs_s / build_s,
                    f"ccxt set_markets: {theirs_s:.2f} s"),
        Measurement("id to universal symbol", ours_us, "us", "under 2 us", ours_us < 2, ccxt_us / ours_us,
                    f"ccxt safe_market: {ccxt_us:.2f} us"),
        Measurement("universal symbol to id", back_us, "us", "under 2 us", back_us < 2),
        Measurement("id to universal symbol and back", 100 * whole / count, "% of ids", "100 %", whole == count),
        Measurement("all equivalence sets by underlying", sets_s, "s"),
    ]  # fmt: skip


def _instruments(rng: random.Random) -> Iterator[Instrument]:
    """Instruments of all venues in turn, each id of a venue and kind once."""
    seen: set[tuple[str, str, str]] = set()
    for rule in cycle(namings()):
        base = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(3, 6)))
        base = f"1000{base}" if rng.random() < 0.05 else base
        for parts in _kinds(base, rng):
            try:
                venue_id = rule.write(parts)
            except UnknownSymbol:
                continue
            key = (rule.venue, venue_id, parts.market_type)
            if key not in seen and parts in naming(rule.venue).read(venue_id):
                seen.add(key)
                yield Instrument(
                    rule.venue, parts.symbol, venue_id, parts.market_type, Decimal("0.01"), Decimal("0.001")
                )


def _kinds(base: str, rng: random.Random) -> list[SymbolParts]:
    expiry, strike = rng.choice(EXPIRIES), str(rng.randrange(1, 200) * 500)
    return [
        SymbolParts(base, "USDT"),
        SymbolParts(base, "TWD"),
        SymbolParts(base, "USDT", "USDT"),
        SymbolParts(base, "USDC", "USDC"),
        SymbolParts(base, "USD", base),
        SymbolParts(base, "USD", base, expiry),
        SymbolParts(base, "USDC", "USDC", expiry, strike, rng.choice("CP")),
        SymbolParts(base, "USD", base, expiry, strike, rng.choice("CP")),
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _each_us(asked: list[tuple[Any, ...]], ask: Callable[..., object]) -> float:
    """Mean of a call."""
    start = time.perf_counter()
    for arguments in asked:
        ask(*arguments)
    return (time.perf_counter() - start) / len(asked) * 1e6


def _ccxt(instruments: list[Instrument]) -> tuple[dict[str, Any], float]:
    """One plain ccxt exchange a venue with the same markets, and how long it took to set them."""
    import ccxt

    exchanges: dict[str, Any] = {}
    markets: dict[str, Any] = {}
    for row in instruments:
        exchange = exchanges.setdefault(row.venue, ccxt.Exchange())
        parts = SymbolParts.parse(row.symbol, row.venue)
        market = {"id": row.venue_id, "symbol": row.symbol, "base": parts.base, "quote": parts.quote,
                  "settle": parts.settle, "type": row.market_type.value}  # fmt: skip
        markets.setdefault(row.venue, []).append(exchange.safe_market_structure(market))
    return exchanges, _seconds(lambda: [exchanges[venue].set_markets(rows) for venue, rows in markets.items()])
