"""What a run records: from its config, its partition and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.settings import load_settings
from xetrade_pipelines.market_data.config import CaptureRunConfig
from xetrade_pipelines.market_data.plan import LEAD_NS, plan_capture
from xetrade_pipelines.partitions import HOUR_NS, VenueHour

HOUR = VenueHour.from_key("2026-01-31T05|binance")


def plan(hour: VenueHour | None, now_ns: int, **config: Any) -> CaptureConfig:
    return plan_capture(CaptureRunConfig(**config), hour, load_settings(), Path("spool"), now_ns)


def test_a_partition_is_its_venue_over_its_hour_however_early_or_late_it_starts(machine: Path) -> None:
    for now_ns in (HOUR.start_ns - 55 * NS_PER_S, HOUR.start_ns, HOUR.start_ns + HOUR_NS // 2):
        config = plan(HOUR, now_ns)
        assert (config.start_ns, config.end_ns) == (HOUR.start_ns, HOUR.end_ns)
        assert config.venues == {"binance": ("BTC/USDT", "ETH/USDT")}


def test_an_ad_hoc_run_begins_soon_and_lasts_as_long_as_it_says(machine: Path) -> None:
    config = plan(None, HOUR.start_ns, duration_s=60, venues={"okx": ["BTC/USDT"]})
    assert (config.start_ns, config.end_ns) == (HOUR.start_ns + LEAD_NS, HOUR.start_ns + LEAD_NS + 60 * NS_PER_S)
    assert config.venues == {"okx": ("BTC/USDT",)}


def test_without_a_duration_it_runs_until_stopped(machine: Path) -> None:
    assert plan(None, HOUR.start_ns).end_ns is None
    assert set(plan(None, HOUR.start_ns).venues) == {"binance", "binanceusdm", "okx"}


def test_a_window_may_be_given_to_the_microsecond(machine: Path) -> None:
    config = plan(None, HOUR.start_ns, start="2026-01-31T05:00:08.000001Z", end="2026-01-31T06:00:16+01:00")
    assert config.start_ns == HOUR.start_ns + 8 * NS_PER_S + 1000
    assert config.end_ns == HOUR.start_ns + 16 * NS_PER_S


def test_the_run_config_wins_over_the_settings(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_CAPTURE__DEPTH", "50")
    assert plan(HOUR, HOUR.start_ns).depth == 50
    chosen = plan(HOUR, HOUR.start_ns, depth=20, interval_s=0.1, segment_s=5, raw=True)
    assert (chosen.depth, chosen.interval_s, chosen.segment_s, chosen.raw) == (20, 0.1, 5, True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"duration_s": 0}, "duration_s = 0.0 is not valid: more than 0 seconds"),
        ({"duration_s": 5, "end": "2026-01-31T07:00Z"}, "exclude each other"),
        ({"start": "tomorrow"}, "start = 'tomorrow' is not valid"),
        ({"venues": {"binance": ["BTCUSDT"]}}, "universal symbols such as BTC/USDT"),
        ({"venues": {"okx": ["BTC/USDT"]}}, "set venues.binance.symbols"),
        ({"interval_s": -1}, "interval_s"),
        ({"start": "2026-01-31T03:00Z", "end": "2026-01-31T04:00Z"}, "the past cannot be recorded"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(machine: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        plan(HOUR, HOUR.start_ns, **config)
    assert "\n" not in str(refusal.value)


def test_a_past_hour_cannot_be_recorded(machine: Path) -> None:
    with pytest.raises(ConfigError, match="2026-01-31T05:00:00Z to 2026-01-31T06:00:00Z is over"):
        plan(HOUR, HOUR.end_ns)
