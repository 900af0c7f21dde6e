"""The books of the settings' order store: what the command line and the pipelines both do with its fills."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from xetrade_core.accounting.days import DayProfit, account_day
from xetrade_core.accounting.export import ExportedFills, ExportedPayments, export_fills, export_payments
from xetrade_core.accounting.order_export import ExportedOrders, export_orders
from xetrade_core.accounting.snapshots import keep_snapshot
from xetrade_core.assembly import market_access
from xetrade_core.assembly.accounts import AccountPlan, plan_accounts
from xetrade_core.assembly.funding import Outcomes, over_venues
from xetrade_core.assembly.order_store import open_store
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, XETradeError
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.fundings import fundings_since
from xetrade_core.lake.store import ObjectStore
from xetrade_core.market_data.asking import Failure
from xetrade_core.market_data.marks import MarkSource, is_perpetual
from xetrade_core.model.orders import ZERO
from xetrade_core.monitor.ledger import FillLedger, Selection
from xetrade_core.monitor.limits import PositionLimits, Watchman
from xetrade_core.monitor.view import PositionView, Total
from xetrade_core.monitor.watch import Pace, Update, Watch
from xetrade_core.positions.numbers import short_text
from xetrade_core.settings import Settings
from xetrade_core.telemetry import alarm
from xetrade_core.trading.fundings import add_fundings, read_fundings
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore

#: a payment may be in a venue's history a while after it was booked
PAYMENTS_LOOK_BACK_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class BookedDay:
    """A venue's day: its orders, fills and funding payments in the lake, and what they made."""

    orders: ExportedOrders
    fills: ExportedFills
    payments: ExportedPayments
    profit: DayProfit


@dataclass(frozen=True, slots=True)
class Watched:
    """A session of watching: the last look at each venue's positions, and what was kept.

    `fill_less` are holdings of the order store that no fill explains. `compared` are the accounts whose venue told what
    it holds for them, `mismatches` where that is another amount than ours: `binanceusdm/main BTC/USDT:USDT: ...`.
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

    def of_venue(self, venue: str) -> tuple[PositionView, ...]:
        """The positions on one venue."""
        return tuple(one for one in self.positions if one.venue == venue)

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues that have positions."""
        return tuple(sorted({one.venue for one in self.positions}))


def existing_store(settings: Settings, named: str = "") -> str:
    """The order store that is to be read. Raises ConfigError for a SQLite file that is not there, and makes none."""
    url = named or settings.trading.store
    path = _sqlite_file(url)
    if path is not None and not path.exists():
        raise ConfigError.of("trading.store", str(path), "there is no order store yet: nothing was traded with it")
    return url


def _sqlite_file(url: str) -> Path | None:
    """The file of a SQLite store; None for a server, and for what is no URL that is known."""
    if "://" not in url:
        return Path(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    named = parsed.get_backend_name() == "sqlite" and parsed.database
    return Path(named) if named else None


def traded_venues(settings: Settings) -> tuple[str, ...]:
    """The venues that have fills in the order store; none where there is no store. Raises StoreUnavailable."""
    try:
        url = existing_store(settings)
    except ConfigError:
        return ()
    with OrderReader(url) as reader:
        return tuple(sorted({venue for venue, _ in reader.instruments_traded()}))


def export_day(settings: Settings, store: ObjectStore, venue: str, day_ns: int) -> ExportedFills:
    """Bring a venue's fills of a day into the lake. Raises ConfigError, StoreUnavailable, LakeError."""
    with OrderReader(existing_store(settings)) as reader:
        return export_fills(reader, store, venue, day_ns)


def export_orders_day(settings: Settings, store: ObjectStore, venue: str, day_ns: int) -> ExportedOrders:
    """Bring a venue's orders of a day into the lake. Raises ConfigError, StoreUnavailable, LakeError."""
    with OrderReader(existing_store(settings)) as reader:
        return export_orders(reader, store, venue, day_ns)


def export_payments_day(settings: Settings, store: ObjectStore, venue: str, day_ns: int) -> ExportedPayments:
    """Bring a venue's funding payments of a day into the lake. Raises ConfigError, StoreUnavailable, LakeError."""
    with OrderReader(existing_store(settings)) as reader:
        return export_payments(reader, store, venue, day_ns)


def collect_fundings(settings: Settings, clock: Clock) -> Outcomes[int]:
    """Ask the accounts of the settings what they were paid for funding since last time, and record it.

    How many payments were new by account, and why an account could not be asked, by its name. An account on a venue
    without funding, or without a key, is left alone. Raises StoreUnavailable.
    """
    return asyncio.run(_collect(settings, clock))


async def _collect(settings: Settings, clock: Clock) -> Outcomes[int]:
    done: list[int] = []
    problems: dict[str, str] = {}
    plans = _contract_accounts(settings)
    if not plans:
        return Outcomes((), {})
    store = open_store(settings, clock)
    try:
        traded = store.instruments_traded()
        for plan in plans:
            client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, random.Random())
            try:
                if isinstance(client, CcxtExecution):
                    symbols = [symbol for venue, symbol in traded if venue == plan.venue.id and is_perpetual(symbol)]
                    done.append(await _collect_account(store, client, symbols))
            except XETradeError as error:
                problems["/".join(plan.name)] = str(error)
            finally:
                await client.close()
    finally:
        store.close()
    return Outcomes(tuple(done), problems)


async def _collect_account(store: OrderStore, client: CcxtExecution, symbols: Iterable[str]) -> int:
    """The new payments of one account, from shortly before the last that is known, or from its first fill, on."""
    count = 0
    for symbol in symbols:
        venue, account = client.rules.id, client.account
        known = read_fundings(store, venue=venue, account=account, symbols=(symbol,))
        first = next(store.traded(venue=venue, account=account, symbols=(symbol,)), None)
        if first is None:
            continue
        since_ns = known[-1].at_ns - PAYMENTS_LOOK_BACK_NS if known else first[0].exchange_ns or first[0].received_ns
        count += add_fundings(store, await fundings_since(client, symbol, since_ns))
    return count


def book_days(
    settings: Settings, store: ObjectStore, venues: Iterable[str], days_ns: Iterable[int]
) -> Outcomes[BookedDay]:
    """Bring orders, fills and payments of these days into the lake and account for them; a venue's error is its own."""
    days = sorted(days_ns)

    def book(venue: str) -> list[BookedDay]:
        orders = [export_orders_day(settings, store, venue, day_ns) for day_ns in days]
        fills = [export_day(settings, store, venue, day_ns) for day_ns in days]
        payments = [export_payments_day(settings, store, venue, day_ns) for day_ns in days]
        return [
            BookedDay(placed, traded, paid, account_day(store, venue, traded.day_ns))
            for placed, traded, paid in zip(orders, fills, payments, strict=True)
        ]

    return over_venues(venues, book)


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
    what `limits` (default: of marks alone) do not allow.

    Raises ConfigError, StoreUnavailable, LakeError; a venue without marks is among the failures.
    """
    with OrderReader(existing_store(settings)) as reader:
        watchman = Watchman(limits or PositionLimits())
        return asyncio.run(_watch(settings, store, reader, pace, clock, on_update, selection or Selection(), watchman))


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
    rejected = 0
    ledger = FillLedger(reader, selection)
    async with MarkSource(market_access(settings, clock, random.Random())) as marks:
        watch = Watch(ledger, marks, pace, clock)
        async for update in watch.updates(asyncio.Event()):
            last = update
            for venue in sorted({one.venue for one in update.positions}):
                rejected += await asyncio.to_thread(keep_snapshot, store, venue, update.at_ns, update.positions)
            watchman.look(update)
            on_update(update)
    assert last is not None  # the first update is always made
    fill_less = await asyncio.to_thread(_fill_less, reader)
    compared, mismatches = await _compare(settings, clock, ledger) if selection.whole_accounts else ((), ())
    for mismatch in mismatches:
        alarm("position_mismatch", f"{mismatch}: compare orders and fills with the venue; xetrade orders resume")
    return Watched(
        last.number, last.at_ns, last.positions, last.totals, last.failures, rejected, fill_less, compared, mismatches
    )


async def _compare(settings: Settings, clock: Clock, ledger: FillLedger) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What venues hold for the accounts of the settings in contracts, beside what our fills make.

    The accounts that told, and where they differ; an account that does not tell is left alone.
    """
    compared: list[str] = []
    mismatches: list[str] = []
    for plan in _contract_accounts(settings):
        client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, random.Random())
        try:
            theirs = {one.symbol: one.amount for one in await client.positions()}
        except XETradeError:
            continue
        finally:
            await client.close()
        await asyncio.to_thread(ledger.refresh)
        ours = ledger.amounts(*plan.name)
        name = "/".join(plan.name)
        compared.append(name)
        for symbol in sorted({*theirs, *ours}):
            here, there = ours.get(symbol, ZERO), theirs.get(symbol, ZERO)
            if ":" in symbol and here != there:
                mismatches.append(f"{name} {symbol}: {short_text(here, 18)} here, {short_text(there, 18)} at the venue")
    return tuple(compared), tuple(mismatches)


def _contract_accounts(settings: Settings) -> list[AccountPlan]:
    """The accounts of the settings that can be asked, on venues that have perpetuals; none where none is meant."""
    try:
        return [plan for plan in plan_accounts(settings).ready if plan.venue.funding is not None]
    except ConfigError:
        return []


def _fill_less(reader: OrderReader) -> tuple[str, ...]:
    traded = set(reader.instruments_traded())
    return tuple(f"{venue} {symbol}" for venue, symbol in reader.instruments_held() if (venue, symbol) not in traded)
