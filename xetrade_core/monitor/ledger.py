"""Positions out of the order store, kept up to date: each fill and each funding payment counted once, in the order of
their times at the venue.

A fill that a venue's private stream tells of is counted before the store has it, and not again when it has: who follows
the accounts for the store may be another process, or nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import XETradeError
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import ZERO, Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import exact_sum, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import Position
from xetrade_core.trading.bell import StoreBell
from xetrade_core.trading.fundings import count_fundings, read_fundings
from xetrade_core.trading.reader import OrderReader

#: fills received so long ago are looked at again: another process may have committed them late
LOOK_BACK_NS = 60 * NS_PER_S

Held = tuple[str, str, str]
"""Venue, account and symbol."""
Identity = tuple[str, str, str, str]
"""Those and the venue's id of the trade."""


class UnknownSize(XETradeError):
    """An instrument has fills, and nothing tells what a contract of it is worth."""

    def __init__(self, venue: str, symbol: str) -> None:
        super().__init__(f"{symbol} on {venue} has fills in the order store, and nothing tells its contract size")
        self.venue = venue
        self.symbol = symbol


@dataclass(frozen=True, slots=True)
class Selection:
    """Whose positions in what; None: all. With `client_id`, what one order alone has made."""

    venue: str | None = None
    account: str | None = None
    symbols: tuple[str, ...] | None = None
    strategy: str | None = None
    client_id: str | None = None

    def has(self, fill: Fill) -> bool:
        """Whether a fill is of what it selects, as far as the fill itself tells."""
        return (
            self.venue in (None, fill.venue)
            and self.account in (None, fill.account)
            and (self.symbols is None or fill.symbol in self.symbols)
        )

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
        """Empty until `refresh`. `left_out` are instruments (venue and symbol) whose fills wait for a contract size: no
        order of ours was placed in them."""
        self.left_out: set[tuple[str, str]] = set()
        self._sizes: dict[tuple[str, str], Decimal] = {}
        self._reader = reader
        self._bell = StoreBell(reader)
        self._selection = selection
        self._method = method
        self._terms: dict[tuple[str, str], Decimal] = {}
        self._ahead: dict[Identity, tuple[Fill, str]] = {}
        self._begin()

    def _begin(self) -> None:
        self.book = PositionBook(self._payout, self._method)
        self._last: dict[Held, tuple[Any, ...]] = {}
        self._seen: dict[Identity, tuple[int, str, int]] = {}
        self._paid: set[tuple[str, str, str, str]] = set()
        self._counted = self._taken = 0
        self._newest_ns = 0
        self._whole = True  # whether everything that was read has been counted

    @property
    def positions(self) -> dict[Holder, Position[Decimal]]:
        """The positions that are selected. A funding is shared by all strategies of an account, so all are kept."""
        wanted = self._selection.strategy
        held = self.book.positions
        return {holder: one for holder, one in held.items() if wanted in (None, holder.strategy)}

    @property
    def listen_every_s(self) -> float:
        """How often to listen whether something was committed."""
        return self._bell.every_s

    async def rang(self) -> bool:
        """Whether something may have been committed to the store since it was last asked. Raises StoreUnavailable."""
        return await self._bell.rang()

    def rest(self) -> None:
        """Listen no more."""
        self._bell.close()

    @property
    def ahead(self) -> int:
        """How many fills are counted that the store has not got yet."""
        return len(self._ahead)

    @property
    def whole_accounts(self) -> bool:
        """Whether nothing of the accounts in it is left out."""
        return self._selection.whole_accounts

    def know(self, sizes: Mapping[tuple[str, str], Decimal]) -> bool:
        """Take contract sizes (by venue and symbol) from elsewhere; whether something is left out no more, and counted
        by the next `refresh`."""
        self._sizes |= sizes
        found = self.left_out & sizes.keys()
        self.left_out -= found
        self._whole &= not found
        return bool(found)

    def leave_out(self, unknown: UnknownSize) -> None:
        """Count all but the fills of an instrument, until its contract size is known."""
        self.left_out.add((unknown.venue, unknown.symbol))
        self._whole = False

    def amounts(self, venue: str, account: str, *, told: bool = False) -> dict[str, Decimal]:
        """What the store says that an account holds of each contract, all strategies together; what is flat is left
        out. With `told` also what venues have told and the store has not got yet."""
        held: dict[str, list[Decimal]] = {}
        for holder, position in self.book.positions.items():
            if (holder.venue, holder.account) == (venue, account):
                held.setdefault(holder.symbol, []).append(position.quantity)
        for fill, _ in () if told else self._ahead.values():
            if (fill.venue, fill.account) == (venue, account) and self._counts(fill):
                held.setdefault(fill.symbol, []).append(-fill.amount if fill.side is Side.BUY else fill.amount)
        return {symbol: total for symbol, parts in held.items() if (total := exact_sum(parts))}

    def refresh(self, heard: Collection[Fill] = (), *, deep: bool = True) -> int:
        """Take in what the store has got since, and the fills that private streams told of; how many fills were new.
        Raises StoreUnavailable, UnknownSize: then it is to be called again, with the same fills.

        Unless `deep` it looks only for fills that were received after those that are known: cheap enough to be done
        whenever something was committed. What was committed late waits for the next deep look.
        """
        if not self._whole:
            return self._anew(heard)
        since_ns = max(self._newest_ns - LOOK_BACK_NS, 0) if deep else self._newest_ns
        fresh: list[tuple[Fill | FundingPayment, str]] = []
        for fill, strategy in self._read(since_ns):
            early = self._ahead.pop(fill.identity, None)
            if early is not None and (_said(early[0]) != _said(fill) or self._shares_moment(fill)):
                return self._anew(heard)  # the store says otherwise, or has it in another place among others
            known = self._seen.get(fill.identity)
            if known is None:
                fresh.append((fill, strategy))
            elif known[1] != strategy:
                return self._anew(heard)
        early_ones = self._first_heard(heard, {fill.identity for fill, _ in fresh if isinstance(fill, Fill)})
        payments = self._payments() if deep else []
        paid = [(payment, "") for payment in payments if payment.identity not in self._paid]
        fresh = sorted([*fresh, *early_ones, *paid], key=_order) if paid or early_ones else fresh
        if any(_order(event) < self._last.get(_held(event[0]), ()) for event in fresh):
            return self._anew()
        self._take(fresh)
        if deep:
            self._seen = {key: one for key, one in self._seen.items() if one[0] >= since_ns or key in self._ahead}
        return len(fresh) - len(paid)

    def _anew(self, heard: Collection[Fill] = ()) -> int:
        """Everything from the start."""
        self._begin()
        fills = self._read(0)
        stored = {fill.identity for fill, _ in fills}
        self._first_heard(heard, stored)
        self._ahead = {key: one for key, one in self._ahead.items() if key not in stored}
        fills += [one for one in self._ahead.values() if self._counts(one[0])]
        self._take(sorted([*fills, *((payment, "") for payment in self._payments())], key=_order))
        return len(fills)

    def _first_heard(self, heard: Collection[Fill], coming: set[Identity]) -> list[tuple[Fill, str]]:
        """The fills that only the streams have told of so far, as they happened, each with the strategy of its order.
        `coming` are those that the store has just told of."""
        found: dict[Identity, tuple[Fill, str]] = {}
        wanted = self._selection
        for fill in heard:
            if not wanted.has(fill) or fill.identity in self._seen or fill.identity in coming:
                continue
            if self._reader.has_fill(fill):
                continue  # the next look brings it
            client_id, strategy = self._reader.owner(fill)
            if wanted.client_id in (None, client_id):
                found[fill.identity] = (fill, strategy)
        self._ahead |= found
        return [one for one in found.values() if self._counts(one[0])]

    def _counts(self, event: Fill | FundingPayment) -> bool:
        """Whether it is of what is not left out."""
        return (event.venue, event.symbol) not in self.left_out

    def _shares_moment(self, fill: Fill) -> bool:
        """Whether another fill of the same position has the same time, so that their order is the store's to say."""
        mine, at_ns = fill.identity, _time(fill)
        return any(key[:3] == mine[:3] and one[2] == at_ns for key, one in self._seen.items() if key != mine)

    def _read(self, from_ns: int) -> list[tuple[Fill, str]]:
        one = self._selection
        traded = self._reader.traded(
            from_ns=from_ns,
            venue=one.venue,
            account=one.account,
            symbols=one.symbols,
            client_id=one.client_id,
        )
        return [row for row in traded if self._counts(row[0])]

    def _payments(self) -> list[FundingPayment]:
        """All funding payments if there are new ones; none of an order alone: it is the position that pays."""
        one = self._selection
        if one.client_id is not None:
            return []
        self._counted = count_fundings(self._reader)
        if self._counted == self._taken:
            return []
        paid = read_fundings(self._reader, venue=one.venue, account=one.account, symbols=one.symbols)
        return [payment for payment in paid if self._counts(payment)]

    def _take(self, events: list[tuple[Fill | FundingPayment, str]]) -> None:
        self._whole = False
        with localcontext(stream_context()):
            for event, strategy in events:
                if isinstance(event, FundingPayment):
                    for holder, part in self.book.shares(event):
                        self.book.fund(holder, part, event.currency)
                    self._paid.add(event.identity)
                else:
                    self.book.fill(event, strategy)
                    self._seen[event.identity] = (event.received_ns, strategy, _time(event))
                    self._newest_ns = max(self._newest_ns, event.received_ns)
                self._last[_held(event)] = _order((event, strategy))
        self._taken = self._counted
        self._whole = True

    def _payout(self, venue: str, symbol: str) -> Payout:
        key = (venue, symbol)
        if key not in self._terms:
            self._terms = {known: terms.size for known, terms in self._reader.terms().items()}
        size = self._terms.get(key) or self._sizes.get(key)
        if size is None:
            raise UnknownSize(venue, symbol)
        return Payout.of_symbol(symbol, size)


def _time(event: Fill | FundingPayment) -> int:
    return event.at_ns if isinstance(event, FundingPayment) else event.exchange_ns or event.received_ns


def _order(one: tuple[Fill | FundingPayment, str]) -> tuple[Any, ...]:
    """By time; at the same time fills come first, in the order in which the store gives them."""
    event = one[0]
    if isinstance(event, FundingPayment):
        return _time(event), True
    return _time(event), False, event.received_ns, len(event.trade_id), event.trade_id


def _held(event: Fill | FundingPayment) -> Held:
    return (event.venue, event.account, event.symbol)


def _said(fill: Fill) -> tuple[object, ...]:
    """What of a fill its position is made of."""
    return fill.side, fill.price, fill.amount, fill.fee or ZERO, fill.fee_currency, fill.exchange_ns
