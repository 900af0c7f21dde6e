"""Bybit's disconnection protection (DCP): when the last private connection that takes a `dcp` topic is gone for the
account's time window, its orders of that product are canceled; a new one in time keeps them.

Source: bybit-exchange.github.io/docs/v5/order/dcp and "Private stream / DCP".
"""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.simvenue.desk import Account, Desk
from xetrade_core.simvenue.dialects.base import Session
from xetrade_core.simvenue.dialects.bybit_listings import category_of
from xetrade_core.simvenue.dialects.bybit_replies import BybitRefused

_TOPICS = {"SPOT": "dcp.spot", "DERIVATIVES": "dcp.future", "OPTIONS": "dcp.option"}
_WINDOW_S = (3, 300)


class DeadManSwitches:
    """The windows of all accounts, by product."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._windows: dict[tuple[str, str], int] = {}

    def set(self, account: Account, product: str, window_s: int | None) -> None:
        """Switch the protection of a product on. Raises BybitRefused."""
        least, most = _WINDOW_S
        if product not in _TOPICS:
            raise BybitRefused(10001, "params error: product invalid")
        if window_s is None or not least <= window_s <= most:
            raise BybitRefused(10001, f"params error: timeWindow must be between {least} and {most}")
        self._windows[account.name, product] = window_s

    def described(self, account: Account) -> dict[str, object]:
        """What is on, for query-dcp-info."""
        return {
            "dcpInfos": [
                {"product": product, "dcpStatus": "ON", "timeWindow": str(window_s)}
                for (name, product), window_s in self._windows.items()
                if name == account.name
            ]
        }

    def came(self, session: Session) -> None:
        """A connection has subscribed: what it takes is watched over again."""
        self._arm(session, disarm=True)

    def went(self, session: Session, others: Iterable[Session]) -> None:
        """A connection has ended: what no other one takes will be canceled."""
        topics = {topic for other in others if other.account == session.account for topic in other.topics}
        session.topics -= topics
        self._arm(session, disarm=False)

    def _arm(self, session: Session, *, disarm: bool) -> None:
        account = self._desk.accounts.get(session.account or "")
        if account is None:
            return
        for product, topic in _TOPICS.items():
            window_s = self._windows.get((account.name, product))
            if topic not in session.topics or window_s is None:
                continue
            for market in self._desk.markets.values():
                if (category_of(market.listing) == "spot") is (product == "SPOT"):
                    self._desk.arm_dead_man(account, 0 if disarm else window_s, market.symbol)
