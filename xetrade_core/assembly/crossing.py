"""Cross-venue orders over the desk of the settings: what the command line and the pipelines both do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from xetrade_core.assembly.order_runs import require_wait, run_with_desk
from xetrade_core.assembly.order_store import open_reader
from xetrade_core.assembly.trading import SETTLE_S, TradingDesk
from xetrade_core.clock import Clock
from xetrade_core.errors import CrossNotOver, StoreUnavailable
from xetrade_core.settings import Settings
from xetrade_core.trading.cross.means import Means
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.overview import SagaTold, residual_rows, saga_row
from xetrade_core.trading.cross.request import CrossRequest, LegRequest
from xetrade_core.trading.cross.saga import Plan, Saga
from xetrade_core.trading.cross.service import CrossService, settle
from xetrade_core.trading.cross.store import CrossStore, totals
from xetrade_core.trading.overview import Row, number
from xetrade_core.venues.registry import venue as known_venue

WAIT_S = Rules().patience_s


@dataclass(frozen=True, slots=True)
class CrossOverview:
    """Sagas of the store, the ledger of what they left unhedged, and its sums by currency."""

    sagas: list[Row]
    residuals: list[Row]
    totals: dict[str, str | None]


def leg_request(where: str, pair: str, *, price: Decimal | None, slippage_bps: Decimal) -> LegRequest:
    """A leg as people write it: `binance` or `binance/main`, and a pair in any spelling."""
    venue, _, account = where.partition("/")
    return LegRequest(venue=venue, account=account, symbol=pair, price=price, slippage_bps=slippage_bps)


def cross_service(desk: TradingDesk, wait_s: float = WAIT_S) -> CrossService:
    """Cross-venue orders of a desk's accounts. `wait_s`: how long an order that nobody knows of is waited for."""

    async def ready(legs: Iterable[tuple[str, str, str]]) -> None:
        wanted = list(legs)
        names = [(venue, account) for venue, account, _ in wanted]
        await desk.prepare([(venue, symbol) for venue, _, symbol in wanted], accounts=names)

    return CrossService(
        Means(
            orders=desk.orders,
            store=desk.store,
            sagas=CrossStore(desk.store),
            accounts=desk.accounts,
            books=desk.markets.book,
            clock=desk.clock,
            ready=ready,
            rules=Rules(patience_s=wait_s),
        )
    )


def plan_cross(settings: Settings, clock: Clock, request: CrossRequest, *, key: str) -> Plan:
    """What a cross order would do, both legs checked; nothing is sent or stored. Raises what `CrossService.plan` does,
    and what opening the desk does."""

    async def work(desk: TradingDesk) -> Plan:
        return await cross_service(desk).plan(await _resolved(desk, request), key=key)

    return run_with_desk(settings, clock, work)


def start_cross(
    settings: Settings, clock: Clock, request: CrossRequest, *, key: str, wait_s: float = WAIT_S
) -> SagaTold:
    """Trade both legs, once for each key; a saga that there is goes on. Raises what `CrossService.start` does."""
    require_wait(wait_s)

    async def work(desk: TradingDesk) -> SagaTold:
        saga = await cross_service(desk, wait_s).start(await _resolved(desk, request), key=key)
        return await _told(desk, saga)

    return run_with_desk(settings, clock, work)


def resume_cross(
    settings: Settings, clock: Clock, keys: Sequence[str] | None = None, *, wait_s: float = WAIT_S
) -> tuple[list[SagaTold], dict[str, str]]:
    """Go on with these, or with all that are not over: all of them as they stand then, and by key what stopped one.
    Raises what `CrossService.resume` does, and CrossNotOver where the store cannot be read any more."""

    async def work(desk: TradingDesk) -> tuple[list[SagaTold], dict[str, str]]:
        service = cross_service(desk, wait_s)
        sagas, problems = await service.resume(keys)
        stopped = {key: str(error) for key, error in problems.items()}
        try:
            stand = [await asyncio.to_thread(service.means.sagas.saga, key) for key in stopped]
            return [await _told(desk, saga) for saga in (*sagas, *stand)], stopped
        except StoreUnavailable as error:
            raise CrossNotOver("; ".join((*stopped.values(), str(error)))) from error

    return run_with_desk(settings, clock, work)


def cross_told(settings: Settings, key: str) -> SagaTold:
    """A saga as the store has it. Raises UnknownCross, StoreUnavailable."""
    with open_reader(settings) as reader:
        return SagaTold(reader, CrossStore(reader).saga(key))


def settle_cross(settings: Settings, clock: Clock, key: str, *, by: str, reason: str) -> SagaTold:
    """Take what a saga left unhedged out of the ledger. Raises what `settle` does."""
    with open_reader(settings) as reader:
        saga = settle(CrossStore(reader), key, by=by, reason=reason, at_ns=clock.wall_ns())
        return SagaTold(reader, saga)


def cross_overview(settings: Settings, limit: int, *, unfinished: bool = False) -> CrossOverview:
    """The newest sagas and the whole ledger. Raises ConfigError, StoreUnavailable."""
    with open_reader(settings) as reader:
        sagas = CrossStore(reader)
        rows = [
            saga_row(saga, reader.orders([one.client_id for one in saga.attempts]))
            for saga in sagas.sagas(limit, unfinished=unfinished)
        ]
        ledger = sagas.residuals()
    sums = {currency: number(amount) for currency, amount in totals(ledger).items()}
    return CrossOverview(rows, residual_rows(ledger), sums)


async def _resolved(desk: TradingDesk, request: CrossRequest) -> CrossRequest:
    """The request with the accounts that are meant and the universal symbols of what somebody wrote."""

    legs: list[LegRequest] = []
    for leg in (request.buy, request.sell):
        plan = desk.plan(known_venue(leg.venue).id, leg.account or None)
        instrument = await desk.markets.instrument(leg.venue, leg.symbol)
        legs.append(msgspec.structs.replace(leg, account=plan.account, symbol=instrument.symbol))
    return msgspec.structs.replace(request, buy=legs[0], sell=legs[1])


async def _told(desk: TradingDesk, saga: Saga) -> SagaTold:
    """The saga with what its venues have told of its trades by now."""
    if saga.state.over:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await desk.orders.settled()
    return await asyncio.to_thread(lambda: SagaTold(desk.store, saga))
