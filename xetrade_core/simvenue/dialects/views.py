"""What a channel of a fixed number of levels shows of a book: levels enter and leave it without changing themselves."""

from __future__ import annotations

from xetrade_core.simvenue.levels import Levels
from xetrade_core.simvenue.market import Flush


def visible(levels: Levels, depth: int) -> set[int] | None:
    """The signed prices of the best `depth` levels a side; None = all there are."""
    if len(levels.bid_prices) <= depth and len(levels.ask_prices) <= depth:
        return None
    return {*levels.bid_prices[-depth:], *(-price for price in levels.ask_prices[:depth])}


def net_changes(levels: Levels, flush: Flush, shown: set[int] | None, view: set[int] | None) -> list[tuple[int, int]]:
    """What leads from what was `shown` to the `view` of now: (signed price, lots), bids first, best first."""
    changes = dict(flush.changes)
    now = set(levels.sizes) if view is None else view
    before = set(levels.sizes) | set(changes) if shown is None else shown
    touched = (before ^ now) | {price for price in changes if price in now}
    return [(price, levels.sizes[price] if price in now else 0) for price in sorted(touched, reverse=True)]
