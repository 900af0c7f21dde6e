"""Positions out of the order store, kept up to date: each fill counted once, in the order of its time at the venue."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import XETradeError
from xetrade_core.model.orders import Fill
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.trading.reader import OrderReader

#: fills received so long ago are looked at again: another process may have committed them late
LOOK_BACK_NS = 60 * NS_PER_S


class UnknownSize(XETradeError):
    """An instrument has fills, and nothing tells what a contract of it is worth."""

    def __init__(self, venue: str, symbol: str) -> None:
        super().__init__(f"{symbol} on {venue} has fills in the order store, and nothing tells its contract size")
        self.venue = venue


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose positions in what; None: all. With `client_id`, what one order alone has made."""

    venue: str | None = None
    account: str | None = None
    symbols: tuple[str, ...] | None = None
    strategy: str | None = None
    client_id: str | None = None


EVERYTHING = Selection()


class FillLedger:
    """The positions that the fills of a store make. A fill that comes late, or whose order is found late, is put where
    it belongs by reading everything anew."""

    def __init__(
        self, reader: OrderReader, selection: Selection = EVERYTHING, method: LotMethod = LotMethod.AVERAGE
    ) -> None:
        """Empty until `refresh`. `sizes` may be filled by whoever knows contract sizes (by venue and symbol), for
        instruments that no order of ours was placed in."""
        self.sizes: dict[tuple[str, str], Decimal] = {}
        self._reader = reader
        self._selection = selection
        self._method = method
        self._terms: dict[tuple[str, str], Decimal] = {}
        self._begin()

    def _begin(self) -> None:
        self.book = PositionBook(self._payout, self._method)
        self.last_fill: dict[Holder, int] = {}
        self._seen: dict[tuple[str, str, str, str], tuple[int, str]] = {}
        self._newest_ns = 0

    def refresh(self) -> int:
        """Take in what the store has got since; how many fills were new. Raises StoreUnavailable, UnknownSize."""
        since_ns = max(self._newest_ns - LOOK_BACK_NS, 0)
        fresh: list[tuple[Fill, str]] = []
        for fill, strategy in self._read(since_ns):
            known = self._seen.get(fill.identity)
            if known is None:
                fresh.append((fill, strategy))
            elif known[1] != strategy:
                return self._anew()
        if any(self._is_late(fill, strategy) for fill, strategy in fresh):
            return self._anew()
        self._take(fresh)
        self._seen = {key: (at_ns, who) for key, (at_ns, who) in self._seen.items() if at_ns >= since_ns}
        return len(fresh)

    def _anew(self) -> int:
        """Everything from the start."""
        self._begin()
        return self._take(list(self._read(0)))

    def _read(self, from_ns: int) -> list[tuple[Fill, str]]:
        one = self._selection
        return list(
            self._reader.traded(
                from_ns=from_ns,
                venue=one.venue,
                account=one.account,
                symbols=one.symbols,
                strategy=one.strategy,
                client_id=one.client_id,
            )
        )

    def _is_late(self, fill: Fill, strategy: str) -> bool:
        return _time(fill) < self.last_fill.get(_holder(fill, strategy), 0)

    def _take(self, fills: list[tuple[Fill, str]]) -> int:
        with localcontext(stream_context()):
            for fill, strategy in fills:
                self.book.fill(fill, strategy)
                self._seen[fill.identity] = (fill.received_ns, strategy)
                self.last_fill[_holder(fill, strategy)] = _time(fill)
                self._newest_ns = max(self._newest_ns, fill.received_ns)
        return len(fills)

    def _payout(self, venue: str, symbol: str) -> Payout:
        key = (venue, symbol)
        if key not in self._terms:
            self._terms = {known: terms.size for known, terms in self._reader.terms().items()}
        size = self._terms.get(key) or self.sizes.get(key)
        if size is None:
            raise UnknownSize(venue, symbol)
        return Payout.of_symbol(symbol, size)


def _time(fill: Fill) -> int:
    return fill.exchange_ns or fill.received_ns


def _holder(fill: Fill, strategy: str) -> Holder:
    return Holder(fill.venue, fill.account, fill.symbol, strategy)
