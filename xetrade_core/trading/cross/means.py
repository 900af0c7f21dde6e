"""What a saga is driven with: orders, the store, books, balances, the clock; and how patient it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError, XETradeError
from xetrade_core.model.contracts import Contract
from xetrade_core.model.orders import Side
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.trading.cross.legs import Leg
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.store import CrossStore
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore

T = TypeVar("T")
#: by venue and universal symbol
Books = Callable[[str, str], Awaitable[BookSnapshot]]
#: of venue, account and universal symbol of each leg
Ready = Callable[[Iterable[tuple[str, str, str]]], Awaitable[None]]
ASK_S = 5.0


async def always_ready(legs: Iterable[tuple[str, str, str]]) -> None:
    """Nothing has to be brought before orders are placed."""


async def together(*waiting: Awaitable[T]) -> list[T]:
    """The results of all, once every one has ended; raises the first one's error then, so that none is left behind."""
    results = await asyncio.gather(*waiting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Means:
    """`books` asks a venue for a book now; `ready` brings what orders of some legs need (marks, lists, a look at keys)
    and raises what placing them would."""

    orders: OrderService
    store: OrderStore
    sagas: CrossStore
    accounts: Mapping[tuple[str, str], TradingAccount]
    books: Books
    clock: Clock
    ready: Ready = always_ready
    rules: Rules = field(default_factory=Rules)

    def account(self, venue: str, account: str) -> TradingAccount:
        """The account; raises ConfigError."""
        found = self.accounts.get((venue, account))
        if found is None:
            known = ", ".join("/".join(name) for name in sorted(self.accounts)) or "none"
            raise ConfigError.of("account", f"{venue}/{account}", f"the accounts that can be traded are {known}")
        return found

    async def book(self, leg: Leg) -> BookSnapshot | None:
        """The leg's book now; None where the venue does not give it."""
        try:
            async with asyncio.timeout(ASK_S):
                found = await self.books(leg.venue, leg.symbol)
        except (XETradeError, TimeoutError):
            return None
        return found if found.stale_s is None else None

    async def free(self, leg: Leg, side: Side) -> Decimal | None:
        """What the account has free of the currency that an order of that side gives away; None if it is not known."""
        base, quote = Contract.currencies(leg.symbol)
        try:
            async with asyncio.timeout(ASK_S):
                balances = await self.account(leg.venue, leg.account).execution.balances()
        except (XETradeError, TimeoutError):
            return None
        wanted = quote if side is Side.BUY else base
        found = [one.free for one in balances if one.currency == wanted]
        told = [free for free in found if free is not None]
        return sum(told, Decimal(0)) if len(told) == len(found) else None
