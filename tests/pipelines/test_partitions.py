"""The hour x venue grid: keys, times, and how far ahead it reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, UnknownVenue
from xetrade_core.venues import registry
from xetrade_pipelines.partitions import (
    DAY_NS,
    HOUR_NS,
    VenueDay,
    VenueHour,
    day_key,
    day_of_key,
    day_x_venue,
    days,
    hour_x_venue,
    hours,
    look_x_venue,
    looks,
)


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS_PER_S


def test_a_key_and_its_time_are_the_same_partition() -> None:
    hour = VenueHour.from_key("2026-01-31T05|okx")
    assert hour == VenueHour("okx", _ns("2026-01-31T05:00:00+00:00"))
    assert hour.key == "2026-01-31T05|okx"
    assert hour.end_ns - hour.start_ns == HOUR_NS
    assert ":" not in hour.key  # it becomes part of paths


def test_any_moment_lies_in_the_hour_that_began_before_it() -> None:
    hour = VenueHour.containing("binance", _ns("2026-01-31T05:59:59+00:00") + NS_PER_S - 1)
    assert hour.hour == "2026-01-31T05"
    assert VenueHour.containing("binance", hour.end_ns).hour == "2026-01-31T06"


@pytest.mark.parametrize(
    "key", ["", "okx", "2026-01-31T05", "2026-01-31|okx", "2026-01-31T05|okx|binance", "2026-01-31T05|mtgox"]
)
def test_what_is_no_partition_key_is_refused_in_one_line(key: str) -> None:
    with pytest.raises((ConfigError, UnknownVenue), match="okx") as refusal:
        VenueHour.from_key(key)
    assert "\n" not in str(refusal.value)


def test_positions_have_the_hours_in_which_they_could_be_looked_at() -> None:
    now = datetime(2026, 11, 28, 5, 59, tzinfo=UTC)
    assert looks.get_partition_keys(current_time=now)[-1] == "2026-11-28T05"
    assert len(looks.get_partition_keys(current_time=now)) * len(list(registry.venues())) < 10_000
    assert look_x_venue.has_partition_key(VenueHour.containing("okx", _ns("2026-11-20T05:30:00+00:00")).key)
    assert not look_x_venue.has_partition_key(VenueHour.from_key("2026-10-31T23|okx").key)


def test_the_running_and_the_next_hour_are_addressable() -> None:
    now = datetime(2026, 1, 31, 5, 59, tzinfo=UTC)
    keys = hours.get_partition_keys(current_time=now)
    assert keys[-2:] == ["2026-01-31T05", "2026-01-31T06"]
    assert (now + timedelta(hours=2)).strftime("%Y-%m-%dT%H") not in keys


def test_every_venue_of_the_registry_is_a_partition_and_symbols_are_not() -> None:
    venues = hour_x_venue.get_partitions_def_for_dimension("venue")
    assert venues.get_partition_keys() == [venue.id for venue in registry.venues()]
    assert set(hour_x_venue.partition_dimension_names) == {"hour", "venue"}


def test_the_key_survives_as_a_plain_string() -> None:
    key = VenueHour("binanceusdm", _ns("2026-01-31T05:00:00+00:00")).key
    assert isinstance(key, dg.MultiPartitionKey)
    assert VenueHour.from_key(str(key)).key == key


def test_a_day_and_its_key_are_the_same_partition() -> None:
    day = VenueDay.from_key("2026-01-31|okx")
    assert day == VenueDay.containing("okx", _ns("2026-01-31T23:59:59+00:00"))
    assert (day.key, day.day) == ("2026-01-31|okx", "2026-01-31")
    assert day.end_ns - day.start_ns == DAY_NS
    assert day_x_venue.has_partition_key(day.key)
    assert day_of_key(day_key(day.start_ns + 1)) == day.start_ns


@pytest.mark.parametrize("key", ["", "okx", "2026-01-31", "2026-01-31T05|okx", "2026-01-32|okx", "2026-01-31|mtgox"])
def test_what_is_no_day_of_a_venue_is_refused(key: str) -> None:
    with pytest.raises((ConfigError, UnknownVenue), match="okx"):
        VenueDay.from_key(key)


def test_the_running_day_is_addressable() -> None:
    keys = days.get_partition_keys(current_time=datetime(2026, 1, 31, 0, 1, tzinfo=UTC))
    assert keys[-1] == "2026-01-31"
