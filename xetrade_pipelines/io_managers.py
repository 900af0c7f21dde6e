"""I/O managers: how a table passes from asset to asset through the lake. Never a pickle.

The asset's name is its dataset, its partition the venue and hour: an asset that takes `l2_snapshots` as input gets that
hour's rows as Arrow, or as pandas if it says so, and a returned table is guarded by the dataset's schema and stored in
the lake's own layout. Assets that write for themselves return no value and never come here.
https://docs.dagster.io/guides/build/io-managers/defining-a-custom-io-manager
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from xetrade_core.lake.hour_tables import read_hour, write_hour
from xetrade_core.lake.schemas import dataset_of
from xetrade_pipelines.partitions import VenueHour
from xetrade_pipelines.resources import LakeResource


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores and loads Arrow and pandas tables as Parquet by dataset and partition."""

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: pa.Table | pd.DataFrame) -> None:
        """Store a table as its asset's hour. Raises SchemaViolation, LakeError."""
        dataset, hour = dataset_of(context.asset_key.path[-1]), VenueHour.from_key(context.partition_key)
        table = obj if isinstance(obj, pa.Table) else pa.Table.from_pandas(obj, preserve_index=False)
        written = write_hour(self.lake.store(), dataset, hour.venue, hour.start_ns, table)
        context.add_output_metadata(
            {
                "dagster/row_count": written.rows,
                "rejected": written.rejected,
                "bytes": written.bytes,
                "symbols": list(written.symbols),
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """The upstream asset's hour, as pandas where the input is annotated so, as Arrow otherwise."""
        dataset, hour = dataset_of(context.asset_key.path[-1]), VenueHour.from_key(context.partition_key)
        table = read_hour(self.lake.store(), dataset, hour.venue, hour.start_ns)
        return table.to_pandas() if context.dagster_type.typing_type is pd.DataFrame else table
