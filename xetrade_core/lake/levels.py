"""Book levels as flat numpy arrays: the four list columns of `l2_snapshots` without a Python loop over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LEVEL_COLUMNS = ("bid_price", "bid_size", "ask_price", "ask_size")


@dataclass(frozen=True, slots=True)
class Levels:
    """One list column. `values` are all levels of all rows in a row; row i owns values[offsets[i]:offsets[i + 1]]."""

    values: np.ndarray  # float64, shape (levels in all,); a null level is NaN
    lengths: np.ndarray  # int64, shape (rows,); 0 for a null list
    null: np.ndarray  # bool, shape (rows,)

    @classmethod
    def of(cls, table: pa.Table, column: str) -> Levels:
        """The levels of one list column of `table`."""
        lists = table.column(column).combine_chunks()
        if isinstance(lists, pa.ChunkedArray):  # a table without rows has no chunk to combine
            lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        values = lists.flatten().to_numpy(zero_copy_only=False)  # flatten skips null lists, as their length 0 says
        return cls(values, lengths, lists.is_null().to_numpy(zero_copy_only=False))

    @property
    def offsets(self) -> np.ndarray:
        """int64, shape (rows + 1,)."""
        return np.concatenate(([0], np.cumsum(self.lengths)))

    @property
    def row_of(self) -> np.ndarray:
        """The row that each value belongs to; int64, shape of `values`."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def rows_with(self, bad: np.ndarray) -> np.ndarray:
        """Which rows own at least one value that is marked in `bad`; bool, shape (rows,)."""
        rows = np.zeros(len(self.lengths), dtype=bool)
        if bad.any():
            rows[self.row_of[bad]] = True
        return rows

    def best(self) -> np.ndarray:
        """The first value of each row, NaN where it has none; float64, shape (rows,)."""
        first = np.full(len(self.lengths), np.nan)
        held = self.lengths > 0
        first[held] = self.values[self.offsets[:-1][held]]
        return first

    def padded(self, depth: int | None = None) -> np.ndarray:
        """float64, shape (rows, depth): NaN past a row's last level; `depth` defaults to the deepest row's."""
        width = depth if depth is not None else int(self.lengths.max(initial=0))
        matrix = np.full((len(self.lengths), width), np.nan)
        position = np.arange(len(self.values)) - np.repeat(self.offsets[:-1], self.lengths)
        kept = position < width
        matrix[self.row_of[kept], position[kept]] = self.values[kept]
        return matrix


def level_reasons(table: pa.Table) -> list[tuple[np.ndarray, str]]:
    """What is wrong with the books of `table`, as (bool per row, reason): the row check of `l2_snapshots`."""
    synced = table.column("synced").to_numpy(zero_copy_only=False).astype(bool)
    sides = {name: Levels.of(table, name) for name in LEVEL_COLUMNS}
    reasons = []
    for name, levels in sides.items():
        reasons += [
            (synced & levels.null, f"{name} is null though the book is in sync"),
            (~synced & ~levels.null, f"{name} is given though the book is not in sync"),
            (levels.rows_with(~np.isfinite(levels.values)), f"{name} is not finite"),
            (levels.rows_with(levels.values <= 0), f"{name} is not positive"),
        ]
    for side, direction in (("bid", -1), ("ask", 1)):
        prices, sizes = sides[f"{side}_price"], sides[f"{side}_size"]
        reasons.append((prices.lengths != sizes.lengths, f"{side}_price and {side}_size differ in length"))
        reasons.append((_unsorted_rows(prices, direction), f"{side}_price is not sorted best first"))
        known = pc.fill_null(table.column(f"{side}_known"), -1).to_numpy()
        reasons += [
            (synced == (known < 0), f"{side}_known is given though the book is not in sync, or missing though it is"),
            (known > prices.lengths, f"{side}_known is more than there are levels"),
        ]
    crossed = sides["bid_price"].best() >= sides["ask_price"].best()  # false where a side is empty: NaN compares false
    reasons.append((crossed, "the book is crossed"))
    return [(rows, reason) for rows, reason in reasons if rows.any()]


def _unsorted_rows(prices: Levels, direction: int) -> np.ndarray:
    """Rows whose prices do not strictly move away from the touch."""
    if len(prices.values) < 2:
        return np.zeros(len(prices.lengths), dtype=bool)
    stuck = np.diff(prices.values) * direction <= 0
    starts = prices.offsets[1:-1]
    starts = starts[(starts > 0) & (starts < len(prices.values))]
    stuck[starts - 1] = False  # the step from one row's last level to the next row's first
    return prices.rows_with(np.concatenate(([False], stuck)))
