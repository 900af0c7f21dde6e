"""The alerts of one tick of a sensor: told one after the other, for as long as the tick has time and the webhook takes
them. What it did not take is the sensor's to keep, in its cursor, and to tell again.
https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from xetrade_pipelines.resources import AlertResource

#: seconds of a tick in which alerts are begun; Dagster ends a tick after 60, and then all of it would be told again
TELLING_S = 20.0
#: alerts in a row that the webhook does not take, after which it has its peace until the next tick
MOST_REFUSALS = 3


class Telling:
    """One tick's alerts; without a webhook there is nobody to tell, and nothing is owed."""

    def __init__(self, alerts: AlertResource, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._alerts, self._monotonic = alerts, monotonic
        self._wanted = alerts.wanted()
        self._until_s = monotonic() + TELLING_S
        self._refusals = 0

    @property
    def over(self) -> bool:
        """Whether nothing more is told in this tick."""
        return self._wanted and (self._monotonic() > self._until_s or self._refusals >= MOST_REFUSALS)

    def tell(self, alarm: str, message: str, facts: Mapping[str, Any]) -> bool:
        """Whether nobody has to be told of it again; False where the webhook did not take it, or was not asked."""
        if not self._wanted:
            return True
        if self.over:
            return False
        taken = self._alerts.tell(alarm, message, facts)
        self._refusals = 0 if taken else self._refusals + 1
        return taken
