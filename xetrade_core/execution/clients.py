"""From a venue's name and an account's key to a client of its private side: over ccxt's class, or one of our own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from xetrade_core.clock import Clock
from xetrade_core.errors import NotSupported
from xetrade_core.execution.binance import BinanceExecution
from xetrade_core.execution.binance_futures import BinanceCoinmExecution, BinanceUsdmExecution
from xetrade_core.execution.bybit import BybitExecution
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.deribit import DeribitExecution
from xetrade_core.execution.derive import DeriveExecution
from xetrade_core.execution.kucoin import KucoinExecution
from xetrade_core.execution.kucoinfutures import KucoinFuturesExecution
from xetrade_core.execution.max import MaxExecution
from xetrade_core.execution.okx import OkxExecution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.trading.execution import Execution
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.max_client import MaxMarketData
from xetrade_core.venues.max_signing import nonces_of
from xetrade_core.venues.registry import venue as known_venue


class AccountClient(Execution, Protocol):
    """An Execution that also tells what its key may do, and what its venue means by an error."""

    async def permissions(self) -> KeyPermissions:
        """What the venue says the key may do."""
        ...

    def is_unknown_order(self, error: Exception) -> bool:
        """Whether the venue says that it has no such order open."""
        ...


OwnFactory = Callable[[MarketData, str, Credentials, ClientOptions, Clock], AccountClient]
"""From a client of market data, an account's name and key to a client of ours."""


def _max(
    client: MarketData, account: str, credentials: Credentials, options: ClientOptions, clock: Clock
) -> MaxExecution:
    assert isinstance(client, MaxMarketData)
    nonces = nonces_of(credentials.api_key, options.sharing.directory, clock)
    return MaxExecution(client, account, credentials, nonces, clock)


#: over the unmodified ccxt class, by venue id
CCXT_CLIENTS: dict[str, type[CcxtExecution]] = {
    "binance": BinanceExecution,
    "binanceusdm": BinanceUsdmExecution,
    "binancecoinm": BinanceCoinmExecution,
    "bybit": BybitExecution,
    "deribit": DeribitExecution,
    "okx": OkxExecution,
    "kucoin": KucoinExecution,
    "kucoinfutures": KucoinFuturesExecution,
    "derive": DeriveExecution,
}
#: clients of our own, by venue id: for venues that ccxt does not know
OWN_CLIENTS: dict[str, OwnFactory] = {"max": _max}


def tradable_venues() -> tuple[str, ...]:
    """The venues on which orders can be placed."""
    return (*CCXT_CLIENTS, *OWN_CLIENTS)


def signs_with_wallet(venue_id: str) -> bool:
    """Whether an account of that venue is a wallet's: the key is its address, the secret a private key."""
    kind = CCXT_CLIENTS.get(venue_id)
    return kind is not None and kind.wallet


def require_key(venue_id: str, account: str, credentials: Credentials) -> None:
    """Raises ConfigError for a key of a shape that the venue has not."""
    if venue_id in CCXT_CLIENTS:
        CCXT_CLIENTS[venue_id].require_key(account, credentials)


def open_execution(
    venue_id: str, account: str, credentials: Credentials, options: ClientOptions, clock: Clock, rng: random.Random
) -> AccountClient:
    """The private side of one account. Close it after use. Needs a running event loop; asks the venue nothing yet.

    Raises UnknownVenue, VenueRetired, ConfigError, and NotSupported for a venue on which orders cannot be placed yet.
    """
    venue = known_venue(venue_id).require_live()
    kind, own = CCXT_CLIENTS.get(venue_id), OWN_CLIENTS.get(venue_id)
    if own is not None:
        return own(open_client(venue_id, options, clock, rng), account, credentials, options, clock)
    if kind is None:
        raise NotSupported(f"orders cannot be placed on {venue.name}: only on {', '.join(tradable_venues())}")
    require_key(venue_id, account, credentials)
    client = open_client(venue_id, options, clock, rng)
    assert isinstance(client, CcxtMarketData)
    return kind(client, account, credentials, clock)
