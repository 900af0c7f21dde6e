"""What a session may be asked for; everything else is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.errors import ConfigError


def config(**changes: object) -> CaptureConfig:
    values: dict[str, object] = {"venues": {"binance": ("BTC/USDT",)}, "spool_dir": Path("spool")}
    return CaptureConfig(**{**values, **changes})  # type: ignore[arg-type]


def test_intervals_are_exact_integers() -> None:
    assert config(interval_s=0.1).interval_ns == 100_000_000
    assert config(interval_s=0.3).interval_ns == 300_000_000


def test_a_venue_may_have_its_own_staleness_limit() -> None:
    one = config(staleness_s=30, venue_staleness_s={"okx": 5})
    assert (one.staleness_ns("binance"), one.staleness_ns("okx")) == (30_000_000_000, 5_000_000_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval_s": 0.0005}, "interval_s = 0.0005 is not valid: a whole number of milliseconds"),
        ({"interval_s": 0.1234}, "interval_s = 0.1234 is not valid"),
        ({"interval_s": float("nan")}, "interval_s = nan is not valid"),
        ({"depth": 0}, "depth = 0 is not valid: 1 to 5000"),
        ({"interval_s": 60, "segment_s": 30}, "segment_s = 30 is not valid: at least interval_s"),
        ({"staleness_s": 0}, "staleness_s = 0 is not valid"),
        ({"session_id": "../x"}, "session_id = '../x' is not valid"),
        ({"start_ns": 5, "end_ns": 5}, "end_ns = 5 is not valid: after start_ns = 5"),
        ({"venues": {}}, "venues = {} is not valid: at least one venue"),
        ({"venues": {"okx": ()}}, r"venues\[okx\] = \(\) is not valid: at least one symbol"),
        ({"venues": {"okx": ("A/B", "$A/B")}}, r"venues\[okx\] = '\$A/B' is not valid: letters, digits"),
        ({"venues": {"okx": ("A/B", "A/B")}}, r"venues\[okx\] = 'A/B' is not valid: each symbol once"),
    ],
)
def test_what_is_not_allowed_says_what_is(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**changes)
