"""The lake beside gzip CSV in the tardis `book_snapshot` shape: bytes a snapshot, and reading a symbol-day.

The day is 86,400 snapshots of 100 levels a side. It is made of the USD-M recording, sampled each second (344 real
books), laid end to end 252 times. From one time to the next the price walks by as much as BTC does in those six
minutes, and every size is scaled by another factor and rounded to the lot: so hardly a price or size of one length
helps to compress the next. The recording alone, sampled ten times a second and not altered, is measured as well. Both
formats hold the same rows.
"""

from __future__ import annotations

import gzip
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks import recorded
from benchmarks.report import Measurement
from xetrade_core.capture.replay import replay
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.layout import NS_PER_HOUR, part_key
from xetrade_core.lake.levels import LEVEL_COLUMNS, Levels
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore, open_store

VENUE, SYMBOL = "binanceusdm", "BTC/USDT:USDT"
DAY = 1_723_161_600 * NS_PER_S  # 2024-08-09T00:00:00Z
DEPTH, TICK, LOT = 100, 0.1, 0.001
STEP_TICKS = 800
"""Standard deviation of the price over one length of the recording (6 minutes): 80 USDT, 2 % a day."""
ROUNDS = 20  # of 3 s: on a shared machine few are undisturbed, and reading on all cores suffers most


def run(quick: bool = False) -> list[Measurement]:
    """Size and reading time of each, and the ratios; `quick` takes two hours instead of a day, and one round."""
    hours, rounds = (2, 1) if quick else (24, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        books = _recorded_books(root / "each-second", 1.0)
        fine = _recorded_books(root / "each-tenth", 0.1)
        rows = [_size_row("as recorded, ten a second", *_sizes(fine, root / "fine"), len(fine))]
        store = open_store(root / "lake")
        csv = root / "day.csv.gz"
        count = _write_day(books, store, csv, hours)
        ours = sum(info.size for info in store.list("l2_snapshots/"))
        rows.append(_size_row("a symbol-day", ours, csv.stat().st_size, count))
        return rows + _reading_rows(Lake(store), csv, hours, count, rounds)


def _reading_rows(lake: Lake, csv: Path, hours: int, count: int, rounds: int) -> list[Measurement]:
    span = (VENUE, SYMBOL, DAY, DAY + hours * NS_PER_HOUR)
    contenders: dict[str, Callable[[], int]] = {
        "arrow": lambda: len(lake.read_l2(*span)),
        "pandas": lambda: len(lake.read_l2(*span, as_="pandas")),
        "pyarrow.csv": lambda: len(pacsv.read_csv(csv)),
        "pandas.read_csv": lambda: len(pd.read_csv(csv)),
    }
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):  # in turn, so that a busy machine slows all alike; the best round counts
        for name, read in contenders.items():
            best[name] = min(best[name], _seconds(read, count))
    rows = []
    for ours, peer, target in (("arrow", "pyarrow.csv", 8.0), ("pandas", "pandas.read_csv", 6.0)):
        ratio = best[peer] / best[ours]
        rows.append(
            Measurement(
                f"a symbol-day of {count:,} rows to {ours}",
                best[ours],
                "s",
                f"at least {target:g}x",
                ratio >= target,
                ratio,
                f"{peer}: {best[peer]:.2f} s",
            )
        )
    return rows


def _seconds(read: Callable[[], int], count: int) -> float:
    began = time.perf_counter()
    if read() != count:
        raise AssertionError("a reader lost rows")
    return time.perf_counter() - began


def _size_row(what: str, ours: int, theirs: int, rows: int) -> Measurement:
    ratio = ours / theirs
    return Measurement(
        f"bytes a 100-level snapshot, {what}",
        ours / rows,
        "bytes",
        "at most 0.85x",
        ratio <= 0.85,
        ratio,
        f"gzip CSV: {theirs / rows:,.0f} bytes",
    )


def _recorded_books(folder: Path, interval_s: float) -> pa.Table:
    """The recording's synced rows, sampled through the capture's own replay."""
    report = replay([recorded.USDM], VENUE, [SYMBOL], open_store(folder), interval_s=interval_s, depth=DEPTH)
    rows = Lake(folder).read_l2(VENUE, SYMBOL, report.from_ns, report.to_ns)
    return rows.filter(rows.column("synced"))


def _sizes(rows: pa.Table, folder: Path) -> tuple[int, int]:
    """Bytes of the rows in each format."""
    folder.mkdir()
    _write_csv([_flat(rows)], folder / "rows.csv.gz")
    return len(parquet.to_bytes(L2_SNAPSHOTS.conform(rows), packing=parquet.DENSE)), (
        folder / "rows.csv.gz"
    ).stat().st_size


def _write_day(books: pa.Table, store: ObjectStore, csv: Path, hours: int) -> int:
    """The made-up day in both formats; how many rows it has."""
    rng = random.Random(20240809)
    flat, moved = [], 0
    for hour in range(hours):
        start = DAY + hour * NS_PER_HOUR
        pieces = []
        for _ in range(-(-3600 // len(books))):
            moved += round(rng.gauss(0, STEP_TICKS))
            pieces.append(_varied(books, moved, rng.uniform(0.6, 1.6)))
        rows = _retimed(pa.concat_tables(pieces).slice(0, 3600), start)
        checked = L2_SNAPSHOTS.validate(rows)
        if len(checked.rejected):
            raise AssertionError(checked.rejected.column("rejected_reason")[0].as_py())
        store.create(
            part_key(L2_SNAPSHOTS.name, VENUE, SYMBOL, start), parquet.to_bytes(checked.good, packing=parquet.DENSE)
        )
        flat.append(_flat(checked.good))
    _write_csv(flat, csv)
    return sum(len(one) for one in flat)


def _varied(books: pa.Table, moved: int, scale: float) -> pa.Table:
    """The same books `moved` ticks away and of other sizes, on the venue's own grid of ticks and lots."""
    for name in LEVEL_COLUMNS:
        levels = Levels.of(books, name)
        if name.endswith("price"):
            values = np.round((np.round(levels.values / TICK) + moved) * TICK, 1)
        else:
            values = np.round(np.maximum(np.round(levels.values * scale / LOT), 1) * LOT, 3)
        lists = pa.ListArray.from_arrays(pa.array(levels.offsets, pa.int32()), pa.array(values))
        books = books.set_column(books.column_names.index(name), books.schema.field(name), lists)
    return books


def _retimed(rows: pa.Table, start_ns: int) -> pa.Table:
    """The rows one a second from `start_ns` on, their other times moved along."""
    grid = start_ns + np.arange(len(rows), dtype=np.int64) * NS_PER_S
    shift = grid - rows.column("timestamp").cast(pa.int64()).to_numpy()
    for name in ("timestamp", "exchange_timestamp", "received_timestamp"):
        times = rows.column(name).cast(pa.int64()).to_numpy() + shift
        kind = rows.schema.field(name)
        rows = rows.set_column(rows.column_names.index(name), kind, pa.array(times).cast(kind.type))
    return rows


def _flat(rows: pa.Table) -> pa.Table:
    """The rows in the shape of tardis: times in microseconds, a column for each price and amount of each level."""
    columns: dict[str, pa.Array | np.ndarray] = {
        "exchange": pa.array(["binance-futures"] * len(rows)),
        "symbol": pa.array(["BTCUSDT"] * len(rows)),
        "timestamp": rows.column("exchange_timestamp").cast(pa.int64()).to_numpy() // 1000,
        "local_timestamp": rows.column("received_timestamp").cast(pa.int64()).to_numpy() // 1000,
    }
    sides = {name: Levels.of(rows, name).padded(DEPTH) for name in LEVEL_COLUMNS}
    for level in range(DEPTH):
        for side in ("ask", "bid"):
            columns[f"{side}s[{level}].price"] = sides[f"{side}_price"][:, level]
            columns[f"{side}s[{level}].amount"] = sides[f"{side}_size"][:, level]
    return pa.table(columns)


def _write_csv(tables: list[pa.Table], path: Path) -> None:
    """gzip at its default level of the command line tool, 6."""
    plain = path.with_suffix(".plain")
    with pacsv.CSVWriter(plain, tables[0].schema, write_options=pacsv.WriteOptions(quoting_style="none")) as writer:
        for table in tables:
            writer.write_table(table)
    with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    plain.unlink()
