"""Two venue doubles with books, a store, and cross-venue orders over them that come and go."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.trading import virtual
from tests.trading.samples import SPOT, D, venue
from tests.trading.venue_double import Fault, VenueDouble, VenueOrder
from tests.trading.virtual import InlineJournal, VirtualClock, run
from xetrade_core.errors import NoAnswer
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.orders import Fill, Intent, OrderReport, ReportStatus, Side
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.trading.cross.means import Means
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.request import CrossRequest, LegRequest
from xetrade_core.trading.cross.saga import Role, Saga, apply
from xetrade_core.trading.cross.service import CrossService
from xetrade_core.trading.cross.states import CrossState
from xetrade_core.trading.cross.store import CrossStore, totals
from xetrade_core.trading.execution import ErrorReply, NoReply, TradingAccount
from xetrade_core.trading.limits import RiskLimits
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore

T = TypeVar("T")
Program = Callable[[CrossService], Awaitable[T]]
KEY = "spread-1"
FOR_EVER_NS = 2**62
SWAP = replace(
    SPOT,
    venue="okx",
    symbol="BTC/USDT:USDT",
    venue_id="BTC-USDT-SWAP",
    market_type=MarketType.SWAP,
    lot=D(1),
    contract_size=D("0.001"),
    min_amount=D(1),
    min_notional=None,
)


class MarketDouble(VenueDouble):
    """A double with a touch that orders trade at. `supply`: how much each next order finds, in pieces; then all."""

    def __init__(self, clock: VirtualClock, name: str, instrument: Instrument) -> None:
        super().__init__(clock)
        self.name = name
        self.instrument = instrument
        self.bid, self.ask, self.size = D(49_999), D(50_001), D(5)
        self.supply: deque[list[Decimal]] = deque()
        self.silent = self.hidden = False  # on the private side, on the public one
        self.rests = False  # it does not take out what is left of an immediate order
        self.poor = False
        self.refuses_misses = False  # an immediate order that finds nobody
        self.held = {"BTC": D(100), "USDT": D(10_000_000)}

    def book(self) -> BookSnapshot:
        if self.hidden:
            raise NoAnswer(f"{self.name} does not answer")
        contracts = float(self.size / self.instrument.contract_size)
        bids, asks = ((float(self.bid), contracts),), ((float(self.ask), contracts),)
        return BookSnapshot(self.name, self.instrument.symbol, bids, asks, self._clock.wall_ns())

    def trade(self, order: VenueOrder, amount: Decimal, price: Decimal | None = None) -> Fill:
        best = self.ask if order.side is Side.BUY else self.bid
        made = msgspec.structs.replace(super().trade(order, amount, price or best), venue=self.name)
        order.trades[-1] = made
        return made

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        if self.silent:
            raise NoReply(f"{self.name} does not answer")
        return await super().open_orders(symbol)

    async def balances(self) -> Any:
        return () if self.silent else await super().balances()

    def _take(self, intent: Intent) -> OrderReport:
        if self.poor:
            raise ErrorReply("-2010", "Account has insufficient balance", 400)
        pieces = self.supply.popleft() if self.supply else [intent.amount]
        best = self.ask if intent.side is Side.BUY else self.bid
        assert intent.price is not None
        if intent.side.sign * (best - intent.price) > 0:
            pieces = []
        if self.refuses_misses and not pieces:
            raise ErrorReply("-5021", "Zero liquidity", 400)
        super()._take(intent)
        order = self.orders[-1]
        order.status = ReportStatus.OPEN if self.rests else ReportStatus.CANCELED
        for piece in pieces:
            taken = min(piece, order.amount - order.filled)
            if taken > 0:
                self.trade(order, taken)
        return order.report()

    def fail_next(self, what: str, faults: Iterable[Fault]) -> None:
        """What goes wrong with the next calls of that kind."""
        self.faults[what].extend(faults)

    def forget_faults(self) -> None:
        """Nothing goes wrong any more."""
        for queue in self.faults.values():
            queue.clear()

    def net(self) -> Decimal:
        """What was bought less what was sold, in base currency."""
        sums = (trade.amount * trade.side.sign for order in self.orders for trade in order.trades)
        return sum(sums, D(0)) * self.instrument.contract_size


class MortalStore(CrossStore):
    """Sagas of a process that can be killed: what is dead writes nothing."""

    def _write(self, work: Any) -> Any:
        with suppress(RuntimeError):
            if virtual.is_buried(asyncio.current_task()):
                raise asyncio.CancelledError
        return super()._write(work)


async def went_on(service: CrossService) -> list[Saga]:
    """The sagas after going on with them; raises what stopped one."""
    sagas, problems = await service.resume()
    for problem in problems.values():
        raise problem
    return sagas


class CrossWorld:
    """Spot on `binance`, and on `okx` spot or a swap. `run` is one process' life."""

    def __init__(self, path: Path, *, hedge: Instrument | None = None, limits: RiskLimits | None = None) -> None:
        self.path = path / "orders.db"
        self.clock = VirtualClock()
        second = hedge or replace(SPOT, venue="okx")
        self.binance = MarketDouble(self.clock, "binance", SPOT)
        self.okx = MarketDouble(self.clock, "okx", second)
        self.binance.size = D(2)  # the less liquid one
        self.limits = limits
        self.rules = Rules(unwind_attempts=2)
        self.policy = Policy(call_timeout_s=5, grace_s=2)
        self.steps = 0
        self._names = count()

    @property
    def doubles(self) -> tuple[MarketDouble, MarketDouble]:
        return self.binance, self.okx

    def request(self, **changes: Any) -> CrossRequest:
        """Buy 0.01 BTC on binance, sell it on okx."""
        legs = {
            side: LegRequest(venue=double.name, account="main", symbol=double.instrument.symbol)
            for side, double in zip(("buy", "sell"), self.doubles, strict=True)
        }
        values: dict[str, Any] = {**legs, "quantity": D("0.01"), "max_loss": D(20), "within_s": 60.0}
        return CrossRequest(**(values | changes))

    def run(self, program: Program[T], *, kill_at: int | None = None) -> T | None:
        """What the program returns, or None if it was killed; `steps` tells how many steps it took."""
        store = self.open()

        async def life() -> T:
            async with self.orders(store) as orders:
                return await program(self.service(store, orders))

        try:
            result, self.steps = run(life, self.clock, kill_at=kill_at)
        finally:
            store.close()
        return result

    def accounts(self) -> dict[tuple[str, str], TradingAccount]:
        """Both accounts."""
        return {
            (one.name, "main"): TradingAccount(
                replace(venue(), id=one.name), "main", one, {one.instrument.symbol: one.instrument}
            )
            for one in self.doubles
        }

    def orders(self, store: OrderStore) -> OrderService:
        """Their orders, as one process has them."""
        for one in self.doubles:
            store.marks.set(one.name, one.instrument.symbol, D(50_000), self.clock.wall_ns())
        accounts, rng = self.accounts().values(), random.Random(1)
        return OrderService(store, InlineJournal(store), accounts, clock=self.clock, rng=rng, policy=self.policy)

    def service(self, store: OrderStore, orders: OrderService) -> CrossService:
        """Its cross-venue orders."""
        sagas = MortalStore(store, durable=False)
        means = Means(orders, store, sagas, self.accounts(), self.book, self.clock, rules=self.rules)
        return CrossService(means, new_name=lambda: f"driver-{next(self._names)}")

    async def book(self, name: str, symbol: str) -> BookSnapshot:
        await asyncio.sleep(0)
        return next(one for one in self.doubles if one.name == name).book()

    def open(self) -> OrderStore:
        return OrderStore(self.path, limits=self.limits, marks=Marks(), clock=self.clock)

    def start(self, **changes: Any) -> Saga | None:
        """One process that asks for the saga and ends."""
        return self.run(lambda service: service.start(self.request(**changes), key=KEY))

    def go_on(self) -> list[Saga]:
        """One process that goes on with what is not over; raises what stopped one."""
        return self.run(went_on) or []

    def fail(self, double: MarketDouble, what: str, *faults: Fault) -> None:
        double.fail_next(what, faults)

    def left_behind(self) -> object:
        """All that a process leaves when it dies: what is in the database, and what the venues know."""
        with closing(sqlite3.connect(self.path)) as connection:
            tables = ("events", "fills", "cross_events", "cross_residuals", "cross_sagas")
            counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]
            driven = connection.execute("SELECT version, driver IS NULL FROM cross_sagas").fetchall()
        known = [[(one.status, len(one.trades)) for one in double.orders] for double in self.doubles]
        wire = [{what: len(queue) for what, queue in double.faults.items()} for double in self.doubles]
        return counts, driven, known, wire

    def check(self, *, thorough: bool = True) -> Saga | None:
        """Store, saga, ledger and venues say the same; the saga, or None if there is none (and nothing was sent)."""
        store = self.open()
        try:
            ours = {order.client_id: order for order in store.updated(0, FOR_EVER_NS)}
            for double in self.doubles:
                names = [order.client_id or "" for order in double.orders]
                assert len(names) == len(set(names)), "doubled"
                assert set(names) <= set(ours), "lost"
                for there in double.orders:
                    assert ours[there.client_id or ""].filled == there.filled
            assert all(order.illegal == () for order in ours.values())
            assert not thorough or rebuild(store).clean
            sagas = CrossStore(store)
            found = sagas.sagas()
            if not found:
                assert not any(double.orders for double in self.doubles)
                return None
            [saga] = found
            self._check_saga(saga, sagas, ours.keys())
            assert saga.state.over, saga.state
            assert not any(order.state.working for order in ours.values())
        finally:
            store.close()
        return saga

    def _check_saga(self, saga: Saga, sagas: CrossStore, orders: Any) -> None:
        again = None
        for event in sagas.events(saga.key):
            again = apply(again, event, saga.key)
        assert again == saga, "the saga is what its entries sum up to"
        assert set(orders) <= {one.client_id for one in saga.attempts}
        assert self.binance.net() + self.okx.net() == saga.position
        first = saga.base(Role.FIRST)
        assert first == saga.base(Role.HEDGE) + saga.base(Role.UNWIND) + saga.unhedged
        ledger = totals(sagas.residuals())
        assert ledger == ({"BTC": saga.position} if saga.position else {})
        assert bool(saga.position) <= (saga.state is CrossState.RESIDUAL)
