"""One piece of trading from begin to end, for who is no event loop: opened, done, told, closed. The pipelines' jobs are
these; the command line has its own way of showing them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import msgspec

from xetrade_core.assembly.accounts import plan_accounts
from xetrade_core.assembly.halting import set_trading_state
from xetrade_core.assembly.order_store import open_reader, require_account, risk_overview
from xetrade_core.assembly.trading import TradingDesk, open_desk
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, OrderError, StoreUnavailable, XETradeError
from xetrade_core.execution.clients import open_execution
from xetrade_core.model.order_events import TradingState
from xetrade_core.model.orders import Order, OrderState
from xetrade_core.settings import Settings
from xetrade_core.symbols.pairs import means
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.cross.saga import Saga
from xetrade_core.trading.cross.store import CrossStore
from xetrade_core.trading.overview import Row, cancel_all_row, order_row, timeline
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.requests import OrderRequest
from xetrade_core.trading.sweep import CancelAllReport, cancel_unrecorded
from xetrade_core.venues.registry import venue as known_venue

T = TypeVar("T")
_MOST_WAIT_S = 7 * 86_400.0
#: keys of news of the order store itself, and what begins the one that says which was there
_AWAY, _BACK, _SEEN = "order store away", "order store back", "order store seen "


@dataclass(frozen=True, slots=True)
class OrderTold:
    """Where an order stands and its history; `problem` says why it did not become what was asked, if so.

    `of_before`: it was asked to be placed and its key had an order already, so that none was placed now.
    """

    order: Row
    events: list[Row]
    problem: str | None = None
    of_before: bool = False


@dataclass(frozen=True, slots=True)
class Killed:
    """What came of cancelling everything: by account, and the accounts that could not be reached with their reason."""

    accounts: list[Row]
    problems: dict[str, str]
    halted: str | None = None

    @property
    def clean(self) -> bool:
        """Whether every venue itself has said that nothing is open."""
        return not self.problems and all(row["verified"] for row in self.accounts)


@dataclass(frozen=True, slots=True)
class News:
    """Something that a person must hear once; `key` names it for ever."""

    key: str
    kind: str
    message: str
    facts: dict[str, str | None] = field(default_factory=dict)


def require_wait(wait_s: float) -> None:
    """Raises ConfigError for seconds that nobody waits."""
    if not 0 < wait_s <= _MOST_WAIT_S:
        raise ConfigError.of("wait_s", wait_s, f"more than 0 and at most {_MOST_WAIT_S:g} seconds")


def run_with_desk(
    settings: Settings,
    clock: Clock,
    work: Callable[[TradingDesk], Awaitable[T]],
    *,
    venue: str | None = None,
    account: str | None = None,
    policy: Policy | None = None,
) -> T:
    """What `work` makes of the desk of these accounts, in an event loop of its own. Raises what `open_desk` does."""

    async def opened() -> T:
        async with open_desk(settings, clock, random.Random(), venue=venue, account=account, policy=policy) as desk:
            return await work(desk)

    return asyncio.run(opened())


def place_order(
    settings: Settings, clock: Clock, request: OrderRequest, *, wait_s: float | None, key: str, step: str, index: int
) -> OrderTold:
    """Place an order once, however often this is called with the same (key, step, index).

    `wait_s`: how long it may wait for a venue that is down; None: now or never. An order that was denied, refused, or
    of which nobody knows, is told as such; where there can be no order at all, raises what `TradingDesk.place` does.
    """
    name, asked_ns = client_order_id(key, step, index), clock.wall_ns()
    if wait_s is not None:
        require_wait(wait_s)
        request = replace(request, expires_ns=clock.wall_ns() + round(wait_s * NS_PER_S))
    policy = Policy(patience_s=max(wait_s or 0.0, settings.trading.patience_s))

    async def work(desk: TradingDesk) -> OrderTold:
        problem = None
        try:
            await desk.concluded(await desk.place(request, key=key, step=step, index=index))
        except OrderError as error:
            problem = str(error)
        told = await _told(desk, name, problem)
        of_before = (await desk.orders.status(name)).intent.created_ns < asked_ns
        return replace(told, of_before=of_before)

    return run_with_desk(settings, clock, work, venue=request.venue, account=request.account or None, policy=policy)


def cancel_order(
    settings: Settings, clock: Clock, order_id: str, *, venue: str | None, account: str | None
) -> OrderTold:
    """Cancel an order, by its client id or the venue's, and follow it to its end. Raises UnknownOrder."""
    found = _named(settings, order_id, venue, account)

    async def work(desk: TradingDesk) -> OrderTold:
        problem, client_id = None, found.client_id
        try:
            order = await desk.settle(await desk.orders.cancel(client_id))
            client_id = order.client_id  # where it was replaced, of what had taken its place
            if order.state.working:
                problem = f"order {client_id} is not known to be cancelled yet: it is {order.state.value}"
        except OrderError as error:
            problem = str(error)
        return await _told(desk, client_id, problem)

    return run_with_desk(settings, clock, work, venue=found.intent.venue, account=found.intent.account)


def order_status(
    settings: Settings, clock: Clock, order_id: str, *, venue: str | None, account: str | None, refresh: bool
) -> OrderTold:
    """Where an order stands; with `refresh` after asking the venue. Raises UnknownOrder, ExecutionError."""
    found = _named(settings, order_id, venue, account)
    if not refresh:
        with open_reader(settings) as reader:
            return OrderTold(order_row(found), timeline(reader.events(found.client_id)))

    async def work(desk: TradingDesk) -> OrderTold:
        await desk.refreshed(found.client_id)
        return await _told(desk, found.client_id, None)

    return run_with_desk(settings, clock, work, venue=found.intent.venue, account=found.intent.account)


def kill(
    settings: Settings,
    clock: Clock,
    *,
    venue: str | None,
    account: str | None,
    pair: str | None,
    halt: bool,
    by: str,
    reason: str,
) -> Killed:
    """Halt first, unless told not to, then cancel every open order and ask the venues what is left. Raises ConfigError
    where a halt of one account is asked: there is none, and one of everything was not meant."""
    if halt and account is not None:
        raise ConfigError.of(
            "account", account, "a halt concerns a venue, or everything: set halt to false, or name no account"
        )
    halted, away = None, dict[str, str]()
    if halt:
        try:
            stated = set_trading_state(
                settings, clock, TradingState.HALTED, venue=venue, pair=pair, by=by, reason=reason
            )
            halted, away = stated.scope, {} if stated.doubt is None else {"halt": stated.doubt}
        except StoreUnavailable as error:
            away["halt"] = str(error)
    cancel = cancel_halted if halt else cancel_everything
    reports, problems = cancel(settings, clock, venue=venue, account=account, pair=pair)
    return Killed([cancel_all_row(report) for report in reports], away | problems, halted)


def cancel_everything(
    settings: Settings, clock: Clock, *, venue: str | None, account: str | None, pair: str | None
) -> tuple[list[CancelAllReport], dict[str, str]]:
    """As `TradingDesk.cancel_all`, and where the order store does not answer by what the venues list alone: nothing of
    it is recorded then, which is a problem of its own."""
    try:
        return run_with_desk(
            settings,
            clock,
            lambda desk: desk.cancel_all(venue=venue, account=account, pair=pair),
            venue=venue,
            account=account,
        )
    except StoreUnavailable as error:
        reports, problems = asyncio.run(_cancel_unrecorded(settings, clock, venue, account, pair))
        why = f"{error}; what the venues list was cancelled, unrecorded: `xetrade reconcile` once the store answers"
        return reports, problems | {"order store": why}


def cancel_halted(
    settings: Settings, clock: Clock, *, venue: str | None, account: str | None, pair: str | None
) -> tuple[list[CancelAllReport], dict[str, str]]:
    """As `cancel_everything`, after a halt: nothing is refused any more, so that no account can be asked (none has its
    key here) is a problem, and no error that would leave the halt unsaid."""
    try:
        return cancel_everything(settings, clock, venue=venue, account=account, pair=pair)
    except XETradeError as error:
        return [], {"every account": str(error)}


async def _cancel_unrecorded(
    settings: Settings, clock: Clock, venue: str | None, account: str | None, pair: str | None
) -> tuple[list[CancelAllReport], dict[str, str]]:
    plans = plan_accounts(settings, venue=venue, account=account)
    wanted = None if pair is None else partial(means, pair)
    async with contextlib.AsyncExitStack() as opened:
        sweeps: list[Awaitable[CancelAllReport]] = []
        for plan in plans.require_any():
            client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, random.Random())
            opened.push_async_callback(client.close)
            sweeps.append(cancel_unrecorded(plan.venue, plan.account, client, Policy().call_timeout_s, wanted))
        reports = list(await asyncio.gather(*sweeps))
    return reports, {"/".join(name): str(error) for name, error in plans.problems.items()}


def trading_news(settings: Settings, clock: Clock, cursor: str | None) -> tuple[list[News], str]:
    """What needs a person and was not told yet: orders in doubt for good, cross-venue orders that nobody drives or that
    have traded after their end, and halts. Returns the next cursor too.

    A store that does not exist yet has no news, and is not made for it; one that cannot be read, or is gone, is news
    itself, and so is that it can be read again.
    """
    from xetrade_core.assembly.accounting import existing_store  # with the lake, which an order needs not

    known = _keys(cursor)
    store = settings.trading.store
    seen = _SEEN + ("" if "://" in store else store)  # a URL may have a password
    try:
        existing_store(settings)
    except ConfigError as gone:
        return _away(known, str(gone)) if seen in known else ([], _cursor(known))
    try:
        found = _standing(settings, clock)
    except (StoreUnavailable, ConfigError) as error:
        return _away(known, str(error))
    if _AWAY in known:
        found.append(News(_BACK, "order_store_back", "the order store can be read again"))
    return [one for one in found if one.key not in known], _cursor({seen, *(one.key for one in found)})


def untold(cursor: str, keys: Collection[str]) -> str:
    """The cursor of `trading_news` with what has these keys left to be told."""
    left = _keys(cursor).difference(keys)
    return _cursor({*left, _AWAY} if _BACK in keys else left)


def _keys(cursor: str | None) -> set[str]:
    """What a cursor says was told; nothing where it cannot be read: all that stands is told again then."""
    try:
        return set(msgspec.json.decode(cursor, type=list[str])) if cursor else set()
    except msgspec.MsgspecError:
        return set()


def _cursor(keys: Collection[str]) -> str:
    return json.dumps(sorted(keys))


def _away(known: set[str], why: str) -> tuple[list[News], str]:
    """That the order store cannot be read; what was told of what it holds is kept, for when it is back."""
    said = f"nobody is told of orders and halts, as the order store cannot be read: {why}"
    fresh = [] if _AWAY in known else [News(_AWAY, "order_store_away", said)]
    return fresh, _cursor({*known, _AWAY} - {_BACK})


def _standing(settings: Settings, clock: Clock) -> list[News]:
    """All that needs a person now, told or not. Raises ConfigError, StoreUnavailable."""
    with open_reader(settings) as reader:
        doubtful = [order for order in reader.unsettled() if order.state is OrderState.NEEDS_OPERATOR]
        sagas, now_ns = CrossStore(reader), clock.wall_ns()
        stranded, late = sagas.undriven(now_ns), sagas.traded_late(now_ns)
    found = [*map(_doubt, doubtful), *map(_stranded, stranded), *map(_late, late)]
    for row in risk_overview(settings, clock).states:
        if row["state"] != TradingState.ACTIVE.value:
            said = f"trading of {row['scope']} is {row['state']}, by {row['by']}" + (
                f": {row['reason']}" if row["reason"] else ""
            )
            facts = {name: None if value is None else str(value) for name, value in row.items()}
            found.append(News(f"{row['scope']} {row['since']}", "trading_stopped", said, facts))
    return found


def _doubt(order: Order) -> News:
    intent = order.intent
    said = f"order {order.client_id} on {intent.venue} needs an operator: {order.reason}; look it up on the venue"
    return News(order.client_id, "order_needs_operator", said, {"venue": intent.venue, "account": intent.account})


def _stranded(saga: Saga) -> News:
    why = f" ({saga.reason})" if saga.reason else ""
    said = f"cross order {saga.key} is {saga.state.value} and nobody drives it{why}: `xetrade cross resume` goes on"
    return News(f"cross {saga.key} {saga.state.value}", "cross_order_stranded", said, {"key": saga.key})


def _late(saga: Saga) -> News:
    said = f"an order of cross order {saga.key} has traded after its end was told, and nothing hedges that: " + (
        f"`xetrade cross resume {saga.key}` puts it into the ledger"
    )
    return News(f"cross {saga.key} late {saga.version}", "cross_order_stranded", said, {"key": saga.key})


def _named(settings: Settings, order_id: str, venue: str | None, account: str | None) -> Order:
    if venue is not None:
        known_venue(venue)
    with open_reader(settings) as reader:
        require_account(settings, reader, account)
        return reader.named(order_id, venue=venue, account=account)


async def _told(desk: TradingDesk, client_id: str, problem: str | None) -> OrderTold:
    order = await desk.orders.status(client_id)
    events = await asyncio.to_thread(desk.store.events, client_id)
    return OrderTold(order_row(order), timeline(events), problem)
