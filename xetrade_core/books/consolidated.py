"""One book out of several venues' books of a symbol: each level with who offers how much.

Sizes are in base currency, as in `best`. A venue's word ends with its last level, so the joint book is complete only as
far as the nearest of these ends: `bid_known` and `ask_known` count the levels of which no venue's share can be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from xetrade_core.books.best import MarketState, one_symbol
from xetrade_core.model.contracts import SPOT, Contract
from xetrade_core.model.quotes import BookSnapshot, Level

Share = tuple[str, float]
"""A venue and the base currency that it offers at a level."""


@dataclass(frozen=True, slots=True)
class ConsolidatedLevel:
    """A price with what all venues offer there together; `shares` by venue, the largest first."""

    price: float
    size: float
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class ConsolidatedBook:
    """The joint book, best first. `bid_known` and `ask_known` leading levels are complete."""

    symbol: str
    venues: tuple[str, ...]
    bids: tuple[ConsolidatedLevel, ...]
    asks: tuple[ConsolidatedLevel, ...]
    bid_known: int
    ask_known: int

    @property
    def state(self) -> MarketState:
        """Whether the venues' markets are crossed or locked against each other."""
        return MarketState.of(
            self.bids[0].price if self.bids else None,
            self.asks[0].price if self.asks else None,
        )

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Bids and asks as (price, base size): what `price_impact` walks, as if all venues were one."""
        return [(one.price, one.size) for one in self.bids], [(one.price, one.size) for one in self.asks]


def consolidate(
    books: Sequence[BookSnapshot], depth: int, contracts: Mapping[str, Contract] | None = None
) -> ConsolidatedBook:
    """The best `depth` levels a side of all books together. `contracts` values sizes by venue; spot where unnamed.

    Raises ConfigError where there is no book, or they are of several symbols or twice of one venue.
    """
    symbol = one_symbol(books)
    known = contracts or {}
    bids, bid_known = _joined([(one.venue, one.bids, known.get(one.venue, SPOT)) for one in books], depth, -1)
    asks, ask_known = _joined([(one.venue, one.asks, known.get(one.venue, SPOT)) for one in books], depth, 1)
    return ConsolidatedBook(symbol, tuple(one.venue for one in books), bids, asks, bid_known, ask_known)


def _joined(
    sides: Iterable[tuple[str, Sequence[Level], Contract]], depth: int, direction: int
) -> tuple[tuple[ConsolidatedLevel, ...], int]:
    """One side of all venues, and how many of its levels lie within every venue's last one. `direction`: 1 for asks."""
    offers: list[tuple[float, float, str]] = []
    reach = float("inf")
    for venue, levels, contract in sides:
        offers += [(price * direction, contract.base(price, size), venue) for price, size in levels]
        reach = min(reach, levels[-1][0] * direction if levels else -float("inf"))
    offers.sort(key=itemgetter(0))
    joined: list[ConsolidatedLevel] = []
    known = 0
    for rank, group in groupby(offers, key=itemgetter(0)):
        if len(joined) == depth:
            break
        shares = sorted(((venue, size) for _, size, venue in group), key=lambda share: -share[1])
        joined.append(ConsolidatedLevel(rank * direction, sum(size for _, size in shares), tuple(shares)))
        known += rank <= reach
    return tuple(joined), known
