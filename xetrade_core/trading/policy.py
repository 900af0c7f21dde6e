"""How patient the order service is. Patience never decides what became of an order; only the venue's evidence does."""

from __future__ import annotations

from dataclasses import dataclass, field

from xetrade_core.errors import ConfigError
from xetrade_core.venues.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds.

    `call_timeout_s` bounds one call of a venue's client; `grace_s` is how much later the venue may still take what was
    sent. Only after both does "not found" count, and only `absences` of them, each `absence_spacing_s` apart. When
    the venue could not be asked for `give_up_s`, an operator is needed. `patience_s` is how long a caller waits.
    """

    call_timeout_s: float = 30.0
    grace_s: float = 10.0
    absences: int = 3
    absence_spacing_s: float = 2.0
    give_up_s: float = 600.0
    patience_s: float = 10.0
    cancel_again_s: float = 5.0
    fill_tries: int = 8
    asking: Backoff = field(default_factory=lambda: Backoff(base_s=0.25, cap_s=15.0))
    sending: Backoff = field(default_factory=lambda: Backoff(base_s=0.5, cap_s=30.0))

    def __post_init__(self) -> None:
        if self.absences < 2:
            raise ConfigError.of("absences", self.absences, "one answer proves nothing: at least 2")
        for name in ("call_timeout_s", "grace_s", "absence_spacing_s", "give_up_s", "cancel_again_s"):
            if getattr(self, name) <= 0:
                raise ConfigError.of(name, getattr(self, name), "above zero")

    @property
    def abandoned_s(self) -> float:
        """So long after a sending, whoever sent it has its answer or will never tell, and the venue took it or not."""
        return self.call_timeout_s + self.grace_s
