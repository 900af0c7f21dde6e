"""From recorded frames to Parquet: ours beside ccxt.pro's and cryptofeed's own order-book handlers.

All get the same depth frames of the USD-M recording, are sampled to 100 levels once a second of recorded time, and
write those rows to Parquet. Ours does more: it reads the frames from a file (the peers are handed them one by one, out
of memory), checks every message's validity and sequence, counts what is known, keeps a ledger of gaps and guards the
rows by their schema; the peers' rows are written as they are. Ours runs twice, by compiled code and in plain Python.
Processor time is compared, of the best of some rounds in turn, since the machine is shared; loading compiled code is in
no round that counts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.peers import Recorded
from benchmarks.recorded import usdm_frames
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
            "compiled": lambda round_: _ours(recording, Path(folder, f"compiled-{round_}"), accelerate=True),
            "plain": lambda round_: _ours(recording, Path(folder, f"plain-{round_}"), accelerate=False),
            "ccxt.pro": lambda round_: peers.ccxt_pro(frames, snapshot, Path(folder, f"ccxt-{round_}.parquet")),
            "cryptofeed": lambda round_: peers.cryptofeed(frames, snapshot, Path(folder, f"cf-{round_}.parquet")),
        }
        rates = dict.fromkeys(contenders, 0.0)
        for round_ in range(2 if quick else ROUNDS):
            for name, contender in contenders.items():
                began = time.process_time()
                messages = contender(round_)
                rates[name] = max(rates[name], messages / (time.process_time() - began))
    plain, ours = rates.pop("plain"), rates.pop("compiled")
    rows = [
        Measurement("XETrade, plain Python", plain, "messages/s", "at least 30,000/s", plain >= 30_000),
        Measurement("XETrade, compiled code", ours, "messages/s", "at least 30,000/s", ours >= 30_000),
    ]
    for name, rate in rates.items():
        ratio, beside = ours / rate, f"{name}: {rate:,.0f} ({plain / rate:.1f}x in plain Python)"
        rows.append(
            Measurement(f"compiled code beside {name}", ours, "messages/s", "at least 10x", ratio >= 10, ratio, beside)
        )
    return rows


def _write(path: Path, frames: list[Recorded], snapshot: bytes) -> None:
    """The recording as a file of depth frames, with its snapshot where the first 4 frames have come, as recorded."""
    lines = [b"%d %s\n" % frame for frame in frames]
    at = next(index for index, (_, frame) in enumerate(frames) if index == 4)
    lines.insert(at, b"%d %s\n" % (frames[at - 1][0], snapshot))
    path.write_bytes(b"".join(lines))


def _ours(recording: Path, lake: Path, *, accelerate: bool) -> int:
    store = open_store(str(lake))
    report = replay([recording], "binanceusdm", ["BTC/USDT:USDT"], store, compact=False, accelerate=accelerate)
    assert not [gap for gap in report.gaps if gap.cause != "startup"]
    return report.updates
