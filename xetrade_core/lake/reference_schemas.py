"""The datasets of reference data, column by column: what venues list, what it is elsewhere, and what changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from xetrade_core.lake.dataset import LABEL, TIMESTAMP, Column, Dataset, Reasons
from xetrade_core.model.instruments import InstrumentStatus, MarketType

STYLES = ("spot", "linear", "inverse", "quanto")
CHANGES = (
    "listed", "delisted", "expired", "renamed", "price_tick", "lot", "contract_size", "min_amount", "max_amount",
    "min_notional", "max_notional", "max_usd", "max_market_amount", "max_market_notional", "max_market_usd", "status",
)  # fmt: skip
TEXTS = pa.list_(pa.string())
_LOT_UNIT = "base currency for spot, contracts otherwise"

_DAY = Column("timestamp", TIMESTAMP, "Start of the day.", "ns UTC")
_EXCHANGE = Column("exchange", LABEL, "Venue id, as in ccxt: binance, okx.")
_ID = Column("venue_id", pa.string(), "What the venue calls it: BTCUSDT, BTC-USDT-SWAP.")
_SYMBOL = Column("symbol", pa.string(), "Universal symbol, as in ccxt: BTC/USDT, BTC/USDT:USDT, BTC/USD:BTC-261225.")
_TYPE = Column("market_type", LABEL, "spot, swap, future or option.", one_of=tuple(MarketType))
_STYLE = Column("style", LABEL, "spot, linear, inverse or quanto.", one_of=STYLES)
_SIZE = Column(
    "contract_size",
    pa.float64(),
    "What one contract is, 1 for spot.",
    "base currency (linear) or quote currency (inverse)",
    at_least=0,
)


def _positive(name: str, description: str, unit: str) -> Column:
    return Column(name, pa.float64(), f"{description} 0 where the venue does not state it.", unit, at_least=0)


def _limit(name: str, description: str, unit: str) -> Column:
    return Column(name, pa.float64(), f"{description} Null where there is none.", unit, True, at_least=0)


def _later_limit(name: str, meaning: str, unit: str) -> Column:
    said = f"{meaning} Null where there is none, and in files of before this was kept."
    return Column(name, pa.float64(), said, unit, True, at_least=0, since_later=True)


def _twice(*names: str) -> str:
    return f"another row has this {', '.join(names)}"


def unique_reasons(table: pa.Table, *names: str) -> Reasons:
    """Rows that repeat what the named columns of an earlier row say."""
    columns = [table.column(name).cast(pa.string()).to_pylist() for name in names]
    seen: set[tuple[str | None, ...]] = set()
    again = np.zeros(table.num_rows, dtype=bool)
    for index, key in enumerate(zip(*columns, strict=True)):
        again[index] = key in seen
        seen.add(key)
    return [(again, _twice(*names))] if again.any() else []


def _instrument_reasons(table: pa.Table) -> Reasons:
    return unique_reasons(table, "exchange", "venue_id", "market_type")


INSTRUMENTS = Dataset(
    "instruments",
    "Instruments",
    "venue, instrument, day",
    "Everything that the venue listed when it was last asked on that day, whatever its status. Numbers are the nearest "
    "doubles of what the venue writes; their shortest decimal form is exact.",
    (
        _DAY,
        _EXCHANGE,
        _ID,
        _SYMBOL,
        _TYPE,
        _STYLE,
        Column("base", pa.string(), "Base currency, in the field's code."),
        Column("quote", pa.string(), "Quote currency."),
        Column("settle", pa.string(), "Currency of settlement; null for spot.", "", True),
        Column("expiry", TIMESTAMP, "Day of the expiry; null for what has none.", "ns UTC", True),
        _limit("strike", "Strike of an option.", "quote currency"),
        Column("option_side", pa.string(), "C or P of an option.", "", True, one_of=("C", "P")),
        _positive("price_tick", "Smallest step of a price.", "quote currency"),
        _positive("lot", "Smallest step of an amount.", _LOT_UNIT),
        _SIZE,
        _limit("min_amount", "Smallest order.", _LOT_UNIT),
        _limit("max_amount", "Largest order.", _LOT_UNIT),
        _limit("min_notional", "Smallest value of an order.", "quote currency"),
        _later_limit("max_notional", "Largest value of an order with a price.", "quote currency"),
        _later_limit("max_usd", "Largest value of an order with a price, where the venue says it in dollars.", "USD"),
        _later_limit("max_market_amount", "Largest market order, which must keep `max_amount` too.", _LOT_UNIT),
        _later_limit("max_market_notional", "Largest value of a market order.", "quote currency"),
        _later_limit("max_market_usd", "Largest value of a market order, where it is said in dollars.", "USD"),
        Column("status", LABEL, "Whether it can be traded.", one_of=tuple(InstrumentStatus)),
        Column(
            "first_seen_timestamp", TIMESTAMP, "When this lake first saw it listed, without a day between.", "ns UTC"
        ),
    ),
    layout="venue_day",
    row_check=_instrument_reasons,
)


def _map_reasons(table: pa.Table) -> Reasons:
    return unique_reasons(table, "exchange", "venue_id", "market_type")


SYMBOL_MAP = Dataset(
    "symbol_map",
    "Symbol map",
    "venue, instrument, day",
    "Each listed instrument as a universal symbol, with how sure that is and why; what is the same exposure has the "
    "same `exposure`, and `multiplier` x `contract_size` says how much of it one contract is.",
    (
        _DAY,
        _EXCHANGE,
        _ID,
        _SYMBOL,
        _TYPE,
        _STYLE,
        Column("underlying", pa.string(), "The currency behind the base: BONK of 1000BONK."),
        Column("multiplier", pa.float64(), "How much of it one unit of base is: 1000 of 1000BONK.", "", at_least=0),
        _SIZE,
        Column("exposure", pa.string(), "What it is exposed to, dollars of all kinds as one: BTC in USD, linear."),
        Column(
            "confidence", pa.float64(), "0 to 1, made of the reasons; see docs/symbols.md.", "", at_least=0, at_most=1
        ),
        Column("reasons", TEXTS, "Why: exact listing, parsed by rule, alias, multiplier, price agrees, ..."),
        Column(
            "others", TEXTS, "What else the same id is on that exchange, as venue and symbol: BTCUSDT is spot and swap."
        ),
    ),
    layout="day",
    row_check=_map_reasons,
)

SYMBOL_MAP_CHANGES = Dataset(
    "symbol_map_changes",
    "Changes of the symbol map",
    "venue, instrument, change, day",
    "What changed in each venue's list since the last day before on which it was asked. A day without changes has a "
    "file without rows.",
    (
        _DAY,
        Column("since_timestamp", TIMESTAMP, "Start of the day that it was compared with.", "ns UTC"),
        _EXCHANGE,
        _ID,
        _SYMBOL,
        Column("change", LABEL, "What changed; `expired` is gone as was to be expected.", one_of=CHANGES),
        Column("before", pa.string(), "What stood there; null where there was nothing.", "", True),
        Column("after", pa.string(), "What stands there now; null where it is gone.", "", True),
    ),
    layout="day",
)
