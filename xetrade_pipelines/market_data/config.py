"""Run config of the jobs, as the launchpad shows it: typed, with a default for everything, and never a secret.

What an empty value means is said in its description; the settings of the machine supply the rest.
https://docs.dagster.io/guides/operate/configuration/run-configuration
"""

from __future__ import annotations

from pydantic import Field

from xetrade_pipelines.refusals import RunConfig


class CaptureRunConfig(RunConfig):
    """What to record. Left empty in a partition's run, it is that venue's symbols of the settings, over that hour."""

    venues: dict[str, list[str]] = Field(
        default={},
        description="Universal symbols by venue id, e.g. {binance: [BTC/USDT], okx: [BTC/USDT:USDT]}. "
        "Empty: the symbols of the settings (venues.<venue>.symbols), for the partition's venue or for all.",
    )
    duration_s: float | None = Field(
        default=None,
        description="Seconds to record, from `start` or from three seconds after the launch. Without it and without "
        "`end`: until stopped, or to the end of the partition's hour.",
    )
    start: str | None = Field(
        default=None, description="Start of the window, ISO 8601 UTC, e.g. 2026-01-31T05:00:00Z. Default: soon."
    )
    end: str | None = Field(default=None, description="End of the window, exclusive, ISO 8601 UTC.")
    interval_s: float | None = Field(
        default=None, description="Seconds between two snapshots of a book. Default: capture.interval_s."
    )
    depth: int | None = Field(default=None, description="Levels a side in each snapshot. Default: capture.depth.")
    segment_s: float | None = Field(
        default=None, description="Seconds of snapshots in one segment file. Default: capture.segment_s."
    )
    raw: bool | None = Field(
        default=None, description="Also keep every frame as it came, to be replayed. Default: capture.raw."
    )


class HourConfig(RunConfig):
    """How an hour is judged when it is compacted."""

    interval_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between two snapshots when the hour was recorded. The hour's files say it themselves: it "
        "is needed only to choose where they say several, and refused where it contradicts them.",
    )
    whole_hour: bool = Field(
        default=False,
        description="Expect every second of the hour for the settings' symbols, as the hourly schedule does. Otherwise "
        "the window is what was recorded, from the first to the last row or gap.",
    )


class CompactRunConfig(HourConfig):
    """Which hours to compact, when the run is not of one partition, and how to judge them."""

    partitions: list[str] = Field(
        default=[],
        description="Partition keys, e.g. ['2026-01-31T05|okx']. Empty: every hour that has segments in the lake.",
    )


class PruneRunConfig(RunConfig):
    """Which runs to forget; the lake and the assets' latest materializations are not touched."""

    keep_days: int = Field(
        default=30, ge=1, description="Runs that were created before this many days ago are forgotten."
    )
    keep_failed_days: int = Field(
        default=90, ge=1, description="The same for runs that failed: somebody may still ask why."
    )
    limit: int = Field(default=5000, ge=1, description="At most this many at once, the oldest first.")
