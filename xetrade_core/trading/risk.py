"""Risk before the wire: what is reserved, what is held, and whether one more order fits.

The book is memory, kept equal to the store: it is asked and changed inside the store's own transaction, which first
reads what other processes have written (trading/store.py). So no number of callers or processes can pass a limit
together that each of them alone could not. Orders in flight, unknown or waiting for an operator count as open.

Limits never stop a cancel or an exit (reduce-only); a halt stops every new order, and cancels pass it too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import Halted, NotArmed, RiskDenied
from xetrade_core.model.decimals import plain
from xetrade_core.model.order_events import ControlEvent, TradingState
from xetrade_core.model.orders import ZERO, Fill, Intent, Order, OrderState, OrderType, Side
from xetrade_core.trading.limits import CURRENCY, IN_LOTS, IN_MONEY, Limits, Scope, ScopeKind
from xetrade_core.trading.reservations import Reservations, Usage, line_of


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an order may not go: which limit, what it would come to, what is allowed."""

    limit: str
    asked: str
    allowed: str
    error: type[RiskDenied] = RiskDenied

    def to_error(self, client_id: str) -> RiskDenied:
        """As an exception."""
        return self.error(client_id, self.limit, self.asked, self.allowed)


class _Adds(NamedTuple):
    """What an order adds to each of its scopes, in the accounting currency; and how large the whole order is."""

    notional: Decimal
    exposure: Decimal
    order_amount: Decimal
    order_notional: Decimal


class RiskBook(Reservations):
    """Reservations and holdings, and the check of a new order against them and the limits."""

    def trading_state(self, venue: str, symbol: str) -> ControlEvent | None:
        """The most restrictive of the states that hold for an instrument; None: active."""
        if not self._states:
            return None
        order = list(TradingState)
        found = [self._states[key] for key in ((None, None), (venue, None), (venue, symbol)) if key in self._states]
        worst = max(found, key=lambda event: order.index(event.state or TradingState.ACTIVE), default=None)
        return None if worst is None or worst.state in (None, TradingState.ACTIVE) else worst

    def check(self, intent: Intent, now_ns: int, *, venue_reduces: bool, traded: Decimal = ZERO) -> Denial | None:
        """Why the order may not be sent; None if it may.

        `venue_reduces`: the venue itself holds a reduce-only order to the position. Where it does not, an exit must fit
        what our own fills say is held. `traded`: of an order that is to be changed; `intent` is the rest of it, as what
        has traded is held already.
        """
        rest = intent.terms.value(intent.amount, intent.reserve_price)
        whole = intent.terms.value(intent.amount + traded, intent.reserve_price) if traded else rest
        if denial := self.gate(intent, now_ns, whole):
            return denial
        if intent.reduce_only:
            return None if venue_reduces else self._check_exit(intent)
        adds = _Adds(rest, self._exposure_change(intent, rest), intent.amount + traded, whole)
        for scope, limits, usage in self._line(line_of(intent)).limited:
            denial = self._check_scope(scope, limits, usage, intent, adds, now_ns)
            if denial is not None:
                return denial
        return None

    def check_in_turn(self, intents: Iterable[tuple[Intent, bool]], now_ns: int) -> list[Denial | None]:
        """As `check` of orders that follow each other: each is held to what is left once those before it have traded
        whole, at the mark. The flag is `venue_reduces`."""
        found: list[Denial | None] = []
        undo: list[Callable[[], None]] = []
        try:
            for intent, venue_reduces in intents:
                found.append(self.check(intent, now_ns, venue_reduces=venue_reduces))
                if found[-1] is None:
                    undo += self._suppose_traded(intent, now_ns)
        finally:
            for take_back in reversed(undo):
                take_back()
        return found

    def _suppose_traded(self, intent: Intent, now_ns: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """Count an order as traded whole; gives what takes that back, the later half last."""
        order = Order(
            intent=intent,
            state=OrderState.FILLED,
            version=1,
            amount=intent.amount,
            reserve_price=intent.reserve_price,
            updated_ns=now_ns,
            filled=intent.amount,
            fills_amount=intent.amount,
            sent=1,
            sent_ns=now_ns,
        )
        fill = Fill(
            venue=intent.venue,
            account=intent.account,
            symbol=intent.symbol,
            trade_id=intent.client_id,
            side=intent.side,
            price=self._marks.price(intent.venue, intent.symbol, now_ns) or intent.price or intent.reserve_price,
            amount=intent.amount,
            received_ns=now_ns,
        )
        line = line_of(intent)
        before = self.holding(line)
        after = before.after(fill, intent.terms)  # what may fail comes before anything is counted
        self.replace(None, order)
        self.hold(line, after)
        return partial(self.replace, order, None), partial(self.hold, line, before)

    def gate(self, intent: Intent, now_ns: int, more: Decimal = ZERO) -> Denial | None:
        """Why nothing may be sent there now, whatever the limits: halted, or not armed for `more` than is reserved."""
        halted = self.trading_state(intent.venue, intent.symbol)
        if halted is not None and not (intent.reduce_only and halted.state is TradingState.REDUCING):
            return _halted(halted)
        return self._check_arm(intent, now_ns, more) if intent.live else None

    # -- the limits ----------------------------------------------------------------------------------------------

    def _check_scope(
        self, scope: Scope, limits: Limits, usage: Usage, intent: Intent, adds: _Adds, now_ns: int
    ) -> Denial | None:
        asked: tuple[tuple[str, Decimal | int, Decimal | int | None], ...] = (
            ("max_order_amount", adds.order_amount, limits.max_order_amount),
            ("max_order_notional", adds.order_notional, limits.max_order_notional),
            ("max_open_orders", usage.orders + 1, limits.max_open_orders),
            ("max_open_notional", usage.notional + adds.notional, limits.max_open_notional),
            ("max_position", _position_after(usage, intent), limits.max_position),
            ("max_exposure", usage.exposure + adds.exposure, limits.max_exposure),
        )
        for name, would_be, allowed in asked:
            if allowed is not None and would_be > allowed:
                unit = CURRENCY if name in IN_MONEY else intent.unit if name in IN_LOTS else ""
                return Denial(f"{name} of {scope}", _plain(would_be), f"{_plain(allowed)} {unit}".rstrip())
        if limits.order_rate is not None:
            since_ns = now_ns - round(limits.order_rate.window_s * NS_PER_S)
            count = len(usage.sent_ns) - bisect_left(usage.sent_ns, since_ns) + 1
            if count > limits.order_rate.limit:
                rule = f"{limits.order_rate.limit} in {limits.order_rate.window_s:g} s"
                return Denial(f"order_rate of {scope}", str(count), rule)
        if limits.price_band is not None and (denial := self._check_band(scope, limits.price_band, intent, now_ns)):
            return denial
        if limits.max_daily_loss is not None:
            loss = -self.day_result(scope, now_ns)
            if loss >= limits.max_daily_loss > 0 or (loss > 0 and not limits.max_daily_loss):
                return Denial(
                    f"max_daily_loss of {scope}", _plain(loss), f"less than {_plain(limits.max_daily_loss)} {CURRENCY}"
                )
        return None

    def _check_band(self, scope: Scope, band: Decimal, intent: Intent, now_ns: int) -> Denial | None:
        mark = self._marks.price(intent.venue, intent.symbol, now_ns)
        if mark is None:
            return Denial(f"price_band of {scope}", "unknown without a fresh mark price", "a fresh mark price")
        if intent.type is OrderType.MARKET or intent.price is None:
            return None
        buying = intent.side is Side.BUY
        bound = mark * (1 + band) if buying else mark * (1 - band)
        if (intent.price > bound) if buying else (intent.price < bound):
            allowed = f"{'at most' if buying else 'at least'} {_plain(bound)} (mark {_plain(mark)})"
            return Denial(f"price_band of {scope}", _plain(intent.price), allowed)
        return None

    def _check_arm(self, intent: Intent, now_ns: int, more: Decimal) -> Denial | None:
        arm = self._arms.get((intent.venue, intent.account)) or self._arms.get((intent.venue, ""))
        if arm is None:
            return Denial(
                f"live orders on {intent.venue}/{intent.account}",
                "1",
                f"none: arm it first, with `xetrade arm --venue {intent.venue} --account {intent.account}`",
                NotArmed,
            )
        record = arm.record
        if record.expires_ns is not None and now_ns >= record.expires_ns:
            return Denial(f"live orders on {intent.venue}/{intent.account}", "1", "none: its arming expired", NotArmed)
        used = arm.used + more
        if not intent.reduce_only and record.notional_cap is not None and used > record.notional_cap:
            return Denial(
                f"armed notional of {intent.venue}/{intent.account}",
                _plain(used),
                f"{_plain(record.notional_cap)} {CURRENCY}",
                NotArmed,
            )
        return None

    def closable(self, venue: str, account: str, symbol: str, side: Side) -> Decimal:
        """How much an order of that side could close of what our own fills say is held, beside the exits at work."""
        usage = self._usage[Scope(ScopeKind.HELD, f"{venue}/{account} {symbol}")]
        return max(-usage.held * side.sign - usage.exits, ZERO)

    def _check_exit(self, intent: Intent) -> Denial | None:
        closable = self.closable(intent.venue, intent.account, intent.symbol, intent.side)
        if intent.amount <= closable:
            return None
        return Denial(f"reduce_only amount of {intent.symbol}", _plain(intent.amount), f"at most {_plain(closable)}")


def _position_after(usage: Usage, intent: Intent) -> Decimal:
    """The largest absolute position on the order's own side, if it and every open order of that side filled."""
    if intent.side is Side.BUY:
        return usage.held + usage.buys + intent.amount
    return usage.sells + intent.amount - usage.held


def _halted(event: ControlEvent) -> Denial:
    where = event.symbol or event.venue or "everything"
    state = event.state or TradingState.HALTED
    allowed = "nothing new passes until it is resumed" if state is TradingState.HALTED else "only reduce-only passes"
    why = f"by {event.by}: {event.reason}" if event.reason else f"by {event.by}"
    return Denial(f"trading of {where} is {state.value} {why}", "an order", allowed, Halted)


def _plain(value: Decimal | int) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
