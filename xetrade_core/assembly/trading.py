"""A trading desk out of the settings: its order store, limits, accounts and marks. What the command line, the pipelines
and long-running processes all trade through.

    async with open_desk(settings, clock, rng, venue="binance") as desk:
        order = await desk.place(OrderRequest(...), key=run_id)

Opening asks the venues nothing. What an order needs to know (what is listed, what it is worth, what the key may do) is
asked before the first one is placed; cancelling needs none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from xetrade_core.assembly.accounts import AccountName, AccountPlan, Plans, plan_accounts
from xetrade_core.assembly.markets import Markets, desk_markets
from xetrade_core.assembly.order_store import open_store
from xetrade_core.assembly.preview import Preview
from xetrade_core.assembly.waiting import until_asked
from xetrade_core.capture.undisturbed import YOUNG_OF_ORDERS, undisturbed
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import (
    ConfigError,
    NotTrading,
    OrderWithdrawn,
    UnknownOrder,
    UnknownSymbol,
    VenueUnavailable,
    XETradeError,
)
from xetrade_core.execution.clients import AccountClient, open_execution
from xetrade_core.market_data.marks import Instrumented
from xetrade_core.model.orders import Order, OrderReport, OrderState
from xetrade_core.settings import Settings
from xetrade_core.symbols.pairs import means
from xetrade_core.trading import asking
from xetrade_core.trading.beginning import holds_exits
from xetrade_core.trading.client_ids import client_order_id, require_valid
from xetrade_core.trading.execution import ExecutionError, OrderRef, TradingAccount
from xetrade_core.trading.journal import GroupCommit
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.requests import OrderRequest, require_sense
from xetrade_core.trading.resuming import ask_about, left_behind
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.sweep import CancelAllReport

#: how long a process that ends waits for the fills of its last order
SETTLE_S = 5.0
#: so many orders of earlier processes are gone on with beside a new one
MOST_TAKEN_UP = 20


class Resumed(NamedTuple):
    """The orders that were under way, and, by account or order, why not everything is known of them now."""

    orders: list[Order]
    problems: dict[str, str]


@dataclass(slots=True)
class TradingDesk:
    """Everything that is open. `plans` also tells which accounts of the settings could not be opened, and why.

    `orders` does not check what a key may do, nor brings marks: `place` and `prepare` here do.
    """

    plans: Plans
    store: OrderStore
    orders: OrderService
    markets: Markets
    clients: dict[AccountName, AccountClient]
    accounts: dict[AccountName, TradingAccount]
    clock: Clock
    rng: random.Random
    policy: Policy
    _checked: set[AccountName] = field(default_factory=set)
    _taken_up: set[AccountName] = field(default_factory=set)

    def plan(self, venue: str, account: str | None = None) -> AccountPlan:
        """The account that is meant on a venue: by name, or the only one there is, or `main`. Raises ConfigError."""
        found = [plan for plan in self.plans.ready if plan.venue.id == venue and account in (None, plan.account)]
        chosen = found if len(found) == 1 else [plan for plan in found if plan.account == "main"]
        if not chosen:
            for name, problem in self.plans.problems.items():
                if name[0] == venue and account in (None, name[1]):
                    raise problem
            known = ", ".join("/".join(plan.name) for plan in self.plans.ready)
            if account is not None:
                raise ConfigError.of("account", account, f"one of {known}")
            if not found:
                raise ConfigError(f"no account on {venue}: there is {known}")
            raise ConfigError(f"say which account of {venue} is meant: there is {known}")
        return chosen[0]

    async def place(self, request: OrderRequest, *, key: str, step: str = "", index: int = 0) -> Order:
        """As `OrderService.place`, of an instrument in any spelling, once its key was looked at and its mark brought.

        The first order of an account also takes up what was left there. An order that may wait for its venue also waits
        until that can be asked what it lists. What no venue takes is refused before one is asked. Raises what that
        raises, WithdrawalAllowed, TradingNotAllowed, VenueUnavailable where the venue could not be asked, and
        OrderWithdrawn where it was cancelled while it waited; nothing was sent then.
        """

        require_sense(request)

        async def ready() -> OrderRequest:
            wanted = await self.resolved(request)
            if not self._was_sent(client_order_id(key, step, index)):
                await self.prepare([(wanted.venue, wanted.symbol)], accounts=[(wanted.venue, wanted.account)])
            return wanted

        wanted = await until_asked(ready, request.expires_ns, self.clock, self.rng, self.policy.sending)
        if (name := (wanted.venue, wanted.account)) not in self._taken_up:
            await self.take_up(name)
        order = await self.orders.place(wanted, key=key, step=step, index=index)
        if order.state is OrderState.CANCELED and not order.sent:
            raise OrderWithdrawn(order.client_id)
        return order

    async def settle(self, order: Order, within_s: float = SETTLE_S) -> Order:
        """The order with the fills that its venue reports, or as it stands then: for a process that ends after it."""
        if not order.fills_missing:
            return order
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.orders.settled()
        return await self.orders.status(order.client_id)

    async def concluded(self, order: Order) -> Order:
        """A placed or changed order as the venue has it, with its fills: for a process that ends after it.

        A reply that only acknowledges does not tell that the order traded at once, and nobody would hear of it later.
        """
        if order.state is OrderState.OPEN and not order.intent.post_only:
            with contextlib.suppress(ExecutionError):  # it stands as it was acknowledged
                order = await self.orders.status(order.client_id, refresh=True)
        return await self.settle(order)

    async def refreshed(self, client_id: str) -> Order:
        """An order after asking the venue, with its fills. Raises UnknownOrder, ExecutionError."""
        return await self.settle(await self.orders.status(client_id, refresh=True))

    async def preview(self, request: OrderRequest, *, key: str) -> Preview:
        """What `place` would send, checked as it would be; nothing is sent or stored. Raises what `place` raises."""
        require_sense(request)
        wanted = await self.resolved(request)
        name = (wanted.venue, wanted.account)
        await self.prepare([(wanted.venue, wanted.symbol)], accounts=[name])
        account, now_ns = self.accounts[name], self.clock.wall_ns()
        client_id = client_order_id(key)
        require_valid(client_id, account.venue)
        intent = asking.intent_for(wanted, account, self.store.marks, client_id=client_id, key=key, now_ns=now_ns)
        if isinstance(intent, XETradeError):
            raise intent
        reduces = holds_exits(account.venue, intent.symbol)
        denial = self.store.do(lambda work: work.risk.check(intent, now_ns, venue_reduces=reduces))
        return Preview(intent, self.plan(*name), denial)

    async def resolved(self, request: OrderRequest) -> OrderRequest:
        """The request with the account that is meant and the universal symbol of what somebody wrote."""
        plan = self.plan(request.venue, request.account or None)
        instrument = await self.markets.instrument(request.venue, request.symbol)
        return replace(request, account=plan.account, symbol=instrument.symbol)

    async def cancel(
        self, order_id: str, *, venue: str | None = None, account: str | None = None, pair: str | None = None
    ) -> Order | None:
        """Cancel an order by its client id or the venue's; see `OrderService.cancel`. None: an order of the account
        that is not in the store, whose cancel the venue took; that needs its venue and pair. Raises UnknownOrder."""
        try:
            order = await asyncio.to_thread(self.store.named, order_id, venue=venue, account=account)
        except UnknownOrder:
            if venue is None or pair is None:
                raise
            client = self.clients[self.plan(venue, account).name]
            try:
                await client.cancel(OrderRef(await self._resting(venue, pair), None, order_id))
            except ExecutionError as error:
                raise (UnknownOrder(order_id, venue) if client.is_unknown_order(error) else error) from None
            return None
        return await self.orders.cancel(order.client_id)

    async def amend(self, order_id: str, *, amount: Decimal | None = None, price: Decimal | None = None) -> Order:
        """As `OrderService.amend`, by either id, with its instrument and mark brought before. Raises what that does."""
        order = await asyncio.to_thread(self.store.named, order_id)
        intent = order.intent
        await self.prepare([(intent.venue, intent.symbol)], accounts=[(intent.venue, intent.account)])
        return await self.orders.amend(order.client_id, amount=amount, price=price)

    async def resume(self) -> Resumed:
        """Go on with whatever is under way in these accounts, and ask the venues what became of orders that rest. What
        waits to be sent is only sent with a key that may be used. Raises WithdrawalAllowed, TradingNotAllowed."""
        waiting = [order.intent for order in await self.orders.open_orders() if not order.sent]
        names = {(one.venue, one.account) for one in waiting} & self.accounts.keys()
        with contextlib.suppress(VenueUnavailable):
            await self.prepare({(one.venue, one.symbol) for one in waiting if one.venue in dict(names)}, accounts=names)
        taken = await self.orders.resume()
        return Resumed(taken, await ask_about(self.orders, self.accounts, taken))

    async def take_up(self, name: AccountName, *, at_once: bool = False) -> list[Order]:
        """Go on, beside whatever else is done, with what another process left in doubt, half cancelled or past its
        expiry in one account; returns those orders. What waits to be sent is left to `resume`.

        Only a few, that nobody can be at any more; `at_once`: all, whoever may be at them.
        """
        self._taken_up.add(name)
        untouched_ns = 0 if at_once else round(self.policy.abandoned_s * NS_PER_S)
        found = await asyncio.to_thread(self.store.unsettled, venue=name[0], account=name[1])
        left = left_behind(found, self.clock.wall_ns(), untouched_ns)
        left = left if at_once else left[:MOST_TAKEN_UP]
        for order in left:
            await self.orders.follow(order.client_id)
        return left

    async def find(self, order_id: str, venue: str, account: str | None, pair: str) -> OrderReport | None:
        """What a venue says of an order of the account that is not in the store. Raises ExecutionError."""
        client = self.clients[self.plan(venue, account).name]
        return await client.find(OrderRef(await self._resting(venue, pair), None, order_id))

    async def cancel_all(
        self, *, venue: str | None = None, account: str | None = None, pair: str | None = None
    ) -> tuple[list[CancelAllReport], dict[str, str]]:
        """Cancel every order of the accounts that match, all at once, verify, and tell why others were not reached.

        An account whose venue lists no such pair is none of those where another venue does: nothing of it can be open.
        """
        problems = {"/".join(name): str(error) for name, error in self.plans.problems.items()}

        async def sweep(name: AccountName) -> list[CancelAllReport]:
            symbol = None if pair is None else await self._resting(name[0], pair)
            return await self.orders.cancel_all(venue=name[0], account=name[1], symbol=symbol)

        chosen = [name for name in self.accounts if venue in (None, name[0]) and account in (None, name[1])]
        results = await asyncio.gather(*map(sweep, chosen), return_exceptions=True)
        reports: list[CancelAllReport] = []
        unlisted = dict[str, str]()
        for name, result in zip(chosen, results, strict=True):
            if isinstance(result, UnknownSymbol) and pair is not None and await self._has_none_of(name, pair):
                unlisted["/".join(name)] = str(result)
            elif isinstance(result, XETradeError):
                problems["/".join(name)] = str(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                reports += result
        if not reports:  # nobody lists it: it is misspelled
            problems |= unlisted
        return reports, await self._out_of_reach(venue, account, pair) | problems

    async def _resting(self, venue: str, pair: str) -> str:
        """The universal symbol that is meant by `pair`, whether it trades now or not: what rests can be cancelled."""
        try:
            return (await self.markets.instrument(venue, pair)).symbol
        except NotTrading as error:
            return error.symbol

    async def _has_none_of(self, name: AccountName, pair: str) -> bool:
        """Whether nothing of a pair can be open in an account: its venue lists none, and no order of ours is of it."""
        ours = await self.orders.open_orders(venue=name[0], account=name[1])
        symbols = {*self.markets.on(name[0]), *(order.intent.symbol for order in ours)}
        return not any(means(pair, symbol) for symbol in symbols)

    async def _out_of_reach(self, venue: str | None, account: str | None, pair: str | None) -> dict[str, str]:
        """Accounts that the settings do not name any more, and orders of theirs that may still be open."""
        found = Counter(
            f"{order.intent.venue}/{order.intent.account}"
            for order in await self.orders.open_orders(venue=venue, account=account)
            if (order.intent.venue, order.intent.account) not in self.accounts
            and order.sent
            and (pair is None or means(pair, order.intent.symbol))
        )
        return {
            name: f"no such account in the settings, and {count} of its orders may be open"
            for name, count in found.items()
        }

    async def prepare(self, wanted: Iterable[Instrumented], *, accounts: Iterable[AccountName] | None = None) -> None:
        """Make ready to place orders: look at the keys, and bring the marks that risk and market orders need.

        `accounts`: whose keys, all by default. Raises WithdrawalAllowed, TradingNotAllowed, VenueUnavailable.
        """
        for name in self.accounts if accounts is None else accounts:
            await self.require_safe_key(name)
        instruments = set(wanted)
        for venue in {venue for venue, _ in instruments}:
            await self.markets.instruments(venue)
        if any(limits.max_daily_loss is not None for limits in self.store.limits.by_scope.values()):
            instruments |= {one for one in self.store.instruments_traded() if one[0] in self.markets.listed}
        await self.markets.refresh(instruments)

    async def require_safe_key(self, name: AccountName) -> None:
        """Look once at what an account's key may do. Raises WithdrawalAllowed or TradingNotAllowed; for a live account
        VenueUnavailable where the venue cannot be asked, and ConfigError where it does not tell."""
        if name in self._checked:
            return
        plan = self.plan(*name)
        try:
            found = await self.clients[name].permissions()
        except ExecutionError as error:
            if plan.live:
                raise VenueUnavailable(
                    f"what the key of {'/'.join(name)} may do is not known, so that nothing is placed live: {error}"
                ) from None
            return
        plan.require_safe(found)
        self._checked.add(name)

    def _was_sent(self, client_id: str) -> bool:
        """Whether this intent was made before and may be on the venue: then it is looked for, and not sent."""
        try:
            return self.store.order(client_id).sent > 0
        except UnknownOrder:
            return False


@contextlib.asynccontextmanager
async def open_desk(
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    *,
    venue: str | None = None,
    account: str | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[TradingDesk]:
    """The desk of the settings' accounts, or of those on one venue or of one name; closed when left.

    Raises ConfigError, UnknownVenue, VenueRetired, NotSupported and StoreUnavailable: why none of them can be traded.
    """
    plans = plan_accounts(settings, venue=venue, account=account)
    plans.require_any()
    async with contextlib.AsyncExitStack() as opened:
        store = open_store(settings, clock)
        opened.callback(store.close)
        journal = GroupCommit(store)
        opened.push_async_callback(journal.close)
        markets = await opened.enter_async_context(desk_markets(settings, plans, store.marks, clock, rng))
        clients: dict[AccountName, AccountClient] = {}
        accounts: dict[AccountName, TradingAccount] = {}
        for plan in plans.ready:
            client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, rng)
            opened.push_async_callback(client.close)
            clients[plan.name] = client
            listed = markets.on(plan.venue.id)
            accounts[plan.name] = TradingAccount(plan.venue, plan.account, client, listed, plan.live)
        policy = policy or Policy(patience_s=settings.trading.patience_s)
        orders = OrderService(store, journal, accounts.values(), clock=clock, rng=rng, policy=policy)
        await opened.enter_async_context(orders)
        opened.enter_context(undisturbed(YOUNG_OF_ORDERS))
        yield TradingDesk(plans, store, orders, markets, clients, accounts, clock, rng, policy)
