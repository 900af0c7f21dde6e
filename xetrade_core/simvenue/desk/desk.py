"""The trading desk of one simulated venue: it takes tickets, matches them against the market, and books what follows.

Everything is immediate and single-threaded: when `place` returns, the order has traded what it could. Fills that come
later, when the market's own activity or another account hits a resting order, reach the listeners the same way.
Sources of the rules: each venue's documentation of orders; what differs between venues stands in `DeskRules`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from xetrade_core.simvenue.desk.accounts import Account, AccountConfig, ApiKey
from xetrade_core.simvenue.desk.booking import Books, Execution
from xetrade_core.simvenue.desk.checks import check_ticket, lots_for_quote, require_funds
from xetrade_core.simvenue.desk.words import (
    Cause,
    DeskEvent,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    OrderChanged,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.engine import Trade
from xetrade_core.simvenue.market import Market

_SCOPE_ALL = ""


def _nothing(subject: object) -> None:
    """What comes before an order or a cancel unless somebody wants something."""


@dataclass(frozen=True, slots=True)
class DeskRules:
    """What differs between venues.

    `unique_client_ids`: "always", "open" (among resting orders only) or "never". `fee_in_quote`: spot fees are always
    taken in quote currency, not in what is received. `maker_fee` and `taker_fee` are shares of the notional.
    `history_s`: how far back ended orders and fills can be asked for. `refuses_unfilled`: a fill-or-kill order that
    would not trade wholly is refused; otherwise it is taken and expires. `takes_crossing_post_only`: a post-only order
    that would take is taken and canceled at once; otherwise it is refused.
    """

    unique_client_ids: str = "open"
    fee_in_quote: bool = False
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    history_s: float = 7 * 86_400.0
    refuses_unfilled: bool = False
    takes_crossing_post_only: bool = False
    first_order_id: int = 1_000_000


class Desk:
    """All accounts and private orders of one venue."""

    def __init__(
        self,
        markets: Iterable[Market],
        accounts: dict[str, AccountConfig],
        rules: DeskRules,
        now_ns: int,
    ) -> None:
        self.rules = rules
        self.now_ns = now_ns
        self.markets = {market.symbol: market for market in markets}
        self.accounts = {name: Account(name, config, now_ns) for name, config in accounts.items()}
        self.orders: dict[int, DeskOrder] = {}
        self._keys = {key.key: (account, key) for account in self.accounts.values() for key in account.keys}
        self._by_client: dict[tuple[str, str], list[DeskOrder]] = {}
        self._resting: dict[tuple[str, int], DeskOrder] = {}  # (symbol, engine id)
        self._last_order_id = rules.first_order_id
        self._dead_man: dict[tuple[str, str], int] = {}
        self._listeners: list[Callable[[DeskEvent], None]] = []
        self._books = Books(rules.fee_in_quote, self._tell)
        self.before_place: Callable[[str], None] = _nothing  # of a symbol; may raise DeskRefusal
        self.before_cancel: Callable[[DeskOrder], None] = _nothing
        for market in self.markets.values():
            market.engine.on_trade = lambda trade, market=market: self._market_traded(market, trade)

    # --- who --------------------------------------------------------------------------------------------------------

    def key(self, key: str) -> tuple[Account, ApiKey] | None:
        """The account and key that a client names itself by; None for a key that was never issued."""
        return self._keys.get(key)

    def listen(self, listener: Callable[[DeskEvent], None]) -> None:
        """Call `listener` for everything that happens from now on, at once and in order."""
        self._listeners.append(listener)

    # --- orders -----------------------------------------------------------------------------------------------------

    def place(self, account: Account, ticket: Ticket) -> DeskOrder:
        """Take an order and match it. Raises DeskRefusal, and nothing has happened."""
        market = self.market(ticket.symbol)
        if market.delivered:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL, ticket.symbol)
        self.before_place(ticket.symbol)
        if ticket.client_id is not None:
            self._require_unique(account, ticket.client_id)
        if ticket.amount is None and ticket.quote_amount is not None:
            amount = lots_for_quote(market, ticket)
        else:
            amount = check_ticket(market, ticket)
        self._require_reducing(account, market, ticket, amount)
        self._require_style(market, ticket, amount)
        self._require_funds(account, market, replace(ticket, amount=amount), self.open_orders(account))
        self._last_order_id += 1
        order = DeskOrder(self._last_order_id, account.name, ticket, market, amount, self.now_ns, self.now_ns)
        self.orders[order.order_id] = order
        if ticket.client_id is not None:
            self._by_client.setdefault((account.name, ticket.client_id), []).append(order)
        self._match(account, order)
        return order

    def cancel(self, account: Account, order: DeskOrder, cause: Cause = Cause.USER) -> DeskOrder:
        """Take an order out of the book. Raises DeskRefusal when it is not in there any more."""
        if order.engine_id is not None:
            self.before_cancel(order)
        if not order.state.resting or order.engine_id is None:
            raise DeskRefusal(RefusalKind.NOT_OPEN, f"order {order.order_id} is {order.state}")
        order.market.engine.cancel(order.engine_id)
        self._end(account, order, State.EXPIRED if cause is Cause.DEAD_MAN else State.CANCELED, cause)
        return order

    def cancel_all(self, account: Account, symbol: str | None = None, cause: Cause = Cause.USER) -> list[DeskOrder]:
        """Cancel the open orders of one symbol, or all; gives those that it was in time for."""
        ended = []
        for order in self.open_orders(account, symbol):
            with contextlib.suppress(DeskRefusal):
                ended.append(self.cancel(account, order, cause))
        return ended

    def amend(
        self, account: Account, order: DeskOrder, price: Decimal | None = None, amount: Decimal | None = None
    ) -> DeskOrder:
        """Change price or total amount in place, under the same ids; it loses its place in the queue.

        Raises DeskRefusal; the order then rests as before.
        """
        if not order.state.resting or order.engine_id is None:
            raise DeskRefusal(RefusalKind.NOT_OPEN, f"order {order.order_id} is {order.state}")
        was = order.ticket
        ticket = replace(was, amount=order.amount if amount is None else amount, price=price or was.price)
        total = check_ticket(order.market, ticket)
        if total <= order.filled:
            raise DeskRefusal(RefusalKind.BAD_AMOUNT, f"{total} is not more than the {order.filled} that have traded")
        others = [one for one in self.open_orders(account) if one is not order]
        self._require_style(order.market, ticket, total - order.filled)
        self._books.release(account, order)
        try:
            self._require_funds(account, order.market, replace(ticket, amount=total - order.filled), others)
        except DeskRefusal:
            self._books.hold(account, order)
            raise
        order.market.engine.cancel(order.engine_id)
        self._resting.pop((order.market.symbol, order.engine_id), None)
        order.ticket, order.amount, order.engine_id, order.updated_ns = ticket, total, None, self.now_ns
        order.amendments += 1
        self._match(account, order)
        return order

    def by_id(self, account: Account, order_id: int) -> DeskOrder:
        """An order of the account that the venue still knows. Raises DeskRefusal."""
        order = self.orders.get(order_id)
        if order is None or order.account != account.name or self._forgotten(order):
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER, f"no order {order_id}")
        return order

    def by_client_id(self, account: Account, client_id: str) -> DeskOrder:
        """The newest order of that client id. Raises DeskRefusal."""
        orders = self._by_client.get((account.name, client_id), [])
        if not orders or self._forgotten(orders[-1]):
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER, f"no order with client id {client_id}")
        return orders[-1]

    def open_orders(self, account: Account, symbol: str | None = None) -> list[DeskOrder]:
        """What rests, oldest first."""
        mine = [order for order in self._resting.values() if order.account == account.name]
        chosen = [order for order in mine if symbol in (None, order.market.symbol)]
        return sorted(chosen, key=lambda order: order.order_id)

    def history(self, account: Account, symbol: str | None = None) -> list[DeskOrder]:
        """Every order that the venue still knows, oldest first."""
        return [
            order
            for order in self.orders.values()
            if order.account == account.name and symbol in (None, order.market.symbol) and not self._forgotten(order)
        ]

    def fills(self, account: Account, symbol: str | None = None) -> list[DeskFill]:
        """Every fill that the venue still knows, oldest first."""
        since_ns = self.now_ns - round(self.rules.history_s * 1e9)
        return [
            fill
            for fill in self._books.fills
            if fill.account == account.name and symbol in (None, fill.symbol) and fill.time_ns >= since_ns
        ]

    def market(self, symbol: str) -> Market:
        """The market of a universal symbol. Raises DeskRefusal."""
        try:
            return self.markets[symbol]
        except KeyError:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL, symbol) from None

    # --- what else happens ------------------------------------------------------------------------------------------

    def fill(self, order: DeskOrder, amount: Decimal | None = None) -> None:
        """Let somebody hit a resting order at its price, wholly or in part, whatever else rests before it."""
        if order.engine_id is None:
            raise DeskRefusal(RefusalKind.NOT_OPEN, f"order {order.order_id} is {order.state}")
        lot = order.market.listing.instrument.lot
        lots = int((order.remaining if amount is None else amount) / lot)
        order.market.trades.append(order.market.engine.hit(order.engine_id, max(1, lots)))

    def pay_funding(self, symbol: str, rate: Decimal, mark: Decimal, reference: str) -> None:
        """Settle one funding: longs pay `rate` x notional at mark when the rate is positive."""
        market = self.market(symbol)
        for account in self.accounts.values():
            self._books.fund(account, market, rate, mark, reference, self.now_ns)

    def deliver(self, symbol: str, price: Decimal, fee_rate: Decimal) -> None:
        """End a dated contract: its orders are canceled, and what is held of it is closed at the delivery price."""
        market = self.market(symbol)
        market.delivered = True
        for account in self.accounts.values():
            self.cancel_all(account, symbol, Cause.DELIVERED)
            self._books.deliver(account, market, price, fee_rate, self.now_ns)

    def arm_dead_man(self, account: Account, seconds: float, symbol: str | None = None) -> None:
        """Cancel everything (of a symbol) unless armed again in time; 0 disarms."""
        scope = (account.name, symbol or _SCOPE_ALL)
        if seconds <= 0:
            self._dead_man.pop(scope, None)
        else:
            self._dead_man[scope] = self.now_ns + round(seconds * 1e9)

    def armed(self, account: Account) -> dict[str, int]:
        """When the account's dead-man switches fire, by symbol ("": of everything)."""
        return {symbol: at_ns for (name, symbol), at_ns in self._dead_man.items() if name == account.name}

    def turn(self, now_ns: int) -> None:
        """Once a tick: time moves on, dead-man switches fire."""
        self.now_ns = now_ns
        for scope, at_ns in [*self._dead_man.items()]:
            if at_ns <= now_ns:
                del self._dead_man[scope]
                self.cancel_all(self.accounts[scope[0]], scope[1] or None, Cause.DEAD_MAN)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _tell(self, event: DeskEvent) -> None:
        for listener in self._listeners:
            listener(event)

    def _require_funds(self, account: Account, market: Market, ticket: Ticket, others: list[DeskOrder]) -> None:
        require_funds(account, market, self.markets, ticket, others, self.rules.taker_fee)

    def _require_unique(self, account: Account, client_id: str) -> None:
        rule = self.rules.unique_client_ids
        known = self._by_client.get((account.name, client_id), [])
        if (rule == "always" and known) or (rule == "open" and any(order.state.resting for order in known)):
            raise DeskRefusal(RefusalKind.DUPLICATE_CLIENT_ID, client_id)

    def _require_reducing(self, account: Account, market: Market, ticket: Ticket, amount: Decimal) -> None:
        if not ticket.reduce_only:
            return
        held = account.position(market, ticket.position_side).quantity
        if held * ticket.side.sign >= 0 or amount > abs(held):
            raise DeskRefusal(RefusalKind.REDUCE_ONLY, f"{amount} {ticket.side} would not reduce a position of {held}")

    def _require_style(self, market: Market, ticket: Ticket, amount: Decimal) -> None:
        if ticket.price is None:
            return
        at_once = market.takeable(ticket.side, int(ticket.price / market.listing.instrument.price_tick))
        if ticket.time_in_force is TimeInForce.POST_ONLY and at_once and not self.rules.takes_crossing_post_only:
            raise DeskRefusal(RefusalKind.WOULD_TAKE, f"{ticket.price} would take")
        kills = ticket.time_in_force is TimeInForce.FOK and at_once * market.listing.instrument.lot < amount
        if kills and self.rules.refuses_unfilled:
            raise DeskRefusal(RefusalKind.WOULD_NOT_FILL, f"{amount} is not to be had at {ticket.price}")

    def _match(self, account: Account, order: DeskOrder) -> None:
        """Send the remainder into the engine, book what it trades, and say what became of it."""
        market, ticket = order.market, order.ticket
        instrument = market.listing.instrument
        lots = int(order.remaining / instrument.lot)
        ticks = None if ticket.price is None else int(ticket.price / instrument.price_tick)
        kills = ticket.time_in_force is TimeInForce.FOK and ticks is not None
        if ticks is not None and ticket.time_in_force is TimeInForce.POST_ONLY and market.takeable(ticket.side, ticks):
            self._tell(OrderChanged(account.name, order, None, self.now_ns))
            self._end(account, order, State.CANCELED, Cause.WOULD_TAKE)
            return
        if kills and market.takeable(ticket.side, ticks or 0) < lots:
            self._tell(OrderChanged(account.name, order, None, self.now_ns))
            self._end(account, order, State.EXPIRED, Cause.NO_COUNTERPART)
            return
        if ticks is None:
            _, trades = market.engine.market(ticket.side, lots)
        else:
            engine_id, trades = market.engine.limit(ticket.side, ticks, lots, owned=True)
            if market.engine.order(engine_id) is not None:
                order.engine_id = engine_id
                self._resting[market.symbol, engine_id] = order
                self._books.hold(account, order)
        self._tell(OrderChanged(account.name, order, None, self.now_ns))  # now that what it may spend is locked
        market.trades.extend(trades)
        for trade in trades:
            self._filled(account, order, trade, maker=False)
        if order.state is State.FILLED:
            return
        if ticks is None or ticket.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            if order.engine_id is not None:
                market.engine.cancel(order.engine_id)
            self._end(account, order, State.EXPIRED, Cause.NO_COUNTERPART)

    def _market_traded(self, market: Market, trade: Trade) -> None:
        """A resting order of ours was hit, by the market's activity or by another ticket."""
        order = self._resting.get((market.symbol, trade.maker_id))
        if order is not None:
            self._filled(self.accounts[order.account], order, trade, maker=True)

    def _filled(self, account: Account, order: DeskOrder, trade: Trade, *, maker: bool) -> None:
        instrument = order.market.listing.instrument
        price, amount = trade.ticks * instrument.price_tick, trade.lots * instrument.lot
        order.filled += amount
        order.quote_filled += price * amount
        order.updated_ns = self.now_ns
        order.state = State.PARTIALLY_FILLED if order.remaining else State.FILLED
        rate = self.rules.maker_fee if maker else self.rules.taker_fee
        done = Execution(trade.trade_id, price, amount, rate, maker, self.now_ns)
        fill = self._books.trade(account, order, done)
        order.fills.append(fill)
        if order.state is State.FILLED and order.engine_id is not None:
            self._resting.pop((order.market.symbol, order.engine_id), None)
            order.engine_id = None
        self._tell(OrderChanged(account.name, order, fill, self.now_ns))

    def _end(self, account: Account, order: DeskOrder, state: State, cause: Cause) -> None:
        self._books.release(account, order)
        if order.engine_id is not None:
            self._resting.pop((order.market.symbol, order.engine_id), None)
            order.engine_id = None
        order.state, order.cause, order.updated_ns = state, cause, self.now_ns
        self._tell(OrderChanged(account.name, order, None, self.now_ns))

    def _forgotten(self, order: DeskOrder) -> bool:
        return not order.state.resting and self.now_ns - order.updated_ns > self.rules.history_s * 1e9
