"""The recorded frames that benchmarks run on."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

from benchmarks.peers import Recorded

ROOT = Path(os.environ.get("XETRADE_RECORDINGS") or Path(__file__).parents[1] / "../shared/recordings")
USDM = ROOT / "binance-usdm/btcusdt_20240808.gz"


def available() -> bool:
    """Whether the recordings are there."""
    return USDM.exists()


def usdm_frames() -> tuple[list[Recorded], bytes]:
    """All depth frames of the USD-M recording with their receive times, and the body of its REST snapshot."""
    frames: list[Recorded] = []
    snapshot = b""
    with gzip.open(USDM) as file:
        for line in file:
            stamp, frame = line.rstrip(b"\n").split(b" ", 1)
            if frame.startswith(b'{"lastUpdateId"'):
                snapshot = frame
            elif b'"depthUpdate"' in frame:
                frames.append((int(stamp), frame))
    return frames, snapshot
