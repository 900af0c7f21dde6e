"""Resources: the lake, the capture spool, the settings, the clock and the alert webhook, as Dagster hands them to
functions.

What belongs here: how to *reach* something, as configuration that may be shown in the UI. What does not: secrets.
Access keys and webhook URLs stay in the settings (`xetrade_core.settings`) and are read on the machine that uses them,
when it uses them, so that they are in no run config, no event and no instance database.
https://docs.dagster.io/guides/build/external-resources
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
import contextlib
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import structlog
from dagster_aws.s3 import S3Resource

from xetrade_core.assembly import (
    feed_options,
    fetch_listing,
    reference_venues,
    refresh_reference,
    s3_options,
    venue_ids,
)
from xetrade_core.assembly.funding import (
    Outcomes,
    Wanted,
    fetch_funding_day,
    fetch_funding_years,
    fetch_recent_funding,
    funded_symbols,
    sample_funding,
    sample_funding_of,
    wanted_pairs,
)
from xetrade_core.capture.config import CaptureConfig
from xetrade_core.capture.presence import live_venues, orphans
from xetrade_core.capture.recovery import RecoveryReport, recover
from xetrade_core.capture.run import run_capture
from xetrade_core.capture.session import feed_opener
from xetrade_core.capture.status import CaptureReport, CaptureStatus
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.history.backfill import BackfillReport
from xetrade_core.history.days import FundedDay, apr_series
from xetrade_core.lake.best_hours import BestQuotesReport, make_best_quotes, outdated_hours, read_best_hour
from xetrade_core.lake.funding_days import SampledFunding
from xetrade_core.lake.hour_tables import read_part
from xetrade_core.lake.hourly import HourEvidence, hour_records, settle_hour
from xetrade_core.lake.measure import MetricsReport, measure_hour
from xetrade_core.lake.pending import pending_contents, pending_hours
from xetrade_core.lake.quality import QualityRecord
from xetrade_core.lake.s3_store import make_client
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.plots import book_picture, funding_picture, spread_picture
from xetrade_core.reference.days import StoredChanges, StoredListing, StoredMap, store_changes, store_map
from xetrade_core.reference.news import Listed, listed_since, read_cursor, told, untold, write_cursor
from xetrade_core.reference.refresh import Refreshed
from xetrade_core.settings import Settings, load_settings
from xetrade_core.telemetry import (
    add_alarm_sink,
    configure_logging,
    redact,
    redact_text,
    register_secrets,
)
from xetrade_core.webhook import Webhook, deliver_alarms
from xetrade_pipelines.market_data.config import CaptureRunConfig
from xetrade_pipelines.market_data.plan import plan_capture, symbols_of
from xetrade_pipelines.partitions import DAY_NS, VenueDay, VenueHour, day_of_key, hour_key

#: days that the picture of funding shows
PICTURED_DAYS = 30
#: seconds that a run which ends waits for its alarms to be delivered
ALARMS_WITHIN_S = 5.0


class ClockResource(dg.ConfigurableResource[None]):
    """The wall clock, so that tests own the time of a sensor."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return SystemClock.wall_ns()


class SettingsResource(dg.ConfigurableResource[None]):
    """The settings of the machine that runs the code; read anew each time, never stored by Dagster."""

    def load(self) -> Settings:
        """All settings, with their secrets registered for redaction. Raises ConfigError."""
        settings = load_settings()
        register_secrets(settings.secrets())
        return settings

    @contextlib.contextmanager
    def telling(self) -> Iterator[Settings]:
        """The settings, with logs to the run's compute log, redacted, and alarms to the webhook, as long as it lasts.

        Raises ConfigError.
        """
        settings = self.load()
        if not structlog.is_configured():  # a process of our own
            configure_logging(settings.log.level, settings.log.format, settings.secrets())
        url = settings.alerts.webhook_url
        with contextlib.ExitStack() as sinks:
            if url is not None:
                sinks.callback(deliver_alarms, ALARMS_WITHIN_S)
                sinks.callback(add_alarm_sink(Webhook(url)))
            yield settings


class LakeS3Resource(S3Resource):
    """dagster-aws's S3 resource, with endpoint, region and keys from the settings at the moment a client is made.

    The client is the core's own: dagster-aws's waits for minutes and tries again below the store's own tries.
    """

    def get_client(self) -> Any:
        return make_client(s3_options(load_settings()))


class LakeResource(dg.ConfigurableResource[None]):
    """The lake at `root`, a directory or `s3://bucket/prefix`; `s3` is asked for a client only where it is an S3."""

    root: str
    s3: dg.ResourceDependency[S3Resource]

    def store(self) -> ObjectStore:
        """The lake's objects; touches nothing yet."""
        return open_store(self.root, s3_client=self.s3.get_client() if self.root.startswith("s3://") else None)

    def settle(
        self, hour: VenueHour, interval_s: float | None, usual_interval_s: float, expected: Iterable[str] | None
    ) -> HourEvidence:
        """Compact and audit one hour. With `expected` symbols all of the hour is due, else what was recorded.

        `interval_s` must be the one it was recorded at; without it the hour's files say, else `usual_interval_s` holds.
        """
        window = (hour.start_ns, hour.end_ns) if expected is not None else None
        return settle_hour(
            self.store(),
            hour.venue,
            hour.start_ns,
            interval_ns=round(interval_s * NS_PER_S) if interval_s is not None else None,
            usual_interval_ns=round(usual_interval_s * NS_PER_S),
            expected=expected or (),
            window=window,
        )

    def measure(self, hour: VenueHour) -> MetricsReport:
        """Compute and store the metrics of one hour's snapshots."""
        return measure_hour(self.store(), hour.venue, hour.start_ns)

    def make_best_quotes(self, hour_ns: int, staleness_limit_s: float) -> BestQuotesReport:
        """Make and store the best quotes across venues of one hour."""
        return make_best_quotes(self.store(), hour_ns, staleness_limit_s)

    def outdated_best_quotes(self, start_ns: int, end_ns: int) -> list[int]:
        """The hours of the range whose snapshots have no best quotes, or are others than those were made from."""
        return outdated_hours(self.store(), start_ns, end_ns)

    def spread_picture(self, report: BestQuotesReport) -> bytes | None:
        """Spreads of the hour's symbol with the most venues as a PNG; None where nothing was quoted."""
        chosen = max(report.symbols, key=lambda one: (len(one.venues), one.quoted), default=None)
        if chosen is None or not chosen.quoted:
            return None
        rows = read_best_hour(self.store(), chosen.symbol, report.hour_ns)
        return spread_picture(rows, f"{chosen.symbol} across venues, {hour_key(report.hour_ns)} UTC")

    def records(self, hour: VenueHour) -> tuple[QualityRecord, ...]:
        """The completeness records of one hour."""
        return hour_records(self.store(), hour.venue, hour.start_ns)

    def pending(self) -> list[VenueHour]:
        """The hours that have segments, the oldest first."""
        return [VenueHour(venue, start_ns) for venue, start_ns in pending_hours(self.store())]

    def pending_contents(self) -> dict[VenueHour, str]:
        """The same hours, each with a digest that changes whenever its segments do."""
        return {VenueHour(*hour): digest for hour, digest in pending_contents(self.store()).items()}

    def book_picture(self, hour: VenueHour, evidence: HourEvidence) -> bytes | None:
        """Depth, mid and spread of the hour's best recorded symbol as a PNG; None where there is no book to draw."""
        best = max(evidence.records, key=lambda record: record.synced, default=None)
        if best is None or not best.synced:
            return None
        rows = read_part(self.store(), L2_SNAPSHOTS, hour.venue, best.symbol, hour.start_ns)
        return book_picture(rows, f"{best.symbol} on {hour.venue}, {hour.hour} UTC")


class CaptureResource(dg.ConfigurableResource[None]):
    """The spool of this machine, and the sessions that record into it."""

    spool_dir: str
    settings: dg.ResourceDependency[SettingsResource]
    clock: dg.ResourceDependency[ClockResource]

    def interval_s(self) -> float:
        """Seconds between two snapshots, where a run's config does not say."""
        return self.settings.load().capture.interval_s

    def staleness_s(self) -> float:
        """Seconds without a message after which a quote is stale, where a run's config does not say."""
        return self.settings.load().capture.staleness_s

    def venues(self) -> tuple[str, ...]:
        """The venues that the settings record, in their order."""
        return tuple(symbols_of(self.settings.load()))

    def symbols(self, venue: str) -> tuple[str, ...]:
        """What the settings record of `venue`."""
        return symbols_of(self.settings.load()).get(venue, ())

    def plan(self, run: CaptureRunConfig, hour: VenueHour | None) -> CaptureConfig:
        """The session that the run's config and partition ask for, at this moment. Raises ConfigError."""
        return plan_capture(run, hour, self.settings.load(), Path(self.spool_dir), self.clock.wall_ns())

    def record(
        self, config: CaptureConfig, store: ObjectStore, on_progress: Callable[[CaptureStatus], None]
    ) -> CaptureReport:
        """Record until the window ends or the run is interrupted; see `xetrade_core.capture.run.run_capture`."""
        clock, rng = SystemClock(), random.Random()
        with self.settings.telling() as settings:
            options = {venue: feed_options(settings, venue, config.depth) for venue in config.venues}
            opener = feed_opener(options, clock, rng)
            return run_capture(config, store, opener, clock=clock, rng=rng, on_progress=on_progress)

    def live_venues(self, now_ns: int) -> set[str]:
        """Venues whose symbols of the settings are all being recorded by living sessions of this spool at `now_ns`,
        whoever started them.
        """
        return live_venues(Path(self.spool_dir), now_ns, symbols_of(self.settings.load()))

    def orphans(self) -> list[str]:
        """Sessions whose process is gone and whose rows are not all in the lake."""
        return [session.session_id for session in orphans(Path(self.spool_dir))]

    def recover(self, store: ObjectStore) -> RecoveryReport:
        """Bring the orphans' rows into the lake; safe beside living sessions."""
        return recover(Path(self.spool_dir), store, SystemClock())


class ReferenceResource(dg.ConfigurableResource[None]):
    """The venues as far as their lists go, and the days that are made of them."""

    settings: dg.ResourceDependency[SettingsResource]
    clock: dg.ResourceDependency[ClockResource]

    def venues(self) -> tuple[str, ...]:
        """The venues whose lists are kept: those that the settings name and that still answer."""
        return reference_venues(self.settings.load())

    def fetch(self, venue: str, day_ns: int, store: ObjectStore) -> StoredListing:
        """Ask a venue what it lists; see `xetrade_core.assembly.fetch_listing`."""
        return fetch_listing(self.settings.load(), store, venue, day_ns, self.clock.wall_ns, SystemClock())

    def refresh(self, venues: Sequence[str], store: ObjectStore) -> Refreshed:
        """Ask venues and make the running day; see `xetrade_core.assembly.refresh_reference`."""
        return refresh_reference(self.settings.load(), store, venues, self.clock.wall_ns, SystemClock())

    def map(self, day_ns: int, store: ObjectStore) -> StoredMap:
        """Make a day's symbol map of the lists that were kept."""
        return store_map(store, day_ns, venue_ids())

    def changes(self, day_ns: int, store: ObjectStore) -> StoredChanges:
        """Compare a day's lists with the newest ones before."""
        return store_changes(store, day_ns, venue_ids())

    def news(self, cursor: str | None, store: ObjectStore) -> tuple[list[Listed], list[Listed], str]:
        """What was listed since `cursor`, what people are owed, and the next cursor; see `reference.news`."""
        news, seen = listed_since(store, venue_ids(), read_cursor(cursor))
        return news, untold(store, seen), write_cursor(seen)

    def told(self, cursor: str, venues: Collection[str]) -> str:
        """The cursor of `news` once people were told of what these venues list."""
        return write_cursor(told(read_cursor(cursor), venues))


class FundingResource(dg.ConfigurableResource[None]):
    """The venues as far as their funding goes."""

    settings: dg.ResourceDependency[SettingsResource]
    clock: dg.ResourceDependency[ClockResource]

    def symbols(self) -> dict[str, tuple[str, ...]]:
        """The perpetuals of the settings, by venue that has funding."""
        return funded_symbols(self.settings.load())

    def require_running(self, day: VenueDay) -> None:
        """Raise ConfigError for a day that is not the running one: how funding stood then nobody tells any more."""
        running = VenueDay.containing(day.venue, self.clock.wall_ns())
        if day != running:
            raise ConfigError.of("partition", str(day.key), f"the running day, {running.key}: samples are of now")

    def fetch_day(self, day: VenueDay, named: Sequence[str], store: ObjectStore) -> FundedDay:
        """Bring a day into the lake; see `xetrade_core.assembly.funding`."""
        settings = self.settings.load()
        pairs = wanted_pairs(settings, {day.venue: named}, day.venue)
        return fetch_funding_day(settings, store, day.venue, pairs, day.start_ns, SystemClock())

    def fetch_recent(self, named: Wanted, store: ObjectStore) -> Outcomes[FundedDay]:
        """Bring yesterday and today into the lake; see `xetrade_core.assembly.funding`."""
        return fetch_recent_funding(self.settings.load(), store, named, SystemClock())

    def backfill(self, named: Wanted, since: str, until: str, store: ObjectStore) -> Outcomes[BackfillReport]:
        """Bring the days from `since` to before `until` (empty: up to now) into the lake. Raises ConfigError."""
        end_ns = day_of_key(until) if until else self.clock.wall_ns()
        return fetch_funding_years(self.settings.load(), store, named, day_of_key(since), end_ns, SystemClock())

    def sample(self, named: Wanted, store: ObjectStore) -> Outcomes[SampledFunding]:
        """Keep how funding stands now; see `xetrade_core.assembly.funding`."""
        return sample_funding(self.settings.load(), store, named, SystemClock())

    def sample_day(self, day: VenueDay, named: Sequence[str], store: ObjectStore) -> SampledFunding:
        """Keep how funding of one venue stands now, as part of the running day. Raises ConfigError for another day."""
        self.require_running(day)
        settings = self.settings.load()
        pairs = wanted_pairs(settings, {day.venue: named}, day.venue)
        return sample_funding_of(settings, store, day.venue, pairs, SystemClock())

    def picture(self, made: FundedDay, store: ObjectStore) -> bytes | None:
        """APR of the day's first symbol over the month before, on every venue that has it; None for an empty day."""
        if not made.symbols:
            return None
        symbol, end_ns = made.symbols[0].symbol, made.day_ns + DAY_NS
        series = apr_series(store, venue_ids(), symbol, end_ns - PICTURED_DAYS * DAY_NS, end_ns)
        return funding_picture(series, f"funding of {symbol}") if series else None


class AlertResource(dg.ConfigurableResource[None]):
    """The webhook of the settings (alerts.webhook_url), if there is one."""

    settings: dg.ResourceDependency[SettingsResource]

    def wanted(self) -> bool:
        """Whether there is a webhook."""
        return self.settings.load().alerts.webhook_url is not None

    def tell(self, alarm: str, message: str, facts: Mapping[str, Any]) -> bool:
        """Tell the webhook of something; False, and no error, where there is none or it did not take it."""
        url = self.settings.load().alerts.webhook_url
        body = {"alarm": alarm, "message": redact_text(message), "facts": redact(facts)}
        return url is not None and Webhook(url).deliver(body)
