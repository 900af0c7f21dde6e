"""The ledger's promise, as a check: every grid time of the window is a synced row or inside a gap, and never both."""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.capture.ledger import GapRecord
from xetrade_core.capture.sampler import grid_at_or_after


def latest(records: Iterable[GapRecord]) -> list[GapRecord]:
    """One record for each gap and hour, as compaction merges them: a closed one supersedes an open one."""
    best: dict[tuple[str, int], GapRecord] = {}
    for record in records:
        known = best.get((record.gap_id, record.from_ns))
        if known is None or (record.to_ns or -1) >= (known.to_ns or -1):
            best[record.gap_id, record.from_ns] = record
    return list(best.values())


def check_ledger(
    symbol: str,
    rows: dict[int, bool],
    records: Iterable[GapRecord],
    start_ns: int,
    end_ns: int,
    interval_ns: int,
) -> None:
    """`rows`: grid time -> synced. Raises AssertionError with the first grid time that breaks the promise."""
    gaps = [(gap.from_ns, gap.to_ns, gap) for gap in latest(records) if gap.symbol == symbol]
    assert all(to is not None and to >= at for at, to, _ in gaps), [gap for _, to, gap in gaps if to is None]
    for tick in range(grid_at_or_after(start_ns, interval_ns), end_ns, interval_ns):
        inside = [gap for at, to, gap in gaps if at <= tick < (to or 0)]
        if rows.get(tick):
            assert not inside, f"{symbol} {tick} is synced but inside {inside}"
        else:
            state = "unsynced" if tick in rows else "missing"
            assert inside, f"{symbol} {tick} is {state} without a gap"
    assert all(start_ns <= tick < end_ns for tick in rows)
