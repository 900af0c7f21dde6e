"""From the core's days of funding to asset results: which numbers are shown, under which name, with what checks.

Formatting only; what a number means is said where the core computes it (`history.days`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

from xetrade_core.history.backfill import BackfillReport
from xetrade_core.history.days import FundedDay
from xetrade_core.lake.funding_days import SampledFunding
from xetrade_pipelines.events import Event, as_events
from xetrade_pipelines.funding.checks import day_checks, moment, sample_checks
from xetrade_pipelines.metadata import Metadata, markdown_table, picture, plotted
from xetrade_pipelines.partitions import VenueDay

Result = dg.MaterializeResult[None]
#: rows of a table that the UI shows; all of them are in the lake
SHOWN = 50


def day_result(made: FundedDay, png: bytes | None) -> Result:
    """The result of `funding_rates` of one venue and day."""
    stored = made.report.stored
    aprs = [one.mean_apr for one in made.symbols if one.mean_apr is not None]
    rows = [
        {
            "symbol": one.symbol,
            "fundings": one.fundings,
            "paid %": one.paid * 100,
            "mean APR %": None if one.mean_apr is None else one.mean_apr * 100,
            "hours": None if one.interval_s is None else one.interval_s / 3600,
        }
        for one in made.symbols[:SHOWN]
    ]
    numbers = {
        "fundings": made.rows,
        "missing": len(made.missing),
        "revised": stored.revised,
        "mean_apr": sum(aprs) / len(aprs) if aprs else None,
    }
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.rows),
        "changed_the_lake": dg.MetadataValue.bool(bool(stored.changes)),
        "new": dg.MetadataValue.int(stored.new),
        "unchanged": dg.MetadataValue.int(stored.unchanged),
        "perpetuals": markdown_table(rows),
        "revisions": markdown_table(
            [
                {"symbol": row["symbol"], "before": row["rate_before"], "after": row["rate_after"]}
                for row in stored.revisions[:SHOWN]
            ]
        ),
        **plotted(made.venue, numbers),
    }
    if png is not None:
        metadata["picture"] = picture("funding", png)
    return Result("funding_rates", metadata=metadata, check_results=day_checks(made))


def sample_result(made: SampledFunding) -> Result:
    """The result of `funding_quotes` of one venue and moment."""
    rows = [
        {
            "symbol": one.symbol,
            "rate %": None if one.rate is None else one.rate * 100,
            "predicted %": None if one.predicted_rate is None else one.predicted_rate * 100,
            "next funding": None if one.next_funding_ns is None else moment(one.next_funding_ns),
            "mark": one.mark_price,
        }
        for one in made.quotes[:SHOWN]
    ]
    metadata: Metadata = {
        "sampled": dg.MetadataValue.text(f"{moment(made.sample_ns)} UTC"),
        "rejected": dg.MetadataValue.int(made.rejected),
        "quotes": markdown_table(rows),
        **plotted(made.venue, {"quotes": len(made.quotes)}),
    }
    return Result("funding_quotes", metadata=metadata, check_results=sample_checks(made))


def recent_events(days: Iterable[FundedDay]) -> Iterator[Event]:
    """Fetched days as events of their partitions; without pictures, which the asset itself has."""
    for made in days:
        yield from as_events(VenueDay(made.venue, made.day_ns).key, [day_result(made, None)])


def sampled_events(samples: Iterable[SampledFunding]) -> Iterator[Event]:
    """Samples as events of their partitions."""
    for made in samples:
        yield from as_events(VenueDay.containing(made.venue, made.sample_ns).key, [sample_result(made)])


def backfilled_events(reports: Iterable[BackfillReport]) -> Iterator[Event]:
    """Backfills as materializations of the days that they have changed; days before the first partition have none."""
    for report in reports:
        for day_ns in sorted(set(report.stored.days_changed)):
            day = VenueDay.containing(report.plan.venue, day_ns)
            if day.has_partition:
                yield dg.AssetMaterialization("funding_rates", partition=day.key, description=sentence(report))


def sentence(report: BackfillReport) -> str:
    """What a backfill has done, in one line."""
    stored = report.stored
    return (
        f"{report.plan.venue}: {report.pages} pages, {stored.new} new, {stored.unchanged} unchanged, "
        f"{stored.revised} revised, {report.missing} missing"
    )
