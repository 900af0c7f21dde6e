"""Venue-side dead-man switches: the venue cancels what rests unless this process says again and again that it lives.

For the venues that count down a symbol at a time (Binance's futures). Ending in order disarms, so that orders stay;
ending otherwise, with a dead machine or network, lets the venue cancel them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import structlog

from xetrade_core.assembly.accounts import AccountName
from xetrade_core.assembly.trading import TradingDesk
from xetrade_core.errors import ConfigError, NotSupported, XETradeError
from xetrade_core.trading.execution import ExecutionError

_log = structlog.get_logger(__name__)
LEAST_S = 3.0
_BEATS = 3  # so often in the time that the venue waits


@runtime_checkable
class CountsDown(Protocol):
    """A client of a venue that counts down."""

    async def count_down(self, symbol: str, within_s: float) -> None:
        """Let the venue cancel every order of a symbol in so many seconds unless told again; 0 takes that back."""
        ...


@contextlib.asynccontextmanager
async def dead_man_switches(desk: TradingDesk, within_s: float) -> AsyncIterator[None]:
    """Keep the switches of every symbol with orders at work armed while inside.

    Raises ConfigError for a time that is too short, NotSupported if no account is on a venue that counts down.
    """
    if within_s < LEAST_S:
        raise ConfigError.of("dead man", within_s, f"{LEAST_S:g} seconds or more")
    clients = {name: client for name, client in desk.clients.items() if isinstance(client, CountsDown)}
    if not clients:
        raise NotSupported("none of these accounts is on a venue that counts down to cancel a symbol's orders")
    armed: set[tuple[AccountName, str]] = set()

    async def beat() -> None:
        for name in clients:
            working = await desk.orders.open_orders(venue=name[0], account=name[1])
            armed.update((name, order.intent.symbol) for order in working)
        for name, symbol in sorted(armed):
            try:
                await clients[name].count_down(symbol, within_s)
            except ExecutionError as error:
                _log.warning("dead_man_not_armed", account="/".join(name), symbol=symbol, error=str(error))

    async def keep_beating() -> None:
        while True:
            try:
                await beat()
            except XETradeError as error:  # the store is away: the venue counts on
                _log.warning("dead_man_not_armed", error=str(error))
            await desk.clock.sleep(within_s / _BEATS)

    beating = asyncio.create_task(keep_beating())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        for name, symbol in sorted(armed):
            with contextlib.suppress(ExecutionError):
                await clients[name].count_down(symbol, 0)
