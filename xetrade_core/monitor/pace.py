"""How positions are watched: how often, for how long, and how long venues are waited for."""

from __future__ import annotations

from dataclasses import dataclass

_ASKED_EVERY_S = 1.0  # marks that nobody follows, where every change is to be shown
_PATIENCE_S = 1.0  # an update waits so long for answers, or a tenth of its interval if that is longer
_ENDING_S = 1.0  # a question that was not answered in time is over by then


@dataclass(frozen=True, slots=True)
class Pace:
    """How positions are watched. `max_updates` None: until stopped. `on_change`: also an update whenever a mark has
    moved, one each `least_s` at most. Marks older than `stale_after_s` are flagged, and one that does not come within
    `mark_deadline_s` is left as it is. The first update waits for marks up to `first_s`, a single one as long as they
    may take; later ones wait for venues that were in time before, and for a moment. The store is looked into at most
    every `fills_every_s`. Accounts are asked for their positions with the marks, at most every `accounts_every_s`."""

    interval_s: float = 30.0
    max_updates: int | None = None
    fills_every_s: float = 0.05
    stale_after_s: float = 60.0
    mark_deadline_s: float = 10.0
    first_s: float = 5.0
    accounts_every_s: float = 5.0
    flat: bool = False
    on_change: bool = False
    least_s: float = 0.1

    @property
    def once(self) -> bool:
        """Whether it is one look, with nothing to wait for."""
        return self.max_updates == 1

    @property
    def first_patience_s(self) -> float:
        """How long the first update waits for answers; not until those that have come are old."""
        whole_s = self.mark_deadline_s + _ENDING_S
        return whole_s if self.once else min(self.first_s, whole_s, self.stale_after_s / 2)

    @property
    def patience_s(self) -> float:
        """How long a later one waits."""
        return min(max(_PATIENCE_S, self.interval_s / 10), self.stale_after_s / 2)

    @property
    def ask_every_s(self) -> float:
        """How often venues are asked for marks."""
        return min(self.interval_s, _ASKED_EVERY_S) if self.on_change else self.interval_s
