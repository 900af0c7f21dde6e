"""From an execution to the books: money, fees, positions, funding, and what is held for resting orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.desk.accounts import Account
from xetrade_core.simvenue.desk.ledger import Delivered, booked
from xetrade_core.simvenue.desk.margin import contract_notional, settle_of
from xetrade_core.simvenue.desk.words import (
    DeskEvent,
    DeskFill,
    DeskOrder,
    LedgerChanged,
    PositionChanged,
    PositionSide,
)
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market


@dataclass(frozen=True, slots=True)
class Execution:
    """One match as the order sees it: `rate` is the fee's share of the notional."""

    trade_id: int
    price: Decimal
    amount: Decimal
    rate: Decimal
    maker: bool
    now_ns: int


class Books:
    """Books executions into accounts, and tells what changed."""

    def __init__(self, fee_in_quote: bool, tell: Callable[[DeskEvent], None]) -> None:
        self._fee_in_quote = fee_in_quote
        self._tell = tell
        self.fills: list[DeskFill] = []

    def trade(self, account: Account, order: DeskOrder, done: Execution) -> DeskFill:
        """Book one execution; gives the fill as the account sees it."""
        market, ticket = order.market, order.ticket
        self.release(account, order)
        spot = market.listing.instrument.market_type is MarketType.SPOT
        book = self._spot if spot else self._contract
        fee, fee_currency, realized = book(account, order, done)
        if order.state.resting and order.engine_id is not None:
            self.hold(account, order)
        fill = DeskFill(
            done.trade_id,
            order.order_id,
            ticket.client_id,
            account.name,
            market.symbol,
            ticket.side,
            done.price,
            done.amount,
            done.maker,
            fee,
            fee_currency,
            realized,
            done.now_ns,
            ticket.position_side,
        )
        self.fills.append(fill)
        return fill

    def _spot(self, account: Account, order: DeskOrder, done: Execution) -> tuple[Decimal, str, Decimal]:
        market, side, price, amount = order.market, order.ticket.side, done.price, done.amount
        base, quote = market.listing.base, market.listing.quote
        in_quote = self._fee_in_quote or side is Side.SELL
        fee_currency = quote if in_quote else base
        fee = booked((price * amount if in_quote else amount) * done.rate)
        book, reference = account.ledger.book, str(done.trade_id)
        book(done.now_ns, "trade", base, amount * side.sign, market.symbol, reference)
        book(done.now_ns, "trade", quote, -price * amount * side.sign, market.symbol, reference)
        book(done.now_ns, "fee", fee_currency, -fee, market.symbol, reference)
        self._tell(LedgerChanged(account.name, (base, quote), "trade", done.now_ns))
        return fee, fee_currency, Decimal(0)

    def _contract(self, account: Account, order: DeskOrder, done: Execution) -> tuple[Decimal, str, Decimal]:
        market, ticket, price, amount = order.market, order.ticket, done.price, done.amount
        settle = settle_of(market)
        realized = booked(account.position(market, ticket.position_side).trade(amount * ticket.side.sign, price))
        fee = booked(contract_notional(market, amount, price) * done.rate)
        if realized:
            account.ledger.book(done.now_ns, "pnl", settle, realized, market.symbol, str(done.trade_id))
        account.ledger.book(done.now_ns, "fee", settle, -fee, market.symbol, str(done.trade_id))
        self._tell(LedgerChanged(account.name, (settle,), "trade", done.now_ns))
        self._tell(PositionChanged(account.name, market.symbol, ticket.position_side, done.now_ns))
        return fee, settle, realized

    def fund(self, account: Account, market: Market, rate: Decimal, mark: Decimal, reference: str, now_ns: int) -> None:
        """Book one funding of an account's positions in a market."""
        settle = settle_of(market)
        for side in PositionSide:
            position = account.positions.get((market.symbol, side))
            if position is None or not position.quantity:
                continue
            payment = booked(-position.notional(mark).copy_sign(position.quantity) * rate)
            account.ledger.book(now_ns, "funding", settle, payment, market.symbol, reference)
            self._tell(LedgerChanged(account.name, (settle,), "funding", now_ns))

    def deliver(self, account: Account, market: Market, price: Decimal, rate: Decimal, now_ns: int) -> None:
        """Close what an account holds of a contract that has ended, at its delivery price; `rate`: of the fee."""
        settle = settle_of(market)
        for side in PositionSide:
            position = account.positions.get((market.symbol, side))
            if position is None or not position.quantity:
                continue
            closing = -position.quantity
            fee = booked(contract_notional(market, abs(closing), price) * rate)
            profit = booked(position.trade(closing, price))
            done = Delivered(closing, price, fee)
            account.ledger.book(now_ns, "delivery", settle, profit - fee, market.symbol, delivered=done)
            self._tell(LedgerChanged(account.name, (settle,), "delivery", now_ns))
            self._tell(PositionChanged(account.name, market.symbol, side, now_ns))

    def hold(self, account: Account, order: DeskOrder) -> None:
        """Lock what a resting spot order may spend; contracts are checked against margin instead."""
        listing = order.market.listing
        if listing.instrument.market_type is not MarketType.SPOT or order.ticket.price is None:
            return
        buys = order.ticket.side is Side.BUY
        order.locked = order.remaining * order.ticket.price if buys else order.remaining
        account.ledger.lock(listing.quote if buys else listing.base, order.locked)

    def release(self, account: Account, order: DeskOrder) -> None:
        """Unlock what is locked for an order."""
        if order.locked:
            listing = order.market.listing
            account.ledger.lock(listing.quote if order.ticket.side is Side.BUY else listing.base, -order.locked)
            order.locked = Decimal(0)
