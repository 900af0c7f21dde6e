"""What every part of the order service works with: accounts, journal, clock, patience."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError
from xetrade_core.model.orders import Fill, Order, OrderReport
from xetrade_core.time_bound import TimeBound
from xetrade_core.trading.execution import NoReply, OrderRef, TradingAccount, by_either_clock
from xetrade_core.trading.journal import Journal
from xetrade_core.trading.patience import Patience
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.store_absence import outlast

T = TypeVar("T")
_BEFORE_NS = 60 * NS_PER_S
_WENT_WELL_S = 60.0  # longer than any write waits for a store that does not answer
Launch = Callable[[Order, bool], None]


async def called(awaitable: Awaitable[T], in_time: TimeBound) -> T | Exception:
    """One call of a client, once, bounded in time: what it returned, or what it raised."""
    try:
        with in_time():
            return await awaitable
    except TimeoutError:
        return NoReply(f"no reply within {in_time.seconds:g} s")
    except Exception as error:
        return error


class Desk:
    """The accounts that can be traded and the means to do so. `launch` starts what brings an order on its way."""

    def __init__(
        self,
        accounts: Iterable[TradingAccount],
        journal: Journal,
        clock: Clock,
        rng: random.Random,
        policy: Policy,
        launch: Launch,
    ) -> None:
        self.accounts: Mapping[tuple[str, str], TradingAccount] = {(one.venue.id, one.account): one for one in accounts}
        self.journal = journal
        self.clock = clock
        self.rng = rng
        self.policy = policy
        self.patience = Patience(clock, policy.patience_s)
        self.launch = launch
        self._in_time = TimeBound(policy.call_timeout_s)

    def account(self, venue: str, account: str) -> TradingAccount:
        """The account, or ConfigError with those there are."""
        found = self.accounts.get((venue, account))
        if found is None:
            known = ", ".join("/".join(key) for key in sorted(self.accounts)) or "none"
            raise ConfigError.of("account", f"{venue}/{account}", f"the accounts that can be traded are {known}")
        return found

    def account_of(self, order: Order) -> TradingAccount:
        """The account of an order; raises ConfigError."""
        return self.account(order.intent.venue, order.intent.account)

    async def call(self, awaitable: Awaitable[T]) -> T | Exception:
        """One call of a client, once, bounded in time: what it returned, or what it raised."""
        return await called(awaitable, self._in_time)

    async def while_the_store_is_away(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what looks where it stands in the store and goes on from there; again, with a growing wait, while the
        store does not answer. Raises StoreUnavailable, StoreConflict once that has been so for as long as a venue is
        asked in vain."""
        await outlast(
            work,
            self.clock,
            give_up_s=self.policy.give_up_s,
            went_well_s=_WENT_WELL_S,
            delay_s=lambda failures: self.policy.asking.delay_s(failures, self.rng),
        )

    async def find(self, order: Order) -> OrderReport | Exception | None:
        """The venue's word on an order now; None: it says that there is none."""
        return await self.call(self.account_of(order).execution.find(OrderRef.of(order)))

    async def fills(self, order: Order) -> tuple[Fill, ...] | Exception:
        """The account's trades since shortly before the order was sent: clocks differ, and venues round."""
        execution = self.account_of(order).execution
        since_ns = min(order.sent_ns or order.intent.created_ns, order.intent.created_ns) - _BEFORE_NS
        return await self.call(execution.fills_since(order.intent.symbol, by_either_clock(execution, since_ns)))
