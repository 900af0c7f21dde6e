"""`python -m benchmarks [--quick] [NAME ...]`: measure, print JSON lines, and rewrite docs/benchmarks.md.

The page shows the last full measurement of every section, so that one section can be measured again on its own; the
machine it names is that of the newest.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks import recorded
from benchmarks.report import Measurement, print_json, renewed

SECTIONS = {
    "book_replay": "From recorded frames to Parquet",
    "sequencers": "Each venue's sequencer beside ccxt.pro",
    "sampling": "Sampling a deep book",
    "best_quotes": "Best bid and ask across venues",
    "symbol_map": "The symbol map",
    "order_store": "The order store",
    "orders": "Orders beside bare ccxt",
    "positions": "Positions and profit",
    "monitor": "Positions watched",
    "funding_history": "Years of funding",
    "lake_read": "The lake beside gzip CSV",
    "live_load": "Live against the simulated venue",
}
PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"


def main() -> int:
    """Exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(SECTIONS)}; default all")
    parser.add_argument("--quick", action="store_true", help="shorter runs, the page is left alone")
    arguments = parser.parse_args()
    names = arguments.names or list(SECTIONS)
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}: one of {', '.join(SECTIONS)}")
    if not recorded.available():
        parser.error(f"no recorded traffic at {recorded.ROOT}: set XETRADE_RECORDINGS")
    measured: dict[str, list[Measurement]] = {}
    for name in names:
        measured[SECTIONS[name]] = importlib.import_module(f"benchmarks.{name}").run(arguments.quick)
        print_json(measured[SECTIONS[name]])
    if not arguments.quick:
        PAGE.write_text(renewed(PAGE.read_text(), SECTIONS.values(), measured))
    return int(any(row.met is False for rows in measured.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
