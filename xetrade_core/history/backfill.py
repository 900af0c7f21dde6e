"""Bringing a venue's funding history of any length into the lake: read by pages, resumed where it stopped.

Two phases. *Reading* goes through every symbol by the venue's own rule of paging, some symbols at once, within the
client's budget; what is read is on disk page by page. *Storing* settles intervals over the whole of it and writes days
(`lake.funding_days`). A run that dies in either is repeated: pages are not read twice, days are not written twice.
The days around the wanted ones are read too, since intervals at the edges cannot be told without them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, NotSupported, RateLimited, VenueRefused, VenueUnavailable
from xetrade_core.funding.history import SettledHistory, settle
from xetrade_core.history.pages import read_pages
from xetrade_core.history.progress import FundingProgress
from xetrade_core.lake.funding_days import Stored, store_fundings
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.funding import FundingRate, SettledFunding
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.breaker import CircuitOpen
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import FundingRules

NS_PER_DAY = 86_400 * NS_PER_S
#: venues show a funding some time after it was paid; until then it is not missing
SETTLES_WITHIN_NS = 300 * NS_PER_S
#: days read on both sides, so that three steps of the longest interval are there
PADDING_NS = 3 * NS_PER_DAY
_SLICE_NS = 366 * NS_PER_DAY  # bounds the memory of storing
_TOGETHER = 8  # symbols read at once
_PATIENCE = Backoff(base_s=1.0, cap_s=60.0)
_ATTEMPTS = 6  # in a row at one page, each with the client's own tries


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """Fundings with start_ns <= time < end_ns of some instruments (universal symbols) of a venue."""

    venue: str
    symbols: tuple[str, ...]
    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if not self.symbols:
            raise ConfigError.of("symbols", (), "name at least one perpetual")
        if self.start_ns >= self.end_ns:
            raise ConfigError.of("since", self.start_ns, "must be before the end")

    def until(self, now_ns: int) -> BackfillPlan:
        """The same without what is not settled yet at `now_ns`. Raises ConfigError where nothing is left."""
        if now_ns - SETTLES_WITHIN_NS <= self.start_ns:
            minutes = SETTLES_WITHIN_NS // (60 * NS_PER_S)
            raise ConfigError(
                f"nothing of {self.venue} is settled yet since then: venues show a funding within {minutes} minutes"
            )
        return replace(self, end_ns=min(self.end_ns, now_ns - SETTLES_WITHIN_NS))


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """How far it is: `share` of the time to read, pages and rows of this run, and what it waits for."""

    venue: str
    phase: str  # reading, storing
    share: float
    pages: int
    rows: int
    symbols: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class SymbolHistory:
    """What the venue has of one symbol within the plan: rows, first and last funding, and those that are missing.

    `awaited`: none was due, as the last one was before the plan and the next one is after it.
    """

    symbol: str
    rows: int
    first_ns: int | None
    last_ns: int | None
    missing: tuple[int, ...]
    awaited: bool


@dataclass(slots=True)
class BackfillReport:
    """What a backfill has read and what became of it. `resumed` rows were read by an earlier run.

    `kept_s`: the seconds that the venue's history reaches back, where the plan begins before that; else None.
    """

    plan: BackfillPlan
    pages: int = 0
    retries: int = 0
    resumed: int = 0
    kept_s: float | None = None
    symbols: list[SymbolHistory] = field(default_factory=list)
    stored: Stored = field(default_factory=Stored)

    @property
    def missing(self) -> int:
        """Fundings that the venue's history leaves out."""
        return sum(len(one.missing) for one in self.symbols)


def funding_rules(venue_id: str) -> FundingRules:
    """How the venue pages its history and what its numbers mean. Raises UnknownVenue, VenueRetired, NotSupported."""
    venue = known_venue(venue_id).require_live()
    if venue.funding is None:
        there = f": they are {' and '.join(venue.contracts_at)}" if venue.contracts_at else ""
        raise NotSupported(f"{venue.name} has no funding: it lists no perpetual contracts{there}")
    return venue.funding


async def backfill(
    client: MarketData,
    plan: BackfillPlan,
    progress: FundingProgress,
    store: ObjectStore,
    clock: Clock,
    rng: random.Random,
    on_progress: Callable[[BackfillStatus], None] = lambda _: None,
) -> BackfillReport:
    """Read and store; `progress` must be entered. Repeating it after any failure goes on where it stopped.

    Raises UnknownSymbol, NotSupported, VenueUnavailable (after minutes of trying; what was read is kept), LakeError.
    """
    work = _Backfill(client, plan.until(clock.wall_ns()), progress, clock, rng, on_progress)
    await work.read()
    return work.store(store)


class _Backfill:
    def __init__(
        self,
        client: MarketData,
        plan: BackfillPlan,
        progress: FundingProgress,
        clock: Clock,
        rng: random.Random,
        on_progress: Callable[[BackfillStatus], None],
    ) -> None:
        self.rules = funding_rules(plan.venue)
        kept_s = self.rules.kept_s
        cut_off = kept_s is not None and plan.start_ns < clock.wall_ns() - kept_s * NS_PER_S
        self.report = BackfillReport(plan, kept_s=kept_s if cut_off else None)
        self._client, self._plan, self._progress = client, plan, progress
        self._clock, self._rng, self._on_progress = clock, rng, on_progress
        self._start_ns = plan.start_ns - PADDING_NS
        self._end_ns = min(plan.end_ns + PADDING_NS, clock.wall_ns() - SETTLES_WITHIN_NS)
        self._left_ns: dict[str, int] = {}
        self._rows = 0
        self._gate = asyncio.Semaphore(_TOGETHER)

    async def read(self) -> None:
        """Read what is not read yet."""
        symbols = self._plan.symbols
        self.report.resumed = self._progress.count(symbols)
        spans = {symbol: self._progress.open_spans(symbol, self._start_ns, self._end_ns) for symbol in symbols}
        self._left_ns = {symbol: sum(end - start for start, end in spans[symbol]) for symbol in symbols}
        tasks = [asyncio.create_task(self._read_symbol(symbol, spans[symbol])) for symbol in symbols]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_symbol(self, symbol: str, spans: Iterable[tuple[int, int]]) -> None:
        async with self._gate:
            for start_ns, end_ns in spans:
                async for page in read_pages(self._page, self.rules, symbol, start_ns, end_ns):
                    self._progress.add(symbol, page)
                    self.report.pages += 1
                    self._rows += len(page.rows)
                    self._left_ns[symbol] -= page.end_ns - page.start_ns
                    self._tell("reading")
        self._tell("reading")

    async def _page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """One page, however often it takes within reason: a backfill of hours outlives minutes of maintenance."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._client.funding_page(symbol, start_ns, end_ns)
            except VenueRefused:
                raise
            except VenueUnavailable as error:
                if attempt + 1 == _ATTEMPTS:
                    raise VenueUnavailable(f"{error}; what was read is kept: repeat it to go on from there") from error
                self.report.retries += 1
                self._tell("reading", trouble=str(error))
                asked_s = error.retry_after_s if isinstance(error, (RateLimited, CircuitOpen)) else 0.0
                await self._clock.sleep(max(asked_s, _PATIENCE.delay_s(attempt, self._rng)))
        raise AssertionError("unreachable")

    def store(self, store: ObjectStore) -> BackfillReport:
        """Settle and store what was read, slice by slice of time, and forget it."""
        histories = {symbol: _Totals(symbol) for symbol in self._plan.symbols}
        for start_ns, end_ns in _slices(self._plan.start_ns, self._plan.end_ns):
            rows: list[SettledFunding] = []
            for symbol, total in histories.items():
                found = self._settled(symbol, start_ns, end_ns)
                total.add(found)
                rows += found.rows
            self.report.stored.add(store_fundings(store, self._plan.venue, rows, self._clock.wall_ns()))
            self._tell("storing", (end_ns - self._plan.start_ns) / (self._plan.end_ns - self._plan.start_ns))
        self.report.symbols = [total.history(self._awaited(symbol)) for symbol, total in histories.items()]
        self._progress.forget(self._plan.symbols)
        return self.report

    def _settled(self, symbol: str, start_ns: int, end_ns: int) -> SettledHistory:
        """The rows of a slice, judged together with those around it; missing ones up to the end that was read."""
        from_ns, to_ns = start_ns - PADDING_NS, min(end_ns + PADDING_NS, self._end_ns)
        usual_s = self.rules.default_interval_s
        found = settle(self._progress.rates(symbol, from_ns, to_ns), usual_s)
        missing = [*found.missing, *_due_after(found, to_ns)]
        return SettledHistory(
            tuple(row for row in found.rows if start_ns <= row.funding_ns < end_ns),
            tuple(time_ns for time_ns in missing if start_ns <= time_ns < end_ns),
        )

    def _awaited(self, symbol: str) -> bool:
        start_ns, end_ns = self._plan.start_ns, self._plan.end_ns
        near = self._progress.rates(symbol, start_ns - PADDING_NS, min(end_ns, start_ns + PADDING_NS))
        found = settle(near, self.rules.default_interval_s).rows
        if not found or found[-1].funding_ns >= start_ns or found[-1].interval_s is None:
            return False
        return found[-1].funding_ns + round(found[-1].interval_s * NS_PER_S) >= end_ns

    def _tell(self, phase: str, share: float | None = None, trouble: str = "") -> None:
        whole = (self._end_ns - self._start_ns) * len(self._plan.symbols)
        if share is None:
            share = 1 - sum(self._left_ns.values()) / whole
        pages, symbols = self.report.pages, len(self._plan.symbols)
        self._on_progress(BackfillStatus(self._plan.venue, phase, share, pages, self._rows, symbols, trouble))


class _Totals:
    """One symbol's history, counted over slices."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._rows = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._missing: list[int] = []

    def add(self, part: SettledHistory) -> None:
        if part.rows:
            self._first_ns = part.rows[0].funding_ns if self._first_ns is None else self._first_ns
            self._last_ns = part.rows[-1].funding_ns
        self._rows += len(part.rows)
        self._missing += part.missing

    def history(self, awaited: bool) -> SymbolHistory:
        return SymbolHistory(self._symbol, self._rows, self._first_ns, self._last_ns, tuple(self._missing), awaited)


def _due_after(history: SettledHistory, end_ns: int) -> Sequence[int]:
    """Fundings after the last row that should be there by `end_ns`; none where the instrument has fallen silent."""
    last = history.rows[-1] if history.rows else None
    if last is None or last.interval_s is None or end_ns - last.funding_ns > PADDING_NS:
        return ()
    step_ns = round(last.interval_s * NS_PER_S)
    return range(last.funding_ns + step_ns, end_ns, step_ns)


def _slices(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    for at_ns in range(start_ns, end_ns, _SLICE_NS):
        yield at_ns, min(at_ns + _SLICE_NS, end_ns)
