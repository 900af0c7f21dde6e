"""`make faults`: ten thousand seeded lives of an order service, on all cores, counted.

    python -m tests.faults.campaign [--count 10000] [--first 0] [--seed N]

Each seed draws what the wire does, when the process is killed and who trades beside it (tests/trading/mixing.py), and
ends with the store held against the venue. A seed that fails is printed with everything that happened; `--seed` lives
through that one alone.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.trading.mixing import Mixed, mix, total
from tests.trading.world import World

CHUNK = 20
SHOWN = 3


def lived_through(seeds: range) -> list[Mixed]:
    """Some seeds, in a process of the pool. Their alarms are what was asked for, and are not printed."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as root:
        empty = Path(root) / "empty"
        empty.mkdir()
        World(empty).open().close()
        return [mix(seed, Path(root) / f"seed{seed}", empty / "orders.db") for seed in seeds]


def found_in(seeds: range) -> Iterator[list[Mixed]]:
    """Chunk after chunk, as they are done."""
    chunks = [seeds[begin : begin + CHUNK] for begin in range(0, len(seeds), CHUNK)]
    if len(chunks) == 1:
        yield lived_through(chunks[0])
        return
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap_unordered(lived_through, chunks)


def main() -> int:
    """Exit status 1 if a seed failed."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many seeds (10000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--seed", type=int, help="this one alone")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.count) if asked.seed is None else range(asked.seed, asked.seed + 1)
    if not seeds:
        parser.error("--count: at least 1")
    began, found = time.monotonic(), list[Mixed]()
    errors = Console(stderr=True)
    with Progress(console=errors, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        for chunk in found_in(seeds):
            found += chunk
            progress.advance(task, len(chunk))
    sums = total(found)
    table = Table(title=f"seeds {seeds[0]} to {seeds[-1]}, {time.monotonic() - began:.0f} s")
    for name in sums:
        table.add_column(name, justify="right")
    table.add_row(*(f"{value:,}" for value in sums.values()))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    failed = sorted((one for one in found if not one.holds), key=lambda one: one.seed)
    for one in failed[:SHOWN]:
        errors.print(one.problem or one, markup=False)
    if failed:
        errors.print(f"failed: {' '.join(str(one.seed) for one in failed)}; again: make faults SEED={failed[0].seed}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
