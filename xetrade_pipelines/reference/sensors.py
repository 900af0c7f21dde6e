"""Sensors: what tells people of new listings. It reads the lake, not the venues: asking them is the schedule's.

The cursor holds, by venue, the version of the list that was read, when its youngest instrument was first seen, and up
to when people were told, so that a listing is told once, whoever stored it, and as soon as the webhook takes it. https://docs.dagster.io/guides/automate/sensors
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_core.reference.news import Listed
from xetrade_pipelines.metadata import markdown_table
from xetrade_pipelines.partitions import VenueDay
from xetrade_pipelines.reference.reports import SHOWN, sentence
from xetrade_pipelines.resources import AlertResource, LakeResource, ReferenceResource
from xetrade_pipelines.telling import Telling


def _observed(listed: Listed) -> dg.AssetObservation:
    """What a venue lists that it did not list before, on the day of its list."""
    rows = [
        {"symbol": row.symbol, "id": row.venue_id, "type": row.market_type, "status": row.status}
        for row in listed.instruments
    ]
    return dg.AssetObservation(
        "instruments",
        description=sentence((row.symbol for row in listed.instruments), listed.venue),
        partition=VenueDay(listed.venue, listed.day_ns).key,
        metadata={"new": markdown_table(rows[:SHOWN]), "count": len(rows)},
    )


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
        """A venue's first list is no news; an alert that cannot be delivered never fails the sensor: it is told again,
        in one with what the venue lists until then."""
        news, due, cursor = reference.news(context.cursor, lake.store())
        telling, told = Telling(alerts), set[str]()
        for one in due:
            symbols = [row.symbol for row in one.instruments]
            facts = {"venue": one.venue, "symbols": symbols}
            if not symbols or telling.tell("new_listing", sentence(symbols, one.venue), facts):
                told.add(one.venue)
        skipped = None if news else "nothing was listed that was not known"
        if skipped and (owed := len(due) - len(told)):
            skipped += f"; the webhook did not take {owed} alerts, which are told again"
        events = [_observed(one) for one in news]
        return dg.SensorResult(asset_events=events, cursor=reference.told(cursor, told), skip_reason=skipped)

    return [new_listings]
