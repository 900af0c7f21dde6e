"""What every asset's spec has in common: it is a dataset of the lake, with its columns, its owner and its freshness.

What belongs here: nothing that only one area knows. Which assets there are, and what each is made from, stands in the
areas' `assets.py`. https://docs.dagster.io/api/dagster/assets
"""

from __future__ import annotations

import dagster as dg

from xetrade_core.lake.dataset import Dataset
from xetrade_pipelines.freshness import FRESHNESS
from xetrade_pipelines.metadata import column_schema

OWNERS = ["team:market-data"]
#: raised for a dataset whenever the same input would give other output, so that the UI shows what is out of date
FIRST_VERSION = "1"


def dataset_spec(
    dataset: Dataset,
    partitions: dg.PartitionsDefinition[str],
    group: str,
    *,
    deps: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    code_version: str = FIRST_VERSION,
) -> dg.AssetSpec:
    """The spec of the asset that is a dataset; `deps` are names of the datasets that it is made from."""
    return dg.AssetSpec(
        dataset.name,
        deps=deps,
        description=f"{dataset.title}: {dataset.description}",
        group_name=group,
        owners=OWNERS,
        kinds={"parquet", *kinds},
        code_version=code_version,
        partitions_def=partitions,
        freshness_policy=FRESHNESS[dataset.name],
        metadata={"dagster/column_schema": column_schema(dataset), "grain": dataset.grain},
        tags={"xetrade/layout": dataset.layout},
    )
