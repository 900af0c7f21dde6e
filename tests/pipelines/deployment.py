"""A deployment of the pipelines for tests: a lake, a spool and the simulated venues, reached as a real one is, by
settings.
"""

from __future__ import annotations

import json
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


def lately() -> tuple[str, str]:
    """The hour before now and the hour after, for reading what a test has recorded."""
    now = datetime.now(UTC)
    return (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()
