"""Dead-man switches of a desk's accounts: the venue cancels what rests unless this process lives.

Switches that count down are told again and again here; those of the connection are the private streams' (see
`following`). Ending in order switches them off, so that orders stay; ending otherwise, with a dead machine or network,
lets the venue cancel them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from xetrade_core.assembly.accounts import AccountName
from xetrade_core.assembly.trading import TradingDesk
from xetrade_core.errors import NotSupported, XETradeError
from xetrade_core.execution.dead_man import CountsDown, DeadMan, dead_man_of
from xetrade_core.telemetry import alarm
from xetrade_core.trading.execution import ExecutionError

_log = structlog.get_logger(__name__)
_BEATS = 3  # so often in the time that the venue waits


def switches(desk: TradingDesk, within_s: float) -> dict[AccountName, DeadMan | None]:
    """The switch of each account's venue; None where it has none, so that orders of that account stay.

    Raises ConfigError for a time that one of the venues does not take, NotSupported if none has a switch.
    """
    found = {name: dead_man_of(client) for name, client in desk.clients.items()}
    if not any(found.values()):
        venues = ", ".join(sorted({desk.plan(*name).venue.name for name in found}))
        raise NotSupported(f"{venues}: no venue there cancels what rests when we fall silent")
    for name, switch in found.items():
        if switch is not None:
            switch.require(desk.plan(*name).venue.name, within_s)
    return found


@contextlib.asynccontextmanager
async def counting_down(desk: TradingDesk, within_s: float) -> AsyncIterator[None]:
    """Keep the switches that count down armed while inside: of accounts, and of every symbol with orders at work."""
    clients = {name: one for name, one in desk.clients.items() if isinstance(one, CountsDown)}
    by_symbol = {name for name in clients if (switch := dead_man_of(desk.clients[name])) and switch.by_symbol}
    armed: dict[AccountName, set[str | None]] = {name: set() if name in by_symbol else {None} for name in clients}
    failing: set[tuple[AccountName, str | None]] = set()

    async def arm(name: AccountName, symbol: str | None) -> None:
        try:
            await clients[name].count_down(symbol, within_s)
            failing.discard((name, symbol))
        except ExecutionError as error:
            if (name, symbol) not in failing:  # once, until it works again
                failing.add((name, symbol))
                _tell_unarmed(name, symbol, error)

    async def look(name: AccountName) -> set[str | None]:
        """The symbols that have orders at work now. A store that is away hides new ones alone: those that are known go
        on being told, as we live."""
        try:
            async with asyncio.timeout(within_s / _BEATS):
                working = await desk.orders.open_orders(venue=name[0], account=name[1])
        except (XETradeError, TimeoutError) as error:
            _log.warning("dead_man_orders_not_known", account="/".join(name), error=str(error) or "no answer in time")
            return set()
        return {order.intent.symbol for order in working}

    async def keep_beating(name: AccountName) -> None:
        while True:
            if name in by_symbol:
                armed[name] |= await look(name)
            await asyncio.gather(*(arm(name, symbol) for symbol in armed[name]))
            await desk.clock.sleep(within_s / _BEATS)

    # Each account on its own: a venue that does not answer must not let the switches of the others fire.
    beating = [asyncio.create_task(keep_beating(name)) for name in clients]
    try:
        yield
    finally:
        for task in beating:
            task.cancel()
        await asyncio.gather(*beating, return_exceptions=True)
        await asyncio.gather(*(_disarm(clients[name], symbol) for name, symbols in armed.items() for symbol in symbols))


async def _disarm(client: CountsDown, symbol: str | None) -> None:
    with contextlib.suppress(ExecutionError):
        await client.count_down(symbol, 0)


def _tell_unarmed(name: AccountName, symbol: str | None, error: ExecutionError) -> None:
    what = "/".join(name) + (f" {symbol}" if symbol else "")
    alarm(
        "dead_man_not_armed",
        f"the dead-man switch of {what} could not be told that we live: {error}; what rests may be canceled, or not be "
        "protected",
        venue=name[0],
        account=name[1],
        symbol=symbol,
    )
