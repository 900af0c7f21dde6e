"""How far back a reconciliation looks, what it holds for under way, and how often it looks again."""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.errors import ConfigError

DAY_S = 86_400.0
_MOST_S = {"grace_s": 3600.0}  # a longer one would hold everything for under way
_LONGEST_S = 3650 * DAY_S


@dataclass(frozen=True, slots=True)
class ReconcilePlan:
    """Times in seconds. What is younger than `grace_s` is under way and no difference. A difference stands when
    `looks` looks, `spacing_s` apart, found it alike. Trades are compared over `window_s`, or since the newest one that
    is known, at most `history_s`. `settle_s` is how long an order that nobody knows about is waited for.

    `dry_run`: only tell. `accept`: take amounts that nothing explains as the new openings, by the word of `by`.
    """

    grace_s: float = 15.0
    looks: int = 3
    spacing_s: float = 2.0
    window_s: float = DAY_S
    history_s: float = 7 * DAY_S
    settle_s: float = 60.0
    dry_run: bool = False
    accept: bool = False
    by: str = "reconciliation"
    reason: str = ""

    def __post_init__(self) -> None:
        if self.looks < 2:
            raise ConfigError.of("looks", self.looks, "one look proves nothing: at least 2")
        for name in ("grace_s", "spacing_s", "window_s", "history_s", "settle_s"):
            most = _MOST_S.get(name, _LONGEST_S)
            if not 0 < getattr(self, name) <= most:
                raise ConfigError.of(name, getattr(self, name), f"above zero, and at most {most:.0f} seconds")
        if self.accept and self.dry_run:
            raise ConfigError("a dry run changes nothing, so that it accepts nothing either: leave out one of the two")
