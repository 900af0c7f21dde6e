"""What ccxt.pro itself gets wrong for a while, so that no test takes it for a fault of ours or of the simulation."""

from __future__ import annotations

import asyncio
from typing import Any

#: ccxt 4.5.90 compares the id of a KuCoin future's book with the message's *timestamp* (kucoin.py, handle_order_book),
#: so it also applies messages that its snapshot has already: until those are through, its id and book lie behind.
_BEHIND_S = {"kucoinfutures": 0.5}


async def past_its_snapshot(exchange: Any, venue: str, symbol: str) -> None:
    """Watch a book until what is older than its snapshot has gone through; returns at once where ccxt leaves it out."""
    if venue not in _BEHIND_S:
        return
    await exchange.watch_order_book(symbol)
    loop = asyncio.get_running_loop()
    end = loop.time() + _BEHIND_S[venue]
    while loop.time() < end:
        await exchange.watch_order_book(symbol)
