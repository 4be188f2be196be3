"""How a check that comes with an asset is declared. Does not belong here: what is checked."""

import warnings
from typing import Any

import dagster as dg


def partition_check(name: str, *, partitions_def: dg.PartitionsDefinition, **spec: Any) -> dg.AssetCheckSpec:
    """A `dg.AssetCheckSpec` whose results belong to one partition.

    Without `partitions_def` the result for one recording would hide that for another. Dagster calls the parameter a
    preview, and would say so at every start; its version is pinned, and tests hold it to what is used here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(name, partitions_def=partitions_def, **spec)
