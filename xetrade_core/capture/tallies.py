"""Running counts of one recorder, for the status table and the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xetrade_core.books.sequencer import BookSequencer

_LATENCIES_KEPT = 1024


class SymbolTallies:
    """Counts by symbol index; `captured_ticks` counts grid times whose rows were handed to the log."""

    def __init__(self, symbols: Sequence[str]) -> None:
        count = len(symbols)
        self.captured_ticks = 0
        self.synced = [0] * count
        self.stale = [0] * count
        self.resyncs = [0] * count
        self.updates = [0] * count
        self.refused = [0] * count
        self._applied_before = [0] * count
        self._refused_before = [0] * count
        self._latencies = np.full((count, _LATENCIES_KEPT), np.nan, np.float32)
        self._latency_count = np.zeros(count, np.int64)

    def restart(self, index: int, book: BookSequencer) -> None:
        """Count from here on for a book that was attached."""
        self._applied_before[index] = book.applied_count
        self._refused_before[index] = book.refused_count

    def count(self, index: int, book: BookSequencer) -> tuple[int, int]:
        """Messages applied and refused since the call before."""
        updates = book.applied_count - self._applied_before[index]
        refused = book.refused_count - self._refused_before[index]
        self._applied_before[index] += updates
        self._refused_before[index] += refused
        self.updates[index] += updates
        self.refused[index] += refused
        return updates, refused

    def forget(self, ticks: int, synced: Sequence[int], stale: Sequence[int]) -> None:
        """So many grid times were lost after all, with so many rows in sync and stale of each symbol."""
        self.captured_ticks -= ticks
        self.synced = [count - lost for count, lost in zip(self.synced, synced, strict=True)]
        self.stale = [count - lost for count, lost in zip(self.stale, stale, strict=True)]

    def note_latencies(self, symbols: npt.NDArray[np.int32], latency_ms: npt.NDArray[np.float64]) -> None:
        """Keep the newest 1,024 of each symbol; `symbols` are indices."""
        for symbol, latency in zip(symbols.tolist(), latency_ms.tolist(), strict=True):
            self._latencies[symbol, self._latency_count[symbol] % _LATENCIES_KEPT] = latency
            self._latency_count[symbol] += 1

    def latency_quantiles(self) -> list[tuple[float, float, float] | None]:
        """p50, p95 and p99 in milliseconds of each symbol's kept latencies; None where there are none."""
        ordered = np.sort(self._latencies, axis=1)  # NaN, which marks the unused places, comes last
        counts = np.minimum(self._latency_count, _LATENCIES_KEPT)
        picked = [
            np.take_along_axis(ordered, np.ceil(q * np.maximum(counts - 1, 0)).astype(np.int64)[:, None], 1)[
                :, 0
            ].tolist()
            for q in (0.5, 0.95, 0.99)
        ]
        return [
            quantiles if count else None for count, quantiles in zip(counts, zip(*picked, strict=True), strict=True)
        ]
