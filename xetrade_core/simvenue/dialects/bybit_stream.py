"""Bybit's private websocket: authentication, topics, and the events of an account.

Orders that trade at once are told once they have, not when they come in. Source: bybit-exchange.github.io/docs/v5,
"Private stream".
"""

from __future__ import annotations

from collections.abc import Sequence

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Desk,
    DeskEvent,
    LedgerChanged,
    OrderChanged,
    PositionChanged,
    TimeInForce,
)
from xetrade_core.simvenue.dialects.base import PrivateMessage, Session
from xetrade_core.simvenue.dialects.bybit_account import UnifiedAccount
from xetrade_core.simvenue.dialects.bybit_dead_man import DeadManSwitches
from xetrade_core.simvenue.dialects.bybit_listings import category_of
from xetrade_core.simvenue.dialects.bybit_orders import execution_row, order_row
from xetrade_core.simvenue.dialects.bybit_replies import told
from xetrade_core.simvenue.dialects.bybit_signed import authenticate_stream

PATH = "/v5/private"
_TOPICS = frozenset(
    {
        "wallet",
        *(f"{kind}{part}" for kind in ("order", "execution") for part in ("", ".spot", ".linear", ".inverse")),
        *(f"position{part}" for part in ("", ".linear", ".inverse")),
        *(f"dcp.{product}" for product in ("spot", "future", "option")),
    }
)
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class BybitStream:
    """The private connections of one venue."""

    def __init__(self, desk: Desk, switches: DeadManSwitches) -> None:
        self._desk, self._switches = desk, switches
        self._messages = 0

    def authenticate(self, session: Session, args: list[str]) -> str:
        """What is wrong with an `auth`; empty if nothing is."""
        account = authenticate_stream(self._desk, args, self._desk.now_ns // NS_PER_MS)
        if account is None:
            return "Params Error"
        session.account = account.name
        return ""

    def subscribe(self, session: Session, topics: list[str], *, leave: bool) -> str:
        """What is wrong with a subscription; empty if nothing is."""
        if session.account is None:
            return "Request not authorized"
        for topic in topics:
            if topic not in _TOPICS:
                return f"error:handler not found,topic:{topic}"
        if leave:
            session.topics -= set(topics)
        else:
            session.topics |= set(topics)
            self._switches.came(session)
        return ""

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages about an event, for those who take a kind of market and for those who take all."""
        if isinstance(event, OrderChanged):
            return self._order(event)
        account = UnifiedAccount(self._desk, self._desk.accounts[event.account])
        if isinstance(event, LedgerChanged):
            return (self._message("wallet", account.wallet(event.currencies), event.time_ns),)
        return self._position(event, account)

    def _order(self, event: OrderChanged) -> Sequence[PrivateMessage]:
        order, fill = event.order, event.fill
        category = category_of(order.market.listing)
        messages = []
        if fill is not None:
            row = {"category": category, **execution_row(order, fill)}
            messages += self._both("execution", category, row, event.time_ns)
        immediate = order.ticket.price is None or order.ticket.time_in_force in _AT_ONCE
        if not (immediate and order.state.resting):
            messages += self._both("order", category, {"category": category, **order_row(order)}, event.time_ns)
        return messages

    def _position(self, event: PositionChanged, account: UnifiedAccount) -> Sequence[PrivateMessage]:
        market = self._desk.markets[event.symbol]
        row = account.position(market, event.position_side)
        return self._both("position", category_of(market.listing), row, event.time_ns)

    def _both(self, kind: str, category: str, row: dict[str, object], time_ns: int) -> list[PrivateMessage]:
        return [self._message(topic, row, time_ns) for topic in (kind, f"{kind}.{category}")]

    def _message(self, topic: str, row: dict[str, object], time_ns: int) -> PrivateMessage:
        self._messages += 1
        return PrivateMessage(told(topic, [row], time_ns, self._messages), topic)
