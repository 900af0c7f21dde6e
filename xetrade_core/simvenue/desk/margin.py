"""What positions and open orders of contracts bind of an account's money, currency by currency. Cross margin only.

The initial margin of one position follows Binance's rule, which the others' come close to: orders bind margin on the
side on which they would make the position larger, max(|position + bids|, |position - asks|) / leverage; a reduce-only
order binds none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.simvenue.desk.accounts import Account
from xetrade_core.simvenue.desk.words import DeskOrder, PositionSide, Ticket
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

ZERO = Decimal(0)
DOLLARS = ("USDT", "USDC", "USD")
MAINTENANCE = Decimal("0.004")  # share of the notional, whatever its size


def settle_of(market: Market) -> str:
    """The currency that a contract is paid in."""
    return market.listing.settle or market.listing.quote


def mark_price(market: Market) -> Decimal:
    """The mark of the simulated venues: the mid of the book, or the side that there is."""
    bid, ask = market.levels.best_bid, market.levels.best_ask
    sides = [ticks for ticks in (bid, ask) if ticks is not None] or [market.listing.start_ticks]
    return sum(sides) * market.listing.instrument.price_tick / len(sides)


def dollars(markets: Mapping[str, Market], currency: str) -> Decimal:
    """What one unit of a currency is worth, by the marks of the markets that are simulated; 0 where none tells."""
    if currency in DOLLARS:
        return Decimal(1)
    for market in markets.values():
        if market.listing.base == currency and market.listing.quote in DOLLARS:
            return mark_price(market)
    return ZERO


def contract_notional(market: Market, amount: Decimal, price: Decimal) -> Decimal:
    """The worth of so many contracts in settlement currency."""
    size = amount * market.listing.instrument.contract_size
    return size / price if market.listing.settle == market.listing.base else size * price


@dataclass(frozen=True, slots=True)
class Bound:
    """What one position and its orders come to: notionals signed, positive for long; margins in settlement currency."""

    notional: Decimal = ZERO
    bids: Decimal = ZERO
    asks: Decimal = ZERO
    unrealized: Decimal = ZERO
    leverage: int = 1

    @property
    def initial(self) -> Decimal:
        """Of the position and its orders together."""
        return max(abs(self.notional + self.bids), abs(self.notional - self.asks)) / self.leverage

    @property
    def position_initial(self) -> Decimal:
        """Of the position alone."""
        return abs(self.notional) / self.leverage

    @property
    def maintenance(self) -> Decimal:
        """What it must not fall below."""
        return abs(self.notional) * MAINTENANCE


@dataclass(frozen=True, slots=True)
class Margin:
    """One currency of an account: what is owned, what open positions would bring, and what is bound."""

    wallet: Decimal
    unrealized: Decimal
    initial: Decimal
    position_initial: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """What is owned if every position were closed at its mark."""
        return self.wallet + self.unrealized

    @property
    def free(self) -> Decimal:
        """What a new order may bind."""
        return max(ZERO, self.equity - self.initial)


def bound(
    account: Account, markets: Mapping[str, Market], orders: Iterable[DeskOrder], more: Ticket | None = None
) -> dict[tuple[str, PositionSide], Bound]:
    """What binds margin, by symbol and position; `more` is an order that has not been taken yet."""
    sides: defaultdict[tuple[str, PositionSide], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    wanted = [(order.ticket, order.remaining) for order in orders]
    if more is not None and more.amount is not None:
        wanted.append((more, more.amount))
    for ticket, amount in wanted:
        market = markets[ticket.symbol]
        if market.listing.settle is not None and not ticket.reduce_only:
            price = ticket.price or mark_price(market)
            side = sides[ticket.symbol, ticket.position_side]
            side[0 if ticket.side is Side.BUY else 1] += contract_notional(market, amount, price)
    held = {key for key, position in account.positions.items() if position.quantity}
    return {key: _bound(account, markets[key[0]], key, *sides[key]) for key in held | set(sides)}


def _bound(account: Account, market: Market, key: tuple[str, PositionSide], bids: Decimal, asks: Decimal) -> Bound:
    leverage = account.leverage_of(market.symbol)
    position = account.positions.get(key)
    if position is None or not position.quantity:
        return Bound(bids=bids, asks=asks, leverage=leverage)
    mark = mark_price(market)
    notional = position.notional(mark).copy_sign(position.quantity)
    return Bound(notional, bids, asks, position.unrealized(mark), leverage)


def margin(account: Account, markets: Mapping[str, Market], orders: Iterable[DeskOrder], currency: str) -> Margin:
    """One currency of an account."""
    parts = [
        part for (symbol, _), part in bound(account, markets, orders).items() if settle_of(markets[symbol]) == currency
    ]
    return Margin(
        account.ledger.total(currency),
        sum((part.unrealized for part in parts), ZERO),
        sum((part.initial for part in parts), ZERO),
        sum((part.position_initial for part in parts), ZERO),
        sum((part.maintenance for part in parts), ZERO),
    )


def liquidation_price(
    account: Account, markets: Mapping[str, Market], orders: Iterable[DeskOrder], market: Market
) -> Decimal | None:
    """The mark of one contract at which the account's equity in its settlement currency is no more than what must be
    maintained, the other marks as they are; None if no price does that.

    Both positions of hedge mode count. With q contracts of size m in all, g of them without sign, and A what is above
    the maintenance of everything else: A + q m (P - mark) = g m r P, and of inverse ones
    A + q m (1/mark - 1/P) = g m r / P.
    """
    held = margin(account, markets, orders, settle_of(market))
    mine = [one for (symbol, _), one in account.positions.items() if symbol == market.symbol and one.quantity]
    if not mine:
        return None
    mark = mark_price(market)
    size = market.listing.instrument.contract_size
    signed = sum((one.quantity for one in mine), ZERO) * size
    maintained = sum((abs(one.quantity) for one in mine), ZERO) * size * MAINTENANCE
    own = sum((one.notional(mark) for one in mine), ZERO) * MAINTENANCE
    above = held.equity - (held.maintenance - own)
    if market.listing.settle == market.listing.base:
        over, under = signed + maintained, above + signed / mark
    else:
        over, under = above - signed * mark, maintained - signed
    price = over / under if under else ZERO
    return price if price > ZERO else None
