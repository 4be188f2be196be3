"""The housing table as tensors: all files of the inbox made one, or the table that the install carries.

Belongs here: the external assets of dropped files, the dataset and what is recorded of it. Does not belong here:
reading CSV (`tables.py`), drawing splits (`splits.py`).
"""

from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from dagster_project.partitions import housing_batches
from resources.errors import BadInput, MissingExtra, failures
from resources.intake import batches
from resources.store.types import Tensors
from resources.training.plots import as_markdown

GROUP = "housing"
OWNERS = ["team:scriptorium"]

housing_files = dg.AssetSpec(
    "housing_files",
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description=(
        "All CSV files in the inbox's folder `housing/`, together; their names and order do not matter. They stay where"
        " they are and are never changed."
    ),
)

housing_questions = dg.AssetSpec(
    "housing_questions",
    partitions_def=housing_batches,
    group_name=GROUP,
    kinds={"file", "csv"},
    owners=OWNERS,
    description="CSV files in the inbox's folder `housing/predict/`, whose rows are to be priced. Never changed.",
)


class HousingDatasetConfig(dg.Config):
    """Where the table comes from, and how it is split."""

    source: Literal["auto", "inbox", "builtin"] = Field(
        default="auto",
        description="`inbox`: the CSV files in the inbox; `builtin`: the 506 rows that the package mlxtend carries;"
        " `auto`: the inbox if there are files, else the built-in table.",
    )
    paths: list[str] = Field(
        default_factory=list, description="CSV files, or folders of them, to use instead of `source`."
    )
    drop_b: bool = Field(
        default=True, description="Leave out column B, which encodes the share of Black residents of a town."
    )
    splits: int = Field(default=20, ge=2, le=100, description="Number of splits into train, validation and test rows.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the splits.")


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[housing_files],
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Tensors,
    description=(
        "One table of house prices: `features` float32 (rows, columns), `target` float32 (rows,) in 1000 USD, `splits`"
        " uint8 (splits, rows) with 0 train, 1 validation, 2 test, `columns` their names (UTF-8, one a line), and"
        " `scale_*`, statistics of each split's train rows. Equal rows are there once; files in another order give the"
        " same table."
    ),
)
def housing_dataset(context: dg.AssetExecutionContext, config: HousingDatasetConfig) -> dg.MaterializeResult:
    with failures():
        from assets.housing import pictures, splits, tables

        files, origin = _files(context, config)
        table = _builtin(config.drop_b) if files is None else tables.read(files, config.drop_b)
        if len(table.target) < splits.FEWEST_ROWS:
            raise BadInput(
                f"The files have {len(table.target)} different rows; a model needs {splits.FEWEST_ROWS}.",
                "Add rows. (A file to be priced belongs into inbox/housing/predict.)",
            )
        parts = splits.draw(table.values, config.splits, config.seed)
        dataset = _tensors(table, parts)
    capped = int((table.target == table.target.max()).sum())
    counts = "\n".join(f"| {name} | {count:,} |" for name, count in table.counts.items())
    return dg.MaterializeResult(
        value=dataset,
        metadata={
            "rows": len(table.target),
            "duplicates": table.duplicates,
            "source": origin,
            "rows_per_file": dg.MetadataValue.md(f"| file | rows |\n|---|---|\n{counts}"),
            "dropped_columns": ", ".join(_dropped(table.columns)) or "none",
            "rows_at_highest_price": capped,
            "highest_price": float(table.target.max()),
            "rows_of_a_split": " / ".join(str(int((parts[0] == code).sum())) for code in range(3)),
            "description": dg.MetadataValue.md(_described(table)),
            "prices": dg.MetadataValue.md(as_markdown(pictures.histogram(table.target), "prices")),
        },
    )


def _files(
    context: dg.AssetExecutionContext, config: HousingDatasetConfig
) -> tuple[list[tuple[str, bytes]] | None, str]:
    """Names and contents of the files, None for the built-in table; and where that is."""
    if config.paths:
        found = [file for path in config.paths for file in _under(Path(path).expanduser())]
        return [(str(path), path.read_bytes()) for path in found], f"{len(found)} files given by name"
    known = batches.latest(context.instance, housing_files.key.to_user_string(), None)
    if config.source == "builtin" or (config.source == "auto" and (known is None or not known.files)):
        return None, "the 506 rows of Boston that the package mlxtend carries"
    whole = batches.files_of(context, housing_files.key.to_user_string(), None)
    return [(file.name, file.path.read_bytes()) for file in whole], f"{len(whole)} files of the inbox"


def _under(path: Path) -> list[Path]:
    """The file, or the CSV files of a folder."""
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv") if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise BadInput(f'There is no CSV file at "{path}".', "Check `paths`.")
    return found


def _builtin(drop_b: bool) -> Any:
    """The Boston table. Harrison and Rubinfeld 1978, from UCI; mlxtend (BSD 3-Clause) carries it as a CSV file."""
    import numpy as np

    from assets.housing import tables

    try:
        from mlxtend.data import boston_housing_data
    except ImportError as error:
        raise MissingExtra(
            f"The built-in table comes with the package {error.name}, which is not installed.",
            "Install it: make setup EXTRAS=offline,train. Or put CSV files into inbox/housing.",
        ) from error
    values, target = boston_housing_data()
    names = [column.name for column in tables.FEATURES]
    wanted = tables.features(drop_b)
    rows = np.column_stack([values[:, [names.index(name) for name in wanted]], target])
    return tables.arranged(wanted, rows, {"mlxtend": len(rows)})


def _tensors(table: Any, parts: Any) -> Tensors:
    import torch

    from assets.housing import splits

    values, target = torch.from_numpy(table.values), torch.from_numpy(table.target)
    drawn = torch.from_numpy(parts)
    names = "\n".join(table.columns).encode()
    return Tensors(
        {
            "features": values,
            "target": target,
            "splits": drawn,
            "columns": torch.frombuffer(bytearray(names), dtype=torch.uint8),
            **splits.scales(values, target, drawn).tensors(),
        }
    )


def columns_of(dataset: Tensors) -> tuple[str, ...]:
    """Names of the dataset's columns."""
    return tuple(bytes(dataset["columns"].cpu().tolist()).decode().split("\n"))


def _dropped(columns: tuple[str, ...]) -> list[str]:
    from assets.housing import tables

    return [column.name for column in tables.FEATURES if column.name not in columns]


def _described(table: Any) -> str:
    """Each column: unit, lowest, median, mean, highest."""
    import numpy as np

    from assets.housing import tables

    known = {column.name: column for column in (*tables.FEATURES, tables.TARGET)}
    lines = ["| column | unit | meaning | lowest | median | mean | highest |", "|---|---|---|---|---|---|---|"]
    every = np.column_stack([table.values, table.target]).astype(float)
    for name, x in zip((*table.columns, tables.TARGET.name), every.T, strict=True):
        numbers = " | ".join(f"{value:.4g}" for value in (x.min(), np.median(x), x.mean(), x.max()))
        lines.append(f"| {name} | {known[name].unit} | {known[name].meaning} | {numbers} |")
    return "\n".join(lines)
