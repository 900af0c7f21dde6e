"""All circuit breakers of one venue host: logged, counted, and written down for other processes and for the doctor."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.telemetry import METRICS, Metrics, get_logger, redact_text
from xetrade_core.venues.breaker import BreakerRules, BreakerState, Change, CircuitBreaker
from xetrade_core.venues.budget import Sharing
from xetrade_core.venues.venue import Endpoints, Venue

_log = get_logger("breaker")


class BreakerRecord(msgspec.Struct, frozen=True):
    """What one process last wrote of a breaker; times are UTC nanoseconds. `until_ns` is 0 unless it is open."""

    state: BreakerState
    changed_ns: int
    until_ns: int
    failures: int
    error: str
    pid: int


_Records = dict[str, BreakerRecord]
_decoder = msgspec.json.Decoder(_Records)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose breakers: a venue, its host, and the outgoing address it is reached from."""

    venue: str
    host: str
    address: str = "default"

    def file(self, directory: Path) -> Path:
        """Where they are written down."""
        parts = (re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in (self.venue, self.host, self.address))
        return directory / f"{'_'.join(parts)}.json"


class BreakerBoard:
    """The breakers of one scope, made when they are first asked for; `directory` None keeps them to this process."""

    def __init__(
        self,
        scope: Scope,
        clock: Clock,
        rules: BreakerRules | None = None,
        *,
        directory: Path | None = None,
        metrics: Metrics = METRICS,
    ) -> None:
        self.scope = scope
        self._clock = clock
        self._rules = rules or BreakerRules()
        self._path = None if directory is None else scope.file(directory)
        self._metrics = metrics
        self._breakers: dict[str, CircuitBreaker] = {}

    def of(self, endpoint: str) -> CircuitBreaker:
        """The breaker of a class of endpoints; a new one is open for as long as another process has written."""
        breaker = self._breakers.get(endpoint)
        if breaker is None:
            breaker = CircuitBreaker(endpoint, self._clock, self._rules, self._changed)
            self._breakers[endpoint] = breaker
            self._show(endpoint, breaker.state)
            known = read_breakers(self._path).get(endpoint) if self._path is not None else None
            if known is not None and known.state is BreakerState.OPEN:
                left_s = (known.until_ns - self._clock.wall_ns()) / NS_PER_S
                if left_s > 0:
                    breaker.open_for(min(left_s, self._rules.cap_s), known.error)
        return breaker

    def _changed(self, change: Change) -> None:
        facts = {"venue": self.scope.venue, "host": self.scope.host, "endpoint": change.endpoint}
        if change.state is BreakerState.OPEN:
            _log.warning("breaker open", **facts, for_s=round(change.for_s, 1), error=change.error)
        else:
            _log.info(f"breaker {change.state.replace('_', '-')}", **facts)
        self._show(change.endpoint, change.state)
        self._metrics.breaker_changes.labels(self.scope.venue, change.endpoint, change.state).inc()
        if self._path is not None:
            now_ns = self._clock.wall_ns()
            until_ns = now_ns + round(change.for_s * NS_PER_S) if change.state is BreakerState.OPEN else 0
            record = BreakerRecord(
                change.state, now_ns, until_ns, change.failures, redact_text(change.error), os.getpid()
            )
            _write(self._path, change.endpoint, record)

    def _show(self, endpoint: str, state: BreakerState) -> None:
        for one in BreakerState:
            self._metrics.breaker.labels(self.scope.venue, endpoint, one).set(one is state)


def open_board(venue: Venue, endpoints: Endpoints, sharing: Sharing, rules: BreakerRules, clock: Clock) -> BreakerBoard:
    """The breakers of a venue's REST host, written down where `sharing` says."""
    scope = Scope(venue.id, urlsplit(endpoints.rest).netloc, sharing.address)
    directory = None if sharing.directory is None else sharing.directory / "breakers"
    return BreakerBoard(scope, clock, rules, directory=directory)


def read_breakers(path: Path) -> _Records:
    """What is written in a file of breakers, by endpoint; nothing where there is none or it cannot be read."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _write(path: Path, endpoint: str, record: BreakerRecord) -> None:
    """Change one entry. What is written helps others but nothing rests on it, so that what fails is only logged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_bytes(msgspec.json.encode({**read_breakers(path), endpoint: record}))
            temporary.replace(path)
    except OSError as error:
        _log.warning("breaker state not written", path=str(path), error=error.strerror or str(error))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Without waiting for more than a moment: raises BlockingIOError where another process does not let go."""
    with path.open("ab") as file:
        for left in reversed(range(50)):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left == 0:
                    raise
                os.sched_yield()
        yield
