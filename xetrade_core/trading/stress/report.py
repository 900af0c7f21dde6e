"""What a stress test found: counts, causes and times, for each venue and for all, as values that any page can show."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any


class Ending(StrEnum):
    """How one order of the test ended."""

    CANCELED = "canceled"  # placed, acknowledged and cancelled: what was wanted
    FILLED = "filled"  # somebody traded with it before the cancel
    REFUSED = "refused"  # the venue refused it, or the venue could not be reached in time
    DENIED = "denied"  # our own risk check
    UNKNOWN = "unknown"  # nobody knows yet: the service goes on asking


_OF_ONE_ORDER = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One order. Times in seconds: `place_s` until the caller has its order, and `cancel_s` until it has it cancelled;
    of these `budget_s` waiting for the venue's rate limit. `ack_s` is what remains of the placing between our store and
    the venue's answer: the wire, and the venue. None where it did not come to that, and where the order was placed by
    an earlier test of the same key (`placed_before`).
    """

    venue: str
    account: str
    client_id: str
    ending: Ending
    cause: str | None = None
    place_s: float | None = None
    ack_s: float | None = None
    cancel_s: float | None = None
    budget_s: float | None = None
    placed_before: bool = False


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of some times, in milliseconds; each is a time that was really seen (nearest rank)."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float

    @classmethod
    def of(cls, seconds: Iterable[float | None]) -> Quantiles | None:
        """None where there are none."""
        found = sorted(one * 1000 for one in seconds if one is not None)
        if not found:
            return None

        def at(share: float) -> float:
            return round(found[max(0, math.ceil(share * len(found)) - 1)], 3)

        return cls(len(found), at(0.5), at(0.9), at(0.99), at(1.0), round(sum(found) / len(found), 3))


@dataclass(frozen=True, slots=True)
class Proof:
    """What an account's venue says afterwards. `lost` are orders that it does not know though they were placed,
    `doubled` what it has under our ids that is not ours by its own id, `found` orders that were held for failed and
    that it has after all. `problems`: what could not be asked.
    """

    venue: str
    account: str
    asked: int
    open: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether everything is accounted for."""
        return not (self.open or self.lost or self.doubled or self.found or self.unsettled or self.problems)


@dataclass(frozen=True, slots=True)
class VenueResult:
    """The orders of one venue, or of all; `placed_before`: how many of them an earlier test of the key had placed."""

    venue: str
    orders: int
    placed_before: int
    canceled: int
    filled: int
    failed: int
    unknown: int
    place: Quantiles | None
    ack: Quantiles | None
    cancel: Quantiles | None
    budget: Quantiles | None
    causes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StressReport:
    """A whole test. `seconds` from the first order to the last cancel; the proof comes after. `attempts` are in the
    order in which they ended.
    """

    key: str
    clients: int
    seconds: float
    venues: tuple[VenueResult, ...]
    total: VenueResult
    proofs: tuple[Proof, ...]
    attempts: tuple[Attempt, ...]

    @property
    def accounted(self) -> bool:
        """Whether every order is accounted for by the venues themselves."""
        return all(proof.clean for proof in self.proofs) and not self.total.unknown

    @property
    def passed(self) -> bool:
        """Everything accounted for, and nothing failed."""
        return self.accounted and not self.total.failed

    def found_before(self) -> str | None:
        """That orders of the key were found and not placed, in words; None where all were placed now."""
        before, orders = self.total.placed_before, self.total.orders
        if not before:
            return None
        if before == orders:
            return f"all {orders:,} orders of the key {self.key} were placed by an earlier test: none was placed now"
        return (
            f"{before:,} of {orders:,} orders of the key {self.key} were placed by an earlier test, "
            f"{orders - before:,} now: the times are of these"
        )

    def times_ms(self) -> dict[str, list[float]]:
        """Milliseconds of each order, by what was waited for."""
        return {
            name: [1000 * value for one in self.attempts if (value := getattr(one, field_name)) is not None]
            for name, field_name in (("place", "place_s"), ("ack", "ack_s"), ("cancel", "cancel_s"))
        }

    def endings(self) -> dict[str, dict[str, int]]:
        """How many orders of each venue ended how."""
        return {
            one.venue: {
                "canceled": one.canceled,
                "filled": one.filled,
                "failed": one.failed,
                "unknown": one.unknown,
            }
            for one in self.venues
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the single attempts."""
        found = {"passed": self.passed, "accounted": self.accounted} | asdict(replace(self, attempts=()))
        del found["attempts"]
        return found


def result_of(venue: str, attempts: Sequence[Attempt]) -> VenueResult:
    """Counts and times of some attempts."""
    endings = Counter(one.ending for one in attempts)
    return VenueResult(
        venue=venue,
        orders=len(attempts),
        placed_before=sum(one.placed_before for one in attempts),
        canceled=endings[Ending.CANCELED],
        filled=endings[Ending.FILLED],
        failed=endings[Ending.REFUSED] + endings[Ending.DENIED],
        unknown=endings[Ending.UNKNOWN],
        place=Quantiles.of(one.place_s for one in attempts),
        ack=Quantiles.of(one.ack_s for one in attempts),
        cancel=Quantiles.of(one.cancel_s for one in attempts),
        budget=Quantiles.of(one.budget_s for one in attempts),
        causes=_counted(one.cause for one in attempts if one.cause is not None),
    )


def _counted(causes: Iterable[str]) -> dict[str, int]:
    """How many there are of each, most first. Those of one code whose words differ in nothing but numbers and ids are
    one, told without what differs."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for cause in causes:
        code, colon, words = cause.partition(": ")
        alike = code + colon + _OF_ONE_ORDER.sub("...", words)
        found[alike][cause] += 1
    counted = Counter[str]()
    for alike, wordings in found.items():
        counted[alike if len(wordings) > 1 else next(iter(wordings))] += wordings.total()
    return dict(counted.most_common())


def report_of(
    key: str, clients: int, seconds: float, attempts: Sequence[Attempt], proofs: Sequence[Proof]
) -> StressReport:
    """The report of a test."""
    names = dict.fromkeys(one.venue for one in attempts)
    return StressReport(
        key=key,
        clients=clients,
        seconds=round(seconds, 3),
        venues=tuple(result_of(name, [one for one in attempts if one.venue == name]) for name in names),
        total=result_of("all", attempts),
        proofs=tuple(proofs),
        attempts=tuple(attempts),
    )
