"""What is reserved and what is held: the memory that risk decides by, kept equal to the order store.

Every order that may be on the venue counts, those in flight, unknown or waiting for an operator too, and every fill.
What a venue says has traded, and its fills do not tell yet, counts for the position as what can still trade does. Each
change is told as before and after, so that taking it back is telling it the other way round.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.contracts import Contract
from xetrade_core.model.order_events import ControlEvent, ControlKind
from xetrade_core.model.orders import ZERO, Intent, Order, Side
from xetrade_core.trading.holdings import NS_PER_DAY, Holding
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, scopes_of
from xetrade_core.trading.marks import Marks

Line = tuple[str, str, str, str]
"""(venue, account, symbol, strategy): what one holding belongs to."""


@dataclass(slots=True)
class Usage:
    """What a scope has open and holds; amounts mean something where the scope is one instrument."""

    orders: int = 0
    notional: Decimal = ZERO
    exposure: Decimal = ZERO
    held: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    exits: Decimal = ZERO
    sent_ns: list[int] = field(default_factory=list)


class Stake(NamedTuple):
    """What open orders of one side may add to a holding: how much, and its value at their own prices."""

    amount: Decimal = ZERO
    value: Decimal = ZERO

    def and_also(self, amount: Decimal, value: Decimal) -> Stake:
        """With one more order."""
        return Stake(self.amount + amount, self.value + value)

    def worst(self, held: Decimal, unit: Decimal) -> Decimal:
        """What there would be in value once all of it had traded; `held`: above zero where it adds to that, `unit`: the
        value of one of it. What it closes first leaves nothing, and the rest is held at its own prices."""
        if held >= 0:
            return held * unit + self.value
        left = held + self.amount
        return -left * unit if left <= 0 else left * self.value / self.amount


_NOTHING = Stake()


@dataclass(slots=True)
class LineState:
    """One line: its holding with the value of one unit, what its orders may add on each side, and the worst that it may
    come to with them, in value; and what it counts in. `written` is the least that one of a short is valued at."""

    usages: Mapping[Scope, Usage]
    limited: tuple[tuple[Scope, Limits, Usage], ...]
    written: Decimal
    holding: Holding = field(default_factory=Holding)
    unit: Decimal = ZERO
    buys: Stake = _NOTHING
    sells: Stake = _NOTHING
    exposure: Decimal = ZERO

    def exposure_of(self, buys: Stake, sells: Stake) -> Decimal:
        """The worst with these orders open: as it is, or if every one of a side filled."""
        held = self.holding.amount
        if not held:
            return max(ZERO, buys.value, sells.value)
        return max(abs(held) * self.unit, buys.worst(held, self.unit), sells.worst(-held, self.unit))

    def with_one_more(self, side: Side, amount: Decimal, value: Decimal) -> tuple[Stake, Stake]:
        """What would be at stake, bought and sold."""
        if side is Side.BUY:
            return self.buys.and_also(amount, value), self.sells
        return self.buys, self.sells.and_also(amount, value)

    def reckon(self) -> Decimal:
        """The exposure anew, and by how much it has changed."""
        was = self.exposure
        self.exposure = self.exposure_of(self.buys, self.sells)
        return self.exposure - was


@dataclass(slots=True)
class Arm:
    """One arming: the record, and how much of its cap orders placed under it use."""

    record: ControlEvent
    used: Decimal = ZERO


def line_of(intent: Intent) -> Line:
    """The line that an order's fills belong to."""
    return (intent.venue, intent.account, intent.symbol, intent.strategy)


def reserved_value(order: Order) -> Decimal:
    """What of an order may still trade, in the accounting currency, at the dearer price while it is being amended."""
    return order.intent.terms.value(order.remaining, _dearer_price(order))


class Reservations:
    """Open orders, holdings, trading states and armings."""

    def __init__(self, limits: RiskLimits, marks: Marks) -> None:
        self.limits = limits
        self._marks = marks
        self._window_ns = round(limits.longest_window_s * NS_PER_S)
        self._usage: defaultdict[Scope, Usage] = defaultdict(Usage)
        self._lines: dict[Line, LineState] = {}
        self._states: dict[tuple[str | None, str | None], ControlEvent] = {}
        self._arms: dict[tuple[str, str], Arm] = {}

    def replace(self, old: Order | None, new: Order | None) -> None:
        """An order changed from `old` to `new` (None: it was not, or is not, there)."""
        if old is None or new is None or not _counts_alike(old, new):
            for order, sign in ((old, -1), (new, 1)):
                if order is not None:
                    self._count(order, sign)
        if self._window_ns and (order := new or old) is not None:
            self._pace(order, None if old is None else old.sent_ns, None if new is None else new.sent_ns)

    def hold(self, line: Line, holding: Holding) -> None:
        """A holding changed."""
        state = self._line(line)
        before, state.holding = state.holding, holding
        price = max(holding.entry, state.written) if holding.amount < 0 else holding.entry
        state.unit = holding.terms.value(Decimal(1), price) if holding.amount else ZERO
        change, moved = state.reckon(), holding.amount - before.amount
        for usage in state.usages.values():
            usage.exposure += change
            usage.held += moved

    def holding(self, line: Line) -> Holding:
        """What fills have made of a line so far."""
        state = self._lines.get(line)
        return Holding() if state is None else state.holding

    def lines_in(self, venue: str, account: str, symbol: str) -> list[Line]:
        """The lines of an account in one instrument."""
        return [line for line in self._lines if line[:3] == (venue, account, symbol)]

    def control(self, event: ControlEvent) -> Callable[[], None]:
        """An operator's word: a trading state, an arming or its end. Returns what takes it back."""
        states, arms = dict(self._states), dict(self._arms)
        if event.kind is ControlKind.TRADING_STATE:
            self._states[(event.venue, event.symbol)] = event
        elif event.kind is not ControlKind.OPENING and event.venue is not None:
            key = (event.venue, event.account or "")
            if event.kind is ControlKind.ARMED:
                self._arms[key] = Arm(event)
            else:
                self._arms.pop(key, None)

        def undo() -> None:
            self._states, self._arms = states, arms

        return undo

    def usage(self, scope: Scope) -> Usage:
        """What a scope has open and holds now."""
        return self._usage[scope]

    def scopes(self) -> tuple[Scope, ...]:
        """Every scope that has, or had, something open or held."""
        return tuple(self._usage)

    def arms(self) -> dict[tuple[str, str], Arm]:
        """The armings by (venue, account), expired ones included."""
        return dict(self._arms)

    def reset_arms(self) -> list[Arm]:
        """The armings with nothing of their caps used, to be counted anew."""
        for arm in self._arms.values():
            arm.used = ZERO
        return list(self._arms.values())

    def trading_states(self) -> tuple[ControlEvent, ...]:
        """The latest word for each scope."""
        return tuple(self._states.values())

    def day_result(self, scope: Scope, now_ns: int) -> Decimal:
        """Realized since 00:00 UTC plus unrealized at the marks, in the accounting currency."""
        found = (
            state.holding.day_result(now_ns // NS_PER_DAY, self._marks.price(line[0], line[2], now_ns))
            for line, state in self._lines.items()
            if scope in state.usages
        )
        return sum(found, ZERO)

    def _line(self, line: Line) -> LineState:
        state = self._lines.get(line)
        if state is None:
            usages = {scope: self._usage[scope] for scope in scopes_of(*line)}
            limited = tuple((scope, limits, usages[scope]) for scope, limits in self.limits.of(usages))
            state = self._lines[line] = LineState(usages, limited, Contract.written_at(line[2]))
        return state

    def _exposure_change(self, intent: Intent, value: Decimal) -> Decimal:
        state = self._line(line_of(intent))
        return state.exposure_of(*state.with_one_more(intent.side, intent.amount, value)) - state.exposure

    def _pace(self, order: Order, before_ns: int | None, after_ns: int | None) -> None:
        """Count a sending for the rates (or take it back), and forget those that are too old for any."""
        if before_ns == after_ns:
            return
        for usage in self._line(line_of(order.intent)).usages.values():
            times = usage.sent_ns
            if after_ns is not None:
                insort(times, after_ns)
                del times[: bisect_left(times, after_ns - self._window_ns)]
            elif before_ns in times:
                times.remove(before_ns)

    def _count(self, order: Order, sign: int) -> None:
        self.count_armed(order, sign)
        if not order.weighs:
            return
        intent, at_stake, state = order.intent, order.at_stake * sign, self._line(line_of(order.intent))
        orders, value = (sign, reserved_value(order) * sign) if order.state.working else (0, ZERO)
        change = ZERO
        if not intent.reduce_only:
            worth = intent.terms.value(at_stake, _dearer_price(order))
            state.buys, state.sells = state.with_one_more(intent.side, at_stake, worth)
            change = state.reckon()
        for usage in state.usages.values():
            usage.orders += orders
            usage.notional += value
            usage.exposure += change
            if intent.reduce_only:
                usage.exits += at_stake
            elif intent.side is Side.BUY:
                usage.buys += at_stake
            else:
                usage.sells += at_stake

    def count_armed(self, order: Order, sign: int = 1) -> None:
        """Count what an order trades, or may still trade, against the cap of the arming it was placed under."""
        intent = order.intent
        if not intent.live:
            return
        for key in ((intent.venue, intent.account), (intent.venue, "")):
            arm = self._arms.get(key)
            if arm is not None and intent.created_ns >= arm.record.at_ns:
                traded = order.filled + (order.remaining if order.state.working else ZERO)
                arm.used += sign * intent.terms.value(traded, _dearer_price(order))


def _dearer_price(order: Order) -> Decimal:
    """What an order is valued at: while it is being amended, the higher of the two prices."""
    return max(order.reserve_price, order.next_reserve_price or ZERO)


def _counts_alike(old: Order, new: Order) -> bool:
    """Whether two states of one order reserve, and have traded, the same."""
    return (
        old.state.working == new.state.working
        and old.filled == new.filled
        and old.fills_amount == new.fills_amount
        and old.amount == new.amount
        and old.next_amount == new.next_amount
        and old.reserve_price == new.reserve_price
        and old.next_reserve_price == new.next_reserve_price
    )
