"""Where the recorded exchange traffic lies: XETRADE_RECORDINGS, or beside the checkout. Tests skip where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("XETRADE_RECORDINGS") or Path(__file__).parents[2] / "../shared/recordings")


def recording(name: str) -> Path:
    """The path of one recorded file; skips the test where the recordings are absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"no recorded traffic at {path}: set XETRADE_RECORDINGS")
    return path.resolve()
