"""Which windows should be recorded, and how a run of one is asked for: shared by the schedule and the watchdog.

Pure functions over values; nothing here reads the instance, the spool or the clock. A *window* is one hour of one
venue, and the tag `xetrade/window` is its name: dagster.yaml lets one run hold it at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import dagster as dg

from xetrade_core.clock import NS_PER_S
from xetrade_pipelines.partitions import HOUR_NS, VenueHour

WINDOW_TAG = "xetrade/window"
#: an hour, the minute before it, and what sealing and uploading may take
MAX_RUNTIME_S = 3600 + 60 + 15 * 60
#: an hour's last segments have come, and the hourly schedule has had its turn, this long after the hour
SETTLED_S = 600
#: a run needs some 5 s from its request to its first row; for less than this it is not worth starting
LEAST_REST_S = 30


def window_tags(window: VenueHour) -> dict[str, str]:
    """Tags of every run that records `window`, however it is launched."""
    return {WINDOW_TAG: window.window, "dagster/max_runtime": str(MAX_RUNTIME_S)}


def next_windows(venues: Iterable[str], tick_ns: int) -> list[VenueHour]:
    """The windows of the hour after the one in which `tick_ns` lies, one a venue."""
    return [VenueHour(venue, tick_ns - tick_ns % HOUR_NS + HOUR_NS) for venue in venues]


def dead_windows(venues: Iterable[str], now_ns: int, alive: Collection[str]) -> list[VenueHour]:
    """The current hour's windows that nobody records; none in the hour's last seconds. `alive` holds venue ids."""
    return startable((VenueHour.containing(venue, now_ns) for venue in venues if venue not in alive), now_ns)


def startable(windows: Iterable[VenueHour], now_ns: int) -> list[VenueHour]:
    """Those of `windows` of which enough is left at `now_ns` for a run to be worth starting."""
    return [window for window in windows if window.end_ns - now_ns >= LEAST_REST_S * NS_PER_S]


def settled(hours: Iterable[VenueHour], now_ns: int) -> list[VenueHour]:
    """Those of `hours` that ended long enough ago to be the hourly schedule's no more, and that are partitions."""
    return [hour for hour in hours if hour.end_ns + SETTLED_S * NS_PER_S <= now_ns and hour.has_partition]


def run_request(window: VenueHour, run_key: str) -> dg.RunRequest:
    """Ask for a run of `capture_l2` over `window`; the same `run_key` is never launched twice."""
    return dg.RunRequest(run_key=run_key, partition_key=window.key, tags=window_tags(window))


def watchdog_requests(windows: Iterable[VenueHour], attempts: Mapping[str, int]) -> list[dg.RunRequest]:
    """Ask for each dead window. `attempts` counts the runs it had, so that one death asks for exactly one run."""
    return [run_request(window, f"watchdog/{window.window}/{attempts[window.window]}") for window in windows]
