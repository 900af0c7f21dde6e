"""Cross-venue orders of some accounts: planned, begun once, driven to their end, and gone on with after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import CrossBusy, CrossNotOver, InvalidOrder, UnknownCross, XETradeError
from xetrade_core.trading.cross.driver import CrossDriver
from xetrade_core.trading.cross.means import Means, together
from xetrade_core.trading.cross.planning import make_plan
from xetrade_core.trading.cross.request import CrossRequest, require_key, require_sense
from xetrade_core.trading.cross.saga import CrossEvent, Plan, Saga
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.store import CrossStore, require_same
from xetrade_core.trading.store_absence import AWAY, is_away, outlast

_LOOK_AGAIN_S = (0.25, 0.5, 1.0, 2.0)


def settle(sagas: CrossStore, key: str, *, by: str, reason: str, at_ns: int) -> Saga:
    """A person has closed what a saga left unhedged, or keeps it: it leaves the ledger, with who said so and why.

    Raises UnknownCross; InvalidOrder if it left nothing; CrossBusy.
    """
    saga = sagas.saga(key)
    if saga.state is not CrossState.RESIDUAL or not saga.booked:
        raise InvalidOrder("cross order", key, "one with something in the ledger: `xetrade cross list` tells")
    name = _new_name()
    if sagas.claim(key, name, at_ns, at_ns + NS_PER_S) is None:
        raise CrossBusy(f"cross order {key} is driven by another process")
    said = f"settled by {by}: {reason}"
    event = CrossEvent(kind=CrossKind.SETTLED, at_ns=at_ns, reason=said, residual=-saga.booked)
    try:
        return sagas.append(saga, event, name)
    finally:
        sagas.release(key, name)


class WentOn(NamedTuple):
    """What came of going on: the sagas as they stand, and by key why others were stopped; those are not over, or not
    known to be."""

    sagas: list[Saga]
    problems: dict[str, XETradeError]


def _new_name() -> str:
    return secrets.token_hex(8)


class CrossService:
    """Symbols are universal, accounts are named. Whatever is under way is in the store: leaving loses nothing."""

    def __init__(self, means: Means, *, new_name: Callable[[], str] = _new_name) -> None:
        """`new_name` names each driver, so that no two of any process share one."""
        self.means = means
        self._new_name = new_name

    async def plan(self, request: CrossRequest, *, key: str) -> Plan:
        """What would be done, with both legs checked; nothing is sent or stored. Raises what `make_plan` does."""
        require_key(key)
        require_sense(request)
        return await make_plan(self.means, request, key)

    async def start(self, request: CrossRequest, *, key: str) -> Saga:
        """Trade both legs, once, however often this is called with the same key; a saga that there is goes on.

        Returns it over, or frozen where nobody knows of an order yet (`resume` goes on). Raises CrossRefused,
        InvalidOrder, UnknownSymbol, ConfigError and VenueUnavailable: nothing was sent; CrossConflict: the key names
        another cross order; StoreUnavailable; CrossNotOver (CrossBusy: another process drives it) once it was begun.
        """
        require_key(key)
        require_sense(request)
        sagas, name = self.means.sagas, self._new_name()
        saga = await self._begun(key)
        if saga is None:
            plan = await make_plan(self.means, request, key)
            planned = CrossEvent(kind=CrossKind.PLANNED, at_ns=self._now_ns, plan=plan)
            try:
                saga = await asyncio.to_thread(sagas.begin, key, planned, name, self._until_ns)
            except CrossBusy:  # another was faster by the time of a plan
                saga = await asyncio.to_thread(sagas.saga, key)
        require_same(saga, request)
        return await self._go_on(saga, name)

    async def resume(self, keys: Sequence[str] | None = None) -> WentOn:
        """Go on with these sagas, or with all that are not over, and look whether ended ones of the last day traded
        late. What stops one of them (CrossNotOver, CrossBusy, StoreUnavailable) stops no other. Raises UnknownCross,
        StoreUnavailable; nothing was gone on with then."""
        sagas = self.means.sagas
        if keys is not None:
            found = [await asyncio.to_thread(sagas.saga, key) for key in keys]
        else:
            found = await asyncio.to_thread(lambda: sagas.sagas(unfinished=True))
            found += await asyncio.to_thread(sagas.traded_late, self._now_ns)
        problems: dict[str, XETradeError] = {}

        async def go_on(saga: Saga) -> Saga | None:
            try:
                return await self._go_on(saga, self._new_name())
            except XETradeError as error:
                problems[saga.key] = error
                return None

        ended = await together(*map(go_on, found))
        return WentOn([saga for saga in ended if saga is not None], problems)

    async def _begun(self, key: str) -> Saga | None:
        with contextlib.suppress(UnknownCross):
            return await asyncio.to_thread(self.means.sagas.saga, key)
        return None

    async def _go_on(self, saga: Saga, name: str) -> Saga:
        """Drive a saga to its end. A store that does not answer in the middle is waited for: a leg may have traded."""
        within_s = self.means.rules.store_away_s
        stopped: CrossNotOver | None = None

        async def drive() -> Saga:
            nonlocal stopped
            try:
                return await self._drive(saga, name)
            except CrossNotOver as error:
                stopped = error
                raise

        try:
            return await outlast(
                drive,
                self.means.clock,
                give_up_s=within_s,
                went_well_s=within_s,
                delay_s=lambda failures: _LOOK_AGAIN_S[min(failures, len(_LOOK_AGAIN_S) - 1)],
                passes=lambda error: is_away(error) or (isinstance(error, CrossNotOver) and is_away(error.__cause__)),
            )
        except AWAY as error:  # of the two, the one that says how to go on
            raise stopped or error from error.__cause__

    async def _drive(self, saga: Saga, name: str) -> Saga:
        """Drive a saga once whoever drove it has let go, or has been silent for long enough to be dead."""
        sagas, key = self.means.sagas, saga.key
        until_ns = self._now_ns + 2 * round(self.means.rules.lease_s * NS_PER_S)
        waits = iter(_LOOK_AGAIN_S)
        while (taken := await asyncio.to_thread(sagas.claim, key, name, self._now_ns, self._until_ns)) is None:
            saga = await asyncio.to_thread(sagas.saga, key)
            if saga.state.over:
                return saga
            if self._now_ns >= until_ns:
                raise CrossBusy(f"cross order {key} is driven by another process: `xetrade cross show {key}` tells")
            await self.means.clock.sleep(next(waits, _LOOK_AGAIN_S[-1]))
        return await CrossDriver(self.means, taken, name).run()

    @property
    def _now_ns(self) -> int:
        return self.means.clock.wall_ns()

    @property
    def _until_ns(self) -> int:
        return self._now_ns + round(self.means.rules.lease_s * NS_PER_S)
