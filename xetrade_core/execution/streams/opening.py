"""From an account's client to its private stream."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from xetrade_core.clock import Clock
from xetrade_core.errors import NotSupported
from xetrade_core.execution.streams.binance import BinanceCoinmStream, BinanceSpotStream, BinanceUsdmStream
from xetrade_core.execution.streams.bybit import BybitStream
from xetrade_core.execution.streams.deribit import DeribitStream
from xetrade_core.execution.streams.derive import DeriveStream
from xetrade_core.execution.streams.kucoin import KucoinFuturesStream, KucoinStream
from xetrade_core.execution.streams.max import MaxStream
from xetrade_core.execution.streams.okx import OkxStream
from xetrade_core.execution.streams.stream import PrivateStream, Tell, Working
from xetrade_core.execution.streams.words import StreamWords
from xetrade_core.trading.execution import Execution

#: by venue id
_WORDS: dict[str, Callable[[Any], StreamWords]] = {
    "binance": BinanceSpotStream,
    "binanceusdm": BinanceUsdmStream,
    "binancecoinm": BinanceCoinmStream,
    "bybit": BybitStream,
    "deribit": DeribitStream,
    "okx": OkxStream,
    "kucoin": KucoinStream,
    "kucoinfutures": KucoinFuturesStream,
    "max": MaxStream,
    "derive": DeriveStream,
}


def streamed_venues() -> tuple[str, ...]:
    """The venues whose private streams can be followed."""
    return tuple(_WORDS)


def open_stream(
    venue_id: str,
    account: str,
    execution: Execution,
    tell: Tell,
    working: Working,
    clock: Clock,
    rng: random.Random,
    *,
    testnet: bool = False,
    ws_url: str | None = None,
    guard_s: float | None = None,
    symbols: Iterable[str] = (),
) -> PrivateStream:
    """The private stream of the account of a client, which is to be of that venue. See `PrivateStream`.

    Raises NotSupported for a venue whose stream cannot be followed.
    """
    words = _WORDS.get(venue_id)
    if words is None:
        raise NotSupported(f"{venue_id} has no private stream here: only {', '.join(_WORDS)}")
    name = f"{account} on {venue_id}"
    return PrivateStream(
        words(execution),
        execution,
        tell,
        working,
        clock,
        rng,
        name=name,
        testnet=testnet,
        ws_url=ws_url,
        guard_s=guard_s,
        symbols=symbols,
    )
