"""Best bid and ask across venues: who holds it, and whose quotes count.

Quotes are compared only for one and the same universal symbol, which names one base, quote, settlement and multiplier
(1000PEPE and PEPE are two). Sizes are in base currency, since a contract of one venue is not one of another.

A quote that is not beyond doubt does not count, and says why: its book is out of sync, it is older than the limit, or
it is crossed within itself. So where best bid and ask cross, they are of two venues: an opportunity, or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from xetrade_core.books.impact import BPS
from xetrade_core.books.sequencer import BookSequencer
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.model.contracts import SPOT, Contract
from xetrade_core.model.quotes import BookSnapshot, Quote


class Exclusion(StrEnum):
    """Why a venue's quote does not count."""

    OUT_OF_SYNC = "out of sync"
    STALE = "stale"
    CROSSED = "crossed within the venue"
    EMPTY = "empty"


class MarketState(StrEnum):
    """How best bid and best ask stand to each other."""

    NORMAL = "normal"
    LOCKED = "locked"  # equal, on two venues
    CROSSED = "crossed"  # the bid is above the ask, on two venues
    ONE_SIDED = "one-sided"
    EMPTY = "empty"

    @classmethod
    def of(cls, bid: float | None, ask: float | None) -> MarketState:
        """The state of a best bid and ask; a side that is missing is None."""
        if bid is None or ask is None:
            return cls.EMPTY if bid is ask else cls.ONE_SIDED
        if bid < ask:
            return cls.NORMAL
        return cls.LOCKED if bid == ask else cls.CROSSED


class VenueQuote(msgspec.Struct, frozen=True, gc=False):
    """One venue's best bid and ask, sizes in base currency; a side that is empty is None.

    `age_s` is the time since the venue's last word on it, None before the first. `excluded` is None where it counts.
    """

    venue: str
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    age_s: float | None
    excluded: Exclusion | None = None

    @property
    def spread_bps(self) -> float | None:
        """Ask less bid against mid, in basis points."""
        return spread_bps(self.bid, self.ask)


class BestQuote(msgspec.Struct, frozen=True, gc=False):
    """The best of several venues at one moment.

    `bid_venues` hold `bid`, the largest size first, equal sizes in the order they were asked in; `bid_size` is what
    they bid together, in base currency. None and () where nobody bids. `quotes` are all venues', in the order asked.
    """

    symbol: str
    bid: float | None
    bid_size: float | None
    bid_venues: tuple[str, ...]
    ask: float | None
    ask_size: float | None
    ask_venues: tuple[str, ...]
    quotes: tuple[VenueQuote, ...]

    @property
    def spread_bps(self) -> float | None:
        """Best ask less best bid against their mid, in basis points; negative where the market is crossed."""
        return spread_bps(self.bid, self.ask)

    @property
    def state(self) -> MarketState:
        """Crossed and locked markets are flagged here."""
        return MarketState.of(self.bid, self.ask)


def spread_bps(bid: float | None, ask: float | None) -> float | None:
    """Ask less bid against mid, in basis points; None where a side is missing."""
    return None if bid is None or ask is None else (ask - bid) / (ask + bid) * 2 * BPS


def best_quote(symbol: str, quotes: Sequence[VenueQuote]) -> BestQuote:
    """The best among the quotes that count."""
    bid = ask = None
    for one in quotes:
        if one.excluded is None:
            if one.bid is not None and (bid is None or one.bid > bid):
                bid = one.bid
            if one.ask is not None and (ask is None or one.ask < ask):
                ask = one.ask
    counted = [one for one in quotes if one.excluded is None]
    bidders = _largest_first([(one.bid_size, one.venue) for one in counted if bid is not None and one.bid == bid])
    askers = _largest_first([(one.ask_size, one.venue) for one in counted if ask is not None and one.ask == ask])
    return BestQuote(symbol, bid, *bidders, ask, *askers, tuple(quotes))


def _largest_first(holders: list[tuple[float | None, str]]) -> tuple[float | None, tuple[str, ...]]:
    """What the holders of a price offer together, and who they are."""
    if len(holders) == 1:
        return holders[0][0], (holders[0][1],)
    holders.sort(key=lambda holder: -(holder[0] or 0.0))
    return sum(size or 0.0 for size, _ in holders) if holders else None, tuple(venue for _, venue in holders)


def judged(quote: Quote, now_ns: int, staleness_limit_s: float, contract: Contract = SPOT) -> VenueQuote:
    """A quote as it was received, with its age at `now_ns` and the verdict on it."""
    age_s = max(max(0, now_ns - quote.received_ns) / NS_PER_S, quote.stale_s or 0.0)
    bid, ask = quote.bid, quote.ask
    return VenueQuote(
        quote.venue,
        bid,
        None if bid is None or quote.bid_size is None else contract.base(bid, quote.bid_size),
        ask,
        None if ask is None or quote.ask_size is None else contract.base(ask, quote.ask_size),
        age_s,
        _doubt(bid, ask, age_s, staleness_limit_s),
    )


def _doubt(bid: float | None, ask: float | None, age_s: float, limit_s: float) -> Exclusion | None:
    """What keeps a quote that is in sync from counting."""
    if age_s > limit_s:
        return Exclusion.STALE
    if bid is None or ask is None:
        return Exclusion.EMPTY if bid is ask else None
    return Exclusion.CROSSED if bid >= ask else None


def across(
    quotes: Iterable[Quote], now_ns: int, staleness_limit_s: float, contracts: Mapping[str, Contract] | None = None
) -> BestQuote:
    """The best of quotes of one symbol. `contracts` values their sizes, by venue; spot where it names none.

    Raises ConfigError where there is no quote, or they are of several symbols or twice of one venue.
    """
    rows, known = list(quotes), contracts or {}
    return best_quote(
        one_symbol(rows), [judged(one, now_ns, staleness_limit_s, known.get(one.venue, SPOT)) for one in rows]
    )


def one_symbol(given: Sequence[Quote | BookSnapshot]) -> str:
    """The symbol of all of them: one symbol has one multiplier. ConfigError for none, several, or a venue twice."""
    symbols, venues = {one.symbol for one in given}, [one.venue for one in given]
    if len(symbols) != 1:
        raise ConfigError.of("symbols", sorted(symbols), "quotes or books of one symbol, at least one")
    if len(set(venues)) != len(venues):
        raise ConfigError.of("venues", venues, "each venue once")
    return symbols.pop()


@dataclass(slots=True)
class LiveBook:
    """One venue's book of the symbol, as its feed keeps it."""

    venue: str
    sequencer: BookSequencer
    contract: Contract = SPOT
    _worth: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._worth = float(self.contract.size)

    def quote(self, now_ns: int, staleness_limit_s: float) -> VenueQuote:
        """Its best bid and ask at this moment. Costs some 2 microseconds: nothing but the touch is looked at."""
        sequencer = self.sequencer
        received_ns = sequencer.received_ns
        age_s = None if received_ns is None else max(0, now_ns - received_ns) / NS_PER_S
        if not sequencer.synced or age_s is None:
            return VenueQuote(self.venue, None, None, None, None, age_s, Exclusion.OUT_OF_SYNC)
        bid, bid_size = sequencer.book.bids.touch() or (None, 0.0)
        ask, ask_size = sequencer.book.asks.touch() or (None, 0.0)
        worth, inverse = self._worth, self.contract.inverse
        return VenueQuote(
            self.venue,
            bid,
            None if bid is None else bid_size * worth / bid if inverse else bid_size * worth,
            ask,
            None if ask is None else ask_size * worth / ask if inverse else ask_size * worth,
            age_s,
            _doubt(bid, ask, age_s, staleness_limit_s),
        )


class LiveBest:
    """The best quote of one symbol over the books of running feeds, whenever it is asked for."""

    def __init__(self, symbol: str, books: Iterable[LiveBook], staleness_limit_s: float) -> None:
        """Raises ConfigError where a book is of another symbol, or there is none."""
        self.symbol = symbol
        self._books = tuple(books)
        self._limit_s = staleness_limit_s
        others = sorted({one.sequencer.symbol for one in self._books} - {symbol})
        if others or not self._books:
            raise ConfigError.of("books", others, f"books of {symbol}, at least one")

    def at(self, now_ns: int) -> BestQuote:
        """The best at `now_ns`, the wall clock."""
        return best_quote(self.symbol, [book.quote(now_ns, self._limit_s) for book in self._books])
