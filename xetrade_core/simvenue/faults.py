"""Faults on demand: what can go wrong, what is active now, and the exact record of what was injected.

A `Fault` is a request ("lose three frames of BTC/USDT"); the `FaultBoard` holds the active ones, decides the fate of
each frame and each REST call, and notes every single injection with its sequence ids, so that a test can hold a gap
ledger against it. The board has no sockets and no clock of its own: times are the simulation's nanoseconds.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue.desk.words import RefusalKind

GARBLINGS = (
    "truncated",  # valid JSON cut short
    "not_json",  # text that is no JSON
    "binary",  # random bytes in a binary frame
    "wrong_types",  # ids and levels of another type
    "zero_price",
    "negative_size",
    "nan",  # "NaN" as a price
    "crossed",  # a bid far above the best ask
    "unknown_symbol",
)
FRAME_KINDS = ("lost", "doubled", "reordered", "delayed", "garbled", "stall")
REST_KINDS = (
    "rest_delay",
    "rest_error",
    "rest_dropped",
    "rest_late",
    "rate_limit",
    "rest_empty",
    "rest_garbled",
    "rest_no_id",
    "rest_stale",
)
EVENT_KINDS = ("event_lost", "event_doubled", "event_reordered", "event_delayed")  # what an account's streams tell
ORDER_KINDS = ("order_refused", "fill_on_cancel")
CONNECTION_KINDS = ("disconnect", "half_open", "refuse")
VENUE_KINDS = ("clock", "maintenance", "sequence_reset")
KINDS = FRAME_KINDS + REST_KINDS + EVENT_KINDS + ORDER_KINDS + CONNECTION_KINDS + VENUE_KINDS
VARIANTS: dict[str, tuple[str, ...]] = {
    "garbled": GARBLINGS,
    "disconnect": ("close", "abort"),
    "stall": ("resume", "drop"),
    "rest_error": ("after", "before"),  # what the call asks for was done, or not
    "rest_late": ("error", "dropped"),  # how the call is answered that is carried out later
    "order_refused": tuple(RefusalKind),
    "fill_on_cancel": ("whole", "part"),
    **dict.fromkeys(EVENT_KINDS, ("order", "fill", "balance", "position")),  # None = any event
}
_LASTING_KINDS = ("stall", "refuse", "clock", "maintenance")  # act for a time, not a number of times
_KEPT_INJECTIONS = 100_000


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault to inject. Which fields matter depends on the kind: see docs/simulated-venues.md.

    It is active from `at` seconds after it was given (of a scenario: after the start) for `for` seconds, or until it
    has hit `count` times. With neither, kinds that hit frames or calls hit once, lasting kinds last until they are
    deleted.
    """

    kind: str
    venue: str | None = None  # None = every venue
    symbol: str | None = None  # universal; None = every symbol
    variant: str | None = None
    at: Annotated[float, Meta(ge=0)] = 0.0
    for_: Annotated[float, Meta(gt=0)] | None = msgspec.field(name="for", default=None)
    count: Annotated[int, Meta(ge=1)] | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    path: str | None = None  # REST kinds: only paths that contain this
    delay_s: Annotated[float, Meta(ge=0)] = 1.0  # delayed, rest_delay, rest_late, event_delayed
    status: Annotated[int, Meta(ge=400, le=599)] | None = None  # rest_error (default 500), rate_limit (429 or 418)
    retry_after_s: Annotated[int, Meta(ge=0)] = 1  # rate_limit
    offset_s: float = 0.0  # clock
    age_s: Annotated[float, Meta(gt=0)] = 5.0  # rest_stale: how old the snapshot is

    def check(self, venues: Collection[str]) -> None:
        """Raise ConfigError where the fault makes no sense."""
        if self.kind not in KINDS:
            raise ConfigError.of("fault.kind", self.kind, f"one of {', '.join(KINDS)}")
        if self.venue is not None and self.venue not in venues:
            raise ConfigError.of("fault.venue", self.venue, f"one of the simulated {', '.join(venues)}")
        allowed = VARIANTS.get(self.kind, ())
        if self.variant is not None and self.variant not in allowed:
            what = f"one of {', '.join(allowed)}" if allowed else f"a {self.kind} fault has no variants"
            raise ConfigError.of("fault.variant", self.variant, what)

    @property
    def hits(self) -> int | None:
        """How often it may hit; None = as long as it is active."""
        if self.count is not None or self.kind in _LASTING_KINDS or self.for_ is not None:
            return self.count
        return 1


class Injection(msgspec.Struct, frozen=True):
    """One thing that was made to go wrong. Ids are those of the frame concerned, None where there is none."""

    fault_id: int
    kind: str
    variant: str | None
    venue: str
    symbol: str | None
    wall_ns: int
    previous_id: int | None = None
    first_id: int | None = None
    last_id: int | None = None
    connections: int = 0
    detail: str = ""


@dataclass(slots=True)
class ActiveFault:
    """A fault given to the board: `start_ns` and `end_ns` in simulation time, `left` hits to go (None = no limit)."""

    fault_id: int
    fault: Fault
    start_ns: int
    end_ns: int | None
    left: int | None
    rng: random.Random = field(repr=False)
    begun: bool = False

    @property
    def kind(self) -> str:
        return self.fault.kind

    def covers(self, venue: str, symbol: str | None) -> bool:
        fault = self.fault
        return fault.venue in (None, venue) and (fault.symbol is None or symbol is None or fault.symbol == symbol)

    def fires(self) -> bool:
        """Draw whether it hits this time, and count the hit."""
        if self.left == 0 or (self.fault.probability < 1.0 and self.rng.random() >= self.fault.probability):
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def describe(self) -> dict[str, object]:
        """For the admin endpoint."""
        return {"id": self.fault_id, "begun": self.begun, "left": self.left, "fault": self.fault}


class FaultBoard:
    """The active faults of one simulation, and the list of injections."""

    def __init__(self, venues: Collection[str], seed: int) -> None:
        self._venues = venues
        self._seed = seed
        self._last_id = 0
        self._waiting: list[ActiveFault] = []
        self._active: list[ActiveFault] = []
        self._frame_faults: list[ActiveFault] = []
        self.injections: deque[Injection] = deque(maxlen=_KEPT_INJECTIONS)

    def add(self, fault: Fault, now_ns: int) -> int:
        """Accept a fault; gives its id. Raises ConfigError if it makes no sense."""
        fault.check(self._venues)
        self._last_id += 1
        start = now_ns + round(fault.at * NS_PER_S)
        end = None if fault.for_ is None else start + round(fault.for_ * NS_PER_S)
        rng = random.Random(f"{self._seed}:{fault.seed}:{self._last_id}")
        self._waiting.append(ActiveFault(self._last_id, fault, start, end, fault.hits, rng))
        return self._last_id

    def remove(self, fault_id: int | None) -> list[ActiveFault]:
        """Take back one fault, or all; gives those that had begun, for their effects to be ended."""
        gone = [one for one in self._active if fault_id in (None, one.fault_id)]
        self._waiting = [one for one in self._waiting if fault_id not in (None, one.fault_id)]
        self._keep([one for one in self._active if one not in gone])
        return gone

    def turn(self, now_ns: int) -> tuple[list[ActiveFault], list[ActiveFault]]:
        """Move time on: gives the faults that begin now and those that are over."""
        if not self._waiting and not self._active:
            return [], []
        over = [one for one in self._active if one.left == 0 or (one.end_ns is not None and one.end_ns <= now_ns)]
        begin = [one for one in self._waiting if one.start_ns <= now_ns]
        if begin or over:
            self._waiting = [one for one in self._waiting if one not in begin]
            self._keep([one for one in self._active if one not in over] + begin)
            for one in begin:
                one.begun = True
        return begin, over

    def _keep(self, active: list[ActiveFault]) -> None:
        self._active = active
        self._frame_faults = [one for one in active if one.kind in FRAME_KINDS]

    def frame_fate(self, venue: str, symbol: str) -> ActiveFault | None:
        """The fault that hits this frame, if one does."""
        for one in self._frame_faults:
            if one.covers(venue, symbol) and one.fires():
                return one
        return None

    def rest_fates(self, venue: str, symbol: str | None, path: str) -> list[ActiveFault]:
        """The faults that hit this REST call."""
        return [
            one
            for one in self._active
            if one.kind in REST_KINDS and one.covers(venue, symbol) and (one.fault.path or "") in path and one.fires()
        ]

    def event_fate(self, venue: str, symbol: str | None, variant: str) -> ActiveFault | None:
        """The fault that hits an event of that `variant` on its way to an account, if one does."""
        for one in self._active:
            chosen = one.kind in EVENT_KINDS and one.fault.variant in (None, variant)
            if chosen and one.covers(venue, symbol) and one.fires():
                return one
        return None

    def order_fate(self, kind: str, venue: str, symbol: str) -> ActiveFault | None:
        """The fault of that kind that hits an order, if one does."""
        for one in self._active:
            if one.kind == kind and one.covers(venue, symbol) and one.fires():
                return one
        return None

    def lasting(self, kind: str, venue: str) -> ActiveFault | None:
        """The active lasting fault of that kind, if there is one."""
        for one in self._active:
            if one.kind == kind and one.covers(venue, None):
                return one
        return None

    def note(self, injection: Injection) -> None:
        self.injections.append(injection)

    def describe(self) -> Iterator[dict[str, object]]:
        """All faults that are still to act, for the admin endpoint."""
        for one in self._waiting + self._active:
            yield one.describe()
