"""Keys say what they hold and read back as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import HOUR
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.lake.layout import (
    NS_PER_DAY,
    NS_PER_HOUR,
    day_key,
    day_path,
    day_start,
    hour_path,
    hour_start,
    hours_between,
    parse_day_key,
    parse_part_key,
    parse_segment_key,
    parse_symbol_hour_key,
    parse_venue_hour_key,
    part_key,
    segment_key,
    symbol_hour_key,
    venue_hour_key,
)
from xetrade_core.lake.store import check_key

times = st.integers(0, 4_000_000_000 * NS_PER_S)
currencies = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=8)
symbols = st.one_of(
    st.builds("{}/{}".format, currencies, currencies),
    st.builds("{0}/{1}:{1}".format, currencies, currencies),
    st.builds("{0}/{1}:{0}-261225".format, currencies, currencies),
    st.builds("{0}/{1}:{0}-261225-100000-C".format, currencies, currencies),
)
venues = st.sampled_from(["binance", "binanceusdm", "okx"])
writers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,20}", fullmatch=True)


def test_keys_are_hive_paths() -> None:
    assert part_key("l2_snapshots", "binanceusdm", "BTC/USDT:USDT", HOUR + 5) == (
        "l2_snapshots/venue=binanceusdm/symbol=BTC-USDT_USDT/date=2024-08-09/hour=00/part.parquet"
    )
    assert segment_key("l2_segments", "okx", HOUR, HOUR + 60, "s-1") == (
        f"l2_segments/venue=okx/date=2024-08-09/hour=00/{HOUR}-{HOUR + 60}-s-1.parquet"
    )


@given(venues, symbols, times)
def test_a_part_key_reads_back(venue: str, symbol: str, ns: int) -> None:
    key = part_key("l2_gaps", venue, symbol, ns)
    parsed = parse_part_key(check_key(key))
    assert (parsed.dataset, parsed.venue, parsed.symbol, parsed.hour_ns) == ("l2_gaps", venue, symbol, hour_start(ns))
    assert str(parsed) == key


@given(venues, times, st.integers(1, NS_PER_HOUR), writers)
def test_a_segment_key_reads_back(venue: str, start: int, length: int, writer: str) -> None:
    end = min(start + length, hour_start(start) + NS_PER_HOUR)
    key = segment_key("l2_segments", venue, start, end, writer)
    parsed = parse_segment_key(check_key(key))
    assert (parsed.venue, parsed.start_ns, parsed.end_ns, parsed.writer) == (venue, start, end, writer)
    assert str(parsed) == key
    assert parsed.hour_ns == hour_start(start)


@given(symbols, times)
def test_the_key_of_a_symbols_hour_across_venues_reads_back(symbol: str, ns: int) -> None:
    key = symbol_hour_key("best_quotes", symbol, ns)
    parsed = parse_symbol_hour_key(check_key(key))
    assert (parsed.dataset, parsed.symbol, parsed.hour_ns) == ("best_quotes", symbol, hour_start(ns))
    assert str(parsed) == key
    for parse in (parse_part_key, parse_segment_key, parse_day_key):
        with pytest.raises(LakeError):
            parse(key)


@given(venues, times)
def test_the_key_of_a_venues_hour_reads_back(venue: str, ns: int) -> None:
    key = venue_hour_key("positions", venue, ns)
    parsed = parse_venue_hour_key(check_key(key))
    assert (parsed.dataset, parsed.venue, parsed.hour_ns) == ("positions", venue, hour_start(ns))
    assert str(parsed) == key
    for parse in (parse_part_key, parse_segment_key, parse_symbol_hour_key, parse_day_key):
        with pytest.raises(LakeError):
            parse(key)
    with pytest.raises(LakeError):
        parse_venue_hour_key(segment_key("l2_segments", venue, hour_start(ns), hour_start(ns) + 1, "w"))


@given(st.none() | venues, times)
def test_a_day_key_reads_back(venue: str | None, ns: int) -> None:
    key = day_key("instruments", venue, ns)
    parsed = parse_day_key(check_key(key))
    assert (parsed.dataset, parsed.venue, parsed.day_ns) == ("instruments", venue, day_start(ns))
    assert str(parsed) == key
    assert key.endswith(f"/{day_path(ns)}/part.parquet")
    assert parsed.day_ns <= ns < parsed.day_ns + NS_PER_DAY


@pytest.mark.parametrize(
    "key",
    [
        part_key("l2_snapshots", "okx", "BTC/USDT", HOUR),
        segment_key("l2_segments", "okx", HOUR, HOUR + 1, "w"),
        "instruments/venue=okx/date=2026-02-30/part.parquet",
        "instruments/venue=okx/part.parquet",
    ],
)
def test_what_is_of_an_hour_or_of_no_day_is_no_day_key(key: str) -> None:
    with pytest.raises(LakeError):
        parse_day_key(key)


@given(times, st.integers(0, 5 * NS_PER_HOUR))
def test_hours_cover_a_range_once(start: int, length: int) -> None:
    hours = list(hours_between(start, start + length))
    assert hours == sorted(set(hours))
    if length:
        assert hours[0] <= start < hours[0] + NS_PER_HOUR
        assert hours[-1] < start + length <= hours[-1] + NS_PER_HOUR
        assert len({hour_path(hour) for hour in hours}) == len(hours)
    else:
        assert hours in ([], [hour_start(start)])


@pytest.mark.parametrize(
    ("start", "end", "writer"),
    [
        (HOUR, HOUR, "w"),
        (HOUR + 1, HOUR, "w"),
        (HOUR, HOUR + NS_PER_HOUR + 1, "w"),
        (HOUR, HOUR + 1, "a/b"),
        (HOUR, HOUR + 1, ""),
    ],
)
def test_a_segment_must_lie_in_one_hour_and_name_its_writer(start: int, end: int, writer: str) -> None:
    with pytest.raises(ConfigError):
        segment_key("l2_segments", "okx", start, end, writer)


@pytest.mark.parametrize(
    "key",
    [
        "x",
        "l2_snapshots/venue=a/date=2024-01-01/hour=00/part.parquet",
        "a/venue=b/symbol=C/date=2024-13-01/hour=00/part.parquet",
    ],
)
def test_other_names_are_no_keys(key: str) -> None:
    with pytest.raises(LakeError):
        parse_part_key(key)
