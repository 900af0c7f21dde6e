"""Sensors: what tells people of new listings. It reads the lake, not the venues: asking them is the schedule's.

The cursor holds, by venue, the version of the list that was read and when its youngest instrument was first seen, so
that a listing is told once, whoever stored it. https://docs.dagster.io/guides/automate/sensors
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.metadata import markdown_table
from xetrade_pipelines.partitions import VenueDay
from xetrade_pipelines.reference.reports import SHOWN, sentence
from xetrade_pipelines.resources import AlertResource, LakeResource, ReferenceResource


def sensors(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """All sensors of this area, with the given default status."""

    @dg.sensor(
        minimum_interval_seconds=60,
        default_status=status,
        description="Tell of instruments that a venue did not list before: an observation of `instruments`, an alert.",
    )
    def new_listings(
        context: dg.SensorEvaluationContext, reference: ReferenceResource, lake: LakeResource, alerts: AlertResource
    ) -> dg.SensorResult:
        """A venue's first list is no news; an alert that cannot be delivered never fails the sensor."""
        news, cursor = reference.news(context.cursor, lake.store())
        events = []
        for one in news:
            rows = [
                {"symbol": row.symbol, "id": row.venue_id, "type": row.market_type, "status": row.status}
                for row in one.instruments
            ]
            said = sentence((row.symbol for row in one.instruments), one.venue)
            alerts.tell("new_listing", said, {"venue": one.venue, "symbols": [row["symbol"] for row in rows]})
            events.append(
                dg.AssetObservation(
                    "instruments",
                    description=said,
                    partition=VenueDay(one.venue, one.day_ns).key,
                    metadata={"new": markdown_table(rows[:SHOWN]), "count": len(rows)},
                )
            )
        skipped = None if events else "nothing was listed that was not known"
        return dg.SensorResult(asset_events=events, cursor=cursor, skip_reason=skipped)

    return [new_listings]
