"""`make faults`: ten thousand seeded lives of an order service and two thousand of a cross-venue order, on all cores,
counted.

    python -m tests.faults.campaign [--count 10000] [--crosses 2000] [--first 0] [--seed N] [--cross-seed N]

Each seed draws what the wire does, when the process is killed and who trades beside it (tests/trading/mixing.py), and
ends with the store held against the venue (a cross-venue order's: tests/trading/cross_mixing.py). A seed that fails is
printed with everything that happened; `--seed` and `--cross-seed` live through that one alone.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.trading.cross_mixing import Crossed, cross
from tests.trading.mixing import Mixed, mix, total
from xetrade_core.trading.store import OrderStore

T = TypeVar("T")
CHUNK = 20
SHOWN = 3
ERRORS = Console(stderr=True)


def quiet() -> None:
    """What these lives alarm about is what was asked for, and is not printed."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def lived_through(seeds: range) -> list[Mixed]:
    """Some seeds, in a process of the pool."""
    quiet()
    with empty_store() as (root, store):
        return [mix(seed, root / f"seed{seed}", store) for seed in seeds]


def crossed(seeds: range) -> list[Crossed]:
    """Some seeds of cross-venue orders, in a process of the pool."""
    quiet()
    with empty_store() as (root, store):
        return [cross(seed, root / f"seed{seed}", store) for seed in seeds]


@contextlib.contextmanager
def empty_store() -> Iterator[tuple[Path, Path]]:
    """A directory that is removed afterwards, and in it a migrated database without orders."""
    with tempfile.TemporaryDirectory() as root:
        store = Path(root) / "empty" / "orders.db"
        OrderStore(store).close()
        yield Path(root), store


def found_in(seeds: range, live: Callable[[range], list[T]]) -> Iterator[list[T]]:
    """Chunk after chunk, as they are done."""
    chunks = [seeds[begin : begin + CHUNK] for begin in range(0, len(seeds), CHUNK)]
    if len(chunks) == 1:
        yield live(chunks[0])
        return
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap_unordered(live, chunks)


def live_all(seeds: range, live: Callable[[range], list[T]], what: str) -> list[T]:
    """All of them, with a bar on the terminal."""
    found: list[T] = []
    with Progress(console=ERRORS, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=len(seeds))
        for chunk in found_in(seeds, live):
            found += chunk
            progress.advance(task, len(chunk))
    return found


def show(title: str, sums: Mapping[str, int]) -> None:
    """The counts as a table."""
    table = Table(title=title)
    for name in sums:
        table.add_column(name, justify="right")
    table.add_row(*(f"{value:,}" for value in sums.values()))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def orders_hold(seeds: range) -> bool:
    """Live through seeds of the order service; whether all hold."""
    began = time.monotonic()
    found = live_all(seeds, lived_through, "seeds")
    show(f"seeds {seeds[0]} to {seeds[-1]}, {time.monotonic() - began:.0f} s", total(found))
    failed = sorted((one for one in found if not one.holds), key=lambda one: one.seed)
    for one in failed[:SHOWN]:
        ERRORS.print(one.problem or one, markup=False)
    if failed:
        ERRORS.print(f"failed: {' '.join(str(one.seed) for one in failed)}; again: make faults SEED={failed[0].seed}")
    return not failed


def crosses_hold(seeds: range) -> bool:
    """Live through seeds of cross-venue orders; whether all hold."""
    began = time.monotonic()
    found = live_all(seeds, crossed, "cross-venue orders")
    ended = Counter(one.ended for one in found)
    failed = sorted((one for one in found if one.problem is not None), key=lambda one: one.seed)
    sums = {"scenarios": len(found), "kills": sum(one.kills for one in found), **ended, "not accounted": len(failed)}
    show(f"cross-venue orders, seeds {seeds[0]} to {seeds[-1]}, {time.monotonic() - began:.0f} s", sums)
    for one in failed[:SHOWN]:
        ERRORS.print(one.problem, markup=False)
    if failed:
        ERRORS.print(f"again: make faults FAULTS_ARGS='--cross-seed {failed[0].seed}'")
    return not failed


def main() -> int:
    """Exit status 1 if a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many seeds (10000)")
    parser.add_argument("--crosses", type=int, default=2_000, help="how many of cross-venue orders (2000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--cross-seed", type=int, help="this one of cross-venue orders alone")
    asked = parser.parse_args()
    if asked.seed is not None:
        return int(not orders_hold(range(asked.seed, asked.seed + 1)))
    if asked.cross_seed is not None:
        return int(not crosses_hold(range(asked.cross_seed, asked.cross_seed + 1)))
    if asked.count < 1 or asked.crosses < 1:
        parser.error("--count, --crosses: at least 1")
    held = [
        orders_hold(range(asked.first, asked.first + asked.count)),
        crosses_hold(range(asked.first, asked.first + asked.crosses)),
    ]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
