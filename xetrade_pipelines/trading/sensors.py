"""Sensors: what tells people of orders that need them, and of halts. It reads the order store and places nothing.

Run failures are told by `alert_run_failure` of the market data's sensors, whose jobs are all of the location's. The
cursor holds what is told already and still stands. https://docs.dagster.io/guides/automate/sensors
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_core.assembly.order_runs import untold
from xetrade_pipelines.resources import AlertResource
from xetrade_pipelines.telling import Telling
from xetrade_pipelines.trading.resources import TradingResource


def sensors(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """All sensors of this area, with the given default status."""

    @dg.sensor(
        minimum_interval_seconds=30,
        default_status=status,
        description="Tell the webhook of orders that need an operator, of cross-venue orders that nobody drives, of "
        "trading that was halted or reduced, and of an order store that cannot be read.",
    )
    def alert_trading(
        context: dg.SensorEvaluationContext, trading: TradingResource, alerts: AlertResource
    ) -> dg.SensorResult:
        """An alert that cannot be delivered never fails the sensor: it is told again at the next tick."""
        news, cursor = trading.news(context.cursor)
        telling, owed = Telling(alerts), set[str]()
        for one in news:
            context.log.warning(one.message)
            if not telling.tell(one.kind, one.message, one.facts):
                owed.add(one.key)
        skipped = (
            f"told of {len(news) - len(owed)}" if news else "no order needs an operator, and nothing was halted since"
        )
        skipped += f"; the webhook did not take {len(owed)}, which are told again" if owed else ""
        return dg.SensorResult(cursor=untold(cursor, owed), skip_reason=skipped)

    return [alert_trading]
