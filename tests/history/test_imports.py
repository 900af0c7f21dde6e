"""Histories that people bring: on the clock only by a stated zone, and equal to an independent reading."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.recordings import recording
from xetrade_core.errors import ConfigError
from xetrade_core.history.imports import import_fundings, read_fundings, zone_of
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.funding_schemas import FUNDING_RATES
from xetrade_core.lake.store import ObjectStore

SYMBOL, EIGHT_HOURS_S = "BTC/USDT:USDT", 8 * 3600.0
NOW_NS = 1_795_000_000_000_000_000
BINANCE = "funding/BTC-USDT_binance_2020-01-01_2024-01-01_funding_history.csv.gz"


def written(directory: Path, *lines: str) -> Path:
    path = directory / "history.csv"
    path.write_text("\n".join(("Symbol,Date,Funding Rate", *lines)) + "\n")
    return path


@pytest.mark.recordings
def test_times_without_a_zone_are_refused_and_the_zones_that_fit_are_named() -> None:
    path = recording(BINANCE)
    with pytest.raises(ConfigError, match=r"say with --timezone .* with \+03:00, -05:00, \+11:00"):
        read_fundings(path, "binanceusdm", SYMBOL, None)
    with pytest.raises(ConfigError, match="off the grid"):
        read_fundings(path, "binanceusdm", SYMBOL, "UTC")


def test_the_first_line_without_a_zone_is_the_one_that_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "X,2024-01-01T00:00:00Z,0.0001", "X,2024-01-01 08:00:00,0.0001")
    with pytest.raises(ConfigError, match="such as 2024-01-01 08:00:00 in line 3"):
        read_fundings(path, "okx", SYMBOL, None)


@pytest.mark.recordings
def test_a_real_history_gives_the_apr_series_of_an_independent_computation(store: ObjectStore) -> None:
    path = recording(BINANCE)
    report = import_fundings(path, "binanceusdm", SYMBOL, "+03:00", EIGHT_HOURS_S, store, NOW_NS)
    assert (report.rows, report.stored.new, report.missing) == (4383, 4383, ())
    expected = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            utc = datetime.fromisoformat(row["Date"]) - timedelta(hours=3)
            utc = utc.replace(second=0, microsecond=0)  # some rows are stamped a few ms late
            expected[utc.isoformat()] = float(row["Funding Rate"]) * 3 * 365
    found = {}
    first = datetime(2020, 1, 1)  # noqa: DTZ001 - compared with what the file says, moved to UTC by hand
    for day in range(4 * 365 + 1):
        at = first + timedelta(days=day)
        ns = int((at - datetime(1970, 1, 1)).total_seconds()) * 10**9  # noqa: DTZ001
        table = read_day(store, FUNDING_RATES, "binanceusdm", ns)
        assert table is not None
        for row in table.to_pylist():
            found[row["timestamp"].to_pydatetime().replace(tzinfo=None).isoformat()] = row["apr"]
            assert row["source"] == "file"
    assert found.keys() == set(expected)
    assert all(found[at] == pytest.approx(apr, rel=1e-12) for at, apr in expected.items())


@pytest.mark.recordings
def test_a_file_brought_twice_changes_nothing(store: ObjectStore) -> None:
    path = recording("funding/BTC-USDT_dydx_2022-01-01_2024-01-01_funding_history.csv.gz")
    first = import_fundings(path, "dydx", "BTC/USD:USD", "UTC", 3600.0, store, NOW_NS)
    again = import_fundings(path, "dydx", "BTC/USD:USD", "UTC", 3600.0, store, NOW_NS + 10**9)
    assert first.stored.new == first.rows > 17_000
    assert (again.stored.changes, again.stored.unchanged) == (0, first.rows)


def test_times_that_name_their_zone_need_none(tmp_path: Path) -> None:
    path = written(tmp_path, "X,2024-01-01T03:00:00+03:00,0.0001", "X,1704096000,0.0002", "X,1704124800000,0.0003")
    times = [rate.funding_ns for rate in read_fundings(path, "okx", SYMBOL, None)]
    assert times == [1704067200 * 10**9, 1704096000 * 10**9, 1704124800 * 10**9]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("X,yesterday,0.0001", "line 2: time = 'yesterday' is not valid"),
        ("X,9999999999999,0.0001", "line 2: time = '9999999999999' is not valid: .* from 1970 to 2261"),
        ("X,0001-01-01T00:00:00+14:00,0.0001", "line 2: time = .* from 1970 to 2261"),
        ("X,2024-01-01T00:00:00Z,much", "line 2: rate = 'much' is not valid"),
        ("X,2024-01-01T00:00:00Z,nan", "line 2: rate = 'nan' is not valid"),
        ("X,2024-01-01T00:00:00Z,7", "line 2: rate = '7' is not valid"),
        ("X,2024-01-01T00:00:00Z", "line 2: 2 values, the header names 3"),
    ],
)
def test_a_wrong_line_is_named_with_its_value(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_fundings(written(tmp_path, line), "okx", SYMBOL, "UTC")


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no fundings"):
        read_fundings(written(tmp_path), "okx", SYMBOL, "UTC")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no column named date or time"):
        read_fundings(tmp_path / "other.csv", "okx", SYMBOL, "UTC")
    with pytest.raises(ConfigError, match="cannot read"):
        read_fundings(tmp_path / "nothing.csv", "okx", SYMBOL, "UTC")
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(b"Date,Rate\n" * 100)[:30])
    with pytest.raises(ConfigError, match="neither CSV nor gzip"):
        read_fundings(tmp_path / "torn.csv.gz", "okx", SYMBOL, "UTC")


def test_zones_are_read_as_people_write_them() -> None:
    moment = datetime(2024, 1, 1)  # noqa: DTZ001 - the zone is what is asked about
    for text in ("+03:00", "+3", "UTC+3", "utc+03:00", "Europe/Istanbul"):
        assert zone_of(text).utcoffset(moment) == timedelta(hours=3)
    assert zone_of("Europe/Istanbul") == ZoneInfo("Europe/Istanbul")
    with pytest.raises(ConfigError, match="an offset such as"):
        zone_of("Atlantis")
