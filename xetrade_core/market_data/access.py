"""How venues are reached: handed in from above, so that nothing here reads settings and tests bring their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from xetrade_core.clock import Clock
from xetrade_core.feeds.feed import Feed
from xetrade_core.venues.market_data import MarketData


@dataclass(frozen=True, slots=True)
class Access:
    """`client` opens a venue's client by its id; `feed` opens the feed of one pair, by venue id, pair and depth.

    A pair is in any form that `resolve_symbol` reads. `client` raises what `open_market_data` does, `feed` what
    `open_feed` does.
    """

    client: Callable[[str], MarketData]
    feed: Callable[[str, str, int], Awaitable[Feed]]
    clock: Clock
