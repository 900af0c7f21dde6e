"""With which price, and for how much in fees, an order of Derive is signed.

The venue takes a buy up to a price above the mark, and a sell down to one below it, which it tells with the ticker; and
charges the rate of the index price and a base fee. Sources: docs.derive.xyz, "public/get_ticker", "private/order" and
"Trading fees" (2026-11).
"""

from __future__ import annotations

import asyncio
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from xetrade_core.clock import NS_PER_S
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.raw import Row, needed_number, number
from xetrade_core.model.orders import ZERO, Intent, Side
from xetrade_core.trading.execution import ExecutionError, NotSent

_INDEX_KEPT_NS = 600 * NS_PER_S
_FEE_ROOM = 3  # so many times what the schedule comes to, as the index moves until an order trades
_WAY = Decimal("0.75")  # of that from the mark to the furthest price, as both move until the order arrives
_PRICES = ("I", "M", "minp", "maxp")
_SIX = Decimal("0.000001")


class OrderPrices:
    """What is known of the prices that orders are signed with; the index price is asked for every ten minutes."""

    def __init__(self, execution: CcxtExecution) -> None:
        self._execution = execution
        self._indices: dict[str, tuple[int, Decimal]] = {}  # by symbol, and when they were told (monotonic)
        self._asking = asyncio.Lock()

    async def of(self, intent: Intent) -> tuple[Decimal, Decimal]:
        """The limit price of an order, and the index price. Raises NotSent."""
        if intent.price is None:
            ticker = await self._ticker(intent.symbol)
            mark, furthest = ticker["M"], ticker["maxp" if intent.side is Side.BUY else "minp"]
            return mark + (furthest - mark) * _WAY, ticker["I"]
        async with self._asking:  # many orders that come at once ask once
            known_ns, index = self._indices.get(intent.symbol, (0, None))
            if index is None or self._execution.clock.monotonic_ns() - known_ns >= _INDEX_KEPT_NS:
                index = (await self._ticker(intent.symbol))["I"]
        return intent.price, index

    async def _ticker(self, symbol: str) -> dict[str, Decimal]:
        """Index price, mark price, and the lowest and the highest that an order may be signed with."""
        what = f"price of {symbol}"
        try:
            reply = await self._execution.once(
                what,
                lambda ccxt: ccxt.public_post_get_ticker({"instrument_name": ccxt.market_id(symbol)}),
                symbol=symbol,
            )
            with self._execution.reading(what):
                found = {name: needed_number(reply["result"], name) for name in _PRICES}
        except NotSent:
            raise
        except ExecutionError as error:
            raise NotSent(f"order of {symbol}: it is signed with a price, and {error}") from None
        self._indices[symbol] = self._execution.clock.monotonic_ns(), found["I"]
        return found


def fee_cap(row: Row, index: Decimal, amount: Decimal) -> Decimal:
    """The most that an order of an instrument (its row) may be charged a unit, with room above the schedule."""
    rate = max(needed_number(row, "taker_fee_rate"), needed_number(row, "maker_fee_rate"))
    base = number(row, "base_fee") or ZERO
    return (_FEE_ROOM * (rate * index + base / amount)).quantize(_SIX, ROUND_UP)


def on_tick(row: Row, side: Side, price: Decimal) -> Decimal:
    """A price that nobody has asked for, moved to the instrument's tick and never further from the mark."""
    tick = needed_number(row, "tick_size")
    return (price / tick).to_integral_value(ROUND_DOWN if side is Side.BUY else ROUND_UP) * tick
