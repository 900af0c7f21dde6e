"""Positions out of the order store, kept up to date: each fill and each funding payment counted once, in the order of
their times at the venue."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import XETradeError
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import exact_sum, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import Position
from xetrade_core.trading.fundings import count_fundings, read_fundings
from xetrade_core.trading.reader import OrderReader

#: fills received so long ago are looked at again: another process may have committed them late
LOOK_BACK_NS = 60 * NS_PER_S

Held = tuple[str, str, str]
"""Venue, account and symbol."""


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

    @property
    def whole_accounts(self) -> bool:
        """Whether it leaves nothing out of the accounts that it holds, so that they can be compared with the venue."""
        return self.symbols is None and self.strategy is None and self.client_id is None


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
        self._last: dict[Held, int] = {}
        self._seen: dict[tuple[str, str, str, str], tuple[int, str]] = {}
        self._paid: set[tuple[str, str, str, str]] = set()
        self._counted = self._taken = 0
        self._newest_ns = 0

    @property
    def positions(self) -> dict[Holder, Position[Decimal]]:
        """The positions that are selected. A funding is shared by all strategies of an account, so all are kept."""
        wanted = self._selection.strategy
        held = self.book.positions
        return {holder: one for holder, one in held.items() if wanted in (None, holder.strategy)}

    def amounts(self, venue: str, account: str) -> dict[str, Decimal]:
        """What an account holds of each symbol, all strategies together; what is flat is left out."""
        held: dict[str, list[Decimal]] = {}
        for holder, position in self.book.positions.items():
            if (holder.venue, holder.account) == (venue, account):
                held.setdefault(holder.symbol, []).append(position.quantity)
        return {symbol: total for symbol, parts in held.items() if (total := exact_sum(parts))}

    def refresh(self, *, deep: bool = True) -> int:
        """Take in what the store has got since; how many fills were new. Raises StoreUnavailable, UnknownSize.

        Unless `deep` it looks only for fills that were received after those that are known: cheap enough to be done
        many times a second. What was committed late waits for the next deep look.
        """
        since_ns = max(self._newest_ns - LOOK_BACK_NS, 0) if deep else self._newest_ns
        fresh: list[tuple[Fill | FundingPayment, str]] = []
        for fill, strategy in self._read(since_ns):
            known = self._seen.get(fill.identity)
            if known is None:
                fresh.append((fill, strategy))
            elif known[1] != strategy:
                return self._anew()
        payments = self._payments() if deep else []
        paid = [(payment, "") for payment in payments if payment.identity not in self._paid]
        fresh = sorted([*fresh, *paid], key=_order) if paid else fresh
        if any(_time(event) < self._last.get(_held(event), 0) for event, _ in fresh):
            return self._anew()
        self._take(fresh)
        if deep:
            self._seen = {key: (at_ns, who) for key, (at_ns, who) in self._seen.items() if at_ns >= since_ns}
        return len(fresh) - len(paid)

    def _anew(self) -> int:
        """Everything from the start."""
        self._begin()
        fills = self._read(0)
        self._take(sorted([*fills, *((payment, "") for payment in self._payments())], key=_order))
        return len(fills)

    def _read(self, from_ns: int) -> list[tuple[Fill, str]]:
        one = self._selection
        return list(
            self._reader.traded(
                from_ns=from_ns,
                venue=one.venue,
                account=one.account,
                symbols=one.symbols,
                client_id=one.client_id,
            )
        )

    def _payments(self) -> list[FundingPayment]:
        """All funding payments if there are new ones; none of an order alone: it is the position that pays."""
        one = self._selection
        if one.client_id is not None:
            return []
        self._counted = count_fundings(self._reader)
        if self._counted == self._taken:
            return []
        return read_fundings(self._reader, venue=one.venue, account=one.account, symbols=one.symbols)

    def _take(self, events: list[tuple[Fill | FundingPayment, str]]) -> None:
        with localcontext(stream_context()):
            for event, strategy in events:
                if isinstance(event, FundingPayment):
                    for holder, part in self.book.shares(event):
                        self.book.fund(holder, part)
                    self._paid.add(event.identity)
                else:
                    self.book.fill(event, strategy)
                    self._seen[event.identity] = (event.received_ns, strategy)
                    self._newest_ns = max(self._newest_ns, event.received_ns)
                self._last[_held(event)] = _time(event)
        self._taken = self._counted

    def _payout(self, venue: str, symbol: str) -> Payout:
        key = (venue, symbol)
        if key not in self._terms:
            self._terms = {known: terms.size for known, terms in self._reader.terms().items()}
        size = self._terms.get(key) or self.sizes.get(key)
        if size is None:
            raise UnknownSize(venue, symbol)
        return Payout.of_symbol(symbol, size)


def _time(event: Fill | FundingPayment) -> int:
    return event.at_ns if isinstance(event, FundingPayment) else event.exchange_ns or event.received_ns


def _order(event: tuple[Fill | FundingPayment, str]) -> tuple[int, bool]:
    """By time; at the same time fills come first. Sorting keeps the order of fills among themselves."""
    return _time(event[0]), isinstance(event[0], FundingPayment)


def _held(event: Fill | FundingPayment) -> Held:
    return (event.venue, event.account, event.symbol)
