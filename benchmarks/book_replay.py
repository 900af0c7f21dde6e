"""From recorded frames to Parquet: ours beside ccxt.pro's and cryptofeed's own order-book handlers.

All three get the same depth frames of the USD-M recording, are sampled to 100 levels once a second of recorded time,
and write those rows to Parquet. Ours also checks, logs gaps and validates the rows against their schema; the peers'
rows are written as they are. Processor time is compared, of the best of some rounds in turn, since the machine is
shared.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.recorded import Recorded, usdm_frames
from benchmarks.report import Measurement
from xetrade_core.capture.replay import replay
from xetrade_core.lake.store import open_store

ROUNDS = 5


def run(quick: bool = False) -> list[Measurement]:
    """Depth messages a second of each, and our ratio to each peer."""
    frames, snapshot = usdm_frames()
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder, "depth.txt")
        _write(recording, frames, snapshot)
        contenders: dict[str, Callable[[int], int]] = {
            "ours": lambda round_: _ours(recording, Path(folder, f"lake-{round_}")),
            "ccxt.pro": lambda round_: peers.ccxt_pro(frames, snapshot, Path(folder, f"ccxt-{round_}.parquet")),
            "cryptofeed": lambda round_: peers.cryptofeed(frames, snapshot, Path(folder, f"cf-{round_}.parquet")),
        }
        rates = dict.fromkeys(contenders, 0.0)
        for round_ in range(2 if quick else ROUNDS):
            for name, contender in contenders.items():
                began = time.process_time()
                messages = contender(round_)
                rates[name] = max(rates[name], messages / (time.process_time() - began))
    ours = rates.pop("ours")
    rows = [Measurement("XETrade", ours, "messages/s", "at least 30,000/s", ours >= 30_000)]
    for name, rate in rates.items():
        ratio = ours / rate
        rows.append(
            Measurement(
                f"XETrade beside {name}", ours, "messages/s", "at least 10x", ratio >= 10, ratio, f"{rate:,.0f}"
            )
        )
    return rows


def _write(path: Path, frames: list[Recorded], snapshot: bytes) -> None:
    """The recording as a file of depth frames, with its snapshot where the first 4 frames have come, as recorded."""
    lines = [b"%d %s\n" % frame for frame in frames]
    at = next(index for index, (_, frame) in enumerate(frames) if index == 4)
    lines.insert(at, b"%d %s\n" % (frames[at - 1][0], snapshot))
    path.write_bytes(b"".join(lines))


def _ours(recording: Path, lake: Path) -> int:
    report = replay([recording], "binanceusdm", ["BTC/USDT:USDT"], open_store(str(lake)), compact=False)
    assert not [gap for gap in report.gaps if gap.cause != "startup"]
    return report.updates
