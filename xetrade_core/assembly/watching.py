"""Positions watched as the settings say: the order store's fills, the venues' marks, and what venues say of accounts.

`open_watch` is what the command line and the pipelines both watch by; `watch_positions` is a bounded session of it,
kept in the lake.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from xetrade_core.accounting.bests import keep_best, read_best
from xetrade_core.accounting.snapshots import keep_snapshot
from xetrade_core.assembly import market_access
from xetrade_core.assembly.accounting import existing_store
from xetrade_core.assembly.accounts import AccountName, AccountPlan, known_accounts
from xetrade_core.assembly.order_store import require_account
from xetrade_core.clock import Clock
from xetrade_core.execution.clients import AccountClient, open_execution
from xetrade_core.execution.streams import PrivateStream, Statement, open_stream, streamed_venues
from xetrade_core.lake.store import ObjectStore
from xetrade_core.market_data.asking import Failure, ask_all
from xetrade_core.market_data.live_mids import LiveMids
from xetrade_core.market_data.marks import MarkSource
from xetrade_core.model.orders import Fill
from xetrade_core.monitor.accounts import AccountSource, by_symbol
from xetrade_core.monitor.comparing import Apart, found_twice, held_against, in_words
from xetrade_core.monitor.ledger import FillLedger, Selection
from xetrade_core.monitor.limits import Alarming, PositionLimits, Watchman, mismatch
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.view import PositionView, Total
from xetrade_core.monitor.watch import Update, Watch
from xetrade_core.settings import Settings
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.reader import OrderReader
from xetrade_core.venues.registry import venue as known_venue


@dataclass(frozen=True, slots=True)
class OpenWatch:
    """A watch, the ledger that it keeps, the clients of the accounts that can be asked, the private streams that are
    followed, and the books."""

    watch: Watch
    ledger: FillLedger
    clients: Mapping[AccountName, AccountClient]
    streams: tuple[PrivateStream, ...]
    mids: LiveMids | None

    async def updates(self, stop: asyncio.Event) -> AsyncIterator[Update]:
        """See Watch; the books of spot positions are followed meanwhile, where every change is to be shown."""
        async for update in self.watch.updates(stop):
            if self.mids is not None:
                await self.mids.follow({one for one in self.watch.wanted if ":" not in one[1]})
            yield update


@asynccontextmanager
async def open_watch(
    settings: Settings, reader: OrderReader, selection: Selection, pace: Pace, clock: Clock, rng: random.Random
) -> AsyncIterator[OpenWatch]:
    """Watch a selection of the order store's positions; ends when left.

    Accounts that the settings name, and have a key, are asked what the venue holds for them; and their private streams
    are followed, unless it is one look only, so that their fills are seen as they happen: of those that have traded,
    or of all if none has.
    """
    async with AsyncExitStack() as opened:
        plans = [
            plan
            for plan in known_accounts(settings)
            if selection.venue in (None, plan.venue.id) and selection.account in (None, plan.account)
        ]
        clients: dict[AccountName, AccountClient] = {}
        for plan in plans:
            client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, rng)
            opened.push_async_callback(client.close)
            clients[plan.name] = client
        access = market_access(settings, clock, rng)
        marks = await opened.enter_async_context(MarkSource(access))
        ledger = FillLedger(reader, selection)
        watch = Watch(ledger, marks, pace, clock, AccountSource(clients, clock, pace.accounts_every_s))
        streams = []
        traded = await asyncio.to_thread(reader.accounts)
        for plan in [] if pace.once else plans:
            if plan.venue.id in streamed_venues() and (plan.name in traded or not traded):
                stream = _stream(plan, clients[plan.name], watch, reader, clock, rng)
                streams.append(await opened.enter_async_context(stream))
        mids = await opened.enter_async_context(LiveMids(access, watch.remark)) if pace.on_change else None
        yield OpenWatch(watch, ledger, clients, tuple(streams), mids)


def _stream(
    plan: AccountPlan, client: AccountClient, watch: Watch, reader: OrderReader, clock: Clock, rng: random.Random
) -> PrivateStream:
    """What tells the watch of an account's fills. It only listens: nothing is kept, and no dead-man switch is held."""
    venue, account = plan.name

    async def tell(said: Statement) -> None:
        if isinstance(said, Fill):
            watch.hear(said)

    async def working() -> list[OrderRef]:
        found = await asyncio.to_thread(reader.working, venue=venue, account=account)
        return [OrderRef.of(order) for order in found]

    return open_stream(
        venue,
        account,
        client,
        tell,
        working,
        clock,
        rng,
        testnet=plan.options.testnet,
        ws_url=plan.ws_url,
        symbols=reader.symbols_of(venue, account),
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """A session of watching: the last look at each venue's positions, and what was kept.

    `fill_less` are holdings of the order store that no fill explains. `compared` are the accounts whose venue told what
    it holds for them, `untold` those whose venue did not, each with why, and `mismatches` where that is another amount
    than ours: `binanceusdm/main BTC/USDT:USDT: ...`. `alarming` is what the last look found so.
    """

    updates: int
    at_ns: int
    positions: tuple[PositionView, ...]
    totals: tuple[Total, ...]
    failures: tuple[Failure, ...]
    rejected: int
    fill_less: tuple[str, ...]
    compared: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    alarming: tuple[Alarming, ...] = ()
    untold: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def of_venue(self, venue: str) -> tuple[PositionView, ...]:
        """The positions on one venue."""
        return tuple(one for one in self.positions if one.venue == venue)

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that have positions, or of which something else is to be said: where none of ours is open the
        venue may hold one."""
        told = {name.partition("/")[0] for name in (*self.compared, *self.untold)}
        without = {name.partition(" ")[0] for name in (*self.fill_less, *self.left_out)}
        return tuple(sorted({one.venue for one in self.positions} | told | without))


def usual_limits(settings: Settings) -> PositionLimits:
    """What the settings say is alarming."""
    said = settings.monitor
    return PositionLimits(said.max_notional, said.max_drawdown, said.min_liquidation_distance)


def require_known(settings: Settings, reader: OrderReader, venue: str | None, account: str | None) -> None:
    """Raises UnknownVenue, and ConfigError for an account that neither the settings nor the order store know."""
    if venue:
        known_venue(venue)
    require_account(settings, reader, account)


def watch_positions(
    settings: Settings,
    store: ObjectStore,
    pace: Pace,
    clock: Clock,
    on_update: Callable[[Update], None] = lambda _: None,
    selection: Selection | None = None,
    limits: PositionLimits | None = None,
) -> Watched:
    """Watch the order store's positions for `pace.max_updates` updates, keep each look in the lake, and raise alarms of
    what `limits`, or else those of the settings, do not allow. A drawdown is from the best of earlier sessions too.

    Raises ConfigError, StoreUnavailable, LakeError; a venue without marks is among the failures.
    """
    chosen = selection or Selection()
    with OrderReader(existing_store(settings)) as reader:
        require_known(settings, reader, chosen.venue, chosen.account)
        allowed = (limits or PositionLimits()).or_else(usual_limits(settings))
        watchman = Watchman(allowed, read_best(store, chosen))
        made = asyncio.run(_watch(settings, store, reader, pace, clock, on_update, chosen, watchman))
        keep_best(store, chosen, watchman.best)
        return made


async def _watch(
    settings: Settings,
    store: ObjectStore,
    reader: OrderReader,
    pace: Pace,
    clock: Clock,
    on_update: Callable[[Update], None],
    selection: Selection,
    watchman: Watchman,
) -> Watched:
    last: Update | None = None
    alarming: tuple[Alarming, ...] = ()
    rejected = 0
    compared = Compared()
    async with open_watch(settings, reader, selection, pace, clock, random.Random()) as opened:
        async for update in opened.updates(asyncio.Event()):
            last = update
            for venue in sorted({one.venue for one in update.positions}):
                rejected += await asyncio.to_thread(keep_snapshot, store, venue, update.at_ns, update.positions)
            alarming = tuple(watchman.look(update))
            on_update(update)
        if selection.whole_accounts:
            compared = await _compare(opened, pace.mark_deadline_s)
    assert last is not None  # the first update is always made
    fill_less = await asyncio.to_thread(_fill_less, reader)
    for words in compared.mismatches:
        watchman.tell(mismatch(words))
    return Watched(
        last.number,
        last.at_ns,
        last.positions,
        last.totals,
        last.failures,
        rejected,
        fill_less,
        compared.accounts,
        compared.mismatches,
        alarming,
        compared.untold,
        tuple(" ".join(one) for one in sorted(opened.ledger.left_out)),
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """What venues hold for accounts in contracts, beside what our fills make: see `Watched`."""

    accounts: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


async def _compare(opened: OpenWatch, deadline_s: float) -> Compared:
    """Compare the accounts that are asked, all at once, as far as each tells by the deadline.

    A mismatch is what two statements in a row find alike; an account that does not tell is `untold`.
    """
    # Spot has no positions.
    asked = {"/".join(name): name for name in opened.clients if known_venue(name[0]).funding is not None}
    looking = asyncio.Lock()

    async def apart(name: AccountName) -> Apart:
        theirs = {symbol: one.amount for symbol, one in by_symbol(await opened.clients[name].positions()).items()}
        async with looking:  # a ledger is looked into by one at a time
            await asyncio.to_thread(opened.ledger.refresh)
            return held_against(opened.ledger, name, theirs)

    async def compare(name: AccountName) -> Apart:
        first = await apart(name)
        return found_twice(first, await apart(name)) if first else first

    questions = {label: partial(compare, name) for label, name in asked.items()}
    answers = await ask_all(questions, "positions", deadline_s)
    return Compared(
        tuple(answers.by_venue),
        tuple(words for label, found in answers.by_venue.items() for words in in_words(asked[label], found)),
        tuple(one.named for one in answers.failures),
    )


def _fill_less(reader: OrderReader) -> tuple[str, ...]:
    traded = set(reader.instruments_traded())
    return tuple(f"{venue} {symbol}" for venue, symbol in reader.instruments_held() if (venue, symbol) not in traded)
