"""What a venue checks before it takes an order: steps, limits, and whether the account can pay for it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.accounts import Account
from xetrade_core.simvenue.desk.words import DeskOrder, DeskRefusal, RefusalKind, Ticket
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market


def check_ticket(market: Market, ticket: Ticket) -> Decimal:
    """The amount of a ticket that keeps the instrument's steps and limits. Raises DeskRefusal."""
    instrument = market.listing.instrument
    amount, price = ticket.amount, ticket.price
    if amount is None or not amount.is_finite() or amount <= 0 or amount % instrument.lot:
        raise DeskRefusal(RefusalKind.BAD_AMOUNT, f"{amount} is not a multiple of {instrument.lot}")
    if price is not None and (not price.is_finite() or price <= 0 or price % instrument.price_tick):
        raise DeskRefusal(RefusalKind.BAD_PRICE, f"{price} is not a multiple of {instrument.price_tick}")
    if instrument.min_amount is not None and amount < instrument.min_amount:
        raise DeskRefusal(RefusalKind.TOO_SMALL, f"{amount} is less than {instrument.min_amount}")
    if instrument.max_amount is not None and amount > instrument.max_amount:
        raise DeskRefusal(RefusalKind.TOO_LARGE, f"{amount} is more than {instrument.max_amount}")
    if instrument.min_notional is not None and not ticket.reduce_only:
        worth = amount * instrument.contract_size * (price or reference_price(market, ticket.side))
        if worth < instrument.min_notional:
            raise DeskRefusal(RefusalKind.NOTIONAL, f"{worth} is less than {instrument.min_notional}")
    return amount


def lots_for_quote(market: Market, ticket: Ticket) -> Decimal:
    """The amount that a quote amount pays for at once, rounded down to the lot. Raises DeskRefusal."""
    instrument = market.listing.instrument
    left = ticket.quote_amount or Decimal(0)
    amount = Decimal(0)
    levels = market.levels.asks(1 << 30) if ticket.side is Side.BUY else market.levels.bids(1 << 30)
    for ticks, lots in levels:
        price = ticks * instrument.price_tick
        taken = min(lots * instrument.lot, (left / price).quantize(instrument.lot, ROUND_DOWN))
        amount += taken
        left -= taken * price
        if taken < lots * instrument.lot:
            break
    if amount <= 0:
        raise DeskRefusal(RefusalKind.TOO_SMALL, f"{ticket.quote_amount} buys less than a lot")
    return amount


def reference_price(market: Market, side: Side) -> Decimal:
    """The touch that an order of that side would meet. Raises DeskRefusal when there is none."""
    ticks = market.levels.best_ask if side is Side.BUY else market.levels.best_bid
    if ticks is None:
        raise DeskRefusal(RefusalKind.BUSY, "nobody is on the other side")
    return ticks * market.listing.instrument.price_tick


def mark_price(market: Market) -> Decimal:
    """The mark of the simulated venues: the mid of the book, or the side that there is."""
    bid, ask = market.levels.best_bid, market.levels.best_ask
    sides = [ticks for ticks in (bid, ask) if ticks is not None] or [market.listing.start_ticks]
    return sum(sides) * market.listing.instrument.price_tick / len(sides)


def require_funds(
    account: Account, market: Market, ticket: Ticket, amount: Decimal, others: Iterable[DeskOrder], fee: Decimal
) -> None:
    """Raise DeskRefusal if the account cannot pay: the whole on spot, the margin on contracts."""
    if market.listing.instrument.market_type is MarketType.SPOT:
        _require_spot(account, market, ticket, amount)
    elif not ticket.reduce_only:
        _require_margin(account, market, ticket, amount, others, fee)


def _require_spot(account: Account, market: Market, ticket: Ticket, amount: Decimal) -> None:
    if ticket.side is Side.SELL:
        currency, needed = market.listing.base, amount
    else:
        currency, needed = market.listing.quote, amount * (ticket.price or _worst_price(market, amount))
    if account.ledger.free(currency) < needed:
        raise DeskRefusal(
            RefusalKind.INSUFFICIENT_FUNDS, f"{needed} {currency} needed, {account.ledger.free(currency)} free"
        )


def _worst_price(market: Market, amount: Decimal) -> Decimal:
    """The price of the last level that a market buy of that amount would reach."""
    instrument = market.listing.instrument
    left, price = amount, reference_price(market, Side.BUY)
    for ticks, lots in market.levels.asks(1 << 30):
        price = ticks * instrument.price_tick
        left -= lots * instrument.lot
        if left <= 0:
            break
    return price


def _require_margin(
    account: Account, market: Market, ticket: Ticket, amount: Decimal, others: Iterable[DeskOrder], fee: Decimal
) -> None:
    settle = market.listing.settle or market.listing.quote
    price = ticket.price or reference_price(market, ticket.side)
    used = Decimal(0)
    equity = account.ledger.free(settle)
    for (symbol, _), position in account.positions.items():
        held = market if symbol == market.symbol else None
        if held is not None and position.quantity:
            used += position.notional(mark_price(held))
            equity += position.unrealized(mark_price(held))
    for order in others:
        if order.market.listing.settle == settle and not order.ticket.reduce_only:
            used += contract_notional(order.market, order.remaining, order.ticket.price or mark_price(order.market))
    wanted = contract_notional(market, amount, price)
    needed = (used + wanted) / account.leverage + wanted * fee
    if needed > equity:
        raise DeskRefusal(RefusalKind.INSUFFICIENT_FUNDS, f"{needed} {settle} of margin needed, {equity} there")


def contract_notional(market: Market, amount: Decimal, price: Decimal) -> Decimal:
    """The worth of so many contracts in settlement currency."""
    size = amount * market.listing.instrument.contract_size
    return size / price if market.listing.settle == market.listing.base else size * price
