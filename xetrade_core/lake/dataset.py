"""What a dataset of the lake is: its columns with unit and meaning, its Arrow schema, and the guard at its door.

The guard is two layers. Pandera checks the scalar columns (unless a quick look finds every value within its bounds, for
a pandera check takes ten milliseconds, rows or no rows); a dataset may add a vectorised check of its own (book
levels are lists, which no dataframe check reads quickly). A row that fails goes to `<dataset>_rejected` with its
reason: never dropped, never repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import SchemaViolation

if TYPE_CHECKING:
    import pandera.pandas

REJECTED_REASON = "rejected_reason"

Reasons = list[tuple[np.ndarray, str]]
"""Rows (a boolean per row) and what is wrong with them."""

TIMESTAMP = pa.timestamp("ns", tz="UTC")
LABEL = pa.dictionary(pa.int32(), pa.string())
LEVELS = pa.list_(pa.float64())


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit` is empty where there is none; the bounds are inclusive; `one_of` lists the allowed values.
    `since_later`: files of before there was such a column are without it, which is read as null."""

    name: str
    type: pa.DataType
    description: str
    unit: str = ""
    nullable: bool = False
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] | None = None
    since_later: bool = False

    def field(self) -> pa.Field:
        """The Arrow field, with description and unit as metadata."""
        metadata = {"description": self.description} | ({"unit": self.unit} if self.unit else {})
        return pa.field(self.name, self.type, self.nullable, metadata)

    def surely_holds(self, values: pa.ChunkedArray) -> bool:
        """Whether all values are as they should be. False: perhaps not, the pandera schema decides."""
        if values.null_count:
            if not self.nullable:
                return False
            values = values.drop_null()
        if not len(values):
            return True
        if self.one_of is not None or (self.type in (LABEL, pa.string()) and not self.nullable):
            labels = pc.unique(values.cast(pa.string())).to_pylist()
            return "" not in labels and (self.one_of is None or set(labels) <= set(self.one_of))
        if pa.types.is_floating(self.type) and not pc.all(pc.is_finite(values)).as_py():
            return False
        if self.at_least is None and self.at_most is None:
            return True
        bounds = pc.min_max(values).as_py()
        low, high = bounds["min"], bounds["max"]
        return (self.at_least is None or low >= self.at_least) and (self.at_most is None or high <= self.at_most)


@dataclass(frozen=True, slots=True)
class Validated:
    """A table split at the door: `rejected` has the same columns and `rejected_reason`."""

    good: pa.Table
    rejected: pa.Table


@dataclass(frozen=True)
class Dataset:
    """One dataset: `grain` says what one row is, `layout` how its objects are named (see `layout`)."""

    name: str
    title: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    layout: Literal["part", "segment", "symbol_hour", "venue_hour", "venue_day", "day"] = "part"
    row_check: Callable[[pa.Table], Reasons] | None = field(default=None, repr=False)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema with column metadata and the dataset's own."""
        metadata = {"dataset": self.name, "title": self.title, "grain": self.grain}
        return pa.schema([column.field() for column in self.columns], metadata)

    @property
    def rejected_name(self) -> str:
        """The sibling dataset that takes refused rows."""
        return f"{self.name}_rejected"

    @cached_property
    def pandera_schema(self) -> pandera.pandas.DataFrameSchema:
        """The scalar columns as a pandera schema; `validate` applies it, and so may any user of the data."""
        import pandera.pandas as pandera

        return pandera.DataFrameSchema(
            {column.name: _pandera_column(column) for column in self._scalar_columns}, name=self.name, strict=False
        )

    def conform(self, table: pa.Table) -> pa.Table:
        """`table` with exactly this dataset's columns, order, types and metadata; `SchemaViolation` where it cannot
        be.
        """
        missing = [name for name in self.schema.names if name not in table.column_names]
        extra = [name for name in table.column_names if name not in self.schema.names]
        if missing or extra:
            raise SchemaViolation(
                f"{self.name} has the wrong columns: missing {missing or 'none'}, unknown {extra or 'none'}"
            )
        chosen = table.select(self.schema.names)
        kept = {**(table.schema.metadata or {}), **(self.schema.metadata or {})}
        # Nulls are the guard's to name, row by row, so the cast lets them pass.
        loose = pa.schema([one.with_nullable(True) for one in self.schema], kept)
        try:
            columns = [column.cast(one.type) for column, one in zip(chosen.columns, loose, strict=True)]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SchemaViolation(f"{self.name} cannot take this table: {' '.join(str(error).split())}") from error
        return pa.table(columns, schema=loose)

    def completed(self, table: pa.Table) -> pa.Table:
        """`table` with nulls in the columns that there were none of when its file was written."""
        for column in self.added_columns:
            if column.name not in table.column_names:
                table = table.append_column(column.field(), pa.nulls(len(table), column.type))
        return table

    @property
    def added_columns(self) -> tuple[Column, ...]:
        """The columns that older files are without."""
        return tuple(column for column in self.columns if column.since_later)

    def validate(self, table: pa.Table) -> Validated:
        """Split the rows of `table` into good and rejected; `SchemaViolation` where not even the columns fit."""
        conformed = self.conform(table)
        reasons = self._scalar_reasons(conformed)
        if self.row_check is not None:
            reasons += self.row_check(conformed)
        bad = np.zeros(conformed.num_rows, dtype=bool)
        for rows, _ in reasons:
            bad |= rows
        good = conformed.filter(pa.array(~bad)) if bad.any() else conformed
        strict = self.schema.with_metadata(conformed.schema.metadata)
        return Validated(pa.table(good.columns, schema=strict), _rejected(conformed, bad, reasons))

    def empty(self) -> pa.Table:
        """A table of no rows."""
        return self.schema.empty_table()

    @cached_property
    def _scalar_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if not pa.types.is_list(column.type))

    def _scalar_reasons(self, table: pa.Table) -> Reasons:
        if all(column.surely_holds(table.column(column.name)) for column in self._scalar_columns):
            return []
        import pandera.errors

        frame = table.select([column.name for column in self._scalar_columns]).to_pandas(date_as_object=False)
        try:
            self.pandera_schema.validate(frame, lazy=True)
            return []
        except pandera.errors.SchemaErrors as error:
            return _failed_rows(error.failure_cases, table.num_rows)


def annotate(schema: pa.Schema, extra: Mapping[str, Mapping[str, str]]) -> pa.Schema:
    """`schema` with further metadata on the named columns, such as the tick size of one symbol's prices."""
    fields = [
        one.with_metadata({**(one.metadata or {}), **{k.encode(): v.encode() for k, v in extra[one.name].items()}})
        if extra.get(one.name)
        else one
        for one in schema
    ]
    return pa.schema(fields, schema.metadata)


def _pandera_column(column: Column) -> Any:
    import pandera.pandas as pandera

    checks = []
    if column.at_least is not None:
        checks.append(pandera.Check.ge(column.at_least, error=f"{column.name} is below {column.at_least:g}"))
    if column.at_most is not None:
        checks.append(pandera.Check.le(column.at_most, error=f"{column.name} is above {column.at_most:g}"))
    if column.one_of is not None:
        checks.append(pandera.Check.isin(column.one_of, error=f"{column.name} is not a known value"))
    if pa.types.is_floating(column.type):
        checks.append(pandera.Check(lambda values: np.isfinite(values), error=f"{column.name} is not finite"))
    if column.type in (LABEL, pa.string()) and not column.nullable:
        checks.append(pandera.Check(lambda values: values.astype("str") != "", error=f"{column.name} is empty"))
    return pandera.Column(None, checks, nullable=column.nullable)


def _failed_rows(failures: Any, count: int) -> Reasons:
    """Pandera's failure cases, one entry a reason. A null in a column that allows none is reported as not_nullable."""
    reasons: Reasons = []
    for (column, check), cases in failures.groupby(["column", "check"], sort=True):
        rows = np.zeros(count, dtype=bool)
        rows[cases["index"].to_numpy(dtype=np.int64)] = True
        reasons.append((rows, f"{column} is null" if check == "not_nullable" else str(check)))
    return reasons


def _rejected(table: pa.Table, bad: np.ndarray, reasons: Reasons) -> pa.Table:
    """The bad rows with every reason of each, joined by '; '."""
    indices = np.flatnonzero(bad)
    texts = ["; ".join(reason for rows, reason in reasons if rows[index]) for index in indices]
    return table.take(pa.array(indices)).append_column(REJECTED_REASON, pa.array(texts, pa.string()))
