"""Writes docs/data-dictionary.md from the schemas.

`python -m xetrade_core.lake.data_dictionary --write` (or `--check`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from xetrade_core.lake.dataset import Column, Dataset
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.model.book_events import GapCause

DEFAULT_PATH = Path(__file__).parents[2] / "docs" / "data-dictionary.md"

_INTRODUCTION = """\
# Data dictionary

Generated from `xetrade_core/lake/schemas.py` by `python -m xetrade_core.lake.data_dictionary --write`; do not edit.

Every file is Parquet (zstd; prices of compacted files LZ4_RAW), times are UTC with nanoseconds, and each column
carries its description and unit as metadata. Where the instrument is known, the file's metadata has `instrument` (venue
id, tick, lot, contract size) and the level columns have `price_tick` and `lot`. Rows that fail a schema are kept in
`<dataset>_rejected/` with a column `rejected_reason`.

The path of a file names the symbol as a slug (`BTC/USDT:USDT` -> `BTC-USDT_USDT`), the column `symbol` has the
universal symbol. Tools that read the path as columns (hive partitioning) may show the slug: DuckDB and Polars let the
path win. `Lake.duckdb()` has views with the universal symbol; elsewhere switch hive partitioning off, or compare with
the slug. pyarrow needs `partitioning=None`, or it refuses the two types of `symbol`.
"""

_CAUSES = {
    GapCause.STARTUP: "Not yet synced since the session, or the symbol's capture, began.",
    GapCause.SEQUENCE: "A message is missing: the venue's continuity rule failed.",
    GapCause.SEQUENCE_RESET: "The venue restarted its numbering (maintenance).",
    GapCause.CHECKSUM: "The venue's checksum does not fit our book.",
    GapCause.CROSSED: "Applying the message would have crossed the book.",
    GapCause.MALFORMED: "A frame of this symbol was refused, so its change is unknown.",
    GapCause.DISCONNECT: "The connection closed or failed.",
    GapCause.STALLED: "The connection was silent past its limit (half-open) and was replaced.",
    GapCause.OVERFLOW: "The recorder's own bounded queue was full.",
    GapCause.STOPPED: "The session was stopped, or ended, before the window did.",
    GapCause.RECORDER_DOWN: "No recorder ran: crash, kill, power.",
    GapCause.RECORDER_LATE: "The recorder ran but could not sample in time.",
    GapCause.CLOCK_STEP: "The wall clock jumped over these seconds.",
    GapCause.UNEXPLAINED: "Found by compaction, in no ledger; fails the completeness check.",
}


def render() -> str:
    """The document."""
    sections = [_section(dataset) for dataset in DATASETS.values()]
    causes = ["## Causes of gaps", "", "| cause | meaning |", "|---|---|"]
    causes += [f"| `{cause.value}` | {_CAUSES[cause]} |" for cause in GapCause]
    return "\n".join([_INTRODUCTION, *sections, *causes]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document, or check that the one on disk is current; the exit code says whether it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    parser.add_argument("--path", type=Path, default=DEFAULT_PATH)
    options = parser.parse_args(arguments)
    if options.write:
        options.path.parent.mkdir(parents=True, exist_ok=True)
        options.path.write_text(render(), encoding="utf-8")
        return 0
    current = options.path.read_text(encoding="utf-8") if options.path.exists() else ""
    if current == render():
        return 0
    sys.stderr.write(f"{options.path} is out of date: run python -m xetrade_core.lake.data_dictionary --write\n")
    return 1


_FILES = {
    "part": "venue=V/symbol=S/date=YYYY-MM-DD/hour=HH/part",
    "segment": "venue=V/date=YYYY-MM-DD/hour=HH/START-END-WRITER",
    "symbol_hour": "symbol=S/date=YYYY-MM-DD/hour=HH/part",
    "venue_hour": "venue=V/date=YYYY-MM-DD/hour=HH/part",
    "venue_day": "venue=V/date=YYYY-MM-DD/part",
    "day": "date=YYYY-MM-DD/part",
}


def _section(dataset: Dataset) -> str:
    lines = [f"## {dataset.name}", "", f"{dataset.title}. {dataset.description}", ""]
    lines += [f"One row: {dataset.grain}. Files: `{dataset.name}/{_FILES[dataset.layout]}.parquet`.", ""]
    lines += ["| column | type | unit | meaning |", "|---|---|---|---|", *(_row(column) for column in dataset.columns)]
    return "\n".join([*lines, ""])


def _row(column: Column) -> str:
    kind = _type_name(column.type) + (", may be null" if column.nullable else "")
    return f"| `{column.name}` | {kind} | {column.unit} | {column.description} |"


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return "string (dictionary)"
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    return "timestamp (ns, UTC)" if pa.types.is_timestamp(kind) else str(kind)


if __name__ == "__main__":
    sys.exit(main())
