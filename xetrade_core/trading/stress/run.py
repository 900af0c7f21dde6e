"""The test itself: clients that take the next order, place it, and cancel it at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import (
    CancelRefused,
    ConfigError,
    IntentConflict,
    OrderError,
    OrderExpired,
    OrderOutcomeUnknown,
    OrderRejected,
    RiskDenied,
    UnknownOrder,
    XETradeError,
)
from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import Order, OrderState
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.stress.plan import StressPlan, Target, target_of
from xetrade_core.trading.stress.proof import prove
from xetrade_core.trading.stress.report import Attempt, Ending, StressReport, report_of
from xetrade_core.venues.waits import Wait, noting_waits

STEP = "stress"
SETTLE_S = 120.0
_PLACE = ("venue", "account", "symbol")
_LOOKED_AT = 32  # two tests that go to different places in turn differ there long before this many orders
_ACKNOWLEDGED = frozenset({EventKind.ACCEPTED, EventKind.FILLED, EventKind.REJECTED, EventKind.CANCELED})

Progress = Callable[["StressProgress"], None]


@dataclass(slots=True)
class StressProgress:
    """How far a running test is."""

    orders: int | None
    begun: int = 0
    ended: int = 0
    failed: int = 0
    under_way: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Run:
    """One test under way."""

    orders: OrderService
    store: OrderReader
    accounts: Mapping[tuple[str, str], TradingAccount]
    targets: Sequence[Target]
    plan: StressPlan
    key: str
    clock: Clock
    told: Progress
    progress: StressProgress
    began_ns: int
    attempts: list[Attempt] = field(default_factory=list)
    waits: dict[str, list[Wait]] = field(default_factory=dict)  # for the venues' budgets, by client id
    next_index: int = 0

    def take(self) -> int | None:
        """The index of the next order; None when there are no more."""
        limit = self.plan.orders
        if limit is not None and self.next_index >= limit:
            return None
        if self.plan.soak_s is not None and self.elapsed_s() >= self.plan.soak_s:
            return None
        self.next_index += 1
        return self.next_index - 1

    def elapsed_s(self) -> float:
        return (self.clock.monotonic_ns() - self.began_ns) / NS_PER_S

    async def client(self) -> None:
        while (index := self.take()) is not None:
            wait_s = self.plan.begins_s(index) - self.elapsed_s()
            if wait_s > 0:
                await self.clock.sleep(wait_s)
            self.progress.begun += 1
            self.progress.under_way += 1
            attempt = await self.attempt(index)
            self.attempts.append(attempt)
            self.progress.under_way -= 1
            self.progress.ended += 1
            self.progress.failed += attempt.ending not in (Ending.CANCELED, Ending.FILLED)
            self.progress.seconds = self.elapsed_s()
            self.told(self.progress)

    async def attempt(self, index: int) -> Attempt:
        """Place, then cancel at once."""
        with noting_waits() as waits:
            attempt = await self._place_and_cancel(index)
        self.waits[attempt.client_id] = waits
        budget_s = sum(one.until_ns - one.from_ns for one in waits) / NS_PER_S
        return attempt if attempt.place_s is None else replace(attempt, budget_s=budget_s)

    async def _place_and_cancel(self, index: int) -> Attempt:
        target = target_of(index, self.targets)
        client_id = client_order_id(self.key, STEP, index)
        expires_ns = self.clock.wall_ns() + round(self.plan.patience_s * NS_PER_S)
        began_ns = self.clock.monotonic_ns()
        ending, cause, place_s, cancel_s = Ending.UNKNOWN, None, None, None
        try:
            try:
                await self.orders.place(target.request(expires_ns), key=self.key, step=STEP, index=index)
            except IntentConflict as error:  # placed by an earlier run of this key, at the prices of then
                if error.field in _PLACE:
                    raise
            except OrderOutcomeUnknown:  # it may rest yet: the cancel waits until that is known
                with contextlib.suppress(XETradeError):
                    await self.orders.cancel(client_id)
                raise
            placed_ns = self.clock.monotonic_ns()
            place_s = (placed_ns - began_ns) / NS_PER_S
            order = await self.orders.cancel(client_id)
            cancel_s = (self.clock.monotonic_ns() - placed_ns) / NS_PER_S
            ending, cause = _ending(order)
        except (OrderOutcomeUnknown, OrderRejected, OrderExpired, RiskDenied) as error:
            ending, cause = _failure(error)
        except XETradeError as error:
            ending, cause = Ending.REFUSED, str(error)
        return Attempt(target.venue, target.account, client_id, ending, cause, place_s, None, cancel_s)

    async def take_back_the_rest(self) -> None:
        """Cancel what an earlier test of the key left open beyond the orders of this one: it had more of them."""
        done, of_the_key = {one.client_id for one in self.attempts}, f"{self.key}/{STEP}/"
        left = [
            order
            for order in await self.orders.open_orders()
            if order.intent.key.startswith(of_the_key)
            and order.client_id not in done
            and (order.intent.venue, order.intent.account) in self.accounts
        ]
        self.attempts += await asyncio.gather(*map(self._take_back, left))

    async def _take_back(self, order: Order) -> Attempt:
        intent, cause = order.intent, None
        try:
            ending, cause = _ending(await self.orders.cancel(order.client_id))
        except OrderError as error:
            ending, cause = _failure(error)
        except XETradeError as error:
            ending, cause = Ending.UNKNOWN, str(error)
        return Attempt(intent.venue, intent.account, order.client_id, ending, cause)


async def stress(
    orders: OrderService,
    store: OrderReader,
    accounts: Mapping[tuple[str, str], TradingAccount],
    targets: Sequence[Target],
    plan: StressPlan,
    *,
    key: str,
    clock: Clock,
    told: Progress = lambda progress: None,
    settle_s: float = SETTLE_S,
) -> StressReport:
    """Run a test and prove what came of it. `key` names its orders: the same key finds those of an earlier run.

    `told` is called after each order. Cancelled from outside, it leaves everything to `OrderService.resume`. Raises
    ConfigError where the key named a test of other places: nothing was sent.
    """
    await asyncio.to_thread(_require_same_places, store, targets, plan, key)
    run = _Run(
        orders, store, accounts, targets, plan, key, clock, told, StressProgress(plan.orders), clock.monotonic_ns()
    )
    start_ns = clock.wall_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(plan.clients, plan.orders or plan.clients)):
            group.create_task(run.client())
    seconds = run.elapsed_s()
    await run.take_back_the_rest()
    with contextlib.suppress(TimeoutError):  # the proof names what is still under way
        async with asyncio.timeout(settle_s):
            await orders.settled()
    known, attempts = await asyncio.to_thread(_read_back, store, run.attempts, run.waits, start_ns)
    symbols = {(one.venue, one.account): {one.instrument.symbol} for one in targets}
    for intent in (order.intent for order in known.values()):
        symbols.setdefault((intent.venue, intent.account), set()).add(intent.symbol)
    proofs = await asyncio.gather(
        *(
            prove(
                accounts[place],
                sorted(symbols[place]),
                [order for order in known.values() if (order.intent.venue, order.intent.account) == place],
                start_ns - 5 * NS_PER_S,
                clock,
            )
            for place in sorted(symbols)
        )
    )
    return report_of(key, plan.clients, seconds, attempts, proofs)


def _require_same_places(store: OrderReader, targets: Sequence[Target], plan: StressPlan, key: str) -> None:
    """Raises ConfigError if orders of the key went elsewhere: they would be counted for places that never saw them."""
    for index in range(min(_LOOKED_AT, plan.orders or _LOOKED_AT)):
        try:
            intent = store.order(client_order_id(key, STEP, index)).intent
        except UnknownOrder:
            continue
        target = target_of(index, targets)
        before = (intent.venue, intent.account, intent.symbol)
        now = (target.venue, target.account, target.instrument.symbol)
        if before != now:
            was, new = (f"{symbol} on {venue}/{account}" for venue, account, symbol in (before, now))
            raise ConfigError.of("key", key, f"it named a test of {was}; give one of {new} another key")


def _read_back(
    store: OrderReader, attempts: Sequence[Attempt], waits: Mapping[str, Sequence[Wait]], start_ns: int
) -> tuple[dict[str, Order], list[Attempt]]:
    """The orders as they stand in the store, and the attempts with what it knows of them."""
    known: dict[str, Order] = {}
    for one in attempts:
        with contextlib.suppress(UnknownOrder):  # denied before it was an order
            known[one.client_id] = store.order(one.client_id)
    return known, [
        _finished(one, known.get(one.client_id), store, waits.get(one.client_id, ()), start_ns) for one in attempts
    ]


def _ending(order: Order) -> tuple[Ending, str | None]:
    """What an order counts as, and why if it was not cancelled."""
    if order.state is OrderState.CANCELED:
        return Ending.CANCELED, None
    if order.state is OrderState.EXPIRED:  # so some venues end a post-only order that the market has reached
        return Ending.REFUSED, f"{order.code or 'ended by its venue'}: {order.reason or 'no reason given'}"
    return Ending.FILLED if order.state is OrderState.FILLED else Ending.UNKNOWN, None


def _failure(error: OrderError) -> tuple[Ending, str]:
    """What a failure counts as, and its cause in words that many orders share."""
    if isinstance(error, OrderOutcomeUnknown):
        return Ending.UNKNOWN, "nobody knows yet"
    if isinstance(error, RiskDenied):
        return Ending.DENIED, f"our risk check: {error.limit}"
    if isinstance(error, CancelRefused):
        return Ending.UNKNOWN, f"cancel refused: {error.code}"
    if isinstance(error, OrderRejected):
        return Ending.REFUSED, f"{error.code}: {error.reason}"
    return Ending.REFUSED, "the venue could not be reached in time"


def _finished(
    attempt: Attempt, order: Order | None, store: OrderReader, waits: Sequence[Wait], start_ns: int
) -> Attempt:
    """The attempt with the venue's time, and how its order ended after all, once the service had asked. What was
    placed before the test began has no times: they would be those of looking it up.
    """
    if order is None:
        return attempt
    ending, cause = attempt.ending, attempt.cause
    if ending is Ending.UNKNOWN and not order.state.working:
        ending, found = _ending(order)
        cause = cause if ending is Ending.UNKNOWN else found
        if order.state is OrderState.REJECTED:
            ending, cause = Ending.REFUSED, f"{order.code or 'never arrived'}: {order.reason}"
    if order.intent.created_ns < start_ns:
        return replace(
            attempt, ending=ending, cause=cause, place_s=None, cancel_s=None, budget_s=None, placed_before=True
        )
    sent_ns = acked_ns = None
    for event in store.events(order.client_id):
        if event.kind is EventKind.SUBMITTED and acked_ns is None:
            sent_ns = event.at_ns
        elif event.kind in _ACKNOWLEDGED and sent_ns is not None and acked_ns is None:
            acked_ns = event.at_ns
    ack_s = None
    if sent_ns is not None and acked_ns is not None:
        ack_s = (acked_ns - sent_ns - sum(one.within_ns(sent_ns, acked_ns) for one in waits)) / NS_PER_S
    return replace(attempt, ending=ending, cause=cause, ack_s=ack_s)
