"""What an amount is worth in another currency: through which rates, and how old the oldest of them is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, XETradeError


class NoPath(XETradeError):
    """No chain of the known rates leads from one currency to the other."""

    def __init__(self, source: str, target: str, known: Iterable[str]) -> None:
        super().__init__(f"no rate leads from {source} to {target}: known are {', '.join(known) or 'none'}")
        self.source = source
        self.target = target


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is `price` of `quote`, as of `at_ns` (None: not said)."""

    base: str
    quote: str
    price: Decimal
    at_ns: int | None = None

    @property
    def pair(self) -> str:
        """`BASE/QUOTE`."""
        return f"{self.base}/{self.quote}"


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, taken as it is quoted or the other way round."""

    rate: Rate
    backwards: bool

    @property
    def factor(self) -> Fraction:
        """What one unit becomes."""
        price = Fraction(self.rate.price)
        return 1 / price if self.backwards else price

    @property
    def target(self) -> str:
        """The currency that it leads to."""
        return self.rate.base if self.backwards else self.rate.quote


@dataclass(frozen=True, slots=True)
class Path:
    """How one currency becomes another; no step where they are the same."""

    source: str
    target: str
    steps: tuple[Step, ...]

    @property
    def factor(self) -> Fraction:
        """What one unit of `source` is in `target`, exactly."""
        factor = Fraction(1)
        for step in self.steps:
            factor *= step.factor
        return factor

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest of its rates was true; None where a rate does not say, or none is needed."""
        times = [step.rate.at_ns for step in self.steps]
        known = [time for time in times if time is not None]
        return min(known) if known and len(known) == len(times) else None

    def age_s(self, now_ns: int) -> float | None:
        """The age of its oldest rate: 0 where none is needed, None where a rate does not say its time."""
        if not self.steps:
            return 0.0
        return None if self.oldest_ns is None else (now_ns - self.oldest_ns) / NS_PER_S

    def __str__(self) -> str:
        """`BNB -> BTC at BNB/BTC 0.01 -> USDT at BTC/USDT 60000`."""
        words = [f"{step.target} at {step.rate.pair} {step.rate.price:f}" for step in self.steps]
        return " -> ".join((self.source, *words))


class Rates:
    """Rates between currencies. Of several ways the one with the fewest steps is taken, then the rate given first."""

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        """Raises ConfigError where a rate is not above 0."""
        self._pairs: list[str] = []
        self._steps: dict[str, list[Step]] = {}
        for rate in rates:
            if not (rate.price.is_finite() and rate.price > 0):
                raise ConfigError.of(f"rate {rate.pair}", str(rate.price), "above 0")
            self._pairs.append(rate.pair)
            self._steps.setdefault(rate.base, []).append(Step(rate, backwards=False))
            self._steps.setdefault(rate.quote, []).append(Step(rate, backwards=True))

    def path(self, source: str, target: str) -> Path:
        """How `source` becomes `target`; raises NoPath."""
        seen = {source}
        waiting = deque([Path(source, source, ())])
        while waiting:
            path = waiting.popleft()
            if path.target == target:
                return path
            for step in self._steps.get(path.target, ()):
                if step.target not in seen:
                    seen.add(step.target)
                    waiting.append(Path(source, step.target, (*path.steps, step)))
        raise NoPath(source, target, self._pairs)
