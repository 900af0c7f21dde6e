"""Trades that a private stream names without saying what they cost: asked for over REST until the venue lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.execution.streams.words import TradeToAskFor
from xetrade_core.model.orders import Fill
from xetrade_core.trading.execution import Execution, ExecutionError

_EARLIER_NS = NS_PER_S  # the clock of the venue's stream and that of its list of trades need not agree to the digit
_WAIT_S, _LONGEST_S = 0.1, 10.0
_GIVEN_UP_NS = 3600 * NS_PER_S  # a venue that has not listed a trade by then never will
_log = structlog.get_logger(__name__)


class TradesDue:
    """What is asked for. A trade is asked for until it is there, ever more seldom, and for an hour at most: then only a
    reconciliation tells."""

    def __init__(self, execution: Execution, clock: Clock, tell: Callable[[Fill], Awaitable[None]]) -> None:
        self._execution, self._clock, self._tell = execution, clock, tell
        self._due: dict[str, dict[str, tuple[int, int]]] = {}  # symbol: trade id: when it was, asked for since when
        self._some = asyncio.Event()

    def add(self, trade: TradeToAskFor) -> None:
        """Ask for one."""
        since_ns = self._clock.monotonic_ns()
        self._due.setdefault(trade.symbol, {}).setdefault(trade.trade_id, (trade.at_ns, since_ns))
        self._some.set()

    async def run(self) -> None:
        """Ask for what is due, for ever. An error of the venue's is no reason to stop: the next time it may tell."""
        wait_s = _WAIT_S
        while True:
            await self._some.wait()
            await self._clock.sleep(wait_s)
            found = [await self._asked(symbol) for symbol in list(self._due)]
            wait_s = _WAIT_S if any(found) else min(_LONGEST_S, wait_s * 2)
            if not self._due:
                self._some.clear()
                wait_s = _WAIT_S

    async def _asked(self, symbol: str) -> bool:
        """Whether the venue listed any that was due."""
        due = self._due[symbol]
        earliest_ns = min(at_ns for at_ns, _ in due.values())
        try:
            fills = await self._execution.fills_since(symbol, earliest_ns - _EARLIER_NS)
        except ExecutionError:
            return False
        listed = [fill for fill in fills if fill.trade_id in due]
        for fill in listed:
            await self._tell(fill)
            due.pop(fill.trade_id, None)  # of a trade of the account with itself two are listed
        for trade_id, (_, since_ns) in list(due.items()):
            if self._clock.monotonic_ns() - since_ns >= _GIVEN_UP_NS:
                _log.warning("trade_never_listed", symbol=symbol, trade=trade_id)
                del due[trade_id]
        if not due:
            self._due.pop(symbol, None)
        return bool(listed)
