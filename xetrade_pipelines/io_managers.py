"""I/O managers: how a table passes from asset to asset through the lake. Never a pickle.

The asset's name is its dataset, its partition the venue and hour, the venue and day, or the day, as the dataset is
kept: an asset that takes `l2_snapshots` as input gets that hour's rows as Arrow, or as pandas if it says so, and a
returned table is guarded by the dataset's schema and stored in the lake's own layout. Assets that write for themselves
return no value and never come here.
https://docs.dagster.io/guides/build/io-managers/defining-a-custom-io-manager
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.day_tables import read_day, write_day
from xetrade_core.lake.hour_tables import read_hour, write_hour
from xetrade_core.lake.schemas import dataset_of
from xetrade_core.lake.venue_hours import read_venue_hour, write_venue_hour
from xetrade_pipelines.partitions import VenueDay, VenueHour, day_of_key
from xetrade_pipelines.resources import LakeResource

if TYPE_CHECKING:
    import pandas as pd

#: layouts of what is kept by day
_DAYS = ("venue_day", "day")


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores and loads Arrow and pandas tables as Parquet by dataset and partition."""

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: "pa.Table | pd.DataFrame") -> None:
        """Store a table as its asset's hour or day. Raises SchemaViolation, LakeError."""
        dataset = dataset_of(context.asset_key.path[-1])
        table = obj if isinstance(obj, pa.Table) else pa.Table.from_pandas(obj, preserve_index=False)
        if dataset.layout in _DAYS:
            day = write_day(self.lake.store(), dataset, *_day_of(dataset, context.partition_key), table)
            written: dict[str, Any] = {"rejected": day.rejected, "bytes": day.bytes, "changed_the_lake": day.changed}
            rows = day.rows
        elif dataset.layout == "venue_hour":
            at = VenueHour.from_key(context.partition_key)
            one = write_venue_hour(self.lake.store(), dataset, at.venue, at.start_ns, table)
            written = {"rejected": one.rejected, "bytes": one.bytes, "changed_the_lake": one.changed}
            rows = one.rows
        else:
            at = VenueHour.from_key(context.partition_key)
            hour = write_hour(self.lake.store(), dataset, at.venue, at.start_ns, table)
            written = {"rejected": hour.rejected, "bytes": hour.bytes, "symbols": list(hour.symbols)}
            rows = hour.rows
        context.add_output_metadata({"dagster/row_count": rows, **written})

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream asset's hour or day, as pandas where the input is annotated so, as Arrow otherwise."""
        dataset = dataset_of(context.asset_key.path[-1])
        if dataset.layout in _DAYS:
            held = read_day(self.lake.store(), dataset, *_day_of(dataset, context.partition_key))
            table = held if held is not None else dataset.empty()
        elif dataset.layout == "venue_hour":
            at = VenueHour.from_key(context.partition_key)
            held = read_venue_hour(self.lake.store(), dataset, at.venue, at.start_ns)
            table = held if held is not None else dataset.empty()
        else:
            at = VenueHour.from_key(context.partition_key)
            table = read_hour(self.lake.store(), dataset, at.venue, at.start_ns)
        return table.to_pandas() if _is_pandas(context.dagster_type.typing_type) else table


def _is_pandas(annotated: object) -> bool:
    """Whether an input is annotated as pandas. Definitions that name it nowhere load without it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and annotated is pandas.DataFrame


def _day_of(dataset: Dataset, key: str) -> tuple[str | None, int]:
    """The venue, where the dataset is of one, and the start of the day that a partition key names."""
    if dataset.layout == "day":
        return None, day_of_key(key)
    day = VenueDay.from_key(key)
    return day.venue, day.start_ns
