"""The admin endpoints of a venue's desk: the truth about an account, and fills on demand.

GET  /admin/account?venue=binance&account=main
POST /admin/fill    {"venue": "binance", "order_id": 1000001, "amount": "0.01"}   without `amount`: all that remains
POST /admin/funding/pay  {"venue": "binanceusdm", "symbol": "BTC/USDT:USDT", "rate": "0.0001"}   rate: as it runs
POST /admin/deliver {"venue": "deribit", "symbol": "BTC/USD:BTC-261225", "price": "60000"}   without `price`: the mark
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue.desk import Account, Desk, DeskOrder
from xetrade_core.simvenue.desk.margin import mark_price
from xetrade_core.simvenue.simulation import Place, Simulation

#: where an account can be asked what was delivered
DELIVERING = ("deribit",)


class FillOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /admin/fill; `amount` is in the units of the order."""

    venue: str
    order_id: int
    amount: Decimal | None = None


class PayFunding(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /admin/funding/pay."""

    venue: str
    symbol: str
    rate: Decimal | None = None


class Deliver(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /admin/deliver; `price` None: the mark. `fee_rate` is of the value at it."""

    venue: str
    symbol: str
    price: Decimal | None = None
    fee_rate: Decimal = Decimal(0)


def describe_account(simulation: Simulation, venue: str, name: str) -> dict[str, object]:
    """Everything that an account owns, asked for and did; amounts as decimal text. Raises ConfigError."""
    desk = _desk(simulation.place(venue))
    account = desk.accounts.get(name)
    if account is None:
        raise ConfigError.of("account", name, f"one of {', '.join(desk.accounts)}")
    mine = [order for order in desk.orders.values() if order.account == name]
    return {
        "balances": {
            currency: {"total": account.ledger.total(currency), "locked": account.ledger.locked(currency)}
            for currency in account.ledger.currencies
        },
        "positions": _positions(account),
        "open_orders": [order.order_id for order in desk.open_orders(account)],
        "orders": [_order(order) for order in mine],
        "fills": [fill for order in mine for fill in order.fills],
        "journal": account.ledger.journal,
        "dead_man": desk.armed(account),
    }


def fill_order(simulation: Simulation, body: FillOrder) -> None:
    """Let somebody hit a resting order. Raises ConfigError or DeskRefusal."""
    desk = _desk(simulation.place(body.venue))
    order = desk.orders.get(body.order_id)
    if order is None:
        raise ConfigError.of("order_id", body.order_id, "an order that the venue has taken")
    lot = order.market.listing.instrument.lot
    if body.amount is not None and (not 0 < body.amount <= order.remaining or body.amount % lot):
        raise ConfigError.of("amount", body.amount, f"a multiple of {lot}, at most the {order.remaining} that remain")
    desk.fill(order, body.amount)


def pay_funding(simulation: Simulation, body: PayFunding) -> None:
    """Let the positions of a perpetual pay a funding now, whatever the time. Raises ConfigError."""
    place = simulation.place(body.venue)
    _desk(place)
    if place.payments is None or body.symbol not in place.venue.funding:
        raise ConfigError.of("symbol", body.symbol, f"a perpetual: {', '.join(place.venue.funding) or 'none here'}")
    now_ns = place.venue_ns(simulation.now_ns)
    place.payments.pay(body.symbol, now_ns // NS_PER_MS, body.rate)


def deliver(simulation: Simulation, body: Deliver) -> None:
    """Let a dated future end now, whatever the time. Raises ConfigError."""
    place = simulation.place(body.venue)
    desk, market = _desk(place), place.venue.markets.get(body.symbol)
    if market is None or market.listing.expiry is None or market.listing.side is not None:
        raise ConfigError.of("symbol", body.symbol, "a dated future that is listed there, such as BTC/USD:BTC-261225")
    if body.venue not in DELIVERING:
        raise ConfigError.of("venue", body.venue, f"one that tells of deliveries here: {', '.join(DELIVERING)}")
    desk.deliver(body.symbol, mark_price(market) if body.price is None else body.price, body.fee_rate)


def _desk(place: Place) -> Desk:
    if place.desk is None:
        raise ConfigError.of("venue", place.name, "a venue that takes orders")
    return place.desk


def _order(order: DeskOrder) -> dict[str, object]:
    ticket = order.ticket
    return {
        "order_id": order.order_id,
        "client_id": ticket.client_id,
        "symbol": order.market.symbol,
        "side": ticket.side.name.lower(),
        "price": ticket.price,
        "amount": order.amount,
        "filled": order.filled,
        "state": order.state,
        "cause": order.cause,
        "created_ns": order.created_ns,
        "updated_ns": order.updated_ns,
    }


def _positions(account: Account) -> list[dict[str, object]]:
    return [
        {"symbol": symbol, "side": side, "quantity": position.quantity, "entry": position.entry}
        for (symbol, side), position in account.positions.items()
        if position.quantity
    ]
