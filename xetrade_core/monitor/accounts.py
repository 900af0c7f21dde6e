"""What venues say of the accounts that are watched: the positions that they hold for them, asked for now and then.

The venue alone knows where it would liquidate: that depends on the account's balance, its other positions and the tier
that the position falls into. So the price is the venue's own, out of its position reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable, XETradeError
from xetrade_core.market_data.asking import Failure
from xetrade_core.model.accounts import VenuePosition
from xetrade_core.positions.numbers import exact_sum, reported, stream_context
from xetrade_core.trading.execution import Execution

AccountName = tuple[str, str]
"""Venue and account."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a venue says that an account holds of a symbol, both sides together, and where it would liquidate it."""

    amount: Decimal
    liquidation: Decimal | None

    def distance(self, mark: Decimal | None) -> Decimal | None:
        """How far the mark is from the liquidation price, in percent of the mark: 0 or less is past it. None where
        there is no such price, or no mark."""
        if mark is None or self.liquidation is None or not self.amount:
            return None
        with localcontext(stream_context()):
            apart = mark - self.liquidation if self.amount > 0 else self.liquidation - mark
            return reported(apart / mark * 100)


NOTHING = Stated(Decimal(0), None)


class AccountSource:
    """Asks for the positions of accounts, each at most every `every_s` seconds. Closing is the clients' owner's.

    `answers` counts how often each account was told of.
    """

    def __init__(self, clients: Mapping[AccountName, Execution], clock: Clock, every_s: float = 5.0) -> None:
        self._clients = clients
        self._clock = clock
        self._every_ns = round(every_s * NS_PER_S)
        self._asked_ns: dict[AccountName, int] = {}
        self._stated: dict[AccountName, dict[str, Stated]] = {}
        self._failures: dict[AccountName, Failure] = {}
        self.answers: dict[AccountName, int] = {}

    def of(self, venue: str, account: str, symbol: str) -> Stated | None:
        """What was said last; None for an account that was not asked, or has never answered."""
        said = self._stated.get((venue, account))
        return None if said is None else said.get(symbol, NOTHING)

    def amounts(self, name: AccountName) -> dict[str, Decimal]:
        """What was said last that an account holds, by symbol; what is flat is left out."""
        return {symbol: one.amount for symbol, one in self._stated.get(name, {}).items() if one.amount}

    def failure(self, name: AccountName) -> Failure | None:
        """Why an account's venue did not answer when last asked, and what it said before stands; None if it did."""
        return self._failures.get(name)

    def due(self, name: AccountName) -> bool:
        """Whether it is time to ask for an account; never for one without a client."""
        asked_ns = self._asked_ns.get(name)
        now_ns = self._clock.monotonic_ns()
        return name in self._clients and (asked_ns is None or now_ns - asked_ns >= self._every_ns)

    async def refresh(self, wanted: Collection[AccountName], deadline_s: float) -> None:
        """Ask those that are due, all at once. Who is late or fails has a `failure`; nothing is raised."""
        due = [name for name in wanted if self.due(name)]
        self._asked_ns |= dict.fromkeys(due, self._clock.monotonic_ns())
        await asyncio.gather(*(self._ask(name, deadline_s) for name in due))

    async def _ask(self, name: AccountName, deadline_s: float) -> None:
        venue, account = name
        try:
            async with asyncio.timeout(deadline_s):
                self._stated[name] = by_symbol(await self._clients[name].positions())
            self.answers[name] = self.answers.get(name, 0) + 1
            self._failures.pop(name, None)
        except TimeoutError:
            said = VenueUnavailable(f"{venue} did not tell the positions of {account} within {deadline_s:g} s")
            self._failures[name] = Failure(venue, said)
        except XETradeError as error:
            self._failures[name] = Failure(venue, error)


def by_symbol(positions: Collection[VenuePosition]) -> dict[str, Stated]:
    """The two sides of hedge mode as one: they are liquidated together."""
    found: dict[str, list[VenuePosition]] = {}
    for one in positions:
        found.setdefault(one.symbol, []).append(one)
    return {
        symbol: Stated(
            exact_sum(one.amount for one in rows),
            next((one.liquidation_price for one in rows if one.liquidation_price is not None), None),
        )
        for symbol, rows in found.items()
    }
