"""What is traded: an instrument of one venue, named by its universal symbol (ccxt's unified symbol)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class MarketType(StrEnum):
    """Kinds of market, in ccxt's words."""

    SPOT = "spot"
    SWAP = "swap"
    FUTURE = "future"
    OPTION = "option"


class InstrumentStatus(StrEnum):
    """Whether an instrument can be traded now, the same words for every venue."""

    TRADING = "trading"
    HALTED = "halted"  # listed, but no order is taken for now: a break, an auction, a suspension
    CANCEL_ONLY = "cancel_only"  # orders can be cancelled, not placed
    PRE_LAUNCH = "pre_launch"  # announced, not traded yet
    SETTLING = "settling"  # at or past its expiry
    DELISTED = "delisted"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of one venue.

    `symbol` is universal (`BTC/USDT`, `BTC/USDT:USDT`); `venue_id` is what the venue calls it (`BTCUSDT`, `BTC-USDT-
    SWAP`). `price_tick` is in quote currency; `lot` in base currency for spot and in contracts otherwise;
    `contract_size` in base currency (linear) or quote currency (inverse), 1 for spot. `min_amount` and `max_amount`
    are in the unit of `lot`, `min_notional` and `max_notional` (of an order with a price) in quote currency, and
    `max_usd` is the most that such an order may be worth where the venue says that in US dollars. `max_market_amount`,
    `max_market_notional` and `max_market_usd` are the same of a market order, which must keep `max_amount` too. None
    where the venue states none.
    """

    venue: str
    symbol: str
    venue_id: str
    market_type: MarketType
    price_tick: Decimal
    lot: Decimal
    contract_size: Decimal = Decimal(1)
    status: InstrumentStatus = InstrumentStatus.TRADING
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None
    max_usd: Decimal | None = None
    max_market_amount: Decimal | None = None
    max_market_notional: Decimal | None = None
    max_market_usd: Decimal | None = None


def symbol_slug(symbol: str) -> str:
    """The universal symbol as a path part: `BTC/USDT:USDT` -> `BTC-USDT_USDT`."""
    return symbol.replace("/", "-").replace(":", "_")


def slug_symbol(slug: str) -> str:
    """The inverse of `symbol_slug`: `BTC-USDT_USDT` -> `BTC/USDT:USDT`."""
    return slug.replace("-", "/", 1).replace("_", ":", 1)
