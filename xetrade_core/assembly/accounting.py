"""The books of the settings' order store: what the command line and the pipelines both do with its fills."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from xetrade_core.accounting.behind import find_behind, keep_caught_up
from xetrade_core.accounting.days import DayProfit, account_day
from xetrade_core.accounting.export import ExportedFills, ExportedPayments, export_fills, export_payments, known_sizes
from xetrade_core.accounting.openings import files_of
from xetrade_core.accounting.order_export import ExportedOrders, export_orders
from xetrade_core.assembly.accounts import contract_accounts
from xetrade_core.assembly.deliveries import collect_deliveries
from xetrade_core.assembly.funding import Outcomes, over_venues
from xetrade_core.assembly.order_store import open_store
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, XETradeError
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.fundings import fundings_since
from xetrade_core.lake.store import ObjectStore
from xetrade_core.market_data.marks import is_perpetual
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.settings import Settings
from xetrade_core.telemetry import get_logger
from xetrade_core.trading.execution import ErrorReply
from xetrade_core.trading.fundings import add_fundings, read_fundings
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore

_log = get_logger("accounting")
#: a payment may be in a venue's history a while after it was booked
PAYMENTS_LOOK_BACK_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Brought:
    """A venue's day out of the order store: its orders, fills and funding payments in the lake."""

    orders: ExportedOrders
    fills: ExportedFills
    payments: ExportedPayments


@dataclass(frozen=True, slots=True)
class BookedDay:
    """What a venue's day made, and what was brought into the lake for it; None where the lake had it."""

    brought: Brought | None
    profit: DayProfit


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
    """Ask the accounts of the settings what they were paid for funding since last time, and what they held of dated
    futures that have ended, and record it.

    How many payments were new by account, and why an account could not be asked, by its name. An account on a venue
    without funding, or without a key, is left alone. Raises StoreUnavailable.
    """
    return asyncio.run(_collect(settings, clock))


async def _collect(settings: Settings, clock: Clock) -> Outcomes[int]:
    done: list[int] = []
    problems: dict[str, str] = {}
    plans = contract_accounts(settings)
    if not plans:
        return Outcomes((), {})
    store = open_store(settings, clock)
    try:
        traded = store.instruments_traded()
        for plan in plans:
            client = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, random.Random())
            try:
                if isinstance(client, CcxtExecution):
                    symbols = [symbol for venue, symbol in traded if venue == plan.venue.id]
                    count, refused = await _collect_account(store, client, filter(is_perpetual, symbols))
                    done.append(count)
                    refused += await collect_deliveries(store, client, symbols)
                    if refused:
                        problems["/".join(plan.name)] = "; ".join(refused)
            except XETradeError as error:
                problems["/".join(plan.name)] = str(error)
            finally:
                await client.close()
    finally:
        store.close()
    return Outcomes(tuple(done), problems)


async def _collect_account(store: OrderStore, client: CcxtExecution, symbols: Iterable[str]) -> tuple[int, list[str]]:
    """How many payments of one account are new, of those from shortly before the last that is known, or from its first
    fill, on; and what the venue refused to tell. A contract costs no other its payments, and one that the venue lists
    no more pays none."""
    count, refused = 0, list[str]()
    for symbol in symbols:
        venue, account = client.rules.id, client.account
        known = read_fundings(store, venue=venue, account=account, symbols=(symbol,))
        first = next(store.traded(venue=venue, account=account, symbols=(symbol,)), None)
        if first is None:
            continue
        if not await client.lists(symbol):
            _log.warning("no funding is asked for of what is not listed", venue=venue, account=account, symbol=symbol)
            continue
        since_ns = _asked_from(store, known) if known else first[0].exchange_ns or first[0].received_ns
        try:
            count += add_fundings(store, await fundings_since(client, symbol, since_ns))
        except ErrorReply as error:
            refused.append(str(error))
    return count, refused


def _asked_from(store: OrderReader, known: Sequence[FundingPayment]) -> int:
    """From when on a contract's payments are asked for: shortly before the last that is known. Where trades of before
    the first that is known have come since, nobody has asked for what was paid between: then from the first of them."""
    first, last = known[0], known[-1]
    late = store.traded(
        venue=last.venue,
        account=last.account,
        symbols=(last.symbol,),
        from_ns=last.at_ns,
        at_to_ns=first.at_ns,
    )
    for fill, _ in late:
        return fill.exchange_ns or fill.received_ns
    return last.at_ns - PAYMENTS_LOOK_BACK_NS


def book_days(
    settings: Settings, store: ObjectStore, venues: Iterable[str], days_ns: Iterable[int], now_ns: int | None = None
) -> Outcomes[BookedDay]:
    """Bring orders, fills and payments of these days into the lake and account for them; before them the earlier days
    of which the order store has more fills or payments than the lake, and those after these. A venue's error is its
    own. The day of `now_ns` runs still."""
    days = sorted(days_ns)

    def book(venue: str) -> list[BookedDay]:
        with OrderReader(existing_store(settings)) as reader:
            behind = find_behind(reader, store, venue, days[0])
            sizes = known_sizes(reader, store, venue)
            brought = {
                day_ns: Brought(
                    export_orders(reader, store, venue, day_ns),
                    export_fills(reader, store, venue, day_ns, sizes),
                    export_payments(reader, store, venue, day_ns),
                )
                for day_ns in (*behind.missing, *days)
            }
        every, files = (*behind.days, *days), files_of(store, venue)
        made = [BookedDay(brought.get(day_ns), account_day(store, venue, day_ns, now_ns, files)) for day_ns in every]
        keep_caught_up(store, venue, days[0], behind.stored, files)
        return made

    return over_venues(venues, book)
