"""What a venue checks before it takes an order: steps, limits, and whether the account can pay for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.accounts import Account
from xetrade_core.simvenue.desk.margin import bound, contract_notional, margin, settle_of
from xetrade_core.simvenue.desk.words import DeskOrder, DeskRefusal, RefusalKind, Ticket
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market


def check_ticket(market: Market, ticket: Ticket) -> Decimal:
    """The amount of a ticket that keeps the instrument's steps and limits. Raises DeskRefusal."""
    instrument = market.listing.instrument
    amount, price = ticket.amount, ticket.price
    if amount is None or not amount.is_finite() or amount <= 0 or not _fits(amount, instrument.lot):
        raise DeskRefusal(RefusalKind.BAD_AMOUNT, f"{amount} is not a multiple of {instrument.lot}")
    if price is not None and not (price.is_finite() and price > 0 and _fits(price, instrument.price_tick)):
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


def _fits(value: Decimal, step: Decimal) -> bool:
    """Whether it is a multiple, however many: `%` refuses to tell beyond the digits of the decimal context."""
    return (value / step).to_integral_value() * step == value


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


def require_funds(
    account: Account,
    market: Market,
    markets: Mapping[str, Market],
    ticket: Ticket,
    others: Sequence[DeskOrder],
    fee: Decimal,
) -> None:
    """Raise DeskRefusal if the account cannot pay: the whole on spot, the margin on contracts.

    `ticket.amount` is what is still to trade; `others` are the account's other open orders.
    """
    if market.listing.instrument.market_type is MarketType.SPOT:
        _require_spot(account, market, ticket, ticket.amount or Decimal(0))
    elif not ticket.reduce_only:
        _require_margin(account, market, markets, ticket, others, fee)


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
    account: Account,
    market: Market,
    markets: Mapping[str, Market],
    ticket: Ticket,
    others: Sequence[DeskOrder],
    fee: Decimal,
) -> None:
    settle = settle_of(market)
    now = margin(account, markets, others, settle)
    after = sum(
        part.initial
        for (symbol, _), part in bound(account, markets, others, ticket).items()
        if settle_of(markets[symbol]) == settle
    )
    price = ticket.price or reference_price(market, ticket.side)
    needed = after + contract_notional(market, ticket.amount or Decimal(0), price) * fee
    if after > now.initial and needed > now.equity:
        raise DeskRefusal(RefusalKind.INSUFFICIENT_FUNDS, f"{needed} {settle} of margin needed, {now.equity} there")
