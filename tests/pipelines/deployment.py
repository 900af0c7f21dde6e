"""A deployment of the pipelines for tests: a lake, a spool and the simulated venues, reached as a real one is, by
settings.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.sim import Sim

#: symbols that the default simulation lists
SYMBOLS = {
    "binance": ("BTC/USDT", "ETH/USDT"),
    "binanceusdm": ("BTC/USDT:USDT",),
    "okx": ("BTC/USDT",),
}


def environment(
    directory: Path, sim: Sim | None = None, venues: Iterable[str] = SYMBOLS, lake: str = ""
) -> dict[str, str]:
    """The variables of a machine whose lake and spool are below `directory` and whose venues are simulated."""
    variables = {
        "XETRADE_LAKE": lake or str(directory / "lake"),
        "XETRADE_SPOOL": str(directory / "spool"),
        "XETRADE_CONFIG": str(directory / "xetrade.toml"),
        "XETRADE_CAPTURE__SEGMENT_S": "2",
    }
    (directory / "xetrade.toml").touch()
    for venue in venues:
        prefix = f"XETRADE_VENUES__{venue.upper()}__"
        variables[f"{prefix}SYMBOLS"] = json.dumps(SYMBOLS[venue])
        if sim is not None:
            variables[f"{prefix}REST_URL"] = sim.url(venue).rest
            variables[f"{prefix}WS_URL"] = sim.url(venue).ws
    return variables


def within_one_hour(needs_s: float, *, since_s: float = 0) -> datetime:
    """Wait, if need be, until this hour of UTC began `since_s` ago or longer and has `needs_s` left: what crosses the
    hour has two partitions.

    The end of the hour that it is then.
    """
    while True:
        now = datetime.now(UTC)
        begin = now.replace(minute=0, second=0, microsecond=0)
        end = begin + timedelta(hours=1)
        if (now - begin).total_seconds() < since_s:
            time.sleep(since_s - (now - begin).total_seconds())
        elif (end - now).total_seconds() < needs_s:
            time.sleep((end - now).total_seconds() + 0.1)
        else:
            return end


def lately() -> tuple[str, str]:
    """The hour before now and the hour after, for reading what a test has recorded."""
    now = datetime.now(UTC)
    return (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()
