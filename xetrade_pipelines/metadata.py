"""What the UI shows of a partition: the core's records as Dagster metadata. No number is computed here.

A plot over hour x venue partitions zigzags from venue to venue, so each plotted number has a key of its own a venue
(`okx/synced_share`). Pictures go into the hourly report alone: two of them make a run's event log 120 KB instead of 15.
https://docs.dagster.io/guides/build/assets/metadata-and-tags
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import dagster as dg

from xetrade_core.lake.dataset import Dataset

Metadata = dict[str, dg.MetadataValue]


def column_schema(dataset: Dataset) -> dg.TableSchema:
    """The columns of a lake dataset, with unit and meaning, as the UI's column view shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=f"{column.description} [{column.unit}]" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in dataset.columns
        ]
    )


def plotted(venue: str | None, numbers: Mapping[str, float | int | None]) -> Metadata:
    """One numeric entry a name, under the venue's own key where it is of a venue; what is not known is left out: no
    plot falls to zero.
    """
    known = {name: value for name, value in numbers.items() if value is not None}
    return {
        f"{venue}/{name}" if venue is not None else name: (
            dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)
        )
        for name, value in known.items()
    }


def picture(title: str, png: bytes) -> dg.MetadataValue:
    """A PNG within a markdown entry, so that it is seen without any file server."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def markdown_table(rows: Sequence[Mapping[str, object]]) -> dg.MetadataValue:
    """A table with the rows' keys as header; numbers short, None as a dash."""
    if not rows:
        return dg.MetadataValue.md("nothing")
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(number)} s" for key, number in value.items()) or "-"
    return str(value)
